//! A copy of a server's database in one SQLite file, which Pileus opens as it is: a backup, and the way back to one machine.

use std::path::Path;

use ::postgres::fallible_iterator::FallibleIterator;
use ::postgres::{Config, IsolationLevel, NoTls, Transaction};
use rusqlite::Connection;

use super::session::error;
use crate::error::StoreError;
use crate::migrate;
use crate::schema::Schema;
use crate::sqlite::{Partial, error as sqlite_error};
use crate::tx::Record;
use crate::value::Value;

/// The tables, but for the ledger of migrations, which the new file has already.
const TABLES: &str = "SELECT table_name, string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns \
    WHERE table_schema = current_schema() AND table_name <> 'migration' GROUP BY table_name ORDER BY table_name";

/// Writes a consistent copy, which appears under its name only when it is whole and durable.
pub(super) fn backup(config: &Config, schema: &Schema, path: &Path) -> Result<(), StoreError> {
    let partial = Partial::beside(path)?;
    let mut target = Connection::open(&partial.0).map_err(sqlite_error)?;
    migrate::sqlite(&mut target, schema)?;
    let mut client = config.connect(NoTls).map_err(|failure| error("", &failure))?;
    // One that is deferred until it cannot meet others would wait; a snapshot is enough for reading.
    let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let mut snapshot = snapshot.map_err(|failure| error("", &failure))?;
    // The time limit is for those who wait in a queue.
    snapshot.batch_execute("SET LOCAL statement_timeout = 0").map_err(|failure| error("", &failure))?;
    let tables = snapshot.query(TABLES, &[]).map_err(|failure| error("", &failure))?;
    target.execute_batch("PRAGMA synchronous = OFF; BEGIN").map_err(sqlite_error)?;
    for table in &tables {
        copy(&mut snapshot, &target, table.get(0), table.get(1))?;
    }
    target.execute_batch("COMMIT").map_err(sqlite_error)?;
    target.close().map_err(|(_, failure)| sqlite_error(failure))?;
    partial.publish(path)
}

fn copy(source: &mut Transaction<'_>, target: &Connection, table: &str, columns: &str) -> Result<(), StoreError> {
    let failed = |failure| error("", &failure);
    let count = columns.split(',').count();
    let places: Vec<String> = (1..=count).map(|place| format!("?{place}")).collect();
    let insert = format!("INSERT INTO {table} ({columns}) VALUES ({})", places.join(", "));
    let mut insert = target.prepare(&insert).map_err(sqlite_error)?;
    let mut rows = source.query_raw(&format!("SELECT {columns} FROM {table}"), std::iter::empty::<&Value>()).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        for column in 0..count {
            insert.raw_bind_parameter(column + 1, Record::Postgres(&row).value(column)?).map_err(sqlite_error)?;
        }
        insert.raw_execute().map_err(sqlite_error)?;
    }
    Ok(())
}
