//! What a host is told of the other hosts: where interfaces of its VPCs and public addresses are, and who may send it packets.
//!
//! Documents of other hosts change with every machine that comes or goes in a VPC that they share, and with every public address
//! that moves. Nobody waits for that, so it gives their documents no new generation: whoever has neighbours is rendered anew
//! when a commit touched what it may have been told of, and is sent what came out differently.
//!
//! This file knows neither links nor tunnels; how packets get there is the host's business.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::PoisonError;

use hostspec::{Fabric, Neighbour, RemoteNic};
use model::{Address, Host, HostId, Instance, InstanceId, Interface, VpcId};
use store::{Change, Key, Tx, What};

use crate::{Cloud, Failure};

/// Names in one VPC that a host is told of machines elsewhere. The rows of such machines are read whole for it, five
/// microseconds each; beyond this many a document would wait longer for names than for everything else.
const NAMES_ELSEWHERE_MAX: usize = 20_000;

/// Where each host is, as last seen in a commit.
pub(crate) type Places = HashMap<HostId, (Ipv4Addr, u32, bool)>;

/// The other hosts, as one host sees them.
#[derive(Default)]
pub(crate) struct Neighbours {
    here: Option<HostId>,
    underlays: HashMap<HostId, Ipv4Addr>,
    /// None where no packets go between hosts.
    pub fabric: Option<Fabric>,
}

/// What of a VPC is on other hosts.
#[derive(Default)]
pub(crate) struct Elsewhere {
    /// Addresses and where they are.
    pub nics: Vec<RemoteNic>,
    /// Host names without a domain, and their addresses.
    pub names: Vec<(String, Ipv4Addr)>,
}

impl Neighbours {
    /// Reads the neighbours of a host.
    pub fn read(tx: &Tx<'_>, host: &Host) -> Result<Neighbours, Failure> {
        if !host.is_networked() {
            return Ok(Neighbours::default());
        }
        let others: Vec<Host> = tx.host_list()?.into_iter().filter(|other| other.id != host.id && other.is_networked()).collect();
        let underlays: HashMap<HostId, Ipv4Addr> = others.iter().map(|other| (other.id, other.underlay)).collect();
        let public = tx.address_list_elsewhere(host.id)?;
        let fabric = Fabric {
            underlay: host.underlay,
            machine: host.machine_address(),
            hosts: others.iter().map(|other| Neighbour { underlay: other.underlay, machine: other.machine_address() }).collect(),
            public: public.into_iter().filter_map(|(ip, at)| Some(RemoteNic { ip, host: *underlays.get(&at)? })).collect(),
        };
        Ok(Neighbours { here: Some(host.id), underlays, fabric: Some(fabric) })
    }

    /// Reads what of a VPC is on these neighbours.
    pub fn elsewhere(&self, tx: &Tx<'_>, vpc: VpcId) -> Result<Elsewhere, Failure> {
        let Some(here) = self.here.filter(|_| !self.underlays.is_empty()) else { return Ok(Elsewhere::default()) };
        let found = tx.interface_list_elsewhere(vpc, here)?;
        let instances: BTreeSet<InstanceId> = found.iter().map(|(_, _, instance)| *instance).take(NAMES_ELSEWHERE_MAX).collect();
        let instances: Vec<InstanceId> = instances.into_iter().collect();
        let rows = tx.get_many::<Instance>(&instances)?.into_iter().filter(|row| row.vpc == vpc);
        let names = rows.map(|row| (row.hostname, row.private_ip)).collect();
        let nics = found.into_iter().filter_map(|(ip, at, _)| Some(RemoteNic { ip, host: *self.underlays.get(&at)? }));
        Ok(Elsewhere { nics: nics.collect(), names })
    }
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
    if change.id_of::<Address>().is_some() {
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
