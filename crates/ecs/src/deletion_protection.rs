//! Protection of EIPs, NAT gateways and Internet Shared Bandwidth against their deletion.

use control::{AddressRef, Protectable, SetDeletionProtection};
use model::{Error, Noun};
use wire::FromArg;

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;

/// `DeletionProtection`.
#[derive(FromArg)]
pub(crate) struct DeletionProtection {
    instance_id: String,
    r#type: Kind,
    protection_enable: bool,
}

/// What can be protected.
#[derive(Debug, Clone, Copy, FromArg)]
enum Kind {
    #[arg(name = "EIP")]
    Address,
    #[arg(name = "CBWP")]
    Package,
    #[arg(name = "NATGW")]
    Gateway,
}

/// Protects a thing, or ends its protection.
pub(crate) async fn set(cx: &Cx<'_>, asked: DeletionProtection) -> Result<(), Fault> {
    let named = &asked.instance_id;
    let which = match asked.r#type {
        Kind::Address => id(Noun::Address, named).map(|id| Protectable::Address(AddressRef::Id(id))),
        Kind::Package => id(Noun::BandwidthPackage, named).map(Protectable::BandwidthPackage),
        Kind::Gateway => id(Noun::NatGateway, named).map(Protectable::NatGateway),
    };
    let absent = || Fault::new(400, "DeletionProtection.ResourceNotExist", "The resource is not exist.");
    let command = SetDeletionProtection { which: which.map_err(|_| absent())?, protected: asked.protection_enable };
    match cx.cloud.run(&cx.caller, command, cx.options()?).await {
        Err(Error::NotFound { .. }) => Err(absent()),
        other => Ok(other?),
    }
}
