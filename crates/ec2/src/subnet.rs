//! Subnets.

use control::Query;
use model::{Noun, Subnet};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::region::zone_id;
use crate::tag::{self, TagItem};

/// The parameters of `DescribeSubnets`.
#[derive(FromArg)]
pub(crate) struct DescribeSubnets {
    #[arg(name = "SubnetId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeSubnets`.
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Subnets {
    subnet_set: Vec<SubnetItem>,
    next_token: Option<String>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct SubnetItem {
    subnet_id: String,
    subnet_arn: String,
    state: &'static str,
    owner_id: String,
    vpc_id: String,
    cidr_block: String,
    ipv6_cidr_block_association_set: Vec<String>,
    available_ip_address_count: u64,
    availability_zone: String,
    availability_zone_id: String,
    default_for_az: bool,
    map_public_ip_on_launch: bool,
    map_customer_owned_ip_on_launch: bool,
    assign_ipv6_address_on_creation: bool,
    ipv6_native: bool,
    #[reply(name = "enableDns64")]
    enable_dns64: bool,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

/// Lists subnets.
pub(crate) async fn describe_subnets(cx: Cx, asked: DescribeSubnets) -> Result<Subnets, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::SUBNET, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::Subnet, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list_subnets(&cx.caller, query).await?;
    let subnets = listed.rows.iter().map(|(subnet, free)| subnet_item(&cx, subnet, *free)).collect();
    Ok(Subnets { subnet_set: subnets, next_token: pages.after(listed.next) })
}

fn subnet_item(cx: &Cx, subnet: &Subnet, free: u64) -> SubnetItem {
    SubnetItem {
        subnet_id: subnet.id.to_string(),
        subnet_arn: format!("arn:aws:ec2:{}:{}:subnet/{}", cx.cloud.region().name, subnet.account, subnet.id),
        state: "available",
        owner_id: subnet.account.to_string(),
        vpc_id: subnet.vpc.to_string(),
        cidr_block: subnet.range.to_string(),
        ipv6_cidr_block_association_set: vec![],
        available_ip_address_count: free,
        availability_zone: subnet.zone.clone(),
        availability_zone_id: zone_id(cx, &subnet.zone),
        default_for_az: subnet.is_default,
        map_public_ip_on_launch: subnet.public_on_launch,
        map_customer_owned_ip_on_launch: false,
        assign_ipv6_address_on_creation: false,
        ipv6_native: false,
        enable_dns64: false,
        tag_set: tag::items(&subnet.tags),
    }
}
