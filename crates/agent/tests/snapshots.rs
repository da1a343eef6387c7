//! Snapshots of disks, with real QEMUs: of running guests that write on, of volumes that nobody has, through kills of everything.

mod common;

use common::*;
use hostspec::*;
use model::VolumeId;

#[tokio::test]
async fn snapshots_of_a_writing_guest_are_instants_and_the_guest_writes_on() {
    let mut cloud = Cloud::new().await;
    let vm = cloud.launch(1, Guest::Marker).await;
    let mut before = 0;
    for job in 1..=4 {
        before = cloud.snapshot_of_a_marking_guest(vm, job, before).await;
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
    assert!(newest_mark(&cloud.bytes(&manifest, None)) > before);
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
    let goal = VolumeGoal::Present {
        size_bytes: 128 * MIB,
        image: None,
        manifest: Some(manifest.clone()),
        keys: DiskKeys::default(),
        shared: false,
    };
    cloud.spec.volumes.push(VolumeSpec { id: VolumeId::from_u64(7), generation: 1, goal });
    let id = cloud.snapshot(2, &[7])[0];
    let (larger, stored) = cloud.done(id).await;
    let (disk, old) = (cloud.bytes(&larger, None), cloud.bytes(&manifest, None));
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
    cloud.snapshots_through_kills(vm, None).await;
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
    let disk = cloud.bytes(&manifest, None);
    every_block_is_its_own(&disk);
    cloud.until_console(vm, "guest up", 2).await;
    cloud.until_writes(vm, 20).await;
    cloud.spec.snapshots.clear();
    let later = cloud.snapshot(2, &[1])[0];
    let (manifest, _) = cloud.done(later).await;
    every_block_is_its_own(&cloud.bytes(&manifest, None));
    cloud.finish().await;
}
