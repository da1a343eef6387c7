//! Placement: which host an instance goes to, decided in memory.
//!
//! ```text
//! rows -> Fleet (a projection, updated host by host)
//! Fleet + Request -> HostId, or a Refusal that says why not and what small change would fit
//! ```
//!
//! The choice is exact: of all hosts that keep every rule, those with the fewest labels that nobody asked for (so that a
//! host with something special is kept for it); of those the one whose free processors and memory the instance brings
//! nearest to each other, then the one with least left over, then the one that the seed prefers. Bringing the two
//! together keeps a memory-heavy instance from stranding a host's processors; plain best fit does not look at it. The
//! index only saves looking at hosts that cannot win.
//!
//! Not known here: the truth. A fleet may be behind the database, so the transaction that makes the reservation checks
//! the capacity again, with the same [`Overcommit::cost`], and asks anew with the refused host in [`Request::exclude`].
//! Nor clock, randomness, I/O, tenants or prices.

mod index;
mod refusal;
mod search;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use hostspec::Accelerator;
use model::instance_type::{Architecture, Category, InstanceType};
use model::{Gib, HostId, Mib};

pub use refusal::{Change, Reason, Refusal};

use index::{Entry, Index};
use search::Search;

/// Most of a resource that one host can have, in thousandths of processors, MiB or GiB; keeps scores within 64 bits.
const MOST: u32 = 1 << 28;

/// Whether a host takes instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// It takes new ones.
    Up,
    /// It keeps those it has and takes no new ones.
    Draining,
    /// It does not answer.
    Down,
}

/// What a host has, before overcommit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostCapacity {
    /// Processors for guests.
    pub vcpus: u32,
    /// Memory for guests.
    pub memory: Mib,
    /// Space of the local pool.
    pub disk: Gib,
    /// Most instances at a time.
    pub instances: u32,
}

/// A host as its rows describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// The host.
    pub id: HostId,
    /// Zones that it serves: one in a data centre, all of them where one machine plays a whole region.
    pub zones: Vec<String>,
    /// Its rack, a name among the hosts with the same zones. Those with no name for it are taken to share one.
    pub rack: Option<String>,
    /// The switch that it hangs on, in the same way.
    pub switch: Option<String>,
    /// Whether it takes instances.
    pub state: HostState,
    /// Its instruction set.
    pub architecture: Architecture,
    /// How it executes guests.
    pub accelerator: Accelerator,
    /// What it offers beyond capacity: devices, firmware, licences. Sorted or not.
    pub labels: Vec<String>,
    /// Whom it is set aside for. It takes only requests that name the same.
    pub dedicated: Option<String>,
    /// What it has.
    pub capacity: HostCapacity,
}

/// What an instance needs of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Its category, which decides the overcommit.
    pub category: Category,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory.
    pub memory: Mib,
    /// Space in the host's local pool; none when its disks are elsewhere.
    pub disk: Gib,
}

/// What an instance takes from a host, overcommit applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Thousandths of processors.
    pub millicpus: u32,
    /// MiB of memory.
    pub mib: u32,
    /// GiB of the local pool.
    pub gib: u32,
}

/// How often a resource is given out, in percent: 400 gives each processor to four virtual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// Processors. 0 counts as 1.
    pub vcpus: u32,
    /// Memory. 0 counts as 1.
    pub memory: u32,
}

impl Ratio {
    /// Everything is given out once.
    pub const NONE: Ratio = Ratio { vcpus: 100, memory: 100 };
}

/// The operator's ratios, one for each category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overcommit {
    ratios: [Ratio; Category::ALL.len()],
}

impl Default for Overcommit {
    /// Everything once, except the processors of burstable and shared types: those are promised in part only, and are
    /// given out four times.
    fn default() -> Overcommit {
        let shared = Ratio { vcpus: 400, memory: 100 };
        Overcommit { ratios: [Ratio::NONE; Category::ALL.len()] }.with(Category::Burstable, shared).with(Category::Shared, shared)
    }
}

impl Overcommit {
    /// Gives everything out once.
    pub const fn none() -> Overcommit {
        Overcommit { ratios: [Ratio::NONE; Category::ALL.len()] }
    }

    /// The same with another ratio for one category.
    pub const fn with(mut self, category: Category, ratio: Ratio) -> Overcommit {
        self.ratios[category as usize] = ratio;
        self
    }

    /// What an instance takes from its host. Rounded up, so that a host is never given out beyond its ratio.
    pub fn cost(&self, need: &Need) -> Cost {
        let ratio = self.ratios[need.category as usize];
        let share = |amount: u64, percent: u32| narrow(amount.saturating_mul(100).div_ceil(u64::from(percent.max(1))));
        Cost { millicpus: share(u64::from(need.vcpus) * 1_000, ratio.vcpus), mib: share(need.memory.0, ratio.memory), gib: need.disk.0 }
    }
}

/// How far apart failures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// One host.
    Host,
    /// The hosts of one rack.
    Rack,
    /// The hosts on one switch.
    Switch,
}

/// What a placement group asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupRule {
    /// At most so many members share a host, rack or switch.
    Spread {
        /// What members must not share.
        level: Level,
        /// Most members in one; 1 keeps them all apart.
        most: u32,
    },
    /// All members share a rack or switch (or host).
    Cluster {
        /// What members share.
        level: Level,
    },
    /// No host, rack or switch has members of two partitions.
    Partition {
        /// What partitions do not share.
        level: Level,
        /// The partition of the new member.
        number: u32,
    },
}

/// A member that a group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where it is. Members on hosts that the fleet does not know count for nothing.
    pub host: HostId,
    /// Its partition, for groups with partitions.
    pub partition: u32,
}

/// The placement group of a request.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// What it asks for.
    pub rule: GroupRule,
    /// The members that it has.
    pub members: &'a [Member],
}

/// What is to be placed and under which rules.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What it needs.
    pub need: Need,
    /// Zones that will do; none named: any.
    pub zones: &'a [&'a str],
    /// The instruction set of the image and the type.
    pub architecture: Architecture,
    /// Ways of executing guests that will do; none named: any.
    pub accelerators: &'a [Accelerator],
    /// Labels that the host must have.
    pub labels: &'a [&'a str],
    /// Whom the host must be set aside for; none: for nobody.
    pub dedicated: Option<&'a str>,
    /// The placement group.
    pub group: Option<Group<'a>>,
    /// Hosts that will not do, as one that has just failed.
    pub exclude: &'a [HostId],
    /// Types that a refusal may propose instead.
    pub types: &'a [InstanceType],
}

impl Request<'_> {
    /// A request with no rule but the need, on x86.
    pub const fn plain(need: Need) -> Request<'static> {
        Request {
            need,
            zones: &[],
            architecture: Architecture::X86_64,
            accelerators: &[],
            labels: &[],
            dedicated: None,
            group: None,
            exclude: &[],
            types: &[],
        }
    }
}

/// How the instances of one batch lie to each other where the rules leave a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Keep large holes: each goes where it fits best.
    Pack,
    /// Share as little fate as possible: evenly over zones, then racks, then hosts, the emptiest first.
    Spread,
}

/// What is free on a host now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Free {
    millicpus: u32,
    mib: u32,
    gib: u32,
    instances: u32,
}

/// What a search looks at of a host, apart from the rest so that thousands lie close together.
#[derive(Debug, Clone, Copy)]
struct Spot {
    /// Preference among equals; the smallest wins.
    tie: u64,
    class: u32,
    site: u32,
    rack: u32,
    switch: u32,
    state: HostState,
}

#[derive(Debug, Clone)]
struct Host {
    row: HostRow,
    used: Used,
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    cost: [u64; 3],
    instances: u32,
}

/// Hosts with what is free on them. A projection of the rows: rebuilt at start, then updated as rows change.
#[derive(Debug, Clone)]
pub struct Fleet {
    overcommit: Overcommit,
    seed: u64,
    slots: HashMap<HostId, u32>,
    hosts: Vec<Option<Host>>,
    spots: Vec<Spot>,
    free: Vec<Free>,
    vacant: Vec<u32>,
    index: Index,
    total_millicpus: u64,
    total_mib: u64,
}

impl Fleet {
    /// Makes a fleet without hosts. Between hosts that are equally good the seed decides, the same one each time.
    pub fn new(overcommit: Overcommit, seed: u64) -> Fleet {
        Fleet {
            overcommit,
            seed,
            slots: HashMap::new(),
            hosts: Vec::new(),
            spots: Vec::new(),
            free: Vec::new(),
            vacant: Vec::new(),
            index: Index::default(),
            total_millicpus: 0,
            total_mib: 0,
        }
    }

    /// The ratios that reservations are counted with.
    pub fn overcommit(&self) -> &Overcommit {
        &self.overcommit
    }

    /// How many hosts it knows, in whatever state.
    pub fn host_count(&self) -> usize {
        self.slots.len()
    }

    /// The host as it was last told of.
    pub fn host_row(&self, id: HostId) -> Option<&HostRow> {
        let slot = *self.slots.get(&id)?;
        self.hosts[slot as usize].as_ref().map(|host| &host.row)
    }

    /// What is held on a host in all.
    pub fn host_held(&self, id: HostId) -> Option<Cost> {
        let slot = *self.slots.get(&id)?;
        let [millicpus, mib, gib] = self.hosts[slot as usize].as_ref()?.used.cost.map(narrow);
        Some(Cost { millicpus, mib, gib })
    }

    /// Adds a host, or takes over what has changed of it. What is reserved on it stays reserved.
    pub fn host_upsert(&mut self, row: HostRow) {
        let id = row.id;
        let used = self.take_out(id).map_or(Used::default(), |host| host.used);
        let profile = self.index.profile(&row);
        let (rack, switch) = self.index.domains(&row, profile.site);
        let tie = scatter(id.as_u64() ^ self.seed);
        let spot = Spot { tie, class: self.index.class(&profile), site: profile.site, rack, switch, state: row.state };
        self.total_millicpus += u64::from(row.capacity.vcpus) * 1_000;
        self.total_mib += row.capacity.memory.0;
        let host = Host { row, used };
        let free = host.free();
        let slot = match self.vacant.pop() {
            Some(slot) => {
                (self.hosts[slot as usize], self.spots[slot as usize], self.free[slot as usize]) = (Some(host), spot, free);
                slot
            }
            None => {
                self.hosts.push(Some(host));
                self.spots.push(spot);
                self.free.push(free);
                (self.hosts.len() - 1) as u32
            }
        };
        self.slots.insert(id, slot);
        self.index.domain_add(slot, rack, switch);
        if spot.state == HostState::Up {
            self.index.insert(spot.class, Entry { tie, slot }, free);
        }
    }

    /// Forgets a host and what was reserved on it. Does nothing when it is not known.
    pub fn host_remove(&mut self, id: HostId) {
        self.take_out(id);
    }

    /// Counts an instance on a host. Does nothing when the host is not known.
    pub fn reserve(&mut self, id: HostId, need: &Need) {
        let cost = self.overcommit.cost(need);
        self.change_used(id, |used| {
            for (have, more) in used.cost.iter_mut().zip(cost.parts()) {
                *have += u64::from(more);
            }
            used.instances += 1;
        });
    }

    /// Counts an instance off a host, with the need that it was reserved with.
    pub fn release(&mut self, id: HostId, need: &Need) {
        let cost = self.overcommit.cost(need);
        self.change_used(id, |used| {
            for (have, less) in used.cost.iter_mut().zip(cost.parts()) {
                *have = have.saturating_sub(u64::from(less));
            }
            used.instances = used.instances.saturating_sub(1);
        });
    }

    /// Sets what a host holds in all, as its rows add it up. Does nothing when the host is not known.
    pub fn host_hold(&mut self, id: HostId, held: Cost, instances: u32) {
        self.change_used(id, |used| *used = Used { cost: held.parts().map(u64::from), instances });
    }

    /// Chooses a host for one instance, or says why there is none, which takes a hundred times as long as a choice.
    /// Reserves nothing.
    pub fn place(&self, request: &Request) -> Result<HostId, Box<Refusal>> {
        self.find(request).ok_or_else(|| Box::new(refusal::explain(self, request, 1)))
    }

    /// Chooses a host for the first of so many instances: in a group that stays together, one with others around it that take the
    /// rest, if there is such a place. Reserves nothing.
    pub fn place_first(&self, request: &Request, of: u32) -> Result<HostId, Box<Refusal>> {
        let found = Search::new(self, request, of).best().map(|slot| self.id(slot));
        found.ok_or_else(|| Box::new(refusal::explain(self, request, 1)))
    }

    /// Whether a member more on a host keeps the rule of a group. It does on a host that the fleet does not know.
    pub fn keeps(&self, host: HostId, group: &Group) -> bool {
        self.slots.get(&host).is_none_or(|slot| Search::keeps(self, *slot, group))
    }

    /// Chooses a host for one instance. Reserves nothing.
    pub fn find(&self, request: &Request) -> Option<HostId> {
        Search::new(self, request, 1).best().map(|slot| self.id(slot))
    }

    /// Chooses hosts for so many equal instances, all or none. Reserves nothing. A host may come up several times.
    pub fn place_many(&self, request: &Request, count: u32, strategy: Strategy) -> Result<Vec<HostId>, Box<Refusal>> {
        let mut search = Search::new(self, request, count);
        let chosen = search.batch(count, strategy);
        if chosen.len() < count as usize {
            return Err(Box::new(refusal::explain(self, request, count)));
        }
        Ok(chosen.into_iter().map(|slot| self.id(slot)).collect())
    }

    fn id(&self, slot: u32) -> HostId {
        self.hosts[slot as usize].as_ref().expect("a slot that is listed has its host").row.id
    }

    fn spot(&self, slot: u32) -> &Spot {
        &self.spots[slot as usize]
    }

    fn change_used(&mut self, id: HostId, change: impl FnOnce(&mut Used)) {
        let Some(&slot) = self.slots.get(&id) else { return };
        let before = self.free[slot as usize];
        let host = self.hosts[slot as usize].as_mut().expect("a known host has its slot");
        change(&mut host.used);
        let after = host.free();
        self.free[slot as usize] = after;
        let spot = self.spots[slot as usize];
        if spot.state == HostState::Up {
            self.index.move_host(spot.class, Entry { tie: spot.tie, slot }, before, after);
        }
    }

    fn take_out(&mut self, id: HostId) -> Option<Host> {
        let slot = self.slots.remove(&id)?;
        let host = self.hosts[slot as usize].take()?;
        let spot = self.spots[slot as usize];
        if spot.state == HostState::Up {
            self.index.remove(spot.class, Entry { tie: spot.tie, slot }, self.free[slot as usize]);
        }
        self.index.domain_remove(slot, spot.rack, spot.switch);
        self.total_millicpus -= u64::from(host.row.capacity.vcpus) * 1_000;
        self.total_mib -= host.row.capacity.memory.0;
        self.vacant.push(slot);
        Some(host)
    }
}

impl Host {
    fn free(&self) -> Free {
        let capacity = &self.row.capacity;
        let left = |have: u64, used: u64| narrow(have.saturating_sub(used));
        let [millicpus, mib, gib] = self.used.cost;
        Free {
            millicpus: left(u64::from(capacity.vcpus) * 1_000, millicpus),
            mib: left(capacity.memory.0, mib),
            gib: left(u64::from(capacity.disk.0), gib),
            instances: capacity.instances.saturating_sub(self.used.instances),
        }
    }
}

impl Spot {
    fn domain(&self, slot: u32, level: Level) -> u32 {
        match level {
            Level::Host => slot,
            Level::Rack => self.rack,
            Level::Switch => self.switch,
        }
    }
}

impl Cost {
    fn parts(self) -> [u32; 3] {
        [self.millicpus, self.mib, self.gib]
    }
}

fn narrow(amount: u64) -> u32 {
    amount.min(u64::from(MOST)) as u32
}

/// Mixes the bits of a number without losing any (Steele's SplitMix64 finaliser), so that ties are never even.
const fn scatter(value: u64) -> u64 {
    let a = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    b ^ (b >> 31)
}
