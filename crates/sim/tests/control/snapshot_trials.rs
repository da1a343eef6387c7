//! Trials of snapshots: asked for by tags, one on a host, ended by a verdict, out of everybody's way.

use control::{
    Caller, CreateSnapshotPolicy, CreateTags, DeleteSnapshot, Options, PolicyTie, Query, SnapshotOf, TakeSnapshots, TieSnapshotPolicy,
};
use hostspec::{ConsoleReport, HostSpec};
use model::{
    Schedule, Snapshot, SnapshotId, SnapshotTrial, TRIAL_AT_TAG, TRIAL_BOOT_MS, TRIAL_LOOK_MS, TRIAL_TAG, TRIAL_VERDICT_TAG, Tags,
    TrialPhase, VolumeId,
};

use crate::world::{World, launch};

async fn take(world: &mut World, root: &Caller, volume: VolumeId, tags: Tags) -> SnapshotId {
    let of = SnapshotOf::Volumes(vec![volume]);
    let take = TakeSnapshots { of, name: String::new(), description: String::new(), tags, copy_tags: false };
    let id = world.cloud.run(root, take, Options::default()).await.unwrap()[0].id;
    world.settle().await;
    id
}

fn asking() -> Tags {
    Tags::from([(TRIAL_TAG.to_owned(), "true".to_owned())])
}

async fn tag(world: &World, root: &Caller, id: impl ToString) {
    let tags = CreateTags { resources: vec![id.to_string()], tags: asking() };
    world.cloud.run(root, tags, Options::default()).await.unwrap();
}

/// A system disk and its account's caller.
async fn root_disk(world: &mut World) -> (Caller, VolumeId) {
    let root = world.root().await;
    let launched = world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap();
    world.settle().await;
    let instance = world.store.get::<model::Instance>(launched.instances[0]).await.unwrap().unwrap();
    (root, instance.root_volume)
}

async fn trial(world: &World, id: SnapshotId) -> Option<SnapshotTrial> {
    world.store.get(id).await.unwrap()
}

async fn verdict(world: &World, id: SnapshotId) -> Option<String> {
    world.store.get::<Snapshot>(id).await.unwrap().unwrap().tags.get(TRIAL_VERDICT_TAG).cloned()
}

/// Brings a report of each host in which the machines of trials have written this.
async fn write(world: &mut World, words: &str) {
    for host in 0..world.hosts.len() {
        let document = world.document(host).await;
        let mut report = world.hosts[host].obey(&document);
        report.consoles = document.watched.iter().map(|id| ConsoleReport { id: *id, newest: words.to_owned() }).collect();
        world.cloud.report(report).await.unwrap();
    }
}

/// That nothing of trials is on any host.
async fn nothing_is_left(world: &World) -> bool {
    let mut documents: Vec<std::sync::Arc<HostSpec>> = Vec::new();
    for host in 0..world.hosts.len() {
        documents.push(world.document(host).await);
    }
    documents.iter().all(|document| document.watched.is_empty() && document.vms.iter().all(|vm| !vm.nics.is_empty()))
}

#[tokio::test]
async fn a_snapshot_that_is_tagged_is_tried_by_itself_and_nothing_is_left() {
    let mut world = World::new(2, 1).await;
    let (root, disk) = root_disk(&mut world).await;
    let id = take(&mut world, &root, disk, asking()).await;
    let running = trial(&world, id).await.unwrap();
    assert!(matches!(running.phase, TrialPhase::Running { .. }));
    // The control plane dies and finds the same machine again.
    world.crash();
    world.settle().await;
    assert_eq!(trial(&world, id).await, Some(running.clone()));
    write(&mut world, "debian login: ").await;
    assert_eq!(verdict(&world, id).await.as_deref(), Some("boots"));
    world.settle().await;
    assert_eq!(trial(&world, id).await, None);
    assert!(nothing_is_left(&world).await);
    let instances = world.cloud.list::<model::Volume>(&root, Query::default()).await.unwrap().rows;
    assert_eq!(instances.iter().map(|volume| volume.id).collect::<Vec<_>>(), [disk], "its disk is nobody's volume");
}

#[tokio::test]
async fn a_guest_that_comes_to_no_prompt_does_not_boot_and_may_be_tried_again() {
    let mut world = World::new(1, 2).await;
    let (root, disk) = root_disk(&mut world).await;
    let id = take(&mut world, &root, disk, Tags::new()).await;
    assert_eq!(trial(&world, id).await, None, "nobody asked");
    tag(&world, &root, id).await;
    world.settle().await;
    world.wait(TRIAL_BOOT_MS);
    write(&mut world, "[ 3.1] ata1: link down").await;
    assert_eq!(verdict(&world, id).await.as_deref(), Some("does-not-boot"));
    world.settle().await;
    tag(&world, &root, id).await;
    world.settle().await;
    write(&mut world, "debian login: ").await;
    world.settle().await;
    assert_eq!((verdict(&world, id).await.as_deref(), trial(&world, id).await), (Some("boots"), None));
    let tags = CreateTags { resources: vec![id.to_string()], tags: Tags::from([(TRIAL_AT_TAG.to_owned(), "now".to_owned())]) };
    assert!(world.cloud.run(&root, tags, Options::default()).await.is_err(), "verdicts are not forged");
}

#[tokio::test]
async fn one_host_tries_one_snapshot_at_a_time_and_a_deleted_one_no_more() {
    let mut world = World::new(1, 3).await;
    let (root, disk) = root_disk(&mut world).await;
    tag(&world, &root, disk).await;
    let first = take(&mut world, &root, disk, Tags::new()).await;
    let second = take(&mut world, &root, disk, Tags::new()).await;
    assert!(matches!(trial(&world, first).await.unwrap().phase, TrialPhase::Running { .. }));
    assert!(matches!(trial(&world, second).await.unwrap().phase, TrialPhase::Waiting { .. }));
    world.cloud.run(&root, DeleteSnapshot { snapshot: first }, Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(trial(&world, first).await, None);
    world.wait(TRIAL_LOOK_MS);
    world.settle().await;
    assert!(matches!(trial(&world, second).await.unwrap().phase, TrialPhase::Running { .. }));
    world.cloud.run(&root, DeleteSnapshot { snapshot: second }, Options::default()).await.unwrap();
    world.settle().await;
    assert!(trial(&world, second).await.is_none() && nothing_is_left(&world).await);
}

#[tokio::test]
async fn a_data_disk_is_not_tried_and_says_so() {
    let mut world = World::new(1, 4).await;
    let root = world.root().await;
    let disk = crate::snapshot_policies::volume(&mut world, &root).await;
    let id = take(&mut world, &root, disk, asking()).await;
    assert_eq!((verdict(&world, id).await.as_deref(), trial(&world, id).await), (Some("not-bootable"), None));
}

#[tokio::test]
async fn a_launch_gets_the_room_of_a_trial() {
    let mut world = World::new(1, 5).await;
    let (root, disk) = root_disk(&mut world).await;
    let id = take(&mut world, &root, disk, asking()).await;
    assert!(matches!(trial(&world, id).await.unwrap().phase, TrialPhase::Running { .. }));
    // As many as the host takes.
    while world.cloud.run(&root, launch(world.image, 1, 100), Options::default()).await.is_ok() {}
    world.wait(TRIAL_LOOK_MS);
    world.settle().await;
    assert!(matches!(trial(&world, id).await.unwrap().phase, TrialPhase::Waiting { .. }));
    assert!(nothing_is_left(&world).await && verdict(&world, id).await.is_none());
}

#[tokio::test]
async fn a_policy_with_the_tag_tries_what_it_takes() {
    let mut world = World::new(1, 6).await;
    let (root, disk) = root_disk(&mut world).await;
    let schedule = Schedule { days: (1..=7).collect(), hours: (0..24).collect(), minute: 0, ahead: 0 };
    let policy = CreateSnapshotPolicy { name: "hourly".to_owned(), schedule, retention_days: None, active: true, tags: asking() };
    let policy = world.cloud.run(&root, policy, Options::default()).await.unwrap();
    let tie = TieSnapshotPolicy { tie: PolicyTie::To(policy), volumes: vec![disk] };
    world.cloud.run(&root, tie, Options::default()).await.unwrap();
    world.wait(3_600_000);
    world.settle().await;
    let snapshots = world.cloud.list::<Snapshot>(&root, Query::default()).await.unwrap().rows;
    let [snapshot] = &snapshots[..] else { panic!("{snapshots:?}") };
    write(&mut world, "debian login: ").await;
    assert_eq!(verdict(&world, snapshot.id).await.as_deref(), Some("boots"));
}
