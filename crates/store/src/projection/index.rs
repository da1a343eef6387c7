//! The bitmaps: which rows have which value, for each field, and which values a row has.
//!
//! A row's place ("ordinal") is the order in which the index met it. That is nearly the order of ids, but not quite, as writes
//! overtake each other; so for each block of places it is known which ids can still come after it, and which can have come before.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;

use super::Facet;
use crate::value::Value;

/// Places in a block.
pub(super) const BLOCK: usize = 1024;
/// Unused places that are borne before the index is made anew, beside as many as there are rows.
const SPARE: usize = 65_536;

/// Rows by the values of their fields.
pub(super) struct Index {
    pub(super) fields: Vec<Field>,
    /// The id at each place, also where the row is gone.
    pub(super) ids: Vec<i64>,
    /// The places of rows that are there.
    pub(super) live: RoaringBitmap,
    pub(super) blocks: Vec<Block>,
    ordinals: HashMap<i64, u32>,
}

/// Bounds on the ids around a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// No id in this block or a later one is less.
    pub(super) least: i64,
    /// No id in this block or an earlier one is greater.
    pub(super) greatest: i64,
}

/// One field: its values, and who has them.
pub(super) struct Field {
    pub(super) facet: Facet,
    /// The code of each value in use. Rows without a value have [`Value::Null`].
    pub(super) codes: BTreeMap<Value, u32>,
    /// The value of each code.
    pub(super) values: Vec<Value>,
    /// The rows with each code.
    pub(super) postings: Vec<Posting>,
    /// The codes of each row.
    pub(super) rows: Rows,
    /// Codes without a value.
    free: Vec<u32>,
}

/// Rows that have a value. Most values of some fields are had by one row, which a bitmap would cost dearly.
#[derive(Debug, Clone)]
pub(super) enum Posting {
    Nobody,
    One(u32),
    Many(RoaringBitmap),
}

/// The codes of each row's values.
pub(super) enum Rows {
    One(Vec<u32>),
    Many(Vec<Box<[u32]>>),
}

impl Index {
    pub(super) fn new(facets: &[Facet]) -> Index {
        let fields = facets.iter().map(|facet| Field::new(*facet)).collect();
        Index { fields, ids: Vec::new(), live: RoaringBitmap::new(), blocks: Vec::new(), ordinals: HashMap::new() }
    }

    /// An index of rows in the order of their ids, whose fields are filled.
    pub(super) fn of(ids: Vec<i64>, fields: Vec<Field>) -> Index {
        let ordinals = ids.iter().copied().zip(0..).collect();
        let live = RoaringBitmap::from_sorted_iter(0..ids.len() as u32).expect("numbers that count up are sorted");
        let blocks = ids.chunks(BLOCK).map(|block| Block { least: block[0], greatest: block[block.len() - 1] }).collect();
        Index { fields, ids, live, blocks, ordinals }
    }

    /// Gives a row these values, one for each field; a row that is not there yet gets a place.
    pub(super) fn set<'v>(&mut self, id: i64, values: impl Iterator<Item = &'v Value>) {
        let ordinal = match self.ordinals.get(&id) {
            Some(ordinal) => *ordinal,
            None => self.place(id),
        };
        for (field, value) in self.fields.iter_mut().zip(values) {
            field.set(ordinal, value);
        }
    }

    pub(super) fn remove(&mut self, id: i64) {
        if let Some(ordinal) = self.ordinals.remove(&id) {
            self.live.remove(ordinal);
            for field in &mut self.fields {
                field.clear(ordinal);
            }
        }
    }

    /// The values of a row, one for each field.
    pub(super) fn values(&self, id: i64) -> Option<Vec<Value>> {
        let ordinal = *self.ordinals.get(&id)?;
        Some(self.fields.iter().map(|field| field.value(ordinal)).collect())
    }

    pub(super) fn sorted_ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.ordinals.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Whether most places are those of rows that are gone.
    pub(super) fn is_sparse(&self) -> bool {
        self.ids.len() > 2 * self.ordinals.len() + SPARE
    }

    /// A place for a new row.
    fn place(&mut self, id: i64) -> u32 {
        let ordinal = u32::try_from(self.ids.len()).expect("an index is made anew long before it has 2^32 places");
        if self.ids.len().is_multiple_of(BLOCK) {
            let greatest = self.blocks.last().map_or(id, |before| before.greatest);
            self.blocks.push(Block { least: id, greatest });
        }
        self.ids.push(id);
        self.live.insert(ordinal);
        self.ordinals.insert(id, ordinal);
        let last = self.blocks.last_mut().expect("a block was made for this place");
        last.greatest = last.greatest.max(id);
        for block in self.blocks.iter_mut().rev() {
            if block.least < id {
                break;
            }
            block.least = id;
        }
        for field in &mut self.fields {
            field.rows.push();
        }
        ordinal
    }
}

impl Field {
    fn new(facet: Facet) -> Field {
        let rows = if facet.many { Rows::Many(Vec::new()) } else { Rows::One(Vec::new()) };
        Field { facet, codes: BTreeMap::new(), values: Vec::new(), postings: Vec::new(), rows, free: Vec::new() }
    }

    /// A field whose rows have these codes, which stand for these values.
    pub(super) fn of(facet: Facet, values: Vec<Value>, rows: Rows) -> Field {
        let codes = values.iter().cloned().zip(0..).collect();
        let postings = rows.postings(values.len());
        Field { facet, codes, values, postings, rows, free: Vec::new() }
    }

    fn set(&mut self, ordinal: u32, value: &Value) {
        if self.facet.many {
            self.set_many(ordinal, value);
        } else {
            self.set_one(ordinal, value);
        }
    }

    fn set_one(&mut self, ordinal: u32, value: &Value) {
        let code = self.code(value);
        let Rows::One(rows) = &mut self.rows else { return };
        let old = std::mem::replace(&mut rows[ordinal as usize], code);
        if old != code {
            self.postings[code as usize].insert(ordinal);
            if old != NO_CODE {
                self.leave(ordinal, old);
            }
        }
    }

    fn set_many(&mut self, ordinal: u32, set: &Value) {
        let mut codes: Vec<u32> = set.elements().iter().map(|value| self.code(value)).collect();
        if codes.is_empty() {
            codes.push(self.code(&Value::Null));
        }
        codes.sort_unstable();
        codes.dedup();
        let Rows::Many(rows) = &mut self.rows else { return };
        let old = std::mem::replace(&mut rows[ordinal as usize], codes.clone().into());
        for code in codes.iter().filter(|code| !old.contains(code)) {
            self.postings[*code as usize].insert(ordinal);
        }
        for code in old.iter().filter(|code| !codes.contains(code)) {
            self.leave(ordinal, *code);
        }
    }

    fn clear(&mut self, ordinal: u32) {
        for code in self.rows.codes(ordinal as usize).to_vec() {
            self.leave(ordinal, code);
        }
        self.rows.clear(ordinal as usize);
    }

    /// The value of a row as the column has it, but for the order of a set's elements.
    fn value(&self, ordinal: u32) -> Value {
        let codes = self.rows.codes(ordinal as usize);
        let mut values = codes.iter().map(|code| &self.values[*code as usize]);
        if !self.facet.many {
            return values.next().cloned().unwrap_or(Value::Null);
        }
        Value::set(values.filter(|value| **value != Value::Null).map(ToString::to_string))
    }

    /// The code of a value; a new one if nobody has had the value so far.
    fn code(&mut self, value: &Value) -> u32 {
        if let Some(code) = self.codes.get(value) {
            return *code;
        }
        let code = self.free.pop().unwrap_or_else(|| {
            self.values.push(Value::Null);
            self.postings.push(Posting::Nobody);
            u32::try_from(self.values.len() - 1).expect("there are fewer values than rows times values of a row, which fit in memory")
        });
        self.values[code as usize] = value.clone();
        self.codes.insert(value.clone(), code);
        code
    }

    /// Takes a row from a value, which is forgotten when nobody has it.
    fn leave(&mut self, ordinal: u32, code: u32) {
        let posting = &mut self.postings[code as usize];
        posting.remove(ordinal);
        if matches!(posting, Posting::Nobody) {
            let value = std::mem::replace(&mut self.values[code as usize], Value::Null);
            self.codes.remove(&value);
            self.free.push(code);
        }
    }
}

impl Posting {
    fn insert(&mut self, ordinal: u32) {
        match self {
            Posting::Nobody => *self = Posting::One(ordinal),
            Posting::One(one) => *self = Posting::Many(RoaringBitmap::from_iter([*one, ordinal])),
            Posting::Many(rows) => {
                rows.insert(ordinal);
            }
        }
    }

    fn remove(&mut self, ordinal: u32) {
        match self {
            Posting::Nobody => {}
            Posting::One(one) if *one == ordinal => *self = Posting::Nobody,
            Posting::One(_) => {}
            Posting::Many(rows) => {
                rows.remove(ordinal);
                if rows.is_empty() {
                    *self = Posting::Nobody;
                }
            }
        }
    }

    fn of(ordinals: &[u32]) -> Posting {
        match ordinals {
            [] => Posting::Nobody,
            [one] => Posting::One(*one),
            many => Posting::Many(RoaringBitmap::from_sorted_iter(many.iter().copied()).expect("rows were counted in order")),
        }
    }
}

/// Stands where a row has no code: it is gone, or about to get its first.
const NO_CODE: u32 = u32::MAX;

impl Rows {
    pub(super) fn codes(&self, place: usize) -> &[u32] {
        match self {
            Rows::One(rows) if rows[place] == NO_CODE => &[],
            Rows::One(rows) => std::slice::from_ref(&rows[place]),
            Rows::Many(rows) => &rows[place],
        }
    }

    fn push(&mut self) {
        match self {
            Rows::One(rows) => rows.push(NO_CODE),
            Rows::Many(rows) => rows.push(Box::default()),
        }
    }

    fn clear(&mut self, place: usize) {
        match self {
            Rows::One(rows) => rows[place] = NO_CODE,
            Rows::Many(rows) => rows[place] = Box::default(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Rows::One(rows) => rows.len(),
            Rows::Many(rows) => rows.len(),
        }
    }

    /// Who has each code: rows are counted first, so that each code's rows lie together and in order.
    fn postings(&self, codes: usize) -> Vec<Posting> {
        let mut ends = vec![0_usize; codes + 1];
        for place in 0..self.len() {
            for code in self.codes(place) {
                ends[*code as usize + 1] += 1;
            }
        }
        for code in 0..codes {
            ends[code + 1] += ends[code];
        }
        let mut ordinals = vec![0_u32; ends[codes]];
        let mut next = ends.clone();
        for place in 0..self.len() {
            for code in self.codes(place) {
                ordinals[next[*code as usize]] = place as u32;
                next[*code as usize] += 1;
            }
        }
        (0..codes).map(|code| Posting::of(&ordinals[ends[code]..ends[code + 1]])).collect()
    }
}
