//! Lifecycles: volumes by their tags, and no more snapshots than were to be kept.

use control::{
    Caller, ChangeLifecycleTags, CreateLifecycle, CreateRole, CreateVolume, DeleteLifecycle, ModifyLifecycle, ModifySnapshotPolicy,
    Options, Query,
};
use model::{
    Error, Gib, Keep, Lifecycle, Millis, Provisioned, SESSION_USUAL_SECONDS, Snapshot, SnapshotPolicy, SnapshotPolicyId, Tags, VolumeId,
    VolumeKind, When,
};

use crate::world::World;

const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn volume(world: &mut World, root: &Caller, tags: Tags) -> VolumeId {
    let new = CreateVolume {
        zone: "sim-1a".to_owned(),
        snapshot: None,
        encryption: model::EncryptionChoice::default(),
        size: Some(Gib(1)),
        kind: VolumeKind::Fast,
        provisioned: Provisioned::default(),
        name: String::new(),
        description: String::new(),
        deletes_auto_snapshots: false,
        shared: false,
        tags,
    };
    let id = world.cloud.run(root, new, Options::default()).await.unwrap().id;
    world.settle().await;
    id
}

async fn lifecycle(world: &World, root: &Caller, keep: Keep) -> Lifecycle {
    let role = CreateRole {
        name: "keeper".to_owned(),
        description: String::new(),
        trust: TRUST.to_owned(),
        session_seconds: SESSION_USUAL_SECONDS,
        boundary: None,
        tags: Tags::new(),
    };
    world.cloud.run(root, role, Options::default()).await.unwrap();
    Lifecycle {
        description: "hourly".to_owned(),
        role: format!("arn:aws:iam::{}:role/keeper", root.account()),
        targets: [("backup".to_owned(), "yes".to_owned())].into(),
        when: When::Every { hours: 1, hour: 0, minute: 20 },
        keep,
        copy_tags: true,
        added_tags: tags(&[("by", "policy")]),
        modified_at: Millis(0),
    }
}

async fn policy(world: &World, root: &Caller, id: SnapshotPolicyId) -> SnapshotPolicy {
    world.cloud.list::<SnapshotPolicy>(root, Query { ids: vec![id], ..Query::default() }).await.unwrap().rows.remove(0)
}

async fn snapshots(world: &World, root: &Caller) -> Vec<Snapshot> {
    world.cloud.list::<Snapshot>(root, Query::default()).await.unwrap().rows
}

async fn hours(world: &mut World, root: &Caller, id: SnapshotPolicyId, count: usize) {
    for _ in 0..count {
        let due = policy(world, root, id).await.next;
        assert_eq!(due.0 % 3_600_000, 20 * 60_000, "twenty past");
        world.wait(due.since(world.clock.now()) + 1);
        for _ in 0..4 {
            world.settle().await;
        }
    }
}

#[tokio::test]
async fn volumes_with_the_tag_have_as_many_snapshots_as_are_kept() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let first = volume(&mut world, &root, tags(&[("backup", "yes"), ("Name", "data")])).await;
    volume(&mut world, &root, tags(&[("backup", "no")])).await;
    let lifecycle = lifecycle(&world, &root, Keep::Count(2)).await;
    let new = CreateLifecycle { name: "plan".to_owned(), lifecycle, active: true, tags: tags(&[("own", "x")]) };
    let id = world.cloud.run(&root, new, Options::default()).await.unwrap();
    hours(&mut world, &root, id, 2).await;
    let early = snapshots(&world, &root).await;
    assert_eq!(early.iter().map(|row| (row.volume, row.word())).collect::<Vec<_>>(), [(first, "completed"); 2]);
    assert_eq!(early[0].tags, tags(&[("backup", "yes"), ("Name", "data"), ("by", "policy")]));
    // A volume that gets into it later is in it, and the older snapshots of the first go.
    let second = volume(&mut world, &root, tags(&[("backup", "yes")])).await;
    hours(&mut world, &root, id, 3).await;
    world.wait(2_000);
    world.settle().await;
    let left = snapshots(&world, &root).await;
    let of = |volume| left.iter().filter(|row| row.volume == volume).count();
    assert_eq!((left.len(), of(first), of(second)), (4, 2, 2), "{left:#?}");
    assert!(early.iter().all(|gone| left.iter().all(|row| row.id != gone.id)));
    // Turned off, and deleted: what is there stays.
    let off = ModifyLifecycle { policy: id, description: None, role: None, details: None, active: Some(false) };
    world.cloud.run(&root, off, Options::default()).await.unwrap();
    hours(&mut world, &root, id, 2).await;
    assert_eq!(snapshots(&world, &root).await.len(), 4);
    world.cloud.run(&root, DeleteLifecycle { policy: id }, Options::default()).await.unwrap();
    world.wait(86_400_000);
    world.settle().await;
    assert_eq!(snapshots(&world, &root).await.len(), 4);
}

#[tokio::test]
async fn other_services_do_not_take_its_schedule_and_strangers_see_none() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let lifecycle = lifecycle(&world, &root, Keep::Count(2)).await;
    let new = CreateLifecycle { name: String::new(), lifecycle: lifecycle.clone(), active: true, tags: Tags::new() };
    let id = world.cloud.run(&root, new, Options::default()).await.unwrap();
    let modify = ModifySnapshotPolicy { policy: id, name: None, days: None, hours: Some([5].into()), retention_days: None, active: None };
    assert!(matches!(world.cloud.run(&root, modify, Options::default()).await, Err(Error::Unsupported { .. })));
    let tag = ChangeLifecycleTags { policy: id, add: tags(&[("aws:x", "y")]), remove: [].into() };
    assert!(matches!(world.cloud.run(&root, tag, Options::default()).await, Err(Error::InvalidParameter { .. })));
    let absent = SnapshotPolicyId::from_u64(7);
    assert!(matches!(world.cloud.run(&root, DeleteLifecycle { policy: absent }, Options::default()).await, Err(Error::NotFound { .. })));
    let without = CreateLifecycle {
        name: String::new(),
        lifecycle: Lifecycle { role: "arn:aws:iam::1:role/keeper".to_owned(), ..lifecycle },
        active: true,
        tags: Tags::new(),
    };
    assert!(matches!(
        world.cloud.run(&root, without, Options::default()).await,
        Err(Error::InvalidParameter { name: "ExecutionRoleArn", .. })
    ));
    world.settle().await;
}
