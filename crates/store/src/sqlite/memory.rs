//! What the writer remembers of quiet nouns: answers to queries, until a row of the table changes.
//!
//! In a burst each launch asks for the same image, subnets, group and quota. Nobody but the writer changes rows, so what it has read stays
//! true until it writes to that table itself, or undoes what it wrote. Readers see snapshots of their own and remember nothing.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;

use crate::value::Value;

/// Rows in the answers that are kept of each table, where one without rows counts as one; all of them go when there are more.
const ROWS_MAX: usize = 4_096;

/// Answers by statement and parameters.
type Answers = HashMap<Box<str>, HashMap<Vec<Value>, Box<dyn Any + Send>>>;

/// The answers of each table.
#[derive(Default)]
pub(crate) struct Memory(RefCell<HashMap<&'static str, Table>>);

#[derive(Default)]
struct Table {
    answers: Answers,
    rows: usize,
}

impl Memory {
    /// The answer to a query, if it is remembered. One statement always has answers of one type.
    pub(crate) fn recall<T: Clone + 'static>(&self, table: &'static str, sql: &str, values: &[Value]) -> Option<T> {
        let tables = self.0.borrow();
        tables.get(table)?.answers.get(sql)?.get(values)?.downcast_ref::<T>().cloned()
    }

    /// Remembers an answer of so many rows.
    pub(crate) fn keep<T: Clone + Send + 'static>(&self, table: &'static str, sql: &str, values: &[Value], answer: &T, rows: usize) {
        let mut tables = self.0.borrow_mut();
        let table = tables.entry(table).or_default();
        table.rows += rows.max(1);
        if table.rows > ROWS_MAX {
            *table = Table { rows: rows.max(1), ..Table::default() };
        }
        let answer = Box::new(answer.clone());
        match table.answers.get_mut(sql) {
            Some(answers) => drop(answers.insert(values.to_vec(), answer)),
            None => drop(table.answers.insert(sql.into(), HashMap::from([(values.to_vec(), answer as Box<dyn Any + Send>)]))),
        }
    }

    /// Forgets a table of which a row has changed.
    pub(crate) fn forget(&self, table: &'static str) {
        self.0.borrow_mut().remove(table);
    }

    /// Forgets everything: changes were undone.
    pub(crate) fn forget_all(&self) {
        self.0.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_again_until_their_table_changes() {
        let memory = Memory::default();
        let asked = [Value::Int(1)];
        assert_eq!(memory.recall::<Vec<u8>>("image", "one", &asked), None);
        memory.keep("image", "one", &asked, &vec![7_u8], 1);
        memory.keep("subnet", "one", &asked, &vec![8_u8], 1);
        assert_eq!(memory.recall("image", "one", &asked), Some(vec![7_u8]));
        assert_eq!(memory.recall::<Vec<u8>>("image", "one", &[Value::Int(2)]), None);
        assert_eq!(memory.recall::<Vec<u8>>("image", "two", &asked), None);
        memory.forget("image");
        assert_eq!(memory.recall::<Vec<u8>>("image", "one", &asked), None);
        assert_eq!(memory.recall("subnet", "one", &asked), Some(vec![8_u8]));
        memory.forget_all();
        assert_eq!(memory.recall::<Vec<u8>>("subnet", "one", &asked), None);
    }

    #[test]
    fn no_more_is_kept_of_a_table_than_the_limit() {
        let memory = Memory::default();
        let asked = |number: usize| [Value::Int(i64::try_from(number).expect("is small"))];
        let answers = ROWS_MAX / 64;
        for number in 0..answers {
            memory.keep("image", "one", &asked(number), &number, 64);
        }
        assert_eq!(memory.recall("image", "one", &asked(0)), Some(0_usize));
        memory.keep("image", "one", &asked(answers), &answers, 0);
        assert_eq!(memory.recall::<usize>("image", "one", &asked(0)), None);
        assert_eq!(memory.recall("image", "one", &asked(answers)), Some(answers));
    }
}
