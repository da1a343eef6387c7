//! Further private addresses of interfaces.

use std::net::Ipv4Addr;

use model::{AccountId, Error, Instance, Interface, InterfaceId, Noun, Subnet, interface_limits};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::interface::{interface_of, taken, target, tell_host};
use crate::network::touch_vpc;
use crate::run::{Command, Cx};

/// Most private addresses of an interface that is plugged into nothing (EC2's and ECS's largest types have 50).
pub const PRIVATE_ADDRESSES_MAX: usize = 50;

/// Which further addresses are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// These.
    pub ips: Vec<Ipv4Addr>,
    /// So many free ones beside.
    pub count: usize,
}

impl Wanted {
    /// Whether none is wanted.
    pub fn is_none(&self) -> bool {
        self.ips.is_empty() && self.count == 0
    }

    /// How many are wanted.
    pub fn total(&self) -> usize {
        self.ips.len().saturating_add(self.count)
    }
}

/// Gives an interface further private addresses.
#[derive(Debug, Clone, Serialize)]
pub struct AssignPrivateAddresses {
    /// Which interface.
    pub interface: InterfaceId,
    /// Which addresses.
    pub wanted: Wanted,
    /// Whether those that are further addresses of other interfaces of the account move here.
    pub reassign: bool,
}

/// Takes further private addresses from an interface. Elastic addresses on them are untied.
#[derive(Debug, Clone, Serialize)]
pub struct UnassignPrivateAddresses {
    /// Which interface.
    pub interface: InterfaceId,
    /// Which addresses.
    pub ips: Vec<Ipv4Addr>,
}

impl Command for AssignPrivateAddresses {
    type Reply = Vec<Ipv4Addr>;
    const NAME: &'static str = "AssignPrivateAddresses";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.interface)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Ipv4Addr>, Failure> {
        let mut interface = interface_of(tx, cx.caller.account(), self.interface)?;
        if self.wanted.is_none() {
            return Err(Error::MissingParameter { name: "PrivateIpAddress" }.into());
        }
        let subnet = tx.get::<Subnet>(interface.subnet)?.ok_or_else(|| Error::not_found(Noun::Subnet, interface.subnet))?;
        if self.reassign {
            for ip in &self.wanted.ips {
                take_from_another(tx, cx, &interface, *ip)?;
            }
        }
        let added = choose(tx, &mut interface, &subnet, &self.wanted)?;
        let named = added.first().copied().unwrap_or(interface.ip);
        tx.interface_update_addresses(&interface).map_err(|error| taken(error, subnet.id, named))?;
        tell_everybody(tx, cx, &interface)?;
        Ok(added)
    }
}

impl Command for UnassignPrivateAddresses {
    type Reply = ();
    const NAME: &'static str = "UnassignPrivateAddresses";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.interface)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut interface = interface_of(tx, cx.caller.account(), self.interface)?;
        if self.ips.is_empty() {
            return Err(Error::MissingParameter { name: "PrivateIpAddress" }.into());
        }
        for ip in &self.ips {
            take(tx, &mut interface, *ip)?;
        }
        tx.interface_update_addresses(&interface)?;
        tell_everybody(tx, cx, &interface)
    }
}

/// Adds the wanted addresses to an interface of this subnet, and says which they are.
pub(crate) fn choose(tx: &Tx<'_>, interface: &mut Interface, subnet: &Subnet, wanted: &Wanted) -> Result<Vec<Ipv4Addr>, Failure> {
    check_limit(tx, interface, 1 + interface.secondary.len() + wanted.total())?;
    let mut added = Vec::with_capacity(wanted.total());
    for ip in &wanted.ips {
        if !subnet.allows(*ip) {
            return Err(Error::invalid("PrivateIpAddress", format!("{ip} is not a usable address of {}", subnet.range)).into());
        }
        let holder = tx.interface_with_ip(interface.vpc, *ip)?;
        if interface.has(*ip) || added.contains(ip) || holder.is_some() {
            let by = vec![holder.unwrap_or(interface.id).to_string()];
            return Err(Error::InUse { noun: Noun::Address, id: ip.to_string(), by }.into());
        }
        added.push(*ip);
    }
    for _ in 0..wanted.count {
        let others: Vec<Ipv4Addr> = interface.addresses().chain(added.iter().copied()).collect();
        added.push(free_ip(tx, subnet, &others)?);
    }
    interface.secondary.extend(&added);
    Ok(added)
}

/// An address of the subnet that nobody has, and that is none of these.
pub(crate) fn free_ip(tx: &Tx<'_>, subnet: &Subnet, not: &[Ipv4Addr]) -> Result<Ipv4Addr, Failure> {
    let exhausted = || Error::NoFreeAddress { noun: Noun::Subnet, id: subnet.id.to_string() };
    let free = tx.interface_free_ip(subnet)?.ok_or_else(exhausted)?;
    if !not.contains(&free) {
        return Ok(free);
    }
    let (first, last) = subnet.usable().ok_or_else(exhausted)?;
    for ip in (free.to_bits()..=last.to_bits()).chain(first.to_bits()..free.to_bits()).map(Ipv4Addr::from_bits) {
        if !not.contains(&ip) && tx.interface_with_ip(subnet.vpc, ip)?.is_none() {
            return Ok(ip);
        }
    }
    Err(exhausted().into())
}

/// Refuses more private addresses than the type of the interface's instance has for each.
fn check_limit(tx: &Tx<'_>, interface: &Interface, wanted: usize) -> Result<(), Failure> {
    let instance = interface.instance.map(|id| tx.get::<Instance>(id)).transpose()?.flatten();
    let limit = instance.map_or(PRIVATE_ADDRESSES_MAX, |instance| interface_limits(&instance.instance_type).1);
    if wanted > limit {
        let what = format!("private addresses on the interface {}", interface.id);
        return Err(Error::LimitReached { name: "PrivateIpAddress", what, limit: limit as u64 }.into());
    }
    Ok(())
}

fn take_from_another(tx: &mut Tx<'_>, cx: &Cx<'_>, interface: &Interface, ip: Ipv4Addr) -> Result<(), Failure> {
    let Some(holder) = tx.interface_with_ip(interface.vpc, ip)?.filter(|holder| *holder != interface.id) else { return Ok(()) };
    let mut other = another_of(tx, cx.caller.account(), holder, ip)?;
    take(tx, &mut other, ip)?;
    tx.interface_update_addresses(&other)?;
    tell_host(tx, cx, &other)
}

/// The interface that gives an address up: one of the same account, else the address is simply taken.
fn another_of(tx: &Tx<'_>, account: AccountId, id: InterfaceId, ip: Ipv4Addr) -> Result<Interface, Failure> {
    let in_use = Error::InUse { noun: Noun::Address, id: ip.to_string(), by: vec![] };
    Ok(tx.get::<Interface>(id)?.filter(|other| other.account == account && other.secondary.contains(&ip)).ok_or(in_use)?)
}

fn take(tx: &mut Tx<'_>, interface: &mut Interface, ip: Ipv4Addr) -> Result<(), Failure> {
    if ip == interface.ip {
        return Err(Error::invalid("PrivateIpAddress", format!("{ip} is the primary address of {}", interface.id)).into());
    }
    let Some(at) = interface.secondary.iter().position(|own| *own == ip) else {
        return Err(Error::invalid("PrivateIpAddress", format!("{ip} is no address of {}", interface.id)).into());
    };
    for mut address in tx.address_list_of_interface(interface.id)? {
        if address.is_at(interface, ip) {
            address.dissociate();
            tx.update(&address)?;
        }
    }
    interface.secondary.remove(at);
    Ok(())
}

/// Its own host, and those on which rules may name its groups.
fn tell_everybody(tx: &mut Tx<'_>, cx: &Cx<'_>, interface: &Interface) -> Result<(), Failure> {
    tell_host(tx, cx, interface)?;
    touch_vpc(tx, interface.vpc)
}
