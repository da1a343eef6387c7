//! The two ways in which ECS cuts lists: pages with numbers, and tokens. A call that gives both is answered by token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::{Listed, Page};
use wire::{FromArg, Show};

use crate::error::Fault;

/// Size of a page when none is asked for.
pub(crate) const PAGE_SIZE: usize = 10;
/// Largest page of most lists.
pub(crate) const PAGE_SIZE_MAX: usize = 100;
/// Largest page of the older lists: key pairs, instance states, VPCs, vSwitches.
pub(crate) const SHORT_PAGE_MAX: usize = 50;

/// Pages with numbers.
#[derive(Debug, FromArg)]
pub(crate) struct Numbered {
    pub page_number: Option<usize>,
    pub page_size: Option<usize>,
}

/// Pages with numbers or tokens.
#[derive(Debug, FromArg)]
pub(crate) struct Paged {
    #[arg(flatten)]
    pub numbered: Numbered,
    pub max_results: Option<usize>,
    pub next_token: Option<String>,
}

/// What a reply says about its page.
#[derive(Debug, Show)]
pub(crate) struct Numbers {
    pub total_count: usize,
    pub page_number: usize,
    pub page_size: usize,
}

/// What a reply that can be cut in both ways says about its page.
#[derive(Debug, Show)]
pub(crate) struct Paging {
    pub total_count: usize,
    pub page_number: Option<usize>,
    pub page_size: Option<usize>,
    pub next_token: String,
}

impl Numbered {
    /// The page, of at most `max` rows.
    pub(crate) fn page(&self, max: usize) -> Result<Page, Fault> {
        let number = within("PageNumber", self.page_number.unwrap_or(1), usize::MAX)?;
        let size = within("PageSize", self.page_size.unwrap_or(PAGE_SIZE), max)?;
        Ok(Page::Number { number, size })
    }

    /// What the reply says about it; call it with a page that was accepted.
    pub(crate) fn numbers<T>(&self, listed: &Listed<T>) -> Numbers {
        Numbers { total_count: listed.total, page_number: self.page_number.unwrap_or(1), page_size: self.page_size.unwrap_or(PAGE_SIZE) }
    }
}

impl Numbered {
    /// Cuts the page out of a whole list, and says what the reply says about it.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>, max: usize) -> Result<(Vec<T>, Numbers), Fault> {
        self.page(max)?;
        let (page_number, page_size) = (self.page_number.unwrap_or(1), self.page_size.unwrap_or(PAGE_SIZE));
        let total_count = rows.len();
        let start = (page_number - 1).saturating_mul(page_size).min(total_count);
        rows.drain(..start);
        rows.truncate(page_size);
        Ok((rows, Numbers { total_count, page_number, page_size }))
    }
}

impl Paged {
    /// The page, of at most `max` rows.
    pub(crate) fn page(&self, max: usize) -> Result<Page, Fault> {
        let token = self.token();
        if token.is_none() && self.max_results.is_none() {
            return self.numbered.page(max);
        }
        let size = within("MaxResults", self.max_results.unwrap_or(PAGE_SIZE), max)?;
        match token {
            Some(token) => Ok(Page::After { last: read_token(token)?, size }),
            None => Ok(Page::First(size)),
        }
    }

    /// What the reply says about it.
    pub(crate) fn paging<T>(&self, listed: &Listed<T>) -> Paging {
        if self.token().is_none() && self.max_results.is_none() {
            let Numbers { total_count, page_number, page_size } = self.numbered.numbers(listed);
            return Paging { total_count, page_number: Some(page_number), page_size: Some(page_size), next_token: String::new() };
        }
        let next_token = listed.next.map_or(String::new(), write_token);
        Paging { total_count: listed.total, page_number: None, page_size: None, next_token }
    }

    fn token(&self) -> Option<&str> {
        self.next_token.as_deref().filter(|token| !token.is_empty())
    }
}

/// Cuts a page of at most `size` out of a whole list by its token, and tells the token of the next page.
pub(crate) fn cut<T>(rows: Vec<T>, token: Option<&str>, size: usize) -> Result<(Vec<T>, String), Fault> {
    let start = token.filter(|token| !token.is_empty()).map(read_token).transpose()?.unwrap_or(0);
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(rows.len());
    let end = start.saturating_add(size).min(rows.len());
    let next = if end < rows.len() { write_token(end as u64) } else { String::new() };
    Ok((rows.into_iter().skip(start).take(end - start).collect(), next))
}

fn within(name: &str, value: usize, max: usize) -> Result<usize, Fault> {
    if (1..=max).contains(&value) { Ok(value) } else { Err(Fault::invalid(name, format!("'{value}' is not between 1 and {max}"))) }
}

/// Writes a position as a token that says nothing to its reader.
pub(crate) fn write_token(position: u64) -> String {
    URL_SAFE_NO_PAD.encode(position.to_be_bytes())
}

/// Reads a token; refuses what this cloud cannot have written.
pub(crate) fn read_token(token: &str) -> Result<u64, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    bytes.map(u64::from_be_bytes).ok_or_else(|| Fault::invalid("NextToken", "it is none of this service"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_nothing_else_is_one() {
        for position in [0, 1, u64::MAX] {
            assert_eq!(read_token(&write_token(position)), Ok(position));
        }
        for wrong in ["", "AA", "AAAAAAAAAAA=", "not a token", &"A".repeat(400)] {
            assert!(read_token(wrong).is_err(), "{wrong}");
        }
    }
}
