//! `bench restart`: how soon a cloud of a million instances answers again, and what an idle one takes.

use anyhow::Result;

use super::load::{Cloud, Folder, build};
use super::{Promise, Row, api};
use crate::up;

/// Hosts that hold the instances.
const HOSTS: u32 = 2_000;
/// Promised seconds, megabytes of memory, megabytes of the program.
const READY_SECONDS: f64 = 5.0;
const IDLE_MEGABYTES: f64 = 100.0;
const BINARY_MEGABYTES: f64 = 60.0;

/// Fills a cloud, ends it, and starts it again; then looks at an empty one.
pub fn measure() -> Result<Vec<Row>> {
    build()?;
    let folder = Folder::new("restart")?;
    let state = folder.0.join("state");
    let mut cloud = Cloud::start(&state, HOSTS)?;
    let image = cloud.image(&folder.0, "pileus-linux")?;
    let instances = api::instances()?;
    api::fill(&cloud, &folder.0, &image, instances)?;
    cloud.process.end()?;
    drop(cloud);
    let again = Cloud::start(&state, HOSTS)?;
    let (ready, full) = (again.ready_after, again.process.resident_megabytes()?);
    drop(again);
    let empty = Cloud::start(&folder.0.join("empty"), 1)?;
    std::thread::sleep(std::time::Duration::from_secs(5));
    let idle = empty.process.resident_megabytes()?;
    let binary = std::fs::metadata(up::binary()?)?.len() as f64 / 1e6;
    let row = |what: String, ours: f64, promised: f64| Row {
        what,
        ours,
        peer: promised,
        peer_name: "promised".to_owned(),
        promise: Some(Promise::AtMost(1.0)),
    };
    Ok(vec![
        row(format!("seconds until ready again, {instances} instances"), ready, READY_SECONDS),
        row("megabytes resident, idle, one simulated host".to_owned(), idle, IDLE_MEGABYTES),
        row("megabytes of the program".to_owned(), binary, BINARY_MEGABYTES),
        Row { promise: None, peer_name: "idle".to_owned(), ..row(format!("megabytes resident, {instances} instances"), full, idle) },
    ])
}
