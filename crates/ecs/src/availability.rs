//! What can be had in which zone now.

use std::collections::HashSet;

use control::TypeChoice;
use model::{Catalogue, Error, InstanceId, InstanceType, Noun, VOLUME_GIB};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;
use crate::parameter::Absent;
use crate::volume::{CATEGORY, DATA_CATEGORIES};

/// `DescribeAvailableResource`.
#[derive(FromArg)]
pub(crate) struct DescribeAvailableResource {
    destination_resource: Destination,
    zone_id: Option<String>,
    instance_type: Option<String>,
    cores: Option<u32>,
    memory: Option<f64>,
    resource_type: Option<ResourceType>,
    instance_charge_type: Option<String>,
    spot_strategy: Option<String>,
    #[expect(dead_code, reason = "of spot instances, of which there are none")]
    spot_duration: Option<u32>,
    io_optimized: Option<String>,
    network_category: Option<String>,
    system_disk_category: Option<String>,
    data_disk_category: Option<String>,
    dedicated_host_id: Option<String>,
}

/// Parameters of `DescribeAvailableResource` that are refused.
pub(crate) const ABSENT: &[Absent] = &[("Scope", "of reserved instances, of which there are none")];

/// What is to be made of the resource.
#[derive(Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum ResourceType {
    Instance,
    Disk,
    ReservedInstance,
    #[arg(name = "ddh")]
    DedicatedHost,
}

#[derive(Clone, Copy, PartialEq, FromArg)]
enum Destination {
    Zone,
    IoOptimized,
    InstanceType,
    SystemDisk,
    DataDisk,
    Network,
    #[arg(name = "ddh")]
    DedicatedHost,
}

#[derive(Show)]
pub(crate) struct AvailableZones {
    #[reply(list = "AvailableZone")]
    available_zones: Vec<AvailableZone>,
}

#[derive(Show)]
struct AvailableZone {
    region_id: String,
    zone_id: String,
    status: &'static str,
    status_category: &'static str,
    #[reply(list = "AvailableResource")]
    available_resources: Vec<AvailableResource>,
}

#[derive(Show)]
struct AvailableResource {
    #[reply(name = "Type")]
    kind: &'static str,
    #[reply(list = "SupportedResource")]
    supported_resources: Vec<SupportedResource>,
}

#[derive(Show)]
struct SupportedResource {
    value: String,
    status: &'static str,
    status_category: &'static str,
    min: Option<u32>,
    max: Option<u32>,
    unit: Option<&'static str>,
}

/// Tells what is offered in each zone and whether there is room for it.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeAvailableResource) -> Result<AvailableZones, Fault> {
    let zones = &cx.cloud.region().zones;
    let wanted = asked.zone_id.as_deref().filter(|zone| !zone.is_empty());
    if let Some(zone) = wanted
        && !zones.iter().any(|known| known == zone)
    {
        return Err(Error::not_found(Noun::Zone, zone).into());
    }
    let kinds = asked.kinds()?;
    let mut available = Vec::new();
    if asked.is_never() {
        return Ok(AvailableZones { available_zones: vec![] });
    }
    for zone in zones.iter().filter(|zone| wanted.is_none_or(|wanted| wanted == zone.as_str())) {
        available.push(available_zone(cx, &asked, zone, &kinds).await?);
    }
    Ok(AvailableZones { available_zones: available })
}

impl DescribeAvailableResource {
    /// Whether what nobody can have is asked for: what is paid for beforehand or bid for, hosts, classic networks and the like.
    fn is_never(&self) -> bool {
        let other = |asked: &Option<String>, has: &[&str]| {
            asked.as_deref().is_some_and(|asked| !asked.is_empty() && !has.iter().any(|has| has.eq_ignore_ascii_case(asked)))
        };
        matches!(self.resource_type, Some(ResourceType::ReservedInstance | ResourceType::DedicatedHost))
            || other(&self.instance_charge_type, &["PostPaid"])
            || other(&self.spot_strategy, &["NoSpot"])
            || other(&self.io_optimized, &["optimized", "true"])
            || other(&self.network_category, &["vpc"])
            || other(&self.system_disk_category, DATA_CATEGORIES)
            || other(&self.data_disk_category, DATA_CATEGORIES)
            || other(&self.dedicated_host_id, &[])
    }

    /// The types that are asked about.
    fn kinds(&self) -> Result<Vec<&'static InstanceType>, Fault> {
        let all = Catalogue::standard().all().iter();
        let sized = |kind: &&InstanceType| {
            self.cores.is_none_or(|cores| cores == kind.vcpus) && self.memory.is_none_or(|gib| gib * 1024.0 == kind.memory.0 as f64)
        };
        match self.instance_type.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => {
                let kind = Catalogue::standard().by_name(name).ok_or_else(|| Error::not_found(Noun::InstanceType, name))?;
                Ok(vec![kind])
            }
            None => Ok(all.filter(sized).collect()),
        }
    }
}

async fn available_zone(
    cx: &Cx<'_>,
    asked: &DescribeAvailableResource,
    zone: &str,
    kinds: &[&'static InstanceType],
) -> Result<AvailableZone, Fault> {
    let room: HashSet<&str> = cx.cloud.types_with_room(&cx.caller, zone).await?.into_iter().map(|kind| kind.name.as_str()).collect();
    let has_room = kinds.iter().any(|kind| room.contains(kind.name.as_str()));
    let (status, status_category) = stock(has_room);
    let resource = |kind, supported_resources| vec![AvailableResource { kind, supported_resources }];
    let available_resources = match asked.destination_resource {
        Destination::Zone => resource("Zone", vec![]),
        Destination::IoOptimized => resource("IoOptimized", vec![plain("optimized", has_room)]),
        Destination::InstanceType => {
            let supported = kinds.iter().map(|kind| plain(kind.ecs_name(), room.contains(kind.name.as_str()))).collect();
            resource("InstanceType", supported)
        }
        Destination::SystemDisk => {
            let (min, max) = (Some(*VOLUME_GIB.start()), Some(*VOLUME_GIB.end()));
            let of = |category: &&str| SupportedResource { min, max, unit: Some("GiB"), ..plain(category, has_room) };
            let wanted =
                |category: &&&str| asked.system_disk_category.as_deref().is_none_or(|asked| asked.is_empty() || asked == **category);
            resource("SystemDisk", DATA_CATEGORIES.iter().filter(wanted).map(of).collect())
        }
        Destination::DataDisk => {
            let (min, max) = (Some(*VOLUME_GIB.start()), Some(*VOLUME_GIB.end()));
            let of = |category: &&str| SupportedResource { min, max, unit: Some("GiB"), ..plain(category, has_room) };
            let wanted = |category: &&&str| asked.data_disk_category.as_deref().is_none_or(|asked| asked.is_empty() || asked == **category);
            resource("DataDisk", DATA_CATEGORIES.iter().filter(wanted).map(of).collect())
        }
        Destination::Network => resource("Network", vec![plain("vpc", true)]),
        Destination::DedicatedHost => vec![],
    };
    Ok(AvailableZone { region_id: cx.region(), zone_id: zone.to_owned(), status, status_category, available_resources })
}

/// `DescribeResourcesModification`.
#[derive(FromArg)]
pub(crate) struct DescribeResourcesModification {
    resource_id: String,
    destination_resource: Modified,
    instance_type: Option<String>,
    cores: Option<u32>,
    memory: Option<f64>,
    zone_id: Option<String>,
    #[expect(dead_code, reason = "whether an instance is made larger or smaller, what it can become is the same")]
    operation_type: Option<Operation>,
    #[expect(dead_code, reason = "it asks about a move to another cluster too; instances stay on their host")]
    migrate_across_zone: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, FromArg)]
enum Modified {
    InstanceType,
    SystemDisk,
}

#[derive(Clone, Copy, FromArg)]
enum Operation {
    Upgrade,
    Downgrade,
    RenewDowngrade,
    RenewModify,
}

/// Tells what an instance can be changed to, and whether its host has room for that now.
pub(crate) async fn describe_modification(cx: &Cx<'_>, asked: DescribeResourcesModification) -> Result<AvailableZones, Fault> {
    let instance: InstanceId = id(Noun::Instance, &asked.resource_id)?;
    let choices = cx.cloud.instance_type_choices(&cx.caller, instance).await?;
    let zone_id = cx.cloud.instance_view(&cx.caller, instance).await?.instance.zone;
    if asked.zone_id.as_ref().is_some_and(|wanted| !wanted.is_empty() && *wanted != zone_id) {
        return Ok(AvailableZones { available_zones: vec![] });
    }
    let named = asked.instance_type.as_deref().filter(|name| !name.is_empty());
    let wanted = named.map(|name| Catalogue::standard().by_name(name).ok_or_else(|| Error::not_found(Noun::InstanceType, name)));
    let wanted = wanted.transpose()?;
    let fits = |choice: &&TypeChoice| {
        wanted.is_none_or(|wanted| wanted.name == choice.kind.name)
            && asked.cores.is_none_or(|cores| cores == choice.kind.vcpus)
            && asked.memory.is_none_or(|gib| gib * 1024.0 == choice.kind.memory.0 as f64)
    };
    // What could never be chosen is left out; what only the host has no room for is sold out.
    let has_room = |choice: &&TypeChoice| matches!(choice.refusal, None | Some(Error::NoCapacity { .. }));
    let resource = match asked.destination_resource {
        Modified::InstanceType => {
            let supported = |choice: &TypeChoice| plain(choice.kind.ecs_name(), choice.refusal.is_none());
            let supported_resources = choices.iter().filter(fits).filter(has_room).map(supported).collect();
            AvailableResource { kind: "InstanceType", supported_resources }
        }
        Modified::SystemDisk => {
            let (min, max) = (Some(*VOLUME_GIB.start()), Some(*VOLUME_GIB.end()));
            let disk = SupportedResource { min, max, unit: Some("GiB"), ..plain(CATEGORY, true) };
            AvailableResource { kind: "SystemDisk", supported_resources: vec![disk] }
        }
    };
    let (status, status_category) = stock(resource.supported_resources.iter().any(|one| one.status == "Available"));
    let zone = AvailableZone { region_id: cx.region(), zone_id, status, status_category, available_resources: vec![resource] };
    Ok(AvailableZones { available_zones: vec![zone] })
}

fn plain(value: &str, has_room: bool) -> SupportedResource {
    let (status, status_category) = stock(has_room);
    SupportedResource { value: value.to_owned(), status, status_category, min: None, max: None, unit: None }
}

const fn stock(has_room: bool) -> (&'static str, &'static str) {
    if has_room { ("Available", "WithStock") } else { ("SoldOut", "WithoutStock") }
}
