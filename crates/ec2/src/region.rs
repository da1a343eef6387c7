//! Regions and availability zones. Each installation is one region and knows no other yet.

use std::fmt;

use control::Cloud;
use model::{Error, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{AskedFilter, retain};

/// Zones and regions need no opting in here.
const OPT_IN: &str = "opt-in-not-required";

/// The parameters of `DescribeRegions`.
#[derive(FromArg)]
pub(crate) struct DescribeRegions {
    #[arg(name = "RegionName")]
    names: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[expect(dead_code, reason = "there is no region to opt into")]
    all_regions: Option<bool>,
}

/// The reply of `DescribeRegions`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Regions {
    region_info: Vec<Region>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Region {
    region_name: String,
    region_endpoint: String,
    opt_in_status: &'static str,
}

/// Lists the region.
pub(crate) async fn describe_regions(cx: Cx, asked: DescribeRegions) -> Result<Regions, Refusal> {
    cx.allowed().await?;
    let DescribeRegions { names, filters, .. } = asked;
    let name = cx.cloud.region().name.clone();
    if let Some(stranger) = names.iter().find(|asked| **asked != name) {
        return Err(Error::not_found(Noun::Region, stranger).into());
    }
    let mut regions = vec![Region { region_name: name, region_endpoint: cx.host.clone(), opt_in_status: OPT_IN }];
    let value = |region: &Region, name: &str| match name {
        "region-name" => Some(vec![region.region_name.clone()]),
        "endpoint" => Some(vec![region.region_endpoint.clone()]),
        "opt-in-status" => Some(vec![OPT_IN.to_owned()]),
        _ => None,
    };
    retain(&mut regions, &filters, value, &["region-name", "endpoint", "opt-in-status"])?;
    Ok(Regions { region_info: regions })
}

/// The parameters of `DescribeAvailabilityZones`.
#[derive(FromArg)]
pub(crate) struct DescribeAvailabilityZones {
    #[arg(name = "ZoneName")]
    names: Vec<String>,
    #[arg(name = "ZoneId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[expect(dead_code, reason = "there is no zone to opt into")]
    all_availability_zones: Option<bool>,
}

/// The reply of `DescribeAvailabilityZones`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Zones {
    availability_zone_info: Vec<Zone>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Zone {
    zone_name: String,
    zone_state: &'static str,
    region_name: String,
    message_set: Vec<String>,
    zone_id: String,
    group_name: String,
    network_border_group: String,
    opt_in_status: &'static str,
    zone_type: &'static str,
}

const ZONE_FILTERS: &[&str] = &[
    "group-long-name",
    "group-name",
    "message",
    "opt-in-status",
    "parent-zone-id",
    "parent-zone-name",
    "region-name",
    "state",
    "zone-id",
    "zone-name",
    "zone-type",
];

/// Lists the zones of the region.
pub(crate) async fn describe_zones(cx: Cx, asked: DescribeAvailabilityZones) -> Result<Zones, Refusal> {
    cx.allowed().await?;
    let DescribeAvailabilityZones { names, ids, filters, .. } = asked;
    let mut zones: Vec<Zone> = cx.cloud.region().zones.iter().map(|name| zone(&cx, name)).collect();
    let stranger = names.iter().find(|name| !zones.iter().any(|zone| zone.zone_name == **name));
    let stranger = stranger.or_else(|| ids.iter().find(|id| !zones.iter().any(|zone| zone.zone_id == **id)));
    if let Some(stranger) = stranger {
        return Err(Error::not_found(Noun::Zone, stranger).into());
    }
    zones.retain(|zone| names.is_empty() || names.contains(&zone.zone_name));
    zones.retain(|zone| ids.is_empty() || ids.contains(&zone.zone_id));
    let value = |zone: &Zone, name: &str| match name {
        "zone-name" => Some(vec![zone.zone_name.clone()]),
        "zone-id" => Some(vec![zone.zone_id.clone()]),
        "region-name" => Some(vec![zone.region_name.clone()]),
        "state" => Some(vec![zone.zone_state.to_owned()]),
        "opt-in-status" => Some(vec![OPT_IN.to_owned()]),
        "zone-type" => Some(vec![zone.zone_type.to_owned()]),
        "group-name" => Some(vec![zone.group_name.clone()]),
        _ => None,
    };
    retain(&mut zones, &filters, value, ZONE_FILTERS)?;
    Ok(Zones { availability_zone_info: zones })
}

fn zone(cx: &Cx, name: &str) -> Zone {
    let region = cx.cloud.region().name.clone();
    Zone {
        zone_name: name.to_owned(),
        zone_state: "available",
        region_name: region.clone(),
        message_set: vec![],
        zone_id: zone_id(cx, name),
        group_name: region.clone(),
        network_border_group: region,
        opt_in_status: OPT_IN,
        zone_type: "availability-zone",
    }
}

/// The id of a zone: the region and the zone's number in it, as EC2 makes them.
pub(crate) fn zone_id(cx: &Cx, name: &str) -> String {
    ZoneId::of(&cx.cloud, name).to_string()
}

/// The id of a zone, before it is a text.
pub(crate) struct ZoneId<'a> {
    region: &'a str,
    /// From 1; 0 of a zone that is not the region's.
    number: usize,
}

impl<'a> ZoneId<'a> {
    /// That of the zone with this name.
    pub fn of(cloud: &'a Cloud, name: &str) -> ZoneId<'a> {
        let region = cloud.region();
        let number = region.zones.iter().position(|zone| zone == name).map_or(0, |at| at + 1);
        ZoneId { region: &region.name, number }
    }
}

impl fmt::Display for ZoneId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-az{}", self.region, self.number)
    }
}

/// The zone with this id.
pub(crate) fn zone_with_id(cx: &Cx, id: &str) -> Result<String, Error> {
    let found = cx.cloud.region().zones.iter().find(|zone| zone_id(cx, zone) == id);
    found.cloned().ok_or_else(|| Error::not_found(Noun::Zone, id))
}
