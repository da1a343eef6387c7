//! How a command is run: authorise, client token, apply, audit, all in one transaction; a dry run is the same, rolled back.
//!
//! ```text
//!   caller + command ─▶ targets ─▶ authorize ─▶ client token known? ─▶ apply ─▶ audit ─▶ commit ─▶ bells
//!                                     │ no           │ yes: the first reply again
//!                                     ▼              ▼
//!                                 Unauthorized    ClientTokenReused when the parameters differ
//! ```
//!
//! A command never waits for a host. It changes rows and asks for wakes; the work loop and the hosts do the rest.

use model::{Error, Event, EventId, Millis, NUMBERS, SessionContext, What, check_client_token};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use store::{ClientToken, StoreError, Tx, WriteError};

use crate::auth::{Caller, Target};
use crate::{Cloud, Failure};

/// How often a command is tried with new ids when another control plane made the same one in the same millisecond.
const ID_TRIES: usize = 4;

/// Something that a tenant asks for and that changes rows.
pub trait Command: Serialize + Clone + Send + Sync + 'static {
    /// What the caller is told.
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// The command's name, the same for every dialect; client tokens are kept by it.
    const NAME: &'static str;

    /// Whether it chooses hosts, for which the placement index is brought up to date first.
    const PLACES: bool = false;

    /// Whether it changes what somebody may do, so that nobody's rights may be remembered from before.
    const CHANGES_RIGHTS: bool = false;

    /// What it acts on, for the policies: a command on things that the caller does not own names them all the same.
    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure>;

    /// Checks that the caller may do it to these targets.
    fn authorize(&self, _: &Tx<'_>, cx: &Cx<'_>, targets: &[Target]) -> Result<(), Failure> {
        Ok(cx.cloud.authorize(cx.caller, targets)?)
    }

    /// Changes the rows. May be run more than once, with the rows as they then are; does nothing beside.
    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Self::Reply, Failure>;
}

/// What every command may know.
pub struct Cx<'a> {
    /// The control plane.
    pub cloud: &'a Cloud,
    /// Who calls.
    pub caller: &'a Caller,
    /// The time of this try.
    pub now: Millis,
    /// What makes a repeated call answer as the first did.
    pub client_token: Option<&'a str>,
}

impl Cx<'_> {
    /// The value of a new id.
    pub fn new_id(&self) -> u64 {
        self.cloud.ids().next(self.now)
    }

    /// A number for a user, group or policy: none of these, which are those of its account.
    pub(crate) fn new_number(&self, taken: &[u64]) -> u64 {
        let range = NUMBERS.end - NUMBERS.start;
        loop {
            let number = NUMBERS.start + self.cloud.ids().number() % range;
            if !taken.contains(&number) {
                return number;
            }
        }
    }
}

/// What became of a call, as the trail tells it.
enum Happened {
    /// It was done, and opened a session that has this.
    Done { opened: Option<SessionContext> },
    /// It was refused, in one word.
    Refused(&'static str),
}

/// How a command is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Makes a repeated call answer as the first did.
    pub client_token: Option<String>,
    /// Tries everything and keeps nothing; ends in [`Error::DryRun`] when it would have succeeded.
    pub dry_run: bool,
}

impl Cloud {
    /// Runs a command for a caller.
    pub async fn run<C: Command>(&self, caller: &Caller, command: C, options: Options) -> Result<C::Reply, Error> {
        if let Some(token) = &options.client_token {
            check_client_token(token)?;
        }
        if C::PLACES {
            self.settle_fleet().await?;
        }
        let dry_run = options.dry_run;
        let mut result = self.try_once(caller, &command, &options).await;
        for _ in 1..ID_TRIES {
            match result {
                Err(WriteError::Refused(Failure::Store(StoreError::Duplicate { constraint, .. }))) if constraint == "id" => {
                    result = self.try_once(caller, &command, &options).await;
                }
                other => {
                    result = other;
                    break;
                }
            }
        }
        if C::CHANGES_RIGHTS {
            self.principals().clear();
        }
        match result {
            Ok(_) if dry_run => Err(Error::DryRun),
            Ok(reply) => Ok(reply),
            Err(WriteError::Refused(Failure::Refused(error))) => {
                if let Error::Unauthorized { .. } = error {
                    self.audit_refusal(caller).await;
                }
                Err(error)
            }
            Err(WriteError::Refused(failure)) => Err(self.refusal(C::NAME, failure)),
            Err(WriteError::Store(error)) => Err(self.store_refusal(C::NAME, &error)),
            Err(WriteError::Panicked(message)) => {
                tracing::error!(command = C::NAME, request = caller.request, message, "a command panicked");
                Err(Error::Internal)
            }
        }
    }

    async fn try_once<C: Command>(&self, caller: &Caller, command: &C, options: &Options) -> Result<C::Reply, WriteError<Failure>> {
        let (cloud, caller, command, owned) = (self.clone(), caller.clone(), command.clone(), options.clone());
        let attempt = move |tx: &mut Tx<'_>| cloud.attempt(tx, &caller, &command, &owned);
        if options.dry_run { self.store().try_out(attempt).await } else { self.store().write(attempt).await }
    }

    fn attempt<C: Command>(&self, tx: &mut Tx<'_>, caller: &Caller, command: &C, options: &Options) -> Result<C::Reply, Failure> {
        let cx = Cx { cloud: self, caller, now: self.clock().now(), client_token: options.client_token.as_deref() };
        let targets = command.targets(tx, &cx)?;
        command.authorize(tx, &cx, &targets)?;
        let token = options.client_token.as_ref().map(|token| self.token_of(caller, command, token)).transpose()?;
        if let Some((id, parameters)) = &token
            && let Some(first) = tx.get::<ClientToken>(id.clone())?
        {
            return repeat::<C>(&first, parameters);
        }
        let reply = command.apply(tx, &cx)?;
        if let Some((id, parameters)) = token {
            let text = serde_json::to_string(&reply).map_err(|error| self.internal("write a reply down", &error))?;
            tx.insert(&ClientToken { id, parameters, reply: text, created_at: cx.now })?;
        }
        let opened = targets.iter().find_map(|target| target.session.as_ref()).map(|session| session.context.clone());
        let resources = targets.into_iter().filter_map(|target| target.path).collect();
        tx.insert(&self.call_event(caller, resources, Happened::Done { opened }))?;
        Ok(reply)
    }

    fn token_of<C: Command>(&self, caller: &Caller, command: &C, token: &str) -> Result<(String, String), Error> {
        let parameters = serde_json::to_vec(command).map_err(|error| self.internal("write a command down", &error))?;
        Ok((format!("{}/{}/{token}", caller.account(), C::NAME), hex::encode(Sha256::digest(parameters))))
    }

    fn call_event(&self, caller: &Caller, resources: Vec<String>, happened: Happened) -> Event {
        let now = self.clock().now();
        let (refused, session) = match happened {
            Happened::Done { opened } => (None, opened),
            Happened::Refused(why) => (Some(why.to_owned()), None),
        };
        let what = What::Call {
            action: caller.action.to_owned(),
            user: caller.principal.name(),
            access_key: caller.principal.access_key.clone(),
            source: caller.source.to_string(),
            request: caller.request.clone(),
            refused,
            source_identity: caller.principal.session.source_identity.clone(),
            session,
        };
        Event { id: EventId::from_u64(self.ids().next(now)), account: caller.account(), at: now, what, resources }
    }

    /// Writes down that policies refused a call. The call is refused whether or not that works.
    pub(crate) async fn audit_refusal(&self, caller: &Caller) {
        let event = self.call_event(caller, vec![], Happened::Refused("unauthorized"));
        let written = self.store().write(move |tx| tx.insert(&event).map_err(Failure::from)).await;
        if let Err(error) = written {
            tracing::error!(%error, request = caller.request, "a refused call could not be audited");
        }
    }

    /// Reads for a caller: a consistent view of committed rows, after the policies were asked.
    pub async fn read<T, F>(&self, caller: &Caller, targets: Vec<Target>, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>, &Cx<'_>) -> Result<T, Failure> + Send + 'static,
    {
        if let Err(error) = self.authorize(caller, &targets) {
            self.audit_refusal(caller).await;
            return Err(error);
        }
        let (cloud, caller_) = (self.clone(), caller.clone());
        let result = self.store().read(move |tx| {
            let cx = Cx { cloud: &cloud, caller: &caller_, now: cloud.clock().now(), client_token: None };
            look(tx, &cx)
        });
        result.await.map_err(|failure| self.refusal(caller.action, failure))
    }
}

fn repeat<C: Command>(first: &ClientToken, parameters: &str) -> Result<C::Reply, Failure> {
    if first.parameters != *parameters {
        return Err(Error::ClientTokenReused.into());
    }
    serde_json::from_str(&first.reply).map_err(|error| {
        tracing::error!(%error, "a kept reply cannot be read");
        Failure::Refused(Error::Internal)
    })
}
