//! System disks replaced under running machines, with real QEMUs and an agent that is killed in the middle.

mod common;

use std::time::Duration;

use common::*;
use hostspec::{Power, VmState, VolumeGoal, VolumeState};
use model::{InstanceId, VolumeId};

/// Milliseconds after which the agent is killed: before the machine is stopped, between the steps, and after the new start.
const KILLS_MS: [u64; 6] = [0, 30, 80, 150, 300, 700];

/// Files of a volume in the pool.
fn files(cloud: &Cloud, volume: VolumeId) -> Vec<String> {
    let names = std::fs::read_dir(cloud.config.state.join("volumes")).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&format!("{volume}.")) && name.ends_with(".qcow2")).collect()
}

/// The document by which a machine starts again from another volume, of a guest that obeys the power button.
fn replace(cloud: &mut Cloud, id: InstanceId, old: VolumeGoal) -> (VolumeId, VolumeId) {
    let (first, second) = (VolumeId::from_u64(1), VolumeId::from_u64(2));
    cloud.add(2, Guest::Obedient);
    cloud.spec.vms.retain(|vm| vm.id == id);
    cloud.vm(id).disks[0].volume = second;
    cloud.vm(id).boot = 2;
    cloud.spec.volumes.iter_mut().find(|volume| volume.id == first).unwrap().goal = old;
    (first, second)
}

/// The guest of the new system is the one that runs: the old one ignores the power button.
async fn obeys(cloud: &mut Cloud, id: InstanceId) {
    cloud.until_console(id, "guest up", 1).await;
    cloud.vm(id).power = Power::Off { grace_seconds: 60 };
    cloud.send();
    cloud.until_state(id, VmState::Stopped, 2).await;
    cloud.until_console(id, "bye", 1).await;
}

#[tokio::test]
async fn a_machine_starts_again_from_another_disk_and_the_old_one_stays_or_goes() {
    for goes in [false, true] {
        let mut cloud = Cloud::new().await;
        let id = cloud.launch(1, Guest::Stubborn).await;
        let kept = cloud.spec.volumes[0].goal.clone();
        let (first, second) = replace(&mut cloud, id, if goes { VolumeGoal::Deleted } else { kept });
        cloud.send();
        let report = cloud.until_state(id, VmState::Running, 2).await;
        assert_eq!((fault_of(&report, id), &vm_of(&report, id).unwrap().disks[..]), (None, &[second][..]));
        cloud.until("the old disk settled", |r| r.applied == r.generation).await;
        assert_eq!(files(&cloud, first).is_empty(), goes);
        obeys(&mut cloud, id).await;
        cloud.finish().await;
    }
}

#[tokio::test]
async fn a_disk_gets_other_contents_under_its_running_machine() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    cloud.add(2, Guest::Obedient);
    cloud.spec.vms.retain(|vm| vm.id == id);
    let other = cloud.spec.volumes.pop().unwrap();
    cloud.spec.volumes[0].goal = other.goal;
    cloud.spec.volumes[0].generation = 2;
    cloud.vm(id).boot = 2;
    cloud.send();
    cloud.until_state(id, VmState::Running, 2).await;
    obeys(&mut cloud, id).await;
    cloud.finish().await;
}

#[tokio::test]
async fn whenever_the_agent_is_killed_one_disk_is_whole_and_the_machine_ends_with_the_new_one() {
    for after_ms in KILLS_MS {
        let mut cloud = Cloud::new().await;
        let id = cloud.launch(1, Guest::Stubborn).await;
        cloud.agent.take().unwrap().shutdown().await;
        let (first, second) = replace(&mut cloud, id, VolumeGoal::Deleted);
        cloud.spec.generation += 1;
        let mut process = agent_process(&cloud);
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(!files(&cloud, first).is_empty() || !files(&cloud, second).is_empty(), "killed after {after_ms} ms: both disks are gone");
        cloud.start_agent().await;
        cloud.send();
        cloud.until_state(id, VmState::Running, 2).await;
        // A machine that is found running tells its disks when its monitor answers.
        cloud.until("the machine on the new disk", |r| vm_of(r, id).is_some_and(|vm| vm.boot == 2 && vm.disks == [second])).await;
        cloud
            .until("the old disk gone", |r| volume_of(r, 1).is_none_or(|volume| !matches!(volume.state, VolumeState::Present { .. })))
            .await;
        assert_eq!(files(&cloud, first), Vec::<String>::new());
        obeys(&mut cloud, id).await;
        cloud.finish().await;
    }
}
