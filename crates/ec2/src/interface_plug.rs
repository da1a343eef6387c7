//! Network interfaces on their way into instances and out of them, and their further private addresses.

use std::net::Ipv4Addr;

use control::{AssignPrivateAddresses, AttachInterface, DetachInterface, Plugged, UnassignPrivateAddresses, Wanted};
use model::{Error, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination, unsupported};
use crate::tag;

/// The parameters of `AttachNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct AttachNetworkInterface {
    network_interface_id: String,
    instance_id: String,
    device_index: u32,
    network_card_index: Option<u32>,
}

/// What EC2 can say of an attachment and this cloud cannot.
pub(crate) const ATTACH_ABSENT: &[&str] = &["EnaSrdSpecification", "EnaQueueCount"];

/// The reply of `AttachNetworkInterface`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Attached {
    attachment_id: Option<String>,
    network_card_index: u32,
}

/// Plugs an interface into an instance, running or stopped.
pub(crate) async fn attach(cx: Cx, asked: AttachNetworkInterface) -> Result<Attached, Refusal> {
    if asked.network_card_index.is_some_and(|card| card != 0) {
        return Err(unsupported("A second network card"));
    }
    let command = AttachInterface {
        interface: tag::id(Noun::Interface, &asked.network_interface_id)?,
        instance: tag::id(Noun::Instance, &asked.instance_id)?,
        index: Some(asked.device_index),
        delete_on_termination: false,
    };
    let interface = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Attached { attachment_id: interface.attachment().map(|id| id.to_string()), network_card_index: 0 })
}

/// The parameters of `DetachNetworkInterface`.
#[derive(FromArg)]
pub(crate) struct DetachNetworkInterface {
    attachment_id: String,
    #[arg(default)]
    force: bool,
}

/// Takes an interface out of its instance.
pub(crate) async fn detach(cx: Cx, asked: DetachNetworkInterface) -> Result<(), Refusal> {
    let which = Plugged::By(tag::id(Noun::Attachment, &asked.attachment_id)?);
    cx.cloud.run(&cx.caller, DetachInterface { which, instance: None, force: asked.force }, cx.options(None)).await?;
    Ok(())
}

/// The parameters of `AssignPrivateIpAddresses`.
#[derive(FromArg)]
pub(crate) struct AssignPrivateIpAddresses {
    network_interface_id: String,
    #[arg(name = "PrivateIpAddress")]
    ips: Vec<Ipv4Addr>,
    secondary_private_ip_address_count: Option<usize>,
    #[arg(default)]
    allow_reassignment: bool,
}

/// What EC2 can assign and this cloud cannot.
pub(crate) const PREFIXES: &[&str] = &["Ipv4Prefix", "Ipv4PrefixCount"];

/// The reply of `AssignPrivateIpAddresses`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Assigned {
    network_interface_id: String,
    assigned_private_ip_addresses_set: Vec<AssignedIp>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AssignedIp {
    private_ip_address: String,
}

/// Gives an interface further private addresses.
pub(crate) async fn assign(cx: Cx, asked: AssignPrivateIpAddresses) -> Result<Assigned, Refusal> {
    let wanted = match (asked.ips, asked.secondary_private_ip_address_count) {
        (ips, Some(_)) if !ips.is_empty() => {
            return Err(combination("PrivateIpAddress and SecondaryPrivateIpAddressCount exclude each other"));
        }
        (ips, count) => Wanted { ips, count: count.unwrap_or(0) },
    };
    if wanted.is_none() {
        return Err(Error::MissingParameter { name: "PrivateIpAddress" }.into());
    }
    let interface = tag::id(Noun::Interface, &asked.network_interface_id)?;
    let command = AssignPrivateAddresses { interface, wanted, reassign: asked.allow_reassignment };
    let added = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    let items = added.iter().map(|ip| AssignedIp { private_ip_address: ip.to_string() }).collect();
    Ok(Assigned { network_interface_id: asked.network_interface_id, assigned_private_ip_addresses_set: items })
}

/// The parameters of `UnassignPrivateIpAddresses`.
#[derive(FromArg)]
pub(crate) struct UnassignPrivateIpAddresses {
    network_interface_id: String,
    #[arg(name = "PrivateIpAddress")]
    ips: Vec<Ipv4Addr>,
}

/// Takes further private addresses from an interface.
pub(crate) async fn unassign(cx: Cx, asked: UnassignPrivateIpAddresses) -> Result<(), Refusal> {
    let interface = tag::id(Noun::Interface, &asked.network_interface_id)?;
    Ok(cx.cloud.run(&cx.caller, UnassignPrivateAddresses { interface, ips: asked.ips }, cx.options(None)).await?)
}
