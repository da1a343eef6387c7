//! Disks whose files fail below QEMU: errors of reads, writes and flushes, of data and of the tables, writes that end in the middle, file
//! systems without room. The guest is held until it works again, and whatever it was told is there, byte for byte.
//!
//! `PILEUS_SEEDS=300` tries as many, `PILEUS_SEEDS=40-60` those.

mod common;

use std::time::Duration;

use common::history::{Disk, History};
use common::seeds::{Random, seeds};
use common::*;
use hostspec::*;
use model::{InstanceId, SnapshotId, SnapshotMode, VolumeId};
use pileus_agent::qemu::qmp::Qmp;
use serde_json::{Value, json};

/// Seeds that are tried; more with PILEUS_SEEDS.
const SEEDS: u64 = 4;
/// Times that a seed breaks something.
const ROUNDS: usize = 3;
/// Writes after which a guest has gone on for long enough to have met what was broken.
const FURTHER: usize = 60;

/// Bytes of a disk of which a guest soon has written all, and of one for which it takes seconds.
const SMALL: u64 = 8 * MIB;
const LARGE: u64 = 64 * MIB;

/// What happens in QEMU's qcow2 and below it that an error can follow (docs/devel/blkdebug.txt).
const EVENTS: [&str; 9] =
    ["l1_update", "l2_load", "l2_update", "l2_alloc_write", "cow_write", "cluster_alloc", "refblock_update", "write_aio", "flush_to_disk"];
/// Requests that fail.
const REQUESTS: [&str; 3] = ["write", "flush", "read"];
/// EIO and ENOSPC.
const ERRORS: [i32; 2] = [5, 28];

struct Run {
    cloud: Cloud,
    random: Random,
    vm: InstanceId,
    history: History,
    jobs: u64,
}

impl Run {
    async fn begin(mut cloud: Cloud, size: u64, seed: u64) -> Run {
        let vm = cloud.add(1, Guest::Random);
        let VolumeGoal::Present { size_bytes, .. } = &mut cloud.volume(1).goal else { unreachable!() };
        *size_bytes = size;
        cloud.send();
        cloud.until_state(vm, VmState::Running, 1).await;
        let mut run = Run { cloud, random: Random::of_seed(seed), vm, history: History::default(), jobs: 0 };
        run.until_it_writes(FURTHER).await;
        run
    }

    async fn console(&self) -> Vec<u8> {
        self.cloud.agent().console_output(self.vm).await.map(|output| output.bytes).unwrap_or_default()
    }

    async fn hear(&mut self) {
        let console = self.console().await;
        self.history.hear(&console);
    }

    /// Waits for so many further writes.
    async fn until_it_writes(&mut self, dots: usize) {
        let before = self.console().await.len();
        let wait = async {
            while self.console().await.len() < before + dots {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("the guest does not go on: {:?}", self.cloud.last));
        self.hear().await;
    }

    fn ask_for_snapshot(&mut self) -> SnapshotId {
        self.jobs += 1;
        self.cloud.snapshot(self.jobs, &[1])[0]
    }

    /// Compares the disk, as a snapshot has it, with what the guest was told.
    async fn check_snapshot(&mut self, id: SnapshotId) {
        let (manifest, _) = self.cloud.done(id).await;
        self.check_manifest(&manifest);
    }

    /// Takes snapshots in one mode or the other until one is whole: what cannot be copied away breaks a snapshot, and no write of the guest.
    async fn check_in_some_mode(&mut self) {
        loop {
            self.hear().await;
            self.cloud.mode = if self.random.below(2) == 0 { SnapshotMode::Copy } else { SnapshotMode::Redirect };
            let id = self.ask_for_snapshot();
            match self.cloud.ended(id).await {
                Ok((manifest, _)) => return self.check_manifest(&manifest),
                Err(fault) => {
                    eprintln!("  a snapshot is given up: {}", fault.detail);
                    assert_eq!(self.cloud.mode, SnapshotMode::Copy, "{fault:?}");
                    self.cloud.spec.snapshots.clear();
                    self.cloud.send();
                }
            }
        }
    }

    fn check_manifest(&mut self, manifest: &str) {
        self.history = self.history.check(&self.cloud.bytes(manifest, None), Disk::Held);
        self.cloud.spec.snapshots.clear();
        self.cloud.send();
    }

    async fn check(&mut self) {
        self.hear().await;
        let id = self.ask_for_snapshot();
        self.check_snapshot(id).await;
    }

    /// Ends the agent and starts another, which looks at the machine at once.
    async fn another_agent(&mut self) {
        self.cloud.agent.take().unwrap().shutdown().await;
        self.cloud.start_agent().await;
        self.cloud.send();
    }

    /// Puts a node that fails as the rules say between a layer and its file, while no agent has the monitor.
    async fn break_file(&mut self, layer: u32, options: Value) {
        let limit = Duration::from_secs(10);
        self.cloud.agent.take().unwrap().shutdown().await;
        let (qmp, _events) = Qmp::connect(&self.cloud.vm_folder(self.vm).join("monitor.sock"), limit).await.unwrap();
        let nodes = qmp.call("query-named-block-nodes", json!({"flat": true}), limit).await.unwrap();
        let volume = VolumeId::from_u64(1);
        let (node, file) = if layer == 0 {
            (volume.to_string(), format!("file-{volume}"))
        } else {
            (format!("l{layer}-{volume}"), format!("f{layer}-{volume}"))
        };
        let names: Vec<&str> = nodes.as_array().unwrap().iter().filter_map(|node| node["node-name"].as_str()).collect();
        let backing = self.backing_of(layer);
        assert!(names.contains(&&*node) && names.contains(&&*backing), "{node} over {backing} among {names:?}");
        self.jobs += 1;
        let broken = format!("broken{}", self.jobs);
        let mut debug = json!({"driver": "blkdebug", "node-name": broken, "image": file, "discard": "unmap"});
        options.as_object().unwrap().iter().for_each(|(name, value)| debug[name] = value.clone());
        qmp.call("blockdev-add", debug, limit).await.unwrap();
        let reopened = json!({"driver": "qcow2", "node-name": node, "file": broken, "backing": backing, "discard": "unmap"});
        qmp.call("blockdev-reopen", json!({"options": [reopened]}), limit).await.unwrap();
        drop(qmp);
        self.cloud.start_agent().await;
        self.cloud.send();
    }

    /// Name of the node below a layer.
    fn backing_of(&self, layer: u32) -> String {
        let volume = VolumeId::from_u64(1);
        let below = self.layers().into_iter().rev().find(|known| *known < layer);
        match below {
            None => format!("image-{volume}"),
            Some(0) => volume.to_string(),
            Some(below) => format!("l{below}-{volume}"),
        }
    }

    fn layers(&self) -> Vec<u32> {
        let pool = pileus_agent::block::Pool::existing(&self.cloud.config.state.join("volumes"));
        pool.layers(VolumeId::from_u64(1), 1).unwrap()
    }

    /// An error that comes once: after some of what happens in QEMU, or in one of the pieces of a write, those before it being done.
    fn failing(&mut self) -> Value {
        let random = &mut self.random;
        let errno = ERRORS[random.below(ERRORS.len() as u64) as usize];
        if random.below(3) == 0 {
            // Behind the tables that every file begins with (19 clusters) are those of the guest's writes and their bytes.
            let sector = (19 + random.below(40)) * 128 + random.below(128);
            let fails = json!([{"event": "none", "iotype": "write", "errno": errno, "once": true, "sector": sector}]);
            return json!({"inject-error": fails, "max-transfer": 4096});
        }
        let event = EVENTS[random.below(EVENTS.len() as u64) as usize];
        let request = REQUESTS[random.below(REQUESTS.len() as u64) as usize];
        let after = random.below(6) + 1;
        let mut options = json!({"inject-error": [{"event": event, "iotype": request, "errno": errno, "once": true, "state": after}]});
        if after > 1 {
            // The first state of blkdebug is 1; each of these leads to the next.
            let next = |state| json!({"event": "write_aio", "state": state, "new_state": state + 1});
            options["set-state"] = (1..after).map(next).collect();
        }
        options
    }

    async fn finish(mut self) {
        self.cloud.vm(self.vm).power = OFF_NOW;
        self.cloud.send();
        self.cloud.until_state(self.vm, VmState::Stopped, 1).await;
        let id = self.ask_for_snapshot();
        let (manifest, _) = self.cloud.done(id).await;
        self.history.check(&self.cloud.bytes(&manifest, None), Disk::Killed);
        self.cloud.finish().await;
    }
}

#[tokio::test]
async fn whatever_fails_once_below_a_disk_the_guest_loses_no_write_and_goes_on() {
    for seed in seeds(SEEDS) {
        eprintln!("seed {seed}");
        let mut run = Run::begin(Cloud::new().await, SMALL, seed).await;
        for _ in 0..ROUNDS {
            if run.random.below(2) == 0 {
                run.check_in_some_mode().await;
            }
            let layers = run.layers();
            let layer = layers[run.random.below(layers.len() as u64) as usize];
            let options = run.failing();
            eprintln!("  below layer {layer} of {layers:?}: {options}");
            run.break_file(layer, options).await;
            // A merge into the first layer, or a write of the guest, meets it; each agent that begins tries again.
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_millis(run.random.below(300))).await;
                run.another_agent().await;
            }
            run.until_it_writes(FURTHER).await;
            run.check_in_some_mode().await;
        }
        run.finish().await;
    }
}

#[tokio::test]
async fn a_guest_whose_disk_fails_is_held_with_a_fault_until_it_works_again() {
    let mut run = Run::begin(Cloud::new().await, SMALL, 1).await;
    let fails = json!({"inject-error": [{"event": "none", "iotype": "write", "errno": 5, "once": false}]});
    run.break_file(0, fails).await;
    let id = run.vm;
    let paused = |r: &HostReport| fault_of(r, id).is_some_and(|fault| fault.detail.contains("the guest is paused"));
    let report = run.cloud.until("the paused guest", paused).await;
    assert_eq!((vm_of(&report, id).unwrap().state, fault_of(&report, id).unwrap().kind), (VmState::Running, FaultKind::Other));
    // The next agent knows it too, and nothing more was done.
    let written = run.console().await.len();
    run.another_agent().await;
    run.cloud.until("the paused guest", paused).await;
    assert_eq!(run.console().await.len(), written);
    run.hear().await;
    // Off, what the guest was told is there; on again, its disk is sound.
    run.cloud.vm(id).power = OFF_NOW;
    run.cloud.send();
    run.cloud.until_state(id, VmState::Stopped, 1).await;
    let snapshot = run.ask_for_snapshot();
    let (manifest, _) = run.cloud.done(snapshot).await;
    run.history = run.history.check(&run.cloud.bytes(&manifest, None), Disk::Killed);
    run.cloud.spec.snapshots.clear();
    run.cloud.vm(id).power = Power::On;
    run.cloud.send();
    run.cloud.until_state(id, VmState::Running, 1).await;
    run.until_it_writes(FURTHER).await;
    run.check().await;
    run.finish().await;
}

#[tokio::test]
async fn a_full_host_holds_the_guest_says_so_to_each_agent_and_loses_no_byte() {
    let folder = tempfile::Builder::new().prefix("pileus-").tempdir().unwrap();
    let state = folder.path().join("state");
    let disk = SmallDisk::new(&state.join("volumes"), "400m");
    let mut run = Run::begin(Cloud::at(folder, state).await, LARGE, 1).await;
    let id = run.vm;
    for _ in 0..2 {
        // The guest begins to fill another layer, which takes it longer than taking the room away.
        let snapshot = run.ask_for_snapshot();
        let (manifest, _) = run.cloud.done(snapshot).await;
        disk.shrink();
        run.check_manifest(&manifest);
        let full = |r: &HostReport| fault_of(r, id).is_some_and(|fault| fault.kind == FaultKind::DiskFull);
        let report = run.cloud.until("the full host", full).await;
        assert_eq!(vm_of(&report, id).unwrap().state, VmState::Running);
        run.another_agent().await;
        run.cloud.until("the full host, for the next agent", full).await;
        // Nothing is frozen or grown while there is no room, and that is said.
        let snapshot = run.ask_for_snapshot();
        let refused = |r: &HostReport| fault_of(r, id).is_some_and(|fault| fault.tries > 1 && fault.detail.contains("MiB left"));
        run.cloud.until("no snapshot", refused).await;
        assert!(done_in(run.cloud.last.as_ref().unwrap(), snapshot).is_none());
        run.hear().await;
        let held = run.history.clone();
        disk.resize("400m");
        run.another_agent().await;
        run.until_it_writes(FURTHER).await;
        // It may have been frozen as soon as there was room.
        run.history = held;
        run.check_snapshot(snapshot).await;
        run.cloud.until("no fault", |r| vm_of(r, id).is_some_and(|vm| vm.fault.is_none())).await;
    }
    run.cloud.vm(id).power = OFF_NOW;
    run.cloud.send();
    run.cloud.until_state(id, VmState::Stopped, 1).await;
    let agent = run.cloud.agent.take().unwrap();
    agent.shutdown().await;
    drop(disk);
    run.cloud.start_agent().await;
    run.cloud.finish().await;
}

#[tokio::test]
async fn a_full_repository_holds_a_snapshot_back_until_there_is_room() {
    let folder = tempfile::Builder::new().prefix("pileus-").tempdir().unwrap();
    let state = folder.path().join("state");
    let disk = SmallDisk::new(&folder.path().join("repository"), "32m");
    let mut run = Run::begin(Cloud::at(folder, state).await, SMALL, 1).await;
    run.check().await;
    let filler = disk.fill();
    run.until_it_writes(FURTHER).await;
    let (asked, snapshot) = (run.history.clone(), run.ask_for_snapshot());
    let full = |r: &HostReport| {
        let told = r.snapshots.iter().find(|known| known.id == snapshot);
        told.is_some_and(|told| told.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::DiskFull))
    };
    run.cloud.until("the full repository", full).await;
    // The guest is not held, and the instant stays what it was.
    run.until_it_writes(FURTHER).await;
    run.another_agent().await;
    run.cloud.until("the full repository, for the next agent", full).await;
    std::fs::remove_file(filler).unwrap();
    let heard = std::mem::replace(&mut run.history, asked);
    run.check_snapshot(snapshot).await;
    assert!(heard.is_after(&run.history), "it was frozen anew");
    run.check().await;
    let staging = run.cloud.config.repository.join("staging");
    repository::Repository::open(&run.cloud.config.repository).unwrap().sweep().unwrap();
    assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0);
    run.cloud.vm(run.vm).power = OFF_NOW;
    run.cloud.send();
    run.cloud.until_state(run.vm, VmState::Stopped, 1).await;
    run.cloud.finish().await;
    drop(disk);
}
