//! Disks of instances that run, rolled back: what is stopped, what waits, what starts again, whoever crashes.

use control::{
    AroundRollBack, Caller, DeleteSnapshot, DetachVolume, GrowVolume, NewVolume, Options, RollBackVolume, RunInstances, StopInstances,
    TerminateInstances,
};
use model::{Error, Gib, Instance, InstanceId, Noun, Phase, Provisioned, SnapshotId, Volume, VolumeId};

use crate::world::{World, launch};

const BOTH: AroundRollBack = AroundRollBack { stops: true, starts: true };

/// A running instance with a data disk of which there is a snapshot.
struct Scene {
    world: World,
    root: Caller,
    instance: InstanceId,
    volume: VolumeId,
    snapshot: SnapshotId,
}

impl Scene {
    async fn new(seed: u64) -> Scene {
        let mut world = World::new(1, seed).await;
        let root = world.root().await;
        let data = NewVolume { size: Some(Gib(10)), ..NewVolume::default() };
        let wanted = RunInstances { volumes: vec![data], ..launch(world.image, 1, 1) };
        let instance = world.cloud.run(&root, wanted, Options::default()).await.unwrap().instances[0];
        world.settle().await;
        let of_instance = world.store.read(move |tx| tx.volume_list_of_instance(instance)).await.unwrap();
        let volume = of_instance.iter().find(|volume| !volume.is_root()).unwrap().id;
        let snapshot = world.snapshot(volume).await.id;
        Scene { world, root, instance, volume, snapshot }
    }

    async fn roll_back(&self, around: AroundRollBack) -> Result<(), Error> {
        let command = RollBackVolume { volume: self.volume, snapshot: self.snapshot, around };
        self.world.cloud.run(&self.root, command, Options::default()).await.map(drop)
    }

    async fn rows(&self) -> (Instance, Volume) {
        let instance = self.world.store.get::<Instance>(self.instance).await.unwrap().unwrap();
        (instance, self.world.store.get::<Volume>(self.volume).await.unwrap().unwrap())
    }
}

#[tokio::test]
async fn a_running_instance_is_stopped_rolled_back_and_started_again_whoever_crashes() {
    let mut scene = Scene::new(1).await;
    let (before, had) = scene.rows().await;
    assert!(matches!(scene.roll_back(AroundRollBack::default()).await, Err(Error::IncorrectState { wanted: "stopped", .. })));
    let starts = AroundRollBack { stops: false, starts: true };
    assert!(matches!(scene.roll_back(starts).await, Err(Error::IncorrectState { wanted: "stopped", .. })));
    scene.roll_back(BOTH).await.unwrap();
    let (instance, volume) = scene.rows().await;
    assert!(matches!(instance.phase, Phase::Stopping { .. }), "{:?}", instance.phase);
    assert_eq!((volume.generation, volume.rolls_back_to), (had.generation, Some(scene.snapshot)), "the guest still has it");
    scene.world.crash();
    scene.world.settle().await;
    let (instance, volume) = scene.rows().await;
    assert_eq!((instance.phase, instance.roll_back, instance.boot), (Phase::Running, None, before.boot + 1));
    assert_eq!((volume.generation, volume.rolls_back_to), (had.generation + 1, None));
    assert_ne!(volume.manifest, had.manifest);
    let document = scene.world.document(0).await;
    let told = document.volumes.iter().find(|told| told.id == scene.volume).unwrap();
    assert_eq!(told.generation, volume.generation);
}

#[tokio::test]
async fn nothing_comes_between_the_stop_and_the_roll_back() {
    let mut scene = Scene::new(2).await;
    scene.roll_back(AroundRollBack { stops: true, starts: false }).await.unwrap();
    let (cloud, root) = (scene.world.cloud.clone(), scene.root.clone());
    let delete = cloud.run(&root, DeleteSnapshot { snapshot: scene.snapshot }, Options::default()).await;
    assert!(matches!(delete, Err(Error::InUse { noun: Noun::Snapshot, .. })), "{delete:?}");
    let detach = DetachVolume { volume: scene.volume, instance: None, device: None, force: true };
    let detach = cloud.run(&root, detach, Options::default()).await;
    assert!(matches!(detach, Err(Error::IncorrectState { state: "rolling back", .. })), "{detach:?}");
    let grow = GrowVolume { volume: scene.volume, size: Some(Gib(11)), kind: None, provisioned: Provisioned::default() };
    let grow = cloud.run(&root, grow, Options::default()).await;
    assert!(matches!(grow, Err(Error::IncorrectState { state: "rolling back", .. })), "{grow:?}");
    assert!(matches!(scene.roll_back(BOTH).await, Err(Error::IncorrectState { .. })), "once");
    scene.world.settle().await;
    let (instance, volume) = scene.rows().await;
    assert_eq!((instance.phase, volume.rolls_back_to, volume.generation), (Phase::Stopped, None, 2));
    // Of one that is at rest the disk is rolled back at once, and the machine starts with it.
    scene.roll_back(BOTH).await.unwrap();
    scene.world.settle().await;
    let (instance, volume) = scene.rows().await;
    assert_eq!((instance.phase, volume.generation), (Phase::Running, 3));
}

#[tokio::test]
async fn one_that_is_stopped_meanwhile_stays_stopped_and_one_that_is_ended_ends() {
    let mut scene = Scene::new(3).await;
    scene.roll_back(BOTH).await.unwrap();
    let stop = StopInstances { ids: vec![scene.instance], force: true, keep_capacity: true };
    scene.world.cloud.run(&scene.root, stop, Options::default()).await.unwrap();
    scene.world.settle().await;
    let (instance, volume) = scene.rows().await;
    assert_eq!((instance.phase, volume.generation), (Phase::Stopped, 2));
    let mut scene = Scene::new(4).await;
    scene.roll_back(BOTH).await.unwrap();
    let end = TerminateInstances { ids: vec![scene.instance], only_stopped: false };
    scene.world.cloud.run(&scene.root, end, Options::default()).await.unwrap();
    scene.world.settle().await;
    let row = scene.world.store.get::<Instance>(scene.instance).await.unwrap().unwrap();
    assert_eq!((row.phase, row.roll_back), (Phase::Terminated, None));
    scene.world.cloud.run(&scene.root, DeleteSnapshot { snapshot: scene.snapshot }, Options::default()).await.unwrap();
}
