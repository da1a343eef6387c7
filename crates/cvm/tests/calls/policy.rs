//! What a user may do whose policies are written in CAM's words.

use crate::world::{World, code_of};

/// The calls that a user of the account under test may make who has this policy.
async fn allowed(world: &World, user: &str, statement: &str) -> Vec<&'static str> {
    let policy = format!(r#"{{"version": "2.0", "statement": [{statement}]}}"#);
    let key = world.cloud.user_create(world.owner.account, user, vec![policy]).await.unwrap();
    let user = world.cloud.principal(&key.id).await.unwrap().unwrap();
    let calls = ["DescribeZones", "DescribeInstances", "DescribeVpcs", "DescribeSecurityGroups", "DescribeDisks"];
    let mut allowed = vec![];
    for call in calls {
        let reply = world.call_as(&user, call, "{}").await;
        match code_of(&reply).as_deref() {
            None => allowed.push(call),
            Some(code) => assert_eq!(code, "UnauthorizedOperation", "{call}: {}", reply.body),
        }
    }
    allowed
}

#[tokio::test]
async fn a_thing_goes_by_the_id_that_tencents_clients_know() {
    let world = World::new().await;
    let ids = world.run(r#""InstanceCount": 2"#).await;
    world.settle().await;
    let statements = format!(
        r#"{{"effect": "allow", "action": "cvm:*", "resource": "*"}},
           {{"effect": "deny", "action": "cvm:RebootInstances", "resource": "qcs::cvm:test-1:uin/{}:instance/{}"}}"#,
        world.owner.account, ids[0]
    );
    let policy = format!(r#"{{"version": "2.0", "statement": [{statements}]}}"#);
    let key = world.cloud.user_create(world.owner.account, "rebooter", vec![policy]).await.unwrap();
    let user = world.cloud.principal(&key.id).await.unwrap().unwrap();
    let reboot = |id: &str| format!(r#"{{"InstanceIds": ["{id}"]}}"#);
    world.refused_as(&user, "RebootInstances", &reboot(&ids[0]), "UnauthorizedOperation").await;
    let reply = world.call_as(&user, "RebootInstances", &reboot(&ids[1])).await;
    assert_eq!(code_of(&reply), None, "{}", reply.body);
}

#[tokio::test]
async fn each_service_goes_by_its_own_name() {
    let world = World::new().await;
    for (user, statement, expected) in [
        ("a", r#"{"effect": "allow", "action": "vpc:Describe*", "resource": "*"}"#, &["DescribeVpcs", "DescribeSecurityGroups"][..]),
        (
            "b",
            r#"{"effect": "allow", "action": ["cvm:DescribeInstances", "cbs:*"], "resource": "*"}"#,
            &["DescribeInstances", "DescribeDisks"],
        ),
        ("c", r#"{"effect": "allow", "action": "name/vpc:DescribeVpcs", "resource": "*"}"#, &["DescribeVpcs"]),
        (
            "d",
            r#"{"effect": "allow", "action": "*", "resource": "*"}, {"effect": "deny", "action": "vpc:*", "resource": "*"}"#,
            &["DescribeZones", "DescribeInstances", "DescribeDisks"],
        ),
    ] {
        assert_eq!(allowed(&world, user, statement).await, expected, "{statement}");
    }
}

#[tokio::test]
async fn a_user_assumes_a_role_that_trusts_it() {
    let world = World::new().await;
    let account = world.owner.account;
    let policy = r#"{"version": "2.0", "statement": [{"effect": "allow", "action": "sts:AssumeRole", "resource": "*"}]}"#;
    let key = world.cloud.user_create(account, "ann", vec![policy.to_owned()]).await.unwrap();
    let ann = world.cloud.principal(&key.id).await.unwrap().unwrap();
    let trust =
        format!(r#"{{"effect": "allow", "principal": {{"qcs": ["qcs::cam::uin/{account}:user/ann"]}}, "action": "sts:AssumeRole"}}"#);
    let trust = format!(r#"{{"version": "2.0", "statement": [{trust}]}}"#);
    let role = control::CreateRole {
        name: "looker".to_owned(),
        description: String::new(),
        trust,
        session_seconds: 3_600,
        boundary: None,
        tags: model::Tags::new(),
    };
    world.cloud.run(&world.caller(), role, control::Options::default()).await.unwrap();
    let assume = |name: &str| format!(r#"{{"RoleArn": "qcs::cam::uin/{account}:roleName/{name}", "RoleSessionName": "night"}}"#);
    let given = world.golden_as(&ann, "AssumeRole.json", "AssumeRole", &assume("looker")).await;
    let text = |member: &str| given["Credentials"][member].as_str().unwrap();
    let bearer = world.cloud.bearer(text("TmpSecretId"), text("Token")).await.unwrap();
    world.refused_as(&bearer, "DescribeInstances", "{}", "UnauthorizedOperation").await;
    world.refused_as(&ann, "AssumeRole", &assume("absent"), "UnauthorizedOperation").await;
    world.refused_as(&ann, "AssumeRole", r#"{"RoleArn": "looker", "RoleSessionName": "night"}"#, "InvalidParameterValue").await;
    world.refused("AssumeRole", &assume("looker"), "UnauthorizedOperation").await;
}
