//! Managed policies and their versions.

use control::{ChangePolicyVersion, CreatePolicy as Create, DeletePolicy as Delete, Holder, PolicyName, PolicyUse, Ties, VersionChange};
use jiff::Timestamp;
use model::{AccountId, Error, ManagedPolicy, Noun, PolicyVersion, SYSTEM_POLICIES, SystemPolicy, system_policy};
use wire::{FromArg, Show};

use super::tag::{TagItem, TagList, as_tags, items};
use super::{Done, Paging, encoded, is_elsewhere, only_root_path, policy_arn, policy_of, unique_id};
use crate::Cx;
use crate::error::{Refusal, unsupported};

#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct PolicyItem {
    pub(super) policy_name: String,
    pub(super) policy_id: String,
    pub(super) arn: String,
    path: &'static str,
    pub(super) default_version_id: String,
    attachment_count: usize,
    permissions_boundary_usage_count: usize,
    is_attachable: bool,
    #[reply(skip_empty)]
    description: String,
    pub(super) create_date: Timestamp,
    pub(super) update_date: Timestamp,
    #[reply(skip_empty)]
    tags: Vec<TagItem>,
}

fn item(policy: &ManagedPolicy, used: PolicyUse) -> PolicyItem {
    PolicyItem {
        policy_name: policy.name.clone(),
        policy_id: unique_id("ANPA", policy.id.as_u64()),
        arn: policy_arn(policy.account, &PolicyName::Own(policy.name.clone())),
        path: "/",
        default_version_id: format!("v{}", policy.default),
        attachment_count: used.attached,
        permissions_boundary_usage_count: used.bounding,
        is_attachable: true,
        description: policy.description.clone(),
        create_date: policy.created_at.timestamp(),
        update_date: policy.versions.last().map_or(policy.created_at, |version| version.created_at).timestamp(),
        tags: items(&policy.tags),
    }
}

/// One of the system's; it has been there since ever, and has one version.
pub(super) fn system_item(account: AccountId, policy: &SystemPolicy, used: PolicyUse) -> PolicyItem {
    let place = SYSTEM_POLICIES.iter().position(|other| other.name == policy.name).unwrap_or_default();
    PolicyItem {
        policy_name: policy.name.to_owned(),
        policy_id: unique_id("ANPA", place as u64),
        arn: policy_arn(account, &PolicyName::System(policy.name.to_owned())),
        path: "/",
        default_version_id: "v1".to_owned(),
        attachment_count: used.attached,
        permissions_boundary_usage_count: used.bounding,
        is_attachable: true,
        description: policy.description.to_owned(),
        create_date: Timestamp::UNIX_EPOCH,
        update_date: Timestamp::UNIX_EPOCH,
        tags: vec![],
    }
}

/// The parameters of `CreatePolicy`.
#[derive(FromArg)]
pub(crate) struct CreatePolicy {
    policy_name: String,
    policy_document: String,
    #[arg(default, max_len = 1000)]
    description: String,
    path: Option<String>,
    tags: Option<TagList>,
}

/// A reply that shows one policy.
#[derive(Show)]
pub(crate) struct Shown {
    policy: PolicyItem,
}

/// Makes a managed policy.
pub(crate) async fn create(cx: Cx, asked: CreatePolicy) -> Result<Shown, Refusal> {
    only_root_path(asked.path.as_deref())?;
    let command =
        Create { name: asked.policy_name, description: asked.description, document: asked.policy_document, tags: as_tags(asked.tags)? };
    let made = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Shown { policy: item(&made, PolicyUse::default()) })
}

/// The parameters of calls on one policy.
#[derive(FromArg)]
pub(crate) struct One {
    policy_arn: String,
}

/// Shows a policy.
pub(crate) async fn get(cx: Cx, asked: One) -> Result<Shown, Refusal> {
    let account = cx.caller.account();
    let name = policy_of(account, &asked.policy_arn)?;
    let policy = match &name {
        PolicyName::Own(name) => {
            let (found, used) = cx.cloud.managed_policy(&cx.caller, name.clone()).await?;
            item(&found, used)
        }
        PolicyName::System(system) => {
            let found = system_policy(system).ok_or_else(|| Error::not_found(Noun::Policy, system))?;
            let attached = cx.cloud.policy_holders(&cx.caller, name.clone()).await?.len();
            let bounding = cx.cloud.policy_bounds(&cx.caller, name.clone()).await?.len();
            system_item(account, found, PolicyUse { attached, bounding })
        }
    };
    Ok(Shown { policy })
}

/// Deletes a policy that nobody has.
pub(crate) async fn delete(cx: Cx, asked: One) -> Result<Done, Refusal> {
    let name = own(&cx, &asked.policy_arn)?;
    cx.cloud.run(&cx.caller, Delete { name, holders: Ties::MustBeGone }, cx.options(None)).await?;
    Ok(Done {})
}

/// The name of one of the account's policies; the system's cannot be changed.
pub(crate) fn own(cx: &Cx, arn: &str) -> Result<String, Refusal> {
    match policy_of(cx.caller.account(), arn)? {
        PolicyName::Own(name) => Ok(name),
        PolicyName::System(_) => Err(unsupported("Changing a policy of the system")),
    }
}

/// Whose policies are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
pub(crate) enum Scope {
    All,
    #[arg(name = "AWS")]
    Aws,
    Local,
}

/// The parameters of `ListPolicies`.
#[derive(FromArg)]
pub(crate) struct ListPolicies {
    #[arg(default = Scope::All)]
    scope: Scope,
    #[arg(default)]
    only_attached: bool,
    path_prefix: Option<String>,
    policy_usage_filter: Option<Usage>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListPolicies`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Policies {
    policies: Vec<PolicyItem>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Lists managed policies.
pub(crate) async fn list(cx: Cx, asked: ListPolicies) -> Result<Policies, Refusal> {
    let account = cx.caller.account();
    let uses = cx.cloud.policy_uses(&cx.caller).await?;
    let used = |policy: PolicyName| uses.get(&policy).copied().unwrap_or_default();
    let mut found = Vec::new();
    if asked.scope != Scope::Aws {
        let own = cx.cloud.managed_policies(&cx.caller).await?;
        found.extend(own.iter().map(|policy| item(policy, used(PolicyName::Own(policy.name.clone())))));
    }
    if asked.scope != Scope::Local {
        found.extend(SYSTEM_POLICIES.iter().map(|policy| system_item(account, policy, used(PolicyName::System(policy.name.to_owned())))));
    }
    let is_elsewhere = is_elsewhere(asked.path_prefix.as_deref());
    let is_used = |item: &PolicyItem| match asked.policy_usage_filter {
        Some(Usage::PermissionsPolicy) => item.attachment_count > 0,
        Some(Usage::PermissionsBoundary) => item.permissions_boundary_usage_count > 0,
        None => true,
    };
    found.retain(|item| (!asked.only_attached || item.attachment_count > 0) && is_used(item) && !is_elsewhere);
    let (policies, marker) = asked.paging.page(found, |item| &item.policy_name)?;
    Ok(Policies { policies, is_truncated: marker.is_some(), marker })
}

#[derive(Show)]
struct VersionItem {
    version_id: String,
    is_default_version: bool,
    create_date: Timestamp,
    document: Option<String>,
}

fn version_item(policy: &ManagedPolicy, version: &PolicyVersion, shows_document: bool) -> VersionItem {
    VersionItem {
        version_id: format!("v{}", version.number),
        is_default_version: version.number == policy.default,
        create_date: version.created_at.timestamp(),
        document: shows_document.then(|| encoded(&version.document)),
    }
}

/// The parameters of `CreatePolicyVersion`.
#[derive(FromArg)]
pub(crate) struct CreatePolicyVersion {
    policy_arn: String,
    policy_document: String,
    #[arg(default)]
    set_as_default: bool,
}

/// A reply that shows one version.
#[derive(Show)]
pub(crate) struct ShownVersion {
    policy_version: VersionItem,
}

async fn change(cx: &Cx, arn: &str, change: VersionChange) -> Result<ManagedPolicy, Refusal> {
    let name = own(cx, arn)?;
    Ok(cx.cloud.run(&cx.caller, ChangePolicyVersion { name, change }, cx.options(None)).await?)
}

/// Adds a version.
pub(crate) async fn create_version(cx: Cx, asked: CreatePolicyVersion) -> Result<ShownVersion, Refusal> {
    let add = VersionChange::Add { document: asked.policy_document, is_default: asked.set_as_default, drops_oldest: false };
    let policy = change(&cx, &asked.policy_arn, add).await?;
    let newest = policy.versions.last().ok_or(Error::Internal)?;
    Ok(ShownVersion { policy_version: version_item(&policy, newest, false) })
}

/// The parameters of calls on one version.
#[derive(FromArg)]
pub(crate) struct OneVersion {
    policy_arn: String,
    version_id: String,
}

fn number(version: &str) -> Result<u32, Refusal> {
    let number = version.strip_prefix('v').and_then(|digits| digits.parse().ok());
    Ok(number.ok_or_else(|| Error::invalid("VersionId", "is v and a number"))?)
}

/// Shows a version with its document.
pub(crate) async fn get_version(cx: Cx, asked: OneVersion) -> Result<ShownVersion, Refusal> {
    let wanted = number(&asked.version_id)?;
    let policy_version = match policy_of(cx.caller.account(), &asked.policy_arn)? {
        PolicyName::Own(name) => {
            let (policy, _) = cx.cloud.managed_policy(&cx.caller, name).await?;
            version_item(&policy, policy.version(wanted)?, true)
        }
        PolicyName::System(name) => {
            cx.allowed().await?;
            let found = system_policy(&name).filter(|_| wanted == 1).ok_or_else(|| Error::not_found(Noun::Policy, &name))?;
            let document = Some(encoded(found.document));
            VersionItem { version_id: "v1".to_owned(), is_default_version: true, create_date: Timestamp::UNIX_EPOCH, document }
        }
    };
    Ok(ShownVersion { policy_version })
}

/// The parameters of `ListPolicyVersions`.
#[derive(FromArg)]
pub(crate) struct ListPolicyVersions {
    policy_arn: String,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListPolicyVersions`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Versions {
    versions: Vec<VersionItem>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Lists the versions of a policy.
pub(crate) async fn list_versions(cx: Cx, asked: ListPolicyVersions) -> Result<Versions, Refusal> {
    let items = match policy_of(cx.caller.account(), &asked.policy_arn)? {
        PolicyName::Own(name) => {
            let (policy, _) = cx.cloud.managed_policy(&cx.caller, name).await?;
            policy.versions.iter().map(|version| version_item(&policy, version, false)).collect()
        }
        PolicyName::System(name) => {
            cx.allowed().await?;
            system_policy(&name).ok_or_else(|| Error::not_found(Noun::Policy, &name))?;
            let (version_id, create_date) = ("v1".to_owned(), Timestamp::UNIX_EPOCH);
            vec![VersionItem { version_id, is_default_version: true, create_date, document: None }]
        }
    };
    let (versions, marker) = asked.paging.page(items, |item: &VersionItem| &item.version_id)?;
    Ok(Versions { versions, is_truncated: marker.is_some(), marker })
}

/// Makes a version the one that counts.
pub(crate) async fn set_default_version(cx: Cx, asked: OneVersion) -> Result<Done, Refusal> {
    change(&cx, &asked.policy_arn, VersionChange::SetDefault(number(&asked.version_id)?)).await?;
    Ok(Done {})
}

/// Deletes a version that does not count.
pub(crate) async fn delete_version(cx: Cx, asked: OneVersion) -> Result<Done, Refusal> {
    change(&cx, &asked.policy_arn, VersionChange::Remove(number(&asked.version_id)?)).await?;
    Ok(Done {})
}

/// Kinds of holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
pub(crate) enum EntityFilter {
    User,
    Role,
    Group,
    LocalManagedPolicy,
    #[arg(name = "AWSManagedPolicy")]
    AwsManagedPolicy,
}

/// What a policy is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
pub(crate) enum Usage {
    PermissionsPolicy,
    PermissionsBoundary,
}

/// The parameters of `ListEntitiesForPolicy`.
#[derive(FromArg)]
pub(crate) struct ListEntities {
    policy_arn: String,
    entity_filter: Option<EntityFilter>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<Usage>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListEntitiesForPolicy`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Entities {
    policy_groups: Vec<GroupName>,
    policy_users: Vec<UserName>,
    policy_roles: Vec<RoleName>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Show)]
struct GroupName {
    group_name: String,
}

#[derive(Show)]
struct UserName {
    user_name: String,
}

#[derive(Show)]
struct RoleName {
    role_name: String,
}

/// Lists who has a policy.
pub(crate) async fn entities(cx: Cx, asked: ListEntities) -> Result<Entities, Refusal> {
    let name = policy_of(cx.caller.account(), &asked.policy_arn)?;
    let is_wanted = |holder: &Holder| {
        let kind = match holder {
            Holder::User(_) => EntityFilter::User,
            Holder::Group(_) => EntityFilter::Group,
            Holder::Role(_) => EntityFilter::Role,
        };
        asked.entity_filter.is_none_or(|wanted| wanted == kind)
    };
    let mut found = Vec::new();
    if asked.policy_usage_filter != Some(Usage::PermissionsBoundary) {
        found.extend(cx.cloud.policy_holders(&cx.caller, name.clone()).await?);
    }
    if asked.policy_usage_filter != Some(Usage::PermissionsPolicy) {
        let bounded = cx.cloud.policy_bounds(&cx.caller, name).await?;
        found.extend(bounded.into_iter().filter(|holder| !found.contains(holder)).collect::<Vec<_>>());
    }
    // Everybody is at the root path.
    let is_elsewhere = is_elsewhere(asked.path_prefix.as_deref());
    found.retain(|holder| !is_elsewhere && is_wanted(holder));
    let found = found.into_iter().map(|holder| (holder.path(), holder)).collect();
    let (page, marker) = asked.paging.page(found, |(path, _): &(String, Holder)| path)?;
    let (is_truncated, groups, users, roles) = (marker.is_some(), vec![], vec![], vec![]);
    let mut all = Entities { policy_groups: groups, policy_users: users, policy_roles: roles, is_truncated, marker };
    for (_, holder) in page {
        match holder {
            Holder::User(user_name) => all.policy_users.push(UserName { user_name }),
            Holder::Group(group_name) => all.policy_groups.push(GroupName { group_name }),
            Holder::Role(role_name) => all.policy_roles.push(RoleName { role_name }),
        }
    }
    Ok(all)
}
