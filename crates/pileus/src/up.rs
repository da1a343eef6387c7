//! `pileus up`: puts a whole cloud together and runs it until it is told to end. Instances go on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent::AgentHandle;
use anyhow::{Context, Result, bail};
use control::{Clock, Cloud, Ids, Region};
use model::{AccountId, QuotaName, SnapshotMode, SnapshotModes, VolumeKind};
use repository::Repository;
use secrecy::ExposeSecret;
use store::{Store, StoreConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::arguments::Up;
use crate::blocks::Blocks;
use crate::buckets::Buckets;
use crate::host_listener::Gate;
use crate::operator::Operator;
use crate::questions::Hosts;
use crate::scrub::Scrubber;
use crate::state::{Fixed, OPERATOR, StateFolder, write_private};
use crate::{blocks, flows, garbage, hosts, image_tasks, images, listener, requirements, telemetry};

/// Name of the account that a new cloud has.
pub const FIRST_ACCOUNT: &str = "main";
/// Instances that a simulated cloud's first account may have, and requests that it may send in a second: it is there to be loaded.
/// A real one keeps the usual quotas.
const SIMULATED_QUOTA: u64 = 10_000_000;
/// What is raised for it.
const SIMULATED_QUOTAS: [QuotaName; 4] =
    [QuotaName::Instances, QuotaName::ReadRequests, QuotaName::ChangeRequests, QuotaName::InstanceLaunches];
/// How long the workers may take to end.
const FAREWELL: Duration = Duration::from_secs(15);

/// Whether the machine of the server is a host itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// `pileus up`.
    IsHost,
    /// `pileus server`.
    IsNoHost,
}

/// Runs a cloud.
pub fn run(up: Up, machine: Machine) -> Result<()> {
    let state = StateFolder::at(&up.state.folder)?;
    if state.kept_identity()?.is_some() {
        bail!("{} is a host's of another cloud; take another state folder", state.path().display());
    }
    if machine == Machine::IsNoHost && up.hosts_listen.is_none() && up.simulate.is_none() {
        bail!("a server that is no host itself needs other machines: say where they reach it with --hosts-listen");
    }
    if !up.uplinks.links.is_empty() && (machine == Machine::IsNoHost || up.simulate.is_some()) {
        bail!("--uplink names links of a machine with instances, and this one has none");
    }
    if up.simulate.is_none() && machine == Machine::IsHost {
        requirements::check()?;
    }
    let _lock = state.take()?;
    let fixed = state.fix(&up)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("threads cannot be started")?;
    let result = runtime.block_on(serve(&up, machine, &state, &fixed));
    runtime.shutdown_timeout(FAREWELL);
    let _ = std::fs::remove_file(state.socket());
    result
}

async fn serve(up: &Up, machine: Machine, state: &StateFolder, fixed: &Fixed) -> Result<()> {
    let listener = listener::bind(up.listen).await?;
    let address = listener.local_addr().context("the listener has no address")?;
    if let Some(address) = metrics_address(up, address) {
        telemetry::serve_metrics(address).await?;
    }
    attach_object_store(up, state).await?;
    // Beside the database, which may be large: both read for seconds.
    let importing = images::start_import(up.images.as_deref(), state)?;
    let store = open_store(up, state)?;
    let master = state.master_key(up.master_key.as_deref())?;
    let region = region(up, fixed);
    let cloud = Cloud::new(store.clone(), Clock::System, Ids::random().context("no randomness")?, master, region);
    first_account(&cloud, up, state, address).await?;
    images::offer(&cloud, importing).await?;
    let hosts = Hosts::default();
    let agent = match (up.simulate, machine) {
        (Some(count), _) => {
            sim::hosts::start(&cloud, count).await?;
            None
        }
        (None, Machine::IsHost) => {
            let underlay = up.hosts_listen.map(|address| *address.ip());
            Some(hosts::start_local(&cloud, &hosts, state, fixed, underlay, up.uplinks.uplinks()).await?)
        }
        (None, Machine::IsNoHost) => None,
    };
    let mut workers = start_workers(&cloud);
    let repository = Repository::open(state.repository()).context("the image repository cannot be opened")?;
    let blocks = Blocks::lend(&cloud, repository.clone(), blocks::folder(state.path()))?;
    workers.push(tokio::spawn(blocks.run(cloud.clone())));
    if let Some(folder) = &up.buckets {
        workers.push(tokio::spawn(image_tasks::run(cloud.clone(), (repository.clone(), state.repository()), Buckets::open(folder)?)));
        cloud.buckets_offer();
    }
    let stop = CancellationToken::new();
    let scrubber = Scrubber::new(cloud.clone(), repository.clone(), stop.clone());
    workers.push(tokio::spawn(scrubber.clone().run()));
    workers.push(tokio::spawn(garbage::collect(cloud.clone(), repository)));
    workers.push(tokio::spawn(flows::collect(cloud.clone(), hosts.clone())));
    let gate = open_gate(up, state, &cloud, &hosts, &stop).await?;
    let operator = Operator::start(state, cloud.clone(), hosts.clone(), gate, scrubber, address, stop.clone())?;
    let api = tokio::spawn(listener::serve(listener, Api::new(cloud.clone()), hosts, stop.clone()));
    operator.ready();
    announce(address, state, fixed);
    wait_for_end(&stop).await?;
    stop.cancel();
    tell_who_goes_on(agent.as_deref(), &operator);
    let _ = api.await;
    workers.iter().for_each(tokio::task::JoinHandle::abort);
    end_agent(agent, &operator).await;
    if let Err(error) = cloud.write_last_uses().await {
        tracing::warn!(%error, "the last uses of access keys could not be written");
    }
    drop(store);
    Ok(())
}

/// Puts the repository into the object store that the operator names.
async fn attach_object_store(up: &Up, state: &StateFolder) -> Result<()> {
    let Some(settings) = up.object_store.clone() else { return Ok(()) };
    let repository = Repository::open(state.repository()).context("the image repository cannot be opened")?;
    let attaching = tokio::task::spawn_blocking(move || repository.attach(&settings));
    attaching.await?.context("the image repository cannot be kept in the object store")
}

/// Listens for hosts, where that is wanted.
async fn open_gate(up: &Up, state: &StateFolder, cloud: &Cloud, hosts: &Hosts, stop: &CancellationToken) -> Result<Option<Gate>> {
    let Some(address) = up.hosts_listen else { return Ok(None) };
    if address.ip().is_unspecified() || address.ip().is_loopback() {
        bail!("--hosts-listen needs the address by which hosts reach this machine, not {address}");
    }
    let listener = listener::bind(address.into()).await?;
    let address = listener.local_addr().context("the listener for hosts has no address")?;
    let repository = repository::Repository::open(state.repository()).context("the image repository cannot be opened")?;
    let gate = Gate::new(cloud.clone(), hosts.clone(), repository, state.authority()?, address);
    let (serving, stop) = (gate.clone(), stop.clone());
    tokio::spawn(async move {
        if let Err(error) = serving.serve(listener, stop).await {
            tracing::error!(error = format!("{error:#}"), alarm = true, "hosts are not listened for any more");
        }
    });
    Ok(Some(gate))
}

fn region(up: &Up, fixed: &Fixed) -> Region {
    Region {
        name: fixed.region.clone(),
        zones: fixed.zones.clone(),
        default_vpc: fixed.vpc_range,
        public_pool: fixed.public_pool,
        ipv6_pool: up.ipv6_pool,
        public_on_launch: up.simulate.is_none(),
        domain: format!("{}.internal", fixed.region),
        operator: AccountId::from_u64(OPERATOR).expect("one digit is below twelve"),
        cpu_overcommit: up.cpu_overcommit,
        disk_overcommit: up.disk_overcommit,
        snapshot_modes: snapshot_modes(&up.snapshot_modes),
    }
}

fn snapshot_modes(asked: &[(Option<VolumeKind>, SnapshotMode)]) -> SnapshotModes {
    let mut modes = SnapshotModes::default();
    for (kind, mode) in asked {
        match kind {
            Some(kind) => drop(modes.of_kinds.insert(*kind, *mode)),
            None => modes.usual = *mode,
        }
    }
    modes
}

fn open_store(up: &Up, state: &StateFolder) -> Result<Store> {
    let config = match &up.database {
        Some(url) => StoreConfig::Postgres { url: url.clone() },
        None => StoreConfig::Sqlite { path: state.database() },
    };
    Store::open(config).context("the database cannot be opened")
}

/// Where metrics are served: beside the API unless told otherwise; nowhere when the API takes any free port.
fn metrics_address(up: &Up, api: SocketAddr) -> Option<SocketAddr> {
    let beside = (up.listen.port() != 0).then(|| SocketAddr::new(api.ip(), api.port().saturating_add(1)));
    up.metrics.or(beside)
}

/// Makes the first account of a new cloud, and writes down what SDKs read.
async fn first_account(cloud: &Cloud, up: &Up, state: &StateFolder, address: SocketAddr) -> Result<()> {
    let keys = state.path().join("first-key.json");
    if !keys.exists() {
        // The account is there already when an earlier start ended here, or when the database outlived the state folder.
        let key = match cloud.account_named(FIRST_ACCOUNT).await? {
            Some(account) => cloud.root_key_create(account.id).await?,
            None => cloud.account_create(FIRST_ACCOUNT).await?,
        };
        if up.simulate.is_some() {
            for quota in SIMULATED_QUOTAS {
                cloud.quota_set(key.account, quota, SIMULATED_QUOTA).await?;
            }
        }
        let text = serde_json::json!({ "id": key.id, "secret": key.secret.expose_secret() });
        write_private(&keys, text.to_string().as_bytes())?;
    }
    let text = std::fs::read(&keys).with_context(|| format!("{} cannot be read", keys.display()))?;
    let key: serde_json::Value = serde_json::from_slice(&text).with_context(|| format!("{} is damaged", keys.display()))?;
    let word = |name: &str| key.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let environment = environment(address, &cloud.region().name, &word("id"), &word("secret"));
    write_private(&state.environment(), environment.as_bytes())
}

/// What the SDKs of the three clouds read, as shell exports.
fn environment(address: SocketAddr, region: &str, id: &str, secret: &str) -> String {
    let endpoint = format!("http://{address}");
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", id),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", id),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret),
        ("TENCENTCLOUD_SECRET_ID", id),
        ("TENCENTCLOUD_SECRET_KEY", secret),
        ("TENCENTCLOUD_REGION", region),
        ("PILEUS_ENDPOINT", endpoint.as_str()),
    ];
    variables.map(|(name, value)| format!("export {name}={value}\n")).concat()
}

fn start_workers(cloud: &Cloud) -> Vec<tokio::task::JoinHandle<()>> {
    let worker = format!("{}-{}", std::process::id(), cloud.ids().number());
    let (a, b, c, d, e, f) = (cloud.clone(), cloud.clone(), cloud.clone(), cloud.clone(), cloud.clone(), cloud.clone());
    let g = cloud.clone();
    vec![
        tokio::spawn(async move { a.work(&worker).await }),
        tokio::spawn(async move { b.render_hosts().await }),
        tokio::spawn(async move { c.watch_hosts().await }),
        tokio::spawn(async move { d.watch_silence().await }),
        tokio::spawn(async move { e.seal_trail().await }),
        tokio::spawn(async move { f.keep_last_uses().await }),
        tokio::spawn(async move { g.forget_logs().await }),
    ]
}

fn announce(address: SocketAddr, state: &StateFolder, fixed: &Fixed) {
    let folder = state.path().display();
    println!("Pileus is up: region {}, zones {}, endpoint http://{address}", fixed.region, fixed.zones.join(","));
    println!("  for SDKs:   eval \"$(pileus env --state {folder})\"");
    println!("  to launch:  pileus launch --state {folder}");
    println!("  to end:     Ctrl-C (instances go on), or pileus down --state {folder}");
}

/// Waits for Ctrl-C, SIGTERM, or the operator's word.
async fn wait_for_end(stop: &CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be caught")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be caught")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stop.cancelled() => {}
    }
    Ok(())
}

fn tell_who_goes_on(agent: Option<&AgentHandle>, operator: &Operator) {
    let Some(agent) = agent else { return };
    if operator.stops_instances() {
        println!("Pileus ends and stops its instances.");
        return;
    }
    let running = agent.running();
    if running.is_empty() {
        println!("Pileus ends; no instance runs.");
        return;
    }
    let names: Vec<String> = running.iter().map(ToString::to_string).collect();
    println!("Pileus ends; {} instance(s) go on: {}", names.len(), names.join(", "));
}

async fn end_agent(agent: Option<Arc<AgentHandle>>, operator: &Operator) {
    let Some(agent) = agent else { return };
    if operator.stops_instances() {
        agent.stop_all_guests(Duration::from_secs(u64::from(model::STOP_GRACE_SECONDS))).await;
    }
    operator.release_agent();
    match Arc::try_unwrap(agent) {
        Ok(agent) => agent.shutdown().await,
        Err(_) => tracing::warn!("the agent is still in use; it ends with the process"),
    }
}
