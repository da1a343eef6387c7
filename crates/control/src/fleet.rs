//! Where an instance can go: an index of hosts that proposes, and says why when it has nothing to propose.
//!
//! The index is read from the rows and remembers what it proposed since. It is no truth: the transaction that takes a
//! proposal reads the rows again, and a refusal is given only after the index was read anew.

use hostspec::Accelerator;
use model::instance_type::Architecture;
use model::{Catalogue, Error, Gib, Host, HostId, HostState, InstanceType, Mib};
use store::Tx;

use crate::auth::{Caller, Target};
use crate::placement::{self, Cost, HostRow, Need, Overcommit, Request};
use crate::run::Cx;
use crate::{Cloud, Failure};

/// Decides between hosts that are equally good. Any number does; one that stays makes placement repeatable.
const SEED: u64 = 0;

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
pub(crate) struct Fleet {
    hosts: placement::Fleet,
}

impl Default for Fleet {
    /// What hosts report includes the operator's overcommit already, so the index adds none.
    fn default() -> Fleet {
        Fleet { hosts: placement::Fleet::new(Overcommit::none(), SEED) }
    }
}

impl Fleet {
    /// Reads every host and what it holds. A host's disk may be promised several times.
    pub fn refresh(&mut self, tx: &Tx<'_>, disk_overcommit: u32) -> Result<(), Failure> {
        let mut fleet = Fleet::default();
        for host in tx.host_list()? {
            let id = host.id;
            let held = tx.instance_held_on_host(id)?;
            let disk = tx.volume_gib_on_host(id)?;
            fleet.hosts.host_upsert(row(host, disk_overcommit));
            let held = Cost { millicpus: narrow(held.vcpus.saturating_mul(1_000)), mib: narrow(held.memory_mib), gib: narrow(disk) };
            fleet.hosts.host_hold(id, held, 0);
        }
        *self = fleet;
        Ok(())
    }

    /// The best host with room; or how many hosts lack what, and the smallest change that would fit.
    pub fn propose(&self, wanted: &Wanted<'_>) -> Result<HostId, String> {
        let zones = [wanted.zone];
        self.hosts.place(&wanted.request(&zones)).map_err(|refusal| refusal.to_string())
    }

    /// Whether some host has room.
    pub fn has_room(&self, wanted: &Wanted<'_>) -> bool {
        self.hosts.find(&wanted.request(&[wanted.zone])).is_some()
    }

    /// Remembers a proposal that was taken.
    pub fn reserve(&mut self, host: HostId, wanted: &Wanted<'_>) {
        self.hosts.reserve(host, &wanted.need());
    }
}

impl<'a> Wanted<'a> {
    fn need(&self) -> Need {
        Need { category: self.kind.category, vcpus: self.kind.vcpus, memory: self.kind.memory, disk: self.disk }
    }

    fn request<'r>(&self, zones: &'r [&'r str]) -> Request<'r> {
        let types = Catalogue::standard().all();
        Request { zones, architecture: self.kind.architecture, types, ..Request::plain(self.need()) }
    }
}

/// A host as placement sees it. One that has not reported yet counts as silent.
fn row(host: Host, disk_overcommit: u32) -> HostRow {
    let capacity = host.capacity.as_ref();
    HostRow {
        id: host.id,
        zones: host.zones,
        rack: None,
        switch: None,
        state: match (host.state, capacity) {
            (HostState::Up, Some(_)) => placement::HostState::Up,
            (HostState::Draining, _) => placement::HostState::Draining,
            (HostState::Silent, _) | (HostState::Up, None) => placement::HostState::Down,
        },
        architecture: Architecture::X86_64,
        accelerator: match capacity.map(|has| has.accelerator.as_str()) {
            Some("kvm") => Accelerator::Kvm,
            Some("simulated") => Accelerator::Simulated,
            Some(_) | None => Accelerator::Tcg,
        },
        labels: Vec::new(),
        dedicated: None,
        capacity: placement::HostCapacity {
            vcpus: capacity.map_or(0, |has| has.vcpus),
            memory: capacity.map_or(Mib(0), |has| has.memory),
            disk: Gib(capacity.map_or(0, |has| narrow(has.disk_gib.saturating_mul(u64::from(disk_overcommit))))),
            instances: u32::MAX,
        },
    }
}

fn narrow(amount: u64) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}

impl Cloud {
    /// The instance types that some host of the zone has room for now. A look and no promise: a launch may still be refused.
    pub async fn types_with_room(&self, caller: &Caller, zone: &str) -> Result<Vec<&'static InstanceType>, Error> {
        let zone = zone.to_owned();
        let look = move |tx: &Tx<'_>, cx: &Cx<'_>| {
            let mut fleet = cx.cloud.fleet();
            fleet.refresh(tx, cx.cloud.region().disk_overcommit)?;
            let fits = |kind: &&InstanceType| fleet.has_room(&Wanted { zone: &zone, kind, disk: Gib(1) });
            Ok::<_, Failure>(Catalogue::standard().all().iter().filter(fits).collect())
        };
        self.read(caller, vec![Target::any()], look).await
    }
}
