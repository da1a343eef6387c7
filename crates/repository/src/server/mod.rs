//! A read-only NBD server over a unix socket: how QEMU reads images lazily.
//!
//! ```text
//!   QEMU ──unix socket──▶ handshake ──export = manifest digest[:key]──▶ transmission ──▶ ImageReader ──▶ cache, object store
//! ```
//!
//! It runs as a process of its own (`pileus image-server`), so that guests keep their disks while the agent is replaced; a QEMU
//! with `reconnect-delay` also survives this process being killed and started again. It needs no privilege but reading the
//! repository. To know an image's digest is to be allowed to read it: the exports are never listed. A sealed image is read by whoever
//! brings its key too, in the export's name; it is opened in memory and lies on no disk.
//!
//! Two servers on one socket are refused by a lock file beside it, which the kernel releases with the process; a socket that a
//! killed server left is replaced.

mod exports;
mod handshake;
pub(crate) mod protocol;
mod readahead;
mod socket;
mod transmission;

pub use exports::export_name;
pub use socket::is_serving;

use crate::{Repository, RepositoryError, Settings, Source};
use exports::Exports;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket::SocketPlace;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at once; a host of a thousand guests has one each.
const MAX_CONNECTIONS: usize = 2048;

/// Threads that wait for the disk and decompress. More than cores, because some of them wait; many more where chunks come from
/// elsewhere, so that those which wait for a source that is away do not hold up what is here.
const BLOCKING_THREADS: usize = 8;
const BLOCKING_THREADS_OF_CACHE: usize = 128;

/// Pause after `accept` has failed, which it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a guest's read waits for an object store that is away, before it becomes an error of the guest's disk.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long threads that are reading a chunk may go on after the end.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// What the server is told when it starts.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The folder of the repository.
    pub repository: PathBuf,
    /// The socket to listen on, at most 103 bytes (the kernel's limit of 107 and a suffix while it is being made).
    pub socket: PathBuf,
    /// Permissions of the socket: whoever may write to it may connect.
    pub socket_mode: u32,
    /// Plain chunks kept in memory, in bytes.
    pub cache_bytes: usize,
    /// Where objects come from that the repository does not have.
    pub source: Option<Source>,
}

impl ServerConfig {
    /// The configuration of a server whose socket everybody may use that reaches its folder, with a cache of 64 MiB.
    pub fn new(repository: impl Into<PathBuf>, socket: impl Into<PathBuf>) -> ServerConfig {
        let cache_bytes = Settings::default().cache_bytes;
        ServerConfig { repository: repository.into(), socket: socket.into(), socket_mode: 0o666, cache_bytes, source: None }
    }
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The repository cannot be opened.
    #[error("the repository cannot be opened")]
    Repository(#[from] RepositoryError),
    /// Another process answers on the socket.
    #[error("{} is being served by another process", socket.display())]
    AlreadyServed {
        /// The socket.
        socket: PathBuf,
    },
    /// Something that is no socket has the socket's name; it is left alone.
    #[error("{} exists and is not a socket", socket.display())]
    NotASocket {
        /// The path.
        socket: PathBuf,
    },
    /// The system refused something about the socket or the process.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ServerError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> ServerError {
        move |source| ServerError::Io { what: what.into(), source }
    }
}

/// Serves until SIGTERM or SIGINT, then removes the socket: the whole life of a process `pileus image-server`.
pub fn main(config: ServerConfig) -> Result<(), ServerError> {
    allow_descriptors();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let reaches_elsewhere = config.source.is_some() || config.repository.join("store").exists();
    let threads = if reaches_elsewhere { BLOCKING_THREADS_OF_CACHE } else { BLOCKING_THREADS };
    builder.worker_threads(2).max_blocking_threads(threads).thread_name("image-server").enable_all();
    let runtime = builder.build().map_err(ServerError::io("starting threads"))?;
    let result = runtime.block_on(async {
        let catch = |kind| signal(kind).map_err(ServerError::io("catching signals"));
        let (mut terminate, mut interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        serve(config, stop).await
    });
    runtime.shutdown_timeout(SHUTDOWN);
    result
}

/// Serves until `stop` is ready, then removes the socket. Connections end with it.
pub async fn serve(config: ServerConfig, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
    let settings = Settings { cache_bytes: config.cache_bytes, patience: PATIENCE, ..Settings::default() };
    let repository = match config.source {
        Some(source) => Repository::open_cache(&config.repository, settings, source)?,
        None => Repository::open_with(&config.repository, settings)?,
    };
    let exports = Arc::new(Exports::new(repository));
    let place = SocketPlace::take(&config.socket).await?;
    let listener = place.listen(config.socket_mode)?;
    tracing::info!(socket = %config.socket.display(), repository = %config.repository.display(), "serving images");
    tokio::select! {
        () = accept(&listener, &exports) => {}
        () = stop => {}
    }
    tracing::info!(socket = %config.socket.display(), "stopped serving images");
    place.leave()
}

/// The usual soft limit of 1024 descriptors is less than the connections that are allowed; the hard one is more.
fn allow_descriptors() {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = limit {
        tracing::warn!(%error, "the limit of open files stays; many guests may not get a connection");
    }
}

async fn accept(listener: &UnixListener, exports: &Arc<Exports>) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = free.clone().try_acquire_owned() else {
            tracing::warn!(limit = MAX_CONNECTIONS, "too many connections; refusing one");
            continue;
        };
        let exports = exports.clone();
        connections.spawn(async move {
            talk(stream, &exports).await;
            drop(permit);
        });
    }
}

/// One connection, from greeting to end.
async fn talk(stream: UnixStream, exports: &Arc<Exports>) {
    match handshake::negotiate(stream, exports).await {
        Ok(Some(session)) => {
            let image = session.reader.digest();
            tracing::debug!(%image, "connected");
            let end = transmission::run(session, exports.clone()).await;
            tracing::debug!(%image, %end, "disconnected");
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "a client did not get through the handshake"),
    }
}
