//! VPCs.

use control::Query;
use ipnet::Ipv4Net;
use model::{Error, Noun, Vpc, VpcId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::dhcp_options;
use crate::error::{Refusal, combination};
use crate::filter::{self, AskedFilter};
use crate::ipv6;
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};
use crate::vpc_range;

/// The parameters of `DescribeVpcs`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcs {
    #[arg(name = "VpcId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeVpcs`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Vpcs {
    vpc_set: Vec<VpcItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct VpcItem {
    vpc_id: String,
    owner_id: String,
    state: &'static str,
    cidr_block: String,
    cidr_block_association_set: Vec<vpc_range::CidrBlock>,
    #[reply(skip_empty)]
    ipv6_cidr_block_association_set: Vec<ipv6::VpcRange>,
    dhcp_options_id: String,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    instance_tenancy: &'static str,
    is_default: bool,
}

/// Lists VPCs.
pub(crate) async fn describe_vpcs(cx: Cx, asked: DescribeVpcs) -> Result<Vpcs, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::VPC, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::Vpc, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<Vpc>(&cx.caller, query).await?;
    Ok(Vpcs { vpc_set: listed.rows.iter().map(|vpc| vpc_item(&cx, vpc)).collect(), next_token: pages.after(listed.next) })
}

/// The kind of machine under the instances of a VPC.
#[derive(Debug, Clone, Copy, FromArg)]
#[arg(rename = "lowercase")]
enum Tenancy {
    Default,
}

/// The parameters of `CreateVpc`.
#[derive(FromArg)]
pub(crate) struct CreateVpc {
    #[arg(with = wire::parse_text)]
    cidr_block: Ipv4Net,
    instance_tenancy: Option<Tenancy>,
    amazon_provided_ipv6_cidr_block: Option<bool>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// Parameters of `CreateVpc` that are not served.
pub(crate) const CREATE_ABSENT: &[&str] = &[
    "Ipv6Pool",
    "Ipv6CidrBlock",
    "Ipv4IpamPoolId",
    "Ipv4NetmaskLength",
    "Ipv6IpamPoolId",
    "Ipv6NetmaskLength",
    "Ipv6CidrBlockNetworkBorderGroup",
    "VpcEncryptionControl",
];

/// The reply of `CreateVpc`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    vpc: VpcItem,
}

/// Shortest prefix of a VPC's range (EC2 documents /16 to /28).
pub(crate) const PREFIX_SHORTEST: u8 = 16;

/// Makes a VPC that nothing leads out of.
pub(crate) async fn create(cx: Cx, asked: CreateVpc) -> Result<Created, Refusal> {
    match asked.instance_tenancy {
        None | Some(Tenancy::Default) => {}
    }
    let command = control::CreateVpc {
        range: asked.cidr_block,
        prefix_shortest: PREFIX_SHORTEST,
        open: false,
        ipv6: asked.amazon_provided_ipv6_cidr_block.unwrap_or(false),
        dhcp: model::DhcpOptions::default(),
        name: String::new(),
        description: String::new(),
        tags: tag::specified(&asked.tags, "vpc", &["vpc"])?,
    };
    Ok(Created { vpc: vpc_item(&cx, &cx.cloud.run(&cx.caller, command, cx.options(None)).await?) })
}

/// The parameters of `CreateDefaultVpc`: none.
#[derive(FromArg)]
pub(crate) struct CreateDefaultVpc {}

/// Makes the default VPC of an account that has deleted it.
pub(crate) async fn create_default(cx: Cx, _: CreateDefaultVpc) -> Result<Created, Refusal> {
    Ok(Created { vpc: vpc_item(&cx, &cx.cloud.run(&cx.caller, control::CreateDefaultVpc {}, cx.options(None)).await?) })
}

/// The parameters of `DeleteVpc`.
#[derive(FromArg)]
pub(crate) struct DeleteVpc {
    vpc_id: String,
}

/// Deletes a VPC in which nothing is left.
pub(crate) async fn delete(cx: Cx, asked: DeleteVpc) -> Result<(), Refusal> {
    let id = tag::id(Noun::Vpc, &asked.vpc_id)?;
    Ok(cx.cloud.run(&cx.caller, control::DeleteVpc { id }, cx.options(None)).await?)
}

/// A yes or no in a structure of its own.
#[derive(FromArg)]
pub(crate) struct AskedFlag {
    pub value: bool,
}

/// The parameters of `ModifyVpcAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyVpcAttribute {
    vpc_id: String,
    enable_dns_support: Option<AskedFlag>,
    enable_dns_hostnames: Option<AskedFlag>,
}

/// Changes one attribute of a VPC.
pub(crate) async fn modify(cx: Cx, asked: ModifyVpcAttribute) -> Result<(), Refusal> {
    let ModifyVpcAttribute { vpc_id, enable_dns_support, enable_dns_hostnames } = asked;
    match (&enable_dns_support, &enable_dns_hostnames) {
        (Some(_), Some(_)) => return Err(combination("only one attribute can be changed in one call")),
        (None, None) => return Err(Error::MissingParameter { name: "EnableDnsSupport" }.into()),
        (Some(_), None) | (None, Some(_)) => {}
    }
    let command = control::ModifyVpc {
        id: tag::id(Noun::Vpc, &vpc_id)?,
        name: None,
        description: None,
        dns_support: enable_dns_support.map(|flag| flag.value),
        dns_hostnames: enable_dns_hostnames.map(|flag| flag.value),
        domain: None,
        dns_servers: None,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

fn vpc_item(cx: &Cx, vpc: &Vpc) -> VpcItem {
    VpcItem {
        vpc_id: vpc.id.to_string(),
        owner_id: vpc.account.to_string(),
        state: "available",
        cidr_block: vpc.range.to_string(),
        cidr_block_association_set: vpc_range::blocks(vpc),
        ipv6_cidr_block_association_set: vpc.ipv6.iter().map(|own| ipv6::vpc_range(cx, own)).collect(),
        dhcp_options_id: vpc.dhcp_options.map_or_else(|| dhcp_options::DEFAULT.to_owned(), |set| set.to_string()),
        tag_set: tag::items(&vpc.tags),
        instance_tenancy: "default",
        is_default: vpc.is_default,
    }
}

/// An attribute of a VPC.
#[derive(Debug, Clone, Copy, FromArg)]
#[arg(rename = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "EC2 names them so")]
enum Attribute {
    EnableDnsSupport,
    EnableDnsHostnames,
    EnableNetworkAddressUsageMetrics,
}

/// The parameters of `DescribeVpcAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcAttribute {
    vpc_id: String,
    attribute: Attribute,
}

/// The reply of `DescribeVpcAttribute`.
#[derive(Default, Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Described {
    vpc_id: String,
    enable_dns_support: Option<Flag>,
    enable_dns_hostnames: Option<Flag>,
    enable_network_address_usage_metrics: Option<Flag>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Flag {
    value: bool,
}

/// Tells an attribute of a VPC. Nothing counts its addresses.
pub(crate) async fn describe_vpc_attribute(cx: Cx, asked: DescribeVpcAttribute) -> Result<Described, Refusal> {
    let id: VpcId = tag::id(Noun::Vpc, &asked.vpc_id)?;
    let listed = cx.cloud.list::<Vpc>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    let vpc = listed.rows.first().ok_or_else(|| Error::not_found(Noun::Vpc, id))?;
    let mut reply = Described { vpc_id: asked.vpc_id, ..Described::default() };
    match asked.attribute {
        Attribute::EnableDnsSupport => reply.enable_dns_support = Some(Flag { value: vpc.dns_support }),
        Attribute::EnableDnsHostnames => reply.enable_dns_hostnames = Some(Flag { value: vpc.dns_hostnames }),
        Attribute::EnableNetworkAddressUsageMetrics => reply.enable_network_address_usage_metrics = Some(Flag { value: false }),
    }
    Ok(reply)
}
