//! The command line.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use clap::Args;
use model::{SnapshotMode, VolumeKind};

use crate::reach::Reach;
use crate::session_commands::{Ssh, Tunnel};

/// An elastic compute cloud on your own machines.
#[derive(Debug, clap::Parser)]
#[command(name = "pileus", version, about)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Subcommand,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Run a whole cloud on this machine until Ctrl-C; instances go on after it.
    Up(Up),
    /// Run a cloud's server without making this machine a host; needs --hosts-listen and no root.
    Server(Up),
    /// Make this machine a host of a cloud whose server is elsewhere, until Ctrl-C; instances go on after it.
    Agent(AgentArguments),
    /// Add, list and remove hosts.
    Host(HostCommand),
    /// Print what SDKs read from the environment, as shell exports. Fails until the cloud is ready.
    Env {
        #[command(flatten)]
        state: State,
    },
    /// Say what runs and whether anything is wrong.
    Status {
        #[command(flatten)]
        state: State,
    },
    /// Look for things that belong to nobody and rows without things.
    Doctor {
        #[command(flatten)]
        state: State,
        /// Remove what belongs to nobody.
        #[arg(long)]
        repair: bool,
    },
    /// Stop every instance and the cloud. `up` starts again what should run.
    Down {
        #[command(flatten)]
        state: State,
        /// Remove everything, the state folder with all disks included.
        #[arg(long)]
        purge: bool,
    },
    /// Launch an instance with a new key pair, wait until it answers SSH, and print how to log in.
    Launch(Launch),
    /// Tell whether one thing reaches another, and which rule, route or address decides.
    Reach(Reach),
    /// Log in to an instance over a session, which needs no public address; reads the environment as SDKs do.
    Ssh(Ssh),
    /// Join standard input and output to a port of an instance, as ssh's ProxyCommand does.
    Tunnel(Tunnel),
    /// Make accounts, users and access keys.
    Account(Account),
    /// Show and change what accounts may have, and how many requests they may send.
    Quota(Quota),
    /// Plan maintenance of instances, list what is planned, or call it off.
    #[command(name = "event")]
    Events(Events),
    /// List the keys of accounts, or erase one now.
    #[command(name = "kms-key")]
    KmsKeys(KmsKeys),
    /// Look after the repository of images and snapshots.
    Repository(RepositoryCommand),
    /// Check the seals over the audit trail.
    Audit(Audit),
    /// Write a consistent copy of the database while the cloud runs.
    Backup {
        #[command(flatten)]
        state: State,
        /// File to write; must not exist.
        to: PathBuf,
    },
    /// Become a machine's cage (used by the agent).
    #[command(hide = true)]
    Cage {
        /// Where, in the agent's words.
        place: String,
    },
    /// Serve images to machines (started by the agent).
    #[command(hide = true)]
    ImageServer(ImageServer),
}

/// Which cloud.
#[derive(Debug, Clone, Args)]
pub struct State {
    /// Folder that holds everything of a cloud; another folder is another cloud.
    #[arg(long = "state", env = "PILEUS_STATE", default_value = "/var/lib/pileus", value_name = "DIR")]
    pub folder: PathBuf,
}

/// `pileus up`.
#[derive(Debug, Clone, Args)]
pub struct Up {
    #[command(flatten)]
    pub state: State,
    /// Address of the API. Port 0 takes a free one.
    #[arg(long, env = "PILEUS_LISTEN", default_value = "127.0.0.1:7700", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// Address of the Prometheus endpoint; the API's with the next port when absent.
    #[arg(long, env = "PILEUS_METRICS", value_name = "ADDR:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Name of the region, fixed when the state folder is made.
    #[arg(long, env = "PILEUS_REGION", default_value = "local-1", value_name = "NAME")]
    pub region: String,
    /// Names of the zones, separated by commas; `<region>a` when absent. Fixed when the state folder is made.
    #[arg(long, env = "PILEUS_ZONES", value_delimiter = ',', value_name = "A,B")]
    pub zones: Vec<String>,
    /// Folder of images to offer: each subfolder with an image.json is imported at start.
    #[arg(long, env = "PILEUS_IMAGES", value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Simulate so many hosts instead of running machines here. Needs no root.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub simulate: Option<u32>,
    /// The master key, a file of 32 bytes that only its owner can read; one in the state folder, made at the first start, when absent.
    #[arg(long, env = "PILEUS_MASTER_KEY", value_name = "FILE")]
    pub master_key: Option<PathBuf>,
    /// Use this PostgreSQL database instead of the embedded one.
    #[arg(long, env = "PILEUS_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Range of every account's default VPC, fixed when the state folder is made [default: 172.31.0.0/16].
    #[arg(long, value_name = "CIDR")]
    pub vpc_range: Option<ipnet::Ipv4Net>,
    /// Public addresses; a free /24 of 198.18.0.0/15 when absent. Fixed when the state folder is made.
    #[arg(long, value_name = "CIDR")]
    pub public_pool: Option<ipnet::Ipv4Net>,
    /// Give VPCs their IPv6 ranges from here, a /56 each; a range of this installation's own (RFC 4193) when absent.
    #[arg(long, env = "PILEUS_IPV6_POOL", value_name = "CIDR")]
    pub ipv6_pool: Option<ipnet::Ipv6Net>,
    /// Keep images and snapshots in the object store (S3) that this file names, instead of in the state folder alone. For good: later
    /// starts need it only to name another file.
    #[arg(long, env = "PILEUS_OBJECT_STORE", value_name = "FILE")]
    pub object_store: Option<PathBuf>,
    /// Let tenants import disks from, and export images into, DIR/ACCOUNT/BUCKET/KEY, where ACCOUNT is the account's number.
    #[arg(long, env = "PILEUS_BUCKETS", value_name = "DIR")]
    pub buckets: Option<PathBuf>,
    #[command(flatten)]
    pub uplinks: UplinkArguments,
    /// Let other machines join as hosts at this address, which is also this machine's for traffic between hosts.
    #[arg(long, env = "PILEUS_HOSTS_LISTEN", value_name = "ADDR:PORT", conflicts_with = "simulate")]
    pub hosts_listen: Option<SocketAddrV4>,
    /// Virtual processors given out per processor of this machine.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub cpu_overcommit: u32,
    /// Bytes of volumes promised per byte of this machine's disk.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub disk_overcommit: u32,
    /// How snapshots are taken of disks whose owners do not say it by a tag: `redirect` (what is new goes to another place) or `copy` (what
    /// was there is copied away before it is overwritten); with a kind, such as `fast=copy`, of disks of that kind. May be given several
    /// times.
    #[arg(long = "snapshot-mode", value_name = "[KIND=]MODE", value_parser = snapshot_mode)]
    pub snapshot_modes: Vec<(Option<VolumeKind>, SnapshotMode)>,
}

/// Reads a mode of snapshots, of all disks or of a kind.
fn snapshot_mode(text: &str) -> Result<(Option<VolumeKind>, SnapshotMode), String> {
    let (kind, mode) = text.split_once('=').map_or((None, text), |(kind, mode)| (Some(kind), mode));
    let of_kind = |word: &str| serde_json::from_value(word.into()).map_err(|_| format!("{word} is no kind of volumes"));
    let mode = mode.parse().map_err(|_| format!("{mode} is neither redirect nor copy"))?;
    Ok((kind.map(of_kind).transpose()?, mode))
}

/// `pileus agent`.
#[derive(Debug, Clone, Args)]
pub struct AgentArguments {
    #[command(flatten)]
    pub state: State,
    /// File with the token of `pileus host add`, or - for standard input. Only needed the first time.
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// Address of a Prometheus endpoint; none when absent.
    #[arg(long, env = "PILEUS_METRICS", value_name = "ADDR:PORT")]
    pub metrics: Option<SocketAddr>,
    #[command(flatten)]
    pub uplinks: UplinkArguments,
}

/// How public addresses of instances on this machine are reached from beyond the cloud.
#[derive(Debug, Clone, Args)]
pub struct UplinkArguments {
    /// Let public addresses be reached over this link of the machine; several are separated by commas. Without it only the machines of the
    /// cloud and its instances reach them.
    #[arg(long = "uplink", env = "PILEUS_UPLINK", value_name = "LINK", value_delimiter = ',', value_parser = agent::net::link_name)]
    pub links: Vec<String>,
    /// How machines beyond the uplinks learn where an address is: `arp`, this machine answers for it there; or `table:N`, this machine has
    /// a route to it in routing table N, which a BGP daemon announces [default: arp].
    #[arg(long, env = "PILEUS_ANNOUNCE", value_name = "HOW", requires = "links")]
    pub announce: Option<agent::net::Announce>,
}

impl UplinkArguments {
    /// What the agent is told.
    pub fn uplinks(&self) -> agent::net::Uplinks {
        agent::net::Uplinks { links: self.links.iter().cloned().collect(), announce: self.announce.unwrap_or_default() }
    }
}

/// `pileus host`.
#[derive(Debug, Clone, Args)]
pub struct HostCommand {
    #[command(flatten)]
    pub state: State,
    /// What to do.
    #[command(subcommand)]
    pub action: HostAction,
}

/// What to do with hosts.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum HostAction {
    /// Print a token with which one machine can become this host within an hour; for a host that is there, another machine in its
    /// place.
    Add {
        /// Name of the host.
        name: String,
        /// The zone that it is in.
        #[arg(long)]
        zone: String,
        /// The rack that it stands in.
        #[arg(long)]
        rack: Option<String>,
        /// Its address for traffic between hosts; the one from which it joins when absent.
        #[arg(long, value_name = "ADDR")]
        underlay: Option<Ipv4Addr>,
    },
    /// List hosts.
    List,
    /// Remove a host on which nothing is; its agent is refused from then on.
    Remove {
        /// Name of the host.
        name: String,
    },
}

/// `pileus launch`.
#[derive(Debug, Clone, Args)]
pub struct Launch {
    #[command(flatten)]
    pub state: State,
    /// Name of the image.
    #[arg(long, default_value = "pileus-linux")]
    pub image: String,
    /// Instance type, by any vendor's name.
    #[arg(long = "type", default_value = "t3.nano", value_name = "TYPE")]
    pub instance_type: String,
    /// Display name.
    #[arg(long, default_value = "first")]
    pub name: String,
    /// Seconds to wait for SSH.
    #[arg(long, default_value_t = 300)]
    pub timeout: u64,
}

/// `pileus event`.
#[derive(Debug, Clone, Args)]
pub struct Events {
    #[command(flatten)]
    pub state: State,
    /// What to do.
    #[command(subcommand)]
    pub action: EventAction,
}

/// What is done with events of instances.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum EventAction {
    /// Plan maintenance of an instance, or of each that is on a host. Tenants see it at once; it comes at its time, or when they agree to
    /// it.
    Plan(PlanEvent),
    /// Print what is planned, under way or over.
    List,
    /// Call off what has not begun.
    Cancel {
        /// Its id, as `event list` prints it.
        event: String,
    },
}

/// `pileus event plan`.
#[derive(Debug, Clone, Args)]
pub struct PlanEvent {
    /// The instance.
    #[arg(long, value_name = "ID", required_unless_present = "host", conflicts_with = "host")]
    pub instance: Option<String>,
    /// The host whose instances it is for.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// What happens to the instance.
    #[arg(long, value_enum)]
    pub code: EventCode,
    /// When, as 2026-11-22T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub not_before: String,
    /// When it is over.
    #[arg(long, value_name = "TIME")]
    pub not_after: Option<String>,
    /// Until when the tenant may put it off; not at all when absent.
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,
    /// What tenants read of it.
    #[arg(long, default_value = "scheduled maintenance", value_name = "TEXT")]
    pub reason: String,
}

/// What an event does to its instance.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum EventCode {
    /// It is restarted.
    InstanceReboot,
    /// It is stopped.
    InstanceStop,
}

/// `pileus kms-key`.
#[derive(Debug, Clone, Args)]
pub struct KmsKeys {
    #[command(flatten)]
    pub state: State,
    /// What to do.
    #[command(subcommand)]
    pub action: KmsKeyAction,
}

/// What is done with keys of accounts.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum KmsKeyAction {
    /// Print every key, whose it is, and whether it can be used.
    List,
    /// Delete a key now, without the waiting time: what it wraps can never be opened again.
    Erase {
        /// Its id, as `kms-key list` prints it.
        key: String,
    },
}

/// `pileus quota`.
#[derive(Debug, Clone, Args)]
pub struct Quota {
    #[command(flatten)]
    pub state: State,
    /// What to do.
    #[command(subcommand)]
    pub action: QuotaAction,
}

/// What is done with quotas.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum QuotaAction {
    /// Print every quota of an account, its default, and how much is in use.
    List {
        /// Name of the account.
        account: String,
    },
    /// Set a limit, at once; grants what the account has asked for when it is enough.
    Set {
        /// Name of the account.
        account: String,
        /// What is limited, as `quota list` names it.
        quota: String,
        /// How many, or how many a second.
        limit: u64,
    },
    /// Print what accounts have asked for.
    Requests,
    /// Deny what an account has asked for.
    Deny {
        /// Name of the account.
        account: String,
        /// What is limited.
        quota: String,
    },
}

/// `pileus audit`.
#[derive(Debug, Clone, Args)]
pub struct Audit {
    #[command(flatten)]
    pub state: State,
    #[command(subcommand)]
    pub action: AuditAction,
}

/// What is done with the audit trail.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum AuditAction {
    /// Check that no event under a seal was edited, deleted, added or moved; fails when one was.
    Verify,
}

/// `pileus account`.
#[derive(Debug, Clone, Args)]
pub struct Account {
    #[command(flatten)]
    pub state: State,
    /// What to do.
    #[command(subcommand)]
    pub action: AccountAction,
}

/// What to do with accounts.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum AccountAction {
    /// Make an account with a root user; prints its access key.
    Create {
        /// Name of the account.
        name: String,
    },
    /// Make a user with policies; prints its access key.
    CreateUser {
        /// Name of the account.
        account: String,
        /// Name of the user.
        name: String,
        /// Files with policy documents in the language of IAM, RAM or CAM.
        #[arg(long = "policy", required = true, value_name = "FILE")]
        policies: Vec<PathBuf>,
    },
    /// Turn an access key off or on.
    Key {
        /// The key's public name.
        id: String,
        /// Turn it off.
        #[arg(long, conflicts_with = "enable", required_unless_present = "enable")]
        disable: bool,
        /// Turn it on.
        #[arg(long)]
        enable: bool,
    },
}

/// `pileus repository`.
#[derive(Debug, Clone, Args)]
pub struct RepositoryCommand {
    #[command(flatten)]
    pub state: State,
    /// What to do.
    #[command(subcommand)]
    pub action: RepositoryAction,
}

/// What is done with the repository.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum RepositoryAction {
    /// Read everything that images and snapshots need, compare it with its checksums, mend what can be mended, and print what cannot and
    /// who needs it. Fails if there is any. The cloud does so by itself once a day.
    Scrub {
        /// Mebibytes to read in a second at most.
        #[arg(long, default_value_t = 200, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=100_000))]
        rate: u64,
    },
}

/// `pileus image-server`.
#[derive(Debug, Clone, Args)]
pub struct ImageServer {
    /// Folder of the repository.
    #[arg(long)]
    repository: PathBuf,
    /// Socket to serve on.
    #[arg(long)]
    socket: PathBuf,
    /// Identity of the host whose server has what the repository lacks.
    #[arg(long)]
    identity: Option<PathBuf>,
}

impl ImageServer {
    /// The server's configuration.
    pub fn config(&self) -> anyhow::Result<repository::server::ServerConfig> {
        let mut config = repository::server::ServerConfig::new(&self.repository, &self.socket);
        if let Some(path) = &self.identity {
            config.source = Some(crate::objects::source(link::Identity::from_bytes(&std::fs::read(path)?)?));
        }
        Ok(config)
    }
}
