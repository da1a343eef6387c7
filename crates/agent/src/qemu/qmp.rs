//! QEMU's monitor: one JSON object a line over a unix socket, commands typed by `qapi-qmp`.
//!
//! ```text
//!   execute ──line──▶ QEMU ──line──▶ reader task ── {"return"/"error", id} ──▶ the waiting caller
//!                                              └── {"event"} ──▶ channel
//! ```
//!
//! Events may come at any time, also before the answer to the greeting, and unknown ones pass through by name. A caller that
//! gives up leaves nothing behind: its late answer is dropped by its number. When the socket closes, every caller is told.
//! QEMU serves one client per monitor, so dropping the last clone of a [`Qmp`] closes the socket.

use std::collections::HashMap;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use qapi_qmp::QmpCommand;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Longest line that QEMU may send: a full console ring in base64 is 90 KiB, `query-qmp-schema` 200 KiB.
const LINE_BYTES: u64 = 4 << 20;

/// Events that wait for their reader. A guest can cause a few a second; what does not fit is found by the next health check.
const EVENT_QUEUE: usize = 1024;

/// Commands that wait to be written; more wait only when QEMU no longer reads, and then fail at once.
const COMMAND_QUEUE: usize = 32;

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// QEMU refused it.
    #[error("{class}: {description}")]
    Refused {
        /// QEMU's class of the error.
        class: String,
        /// QEMU's words.
        description: String,
    },
    /// No answer came in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The socket is closed.
    #[error("the monitor is closed")]
    Closed,
    /// What came is not what the protocol says.
    #[error("unexpected answer: {0}")]
    Protocol(String),
    /// The socket could not be opened.
    #[error("the monitor cannot be reached: {0}")]
    Connect(#[from] std::io::Error),
}

/// Something that happened in QEMU.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// QEMU's name, for instance `SHUTDOWN`.
    pub name: String,
    /// Its fields.
    pub data: Value,
}

impl Event {
    /// Whether a boolean field is there and true.
    pub fn flag(&self, field: &str) -> bool {
        self.data.get(field).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The text of a field; empty when it is absent.
    pub fn text(&self, field: &str) -> &str {
        self.data.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A connection to a monitor. Clones share it.
#[derive(Debug, Clone)]
pub struct Qmp {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    lines: mpsc::Sender<Line>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
    tasks: [tokio::task::AbortHandle; 2],
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

type Answer = Result<Value, QmpError>;

/// A line for QEMU, which may hold a key, with the descriptor that travels with it.
struct Line {
    text: String,
    file: Option<OwnedFd>,
}

#[derive(Debug, Default)]
struct Waiting(Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>);

impl Waiting {
    fn with<T>(&self, act: impl FnOnce(&mut Option<HashMap<u64, oneshot::Sender<Answer>>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Registers a caller; none when the connection is closed.
    fn enter(&self, id: u64) -> Option<oneshot::Receiver<Answer>> {
        let (sender, receiver) = oneshot::channel();
        self.with(|open| open.as_mut().map(|map| map.insert(id, sender))).map(|_| receiver)
    }

    fn leave(&self, id: u64) -> Option<oneshot::Sender<Answer>> {
        self.with(|open| open.as_mut().and_then(|map| map.remove(&id)))
    }

    fn close(&self) {
        self.with(|open| *open = None);
    }
}

/// Takes the caller off the list when it stops waiting, for whatever reason.
struct Entry<'a> {
    waiting: &'a Waiting,
    id: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        drop(self.waiting.leave(self.id));
    }
}

impl Qmp {
    /// Connects, waits for the greeting and negotiates, all within `limit`. The channel carries the events from the first one on
    /// and ends with the connection.
    pub async fn connect(socket: &Path, limit: Duration) -> Result<(Qmp, mpsc::Receiver<Event>), QmpError> {
        timeout(limit, Qmp::handshake(socket, limit)).await.map_err(|_| QmpError::Timeout(limit))?
    }

    async fn handshake(socket: &Path, limit: Duration) -> Result<(Qmp, mpsc::Receiver<Event>), QmpError> {
        let stream = crate::files::connect(socket)?;
        stream.set_nonblocking(true)?;
        let (read, write) = UnixStream::from_std(stream)?.into_split();
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let (greeted, greeting) = oneshot::channel();
        let waiting = Arc::new(Waiting(Mutex::new(Some(HashMap::new()))));
        let (lines, unsent) = mpsc::channel(COMMAND_QUEUE);
        let reader = tokio::spawn(read_lines(BufReader::new(read), waiting.clone(), events, greeted));
        let writer = tokio::spawn(write_lines(write, unsent));
        let tasks = [reader.abort_handle(), writer.abort_handle()];
        let qmp = Qmp { inner: Arc::new(Inner { lines, waiting, next: AtomicU64::new(1), tasks }) };
        greeting.await.map_err(|_| QmpError::Closed)?;
        qmp.execute(qapi_qmp::qmp_capabilities { enable: None }, limit).await?;
        Ok((qmp, receiver))
    }

    /// Executes a command and waits for its result at most so long. A command that timed out may still be carried out.
    pub async fn execute<C: QmpCommand>(&self, command: C, limit: Duration) -> Result<C::Ok, QmpError> {
        let arguments = serde_json::to_value(&command).map_err(|e| QmpError::Protocol(e.to_string()))?;
        let value = self.call(C::NAME, arguments, limit).await?;
        serde_json::from_value(value).map_err(|e| QmpError::Protocol(format!("{}: {e}", C::NAME)))
    }

    /// Executes a command by its name, for those whose arguments are a tree of QEMU's own.
    pub async fn call(&self, name: &str, arguments: Value, limit: Duration) -> Result<Value, QmpError> {
        timeout(limit, self.exchange(name, arguments, None)).await.map_err(|_| QmpError::Timeout(limit))?
    }

    /// Reads and writes that the guest has done on all its disks since QEMU's start. (The statistics of a device have members in newer QEMUs that
    /// `qapi-qmp` demands and QEMU 7.2 does not send.)
    pub async fn disk_operations(&self, limit: Duration) -> Result<u64, QmpError> {
        #[derive(Deserialize)]
        struct Device {
            stats: Stats,
        }
        #[derive(Deserialize)]
        struct Stats {
            rd_operations: u64,
            wr_operations: u64,
        }
        let answer = self.call("query-blockstats", json!({}), limit).await?;
        let devices: Vec<Device> = serde_json::from_value(answer).map_err(|e| QmpError::Protocol(format!("query-blockstats: {e}")))?;
        Ok(devices.iter().map(|device| device.stats.rd_operations + device.stats.wr_operations).sum())
    }

    /// Hands over an open file; gives the number of the set under which QEMU finds it, as `/dev/fdset/NUMBER`. `name` is kept with it.
    pub async fn add_fd(&self, file: OwnedFd, name: &str, limit: Duration) -> Result<i64, QmpError> {
        let exchange = self.exchange("add-fd", json!({"opaque": name}), Some(file));
        let added = timeout(limit, exchange).await.map_err(|_| QmpError::Timeout(limit))??;
        added.get("fdset-id").and_then(Value::as_i64).ok_or_else(|| QmpError::Protocol("add-fd names no set".to_owned()))
    }

    /// Hands over an open file under a name, by which the next command takes it.
    pub async fn get_fd(&self, file: OwnedFd, name: &str, limit: Duration) -> Result<(), QmpError> {
        let exchange = self.exchange("getfd", json!({"fdname": name}), Some(file));
        timeout(limit, exchange).await.map_err(|_| QmpError::Timeout(limit))?.map(drop)
    }

    async fn exchange(&self, name: &str, arguments: Value, file: Option<OwnedFd>) -> Answer {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let answer = self.inner.waiting.enter(id).ok_or(QmpError::Closed)?;
        let _entry = Entry { waiting: &self.inner.waiting, id };
        let mut text = json!({"execute": name, "arguments": arguments, "id": id}).to_string();
        text.push('\n');
        // Lines are written whole by a task of their own: one torn by a caller that gives up would make QEMU misread the next.
        self.inner.lines.try_send(Line { text, file }).map_err(|_| QmpError::Closed)?;
        answer.await.map_err(|_| QmpError::Closed)?
    }
}

/// What QEMU sends: a greeting, an event, a result or a refusal.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "QMP")]
    greeting: Option<Value>,
    event: Option<String>,
    #[serde(default)]
    data: Value,
    #[serde(rename = "return")]
    result: Option<Value>,
    error: Option<Refusal>,
    id: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    class: String,
    desc: String,
}

async fn write_lines(mut to: OwnedWriteHalf, mut lines: mpsc::Receiver<Line>) {
    while let Some(Line { text, file }) = lines.recv().await {
        let bytes = text.as_bytes();
        let sent = match &file {
            None => Ok(0),
            Some(file) => send_with(to.as_ref(), bytes, file).await,
        };
        let Ok(sent) = sent else { break };
        if to.write_all(&bytes[sent..]).await.is_err() {
            break;
        }
    }
}

/// Sends the beginning of a line, to which the kernel ties the descriptor, and says how much of it went.
async fn send_with(to: &UnixStream, bytes: &[u8], file: &OwnedFd) -> std::io::Result<usize> {
    let raw = [file.as_raw_fd()];
    let send = || {
        let rights = [ControlMessage::ScmRights(&raw)];
        Ok(sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(bytes)], &rights, MsgFlags::MSG_NOSIGNAL, None)?)
    };
    to.async_io(Interest::WRITABLE, send).await
}

async fn read_lines(mut from: BufReader<OwnedReadHalf>, waiting: Arc<Waiting>, events: mpsc::Sender<Event>, greeted: oneshot::Sender<()>) {
    let mut greeted = Some(greeted);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut from).take(LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(_) if line.ends_with(b"\n") => {}
            Ok(_) | Err(_) => break,
        }
        match serde_json::from_slice::<Message>(&line) {
            Ok(message) => deliver(message, &waiting, &events, &mut greeted),
            Err(e) => tracing::warn!(error = %e, "a line from the monitor was not understood"),
        }
    }
    waiting.close();
}

fn deliver(message: Message, waiting: &Waiting, events: &mpsc::Sender<Event>, greeted: &mut Option<oneshot::Sender<()>>) {
    if message.greeting.is_some()
        && let Some(greeted) = greeted.take()
    {
        let _ = greeted.send(());
    }
    if let Some(name) = message.event {
        tracing::debug!(event = %name, data = %message.data, "monitor event");
        if events.try_send(Event { name, data: message.data }).is_err() {
            metrics::counter!("pileus_qmp_events_lost_total").increment(1);
        }
        return;
    }
    let Some(caller) = message.id.and_then(|id| waiting.leave(id)) else { return };
    let answer = match message.error {
        Some(refusal) => Err(QmpError::Refused { class: refusal.class, description: refusal.desc }),
        None => Ok(message.result.unwrap_or(Value::Null)),
    };
    drop(caller.send(answer));
}

#[cfg(test)]
#[path = "qmp_tests.rs"]
mod tests;
