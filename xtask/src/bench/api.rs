//! `bench api`: calls a second and their time, on simulated hosts with durable commits, beside `moto_server` doing the same, and each
//! dialect beside the native API of the same server: what words of another cloud's cost.
//!
//! Server and load generator share the machine's cores, for us and for the peer alike. All are measured in turns, and the middle one of each
//! figure's rounds counts: a machine that is slow for a minute is so for everybody. Of processor time the least counts: what else goes on
//! in the machine only adds to it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::{Cloud, Folder, Load, Process, SERVER_TIME, build, figure};
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
/// Connections that launch at once: those who wait share a commit, so fewer leave the processors idle.
const LAUNCHING: u32 = 256;
/// Connections that look up at once.
const LOOKING: u32 = 32;
/// Turns in which everybody is measured.
const ROUNDS: usize = 3;
/// Seconds of each measurement of a round, and of those that are made once.
const ROUND_SECONDS: f64 = 3.0;
const SECONDS: f64 = 10.0;
/// Promised calls a second, and milliseconds of a page.
const LAUNCHES: f64 = 5_000.0;
const DESCRIBES: f64 = 20_000.0;
const PAGE_P99_MS: f64 = 10.0;
/// What each dialect is promised to be to the peer.
const TIMES_MOTO: f64 = 100.0;
/// Most times of the native API's processor time that a dialect may take.
const DIALECT_COST: f64 = 1.3;
/// Instances of a page, where a dialect's call gives so many.
const LISTED: u64 = 1_000;
/// Instances of a page that every dialect's call gives.
const LISTED_EVERYWHERE: u64 = 100;
/// A zone of the cloud.
const ZONE: &str = "local-1a";
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

/// Starts a cloud and the peer, measures each dialect, the native API and the peer in turns, then fills the cloud and measures it again.
pub fn measure() -> Result<Vec<Row>> {
    build()?;
    let folder = Folder::new("api")?;
    let folder = &folder.0;
    let cloud = Cloud::start(&folder.join("state"), HOSTS)?;
    let dialects = Dialect::all(&cloud, folder)?;
    let native = Dialect::native(&cloud, folder)?;
    let peer = Peer::start(folder)?;
    let (mut rounds, mut of_peer) = (vec![vec![]; dialects.len() + 1], vec![]);
    for round in 1..=ROUNDS {
        for (dialect, figures) in dialects.iter().chain([&native]).zip(&mut rounds) {
            figures.push(Figures::of(dialect, &cloud.process, &cloud.environment, folder)?);
        }
        of_peer.push(Figures::of(&Dialect::of_peer(), &peer.process, &peer.environment, &peer.folder)?);
        let launched = |figures: &[Figures]| figures.last().map_or(Ok(0.0), |last| figure(&last.launch, "per_second"));
        println!("  round {round} of {ROUNDS}, launches a second:");
        for (dialect, figures) in dialects.iter().chain([&native]).zip(&rounds) {
            println!("    {} {:.0}", dialect.name, launched(figures)?);
        }
        println!("    moto {:.0}", launched(&of_peer)?);
    }
    drop(peer);
    let peer = Figures::middle(&of_peer);
    let mut ours: Vec<Figures> = rounds.iter().map(|rounds| Figures::middle(rounds)).collect();
    let native = ours.pop().context("the native API was measured last")?;
    let ec2 = &dialects[0];
    let bulk = fill(&cloud, folder, &ec2.image, instances()?)?;
    cloud.process.rest()?;
    let page = page(folder).run(&cloud.environment)?;
    let by_id_full = ec2.describe(folder)?.seconds(SECONDS).run(&cloud.environment)?;
    drop(cloud);
    let promised = "promised".to_owned();
    let row = |what: &str, ours: f64, peer: f64, peer_name: &str, promise| Row {
        what: what.to_owned(),
        ours,
        peer,
        peer_name: peer_name.to_owned(),
        promise,
    };
    let least = Some(Promise::AtLeast(1.0));
    let times_moto = Some(Promise::AtLeast(TIMES_MOTO));
    let of = |figures: &HashMap<String, f64>, name: &str| figure(figures, name);
    let mut rows = vec![
        row("RunInstances a second, one instance a call", of(&ours[0].launch, "per_second")?, LAUNCHES, &promised, least),
        row("instances a second, 100 a call", bulk, LAUNCHES, &promised, least),
        row("DescribeInstances by id a second", of(&ours[0].describe, "per_second")?, DESCRIBES, &promised, least),
        row(
            "DescribeInstances by id a second, filled",
            of(&by_id_full, "per_second")?,
            of(&ours[0].describe, "per_second")?,
            "empty",
            None,
        ),
        row("DescribeInstances by id, filled, p99 ms", of(&by_id_full, "p99_ms")?, of(&peer.describe, "p99_ms")?, "moto, empty", None),
        row("a filtered page of 100, filled, p50 ms", of(&page, "p50_ms")?, PAGE_P99_MS, &promised, None),
        row("a filtered page of 100, filled, p99 ms", of(&page, "p99_ms")?, PAGE_P99_MS, &promised, Some(Promise::AtMost(1.0))),
    ];
    for (dialect, ours) in dialects.iter().zip(&ours) {
        let named = |what: &str| format!("{}: {what}", dialect.name);
        let pairs = [
            ("RunInstances", &ours.launch, &ours.launch_twice, &peer.launch),
            ("DescribeInstances by id", &ours.describe, &ours.describe_twice, &peer.describe),
        ];
        for (what, figures, twice, moto) in pairs {
            let rate = named(&format!("{what} a second"));
            rows.push(row(&rate, of(figures, "per_second")?, of(moto, "per_second")?, "moto", times_moto));
            rows.push(row(&named(&format!("{what}, p99 ms")), of(figures, "p99_ms")?, of(moto, "p99_ms")?, "moto", None));
            let doubled = named(&format!("{what}, p99 ms, twice the load"));
            rows.push(row(&doubled, of(twice, "p99_ms")?, of(figures, "p99_ms")?, "once the load", None));
            let share = named(&format!("{what}, share of a core that the load took"));
            rows.push(row(&share, of(figures, "cpu_share")?, of(moto, "cpu_share")?, "moto", None));
        }
        let costs = [
            ("RunInstances", &ours.launch, &native.launch),
            ("DescribeInstances by id", &ours.describe, &native.describe),
            ("a page of 100", &ours.short_list, &native.short_list),
        ];
        for (what, figures, native) in costs {
            let cost = named(&format!("cost of the dialect layer, {what}: microseconds of the server's processors"));
            let bound = Some(Promise::AtMost(DIALECT_COST));
            rows.push(row(&cost, of(figures, SERVER_TIME)?, of(native, SERVER_TIME)?, "native", bound));
            // The load generator reads the longer replies of dialects on the same cores.
            let rate = named(&format!("{what}: the native API's rate"));
            rows.push(row(&rate, of(native, "per_second")?, of(figures, "per_second")?, dialect.name, None));
        }
        let listed = of(&ours.list, "per_second")? * dialect.page as f64;
        let moto = of(&peer.list, "per_second")? * LISTED as f64;
        rows.push(row(&named(&format!("instances listed a second, {} a page", dialect.page)), listed, moto, "moto", times_moto));
    }
    Ok(rows)
}

/// How the calls that are measured are spelled in a cloud's dialect, or in the native API.
struct Dialect {
    /// As the load generator knows it.
    name: &'static str,
    image: String,
    zone: String,
    region: String,
    /// Instances of the longest page that the cloud's call allows, or 1,000.
    page: u64,
}

impl Dialect {
    fn all(cloud: &Cloud, folder: &Path) -> Result<Vec<Dialect>> {
        let region = cloud.environment.get("AWS_REGION").context("the environment names no region")?;
        let name = "pileus-linux";
        let found = |dialect: &str, call: String| {
            let text = Load::new(folder, "images", vec![call]).dialect(dialect).reply_of_one(&cloud.environment)?;
            let id = text.split(r#""ImageId":""#).nth(1).and_then(|rest| rest.split('"').next());
            Ok::<_, anyhow::Error>(id.context("the cloud offers no image")?.to_owned())
        };
        let of = |name, image, page| Dialect { name, image, page, zone: ZONE.to_owned(), region: region.clone() };
        Ok(vec![
            of("ec2", cloud.image(folder, name)?, LISTED),
            of("ecs", found("ecs", format!("DescribeImages ImageName={name}&RegionId={region}"))?, 100),
            of("cvm", found("cvm", format!(r#"DescribeImages {{"Filters":[{{"Name":"image-name","Values":["{name}"]}}]}}"#))?, 100),
        ])
    }

    /// The native API.
    fn native(cloud: &Cloud, folder: &Path) -> Result<Dialect> {
        let image = cloud.image(folder, "pileus-linux")?;
        Ok(Dialect { name: "native", image, page: LISTED, zone: ZONE.to_owned(), region: String::new() })
    }

    /// The peer's: it speaks EC2's dialect. The image is one of those that it offers by itself.
    fn of_peer() -> Dialect {
        Dialect { name: "ec2", image: "ami-03cf127a".to_owned(), page: LISTED, zone: String::new(), region: String::new() }
    }

    /// A launch of one instance of the smallest type.
    fn launch(&self) -> String {
        let Dialect { image, zone, region, .. } = self;
        match self.name {
            "ecs" => format!("RunInstances Amount=1&ImageId={image}&InstanceType=ecs.t6-c4m1.large&RegionId={region}"),
            "cvm" => {
                format!(
                    r#"RunInstances {{"Placement":{{"Zone":"{zone}"}},"ImageId":"{image}","InstanceType":"B1.MEDIUM512M","InstanceCount":1}}"#
                )
            }
            "native" => format!(r#"POST /v1/instances {{"image":"{image}","type":"t3.nano"}}"#),
            _ => launch(image, 1, ""),
        }
    }

    /// One instance by its id, any of those that were collected.
    fn describe(&self, folder: &Path) -> Result<Load> {
        let region = &self.region;
        let ids = std::fs::read_to_string(folder.join(self.name))?;
        let call = |id: &str| match self.name {
            "ecs" => format!("DescribeInstances InstanceIds=%5B%22{id}%22%5D&RegionId={region}"),
            "cvm" => format!(r#"DescribeInstances {{"InstanceIds":["{id}"]}}"#),
            "native" => format!("GET /v1/instances/{id}"),
            _ => format!("{EC2}DescribeInstances&InstanceId.1={id}"),
        };
        Ok(Load::new(folder, "describe", ids.lines().map(call).collect()).dialect(self.name).connections(LOOKING))
    }

    /// The first page of all instances, with so many of them.
    fn list(&self, folder: &Path, page: u64) -> Load {
        let region = &self.region;
        let call = match self.name {
            "ecs" => format!("DescribeInstances MaxResults={page}&RegionId={region}"),
            "cvm" => format!(r#"DescribeInstances {{"Limit":{page}}}"#),
            "native" => format!("GET /v1/instances?limit={page}"),
            _ => format!("{EC2}DescribeInstances&MaxResults={page}"),
        };
        Load::new(folder, "list", vec![call]).dialect(self.name).connections(4)
    }
}

/// What is measured of both servers in the same way.
#[derive(Clone)]
struct Figures {
    launch: HashMap<String, f64>,
    launch_twice: HashMap<String, f64>,
    describe: HashMap<String, f64>,
    describe_twice: HashMap<String, f64>,
    /// Pages as long as the call allows.
    list: HashMap<String, f64>,
    /// Pages as long as every call allows.
    short_list: HashMap<String, f64>,
}

impl Figures {
    /// Those of one round.
    fn of(dialect: &Dialect, server: &Process, environment: &HashMap<String, String>, folder: &Path) -> Result<Figures> {
        let ids = folder.join(dialect.name);
        let _ = std::fs::remove_file(&ids);
        let on = |load: Load| load.seconds(ROUND_SECONDS).run_on(environment, Some(server));
        let launch = || Load::new(folder, "launch", vec![dialect.launch()]).dialect(dialect.name).connections(LAUNCHING);
        server.rest()?;
        let launched = on(launch().collect(&ids))?;
        let launch_twice = on(launch().connections(2 * LAUNCHING))?;
        server.rest()?;
        Ok(Figures {
            launch: launched,
            launch_twice,
            describe: on(dialect.describe(folder)?)?,
            describe_twice: on(dialect.describe(folder)?.connections(2 * LOOKING))?,
            list: on(dialect.list(folder, dialect.page))?,
            short_list: on(dialect.list(folder, LISTED_EVERYWHERE))?,
        })
    }

    /// The middle one of each figure, the least of processor time.
    fn middle(rounds: &[Figures]) -> Figures {
        let middle = |part: fn(&Figures) -> &HashMap<String, f64>| {
            let names = rounds.iter().flat_map(|figures| part(figures).keys());
            let of = |name: &String| {
                let mut values: Vec<f64> = rounds.iter().filter_map(|figures| part(figures).get(name).copied()).collect();
                values.sort_by(f64::total_cmp);
                (name.clone(), values[if name == SERVER_TIME { 0 } else { values.len() / 2 }])
            };
            names.map(of).collect()
        };
        Figures {
            launch: middle(|figures| &figures.launch),
            launch_twice: middle(|figures| &figures.launch_twice),
            describe: middle(|figures| &figures.describe),
            describe_twice: middle(|figures| &figures.describe_twice),
            list: middle(|figures| &figures.list),
            short_list: middle(|figures| &figures.short_list),
        }
    }
}

fn launch(image: &str, count: u64, further: &str) -> String {
    format!("{EC2}RunInstances&ImageId={image}&InstanceType=t3.nano&MinCount={count}&MaxCount={count}{further}")
}

/// What puts the instances of a launch into a group.
fn tagged(group: u64) -> String {
    format!("&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=group&TagSpecification.1.Tag.1.Value=g{group}")
}

/// A first page of the running instances of a group.
fn page(folder: &Path) -> Load {
    let filters = "Filter.1.Name=tag:group&Filter.2.Name=instance-state-name&Filter.2.Value.1=running&MaxResults=100";
    let bodies = (0..GROUPS).map(|group| format!("{EC2}DescribeInstances&{filters}&Filter.1.Value.1=g{group}")).collect();
    Load::new(folder, "page", bodies).connections(2).seconds(SECONDS)
}

/// Launches instances until there are so many; how many a second.
pub fn fill(cloud: &Cloud, folder: &Path, image: &str, instances: u64) -> Result<f64> {
    let bodies = (0..GROUPS).map(|group| launch(image, BATCH, &tagged(group))).collect();
    let calls = instances / BATCH;
    println!("  making {instances} instances");
    let filled = Load::new(folder, "fill", bodies).connections(16).calls(calls).run(&cloud.environment)?;
    println!("  made them in {:.0} s", figure(&filled, "seconds")?);
    Ok(figure(&filled, "per_second")? * BATCH as f64)
}

/// `moto_server`, in an environment of its own under `target`.
struct Peer {
    process: Process,
    environment: HashMap<String, String>,
    /// Its own, as its ids are others than ours.
    folder: PathBuf,
}

impl Peer {
    /// Starts it, with as many instances as a page has.
    fn start(folder: &Path) -> Result<Peer> {
        let venv = run::root().join("target/moto");
        if !venv.join("bin/moto_server").exists() {
            println!("  installing moto_server (once)");
            run::shown(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
            run::shown(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "moto[server]==5.1.18"]))?;
        }
        let folder = folder.join("peer");
        std::fs::create_dir_all(&folder)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(venv.join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process(command.spawn().context("cannot start moto_server")?);
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
        let dialect = Dialect::of_peer();
        let more = Load::new(&folder, "more", vec![launch(&dialect.image, BATCH, "")]).calls(LISTED / BATCH).connections(1);
        more.run(&environment)?;
        Ok(Peer { process, environment, folder })
    }
}
