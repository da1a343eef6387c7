//! One search: the request with its names looked up, the instances of its batch that have found a place, and the best
//! host for the next one.
//!
//! Exactness: a cell is skipped only when the best score that its ranges allow is worse than one already found, and a
//! shape's hosts have one score, so the first of them by preference that keeps the rules is its best.

use super::index::{Cell, Class, Entry, accelerator_bit};
use super::{Cost, Fleet, Free, Group, GroupRule, HostState, Level, Reason, Request, Strategy};

/// A set of small numbers.
#[derive(Debug, Clone, Default)]
struct Marks(Vec<u64>);

impl Marks {
    fn set(&mut self, at: u32) {
        let word = at as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (at % 64);
    }

    fn has(&self, at: u32) -> bool {
        self.0.get(at as usize / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

/// The group's rule with its members counted by domain.
#[derive(Debug, Clone)]
struct Bond {
    rule: GroupRule,
    level: Level,
    /// Members in each domain, for spread groups. Sorted by domain.
    counts: Vec<(u32, u32)>,
    /// Domains that will not do.
    closed: Marks,
    /// The only domains that will do; none named: any.
    only: Vec<u32>,
}

/// What decides between hosts, smaller is better: labels that nobody asked for, the score, the seed's preference.
/// Hosts with something special are kept for those who ask for it.
type Rank = (u32, i64, Entry);

/// What decides when a batch is spread: spare labels, how many of the batch are near, how full the host is, preference.
type Lonely = (u32, [u32; 3], i64, Entry);

#[derive(Debug, Clone)]
pub(super) struct Search<'f> {
    fleet: &'f Fleet,
    cost: Cost,
    /// Zones that will do; none: any.
    zones: Option<Vec<u32>>,
    request: Wanted,
    /// Classes that keep the rules without amounts, with their labels that nobody asked for, the fewest first.
    classes: Vec<(u32, u32)>,
    excluded: Marks,
    bond: Option<Bond>,
    /// Hosts that the batch has taken, and how often.
    taken: Vec<(u32, u32)>,
    taken_marks: Marks,
    weigher: Weigher,
}

/// The names of a request as the index knows them.
#[derive(Debug, Clone)]
struct Wanted {
    architecture: model::instance_type::Architecture,
    accelerators: u8,
    labels: Vec<u32>,
    /// A label or owner that no host has ever had.
    unheard_label: bool,
    unheard_owner: bool,
    dedicated: Option<u32>,
}

/// The score of a host: how much further apart the instance brings its free processors and memory, then what is left.
#[derive(Debug, Clone, Copy)]
struct Weigher {
    /// Weight of a thousandth of a processor against `MIB_WEIGHT` for a MiB: the fleet's own ratio of the two, so that
    /// all its processors weigh what all its memory does.
    millicpu_weight: i64,
    cost: [i64; 2],
}

/// Fraction of a MiB that weights are counted in.
const MIB_WEIGHT: i64 = 1 << 10;
/// Most weight of a thousandth of a processor: a GiB of memory.
const MOST_WEIGHT: u64 = 1 << 20;
/// How much more a step out of balance weighs than a step of what is left. So large that leftovers decide only between
/// hosts that are equally good for the balance; on mixed fleets this places a tenth more than weighing both alike.
const BALANCE: i64 = 1 << 10;

impl Weigher {
    fn new(fleet: &Fleet, cost: Cost) -> Weigher {
        let ratio = (fleet.total_mib << 10) / fleet.total_millicpus.max(1);
        let millicpu_weight = ratio.clamp(1, MOST_WEIGHT) as i64;
        Weigher { millicpu_weight, cost: [i64::from(cost.millicpus) * millicpu_weight, i64::from(cost.mib) * MIB_WEIGHT] }
    }

    /// What is left of processors and memory, in one unit.
    fn left(&self, millicpus: u32, mib: u32) -> [i64; 2] {
        [i64::from(millicpus) * self.millicpu_weight - self.cost[0], i64::from(mib) * MIB_WEIGHT - self.cost[1]]
    }

    /// How much further apart the two are than before the instance came, for this difference after.
    fn drift(&self, difference: i64) -> i64 {
        difference.abs() - (difference + self.cost[0] - self.cost[1]).abs()
    }

    fn score(&self, millicpus: u32, mib: u32) -> i64 {
        let [x, y] = self.left(millicpus, mib);
        self.drift(x - y) * BALANCE + x + y
    }

    /// A score that nothing in these ranges is below. The drift falls as the difference grows when the instance brings
    /// more processors than memory, and rises when it brings less.
    fn least(&self, cell: &Cell, cost: Cost) -> i64 {
        let low = self.left(cell.millicpus[0].max(cost.millicpus), cell.mib[0].max(cost.mib));
        let high = self.left(cell.millicpus[1], cell.mib[1]);
        let difference = if self.cost[0] > self.cost[1] { high[0] - low[1] } else { low[0] - high[1] };
        self.drift(difference) * BALANCE + low[0] + low[1]
    }
}

impl<'f> Search<'f> {
    pub(super) fn new(fleet: &'f Fleet, request: &Request, count: u32) -> Search<'f> {
        let index = &fleet.index;
        let cost = fleet.overcommit.cost(&request.need);
        let zones = (!request.zones.is_empty()).then(|| request.zones.iter().filter_map(|zone| index.zone(zone)).collect::<Vec<_>>());
        let mut wanted = Wanted {
            architecture: request.architecture,
            accelerators: request.accelerators.iter().fold(0, |bits, a| bits | accelerator_bit(*a)),
            labels: request.labels.iter().filter_map(|label| index.label(label)).collect(),
            unheard_label: false,
            unheard_owner: false,
            dedicated: request.dedicated.and_then(|name| index.dedicated(name)),
        };
        wanted.unheard_label = wanted.labels.len() < request.labels.len();
        wanted.unheard_owner = wanted.dedicated.is_none() && request.dedicated.is_some();
        let mut excluded = Marks::default();
        for id in request.exclude {
            if let Some(&slot) = fleet.slots.get(id) {
                excluded.set(slot);
            }
        }
        let mut search = Search {
            fleet,
            cost,
            zones,
            request: wanted,
            classes: Vec::new(),
            excluded,
            bond: request.group.as_ref().map(|group| Bond::new(fleet, group)),
            taken: Vec::new(),
            taken_marks: Marks::default(),
            weigher: Weigher::new(fleet, cost),
        };
        search.classes = search.fitting_classes();
        if count > 1 {
            search.settle(count);
        }
        search
    }

    /// Whether a member more on a host keeps the rule of a group.
    pub(super) fn keeps(fleet: &Fleet, slot: u32, group: &Group) -> bool {
        let bond = Bond::new(fleet, group);
        !bond.breaks(fleet.spot(slot).domain(slot, bond.level))
    }

    fn fitting_classes(&self) -> Vec<(u32, u32)> {
        let index = &self.fleet.index;
        let fits = |class: u32| {
            let fits = self.kind_refusal(&index.classes[class as usize]).is_none();
            fits.then(|| (self.spare_labels(class), class))
        };
        let mut classes: Vec<(u32, u32)> = match &self.zones {
            None => (0..index.classes.len() as u32).filter_map(fits).collect(),
            Some(zones) => zones.iter().flat_map(|zone| index.classes_in(*zone)).copied().filter_map(fits).collect(),
        };
        classes.sort_unstable();
        // A host may serve several of the zones; it is looked at once.
        classes.dedup();
        classes
    }

    /// How many labels the hosts of a class have beyond those asked for.
    fn spare_labels(&self, class: u32) -> u32 {
        let labels = &self.fleet.index.classes[class as usize].profile.labels;
        labels.iter().filter(|label| !self.request.labels.contains(label)).count() as u32
    }

    /// Which rule without amounts a class breaks, the zone first.
    fn kind_refusal(&self, class: &Class) -> Option<Reason> {
        let (profile, wanted) = (&class.profile, &self.request);
        let served = self.fleet.index.zones_of(profile.site);
        if self.zones.as_ref().is_some_and(|zones| !served.iter().any(|zone| zones.contains(zone))) {
            return Some(Reason::Zone);
        }
        if profile.architecture != wanted.architecture {
            return Some(Reason::Architecture);
        }
        if wanted.accelerators != 0 && wanted.accelerators & profile.accelerator == 0 {
            return Some(Reason::Accelerator);
        }
        if wanted.unheard_owner || profile.dedicated != wanted.dedicated {
            return Some(Reason::Dedicated);
        }
        if wanted.unheard_label || !wanted.labels.iter().all(|label| profile.labels.binary_search(label).is_ok()) {
            return Some(Reason::Label);
        }
        None
    }

    /// Why a host will not do, by the first rule that it breaks; none when it will.
    fn refusal(&self, slot: u32) -> Option<Reason> {
        let class = self.fleet.spot(slot).class;
        self.refusal_in(slot, self.kind_refusal(&self.fleet.index.classes[class as usize]))
    }

    /// The same for a host of which it is known what its class breaks.
    fn refusal_in(&self, slot: u32, kind: Option<Reason>) -> Option<Reason> {
        let state = match self.fleet.spot(slot).state {
            HostState::Up => None,
            HostState::Draining => Some(Reason::Draining),
            HostState::Down => Some(Reason::Down),
        };
        state
            .or(kind)
            .or_else(|| self.excluded.has(slot).then_some(Reason::Excluded))
            .or_else(|| self.breaks_bond(slot).then_some(Reason::Group))
            .or_else(|| self.lacks(slot))
    }

    /// Every host's refusal, the instances of this batch counted. Hosts that will do are left out.
    pub(super) fn refusals(&self) -> impl Iterator<Item = Reason> {
        let kinds: Vec<Option<Reason>> = self.fleet.index.classes.iter().map(|class| self.kind_refusal(class)).collect();
        let slots = (0..self.fleet.hosts.len() as u32).filter(|slot| self.fleet.hosts[*slot as usize].is_some());
        slots.filter_map(move |slot| self.refusal_in(slot, kinds[self.fleet.spot(slot).class as usize]))
    }

    /// Which amount a host lacks, the instances of this batch counted.
    fn lacks(&self, slot: u32) -> Option<Reason> {
        let free = self.left_by_batch(slot);
        if free.instances == 0 {
            return Some(Reason::Instances);
        }
        if free.mib < self.cost.mib {
            return Some(Reason::Memory);
        }
        if free.millicpus < self.cost.millicpus {
            return Some(Reason::Vcpus);
        }
        (free.gib < self.cost.gib).then_some(Reason::Disk)
    }

    fn left_by_batch(&self, slot: u32) -> Free {
        let free = self.fleet.free[slot as usize];
        let times = self.taken_times(slot);
        let left = |have: u32, each: u32| have.saturating_sub(each.saturating_mul(times));
        Free {
            millicpus: left(free.millicpus, self.cost.millicpus),
            mib: left(free.mib, self.cost.mib),
            gib: left(free.gib, self.cost.gib),
            instances: left(free.instances, 1),
        }
    }

    fn taken_times(&self, slot: u32) -> u32 {
        if !self.taken_marks.has(slot) {
            return 0;
        }
        self.taken.iter().find(|(s, _)| *s == slot).map_or(0, |(_, times)| *times)
    }

    fn breaks_bond(&self, slot: u32) -> bool {
        self.bond.as_ref().is_some_and(|bond| bond.breaks(self.fleet.spot(slot).domain(slot, bond.level)))
    }

    /// Whether a host of a fitting class, with enough processors and memory, keeps the other rules.
    fn admits(&self, slot: u32) -> bool {
        self.fleet.free[slot as usize].gib >= self.cost.gib && !self.excluded.has(slot) && !self.breaks_bond(slot)
    }

    fn entry(&self, slot: u32) -> Entry {
        Entry { tie: self.fleet.spot(slot).tie, slot }
    }

    /// The best host for one more instance, packed.
    pub(super) fn best(&self) -> Option<u32> {
        let mut best: Option<Rank> = None;
        let mut offer = |slot: u32| {
            if self.refusal(slot).is_none() {
                let free = self.left_by_batch(slot);
                let spare = self.spare_labels(self.fleet.spot(slot).class);
                let rank = (spare, self.weigher.score(free.millicpus, free.mib), self.entry(slot));
                if best.is_none_or(|b| rank < b) {
                    best = Some(rank);
                }
            }
        };
        if let Some(bond) = self.bond.as_ref().filter(|bond| !bond.only.is_empty()) {
            bond.only.iter().for_each(|domain| self.domain_hosts(bond.level, *domain).for_each(&mut offer));
            return best.map(|(_, _, entry)| entry.slot);
        }
        self.taken.iter().for_each(|(slot, _)| offer(*slot));
        for classes in self.classes.chunk_by(|(a, _), (b, _)| a == b) {
            let spare = classes[0].0;
            if best.is_none_or(|(least, _, _)| spare <= least) {
                self.best_untaken(classes, &mut best);
            }
        }
        best.map(|(_, _, entry)| entry.slot)
    }

    /// Looks at the most promising cell of equally special hosts first, then at all that may hold something better.
    fn best_untaken(&self, classes: &[(u32, u32)], best: &mut Option<Rank>) {
        let spare = classes[0].0;
        let cells = || classes.iter().flat_map(|(_, class)| &self.fleet.index.classes[*class as usize].cells);
        let promising = cells().filter(|cell| self.has_room(cell)).min_by_key(|cell| self.weigher.least(cell, self.cost));
        let Some(promising) = promising else { return };
        self.visit(promising, spare, best);
        for cell in cells() {
            let least = || (spare, self.weigher.least(cell, self.cost));
            let worth = self.has_room(cell) && best.is_none_or(|(spare, score, _)| least() <= (spare, score));
            if worth && !std::ptr::eq(cell, promising) {
                self.visit(cell, spare, best);
            }
        }
    }

    fn has_room(&self, cell: &Cell) -> bool {
        cell.millicpus[1] >= self.cost.millicpus && cell.mib[1] >= self.cost.mib && cell.most_gib >= self.cost.gib
    }

    fn visit(&self, cell: &Cell, spare: u32, best: &mut Option<Rank>) {
        for shape in &cell.shapes {
            if shape.millicpus < self.cost.millicpus || shape.mib < self.cost.mib {
                continue;
            }
            let score = self.weigher.score(shape.millicpus, shape.mib);
            for &entry in shape.hosts.iter().rev() {
                if best.is_some_and(|b| b <= (spare, score, entry)) {
                    break;
                }
                if !self.taken_marks.has(entry.slot) && self.admits(entry.slot) {
                    *best = Some((spare, score, entry));
                    break;
                }
            }
        }
    }

    /// Counts an instance of the batch on a host.
    fn take(&mut self, slot: u32) {
        self.taken_marks.set(slot);
        match self.taken.iter_mut().find(|(s, _)| *s == slot) {
            Some((_, times)) => *times += 1,
            None => self.taken.push((slot, 1)),
        }
        if let Some(bond) = &mut self.bond {
            bond.join(self.fleet.spot(slot).domain(slot, bond.level));
        }
    }

    /// Places up to so many instances, fewer only when no more fit. Equal instances fit in the same number in whatever
    /// order they come, so nothing is gained by trying other orders.
    pub(super) fn batch(&mut self, count: u32, strategy: Strategy) -> Vec<u32> {
        let mut chosen = Vec::new();
        while chosen.len() < count as usize {
            let next = match strategy {
                Strategy::Pack => self.best(),
                Strategy::Spread => self.loneliest(),
            };
            let Some(slot) = next else { break };
            self.take(slot);
            chosen.push(slot);
        }
        chosen
    }

    /// The host that shares least with the batch: its zone, then its rack, then itself; then the emptiest.
    fn loneliest(&self) -> Option<u32> {
        let neighbours = self.neighbours();
        let mut best: Option<Lonely> = None;
        let mut offer = |slot: u32| {
            if self.refusal(slot).is_none() {
                let free = self.left_by_batch(slot);
                let spare = self.spare_labels(self.fleet.spot(slot).class);
                let rank = (spare, neighbours.of(self.fleet, slot), self.fullness(free.millicpus, free.mib), self.entry(slot));
                if best.is_none_or(|b| rank < b) {
                    best = Some(rank);
                }
            }
        };
        if let Some(bond) = self.bond.as_ref().filter(|bond| !bond.only.is_empty()) {
            bond.only.iter().for_each(|domain| self.domain_hosts(bond.level, *domain).for_each(&mut offer));
            return best.map(|(_, _, _, entry)| entry.slot);
        }
        self.taken.iter().for_each(|(slot, _)| offer(*slot));
        for &(spare, class) in &self.classes {
            let class = &self.fleet.index.classes[class as usize];
            let near = [neighbours.at_site(class.profile.site), 0, 0];
            for cell in class.cells.iter().filter(|cell| self.has_room(cell)) {
                let least = (spare, near, self.fullness(cell.millicpus[1], cell.mib[1]));
                if best.is_none_or(|(spare, near, full, _)| least <= (spare, near, full)) {
                    self.visit_lonely(cell, (spare, near), &neighbours, &mut best);
                }
            }
        }
        best.map(|(_, _, _, entry)| entry.slot)
    }

    fn visit_lonely(&self, cell: &Cell, (spare, near): (u32, [u32; 3]), neighbours: &Neighbours, best: &mut Option<Lonely>) {
        for shape in cell.shapes.iter().filter(|s| s.millicpus >= self.cost.millicpus && s.mib >= self.cost.mib) {
            let full = self.fullness(shape.millicpus, shape.mib);
            for &entry in shape.hosts.iter().rev() {
                if best.is_some_and(|b| b <= (spare, near, full, entry)) {
                    break;
                }
                if self.taken_marks.has(entry.slot) || !self.admits(entry.slot) {
                    continue;
                }
                let rank = (spare, neighbours.of(self.fleet, entry.slot), full, entry);
                if best.is_none_or(|b| rank < b) {
                    *best = Some(rank);
                }
            }
        }
    }

    /// Grows as less is left.
    fn fullness(&self, millicpus: u32, mib: u32) -> i64 {
        let [x, y] = self.weigher.left(millicpus, mib);
        -(x + y)
    }

    fn neighbours(&self) -> Neighbours {
        let mut neighbours = Neighbours::default();
        for &(slot, times) in &self.taken {
            let host = self.fleet.spot(slot);
            add(&mut neighbours.sites, host.site, times);
            add(&mut neighbours.racks, host.rack, times);
            add(&mut neighbours.hosts, slot, times);
        }
        neighbours
    }

    fn domain_hosts(&self, level: Level, domain: u32) -> Box<dyn Iterator<Item = u32> + '_> {
        match level {
            Level::Host => Box::new(std::iter::once(domain)),
            Level::Rack => Box::new(self.fleet.index.racks().hosts()[domain as usize].iter().copied()),
            Level::Switch => Box::new(self.fleet.index.switches().hosts()[domain as usize].iter().copied()),
        }
    }

    /// Chooses the rack or switch of a cluster that has no member yet: the one that holds the whole batch and has least
    /// room to spare, or the roomiest when none does.
    fn settle(&mut self, count: u32) {
        let Some(bond) = self.bond.as_ref().filter(|b| matches!(b.rule, GroupRule::Cluster { .. }) && b.only.is_empty()) else {
            return;
        };
        let level = bond.level;
        let domains = match level {
            Level::Host => self.fleet.hosts.len(),
            Level::Rack => self.fleet.index.racks().hosts().len(),
            Level::Switch => self.fleet.index.switches().hosts().len(),
        };
        let rooms = (0..domains as u32).map(|domain| (self.room(level, domain), domain)).filter(|(room, _)| *room > 0);
        let enough = |room: u64| room >= u64::from(count);
        let chosen = rooms.min_by_key(|&(room, domain)| if enough(room) { (0, room, domain) } else { (1, u64::MAX - room, domain) });
        if let (Some((_, domain)), Some(bond)) = (chosen, &mut self.bond) {
            bond.only = vec![domain];
        }
    }

    /// How many of these instances the hosts of a domain hold.
    fn room(&self, level: Level, domain: u32) -> u64 {
        let host = |slot: u32| match self.fleet.hosts[slot as usize] {
            Some(_) if self.refusal(slot).is_none() => {
                let free = self.fleet.free[slot as usize];
                let times = |have: u32, each: u32| have.checked_div(each).unwrap_or(u32::MAX);
                let Cost { millicpus, mib, gib } = self.cost;
                let fit = times(free.millicpus, millicpus).min(times(free.mib, mib)).min(times(free.gib, gib));
                u64::from(fit.min(free.instances))
            }
            _ => 0,
        };
        self.domain_hosts(level, domain).map(host).sum()
    }
}

/// How many of the batch there are near a host.
#[derive(Debug, Default)]
struct Neighbours {
    sites: Vec<(u32, u32)>,
    racks: Vec<(u32, u32)>,
    hosts: Vec<(u32, u32)>,
}

impl Neighbours {
    fn at_site(&self, site: u32) -> u32 {
        count(&self.sites, site)
    }

    fn of(&self, fleet: &Fleet, slot: u32) -> [u32; 3] {
        let host = fleet.spot(slot);
        [count(&self.sites, host.site), count(&self.racks, host.rack), count(&self.hosts, slot)]
    }
}

fn count(counts: &[(u32, u32)], domain: u32) -> u32 {
    counts.binary_search_by_key(&domain, |(d, _)| *d).map_or(0, |at| counts[at].1)
}

fn add(counts: &mut Vec<(u32, u32)>, domain: u32, times: u32) -> u32 {
    match counts.binary_search_by_key(&domain, |(d, _)| *d) {
        Ok(at) => {
            counts[at].1 += times;
            counts[at].1
        }
        Err(at) => {
            counts.insert(at, (domain, times));
            times
        }
    }
}

impl Bond {
    fn new(fleet: &Fleet, group: &Group) -> Bond {
        let level = match group.rule {
            GroupRule::Spread { level, .. } | GroupRule::Cluster { level } | GroupRule::Partition { level, .. } => level,
        };
        let mut bond = Bond { rule: group.rule, level, counts: Vec::new(), closed: Marks::default(), only: Vec::new() };
        for member in group.members {
            let Some(&slot) = fleet.slots.get(&member.host) else { continue };
            let domain = fleet.spot(slot).domain(slot, level);
            match group.rule {
                GroupRule::Partition { number, .. } if number == member.partition => {}
                GroupRule::Partition { .. } => bond.closed.set(domain),
                GroupRule::Spread { .. } | GroupRule::Cluster { .. } => bond.join(domain),
            }
        }
        bond
    }

    fn breaks(&self, domain: u32) -> bool {
        let none_may = matches!(self.rule, GroupRule::Spread { most: 0, .. });
        none_may || self.closed.has(domain) || !self.only.is_empty() && !self.only.contains(&domain)
    }

    /// Counts one member more in a domain.
    fn join(&mut self, domain: u32) {
        match self.rule {
            GroupRule::Spread { most, .. } => {
                if add(&mut self.counts, domain, 1) >= most {
                    self.closed.set(domain);
                }
            }
            GroupRule::Cluster { .. } => {
                if !self.only.contains(&domain) {
                    self.only.push(domain);
                }
            }
            GroupRule::Partition { .. } => {}
        }
    }
}
