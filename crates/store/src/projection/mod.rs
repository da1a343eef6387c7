//! Lists with filters, answered from memory: bitmaps for each (field, value), over the rows in creation order.
//!
//! ```text
//! commit ---> changed rows ---> index: field -> value -> {rows}      filters ---> and / or of bitmaps ---> page of ids, total
//! ```
//!
//! SQL finds rows by its indexes in microseconds, but a filter that no index covers reads a million rows; here it reads a few
//! bitmaps. The database stays the truth: an index is filled from it when the store is opened, and holds only what the
//! columns hold. A committed change is in it before the writer has its answer.
//!
//! Does not know what a filter is called in an API, nor who may see a row: the account is a field like others.

mod fill;
mod index;
mod pattern;
mod query;

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::{Arc, PoisonError, RwLock};

use crate::changes::{Change, What};
use crate::error::StoreError;
use crate::row::Row;
use crate::store::Store;
use crate::value::{Key, Value};

use index::Index;
pub use query::{Filter, Match, Page, Query};

/// A noun that is listed with filters. Its id is a number.
pub trait Facets: Row {
    /// The columns that can be filtered by. Good ones have few values for many rows; one that is different in every row
    /// costs about 200 bytes a row.
    const FACETS: &'static [Facet];
}

/// A column that can be filtered by.
#[derive(Debug, Clone, Copy)]
pub struct Facet {
    column: &'static str,
    many: bool,
    /// Whether texts are shown as they are stored.
    is_plain: bool,
    show: fn(&Value) -> Cow<'_, str>,
}

impl Facet {
    /// A column with one value, whose text is the value itself.
    pub const fn one(column: &'static str) -> Facet {
        Facet { column, many: false, is_plain: true, show: plain }
    }

    /// A column made by [`Value::set`]: a row has each of the values.
    pub const fn many(column: &'static str) -> Facet {
        Facet { column, many: true, is_plain: true, show: plain }
    }

    /// A column whose text for wildcards is that of a type: an id, an address.
    pub const fn typed<K: Key + Display>(column: &'static str) -> Facet {
        Facet { column, many: false, is_plain: false, show: shown::<K> }
    }
}

fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Null | Value::Int(_) => Cow::Owned(value.to_string()),
    }
}

fn shown<K: Key + Display>(value: &Value) -> Cow<'_, str> {
    K::from_value(value).map_or(Cow::Borrowed(""), |id| Cow::Owned(id.to_string()))
}

/// What a projection takes from a table.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    table: &'static str,
    facets: &'static [Facet],
    /// For each facet, the place of its column in a [`Document`](crate::changes::Document).
    places: Vec<usize>,
}

impl Layout {
    pub(crate) fn of<R: Facets>() -> Layout {
        let place = |facet: &Facet| R::COLUMNS.iter().position(|column| column.name == facet.column);
        let places = R::FACETS.iter().map(|facet| place(facet).expect("a facet names a column of its noun")).collect();
        Layout { table: R::TABLE, facets: R::FACETS, places }
    }
}

/// An index, and what happened while it was being made anew.
struct Projection {
    layout: Layout,
    state: RwLock<State>,
}

struct State {
    index: Index,
    /// Changes to be repeated on the index that is being made; none when none is.
    meanwhile: Option<Vec<Change>>,
}

/// The projections of a store.
pub(crate) struct Projections(Vec<Arc<Projection>>);

/// Rows copied under one lock while an index is made anew: a millisecond's worth.
const COPIED_AT_ONCE: usize = 4096;

impl Projections {
    pub(crate) fn new(layouts: &[Layout]) -> Projections {
        let empty = |layout: &Layout| Projection {
            layout: layout.clone(),
            state: RwLock::new(State { index: Index::new(layout.facets), meanwhile: None }),
        };
        Projections(layouts.iter().map(|layout| Arc::new(empty(layout))).collect())
    }

    /// Fills the indexes from the tables, before anyone writes to them.
    pub(crate) fn fill(&self, store: &Store) -> Result<(), StoreError> {
        for projection in &self.0 {
            let index = fill::fill(store, &projection.layout)?;
            projection.state.write().unwrap_or_else(PoisonError::into_inner).index = index;
        }
        Ok(())
    }

    /// Brings what was committed into the indexes.
    pub(crate) fn apply<'a>(&self, changes: impl Iterator<Item = &'a Change> + Clone) {
        for projection in &self.0 {
            let mut ours = changes.clone().filter(|change| change.table == projection.layout.table).peekable();
            if ours.peek().is_some() {
                projection.apply(ours);
            }
        }
    }

    pub(crate) fn page<R: Facets>(&self, query: &Query) -> Result<Page<R::Id>, StoreError> {
        let found = self.look::<R, _>(|index| index.page(query))?;
        let ids: Vec<R::Id> = found.ids.iter().filter_map(|id| R::Id::from_value(&Value::Int(*id))).collect();
        let next = if found.next.is_some() { ids.last().cloned() } else { None };
        Ok(Page { ids, total: found.total, next })
    }

    pub(crate) fn count<R: Facets>(&self, query: &Query) -> Result<u64, StoreError> {
        self.look::<R, _>(|index| index.count(query))
    }

    fn look<R: Facets, T>(&self, look: impl FnOnce(&Index) -> Result<T, &'static str>) -> Result<T, StoreError> {
        let projection = self.0.iter().find(|projection| projection.layout.table == R::TABLE);
        let projection = projection.ok_or(StoreError::NoFacet { table: R::TABLE, column: "id" })?;
        let state = projection.state.read().unwrap_or_else(PoisonError::into_inner);
        look(&state.index).map_err(|column| StoreError::NoFacet { table: R::TABLE, column })
    }
}

impl Projection {
    fn apply<'a>(self: &Arc<Self>, changes: impl Iterator<Item = &'a Change>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            state.index.apply(change, &self.layout.places);
            if let Some(meanwhile) = &mut state.meanwhile {
                meanwhile.push(change.clone());
            }
        }
        if state.meanwhile.is_none() && state.index.is_sparse() {
            state.meanwhile = Some(Vec::new());
            drop(state);
            let projection = self.clone();
            let started = std::thread::Builder::new().name("store-compact".to_owned()).spawn(move || projection.compact());
            if started.is_err() {
                // Without a thread it stays as it is, and the next commit tries again.
                self.state.write().unwrap_or_else(PoisonError::into_inner).meanwhile = None;
            }
        }
    }

    /// Makes the index anew without the places of deleted rows, beside its use.
    ///
    /// Setting a row twice changes nothing, so rows may be copied while they change, as long as all changes since the
    /// beginning are repeated at the end.
    fn compact(&self) {
        let mut fresh = Index::new(self.layout.facets);
        let ids = self.state.read().unwrap_or_else(PoisonError::into_inner).index.sorted_ids();
        for some in ids.chunks(COPIED_AT_ONCE) {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            for id in some {
                if let Some(values) = state.index.values(*id) {
                    fresh.set(*id, values.iter());
                }
            }
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for change in state.meanwhile.take().into_iter().flatten() {
            fresh.apply(&change, &self.layout.places);
        }
        state.index = fresh;
    }
}

impl Index {
    fn apply(&mut self, change: &Change, places: &[usize]) {
        // Facets are of nouns with a number as id; a text would not be found by its page either.
        let Value::Int(id) = change.id else { return };
        match &change.what {
            What::Inserted(document) | What::Updated(document) => self.set(id, places.iter().map(|place| &document.columns[*place])),
            What::Deleted => self.remove(id),
        }
    }
}

#[cfg(test)]
mod tests;
