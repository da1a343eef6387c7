//! Flow logs. A topic of the log service is a log group here, and what is told is read through CloudWatch Logs' calls, because this cloud
//! has no log service of Tencent's. A record has the fields that Tencent documents for interfaces, which are EC2's default.

use control::{CreateFlowLogs, DeleteFlowLogs, DisableFlowLogs, EnableFlowLogs, Field, Filter, ModifyFlowLog, OrderKey, Query};
use model::{
    Error, FLOW_LOG_DESCRIPTION_MAX, FlowFormat, FlowLog, FlowLogId, FlowLogResource, FlowTraffic, InterfaceId, Noun, SubnetId, VpcId,
};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FilterArg, Filters};
use crate::id;
use crate::order::{self, OrderDirection};
use crate::page::LIMIT_MAX;
use crate::tag::{TagArg, TagReply};
use crate::{Cx, tag, time};

/// What of a flow log is for other things than VPCs and for other stores than the log service's.
pub(crate) const CREATE_ABSENT: &[&str] = &["FlowLogStorage", "Period"];
/// The same of a change.
pub(crate) const MODIFY_ABSENT: &[&str] = &["Period"];
/// Flow logs of a page when no limit is given (VPC documents 10).
const LIMIT: usize = 10;
/// Longest name in characters.
const NAME_MAX: usize = 60;
/// Seconds in which flows are aggregated at most; VPC's calls do not name them.
const INTERVAL_SECONDS: u32 = 600;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum ResourceType {
    Subnet,
    Vpc,
    #[arg(name = "NETWORKINTERFACE")]
    Interface,
    Ccn,
    Nat,
    Dcg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum TrafficType {
    Accept,
    Reject,
    All,
}

impl TrafficType {
    const fn traffic(self) -> FlowTraffic {
        match self {
            TrafficType::Accept => FlowTraffic::Accept,
            TrafficType::Reject => FlowTraffic::Reject,
            TrafficType::All => FlowTraffic::All,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "kebab-case")]
enum StorageType {
    Cls,
    Ckafka,
}

/// `CreateFlowLog`.
#[derive(FromArg)]
pub(crate) struct CreateFlowLog {
    #[arg(max_len = NAME_MAX)]
    flow_log_name: String,
    resource_type: ResourceType,
    resource_id: String,
    traffic_type: TrafficType,
    vpc_id: Option<String>,
    #[arg(max_len = FLOW_LOG_DESCRIPTION_MAX)]
    flow_log_description: Option<String>,
    cloud_log_id: Option<String>,
    cloud_log_region: Option<String>,
    storage_type: Option<StorageType>,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Flow logs without how many there are.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Told {
    flow_log: Vec<FlowLogReply>,
}

/// Makes a flow log, which is on at once.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateFlowLog) -> Result<Told, Fault> {
    if asked.storage_type == Some(StorageType::Ckafka) {
        return Err(Fault::unsupported("The storage type 'ckafka'"));
    }
    if asked.cloud_log_region.is_some_and(|region| !region.is_empty() && region != cx.region()) {
        return Err(Fault::unsupported("A flow log that is kept in another region"));
    }
    let resource = match asked.resource_type {
        ResourceType::Vpc => FlowLogResource::Vpc(id::read(&asked.resource_id)?),
        ResourceType::Subnet => FlowLogResource::Subnet(id::read(&asked.resource_id)?),
        ResourceType::Interface => FlowLogResource::Interface(id::read(&asked.resource_id)?),
        ResourceType::Ccn | ResourceType::Nat | ResourceType::Dcg => {
            return Err(Fault::unsupported("A flow log of a cloud connect network, a NAT gateway or a direct connect gateway"));
        }
    };
    let within: VpcId = id::read(&asked.vpc_id.ok_or_else(|| Fault::missing("VpcId"))?)?;
    let group = asked.cloud_log_id.filter(|group| !group.is_empty()).ok_or_else(|| Fault::missing("CloudLogId"))?;
    let command = CreateFlowLogs {
        resources: vec![resource],
        within: Some(within),
        name: asked.flow_log_name,
        description: asked.flow_log_description.unwrap_or_default(),
        traffic: asked.traffic_type.traffic(),
        group,
        format: FlowFormat::default(),
        interval_seconds: INTERVAL_SECONDS,
        delivery_role: None,
        tags: tag::tags_of(asked.tags)?,
    };
    let ids = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    let made = cx.cloud.flow_logs_made(ids).await?;
    Ok(Told { flow_log: made.iter().map(|log| reply(cx, log)).collect() })
}

/// A call about one flow log of a VPC.
#[derive(FromArg)]
pub(crate) struct Named {
    flow_log_id: String,
    vpc_id: Option<String>,
}

impl Named {
    fn id(&self) -> Result<FlowLogId, Fault> {
        id::read(&self.flow_log_id)
    }

    /// The VPC that the call says it is in.
    fn within(&self) -> Result<Option<VpcId>, Fault> {
        self.vpc_id.as_deref().filter(|text| !text.is_empty()).map(id::read).transpose()
    }
}

/// Tells one flow log.
pub(crate) async fn describe_one(cx: &Cx<'_>, asked: Named) -> Result<Told, Fault> {
    let (id, within) = (asked.id()?, asked.within()?);
    let listed = cx.cloud.list::<FlowLog>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    let found = listed.rows.iter().find(|log| within.is_none() || log.vpc() == within);
    Ok(Told { flow_log: vec![reply(cx, found.ok_or_else(|| Error::not_found(Noun::FlowLog, id))?)] })
}

/// Deletes a flow log; what it told stays in its log group.
pub(crate) async fn delete(cx: &Cx<'_>, asked: Named) -> Result<(), Fault> {
    let command = DeleteFlowLogs { ids: vec![asked.id()?], within: asked.within()? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `ModifyFlowLogAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyFlowLogAttribute {
    #[arg(flatten)]
    named: Named,
    #[arg(max_len = NAME_MAX)]
    flow_log_name: Option<String>,
    #[arg(max_len = FLOW_LOG_DESCRIPTION_MAX)]
    flow_log_description: Option<String>,
}

/// Changes what is said of a flow log.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyFlowLogAttribute) -> Result<(), Fault> {
    let command = ModifyFlowLog {
        log: asked.named.id()?,
        within: asked.named.within()?,
        name: asked.flow_log_name,
        description: asked.flow_log_description,
        interval_seconds: None,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// A call about several flow logs.
#[derive(FromArg)]
pub(crate) struct Several {
    #[arg(max_items = LIMIT_MAX)]
    flow_log_ids: Vec<String>,
}

/// Has flow logs tell of packets again.
pub(crate) async fn enable(cx: &Cx<'_>, asked: Several) -> Result<(), Fault> {
    let ids = id::read_some("FlowLogIds", &asked.flow_log_ids)?;
    Ok(cx.cloud.run(&cx.caller, EnableFlowLogs { ids }, cx.options()).await?)
}

/// Has flow logs tell of nothing.
pub(crate) async fn disable(cx: &Cx<'_>, asked: Several) -> Result<(), Fault> {
    let ids = id::read_some("FlowLogIds", &asked.flow_log_ids)?;
    Ok(cx.cloud.run(&cx.caller, DisableFlowLogs { ids }, cx.options()).await?)
}

/// What flow logs are put in order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "camelCase")]
enum FlowLogOrder {
    FlowLogName,
    CreateTime,
}

/// `DescribeFlowLogs`. It has one filter where other lists have many.
#[derive(FromArg)]
pub(crate) struct DescribeFlowLogs {
    vpc_id: Option<String>,
    flow_log_id: Option<String>,
    flow_log_name: Option<String>,
    resource_type: Option<ResourceType>,
    resource_id: Option<String>,
    traffic_type: Option<TrafficType>,
    cloud_log_id: Option<String>,
    cloud_log_state: Option<String>,
    cloud_log_region: Option<String>,
    filters: Option<FilterArg>,
    order_field: Option<FlowLogOrder>,
    #[arg(default = OrderDirection::Desc)]
    order_direction: OrderDirection,
    #[arg(default)]
    offset: usize,
    #[arg(default = LIMIT, range = 1..=LIMIT_MAX)]
    limit: usize,
}

/// A page of flow logs.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct FlowLogs {
    flow_log: Vec<FlowLogReply>,
    total_num: usize,
}

#[derive(Show)]
#[reply(list = "")]
struct FlowLogReply {
    vpc_id: String,
    flow_log_id: String,
    flow_log_name: String,
    resource_type: &'static str,
    resource_id: String,
    traffic_type: &'static str,
    cloud_log_id: String,
    cloud_log_state: &'static str,
    cloud_log_region: String,
    flow_log_description: String,
    created_time: String,
    enable: bool,
    storage_type: &'static str,
    flow_log_storage: Storage,
    tag_set: Vec<TagReply>,
}

#[derive(Show)]
struct Storage {
    storage_id: &'static str,
    storage_topic: &'static str,
}

/// Lists flow logs, those of other dialects too; the newest first.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeFlowLogs) -> Result<FlowLogs, Fault> {
    let mut filters = Filters::read(asked.filters.as_slice(), |_| None)?;
    let kind = asked.resource_type.map(|kind| match kind {
        ResourceType::Vpc => "vpc",
        ResourceType::Subnet => "subnet",
        ResourceType::Interface => "interface",
        ResourceType::Ccn | ResourceType::Nat | ResourceType::Dcg => "none",
    });
    let texts = [
        (By::id::<VpcId>(Field::Vpc), asked.vpc_id),
        (By::id::<FlowLogId>(Field::Id), asked.flow_log_id),
        (By::Is(Field::Name), asked.flow_log_name),
        (By::Is(Field::ResourceKind), kind.map(str::to_owned)),
        (By::Id(Field::Resource, resource), asked.resource_id),
        (By::Is(Field::Kind), asked.traffic_type.map(|kind| kind.traffic().word().to_owned())),
        (By::Is(Field::LogGroup), asked.cloud_log_id),
        (By::Always(&["SUCCESS"]), asked.cloud_log_state),
    ];
    for (by, text) in texts {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            filters.push(by, &[text]);
        }
    }
    let mut filters = filters.into_vec();
    if asked.cloud_log_region.is_some_and(|region| !region.is_empty() && region != cx.region()) {
        filters.push(Filter { field: Field::Id, values: vec![] });
    }
    let query = Query { ids: vec![], filters, page: control::Page::From { skip: asked.offset, size: asked.limit } };
    let made: fn(&FlowLog) -> OrderKey = |log| OrderKey::At(log.created_at);
    let by = asked.order_field.map(|field| match field {
        FlowLogOrder::CreateTime => made,
        FlowLogOrder::FlowLogName => |log: &FlowLog| OrderKey::Text(log.name.clone()),
    });
    let listed = order::list::<FlowLog>(cx, query, by, Some(asked.order_direction), made).await?;
    Ok(FlowLogs { flow_log: listed.rows.iter().map(|log| reply(cx, log)).collect(), total_num: listed.total })
}

/// Our text of the id of what a flow log is of.
fn resource(text: &str) -> Option<String> {
    id::ours::<VpcId>(text).or_else(|| id::ours::<SubnetId>(text)).or_else(|| id::ours::<InterfaceId>(text))
}

fn reply(cx: &Cx<'_>, log: &FlowLog) -> FlowLogReply {
    let (resource_type, resource_id) = match log.resource {
        FlowLogResource::Vpc(id) => ("VPC", id::shown(id)),
        FlowLogResource::Subnet(id) => ("SUBNET", id::shown(id)),
        FlowLogResource::Interface(id) => ("NETWORKINTERFACE", id::shown(id)),
    };
    FlowLogReply {
        vpc_id: id::shown_or_empty(log.vpc()),
        flow_log_id: id::shown(log.id),
        flow_log_name: log.name.clone(),
        resource_type,
        resource_id,
        traffic_type: log.traffic.word(),
        cloud_log_id: log.group.clone(),
        // A log group that was deleted is made anew by the next record.
        cloud_log_state: "SUCCESS",
        cloud_log_region: cx.region(),
        flow_log_description: log.description.clone(),
        created_time: time::by_beijing(log.created_at.timestamp()),
        enable: log.is_on(),
        storage_type: "cls",
        flow_log_storage: Storage { storage_id: "", storage_topic: "" },
        tag_set: tag::replies(&log.tags),
    }
}
