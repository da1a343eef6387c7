//! The running agent: takes documents, keeps the newest, converges on it, reports.
//!
//! ```text
//!   documents ──▶ coordinator ──plan──▶ wishes ──▶ a task per machine ──▶ QEMU
//!                     ▲   │             └────────▶ jobs for volumes and networks
//!   statuses, job ends┘   └──▶ reports
//! ```
//!
//! Everything is pushed: documents, ends of processes, events of QEMU. The only clocks are deadlines, retries and the health check.
//! An agent that ends, in order or by `kill -9`, leaves guests running and finds them again.

mod coordinator;
mod host;
mod read_snapshot;
mod snapshots;
mod start;
mod status;
mod vm;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hostspec::{Accelerator, HostReport, HostSpec};
use model::{HostId, InstanceId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::block::image::ImageSource;
use crate::doctor::Orphan;
use crate::net::{NetConfig, NetError, Network, Uplinks, VERIFY_AFTER};
use crate::trouble::Trouble;
use coordinator::{Coordinator, Machines, Mode};
use host::Host;

pub use host::cloud_of;

/// Documents of a purge: none come.
const NO_REPORTS: usize = 1;

/// Time between the two looks that make sure of an orphan.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How long orphans may take to go, and the time between looks whether they went.
const REMOVED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Public addresses of a host that is told of no others: the first /24 of the range for tests between networks (RFC 2544).
const DEFAULT_POOL: ipnet::Ipv4Net = ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(198, 18, 0, 0), 24);

/// What an agent is started with.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The host that it is; documents for another are refused.
    pub host: HostId,
    /// Its folder, made if absent; only root may enter it.
    pub state: PathBuf,
    /// Folder of the image repository, or of the cache of one.
    pub repository: PathBuf,
    /// Where images come from that are not there; none where the repository is the cloud's own.
    pub images: Option<ImageSource>,
    /// Program that dispatches the subcommands `cage` (to [`crate::cage::main`]) and `image-server`; `/proc/self/exe` when it is the
    /// program that runs, also when its file was replaced by a newer one.
    pub program: PathBuf,
    /// The emulator, `qemu-system-x86_64`.
    pub qemu: PathBuf,
    /// The network of the machine.
    pub network: NetConfig,
    /// The accelerator that the operator insists on; none lets the canary decide.
    pub accelerator: Option<Accelerator>,
}

impl AgentConfig {
    /// A configuration for the program that runs and Debian's QEMU.
    pub fn new(host: HostId, state: impl Into<PathBuf>, repository: impl Into<PathBuf>) -> AgentConfig {
        let state = state.into();
        AgentConfig {
            host,
            network: NetConfig {
                cloud: format!("p{}", &host::cloud_of(&state)[..7]),
                state_dir: state.clone(),
                public_pool: DEFAULT_POOL,
                uplinks: Uplinks::default(),
                resolvers: vec![],
                verify_after: VERIFY_AFTER,
            },
            state,
            repository: repository.into(),
            images: None,
            program: "/proc/self/exe".into(),
            qemu: "/usr/bin/qemu-system-x86_64".into(),
            accelerator: None,
        }
    }
}

/// Why an agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Making namespaces, taps and cages takes root.
    #[error("the host agent must run as root")]
    NotRoot,
    /// A program that it needs is absent.
    #[error("{} is not installed", .0.display())]
    Missing(PathBuf),
    /// Another agent uses the state folder.
    #[error("another agent runs on {}", .0.display())]
    Running(PathBuf),
    /// The state folder is another host's.
    #[error("{} belongs to {host}", state.display())]
    OtherHost {
        /// The folder.
        state: PathBuf,
        /// The host whose it is.
        host: HostId,
    },
    /// The state folder cannot be used.
    #[error("{}: {source}", path.display())]
    State {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The image repository cannot be used.
    #[error("the image repository: {0}")]
    Images(Trouble),
    /// The network cannot be used.
    #[error("the network: {0}")]
    Network(#[from] NetError),
    /// Something is left behind.
    #[error("not everything could be removed: {0}")]
    Left(String),
}

/// The newest output of a guest's serial console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleOutput {
    /// The bytes as the guest wrote them, at most 64 KiB.
    pub bytes: Vec<u8>,
    /// When they were last seen to grow, in milliseconds since the epoch; 0 when the guest never wrote.
    pub at_ms: i64,
}

/// The newest document that a state folder keeps; none when it never got one.
pub fn kept_document(state: &Path) -> Option<HostSpec> {
    crate::files::load::<HostSpec>(&state.join("spec.json")).ok().flatten()
}

/// The host agent.
#[derive(Debug)]
pub struct Agent;

impl Agent {
    /// Starts the agent: it holds the newest document that it was ever given and applies it before the first one comes. Reports go
    /// out whole after every change and every ten seconds; when their receiver is gone, they are dropped.
    pub async fn start(
        config: AgentConfig,
        spec: watch::Receiver<Arc<HostSpec>>,
        reports: mpsc::Sender<HostReport>,
    ) -> Result<AgentHandle, AgentError> {
        Agent::start_in(Mode::Converge, config, spec, reports).await
    }

    /// Stops every guest of a state folder on which no agent runs, as [`AgentHandle::stop_all_guests`] does.
    pub async fn stop_guests_of(config: AgentConfig, grace: Duration) -> Result<(), AgentError> {
        let (_documents, reports, none) = silence(&config);
        let handle = Agent::start_in(Mode::StopAll { grace_seconds: seconds(grace) }, config, none, reports).await?;
        handle.stop_all_guests(grace).await;
        handle.shutdown().await;
        Ok(())
    }

    /// Removes everything of a state folder on which no agent runs, as [`AgentHandle::purge`] does.
    pub async fn purge_of(config: AgentConfig) -> Result<(), AgentError> {
        let (_documents, reports, none) = silence(&config);
        Agent::start_in(Mode::Remove, config, none, reports).await?.purge().await
    }

    async fn start_in(
        mode: Mode,
        config: AgentConfig,
        documents: watch::Receiver<Arc<HostSpec>>,
        reports: mpsc::Sender<HostReport>,
    ) -> Result<AgentHandle, AgentError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(AgentError::NotRoot);
        }
        if !config.qemu.exists() {
            return Err(AgentError::Missing(config.qemu));
        }
        let lock = host::lock_state(&config.state)?;
        let kept = Host::kept_spec(&config)?;
        let (decided, accelerator) = watch::channel(config.accelerator);
        if config.accelerator.is_none() {
            let (qemu, state) = (config.qemu.clone(), config.state.clone());
            tokio::spawn(async move { decided.send_replace(Some(crate::qemu::canary::decide(&qemu, &state).await)) });
        }
        let network = Network::new(config.network.clone())?;
        let host = Host::open(config, network, accelerator)?;
        let machines = Machines::default();
        let (mode, mode_receiver) = watch::channel(mode);
        let (quiet_sender, quiet) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        let coordinator = Coordinator::new(host.clone(), machines.clone(), kept, documents, reports, mode_receiver, quiet_sender)
            .map_err(|source| AgentError::State { path: host.config.state.clone(), source })?;
        let task = tokio::spawn(coordinator.run(ended));
        Ok(AgentHandle { host, machines, mode, quiet, end, task, _lock: lock })
    }
}

fn silence(config: &AgentConfig) -> (watch::Sender<Arc<HostSpec>>, mpsc::Sender<HostReport>, watch::Receiver<Arc<HostSpec>>) {
    let (documents, none) = watch::channel(Arc::new(HostSpec::empty(config.host)));
    let (reports, _) = mpsc::channel(NO_REPORTS);
    (documents, reports, none)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)
}

fn seconds(grace: Duration) -> u32 {
    u32::try_from(grace.as_secs()).unwrap_or(u32::MAX)
}

/// A running agent. Dropping it, like killing its process, ends the agent and leaves guests running.
#[derive(Debug)]
pub struct AgentHandle {
    host: Arc<Host>,
    machines: Machines,
    mode: watch::Sender<Mode>,
    quiet: watch::Receiver<Option<Mode>>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _lock: std::fs::File,
}

impl AgentHandle {
    /// The newest console output of a machine of this host; none when there is no such machine.
    pub async fn console_output(&self, instance: InstanceId) -> Option<ConsoleOutput> {
        let shared = self.machines.get(instance)?;
        let (bytes, at_ms) = shared.console().await.inspect_err(|e| tracing::warn!(%instance, error = %e, "console unreadable")).ok()?;
        Some(ConsoleOutput { bytes, at_ms })
    }

    /// Opens a connection to a guest of this host, as [`crate::net::Network::connect`] does.
    pub async fn connect(&self, vpc: model::VpcId, to: std::net::SocketAddrV4) -> std::io::Result<std::net::TcpStream> {
        self.host.network.connect(vpc, to).await
    }

    /// The oldest part of what was seen of flows; `told` is the part that was told before, and is forgotten.
    pub async fn flows_after(&self, told: Option<u64>) -> std::io::Result<Option<hostspec::FlowReport>> {
        let host = self.host.clone();
        blocking(move || host.network.flows_after(told)).await?
    }

    /// Machines whose process runs now.
    pub fn running(&self) -> Vec<InstanceId> {
        self.machines.list().into_iter().filter(|(_, shared)| shared.status().alive()).map(|(id, _)| id).collect()
    }

    /// What is left of this cloud on the machine and in no document. What two looks a moment apart both find is one; what is
    /// on its way, in or out, is not.
    pub async fn orphans(&self) -> std::io::Result<Vec<Orphan>> {
        let first = self.look_for_orphans().await?;
        if first.is_empty() {
            return Ok(first);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let second = self.look_for_orphans().await?;
        Ok(first.into_iter().filter(|orphan| second.contains(orphan)).collect())
    }

    /// Removes orphans; gives those that are left: volumes, and what could not be removed within ten seconds.
    pub async fn remove_orphans(&self, orphans: Vec<Orphan>) -> std::io::Result<Vec<Orphan>> {
        let config = self.host.config.clone();
        let (orphans, removed) = blocking(move || {
            let removed = orphans.iter().try_for_each(|orphan| crate::doctor::repair(&config, orphan));
            (orphans, removed)
        })
        .await?;
        removed?;
        let deadline = tokio::time::Instant::now() + REMOVED_WITHIN;
        loop {
            // Again and again: one that comes while the network is being brought up is passed over.
            self.host.inspect.notify_one();
            let left = self.look_for_orphans().await?;
            let left: Vec<Orphan> = orphans.iter().filter(|orphan| left.contains(orphan)).cloned().collect();
            let stubborn = left.iter().any(|orphan| !matches!(orphan, Orphan::Volume { .. }));
            if !stubborn || tokio::time::Instant::now() >= deadline {
                return Ok(left);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn look_for_orphans(&self) -> std::io::Result<Vec<Orphan>> {
        let config = self.host.config.clone();
        let mut found = blocking(move || crate::doctor::find(&config)).await??;
        let spec = Host::kept_spec(&self.host.config).map_err(std::io::Error::other)?;
        found.extend(self.host.network.orphans(&spec).await?.into_iter().map(Orphan::Network));
        Ok(found)
    }

    /// What it was started with.
    pub fn config(&self) -> &AgentConfig {
        &self.host.config
    }

    /// Short name of this cloud on this machine; other clouds have other state folders and thereby other names.
    pub fn cloud(&self) -> &str {
        &self.host.cloud
    }

    /// Ends the agent and leaves guests running.
    pub async fn shutdown(self) {
        drop(self.end);
        if let Err(e) = self.task.await {
            tracing::error!(error = %e, "the agent ended badly");
        }
    }

    /// Stops every guest: the power button, and the plug after `grace`. What the documents want is not forgotten: the next agent on
    /// this state folder starts them again. Returns when no process runs; documents that come meanwhile are kept for later.
    pub async fn stop_all_guests(&self, grace: Duration) {
        self.mode.send_replace(Mode::StopAll { grace_seconds: seconds(grace) });
        self.settle().await;
    }

    /// Kills every guest and removes every process, file and control group of this cloud: volumes, consoles, records, documents.
    pub async fn purge(self) -> Result<(), AgentError> {
        self.mode.send_replace(Mode::Remove);
        self.settle().await;
        let host = self.host.clone();
        drop(self.end);
        if let Err(e) = self.task.await {
            tracing::error!(error = %e, "the agent ended badly");
        }
        host.server.stop().await.map_err(|e| AgentError::Left(e.to_string()))?;
        host.network.remove_all().await.map_err(|e| AgentError::Left(e.to_string()))?;
        let removed = tokio::task::spawn_blocking(move || host.remove_everything()).await;
        removed.map_err(|e| AgentError::Left(e.to_string()))?.map_err(|e| AgentError::Left(e.to_string()))
    }

    /// Waits until the mode that is set has nothing left to do; an agent that has ended has nothing left either.
    async fn settle(&self) {
        let mode = *self.mode.borrow();
        drop(self.quiet.clone().wait_for(|quiet| *quiet == Some(mode)).await);
    }
}
