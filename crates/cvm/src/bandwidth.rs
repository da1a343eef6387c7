//! The bandwidths of elastic addresses and of the address that an instance has by itself, and by what they are paid for.

use control::{AddressRef, Many, ModifyAddress, ModifyInstanceBandwidth};
use model::InternetCharge;
use wire::{FromArg, Show};

use crate::account::Nothing;
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

#[derive(Show)]
pub(crate) struct Task {
    task_id: &'static str,
}

/// Changes the bandwidths of elastic addresses: of all of them or none, and at once.
pub(crate) async fn modify_addresses(cx: &Cx<'_>, asked: ModifyAddressesBandwidth) -> Result<Task, Fault> {
    let bandwidth = Some(asked.internet_max_bandwidth_out);
    let modify = |address| ModifyAddress { address: AddressRef::Id(address), name: None, description: None, bandwidth, charge: None };
    let commands = id::read_some("AddressIds", &asked.address_ids)?.into_iter().map(modify).collect();
    cx.cloud.run(&cx.caller, Many(commands), cx.options()).await?;
    Ok(Task { task_id: "0" })
}

/// `ModifyAddressInternetChargeType`.
#[derive(FromArg)]
pub(crate) struct ModifyAddressInternetChargeType {
    address_id: String,
    internet_charge_type: ChargeType,
    internet_max_bandwidth_out: u32,
}

/// Changes by what an elastic address is said to be paid for, and its bandwidth.
pub(crate) async fn modify_charge(cx: &Cx<'_>, asked: ModifyAddressInternetChargeType) -> Result<(), Fault> {
    let (address, bandwidth) = (AddressRef::Id(id::read(&asked.address_id)?), Some(asked.internet_max_bandwidth_out));
    let charge = Some(asked.internet_charge_type.own()?);
    let command = ModifyAddress { address, name: None, description: None, bandwidth, charge };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// By what a public address is paid for, in words that the services of this cloud share. Nothing is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
pub(crate) enum ChargeType {
    #[arg(name = "TRAFFIC_POSTPAID_BY_HOUR")]
    Traffic,
    #[arg(name = "BANDWIDTH_POSTPAID_BY_HOUR")]
    Bandwidth,
    #[arg(name = "BANDWIDTH_PACKAGE")]
    Package,
    #[arg(name = "BANDWIDTH_PREPAID_BY_MONTH", alias = "BANDWIDTH_PREPAID")]
    Prepaid,
}

impl ChargeType {
    /// What an address is paid for by itself.
    pub(crate) fn own(self) -> Result<InternetCharge, Fault> {
        match self {
            ChargeType::Traffic => Ok(InternetCharge::Traffic),
            ChargeType::Bandwidth => Ok(InternetCharge::Bandwidth),
            ChargeType::Package => Err(Fault::unsupported("The charge type BANDWIDTH_PACKAGE without a package")),
            ChargeType::Prepaid => Err(Fault::unsupported("A public address that is paid for beforehand")),
        }
    }
}

/// The word for what an address is paid for.
pub(crate) const fn charge_word(charge: InternetCharge) -> &'static str {
    match charge {
        InternetCharge::Traffic => "TRAFFIC_POSTPAID_BY_HOUR",
        InternetCharge::Bandwidth => "BANDWIDTH_POSTPAID_BY_HOUR",
    }
}

/// The reply of `DescribeInternetChargeTypeConfigs`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct ChargeTypes {
    internet_charge_type_config_set: Vec<ChargeTypeConfig>,
}

#[derive(Show)]
struct ChargeTypeConfig {
    internet_charge_type: &'static str,
    description: &'static str,
}

/// Tells by what public addresses may be said to be paid for.
pub(crate) async fn describe_charge_types(cx: &Cx<'_>, _: Nothing) -> Result<ChargeTypes, Fault> {
    cx.allowed().await?;
    let own = |charge, description| ChargeTypeConfig { internet_charge_type: charge_word(charge), description };
    let types = vec![
        own(InternetCharge::Traffic, "By what leaves, by the hour"),
        own(InternetCharge::Bandwidth, "By bandwidth, by the hour"),
        ChargeTypeConfig { internet_charge_type: IN_PACKAGE, description: "By a bandwidth package" },
    ];
    Ok(ChargeTypes { internet_charge_type_config_set: types })
}

/// The word for an address whose bandwidth package is paid for.
pub(crate) const IN_PACKAGE: &str = "BANDWIDTH_PACKAGE";

/// `ModifyAddressAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyAddressAttribute {
    address_id: String,
    address_name: Option<String>,
}

/// Changes the name of an elastic address.
pub(crate) async fn modify_attribute(cx: &Cx<'_>, asked: ModifyAddressAttribute) -> Result<(), Fault> {
    let address = AddressRef::Id(id::read(&asked.address_id)?);
    let command = ModifyAddress { address, name: asked.address_name, description: None, bandwidth: None, charge: None };
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
