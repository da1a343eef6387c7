//! Statements in one transaction of a client, and what its errors mean.

use std::collections::HashMap;
use std::error::Error as _;

use ::postgres::error::SqlState;
use ::postgres::types::private::BytesMut;
use ::postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use ::postgres::{Error, Row, Statement, Transaction};

use crate::error::StoreError;
use crate::tx::Cell;
use crate::value::Value;

/// A transaction, and the statements that its connection has prepared.
pub(crate) struct Session<'c> {
    tx: Transaction<'c>,
    statements: &'c mut HashMap<String, Statement>,
}

impl<'c> Session<'c> {
    pub(super) fn new(tx: Transaction<'c>, statements: &'c mut HashMap<String, Statement>) -> Session<'c> {
        Session { tx, statements }
    }

    /// A failure without the server's word for it leaves open what happened.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().map_err(|failure| if failure.as_db_error().is_some() { error("", &failure) } else { StoreError::Uncertain })
    }

    pub(crate) fn query<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        each: impl FnMut(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let statement = self.prepare(sql)?;
        let rows = self.tx.query(&statement, &parameters(values)).map_err(|failure| error("", &failure))?;
        rows.iter().map(each).collect()
    }

    pub(crate) fn execute(&mut self, table: &'static str, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql)?;
        self.tx.execute(&statement, &parameters(values)).map_err(|failure| error(table, &failure))
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        self.tx.batch_execute(sql).map_err(|failure| error("", &failure))
    }

    /// A statement that fails costs PostgreSQL's transaction, so a duplicate is first let pass, and named in a savepoint.
    pub(crate) fn insert(&mut self, table: &'static str, sql: &str, values: &[Value]) -> Result<(), StoreError> {
        if self.execute(table, &format!("{sql} ON CONFLICT DO NOTHING"), values)? > 0 {
            return Ok(());
        }
        let statement = self.prepare(sql)?;
        let mut savepoint = self.tx.transaction().map_err(|failure| error(table, &failure))?;
        savepoint.execute(&statement, &parameters(values)).map_err(|failure| error(table, &failure))?;
        savepoint.commit().map_err(|failure| error(table, &failure))
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.tx.prepare(sql).map_err(|failure| error("", &failure))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(number) => number.to_sql(kind, out),
            Value::Text(text) => text.as_ref().to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::TEXT)
    }

    to_sql_checked!();
}

pub(crate) fn cell(row: &Row, column: usize) -> Result<Cell<'_>, StoreError> {
    let failed = |failure| error("", &failure);
    Ok(match *row.columns()[column].type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(column).map_err(failed)?.map_or(Cell::Null, Cell::Int),
        _ => row.try_get::<_, Option<&str>>(column).map_err(failed)?.map_or(Cell::Null, Cell::Text),
    })
}

/// What a failure means to the caller.
pub(super) fn error(table: &'static str, failure: &Error) -> StoreError {
    let Some(told) = failure.as_db_error() else {
        return StoreError::Unreachable(explain(failure));
    };
    match *told.code() {
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => StoreError::Conflict,
        SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN => StoreError::Uncertain,
        SqlState::UNIQUE_VIOLATION => StoreError::Duplicate { table, constraint: columns(told.detail().unwrap_or_default()) },
        SqlState::DISK_FULL => StoreError::DiskFull,
        SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::INSUFFICIENT_PRIVILEGE => StoreError::ReadOnly(explain(failure)),
        SqlState::IN_FAILED_SQL_TRANSACTION => StoreError::Doomed,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW | SqlState::TOO_MANY_CONNECTIONS => {
            StoreError::Unreachable(explain(failure))
        }
        _ => StoreError::Engine(explain(failure)),
    }
}

/// The columns in `Key (account, name)=(7, web) already exists.`, whatever the server's language.
fn columns(detail: &str) -> String {
    let inside = detail.split_once('(').and_then(|(_, rest)| rest.split_once(")=")).map_or("", |(columns, _)| columns);
    inside.replace(", ", ",")
}

/// The failure with its causes, which the driver leaves out of its text.
pub(crate) fn explain(failure: &Error) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
