//! The IPv6 half of networks: ranges of VPCs and subnets, and addresses of interfaces.

use std::net::Ipv6Addr;

use control::{AssociateSubnetIpv6, AssociateVpcIpv6, DisassociateSubnetIpv6, DisassociateVpcIpv6, Many, Options, Query, WantedIpv6};
use ipnet::Ipv6Net;
use model::{InterfaceId, Noun, Subnet, SubnetId, Vpc, VpcId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::{Cx, id};

/// Most addresses and subnets that one call names (VPC documents 10 addresses).
pub(crate) const ADDRESSES_PER_CALL: usize = 10;
const SUBNETS_PER_CALL: usize = 10;
/// Addresses that only their own site routes (RFC 4193).
const UNIQUE_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);

/// VPC's word for the kind of an address or a range.
fn kind(ip: Ipv6Addr) -> &'static str {
    if UNIQUE_LOCAL.contains(&ip) { "ULA" } else { "GUA" }
}

/// `AssignIpv6CidrBlock`.
#[derive(FromArg)]
pub(crate) struct AssignIpv6CidrBlock {
    vpc_id: String,
}

#[derive(Show)]
pub(crate) struct AssignedRange {
    ipv6_cidr_block: String,
    address_type: &'static str,
}

/// Gives a VPC a range of the cloud's pool.
pub(crate) async fn assign_range(cx: &Cx<'_>, asked: AssignIpv6CidrBlock) -> Result<AssignedRange, Fault> {
    let (_, own) = cx.cloud.run(&cx.caller, AssociateVpcIpv6 { vpc: id::read(&asked.vpc_id)? }, cx.options()).await?;
    Ok(AssignedRange { ipv6_cidr_block: own.range.to_string(), address_type: kind(own.range.network()) })
}

/// `UnassignIpv6CidrBlock`.
#[derive(FromArg)]
pub(crate) struct UnassignIpv6CidrBlock {
    vpc_id: String,
    ipv6_cidr_block: String,
}

/// Takes the range from a VPC of which no subnet has one.
pub(crate) async fn unassign_range(cx: &Cx<'_>, asked: UnassignIpv6CidrBlock) -> Result<(), Fault> {
    let vpc: VpcId = id::read(&asked.vpc_id)?;
    let listed = cx.cloud.list::<Vpc>(&cx.caller, Query { ids: vec![vpc], ..Query::default() }).await?;
    let vpc = listed.rows.first().ok_or_else(|| model::Error::not_found(Noun::Vpc, vpc))?;
    let own = vpc.ipv6.filter(|own| own.range.to_string() == asked.ipv6_cidr_block);
    let own = own.ok_or_else(|| model::Error::not_found(Noun::Ipv6Range, &asked.ipv6_cidr_block))?;
    Ok(cx.cloud.run(&cx.caller, DisassociateVpcIpv6 { id: own.id }, cx.options()).await.map(drop)?)
}

/// `AssignIpv6SubnetCidrBlock`.
#[derive(FromArg)]
pub(crate) struct AssignIpv6SubnetCidrBlock {
    #[arg(flatten)]
    on: OfSubnets,
    client_token: Option<String>,
}

/// `UnassignIpv6SubnetCidrBlock`.
#[derive(FromArg)]
pub(crate) struct OfSubnets {
    vpc_id: String,
    #[arg(max_items = SUBNETS_PER_CALL)]
    ipv6_subnet_cidr_blocks: Vec<OfSubnet>,
}

#[derive(FromArg)]
struct OfSubnet {
    subnet_id: String,
    ipv6_cidr_block: String,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct AssignedRanges {
    ipv6_subnet_cidr_block_set: Vec<SubnetRange>,
}

#[derive(Show)]
struct SubnetRange {
    subnet_id: String,
    ipv6_cidr_block: String,
}

/// Gives subnets ranges of their VPC's: all of them or none.
pub(crate) async fn assign_to_subnets(cx: &Cx<'_>, asked: AssignIpv6SubnetCidrBlock) -> Result<AssignedRanges, Fault> {
    let subnets = subnets(cx, &asked.on).await?;
    let commands = subnets.into_iter().map(|(subnet, range)| AssociateSubnetIpv6 { subnet: subnet.id, range }).collect();
    let given = cx.cloud.run(&cx.caller, Many(commands), with_token(asked.client_token)).await?;
    let shown =
        |(subnet, own): (SubnetId, model::SubnetIpv6)| SubnetRange { subnet_id: id::shown(subnet), ipv6_cidr_block: own.range.to_string() };
    Ok(AssignedRanges { ipv6_subnet_cidr_block_set: given.into_iter().map(shown).collect() })
}

/// Takes their ranges from subnets in which no interface has an address of them: from all of them or none.
pub(crate) async fn unassign_from_subnets(cx: &Cx<'_>, asked: OfSubnets) -> Result<(), Fault> {
    let mut commands = Vec::new();
    for (subnet, range) in subnets(cx, &asked).await? {
        let own = subnet.ipv6.filter(|own| own.range == range);
        let own = own.ok_or_else(|| model::Error::not_found(Noun::Ipv6Range, range))?;
        commands.push(DisassociateSubnetIpv6 { id: own.id });
    }
    Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?)
}

/// The subnets of a VPC that a call names, with the range that it names for each.
async fn subnets(cx: &Cx<'_>, asked: &OfSubnets) -> Result<Vec<(Subnet, Ipv6Net)>, Fault> {
    let vpc: VpcId = id::read(&asked.vpc_id)?;
    let ids = asked.ipv6_subnet_cidr_blocks.iter().map(|one| id::read(&one.subnet_id)).collect::<Result<Vec<SubnetId>, _>>()?;
    if ids.is_empty() {
        return Err(Fault::missing("Ipv6SubnetCidrBlocks"));
    }
    let listed = cx.cloud.list_subnets(&cx.caller, Query { ids, ..Query::default() }).await?;
    let mut named = Vec::new();
    for one in &asked.ipv6_subnet_cidr_blocks {
        let subnet: SubnetId = id::read(&one.subnet_id)?;
        let row = listed.rows.iter().map(|(row, _)| row).find(|row| row.id == subnet && row.vpc == vpc);
        let row = row.ok_or_else(|| model::Error::not_found(Noun::Subnet, subnet))?;
        let range = one.ipv6_cidr_block.parse().map_err(|_| Fault::invalid("Ipv6CidrBlock", "it is no IPv6 range"))?;
        named.push((row.clone(), range));
    }
    Ok(named)
}

fn with_token(token: Option<String>) -> Options {
    Options { client_token: token.filter(|token| !token.is_empty()), dry_run: false }
}

/// An address of an interface.
#[derive(Show)]
pub(crate) struct Ipv6Reply {
    address: String,
    primary: bool,
    address_id: &'static str,
    description: &'static str,
    is_wan_ip_blocked: bool,
    state: &'static str,
    public_ip_address: &'static str,
    address_type: &'static str,
}

/// Addresses of an interface, none of which reaches beyond its VPC.
pub(crate) fn replies(ips: &[Ipv6Addr]) -> Vec<Ipv6Reply> {
    let one = |ip: &Ipv6Addr| Ipv6Reply {
        address: ip.to_string(),
        primary: false,
        address_id: "",
        description: "",
        is_wan_ip_blocked: false,
        state: "AVAILABLE",
        public_ip_address: "",
        address_type: kind(*ip),
    };
    ips.iter().map(one).collect()
}

/// An address that is asked for.
#[derive(FromArg)]
pub(crate) struct AskedIpv6 {
    address: Ipv6Addr,
}

/// Which addresses are wanted: these or so many.
pub(crate) fn wanted(ips: &[AskedIpv6], count: Option<usize>) -> Result<WantedIpv6, Fault> {
    if !ips.is_empty() && count.is_some_and(|count| count > 0) {
        return Err(Fault::invalid("Ipv6AddressCount", "addresses are named or counted, not both"));
    }
    Ok(WantedIpv6 { ips: ips.iter().map(|asked| asked.address).collect(), count: Some(count.unwrap_or(0)) })
}

/// `AssignIpv6Addresses`.
#[derive(FromArg)]
pub(crate) struct AssignIpv6Addresses {
    network_interface_id: String,
    #[arg(max_items = ADDRESSES_PER_CALL)]
    ipv6_addresses: Vec<AskedIpv6>,
    #[arg(range = 0..=ADDRESSES_PER_CALL)]
    ipv6_address_count: Option<usize>,
    client_token: Option<String>,
}

/// What of an address is not asked for but told.
pub(crate) const ADDRESS_ABSENT: &[&str] = &[
    "Ipv6Addresses.AddressId",
    "Ipv6Addresses.AddressType",
    "Ipv6Addresses.Description",
    "Ipv6Addresses.IsWanIpBlocked",
    "Ipv6Addresses.Primary",
    "Ipv6Addresses.PublicIpAddress",
    "Ipv6Addresses.State",
];

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Assigned {
    ipv6_address_set: Vec<Ipv6Reply>,
}

/// Gives an interface addresses.
pub(crate) async fn assign(cx: &Cx<'_>, asked: AssignIpv6Addresses) -> Result<Assigned, Fault> {
    let interface: InterfaceId = id::read(&asked.network_interface_id)?;
    let wanted = wanted(&asked.ipv6_addresses, asked.ipv6_address_count)?;
    let command = control::AssignIpv6Addresses { interface, wanted };
    let given = cx.cloud.run(&cx.caller, command, with_token(asked.client_token)).await?;
    Ok(Assigned { ipv6_address_set: replies(&given) })
}

/// `UnassignIpv6Addresses`.
#[derive(FromArg)]
pub(crate) struct UnassignIpv6Addresses {
    network_interface_id: String,
    #[arg(max_items = ADDRESSES_PER_CALL)]
    ipv6_addresses: Vec<AskedIpv6>,
}

/// Takes addresses from an interface.
pub(crate) async fn unassign(cx: &Cx<'_>, asked: UnassignIpv6Addresses) -> Result<(), Fault> {
    let ips = asked.ipv6_addresses.iter().map(|asked| asked.address).collect();
    let command = control::UnassignIpv6Addresses { interface: id::read(&asked.network_interface_id)?, ips };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}
