//! Network interfaces.

use control::{Field, InterfaceView, Query};
use model::{AddressKind, InstanceId, InterfaceId, SecurityGroupId, SubnetId, VpcId};
use wire::{Doc, FromArg, IntoDoc};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::TagReply;
use crate::{Cx, id, tag, time};

/// `DescribeNetworkInterfaces`.
#[derive(FromArg)]
pub(crate) struct DescribeNetworkInterfaces {
    #[arg(max_items = LIMIT_MAX)]
    network_interface_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(IntoDoc)]
#[reply(list = "")]
pub(crate) struct Interfaces {
    total_count: usize,
    network_interface_set: Vec<InterfaceReply>,
}

#[derive(IntoDoc)]
#[reply(list = "")]
struct InterfaceReply {
    network_interface_id: String,
    network_interface_name: String,
    network_interface_description: String,
    vpc_id: String,
    subnet_id: String,
    zone: String,
    group_set: Vec<String>,
    primary: bool,
    mac_address: String,
    state: &'static str,
    network_interface_state: &'static str,
    private_ip_address_set: Vec<PrivateAddress>,
    ipv6_address_set: Vec<Doc>,
    attachment: Attachment,
    eni_type: u32,
    attach_type: u32,
    business: &'static str,
    cdc_id: &'static str,
    created_time: String,
    tag_set: Vec<TagReply>,
}

#[derive(IntoDoc)]
struct PrivateAddress {
    private_ip_address: String,
    primary: bool,
    public_ip_address: String,
    address_id: String,
    description: &'static str,
    is_wan_ip_blocked: bool,
    state: &'static str,
}

#[derive(IntoDoc)]
struct Attachment {
    instance_id: String,
    device_index: u32,
    instance_account_id: String,
    attach_time: String,
}

/// Lists network interfaces.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeNetworkInterfaces) -> Result<Interfaces, Fault> {
    not_both("NetworkInterfaceIds", &asked.network_interface_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, filter)?;
    let query = Query { ids: id::read_all(&asked.network_interface_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list_interfaces(&cx.caller, query).await?;
    Ok(Interfaces { total_count: listed.total, network_interface_set: listed.rows.iter().map(reply).collect() })
}

fn filter(name: &str) -> Option<By> {
    Some(match name {
        "network-interface-id" => By::id::<InterfaceId>(Field::Id),
        "network-interface-name" => By::Is(Field::Tag("Name".to_owned())),
        "network-interface-description" => By::Is(Field::Description),
        "vpc-id" => By::id::<VpcId>(Field::Vpc),
        "subnet-id" => By::id::<SubnetId>(Field::Subnet),
        "attachment.instance-id" => By::id::<InstanceId>(Field::Instance),
        "groups.security-group-id" => By::id::<SecurityGroupId>(Field::Group),
        "address-ip" => By::Is(Field::PrivateIp),
        "is-primary" => By::Always(&["true"]),
        "eni-type" => By::Always(&["1"]),
        "address-ipv6" | "address-type" => By::Always(&[]),
        _ => return None,
    })
}

fn reply(view: &InterfaceView) -> InterfaceReply {
    let nic = &view.interface;
    let elastic = view.address.as_ref().filter(|address| address.kind == AddressKind::Elastic);
    let created_time = time::by_beijing(nic.created_at.timestamp());
    let address = PrivateAddress {
        private_ip_address: nic.ip.to_string(),
        primary: true,
        public_ip_address: view.address.as_ref().map(|address| address.ip.to_string()).unwrap_or_default(),
        address_id: id::shown_or_empty(elastic.map(|address| address.id)),
        description: "",
        is_wan_ip_blocked: false,
        state: "AVAILABLE",
    };
    InterfaceReply {
        network_interface_id: id::shown(nic.id),
        network_interface_name: nic.tags.get("Name").cloned().unwrap_or_default(),
        network_interface_description: nic.description.clone(),
        vpc_id: id::shown(nic.vpc),
        subnet_id: id::shown(nic.subnet),
        zone: view.zone.clone(),
        group_set: view.groups.iter().map(|(group, _)| id::shown(*group)).collect(),
        primary: true,
        mac_address: nic.mac.to_string(),
        state: "AVAILABLE",
        network_interface_state: if nic.instance.is_some() { "INUSE" } else { "AVAILABLE" },
        private_ip_address_set: vec![address],
        ipv6_address_set: vec![],
        attachment: Attachment {
            instance_id: id::shown_or_empty(nic.instance),
            device_index: 0,
            instance_account_id: nic.account.to_string(),
            attach_time: created_time.clone(),
        },
        eni_type: 1,
        attach_type: 0,
        business: "cvm",
        cdc_id: "",
        created_time,
        tag_set: tag::replies(&nic.tags),
    }
}
