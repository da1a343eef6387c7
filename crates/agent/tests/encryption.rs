//! Encrypted disks, with real QEMUs: what lies on the disk of the host, through snapshots, merges and kills, and where no key is.

mod common;

use std::path::Path;

use common::*;
use hostspec::*;
use model::{DataKey, InstanceId, VolumeId};
use repository::Repository;

impl Cloud {
    async fn snapshot_of(&mut self, job: u64, volume: u64) -> String {
        self.spec.snapshots.clear();
        let snapshot = self.snapshot(job, &[volume])[0];
        self.done(snapshot).await.0
    }

    /// Whether a write of the marking guest can be found on the disk of the host: its number and the zeroes behind it.
    fn shows(&self, mark: u64) -> bool {
        let mut pattern = (mark as u32).to_le_bytes().to_vec();
        pattern.resize(256, 0);
        let files = files_under(&self.config.state.join("volumes"));
        files.iter().any(|bytes| bytes.chunks_exact(512).any(|sector| sector.starts_with(&pattern)))
    }

    /// Panics if a key, in whatever spelling, is in a file of the host, or is said of one of its processes.
    fn assert_no_key(&self, key: &DataKey) {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let passphrase = repository::luks::passphrase(key).to_string();
        let spelled =
            [key.expose().to_vec(), key.to_hex().into_bytes(), STANDARD.encode(key.expose()).into_bytes(), passphrase.into_bytes()];
        let holds = |bytes: &[u8], what: &str| {
            for secret in &spelled {
                let found = bytes.windows(secret.len()).any(|part| part == secret.as_slice());
                assert!(!found, "a key is in {what}");
            }
        };
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            for file in ["cmdline", "environ"] {
                holds(&std::fs::read(entry.path().join(file)).unwrap_or_default(), &format!("{}/{file}", entry.path().display()));
            }
        }
        let host = [self.config.state.join("spec.json"), self.config.state.join("snapshots"), self.config.state.join("vms")];
        let images = self.config.state.join("images");
        for path in host.iter().chain([&images]) {
            files_under(path).iter().for_each(|bytes| holds(bytes, &path.display().to_string()));
        }
    }
}

fn files_under(path: &Path) -> Vec<Vec<u8>> {
    if path.is_file() {
        return vec![std::fs::read(path).unwrap()];
    }
    let entries = std::fs::read_dir(path).unwrap().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir()))
        .flat_map(|entry| files_under(&entry.path()))
        .collect()
}

#[tokio::test]
async fn an_encrypted_system_disk_boots_and_nothing_of_it_is_plain() {
    let mut cloud = Cloud::new().await;
    let (plain_key, secret) = (key(1), key(2));
    let vm = cloud.launch_with(1, Guest::Marker, Some(&secret)).await;
    cloud.until_writes(vm, 40).await;
    cloud.assert_no_key(&secret);
    let manifest = cloud.snapshot_of(1, 1).await;
    let mark = newest_mark(&cloud.bytes(&manifest, Some(&secret)));
    assert!(mark > 0);
    assert!(!cloud.shows(mark), "a write is on the host's disk as the guest wrote it");
    let repository = Repository::open(&cloud.config.repository).unwrap();
    assert!(repository.reader_with(&manifest.parse().unwrap(), Some(&plain_key)).is_err(), "another key opens it");
    let without = repository.reader(&manifest.parse().unwrap()).unwrap();
    assert!(without.read_at(FIRST_MARK, &mut [0; 512]).is_err(), "no key opens it");
    cloud.assert_no_key(&secret);
    // Frozen layers are merged, each under a key of its own, and the guest writes on.
    for job in 2..=3 {
        cloud.until_writes(vm, 40).await;
        let later = cloud.snapshot_of(job, 1).await;
        assert!(newest_mark(&cloud.bytes(&later, Some(&secret))) > mark);
    }
    cloud.spec.snapshots.clear();
    cloud.send();
    cloud.until_layers(1, 2).await;
    cloud.until_writes(vm, 10).await;
    // Off and on again, it is the same disk.
    cloud.vm(vm).power = OFF_NOW;
    cloud.send();
    cloud.until_state(vm, VmState::Stopped, 1).await;
    let stopped = cloud.snapshot_of(4, 1).await;
    assert!(newest_mark(&cloud.bytes(&stopped, Some(&secret))) > mark);
    cloud.vm(vm).power = Power::On;
    cloud.send();
    cloud.until_state(vm, VmState::Running, 1).await;
    cloud.until_console(vm, "guest up", 2).await;
    // The image server forgets nothing that it was never told: a new one is told by who connects.
    cloud.assert_no_key(&secret);
    cloud.finish().await;
}

#[tokio::test]
async fn a_plain_disk_shows_what_an_encrypted_one_hides() {
    let mut cloud = Cloud::new().await;
    let vm = cloud.launch(1, Guest::Marker).await;
    cloud.until_writes(vm, 40).await;
    let manifest = cloud.snapshot_of(1, 1).await;
    assert!(cloud.shows(newest_mark(&cloud.bytes(&manifest, None))), "the search finds nothing at all");
    cloud.finish().await;
}

#[tokio::test]
async fn a_disk_of_an_encrypted_snapshot_comes_to_a_running_machine_under_its_own_key() {
    let mut cloud = Cloud::new().await;
    let (first, second) = (key(3), key(4));
    let vm = cloud.launch_with(1, Guest::Marker, Some(&first)).await;
    cloud.until_writes(vm, 40).await;
    let manifest = cloud.snapshot_of(1, 1).await;
    for (number, own) in [(7, &first), (8, &second)] {
        let goal = VolumeGoal::Present {
            size_bytes: 128 * MIB,
            image: None,
            manifest: Some(manifest.clone()),
            keys: keys(Some(own), Some(&first)),
            shared: false,
        };
        cloud.spec.volumes.push(VolumeSpec { id: VolumeId::from_u64(number), generation: 1, goal });
    }
    let disk =
        |number| DiskSpec { volume: VolumeId::from_u64(number), serial: format!("vol{number}"), limits: model::DiskLimits::default() };
    cloud.vm(vm).disks.push(disk(7));
    cloud.send();
    cloud.until("the disk", |r| vm_of(r, vm).is_some_and(|vm| vm.disks.contains(&VolumeId::from_u64(7)))).await;
    // Under the same key what is stored is found again; under another it is stored anew.
    let same = cloud.snapshot_of(2, 7).await;
    let other = cloud.snapshot_of(3, 8).await;
    assert_eq!(cloud.bytes(&same, Some(&first)), cloud.bytes(&other, Some(&second)));
    let chunks = |manifest: &str| {
        let repository = Repository::open(&cloud.config.repository).unwrap();
        repository.manifest(&manifest.parse().unwrap()).unwrap().chunks.into_iter().flatten().collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(chunks(&same), chunks(&manifest));
    assert!(chunks(&other).is_disjoint(&chunks(&manifest)));
    // A machine boots from the sealed snapshot: its boot sector comes through the image server.
    cloud.spec.vms.push(machine(2, vec![disk(8)]).into());
    cloud.send();
    cloud.until_console(InstanceId::from_u64(2), "guest up", 1).await;
    cloud.assert_no_key(&first);
    cloud.assert_no_key(&second);
    cloud.finish().await;
}

#[tokio::test]
async fn a_killed_guest_starts_again_when_its_key_is_there_and_not_before() {
    let mut cloud = Cloud::new().await;
    let secret = key(5);
    let vm = cloud.launch_with(1, Guest::Marker, Some(&secret)).await;
    cloud.until_writes(vm, 20).await;
    let manifest = cloud.snapshot_of(1, 1).await;
    let before = newest_mark(&cloud.bytes(&manifest, Some(&secret)));
    // An agent that starts without its control plane has the document that was kept, and finds the guest running.
    cloud.agent.take().unwrap().shutdown().await;
    cloud.start_agent().await;
    cloud.until_state(vm, VmState::Running, 1).await;
    signal(cloud.pid(vm), "KILL");
    let report = cloud.until("a start without the key", |r| fault_of(r, vm).is_some_and(|fault| fault.detail.contains("withheld"))).await;
    assert_ne!(vm_of(&report, vm).unwrap().state, VmState::Running);
    cloud.assert_no_key(&secret);
    cloud.send();
    cloud.until_state(vm, VmState::Running, 1).await;
    cloud.until_console(vm, "guest up", 1).await;
    let manifest = cloud.snapshot_of(2, 1).await;
    let after = cloud.bytes(&manifest, Some(&secret));
    assert!(marks(&after).max().unwrap() >= before, "what was written before the kill is gone");
    cloud.finish().await;
}

#[tokio::test]
async fn a_killed_agent_or_guest_loses_no_byte_of_an_encrypted_disk_and_no_snapshot() {
    let mut cloud = Cloud::new().await;
    let secret = key(6);
    let vm = cloud.launch_with(1, Guest::Marker, Some(&secret)).await;
    let disk = cloud.snapshots_through_kills(vm, Some(&secret)).await;
    let written = marks(&disk).max().unwrap();
    assert!(written > 0);
    assert!(!cloud.shows(written), "nothing of it is plain");
    cloud.assert_no_key(&secret);
    cloud.finish().await;
}
