//! The audit trail: what tenants ask of it, and the seals that show whether somebody changed it.
//!
//! Seals are made a run of events at a time, when the events are a minute old: calls never wait for each other's place in a
//! chain. A row that is edited, deleted, added or moved changes the digest of its run. What is not sealed yet, and seals cut off
//! at the end, show only by comparison with a head that was noted elsewhere; [`Cloud::verify_audit`] tells the head.

use std::time::Duration;

use model::{Error, Event, EventId, Millis, SEALED_AFTER_MS, Seal, What};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::Tx;

use crate::auth::{Caller, Target};
use crate::{Cloud, Failure};

/// Events of one seal at most: small enough that a transaction with them holds nobody up.
const RUN_MAX: u32 = 250;
/// Pause between two looks for events that are old enough.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Pause between two runs, so that calls have the writer for themselves meanwhile: 20 runs a second keep up with 5,000 calls.
const BETWEEN_RUNS: Duration = Duration::from_millis(50);
/// Events that one look-up reads at most; a page that found less goes on from there.
const READ_MAX: usize = 10_000;
/// Events read at a time.
const READ_AT_ONCE: u32 = 500;

/// What is asked of the trail; all of it must be so.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    /// Not before.
    pub from: Option<Millis>,
    /// Not after.
    pub until: Option<Millis>,
    /// Attributes and their values.
    pub attributes: Vec<(Attribute, String)>,
    /// Only events before this one: the place where the page before ended.
    pub before: Option<EventId>,
    /// Size of the page.
    pub size: usize,
}

/// What calls can be looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// The event's id.
    Id,
    /// The action without its service: `RunInstances`.
    Action,
    /// The service in policies' words: `ec2`.
    Service,
    /// Who called, as the log names callers.
    User,
    /// The access key.
    AccessKey,
    /// A resource's id or name, with or without its kind.
    Resource,
    /// A kind of resource: `instance`.
    ResourceKind,
    /// The request's id.
    Request,
    /// Whether nothing was changed: `true` or `false`.
    ReadOnly,
    /// The refusal in one word.
    Refusal,
}

/// A page of the trail, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// The calls.
    pub events: Vec<Event>,
    /// Where the next page goes on; a page may be empty and still have one.
    pub next: Option<EventId>,
}

/// What a check of the seals found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditState {
    /// Seals that were checked.
    pub seals: u64,
    /// Events under them.
    pub events: u64,
    /// Digest of the last one, to be noted elsewhere.
    pub head: String,
    /// What is wrong, if anything.
    pub broken: Option<String>,
}

/// Whether a call has an attribute. Only calls that change something, and those that were refused, are in the trail.
pub fn has(event: &Event, attribute: Attribute, wanted: &str) -> bool {
    let What::Call { action, user, access_key, request, refused, .. } = &event.what else { return false };
    let (service, name) = action.split_once(':').unwrap_or(("", action));
    match attribute {
        Attribute::Id => event.id.to_string() == wanted,
        Attribute::Action => name == wanted,
        Attribute::Service => service == wanted,
        Attribute::User => user == wanted,
        Attribute::AccessKey => access_key == wanted,
        Attribute::Resource => {
            event.resources.iter().any(|path| path == wanted || path.split_once('/').is_some_and(|(_, id)| id == wanted))
        }
        Attribute::ResourceKind => event.resources.iter().any(|path| path.split_once('/').is_some_and(|(kind, _)| kind == wanted)),
        Attribute::Request => request == wanted,
        Attribute::ReadOnly => is_read_only(name).to_string() == wanted,
        Attribute::Refusal => refused.as_deref() == Some(wanted),
    }
}

/// Whether an action of this name changes nothing.
pub fn is_read_only(name: &str) -> bool {
    ["Describe", "Get", "List", "Lookup", "LookUp", "Filter"].iter().any(|verb| name.starts_with(verb))
}

impl Cloud {
    /// Calls of the caller's account, newest first.
    pub async fn lookup_events(&self, caller: &Caller, asked: Lookup) -> Result<Trail, Error> {
        if let (Some(from), Some(until)) = (asked.from, asked.until)
            && from > until
        {
            return Err(Error::invalid("StartTime", "must not be after EndTime"));
        }
        self.read(caller, vec![Target::any()], move |tx, cx| lookup(tx, cx.caller.account(), &asked)).await
    }

    /// Seals the trail until the task is dropped. Another control plane may be at it too, and then one of the two tries in vain.
    pub async fn seal_trail(&self) {
        loop {
            match self.seal_audit().await {
                Ok(0) => tokio::time::sleep(LOOK_EVERY).await,
                Ok(_) => tokio::time::sleep(BETWEEN_RUNS).await,
                Err(error) => {
                    tracing::warn!(%error, "the audit trail could not be sealed; it is tried again");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    /// Seals the next run of events that are old enough, and says how many they are.
    pub async fn seal_audit(&self) -> Result<u64, Error> {
        let cloud = self.clone();
        let done = self.store().write(move |tx| cloud.seal_next(tx)).await;
        done.map_err(|error| self.write_refusal("seal the audit trail", error))
    }

    fn seal_next(&self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        let now = self.clock().now();
        let last = tx.event_seal_last()?;
        let after = last.as_ref().map(|seal| seal.last);
        let mut events = tx.event_run(after, None, RUN_MAX)?;
        // Later events may still be joined by one with a lesser id, so the run ends before the first young one.
        let old = events.iter().position(|event| now.since(event.at) < SEALED_AFTER_MS).unwrap_or(events.len());
        events.truncate(old);
        let Some(end) = events.last().map(|event| event.id) else { return Ok(0) };
        let before = last.as_ref().map(|seal| self.opened_digest(seal)).transpose()?.unwrap_or_default();
        let number = last.map_or(1, |seal| seal.number + 1);
        let digest = self.digest_of(&before, &events)?;
        let digest = self.master().seal(&seal_name(number), &SecretString::from(digest));
        let digest = digest.map_err(|error| self.internal("seal the audit trail", &error))?;
        tx.insert(&Seal { number, last: end, events: events.len() as u64, digest, made_at: now })?;
        Ok(events.len() as u64)
    }

    /// Checks every seal against the events under it.
    pub async fn verify_audit(&self) -> Result<AuditState, Error> {
        let mut state = AuditState { seals: 0, events: 0, head: String::new(), broken: None };
        let mut after = None;
        loop {
            let (cloud, number, from, head) = (self.clone(), state.seals + 1, after, state.head.clone());
            let checked = self.store().read(move |tx| cloud.check_seal(tx, number, from, &head));
            match checked.await.map_err(|failure| self.refusal("check the audit trail", failure))? {
                Checked::End => return Ok(state),
                Checked::Broken(what) => return Ok(AuditState { broken: Some(what), ..state }),
                Checked::Good { last, events, digest } => {
                    state = AuditState { seals: number, events: state.events + events, head: digest, broken: None };
                    after = Some(last);
                }
            }
        }
    }

    fn check_seal(&self, tx: &Tx<'_>, number: u64, after: Option<EventId>, before: &str) -> Result<Checked, Failure> {
        let Some(seal) = tx.event_seal(number)? else {
            return Ok(match tx.event_seal_last()? {
                Some(last) if last.number >= number => Checked::Broken(format!("seal {number} is missing")),
                Some(_) | None => Checked::End,
            });
        };
        let Ok(kept) = self.opened_digest(&seal) else {
            return Ok(Checked::Broken(format!("seal {number} is not this installation's, or was changed")));
        };
        // One more than there should be: whatever else lies between shows.
        let events = tx.event_run(after, Some(seal.last), u32::try_from(seal.events).unwrap_or(u32::MAX - 1).saturating_add(1))?;
        let digest = self.digest_of(before, &events)?;
        if digest == kept && events.len() as u64 == seal.events {
            return Ok(Checked::Good { last: seal.last, events: seal.events, digest });
        }
        let first = after.map_or_else(|| "the beginning".to_owned(), |id| id.to_string());
        let found = events.len();
        Ok(Checked::Broken(format!(
            "seal {number} does not hold: the events after {first} up to {} were changed ({found} of {} are there)",
            seal.last, seal.events
        )))
    }

    fn opened_digest(&self, seal: &Seal) -> Result<String, Error> {
        let opened = self.master().open(&seal_name(seal.number), &seal.digest);
        Ok(opened.map_err(|error| self.internal("open a seal of the audit trail", &error))?.expose_secret().to_owned())
    }

    fn digest_of(&self, before: &str, events: &[Event]) -> Result<String, Error> {
        let mut digest = Sha256::new();
        let mut add = |text: &[u8]| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        };
        add(before.as_bytes());
        for event in events {
            add(&serde_json::to_vec(event).map_err(|error| self.internal("write an event", &error))?);
        }
        Ok(hex::encode(digest.finalize()))
    }
}

/// What was found of one seal.
enum Checked {
    Good { last: EventId, events: u64, digest: String },
    Broken(String),
    End,
}

/// A seal is sealed under its place, so none can stand for another.
fn seal_name(number: u64) -> String {
    format!("audit/{number}")
}

fn lookup(tx: &Tx<'_>, account: model::AccountId, asked: &Lookup) -> Result<Trail, Failure> {
    let (mut events, mut before, mut read) = (Vec::new(), asked.before, 0);
    loop {
        let page = tx.event_list_before(account, before, READ_AT_ONCE)?;
        let is_last = page.len() < READ_AT_ONCE as usize;
        for event in page {
            (before, read) = (Some(event.id), read + 1);
            // Ids grow with time but for a few milliseconds between processes.
            if asked.from.is_some_and(|from| event.at.after(SEALED_AFTER_MS) < from) {
                return Ok(Trail { events, next: None });
            }
            let in_time = asked.from.is_none_or(|from| event.at >= from) && asked.until.is_none_or(|until| event.at <= until);
            let is_call = matches!(event.what, What::Call { .. });
            if is_call && in_time && asked.attributes.iter().all(|(attribute, wanted)| has(&event, *attribute, wanted)) {
                let id = event.id;
                events.push(event);
                if events.len() == asked.size {
                    let more = !tx.event_list_before(account, Some(id), 1)?.is_empty();
                    return Ok(Trail { events, next: Some(id).filter(|_| more) });
                }
            }
        }
        if is_last {
            return Ok(Trail { events, next: None });
        }
        if read >= READ_MAX {
            return Ok(Trail { events, next: before });
        }
    }
}
