//! Regions, zones and the endpoints of services.

use wire::{FromArg, Show};

use crate::error::Fault;
use crate::parameter::Absent;
use crate::volume::{CATEGORY, DATA_CATEGORIES};
use crate::{Cx, instance_type};

/// Parameters of `DescribeRegions` that are refused.
pub(crate) const REGIONS_ABSENT: &[Absent] = &[
    ("InstanceChargeType", "only PostPaid: everything is paid for as it is used"),
    ("ResourceType", "only instance: the region is told as that of instances"),
    ("ProductType", "the vendor documents no values of it"),
];

/// Parameters of `DescribeZones` that are refused.
pub(crate) const ZONES_ABSENT: &[Absent] = &[
    ("InstanceChargeType", "only PostPaid: everything is paid for as it is used"),
    ("SpotStrategy", "only NoSpot: there are no spot instances"),
    ("ZoneType", "the vendor documents no values of it"),
];

/// `DescribeRegions`.
#[derive(FromArg)]
pub(crate) struct DescribeRegions {}

#[derive(Show)]
pub(crate) struct Regions {
    #[reply(list = "Region")]
    regions: Vec<Region>,
}

#[derive(Show)]
struct Region {
    region_id: String,
    local_name: String,
    region_endpoint: String,
    status: &'static str,
}

/// Tells the one region of this endpoint.
pub(crate) async fn regions(cx: &Cx<'_>, _: DescribeRegions) -> Result<Regions, Fault> {
    cx.allowed().await?;
    let region = Region { region_id: cx.region(), local_name: cx.region(), region_endpoint: cx.host().to_owned(), status: "available" };
    Ok(Regions { regions: vec![region] })
}

/// `DescribeZones`.
#[derive(FromArg)]
pub(crate) struct DescribeZones {
    #[expect(dead_code, reason = "all is told, whatever is asked for")]
    verbose: Option<bool>,
}

#[derive(Show)]
pub(crate) struct Zones {
    #[reply(list = "Zone")]
    zones: Vec<Zone>,
}

#[derive(Show)]
struct Zone {
    zone_id: String,
    local_name: String,
    zone_type: &'static str,
    #[reply(list = "ResourceTypes")]
    available_resource_creation: Vec<&'static str>,
    #[reply(list = "InstanceTypes")]
    available_instance_types: Vec<String>,
    #[reply(list = "DiskCategories")]
    available_disk_categories: Vec<&'static str>,
    #[reply(list = "VolumeCategories")]
    available_volume_categories: Vec<&'static str>,
    #[reply(list = "ResourcesInfo")]
    available_resources: Vec<ResourcesInfo>,
}

#[derive(Show)]
struct ResourcesInfo {
    io_optimized: bool,
    #[reply(list = "supportedSystemDiskCategory")]
    system_disk_categories: Vec<&'static str>,
    #[reply(list = "supportedDataDiskCategory")]
    data_disk_categories: Vec<&'static str>,
    #[reply(list = "supportedNetworkCategory")]
    network_types: Vec<&'static str>,
    #[reply(list = "supportedInstanceTypeFamily")]
    instance_type_families: Vec<String>,
    #[reply(list = "supportedInstanceType")]
    instance_types: Vec<String>,
}

/// Tells the zones and what they have. What has room now is `DescribeAvailableResource`'s to say.
pub(crate) async fn zones(cx: &Cx<'_>, _: DescribeZones) -> Result<Zones, Fault> {
    cx.allowed().await?;
    let zone = |name: &String| Zone {
        zone_id: name.clone(),
        local_name: name.clone(),
        zone_type: "AvailabilityZone",
        available_resource_creation: vec!["VSwitch", "IoOptimized", "Instance", "Disk"],
        available_instance_types: instance_type::names(),
        available_disk_categories: vec![CATEGORY],
        available_volume_categories: vec![],
        available_resources: vec![ResourcesInfo {
            io_optimized: true,
            system_disk_categories: vec![CATEGORY],
            data_disk_categories: DATA_CATEGORIES.to_vec(),
            network_types: vec!["vpc"],
            instance_type_families: instance_type::family_names(),
            instance_types: instance_type::names(),
        }],
    };
    Ok(Zones { zones: cx.cloud.region().zones.iter().map(zone).collect() })
}

/// `DescribeEndpoints` of the location service.
#[derive(FromArg)]
pub(crate) struct DescribeEndpoints {
    id: Option<String>,
    service_code: Option<String>,
    #[arg(name = "Type")]
    kind: Option<String>,
}

#[derive(Show)]
pub(crate) struct Endpoints {
    #[reply(list = "Endpoint")]
    endpoints: Vec<Endpoint>,
    success: bool,
}

#[derive(Show)]
struct Endpoint {
    id: String,
    /// The service's own spelling.
    #[reply(name = "SerivceCode")]
    service_code: String,
    #[reply(name = "Type")]
    kind: String,
    endpoint: String,
    namespace: &'static str,
    #[reply(list = "Protocols")]
    protocols: Vec<&'static str>,
}

/// Tells that every service is here, at the host that was asked.
pub(crate) async fn endpoints(cx: &Cx<'_>, asked: DescribeEndpoints) -> Result<Endpoints, Fault> {
    let endpoint = Endpoint {
        id: asked.id.unwrap_or_else(|| cx.region()),
        service_code: asked.service_code.unwrap_or_else(|| "ecs".to_owned()),
        kind: asked.kind.unwrap_or_else(|| "openAPI".to_owned()),
        endpoint: cx.host().to_owned(),
        namespace: "",
        protocols: vec!["HTTP"],
    };
    Ok(Endpoints { endpoints: vec![endpoint], success: true })
}
