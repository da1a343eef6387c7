//! A transaction as a closure sees it: rows by id, rows by columns, and what it has changed so far.
//!
//! Synchronous, and the same over both engines. Reading takes `&Tx` and writing `&mut Tx`, so that a reading closure cannot
//! write. A transaction does nothing but SQL: its closure may be run again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::changes::{Change, Document, Effects, What};
use crate::error::StoreError;
use crate::postgres::Session;
use crate::row::{By, Row, Statements};
use crate::sqlite::{self, Memory};
use crate::value::{BEYOND, Key, Value};

/// A transaction, or a consistent snapshot where it cannot be written to.
pub struct Tx<'c> {
    link: Link<'c>,
    memory: Option<&'c Memory>,
    effects: Effects,
    fault: RefCell<Option<StoreError>>,
    has_written: std::cell::Cell<bool>,
}

/// The engine's end of a transaction.
pub(crate) enum Link<'c> {
    Sqlite(&'c rusqlite::Connection),
    Postgres(RefCell<Session<'c>>),
}

/// A result row of either engine.
pub(crate) enum Record<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r ::postgres::Row),
}

/// A value of a result, not yet taken out of the driver's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'r> {
    Null,
    Int(i64),
    Text(&'r str),
}

impl Cell<'_> {
    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Cell::Null, Value::Null) => true,
            (Cell::Int(number), Value::Int(other)) => number == other,
            (Cell::Text(text), Value::Text(other)) => **text == **other,
            (Cell::Null | Cell::Int(_) | Cell::Text(_), _) => false,
        }
    }
}

impl Record<'_> {
    pub(crate) fn cell(&self, column: usize) -> Result<Cell<'_>, StoreError> {
        match self {
            Record::Sqlite(row) => sqlite::cell(row, column),
            Record::Postgres(row) => crate::postgres::cell(row, column),
        }
    }

    /// The value of a column.
    pub(crate) fn value(&self, column: usize) -> Result<Value, StoreError> {
        Ok(match self.cell(column)? {
            Cell::Null => Value::Null,
            Cell::Int(number) => Value::Int(number),
            Cell::Text(text) => Value::from(text),
        })
    }

    /// The text of a column that is never NULL.
    pub(crate) fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.cell(column)? {
            Cell::Text(text) => Ok(text),
            Cell::Null | Cell::Int(_) => Err(StoreError::Engine(format!("column {column} of a result is not a text"))),
        }
    }

    /// The number in a column that is never NULL.
    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.cell(column)? {
            Cell::Int(number) => Ok(number),
            Cell::Null | Cell::Text(_) => Err(StoreError::Engine(format!("column {column} of a result is not a number"))),
        }
    }
}

/// Columns of a row that is compared before it is written: one bit for each.
const COMPARED_MAX: usize = 64;
/// Bytes that are kept for the next document; longer ones are seldom.
const DOCUMENT_ROOM_MAX: usize = 1 << 20;
/// `IN` lists are padded to these lengths, so that few statements are prepared.
const IN_LISTS: [usize; 4] = [1, 8, 32, 128];
/// Rows of an answer that is remembered at most: longer ones are seldom asked for again before one of them changes.
const REMEMBERED_ROWS_MAX: usize = 64;

impl<'c> Tx<'c> {
    pub(crate) fn new(link: Link<'c>) -> Tx<'c> {
        Tx { link, memory: None, effects: Effects::default(), fault: RefCell::new(None), has_written: std::cell::Cell::new(false) }
    }

    /// A transaction of the one that writes, which remembers.
    pub(crate) fn with_memory(link: Link<'c>, memory: &'c Memory) -> Tx<'c> {
        Tx { memory: Some(memory), ..Tx::new(link) }
    }

    /// The row with this id.
    pub fn get<R: Row>(&self, id: R::Id) -> Result<Option<R>, StoreError> {
        Ok(self.rows(&Statements::of::<R>().get, &[id.to_value()])?.into_iter().next())
    }

    /// The rows with these ids, in their order, without those that are not there.
    pub fn get_many<R: Row>(&self, ids: &[R::Id]) -> Result<Vec<R>, StoreError> {
        if let [id] = ids {
            return Ok(self.get(id.clone())?.into_iter().collect());
        }
        let values: Vec<Value> = ids.iter().map(Key::to_value).collect();
        let mut found: HashMap<Value, R> = self.list_any::<R>("id", &values)?.into_iter().map(|row| (row.id().to_value(), row)).collect();
        Ok(values.iter().filter_map(|id| found.remove(id)).collect())
    }

    /// The rows whose column has one of these values, in no order.
    pub fn list_any<R: Row>(&self, column: &'static str, values: &[Value]) -> Result<Vec<R>, StoreError> {
        self.columns_any::<R, R>("body", column, values, document::<R>)
    }

    /// Columns of the rows whose column has one of these values, in no order.
    pub(crate) fn columns_any<R: Row, T>(
        &self,
        columns: &'static str,
        column: &'static str,
        values: &[Value],
        mut read: impl FnMut(Record<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::with_capacity(values.len());
        for some in values.chunks(IN_LISTS[IN_LISTS.len() - 1]) {
            let length = IN_LISTS.into_iter().find(|length| *length >= some.len()).expect("chunks are no longer than the longest list");
            let places: String = (1..=length).map(|n| if n == 1 { "$1".to_owned() } else { format!(", ${n}") }).collect();
            let last = some.last().expect("chunks are not empty");
            let padded: Vec<Value> = (0..length).map(|n| some.get(n).unwrap_or(last).clone()).collect();
            let sql = format!("SELECT {columns} FROM {} WHERE {column} IN ({places})", R::TABLE);
            found.extend(self.query(&sql, &padded, &mut read)?);
        }
        Ok(found)
    }

    /// The rows that fit.
    pub fn list<R: Row>(&self, by: By) -> Result<Vec<R>, StoreError> {
        let (sql, values) = by.select(&Statements::of::<R>().list);
        self.rows(&sql, &values)
    }

    /// The first row that fits.
    pub fn find<R: Row>(&self, by: By) -> Result<Option<R>, StoreError> {
        Ok(self.list(by.first(1))?.into_iter().next())
    }

    /// How many rows fit. The order and the limit do not matter.
    pub fn count<R: Row>(&self, by: By) -> Result<u64, StoreError> {
        let (sql, values) = by.filter(&format!("SELECT COUNT(*) FROM {}", R::TABLE));
        Ok(self.number::<R>(&sql, &values)?.unsigned_abs())
    }

    /// How many rows fit, counted no further than `at_most`, so that it costs no more than that.
    pub fn count_up_to<R: Row>(&self, by: By, at_most: u64) -> Result<u64, StoreError> {
        let at_most = u32::try_from(at_most).unwrap_or(u32::MAX);
        let (mut sql, values) = by.first(at_most).select(&format!("SELECT COUNT(*) FROM (SELECT 1 FROM {}", R::TABLE));
        sql.push_str(") AS found");
        Ok(self.number::<R>(&sql, &values)?.unsigned_abs())
    }

    /// The sum of a column over the rows that fit; 0 when none do. The order and the limit do not matter.
    pub fn sum<R: Row>(&self, column: &'static str, by: By) -> Result<i64, StoreError> {
        // PostgreSQL's SUM of BIGINT is NUMERIC.
        let (sql, values) = by.filter(&format!("SELECT CAST(COALESCE(SUM({column}), 0) AS BIGINT) FROM {}", R::TABLE));
        self.number::<R>(&sql, &values)
    }

    /// Rows by their documents.
    fn rows<R: Row>(&self, sql: &str, values: &[Value]) -> Result<Vec<R>, StoreError> {
        self.remembered::<R, _>(sql, values, || self.query(sql, values, document::<R>), Vec::len)
    }

    /// The one number of a result; 0 when there is none.
    fn number<R: Row>(&self, sql: &str, values: &[Value]) -> Result<i64, StoreError> {
        let ask = || Ok(self.query(sql, values, |record| record.int(0))?.first().copied().unwrap_or(0));
        self.remembered::<R, _>(sql, values, ask, |_| 0)
    }

    /// What a query about a quiet noun was answered last time, if nothing can differ since; else asks, and keeps an answer of few rows.
    fn remembered<R: Row, T: Clone + Send + 'static>(
        &self,
        sql: &str,
        values: &[Value],
        ask: impl FnOnce() -> Result<T, StoreError>,
        rows: impl FnOnce(&T) -> usize,
    ) -> Result<T, StoreError> {
        let Some(memory) = self.memory.filter(|_| R::QUIET) else { return ask() };
        self.usable()?;
        if let Some(answer) = memory.recall(R::TABLE, sql, values) {
            return Ok(answer);
        }
        let answer = ask()?;
        let rows = rows(&answer);
        if rows <= REMEMBERED_ROWS_MAX {
            memory.keep(R::TABLE, sql, values, &answer, rows);
        }
        Ok(answer)
    }

    /// Runs a part of the transaction of which nothing stays when it refuses; the transaction goes on after it, unless the database
    /// itself failed.
    pub fn attempt<T, E: From<StoreError>>(&mut self, part: impl FnOnce(&mut Tx<'c>) -> Result<T, E>) -> Result<Result<T, E>, StoreError> {
        self.savepoint("SAVEPOINT attempt")?;
        let changes = self.effects.changes.len();
        let done = part(self);
        // Whatever was asleep before is woken in vain at worst.
        if done.is_err() {
            self.savepoint("ROLLBACK TO SAVEPOINT attempt")?;
            self.effects.changes.truncate(changes);
            self.memory.inspect(|memory| memory.forget_all());
        }
        self.savepoint("RELEASE SAVEPOINT attempt")?;
        Ok(done)
    }

    fn savepoint(&self, sql: &'static str) -> Result<(), StoreError> {
        self.usable()?;
        let result = match &self.link {
            Link::Sqlite(connection) => sqlite::execute(connection, "", sql, &[]).map(drop),
            Link::Postgres(session) => session.borrow_mut().batch(sql),
        };
        self.note(result)
    }

    /// Adds a row. [`StoreError::Duplicate`] says which unique constraint was in the way; the transaction may go on after it.
    pub fn insert<R: Row>(&mut self, row: &R) -> Result<(), StoreError> {
        let (values, what) = self.written(row)?;
        let result = match &self.link {
            Link::Sqlite(connection) => sqlite::insert(connection, R::TABLE, &Statements::of::<R>().insert, &values),
            Link::Postgres(session) => session.borrow_mut().insert(R::TABLE, &Statements::of::<R>().insert, &values),
        };
        self.note(result)?;
        self.has_written.set(true);
        self.changed::<R>(values, What::Inserted(what));
        Ok(())
    }

    /// Replaces the row with the same id. [`StoreError::Missing`] if there is none; [`StoreError::Duplicate`] if another row has
    /// a value that must be unique, after which the transaction can only end.
    pub fn update<R: Row>(&mut self, row: &R) -> Result<(), StoreError> {
        let (values, what) = self.written(row)?;
        let done = self.replace::<R>(&values);
        if let Err(error @ StoreError::Duplicate { .. }) = &done {
            // PostgreSQL has given the transaction up; SQLite follows, so that both behave alike.
            self.fault.borrow_mut().get_or_insert(error.clone());
        }
        if done? == 0 {
            return Err(StoreError::Missing { table: R::TABLE });
        }
        self.changed::<R>(values, What::Updated(what));
        Ok(())
    }

    /// Replaces the row with the same id, or adds it.
    pub fn put<R: Row>(&mut self, row: &R) -> Result<(), StoreError> {
        match self.update(row) {
            Err(StoreError::Missing { .. }) => self.insert(row),
            done => done,
        }
    }

    /// Removes a row; false when it was not there.
    pub fn delete<R: Row>(&mut self, id: R::Id) -> Result<bool, StoreError> {
        let id = id.to_value();
        let gone = self.run(R::TABLE, &Statements::of::<R>().delete, std::slice::from_ref(&id))? > 0;
        if gone {
            self.forget::<R>();
            self.effects.changes.push(Change { table: R::TABLE, id, what: What::Deleted });
        }
        Ok(gone)
    }

    /// Runs a statement that changes something other than a row of a noun; how many records it touched.
    pub(crate) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        self.run("", sql, values)
    }

    /// Runs a query. A text with a NUL is stored nowhere, so it matches nothing.
    pub(crate) fn query<T>(
        &self,
        sql: &str,
        values: &[Value],
        mut each: impl FnMut(Record<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.usable()?;
        if !values.iter().all(Value::is_storable) {
            return Ok(Vec::new());
        }
        let result = match &self.link {
            Link::Sqlite(connection) => sqlite::query(connection, sql, values, |row| each(Record::Sqlite(row))),
            Link::Postgres(session) => session.borrow_mut().query(sql, values, |row| each(Record::Postgres(row))),
        };
        self.note(result)
    }

    /// Notes that someone's sleep was shortened.
    pub(crate) fn woke(&mut self) {
        self.effects.woke = true;
    }

    /// The engine's end, and what the transaction did.
    pub(crate) fn end(self) -> (Link<'c>, Effects) {
        (self.link, self.effects)
    }

    /// Whether anything in the database differs for it.
    pub(crate) fn has_written(&self) -> bool {
        self.has_written.get()
    }

    /// What broke the transaction so far.
    pub(crate) fn fault(&self) -> Option<StoreError> {
        self.fault.borrow().clone()
    }

    fn run(&self, table: &'static str, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        self.usable()?;
        if !values.iter().all(Value::is_storable) {
            return Err(StoreError::Unstorable { table, what: "a text with a NUL" });
        }
        let result = match &self.link {
            Link::Sqlite(connection) => sqlite::execute(connection, table, sql, values),
            Link::Postgres(session) => session.borrow_mut().execute(table, sql, values),
        };
        if result.as_ref().is_ok_and(|touched| *touched > 0) {
            self.has_written.set(true);
        }
        self.note(result)
    }

    /// Writes the columns of a row that differ from what is there. SQLite renews every index with a column that is set, whether or
    /// not its value differs (which it is quicker to look at first); PostgreSQL compares by itself.
    fn replace<R: Row>(&mut self, values: &[Value]) -> Result<u64, StoreError> {
        let statements = Statements::of::<R>();
        let columns = &values[1..values.len() - 1];
        if matches!(self.link, Link::Postgres(_)) || columns.is_empty() || columns.len() > COMPARED_MAX {
            let mut values = values.to_vec();
            values.rotate_left(1);
            return self.run(R::TABLE, &statements.update, &values);
        }
        let compared = |record: Record<'_>| {
            let mut differing = 0_u64;
            for (at, column) in columns.iter().enumerate() {
                differing |= u64::from(!record.cell(at)?.is(column)) << at;
            }
            Ok(differing)
        };
        let Some(differing) = self.query(&statements.columns, &values[..1], compared)?.into_iter().next() else { return Ok(0) };
        let mut some: Vec<Value> = Vec::with_capacity(values.len());
        some.extend(columns.iter().enumerate().filter(|(at, _)| differing >> at & 1 == 1).map(|(_, value)| value.clone()));
        some.extend(values.last().cloned());
        some.push(values[0].clone());
        self.run(R::TABLE, &statements.update_of::<R>(differing), &some)
    }

    fn usable(&self) -> Result<(), StoreError> {
        if self.fault.borrow().is_some() { Err(StoreError::Doomed) } else { Ok(()) }
    }

    /// Remembers a failure after which the engine would not go on.
    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            match error {
                StoreError::Duplicate { .. }
                | StoreError::Missing { .. }
                | StoreError::Unstorable { .. }
                | StoreError::Unreadable { .. }
                | StoreError::NoFacet { .. }
                | StoreError::Doomed => {}
                StoreError::Conflict
                | StoreError::DiskFull
                | StoreError::ReadOnly(_)
                | StoreError::InUse
                | StoreError::Unreachable(_)
                | StoreError::Uncertain
                | StoreError::Migration { .. }
                | StoreError::Closed
                | StoreError::Engine(_) => {
                    self.fault.borrow_mut().get_or_insert(error.clone());
                }
            }
        }
        result
    }

    /// The values of a row, id first and document last, and what is told of it.
    fn written<R: Row>(&self, row: &R) -> Result<(Vec<Value>, Document), StoreError> {
        self.usable()?;
        let table = R::TABLE;
        let body = document_of(row).map_err(|why| StoreError::Unreadable { table, why })?;
        let id = row.id().to_value();
        let columns: Vec<Value> = R::COLUMNS.iter().map(|column| (column.value)(row)).collect();
        if id == Value::Int(BEYOND) || id == Value::Null {
            return Err(StoreError::Unstorable { table, what: "an id beyond the last" });
        }
        if !id.is_storable() || !columns.iter().all(Value::is_storable) {
            return Err(StoreError::Unstorable { table, what: "a text with a NUL" });
        }
        let mut values = Vec::with_capacity(columns.len() + 2);
        values.push(id);
        values.extend(columns.iter().cloned());
        values.push(Value::Text(body.clone()));
        Ok((values, Document { columns, body }))
    }

    fn forget<R: Row>(&self) {
        if let Some(memory) = self.memory.filter(|_| R::QUIET) {
            memory.forget(R::TABLE);
        }
    }

    fn changed<R: Row>(&mut self, values: Vec<Value>, what: What) {
        self.forget::<R>();
        let id = values.into_iter().next().expect("a row's values begin with its id");
        self.effects.changes.push(Change { table: R::TABLE, id, what });
    }
}

/// An id and a generation; none for an id that no command makes.
pub(crate) fn asked<I: Key>(record: Record<'_>) -> Result<Option<(I, u64)>, StoreError> {
    Ok(I::from_value(&record.value(0)?).zip(Some(record.int(1)?.unsigned_abs())))
}

/// The document of a row: written where the one before it was, so that no room grows step by step for each.
fn document_of<R: Row>(row: &R) -> Result<Arc<str>, String> {
    thread_local! {
        static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    // A row's own serializing writes no row, but a second room costs nothing.
    let mut room = ROOM.take();
    room.clear();
    serde_json::to_writer(&mut room, row).map_err(|error| error.to_string())?;
    let document = std::str::from_utf8(&room).map_err(|error| error.to_string())?.into();
    if room.capacity() <= DOCUMENT_ROOM_MAX {
        ROOM.set(room);
    }
    Ok(document)
}

pub(crate) fn document<R: Row>(record: Record<'_>) -> Result<R, StoreError> {
    serde_json::from_str(record.text(0)?).map_err(|error| StoreError::Unreadable { table: R::TABLE, why: error.to_string() })
}
