//! Capacity reservations, and what instances ask of them.

use control::{
    CancelCapacityReservation, CapacityReservationView, ChooseCapacity, CreateCapacityReservation as Create,
    ModifyCapacityReservation as Modify, Query,
};
use jiff::Timestamp;
use model::{CapacityChoice, CapacityReservation, Eligibility, Error, Instance, Millis, Noun};
use wire::{FromArg, Show};

use crate::error::{Refusal, combination, unsupported};
use crate::filter::{self, AskedFilter};
use crate::page::Paging;
use crate::region::{zone_id, zone_with_id};
use crate::tag::{self, TagItem, TagSpecification};
use crate::{Cx, instance_type};

/// The one platform that instances have here.
pub(crate) const PLATFORM: &str = "Linux/UNIX";
/// Page sizes (EC2 documents 1 to 1,000).
const PAGES: std::ops::RangeInclusive<u32> = 1..=1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum EndDateType {
    Unlimited,
    Limited,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum MatchCriteria {
    Open,
    Targeted,
}

impl MatchCriteria {
    const fn eligibility(self) -> Eligibility {
        match self {
            MatchCriteria::Open => Eligibility::Open,
            MatchCriteria::Targeted => Eligibility::Targeted,
        }
    }
}

/// The parameters of `CreateCapacityReservation`.
#[derive(FromArg)]
pub(crate) struct CreateCapacityReservation {
    client_token: Option<String>,
    instance_type: String,
    instance_platform: String,
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    tenancy: Option<String>,
    instance_count: u32,
    #[expect(dead_code, reason = "every disk has its own bandwidth, whatever is said")]
    ebs_optimized: Option<bool>,
    #[arg(default)]
    ephemeral_storage: bool,
    end_date: Option<Timestamp>,
    end_date_type: Option<EndDateType>,
    instance_match_criteria: Option<MatchCriteria>,
    #[arg(name = "TagSpecifications")]
    tags: Vec<TagSpecification>,
}

/// What of `CreateCapacityReservation` is not served.
pub(crate) const CREATE_ABSENT: &[&str] = &["CommitmentDuration", "DeliveryPreference", "OutpostArn", "PlacementGroupArn", "StartDate"];

/// The reply of `CreateCapacityReservation`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    capacity_reservation: Item,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Item {
    capacity_reservation_id: String,
    owner_id: String,
    capacity_reservation_arn: String,
    availability_zone_id: String,
    instance_type: String,
    instance_platform: &'static str,
    availability_zone: String,
    tenancy: &'static str,
    total_instance_count: u32,
    available_instance_count: u64,
    ebs_optimized: bool,
    ephemeral_storage: bool,
    state: &'static str,
    start_date: Timestamp,
    end_date: Option<Timestamp>,
    end_date_type: &'static str,
    instance_match_criteria: &'static str,
    create_date: Timestamp,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    capacity_allocation_set: Vec<Allocation>,
    reservation_type: &'static str,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Allocation {
    allocation_type: &'static str,
    count: u64,
}

fn item(cx: &Cx, view: &CapacityReservationView) -> Item {
    let row = &view.reservation;
    Item {
        capacity_reservation_id: row.id.to_string(),
        owner_id: row.account.to_string(),
        capacity_reservation_arn: arn(cx, row),
        availability_zone_id: zone_id(cx, &row.zone),
        instance_type: instance_type::shown(&row.instance_type),
        instance_platform: PLATFORM,
        availability_zone: row.zone.clone(),
        tenancy: "default",
        total_instance_count: row.total,
        available_instance_count: view.free,
        ebs_optimized: false,
        ephemeral_storage: false,
        state: row.state.word(),
        start_date: row.created_at.timestamp(),
        end_date: row.end.map(Millis::timestamp),
        end_date_type: if row.end.is_some() { "limited" } else { "unlimited" },
        instance_match_criteria: row.eligibility.word(),
        create_date: row.created_at.timestamp(),
        tag_set: tag::items(&row.tags),
        capacity_allocation_set: vec![Allocation { allocation_type: "used", count: view.used() }],
        reservation_type: "default",
    }
}

fn arn(cx: &Cx, row: &CapacityReservation) -> String {
    format!("arn:aws:ec2:{}:{}:capacity-reservation/{}", cx.cloud.region().name, row.account, row.id)
}

/// Reserves capacity.
pub(crate) async fn create(cx: Cx, asked: CreateCapacityReservation) -> Result<Created, Refusal> {
    if asked.instance_platform != PLATFORM {
        return Err(unsupported(format!("The platform '{}'", asked.instance_platform)));
    }
    if let Some(tenancy) = asked.tenancy.as_deref().filter(|tenancy| !matches!(*tenancy, "default" | "")) {
        return Err(unsupported(format!("The tenancy '{tenancy}'")));
    }
    if asked.ephemeral_storage {
        return Err(unsupported("Ephemeral storage"));
    }
    let by_id = asked.availability_zone_id.as_deref().filter(|id| !id.is_empty()).map(|id| zone_with_id(&cx, id)).transpose()?;
    let zone = match (asked.availability_zone.filter(|zone| !zone.is_empty()), by_id) {
        (Some(_), Some(_)) => return Err(combination("AvailabilityZone and AvailabilityZoneId exclude each other")),
        (None, None) => return Err(Error::MissingParameter { name: "AvailabilityZone" }.into()),
        (name, by_id) => name.or(by_id).unwrap_or_default(),
    };
    let command = Create {
        name: String::new(),
        description: String::new(),
        instance_type: asked.instance_type,
        zone,
        count: asked.instance_count,
        eligibility: asked.instance_match_criteria.unwrap_or(MatchCriteria::Open).eligibility(),
        end: end(asked.end_date_type.unwrap_or(EndDateType::Unlimited), asked.end_date)?,
        tags: tag::specified(&asked.tags, "capacity-reservation", &["capacity-reservation"])?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token.filter(|token| !token.is_empty()))).await?;
    Ok(Created { capacity_reservation: item(&cx, &made) })
}

fn end(kind: EndDateType, date: Option<Timestamp>) -> Result<Option<Millis>, Refusal> {
    match (kind, date) {
        (EndDateType::Unlimited, None) => Ok(None),
        (EndDateType::Unlimited, Some(_)) => Err(combination("An EndDate is only for the EndDateType 'limited'")),
        (EndDateType::Limited, Some(date)) => Ok(Some(Millis(date.as_millisecond()))),
        (EndDateType::Limited, None) => Err(combination("The EndDateType 'limited' requires an EndDate")),
    }
}

/// The parameters of `DescribeCapacityReservations`.
#[derive(FromArg)]
pub(crate) struct DescribeCapacityReservations {
    #[arg(name = "CapacityReservationId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeCapacityReservations`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Described {
    next_token: Option<String>,
    capacity_reservation_set: Vec<Item>,
}

/// Lists capacity reservations.
pub(crate) async fn describe(cx: Cx, asked: DescribeCapacityReservations) -> Result<Described, Refusal> {
    let pages = asked.paging.pages(&cx, PAGES, &asked.filters)?;
    let filters = filter::filters(&cx, filter::CAPACITY_RESERVATION, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::CapacityReservation, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<CapacityReservationView>(&cx.caller, query).await?;
    let next_token = pages.after(listed.next);
    Ok(Described { next_token, capacity_reservation_set: listed.rows.iter().map(|view| item(&cx, view)).collect() })
}

/// The reply of a call that says only that it worked.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Done {
    r#return: bool,
}

/// The parameters of `ModifyCapacityReservation`.
#[derive(FromArg)]
pub(crate) struct ModifyCapacityReservation {
    capacity_reservation_id: String,
    instance_count: Option<u32>,
    end_date: Option<Timestamp>,
    end_date_type: Option<EndDateType>,
    instance_match_criteria: Option<MatchCriteria>,
}

/// What of `ModifyCapacityReservation` is not served.
pub(crate) const MODIFY_ABSENT: &[&str] = &["Accept", "AcceptModificationTerms", "AdditionalInfo", "QuoteId", "StartDate"];

/// Changes a capacity reservation.
pub(crate) async fn modify(cx: Cx, asked: ModifyCapacityReservation) -> Result<Done, Refusal> {
    let reservation = tag::id(Noun::CapacityReservation, &asked.capacity_reservation_id)?;
    let end = match (asked.end_date_type, asked.end_date) {
        (None, None) => None,
        (Some(kind), date) => Some(end(kind, date)?),
        (None, date @ Some(_)) => Some(end(EndDateType::Limited, date)?),
    };
    if asked.instance_count.is_none() && end.is_none() && asked.instance_match_criteria.is_none() {
        return Err(Error::MissingParameter { name: "InstanceCount" }.into());
    }
    let command = Modify {
        reservation,
        name: None,
        description: None,
        count: asked.instance_count,
        eligibility: asked.instance_match_criteria.map(MatchCriteria::eligibility),
        end,
    };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done { r#return: true })
}

/// The parameters of `CancelCapacityReservation`.
#[derive(FromArg)]
pub(crate) struct Cancel {
    capacity_reservation_id: String,
}

/// Ends a capacity reservation.
pub(crate) async fn cancel(cx: Cx, asked: Cancel) -> Result<Done, Refusal> {
    let reservation = tag::id(Noun::CapacityReservation, &asked.capacity_reservation_id)?;
    cx.cloud.run(&cx.caller, CancelCapacityReservation { reservation }, cx.options(None)).await?;
    Ok(Done { r#return: true })
}

/// The parameters of `GetCapacityReservationUsage`.
#[derive(FromArg)]
pub(crate) struct GetUsage {
    capacity_reservation_id: String,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `GetCapacityReservationUsage`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Usage {
    capacity_reservation_id: String,
    instance_type: String,
    total_instance_count: u32,
    available_instance_count: u64,
    state: &'static str,
    instance_usage_set: Vec<UsageItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct UsageItem {
    account_id: String,
    used_instance_count: u64,
}

/// Who uses a capacity reservation: its owner alone, as it cannot be shared here. So there is one page.
pub(crate) async fn usage(cx: Cx, asked: GetUsage) -> Result<Usage, Refusal> {
    asked.paging.pages(&cx, PAGES, &[])?.of_ids()?;
    let ids = vec![tag::id(Noun::CapacityReservation, &asked.capacity_reservation_id)?];
    let listed = cx.cloud.list::<CapacityReservationView>(&cx.caller, Query { ids, ..Query::default() }).await?;
    let view = listed.rows.into_iter().next().ok_or_else(|| Error::not_found(Noun::CapacityReservation, &asked.capacity_reservation_id))?;
    let (row, used) = (&view.reservation, view.used());
    let of_owner = UsageItem { account_id: row.account.to_string(), used_instance_count: used };
    Ok(Usage {
        capacity_reservation_id: row.id.to_string(),
        instance_type: instance_type::shown(&row.instance_type),
        total_instance_count: row.total,
        available_instance_count: view.free,
        state: row.state.word(),
        instance_usage_set: Some(of_owner).filter(|_| used > 0).into_iter().collect(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "kebab-case")]
enum Preference {
    CapacityReservationsOnly,
    Open,
    None,
}

/// What an instance asks of capacity reservations, in a call.
#[derive(FromArg)]
pub(crate) struct CapacitySpecification {
    capacity_reservation_preference: Option<Preference>,
    capacity_reservation_target: Option<AskedTarget>,
}

#[derive(FromArg)]
struct AskedTarget {
    capacity_reservation_id: Option<String>,
    capacity_reservation_resource_group_arn: Option<String>,
}

impl CapacitySpecification {
    /// What is asked; none when nothing is said.
    pub(crate) fn choice(&self) -> Result<Option<CapacityChoice>, Refusal> {
        let target = match &self.capacity_reservation_target {
            None => None,
            Some(AskedTarget { capacity_reservation_resource_group_arn: Some(_), .. }) => {
                return Err(unsupported("A resource group of capacity reservations"));
            }
            Some(target) => tag::optional_id(Noun::CapacityReservation, target.capacity_reservation_id.as_deref())?,
        };
        match (target, self.capacity_reservation_preference) {
            (Some(id), None | Some(Preference::CapacityReservationsOnly)) => Ok(Some(CapacityChoice::Target(id))),
            (Some(_), Some(Preference::Open | Preference::None)) => {
                Err(combination("CapacityReservationTarget excludes the preferences 'open' and 'none'"))
            }
            (None, preference) => Ok(preference.map(|preference| match preference {
                Preference::CapacityReservationsOnly => CapacityChoice::Only,
                Preference::Open => CapacityChoice::Open,
                Preference::None => CapacityChoice::Never,
            })),
        }
    }
}

/// What an instance asks of capacity reservations, in a reply.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct ShownSpecification {
    capacity_reservation_preference: Option<&'static str>,
    capacity_reservation_target: Option<ShownTarget>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ShownTarget {
    capacity_reservation_id: String,
}

impl ShownSpecification {
    /// This choice in EC2's words.
    pub(crate) fn of(choice: CapacityChoice) -> ShownSpecification {
        let (preference, target) = match choice {
            CapacityChoice::Open => (Some("open"), None),
            CapacityChoice::Never => (Some("none"), None),
            CapacityChoice::Only => (Some("capacity-reservations-only"), None),
            CapacityChoice::Target(id) => (None, Some(ShownTarget { capacity_reservation_id: id.to_string() })),
        };
        ShownSpecification { capacity_reservation_preference: preference, capacity_reservation_target: target }
    }
}

/// The reservation that an instance is in.
pub(crate) fn reservation_of(instance: &Instance) -> Option<String> {
    instance.slot.map(|held| held.reservation.to_string())
}

/// The parameters of `ModifyInstanceCapacityReservationAttributes`.
#[derive(FromArg)]
pub(crate) struct ModifyInstance {
    instance_id: String,
    capacity_reservation_specification: CapacitySpecification,
}

/// Changes what a stopped instance asks of capacity reservations.
pub(crate) async fn modify_instance(cx: Cx, asked: ModifyInstance) -> Result<Done, Refusal> {
    let choice = asked.capacity_reservation_specification.choice()?;
    let choice = choice.ok_or(Error::MissingParameter { name: "CapacityReservationSpecification.CapacityReservationPreference" })?;
    let instance = tag::id(Noun::Instance, &asked.instance_id)?;
    cx.cloud.run(&cx.caller, ChooseCapacity { instance, choice }, cx.options(None)).await?;
    Ok(Done { r#return: true })
}
