//! What an account has of access control, counted and in full.

use control::{Held, Identities, PolicyUse};
use jiff::Timestamp;
use model::{
    ACCESS_KEYS_MAX, ATTACHED_MAX, AccountId, InstanceProfile, ManagedPolicy, OWN_MAX, PolicyVersion, Role, SYSTEM_POLICIES, User,
    UserGroup, VERSIONS_MAX,
};
use model::{GROUPS_OF_USER_MAX, policy::MAX_CHARACTERS};
use wire::{FromArg, Show};

use super::attached::{AttachedItem, item as attached_item};
use super::boundary::BoundaryItem;
use super::instance_profile::{ProfileItem, item as profile_item};
use super::policy::system_item;
use super::tag::{TagItem, items};
use super::{Paging, arn, encoded, policy_arn, unique_id};
use crate::Cx;
use crate::error::Refusal;

/// Parameters of `GetAccountSummary`: none.
#[derive(FromArg)]
pub(crate) struct GetSummary {}

/// The reply of `GetAccountSummary`.
#[derive(Show)]
#[reply(list = "entry")]
pub(crate) struct Summary {
    summary_map: Vec<Entry>,
}

#[derive(Show)]
struct Entry {
    #[reply(name = "key")]
    key: &'static str,
    #[reply(name = "value")]
    value: usize,
}

/// Counts what the account has, beside the most that it may have.
pub(crate) async fn summary(cx: Cx, _: GetSummary) -> Result<Summary, Refusal> {
    let all = cx.cloud.identities(&cx.caller).await?;
    let root = all.root.as_ref().map(|root| root.id);
    let in_use = all.devices.iter().filter(|device| device.holder.is_some()).count();
    let of_root = all.devices.iter().filter(|device| device.holder.as_ref().is_some_and(|holder| Some(holder.user) == root)).count();
    let versions: usize = all.policies.iter().map(|policy| policy.versions.len()).sum();
    let counted = [
        ("Users", all.users.len()),
        ("UsersQuota", control::USERS_MAX),
        ("Groups", all.groups.len()),
        ("GroupsQuota", control::USER_GROUPS_MAX),
        ("GroupsPerUserQuota", GROUPS_OF_USER_MAX),
        ("Roles", all.roles.len()),
        ("RolesQuota", control::ROLES_MAX),
        ("Policies", all.policies.len()),
        ("PoliciesQuota", control::POLICIES_MAX),
        ("PolicySizeQuota", MAX_CHARACTERS),
        ("UserPolicySizeQuota", MAX_CHARACTERS * OWN_MAX),
        ("GroupPolicySizeQuota", MAX_CHARACTERS * OWN_MAX),
        ("RolePolicySizeQuota", MAX_CHARACTERS * OWN_MAX),
        ("AssumeRolePolicySizeQuota", MAX_CHARACTERS),
        ("PolicyVersionsInUse", versions),
        ("PolicyVersionsInUseQuota", control::POLICIES_MAX * VERSIONS_MAX),
        ("VersionsPerPolicyQuota", VERSIONS_MAX),
        ("AttachedPoliciesPerUserQuota", ATTACHED_MAX),
        ("AttachedPoliciesPerGroupQuota", ATTACHED_MAX),
        ("AttachedPoliciesPerRoleQuota", ATTACHED_MAX),
        ("InstanceProfiles", all.profiles.len()),
        ("AccessKeysPerUserQuota", ACCESS_KEYS_MAX),
        ("AccountAccessKeysPresent", all.root_keys.min(1)),
        ("MFADevices", all.devices.len()),
        ("MFADevicesInUse", in_use),
        ("AccountMFAEnabled", of_root.min(1)),
        // What this cloud does not have.
        ("AccountPasswordPresent", 0),
        ("AccountSigningCertificatesPresent", 0),
        ("Providers", 0),
        ("ServerCertificates", 0),
    ];
    Ok(Summary { summary_map: counted.into_iter().map(|(key, value)| Entry { key, value }).collect() })
}

/// Kinds of what is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
pub(crate) enum Kind {
    User,
    Role,
    Group,
    LocalManagedPolicy,
    #[arg(name = "AWSManagedPolicy")]
    AwsManagedPolicy,
}

#[derive(FromArg)]
pub(crate) struct Kinds {
    #[arg(name = "member")]
    kinds: Vec<Kind>,
}

/// The parameters of `GetAccountAuthorizationDetails`.
#[derive(FromArg)]
pub(crate) struct GetDetails {
    filter: Option<Kinds>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `GetAccountAuthorizationDetails`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Details {
    user_detail_list: Vec<UserDetail>,
    group_detail_list: Vec<GroupDetail>,
    role_detail_list: Vec<RoleDetail>,
    policies: Vec<PolicyDetail>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Show)]
struct OwnPolicy {
    policy_name: String,
    policy_document: String,
}

#[derive(Show)]
#[reply(list = "member")]
struct UserDetail {
    path: &'static str,
    user_name: String,
    user_id: String,
    arn: String,
    create_date: Timestamp,
    user_policy_list: Vec<OwnPolicy>,
    group_list: Vec<String>,
    attached_managed_policies: Vec<AttachedItem>,
    permissions_boundary: Option<BoundaryItem>,
    tags: Vec<TagItem>,
}

#[derive(Show)]
#[reply(list = "member")]
struct GroupDetail {
    path: &'static str,
    group_name: String,
    group_id: String,
    arn: String,
    create_date: Timestamp,
    group_policy_list: Vec<OwnPolicy>,
    attached_managed_policies: Vec<AttachedItem>,
}

#[derive(Show)]
#[reply(list = "member")]
struct RoleDetail {
    path: &'static str,
    role_name: String,
    role_id: String,
    arn: String,
    create_date: Timestamp,
    assume_role_policy_document: String,
    instance_profile_list: Vec<ProfileItem>,
    role_policy_list: Vec<OwnPolicy>,
    attached_managed_policies: Vec<AttachedItem>,
    permissions_boundary: Option<BoundaryItem>,
    tags: Vec<TagItem>,
}

#[derive(Show)]
#[reply(list = "member")]
struct PolicyDetail {
    policy_name: String,
    policy_id: String,
    arn: String,
    path: &'static str,
    default_version_id: String,
    attachment_count: usize,
    permissions_boundary_usage_count: usize,
    is_attachable: bool,
    create_date: Timestamp,
    update_date: Timestamp,
    policy_version_list: Vec<VersionDetail>,
}

#[derive(Show)]
struct VersionDetail {
    document: String,
    version_id: String,
    is_default_version: bool,
    create_date: Timestamp,
}

/// One of what is listed, and its place in the order of pages.
enum Detail {
    User(UserDetail),
    Group(GroupDetail),
    Role(RoleDetail),
    Policy(PolicyDetail),
}

fn own_of(held: &Held) -> Vec<OwnPolicy> {
    held.own.iter().map(|(name, document)| OwnPolicy { policy_name: name.clone(), policy_document: encoded(document) }).collect()
}

fn attached_of(account: AccountId, held: &Held) -> Vec<AttachedItem> {
    held.attached.iter().map(|policy| attached_item(account, &policy.name)).collect()
}

fn boundary_of(account: AccountId, held: &Held) -> Option<BoundaryItem> {
    held.boundary.as_ref().map(|policy| BoundaryItem::of(account, policy))
}

fn user_detail(user: &User, held: &Held, groups: &[String]) -> UserDetail {
    UserDetail {
        path: "/",
        user_name: user.name.clone(),
        user_id: unique_id("AIDA", user.id.as_u64()),
        arn: arn(user.account, "user", &user.name),
        create_date: user.created_at.timestamp(),
        user_policy_list: own_of(held),
        group_list: groups.to_vec(),
        attached_managed_policies: attached_of(user.account, held),
        permissions_boundary: boundary_of(user.account, held),
        tags: items(&user.tags),
    }
}

fn group_detail(group: &UserGroup, held: &Held) -> GroupDetail {
    GroupDetail {
        path: "/",
        group_name: group.name.clone(),
        group_id: unique_id("AGPA", group.id.as_u64()),
        arn: arn(group.account, "group", &group.name),
        create_date: group.created_at.timestamp(),
        group_policy_list: own_of(held),
        attached_managed_policies: attached_of(group.account, held),
    }
}

fn role_detail(role: &Role, held: &Held, profiles: &[InstanceProfile]) -> RoleDetail {
    let profiles = profiles.iter().filter(|profile| profile.role == Some(role.id));
    RoleDetail {
        path: "/",
        role_name: role.name.clone(),
        role_id: unique_id("AROA", role.id.as_u64()),
        arn: arn(role.account, "role", &role.name),
        create_date: role.created_at.timestamp(),
        assume_role_policy_document: encoded(&role.trust),
        instance_profile_list: profiles.map(|profile| profile_item(&(profile.clone(), Some(role.clone())))).collect(),
        role_policy_list: own_of(held),
        attached_managed_policies: attached_of(role.account, held),
        permissions_boundary: boundary_of(role.account, held),
        tags: items(&role.tags),
    }
}

fn policy_detail(policy: &ManagedPolicy, used: PolicyUse) -> PolicyDetail {
    let version = |version: &PolicyVersion| VersionDetail {
        document: encoded(&version.document),
        version_id: format!("v{}", version.number),
        is_default_version: version.number == policy.default,
        create_date: version.created_at.timestamp(),
    };
    PolicyDetail {
        policy_name: policy.name.clone(),
        policy_id: unique_id("ANPA", policy.id.as_u64()),
        arn: policy_arn(policy.account, &control::PolicyName::Own(policy.name.clone())),
        path: "/",
        default_version_id: format!("v{}", policy.default),
        attachment_count: used.attached,
        permissions_boundary_usage_count: used.bounding,
        is_attachable: true,
        create_date: policy.created_at.timestamp(),
        update_date: policy.versions.last().map_or(policy.created_at, |version| version.created_at).timestamp(),
        policy_version_list: policy.versions.iter().map(version).collect(),
    }
}

/// The system's policies that somebody of the account has, as IAM shows them here.
fn system_details(account: AccountId, all: &Identities) -> Vec<PolicyDetail> {
    let mut details = Vec::new();
    for policy in SYSTEM_POLICIES {
        let Some(&used) = all.uses.get(&control::PolicyName::System(policy.name.to_owned())) else { continue };
        let item = system_item(account, policy, used);
        let version = VersionDetail {
            document: encoded(policy.document),
            version_id: "v1".to_owned(),
            is_default_version: true,
            create_date: item.create_date,
        };
        details.push(PolicyDetail {
            policy_name: item.policy_name,
            policy_id: item.policy_id,
            arn: item.arn,
            path: "/",
            default_version_id: item.default_version_id,
            attachment_count: used.attached,
            permissions_boundary_usage_count: used.bounding,
            is_attachable: true,
            create_date: item.create_date,
            update_date: item.update_date,
            policy_version_list: vec![version],
        });
    }
    details
}

/// Shows users, groups, roles and policies with all that they have.
pub(crate) async fn details(cx: Cx, asked: GetDetails) -> Result<Details, Refusal> {
    let account = cx.caller.account();
    let all = cx.cloud.identities(&cx.caller).await?;
    let kinds = asked.filter.map(|filter| filter.kinds).filter(|kinds| !kinds.is_empty());
    let wanted = |kind| kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind));
    let mut found: Vec<(String, Detail)> = Vec::new();
    if wanted(Kind::User) {
        let users = all.users.iter().map(|(user, held, groups)| user_detail(user, held, groups));
        found.extend(users.map(|user| (format!("user/{}", user.user_name), Detail::User(user))));
    }
    if wanted(Kind::Group) {
        let groups = all.groups.iter().map(|(group, held)| group_detail(group, held));
        found.extend(groups.map(|group| (format!("group/{}", group.group_name), Detail::Group(group))));
    }
    if wanted(Kind::Role) {
        let roles = all.roles.iter().map(|(role, held)| role_detail(role, held, &all.profiles));
        found.extend(roles.map(|role| (format!("role/{}", role.role_name), Detail::Role(role))));
    }
    let used = |name: &str| all.uses.get(&control::PolicyName::Own(name.to_owned())).copied().unwrap_or_default();
    let mut policies: Vec<PolicyDetail> = Vec::new();
    if wanted(Kind::LocalManagedPolicy) {
        policies.extend(all.policies.iter().map(|policy| policy_detail(policy, used(&policy.name))));
    }
    if wanted(Kind::AwsManagedPolicy) {
        policies.extend(system_details(account, &all));
    }
    found.extend(policies.into_iter().map(|policy| (format!("policy/{}", policy.policy_name), Detail::Policy(policy))));
    let (page, marker) = asked.paging.page(found, |(place, _)| place)?;
    let mut details = Details {
        user_detail_list: vec![],
        group_detail_list: vec![],
        role_detail_list: vec![],
        policies: vec![],
        is_truncated: marker.is_some(),
        marker,
    };
    for (_, detail) in page {
        match detail {
            Detail::User(user) => details.user_detail_list.push(user),
            Detail::Group(group) => details.group_detail_list.push(group),
            Detail::Role(role) => details.role_detail_list.push(role),
            Detail::Policy(policy) => details.policies.push(policy),
        }
    }
    Ok(details)
}
