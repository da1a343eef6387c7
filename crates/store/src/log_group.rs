//! Log groups, their streams, and blocks of messages.

use model::{AccountId, LogBlock, LogGroup, LogStream, Millis, log_group_key};

use crate::{By, Column, Row, StoreError, Tx, Value};

impl Row for LogGroup {
    type Id = String;
    const TABLE: &'static str = "log_group";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |group| group.account.into())];

    fn id(&self) -> String {
        self.key()
    }
}

impl Row for LogStream {
    type Id = String;
    const TABLE: &'static str = "log_stream";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("log_group", |stream| stream.group_key().into())];

    fn id(&self) -> String {
        self.key()
    }
}

impl Row for LogBlock {
    type Id = u64;
    const TABLE: &'static str = "log_block";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |block| block.account.into()),
        Column::new("log_group", |block| block.group_key().into()),
        Column::new("stream", |block| block.stream.as_str().into()),
        Column::new("at_ms", |block| block.at.into()),
        Column::new("bytes", |block| Value::Int(i64::try_from(block.bytes()).unwrap_or(i64::MAX))),
    ];

    fn id(&self) -> u64 {
        self.id
    }
}

/// Which blocks of a log group.
#[derive(Debug, Clone, Copy)]
pub struct LogSpan<'a> {
    /// Of this stream; of all when none.
    pub stream: Option<&'a str>,
    /// Not before.
    pub from: Millis,
    /// Not after.
    pub until: Millis,
    /// Only those behind this time and id, in the direction that is asked for.
    pub behind: Option<(Millis, u64)>,
    /// Whether the newest come first.
    pub is_backwards: bool,
}

impl Tx<'_> {
    /// Log groups of an account.
    pub fn log_group_list(&self, account: AccountId) -> Result<Vec<LogGroup>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many log groups an account has, counted no further than `at_most`.
    pub fn log_group_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<LogGroup>(By::is("account", account), at_most)
    }

    /// Every log group whose messages are kept for so many days only.
    pub fn log_group_list_all(&self) -> Result<Vec<LogGroup>, StoreError> {
        self.list(By::all())
    }

    /// Streams of a log group.
    pub fn log_stream_list(&self, account: AccountId, group: &str) -> Result<Vec<LogStream>, StoreError> {
        self.list(By::is("log_group", log_group_key(account, group)))
    }

    /// Blocks of a log group, by time and id, up to so many.
    pub fn log_block_list(&self, account: AccountId, group: &str, span: LogSpan<'_>, at_most: u32) -> Result<Vec<LogBlock>, StoreError> {
        let all = By::is("log_group", log_group_key(account, group));
        let all = match span.stream {
            Some(stream) => all.and("stream", stream),
            None => all,
        };
        let (mut from, mut until) = (span.from, span.until);
        let mut found = Vec::new();
        if let Some((at, id)) = span.behind {
            if (from..=until).contains(&at) {
                let same = all.clone().and("at_ms", at);
                let rest =
                    if span.is_backwards { same.below("id", Value::from(id as i64)).backwards() } else { same.above("id", id as i64) };
                found = self.list(rest.first(at_most))?;
            }
            match span.is_backwards {
                true => until = until.min(at.after(-1)),
                false => from = from.max(at.after(1)),
            }
        }
        let left = at_most.saturating_sub(found.len() as u32);
        if left > 0 && from <= until {
            let rest = all.above("at_ms", from.after(-1).0).at_most("at_ms", until.0).ordered_by("at_ms");
            let rest = if span.is_backwards { rest.backwards() } else { rest };
            found.extend(self.list::<LogBlock>(rest.first(left))?);
        }
        Ok(found)
    }

    /// Bytes of messages that are kept for an account.
    pub fn log_bytes(&self, account: AccountId) -> Result<u64, StoreError> {
        Ok(self.sum::<LogBlock>("bytes", By::is("account", account))?.unsigned_abs())
    }

    /// Bytes of messages that are kept in a log group.
    pub fn log_bytes_of(&self, account: AccountId, group: &str) -> Result<u64, StoreError> {
        Ok(self.sum::<LogBlock>("bytes", By::is("log_group", log_group_key(account, group)))?.unsigned_abs())
    }

    /// The oldest blocks of an account, up to so many.
    pub fn log_block_list_oldest(&self, account: AccountId, at_most: u32) -> Result<Vec<LogBlock>, StoreError> {
        self.list(By::is("account", account).ordered_by("at_ms").first(at_most))
    }

    /// Forgets blocks of a log group from before a time.
    pub fn log_forget_before(&mut self, account: AccountId, group: &str, at: Millis) -> Result<u64, StoreError> {
        let group = Value::from(log_group_key(account, group));
        self.execute("DELETE FROM log_block WHERE log_group = $1 AND at_ms < $2", &[group, at.into()])
    }

    /// Forgets a log group with all that is in it.
    pub fn log_group_forget(&mut self, account: AccountId, group: &str) -> Result<(), StoreError> {
        let key = log_group_key(account, group);
        self.execute("DELETE FROM log_block WHERE log_group = $1", &[key.as_str().into()])?;
        self.execute("DELETE FROM log_stream WHERE log_group = $1", &[key.as_str().into()])?;
        self.delete::<LogGroup>(key)?;
        Ok(())
    }
}
