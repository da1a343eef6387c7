//! Boundaries of users and roles.

use control::{Holder, PolicyName, SetBoundary};
use model::{Error, Noun, system_policy, system_policy_number};
use wire::{FromArg, Show};

use super::policy::{OWN, PRESET, WRITTEN, named};
use super::{role, user};
use crate::Cx;
use crate::error::Fault;

async fn set(cx: &Cx<'_>, holder: Holder, boundary: Option<PolicyName>) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, SetBoundary { holder, boundary }, cx.options()).await?)
}

/// `PutUserPermissionsBoundary`.
#[derive(FromArg)]
pub(crate) struct PutOfUser {
    target_uin: u64,
    policy_id: u64,
}

/// Bounds a user.
pub(crate) async fn put_of_user(cx: &Cx<'_>, asked: PutOfUser) -> Result<(), Fault> {
    let holder = Holder::User(user(cx, asked.target_uin).await?);
    set(cx, holder, Some(named(cx, Some(asked.policy_id), None).await?)).await
}

/// The parameter of calls on a user's boundary.
#[derive(FromArg)]
pub(crate) struct OfUser {
    target_uin: u64,
}

/// Takes a user's boundary away.
pub(crate) async fn delete_of_user(cx: &Cx<'_>, asked: OfUser) -> Result<(), Fault> {
    let holder = Holder::User(user(cx, asked.target_uin).await?);
    set(cx, holder, None).await
}

/// `PutRolePermissionsBoundary`.
#[derive(FromArg)]
pub(crate) struct PutOfRole {
    policy_id: u64,
    role_id: Option<String>,
    role_name: Option<String>,
}

/// Bounds a role.
pub(crate) async fn put_of_role(cx: &Cx<'_>, asked: PutOfRole) -> Result<(), Fault> {
    let holder = Holder::Role(role(cx, "RoleName", asked.role_id.as_deref(), asked.role_name).await?);
    set(cx, holder, Some(named(cx, Some(asked.policy_id), None).await?)).await
}

/// `DeleteRolePermissionsBoundary`.
#[derive(FromArg)]
pub(crate) struct OfRole {
    role_id: Option<String>,
    role_name: Option<String>,
}

/// Takes a role's boundary away.
pub(crate) async fn delete_of_role(cx: &Cx<'_>, asked: OfRole) -> Result<(), Fault> {
    let holder = Holder::Role(role(cx, "RoleName", asked.role_id.as_deref(), asked.role_name).await?);
    set(cx, holder, None).await
}

/// A boundary; each member is null where there is none.
#[derive(Show)]
pub(crate) struct Shown {
    policy_id: Option<u64>,
    policy_name: Option<String>,
    policy_document: Option<String>,
    policy_type: Option<u8>,
    create_mode: Option<u8>,
}

async fn shown(cx: &Cx<'_>, holder: Holder) -> Result<Shown, Fault> {
    let (policy_id, policy_name, document, kind) = match cx.cloud.held(&cx.caller, holder).await?.boundary {
        None => {
            return Ok(Shown { policy_id: None, policy_name: None, policy_document: None, policy_type: None, create_mode: None });
        }
        Some(PolicyName::Own(name)) => {
            let (policy, _) = cx.cloud.managed_policy(&cx.caller, name).await?;
            (policy.number(), policy.name.clone(), policy.document().to_owned(), OWN)
        }
        Some(PolicyName::System(name)) => {
            let found = system_policy(&name).zip(system_policy_number(&name));
            let (policy, number) = found.ok_or_else(|| Error::not_found(Noun::Policy, &name))?;
            (number, name, policy.document.to_owned(), PRESET)
        }
    };
    Ok(Shown {
        policy_id: Some(policy_id),
        policy_name: Some(policy_name),
        policy_document: Some(document),
        policy_type: Some(kind),
        create_mode: Some(WRITTEN),
    })
}

/// Shows a user's boundary.
pub(crate) async fn get_of_user(cx: &Cx<'_>, asked: OfUser) -> Result<Shown, Fault> {
    let holder = Holder::User(user(cx, asked.target_uin).await?);
    shown(cx, holder).await
}

/// `GetRolePermissionBoundary`.
#[derive(FromArg)]
pub(crate) struct GetOfRole {
    role_id: String,
}

/// Shows a role's boundary.
pub(crate) async fn get_of_role(cx: &Cx<'_>, asked: GetOfRole) -> Result<Shown, Fault> {
    let holder = Holder::Role(role(cx, "RoleId", Some(&asked.role_id), None).await?);
    shown(cx, holder).await
}
