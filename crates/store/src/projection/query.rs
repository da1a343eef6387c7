//! Filters and pages over an index.

use std::borrow::Cow;
use std::collections::HashMap;

use roaring::{MultiOps, RoaringBitmap};

use super::Facet;
use super::index::{BLOCK, Field, Index, Posting};
use super::pattern::Pattern;
use crate::value::Value;

/// Which rows of a noun, in which order, and how many.
///
/// ```
/// # use pileus_store::{Match, Query};
/// let query = Query::of("account", 7).any("zone", ["a", "b"]).like("name", "web-*").newest_first().first(100);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    filters: Vec<Filter>,
    after: Option<Value>,
    newest_first: bool,
    skip: usize,
    limit: Option<usize>,
}

/// A condition: the field has one of the values. For a field with many values, one of them must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The column.
    pub field: &'static str,
    /// What it may be; a filter without any matches nothing.
    pub any: Vec<Match>,
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// This; [`Value::Null`] for rows that have none.
    Is(Value),
    /// A text that this pattern covers whole: `*` stands for any characters, `?` for one, and `\` takes the meaning of
    /// the next. Rows without a value do not match.
    Like(String),
    /// From the first to the second, both included.
    Between(Value, Value),
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<I> {
    /// The ids, in order.
    pub ids: Vec<I>,
    /// How many rows pass the filters, on all pages.
    pub total: u64,
    /// What to give to [`Query::after`] for the next page; none when this is the last.
    pub next: Option<I>,
}

impl Query {
    /// All rows, oldest id first.
    pub fn all() -> Query {
        Query::default()
    }

    /// Rows with this value.
    pub fn of(field: &'static str, value: impl Into<Value>) -> Query {
        Query::all().any(field, [value])
    }

    /// Of these, rows with one of these values.
    pub fn any<V: Into<Value>>(self, field: &'static str, values: impl IntoIterator<Item = V>) -> Query {
        let any = values.into_iter().map(|value| Match::Is(value.into())).collect();
        self.filter(Filter { field, any })
    }

    /// Of these, rows whose text the pattern covers; see [`Match::Like`].
    pub fn like(self, field: &'static str, pattern: impl Into<String>) -> Query {
        self.filter(Filter { field, any: vec![Match::Like(pattern.into())] })
    }

    /// Of these, rows that pass.
    pub fn filter(mut self, filter: Filter) -> Query {
        self.filters.push(filter);
        self
    }

    /// Only rows that come after this id in the order.
    pub fn after(mut self, id: impl Into<Value>) -> Query {
        self.after = Some(id.into());
        self
    }

    /// The greatest id first.
    pub fn newest_first(mut self) -> Query {
        self.newest_first = true;
        self
    }

    /// Without the first so many, for APIs that number pages; takes 10 ns for each.
    pub fn skip(mut self, rows: usize) -> Query {
        self.skip = rows;
        self
    }

    /// No more than so many.
    pub fn first(mut self, limit: usize) -> Query {
        self.limit = Some(limit);
        self
    }
}

impl Index {
    /// Answers a query; the name of a field that there is not, as an error.
    pub(super) fn page(&self, query: &Query) -> Result<Page<i64>, &'static str> {
        let rows = self.passing(&query.filters)?;
        let wanted = query.limit.map_or(usize::MAX, |limit| limit.saturating_add(query.skip));
        let mut ids = if query.newest_first { self.newest(&rows, query, wanted) } else { self.oldest(&rows, query, wanted) };
        let more = ids.len() > wanted;
        ids.truncate(wanted);
        ids.drain(..query.skip.min(ids.len()));
        let next = if more { ids.last().copied() } else { None };
        Ok(Page { ids, total: rows.len(), next })
    }

    /// How many rows pass; the name of a field that there is not, as an error. Two plain filters are not even written down.
    pub(super) fn count(&self, query: &Query) -> Result<u64, &'static str> {
        let field = |filter: &Filter| self.fields.iter().find(|field| field.facet.column == filter.field).ok_or(filter.field);
        match query.filters.as_slice() {
            [one, other] => Ok(field(one)?.having(one).intersection_len(field(other)?.having(other).as_ref())),
            filters => Ok(self.passing(filters)?.len()),
        }
    }

    /// The rows that pass all filters. Plain values first: they leave few rows, which may be looked at one by one for
    /// patterns and ranges when there are more values than that.
    fn passing(&self, filters: &[Filter]) -> Result<Cow<'_, RoaringBitmap>, &'static str> {
        let field = |filter: &Filter| self.fields.iter().find(|field| field.facet.column == filter.field).ok_or(filter.field);
        let is_plain = |filter: &&Filter| filter.any.iter().all(|wanted| matches!(wanted, Match::Is(_)));
        let mut plain = Vec::new();
        for filter in filters.iter().filter(is_plain) {
            plain.push(field(filter)?.having(filter));
        }
        plain.sort_by_key(|rows| rows.len());
        let mut rows =
            plain.into_iter().reduce(|left, right| Cow::Owned(left.as_ref() & right.as_ref())).unwrap_or(Cow::Borrowed(&self.live));
        for filter in filters.iter().filter(|filter| !is_plain(filter)) {
            let field = field(filter)?;
            rows = Cow::Owned(if rows.len() < field.codes.len() as u64 {
                field.tested(&rows, filter)
            } else {
                rows.as_ref() & field.having(filter).as_ref()
            });
        }
        Ok(rows)
    }

    /// At least the `wanted` least ids after the query's, and one more if there is one; in order.
    fn oldest(&self, rows: &RoaringBitmap, query: &Query, wanted: usize) -> Vec<i64> {
        let after = query.after.as_ref().and_then(number);
        let first = after.map_or(0, |after| self.blocks.partition_point(|block| block.greatest <= after) * BLOCK);
        let mut found = Vec::new();
        let mut block = first / BLOCK;
        for ordinal in rows.range(first as u32..) {
            let place = ordinal as usize;
            if place / BLOCK != block {
                block = place / BLOCK;
                // Enough, if all that can still come is greater.
                if found.len() > wanted && *found.select_nth_unstable(wanted).1 < self.blocks[block].least {
                    break;
                }
            }
            found.extend(Some(self.ids[place]).filter(|id| after.is_none_or(|after| *id > after)));
        }
        found.sort_unstable();
        found
    }

    /// The same from the other end.
    fn newest(&self, rows: &RoaringBitmap, query: &Query, wanted: usize) -> Vec<i64> {
        let after = query.after.as_ref().and_then(number);
        let end = after.map_or(self.ids.len(), |after| self.blocks.partition_point(|block| block.least < after) * BLOCK);
        let mut found = Vec::new();
        let mut block = usize::MAX;
        for ordinal in rows.range(..end as u32).rev() {
            let place = ordinal as usize;
            if place / BLOCK != block {
                block = place / BLOCK;
                let enough = |found: &mut Vec<i64>| *found.select_nth_unstable_by(wanted, |a, b| b.cmp(a)).1 > self.blocks[block].greatest;
                if found.len() > wanted && enough(&mut found) {
                    break;
                }
            }
            found.extend(Some(self.ids[place]).filter(|id| after.is_none_or(|after| *id < after)));
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::Null | Value::Text(_) => None,
    }
}

/// A [`Match`], ready for many values.
enum Test<'q> {
    Is(&'q Value),
    Between(&'q Value, &'q Value),
    Like(Pattern),
}

impl<'q> Test<'q> {
    fn of(filter: &'q Filter) -> Vec<Test<'q>> {
        let test = |wanted: &'q Match| match wanted {
            Match::Is(value) => Test::Is(value),
            Match::Between(from, to) => Test::Between(from, to),
            Match::Like(pattern) => Test::Like(Pattern::new(pattern)),
        };
        filter.any.iter().map(test).collect()
    }

    fn is_passed(&self, facet: &Facet, value: &Value) -> bool {
        match (self, value) {
            (Test::Is(wanted), value) => value == *wanted,
            (Test::Between(from, to), value) => *from <= value && value <= *to,
            (Test::Like(_), Value::Null) => false,
            (Test::Like(pattern), value) => pattern.covers(&(facet.show)(value)),
        }
    }
}

impl Field {
    /// The rows that pass, from the values that do.
    fn having(&self, filter: &Filter) -> Cow<'_, RoaringBitmap> {
        let mut codes: Vec<u32> = Test::of(filter).iter().flat_map(|test| self.codes_of(test)).collect();
        codes.sort_unstable();
        codes.dedup();
        let mut single: Vec<u32> = Vec::new();
        let mut many: Vec<&RoaringBitmap> = Vec::new();
        for code in codes {
            match &self.postings[code as usize] {
                Posting::Nobody => {}
                Posting::One(ordinal) => single.push(*ordinal),
                Posting::Many(rows) => many.push(rows),
            }
        }
        if let ([only], []) = (many.as_slice(), single.as_slice()) {
            return Cow::Borrowed(only);
        }
        let mut rows = many.union();
        rows.extend(single);
        Cow::Owned(rows)
    }

    /// The rows that pass, from looking at each.
    fn tested(&self, rows: &RoaringBitmap, filter: &Filter) -> RoaringBitmap {
        let tests = Test::of(filter);
        let mut known: HashMap<u32, bool> = HashMap::new();
        let mut passes = |code: &u32| {
            let value = &self.values[*code as usize];
            *known.entry(*code).or_insert_with(|| tests.iter().any(|test| test.is_passed(&self.facet, value)))
        };
        rows.iter().filter(|ordinal| self.rows.codes(*ordinal as usize).iter().any(&mut passes)).collect()
    }

    fn codes_of(&self, test: &Test<'_>) -> Vec<u32> {
        match test {
            Test::Is(value) => self.codes.get(value).copied().into_iter().collect(),
            Test::Between(from, to) if from > to => Vec::new(),
            Test::Between(from, to) => self.codes.range(*from..=*to).map(|(_, code)| *code).collect(),
            Test::Like(pattern) => self.codes_like(test, &pattern.prefix()),
        }
    }

    /// The values that a pattern covers. Texts that are shown as they are lie together when they begin alike.
    fn codes_like(&self, test: &Test<'_>, prefix: &str) -> Vec<u32> {
        let first = Value::from(prefix);
        let covered = |(value, code): (&Value, &u32)| test.is_passed(&self.facet, value).then_some(*code);
        if !self.facet.is_plain {
            return self.codes.iter().filter_map(covered).collect();
        }
        let texts = self.codes.range(first..).take_while(|(value, _)| matches!(value, Value::Text(text) if text.starts_with(prefix)));
        let numbers = self.codes.range(..Value::from(""));
        numbers.chain(texts).filter_map(covered).collect()
    }
}
