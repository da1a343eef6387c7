//! Network interfaces.

use control::{InterfaceView, Query, default_hostname};
use jiff::Timestamp;
use model::{Address, AddressKind, InterfaceId, Noun};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::instance::{Group, groups};
use crate::page::{Paging, USUAL};
use crate::region::zone_id;
use crate::tag::{self, TagItem};

/// The parameters of `DescribeNetworkInterfaces`.
#[derive(FromArg)]
pub(crate) struct DescribeNetworkInterfaces {
    #[arg(name = "NetworkInterfaceId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeNetworkInterfaces`.
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Interfaces {
    network_interface_set: Vec<InterfaceItem>,
    next_token: Option<String>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct InterfaceItem {
    network_interface_id: String,
    subnet_id: String,
    vpc_id: String,
    availability_zone: String,
    availability_zone_id: String,
    description: String,
    owner_id: String,
    requester_managed: bool,
    status: &'static str,
    mac_address: String,
    private_ip_address: String,
    private_dns_name: String,
    source_dest_check: bool,
    group_set: Vec<Group>,
    attachment: Option<Attachment>,
    association: Option<Association>,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    private_ip_addresses_set: Vec<PrivateAddress>,
    interface_type: &'static str,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct Attachment {
    attachment_id: String,
    instance_id: String,
    instance_owner_id: String,
    device_index: u32,
    network_card_index: u32,
    status: &'static str,
    attach_time: Timestamp,
    delete_on_termination: bool,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct Association {
    public_ip: String,
    public_dns_name: &'static str,
    ip_owner_id: String,
    allocation_id: Option<String>,
    association_id: Option<String>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct PrivateAddress {
    private_ip_address: String,
    private_dns_name: String,
    primary: bool,
    association: Option<Association>,
}

/// The id of the plug between an interface and its instance. An interface has one plug in its life here, so it has the
/// interface's digits.
pub(crate) fn attachment_id(interface: InterfaceId) -> String {
    format!("eni-attach-0{:016x}", interface.as_u64())
}

/// Lists network interfaces.
pub(crate) async fn describe_interfaces(cx: Cx, asked: DescribeNetworkInterfaces) -> Result<Interfaces, Refusal> {
    asked.paging.not_with_ids(&asked.ids)?;
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::INTERFACE, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::Interface, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list_interfaces(&cx.caller, query).await?;
    let items = listed.rows.iter().map(|view| interface_item(&cx, view)).collect();
    Ok(Interfaces { network_interface_set: items, next_token: pages.after(listed.next) })
}

fn interface_item(cx: &Cx, view: &InterfaceView) -> InterfaceItem {
    let nic = &view.interface;
    let private_dns_name = format!("{}.{}", default_hostname(nic.ip), cx.cloud.region().domain);
    let attachment = nic.instance.map(|instance| Attachment {
        attachment_id: attachment_id(nic.id),
        instance_id: instance.to_string(),
        instance_owner_id: nic.account.to_string(),
        device_index: 0,
        network_card_index: 0,
        status: "attached",
        attach_time: nic.created_at.timestamp(),
        delete_on_termination: nic.delete_on_termination,
    });
    InterfaceItem {
        network_interface_id: nic.id.to_string(),
        subnet_id: nic.subnet.to_string(),
        vpc_id: nic.vpc.to_string(),
        availability_zone: view.zone.clone(),
        availability_zone_id: zone_id(cx, &view.zone),
        description: nic.description.clone(),
        owner_id: nic.account.to_string(),
        requester_managed: false,
        status: if nic.instance.is_some() { "in-use" } else { "available" },
        mac_address: nic.mac.to_string(),
        private_ip_address: nic.ip.to_string(),
        private_dns_name: private_dns_name.clone(),
        source_dest_check: true,
        group_set: groups(&view.groups),
        attachment,
        association: view.address.as_ref().map(association),
        tag_set: tag::items(&nic.tags),
        private_ip_addresses_set: vec![PrivateAddress {
            private_ip_address: nic.ip.to_string(),
            private_dns_name,
            primary: true,
            association: view.address.as_ref().map(association),
        }],
        interface_type: "interface",
    }
}

fn association(address: &Address) -> Association {
    let is_elastic = address.kind == AddressKind::Elastic;
    Association {
        public_ip: address.ip.to_string(),
        public_dns_name: "",
        ip_owner_id: address.account.to_string(),
        allocation_id: is_elastic.then(|| address.id.to_string()),
        association_id: address.association.map(|id| id.to_string()),
    }
}
