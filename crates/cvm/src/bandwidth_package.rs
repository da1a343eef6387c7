//! Bandwidth packages: elastic addresses that share a bandwidth in place of each one's own, or keep their own in one without.

use control::{AddressRef, BandwidthPackageView, Field, Many, ModifyBandwidthPackage, PackAddress, Query};
use jiff::Timestamp;
use model::{Address, AddressId, BANDWIDTH_PACKAGES_MAX, BandwidthPackageId, Error, Noun};
use wire::{FromArg, Show};

use crate::account::Nothing;
use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{self, TagArg};
use crate::{Cx, id};

/// Most packages of one call (VPC documents 20).
const PACKAGES_PER_CALL: u32 = 20;
/// What VPC writes for a package without a limit.
const UNLIMITED: i64 = -1;
/// The one way out that there is.
const EGRESS: &str = "center_egress1";

/// `CreateBandwidthPackage`.
#[derive(FromArg)]
pub(crate) struct CreateBandwidthPackage {
    #[arg(default = NetworkType::Bgp)]
    network_type: NetworkType,
    #[arg(default = Charge::Enhanced95PostpaidByMonth)]
    charge_type: Charge,
    #[arg(default)]
    bandwidth_package_name: String,
    #[arg(default = 1, range = 1..=PACKAGES_PER_CALL)]
    bandwidth_package_count: u32,
    #[arg(default = UNLIMITED)]
    internet_max_bandwidth: i64,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(default = Protocol::Ipv4)]
    protocol: Protocol,
    egress: Option<String>,
}

/// Parameters of `CreateBandwidthPackage` that are not served.
pub(crate) const CREATE_ABSENT: &[&str] = &["DesignatedZone", "TimeSpan"];

/// Whose lines a package is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum NetworkType {
    Bgp,
    HighQualityBgp,
    Anycast,
    #[arg(name = "SINGLEISP_CMCC")]
    SingleCmcc,
    #[arg(name = "SINGLEISP_CTCC")]
    SingleCtcc,
    #[arg(name = "SINGLEISP_CUCC")]
    SingleCucc,
}

impl NetworkType {
    fn check(self) -> Result<(), Fault> {
        if self == NetworkType::Bgp { Ok(()) } else { Err(Fault::unsupported("A bandwidth package of a NetworkType other than BGP")) }
    }
}

/// How a package is paid for: told again, and nothing is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Charge {
    #[arg(name = "ENHANCED95_POSTPAID_BY_MONTH")]
    Enhanced95PostpaidByMonth,
    #[arg(name = "PRIMARY_TRAFFIC_POSTPAID_BY_HOUR")]
    PrimaryTrafficPostpaidByHour,
    #[arg(name = "BANDWIDTH_POSTPAID_BY_DAY")]
    BandwidthPostpaidByDay,
    #[arg(name = "PEAK_BANDWIDTH_POSTPAID_BY_DAY")]
    PeakBandwidthPostpaidByDay,
    #[arg(name = "TOP5_POSTPAID_BY_MONTH")]
    Top5PostpaidByMonth,
    #[arg(name = "FIXED_PREPAID_BY_MONTH")]
    FixedPrepaidByMonth,
}

impl Charge {
    fn word(self) -> Result<&'static str, Fault> {
        Ok(match self {
            Charge::Enhanced95PostpaidByMonth => "ENHANCED95_POSTPAID_BY_MONTH",
            Charge::PrimaryTrafficPostpaidByHour => "PRIMARY_TRAFFIC_POSTPAID_BY_HOUR",
            Charge::BandwidthPostpaidByDay => "BANDWIDTH_POSTPAID_BY_DAY",
            Charge::PeakBandwidthPostpaidByDay => "PEAK_BANDWIDTH_POSTPAID_BY_DAY",
            Charge::Top5PostpaidByMonth => "TOP5_POSTPAID_BY_MONTH",
            Charge::FixedPrepaidByMonth => return Err(Fault::unsupported("A bandwidth package that is paid for beforehand")),
        })
    }
}

/// Whose addresses a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Protocol {
    Ipv4,
    Ipv6,
}

impl Protocol {
    fn check(self) -> Result<(), Fault> {
        if self == Protocol::Ipv4 { Ok(()) } else { Err(Fault::unsupported("A bandwidth package for IPv6")) }
    }
}

/// The limit of a package, which is none where VPC says so.
fn limit(bandwidth: i64) -> Result<Option<u32>, Fault> {
    if bandwidth == UNLIMITED {
        return Ok(None);
    }
    u32::try_from(bandwidth).map(Some).map_err(|_| Fault::invalid("InternetMaxBandwidth", "it is -1, or megabits per second"))
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Created {
    bandwidth_package_id: String,
    bandwidth_package_ids: Vec<String>,
}

/// Makes packages without addresses: all of them or none.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateBandwidthPackage) -> Result<Created, Fault> {
    asked.network_type.check()?;
    asked.protocol.check()?;
    if asked.egress.is_some_and(|egress| egress != EGRESS) {
        return Err(Fault::unsupported(format!("An Egress other than {EGRESS}")));
    }
    let command = control::CreateBandwidthPackage {
        name: asked.bandwidth_package_name,
        description: String::new(),
        bandwidth: limit(asked.internet_max_bandwidth)?,
        charge: asked.charge_type.word()?.to_owned(),
        tags: tag::tags_of(asked.tags)?,
    };
    let commands = vec![command; asked.bandwidth_package_count as usize];
    let ids: Vec<String> = cx.cloud.run(&cx.caller, Many(commands), cx.options()).await?.into_iter().map(id::shown).collect();
    Ok(Created { bandwidth_package_id: ids.first().cloned().unwrap_or_default(), bandwidth_package_ids: ids })
}

/// `ModifyBandwidthPackageAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyBandwidthPackageAttribute {
    bandwidth_package_id: String,
    bandwidth_package_name: Option<String>,
    charge_type: Option<Charge>,
}

/// Changes the name of a package, and how it is paid for.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyBandwidthPackageAttribute) -> Result<(), Fault> {
    let charge = asked.charge_type.map(Charge::word).transpose()?.map(str::to_owned);
    let (package, name) = (id::read(&asked.bandwidth_package_id)?, asked.bandwidth_package_name);
    let command = ModifyBandwidthPackage { package, name, description: None, bandwidth: None, charge };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `ModifyBandwidthPackageBandwidth`.
#[derive(FromArg)]
pub(crate) struct ModifyBandwidthPackageBandwidth {
    bandwidth_package_id: String,
    internet_max_bandwidth: i64,
}

/// Changes the bandwidth of a package at once.
pub(crate) async fn modify_bandwidth(cx: &Cx<'_>, asked: ModifyBandwidthPackageBandwidth) -> Result<(), Fault> {
    let (package, bandwidth) = (id::read(&asked.bandwidth_package_id)?, Some(limit(asked.internet_max_bandwidth)?));
    let command = ModifyBandwidthPackage { package, name: None, description: None, bandwidth, charge: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// What is in a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum ResourceType {
    Address,
    LoadBalance,
}

/// `AddBandwidthPackageResources`.
#[derive(FromArg)]
pub(crate) struct AddBandwidthPackageResources {
    bandwidth_package_id: String,
    #[arg(max_items = LIMIT_MAX)]
    resource_ids: Vec<String>,
    #[arg(default = ResourceType::Address)]
    resource_type: ResourceType,
    #[arg(default = NetworkType::Bgp)]
    network_type: NetworkType,
    #[arg(default = Protocol::Ipv4)]
    protocol: Protocol,
}

/// Brings elastic addresses into a package: all of them or none.
pub(crate) async fn add(cx: &Cx<'_>, asked: AddBandwidthPackageResources) -> Result<(), Fault> {
    asked.network_type.check()?;
    asked.protocol.check()?;
    pack(cx, &asked.bandwidth_package_id, &asked.resource_ids, asked.resource_type, true).await
}

/// `RemoveBandwidthPackageResources`.
#[derive(FromArg)]
pub(crate) struct RemoveBandwidthPackageResources {
    bandwidth_package_id: String,
    #[arg(max_items = LIMIT_MAX)]
    resource_ids: Vec<String>,
    #[arg(default = ResourceType::Address)]
    resource_type: ResourceType,
}

/// Takes elastic addresses out of a package, after which each has its own bandwidth again: all of them or none.
pub(crate) async fn remove(cx: &Cx<'_>, asked: RemoveBandwidthPackageResources) -> Result<(), Fault> {
    pack(cx, &asked.bandwidth_package_id, &asked.resource_ids, asked.resource_type, false).await
}

async fn pack(cx: &Cx<'_>, package: &str, ids: &[String], kind: ResourceType, into: bool) -> Result<(), Fault> {
    if kind == ResourceType::LoadBalance {
        return Err(Fault::unsupported("A load balancer in a bandwidth package"));
    }
    let package: BandwidthPackageId = id::read(package)?;
    let addresses: Vec<AddressId> = id::read_some("ResourceIds", ids)?;
    let pack = |address| PackAddress { package, address: AddressRef::Id(address), into };
    Ok(cx.cloud.run(&cx.caller, Many(addresses.into_iter().map(pack).collect()), cx.options()).await.map(drop)?)
}

/// `DeleteBandwidthPackage`.
#[derive(FromArg)]
pub(crate) struct DeleteBandwidthPackage {
    bandwidth_package_id: String,
}

/// Deletes a package in which no address is left.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteBandwidthPackage) -> Result<(), Fault> {
    let command = control::DeleteBandwidthPackage { package: id::read(&asked.bandwidth_package_id)?, force: false };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeBandwidthPackages`.
#[derive(FromArg)]
pub(crate) struct DescribeBandwidthPackages {
    #[arg(max_items = LIMIT_MAX)]
    bandwidth_package_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Packages {
    total_count: usize,
    bandwidth_package_set: Vec<PackageReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct PackageReply {
    bandwidth_package_id: String,
    bandwidth_package_name: String,
    network_type: &'static str,
    charge_type: String,
    bandwidth: i64,
    egress: &'static str,
    status: &'static str,
    created_time: Timestamp,
    /// Nothing expires that is paid for as it is used.
    deadline: &'static str,
    resource_set: Vec<Resource>,
}

#[derive(Show)]
struct Resource {
    resource_type: &'static str,
    resource_id: String,
    address_ip: String,
}

impl Resource {
    fn of(address: &Address) -> Resource {
        Resource { resource_type: "Address", resource_id: id::shown(address.id), address_ip: address.ip.to_string() }
    }
}

/// Lists packages with their addresses.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeBandwidthPackages) -> Result<Packages, Fault> {
    not_both("BandwidthPackageIds", &asked.bandwidth_package_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "bandwidth-package-id" => By::id::<BandwidthPackageId>(Field::Id),
            "bandwidth-package-name" => By::Is(Field::Name),
            "network-type" => By::Always(&["BGP"]),
            "charge-type" => By::Is(Field::Kind),
            "resource.resource-type" => By::Word(Field::Allocation, any_address),
            "resource.resource-id" => By::id::<AddressId>(Field::Allocation),
            "resource.address-ip" => By::Is(Field::PublicIp),
            _ => return None,
        })
    })?;
    let query = Query { ids: id::read_all(&asked.bandwidth_package_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<BandwidthPackageView>(&cx.caller, query).await?;
    Ok(Packages { total_count: listed.total, bandwidth_package_set: listed.rows.iter().map(reply).collect() })
}

/// The pattern of every address for the one type of what is in packages.
fn any_address(kind: &str) -> Vec<String> {
    if kind == "Address" { vec!["*".to_owned()] } else { vec![] }
}

fn reply(row: &BandwidthPackageView) -> PackageReply {
    let package = &row.package;
    PackageReply {
        bandwidth_package_id: id::shown(package.id),
        bandwidth_package_name: package.name.clone(),
        network_type: "BGP",
        charge_type: package.charge.clone(),
        bandwidth: package.bandwidth.map_or(UNLIMITED, i64::from),
        egress: EGRESS,
        status: "CREATED",
        created_time: package.created_at.timestamp(),
        deadline: "",
        resource_set: row.addresses.iter().map(Resource::of).collect(),
    }
}

/// `DescribeBandwidthPackageResources`.
#[derive(FromArg)]
pub(crate) struct DescribeBandwidthPackageResources {
    bandwidth_package_id: String,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Resources {
    total_count: usize,
    resource_set: Vec<Resource>,
}

/// Lists the addresses of one package.
pub(crate) async fn describe_resources(cx: &Cx<'_>, asked: DescribeBandwidthPackageResources) -> Result<Resources, Fault> {
    let package: BandwidthPackageId = id::read(&asked.bandwidth_package_id)?;
    let mut listed = cx.cloud.list::<BandwidthPackageView>(&cx.caller, Query { ids: vec![package], ..Query::default() }).await?;
    let row = listed.rows.pop().ok_or_else(|| Error::not_found(Noun::BandwidthPackage, package))?;
    let mut resources: Vec<Resource> = row.addresses.iter().map(Resource::of).collect();
    for FilterArg { name, values } in &asked.filters {
        match name.as_str() {
            "resource-id" => resources.retain(|one| values.contains(&one.resource_id)),
            "resource-type" => resources.retain(|one| values.iter().any(|value| value == one.resource_type)),
            other => return Err(Fault::unknown_filter(other)),
        }
    }
    let (total_count, resource_set) = asked.cut.of(resources);
    Ok(Resources { total_count, resource_set })
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Quotas {
    quota_set: Vec<Quota>,
}

#[derive(Show)]
struct Quota {
    quota_id: &'static str,
    quota_current: usize,
    quota_limit: usize,
    quota_group: String,
}

/// Tells how many packages the account has and may have.
pub(crate) async fn describe_quota(cx: &Cx<'_>, _: Nothing) -> Result<Quotas, Fault> {
    let listed = cx.cloud.list::<BandwidthPackageView>(&cx.caller, Query::default()).await?;
    let total = Quota {
        quota_id: "TOTAL_BANDWIDTHPKG_QUOTA",
        quota_current: listed.total,
        quota_limit: BANDWIDTH_PACKAGES_MAX,
        quota_group: cx.region(),
    };
    Ok(Quotas { quota_set: vec![total] })
}
