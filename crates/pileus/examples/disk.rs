//! Disks and snapshots of one running guest, measured through the calls of EC2; prints `name=value` lines.
//!
//! ```text
//! disk ENDPOINT STATE IMAGE CMDLINE SNAPSHOTS
//! ```
//!
//! The image is one whose guest does what `xtask/examples/guest_disk.rs` says. Its lines are printed too. `SNAPSHOTS` is how many the
//! large disk has in the end. QEMU's command line goes to the file `CMDLINE`, one argument a line. The guest is terminated at the end;
//! what it leaves goes with the cloud.

#[path = "client/caller.rs"]
mod caller;
mod client;

use std::path::Path;
use std::time::{Duration, Instant};

use caller::{Caller, element};
use client::Fallible;

/// Between two looks at the console.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two looks whether a call's work is done.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(300);
/// Windows of a second without a snapshot, and snapshots of each disk, one a second, whose windows are held against them.
const QUIET: usize = 20;
const WATCHED: usize = 20;
/// Disks made of one snapshot.
const MADE: usize = 20;
/// The disks of the guest: name, GiB, kind. The kinds are fast enough for what the guest does not to be held up.
const LARGE: (&str, u32, &str) = ("/dev/sdf", 1024, "VolumeType=io2&Iops=64000");
const SMALL: (&str, u32, &str) = ("/dev/sdg", 1, "VolumeType=gp3");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, state, image, cmdline, snapshots] = words.as_slice() else {
        return Err("disk ENDPOINT STATE IMAGE CMDLINE SNAPSHOTS".into());
    };
    let mut caller = Caller::connect(endpoint.trim_start_matches("http://")).await?;
    let mut guest = Guest::launch(&mut caller, image).await?;
    std::fs::write(cmdline, caller::command_line(&caller::pid_file(state, &guest.id))?)?;
    guest.until(&mut caller, "phase=windows").await?;

    guest.windows(&mut caller, QUIET).await?;
    let large = guest.watched(&mut caller, &guest.large.clone()).await?;
    let small = guest.watched(&mut caller, &guest.small.clone()).await?;
    for (name, index, windows) in
        [("quiet_large", 0, 0..QUIET), ("quiet_small", 1, 0..QUIET), ("held_large", 0, large.1), ("held_small", 1, small.1)]
    {
        println!("{name}_ms={:.3}", guest.longest(windows, index) / 1e3);
    }

    let of_large = guest.made_of(&mut caller, "large", &large.0).await?;
    guest.attach(&mut caller, &of_large, "/dev/sdh", "cold_p99_us=").await?;
    let of_small = guest.made_of(&mut caller, "small", &small.0).await?;
    for _ in WATCHED..snapshots.parse()? {
        let snapshot = snapshot(&mut caller, &guest.large).await?;
        completed(&mut caller, &snapshot).await?;
    }
    guest.attach(&mut caller, &of_small, "/dev/sdi", "written_after=").await?;

    let third = volume(&mut caller, &guest.zone, "Size=1").await?;
    let last = snapshot(&mut caller, &guest.small).await?;
    completed(&mut caller, &last).await?;
    let before = bytes_below(&Path::new(state).join("repository"))?;
    guest.attach(&mut caller, &third, "/dev/sdj", "phase=dirty").await?;
    let last = snapshot(&mut caller, &guest.small).await?;
    completed(&mut caller, &last).await?;
    println!("moved={}", bytes_below(&Path::new(state).join("repository"))?.saturating_sub(before));

    for line in guest.seen.iter().filter(|line| !line.starts_with("window")) {
        println!("{line}");
    }
    caller.call(&format!("TerminateInstances&InstanceId.1={}", guest.id)).await?;
    until(&mut caller, &format!("DescribeInstances&InstanceId.1={}", guest.id), "<name>terminated</name>").await
}

/// The guest, and what its console has said.
struct Guest {
    id: String,
    zone: String,
    large: String,
    small: String,
    seen: Vec<String>,
}

impl Guest {
    async fn launch(caller: &mut Caller, image: &str) -> Fallible<Guest> {
        let disk = |number: u32, (name, gib, kind): (&str, u32, &str)| {
            let mapping = format!("BlockDeviceMapping.{number}");
            let kind = kind.split('&').map(|word| format!("&{mapping}.Ebs.{word}")).collect::<String>();
            format!("&{mapping}.DeviceName={}&{mapping}.Ebs.VolumeSize={gib}{kind}", name.replace('/', "%2F"))
        };
        let disks = disk(1, LARGE) + &disk(2, SMALL);
        let made = caller.call(&format!("RunInstances&ImageId={image}&InstanceType=t3.nano&MinCount=1&MaxCount=1{disks}")).await?;
        let id = element(&made, "instanceId").ok_or("no instance in the reply")?.to_owned();
        let zone = element(&made, "availabilityZone").ok_or("no zone in the reply")?.to_owned();
        let instance = format!("DescribeInstances&InstanceId.1={id}");
        until(caller, &instance, "<name>running</name>").await?;
        let reply = caller.call(&instance).await?;
        let volume = |name: &str| {
            let after = reply.split_once(&format!("<deviceName>{name}<")).ok_or("a disk is missing")?.1;
            Ok::<_, Box<dyn std::error::Error>>(element(after, "volumeId").ok_or("a disk without volume")?.to_owned())
        };
        Ok(Guest { large: volume(LARGE.0)?, small: volume(SMALL.0)?, id, zone, seen: Vec::new() })
    }

    /// Reads the console's whole lines that are new. What it forgets is of the start.
    async fn look(&mut self, caller: &mut Caller) -> Fallible<()> {
        let text = caller.console(&self.id).await?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines: Vec<&str> = whole.lines().map(str::trim).filter(|line| line.contains('=')).collect();
        let known = self.seen.last().and_then(|last| {
            // Two windows may read the same, so the last lines are looked for together.
            let tail = self.seen.len().saturating_sub(3);
            let wanted: Vec<&str> = self.seen[tail..].iter().map(String::as_str).collect();
            lines
                .windows(wanted.len())
                .rposition(|some| some == wanted)
                .map(|at| at + wanted.len())
                .or_else(|| lines.iter().rposition(|line| line == last).map(|at| at + 1))
        });
        self.seen.extend(lines[known.unwrap_or(0)..].iter().map(|line| (*line).to_owned()));
        Ok(())
    }

    async fn until(&mut self, caller: &mut Caller, mark: &str) -> Fallible<()> {
        let began = Instant::now();
        while !self.seen.iter().any(|line| line.starts_with(mark)) {
            if began.elapsed() > LIMIT {
                return Err(format!("the guest does not say {mark}; it said {:?}", self.seen).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
            self.look(caller).await?;
        }
        Ok(())
    }

    fn counted(&self) -> impl Iterator<Item = [f64; 2]> {
        self.seen.iter().filter_map(|line| {
            let (large, small) = line.strip_prefix("window=")?.split_once(' ')?;
            Some([large.parse().ok()?, small.parse().ok()?])
        })
    }

    /// Waits for as many windows more, and gives how many there are.
    async fn windows(&mut self, caller: &mut Caller, more: usize) -> Fallible<usize> {
        let wanted = self.counted().count() + more;
        let began = Instant::now();
        while self.counted().count() < wanted {
            if began.elapsed() > LIMIT {
                return Err("the guest counts no windows".into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
            self.look(caller).await?;
        }
        Ok(self.counted().count())
    }

    /// Takes snapshots of a disk, one in each window; gives the last one and the windows.
    async fn watched(&mut self, caller: &mut Caller, disk: &str) -> Fallible<(String, std::ops::Range<usize>)> {
        let from = self.windows(caller, 1).await?;
        let mut taken = Vec::new();
        for _ in 0..WATCHED {
            taken.push(snapshot(caller, disk).await?);
            self.windows(caller, 1).await?;
        }
        for snapshot in &taken {
            completed(caller, snapshot).await?;
        }
        let to = self.windows(caller, 1).await?;
        Ok((taken.pop().ok_or("no snapshot was taken")?, from..to))
    }

    /// Microseconds of the longest write in these windows to the large disk (0) or the small one (1).
    fn longest(&self, windows: std::ops::Range<usize>, disk: usize) -> f64 {
        self.counted().skip(windows.start).take(windows.len()).map(|window| window[disk]).fold(0.0, f64::max)
    }

    /// Makes disks of a snapshot, prints how long they take, and gives the last one; each other is deleted before the next is made,
    /// so that a machine of less room holds them.
    async fn made_of(&self, caller: &mut Caller, name: &str, snapshot: &str) -> Fallible<String> {
        let mut times = Vec::new();
        let mut last = String::new();
        for _ in 0..MADE {
            if !last.is_empty() {
                delete(caller, &last).await?;
            }
            let began = Instant::now();
            last = volume(caller, &self.zone, &format!("SnapshotId={snapshot}")).await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        println!("made_of_{name}_p50_ms={:.3}\nmade_of_{name}_p99_ms={:.3}", times[MADE / 2], times[MADE * 99 / 100]);
        Ok(last)
    }

    async fn attach(&mut self, caller: &mut Caller, disk: &str, device: &str, mark: &str) -> Fallible<()> {
        let device = device.replace('/', "%2F");
        caller.call(&format!("AttachVolume&VolumeId={disk}&InstanceId={}&Device={device}", self.id)).await?;
        self.until(caller, mark).await
    }
}

async fn until(caller: &mut Caller, call: &str, mark: &str) -> Fallible<()> {
    let began = Instant::now();
    while !caller.call(call).await?.contains(mark) {
        if began.elapsed() > LIMIT {
            return Err(format!("{call} does not come to {mark}").into());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Ok(())
}

async fn snapshot(caller: &mut Caller, disk: &str) -> Fallible<String> {
    let made = caller.call(&format!("CreateSnapshot&VolumeId={disk}")).await?;
    Ok(element(&made, "snapshotId").ok_or("no snapshot in the reply")?.to_owned())
}

async fn completed(caller: &mut Caller, snapshot: &str) -> Fallible<()> {
    until(caller, &format!("DescribeSnapshots&SnapshotId.1={snapshot}"), "<status>completed</status>").await
}

/// Makes a volume and waits until it can be attached.
async fn volume(caller: &mut Caller, zone: &str, of: &str) -> Fallible<String> {
    let made = caller.call(&format!("CreateVolume&AvailabilityZone={zone}&{of}")).await?;
    let id = element(&made, "volumeId").ok_or("no volume in the reply")?.to_owned();
    until(caller, &format!("DescribeVolumes&VolumeId.1={id}"), "<status>available</status>").await?;
    Ok(id)
}

/// Deletes a volume and waits until it is gone.
async fn delete(caller: &mut Caller, volume: &str) -> Fallible<()> {
    caller.call(&format!("DeleteVolume&VolumeId={volume}")).await?;
    let began = Instant::now();
    loop {
        match caller.call(&format!("DescribeVolumes&VolumeId.1={volume}")).await {
            Err(gone) if gone.to_string().contains("InvalidVolume.NotFound") => return Ok(()),
            Err(other) => return Err(other),
            Ok(_) if began.elapsed() > LIMIT => return Err(format!("{volume} does not go").into()),
            Ok(_) => tokio::time::sleep(ASK_EVERY).await,
        }
    }
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> Fallible<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        bytes += if facts.is_dir() { bytes_below(&entry.path())? } else { facts.len() };
    }
    Ok(bytes)
}
