//! The embedded engine: SQLite in WAL mode, one thread that writes, a pool of connections that read.
//!
//! ```text
//! write ---> queue ---> writer: BEGIN IMMEDIATE
//!                                 closure    (each waiting write, up to a batch)
//!                               COMMIT ---> syncer: fdatasync of the log ---> projections ---> answers
//! read  ---> a read connection, in place ---> waits until the disk has what it saw
//! ```
//!
//! So the disk's flush is shared by everyone who came during the one before, while the writer is at the next batch, and no write ever
//! meets another. As nobody else writes, what the writer has read of nouns that seldom change it remembers until they do (`memory.rs`).

mod backup;
mod checkpoint;
mod horizon;
mod memory;
mod syncer;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{File, TryLockError};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags};
use tokio::sync::{mpsc, oneshot};

use crate::changes::Publisher;
use crate::error::StoreError;
use crate::job::{Job, shielded};
use crate::migrate;
use crate::schema::Schema;
use crate::store::QUEUE;
use crate::tx::{Cell, Link, Tx};
use crate::value::Value;

use horizon::Horizon;
use syncer::Log;
use writer::{Parts, Threads};

pub(crate) use backup::Partial;
pub(crate) use memory::Memory;
pub(crate) use writer::UNSEEN;

/// Prepared statements kept by a connection: more than this crate has.
const STATEMENTS: usize = 256;
/// How long a foreign lock on the file (a shell, a backup tool) is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Read connections at most; a connection is held only by a thread inside a closure.
const READERS: usize = 64;
/// Page cache of the writer, in KiB.
const WRITER_CACHE: u32 = 32 << 10;
/// Page cache of a reader, in KiB; what it misses is mostly in the kernel's.
const READER_CACHE: u32 = 4 << 10;

/// An open SQLite database.
pub(crate) struct Sqlite {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    readers: Arc<Readers>,
    horizon: Arc<Horizon>,
    threads: Option<Threads>,
    /// Held as long as the database is open: no two processes write to one file, as each has projections of its own.
    _lock: File,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, schema: &Schema, publisher: Arc<Publisher>) -> Result<Sqlite, StoreError> {
        Sqlite::open_with(path, schema, publisher, log)
    }

    /// Opens one whose log is brought to the disk by something else.
    fn open_with<L: Log>(
        path: &Path,
        schema: &Schema,
        publisher: Arc<Publisher>,
        log: impl FnOnce(&Path) -> Result<L, StoreError>,
    ) -> Result<Sqlite, StoreError> {
        let lock = lock(path)?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, WRITER_CACHE)?;
        // A commit is durable once its WAL frames are synced, which is the syncer's work; moving them into the file is the checkpointer's.
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;";
        connection.execute_batch(pragmas).map_err(error)?;
        migrate::sqlite(&mut connection, schema)?;
        let readers = Arc::new(Readers { path: path.to_owned(), pool: Mutex::default(), freed: Condvar::new() });
        let (queue, jobs) = mpsc::channel(QUEUE);
        let horizon = Arc::new(Horizon::default());
        let parts = Parts { connection, horizon: horizon.clone(), publisher };
        let threads = writer::start(parts, path, log(path)?, queue.downgrade(), jobs)?;
        Ok(Sqlite { queue: Some(queue), readers, horizon, threads: Some(threads), _lock: lock })
    }

    pub(crate) fn queue(&self) -> &mpsc::Sender<Box<dyn Job>> {
        self.queue.as_ref().expect("the queue is taken only when the engine is dropped")
    }

    pub(crate) async fn read<T, E: From<StoreError>>(&self, work: impl Fn(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let found = self.readers.read(work);
        self.horizon.reached(self.horizon.seen()).await?;
        found
    }

    pub(crate) fn read_blocking<T, E: From<StoreError>>(&self, work: impl Fn(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let found = self.readers.read(work);
        self.horizon.reached_blocking(self.horizon.seen())?;
        found
    }

    pub(crate) fn scan<T, E>(&self, work: impl Fn(&Tx<'_>) -> Result<T, E> + Send + 'static) -> oneshot::Receiver<Result<T, E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (readers, horizon) = (self.readers.clone(), self.horizon.clone());
        tokio::task::spawn_blocking(move || {
            let found = readers.read(work);
            let settled = horizon.reached_blocking(horizon.seen());
            // Whoever asked may have gone.
            let _ = reply.send(settled.map_err(E::from).and(found));
        });
        answer
    }

    pub(crate) fn backup(&self, path: &Path) -> Result<(), StoreError> {
        backup::backup(&*self.readers.take()?, path)
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(threads) = self.threads.take() {
            threads.join();
        }
    }
}

/// Claims the database for this process.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let unwritable = |error: std::io::Error| StoreError::ReadOnly(format!("{}: {error}", Path::new(&name).display()));
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(unwritable)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StoreError::InUse,
        TryLockError::Error(error) => unwritable(error),
    })?;
    Ok(file)
}

/// The write-ahead log of an open database. SQLite takes no lock on it, so that a descriptor of ours breaks none when it is closed.
fn log(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    File::open(&name).map_err(|failure| StoreError::ReadOnly(format!("{}: {failure}", Path::new(&name).display())))
}

fn connect(path: &Path, flags: OpenFlags, cache_kib: u32) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(error)?;
    connection.busy_timeout(PATIENCE).map_err(error)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without it SQLite looks at the value of `LIMIT $1` for its plan, and so parses the statement anew each time that it is used.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(error)?;
    connection.execute_batch(&format!("PRAGMA cache_size = -{cache_kib}; PRAGMA temp_store = MEMORY;")).map_err(error)?;
    Ok(connection)
}

/// Read connections, made when wanted.
struct Readers {
    path: PathBuf,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    open: usize,
}

/// A read connection on loan.
struct Reader<'p> {
    readers: &'p Readers,
    connection: Option<Connection>,
}

impl Readers {
    fn read<T, E: From<StoreError>>(&self, work: impl Fn(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let reader = self.take()?;
        // The snapshot begins with the first statement and ends when the reader is given back.
        statement(&reader, "BEGIN")?;
        let tx = Tx::new(Link::Sqlite(&reader));
        shielded(|| work(&tx))
    }

    fn take(&self) -> Result<Reader<'_>, StoreError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = pool.idle.pop() {
                return Ok(Reader { readers: self, connection: Some(connection) });
            }
            if pool.open < READERS {
                pool.open += 1;
                break;
            }
            pool = self.freed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        drop(pool);
        match connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE) {
            Ok(connection) => Ok(Reader { readers: self, connection: Some(connection) }),
            Err(error) => {
                self.give_back(None);
                Err(error)
            }
        }
    }

    fn give_back(&self, connection: Option<Connection>) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match connection {
            Some(connection) => pool.idle.push(connection),
            None => pool.open -= 1,
        }
        drop(pool);
        self.freed.notify_one();
    }
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("the connection leaves only when the reader is dropped")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let well = self.is_autocommit() || statement(self, "ROLLBACK").is_ok();
        self.readers.give_back(self.connection.take().filter(|_| well));
    }
}

/// Runs a statement without parameters or results.
fn statement(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql).and_then(|mut prepared| prepared.raw_execute()).map(drop).map_err(error)
}

pub(crate) fn insert(connection: &Connection, table: &'static str, sql: &str, values: &[Value]) -> Result<(), StoreError> {
    execute(connection, table, sql, values).map(drop)
}

pub(crate) fn execute(connection: &Connection, table: &'static str, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
    let mut prepared = prepare(connection, sql, values)?;
    prepared.raw_execute().map(|count| count as u64).map_err(|failure| duplicate(table, &failure).unwrap_or_else(|| error(failure)))
}

pub(crate) fn query<T>(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    mut each: impl FnMut(&rusqlite::Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut prepared = prepare(connection, sql, values)?;
    let mut rows = prepared.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(error)? {
        found.push(each(row)?);
    }
    Ok(found)
}

fn prepare<'c>(connection: &'c Connection, sql: &str, values: &[Value]) -> Result<CachedStatement<'c>, StoreError> {
    // `$2` is a *named* parameter in SQLite, which gets its number by where it first appears; in PostgreSQL it has the number.
    debug_assert!(appear_in_order(sql), "{sql}");
    let mut prepared = connection.prepare_cached(sql).map_err(error)?;
    for (place, value) in (1..).zip(values) {
        prepared.raw_bind_parameter(place, value).map_err(error)?;
    }
    Ok(prepared)
}

/// Whether the parameters of a statement first appear in the order of their numbers.
fn appear_in_order(sql: &str) -> bool {
    let mut last = 0;
    sql.split('$').skip(1).all(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
        let number = digits.parse().unwrap_or(usize::MAX);
        let follows = number <= last + 1;
        last = last.max(number);
        follows
    })
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

pub(crate) fn cell<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> Result<Cell<'r>, StoreError> {
    match row.get_ref(column).map_err(error)? {
        ValueRef::Null => Ok(Cell::Null),
        ValueRef::Integer(number) => Ok(Cell::Int(number)),
        text @ ValueRef::Text(_) => {
            let text = text.as_str().map_err(|why| StoreError::Engine(format!("column {column} of a result: {why}")))?;
            Ok(Cell::Text(text))
        }
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(StoreError::Engine(format!("column {column} of a result is no number or text"))),
    }
}

/// The duplicate that a statement met, if that is why it failed.
///
/// SQLite tells the columns only in its message, as `UNIQUE constraint failed: instance.account, instance.name`.
fn duplicate(table: &'static str, failure: &rusqlite::Error) -> Option<StoreError> {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE};
    let rusqlite::Error::SqliteFailure(code, message) = failure else { return None };
    if ![SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE].contains(&code.extended_code) {
        return None;
    }
    let columns = message.as_deref().and_then(|text| text.split_once(": ")).map_or("", |(_, columns)| columns);
    let columns: Vec<&str> = columns.split(", ").map(|column| column.rsplit('.').next().unwrap_or(column)).collect();
    Some(StoreError::Duplicate { table, constraint: columns.join(",") })
}

/// What a failure means to the caller.
pub(crate) fn error(failure: rusqlite::Error) -> StoreError {
    let text = failure.to_string();
    match failure.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => StoreError::ReadOnly(text),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Conflict,
        _ => StoreError::Engine(text),
    }
}
