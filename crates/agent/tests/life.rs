//! The life of machines on one host, with real QEMUs.

mod common;

use std::time::Duration;

use common::*;
use hostspec::{DiskKeys, FaultKind, Power, Reset, VmState, VolumeGoal, VolumeState};
use model::VolumeId;

#[tokio::test]
async fn a_machine_starts_from_its_image_and_its_console_is_kept_until_it_is_removed() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    let output = cloud.agent().console_output(id).await.unwrap();
    assert!(output.at_ms > 0);
    let report = cloud.until("applied", |r| r.applied == r.generation && r.generation == 1).await;
    assert_eq!(vm_of(&report, id).unwrap().fault, None);
    assert!(vm_of(&report, id).unwrap().started_at_ms > 0);
    assert_eq!(volume_of(&report, 1).unwrap().state, VolumeState::Present { size_bytes: 64 * MIB });
    cloud.spec.vms.clear();
    cloud.send();
    cloud.until("no machine", |r| r.vms.is_empty()).await;
    assert!(!cloud.vm_folder(id).exists() && cloud.agent().console_output(id).await.is_none());
    cloud.finish().await;
}

#[tokio::test]
async fn a_kernel_is_started_directly_with_its_command_line_and_ram_disk() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Kernel).await;
    let output = cloud.until_console(id, "with a disk", 1).await;
    assert!(output.contains("kernel up: quiet, please with a disk"), "{output}");
    cloud.finish().await;
}

#[tokio::test]
async fn a_guest_that_listens_shuts_down_and_one_that_does_not_is_unplugged() {
    let mut cloud = Cloud::new().await;
    let obedient = cloud.launch(1, Guest::Obedient).await;
    let stubborn = cloud.launch(2, Guest::Stubborn).await;
    cloud.vm(obedient).power = Power::Off { grace_seconds: 60 };
    cloud.vm(stubborn).power = Power::Off { grace_seconds: 60 };
    cloud.send();
    cloud.until_state(obedient, VmState::Stopped, 1).await;
    cloud.until_console(obedient, "bye", 1).await;
    cloud.until_state(stubborn, VmState::Stopping, 1).await;
    cloud.vm(stubborn).power = OFF_NOW;
    cloud.send();
    let report = cloud.until_state(stubborn, VmState::Stopped, 1).await;
    assert_eq!((fault_of(&report, obedient), fault_of(&report, stubborn)), (None, None));
    cloud.finish().await;
}

#[tokio::test]
async fn a_guest_that_ignores_the_power_button_is_killed_after_its_grace() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    cloud.vm(id).power = Power::Off { grace_seconds: 1 };
    cloud.send();
    cloud.until_state(id, VmState::Stopping, 1).await;
    cloud.until_state(id, VmState::Stopped, 1).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_guest_that_shuts_itself_down_stays_down_until_it_is_asked_for_again() {
    let mut cloud = Cloud::new().await;
    let id = cloud.add(1, Guest::Quitter);
    cloud.send();
    cloud.until_state(id, VmState::ShutDown, 1).await;
    cloud.until_console(id, "guest up", 1).await;
    // A new agent does not start it either.
    cloud.agent.take().unwrap().shutdown().await;
    cloud.start_agent().await;
    cloud.until_state(id, VmState::ShutDown, 1).await;
    cloud.vm(id).boot = 2;
    cloud.send();
    cloud.until_state(id, VmState::ShutDown, 2).await;
    cloud.until_console(id, "guest up", 2).await;
    cloud.vm(id).power = OFF_NOW;
    cloud.send();
    cloud.until_state(id, VmState::Stopped, 2).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_reset_restarts_the_guest_in_the_same_process() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Obedient).await;
    let pid = cloud.pid(id);
    cloud.vm(id).boot = 2;
    cloud.send();
    cloud.until_state(id, VmState::Running, 2).await;
    cloud.until_console(id, "guest up", 2).await;
    cloud.vm(id).boot = 3;
    cloud.vm(id).reset = Reset::Soft;
    cloud.send();
    cloud.until_state(id, VmState::Running, 3).await;
    let output = cloud.until_console(id, "guest up", 3).await;
    assert_eq!((output.matches("bye").count(), cloud.pid(id)), (1, pid));
    cloud.finish().await;
}

#[tokio::test]
async fn a_guest_that_is_reset_while_its_firmware_starts_comes_up() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Marker).await;
    for round in 0..10 {
        cloud.vm(id).power = OFF_NOW;
        cloud.send();
        cloud.until("the machine off", |r| vm_of(r, id).is_some_and(|vm| vm.state == VmState::Stopped)).await;
        cloud.vm(id).power = Power::On;
        cloud.send();
        // The next wish is there when the start ends, or comes a little later.
        tokio::time::sleep(Duration::from_millis(10 * round)).await;
        let boot = cloud.vm(id).boot + 1;
        cloud.vm(id).boot = boot;
        cloud.vm(id).reset = Reset::Hard;
        cloud.send();
        cloud.until_state(id, VmState::Running, boot).await;
        cloud.until_writes(id, 5).await;
    }
    cloud.finish().await;
}

#[tokio::test]
async fn a_volume_grows_under_a_running_and_under_a_stopped_machine() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    for (mib, power) in [(128, Power::On), (256, OFF_NOW)] {
        cloud.spec.volumes[0].goal = VolumeGoal::Present {
            size_bytes: mib * MIB,
            image: Some(cloud.spec.images[0].id),
            manifest: None,
            keys: DiskKeys::default(),
            shared: false,
        };
        cloud.vm(id).power = power;
        cloud.send();
        let size = VolumeState::Present { size_bytes: mib * MIB };
        cloud.until("the larger volume", |r| volume_of(r, 1).is_some_and(|v| v.state == size)).await;
    }
    cloud.vm(id).power = Power::On;
    cloud.send();
    cloud.until_state(id, VmState::Running, 1).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_tombstone_deletes_the_bytes_after_the_machine_is_gone() {
    let mut cloud = Cloud::new().await;
    cloud.launch(1, Guest::Stubborn).await;
    cloud.spec.vms.clear();
    cloud.spec.volumes[0].goal = VolumeGoal::Deleted;
    cloud.send();
    let report = cloud.until("the tombstone", |r| volume_of(r, 1).is_some_and(|v| v.state == VolumeState::Deleted)).await;
    assert_eq!(report.vms, []);
    assert_eq!(std::fs::read_dir(cloud.config.state.join("volumes")).unwrap().count(), 0);
    cloud.finish().await;
}

#[tokio::test]
async fn an_older_document_changes_nothing() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Stubborn).await;
    cloud.send();
    cloud.until("generation 2", |r| r.applied == 2).await;
    cloud.spec.generation = 0;
    cloud.spec.vms.clear();
    cloud.send(); // As generation 1.
    cloud.spec.generation = 2;
    let disk = hostspec::DiskSpec { volume: VolumeId::from_u64(1), serial: "vol1".into(), limits: model::DiskLimits::default() };
    cloud.spec.vms.push(machine(1, vec![disk]).into());
    cloud.send();
    let report = cloud.until("generation 3", |r| r.applied == 3).await;
    assert_eq!(vm_of(&report, id).unwrap().state, VmState::Running);
    cloud.finish().await;
}

#[tokio::test]
async fn stopping_all_guests_is_not_forgotten_by_the_next_agent() {
    let mut cloud = Cloud::new().await;
    let id = cloud.launch(1, Guest::Obedient).await;
    cloud.agent().stop_all_guests(std::time::Duration::from_secs(60)).await;
    assert_eq!(cloud.agent().running(), []);
    cloud.agent.take().unwrap().shutdown().await;
    cloud.start_agent().await;
    cloud.until_state(id, VmState::Running, 1).await;
    let output = cloud.until_console(id, "guest up", 2).await;
    assert!(output.contains("bye"));
    cloud.finish().await;
}

#[tokio::test]
async fn one_slow_machine_does_not_delay_another() {
    let mut cloud = Cloud::new().await;
    let slow = cloud.launch(1, Guest::Stubborn).await;
    signal(cloud.pid(slow), "STOP");
    cloud.vm(slow).boot = 2; // Hangs in its monitor for seconds.
    cloud.send();
    let quick = cloud.launch(2, Guest::Stubborn).await;
    let report = cloud.until("the hung machine", |r| fault_of(r, slow).is_some_and(|f| f.kind == FaultKind::Hung)).await;
    assert_eq!(vm_of(&report, quick).unwrap().state, VmState::Running);
    assert_eq!(vm_of(&report, slow).unwrap().boot, 1);
    signal(cloud.pid(slow), "CONT");
    cloud.until_state(slow, VmState::Running, 2).await;
    cloud.finish().await;
}

#[tokio::test]
async fn a_machine_is_plugged_into_its_network_again_after_a_restart_and_after_its_agent_was_replaced() {
    let mut cloud = Cloud::new().await;
    let id = cloud.add(1, Guest::Stubborn);
    cloud.plug(id);
    cloud.send();
    for boot in 1..=2 {
        cloud.until_state(id, VmState::Running, boot).await;
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", cloud.pid(id))).unwrap().flatten();
        let taps = descriptors.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.ends_with("net/tun")));
        assert_eq!(taps.count(), 1);
        cloud.vm(id).power = OFF_NOW;
        cloud.vm(id).boot = boot + 1;
        cloud.send();
        cloud.until_state(id, VmState::Stopped, boot).await;
        cloud.agent.take().unwrap().shutdown().await;
        cloud.start_agent().await;
        cloud.vm(id).power = Power::On;
        cloud.send();
    }
    cloud.until_state(id, VmState::Running, 3).await;
    cloud.finish().await;
}
