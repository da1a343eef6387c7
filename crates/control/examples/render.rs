//! Measures how long the control plane takes to tell a host of a VPC with very many interfaces on other hosts.
//!
//! `cargo run --release -p pileus-control --example render [--interfaces N] [--hosts N] [--folder DIR]`
//!
//! Prints one `name=value` a line. All interfaces are in one group, which names itself in a rule, as the default group of a VPC does.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use common::{Machine, cloud, image, launch, report};
use hostspec::Accelerator;
use model::{HostId, QuotaName};
use pileus_control::{Caller, Cloud, NewHost, Options};
use store::{Store, StoreConfig};

/// Rows that one transaction copies.
const COPY_BATCH: u64 = 2_000;
/// The address of the first host for others.
const FIRST_HOST: u32 = u32::from_be_bytes([172, 16, 0, 1]);
/// Documents that are made.
const ROUNDS: usize = 5;
/// Time that the work of the control plane gets between two documents.
const PAUSE: Duration = Duration::from_millis(200);

fn main() {
    let text = |name: &str| std::env::args().skip_while(|a| a != name).nth(1);
    let number = |name: &str, default: u64| text(name).map_or(default, |value| value.parse().expect("the option takes a number"));
    let (interfaces, hosts) = (number("--interfaces", 1_000_000), number("--hosts", 1_000));
    let folder = tempfile::tempdir_in(text("--folder").map_or_else(std::env::temp_dir, Into::into)).expect("a folder for the database");
    let store = Store::open(StoreConfig::Sqlite { path: folder.path().join("control.db") }).expect("the database opens");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(measure(&store, interfaces, hosts as u32));
}

async fn measure(store: &Store, interfaces: u64, hosts: u32) {
    let cloud = cloud(store);
    let key = cloud.account_create("main").await.expect("an account");
    cloud.quota_set(key.account, QuotaName::Instances, interfaces + 1).await.expect("a quota");
    let image = cloud.image_register(image()).await.expect("an image").id;
    let hosts = join(&cloud, hosts).await;
    let spec = cloud.render(hosts[0]).await.expect("a document");
    cloud.report(report(hosts[0], 1, &spec, Accelerator::Tcg)).await.expect("the report is taken");
    let principal = cloud.principal(&key.id).await.expect("a look-up").expect("the key exists");
    let caller = Caller { principal, source: IpAddr::V4(Ipv4Addr::LOCALHOST), request: "figures".to_owned(), action: "ec2:RunInstances" };
    let launched = cloud.run(&caller, launch(image), Options::default()).await.expect("the launch succeeds");
    let original = Machine::read(store, launched.instances[0]).await;
    for from in (0..interfaces).step_by(COPY_BATCH as usize) {
        let (original, elsewhere, to) = (original.clone(), hosts[1..].to_vec(), interfaces.min(from + COPY_BATCH));
        let copy = move |tx: &mut store::Tx<'_>| {
            for n in from..to {
                original.copied(n, elsewhere[n as usize % elsewhere.len()]).insert(tx)?;
            }
            Ok::<_, store::StoreError>(())
        };
        store.write(copy).await.expect("the copies are written");
    }
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        tokio::time::sleep(PAUSE).await;
        let began = Instant::now();
        let document = cloud.render(hosts[0]).await.expect("a document");
        took.push(began.elapsed());
        assert_eq!(document.networks.iter().map(|network| network.remote.len() as u64).sum::<u64>(), interfaces);
    }
    took.sort_unstable();
    println!("interfaces={interfaces}");
    println!("rendered_seconds={:.3}", took[ROUNDS / 2].as_secs_f64());
    println!("rendered_most_seconds={:.3}", took[ROUNDS - 1].as_secs_f64());
}

async fn join(cloud: &Cloud, count: u32) -> Vec<HostId> {
    let zones = &cloud.region().zones;
    let host =
        |n: u32| NewHost { name: format!("h{n:06}"), zones: zones.clone(), underlay: Ipv4Addr::from_bits(FIRST_HOST + n), rack: None };
    cloud.hosts_join((0..count).map(host).collect()).await.expect("the hosts join")
}
