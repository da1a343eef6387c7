//! Where an instance can go: an index of hosts that proposes, and says why when it has nothing to propose.
//!
//! The index is read from the rows and remembers what it proposed since. It is no truth: the transaction that takes a
//! proposal reads the rows again, and a refusal is given only after the index was read anew.

use model::{Catalogue, Error, Gib, Host, HostId, InstanceType};
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
    free_vcpus: i64,
    free_memory: i64,
}

impl Fleet {
    /// Reads every host and what it holds.
    pub fn refresh(&mut self, tx: &Tx<'_>) -> Result<(), Failure> {
        let mut hosts = Vec::new();
        for host in tx.host_list()? {
            let held = tx.instance_held_on_host(host.id)?;
            let (vcpus, memory) = host.capacity.as_ref().map_or((0, 0), |c| (i64::from(c.vcpus), c.memory.0 as i64));
            hosts.push(Entry { host, free_vcpus: vcpus - held.vcpus as i64, free_memory: memory - held.memory_mib as i64 });
        }
        self.hosts = hosts;
        Ok(())
    }

    /// A host with room, the fullest first; or why there is none.
    pub fn propose(&self, wanted: &Wanted<'_>, _seed: u64) -> Result<HostId, String> {
        let (vcpus, memory) = (i64::from(wanted.kind.vcpus), wanted.kind.memory.0 as i64);
        let fits = |e: &&Entry| {
            e.host.zones.iter().any(|zone| zone == wanted.zone)
                && e.host.state == model::HostState::Up
                && e.host.capacity.is_some()
                && e.free_vcpus >= vcpus
                && e.free_memory >= memory
        };
        let best = self.hosts.iter().filter(fits).min_by_key(|e| e.free_memory - memory);
        best.map(|e| e.host.id).ok_or_else(|| format!("none of {} hosts has room", self.hosts.len()))
    }

    /// Remembers a proposal that was taken.
    pub fn reserve(&mut self, host: HostId, wanted: &Wanted<'_>) {
        if let Some(entry) = self.hosts.iter_mut().find(|e| e.host.id == host) {
            entry.free_vcpus -= i64::from(wanted.kind.vcpus);
            entry.free_memory -= wanted.kind.memory.0 as i64;
        }
    }
}

impl Cloud {
    /// The instance types that some host of the zone has room for now. A look and no promise: a launch may still be refused.
    pub async fn types_with_room(&self, caller: &Caller, zone: &str) -> Result<Vec<&'static InstanceType>, Error> {
        let zone = zone.to_owned();
        let look = move |tx: &Tx<'_>, cx: &Cx<'_>| {
            let mut fleet = cx.cloud.fleet();
            fleet.refresh(tx)?;
            let fits = |kind: &&InstanceType| fleet.propose(&Wanted { zone: &zone, kind, disk: Gib(1) }, 0).is_ok();
            Ok::<_, Failure>(Catalogue::standard().all().iter().filter(fits).collect())
        };
        self.read(caller, vec![Target::any()], look).await
    }
}
