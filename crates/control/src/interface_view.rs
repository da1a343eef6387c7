//! Network interfaces as they are shown: with their zone, their groups' names and their public addresses.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use model::{AccountId, Address, AddressKind, Interface, InterfaceId, SecurityGroupId, Subnet};
use store::Tx;

use crate::Failure;
use crate::describe::{Field, Listing, by_id, distinct};

/// A network interface with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceView {
    /// The interface.
    pub interface: Interface,
    /// Its zone.
    pub zone: String,
    /// Public addresses that are translated to its private ones.
    pub addresses: Vec<Address>,
    /// Its security groups: id and name.
    pub groups: Vec<(SecurityGroupId, String)>,
}

impl InterfaceView {
    /// The public address of its primary private one.
    pub fn address(&self) -> Option<&Address> {
        self.address_of(self.interface.ip)
    }

    /// The public address of one of its private ones.
    pub fn address_of(&self, private: Ipv4Addr) -> Option<&Address> {
        self.addresses.iter().find(|address| address.is_at(&self.interface, private))
    }
}

impl Listing for InterfaceView {
    type Id = InterfaceId;
    const NOUN: model::Noun = model::Noun::Interface;

    fn id(&self) -> InterfaceId {
        self.interface.id
    }

    fn id_value(id: InterfaceId) -> (u64, String) {
        Interface::id_value(id)
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<InterfaceView>, Failure> {
        interface_views(tx, tx.interface_list(account)?)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Zone => vec![self.zone.clone()],
            Field::GroupName => self.groups.iter().map(|(_, name)| name.clone()).collect(),
            Field::PublicIp => self.addresses.iter().map(|address| address.ip.to_string()).collect(),
            Field::Association => self.addresses.iter().filter_map(|address| address.association).map(|id| id.to_string()).collect(),
            Field::Allocation => {
                self.addresses.iter().filter(|address| address.kind == AddressKind::Elastic).map(|address| address.id.to_string()).collect()
            }
            _ => self.interface.values(field),
        }
    }
}

/// Puts interfaces together with what they refer to.
pub(crate) fn interface_views(tx: &Tx<'_>, interfaces: Vec<Interface>) -> Result<Vec<InterfaceView>, Failure> {
    let subnets = by_id(tx.get_many::<Subnet>(&distinct(interfaces.iter().map(|nic| nic.subnet)))?, |subnet| subnet.id);
    views_in_zones(tx, interfaces, |nic| subnets.get(&nic.subnet).map_or_else(String::new, |subnet| subnet.zone.clone()))
}

/// The same for interfaces whose zones are known.
pub(crate) fn views_in_zones(
    tx: &Tx<'_>,
    interfaces: Vec<Interface>,
    zone: impl Fn(&Interface) -> String,
) -> Result<Vec<InterfaceView>, Failure> {
    let groups = distinct(interfaces.iter().flat_map(|nic| nic.groups.iter().copied()));
    let groups = tx.security_group_names(&groups)?;
    let mut addresses: HashMap<InterfaceId, Vec<Address>> = HashMap::new();
    for address in tx.address_list_of_interfaces(&interfaces.iter().map(|nic| nic.id).collect::<Vec<_>>())? {
        if let Some(interface) = address.interface {
            addresses.entry(interface).or_default().push(address);
        }
    }
    let view = |interface: Interface| {
        let named = interface.groups.iter().filter_map(|id| Some((*id, groups.get(id)?.clone()))).collect();
        let addresses = addresses.remove(&interface.id).unwrap_or_default();
        InterfaceView { zone: zone(&interface), interface, addresses, groups: named }
    };
    Ok(interfaces.into_iter().map(view).collect())
}
