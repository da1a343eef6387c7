//! Roles.

use control::{CreateRole as Create, DeleteRole as Delete, Holder, PolicyName, Ties, UpdateRole as Update};
use jiff::Timestamp;
use model::{Role, SESSION_USUAL_SECONDS};
use wire::{FromArg, Show};

use super::boundary::{self, BoundaryItem};
use super::tag::{TagItem, TagList, as_tags, items};
use super::{Done, Paging, arn, encoded, is_elsewhere, only_root_path, unique_id};
use crate::Cx;
use crate::error::Refusal;

#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct RoleItem {
    path: &'static str,
    role_name: String,
    role_id: String,
    arn: String,
    create_date: Timestamp,
    assume_role_policy_document: String,
    #[reply(skip_empty)]
    description: String,
    max_session_duration: u32,
    permissions_boundary: Option<BoundaryItem>,
    #[reply(skip_empty)]
    tags: Vec<TagItem>,
}

/// A role as IAM shows it in lists, which tell no boundaries.
pub(crate) fn item(role: &Role) -> RoleItem {
    RoleItem {
        path: "/",
        role_name: role.name.clone(),
        role_id: unique_id("AROA", role.id.as_u64()),
        arn: arn(role.account, "role", &role.name),
        create_date: role.created_at.timestamp(),
        assume_role_policy_document: encoded(&role.trust),
        description: role.description.clone(),
        max_session_duration: role.session_seconds,
        permissions_boundary: None,
        tags: items(&role.tags),
    }
}

/// The parameters of `CreateRole`.
#[derive(FromArg)]
pub(crate) struct CreateRole {
    role_name: String,
    assume_role_policy_document: String,
    #[arg(default, max_len = 1000)]
    description: String,
    #[arg(default = SESSION_USUAL_SECONDS)]
    max_session_duration: u32,
    path: Option<String>,
    permissions_boundary: Option<String>,
    tags: Option<TagList>,
}

/// A reply that shows one role.
#[derive(Show)]
pub(crate) struct Shown {
    role: RoleItem,
}

/// Makes a role.
pub(crate) async fn create(cx: Cx, asked: CreateRole) -> Result<Shown, Refusal> {
    only_root_path(asked.path.as_deref())?;
    let boundary = boundary::asked(cx.caller.account(), asked.permissions_boundary.as_deref())?;
    let command = Create {
        name: asked.role_name,
        description: asked.description,
        trust: asked.assume_role_policy_document,
        session_seconds: asked.max_session_duration,
        boundary: boundary.clone(),
        tags: as_tags(asked.tags)?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Shown { role: bounded(&made, boundary.as_ref()) })
}

fn bounded(role: &Role, boundary: Option<&PolicyName>) -> RoleItem {
    RoleItem { permissions_boundary: boundary.map(|policy| BoundaryItem::of(role.account, policy)), ..item(role) }
}

/// The parameters of calls on one role.
#[derive(FromArg)]
pub(crate) struct One {
    role_name: String,
}

/// Shows a role.
pub(crate) async fn get(cx: Cx, asked: One) -> Result<Shown, Refusal> {
    let role = cx.cloud.role(&cx.caller, asked.role_name).await?;
    let held = cx.cloud.held(&cx.caller, Holder::Role(role.name.clone())).await?;
    Ok(Shown { role: bounded(&role, held.boundary.as_ref()) })
}

/// The parameters of `UpdateRole`.
#[derive(FromArg)]
pub(crate) struct UpdateRole {
    role_name: String,
    #[arg(max_len = 1000)]
    description: Option<String>,
    max_session_duration: Option<u32>,
}

/// Changes a role.
pub(crate) async fn update(cx: Cx, asked: UpdateRole) -> Result<Done, Refusal> {
    let UpdateRole { role_name, description, max_session_duration } = asked;
    let command = Update { name: role_name, description, trust: None, session_seconds: max_session_duration };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `UpdateAssumeRolePolicy`.
#[derive(FromArg)]
pub(crate) struct UpdateAssumeRolePolicy {
    role_name: String,
    policy_document: String,
}

/// Changes who may assume a role.
pub(crate) async fn update_trust(cx: Cx, asked: UpdateAssumeRolePolicy) -> Result<Done, Refusal> {
    let command = Update { name: asked.role_name, description: None, trust: Some(asked.policy_document), session_seconds: None };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}

/// Deletes a role, which ends its sessions.
pub(crate) async fn delete(cx: Cx, asked: One) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, Delete { name: asked.role_name, policies: Ties::MustBeGone }, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `ListRoles`.
#[derive(FromArg)]
pub(crate) struct ListRoles {
    path_prefix: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListRoles`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Roles {
    roles: Vec<RoleItem>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Lists roles.
pub(crate) async fn list(cx: Cx, asked: ListRoles) -> Result<Roles, Refusal> {
    let found = cx.cloud.roles(&cx.caller).await?;
    let found = if is_elsewhere(asked.path_prefix.as_deref()) { vec![] } else { found };
    let (page, marker) = asked.paging.page(found, |role| &role.name)?;
    Ok(Roles { roles: page.iter().map(item).collect(), is_truncated: marker.is_some(), marker })
}
