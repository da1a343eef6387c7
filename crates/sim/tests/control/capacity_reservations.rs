//! Capacity reservations: nobody else gets what they hold, whoever asks at the same time, and nothing of it is lost or held twice,
//! over stops, terminations, ends and crashes of the control plane.

use control::{
    CancelCapacityReservation, CapacityReservationView, ChooseCapacity, CreateCapacityReservation, ModifyCapacityReservation, Options,
    Query, RunInstances, StartInstances, StopInstances, TerminateInstances,
};
use model::{
    CapacityChoice, CapacityReservationId, ENDED_VISIBLE_MS, Eligibility, Error, Instance, InstanceId, Millis, Noun, QuotaName, Tags,
};
use pileus_sim::hosts::CAPACITY;

use crate::world::{World, launch};

const ZONE: &str = "sim-1a";
/// Instances of the smallest type that a host holds: it has 64 processors and they have two.
const PER_HOST: u32 = CAPACITY.vcpus / 2;

fn reserve(count: u32, eligibility: Eligibility) -> CreateCapacityReservation {
    CreateCapacityReservation {
        name: String::new(),
        description: String::new(),
        instance_type: "t3.nano".to_owned(),
        zone: ZONE.to_owned(),
        count,
        eligibility,
        end: None,
        tags: Tags::new(),
    }
}

fn in_zone(world: &World, min: u32, max: u32, capacity: CapacityChoice) -> RunInstances {
    RunInstances { zone: Some(ZONE.to_owned()), capacity, ..launch(world.image, min, max) }
}

async fn made(world: &World, command: CreateCapacityReservation) -> CapacityReservationId {
    world.cloud.run(&world.root().await, command, Options::default()).await.unwrap().reservation.id
}

async fn run(world: &World, command: RunInstances) -> Result<Vec<InstanceId>, Error> {
    world.cloud.run(&world.root().await, command, Options::default()).await.map(|launched| launched.instances)
}

async fn view(world: &World, id: CapacityReservationId) -> CapacityReservationView {
    let query = Query { ids: vec![id], ..Query::default() };
    world.cloud.list::<CapacityReservationView>(&world.root().await, query).await.unwrap().rows.remove(0)
}

async fn instance(world: &World, id: InstanceId) -> Instance {
    world.store.get::<Instance>(id).await.unwrap().unwrap()
}

/// No host holds more than it has, and as many slots have an instance as instances have a slot.
async fn check(world: &World) {
    let (ids, account) = (world.ids.clone(), world.account);
    let (held, in_slots, used) = world
        .store
        .scan(move |tx| {
            let mut held = Vec::new();
            for id in &ids {
                held.push(tx.instance_held_on_host(*id)?.and(tx.capacity_slot_held_on_host(*id)?));
            }
            let in_slots = tx.instance_list(account)?.into_iter().filter(|row| row.slot.is_some()).count();
            let mut used = 0;
            for row in tx.capacity_reservation_list(account)? {
                used += tx.capacity_slot_list(row.id)?.into_iter().filter(|slot| !slot.is_free()).count();
            }
            Ok::<_, store::StoreError>((held, in_slots, used))
        })
        .await
        .unwrap();
    for held in held {
        assert!(held.vcpus <= u64::from(CAPACITY.vcpus) && held.memory_mib <= CAPACITY.memory.0, "{held:?}");
    }
    assert_eq!(in_slots, used);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserved_room_is_for_those_that_it_is_for() {
    // One host of two is in the zone.
    let world = World::new(2, 1).await;
    let targeted = made(&world, reserve(4, Eligibility::Targeted)).await;
    let open = run(&world, in_zone(&world, 1, 100, CapacityChoice::Open)).await.unwrap();
    assert_eq!(open.len() as u32, PER_HOST - 4, "what is reserved is not given to those that do not name it");
    let refused = run(&world, in_zone(&world, 1, 1, CapacityChoice::Open)).await.unwrap_err();
    let Error::NoCapacity { reason, .. } = &refused else { panic!("{refused:?}") };
    assert!(
        reason.contains("lack processors") && reason.ends_with("capacity reservations of the account that are not for it: 4"),
        "{reason}"
    );
    let inside = run(&world, in_zone(&world, 3, 3, CapacityChoice::Target(targeted))).await.unwrap();
    assert_eq!(instance(&world, inside[0]).await.slot.map(|held| held.reservation), Some(targeted));
    assert_eq!((view(&world, targeted).await.free, view(&world, targeted).await.used()), (1, 3));
    let two = run(&world, in_zone(&world, 2, 2, CapacityChoice::Target(targeted))).await.unwrap_err();
    assert!(matches!(&two, Error::NoReservedCapacity { reason, .. } if reason.contains("all 4 of cr-")), "{two:?}");
    assert_eq!(view(&world, targeted).await.free, 1, "a refused launch takes nothing");
    check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_reservation_takes_in_what_runs_and_what_comes() {
    let mut world = World::new(2, 1).await;
    let before = run(&world, in_zone(&world, 2, 2, CapacityChoice::Open)).await.unwrap();
    let outside = run(&world, in_zone(&world, 1, 1, CapacityChoice::Never)).await.unwrap();
    world.settle().await;
    let open = made(&world, reserve(4, Eligibility::Open)).await;
    assert_eq!(view(&world, open).await.free, 2, "two run already");
    assert_eq!(instance(&world, before[0]).await.slot.map(|held| held.reservation), Some(open));
    assert_eq!(instance(&world, outside[0]).await.slot, None);
    let strict = run(&world, in_zone(&world, 1, 10, CapacityChoice::Only)).await.unwrap();
    assert_eq!(strict.len(), 2, "and no more");
    let none = run(&world, in_zone(&world, 1, 1, CapacityChoice::Only)).await;
    assert!(matches!(none, Err(Error::NoReservedCapacity { .. })), "{none:?}");
    // When its room comes free nobody else gets it: the zone is full beside.
    run(&world, in_zone(&world, 1, 100, CapacityChoice::Never)).await.unwrap();
    world.settle().await;
    let root = world.root().await;
    let stop = StopInstances { ids: vec![before[0]], force: true, keep_capacity: false };
    world.cloud.run(&root, stop, Options::default()).await.unwrap();
    assert_eq!(view(&world, open).await.free, 0, "not before it has stopped");
    world.settle().await;
    assert_eq!(view(&world, open).await.free, 1);
    assert!(matches!(run(&world, in_zone(&world, 1, 1, CapacityChoice::Never)).await, Err(Error::NoCapacity { .. })));
    world.cloud.run(&root, StartInstances { ids: vec![before[0]] }, Options::default()).await.unwrap();
    assert_eq!((view(&world, open).await.free, instance(&world, before[0]).await.slot.is_some()), (0, true));
    let ids = vec![before[1], strict[0]];
    world.cloud.run(&root, TerminateInstances { ids, only_stopped: false }, Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(view(&world, open).await.free, 2);
    check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reservations_and_launches_at_the_same_time_never_hold_more_than_there_is() {
    for seed in 1..=6 {
        let mut world = World::new(4, seed).await;
        let root = world.root().await;
        let mut tasks = Vec::new();
        for n in 0..12 {
            let (cloud, root) = (world.cloud.clone(), root.clone());
            let reserve = reserve(7, if n % 2 == 0 { Eligibility::Open } else { Eligibility::Targeted });
            let launch = in_zone(&world, 1, 9, if n % 3 == 0 { CapacityChoice::Never } else { CapacityChoice::Open });
            tasks.push(tokio::spawn(async move {
                let reserved = cloud.run(&root, reserve, Options::default()).await.map(drop);
                let launched = cloud.run(&root, launch, Options::default()).await.map(drop);
                [reserved, launched]
            }));
        }
        for task in tasks {
            for answer in task.await.unwrap() {
                assert!(matches!(answer, Ok(()) | Err(Error::NoCapacity { .. })), "seed {seed}: {answer:?}");
            }
        }
        check(&world).await;
        // Everything that ends gives back exactly what it held.
        world.crash();
        world.settle().await;
        let root = world.root().await;
        for view in world.cloud.list::<CapacityReservationView>(&root, Query::default()).await.unwrap().rows {
            let reservation = view.reservation.id;
            world.cloud.run(&root, CancelCapacityReservation { reservation }, Options::default()).await.unwrap();
        }
        check(&world).await;
        let all = world.cloud.list_instances(&root, Query::default()).await.unwrap().rows;
        assert!(all.iter().all(|view| view.instance.slot.is_none()));
        let ids = all.iter().map(|view| view.instance.id).collect();
        world.cloud.run(&root, TerminateInstances { ids, only_stopped: false }, Options::default()).await.unwrap();
        world.settle().await;
        let again = run(&world, in_zone(&world, 2 * PER_HOST, 2 * PER_HOST, CapacityChoice::Open)).await;
        assert_eq!(again.map(|ids| ids.len()), Ok(2 * PER_HOST as usize), "seed {seed}: the zone is empty again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_grows_shrinks_and_ends_by_itself_over_a_crash() {
    let mut world = World::new(2, 1).await;
    let root = world.root().await;
    let end = world.clock.now().after(60_000);
    let id = made(&world, CreateCapacityReservation { end: Some(end), ..reserve(2, Eligibility::Open) }).await;
    let ids = run(&world, in_zone(&world, 2, 2, CapacityChoice::Open)).await.unwrap();
    let change = |count| ModifyCapacityReservation {
        reservation: id,
        name: None,
        description: None,
        count: Some(count),
        eligibility: None,
        end: None,
    };
    world.cloud.run(&root, change(5), Options::default()).await.unwrap();
    assert_eq!((view(&world, id).await.free, view(&world, id).await.used()), (3, 2));
    let beyond = world.cloud.run(&root, change(PER_HOST + 1), Options::default()).await;
    assert!(matches!(beyond, Err(Error::NoCapacity { .. })), "{beyond:?}");
    assert_eq!(view(&world, id).await.reservation.total, 5, "all or nothing");
    world.cloud.run(&root, change(1), Options::default()).await.unwrap();
    assert_eq!((view(&world, id).await.free, view(&world, id).await.used()), (0, 1));
    assert!(instance(&world, ids[0]).await.slot.is_some() && instance(&world, ids[1]).await.slot.is_none(), "the newest is left out");
    world.crash();
    world.wait(60_000);
    world.settle().await;
    assert_eq!(view(&world, id).await.reservation.state.word(), "expired");
    assert_eq!((instance(&world, ids[0]).await.slot, instance(&world, ids[0]).await.phase.word()), (None, "running"));
    let cancel = world.cloud.run(&world.root().await, CancelCapacityReservation { reservation: id }, Options::default()).await;
    assert!(matches!(cancel, Err(Error::IncorrectState { noun: Noun::CapacityReservation, .. })), "{cancel:?}");
    world.wait(ENDED_VISIBLE_MS);
    world.settle().await;
    let left = world.cloud.list::<CapacityReservationView>(&world.root().await, Query::default()).await.unwrap();
    assert_eq!(left.rows, vec![]);
    check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reserved_room_counts_as_the_instances_that_it_is_for() {
    let world = World::new(2, 1).await;
    world.cloud.quota_set(world.account, QuotaName::Instances, 5).await.unwrap();
    let id = made(&world, reserve(3, Eligibility::Targeted)).await;
    let more = world.cloud.run(&world.root().await, reserve(3, Eligibility::Open), Options::default()).await;
    assert!(matches!(more, Err(Error::QuotaExceeded { used: 3, wanted: 3, .. })), "{more:?}");
    assert_eq!(run(&world, in_zone(&world, 1, 9, CapacityChoice::Open)).await.unwrap().len(), 2);
    assert_eq!(run(&world, in_zone(&world, 3, 3, CapacityChoice::Target(id))).await.unwrap().len(), 3, "these were counted before");
    let beyond = run(&world, in_zone(&world, 1, 1, CapacityChoice::Target(id))).await;
    assert!(matches!(beyond, Err(Error::QuotaExceeded { .. })), "{beyond:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_instance_chooses_anew_and_a_slot_follows_its_instance() {
    // Two hosts in the zone.
    let mut world = World::new(4, 1).await;
    let root = world.root().await;
    let ids = run(&world, in_zone(&world, 1, 1, CapacityChoice::Never)).await.unwrap();
    world.settle().await;
    let host = instance(&world, ids[0]).await.host;
    let id = made(&world, reserve(2 * PER_HOST - 1, Eligibility::Targeted)).await;
    let choose = ChooseCapacity { instance: ids[0], choice: CapacityChoice::Target(id) };
    let running = world.cloud.run(&root, choose.clone(), Options::default()).await;
    assert!(matches!(running, Err(Error::IncorrectState { wanted: "stopped", .. })), "{running:?}");
    let stop = StopInstances { ids: ids.clone(), force: true, keep_capacity: false };
    world.cloud.run(&root, stop, Options::default()).await.unwrap();
    world.settle().await;
    world.cloud.run(&root, choose, Options::default()).await.unwrap();
    world.cloud.run(&root, StartInstances { ids: ids.clone() }, Options::default()).await.unwrap();
    let started = instance(&world, ids[0]).await;
    assert_eq!((started.host, started.slot.map(|held| held.reservation)), (host, Some(id)));
    assert_eq!(view(&world, id).await.free, u64::from(2 * PER_HOST - 2));
    check(&world).await;
    // What is free now is one place outside and the rest inside.
    run(&world, in_zone(&world, 1, 1, CapacityChoice::Open)).await.unwrap();
    assert!(matches!(run(&world, in_zone(&world, 1, 1, CapacityChoice::Open)).await, Err(Error::NoCapacity { .. })));
    check(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reserved_is_refused_whole() {
    let world = World::new(2, 1).await;
    let root = world.root().await;
    let past = Some(Millis(world.clock.now().0));
    for (asked, why) in [
        (reserve(0, Eligibility::Open), "none"),
        (reserve(1_001, Eligibility::Open), "too many"),
        (reserve(PER_HOST + 1, Eligibility::Open), "more than there is"),
        (CreateCapacityReservation { zone: "sim-9z".to_owned(), ..reserve(1, Eligibility::Open) }, "no such zone"),
        (CreateCapacityReservation { instance_type: "t99.none".to_owned(), ..reserve(1, Eligibility::Open) }, "no such type"),
        (CreateCapacityReservation { end: past, ..reserve(1, Eligibility::Open) }, "it would have ended"),
    ] {
        assert!(world.cloud.run(&root, asked, Options::default()).await.is_err(), "{why}");
    }
    let id = made(&world, reserve(1, Eligibility::Targeted)).await;
    let other_type = RunInstances { instance_type: "t3.micro".to_owned(), ..in_zone(&world, 1, 1, CapacityChoice::Target(id)) };
    assert!(matches!(run(&world, other_type).await, Err(Error::InvalidCombination { .. })));
    let other_zone = RunInstances { zone: Some("sim-1b".to_owned()), ..in_zone(&world, 1, 1, CapacityChoice::Target(id)) };
    assert!(matches!(run(&world, other_zone).await, Err(Error::InvalidCombination { .. })));
    let key = world.cloud.account_create("other").await.unwrap();
    let stranger = world.caller(&key.id).await;
    let taken = world.cloud.run(&stranger, in_zone(&world, 1, 1, CapacityChoice::Target(id)), Options::default()).await;
    assert!(matches!(taken, Err(Error::NotFound { noun: Noun::CapacityReservation, .. })), "{taken:?}");
    let cancelled = world.cloud.run(&stranger, CancelCapacityReservation { reservation: id }, Options::default()).await;
    assert!(matches!(cancelled, Err(Error::NotFound { noun: Noun::CapacityReservation, .. })), "{cancelled:?}");
    assert_eq!(world.cloud.list::<CapacityReservationView>(&root, Query::default()).await.unwrap().total, 1);
    check(&world).await;
}
