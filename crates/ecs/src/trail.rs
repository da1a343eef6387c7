//! ActionTrail: the calls that changed something or were refused, newest first.

use control::{Attribute, Lookup};
use jiff::Timestamp;
use model::{Event, EventId, Millis, What};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::page::{read_token, write_token};

/// Events of a page when none is asked for, and at most (ActionTrail documents 20 and 50).
const PAGE: usize = 20;
const PAGE_MAX: usize = 50;
/// How far a look-up goes back when it does not say, in milliseconds (ActionTrail documents seven days).
const USUAL_MS: i64 = 7 * 24 * 3_600_000;

/// `LookupEvents`.
#[derive(FromArg)]
pub(crate) struct LookupEvents {
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    next_token: Option<String>,
    #[arg(default = PAGE, range = 1..=PAGE_MAX)]
    max_results: usize,
    direction: Option<Direction>,
    #[arg(name = "LookupAttribute", max_items = 1)]
    attributes: Vec<AttributeArg>,
}

/// The order; only the usual one is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum Direction {
    Forward,
    Backward,
}

#[derive(FromArg)]
struct AttributeArg {
    key: Key,
    value: String,
}

/// What calls can be looked up by.
#[derive(Debug, Clone, Copy, FromArg)]
enum Key {
    ServiceName,
    EventName,
    User,
    EventId,
    ResourceType,
    ResourceName,
    #[arg(name = "EventRW")]
    EventRw,
    EventAccessKeyId,
}

#[derive(Show)]
pub(crate) struct Events {
    #[reply(list = "")]
    events: Vec<EventReply>,
    next_token: Option<String>,
    start_time: Timestamp,
    end_time: Timestamp,
}

#[derive(Show)]
#[reply(rename = "camelCase", list = "")]
struct EventReply {
    event_id: String,
    event_name: String,
    event_source: String,
    event_time: Timestamp,
    event_type: &'static str,
    #[reply(name = "eventRW")]
    event_rw: &'static str,
    service_name: String,
    acs_region: String,
    source_ip_address: String,
    request_id: String,
    error_code: Option<&'static str>,
    resource_type: Option<String>,
    resource_name: Option<String>,
    user_identity: Identity,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Identity {
    #[reply(name = "type")]
    kind: &'static str,
    account_id: String,
    access_key_id: String,
    user_name: String,
}

/// Looks calls up.
pub(crate) async fn lookup(cx: &Cx<'_>, asked: LookupEvents) -> Result<Events, Fault> {
    if asked.direction == Some(Direction::Forward) {
        return Err(Fault::unsupported_parameter("The value 'FORWARD' of the parameter Direction (only BACKWARD)"));
    }
    let now = cx.cloud.clock().now();
    let until = asked.end_time.map_or(now, |time| Millis(time.as_millisecond()));
    let from = asked.start_time.map_or_else(|| now.after(-USUAL_MS), |time| Millis(time.as_millisecond()));
    let before = asked.next_token.as_deref().filter(|token| !token.is_empty()).map(read_token).transpose()?;
    let query = Lookup {
        from: Some(from),
        until: Some(until),
        attributes: asked.attributes.into_iter().map(wanted).collect(),
        before: before.map(EventId::from_u64),
        size: asked.max_results,
    };
    let found = cx.cloud.lookup_events(&cx.caller, query).await?;
    Ok(Events {
        events: found.events.iter().filter_map(|event| reply(event, &cx.region())).collect(),
        next_token: found.next.map(|id| write_token(id.as_u64())),
        start_time: from.timestamp(),
        end_time: until.timestamp(),
    })
}

fn wanted(asked: AttributeArg) -> (Attribute, String) {
    let value = asked.value;
    match asked.key {
        Key::ServiceName => (Attribute::Service, value.to_lowercase()),
        Key::EventName => (Attribute::Action, value),
        Key::User => (Attribute::User, value),
        Key::EventId => (Attribute::Id, value),
        Key::ResourceType => (Attribute::ResourceKind, value.rsplit("::").next().unwrap_or_default().to_lowercase()),
        Key::ResourceName => (Attribute::Resource, value),
        Key::EventRw => (Attribute::ReadOnly, value.eq_ignore_ascii_case("read").to_string()),
        Key::EventAccessKeyId => (Attribute::AccessKey, value),
    }
}

fn reply(event: &Event, region: &str) -> Option<EventReply> {
    let What::Call { action, user, access_key, source, request, refused, .. } = &event.what else { return None };
    let (service, name) = action.split_once(':').unwrap_or(("ecs", action));
    let resource = event.resources.iter().find_map(|path| path.split_once('/'));
    Some(EventReply {
        event_id: event.id.to_string(),
        event_name: name.to_owned(),
        event_source: format!("{service}.aliyuncs.com"),
        event_time: event.at.timestamp(),
        event_type: "ApiCall",
        event_rw: if control::is_read_only(name) { "Read" } else { "Write" },
        service_name: service.to_owned(),
        acs_region: region.to_owned(),
        source_ip_address: source.clone(),
        request_id: request.clone(),
        error_code: refused.as_ref().map(|_| "Forbidden.RAM"),
        resource_type: resource.map(|(kind, _)| kind.to_owned()),
        resource_name: resource.map(|(_, id)| id.to_owned()),
        user_identity: Identity {
            kind: match user.as_str() {
                "root" => "root-account",
                session if session.contains('/') => "assumed-role",
                _ => "ram-user",
            },
            account_id: event.account.to_string(),
            access_key_id: access_key.clone(),
            user_name: user.clone(),
        },
    })
}
