//! Pages: `limit` and `after` in the query, `next` in the reply.
//!
//! What follows a page is named by a token that holds its place and a checksum over it, the action, the account and the filters: one that
//! was damaged or is of another list is refused instead of giving a wrong page. It guards against mistakes, not against its owner, who
//! could ask for any page anyway.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::{Listed, Listing, PAGE_MAX, Page as Part, Query};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::Cx;
use crate::error::Refusal;
use crate::query::{Parameter, Takes};

/// Rows of a page when nothing is said.
const USUAL: usize = 100;
/// Bytes of the checksum in a token.
const CHECK_LEN: usize = 12;
const PLACE_LEN: usize = 8;
const LIMIT: &str = "limit";
const AFTER: &str = "after";

/// The parameters of every list.
pub(crate) const PAGING: &[Parameter] = &[
    Parameter { name: LIMIT, about: "Most items of the page; 100 when nothing is said.", takes: Takes::Count { most: PAGE_MAX } },
    Parameter { name: AFTER, about: "Where the page begins: `next` of the page before.", takes: Takes::Text },
];

/// What is shown of a row.
pub(crate) trait Show {
    /// What it is shown as.
    type As<'a>: Serialize + JsonSchema
    where
        Self: 'a;

    /// Shows it.
    fn show(&self) -> Self::As<'_>;
}

/// A row in a reply: it is shown as it is written.
pub(crate) struct Shown<T>(pub T);

impl<T: Show> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.show().serialize(serializer)
    }
}

impl<T: Show + 'static> JsonSchema for Shown<T> {
    fn inline_schema() -> bool {
        T::As::<'static>::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::As::<'static>::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::As::<'static>::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::As::<'static>::json_schema(generator)
    }
}

/// A page of a list.
pub(crate) struct Page<T> {
    items: Vec<Shown<T>>,
    next: Option<String>,
}

impl<T: Show> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut page = serializer.serialize_struct("Page", 1 + usize::from(self.next.is_some()))?;
        page.serialize_field("items", &self.items)?;
        match &self.next {
            Some(next) => page.serialize_field("next", next)?,
            None => page.skip_field("next")?,
        }
        page.end()
    }
}

impl<T: Show + 'static> JsonSchema for Page<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Page", Shown::<T>::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A page of a list.",
            "properties": {
                "items": {"type": "array", "items": generator.subschema_for::<Shown<T>>()},
                "next": {"type": "string", "description": "What `after` is for the page behind this one; absent on the last."},
            },
            "required": ["items"],
        })
    }
}

/// The part of a list that a query asks for.
pub(crate) struct Pages {
    list: [u8; 32],
    size: usize,
    after: Option<u64>,
}

impl Pages {
    /// Reads which part is asked for.
    pub fn of(cx: &Cx) -> Result<Pages, Refusal> {
        let list = list_of(cx);
        let damaged = || Refusal::Parameter { name: AFTER.to_owned(), reason: "is not `next` of a page of this list".to_owned() };
        let after = cx.asked.text(AFTER).map(|token| open(&list, token).ok_or_else(damaged)).transpose()?;
        Ok(Pages { list, size: cx.asked.count(LIMIT).unwrap_or(USUAL), after })
    }

    /// The query for it.
    pub fn query<I>(&self, cx: &Cx) -> Query<I> {
        let page = self.after.map_or(Part::First(self.size), |last| Part::After { last, size: self.size });
        Query { ids: vec![], filters: cx.asked.filters().to_vec(), page }
    }

    /// The page that was found.
    pub fn page<T>(&self, listed: Listed<T>) -> Page<T> {
        let next = listed.next.map(|last| seal(&self.list, last));
        Page { items: listed.rows.into_iter().map(Shown).collect(), next }
    }

    /// Cuts the page out of a whole list, which is always in the same order.
    pub fn cut<T>(&self, rows: impl ExactSizeIterator<Item = T>) -> Page<T> {
        let from = usize::try_from(self.after.unwrap_or(0)).unwrap_or(usize::MAX).min(rows.len());
        let end = from.saturating_add(self.size).min(rows.len());
        let next = (end < rows.len()).then(|| seal(&self.list, end as u64));
        Page { items: rows.skip(from).take(end - from).map(Shown).collect(), next }
    }
}

/// A page of one of the small nouns.
pub(crate) async fn list<T: Listing + Show>(cx: &Cx) -> Result<Page<T>, Refusal> {
    let pages = Pages::of(cx)?;
    let listed = cx.cloud.list::<T>(&cx.caller, pages.query(cx)).await?;
    Ok(pages.page(listed))
}

fn list_of(cx: &Cx) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    };
    add(cx.caller.action);
    add(&cx.caller.account().to_string());
    for filter in cx.asked.filters() {
        add(&format!("{:?}", filter.field));
        add(&filter.values.len().to_string());
        filter.values.iter().for_each(|value| add(value));
    }
    digest.finalize().into()
}

fn check(list: &[u8; 32], place: [u8; PLACE_LEN]) -> Vec<u8> {
    Sha256::new().chain_update(list).chain_update(place).finalize()[..CHECK_LEN].to_vec()
}

fn seal(list: &[u8; 32], place: u64) -> String {
    let place = place.to_be_bytes();
    let mut bytes = check(list, place);
    bytes.extend_from_slice(&place);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(list: &[u8; 32], token: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (given, place) = bytes.split_at_checked(CHECK_LEN)?;
    let place: [u8; PLACE_LEN] = place.try_into().ok()?;
    (check(list, place) == given).then(|| u64::from_be_bytes(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_list_only() {
        let token = seal(&[1; 32], 42);
        assert_eq!(open(&[1; 32], &token), Some(42));
        assert_eq!(open(&[2; 32], &token), None);
        for wrong in ["", "x", "AAAA", &token[1..], &format!("{token}AA"), "ü"] {
            assert_eq!(open(&[1; 32], wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pages_of_a_whole_list_meet_and_do_not_overlap() {
        let pages = |after| Pages { list: [1; 32], size: 2, after };
        let numbers = |page: &Page<u32>| page.items.iter().map(|shown| shown.0).collect::<Vec<_>>();
        let first = pages(None).cut(0..5);
        let second = pages(open(&[1; 32], first.next.as_deref().unwrap())).cut(0..5);
        let last = pages(open(&[1; 32], second.next.as_deref().unwrap())).cut(0..5);
        assert_eq!([numbers(&first), numbers(&second), numbers(&last)], [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(last.next, None);
        assert!(numbers(&pages(Some(u64::MAX)).cut(0..5)).is_empty());
    }
}
