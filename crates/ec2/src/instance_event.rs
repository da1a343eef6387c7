//! Scheduled events of instances: what maintenance comes when, and moving it.

use control::RescheduleInstanceEvent;
use jiff::Timestamp;
use model::{Error, EventEnd, EventImpact, EventState, InstanceEvent, InstanceEventId, InstanceId, Millis, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::tag;

/// What EC2's ids of events begin with; the digits are ours.
const PREFIX: &str = "instance-event-";
/// How long an event that has ended is still described, in milliseconds (EC2: a week).
const SHOWN_MS: i64 = 7 * 86_400_000;

/// An event as EC2 lists it.
#[derive(Debug, Clone, PartialEq, Eq, Show)]
#[reply(rename = "camelCase")]
pub(crate) struct EventItem {
    pub instance_event_id: String,
    pub code: &'static str,
    pub description: String,
    pub not_before: Timestamp,
    pub not_after: Option<Timestamp>,
    pub not_before_deadline: Option<Timestamp>,
}

impl EventItem {
    /// The event, if EC2 still describes it; a rehearsal is a thing of another vendor's.
    pub fn of(event: &InstanceEvent, now: Millis) -> Option<EventItem> {
        if !event.is_real() || event.ended_at().is_some_and(|at| now.since(at) > SHOWN_MS) {
            return None;
        }
        let code = match event.impact {
            EventImpact::Reboot | EventImpact::Redeploy => "instance-reboot",
            EventImpact::Stop => "instance-stop",
        };
        let ended = match event.state {
            EventState::Scheduled | EventState::Executing { .. } => "",
            EventState::Ended { how: EventEnd::Cancelled, .. } => "[Canceled] ",
            EventState::Ended { how: EventEnd::Executed | EventEnd::Avoided | EventEnd::Failed, .. } => "[Completed] ",
        };
        Some(EventItem {
            instance_event_id: shown(event.id),
            code,
            description: format!("{ended}{}", event.reason),
            not_before: event.not_before.timestamp(),
            not_after: event.not_after.map(Millis::timestamp),
            not_before_deadline: (event.deadline > event.not_before).then(|| event.deadline.timestamp()),
        })
    }
}

/// Writes an id as EC2 does.
fn shown(id: InstanceEventId) -> String {
    let ours = id.to_string();
    format!("{PREFIX}{}", ours.strip_prefix(InstanceEventId::PREFIX).unwrap_or(&ours))
}

fn read(text: &str) -> Result<InstanceEventId, Error> {
    let ours = text.strip_prefix(PREFIX).map(|digits| format!("{}{digits}", InstanceEventId::PREFIX));
    let malformed = || Error::MalformedId { noun: Noun::InstanceEvent, id: text.chars().take(64).collect() };
    ours.and_then(|text| text.parse().ok()).ok_or_else(malformed)
}

/// The parameters of `ModifyInstanceEventStartTime`.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceEventStartTime {
    instance_id: String,
    instance_event_id: String,
    not_before: Timestamp,
}

/// The reply of `ModifyInstanceEventStartTime`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Modified {
    event: Option<EventItem>,
}

/// Moves an event to another time.
pub(crate) async fn modify_start(cx: Cx, asked: ModifyInstanceEventStartTime) -> Result<Modified, Refusal> {
    let instance: InstanceId = tag::id(Noun::Instance, &asked.instance_id)?;
    let event = read(&asked.instance_event_id)?;
    let not_before = Millis(asked.not_before.as_millisecond());
    let command = RescheduleInstanceEvent { event, instance: Some(instance), not_before };
    let moved = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Modified { event: EventItem::of(&moved, cx.cloud.clock().now()) })
}
