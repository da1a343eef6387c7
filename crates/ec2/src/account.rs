//! What the account has: its default VPC and limits.

use control::{Field, Filter, Query};
use model::{Error, GROUPS_PER_INTERFACE_MAX, QuotaName, Vpc};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;

/// The parameters of `DescribeAccountAttributes`.
#[derive(FromArg)]
pub(crate) struct DescribeAccountAttributes {
    #[arg(name = "AttributeName")]
    names: Vec<String>,
}

/// The reply of `DescribeAccountAttributes`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Attributes {
    account_attribute_set: Vec<Attribute>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Attribute {
    attribute_name: String,
    attribute_value_set: Vec<Value>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Value {
    attribute_value: String,
}

const NAMES: &[&str] = &[
    "supported-platforms",
    "default-vpc",
    "max-instances",
    "vpc-max-security-groups-per-interface",
    "max-elastic-ips",
    "vpc-max-elastic-ips",
];

/// Tells the attributes that are asked for, or all of them.
pub(crate) async fn describe_account_attributes(cx: Cx, asked: DescribeAccountAttributes) -> Result<Attributes, Refusal> {
    let names = if asked.names.is_empty() { NAMES.iter().map(|&name| name.to_owned()).collect() } else { asked.names };
    let mut attributes = Vec::with_capacity(names.len());
    for name in names {
        let value = value(&cx, &name).await?;
        attributes.push(Attribute { attribute_name: name, attribute_value_set: vec![Value { attribute_value: value }] });
    }
    Ok(Attributes { account_attribute_set: attributes })
}

async fn value(cx: &Cx, name: &str) -> Result<String, Refusal> {
    match name {
        "supported-platforms" => {
            cx.allowed().await?;
            Ok("VPC".to_owned())
        }
        "default-vpc" => default_vpc(cx).await,
        "max-instances" => limit(cx, QuotaName::Instances).await,
        "vpc-max-security-groups-per-interface" => {
            cx.allowed().await?;
            Ok(GROUPS_PER_INTERFACE_MAX.to_string())
        }
        "max-elastic-ips" | "vpc-max-elastic-ips" => limit(cx, QuotaName::Addresses).await,
        _ => Err(Error::invalid("AttributeName", format!("there is no account attribute '{name}'")).into()),
    }
}

async fn default_vpc(cx: &Cx) -> Result<String, Refusal> {
    let filters = vec![Filter { field: Field::IsDefault, values: vec!["true".to_owned()] }];
    let found = cx.cloud.list::<Vpc>(&cx.caller, Query { filters, ..Query::default() }).await?;
    Ok(found.rows.first().map_or_else(|| "none".to_owned(), |vpc| vpc.id.to_string()))
}

async fn limit(cx: &Cx, quota: QuotaName) -> Result<String, Refusal> {
    Ok(cx.cloud.quota_limit(&cx.caller, quota).await?.to_string())
}
