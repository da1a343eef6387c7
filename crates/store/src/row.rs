//! How a struct of the model becomes a row: its JSON document in `body`, its id, and the columns that constraints,
//! look-ups and order need.
//!
//! Columns are computed from the struct in one place, [`Row::COLUMNS`], at every write, so they cannot disagree with the
//! document. Nothing is read back from them but by a projection.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::value::{Key, Value};

/// A noun as the store sees it: one struct, one table.
///
/// The table has `id` first, then the columns in any order, then `body TEXT NOT NULL` last (so that a scan of the columns
/// does not page through documents).
pub trait Row: Serialize + DeserializeOwned + Clone + Send + 'static {
    /// The id's type.
    type Id: Key;
    /// Name of the table.
    const TABLE: &'static str;
    /// The columns beside `id` and `body`.
    const COLUMNS: &'static [Column<Self>];
    /// Whether rows change so seldom beside being read that the writer remembers what it read of them.
    const QUIET: bool = false;
    /// The id of this row.
    fn id(&self) -> Self::Id;
}

/// A column: its name, and how its value follows from the struct.
pub struct Column<R: ?Sized> {
    pub(crate) name: &'static str,
    pub(crate) value: fn(&R) -> Value,
}

impl<R> Column<R> {
    /// Names a column and computes it.
    pub const fn new(name: &'static str, value: fn(&R) -> Value) -> Column<R> {
        Column { name, value }
    }
}

/// Which rows of a table, in which order, and how many: conditions on columns, joined by "and", ordered by id.
///
/// ```
/// # use pileus_store::By;
/// let page = By::is("account", 7).and("state", "running").above("id", 1000).first(100);
/// ```
#[derive(Debug, Clone, Default)]
pub struct By {
    conditions: Vec<(&'static str, Test, Value)>,
    order: Option<&'static str>,
    backwards: bool,
    limit: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Test {
    Is,
    Above,
    Below,
    AtMost,
}

impl By {
    /// Every row.
    pub fn all() -> By {
        By::default()
    }

    /// Rows whose column has this value; [`Value::Null`] asks for rows without one.
    pub fn is(column: &'static str, value: impl Into<Value>) -> By {
        By::all().and(column, value)
    }

    /// Of these, rows whose column has this value.
    pub fn and(self, column: &'static str, value: impl Into<Value>) -> By {
        self.with(column, Test::Is, value.into())
    }

    /// Of these, rows whose column is greater: `.above("id", last)` is the next page.
    pub fn above(self, column: &'static str, value: impl Into<Value>) -> By {
        self.with(column, Test::Above, value.into())
    }

    /// Of these, rows whose column is smaller.
    pub fn below(self, column: &'static str, value: impl Into<Value>) -> By {
        self.with(column, Test::Below, value.into())
    }

    /// Of these, rows whose column is not greater.
    pub fn at_most(self, column: &'static str, value: impl Into<Value>) -> By {
        self.with(column, Test::AtMost, value.into())
    }

    /// Ordered by this column, rows with the same value by id, instead of by id alone.
    pub fn ordered_by(mut self, column: &'static str) -> By {
        self.order = Some(column);
        self
    }

    /// In falling order.
    pub fn backwards(mut self) -> By {
        self.backwards = !self.backwards;
        self
    }

    /// No more than so many.
    pub fn first(mut self, limit: u32) -> By {
        self.limit = Some(limit);
        self
    }

    fn with(mut self, column: &'static str, test: Test, value: Value) -> By {
        self.conditions.push((column, test, value));
        self
    }

    /// `begin WHERE ...` with numbered parameters, and their values. Each read makes such a text, so no formatter is used.
    pub(crate) fn filter(&self, begin: &str) -> (String, Vec<Value>) {
        let mut sql = String::with_capacity(ROOM);
        sql.push_str(begin);
        let mut values = Vec::with_capacity(self.conditions.len() + 1);
        for (at, (column, test, value)) in self.conditions.iter().enumerate() {
            sql.push_str(if at == 0 { " WHERE " } else { " AND " });
            sql.push_str(column);
            sql.push_str(match (test, value) {
                (Test::Is, Value::Null) => {
                    sql.push_str(" IS NULL");
                    continue;
                }
                (Test::Is, Value::Int(_) | Value::Text(_)) => " = $",
                (Test::Above, _) => " > $",
                (Test::Below, _) => " < $",
                (Test::AtMost, _) => " <= $",
            });
            values.push(value.clone());
            push_number(&mut sql, values.len());
        }
        (sql, values)
    }

    /// `begin WHERE ... ORDER BY ... LIMIT ...` with numbered parameters, and their values.
    pub(crate) fn select(&self, begin: &str) -> (String, Vec<Value>) {
        let (mut sql, mut values) = self.filter(begin);
        let direction = if self.backwards { " DESC" } else { "" };
        sql.push_str(" ORDER BY ");
        if let Some(column) = self.order {
            sql.extend([column, direction, ", "]);
        }
        sql.extend(["id", direction]);
        if let Some(limit) = self.limit {
            values.push(limit.into());
            sql.push_str(" LIMIT $");
            push_number(&mut sql, values.len());
        }
        (sql, values)
    }
}

/// Room for most statements.
const ROOM: usize = 256;

/// Appends the number of a parameter, of which a statement has few.
fn push_number(sql: &mut String, number: usize) {
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => sql.push(char::from(b'0' + digit)),
        _ => sql.push_str(&number.to_string()),
    }
}

/// The statements on one table. Numbers of parameters first appear in their order, as [`crate::sqlite`] needs them.
pub(crate) struct Statements {
    /// `SELECT body FROM table`, to go on with conditions.
    pub(crate) list: String,
    pub(crate) get: String,
    /// All columns of a row but its id and document.
    pub(crate) columns: String,
    pub(crate) insert: String,
    /// Of all columns: the parameters are these, the document and the id.
    pub(crate) update: String,
    pub(crate) delete: String,
    /// Updates of some columns and the document, by the columns' bits.
    updates: RefCell<HashMap<u64, Rc<str>>>,
}

impl Statements {
    /// The statements of a row's table, made once for each thread.
    pub(crate) fn of<R: Row>() -> Rc<Statements> {
        thread_local! {
            static MADE: RefCell<HashMap<TypeId, Rc<Statements>>> = RefCell::new(HashMap::new());
        }
        MADE.with_borrow_mut(|made| made.entry(TypeId::of::<R>()).or_insert_with(|| Rc::new(Statements::make::<R>())).clone())
    }

    fn make<R: Row>() -> Statements {
        let (table, body) = (R::TABLE, R::COLUMNS.len() + 2);
        let names: String = R::COLUMNS.iter().map(|c| format!("{}, ", c.name)).collect();
        let places: String = (2..body).map(|n| format!("${n}, ")).collect();
        let sets: String = R::COLUMNS.iter().zip(1..).map(|(c, n)| format!("{} = ${n}, ", c.name)).collect();
        Statements {
            list: format!("SELECT body FROM {table}"),
            get: format!("SELECT body FROM {table} WHERE id = $1"),
            insert: format!("INSERT INTO {table} (id, {names}body) VALUES ($1, {places}${body})"),
            update: format!("UPDATE {table} SET {sets}body = ${} WHERE id = ${body}", body - 1),
            delete: format!("DELETE FROM {table} WHERE id = $1"),
            columns: format!("SELECT {} FROM {table} WHERE id = $1", names.trim_end_matches(", ")),
            updates: RefCell::default(),
        }
    }

    /// Updates the columns whose bits are set, and the document: the parameters are these, the document and the id.
    pub(crate) fn update_of<R: Row>(&self, bits: u64) -> Rc<str> {
        let make = || {
            let set = R::COLUMNS.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).zip(1..);
            let sets: String = set.map(|((_, column), n)| format!("{} = ${n}, ", column.name)).collect();
            let body = bits.count_ones() + 1;
            format!("UPDATE {} SET {sets}body = ${body} WHERE id = ${}", R::TABLE, body + 1).into()
        };
        self.updates.borrow_mut().entry(bits).or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_become_numbered_parameters() {
        let by = By::is("account", 7).and("host", Value::Null).and("name", "a").at_most("due", 9);
        let (sql, values) = by.backwards().first(5).select("SELECT 1");
        assert_eq!(sql, "SELECT 1 WHERE account = $1 AND host IS NULL AND name = $2 AND due <= $3 ORDER BY id DESC LIMIT $4");
        assert_eq!(values, [7.into(), "a".into(), 9.into(), Value::Int(5)]);
        assert_eq!(By::is("host", Value::Null).and("zone", "a").select("").0, " WHERE host IS NULL AND zone = $1 ORDER BY id");
    }
}
