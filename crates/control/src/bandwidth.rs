//! How fast the public address of an instance may send: the one that it has by itself, now and whenever it starts.
//!
//! Elastic addresses have their own bandwidth (`address.rs`), which goes with them.

use std::net::Ipv4Addr;

use model::{Address, AddressKind, BANDWIDTH_MAX, Error, Instance, InstanceId};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::address::GivePublicAddress;
use crate::auth::Target;
use crate::instance::{instance_of, save};
use crate::run::{Command, Cx};

/// Changes the bandwidth of an instance's automatic address, while it is used.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyInstanceBandwidth {
    /// The instance.
    pub instance: InstanceId,
    /// Megabits per second that may leave from it; 0 only where the instance has no automatic address.
    pub bandwidth: u32,
    /// Whether a running instance without a public address is given one.
    pub allocate: bool,
}

impl Command for ModifyInstanceBandwidth {
    type Reply = Option<Ipv4Addr>;
    const NAME: &'static str = "ModifyInstanceBandwidth";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let row = tx.get::<Instance>(self.instance)?.filter(|row| row.account == cx.caller.account());
        Ok(vec![Target::of("instance", self.instance, &row.map(|row| row.tags).unwrap_or_default())])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Option<Ipv4Addr>, Failure> {
        let mut instance = instance_of(tx, cx.caller.account(), self.instance)?;
        if self.bandwidth > BANDWIDTH_MAX {
            return Err(Error::invalid("InternetMaxBandwidthOut", format!("must be 0 to {BANDWIDTH_MAX}")).into());
        }
        let there = tx.address_of_interface(instance.interface)?;
        let automatic = there.clone().filter(|address| address.kind == AddressKind::Automatic);
        if self.bandwidth == 0 && (automatic.is_some() || self.allocate) {
            return Err(Error::invalid("InternetMaxBandwidthOut", "must be more than 0 for an instance with a public address").into());
        }
        instance.bandwidth = Some(self.bandwidth).filter(|bandwidth| *bandwidth > 0);
        if let Some(address) = automatic {
            tx.update(&Address { bandwidth: instance.bandwidth, ..address })?;
        }
        save(tx, &mut instance, cx.now)?;
        if !self.allocate || there.is_some() {
            return Ok(None);
        }
        GivePublicAddress { instance: self.instance }.apply(tx, cx).map(Some)
    }
}
