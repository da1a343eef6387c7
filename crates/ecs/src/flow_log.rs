//! Flow logs of VPC. A project and a Logstore of the log service are one log group here, `project/logstore`; what is told is read through
//! CloudWatch Logs' calls, because this cloud has no log service of Alibaba's.

use control::{CreateFlowLogs, DeleteFlowLogs, DisableFlowLogs, EnableFlowLogs, Field, ModifyFlowLog, Query};
use jiff::Timestamp;
use model::{FlowFormat, FlowLog, FlowLogId, FlowLogResource, FlowLogState, FlowTraffic, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{Numbered, SHORT_PAGE_MAX};
use crate::parameter::Absent;
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// What flow logs do not have here.
pub(crate) const ABSENT: &[Absent] =
    &[("IpVersion", "only DualStack: records are of both versions of IP"), ("LogFormat", "records have all fields that they have here")];
/// Flow logs of a page when no number is asked for (VPC documents 20).
const PAGE_SIZE: usize = 20;
/// Minutes in which flows are aggregated at most unless the client says otherwise.
const INTERVAL_MINUTES: u32 = 10;
/// Most minutes that are looked at, so that their seconds are a number.
const INTERVAL_MINUTES_MAX: u32 = 60;
/// The only path that packets are told of: every one.
const EVERY_PATH: &str = "all";
/// Paths that one call names.
const PATHS_MAX: usize = 10;
/// Longest description in characters.
const DESCRIPTION_MAX: usize = 256;
/// Characters of a project's and of a Logstore's name (both: 3 to 63).
const STORE_CHARS: std::ops::RangeInclusive<usize> = 3..=63;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum ResourceType {
    NetworkInterface,
    VSwitch,
    #[arg(name = "VPC")]
    Vpc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum TrafficType {
    All,
    Allow,
    Drop,
}

impl TrafficType {
    const fn traffic(self) -> FlowTraffic {
        match self {
            TrafficType::All => FlowTraffic::All,
            TrafficType::Allow => FlowTraffic::Accept,
            TrafficType::Drop => FlowTraffic::Reject,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Status {
    Active,
    Activating,
    Inactive,
}

/// `CreateFlowLog`.
#[derive(FromArg)]
pub(crate) struct CreateFlowLog {
    resource_type: ResourceType,
    resource_id: String,
    traffic_type: TrafficType,
    project_name: String,
    log_store_name: String,
    flow_log_name: Option<String>,
    #[arg(max_len = DESCRIPTION_MAX)]
    description: Option<String>,
    #[arg(range = 1..=INTERVAL_MINUTES_MAX)]
    aggregation_interval: Option<u32>,
    #[arg(max_items = PATHS_MAX)]
    traffic_path: Vec<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    flow_log_id: String,
    resource_group_id: &'static str,
    success: &'static str,
}

/// Makes a flow log, which is active at once.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateFlowLog) -> Result<Created, Fault> {
    if let Some(path) = asked.traffic_path.iter().find(|path| *path != EVERY_PATH) {
        return Err(Fault::unsupported_parameter(format!("The value '{}' of the parameter TrafficPath (only all)", shown(path))));
    }
    let resource = match asked.resource_type {
        ResourceType::NetworkInterface => FlowLogResource::Interface(id(Noun::Interface, &asked.resource_id)?),
        ResourceType::VSwitch => FlowLogResource::Subnet(id(Noun::Subnet, &asked.resource_id)?),
        ResourceType::Vpc => FlowLogResource::Vpc(id(Noun::Vpc, &asked.resource_id)?),
    };
    check_store("ProjectName", &asked.project_name, "-")?;
    check_store("LogStoreName", &asked.log_store_name, "-_")?;
    let command = CreateFlowLogs {
        resources: vec![resource],
        within: None,
        name: asked.flow_log_name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        traffic: asked.traffic_type.traffic(),
        group: format!("{}/{}", asked.project_name, asked.log_store_name),
        format: FlowFormat::alibaba(),
        interval_seconds: asked.aggregation_interval.unwrap_or(INTERVAL_MINUTES) * 60,
        delivery_role: None,
        tags: tags_of(asked.tags)?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    let flow_log_id = made.first().map(ToString::to_string).unwrap_or_default();
    Ok(Created { flow_log_id, resource_group_id: "", success: "true" })
}

/// The rules for names of projects and of Logstores, which differ in the signs that may stand inside.
fn check_store(parameter: &str, name: &str, signs: &str) -> Result<(), Fault> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_good = STORE_CHARS.contains(&name.len())
        && name.chars().all(|c| is_plain(c) || signs.contains(c))
        && name.starts_with(is_plain)
        && name.ends_with(is_plain);
    if is_good {
        return Ok(());
    }
    let reason = format!("it must have 3 to 63 lowercase letters, digits and characters of {signs}, with a letter or digit at both ends");
    Err(Fault::invalid(parameter, reason))
}

fn shown(text: &str) -> String {
    text.chars().take(wire::SHOWN_CHARS).collect()
}

/// A call about one flow log.
#[derive(FromArg)]
pub(crate) struct Named {
    flow_log_id: String,
}

/// The reply to a change.
#[derive(Show)]
pub(crate) struct Done {
    success: &'static str,
}

const DONE: Done = Done { success: "true" };

fn read(text: &str) -> Result<FlowLogId, Fault> {
    id(Noun::FlowLog, text)
}

/// Has a flow log tell of packets again.
pub(crate) async fn activate(cx: &Cx<'_>, asked: Named) -> Result<Done, Fault> {
    cx.cloud.run(&cx.caller, EnableFlowLogs { ids: vec![read(&asked.flow_log_id)?] }, cx.options()?).await?;
    Ok(DONE)
}

/// Has a flow log tell of nothing.
pub(crate) async fn deactivate(cx: &Cx<'_>, asked: Named) -> Result<Done, Fault> {
    cx.cloud.run(&cx.caller, DisableFlowLogs { ids: vec![read(&asked.flow_log_id)?] }, cx.options()?).await?;
    Ok(DONE)
}

/// Deletes a flow log; what it told stays in its log group.
pub(crate) async fn delete(cx: &Cx<'_>, asked: Named) -> Result<Done, Fault> {
    cx.cloud.run(&cx.caller, DeleteFlowLogs { ids: vec![read(&asked.flow_log_id)?], within: None }, cx.options()?).await?;
    Ok(DONE)
}

/// `ModifyFlowLogAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyFlowLogAttribute {
    flow_log_id: String,
    flow_log_name: Option<String>,
    #[arg(max_len = DESCRIPTION_MAX)]
    description: Option<String>,
    #[arg(range = 1..=INTERVAL_MINUTES_MAX)]
    aggregation_interval: Option<u32>,
}

/// Changes what is said of a flow log.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyFlowLogAttribute) -> Result<Done, Fault> {
    let command = ModifyFlowLog {
        log: read(&asked.flow_log_id)?,
        within: None,
        name: asked.flow_log_name,
        description: asked.description,
        interval_seconds: asked.aggregation_interval.map(|minutes| minutes * 60),
    };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(DONE)
}

/// `DescribeFlowLogs`.
#[derive(FromArg)]
pub(crate) struct DescribeFlowLogs {
    flow_log_id: Option<String>,
    flow_log_name: Option<String>,
    description: Option<String>,
    resource_type: Option<ResourceType>,
    resource_id: Option<String>,
    traffic_type: Option<TrafficType>,
    project_name: Option<String>,
    log_store_name: Option<String>,
    status: Option<Status>,
    vpc_id: Option<String>,
    resource_group_id: Option<String>,
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

/// A page of flow logs, whose numbers this service alone writes as texts.
#[derive(Show)]
pub(crate) struct FlowLogs {
    #[reply(list = "FlowLog")]
    flow_logs: Vec<FlowLogReply>,
    page_number: String,
    page_size: String,
    total_count: String,
    success: &'static str,
}

#[derive(Show)]
struct FlowLogReply {
    flow_log_id: String,
    flow_log_name: String,
    description: String,
    creation_time: Timestamp,
    region_id: String,
    resource_id: String,
    resource_type: &'static str,
    resource_group_id: &'static str,
    traffic_type: &'static str,
    #[reply(list = "TrafficPathList")]
    traffic_path: Vec<&'static str>,
    ip_version: &'static str,
    project_name: String,
    log_store_name: String,
    aggregation_interval: u32,
    status: &'static str,
    business_status: &'static str,
    flow_log_deliver_status: &'static str,
    flow_log_deliver_error_message: &'static str,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

/// Lists flow logs, those of other dialects too.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeFlowLogs) -> Result<FlowLogs, Fault> {
    let mut filters = Filters::new();
    let kind = asked.resource_type.map(|kind| match kind {
        ResourceType::NetworkInterface => "interface",
        ResourceType::VSwitch => "subnet",
        ResourceType::Vpc => "vpc",
    });
    let state = asked.status.map(|status| match status {
        Status::Active => "active",
        // It is active as soon as it is made.
        Status::Activating => "activating",
        Status::Inactive => "inactive",
    });
    filters
        .exact(Field::Id, asked.flow_log_id.as_ref())
        .exact(Field::Name, asked.flow_log_name.as_ref())
        .exact(Field::Description, asked.description.as_ref())
        .exact(Field::ResourceKind, kind)
        .exact(Field::Resource, asked.resource_id.as_ref())
        .exact(Field::Kind, asked.traffic_type.map(|kind| kind.traffic().word()))
        .exact(Field::LogFolder, asked.project_name.as_ref())
        .exact(Field::LogName, asked.log_store_name.as_ref())
        .exact(Field::State, state)
        .exact(Field::Vpc, asked.vpc_id.as_ref())
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let numbered = Numbered { page_size: asked.numbered.page_size.or(Some(PAGE_SIZE)), ..asked.numbered };
    let query = Query { ids: vec![], filters: filters.into_vec(), page: numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list::<FlowLog>(&cx.caller, query).await?;
    let numbers = numbered.numbers(&listed);
    Ok(FlowLogs {
        flow_logs: listed.rows.into_iter().map(|log| reply(cx, log)).collect(),
        page_number: numbers.page_number.to_string(),
        page_size: numbers.page_size.to_string(),
        total_count: numbers.total_count.to_string(),
        success: "true",
    })
}

fn reply(cx: &Cx<'_>, log: FlowLog) -> FlowLogReply {
    let (project, store) = log.group_parts();
    FlowLogReply {
        flow_log_id: log.id.to_string(),
        creation_time: log.created_at.timestamp(),
        region_id: cx.region(),
        resource_id: log.resource.to_string(),
        resource_type: match log.resource {
            FlowLogResource::Vpc(_) => "VPC",
            FlowLogResource::Subnet(_) => "VSwitch",
            FlowLogResource::Interface(_) => "NetworkInterface",
        },
        resource_group_id: "",
        traffic_type: match log.traffic {
            FlowTraffic::Accept => "Allow",
            FlowTraffic::Reject => "Drop",
            FlowTraffic::All => "All",
        },
        traffic_path: vec![EVERY_PATH],
        ip_version: "DualStack",
        project_name: project.to_owned(),
        log_store_name: store.to_owned(),
        aggregation_interval: log.interval_seconds / 60,
        status: match log.state {
            FlowLogState::On | FlowLogState::OnAgain { .. } => "Active",
            FlowLogState::Off => "Inactive",
        },
        business_status: "Normal",
        flow_log_deliver_status: "SUCCESS",
        flow_log_deliver_error_message: "",
        tags: vpc_tag_replies(&log.tags),
        flow_log_name: log.name,
        description: log.description,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stores_are_those_of_the_vendor() {
        for (name, signs, is_good) in [
            ("my-logs", "-", true),
            ("my_logs", "-", false),
            ("my_logs", "-_", true),
            ("ab", "-", false),
            ("-ab", "-", false),
            ("ab-", "-", false),
            ("Logs", "-", false),
            ("a/b", "-", false),
            (&"a".repeat(63), "-", true),
            (&"a".repeat(64), "-", false),
            ("", "-", false),
        ] {
            assert_eq!(check_store("ProjectName", name, signs).is_ok(), is_good, "{name}");
        }
    }
}
