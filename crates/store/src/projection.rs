//! Lists with filters, answered from memory.
use crate::changes::Change;
use crate::error::StoreError;
use crate::row::Row;
use crate::store::Store;
use crate::value::{Key, Value};
#[allow(missing_docs)]
pub trait Facets: Row {
    const FACETS: &'static [Facet];
}
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Facet {
    pub(crate) column: &'static str,
}
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Query {
    pub filters: Vec<Filter>,
}
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Filter {
    pub field: &'static str,
    pub any: Vec<Match>,
}
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Match {
    Is(Value),
}
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Page<I> {
    pub ids: Vec<I>,
    pub total: u64,
}
#[derive(Debug, Clone)]
pub(crate) struct Layout;
impl Layout {
    pub(crate) fn of<R: Facets>() -> Layout {
        Layout
    }
}
pub(crate) struct Projections;
impl Projections {
    pub(crate) fn new(_: &[Layout]) -> Self {
        Projections
    }
    pub(crate) fn fill(&self, _: &Store) -> Result<(), StoreError> {
        Ok(())
    }
    pub(crate) fn apply<'a>(&self, _: impl Iterator<Item = &'a Change>) {}
    pub(crate) fn page<R: Facets>(&self, _: &Query) -> Page<R::Id> {
        Page { ids: vec![], total: 0 }
    }
}
