//! What can go wrong with the database, by what the caller can do about it.
//!
//! Refusals of the business (quota, state, policy) are not here: a closure brings its own error type and gets it back in
//! [`WriteError::Refused`].

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A row with the same id, or the same value of a unique constraint, is there already.
    #[error("a row of {table} with the same {constraint} exists")]
    Duplicate {
        /// The table.
        table: &'static str,
        /// The columns of the constraint, comma-separated without spaces, in its order: `id`, `account,name`.
        constraint: String,
    },
    /// The row to be changed is not there.
    #[error("the row of {table} is not there")]
    Missing {
        /// The table.
        table: &'static str,
    },
    /// The value cannot be stored in both engines: a text with a NUL, an id above `i64::MAX - 1`.
    #[error("{what} cannot be stored in {table}")]
    Unstorable {
        /// The table.
        table: &'static str,
        /// What it was.
        what: &'static str,
    },
    /// The document of a row does not have the shape of its type.
    #[error("a row of {table} cannot be read: {why}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// What the decoder said.
        why: String,
    },
    /// No projection of the table is kept, or none of this column: a defect of the caller.
    #[error("{table} cannot be filtered by {column}")]
    NoFacet {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The closure went on after a refused update; nothing of it was kept.
    #[error("the transaction had failed before")]
    Doomed,
    /// Other transactions were in the way in every try.
    #[error("the transaction met others in each of its tries")]
    Conflict,
    /// The disk has no room; nothing was kept, and writes go on when there is room again.
    #[error("the disk is full")]
    DiskFull,
    /// The file or its folder cannot be written.
    #[error("the database cannot be written: {0}")]
    ReadOnly(String),
    /// Another process has the database open.
    #[error("another process uses the database")]
    InUse,
    /// The server cannot be reached, or the connection broke before a commit was asked for; nothing was kept.
    #[error("the database server cannot be reached: {0}")]
    Unreachable(String),
    /// The connection broke while committing: the changes are either all kept or all lost.
    #[error("the connection broke during a commit, whose result is not known")]
    Uncertain,
    /// The migrations do not fit what the database has gone through.
    #[error("migration {number}: {why}")]
    Migration {
        /// The migration.
        number: u32,
        /// What is wrong.
        why: String,
    },
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
    /// The engine refused for another reason: a defect here, or a damaged disk.
    #[error("the database refused: {0}")]
    Engine(String),
}

/// Why a write did not happen. Nothing of it was kept, but for [`StoreError::Uncertain`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<E> {
    /// The closure itself said no.
    #[error(transparent)]
    Refused(E),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The closure panicked.
    #[error("the transaction panicked: {0}")]
    Panicked(String),
}

impl<E> WriteError<E> {
    /// The closure's own refusal, if it was that.
    pub fn refused(self) -> Option<E> {
        match self {
            WriteError::Refused(error) => Some(error),
            WriteError::Store(_) | WriteError::Panicked(_) => None,
        }
    }
}
