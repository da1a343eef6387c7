//! Regions and zones.

use wire::Show;

use crate::Cx;
use crate::account::Nothing;
use crate::error::Fault;

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Regions {
    total_count: usize,
    region_set: Vec<Region>,
}

#[derive(Show)]
struct Region {
    region: String,
    region_name: String,
    region_state: &'static str,
}

/// Tells the one region of this endpoint.
pub(crate) async fn regions(cx: &Cx<'_>, _: Nothing) -> Result<Regions, Fault> {
    cx.allowed().await?;
    let region = Region { region: cx.region(), region_name: cx.region(), region_state: "AVAILABLE" };
    Ok(Regions { total_count: 1, region_set: vec![region] })
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Zones {
    total_count: usize,
    zone_set: Vec<Zone>,
}

#[derive(Show)]
struct Zone {
    zone: String,
    zone_name: String,
    zone_id: String,
    zone_state: &'static str,
}

/// Tells the zones. Their numbers count from 1 in the order in which the operator named them.
pub(crate) async fn zones(cx: &Cx<'_>, _: Nothing) -> Result<Zones, Fault> {
    cx.allowed().await?;
    let zone = |(at, name): (usize, &String)| Zone {
        zone: name.clone(),
        zone_name: name.clone(),
        zone_id: (at + 1).to_string(),
        zone_state: "AVAILABLE",
    };
    let zone_set: Vec<Zone> = cx.cloud.region().zones.iter().enumerate().map(zone).collect();
    Ok(Zones { total_count: zone_set.len(), zone_set })
}
