//! `bench api`: calls a second and their time, on simulated hosts with durable commits, beside `moto_server` doing the same.
//!
//! Server and load generator share the machine's cores, for us and for the peer alike.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::{Cloud, Folder, Load, Process, build, figure};
use super::{Promise, Row};
use crate::run;

/// Instances among which pages are sought, unless `PILEUS_BENCH_INSTANCES` says otherwise.
const INSTANCES: u64 = 1_000_000;
/// Hosts that hold them.
const HOSTS: u32 = 2_000;
/// Instances of one call while they are made.
const BATCH: u64 = 100;
/// Groups, by a tag, into which the instances fall.
const GROUPS: u64 = 1_000;
/// Seconds of each measurement.
const SECONDS: f64 = 10.0;
/// Promised calls a second, and milliseconds of a page.
const LAUNCHES: f64 = 5_000.0;
const DESCRIBES: f64 = 20_000.0;
const PAGE_P99_MS: f64 = 10.0;
/// How long the peer may take to start.
const PEER_READY: Duration = Duration::from_secs(60);
/// Begin of every body.
const EC2: &str = "Version=2016-11-15&Action=";

/// How many instances are made.
pub fn instances() -> Result<u64> {
    match std::env::var("PILEUS_BENCH_INSTANCES") {
        Ok(text) => text.parse().context("PILEUS_BENCH_INSTANCES is a number"),
        Err(_) => Ok(INSTANCES),
    }
}

/// Starts a cloud, fills it, measures it, and then the peer.
pub fn measure() -> Result<Vec<Row>> {
    build()?;
    let folder = Folder::new("api")?;
    let cloud = Cloud::start(&folder.0.join("state"), HOSTS)?;
    let image = cloud.image(&folder.0, "pileus-linux")?;
    let ours = Figures::of(&cloud.environment, &folder.0, &image)?;
    let bulk = fill(&cloud, &folder.0, &image, instances()?)?;
    let page = page(&folder.0).run(&cloud.environment)?;
    let by_id_full = describe(&folder.0)?.run(&cloud.environment)?;
    drop(cloud);
    let peer = peer(&folder.0)?;
    let promised = "promised".to_owned();
    let row = |what: &str, ours: f64, peer: f64, peer_name: &str, promise| Row {
        what: what.to_owned(),
        ours,
        peer,
        peer_name: peer_name.to_owned(),
        promise,
    };
    let least = Some(Promise::AtLeast(1.0));
    let of = |figures: &HashMap<String, f64>, name: &str| figure(figures, name);
    Ok(vec![
        row("RunInstances a second, one instance a call", of(&ours.launch, "per_second")?, LAUNCHES, &promised, least),
        row("RunInstances a second, one instance a call", of(&ours.launch, "per_second")?, of(&peer.launch, "per_second")?, "moto", None),
        row("RunInstances, p99 ms", of(&ours.launch, "p99_ms")?, of(&peer.launch, "p99_ms")?, "moto", None),
        row("instances a second, 100 a call", bulk, LAUNCHES, &promised, least),
        row("DescribeInstances by id a second", of(&ours.describe, "per_second")?, DESCRIBES, &promised, least),
        row("DescribeInstances by id a second", of(&ours.describe, "per_second")?, of(&peer.describe, "per_second")?, "moto", None),
        row("DescribeInstances by id a second, filled", of(&by_id_full, "per_second")?, of(&ours.describe, "per_second")?, "empty", None),
        row("DescribeInstances by id, filled, p99 ms", of(&by_id_full, "p99_ms")?, of(&peer.describe, "p99_ms")?, "moto, empty", None),
        row("a filtered page of 100, filled, p50 ms", of(&page, "p50_ms")?, PAGE_P99_MS, &promised, None),
        row("a filtered page of 100, filled, p99 ms", of(&page, "p99_ms")?, PAGE_P99_MS, &promised, Some(Promise::AtMost(1.0))),
        row("share of a core that the load took, launches", of(&ours.launch, "cpu_share")?, of(&peer.launch, "cpu_share")?, "moto", None),
        row("share of a core that the load took, by id", of(&ours.describe, "cpu_share")?, of(&peer.describe, "cpu_share")?, "moto", None),
    ])
}

/// What is measured of both servers in the same way.
struct Figures {
    launch: HashMap<String, f64>,
    describe: HashMap<String, f64>,
}

impl Figures {
    fn of(environment: &HashMap<String, String>, folder: &Path, image: &str) -> Result<Figures> {
        let ids = folder.join("ids");
        let _ = std::fs::remove_file(&ids);
        let bodies = vec![launch(image, 1, 0)];
        let launch = Load::new(folder, "launch", bodies).connections(64).seconds(SECONDS).collect(&ids);
        let launch = launch.run(environment)?;
        println!("  launched {} in {SECONDS} s", figure(&launch, "calls")?);
        let describe = describe(folder)?.run(environment)?;
        Ok(Figures { launch, describe })
    }
}

fn launch(image: &str, count: u64, group: u64) -> String {
    let tags =
        format!("TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=group&TagSpecification.1.Tag.1.Value=g{group}");
    format!("{EC2}RunInstances&ImageId={image}&InstanceType=t3.nano&MinCount={count}&MaxCount={count}&{tags}")
}

/// One instance by its id, any of those that were collected.
fn describe(folder: &Path) -> Result<Load> {
    let ids = std::fs::read_to_string(folder.join("ids"))?;
    let bodies = ids.lines().map(|id| format!("{EC2}DescribeInstances&InstanceId.1={id}")).collect();
    Ok(Load::new(folder, "describe", bodies).connections(32).seconds(SECONDS))
}

/// A first page of the running instances of a group.
fn page(folder: &Path) -> Load {
    let filters = "Filter.1.Name=tag:group&Filter.2.Name=instance-state-name&Filter.2.Value.1=running&MaxResults=100";
    let bodies = (0..GROUPS).map(|group| format!("{EC2}DescribeInstances&{filters}&Filter.1.Value.1=g{group}")).collect();
    Load::new(folder, "page", bodies).connections(2).seconds(SECONDS)
}

/// Launches instances until there are so many; how many a second.
pub fn fill(cloud: &Cloud, folder: &Path, image: &str, instances: u64) -> Result<f64> {
    let bodies = (0..GROUPS).map(|group| launch(image, BATCH, group)).collect();
    let calls = instances / BATCH;
    println!("  making {instances} instances");
    let filled = Load::new(folder, "fill", bodies).connections(16).calls(calls).run(&cloud.environment)?;
    println!("  made them in {:.0} s", figure(&filled, "seconds")?);
    Ok(figure(&filled, "per_second")? * BATCH as f64)
}

/// The same of `moto_server`, in an environment of its own under `target`.
fn peer(folder: &Path) -> Result<Figures> {
    let venv = run::root().join("target/moto");
    if !venv.join("bin/moto_server").exists() {
        println!("  installing moto_server (once)");
        run::shown(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run::shown(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "moto[server]==5.1.18"]))?;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new(venv.join("bin/moto_server"));
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Process(command.spawn().context("cannot start moto_server")?);
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if began.elapsed() > PEER_READY {
            bail!("moto_server did not start");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let environment = [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_ACCESS_KEY_ID", "peer".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "peer".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ];
    let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // An image of those that moto offers by itself.
    Figures::of(&environment, folder, "ami-03cf127a")
}
