//! Who has a policy, and how many of each kind an account has.

use control::{Holder, PolicyEntity, PolicyName};
use model::Millis;
use wire::{FromArg, Show};

use super::policy::EVER;
use super::{Paging, at};
use crate::Cx;
use crate::account::Nothing;
use crate::error::Fault;

/// Kinds of those who have policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum EntityFilter {
    All,
    User,
    Group,
    Role,
}

/// `ListEntitiesForPolicy`.
#[derive(FromArg)]
pub(crate) struct ListEntities {
    policy_id: u64,
    #[arg(default = EntityFilter::All)]
    entity_filter: EntityFilter,
    #[arg(flatten)]
    paging: Paging,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Entities {
    total_num: usize,
    list: Vec<EntityReply>,
}

#[derive(Show)]
struct EntityReply {
    id: String,
    name: String,
    uin: u64,
    related_type: u8,
    attachment_time: String,
}

/// Lists who has a policy. What was attached before times of that were kept is as old as the policy.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListEntities) -> Result<Entities, Fault> {
    let policy = cx.cloud.policy_numbered(&cx.caller, asked.policy_id).await?;
    let mut found = cx.cloud.policy_entities(&cx.caller, policy.clone()).await?;
    found.retain(|entity| match asked.entity_filter {
        EntityFilter::All => true,
        EntityFilter::User => matches!(entity.holder, Holder::User(_)),
        EntityFilter::Group => matches!(entity.holder, Holder::Group(_)),
        EntityFilter::Role => matches!(entity.holder, Holder::Role(_)),
    });
    let since = match policy {
        PolicyName::Own(name) => cx.cloud.managed_policy(&cx.caller, name).await?.0.created_at,
        PolicyName::System(_) => EVER,
    };
    let (total_num, page) = asked.paging.of(found);
    Ok(Entities { total_num, list: page.into_iter().map(|entity| reply(entity, since)).collect() })
}

fn reply(entity: PolicyEntity, since: Millis) -> EntityReply {
    let PolicyEntity { holder, number, at: attached_at } = entity;
    let (name, uin, related_type) = match holder {
        Holder::User(name) => (name, number, 1),
        Holder::Group(name) => (name, 0, 2),
        Holder::Role(name) => (name, 0, 3),
    };
    EntityReply { id: number.to_string(), name, uin, related_type, attachment_time: at(attached_at.unwrap_or(since)) }
}

#[derive(Show)]
pub(crate) struct Summary {
    policies: usize,
    roles: usize,
    idps: u8,
    user: usize,
    group: usize,
    member: usize,
    identity_providers: u8,
}

/// Counts what the account has.
pub(crate) async fn summary(cx: &Cx<'_>, _: Nothing) -> Result<Summary, Fault> {
    let all = cx.cloud.identities(&cx.caller).await?;
    Ok(Summary {
        policies: all.policies.len(),
        roles: all.roles.len(),
        idps: 0,
        user: all.users.len(),
        group: all.groups.len(),
        member: all.users.iter().map(|(_, _, groups)| groups.len()).sum(),
        identity_providers: 0,
    })
}
