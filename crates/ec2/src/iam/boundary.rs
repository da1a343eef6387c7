//! Boundaries of users and roles.

use control::{Holder, PolicyName, SetBoundary};
use model::AccountId;
use wire::{FromArg, Show};

use super::{Done, policy_arn, policy_of};
use crate::Cx;
use crate::error::Refusal;

/// A boundary as IAM shows it.
#[derive(Show)]
pub(crate) struct BoundaryItem {
    permissions_boundary_type: &'static str,
    permissions_boundary_arn: String,
}

impl BoundaryItem {
    pub(super) fn of(account: AccountId, policy: &PolicyName) -> BoundaryItem {
        BoundaryItem { permissions_boundary_type: "PermissionsBoundaryPolicy", permissions_boundary_arn: policy_arn(account, policy) }
    }
}

/// The boundary that somebody gets, by its ARN.
pub(super) fn asked(account: AccountId, arn: Option<&str>) -> Result<Option<PolicyName>, Refusal> {
    arn.map(|arn| policy_of(account, arn)).transpose()
}

async fn set(cx: Cx, holder: Holder, boundary: Option<PolicyName>) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, SetBoundary { holder, boundary }, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `PutUserPermissionsBoundary`.
#[derive(FromArg)]
pub(crate) struct PutOfUser {
    user_name: String,
    permissions_boundary: String,
}

/// Bounds a user.
pub(crate) async fn put_of_user(cx: Cx, asked: PutOfUser) -> Result<Done, Refusal> {
    let boundary = policy_of(cx.caller.account(), &asked.permissions_boundary)?;
    set(cx, Holder::User(asked.user_name), Some(boundary)).await
}

/// The parameter of `DeleteUserPermissionsBoundary`.
#[derive(FromArg)]
pub(crate) struct OfUser {
    user_name: String,
}

/// Takes a user's boundary away.
pub(crate) async fn delete_of_user(cx: Cx, asked: OfUser) -> Result<Done, Refusal> {
    set(cx, Holder::User(asked.user_name), None).await
}

/// The parameters of `PutRolePermissionsBoundary`.
#[derive(FromArg)]
pub(crate) struct PutOfRole {
    role_name: String,
    permissions_boundary: String,
}

/// Bounds a role.
pub(crate) async fn put_of_role(cx: Cx, asked: PutOfRole) -> Result<Done, Refusal> {
    let boundary = policy_of(cx.caller.account(), &asked.permissions_boundary)?;
    set(cx, Holder::Role(asked.role_name), Some(boundary)).await
}

/// The parameter of `DeleteRolePermissionsBoundary`.
#[derive(FromArg)]
pub(crate) struct OfRole {
    role_name: String,
}

/// Takes a role's boundary away.
pub(crate) async fn delete_of_role(cx: Cx, asked: OfRole) -> Result<Done, Refusal> {
    set(cx, Holder::Role(asked.role_name), None).await
}
