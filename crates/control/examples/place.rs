//! The placement benchmark behind `cargo xtask bench place`: decisions a second at 10,000 hosts with every rule on,
//! beside a linear best-fit scan of the same hosts in the same run, and how much each packs before its first refusal.
//!
//! Prints one `name=value` a line. Options: `--hosts N` (10,000), `--seconds N` for each of the two timings (3),
//! `--seed N` (1).

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use hostspec::Accelerator;
use model::instance_type::{Architecture, Catalogue, Category, InstanceType};
use model::{Gib, HostId, Mib};
use pileus_control::placement::{
    Cost, Fleet, Group, GroupRule, HostCapacity, HostRow, HostState, Level, Member, Need, Overcommit, Request,
};

/// How full the fleet is kept while decisions are timed, in percent of its memory, which runs out first. A fifth of it
/// lies on hosts that are down, drained, or of a kind that no request asks for.
const FULL_PERCENT: u64 = 60;
/// MiB of memory of a host, on average.
const MEAN_MIB: u64 = 384 * 1024;
/// Hosts of one rack.
const RACK: u64 = 20;
/// Groups that exist at a time, with up to [`MEMBERS`] members each.
const GROUPS: usize = 500;
/// Members of a group before the oldest leave.
const MEMBERS: usize = 7;

fn main() {
    let option = |name: &str, default: u64| {
        let mut arguments = std::env::args().skip_while(|a| a != name).skip(1);
        arguments.next().map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} takes a number")))
    };
    let (hosts, seconds, seed) = (option("--hosts", 10_000), option("--seconds", 3), option("--seed", 1));
    let limit = Duration::from_secs(seconds);
    println!("hosts={hosts}");
    let filled = Load::filled(hosts, seed);
    println!("instances={}", filled.living.len());
    println!("memory_used_percent={}", filled.used * 100 / (hosts * MEAN_MIB));
    let ours = timed(Indexed::new(rows(hosts), seed), filled.clone(), limit);
    let scan = timed(Scan::new(rows(hosts)), filled, limit);
    for (name, timed) in [("", &ours), ("scan_", &scan)] {
        println!("{name}decisions_per_second={:.0}", timed.per_second);
        println!("{name}refused_percent={:.2}", timed.refused_percent);
        println!("{name}placed_micros={:.2}", timed.placed_micros);
        println!("{name}refused_micros={:.2}", timed.refused_micros);
    }
    println!("times_faster={:.1}", ours.per_second / scan.per_second);
    let (mut ours, mut best_fit) = (0, 0);
    for seed in seed..seed + 5 {
        ours += packed(Indexed::new(rows(600), seed), seed);
        best_fit += packed(Scan::new(rows(600)), seed);
    }
    println!("packed={ours}");
    println!("packed_best_fit={best_fit}");
}

/// A host at this place of the fleet: three zones, racks of twenty, three shapes, and some of each special kind.
fn row(n: u64) -> HostRow {
    let (vcpus, gib) = [(96, 384), (128, 256), (64, 512)][(n % 7 % 3) as usize];
    HostRow {
        id: HostId::from_u64(n + 1),
        zones: vec![["a", "b", "c"][(n % 3) as usize].to_owned()],
        rack: Some(format!("r{}", n / 3 / RACK)),
        switch: Some(format!("s{}", n / 3 / RACK / 8)),
        state: match n % 50 {
            17 => HostState::Draining,
            33 => HostState::Down,
            _ => HostState::Up,
        },
        architecture: if n % 10 == 9 { Architecture::Arm64 } else { Architecture::X86_64 },
        accelerator: if n % 20 == 8 { Accelerator::Tcg } else { Accelerator::Kvm },
        labels: if n.is_multiple_of(4) { vec!["nvme".to_owned(), "uefi".to_owned()] } else { vec!["uefi".to_owned()] },
        dedicated: (n % 40 == 5).then(|| "acme".to_owned()),
        capacity: HostCapacity { vcpus, memory: Mib(gib * 1024), disk: Gib(8_000), instances: 200 },
    }
}

fn rows(hosts: u64) -> Vec<HostRow> {
    (0..hosts).map(row).collect()
}

/// Something that chooses hosts and counts what is on them.
trait Placer {
    fn place(&self, request: &Request) -> Option<HostId>;
    fn reserve(&mut self, host: HostId, need: &Need);
    fn release(&mut self, host: HostId, need: &Need);
}

struct Indexed(Fleet);

impl Indexed {
    fn new(rows: Vec<HostRow>, seed: u64) -> Indexed {
        let mut fleet = Fleet::new(Overcommit::default(), seed);
        rows.into_iter().for_each(|row| fleet.host_upsert(row));
        Indexed(fleet)
    }
}

impl Placer for Indexed {
    fn place(&self, request: &Request) -> Option<HostId> {
        self.0.place(request).ok()
    }

    fn reserve(&mut self, host: HostId, need: &Need) {
        self.0.reserve(host, need);
    }

    fn release(&mut self, host: HostId, need: &Need) {
        self.0.release(host, need);
    }
}

/// Plain best fit: look at every host, take the one with least left of its processors and memory.
struct Scan {
    hosts: Vec<(HostRow, [i64; 4])>,
    at: HashMap<HostId, usize>,
    overcommit: Overcommit,
    mib_each_millicpu: f64,
}

impl Scan {
    fn new(rows: Vec<HostRow>) -> Scan {
        let free = |c: &HostCapacity| [i64::from(c.vcpus) * 1_000, c.memory.0 as i64, i64::from(c.disk.0), i64::from(c.instances)];
        let hosts: Vec<_> = rows.into_iter().map(|row| (row.clone(), free(&row.capacity))).collect();
        let total = |part: usize| hosts.iter().map(|(_, free)| free[part]).sum::<i64>() as f64;
        let at = hosts.iter().enumerate().map(|(at, (row, _))| (row.id, at)).collect();
        Scan { mib_each_millicpu: total(1) / total(0), hosts, at, overcommit: Overcommit::default() }
    }

    fn keeps(&self, row: &HostRow, request: &Request, members: &[&HostRow]) -> bool {
        let apart = |most: u32| members.iter().filter(|m| m.zones == row.zones && m.rack == row.rack).count() < most as usize;
        row.state == HostState::Up
            && (request.zones.is_empty() || row.zones.iter().any(|zone| request.zones.contains(&zone.as_str())))
            && row.architecture == request.architecture
            && (request.accelerators.is_empty() || request.accelerators.contains(&row.accelerator))
            && row.dedicated.as_deref() == request.dedicated
            && request.labels.iter().all(|label| row.labels.iter().any(|l| l == label))
            && !request.exclude.contains(&row.id)
            && match request.group.map(|g| g.rule) {
                Some(GroupRule::Spread { most, .. }) => apart(most),
                Some(GroupRule::Cluster { .. } | GroupRule::Partition { .. }) | None => true,
            }
    }

    fn change(&mut self, host: HostId, need: &Need, sign: i64) {
        let Cost { millicpus, mib, gib } = self.overcommit.cost(need);
        let free = &mut self.hosts[self.at[&host]].1;
        for (have, part) in free.iter_mut().zip([millicpus, mib, gib, 1]) {
            *have += sign * i64::from(part);
        }
    }
}

impl Placer for Scan {
    fn place(&self, request: &Request) -> Option<HostId> {
        let cost = self.overcommit.cost(&request.need);
        let cost = [cost.millicpus, cost.mib, cost.gib, 1].map(i64::from);
        let members: Vec<&HostRow> =
            request.group.iter().flat_map(|g| g.members).map(|member| &self.hosts[self.at[&member.host]].0).collect();
        let mut best: Option<(f64, HostId)> = None;
        for (row, free) in &self.hosts {
            if free.iter().zip(cost).any(|(have, want)| *have < want) || !self.keeps(row, request, &members) {
                continue;
            }
            let left = (free[0] - cost[0]) as f64 * self.mib_each_millicpu + (free[1] - cost[1]) as f64;
            if best.is_none_or(|(least, _)| left < least) {
                best = Some((left, row.id));
            }
        }
        best.map(|(_, id)| id)
    }

    fn reserve(&mut self, host: HostId, need: &Need) {
        self.change(host, need, -1);
    }

    fn release(&mut self, host: HostId, need: &Need) {
        self.change(host, need, 1);
    }
}

/// Small numbers from a seed (Marsaglia's xorshift).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// Draws types as tenants do: small ones more often than large ones.
#[derive(Clone)]
struct Demand {
    types: Vec<&'static InstanceType>,
    dice: Dice,
}

impl Demand {
    fn new(seed: u64) -> Demand {
        let wanted = |t: &&InstanceType| {
            t.vcpus <= 32 && matches!(t.category, Category::General | Category::Compute | Category::Memory | Category::Burstable)
        };
        let mut types: Vec<&InstanceType> = Vec::new();
        for row in Catalogue::standard().all().iter().filter(wanted) {
            types.extend(std::iter::repeat_n(row, (64 / row.vcpus) as usize));
        }
        Demand { types, dice: Dice::new(seed) }
    }

    fn next(&mut self) -> Need {
        let row = self.types[self.dice.roll(self.types.len() as u64) as usize];
        Need { category: row.category, vcpus: row.vcpus, memory: row.memory, disk: Gib(20 + self.dice.roll(8) as u32 * 10) }
    }
}

struct Timed {
    per_second: f64,
    refused_percent: f64,
    placed_micros: f64,
    refused_micros: f64,
}

/// Instances that live in a fleet, and those that come next.
#[derive(Clone)]
struct Load {
    hosts: u64,
    demand: Demand,
    living: VecDeque<(HostId, Need)>,
    groups: Vec<Vec<Member>>,
    used: u64,
}

impl Load {
    /// The load of a fleet that has been filled so far, or until it has refused one request in ten.
    fn filled(hosts: u64, seed: u64) -> Load {
        let groups = vec![Vec::new(); GROUPS];
        let mut load = Load { hosts, demand: Demand::new(seed), living: VecDeque::new(), groups, used: 0 };
        let mut placer = Indexed::new(rows(hosts), seed);
        let mut refused = 0;
        while load.used < hosts * MEAN_MIB * FULL_PERCENT / 100 && refused <= load.living.len() / 10 + 100 {
            refused += usize::from(load.step(&mut placer).1.is_none());
        }
        load
    }

    /// Asks for one instance more. Says how long the decision and its reservation took, and what was decided.
    fn step(&mut self, placer: &mut impl Placer) -> (Duration, Option<HostId>) {
        let need = self.demand.next();
        let dice = &mut self.demand.dice;
        let zone = [["a"], ["b"], ["c"]][dice.roll(3) as usize];
        let group = &mut self.groups[dice.roll(GROUPS as u64) as usize];
        let exclude = [HostId::from_u64(dice.roll(self.hosts) + 1)];
        let request = Request {
            zones: &zone,
            accelerators: &[Accelerator::Kvm],
            labels: if dice.roll(4) == 0 { &["nvme", "uefi"] } else { &["uefi"] },
            dedicated: (dice.roll(40) == 0).then_some("acme"),
            group: Some(Group { rule: GroupRule::Spread { level: Level::Rack, most: 1 }, members: group }),
            exclude: &exclude,
            ..Request::plain(need)
        };
        let began = Instant::now();
        let host = placer.place(&request);
        if let Some(host) = host {
            placer.reserve(host, &need);
        }
        let took = began.elapsed();
        if let Some(host) = host {
            self.used += need.memory.0;
            self.living.push_back((host, need));
            group.push(Member { host, partition: 0 });
            if group.len() > MEMBERS {
                group.remove(0);
            }
        }
        (took, host)
    }

    fn oldest_leaves(&mut self, placer: &mut impl Placer) {
        if let Some((host, need)) = self.living.pop_front() {
            self.used -= need.memory.0;
            placer.release(host, &need);
        }
    }
}

/// Decisions a second, each with every rule on and followed by its reservation, on a fleet that stays equally full: the
/// oldest instance leaves for each that comes. Making up the requests and letting go are not counted.
fn timed(mut placer: impl Placer, mut load: Load, limit: Duration) -> Timed {
    load.living.iter().for_each(|(host, need)| placer.reserve(*host, need));
    let (mut placed, mut refused) = ((0u64, Duration::ZERO), (0u64, Duration::ZERO));
    while placed.1 + refused.1 < limit {
        let (took, host) = load.step(&mut placer);
        let kind = if host.is_some() { &mut placed } else { &mut refused };
        *kind = (kind.0 + 1, kind.1 + took);
        if host.is_some() {
            load.oldest_leaves(&mut placer);
        }
    }
    let mean = |(number, spent): (u64, Duration)| spent.as_secs_f64() * 1e6 / number.max(1) as f64;
    Timed {
        per_second: (placed.0 + refused.0) as f64 / (placed.1 + refused.1).as_secs_f64(),
        refused_percent: refused.0 as f64 * 100.0 / (placed.0 + refused.0) as f64,
        placed_micros: mean(placed),
        refused_micros: mean(refused),
    }
}

/// How many instances fit before the first refusal, on hosts that are no more special than the request.
fn packed(mut placer: impl Placer, seed: u64) -> u64 {
    let mut demand = Demand::new(seed);
    for count in 0.. {
        let need = demand.next();
        let Some(host) = placer.place(&Request { labels: &["uefi"], ..Request::plain(need) }) else { return count };
        placer.reserve(host, &need);
    }
    unreachable!("every fleet is full at some time")
}
