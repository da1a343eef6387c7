//! What an operator says on the command line to a cloud that runs.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use agent::Agent;
use anyhow::{Context, Result, bail};
use model::HostId;
use serde_json::{Value, json};

use crate::arguments::{Account, AccountAction, Audit, AuditAction, Launch, State};
use crate::client::{ask, block_on};
use crate::hosts;
use crate::state::StateFolder;

/// Pause between two looks at something that is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a cloud may take to end after `down`: every guest has its minute, and some for the rest.
const DOWN_WITHIN: Duration = Duration::from_secs(120);
/// How long a guest may take to answer a connection that was made.
const BANNER_WITHIN: Duration = Duration::from_secs(2);

/// `pileus env`.
pub fn env(state: &State) -> Result<()> {
    let folder = StateFolder::at(&state.folder)?;
    let ready = block_on(ask(&folder, "/ready", &Value::Null))?;
    if ready != json!(true) {
        bail!("the cloud on {} is not ready yet", folder.path().display());
    }
    print!("{}", fs::read_to_string(folder.environment()).context("the environment cannot be read")?);
    Ok(())
}

/// `pileus status`.
pub fn status(state: &State) -> Result<()> {
    let folder = StateFolder::at(&state.folder)?;
    let status = block_on(ask(&folder, "/status", &Value::Null))?;
    let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
    println!("endpoint  {} (pid {})", text("endpoint"), status["pid"]);
    println!("region    {}, zones {}", text("region"), words(&status["zones"]));
    let hosts = status["hosts"].as_array().cloned().unwrap_or_default();
    for host in hosts.iter().take(20) {
        let capacity = &host["capacity"];
        println!(
            "host      {}: {}, {} vCPUs, {} MiB, {} GiB disk, {}, document {} of {}",
            host["name"].as_str().unwrap_or_default(),
            crate::host_commands::state_of(host),
            capacity["vcpus"],
            capacity["memory"],
            capacity["disk_gib"],
            capacity["accelerator"].as_str().unwrap_or("not heard of yet"),
            host["applied"],
            host["generation"],
        );
        words_of(&host["faults"]).iter().for_each(|fault| println!("          {fault}"));
    }
    if hosts.len() > 20 {
        println!("          and {} more hosts", hosts.len() - 20);
    }
    println!("repository {}", repository_of(&status["repository"]));
    let instances = status["instances"].as_object().cloned().unwrap_or_default();
    let counts: Vec<String> = instances.iter().map(|(state, count)| format!("{count} {state}")).collect();
    println!("instances {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") });
    Ok(())
}

/// Where images and snapshots are kept, and how they are.
fn repository_of(repository: &Value) -> String {
    let place = if repository["object_store"] == json!(true) { "in the object store" } else { "in the state folder" };
    let Some(at) = repository["scrubbed_at_ms"].as_i64() else { return format!("{place}, not scrubbed yet") };
    let (at, mended) = (model::Millis(at).timestamp().to_string(), &repository["mended"]);
    match repository["damaged"].as_u64().unwrap_or(0) {
        0 => format!("{place}, scrubbed {at}, {mended} mended, none damaged"),
        damaged => format!("{place}, scrubbed {at}, {mended} mended, {damaged} DAMAGED: see `pileus doctor`"),
    }
}

fn words(list: &Value) -> String {
    words_of(list).join(",")
}

fn words_of(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// `pileus down`.
pub fn down(state: &State, purge: bool) -> Result<()> {
    let folder = StateFolder::at(&state.folder)?;
    if let Some(identity) = folder.kept_identity()? {
        let config = |folder: &StateFolder| crate::agent_command::config(&identity, folder);
        return end_machine(&folder, purge, config).map(|()| println!("Nothing runs on this host now."));
    }
    if !folder.exists() {
        println!("There is no cloud on {}.", folder.path().display());
        return Ok(());
    }
    if let Ok(answer) = block_on(ask(&folder, "/down", &Value::Null)) {
        println!("Stopping the cloud (pid {}) and its instances...", answer["pid"]);
    }
    let fixed = folder.fixed()?.context("cloud.json is gone")?;
    end_machine(&folder, purge, |folder| hosts::agent_config(kept_host(folder), folder, fixed.public_pool))?;
    if !purge {
        println!("The cloud is down. `pileus up` starts again what should run.");
    }
    Ok(())
}

/// Ends what runs on this machine once nobody holds the state folder; with `purge`, removes everything, the folder included.
fn end_machine(folder: &StateFolder, purge: bool, config: impl FnOnce(&StateFolder) -> agent::AgentConfig) -> Result<()> {
    let lock = wait_for_lock(folder)?;
    if nix::unistd::geteuid().is_root() && folder.host().exists() {
        block_on(async {
            let config = config(folder);
            if purge {
                Agent::purge_of(config).await?;
            } else {
                let grace = Duration::from_secs(u64::from(model::STOP_GRACE_SECONDS));
                Agent::stop_guests_of(config, grace).await?;
            }
            Ok(())
        })?;
    }
    if purge {
        let is_elsewhere = folder.repository().join("store").exists();
        fs::remove_dir_all(folder.path()).with_context(|| format!("{} cannot be removed", folder.path().display()))?;
        match is_elsewhere {
            true => println!("Nothing of the cloud is left on this machine; its images and snapshots are still in the object store."),
            false => println!("Nothing of the cloud is left."),
        }
    }
    drop(lock);
    Ok(())
}

/// The host whose documents the state folder keeps; any id when it never got one.
fn kept_host(folder: &StateFolder) -> HostId {
    agent::kept_document(&folder.host()).map_or(HostId::from_u64(0), |spec| spec.host)
}

fn wait_for_lock(folder: &StateFolder) -> Result<nix::fcntl::Flock<fs::File>> {
    let start = Instant::now();
    loop {
        match folder.take() {
            Ok(lock) => return Ok(lock),
            Err(error) if start.elapsed() > DOWN_WITHIN => return Err(error.context("the cloud did not end in time")),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// `pileus launch`.
pub fn launch(launch: &Launch) -> Result<()> {
    let folder = StateFolder::at(&launch.state.folder)?;
    let start = Instant::now();
    let arguments = json!({ "image": launch.image, "type": launch.instance_type, "name": launch.name });
    let made = block_on(ask(&folder, "/launch", &arguments))?;
    let word = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    let id = word("instance");
    println!("[{:>5.1} s] launched {id}", start.elapsed().as_secs_f32());
    let keys = folder.path().join("keys");
    fs::create_dir_all(&keys).context("a folder for keys cannot be made")?;
    let key = keys.join(format!("{}.pem", word("key")));
    write_key(&key, &word("private_key"))?;
    let address = wait_for_ssh(&folder, &id, Duration::from_secs(launch.timeout), start)?;
    println!("[{:>5.1} s] {id} answers SSH", start.elapsed().as_secs_f32());
    println!();
    println!("  ssh -i {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null {}@{address}", key.display(), word("user"));
    Ok(())
}

fn write_key(path: &Path, pem: &str) -> Result<()> {
    let file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("{} cannot be written", path.display()))?;
    std::io::Write::write_all(&mut file, pem.as_bytes()).with_context(|| format!("{} cannot be written", path.display()))
}

fn wait_for_ssh(folder: &StateFolder, id: &str, within: Duration, start: Instant) -> Result<IpAddr> {
    let mut told = String::new();
    while start.elapsed() < within {
        let seen = block_on(ask(folder, "/instance", &json!({ "id": id })))?;
        let state = seen["state"].as_str().unwrap_or_default().to_owned();
        if state != told {
            println!("[{:>5.1} s] {id} is {state}", start.elapsed().as_secs_f32());
            told.clone_from(&state);
        }
        if state == "terminating" || state == "terminated" {
            bail!("{id} could not be launched: {}", seen["reason"].as_str().unwrap_or("no reason is known"));
        }
        let address = seen["public_ip"].as_str().and_then(|text| text.parse::<IpAddr>().ok());
        if let Some(address) = address.filter(|ip| state == "running" && answers_ssh(SocketAddr::new(*ip, 22))) {
            return Ok(address);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    bail!("{id} did not answer SSH within {} seconds; read its console: aws ec2 get-console-output --instance-id {id}", within.as_secs())
}

/// Whether somebody at this address introduces himself as SSH does (RFC 4253 4.2).
fn answers_ssh(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, BANNER_WITHIN) else { return false };
    let mut banner = [0; 4];
    stream.set_read_timeout(Some(BANNER_WITHIN)).is_ok() && stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
}

/// `pileus account`.
pub fn account(account: &Account) -> Result<()> {
    let folder = StateFolder::at(&account.state.folder)?;
    let (path, arguments) = match &account.action {
        AccountAction::Create { name } => ("/account", json!({ "name": name })),
        AccountAction::CreateUser { account, name, policies } => {
            let read = |path: &std::path::PathBuf| fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()));
            let policies: Vec<String> = policies.iter().map(read).collect::<Result<_>>()?;
            ("/user", json!({ "account": account, "name": name, "policies": policies }))
        }
        AccountAction::Key { id, enable, .. } => ("/key", json!({ "id": id, "active": enable })),
    };
    let answer = block_on(ask(&folder, path, &arguments))?;
    if answer.is_null() {
        println!("Done.");
    } else {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    }
    Ok(())
}

/// `pileus audit`.
pub fn audit(audit: &Audit) -> Result<()> {
    let AuditAction::Verify = audit.action;
    let folder = StateFolder::at(&audit.state.folder)?;
    let found = block_on(ask(&folder, "/audit/verify", &Value::Null))?;
    if let Some(broken) = found["broken"].as_str() {
        bail!("the audit trail was changed: {broken}");
    }
    println!(
        "{} events under {} seals are as they were written; head {}",
        found["events"],
        found["seals"],
        found["head"].as_str().unwrap_or("")
    );
    Ok(())
}

/// `pileus backup`.
pub fn backup(state: &State, to: &Path) -> Result<()> {
    let folder = StateFolder::at(&state.folder)?;
    let to = std::path::absolute(to)?;
    block_on(ask(&folder, "/backup", &json!({ "to": to })))?;
    println!("The database was written to {}.", to.display());
    Ok(())
}
