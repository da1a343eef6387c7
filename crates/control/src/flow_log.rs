//! Flow logs: of what they are, what hosts are told of them, and what hosts tell.
//!
//! ```text
//!   Create-, Enable-, DisableFlowLogs ─▶ rows ─▶ documents of the VPC's hosts: LoggedNic
//!   host ─ FlowReport ─▶ take_flows ─▶ lines of each flow log ─▶ LogBlocks in its log group, in the stream of the interface
//! ```
//!
//! A part that is told twice makes the same blocks, so it counts once.

use std::collections::{BTreeMap, BTreeSet};

use hostspec::{FlowReport, LoggedNic, NicSpec};
use model::{
    AGGREGATION_SECONDS, AccountId, Error, FLOW_LOG_RESOURCES_MAX, FLOW_LOGS_MAX, FLOW_LOGS_PER_RESOURCE, FlowBatch, FlowFormat, FlowLog,
    FlowLogId, FlowLogResource, FlowLogState, FlowScene, FlowTraffic, HostId, Instance, Interface, LOG_BLOCK_MESSAGES, LOG_BYTES_MAX,
    LogBlock, Millis, Noun, Subnet, Tags, Vpc, VpcId, add_tags, check_log_group_name, check_name,
};
use serde::Serialize;
use store::{Tx, WriteError};

use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::log_group::{append, group_made};
use crate::network::touch_vpc;
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Batches of which one transaction writes the lines, so that it holds nobody up.
const TAKEN_AT_ONCE: usize = 20;

/// Makes a flow log for each of these things; all or none.
#[derive(Debug, Clone, Serialize)]
pub struct CreateFlowLogs {
    /// What they are of.
    pub resources: Vec<FlowLogResource>,
    /// The VPC that the caller says they are in; what is in another is not there.
    pub within: Option<VpcId>,
    /// Display name of each.
    pub name: String,
    /// Description of each.
    pub description: String,
    /// Which packets they tell of.
    pub traffic: FlowTraffic,
    /// The log group that they write to; it is made where it is not there.
    pub group: String,
    /// How a line is written.
    pub format: FlowFormat,
    /// Seconds in which flows may be aggregated at most.
    pub interval_seconds: u32,
    /// The role that the client names for the delivery.
    pub delivery_role: Option<String>,
    /// Tags of each.
    pub tags: Tags,
}

/// Changes what is said of a flow log. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyFlowLog {
    /// Which one.
    pub log: FlowLogId,
    /// The VPC that the caller says it is in; one that is in another is not there.
    pub within: Option<VpcId>,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Seconds in which flows may be aggregated at most.
    pub interval_seconds: Option<u32>,
}

/// Has flow logs tell of packets from now on; those that do already go on. All or none.
#[derive(Debug, Clone, Serialize)]
pub struct EnableFlowLogs {
    /// Which ones.
    pub ids: Vec<FlowLogId>,
}

/// Has flow logs tell of nothing; what they wrote stays. All or none.
#[derive(Debug, Clone, Serialize)]
pub struct DisableFlowLogs {
    /// Which ones.
    pub ids: Vec<FlowLogId>,
}

/// Deletes flow logs; all or none. What they wrote stays.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteFlowLogs {
    /// Which ones.
    pub ids: Vec<FlowLogId>,
    /// The VPC that the caller says they are in; those that are in another are not there.
    pub within: Option<VpcId>,
}

impl Command for CreateFlowLogs {
    type Reply = Vec<FlowLogId>;
    const NAME: &'static str = "CreateFlowLogs";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let account = cx.caller.account();
        let made = Target { path: Some("vpc-flow-log/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        let mut targets = vec![made];
        for resource in self.resources.iter().take(FLOW_LOG_RESOURCES_MAX) {
            let (kind, tags) = match resource {
                FlowLogResource::Vpc(id) => ("vpc", tx.get::<Vpc>(*id)?.filter(|row| row.account == account).map(|row| row.tags)),
                FlowLogResource::Subnet(id) => ("subnet", tx.get::<Subnet>(*id)?.filter(|row| row.account == account).map(|row| row.tags)),
                FlowLogResource::Interface(id) => {
                    ("network-interface", tx.get::<Interface>(*id)?.filter(|row| row.account == account).map(|row| row.tags))
                }
            };
            targets.push(Target::of(kind, resource, &tags.unwrap_or_default()));
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<FlowLogId>, Failure> {
        let account = cx.caller.account();
        check_log_group_name(&self.group)?;
        check_name("FlowLogName", &self.name)?;
        FlowLog::check_description(&self.description)?;
        check_interval(self.interval_seconds)?;
        if self.resources.is_empty() {
            return Err(Error::MissingParameter { name: "ResourceId" }.into());
        }
        if self.resources.len() > FLOW_LOG_RESOURCES_MAX {
            return Err(Error::invalid("ResourceId", format!("more than {FLOW_LOG_RESOURCES_MAX} in one call")).into());
        }
        let resources: BTreeSet<FlowLogResource> = self.resources.iter().copied().collect();
        let limit = |what: &str, limit| Error::LimitReached { name: "FlowLog", what: what.to_owned(), limit };
        if tx.flow_log_count(account, FLOW_LOGS_MAX)? + resources.len() as u64 > FLOW_LOGS_MAX {
            return Err(limit("flow logs of an account", FLOW_LOGS_MAX).into());
        }
        let (mut made, mut touched) = (Vec::new(), BTreeSet::new());
        for resource in resources {
            let vpc = vpc_of_resource(tx, account, resource)?;
            if self.within.is_some_and(|within| within != vpc) {
                return Err(not_found(resource).into());
            }
            touched.insert(vpc);
            let there = tx.flow_log_list_of(&[resource])?;
            if there.len() as u64 >= FLOW_LOGS_PER_RESOURCE {
                return Err(limit("flow logs of one VPC, subnet or network interface", FLOW_LOGS_PER_RESOURCE).into());
            }
            if let Some(same) = there.iter().find(|log| log.group == self.group && log.traffic == self.traffic && log.format == self.format)
            {
                return Err(Error::Duplicate { noun: Noun::FlowLog, name: same.id.to_string() }.into());
            }
            let mut log = FlowLog {
                id: FlowLogId::from_u64(cx.new_id()),
                account,
                resource,
                within: Some(vpc),
                name: self.name.clone(),
                description: self.description.clone(),
                state: FlowLogState::On,
                traffic: self.traffic,
                group: self.group.clone(),
                format: self.format.clone(),
                interval_seconds: self.interval_seconds,
                delivery_role: self.delivery_role.clone(),
                created_at: cx.now,
                tags: Tags::new(),
            };
            add_tags(&mut log.tags, &self.tags)?;
            tx.insert(&log)?;
            made.push(log.id);
        }
        group_made(tx, account, &self.group, cx.now)?;
        for vpc in touched {
            touch_vpc(tx, vpc)?;
        }
        Ok(made)
    }
}

impl Command for ModifyFlowLog {
    type Reply = ();
    const NAME: &'static str = "ModifyFlowLog";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &[self.log])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut log = log_of(tx, cx.caller.account(), self.log)?;
        check_within(&log, self.within)?;
        if let Some(name) = &self.name {
            check_name("FlowLogName", name)?;
            log.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            FlowLog::check_description(description)?;
            log.description.clone_from(description);
        }
        if let Some(seconds) = self.interval_seconds {
            check_interval(seconds)?;
            log.interval_seconds = seconds;
        }
        tx.update(&log)?;
        Ok(())
    }
}

impl Command for EnableFlowLogs {
    type Reply = ();
    const NAME: &'static str = "EnableFlowLogs";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.ids)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        change(tx, cx, &self.ids, |tx, mut log| {
            if !log.is_on() {
                log.state = FlowLogState::OnAgain { since: cx.now };
                tx.update(&log)?;
            }
            Ok(())
        })
    }
}

impl Command for DisableFlowLogs {
    type Reply = ();
    const NAME: &'static str = "DisableFlowLogs";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.ids)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        change(tx, cx, &self.ids, |tx, mut log| {
            log.state = FlowLogState::Off;
            Ok(tx.update(&log)?)
        })
    }
}

impl Command for DeleteFlowLogs {
    type Reply = ();
    const NAME: &'static str = "DeleteFlowLogs";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.ids)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        change(tx, cx, &self.ids, |tx, log| {
            check_within(&log, self.within)?;
            tx.delete::<FlowLog>(log.id)?;
            Ok(())
        })
    }
}

fn targets(tx: &Tx<'_>, cx: &Cx<'_>, ids: &[FlowLogId]) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    for id in ids {
        let tags = tx.get::<FlowLog>(*id)?.filter(|row| row.account == cx.caller.account()).map(|row| row.tags);
        targets.push(Target::of("vpc-flow-log", id, &tags.unwrap_or_default()));
    }
    Ok(targets)
}

/// Changes each of these flow logs, and has the hosts of their VPCs hear of it.
fn change(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    ids: &[FlowLogId],
    with: impl Fn(&mut Tx<'_>, FlowLog) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let account = cx.caller.account();
    if ids.is_empty() {
        return Err(Error::MissingParameter { name: "FlowLogId" }.into());
    }
    if ids.len() as u64 > FLOW_LOGS_MAX {
        return Err(Error::invalid("FlowLogId", format!("more than {FLOW_LOGS_MAX} in one call")).into());
    }
    let mut touched = BTreeSet::new();
    for id in ids.iter().collect::<BTreeSet<_>>() {
        let log = log_of(tx, account, *id)?;
        // What it was of may be gone.
        touched.extend(vpc_of_resource(tx, account, log.resource).ok());
        with(tx, log)?;
    }
    for vpc in touched {
        touch_vpc(tx, vpc)?;
    }
    Ok(())
}

fn log_of(tx: &Tx<'_>, account: AccountId, id: FlowLogId) -> Result<FlowLog, Failure> {
    let log = tx.get::<FlowLog>(id)?.filter(|log| log.account == account);
    Ok(log.ok_or_else(|| Error::not_found(Noun::FlowLog, id))?)
}

fn check_within(log: &FlowLog, within: Option<VpcId>) -> Result<(), Error> {
    if within.is_none() || log.vpc() == within { Ok(()) } else { Err(Error::not_found(Noun::FlowLog, log.id)) }
}

fn check_interval(seconds: u32) -> Result<(), Error> {
    if AGGREGATION_SECONDS.contains(&seconds) {
        return Ok(());
    }
    Err(Error::invalid("MaxAggregationInterval", format!("must be one of {AGGREGATION_SECONDS:?} seconds")))
}

/// The VPC that a thing of the account is or is in.
fn vpc_of_resource(tx: &Tx<'_>, account: AccountId, resource: FlowLogResource) -> Result<VpcId, Failure> {
    let found = match resource {
        FlowLogResource::Vpc(id) => tx.get::<Vpc>(id)?.filter(|row| row.account == account).map(|row| row.id),
        FlowLogResource::Subnet(id) => tx.get::<Subnet>(id)?.filter(|row| row.account == account).map(|row| row.vpc),
        FlowLogResource::Interface(id) => tx.get::<Interface>(id)?.filter(|row| row.account == account).map(|row| row.vpc),
    };
    Ok(found.ok_or_else(|| not_found(resource))?)
}

fn not_found(resource: FlowLogResource) -> Error {
    let noun = match resource {
        FlowLogResource::Vpc(_) => Noun::Vpc,
        FlowLogResource::Subnet(_) => Noun::Subnet,
        FlowLogResource::Interface(_) => Noun::Interface,
    };
    Error::not_found(noun, resource)
}

/// The flow logs that tell of packets and may be about something in a VPC: those of the VPC, of these subnets and, asked for one by one, of interfaces.
pub(crate) fn logs_of_vpc(tx: &Tx<'_>, vpc: &Vpc) -> Result<Vec<FlowLog>, Failure> {
    // An account has few, and most have none; that is cheaper than to ask for each interface.
    let mut logs = tx.flow_log_list(vpc.account)?;
    logs.retain(|log| log.is_on() && log.vpc().is_none_or(|within| within == vpc.id));
    Ok(logs)
}

/// What a host is told of these interfaces of a VPC.
pub(crate) fn logged(logs: &[FlowLog], vpc: VpcId, nics: &[NicSpec]) -> Vec<LoggedNic> {
    let of = |nic: &NicSpec| {
        let mut told = LoggedNic { nic: nic.id, accepted: false, refused: false };
        for log in logs.iter().filter(|log| log.resource.covers(vpc, nic.subnet, nic.id)) {
            told.accepted |= log.traffic.takes_accepted();
            told.refused |= log.traffic.takes_refused();
        }
        (told.accepted || told.refused).then_some(told)
    };
    if logs.is_empty() { vec![] } else { nics.iter().filter_map(of).collect() }
}

impl Cloud {
    /// What a call made, as it is now: part of the call, so policies are not asked again. Flow logs that are gone, as a repeated call may
    /// find, are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flow_logs_made(&self, ids: Vec<FlowLogId>) -> Result<Vec<FlowLog>, Error> {
        let found = self.store().read(move |tx| {
            let logs = ids.iter().filter_map(|id| tx.get::<FlowLog>(*id).transpose()).collect::<Result<_, _>>()?;
            Ok::<_, Failure>(logs)
        });
        found.await.map_err(|failure| self.refusal("read what was made", failure))
    }

    /// Writes down what a host tells of flows. An error means that a part of it may not have been kept; the host tells it again.
    pub async fn take_flows(&self, host: HostId, report: FlowReport) -> Result<(), WriteError<Failure>> {
        let mut owners = BTreeSet::new();
        let number = report.number;
        for part in report.batches.chunks(TAKEN_AT_ONCE) {
            let (part, region, now) = (part.to_vec(), self.region().name.clone(), self.clock().now());
            let written = self.store().write(move |tx| {
                let mut owners = BTreeSet::new();
                for batch in &part {
                    owners.extend(take(tx, (host, number), &region, batch, now)?);
                }
                Ok::<_, Failure>(owners)
            });
            owners.extend(written.await?);
        }
        for account in owners {
            self.log_make_room(account, LOG_BYTES_MAX).await?;
        }
        Ok(())
    }
}

/// Writes the lines of one batch into each flow log that is about its interface, which may be gone by now; gives the owner. What a host
/// tells of another's instance is nobody's.
fn take(
    tx: &mut Tx<'_>,
    (host, number): (HostId, u64),
    region: &str,
    batch: &FlowBatch,
    now: Millis,
) -> Result<Option<AccountId>, Failure> {
    let Some(subnet) = tx.get::<Subnet>(batch.subnet)? else { return Ok(None) };
    let (account, vpc) = (subnet.account, subnet.vpc);
    let is_there = tx.get::<Instance>(batch.instance)?.is_some_and(|instance| instance.host == host && instance.account == account);
    if !is_there {
        return Ok(None);
    }
    let resources = [FlowLogResource::Vpc(vpc), FlowLogResource::Subnet(subnet.id), FlowLogResource::Interface(batch.interface)];
    let scene = FlowScene { account, vpc, region };
    let stream = format!("{}-all", batch.interface);
    // Lines of several flow logs with the same words are written once for each, as there.
    let mut lines: BTreeMap<(FlowLogId, String), Vec<String>> = BTreeMap::new();
    for log in tx.flow_log_list_of(&resources)?.into_iter().filter(|log| log.account == account && log.tells_of_span(batch.to)) {
        let of_log = log.format.lines(log.traffic, scene, batch);
        lines.insert((log.id, log.group), of_log);
    }
    for ((log, group), lines) in lines {
        for (part, messages) in lines.chunks(LOG_BLOCK_MESSAGES).enumerate() {
            let origin = format!("{log}/{host}/{}/{}/{number}/{part}", batch.interface, batch.from.0);
            let block = LogBlock {
                id: LogBlock::id_of(&origin),
                account,
                group: group.clone(),
                stream: stream.clone(),
                at: batch.from,
                taken_at: now,
                messages: messages.to_vec(),
            };
            append(tx, &block)?;
        }
    }
    Ok(Some(account))
}

impl Listing for FlowLog {
    type Id = FlowLogId;
    const NOUN: Noun = Noun::FlowLog;

    fn id(&self) -> FlowLogId {
        self.id
    }

    fn id_value(id: FlowLogId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<FlowLog>, Failure> {
        Ok(tx.flow_log_list(account)?)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.id.to_string()],
            Field::Owner => vec![self.account.to_string()],
            Field::Name => vec![self.name.clone()],
            Field::Description => vec![self.description.clone()],
            Field::State => vec![self.state.word().to_owned()],
            Field::Vpc => self.vpc().iter().map(ToString::to_string).collect(),
            Field::ResourceKind => vec![self.resource.word().to_owned()],
            Field::Resource => vec![self.resource.to_string()],
            Field::LogGroup => vec![self.group.clone()],
            Field::LogFolder => vec![self.group_parts().0.to_owned()],
            Field::LogName => vec![self.group_parts().1.to_owned()],
            Field::Kind => vec![self.traffic.word().to_owned()],
            _ => tag_values(&self.tags, field),
        }
    }
}
