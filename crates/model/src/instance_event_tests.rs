//! Walks the states of events of instances.

use super::*;
use crate::{AccountId, Goal, Seen};

const T: Millis = Millis(1_000_000);

fn event(impact: EventImpact, origin: EventOrigin) -> InstanceEvent {
    InstanceEvent {
        id: InstanceEventId::from_u64(1),
        account: AccountId::from_u64(1).unwrap(),
        instance: InstanceId::from_u64(1),
        cause: EventCause::SystemMaintenance,
        impact,
        origin,
        reason: "new memory".into(),
        published_at: Millis(0),
        planned_for: T,
        not_before: T,
        not_after: None,
        deadline: T.after(1_000),
        accepted_at: None,
        boot: 1,
        state: EventState::Scheduled,
    }
}

fn running() -> Instance {
    let mut row = crate::instance::tests::instance(Phase::Running, Goal::Running);
    row.seen = seen(1);
    row
}

fn seen(boot: u64) -> Option<Seen> {
    Some(Seen { state: SeenState::Running, boot, guest_up: true, disks: vec![], nics: vec![], fault: None })
}

#[track_caller]
fn changed(step: EventStep) -> (InstanceEvent, Option<Deed>) {
    match step {
        EventStep::Change(next, deed) => (*next, deed),
        EventStep::Wait(_) | EventStep::Forget => panic!("expected a change, got {step:?}"),
    }
}

#[test]
fn a_restart_comes_at_its_time_and_is_over_when_the_guest_runs_again() {
    let (row, mut instance) = (event(EventImpact::Reboot, EventOrigin::Operator), running());
    assert_eq!(row.advance(Some(&instance), Millis(5)), EventStep::Wait(Some(T)));
    let (row, deed) = changed(row.advance(Some(&instance), T));
    assert_eq!((deed, row.boot), (Some(Deed::Reboot), 2));
    instance.suffer(Deed::Reboot, 60, T).unwrap();
    assert_eq!(instance.boot, 2);
    assert!(matches!(row.advance(Some(&instance), T), EventStep::Wait(Some(_))));
    instance.seen = seen(2);
    let (row, deed) = changed(row.advance(Some(&instance), T.after(1)));
    assert_eq!((row.state.word(), deed), ("executed", None));
    assert_eq!(row.advance(None, T.after(2)), EventStep::Wait(Some(T.after(1 + INSTANCE_EVENT_KEPT_MS))));
    assert_eq!(row.advance(None, T.after(1 + INSTANCE_EVENT_KEPT_MS)), EventStep::Forget);
}

#[test]
fn a_guest_that_does_not_come_back_has_failed_in_time() {
    let (row, _) = changed(event(EventImpact::Reboot, EventOrigin::Operator).advance(Some(&running()), T));
    let (row, _) = changed(row.advance(Some(&running()), T.after(INSTANCE_EVENT_DEADLINE_MS)));
    assert_eq!(row.state.word(), "failed");
}

#[test]
fn what_its_owner_has_done_already_is_avoided() {
    let mut restarted = running();
    restarted.boot = 2;
    let reboot = event(EventImpact::Reboot, EventOrigin::Operator);
    assert_eq!(changed(reboot.advance(Some(&restarted), Millis(5))).0.state.word(), "avoided");
    assert_eq!(changed(reboot.advance(None, Millis(5))).0.state.word(), "avoided");
    // A stop means the time at which it comes, so it is avoided only by who is stopped then.
    let stop = event(EventImpact::Stop, EventOrigin::Operator);
    assert_eq!(stop.advance(Some(&restarted), Millis(5)), EventStep::Wait(Some(T)));
    let stopped = Instance { phase: Phase::Stopped, ..running() };
    assert_eq!(stop.advance(Some(&stopped), Millis(5)), EventStep::Wait(Some(T)));
    assert_eq!(changed(stop.advance(Some(&stopped), T)).0.state.word(), "avoided");
}

#[test]
fn a_stop_comes_whatever_protects_the_instance_and_leaves_the_protection() {
    let mut instance = running();
    instance.attributes.stop_protection = true;
    let (row, deed) = changed(event(EventImpact::Stop, EventOrigin::Operator).advance(Some(&instance), T));
    assert_eq!(deed, Some(Deed::Stop));
    assert_eq!(instance.suffer(Deed::Stop, 60, T), Ok(Changed::Yes));
    assert!(instance.attributes.stop_protection && matches!(instance.phase, Phase::Stopping { .. }));
    instance.phase = Phase::Stopped;
    assert_eq!(changed(row.advance(Some(&instance), T.after(9))).0.state.word(), "executed");
}

#[test]
fn a_rehearsal_takes_the_states_and_does_nothing() {
    let row = event(EventImpact::Reboot, EventOrigin::Rehearsal);
    let (row, deed) = changed(row.advance(Some(&running()), T));
    assert_eq!((row.state.word(), deed), ("executing", None));
    assert_eq!(row.advance(Some(&running()), T), EventStep::Wait(Some(T.after(REHEARSAL_MS))));
    let (row, deed) = changed(row.advance(Some(&running()), T.after(REHEARSAL_MS)));
    assert_eq!((row.state.word(), deed), ("executed", None));
}

#[test]
fn a_tenant_moves_an_event_up_to_its_deadline_and_agrees_to_it() {
    let mut row = InstanceEvent { not_after: Some(T.after(10)), ..event(EventImpact::Reboot, EventOrigin::Operator) };
    for wrong in [Millis(5), T.after(1_001)] {
        assert!(matches!(row.reschedule(wrong, Millis(5)), Err(Error::InvalidParameter { name: "NotBefore", .. })));
    }
    row.reschedule(T.after(1_000), Millis(5)).unwrap();
    assert_eq!((row.not_before, row.not_after, row.planned_for), (T.after(1_000), Some(T.after(1_010)), T));
    row.accept(None, Millis(7)).unwrap();
    assert_eq!((row.not_before, row.accepted_at), (Millis(7), Some(Millis(7))));
    let (mut row, _) = changed(row.advance(Some(&running()), Millis(7)));
    assert!(matches!(row.cancel(Millis(8)), Err(Error::IncorrectState { state: "executing", .. })));
    assert!(row.accept(None, Millis(8)).is_err());
}
