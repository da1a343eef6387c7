//! Pages: `MaxResults` and `NextToken`.
//!
//! A token holds the place where the next page begins and a checksum over it, the action, the account and the filters, so a
//! token that was damaged or belongs to another list is refused instead of giving a wrong page. It guards against mistakes,
//! not against its owner, who could ask for any page anyway.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::{Listing, PAGE_MAX, Page, Query};
use sha2::{Digest, Sha256};
use wire::{ArgsError, ArgsErrorKind, FromArg};

use crate::Cx;
use crate::error::{Refusal, combination};
use crate::filter::AskedFilter;

/// Page sizes of most lists.
pub(crate) const USUAL: RangeInclusive<u32> = 5..=1_000;
/// Bytes of the checksum in a token.
const CHECK_LEN: usize = 12;

/// What a client says of pages.
#[derive(Debug, Clone, Default, FromArg)]
pub(crate) struct Paging {
    pub max_results: Option<u32>,
    pub next_token: Option<String>,
}

/// A list cut into pages: its size of a page and what its tokens belong to.
pub(crate) struct Pages {
    list: Vec<u8>,
    /// Rows of a page.
    pub size: usize,
    /// Where this page begins; none for the first.
    pub from: Option<String>,
}

/// Every row of a list that EC2 does not cut into pages.
pub(crate) async fn every_row<T: Listing>(cx: &Cx, query: Query<T::Id>) -> Result<Vec<T>, Refusal> {
    let Query { ids, filters, .. } = query;
    let (mut rows, mut page) = (Vec::new(), Page::First(PAGE_MAX));
    loop {
        let listed = cx.cloud.list::<T>(&cx.caller, Query { ids: ids.clone(), filters: filters.clone(), page }).await?;
        rows.extend(listed.rows);
        match listed.next {
            Some(last) => page = Page::After { last, size: PAGE_MAX },
            None => return Ok(rows),
        }
    }
}

impl Paging {
    /// Refuses pages of things that are named one by one, as EC2 does for instances and volumes.
    pub fn not_with_ids(&self, ids: &[String]) -> Result<(), Refusal> {
        if self.max_results.is_some() && !ids.is_empty() {
            return Err(combination("The parameter MaxResults cannot be used together with a list of ids"));
        }
        Ok(())
    }

    /// Reads the page that is asked for; `sizes` are those that the action allows.
    pub fn pages(&self, cx: &Cx, sizes: RangeInclusive<u32>, asked: &[AskedFilter]) -> Result<Pages, Refusal> {
        let size = match self.max_results {
            Some(size) if !sizes.contains(&size) => {
                let kind = ArgsErrorKind::OutOfRange { min: i128::from(*sizes.start()), max: i128::from(*sizes.end()) };
                return Err(ArgsError::with_value("MaxResults", kind, &size.to_string()).into());
            }
            Some(size) => size as usize,
            None => PAGE_MAX,
        };
        let list = list_of(cx, asked);
        let token = self.next_token.as_deref().filter(|token| !token.is_empty());
        let from = token.map(|token| open(&list, token).ok_or(Refusal::NextToken)).transpose()?;
        Ok(Pages { list, size, from })
    }
}

impl Pages {
    /// The page, of a list that the control plane keeps in order of ids.
    pub fn of_ids(&self) -> Result<Page, Refusal> {
        match &self.from {
            None => Ok(Page::First(self.size)),
            Some(from) => Ok(Page::After { last: from.parse().map_err(|_| Refusal::NextToken)?, size: self.size }),
        }
    }

    /// The token of a page that begins at `place`.
    pub fn token(&self, place: impl ToString) -> String {
        seal(&self.list, &place.to_string())
    }

    /// The token of the page after the row with this id value, if there is one.
    pub fn after(&self, next: Option<u64>) -> Option<String> {
        next.map(|last| self.token(last))
    }

    /// Cuts the page out of a whole list in which `key` is unique; pages follow each other in order of keys.
    pub fn cut<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        rows.sort_by_cached_key(&key);
        if let Some(from) = &self.from {
            rows.retain(|row| key(row) >= *from);
        }
        let next = rows.get(self.size).map(|row| self.token(key(row)));
        rows.truncate(self.size);
        (rows, next)
    }
}

fn list_of(cx: &Cx, asked: &[AskedFilter]) -> Vec<u8> {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    };
    add(cx.caller.action);
    add(&cx.caller.account().to_string());
    for filter in asked {
        add(&filter.name);
        add(&filter.values.len().to_string());
        filter.values.iter().for_each(|value| add(value));
    }
    digest.finalize().to_vec()
}

fn check(list: &[u8], place: &str) -> Vec<u8> {
    Sha256::new().chain_update(list).chain_update(place).finalize()[..CHECK_LEN].to_vec()
}

fn seal(list: &[u8], place: &str) -> String {
    let mut bytes = check(list, place);
    bytes.extend_from_slice(place.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(list: &[u8], token: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (given, place) = bytes.split_at_checked(CHECK_LEN)?;
    let place = String::from_utf8(place.to_vec()).ok()?;
    (check(list, &place) == given).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(size: usize, from: Option<&str>) -> Pages {
        Pages { list: b"list".to_vec(), size, from: from.map(str::to_owned) }
    }

    #[test]
    fn a_token_is_good_for_its_own_list_only() {
        let token = seal(b"one", "42");
        assert_eq!(open(b"one", &token).as_deref(), Some("42"));
        assert_eq!(open(b"two", &token), None);
        for wrong in ["", "x", "AAAA", &token[1..], &format!("{token}AA"), "ü"] {
            assert_eq!(open(b"one", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pages_of_a_whole_list_meet_and_do_not_overlap() {
        let rows = || vec!["c", "a", "e", "b", "d"];
        let (first, token) = pages(2, None).cut(rows(), ToString::to_string);
        assert_eq!(first, ["a", "b"]);
        let from = open(b"list", &token.unwrap()).unwrap();
        let (second, token) = pages(2, Some(&from)).cut(rows(), ToString::to_string);
        assert_eq!(second, ["c", "d"]);
        let from = open(b"list", &token.unwrap()).unwrap();
        assert_eq!(pages(2, Some(&from)).cut(rows(), ToString::to_string), (vec!["e"], None));
    }
}
