//! The rows that one machine of a host's document is made of.

use std::net::Ipv4Addr;

use hostspec::{IdRecords, NicSpec, RateSpec, SecondaryAddress};
use model::{
    Address, BandwidthPackage, Error, Instance, InstanceEvent, InstanceId, Interface, InterfaceId, Noun, Volume, inward_bandwidth,
};
use store::Tx;

use crate::Failure;
use crate::launch::default_hostname;

/// The rows of a machine.
pub(crate) struct Rows {
    pub instance: Instance,
    /// Those that it should have, the primary one first.
    pub interfaces: Vec<Interface>,
    pub addresses: Vec<Address>,
    /// The bandwidths of the addresses, by interface.
    rates: Vec<(InterfaceId, RateSpec)>,
    pub volumes: Vec<Volume>,
    /// The real events that have not ended.
    pub events: Vec<InstanceEvent>,
}

impl Rows {
    /// Reads an instance with what belongs to it.
    pub fn read(tx: &Tx<'_>, id: InstanceId) -> Result<Rows, Failure> {
        let instance = tx.get::<Instance>(id)?.ok_or_else(|| Error::not_found(Noun::Instance, id))?;
        let mut interfaces = tx.interface_list_of_instance(id)?;
        interfaces.retain(Interface::is_wanted_by_machine);
        interfaces.sort_by_key(|interface| (interface.index, interface.id));
        if interfaces.first().is_none_or(|first| first.id != instance.interface) {
            return Err(Error::not_found(Noun::Interface, instance.interface).into());
        }
        let addresses = tx.address_list_of_interfaces(&interfaces.iter().map(|interface| interface.id).collect::<Vec<_>>())?;
        let volumes = tx.volume_list_of_instance(id)?;
        let mut rates = Vec::new();
        for address in &addresses {
            rates.extend(address.interface.zip(rate_of(tx, address)?));
        }
        let mut events = if instance.events.is_empty() { vec![] } else { tx.get_many::<InstanceEvent>(&instance.events)? };
        events.retain(InstanceEvent::is_real);
        Ok(Rows { instance, interfaces, addresses, rates, volumes, events })
    }

    /// The public address of a private one.
    pub fn public_ip(&self, interface: &Interface, private: Ipv4Addr) -> Option<Ipv4Addr> {
        self.addresses.iter().find(|address| address.is_at(interface, private)).map(|address| address.ip)
    }

    /// An interface as a network of the document has it.
    pub fn nic(&self, interface: &Interface) -> NicSpec {
        let instance = &self.instance;
        let further = |ip: &Ipv4Addr| SecondaryAddress { ip: *ip, public_ip: self.public_ip(interface, *ip) };
        let hostname = if interface.index == 0 { instance.hostname.clone() } else { default_hostname(interface.ip) };
        NicSpec {
            id: interface.id,
            vm: instance.id,
            subnet: interface.subnet,
            mac: interface.mac,
            ip: interface.ip,
            hostname,
            id_records: if interface.index == 0 { id_records(instance) } else { IdRecords::default() },
            public_ip: self.public_ip(interface, interface.ip),
            secondary: interface.secondary.iter().map(further).collect(),
            groups: interface.groups.clone(),
            forwards: !interface.checked,
            rates: self.rates.iter().filter(|(nic, _)| *nic == interface.id).map(|(_, rate)| *rate).collect(),
            v6: interface.ipv6.clone(),
        }
    }
}

/// Which addresses the name of an instance's id has.
pub(crate) fn id_records(instance: &Instance) -> IdRecords {
    let options = instance.attributes.host_names;
    IdRecords { a: options.a_record, aaaa: options.aaaa_record }
}

/// What a host holds an address to: its own bandwidth in the vendors' proportion of directions, or its package's in each, if that has any.
pub(crate) fn rate_of(tx: &Tx<'_>, address: &Address) -> Result<Option<RateSpec>, Failure> {
    let package = address.package.map(|id| tx.get::<BandwidthPackage>(id)).transpose()?.flatten();
    if let Some((package, mbit)) = package.and_then(|package| Some((package.id, package.bandwidth?))) {
        return Ok(Some(RateSpec { public: address.ip, outward_mbit: mbit, inward_mbit: mbit, package: Some(package) }));
    }
    let rate = |outward_mbit| RateSpec { public: address.ip, outward_mbit, inward_mbit: inward_bandwidth(outward_mbit), package: None };
    Ok(address.bandwidth.map(rate))
}
