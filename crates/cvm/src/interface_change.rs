//! Network interfaces made, plugged in, moved, changed and deleted, and their further private addresses.

use std::net::Ipv4Addr;

use control::{
    AssignPrivateAddresses, AttachInterface, CreateInterface, DeleteInterface, DetachInterface, Many, Membership, ModifyInterface,
    MoveInterface, NewInterface, Options, Plugged, UnassignPrivateAddresses, Wanted,
};
use model::{Error, GROUPS_PER_INTERFACE_MAX, InstanceId, InterfaceId, SecurityGroupId, VpcId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::interface::{InterfaceReply, PrivateAddress, private_addresses, reply};
use crate::ipv6::AskedIpv6;
use crate::tag::TagArg;
use crate::{Cx, id, ipv6, tag};

/// Most private addresses and interfaces that one call names (VPC documents 10 addresses and 100 interfaces).
const ADDRESSES_PER_CALL: usize = 10;
const INTERFACES_PER_CALL: usize = 100;

/// `CreateNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct CreateNetworkInterface {
    vpc_id: String,
    subnet_id: String,
    network_interface_name: String,
    network_interface_description: Option<String>,
    #[arg(default, range = 0..=ADDRESSES_PER_CALL)]
    secondary_private_ip_address_count: usize,
    #[arg(max_items = GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
    #[arg(max_items = ADDRESSES_PER_CALL)]
    private_ip_addresses: Vec<AskedIp>,
    #[arg(max_items = ipv6::ADDRESSES_PER_CALL)]
    ipv6_addresses: Vec<AskedIpv6>,
    #[arg(range = 0..=ipv6::ADDRESSES_PER_CALL)]
    ipv6_address_count: Option<usize>,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    client_token: Option<String>,
}

/// What of an address is not asked for but told, and qualities that are not served.
pub(crate) const ASSIGN_ABSENT: &[&str] = &[
    "QosLevel",
    "PrivateIpAddresses.AddressId",
    "PrivateIpAddresses.Description",
    "PrivateIpAddresses.IsWanIpBlocked",
    "PrivateIpAddresses.PublicIpAddress",
    "PrivateIpAddresses.QosLevel",
    "PrivateIpAddresses.State",
];

/// The same, and the instance that a whole interface would be taken from.
pub(crate) const UNASSIGN_ABSENT: &[&str] = &[
    "InstanceId",
    "PrivateIpAddresses.AddressId",
    "PrivateIpAddresses.Description",
    "PrivateIpAddresses.IsWanIpBlocked",
    "PrivateIpAddresses.PublicIpAddress",
    "PrivateIpAddresses.QosLevel",
    "PrivateIpAddresses.State",
];

/// What VPC can make of an interface and this cloud cannot.
pub(crate) const CREATE_ABSENT: &[&str] = &[
    "Ipv6Addresses.AddressId",
    "Ipv6Addresses.AddressType",
    "Ipv6Addresses.Description",
    "Ipv6Addresses.IsWanIpBlocked",
    "Ipv6Addresses.Primary",
    "Ipv6Addresses.PublicIpAddress",
    "Ipv6Addresses.State",
    "IsRdma",
    "PrivateIpAddresses.AddressId",
    "PrivateIpAddresses.Description",
    "PrivateIpAddresses.IsWanIpBlocked",
    "PrivateIpAddresses.PublicIpAddress",
    "PrivateIpAddresses.QosLevel",
    "PrivateIpAddresses.State",
    "QosLevel",
    "TerminationProtection",
    "TrafficProtection",
    "TrunkingFlag",
];

/// A private address that is asked for.
#[derive(FromArg)]
pub(crate) struct AskedIp {
    private_ip_address: Ipv4Addr,
    #[arg(default)]
    primary: bool,
}

/// A reply that shows one interface.
#[derive(Show)]
pub(crate) struct Made {
    network_interface: InterfaceReply,
}

/// Makes an interface that is plugged into nothing.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateNetworkInterface) -> Result<Made, Fault> {
    let vpc: VpcId = id::read(&asked.vpc_id)?;
    let mut primary = asked.private_ip_addresses.iter().filter(|asked| asked.primary).map(|asked| asked.private_ip_address);
    let ip = primary.next();
    if primary.next().is_some() {
        return Err(Error::InvalidCombination { reason: "only one private address can be the primary one".to_owned() }.into());
    }
    let ips = asked.private_ip_addresses.iter().filter(|asked| !asked.primary).map(|asked| asked.private_ip_address).collect();
    let new = NewInterface {
        ip,
        secondary: Wanted { ips, count: asked.secondary_private_ip_address_count },
        ipv6: ipv6::wanted(&asked.ipv6_addresses, asked.ipv6_address_count)?,
        groups: id::read_all(&asked.security_group_ids)?,
        unchecked: false,
        name: asked.network_interface_name,
        description: asked.network_interface_description.unwrap_or_default(),
        tags: tag::tags_of(asked.tags)?,
    };
    let command = CreateInterface { subnet: id::read(&asked.subnet_id)?, vpc: Some(vpc), new };
    let made = cx.cloud.run(&cx.caller, command, with_token(asked.client_token)).await?;
    Ok(Made { network_interface: reply(&cx.cloud.interface_made(made).await?) })
}

fn with_token(token: Option<String>) -> Options {
    Options { client_token: token.filter(|token| !token.is_empty()), dry_run: false }
}

/// `AttachNetworkInterface` and `DetachNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct Ends {
    network_interface_id: String,
    instance_id: String,
    client_token: Option<String>,
}

/// Plugs an interface into an instance, running or stopped.
pub(crate) async fn attach(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let (interface, instance) = (id::read(&asked.network_interface_id)?, id::read(&asked.instance_id)?);
    let command = AttachInterface { interface, instance, index: None, delete_on_termination: false };
    cx.cloud.run(&cx.caller, command, with_token(asked.client_token)).await?;
    Ok(())
}

/// Takes an interface out of its instance.
pub(crate) async fn detach(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let which = Plugged::Interface(id::read(&asked.network_interface_id)?);
    let command = DetachInterface { which, instance: Some(id::read(&asked.instance_id)?), force: false };
    cx.cloud.run(&cx.caller, command, with_token(asked.client_token)).await?;
    Ok(())
}

/// `MigrateNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct MigrateNetworkInterface {
    network_interface_id: String,
    source_instance_id: String,
    destination_instance_id: String,
}

/// Moves an interface from one instance to another.
pub(crate) async fn migrate(cx: &Cx<'_>, asked: MigrateNetworkInterface) -> Result<(), Fault> {
    let interface: InterfaceId = id::read(&asked.network_interface_id)?;
    let (from, to): (InstanceId, InstanceId) = (id::read(&asked.source_instance_id)?, id::read(&asked.destination_instance_id)?);
    Ok(cx.cloud.run(&cx.caller, MoveInterface { interface, from, to }, cx.options()).await?)
}

/// `DeleteNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct DeleteNetworkInterface {
    network_interface_id: String,
}

/// Deletes an interface that is plugged into nothing.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteNetworkInterface) -> Result<(), Fault> {
    let command = DeleteInterface { id: id::read(&asked.network_interface_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `ModifyNetworkInterfaceAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyNetworkInterfaceAttribute {
    network_interface_id: String,
    network_interface_name: Option<String>,
    network_interface_description: Option<String>,
    #[arg(max_items = GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
}

/// Changes what is said of an interface, and the groups that it is in.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyNetworkInterfaceAttribute) -> Result<(), Fault> {
    let groups: Vec<SecurityGroupId> = id::read_all(&asked.security_group_ids)?;
    let command = ModifyInterface {
        name: asked.network_interface_name,
        description: asked.network_interface_description,
        groups: Some(groups).filter(|groups| !groups.is_empty()).map(Membership::Exactly),
        ..ModifyInterface::of(id::read(&asked.network_interface_id)?)
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `AssociateNetworkInterfaceSecurityGroups` and `DisassociateNetworkInterfaceSecurityGroups`.
#[derive(FromArg)]
pub(crate) struct Groups {
    #[arg(max_items = INTERFACES_PER_CALL)]
    network_interface_ids: Vec<String>,
    #[arg(max_items = GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
}

/// Puts interfaces into groups beside those that they are in.
pub(crate) async fn join(cx: &Cx<'_>, asked: Groups) -> Result<(), Fault> {
    change(cx, &asked, Membership::Join).await
}

/// Takes interfaces out of groups.
pub(crate) async fn leave(cx: &Cx<'_>, asked: Groups) -> Result<(), Fault> {
    change(cx, &asked, Membership::Leave).await
}

async fn change(cx: &Cx<'_>, asked: &Groups, how: impl Fn(SecurityGroupId) -> Membership) -> Result<(), Fault> {
    let interfaces: Vec<InterfaceId> = id::read_some("NetworkInterfaceIds", &asked.network_interface_ids)?;
    let groups: Vec<SecurityGroupId> = id::read_some("SecurityGroupIds", &asked.security_group_ids)?;
    let one =
        |interface: &InterfaceId, group: &SecurityGroupId| ModifyInterface { groups: Some(how(*group)), ..ModifyInterface::of(*interface) };
    let all = interfaces.iter().flat_map(|interface| groups.iter().map(|group| one(interface, group))).collect();
    cx.cloud.run(&cx.caller, Many(all), cx.options()).await?;
    Ok(())
}

/// `AssignPrivateIpAddresses`.
#[derive(FromArg)]
pub(crate) struct AssignPrivateIpAddresses {
    network_interface_id: String,
    #[arg(max_items = ADDRESSES_PER_CALL)]
    private_ip_addresses: Vec<AskedIp>,
    #[arg(default, range = 0..=ADDRESSES_PER_CALL)]
    secondary_private_ip_address_count: usize,
    client_token: Option<String>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Assigned {
    private_ip_address_set: Vec<PrivateAddress>,
}

/// Gives an interface further private addresses.
pub(crate) async fn assign(cx: &Cx<'_>, asked: AssignPrivateIpAddresses) -> Result<Assigned, Fault> {
    let interface: InterfaceId = id::read(&asked.network_interface_id)?;
    let wanted = Wanted { ips: further(&asked.private_ip_addresses)?, count: asked.secondary_private_ip_address_count };
    let command = AssignPrivateAddresses { interface, wanted, reassign: false };
    let added = cx.cloud.run(&cx.caller, command, with_token(asked.client_token)).await?;
    let view = cx.cloud.interface_made(interface).await?;
    Ok(Assigned { private_ip_address_set: private_addresses(&view, added.into_iter()) })
}

/// `UnassignPrivateIpAddresses`.
#[derive(FromArg)]
pub(crate) struct UnassignPrivateIpAddresses {
    network_interface_id: String,
    #[arg(max_items = ADDRESSES_PER_CALL)]
    private_ip_addresses: Vec<AskedIp>,
}

/// Takes further private addresses from an interface.
pub(crate) async fn unassign(cx: &Cx<'_>, asked: UnassignPrivateIpAddresses) -> Result<(), Fault> {
    let command =
        UnassignPrivateAddresses { interface: id::read(&asked.network_interface_id)?, ips: further(&asked.private_ip_addresses)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// Addresses that are not to be the primary one.
fn further(asked: &[AskedIp]) -> Result<Vec<Ipv4Addr>, Fault> {
    if asked.iter().any(|asked| asked.primary) {
        return Err(Error::invalid("PrivateIpAddresses", "the primary address of an interface stays").into());
    }
    Ok(asked.iter().map(|asked| asked.private_ip_address).collect())
}
