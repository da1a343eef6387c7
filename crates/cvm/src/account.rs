//! Who calls, and what every account is like.

use control::Who;
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;

/// An action without parameters.
#[derive(FromArg)]
pub(crate) struct Nothing {}

/// The reply of STS's `GetCallerIdentity`.
#[derive(Show)]
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
    let (arn, id, kind) = match &principal.who {
        Who::Root(_) => (format!("qcs::cam::uin/{account}:uin/{account}"), account.clone(), "RootAccount"),
        Who::User { number, .. } => (format!("qcs::cam::uin/{account}:uin/{number}"), number.to_string(), "CAMUser"),
        Who::Session { role, role_name, session } => {
            let arn = format!("qcs::sts::uin/{account}:assumed-role/{role_name}/{session}");
            (arn, format!("{}:{session}", role.as_u64()), "CAMRole")
        }
    };
    Ok(Identity { arn, account_id: account, user_id: id.clone(), principal_id: id, kind })
}

/// The reply of VPC's `DescribeAccountAttributes`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Attributes {
    account_attribute_set: Vec<Attribute>,
}

#[derive(Show)]
#[reply(list = "")]
struct Attribute {
    attribute_name: &'static str,
    attribute_values: Vec<&'static str>,
}

/// Tells that every account has VPCs and no network beside them.
pub(crate) async fn attributes(cx: &Cx<'_>, _: Nothing) -> Result<Attributes, Fault> {
    cx.allowed().await?;
    let platforms = Attribute { attribute_name: "supported-platforms", attribute_values: vec!["VPC"] };
    Ok(Attributes { account_attribute_set: vec![platforms] })
}
