//! The IPv6 half of networks: the range of a VPC, and addresses of interfaces. Ranges of vSwitches are with the vSwitches.

use std::net::Ipv6Addr;

use control::{AssociateVpcIpv6, DisassociateVpcIpv6, Query, WantedIpv6};
use model::{Noun, Vpc, VpcId};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;

/// Most addresses that one call names (ECS documents 10).
const NAMED_PER_CALL: usize = 10;

/// `AssociateVpcCidrBlock`.
#[derive(FromArg)]
pub(crate) struct AssociateVpcCidrBlock {
    vpc_id: String,
    #[arg(default = IpVersion::V4)]
    ip_version: IpVersion,
    #[expect(dead_code, reason = "there is one line for all ranges")]
    ipv6_isp: Option<Line>,
}

/// Which internet protocol is meant.
#[derive(Debug, Clone, Copy, FromArg)]
enum IpVersion {
    #[arg(name = "IPV4")]
    V4,
    #[arg(name = "IPV6")]
    V6,
}

/// The line of a range.
#[derive(Debug, Clone, Copy, FromArg)]
enum Line {
    #[arg(name = "BGP")]
    Bgp,
}

/// Gives a VPC an IPv6 range.
pub(crate) async fn associate(cx: &Cx<'_>, asked: AssociateVpcCidrBlock) -> Result<(), Fault> {
    match asked.ip_version {
        IpVersion::V4 => return Err(Fault::unsupported_parameter("A secondary IPv4 range (only the IpVersion IPV6)")),
        IpVersion::V6 => {}
    }
    let command = AssociateVpcIpv6 { vpc: id(Noun::Vpc, &asked.vpc_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await.map(drop)?)
}

/// `UnassociateVpcCidrBlock`.
#[derive(FromArg)]
pub(crate) struct UnassociateVpcCidrBlock {
    vpc_id: String,
    ipv6_cidr_block: Option<String>,
    secondary_cidr_block: Option<String>,
}

/// Takes the IPv6 range from a VPC of which no vSwitch has one.
pub(crate) async fn unassociate(cx: &Cx<'_>, asked: UnassociateVpcCidrBlock) -> Result<(), Fault> {
    let wanted: VpcId = id(Noun::Vpc, &asked.vpc_id)?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let range = match (given(asked.ipv6_cidr_block), given(asked.secondary_cidr_block)) {
        (Some(range), None) => range,
        (None, Some(_)) => return Err(Fault::unsupported_parameter("A secondary IPv4 range")),
        (Some(_), Some(_)) => {
            let message = "The parameters IPv6CidrBlock and SecondaryCidrBlock exclude each other.";
            return Err(Fault::new(400, "InvalidParameter.Conflict", message));
        }
        (None, None) => return Err(Fault::missing("IPv6CidrBlock")),
    };
    let listed = cx.cloud.list::<Vpc>(&cx.caller, Query { ids: vec![wanted], ..Query::default() }).await?;
    let own = listed.rows.first().and_then(|vpc| vpc.ipv6).filter(|own| own.range.to_string() == range);
    let own = own.ok_or_else(|| Fault::not_found(Noun::Ipv6Range, &range))?;
    Ok(cx.cloud.run(&cx.caller, DisassociateVpcIpv6 { id: own.id }, cx.options()?).await.map(drop)?)
}

/// An address of an interface.
#[derive(IntoDoc)]
pub(crate) struct Ipv6Reply {
    ipv6_address: String,
}

/// Addresses of an interface.
pub(crate) fn replies(ips: &[Ipv6Addr]) -> Vec<Ipv6Reply> {
    ips.iter().map(|ip| Ipv6Reply { ipv6_address: ip.to_string() }).collect()
}

/// `AssignIpv6Addresses`.
#[derive(FromArg)]
pub(crate) struct AssignIpv6Addresses {
    network_interface_id: String,
    #[arg(name = "Ipv6Address", max_items = NAMED_PER_CALL)]
    ips: Vec<Ipv6Addr>,
    ipv6_address_count: Option<usize>,
}

#[derive(IntoDoc)]
pub(crate) struct Assigned {
    network_interface_id: String,
    #[reply(list = "Ipv6Address")]
    ipv6_sets: Vec<String>,
}

/// Gives an interface addresses: these, or so many.
pub(crate) async fn assign(cx: &Cx<'_>, asked: AssignIpv6Addresses) -> Result<Assigned, Fault> {
    let wanted = match (asked.ips.is_empty(), asked.ipv6_address_count) {
        (true, None) => return Err(Fault::missing("Ipv6AddressCount")),
        (false, Some(_)) => {
            let message = "The parameters Ipv6Address.N and Ipv6AddressCount exclude each other.";
            return Err(Fault::new(400, "InvalidParameter.Conflict", message));
        }
        (_, count) => WantedIpv6 { ips: asked.ips, count },
    };
    let command = control::AssignIpv6Addresses { interface: id(Noun::Interface, &asked.network_interface_id)?, wanted };
    let given = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Assigned { network_interface_id: asked.network_interface_id, ipv6_sets: given.iter().map(ToString::to_string).collect() })
}

/// `UnassignIpv6Addresses`.
#[derive(FromArg)]
pub(crate) struct UnassignIpv6Addresses {
    network_interface_id: String,
    #[arg(name = "Ipv6Address", max_items = NAMED_PER_CALL)]
    ips: Vec<Ipv6Addr>,
}

/// Takes addresses from an interface.
pub(crate) async fn unassign(cx: &Cx<'_>, asked: UnassignIpv6Addresses) -> Result<(), Fault> {
    if asked.ips.is_empty() {
        return Err(Fault::missing("Ipv6Address.1"));
    }
    let command = control::UnassignIpv6Addresses { interface: id(Noun::Interface, &asked.network_interface_id)?, ips: asked.ips };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}
