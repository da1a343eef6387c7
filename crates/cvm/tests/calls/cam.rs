//! CAM: users, groups, policies, roles and access keys.

use serde_json::{Value, json};

use crate::world::{World, code_of};

const ALLOWING: &str = r#"{"version": "2.0", "statement": {"effect": "allow", "action": "name/cvm:Describe*", "resource": "*"}}"#;

fn number(reply: &Value, member: &str) -> u64 {
    reply[member].as_u64().unwrap_or_else(|| panic!("{member}: {reply}"))
}

async fn golden(world: &World, action: &str, body: Value) -> Value {
    world.golden(&format!("{action}.json"), action, &body.to_string()).await
}

#[tokio::test]
async fn a_user_lives_with_keys_groups_and_policies() {
    let world = World::new().await;
    let made =
        golden(&world, "AddUser", json!({"Name": "li", "Remark": "looks", "UseApi": 1, "PhoneNum": "138", "CountryCode": "86"})).await;
    let uin = number(&made, "Uin");
    let li = world.cloud.principal(made["SecretId"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(golden(&world, "GetUser", json!({"Name": "li"})).await["Remark"], "looks");
    assert_eq!(golden(&world, "ListUsers", json!({})).await["Data"].as_array().unwrap().len(), 1);
    assert_eq!(
        number(&golden(&world, "DescribeSubAccounts", json!({"FilterSubAccountUin": [uin, 7]})).await["SubAccounts"][0], "Uin"),
        uin
    );
    golden(&world, "UpdateUser", json!({"Name": "li", "Remark": "still looks", "Email": "li@example.org"})).await;
    let told = world.call_as(&li, "GetCallerIdentity", "{}").await;
    assert!(told.body.contains(&format!(r#""UserId":"{uin}""#)), "{}", told.body);

    let group = number(&golden(&world, "CreateGroup", json!({"GroupName": "watch", "Remark": "who looks"})).await, "GroupId");
    let policy =
        golden(&world, "CreatePolicy", json!({"PolicyName": "look", "PolicyDocument": ALLOWING, "Tags": [{"Key": "a", "Value": "b"}]}))
            .await;
    let policy = number(&policy, "PolicyId");
    world.refused_as(&li, "DescribeInstances", "{}", "UnauthorizedOperation").await;
    golden(&world, "AttachGroupPolicy", json!({"PolicyId": policy, "AttachGroupId": group})).await;
    golden(&world, "AddUserToGroup", json!({"Info": [{"GroupId": group, "Uin": uin}]})).await;
    let li = world.cloud.principal(made["SecretId"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(code_of(&world.call_as(&li, "DescribeInstances", "{}").await), None);
    assert_eq!(golden(&world, "ListAttachedGroupPolicies", json!({"TargetGroupId": group})).await["TotalNum"], 1);
    assert_eq!(golden(&world, "GetGroup", json!({"GroupId": group})).await["GroupNum"], 1);
    assert_eq!(golden(&world, "ListUsersForGroup", json!({"GroupId": group})).await["TotalNum"], 1);
    assert_eq!(golden(&world, "ListGroupsForUser", json!({"SubUin": uin})).await["TotalNum"], 1);
    golden(&world, "UpdateGroup", json!({"GroupId": group, "GroupName": "watchers"})).await;
    assert_eq!(golden(&world, "ListGroups", json!({"Keyword": "chers"})).await["TotalNum"], 1);

    assert_eq!(golden(&world, "GetPolicy", json!({"PolicyId": policy})).await["PolicyDocument"], ALLOWING);
    let closed = ALLOWING.replace("allow", "deny");
    golden(&world, "UpdatePolicy", json!({"PolicyId": policy, "PolicyDocument": closed, "Description": "none looks"})).await;
    let li = world.cloud.principal(made["SecretId"].as_str().unwrap()).await.unwrap().unwrap();
    world.refused_as(&li, "DescribeInstances", "{}", "UnauthorizedOperation").await;
    let presets = golden(&world, "ListPolicies", json!({"Scope": "QCS", "Keyword": "QcloudCVM"})).await;
    let preset = number(&presets["List"][0], "PolicyId");
    golden(&world, "AttachUserPolicy", json!({"PolicyId": preset, "AttachUin": uin})).await;
    assert_eq!(golden(&world, "ListAttachedUserPolicies", json!({"TargetUin": uin})).await["List"][0]["PolicyType"], "QCS");
    golden(&world, "DetachUserPolicy", json!({"PolicyId": preset, "DetachUin": uin})).await;
    golden(&world, "DetachGroupPolicy", json!({"PolicyId": policy, "DetachGroupId": group})).await;
    golden(&world, "RemoveUserFromGroup", json!({"Info": [{"GroupId": group, "Uid": uin}]})).await;

    let key = golden(&world, "CreateAccessKey", json!({"TargetUin": uin, "Description": "second"})).await;
    let id = key["AccessKey"]["AccessKeyId"].as_str().unwrap().to_owned();
    world.refused("CreateAccessKey", &json!({"TargetUin": uin}).to_string(), "OperationDenied.AccessKeyOverLimit").await;
    golden(&world, "UpdateAccessKey", json!({"TargetUin": uin, "AccessKeyId": id, "Status": "Inactive"})).await;
    let listed = world.json("ListAccessKeys", &json!({"TargetUin": uin}).to_string()).await;
    assert_eq!(listed["AccessKeys"].as_array().unwrap().len(), 2);
    golden(&world, "DeleteAccessKey", json!({"TargetUin": uin, "AccessKeyId": id})).await;
    golden(&world, "ListAccessKeys", json!({"TargetUin": uin})).await;
    world.refused("DeleteUser", r#"{"Name": "li"}"#, "OperationDenied.HaveKeys").await;
    golden(&world, "DeleteUser", json!({"Name": "li", "Force": 1})).await;
    assert!(world.cloud.principal(made["SecretId"].as_str().unwrap()).await.unwrap().is_none(), "its key is gone with it");
    golden(&world, "DeleteGroup", json!({"GroupId": group})).await;
    golden(&world, "DeletePolicy", json!({"PolicyId": [policy]})).await;
    golden(&world, "GetUserAppId", json!({})).await;
    for (action, body, code) in [
        ("GetUser", json!({"Name": "li"}), "ResourceNotFound.UserNotExist"),
        ("GetGroup", json!({"GroupId": group}), "ResourceNotFound.GroupNotExist"),
        ("GetPolicy", json!({"PolicyId": policy}), "ResourceNotFound.PolicyIdNotFound"),
        ("DeletePolicy", json!({"PolicyId": [preset]}), "FailedOperation.Unmodifiable"),
        ("CreatePolicy", json!({"PolicyName": "p", "PolicyDocument": "{"}), "InvalidParameter.PolicyDocumentError"),
        ("AddUser", json!({"Name": "a", "ConsoleLogin": 1}), "UnsupportedOperation"),
        ("AddUser", json!({"Name": "a b"}), "InvalidParameter.ParamError"),
        ("DescribeSubAccounts", json!({"FilterSubAccountUin": []}), "MissingParameter"),
    ] {
        world.refused(action, &body.to_string(), code).await;
    }
}

#[tokio::test]
async fn a_policy_has_versions_of_which_one_counts() {
    let world = World::new().await;
    let made = world.json("AddUser", r#"{"Name": "li", "UseApi": 1}"#).await;
    let caller = || async { world.cloud.principal(made["SecretId"].as_str().unwrap()).await.unwrap().unwrap() };
    let named = json!({"PolicyName": "look", "PolicyDocument": ALLOWING}).to_string();
    let policy = number(&world.json("CreatePolicy", &named).await, "PolicyId");
    world.json("AttachUserPolicy", &json!({"PolicyId": policy, "AttachUin": made["Uin"]}).to_string()).await;
    assert_eq!(code_of(&world.call_as(&caller().await, "DescribeInstances", "{}").await), None);
    let denying = ALLOWING.replace("allow", "deny");
    let second = json!({"PolicyId": policy, "PolicyDocument": denying, "SetAsDefault": true});
    assert_eq!(golden(&world, "CreatePolicyVersion", second.clone()).await["VersionId"], 2);
    world.refused_as(&caller().await, "DescribeInstances", "{}", "UnauthorizedOperation").await;
    let listed = golden(&world, "ListPolicyVersions", json!({"PolicyId": policy})).await;
    let defaults: Vec<u64> = listed["Versions"].as_array().unwrap().iter().map(|version| number(version, "IsDefaultVersion")).collect();
    assert_eq!(defaults, [0, 1]);
    let shown = golden(&world, "GetPolicyVersion", json!({"PolicyId": policy, "VersionId": 2})).await;
    assert_eq!(shown["PolicyVersion"]["Document"], denying);
    golden(&world, "SetDefaultPolicyVersion", json!({"PolicyId": policy, "VersionId": 1})).await;
    assert_eq!(code_of(&world.call_as(&caller().await, "DescribeInstances", "{}").await), None);
    for _ in 3..=model::VERSIONS_MAX {
        world
            .json("CreatePolicyVersion", &json!({"PolicyId": policy, "PolicyDocument": ALLOWING, "SetAsDefault": false}).to_string())
            .await;
    }
    let preset = json!({"PolicyId": 1, "VersionId": 1});
    assert_eq!(world.json("GetPolicyVersion", &preset.to_string()).await["PolicyVersion"]["IsDefaultVersion"], 1);
    for (action, body, code) in [
        ("CreatePolicyVersion", second, "FailedOperation.PolicyVersionFull"),
        ("DeletePolicyVersion", json!({"PolicyId": policy, "VersionId": [1]}), "FailedOperation.PolicyVersionAlreadyDefault"),
        ("DeletePolicyVersion", json!({"PolicyId": policy, "VersionId": [9]}), "InvalidParameter.PolicyVersionNotExists"),
        ("DeletePolicyVersion", json!({"PolicyId": policy, "VersionId": []}), "MissingParameter"),
        ("GetPolicyVersion", json!({"PolicyId": policy, "VersionId": 9}), "InvalidParameter.PolicyVersionNotExists"),
        ("SetDefaultPolicyVersion", json!({"PolicyId": 77, "VersionId": 1}), "ResourceNotFound.PolicyIdNotFound"),
        ("SetDefaultPolicyVersion", preset, "FailedOperation.Unmodifiable"),
    ] {
        world.refused(action, &body.to_string(), code).await;
    }
    golden(&world, "DeletePolicyVersion", json!({"PolicyId": policy, "VersionId": [2, 3]})).await;
    let left = world.json("ListPolicyVersions", &json!({"PolicyId": policy}).to_string()).await;
    assert_eq!(left["Versions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_boundary_bounds_and_gives_nothing() {
    let world = World::new().await;
    let made = world.json("AddUser", r#"{"Name": "li", "UseApi": 1}"#).await;
    let caller = || async { world.cloud.principal(made["SecretId"].as_str().unwrap()).await.unwrap().unwrap() };
    let uin = number(&made, "Uin");
    let policy = |name: &'static str, action: &'static str| {
        let document = ALLOWING.replace("name/cvm:Describe*", action);
        json!({"PolicyName": name, "PolicyDocument": document}).to_string()
    };
    let all = number(&world.json("CreatePolicy", &policy("all", "*")).await, "PolicyId");
    let bound = number(&world.json("CreatePolicy", &policy("bound", "name/cvm:Describe*")).await, "PolicyId");
    let of_li = json!({"TargetUin": uin}).to_string();
    assert_eq!(world.json("GetUserPermissionBoundary", &of_li).await["PolicyId"], Value::Null);
    golden(&world, "PutUserPermissionsBoundary", json!({"TargetUin": uin, "PolicyId": bound})).await;
    world.refused_as(&caller().await, "DescribeInstances", "{}", "UnauthorizedOperation").await;
    world.json("AttachUserPolicy", &json!({"PolicyId": all, "AttachUin": uin}).to_string()).await;
    assert_eq!(code_of(&world.call_as(&caller().await, "DescribeInstances", "{}").await), None);
    world.refused_as(&caller().await, "CreateKeyPair", r#"{"KeyName": "k", "ProjectId": 0}"#, "UnauthorizedOperation").await;
    assert_eq!(golden(&world, "GetUserPermissionBoundary", json!({"TargetUin": uin})).await["PolicyName"], "bound");
    let listed = world.json("ListPolicies", r#"{"Scope": "Local", "Keyword": "bound"}"#).await;
    assert_eq!((&listed["List"][0]["AttachEntityBoundaryCount"], &listed["List"][0]["Attachments"]), (&json!(1), &json!(0)));
    for (action, body, code) in [
        ("DeletePolicy", json!({"PolicyId": [bound]}), "ResourceInUse"),
        ("PutUserPermissionsBoundary", json!({"TargetUin": uin, "PolicyId": 77}), "ResourceNotFound.PolicyIdNotFound"),
        ("PutUserPermissionsBoundary", json!({"TargetUin": 7, "PolicyId": bound}), "ResourceNotFound.UserNotExist"),
    ] {
        world.refused(action, &body.to_string(), code).await;
    }
    golden(&world, "DeleteUserPermissionsBoundary", json!({"TargetUin": uin})).await;
    world.refused("DeleteUserPermissionsBoundary", &of_li, "ResourceNotFound.PolicyIdNotFound").await;
    assert_eq!(code_of(&world.call_as(&caller().await, "CreateKeyPair", r#"{"KeyName": "k", "ProjectId": 0}"#).await), None);

    let trust = json!({"version": "2.0", "statement": [{"effect": "allow", "action": "name/sts:AssumeRole",
        "principal": {"qcs": [format!("qcs::cam::uin/{}:uin/{uin}", world.owner.account)]}}]});
    let role = world.json("CreateRole", &json!({"RoleName": "watcher", "PolicyDocument": trust.to_string()}).to_string()).await;
    golden(&world, "PutRolePermissionsBoundary", json!({"RoleName": "watcher", "PolicyId": 1})).await;
    assert_eq!(golden(&world, "GetRolePermissionBoundary", json!({"RoleId": role["RoleId"]})).await["PolicyType"], 2);
    golden(&world, "DeleteRolePermissionsBoundary", json!({"RoleId": role["RoleId"]})).await;
}

#[tokio::test]
async fn a_role_is_named_by_its_id_or_its_name() {
    let world = World::new().await;
    let account = world.owner.account;
    let trust = |uin: u64| {
        json!({"version": "2.0", "statement": [{"effect": "allow", "action": "name/sts:AssumeRole",
            "principal": {"qcs": [format!("qcs::cam::uin/{account}:uin/{uin}")]}}]})
        .to_string()
    };
    let made = world.json("AddUser", r#"{"Name": "wang", "UseApi": 1}"#).await;
    let uin = number(&made, "Uin");
    let role =
        golden(&world, "CreateRole", json!({"RoleName": "watcher", "PolicyDocument": trust(7), "Tags": [{"Key": "a", "Value": "b"}]}))
            .await;
    let id = role["RoleId"].as_str().unwrap().to_owned();
    golden(&world, "UpdateRoleDescription", json!({"RoleId": id, "Description": "looks"})).await;
    assert_eq!(golden(&world, "GetRole", json!({"RoleId": id})).await["RoleInfo"]["SessionDuration"], 7_200);
    let assume = json!({"RoleArn": format!("qcs::cam::uin/{account}:role/{id}"), "RoleSessionName": "night"}).to_string();
    let wang = || async { world.cloud.principal(made["SecretId"].as_str().unwrap()).await.unwrap().unwrap() };
    world.refused_as(&wang().await, "AssumeRole", &assume, "UnauthorizedOperation").await;
    golden(&world, "UpdateAssumeRolePolicy", json!({"RoleName": "watcher", "PolicyDocument": trust(uin)})).await;
    assert_eq!(code_of(&world.call_as(&wang().await, "AssumeRole", &assume).await), None, "its trust names the user");
    let own = world.json("CreatePolicy", &json!({"PolicyName": "look", "PolicyDocument": ALLOWING}).to_string()).await;
    golden(&world, "AttachRolePolicy", json!({"PolicyName": "QcloudCVMReadOnlyAccess", "AttachRoleName": "watcher"})).await;
    world.json("AttachRolePolicy", &json!({"PolicyId": own["PolicyId"], "AttachRoleId": id}).to_string()).await;
    let listed = golden(&world, "ListAttachedRolePolicies", json!({"Page": 1, "Rp": 20, "RoleId": id})).await;
    assert_eq!(listed["TotalNum"], 2);
    golden(&world, "DetachRolePolicy", json!({"PolicyName": "look", "DetachRoleId": id})).await;
    assert_eq!(golden(&world, "DescribeRoleList", json!({"Page": 1, "Rp": 20, "Tags": [{"Key": "a", "Value": "b"}]})).await["TotalNum"], 1);
    golden(&world, "TagRole", json!({"RoleId": id, "Tags": [{"Key": "a", "Value": "c"}, {"Key": "d", "Value": "e"}]})).await;
    golden(&world, "UntagRole", json!({"RoleName": "watcher", "TagKeys": ["d", "never"]})).await;
    golden(&world, "UpdateRoleSessionDuration", json!({"RoleId": id.parse::<u64>().unwrap(), "SessionDuration": 3_600})).await;
    let shown = world.json("GetRole", r#"{"RoleName": "watcher"}"#).await["RoleInfo"].clone();
    assert_eq!((&shown["Tags"], &shown["SessionDuration"]), (&json!([{"Key": "a", "Value": "c"}]), &json!(3_600)));
    for (action, body, code) in [
        ("TagRole", json!({"RoleName": "watcher", "Tags": []}), "MissingParameter"),
        ("UntagRole", json!({"RoleName": "nobody", "TagKeys": ["a"]}), "InvalidParameter.RoleNotExist"),
        ("UpdateRoleSessionDuration", json!({"RoleName": "watcher", "SessionDuration": 60}), "InvalidParameter.ParamError"),
    ] {
        world.refused(action, &body.to_string(), code).await;
    }
    golden(&world, "DeleteRole", json!({"RoleName": "watcher"})).await;
    world.refused("GetRole", &json!({"RoleId": id}).to_string(), "InvalidParameter.RoleNotExist").await;
    world.refused("GetRole", r#"{"RoleName": "watcher"}"#, "InvalidParameter.RoleNotExist").await;
}

#[tokio::test]
async fn policies_name_users_groups_and_policies_by_number() {
    let world = World::new().await;
    let account = world.owner.account;
    let own = number(&world.json("AddUser", r#"{"Name": "one"}"#).await, "Uin");
    let other = number(&world.json("AddUser", r#"{"Name": "two"}"#).await, "Uin");
    let policy = format!(
        r#"{{"version": "2.0", "statement": {{"effect": "allow", "action": "name/cam:CreateAccessKey", "resource": "qcs::cam::uin/{account}:uin/{own}"}}}}"#
    );
    let key = world.cloud.user_create(account, "helper", vec![policy]).await.unwrap();
    let helper = world.cloud.principal(&key.id).await.unwrap().unwrap();
    let make = |uin: u64| json!({"TargetUin": uin}).to_string();
    assert_eq!(code_of(&world.call_as(&helper, "CreateAccessKey", &make(own)).await), None);
    world.refused_as(&helper, "CreateAccessKey", &make(other), "UnauthorizedOperation").await;
    world.refused_as(&helper, "CreateAccessKey", &make(7), "UnauthorizedOperation").await;
    // Who may make users may not make keys of them.
    let adder = r#"{"version": "2.0", "statement": {"effect": "allow", "action": ["cam:AddUser", "cam:DeleteUser"], "resource": "*"}}"#;
    let key = world.cloud.user_create(account, "adder", vec![adder.to_owned()]).await.unwrap();
    let adder = world.cloud.principal(&key.id).await.unwrap().unwrap();
    world.refused_as(&adder, "AddUser", r#"{"Name": "three", "UseApi": 1}"#, "UnauthorizedOperation").await;
    assert_eq!(code_of(&world.call_as(&adder, "AddUser", r#"{"Name": "three"}"#).await), None);
    world.refused_as(&adder, "DeleteUser", r#"{"Name": "three", "Force": 1}"#, "UnauthorizedOperation").await;
    assert_eq!(code_of(&world.call_as(&adder, "DeleteUser", r#"{"Name": "three"}"#).await), None);
}

#[tokio::test]
async fn who_has_a_policy_and_by_what_group_is_told() {
    let world = World::new().await;
    let policy = |name: &str| json!({"PolicyName": name, "PolicyDocument": ALLOWING}).to_string();
    let look = number(&world.json("CreatePolicy", &policy("look")).await, "PolicyId");
    let (li, wang) = (world.json("AddUser", r#"{"Name": "li"}"#).await, world.json("AddUser", r#"{"Name": "wang"}"#).await);
    let (li, wang) = (number(&li, "Uin"), number(&wang, "Uin"));
    let group = number(&world.json("CreateGroup", r#"{"GroupName": "watch"}"#).await, "GroupId");
    let trust = json!({"version": "2.0", "statement": [{"effect": "allow", "action": "name/sts:AssumeRole", "principal": {"service": ["cvm.cloud.tencent.com"]}}]});
    let role =
        world.json("CreateRole", &json!({"RoleName": "worker", "PolicyDocument": trust.to_string()}).to_string()).await["RoleId"].clone();
    world.json("AddUserToGroup", &json!({"Info": [{"GroupId": group, "Uin": li}]}).to_string()).await;
    world.json("AttachUserPolicy", &json!({"PolicyId": look, "AttachUin": li}).to_string()).await;
    world.json("AttachGroupPolicy", &json!({"PolicyId": look, "AttachGroupId": group}).to_string()).await;
    world.json("AttachRolePolicy", &json!({"PolicyId": look, "AttachRoleName": "worker"}).to_string()).await;
    let preset = number(&world.json("ListPolicies", r#"{"Scope": "QCS", "Keyword": "QcloudCVM"}"#).await["List"][0], "PolicyId");
    world.json("AttachGroupPolicy", &json!({"PolicyId": preset, "AttachGroupId": group}).to_string()).await;

    let all = golden(&world, "ListEntitiesForPolicy", json!({"PolicyId": look})).await;
    let told: Vec<_> = all["List"].as_array().unwrap().iter().map(|row| (row["Id"].clone(), row["RelatedType"].clone())).collect();
    assert_eq!(told, [(json!(li.to_string()), json!(1)), (json!(group.to_string()), json!(2)), (role, json!(3))]);
    for (filter, found) in [("User", 1), ("Group", 1), ("Role", 1), ("All", 3)] {
        let asked = json!({"PolicyId": look, "EntityFilter": filter, "Page": 1, "Rp": 1});
        assert_eq!(world.json("ListEntitiesForPolicy", &asked.to_string()).await["TotalNum"], found, "{filter}");
    }
    assert_eq!(world.json("ListEntitiesForPolicy", &json!({"PolicyId": preset}).to_string()).await["List"][0]["Name"], "watch");
    world.refused("ListEntitiesForPolicy", r#"{"PolicyId": 77}"#, "ResourceNotFound.PolicyIdNotFound").await;

    let of_li = |more: Value| {
        let mut asked = json!({"TargetUin": li, "Page": 1, "Rp": 20});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    let all = golden(&world, "ListAttachedUserAllPolicies", of_li(json!({"AttachType": 0}))).await;
    let names = |list: &Value| list["PolicyList"].as_array().unwrap().iter().map(|row| row["PolicyId"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&all), [json!(look.to_string()), json!(preset.to_string())]);
    assert_eq!(all["PolicyList"][0]["Groups"], json!([{"GroupId": group, "GroupName": "watch"}]), "once, although twice given");
    for (more, found) in [
        (json!({"AttachType": 1}), 1),
        (json!({"AttachType": 2}), 2),
        (json!({"AttachType": 0, "StrategyType": 2}), 1),
        (json!({"AttachType": 0, "Keyword": "loo"}), 1),
    ] {
        assert_eq!(world.json("ListAttachedUserAllPolicies", &of_li(more.clone()).to_string()).await["TotalNum"], found, "{more}");
    }
    let of_wang = json!({"TargetUin": wang, "AttachType": 0, "Page": 1, "Rp": 20}).to_string();
    assert_eq!(world.json("ListAttachedUserAllPolicies", &of_wang).await["TotalNum"], 0);
    let counted = golden(&world, "GetAccountSummary", json!({})).await;
    let members = ["Policies", "Roles", "User", "Group", "Member"].map(|name| number(&counted, name));
    assert_eq!(members, [1, 1, 2, 1, 1]);
}
