//! The bandwidths of elastic addresses, and of the address that an instance has by itself.

use control::{AddressRef, Many, ModifyAddress, ModifyInstanceBandwidth};
use wire::{FromArg, IntoDoc};

use crate::error::Fault;
use crate::{Cx, id};

/// `ModifyAddressesBandwidth`.
#[derive(FromArg)]
pub(crate) struct ModifyAddressesBandwidth {
    #[arg(max_items = ADDRESSES_PER_CALL)]
    address_ids: Vec<String>,
    internet_max_bandwidth_out: u32,
}

/// Most addresses of one call (VPC documents 20).
const ADDRESSES_PER_CALL: usize = 20;

#[derive(IntoDoc)]
pub(crate) struct Task {
    task_id: &'static str,
}

/// Changes the bandwidths of elastic addresses: of all of them or none, and at once.
pub(crate) async fn modify_addresses(cx: &Cx<'_>, asked: ModifyAddressesBandwidth) -> Result<Task, Fault> {
    let bandwidth = Some(asked.internet_max_bandwidth_out);
    let modify = |address| ModifyAddress { address: AddressRef::Id(address), name: None, description: None, bandwidth };
    let commands = id::read_some("AddressIds", &asked.address_ids)?.into_iter().map(modify).collect();
    cx.cloud.run(&cx.caller, Many(commands), cx.options()).await?;
    Ok(Task { task_id: "0" })
}

/// `ModifyAddressAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyAddressAttribute {
    address_id: String,
    address_name: Option<String>,
}

/// Changes the name of an elastic address.
pub(crate) async fn modify_attribute(cx: &Cx<'_>, asked: ModifyAddressAttribute) -> Result<(), Fault> {
    let address = AddressRef::Id(id::read(&asked.address_id)?);
    let command = ModifyAddress { address, name: asked.address_name, description: None, bandwidth: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `ResetInstancesInternetMaxBandwidth`.
#[derive(FromArg)]
pub(crate) struct ResetInstancesInternetMaxBandwidth {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    internet_accessible: InternetAccessible,
}

#[derive(FromArg)]
struct InternetAccessible {
    internet_max_bandwidth_out: u32,
}

/// Most instances of one call (CVM documents 100).
const INSTANCES_PER_CALL: usize = 100;
/// Parameters of `ResetInstancesInternetMaxBandwidth` that are not served.
pub(crate) const RESET_ABSENT: &[&str] = &[
    "EndTime",
    "InternetAccessible.BandwidthPackageId",
    "InternetAccessible.InternetChargeType",
    "InternetAccessible.PublicIpAssigned",
    "StartTime",
];

/// Changes the bandwidths of instances' own addresses: of all of them or none, and at once.
pub(crate) async fn reset_instances(cx: &Cx<'_>, asked: ResetInstancesInternetMaxBandwidth) -> Result<(), Fault> {
    let bandwidth = asked.internet_accessible.internet_max_bandwidth_out;
    let modify = |instance| ModifyInstanceBandwidth { instance, bandwidth, allocate: false };
    let commands = id::read_some("InstanceIds", &asked.instance_ids)?.into_iter().map(modify).collect();
    cx.cloud.run(&cx.caller, Many(commands), cx.options()).await?;
    Ok(())
}
