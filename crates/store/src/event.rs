//! Events, and the client tokens of calls that may be repeated.

use model::{AccountId, Event, EventId, Millis, Seal};
use serde::{Deserialize, Serialize};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for Event {
    type Id = EventId;
    const TABLE: &'static str = "event";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |e| e.account.into())];

    fn id(&self) -> EventId {
        self.id
    }
}

/// A seal is kept by its number.
impl Row for Seal {
    type Id = u64;
    const TABLE: &'static str = "event_seal";
    const COLUMNS: &'static [Column<Self>] = &[];

    fn id(&self) -> u64 {
        self.number
    }
}

/// The answer to a call that carried a client token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientToken {
    /// Account, command and token, joined by a slash.
    pub id: String,
    /// SHA-256 of the command's parameters, hex.
    pub parameters: String,
    /// The command's reply as JSON.
    pub reply: String,
    /// When the first call was answered.
    pub created_at: Millis,
}

impl Row for ClientToken {
    type Id = String;
    const TABLE: &'static str = "client_token";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("created_at", |t| t.created_at.into())];

    fn id(&self) -> String {
        self.id.clone()
    }
}

impl Tx<'_> {
    /// The newest events of an account, newest first.
    pub fn event_list(&self, account: AccountId, at_most: u32) -> Result<Vec<Event>, StoreError> {
        self.list(By::is("account", account).backwards().first(at_most))
    }

    /// Events of an account before one, newest first; from the newest when none is given.
    pub fn event_list_before(&self, account: AccountId, before: Option<EventId>, at_most: u32) -> Result<Vec<Event>, StoreError> {
        let all = By::is("account", account);
        let earlier = match before {
            Some(id) => all.below("id", id),
            None => all,
        };
        self.list(earlier.backwards().first(at_most))
    }

    /// Events of all accounts after one and up to another, in order.
    pub fn event_run(&self, after: Option<EventId>, last: Option<EventId>, at_most: u32) -> Result<Vec<Event>, StoreError> {
        let mut by = By::all();
        if let Some(id) = after {
            by = by.above("id", id);
        }
        if let Some(id) = last {
            by = by.at_most("id", id);
        }
        self.list(by.first(at_most))
    }

    /// The seal with this number.
    pub fn event_seal(&self, number: u64) -> Result<Option<Seal>, StoreError> {
        self.get::<Seal>(number)
    }

    /// The newest seal.
    pub fn event_seal_last(&self) -> Result<Option<Seal>, StoreError> {
        Ok(self.list::<Seal>(By::all().backwards().first(1))?.pop())
    }

    /// Deletes client tokens made before `before`, at most `at_most` of them, and says how many.
    pub fn client_token_forget(&mut self, before: Millis, at_most: u32) -> Result<usize, StoreError> {
        let old = self.list::<ClientToken>(By::all().below("created_at", before).ordered_by("created_at").first(at_most))?;
        for token in &old {
            self.delete::<ClientToken>(token.id.clone())?;
        }
        Ok(old.len())
    }
}
