//! Changes of the type of instances: what hosts are told, what is claimed, what is refused, and what crashes change of it.

use crate::world::{World, launch};
use control::{
    AttachInterface, ChangeInstanceType, CreateCapacityReservation, CreateInterface, NewInterface, Options, RunInstances, StartInstances,
    StopInstances, TerminateInstances, WhileRunning,
};
use model::{Eligibility, Error, Instance, InstanceId, Mib, Noun, Phase, Tags};

impl World {
    /// So many running instances of a type on the only host.
    async fn launched(&mut self, instance_type: &str, count: u32) -> Vec<InstanceId> {
        let wanted = RunInstances { instance_type: instance_type.to_owned(), ..launch(self.image, count, count) };
        let made = self.cloud.run(&self.root().await, wanted, Options::default()).await.unwrap().instances;
        self.settle().await;
        made
    }

    async fn stopped(&mut self, ids: &[InstanceId], keep_capacity: bool) {
        let stop = StopInstances { ids: ids.to_vec(), force: false, keep_capacity };
        self.cloud.run(&self.root().await, stop, Options::default()).await.unwrap();
        self.settle().await;
    }

    async fn change(&self, id: InstanceId, instance_type: &str, running: WhileRunning) -> Result<(), Error> {
        let command = ChangeInstanceType { id, instance_type: instance_type.to_owned(), running };
        self.cloud.run(&self.root().await, command, Options::default()).await
    }

    async fn row(&self, id: InstanceId) -> Instance {
        self.store.get::<Instance>(id).await.unwrap().unwrap()
    }
}

/// A world of one host, which has 64 processors and 512 GiB.
async fn one_host(seed: u64) -> World {
    let world = World::new(1, seed).await;
    world.cloud.quota_set(world.account, model::QuotaName::Instances, 100).await.unwrap();
    world
}

#[tokio::test]
async fn a_stopped_instance_starts_again_as_another_machine() {
    let mut world = one_host(1).await;
    let id = world.launched("t3.nano", 1).await[0];
    let early = world.change(id, "m6i.large", WhileRunning::Refused).await;
    assert!(matches!(early, Err(Error::IncorrectState { state: "running", wanted: "stopped", .. })), "{early:?}");
    world.stopped(&[id], true).await;
    let unknown = world.change(id, "m99.huge", WhileRunning::Refused).await;
    assert!(matches!(unknown, Err(Error::NotFound { noun: Noun::InstanceType, .. })), "{unknown:?}");
    world.change(id, "m5.large", WhileRunning::Refused).await.unwrap();
    assert_eq!(world.row(id).await.instance_type, "m5.large", "it is called as it was asked for");
    let start = StartInstances { ids: vec![id] };
    world.cloud.run(&world.root().await, start, Options::default()).await.unwrap();
    world.settle().await;
    let document = world.document(0).await;
    let vm = &document.vms[0];
    assert_eq!((vm.vcpus, vm.memory, vm.metadata.instance_type.as_str()), (2, Mib(8192), "m5.large"));
    assert_eq!(world.row(id).await.phase, Phase::Running);
}

#[tokio::test]
async fn an_instance_keeps_the_vendor_of_its_names() {
    let mut world = one_host(2).await;
    let mut ids = vec![];
    for name in ["t3.nano", "ecs.t6-c4m1.large", "B1.MEDIUM512M"] {
        ids.extend(world.launched(name, 1).await);
    }
    world.stopped(&ids, true).await;
    let before: Vec<String> = ids_of(&world, &ids).await;
    for (id, asked, kept) in
        [(ids[0], "ecs.g7.large", "m6i.large"), (ids[1], "m5.large", "ecs.g7.large"), (ids[2], "ecs.g7.large", "S6.MEDIUM8")]
    {
        world.change(id, asked, WhileRunning::Refused).await.unwrap();
        assert_eq!(world.row(id).await.instance_type, kept);
    }
    assert_eq!(ids_of(&world, &ids).await, before, "a guest is the same to itself");
}

async fn ids_of(world: &World, ids: &[InstanceId]) -> Vec<String> {
    let mut uuids = vec![];
    for id in ids {
        uuids.push(control::system_uuid(&world.row(*id).await));
    }
    uuids
}

#[tokio::test]
async fn the_host_of_an_instance_must_have_room_for_what_it_becomes() {
    let mut world = one_host(3).await;
    let large = world.launched("m6i.8xlarge", 1).await[0];
    let ids = world.launched("t3.nano", 2).await;
    world.stopped(&ids[..1], true).await;
    // 32 of 64 are taken by the large one and two by each small one.
    let refused = world.change(ids[0], "m6i.8xlarge", WhileRunning::Refused).await.unwrap_err();
    assert!(matches!(&refused, Error::NoCapacity { reason, .. } if reason.contains("so much processors left")), "{refused:?}");
    world.change(ids[0], "m6i.6xlarge", WhileRunning::Refused).await.unwrap();
    let held = |world: &World| {
        let (store, host) = (world.store.clone(), world.ids[0]);
        async move { store.read(move |tx| tx.instance_held_on_host(host)).await.unwrap().vcpus }
    };
    assert_eq!(held(&world).await, 32 + 24 + 2);
    // An instance that has given its capacity back need only fit the host; its start says whether there is room.
    world.stopped(&ids[..1], false).await;
    assert_eq!(held(&world).await, 32 + 2);
    world.change(ids[0], "m6i.12xlarge", WhileRunning::Refused).await.unwrap();
    let start = StartInstances { ids: vec![ids[0]] };
    let refused = world.cloud.run(&world.root().await, start.clone(), Options::default()).await;
    assert!(matches!(refused, Err(Error::NoCapacity { .. })), "{refused:?}");
    let gone = TerminateInstances { ids: vec![large], only_stopped: false };
    world.cloud.run(&world.root().await, gone, Options::default()).await.unwrap();
    world.settle().await;
    world.cloud.run(&world.root().await, start, Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!((world.row(ids[0]).await.phase, held(&world).await), (Phase::Running, 48 + 2));
    let choices = world.cloud.instance_type_choices(&world.root().await, ids[1]).await.unwrap();
    let refusal = |name: &str| choices.iter().find(|choice| choice.kind.name == name).unwrap().refusal.clone();
    assert_eq!(refusal("m6i.xlarge"), None);
    assert!(matches!(refusal("m6i.8xlarge"), Some(Error::NoCapacity { .. })));
    assert!(choices.iter().all(|choice| choice.kind.name != "t3.nano"), "what it is already is no choice");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_at_once_as_many_win_as_the_host_has_room_for() {
    let mut world = one_host(4).await;
    let ids = world.launched("t3.nano", 8).await;
    world.stopped(&ids, true).await;
    let root = world.root().await;
    let change = |id: &InstanceId| {
        let (cloud, root) = (world.cloud.clone(), root.clone());
        let command = ChangeInstanceType { id: *id, instance_type: "m6i.4xlarge".to_owned(), running: WhileRunning::Refused };
        tokio::spawn(async move { cloud.run(&root, command, Options::default()).await })
    };
    let tasks: Vec<_> = ids.iter().map(change).collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(Error::NoCapacity { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    // Sixteen for each that has won and two for each that has not are 64 at most.
    assert_eq!(won, 3);
}

#[tokio::test]
async fn a_running_instance_is_stopped_changed_and_started_again_whoever_crashes() {
    let mut world = one_host(5).await;
    let id = world.launched("t3.nano", 1).await[0];
    let address = world.cloud.instance_view(&world.root().await, id).await.unwrap().address().cloned().expect("it has one");
    world.change(id, "t3.small", WhileRunning::Restarted).await.unwrap();
    let row = world.row(id).await;
    assert!(matches!(row.phase, Phase::Stopping { .. }), "{:?}", row.phase);
    assert_eq!((row.instance_type.as_str(), row.held()), ("t3.nano", (2, Mib(2048))), "it takes the larger of both");
    let again = world.change(id, "t3.medium", WhileRunning::Restarted).await;
    assert!(matches!(again, Err(Error::IncorrectState { state: "stopping", .. })), "{again:?}");
    world.crash();
    world.settle().await;
    let row = world.row(id).await;
    assert_eq!((row.phase, row.instance_type.as_str(), row.boot, row.type_change), (Phase::Running, "t3.small", 2, None));
    let vm = &world.document(0).await.vms[0];
    assert_eq!((vm.vcpus, vm.memory), (2, Mib(2048)));
    let now = world.cloud.instance_view(&world.root().await, id).await.unwrap().address().cloned();
    assert_eq!(now, Some(address), "it keeps its public address");
}

#[tokio::test]
async fn one_that_is_stopped_while_it_is_changed_stays_stopped() {
    let mut world = one_host(6).await;
    let id = world.launched("t3.nano", 1).await[0];
    world.change(id, "t3.small", WhileRunning::Restarted).await.unwrap();
    let stop = StopInstances { ids: vec![id], force: false, keep_capacity: true };
    world.cloud.run(&world.root().await, stop, Options::default()).await.unwrap();
    world.settle().await;
    let row = world.row(id).await;
    assert_eq!((row.phase, row.instance_type.as_str(), row.held()), (Phase::Stopped, "t3.small", (2, Mib(2048))));
    assert_eq!(world.cloud.instance_view(&world.root().await, id).await.unwrap().address(), None);
}

#[tokio::test]
async fn a_type_that_has_fewer_interfaces_than_an_instance_is_refused() {
    let mut world = one_host(7).await;
    let id = world.launched("m6i.4xlarge", 1).await[0];
    world.stopped(&[id], true).await;
    let (root, row) = (world.root().await, world.row(id).await);
    let (most, _) = model::interface_limits("t2.nano");
    for _ in 0..most {
        let create = CreateInterface { subnet: row.subnet, vpc: None, new: NewInterface::default() };
        let made = world.cloud.run(&root, create, Options::default()).await.unwrap();
        let attach = AttachInterface { interface: made, instance: id, index: None, delete_on_termination: true };
        world.cloud.run(&root, attach, Options::default()).await.unwrap();
    }
    let refused = world.change(id, "t2.nano", WhileRunning::Refused).await;
    assert!(matches!(refused, Err(Error::LimitReached { name: "NetworkInterface", .. })), "{refused:?}");
    assert_eq!(world.row(id).await.instance_type, "m6i.4xlarge");
}

#[tokio::test]
async fn an_instance_in_a_reservation_leaves_its_slot_to_others_of_its_type() {
    let mut world = one_host(8).await;
    let root = world.root().await;
    let first = world.launched("t3.nano", 1).await[0];
    let zone = world.row(first).await.zone;
    let reserve = |instance_type: &str| CreateCapacityReservation {
        name: String::new(),
        description: String::new(),
        instance_type: instance_type.to_owned(),
        zone: zone.clone(),
        count: 1,
        eligibility: Eligibility::Open,
        end: None,
        tags: Tags::new(),
    };
    let small = world.cloud.run(&root, reserve("m6i.4xlarge"), Options::default()).await.unwrap().reservation.id;
    let id = world.launched("m6i.4xlarge", 1).await[0];
    assert_eq!(world.row(id).await.slot.map(|slot| slot.reservation), Some(small));
    world.stopped(&[id], true).await;
    // Its slot of 16 stays, so 64 - 2 - 16 are left.
    let refused = world.change(id, "m6i.12xlarge", WhileRunning::Refused).await;
    assert!(matches!(refused, Err(Error::NoCapacity { .. })), "{refused:?}");
    assert_eq!(world.row(id).await.slot.map(|slot| slot.reservation), Some(small), "a refusal changes nothing");
    let large = world.cloud.run(&root, reserve("m6i.8xlarge"), Options::default()).await.unwrap().reservation.id;
    world.change(id, "m6i.8xlarge", WhileRunning::Refused).await.unwrap();
    assert_eq!(world.row(id).await.slot.map(|slot| slot.reservation), Some(large), "its host had a free slot of the new type");
    let host = world.ids[0];
    let held =
        world.store.read(move |tx| Ok::<_, store::StoreError>(tx.instance_held_on_host(host)?.and(tx.capacity_slot_held_on_host(host)?)));
    assert_eq!(held.await.unwrap().vcpus, 2 + 16 + 32);
}
