//! The cage from inside: a single-threaded program that ends as QEMU, or in words why not.
//!
//! Every step that can fail is a `Result` with the step's name; the first failure is written to the agent and ends the process.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{ForkResult, Gid, Uid, chown, fork, pivot_root, setgroups, setresgid, setresuid, setsid};

use super::{Answer, IDENTITY, Inmate, MARK, MAX_DESCRIPTORS, Order, Place};
use crate::qemu::args::FIRST_DESCRIPTOR;
use crate::qemu::process::Identity;

/// Longest order: arguments of a machine with hundreds of disks.
const ORDER_BYTES: usize = 4 << 20;

/// Open files that QEMU may have: descriptors handed over, and a few per disk for its own threads.
const OPEN_FILES: u64 = 4096;

/// Bytes of the private root's own memory: directories and device files.
const ROOT_SIZE: &str = "mode=0755,size=256k,nr_inodes=256";

/// Runs the cage and does not return. `place` is the subcommand's one argument; the order comes over standard input.
pub fn main(place: &str) -> ! {
    let line = match take_line() {
        Ok(line) => line,
        Err(e) => {
            eprintln!("cage: standard input: {e}");
            std::process::exit(1)
        }
    };
    if let Err(why) = run(place, &line) {
        say(&line, &Answer::Failed(why));
        std::process::exit(1);
    }
    std::process::exit(0)
}

/// Takes the line to the agent off standard input, which the program gets empty, and closes whatever else was left open to us.
fn take_line() -> io::Result<UnixStream> {
    #[expect(unsafe_code, reason = "no crate in use wraps close_range")]
    // SAFETY: this is the first thing that the process does with descriptors; nothing owns one above the standard streams yet.
    unsafe {
        libc::close_range(3, libc::c_uint::MAX, 0)
    };
    let line = UnixStream::from(nix::unistd::dup(io::stdin())?);
    nix::unistd::dup2_stdin(fs::File::open("/dev/null")?)?;
    Ok(line)
}

type Step<T> = Result<T, String>;

fn step<T, E: std::fmt::Display>(name: &str, result: Result<T, E>) -> Step<T> {
    result.map_err(|e| format!("{name}: {e}"))
}

fn run(place: &str, line: &UnixStream) -> Step<()> {
    step("descriptors", fcntl(line, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)))?;
    let place: Place = step("the place", serde_json::from_str(place))?;
    for group in &place.groups {
        step("control group", fs::write(group, "0"))?;
    }
    use CloneFlags as F;
    let spaces = F::CLONE_NEWNS | F::CLONE_NEWNET | F::CLONE_NEWIPC | F::CLONE_NEWUTS | F::CLONE_NEWPID;
    step("namespaces", unshare(spaces))?;
    let root = step("private root", build_root(&place))?;
    let Some((order, descriptors)) = step("order", receive(line))? else { return Ok(()) };
    // Held until the program runs, so that an agent that comes meanwhile waits for what becomes of this. Never let go of by hand: the
    // child has it too, and loses it where it becomes the program, or where it ends.
    std::mem::forget(step("turn", super::take_turn(&place.folder))?);
    if step("line", is_closed(line))? {
        // Whoever ordered is gone, and the next agent may have ordered anew before this had its turn.
        return Ok(());
    }
    let (given, mounted) = split(descriptors, &order)?;
    step("mounted files", show_files(&root, &order, &mounted))?;
    step("devices", make_devices(&root, &order))?;
    drop(mounted);
    launch(&place, &root, &order, given, line)
}

/// Forks the program; the child waits until its identity is on disk, so that no QEMU runs that a new agent would not find.
fn launch(place: &Place, root: &Path, order: &Order, given: Vec<OwnedFd>, line: &UnixStream) -> Step<()> {
    let (gate_out, gate_in) = step("gate", UnixStream::pair())?;
    #[expect(unsafe_code, reason = "fork has no safe form")]
    // SAFETY: this process has one thread, so the child may go on with any code.
    match step("fork", unsafe { fork() })? {
        ForkResult::Child => {
            drop(gate_in);
            let mut go = [0];
            if (&gate_out).read_exact(&mut go).is_err() {
                std::process::exit(1);
            }
            let Err(why) = become_program(place, root, order, given);
            say(line, &Answer::Failed(why));
            std::process::exit(1)
        }
        ForkResult::Parent { child } => {
            let identity = step("identity", Identity::of(child.as_raw()))?;
            let inmate = Inmate { identity, boot: order.boot, started_at_ms: crate::clock::now_ms() };
            step("identity", crate::files::store(&place.folder.join(IDENTITY), &inmate))?;
            step("gate", (&gate_in).write_all(&[1]))?;
            say(line, &Answer::Running(inmate));
            Ok(())
        }
    }
}

/// Gives up everything and executes the program; returns only when that fails.
fn become_program(place: &Place, root: &Path, order: &Order, given: Vec<OwnedFd>) -> Step<std::convert::Infallible> {
    step("session", setsid())?;
    step("pivot", enter(root))?;
    nix::sys::stat::umask(Mode::from_bits_truncate(0o077));
    for (resource, limit) in [(Resource::RLIMIT_CORE, 0), (Resource::RLIMIT_NOFILE, OPEN_FILES)] {
        step("limits", setrlimit(resource, limit, limit))?;
    }
    let (uid, gid) = (Uid::from_raw(order.uid), Gid::from_raw(order.uid));
    step("bounding set", drop_bounding_set())?;
    step("groups", setgroups(&[]))?;
    step("group", setresgid(gid, gid, gid))?;
    step("user", setresuid(uid, uid, uid))?;
    step("no new privileges", nix::sys::prctl::set_no_new_privs())?;
    step("descriptors", hand_over(given))?;
    let text = |bytes: &[u8]| step("arguments", CString::new(bytes));
    let program = text(order.program.as_os_str().as_bytes())?;
    let mut arguments = vec![program.clone()];
    for argument in &order.arguments {
        arguments.push(text(argument.as_bytes())?);
    }
    let environment = [text(format!("{MARK}={}", place.mark).as_bytes())?, text(b"HOME=/")?, text(b"LANG=C")?];
    step("exec", nix::unistd::execve(&program, &arguments, &environment))
}

fn build_root(place: &Place) -> io::Result<PathBuf> {
    let nothing = None::<&str>;
    // Nothing that is mounted from here on may be seen outside.
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
    let root = place.folder.join("root");
    DirBuilder::new().recursive(true).mode(0o755).create(&root)?;
    mount(Some("root"), &root, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, Some(ROOT_SIZE))?;
    for visible in &place.visible {
        show(&root, &visible.source, &visible.target)?;
    }
    Ok(root)
}

/// Makes a file or folder of the host visible, read-only. A link is made anew, what is absent is left out.
fn show(root: &Path, source: &Path, target: &Path) -> io::Result<()> {
    let Ok(about) = fs::symlink_metadata(source) else { return Ok(()) };
    let place = inside(root, target);
    make_folder(place.parent().unwrap_or(root))?;
    if about.is_symlink() && target == source && fs::metadata(source)?.is_dir() {
        return std::os::unix::fs::symlink(fs::read_link(source)?, place);
    }
    if fs::metadata(source)?.is_dir() {
        make_folder(&place)?
    } else {
        drop(fs::File::create(&place)?)
    }
    bind(source, &place)
}

fn bind(source: &Path, place: &Path) -> io::Result<()> {
    let nothing = None::<&str>;
    mount(Some(source), place, nothing, MsFlags::MS_BIND, nothing)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(nothing, place, nothing, flags, nothing)?)
}

/// Mounts descriptors at their places: what was checked is what is seen, whatever happens to the path.
fn show_files(root: &Path, order: &Order, files: &[OwnedFd]) -> io::Result<()> {
    for (file, target) in files.iter().zip(&order.mounted) {
        let place = inside(root, target);
        make_folder(place.parent().unwrap_or(root))?;
        fs::File::create(&place)?;
        attach(file, &place)?;
    }
    Ok(())
}

/// Attaches a mount that [`super::detached`] made.
#[expect(unsafe_code, reason = "nix has no move_mount")]
fn attach(mount: &OwnedFd, place: &Path) -> io::Result<()> {
    let place = CString::new(place.as_os_str().as_encoded_bytes())?;
    // SAFETY: the descriptor is open and both texts end in NUL and live through the call, which keeps neither.
    let done = unsafe {
        libc::syscall(libc::SYS_move_mount, mount.as_raw_fd(), c"".as_ptr(), libc::AT_FDCWD, place.as_ptr(), libc::MOVE_MOUNT_F_EMPTY_PATH)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn make_devices(root: &Path, order: &Order) -> io::Result<()> {
    let folder = root.join("dev");
    make_folder(&folder)?;
    let mut devices = vec![("null", 1, 3), ("zero", 1, 5), ("urandom", 1, 9)];
    if order.kvm {
        devices.push(("kvm", 10, 232));
    }
    for (name, major, minor) in devices {
        let path = folder.join(name);
        mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(major, minor))?;
        chown(&path, Some(Uid::from_raw(order.uid)), Some(Gid::from_raw(order.uid)))?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Makes the private root the only one: the old one is stacked under it and then taken away.
fn enter(root: &Path) -> io::Result<()> {
    let nothing = None::<&str>;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(nothing, root, nothing, flags, nothing)?;
    std::env::set_current_dir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    std::env::set_current_dir("/")
}

#[expect(unsafe_code, reason = "no crate in use wraps PR_CAPBSET_DROP")]
fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        // SAFETY: prctl takes integers here and touches no memory of ours.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
            let error = io::Error::last_os_error();
            // Beyond the last capability that this kernel knows.
            return if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) };
        }
    }
    Ok(())
}

/// Receives an order with its descriptors; none when the agent changed its mind.
fn receive(mut line: &UnixStream) -> io::Result<Option<(Order, Vec<OwnedFd>)>> {
    let mut length = [0; 4];
    let mut buffer = nix::cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let (bytes, descriptors) = {
        let mut parts = [IoSliceMut::new(&mut length)];
        let message = recvmsg::<()>(line.as_raw_fd(), &mut parts, Some(&mut buffer), MsgFlags::MSG_CMSG_CLOEXEC)?;
        let mut descriptors = Vec::new();
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = part {
                descriptors.extend(raw.into_iter().map(owned));
            }
        }
        (message.bytes, descriptors)
    };
    if bytes == 0 {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if bytes != 4 || length > ORDER_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an order of this length makes no sense"));
    }
    let mut text = vec![0; length];
    line.read_exact(&mut text)?;
    Ok(Some((serde_json::from_slice(&text)?, descriptors)))
}

/// Whether nobody is at the other end any more.
fn is_closed(line: &UnixStream) -> io::Result<bool> {
    let mut polled = [PollFd::new(line.as_fd(), PollFlags::empty())];
    poll(&mut polled, PollTimeout::ZERO)?;
    Ok(polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)))
}

#[expect(unsafe_code, reason = "descriptors arrive as numbers")]
fn owned(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just put this descriptor into our table with recvmsg, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

fn split(mut descriptors: Vec<OwnedFd>, order: &Order) -> Step<(Vec<OwnedFd>, Vec<OwnedFd>)> {
    if descriptors.len() != order.descriptors + order.mounted.len() {
        return Err(format!("{} descriptors came, {} were announced", descriptors.len(), order.descriptors + order.mounted.len()));
    }
    let mounted = descriptors.split_off(order.descriptors);
    Ok((descriptors, mounted))
}

/// Puts the descriptors at their numbers, open across exec. They are first moved above all of them, so that none is overwritten.
fn hand_over(given: Vec<OwnedFd>) -> io::Result<()> {
    let above = (FIRST_DESCRIPTOR + MAX_DESCRIPTORS) as RawFd;
    let mut moved = Vec::new();
    for descriptor in given {
        moved.push(owned(fcntl(&descriptor, FcntlArg::F_DUPFD_CLOEXEC(above))?));
    }
    for (at, descriptor) in moved.iter().enumerate() {
        put(descriptor, (FIRST_DESCRIPTOR + at) as RawFd)?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "a descriptor is put at a number that nobody owns")]
fn put(descriptor: &OwnedFd, number: RawFd) -> io::Result<()> {
    // SAFETY: nothing in this process uses the numbers from FIRST_DESCRIPTOR on by the time this runs, except the line to the agent,
    // which was opened when few were in use and lies below; what dup2 makes is meant to stay open for the next program.
    let made = unsafe { nix::unistd::dup2_raw(descriptor, number) }?;
    let _ = made.into_raw_fd();
    Ok(())
}

fn say(mut line: &UnixStream, answer: &Answer) {
    let mut text = serde_json::to_string(answer).unwrap_or_default();
    text.push('\n');
    // The agent may be gone; then nobody listens, and what was started is found by its identity.
    drop(line.write_all(text.as_bytes()));
}
