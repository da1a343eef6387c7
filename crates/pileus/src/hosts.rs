//! This machine as a host of `pileus up`, and what is the same for every host.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use agent::net::Uplinks;
use agent::{Agent, AgentConfig, AgentHandle};
use anyhow::{Context, Result};
use control::{Cloud, NewHost};
use hostspec::HostReport;
use ipnet::Ipv4Net;
use model::HostId;
use tokio::sync::mpsc;

use crate::questions::Hosts;
use crate::state::{Fixed, StateFolder};

/// Name of the one host of `pileus up`.
const LOCAL_HOST: &str = "local";
/// Reports that may wait for the database; the agent waits when it is slower.
pub const REPORTS_WAITING: usize = 16;
/// Pause before a report that the database did not take is given to it again.
const REPORT_AGAIN: Duration = Duration::from_millis(500);

/// Starts this machine's agent and connects it to the control plane.
/// `underlay` is its address for traffic between hosts, where there are others, and `uplinks` are those of public addresses.
pub async fn start_local(
    cloud: &Cloud,
    hosts: &Hosts,
    state: &StateFolder,
    fixed: &Fixed,
    underlay: Option<Ipv4Addr>,
    uplinks: Uplinks,
) -> Result<Arc<AgentHandle>> {
    let underlay = underlay.unwrap_or(Ipv4Addr::LOCALHOST);
    let new = NewHost { name: LOCAL_HOST.to_owned(), zones: fixed.zones.clone(), underlay, rack: None };
    let ids = cloud.hosts_join(vec![new]).await?;
    let host = *ids.first().context("the host was not added")?;
    let documents = cloud.host_connect(host).await?;
    let (reports, incoming) = mpsc::channel(REPORTS_WAITING);
    let mut config = agent_config(host, state, fixed.public_pool);
    config.network.uplinks = uplinks;
    let handle = Agent::start(config, documents, reports).await?;
    let handle = Arc::new(handle);
    tokio::spawn(take_reports(cloud.clone(), incoming));
    hosts.here(host, handle.clone());
    hosts.lend_consoles(cloud, host);
    Ok(handle)
}

/// The agent's configuration on this state folder.
pub fn agent_config(host: HostId, state: &StateFolder, public_pool: Ipv4Net) -> AgentConfig {
    let mut config = AgentConfig::new(host, state.host(), state.repository());
    config.network.public_pool = public_pool;
    config.network.resolvers = resolvers();
    config
}

/// Resolvers of this machine (resolv.conf(5)), for names that are not the cloud's own.
fn resolvers() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let address = |line: &str| line.strip_prefix("nameserver")?.trim().parse().ok().map(|ip| SocketAddr::new(ip, 53));
    text.lines().filter_map(address).collect()
}

/// Gives reports to the control plane until there are no more.
pub async fn take_reports(cloud: Cloud, mut incoming: mpsc::Receiver<HostReport>) {
    while let Some(mut report) = incoming.recv().await {
        // Reports are whole: only the newest of those that wait matters.
        while let Ok(newer) = incoming.try_recv() {
            report = newer;
        }
        while let Err(error) = cloud.report(report.clone()).await {
            tracing::warn!(%error, "a report was not taken; it is given again");
            tokio::time::sleep(REPORT_AGAIN).await;
            if !incoming.is_empty() {
                break;
            }
        }
    }
}
