//! `bench disk`: what disks and snapshots cost a guest and a caller, beside plain QEMU, beside moments without a snapshot, and beside
//! `zstd` and `cp`.
//!
//! ```text
//!   image = Pileus Linux's kernel and drivers + examples/guest_disk.rs as the only program      (an initrd after the initrd)
//!     ├─ in a cloud: examples/disk.rs of the crate pileus calls, the guest's console tells
//!     └─ in plain QEMU with the cloud's machine and two qcow2 files: the console tells
//! ```

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::launch::Purged;
use super::load::{Cloud, Folder, Process, build};
use super::{Figures, Promise, Row};
use crate::{image, run, up};

/// Snapshots that the large disk has when it is read again.
const SNAPSHOTS: &str = "100";
/// Milliseconds that a disk of a snapshot may take to be there, whatever its size.
const MADE_MS: f64 = 20.0;
/// Microseconds of the first read of a block.
const COLD_US: f64 = 3000.0;
/// Milliseconds that a snapshot may hold a write.
const HELD_MS: f64 = 5.0;
/// Bytes that a snapshot moves beside those that were written.
const MOVED: f64 = 1.05;
/// Accesses beside plain QEMU, and after many snapshots beside before.
const TO_PLAIN: f64 = 0.95;
const TO_FLAT: f64 = 0.9;
/// Storing and restoring beside compressing and copying.
const TO_ZSTD: f64 = 0.5;
/// Sizes of the disks of the guest.
const DISKS: [(&str, &str); 2] = [("large", "1T"), ("small", "1G")];
/// One run in plain QEMU.
const PLAIN_LIMIT: Duration = Duration::from_secs(180);

/// Runs both guests, then the repository.
pub fn measure() -> Result<Vec<Row>> {
    build()?;
    image::build(&image::Options { image: image::Image::PileusLinux, fresh: false })?;
    let folder = Folder::new("disk")?;
    let images = folder.0.join("images");
    let guest = guest_image(&images, &folder.0)?;
    let state = folder.0.join("state");
    let ours = {
        let cloud = Cloud::real_with(&state, &images, &["--disk-overcommit", "64"])?;
        let _purged = Purged(&state);
        let id = cloud.image(&folder.0, NAME)?;
        let program = up::binary()?.with_file_name("examples").join("disk");
        let endpoint = cloud.environment.get("AWS_ENDPOINT_URL").context("the environment names no endpoint")?;
        println!("a guest of the cloud reads, writes and is snapshot ...");
        let mut command = Command::new(program);
        command.arg(endpoint).arg(&state).arg(id).arg(folder.0.join("cmdline")).arg(SNAPSHOTS).envs(&cloud.environment);
        Figures::read(&run::output(&mut command)?)
    };
    println!("the same guest in plain QEMU ...");
    let plain = plain(&folder.0, &guest)?;
    println!("the repository beside zstd and cp ...");
    let stored = stored(&folder.0)?;
    rows(&ours, &plain, &stored)
}

/// Name of the image of the measuring guest.
const NAME: &str = "guest-disk";

/// Makes the image and gives its folder: a disk of zeros, Pileus Linux's kernel, and its initrd with another after it.
fn guest_image(images: &Path, work: &Path) -> Result<PathBuf> {
    let arguments =
        ["rustc", "--release", "--quiet", "--package", "xtask", "--example", "guest_disk", "--", "-C", "target-feature=+crt-static"];
    run::shown(&mut run::cargo(&arguments))?;
    let program = up::binary()?.with_file_name("examples").join("guest_disk");
    let (base, folder) = (image::folder().join("pileus-linux"), images.join(NAME));
    std::fs::create_dir_all(&folder)?;
    let root = work.join("initrd");
    std::fs::create_dir_all(&root)?;
    std::fs::copy(program, root.join("guest_disk"))?;
    std::fs::write(root.join("init"), INIT)?;
    run::shown(Command::new("chmod").arg("755").args([root.join("init"), root.join("guest_disk")]))?;
    let archive = "printf 'init\\nguest_disk\\n' | cpio -o -H newc --quiet -R 0:0";
    let more = Command::new("sh").args(["-c", archive]).current_dir(&root).stderr(Stdio::inherit()).output()?;
    let mut initrd = std::fs::read(base.join("initrd"))?;
    // The kernel looks for the next archive at a multiple of four bytes.
    initrd.resize(initrd.len().next_multiple_of(4), 0);
    initrd.extend(more.stdout);
    std::fs::write(folder.join("initrd"), initrd)?;
    std::fs::copy(base.join("vmlinuz"), folder.join("vmlinuz"))?;
    std::fs::write(folder.join("disk.raw"), vec![0; 1 << 20])?;
    let description = serde_json::json!({
        "name": NAME, "title": NAME, "description": "Reads and writes its disks, and tells how fast", "platform": "linux",
        "architecture": "x86_64", "default_user": "root", "min_disk_gib": 1, "virtual_bytes": 1 << 20,
        "disk": {"file": "disk.raw", "format": "raw", "firmware": "bios"},
        "boot": {"kernel": "vmlinuz", "initrd": "initrd", "cmdline": CMDLINE},
        "files": files(&folder, &["disk.raw", "vmlinuz", "initrd"])?,
    });
    std::fs::write(folder.join("image.json"), serde_json::to_vec_pretty(&description)?)?;
    Ok(folder)
}

const CMDLINE: &str = "console=ttyS0,115200 quiet no_timer_check noreplace-smp cryptomgr.notests random.trust_cpu=on panic=10";

/// Takes the place of the image's own `/init`. Drivers that need others come in a later round.
const INIT: &str = "#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
for round in 1 2 3 4; do
    for module in /lib/*.ko; do $b insmod $module 2>/dev/null; done
done
exec /guest_disk
";

fn files(folder: &Path, names: &[&str]) -> Result<serde_json::Value> {
    let mut out = serde_json::Map::new();
    for name in names {
        let sum = run::output(Command::new("sha256sum").arg(folder.join(name)))?;
        let sum = sum.split(' ').next().unwrap_or_default();
        let bytes = std::fs::metadata(folder.join(name))?.len();
        out.insert((*name).to_owned(), serde_json::json!({"bytes": bytes, "sha256": sum}));
    }
    Ok(out.into())
}

/// Runs the guest in a QEMU of the cloud's machine, with two files for disks, until it has measured and counted some windows.
fn plain(folder: &Path, guest: &Path) -> Result<Figures> {
    let given = std::fs::read_to_string(folder.join("cmdline"))?;
    let mut given = given.lines();
    let mut command = Command::new(given.next().context("the command line is empty")?);
    command
        .args(machine_of(given))
        .args(["-serial", "stdio", "-kernel"])
        .arg(guest.join("vmlinuz"))
        .arg("-initrd")
        .arg(guest.join("initrd"));
    command.args(["-append", CMDLINE]);
    for (name, size) in DISKS {
        let file = folder.join(format!("{name}.qcow2"));
        run::output(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&file).arg(size))?;
        command.arg("-drive").arg(format!("file={},format=qcow2,if=virtio,discard=unmap", file.display()));
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().context("cannot start QEMU")?;
    let mut process = Process(child);
    let console = process.0.stdout.take().context("the console is piped")?;
    let (began, mut said) = (Instant::now(), String::new());
    for line in BufReader::new(console).lines() {
        let line = line?;
        if line.starts_with("phase=windows") {
            return Ok(Figures::read(&said));
        }
        said.push_str(line.trim_end());
        said.push('\n');
        if began.elapsed() > PLAIN_LIMIT {
            break;
        }
    }
    bail!("the guest in plain QEMU did not measure: {said}")
}

/// The arguments that say what machine it is, without disks, networks and what only a cage has.
fn machine_of<'a>(given: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut out = Vec::new();
    let mut given = given.peekable();
    while let Some(name) = given.next() {
        let value = given.next_if(|value| !value.starts_with('-'));
        if ["-nodefaults", "-no-user-config", "-display", "-machine", "-accel", "-cpu", "-smp", "-m", "-rtc"].contains(&name) {
            out.extend([Some(name), value].into_iter().flatten().map(str::to_owned));
        }
    }
    out
}

/// Megabytes a second of storing and restoring a disk, beside `zstd` and `cp` of the same bytes.
fn stored(folder: &Path) -> Result<Figures> {
    let disk = folder.join("stored.raw");
    run::shown(Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(image::folder().join("pileus-linux/disk.qcow2")).arg(&disk))?;
    run::shown(&mut run::cargo(&["build", "--release", "--quiet", "--package", "pileus-repository", "--example", "repository"]))?;
    let program = up::binary()?.with_file_name("examples").join("repository");
    let figures = run::output(Command::new(program).arg("rates").arg(&disk))?;
    let (packed, copied) = (folder.join("stored.zst"), folder.join("copied.raw"));
    let cores = std::thread::available_parallelism()?.get();
    let timed = |command: String| -> Result<f64> {
        let began = Instant::now();
        run::shown(Command::new("sh").args(["-c", &format!("{command} && sync -f {}", packed.display())]))?;
        Ok(began.elapsed().as_secs_f64())
    };
    let store = timed(format!("zstd -q -f -3 -T{cores} {} -o {}", disk.display(), packed.display()))?;
    let restore = timed(format!("zstd -q -d -c {} | cp /dev/stdin {}", packed.display(), copied.display()))?;
    let size = std::fs::metadata(&disk)?.len() as f64 / 1e6;
    let mut text = figures.into_bytes();
    writeln!(text, "zstd_store={}\nzstd_restore={}", size / store, size / restore)?;
    Ok(Figures::read(&String::from_utf8(text)?))
}

fn rows(ours: &Figures, plain: &Figures, stored: &Figures) -> Result<Vec<Row>> {
    let row = |what: &str, ours: f64, peer: f64, peer_name: &str, promise: Option<Promise>| Row {
        what: what.to_owned(),
        ours,
        peer,
        peer_name: peer_name.to_owned(),
        promise,
    };
    let promised = |what: &str, name: &str, bound: f64| {
        Ok::<_, anyhow::Error>(row(what, ours.value(name)?, bound, "promised", Some(Promise::AtMost(1.0))))
    };
    let least = |bound| Some(Promise::AtLeast(bound));
    Ok(vec![
        promised("a disk of a snapshot of 1 GiB, p99 of 20, ms", "made_of_small_p99_ms", MADE_MS)?,
        promised("a disk of a snapshot of 1 TiB, p99 of 20, ms", "made_of_large_p99_ms", MADE_MS)?,
        promised("first read of a block, p99 in the guest, us", "cold_p99_us", COLD_US)?,
        promised("longest write while snapshot, 1 GiB, ms", "held_small_ms", HELD_MS)?,
        row("the same", ours.value("held_small_ms")?, ours.value("quiet_small_ms")?, "without snapshots", None),
        promised("longest write while snapshot, 1 TiB, ms", "held_large_ms", HELD_MS)?,
        row("the same", ours.value("held_large_ms")?, ours.value("quiet_large_ms")?, "without snapshots", None),
        row("bytes moved by a snapshot", ours.value("moved")?, ours.value("dirtied")?, "bytes written", Some(Promise::AtMost(MOVED))),
        row("pages read a second", ours.value("read_before")?, plain.value("read_before")?, "plain QEMU", least(TO_PLAIN)),
        row("pages written a second", ours.value("written_before")?, plain.value("written_before")?, "plain QEMU", least(TO_PLAIN)),
        row(
            "pages read a second after 100 snapshots",
            ours.value("read_after")?,
            ours.value("read_before")?,
            "before them",
            least(TO_FLAT),
        ),
        row("pages written a second after 100 snapshots", ours.value("written_after")?, ours.value("written_before")?, "before them", None),
        row("stored, MB/s", stored.value("store")?, stored.value("zstd_store")?, "zstd", least(TO_ZSTD)),
        row("restored, MB/s", stored.value("restore")?, stored.value("zstd_restore")?, "zstd and cp", least(TO_ZSTD)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_keeps_what_it_is_and_loses_what_it_has() {
        let given = ["-machine", "pc", "-nodefaults", "-blockdev", "{}", "-m", "512M", "-add-fd", "fd=3,set=1", "-smp", "cpus=1"];
        assert_eq!(machine_of(given.into_iter()), ["-machine", "pc", "-nodefaults", "-m", "512M", "-smp", "cpus=1"]);
    }

    #[test]
    fn what_was_printed_becomes_rows() {
        let names = ["made_of_small_p99_ms", "made_of_large_p99_ms", "cold_p99_us", "held_small_ms", "quiet_small_ms", "held_large_ms"];
        let more = ["quiet_large_ms", "moved", "dirtied", "read_before", "written_before", "read_after", "written_after"];
        let stored = ["store", "zstd_store", "restore", "zstd_restore"];
        let text: String = names.into_iter().chain(more).chain(stored).map(|name| format!("{name}=1\n")).collect();
        let figures = Figures::read(&text);
        let rows = rows(&figures, &figures, &figures).unwrap();
        assert!(rows.iter().all(Row::holds));
        assert!(super::rows(&figures, &Figures::read(""), &figures).is_err());
    }
}
