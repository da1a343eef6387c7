//! Events: who did what, and what happened by itself. Written in the transaction of the change that they tell of.

use serde::{Deserialize, Serialize};

use crate::{AccountId, EventId, Millis, SessionContext};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id; later events have greater ones.
    pub id: EventId,
    /// Account that it concerns.
    pub account: AccountId,
    /// When.
    pub at: Millis,
    /// What.
    pub what: What,
    /// Ids of the resources that it concerns.
    pub resources: Vec<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum What {
    /// A call changed something, or was refused by policy.
    Call {
        /// The action in the caller's words, such as `ec2:RunInstances`.
        action: String,
        /// Who: the user's name, or `root`.
        user: String,
        /// Access key that signed it.
        access_key: String,
        /// Address that it came from.
        source: String,
        /// Request id, as the reply has it.
        request: String,
        /// Refusal in one word, when it was refused.
        refused: Option<String>,
        /// Who is behind the session that called, when that was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_identity: Option<String>,
        /// What the session has that the call opened.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionContext>,
    },
    /// A resource changed its state by itself.
    Became {
        /// The new state.
        state: String,
        /// Why, in the tenant's words.
        reason: String,
    },
}
