//! What the writer remembers of quiet nouns: answers to queries, until a row of the table changes.
//!
//! In a burst each launch asks for the same image, subnets, group and quota. Nobody but the writer changes rows, so what it has read stays
//! true until it writes to that table itself, or undoes what it wrote. Readers see snapshots of their own and remember nothing.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;

use crate::value::Value;

/// Answers kept of each table; all of them go when there is one more.
const ANSWERS_MAX: usize = 1_024;

/// Answers by statement and parameters.
type Answers = HashMap<Box<str>, HashMap<Vec<Value>, Box<dyn Any + Send>>>;

/// The answers of each table.
#[derive(Default)]
pub(crate) struct Memory(RefCell<HashMap<&'static str, Table>>);

#[derive(Default)]
struct Table {
    answers: Answers,
    kept: usize,
}

impl Memory {
    /// The answer to a query, if it is remembered. One statement always has answers of one type.
    pub(crate) fn recall<T: Clone + 'static>(&self, table: &'static str, sql: &str, values: &[Value]) -> Option<T> {
        let tables = self.0.borrow();
        tables.get(table)?.answers.get(sql)?.get(values)?.downcast_ref::<T>().cloned()
    }

    /// Remembers an answer.
    pub(crate) fn keep<T: Clone + Send + 'static>(&self, table: &'static str, sql: &str, values: &[Value], answer: &T) {
        let mut tables = self.0.borrow_mut();
        let table = tables.entry(table).or_default();
        if table.kept >= ANSWERS_MAX {
            *table = Table::default();
        }
        table.kept += 1;
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
        memory.keep("image", "one", &asked, &vec![7_u8]);
        memory.keep("subnet", "one", &asked, &vec![8_u8]);
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
        for number in 0..=ANSWERS_MAX {
            memory.keep("image", "one", &[Value::Int(i64::try_from(number).expect("is small"))], &number);
        }
        assert_eq!(memory.recall::<usize>("image", "one", &[Value::Int(0)]), None);
        assert_eq!(memory.recall("image", "one", &[Value::Int(1_024)]), Some(ANSWERS_MAX));
    }
}
