//! Fleets of instances, which ECS calls auto provisioning groups. All their capacity is pay-as-you-go.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{
    CreateInstanceFleet, DeleteInstanceFleet, Field, FleetMemberView, InstanceFleetView, Launches, ModifyInstanceFleet, OneOf, Query,
};
use jiff::Timestamp;
use model::{
    Error, Excess, FleetConfig, FleetEvent, FleetHappening, FleetKind, FleetState, Gib, InstanceFleet, LaunchSettings, Millis, Noun,
    PoolOrder, PoolOverride, RoleChoice, RootSettings, UNIT, USER_DATA_MAX, WhichVersion,
};
use wire::{Base64, FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::instance::{Status, status};
use crate::launch_template::TemplateName;
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX};
use crate::tag::{TagReply, tag_replies};
use crate::volume::{Category, Speed};
use crate::{instance_type, placement_group};

/// Overrides of one group (ECS: 10; EC2's 300 are taken here too).
const OVERRIDES_MAX: usize = 300;
/// Groups and states that one call names (ECS: 20).
const NAMED_MAX: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum GroupType {
    Request,
    Maintain,
    Instant,
}

impl GroupType {
    const fn kind(self) -> FleetKind {
        match self {
            GroupType::Request => FleetKind::Request,
            GroupType::Maintain => FleetKind::Maintain,
            GroupType::Instant => FleetKind::Instant,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "kebab-case")]
enum Strategy {
    LowestPrice,
    Prioritized,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "kebab-case")]
enum ExcessPolicy {
    NoTermination,
    Termination,
}

impl ExcessPolicy {
    const fn excess(self) -> Excess {
        match self {
            ExcessPolicy::NoTermination => Excess::Stays,
            ExcessPolicy::Termination => Excess::Ends,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum CapacityType {
    PayAsYouGo,
    Spot,
}

/// What is said of a target.
#[derive(FromArg)]
struct Target {
    total_target_capacity: Option<u32>,
    pay_as_you_go_target_capacity: Option<u32>,
    spot_target_capacity: Option<u32>,
    default_target_capacity_type: Option<CapacityType>,
}

impl Target {
    /// The target, all of which is pay-as-you-go.
    fn pay_as_you_go(&self) -> Result<Option<u32>, Fault> {
        let own = self.pay_as_you_go_target_capacity;
        let is_spot =
            self.default_target_capacity_type == Some(CapacityType::Spot) && own.unwrap_or(0) < self.total_target_capacity.unwrap_or(0);
        if is_spot || self.spot_target_capacity.is_some_and(|spot| spot > 0) {
            return Err(Fault::unsupported_parameter("SpotTargetCapacity"));
        }
        match (self.total_target_capacity, own) {
            (Some(total), Some(own)) if own > total => {
                Err(Fault::new(400, "InvalidParameter.Conflict", "PayAsYouGoTargetCapacity is above TotalTargetCapacity."))
            }
            (total, _) => Ok(total),
        }
    }
}

/// `CreateAutoProvisioningGroup`.
#[derive(FromArg)]
pub(crate) struct CreateAutoProvisioningGroup {
    auto_provisioning_group_name: Option<String>,
    auto_provisioning_group_type: Option<GroupType>,
    description: Option<String>,
    #[arg(flatten)]
    target: Target,
    pay_as_you_go_allocation_strategy: Option<Strategy>,
    excess_capacity_termination_policy: Option<ExcessPolicy>,
    #[arg(default)]
    terminate_instances_with_expiration: bool,
    launch_template_id: Option<String>,
    launch_template_version: Option<u64>,
    launch_configuration: Option<LaunchConfiguration>,
    #[arg(name = "LaunchTemplateConfig", max_items = OVERRIDES_MAX)]
    overrides: Vec<AskedOverride>,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(FromArg)]
struct AskedOverride {
    instance_type: Option<String>,
    v_switch_id: Option<String>,
    weighted_capacity: Option<f64>,
    priority: Option<u32>,
}

/// What is said of the instances where no template is named.
#[derive(FromArg)]
struct LaunchConfiguration {
    image_id: Option<String>,
    security_group_id: Option<String>,
    #[arg(max_items = model::GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
    instance_name: Option<String>,
    instance_description: Option<String>,
    host_name: Option<String>,
    key_pair_name: Option<String>,
    user_data: Option<Base64>,
    ram_role_name: Option<String>,
    internet_max_bandwidth_out: Option<u32>,
    system_disk_category: Option<Category>,
    system_disk_size: Option<u32>,
    deployment_set_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

impl LaunchConfiguration {
    fn settings(self) -> Result<LaunchSettings, Fault> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let speed = Speed { level: None, provisioned_iops: None, bursting: None };
        let (kind, provisioned) = self.system_disk_category.map(|category| category.sold(speed)).transpose()?.unzip();
        let mut groups = self.security_group_ids;
        groups.extend(self.security_group_id);
        let user_data = match self.user_data {
            Some(data) if data.0.len() > USER_DATA_MAX => {
                return Err(Error::invalid("UserData", format!("longer than {USER_DATA_MAX} bytes")).into());
            }
            Some(data) => Some(STANDARD.encode(&data.0)).filter(|text| !text.is_empty()),
            None => None,
        };
        let tags = tags_of(self.tags)?;
        Ok(LaunchSettings {
            image: filter::optional_id(Noun::Image, self.image_id.as_ref())?,
            groups: groups.iter().filter(|id| !id.is_empty()).map(|id| filter::id(Noun::SecurityGroup, id)).collect::<Result<_, _>>()?,
            name: filled(self.instance_name),
            description: self.instance_description,
            hostname: filled(self.host_name),
            key_names: filled(self.key_pair_name).into_iter().collect(),
            user_data,
            role: filled(self.ram_role_name).map(RoleChoice::Role),
            public_address: self.internet_max_bandwidth_out.map(|bandwidth| bandwidth > 0),
            bandwidth: self.internet_max_bandwidth_out,
            root: RootSettings {
                size: self.system_disk_size.map(Gib),
                kind,
                provisioned: provisioned.unwrap_or_default(),
                ..RootSettings::default()
            },
            placement: placement_group::choice(self.deployment_set_id.as_ref(), None)?,
            volume_tags: tags.clone(),
            interface_tags: tags.clone(),
            tags,
            ..LaunchSettings::default()
        })
    }
}

#[derive(Show)]
pub(crate) struct Created {
    auto_provisioning_group_id: String,
    #[reply(list = "LaunchResult")]
    launch_results: Vec<LaunchResult>,
}

#[derive(Show)]
struct LaunchResult {
    #[reply(list = "InstanceId")]
    instance_ids: Vec<String>,
    instance_type: String,
    zone_id: String,
    spot_strategy: &'static str,
    amount: usize,
    error_code: String,
    error_msg: String,
}

/// Makes an auto provisioning group.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateAutoProvisioningGroup) -> Result<Created, Fault> {
    let kind = asked.auto_provisioning_group_type.unwrap_or(GroupType::Maintain).kind();
    let target = asked.target.pay_as_you_go()?.ok_or_else(|| Fault::missing("TotalTargetCapacity"))?;
    if kind == FleetKind::Instant {
        cx.cloud.admit_launch(&cx.caller, u64::from(target))?;
    }
    let named = TemplateName::of_id(asked.launch_template_id);
    let version = asked.launch_template_version.map_or(WhichVersion::Default, WhichVersion::Number);
    // ECS takes the template where both are given.
    let (template, mut launch) = match (named.is_some(), asked.launch_configuration) {
        (false, Some(configuration)) => (None, configuration.settings()?),
        (false, None) => return Err(Fault::missing("LaunchTemplateId")),
        (true, _) => named.unwrap_or_default().under(cx, version, LaunchSettings::default()).await?,
    };
    launch.public_address = Some(launch.public_address.unwrap_or(false));
    let overrides = asked.overrides.into_iter().map(AskedOverride::read).collect::<Result<_, _>>()?;
    let command = CreateInstanceFleet {
        name: asked.auto_provisioning_group_name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        kind,
        target,
        least: None,
        one: OneOf::default(),
        order: match asked.pay_as_you_go_allocation_strategy {
            Some(Strategy::Prioritized) => PoolOrder::Prioritized,
            Some(Strategy::LowestPrice) | None => PoolOrder::Smallest,
        },
        configs: vec![FleetConfig { template, launch, overrides }],
        excess: asked.excess_capacity_termination_policy.map_or(Excess::Stays, ExcessPolicy::excess),
        ends_members: asked.terminate_instances_with_expiration,
        // ECS replaces what is not healthy in every group that keeps its target.
        replaces_impaired: kind == FleetKind::Maintain,
        begin: asked.valid_from.map(|at| Millis(at.as_millisecond())),
        end: asked.valid_until.map(|at| Millis(at.as_millisecond())),
        tags: tags_of(asked.tags)?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    let mut launch_results = Vec::new();
    for of in &made.launched {
        launch_results.extend(results(cx, of).await?);
    }
    for lack in &made.lacks {
        let Fault { code, message, .. } = lack.why.error().into();
        let config = &made.fleet.configs[0];
        let own = lack.pool.pool.and_then(|at| config.overrides.get(at)).and_then(|own| own.instance_type.as_deref());
        let instance_type = own.or(config.launch.instance_type.as_deref()).map(instance_type::shown).unwrap_or_default();
        launch_results.push(LaunchResult {
            instance_ids: vec![],
            instance_type: instance_type.to_owned(),
            zone_id: String::new(),
            spot_strategy: "NoSpot",
            amount: 0,
            error_code: code.into_owned(),
            error_msg: message,
        });
    }
    Ok(Created { auto_provisioning_group_id: made.fleet.id.to_string(), launch_results })
}

/// What was launched of one pool, each zone by itself.
async fn results(cx: &Cx<'_>, of: &Launches) -> Result<Vec<LaunchResult>, Fault> {
    let made = of.members.iter().map(|member| member.instance).collect();
    let mut by_zone: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for view in cx.cloud.launched(made).await? {
        by_zone.entry(view.instance.zone).or_default().push(view.instance.id.to_string());
    }
    let result = |(zone_id, instance_ids): (String, Vec<String>)| LaunchResult {
        amount: instance_ids.len(),
        instance_ids,
        instance_type: instance_type::shown(&of.instance_type).to_owned(),
        zone_id,
        spot_strategy: "NoSpot",
        error_code: String::new(),
        error_msg: String::new(),
    };
    Ok(by_zone.into_iter().map(result).collect())
}

impl AskedOverride {
    fn read(self) -> Result<PoolOverride, Fault> {
        let weight = match self.weighted_capacity {
            Some(weight) if !(0.0..=1_000_000.0).contains(&weight) => {
                return Err(Fault::invalid("WeightedCapacity", "it is not a positive number"));
            }
            weight => weight.map(|weight| (weight * UNIT as f64).round() as u64),
        };
        Ok(PoolOverride {
            instance_type: self.instance_type.filter(|name| !name.is_empty()),
            subnet: filter::optional_id(Noun::Subnet, self.v_switch_id.as_ref())?,
            zone: None,
            weight,
            priority: self.priority.map(|priority| u64::from(priority) * UNIT),
        })
    }
}

/// `ModifyAutoProvisioningGroup`.
#[derive(FromArg)]
pub(crate) struct ModifyAutoProvisioningGroup {
    auto_provisioning_group_id: String,
    auto_provisioning_group_name: Option<String>,
    #[arg(flatten)]
    target: Target,
    excess_capacity_termination_policy: Option<ExcessPolicy>,
    terminate_instances_with_expiration: Option<bool>,
}

/// Changes an auto provisioning group.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyAutoProvisioningGroup) -> Result<(), Fault> {
    let command = ModifyInstanceFleet {
        fleet: filter::id(Noun::InstanceFleet, &asked.auto_provisioning_group_id)?,
        name: asked.auto_provisioning_group_name,
        target: asked.target.pay_as_you_go()?,
        excess: asked.excess_capacity_termination_policy.map(ExcessPolicy::excess),
        ends_members: asked.terminate_instances_with_expiration,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DeleteAutoProvisioningGroup`.
#[derive(FromArg)]
pub(crate) struct DeleteAutoProvisioningGroup {
    auto_provisioning_group_id: String,
    terminate_instances: bool,
}

/// Deletes an auto provisioning group, with its instances or without.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteAutoProvisioningGroup) -> Result<(), Fault> {
    let fleet = filter::id(Noun::InstanceFleet, &asked.auto_provisioning_group_id)?;
    cx.cloud.run(&cx.caller, DeleteInstanceFleet { fleet, ends_members: asked.terminate_instances }, cx.options()?).await?;
    Ok(())
}

/// `DescribeAutoProvisioningGroups`.
#[derive(FromArg)]
pub(crate) struct DescribeAutoProvisioningGroups {
    #[arg(name = "AutoProvisioningGroupId", max_items = NAMED_MAX)]
    ids: Vec<String>,
    auto_provisioning_group_name: Option<String>,
    #[arg(name = "AutoProvisioningGroupStatus", max_items = NAMED_MAX)]
    states: Vec<String>,
    #[arg(name = "AutoProvisioningGroupTypes", max_items = NAMED_MAX)]
    types: Vec<GroupType>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Groups {
    #[reply(list = "AutoProvisioningGroup")]
    auto_provisioning_groups: Vec<GroupReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct GroupReply {
    auto_provisioning_group_id: String,
    auto_provisioning_group_name: String,
    auto_provisioning_group_type: &'static str,
    region_id: String,
    status: &'static str,
    state: &'static str,
    creation_time: Timestamp,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    excess_capacity_termination_policy: &'static str,
    terminate_instances_with_expiration: bool,
    launch_template_id: String,
    launch_template_version: String,
    #[reply(list = "LaunchTemplateConfig")]
    launch_template_configs: Vec<OverrideReply>,
    target_capacity_specification: TargetReply,
    capacity_specification: CapacityReply,
    pay_as_you_go_options: OptionsReply,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

#[derive(Show)]
struct OverrideReply {
    instance_type: Option<String>,
    v_switch_id: Option<String>,
    weighted_capacity: f64,
    priority: Option<f64>,
}

#[derive(Show)]
struct TargetReply {
    total_target_capacity: f64,
    pay_as_you_go_target_capacity: f64,
    spot_target_capacity: f64,
    default_target_capacity_type: &'static str,
}

#[derive(Show)]
struct CapacityReply {
    total_capacity: f64,
    pay_as_you_go_capacity: f64,
    spot_capacity: f64,
}

#[derive(Show)]
struct OptionsReply {
    allocation_strategy: &'static str,
}

/// Lists auto provisioning groups.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeAutoProvisioningGroups) -> Result<Groups, Fault> {
    let mut filters = Filters::new();
    filters.one_of(Field::Id, &asked.ids).exact(Field::Name, asked.auto_provisioning_group_name.as_ref()).tags(&asked.tags);
    filters.always(asked.resource_group_id.as_ref(), &[]);
    let query = Query { ids: vec![], filters: filters.into_vec(), ..Query::default() };
    let mut listed = cx.cloud.list::<InstanceFleetView>(&cx.caller, query).await?;
    listed.rows.retain(|view| {
        (asked.states.is_empty() || asked.states.iter().any(|state| state == lifecycle(view)))
            && (asked.types.is_empty() || asked.types.iter().any(|kind| kind.kind() == view.fleet.kind))
    });
    let (rows, numbers) = asked.numbered.cut(listed.rows, PAGE_SIZE_MAX)?;
    Ok(Groups { auto_provisioning_groups: rows.iter().map(|view| reply(cx, view)).collect(), numbers })
}

/// ECS's word for how far a group is.
fn lifecycle(view: &InstanceFleetView) -> &'static str {
    match view.fleet.state {
        FleetState::Submitted => "submitted",
        FleetState::Active => "active",
        FleetState::Deleting { ends_members: true } => "deleting",
        FleetState::Deleting { ends_members: false } => "deleted-running",
        FleetState::Deleted { .. } => "deleted",
    }
}

/// ECS's word for how far it is with what it is to do.
fn progress(view: &InstanceFleetView) -> &'static str {
    match view.fleet.state {
        FleetState::Deleting { .. } | FleetState::Deleted { .. } => "pending-termination",
        FleetState::Active if view.is_full() || view.fleet.was_full && view.fleet.kind != FleetKind::Maintain => "fulfilled",
        FleetState::Active if !view.fleet.lacks.is_empty() => "error",
        FleetState::Submitted | FleetState::Active => "pending-fulfillment",
    }
}

fn units(thousandths: u64) -> f64 {
    thousandths as f64 / UNIT as f64
}

fn reply(cx: &Cx<'_>, view: &InstanceFleetView) -> GroupReply {
    let fleet = &view.fleet;
    let template = fleet.configs.first().and_then(|config| config.template);
    let own = |own: &PoolOverride| OverrideReply {
        instance_type: own.instance_type.as_deref().map(|kept| instance_type::shown(kept).to_owned()),
        v_switch_id: own.subnet.map(|id| id.to_string()),
        weighted_capacity: units(own.weight.unwrap_or(UNIT)),
        priority: own.priority.map(units),
    };
    GroupReply {
        auto_provisioning_group_id: fleet.id.to_string(),
        auto_provisioning_group_name: fleet.name.clone(),
        auto_provisioning_group_type: fleet.kind.word(),
        region_id: cx.cloud.region().name.clone(),
        status: lifecycle(view),
        state: progress(view),
        creation_time: fleet.created_at.timestamp(),
        valid_from: fleet.begin.map(Millis::timestamp),
        valid_until: fleet.end.map(Millis::timestamp),
        excess_capacity_termination_policy: match fleet.excess {
            Excess::Stays => "no-termination",
            Excess::Ends => "termination",
        },
        terminate_instances_with_expiration: fleet.ends_members,
        launch_template_id: template.map_or_else(String::new, |(id, _)| id.to_string()),
        launch_template_version: template.map_or_else(String::new, |(_, version)| version.to_string()),
        launch_template_configs: fleet.configs.iter().flat_map(|config| &config.overrides).map(own).collect(),
        target_capacity_specification: TargetReply {
            total_target_capacity: f64::from(fleet.target),
            pay_as_you_go_target_capacity: f64::from(fleet.target),
            spot_target_capacity: 0.0,
            default_target_capacity_type: "PayAsYouGo",
        },
        capacity_specification: CapacityReply {
            total_capacity: units(view.held()),
            pay_as_you_go_capacity: units(view.held()),
            spot_capacity: 0.0,
        },
        pay_as_you_go_options: OptionsReply {
            allocation_strategy: match fleet.order {
                PoolOrder::Smallest => "lowest-price",
                PoolOrder::Prioritized => "prioritized",
            },
        },
        tags: tag_replies(&fleet.tags),
    }
}

/// `DescribeAutoProvisioningGroupInstances`.
#[derive(FromArg)]
pub(crate) struct DescribeAutoProvisioningGroupInstances {
    auto_provisioning_group_id: String,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct GroupInstances {
    #[reply(list = "Instance")]
    instances: Vec<InstanceReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct InstanceReply {
    instance_id: String,
    instance_type: String,
    status: Status,
    #[reply(name = "CPU")]
    cpu: u32,
    memory: u64,
    creation_time: Timestamp,
    region_id: String,
    zone_id: String,
    network_type: &'static str,
    os_type: &'static str,
    io_optimized: bool,
    is_spot: bool,
}

/// Lists the instances of an auto provisioning group.
pub(crate) async fn describe_instances(cx: &Cx<'_>, asked: DescribeAutoProvisioningGroupInstances) -> Result<GroupInstances, Fault> {
    let id = filter::id(Noun::InstanceFleet, &asked.auto_provisioning_group_id)?;
    let rows = cx.cloud.fleet_members(&cx.caller, id).await?;
    let (rows, numbers) = asked.numbered.cut(rows, PAGE_SIZE_MAX)?;
    let reply = |FleetMemberView { instance, .. }: FleetMemberView| InstanceReply {
        instance_id: instance.id.to_string(),
        instance_type: instance_type::shown(&instance.instance_type).to_owned(),
        status: status(instance.phase),
        cpu: instance.vcpus,
        memory: instance.memory.0,
        creation_time: instance.created_at.timestamp(),
        region_id: cx.cloud.region().name.clone(),
        zone_id: instance.zone,
        network_type: "vpc",
        os_type: "linux",
        io_optimized: true,
        is_spot: false,
    };
    Ok(GroupInstances { instances: rows.into_iter().map(reply).collect(), numbers })
}

/// `DescribeAutoProvisioningGroupHistory`.
#[derive(FromArg)]
pub(crate) struct DescribeAutoProvisioningGroupHistory {
    auto_provisioning_group_id: String,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct History {
    #[reply(list = "AutoProvisioningGroupHistory")]
    auto_provisioning_group_histories: Vec<HistoryReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct HistoryReply {
    task_id: String,
    status: &'static str,
    start_time: Timestamp,
    last_event_time: Timestamp,
    #[reply(list = "ActivityDetail")]
    activity_details: Vec<ActivityReply>,
}

#[derive(Show)]
struct ActivityReply {
    status: &'static str,
    detail: String,
}

/// Tells what happened to an auto provisioning group: what its calls and its work did together, newest last.
pub(crate) async fn history(cx: &Cx<'_>, asked: DescribeAutoProvisioningGroupHistory) -> Result<History, Fault> {
    let id = filter::id(Noun::InstanceFleet, &asked.auto_provisioning_group_id)?;
    let (fleet, mut events) = cx.cloud.fleet_history(&cx.caller, id).await?;
    events.retain(|event| {
        let at = event.at.timestamp();
        asked.start_time.is_none_or(|start| at >= start) && asked.end_time.is_none_or(|end| at <= end)
    });
    let (rows, numbers) = asked.numbered.cut(events, PAGE_SIZE_MAX)?;
    let reply = |event: FleetEvent| {
        let activity = activity(&fleet, &event);
        HistoryReply {
            task_id: event.id.to_string(),
            status: activity.status,
            start_time: event.at.timestamp(),
            last_event_time: event.at.timestamp(),
            activity_details: vec![activity],
        }
    };
    Ok(History { auto_provisioning_group_histories: rows.into_iter().map(reply).collect(), numbers })
}

fn activity(fleet: &InstanceFleet, event: &FleetEvent) -> ActivityReply {
    let (status, detail) = match &event.what {
        FleetHappening::Became { state, text } if text.is_empty() => ("success", format!("The group is {state}.")),
        FleetHappening::Became { state, text } => {
            let state = if state == "progress" { "fulfilled" } else { state };
            ("success", format!("The group is {state}: {text}."))
        }
        FleetHappening::Launched { instance, instance_type, zone } => {
            ("success", format!("Created {instance} ({}) in {zone}.", instance_type::shown(instance_type)))
        }
        FleetHappening::Ended { instance, why } => ("success", format!("Released {instance}: {why}.")),
        FleetHappening::Refused { pool, why } => {
            let config = fleet.configs.get(pool.config);
            let own = config.and_then(|config| config.overrides.get(pool.pool?));
            let kind = own.and_then(|own| own.instance_type.as_deref()).or_else(|| config?.launch.instance_type.as_deref());
            let Fault { code, message, .. } = why.error().into();
            ("failed", format!("{}: {code}: {message}", instance_type::shown(kind.unwrap_or_default())))
        }
    };
    ActivityReply { status, detail }
}
