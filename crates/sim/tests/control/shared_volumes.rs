//! Volumes that several instances have at once, as callers notice them. Simulated hosts, a real database.

use control::{
    AttachVolume, Caller, CreateVolume, DeleteVolume, DetachVolume, GrowVolume, ModifyVolumes, Options, Query, RunInstances, SnapshotOf,
    StartInstances, StopInstances, TakeSnapshots, TerminateInstances,
};
use model::{EncryptionChoice, Error, Gib, HOLDERS_MAX, InstanceId, Noun, Provisioned, Tags, Volume, VolumeId, VolumeKind};

use crate::world::{World, launch};

fn create(kind: VolumeKind) -> CreateVolume {
    let provisioned = Provisioned { iops: kind.sells_iops().then_some(100), ..Provisioned::default() };
    let (name, description, tags) = (String::new(), String::new(), Tags::new());
    CreateVolume {
        zone: "sim-1a".to_owned(),
        snapshot: None,
        encryption: EncryptionChoice::default(),
        size: Some(Gib(10)),
        kind,
        provisioned,
        name,
        description,
        deletes_auto_snapshots: false,
        shared: true,
        tags,
    }
}

/// A world, its owner, instances of one zone, and a volume that they may share.
async fn world_with(hosts: u32, instances: u32) -> (World, Caller, Vec<InstanceId>, VolumeId) {
    let mut world = World::new(hosts, 1).await;
    let root = world.root().await;
    let wanted = RunInstances { zone: Some("sim-1a".to_owned()), ..launch(world.image, instances, instances) };
    let instances = world.cloud.run(&root, wanted, Options::default()).await.unwrap().instances;
    let volume = world.cloud.run(&root, create(VolumeKind::ProvisionedPlus), Options::default()).await.unwrap().id;
    world.settle().await;
    (world, root, instances, volume)
}

async fn attach(world: &World, root: &Caller, volume: VolumeId, instance: InstanceId) -> Result<Volume, Error> {
    let command = AttachVolume { volume, instance, device: None, delete_on_termination: false };
    world.cloud.run(root, command, Options::default()).await
}

async fn detach(world: &World, root: &Caller, volume: VolumeId, instance: Option<InstanceId>, force: bool) -> Result<Volume, Error> {
    world.cloud.run(root, DetachVolume { volume, instance, device: None, force }, Options::default()).await
}

async fn volume(world: &World, id: VolumeId) -> Volume {
    let query = Query { ids: vec![id], ..Query::default() };
    world.cloud.list::<Volume>(&world.root().await, query).await.unwrap().rows.remove(0)
}

/// Who has a volume, and how far.
async fn holders(world: &World, id: VolumeId) -> Vec<(InstanceId, &'static str)> {
    let held = volume(world, id).await.as_held();
    held.iter().map(|held| (held.instance.unwrap(), held.attachment_word().unwrap())).collect()
}

#[tokio::test]
async fn instances_get_a_shared_volume_and_leave_it_one_by_one() {
    let (mut world, root, instances, id) = world_with(1, 3).await;
    let [first, second, third] = instances[..] else { panic!("three") };
    for instance in [first, second] {
        attach(&world, &root, id, instance).await.unwrap();
    }
    assert_eq!(holders(&world, id).await, [(first, "attaching"), (second, "attaching")]);
    world.settle().await;
    assert_eq!(holders(&world, id).await, [(first, "attached"), (second, "attached")]);
    let document = world.document(0).await;
    assert!(document.volumes.iter().any(|volume| volume.id == id && volume.is_shared()));
    let with_it = document.vms.iter().filter(|vm| vm.disks.iter().any(|disk| disk.volume == id)).count();
    assert_eq!(with_it, 2);
    let twice = attach(&world, &root, id, first).await;
    assert!(matches!(twice, Err(Error::InUse { noun: Noun::Volume, .. })), "{twice:?}");
    let whose = detach(&world, &root, id, None, false).await;
    assert_eq!(whose.map(drop), Err(Error::MissingParameter { name: "InstanceId" }));
    assert!(matches!(detach(&world, &root, id, Some(third), false).await, Err(Error::InvalidParameter { .. })));
    let held = world.cloud.run(&root, DeleteVolume { volume: id }, Options::default()).await;
    assert!(matches!(held, Err(Error::InUse { .. })), "{held:?}");
    detach(&world, &root, id, Some(first), false).await.unwrap();
    assert_eq!(holders(&world, id).await, [(first, "detaching"), (second, "attached")]);
    world.settle().await;
    assert_eq!(holders(&world, id).await, [(second, "attached")]);
    attach(&world, &root, id, third).await.unwrap();
    world.settle().await;
    assert_eq!(holders(&world, id).await, [(second, "attached"), (third, "attached")]);
    for instance in [second, third] {
        detach(&world, &root, id, Some(instance), false).await.unwrap();
    }
    world.settle().await;
    assert_eq!((volume(&world, id).await.word(), holders(&world, id).await.len()), ("available", 0));
    world.cloud.run(&root, DeleteVolume { volume: id }, Options::default()).await.unwrap();
    world.settle().await;
    assert!(!world.document(0).await.volumes.iter().any(|volume| volume.id == id));
}

#[tokio::test]
async fn one_guest_that_keeps_a_shared_volume_is_busy_and_the_other_is_not() {
    let (mut world, root, instances, id) = world_with(1, 2).await;
    for instance in &instances {
        attach(&world, &root, id, *instance).await.unwrap();
    }
    world.settle().await;
    world.hosts[0].guest_keeps_disks(instances[0]);
    detach(&world, &root, id, Some(instances[0]), false).await.unwrap();
    world.settle().await;
    world.wait(model::DETACH_DEADLINE_MS);
    world.settle().await;
    assert_eq!(holders(&world, id).await, [(instances[0], "busy"), (instances[1], "attached")]);
    detach(&world, &root, id, Some(instances[0]), true).await.unwrap();
    world.settle().await;
    assert_eq!(holders(&world, id).await, [(instances[1], "attached")]);
}

#[tokio::test]
async fn a_shared_volume_goes_with_the_last_instance_that_says_so() {
    let (mut world, root, instances, id) = world_with(1, 2).await;
    for instance in &instances {
        attach(&world, &root, id, *instance).await.unwrap();
    }
    world.settle().await;
    for of in [Some(instances[0]), Some(instances[1])] {
        let goes = ModifyVolumes { ids: vec![id], delete_on_termination: Some(true), of, ..ModifyVolumes::default() };
        world.cloud.run(&root, goes, Options::default()).await.unwrap();
        let going = volume(&world, id).await.as_held().iter().filter(|held| held.delete_on_termination).count();
        assert_eq!(going, if of == Some(instances[0]) { 1 } else { 2 });
    }
    for instance in &instances {
        assert_eq!(volume(&world, id).await.word(), "in-use");
        let terminate = TerminateInstances { ids: vec![*instance], only_stopped: false };
        world.cloud.run(&root, terminate, Options::default()).await.unwrap();
        world.settle().await;
    }
    let left = world.cloud.list::<Volume>(&root, Query::default()).await.unwrap();
    assert!(!left.rows.iter().any(|volume| volume.id == id));
}

#[tokio::test]
async fn an_instance_that_was_stopped_starts_with_its_shared_volume() {
    let (mut world, root, instances, id) = world_with(1, 2).await;
    for instance in &instances {
        attach(&world, &root, id, *instance).await.unwrap();
    }
    world.settle().await;
    let stop = StopInstances { ids: vec![instances[0]], force: false, keep_capacity: false };
    world.cloud.run(&root, stop, Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(holders(&world, id).await.len(), 2);
    world.cloud.run(&root, StartInstances { ids: vec![instances[0]] }, Options::default()).await.unwrap();
    world.settle().await;
    let document = world.document(0).await;
    assert_eq!(document.vms.iter().filter(|vm| vm.disks.iter().any(|disk| disk.volume == id)).count(), 2);
}

#[tokio::test]
async fn a_shared_volume_is_plain_empty_and_never_in_a_snapshot() {
    let (mut world, root, instances, id) = world_with(1, 1).await;
    let wrong = world.cloud.run(&root, create(VolumeKind::Magnetic), Options::default()).await;
    assert!(matches!(wrong, Err(Error::InvalidCombination { .. })), "{wrong:?}");
    attach(&world, &root, id, instances[0]).await.unwrap();
    world.settle().await;
    for of in [SnapshotOf::Volumes(vec![id]), SnapshotOf::Instance { instance: instances[0], without_root: false, without: vec![] }] {
        let (name, description) = (String::new(), String::new());
        let take = TakeSnapshots { of, name, description, tags: Tags::new(), copy_tags: false };
        let refused = world.cloud.run(&root, take, Options::default()).await;
        assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
    }
    let (name, description) = (String::new(), String::new());
    let of = SnapshotOf::Instance { instance: instances[0], without_root: false, without: vec![id] };
    let rest = TakeSnapshots { of, name, description, tags: Tags::new(), copy_tags: false };
    assert_eq!(world.cloud.run(&root, rest, Options::default()).await.unwrap().len(), 1);
    let size = Some(Gib(20));
    let grow = GrowVolume { volume: id, size, kind: None, provisioned: Provisioned::default() };
    let held = world.cloud.run(&root, grow.clone(), Options::default()).await;
    assert!(matches!(held, Err(Error::Unsupported { .. })), "{held:?}");
    detach(&world, &root, id, None, false).await.unwrap();
    world.settle().await;
    world.cloud.run(&root, grow, Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!((volume(&world, id).await.size, volume(&world, id).await.is_growing()), (Gib(20), false));
}

#[tokio::test]
async fn a_shared_volume_that_is_held_stays_on_its_host_and_sixteen_have_it() {
    let (mut world, root, instances, id) = world_with(4, 2 + HOLDERS_MAX as u32).await;
    let mut hosts = Vec::new();
    for instance in &instances {
        let row: model::Instance = world.store.get(*instance).await.unwrap().unwrap();
        hosts.push(row.host);
    }
    let away = instances.iter().zip(&hosts).find(|(_, host)| **host != hosts[0]).map(|(id, _)| *id);
    attach(&world, &root, id, instances[0]).await.unwrap();
    world.settle().await;
    if let Some(away) = away {
        let refused = attach(&world, &root, id, away).await;
        assert!(matches!(&refused, Err(Error::Unsupported { what }) if what.contains("another host")), "{refused:?}");
        assert_eq!(holders(&world, id).await.len(), 1, "nothing is left of it");
    }
    let (mut one, root, instances, id) = world_with(1, 1 + HOLDERS_MAX as u32).await;
    for instance in &instances[..HOLDERS_MAX] {
        attach(&one, &root, id, *instance).await.unwrap();
    }
    let more = attach(&one, &root, id, instances[HOLDERS_MAX]).await;
    assert!(matches!(more, Err(Error::LimitReached { limit: 16, .. })), "{more:?}");
    one.settle().await;
    assert!(holders(&one, id).await.iter().all(|(_, word)| *word == "attached"));
}
