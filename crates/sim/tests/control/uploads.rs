//! Snapshots that are uploaded: how long they stay open, and how many. Where the bytes go is not tried here.

use control::{Caller, Options, PutBlock, Query, SealUpload, StartUpload};
use model::{Error, Gib, SNAPSHOT_DEADLINE_MS, Snapshot, SnapshotId, SnapshotSeen, Tags, UPLOADS_OPEN_MAX};

use crate::world::World;

fn start() -> StartUpload {
    StartUpload {
        size: Gib(1),
        parent: None,
        description: String::new(),
        encryption: model::EncryptionChoice::default(),
        timeout_minutes: 60,
        tags: Tags::new(),
    }
}

async fn started(world: &World, root: &Caller) -> SnapshotId {
    world.cloud.run(root, start(), Options::default()).await.unwrap().id
}

async fn word(world: &World, root: &Caller, id: SnapshotId) -> &'static str {
    let query = Query { ids: vec![id], ..Query::default() };
    world.cloud.list::<Snapshot>(root, query).await.unwrap().rows[0].word()
}

#[tokio::test]
async fn an_upload_that_nobody_writes_is_given_up_and_a_sealed_one_has_longer() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let (idle, sealed) = (started(&world, &root).await, started(&world, &root).await);
    let seal = SealUpload { snapshot: sealed, blocks: 0 };
    world.cloud.upload_seal(&root, seal.clone(), Options::default()).await.unwrap();
    assert!(world.cloud.upload_seal(&root, seal, Options::default()).await.is_err(), "it is sealed once");
    assert_eq!(world.cloud.uploads_sealed().await.unwrap(), [sealed]);
    world.wait(61 * 60_000);
    world.settle().await;
    assert_eq!((word(&world, &root, idle).await, word(&world, &root, sealed).await), ("error", "pending"));
    assert_eq!(world.cloud.upload_kept(idle).await.unwrap(), None, "what waits of it can go");
    let put = PutBlock { upload: idle, index: 0, length: 0, bytes: vec![], sha256: vec![] };
    assert!(matches!(world.cloud.block_put(&root, put).await, Err(Error::IncorrectState { .. })));
    let done = SnapshotSeen::Done { manifest: "ab".into(), stored_bytes: 1 };
    world.cloud.upload_end(sealed, done.clone()).await.unwrap();
    assert_eq!(word(&world, &root, sealed).await, "completed");
    world.cloud.upload_end(idle, done).await.unwrap();
    assert_eq!(word(&world, &root, idle).await, "error", "what has ended stays as it is");
    world.wait(SNAPSHOT_DEADLINE_MS);
    world.settle().await;
    assert_eq!(word(&world, &root, sealed).await, "completed");
}

#[tokio::test]
async fn only_so_many_uploads_are_open_at_once() {
    let world = World::new(1, 1).await;
    let root = world.root().await;
    for _ in 0..UPLOADS_OPEN_MAX {
        started(&world, &root).await;
    }
    assert!(matches!(world.cloud.run(&root, start(), Options::default()).await, Err(Error::LimitReached { .. })));
}
