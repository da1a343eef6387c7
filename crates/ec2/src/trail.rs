//! CloudTrail: the calls that changed something or were refused, newest first.

use control::{Attribute, Lookup};
use jiff::Timestamp;
use model::{Event, EventId, Millis, What};
use serde_json::json;
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, unsupported};

/// What the header that names the action begins with.
pub(crate) const TARGET: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.";
/// Events of a page unless the client says otherwise, and at most (CloudTrail documents 50).
const PAGE: u32 = 50;

/// The parameters of `LookupEvents`.
#[derive(FromArg)]
pub(crate) struct LookupEvents {
    #[arg(max_items = 1)]
    lookup_attributes: Vec<AskedAttribute>,
    start_time: Option<f64>,
    end_time: Option<f64>,
    event_category: Option<String>,
    #[arg(default = PAGE, range = 1..=PAGE)]
    max_results: u32,
    next_token: Option<String>,
}

#[derive(FromArg)]
struct AskedAttribute {
    attribute_key: Key,
    attribute_value: String,
}

/// What calls can be looked up by.
#[derive(Debug, Clone, Copy, FromArg)]
enum Key {
    EventId,
    EventName,
    ReadOnly,
    Username,
    ResourceType,
    ResourceName,
    EventSource,
    AccessKeyId,
}

/// The reply of `LookupEvents`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Events {
    events: Vec<EventItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(list = "")]
struct EventItem {
    event_id: String,
    event_name: String,
    read_only: String,
    access_key_id: String,
    event_time: Timestamp,
    event_source: String,
    username: String,
    resources: Vec<Resource>,
    cloud_trail_event: String,
}

#[derive(Show)]
struct Resource {
    resource_type: String,
    resource_name: String,
}

/// Looks calls up.
pub(crate) async fn lookup(cx: Cx, asked: LookupEvents) -> Result<Events, Refusal> {
    if let Some(category) = asked.event_category.filter(|category| !category.is_empty()) {
        return Err(unsupported(format!("The event category '{category}'")));
    }
    let before = asked.next_token.as_deref().filter(|token| !token.is_empty());
    let query = Lookup {
        from: asked.start_time.map(millis),
        until: asked.end_time.map(millis),
        attributes: asked.lookup_attributes.iter().map(wanted).collect(),
        before: before.map(|token| token.parse::<EventId>().map_err(|_| Refusal::NextToken)).transpose()?,
        size: asked.max_results as usize,
    };
    let found = cx.cloud.lookup_events(&cx.caller, query).await?;
    let region = &cx.cloud.region().name;
    let events = found.events.iter().filter_map(|event| item(event, region)).collect();
    Ok(Events { events, next_token: found.next.map(|id| id.to_string()) })
}

/// Seconds since 1970, as AWS' JSON writes times.
fn millis(seconds: f64) -> Millis {
    Millis((seconds * 1_000.0) as i64)
}

fn wanted(asked: &AskedAttribute) -> (Attribute, String) {
    let value = asked.attribute_value.clone();
    match asked.attribute_key {
        Key::EventId => (Attribute::Id, value),
        Key::EventName => (Attribute::Action, value),
        Key::ReadOnly => (Attribute::ReadOnly, value),
        Key::Username => (Attribute::User, value),
        Key::ResourceType => (Attribute::ResourceKind, kind_of_type(&value)),
        Key::ResourceName => (Attribute::Resource, value),
        Key::EventSource => (Attribute::Service, value.strip_suffix(".amazonaws.com").unwrap_or(&value).to_owned()),
        Key::AccessKeyId => (Attribute::AccessKey, value),
    }
}

/// `AWS::EC2::SecurityGroup` of `security-group`, and back.
fn type_of_kind(kind: &str) -> String {
    let words = kind.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    format!("AWS::EC2::{}", words.collect::<String>())
}

fn kind_of_type(text: &str) -> String {
    let mut kind = String::new();
    for letter in text.strip_prefix("AWS::EC2::").unwrap_or(text).chars() {
        if letter.is_ascii_uppercase() && !kind.is_empty() {
            kind.push('-');
        }
        kind.push(letter.to_ascii_lowercase());
    }
    kind
}

fn item(event: &Event, region: &str) -> Option<EventItem> {
    let What::Call { action, user, access_key, source, request, refused, source_identity, session } = &event.what else { return None };
    let (service, name) = action.split_once(':').unwrap_or(("ec2", action));
    let event_source = format!("{service}.amazonaws.com");
    let resources: Vec<(&str, &str)> = event.resources.iter().filter_map(|path| path.split_once('/')).collect();
    let read_only = control::is_read_only(name);
    let mut whole = json!({
        "eventVersion": "1.08",
        "userIdentity": {"type": identity(user), "accountId": event.account, "accessKeyId": access_key, "userName": user},
        "eventTime": event.at.timestamp().to_string(),
        "eventSource": event_source,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": source,
        "errorCode": refused.as_ref().map(|_| "Client.UnauthorizedOperation"),
        "requestID": request,
        "eventID": event.id,
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "recipientAccountId": event.account,
        "resources": resources.iter().map(|(kind, id)| json!({"type": type_of_kind(kind), "ARN": id})).collect::<Vec<_>>(),
    });
    if let Some(identity) = source_identity {
        whole["userIdentity"]["sessionContext"] = json!({"sourceIdentity": identity});
    }
    if let Some(session) = session.as_ref().filter(|session| !session.is_empty()) {
        whole["requestParameters"] = json!({
            "principalTags": session.tags,
            "transitiveTagKeys": session.transitive,
            "sourceIdentity": session.source_identity,
        });
    }
    Some(EventItem {
        event_id: event.id.to_string(),
        event_name: name.to_owned(),
        read_only: read_only.to_string(),
        access_key_id: access_key.clone(),
        event_time: event.at.timestamp(),
        event_source,
        username: user.clone(),
        resources: resources
            .into_iter()
            .map(|(kind, id)| Resource { resource_type: type_of_kind(kind), resource_name: id.to_owned() })
            .collect(),
        cloud_trail_event: whole.to_string(),
    })
}

fn identity(user: &str) -> &'static str {
    match user {
        "root" => "Root",
        session if session.contains('/') => "AssumedRole",
        _ => "IAMUser",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_resource_reads_back() {
        for kind in ["instance", "security-group", "internet-gateway"] {
            assert_eq!(kind_of_type(&type_of_kind(kind)), kind);
        }
    }
}
