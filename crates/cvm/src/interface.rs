//! Network interfaces.

use std::net::Ipv4Addr;

use control::{Field, InterfaceView, Query};
use model::{AddressKind, InstanceId, Interface, InterfaceId, Plug, SecurityGroupId, SubnetId, VpcId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::ipv6::Ipv6Reply;
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::TagReply;
use crate::{Cx, id, ipv6, tag, time};

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

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Interfaces {
    total_count: usize,
    network_interface_set: Vec<InterfaceReply>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct InterfaceReply {
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
    ipv6_address_set: Vec<Ipv6Reply>,
    attachment: Attachment,
    eni_type: u32,
    attach_type: u32,
    business: &'static str,
    cdc_id: &'static str,
    created_time: String,
    tag_set: Vec<TagReply>,
}

#[derive(Show)]
pub(crate) struct PrivateAddress {
    private_ip_address: String,
    primary: bool,
    public_ip_address: String,
    address_id: String,
    description: &'static str,
    is_wan_ip_blocked: bool,
    state: &'static str,
}

#[derive(Show)]
struct Attachment {
    instance_id: String,
    device_index: u32,
    instance_account_id: String,
    attach_time: String,
}

/// Lists network interfaces.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeNetworkInterfaces) -> Result<Interfaces, Fault> {
    not_both("NetworkInterfaceIds", &asked.network_interface_ids, &asked.filters)?;
    let is_exact = is_exact(&asked.filters);
    let filters: Vec<FilterArg> = asked.filters.into_iter().filter(|filter| filter.name != EXACT).collect();
    let filters = Filters::read(&filters, |name| filter(name, is_exact))?;
    let query = Query { ids: id::read_all(&asked.network_interface_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list_interfaces(&cx.caller, query).await?;
    Ok(Interfaces { total_count: listed.total, network_interface_set: listed.rows.iter().map(reply).collect() })
}

/// The filter that says how another one is compared.
const EXACT: &str = "ip-exact-match";

/// Whether private addresses are looked for whole: one of several always is, a single one by its beginning unless it is said.
fn is_exact(filters: &[FilterArg]) -> bool {
    let first = |name: &str| filters.iter().find(|filter| filter.name == name);
    let said = first(EXACT).and_then(|filter| filter.values.first()).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    said || first("address-ip").is_some_and(|filter| filter.values.len() > 1)
}

/// Whether interfaces of a type are their instances' first, in the control plane's words.
fn is_primary(kind: &str) -> Vec<String> {
    match kind {
        "0" => vec!["false".to_owned()],
        "1" => vec!["true".to_owned()],
        _ => vec![],
    }
}

fn filter(name: &str, is_exact: bool) -> Option<By> {
    Some(match name {
        "network-interface-id" => By::id::<InterfaceId>(Field::Id),
        "network-interface-name" => By::Is(Field::Name),
        "network-interface-description" => By::Is(Field::Description),
        "vpc-id" => By::id::<VpcId>(Field::Vpc),
        "subnet-id" => By::id::<SubnetId>(Field::Subnet),
        "attachment.instance-id" => By::id::<InstanceId>(Field::Instance),
        "groups.security-group-id" => By::id::<SecurityGroupId>(Field::Group),
        "address-ip" if is_exact => By::Is(Field::PrivateIp),
        "address-ip" => By::Begins(Field::PrivateIp),
        "public-address-ip" => By::Is(Field::PublicIp),
        "is-primary" => By::Flag(Field::IsPrimary),
        "eni-type" => By::Word(Field::IsPrimary, is_primary),
        "eni-qos" => By::Always(&["DEFAULT"]),
        "termination-protection" | "traffic-protection" => By::Always(&["false"]),
        "address-ipv6" | "address-type" => By::Always(&[]),
        _ => return None,
    })
}

/// Private addresses of an interface, each with its public one.
pub(crate) fn private_addresses(view: &InterfaceView, ips: impl Iterator<Item = Ipv4Addr>) -> Vec<PrivateAddress> {
    let one = |ip: Ipv4Addr| {
        let public = view.address_of(ip);
        let elastic = public.filter(|address| address.kind == AddressKind::Elastic);
        PrivateAddress {
            private_ip_address: ip.to_string(),
            primary: ip == view.interface.ip,
            public_ip_address: public.map(|address| address.ip.to_string()).unwrap_or_default(),
            address_id: id::shown_or_empty(elastic.map(|address| address.id)),
            description: "",
            is_wan_ip_blocked: false,
            state: "AVAILABLE",
        }
    };
    ips.map(one).collect()
}

pub(crate) fn reply(view: &InterfaceView) -> InterfaceReply {
    let nic = &view.interface;
    let created_time = time::by_beijing(nic.created_at.timestamp());
    InterfaceReply {
        network_interface_id: id::shown(nic.id),
        network_interface_name: nic.shown_name().to_owned(),
        network_interface_description: nic.description.clone(),
        vpc_id: id::shown(nic.vpc),
        subnet_id: id::shown(nic.subnet),
        zone: view.zone.clone(),
        group_set: view.groups.iter().map(|(group, _)| id::shown(*group)).collect(),
        primary: nic.is_primary(),
        mac_address: nic.mac.to_string(),
        state: state(nic),
        network_interface_state: if nic.instance.is_some() { "INUSE" } else { "AVAILABLE" },
        private_ip_address_set: private_addresses(view, nic.addresses()),
        ipv6_address_set: ipv6::replies(&nic.ipv6),
        attachment: Attachment {
            instance_id: id::shown_or_empty(nic.instance),
            device_index: nic.index,
            instance_account_id: nic.account.to_string(),
            attach_time: time::by_beijing(nic.attached_at.unwrap_or(nic.created_at).timestamp()),
        },
        eni_type: u32::from(nic.is_primary()),
        attach_type: 0,
        business: "cvm",
        cdc_id: "",
        created_time,
        tag_set: tag::replies(&nic.tags),
    }
}

const fn state(nic: &Interface) -> &'static str {
    match (nic.instance, nic.plug) {
        (None, _) | (Some(_), Plug::Plugged) => "AVAILABLE",
        (Some(_), Plug::Plugging) => "ATTACHING",
        (Some(_), Plug::Unplugging) => "DETACHING",
    }
}
