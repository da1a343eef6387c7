//! The IPv6 addresses of interfaces. Ranges of VPCs and of vSwitches are with those.

use std::net::Ipv6Addr;

use control::WantedIpv6;
use model::Noun;
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;

/// Most addresses that one call names (ECS documents 10).
const NAMED_PER_CALL: usize = 10;

/// An address of an interface.
#[derive(Show)]
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

#[derive(Show)]
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
