//! Log groups: what is in them, and how long it stays.
//!
//! Messages come from flow logs. The oldest give way when an account has more than [`model::LOG_BYTES_MAX`], and those of a group with a
//! retention when their days are over, once an hour.

use std::time::Duration;

use model::{
    AccountId, Error, LOG_GROUPS_MAX, LogBlock, LogGroup, LogPattern, LogStream, Millis, Noun, check_log_retention, log_group_key,
};
use serde::Serialize;
use store::{LogSpan, Tx, WriteError};

use crate::auth::{Caller, Target};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Blocks that are looked at in one read; a page that found less goes on from there.
const BLOCKS_AT_ONCE: u32 = 200;
/// Blocks that give way in one transaction.
const GIVE_WAY_AT_ONCE: u32 = 500;
/// Pause between two looks for messages whose days are over.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// Milliseconds in a day.
const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// Streams that a question may name (CloudWatch Logs, "FilterLogEvents": 100).
pub const LOG_STREAMS_NAMED: usize = 100;

/// Keeps the messages of a log group for so many days, or for as long as there is room.
#[derive(Debug, Clone, Serialize)]
pub struct SetLogRetention {
    /// The log group.
    pub group: String,
    /// Days; none for no end.
    pub days: Option<u32>,
}

/// Deletes a log group with all that is in it. A flow log that writes to it makes it anew.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteLogGroup {
    /// The log group.
    pub group: String,
}

/// A log group, and how much is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogGroupView {
    /// The log group.
    pub group: LogGroup,
    /// Bytes of its messages.
    pub bytes: u64,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// The stream that it is in.
    pub stream: String,
    /// Its time.
    pub at: Millis,
    /// When it was taken.
    pub taken_at: Millis,
    /// What it says.
    pub message: String,
    /// Where it is.
    pub place: LogPlace,
}

/// A place between messages: behind this message of this block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPlace {
    /// The time.
    pub at: Millis,
    /// The block.
    pub block: u64,
    /// The message in it; all of them when none.
    pub message: Option<usize>,
}

/// What is asked of a log group.
#[derive(Debug, Clone)]
pub struct LogQuestion {
    /// The log group.
    pub group: String,
    /// Streams; all when empty.
    pub streams: Vec<String>,
    /// What the names of streams begin with.
    pub stream_prefix: Option<String>,
    /// Not before.
    pub from: Millis,
    /// Not after.
    pub until: Millis,
    /// What messages must fit.
    pub pattern: LogPattern,
    /// Only messages behind this place, in the direction that is asked for.
    pub behind: Option<LogPlace>,
    /// Whether the newest come first.
    pub is_backwards: bool,
    /// Messages at most, 1 or more.
    pub size: usize,
}

/// Messages, and where the next page goes on; a page may be empty and still have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The messages, in the direction that was asked for.
    pub events: Vec<LogEvent>,
    /// Where the next page goes on.
    pub next: Option<LogPlace>,
}

impl Command for SetLogRetention {
    type Reply = ();
    const NAME: &'static str = "SetLogRetention";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(&self.group)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        if let Some(days) = self.days {
            check_log_retention(days)?;
        }
        let mut group = group_of(tx, cx.caller.account(), &self.group)?;
        group.retention_days = self.days;
        tx.update(&group)?;
        Ok(())
    }
}

impl Command for DeleteLogGroup {
    type Reply = ();
    const NAME: &'static str = "DeleteLogGroup";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(&self.group)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let group = group_of(tx, cx.caller.account(), &self.group)?;
        tx.log_group_forget(group.account, &group.name)?;
        Ok(())
    }
}

impl Cloud {
    /// Log groups of the caller's account by name, with what is in them.
    pub async fn log_groups(&self, caller: &Caller) -> Result<Vec<LogGroupView>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| {
            let mut groups = tx.log_group_list(cx.caller.account())?;
            groups.sort_by(|one, other| one.name.cmp(&other.name));
            let view = |group: LogGroup| Ok(LogGroupView { bytes: tx.log_bytes_of(group.account, &group.name)?, group });
            groups.into_iter().map(view).collect()
        })
        .await
    }

    /// Streams of a log group, by name.
    pub async fn log_streams(&self, caller: &Caller, group: String) -> Result<Vec<LogStream>, Error> {
        self.read(caller, vec![target(&group)], move |tx, cx| {
            let group = group_of(tx, cx.caller.account(), &group)?;
            let mut streams = tx.log_stream_list(group.account, &group.name)?;
            streams.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(streams)
        })
        .await
    }

    /// Messages of a log group.
    pub async fn log_events(&self, caller: &Caller, question: LogQuestion) -> Result<LogPage, Error> {
        self.read(caller, vec![target(&question.group)], move |tx, cx| look(tx, cx.caller.account(), &question)).await
    }

    /// Has the oldest messages of an account give way to what is above so many bytes, which is [`model::LOG_BYTES_MAX`] after each part
    /// that a host tells. An error means that some may be left.
    pub async fn log_make_room(&self, account: AccountId, bytes_max: u64) -> Result<(), WriteError<Failure>> {
        loop {
            let more = self.store().write(move |tx| {
                let mut kept = tx.log_bytes(account)?;
                if kept <= bytes_max {
                    return Ok::<_, Failure>(false);
                }
                for block in tx.log_block_list_oldest(account, GIVE_WAY_AT_ONCE)? {
                    if kept <= bytes_max {
                        break;
                    }
                    kept = kept.saturating_sub(block.bytes());
                    tx.delete::<LogBlock>(block.id)?;
                }
                Ok(kept > bytes_max)
            });
            if !more.await? {
                return Ok(());
            }
        }
    }

    /// Forgets messages whose days are over.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn log_forget_old(&self) -> Result<(), Error> {
        let now = self.clock().now();
        let forgotten = self.store().write(move |tx| {
            for group in tx.log_group_list_all()? {
                if let Some(days) = group.retention_days {
                    tx.log_forget_before(group.account, &group.name, now.after(-i64::from(days) * DAY_MS))?;
                }
            }
            Ok::<_, Failure>(())
        });
        forgotten.await.map_err(|error| self.write_refusal("forget old messages", error))
    }

    /// Forgets messages whose days are over, once an hour, until the task is dropped.
    pub async fn forget_logs(&self) {
        loop {
            if let Err(error) = self.log_forget_old().await {
                tracing::warn!(%error, "old messages could not be forgotten; the next hour will");
            }
            tokio::time::sleep(FORGET_EVERY).await;
        }
    }
}

fn look(tx: &Tx<'_>, account: AccountId, question: &LogQuestion) -> Result<LogPage, Failure> {
    let group = group_of(tx, account, &question.group)?;
    if let [stream] = question.streams.as_slice() {
        let key = format!("{}:{stream}", group.key());
        tx.get::<LogStream>(key)?.ok_or_else(|| Error::not_found(Noun::LogStream, stream))?;
    }
    let only = question.streams.first().filter(|_| question.streams.len() == 1).map(String::as_str);
    let of_prefix = |stream: &str| question.stream_prefix.as_deref().is_none_or(|prefix| stream.starts_with(prefix));
    let is_wanted = |stream: &str| (question.streams.is_empty() || question.streams.iter().any(|name| name == stream)) && of_prefix(stream);
    let mut events = Vec::new();
    let mut behind = question.behind;
    // A block of which a part was told is read again for the rest.
    if let Some(LogPlace { at, block, message: Some(last) }) = question.behind {
        let begun = tx.get::<LogBlock>(block)?.filter(|block| block.group_key() == group.key() && is_wanted(&block.stream));
        if let Some(next) = begun.and_then(|block| gather(&block, question, Some(last), &mut events)) {
            return Ok(LogPage { events, next: Some(next) });
        }
        behind = Some(LogPlace { at, block, message: None });
    }
    let span = LogSpan {
        stream: only,
        from: question.from,
        until: question.until,
        behind: behind.map(|place| (place.at, place.block)),
        is_backwards: question.is_backwards,
    };
    let blocks = tx.log_block_list(account, &group.name, span, BLOCKS_AT_ONCE)?;
    let is_last = blocks.len() < BLOCKS_AT_ONCE as usize;
    let mut last = behind;
    for block in &blocks {
        if is_wanted(&block.stream)
            && let Some(next) = gather(block, question, None, &mut events)
        {
            return Ok(LogPage { events, next: Some(next) });
        }
        last = Some(LogPlace { at: block.at, block: block.id, message: None });
    }
    Ok(LogPage { events, next: last.filter(|_| !is_last) })
}

/// Adds the messages of a block that fit, behind one of them; gives the place where the page is full.
fn gather(block: &LogBlock, question: &LogQuestion, behind: Option<usize>, events: &mut Vec<LogEvent>) -> Option<LogPlace> {
    let count = block.messages.len();
    let order: Box<dyn Iterator<Item = usize>> = match (question.is_backwards, behind) {
        (false, last) => Box::new(last.map_or(0, |last| last + 1)..count),
        (true, last) => Box::new((0..last.unwrap_or(count).min(count)).rev()),
    };
    for message in order {
        let place = LogPlace { at: block.at, block: block.id, message: Some(message) };
        if !question.pattern.fits(&block.messages[message]) {
            continue;
        }
        let (stream, text) = (block.stream.clone(), block.messages[message].clone());
        events.push(LogEvent { stream, at: block.at, taken_at: block.taken_at, message: text, place });
        if events.len() >= question.size {
            return Some(place);
        }
    }
    None
}

/// Makes a log group that is not there.
///
/// # Errors
/// Refuses one more than an account may have.
pub(crate) fn group_made(tx: &mut Tx<'_>, account: AccountId, name: &str, now: Millis) -> Result<(), Failure> {
    if tx.get::<LogGroup>(log_group_key(account, name))?.is_some() {
        return Ok(());
    }
    if tx.log_group_count(account, LOG_GROUPS_MAX)? >= LOG_GROUPS_MAX {
        return Err(Error::LimitReached { name: "LogGroup", what: "log groups of an account".to_owned(), limit: LOG_GROUPS_MAX }.into());
    }
    tx.insert(&LogGroup { account, name: name.to_owned(), retention_days: None, created_at: now })?;
    Ok(())
}

/// Adds a block to its stream, once.
pub(crate) fn append(tx: &mut Tx<'_>, block: &LogBlock) -> Result<(), Failure> {
    if tx.get::<LogBlock>(block.id)?.is_some() {
        return Ok(());
    }
    group_made(tx, block.account, &block.group, block.taken_at)?;
    let key = format!("{}:{}", block.group_key(), block.stream);
    let stream = match tx.get::<LogStream>(key)? {
        Some(mut stream) => {
            stream.first_at = stream.first_at.min(block.at);
            stream.last_at = stream.last_at.max(block.at);
            stream.taken_at = block.taken_at;
            stream
        }
        None => LogStream {
            account: block.account,
            group: block.group.clone(),
            name: block.stream.clone(),
            created_at: block.taken_at,
            first_at: block.at,
            last_at: block.at,
            taken_at: block.taken_at,
        },
    };
    tx.put(&stream)?;
    Ok(tx.insert(block)?)
}

fn group_of(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<LogGroup, Failure> {
    let found = tx.get::<LogGroup>(log_group_key(account, name))?;
    Ok(found.ok_or_else(|| Error::not_found(Noun::LogGroup, name))?)
}

/// A log group as policies see it.
fn target(group: &str) -> Target {
    Target { path: Some(format!("log-group/{group}")), ..Target::default() }
}

/// Whether a name fits a pattern of a list of log groups, which may be in the middle of it.
pub fn log_group_fits(name: &str, prefix: Option<&str>, part: Option<&str>) -> bool {
    prefix.is_none_or(|prefix| name.starts_with(prefix)) && part.is_none_or(|part| name.contains(part))
}
