//! Fleets: as much as was asked for and never more, of whichever pools have room, over terminations, failures of hosts and crashes
//! of the control plane.

use control::{
    CreateInstanceFleet, DeleteInstanceFleet, FleetMade, InstanceFleetView, ModifyInstanceFleet, OneOf, Options, Query, StopInstances,
    TerminateInstances,
};
use model::{
    Error, Excess, FLEET_IMPAIRED_MS, FLEET_LOOK_MS, FLEET_RETRY_MS, FLEET_VISIBLE_MS, FleetConfig, FleetHappening, FleetKind,
    FleetRefusal, FleetState, Host, HostState, Instance, InstanceFleetId, InstanceId, LaunchSettings, Noun, PoolOrder, PoolOverride,
    QuotaName, Tags, UNIT,
};
use pileus_sim::hosts::CAPACITY;

use crate::world::World;

/// Instances of the smallest type that a host holds.
const PER_HOST: u32 = CAPACITY.vcpus / 2;

fn pool(instance_type: &str, zone: &str, weight: u64) -> PoolOverride {
    let (instance_type, zone) = (Some(instance_type.to_owned()), Some(zone.to_owned()));
    PoolOverride { instance_type, zone, weight: Some(weight * UNIT), ..PoolOverride::default() }
}

fn fleet(world: &World, kind: FleetKind, target: u32, overrides: Vec<PoolOverride>) -> CreateInstanceFleet {
    let launch = LaunchSettings { image: Some(world.image), instance_type: Some("t3.nano".to_owned()), ..LaunchSettings::default() };
    CreateInstanceFleet {
        name: String::new(),
        description: String::new(),
        kind,
        target,
        least: None,
        one: OneOf::default(),
        order: PoolOrder::Prioritized,
        configs: vec![FleetConfig { template: None, launch, overrides }],
        excess: Excess::Ends,
        ends_members: false,
        replaces_impaired: false,
        begin: None,
        end: None,
        tags: Tags::new(),
    }
}

async fn make(world: &World, command: CreateInstanceFleet) -> FleetMade {
    world.cloud.run(&world.root().await, command, Options::default()).await.unwrap()
}

async fn view(world: &World, id: InstanceFleetId) -> InstanceFleetView {
    let query = Query { ids: vec![id], ..Query::default() };
    world.cloud.list::<InstanceFleetView>(&world.root().await, query).await.unwrap().rows.remove(0)
}

async fn members(world: &World, id: InstanceFleetId) -> Vec<InstanceId> {
    view(world, id).await.members.into_iter().map(|member| member.instance).collect()
}

/// Instances of a fleet that are not on their way out, told by their own rows.
async fn living(world: &World, id: InstanceFleetId) -> Vec<Instance> {
    let account = world.account;
    let rows = world.store.scan(move |tx| tx.instance_list_live(account)).await.unwrap();
    rows.into_iter().filter(|row| row.fleet == Some(id) && row.is_on_host()).collect()
}

async fn terminate(world: &World, ids: Vec<InstanceId>) {
    if ids.is_empty() {
        return;
    }
    world.cloud.run(&world.root().await, TerminateInstances { ids, only_stopped: false }, Options::default()).await.unwrap();
}

fn types(rows: &[Instance]) -> Vec<(String, String)> {
    let mut types: Vec<_> = rows.iter().map(|row| (row.instance_type.clone(), row.zone.clone())).collect();
    types.sort();
    types.dedup();
    types
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_once_a_fleet_takes_of_the_next_pool_what_the_first_has_not() {
    // One host in each zone.
    let world = World::new(2, 1).await;
    let pools = vec![pool("t3.nano", "sim-1a", 1), pool("t3.micro", "sim-1b", 2)];
    let made = make(&world, fleet(&world, FleetKind::Instant, PER_HOST + 4, pools)).await;
    let counts: Vec<_> = made.launched.iter().map(|of| (of.instance_type.as_str(), of.members.len() as u32)).collect();
    assert_eq!(counts, [("t3.nano", PER_HOST), ("t3.micro", 2)]);
    assert!(matches!(&made.lacks[..], [lack] if matches!(lack.why, FleetRefusal::NoCapacity { .. }) && lack.pool.pool == Some(0)));
    assert_eq!(view(&world, made.fleet.id).await.held(), u64::from(PER_HOST + 4) * UNIT);
    // Nothing of a fleet for which there is no room at all; the fleet says why.
    let none = make(&world, fleet(&world, FleetKind::Instant, 2, vec![pool("t3.nano", "sim-1a", 1), pool("t9.none", "sim-1b", 1)])).await;
    assert!(none.launched.is_empty());
    assert!(matches!(&none.lacks[1].why, FleetRefusal::NotFound { noun: Noun::InstanceType, .. }), "{:?}", none.lacks);
    assert_eq!(living(&world, none.fleet.id).await, vec![]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_type_or_zone_is_whole_or_the_most_there_is_and_never_below_the_least() {
    let world = World::new(2, 1).await;
    let one_zone = |target, least| CreateInstanceFleet {
        one: OneOf { zone: true, instance_type: false },
        least,
        ..fleet(&world, FleetKind::Instant, target, vec![])
    };
    // One zone has a place less.
    make(&world, fleet(&world, FleetKind::Instant, 1, vec![pool("t3.nano", "sim-1a", 1)])).await;
    let whole = make(&world, one_zone(PER_HOST, None)).await;
    assert_eq!(types(&living(&world, whole.fleet.id).await), [("t3.nano".to_owned(), "sim-1b".to_owned())]);
    terminate(&world, members(&world, whole.fleet.id).await).await;
    let few = make(&world, one_zone(PER_HOST, Some(PER_HOST))).await;
    assert_eq!((few.launched.len(), few.lacks.is_empty()), (0, false), "its rooms are not free yet");
    let most = make(&world, one_zone(PER_HOST, Some(2))).await;
    assert_eq!(types(&living(&world, most.fleet.id).await), [("t3.nano".to_owned(), "sim-1a".to_owned())]);
    assert_eq!(living(&world, most.fleet.id).await.len() as u32, PER_HOST - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maintained_fleet_has_its_target_again_whatever_goes_and_a_request_does_not() {
    let mut world = World::new(4, 1).await;
    let pools = || vec![pool("t3.nano", "sim-1a", 1), pool("t3.nano", "sim-1b", 1)];
    let kept = make(&world, fleet(&world, FleetKind::Maintain, 50, pools())).await.fleet.id;
    let once = make(&world, fleet(&world, FleetKind::Request, 3, pools())).await.fleet.id;
    world.settle().await;
    assert_eq!((living(&world, kept).await.len(), living(&world, once).await.len()), (50, 3));
    let gone: Vec<_> = members(&world, kept).await.into_iter().take(7).chain(members(&world, once).await.into_iter().take(1)).collect();
    terminate(&world, gone.clone()).await;
    world.crash();
    world.settle().await;
    assert_eq!((living(&world, kept).await.len(), living(&world, once).await.len()), (50, 2));
    assert!(members(&world, kept).await.iter().all(|id| !gone.contains(id)));
    let (_, events) = world.cloud.fleet_history(&world.root().await, kept).await.unwrap();
    let count = |fits: fn(&FleetHappening) -> bool| events.iter().filter(|event| fits(&event.what)).count();
    assert_eq!(count(|what| matches!(what, FleetHappening::Launched { .. })), 57, "each once");
    assert_eq!(count(|what| matches!(what, FleetHappening::Ended { .. })), 7);
    // A stopped member stays one.
    let stop = StopInstances { ids: members(&world, kept).await, force: true, keep_capacity: false };
    world.cloud.run(&world.root().await, stop, Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(living(&world, kept).await.len(), 50);
}

/// Seeds of crashes, dead workers, lost reports and terminations, while two fleets keep their targets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_crashes_no_fleet_has_more_than_its_target_and_in_the_end_each_has_it() {
    for seed in 1..=10_u64 {
        let mut world = World::new(4, seed).await;
        let mut ids = Vec::new();
        for target in [23, 31] {
            ids.push((make(&world, fleet(&world, FleetKind::Maintain, target, vec![])).await.fleet.id, target as usize));
        }
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for step in 0..60 {
            // xorshift64* (Vigna, 2016).
            dice ^= dice >> 12;
            dice ^= dice << 25;
            dice ^= dice >> 27;
            let roll = dice.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
            match roll % 6 {
                0 => world.crash(),
                1 => {
                    // A worker takes what is due and dies.
                    drop(world.store.lease_wakes("dead", world.clock.now(), 30_000, 100).await.unwrap());
                    world.wait(31_000);
                }
                2 => {
                    let members = members(&world, ids[step % 2].0).await;
                    terminate(&world, members.into_iter().skip(step % 5).take(3).collect::<Vec<_>>()).await;
                }
                3 => {
                    let host = step % world.hosts.len();
                    let document = world.document(host).await;
                    let report = world.hosts[host].obey(&document);
                    if roll & 64 == 0 {
                        world.cloud.report(report).await.unwrap();
                    }
                }
                _ => drop(world.cloud.work_once("test").await.unwrap()),
            }
            for (id, target) in &ids {
                let living = living(&world, *id).await;
                assert!(living.len() <= *target, "seed {seed} step {step}: {} of {target}", living.len());
            }
        }
        world.crash();
        world.wait(31_000);
        world.settle().await;
        for (id, target) in &ids {
            let mut own: Vec<InstanceId> = living(&world, *id).await.iter().map(|row| row.id).collect();
            own.sort();
            assert_eq!((own.len(), own), (*target, members(&world, *id).await), "seed {seed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_without_room_waits_and_takes_it_when_it_comes() {
    let mut world = World::new(2, 1).await;
    world.cloud.quota_set(world.account, QuotaName::Instances, 4).await.unwrap();
    let id = make(&world, fleet(&world, FleetKind::Request, 6, vec![])).await.fleet.id;
    world.settle().await;
    assert_eq!(living(&world, id).await.len(), 4);
    assert!(matches!(&view(&world, id).await.fleet.lacks[0].why, FleetRefusal::QuotaExceeded { quota: QuotaName::Instances, .. }));
    let told = world.cloud.fleet_history(&world.root().await, id).await.unwrap().1.len();
    for _ in 0..3 {
        world.wait(FLEET_RETRY_MS);
        world.settle().await;
    }
    assert_eq!(world.cloud.fleet_history(&world.root().await, id).await.unwrap().1.len(), told, "the same reason is told once");
    world.cloud.quota_set(world.account, QuotaName::Instances, 100).await.unwrap();
    world.wait(FLEET_RETRY_MS);
    world.settle().await;
    assert_eq!(living(&world, id).await.len(), 6);
    assert_eq!(view(&world, id).await.fleet.lacks, vec![]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_of_a_silent_host_are_replaced_where_that_was_asked_for() {
    let mut world = World::new(4, 1).await;
    let pools = || vec![pool("t3.nano", "sim-1a", 1)];
    let replaced = CreateInstanceFleet { replaces_impaired: true, ..fleet(&world, FleetKind::Maintain, 3, pools()) };
    let replaced = make(&world, replaced).await.fleet.id;
    let left = make(&world, fleet(&world, FleetKind::Maintain, 3, pools())).await.fleet.id;
    world.settle().await;
    let before = members(&world, left).await;
    let silent = living(&world, replaced).await[0].host;
    let at = world.ids.iter().position(|id| *id == silent).unwrap();
    // All but the silent host go on reporting, and the server has noticed.
    let noticed = world.store.write(move |tx| {
        let mut host = tx.get::<Host>(silent)?.unwrap();
        host.state = HostState::Silent;
        tx.update(&host)
    });
    noticed.await.unwrap();
    for _ in 0..(2 * FLEET_IMPAIRED_MS / FLEET_LOOK_MS + 2) {
        world.wait(FLEET_LOOK_MS / 2);
        for host in (0..world.hosts.len()).filter(|host| *host != at) {
            let document = world.document(host).await;
            let report = world.hosts[host].obey(&document);
            world.cloud.report(report).await.unwrap();
        }
        while world.cloud.work_once("test").await.unwrap() > 0 {}
    }
    let now = living(&world, replaced).await;
    assert_eq!(now.len(), 3);
    assert!(now.iter().all(|row| row.host != silent), "none is where nobody answers");
    assert_eq!(members(&world, left).await, before, "that was not asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_grows_shrinks_and_goes_with_its_instances_or_without() {
    let mut world = World::new(4, 1).await;
    let root = world.root().await;
    let id = make(&world, fleet(&world, FleetKind::Maintain, 4, vec![])).await.fleet.id;
    world.settle().await;
    let first = members(&world, id).await;
    let change = |target, excess| ModifyInstanceFleet { fleet: id, name: None, target: Some(target), excess, ends_members: None };
    world.cloud.run(&root, change(9, None), Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(members(&world, id).await.len(), 9);
    world.cloud.run(&root, change(6, Some(Excess::Stays)), Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(members(&world, id).await.len(), 9);
    world.cloud.run(&root, change(4, Some(Excess::Ends)), Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(members(&world, id).await, first, "the newest go");
    let delete = |ends_members| DeleteInstanceFleet { fleet: id, ends_members };
    assert_eq!(world.cloud.run(&root, delete(false), Options::default()).await, Ok(FleetState::Active));
    world.settle().await;
    terminate(&world, first[..1].to_vec()).await;
    world.settle().await;
    assert_eq!((living(&world, id).await.len(), view(&world, id).await.word()), (3, "deleted_running"), "nothing is replaced any more");
    world.cloud.run(&root, delete(true), Options::default()).await.unwrap();
    world.crash();
    world.settle().await;
    assert_eq!((living(&world, id).await.len(), view(&world, id).await.word()), (0, "deleted"));
    let again = world.cloud.run(&world.root().await, delete(true), Options::default()).await;
    assert!(matches!(again, Err(Error::IncorrectState { noun: Noun::InstanceFleet, .. })), "{again:?}");
    world.wait(FLEET_VISIBLE_MS);
    world.settle().await;
    let left = world.cloud.list::<InstanceFleetView>(&world.root().await, Query::default()).await.unwrap();
    assert_eq!(left.rows, vec![]);
    let rows = world.store.scan(|tx| {
        Ok::<_, store::StoreError>((tx.count::<model::FleetMember>(store::By::all())?, tx.count::<model::FleetEvent>(store::By::all())?))
    });
    assert_eq!(rows.await.unwrap(), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_begins_and_ends_at_its_times() {
    let mut world = World::new(2, 1).await;
    let (begin, end) = (world.clock.now().after(60_000), world.clock.now().after(120_000));
    let timed = |ends_members| CreateInstanceFleet {
        begin: Some(begin),
        end: Some(end),
        ends_members,
        ..fleet(&world, FleetKind::Maintain, 2, vec![])
    };
    let (with, without) = (timed(true), timed(false));
    let (with, without) = (make(&world, with).await.fleet.id, make(&world, without).await.fleet.id);
    world.settle().await;
    assert_eq!((living(&world, with).await.len(), view(&world, with).await.word()), (0, "submitted"));
    world.wait(60_000);
    world.settle().await;
    assert_eq!((living(&world, with).await.len(), view(&world, with).await.word()), (2, "active"));
    world.wait(60_000);
    world.settle().await;
    assert_eq!((living(&world, with).await.len(), view(&world, with).await.word()), (0, "deleted"));
    assert_eq!((living(&world, without).await.len(), view(&world, without).await.word()), (2, "deleted_running"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_launch_could_not_finish_leaves_nothing() {
    // The pool of public addresses is smaller than what the hosts hold: a launch fails with its interface and disks already made.
    let world = World::new(20, 1).await;
    let launch = crate::world::launch(world.image, 1, 100);
    let root = world.root().await;
    let mut made = 0;
    loop {
        match world.cloud.run(&root, launch.clone(), Options::default()).await {
            Ok(launched) => made += launched.instances.len(),
            Err(error) => {
                assert!(matches!(error, Error::NoFreeAddress { .. }), "{error:?}");
                break;
            }
        }
    }
    let account = world.account;
    let rows = world.store.scan(move |tx| {
        let instances = tx.instance_list(account)?.len();
        Ok::<_, store::StoreError>((
            instances,
            tx.count::<model::Interface>(store::By::all())?,
            tx.count::<model::Volume>(store::By::all())?,
        ))
    });
    assert_eq!(rows.await.unwrap(), (made, made as u64, made as u64), "an interface and a disk for each instance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_fleet_is_refused() {
    let world = World::new(2, 1).await;
    let root = world.root().await;
    let plain = |kind| fleet(&world, kind, 1, vec![]);
    let past = Some(world.clock.now());
    for (asked, why) in [
        (CreateInstanceFleet { configs: vec![], ..plain(FleetKind::Request) }, "nothing to launch"),
        (fleet(&world, FleetKind::Request, 1, vec![pool("t3.nano", "sim-1a", 0)]), "no weight"),
        (fleet(&world, FleetKind::Instant, 1_001, vec![]), "too much at once"),
        (CreateInstanceFleet { end: past, ..plain(FleetKind::Request) }, "it would have ended"),
        (CreateInstanceFleet { least: Some(1), ..plain(FleetKind::Maintain) }, "only at once"),
        (CreateInstanceFleet { least: Some(1), ..plain(FleetKind::Instant) }, "of one type or zone"),
        (CreateInstanceFleet { replaces_impaired: true, ..plain(FleetKind::Request) }, "only maintained"),
    ] {
        assert!(world.cloud.run(&root, asked, Options::default()).await.is_err(), "{why}");
    }
    let without_image = FleetConfig { template: None, launch: LaunchSettings::default(), overrides: vec![] };
    let asked = CreateInstanceFleet { configs: vec![without_image], ..plain(FleetKind::Maintain) };
    let refused = world.cloud.run(&root, asked, Options::default()).await;
    assert_eq!(refused.map(drop), Err(Error::MissingParameter { name: "ImageId" }));
    // Whoever may make fleets but launch nothing makes none.
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:CreateFleet","Resource":"*"}]}"#;
    let key = world.cloud.user_create(world.account, "fleets-only", vec![policy.to_owned()]).await.unwrap();
    let caller = control::Caller { action: "ec2:CreateFleet", ..world.caller(&key.id).await };
    let refused = world.cloud.run(&caller, plain(FleetKind::Maintain), Options::default()).await;
    assert!(matches!(refused, Err(Error::Unauthorized { .. })), "{refused:?}");
    let stranger = world.caller(&world.cloud.account_create("other").await.unwrap().id).await;
    let fleet = make(&world, plain(FleetKind::Maintain)).await.fleet.id;
    let deleted = world.cloud.run(&stranger, DeleteInstanceFleet { fleet, ends_members: true }, Options::default()).await;
    assert!(matches!(deleted, Err(Error::NotFound { noun: Noun::InstanceFleet, .. })), "{deleted:?}");
}
