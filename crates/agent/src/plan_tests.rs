//! The planner against a model of a host: whatever the document and whatever was there, it gets there and then is quiet.

use std::net::Ipv4Addr;

use hostspec::{DiskKeys, DiskSpec, Firmware, NicSpec, VpcSpec};
use model::{ImageId, MacAddr, Mib, SubnetId, VpcId};
use proptest::prelude::*;

use super::*;

pub(crate) fn vm_id(n: u64) -> InstanceId {
    InstanceId::from_u64(n)
}

fn volume_id(n: u64) -> VolumeId {
    VolumeId::from_u64(n)
}

pub(crate) fn vm(n: u64, power: Power, boot: u64) -> VmSpec {
    VmSpec {
        id: vm_id(n),
        power,
        boot,
        reset: Reset::Hard,
        vcpus: 1,
        memory: Mib(64),
        firmware: Firmware { uuid: String::new(), manufacturer: String::new(), product: String::new() },
        disks: vec![DiskSpec { volume: volume_id(n), serial: "vol".into(), limits: model::DiskLimits::default() }],
        seized: vec![],
        nics: vec![VmNic { id: InterfaceId::from_u64(n), mac: MacAddr::local(n), mtu: 1500, index: 0, group_names: vec![] }],
        metadata: metadata(),
    }
}

fn metadata() -> GuestMetadata {
    GuestMetadata {
        account: String::new(),
        region: String::new(),
        zone: String::new(),
        image: ImageId::from_u64(1),
        instance_type: String::new(),
        reservation: String::new(),
        launch_index: 0,
        launched_at: String::new(),
        hostname: String::new(),
        name: String::new(),
        ssh_keys: vec![],
        password_hash: None,
        user_data_base64: None,
        tags: vec![],
        token_required: false,
        hop_limit: 1,
        enabled: true,
        private_ip: Ipv4Addr::UNSPECIFIED,
        public_ip: None,
        security_groups: vec![],
        role: None,
        placement: None,
        events: vec![],
    }
}

fn volume(n: u64, generation: u64, goal: VolumeGoal) -> VolumeSpec {
    VolumeSpec { id: volume_id(n), generation, goal }
}

fn present(mib: u64) -> VolumeGoal {
    VolumeGoal::Present { size_bytes: mib << 20, image: None, manifest: None, keys: DiskKeys::default(), shared: false }
}

fn document(vms: Vec<VmSpec>, volumes: Vec<VolumeSpec>) -> HostSpec {
    let nics = vms.iter().flat_map(|vm| vm.nics.iter().map(|nic| nic_of(vm.id, nic))).collect();
    let vpc = VpcSpec {
        id: VpcId::from_u64(1),
        vni: 1,
        ranges: vec![],
        subnets: vec![],
        nics,
        remote: vec![],
        groups: vec![],
        names: vec![],
        names6: vec![],
        domain: String::new(),
        resolver: true,
        dhcp: hostspec::DhcpOptions::default(),
        shared: vec![],
        forwards: vec![],
        mapped: vec![],
        rates: vec![],
        homes: vec![],
        peers: vec![],
        v6: None,
        logged: vec![],
        kept: vec![],
    };
    let vms = vms.into_iter().map(Into::into).collect();
    HostSpec { generation: 1, vms, volumes, networks: vec![vpc], ..HostSpec::empty(HostId::from_u64(1)) }
}

fn nic_of(vm: InstanceId, nic: &VmNic) -> NicSpec {
    NicSpec {
        id: nic.id,
        vm,
        subnet: SubnetId::from_u64(1),
        mac: nic.mac,
        ip: Ipv4Addr::UNSPECIFIED,
        hostname: String::new(),
        id_records: hostspec::IdRecords::default(),
        public_ip: None,
        secondary: vec![],
        groups: vec![],
        forwards: false,
        rates: vec![],
        v6: vec![],
    }
}

fn nic_id(n: u64) -> InterfaceId {
    InterfaceId::from_u64(n)
}

/// A document with one machine that should be on, on a host where its disk and network are ready.
fn one_vm(power: Power, boot: u64, phase: Phase, seen_boot: u64) -> (HostSpec, Seen) {
    let spec = document(vec![vm(1, power, boot)], vec![volume(1, 1, present(10))]);
    let mut seen = Seen { now_ms: 1_000, ..Seen::default() };
    apply_network(&spec, &mut seen);
    seen.volumes.insert(volume_id(1), SeenVolume { generation: 1, size_bytes: 10 << 20 });
    let nics = if phase == Phase::Running { vec![nic_id(1)] } else { vec![] };
    seen.vms.insert(
        vm_id(1),
        SeenVm { phase, boot: seen_boot, retry_at_ms: 0, tried: 0, holds: vec![], leaving: vec![], nics, limits: vec![] },
    );
    (spec, seen)
}

fn apply_network(spec: &HostSpec, seen: &mut Seen) {
    seen.network = Some(Arc::new(spec.clone()));
    seen.ready = spec.networks.iter().flat_map(|vpc| vpc.nics.iter().map(|nic| nic.id)).collect();
}

fn check(power: Power, boot: u64, phase: Phase, seen_boot: u64, expected: &[Change]) {
    let (spec, seen) = one_vm(power, boot, phase, seen_boot);
    assert_eq!(plan(&spec, &seen), expected, "{power:?} {boot}, seen {phase:?} {seen_boot}");
}

const OFF: Power = Power::Off { grace_seconds: 30 };
const STOPPED: Phase = Phase::Stopped { prepared: false };

#[test]
fn a_stopped_machine_that_should_run_is_started() {
    check(Power::On, 1, STOPPED, 0, &[Change::StartVm { vm: vm_id(1), boot: 1 }]);
    check(Power::On, 1, STOPPED, 1, &[Change::StartVm { vm: vm_id(1), boot: 1 }]);
    check(Power::On, 1, Phase::Starting, 1, &[]);
    check(Power::On, 1, Phase::Running, 1, &[]);
}

#[test]
fn what_is_frozen_at_a_restart_is_frozen_by_it_or_after_it_and_not_before() {
    let freeze = Change::FreezeDisks { vm: vm_id(1), job: SnapshotId::from_u64(9) };
    let reset = Change::ResetVm { vm: vm_id(1), boot: 2, how: Reset::Hard };
    for (at_boot, seen_boot, expected) in [(None, 2, vec![freeze.clone()]), (Some(2), 1, vec![reset]), (Some(2), 2, vec![freeze])] {
        let (mut spec, mut seen) = one_vm(Power::On, 2, Phase::Running, seen_boot);
        seen.vms.get_mut(&vm_id(1)).unwrap().holds.push(volume_id(1));
        spec.snapshots.push(SnapshotJob { at_boot, ..job_of_first_volume(9, SnapshotMode::Redirect) });
        assert_eq!(plan(&spec, &seen), expected, "at {at_boot:?}, seen {seen_boot}");
    }
}

fn job_of_first_volume(n: u64, mode: SnapshotMode) -> SnapshotJob {
    let (id, volume) = (SnapshotId::from_u64(n), volume_id(1));
    let part = SnapshotPart { snapshot: id, volume, generation: 1, mode, under: None, keys: DiskKeys::default() };
    SnapshotJob { id, at_boot: None, parts: vec![part] }
}

#[test]
fn a_disk_that_is_copied_is_neither_frozen_again_nor_grown_until_it_is_read() {
    for (mode, waits) in [(SnapshotMode::Redirect, false), (SnapshotMode::Copy, true)] {
        let (mut spec, mut seen) = one_vm(Power::On, 1, Phase::Running, 1);
        seen.vms.get_mut(&vm_id(1)).unwrap().holds.push(volume_id(1));
        spec.snapshots = vec![job_of_first_volume(8, mode), job_of_first_volume(9, SnapshotMode::Redirect)];
        let [first, second] = [8, 9].map(SnapshotId::from_u64);
        let (read, freeze) = (Change::ReadSnapshot { job: first }, Change::FreezeDisks { vm: vm_id(1), job: second });
        seen.snapshots.insert(first, SeenSnapshot::Frozen);
        assert_eq!(plan(&spec, &seen), if waits { vec![read.clone()] } else { vec![read.clone(), freeze.clone()] });
        spec.snapshots.pop();
        spec.volumes[0].goal = present(20);
        let grow = Change::GrowDisk { vm: vm_id(1), volume: volume_id(1), size_bytes: 20 << 20 };
        assert_eq!(plan(&spec, &seen), if waits { vec![read] } else { vec![read, grow.clone()] });
        seen.snapshots.insert(first, SeenSnapshot::Ended);
        assert_eq!(plan(&spec, &seen), [grow]);
    }
}

#[test]
fn a_guest_that_shut_itself_down_stays_down_until_it_is_asked_for_again() {
    check(Power::On, 1, Phase::ShutDown, 1, &[]);
    check(Power::On, 2, Phase::ShutDown, 1, &[Change::StartVm { vm: vm_id(1), boot: 2 }]);
    check(OFF, 1, Phase::ShutDown, 1, &[Change::SettleVm { vm: vm_id(1) }]);
}

#[test]
fn a_machine_that_died_waits_before_it_is_started_again_unless_the_tenant_asks() {
    let (mut spec, mut seen) = one_vm(Power::On, 1, STOPPED, 1);
    seen.vms.get_mut(&vm_id(1)).unwrap().retry_at_ms = 2_000;
    assert_eq!(plan(&spec, &seen), []);
    assert_eq!(next_retry_ms(&seen), Some(2_000));
    seen.now_ms = 2_000;
    assert_eq!(plan(&spec, &seen), [Change::StartVm { vm: vm_id(1), boot: 1 }]);
    seen.now_ms = 1_000;
    spec.vms[0].boot = 2;
    seen.vms.get_mut(&vm_id(1)).unwrap().tried = 2;
    assert_eq!(plan(&spec, &seen), [], "a wish that failed waits too");
    seen.vms.get_mut(&vm_id(1)).unwrap().tried = 1;
    assert_eq!(plan(&spec, &seen), [Change::StartVm { vm: vm_id(1), boot: 2 }]);
}

#[test]
fn a_higher_boot_number_resets_a_running_machine() {
    check(Power::On, 2, Phase::Running, 1, &[Change::ResetVm { vm: vm_id(1), boot: 2, how: Reset::Hard }]);
    check(Power::On, 2, Phase::Resetting { boot: 2, how: Reset::Hard }, 1, &[]);
    let hurry = Change::ResetVm { vm: vm_id(1), boot: 3, how: Reset::Hard };
    check(Power::On, 3, Phase::Resetting { boot: 2, how: Reset::Soft }, 1, &[hurry]);
}

#[test]
fn a_stop_may_be_hurried_and_not_slowed() {
    let stop = |grace_seconds| Change::StopVm { vm: vm_id(1), grace_seconds };
    check(OFF, 1, Phase::Running, 1, &[stop(30)]);
    check(OFF, 1, Phase::Stopping { grace_seconds: 60 }, 1, &[stop(30)]);
    check(OFF, 1, Phase::Stopping { grace_seconds: 30 }, 1, &[]);
    check(Power::Off { grace_seconds: 90 }, 1, Phase::Stopping { grace_seconds: 30 }, 1, &[]);
    check(OFF, 1, STOPPED, 1, &[]);
    check(Power::On, 1, Phase::Stopping { grace_seconds: 30 }, 1, &[]);
}

#[test]
fn a_machine_is_prepared_while_its_disk_and_network_are_made() {
    let spec = document(vec![vm(1, Power::On, 1)], vec![volume(1, 1, present(10))]);
    let expected = [
        Change::PrepareVm { vm: vm_id(1) },
        Change::ApplyNetwork,
        Change::CreateVolume { volume: volume_id(1), generation: 1, size_bytes: 10 << 20 },
    ];
    assert_eq!(plan(&spec, &Seen::default()), expected);
}

#[test]
fn what_guests_are_told_is_brought_up_to_date_without_touching_them() {
    let (mut spec, seen) = one_vm(Power::On, 1, Phase::Running, 1);
    assert_eq!(plan(&spec, &seen), []);
    spec.vms[0].metadata.hostname = "another".into();
    assert_eq!(plan(&spec, &seen), [Change::ApplyNetwork]);
}

#[test]
fn an_unlisted_machine_goes_and_an_unlisted_volume_stays() {
    let (_, seen) = one_vm(Power::On, 1, Phase::Running, 1);
    let spec = HostSpec::empty(HostId::from_u64(1));
    assert_eq!(plan(&spec, &seen), [Change::RemoveVm { vm: vm_id(1) }, Change::ApplyNetwork]);
}

#[test]
fn a_deleted_volume_goes_when_nobody_has_it_open() {
    let (mut spec, mut seen) = one_vm(Power::On, 1, Phase::Running, 1);
    seen.vms.get_mut(&vm_id(1)).unwrap().holds = vec![volume_id(1)];
    spec.volumes[0].goal = VolumeGoal::Deleted;
    spec.vms.clear();
    apply_network(&spec, &mut seen);
    assert_eq!(plan(&spec, &seen), [Change::RemoveVm { vm: vm_id(1) }]);
    seen.vms.clear();
    assert_eq!(plan(&spec, &seen), [Change::DeleteVolume { volume: volume_id(1), generation: 1 }]);
    seen.volumes.clear();
    assert_eq!(plan(&spec, &seen), []);
}

#[test]
fn a_volume_only_grows() {
    let (mut spec, mut seen) = one_vm(OFF, 1, STOPPED, 1);
    spec.volumes[0].goal = present(5);
    assert_eq!(plan(&spec, &seen), []);
    spec.volumes[0].goal = present(20);
    let (volume, size_bytes) = (volume_id(1), 20 << 20);
    assert_eq!(plan(&spec, &seen), [Change::GrowVolume { volume, generation: 1, size_bytes }]);
    seen.vms.insert(
        vm_id(1),
        SeenVm {
            phase: Phase::Running,
            boot: 1,
            retry_at_ms: 0,
            tried: 0,
            holds: vec![volume],
            leaving: vec![],
            nics: vec![nic_id(1)],
            limits: vec![],
        },
    );
    spec.vms[0].power = Power::On;
    assert_eq!(plan(&spec, &seen), [Change::GrowDisk { vm: vm_id(1), volume, size_bytes }]);
    spec.vms[0].power = OFF;
    assert_eq!(plan(&spec, &seen), [Change::StopVm { vm: vm_id(1), grace_seconds: 30 }], "one wish at a time");
}

#[test]
fn a_running_machine_is_held_to_the_figures_of_its_disks_and_let_go_when_there_are_none() {
    let (mut spec, mut seen) = running_beside_a_volume();
    let limits = model::DiskLimits { iops: 100, ..model::DiskLimits::default() };
    spec.vms[0].disks[0].limits = limits;
    let throttle = |limits| Change::ThrottleDisk { vm: vm_id(1), volume: volume_id(1), limits };
    assert_eq!(plan(&spec, &seen), [throttle(limits)]);
    carry_out(&spec, &mut seen, throttle(limits));
    assert_eq!(plan(&spec, &seen), []);
    spec.vms[0].disks[0].limits = model::DiskLimits::default();
    assert_eq!(plan(&spec, &seen), [throttle(model::DiskLimits::default())]);
}

/// A running machine with its disk, and a second volume that is ready.
fn running_beside_a_volume() -> (HostSpec, Seen) {
    let (mut spec, mut seen) = one_vm(Power::On, 1, Phase::Running, 1);
    spec.volumes.push(volume(2, 1, present(10)));
    apply_network(&spec, &mut seen);
    seen.volumes.insert(volume_id(2), SeenVolume { generation: 1, size_bytes: 10 << 20 });
    seen.vms.get_mut(&vm_id(1)).unwrap().holds = vec![volume_id(1)];
    (spec, seen)
}

fn list(spec: &mut HostSpec, n: u64) {
    spec.vms[0].disks.push(DiskSpec { volume: volume_id(n), serial: "vol".into(), limits: model::DiskLimits::default() });
}

#[test]
fn a_listed_volume_is_attached_to_a_running_machine_when_it_is_ready_and_nobody_elses() {
    let (mut spec, mut seen) = running_beside_a_volume();
    assert_eq!(plan(&spec, &seen), []);
    list(&mut spec, 2);
    let attach = Change::AttachDisk { vm: vm_id(1), volume: volume_id(2) };
    assert_eq!(plan(&spec, &seen), std::slice::from_ref(&attach));
    seen.vms.get_mut(&vm_id(1)).unwrap().retry_at_ms = 2_000;
    assert_eq!(plan(&spec, &seen), [], "one that failed waits");
    seen.vms.get_mut(&vm_id(1)).unwrap().retry_at_ms = 0;
    let other = SeenVm { phase: Phase::Stopped { prepared: false }, holds: vec![volume_id(2)], ..seen.vms[&vm_id(1)].clone() };
    seen.vms.insert(vm_id(2), SeenVm { retry_at_ms: 9_000, ..other });
    assert_eq!(plan(&spec, &seen), [], "another machine has it open");
    seen.vms.remove(&vm_id(2));
    seen.volumes.remove(&volume_id(2));
    let create = Change::CreateVolume { volume: volume_id(2), generation: 1, size_bytes: 10 << 20 };
    assert_eq!(plan(&spec, &seen), [create], "its bytes come first");
    spec.vms[0].boot = 2;
    seen.volumes.insert(volume_id(2), SeenVolume { generation: 1, size_bytes: 10 << 20 });
    assert_eq!(plan(&spec, &seen), [Change::ResetVm { vm: vm_id(1), boot: 2, how: Reset::Hard }], "one wish at a time");
}

#[test]
fn a_volume_that_is_not_listed_is_asked_for_once_and_by_force_once_more() {
    let (mut spec, mut seen) = running_beside_a_volume();
    let detach = |force| Change::DetachDisk { vm: vm_id(1), volume: volume_id(2), force };
    seen.vms.get_mut(&vm_id(1)).unwrap().holds.push(volume_id(2));
    assert_eq!(plan(&spec, &seen), [detach(false)]);
    seen.vms.get_mut(&vm_id(1)).unwrap().leaving = vec![(volume_id(2), false)];
    assert_eq!(plan(&spec, &seen), [], "the guest is asked");
    spec.vms[0].seized = vec![volume_id(2)];
    assert_eq!(plan(&spec, &seen), [detach(true)]);
    seen.vms.get_mut(&vm_id(1)).unwrap().leaving = vec![(volume_id(2), true)];
    assert_eq!(plan(&spec, &seen), []);
    seen.vms.get_mut(&vm_id(1)).unwrap().holds.pop();
    list(&mut spec, 2);
    spec.vms[0].seized.clear();
    assert_eq!(plan(&spec, &seen), [Change::AttachDisk { vm: vm_id(1), volume: volume_id(2) }], "and it comes back");
}

#[test]
fn a_stopped_machine_waits_for_all_its_disks() {
    let (mut spec, mut seen) = one_vm(Power::On, 1, STOPPED, 0);
    spec.volumes.push(volume(2, 1, present(10)));
    list(&mut spec, 2);
    apply_network(&spec, &mut seen);
    let create = Change::CreateVolume { volume: volume_id(2), generation: 1, size_bytes: 10 << 20 };
    assert_eq!(plan(&spec, &seen), [Change::PrepareVm { vm: vm_id(1) }, create]);
    seen.volumes.insert(volume_id(2), SeenVolume { generation: 1, size_bytes: 10 << 20 });
    assert_eq!(plan(&spec, &seen), [Change::StartVm { vm: vm_id(1), boot: 1 }]);
}

#[test]
fn bytes_of_a_newer_generation_are_never_touched_by_an_older_document() {
    let (mut spec, mut seen) = one_vm(OFF, 1, STOPPED, 1);
    seen.volumes.insert(volume_id(1), SeenVolume { generation: 3, size_bytes: 1 << 20 });
    assert_eq!(plan(&spec, &seen), []);
    spec.volumes[0].goal = VolumeGoal::Deleted;
    assert_eq!(plan(&spec, &seen), []);
}

#[test]
fn an_interface_leaves_one_machine_before_it_comes_to_the_other() {
    let (mut spec, mut seen) = one_vm(Power::On, 1, Phase::Running, 1);
    let further = VmNic { id: nic_id(7), mac: MacAddr::local(7), mtu: 1500, index: 1, group_names: vec![] };
    let second = VmSpec { nics: vec![spec.vms[0].nics[0].clone(), further.clone()], ..VmSpec::clone(&spec.vms[0]) };
    spec = document(vec![second], spec.volumes);
    seen.vms.get_mut(&vm_id(1)).unwrap().holds = vec![volume_id(1)];
    assert_eq!(plan(&spec, &seen), [Change::ApplyNetwork], "its tap comes first");
    apply_network(&spec, &mut seen);
    let other = SeenVm { nics: vec![nic_id(2), nic_id(7)], holds: vec![], ..seen.vms[&vm_id(1)].clone() };
    seen.vms.insert(vm_id(2), other);
    spec.vms.push(VmSpec { disks: vec![], ..vm(2, Power::On, 1) }.into());
    apply_network(&spec, &mut seen);
    assert_eq!(plan(&spec, &seen), [Change::UnplugNic { vm: vm_id(2), nic: nic_id(7) }]);
    seen.vms.get_mut(&vm_id(2)).unwrap().nics.pop();
    assert_eq!(plan(&spec, &seen), [Change::PlugNic { vm: vm_id(1), nic: nic_id(7) }]);
    seen.vms.get_mut(&vm_id(1)).unwrap().nics.push(nic_id(7));
    assert_eq!(plan(&spec, &seen), []);
}

#[test]
fn an_older_document_and_another_hosts_are_refused() {
    let held = HostSpec { generation: 5, ..HostSpec::empty(HostId::from_u64(1)) };
    let older = HostSpec { generation: 4, ..held.clone() };
    assert_eq!(accept(&held, &older), Err(Refused::Older { offered: 4, held: 5 }));
    assert_eq!(accept(&held, &held), Ok(()));
    let other = HostSpec { host: HostId::from_u64(2), generation: 9, ..held.clone() };
    assert_eq!(accept(&held, &other), Err(Refused::OtherHost(HostId::from_u64(2))));
    let format = HostSpec { version: hostspec::VERSION + 1, ..held.clone() };
    assert_eq!(accept(&held, &format), Err(Refused::Format(hostspec::VERSION + 1)));
}

/// What a change does when it succeeds.
fn carry_out(spec: &HostSpec, seen: &mut Seen, change: Change) {
    match change {
        Change::RemoveVm { vm } => drop(seen.vms.remove(&vm)),
        Change::StopVm { vm, .. } | Change::SettleVm { vm } => set(seen, vm, STOPPED, None, vec![]),
        Change::PrepareVm { vm } => set(seen, vm, Phase::Stopped { prepared: true }, None, vec![]),
        Change::ApplyNetwork => apply_network(spec, seen),
        Change::DeleteVolume { volume, .. } => drop(seen.volumes.remove(&volume)),
        Change::CreateVolume { volume, generation, size_bytes } | Change::GrowVolume { volume, generation, size_bytes } => {
            let held = seen.vms.values().any(|vm| vm.holds.contains(&volume));
            assert!(!held, "{volume} is changed under a machine");
            seen.volumes.insert(volume, SeenVolume { generation, size_bytes });
        }
        Change::AttachDisk { vm, volume } => {
            assert!(!seen.vms.values().any(|other| other.holds.contains(&volume)), "{volume} has two writers");
            seen.vms.get_mut(&vm).unwrap().holds.push(volume);
        }
        Change::ThrottleDisk { vm, volume, limits } => {
            let held_to = &mut seen.vms.get_mut(&vm).unwrap().limits;
            held_to.retain(|(known, _)| *known != volume);
            held_to.push((volume, limits));
        }
        Change::DetachDisk { vm, volume, .. } => seen.vms.get_mut(&vm).unwrap().holds.retain(|held| *held != volume),
        Change::PlugNic { vm, nic } => {
            assert!(!seen.vms.values().any(|other| other.nics.contains(&nic)), "{nic} has two machines");
            seen.vms.get_mut(&vm).unwrap().nics.push(nic);
        }
        Change::UnplugNic { vm, nic } => seen.vms.get_mut(&vm).unwrap().nics.retain(|held| *held != nic),
        Change::GrowDisk { volume, size_bytes, .. } => seen.volumes.get_mut(&volume).unwrap().size_bytes = size_bytes,
        Change::FreezeDisks { job, .. } | Change::FreezeVolumes { job } => drop(seen.snapshots.insert(job, SeenSnapshot::Frozen)),
        Change::ReadSnapshot { job } => drop(seen.snapshots.insert(job, SeenSnapshot::Ended)),
        Change::ForgetSnapshot { job } => drop(seen.snapshots.remove(&job)),
        Change::StartVm { vm, boot } => {
            let machine = spec.vms.iter().find(|m| m.id == vm).unwrap();
            set(seen, vm, Phase::Running, Some(boot), machine.disks.iter().map(|d| d.volume).collect());
            let nics: Vec<InterfaceId> = machine.nics.iter().map(|nic| nic.id).collect();
            assert!(!seen.vms.values().any(|other| nics.iter().any(|nic| other.nics.contains(nic))), "a tap has two machines");
            seen.vms.get_mut(&vm).unwrap().nics = nics;
        }
        Change::ResetVm { vm, boot, .. } => {
            let SeenVm { holds, nics, .. } = seen.vms[&vm].clone();
            set(seen, vm, Phase::Running, Some(boot), holds);
            seen.vms.get_mut(&vm).unwrap().nics = nics;
        }
    }
}

fn set(seen: &mut Seen, vm: InstanceId, phase: Phase, boot: Option<u64>, holds: Vec<VolumeId>) {
    let old = seen.vms.get(&vm).map_or(0, |v| v.boot);
    seen.vms.insert(
        vm,
        SeenVm { phase, boot: boot.unwrap_or(old), retry_at_ms: 0, tried: 0, holds, leaving: vec![], nics: vec![], limits: vec![] },
    );
}

/// What has a dependency of three steps (network and disk, start, growth or reset) is quiet after so many rounds; a machine changes one
/// disk in each.
const ROUNDS: usize = 16;

fn power() -> impl Strategy<Value = Power> {
    prop_oneof![Just(Power::On), (0u32..90).prop_map(|grace_seconds| Power::Off { grace_seconds })]
}

fn goal() -> impl Strategy<Value = VolumeGoal> {
    prop_oneof![4 => (1u64..40).prop_map(present), 1 => Just(VolumeGoal::Deleted)]
}

fn a_document() -> impl Strategy<Value = HostSpec> {
    let vms = proptest::collection::btree_map(0u64..6, (power(), 0u64..4), 0..6);
    let volumes = proptest::collection::btree_map(0u64..6, (1u64..4, goal()), 0..6);
    let further = proptest::collection::btree_map(10u64..14, (0u64..6, 1u64..4, goal()), 0..4);
    (vms, volumes, further).prop_map(|(vms, mut volumes, further)| {
        let mut vms: Vec<VmSpec> = vms.into_iter().map(|(n, (power, boot))| vm(n, power, boot)).collect();
        for (n, (whose, generation, goal)) in further {
            if let Some(vm) = vms.iter_mut().find(|vm| vm.id == vm_id(whose)) {
                vm.disks.push(DiskSpec { volume: volume_id(n), serial: "vol".into(), limits: model::DiskLimits::default() });
            }
            volumes.insert(n, (generation, goal));
        }
        document(vms, volumes.into_iter().map(|(n, (generation, goal))| volume(n, generation, goal)).collect())
    })
}

/// Phases in which nothing is under way: what is under way ends in one of them.
fn a_settled_phase() -> impl Strategy<Value = Phase> {
    prop_oneof![Just(STOPPED), Just(Phase::Stopped { prepared: true }), Just(Phase::Running), Just(Phase::ShutDown)]
}

fn a_host() -> impl Strategy<Value = Seen> {
    let vms = proptest::collection::btree_map(0u64..6, (a_settled_phase(), 0u64..4), 0..6);
    let volumes = proptest::collection::btree_map(0u64..14, (1u64..4, 1u64..40), 0..14);
    let held = proptest::collection::btree_map(10u64..14, 0u64..6, 0..4);
    (vms, volumes, held).prop_map(|(vms, volumes, held)| {
        let mut seen = Seen::default();
        for (n, (phase, boot)) in vms {
            let holds = if phase == Phase::Running { vec![volume_id(n)] } else { vec![] };
            seen.vms
                .insert(vm_id(n), SeenVm { phase, boot, retry_at_ms: 0, tried: 0, holds, leaving: vec![], nics: vec![], limits: vec![] });
        }
        for (n, whose) in held {
            if let Some(vm) = seen.vms.get_mut(&vm_id(whose)).filter(|vm| vm.phase == Phase::Running) {
                vm.holds.push(volume_id(n));
            }
        }
        for (n, (generation, mib)) in volumes {
            seen.volumes.insert(volume_id(n), SeenVolume { generation, size_bytes: mib << 20 });
        }
        seen
    })
}

proptest! {
    #[test]
    fn every_host_reaches_its_document_and_is_then_left_alone(spec in a_document(), mut seen in a_host()) {
        let machines_before = seen.clone();
        for _ in 0..ROUNDS {
            let changes = plan(&spec, &seen);
            let again = plan(&spec, &seen);
            prop_assert_eq!(&changes, &again);
            let mut machines: Vec<_> = changes.iter().filter_map(Change::vm).collect();
            machines.sort();
            prop_assert!(machines.windows(2).all(|pair| pair[0] != pair[1]), "two wishes at once: {:?}", changes);
            for change in changes {
                carry_out(&spec, &mut seen, change);
            }
        }
        let left = plan(&spec, &seen);
        // A tombstone or a newer generation waits while the document itself keeps the machine on.
        prop_assert!(left.iter().all(|c| matches!(c, Change::PrepareVm { .. })) || left.is_empty(), "left over: {:?}", left);
        for vm in &spec.vms {
            let state = seen.vms.get(&vm.id);
            match vm.power {
                Power::Off { .. } => prop_assert!(state.is_none_or(|s| s.phase == STOPPED)),
                Power::On => {
                    let down = machines_before.vms.get(&vm.id).is_some_and(|s| s.phase == Phase::ShutDown && s.boot >= vm.boot);
                    let phase = state.map(|s| s.phase);
                    let stuck = phase == Some(Phase::Stopped { prepared: true });
                    prop_assert!(phase == Some(Phase::Running) || stuck || (down && phase == Some(Phase::ShutDown)), "{:?}", phase);
                }
            }
        }
        for vm in &spec.vms {
            let Some(state) = seen.vms.get(&vm.id).filter(|state| state.phase == Phase::Running) else { continue };
            let listed = |volume: &VolumeId| vm.disks.iter().any(|disk| disk.volume == *volume);
            prop_assert!(state.holds.iter().all(listed), "{:?} has more than {:?}", state.holds, vm.disks);
        }
        let listed: BTreeSet<_> = spec.vms.iter().map(|vm| vm.id).collect();
        prop_assert!(seen.vms.keys().all(|id| listed.contains(id)));
    }

    #[test]
    fn a_volume_never_shrinks_and_never_goes_back_a_generation(spec in a_document(), mut seen in a_host()) {
        let before = seen.volumes.clone();
        for _ in 0..ROUNDS {
            for change in plan(&spec, &seen) {
                carry_out(&spec, &mut seen, change);
            }
        }
        for (id, old) in before {
            let Some(new) = seen.volumes.get(&id) else {
                prop_assert!(spec.volumes.iter().any(|v| v.id == id && v.goal == VolumeGoal::Deleted));
                continue;
            };
            prop_assert!(new.generation >= old.generation);
            prop_assert!(new.generation > old.generation || new.size_bytes >= old.size_bytes);
        }
    }
}
