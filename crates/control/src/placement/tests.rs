//! The rules one by one, what a refusal says, and batches. That the index is exact is shown in `naive`, how well it packs
//! in `packing`.

mod naive;
mod packing;

use std::collections::{BTreeMap, BTreeSet};

use model::Catalogue;

use super::*;

/// A host of 16 processors and 64 GiB in rack 1 of zone `a`, up, with nothing special.
fn host(id: u64) -> HostRow {
    HostRow {
        id: HostId::from_u64(id),
        zones: vec!["a".to_owned()],
        rack: Some("r1".to_owned()),
        switch: Some("s1".to_owned()),
        state: HostState::Up,
        architecture: Architecture::X86_64,
        accelerator: Accelerator::Kvm,
        labels: Vec::new(),
        dedicated: None,
        capacity: HostCapacity { vcpus: 16, memory: Mib(65_536), disk: Gib(1_000), instances: 100 },
    }
}

fn fleet(rows: impl IntoIterator<Item = HostRow>) -> Fleet {
    let mut fleet = Fleet::new(Overcommit::none(), 7);
    rows.into_iter().for_each(|row| fleet.host_upsert(row));
    fleet
}

fn need(vcpus: u32, gib: u64) -> Need {
    Need { category: Category::General, vcpus, memory: Mib(gib * 1024), disk: Gib(10) }
}

fn id(n: u64) -> HostId {
    HostId::from_u64(n)
}

fn members(hosts: &[u64]) -> Vec<Member> {
    hosts.iter().map(|n| Member { host: id(*n), partition: 0 }).collect()
}

fn refusal(fleet: &Fleet, request: &Request) -> Refusal {
    *fleet.place(request).expect_err("nothing should fit")
}

#[test]
fn a_host_that_breaks_a_rule_is_not_chosen_and_the_refusal_names_the_rule() {
    let small = Request::plain(need(1, 1));
    let no_hosts: &[HostId] = &[id(1)];
    let on_one = members(&[1]);
    let spread = Group { rule: GroupRule::Spread { level: Level::Host, most: 1 }, members: &on_one };
    let cases: Vec<(Reason, HostRow, Request)> = vec![
        (Reason::Down, HostRow { state: HostState::Down, ..host(1) }, small),
        (Reason::Draining, HostRow { state: HostState::Draining, ..host(1) }, small),
        (Reason::Zone, host(1), Request { zones: &["b"], ..small }),
        (Reason::Architecture, HostRow { architecture: Architecture::Arm64, ..host(1) }, small),
        (Reason::Accelerator, HostRow { accelerator: Accelerator::Tcg, ..host(1) }, Request { accelerators: &[Accelerator::Kvm], ..small }),
        (Reason::Dedicated, HostRow { dedicated: Some("acme".into()), ..host(1) }, small),
        (Reason::Dedicated, HostRow { dedicated: Some("acme".into()), ..host(1) }, Request { dedicated: Some("else"), ..small }),
        (Reason::Dedicated, host(1), Request { dedicated: Some("acme"), ..small }),
        (Reason::Label, HostRow { labels: vec!["nvme".into()], ..host(1) }, Request { labels: &["nvme", "gpu"], ..small }),
        (Reason::Excluded, host(1), Request { exclude: no_hosts, ..small }),
        (Reason::Group, host(1), Request { group: Some(spread), ..small }),
        (Reason::Instances, HostRow { capacity: HostCapacity { instances: 0, ..host(1).capacity }, ..host(1) }, small),
        (Reason::Memory, host(1), Request::plain(need(1, 65))),
        (Reason::Vcpus, host(1), Request::plain(need(17, 1))),
        (Reason::Disk, host(1), Request::plain(Need { disk: Gib(1_001), ..need(1, 1) })),
    ];
    for (reason, row, request) in cases {
        let refused = refusal(&fleet([row.clone()]), &request);
        assert_eq!((refused.hosts, &refused.reasons[..]), (1, &[(reason, 1)][..]), "{row:?}");
        let fine = HostRow {
            id: id(2),
            zones: vec!["b".into(), "a".into()],
            rack: Some("r2".into()),
            labels: vec!["gpu".into(), "nvme".into()],
            dedicated: request.dedicated.map(str::to_owned),
            capacity: HostCapacity { vcpus: 32, memory: Mib(131_072), disk: Gib(2_000), instances: 1 },
            ..host(2)
        };
        assert_eq!(fleet([row, fine]).place(&request), Ok(id(2)), "{reason:?}");
    }
}

#[test]
fn a_host_serves_each_of_its_zones() {
    let fleet = fleet([HostRow { zones: vec!["a".into(), "b".into(), "a".into()], ..host(1) }]);
    for (zones, fits) in [(&["a"][..], true), (&["b"], true), (&["c", "b"], true), (&["c"], false), (&[], true)] {
        assert_eq!(fleet.place(&Request { zones, ..Request::plain(need(1, 1)) }).is_ok(), fits, "{zones:?}");
    }
}

#[test]
fn overcommit_goes_by_category_and_by_resource() {
    let overcommit = Overcommit::none().with(Category::Burstable, Ratio { vcpus: 400, memory: 150 });
    let mut fleet = Fleet::new(overcommit, 7);
    fleet.host_upsert(host(1));
    let burstable = Need { category: Category::Burstable, ..need(16, 6) };
    for _ in 0..3 {
        let request = Request::plain(burstable);
        assert_eq!(fleet.place(&request), Ok(id(1)));
        fleet.reserve(id(1), &burstable);
    }
    // 3 x 16 / 4 = 12 of 16 processors and 3 x 6 / 1.5 = 12 of 64 GiB are taken.
    assert_eq!(fleet.place(&Request::plain(need(4, 52))), Ok(id(1)));
    assert!(fleet.place(&Request::plain(need(5, 52))).is_err());
    assert!(fleet.place(&Request::plain(need(4, 53))).is_err());
    // A third of a MiB too much is too much.
    let odd = Need { category: Category::Burstable, memory: Mib(100), ..need(1, 0) };
    assert_eq!(fleet.overcommit().cost(&odd), Cost { millicpus: 250, mib: 67, gib: 10 });
}

#[test]
fn what_is_released_can_be_taken_again_and_rows_keep_reservations() {
    let mut fleet = fleet([host(1)]);
    let half = need(8, 32);
    fleet.reserve(id(1), &half);
    fleet.reserve(id(1), &half);
    assert!(fleet.place(&Request::plain(half)).is_err());
    fleet.host_upsert(HostRow { state: HostState::Draining, ..host(1) });
    fleet.release(id(1), &half);
    assert_eq!(refusal(&fleet, &Request::plain(half)).reasons, [(Reason::Draining, 1)]);
    fleet.host_upsert(host(1));
    assert_eq!(fleet.place(&Request::plain(half)), Ok(id(1)));
    assert!(fleet.place(&Request::plain(need(9, 32))).is_err());
    fleet.host_remove(id(1));
    assert_eq!((fleet.host_count(), refusal(&fleet, &Request::plain(half)).hosts), (0, 0));
    fleet.reserve(id(1), &half);
    fleet.host_upsert(host(1));
    assert_eq!(fleet.place(&Request::plain(need(16, 64))), Ok(id(1)));
}

#[test]
fn an_instance_goes_where_it_evens_out_what_is_free_and_then_where_least_is_left() {
    let mut fleet = fleet((1..=3).map(host));
    fleet.reserve(id(1), &need(8, 8));
    fleet.reserve(id(2), &need(4, 40));
    // Host 1 has processors taken and memory free, host 2 the reverse.
    assert_eq!(fleet.place(&Request::plain(need(1, 8))), Ok(id(1)));
    assert_eq!(fleet.place(&Request::plain(need(4, 8))), Ok(id(2)));
    fleet.host_remove(id(1));
    fleet.host_remove(id(2));
    fleet.host_upsert(host(4));
    fleet.reserve(id(4), &need(4, 16));
    assert_eq!(fleet.place(&Request::plain(need(2, 8))), Ok(id(4)));
    assert_eq!(fleet.place(&Request::plain(need(16, 64))), Ok(id(3)));
}

#[test]
fn special_hosts_are_kept_for_those_who_ask() {
    let special = |n| HostRow { labels: vec!["gpu".into(), "nvme".into()], ..host(n) };
    let fleet = fleet([special(1), HostRow { labels: vec!["nvme".into()], ..host(2) }, host(3)]);
    let place = |labels: &[&str]| fleet.place(&Request { labels, ..Request::plain(need(1, 4)) });
    assert_eq!((place(&[]), place(&["nvme"]), place(&["gpu"])), (Ok(id(3)), Ok(id(2)), Ok(id(1))));
}

#[test]
fn the_seed_decides_between_equals_and_always_alike() {
    let choice = |seed: u64, order: &mut dyn Iterator<Item = u64>| {
        let mut fleet = Fleet::new(Overcommit::none(), seed);
        order.for_each(|n| fleet.host_upsert(host(n)));
        fleet.place(&Request::plain(need(1, 1))).unwrap()
    };
    let chosen: BTreeSet<HostId> = (0..40).map(|seed| choice(seed, &mut (1..=20))).collect();
    assert!(chosen.len() > 8, "{chosen:?}");
    for seed in 0..40 {
        assert_eq!(choice(seed, &mut (1..=20)), choice(seed, &mut (1..=20).rev()));
    }
}

/// Six hosts: two in each of racks 1 to 3, racks 1 and 2 on switch 1.
fn racks() -> Vec<HostRow> {
    let row = |n: u64| {
        let rack = n.div_ceil(2);
        HostRow { rack: Some(format!("r{rack}")), switch: Some(format!("s{}", rack.div_ceil(2))), ..host(n) }
    };
    (1..=6).map(row).collect()
}

#[test]
fn a_spread_group_keeps_its_members_apart() {
    let fleet = fleet(racks());
    let open = |level, most, present: &[u64]| {
        let members = members(present);
        let group = Some(Group { rule: GroupRule::Spread { level, most }, members: &members });
        let request = Request { group, ..Request::plain(need(1, 1)) };
        let each = |n: &u64| {
            let others: Vec<HostId> = (1..=6).filter(|o| o != n).map(id).collect();
            fleet.place(&Request { exclude: &others, ..request }).is_ok()
        };
        (1..=6).filter(each).collect::<Vec<u64>>()
    };
    assert_eq!(open(Level::Host, 1, &[1, 4]), [2, 3, 5, 6]);
    assert_eq!(open(Level::Host, 2, &[1, 1, 4]), [2, 3, 4, 5, 6]);
    assert_eq!(open(Level::Rack, 1, &[1, 4]), [5, 6]);
    assert_eq!(open(Level::Rack, 2, &[1, 2, 4]), [3, 4, 5, 6]);
    assert_eq!(open(Level::Switch, 1, &[1]), [5, 6]);
    assert_eq!(open(Level::Switch, 1, &[1, 99]), [5, 6]);
    assert_eq!(open(Level::Host, 0, &[]), [] as [u64; 0]);
}

#[test]
fn a_cluster_stays_together_and_partitions_stay_apart() {
    let fleet = fleet(racks());
    let place = |rule, members: &[Member]| {
        let request = Request { group: Some(Group { rule, members }), ..Request::plain(need(1, 1)) };
        (0..30)
            .filter_map(|_| fleet.place_many(&request, 30, Strategy::Spread).ok())
            .flatten()
            .map(HostId::as_u64)
            .collect::<BTreeSet<u64>>()
    };
    let cluster = |level| GroupRule::Cluster { level };
    assert_eq!(place(cluster(Level::Rack), &members(&[3])), BTreeSet::from([3, 4]));
    assert_eq!(place(cluster(Level::Switch), &members(&[3])), BTreeSet::from([1, 2, 3, 4]));
    let together = place(cluster(Level::Rack), &[]);
    assert!([[1, 2], [3, 4], [5, 6]].map(BTreeSet::from).contains(&together), "{together:?}");
    let partition = |number| GroupRule::Partition { level: Level::Rack, number };
    let present = [Member { host: id(1), partition: 1 }, Member { host: id(3), partition: 2 }];
    assert_eq!(place(partition(1), &present), BTreeSet::from([1, 2, 5, 6]));
    assert_eq!(place(partition(3), &present), BTreeSet::from([5, 6]));
}

#[test]
fn hosts_without_a_named_rack_count_as_one_rack() {
    let fleet = fleet((1..=2).map(|n| HostRow { rack: None, ..host(n) }));
    let present = members(&[1]);
    let group = |level| Some(Group { rule: GroupRule::Spread { level, most: 1 }, members: &present });
    assert!(fleet.place(&Request { group: group(Level::Rack), ..Request::plain(need(1, 1)) }).is_err());
    assert_eq!(fleet.place(&Request { group: group(Level::Host), ..Request::plain(need(1, 1)) }), Ok(id(2)));
}

fn counts(hosts: &[HostId]) -> BTreeMap<u64, usize> {
    hosts.iter().fold(BTreeMap::new(), |mut counts, host| {
        *counts.entry(host.as_u64()).or_default() += 1;
        counts
    })
}

#[test]
fn a_batch_is_placed_whole_or_not_at_all() {
    let fleet = fleet(racks());
    let request = Request::plain(need(4, 32));
    assert_eq!(counts(&fleet.place_many(&request, 12, Strategy::Pack).unwrap()), (1..=6).map(|n| (n, 2)).collect());
    let refused = fleet.place_many(&request, 13, Strategy::Pack).unwrap_err();
    assert_eq!((refused.count, refused.placeable, &refused.reasons[..]), (13, 12, &[(Reason::Memory, 6)][..]));
    assert_eq!(refused.changes[0], Change::Count { at_most: 12 });
    assert!(refused.changes.contains(&Change::Memory { at_most: Mib(21_845), zone: "a".into() }), "{refused}");
    assert!(fleet.place_many(&request, 0, Strategy::Pack).unwrap().is_empty());
}

#[test]
fn a_batch_is_packed_or_spread_as_asked() {
    let fleet = fleet(racks());
    let request = Request::plain(need(2, 8));
    assert_eq!(counts(&fleet.place_many(&request, 8, Strategy::Pack).unwrap()).into_values().collect::<Vec<_>>(), [8]);
    let spread = fleet.place_many(&request, 3, Strategy::Spread).unwrap();
    assert_eq!(spread.iter().map(|h| h.as_u64().div_ceil(2)).collect::<BTreeSet<_>>().len(), 3, "one in each rack: {spread:?}");
    assert_eq!(counts(&fleet.place_many(&request, 6, Strategy::Spread).unwrap()).len(), 6);
    assert_eq!(counts(&fleet.place_many(&request, 12, Strategy::Spread).unwrap()), (1..=6).map(|n| (n, 2)).collect());
}

#[test]
fn a_spread_batch_is_even_over_zones_of_different_size() {
    let zone = |n: u64| if n == 1 { "a" } else { "b" };
    let fleet = fleet((1..=5).map(|n| HostRow { zones: vec![zone(n).into()], rack: Some(format!("r{n}")), ..host(n) }));
    let hosts = fleet.place_many(&Request::plain(need(2, 8)), 8, Strategy::Spread).unwrap();
    assert_eq!(counts(&hosts), BTreeMap::from([(1, 4), (2, 1), (3, 1), (4, 1), (5, 1)]));
}

#[test]
fn a_batch_keeps_its_groups_rule_among_itself() {
    let fleet = fleet(racks());
    let rule = GroupRule::Spread { level: Level::Rack, most: 1 };
    let request = Request { group: Some(Group { rule, members: &[] }), ..Request::plain(need(1, 1)) };
    let racks: BTreeSet<u64> = fleet.place_many(&request, 3, Strategy::Pack).unwrap().iter().map(|h| h.as_u64().div_ceil(2)).collect();
    assert_eq!(racks.len(), 3);
    let refused = fleet.place_many(&request, 4, Strategy::Spread).unwrap_err();
    assert_eq!((refused.placeable, &refused.reasons[..]), (3, &[(Reason::Group, 6)][..]));
    assert_eq!(refused.changes, [Change::Count { at_most: 3 }, Change::Group]);
}

#[test]
fn a_cluster_batch_goes_to_the_rack_that_holds_it_all() {
    let mut fleet = fleet(racks());
    for n in [1, 2, 3, 4] {
        fleet.reserve(id(n), &need(8, 32));
    }
    // Racks 1 and 2 fit the first instance best, but hold only 8 of these; rack 3 holds 16.
    let group = Some(Group { rule: GroupRule::Cluster { level: Level::Rack }, members: &[] });
    let request = Request { group, ..Request::plain(need(2, 8)) };
    let used = |count| counts(&fleet.place_many(&request, count, Strategy::Pack).unwrap()).into_keys().collect::<Vec<_>>();
    assert_eq!(used(9), [5, 6]);
    assert!(used(8) != [5, 6]);
    let refused = fleet.place_many(&request, 17, Strategy::Pack).unwrap_err();
    assert_eq!(refused.placeable, 16);
    assert!(refused.changes.contains(&Change::Group), "{refused}");
}

#[test]
fn a_refusal_counts_every_host_once_and_names_what_would_fit() {
    let in_zone = |n: u64, zone: &str| HostRow { zones: vec![zone.into()], ..host(n) };
    let mut fleet = fleet((1..=20).map(|n| match n {
        1..=12 => in_zone(n, "a"),
        13..=15 => HostRow { state: HostState::Draining, ..in_zone(n, "a") },
        16 => HostRow { state: HostState::Down, ..in_zone(n, "a") },
        _ => in_zone(n, "b"),
    }));
    (1..=12).for_each(|n| fleet.reserve(id(n), &need(4, if n == 12 { 58 } else { 61 })));
    let types = Catalogue::standard().all();
    let refused = refusal(&fleet, &Request { zones: &["a"], types, ..Request::plain(need(2, 8)) });
    assert_eq!(refused.reasons, [(Reason::Down, 1), (Reason::Draining, 3), (Reason::Zone, 4), (Reason::Memory, 12)]);
    assert_eq!(
        refused.changes,
        [
            Change::Zone { zone: "b".into() },
            Change::Memory { at_most: Mib(6 * 1024), zone: "a".into() },
            Change::Type { name: "m7i.medium".into(), zone: "a".into() },
        ]
    );
    assert_eq!(
        refused.to_string(),
        "no room for 1 of 1: of 20 hosts 1 do not answer, 3 are being drained, 4 are in another zone, 12 lack memory; \
         zone b has room; 6144 MiB of memory or less would fit in zone a; type m7i.medium would fit in zone a"
    );
}

#[test]
fn a_refusal_proposes_to_drop_the_one_rule_that_stands_in_the_way() {
    let fleet = fleet([host(1)]);
    let here = [id(1)];
    let small = Request::plain(need(1, 1));
    for (request, change) in [
        (Request { labels: &["gpu"], ..small }, Change::Labels),
        (Request { dedicated: Some("acme"), ..small }, Change::Dedicated),
        (Request { accelerators: &[Accelerator::Tcg], ..small }, Change::Accelerators),
        (Request { exclude: &here, ..small }, Change::Excluded),
        (Request::plain(need(17, 1)), Change::Vcpus { at_most: 16, zone: "a".into() }),
        (Request::plain(Need { disk: Gib(2_000), ..need(1, 1) }), Change::Disk { at_most: Gib(1_000), zone: "a".into() }),
    ] {
        assert_eq!(refusal(&fleet, &request).changes, [change]);
    }
    assert_eq!(refusal(&fleet, &Request { labels: &["gpu"], dedicated: Some("acme"), ..small }).changes, []);
}

#[test]
fn amounts_beyond_all_measure_are_refused_and_not_wrapped() {
    let fleet = fleet([host(1)]);
    let huge = Need { category: Category::General, vcpus: u32::MAX, memory: Mib(u64::MAX), disk: Gib(u32::MAX) };
    assert_eq!(refusal(&fleet, &Request::plain(huge)).reasons, [(Reason::Memory, 1)]);
    let nothing = Need { category: Category::General, vcpus: 0, memory: Mib(0), disk: Gib(0) };
    assert_eq!(fleet.place_many(&Request::plain(nothing), 100, Strategy::Pack).map(|h| h.len()), Ok(100));
    assert_eq!(fleet.place_many(&Request::plain(nothing), 101, Strategy::Spread).unwrap_err().reasons, [(Reason::Instances, 1)]);
}
