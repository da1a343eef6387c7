//! A second fleet that knows no index: it reads every rule off the rows for every host. Both must choose the same host,
//! count the same reasons, and agree on every change that a refusal proposes, after any sequence of changes.

use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use proptest::strategy::Strategy;

use super::super::Strategy as Layout;
use super::*;

struct Naive {
    hosts: Vec<NaiveHost>,
    overcommit: Overcommit,
    seed: u64,
}

#[derive(Clone)]
struct NaiveHost {
    row: HostRow,
    held: Vec<Need>,
}

impl Naive {
    fn get(&mut self, id: HostId) -> Option<&mut NaiveHost> {
        self.hosts.iter_mut().find(|h| h.row.id == id)
    }

    /// Free thousandths of processors, MiB, GiB and instances.
    fn free(&self, host: &NaiveHost) -> [i64; 4] {
        let c = host.row.capacity;
        let mut free = [i64::from(c.vcpus) * 1000, c.memory.0 as i64, i64::from(c.disk.0), i64::from(c.instances)];
        for need in &host.held {
            let cost = self.overcommit.cost(need);
            for (have, less) in free.iter_mut().zip([cost.millicpus, cost.mib, cost.gib, 1]) {
                *have -= i64::from(less);
            }
        }
        // A host whose capacity shrank below what it holds has nothing free, and not less.
        free.map(|have| have.max(0))
    }

    fn domain(host: &NaiveHost, level: Level) -> (BTreeSet<&String>, Option<&String>, Option<HostId>) {
        let zones = host.row.zones.iter().collect();
        match level {
            Level::Host => (zones, None, Some(host.row.id)),
            Level::Rack => (zones, host.row.rack.as_ref(), None),
            Level::Switch => (zones, host.row.switch.as_ref(), None),
        }
    }

    fn closed_by_group(&self, host: &NaiveHost, group: &Group) -> bool {
        let known = group.members.iter().filter_map(|m| self.hosts.iter().find(|h| h.row.id == m.host).map(|h| (m, h)));
        let same = |level, other: &NaiveHost| Self::domain(host, level) == Self::domain(other, level);
        match group.rule {
            GroupRule::Spread { level, most } => known.filter(|(_, h)| same(level, h)).count() >= most as usize,
            GroupRule::Cluster { level } => known.clone().count() > 0 && !known.clone().any(|(_, h)| same(level, h)),
            GroupRule::Partition { level, number } => known.clone().any(|(m, h)| m.partition != number && same(level, h)),
        }
    }

    fn reason(&self, host: &NaiveHost, request: &Request) -> Option<Reason> {
        let row = &host.row;
        let cost = self.overcommit.cost(&request.need);
        let free = self.free(host);
        let rules = [
            (Reason::Down, row.state == HostState::Down),
            (Reason::Draining, row.state == HostState::Draining),
            (Reason::Zone, !request.zones.is_empty() && !row.zones.iter().any(|z| request.zones.contains(&z.as_str()))),
            (Reason::Architecture, row.architecture != request.architecture),
            (Reason::Accelerator, !request.accelerators.is_empty() && !request.accelerators.contains(&row.accelerator)),
            (Reason::Dedicated, row.dedicated.as_deref() != request.dedicated),
            (Reason::Label, !request.labels.iter().all(|l| row.labels.iter().any(|have| have == l))),
            (Reason::Excluded, request.exclude.contains(&row.id)),
            (Reason::Group, request.group.is_some_and(|g| self.closed_by_group(host, &g))),
            (Reason::Instances, free[3] < 1),
            (Reason::Memory, free[1] < i64::from(cost.mib)),
            (Reason::Vcpus, free[0] < i64::from(cost.millicpus)),
            (Reason::Disk, free[2] < i64::from(cost.gib)),
        ];
        rules.into_iter().find(|(_, broken)| *broken).map(|(reason, _)| reason)
    }

    fn fits(&self, request: &Request) -> bool {
        self.hosts.iter().any(|h| self.reason(h, request).is_none())
    }

    /// What is left on a host after the request, in one unit, and how far apart the two were before.
    fn left(&self, host: &NaiveHost, request: &Request) -> ([i64; 2], i64) {
        let total = |part: fn(&HostCapacity) -> u64| self.hosts.iter().map(|h| part(&h.row.capacity)).sum::<u64>();
        let (cpus, mib) = (total(|c| u64::from(c.vcpus) * 1000), total(|c| c.memory.0));
        let weight = ((mib << 10) / cpus.max(1)).clamp(1, 1 << 20) as i64;
        let (free, cost) = (self.free(host), self.overcommit.cost(&request.need));
        let left = [(free[0] - i64::from(cost.millicpus)) * weight, (free[1] - i64::from(cost.mib)) * 1024];
        (left, (free[0] * weight - free[1] * 1024).abs())
    }

    fn spare(host: &NaiveHost, request: &Request) -> usize {
        let spare = host.row.labels.iter().map(String::as_str).filter(|l| !request.labels.contains(l));
        spare.collect::<BTreeSet<_>>().len()
    }

    fn tie(&self, host: &NaiveHost) -> u64 {
        scatter(host.row.id.as_u64() ^ self.seed)
    }

    fn fitting<'n>(&'n self, request: &'n Request) -> impl Iterator<Item = &'n NaiveHost> {
        self.hosts.iter().filter(|h| self.reason(h, request).is_none())
    }

    /// The definition of the best host, written out.
    fn place(&self, request: &Request) -> Option<HostId> {
        let rank = |host: &&NaiveHost| {
            let (left, before) = self.left(host, request);
            let drift = (left[0] - left[1]).abs() - before;
            (Self::spare(host, request), drift * 1024 + left[0] + left[1], self.tie(host))
        };
        self.fitting(request).min_by_key(rank).map(|h| h.row.id)
    }

    /// The definition of the loneliest host for the next of a batch.
    fn loneliest(&self, request: &Request, batch: &[HostId]) -> Option<HostId> {
        let rank = |host: &&NaiveHost| {
            let near = |same: &dyn Fn(&NaiveHost) -> bool| {
                batch.iter().filter(|id| self.hosts.iter().any(|h| h.row.id == **id && same(h))).count()
            };
            let zones = |h: &NaiveHost| h.row.zones.iter().cloned().collect::<BTreeSet<_>>();
            let near = [
                near(&|h| zones(h) == zones(host)),
                near(&|h| Self::domain(h, Level::Rack) == Self::domain(host, Level::Rack)),
                near(&|h| h.row.id == host.row.id),
            ];
            let (left, _) = self.left(host, request);
            (Self::spare(host, request), near, -(left[0] + left[1]), self.tie(host))
        };
        self.fitting(request).min_by_key(rank).map(|h| h.row.id)
    }

    fn reasons(&self, request: &Request) -> Vec<(Reason, u32)> {
        let mut reasons = BTreeMap::new();
        for host in &self.hosts {
            *reasons.entry(self.reason(host, request).expect("it was refused")).or_default() += 1;
        }
        reasons.into_iter().collect()
    }
}

/// A request that owns what it names.
#[derive(Debug, Clone)]
struct Asked {
    need: Need,
    zones: Vec<&'static str>,
    architecture: Architecture,
    accelerators: Vec<Accelerator>,
    labels: Vec<&'static str>,
    dedicated: Option<&'static str>,
    rule: Option<GroupRule>,
    members: Vec<Member>,
    exclude: Vec<HostId>,
}

impl Asked {
    fn request(&self) -> Request<'_> {
        Request {
            need: self.need,
            zones: &self.zones,
            architecture: self.architecture,
            accelerators: &self.accelerators,
            labels: &self.labels,
            dedicated: self.dedicated,
            group: self.rule.map(|rule| Group { rule, members: &self.members }),
            exclude: &self.exclude,
            types: Catalogue::standard().all(),
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Upsert(HostRow),
    Remove(u64),
    Place(Asked),
    Release(usize),
}

/// Identifiers of the random fleets.
const HOSTS: std::ops::Range<u64> = 1..25;

const ZONES_OF_HOSTS: &[&[&str]] = &[&["a"], &["a"], &["b"], &["a", "b"], &["b", "a"]];
const ZONES_ASKED: &[&[&str]] = &[&[], &["a"], &["b"], &["b", "a", "b"], &["c", "a"]];
const LABELS_ASKED: &[&[&str]] = &[&[], &[], &[], &["nvme"], &["gpu"], &["unheard"]];
const ACCELERATORS_ASKED: &[&[Accelerator]] = &[&[], &[], &[Accelerator::Kvm], &[Accelerator::Tcg, Accelerator::Kvm]];

fn often_none<T: std::fmt::Debug + Clone + 'static>(values: &'static [T]) -> impl Strategy<Value = Option<T>> {
    prop_oneof![3 => Just(None), 1 => select(values).prop_map(Some)]
}

fn row() -> impl Strategy<Value = HostRow> {
    let place = (HOSTS, select(ZONES_OF_HOSTS), often_none(&["r1"]), 0..3u8, 0..2u8);
    let kind = (0..10u8, 0..10u8, 0..10u8, 0..8u8, 0..8u8);
    let capacity = (
        select(&[4u32, 16, 16, 64][..]),
        select(&[8u64, 32, 64, 256][..]),
        select(&[0u32, 50, 1000][..]),
        select(&[0u32, 3, 100, 100, 100][..]),
    );
    (place, kind, capacity).prop_map(
        |((n, zones, no_rack, rack, switch), (state, arch, accel, label, dedicated), (vcpus, gib, disk, instances))| HostRow {
            id: id(n),
            zones: zones.iter().map(|z| (*z).to_owned()).collect(),
            rack: no_rack.is_none().then(|| format!("r{rack}")),
            switch: Some(format!("s{switch}")),
            state: match state {
                0 => HostState::Down,
                1 => HostState::Draining,
                _ => HostState::Up,
            },
            architecture: if arch == 0 { Architecture::Arm64 } else { Architecture::X86_64 },
            accelerator: if accel == 0 { Accelerator::Tcg } else { Accelerator::Kvm },
            labels: [&["gpu", "nvme"][..], &["nvme"], &["nvme", "nvme"]]
                .get(label as usize)
                .map_or(Vec::new(), |l| l.iter().map(|l| (*l).to_owned()).collect()),
            dedicated: (dedicated == 0).then(|| "acme".to_owned()),
            capacity: HostCapacity { vcpus, memory: Mib(gib * 1024), disk: Gib(disk), instances },
        },
    )
}

fn need() -> impl Strategy<Value = Need> {
    let category = select(&[Category::General, Category::Burstable][..]);
    (category, select(&[0u32, 1, 1, 2, 4, 8, 30][..]), select(&[0u64, 500, 1024, 4096, 8192, 30_000][..]), select(&[0u32, 0, 10, 40][..]))
        .prop_map(|(category, vcpus, mib, gib)| Need { category, vcpus, memory: Mib(mib), disk: Gib(gib) })
}

fn asked() -> impl Strategy<Value = Asked> {
    let level = || select(&[Level::Host, Level::Rack, Level::Switch][..]);
    let rule = prop_oneof![
        4 => Just(None),
        2 => (level(), 0..4u32).prop_map(|(level, most)| Some(GroupRule::Spread { level, most })),
        1 => level().prop_map(|level| Some(GroupRule::Cluster { level })),
        1 => (level(), 0..3u32).prop_map(|(level, number)| Some(GroupRule::Partition { level, number })),
    ];
    let members = prop::collection::vec((HOSTS, 0..3u32), 0..5);
    let zones = select(ZONES_ASKED);
    let labels = select(LABELS_ASKED);
    let kind = (0..12u8, select(ACCELERATORS_ASKED), often_none(&["acme", "nobody"]));
    let exclude = prop::collection::vec(HOSTS, 0..3);
    (need(), zones, kind, labels, rule, members, exclude).prop_map(
        |(need, zones, (arch, accelerators, dedicated), labels, rule, members, exclude)| Asked {
            need,
            zones: zones.to_vec(),
            architecture: if arch == 0 { Architecture::Arm64 } else { Architecture::X86_64 },
            accelerators: accelerators.to_vec(),
            labels: labels.to_vec(),
            dedicated,
            rule,
            members: members.into_iter().map(|(host, partition)| Member { host: id(host), partition }).collect(),
            exclude: exclude.into_iter().map(id).collect(),
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => row().prop_map(Step::Upsert),
        1 => HOSTS.prop_map(Step::Remove),
        12 => asked().prop_map(Step::Place),
        2 => (0..1000usize).prop_map(Step::Release),
    ]
}

/// Checks that each proposed change fits by the rows alone, and that no larger amount would.
fn check_changes(naive: &Naive, request: &Request, refused: &Refusal) {
    let fits = |changed: Request| naive.fits(&changed);
    let with = |need: Need| Request { need, ..*request };
    let need = request.need;
    let mut proposed = BTreeSet::new();
    for change in &refused.changes {
        match change {
            Change::Count { .. } => panic!("one instance has no smaller number"),
            Change::Zone { zone } => {
                assert!(fits(Request { zones: &[zone], ..*request }));
                proposed.insert("zone");
            }
            Change::Memory { at_most, zone } => {
                let zones: &[&str] = &[zone];
                assert!(fits(Request { zones, ..with(Need { memory: *at_most, ..need }) }));
                assert!(!fits(with(Need { memory: Mib(at_most.0 + 1), ..need })));
                proposed.insert("memory");
            }
            Change::Vcpus { at_most, zone } => {
                let zones: &[&str] = &[zone];
                assert!(fits(Request { zones, ..with(Need { vcpus: *at_most, ..need }) }));
                assert!(!fits(with(Need { vcpus: at_most + 1, ..need })));
                proposed.insert("vcpus");
            }
            Change::Disk { at_most, zone } => {
                let zones: &[&str] = &[zone];
                assert!(fits(Request { zones, ..with(Need { disk: *at_most, ..need }) }));
                assert!(!fits(with(Need { disk: Gib(at_most.0 + 1), ..need })));
                proposed.insert("disk");
            }
            Change::Type { name, .. } => {
                let t = Catalogue::standard().by_name(name).unwrap();
                assert!(fits(with(Need { category: t.category, vcpus: t.vcpus, memory: t.memory, ..need })));
                proposed.insert("type");
            }
            Change::Group => assert!(fits(Request { group: None, ..*request }) && proposed.insert("group")),
            Change::Labels => assert!(fits(Request { labels: &[], ..*request }) && proposed.insert("labels")),
            Change::Dedicated => assert!(fits(Request { dedicated: None, ..*request }) && proposed.insert("dedicated")),
            Change::Accelerators => assert!(fits(Request { accelerators: &[], ..*request }) && proposed.insert("accelerators")),
            Change::Excluded => assert!(fits(Request { exclude: &[], ..*request }) && proposed.insert("excluded")),
        }
    }
    // And nothing that would help is kept back.
    let helps = [
        ("memory", need.memory.0 > 1 && fits(with(Need { memory: Mib(1), ..need }))),
        ("vcpus", need.vcpus > 1 && fits(with(Need { vcpus: 1, ..need }))),
        ("disk", need.disk.0 > 0 && fits(with(Need { disk: Gib(0), ..need }))),
        ("group", request.group.is_some() && fits(Request { group: None, ..*request })),
        ("labels", fits(Request { labels: &[], ..*request })),
        ("dedicated", fits(Request { dedicated: None, ..*request })),
        ("accelerators", fits(Request { accelerators: &[], ..*request })),
        ("excluded", fits(Request { exclude: &[], ..*request })),
    ];
    for (what, fits) in helps {
        assert!(!fits || proposed.contains(what), "{what} would help: {refused}");
    }
    let zones = ["a", "b"].iter().filter(|z| !request.zones.is_empty() && !request.zones.contains(z));
    let open = zones.filter(|zone| fits(Request { zones: &[zone], ..*request })).count();
    assert_eq!(open, refused.changes.iter().filter(|c| matches!(c, Change::Zone { .. })).count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_chooses_what_a_look_at_every_host_does(
        rows in prop::collection::vec(row(), 1..30),
        steps in prop::collection::vec(step(), 1..60),
        seed in any::<u64>(),
    ) {
        let overcommit = Overcommit::none().with(Category::Burstable, Ratio { vcpus: 300, memory: 130 });
        let mut fleet = Fleet::new(overcommit, seed);
        let mut naive = Naive { hosts: Vec::new(), overcommit, seed };
        let mut living: Vec<(HostId, Need)> = Vec::new();
        for step in rows.into_iter().map(Step::Upsert).chain(steps) {
            match step {
                Step::Upsert(row) => {
                    fleet.host_upsert(row.clone());
                    match naive.get(row.id) {
                        Some(host) => host.row = row,
                        None => naive.hosts.push(NaiveHost { row, held: Vec::new() }),
                    }
                }
                Step::Remove(n) => {
                    fleet.host_remove(id(n));
                    naive.hosts.retain(|h| h.row.id != id(n));
                    living.retain(|(host, _)| *host != id(n));
                }
                Step::Release(at) => {
                    if living.is_empty() { continue }
                    let (host, need) = living.swap_remove(at % living.len());
                    fleet.release(host, &need);
                    let held = &mut naive.get(host).unwrap().held;
                    let at = held.iter().position(|n| *n == need).unwrap();
                    held.swap_remove(at);
                }
                Step::Place(asked) => {
                    let request = asked.request();
                    match (fleet.place(&request), naive.place(&request)) {
                        (Ok(chosen), wanted) => {
                            prop_assert_eq!(Some(chosen), wanted);
                            fleet.reserve(chosen, &asked.need);
                            naive.get(chosen).unwrap().held.push(asked.need);
                            living.push((chosen, asked.need));
                        }
                        (Err(refused), wanted) => {
                            prop_assert_eq!(wanted, None);
                            prop_assert_eq!(&refused.reasons, &naive.reasons(&request));
                            check_changes(&naive, &request, &refused);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_batch_holds_as_many_as_one_by_one_and_keeps_every_rule(
        rows in prop::collection::vec(row(), 1..30),
        asked in asked(),
        strategy in select(&[Layout::Pack, Layout::Spread][..]),
        seed in any::<u64>(),
    ) {
        let overcommit = Overcommit::none();
        let mut fleet = Fleet::new(overcommit, seed);
        let mut naive = Naive { hosts: Vec::new(), overcommit, seed };
        for row in rows {
            fleet.host_upsert(row.clone());
            match naive.get(row.id) {
                Some(host) => host.row = row,
                None => naive.hosts.push(NaiveHost { row, held: Vec::new() }),
            }
        }
        let most = 40;
        let request = asked.request();
        let fitting = match fleet.place_many(&request, most, strategy) {
            Ok(hosts) => hosts.len() as u32,
            Err(refused) => refused.placeable,
        };
        let hosts = fleet.place_many(&request, fitting, strategy).expect("it was said to fit");
        let mut members = asked.members.clone();
        let number = match asked.rule { Some(GroupRule::Partition { number, .. }) => number, _ => 0 };
        for (at, host) in hosts.iter().enumerate() {
            let request = Request { group: asked.rule.map(|rule| Group { rule, members: &members }), ..request };
            let chosen = naive.hosts.iter().find(|h| h.row.id == *host).unwrap();
            prop_assert_eq!(naive.reason(chosen, &request), None);
            // A new cluster looks ahead to the whole batch; all else goes step by step.
            if at > 0 || !matches!(asked.rule, Some(GroupRule::Cluster { .. })) {
                let wanted = match strategy {
                    Layout::Pack => naive.place(&request),
                    Layout::Spread => naive.loneliest(&request, &hosts[..at]),
                };
                prop_assert_eq!(Some(*host), wanted);
            }
            naive.get(*host).unwrap().held.push(asked.need);
            members.push(Member { host: *host, partition: number });
        }
        // Nothing more fits after the last; a cluster may have chosen a rack before, which is checked above.
        let request = Request { group: asked.rule.map(|rule| Group { rule, members: &members }), ..request };
        prop_assert!(fitting == most || !naive.fits(&request));
    }
}
