//! Fleets: made, listed, changed and deleted. All their capacity is on demand.

use control::{CreateInstanceFleet, DeleteInstanceFleet, InstanceFleetView, Launches, ModifyInstanceFleet, OneOf, Query};
use jiff::Timestamp;
use model::{
    Error, Excess, FleetConfig, FleetKind, FleetState, InstanceFleet, LaunchTemplateId, Millis, Noun, PoolId, PoolOrder, PoolOverride, UNIT,
};
use wire::{FromArg, Show};

use crate::error::{Refusal, coded, combination, unsupported};
use crate::filter::{self, AskedFilter};
use crate::launch_template::{TemplateSpecification, template_version};
use crate::page::Paging;
use crate::tag::{self, TagItem, TagSpecification};
use crate::{Cx, instance_type};

/// Page sizes (EC2 documents 1 to 1,000).
pub(crate) const PAGES: std::ops::RangeInclusive<u32> = 1..=1_000;
/// Overrides of one template (EC2: 300).
const OVERRIDES_MAX: usize = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum FleetType {
    Request,
    Maintain,
    Instant,
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
#[arg(rename = "kebab-case")]
enum CapacityType {
    Spot,
    OnDemand,
    CapacityBlock,
    ReservedCapacity,
}

/// The parameters of `CreateFleet`.
#[derive(FromArg)]
pub(crate) struct CreateFleet {
    client_token: Option<String>,
    #[arg(name = "Type")]
    kind: Option<FleetType>,
    target_capacity_specification: TargetCapacity,
    launch_template_configs: Vec<AskedConfig>,
    on_demand_options: Option<OnDemandOptions>,
    excess_capacity_termination_policy: Option<ExcessPolicy>,
    #[arg(default)]
    terminate_instances_with_expiration: bool,
    #[arg(default)]
    replace_unhealthy_instances: bool,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What of `CreateFleet` is not served.
pub(crate) const CREATE_ABSENT: &[&str] = &[
    "Context",
    "LaunchTemplateConfigs.LaunchTemplateSpecification.LaunchTemplateSpecificationUserData",
    "LaunchTemplateConfigs.Overrides.AvailabilityZoneId",
    "LaunchTemplateConfigs.Overrides.BlockDeviceMapping",
    "LaunchTemplateConfigs.Overrides.IamInstanceProfile",
    "LaunchTemplateConfigs.Overrides.ImageId",
    "LaunchTemplateConfigs.Overrides.InstanceRequirements",
    "LaunchTemplateConfigs.Overrides.KeyName",
    "LaunchTemplateConfigs.Overrides.MaxPrice",
    "LaunchTemplateConfigs.Overrides.MetadataOptions",
    "LaunchTemplateConfigs.Overrides.Placement",
    "OnDemandOptions.MaxTotalPrice",
    "ReservedCapacityOptions",
    "SpotOptions",
    "TargetCapacitySpecification.TargetCapacityUnitType",
];

#[derive(FromArg)]
struct TargetCapacity {
    total_target_capacity: u32,
    on_demand_target_capacity: Option<u32>,
    spot_target_capacity: Option<u32>,
    default_target_capacity_type: Option<CapacityType>,
}

impl TargetCapacity {
    /// The target, all of which is on demand. Nothing is said of what is spare: none of it is sold.
    fn on_demand(&self) -> Result<u32, Refusal> {
        match self.default_target_capacity_type {
            None | Some(CapacityType::OnDemand) => {}
            Some(CapacityType::Spot) if self.on_demand_target_capacity == Some(self.total_target_capacity) => {}
            Some(CapacityType::Spot) => return Err(unsupported("Spot capacity")),
            Some(CapacityType::CapacityBlock) => return Err(unsupported("A capacity block")),
            Some(CapacityType::ReservedCapacity) => return Err(unsupported("The target capacity type 'reserved-capacity'")),
        }
        if self.spot_target_capacity.is_some_and(|spot| spot > 0) {
            return Err(unsupported("Spot capacity"));
        }
        if self.on_demand_target_capacity.is_some_and(|target| target > self.total_target_capacity) {
            return Err(combination("OnDemandTargetCapacity is above TotalTargetCapacity"));
        }
        Ok(self.total_target_capacity)
    }
}

#[derive(FromArg)]
struct AskedConfig {
    launch_template_specification: Option<TemplateSpecification>,
    #[arg(max_items = OVERRIDES_MAX)]
    overrides: Vec<AskedOverride>,
}

#[derive(FromArg)]
struct AskedOverride {
    instance_type: Option<String>,
    subnet_id: Option<String>,
    availability_zone: Option<String>,
    weighted_capacity: Option<f64>,
    priority: Option<f64>,
}

#[derive(FromArg)]
struct OnDemandOptions {
    allocation_strategy: Option<Strategy>,
    capacity_reservation_options: Option<ReservationOptions>,
    #[arg(default)]
    single_instance_type: bool,
    #[arg(default)]
    single_availability_zone: bool,
    min_target_capacity: Option<u32>,
}

#[derive(FromArg)]
struct ReservationOptions {
    usage_strategy: Option<UsageStrategy>,
}

/// Instances come into the open reservations that fit them, in whatever order the pools are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "kebab-case")]
enum UsageStrategy {
    UseCapacityReservationsFirst,
}

/// The reply of `CreateFleet`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    fleet_id: String,
    error_set: Vec<ErrorItem>,
    fleet_instance_set: Vec<InstancesItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ErrorItem {
    launch_template_and_overrides: PoolItem,
    lifecycle: &'static str,
    error_code: &'static str,
    error_message: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct InstancesItem {
    launch_template_and_overrides: PoolItem,
    lifecycle: &'static str,
    instance_ids: Vec<String>,
    instance_type: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct PoolItem {
    launch_template_specification: Option<TemplateItem>,
    overrides: Option<OverrideItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct TemplateItem {
    launch_template_id: String,
    version: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct OverrideItem {
    instance_type: Option<String>,
    subnet_id: Option<String>,
    availability_zone: Option<String>,
    weighted_capacity: Option<f64>,
    priority: Option<f64>,
}

/// Makes a fleet.
pub(crate) async fn create(cx: Cx, asked: CreateFleet) -> Result<Created, Refusal> {
    let target = asked.target_capacity_specification.on_demand()?;
    let kind = match asked.kind.unwrap_or(FleetType::Maintain) {
        FleetType::Request => FleetKind::Request,
        FleetType::Maintain => FleetKind::Maintain,
        FleetType::Instant => FleetKind::Instant,
    };
    if kind == FleetKind::Instant {
        cx.cloud.admit_launch(&cx.caller, u64::from(target))?;
    }
    let mut configs = Vec::with_capacity(asked.launch_template_configs.len());
    for config in asked.launch_template_configs {
        configs.push(read_config(&cx, config).await?);
    }
    let (mut one, mut least, mut order) = (OneOf::default(), None, PoolOrder::Smallest);
    if let Some(options) = asked.on_demand_options {
        one = OneOf { instance_type: options.single_instance_type, zone: options.single_availability_zone };
        least = options.min_target_capacity;
        if options.allocation_strategy == Some(Strategy::Prioritized) {
            order = PoolOrder::Prioritized;
        }
        let _first = options.capacity_reservation_options.and_then(|options| options.usage_strategy);
    }
    let command = CreateInstanceFleet {
        name: String::new(),
        description: String::new(),
        kind,
        target,
        least,
        one,
        order,
        configs,
        excess: asked.excess_capacity_termination_policy.map_or(Excess::Ends, ExcessPolicy::excess),
        ends_members: asked.terminate_instances_with_expiration,
        replaces_impaired: asked.replace_unhealthy_instances,
        begin: asked.valid_from.map(|at| Millis(at.as_millisecond())),
        end: asked.valid_until.map(|at| Millis(at.as_millisecond())),
        tags: tag::specified(&asked.tags, "fleet", &["fleet"])?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token.filter(|token| !token.is_empty()))).await?;
    let (error_set, fleet_instance_set) = (errors(&made.fleet), made.launched.iter().map(|of| instances(&made.fleet, of)).collect());
    Ok(Created { fleet_id: made.fleet.id.to_string(), error_set, fleet_instance_set })
}

/// The version that is meant by now is what the fleet launches from then on.
async fn read_config(cx: &Cx, asked: AskedConfig) -> Result<FleetConfig, Refusal> {
    let missing = Error::MissingParameter { name: "LaunchTemplateConfigs.LaunchTemplateSpecification" };
    let view = template_version(cx, asked.launch_template_specification.ok_or(missing)?).await?;
    let overrides = asked.overrides.into_iter().map(AskedOverride::read).collect::<Result<_, _>>()?;
    Ok(FleetConfig { template: Some((view.template.id, view.version.number)), launch: view.version.launch, overrides })
}

impl AskedOverride {
    fn read(self) -> Result<PoolOverride, Refusal> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(PoolOverride {
            instance_type: filled(self.instance_type),
            subnet: tag::optional_id(Noun::Subnet, self.subnet_id.as_deref())?,
            zone: filled(self.availability_zone),
            weight: self.weighted_capacity.map(|weight| thousandths("WeightedCapacity", weight)).transpose()?,
            priority: self.priority.map(|priority| thousandths("Priority", priority)).transpose()?,
        })
    }
}

/// A number as the cloud keeps it.
fn thousandths(name: &'static str, number: f64) -> Result<u64, Error> {
    if !(0.0..=1_000_000.0).contains(&number) {
        return Err(Error::invalid(name, "must be a number that is not negative, and not more than a million"));
    }
    Ok((number * UNIT as f64).round() as u64)
}

fn number(thousandths: u64) -> f64 {
    thousandths as f64 / UNIT as f64
}

fn errors(fleet: &InstanceFleet) -> Vec<ErrorItem> {
    let item = |lack: &model::PoolLack| {
        let (error_code, error_message) = coded(&lack.why.error());
        ErrorItem { launch_template_and_overrides: pool(fleet, lack.pool), lifecycle: "on-demand", error_code, error_message }
    };
    fleet.lacks.iter().map(item).collect()
}

fn instances(fleet: &InstanceFleet, of: &Launches) -> InstancesItem {
    InstancesItem {
        launch_template_and_overrides: of.members.first().map_or_else(PoolItem::nothing, |member| pool(fleet, member.pool)),
        lifecycle: "on-demand",
        instance_ids: of.members.iter().map(|member| member.instance.to_string()).collect(),
        instance_type: instance_type::shown(&of.instance_type),
    }
}

impl PoolItem {
    const fn nothing() -> PoolItem {
        PoolItem { launch_template_specification: None, overrides: None }
    }
}

fn pool(fleet: &InstanceFleet, id: PoolId) -> PoolItem {
    let Some(config) = fleet.configs.get(id.config) else { return PoolItem::nothing() };
    let own = id.pool.and_then(|at| config.overrides.get(at));
    PoolItem { launch_template_specification: config.template.map(template), overrides: own.map(shown_override) }
}

fn template((id, version): (LaunchTemplateId, u64)) -> TemplateItem {
    TemplateItem { launch_template_id: id.to_string(), version: version.to_string() }
}

fn shown_override(own: &PoolOverride) -> OverrideItem {
    OverrideItem {
        instance_type: own.instance_type.as_deref().map(instance_type::shown),
        subnet_id: own.subnet.map(|id| id.to_string()),
        availability_zone: own.zone.clone(),
        weighted_capacity: own.weight.map(number),
        priority: own.priority.map(number),
    }
}

/// The parameters of `DescribeFleets`.
#[derive(FromArg)]
pub(crate) struct DescribeFleets {
    #[arg(name = "FleetId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeFleets`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Described {
    next_token: Option<String>,
    fleet_set: Vec<FleetItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct FleetItem {
    activity_status: Option<&'static str>,
    create_time: Timestamp,
    fleet_id: String,
    fleet_state: &'static str,
    excess_capacity_termination_policy: &'static str,
    fulfilled_capacity: f64,
    fulfilled_on_demand_capacity: f64,
    launch_template_configs: Vec<ConfigItem>,
    target_capacity_specification: TargetItem,
    terminate_instances_with_expiration: bool,
    #[reply(name = "type")]
    kind: &'static str,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    replace_unhealthy_instances: bool,
    on_demand_options: OptionsItem,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    #[reply(skip_empty)]
    error_set: Vec<ErrorItem>,
    #[reply(skip_empty)]
    fleet_instance_set: Vec<InstancesItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ConfigItem {
    launch_template_specification: Option<TemplateItem>,
    overrides: Vec<OverrideItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct TargetItem {
    total_target_capacity: u32,
    on_demand_target_capacity: u32,
    spot_target_capacity: u32,
    default_target_capacity_type: &'static str,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct OptionsItem {
    allocation_strategy: &'static str,
}

fn item(view: &InstanceFleetView) -> FleetItem {
    let fleet = &view.fleet;
    let is_instant = fleet.kind == FleetKind::Instant;
    let config = |config: &FleetConfig| ConfigItem {
        launch_template_specification: config.template.map(template),
        overrides: config.overrides.iter().map(shown_override).collect(),
    };
    FleetItem {
        activity_status: activity(view),
        create_time: fleet.created_at.timestamp(),
        fleet_id: fleet.id.to_string(),
        fleet_state: view.word(),
        excess_capacity_termination_policy: match fleet.excess {
            Excess::Stays => "no-termination",
            Excess::Ends => "termination",
        },
        fulfilled_capacity: number(view.held()),
        fulfilled_on_demand_capacity: number(view.held()),
        launch_template_configs: fleet.configs.iter().map(config).collect(),
        target_capacity_specification: TargetItem {
            total_target_capacity: fleet.target,
            on_demand_target_capacity: fleet.target,
            spot_target_capacity: 0,
            default_target_capacity_type: "on-demand",
        },
        terminate_instances_with_expiration: fleet.ends_members,
        kind: fleet.kind.word(),
        valid_from: fleet.begin.map(Millis::timestamp),
        valid_until: fleet.end.map(Millis::timestamp),
        replace_unhealthy_instances: fleet.replaces_impaired,
        on_demand_options: OptionsItem {
            allocation_strategy: match fleet.order {
                PoolOrder::Smallest => "lowest-price",
                PoolOrder::Prioritized => "prioritized",
            },
        },
        tag_set: tag::items(&fleet.tags),
        error_set: if is_instant { errors(fleet) } else { vec![] },
        fleet_instance_set: if is_instant { by_pool(view) } else { vec![] },
    }
}

/// How far a fleet is with what it is to do; nothing is said of one that has ended.
fn activity(view: &InstanceFleetView) -> Option<&'static str> {
    match view.fleet.state {
        FleetState::Submitted => Some("pending_fulfillment"),
        FleetState::Active if view.is_full() || view.fleet.was_full && view.fleet.kind != FleetKind::Maintain => Some("fulfilled"),
        FleetState::Active if !view.fleet.lacks.is_empty() => Some("error"),
        FleetState::Active => Some("pending_fulfillment"),
        FleetState::Deleting { ends_members: true } => Some("pending_termination"),
        FleetState::Deleting { ends_members: false } | FleetState::Deleted { .. } => None,
    }
}

/// The instances of a fleet that was launched at once, each pool's together.
fn by_pool(view: &InstanceFleetView) -> Vec<InstancesItem> {
    let mut found: Vec<Launches> = Vec::new();
    for member in &view.members {
        match found.iter_mut().find(|of| of.members.first().is_some_and(|first| first.pool == member.pool)) {
            Some(of) => of.members.push(member.clone()),
            None => {
                let config = view.fleet.configs.get(member.pool.config);
                let own = config.and_then(|config| config.overrides.get(member.pool.pool?)?.instance_type.clone());
                let instance_type = own.or_else(|| config?.launch.instance_type.clone()).unwrap_or_default();
                found.push(Launches { members: vec![member.clone()], instance_type });
            }
        }
    }
    found.iter().map(|of| instances(&view.fleet, of)).collect()
}

/// Lists fleets; those of type `instant` only where they are named, as EC2 does.
pub(crate) async fn describe(cx: Cx, asked: DescribeFleets) -> Result<Described, Refusal> {
    let pages = asked.paging.pages(&cx, PAGES, &asked.filters)?;
    let mut filters = filter::filters(&cx, filter::INSTANCE_FLEET, &asked.filters)?;
    if asked.ids.is_empty() {
        let values = [FleetKind::Request, FleetKind::Maintain].map(|kind| kind.word().to_owned()).to_vec();
        filters.push(control::Filter { field: control::Field::Kind, values });
    }
    let query = Query { ids: tag::ids(Noun::InstanceFleet, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<InstanceFleetView>(&cx.caller, query).await?;
    Ok(Described { next_token: pages.after(listed.next), fleet_set: listed.rows.iter().map(item).collect() })
}

/// The reply of a call that says only that it worked.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Done {
    r#return: bool,
}

/// The parameters of `ModifyFleet`.
#[derive(FromArg)]
pub(crate) struct ModifyFleet {
    fleet_id: String,
    target_capacity_specification: Option<TargetCapacity>,
    excess_capacity_termination_policy: Option<ExcessPolicy>,
}

/// What of `ModifyFleet` is not served.
pub(crate) const MODIFY_ABSENT: &[&str] = &["Context", "LaunchTemplateConfig", "TargetCapacitySpecification.TargetCapacityUnitType"];

/// Changes a fleet.
pub(crate) async fn modify(cx: Cx, asked: ModifyFleet) -> Result<Done, Refusal> {
    let command = ModifyInstanceFleet {
        fleet: tag::id(Noun::InstanceFleet, &asked.fleet_id)?,
        name: None,
        target: asked.target_capacity_specification.map(|target| target.on_demand()).transpose()?,
        excess: asked.excess_capacity_termination_policy.map(ExcessPolicy::excess),
        ends_members: None,
    };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done { r#return: true })
}

/// The parameters of `DeleteFleets`.
#[derive(FromArg)]
pub(crate) struct DeleteFleets {
    #[arg(name = "FleetId", max_items = 100)]
    ids: Vec<String>,
    terminate_instances: bool,
}

/// The reply of `DeleteFleets`: what went, and what stayed and why.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Deleted {
    successful_fleet_deletion_set: Vec<Gone>,
    unsuccessful_fleet_deletion_set: Vec<Kept>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Gone {
    current_fleet_state: &'static str,
    previous_fleet_state: &'static str,
    fleet_id: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Kept {
    error: Why,
    fleet_id: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Why {
    code: &'static str,
    message: String,
}

/// Deletes fleets, each by itself as EC2 does.
pub(crate) async fn delete(cx: Cx, asked: DeleteFleets) -> Result<Deleted, Refusal> {
    if asked.ids.is_empty() {
        return Err(Error::MissingParameter { name: "FleetId" }.into());
    }
    let ends_members = asked.terminate_instances;
    let (mut gone, mut kept) = (vec![], vec![]);
    for fleet_id in asked.ids {
        let deleted = match tag::id(Noun::InstanceFleet, &fleet_id) {
            Ok(fleet) => cx.cloud.run(&cx.caller, DeleteInstanceFleet { fleet, ends_members }, cx.options(None)).await,
            Err(error) => Err(error),
        };
        match deleted {
            Ok(before) => gone.push(Gone {
                current_fleet_state: if ends_members { "deleted_terminating" } else { "deleted_running" },
                previous_fleet_state: InstanceFleetView::word_of(before),
                fleet_id,
            }),
            Err(error @ (Error::Unauthorized { .. } | Error::DryRun | Error::Internal | Error::Unavailable)) => return Err(error.into()),
            Err(error) => {
                let code = match &error {
                    Error::NotFound { .. } => "fleetIdDoesNotExist",
                    Error::MalformedId { .. } => "fleetIdMalformed",
                    Error::IncorrectState { .. } => "fleetNotInDeletableState",
                    _ => "unexpectedError",
                };
                kept.push(Kept { error: Why { code, message: coded(&error).1 }, fleet_id });
            }
        }
    }
    Ok(Deleted { successful_fleet_deletion_set: gone, unsuccessful_fleet_deletion_set: kept })
}
