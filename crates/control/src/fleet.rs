//! Where an instance can go: an index of hosts that proposes, and says why when it has nothing to propose.
//!
//! The index is read from the rows and remembers what it proposed since. It is no truth: the transaction that takes a
//! proposal reads the rows again, and a refusal is given only after the index was read anew.

use std::collections::BTreeMap;

use model::{Catalogue, Error, Gib, Host, HostId, HostState, InstanceType};
use store::Tx;

use crate::auth::{Caller, Target};
use crate::run::Cx;
use crate::{Cloud, Failure};

/// What an instance needs of a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The zone.
    pub zone: &'a str,
    /// The instance type.
    pub kind: &'a InstanceType,
    /// Size of its system disk.
    pub disk: Gib,
}

/// The index.
#[derive(Default)]
pub(crate) struct Fleet {
    hosts: Vec<Entry>,
}

struct Entry {
    host: Host,
    free: Room,
}

/// An amount of what hosts have; below zero where a host was given less than it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Room {
    vcpus: i64,
    memory_mib: i64,
    disk_gib: i64,
}

impl Fleet {
    /// Reads every host and what it holds. A host's disk may be promised several times.
    pub fn refresh(&mut self, tx: &Tx<'_>, disk_overcommit: u32) -> Result<(), Failure> {
        let mut hosts = Vec::new();
        for host in tx.host_list()? {
            let held = tx.instance_held_on_host(host.id)?;
            let disk = tx.volume_gib_on_host(host.id)?;
            let has = host.capacity.as_ref().map_or(Room::default(), |has| Room {
                vcpus: i64::from(has.vcpus),
                memory_mib: signed(has.memory.0),
                disk_gib: signed(has.disk_gib).saturating_mul(i64::from(disk_overcommit)),
            });
            let free = Room {
                vcpus: has.vcpus - signed(held.vcpus),
                memory_mib: has.memory_mib - signed(held.memory_mib),
                disk_gib: has.disk_gib - signed(disk),
            };
            hosts.push(Entry { host, free });
        }
        self.hosts = hosts;
        Ok(())
    }

    /// A host with room, the fullest first, so that large instances find large gaps; or why there is none.
    pub fn propose(&self, wanted: &Wanted<'_>) -> Result<HostId, String> {
        let need = wanted.room();
        let fits = self.hosts.iter().filter(|entry| entry.serves(wanted.zone) && entry.lacks(&need).is_none());
        let best = fits.min_by_key(|entry| (entry.free.memory_mib - need.memory_mib, entry.free.vcpus - need.vcpus, entry.host.id));
        best.map(|entry| entry.host.id).ok_or_else(|| self.why_not(wanted))
    }

    /// Remembers a proposal that was taken.
    pub fn reserve(&mut self, host: HostId, wanted: &Wanted<'_>) {
        let need = wanted.room();
        if let Some(entry) = self.hosts.iter_mut().find(|entry| entry.host.id == host) {
            entry.free.vcpus -= need.vcpus;
            entry.free.memory_mib -= need.memory_mib;
            entry.free.disk_gib -= need.disk_gib;
        }
    }

    /// How many hosts of the zone lack what, and the smallest change that would fit.
    fn why_not(&self, wanted: &Wanted<'_>) -> String {
        let need = wanted.room();
        let here: Vec<&Entry> = self.hosts.iter().filter(|entry| entry.serves(wanted.zone)).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in &here {
            *counts.entry(entry.lacks(&need).unwrap_or("room that another call took")).or_default() += 1;
        }
        let mut text = format!("of {} hosts in the zone", here.len());
        for (lack, count) in &counts {
            text.push_str(&format!(", {count} lack {lack}"));
        }
        let elsewhere = self.hosts.iter().find(|entry| !entry.serves(wanted.zone) && entry.lacks(&need).is_none());
        if let Some(zone) = elsewhere.and_then(|entry| entry.host.zones.first()) {
            text.push_str(&format!("; it would fit in zone {zone}"));
        } else if let Some(kind) = self.largest_that_fits(wanted) {
            text.push_str(&format!("; {} would fit", kind.name));
        }
        text
    }

    /// The largest type below the wanted one that has room in the zone.
    fn largest_that_fits(&self, wanted: &Wanted<'_>) -> Option<&'static InstanceType> {
        let fits = |kind: &&InstanceType| {
            let need = Wanted { kind, ..*wanted }.room();
            self.hosts.iter().any(|entry| entry.serves(wanted.zone) && entry.lacks(&need).is_none())
        };
        let below = |kind: &&InstanceType| kind.vcpus <= wanted.kind.vcpus && kind.memory <= wanted.kind.memory;
        Catalogue::standard().all().iter().filter(below).filter(fits).max_by_key(|kind| (kind.vcpus, kind.memory))
    }
}

impl Wanted<'_> {
    fn room(&self) -> Room {
        Room { vcpus: i64::from(self.kind.vcpus), memory_mib: signed(self.kind.memory.0), disk_gib: i64::from(self.disk.0) }
    }
}

impl Entry {
    fn serves(&self, zone: &str) -> bool {
        self.host.zones.iter().any(|served| served == zone)
    }

    /// The first thing that keeps it from taking so much; none when nothing does.
    fn lacks(&self, need: &Room) -> Option<&'static str> {
        match self.host.state {
            HostState::Draining => return Some("permission: they are being drained"),
            HostState::Silent => return Some("a sign of life"),
            HostState::Up => {}
        }
        let lack = [
            (self.host.capacity.is_none(), "a first report"),
            (self.free.vcpus < need.vcpus, "processors"),
            (self.free.memory_mib < need.memory_mib, "memory"),
            (self.free.disk_gib < need.disk_gib, "disk space"),
        ];
        lack.into_iter().find(|(lacks, _)| *lacks).map(|(_, what)| what)
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

impl Cloud {
    /// The instance types that some host of the zone has room for now. A look and no promise: a launch may still be refused.
    pub async fn types_with_room(&self, caller: &Caller, zone: &str) -> Result<Vec<&'static InstanceType>, Error> {
        let zone = zone.to_owned();
        let look = move |tx: &Tx<'_>, cx: &Cx<'_>| {
            let mut fleet = cx.cloud.fleet();
            fleet.refresh(tx, cx.cloud.region().disk_overcommit)?;
            let fits = |kind: &&InstanceType| fleet.propose(&Wanted { zone: &zone, kind, disk: Gib(1) }).is_ok();
            Ok::<_, Failure>(Catalogue::standard().all().iter().filter(fits).collect())
        };
        self.read(caller, vec![Target::any()], look).await
    }
}
