//! One life of an instance, again and again, each time with a crash at another step: of the control plane, of the agent, or of a
//! worker that has just taken what is due. Whenever it comes, the life goes on to the same end.

use crate::world::{World, launch};
use control::{
    Command, GuestAccess, Needed, OldRoot, Options, Query, RebootInstances, ReplaceRoot, RootSource, StartInstances, StopInstances,
    TerminateInstances,
};
use model::{InstanceId, Phase, SeenState, TERMINATED_VISIBLE_MS, Tags, VolumeId};

/// Longer than a worker's lease, in milliseconds.
const LEASE_PASSED_MS: i64 = 31_000;
/// Rounds in which everything comes to rest, also after a crash.
const ROUNDS: usize = 12;

/// Who crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    ControlPlane,
    Agent,
    Worker,
}

/// A world that counts its steps and breaks at one of them.
struct Crashing {
    world: World,
    crash: Option<(Who, usize)>,
    steps: usize,
}

impl Crashing {
    async fn new(crash: Option<(Who, usize)>) -> Crashing {
        Crashing { world: World::new(1, 1).await, crash, steps: 0 }
    }

    /// Counts a step; true when the crash comes before it.
    async fn crashes(&mut self) -> bool {
        self.steps += 1;
        let Some((who, at)) = self.crash else { return false };
        if self.steps != at {
            return false;
        }
        match who {
            Who::ControlPlane => self.world.crash(),
            Who::Agent => self.world.hosts[0].restart(2),
            Who::Worker => {
                let taken = self.world.store.lease_wakes("dead", self.world.clock.now(), LEASE_PASSED_MS - 1_000, 100).await.unwrap();
                drop(taken);
                self.world.wait(LEASE_PASSED_MS);
            }
        }
        true
    }

    async fn settle(&mut self) {
        for _ in 0..ROUNDS {
            self.crashes().await;
            let document = self.world.document(0).await;
            self.crashes().await;
            let report = self.world.hosts[0].obey(&document);
            // What an agent did before it crashed is done; that it did it, nobody hears.
            if !(self.crashes().await && matches!(self.crash, Some((Who::Agent, _)))) {
                self.world.cloud.report(report).await.unwrap();
            }
            loop {
                self.crashes().await;
                if self.world.cloud.work_once("worker").await.unwrap() == 0 {
                    break;
                }
            }
            if self.rests().await {
                return;
            }
        }
        panic!("{:?}: nothing comes to rest", self.crash);
    }

    async fn rests(&self) -> bool {
        let id = self.world.ids[0];
        let host = self.world.store.read(move |tx| tx.get::<model::Host>(id)).await.unwrap().unwrap();
        let root = self.world.root().await;
        let rows = self.world.cloud.list_instances(&root, Query::default()).await.unwrap().rows;
        let rests = |phase| matches!(phase, Phase::Running | Phase::Stopped | Phase::Terminated);
        host.applied == host.generation && rows.iter().all(|view| rests(view.instance.phase))
    }

    async fn run<C: Command>(&mut self, command: C) -> C::Reply {
        let root = self.world.root().await;
        let reply = self.world.cloud.run(&root, command, Options::default()).await.unwrap();
        self.settle().await;
        reply
    }

    async fn expect(&self, id: InstanceId, phase: Phase, seen: Option<SeenState>) {
        let root = self.world.root().await;
        let instance = self.world.cloud.instance_view(&root, id).await.unwrap().instance;
        assert_eq!((instance.phase, instance.seen.map(|seen| seen.state)), (phase, seen), "{:?}", self.crash);
    }

    /// From launch to nothing; the number of steps that it took.
    async fn live(mut self) -> usize {
        let ids = self.run(launch(self.world.image, 1, 1)).await.instances;
        let id = ids[0];
        self.expect(id, Phase::Running, Some(SeenState::Running)).await;
        self.run(StopInstances { ids: ids.clone(), force: false, keep_capacity: false }).await;
        self.expect(id, Phase::Stopped, Some(SeenState::Stopped)).await;
        self.run(StartInstances { ids: ids.clone() }).await;
        self.expect(id, Phase::Running, Some(SeenState::Running)).await;
        self.run(RebootInstances { ids: ids.clone(), force: true }).await;
        self.expect(id, Phase::Running, Some(SeenState::Running)).await;
        self.run(TerminateInstances { ids, only_stopped: false }).await;
        self.expect(id, Phase::Terminated, None).await;
        self.world.wait(TERMINATED_VISIBLE_MS + 1);
        self.settle().await;
        self.nothing_is_left().await;
        self.steps
    }

    /// The system disk of a running instance is replaced, then that of the stopped one, then its contents; the number of steps.
    async fn renew(mut self) -> usize {
        let ids = self.run(launch(self.world.image, 1, 1)).await.instances;
        let id = ids[0];
        let first = self.root(id).await;
        let second = self.run(replace(id, OldRoot::Deleted, Needed::Running)).await.volume;
        assert_ne!(first, second);
        self.expect(id, Phase::Running, Some(SeenState::Running)).await;
        self.has_only(id, second).await;
        self.run(StopInstances { ids: ids.clone(), force: false, keep_capacity: false }).await;
        let third = self.run(replace(id, OldRoot::Deleted, Needed::Stopped)).await.volume;
        let fourth = self.run(replace(id, OldRoot::Renewed, Needed::Settled)).await.volume;
        assert_eq!(third, fourth);
        self.run(StartInstances { ids: ids.clone() }).await;
        self.expect(id, Phase::Running, Some(SeenState::Running)).await;
        self.has_only(id, third).await;
        self.run(TerminateInstances { ids, only_stopped: false }).await;
        self.world.wait(TERMINATED_VISIBLE_MS + 1);
        self.settle().await;
        self.nothing_is_left().await;
        self.steps
    }

    async fn root(&self, id: InstanceId) -> VolumeId {
        let root = self.world.root().await;
        self.world.cloud.instance_view(&root, id).await.unwrap().instance.root_volume
    }

    /// The instance runs from this disk, there is no other, and nothing is under way.
    async fn has_only(&self, id: InstanceId, volume: VolumeId) {
        let (cloud, root) = (&self.world.cloud, self.world.root().await);
        let instance = cloud.instance_view(&root, id).await.unwrap().instance;
        assert_eq!((instance.root_volume, instance.seen.as_ref().unwrap().disks.clone()), (volume, vec![volume]), "{:?}", self.crash);
        assert_eq!(instance.replacement_under_way(), None, "{:?}", self.crash);
        let all = cloud.list::<model::Volume>(&root, Query::default()).await.unwrap().rows;
        assert_eq!(all.iter().map(|row| row.id).collect::<Vec<_>>(), [volume], "{:?}", self.crash);
    }

    async fn nothing_is_left(&self) {
        let (cloud, root) = (&self.world.cloud, self.world.root().await);
        assert_eq!(cloud.list_instances(&root, Query::default()).await.unwrap().total, 0, "{:?}", self.crash);
        assert_eq!(cloud.list::<model::Interface>(&root, Query::default()).await.unwrap().total, 0, "{:?}", self.crash);
        assert_eq!(cloud.list::<model::Volume>(&root, Query::default()).await.unwrap().total, 0, "{:?}", self.crash);
        assert_eq!(cloud.list::<model::Address>(&root, Query::default()).await.unwrap().total, 0, "{:?}", self.crash);
        assert_eq!(cloud.find_strays().await.unwrap(), [], "{:?}", self.crash);
        let document = self.world.document(0).await;
        assert!(document.vms.is_empty() && document.volumes.is_empty(), "{:?}", self.crash);
    }
}

fn replace(instance: InstanceId, old: OldRoot, needed: Needed) -> ReplaceRoot {
    let (source, access, tags) = (RootSource::Same, GuestAccess::default(), Tags::new());
    ReplaceRoot { instance, source, old, needed, size: None, access, tags }
}

#[tokio::test]
async fn a_crash_at_any_step_changes_nothing_about_the_end() {
    let steps = Crashing::new(None).await.live().await;
    assert!(steps > 30, "{steps} steps are no life");
    for who in [Who::ControlPlane, Who::Agent, Who::Worker] {
        for at in 1..=steps {
            Crashing::new(Some((who, at))).await.live().await;
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_step_of_a_replacement_loses_no_disk_and_leaves_none() {
    let steps = Crashing::new(None).await.renew().await;
    assert!(steps > 30, "{steps} steps are no life");
    for who in [Who::ControlPlane, Who::Agent, Who::Worker] {
        for at in 1..=steps {
            Crashing::new(Some((who, at))).await.renew().await;
        }
    }
}
