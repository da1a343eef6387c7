//! Network interfaces.

use std::net::Ipv4Addr;

use control::{
    CreateInterface, DeleteInterface, InterfaceView, Membership, ModifyInterface, NewInterface, Query, Wanted, default_hostname,
};
use jiff::Timestamp;
use model::{Address, AddressKind, Error, Interface, InterfaceId, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination, unsupported};
use crate::filter::{self, AskedFilter};
use crate::instance::{Group, groups};
use crate::ipv6;
use crate::page::{Paging, USUAL};
use crate::region::zone_id;
use crate::tag::{self, TagItem, TagSpecification};

/// The parameters of `CreateNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct CreateNetworkInterface {
    subnet_id: String,
    description: Option<String>,
    private_ip_address: Option<Ipv4Addr>,
    #[arg(name = "PrivateIpAddresses")]
    private_ips: Vec<AskedIp>,
    secondary_private_ip_address_count: Option<usize>,
    #[arg(name = "Ipv6Addresses")]
    ipv6_addresses: Vec<ipv6::AskedAddress>,
    ipv6_address_count: Option<usize>,
    #[arg(name = "SecurityGroupId")]
    groups: Vec<String>,
    interface_type: Option<String>,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What EC2 can make of an interface and this cloud cannot.
pub(crate) const CREATE_ABSENT: &[&str] =
    &["ConnectionTrackingSpecification", "EnablePrimaryIpv6", "Ipv4Prefix", "Ipv4PrefixCount", "Ipv6Prefix", "Ipv6PrefixCount", "Operator"];

/// A private address that is asked for.
#[derive(FromArg)]
pub(crate) struct AskedIp {
    private_ip_address: Ipv4Addr,
    #[arg(default)]
    primary: bool,
}

/// The primary and the further addresses that are asked for in EC2's two ways, which exclude each other.
pub(crate) fn addresses(one: Option<Ipv4Addr>, list: &[AskedIp], count: Option<usize>) -> Result<(Option<Ipv4Addr>, Wanted), Refusal> {
    let mut primary = list.iter().filter(|asked| asked.primary).map(|asked| asked.private_ip_address);
    let first = primary.next();
    if primary.next().is_some() || (one.is_some() && first.is_some()) {
        return Err(combination("Only one private address can be the primary one"));
    }
    if !list.is_empty() && count.is_some() {
        return Err(combination("PrivateIpAddresses and SecondaryPrivateIpAddressCount exclude each other"));
    }
    let ips = list.iter().filter(|asked| !asked.primary).map(|asked| asked.private_ip_address).collect();
    Ok((one.or(first), Wanted { ips, count: count.unwrap_or(0) }))
}

/// Refuses other kinds of interfaces than the usual one.
pub(crate) fn only_usual(interface_type: Option<&str>) -> Result<(), Refusal> {
    match interface_type {
        None | Some("interface" | "") => Ok(()),
        Some(kind) => Err(unsupported(format!("The interface type '{kind}'"))),
    }
}

/// The reply of `CreateNetworkInterface`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    network_interface: InterfaceItem,
    client_token: Option<String>,
}

/// Makes an interface that is plugged into nothing.
pub(crate) async fn create(cx: Cx, asked: CreateNetworkInterface) -> Result<Created, Refusal> {
    only_usual(asked.interface_type.as_deref())?;
    let (ip, secondary) = addresses(asked.private_ip_address, &asked.private_ips, asked.secondary_private_ip_address_count)?;
    let new = NewInterface {
        ip,
        secondary,
        ipv6: ipv6::wanted(&asked.ipv6_addresses, asked.ipv6_address_count)?,
        groups: tag::ids(Noun::SecurityGroup, &asked.groups)?,
        unchecked: false,
        name: String::new(),
        description: asked.description.unwrap_or_default(),
        tags: tag::specified(&asked.tags, "network-interface", &["network-interface"])?,
    };
    let command = CreateInterface { subnet: tag::id(Noun::Subnet, &asked.subnet_id)?, vpc: None, new };
    let token = asked.client_token.filter(|token| !token.is_empty());
    let id = cx.cloud.run(&cx.caller, command, cx.options(token.clone())).await?;
    let view = cx.cloud.interface_made(id).await?;
    Ok(Created { network_interface: interface_item(&cx, &view), client_token: token })
}

/// The parameters of `DeleteNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct DeleteNetworkInterface {
    network_interface_id: String,
}

/// Deletes an interface that is plugged into nothing.
pub(crate) async fn delete(cx: Cx, asked: DeleteNetworkInterface) -> Result<(), Refusal> {
    let command = DeleteInterface { id: tag::id(Noun::Interface, &asked.network_interface_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of `ModifyNetworkInterfaceAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyNetworkInterfaceAttribute {
    network_interface_id: String,
    description: Option<AskedText>,
    #[arg(name = "SecurityGroupId")]
    groups: Vec<String>,
    source_dest_check: Option<AskedFlag>,
    attachment: Option<AskedAttachment>,
}

/// What EC2 can change of an interface and this cloud cannot.
pub(crate) const MODIFY_ABSENT: &[&str] = &[
    "AssociatePublicIpAddress",
    "AssociatedSubnetId",
    "Attachment.DefaultEnaQueueCount",
    "Attachment.EnaQueueCount",
    "ConnectionTrackingSpecification",
    "EnaSrdSpecification",
    "EnablePrimaryIpv6",
];

/// `Description.Value=...`.
#[derive(FromArg)]
struct AskedText {
    value: String,
}

/// `SourceDestCheck.Value=...`.
#[derive(FromArg)]
struct AskedFlag {
    value: bool,
}

#[derive(FromArg)]
struct AskedAttachment {
    attachment_id: Option<String>,
    delete_on_termination: Option<bool>,
}

/// Changes one attribute of an interface.
pub(crate) async fn modify(cx: Cx, asked: ModifyNetworkInterfaceAttribute) -> Result<(), Refusal> {
    let id = tag::id(Noun::Interface, &asked.network_interface_id)?;
    let mut command = ModifyInterface::of(id);
    command.description = asked.description.map(|text| text.value);
    command.checked = asked.source_dest_check.map(|flag| flag.value);
    if !asked.groups.is_empty() {
        command.groups = Some(Membership::Exactly(tag::ids(Noun::SecurityGroup, &asked.groups)?));
    }
    if let Some(AskedAttachment { attachment_id, delete_on_termination }) = asked.attachment {
        let named = attachment_id.ok_or(Error::MissingParameter { name: "Attachment.AttachmentId" })?;
        let view = view_of(&cx, id).await?;
        if view.interface.attachment().is_none_or(|held| held.to_string() != named) {
            return Err(Error::not_found(Noun::Attachment, named).into());
        }
        command.delete_on_termination =
            Some(delete_on_termination.ok_or(Error::MissingParameter { name: "Attachment.DeleteOnTermination" })?);
    }
    let said =
        [command.description.is_some(), command.checked.is_some(), command.groups.is_some(), command.delete_on_termination.is_some()];
    match said.iter().filter(|said| **said).count() {
        1 => Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?),
        0 => Err(Error::MissingParameter { name: "Attribute" }.into()),
        _ => Err(combination("Only one attribute can be changed in one call")),
    }
}

/// The parameters of `ResetNetworkInterfaceAttribute`.
#[derive(FromArg)]
pub(crate) struct ResetNetworkInterfaceAttribute {
    network_interface_id: String,
    source_dest_check: String,
}

/// Turns the source check of an interface on, which is how it began. EC2 does not say what the text means.
pub(crate) async fn reset(cx: Cx, asked: ResetNetworkInterfaceAttribute) -> Result<(), Refusal> {
    if asked.source_dest_check.is_empty() {
        return Err(Error::MissingParameter { name: "SourceDestCheck" }.into());
    }
    let id = tag::id(Noun::Interface, &asked.network_interface_id)?;
    let command = ModifyInterface { checked: Some(true), ..ModifyInterface::of(id) };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The attributes that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "camelCase")]
pub(crate) enum Attribute {
    Description,
    GroupSet,
    SourceDestCheck,
    Attachment,
    AssociatePublicIpAddress,
}

/// The parameters of `DescribeNetworkInterfaceAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeNetworkInterfaceAttribute {
    network_interface_id: String,
    attribute: Option<Attribute>,
}

/// A value of its own element.
#[derive(Show)]
struct Value<T: Show> {
    #[reply(name = "value")]
    value: T,
}

/// The reply of `DescribeNetworkInterfaceAttribute`: the id and the one attribute.
#[derive(Default, Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Described {
    network_interface_id: String,
    description: Option<Value<String>>,
    group_set: Option<Vec<Group>>,
    source_dest_check: Option<Value<bool>>,
    attachment: Option<Attachment>,
    associate_public_ip_address: Option<bool>,
}

/// Tells one attribute.
pub(crate) async fn describe_attribute(cx: Cx, asked: DescribeNetworkInterfaceAttribute) -> Result<Described, Refusal> {
    let view = view_of(&cx, tag::id(Noun::Interface, &asked.network_interface_id)?).await?;
    let nic = &view.interface;
    let mut reply = Described { network_interface_id: asked.network_interface_id, ..Described::default() };
    match asked.attribute.ok_or(Error::MissingParameter { name: "Attribute" })? {
        Attribute::Description => reply.description = Some(Value { value: nic.description.clone() }),
        Attribute::GroupSet => reply.group_set = Some(groups(&view.groups)),
        Attribute::SourceDestCheck => reply.source_dest_check = Some(Value { value: nic.checked }),
        Attribute::Attachment => reply.attachment = attachment(nic),
        Attribute::AssociatePublicIpAddress => {
            reply.associate_public_ip_address = Some(view.address().is_some_and(|address| address.kind == AddressKind::Automatic));
        }
    }
    Ok(reply)
}

async fn view_of(cx: &Cx, id: InterfaceId) -> Result<InterfaceView, Refusal> {
    let query = Query { ids: vec![id], ..Query::default() };
    let mut listed = cx.cloud.list_interfaces(&cx.caller, query).await?;
    Ok(listed.rows.pop().ok_or_else(|| Error::not_found(Noun::Interface, id))?)
}

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
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Interfaces {
    network_interface_set: Vec<InterfaceItem>,
    next_token: Option<String>,
}

#[derive(Show)]
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
    #[reply(skip_empty)]
    ipv6_addresses_set: Vec<ipv6::Address>,
    interface_type: &'static str,
}

#[derive(Show)]
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

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Association {
    public_ip: String,
    public_dns_name: &'static str,
    ip_owner_id: String,
    allocation_id: Option<String>,
    association_id: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct PrivateAddress {
    private_ip_address: String,
    private_dns_name: String,
    primary: bool,
    association: Option<Association>,
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
    let private_dns_name = |ip| format!("{}.{}", default_hostname(ip), cx.cloud.region().domain);
    let private = |ip| PrivateAddress {
        private_ip_address: Ipv4Addr::to_string(&ip),
        private_dns_name: private_dns_name(ip),
        primary: ip == nic.ip,
        association: view.address_of(ip).map(association),
    };
    InterfaceItem {
        network_interface_id: nic.id.to_string(),
        subnet_id: nic.subnet.to_string(),
        vpc_id: nic.vpc.to_string(),
        availability_zone: view.zone.clone(),
        availability_zone_id: zone_id(cx, &view.zone),
        description: nic.description.clone(),
        owner_id: nic.account.to_string(),
        requester_managed: nic.nat_gateway.is_some(),
        status: nic.word(),
        mac_address: nic.mac.to_string(),
        private_ip_address: nic.ip.to_string(),
        private_dns_name: private_dns_name(nic.ip),
        source_dest_check: nic.checked,
        group_set: groups(&view.groups),
        attachment: attachment(nic),
        association: view.address().map(association),
        tag_set: tag::items(&nic.tags),
        private_ip_addresses_set: nic.addresses().map(private).collect(),
        ipv6_addresses_set: ipv6::addresses(&nic.ipv6),
        interface_type: if nic.nat_gateway.is_some() { "nat_gateway" } else { "interface" },
    }
}

fn attachment(nic: &Interface) -> Option<Attachment> {
    Some(Attachment {
        attachment_id: nic.attachment()?.to_string(),
        instance_id: nic.instance?.to_string(),
        instance_owner_id: nic.account.to_string(),
        device_index: nic.index,
        network_card_index: 0,
        status: nic.plug_word()?,
        attach_time: attached_at(nic),
        delete_on_termination: nic.delete_on_termination,
    })
}

/// When an interface was plugged in.
pub(crate) fn attached_at(nic: &Interface) -> Timestamp {
    nic.attached_at.unwrap_or(nic.created_at).timestamp()
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
