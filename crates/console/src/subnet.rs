//! Subnets as they are shown.

use control::Field;
use ipnet::{Ipv4Net, Ipv6Net};
use model::Tags;
use schemars::JsonSchema;
use serde::Serialize;

use crate::Cx;
use crate::error::Refusal;
use crate::page::{Page, Pages, Show};
use crate::query::{Parameter, TAGS};
use crate::routes::Nothing;
use crate::schema::{self, Time};

/// Filters of the list.
pub(crate) const FILTERS: &[Parameter] = &[
    Parameter::filter("id", Field::Id, "Only these."),
    Parameter::filter("name", Field::Name, "Only those with one of these display names."),
    Parameter::filter("vpc", Field::Vpc, "Only those of one of these VPCs."),
    Parameter::filter("zone", Field::Zone, "Only those in one of these zones."),
    Parameter::filter("default", Field::IsDefault, "Only the default ones of their zones (`true`), or the others (`false`)."),
    TAGS,
];

/// A subnet.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Subnet<'a> {
    #[schemars(with = "schema::SubnetId")]
    id: model::SubnetId,
    /// Display name; empty for none.
    name: &'a str,
    description: &'a str,
    #[schemars(with = "schema::VpcId")]
    vpc: model::VpcId,
    zone: &'a str,
    /// Its range, such as `172.31.0.0/20`.
    #[schemars(with = "String")]
    range: Ipv4Net,
    /// Its IPv6 range.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    ipv6_range: Option<Ipv6Net>,
    /// Addresses that nobody has.
    free_ips: u64,
    /// Whether launches in its zone that name no subnet go here.
    default: bool,
    /// Whether an instance launched here gets a public address when nothing is said.
    public_on_launch: bool,
    created_at: Time,
    tags: &'a Tags,
}

impl Show for (model::Subnet, u64) {
    type As<'a> = Subnet<'a>;

    fn show(&self) -> Subnet<'_> {
        let (subnet, free_ips) = self;
        Subnet {
            id: subnet.id,
            name: &subnet.name,
            description: &subnet.description,
            vpc: subnet.vpc,
            zone: &subnet.zone,
            range: subnet.range,
            ipv6_range: subnet.ipv6.as_ref().map(|ipv6| ipv6.range),
            free_ips: *free_ips,
            default: subnet.is_default,
            public_on_launch: subnet.public_on_launch,
            created_at: Time(subnet.created_at),
            tags: &subnet.tags,
        }
    }
}

/// Lists subnets.
pub(crate) async fn list(cx: Cx, _: Nothing) -> Result<Page<(model::Subnet, u64)>, Refusal> {
    let pages = Pages::of(&cx)?;
    let listed = cx.cloud.list_subnets(&cx.caller, pages.query(&cx)).await?;
    Ok(pages.page(listed))
}
