//! Snapshots of disks, with real QEMUs: of running guests that write on, of volumes that nobody has, through kills of everything.

mod common;

use std::time::Duration;

use common::*;
use hostspec::*;
use model::{SnapshotId, VolumeId};
use repository::{Digest, Repository};

impl Cloud {
    /// Asks for a snapshot of volumes at one instant; their numbers are those of the volumes, after the job's.
    fn snapshot(&mut self, job: u64, volumes: &[u64]) -> Vec<SnapshotId> {
        self.snapshot_at(job, volumes, None)
    }

    /// The same, at a restart of their machine.
    fn snapshot_at(&mut self, job: u64, volumes: &[u64], at_boot: Option<u64>) -> Vec<SnapshotId> {
        let under = |volume: &VolumeSpec| match &volume.goal {
            VolumeGoal::Present { image: Some(id), .. } => Some(self.spec.images.iter().find(|i| i.id == *id).unwrap().manifest.clone()),
            VolumeGoal::Present { manifest, .. } => manifest.clone(),
            VolumeGoal::Deleted => None,
        };
        let part = |number: &u64| {
            let volume = VolumeId::from_u64(*number);
            let spec = self.spec.volumes.iter().find(|known| known.id == volume).unwrap();
            SnapshotPart {
                snapshot: SnapshotId::from_u64(job * 1000 + number),
                volume,
                generation: spec.generation,
                under: under(spec),
                keys: DiskKeys::default(),
            }
        };
        let parts: Vec<SnapshotPart> = volumes.iter().map(part).collect();
        let ids: Vec<SnapshotId> = parts.iter().map(|part| part.snapshot).collect();
        self.spec.snapshots.push(SnapshotJob { id: ids[0], at_boot, parts });
        self.send();
        ids
    }

    async fn done(&mut self, id: SnapshotId) -> (String, u64) {
        let report = self.until("the snapshot", |r| done_in(r, id).is_some()).await;
        done_in(&report, id).unwrap()
    }

    fn bytes(&self, manifest: &str) -> Vec<u8> {
        let reader = Repository::open(&self.config.repository).unwrap().reader(&manifest.parse::<Digest>().unwrap()).unwrap();
        let mut bytes = vec![0; reader.size_bytes() as usize];
        reader.read_at(0, &mut bytes).unwrap();
        bytes
    }

    fn layers(&self, volume: u64) -> usize {
        let name = VolumeId::from_u64(volume).to_string();
        let files = std::fs::read_dir(self.config.state.join("volumes")).unwrap().flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with(&name)).count()
    }

    async fn until_layers(&self, volume: u64, count: usize) {
        let wait = async {
            while self.layers(volume) != count {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{} layers, not {count}", self.layers(volume)));
    }

    async fn until_writes(&self, vm: model::InstanceId, dots: usize) {
        let wait = async {
            let written = || async { self.agent().console_output(vm).await.map_or(0, |c| c.bytes.len()) };
            let before = written().await;
            while written().await < before + dots {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("the guest writes");
    }
}

fn done_in(report: &HostReport, id: SnapshotId) -> Option<(String, u64)> {
    report.snapshots.iter().find(|known| known.id == id).and_then(|known| match &known.state {
        SnapshotState::Done { manifest, stored_bytes, .. } => Some((manifest.clone(), *stored_bytes)),
        SnapshotState::Waiting | SnapshotState::Reading { .. } | SnapshotState::Failed => None,
    })
}

#[tokio::test]
async fn snapshots_of_a_writing_guest_are_instants_and_the_guest_writes_on() {
    let mut cloud = Cloud::new().await;
    let vm = cloud.launch(1, Guest::Marker).await;
    let mut before = 0;
    for job in 1..=4 {
        cloud.until_writes(vm, 40).await;
        let id = cloud.snapshot(job, &[1])[0];
        let (manifest, stored) = cloud.done(id).await;
        let disk = cloud.bytes(&manifest);
        assert_eq!(disk.len() as u64, 64 * MIB);
        assert_eq!(&disk[508..512], b"m\0\x55\xaa", "the image shows through");
        let mark = newest_mark(&disk);
        assert!(mark > before && stored > 0, "{mark} after {before}, {stored} bytes");
        before = mark;
        cloud.spec.snapshots.clear();
        cloud.send();
    }
    // What is frozen and read is merged while the guest runs; the newest layer stays.
    cloud.until_layers(1, 2).await;
    cloud.until_writes(vm, 10).await;
    // Off and on again, it is the same disk.
    cloud.vm(vm).power = OFF_NOW;
    cloud.send();
    cloud.until_state(vm, VmState::Stopped, 1).await;
    let id = cloud.snapshot(9, &[1])[0];
    let (manifest, _) = cloud.done(id).await;
    assert!(newest_mark(&cloud.bytes(&manifest)) > before);
    cloud.vm(vm).power = Power::On;
    cloud.send();
    cloud.until_state(vm, VmState::Running, 1).await;
    cloud.until_console(vm, "guest up", 2).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_disk_made_of_a_snapshot_has_its_bytes_and_its_own_snapshot_costs_nothing() {
    let mut cloud = Cloud::new().await;
    let vm = cloud.launch(1, Guest::Marker).await;
    cloud.until_writes(vm, 40).await;
    let id = cloud.snapshot(1, &[1])[0];
    let (manifest, _) = cloud.done(id).await;
    let goal = VolumeGoal::Present { size_bytes: 128 * MIB, image: None, manifest: Some(manifest.clone()), keys: DiskKeys::default() };
    cloud.spec.volumes.push(VolumeSpec { id: VolumeId::from_u64(7), generation: 1, goal });
    let id = cloud.snapshot(2, &[7])[0];
    let (larger, stored) = cloud.done(id).await;
    let (disk, old) = (cloud.bytes(&larger), cloud.bytes(&manifest));
    assert_eq!((disk.len() as u64, stored), (128 * MIB, 0));
    assert!(disk.starts_with(&old) && disk[old.len()..].iter().all(|byte| *byte == 0));
    // A machine boots from it: the boot sector came through the snapshot.
    cloud.spec.vms.push(
        machine(2, vec![DiskSpec { volume: VolumeId::from_u64(7), serial: "vol7".into(), limits: model::DiskLimits::default() }]).into(),
    );
    cloud.send();
    let second = model::InstanceId::from_u64(2);
    cloud.until_console(second, "guest up", 1).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_killed_agent_or_guest_loses_no_byte_and_no_snapshot() {
    let mut cloud = Cloud::new().await;
    let vm = cloud.launch(1, Guest::Marker).await;
    let mut began_anew = false;
    for (job, kill_qemu) in [(1, false), (2, true), (3, false), (4, true)] {
        cloud.until_writes(vm, 20).await;
        let id = cloud.snapshot(job, &[1])[0];
        // At some step between the wish and the end, a later one each time.
        tokio::time::sleep(Duration::from_millis(15 * job)).await;
        if kill_qemu {
            signal(cloud.pid(vm), "KILL");
        }
        drop(cloud.agent.take());
        cloud.start_agent().await;
        cloud.send();
        let (manifest, _) = cloud.done(id).await;
        cloud.until_state(vm, VmState::Running, 1).await;
        let disk = cloud.bytes(&manifest);
        began_anew |= kill_qemu;
        every_block_is_its_own(&disk);
        if !began_anew {
            assert!(newest_mark(&disk) > 0);
        }
        cloud.spec.snapshots.clear();
        cloud.send();
    }
    cloud.until_layers(1, 2).await;
    cloud.finish().await;
}

#[tokio::test]
async fn what_is_frozen_at_a_restart_is_what_the_guest_left_and_the_guest_starts_again() {
    let mut cloud = Cloud::new().await;
    let vm = cloud.launch(1, Guest::Marker).await;
    cloud.until_writes(vm, 20).await;
    let id = cloud.snapshot_at(1, &[1], Some(2))[0];
    // Nothing restarts it yet, so nothing is frozen.
    cloud.until_writes(vm, 40).await;
    assert_eq!(cloud.layers(1), 1);
    let machine = cloud.vm(vm);
    (machine.boot, machine.reset) = (2, Reset::Hard);
    cloud.send();
    let (manifest, _) = cloud.done(id).await;
    let disk = cloud.bytes(&manifest);
    every_block_is_its_own(&disk);
    cloud.until_console(vm, "guest up", 2).await;
    cloud.until_writes(vm, 20).await;
    cloud.spec.snapshots.clear();
    let later = cloud.snapshot(2, &[1])[0];
    let (manifest, _) = cloud.done(later).await;
    every_block_is_its_own(&cloud.bytes(&manifest));
    cloud.finish().await;
}
