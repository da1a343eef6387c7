//! Images as machines read them: a server process that hands out blocks, and the facts and files that a start needs.
//!
//! ```text
//!   QEMU ── NBD, unix socket, export = manifest digest ──▶ image server ──▶ repository
//! ```
//!
//! The server is our own program in a process of its own (`image-server`), because it must outlive the agent: a guest that waits
//! for a block cannot wait for an upgrade. The agent starts it, adopts it after its own restart, and starts it again when it dies;
//! QEMU reconnects by itself. Every byte is checked against the manifest by the server, kernels and RAM disks before they are used.
//! This module knows no machine and no volume.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hostspec::{FaultKind, ImageSpec};
use nix::errno::Errno;
use nix::sys::socket::sockopt::PeerCredentials;
use repository::{Digest, Layers, Live, LiveError, Repository, RepositoryError, Settings, Source, Stored, Under};

use super::disk_key::Opened;
use crate::qemu::args::IMAGE_SOCKET;
use crate::qemu::process::{Identity, Process};
use crate::trouble::Trouble;

/// The subcommand under which the program serves images.
pub const SUBCOMMAND: &str = "image-server";

/// Longest wait for a server that was started to take connections.
const SERVER_START: Duration = Duration::from_secs(10);
const SERVER_START_POLL: Duration = Duration::from_millis(5);

/// Longest wait for a killed server to end.
const SERVER_END: Duration = Duration::from_secs(5);

/// Bytes of the server's log at which it is begun again.
const LOG_BYTES: u64 = 1 << 20;

/// The images of this host.
#[derive(Debug, Clone)]
pub struct Images {
    repository: Repository,
    /// Images of a cache that are here whole, or on their way.
    completed: Arc<Mutex<HashSet<Digest>>>,
}

/// A disk that is to be stored.
#[derive(Debug, Clone, Copy)]
pub struct StoredDisk<'a> {
    /// Its layers that nobody writes, the oldest first.
    pub files: &'a [File],
    /// Who shows it, where its newest layer is written on.
    pub live: Option<Live<'a>>,
    /// Its keys.
    pub keys: &'a Opened,
    /// Digest of the manifest below its layers.
    pub under: Option<&'a str>,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// Where the images of a host come from that has no repository of its own.
#[derive(Debug, Clone)]
pub struct ImageSource {
    /// Reads objects.
    pub source: Source,
    /// What tells the image server, on its command line, to read from there too.
    pub arguments: Vec<OsString>,
}

/// What a machine's start needs of an image.
#[derive(Debug)]
pub struct Readable {
    /// Digest of the image's manifest.
    pub manifest: Digest,
    /// How to start it without a boot loader.
    pub boot: Option<BootFiles>,
}

/// Checked files of a direct start.
#[derive(Debug)]
pub struct BootFiles {
    /// The kernel.
    pub kernel: OwnedFd,
    /// The initial RAM disk.
    pub initrd: Option<OwnedFd>,
    /// The kernel's command line.
    pub cmdline: String,
}

impl Images {
    /// Opens the repository in a folder, which is a cache where there is a source.
    pub fn open(folder: &Path, from: Option<&ImageSource>) -> Result<Images, Trouble> {
        let opened = match from {
            Some(from) => Repository::open_cache(folder, Settings::default(), from.source.clone()),
            None => Repository::open(folder),
        };
        opened.map(|repository| Images { repository, completed: Arc::default() }).map_err(|e| trouble(&e))
    }

    /// Fetches in the background what is missing of an image, so that its guests come to need nobody; once for each image. One
    /// that could not be fetched is tried again at its next use.
    fn complete(&self, image: Digest) {
        let lock = |images: &Images| images.completed.lock().unwrap_or_else(PoisonError::into_inner).insert(image);
        if !lock(self) {
            return;
        }
        let images = self.clone();
        tokio::task::spawn_blocking(move || match images.repository.complete(&image) {
            Ok(()) => tracing::debug!(%image, "every byte of an image is here"),
            Err(error) => {
                tracing::warn!(%image, %error, "an image could not be fetched whole");
                images.completed.lock().unwrap_or_else(PoisonError::into_inner).remove(&image);
            }
        });
    }

    /// Checks that an image can be read and opens the files of a direct start. Reads whole kernels the first time; blocks.
    pub fn readable(&self, image: &ImageSpec) -> Result<Readable, Trouble> {
        let digest: Digest = image
            .manifest
            .parse()
            .map_err(|e| Trouble::new(FaultKind::ImageCorrupt, format!("{}: {} is not a digest: {e}", image.id, image.manifest)))?;
        let manifest = self.repository.manifest(&digest).map_err(|e| trouble(&e))?;
        let boot = match manifest.boot {
            None => None,
            Some(boot) => {
                let initrd = boot.initrd.map(|digest| self.blob(&digest)).transpose()?;
                Some(BootFiles { kernel: self.blob(&boot.kernel)?, initrd, cmdline: boot.cmdline })
            }
        };
        self.complete(digest);
        Ok(Readable { manifest: digest, boot })
    }

    /// Stores a disk over a manifest, sealed where it is encrypted, and tells how many of its bytes have been dealt with. Blocks for as
    /// long as reading them takes.
    pub fn store(&self, disk: &StoredDisk<'_>, tell: &(dyn Fn(u64) + Sync)) -> Result<Stored, Trouble> {
        if self.repository.is_cache() {
            let words = "what this host stores nobody else could read: it has a cache and no repository";
            return Err(Trouble::new(FaultKind::Other, words.to_owned()));
        }
        let digest = |text: &str| text.parse().map_err(|e| Trouble::new(FaultKind::ImageCorrupt, format!("{text} is not a digest: {e}")));
        let StoredDisk { files, live, keys, under, size_bytes } = *disk;
        let under = under.map(digest).transpose()?.map(|manifest| Under { manifest, key: keys.under.as_ref() });
        self.repository.store_layers(&Layers { files, live, key: keys.own.as_ref(), under, size_bytes }, tell).map_err(|e| trouble(&e))
    }

    fn blob(&self, digest: &Digest) -> Result<OwnedFd, Trouble> {
        let path = self.repository.blob_path(digest).map_err(|e| trouble(&e))?;
        File::open(path).and_then(|file| crate::cage::detached(&file)).map_err(|e| Trouble::io("opening a kernel", &e))
    }
}

fn trouble(error: &RepositoryError) -> Trouble {
    let kind = match error {
        RepositoryError::Missing { .. }
        | RepositoryError::Corrupt { .. }
        | RepositoryError::Malformed { .. }
        | RepositoryError::Refused { .. } => FaultKind::ImageCorrupt,
        // What QEMU had to give up it answers with EINVAL for ever; it is EIO when what is below could not be read.
        RepositoryError::Live { source: LiveError::Refused(errno), .. } if *errno != Errno::EIO as u32 => FaultKind::ImageCorrupt,
        RepositoryError::Live { source: LiveError::Protocol(_), .. } => FaultKind::ImageCorrupt,
        RepositoryError::Io { source, .. } => return Trouble::io(&error.to_string(), source),
        RepositoryError::OutOfRange { .. }
        | RepositoryError::Sealed { .. }
        | RepositoryError::Live { .. }
        | RepositoryError::Busy
        | RepositoryError::Stopped
        | RepositoryError::Store { .. }
        | RepositoryError::InUse { .. } => FaultKind::Other,
    };
    Trouble::new(kind, error.to_string())
}

/// The image server of this host.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    repository: PathBuf,
    folder: PathBuf,
    further: Vec<OsString>,
}

impl Server {
    /// The server that keeps its socket and its notes in `folder`, made if absent.
    pub fn new(program: &Path, repository: &Path, folder: &Path, from: Option<&ImageSource>) -> io::Result<Server> {
        fs::create_dir_all(folder)?;
        // The cages see this folder under other uids; the state folder above it keeps the host's users out.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        let repository = fs::canonicalize(repository)?;
        let further = from.map(|from| from.arguments.clone()).unwrap_or_default();
        Ok(Server { program: program.to_owned(), repository, folder: folder.to_owned(), further })
    }

    /// Folder of the socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds the running server or starts one, and waits until it takes connections.
    pub async fn ensure(&self) -> Result<Process, Trouble> {
        if let Some(process) = self.running()? {
            return Ok(process);
        }
        let doing = |e: io::Error| Trouble::io("starting the image server", &e);
        let mut child = self.spawn().map_err(doing)?;
        let identity = Identity::of(child.id() as i32).map_err(doing)?;
        // Somebody must collect its exit status; a thread does so without holding up anything else.
        std::thread::spawn(move || child.wait());
        let gone = || Trouble::new(FaultKind::Other, format!("the image server ended: {}", crate::qemu::serial::tail(&self.log(), 500)));
        let process = Process::find(&identity).map_err(doing)?.ok_or_else(gone)?;
        tokio::select! {
            ready = tokio::time::timeout(SERVER_START, self.answers()) => {
                ready.map_err(|_| Trouble::new(FaultKind::Other, "the image server takes no connections"))?;
            }
            () = process.exited() => return Err(gone()),
        }
        tracing::info!(pid = process.pid(), "image server started");
        metrics::counter!("pileus_image_server_starts_total").increment(1);
        Ok(process)
    }

    /// Kills the server, for good; one that is just starting too.
    pub async fn stop(&self) -> Result<(), Trouble> {
        let mut processes = self.starting().map_err(|e| Trouble::io("looking for an image server that starts", &e))?;
        processes.extend(self.running()?);
        for process in processes {
            if !process.kill(SERVER_END).await {
                return Err(Trouble::new(FaultKind::Other, "the image server was killed and does not end"));
            }
        }
        Ok(())
    }

    /// Servers of this folder, also one that does not answer on its socket yet: those that work in it (proc(5)).
    fn starting(&self) -> io::Result<Vec<Process>> {
        let folder = fs::canonicalize(&self.folder)?;
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process may end while it is looked at; then there is nothing to be told of it.
            let works_here = fs::read_link(entry.path().join("cwd")).is_ok_and(|at| at == folder);
            let is_server =
                || fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.split(|b| *b == 0).nth(1) == Some(SUBCOMMAND.as_bytes()));
            if works_here
                && is_server()
                && let Ok(identity) = Identity::of(pid)
            {
                found.extend(Process::find(&identity)?);
            }
        }
        Ok(found)
    }

    /// The process that answers on the socket, as the kernel tells it: nothing about it needs to be written down.
    fn running(&self) -> Result<Option<Process>, Trouble> {
        let doing = |e: io::Error| Trouble::io("looking for the image server", &e);
        let Ok(line) = crate::files::connect(&self.socket()) else { return Ok(None) };
        let pid = nix::sys::socket::getsockopt(&line, PeerCredentials).map_err(|e| doing(e.into()))?.pid();
        match Identity::of(pid) {
            Ok(identity) => Process::find(&identity).map_err(doing),
            Err(_) => Ok(None), // It ended in between.
        }
    }

    fn spawn(&self) -> io::Result<std::process::Child> {
        let too_long = fs::metadata(self.log()).is_ok_and(|m| m.len() > LOG_BYTES);
        let log = OpenOptions::new().create(true).write(true).truncate(too_long).append(!too_long).mode(0o600).open(self.log())?;
        Command::new(&self.program)
            .arg(SUBCOMMAND)
            .args([Path::new("--repository"), &self.repository, Path::new("--socket"), Path::new(IMAGE_SOCKET)])
            .args(&self.further)
            .current_dir(&self.folder) // A socket's path is short only when it is relative.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0) // Ctrl-C in the agent's terminal is not meant for it.
            .spawn()
    }

    async fn answers(&self) {
        while crate::files::connect(&self.socket()).is_err() {
            tokio::time::sleep(SERVER_START_POLL).await;
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(IMAGE_SOCKET)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }
}
