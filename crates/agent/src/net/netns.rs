//! Network namespaces: made, named, entered, found again and removed.
//!
//! A name is a bind mount under `/run/netns`, as iproute2 keeps them, so `ip netns` shows what is ours. Mounts belong to a
//! mount namespace: when pileus itself was started by `ip netns exec` or in a private one, its names would be gone with it
//! while guests go on. So names are made in the mount namespace of process 1 where that can be entered, and a namespace that
//! has lost its name is found again by the tap that a guest's QEMU still holds (`SIOCGSKNS` on the descriptor).
//!
//! Threads enter namespaces, and each that does ends afterwards: no thread of a pool is ever left in a foreign one.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

/// Where names are kept.
const NAMES: &str = "/run/netns";
/// `NSFS_MAGIC`: the file system of namespace files; a plain file under a name is left from an interrupted making.
const NSFS_MAGIC: i64 = 0x6e73_6673;
/// `SIOCGSKNS` (linux/sockios.h): the network namespace of a socket, also of a tap's descriptor.
const SIOCGSKNS: nix::libc::Ioctl = 0x894c;

/// Runs something on a thread of its own inside a network namespace.
pub fn inside<T: Send>(namespace: BorrowedFd<'_>, run: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    apart(|| {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        run()
    })
}

/// Runs something on a thread of its own.
fn apart<T: Send>(run: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, run)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread inside a namespace panicked")))
    })
}

/// Runs something on a thread of its own where the names are: in process 1's mount namespace when that is another one and
/// can be entered, else in our own.
fn among_names<T: Send>(run: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let outer = File::open("/proc/1/ns/mnt").ok().filter(|outer| !same_file(outer, Path::new("/proc/self/ns/mnt")));
    apart(move || {
        if let Some(outer) = outer {
            // A thread may change its mount namespace only when it shares its root and working directory with no other.
            unshare(CloneFlags::CLONE_FS)?;
            setns(outer.as_fd(), CloneFlags::CLONE_NEWNS)?;
        }
        run()
    })
}

fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// The network namespace of the calling thread.
pub fn current() -> io::Result<OwnedFd> {
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Opens the namespace of a name; none when there is no such name or nothing behind it.
pub fn open(name: &str) -> io::Result<Option<OwnedFd>> {
    let path = path(name);
    among_names(move || match File::open(&path) {
        Ok(file) if is_namespace(&file)? => Ok(Some(file.into())),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    })
}

/// Makes a namespace with this name. What an interrupted making left is used.
pub fn make(name: &str) -> io::Result<OwnedFd> {
    let path = path(name);
    among_names(move || {
        prepare_names()?;
        unshare(CloneFlags::CLONE_NEWNET)?;
        let made = current()?;
        bind(made.as_fd(), &path)?;
        Ok(made)
    })
}

/// Gives a namespace its name again.
pub fn name_again(namespace: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let path = path(name);
    among_names(move || {
        prepare_names()?;
        bind(namespace, &path)
    })
}

fn bind(namespace: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    File::options().create(true).truncate(false).write(true).open(path)?;
    let source = format!("/proc/self/fd/{}", namespace.as_raw_fd());
    Ok(mount(Some(source.as_str()), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// Makes `/run/netns` what iproute2 makes of it: a shared mount point, so that names also appear in mount namespaces that
/// follow this one.
fn prepare_names() -> io::Result<()> {
    fs::create_dir_all(NAMES)?;
    // Two that find it unprepared at the same time would cover each other's names; iproute2 takes the same lock.
    let folder = File::open(NAMES)?;
    folder.lock()?;
    let share = || mount(None::<&str>, NAMES, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    if share().is_err() {
        mount(Some(NAMES), NAMES, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
        share()?;
    }
    Ok(())
}

/// Removes a name. The namespace ends with the last link, socket or process that is in it.
pub fn remove(name: &str) -> io::Result<()> {
    let path = path(name);
    among_names(move || {
        while umount2(&path, nix::mount::MntFlags::MNT_DETACH).is_ok() {}
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    })
}

/// The names that start with a prefix, in order.
pub fn list(prefix: &str) -> io::Result<Vec<String>> {
    among_names(|| {
        let entries = match fs::read_dir(NAMES) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(|name| name.starts_with(prefix)).collect();
        names.sort();
        Ok(names)
    })
}

/// Whether a name still stands for this namespace.
pub fn is_named(namespace: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    let Some(named) = open(name)? else { return Ok(false) };
    let (a, b) = (nix::sys::stat::fstat(namespace)?, nix::sys::stat::fstat(&named)?);
    Ok((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}

/// Finds namespaces by the taps that processes hold open in them, for names that `wanted` accepts. Another cloud's tap may
/// have the same name. Processes that end meanwhile, or that may not be looked into, are passed over.
pub fn of_open_taps(wanted: impl Fn(&str) -> bool) -> Vec<(String, OwnedFd)> {
    let mut found = Vec::new();
    let Ok(processes) = fs::read_dir("/proc") else { return found };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            let is_tun = fs::read_link(descriptor.path()).is_ok_and(|target| target == Path::new("/dev/net/tun"));
            let Some(fd) = descriptor.file_name().to_str().and_then(|name| name.parse::<i32>().ok()).filter(|_| is_tun) else {
                continue;
            };
            let about = fs::read_to_string(process.path().join("fdinfo").join(fd.to_string())).unwrap_or_default();
            let Some(name) = about.lines().find_map(|line| line.strip_prefix("iff:")).map(str::trim) else { continue };
            if wanted(name)
                && let Ok(namespace) = namespace_of_tap(pid, fd)
            {
                found.push((name.to_owned(), namespace));
            }
        }
    }
    found
}

#[expect(unsafe_code, reason = "the pidfd calls and SIOCGSKNS have no safe wrapper in nix")]
fn namespace_of_tap(pid: i32, fd: i32) -> io::Result<OwnedFd> {
    let own = |raw: i64| -> io::Result<OwnedFd> {
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(raw as i32) })
    };
    // SAFETY: plain integers in, a new descriptor or -1 out.
    let process = own(unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: `process` is open; plain integers in, a new descriptor or -1 out.
    let tap = own(unsafe { nix::libc::syscall(nix::libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0) })?;
    // SAFETY: `tap` is open and SIOCGSKNS takes no argument.
    own(i64::from(unsafe { nix::libc::ioctl(tap.as_raw_fd(), SIOCGSKNS) }))
}

/// Writes settings under `/proc/sys` for the namespace of the calling thread. Those that this kernel does not have are
/// passed over: a kernel without IPv6 has none of IPv6's.
pub fn sysctl(settings: &[(&str, &str)]) -> io::Result<()> {
    for (path, value) in settings {
        match fs::write(PathBuf::from("/proc/sys").join(path), value) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(io::Error::new(e.kind(), format!("cannot set {path} to {value}: {e}")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn path(name: &str) -> PathBuf {
    Path::new(NAMES).join(name)
}

fn is_namespace(file: &File) -> io::Result<bool> {
    Ok(nix::sys::statfs::fstatfs(file)?.filesystem_type().0 == NSFS_MAGIC)
}
