//! What a host is told of the other hosts: where interfaces of its VPCs and public addresses are, and who may send it packets.
//!
//! Documents of other hosts change with every machine that comes or goes in a VPC that they share, and with every public address
//! that moves. Nobody waits for that, so it gives their documents no new generation: whoever has neighbours is rendered anew
//! when a commit touched what it may have been told of, and is sent what came out differently.
//!
//! This file knows neither links nor tunnels; how packets get there is the host's business.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::PoisonError;

use hostspec::{Fabric, NatHome, Neighbour, RemoteNic};
use model::{Address, Host, HostId, Instance, InstanceId, Interface, InterfaceId, NUMBERED_HOSTS_MAX, NatGateway, VpcId, machine_address};
use store::{Change, HostPlace, Key, Member, Tx, What};

use crate::host_names::Named;
use crate::{Cloud, Failure};

/// Names in one VPC that a host is told of machines elsewhere. The rows of such machines are read whole for it, five
/// microseconds each; beyond this many a document would wait longer for names than for everything else.
const NAMES_ELSEWHERE_MAX: usize = 20_000;

/// Where each host is, as last seen in a commit.
pub(crate) type Places = HashMap<HostId, (Ipv4Addr, u32, bool)>;

/// The other hosts, as one host sees them.
#[derive(Default)]
pub(crate) struct Neighbours {
    others: HashMap<HostId, HostPlace>,
    /// None where no packets go between hosts.
    pub fabric: Option<Fabric>,
}

/// What of a VPC is on other hosts.
#[derive(Default)]
pub(crate) struct Elsewhere {
    /// Addresses and where they are.
    pub nics: Vec<RemoteNic>,
    /// What has names there.
    pub names: Vec<Named>,
}

impl Neighbours {
    /// Reads the neighbours of a host.
    pub fn read(tx: &Tx<'_>, host: &Host) -> Result<Neighbours, Failure> {
        if !host.is_networked() {
            return Ok(Neighbours::default());
        }
        let places = tx.host_list_places()?.into_iter().filter(|other| other.id != host.id);
        let hosts: Vec<HostPlace> = places.collect();
        let others: HashMap<HostId, HostPlace> = hosts.iter().map(|other| (other.id, *other)).collect();
        let public = tx.address_list_elsewhere(host.id)?;
        let fabric = Fabric {
            underlay: host.underlay,
            machine: host.machine_address(),
            hosts: hosts.iter().map(|other| Neighbour { underlay: other.underlay, machine: machine_address(other.number) }).collect(),
            public: public.into_iter().filter_map(|(ip, at)| Some(RemoteNic { ip, host: others.get(&at)?.underlay })).collect(),
        };
        Ok(Neighbours { others, fabric: Some(fabric) })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.others.is_empty()
    }

    /// Another host as the home of NAT gateways, which has none of their addresses yet; none for this one and for those with which no
    /// packets are exchanged.
    pub fn home(&self, host: HostId) -> Option<NatHome> {
        let place = self.others.get(&host)?;
        let number = u16::try_from(place.number % NUMBERED_HOSTS_MAX + 1).ok()?;
        Some(NatHome { host: place.underlay, number, shared: vec![] })
    }

    /// Reads which addresses of a VPC with these members are on these neighbours.
    pub fn nics(&self, tx: &Tx<'_>, members: &[Member]) -> Result<Vec<RemoteNic>, Failure> {
        Ok(remote(&self.found(tx, members)?))
    }

    /// Reads what of a VPC with these members is on these neighbours.
    pub fn elsewhere(&self, tx: &Tx<'_>, vpc: VpcId, members: &[Member]) -> Result<Elsewhere, Failure> {
        let found = self.found(tx, members)?;
        let instances: BTreeSet<InstanceId> = found.iter().map(|(_, _, instance)| *instance).take(NAMES_ELSEWHERE_MAX).collect();
        let instances: Vec<InstanceId> = instances.into_iter().collect();
        let rows = tx.get_many::<Instance>(&instances)?.into_iter().filter(|row| row.vpc == vpc);
        let rows: Vec<Instance> = rows.collect();
        let with_v6 = rows.iter().filter(|row| row.attributes.host_names.aaaa_record).map(|row| row.interface);
        let with_v6 = tx.get_many::<Interface>(&with_v6.collect::<Vec<_>>())?.into_iter();
        let mut with_v6: HashMap<InterfaceId, Vec<Ipv6Addr>> = with_v6.map(|interface| (interface.id, interface.ipv6)).collect();
        let named = |row: Instance| Named::of_instance(&row, with_v6.remove(&row.interface).unwrap_or_default());
        let names = rows.into_iter().map(named).collect();
        Ok(Elsewhere { nics: remote(&found), names })
    }

    /// The addresses of these members that are in machines on neighbours, each with the neighbour's and its instance, by address.
    fn found(&self, tx: &Tx<'_>, members: &[Member]) -> Result<Vec<(Ipv4Addr, Ipv4Addr, InstanceId)>, Failure> {
        if self.others.is_empty() {
            return Ok(vec![]);
        }
        let instances: Vec<InstanceId> = members.iter().filter_map(|member| member.instance).collect();
        let at = tx.instance_hosts(&instances)?;
        let mut found = Vec::with_capacity(members.len());
        for (member, instance) in members.iter().filter_map(|member| Some((member, member.instance?))) {
            let Some(place) = at.get(&instance).and_then(|host| self.others.get(host)) else { continue };
            found.extend(member.addresses().map(|ip| (ip, place.underlay, instance)));
        }
        found.sort_unstable_by_key(|(ip, _, _)| *ip);
        Ok(found)
    }
}

fn remote(found: &[(Ipv4Addr, Ipv4Addr, InstanceId)]) -> Vec<RemoteNic> {
    found.iter().map(|(ip, host, _)| RemoteNic { ip: *ip, host: *host }).collect()
}

/// What hosts with neighbours have to look at after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touched {
    Everything,
    Vpc(VpcId),
}

impl Cloud {
    /// Has the documents of neighbours rendered anew that a commit may have made out of date. `hosts` are those of the commit.
    pub(crate) fn note_neighbours(&self, changes: &[Change], hosts: &[Host]) {
        let has_moved = self.note_places(changes, hosts);
        let told = self.host_links().neighbours();
        if told.is_empty() {
            return;
        }
        let mut touched: Vec<Touched> = changes.iter().filter_map(touched).collect();
        touched.extend(has_moved.then_some(Touched::Everything));
        let concerns = |vpcs: &[VpcId]| {
            touched.iter().any(|touched| match touched {
                Touched::Everything => true,
                Touched::Vpc(vpc) => vpcs.contains(vpc),
            })
        };
        told.iter().filter(|(_, vpcs)| concerns(vpcs)).for_each(|(host, _)| self.host_changed(*host));
    }

    /// Keeps where the hosts are; whether one has come, gone or moved.
    fn note_places(&self, changes: &[Change], hosts: &[Host]) -> bool {
        let mut places = self.host_links().places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_moved = false;
        for host in hosts {
            let place = (host.underlay, host.number, host.is_networked());
            has_moved |= places.insert(host.id, place) != Some(place);
        }
        for gone in changes.iter().filter(|change| matches!(change.what, What::Deleted)).filter_map(Change::id_of::<Host>) {
            has_moved |= places.remove(&gone).is_some();
        }
        has_moved
    }
}

fn touched(change: &Change) -> Option<Touched> {
    let gateway_is_gone = change.id_of::<NatGateway>().is_some() && matches!(change.what, What::Deleted);
    if change.id_of::<Address>().is_some() || gateway_is_gone {
        return Some(Touched::Everything);
    }
    let vpc = change.column::<Interface>("vpc").or_else(|| change.column::<Instance>("vpc"));
    match (vpc.and_then(VpcId::from_value), &change.what) {
        (Some(vpc), _) => Some(Touched::Vpc(vpc)),
        // A row that is gone does not say where it was.
        (None, What::Deleted) if change.id_of::<Interface>().is_some() => Some(Touched::Everything),
        (None, What::Deleted | What::Inserted(_) | What::Updated(_)) => None,
    }
}
