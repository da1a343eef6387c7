//! Subnets.

use control::Query;
use ipnet::{Ipv4Net, Ipv6Net};
use model::{Error, HostNameSettings, Noun, Subnet};
use wire::{FromArg, Show};

use crate::error::{Refusal, combination};
use crate::filter::{self, AskedFilter};
use crate::host_name::{self, AskedKind};
use crate::network::AskedFlag;
use crate::page::{Paging, USUAL};
use crate::region::{zone_id, zone_with_id};
use crate::tag::{self, TagItem, TagSpecification};
use crate::{Cx, ipv6};

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
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Subnets {
    subnet_set: Vec<SubnetItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct SubnetItem {
    subnet_id: String,
    subnet_arn: String,
    state: &'static str,
    owner_id: String,
    vpc_id: String,
    cidr_block: String,
    ipv6_cidr_block_association_set: Vec<ipv6::SubnetRange>,
    available_ip_address_count: u64,
    availability_zone: String,
    availability_zone_id: String,
    default_for_az: bool,
    map_public_ip_on_launch: bool,
    map_customer_owned_ip_on_launch: bool,
    assign_ipv6_address_on_creation: bool,
    private_dns_name_options_on_launch: host_name::Options,
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
        ipv6_cidr_block_association_set: subnet.ipv6.iter().map(ipv6::subnet_range).collect(),
        available_ip_address_count: free,
        availability_zone: subnet.zone.clone(),
        availability_zone_id: zone_id(cx, &subnet.zone),
        default_for_az: subnet.is_default,
        map_public_ip_on_launch: subnet.public_on_launch,
        map_customer_owned_ip_on_launch: false,
        assign_ipv6_address_on_creation: subnet.ipv6_on_launch,
        private_dns_name_options_on_launch: host_name::Options::of(subnet.host_names_on_launch),
        ipv6_native: false,
        enable_dns64: false,
        tag_set: tag::items(&subnet.tags),
    }
}

/// The parameters of `CreateSubnet`.
#[derive(FromArg)]
pub(crate) struct CreateSubnet {
    vpc_id: String,
    #[arg(with = wire::parse_text)]
    cidr_block: Ipv4Net,
    #[arg(with = wire::parse_text)]
    ipv6_cidr_block: Option<Ipv6Net>,
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// Parameters of `CreateSubnet` that are not served.
pub(crate) const CREATE_ABSENT: &[&str] =
    &["OutpostArn", "Ipv6Native", "Ipv4IpamPoolId", "Ipv4NetmaskLength", "Ipv6IpamPoolId", "Ipv6NetmaskLength"];

/// Longest prefix of a subnet's range (EC2 documents /16 to /28).
const PREFIX_LONGEST: u8 = 28;

/// The parameters of `CreateDefaultSubnet`.
#[derive(FromArg)]
pub(crate) struct CreateDefaultSubnet {
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
}

/// Makes the default subnet of a zone that has none.
pub(crate) async fn create_default(cx: Cx, asked: CreateDefaultSubnet) -> Result<Created, Refusal> {
    let zone = match (asked.availability_zone, asked.availability_zone_id) {
        (Some(_), Some(_)) => return Err(combination("AvailabilityZone and AvailabilityZoneId exclude each other")),
        (Some(zone), None) => zone,
        (None, Some(id)) => zone_with_id(&cx, &id)?,
        (None, None) => return Err(Error::MissingParameter { name: "AvailabilityZone" }.into()),
    };
    let subnet: Subnet = cx.cloud.run(&cx.caller, control::CreateDefaultSubnet { zone }, cx.options(None)).await?;
    Ok(Created { subnet: subnet_item(&cx, &subnet, subnet.capacity()) })
}

/// The reply of `CreateSubnet`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    subnet: SubnetItem,
}

/// Makes a subnet.
pub(crate) async fn create(cx: Cx, asked: CreateSubnet) -> Result<Created, Refusal> {
    let zone = match (asked.availability_zone, asked.availability_zone_id) {
        (Some(_), Some(_)) => return Err(combination("AvailabilityZone and AvailabilityZoneId exclude each other")),
        (Some(zone), None) => Some(zone),
        (None, Some(id)) => Some(zone_with_id(&cx, &id)?),
        (None, None) => None,
    };
    let command = control::CreateSubnet {
        vpc: tag::id(Noun::Vpc, &asked.vpc_id)?,
        zone,
        range: asked.cidr_block,
        prefix_longest: PREFIX_LONGEST,
        table: None,
        ipv6: asked.ipv6_cidr_block,
        name: String::new(),
        description: String::new(),
        tags: tag::specified(&asked.tags, "subnet", &["subnet"])?,
    };
    let subnet: Subnet = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Created { subnet: subnet_item(&cx, &subnet, subnet.capacity()) })
}

/// The parameters of `DeleteSubnet`.
#[derive(FromArg)]
pub(crate) struct DeleteSubnet {
    subnet_id: String,
}

/// Deletes a subnet in which nothing is left.
pub(crate) async fn delete(cx: Cx, asked: DeleteSubnet) -> Result<(), Refusal> {
    let id = tag::id(Noun::Subnet, &asked.subnet_id)?;
    Ok(cx.cloud.run(&cx.caller, control::DeleteSubnet { id }, cx.options(None)).await?)
}

/// The parameters of `ModifySubnetAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifySubnetAttribute {
    subnet_id: String,
    map_public_ip_on_launch: Option<AskedFlag>,
    assign_ipv6_address_on_creation: Option<AskedFlag>,
    private_dns_hostname_type_on_launch: Option<AskedKind>,
    #[arg(name = "EnableResourceNameDnsARecordOnLaunch")]
    a_record_on_launch: Option<AskedFlag>,
    #[arg(name = "EnableResourceNameDnsAAAARecordOnLaunch")]
    aaaa_record_on_launch: Option<AskedFlag>,
}

/// Parameters of `ModifySubnetAttribute` that are not served.
pub(crate) const MODIFY_ABSENT: &[&str] =
    &["MapCustomerOwnedIpOnLaunch", "CustomerOwnedIpv4Pool", "EnableDns64", "EnableLniAtDeviceIndex", "DisableLniAtDeviceIndex"];

/// Changes one attribute of a subnet.
pub(crate) async fn modify(cx: Cx, asked: ModifySubnetAttribute) -> Result<(), Refusal> {
    let command = control::ModifySubnet {
        id: tag::id(Noun::Subnet, &asked.subnet_id)?,
        name: None,
        description: None,
        public_on_launch: asked.map_public_ip_on_launch.map(|flag| flag.value),
        ipv6_on_launch: asked.assign_ipv6_address_on_creation.map(|flag| flag.value),
        host_names_on_launch: HostNameSettings {
            kind: asked.private_dns_hostname_type_on_launch.map(AskedKind::kind),
            a_record: asked.a_record_on_launch.map(|flag| flag.value),
            aaaa_record: asked.aaaa_record_on_launch.map(|flag| flag.value),
        },
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}
