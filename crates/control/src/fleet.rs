//! Where an instance can go: an index of hosts that proposes, and says why when it has nothing to propose.
//!
//! ```text
//!   commit ─▶ feed ─▶ hosts in doubt ─▶ settled from committed rows, before the next launch
//!   launch ─▶ proposal ─▶ the rows say what the host holds ─▶ reserved, in doubt until its commit is seen
//! ```
//!
//! The index is no truth: the transaction that takes a proposal reads the rows of that host again, and a refusal is given only
//! after every host in doubt was read. What a transaction read may still be rolled back, so only committed rows end a doubt.

use std::collections::{BTreeSet, HashMap};

use hostspec::Accelerator;
use model::instance_type::Architecture;
use model::{CapacitySlot, Catalogue, Error, Gib, Host, HostId, HostState, Instance, InstanceId, InstanceType, Mib, Volume};
use store::{Change, Changes, FeedError, Key, Store, Tx, What};

use crate::auth::{Caller, Target};
use crate::placement::{self, Cost, Group, GroupRule, HostRow, Member, Need, Overcommit, Refusal, Request};
use crate::run::Cx;
use crate::{Cloud, Failure};

/// Decides between hosts that are equally good. Any number does; one that stays makes placement repeatable.
const SEED: u64 = 0;
/// Hosts in doubt that one launch settles before it begins: a tenth of a millisecond each where a thousand instances are, while
/// other launches wait. Those that it leaves in doubt only have their room found later.
const SETTLED_AT_ONCE: usize = 4;

/// What an instance needs of a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The zone.
    pub zone: &'a str,
    /// The instance type.
    pub kind: &'a InstanceType,
    /// Size of its system disk.
    pub disk: Gib,
    /// The placement group that it comes into.
    pub group: Option<Group<'a>>,
    /// How many like it are to be placed in all, itself with them.
    pub ahead: u32,
}

/// Why no host is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lack {
    /// How many hosts lack what, and the smallest change that would fit.
    pub reason: String,
    /// Whether outside its placement group it would fit.
    pub is_groups: bool,
}

/// What a host held at most right after a launch. Whatever makes it hold more changes its document, in the same transaction, so
/// this stands as long as the host's row has the generation that the launch gave it, and that launch's instance is there as the
/// witness that it was not rolled back.
#[derive(Debug, Clone, Copy)]
struct Bound {
    generation: u64,
    witness: InstanceId,
    held: Cost,
}

/// The index.
pub(crate) struct Fleet {
    hosts: placement::Fleet,
    feed: Changes,
    /// Whether every host was read, and no commit was missed since.
    is_complete: bool,
    /// Hosts that may hold more or less than the index says.
    doubtful: BTreeSet<HostId>,
    /// What launches left behind on hosts.
    bounds: HashMap<HostId, Bound>,
    disk_overcommit: u32,
}

impl Fleet {
    /// An index that knows no host yet and hears of every commit from now on. A host's disk may be promised several times; what
    /// hosts report of processors includes the operator's overcommit already.
    pub fn new(store: &Store, disk_overcommit: u32) -> Fleet {
        let hosts = placement::Fleet::new(Overcommit::none(), SEED);
        Fleet { hosts, feed: store.changes(), is_complete: false, doubtful: BTreeSet::new(), bounds: HashMap::new(), disk_overcommit }
    }

    /// Takes in what was committed. Hosts are known anew at once; what is held on them comes into doubt.
    pub fn follow(&mut self) {
        loop {
            match self.feed.try_next() {
                Ok(Some(commit)) => self.note(&commit.changes),
                Ok(None) | Err(FeedError::Closed) => return,
                Err(FeedError::Missed(_)) => self.is_complete = false,
            }
        }
    }

    fn note(&mut self, changes: &[Change]) {
        for change in changes {
            self.doubtful
                .extend(holder::<Instance>(change).or_else(|| holder::<Volume>(change)).or_else(|| holder::<CapacitySlot>(change)));
            if let Some(id) = change.id_of::<Host>() {
                match change.row::<Host>() {
                    Some(host) => self.note_host(host),
                    None => self.hosts.host_remove(id),
                }
            }
            let holds = change.id_of::<Volume>().is_some() || change.id_of::<CapacitySlot>().is_some();
            if holds && matches!(change.what, What::Deleted) {
                self.note_deleted_holder(changes);
            }
        }
    }

    fn note_host(&mut self, host: Host) {
        let row = row(host, self.disk_overcommit);
        match self.hosts.host_row(row.id) {
            Some(known) if *known == row => {}
            Some(_) => self.hosts.host_upsert(row),
            None => {
                self.doubtful.insert(row.id);
                self.hosts.host_upsert(row);
            }
        }
    }

    /// A deleted row no longer says on which host it was; its host has a new document, in the same commit.
    fn note_deleted_holder(&mut self, changes: &[Change]) {
        let before = self.doubtful.len();
        self.doubtful.extend(changes.iter().filter_map(Change::id_of::<Host>));
        if self.doubtful.len() == before && !changes.iter().any(|change| change.id_of::<Host>().is_some()) {
            self.is_complete = false;
        }
    }

    /// Whether the index says what the rows say, as far as they are committed.
    pub fn is_settled(&mut self) -> bool {
        self.follow();
        self.is_complete && self.doubtful.is_empty()
    }

    /// Reads some hosts in doubt anew, all of them if none was ever read. The transaction must see committed rows only.
    pub fn settle(&mut self, tx: &Tx<'_>, at_most: usize) -> Result<(), Failure> {
        self.follow();
        if !self.is_complete {
            self.read_all(tx)?;
            self.is_complete = true;
            self.doubtful.clear();
        }
        for _ in 0..at_most {
            let Some(host) = self.doubtful.first().copied() else { break };
            self.hosts.host_hold(host, held(tx, host)?, 0);
            self.doubtful.remove(&host);
        }
        Ok(())
    }

    /// Reads every host in doubt anew, in a transaction that may see what is never committed: they stay in doubt.
    pub fn be_exact(&mut self, tx: &Tx<'_>) -> Result<(), Failure> {
        self.follow();
        if !self.is_complete {
            return self.read_all(tx);
        }
        for host in &self.doubtful {
            self.hosts.host_hold(*host, held(tx, *host)?, 0);
        }
        Ok(())
    }

    fn read_all(&mut self, tx: &Tx<'_>) -> Result<(), Failure> {
        self.hosts = placement::Fleet::new(Overcommit::none(), SEED);
        let mut instances = tx.instance_held_by_host()?;
        let mut slots = tx.capacity_slot_held_by_host()?;
        let mut volumes = tx.volume_gib_by_host()?;
        for host in tx.host_list()? {
            let id = host.id;
            self.hosts.host_upsert(row(host, self.disk_overcommit));
            let held = instances.remove(&id).unwrap_or_default().and(slots.remove(&id).unwrap_or_default());
            self.hosts.host_hold(id, cost(held, volumes.remove(&id).unwrap_or(0)), 0);
        }
        Ok(())
    }

    /// Sees to it that the hosts of all members are known: one that another server has just made known may not be.
    pub fn learn(&mut self, tx: &Tx<'_>, members: &[Member]) -> Result<(), Failure> {
        if members.iter().all(|member| self.hosts.host_row(member.host).is_some()) {
            return Ok(());
        }
        self.is_complete = false;
        self.read_all(tx)
    }

    /// The best host with room; or how many hosts lack what, and the smallest change that would fit.
    pub fn propose(&self, wanted: &Wanted<'_>) -> Result<HostId, Lack> {
        let zones = [wanted.zone];
        let lack =
            |refusal: Box<Refusal>| Lack { reason: refusal.to_string(), is_groups: refusal.changes.contains(&placement::Change::Group) };
        self.hosts.place_first(&wanted.request(&zones), wanted.ahead).map_err(lack)
    }

    /// Whether one more member on this host keeps the rule of its group.
    pub fn keeps(&self, host: HostId, rule: GroupRule, members: &[Member]) -> bool {
        self.hosts.keeps(host, &Group { rule, members })
    }

    /// Whether some host has room.
    pub fn has_room(&self, wanted: &Wanted<'_>) -> bool {
        self.hosts.find(&wanted.request(&[wanted.zone])).is_some()
    }

    /// What launches left behind on this host with its document's generation of now, and the instance that must be there with
    /// that generation for it to be true.
    pub fn bound(&self, host: &Host) -> Option<(Cost, InstanceId)> {
        self.bounds.get(&host.id).filter(|bound| bound.generation == host.generation).map(|bound| (bound.held, bound.witness))
    }

    /// Remembers what a host holds at most after a launch that gave its document this generation.
    pub fn bind(&mut self, host: HostId, generation: u64, witness: InstanceId, found: Cost, wanted: &Wanted<'_>) {
        let more = Overcommit::none().cost(&wanted.need());
        let held = Cost {
            millicpus: found.millicpus.saturating_add(more.millicpus),
            mib: found.mib.saturating_add(more.mib),
            gib: found.gib.saturating_add(more.gib),
        };
        self.bounds.insert(host, Bound { generation, witness, held });
    }

    /// Remembers what a transaction found on a host, and that it takes a proposal when it does.
    pub fn hold(&mut self, host: HostId, found: Cost, taken: Option<&Wanted<'_>>) {
        self.hosts.host_hold(host, found, 0);
        if let Some(wanted) = taken {
            self.hosts.reserve(host, &wanted.need());
        }
        self.doubtful.insert(host);
    }
}

/// The host of a row that was written, if it is of this noun.
fn holder<R: store::Row>(change: &Change) -> Option<HostId> {
    change.column::<R>("host").and_then(HostId::from_value)
}

/// What instances, free slots of reservations and volumes take on a host.
pub(crate) fn held(tx: &Tx<'_>, host: HostId) -> Result<Cost, Failure> {
    Ok(cost(tx.instance_held_on_host(host)?.and(tx.capacity_slot_held_on_host(host)?), tx.volume_gib_on_host(host)?))
}

fn cost(instances: store::Held, gib: u64) -> Cost {
    Cost { millicpus: narrow(instances.vcpus.saturating_mul(1_000)), mib: narrow(instances.memory_mib), gib: narrow(gib) }
}

impl<'a> Wanted<'a> {
    fn need(&self) -> Need {
        Need { category: self.kind.category, vcpus: self.kind.vcpus, memory: self.kind.memory, disk: self.disk }
    }

    fn request<'r>(&self, zones: &'r [&'r str]) -> Request<'r>
    where
        'a: 'r,
    {
        let types = Catalogue::standard().all();
        Request { zones, architecture: self.kind.architecture, types, group: self.group, ..Request::plain(self.need()) }
    }
}

/// A host as placement sees it. One that has not reported yet counts as silent.
fn row(host: Host, disk_overcommit: u32) -> HostRow {
    let capacity = host.capacity.as_ref();
    HostRow {
        id: host.id,
        zones: host.zones,
        // A rack has a switch of its own at its top.
        switch: host.rack.clone(),
        rack: host.rack,
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
    /// Brings the index up to what is committed; where very many hosts are in doubt, nearer to it.
    pub(crate) async fn settle_fleet(&self) -> Result<(), Error> {
        if self.fleet().is_settled() {
            return Ok(());
        }
        let cloud = self.clone();
        let settled = self.store().read(move |tx| cloud.fleet().settle(tx, SETTLED_AT_ONCE)).await;
        settled.map_err(|failure| self.refusal("settle the placement index", failure))
    }

    /// The instance types that some host of the zone has room for now. A look and no promise: a launch may still be refused.
    pub async fn types_with_room(&self, caller: &Caller, zone: &str) -> Result<Vec<&'static InstanceType>, Error> {
        let zone = zone.to_owned();
        let look = move |tx: &Tx<'_>, cx: &Cx<'_>| {
            let mut fleet = cx.cloud.fleet();
            fleet.settle(tx, usize::MAX)?;
            let fits = |kind: &&InstanceType| fleet.has_room(&Wanted { zone: &zone, kind, disk: Gib(1), group: None, ahead: 1 });
            Ok::<_, Failure>(Catalogue::standard().all().iter().filter(fits).collect())
        };
        self.read(caller, vec![Target::any()], look).await
    }
}

#[cfg(test)]
mod tests;
