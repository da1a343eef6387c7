//! Small files that must be whole after a crash, and what tells one run of the machine from another.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Replaces a file by a JSON document and waits until the disk has it: after a power cut the old or the new one is there.
pub fn store_durably<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let temporary = write_beside(path, value)?;
    File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder_of(path))?.sync_all()
}

/// Replaces a file by a JSON document: after a crash of the process, not of the machine, the old or the new one is there.
pub fn store<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    fs::rename(write_beside(path, value)?, path)
}

/// Reads a JSON document; none when there is no such file.
pub fn load<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Deletes a file; one that is not there is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

/// Deletes a folder with everything in it; one that is not there is no error.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_dir_all(path))
}

/// Connects to a unix socket, wherever it is. Does not wait: the socket is there or not, its queue has room or not.
pub fn connect(socket: &Path) -> io::Result<UnixStream> {
    let (_folder, short) = short_path(socket)?;
    UnixStream::connect(short)
}

/// Listens for QEMU on a new unix socket, wherever it is. It does not block: for a moment two threads of a QEMU that is started before its
/// disks are known wait for its monitor's client, and the one that comes second would stand in `accept` for ever.
pub fn listen(socket: &Path) -> io::Result<UnixListener> {
    let (_folder, short) = short_path(socket)?;
    let listener = UnixListener::bind(short)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The path of a socket may have 107 bytes; by way of its folder's descriptor it is short wherever the state folder is.
fn short_path(socket: &Path) -> io::Result<(File, PathBuf)> {
    let folder = File::open(folder_of(socket))?;
    let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((folder, short))
}

/// What the kernel calls this run of the machine: pids and tmpfs files of another run mean nothing.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|t| t.trim().to_owned()).unwrap_or_default()
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn write_beside<T: Serialize>(path: &Path, value: &T) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    File::create(&temporary)?.write_all(&serde_json::to_vec(value)?)?;
    Ok(temporary)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
