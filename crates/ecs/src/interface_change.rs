//! Network interfaces made, plugged in, changed and deleted, and their further private addresses.

use std::net::Ipv4Addr;

use control::{
    AssignPrivateAddresses, AttachInterface, CreateInterface, DeleteInterface, DetachInterface, Membership, ModifyInterface, NewInterface,
    Plugged, UnassignPrivateAddresses, Wanted,
};
use model::{Error, GROUPS_PER_INTERFACE_MAX, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{TAGS_PER_CALL, TagArg, id, tags_of};
use crate::tag::{TagReply, tag_replies};

/// Most further addresses of one call (ECS documents 1 to 49, and 10 where they are named).
const ADDRESSES_PER_CALL: usize = 49;

/// `CreateNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct CreateNetworkInterface {
    v_switch_id: String,
    primary_ip_address: Option<Ipv4Addr>,
    #[arg(name = "PrivateIpAddress", max_items = ADDRESSES_PER_CALL)]
    private_ip_addresses: Vec<Ipv4Addr>,
    #[arg(range = 1..=ADDRESSES_PER_CALL)]
    secondary_private_ip_address_count: Option<usize>,
    security_group_id: Option<String>,
    #[arg(max_items = GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
    network_interface_name: Option<String>,
    description: Option<String>,
    instance_type: Option<Secondary>,
    source_dest_check: Option<bool>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// The kind of interface that can be made alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Secondary {
    Secondary,
}

#[derive(Show)]
pub(crate) struct Created {
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
    owner_id: String,
    source_dest_check: bool,
    service_managed: bool,
    resource_group_id: &'static str,
    #[reply(list = "SecurityGroupId")]
    security_group_ids: Vec<String>,
    #[reply(list = "PrivateIpSet")]
    private_ip_sets: Vec<PrivateIp>,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

#[derive(Show)]
struct PrivateIp {
    private_ip_address: String,
    primary: bool,
}

/// Makes an interface that is plugged into nothing.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateNetworkInterface) -> Result<Created, Fault> {
    match asked.instance_type {
        None | Some(Secondary::Secondary) => {}
    }
    let groups = one_or_several(asked.security_group_id, asked.security_group_ids)?;
    if groups.is_empty() {
        return Err(Error::MissingParameter { name: "SecurityGroupId" }.into());
    }
    let new = NewInterface {
        ip: asked.primary_ip_address,
        secondary: wanted(asked.private_ip_addresses, asked.secondary_private_ip_address_count)?,
        ipv6: control::WantedIpv6::default(),
        groups: groups.iter().map(|group| id(Noun::SecurityGroup, group)).collect::<Result<_, _>>()?,
        unchecked: asked.source_dest_check == Some(false),
        name: asked.network_interface_name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
    };
    let command = CreateInterface { subnet: id(Noun::Subnet, &asked.v_switch_id)?, vpc: None, new };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    let view = cx.cloud.interface_made(made).await?;
    let nic = &view.interface;
    Ok(Created {
        network_interface_id: nic.id.to_string(),
        network_interface_name: nic.shown_name().to_owned(),
        description: nic.description.clone(),
        kind: "Secondary",
        status: "Available",
        mac_address: nic.mac.to_string(),
        private_ip_address: nic.ip.to_string(),
        vpc_id: nic.vpc.to_string(),
        v_switch_id: nic.subnet.to_string(),
        owner_id: nic.account.to_string(),
        source_dest_check: nic.checked,
        service_managed: false,
        resource_group_id: "",
        security_group_ids: nic.groups.iter().map(ToString::to_string).collect(),
        private_ip_sets: nic.addresses().map(|ip| PrivateIp { private_ip_address: ip.to_string(), primary: ip == nic.ip }).collect(),
        tags: tag_replies(&nic.tags),
        zone_id: view.zone,
    })
}

/// The groups of an interface, which are given in one of two ways.
pub(crate) fn one_or_several(one: Option<String>, several: Vec<String>) -> Result<Vec<String>, Fault> {
    match one.filter(|id| !id.is_empty()) {
        Some(_) if !several.is_empty() => {
            Err(Error::InvalidCombination { reason: "SecurityGroupId and SecurityGroupIds exclude each other".to_owned() }.into())
        }
        Some(one) => Ok(vec![one]),
        None => Ok(several),
    }
}

fn wanted(ips: Vec<Ipv4Addr>, count: Option<usize>) -> Result<Wanted, Fault> {
    if !ips.is_empty() && count.is_some() {
        let reason = "PrivateIpAddress and SecondaryPrivateIpAddressCount exclude each other".to_owned();
        return Err(Error::InvalidCombination { reason }.into());
    }
    Ok(Wanted { ips, count: count.unwrap_or(0) })
}

/// `AttachNetworkInterface` and `DetachNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct Ends {
    network_interface_id: String,
    instance_id: String,
}

/// Plugs an interface into an instance, running or stopped. It goes with the instance, as ECS has it unless it is told otherwise.
pub(crate) async fn attach(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let command = AttachInterface {
        interface: id(Noun::Interface, &asked.network_interface_id)?,
        instance: id(Noun::Instance, &asked.instance_id)?,
        index: None,
        delete_on_termination: true,
    };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(())
}

/// Takes an interface out of its instance.
pub(crate) async fn detach(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let which = Plugged::Interface(id(Noun::Interface, &asked.network_interface_id)?);
    let instance = Some(id(Noun::Instance, &asked.instance_id)?);
    cx.cloud.run(&cx.caller, DetachInterface { which, instance, force: false }, cx.options()?).await?;
    Ok(())
}

/// `DeleteNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct DeleteNetworkInterface {
    network_interface_id: String,
}

/// Deletes an interface that is plugged into nothing.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteNetworkInterface) -> Result<(), Fault> {
    let command = DeleteInterface { id: id(Noun::Interface, &asked.network_interface_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ModifyNetworkInterfaceAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyNetworkInterfaceAttribute {
    network_interface_id: String,
    #[arg(name = "SecurityGroupId", max_items = GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
    network_interface_name: Option<String>,
    description: Option<String>,
    delete_on_release: Option<bool>,
    source_dest_check: Option<bool>,
}

/// Changes what is said of an interface, and the groups that it is in.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyNetworkInterfaceAttribute) -> Result<(), Fault> {
    let groups = asked.security_group_ids.iter().map(|group| id(Noun::SecurityGroup, group)).collect::<Result<Vec<_>, _>>()?;
    let command = ModifyInterface {
        id: id(Noun::Interface, &asked.network_interface_id)?,
        name: asked.network_interface_name,
        description: asked.description,
        groups: Some(groups).filter(|groups| !groups.is_empty()).map(Membership::Exactly),
        checked: asked.source_dest_check,
        delete_on_termination: asked.delete_on_release,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `AssignPrivateIpAddresses`.
#[derive(FromArg)]
pub(crate) struct AssignPrivateIpAddresses {
    network_interface_id: String,
    #[arg(name = "PrivateIpAddress", max_items = ADDRESSES_PER_CALL)]
    private_ip_addresses: Vec<Ipv4Addr>,
    #[arg(range = 1..=ADDRESSES_PER_CALL)]
    secondary_private_ip_address_count: Option<usize>,
}

#[derive(Show)]
pub(crate) struct Assigned {
    assigned_private_ip_addresses_set: AssignedSet,
}

#[derive(Show)]
struct AssignedSet {
    network_interface_id: String,
    #[reply(list = "PrivateIpAddress")]
    private_ip_set: Vec<String>,
}

/// Gives an interface further private addresses.
pub(crate) async fn assign(cx: &Cx<'_>, asked: AssignPrivateIpAddresses) -> Result<Assigned, Fault> {
    let command = AssignPrivateAddresses {
        interface: id(Noun::Interface, &asked.network_interface_id)?,
        wanted: wanted(asked.private_ip_addresses, asked.secondary_private_ip_address_count)?,
        reassign: false,
    };
    let added = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    let private_ip_set = added.iter().map(ToString::to_string).collect();
    let set = AssignedSet { network_interface_id: asked.network_interface_id, private_ip_set };
    Ok(Assigned { assigned_private_ip_addresses_set: set })
}

/// `UnassignPrivateIpAddresses`.
#[derive(FromArg)]
pub(crate) struct UnassignPrivateIpAddresses {
    network_interface_id: String,
    #[arg(name = "PrivateIpAddress", max_items = ADDRESSES_PER_CALL)]
    private_ip_addresses: Vec<Ipv4Addr>,
}

/// Takes further private addresses from an interface.
pub(crate) async fn unassign(cx: &Cx<'_>, asked: UnassignPrivateIpAddresses) -> Result<(), Fault> {
    let command =
        UnassignPrivateAddresses { interface: id(Noun::Interface, &asked.network_interface_id)?, ips: asked.private_ip_addresses };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}
