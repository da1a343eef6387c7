//! The cage: how a QEMU is started so that a guest that breaks out of it finds nothing.
//!
//! ```text
//!   agent ──spawn──▶ cage: control groups, namespaces, private root     (while disks and network are made)
//!         ──order + descriptors──▶ fork ─▶ child waits
//!         ◀── identity ── writes pid.json, lets the child go, ends
//!                                           child: pivot, limits, no privileges, exec QEMU
//!         ◀── end of stream = QEMU runs, or words why not
//! ```
//!
//! Inside: an own uid without a name, no capabilities, no way to gain any, own mount, pid, network (empty), IPC and UTS namespaces,
//! a read-only root that holds QEMU, its libraries and firmware, and descriptors instead of paths. QEMU adds its seccomp filter.
//! Nothing in the cage belongs to the agent's process tree or session, so the agent may be killed at any moment: before `pid.json`
//! is written the child dies with the cage, after that it is found by it. Between its order and its program a cage holds a lock that
//! the next agent waits for, and one whose agent is gone when it gets the lock gives up, so that no two cages of a machine run.
//!
//! This file is the agent's side and the words that both sides share; [`inside`] is the other side.

mod inside;

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hostspec::FaultKind;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::{Deserialize, Serialize};

use crate::qemu::process::Identity;
use crate::trouble::Trouble;

pub use inside::main;

/// The subcommand under which a program must call [`main`].
pub const SUBCOMMAND: &str = "cage";

/// Name of the file in a machine's folder that says which process is its QEMU.
pub const IDENTITY: &str = "pid.json";

/// Name of the file in a machine's folder that a cage locks from its order until its program runs.
const TURN: &str = "cage.lock";

/// Environment variable of a caged process: the cloud and the instance that it belongs to.
pub const MARK: &str = "PILEUS_CAGE";

/// Most descriptors that can be handed over: the kernel's `SCM_MAX_FD`.
pub const MAX_DESCRIPTORS: usize = 253;

/// Longest wait for a cage to do its part; it takes milliseconds, and seconds on a machine that swaps.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a cage stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    /// Cloud and instance, for those who look at the process table.
    pub mark: String,
    /// Folder of the machine; gets `pid.json`, and its `root` is where the private root is mounted.
    pub folder: PathBuf,
    /// Files and folders of the host that are visible, read-only.
    pub visible: Vec<Visible>,
    /// `cgroup.procs` files to enter.
    pub groups: Vec<PathBuf>,
}

/// One file or folder of the host in the private root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Visible {
    /// Where it is on the host; one that is absent is left out.
    pub source: PathBuf,
    /// Where it is in the private root.
    pub target: PathBuf,
}

/// What is to run in a cage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The program, as a path inside.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// User and group number.
    pub uid: u32,
    /// The restart count under which the machine is started.
    pub boot: u64,
    /// Number of descriptors that the program gets, from [`crate::qemu::args::FIRST_DESCRIPTOR`] on.
    pub descriptors: usize,
    /// Places inside for the descriptors after those, which are mounted and not handed over.
    pub mounted: Vec<PathBuf>,
    /// Whether the program gets a device file for KVM.
    pub kvm: bool,
}

/// What `pid.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inmate {
    /// The process.
    pub identity: Identity,
    /// The restart count under which it was started.
    pub boot: u64,
    /// When, in milliseconds since the epoch.
    pub started_at_ms: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Running(Inmate),
    Failed(String),
}

/// A cage in which nothing runs yet. Dropping it leaves nothing.
#[derive(Debug)]
pub struct Cage {
    child: Child,
    line: UnixStream,
}

impl Cage {
    /// Starts building a cage; blocks only for the spawn. `log` gets what the program writes to its standard error.
    pub fn prepare(program: &Path, place: &Place, log: File) -> Result<Cage, Trouble> {
        let doing = |e: io::Error| Trouble::io("starting a cage", &e);
        let (line, theirs) = UnixStream::pair().map_err(doing)?;
        line.set_read_timeout(Some(PATIENCE)).and_then(|()| line.set_write_timeout(Some(PATIENCE))).map_err(doing)?;
        let place = serde_json::to_string(place).map_err(|e| doing(e.into()))?;
        let mut command = Command::new(program);
        command.arg(SUBCOMMAND).arg(place).stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(doing)?;
        Ok(Cage { child, line })
    }

    /// Runs a program in the cage and waits until it does: `descriptors` are handed over in order, then those to be mounted. Blocks.
    pub fn run(mut self, order: &Order, descriptors: &[OwnedFd]) -> Result<Inmate, Trouble> {
        let failed = |why: String| Trouble::new(FaultKind::StartFailed, why);
        send_order(&mut self.line, order, descriptors).map_err(|e| failed(format!("the cage took no order: {e}")))?;
        let mut text = String::new();
        self.line.read_to_string(&mut text).map_err(|e| failed(format!("the cage gave no answer: {e}")))?;
        let answers = text.lines().map(serde_json::from_str::<Answer>).collect::<Result<Vec<_>, _>>();
        let answers = answers.map_err(|e| failed(format!("the cage's answer: {e}")))?;
        let mut inmate = None;
        for answer in answers {
            match answer {
                Answer::Running(running) => inmate = Some(running),
                Answer::Failed(why) => return Err(failed(why)),
            }
        }
        inmate.ok_or_else(|| failed("the cage ended without a word".to_owned()))
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // The cage itself has nothing left to do: it has ended, or waits for an order that will not come.
        drop(self.line.shutdown(std::net::Shutdown::Both));
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads what runs in the cage of a machine; none when nothing ever did. An earlier agent may have ended with a cage under way, which
/// is waited for: it takes milliseconds. Blocks.
pub fn inmate(folder: &Path) -> io::Result<Option<Inmate>> {
    if folder.is_dir() {
        drop(take_turn(folder)?);
    }
    crate::files::load(&folder.join(IDENTITY))
}

/// Waits until no cage of the machine is between its order and its program, and keeps others from it until the lock is dropped.
fn take_turn(folder: &Path) -> io::Result<Flock<File>> {
    let file = File::options().create(true).append(true).mode(0o600).open(folder.join(TURN))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error.into())
}

/// Makes a mount of one file that belongs to no namespace yet, for [`Order::mounted`]: a descriptor of the file itself could not be
/// mounted in the cage, whose mounts are others (`open_tree(2)`).
#[expect(unsafe_code, reason = "nix has no open_tree")]
pub fn detached(file: &File) -> io::Result<OwnedFd> {
    use nix::libc;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as libc::c_uint;
    // SAFETY: the descriptor is open and the empty path ends in NUL; the call keeps neither.
    let mount = unsafe { libc::syscall(libc::SYS_open_tree, file.as_raw_fd(), c"".as_ptr(), flags) };
    if mount < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(mount as i32) })
}

/// What a QEMU needs of its host: itself, its libraries, modules and firmware.
pub fn visible_to(qemu: &Path) -> Vec<Visible> {
    const SYSTEM: [&str; 8] = [
        "/usr/lib",
        "/usr/lib64",
        "/lib",
        "/lib64",
        "/etc/ld.so.cache",
        "/usr/share/qemu",
        "/usr/share/seabios",
        "/usr/share/qemu-firmware",
    ];
    let paths = SYSTEM.iter().map(Path::new).chain([qemu]);
    paths.map(|p| Visible { source: p.to_owned(), target: p.to_owned() }).collect()
}

fn send_order(line: &mut UnixStream, order: &Order, descriptors: &[OwnedFd]) -> io::Result<()> {
    let text = serde_json::to_vec(order)?;
    let raw: Vec<i32> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let messages = if raw.is_empty() { &rights[..0] } else { &rights[..] };
    // The length travels with the descriptors, alone: ancillary data sticks to the bytes that it was sent with.
    let length = (text.len() as u32).to_be_bytes();
    sendmsg::<()>(line.as_raw_fd(), &[IoSlice::new(&length)], messages, MsgFlags::MSG_NOSIGNAL, None)?;
    line.write_all(&text)
}
