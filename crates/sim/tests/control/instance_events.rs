//! Events of instances: planned, moved, agreed to, rehearsed, and carried out once whoever crashes.

use crate::world::{World, launch};
use control::{
    AcceptInstanceEvent, CancelRehearsedEvents, EventTarget, NewInstanceEvent, Options, Query, RebootInstances, RehearseInstanceEvents,
    RescheduleInstanceEvent, TerminateInstances,
};
use model::{Error, EventCause, EventImpact, Instance, InstanceEvent, InstanceEventId, InstanceId, Millis, Noun, Phase, REHEARSAL_MS};

const HOUR: i64 = 3_600_000;

impl World {
    async fn planned(&self, target: EventTarget, impact: EventImpact, at: Millis) -> Vec<InstanceEvent> {
        let plan = NewInstanceEvent {
            cause: EventCause::SystemMaintenance,
            impact,
            not_before: at,
            not_after: Some(at.after(HOUR)),
            deadline: Some(at.after(2 * HOUR)),
            reason: "new memory".to_owned(),
        };
        self.cloud.instance_event_plan(target, plan).await.unwrap()
    }

    async fn event(&self, id: InstanceEventId) -> InstanceEvent {
        self.store.get::<InstanceEvent>(id).await.unwrap().unwrap()
    }

    async fn instance(&self, id: InstanceId) -> Instance {
        self.store.get::<Instance>(id).await.unwrap().unwrap()
    }

    async fn running(&mut self, count: u32) -> Vec<InstanceId> {
        let made = self.cloud.run(&self.root().await, launch(self.image, count, count), Options::default()).await.unwrap();
        self.settle().await;
        made.instances
    }
}

#[tokio::test]
async fn a_planned_restart_comes_once_at_its_time_and_the_guest_reads_of_it_before() {
    let mut world = World::new(1, 1).await;
    let id = world.running(1).await[0];
    let at = world.clock.now().after(HOUR);
    let event = world.planned(EventTarget::Instance(id), EventImpact::Reboot, at).await[0].id;
    let told = world.document(0).await.vms[0].metadata.events.clone();
    assert_eq!(told.iter().map(|event| (event.id, event.code.as_str())).collect::<Vec<_>>(), [(event, "instance-reboot")]);
    world.wait(HOUR - 1);
    world.settle().await;
    assert_eq!((world.event(event).await.state.word(), world.instance(id).await.boot), ("scheduled", 1));
    world.wait(1);
    while world.cloud.work_once("test").await.unwrap() > 0 {}
    assert_eq!((world.event(event).await.state.word(), world.instance(id).await.boot), ("executing", 2));
    world.crash();
    world.settle().await;
    world.wait(model::INSTANCE_EVENT_LOOK_MS);
    world.settle().await;
    assert_eq!((world.event(event).await.state.word(), world.instance(id).await.boot), ("executed", 2));
    assert_eq!(world.instance(id).await.phase, Phase::Running);
    assert!(world.document(0).await.vms[0].metadata.events.is_empty() && world.instance(id).await.events.is_empty());
    world.wait(model::INSTANCE_EVENT_KEPT_MS);
    world.settle().await;
    assert_eq!(world.store.get::<InstanceEvent>(event).await.unwrap(), None, "a month later it is forgotten");
}

#[tokio::test]
async fn a_planned_stop_stops_and_leaves_the_instance_to_its_owner() {
    let mut world = World::new(1, 2).await;
    let id = world.running(1).await[0];
    let at = world.clock.now().after(HOUR);
    let event = world.planned(EventTarget::Instance(id), EventImpact::Stop, at).await[0].id;
    world.wait(HOUR);
    world.settle().await;
    world.wait(model::INSTANCE_EVENT_LOOK_MS);
    world.settle().await;
    assert_eq!((world.event(event).await.state.word(), world.instance(id).await.phase), ("executed", Phase::Stopped));
}

#[tokio::test]
async fn tenants_move_events_up_to_the_deadline_and_agree_to_them() {
    let mut world = World::new(1, 3).await;
    let ids = world.running(2).await;
    let (root, at) = (world.root().await, world.clock.now().after(HOUR));
    let events = world.planned(EventTarget::Host("h0".to_owned()), EventImpact::Reboot, at).await;
    assert_eq!(events.iter().map(|event| event.instance).collect::<Vec<_>>(), ids);
    let later = RescheduleInstanceEvent { event: events[0].id, instance: Some(ids[0]), not_before: at.after(2 * HOUR) };
    let moved = world.cloud.run(&root, later.clone(), Options::default()).await.unwrap();
    assert_eq!((moved.not_before, moved.not_after), (at.after(2 * HOUR), Some(at.after(3 * HOUR))));
    for (wrong, instance) in [(at.after(2 * HOUR + 1), ids[0]), (world.clock.now(), ids[0]), (at, ids[1])] {
        let refused = RescheduleInstanceEvent { not_before: wrong, instance: Some(instance), ..later.clone() };
        let refused = world.cloud.run(&root, refused, Options::default()).await;
        assert!(matches!(refused, Err(Error::InvalidParameter { .. } | Error::NotFound { .. })), "{refused:?}");
    }
    world.wait(HOUR);
    world.settle().await;
    world.wait(model::INSTANCE_EVENT_LOOK_MS);
    world.settle().await;
    let words = [world.event(events[0].id).await.state.word(), world.event(events[1].id).await.state.word()];
    assert_eq!(words, ["scheduled", "executed"]);
    let accept = AcceptInstanceEvent { event: events[0].id, instances: vec![], at: None };
    world.cloud.run(&root, accept.clone(), Options::default()).await.unwrap();
    world.settle().await;
    world.wait(model::INSTANCE_EVENT_LOOK_MS);
    world.settle().await;
    let event = world.event(events[0].id).await;
    assert_eq!((event.state.word(), event.accepted_at.is_some(), world.instance(ids[0]).await.boot), ("executed", true, 2));
    let again = world.cloud.run(&root, accept, Options::default()).await;
    assert!(matches!(again, Err(Error::IncorrectState { noun: Noun::InstanceEvent, .. })), "{again:?}");
    // Another account knows nothing of it.
    let other = world.cloud.account_create("other").await.unwrap();
    let stranger = world.caller(&other.id).await;
    assert_eq!(world.cloud.list::<InstanceEvent>(&stranger, Query::default()).await.unwrap().total, 0);
    let refused =
        world.cloud.run(&stranger, AcceptInstanceEvent { event: events[0].id, instances: vec![], at: None }, Options::default()).await;
    assert_eq!(refused, Err(Error::not_found(Noun::InstanceEvent, events[0].id)));
}

#[tokio::test]
async fn what_the_owner_does_before_avoids_a_restart() {
    let mut world = World::new(1, 4).await;
    let ids = world.running(3).await;
    let (root, at) = (world.root().await, world.clock.now().after(HOUR));
    let events = world.planned(EventTarget::Host("h0".to_owned()), EventImpact::Reboot, at).await;
    world.cloud.run(&root, RebootInstances { ids: vec![ids[0]], force: true }, Options::default()).await.unwrap();
    world.cloud.run(&root, TerminateInstances { ids: vec![ids[1]], only_stopped: false }, Options::default()).await.unwrap();
    world.cloud.instance_event_cancel(events[2].id).await.unwrap();
    world.settle().await;
    let mut words = vec![];
    for event in &events {
        words.push(world.event(event.id).await.state.word());
    }
    assert_eq!(words, ["avoided", "avoided", "cancelled"]);
    world.wait(2 * HOUR);
    world.settle().await;
    assert_eq!((world.instance(ids[0]).await.boot, world.instance(ids[2]).await.boot), (2, 1));
}

#[tokio::test]
async fn rehearsals_take_the_states_and_touch_nothing() {
    let mut world = World::new(1, 5).await;
    let ids = world.running(2).await;
    let (root, at) = (world.root().await, world.clock.now().after(HOUR));
    let rehearse = |cause| RehearseInstanceEvents { instances: ids.clone(), cause, impact: EventImpact::Reboot, not_before: at };
    let planned = world.cloud.run(&root, rehearse(EventCause::SystemMaintenance), Options::default()).await.unwrap();
    let failing = world.cloud.run(&root, rehearse(EventCause::SystemFailure), Options::default()).await.unwrap();
    assert!(world.document(0).await.vms[0].metadata.events.is_empty(), "a guest reads of real ones");
    assert_eq!((world.event(planned[0]).await.state.word(), world.event(failing[0]).await.state.word()), ("scheduled", "executing"));
    world.cloud.run(&root, CancelRehearsedEvents { events: vec![planned[1], failing[1]] }, Options::default()).await.unwrap();
    world.wait(HOUR);
    world.settle().await;
    assert_eq!((world.event(planned[0]).await.state.word(), world.event(failing[0]).await.state.word()), ("executing", "executed"));
    world.wait(REHEARSAL_MS);
    world.settle().await;
    assert_eq!((world.event(planned[0]).await.state.word(), world.event(planned[1]).await.state.word()), ("executed", "cancelled"));
    assert_eq!((world.instance(ids[0]).await.boot, world.instance(ids[0]).await.phase), (1, Phase::Running));
    let real = world.planned(EventTarget::Instance(ids[0]), EventImpact::Stop, world.clock.now().after(HOUR)).await[0].id;
    let refused = world.cloud.run(&root, CancelRehearsedEvents { events: vec![real] }, Options::default()).await;
    assert_eq!(refused, Err(Error::not_found(Noun::InstanceEvent, real)), "a tenant calls no maintenance off");
    for wrong in [world.clock.now(), world.clock.now().after(400 * 24 * HOUR)] {
        let command = RehearseInstanceEvents { not_before: wrong, ..rehearse(EventCause::SystemMaintenance) };
        let refused = world.cloud.run(&root, command, Options::default()).await;
        assert!(matches!(refused, Err(Error::InvalidParameter { name: "NotBefore", .. })), "{refused:?}");
    }
}
