//! Internet NAT gateways. What they do with packets is in [`crate::nat_entry`].

use control::{CreateNatGateway as Create, Field, NatDeletion, NatGatewayView, NatPlace, Query};
use jiff::Timestamp;
use model::{AddressId, Forwarded, NatGateway, NatGatewayId, NatServes, Noun, Subnet};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};
use crate::tag::{TagReply, tag_replies};

/// What the id of a gateway's SNAT table begins with; the rest is the gateway's.
pub(crate) const SNAT_TABLE: &str = "stb-";
/// What the id of a gateway's DNAT table begins with.
pub(crate) const FORWARD_TABLE: &str = "ftb-";

/// The id of a gateway's table.
pub(crate) fn table_id(prefix: &str, gateway: NatGatewayId) -> String {
    let id = gateway.to_string();
    format!("{prefix}{}", id.strip_prefix(NatGatewayId::PREFIX).unwrap_or(&id))
}

/// What a gateway is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum NetworkType {
    #[arg(name = "internet")]
    Internet,
    #[arg(name = "intranet")]
    Intranet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum NatType {
    Enhanced,
    Normal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Charge {
    PostPaid,
    PrePaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum InternetCharge {
    PayByLcu,
    PayBySpec,
}

/// `CreateNatGateway`.
#[derive(FromArg)]
pub(crate) struct CreateNatGateway {
    vpc_id: String,
    v_switch_id: String,
    name: Option<String>,
    description: Option<String>,
    nat_type: Option<NatType>,
    network_type: Option<NetworkType>,
    instance_charge_type: Option<Charge>,
    internet_charge_type: Option<InternetCharge>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    nat_gateway_id: String,
    #[reply(list = "SnatTableId")]
    snat_table_ids: Vec<String>,
    #[reply(list = "ForwardTableId")]
    forward_table_ids: Vec<String>,
    #[reply(list = "BandwidthPackageId")]
    bandwidth_package_ids: Vec<String>,
}

/// Makes a gateway, and a route for everything to it where the system route table has none.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateNatGateway) -> Result<Created, Fault> {
    let absent = [
        (asked.nat_type == Some(NatType::Normal), "The NatType Normal"),
        (asked.network_type == Some(NetworkType::Intranet), "The NetworkType intranet"),
        (asked.instance_charge_type == Some(Charge::PrePaid), "The InstanceChargeType PrePaid"),
        (asked.internet_charge_type == Some(InternetCharge::PayBySpec), "The InternetChargeType PayBySpec"),
    ];
    if let Some((_, what)) = absent.into_iter().find(|(is_asked, _)| *is_asked) {
        return Err(Fault::unsupported_parameter(what));
    }
    let vpc: model::VpcId = id(Noun::Vpc, &asked.vpc_id)?;
    let subnet = id(Noun::Subnet, &asked.v_switch_id)?;
    let found = cx.cloud.list::<Subnet>(&cx.caller, Query { ids: vec![subnet], ..Query::default() }).await?;
    if found.rows.iter().any(|row| row.vpc != vpc) {
        return Err(Fault::not_found(Noun::Subnet, &asked.v_switch_id));
    }
    let command = Create {
        is_default_route: true,
        name: asked.name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
        ..Create::at(NatPlace::Subnet(subnet), NatServes::Listed)
    };
    let gateway = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created {
        nat_gateway_id: gateway.to_string(),
        snat_table_ids: vec![table_id(SNAT_TABLE, gateway)],
        forward_table_ids: vec![table_id(FORWARD_TABLE, gateway)],
        bandwidth_package_ids: vec![],
    })
}

/// `DescribeNatGateways`.
#[derive(FromArg)]
pub(crate) struct DescribeNatGateways {
    nat_gateway_id: Option<String>,
    vpc_id: Option<String>,
    name: Option<String>,
    zone_id: Option<String>,
    status: Option<String>,
    nat_type: Option<String>,
    network_type: Option<String>,
    instance_charge_type: Option<String>,
    spec: Option<String>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct NatGateways {
    #[reply(list = "NatGateway")]
    nat_gateways: Vec<GatewayReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct GatewayReply {
    nat_gateway_id: String,
    region_id: String,
    vpc_id: String,
    name: String,
    description: String,
    status: &'static str,
    business_status: &'static str,
    nat_type: &'static str,
    network_type: &'static str,
    spec: &'static str,
    instance_charge_type: &'static str,
    internet_charge_type: &'static str,
    eip_bind_mode: &'static str,
    creation_time: Timestamp,
    expired_time: &'static str,
    resource_group_id: &'static str,
    auto_pay: bool,
    deletion_protection: bool,
    icmp_reply_enabled: bool,
    private_link_enabled: bool,
    ecs_metric_enabled: bool,
    #[reply(list = "SnatTableId")]
    snat_table_ids: Vec<String>,
    #[reply(list = "ForwardTableId")]
    forward_table_ids: Vec<String>,
    #[reply(list = "BandwidthPackageId")]
    bandwidth_package_ids: Vec<String>,
    #[reply(list = "IpList")]
    ip_lists: Vec<IpReply>,
    nat_gateway_private_info: PrivateReply,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

#[derive(Show)]
struct IpReply {
    allocation_id: String,
    ip_address: String,
    using_status: &'static str,
    snat_entry_enabled: bool,
    ap_access_enabled: bool,
    private_ip_address: String,
}

#[derive(Show)]
struct PrivateReply {
    vswitch_id: String,
    private_ip_address: String,
    eni_instance_id: String,
    eni_type: &'static str,
    max_bandwidth: u32,
    iz_no: String,
}

/// Lists gateways.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeNatGateways) -> Result<NatGateways, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::Id, asked.nat_gateway_id.as_ref())
        .exact(Field::Vpc, asked.vpc_id.as_ref())
        .exact(Field::Name, asked.name.as_ref())
        .exact(Field::Zone, asked.zone_id.as_ref())
        .exact(Field::State, asked.status.map(|status| status.to_ascii_lowercase()))
        .always(asked.nat_type.as_ref(), &["Enhanced"])
        .always(asked.network_type.as_ref(), &["internet"])
        .always(asked.instance_charge_type.as_ref(), &["PostPaid"])
        .always(asked.spec.as_ref(), &[])
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list::<NatGatewayView>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    Ok(NatGateways { nat_gateways: listed.rows.iter().map(|row| reply(cx, row)).collect(), numbers })
}

/// What an address of a gateway is used for.
fn using(gateway: &NatGateway, address: AddressId) -> &'static str {
    let forwards = gateway.forwards.iter().any(|rule| rule.address == address);
    let leaves = gateway.sources.iter().any(|rule| rule.addresses.contains(&address));
    match (leaves, forwards) {
        (true, _) => "UsedBySnatTable",
        (false, true) => "UsedByForwardTable",
        (false, false) => "Idle",
    }
}

/// Megabits per second of a gateway's addresses together (VPC documents 5120).
const BANDWIDTH: u32 = 5_120;

fn reply(cx: &Cx<'_>, view: &NatGatewayView) -> GatewayReply {
    let gateway = &view.gateway;
    let private = gateway.private().map(|ip| ip.to_string()).unwrap_or_default();
    let is_whole = |address: AddressId| gateway.forwards.iter().any(|rule| rule.address == address && rule.what == Forwarded::Everything);
    let ip = |address: &model::Address| IpReply {
        allocation_id: address.id.to_string(),
        ip_address: address.ip.to_string(),
        using_status: using(gateway, address.id),
        snat_entry_enabled: !is_whole(address.id),
        ap_access_enabled: false,
        private_ip_address: private.clone(),
    };
    GatewayReply {
        nat_gateway_id: gateway.id.to_string(),
        region_id: cx.region(),
        vpc_id: gateway.vpc.to_string(),
        name: gateway.name.clone(),
        description: gateway.description.clone(),
        status: if gateway.is_available() { "Available" } else { "Failed" },
        business_status: "Normal",
        nat_type: "Enhanced",
        network_type: if gateway.is_public { "internet" } else { "intranet" },
        spec: "",
        instance_charge_type: "PostPaid",
        internet_charge_type: "PayByLcu",
        eip_bind_mode: "MULTI_BINDED",
        creation_time: gateway.created_at.timestamp(),
        expired_time: "",
        resource_group_id: "",
        auto_pay: false,
        deletion_protection: gateway.protected,
        icmp_reply_enabled: true,
        private_link_enabled: false,
        ecs_metric_enabled: false,
        snat_table_ids: vec![table_id(SNAT_TABLE, gateway.id)],
        forward_table_ids: vec![table_id(FORWARD_TABLE, gateway.id)],
        bandwidth_package_ids: vec![],
        ip_lists: view.addresses.iter().map(ip).collect(),
        nat_gateway_private_info: PrivateReply {
            vswitch_id: gateway.subnet.map(|id| id.to_string()).unwrap_or_default(),
            private_ip_address: private.clone(),
            eni_instance_id: gateway.interface().map(|id| id.to_string()).unwrap_or_default(),
            eni_type: "indirect",
            max_bandwidth: BANDWIDTH,
            iz_no: view.zone.clone(),
        },
        tags: tag_replies(&gateway.tags),
    }
}

/// `ModifyNatGatewayAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyNatGatewayAttribute {
    nat_gateway_id: String,
    name: Option<String>,
    description: Option<String>,
}

/// Changes what is said of a gateway.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyNatGatewayAttribute) -> Result<(), Fault> {
    let ModifyNatGatewayAttribute { nat_gateway_id, name, description } = asked;
    let command =
        control::ModifyNatGateway { gateway: id(Noun::NatGateway, &nat_gateway_id)?, bandwidth: None, protected: None, name, description };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DeleteNatGateway`.
#[derive(FromArg)]
pub(crate) struct DeleteNatGateway {
    nat_gateway_id: String,
    force: Option<bool>,
}

/// Deletes a gateway; by force with its entries, and its addresses are free then.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteNatGateway) -> Result<(), Fault> {
    let with = if asked.force == Some(true) { NatDeletion::Everything } else { NatDeletion::RoutesOnly };
    let command = control::DeleteNatGateway { gateway: id(Noun::NatGateway, &asked.nat_gateway_id)?, with };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}
