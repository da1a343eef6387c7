//! Walks the states of an instance.

use std::collections::{HashSet, VecDeque};

use super::*;

pub(crate) fn instance(phase: Phase, goal: Goal) -> Instance {
    Instance {
        id: InstanceId::from_u64(1),
        account: AccountId::from_u64(1).unwrap(),
        reservation: ReservationId::from_u64(1),
        launch_index: 0,
        zone: "z".into(),
        instance_type: "t".into(),
        vcpus: 1,
        memory: Mib(128),
        image: ImageId::from_u64(1),
        vpc: VpcId::from_u64(1),
        subnet: SubnetId::from_u64(1),
        interface: InterfaceId::from_u64(1),
        private_ip: Ipv4Addr::new(10, 0, 0, 4),
        automatic_address: false,
        bandwidth: None,
        root_volume: VolumeId::from_u64(1),
        root_replacements: vec![],
        type_change: None,
        roll_back: None,
        name: String::new(),
        description: String::new(),
        hostname: "h".into(),
        guest: GuestSetup::default(),
        attributes: Attributes::default(),
        goal,
        phase,
        reason: None,
        changed_at: Millis(0),
        created_at: Millis(0),
        started_at: Millis(0),
        host: HostId::from_u64(1),
        boot: 1,
        hard_reset: false,
        asked: 1,
        placement: None,
        capacity: crate::CapacityChoice::Open,
        slot: None,
        fleet: None,
        client_token: None,
        events: vec![],
        seen: None,
        tags: Tags::new(),
    }
}

fn launched() -> Instance {
    instance(Phase::Launching { until: Millis(START_DEADLINE_MS) }, Goal::Running)
}

fn seen(state: SeenState, boot: u64) -> Option<Seen> {
    Some(Seen { state, boot, guest_up: true, disks: vec![], nics: vec![], fault: None })
}

const APPLIED: Facts = Facts { applied: true, host_exists: true };
const BEHIND: Facts = Facts { applied: false, host_exists: true };
const REMOVED: Facts = Facts { applied: false, host_exists: false };

fn changed(step: Step) -> (Instance, Vec<Effect>) {
    match step {
        Step::Change(next, effects) => (*next, effects),
        Step::Wait(_) | Step::Forget => panic!("expected a change, got {step:?}"),
    }
}

#[test]
fn a_launch_ends_running_when_the_host_says_so() {
    let mut row = launched();
    assert_eq!(row.advance(BEHIND, Millis(1)), Step::Wait(Some(Millis(START_DEADLINE_MS))));
    row.seen = seen(SeenState::Running, 1);
    assert_eq!(changed(row.advance(APPLIED, Millis(2))).0.phase, Phase::Running);
}

#[test]
fn a_report_older_than_the_wish_does_not_count() {
    let mut row = instance(Phase::Starting { until: Millis(9) }, Goal::Running);
    row.boot = 2;
    row.seen = seen(SeenState::Running, 1);
    assert_eq!(row.advance(APPLIED, Millis(1)), Step::Wait(Some(Millis(9))));
}

#[test]
fn a_launch_that_cannot_start_is_removed_with_its_reason() {
    for (fault, kind) in [
        (SeenFault { kind: ReasonKind::ImageFault, retryable: false, tries: 1 }, ReasonKind::ImageFault),
        (SeenFault { kind: ReasonKind::InternalFault, retryable: true, tries: LAUNCH_TRIES }, ReasonKind::InternalFault),
    ] {
        let mut row = launched();
        row.seen = Some(Seen { state: SeenState::Stopped, boot: 0, guest_up: false, disks: vec![], nics: vec![], fault: Some(fault) });
        let (next, effects) = changed(row.advance(APPLIED, Millis(2)));
        assert_eq!((next.goal, next.reason.map(|r| r.kind)), (Goal::Gone, Some(kind)));
        assert!(effects.contains(&Effect::TouchHost));
    }
}

#[test]
fn a_launch_that_takes_too_long_is_given_up() {
    let (next, _) = changed(launched().advance(BEHIND, Millis(START_DEADLINE_MS)));
    assert!(matches!(next.phase, Phase::Terminating { .. }));
}

#[test]
fn a_start_that_fails_goes_back_to_stopped() {
    let mut row = instance(Phase::Stopped, Goal::Stopped { keep_capacity: false, grace_seconds: 0 });
    assert_eq!(row.start(Millis(0)), Ok(Changed::Yes));
    let (next, _) = changed(row.advance(BEHIND, Millis(START_DEADLINE_MS)));
    let (next, _) = changed(next.advance(APPLIED, Millis(START_DEADLINE_MS + 1)));
    assert_eq!(next.phase, Phase::Stopped);
}

#[test]
fn a_guest_that_shuts_down_stops_or_terminates_as_chosen() {
    for (on_shutdown, goal_is_gone) in [(OnShutdown::Stop, false), (OnShutdown::Terminate, true)] {
        let mut row = instance(Phase::Running, Goal::Running);
        row.attributes.on_shutdown = on_shutdown;
        row.seen = seen(SeenState::ShutDown, 1);
        let (next, _) = changed(row.advance(APPLIED, Millis(5)));
        assert_eq!(next.goal == Goal::Gone, goal_is_gone);
    }
}

#[test]
fn a_stop_that_hangs_is_forced_and_the_operator_told() {
    let mut row = instance(Phase::Running, Goal::Running);
    row.stop(Stop { keep_capacity: true, grace_seconds: 60 }, Millis(0)).unwrap();
    row.seen = seen(SeenState::Running, 1);
    let (next, effects) = changed(row.advance(APPLIED, Millis(60_000 + STOP_DEADLINE_MS)));
    assert_eq!(next.goal, Goal::Stopped { keep_capacity: true, grace_seconds: 0 });
    assert!(effects.iter().any(|e| matches!(e, Effect::Alarm(_))));
}

#[test]
fn only_an_economical_stop_gives_capacity_back() {
    for keep_capacity in [true, false] {
        let row = instance(Phase::Stopped, Goal::Stopped { keep_capacity, grace_seconds: 0 });
        assert_eq!(row.holds_capacity(), keep_capacity);
    }
    assert!(instance(Phase::Terminating { until: Millis(0) }, Goal::Gone).holds_capacity(), "until its machine is really gone");
}

#[test]
fn protection_refuses_the_call_and_changes_nothing() {
    let mut row = instance(Phase::Running, Goal::Running);
    row.attributes.termination_protection = true;
    row.attributes.stop_protection = true;
    let before = row.clone();
    assert!(matches!(row.terminate(Millis(1)), Err(Error::Protected { .. })));
    assert!(matches!(row.stop(Stop { keep_capacity: false, grace_seconds: 0 }, Millis(1)), Err(Error::Protected { .. })));
    assert_eq!(row, before);
}

#[test]
fn terminating_twice_is_no_error() {
    let mut row = instance(Phase::Running, Goal::Running);
    assert_eq!(row.terminate(Millis(1)), Ok(Changed::Yes));
    let before = row.clone();
    assert_eq!(row.terminate(Millis(2)), Ok(Changed::No));
    assert_eq!(row, before);
}

/// What can happen to an instance from outside, one thing at a time.
fn neighbours(row: &Instance, now: Millis) -> Vec<Instance> {
    let mut next = Vec::new();
    let mut wish = |change: &dyn Fn(&mut Instance) -> bool| {
        let mut copy = row.clone();
        if change(&mut copy) {
            next.push(copy);
        }
    };
    wish(&|r| r.start(now).is_ok());
    wish(&|r| r.stop(Stop { keep_capacity: false, grace_seconds: 0 }, now).is_ok());
    wish(&|r| r.stop(Stop { keep_capacity: true, grace_seconds: 60 }, now).is_ok());
    wish(&|r| r.reboot(false, now).is_ok());
    wish(&|r| r.terminate(now).is_ok());
    let other = TypeChange { instance_type: "u".into(), vcpus: 2, memory: Mib(64), restarts: true };
    wish(&|r| r.change_type(other.clone()).is_ok());
    wish(&|r| r.change_type_by_restart(other.clone(), 60, now).is_ok());
    for report in [None, seen(SeenState::Stopped, row.boot), seen(SeenState::Running, row.boot), seen(SeenState::ShutDown, row.boot)] {
        wish(&|r| {
            r.seen = report.clone();
            true
        });
    }
    wish(&|r| {
        r.seen = Some(Seen {
            state: SeenState::Stopped,
            boot: 0,
            guest_up: false,
            disks: vec![],
            nics: vec![],
            fault: Some(SeenFault { kind: ReasonKind::InternalFault, retryable: true, tries: LAUNCH_TRIES }),
        });
        true
    });
    for facts in [APPLIED, BEHIND, REMOVED] {
        if let Step::Change(changed, _) = row.advance(facts, now) {
            next.push(*changed);
        }
    }
    next
}

fn shape(row: &Instance) -> String {
    format!("{} {:?} {:?}", row.phase.word(), row.goal, row.seen.as_ref().map(|s| (s.state, s.boot >= row.boot, s.fault.is_some())))
}

/// Every shape that can be reached from a launch, with one row of it.
fn reachable() -> Vec<Instance> {
    let (mut found, mut queue, mut known) = (vec![], VecDeque::from([launched()]), HashSet::new());
    while let Some(mut row) = queue.pop_front() {
        row.boot = row.boot.min(3);
        if let Some(seen) = &mut row.seen {
            seen.boot = seen.boot.min(3);
        }
        if known.insert(shape(&row)) {
            queue.extend(neighbours(&row, Millis(1)));
            found.push(row);
        }
    }
    found
}

#[test]
fn every_state_can_be_terminated_and_ends_terminated_once_the_host_obeys() {
    let rows = reachable();
    assert!(rows.len() > 20, "the walk found only {} shapes", rows.len());
    for mut row in rows {
        row.terminate(Millis(2)).unwrap();
        row.seen = None;
        for _ in 0..3 {
            if let Step::Change(next, _) = row.advance(APPLIED, Millis(3)) {
                row = *next;
            }
        }
        assert_eq!(row.phase, Phase::Terminated, "{row:?}");
        assert_eq!(row.advance(APPLIED, Millis(3).after(TERMINATED_VISIBLE_MS)), Step::Forget);
    }
}

#[test]
fn every_waiting_state_has_a_time_after_which_something_happens() {
    for row in reachable() {
        for facts in [APPLIED, BEHIND] {
            let Step::Wait(wake) = row.advance(facts, Millis(1)) else { continue };
            let at_rest = matches!(row.phase, Phase::Running | Phase::Stopped);
            match wake {
                None => assert!(at_rest, "{row:?} waits without a deadline"),
                Some(at) => assert!(!matches!(row.advance(facts, at), Step::Wait(_)), "{row:?} waits past its deadline"),
            }
        }
    }
}

#[test]
fn advance_settles() {
    for row in reachable() {
        for facts in [APPLIED, BEHIND, REMOVED] {
            let mut row = row.clone();
            let mut steps = 0;
            while let Step::Change(next, _) = row.advance(facts, Millis(1)) {
                row = *next;
                steps += 1;
                assert!(steps < 5, "{row:?} never comes to rest");
            }
        }
    }
}

#[test]
fn a_stopped_instance_gives_up_its_capacity_and_takes_none_back() {
    let kept = Goal::Stopped { keep_capacity: true, grace_seconds: 60 };
    let mut row = instance(Phase::Stopped, kept);
    assert!(row.holds_capacity());
    assert_eq!(row.stop(Stop { keep_capacity: false, grace_seconds: 60 }, Millis(1)), Ok(Changed::Yes));
    assert!(!row.holds_capacity());
    assert_eq!(row.stop(Stop { keep_capacity: true, grace_seconds: 60 }, Millis(1)), Ok(Changed::No));
    assert!(!row.holds_capacity());
}

#[test]
fn a_change_of_type_takes_the_larger_of_both_until_the_machine_is_off() {
    let mut row = instance(Phase::Running, Goal::Running);
    let to = TypeChange { instance_type: "u".into(), vcpus: 2, memory: Mib(64), restarts: true };
    assert!(matches!(row.clone().change_type(to.clone()), Err(Error::IncorrectState { wanted: "stopped", .. })));
    assert_eq!(row.change_type_by_restart(to, 60, Millis(0)), Ok(Changed::Yes));
    assert_eq!((row.held(), row.instance_type.as_str()), ((2, Mib(128)), "t"));
    row.seen = seen(SeenState::Stopped, 1);
    let (next, effects) = changed(row.advance(APPLIED, Millis(1)));
    assert!(next.phase == Phase::Stopped && !effects.contains(&Effect::ReleaseAutomaticAddress), "{effects:?}");
    let (next, effects) = changed(next.advance(APPLIED, Millis(1)));
    assert!(matches!(next.phase, Phase::Starting { .. }) && effects.contains(&Effect::TouchHost), "{effects:?}");
    assert_eq!((next.held(), next.instance_type.as_str(), next.boot), ((2, Mib(64)), "u", 2));
}

#[test]
fn an_instance_is_stopped_for_its_disks_and_started_where_that_is_asked_for() {
    for (restarts, wanted) in [(true, "starting"), (false, "stopped")] {
        let mut row = instance(Phase::Running, Goal::Running);
        assert_eq!(row.stop_to_roll_back(RollBack { restarts }, 60, Millis(0)), Ok(()));
        assert!(matches!(row.stop_to_roll_back(RollBack { restarts }, 60, Millis(0)), Err(Error::IncorrectState { .. })), "once");
        row.seen = seen(SeenState::Stopped, 1);
        let (next, effects) = changed(row.advance(APPLIED, Millis(1)));
        assert_eq!((next.phase, effects.contains(&Effect::ReleaseAutomaticAddress)), (Phase::Stopped, !restarts));
        let (next, effects) = changed(next.advance(APPLIED, Millis(1)));
        assert_eq!((next.phase.word(), next.roll_back, effects), (wanted, None, vec![Effect::TouchHost, Effect::RollBackDisks]));
    }
}

#[test]
fn who_stops_or_ends_an_instance_while_its_disks_wait_has_the_last_word() {
    let mut row = instance(Phase::Running, Goal::Running);
    row.stop_to_roll_back(RollBack { restarts: true }, 60, Millis(0)).unwrap();
    assert_eq!(row.stop(Stop { keep_capacity: true, grace_seconds: 60 }, Millis(0)), Ok(Changed::Yes));
    assert_eq!(row.roll_back, Some(RollBack { restarts: false }), "the disks are rolled back all the same");
    row.terminate(Millis(0)).unwrap();
    assert_eq!(row.roll_back, None);
}
