//! The one question of STS that every client asks to see whether its key works: who am I?

use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Refusal;

/// Version of the API.
pub(crate) const VERSION: &str = "2011-06-15";
/// Its namespace.
pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The parameters of `GetCallerIdentity`: none.
#[derive(FromArg)]
pub(crate) struct GetCallerIdentity {}

/// The reply of `GetCallerIdentity`.
#[derive(IntoDoc)]
#[reply(rename = "UpperCamelCase")]
pub(crate) struct Identity {
    arn: String,
    user_id: String,
    account: String,
}

/// Tells whom the access key acts for. No policy is asked: STS allows it to everybody, and so says the documentation.
pub(crate) async fn caller_identity(cx: Cx, _: GetCallerIdentity) -> Result<Identity, Refusal> {
    let principal = &cx.caller.principal;
    let account = principal.account.to_string();
    if principal.is_root() {
        return Ok(Identity { arn: format!("arn:aws:iam::{account}:root"), user_id: account.clone(), account });
    }
    let arn = format!("arn:aws:iam::{account}:user/{}", principal.user_name);
    Ok(Identity { arn, user_id: principal.user.to_string(), account })
}
