//! Snapshots by copy on write, with real QEMUs: the guest writes in place, old blocks are copied away, and nothing of it is left.

mod common;

use std::time::Duration;

use common::history::{Disk, History};
use common::*;
use hostspec::*;
use model::{DataKey, InstanceId, SnapshotMode, VolumeId};
use pileus_agent::qemu::qmp::Qmp;

impl Cloud {
    async fn copying() -> Cloud {
        let mut cloud = Cloud::new().await;
        cloud.mode = SnapshotMode::Copy;
        cloud
    }

    /// Files of a volume beside its layers.
    fn fleeces(&self) -> usize {
        let files = std::fs::read_dir(self.config.state.join("volumes")).unwrap().flatten();
        files.filter(|file| file.file_name().to_string_lossy().ends_with(".fleece")).count()
    }

    /// Waits until nothing is kept for a snapshot.
    async fn until_no_fleece(&self) {
        let wait = async {
            while self.fleeces() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("the fleece goes");
    }

    /// Takes a snapshot of the first disk of the guest of random writes, and checks that it holds what the guest had written at one instant.
    async fn snapshot_of_a_remembering_guest(&mut self, vm: InstanceId, job: u64, key: Option<&DataKey>, mut history: History) -> History {
        self.until_writes(vm, 60).await;
        history.hear(&self.agent().console_output(vm).await.unwrap().bytes);
        let id = self.snapshot(job, &[1])[0];
        let (manifest, _) = self.done(id).await;
        let history = history.check(&self.bytes(&manifest, key), Disk::Held);
        self.spec.snapshots.clear();
        self.send();
        history
    }

    /// Leaves a guest as an agent leaves it that is killed after it stopped its processors, having written down why.
    async fn agent_killed_with_the_guest_stopped(&mut self, vm: InstanceId, why: &str) {
        self.agent.take().unwrap().shutdown().await;
        let limit = Duration::from_secs(10);
        let (qmp, _events) = Qmp::connect(&self.vm_folder(vm).join("monitor.sock"), limit).await.unwrap();
        qmp.call("stop", serde_json::json!({}), limit).await.unwrap();
        let path = self.vm_folder(vm).join("record.json");
        let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(record[why], false);
        record[why] = true.into();
        std::fs::write(&path, record.to_string()).unwrap();
    }

    /// Waits until nothing of a snapshot is left on the host but the disk itself.
    async fn until_in_place(&self, volume: u64) {
        self.until_no_fleece().await;
        assert_eq!(self.layers(volume), 1, "the disk is the one file that it was");
    }
}

#[tokio::test]
async fn snapshots_of_a_writing_guest_are_instants_and_leave_the_disk_one_file() {
    let mut cloud = Cloud::copying().await;
    let vm = cloud.launch(1, Guest::Marker).await;
    let mut before = 0;
    for job in 1..=4 {
        before = cloud.snapshot_of_a_marking_guest(vm, job, before).await;
        cloud.until_in_place(1).await;
        cloud.spec.snapshots.clear();
        cloud.send();
    }
    cloud.until_writes(vm, 10).await;
    assert!(!cloud.vm_folder(vm).join("copies.sock").exists());
    cloud.finish().await;
}

#[tokio::test]
async fn what_a_snapshot_holds_is_what_the_guest_had_written_at_one_instant_and_the_guest_loses_no_write() {
    for own in [None, Some(key(7))] {
        let mut cloud = Cloud::copying().await;
        let vm = cloud.launch_with(1, Guest::Random, own.as_ref()).await;
        let mut history = History::default();
        for job in 1..=3 {
            history = cloud.snapshot_of_a_remembering_guest(vm, job, own.as_ref(), history).await;
            cloud.until_in_place(1).await;
        }
        // The disk itself, read by nobody's filter: the guest wrote in place all the time.
        history.hear(&cloud.agent().console_output(vm).await.unwrap().bytes);
        cloud.vm(vm).power = OFF_NOW;
        cloud.send();
        cloud.until_state(vm, VmState::Stopped, 1).await;
        let id = cloud.snapshot(9, &[1])[0];
        let (manifest, _) = cloud.done(id).await;
        history.check(&cloud.bytes(&manifest, own.as_ref()), Disk::Killed);
        cloud.finish().await;
    }
}

#[tokio::test]
async fn a_disk_that_had_layers_is_copied_over_its_newest_and_redirected_again() {
    let mut cloud = Cloud::new().await;
    let vm = cloud.launch(1, Guest::Random).await;
    let mut history = History::default();
    let modes = [SnapshotMode::Redirect, SnapshotMode::Copy, SnapshotMode::Copy, SnapshotMode::Redirect, SnapshotMode::Copy];
    for (job, mode) in (1..).zip(modes) {
        cloud.mode = mode;
        history = cloud.snapshot_of_a_remembering_guest(vm, job, None, history).await;
    }
    cloud.until_layers(1, 2).await;
    cloud.finish().await;
}

#[tokio::test]
async fn disks_of_both_modes_are_frozen_at_one_instant_and_the_guest_goes_on() {
    let mut cloud = Cloud::copying().await;
    let vm = cloud.add(1, Guest::Random);
    for number in [10, 11] {
        let goal = VolumeGoal::Present { size_bytes: 8 * MIB, image: None, manifest: None, keys: DiskKeys::default(), shared: false };
        cloud.spec.volumes.push(VolumeSpec { id: VolumeId::from_u64(number), generation: 1, goal });
        let (volume, serial) = (VolumeId::from_u64(number), format!("vol{number}"));
        cloud.vm(vm).disks.push(DiskSpec { volume, serial, limits: model::DiskLimits::default() });
    }
    cloud.send();
    cloud.until_state(vm, VmState::Running, 1).await;
    cloud.until_writes(vm, 40).await;
    let ids = cloud.snapshot(1, &[1, 10, 11]);
    cloud.spec.snapshots[0].parts[1].mode = SnapshotMode::Redirect;
    cloud.send();
    for id in &ids {
        cloud.done(*id).await;
    }
    let (manifest, _) = cloud.done(ids[0]).await;
    History::default().check(&cloud.bytes(&manifest, None), Disk::Held);
    cloud.until_in_place(1).await;
    cloud.until_writes(vm, 40).await;
    cloud.finish().await;
}

#[tokio::test]
async fn an_agent_that_ends_has_a_successor_that_reads_on_and_leaves_nothing() {
    let mut cloud = Cloud::copying().await;
    let vm = cloud.launch(1, Guest::Random).await;
    let mut history = History::default();
    for job in 1..=6 {
        cloud.until_writes(vm, 20).await;
        history.hear(&cloud.agent().console_output(vm).await.unwrap().bytes);
        let id = cloud.snapshot(job, &[1])[0];
        // At some step between the wish and the end, a later one each time.
        tokio::time::sleep(Duration::from_millis(15 * job)).await;
        cloud.agent.take().unwrap().shutdown().await;
        cloud.start_agent().await;
        cloud.send();
        let (manifest, _) = cloud.done(id).await;
        history = history.check(&cloud.bytes(&manifest, None), Disk::Held);
        cloud.spec.snapshots.clear();
        cloud.send();
        cloud.until_in_place(1).await;
    }
    cloud.until_writes(vm, 20).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_qemu_that_dies_fails_the_snapshot_with_a_reason_and_harms_no_disk() {
    let mut cloud = Cloud::copying().await;
    let vm = cloud.launch(1, Guest::Random).await;
    let mut history = History::default();
    let mut failures = 0;
    for job in 1..=3 {
        cloud.until_writes(vm, 20).await;
        history.hear(&cloud.agent().console_output(vm).await.unwrap().bytes);
        let id = cloud.snapshot(job, &[1])[0];
        // Killed when it is begun, and when it is written down that it is frozen.
        let is_reached = |cloud: &Cloud| match job % 2 {
            0 => cloud.fleeces() > 0,
            _ => std::fs::read_dir(cloud.config.state.join("snapshots")).unwrap().count() > 0,
        };
        let wait = async {
            while !is_reached(&cloud) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("it gets so far");
        signal(cloud.pid(vm), "KILL");
        // One that was frozen fails, one that was not is frozen later, and one that was read is there.
        match cloud.ended(id).await {
            Ok((manifest, _)) => history = history.check(&cloud.bytes(&manifest, None), Disk::Killed),
            Err(fault) => {
                assert_eq!(fault.kind, FaultKind::Died, "{fault:?}");
                failures += 1;
            }
        }
        cloud.spec.snapshots.clear();
        cloud.send();
        cloud.until_state(vm, VmState::Running, 1).await;
        cloud.until_no_fleece().await;
    }
    assert!(failures > 0, "no snapshot was lost, so nothing was tried");
    cloud.until_writes(vm, 20).await;
    history.hear(&cloud.agent().console_output(vm).await.unwrap().bytes);
    let id = cloud.snapshot(99, &[1])[0];
    let (manifest, _) = cloud.done(id).await;
    history.check(&cloud.bytes(&manifest, None), Disk::Killed);
    cloud.finish().await;
}

#[tokio::test]
async fn a_machine_that_is_stopped_leaves_a_snapshot_to_be_read_and_may_start_again_meanwhile() {
    for own in [None, Some(key(9))] {
        let mut cloud = Cloud::copying().await;
        let vm = cloud.launch_with(1, Guest::Random, own.as_ref()).await;
        let mut history = History::default();
        for job in 1..=6 {
            cloud.until_writes(vm, 40).await;
            history.hear(&cloud.agent().console_output(vm).await.unwrap().bytes);
            let id = cloud.snapshot(job, &[1])[0];
            tokio::time::sleep(Duration::from_millis(25 * job)).await;
            cloud.vm(vm).power = OFF_NOW;
            cloud.send();
            if job % 2 == 0 {
                // Started again while it may still be read.
                let boot = cloud.vm(vm).boot + 1;
                cloud.until_state(vm, VmState::Stopped, boot - 1).await;
                let machine = cloud.vm(vm);
                (machine.power, machine.boot) = (Power::On, boot);
                cloud.send();
            }
            let (manifest, _) = cloud.ended(id).await.expect("a stop fails no snapshot");
            history = history.check(&cloud.bytes(&manifest, own.as_ref()), Disk::Killed);
            cloud.spec.snapshots.clear();
            if cloud.vm(vm).power != Power::On {
                let machine = cloud.vm(vm);
                (machine.power, machine.boot) = (Power::On, machine.boot + 1);
            }
            let boot = cloud.vm(vm).boot;
            cloud.send();
            cloud.until_state(vm, VmState::Running, boot).await;
        }
        cloud.finish().await;
    }
}

#[tokio::test]
async fn a_disk_that_no_machine_has_is_read_as_it_lies_and_stays_one_file() {
    let mut cloud = Cloud::copying().await;
    let vm = cloud.launch(1, Guest::Random).await;
    cloud.until_writes(vm, 40).await;
    cloud.vm(vm).power = OFF_NOW;
    cloud.send();
    cloud.until_state(vm, VmState::Stopped, 1).await;
    let mut history = History::default();
    for job in 1..=2 {
        let id = cloud.snapshot(job, &[1])[0];
        let (manifest, stored) = cloud.done(id).await;
        history = history.check(&cloud.bytes(&manifest, None), Disk::Killed);
        assert!(job == 1 || stored == 0, "{stored} bytes of what was there");
        cloud.until_in_place(1).await;
        cloud.spec.snapshots.clear();
        cloud.send();
    }
    cloud.finish().await;
}

#[tokio::test]
async fn a_guest_whose_processors_an_agent_left_stopped_for_an_instant_goes_on_with_the_next_agent() {
    let mut cloud = Cloud::copying().await;
    let vm = cloud.launch(1, Guest::Random).await;
    cloud.until_writes(vm, 20).await;
    let pid = cloud.pid(vm);
    cloud.agent_killed_with_the_guest_stopped(vm, "paused").await;
    cloud.start_agent().await;
    cloud.send();
    cloud.until_state(vm, VmState::Running, 1).await;
    cloud.until_writes(vm, 20).await;
    assert_eq!(cloud.pid(vm), pid);
    cloud.finish().await;
}

#[tokio::test]
async fn a_guest_that_an_agent_was_ending_writes_no_more() {
    let mut cloud = Cloud::copying().await;
    let vm = cloud.launch(1, Guest::Random).await;
    cloud.until_writes(vm, 20).await;
    let pid = cloud.pid(vm);
    cloud.agent_killed_with_the_guest_stopped(vm, "ending").await;
    // Meanwhile it is to be reset, which would let it write.
    cloud.vm(vm).boot = 2;
    cloud.start_agent().await;
    cloud.send();
    cloud.until_state(vm, VmState::Running, 2).await;
    cloud.until_writes(vm, 20).await;
    assert_ne!(cloud.pid(vm), pid);
    cloud.finish().await;
}
