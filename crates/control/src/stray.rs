//! Rows that belong to nobody: found and, when asked, put right.
//!
//! Every command leaves the database whole, so there should be none. They can come from a database that was restored, or from
//! somebody's own SQL; and this is how the tests know that none ever comes from us.

use std::fmt;

use model::{Address, AddressId, AddressKind, Error, Instance, InstanceId, Interface, InterfaceId, Millis, Volume, VolumeId};
use store::{StoreError, Tx};

use crate::volume::release;
use crate::work::{INSTANCE, wake_instance};
use crate::{Cloud, Failure};

/// A row that refers to what is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// An interface of an instance that does not exist or is terminated.
    Interface(InterfaceId),
    /// A volume of such an instance.
    Volume(VolumeId),
    /// A public address of an interface that does not exist.
    Address(AddressId),
    /// An instance on its way somewhere that nobody would look at again.
    Forgotten(InstanceId),
    /// An instance without interface or volume. Only told of: what it lost is not known.
    Maimed(InstanceId),
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stray::Interface(id) => write!(f, "{id} belongs to an instance that does not exist"),
            Stray::Volume(id) => write!(f, "{id} belongs to an instance that does not exist"),
            Stray::Address(id) => write!(f, "{id} is translated to an interface that does not exist"),
            Stray::Forgotten(id) => write!(f, "{id} waits for something, and nobody looks at it"),
            Stray::Maimed(id) => write!(f, "{id} has lost its interface or its system disk; terminate it"),
        }
    }
}

impl Cloud {
    /// Looks for strays; at most a thousand of a kind at a time.
    pub async fn find_strays(&self) -> Result<Vec<Stray>, Error> {
        let found = self.store().scan(|tx| Ok::<_, Failure>(find(tx)?)).await;
        found.map_err(|failure| self.refusal("look for stray rows", failure))
    }

    /// Puts right what is a stray still, one transaction each.
    pub async fn repair_strays(&self, strays: &[Stray]) -> Result<(), Error> {
        for stray in strays.iter().copied() {
            let now = self.clock().now();
            let done = self.store().write(move |tx| repair(tx, stray, now)).await;
            done.map_err(|error| self.write_refusal("repair a stray row", error))?;
        }
        Ok(())
    }
}

fn find(tx: &Tx<'_>) -> Result<Vec<Stray>, StoreError> {
    let mut found: Vec<Stray> = tx.interface_list_stray()?.into_iter().map(Stray::Interface).collect();
    found.extend(tx.volume_list_stray()?.into_iter().map(Stray::Volume));
    found.extend(tx.address_list_stray()?.into_iter().map(Stray::Address));
    found.extend(tx.instance_list_forgotten(INSTANCE)?.into_iter().map(Stray::Forgotten));
    found.extend(tx.instance_list_maimed()?.into_iter().map(Stray::Maimed));
    Ok(found)
}

fn repair(tx: &mut Tx<'_>, stray: Stray, now: Millis) -> Result<(), Failure> {
    match stray {
        Stray::Interface(id) if tx.interface_list_stray()?.contains(&id) => release_interface(tx, id),
        Stray::Volume(id) if tx.volume_list_stray()?.contains(&id) => release_volume(tx, id, now),
        Stray::Address(id) if tx.address_list_stray()?.contains(&id) => release_address(tx, id),
        Stray::Forgotten(id) => Ok(wake_instance(tx, id, now)?),
        Stray::Interface(_) | Stray::Volume(_) | Stray::Address(_) | Stray::Maimed(_) => Ok(()),
    }
}

fn release_interface(tx: &mut Tx<'_>, id: InterfaceId) -> Result<(), Failure> {
    let Some(interface) = tx.get::<Interface>(id)? else { return Ok(()) };
    if interface.delete_on_termination {
        for address in tx.address_list_of_interface(id)? {
            release_address(tx, address.id)?;
        }
    }
    crate::interface::release(tx, interface)
}

fn release_volume(tx: &mut Tx<'_>, id: VolumeId, now: Millis) -> Result<(), Failure> {
    let Some(mut volume) = tx.get::<Volume>(id)? else { return Ok(()) };
    if !volume.shared {
        return release(tx, &mut volume, now);
    }
    for instance in volume.instances().collect::<Vec<_>>() {
        let is_live = tx.get::<Instance>(instance)?.is_some_and(|instance| instance.is_live());
        let held = tx.get::<Volume>(id)?.and_then(|volume| volume.as_held_by(instance));
        if let Some(mut held) = held.filter(|_| !is_live) {
            release(tx, &mut held, now)?;
        }
    }
    Ok(())
}

fn release_address(tx: &mut Tx<'_>, id: AddressId) -> Result<(), Failure> {
    let Some(mut address) = tx.get::<Address>(id)? else { return Ok(()) };
    match address.kind {
        AddressKind::Automatic => {
            tx.delete::<Address>(id)?;
            Ok(())
        }
        AddressKind::Elastic => {
            address.dissociate();
            Ok(tx.update(&address)?)
        }
    }
}
