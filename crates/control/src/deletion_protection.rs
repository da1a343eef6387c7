//! Protection of elastic addresses, NAT gateways and bandwidth packages against their deletion, whoever asks and by whatever call.

use model::{Address, BandwidthPackage, BandwidthPackageId, Error, NatGateway, NatGatewayId, Noun};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::address::{AddressRef, elastic_of};
use crate::auth::Target;
use crate::bandwidth_package::package_of;
use crate::nat_gateway::nat_gateway_of;
use crate::run::{Command, Cx};

/// Protects a thing, or ends its protection.
#[derive(Debug, Clone, Serialize)]
pub struct SetDeletionProtection {
    /// Which thing.
    pub which: Protectable,
    /// Whether it is to be protected.
    pub protected: bool,
}

/// A thing that can be protected.
#[derive(Debug, Clone, Copy, Serialize)]
pub enum Protectable {
    /// An elastic address.
    Address(AddressRef),
    /// A NAT gateway.
    NatGateway(NatGatewayId),
    /// A bandwidth package.
    BandwidthPackage(BandwidthPackageId),
}

impl Command for SetDeletionProtection {
    type Reply = ();
    const NAME: &'static str = "SetDeletionProtection";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        match self.which {
            Protectable::Address(which) => crate::address::target(tx, cx, which),
            Protectable::NatGateway(id) => Ok(vec![crate::nat_gateway::target(tx, cx, id)?]),
            Protectable::BandwidthPackage(id) => Ok(vec![crate::bandwidth_package::target(tx, cx, id)?]),
        }
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let (account, protected) = (cx.caller.account(), self.protected);
        match self.which {
            Protectable::Address(which) => tx.update(&Address { protected, ..elastic_of(tx, account, which)? })?,
            Protectable::NatGateway(id) => tx.update(&NatGateway { protected, ..nat_gateway_of(tx, account, id)? })?,
            Protectable::BandwidthPackage(id) => tx.update(&BandwidthPackage { protected, ..package_of(tx, account, id)? })?,
        }
        Ok(())
    }
}

/// Refuses to delete what is protected.
pub(crate) fn check_unprotected(protected: bool, noun: Noun, id: impl ToString) -> Result<(), Error> {
    if protected { Err(Error::Protected { noun, id: id.to_string(), against: "deletion" }) } else { Ok(()) }
}
