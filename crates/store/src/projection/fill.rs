//! Makes an index from a table that holds a million rows, on all cores.
//!
//! ```text
//! range of ids -> thread: SELECT id, columns -> part: ids, values numbered as met, numbers in rows  --+
//! range of ids -> thread:            ...     -> part                                                  +-> field: thread
//!   (a thread that finds its range long shares the rest with others)                                --+   field: thread
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::index::{Field, Index, Rows};
use super::{Facet, Layout};
use crate::error::StoreError;
use crate::store::Store;
use crate::tx::{Cell, Tx};
use crate::value::{BEYOND, Value};

/// Rows read in one statement: some 50 ms, after which the rest may be shared.
const PORTION: u32 = 32_768;
/// Threads at most; more would wait for the disk.
const THREADS: usize = 8;

pub(super) fn fill(store: &Store, layout: &Layout) -> Result<Index, StoreError> {
    let mut parts = scan(store, layout)?;
    parts.sort_unstable_by_key(|part| part.ids.first().copied());
    let fields = fields(layout.facets, &parts);
    let ids = parts.iter().flat_map(|part| part.ids.iter().copied()).collect();
    Ok(Index::of(ids, fields))
}

/// Rows of one range, in order.
#[derive(Debug, Default)]
struct Part {
    ids: Vec<i64>,
    columns: Vec<Coded>,
}

/// A column whose values are numbered in the order in which they were met.
#[derive(Debug, Default)]
struct Coded {
    values: Vec<Value>,
    rows: Vec<u32>,
}

/// A column while it is read.
#[derive(Debug, Default)]
struct Coder {
    coded: Coded,
    numbers: HashMap<i64, u32>,
    texts: HashMap<Arc<str>, u32>,
    null: Option<u32>,
}

impl Coder {
    fn push(&mut self, cell: Cell<'_>) {
        let code = self.as_before(cell).or_else(|| self.known(cell)).unwrap_or_else(|| self.learn(cell));
        self.coded.rows.push(code);
    }

    /// The code of the row before, if the value is the same: what is made together is often alike.
    fn as_before(&self, cell: Cell<'_>) -> Option<u32> {
        let before = *self.coded.rows.last()?;
        let same = match (cell, &self.coded.values[before as usize]) {
            (Cell::Null, Value::Null) => true,
            (Cell::Int(number), Value::Int(other)) => number == *other,
            (Cell::Text(text), Value::Text(other)) => text == other.as_ref(),
            (Cell::Null | Cell::Int(_) | Cell::Text(_), _) => false,
        };
        same.then_some(before)
    }

    fn known(&self, cell: Cell<'_>) -> Option<u32> {
        match cell {
            Cell::Null => self.null,
            Cell::Int(number) => self.numbers.get(&number).copied(),
            Cell::Text(text) => self.texts.get(text).copied(),
        }
    }

    fn learn(&mut self, cell: Cell<'_>) -> u32 {
        let code = self.coded.values.len() as u32;
        let value = match cell {
            Cell::Null => {
                self.null = Some(code);
                Value::Null
            }
            Cell::Int(number) => {
                self.numbers.insert(number, code);
                Value::Int(number)
            }
            Cell::Text(text) => {
                let text: Arc<str> = text.into();
                self.texts.insert(text.clone(), code);
                Value::Text(text)
            }
        };
        self.coded.values.push(value);
        code
    }
}

/// Ranges of ids (both ends included) that nobody has read yet.
struct Work {
    state: Mutex<Waiting>,
    changed: Condvar,
}

struct Waiting {
    ranges: Vec<(i64, i64)>,
    /// Threads that may still add ranges.
    busy: usize,
}

impl Work {
    fn next(&self, done_one: bool) -> Option<(i64, i64)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.busy -= usize::from(done_one);
        loop {
            if let Some(range) = state.ranges.pop() {
                state.busy += 1;
                return Some(range);
            }
            if state.busy == 0 {
                self.changed.notify_all();
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Leaves a range to whoever is free, in two halves.
    fn share(&self, (from, to): (i64, i64)) {
        let middle = from + (to - from) / 2;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ranges.push((from, middle));
        if middle < to {
            state.ranges.push((middle + 1, to));
        }
        drop(state);
        self.changed.notify_all();
    }
}

fn scan(store: &Store, layout: &Layout) -> Result<Vec<Part>, StoreError> {
    let work = Work { state: Mutex::new(Waiting { ranges: vec![(0, BEYOND)], busy: 0 }), changed: Condvar::new() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads).map(|_| scope.spawn(|| read(store, layout, &work))).collect();
        let mut parts = Vec::new();
        for reader in readers {
            let read = reader.join().unwrap_or_else(|_| Err(StoreError::Engine("reading a table panicked".to_owned())));
            parts.extend(read?);
        }
        Ok(parts)
    })
}

fn read(store: &Store, layout: &Layout, work: &Work) -> Result<Vec<Part>, StoreError> {
    let mut parts = Vec::new();
    let mut failed = None;
    let mut range = work.next(false);
    while let Some((from, to)) = range {
        // After a failure the rest is only taken away, so that nobody waits for this thread.
        if failed.is_none() {
            match portion(store, layout, from, to) {
                Ok((part, rest)) => {
                    if let Some(rest) = rest {
                        work.share(rest);
                    }
                    parts.push(part);
                }
                Err(error) => failed = Some(error),
            }
        }
        range = work.next(true);
    }
    failed.map_or(Ok(parts), Err)
}

/// The first rows of a range, and what is left of it, between ids that there are.
type Portion = (Part, Option<(i64, i64)>);

fn portion(store: &Store, layout: &Layout, from: i64, to: i64) -> Result<Portion, StoreError> {
    let columns: String = layout.facets.iter().map(|facet| format!(", {}", facet.column)).collect();
    let rows = format!("SELECT id{columns} FROM {} WHERE id >= $1 AND id <= $2 ORDER BY id LIMIT $3", layout.table);
    let end = format!("SELECT id FROM {} WHERE id > $1 AND id <= $2 ORDER BY id DESC LIMIT 1", layout.table);
    let count = layout.facets.len();
    store.read_blocking(move |tx: &Tx<'_>| {
        let mut ids = Vec::new();
        let mut columns: Vec<Coder> = (0..count).map(|_| Coder::default()).collect();
        tx.query(&rows, &[from.into(), to.into(), PORTION.into()], |record| {
            ids.push(record.int(0)?);
            for (column, place) in columns.iter_mut().zip(1..) {
                column.push(record.cell(place)?);
            }
            Ok(())
        })?;
        let part = Part { ids, columns: columns.into_iter().map(|column| column.coded).collect() };
        let Some(last) = part.ids.last().copied().filter(|_| part.ids.len() == PORTION as usize) else { return Ok((part, None)) };
        let ends = tx.query(&end, &[last.into(), to.into()], |record| record.int(0))?;
        Ok((part, ends.first().map(|end| (last + 1, *end))))
    })
}

/// Brings the columns of all parts together, each field on whichever thread is free.
fn fields(facets: &[Facet], parts: &[Part]) -> Vec<Field> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut made: Vec<(usize, Field)> = std::thread::scope(|scope| {
        let make = || {
            let mut mine = Vec::new();
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(facet) = facets.get(at) else { return mine };
                mine.push((at, field(*facet, parts.iter().map(|part| &part.columns[at]))));
            }
        };
        let makers: Vec<_> = (0..threads).map(|_| scope.spawn(make)).collect();
        makers.into_iter().flat_map(|maker| maker.join().expect("bringing columns together does not panic")).collect()
    });
    made.sort_unstable_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, field)| field).collect()
}

fn field<'p>(facet: Facet, columns: impl Iterator<Item = &'p Coded>) -> Field {
    let mut values: Vec<Value> = Vec::new();
    let mut codes: HashMap<Value, u32> = HashMap::new();
    let mut code = |value: Value| {
        *codes.entry(value).or_insert_with_key(|value| {
            values.push(value.clone());
            values.len() as u32 - 1
        })
    };
    let rows = if facet.many {
        let mut rows: Vec<Box<[u32]>> = Vec::new();
        for column in columns {
            let sets: Vec<Box<[u32]>> = column.values.iter().map(|set| set_codes(set, &mut code)).collect();
            rows.extend(column.rows.iter().map(|set| sets[*set as usize].clone()));
        }
        Rows::Many(rows)
    } else {
        let mut rows = Vec::new();
        for column in columns {
            let known: Vec<u32> = column.values.iter().map(|value| code(value.clone())).collect();
            rows.extend(column.rows.iter().map(|value| known[*value as usize]));
        }
        Rows::One(rows)
    };
    Field::of(facet, values, rows)
}

fn set_codes(set: &Value, code: &mut impl FnMut(Value) -> u32) -> Box<[u32]> {
    let mut elements = set.elements();
    if elements.is_empty() {
        elements.push(Value::Null);
    }
    let mut codes: Vec<u32> = elements.into_iter().map(code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.into()
}
