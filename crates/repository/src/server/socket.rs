//! The place of the socket: taken by one process at a time, left without a trace.
//!
//! ```text
//!   SOCKET.lock   flock held by the server; names nothing when nobody serves
//!   SOCKET.new    the socket until it has its permissions; then renamed over SOCKET, so nobody sees it half made
//! ```

use super::ServerError;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};

/// How long a process that already has the socket is given to answer.
const PROBE: Duration = Duration::from_secs(1);

/// A socket's name, held against other servers.
pub(super) struct SocketPlace {
    socket: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

/// Says whether a process listens on the socket.
pub fn is_serving(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

impl SocketPlace {
    /// Takes the place. AlreadyServed if another process has it, NotASocket if a file does.
    pub(super) async fn take(socket: &Path) -> Result<SocketPlace, ServerError> {
        let lock_path = beside(socket, ".lock");
        let lock = lock(socket, &lock_path)?;
        let place = SocketPlace { socket: socket.to_owned(), lock_path, _lock: lock };
        match fs::symlink_metadata(socket) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(place),
            Err(error) => Err(place.failed(error)),
            Ok(metadata) if !metadata.file_type().is_socket() => Err(ServerError::NotASocket { socket: socket.to_owned() }),
            Ok(_) if answers(socket).await => Err(ServerError::AlreadyServed { socket: socket.to_owned() }),
            Ok(_) => Ok(place),
        }
    }

    /// Starts to listen; a dead socket of that name is replaced.
    pub(super) fn listen(&self, mode: u32) -> Result<UnixListener, ServerError> {
        let new = beside(&self.socket, ".new");
        let bind = || -> io::Result<UnixListener> {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let listener = UnixListener::bind(&new)?;
            fs::set_permissions(&new, Permissions::from_mode(mode))?;
            fs::rename(&new, &self.socket)?;
            Ok(listener)
        };
        bind().map_err(|error| self.failed(error))
    }

    /// Removes the socket, then gives up the place.
    pub(super) fn leave(self) -> Result<(), ServerError> {
        match fs::remove_file(&self.socket) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn failed(&self, error: io::Error) -> ServerError {
        ServerError::io(self.socket.display().to_string())(error)
    }
}

impl Drop for SocketPlace {
    fn drop(&mut self) {
        // While the lock is still held: who has it open and waits finds that the name is gone, and makes a new one.
        let _ = fs::remove_file(&self.lock_path);
    }
}

async fn answers(socket: &Path) -> bool {
    match tokio::time::timeout(PROBE, UnixStream::connect(socket)).await {
        Ok(Err(error)) => error.kind() != ErrorKind::ConnectionRefused && error.kind() != ErrorKind::NotFound,
        // It listens, or its queue is full, which only happens to a socket that somebody has.
        Ok(Ok(_)) | Err(_) => true,
    }
}

/// Takes the lock file, and makes sure that its name still leads to it: a server that leaves removes its own.
fn lock(socket: &Path, path: &Path) -> Result<File, ServerError> {
    let attempt = || -> io::Result<Option<File>> {
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if fs::metadata(path).is_ok_and(|named| file.metadata().is_ok_and(|held| named.ino() == held.ino())) {
                return Ok(Some(file));
            }
        }
    };
    match attempt() {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(ServerError::AlreadyServed { socket: socket.to_owned() }),
        Err(error) => Err(ServerError::io(path.display().to_string())(error)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
