//! The server engine: PostgreSQL, or what speaks its protocol.
//!
//! ```text
//! write ---> queue ---> a writer: BEGIN SERIALIZABLE, closure, ticket, COMMIT ---+    again after 40001, 40P01
//!                                                                                v
//!                          commits in the order of their tickets ---> projections ---> answers
//! read  ---> queue ---> a reader: a read-only snapshot
//! ```
//!
//! All clients live and die on threads of this module, as they block and may not do so in an async task.

mod backup;
mod order;
mod session;

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::postgres::{Client, Config, IsolationLevel, NoTls, Statement};
use tokio::sync::{mpsc, oneshot};

use crate::changes::{Effects, Publisher};
use crate::error::StoreError;
use crate::job::{Job, Verdict, shielded};
use crate::migrate;
use crate::schema::Schema;
use crate::store::QUEUE;
use crate::tx::{Link, Tx};

use order::Order;
pub(crate) use session::{Session, cell, explain};

/// Connections that write. More would meet each other more often than they would gain.
const WRITERS: usize = 16;
/// Connections that read.
const READERS: usize = 8;
/// How often a transaction is run that others are in the way of, or whose connection broke.
const TRIES: u32 = 24;
/// The first pause between two runs; it doubles, and a part of it between half and all is waited.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause between two runs: with it, all tries take some two seconds.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may work on one statement; then it says so instead of keeping those behind waiting.
const STATEMENT: Duration = Duration::from_secs(30);
/// Key of the advisory lock that keeps a second process away: "pileus" in ASCII. CockroachDB takes it and does nothing.
const CLAIM: i64 = 0x7069_6c65_7573;
/// How long a claim is waited for: the server takes a moment to notice that the process before has ended.
const CLAIM_PATIENCE: Duration = Duration::from_secs(2);

/// A read on its way to a connection.
type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// An open PostgreSQL database.
pub(crate) struct Postgres {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    reads: Option<mpsc::Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
    config: Config,
    schema: Schema,
}

impl Postgres {
    pub(crate) fn open(url: &str, schema: &Schema, publisher: Arc<Publisher>) -> Result<Postgres, StoreError> {
        let mut config: Config = url.parse().map_err(|error| StoreError::Unreachable(format!("the address: {error}")))?;
        config.connect_timeout(CONNECT).application_name("pileus");
        config.options(&format!("-c statement_timeout={}", STATEMENT.as_millis()));
        let (jobs, waiting_jobs) = mpsc::channel(QUEUE);
        let (reads, waiting_reads) = mpsc::channel(QUEUE);
        let mut opened = Postgres { jobs: Some(jobs), reads: Some(reads), threads: Vec::new(), config, schema: schema.clone() };
        let claim = opened.prepared()?;
        let (waiting_jobs, waiting_reads) = (Arc::new(Mutex::new(waiting_jobs)), Arc::new(Mutex::new(waiting_reads)));
        let order = Arc::new(Order::new(publisher));
        let mut claim = Some(claim);
        for _ in 0..WRITERS {
            let (jobs, order, claim) = (waiting_jobs.clone(), order.clone(), claim.take());
            opened.start("store-writer", move |connection| {
                while let Some(job) = next(&jobs) {
                    connection.write(job, &order);
                }
                drop(claim);
            })?;
        }
        for _ in 0..READERS {
            let reads = waiting_reads.clone();
            opened.start("store-reader", move |connection| {
                while let Some(read) = next(&reads) {
                    read(connection);
                }
            })?;
        }
        Ok(opened)
    }

    pub(crate) fn queue(&self) -> &mpsc::Sender<Box<dyn Job>> {
        self.jobs.as_ref().expect("the queue is taken only when the engine is dropped")
    }

    pub(crate) fn reads(&self) -> &mpsc::Sender<Read> {
        self.reads.as_ref().expect("the queue is taken only when the engine is dropped")
    }

    pub(crate) fn backup(&self, path: &Path) -> Result<(), StoreError> {
        let (config, schema, path) = (self.config.clone(), self.schema.clone(), path.to_owned());
        apart(move || backup::backup(&config, &schema, &path))
    }

    /// Claims the database and brings it up to date; the client that comes back holds the claim.
    fn prepared(&self) -> Result<Client, StoreError> {
        let (config, schema) = (self.config.clone(), self.schema.clone());
        apart(move || {
            let mut client = config.connect(NoTls).map_err(|error| session::error("", &error))?;
            claim(&mut client)?;
            migrate::postgres(&mut client, &schema)?;
            Ok(client)
        })
    }

    fn start(&mut self, name: &str, work: impl FnOnce(&mut Connection) + Send + 'static) -> Result<(), StoreError> {
        let mut connection = Connection { config: self.config.clone(), client: None, statements: HashMap::new() };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&mut connection));
        self.threads.push(thread.map_err(|failure| StoreError::Engine(format!("no thread: {failure}")))?);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.jobs = None;
        self.reads = None;
        for thread in self.threads.drain(..) {
            if thread.thread().id() != std::thread::current().id() {
                // The threads catch the panics of closures; a connection that broke is closed by the server.
                let _ = thread.join();
            }
        }
    }
}

/// The next thing that waits; none when the store is closed.
fn next<T>(queue: &Mutex<mpsc::Receiver<T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

/// Runs on a thread of its own, where a client may block.
fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    std::thread::spawn(work).join().unwrap_or_else(|_| Err(StoreError::Engine("the database driver panicked".to_owned())))
}

/// Takes the advisory lock, which the server gives back with the connection that holds it.
fn claim(client: &mut Client) -> Result<(), StoreError> {
    let started = Instant::now();
    loop {
        let claimed = client.query_one("SELECT pg_try_advisory_lock($1)", &[&CLAIM]).map_err(|error| session::error("", &error))?;
        if claimed.get(0) {
            return Ok(());
        }
        if started.elapsed() > CLAIM_PATIENCE {
            return Err(StoreError::InUse);
        }
        std::thread::sleep(LONGEST_PAUSE);
    }
}

/// A read, and the end at which its answer arrives.
pub(crate) fn read<T, E>(work: impl Fn(&Tx<'_>) -> Result<T, E> + Send + 'static) -> (Read, oneshot::Receiver<Result<T, E>>)
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let read: Read = Box::new(move |connection| {
        // Whoever asked may have gone.
        let _ = reply.send(connection.read(&work));
    });
    (read, answer)
}

/// A client with what it has prepared, made anew when it broke.
pub(crate) struct Connection {
    config: Config,
    client: Option<Client>,
    statements: HashMap<String, Statement>,
}

/// How one run of a write ended.
enum Run {
    /// The job is to be told so, and others of its effects.
    Ended(Option<(u64, Effects)>, Result<(), StoreError>),
    /// It may go better next time.
    Again(StoreError),
}

impl Connection {
    fn client(&mut self) -> Result<(&mut Client, &mut HashMap<String, Statement>), StoreError> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.statements.clear();
            self.client = None;
            self.client = Some(self.config.connect(NoTls).map_err(|error| session::error("", &error))?);
        }
        let client = self.client.as_mut().expect("the client was made above");
        Ok((client, &mut self.statements))
    }

    fn read<T, E: From<StoreError>>(&mut self, work: &impl Fn(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        // A client notices that it broke only when it is used, so an idle one gets a second chance.
        let mut last = StoreError::Closed;
        for _ in 0..2 {
            let started = self.client().and_then(|(client, statements)| {
                let builder = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
                builder.start().map(|tx| (tx, statements)).map_err(|error| session::error("", &error))
            });
            match started {
                Ok((tx, statements)) => {
                    let tx = Tx::new(Link::Postgres(RefCell::new(Session::new(tx, statements))));
                    return shielded(|| work(&tx));
                }
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    fn write(&mut self, mut job: Box<dyn Job>, order: &Order) {
        let mut last = StoreError::Conflict;
        for attempt in 0..TRIES {
            if job.is_abandoned() {
                return;
            }
            match self.run(job.as_mut(), order) {
                Run::Ended(Some((ticket, effects)), end) => return order.end(ticket, Some((effects, job)), end),
                Run::Ended(None, end) => return job.finish(end),
                Run::Again(error) => last = error,
            }
            std::thread::sleep(pause(attempt));
        }
        job.finish(Err(last));
    }

    fn run(&mut self, job: &mut dyn Job, order: &Order) -> Run {
        let started = self.client().and_then(|(client, statements)| {
            let builder = client.build_transaction().isolation_level(IsolationLevel::Serializable);
            builder.start().map(|tx| (tx, statements)).map_err(|error| session::error("", &error))
        });
        let (tx, statements) = match started {
            Ok(started) => started,
            Err(error) => return Run::Again(error),
        };
        let mut tx = Tx::new(Link::Postgres(RefCell::new(Session::new(tx, statements))));
        let verdict = job.run(&mut tx);
        let (link, effects) = tx.end();
        match verdict {
            Verdict::Failed(error @ (StoreError::Conflict | StoreError::Unreachable(_))) => Run::Again(error),
            Verdict::Undo | Verdict::Failed(_) => Run::Ended(None, Ok(())),
            Verdict::Keep => {
                let Link::Postgres(session) = link else { return Run::Ended(None, Err(StoreError::Closed)) };
                let ticket = order.draw();
                match session.into_inner().commit() {
                    Ok(()) => Run::Ended(Some((ticket, effects)), Ok(())),
                    Err(error) => {
                        order.end(ticket, None, Ok(()));
                        if error == StoreError::Conflict { Run::Again(error) } else { Run::Ended(None, Err(error)) }
                    }
                }
            }
        }
    }
}

/// How long to wait after so many runs: random, so that two that met do not meet again.
fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
    // Each state is seeded anew by the system.
    let share = RandomState::new().hash_one(attempt) % 512;
    longest.mul_f64((512 + share) as f64 / 1024.0)
}
