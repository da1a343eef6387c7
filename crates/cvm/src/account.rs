//! Who calls.

use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Fault;

/// An action without parameters.
#[derive(FromArg)]
pub(crate) struct Nothing {}

/// The reply of STS's `GetCallerIdentity`.
#[derive(IntoDoc)]
pub(crate) struct Identity {
    arn: String,
    account_id: String,
    user_id: String,
    principal_id: String,
    #[reply(name = "Type")]
    kind: &'static str,
}

/// Tells whose access key signed the call.
pub(crate) async fn identity(cx: &Cx<'_>, _: Nothing) -> Result<Identity, Fault> {
    let principal = &cx.caller.principal;
    let account = principal.account.to_string();
    let (user, kind) = if principal.is_root() { (account.clone(), "RootAccount") } else { (principal.user.to_string(), "CAMUser") };
    let arn = format!("qcs::cam::uin/{account}:uin/{user}");
    Ok(Identity { arn, account_id: account, user_id: user.clone(), principal_id: user, kind })
}
