//! Timed release: it comes once at its time, whoever crashes and whatever protects the instance; it can be moved and called off.

use crate::world::{World, launch};
use control::{ModifyInstance, Options, RunInstances, SetInstanceRelease, StopInstances};
use model::{Attributes, Error, Instance, InstanceId, Millis, Phase, RELEASE_AHEAD_MAX_MS};

const HOUR: i64 = 3_600_000;

async fn set(world: &World, id: InstanceId, at: Option<Millis>, replaces: bool) -> Result<(), Error> {
    let command = SetInstanceRelease { ids: vec![id], at, replaces };
    world.cloud.run(&world.root().await, command, Options::default()).await.map(drop)
}

async fn phase_of(world: &World, id: InstanceId) -> Phase {
    world.store.get::<Instance>(id).await.unwrap().unwrap().phase
}

#[tokio::test]
async fn a_running_and_a_stopped_instance_go_at_their_time_though_they_are_protected() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let at = world.clock.now().after(HOUR);
    let attributes = Attributes { release_at: Some(at), ..Attributes::default() };
    let wanted = RunInstances { attributes, ..launch(world.image, 2, 2) };
    let ids = world.cloud.run(&root, wanted, Options::default()).await.unwrap().instances;
    world.settle().await;
    for id in &ids {
        let protect = ModifyInstance { id: Some(*id), termination_protection: Some(true), ..ModifyInstance::default() };
        world.cloud.run(&root, protect, Options::default()).await.unwrap();
    }
    let stop = StopInstances { ids: vec![ids[1]], force: true, keep_capacity: false };
    world.cloud.run(&root, stop, Options::default()).await.unwrap();
    world.settle().await;
    world.wait(HOUR - 1);
    world.settle().await;
    assert_eq!((phase_of(&world, ids[0]).await, phase_of(&world, ids[1]).await), (Phase::Running, Phase::Stopped));
    world.crash();
    world.wait(1);
    world.settle().await;
    assert_eq!((phase_of(&world, ids[0]).await, phase_of(&world, ids[1]).await), (Phase::Terminated, Phase::Terminated));
    assert!(world.document(0).await.vms.is_empty());
}

#[tokio::test]
async fn a_release_is_moved_and_called_off() {
    let mut world = World::new(1, 2).await;
    let id = world.cloud.run(&world.root().await, launch(world.image, 1, 1), Options::default()).await.unwrap().instances[0];
    world.settle().await;
    let now = world.clock.now();
    set(&world, id, Some(now.after(HOUR)), false).await.unwrap();
    let another = set(&world, id, Some(now.after(2 * HOUR)), false).await;
    assert!(matches!(another, Err(Error::LimitReached { name: "ActionTimer", .. })), "{another:?}");
    set(&world, id, Some(now.after(2 * HOUR)), true).await.unwrap();
    world.wait(HOUR);
    world.settle().await;
    assert_eq!(phase_of(&world, id).await, Phase::Running);
    set(&world, id, None, true).await.unwrap();
    world.wait(2 * HOUR);
    world.settle().await;
    assert_eq!(phase_of(&world, id).await, Phase::Running);
    let now = world.clock.now();
    for wrong in [now, now.after(RELEASE_AHEAD_MAX_MS + 1)] {
        let refused = set(&world, id, Some(wrong), true).await;
        assert!(matches!(refused, Err(Error::InvalidParameter { name: "AutoReleaseTime", .. })), "{refused:?}");
    }
}
