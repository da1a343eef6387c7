//! Measures the control plane on this machine, without HTTP: launches, look-ups, pages out of many instances, and opening.
//!
//! `cargo run --release -p pileus-control --example calls [--hosts N] [--rows N] [--seconds N] [--folder DIR]`
//!
//! Hosts are simulated: a machine runs as soon as the document says so. Every write is durable.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Machine, cloud, image, launch, report};
use hostspec::{Accelerator, HostSpec};
use model::{HostId, Instance, InstanceId, Phase, QuotaName};
use pileus_control::{Caller, Cloud, Field, Filter, NewHost, Options, Page, Query};
use store::{Store, StoreConfig};
use tokio::sync::watch;

/// Calls under way at the same time.
const TASKS: usize = 64;
/// Instances that the account may have.
const QUOTA: u64 = 10_000_000;
/// Hosts that one transaction adds.
const JOIN_BATCH: usize = 1_000;
/// Rows that one transaction copies.
const COPY_BATCH: u64 = 2_000;
/// Launches that are waited for to run are given so long.
const REST: Duration = Duration::from_secs(300);

fn main() {
    let text = |name: &str| std::env::args().skip_while(|a| a != name).nth(1);
    let number = |name: &str, default: u64| text(name).map_or(default, |value| value.parse().expect("the option takes a number"));
    let (hosts, rows, time) = (number("--hosts", 1_000), number("--rows", 1_000_000), Duration::from_secs(number("--seconds", 5)));
    let base = text("--folder").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(base).expect("a folder for the database");
    let path = folder.path().join("control.db");
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");

    let first = runtime();
    first.block_on(calls(&path, hosts, rows, time));
    first.shutdown_timeout(Duration::from_secs(30));
    let watch = Watch::start();
    let store = Store::open(StoreConfig::Sqlite { path }).expect("the database opens");
    watch.time("opened again");
    println!("after opening: {}", memory());
    drop(store);
}

async fn calls(path: &Path, hosts: u64, rows: u64, time: Duration) {
    let store = Store::open(StoreConfig::Sqlite { path: path.to_owned() }).expect("the database opens");
    let cloud = cloud(&store);
    let key = cloud.account_create("main").await.expect("an account");
    cloud.quota_set(key.account, QuotaName::Instances, QUOTA).await.expect("a quota");
    let image = cloud.image_register(image()).await.expect("an image").id;
    let watch = Watch::start();
    join(&cloud, hosts as u32).await;
    watch.rate("hosts joined and connected", hosts);
    let (a, b, c) = (cloud.clone(), cloud.clone(), cloud.clone());
    tokio::spawn(async move { a.work("figures").await });
    tokio::spawn(async move { b.render_hosts().await });
    tokio::spawn(async move { c.watch_hosts().await });
    let principal = cloud.principal(&key.id).await.expect("a look-up").expect("the key exists");
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let caller = Caller { principal, source, request: "figures".to_owned(), action: "ec2:RunInstances" };
    tokio::time::sleep(Duration::from_secs(1)).await;

    let (started, launcher, by) = (Instant::now(), cloud.clone(), caller.clone());
    let launched = tasks("RunInstances of one instance", time, move |_| {
        let (cloud, caller) = (launcher.clone(), by.clone());
        async move { cloud.run(&caller, launch(image), Options::default()).await.expect("the launch succeeds").instances[0] }
    })
    .await;
    rest(&cloud, launched.len()).await;
    println!("{:44} {:>10.0}/s   with all of them running", "", launched.len() as f64 / started.elapsed().as_secs_f64());
    println!("after launching: {}", memory());

    copy(&store, launched[0], rows).await;
    let (reader, by, ids) = (cloud.clone(), caller.clone(), Arc::new(launched));
    tasks("DescribeInstances of one id", time, move |n| {
        let (cloud, caller, id) = (reader.clone(), by.clone(), ids[n * 7_919 % ids.len()]);
        async move {
            let listed = cloud.list_instances(&caller, Query { ids: vec![id], ..Query::default() }).await.expect("it is there");
            assert_eq!(listed.rows.len(), 1);
        }
    })
    .await;
    let filters = vec![
        Filter { field: Field::State, values: vec!["running".to_owned()] },
        Filter { field: Field::Zone, values: vec!["figures-1a".to_owned()] },
        Filter { field: Field::Tag("env".to_owned()), values: vec!["prod-4".to_owned(), "prod-6".to_owned()] },
    ];
    for (name, filters) in [("a page of 100 by state, zone and tag", filters), ("the first page of 100", vec![])] {
        for at_once in [1, 4] {
            let (cloud, caller, filters) = (cloud.clone(), caller.clone(), filters.clone());
            some_tasks(&format!("{name}, {at_once} at once"), at_once, time, move |_| {
                let (cloud, caller, filters) = (cloud.clone(), caller.clone(), filters.clone());
                async move {
                    let query = Query { filters, page: Page::First(100), ..Query::default() };
                    let listed = cloud.list_instances(&caller, query).await.expect("a page");
                    assert!(listed.rows.len() <= 100);
                    listed.total
                }
            })
            .await;
        }
    }
}

/// Adds hosts and lets them do as they are told.
async fn join(cloud: &Cloud, count: u32) {
    let zones = &cloud.region().zones;
    let host = |n: u32| NewHost {
        name: format!("h{n:06}"),
        zones: vec![zones[n as usize % zones.len()].clone()],
        underlay: Ipv4Addr::from_bits(Ipv4Addr::new(10, 255, 0, 0).to_bits() + n % 65_536),
        rack: None,
    };
    for batch in (0..count).map(host).collect::<Vec<_>>().chunks(JOIN_BATCH) {
        for id in cloud.hosts_join(batch.to_vec()).await.expect("the hosts join") {
            let documents = cloud.host_connect(id).await.expect("the host connects");
            tokio::spawn(obey(cloud.clone(), id, documents));
        }
    }
}

async fn obey(cloud: Cloud, id: HostId, mut documents: watch::Receiver<Arc<HostSpec>>) {
    for sequence in 1.. {
        let spec = documents.borrow_and_update().clone();
        cloud.report(report(id, sequence, &spec, Accelerator::Simulated)).await.expect("the report is taken");
        if documents.changed().await.is_err() {
            return;
        }
    }
}

/// Waits until so many instances run.
async fn rest(cloud: &Cloud, wanted: usize) {
    let started = Instant::now();
    while started.elapsed() < REST {
        let query = store::Query::of("state", Phase::Running.word()).first(1);
        if cloud.store().page::<Instance>(&query).expect("state is a facet").total >= wanted as u64 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the instances do not come to run");
}

/// Copies an instance until there are so many, each with an interface and a volume of its own, on no host that reports, a thousand to a host.
async fn copy(store: &Store, id: InstanceId, rows: u64) {
    let original = Machine::read(store, id).await;
    let have = store.page::<Instance>(&store::Query::all().first(1)).expect("a page").total;
    let watch = Watch::start();
    for from in (have..rows).step_by(COPY_BATCH as usize) {
        let to = rows.min(from + COPY_BATCH);
        let original = original.clone();
        let insert = move |tx: &mut store::Tx<'_>| {
            for n in from..to {
                original.copied(n, HostId::from_u64(n / 1_000)).insert(tx)?;
            }
            Ok::<_, store::StoreError>(())
        };
        store.write(insert).await.expect("the copies are written");
    }
    watch.rate("instances copied", rows.saturating_sub(have));
    println!("with {rows} instances: {}", memory());
}

/// The processor time that this process has used so far, and the time.
struct Watch(f64, Instant);

impl Watch {
    fn start() -> Watch {
        // Fields 14 and 15 of proc_pid_stat(5), in hundredths of a second, counted behind the name in parentheses.
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Watch(ticks / 100.0, Instant::now())
    }

    /// On a busy machine the processor time tells more than the rate.
    fn rate(self, name: &str, count: u64) {
        let (cpu, took) = (Watch::start().0 - self.0, self.1.elapsed());
        let (rate, each) = (count as f64 / took.as_secs_f64(), cpu * 1e6 / count as f64);
        println!("{name:44} {rate:>10.0}/s   {each:.1} \u{b5}s of processor each   ({count} in {took:.2?})");
    }

    fn time(self, name: &str) {
        println!("{name:44} {:>10.2?}   {:.2} s of processor", self.1.elapsed(), Watch::start().0 - self.0);
    }
}

async fn tasks<T, F, Done>(name: &str, time: Duration, work: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(usize) -> Done + Clone + Send + 'static,
    Done: Future<Output = T> + Send,
{
    some_tasks(name, TASKS, time, work).await
}

/// How often tasks get to do something side by side, and what the slowest took.
async fn some_tasks<T, F, Done>(name: &str, count: usize, time: Duration, work: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(usize) -> Done + Clone + Send + 'static,
    Done: Future<Output = T> + Send,
{
    let (watch, started) = (Watch::start(), Instant::now());
    let mut set = tokio::task::JoinSet::new();
    for task in 0..count {
        let work = work.clone();
        set.spawn(async move {
            let mut done = Vec::new();
            while started.elapsed() < time {
                let one = Instant::now();
                let made = work(task + done.len() * count).await;
                done.push((one.elapsed(), made));
            }
            done
        });
    }
    let mut done: Vec<(Duration, T)> = set.join_all().await.into_iter().flatten().collect();
    watch.rate(name, done.len() as u64);
    done.sort_unstable_by_key(|(took, _)| *took);
    let at = |share: f64| done[((done.len() - 1) as f64 * share) as usize].0;
    println!("{:44} p50 {:.2?}  p99 {:.2?}  max {:.2?}", "", at(0.5), at(0.99), at(1.0));
    done.into_iter().map(|(_, made)| made).collect()
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS unknown").to_owned()
}
