//! `cargo xtask hosts N`: a cloud on N hosts, each a network namespace of this machine, until Ctrl-C.
//!
//! ```text
//!   NAME-0 (bridge) ══ veth ══ NAME-1  192.168.77.1  pileus up --hosts-listen
//!                   ══ veth ══ NAME-2  192.168.77.2  pileus agent
//! ```
//!
//! Everything is removed at the end, also after a failure: what runs, the namespaces, and the folder unless it was named. The
//! tests across hosts stand on it; they read `hosts.json` in the folder, which is written when every host is connected.
//!
//! It knows `pileus` by its command line only.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::run;

/// How long a part of the cloud may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// Between two questions whether it is.
const READY_POLL: Duration = Duration::from_millis(100);
/// How long `pileus down --purge` may take; guests are killed, so it is seconds.
const PURGE_LIMIT: u64 = 60;
/// The port on which the server listens for hosts.
const PORT: u16 = 7_710;

/// What `hosts` can be told.
#[derive(Args)]
pub struct Options {
    /// How many hosts, the server's own included
    #[arg(value_parser = clap::value_parser!(u8).range(1..=32))]
    count: u8,
    /// Folder for the state folders of all; a temporary one that is removed at the end when absent
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The folder of built images
    #[arg(long, env = "PILEUS_IMAGES", value_name = "DIR", default_value = "images/out")]
    images: PathBuf,
    /// The program
    #[arg(long, env = "PILEUS_BIN", value_name = "FILE", default_value = "target/debug/pileus")]
    pileus: PathBuf,
    /// Further arguments for `pileus up`
    #[arg(last = true)]
    up: Vec<String>,
}

/// Runs the cloud until it is told to end.
pub fn hosts(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut lab = Lab::new(options)?;
    let ended = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    lab.start(options)?;
    println!("{} hosts are connected. Ctrl-C ends and removes them.", options.count);
    println!("  to enter the server's:  nsenter --net=/run/netns/{}", lab.namespace(1));
    println!("  then, for SDKs:         eval \"$({} env --state {})\"", lab.pileus.display(), lab.state(1).display());
    runtime.block_on(ended);
    Ok(())
}

/// The hosts; removed with this value.
struct Lab {
    name: String,
    folder: PathBuf,
    is_folder_ours: bool,
    pileus: PathBuf,
    count: u8,
    children: Vec<(u8, Child)>,
}

impl Lab {
    fn new(options: &Options) -> Result<Lab> {
        let name = format!("hosts-{}", std::process::id());
        let folder = options.folder.clone().unwrap_or_else(|| std::env::temp_dir().join(&name));
        let folder = std::path::absolute(folder)?;
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let pileus = std::path::absolute(&options.pileus)?;
        Ok(Lab { name, folder, is_folder_ours: options.folder.is_none(), pileus, count: options.count, children: Vec::new() })
    }

    fn namespace(&self, host: u8) -> String {
        format!("{}-{host}", self.name)
    }

    fn state(&self, host: u8) -> PathBuf {
        self.folder.join(host.to_string())
    }

    fn start(&mut self, options: &Options) -> Result<()> {
        self.connect()?;
        let images = std::path::absolute(&options.images)?;
        let listen = format!("{}:{PORT}", address(1));
        let mut up = vec!["--hosts-listen".to_owned(), listen, "--images".to_owned(), images.display().to_string()];
        up.extend(options.up.iter().cloned());
        self.spawn(1, "up", &up)?;
        self.wait("the server", |lab| run::succeeds(&mut lab.command(1, "env", &[])))?;
        for host in 2..=self.count {
            let token = self.folder.join(format!("{host}.token"));
            let zone = self.zone()?;
            let add = ["add".to_owned(), host_name(host), "--zone".to_owned(), zone];
            let text = run::output(self.command(1, "host", &add).stderr(Stdio::null()))?;
            fs::write(&token, text)?;
            self.spawn(host, "agent", &["--token".to_owned(), token.display().to_string()])?;
        }
        self.wait("a host", Lab::all_up)?;
        self.write_down()
    }

    /// The first zone of the cloud; every host but the server's is in it.
    fn zone(&self) -> Result<String> {
        let cloud: serde_json::Value = serde_json::from_slice(&fs::read(self.state(1).join("cloud.json"))?)?;
        Ok(cloud["zones"][0].as_str().context("cloud.json names no zone")?.to_owned())
    }

    /// A bridge in a namespace of its own, and a pair from it to each host.
    fn connect(&self) -> Result<()> {
        let hub = self.namespace(0);
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "add", "hub", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "hub", "up"])?;
        for host in 1..=self.count {
            let (namespace, port) = (self.namespace(host), format!("port{host}"));
            ip(&["netns", "add", &namespace])?;
            ip(&["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "under", "netns", &namespace])?;
            ip(&["-n", &hub, "link", "set", &port, "master", "hub", "up"])?;
            ip(&["-n", &namespace, "address", "add", &format!("{}/24", address(host)), "dev", "under"])?;
            ip(&["-n", &namespace, "link", "set", "under", "up"])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// `pileus SUBCOMMAND --state ...` inside a host's namespace. `ip netns exec` would hide the control groups (ip-netns(8)).
    fn command(&self, host: u8, subcommand: &str, arguments: &[String]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.namespace(host))).arg(&self.pileus);
        command.arg(subcommand).arg("--state").arg(self.state(host)).args(arguments);
        command
    }

    fn spawn(&mut self, host: u8, subcommand: &str, arguments: &[String]) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.join(format!("{host}.log")))?;
        let mut command = self.command(host, subcommand, arguments);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {}", run::line(&command)))?;
        self.children.push((host, child));
        Ok(())
    }

    fn wait(&mut self, what: &str, ready: impl Fn(&Lab) -> bool) -> Result<()> {
        let deadline = Instant::now() + READY_LIMIT;
        while !ready(self) {
            for (host, child) in &mut self.children {
                if let Some(status) = child.try_wait()? {
                    let log = fs::read_to_string(self.folder.join(format!("{host}.log"))).unwrap_or_default();
                    bail!("pileus on host {host} ended with {status}: {log}");
                }
            }
            if Instant::now() > deadline {
                bail!("{what} did not become ready within {}", run::elapsed(READY_LIMIT));
            }
            std::thread::sleep(READY_POLL);
        }
        Ok(())
    }

    fn all_up(&self) -> bool {
        let list = self.command(1, "host", &["list".to_owned()]).stderr(Stdio::null()).output();
        let text = list.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().filter(|line| line.split_whitespace().nth(1) == Some("up")).count() == usize::from(self.count)
    }

    /// What the tests read; in place as a whole or not at all.
    fn write_down(&self) -> Result<()> {
        let host = |host: u8| {
            let process = self.children.iter().find(|(of, _)| *of == host).map(|(_, child)| child.id());
            let name = if host == 1 { "local".to_owned() } else { host_name(host) };
            let (state, log) = (self.state(host), self.folder.join(format!("{host}.log")));
            json!({ "name": name, "namespace": self.namespace(host), "address": address(host), "state": state, "log": log, "pid": process })
        };
        let hosts: Vec<_> = (1..=self.count).map(host).collect();
        let text = json!({ "hub": self.namespace(0), "hosts": hosts, "pileus": self.pileus });
        let (fresh, path) = (self.folder.join("hosts.new"), self.folder.join("hosts.json"));
        fs::write(&fresh, serde_json::to_string_pretty(&text)?)?;
        Ok(fs::rename(fresh, path)?)
    }

    fn remove(&mut self) {
        for (_, child) in &mut self.children {
            let id = i32::try_from(child.id()).expect("process ids fit in an i32 on Linux");
            // An error here means that it has ended already.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        for (_, child) in &mut self.children {
            let _ = child.wait();
        }
        for host in (1..=self.count).filter(|host| self.state(*host).exists()) {
            let mut purge = Command::new("timeout");
            let down = self.command(host, "down", &["--purge".to_owned()]);
            purge.arg(PURGE_LIMIT.to_string()).arg(down.get_program()).args(down.get_args());
            if let Err(error) = run::output(&mut purge) {
                eprintln!("host {host} was not removed whole: {error:#}");
            }
        }
        for host in 0..=self.count {
            let _ = Command::new("ip").args(["netns", "delete", &self.namespace(host)]).stderr(Stdio::null()).status();
        }
        if self.is_folder_ours {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.remove();
    }
}

fn address(host: u8) -> String {
    format!("192.168.77.{host}")
}

fn host_name(host: u8) -> String {
    format!("host-{host}")
}

fn ip(arguments: &[&str]) -> Result<()> {
    run::shown(Command::new("ip").args(arguments))
}
