//! Brings a database to the shape of this version: numbered SQL files, each run once, in order.
//!
//! Own code (a table, a loop and a checksum) rather than a migration library: the same text must go through the two
//! changes that SQLite needs, which a library would hide behind two drivers.
//!
//! A file that was applied must never change again; the database remembers the SHA-256 of each.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::schema::{Migration, Schema};

/// Remembers what was applied.
const LEDGER: &str = "CREATE TABLE IF NOT EXISTS migration (number BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)";
/// Reads it.
const APPLIED: &str = "SELECT number, checksum FROM migration ORDER BY number";

/// Brings an SQLite database up to date, all or nothing.
pub(crate) fn sqlite(connection: &mut Connection, schema: &Schema) -> Result<(), StoreError> {
    let failed = |number| move |error: rusqlite::Error| StoreError::Migration { number, why: error.to_string() };
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(|error| {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ReadOnly) => StoreError::ReadOnly(error.to_string()),
            Some(rusqlite::ErrorCode::DatabaseBusy) => StoreError::InUse,
            _ => failed(0)(error),
        }
    })?;
    tx.execute_batch(&sqlite_text(LEDGER)).map_err(failed(0))?;
    let applied = {
        let mut statement = tx.prepare(APPLIED).map_err(failed(0))?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed(0))?;
        rows.collect::<Result<Vec<(i64, String)>, _>>().map_err(failed(0))?
    };
    for migration in missing(schema, &applied)? {
        tx.execute_batch(&sqlite_text(migration.sql)).map_err(failed(migration.number))?;
        tx.execute("INSERT INTO migration VALUES (?1, ?2, ?3)", (migration.number, migration.name, checksum(migration.sql)))
            .map_err(failed(migration.number))?;
    }
    tx.commit().map_err(failed(0))
}

/// Brings a PostgreSQL database up to date, all or nothing.
pub(crate) fn postgres(client: &mut ::postgres::Client, schema: &Schema) -> Result<(), StoreError> {
    let failed = |number| move |error: ::postgres::Error| StoreError::Migration { number, why: crate::postgres::explain(&error) };
    let mut tx = client.transaction().map_err(failed(0))?;
    tx.batch_execute(LEDGER).map_err(failed(0))?;
    let applied: Vec<(i64, String)> = tx.query(APPLIED, &[]).map_err(failed(0))?.iter().map(|row| (row.get(0), row.get(1))).collect();
    for migration in missing(schema, &applied)? {
        tx.batch_execute(migration.sql).map_err(failed(migration.number))?;
        tx.execute("INSERT INTO migration VALUES ($1, $2, $3)", &[&i64::from(migration.number), &migration.name, &checksum(migration.sql)])
            .map_err(failed(migration.number))?;
    }
    tx.commit().map_err(failed(0))
}

/// SQLite keeps rows by id only where the type's name is exactly `INTEGER`.
fn sqlite_text(sql: &str) -> String {
    sql.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
}

/// What is still to be applied; an error if what was applied is not what this version has.
fn missing<'s>(schema: &'s Schema, applied: &[(i64, String)]) -> Result<&'s [Migration], StoreError> {
    let known = &schema.migrations;
    for ((number, checksum_then), at) in applied.iter().zip(0..) {
        let migration = known.get(at).filter(|migration| i64::from(migration.number) == *number).ok_or_else(|| StoreError::Migration {
            number: u32::try_from(*number).unwrap_or(u32::MAX),
            why: "the database went through a migration that this version does not have".to_owned(),
        })?;
        if checksum(migration.sql) != *checksum_then {
            let why = "the file differs from what was applied to the database".to_owned();
            return Err(StoreError::Migration { number: migration.number, why });
        }
    }
    Ok(&known[applied.len()..])
}

fn checksum(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
