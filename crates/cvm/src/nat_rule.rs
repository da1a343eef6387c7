//! The rules of NAT gateways: with which addresses sources leave, and where ports lead. A port's rule has no id: the gateway, the
//! protocol, the public address and its port name it.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use control::{AddressRef, Field, Filter, NatForwardRef, NatGatewayView, NatSourceOf, NewNatForward, NewNatSource, Page, Query};
use ipnet::Ipv4Net;
use model::{ForwardProtocol, Forwarded, NatForward, NatSource, NatSourceId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{FILTERS_MAX, FilterArg, literal};
use crate::nat_gateway::view_of;
use crate::page::{Cut, LIMIT_MAX};
use crate::{Cx, id, time};

/// Most rules of one call.
const RULES_PER_CALL: usize = 20;

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum ResourceType {
    #[arg(name = "SUBNET")]
    Subnet,
    #[arg(name = "NETWORKINTERFACE")]
    Interface,
    #[arg(name = "USERDEFINED")]
    Range,
}

/// A source rule of a call.
#[derive(FromArg)]
struct SourceArg {
    resource_id: Option<String>,
    resource_type: Option<ResourceType>,
    private_ip_address: Option<String>,
    #[arg(max_items = RULES_PER_CALL)]
    public_ip_addresses: Vec<Ipv4Addr>,
    #[arg(default)]
    description: String,
    nat_gateway_snat_id: Option<String>,
}

/// `CreateNatGatewaySourceIpTranslationNatRule`.
#[derive(FromArg)]
pub(crate) struct CreateSources {
    nat_gateway_id: String,
    #[arg(max_items = RULES_PER_CALL)]
    source_ip_translation_nat_rules: Vec<SourceArg>,
}

/// What of a source rule is only shown.
pub(crate) const SOURCES_ABSENT: &[&str] =
    &["SourceIpTranslationNatRules.CreatedTime", "SourceIpTranslationNatRules.NatGatewayId", "SourceIpTranslationNatRules.VpcId"];
/// The same of the one rule of a change.
pub(crate) const SOURCE_ABSENT: &[&str] =
    &["SourceIpTranslationNatRule.CreatedTime", "SourceIpTranslationNatRule.NatGatewayId", "SourceIpTranslationNatRule.VpcId"];

impl SourceArg {
    fn of(&self) -> Result<NatSourceOf, Fault> {
        let range = |what: &str| -> Result<NatSourceOf, Fault> {
            let text = self.private_ip_address.as_deref().ok_or_else(|| Fault::missing("PrivateIpAddress"))?;
            let range = text.parse::<Ipv4Net>().ok().or_else(|| text.parse::<Ipv4Addr>().ok().map(Ipv4Net::from));
            range.map(NatSourceOf::Range).ok_or_else(|| Fault::invalid("PrivateIpAddress", format!("it is no {what}")))
        };
        match self.resource_type {
            Some(ResourceType::Subnet) => {
                let subnet = self.resource_id.as_deref().ok_or_else(|| Fault::missing("ResourceId"))?;
                Ok(NatSourceOf::Subnet(id::read(subnet)?))
            }
            Some(ResourceType::Interface) => match range("address")? {
                NatSourceOf::Range(one) if one.prefix_len() == 32 => Ok(NatSourceOf::Range(one)),
                NatSourceOf::Range(_) | NatSourceOf::Subnet(_) => Err(Fault::invalid("PrivateIpAddress", "it is no single address")),
            },
            Some(ResourceType::Range) => range("range of addresses"),
            None => Err(Fault::missing("ResourceType")),
        }
    }
}

fn addresses(ips: &[Ipv4Addr]) -> Vec<AddressRef> {
    ips.iter().map(|ip| AddressRef::Ip(*ip)).collect()
}

/// Has subnets, machines or ranges leave with some of a gateway's addresses: all of the rules or none.
pub(crate) async fn create_sources(cx: &Cx<'_>, asked: CreateSources) -> Result<(), Fault> {
    if asked.source_ip_translation_nat_rules.is_empty() {
        return Err(Fault::missing("SourceIpTranslationNatRules"));
    }
    let new = |rule: &SourceArg| {
        Ok(NewNatSource { of: rule.of()?, addresses: addresses(&rule.public_ip_addresses), name: rule.description.clone() })
    };
    let new = asked.source_ip_translation_nat_rules.iter().map(new).collect::<Result<Vec<_>, Fault>>()?;
    let command = control::CreateNatSources { gateway: id::read(&asked.nat_gateway_id)?, new };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// `ModifyNatGatewaySourceIpTranslationNatRule`.
#[derive(FromArg)]
pub(crate) struct ModifySource {
    nat_gateway_id: String,
    source_ip_translation_nat_rule: SourceArg,
}

/// Has the source of a rule leave with other addresses.
pub(crate) async fn modify_source(cx: &Cx<'_>, asked: ModifySource) -> Result<(), Fault> {
    let gateway = id::read(&asked.nat_gateway_id)?;
    let rule = asked.source_ip_translation_nat_rule;
    let source: NatSourceId =
        id::read(rule.nat_gateway_snat_id.as_deref().ok_or_else(|| Fault::missing("SourceIpTranslationNatRule.NatGatewaySnatId"))?)?;
    if rule.resource_type.is_some() {
        let view = view_of(cx, gateway).await?;
        let before = view.gateway.sources.iter().find(|row| row.id == source);
        let is_same = before.is_some_and(|before| match rule.of() {
            Ok(NatSourceOf::Subnet(subnet)) => before.subnet == Some(subnet),
            Ok(NatSourceOf::Range(range)) => before.source == range,
            Err(_) => false,
        });
        if before.is_some() && !is_same {
            return Err(Fault::unsupported("A change of a rule's source"));
        }
    }
    let addresses = Some(addresses(&rule.public_ip_addresses)).filter(|some| !some.is_empty());
    let name = Some(rule.description).filter(|text| !text.is_empty());
    let command = control::ModifyNatSource { gateway, source, addresses, name };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DeleteNatGatewaySourceIpTranslationNatRule`.
#[derive(FromArg)]
pub(crate) struct DeleteSources {
    nat_gateway_id: String,
    #[arg(max_items = RULES_PER_CALL)]
    nat_gateway_snat_ids: Vec<String>,
}

/// Deletes source rules: all of them or none.
pub(crate) async fn delete_sources(cx: &Cx<'_>, asked: DeleteSources) -> Result<(), Fault> {
    let sources = id::read_some("NatGatewaySnatIds", &asked.nat_gateway_snat_ids)?;
    let command = control::DeleteNatSources { gateway: id::read(&asked.nat_gateway_id)?, sources };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeNatGatewaySourceIpTranslationNatRules`.
#[derive(FromArg)]
pub(crate) struct DescribeSources {
    nat_gateway_id: String,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Sources {
    source_ip_translation_nat_rule_set: Vec<SourceReply>,
    total_count: usize,
}

/// A source rule.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct SourceReply {
    resource_id: String,
    resource_type: &'static str,
    private_ip_address: String,
    public_ip_addresses: Vec<String>,
    description: String,
    nat_gateway_snat_id: String,
    nat_gateway_id: String,
    vpc_id: String,
    created_time: String,
}

/// Lists the source rules of a gateway.
pub(crate) async fn describe_sources(cx: &Cx<'_>, asked: DescribeSources) -> Result<Sources, Fault> {
    let view = view_of(cx, id::read(&asked.nat_gateway_id)?).await?;
    let mut rows = source_replies(cx, &view).await?;
    for FilterArg { name, values } in &asked.filters {
        let of: fn(&SourceReply) -> Vec<String> = match name.as_str() {
            "resource-id" => |row| vec![row.resource_id.clone()],
            "public-ip-address" => |row| row.public_ip_addresses.clone(),
            "description" => |row| vec![row.description.clone()],
            _ => return Err(Fault::unknown_filter(name)),
        };
        rows.retain(|row| of(row).iter().any(|value| values.contains(value)));
    }
    let (total_count, source_ip_translation_nat_rule_set) = asked.cut.of(rows);
    Ok(Sources { source_ip_translation_nat_rule_set, total_count })
}

/// The source rules of a gateway, with the machines that single addresses belong to.
pub(crate) async fn source_replies(cx: &Cx<'_>, view: &NatGatewayView) -> Result<Vec<SourceReply>, Fault> {
    let alone = |rule: &NatSource| rule.subnet.is_none() && rule.source.prefix_len() == 32;
    let ips: Vec<String> = view.gateway.sources.iter().filter(|rule| alone(rule)).map(|rule| rule.source.addr().to_string()).collect();
    let mut owners: HashMap<Ipv4Addr, String> = HashMap::new();
    if !ips.is_empty() {
        let by = |field, values| Filter { field, values };
        let values = ips.iter().map(|ip| literal(ip)).collect();
        let filters = vec![by(Field::Vpc, vec![view.gateway.vpc.to_string()]), by(Field::PrivateIp, values)];
        let query = Query { ids: vec![], filters, page: Page::First(LIMIT_MAX) };
        for found in cx.cloud.list_interfaces(&cx.caller, query).await?.rows {
            let owner = found.interface.instance.map_or_else(|| id::shown(found.interface.id), id::shown);
            owners.extend(found.interface.addresses().map(|ip| (ip, owner.clone())));
        }
    }
    let reply = |rule: &NatSource| {
        let (resource_type, resource_id) = match rule.subnet {
            Some(subnet) => ("SUBNET", id::shown(subnet)),
            None if alone(rule) => ("NETWORKINTERFACE", owners.get(&rule.source.addr()).cloned().unwrap_or_default()),
            None => ("USERDEFINED", String::new()),
        };
        let private = if alone(rule) { rule.source.addr().to_string() } else { rule.source.to_string() };
        SourceReply {
            resource_id,
            resource_type,
            private_ip_address: private,
            public_ip_addresses: rule.addresses.iter().map(|id| view.ip_of(*id)).collect(),
            description: rule.name.clone(),
            nat_gateway_snat_id: id::shown(rule.id),
            nat_gateway_id: id::shown(view.gateway.id),
            vpc_id: id::shown(view.gateway.vpc),
            created_time: time::by_beijing(rule.created_at.timestamp()),
        }
    };
    Ok(view.gateway.sources.iter().map(reply).collect())
}

/// A port's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum IpProtocol {
    #[arg(name = "TCP")]
    Tcp,
    #[arg(name = "UDP")]
    Udp,
}

impl IpProtocol {
    const fn read(self) -> ForwardProtocol {
        match self {
            IpProtocol::Tcp => ForwardProtocol::Tcp,
            IpProtocol::Udp => ForwardProtocol::Udp,
        }
    }
}

/// A port's rule of a call.
#[derive(FromArg)]
struct ForwardArg {
    ip_protocol: IpProtocol,
    public_ip_address: Ipv4Addr,
    public_port: u16,
    private_ip_address: Ipv4Addr,
    private_port: u16,
    #[arg(default)]
    description: String,
}

/// `CreateNatGatewayDestinationIpPortTranslationNatRule` and the deletion.
#[derive(FromArg)]
pub(crate) struct Forwards {
    nat_gateway_id: String,
    #[arg(max_items = RULES_PER_CALL)]
    destination_ip_port_translation_nat_rules: Vec<ForwardArg>,
}

impl ForwardArg {
    fn what(&self) -> Result<Forwarded, Fault> {
        let alone = |port| (port, port);
        Ok(Forwarded::ports(self.ip_protocol.read(), alone(self.public_port), alone(self.private_port))?)
    }

    /// The rule that this names.
    fn named(&self) -> Result<NatForwardRef, Fault> {
        Ok(NatForwardRef::Place { address: self.public_ip_address, what: self.what()?, private: self.private_ip_address })
    }
}

fn some(asked: &Forwards) -> Result<&[ForwardArg], Fault> {
    let rules = &asked.destination_ip_port_translation_nat_rules;
    if rules.is_empty() { Err(Fault::missing("DestinationIpPortTranslationNatRules")) } else { Ok(rules) }
}

/// Has ports of a gateway's addresses lead to ports of machines: all of the rules or none.
pub(crate) async fn create_forwards(cx: &Cx<'_>, asked: Forwards) -> Result<(), Fault> {
    let new = |rule: &ForwardArg| {
        let (address, private) = (AddressRef::Ip(rule.public_ip_address), rule.private_ip_address);
        Ok(NewNatForward { address, what: rule.what()?, private, name: rule.description.clone() })
    };
    let new = some(&asked)?.iter().map(new).collect::<Result<Vec<_>, Fault>>()?;
    let command = control::CreateNatForwards { gateway: id::read(&asked.nat_gateway_id)?, new };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// Deletes rules about ports: all of them or none.
pub(crate) async fn delete_forwards(cx: &Cx<'_>, asked: Forwards) -> Result<(), Fault> {
    let gateway = id::read(&asked.nat_gateway_id)?;
    let forwards = some(&asked)?.iter().map(ForwardArg::named).collect::<Result<Vec<_>, _>>()?;
    Ok(cx.cloud.run(&cx.caller, control::DeleteNatForwards { gateway, forwards }, cx.options()).await?)
}

/// `ModifyNatGatewayDestinationIpPortTranslationNatRule`.
#[derive(FromArg)]
pub(crate) struct ModifyForward {
    nat_gateway_id: String,
    source_nat_rule: ForwardArg,
    destination_nat_rule: ForwardArg,
}

/// Puts one rule about a port in the place of another.
pub(crate) async fn modify_forward(cx: &Cx<'_>, asked: ModifyForward) -> Result<(), Fault> {
    let gateway = id::read(&asked.nat_gateway_id)?;
    let forward = asked.source_nat_rule.named()?;
    let after = asked.destination_nat_rule;
    let command = control::ModifyNatForward {
        gateway,
        forward,
        address: Some(AddressRef::Ip(after.public_ip_address)),
        what: Some(after.what()?),
        private: Some(after.private_ip_address),
        name: Some(after.description),
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeNatGatewayDestinationIpPortTranslationNatRules`.
#[derive(FromArg)]
pub(crate) struct DescribeForwards {
    #[arg(max_items = LIMIT_MAX)]
    nat_gateway_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct ForwardList {
    nat_gateway_destination_ip_port_translation_nat_rule_set: Vec<PlacedForward>,
    total_count: usize,
}

#[derive(Show)]
struct PlacedForward {
    #[reply(flatten)]
    rule: ForwardReply,
    nat_gateway_id: String,
    vpc_id: String,
    created_time: String,
}

/// A rule about a port.
#[derive(Show)]
pub(crate) struct ForwardReply {
    ip_protocol: &'static str,
    public_ip_address: String,
    public_port: u16,
    private_ip_address: String,
    private_port: u16,
    description: String,
}

/// Lists rules about ports.
pub(crate) async fn describe_forwards(cx: &Cx<'_>, asked: DescribeForwards) -> Result<ForwardList, Fault> {
    let query = Query { ids: id::read_all(&asked.nat_gateway_ids)?, filters: vec![], page: Page::First(control::PAGE_MAX) };
    let views = cx.cloud.list::<NatGatewayView>(&cx.caller, query).await?.rows;
    let placed = |view: &NatGatewayView, rule: &NatForward| PlacedForward {
        rule: forward_reply(view, rule),
        nat_gateway_id: id::shown(view.gateway.id),
        vpc_id: id::shown(view.gateway.vpc),
        created_time: time::by_beijing(rule.created_at.timestamp()),
    };
    let mut rows: Vec<PlacedForward> =
        views.iter().flat_map(|view| view.gateway.forwards.iter().map(move |rule| placed(view, rule))).collect();
    for FilterArg { name, values } in &asked.filters {
        let of: fn(&PlacedForward) -> String = match name.as_str() {
            "nat-gateway-id" => |row| row.nat_gateway_id.clone(),
            "vpc-id" => |row| row.vpc_id.clone(),
            "public-ip-address" => |row| row.rule.public_ip_address.clone(),
            "public-port" => |row| row.rule.public_port.to_string(),
            "private-ip-address" => |row| row.rule.private_ip_address.clone(),
            "private-port" => |row| row.rule.private_port.to_string(),
            "description" => |row| row.rule.description.clone(),
            _ => return Err(Fault::unknown_filter(name)),
        };
        rows.retain(|row| values.contains(&of(row)));
    }
    let (total_count, nat_gateway_destination_ip_port_translation_nat_rule_set) = asked.cut.of(rows);
    Ok(ForwardList { nat_gateway_destination_ip_port_translation_nat_rule_set, total_count })
}

/// A rule as VPC shows it. One that another dialect made for every port shows none.
pub(crate) fn forward_reply(view: &NatGatewayView, rule: &NatForward) -> ForwardReply {
    let (ip_protocol, public_port, private_port) = match rule.what {
        Forwarded::Everything => ("ALL", 0, 0),
        Forwarded::Ports { protocol: ForwardProtocol::Tcp, outside, inside, count: _ } => ("TCP", outside, inside),
        Forwarded::Ports { protocol: ForwardProtocol::Udp, outside, inside, count: _ } => ("UDP", outside, inside),
    };
    ForwardReply {
        ip_protocol,
        public_ip_address: view.ip_of(rule.address),
        public_port,
        private_ip_address: rule.private.to_string(),
        private_port,
        description: rule.name.clone(),
    }
}
