//! Disks that come and go while a machine runs, with real QEMUs. The guests here are boot sectors that never release a disk; what a
//! real Linux does is tried by the clients' tests.

mod common;

use common::*;
use hostspec::{DiskKeys, DiskSpec, HostReport, VmState, VolumeGoal, VolumeSpec, VolumeState};
use model::{InstanceId, VolumeId};

impl Cloud {
    /// Adds an empty volume to the document.
    fn add_volume(&mut self, number: u64) -> VolumeId {
        let id = VolumeId::from_u64(number);
        self.spec.volumes.push(VolumeSpec {
            id,
            generation: 1,
            goal: VolumeGoal::Present { size_bytes: 64 * MIB, image: None, manifest: None, keys: DiskKeys::default(), shared: false },
        });
        id
    }

    /// Adds an empty volume that several machines may have.
    fn add_shared(&mut self, number: u64) -> VolumeId {
        let id = self.add_volume(number);
        self.volume(number).goal = present_shared(64);
        id
    }

    fn list(&mut self, vm: InstanceId, volume: VolumeId) {
        self.vm(vm).disks.push(DiskSpec { volume, serial: volume.to_string().replace('-', ""), limits: model::DiskLimits::default() });
    }

    fn strike(&mut self, vm: InstanceId, volume: VolumeId) {
        self.vm(vm).disks.retain(|disk| disk.volume != volume);
    }

    /// Files of a volume that the machine's QEMU has open.
    fn open_files(&self, vm: InstanceId, volume: VolumeId) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid(vm))).unwrap().flatten();
        open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().contains(&volume.to_string()))).count()
    }
}

fn present_shared(mib: u64) -> VolumeGoal {
    VolumeGoal::Present { size_bytes: mib * MIB, image: None, manifest: None, keys: DiskKeys::default(), shared: true }
}

fn has(report: &HostReport, vm: InstanceId, volume: VolumeId) -> bool {
    vm_of(report, vm).is_some_and(|vm| vm.disks.contains(&volume))
}

#[tokio::test]
async fn sixteen_disks_come_to_a_running_machine_and_grow_there() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    let volumes: Vec<VolumeId> = (10..26).map(|number| cloud.add_volume(number)).collect();
    volumes.iter().for_each(|volume| cloud.list(id, *volume));
    cloud.send();
    let report = cloud.until("sixteen disks", |r| volumes.iter().all(|volume| has(r, id, *volume))).await;
    assert_eq!((fault_of(&report, id), vm_of(&report, id).unwrap().disks.len()), (None, 17));
    cloud.until("applied", |r| r.applied == r.generation).await;
    cloud.spec.volumes.last_mut().unwrap().goal =
        VolumeGoal::Present { size_bytes: 128 * MIB, image: None, manifest: None, keys: DiskKeys::default(), shared: false };
    cloud.send();
    let size = VolumeState::Present { size_bytes: 128 * MIB };
    cloud.until("the larger disk", |r| volume_of(r, 25).is_some_and(|volume| volume.state == size)).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_disk_that_the_guest_keeps_stays_and_one_taken_by_force_is_free_at_once() {
    let mut cloud = Cloud::new().await;
    let (first, second) = (cloud.launch(1, Guest::Stubborn).await, cloud.launch(2, Guest::Stubborn).await);
    let volume = cloud.add_volume(10);
    cloud.list(first, volume);
    cloud.send();
    cloud.until("the disk", |r| has(r, first, volume)).await;
    cloud.strike(first, volume);
    cloud.send();
    // The guest is asked, and the document counts as tried although it does not answer.
    let report = cloud.until("the document tried", |r| r.applied == r.generation && r.generation == 4).await;
    assert!(has(&report, first, volume) && cloud.open_files(first, volume) > 0);
    cloud.vm(first).seized = vec![volume];
    cloud.send();
    let report = cloud.until("the disk taken", |r| !has(r, first, volume)).await;
    assert_eq!((fault_of(&report, first), cloud.open_files(first, volume)), (None, 0));
    cloud.vm(first).seized.clear();
    cloud.list(second, volume);
    cloud.send();
    cloud.until("the disk with the other", |r| has(r, second, volume)).await;
    assert!(cloud.open_files(second, volume) > 0);
    cloud.until_state(first, VmState::Running, 1).await;
    cloud.finish().await;
}

#[tokio::test]
async fn disks_are_found_again_by_the_next_agent_and_are_there_after_a_restart() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Obedient).await;
    let (kept, struck) = (cloud.add_volume(10), cloud.add_volume(11));
    cloud.list(id, kept);
    cloud.list(id, struck);
    cloud.send();
    cloud.until("both disks", |r| has(r, id, kept) && has(r, id, struck)).await;
    let pid = cloud.pid(id);
    cloud.agent.take().unwrap().shutdown().await;
    cloud.strike(id, struck);
    cloud.start_agent().await;
    cloud.send();
    let report = cloud.until("the document tried", |r| r.applied == r.generation && r.generation == 3).await;
    assert!(has(&report, id, kept) && has(&report, id, struck), "the guest does not release it");
    assert_eq!(cloud.pid(id), pid);
    cloud.vm(id).power = OFF_NOW;
    cloud.send();
    let report = cloud.until_state(id, VmState::Stopped, 1).await;
    assert_eq!(vm_of(&report, id).unwrap().disks, []);
    cloud.vm(id).power = hostspec::Power::On;
    cloud.send();
    let report = cloud.until_state(id, VmState::Running, 1).await;
    assert!(has(&report, id, kept) && !has(&report, id, struck));
    cloud.finish().await;
}

#[tokio::test]
async fn a_disk_that_cannot_be_added_is_tried_again_and_leaves_nothing_open() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    let volume = cloud.add_volume(10);
    cloud.send();
    cloud.until("the volume", |r| volume_of(r, 10).is_some()).await;
    let file = cloud.config.state.join("volumes").join(format!("{volume}.g1.qcow2"));
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"nothing of a header").unwrap();
    cloud.list(id, volume);
    cloud.send();
    let report = cloud.until("the fault", |r| fault_of(r, id).is_some()).await;
    assert!(!has(&report, id, volume) && cloud.open_files(id, volume) == 0);
    std::fs::write(&file, whole).unwrap();
    cloud.until("the disk", |r| has(r, id, volume)).await;
    cloud.finish().await;
}

#[tokio::test]
async fn machines_have_a_shared_disk_at_once_and_each_loses_it_alone() {
    let mut cloud = Cloud::new().await;
    let volume = cloud.add_shared(10);
    let (first, second) = (cloud.launch(1, Guest::Stubborn).await, cloud.launch(2, Guest::Stubborn).await);
    cloud.list(first, volume);
    cloud.list(second, volume);
    cloud.send();
    cloud.until("the disk with both", |r| has(r, first, volume) && has(r, second, volume)).await;
    // The next agent finds it open in both, and a third that starts with it gets it too.
    let pids = [cloud.pid(first), cloud.pid(second)];
    cloud.agent.take().unwrap().shutdown().await;
    cloud.start_agent().await;
    let third = cloud.launch(3, Guest::Stubborn).await;
    cloud.list(third, volume);
    cloud.send();
    cloud.until("the disk with three", |r| [first, second, third].iter().all(|id| has(r, *id, volume))).await;
    assert_eq!([cloud.pid(first), cloud.pid(second)], pids);
    // One QEMU dies and comes back with the disk; the other notices nothing.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(cloud.pid(second)), nix::sys::signal::Signal::SIGKILL).unwrap();
    cloud.until("the machine that died", |r| vm_of(r, second).is_some_and(|vm| vm.state != VmState::Running)).await;
    cloud.until_state(second, VmState::Running, 1).await;
    let report = cloud.until("the disk with it", |r| has(r, second, volume)).await;
    assert!(has(&report, first, volume) && has(&report, third, volume));
    // Nobody grows it under them, nor deletes it.
    cloud.volume(10).goal = present_shared(128);
    cloud.vm(first).seized = vec![volume];
    cloud.strike(first, volume);
    cloud.send();
    let report = cloud.until("the disk taken from one", |r| !has(r, first, volume)).await;
    assert!(has(&report, second, volume) && has(&report, third, volume) && fault_of(&report, third).is_none());
    assert_eq!((cloud.open_files(first, volume), cloud.open_files(second, volume) > 0), (0, true));
    assert_eq!(volume_of(&report, 10).unwrap().state, VolumeState::Present { size_bytes: 64 * MIB });
    for id in [second, third] {
        cloud.vm(id).power = OFF_NOW;
        cloud.strike(id, volume);
    }
    cloud.send();
    let size = VolumeState::Present { size_bytes: 128 * MIB };
    cloud.until("the larger disk", |r| volume_of(r, 10).is_some_and(|volume| volume.state == size)).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_program_that_does_not_share_is_kept_from_a_shared_disk() {
    let mut cloud = Cloud::new().await;
    let volume = cloud.add_shared(10);
    let id = cloud.launch(1, Guest::Stubborn).await;
    cloud.list(id, volume);
    cloud.send();
    cloud.until("the disk", |r| has(r, id, volume)).await;
    let file = cloud.config.state.join("volumes").join(format!("{volume}.g1.raw"));
    // Where it can be opened, this QEMU waits for somebody to start it, and is ended.
    let drive = format!("file={},format=raw,if=none,id=disk", file.display());
    let other =
        ["20", "qemu-system-x86_64", "-nodefaults", "-display", "none", "-S", "-drive", &drive, "-device", "virtio-blk-pci,drive=disk"];
    let tried = std::process::Command::new("timeout").args(other).output().unwrap();
    let words = String::from_utf8_lossy(&tried.stderr);
    assert!(!tried.status.success() && words.contains("lock"), "{words}");
    cloud.finish().await;
}
