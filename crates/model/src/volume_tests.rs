use super::*;
use crate::AccountId;

pub(super) const NOW: Millis = Millis(1_000_000);

pub(super) fn volume() -> Volume {
    Volume {
        id: VolumeId::from_u64(1),
        account: AccountId::from_u64(1).unwrap(),
        zone: "z".into(),
        name: String::new(),
        description: String::new(),
        auto_io: false,
        kind: VolumeKind::Fast,
        provisioned: Provisioned::default(),
        size: Gib(10),
        image: None,
        snapshot: None,
        manifest: None,
        encryption: None,
        under_encryption: None,
        host: HostId::from_u64(1),
        generation: 1,
        shared: false,
        holders: vec![],
        instance: None,
        attachment: Attachment::Attached,
        attached_at: None,
        detached_at: None,
        device: String::new(),
        delete_on_termination: false,
        phase: VolumePhase::Present,
        growth: None,
        seen_bytes: Some(Gib(10).bytes()),
        backup_quota: 0,
        deletes_auto_snapshots: false,
        rolls_back_to: None,
        created_at: NOW,
        asked: 1,
        tags: Tags::new(),
    }
}

fn to(gib: u32) -> Sold {
    Sold { size: Gib(gib), kind: VolumeKind::Fast, provisioned: Provisioned::default() }
}

fn attach() -> Attach {
    Attach { instance: InstanceId::from_u64(5), device: "/dev/sdf".into(), delete_on_termination: false }
}

fn attaching() -> Volume {
    let mut volume = volume();
    volume.attach(attach(), NOW).unwrap();
    volume
}

fn detaching(force: bool) -> Volume {
    let mut volume = Volume { attachment: Attachment::Attached, ..attaching() };
    volume.detach(force, NOW).unwrap();
    volume
}

fn facts(machine: Machine) -> VolumeFacts {
    VolumeFacts { applied: true, host_exists: true, machine }
}

const ON_WITH: Machine = Machine::On { has_it: true };
const ON_WITHOUT: Machine = Machine::On { has_it: false };
const MACHINES: [Machine; 5] = [Machine::Absent, Machine::Off, Machine::Unsettled, ON_WITH, ON_WITHOUT];
const LATE: Millis = Millis(NOW.0 + 24 * 3_600_000);

/// The words of a volume and its attachment after it was advanced as far as it goes.
fn settled(mut volume: Volume, facts: VolumeFacts, now: Millis) -> (&'static str, Option<&'static str>) {
    for _ in 0..8 {
        match volume.advance(facts, now) {
            VolumeStep::Wait(_) => return (volume.word(), volume.attachment_word()),
            VolumeStep::Change(next, _) => volume = *next,
            VolumeStep::Forget => return ("gone", None),
        }
    }
    panic!("it does not come to rest: {volume:?}");
}

#[test]
fn a_volume_is_available_when_its_host_has_it_and_failed_when_it_never_does() {
    let new = Volume { phase: VolumePhase::Creating, seen_bytes: None, ..volume() };
    assert_eq!(settled(new.clone(), facts(Machine::Absent), NOW), ("creating", None));
    assert_eq!(settled(Volume { seen_bytes: Some(1), ..new.clone() }, facts(Machine::Absent), NOW), ("available", None));
    assert_eq!(settled(new, facts(Machine::Absent), LATE), ("error", None));
}

#[test]
fn a_volume_is_attached_when_the_guest_has_it_or_will_have_it() {
    for (machine, expected) in
        [(ON_WITH, "attached"), (Machine::Off, "attached"), (ON_WITHOUT, "attaching"), (Machine::Unsettled, "attaching")]
    {
        assert_eq!(settled(attaching(), facts(machine), NOW), ("in-use", Some(expected)), "{machine:?}");
    }
    let unapplied = VolumeFacts { applied: false, ..facts(Machine::Off) };
    assert_eq!(settled(attaching(), unapplied, NOW), ("in-use", Some("attaching")));
}

#[test]
fn an_attachment_that_fails_is_taken_back() {
    let VolumeStep::Change(next, effects) = attaching().advance(facts(ON_WITHOUT), LATE) else { panic!("it waits") };
    assert_eq!(next.attachment_word(), Some("detaching"));
    assert!(effects.contains(&VolumeEffect::TouchMachine(attach().instance)));
    assert_eq!(settled(*next, facts(ON_WITHOUT), LATE), ("available", None));
}

#[test]
fn a_guest_that_does_not_release_a_volume_makes_it_busy_until_it_does() {
    let volume = detaching(false);
    assert_eq!(settled(volume.clone(), facts(ON_WITH), NOW), ("in-use", Some("detaching")));
    assert_eq!(settled(volume.clone(), facts(ON_WITH), LATE), ("in-use", Some("busy")));
    for machine in [ON_WITHOUT, Machine::Off, Machine::Absent] {
        assert_eq!(settled(volume.clone(), facts(machine), LATE), ("available", None), "{machine:?}");
    }
    let mut busy = Volume { attachment: Attachment::Busy { force: false }, ..volume };
    assert!(matches!(busy.detach(false, LATE), Err(Error::IncorrectState { state: "detaching", .. })));
    busy.detach(true, LATE).unwrap();
    assert!(busy.is_seized());
    assert!(matches!(busy.detach(true, LATE), Err(Error::IncorrectState { .. })));
}

#[test]
fn every_waiting_state_ends_when_its_machine_goes() {
    for start in
        [attaching(), detaching(false), detaching(true), Volume { attachment: Attachment::Busy { force: false }, ..detaching(false) }]
    {
        for machine in MACHINES {
            let mut volume = start.clone();
            for now in [NOW, LATE, Millis(LATE.0 * 2)] {
                while let VolumeStep::Change(next, _) = volume.advance(facts(machine), now) {
                    volume = *next;
                }
            }
            if volume.attachment == Attachment::Attached {
                continue;
            }
            assert_eq!(settled(volume.clone(), facts(Machine::Off), LATE), ("available", None), "{machine:?} {volume:?}");
        }
    }
}

#[test]
fn a_lost_host_keeps_no_volume_from_going() {
    let lost = VolumeFacts { applied: false, host_exists: false, machine: Machine::Unsettled };
    assert_eq!(settled(detaching(false), lost, NOW), ("available", None));
    let deleting = Volume { phase: VolumePhase::Deleting, ..volume() };
    assert_eq!(settled(deleting.clone(), lost, NOW), ("gone", None));
    assert_eq!(settled(deleting.clone(), facts(Machine::Absent), NOW), ("deleting", None));
    assert_eq!(settled(Volume { seen_bytes: None, ..deleting }, facts(Machine::Absent), NOW), ("gone", None));
}

#[test]
fn a_volume_in_use_is_neither_attached_again_nor_deleted() {
    for mut volume in [attaching(), detaching(false), Volume { attachment: Attachment::Attached, ..attaching() }] {
        assert!(matches!(volume.attach(attach(), NOW), Err(Error::InUse { .. })));
        assert!(matches!(volume.delete(), Err(Error::InUse { .. })));
    }
    let mut free = volume();
    assert!(matches!(free.detach(false, NOW), Err(Error::IncorrectState { state: "available", .. })));
    free.delete().unwrap();
    assert!(matches!(free.delete(), Err(Error::NotFound { .. })));
    assert!(matches!(free.attach(attach(), NOW), Err(Error::IncorrectState { state: "deleting", .. })));
}

#[test]
fn a_volume_only_grows_and_one_growth_at_a_time() {
    let mut volume = volume();
    for wrong in [0, 9, 16_385] {
        assert!(matches!(volume.grow(to(wrong), NOW), Err(Error::InvalidParameter { name: "Size", .. })), "{wrong}");
    }
    volume.grow(to(20), NOW).unwrap();
    assert!(volume.is_growing());
    assert!(matches!(volume.grow(to(30), NOW), Err(Error::IncorrectState { state: "modifying", .. })));
    assert_eq!(volume.advance(facts(Machine::Absent), NOW), VolumeStep::Wait(None));
    volume.seen_bytes = Some(Gib(20).bytes());
    let VolumeStep::Change(grown, _) = volume.advance(facts(Machine::Absent), NOW) else { panic!("it waits") };
    assert!(!grown.is_growing());
    assert_eq!(grown.advance(facts(Machine::Absent), NOW), VolumeStep::Wait(None));
}

#[test]
fn a_system_disk_is_not_detached() {
    let mut root = Volume { attachment: Attachment::Attached, device: ROOT_DEVICE.into(), ..attaching() };
    assert!(matches!(root.detach(true, NOW), Err(Error::Protected { .. })));
}

#[test]
fn device_names_are_checked_and_given_out_once() {
    for good in ["/dev/sdf", "/dev/xvdba", "/dev/vdb"] {
        check_device(good).unwrap();
    }
    for bad in ["", "sdf", "/dev/", "/dev/sd/f", "/dev/SDF", "/dev/../etc", "/dev/abcdefghijklmnopq"] {
        check_device(bad).unwrap_err();
    }
    assert_eq!(free_device(["/dev/xvda", "/dev/xvdb"].into_iter()).as_deref(), Some("/dev/xvdc"));
    let all: Vec<String> = ('a'..='z').map(|c| format!("/dev/xvd{c}")).collect();
    assert_eq!(free_device(all.iter().map(String::as_str)), None);
}

#[test]
fn rows_of_before_attachments_had_states_can_be_read() {
    let mut row = serde_json::to_value(volume()).unwrap();
    let fields = row.as_object_mut().unwrap();
    for new in ["name", "description", "kind", "attachment", "attached_at", "detached_at", "growth", "seen_bytes"] {
        fields.remove(new);
    }
    let read: Volume = serde_json::from_value(row).unwrap();
    assert_eq!((read.kind, read.attachment, read.seen_bytes), (VolumeKind::Fast, Attachment::Attached, None));
}
