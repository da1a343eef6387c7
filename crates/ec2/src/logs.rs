//! CloudWatch Logs, as far as flow logs need it: log groups, their streams, and what is in them.

use control::{
    DeleteLogGroup as Delete, LOG_STREAMS_NAMED, LogEvent, LogGroupView, LogPlace, LogQuestion, SetLogRetention, log_group_fits,
};
use model::{Error, LogPattern, LogStream, Millis};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, Wording, say_with, sentence};

/// What the header that names the action begins with.
pub(crate) const TARGET: &str = "Logs_20140328.";
/// What groups are not asked by here.
pub(crate) const GROUPS_ABSENT: &[&str] = &["accountIdentifiers", "includeLinkedAccounts", "logGroupClass", "logGroupIdentifiers"];
/// Rows of a page of groups or streams, unless the client asks for fewer (CloudWatch Logs documents 50).
const PAGE: u32 = 50;
/// Messages of a page, likewise (10,000).
const MESSAGES: u32 = 10_000;
/// Bytes of a page of messages, each counted with what stands beside it (1 MB).
const PAGE_BYTES: usize = 1 << 20;
/// Bytes that a message takes in a reply beside its own.
const BESIDE: usize = 150;
/// Blocks of messages are looked through until a page has some, so many times for one call.
const LOOKS: usize = 10;

/// The words for a refusal ("CloudWatch Logs API reference", errors of each action).
pub(crate) fn wording(error: &Error) -> Option<Wording> {
    let (status, code) = match error {
        Error::NotFound { .. } => (400, "ResourceNotFoundException"),
        Error::Duplicate { .. } => (400, "ResourceAlreadyExistsException"),
        Error::LimitReached { .. } | Error::QuotaExceeded { .. } => (400, "LimitExceededException"),
        Error::InvalidParameter { .. }
        | Error::InvalidCombination { .. }
        | Error::MissingParameter { .. }
        | Error::MalformedId { .. }
        | Error::Unsupported { .. } => (400, "InvalidParameterException"),
        Error::TooManyRequests { .. } => (400, "ThrottlingException"),
        Error::Unauthorized { action } => {
            return Some(say_with(400, "AccessDeniedException", format!("The caller is not authorized to perform: {action}")));
        }
        Error::Internal | Error::Unavailable => (500, "ServiceUnavailableException"),
        Error::IncorrectState { .. }
        | Error::InUse { .. }
        | Error::Protected { .. }
        | Error::NoCapacity { .. }
        | Error::NoPlaceInGroup { .. }
        | Error::NoReservedCapacity { .. }
        | Error::NoDiskRoom { .. }
        | Error::ZoneMismatch { .. }
        | Error::TooManyVolumes { .. }
        | Error::NoFreeAddress { .. }
        | Error::InvalidMfaCode
        | Error::ClientTokenReused
        | Error::DryRun => return None,
    };
    Some(say_with(status, code, sentence(error)))
}

/// The ARN of a log group, without the `:*` that stands for its streams.
pub(crate) fn arn(cx: &Cx, group: &str) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{group}", cx.cloud.region().name, cx.caller.account())
}

/// The log group of the account that an ARN names.
pub(crate) fn group_of_arn(cx: &Cx, text: &str) -> Option<String> {
    let name = text.strip_prefix(&arn(cx, ""))?;
    Some(name.strip_suffix(":*").unwrap_or(name).to_owned()).filter(|name| !name.is_empty())
}

/// The log group that is meant, by its name or by an identifier, which is a name or an ARN.
fn meant(cx: &Cx, name: Option<String>, identifier: Option<String>) -> Result<String, Refusal> {
    match (name, identifier) {
        (Some(_), Some(_)) => Err(Error::invalid("logGroupIdentifier", "must not be there beside logGroupName").into()),
        (Some(name), None) => Ok(name),
        (None, Some(text)) if text.starts_with("arn:") => {
            let found = group_of_arn(cx, &text);
            Ok(found.ok_or_else(|| Error::invalid("logGroupIdentifier", "is no log group of this account"))?)
        }
        (None, Some(name)) => Ok(name),
        (None, None) => Err(Error::MissingParameter { name: "logGroupName" }.into()),
    }
}

/// The parameters of `DescribeLogGroups`.
#[derive(FromArg)]
#[arg(rename = "camelCase")]
pub(crate) struct DescribeLogGroups {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    #[arg(default = PAGE, range = 1..=PAGE)]
    limit: u32,
}

/// The reply of `DescribeLogGroups`.
#[derive(Show)]
#[reply(rename = "camelCase", list = "")]
pub(crate) struct Groups {
    log_groups: Vec<GroupItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct GroupItem {
    log_group_name: String,
    creation_time: i64,
    retention_in_days: Option<u32>,
    metric_filter_count: u32,
    arn: String,
    stored_bytes: u64,
    log_group_class: &'static str,
    log_group_arn: String,
}

/// Lists log groups.
pub(crate) async fn describe_groups(cx: Cx, asked: DescribeLogGroups) -> Result<Groups, Refusal> {
    let (prefix, part) = (asked.log_group_name_prefix.as_deref(), asked.log_group_name_pattern.as_deref());
    if prefix.is_some() && part.is_some() {
        return Err(Error::invalid("logGroupNamePattern", "must not be there beside logGroupNamePrefix").into());
    }
    let mut found = cx.cloud.log_groups(&cx.caller).await?;
    found.retain(|view| log_group_fits(&view.group.name, prefix, part));
    let (page, next_token) = cut(found, asked.next_token, asked.limit, |view| view.group.name.clone());
    let item = |LogGroupView { group, bytes }: LogGroupView| GroupItem {
        arn: format!("{}:*", arn(&cx, &group.name)),
        log_group_arn: arn(&cx, &group.name),
        log_group_name: group.name,
        creation_time: group.created_at.0,
        retention_in_days: group.retention_days,
        metric_filter_count: 0,
        stored_bytes: bytes,
        log_group_class: "STANDARD",
    };
    Ok(Groups { log_groups: page.into_iter().map(item).collect(), next_token })
}

/// Cuts a page out of rows in the order of their keys: the token is the key of the last row of the page before.
fn cut<T>(rows: Vec<T>, token: Option<String>, limit: u32, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let mut rest: Vec<T> = rows.into_iter().filter(|row| token.as_ref().is_none_or(|token| key(row) > *token)).collect();
    let is_more = rest.len() > limit as usize;
    rest.truncate(limit as usize);
    let next = rest.last().map(key).filter(|_| is_more);
    (rest, next)
}

/// The parameters of `DescribeLogStreams`.
#[derive(FromArg)]
#[arg(rename = "camelCase")]
pub(crate) struct DescribeLogStreams {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<OrderBy>,
    #[arg(default)]
    descending: bool,
    next_token: Option<String>,
    #[arg(default = PAGE, range = 1..=PAGE)]
    limit: u32,
}

#[derive(FromArg, Clone, Copy, PartialEq, Eq)]
enum OrderBy {
    LogStreamName,
    LastEventTime,
}

/// The reply of `DescribeLogStreams`.
#[derive(Show)]
#[reply(rename = "camelCase", list = "")]
pub(crate) struct Streams {
    log_streams: Vec<StreamItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct StreamItem {
    log_stream_name: String,
    creation_time: i64,
    first_event_timestamp: i64,
    last_event_timestamp: i64,
    last_ingestion_time: i64,
    upload_sequence_token: String,
    arn: String,
    stored_bytes: u64,
}

/// Lists the streams of a log group.
pub(crate) async fn describe_streams(cx: Cx, asked: DescribeLogStreams) -> Result<Streams, Refusal> {
    let by_time = asked.order_by == Some(OrderBy::LastEventTime);
    if by_time && asked.log_stream_name_prefix.is_some() {
        return Err(Error::invalid("orderBy", "Cannot order by LastEventTime with a logStreamNamePrefix.").into());
    }
    let group = meant(&cx, asked.log_group_name, asked.log_group_identifier)?;
    let mut found = cx.cloud.log_streams(&cx.caller, group.clone()).await?;
    if let Some(prefix) = &asked.log_stream_name_prefix {
        found.retain(|stream| stream.name.starts_with(prefix));
    }
    if by_time {
        found.sort_by(|one, other| (one.last_at, &one.name).cmp(&(other.last_at, &other.name)));
    }
    if asked.descending {
        found.reverse();
    }
    // The order may be any, so the token is the name that the page before ended with.
    let from = match asked.next_token.filter(|token| !token.is_empty()) {
        Some(token) => 1 + found.iter().position(|stream| stream.name == token).ok_or(Refusal::NextToken)?,
        None => 0,
    };
    let end = from.saturating_add(asked.limit as usize).min(found.len());
    let next_token = (end < found.len()).then(|| found[end - 1].name.clone());
    let item = |stream: &LogStream| StreamItem {
        log_stream_name: stream.name.clone(),
        creation_time: stream.created_at.0,
        first_event_timestamp: stream.first_at.0,
        last_event_timestamp: stream.last_at.0,
        last_ingestion_time: stream.taken_at.0,
        upload_sequence_token: stream.taken_at.0.to_string(),
        arn: format!("{}:log-stream:{}", arn(&cx, &group), stream.name),
        // CloudWatch Logs tells of no stream how much is in it.
        stored_bytes: 0,
    };
    Ok(Streams { log_streams: found[from..end].iter().map(item).collect(), next_token })
}

/// The parameters of `GetLogEvents`.
#[derive(FromArg)]
#[arg(rename = "camelCase")]
pub(crate) struct GetLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
    #[arg(default = MESSAGES, range = 1..=MESSAGES)]
    limit: u32,
    #[arg(default)]
    start_from_head: bool,
    /// Nothing here is masked.
    unmask: Option<bool>,
}

/// The reply of `GetLogEvents`.
#[derive(Show)]
#[reply(rename = "camelCase", list = "")]
pub(crate) struct Events {
    events: Vec<EventItem>,
    next_forward_token: String,
    next_backward_token: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct EventItem {
    timestamp: i64,
    message: String,
    ingestion_time: i64,
}

/// Reads a stream, from its end unless the client wants its beginning. Where nothing is left in a direction, that direction's token is
/// the one that was given.
pub(crate) async fn get_events(cx: Cx, asked: GetLogEvents) -> Result<Events, Refusal> {
    let _ = asked.unmask;
    let group = meant(&cx, asked.log_group_name, asked.log_group_identifier)?;
    let token = asked.next_token.as_deref().map(|text| Token::parse(text).ok_or(Refusal::NextToken)).transpose()?;
    let is_backwards = token.map_or(!asked.start_from_head, |token| token.is_backwards);
    let question = LogQuestion {
        group,
        streams: vec![asked.log_stream_name],
        stream_prefix: None,
        from: Millis(asked.start_time.unwrap_or(0)),
        until: asked.end_time.map_or(Millis(i64::MAX - 1), |end| Millis(end.saturating_sub(1))),
        pattern: LogPattern::parse("")?,
        behind: token.and_then(|token| token.place),
        is_backwards,
        size: asked.limit as usize,
    };
    let (mut events, _) = page(&cx, question).await?;
    if is_backwards {
        events.reverse();
    }
    let at = token.and_then(|token| token.place);
    let forward = Token { is_backwards: false, place: events.last().map(|event| event.place).or(at) };
    let backward = Token { is_backwards: true, place: events.first().map(|event| event.place).or(at) };
    let item = |event: LogEvent| EventItem { timestamp: event.at.0, message: event.message, ingestion_time: event.taken_at.0 };
    let (next_forward_token, next_backward_token) = (forward.text(), backward.text());
    Ok(Events { events: events.into_iter().map(item).collect(), next_forward_token, next_backward_token })
}

/// The parameters of `FilterLogEvents`.
#[derive(FromArg)]
#[arg(rename = "camelCase")]
pub(crate) struct FilterLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    #[arg(max_items = LOG_STREAMS_NAMED)]
    log_stream_names: Vec<String>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    #[arg(default = MESSAGES, range = 1..=MESSAGES)]
    limit: u32,
    /// Streams are always read together.
    interleaved: Option<bool>,
    unmask: Option<bool>,
}

/// The reply of `FilterLogEvents`.
#[derive(Show)]
#[reply(rename = "camelCase", list = "")]
pub(crate) struct Found {
    events: Vec<FoundItem>,
    /// CloudWatch Logs tells of none since 2019.
    searched_log_streams: Vec<String>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct FoundItem {
    log_stream_name: String,
    timestamp: i64,
    message: String,
    ingestion_time: i64,
    event_id: String,
}

/// Looks for messages in the streams of a log group, by time.
pub(crate) async fn filter_events(cx: Cx, asked: FilterLogEvents) -> Result<Found, Refusal> {
    let _ = (asked.interleaved, asked.unmask);
    if !asked.log_stream_names.is_empty() && asked.log_stream_name_prefix.is_some() {
        return Err(Error::invalid("logStreamNamePrefix", "must not be there beside logStreamNames").into());
    }
    let token = asked.next_token.as_deref().map(|text| Token::parse(text).ok_or(Refusal::NextToken)).transpose()?;
    let question = LogQuestion {
        group: meant(&cx, asked.log_group_name, asked.log_group_identifier)?,
        streams: asked.log_stream_names,
        stream_prefix: asked.log_stream_name_prefix,
        from: Millis(asked.start_time.unwrap_or(0)),
        until: Millis(asked.end_time.unwrap_or(i64::MAX - 1)),
        pattern: LogPattern::parse(asked.filter_pattern.as_deref().unwrap_or_default())?,
        behind: token.and_then(|token| token.place),
        is_backwards: false,
        size: asked.limit as usize,
    };
    let (events, next) = page(&cx, question).await?;
    let item = |event: LogEvent| FoundItem {
        event_id: format!("{:020}{:020}{:016}", event.at.0, event.place.block, event.place.message.unwrap_or(0)),
        log_stream_name: event.stream,
        timestamp: event.at.0,
        message: event.message,
        ingestion_time: event.taken_at.0,
    };
    let next_token = next.map(|place| Token { is_backwards: false, place: Some(place) }.text());
    Ok(Found { events: events.into_iter().map(item).collect(), searched_log_streams: vec![], next_token })
}

/// Reads messages until a page has as many as it may, or some looks found too little; gives where the next page goes on.
async fn page(cx: &Cx, mut question: LogQuestion) -> Result<(Vec<LogEvent>, Option<LogPlace>), Refusal> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let wanted = question.size;
    for _ in 0..LOOKS {
        question.size = wanted - found.len();
        let part = cx.cloud.log_events(&cx.caller, question.clone()).await?;
        for event in part.events {
            bytes += event.message.len() + BESIDE;
            if bytes > PAGE_BYTES && !found.is_empty() {
                let last = found.last().map(|event: &LogEvent| event.place);
                return Ok((found, last));
            }
            found.push(event);
        }
        question.behind = part.next;
        if part.next.is_none() || found.len() >= wanted {
            break;
        }
    }
    Ok((found, question.behind))
}

/// Where a page goes on, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    is_backwards: bool,
    place: Option<LogPlace>,
}

impl Token {
    fn text(self) -> String {
        let direction = if self.is_backwards { "b" } else { "f" };
        match self.place {
            None => format!("{direction}/"),
            Some(LogPlace { at, block, message }) => {
                format!("{direction}/{}/{block}/{}", at.0, message.map_or_else(String::new, |message| message.to_string()))
            }
        }
    }

    fn parse(text: &str) -> Option<Token> {
        let (direction, rest) = text.split_once('/')?;
        let is_backwards = match direction {
            "f" => false,
            "b" => true,
            _ => return None,
        };
        if rest.is_empty() {
            return Some(Token { is_backwards, place: None });
        }
        let mut parts = rest.split('/');
        let (at, block, message) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let message = if message.is_empty() { None } else { Some(message.parse().ok()?) };
        parts.next().is_none().then_some(Token { is_backwards, place: Some(LogPlace { at: Millis(at), block, message }) })
    }
}

/// The parameters of the calls on one log group.
#[derive(FromArg)]
#[arg(rename = "camelCase")]
pub(crate) struct OneGroup {
    log_group_name: String,
}

/// Deletes a log group with all that is in it.
pub(crate) async fn delete_group(cx: Cx, asked: OneGroup) -> Result<(), Refusal> {
    Ok(cx.cloud.run(&cx.caller, Delete { group: asked.log_group_name }, cx.options(None)).await?)
}

/// The parameters of `PutRetentionPolicy`.
#[derive(FromArg)]
#[arg(rename = "camelCase")]
pub(crate) struct PutRetentionPolicy {
    log_group_name: String,
    retention_in_days: u32,
}

/// Says how long messages are kept.
pub(crate) async fn put_retention(cx: Cx, asked: PutRetentionPolicy) -> Result<(), Refusal> {
    let command = SetLogRetention { group: asked.log_group_name, days: Some(asked.retention_in_days) };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// Has messages kept for as long as there is room.
pub(crate) async fn delete_retention(cx: Cx, asked: OneGroup) -> Result<(), Refusal> {
    let command = SetLogRetention { group: asked.log_group_name, days: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_another_text_is_none() {
        let place = |message| Some(LogPlace { at: Millis(17), block: 1 << 61, message });
        for (is_backwards, place) in [(false, None), (true, None), (true, place(Some(3))), (false, place(None))] {
            let token = Token { is_backwards, place };
            assert_eq!(Token::parse(&token.text()), Some(token), "{}", token.text());
        }
        for wrong in ["", "f", "x/", "f/1", "f/1/2", "f/a/2/3", "f/1/2/3/4", "f/1/2/x"] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
    }
}
