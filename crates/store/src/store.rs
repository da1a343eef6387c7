//! The store as the rest of the program holds it: open it, write, try out, read, follow.
//!
//! Knows which engine it has, and nothing of how that engine works.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::changes::{Changes, Publisher};
use crate::error::{StoreError, WriteError};
use crate::job::{Job, Purpose, job};
use crate::postgres::{self, Postgres};
use crate::projection::{Facets, Page, Projections, Query};
use crate::row::Row;
use crate::schema::Schema;
use crate::sqlite::{self, Sqlite};
use crate::tx::Tx;

/// Writes that wait for a thread; more wait in their callers. Four batches of the embedded engine.
pub(crate) const QUEUE: usize = 1024;

/// Writes at most that a transaction sees and that [`Store::page`] and [`Store::count`] do not know of yet.
pub const UNSEEN_WRITES_MAX: usize = sqlite::UNSEEN;

/// Where the rows are.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// In one file of this process.
    Sqlite {
        /// The file; it is made if absent, its folder is not.
        path: PathBuf,
    },
    /// In a PostgreSQL server, or one that speaks its protocol.
    Postgres {
        /// `postgres://user:password@host:port/database`, or `host=/run/postgresql user=pileus`.
        url: String,
    },
}

/// The database. Clones share it; the last one to go closes it and waits for its threads.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: Engine,
    publisher: Arc<Publisher>,
}

enum Engine {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Store {
    /// Opens the database of Pileus, bringing it up to this version's shape.
    ///
    /// Blocks: about 20 ms for an empty database, a few seconds for a million instances, from whose rows the projections
    /// are made.
    pub fn open(config: StoreConfig) -> Result<Store, StoreError> {
        Store::open_with(config, &Schema::pileus())
    }

    /// Opens a database of another shape: for the tests of this crate's users.
    pub fn open_with(config: StoreConfig, schema: &Schema) -> Result<Store, StoreError> {
        let publisher = Arc::new(Publisher::new(Projections::new(&schema.projections)));
        let engine = match config {
            StoreConfig::Sqlite { path } => Engine::Sqlite(Sqlite::open(&path, schema, publisher.clone())?),
            StoreConfig::Postgres { url } => Engine::Postgres(Box::new(Postgres::open(&url, schema, publisher.clone())?)),
        };
        let store = Store(Arc::new(Inner { engine, publisher }));
        store.0.publisher.projections.fill(&store)?;
        Ok(store)
    }

    /// Runs a closure in a serialisable transaction, and answers once it is durable.
    ///
    /// The closure is run again when other transactions were in the way, and so must do nothing but SQL. If it refuses or
    /// panics nothing is kept. Dropping the future does not undo: the write may or may not happen.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, WriteError<E>>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.submit(Purpose::Keep, work).await
    }

    /// Runs a closure as [`Store::write`] does, and then undoes it: a dry run.
    pub async fn try_out<T, E, F>(&self, work: F) -> Result<T, WriteError<E>>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        self.submit(Purpose::TryOut, work).await
    }

    /// [`Store::write`] for a thread; panics inside an async task.
    pub fn write_blocking<T, E, F>(&self, work: F) -> Result<T, WriteError<E>>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (job, answer) = job(Purpose::Keep, work);
        self.queue().blocking_send(job).map_err(|_| StoreError::Closed)?;
        answer.blocking_recv().unwrap_or(Err(WriteError::Store(StoreError::Closed)))
    }

    /// Runs a closure on a consistent snapshot of everything committed so far.
    ///
    /// Meant for looking up rows by id and short lists (below a millisecond): over SQLite it runs in place, as a point read
    /// takes microseconds and a change of threads takes longer. Use [`Store::scan`] for more.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.read(work).await,
            Engine::Postgres(engine) => {
                let (read, answer) = postgres::read(work);
                engine.reads().send(read).await.map_err(|_| StoreError::Closed)?;
                answered(answer).await
            }
        }
    }

    /// [`Store::read`] for work that takes longer: it runs on a thread of its own.
    pub async fn scan<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => answered(sqlite.scan(work)).await,
            Engine::Postgres(engine) => {
                let (read, answer) = postgres::read(work);
                engine.reads().send(read).await.map_err(|_| StoreError::Closed)?;
                answered(answer).await
            }
        }
    }

    /// [`Store::read`] for a thread; may panic inside an async task.
    pub fn read_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.read_blocking(work),
            Engine::Postgres(engine) => {
                let (read, answer) = postgres::read(work);
                engine.reads().blocking_send(read).map_err(|_| StoreError::Closed)?;
                answer.blocking_recv().unwrap_or_else(|_| Err(StoreError::Closed.into()))
            }
        }
    }

    /// The row with this id, as of now.
    pub async fn get<R: Row>(&self, id: R::Id) -> Result<Option<R>, StoreError> {
        self.read(move |tx| tx.get(id.clone())).await
    }

    /// Ids of the rows that pass a query's filters, from memory; microseconds for a million rows. Knows every commit that
    /// was answered before the call.
    pub fn page<R: Facets>(&self, query: &Query) -> Result<Page<R::Id>, StoreError> {
        self.0.publisher.projections.page::<R>(query)
    }

    /// How many rows pass a query's filters, as [`Store::page`] has it in its total.
    pub fn count<R: Facets>(&self, query: &Query) -> Result<u64, StoreError> {
        self.0.publisher.projections.count::<R>(query)
    }

    /// Subscribes to what is committed from now on.
    pub fn changes(&self) -> Changes {
        self.0.publisher.subscribe()
    }

    /// Waits until a transaction that set a wake was committed, since the last call. For one waiter.
    pub async fn woken(&self) {
        self.0.publisher.woken().await;
    }

    /// Writes a consistent copy of the database to a new SQLite file, while everything goes on. Blocks: a second or so
    /// per GB.
    pub fn backup(&self, path: &Path) -> Result<(), StoreError> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.backup(path),
            Engine::Postgres(postgres) => postgres.backup(path),
        }
    }

    async fn submit<T, E, F>(&self, purpose: Purpose, work: F) -> Result<T, WriteError<E>>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (job, answer) = job(purpose, work);
        self.queue().send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(WriteError::Store(StoreError::Closed)))
    }

    fn queue(&self) -> &mpsc::Sender<Box<dyn Job>> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.queue(),
            Engine::Postgres(postgres) => postgres.queue(),
        }
    }
}

/// Waits for the answer of another thread, on which the closure may have panicked.
async fn answered<T, E: From<StoreError>>(answer: oneshot::Receiver<Result<T, E>>) -> Result<T, E> {
    answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
}
