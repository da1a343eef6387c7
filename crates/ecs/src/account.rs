//! Who calls, and what their account may have.

use control::Who;
use model::QuotaName;
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::{Cx, instance_type};

/// An action without parameters.
#[derive(FromArg)]
pub(crate) struct Nothing {}

/// The reply of STS's `GetCallerIdentity`.
#[derive(Show)]
pub(crate) struct Identity {
    account_id: String,
    user_id: String,
    principal_id: String,
    identity_type: &'static str,
    arn: String,
}

/// Tells whose access key signed the call.
pub(crate) async fn identity(cx: &Cx<'_>, _: Nothing) -> Result<Identity, Fault> {
    let principal = &cx.caller.principal;
    let account = principal.account.to_string();
    let (identity_type, arn, id) = match &principal.who {
        Who::Root(_) => ("Account", format!("acs:ram::{account}:root"), account.clone()),
        Who::User { id, name, .. } => ("RAMUser", format!("acs:ram::{account}:user/{name}"), id.as_u64().to_string()),
        Who::Session { role, role_name, session } => {
            let arn = format!("acs:ram::{account}:assumed-role/{role_name}/{session}");
            ("AssumedRoleUser", arn, format!("{}:{session}", role.as_u64()))
        }
    };
    Ok(Identity { account_id: account, user_id: id.clone(), principal_id: id, identity_type, arn })
}

/// `DescribeAccountAttributes`.
#[derive(FromArg)]
pub(crate) struct DescribeAccountAttributes {
    #[arg(max_items = 20)]
    attribute_name: Vec<String>,
    zone_id: Option<String>,
}

#[derive(Show)]
pub(crate) struct AccountAttributes {
    #[reply(list = "AccountAttributeItem")]
    account_attribute_items: Vec<AccountAttributeItem>,
}

#[derive(Show)]
struct AccountAttributeItem {
    attribute_name: &'static str,
    #[reply(list = "ValueItem")]
    attribute_values: Vec<ValueItem>,
}

#[derive(Show, Default)]
struct ValueItem {
    value: Option<String>,
    zone_id: Option<String>,
    instance_charge_type: Option<&'static str>,
}

/// Attributes that this cloud can tell; others that ECS has are left out of the reply.
const TOLD: &[&str] = &[
    "instance-network-type",
    "max-security-groups",
    "max-elastic-network-interfaces",
    "max-launch-templates",
    "supported-postpay-instance-types",
];

/// Tells what the account may have.
pub(crate) async fn attributes(cx: &Cx<'_>, asked: DescribeAccountAttributes) -> Result<AccountAttributes, Fault> {
    let quotas = cx.cloud.quotas(&cx.caller).await?;
    let limit = |name: QuotaName| quotas.iter().find(|quota| quota.name == name).map_or(0, |quota| quota.limit).to_string();
    let value = |value: String| ValueItem { value: Some(value), ..ValueItem::default() };
    let zones =
        cx.cloud.region().zones.iter().filter(|zone| asked.zone_id.as_ref().is_none_or(|wanted| wanted.is_empty() || wanted == *zone));
    let typed = |zone: &String| {
        let zone = zone.clone();
        instance_type::names().into_iter().map(move |name| ValueItem {
            zone_id: Some(zone.clone()),
            instance_charge_type: Some("PostPaid"),
            value: Some(name),
        })
    };
    let mut items = Vec::new();
    for name in TOLD.iter().filter(|name| asked.attribute_name.is_empty() || asked.attribute_name.iter().any(|wanted| wanted == *name)) {
        let attribute_values = match *name {
            "instance-network-type" => vec![value("vpc".to_owned())],
            "max-security-groups" => vec![value(limit(QuotaName::SecurityGroups))],
            "max-elastic-network-interfaces" => vec![value(limit(QuotaName::Interfaces))],
            "max-launch-templates" => vec![value(limit(QuotaName::LaunchTemplates))],
            _ => zones.clone().flat_map(typed).collect(),
        };
        items.push(AccountAttributeItem { attribute_name: name, attribute_values });
    }
    Ok(AccountAttributes { account_attribute_items: items })
}
