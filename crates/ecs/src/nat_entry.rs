//! The entries of a NAT gateway's tables: SNAT, by which machines leave, and DNAT, by which they are reached.

use std::net::Ipv4Addr;

use control::{AddressRef, NatForwardRef, NatGatewayView, NatSourceOf, NewNatForward, NewNatSource};
use model::{ForwardProtocol, Forwarded, NatForward, NatForwardId, NatGatewayId, NatSource, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{id, optional_id};
use crate::nat_gateway::{FORWARD_TABLE, SNAT_TABLE, table_id};
use crate::network::range;
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};
use crate::subnet::every;

/// The gateway whose table this is.
fn gateway_of(prefix: &str, text: &str) -> Result<NatGatewayId, Fault> {
    let digits = text.strip_prefix(prefix);
    let read = digits.and_then(|digits| format!("{}{digits}", NatGatewayId::PREFIX).parse().ok());
    read.ok_or_else(|| {
        let name = if prefix == SNAT_TABLE { "SnatTableId" } else { "ForwardTableId" };
        Fault::new(404, format!("Invalid{name}.NotFound"), format!("The specified {name} does not exist."))
    })
}

/// Addresses with commas in between.
fn addresses(name: &'static str, text: &str) -> Result<Vec<AddressRef>, Fault> {
    let read = |part: &str| part.parse().map(AddressRef::Ip).map_err(|_| Fault::invalid(name, "it is no list of IPv4 addresses"));
    text.split(',').map(str::trim).map(read).collect()
}

/// `CreateSnatEntry`.
#[derive(FromArg)]
pub(crate) struct CreateSnatEntry {
    snat_table_id: String,
    snat_ip: String,
    source_v_switch_id: Option<String>,
    #[arg(name = "SourceCIDR")]
    source_cidr: Option<String>,
    snat_entry_name: Option<String>,
}

#[derive(Show)]
pub(crate) struct SnatCreated {
    snat_entry_id: String,
}

/// Has a vSwitch, or a range, leave with addresses of the gateway.
pub(crate) async fn create_snat(cx: &Cx<'_>, asked: CreateSnatEntry) -> Result<SnatCreated, Fault> {
    let subnet = optional_id(Noun::Subnet, asked.source_v_switch_id.as_ref())?;
    let of = match (subnet, asked.source_cidr.as_deref().filter(|text| !text.is_empty())) {
        (Some(subnet), None) => NatSourceOf::Subnet(subnet),
        (None, Some(text)) => NatSourceOf::Range(range(text)?),
        (None, None) => return Err(Fault::missing("SourceVSwitchId")),
        (Some(_), Some(_)) => return Err(Fault::invalid("SourceCIDR", "it excludes SourceVSwitchId")),
    };
    let new = NewNatSource { of, addresses: addresses("SnatIp", &asked.snat_ip)?, name: asked.snat_entry_name.unwrap_or_default() };
    let command = control::CreateNatSources { gateway: gateway_of(SNAT_TABLE, &asked.snat_table_id)?, new: vec![new] };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(SnatCreated { snat_entry_id: made.first().map(ToString::to_string).unwrap_or_default() })
}

/// `ModifySnatEntry`.
#[derive(FromArg)]
pub(crate) struct ModifySnatEntry {
    snat_table_id: String,
    snat_entry_id: String,
    snat_ip: Option<String>,
    snat_entry_name: Option<String>,
}

/// Has the sources of an entry leave with other addresses.
pub(crate) async fn modify_snat(cx: &Cx<'_>, asked: ModifySnatEntry) -> Result<SnatCreated, Fault> {
    let command = control::ModifyNatSource {
        gateway: gateway_of(SNAT_TABLE, &asked.snat_table_id)?,
        source: id(Noun::NatSource, &asked.snat_entry_id)?,
        addresses: asked.snat_ip.as_deref().map(|text| addresses("SnatIp", text)).transpose()?,
        name: asked.snat_entry_name,
    };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(SnatCreated { snat_entry_id: asked.snat_entry_id })
}

/// `DeleteSnatEntry`.
#[derive(FromArg)]
pub(crate) struct DeleteSnatEntry {
    snat_table_id: String,
    snat_entry_id: String,
}

/// Deletes an entry.
pub(crate) async fn delete_snat(cx: &Cx<'_>, asked: DeleteSnatEntry) -> Result<(), Fault> {
    let gateway = gateway_of(SNAT_TABLE, &asked.snat_table_id)?;
    let sources = vec![id(Noun::NatSource, &asked.snat_entry_id)?];
    Ok(cx.cloud.run(&cx.caller, control::DeleteNatSources { gateway, sources }, cx.options()?).await?)
}

/// Most interfaces that one call names (VPC documents 20).
const NAMED_PER_CALL: usize = 20;

/// `DescribeSnatTableEntries`.
#[derive(FromArg)]
pub(crate) struct DescribeSnatTableEntries {
    snat_table_id: Option<String>,
    nat_gateway_id: Option<String>,
    snat_entry_id: Option<String>,
    snat_entry_name: Option<String>,
    snat_ip: Option<String>,
    source_v_switch_id: Option<String>,
    #[arg(name = "SourceCIDR")]
    source_cidr: Option<String>,
    #[arg(max_items = NAMED_PER_CALL)]
    network_interface_ids: Vec<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct SnatEntries {
    #[reply(list = "SnatTableEntry")]
    snat_table_entries: Vec<SnatReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct SnatReply {
    snat_entry_id: String,
    snat_entry_name: String,
    snat_table_id: String,
    nat_gateway_id: String,
    snat_ip: String,
    #[reply(name = "SourceCIDR")]
    source_cidr: String,
    source_v_switch_id: String,
    status: &'static str,
    eip_affinity: &'static str,
}

/// Lists SNAT entries.
pub(crate) async fn describe_snat(cx: &Cx<'_>, asked: DescribeSnatTableEntries) -> Result<SnatEntries, Fault> {
    let views = gateways(cx, SNAT_TABLE, asked.snat_table_id.as_deref(), asked.nat_gateway_id.as_deref()).await?;
    let rows = views.iter().flat_map(|view| view.gateway.sources.iter().map(move |rule| snat_reply(view, rule)));
    let wanted = |row: &SnatReply| {
        // Entries are for ranges; none is for interfaces.
        asked.network_interface_ids.is_empty()
            && is(asked.snat_entry_id.as_deref(), &row.snat_entry_id)
            && is(asked.snat_entry_name.as_deref(), &row.snat_entry_name)
            && is(asked.source_v_switch_id.as_deref(), &row.source_v_switch_id)
            && is(asked.source_cidr.as_deref(), &row.source_cidr)
            && asked.snat_ip.as_deref().is_none_or(|ip| ip.is_empty() || row.snat_ip.split(',').any(|one| one == ip))
    };
    let (snat_table_entries, numbers) = asked.numbered.cut(rows.filter(wanted).collect(), SHORT_PAGE_MAX)?;
    Ok(SnatEntries { snat_table_entries, numbers })
}

fn snat_reply(view: &NatGatewayView, rule: &NatSource) -> SnatReply {
    let ips: Vec<String> = rule.addresses.iter().map(|id| view.ip_of(*id)).collect();
    SnatReply {
        snat_entry_id: rule.id.to_string(),
        snat_entry_name: rule.name.clone(),
        snat_table_id: table_id(SNAT_TABLE, view.gateway.id),
        nat_gateway_id: view.gateway.id.to_string(),
        snat_ip: ips.join(","),
        source_cidr: rule.source.to_string(),
        source_v_switch_id: rule.subnet.map(|id| id.to_string()).unwrap_or_default(),
        status: "Available",
        // A machine keeps to one of several addresses.
        eip_affinity: "1",
    }
}

/// Whether a value is the one that was asked for, if any was.
fn is(asked: Option<&str>, value: &str) -> bool {
    asked.is_none_or(|asked| asked.is_empty() || asked == value)
}

/// The gateways whose entries are asked for: one of the account, or all.
async fn gateways(cx: &Cx<'_>, prefix: &str, table: Option<&str>, gateway: Option<&str>) -> Result<Vec<NatGatewayView>, Fault> {
    let by_table = table.filter(|text| !text.is_empty()).map(|text| gateway_of(prefix, text)).transpose()?;
    let named: Option<NatGatewayId> = gateway.filter(|text| !text.is_empty()).map(|text| id(Noun::NatGateway, text)).transpose()?;
    let mut views = every::<NatGatewayView>(cx).await?;
    views.retain(|view| by_table.is_none_or(|id| id == view.gateway.id) && named.is_none_or(|id| id == view.gateway.id));
    Ok(views)
}

/// What of an address a DNAT entry forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum IpProtocol {
    #[arg(name = "TCP")]
    Tcp,
    #[arg(name = "UDP")]
    Udp,
    #[arg(name = "Any")]
    Any,
    #[arg(name = "tcp")]
    TcpSmall,
    #[arg(name = "udp")]
    UdpSmall,
    #[arg(name = "any")]
    AnySmall,
}

/// Reads ports: one, or a range with a slash; `Any` goes with the protocol of the same name only.
fn forwarded(protocol: IpProtocol, outside: &str, inside: &str) -> Result<Forwarded, Fault> {
    let protocol = match protocol {
        IpProtocol::Tcp | IpProtocol::TcpSmall => ForwardProtocol::Tcp,
        IpProtocol::Udp | IpProtocol::UdpSmall => ForwardProtocol::Udp,
        IpProtocol::Any | IpProtocol::AnySmall => {
            let any = |text: &str| text.eq_ignore_ascii_case("any");
            let wrong = || Fault::invalid("ExternalPort", "with the IpProtocol Any both ports must be Any");
            return if any(outside) && any(inside) { Ok(Forwarded::Everything) } else { Err(wrong()) };
        }
    };
    let read = |name: &str, text: &str| {
        let (from, to) = text.split_once('/').unwrap_or((text, text));
        let ports = from.parse::<u16>().ok().zip(to.parse::<u16>().ok());
        let malformed =
            || Fault::new(400, format!("Invalid{name}.Malformed"), format!("The specified {name} is no port and no range of ports."));
        ports.ok_or_else(malformed)
    };
    Ok(Forwarded::ports(protocol, read("ExternalPort", outside)?, read("InternalPort", inside)?)?)
}

/// How a forward is written.
fn words(what: Forwarded) -> (&'static str, String, String) {
    let range = |from: u16, count: u16| match count {
        0 | 1 => from.to_string(),
        more => format!("{from}/{}", from.saturating_add(more - 1)),
    };
    match what {
        Forwarded::Everything => ("any", "any".to_owned(), "any".to_owned()),
        Forwarded::Ports { protocol, outside, inside, count } => {
            let protocol = match protocol {
                ForwardProtocol::Tcp => "tcp",
                ForwardProtocol::Udp => "udp",
            };
            (protocol, range(outside, count), range(inside, count))
        }
    }
}

/// `CreateForwardEntry`.
#[derive(FromArg)]
pub(crate) struct CreateForwardEntry {
    forward_table_id: String,
    external_ip: Ipv4Addr,
    external_port: String,
    internal_ip: Ipv4Addr,
    internal_port: String,
    ip_protocol: IpProtocol,
    forward_entry_name: Option<String>,
}

#[derive(Show)]
pub(crate) struct ForwardCreated {
    forward_entry_id: String,
}

/// Has a port, some ports or all of an address lead to a private address.
pub(crate) async fn create_forward(cx: &Cx<'_>, asked: CreateForwardEntry) -> Result<ForwardCreated, Fault> {
    let new = NewNatForward {
        address: AddressRef::Ip(asked.external_ip),
        what: forwarded(asked.ip_protocol, &asked.external_port, &asked.internal_port)?,
        private: asked.internal_ip,
        name: asked.forward_entry_name.unwrap_or_default(),
    };
    let command = control::CreateNatForwards { gateway: gateway_of(FORWARD_TABLE, &asked.forward_table_id)?, new: vec![new] };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(ForwardCreated { forward_entry_id: made.first().map(ToString::to_string).unwrap_or_default() })
}

/// `ModifyForwardEntry`.
#[derive(FromArg)]
pub(crate) struct ModifyForwardEntry {
    forward_table_id: String,
    forward_entry_id: String,
    external_ip: Option<Ipv4Addr>,
    external_port: Option<String>,
    internal_ip: Option<Ipv4Addr>,
    internal_port: Option<String>,
    ip_protocol: Option<IpProtocol>,
    forward_entry_name: Option<String>,
}

/// Changes where an entry leads, or from where.
pub(crate) async fn modify_forward(cx: &Cx<'_>, asked: ModifyForwardEntry) -> Result<(), Fault> {
    let gateway = gateway_of(FORWARD_TABLE, &asked.forward_table_id)?;
    let forward: NatForwardId = id(Noun::NatForward, &asked.forward_entry_id)?;
    let what = match (asked.ip_protocol, &asked.external_port, &asked.internal_port) {
        (None, None, None) => None,
        (protocol, outside, inside) => {
            let views = gateways(cx, FORWARD_TABLE, Some(&asked.forward_table_id), None).await?;
            let rule = views.iter().flat_map(|view| &view.gateway.forwards).find(|rule| rule.id == forward);
            let rule = rule.ok_or_else(|| Fault::not_found(Noun::NatForward, &asked.forward_entry_id))?;
            let (name, before, within) = words(rule.what);
            let before_protocol = match name {
                "tcp" => IpProtocol::Tcp,
                "udp" => IpProtocol::Udp,
                _ => IpProtocol::Any,
            };
            let ports = (outside.as_deref().unwrap_or(&before), inside.as_deref().unwrap_or(&within));
            Some(forwarded(protocol.unwrap_or(before_protocol), ports.0, ports.1)?)
        }
    };
    let address = asked.external_ip.map(AddressRef::Ip);
    let command = control::ModifyNatForward {
        gateway,
        forward: NatForwardRef::Id(forward),
        address,
        what,
        private: asked.internal_ip,
        name: asked.forward_entry_name,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DeleteForwardEntry`.
#[derive(FromArg)]
pub(crate) struct DeleteForwardEntry {
    forward_table_id: String,
    forward_entry_id: String,
}

/// Deletes an entry.
pub(crate) async fn delete_forward(cx: &Cx<'_>, asked: DeleteForwardEntry) -> Result<(), Fault> {
    let gateway = gateway_of(FORWARD_TABLE, &asked.forward_table_id)?;
    let forwards = vec![NatForwardRef::Id(id(Noun::NatForward, &asked.forward_entry_id)?)];
    Ok(cx.cloud.run(&cx.caller, control::DeleteNatForwards { gateway, forwards }, cx.options()?).await?)
}

/// `DescribeForwardTableEntries`.
#[derive(FromArg)]
pub(crate) struct DescribeForwardTableEntries {
    forward_table_id: Option<String>,
    nat_gateway_id: Option<String>,
    forward_entry_id: Option<String>,
    forward_entry_name: Option<String>,
    external_ip: Option<String>,
    external_port: Option<String>,
    internal_ip: Option<String>,
    internal_port: Option<String>,
    ip_protocol: Option<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct ForwardEntries {
    #[reply(list = "ForwardTableEntry")]
    forward_table_entries: Vec<ForwardReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct ForwardReply {
    forward_entry_id: String,
    forward_entry_name: String,
    forward_table_id: String,
    nat_gateway_id: String,
    external_ip: String,
    external_port: String,
    internal_ip: String,
    internal_port: String,
    ip_protocol: &'static str,
    status: &'static str,
}

/// Lists DNAT entries.
pub(crate) async fn describe_forward(cx: &Cx<'_>, asked: DescribeForwardTableEntries) -> Result<ForwardEntries, Fault> {
    let views = gateways(cx, FORWARD_TABLE, asked.forward_table_id.as_deref(), asked.nat_gateway_id.as_deref()).await?;
    let rows = views.iter().flat_map(|view| view.gateway.forwards.iter().map(move |rule| forward_reply(view, rule)));
    let wanted = |row: &ForwardReply| {
        is(asked.forward_entry_id.as_deref(), &row.forward_entry_id)
            && is(asked.forward_entry_name.as_deref(), &row.forward_entry_name)
            && is(asked.external_ip.as_deref(), &row.external_ip)
            && is(asked.external_port.as_deref(), &row.external_port)
            && is(asked.internal_ip.as_deref(), &row.internal_ip)
            && is(asked.internal_port.as_deref(), &row.internal_port)
            && is(asked.ip_protocol.as_deref().map(str::to_ascii_lowercase).as_deref(), row.ip_protocol)
    };
    let (forward_table_entries, numbers) = asked.numbered.cut(rows.filter(wanted).collect(), SHORT_PAGE_MAX)?;
    Ok(ForwardEntries { forward_table_entries, numbers })
}

fn forward_reply(view: &NatGatewayView, rule: &NatForward) -> ForwardReply {
    let (ip_protocol, external_port, internal_port) = words(rule.what);
    ForwardReply {
        forward_entry_id: rule.id.to_string(),
        forward_entry_name: rule.name.clone(),
        forward_table_id: table_id(FORWARD_TABLE, view.gateway.id),
        nat_gateway_id: view.gateway.id.to_string(),
        external_ip: view.ip_of(rule.address),
        external_port,
        internal_ip: rule.private.to_string(),
        internal_port,
        ip_protocol,
        status: "Available",
    }
}
