//! Network interfaces.

use std::net::Ipv4Addr;

use control::{Field, InterfaceView, Query};
use jiff::Timestamp;
use model::{Address, AddressKind, Interface, Noun, Plug};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, ipv6_texts};
use crate::instance_type::QUEUES;
use crate::ipv6::{self, Ipv6Reply};
use crate::page::{PAGE_SIZE_MAX, Paged, Paging};
use crate::tag::{TagReply, tag_replies};

/// Most interfaces or addresses that one call names (ECS documents 100).
const NAMED_PER_CALL: usize = 100;

/// `DescribeNetworkInterfaces`.
#[derive(FromArg)]
pub(crate) struct DescribeNetworkInterfaces {
    #[arg(name = "NetworkInterfaceId", max_items = NAMED_PER_CALL)]
    ids: Vec<String>,
    instance_id: Option<String>,
    vpc_id: Option<String>,
    v_switch_id: Option<String>,
    security_group_id: Option<String>,
    primary_ip_address: Option<String>,
    #[arg(name = "PrivateIpAddress", max_items = NAMED_PER_CALL)]
    private_ip_addresses: Vec<String>,
    #[arg(name = "Ipv6Address", max_items = NAMED_PER_CALL)]
    ipv6_addresses: Vec<String>,
    #[arg(name = "Type")]
    kind: Option<Kind>,
    status: Option<Status>,
    network_interface_name: Option<String>,
    service_managed: Option<bool>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

/// Whether an interface came with its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Kind {
    Primary,
    Secondary,
}

/// States of interfaces to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Status {
    Available,
    Attaching,
    InUse,
    Detaching,
}

#[derive(Show)]
pub(crate) struct Interfaces {
    #[reply(list = "NetworkInterfaceSet")]
    network_interface_sets: Vec<InterfaceReply>,
    #[reply(flatten)]
    paging: Paging,
}

#[derive(Show)]
struct InterfaceReply {
    network_interface_id: String,
    network_interface_name: String,
    description: String,
    #[reply(name = "Type")]
    kind: &'static str,
    status: &'static str,
    mac_address: String,
    private_ip_address: String,
    vpc_id: String,
    v_switch_id: String,
    zone_id: String,
    instance_id: String,
    /// Told in lists, not of one.
    owner_id: Option<String>,
    delete_on_release: bool,
    source_dest_check: bool,
    service_managed: bool,
    queue_number: u32,
    network_interface_traffic_mode: &'static str,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    associated_public_ip: PublicIp,
    #[reply(list = "SecurityGroupId")]
    security_group_ids: Vec<String>,
    #[reply(list = "PrivateIpSet")]
    private_ip_sets: Vec<PrivateIp>,
    #[reply(list = "Ipv6Set")]
    ipv6_sets: Vec<Ipv6Reply>,
    /// There are none; clients take the list for granted.
    #[reply(list = "Ipv4PrefixSet")]
    ipv4_prefix_sets: Vec<String>,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

#[derive(Show)]
struct PrivateIp {
    private_ip_address: String,
    primary: bool,
    associated_public_ip: PublicIp,
}

/// The public address; empty texts when there is none.
#[derive(Show, Default)]
struct PublicIp {
    allocation_id: String,
    public_ip_address: String,
}

/// Lists network interfaces.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeNetworkInterfaces) -> Result<Interfaces, Fault> {
    let mut filters = Filters::new();
    filters
        .one_of(Field::Id, &asked.ids)
        .exact(Field::Instance, asked.instance_id.as_ref())
        .exact(Field::Vpc, asked.vpc_id.as_ref())
        .exact(Field::Subnet, asked.v_switch_id.as_ref())
        .exact(Field::Group, asked.security_group_id.as_ref())
        .exact(Field::PrivateIp, asked.primary_ip_address.as_ref())
        .one_of(Field::PrivateIp, &asked.private_ip_addresses)
        .one_of(Field::Ipv6, &ipv6_texts(&asked.ipv6_addresses))
        .wildcard(Field::Name, asked.network_interface_name.as_ref())
        .exact(Field::IsPrimary, asked.kind.map(|kind| kind == Kind::Primary))
        .always(asked.service_managed.map(|managed| managed.to_string()).as_ref(), &["false"])
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    match asked.status {
        None => &mut filters,
        Some(Status::Available) => filters.exact(Field::State, Some("available")),
        Some(Status::InUse) => filters.exact(Field::Attachment, Some("attached")),
        Some(Status::Attaching) => filters.exact(Field::Attachment, Some("attaching")),
        Some(Status::Detaching) => filters.exact(Field::Attachment, Some("detaching")),
    };
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list_interfaces(&cx.caller, query).await?;
    let paging = asked.paged.paging(&listed);
    Ok(Interfaces { network_interface_sets: listed.rows.iter().map(reply).collect(), paging })
}

fn reply(view: &InterfaceView) -> InterfaceReply {
    let nic = &view.interface;
    let private = |ip| PrivateIp {
        private_ip_address: Ipv4Addr::to_string(&ip),
        primary: ip == nic.ip,
        associated_public_ip: public_ip(view.address_of(ip)),
    };
    InterfaceReply {
        network_interface_id: nic.id.to_string(),
        network_interface_name: nic.shown_name().to_owned(),
        description: nic.description.clone(),
        kind: if nic.is_primary() { "Primary" } else { "Secondary" },
        status: status(nic),
        mac_address: nic.mac.to_string(),
        private_ip_address: nic.ip.to_string(),
        vpc_id: nic.vpc.to_string(),
        v_switch_id: nic.subnet.to_string(),
        zone_id: view.zone.clone(),
        instance_id: nic.instance.map(|id| id.to_string()).unwrap_or_default(),
        owner_id: Some(nic.account.to_string()),
        delete_on_release: nic.delete_on_termination,
        source_dest_check: nic.checked,
        service_managed: false,
        queue_number: QUEUES,
        network_interface_traffic_mode: "Standard",
        creation_time: nic.created_at.timestamp(),
        resource_group_id: "",
        associated_public_ip: public_ip(view.address()),
        security_group_ids: view.groups.iter().map(|(id, _)| id.to_string()).collect(),
        private_ip_sets: nic.addresses().map(private).collect(),
        ipv6_sets: ipv6::replies(&nic.ipv6),
        ipv4_prefix_sets: vec![],
        tags: tag_replies(&nic.tags),
    }
}

/// `DescribeNetworkInterfaceAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeNetworkInterfaceAttribute {
    network_interface_id: String,
    #[expect(dead_code, reason = "all is told, whatever is asked for")]
    attribute: Option<Attribute>,
}

/// What can be asked for by itself.
#[derive(Debug, Clone, Copy, FromArg)]
#[arg(rename = "camelCase")]
enum Attribute {
    Attachment,
    NetworkInterfaceTrafficConfig,
    ConnectionTrackingConfiguration,
}

#[derive(Show)]
pub(crate) struct InterfaceAttribute {
    #[reply(flatten)]
    interface: InterfaceReply,
}

/// Tells one network interface.
pub(crate) async fn attribute(cx: &Cx<'_>, asked: DescribeNetworkInterfaceAttribute) -> Result<InterfaceAttribute, Fault> {
    let wanted = id(Noun::Interface, &asked.network_interface_id)?;
    let listed = cx.cloud.list_interfaces(&cx.caller, Query { ids: vec![wanted], ..Query::default() }).await?;
    let view = listed.rows.first().ok_or_else(|| Fault::not_found(Noun::Interface, &asked.network_interface_id))?;
    Ok(InterfaceAttribute { interface: InterfaceReply { owner_id: None, ..reply(view) } })
}

const fn status(nic: &Interface) -> &'static str {
    match (nic.instance, nic.plug) {
        (None, _) => "Available",
        (Some(_), Plug::Plugged) => "InUse",
        (Some(_), Plug::Plugging) => "Attaching",
        (Some(_), Plug::Unplugging) => "Detaching",
    }
}

fn public_ip(address: Option<&Address>) -> PublicIp {
    let Some(address) = address else { return PublicIp::default() };
    let allocation_id = match address.kind {
        AddressKind::Elastic => address.id.to_string(),
        AddressKind::Automatic => String::new(),
    };
    PublicIp { allocation_id, public_ip_address: address.ip.to_string() }
}
