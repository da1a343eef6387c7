//! Lists in an order that the caller asks for; all others are in the order of making, which is that of the ids.

use model::{Error, Millis};

use crate::Cloud;
use crate::auth::{Caller, Target};
use crate::describe::{Listed, Listing, Page, Query, check_query, list};

/// What rows are compared by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderKey {
    /// A moment, earlier ones first.
    At(Millis),
    /// A text, by its bytes.
    Text(String),
    /// Nothing: all rows are alike.
    Alike,
}

/// An order of rows; those that are alike in it are in the order of their making, which turns with it.
#[derive(Debug)]
pub struct Order<T> {
    /// What of a row is compared.
    pub by: fn(&T) -> OrderKey,
    /// Whether the greatest comes first.
    pub falls: bool,
}

impl<T: Listing> Order<T> {
    /// Puts rows that are in the order of their ids into this one.
    fn sort(&self, rows: &mut [T]) {
        rows.sort_by_cached_key(self.by);
        if self.falls {
            rows.reverse();
        }
    }
}

impl Cloud {
    /// Lists one of the small nouns in an order. Pages are counted: one after an id has no meaning here and is refused.
    pub async fn list_in_order<T: Listing>(&self, caller: &Caller, query: Query<T::Id>, order: Order<T>) -> Result<Listed<T>, Error> {
        check_query(&query)?;
        if matches!(query.page, Page::After { .. }) {
            return Err(Error::invalid("Page", "a list in an order of its own has no page after an id"));
        }
        self.read(caller, vec![Target::any()], move |tx, cx| {
            let mut rows = T::all(tx, cx.caller.account())?;
            order.sort(&mut rows);
            Ok(Listed { next: None, ..list(rows, &query)? })
        })
        .await
    }
}
