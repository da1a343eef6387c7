//! What goes wrong on a host, and what is said and done about it.

mod common;

use common::*;
use hostspec::{DiskKeys, FaultKind, Power, VmState, VolumeGoal};
use std::fs;

#[tokio::test]
async fn a_qemu_that_is_killed_is_reported_and_started_again() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    let pid = cloud.pid(id);
    signal(pid, "KILL");
    let report = cloud.until("the death", |r| fault_of(r, id).is_some_and(|f| f.kind == FaultKind::Died)).await;
    assert_eq!(fault_of(&report, id).unwrap().tries, 1);
    let report = cloud.until_state(id, VmState::Running, 1).await;
    // The death is remembered until the machine has run for a while, so that a guest that dies again waits longer.
    assert_eq!(fault_of(&report, id).unwrap().kind, FaultKind::Died);
    assert_ne!(cloud.pid(id), pid);
    cloud.until_console(id, "guest up", 2).await;
    signal(cloud.pid(id), "KILL");
    cloud.until("the second death", |r| fault_of(r, id).is_some_and(|f| f.tries == 2)).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_hung_monitor_is_reported_and_heals_and_off_kills_it() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    let pid = cloud.pid(id);
    signal(pid, "STOP");
    let report = cloud.until("the hang", |r| fault_of(r, id).is_some_and(|f| f.kind == FaultKind::Hung)).await;
    assert_eq!(vm_of(&report, id).unwrap().state, VmState::Running);
    signal(pid, "CONT");
    cloud.until("no fault", |r| vm_of(r, id).is_some_and(|vm| vm.fault.is_none())).await;
    assert_eq!(cloud.pid(id), pid);
    signal(pid, "STOP");
    cloud.vm(id).power = Power::Off { grace_seconds: 1 };
    cloud.send();
    cloud.until_state(id, VmState::Stopped, 1).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_killed_agent_leaves_guests_running_and_the_next_one_adopts_them() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Obedient).await;
    cloud.agent.take().unwrap().shutdown().await;
    let pid = cloud.pid(id);
    let second = cloud.add(2, Guest::Stubborn);
    cloud.spec.generation += 1;
    let mut process = agent_process(&cloud);
    let wait = async {
        while pid_in(&cloud.vm_folder(second)).is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    cloud.start_agent().await;
    let report = cloud.until_state(second, VmState::Running, 1).await;
    assert_eq!(report.generation, cloud.spec.generation);
    cloud.until_state(id, VmState::Running, 1).await;
    assert_eq!(cloud.pid(id), pid);
    cloud.until_console(second, "guest up", 1).await;
    // It is adopted, not only seen: it hears the power button, and its volume is still its own.
    cloud.vm(id).power = Power::Off { grace_seconds: 60 };
    cloud.send();
    cloud.until_state(id, VmState::Stopped, 1).await;
    cloud.until_console(id, "bye", 1).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_guest_that_died_while_no_agent_was_there_is_started_again() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    cloud.agent.take().unwrap().shutdown().await;
    signal(cloud.pid(id), "KILL");
    cloud.start_agent().await;
    cloud.until("the death", |r| fault_of(r, id).is_some_and(|f| f.kind == FaultKind::Died)).await;
    cloud.until_state(id, VmState::Running, 1).await;
    cloud.until_console(id, "guest up", 2).await;
    cloud.finish().await;
}

#[tokio::test]
async fn after_a_power_cut_of_the_host_what_should_run_comes_back_without_a_fault() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    cloud.agent.take().unwrap().shutdown().await;
    // What a power cut leaves: notes of another run of the machine, and no process.
    signal(cloud.pid(id), "KILL");
    for file in ["pid.json", "record.json"] {
        let path = cloud.vm_folder(id).join(file);
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(boot_id.trim()));
        fs::write(&path, text.replace(boot_id.trim(), "another run")).unwrap();
    }
    cloud.start_agent().await;
    let report = cloud.until_state(id, VmState::Running, 1).await;
    assert_eq!(fault_of(&report, id), None);
    cloud.until_console(id, "guest up", 2).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_missing_or_corrupt_image_is_told_by_name() {
    let mut cloud = Cloud::new().await;
    let missing = cloud.add(1, Guest::Stubborn);
    cloud.spec.images[0].manifest = "00".repeat(32);
    let corrupt = cloud.add(2, Guest::Kernel);
    let blobs = cloud.config.repository.join("blobs");
    for blob in walk(&blobs) {
        fs::write(blob, b"something else").unwrap();
    }
    cloud.send();
    for id in [missing, corrupt] {
        let report = cloud.until("the image's fault", |r| fault_of(r, id).is_some()).await;
        assert_eq!(fault_of(&report, id).unwrap().kind, FaultKind::ImageCorrupt);
    }
    cloud.until("another try", |r| fault_of(r, missing).is_some_and(|f| f.tries >= 2)).await;
    cloud.finish().await;
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries.flat_map(|e| if e.path().is_dir() { walk(&e.path()) } else { vec![e.path()] }).collect()
}

#[tokio::test]
async fn a_damaged_volume_is_not_opened() {
    let mut cloud = Cloud::new().await;
    let id = cloud.add(1, Guest::Stubborn);
    cloud.vm(id).power = OFF_NOW;
    cloud.send();
    cloud.until("the volume", |r| volume_of(r, 1).is_some()).await;
    cloud.agent.take().unwrap().shutdown().await;
    for file in walk(&cloud.config.state.join("volumes")) {
        fs::write(file, b"not a volume").unwrap();
    }
    cloud.start_agent().await;
    cloud.vm(id).power = Power::On;
    cloud.send();
    let report = cloud.until("the fault", |r| fault_of(r, id).is_some()).await;
    assert!(fault_of(&report, id).unwrap().detail.contains("header"));
    assert_eq!(vm_of(&report, id).unwrap().state, VmState::Stopped);
    cloud.finish().await;
}

#[tokio::test]
async fn a_qemu_that_refuses_to_start_says_why_and_leaves_nothing() {
    let mut cloud = Cloud::new().await;
    let id = cloud.add(1, Guest::Stubborn);
    cloud.vm(id).vcpus = 4096;
    cloud.send();
    let report = cloud.until("the refusal", |r| fault_of(r, id).is_some()).await;
    let fault = fault_of(&report, id).unwrap();
    assert_eq!(fault.kind, FaultKind::StartFailed);
    assert!(fault.detail.contains("4096"), "{}", fault.detail);
    cloud.vm(id).vcpus = 1;
    cloud.send();
    let report = cloud.until_state(id, VmState::Running, 1).await;
    assert_eq!(fault_of(&report, id), None);
    cloud.finish().await;
}

#[tokio::test]
async fn a_full_disk_pauses_the_guest_with_a_fault_until_there_is_room() {
    let folder = tempfile::Builder::new().prefix("pileus-").tempdir().unwrap();
    let state = folder.path().join("state");
    let disk = SmallDisk::new(&state.join("volumes"), "272m");
    let mut cloud = Cloud::at(folder, state).await;
    let id = cloud.add(1, Guest::Writer);
    cloud.spec.volumes[0].goal = VolumeGoal::Present {
        size_bytes: 4096 * MIB,
        image: Some(cloud.spec.images[0].id),
        manifest: None,
        keys: DiskKeys::default(),
        shared: false,
    };
    cloud.send();
    cloud.until_state(id, VmState::Running, 1).await;
    let report = cloud.until("the full disk", |r| fault_of(r, id).is_some_and(|f| f.kind == FaultKind::DiskFull)).await;
    assert_eq!(vm_of(&report, id).unwrap().state, VmState::Running);
    let second = cloud.add(2, Guest::Stubborn);
    cloud.send();
    cloud.until("no room for a second", |r| fault_of(r, second).is_some_and(|f| f.kind == FaultKind::DiskFull)).await;
    disk.resize("1g");
    cloud.until("no fault", |r| vm_of(r, id).is_some_and(|vm| vm.fault.is_none())).await;
    cloud.until_state(second, VmState::Running, 1).await;
    cloud.vm(id).power = OFF_NOW;
    cloud.send();
    cloud.until_state(id, VmState::Stopped, 1).await;
    let agent = cloud.agent.take().unwrap();
    agent.stop_all_guests(std::time::Duration::ZERO).await;
    agent.shutdown().await;
    drop(disk);
    cloud.start_agent().await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_killed_image_server_comes_back_under_running_guests() {
    let mut cloud = Cloud::new().await;
    cloud.launch(1, Guest::Stubborn).await;
    let server = server_pid(&cloud).unwrap();
    signal(server, "KILL");
    let wait = async {
        while server_pid(&cloud).is_none_or(|pid| pid == server) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap();
    cloud.launch(2, Guest::Stubborn).await;
    cloud.finish().await;
}
