//! Policies of users, groups and roles.

use control::{AttachPolicy, Holder, PolicyName};
use model::{ManagedPolicy, Millis, system_policy, system_policy_number};
use wire::{FromArg, Show};

use super::policy::{EVER, OWN, PRESET, WRITTEN, named};
use super::{Paging, at, group, has_keyword, role, user};
use crate::Cx;
use crate::error::Fault;

/// `AttachUserPolicy`.
#[derive(FromArg)]
pub(crate) struct AttachUser {
    policy_id: u64,
    attach_uin: u64,
}

/// `DetachUserPolicy`.
#[derive(FromArg)]
pub(crate) struct DetachUser {
    policy_id: u64,
    detach_uin: u64,
}

/// `AttachGroupPolicy`.
#[derive(FromArg)]
pub(crate) struct AttachGroup {
    policy_id: u64,
    attach_group_id: u64,
}

/// `DetachGroupPolicy`.
#[derive(FromArg)]
pub(crate) struct DetachGroup {
    policy_id: u64,
    detach_group_id: u64,
}

/// `AttachRolePolicy`.
#[derive(FromArg)]
pub(crate) struct AttachRole {
    policy_id: Option<u64>,
    policy_name: Option<String>,
    attach_role_id: Option<String>,
    attach_role_name: Option<String>,
}

/// `DetachRolePolicy`.
#[derive(FromArg)]
pub(crate) struct DetachRole {
    policy_id: Option<u64>,
    policy_name: Option<String>,
    detach_role_id: Option<String>,
    detach_role_name: Option<String>,
}

async fn set(cx: &Cx<'_>, holder: Holder, policy: PolicyName, attach: bool) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, AttachPolicy { holder, policy, attach }, cx.options()).await?)
}

/// Gives a user a policy.
pub(crate) async fn attach_user(cx: &Cx<'_>, asked: AttachUser) -> Result<(), Fault> {
    let holder = Holder::User(user(cx, asked.attach_uin).await?);
    set(cx, holder, named(cx, Some(asked.policy_id), None).await?, true).await
}

/// Takes a policy from a user.
pub(crate) async fn detach_user(cx: &Cx<'_>, asked: DetachUser) -> Result<(), Fault> {
    let holder = Holder::User(user(cx, asked.detach_uin).await?);
    set(cx, holder, named(cx, Some(asked.policy_id), None).await?, false).await
}

/// Gives a group a policy.
pub(crate) async fn attach_group(cx: &Cx<'_>, asked: AttachGroup) -> Result<(), Fault> {
    let holder = Holder::Group(group(cx, asked.attach_group_id).await?);
    set(cx, holder, named(cx, Some(asked.policy_id), None).await?, true).await
}

/// Takes a policy from a group.
pub(crate) async fn detach_group(cx: &Cx<'_>, asked: DetachGroup) -> Result<(), Fault> {
    let holder = Holder::Group(group(cx, asked.detach_group_id).await?);
    set(cx, holder, named(cx, Some(asked.policy_id), None).await?, false).await
}

/// Gives a role a policy.
pub(crate) async fn attach_role(cx: &Cx<'_>, asked: AttachRole) -> Result<(), Fault> {
    let AttachRole { policy_id, policy_name, attach_role_id, attach_role_name } = asked;
    let holder = Holder::Role(role(cx, "AttachRoleName", attach_role_id.as_deref(), attach_role_name).await?);
    set(cx, holder, named(cx, policy_id, policy_name).await?, true).await
}

/// Takes a policy from a role.
pub(crate) async fn detach_role(cx: &Cx<'_>, asked: DetachRole) -> Result<(), Fault> {
    let DetachRole { policy_id, policy_name, detach_role_id, detach_role_name } = asked;
    let holder = Holder::Role(role(cx, "DetachRoleName", detach_role_id.as_deref(), detach_role_name).await?);
    set(cx, holder, named(cx, policy_id, policy_name).await?, false).await
}

/// A policy that somebody has.
struct Held {
    number: u64,
    name: String,
    description: String,
    add_time: String,
    kind: Kind,
}

/// Whose a policy is, as these lists say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg, Show)]
pub(crate) enum Kind {
    User,
    #[arg(name = "QCS")]
    #[reply(name = "QCS")]
    Preset,
}

/// What somebody has. What was attached before times of that were kept is as old as its policy.
async fn held(cx: &Cx<'_>, holder: Holder) -> Result<Vec<Held>, Fault> {
    let held = cx.cloud.held(&cx.caller, holder).await?;
    let own = cx.cloud.managed_policies(&cx.caller).await?;
    let of_account = |policy: &ManagedPolicy, since: Option<Millis>| Held {
        number: policy.number(),
        name: policy.name.clone(),
        description: policy.description.clone(),
        add_time: at(since.unwrap_or(policy.created_at)),
        kind: Kind::User,
    };
    let found = held.attached.iter().filter_map(|policy| match &policy.name {
        PolicyName::Own(name) => own.iter().find(|policy| policy.name == *name).map(|own| of_account(own, policy.at)),
        PolicyName::System(name) => Some(Held {
            number: system_policy_number(name)?,
            name: name.clone(),
            description: system_policy(name)?.description.to_owned(),
            add_time: at(policy.at.unwrap_or(EVER)),
            kind: Kind::Preset,
        }),
    });
    Ok(found.collect())
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Attached {
    total_num: usize,
    list: Vec<AttachedReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct AttachedReply {
    policy_id: u64,
    policy_name: String,
    add_time: String,
    create_mode: u8,
    policy_type: Kind,
    remark: String,
    operate_owner_uin: String,
    operate_uin: &'static str,
    operate_uin_type: u8,
    deactived: u8,
    deactived_detail: Vec<String>,
}

async fn attached(cx: &Cx<'_>, holder: Holder, keyword: Option<&str>, paging: Paging) -> Result<Attached, Fault> {
    let mut found = held(cx, holder).await?;
    found.retain(|policy| has_keyword(&policy.name, keyword));
    let (total_num, page) = paging.of(found);
    let owner = cx.caller.account().to_string();
    let reply = |policy: Held| AttachedReply {
        policy_id: policy.number,
        policy_name: policy.name,
        add_time: policy.add_time,
        create_mode: WRITTEN,
        policy_type: policy.kind,
        remark: policy.description,
        operate_owner_uin: owner.clone(),
        operate_uin: "",
        operate_uin_type: 0,
        deactived: 0,
        deactived_detail: vec![],
    };
    Ok(Attached { total_num, list: page.into_iter().map(reply).collect() })
}

/// `ListAttachedUserPolicies`.
#[derive(FromArg)]
pub(crate) struct OfUser {
    target_uin: u64,
    #[arg(flatten)]
    paging: Paging,
}

/// Lists the policies of a user.
pub(crate) async fn list_of_user(cx: &Cx<'_>, asked: OfUser) -> Result<Attached, Fault> {
    let holder = Holder::User(user(cx, asked.target_uin).await?);
    attached(cx, holder, None, asked.paging).await
}

/// `ListAttachedGroupPolicies`.
#[derive(FromArg)]
pub(crate) struct OfGroup {
    target_group_id: u64,
    keyword: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

/// Lists the policies of a group.
pub(crate) async fn list_of_group(cx: &Cx<'_>, asked: OfGroup) -> Result<Attached, Fault> {
    let holder = Holder::Group(group(cx, asked.target_group_id).await?);
    attached(cx, holder, asked.keyword.as_deref(), asked.paging).await
}

/// `ListAttachedRolePolicies`.
#[derive(FromArg)]
pub(crate) struct OfRole {
    role_id: Option<String>,
    role_name: Option<String>,
    policy_type: Option<Kind>,
    keyword: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct AttachedToRole {
    list: Vec<RolePolicyReply>,
    total_num: usize,
}

#[derive(Show)]
#[reply(list = "")]
struct RolePolicyReply {
    policy_id: u64,
    policy_name: String,
    add_time: String,
    policy_type: Kind,
    create_mode: u8,
    deactived: u8,
    deactived_detail: Vec<String>,
    description: String,
}

/// Lists the policies of a role.
pub(crate) async fn list_of_role(cx: &Cx<'_>, asked: OfRole) -> Result<AttachedToRole, Fault> {
    let holder = Holder::Role(role(cx, "RoleName", asked.role_id.as_deref(), asked.role_name).await?);
    let mut found = held(cx, holder).await?;
    found.retain(|policy| has_keyword(&policy.name, asked.keyword.as_deref()) && asked.policy_type.is_none_or(|kind| kind == policy.kind));
    let (total_num, page) = asked.paging.of(found);
    let reply = |policy: Held| RolePolicyReply {
        policy_id: policy.number,
        policy_name: policy.name,
        add_time: policy.add_time,
        policy_type: policy.kind,
        create_mode: WRITTEN,
        deactived: 0,
        deactived_detail: vec![],
        description: policy.description,
    };
    Ok(AttachedToRole { list: page.into_iter().map(reply).collect(), total_num })
}

/// `ListAttachedUserAllPolicies`.
#[derive(FromArg)]
pub(crate) struct AllOfUser {
    target_uin: u64,
    #[arg(range = 0..=2)]
    attach_type: u8,
    #[arg(range = 1..=2)]
    strategy_type: Option<u8>,
    keyword: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

/// What `AttachType` says of policies that somebody has by himself, and by groups.
const DIRECTLY: u8 = 1;
const BY_GROUP: u8 = 2;

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct AllAttached {
    policy_list: Vec<AnyPolicyReply>,
    total_num: usize,
}

#[derive(Show)]
#[reply(list = "")]
struct AnyPolicyReply {
    policy_id: String,
    policy_name: String,
    description: String,
    add_time: String,
    strategy_type: String,
    create_mode: String,
    groups: Vec<GroupReply>,
    deactived: u8,
    deactived_detail: Vec<String>,
}

#[derive(Show)]
struct GroupReply {
    group_id: u64,
    group_name: String,
}

/// Lists the policies of a user with those of its groups, each once.
pub(crate) async fn list_all_of_user(cx: &Cx<'_>, asked: AllOfUser) -> Result<AllAttached, Fault> {
    let name = user(cx, asked.target_uin).await?;
    let own = held(cx, Holder::User(name.clone())).await?;
    let own = own.into_iter().filter(|_| asked.attach_type != BY_GROUP);
    let mut found: Vec<AnyPolicyReply> = own.map(any_reply).collect();
    let groups = if asked.attach_type == DIRECTLY { vec![] } else { cx.cloud.groups_of_user(&cx.caller, name).await? };
    for group in groups {
        for policy in held(cx, Holder::Group(group.name.clone())).await? {
            let policy = any_reply(policy);
            let at = found.iter().position(|other| other.policy_id == policy.policy_id).unwrap_or(found.len());
            if at == found.len() {
                found.push(policy);
            }
            found[at].groups.push(GroupReply { group_id: group.number(), group_name: group.name.clone() });
        }
    }
    let kind = asked.strategy_type.map(|kind| kind.to_string());
    found.retain(|policy| has_keyword(&policy.policy_name, asked.keyword.as_deref()));
    found.retain(|policy| kind.as_ref().is_none_or(|kind| *kind == policy.strategy_type));
    let (total_num, policy_list) = asked.paging.of(found);
    Ok(AllAttached { policy_list, total_num })
}

fn any_reply(policy: Held) -> AnyPolicyReply {
    let strategy_type = match policy.kind {
        Kind::User => OWN,
        Kind::Preset => PRESET,
    };
    AnyPolicyReply {
        policy_id: policy.number.to_string(),
        policy_name: policy.name,
        description: policy.description,
        add_time: policy.add_time,
        strategy_type: strategy_type.to_string(),
        create_mode: WRITTEN.to_string(),
        groups: vec![],
        deactived: 0,
        deactived_detail: vec![],
    }
}
