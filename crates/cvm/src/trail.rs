//! CloudAudit: the calls that changed something or were refused, newest first.

use control::{Attribute, Lookup};
use model::{Event, EventId, Millis, What};
use serde_json::json;
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;

/// Events of a page when none is asked for, and at most (CloudAudit documents 10 and 50).
const PAGE: usize = 10;
const PAGE_MAX: usize = 50;

/// `DescribeEvents`.
#[derive(FromArg)]
pub(crate) struct DescribeEvents {
    start_time: i64,
    end_time: i64,
    next_token: Option<u64>,
    #[arg(default = PAGE, range = 1..=PAGE_MAX)]
    max_results: usize,
    #[arg(max_items = 10)]
    lookup_attributes: Vec<AttributeArg>,
}

#[derive(FromArg)]
struct AttributeArg {
    attribute_key: String,
    attribute_value: String,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Events {
    list_over: bool,
    next_token: u64,
    events: Vec<EventReply>,
    total_count: usize,
}

#[derive(Show)]
struct EventReply {
    event_id: String,
    username: String,
    event_time: String,
    cloud_audit_event: String,
    resource_type_cn: String,
    error_code: i64,
    event_name: String,
    secret_id: String,
    event_source: String,
    #[reply(name = "RequestID")]
    request_id: String,
    resource_region: String,
    #[reply(name = "AccountID")]
    account_id: u64,
    #[reply(name = "SourceIPAddress")]
    source_ip_address: String,
    event_name_cn: String,
    resources: ResourceReply,
    event_region: String,
    location: &'static str,
}

#[derive(Show)]
struct ResourceReply {
    resource_type: String,
    resource_name: String,
}

/// Looks calls up. All that the vendor counts in `TotalCount` is what this page holds.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeEvents) -> Result<Events, Fault> {
    let attributes = asked.lookup_attributes.into_iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    let query = Lookup {
        from: Some(Millis(asked.start_time.saturating_mul(1_000))),
        until: Some(Millis(asked.end_time.saturating_mul(1_000).saturating_add(999))),
        attributes,
        before: asked.next_token.filter(|token| *token > 0).map(EventId::from_u64),
        size: asked.max_results,
    };
    let found = cx.cloud.lookup_events(&cx.caller, query).await?;
    let events: Vec<EventReply> = found.events.iter().filter_map(|event| reply(event, &cx.region())).collect();
    let next_token = found.next.map_or(0, EventId::as_u64);
    Ok(Events { list_over: next_token == 0, next_token, total_count: events.len(), events })
}

fn wanted(asked: AttributeArg) -> Result<(Attribute, String), Fault> {
    let attribute = match asked.attribute_key.as_str() {
        "RequestId" => Attribute::Request,
        "EventName" => Attribute::Action,
        "ReadOnly" => Attribute::ReadOnly,
        "Username" => Attribute::User,
        "ResourceType" => Attribute::ResourceKind,
        "ResourceName" => Attribute::Resource,
        "AccessKeyId" => Attribute::AccessKey,
        "EventId" => Attribute::Id,
        other => return Err(Fault::unsupported(format!("The attribute `{}`", crate::tag::head(other)))),
    };
    Ok((attribute, asked.attribute_value))
}

fn reply(event: &Event, region: &str) -> Option<EventReply> {
    let What::Call { action, user, access_key, source, request, refused, source_identity, session } = &event.what else { return None };
    let (service, name) = action.split_once(':').unwrap_or(("cvm", action));
    let (kind, resource) = event.resources.iter().find_map(|path| path.split_once('/')).unwrap_or((service, ""));
    let mut whole = json!({
        "userIdentity": {"accountId": event.account, "secretId": access_key, "userName": user},
        "eventTime": event.at.0 / 1_000,
        "eventName": name,
        "eventSource": service,
        "eventRegion": region,
        "sourceIPAddress": source,
        "requestID": request,
        "errorCode": refused.as_ref().map_or("0", |_| "UnauthorizedOperation"),
        "resources": event.resources,
    });
    if let Some(identity) = source_identity {
        whole["userIdentity"]["sessionContext"] = json!({"sourceIdentity": identity});
    }
    if let Some(session) = session.as_ref().filter(|session| !session.is_empty()) {
        whole["requestParameters"] = json!({"tags": session.tags, "sourceIdentity": session.source_identity});
    }
    Some(EventReply {
        event_id: event.id.to_string(),
        username: user.clone(),
        event_time: (event.at.0 / 1_000).to_string(),
        cloud_audit_event: whole.to_string(),
        resource_type_cn: kind.to_owned(),
        error_code: if refused.is_some() { 1 } else { 0 },
        event_name: name.to_owned(),
        secret_id: access_key.clone(),
        event_source: service.to_owned(),
        request_id: request.clone(),
        resource_region: region.to_owned(),
        account_id: event.account.as_u64(),
        source_ip_address: source.clone(),
        event_name_cn: name.to_owned(),
        resources: ResourceReply { resource_type: kind.to_owned(), resource_name: resource.to_owned() },
        event_region: region.to_owned(),
        location: "",
    })
}
