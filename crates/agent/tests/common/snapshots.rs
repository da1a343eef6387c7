//! Snapshots of the volumes of a cloud, plain or encrypted: asked for, waited for, read; and through kills.

use std::time::Duration;

use hostspec::*;
use model::{DataKey, InstanceId, SnapshotId, VolumeId};
use repository::{Digest, Repository};

use super::*;

pub fn key(byte: u8) -> DataKey {
    DataKey::new(std::array::from_fn(|at| byte.wrapping_mul(31).wrapping_add(at as u8 * 7 + 1)))
}

pub fn keys(own: Option<&DataKey>, under: Option<&DataKey>) -> DiskKeys {
    let here = |key: &DataKey| DiskKey::Here { key: key.clone() };
    DiskKeys { own: own.map(here), under: under.map(here) }
}

impl Cloud {
    pub fn volume(&mut self, volume: u64) -> &mut VolumeSpec {
        self.spec.volumes.iter_mut().find(|known| known.id == VolumeId::from_u64(volume)).unwrap()
    }

    pub fn give(&mut self, volume: u64, given: DiskKeys) {
        let VolumeGoal::Present { keys, .. } = &mut self.volume(volume).goal else { panic!("it is being deleted") };
        *keys = given;
    }

    /// Launches a machine of which the system disk is encrypted where there is a key, and waits until its guest is up.
    pub async fn launch_with(&mut self, number: u64, guest: Guest, key: Option<&DataKey>) -> InstanceId {
        let id = self.add(number, guest);
        self.give(number, keys(key, None));
        self.send();
        self.until_state(id, VmState::Running, 1).await;
        self.until_console(id, "guest up", 1).await;
        id
    }

    /// Asks for a snapshot of volumes at one instant; their numbers are those of the volumes, after the job's.
    pub fn snapshot(&mut self, job: u64, volumes: &[u64]) -> Vec<SnapshotId> {
        self.snapshot_at(job, volumes, None)
    }

    /// The same, at a restart of their machine.
    pub fn snapshot_at(&mut self, job: u64, volumes: &[u64], at_boot: Option<u64>) -> Vec<SnapshotId> {
        let part = |number: &u64| {
            let volume = VolumeId::from_u64(*number);
            let spec = self.spec.volumes.iter().find(|known| known.id == volume).unwrap();
            let VolumeGoal::Present { image, manifest, keys, .. } = &spec.goal else { panic!("it is being deleted") };
            let of_image = |id: &ImageId| self.spec.images.iter().find(|known| known.id == *id).unwrap().manifest.clone();
            let (under, keys) = (manifest.clone().or_else(|| image.as_ref().map(of_image)), keys.clone());
            SnapshotPart {
                snapshot: SnapshotId::from_u64(job * 1000 + number),
                volume,
                generation: spec.generation,
                mode: self.mode,
                under,
                keys,
            }
        };
        let parts: Vec<SnapshotPart> = volumes.iter().map(part).collect();
        let ids: Vec<SnapshotId> = parts.iter().map(|part| part.snapshot).collect();
        self.spec.snapshots.push(SnapshotJob { id: ids[0], at_boot, parts });
        self.send();
        ids
    }

    pub async fn done(&mut self, id: SnapshotId) -> (String, u64) {
        let report = self.until("the snapshot", |r| done_in(r, id).is_some()).await;
        done_in(&report, id).unwrap()
    }

    /// Takes a snapshot of the first disk of the marking guest while it writes, and gives the newest mark in it, which comes after `before`.
    pub async fn snapshot_of_a_marking_guest(&mut self, vm: InstanceId, job: u64, before: u64) -> u64 {
        self.until_writes(vm, 40).await;
        let id = self.snapshot(job, &[1])[0];
        let (manifest, stored) = self.done(id).await;
        let disk = self.bytes(&manifest, None);
        assert_eq!(disk.len() as u64, 64 * MIB);
        assert_eq!(&disk[508..512], b"m\0\x55\xaa", "the image shows through");
        every_block_is_its_own(&disk);
        let mark = newest_mark(&disk);
        assert!(mark > before && stored > 0, "{mark} after {before}, {stored} bytes");
        mark
    }

    /// How a snapshot ends: as `done`, or the fault with which it failed.
    pub async fn ended(&mut self, id: SnapshotId) -> Result<(String, u64), Fault> {
        let failed = |r: &HostReport| r.snapshots.iter().find(|known| known.id == id && known.state == SnapshotState::Failed).cloned();
        let report = self.until("the end of the snapshot", |r| done_in(r, id).is_some() || failed(r).is_some()).await;
        done_in(&report, id).ok_or_else(|| failed(&report).unwrap().fault.expect("it says why"))
    }

    /// The bytes of a snapshot, after every object of it was checked.
    pub fn bytes(&self, manifest: &str, key: Option<&DataKey>) -> Vec<u8> {
        let repository = Repository::open(&self.config.repository).unwrap();
        let digest: Digest = manifest.parse().unwrap();
        assert_eq!(repository.verify(&digest), vec![]);
        let reader = repository.reader_with(&digest, key).unwrap();
        let mut bytes = vec![0; reader.size_bytes() as usize];
        reader.read_at(0, &mut bytes).unwrap();
        bytes
    }

    pub fn layers(&self, volume: u64) -> usize {
        let name = VolumeId::from_u64(volume).to_string();
        let files = fs::read_dir(self.config.state.join("volumes")).unwrap().flatten();
        files
            .map(|file| file.file_name().to_string_lossy().into_owned())
            .filter(|file| file.starts_with(&name) && !file.ends_with(".fleece"))
            .count()
    }

    pub async fn until_layers(&self, volume: u64, count: usize) {
        let wait = async {
            while self.layers(volume) != count {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{} layers, not {count}", self.layers(volume)));
    }

    pub async fn until_writes(&self, vm: InstanceId, dots: usize) {
        let wait = async {
            let written = || async { self.agent().console_output(vm).await.map_or(0, |c| c.bytes.len()) };
            let before = written().await;
            while written().await < before + dots {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("the guest writes");
    }

    /// Takes snapshots of the first disk of the marking guest, and ends the agent, and its QEMU every second time, in the middle of each.
    /// Gives the bytes of the last one.
    pub async fn snapshots_through_kills(&mut self, vm: InstanceId, key: Option<&DataKey>) -> Vec<u8> {
        let mut began_anew = false;
        let mut disk = vec![];
        for (job, kill_qemu) in [(1, false), (2, true), (3, false), (4, true)] {
            self.until_writes(vm, 20).await;
            let id = self.snapshot(job, &[1])[0];
            // At some step between the wish and the end, a later one each time.
            tokio::time::sleep(Duration::from_millis(15 * job)).await;
            if kill_qemu {
                signal(self.pid(vm), "KILL");
            }
            drop(self.agent.take());
            self.start_agent().await;
            self.send();
            let (manifest, _) = self.done(id).await;
            self.until_state(vm, VmState::Running, 1).await;
            disk = self.bytes(&manifest, key);
            began_anew |= kill_qemu;
            every_block_is_its_own(&disk);
            if !began_anew {
                assert!(newest_mark(&disk) > 0);
            }
            self.spec.snapshots.clear();
            self.send();
        }
        self.until_layers(1, 2).await;
        disk
    }
}

pub fn done_in(report: &HostReport, id: SnapshotId) -> Option<(String, u64)> {
    report.snapshots.iter().find(|known| known.id == id).and_then(|known| match &known.state {
        SnapshotState::Done { manifest, stored_bytes, .. } => Some((manifest.clone(), *stored_bytes)),
        SnapshotState::Waiting | SnapshotState::Reading { .. } | SnapshotState::Failed => None,
    })
}
