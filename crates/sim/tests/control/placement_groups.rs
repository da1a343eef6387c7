//! Placement groups: their rules hold for launches one after the other and at the same time, over failures of hosts and of the
//! control plane, and a refusal says that it is the group.

use std::collections::{BTreeMap, BTreeSet};

use control::{
    Caller, CreatePlacementGroup, DeletePlacementGroups, MoveToPlacementGroup, Options, PlacementGroupView, Query, RunInstances,
    StopInstances, TerminateInstances,
};
use model::{
    Error, FailureDomain, Host, HostId, Instance, InstanceId, MemberLimit, Noun, PlacementChoice, PlacementGroup, PlacementGroupRef,
    PlacementRule, SILENT_AFTER_MS, Tags,
};

use crate::world::{World, launch};

const APART: PlacementRule = PlacementRule::Spread { level: FailureDomain::Host, most: 1 };

async fn group(world: &World, rule: PlacementRule, limit: Option<MemberLimit>) -> PlacementGroup {
    let (name, description) = ("g".to_owned(), String::new());
    let new = CreatePlacementGroup { name, name_is_unique: false, description, rule, limit, tags: Tags::new() };
    world.cloud.run(&world.root().await, new, Options::default()).await.unwrap()
}

fn into(world: &World, group: &PlacementGroup, partition: Option<u32>, min: u32, max: u32) -> RunInstances {
    let choice = PlacementChoice { group: PlacementGroupRef::Id(group.id), partition };
    RunInstances { placement: Some(choice), zone: Some("sim-1a".to_owned()), ..launch(world.image, min, max) }
}

async fn run(world: &World, root: &Caller, command: RunInstances) -> Result<Vec<InstanceId>, Error> {
    world.cloud.run(root, command, Options::default()).await.map(|launched| launched.instances)
}

async fn hosts_of(world: &World, ids: &[InstanceId]) -> Vec<HostId> {
    let ids = ids.to_vec();
    let rows = world.store.read(move |tx| tx.get_many::<Instance>(&ids)).await.unwrap();
    rows.into_iter().map(|row| row.host).collect()
}

async fn racks_of(world: &World, ids: &[InstanceId]) -> BTreeSet<String> {
    let hosts = hosts_of(world, ids).await;
    let rows = world.store.read(move |tx| tx.get_many::<Host>(&hosts)).await.unwrap();
    rows.into_iter().map(|host| format!("{:?}{:?}", host.zones, host.rack)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spread_group_takes_one_instance_a_host_and_then_says_that_it_is_the_group() {
    // Half of them are in the zone.
    let world = World::new(6, 1).await;
    let root = world.root().await;
    let group = group(&world, APART, None).await;
    let ids = run(&world, &root, into(&world, &group, None, 1, 5)).await.unwrap();
    assert_eq!(hosts_of(&world, &ids).await.into_iter().collect::<BTreeSet<_>>().len(), 3, "as many as there are hosts: {ids:?}");
    let refused = run(&world, &root, into(&world, &group, None, 1, 1)).await.unwrap_err();
    let Error::NoPlaceInGroup { group: named, reason } = &refused else { panic!("{refused:?}") };
    assert_eq!(named, &group.id.to_string());
    assert!(reason.contains("closed by the placement group"), "{reason}");
    // Without the group there is room.
    run(&world, &root, RunInstances { placement: None, ..into(&world, &group, None, 1, 1) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn launches_at_the_same_time_never_break_a_spread() {
    for seed in 1..=8 {
        let world = World::new(10, seed).await;
        let root = world.root().await;
        let group = group(&world, APART, None).await;
        let launching = |_| {
            let (cloud, root, command) = (world.cloud.clone(), root.clone(), into(&world, &group, None, 1, 1));
            tokio::spawn(async move { cloud.run(&root, command, Options::default()).await })
        };
        let tasks: Vec<_> = (0..12).map(launching).collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        let made: Vec<InstanceId> = answers.iter().flatten().flat_map(|launched| launched.instances.clone()).collect();
        assert_eq!(made.len(), 5, "seed {seed}: one for each host of the zone");
        assert_eq!(hosts_of(&world, &made).await.into_iter().collect::<BTreeSet<_>>().len(), 5, "seed {seed}");
        assert!(answers.iter().flat_map(|answer| answer.as_ref().err()).all(|error| matches!(error, Error::NoPlaceInGroup { .. })));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_stays_in_the_rack_that_holds_it_all() {
    let world = World::new(8, 1).await;
    let root = world.root().await;
    let group = group(&world, PlacementRule::Cluster { level: FailureDomain::Rack }, None).await;
    // More than one host holds: 64 processors each, two for an instance.
    let first = run(&world, &root, into(&world, &group, None, 40, 40)).await.unwrap();
    assert_eq!((racks_of(&world, &first).await.len(), hosts_of(&world, &first).await.into_iter().collect::<BTreeSet<_>>().len()), (1, 2));
    let second = run(&world, &root, into(&world, &group, None, 1, 24)).await.unwrap();
    assert_eq!(racks_of(&world, &[first, second.clone()].concat()).await.len(), 1);
    assert_eq!(second.len(), 24, "the rack holds 64");
    let full = run(&world, &root, into(&world, &group, None, 1, 1)).await.unwrap_err();
    assert!(matches!(full, Error::NoPlaceInGroup { .. }), "{full:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_share_no_rack_and_fill_evenly() {
    // Three racks in the zone.
    let world = World::new(12, 1).await;
    let root = world.root().await;
    let group = group(&world, PlacementRule::Partition { level: FailureDomain::Rack, count: 3 }, None).await;
    let ids = run(&world, &root, into(&world, &group, None, 9, 9)).await.unwrap();
    let members = world.store.read(move |tx| tx.get_many::<Instance>(&ids)).await.unwrap();
    let mut racks: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for member in &members {
        let partition = member.placement.as_ref().unwrap().partition.unwrap();
        racks.entry(partition).or_default().extend(racks_of(&world, &[member.id]).await);
        *counts.entry(partition).or_default() += 1;
    }
    assert_eq!(counts, BTreeMap::from([(1, 3), (2, 3), (3, 3)]));
    let all: Vec<&String> = racks.values().flatten().collect();
    assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len(), "no rack has two partitions: {racks:?}");
    let chosen = run(&world, &root, into(&world, &group, Some(2), 1, 1)).await.unwrap();
    assert_eq!(racks_of(&world, &chosen).await, racks[&2]);
    let beyond = run(&world, &root, into(&world, &group, Some(4), 1, 1)).await;
    assert!(matches!(beyond, Err(Error::InvalidParameter { name: "PartitionNumber", .. })), "{beyond:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_with_members_stays_and_one_without_goes() {
    let mut world = World::new(4, 1).await;
    let root = world.root().await;
    let group = group(&world, APART, Some(MemberLimit::Zone(1))).await;
    let ids = run(&world, &root, into(&world, &group, None, 1, 1)).await.unwrap();
    let over = run(&world, &root, into(&world, &group, None, 1, 1)).await.unwrap_err();
    assert!(matches!(over, Error::LimitReached { name: "PlacementGroup", limit: 1, .. }), "{over:?}");
    let delete = DeletePlacementGroups { groups: vec![PlacementGroupRef::Id(group.id)] };
    let used = world.cloud.run(&root, delete.clone(), Options::default()).await.unwrap_err();
    assert_eq!(used, Error::InUse { noun: Noun::PlacementGroup, id: "g".to_owned(), by: vec![ids[0].to_string()] });
    world.cloud.run(&root, TerminateInstances { ids, only_stopped: false }, Options::default()).await.unwrap();
    world.settle().await;
    world.cloud.run(&root, delete, Options::default()).await.unwrap();
    let left = world.cloud.list::<PlacementGroupView>(&root, Query::default()).await.unwrap();
    assert_eq!(left.rows, vec![]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_joins_a_group_only_where_its_host_keeps_the_rule() {
    let mut world = World::new(2, 1).await;
    let root = world.root().await;
    let group = group(&world, APART, None).await;
    let plain = RunInstances { placement: None, ..into(&world, &group, None, 2, 2) };
    // The zone has one host.
    let ids = run(&world, &root, plain).await.unwrap();
    world.settle().await;
    let to = Some(PlacementChoice { group: PlacementGroupRef::Id(group.id), partition: None });
    let join = |id: InstanceId, only_stopped| MoveToPlacementGroup { instances: vec![id], to: to.clone(), only_stopped };
    let running = world.cloud.run(&root, join(ids[0], true), Options::default()).await;
    assert!(matches!(running, Err(Error::IncorrectState { wanted: "stopped", .. })), "{running:?}");
    world.cloud.run(&root, join(ids[0], false), Options::default()).await.unwrap();
    let broken = world.cloud.run(&root, join(ids[1], false), Options::default()).await;
    assert!(matches!(broken, Err(Error::NoPlaceInGroup { .. })), "{broken:?}");
    let out = MoveToPlacementGroup { instances: vec![ids[0]], to: None, only_stopped: false };
    world.cloud.run(&root, out, Options::default()).await.unwrap();
    world.cloud.run(&root, join(ids[1], false), Options::default()).await.unwrap();
    world.settle().await;
    let spec = world.document(0).await;
    let told: Vec<Option<&str>> = spec.vms.iter().map(|vm| vm.metadata.placement.as_ref().map(|group| group.group.as_str())).collect();
    assert_eq!(told.iter().flatten().collect::<Vec<_>>(), [&"g"], "its guest reads of it");
}

/// Members of a group, no two of them on one host, whatever fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spread_holds_over_failing_hosts_and_a_crashing_control_plane() {
    for seed in 1..=12_u64 {
        let mut world = World::new(10, seed).await;
        let group = group(&world, APART, None).await;
        let mut silent = 0;
        for step in 0..12_u64 {
            let root = world.root().await;
            let dice = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (step * 4)) % 5;
            match dice {
                0 => world.crash(),
                // Half of the hosts say nothing for as long as it takes to be given up.
                1 => {
                    world.wait(SILENT_AFTER_MS + 1);
                    silent = (silent + 1) % 2;
                    for host in (silent..world.hosts.len()).step_by(2) {
                        let document = world.document(host).await;
                        let report = world.hosts[host].obey(&document);
                        world.cloud.report(report).await.unwrap();
                    }
                    while world.cloud.work_once("test").await.unwrap() > 0 {}
                }
                2 => {
                    let members = world.cloud.list::<PlacementGroupView>(&root, Query::default()).await.unwrap().rows.remove(0).members;
                    if let Some(member) = members.first() {
                        let ids = vec![member.instance];
                        let _ = world
                            .cloud
                            .run(&root, StopInstances { ids: ids.clone(), force: true, keep_capacity: false }, Options::default())
                            .await;
                        let _ = world.cloud.run(&root, TerminateInstances { ids, only_stopped: false }, Options::default()).await;
                    }
                    world.settle().await;
                }
                _ => match run(&world, &root, into(&world, &group, None, 1, 2)).await {
                    Ok(_) | Err(Error::NoPlaceInGroup { .. } | Error::NoCapacity { .. }) => {}
                    Err(other) => panic!("seed {seed}: {other:?}"),
                },
            }
            let members =
                world.cloud.list::<PlacementGroupView>(&world.root().await, Query::default()).await.unwrap().rows.remove(0).members;
            let hosts: Vec<HostId> = members.iter().map(|member| member.host).collect();
            assert_eq!(hosts.len(), hosts.iter().collect::<BTreeSet<_>>().len(), "seed {seed}, step {step}");
            let ids: Vec<InstanceId> = members.iter().map(|member| member.instance).collect();
            assert_eq!(hosts_of(&world, &ids).await, hosts, "a member is where its instance is");
        }
    }
}
