//! `bench launch`: from a RunInstances call to the guest's first byte of user space, beside bare QEMU with the same arguments.
//!
//! Bare QEMU is started with the very arguments that the cloud's was, but for what only the cage has: disks and taps handed over as
//! descriptors become a file and QEMU's own network, the image server becomes the image as a plain file, the console becomes a
//! pipe. Each of ours is followed by one bare boot, so that whatever else the machine does hits both.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::{Cloud, Folder, Process, build, figure};
use super::{Promise, Row, median};
use crate::{image, run, up};

/// Launches in a row.
const LAUNCHES: usize = 20;
/// What Pileus Linux writes first in user space.
const MARK: &str = "user space up";
/// Promised ratio to bare QEMU, and milliseconds of our own from the call to QEMU's process.
const RATIO: f64 = 1.05;
const OWN_P50_MS: f64 = 40.0;
const OWN_P99_MS: f64 = 100.0;
/// One bare boot.
const BOOT_LIMIT: Duration = Duration::from_secs(120);

/// Launches and boots in turn.
pub fn measure() -> Result<Vec<Row>> {
    build()?;
    image::build(&image::Options { image: image::Image::PileusLinux, fresh: false })?;
    let folder = Folder::new("launch")?;
    let state = folder.0.join("state");
    let cloud = Cloud::real(&state)?;
    let _purged = Purged(&state);
    let id = cloud.image(&folder.0, "pileus-linux")?;
    let raw = folder.0.join("image.raw");
    let disk = image::folder().join("pileus-linux/disk.qcow2");
    run::shown(Command::new("qemu-img").args(["convert", "-O", "raw"]).args([&disk, &raw]))?;
    // The first launch fills the caches of both.
    launch(&cloud, &state, &folder.0, &id)?;
    bare(&folder.0, &raw)?;
    let (mut ours, mut floor, mut own, mut reply) = (vec![], vec![], vec![], vec![]);
    for number in 1..=LAUNCHES {
        let figures = launch(&cloud, &state, &folder.0, &id).with_context(|| format!("launch {number} of {LAUNCHES}"))?;
        ours.push(figure(&figures, "user_space_s")?);
        own.push(figure(&figures, "process_ms")?);
        reply.push(figure(&figures, "reply_ms")?);
        floor.push(bare(&folder.0, &raw)?);
        println!("  {number} of {LAUNCHES}: {:.2} s, bare {:.2} s, own {:.1} ms", ours[number - 1], floor[number - 1], own[number - 1]);
    }
    let row = |what: &str, ours: f64, peer: f64, peer_name: &str, bound: Option<f64>| Row {
        what: what.to_owned(),
        ours,
        peer,
        peer_name: peer_name.to_owned(),
        promise: bound.map(Promise::AtMost),
    };
    let longest = own.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        row("call to first user-space byte, median of 20 (s)", median(&mut ours), median(&mut floor), "bare QEMU", Some(RATIO)),
        row("call to QEMU's process, median (ms)", median(&mut own), OWN_P50_MS, "promised", Some(1.0)),
        row("call to QEMU's process, longest of 20 (ms)", longest, OWN_P99_MS, "promised", Some(1.0)),
        row("call to its reply, median (ms)", median(&mut reply), OWN_P50_MS, "promised for all", None),
    ])
}

/// Removes the cloud, guests and all, also after a failure.
pub struct Purged<'p>(pub &'p Path);

impl Drop for Purged<'_> {
    fn drop(&mut self) {
        if let Ok(binary) = up::binary() {
            // A failure shows in the next run's namespaces; there is nothing more to be done about it here.
            let _ = Command::new(binary).args(["down", "--purge", "--state"]).arg(self.0).stdout(Stdio::null()).status();
        }
    }
}

fn launch(cloud: &Cloud, state: &Path, folder: &Path, image: &str) -> Result<HashMap<String, f64>> {
    let program = up::binary()?.with_file_name("examples").join("launch");
    let endpoint = cloud.environment.get("AWS_ENDPOINT_URL").context("the environment names no endpoint")?;
    let mut command = Command::new(program);
    command.arg(endpoint).arg(state).args([image, MARK]).arg(folder.join("cmdline")).envs(&cloud.environment);
    let printed = run::output(&mut command)?;
    Ok(printed.lines().filter_map(|line| line.split_once('=')).filter_map(|(n, v)| Some((n.to_owned(), v.parse().ok()?))).collect())
}

/// Boots with the arguments of the last launch; seconds until user space.
fn bare(folder: &Path, raw: &Path) -> Result<f64> {
    let given = std::fs::read_to_string(folder.join("cmdline"))?;
    let given: Vec<&str> = given.lines().collect();
    let (disk, boot) = (folder.join("bare.qcow2"), image::folder().join("pileus-linux"));
    let arguments = bare_arguments(&given, &disk, raw, &boot)?;
    run::output(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(raw).arg(&disk).arg("1G"))?;
    let mut command = Command::new(given[0]);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let began = Instant::now();
    let mut guest = Process(command.spawn().context("cannot start QEMU")?);
    let mut serial = guest.0.stdout.take().context("the console is piped")?;
    let (mut console, mut buffer) = (String::new(), [0; 4096]);
    while !console.contains(MARK) {
        match serial.read(&mut buffer)? {
            0 => bail!("bare QEMU ended: {console}"),
            count => console.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
        if began.elapsed() > BOOT_LIMIT {
            bail!("no {MARK:?} of bare QEMU: {console}");
        }
    }
    Ok(began.elapsed().as_secs_f64())
}

/// The arguments of a caged QEMU as they are without a cage.
fn bare_arguments(given: &[&str], disk: &Path, raw: &Path, boot: &Path) -> Result<Vec<String>> {
    let mut arguments = Vec::new();
    let mut pairs = given.iter().skip(1).copied().peekable();
    while let Some(name) = pairs.next() {
        let value = pairs.next_if(|value| !value.starts_with('-'));
        let changed = match (name, value) {
            ("-add-fd" | "-mon", _) => continue,
            ("-chardev", Some(value)) if value.starts_with("socket") => continue,
            ("-chardev", Some(_)) => Some("stdio,id=console,signal=off".to_owned()),
            ("-netdev", Some(value)) => Some(format!("user,{}", id_of(value).context("a network without id")?)),
            ("-kernel", _) => Some(boot.join("vmlinuz").display().to_string()),
            ("-initrd", _) => Some(boot.join("initrd").display().to_string()),
            ("-blockdev", Some(value)) => Some(bare_disk(value, disk, raw)?),
            (_, value) => value.map(str::to_owned),
        };
        arguments.push(name.to_owned());
        arguments.extend(changed);
    }
    Ok(arguments)
}

fn id_of(value: &str) -> Option<&str> {
    value.split(',').find(|part| part.starts_with("id="))
}

/// The image server's export becomes the image as a file, the descriptor of the overlay its path.
fn bare_disk(value: &str, disk: &Path, raw: &Path) -> Result<String> {
    let mut node: serde_json::Value = serde_json::from_str(value)?;
    let members = node.as_object_mut().context("a block node is an object")?;
    match members.get("driver").and_then(|driver| driver.as_str()) {
        Some("nbd") => {
            members.retain(|name, _| name == "node-name" || name == "read-only");
            members.insert("driver".to_owned(), "file".into());
            members.insert("filename".to_owned(), raw.display().to_string().into());
        }
        Some("file") => drop(members.insert("filename".to_owned(), disk.display().to_string().into())),
        _ => {}
    }
    Ok(node.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_cage_has_is_replaced_and_the_rest_is_kept() {
        let given = [
            "qemu",
            "-no-user-config",
            "-m",
            "512M",
            "-chardev",
            "socket,id=monitor,fd=10",
            "-mon",
            "chardev=monitor",
            "-chardev",
            "ringbuf,id=console,size=65536",
            "-add-fd",
            "fd=11,set=1",
            "-blockdev",
            r#"{"driver":"nbd","export":"x","node-name":"image","read-only":true}"#,
            "-netdev",
            "tap,id=n,fd=12",
            "-kernel",
            "/boot/kernel",
        ];
        let bare = bare_arguments(&given, Path::new("/d"), Path::new("/raw"), Path::new("/b")).unwrap();
        let image = r#"{"driver":"file","filename":"/raw","node-name":"image","read-only":true}"#;
        let expected = ["-no-user-config", "-m", "512M", "-chardev", "stdio,id=console,signal=off", "-blockdev", image];
        assert_eq!(bare[..7], expected);
        assert_eq!(bare[7..], ["-netdev", "user,id=n", "-kernel", "/b/vmlinuz"]);
    }
}
