//! Addresses of IPv6 as VPC knows them, with ids, and their Internet bandwidth.
//!
//! An address has no row of its own here; its id is made of the address, which no two interfaces of an installation have.

use std::net::Ipv6Addr;

use control::{AllocateIpv6Bandwidth, DeleteIpv6Bandwidth, Ipv6AddressView, ModifyIpv6Bandwidth, WhichBandwidth};
use jiff::Timestamp;
use model::{Error, Interface, Ipv6Bandwidth, Ipv6Charge, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{id, ipv6_texts};
use crate::ipv6_gateway::gateway_id;
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};
use crate::parameter::Absent;

/// What ids of addresses begin with.
const PREFIX: &str = "ipv6-";
/// Digits behind that.
const DIGITS: usize = 32;
/// Most ids of addresses in one call (VPC documents 20).
const IDS_PER_CALL: usize = 20;

/// What the list of addresses lacks.
pub(crate) const ABSENT: &[Absent] = &[("Tag", "addresses have no tags")];

/// The id of an address.
pub(crate) fn address_id(ip: Ipv6Addr) -> String {
    format!("{PREFIX}{:032x}", ip.to_bits())
}

/// Reads the id of an address.
pub(crate) fn read_address_id(text: &str) -> Result<Ipv6Addr, Fault> {
    let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let bits = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
    Ok(bits.map(Ipv6Addr::from_bits).ok_or_else(|| Error::not_found(Noun::Ipv6Address, text))?)
}

/// How bandwidth is charged for.
#[derive(Debug, Clone, Copy, FromArg)]
enum ChargeType {
    PayByBandwidth,
    PayByTraffic,
}

/// `AllocateIpv6InternetBandwidth`.
#[derive(FromArg)]
pub(crate) struct AllocateIpv6InternetBandwidth {
    ipv6_gateway_id: String,
    ipv6_address_id: String,
    bandwidth: u32,
    #[arg(default = ChargeType::PayByBandwidth)]
    internet_charge_type: ChargeType,
}

#[derive(Show)]
pub(crate) struct Allocated {
    ipv6_address_id: String,
    internet_bandwidth_id: String,
}

/// Gives an address bandwidth.
pub(crate) async fn allocate(cx: &Cx<'_>, asked: AllocateIpv6InternetBandwidth) -> Result<Allocated, Fault> {
    let charge = match asked.internet_charge_type {
        ChargeType::PayByBandwidth => Ipv6Charge::Bandwidth,
        ChargeType::PayByTraffic => Ipv6Charge::Traffic,
    };
    let (gateway, ip) = (gateway_id(&asked.ipv6_gateway_id)?, read_address_id(&asked.ipv6_address_id)?);
    let command = AllocateIpv6Bandwidth { gateway, ip, mbit: asked.bandwidth, charge };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Allocated { ipv6_address_id: asked.ipv6_address_id, internet_bandwidth_id: made.id.to_string() })
}

/// `ModifyIpv6InternetBandwidth`.
#[derive(FromArg)]
pub(crate) struct ModifyIpv6InternetBandwidth {
    ipv6_address_id: Option<String>,
    ipv6_internet_bandwidth_id: Option<String>,
    bandwidth: u32,
}

/// Changes how much bandwidth an address has.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyIpv6InternetBandwidth) -> Result<(), Fault> {
    let which = which(asked.ipv6_internet_bandwidth_id, asked.ipv6_address_id)?;
    Ok(cx.cloud.run(&cx.caller, ModifyIpv6Bandwidth { which, mbit: asked.bandwidth }, cx.options()?).await?)
}

/// `DeleteIpv6InternetBandwidth`.
#[derive(FromArg)]
pub(crate) struct DeleteIpv6InternetBandwidth {
    ipv6_address_id: Option<String>,
    ipv6_internet_bandwidth_id: Option<String>,
}

/// Takes its bandwidth from an address.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteIpv6InternetBandwidth) -> Result<(), Fault> {
    let which = which(asked.ipv6_internet_bandwidth_id, asked.ipv6_address_id)?;
    Ok(cx.cloud.run(&cx.caller, DeleteIpv6Bandwidth { which }, cx.options()?).await?)
}

/// A bandwidth by its id, else by that of its address.
fn which(bandwidth: Option<String>, address: Option<String>) -> Result<WhichBandwidth, Fault> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (given(bandwidth), given(address)) {
        (Some(text), None) => Ok(WhichBandwidth::Id(id(Noun::Ipv6Bandwidth, &text)?)),
        (None, Some(text)) => Ok(WhichBandwidth::Of(read_address_id(&text)?)),
        (None, None) => Err(Fault::missing("Ipv6InternetBandwidthId")),
        (Some(_), Some(_)) => {
            let message = "The parameters Ipv6InternetBandwidthId and Ipv6AddressId exclude each other.";
            Err(Fault::new(400, "InvalidParameter.Conflict", message))
        }
    }
}

/// What an address is plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum AssociatedType {
    EcsInstance,
    NetworkInterface,
}

/// Whether an address speaks with the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum NetworkType {
    Private,
    Public,
}

/// What is listed: addresses, or prefixes of them, which there are none of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum AddressType {
    IPv6Address,
    IPv6Prefix,
}

/// `DescribeIpv6Addresses`.
#[derive(FromArg)]
pub(crate) struct DescribeIpv6Addresses {
    ipv6_address_id: Option<String>,
    ipv6_address: Option<String>,
    ipv6_internet_bandwidth_id: Option<String>,
    name: Option<String>,
    address_type: Option<AddressType>,
    associated_instance_id: Option<String>,
    associated_instance_type: Option<AssociatedType>,
    network_type: Option<NetworkType>,
    vpc_id: Option<String>,
    v_switch_id: Option<String>,
    resource_group_id: Option<String>,
    service_managed: Option<bool>,
    #[expect(dead_code, reason = "nothing is ordered for later")]
    include_reservation_data: Option<bool>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Addresses {
    #[reply(flatten)]
    numbers: Numbers,
    #[reply(list = "Ipv6Address")]
    ipv6_addresses: Vec<AddressReply>,
}

#[derive(Show)]
struct AddressReply {
    ipv6_address_id: String,
    ipv6_address_name: &'static str,
    ipv6_address_description: &'static str,
    ipv6_address: String,
    address_type: &'static str,
    ipv6_isp: &'static str,
    ipv6_gateway_id: String,
    ipv6_internet_bandwidth: BandwidthReply,
    real_bandwidth: u32,
    network_type: &'static str,
    associated_instance_id: String,
    associated_instance_type: &'static str,
    v_switch_id: String,
    vpc_id: String,
    status: &'static str,
    /// When its interface was made: addresses keep no time of their own.
    allocation_time: Timestamp,
    resource_group_id: &'static str,
}

/// The bandwidth; empty texts when there is none.
#[derive(Show, Default)]
struct BandwidthReply {
    ipv6_internet_bandwidth_id: String,
    bandwidth: u32,
    internet_charge_type: &'static str,
    instance_charge_type: &'static str,
    business_status: &'static str,
    has_reservation_data: bool,
}

/// Lists the addresses of interfaces.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeIpv6Addresses) -> Result<Addresses, Fault> {
    let ips = named(&asked)?;
    let mut rows = cx.cloud.ipv6_addresses(&cx.caller).await?;
    rows.retain(|row| {
        let nic = &row.interface;
        let bandwidth = || row.bandwidth.as_ref().map(|bandwidth| bandwidth.id.to_string()).unwrap_or_default();
        ips.as_ref().is_none_or(|ips| ips.contains(&row.ip))
            && is_said(asked.vpc_id.as_deref(), || nic.vpc.to_string())
            && is_said(asked.v_switch_id.as_deref(), || nic.subnet.to_string())
            && is_said(asked.ipv6_internet_bandwidth_id.as_deref(), bandwidth)
            && is_said(asked.associated_instance_id.as_deref(), || associated(nic).1)
            // No address is in a resource group or has a name.
            && is_said(asked.resource_group_id.as_deref(), String::new)
            && is_said(asked.name.as_deref(), String::new)
            && asked.associated_instance_type.is_none_or(|kind| kind == associated(nic).0)
            && asked.network_type.is_none_or(|kind| (kind == NetworkType::Public) == row.bandwidth.is_some())
            && asked.address_type != Some(AddressType::IPv6Prefix)
            && asked.service_managed != Some(true)
    });
    let (rows, numbers) = asked.numbered.cut(rows, SHORT_PAGE_MAX)?;
    let reply = |row: Ipv6AddressView| {
        let Ipv6AddressView { ip, interface: nic, bandwidth, gateway } = row;
        let (kind, instance) = associated(&nic);
        AddressReply {
            ipv6_address_id: address_id(ip),
            ipv6_address_name: "",
            ipv6_address_description: "",
            ipv6_address: ip.to_string(),
            address_type: "IPv6Address",
            ipv6_isp: "BGP",
            ipv6_gateway_id: gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
            ipv6_internet_bandwidth: bandwidth.as_ref().map(bandwidth_reply).unwrap_or_default(),
            real_bandwidth: bandwidth.as_ref().map_or(0, |row| row.mbit),
            network_type: if bandwidth.is_some() { "Public" } else { "Private" },
            associated_instance_id: instance,
            associated_instance_type: match kind {
                AssociatedType::EcsInstance => "EcsInstance",
                AssociatedType::NetworkInterface => "NetworkInterface",
            },
            v_switch_id: nic.subnet.to_string(),
            vpc_id: nic.vpc.to_string(),
            status: "Available",
            allocation_time: nic.created_at.timestamp(),
            resource_group_id: "",
        }
    };
    Ok(Addresses { numbers, ipv6_addresses: rows.into_iter().map(reply).collect() })
}

/// The addresses that are asked for by name; none where all are.
fn named(asked: &DescribeIpv6Addresses) -> Result<Option<Vec<Ipv6Addr>>, Fault> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let by_id = match given(&asked.ipv6_address_id) {
        Some(list) if list.split(',').count() > IDS_PER_CALL => {
            return Err(Fault::invalid("Ipv6AddressId", format!("there are more than {IDS_PER_CALL} ids")));
        }
        // What is no id is nobody's.
        Some(list) => Some(list.split(',').filter_map(|text| read_address_id(text.trim()).ok()).collect::<Vec<_>>()),
        None => None,
    };
    let by_ip = given(&asked.ipv6_address).map(|text| ipv6_texts(&[text]).iter().filter_map(|ip| ip.parse().ok()).collect::<Vec<_>>());
    Ok(match (by_id, by_ip) {
        (Some(ids), Some(ips)) => Some(ids.into_iter().filter(|ip| ips.contains(ip)).collect()),
        (one, other) => one.or(other),
    })
}

fn is_said(wanted: Option<&str>, value: impl FnOnce() -> String) -> bool {
    wanted.filter(|wanted| !wanted.is_empty()).is_none_or(|wanted| wanted == value())
}

/// The primary interface is what VPC calls the instance itself.
fn associated(nic: &Interface) -> (AssociatedType, String) {
    match nic.instance.filter(|_| nic.is_primary()) {
        Some(instance) => (AssociatedType::EcsInstance, instance.to_string()),
        None => (AssociatedType::NetworkInterface, nic.id.to_string()),
    }
}

fn bandwidth_reply(row: &Ipv6Bandwidth) -> BandwidthReply {
    BandwidthReply {
        ipv6_internet_bandwidth_id: row.id.to_string(),
        bandwidth: row.mbit,
        internet_charge_type: match row.charge {
            Ipv6Charge::Bandwidth => "PayByBandwidth",
            Ipv6Charge::Traffic => "PayByTraffic",
        },
        instance_charge_type: "PostPaid",
        business_status: "Normal",
        has_reservation_data: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_address_reads_back_and_nothing_else_is_one() {
        let ip: Ipv6Addr = "fd00:1::9".parse().unwrap();
        assert_eq!(read_address_id(&address_id(ip)), Ok(ip));
        for wrong in ["", "ipv6-", "ipv6-1", "fd00:1::9", "ipv6-+0000000000000000000000000000001", &"é".repeat(40)] {
            assert!(read_address_id(wrong).is_err(), "{wrong}");
        }
    }
}
