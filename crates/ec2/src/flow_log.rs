//! Flow logs. What they tell is read through CloudWatch Logs (`logs.rs`).

use control::{CreateFlowLogs as Create, DeleteFlowLogs as Delete, Query};
use jiff::Timestamp;
use model::{Error, FlowFormat, FlowLog, FlowLogResource, FlowLogState, FlowTraffic, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination, unsupported};
use crate::filter::{self, AskedFilter};
use crate::logs;
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};

/// What flow logs do not have here.
pub(crate) const ABSENT: &[&str] = &["DeliverCrossAccountRole", "DestinationOptions"];
/// Seconds in which flows may be aggregated unless the client says otherwise (EC2).
const INTERVAL: u32 = 600;
/// The seconds that a client may say.
const INTERVALS: [u32; 2] = [60, INTERVAL];
/// Characters of a role's ARN.
const ARN_MAX: usize = 2_048;

/// The parameters of `CreateFlowLogs`.
#[derive(FromArg)]
pub(crate) struct CreateFlowLogs {
    #[arg(name = "ResourceId")]
    resources: Vec<String>,
    resource_type: ResourceType,
    traffic_type: Option<TrafficType>,
    log_destination_type: Option<DestinationType>,
    log_group_name: Option<String>,
    log_destination: Option<String>,
    #[arg(max_len = ARN_MAX)]
    deliver_logs_permission_arn: Option<String>,
    log_format: Option<String>,
    max_aggregation_interval: Option<u32>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
    client_token: Option<String>,
}

#[derive(FromArg, Clone, Copy, PartialEq, Eq)]
enum ResourceType {
    #[arg(name = "VPC")]
    Vpc,
    Subnet,
    NetworkInterface,
    TransitGateway,
    TransitGatewayAttachment,
    RegionalNatGateway,
}

#[derive(FromArg, Clone, Copy, PartialEq, Eq)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum TrafficType {
    Accept,
    Reject,
    All,
}

#[derive(FromArg, Clone, Copy, PartialEq, Eq)]
#[arg(rename = "kebab-case")]
enum DestinationType {
    CloudWatchLogs,
    S3,
    KinesisDataFirehose,
}

/// The reply of `CreateFlowLogs`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    flow_log_id_set: Vec<String>,
    client_token: Option<String>,
    /// Nothing is half done: what one thing stands in the way of is refused as a whole.
    unsuccessful: Vec<String>,
}

/// The reply of `DeleteFlowLogs`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Deleted {
    /// Nothing is half done: what one thing stands in the way of is refused as a whole.
    unsuccessful: Vec<String>,
}

/// Makes flow logs.
pub(crate) async fn create(cx: Cx, asked: CreateFlowLogs) -> Result<Created, Refusal> {
    match asked.log_destination_type {
        None | Some(DestinationType::CloudWatchLogs) => {}
        Some(DestinationType::S3) => return Err(unsupported("The log destination type 's3'")),
        Some(DestinationType::KinesisDataFirehose) => return Err(unsupported("The log destination type 'kinesis-data-firehose'")),
    }
    let resource = |text: &String| -> Result<FlowLogResource, Refusal> {
        Ok(match asked.resource_type {
            ResourceType::Vpc => FlowLogResource::Vpc(tag::id(Noun::Vpc, text)?),
            ResourceType::Subnet => FlowLogResource::Subnet(tag::id(Noun::Subnet, text)?),
            ResourceType::NetworkInterface => FlowLogResource::Interface(tag::id(Noun::Interface, text)?),
            ResourceType::TransitGateway | ResourceType::TransitGatewayAttachment | ResourceType::RegionalNatGateway => {
                return Err(unsupported("A flow log of a transit gateway or of a regional NAT gateway"));
            }
        })
    };
    let resources = asked.resources.iter().map(resource).collect::<Result<_, _>>()?;
    let traffic = match asked.traffic_type.ok_or(Error::MissingParameter { name: "TrafficType" })? {
        TrafficType::Accept => FlowTraffic::Accept,
        TrafficType::Reject => FlowTraffic::Reject,
        TrafficType::All => FlowTraffic::All,
    };
    let interval_seconds = asked.max_aggregation_interval.unwrap_or(INTERVAL);
    if !INTERVALS.contains(&interval_seconds) {
        return Err(Error::invalid("MaxAggregationInterval", "must be 60 or 600").into());
    }
    let command = Create {
        resources,
        within: None,
        name: String::new(),
        description: String::new(),
        traffic,
        group: destination(&cx, asked.log_group_name, asked.log_destination)?,
        format: asked.log_format.as_deref().filter(|text| !text.is_empty()).map_or_else(|| Ok(FlowFormat::default()), FlowFormat::parse)?,
        interval_seconds,
        delivery_role: asked.deliver_logs_permission_arn.filter(|arn| !arn.is_empty()),
        tags: tag::specified(&asked.tags, "vpc-flow-log", &["vpc-flow-log"])?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token.clone())).await?;
    let flow_log_id_set = made.iter().map(ToString::to_string).collect();
    Ok(Created { flow_log_id_set, client_token: asked.client_token, unsuccessful: vec![] })
}

/// The log group that is named, by its name or its ARN.
fn destination(cx: &Cx, name: Option<String>, arn: Option<String>) -> Result<String, Refusal> {
    let of_arn =
        |arn: &String| logs::group_of_arn(cx, arn).ok_or_else(|| Error::invalid("LogDestination", "is no log group of this account"));
    match (name.filter(|name| !name.is_empty()), arn.filter(|arn| !arn.is_empty())) {
        (Some(_), Some(_)) => Err(combination("Please only provide LogGroupName or only provide LogDestination.")),
        (Some(name), None) => Ok(name),
        (None, Some(arn)) => Ok(of_arn(&arn)?),
        (None, None) => Err(Error::MissingParameter { name: "LogGroupName" }.into()),
    }
}

/// The parameters of `DeleteFlowLogs`.
#[derive(FromArg)]
pub(crate) struct DeleteFlowLogs {
    #[arg(name = "FlowLogId")]
    ids: Vec<String>,
}

/// Deletes flow logs.
pub(crate) async fn delete(cx: Cx, asked: DeleteFlowLogs) -> Result<Deleted, Refusal> {
    cx.cloud.run(&cx.caller, Delete { ids: tag::ids(Noun::FlowLog, &asked.ids)?, within: None }, cx.options(None)).await?;
    Ok(Deleted { unsuccessful: vec![] })
}

/// The parameters of `DescribeFlowLogs`.
#[derive(FromArg)]
pub(crate) struct DescribeFlowLogs {
    #[arg(name = "FlowLogId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeFlowLogs`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct FlowLogs {
    flow_log_set: Vec<FlowLogItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct FlowLogItem {
    creation_time: Timestamp,
    deliver_logs_permission_arn: Option<String>,
    deliver_logs_status: &'static str,
    flow_log_id: String,
    flow_log_status: &'static str,
    log_group_name: String,
    resource_id: String,
    traffic_type: &'static str,
    log_destination_type: &'static str,
    log_destination: String,
    log_format: String,
    max_aggregation_interval: u32,
    tag_set: Vec<TagItem>,
}

/// Lists flow logs.
pub(crate) async fn describe(cx: Cx, asked: DescribeFlowLogs) -> Result<FlowLogs, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::FLOW_LOG, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::FlowLog, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<FlowLog>(&cx.caller, query).await?;
    let item = |log: &FlowLog| FlowLogItem {
        creation_time: log.created_at.timestamp(),
        deliver_logs_permission_arn: log.delivery_role.clone(),
        deliver_logs_status: "SUCCESS",
        flow_log_id: log.id.to_string(),
        flow_log_status: match log.state {
            FlowLogState::On | FlowLogState::OnAgain { .. } => "ACTIVE",
            // EC2 has no such thing; another dialect turned it off.
            FlowLogState::Off => "INACTIVE",
        },
        log_group_name: log.group.clone(),
        resource_id: log.resource.to_string(),
        traffic_type: log.traffic.word(),
        log_destination_type: "cloud-watch-logs",
        log_destination: logs::arn(&cx, &log.group),
        log_format: log.format.to_string(),
        max_aggregation_interval: log.interval_seconds,
        tag_set: tag::items(&log.tags),
    };
    Ok(FlowLogs { flow_log_set: listed.rows.iter().map(item).collect(), next_token: pages.after(listed.next) })
}
