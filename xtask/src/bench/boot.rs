//! The base images from QEMU's start to user space and to a login, without a
//! network: what every launch waits for, whatever the cloud does.
//!
//! The peer is the stock image under the same QEMU.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Promise, Row, median};
use crate::image;

/// Boots an image; the median is taken.
const BOOTS: usize = 3;
/// One boot: a stock image takes a minute under emulation.
const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// Measures both images and returns the rows.
pub fn measure() -> Result<Vec<Row>> {
    image::build(&image::Options { image: image::Image::All, fresh: false })?;
    // systemd greets on the console as its first act; a getty is its last.
    let peer = medians("debian-12", ["Welcome to", "login:"])?;
    let ours = medians("pileus-linux", ["user space up", "sshd listens"])?;
    let row = |what: &str, index: usize| Row {
        what: format!("{what} (s)"),
        ours: ours[index],
        peer: peer[index],
        peer_name: "debian-12".into(),
        // What "small" is worth: half the wait at most.
        promise: Some(Promise::AtMost(0.5)),
    };
    Ok(vec![row("QEMU's start to user space", 0), row("QEMU's start to a login", 1)])
}

fn medians(name: &str, marks: [&str; 2]) -> Result<[f64; 2]> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for number in 1..=BOOTS {
        let times = boot(&image::folder().join(name), marks)?;
        println!("{name}, boot {number} of {BOOTS}: {:.2} s, {:.2} s", times[0], times[1]);
        first.push(times[0]);
        second.push(times[1]);
    }
    Ok([median(&mut first), median(&mut second)])
}

/// Boots once and returns the seconds until each mark was on the console.
fn boot(folder: &Path, marks: [&str; 2]) -> Result<[f64; 2]> {
    let manifest = std::fs::read_to_string(folder.join("image.json")).context("the image is not built")?;
    let mut command = command(folder, &serde_json::from_str(&manifest)?)?;
    let began = Instant::now();
    let mut guest = Guest(command.stdout(Stdio::piped()).spawn().context("cannot start QEMU")?);
    let mut serial = guest.0.stdout.take().expect("it was asked to be piped");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = serial.read(&mut buffer) {
            if sender.send((began.elapsed(), buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    let (mut console, mut times) = (String::new(), [None; 2]);
    while times.contains(&None) {
        let left = BOOT_LIMIT.saturating_sub(began.elapsed());
        let Ok((at, bytes)) = receiver.recv_timeout(left) else {
            bail!("no {marks:?} within {BOOT_LIMIT:?}; the console said:\n{console}");
        };
        console.push_str(&String::from_utf8_lossy(&bytes));
        for (time, mark) in times.iter_mut().zip(marks) {
            if time.is_none() && console.contains(mark) {
                *time = Some(at.as_secs_f64());
            }
        }
    }
    Ok(times.map(|time| time.expect("the loop ends when both are there")))
}

fn command(folder: &Path, manifest: &Value) -> Result<Command> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("image.json lacks a member");
    let disk = folder.join(text(&manifest["disk"]["file"])?);
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-accel", "tcg", "-machine", "q35", "-m", "1024", "-nodefaults", "-display", "none"]);
    command.args(["-serial", "stdio", "-nic", "none", "-device", "virtio-rng-pci", "-snapshot"]);
    let format = text(&manifest["disk"]["format"])?;
    command.arg("-drive").arg(format!("if=virtio,format={format},file={}", disk.display()));
    let boot = &manifest["boot"];
    if boot.is_object() {
        command.arg("-kernel").arg(folder.join(text(&boot["kernel"])?));
        command.arg("-initrd").arg(folder.join(text(&boot["initrd"])?));
        command.args(["-append", &text(&boot["cmdline"])?]);
    }
    command.stdin(Stdio::null());
    Ok(command)
}

/// A running QEMU, ended with this value.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
