//! Measures the embedded store on this machine: durable writes, point reads, a page out of a million, and reopening.
//!
//! `cargo run --release -p pileus-store --example figures [ROWS] [FOLDER]`

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::{AccountId, HostId, InstanceId, Millis, VpcId};
use pileus_store::{self as store, Column, Facet, Facets, Query, Row, Schema, Store, StoreConfig, StoreError};
use serde::{Deserialize, Serialize};

/// Tasks that write or read at the same time.
const TASKS: u64 = 64;
/// How long each figure is taken.
const TIME: Duration = Duration::from_secs(4);

#[derive(Clone, Serialize, Deserialize)]
struct Thing {
    id: InstanceId,
    account: AccountId,
    vpc: VpcId,
    zone: String,
    state: String,
    kind: String,
    host: Option<HostId>,
    name: String,
    ip: u32,
    tags: Vec<String>,
    /// Stands for the rest of a real document.
    filling: String,
}

impl Row for Thing {
    type Id = InstanceId;
    const TABLE: &'static str = "thing";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |t| t.account.into()),
        Column::new("vpc", |t| t.vpc.into()),
        Column::new("zone", |t| (&t.zone).into()),
        Column::new("state", |t| (&t.state).into()),
        Column::new("kind", |t| (&t.kind).into()),
        Column::new("host", |t| t.host.into()),
        Column::new("name", |t| (&t.name).into()),
        Column::new("ip", |t| t.ip.into()),
        Column::new("tags", |t| store::Value::set(&t.tags)),
    ];

    fn id(&self) -> InstanceId {
        self.id
    }
}

impl Facets for Thing {
    const FACETS: &'static [Facet] = &[
        Facet::one("account"),
        Facet::typed::<VpcId>("vpc"),
        Facet::one("zone"),
        Facet::one("state"),
        Facet::one("kind"),
        Facet::typed::<HostId>("host"),
        Facet::one("name"),
        Facet::typed::<std::net::Ipv4Addr>("ip"),
        Facet::many("tags"),
    ];
}

/// One of the small rows that come with an instance.
#[derive(Clone, Serialize, Deserialize)]
struct Part {
    id: VpcId,
    of: InstanceId,
    text: String,
}

impl Row for Part {
    type Id = VpcId;
    const TABLE: &'static str = "part";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("of", |p| p.of.into())];

    fn id(&self) -> VpcId {
        self.id
    }
}

const TABLES: &str = "
CREATE TABLE thing (
    id BIGINT PRIMARY KEY, account BIGINT NOT NULL, vpc BIGINT NOT NULL, zone TEXT NOT NULL, state TEXT NOT NULL,
    kind TEXT NOT NULL, host BIGINT, name TEXT NOT NULL, ip BIGINT NOT NULL, tags TEXT, body TEXT NOT NULL
);
CREATE INDEX thing_host ON thing (host);
CREATE TABLE part (id BIGINT PRIMARY KEY, of BIGINT NOT NULL, body TEXT NOT NULL);
CREATE INDEX part_of ON part (of);
";

fn open(path: &std::path::Path) -> Result<Store, StoreError> {
    let schema = Schema::engine().and("figures", TABLES).projecting::<Thing>();
    Store::open_with(StoreConfig::Sqlite { path: path.to_owned() }, &schema)
}

fn thing(number: u64, filling: usize) -> Thing {
    Thing {
        id: InstanceId::from_u64(number),
        account: AccountId::from_u64(number % 1000 * (number % 5).min(1)).expect("a small number"),
        vpc: VpcId::from_u64(number % 10_000),
        zone: format!("z-{}", number % 3),
        state: ["running", "stopped", "pending"][(number % 7 % 3) as usize].to_owned(),
        kind: format!("g.{}", number % 100),
        host: Some(HostId::from_u64(number % 10_000)),
        name: format!("web-{number}"),
        ip: number as u32,
        tags: vec![format!("Name=web-{}", number % 20_000), "env=prod".to_owned()],
        filling: "x".repeat(filling),
    }
}

fn small(number: u64) -> Part {
    Part { id: VpcId::from_u64(number), of: InstanceId::from_u64(number / 3), text: "a rule, a disk or an interface".to_owned() }
}

/// The processor time that this process has used so far, and the time.
struct Clock(f64, Instant);

impl Clock {
    fn start() -> Clock {
        // Fields 14 and 15 of proc_pid_stat(5), in hundredths of a second, counted behind the name in parentheses.
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Clock(ticks / 100.0, Instant::now())
    }

    /// On a busy machine the processor time tells more than the rate.
    fn rate(self, name: &str, count: u64) {
        let (cpu, took) = (Clock::start().0 - self.0, self.1.elapsed());
        let (rate, each) = (count as f64 / took.as_secs_f64(), cpu * 1e6 / count as f64);
        println!("{name:44} {rate:>10.0}/s   {each:.1} \u{b5}s of processor each   ({count} in {took:.2?})");
    }

    fn time(self, name: &str) {
        println!("{name:44} {:>10.2?}   {:.2} s of processor", self.1.elapsed(), Clock::start().0 - self.0);
    }
}

/// How often tasks get to do something together, and what the slowest hundredth took.
async fn tasks<F, Done>(name: &str, work: F)
where
    F: Fn(u64) -> Done + Clone + Send + 'static,
    Done: Future<Output = ()> + Send,
{
    static NUMBER: AtomicU64 = AtomicU64::new(1 << 40);
    let (clock, started) = (Clock::start(), Instant::now());
    let mut set = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let work = work.clone();
        set.spawn(async move {
            let mut times = Vec::new();
            while started.elapsed() < TIME {
                let one = Instant::now();
                work(NUMBER.fetch_add(1, Ordering::Relaxed)).await;
                times.push(one.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = set.join_all().await.into_iter().flatten().collect();
    clock.rate(name, times.len() as u64);
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{:44} p50 {:.2?}  p99 {:.2?}  max {:.2?}", "", at(0.5), at(0.99), at(1.0));
}

async fn write(store: &Store) {
    let writer = store.clone();
    tasks("writes: 4 small rows and a wake, durable", move |number| {
        let writer = writer.clone();
        async move {
            let insert = move |tx: &mut store::Tx<'_>| {
                tx.insert(&thing(number, 0))?;
                (0..3).try_for_each(|part| tx.insert(&small(number * 3 + part)))?;
                tx.wake("thing", InstanceId::from_u64(number), Millis(number as i64))
            };
            writer.write(insert).await.expect("the write succeeds");
        }
    })
    .await;
}

async fn reads(store: &Store, rows: u64) {
    let reader = store.clone();
    tasks("point reads, from tasks", move |number| {
        let reader = reader.clone();
        async move {
            let id = InstanceId::from_u64(number.wrapping_mul(7_919) % rows);
            assert!(reader.get::<Thing>(id).await.expect("the read succeeds").is_some());
        }
    })
    .await;
    let (clock, started, counted) = (Clock::start(), Instant::now(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..2_u64 {
            let (store, counted) = (store.clone(), &counted);
            scope.spawn(move || {
                let mut number = thread;
                while started.elapsed() < TIME {
                    number += 2;
                    let id = InstanceId::from_u64(number.wrapping_mul(7_919) % rows);
                    let found = store.read_blocking(move |tx| tx.get::<Thing>(id));
                    assert!(found.expect("the read succeeds").is_some());
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    clock.rate("point reads, from two threads", counted.into_inner());
}

fn fill(store: &Store, rows: u64) {
    let clock = Clock::start();
    for from in (0..rows).step_by(5000) {
        let to = rows.min(from + 5000);
        let insert = move |tx: &mut store::Tx<'_>| (from..to).try_for_each(|number| tx.insert(&thing(number, 900)));
        store.write_blocking(insert).expect("the write succeeds");
    }
    clock.rate("rows filled in", rows);
}

fn pages(store: &Store) {
    let filtered = |last: u64| {
        let query = Query::of("account", 0).any("zone", ["z-1"]).any("state", ["running"]).any("kind", ["g.5", "g.10", "g.25"]);
        query.after(InstanceId::from_u64(last)).first(100)
    };
    let queries = [
        ("page of 100: account, zone, state, 3 kinds", filtered(300_000)),
        ("page of 100: account", Query::of("account", 0).first(100)),
        ("page of 100: account, page 500", Query::of("account", 0).skip(50_000).first(100)),
        ("page of 100: account, tag Name=web-1*", Query::of("account", 6).like("tags", "Name=web-1*").first(100)),
        ("page of 100: account, tag Name=*99", Query::of("account", 6).like("tags", "Name=*99").first(100)),
        ("page of 100: account, name web-*77", Query::of("account", 6).like("name", "web-*77").first(100)),
        ("page of 100: name web-77*", Query::all().like("name", "web-77*").first(100)),
        ("page of 100: tag Name=*99", Query::all().like("tags", "Name=*99").first(100)),
    ];
    for (name, query) in queries {
        let started = Instant::now();
        let mut total = 0;
        for _ in 0..100 {
            total = store.page::<Thing>(&query).expect("the fields are facets").total;
        }
        println!("{name:44} {:>10.2?} of {total}", started.elapsed() / 100);
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS unknown").to_owned()
}

fn main() -> Result<(), StoreError> {
    let rows = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = std::env::args().nth(2).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder).expect("a folder for the database");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");

    let store = open(&folder.path().join("writes.db"))?;
    runtime.block_on(write(&store));
    drop(store);

    let path = folder.path().join("reads.db");
    let store = open(&path)?;
    fill(&store, rows);
    runtime.block_on(reads(&store, rows));
    pages(&store);
    let clock = Clock::start();
    store.backup(&folder.path().join("copy.db"))?;
    clock.time("backup");
    println!("before closing: {}", memory());
    drop(store);
    let clock = Clock::start();
    let store = open(&path)?;
    clock.time("reopened");
    println!("after reopening: {}", memory());
    pages(&store);
    Ok(())
}
