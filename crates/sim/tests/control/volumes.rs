//! What callers notice of volumes: states, refusals, quotas, deadlines. Simulated hosts, a real database.

use control::{
    AttachVolume, Caller, CreateTags, CreateVolume, DeleteVolume, DetachVolume, GrowVolume, ModifyVolumes, NewVolume, Options, Query,
    RunInstances, SnapshotOf, StartInstances, StopInstances, TakeSnapshots, TerminateInstances,
};
use model::{
    DETACH_DEADLINE_MS, EncryptionChoice, Error, Gib, InstanceId, Noun, Provisioned, QuotaName, SnapshotMode, Tags, Volume, VolumeId,
    VolumeKind,
};

use crate::world::{World, launch};

fn create(zone: &str, gib: u32) -> CreateVolume {
    let (name, description, tags) = (String::new(), String::new(), Tags::new());
    CreateVolume {
        zone: zone.to_owned(),
        snapshot: None,
        encryption: EncryptionChoice::default(),
        size: Some(Gib(gib)),
        kind: VolumeKind::Fast,
        provisioned: Provisioned::default(),
        name,
        description,
        deletes_auto_snapshots: false,
        shared: false,
        tags,
    }
}

fn attach(volume: VolumeId, instance: InstanceId) -> AttachVolume {
    AttachVolume { volume, instance, device: None, delete_on_termination: false }
}

fn detach(volume: VolumeId, force: bool) -> DetachVolume {
    DetachVolume { volume, instance: None, device: None, force }
}

/// A world with one running instance of the first zone.
async fn world_with_instance(hosts: u32) -> (World, Caller, InstanceId) {
    let mut world = World::new(hosts, 1).await;
    let root = world.root().await;
    let instance = run(&world, &root).await;
    world.settle().await;
    (world, root, instance)
}

async fn run(world: &World, root: &Caller) -> InstanceId {
    let wanted = RunInstances { zone: Some("sim-1a".to_owned()), ..launch(world.image, 1, 1) };
    world.cloud.run(root, wanted, Options::default()).await.unwrap().instances[0]
}

async fn new_volume(world: &mut World, root: &Caller) -> VolumeId {
    let id = world.cloud.run(root, create("sim-1a", 10), Options::default()).await.unwrap().id;
    world.settle().await;
    id
}

async fn volume(world: &World, id: VolumeId) -> Volume {
    let query = Query { ids: vec![id], ..Query::default() };
    world.cloud.list::<Volume>(&world.root().await, query).await.unwrap().rows.remove(0)
}

async fn words(world: &World, id: VolumeId) -> (&'static str, Option<&'static str>) {
    let volume = volume(world, id).await;
    (volume.word(), volume.attachment_word())
}

async fn stop(world: &mut World, root: &Caller, instance: InstanceId) {
    let stop = StopInstances { ids: vec![instance], force: false, keep_capacity: false };
    world.cloud.run(root, stop, Options::default()).await.unwrap();
    world.settle().await;
}

#[tokio::test]
async fn a_volume_lives_from_nothing_through_an_instance_to_nothing() {
    let (mut world, root, instance) = world_with_instance(1).await;
    let id = world.cloud.run(&root, create("sim-1a", 10), Options::default()).await.unwrap().id;
    assert_eq!(words(&world, id).await, ("creating", None));
    world.settle().await;
    assert_eq!(words(&world, id).await, ("available", None));
    let attached = world.cloud.run(&root, attach(id, instance), Options::default()).await.unwrap();
    assert_eq!((attached.device.as_str(), attached.attachment_word()), ("/dev/xvdb", Some("attaching")));
    world.settle().await;
    assert_eq!(words(&world, id).await, ("in-use", Some("attached")));
    let document = world.document(0).await;
    assert_eq!(document.vms[0].disks[1].volume, id);
    assert_eq!(document.vms[0].disks[1].serial, id.to_string().replace('-', ""));
    let refused = world.cloud.run(&root, DeleteVolume { volume: id }, Options::default()).await;
    assert!(matches!(refused, Err(Error::InUse { noun: Noun::Volume, .. })), "{refused:?}");
    world.cloud.run(&root, detach(id, false), Options::default()).await.unwrap();
    assert_eq!(words(&world, id).await, ("in-use", Some("detaching")));
    world.settle().await;
    assert_eq!(words(&world, id).await, ("available", None));
    world.cloud.run(&root, DeleteVolume { volume: id }, Options::default()).await.unwrap();
    world.settle().await;
    assert!(!world.document(0).await.volumes.iter().any(|volume| volume.id == id));
    let gone = world.cloud.run(&root, DeleteVolume { volume: id }, Options::default()).await;
    assert_eq!(gone, Err(Error::not_found(Noun::Volume, id)));
}

#[tokio::test]
async fn a_stopped_instance_gets_and_gives_volumes_and_starts_with_them() {
    let (mut world, root, instance) = world_with_instance(1).await;
    let (first, second) = (new_volume(&mut world, &root).await, new_volume(&mut world, &root).await);
    stop(&mut world, &root, instance).await;
    for id in [first, second] {
        world.cloud.run(&root, attach(id, instance), Options::default()).await.unwrap();
    }
    world.settle().await;
    assert_eq!(words(&world, first).await, ("in-use", Some("attached")));
    world.cloud.run(&root, detach(first, false), Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(words(&world, first).await, ("available", None));
    world.cloud.run(&root, StartInstances { ids: vec![instance] }, Options::default()).await.unwrap();
    world.settle().await;
    let disks: Vec<VolumeId> = world.document(0).await.vms[0].disks.iter().map(|disk| disk.volume).collect();
    assert_eq!(disks[1..], [second]);
    assert_eq!(words(&world, second).await, ("in-use", Some("attached")));
}

#[tokio::test]
async fn a_guest_that_keeps_a_volume_makes_it_busy_and_force_takes_it() {
    let (mut world, root, instance) = world_with_instance(1).await;
    let id = new_volume(&mut world, &root).await;
    world.cloud.run(&root, attach(id, instance), Options::default()).await.unwrap();
    world.settle().await;
    world.hosts[0].guest_keeps_disks(instance);
    world.cloud.run(&root, detach(id, false), Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(words(&world, id).await, ("in-use", Some("detaching")));
    world.wait(DETACH_DEADLINE_MS + 1);
    world.settle().await;
    assert_eq!(words(&world, id).await, ("in-use", Some("busy")));
    let again = world.cloud.run(&root, detach(id, false), Options::default()).await;
    assert!(matches!(again, Err(Error::IncorrectState { state: "detaching", .. })), "{again:?}");
    world.cloud.run(&root, detach(id, true), Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(words(&world, id).await, ("available", None));
}

#[tokio::test]
async fn a_stop_frees_a_volume_that_the_guest_kept() {
    let (mut world, root, instance) = world_with_instance(1).await;
    let id = new_volume(&mut world, &root).await;
    world.cloud.run(&root, attach(id, instance), Options::default()).await.unwrap();
    world.settle().await;
    world.hosts[0].guest_keeps_disks(instance);
    world.cloud.run(&root, detach(id, false), Options::default()).await.unwrap();
    world.settle().await;
    stop(&mut world, &root, instance).await;
    assert_eq!(words(&world, id).await, ("available", None));
}

#[tokio::test]
async fn a_volume_grows_attached_or_not_and_tells_when_it_has() {
    let (mut world, root, instance) = world_with_instance(1).await;
    let id = new_volume(&mut world, &root).await;
    world.cloud.run(&root, attach(id, instance), Options::default()).await.unwrap();
    world.settle().await;
    let root_volume = world.cloud.instance_view(&root, instance).await.unwrap().instance.root_volume;
    for (volume_id, to) in [(id, 20), (root_volume, 30)] {
        let grown = world
            .cloud
            .run(
                &root,
                GrowVolume { volume: volume_id, size: Some(Gib(to)), kind: None, provisioned: Provisioned::default() },
                Options::default(),
            )
            .await;
        assert!(grown.unwrap().is_growing());
        world.settle().await;
        let row = volume(&world, volume_id).await;
        assert_eq!((row.size, row.is_growing()), (Gib(to), false));
    }
    let shrunk = world
        .cloud
        .run(&root, GrowVolume { volume: id, size: Some(Gib(5)), kind: None, provisioned: Provisioned::default() }, Options::default())
        .await;
    assert!(matches!(shrunk, Err(Error::InvalidParameter { name: "Size", .. })), "{shrunk:?}");
    let all = GrowVolume { volume: id, size: Some(Gib(16_000)), kind: None, provisioned: Provisioned::default() };
    for _ in 0..5 {
        let other = world.cloud.run(&root, create("sim-1a", 16_000), Options::default()).await;
        assert!(other.is_ok() || matches!(other, Err(Error::NoDiskRoom { .. })), "{other:?}");
    }
    let full = world.cloud.run(&root, all, Options::default()).await;
    assert!(matches!(full, Err(Error::NoDiskRoom { .. })), "{full:?}");
}

/// A further volume of a launch.
fn of_a_launch(goes: bool) -> NewVolume {
    NewVolume {
        size: Some(Gib(2)),
        snapshot: None,
        encryption: EncryptionChoice::default(),
        left_out: false,
        kind: VolumeKind::Fast,
        provisioned: Provisioned::default(),
        device: None,
        delete_on_termination: goes,
        name: String::new(),
        description: String::new(),
    }
}

#[tokio::test]
async fn a_launch_answers_with_what_it_made() {
    let world = World::new(2, 4).await;
    let root = world.root().await;
    let command = RunInstances { volumes: vec![of_a_launch(true)], public_address: Some(true), ..launch(world.image, 2, 2) };
    let launched = world.cloud.run(&root, command, Options::default()).await.unwrap();
    assert_eq!(launched.made, world.cloud.launched(launched.instances).await.unwrap());
    assert!(launched.made.iter().all(|view| view.volumes.len() == 2 && view.address().is_some() && !view.groups().is_empty()));
}

#[tokio::test]
async fn volumes_go_with_their_instance_or_stay_as_is_said() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let wanted = RunInstances { volumes: vec![of_a_launch(true), of_a_launch(false), of_a_launch(true)], ..launch(world.image, 1, 1) };
    let instance = world.cloud.run(&root, wanted, Options::default()).await.unwrap().instances[0];
    world.settle().await;
    let listed = world.cloud.list::<Volume>(&root, Query::default()).await.unwrap().rows;
    let of = |device: &str| listed.iter().find(|volume| volume.device == device).unwrap().id;
    assert_eq!(listed.iter().filter(|volume| volume.attachment_word() == Some("attached")).count(), 4);
    let changed = ModifyVolumes { ids: vec![of("/dev/xvdd")], delete_on_termination: Some(false), ..ModifyVolumes::default() };
    world.cloud.run(&root, changed, Options::default()).await.unwrap();
    world.cloud.run(&root, TerminateInstances { ids: vec![instance], only_stopped: false }, Options::default()).await.unwrap();
    world.settle().await;
    let left = world.cloud.list::<Volume>(&root, Query::default()).await.unwrap().rows;
    assert_eq!(
        left.iter().map(|volume| (volume.id, volume.word())).collect::<Vec<_>>(),
        [(of("/dev/xvdc"), "available"), (of("/dev/xvdd"), "available"),]
    );
}

#[tokio::test]
async fn places_on_a_machine_are_limited_and_names_given_once() {
    let (mut world, root, instance) = world_with_instance(1).await;
    let limit = model::volumes_max("t3.nano");
    for at in 1..limit {
        let id = new_volume(&mut world, &root).await;
        let wanted = AttachVolume { device: (at == 1).then(|| "/dev/sdf".to_owned()), ..attach(id, instance) };
        world.cloud.run(&root, wanted.clone(), Options::default()).await.unwrap();
        if at == 1 {
            let other = new_volume(&mut world, &root).await;
            let twice = world.cloud.run(&root, AttachVolume { volume: other, ..wanted }, Options::default()).await;
            assert!(matches!(twice, Err(Error::InvalidParameter { name: "Device", .. })), "{twice:?}");
        }
    }
    world.settle().await;
    let one_more = new_volume(&mut world, &root).await;
    let refused = world.cloud.run(&root, attach(one_more, instance), Options::default()).await;
    assert!(matches!(refused, Err(Error::TooManyVolumes { .. })), "{refused:?}");
    assert_eq!(world.document(0).await.vms[0].disks.len(), limit);
}

#[tokio::test]
async fn a_volume_has_one_zone_and_one_owner_and_follows_a_simulated_instance() {
    let (mut world, root, instance) = world_with_instance(4).await;
    let elsewhere = world.cloud.run(&root, create("sim-1b", 1), Options::default()).await.unwrap().id;
    world.settle().await;
    let refused = world.cloud.run(&root, attach(elsewhere, instance), Options::default()).await;
    assert!(matches!(refused, Err(Error::ZoneMismatch { .. })), "{refused:?}");
    let nowhere = world.cloud.run(&root, create("mars", 1), Options::default()).await;
    assert_eq!(nowhere.map(|volume| volume.id), Err(Error::not_found(Noun::Zone, "mars")));
    let other = world.cloud.account_create("other").await.unwrap();
    let stranger = world.caller(&other.id).await;
    let mine = new_volume(&mut world, &root).await;
    let absent = Error::not_found(Noun::Volume, mine);
    assert_eq!(world.cloud.run(&stranger, DeleteVolume { volume: mine }, Options::default()).await, Err(absent.clone()));
    assert_eq!(world.cloud.run(&stranger, attach(mine, instance), Options::default()).await, Err(absent));
    assert_eq!(world.cloud.list::<Volume>(&stranger, Query::default()).await.unwrap().total, 0);
    for _ in 0..6 {
        let other = run(&world, &root).await;
        world.settle().await;
        world.cloud.run(&root, attach(mine, other), Options::default()).await.unwrap();
        world.settle().await;
        assert_eq!(words(&world, mine).await, ("in-use", Some("attached")));
        world.cloud.run(&root, detach(mine, false), Options::default()).await.unwrap();
        world.settle().await;
    }
}

#[tokio::test]
async fn a_quota_bounds_volumes_and_a_token_makes_one() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    world.cloud.quota_set(world.account, QuotaName::Volumes, 2).await.unwrap();
    let options = || Options { client_token: Some("once".to_owned()), dry_run: false };
    let first = world.cloud.run(&root, create("sim-1a", 1), options()).await.unwrap().id;
    let again = world.cloud.run(&root, create("sim-1a", 1), options()).await.unwrap().id;
    assert_eq!(first, again);
    let other = world.cloud.run(&root, create("sim-1a", 2), options()).await;
    assert_eq!(other.map(|volume| volume.id), Err(Error::ClientTokenReused));
    new_volume(&mut world, &root).await;
    let third = world.cloud.run(&root, create("sim-1a", 1), Options::default()).await;
    assert!(matches!(third, Err(Error::QuotaExceeded { quota: QuotaName::Volumes, .. })), "{third:?}");
}

#[tokio::test]
async fn a_tag_chooses_how_snapshots_of_a_volume_are_taken_and_those_that_are_asked_for_keep_it() {
    let mut world = World::new(1, 17).await;
    let root = world.root().await;
    let wanted = RunInstances { volumes: vec![NewVolume { size: Some(Gib(10)), ..NewVolume::default() }], ..launch(world.image, 1, 1) };
    let instance = world.cloud.run(&root, wanted, Options::default()).await.unwrap().instances[0];
    world.settle().await;
    let held = world.store.read(move |tx| tx.volume_list_of_instance(instance)).await.unwrap();
    let volume = held.iter().find(|volume| !volume.is_root()).unwrap().id;
    let tag = |word: &str| CreateTags {
        resources: vec![volume.to_string()],
        tags: Tags::from([(model::SNAPSHOT_MODE_TAG.to_owned(), word.to_owned())]),
    };
    let refused = world.cloud.run(&root, tag("both"), Options::default()).await;
    assert!(matches!(refused, Err(Error::InvalidParameter { .. })), "{refused:?}");
    let take = TakeSnapshots {
        of: SnapshotOf::Instance { instance, without_root: false, without: vec![] },
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
        copy_tags: false,
    };
    for (word, mode) in [("copy", SnapshotMode::Copy), ("redirect", SnapshotMode::Redirect)] {
        world.cloud.run(&root, tag(word), Options::default()).await.unwrap();
        let taken = world.cloud.run(&root, take.clone(), Options::default()).await.unwrap();
        let other = if word == "copy" { "redirect" } else { "copy" };
        world.cloud.run(&root, tag(other), Options::default()).await.unwrap();
        let document = world.document(0).await;
        let parts = document.snapshots.iter().flat_map(|job| &job.parts);
        for part in parts.filter(|part| taken.iter().any(|row| row.id == part.snapshot)) {
            assert_eq!(part.mode, if part.volume == volume { mode } else { SnapshotMode::Redirect });
        }
        world.settle().await;
        for row in taken {
            let row: model::Snapshot = world.store.get(row.id).await.unwrap().unwrap();
            assert_eq!(row.mode, if row.volume == volume { mode } else { SnapshotMode::Redirect });
        }
    }
}
