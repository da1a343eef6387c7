//! NAT gateways, each for a VPC as a whole. Their rules are in [`crate::nat_rule`].

use std::net::Ipv4Addr;

use control::{
    AddressRef, AssociateNatAddresses, DisassociateNatAddresses, Field, FirstNatAddress, NatDeletion, NatGatewayView, NatPlace,
    NewAddresses, Query,
};
use model::{Error, NatGatewayId, NatServes, Noun, VpcId};
use wire::{Doc, FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::nat_rule::{ForwardReply, SourceReply, forward_reply, source_replies};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TagArg, TagReply};
use crate::{Cx, id, tag, time};

/// Megabits per second when nothing is said (VPC documents 100).
const BANDWIDTH: u32 = 100;
/// Megabits per second that can be had.
const BANDWIDTHS: [u32; 8] = [20, 50, 100, 200, 500, 1_000, 2_000, 5_000];
/// Connections at a time when nothing is said (VPC documents 1,000,000).
const CONNECTIONS: u32 = 1_000_000;
/// Most addresses of one call.
const ADDRESSES_PER_CALL: usize = 20;

/// `CreateNatGateway`.
#[derive(FromArg)]
pub(crate) struct CreateNatGateway {
    nat_gateway_name: String,
    vpc_id: String,
    #[arg(default = BANDWIDTH)]
    internet_max_bandwidth_out: u32,
    #[arg(default = CONNECTIONS)]
    max_concurrent_connection: u32,
    #[arg(default, range = 0..=20_u32)]
    address_count: u32,
    #[arg(max_items = ADDRESSES_PER_CALL)]
    public_ip_addresses: Vec<Ipv4Addr>,
    #[arg(default = BANDWIDTH)]
    public_ip_addresses_bandwidth_out: u32,
    #[arg(default)]
    deletion_protection_enabled: bool,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Parameters of `CreateNatGateway` that are not served.
pub(crate) const CREATE_ABSENT: &[&str] =
    &["ExclusiveType", "NatProductVersion", "PublicIpFromSameZone", "StockPublicIpAddressesBandwidthOut", "SubnetId", "Zone"];
/// Parameters of `ModifyNatGatewayAttribute` that are not served.
pub(crate) const MODIFY_ABSENT: &[&str] = &["ModifySecurityGroup", "PublicAddressAffinity", "SecurityGroupIds"];
/// Parameters of `AssociateNatGatewayAddress` that are not served.
pub(crate) const ASSOCIATE_ABSENT: &[&str] = &["IpAddressEnableMode", "PublicIpFromSameZone", "StockPublicIpAddressesBandwidthOut", "Zone"];

/// NAT gateways.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Gateways {
    total_count: usize,
    nat_gateway_set: Vec<GatewayReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct GatewayReply {
    nat_gateway_id: String,
    nat_gateway_name: String,
    created_time: String,
    state: &'static str,
    network_state: &'static str,
    internet_max_bandwidth_out: u32,
    max_concurrent_connection: u32,
    public_ip_address_set: Vec<AddressReply>,
    destination_ip_port_translation_nat_rule_set: Vec<ForwardReply>,
    source_ip_translation_nat_rule_set: Vec<SourceReply>,
    vpc_id: String,
    zone: String,
    subnet_id: String,
    direct_connect_gateway_ids: Vec<Doc>,
    security_group_set: Vec<Doc>,
    is_exclusive: bool,
    exclusive_gateway_bandwidth: u32,
    restrict_state: &'static str,
    nat_product_version: u32,
    strict_snat_mode: bool,
    smart_schedule_mode: bool,
    dedicated_cluster_id: &'static str,
    public_address_affinity: bool,
    deletion_protection_enabled: bool,
    tag_set: Vec<TagReply>,
}

#[derive(Show)]
struct AddressReply {
    address_id: String,
    public_ip_address: String,
    is_blocked: bool,
    block_type: &'static str,
}

fn bandwidth(asked: u32) -> Result<u32, Fault> {
    let unusual = || Fault::invalid("InternetMaxBandwidthOut", format!("it is none of {BANDWIDTHS:?}"));
    if BANDWIDTHS.contains(&asked) { Ok(asked) } else { Err(unusual()) }
}

fn addresses(ips: &[Ipv4Addr]) -> Vec<AddressRef> {
    ips.iter().map(|ip| AddressRef::Ip(*ip)).collect()
}

/// Makes a gateway with addresses of the account, new ones, or both.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateNatGateway) -> Result<Gateways, Fault> {
    if asked.address_count == 0 && asked.public_ip_addresses.is_empty() {
        return Err(Fault::missing("AddressCount"));
    }
    if asked.max_concurrent_connection != CONNECTIONS {
        return Err(Fault::unsupported(format!("A MaxConcurrentConnection other than {CONNECTIONS}")));
    }
    let command = control::CreateNatGateway {
        addresses: addresses(&asked.public_ip_addresses),
        take: NewAddresses { count: asked.address_count, bandwidth: Some(asked.public_ip_addresses_bandwidth_out) },
        bandwidth: Some(bandwidth(asked.internet_max_bandwidth_out)?),
        protected: asked.deletion_protection_enabled,
        name: asked.nat_gateway_name,
        tags: tag::tags_of(asked.tags)?,
        ..control::CreateNatGateway::at(NatPlace::Vpc(id::read(&asked.vpc_id)?), NatServes::Everyone)
    };
    let gateway = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(Gateways { total_count: 1, nat_gateway_set: vec![reply(cx, &view_of(cx, gateway).await?).await?] })
}

/// One gateway.
pub(crate) async fn view_of(cx: &Cx<'_>, gateway: NatGatewayId) -> Result<NatGatewayView, Fault> {
    let mut listed = cx.cloud.list::<NatGatewayView>(&cx.caller, Query { ids: vec![gateway], ..Query::default() }).await?;
    listed.rows.pop().ok_or_else(|| Error::not_found(Noun::NatGateway, gateway).into())
}

/// `DescribeNatGateways`.
#[derive(FromArg)]
pub(crate) struct DescribeNatGateways {
    #[arg(max_items = LIMIT_MAX)]
    nat_gateway_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

/// Lists gateways.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeNatGateways) -> Result<Gateways, Fault> {
    not_both("NatGatewayIds", &asked.nat_gateway_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "nat-gateway-id" => By::id::<NatGatewayId>(Field::Id),
            "vpc-id" => By::id::<VpcId>(Field::Vpc),
            "nat-gateway-name" => By::Holds(Field::Name),
            "nat-state" => By::Word(Field::State, states),
            _ => return None,
        })
    })?;
    let query = Query { ids: id::read_all(&asked.nat_gateway_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<NatGatewayView>(&cx.caller, query).await?;
    let mut nat_gateway_set = Vec::with_capacity(listed.rows.len());
    for view in &listed.rows {
        nat_gateway_set.push(reply(cx, view).await?);
    }
    Ok(Gateways { total_count: listed.total, nat_gateway_set })
}

/// The control plane's word for one of VPC's states.
fn states(word: &str) -> Vec<String> {
    match word {
        "AVAILABLE" => vec!["available".to_owned()],
        "FAILED" => vec!["failed".to_owned()],
        _ => vec![],
    }
}

async fn reply(cx: &Cx<'_>, view: &NatGatewayView) -> Result<GatewayReply, Fault> {
    let gateway = &view.gateway;
    let address = |address: &model::Address| AddressReply {
        address_id: id::shown(address.id),
        public_ip_address: address.ip.to_string(),
        is_blocked: false,
        block_type: "",
    };
    Ok(GatewayReply {
        nat_gateway_id: id::shown(gateway.id),
        nat_gateway_name: gateway.name.clone(),
        created_time: time::by_beijing(gateway.created_at.timestamp()),
        state: if gateway.is_available() { "AVAILABLE" } else { "FAILED" },
        network_state: if gateway.is_available() { "AVAILABLE" } else { "UNAVAILABLE" },
        internet_max_bandwidth_out: gateway.bandwidth.unwrap_or(BANDWIDTH),
        max_concurrent_connection: CONNECTIONS,
        public_ip_address_set: view.addresses.iter().map(address).collect(),
        destination_ip_port_translation_nat_rule_set: gateway.forwards.iter().map(|rule| forward_reply(view, rule)).collect(),
        source_ip_translation_nat_rule_set: source_replies(cx, view).await?,
        vpc_id: id::shown(gateway.vpc),
        zone: view.zone.clone(),
        subnet_id: id::shown_or_empty(gateway.subnet),
        direct_connect_gateway_ids: vec![],
        security_group_set: vec![],
        is_exclusive: false,
        exclusive_gateway_bandwidth: 0,
        restrict_state: "NORMAL",
        nat_product_version: 1,
        strict_snat_mode: gateway.serves == NatServes::Listed,
        smart_schedule_mode: false,
        dedicated_cluster_id: "",
        public_address_affinity: true,
        deletion_protection_enabled: gateway.protected,
        tag_set: tag::replies(&gateway.tags),
    })
}

/// `ModifyNatGatewayAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyNatGatewayAttribute {
    nat_gateway_id: String,
    nat_gateway_name: Option<String>,
    internet_max_bandwidth_out: Option<u32>,
    deletion_protection_enabled: Option<bool>,
}

/// Changes what is said of a gateway.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyNatGatewayAttribute) -> Result<(), Fault> {
    let command = control::ModifyNatGateway {
        gateway: id::read(&asked.nat_gateway_id)?,
        bandwidth: asked.internet_max_bandwidth_out.map(bandwidth).transpose()?,
        protected: asked.deletion_protection_enabled,
        name: asked.nat_gateway_name,
        description: None,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DeleteNatGateway`.
#[derive(FromArg)]
pub(crate) struct DeleteNatGateway {
    nat_gateway_id: String,
    #[expect(dead_code, reason = "routes go with a gateway whether or not the caller says that it knows")]
    ignore_operation_risk: Option<bool>,
}

/// Deletes a gateway with its rules and the routes to it; its addresses are free then.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteNatGateway) -> Result<(), Fault> {
    let command = control::DeleteNatGateway { gateway: id::read(&asked.nat_gateway_id)?, with: NatDeletion::Everything };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `AssociateNatGatewayAddress`.
#[derive(FromArg)]
pub(crate) struct AssociateNatGatewayAddress {
    nat_gateway_id: String,
    #[arg(default, range = 0..=20_u32)]
    address_count: u32,
    #[arg(max_items = ADDRESSES_PER_CALL)]
    public_ip_addresses: Vec<Ipv4Addr>,
    #[arg(default = BANDWIDTH)]
    public_ip_addresses_bandwidth_out: u32,
}

/// Gives a gateway further addresses of the account, new ones, or both.
pub(crate) async fn associate(cx: &Cx<'_>, asked: AssociateNatGatewayAddress) -> Result<(), Fault> {
    if asked.address_count == 0 && asked.public_ip_addresses.is_empty() {
        return Err(Fault::missing("AddressCount"));
    }
    let command = AssociateNatAddresses {
        gateway: id::read(&asked.nat_gateway_id)?,
        addresses: addresses(&asked.public_ip_addresses),
        take: NewAddresses { count: asked.address_count, bandwidth: Some(asked.public_ip_addresses_bandwidth_out) },
        ips: vec![],
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// `DisassociateNatGatewayAddress`.
#[derive(FromArg)]
pub(crate) struct DisassociateNatGatewayAddress {
    nat_gateway_id: String,
    #[arg(max_items = ADDRESSES_PER_CALL)]
    public_ip_addresses: Vec<Ipv4Addr>,
}

/// Takes addresses that no rule uses from a gateway.
pub(crate) async fn disassociate(cx: &Cx<'_>, asked: DisassociateNatGatewayAddress) -> Result<(), Fault> {
    if asked.public_ip_addresses.is_empty() {
        return Err(Fault::missing("PublicIpAddresses"));
    }
    let gateway = id::read(&asked.nat_gateway_id)?;
    let command = DisassociateNatAddresses { gateway, addresses: addresses(&asked.public_ip_addresses), first: FirstNatAddress::MayGo };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}
