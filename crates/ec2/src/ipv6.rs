//! IPv6: ranges of subnets, addresses of interfaces, and how ranges of VPCs are shown.

use std::net::Ipv6Addr;

use control::{AssignIpv6Addresses, AssociateSubnetIpv6, DisassociateSubnetIpv6, UnassignIpv6Addresses, WantedIpv6};
use ipnet::Ipv6Net;
use model::{InterfaceId, Noun, SubnetIpv6, VpcIpv6};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination};
use crate::tag;

/// The range of a VPC as EC2 shows it.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct VpcRange {
    association_id: String,
    ipv6_cidr_block: String,
    ipv6_cidr_block_state: State,
    network_border_group: String,
    /// EC2's word for its own.
    ipv6_pool: &'static str,
    ip_source: &'static str,
}

/// The range of a subnet as EC2 shows it.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct SubnetRange {
    association_id: String,
    ipv6_cidr_block: String,
    ipv6_cidr_block_state: State,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct State {
    state: &'static str,
}

const ASSOCIATED: State = State { state: "associated" };
const DISASSOCIATED: State = State { state: "disassociated" };

/// The range of a VPC that has it.
pub(crate) fn vpc_range(cx: &Cx, own: &VpcIpv6) -> VpcRange {
    VpcRange {
        association_id: own.id.to_string(),
        ipv6_cidr_block: own.range.to_string(),
        ipv6_cidr_block_state: ASSOCIATED,
        network_border_group: cx.cloud.region().name.clone(),
        ipv6_pool: "Amazon",
        ip_source: "amazon",
    }
}

/// The range of a VPC that had it.
pub(crate) fn taken_vpc_range(cx: &Cx, own: &VpcIpv6) -> VpcRange {
    VpcRange { ipv6_cidr_block_state: DISASSOCIATED, ..vpc_range(cx, own) }
}

/// The range of a subnet that has it.
pub(crate) fn subnet_range(own: &SubnetIpv6) -> SubnetRange {
    SubnetRange { association_id: own.id.to_string(), ipv6_cidr_block: own.range.to_string(), ipv6_cidr_block_state: ASSOCIATED }
}

/// An address of an interface as EC2 shows it.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Address {
    ipv6_address: String,
    is_primary_ipv6: bool,
}

/// The addresses of an interface.
pub(crate) fn addresses(ips: &[Ipv6Addr]) -> Vec<Address> {
    ips.iter().map(|ip| Address { ipv6_address: ip.to_string(), is_primary_ipv6: false }).collect()
}

/// An address that is asked for.
#[derive(FromArg)]
pub(crate) struct AskedAddress {
    ipv6_address: Ipv6Addr,
}

/// What is asked for in EC2's two ways, which exclude each other.
pub(crate) fn wanted(list: &[AskedAddress], count: Option<usize>) -> Result<WantedIpv6, Refusal> {
    if !list.is_empty() && count.is_some() {
        return Err(combination("IPv6 addresses and their count exclude each other"));
    }
    Ok(WantedIpv6 { ips: list.iter().map(|asked| asked.ipv6_address).collect(), count })
}

/// The parameters of the actions that take a range.
#[derive(FromArg)]
pub(crate) struct Disassociate {
    pub association_id: String,
}

/// The parameters of `AssociateSubnetCidrBlock`.
#[derive(FromArg)]
pub(crate) struct AssociateSubnetCidrBlock {
    subnet_id: String,
    #[arg(with = wire::parse_text)]
    ipv6_cidr_block: Ipv6Net,
}

/// The reply of the actions that tie a range to a subnet or take it.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct SubnetAssociation {
    subnet_id: String,
    ipv6_cidr_block_association: SubnetRange,
}

/// Gives a subnet an IPv6 range of its VPC's.
pub(crate) async fn associate_subnet(cx: Cx, asked: AssociateSubnetCidrBlock) -> Result<SubnetAssociation, Refusal> {
    let command = AssociateSubnetIpv6 { subnet: tag::id(Noun::Subnet, &asked.subnet_id)?, range: asked.ipv6_cidr_block };
    let (subnet, own) = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(SubnetAssociation { subnet_id: subnet.to_string(), ipv6_cidr_block_association: subnet_range(&own) })
}

/// Takes the IPv6 range from a subnet.
pub(crate) async fn disassociate_subnet(cx: Cx, asked: Disassociate) -> Result<SubnetAssociation, Refusal> {
    let command = DisassociateSubnetIpv6 { id: tag::id(Noun::Ipv6Range, &asked.association_id)? };
    let (subnet, own) = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    let taken = SubnetRange { ipv6_cidr_block_state: DISASSOCIATED, ..subnet_range(&own) };
    Ok(SubnetAssociation { subnet_id: subnet.to_string(), ipv6_cidr_block_association: taken })
}

/// The parameters of `AssignIpv6Addresses`.
#[derive(FromArg)]
pub(crate) struct Assign {
    network_interface_id: String,
    #[arg(name = "Ipv6Addresses")]
    ips: Vec<Ipv6Addr>,
    ipv6_address_count: Option<usize>,
}

/// Parameters of the actions on addresses that are not served.
pub(crate) const PREFIXES: &[&str] = &["Ipv6Prefix", "Ipv6PrefixCount"];

/// The reply of `AssignIpv6Addresses`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Assigned {
    network_interface_id: String,
    assigned_ipv6_addresses: Vec<String>,
}

/// Gives an interface IPv6 addresses.
pub(crate) async fn assign(cx: Cx, asked: Assign) -> Result<Assigned, Refusal> {
    if !asked.ips.is_empty() && asked.ipv6_address_count.is_some() {
        return Err(combination("IPv6 addresses and their count exclude each other"));
    }
    let interface: InterfaceId = tag::id(Noun::Interface, &asked.network_interface_id)?;
    let wanted = WantedIpv6 { ips: asked.ips, count: asked.ipv6_address_count };
    let given = cx.cloud.run(&cx.caller, AssignIpv6Addresses { interface, wanted }, cx.options(None)).await?;
    Ok(Assigned { network_interface_id: interface.to_string(), assigned_ipv6_addresses: given.iter().map(Ipv6Addr::to_string).collect() })
}

/// The parameters of `UnassignIpv6Addresses`.
#[derive(FromArg)]
pub(crate) struct Unassign {
    network_interface_id: String,
    #[arg(name = "Ipv6Addresses")]
    ips: Vec<Ipv6Addr>,
}

/// The reply of `UnassignIpv6Addresses`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Unassigned {
    network_interface_id: String,
    unassigned_ipv6_addresses: Vec<String>,
}

/// Takes IPv6 addresses from an interface.
pub(crate) async fn unassign(cx: Cx, asked: Unassign) -> Result<Unassigned, Refusal> {
    let interface: InterfaceId = tag::id(Noun::Interface, &asked.network_interface_id)?;
    let taken = asked.ips.iter().map(Ipv6Addr::to_string).collect();
    cx.cloud.run(&cx.caller, UnassignIpv6Addresses { interface, ips: asked.ips }, cx.options(None)).await?;
    Ok(Unassigned { network_interface_id: interface.to_string(), unassigned_ipv6_addresses: taken })
}
