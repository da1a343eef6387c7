//! Snapshots that policies take: at their hours, once whoever crashes, and gone when it was said.

use control::{
    Caller, CreateSnapshotPolicy, CreateVolume, DeleteSnapshotPolicy, DeleteVolume, ModifySnapshotPolicy, ModifyVolumes, Options,
    PolicyTie, Query, SnapshotOf, TakeSnapshots, TieSnapshotPolicy,
};
use model::{Error, Gib, Millis, Provisioned, Schedule, Snapshot, SnapshotPolicy, SnapshotPolicyId, Tags, VolumeId, VolumeKind};

use crate::world::World;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn daily(hours: &[u8]) -> CreateSnapshotPolicy {
    let schedule = Schedule { days: (1..=7).collect(), hours: hours.iter().copied().collect(), minute: 0, ahead: 0 };
    let tags = Tags::from([("made".to_owned(), "by the hour".to_owned())]);
    CreateSnapshotPolicy { name: "nightly".to_owned(), schedule, retention_days: Some(2), active: true, tags }
}

pub async fn volume(world: &mut World, root: &Caller) -> VolumeId {
    volume_that(world, root, false).await
}

async fn volume_that(world: &mut World, root: &Caller, deletes_auto_snapshots: bool) -> VolumeId {
    let (name, description, tags) = (String::new(), String::new(), Tags::new());
    let (kind, provisioned) = (VolumeKind::Fast, Provisioned::default());
    let zone = "sim-1a".to_owned();
    let encryption = model::EncryptionChoice::default();
    let size = Some(Gib(1));
    let new = CreateVolume {
        zone,
        snapshot: None,
        encryption,
        size,
        kind,
        provisioned,
        name,
        description,
        deletes_auto_snapshots,
        shared: false,
        tags,
    };
    let id = world.cloud.run(root, new, Options::default()).await.unwrap().id;
    world.settle().await;
    id
}

async fn tie(world: &World, root: &Caller, policy: Option<SnapshotPolicyId>, volumes: &[VolumeId]) -> Result<(), Error> {
    let tie = policy.map_or(PolicyTie::FromAny, PolicyTie::To);
    world.cloud.run(root, TieSnapshotPolicy { tie, volumes: volumes.to_vec() }, Options::default()).await
}

async fn policy(world: &World, root: &Caller, new: CreateSnapshotPolicy) -> SnapshotPolicyId {
    world.cloud.run(root, new, Options::default()).await.unwrap()
}

async fn snapshots(world: &World, root: &Caller) -> Vec<Snapshot> {
    world.cloud.list::<Snapshot>(root, Query::default()).await.unwrap().rows
}

async fn next(world: &World, root: &Caller, id: SnapshotPolicyId) -> Millis {
    world.cloud.list::<SnapshotPolicy>(root, Query { ids: vec![id], ..Query::default() }).await.unwrap().rows[0].next
}

/// Waits until the policy's hour, and a moment.
async fn until_due(world: &mut World, root: &Caller, id: SnapshotPolicyId) {
    let due = next(world, root, id).await;
    world.wait(due.since(world.clock.now()) + 1);
}

#[tokio::test]
async fn each_hour_gives_one_snapshot_of_each_volume_and_they_go_when_it_was_said() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let (first, second) = (volume(&mut world, &root).await, volume(&mut world, &root).await);
    let id = policy(&world, &root, daily(&[3])).await;
    tie(&world, &root, Some(id), &[first, second]).await.unwrap();
    world.settle().await;
    assert_eq!(snapshots(&world, &root).await, [], "its hour has not come");
    until_due(&mut world, &root, id).await;
    for _ in 0..3 {
        world.settle().await;
    }
    let taken = snapshots(&world, &root).await;
    assert_eq!(taken.iter().map(|row| row.volume).collect::<Vec<_>>(), [first, second]);
    for row in &taken {
        assert_eq!((row.word(), row.policy), ("completed", Some(id)));
        assert_eq!(row.expires_at, Some(row.created_at.after(2 * DAY_MS)));
        assert!(row.name.starts_with("auto_") && row.name.ends_with(&id.to_string()), "{}", row.name);
        assert_eq!(row.tags.get("made").map(String::as_str), Some("by the hour"));
    }
    // Two days on: two more of each, and the first ones have gone.
    for _ in 0..2 {
        until_due(&mut world, &root, id).await;
        world.settle().await;
    }
    world.wait(HOUR_MS);
    world.settle().await;
    let left = snapshots(&world, &root).await;
    assert_eq!(left.len(), 4, "{left:#?}");
    assert!(taken.iter().all(|gone| left.iter().all(|row| row.id != gone.id)));
}

#[tokio::test]
async fn hours_that_passed_unseen_give_one_snapshot_and_crashes_give_no_second() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let disk = volume(&mut world, &root).await;
    let id = policy(&world, &root, daily(&(0..24).collect::<Vec<_>>())).await;
    tie(&world, &root, Some(id), &[disk]).await.unwrap();
    world.wait(9 * HOUR_MS);
    for _ in 0..4 {
        world.crash();
        world.settle().await;
    }
    assert_eq!(snapshots(&world, &root).await.len(), 1);
    // A worker that took the wake and died with it takes nothing along.
    until_due(&mut world, &root, id).await;
    let dead = world.store.lease_wakes("dead", world.clock.now(), 1_000, 100).await.unwrap();
    assert!(!dead.is_empty());
    world.wait(2_000);
    world.settle().await;
    world.settle().await;
    assert_eq!(snapshots(&world, &root).await.len(), 2);
}

#[tokio::test]
async fn a_volume_has_one_policy_and_a_gone_one_hinders_no_other() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let (first, second) = (volume(&mut world, &root).await, volume(&mut world, &root).await);
    let (early, late) = (policy(&world, &root, daily(&[3])).await, policy(&world, &root, daily(&[4])).await);
    tie(&world, &root, Some(early), &[first, second]).await.unwrap();
    tie(&world, &root, Some(late), &[second]).await.unwrap();
    let stranger = VolumeId::from_u64(7);
    assert!(matches!(tie(&world, &root, Some(late), &[first, stranger]).await, Err(Error::NotFound { .. })));
    until_due(&mut world, &root, early).await;
    world.settle().await;
    assert_eq!(snapshots(&world, &root).await.iter().map(|row| row.volume).collect::<Vec<_>>(), [first]);
    world.cloud.run(&root, DeleteVolume { volume: first }, Options::default()).await.unwrap();
    world.settle().await;
    tie(&world, &root, Some(early), &[second]).await.unwrap();
    let hours = Some([5].into());
    let modify = ModifySnapshotPolicy { policy: early, name: None, days: None, hours, retention_days: Some(None), active: None };
    world.cloud.run(&root, modify, Options::default()).await.unwrap();
    until_due(&mut world, &root, early).await;
    world.settle().await;
    let newest = snapshots(&world, &root).await.pop().unwrap();
    assert_eq!((newest.volume, newest.expires_at), (second, None));
    tie(&world, &root, None, &[second]).await.unwrap();
    world.cloud.run(&root, DeleteSnapshotPolicy { policy: late }, Options::default()).await.unwrap();
    let before = snapshots(&world, &root).await.len();
    world.wait(DAY_MS);
    world.settle().await;
    assert_eq!(snapshots(&world, &root).await.len(), before);
}

#[tokio::test]
async fn what_a_policy_took_goes_with_its_volume_where_that_is_said() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let [kept, said, said_later, unsaid] = [
        volume(&mut world, &root).await,
        volume_that(&mut world, &root, true).await,
        volume(&mut world, &root).await,
        volume_that(&mut world, &root, true).await,
    ];
    let change = |volume, deletes| ModifyVolumes { ids: vec![volume], deletes_auto_snapshots: Some(deletes), ..ModifyVolumes::default() };
    for (volume, deletes) in [(said_later, true), (unsaid, false)] {
        world.cloud.run(&root, change(volume, deletes), Options::default()).await.unwrap();
    }
    let id = policy(&world, &root, daily(&[3])).await;
    tie(&world, &root, Some(id), &[kept, said, said_later, unsaid]).await.unwrap();
    let of = SnapshotOf::Volumes(vec![said]);
    let by_hand = TakeSnapshots { of, name: String::new(), description: String::new(), tags: Tags::new(), copy_tags: false };
    let by_hand = world.cloud.run(&root, by_hand, Options::default()).await.unwrap()[0].id;
    until_due(&mut world, &root, id).await;
    for _ in 0..3 {
        world.settle().await;
    }
    assert_eq!(snapshots(&world, &root).await.len(), 5);
    for volume in [kept, said, said_later, unsaid] {
        world.cloud.run(&root, DeleteVolume { volume }, Options::default()).await.unwrap();
        world.settle().await;
    }
    let left = snapshots(&world, &root).await;
    let of = |wanted: VolumeId| left.iter().filter(|row| row.volume == wanted).map(|row| row.id).collect::<Vec<_>>();
    assert_eq!((of(kept).len(), of(said), of(said_later), of(unsaid).len()), (1, vec![by_hand], vec![], 1));
}
