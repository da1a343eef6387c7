//! Subnets.

use control::{CreateSubnet as Create, DeleteSubnet as Delete, Field, ModifySubnet, Query};
use model::{Error, NetworkAclId, Subnet, SubnetId, VpcId};
use wire::{FromArg, IntoDoc};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TagArg, TagReply};
use crate::{Cx, id, network_acl, tag, time};

/// `DescribeSubnets`.
#[derive(FromArg)]
pub(crate) struct DescribeSubnets {
    #[arg(max_items = LIMIT_MAX)]
    subnet_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(IntoDoc)]
#[reply(list = "")]
pub(crate) struct Subnets {
    total_count: usize,
    subnet_set: Vec<SubnetReply>,
}

#[derive(IntoDoc)]
#[reply(list = "")]
pub(crate) struct SubnetReply {
    subnet_id: String,
    subnet_name: String,
    vpc_id: String,
    zone: String,
    cidr_block: String,
    ipv6_cidr_block: &'static str,
    is_default: bool,
    enable_broadcast: bool,
    is_remote_vpc_snat: bool,
    available_ip_address_count: u64,
    total_ip_address_count: u64,
    route_table_id: &'static str,
    network_acl_id: String,
    created_time: String,
    cdc_id: &'static str,
    is_cdc_subnet: u32,
    tag_set: Vec<TagReply>,
}

/// Lists subnets.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSubnets) -> Result<Subnets, Fault> {
    not_both("SubnetIds", &asked.subnet_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "subnet-id" => By::id::<SubnetId>(Field::Id),
            "vpc-id" => By::id::<VpcId>(Field::Vpc),
            "subnet-name" => By::Holds(Field::Name),
            "is-default" => By::Is(Field::IsDefault),
            "cidr-block" => By::Holds(Field::Range),
            "zone" => By::Is(Field::Zone),
            "is-remote-vpc-snat" => By::Always(&["false"]),
            "is-cdc-subnet" => By::Always(&["0"]),
            "cdc-id" | "ipv6-cidr-block" | "isp-type" | "address-type" => By::Always(&[]),
            _ => return None,
        })
    })?;
    let query = Query { ids: id::read_all(&asked.subnet_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list_subnets(&cx.caller, query).await?;
    let acls = network_acl::of_subnets(cx).await?;
    let acl_of = |subnet: SubnetId| acls.iter().find(|acl| acl.has_subnet(subnet)).map(|acl| acl.id);
    let shown = |(subnet, free): (Subnet, u64)| {
        let acl = acl_of(subnet.id);
        reply(subnet, free, acl)
    };
    Ok(Subnets { total_count: listed.total, subnet_set: listed.rows.into_iter().map(shown).collect() })
}

/// A subnet with its free addresses and the ACL that somebody tied it to.
pub(crate) fn reply(subnet: Subnet, free: u64, acl: Option<NetworkAclId>) -> SubnetReply {
    SubnetReply {
        subnet_id: id::shown(subnet.id),
        vpc_id: id::shown(subnet.vpc),
        cidr_block: subnet.range.to_string(),
        ipv6_cidr_block: "",
        is_default: subnet.is_default,
        enable_broadcast: false,
        is_remote_vpc_snat: false,
        available_ip_address_count: free,
        total_ip_address_count: subnet.capacity(),
        route_table_id: "",
        network_acl_id: id::shown_or_empty(acl),
        created_time: time::by_beijing(subnet.created_at.timestamp()),
        cdc_id: "",
        is_cdc_subnet: 0,
        tag_set: tag::replies(&subnet.tags),
        subnet_name: subnet.name,
        zone: subnet.zone,
    }
}

/// Longest prefix of a subnet's range (VPC documents 29).
const PREFIX_LONGEST: u8 = 29;

/// `CreateSubnet`.
#[derive(FromArg)]
pub(crate) struct CreateSubnet {
    vpc_id: String,
    subnet_name: String,
    cidr_block: String,
    zone: String,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// A reply that shows one subnet.
#[derive(IntoDoc)]
pub(crate) struct Made {
    subnet: SubnetReply,
}

/// Makes a subnet.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateSubnet) -> Result<Made, Fault> {
    let range = asked.cidr_block.parse().map_err(|_| Error::invalid("SubnetRange", "is no IPv4 range"))?;
    let command = Create {
        vpc: id::read(&asked.vpc_id)?,
        zone: Some(asked.zone),
        range,
        prefix_longest: PREFIX_LONGEST,
        ipv6: None,
        name: asked.subnet_name,
        description: String::new(),
        tags: tag::tags_of(asked.tags)?,
    };
    let subnet = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    let free = subnet.capacity();
    Ok(Made { subnet: reply(subnet, free, None) })
}

/// `ModifySubnetAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifySubnetAttribute {
    subnet_id: String,
    subnet_name: Option<String>,
}

/// Gives a subnet another name.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifySubnetAttribute) -> Result<(), Fault> {
    let (id, name) = (id::read(&asked.subnet_id)?, asked.subnet_name);
    let command = ModifySubnet { id, name, description: None, public_on_launch: None, ipv6_on_launch: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// `DeleteSubnet`.
#[derive(FromArg)]
pub(crate) struct DeleteSubnet {
    subnet_id: String,
}

/// Deletes a subnet in which nothing is left.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteSubnet) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, Delete { id: id::read(&asked.subnet_id)? }, cx.options()).await.map(drop)?)
}
