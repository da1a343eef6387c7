//! Events of instances: planned by the operator, moved, agreed to and rehearsed by tenants, and carried out when their time comes.
//!
//! A wake stands at the next step of each event. What it does to the instance, its new state and the wake's end are one transaction,
//! so it happens once whoever crashes. An instance names the events that have not ended, so that whoever changes it can wake them and
//! its guest can read of them.

use model::{
    AccountId, Deed, EVENTS_PER_INSTANCE_MAX, Error, Event, EventCause, EventId, EventImpact, EventOrigin, EventState, EventStep, Host,
    INSTANCE_EVENTS_MAX, Instance, InstanceEvent, InstanceEventId, InstanceId, Millis, Noun, REHEARSAL_MS, STOP_GRACE_SECONDS, What,
    check_event_reason,
};
use serde::Serialize;
use store::Tx;

use crate::auth::{Caller, Target};
use crate::describe::{Field, Listing};
use crate::instance::{instance_of, save, targets};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Kind of wakes for events of instances.
pub(crate) const INSTANCE_EVENT: &str = "instance_event";
/// How far ahead an event may be planned or rehearsed: a year.
const AHEAD_MS: i64 = 366 * 86_400_000;

/// Moves an event to another time.
#[derive(Debug, Clone, Serialize)]
pub struct RescheduleInstanceEvent {
    /// Which one.
    pub event: InstanceEventId,
    /// The instance that it must be of, where that is said.
    pub instance: Option<InstanceId>,
    /// When it comes.
    pub not_before: Millis,
}

/// Agrees to an event: it comes at once, or when it is said.
#[derive(Debug, Clone, Serialize)]
pub struct AcceptInstanceEvent {
    /// Which one.
    pub event: InstanceEventId,
    /// The instances of which one must be its, where that is said.
    pub instances: Vec<InstanceId>,
    /// When it comes; none for now.
    pub at: Option<Millis>,
}

/// Rehearses events: they take the states of real ones, and nothing happens to the instances. All of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct RehearseInstanceEvents {
    /// Of which instances.
    pub instances: Vec<InstanceId>,
    /// Why they would come.
    pub cause: EventCause,
    /// What they would do.
    pub impact: EventImpact,
    /// When; failures, which come unannounced, are over then.
    pub not_before: Millis,
}

/// Calls rehearsed events off. All of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct CancelRehearsedEvents {
    /// Which ones.
    pub events: Vec<InstanceEventId>,
}

impl Command for RescheduleInstanceEvent {
    type Reply = InstanceEvent;
    const NAME: &'static str = "RescheduleInstanceEvent";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets_of(tx, cx, &[self.event], self.instance)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<InstanceEvent, Failure> {
        let mut event = event_of(tx, cx.caller.account(), self.event)?;
        if self.instance.is_some_and(|instance| instance != event.instance) {
            return Err(Error::not_found(Noun::InstanceEvent, self.event).into());
        }
        event.reschedule(self.not_before, cx.now)?;
        write(tx, &event, event.not_before, cx.now)?;
        Ok(event)
    }
}

impl Command for AcceptInstanceEvent {
    type Reply = InstanceEvent;
    const NAME: &'static str = "AcceptInstanceEvent";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets_of(tx, cx, &[self.event], self.instances.first().copied())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<InstanceEvent, Failure> {
        let mut event = event_of(tx, cx.caller.account(), self.event)?;
        if !self.instances.is_empty() && !self.instances.contains(&event.instance) {
            return Err(Error::not_found(Noun::InstanceEvent, self.event).into());
        }
        event.accept(self.at, cx.now)?;
        write(tx, &event, event.not_before, cx.now)?;
        Ok(event)
    }
}

impl Command for RehearseInstanceEvents {
    type Reply = Vec<InstanceEventId>;
    const NAME: &'static str = "RehearseInstanceEvents";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.instances)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<InstanceEventId>, Failure> {
        check_ahead(self.not_before, cx.now)?;
        let mut ids = Vec::with_capacity(self.instances.len());
        for id in &self.instances {
            let instance = instance_of(tx, cx.caller.account(), *id)?;
            instance.check_on_host()?;
            let comes_unannounced = match self.cause {
                EventCause::SystemMaintenance => false,
                EventCause::SystemFailure | EventCause::InstanceFailure => true,
            };
            let plan = NewInstanceEvent {
                cause: self.cause,
                impact: self.impact,
                not_before: self.not_before,
                not_after: comes_unannounced.then_some(self.not_before).or(Some(self.not_before.after(REHEARSAL_MS))),
                deadline: None,
                reason: "rehearsed by its owner".to_owned(),
            };
            let mut event = plan.of(cx.new_id(), &instance, EventOrigin::Rehearsal, cx.now);
            if comes_unannounced {
                event.state = EventState::Executing { until: self.not_before };
            }
            ids.push(event.id);
            publish(tx, &event, instance, cx.now)?;
        }
        Ok(ids)
    }
}

impl Command for CancelRehearsedEvents {
    type Reply = ();
    const NAME: &'static str = "CancelRehearsedEvents";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets_of(tx, cx, &self.events, None)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        for id in &self.events {
            let mut event = event_of(tx, cx.caller.account(), *id)?;
            if event.is_real() {
                return Err(Error::not_found(Noun::InstanceEvent, id).into());
            }
            event.cancel(cx.now)?;
            write(tx, &event, cx.now, cx.now)?;
        }
        Ok(())
    }
}

/// What is planned.
#[derive(Debug, Clone)]
pub struct NewInstanceEvent {
    /// Why.
    pub cause: EventCause,
    /// What it does.
    pub impact: EventImpact,
    /// When.
    pub not_before: Millis,
    /// When it is over.
    pub not_after: Option<Millis>,
    /// Until when the tenant may put it off; none: not at all.
    pub deadline: Option<Millis>,
    /// What is said of it.
    pub reason: String,
}

impl NewInstanceEvent {
    fn of(&self, id: u64, instance: &Instance, origin: EventOrigin, now: Millis) -> InstanceEvent {
        InstanceEvent {
            id: InstanceEventId::from_u64(id),
            account: instance.account,
            instance: instance.id,
            cause: self.cause,
            impact: self.impact,
            origin,
            reason: self.reason.clone(),
            published_at: now,
            planned_for: self.not_before,
            not_before: self.not_before,
            not_after: self.not_after,
            deadline: self.deadline.unwrap_or(self.not_before),
            accepted_at: None,
            boot: instance.boot,
            state: EventState::Scheduled,
        }
    }
}

/// For which instances an event is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventTarget {
    /// One.
    Instance(InstanceId),
    /// All that are on the host of this name.
    Host(String),
}

impl Cloud {
    /// Plans an event for an instance, or for each of a host. For the operator.
    pub async fn instance_event_plan(&self, target: EventTarget, plan: NewInstanceEvent) -> Result<Vec<InstanceEvent>, Error> {
        let cloud = self.clone();
        let planned = self.store().write(move |tx| cloud.plan_events(tx, &target, &plan));
        planned.await.map_err(|error| self.write_refusal("plan events of instances", error))
    }

    fn plan_events(&self, tx: &mut Tx<'_>, target: &EventTarget, plan: &NewInstanceEvent) -> Result<Vec<InstanceEvent>, Failure> {
        let now = self.clock().now();
        check_event_reason(&plan.reason)?;
        check_ahead(plan.not_before, now)?;
        if plan.deadline.is_some_and(|deadline| deadline < plan.not_before) || plan.not_after.is_some_and(|end| end < plan.not_before) {
            return Err(Error::invalid("NotBefore", "must be before the deadline and the end").into());
        }
        let instances = match target {
            EventTarget::Instance(id) => {
                let row = tx.get::<Instance>(*id)?.filter(Instance::is_on_host);
                vec![row.ok_or_else(|| Error::not_found(Noun::Instance, id))?]
            }
            EventTarget::Host(name) => {
                let host = tx.host_list()?.into_iter().find(|host: &Host| host.name == *name);
                let host = host.ok_or_else(|| Error::not_found(Noun::Host, name))?;
                tx.instance_list_on_host(host.id)?
            }
        };
        let mut events = Vec::with_capacity(instances.len());
        for instance in instances {
            let event = plan.of(self.ids().next(now), &instance, EventOrigin::Operator, now);
            publish(tx, &event, instance, now)?;
            self.tell_of_event(tx, &event, "maintenance scheduled", now)?;
            events.push(event);
        }
        Ok(events)
    }

    /// Calls a planned event off. For the operator.
    pub async fn instance_event_cancel(&self, id: InstanceEventId) -> Result<(), Error> {
        let cloud = self.clone();
        let cancelled = self.store().write(move |tx| {
            let now = cloud.clock().now();
            let mut event = tx.get::<InstanceEvent>(id)?.ok_or_else(|| Error::not_found(Noun::InstanceEvent, id))?;
            event.cancel(now)?;
            write(tx, &event, now, now)?;
            cloud.tell_of_event(tx, &event, "maintenance cancelled", now)
        });
        cancelled.await.map_err(|error| self.write_refusal("cancel an event of an instance", error))
    }

    /// Every real event, for the operator.
    pub async fn instance_events(&self) -> Result<Vec<InstanceEvent>, Error> {
        let all = self.store().read(|tx| Ok::<_, Failure>(tx.list::<InstanceEvent>(store::By::all())?)).await;
        let all = all.map_err(|failure| self.refusal("list events of instances", failure))?;
        Ok(all.into_iter().filter(InstanceEvent::is_real).collect())
    }

    /// The events of the caller's instances, by id. Asks no policy: it is part of what is told of the instances.
    pub async fn events_of_instances(&self, caller: &Caller) -> Result<Vec<InstanceEvent>, Error> {
        let account = caller.account();
        let all = self.store().read(move |tx| Ok::<_, Failure>(tx.instance_event_list(account)?)).await;
        all.map_err(|failure| self.refusal("read events of instances", failure))
    }

    /// Carries an event out if its time has come, and says when it is to be looked at again.
    pub(crate) fn advance_instance_event(&self, tx: &mut Tx<'_>, id: InstanceEventId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(event) = tx.get::<InstanceEvent>(id)? else { return Ok(None) };
        let instance = tx.get::<Instance>(event.instance)?;
        match event.advance(instance.as_ref(), now) {
            EventStep::Wait(due) => Ok(due),
            EventStep::Forget => {
                tx.delete::<InstanceEvent>(id)?;
                Ok(None)
            }
            EventStep::Change(next, deed) => {
                if let (Some(deed), Some(mut instance)) = (deed, instance) {
                    instance.suffer(deed, STOP_GRACE_SECONDS, now)?;
                    save(tx, &mut instance, now)?;
                }
                if next.is_real() {
                    let word = match (deed, next.state) {
                        (Some(Deed::Reboot), _) => "restarted for maintenance",
                        (Some(Deed::Stop), _) => "stopped for maintenance",
                        (None, state) => state.word(),
                    };
                    self.tell_of_event(tx, &next, word, now)?;
                }
                if matches!(next.state, EventState::Ended { how: model::EventEnd::Failed, .. }) {
                    metrics::counter!("pileus_alarms").increment(1);
                    tracing::error!(event = %next.id, instance = %next.instance, alarm = true, "planned maintenance was not carried out in time");
                }
                write(tx, &next, now, now)?;
                Ok(Some(now))
            }
        }
    }

    fn tell_of_event(&self, tx: &mut Tx<'_>, event: &InstanceEvent, state: &str, now: Millis) -> Result<(), Failure> {
        let what = What::Became { state: state.to_owned(), reason: event.reason.clone() };
        let (id, resources) = (EventId::from_u64(self.ids().next(now)), vec![event.instance.to_string(), event.id.to_string()]);
        Ok(tx.insert(&Event { id, account: event.account, at: now, what, resources })?)
    }
}

/// Wakes the events of an instance that was restarted, stopped or removed.
pub(crate) fn wake_events(tx: &mut Tx<'_>, instance: &Instance, now: Millis) -> Result<(), Failure> {
    for event in &instance.events {
        tx.wake(INSTANCE_EVENT, *event, now)?;
    }
    Ok(())
}

/// Writes a new event down.
fn publish(tx: &mut Tx<'_>, event: &InstanceEvent, mut instance: Instance, now: Millis) -> Result<(), Failure> {
    if instance.events.len() >= EVENTS_PER_INSTANCE_MAX {
        let (what, limit) = (format!("events of the instance {}", instance.id), EVENTS_PER_INSTANCE_MAX as u64);
        return Err(Error::LimitReached { name: "InstanceEvent", what, limit }.into());
    }
    if !event.is_real() && tx.instance_event_count(event.account, INSTANCE_EVENTS_MAX)? >= INSTANCE_EVENTS_MAX {
        let what = "events of instances of an account".to_owned();
        return Err(Error::LimitReached { name: "InstanceEvent", what, limit: INSTANCE_EVENTS_MAX }.into());
    }
    instance.events.push(event.id);
    save(tx, &mut instance, now)?;
    tx.insert(event)?;
    let due = if let EventState::Executing { until } = event.state { until } else { event.not_before };
    Ok(tx.wake(INSTANCE_EVENT, event.id, due)?)
}

/// Writes a changed event, which its instance names until it has ended and its guest reads of.
fn write(tx: &mut Tx<'_>, event: &InstanceEvent, due: Millis, now: Millis) -> Result<(), Failure> {
    if let Some(mut instance) = tx.get::<Instance>(event.instance)? {
        if event.ended_at().is_some() {
            instance.events.retain(|id| *id != event.id);
        }
        if instance.is_on_host() { save(tx, &mut instance, now)? } else { tx.update(&instance)? }
    }
    tx.update(event)?;
    Ok(tx.wake(INSTANCE_EVENT, event.id, due)?)
}

fn check_ahead(at: Millis, now: Millis) -> Result<(), Error> {
    if at <= now || at > now.after(AHEAD_MS) {
        return Err(Error::invalid("NotBefore", "must be in the future, within a year"));
    }
    Ok(())
}

/// The event, if its instance is the account's.
fn event_of(tx: &Tx<'_>, account: AccountId, id: InstanceEventId) -> Result<InstanceEvent, Failure> {
    let event = tx.get::<InstanceEvent>(id)?.filter(|event| event.account == account);
    Ok(event.ok_or_else(|| Error::not_found(Noun::InstanceEvent, id))?)
}

/// Policies are asked about the instances of events; of an event that is not there, about the instance that the call names.
fn targets_of(tx: &Tx<'_>, cx: &Cx<'_>, events: &[InstanceEventId], named: Option<InstanceId>) -> Result<Vec<Target>, Failure> {
    let mut instances: Vec<InstanceId> = named.into_iter().collect();
    for event in events {
        instances.extend(event_of(tx, cx.caller.account(), *event).ok().map(|event| event.instance));
    }
    if instances.is_empty() { Ok(vec![Target::any()]) } else { targets(tx, cx, &instances) }
}

impl Listing for InstanceEvent {
    type Id = InstanceEventId;
    const NOUN: Noun = Noun::InstanceEvent;

    fn id(&self) -> InstanceEventId {
        self.id
    }

    fn id_value(id: InstanceEventId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<InstanceEvent>, Failure> {
        Ok(tx.instance_event_list(account)?)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.id.to_string()],
            Field::Owner => vec![self.account.to_string()],
            Field::Instance => vec![self.instance.to_string()],
            Field::State => vec![self.state.word().to_owned()],
            _ => vec![],
        }
    }
}
