//! Policies: the account's, and the system's, which CAM calls preset.

use std::collections::BTreeMap;

use control::{CreatePolicy as Create, DeletePolicy as Delete, PolicyName, PolicyUse, Ties, UpdatePolicy as Update};
use model::{Error, ManagedPolicy, Millis, Noun, SYSTEM_POLICIES, SystemPolicy, system_policy};
use wire::{FromArg, Show};

use super::{Paging, at, has_keyword};
use crate::error::Fault;
use crate::tag::{TAGS_PER_CALL, TagArg, TagReply};
use crate::{Cx, tag};

/// What CAM calls policies of an account and of the system.
pub(super) const OWN: u8 = 1;
pub(super) const PRESET: u8 = 2;
/// That a policy was written as a text.
pub(super) const WRITTEN: u8 = 2;
/// Most policies that one call deletes.
const DELETED_MAX: usize = 100;
/// Since when the system's policies are there, for who asks.
pub(super) const EVER: Millis = Millis(0);

/// `CreatePolicy`.
#[derive(FromArg)]
pub(crate) struct CreatePolicy {
    policy_name: String,
    policy_document: String,
    #[arg(default, max_len = 1024)]
    description: String,
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// A reply that names a policy.
#[derive(Show)]
pub(crate) struct Named {
    policy_id: u64,
}

/// Makes a policy.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreatePolicy) -> Result<Named, Fault> {
    let CreatePolicy { policy_name: name, policy_document: document, description, tags } = asked;
    let command = Create { name, description, document, tags: tag::tags_of(tags)? };
    Ok(Named { policy_id: cx.cloud.run(&cx.caller, command, cx.options()).await?.number() })
}

/// The parameter of calls on one policy.
#[derive(FromArg)]
pub(crate) struct One {
    policy_id: u64,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Shown {
    policy_name: String,
    description: String,
    #[reply(name = "Type")]
    kind: u8,
    add_time: String,
    update_time: String,
    policy_document: String,
    preset_alias: &'static str,
    is_service_linked_role_policy: u8,
    tags: Vec<TagReply>,
}

/// Shows a policy.
pub(crate) async fn get(cx: &Cx<'_>, asked: One) -> Result<Shown, Fault> {
    match cx.cloud.policy_numbered(&cx.caller, asked.policy_id).await? {
        PolicyName::Own(name) => {
            let (policy, _) = cx.cloud.managed_policy(&cx.caller, name).await?;
            Ok(Shown {
                policy_document: policy.document().to_owned(),
                kind: OWN,
                add_time: at(policy.created_at),
                update_time: at(updated_at(&policy)),
                preset_alias: "",
                is_service_linked_role_policy: 0,
                tags: tag::replies(&policy.tags),
                policy_name: policy.name,
                description: policy.description,
            })
        }
        PolicyName::System(name) => {
            let policy = system_policy(&name).ok_or_else(|| Error::not_found(Noun::Policy, &name))?;
            cx.cloud.policy_holders(&cx.caller, PolicyName::System(name)).await?;
            Ok(Shown {
                policy_name: policy.name.to_owned(),
                description: policy.description.to_owned(),
                kind: PRESET,
                add_time: at(EVER),
                update_time: at(EVER),
                policy_document: policy.document.to_owned(),
                preset_alias: "",
                is_service_linked_role_policy: 0,
                tags: vec![],
            })
        }
    }
}

fn updated_at(policy: &ManagedPolicy) -> Millis {
    policy.versions.iter().map(|version| version.created_at).max().unwrap_or(policy.created_at)
}

/// Whose policies are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
pub(crate) enum Scope {
    All,
    #[arg(name = "QCS")]
    Qcs,
    Local,
}

/// `ListPolicies`.
#[derive(FromArg)]
pub(crate) struct ListPolicies {
    #[arg(default = Scope::All)]
    scope: Scope,
    keyword: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Policies {
    total_num: usize,
    list: Vec<PolicyReply>,
    service_type_list: Vec<String>,
}

#[derive(Show)]
#[reply(list = "")]
struct PolicyReply {
    policy_id: u64,
    policy_name: String,
    add_time: String,
    #[reply(name = "Type")]
    kind: u8,
    description: String,
    create_mode: u8,
    attachments: usize,
    service_type: &'static str,
    is_attached: u8,
    deactived: u8,
    deactived_detail: Vec<String>,
    is_service_linked_policy: u8,
    attach_entity_count: usize,
    attach_entity_boundary_count: usize,
    update_time: String,
    tags: Vec<TagReply>,
}

fn policy_reply(name: &PolicyName, uses: &BTreeMap<PolicyName, PolicyUse>, told: Told) -> PolicyReply {
    let used = uses.get(name).copied().unwrap_or_default();
    let (PolicyName::Own(policy_name) | PolicyName::System(policy_name)) = name;
    PolicyReply {
        policy_id: told.number,
        policy_name: policy_name.clone(),
        add_time: at(told.created_at),
        kind: if matches!(name, PolicyName::Own(_)) { OWN } else { PRESET },
        description: told.description,
        create_mode: WRITTEN,
        attachments: used.attached,
        service_type: "",
        is_attached: u8::from(used.attached > 0),
        deactived: 0,
        deactived_detail: vec![],
        is_service_linked_policy: 0,
        attach_entity_count: used.attached,
        attach_entity_boundary_count: used.bounding,
        update_time: at(told.updated_at),
        tags: told.tags,
    }
}

/// What is told of a policy of either kind.
struct Told {
    number: u64,
    description: String,
    created_at: Millis,
    updated_at: Millis,
    tags: Vec<TagReply>,
}

fn own_reply(policy: ManagedPolicy, uses: &BTreeMap<PolicyName, PolicyUse>) -> PolicyReply {
    let told = Told {
        number: policy.number(),
        created_at: policy.created_at,
        updated_at: updated_at(&policy),
        tags: tag::replies(&policy.tags),
        description: policy.description,
    };
    policy_reply(&PolicyName::Own(policy.name), uses, told)
}

fn preset_reply((policy, number): (&SystemPolicy, u64), uses: &BTreeMap<PolicyName, PolicyUse>) -> PolicyReply {
    let told = Told { number, description: policy.description.to_owned(), created_at: EVER, updated_at: EVER, tags: vec![] };
    policy_reply(&PolicyName::System(policy.name.to_owned()), uses, told)
}

/// Lists policies: the account's, then the system's.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListPolicies) -> Result<Policies, Fault> {
    let uses = cx.cloud.policy_uses(&cx.caller).await?;
    let mut found = Vec::new();
    if asked.scope != Scope::Qcs {
        found.extend(cx.cloud.managed_policies(&cx.caller).await?.into_iter().map(|policy| own_reply(policy, &uses)));
    }
    if asked.scope != Scope::Local {
        found.extend(SYSTEM_POLICIES.iter().zip(1..).map(|policy| preset_reply(policy, &uses)));
    }
    found.retain(|policy| has_keyword(&policy.policy_name, asked.keyword.as_deref()));
    let (total_num, list) = asked.paging.of(found);
    Ok(Policies { total_num, list, service_type_list: vec![] })
}

/// The policy that is given by number or by name; by name one of the account's.
pub(super) async fn named(cx: &Cx<'_>, id: Option<u64>, name: Option<String>) -> Result<PolicyName, Fault> {
    match (id, name.filter(|name| !name.is_empty())) {
        (Some(id), None) => Ok(cx.cloud.policy_numbered(&cx.caller, id).await?),
        (None, Some(name)) if system_policy(&name).is_some() => Ok(PolicyName::System(name)),
        (None, Some(name)) => Ok(PolicyName::Own(name)),
        (Some(_), Some(_)) => Err(Fault::conflict("PolicyId and PolicyName name a policy each")),
        (None, None) => Err(Fault::missing("PolicyId")),
    }
}

/// The name of one of the account's policies; the system's cannot be changed.
pub(super) fn own(policy: PolicyName) -> Result<String, Fault> {
    match policy {
        PolicyName::Own(name) => Ok(name),
        PolicyName::System(name) => Err(Fault::new("FailedOperation.Unmodifiable", format!("The policy `{name}` is the system's."))),
    }
}

/// `UpdatePolicy`.
#[derive(FromArg)]
pub(crate) struct UpdatePolicy {
    policy_id: Option<u64>,
    policy_name: Option<String>,
    #[arg(max_len = 1024)]
    description: Option<String>,
    policy_document: Option<String>,
}

/// Changes a policy; a document takes the place of the one that counts.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdatePolicy) -> Result<Named, Fault> {
    let UpdatePolicy { policy_id, policy_name, description, policy_document: document } = asked;
    let name = own(named(cx, policy_id, policy_name).await?)?;
    let policy = cx.cloud.run(&cx.caller, Update { name, description, document }, cx.options()).await?;
    Ok(Named { policy_id: policy.number() })
}

/// `DeletePolicy`.
#[derive(FromArg)]
pub(crate) struct DeletePolicy {
    #[arg(max_items = DELETED_MAX)]
    policy_id: Vec<u64>,
}

/// Deletes policies, also from those that have them. All are looked up before the first is deleted.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeletePolicy) -> Result<(), Fault> {
    if asked.policy_id.is_empty() {
        return Err(Fault::missing("PolicyId"));
    }
    let mut names = Vec::with_capacity(asked.policy_id.len());
    for id in asked.policy_id {
        names.push(own(cx.cloud.policy_numbered(&cx.caller, id).await?)?);
    }
    for name in names {
        cx.cloud.run(&cx.caller, Delete { name, holders: Ties::GoToo }, cx.options()).await?;
    }
    Ok(())
}
