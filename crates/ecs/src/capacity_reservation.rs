//! Capacity reservations, of which each is a private pool of its owner's.

use control::{
    CancelCapacityReservation, CapacityReservationView, CreateCapacityReservation as Create, Field, ModifyCapacityReservation as Modify,
    Query,
};
use jiff::Timestamp;
use model::{CapacityChoice, CapacityReservationId, Eligibility, Millis, Noun};
use wire::{FromArg, JsonList, Show};

use crate::error::Fault;
use crate::filter::{self, Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::instance::in_state;
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX, Paged, Paging};
use crate::tag::{TagReply, tag_replies};
use crate::{Cx, instance_type};

/// Pools that one call names (ECS: 100).
const NAMED_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum EndTimeType {
    Limited,
    Unlimited,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum MatchCriteria {
    Open,
    Target,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Platform {
    #[arg(name = "linux")]
    Linux,
    #[arg(name = "windows")]
    Windows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum ChargeType {
    PostPaid,
    PrePaid,
}

/// What an instance asks of private pools.
#[derive(FromArg)]
pub(crate) struct AskedPool {
    match_criteria: Option<MatchCriteria>,
    id: Option<String>,
}

impl AskedPool {
    /// What is asked; none when nothing is said.
    pub(crate) fn choice(&self) -> Result<Option<CapacityChoice>, Fault> {
        let id: Option<CapacityReservationId> = filter::optional_id(Noun::CapacityReservation, self.id.as_ref())?;
        match (self.match_criteria, id) {
            (None, None) => Ok(None),
            (None | Some(MatchCriteria::Target), Some(id)) => Ok(Some(CapacityChoice::Target(id))),
            (Some(MatchCriteria::Target), None) => Err(Fault::missing("PrivatePoolOptions.Id")),
            (Some(MatchCriteria::Open), None) => Ok(Some(CapacityChoice::Open)),
            (Some(MatchCriteria::None), None) => Ok(Some(CapacityChoice::Never)),
            (Some(MatchCriteria::Open | MatchCriteria::None), Some(_)) => {
                Err(Fault::new(400, "InvalidParameter.Conflict", "PrivatePoolOptions.Id is only for the match criteria Target."))
            }
        }
    }
}

#[derive(FromArg)]
struct NewPool {
    match_criteria: Option<MatchCriteria>,
    name: Option<String>,
}

/// `CreateCapacityReservation`.
#[derive(FromArg)]
pub(crate) struct CreateCapacityReservation {
    private_pool_options: Option<NewPool>,
    description: Option<String>,
    #[arg(name = "ZoneId", max_items = 1)]
    zones: Vec<String>,
    instance_type: String,
    instance_amount: u32,
    platform: Option<Platform>,
    instance_charge_type: Option<ChargeType>,
    end_time: Option<Timestamp>,
    end_time_type: Option<EndTimeType>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    private_pool_options_id: String,
}

/// Reserves capacity at once.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateCapacityReservation) -> Result<Created, Fault> {
    if asked.platform == Some(Platform::Windows) {
        return Err(Fault::unsupported_parameter("Platform=windows"));
    }
    if asked.instance_charge_type == Some(ChargeType::PrePaid) {
        return Err(Fault::unsupported_parameter("InstanceChargeType=PrePaid"));
    }
    let (criteria, name) = asked.private_pool_options.map_or((None, None), |pool| (pool.match_criteria, pool.name));
    let command = Create {
        name: name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        instance_type: asked.instance_type,
        zone: asked.zones.into_iter().next().ok_or_else(|| Fault::missing("ZoneId.1"))?,
        count: asked.instance_amount,
        eligibility: match criteria {
            None | Some(MatchCriteria::Open) => Eligibility::Open,
            Some(MatchCriteria::Target) => Eligibility::Targeted,
            Some(MatchCriteria::None) => return Err(Fault::invalid("PrivatePoolOptions.MatchCriteria", "it is neither Open nor Target")),
        },
        end: end(asked.end_time_type, asked.end_time)?.flatten(),
        tags: tags_of(asked.tags)?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { private_pool_options_id: made.reservation.id.to_string() })
}

/// When it ends; none when nothing is said, and `Some(None)` when it is said that it does not.
fn end(kind: Option<EndTimeType>, at: Option<Timestamp>) -> Result<Option<Option<Millis>>, Fault> {
    match (kind, at) {
        (None, None) => Ok(None),
        (Some(EndTimeType::Unlimited), _) => Ok(Some(None)),
        (None | Some(EndTimeType::Limited), Some(at)) => Ok(Some(Some(Millis(at.as_millisecond())))),
        (Some(EndTimeType::Limited), None) => Err(Fault::missing("EndTime")),
    }
}

#[derive(FromArg)]
struct ChangedPool {
    id: String,
    name: Option<String>,
}

/// `ModifyCapacityReservation`.
#[derive(FromArg)]
pub(crate) struct ModifyCapacityReservation {
    private_pool_options: ChangedPool,
    description: Option<String>,
    instance_amount: Option<u32>,
    end_time: Option<Timestamp>,
    end_time_type: Option<EndTimeType>,
}

/// Changes a capacity reservation.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyCapacityReservation) -> Result<(), Fault> {
    let command = Modify {
        reservation: filter::id(Noun::CapacityReservation, &asked.private_pool_options.id)?,
        name: asked.private_pool_options.name,
        description: asked.description,
        count: asked.instance_amount,
        eligibility: None,
        end: end(asked.end_time_type, asked.end_time)?,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

#[derive(FromArg)]
struct OnePool {
    id: String,
}

/// `ReleaseCapacityReservation`.
#[derive(FromArg)]
pub(crate) struct ReleaseCapacityReservation {
    private_pool_options: OnePool,
}

/// Ends a capacity reservation.
pub(crate) async fn release(cx: &Cx<'_>, asked: ReleaseCapacityReservation) -> Result<(), Fault> {
    let reservation = filter::id(Noun::CapacityReservation, &asked.private_pool_options.id)?;
    Ok(cx.cloud.run(&cx.caller, CancelCapacityReservation { reservation }, cx.options()?).await?)
}

#[derive(FromArg)]
struct NamedPools {
    #[arg(max_items = NAMED_MAX)]
    ids: Option<JsonList<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Status {
    All,
    Pending,
    Preparing,
    Prepared,
    Active,
    Released,
}

/// `DescribeInstanceAttachmentAttributes`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceAttachmentAttributes {
    #[arg(max_items = NAMED_MAX)]
    instance_ids: Option<JsonList<String>>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct AttachmentAttributes {
    #[reply(list = "Instance")]
    instances: Vec<AttachmentAttribute>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct AttachmentAttribute {
    instance_id: String,
    private_pool_options_match_criteria: &'static str,
    private_pool_options_id: String,
}

/// Tells what instances ask of private pools.
pub(crate) async fn attachments(cx: &Cx<'_>, asked: DescribeInstanceAttachmentAttributes) -> Result<AttachmentAttributes, Fault> {
    let named = asked.instance_ids.ok_or_else(|| Fault::missing("InstanceIds"))?.0;
    let mut filters = Filters::new();
    filters.one_of_at_least(Field::Id, &named);
    in_state(&mut filters, None);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list_instances(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let attribute = |view: &control::InstanceView| {
        let (criteria, id) = match view.instance.capacity {
            // ECS knows no instance that runs in open pools alone.
            CapacityChoice::Open | CapacityChoice::Only => ("Open", String::new()),
            CapacityChoice::Never => ("None", String::new()),
            CapacityChoice::Target(id) => ("Target", id.to_string()),
        };
        AttachmentAttribute {
            instance_id: view.instance.id.to_string(),
            private_pool_options_match_criteria: criteria,
            private_pool_options_id: id,
        }
    };
    Ok(AttachmentAttributes { instances: listed.rows.iter().map(attribute).collect(), numbers })
}

/// `DescribeCapacityReservations`.
#[derive(FromArg)]
pub(crate) struct DescribeCapacityReservations {
    private_pool_options: Option<NamedPools>,
    instance_type: Option<String>,
    zone_id: Option<String>,
    platform: Option<Platform>,
    instance_charge_type: Option<ChargeType>,
    status: Option<Status>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

#[derive(Show)]
pub(crate) struct Reservations {
    #[reply(list = "CapacityReservationItem")]
    capacity_reservation_set: Vec<Item>,
    #[reply(flatten)]
    paging: Paging,
}

#[derive(Show)]
struct Item {
    private_pool_options_id: String,
    private_pool_options_name: String,
    private_pool_options_match_criteria: &'static str,
    description: String,
    region_id: String,
    status: &'static str,
    platform: &'static str,
    instance_charge_type: &'static str,
    start_time: Timestamp,
    start_time_type: &'static str,
    end_time: Option<Timestamp>,
    end_time_type: &'static str,
    capacity_reservation_owner_id: String,
    #[reply(list = "AllocatedResource")]
    allocated_resources: Vec<Resource>,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

#[derive(Show)]
struct Resource {
    instance_type: String,
    #[reply(name = "zoneId")]
    zone_id: String,
    total_amount: u32,
    used_amount: u64,
    available_amount: u64,
}

/// Lists capacity reservations; those that have ended only when they are asked for.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeCapacityReservations) -> Result<Reservations, Fault> {
    let mut filters = Filters::new();
    let ids = asked.private_pool_options.and_then(|pools| pools.ids).map(|list| list.0);
    filters
        .listed(Field::Id, ids.as_deref())
        .exact(Field::Zone, asked.zone_id.as_ref())
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    if let Some(name) = &asked.instance_type {
        filters.push(Field::InstanceType, instance_type::kept(name));
    }
    let states: &[&str] = match asked.status {
        None | Some(Status::Active) => &["active"],
        Some(Status::All) => &["active", "cancelled", "expired"],
        Some(Status::Released) => &["cancelled", "expired"],
        Some(Status::Pending | Status::Preparing | Status::Prepared) => &[],
    };
    filters.push(Field::State, states.iter().map(|&state| state.to_owned()).collect());
    if asked.platform == Some(Platform::Windows) || asked.instance_charge_type == Some(ChargeType::PrePaid) {
        filters.nothing();
    }
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<CapacityReservationView>(&cx.caller, query).await?;
    let paging = asked.paged.paging(&listed);
    Ok(Reservations { capacity_reservation_set: listed.rows.iter().map(|view| item(cx, view)).collect(), paging })
}

fn item(cx: &Cx<'_>, view: &CapacityReservationView) -> Item {
    let row = &view.reservation;
    Item {
        private_pool_options_id: row.id.to_string(),
        private_pool_options_name: row.name.clone(),
        private_pool_options_match_criteria: match row.eligibility {
            Eligibility::Open => "Open",
            Eligibility::Targeted => "Target",
        },
        description: row.description.clone(),
        region_id: cx.cloud.region().name.clone(),
        status: if row.is_active() { "Active" } else { "Released" },
        platform: "linux",
        instance_charge_type: "PostPaid",
        start_time: row.created_at.timestamp(),
        start_time_type: "Now",
        end_time: row.end.map(Millis::timestamp),
        end_time_type: if row.end.is_some() { "Limited" } else { "Unlimited" },
        capacity_reservation_owner_id: row.account.to_string(),
        allocated_resources: vec![Resource {
            instance_type: instance_type::shown(&row.instance_type).to_owned(),
            zone_id: row.zone.clone(),
            total_amount: row.total,
            used_amount: view.used(),
            available_amount: view.free,
        }],
        tags: tag_replies(&row.tags),
    }
}
