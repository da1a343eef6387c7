//! Amazon Data Lifecycle Manager: policies that take snapshots of the volumes with certain tags, over paths and JSON.
//!
//! ```text
//!   PATCH /policies/policy-1   {"State": "DISABLED"}  ──arguments──▶ "UpdateLifecyclePolicy" and its parameters ─▶ the table
//! ```
//!
//! A policy here is one that ECS and CBS show too, under another id. What it has no room for, such as a second schedule or scripts, is
//! refused.

use std::collections::BTreeSet;

use control::{ChangeLifecycleTags, CreateLifecycle, DeleteLifecycle, ModifyLifecycle, Query};
use model::{AgeUnit, Error, Keep, Lifecycle, Millis, Noun, SnapshotPolicy, SnapshotPolicyId, Tags, When};
use serde_json::{Map, Value};
use wire::{Args, FromArg, Reply, Request, Show, decode_bytes, envelope};

use crate::Cx;
use crate::error::{Refusal, Wording, say_with, sentence, unsupported};

/// What an id begins with here; the rest is the same in all dialects.
const PREFIX: &str = "policy-";
/// The kind of policy that there is.
const KIND: &str = "EBS_SNAPSHOT_MANAGEMENT";
/// What resources are chosen.
const RESOURCE: &str = "VOLUME";
/// Where they are.
const LOCATION: &str = "CLOUD";
/// The language that a policy is written in.
const LANGUAGE: &str = "STANDARD";
/// When snapshots are taken if no time is said; the vendor then takes one itself.
const TIME_USUAL: &str = "09:00";
/// Policies that one call names or lists: as many as there can be.
const NAMED_MAX: usize = model::SNAPSHOT_POLICIES_MAX;
/// What the service has for new policies and this cloud has not.
pub(crate) const CREATE_ABSENT: &[&str] = &[
    "DefaultPolicy",
    "CreateInterval",
    "RetainInterval",
    "CopyTags",
    "ExtendDeletion",
    "CrossRegionCopyTargets",
    "Exclusions",
    "PolicyDetails.Parameters",
    "PolicyDetails.EventSource",
    "PolicyDetails.Actions",
    "PolicyDetails.ResourceType",
    "PolicyDetails.CreateInterval",
    "PolicyDetails.RetainInterval",
    "PolicyDetails.CopyTags",
    "PolicyDetails.CrossRegionCopyTargets",
    "PolicyDetails.ExtendDeletion",
    "PolicyDetails.Exclusions",
    "PolicyDetails.Schedules.VariableTags",
    "PolicyDetails.Schedules.FastRestoreRule",
    "PolicyDetails.Schedules.CrossRegionCopyRules",
    "PolicyDetails.Schedules.ShareRules",
    "PolicyDetails.Schedules.DeprecateRule",
    "PolicyDetails.Schedules.ArchiveRule",
    "PolicyDetails.Schedules.CreateRule.Scripts",
];

/// The arguments of a request to this service, with the action that its method and path say; none where they say none.
pub fn arguments(request: &Request) -> Option<Args> {
    let steps: Vec<String> = request.path().split('/').filter(|step| !step.is_empty()).map(decoded).collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let (action, of_path): (&str, Option<(&str, String)>) = match (request.method(), steps.as_slice()) {
        ("POST", ["policies"]) => ("CreateLifecyclePolicy", None),
        ("GET", ["policies"]) => ("GetLifecyclePolicies", None),
        ("GET", ["policies", id]) => ("GetLifecyclePolicy", Some(("PolicyId", (*id).to_owned()))),
        ("PATCH", ["policies", id]) => ("UpdateLifecyclePolicy", Some(("PolicyId", (*id).to_owned()))),
        ("DELETE", ["policies", id]) => ("DeleteLifecyclePolicy", Some(("PolicyId", (*id).to_owned()))),
        ("GET", ["tags", arn @ ..]) => ("ListTagsForResource", Some(("ResourceArn", arn.join("/")))),
        ("POST", ["tags", arn @ ..]) => ("TagResource", Some(("ResourceArn", arn.join("/")))),
        ("DELETE", ["tags", arn @ ..]) => ("UntagResource", Some(("ResourceArn", arn.join("/")))),
        _ => return None,
    };
    let has_body = matches!(request.method(), "POST" | "PATCH");
    let body = has_body.then(|| serde_json::from_slice::<Map<String, Value>>(request.body()).ok()).flatten();
    let mut all = body.unwrap_or_default();
    if let Some(Value::Object(tags)) = all.get("Tags") {
        let list = tags.iter().map(|(key, value)| serde_json::json!({"Key": key, "Value": value})).collect();
        all.insert("Tags".to_owned(), Value::Array(list));
    }
    for (key, value) in request.raw_query_pairs() {
        let name: String = key.chars().take(1).flat_map(char::to_uppercase).chain(key.chars().skip(1)).collect();
        let value = Value::from(decoded(value));
        match (matches!(key, "state" | "defaultPolicyType"), all.get_mut(&name)) {
            (false, Some(Value::Array(list))) => list.push(value),
            (true, _) => drop(all.insert(name, value)),
            (false, _) => drop(all.insert(name, Value::Array(vec![value]))),
        }
    }
    all.insert("Action".to_owned(), Value::from(action));
    of_path.into_iter().for_each(|(name, value)| drop(all.insert(name.to_owned(), Value::from(value))));
    Args::from_json(&serde_json::to_vec(&all).ok()?).ok()
}

fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&decode_bytes(text)).into_owned()
}

/// The answer of an action: tags are a map in this service.
pub(crate) fn reply(shown: &dyn Show) -> Reply {
    let mut value = serde_json::from_str(&envelope::aws_json(shown)).unwrap_or_else(|_| Value::Object(Map::new()));
    tags_as_map(&mut value);
    Reply::json(200, value.to_string())
}

fn tags_as_map(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Array(list)) = members.get("Tags") {
                let tag = |tag: &Value| Some((tag.get("Key")?.as_str()?.to_owned(), tag.get("Value")?.clone()));
                let tags = list.iter().filter_map(tag).collect();
                members.insert("Tags".to_owned(), Value::Object(tags));
            }
            members.values_mut().for_each(tags_as_map);
        }
        Value::Array(items) => items.iter_mut().for_each(tags_as_map),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The words for a refusal ("Amazon Data Lifecycle Manager API reference", errors of each action).
pub(crate) fn wording(error: &Error) -> Option<Wording> {
    let (status, code) = match error {
        Error::NotFound { .. } | Error::MalformedId { .. } => (404, "ResourceNotFoundException"),
        Error::LimitReached { .. } | Error::QuotaExceeded { .. } => (429, "LimitExceededException"),
        Error::TooManyRequests { .. } => (400, "ThrottlingException"),
        Error::Unauthorized { action } => {
            return Some(say_with(403, "AccessDeniedException", format!("The caller is not authorized to perform: {action}")));
        }
        Error::Internal | Error::Unavailable => (500, "InternalServerException"),
        Error::InvalidParameter { .. }
        | Error::InvalidCombination { .. }
        | Error::MissingParameter { .. }
        | Error::Unsupported { .. }
        | Error::Duplicate { .. }
        | Error::IncorrectState { .. }
        | Error::InUse { .. }
        | Error::Protected { .. } => (400, "InvalidRequestException"),
        Error::NoCapacity { .. }
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

/// Whether a policy takes snapshots.
#[derive(FromArg, Show, Clone, Copy, PartialEq, Eq)]
#[arg(rename = "UPPER_SNAKE_CASE")]
#[reply(rename = "UPPER_SNAKE_CASE")]
enum State {
    Enabled,
    Disabled,
}

/// The state that lists are asked by; nothing here ever is in error.
#[derive(FromArg, Clone, Copy, PartialEq, Eq)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum AnyState {
    Enabled,
    Disabled,
    Error,
}

/// Units of age.
#[derive(FromArg, Show, Clone, Copy)]
#[arg(rename = "UPPER_SNAKE_CASE")]
#[reply(rename = "UPPER_SNAKE_CASE")]
enum Unit {
    Days,
    Weeks,
    Months,
    Years,
}

/// A tag, as it is said and as it is shown.
#[derive(FromArg, Show)]
struct Tag {
    key: String,
    value: String,
}

fn tags_of(list: Vec<Tag>) -> Tags {
    list.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn shown_tags<'t>(tags: impl IntoIterator<Item = (&'t String, &'t String)>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

/// What a policy does.
#[derive(FromArg)]
struct Details {
    policy_type: Option<String>,
    policy_language: Option<String>,
    #[arg(max_items = 1)]
    resource_types: Vec<String>,
    #[arg(max_items = 1)]
    resource_locations: Vec<String>,
    #[arg(max_items = model::LIFECYCLE_TARGETS_MAX)]
    target_tags: Vec<Tag>,
    #[arg(max_items = 4)]
    schedules: Vec<Plan>,
}

/// One schedule.
#[derive(FromArg)]
struct Plan {
    #[arg(default)]
    name: String,
    #[arg(default)]
    copy_tags: bool,
    #[arg(max_items = model::LIFECYCLE_TAGS_MAX)]
    tags_to_add: Vec<Tag>,
    create_rule: CreateRule,
    retain_rule: RetainRule,
}

#[derive(FromArg)]
struct CreateRule {
    location: Option<String>,
    interval: Option<u8>,
    interval_unit: Option<String>,
    #[arg(max_items = 1)]
    times: Vec<String>,
    cron_expression: Option<String>,
}

#[derive(FromArg)]
struct RetainRule {
    count: Option<u32>,
    interval: Option<u32>,
    interval_unit: Option<Unit>,
}

impl CreateRule {
    fn when(self) -> Result<When, Refusal> {
        only("Location", self.location.as_deref(), LOCATION)?;
        only("IntervalUnit", self.interval_unit.as_deref(), "HOURS")?;
        match (self.cron_expression, self.interval) {
            (Some(_), Some(_)) => Err(Error::invalid("CronExpression", "must not be there beside Interval").into()),
            (Some(_), None) if !self.times.is_empty() => Err(Error::invalid("CronExpression", "must not be there beside Times").into()),
            (Some(text), None) => Ok(When::Cron(text)),
            (None, Some(hours)) => {
                let time = self.times.first().map_or(TIME_USUAL, String::as_str);
                let number = |text: &str| text.parse().ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
                let parts = time.split_once(':').and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
                let (hour, minute) = parts.ok_or_else(|| Error::invalid("Times", "must be hh:mm"))?;
                Ok(When::Every { hours, hour, minute })
            }
            (None, None) => Err(Error::MissingParameter { name: "Interval" }.into()),
        }
    }
}

impl RetainRule {
    fn keep(&self) -> Result<Keep, Refusal> {
        match (self.count, self.interval, self.interval_unit) {
            (Some(count), None, None) => Ok(Keep::Count(count)),
            (None, Some(number), Some(unit)) => Ok(Keep::Age { number, unit: unit.into() }),
            (None, Some(_), None) => Err(Error::MissingParameter { name: "IntervalUnit" }.into()),
            (None, None, _) => Err(Error::MissingParameter { name: "Count" }.into()),
            (Some(_), _, _) => Err(Error::invalid("Count", "must not be there beside Interval").into()),
        }
    }
}

impl From<Unit> for AgeUnit {
    fn from(unit: Unit) -> AgeUnit {
        match unit {
            Unit::Days => AgeUnit::Days,
            Unit::Weeks => AgeUnit::Weeks,
            Unit::Months => AgeUnit::Months,
            Unit::Years => AgeUnit::Years,
        }
    }
}

impl From<AgeUnit> for Unit {
    fn from(unit: AgeUnit) -> Unit {
        match unit {
            AgeUnit::Days => Unit::Days,
            AgeUnit::Weeks => Unit::Weeks,
            AgeUnit::Months => Unit::Months,
            AgeUnit::Years => Unit::Years,
        }
    }
}

impl Details {
    /// The name of the schedule, and the lifecycle without description and role.
    fn read(self) -> Result<(String, Lifecycle), Refusal> {
        only("PolicyType", self.policy_type.as_deref(), KIND)?;
        only("PolicyLanguage", self.policy_language.as_deref(), LANGUAGE)?;
        if self.resource_types.is_empty() {
            return Err(Error::MissingParameter { name: "ResourceTypes" }.into());
        }
        only("ResourceTypes", self.resource_types.first().map(String::as_str), RESOURCE)?;
        only("ResourceLocations", self.resource_locations.first().map(String::as_str), LOCATION)?;
        let mut plans = self.schedules.into_iter();
        let (Some(plan), None) = (plans.next(), plans.next()) else {
            return Err(unsupported("A policy with other than one schedule"));
        };
        let lifecycle = Lifecycle {
            description: String::new(),
            role: String::new(),
            targets: self.target_tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
            when: plan.create_rule.when()?,
            keep: plan.retain_rule.keep()?,
            copy_tags: plan.copy_tags,
            added_tags: tags_of(plan.tags_to_add),
            modified_at: Millis(0),
        };
        Ok((plan.name, lifecycle))
    }
}

/// Refuses every word but one.
fn only(name: &'static str, said: Option<&str>, word: &str) -> Result<(), Refusal> {
    match said {
        Some(said) if said != word => Err(unsupported(format!("{name} other than {word}"))),
        Some(_) | None => Ok(()),
    }
}

/// Refuses a description of other characters than the vendor documents.
fn described(text: String) -> Result<String, Refusal> {
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, ' ' | '_' | '-');
    if text.is_empty() || !text.chars().all(is_fine) {
        return Err(Error::invalid("Description", "must be of letters, digits, spaces, _ and -").into());
    }
    Ok(text)
}

fn id_of(text: &str) -> Result<SnapshotPolicyId, Refusal> {
    let known = text.strip_prefix(PREFIX).and_then(|rest| format!("sp-{rest}").parse().ok());
    Ok(known.ok_or_else(|| Error::not_found(Noun::SnapshotPolicy, text.chars().take(64).collect::<String>()))?)
}

fn shown_id(id: SnapshotPolicyId) -> String {
    let text = id.to_string();
    format!("{PREFIX}{}", text.strip_prefix("sp-").unwrap_or(&text))
}

fn arn(cx: &Cx, id: SnapshotPolicyId) -> String {
    format!("arn:aws:dlm:{}:{}:policy/{}", cx.cloud.region().name, cx.caller.account(), shown_id(id))
}

fn id_of_arn(cx: &Cx, text: &str) -> Result<SnapshotPolicyId, Refusal> {
    let own = format!("arn:aws:dlm:{}:{}:policy/", cx.cloud.region().name, cx.caller.account());
    id_of(text.strip_prefix(&own).unwrap_or(text))
}

/// The parameters of `CreateLifecyclePolicy`.
#[derive(FromArg)]
pub(crate) struct CreateLifecyclePolicy {
    execution_role_arn: String,
    description: String,
    state: State,
    policy_details: Details,
    #[arg(max_items = model::TAGS_MAX)]
    tags: Vec<Tag>,
}

/// The reply of `CreateLifecyclePolicy`.
#[derive(Show)]
pub(crate) struct Created {
    policy_id: String,
}

/// Makes a policy.
pub(crate) async fn create(cx: Cx, asked: CreateLifecyclePolicy) -> Result<Created, Refusal> {
    let (name, details) = asked.policy_details.read()?;
    let lifecycle = Lifecycle { description: described(asked.description)?, role: asked.execution_role_arn, ..details };
    let command = CreateLifecycle { name, lifecycle, active: asked.state == State::Enabled, tags: tags_of(asked.tags) };
    let id = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Created { policy_id: shown_id(id) })
}

/// The parameters of `UpdateLifecyclePolicy`. What is absent stays.
#[derive(FromArg)]
pub(crate) struct UpdateLifecyclePolicy {
    policy_id: String,
    execution_role_arn: Option<String>,
    description: Option<String>,
    state: Option<State>,
    policy_details: Option<Details>,
}

/// Changes a policy.
pub(crate) async fn update(cx: Cx, asked: UpdateLifecyclePolicy) -> Result<(), Refusal> {
    let command = ModifyLifecycle {
        policy: id_of(&asked.policy_id)?,
        description: asked.description.map(described).transpose()?,
        role: asked.execution_role_arn,
        details: asked.policy_details.map(Details::read).transpose()?,
        active: asked.state.map(|state| state == State::Enabled),
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of calls that name one policy.
#[derive(FromArg)]
pub(crate) struct OnePolicy {
    policy_id: String,
}

/// Deletes a policy; its snapshots stay.
pub(crate) async fn delete(cx: Cx, asked: OnePolicy) -> Result<(), Refusal> {
    Ok(cx.cloud.run(&cx.caller, DeleteLifecycle { policy: id_of(&asked.policy_id)? }, cx.options(None)).await?)
}

/// The reply of `GetLifecyclePolicy`.
#[derive(Show)]
pub(crate) struct Got {
    policy: PolicyReply,
}

#[derive(Show)]
#[reply(list = "")]
struct PolicyReply {
    policy_id: String,
    description: String,
    state: State,
    status_message: &'static str,
    execution_role_arn: String,
    date_created: String,
    date_modified: String,
    policy_details: DetailsReply,
    tags: Vec<Tag>,
    policy_arn: String,
    default_policy: bool,
}

#[derive(Show)]
#[reply(list = "")]
struct DetailsReply {
    policy_type: &'static str,
    resource_types: Vec<&'static str>,
    resource_locations: Vec<&'static str>,
    target_tags: Vec<Tag>,
    schedules: Vec<PlanReply>,
    policy_language: &'static str,
}

#[derive(Show)]
#[reply(list = "")]
struct PlanReply {
    name: String,
    copy_tags: bool,
    tags_to_add: Vec<Tag>,
    create_rule: CreateRuleReply,
    retain_rule: RetainRuleReply,
}

#[derive(Show)]
#[reply(list = "")]
struct CreateRuleReply {
    interval: Option<u8>,
    interval_unit: Option<&'static str>,
    #[reply(skip_empty)]
    times: Vec<String>,
    cron_expression: Option<String>,
}

#[derive(Show)]
struct RetainRuleReply {
    count: Option<u32>,
    interval: Option<u32>,
    interval_unit: Option<Unit>,
}

/// Shows one policy.
pub(crate) async fn get(cx: Cx, asked: OnePolicy) -> Result<Got, Refusal> {
    let (policy, lifecycle) = found(&cx, id_of(&asked.policy_id)?).await?;
    let policy = PolicyReply {
        policy_id: shown_id(policy.id),
        state: state_of(&policy),
        status_message: if policy.active { "ENABLED" } else { "DISABLED" },
        date_created: policy.created_at.timestamp().to_string(),
        date_modified: lifecycle.modified_at.timestamp().to_string(),
        policy_details: details(&policy, &lifecycle),
        description: lifecycle.description,
        execution_role_arn: lifecycle.role,
        tags: shown_tags(&policy.tags),
        policy_arn: arn(&cx, policy.id),
        default_policy: false,
    };
    Ok(Got { policy })
}

async fn found(cx: &Cx, id: SnapshotPolicyId) -> Result<(SnapshotPolicy, Lifecycle), Refusal> {
    let rows = cx.cloud.list::<SnapshotPolicy>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?.rows;
    let with = rows.into_iter().find_map(|policy| policy.lifecycle.clone().map(|lifecycle| (policy, lifecycle)));
    Ok(with.ok_or_else(|| Error::not_found(Noun::SnapshotPolicy, shown_id(id)))?)
}

fn state_of(policy: &SnapshotPolicy) -> State {
    if policy.active { State::Enabled } else { State::Disabled }
}

fn details(policy: &SnapshotPolicy, lifecycle: &Lifecycle) -> DetailsReply {
    let create_rule = match &lifecycle.when {
        When::Every { hours, hour, minute } => CreateRuleReply {
            interval: Some(*hours),
            interval_unit: Some("HOURS"),
            times: vec![format!("{hour:02}:{minute:02}")],
            cron_expression: None,
        },
        When::Cron(text) => CreateRuleReply { interval: None, interval_unit: None, times: vec![], cron_expression: Some(text.clone()) },
    };
    let retain_rule = match lifecycle.keep {
        Keep::Count(count) => RetainRuleReply { count: Some(count), interval: None, interval_unit: None },
        Keep::Age { number, unit } => RetainRuleReply { count: None, interval: Some(number), interval_unit: Some(unit.into()) },
    };
    let plan = PlanReply {
        name: policy.name.clone(),
        copy_tags: lifecycle.copy_tags,
        tags_to_add: shown_tags(&lifecycle.added_tags),
        create_rule,
        retain_rule,
    };
    DetailsReply {
        policy_type: KIND,
        resource_types: vec![RESOURCE],
        resource_locations: vec![LOCATION],
        target_tags: shown_tags(lifecycle.targets.iter().map(|(key, value)| (key, value))),
        schedules: vec![plan],
        policy_language: LANGUAGE,
    }
}

/// The parameters of `GetLifecyclePolicies`.
#[derive(FromArg)]
pub(crate) struct GetLifecyclePolicies {
    #[arg(max_items = NAMED_MAX)]
    policy_ids: Vec<String>,
    state: Option<AnyState>,
    #[arg(max_items = 1)]
    resource_types: Vec<String>,
    #[arg(max_items = model::LIFECYCLE_TARGETS_MAX)]
    target_tags: Vec<String>,
    #[arg(max_items = model::LIFECYCLE_TARGETS_MAX)]
    tags_to_add: Vec<String>,
}

/// The reply of `GetLifecyclePolicies`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Policies {
    policies: Vec<Summary>,
}

#[derive(Show)]
#[reply(list = "")]
struct Summary {
    policy_id: String,
    description: String,
    state: State,
    tags: Vec<Tag>,
    policy_type: &'static str,
    default_policy: bool,
}

/// Lists policies. One that is named and is not there is refused.
pub(crate) async fn list(cx: Cx, asked: GetLifecyclePolicies) -> Result<Policies, Refusal> {
    let ids: Vec<SnapshotPolicyId> = asked.policy_ids.iter().map(|id| id_of(id)).collect::<Result<_, _>>()?;
    let rows = cx.cloud.list::<SnapshotPolicy>(&cx.caller, Query { ids, ..Query::default() }).await?.rows;
    let has_state = |policy: &SnapshotPolicy| match asked.state {
        Some(AnyState::Enabled) => policy.active,
        Some(AnyState::Disabled) => !policy.active,
        Some(AnyState::Error) => false,
        None => true,
    };
    // A filter for tags is `key=value`; each of them must be there.
    let has_tags = |wanted: &[String], own: &BTreeSet<(String, String)>| {
        let has = |pair: &String| pair.split_once('=').is_some_and(|(key, value)| own.contains(&(key.to_owned(), value.to_owned())));
        wanted.iter().all(has)
    };
    let wanted = rows.into_iter().filter(has_state).filter_map(|policy| {
        let lifecycle = policy.lifecycle.clone()?;
        let added = lifecycle.added_tags.clone().into_iter().collect();
        let fits = has_tags(&asked.target_tags, &lifecycle.targets)
            && has_tags(&asked.tags_to_add, &added)
            && asked.resource_types.iter().all(|kind| kind == RESOURCE);
        fits.then(|| Summary {
            policy_id: shown_id(policy.id),
            description: lifecycle.description,
            state: state_of(&policy),
            tags: shown_tags(&policy.tags),
            policy_type: KIND,
            default_policy: false,
        })
    });
    Ok(Policies { policies: wanted.collect() })
}

/// The parameters of `ListTagsForResource`.
#[derive(FromArg)]
pub(crate) struct ListTags {
    resource_arn: String,
}

/// The reply of `ListTagsForResource`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Listed {
    tags: Vec<Tag>,
}

/// Lists the tags of a policy.
pub(crate) async fn list_tags(cx: Cx, asked: ListTags) -> Result<Listed, Refusal> {
    let (policy, _) = found(&cx, id_of_arn(&cx, &asked.resource_arn)?).await?;
    Ok(Listed { tags: shown_tags(&policy.tags) })
}

/// The parameters of `TagResource`.
#[derive(FromArg)]
pub(crate) struct TagResource {
    resource_arn: String,
    #[arg(max_items = model::TAGS_MAX)]
    tags: Vec<Tag>,
}

/// Gives a policy tags.
pub(crate) async fn tag(cx: Cx, asked: TagResource) -> Result<(), Refusal> {
    let policy = id_of_arn(&cx, &asked.resource_arn)?;
    let command = ChangeLifecycleTags { policy, add: tags_of(asked.tags), remove: BTreeSet::new() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of `UntagResource`.
#[derive(FromArg)]
pub(crate) struct UntagResource {
    resource_arn: String,
    #[arg(max_items = model::TAGS_MAX)]
    tag_keys: Vec<String>,
}

/// Takes tags of a policy away.
pub(crate) async fn untag(cx: Cx, asked: UntagResource) -> Result<(), Refusal> {
    let policy = id_of_arn(&cx, &asked.resource_arn)?;
    let command = ChangeLifecycleTags { policy, add: Tags::new(), remove: asked.tag_keys.into_iter().collect() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}
