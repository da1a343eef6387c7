//! Disks through kills of everything, under seeds: of the agent, of QEMU, of the image server, in the middle of snapshots, merges,
//! deletions, growth, reading into the repository, roll back, and disks that come out of it. Each disk and each snapshot is compared
//! with a model, byte for byte; nothing that the guest was told is lost, and nothing is left behind.
//!
//! `PILEUS_SEEDS=300` tries as many, `PILEUS_SEEDS=40-60` those. What a seed does is printed; when a step meets a kill is up to the machine.

mod common;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::history::{Disk, FIRST, History, LONGEST, SECTOR, next, said};
use common::seeds::{Random, seeds};
use common::*;
use hostspec::*;
use model::{DataKey, InstanceId, SnapshotId, SnapshotMode, VolumeId};
use repository::{Digest, Repository, RepositoryError};

/// Seeds that are tried; more with PILEUS_SEEDS.
const SEEDS: u64 = 2;
/// Steps of one seed.
const STEPS: usize = 8;
/// Snapshots that a seed keeps; then it deletes one.
const KEPT: usize = 5;
/// Merges that a seed begins at its end, all of which may be cut off; more would say that none ever ends.
const MERGES: usize = 30;
/// Longest time between a wish and a kill: about what the slowest step takes without one.
const LATEST_MS: u64 = 160;

/// A snapshot in the repository.
struct Kept {
    manifest: String,
    history: History,
    size_bytes: u64,
}

struct Run {
    cloud: Cloud,
    random: Random,
    key: Option<DataKey>,
    vm: InstanceId,
    history: History,
    kept: Vec<Kept>,
    jobs: u64,
    size_bytes: u64,
}

#[tokio::test]
async fn whatever_is_killed_no_byte_is_lost_and_nothing_is_left() {
    for seed in seeds(SEEDS) {
        let mut run = Run::begin(seed).await;
        for _ in 0..STEPS {
            run.step().await;
        }
        run.end().await;
    }
}

impl Run {
    async fn begin(seed: u64) -> Run {
        let key = seed.is_multiple_of(2).then(|| key(seed as u8));
        eprintln!("seed {seed}, {}", if key.is_some() { "encrypted" } else { "plain" });
        let mut cloud = Cloud::new().await;
        cloud.agent.take().unwrap().shutdown().await;
        let vm = cloud.add(1, Guest::Random);
        let size_bytes = 8 * MIB;
        let VolumeGoal::Present { size_bytes: size, keys: given, .. } = &mut cloud.volume(1).goal else { unreachable!() };
        (*size, *given) = (size_bytes, keys(key.as_ref(), None));
        cloud.spec.generation += 1;
        cloud.start_process();
        let random = Random::of_seed(seed);
        let mut run = Run { cloud, random, key, vm, history: History::default(), kept: vec![], jobs: 0, size_bytes };
        run.settle().await;
        run
    }

    async fn step(&mut self) {
        match self.random.below(9) {
            0 | 1 => drop(self.take_snapshot().await),
            2 => self.take_snapshot_at_restart().await,
            3 => self.take_snapshot_while_off().await,
            4 => self.grow().await,
            5 => self.merge().await,
            6 if !self.kept.is_empty() => self.roll_back().await,
            7 if !self.kept.is_empty() => self.bring_another().await,
            8 if !self.kept.is_empty() => self.delete_snapshot().await,
            _ => drop(self.take_snapshot().await),
        }
        if self.kept.len() > KEPT {
            self.delete_snapshot().await;
        }
    }

    /// False when it was lost with its QEMU.
    async fn take_snapshot(&mut self) -> bool {
        eprintln!("a snapshot of a running guest");
        self.hear();
        let id = self.ask_for_snapshot(None);
        let how = self.kill_some().await;
        let Some(manifest) = self.taken(id, how).await else {
            self.end_snapshot().await;
            return false;
        };
        let taken = self.keep(manifest, how);
        if how == Disk::Held {
            self.until_heard(|heard| heard.is_after(&taken)).await;
        }
        self.end_snapshot().await;
        true
    }

    /// The manifest of a snapshot; none where what was copied away for it was lost with a QEMU that was killed.
    async fn taken(&mut self, id: SnapshotId, how: Disk) -> Option<String> {
        match self.cloud.ended(id).await {
            Ok((manifest, _)) => Some(manifest),
            Err(fault) => {
                eprintln!("  it is lost: {}", fault.detail);
                assert_eq!((self.cloud.mode, how), (SnapshotMode::Copy, Disk::Killed), "{fault:?}");
                None
            }
        }
    }

    async fn take_snapshot_at_restart(&mut self) {
        eprintln!("a snapshot at a restart");
        self.hear();
        let vm = self.cloud.vm(self.vm);
        (vm.boot, vm.reset) = (vm.boot + 1, Reset::Hard);
        let boot = vm.boot;
        let id = self.ask_for_snapshot(Some(boot));
        let how = self.kill_some().await;
        if let Some(manifest) = self.taken(id, how).await {
            self.keep(manifest, how);
        }
        self.end_snapshot().await;
    }

    async fn take_snapshot_while_off(&mut self) {
        eprintln!("a snapshot of a disk that nobody has");
        self.turn_off().await;
        let id = self.ask_for_snapshot(None);
        self.kill_some().await;
        let (manifest, _) = self.cloud.done(id).await;
        let found = self.keep(manifest, Disk::Killed);
        // Another program's reader finds the same bytes in the files of the host.
        assert_eq!(self.history.check(&self.bytes_of_host().await, Disk::Killed), found);
        self.cloud.spec.snapshots.clear();
        self.turn_on();
        self.settle().await;
    }

    async fn grow(&mut self) {
        let off = self.random.below(3) == 0;
        eprintln!("growth {}", if off { "while off" } else { "under a running guest" });
        self.hear();
        if off {
            self.turn_off().await;
        }
        self.size_bytes += MIB / 2;
        let to = self.size_bytes;
        let VolumeGoal::Present { size_bytes, .. } = &mut self.cloud.volume(1).goal else { unreachable!() };
        *size_bytes = to;
        self.cloud.send();
        self.kill_some().await;
        let grown = VolumeState::Present { size_bytes: to };
        self.cloud.until("the larger disk", |r| volume_of(r, 1).is_some_and(|volume| volume.state == grown)).await;
        // At the next start the guest sees the new size, and writes there too.
        self.turn_on();
        self.settle().await;
    }

    /// An agent that begins looks at what can be merged.
    async fn merge(&mut self) {
        eprintln!("a merge, of {} layers", self.cloud.layers(1));
        self.hear();
        self.restart_agent().await;
        self.kill_some().await;
        self.settle().await;
    }

    async fn roll_back(&mut self) {
        let at = self.random.below(self.kept.len() as u64) as usize;
        eprintln!("a roll back to snapshot {at} of {}", self.kept.len());
        let Kept { manifest, history, size_bytes } = &self.kept[at];
        // No disk is smaller than what it is made of, or than it was.
        assert!(*size_bytes <= self.size_bytes);
        self.history = history.begun_with();
        let key = self.key.as_ref();
        let goal = VolumeGoal::Present {
            size_bytes: self.size_bytes,
            image: None,
            manifest: Some(manifest.clone()),
            keys: keys(key, key),
            shared: false,
        };
        let volume = self.cloud.volume(1);
        (volume.goal, volume.generation) = (goal, volume.generation + 1);
        self.cloud.vm(self.vm).boot += 1;
        self.cloud.send();
        self.kill_some().await;
        self.settle().await;
        // Which starts are of the new disk is known from its log.
        while !self.take_snapshot().await {}
    }

    /// A machine boots from a snapshot: its blocks come from the repository as it asks for them. Then it goes, and its disk with it.
    async fn bring_another(&mut self) {
        let at = self.random.below(self.kept.len() as u64) as usize;
        eprintln!("another machine of snapshot {at} of {}", self.kept.len());
        let key = self.key.as_ref();
        let own = if self.random.below(2) == 0 { key.cloned() } else { key.map(|_| common::key(99)) };
        let Kept { manifest, history, size_bytes } = &self.kept[at];
        let (history, volume, second) = (history.begun_with(), VolumeId::from_u64(2), InstanceId::from_u64(2));
        let goal = VolumeGoal::Present {
            size_bytes: size_bytes + MIB,
            image: None,
            manifest: Some(manifest.clone()),
            keys: keys(own.as_ref(), key),
            shared: false,
        };
        self.cloud.spec.volumes.push(VolumeSpec { id: volume, generation: 1, goal });
        let disk = DiskSpec { volume, serial: "vol2".into(), limits: model::DiskLimits::default() };
        self.cloud.spec.vms.push(machine(2, vec![disk]).into());
        self.cloud.send();
        self.kill_some().await;
        self.cloud.until("the other machine", |r| vm_of(r, second).is_some_and(|vm| vm.disks == [volume])).await;
        self.until_it_writes(second).await;
        self.jobs += 1;
        let id = self.cloud.snapshot(self.jobs, &[2])[0];
        self.kill_some().await;
        let (manifest, _) = self.cloud.done(id).await;
        // Only the first machine's QEMU is ever killed.
        history.check(&self.cloud.bytes(&manifest, own.as_ref()), Disk::Held);
        self.cloud.spec.snapshots.clear();
        self.cloud.spec.vms.retain(|vm| vm.id != second);
        self.cloud.volume(2).goal = VolumeGoal::Deleted;
        self.cloud.send();
        self.kill_some().await;
        let gone = |r: &HostReport| vm_of(r, second).is_none() && volume_of(r, 2).is_some_and(|v| v.state == VolumeState::Deleted);
        self.cloud.until("the other machine gone", gone).await;
        self.cloud.spec.volumes.retain(|known| known.id != volume);
        self.cloud.send();
        self.settle().await;
        assert_eq!(self.cloud.layers(2), 0);
        self.remove(&manifest);
    }

    async fn delete_snapshot(&mut self) {
        let used = self.cloud.spec.volumes.iter().filter_map(|volume| match &volume.goal {
            VolumeGoal::Present { manifest, .. } => manifest.clone(),
            VolumeGoal::Deleted => None,
        });
        let used: Vec<String> = used.collect();
        let free: Vec<usize> = (0..self.kept.len()).filter(|at| !used.contains(&self.kept[*at].manifest)).collect();
        if free.is_empty() {
            return;
        }
        let at = free[self.random.below(free.len() as u64) as usize];
        eprintln!("snapshot {at} of {} is deleted", self.kept.len());
        let deleted = self.kept.remove(at);
        if self.kept.iter().any(|kept| kept.manifest == deleted.manifest) {
            return;
        }
        let repository = self.cloud.config.repository.clone();
        let mut child = Command::new(program());
        child.arg("remove").arg(repository).arg(&deleted.manifest).stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        self.wait(30).await;
        let _ = child.kill();
        child.wait().unwrap();
        self.remove(&deleted.manifest);
        self.check_kept();
    }

    /// Removes a snapshot from the repository, if somebody who was killed did not do so already, and what only it named.
    fn remove(&self, manifest: &str) {
        if self.kept.iter().any(|kept| kept.manifest == manifest) {
            return;
        }
        let repository = Repository::open(&self.cloud.config.repository).unwrap();
        let deadline = std::time::Instant::now() + LIMIT;
        loop {
            match repository.remove(&manifest.parse().unwrap()) {
                Ok(()) | Err(RepositoryError::Missing { .. }) => break,
                // The image server hears of the end of a QEMU a moment later.
                Err(RepositoryError::InUse { .. }) if std::time::Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
                Err(error) => panic!("{manifest} is not removed: {error}"),
            }
        }
        repository.sweep().unwrap();
    }

    async fn end(mut self) {
        eprintln!("the end");
        for tries in 0.. {
            if self.cloud.layers(1) <= 2 {
                break;
            }
            assert!(tries < MERGES, "{} layers are never merged", self.cloud.layers(1));
            self.merge().await;
            self.wait(300).await;
        }
        self.turn_off().await;
        self.history.check(&self.bytes_of_host().await, Disk::Killed);
        self.check_kept();
        self.assert_nothing_is_left();
        self.cloud.end_process().await;
        assert_eq!(self.cloud.agent().orphans().await.unwrap(), vec![]);
        self.cloud.finish().await;
    }

    /// Every file of the pool, of the records and of the repository is somebody's.
    fn assert_nothing_is_left(&self) {
        let generation = self.cloud.spec.volumes[0].generation;
        let ours = format!("{}.g{generation}.", VolumeId::from_u64(1));
        let names = |folder: &str| -> Vec<String> {
            let files = std::fs::read_dir(self.cloud.folder.path().join(folder)).unwrap().flatten();
            files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
        };
        let pool = names("state/volumes");
        assert!(pool.iter().all(|name| name.starts_with(&ours) && name.ends_with(".qcow2")), "{pool:?} of {ours}");
        assert_eq!(names("state/snapshots"), Vec::<String>::new());
        let repository = Repository::open(&self.cloud.config.repository).unwrap();
        repository.sweep().unwrap();
        assert_eq!(names("repository/staging"), Vec::<String>::new());
        let mut known: BTreeSet<Digest> = self.kept.iter().map(|kept| kept.manifest.parse().unwrap()).collect();
        known.extend(self.cloud.spec.images.iter().map(|image| image.manifest.parse::<Digest>().unwrap()));
        assert_eq!(repository.images().unwrap().into_iter().collect::<BTreeSet<_>>(), known, "a manifest is nobody's");
        if self.key.is_none() {
            pool.iter().for_each(|name| self.assert_sound(name));
        }
    }

    /// QEMU's own check finds nothing wrong in a file but room that is not used any more, as a kill leaves it.
    fn assert_sound(&self, name: &str) {
        const LEAKS: i32 = 3;
        let path = self.cloud.config.state.join("volumes").join(name);
        let checked = Command::new("qemu-img").args(["check", "-f", "qcow2"]).arg(path).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
        assert!(matches!(checked.status.code(), Some(0 | LEAKS)), "{name}: {said}");
    }

    fn check_kept(&self) {
        for kept in &self.kept {
            let bytes = self.cloud.bytes(&kept.manifest, self.key.as_ref());
            assert_eq!((bytes.len() as u64, kept.history.check(&bytes, Disk::Killed)), (kept.size_bytes, kept.history.clone()));
        }
    }

    fn ask_for_snapshot(&mut self, at_boot: Option<u64>) -> SnapshotId {
        self.jobs += 1;
        self.cloud.mode = if self.random.below(2) == 0 { SnapshotMode::Copy } else { SnapshotMode::Redirect };
        eprintln!("  in mode {}", self.cloud.mode.word());
        self.cloud.snapshot_at(self.jobs, &[1], at_boot)[0]
    }

    /// Compares a snapshot of the disk with the model, and keeps it.
    fn keep(&mut self, manifest: String, how: Disk) -> History {
        let bytes = self.cloud.bytes(&manifest, self.key.as_ref());
        assert_eq!(bytes.len() as u64, self.size_bytes);
        let found = self.history.check(&bytes, how);
        self.history = found.clone();
        self.kept.push(Kept { manifest, history: found.clone(), size_bytes: self.size_bytes });
        found
    }

    async fn end_snapshot(&mut self) {
        self.cloud.spec.snapshots.clear();
        self.cloud.send();
        self.settle().await;
    }

    /// The disk as QEMU's own tools read it from the files of the host, while nobody has it open.
    async fn bytes_of_host(&self) -> Vec<u8> {
        let pool = pileus_agent::block::Pool::existing(&self.cloud.config.state.join("volumes"));
        let spec = &self.cloud.spec.volumes[0];
        let layers: Vec<u32> = pool.layers(spec.id, spec.generation).unwrap();
        let VolumeGoal::Present { image, manifest, .. } = &spec.goal else { unreachable!() };
        let of_image = |_| self.cloud.spec.images[0].manifest.clone();
        let under: Digest = manifest.clone().or_else(|| image.map(of_image)).unwrap().parse().unwrap();
        let sealed = if manifest.is_some() { self.key.as_ref() } else { None };
        let export = repository::server::export_name(&under, sealed);
        let socket = self.cloud.config.state.join("images/server.sock");
        let mut chain = serde_json::json!({"driver": "nbd", "server": {"type": "unix", "path": socket}, "export": export.as_str()});
        let files = pool.files().unwrap();
        for layer in layers {
            let ours =
                |file: &&pileus_agent::block::PoolFile| (file.volume, file.generation, file.layer) == (spec.id, spec.generation, layer);
            let path = &files.iter().find(ours).unwrap().path;
            chain = serde_json::json!({"driver": "qcow2", "file": {"driver": "file", "filename": path}, "backing": chain});
            if self.key.is_some() {
                chain["encrypt"] = serde_json::json!({"format": "luks", "key-secret": "key"});
            }
        }
        let (out, secret) = (self.cloud.folder.path().join("out"), self.cloud.folder.path().join("secret"));
        let mut convert = Command::new("qemu-img");
        convert.args(["convert", "-O", "raw"]);
        if let Some(key) = &self.key {
            std::fs::write(&secret, repository::luks::passphrase(key).as_bytes()).unwrap();
            convert.arg("--object").arg(format!("secret,id=key,file={}", secret.display()));
        }
        convert.arg(format!("json:{chain}")).arg(&out);
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let converted = convert.output().unwrap();
            if converted.status.success() {
                return std::fs::read(out).unwrap();
            }
            let said = String::from_utf8_lossy(&converted.stderr);
            // The image server was killed a moment ago, and another is on its way.
            assert!(said.contains("Failed to connect") && tokio::time::Instant::now() < deadline, "{said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn hear(&mut self) {
        let console = self.cloud.process.as_mut().unwrap().console(self.vm);
        self.history.hear(&console);
    }

    async fn until_heard(&mut self, heard: impl Fn(&History) -> bool) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            self.hear();
            if heard(&self.history) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "the guest does not write on: {:?}", self.history);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Up to two kills of whomever, some time after whatever was asked for. Says how a disk of the guest is found then.
    async fn kill_some(&mut self) -> Disk {
        let mut how = Disk::Held;
        for _ in 0..self.random.below(3) {
            self.wait(LATEST_MS).await;
            match self.random.below(8) {
                0..=3 => self.restart_agent().await,
                4 | 5 => self.kill_server(),
                6 => how = self.kill_guest(how),
                _ => {
                    how = self.kill_guest(how);
                    self.restart_agent().await;
                }
            }
        }
        if how == Disk::Killed {
            // A wish to start is not held back as one of the host's own is after a death.
            self.cloud.vm(self.vm).boot += 1;
            self.cloud.send();
        }
        how
    }

    fn kill_guest(&self, how: Disk) -> Disk {
        let pid = pid_in(&self.cloud.vm_folder(self.vm));
        eprintln!("  QEMU is killed: {pid:?}");
        pid.iter().for_each(|pid| signal(*pid, "KILL"));
        if pid.is_some() { Disk::Killed } else { how }
    }

    fn kill_server(&self) {
        let pid = server_pid(&self.cloud);
        eprintln!("  the image server is killed: {pid:?}");
        pid.iter().for_each(|pid| signal(*pid, "KILL"));
    }

    async fn restart_agent(&mut self) {
        eprintln!("  the agent is killed");
        self.cloud.process.as_mut().unwrap().kill();
        if self.random.below(4) == 0 {
            self.wait(LATEST_MS).await;
        }
        self.cloud.start_process();
    }

    async fn wait(&mut self, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.random.below(most_ms + 1))).await;
    }

    async fn turn_off(&mut self) {
        self.cloud.vm(self.vm).power = OFF_NOW;
        self.cloud.send();
        self.kill_some().await;
        self.settle().await;
    }

    fn turn_on(&mut self) {
        let vm = self.cloud.vm(self.vm);
        (vm.power, vm.boot) = (Power::On, vm.boot + 1);
        self.cloud.send();
    }

    /// Waits until the host is what the document says, without a fault of a disk.
    async fn settle(&mut self) {
        let (id, generation) = (self.vm, self.cloud.spec.generation);
        let vm = self.cloud.vm(id);
        let (boot, is_on) = (vm.boot, vm.power == Power::On);
        let volume = self.cloud.volume(1).clone();
        let VolumeGoal::Present { size_bytes, .. } = volume.goal else { unreachable!() };
        let there = VolumeReport { id: volume.id, generation: volume.generation, state: VolumeState::Present { size_bytes }, fault: None };
        let is_settled = |r: &HostReport| {
            let applied = r.generation == generation && r.applied == generation;
            let right = |vm: &VmReport| match is_on {
                true => vm.state == VmState::Running && vm.boot == boot && vm.disks == [volume.id],
                false => vm.state == VmState::Stopped,
            };
            applied && vm_of(r, id).is_some_and(right) && volume_of(r, 1) == Some(&there)
        };
        self.cloud.until("the host at rest", is_settled).await;
        if is_on {
            self.until_it_writes(id).await;
        }
    }

    /// Waits until the guest that runs now writes: what an earlier one said is known by now, or lost with its QEMU.
    async fn until_it_writes(&mut self, vm: InstanceId) {
        const WRITES: u32 = 10;
        let process = self.cloud.process.as_mut().unwrap();
        let before = said(&process.console(vm));
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            let now = said(&process.console(vm));
            let (nonce, writes) = now.unwrap_or_default();
            let known = before.filter(|before| before.0 == nonce).map_or(0, |before| before.1);
            if writes >= known + WRITES {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{vm} says {now:?} after {before:?} and does not write: {:?}", self.cloud.last);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A disk as the guest leaves it after so many writes of its first start.
fn disk_after(writes: u32) -> Vec<u8> {
    let mut disk = vec![0; 4 << 20];
    disk[..SECTOR].copy_from_slice(RANDOM);
    for (at, word) in [(0, 1), (2, RANGE), (3, NONCE)] {
        disk[SECTOR + at * 4..SECTOR + at * 4 + 4].copy_from_slice(&word.to_le_bytes());
    }
    let mut generator = NONCE;
    for write in 1..=writes {
        let (first, count) = next(&mut generator, RANGE);
        (first..first + count).for_each(|sector| put(&mut disk, sector, write));
    }
    disk
}

const RANGE: u32 = ((4 << 20) / SECTOR - FIRST - LONGEST) as u32;
const NONCE: u32 = 12_345;

fn put(disk: &mut [u8], sector: usize, write: u32) {
    let words = [sector as u32, NONCE].into_iter().chain(std::iter::repeat_n(write, 126));
    disk[sector * SECTOR..(sector + 1) * SECTOR].copy_from_slice(&words.flat_map(u32::to_le_bytes).collect::<Vec<_>>());
}

#[test]
fn the_model_takes_what_the_guest_wrote_and_nothing_else() {
    let history = History::default().check(&disk_after(40), Disk::Held);
    assert!(history.compare(&disk_after(40), Disk::Held).is_ok() && history.compare(&disk_after(41), Disk::Held).is_ok());
    assert!(history.compare(&disk_after(39), Disk::Killed).is_err(), "a write is gone");
    let mut heard = history.clone();
    heard.hear(&[b"guest up\r\n", &NONCE.to_le_bytes()[..], &2_u32.to_le_bytes()[..], &[b'.'; 40]].concat());
    assert!(heard.compare(&disk_after(41), Disk::Killed).is_err(), "a write that the guest was told is gone");
    assert!(heard.compare(&disk_after(42), Disk::Held).is_ok());
    let mut generator = NONCE;
    let (first, count) = (1..=41).map(|_| next(&mut generator, RANGE)).last().unwrap();
    let mut cut = disk_after(40);
    put(&mut cut, first, 41);
    assert!(count > 1 && history.compare(&cut, Disk::Killed).is_ok() && history.compare(&cut, Disk::Held).is_err());
    for (at, byte) in [(FIRST * SECTOR - 1, 1), (0, 0), (SECTOR + 8, 0)] {
        let mut other = disk_after(40);
        other[at] = byte;
        assert!(history.compare(&other, Disk::Killed).is_err(), "byte {at} is another");
    }
    let whole = disk_after(40);
    for sector in (FIRST..whole.len() / SECTOR).filter(|sector| whole[sector * SECTOR..][..SECTOR] != [0; SECTOR]) {
        let mut other = whole.clone();
        other[sector * SECTOR..][..SECTOR].fill(0);
        assert!(history.compare(&other, Disk::Killed).is_err(), "sector {sector} is gone");
    }
}
