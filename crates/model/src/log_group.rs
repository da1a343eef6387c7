//! Log groups: named, with streams of messages that are kept for a while.
//!
//! ```text
//!   LogGroup ── LogStream ── LogBlock: messages of one instant, up to so many
//! ```
//!
//! It does not know who writes them. Names and limits are CloudWatch Logs'.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{AccountId, Error, Millis};

/// Log groups of one account.
pub const LOG_GROUPS_MAX: u64 = 1_000;
/// Bytes of messages that are kept for one account: the oldest give way. A quarter of a GiB is some two million records of flows.
pub const LOG_BYTES_MAX: u64 = 256 << 20;
/// Messages of one block.
pub const LOG_BLOCK_MESSAGES: usize = 500;
/// Bytes that each message counts for beside its own (CloudWatch Logs, "PutLogEvents": 26).
const MESSAGE_OVERHEAD: u64 = 26;
/// Characters of a log group's name.
const NAME_MAX: usize = 512;
/// Days that messages may be kept (CloudWatch Logs, "PutRetentionPolicy").
pub const LOG_RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// The owner.
    pub account: AccountId,
    /// Its name, unique in the account.
    pub name: String,
    /// Days that its messages are kept; none keeps them until there is no room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// When it was made.
    pub created_at: Millis,
}

/// A stream of messages in a log group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStream {
    /// The owner.
    pub account: AccountId,
    /// The log group.
    pub group: String,
    /// Its name, unique in the group.
    pub name: String,
    /// When it was made.
    pub created_at: Millis,
    /// The oldest message's time.
    pub first_at: Millis,
    /// The newest message's time.
    pub last_at: Millis,
    /// When a message was last taken.
    pub taken_at: Millis,
}

/// Messages of one stream with the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBlock {
    /// Follows from where it came from, so that what is told twice is kept once.
    pub id: u64,
    /// The owner.
    pub account: AccountId,
    /// The log group.
    pub group: String,
    /// The stream.
    pub stream: String,
    /// The time of its messages.
    pub at: Millis,
    /// When they were taken.
    pub taken_at: Millis,
    /// The messages.
    pub messages: Vec<String>,
}

/// What names a log group in a column: an account's number has twelve digits, and no name has a colon.
pub fn log_group_key(account: AccountId, name: &str) -> String {
    format!("{account}:{name}")
}

impl LogGroup {
    /// What names it in a column.
    pub fn key(&self) -> String {
        log_group_key(self.account, &self.name)
    }
}

impl LogStream {
    /// What names it in a column.
    pub fn key(&self) -> String {
        format!("{}:{}", self.group_key(), self.name)
    }

    /// What names its group in a column.
    pub fn group_key(&self) -> String {
        log_group_key(self.account, &self.group)
    }
}

impl LogBlock {
    /// What names its group in a column.
    pub fn group_key(&self) -> String {
        log_group_key(self.account, &self.group)
    }

    /// What it counts for, in bytes.
    pub fn bytes(&self) -> u64 {
        self.messages.iter().map(|message| message.len() as u64 + MESSAGE_OVERHEAD).sum()
    }

    /// The id of a block that came from here: the same for the same place, 62 bits of its digest, and never 0.
    pub fn id_of(origin: &str) -> u64 {
        let digest = Sha256::digest(origin);
        let first = digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        (first >> 2).max(1)
    }
}

/// Checks the name of a log group: up to 512 letters, digits and `_-/.#`.
///
/// # Errors
/// Refuses any other.
pub fn check_log_group_name(name: &str) -> Result<(), Error> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | '#');
    if name.is_empty() || name.chars().count() > NAME_MAX || !name.chars().all(is_plain) {
        return Err(Error::invalid("LogGroupName", format!("must have 1 to {NAME_MAX} letters, digits and characters of _-/.#")));
    }
    Ok(())
}

/// Checks the days that messages are to be kept.
///
/// # Errors
/// Refuses a number that is not one of [`LOG_RETENTION_DAYS`].
pub fn check_log_retention(days: u32) -> Result<(), Error> {
    match LOG_RETENTION_DAYS.contains(&days) {
        true => Ok(()),
        false => Err(Error::invalid("RetentionInDays", format!("must be one of {LOG_RETENTION_DAYS:?}"))),
    }
}
