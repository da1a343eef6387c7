//! Who calls, and what they may do.
//!
//! A request names an access key; [`Cloud::principal`] finds whom it acts for. The dialect verifies the signature with the
//! principal's secret, so an unknown key and a wrong signature cost the same look-up. Principals are cached until a
//! user or key changes.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, RwLock};

use model::policy::{AccessRequest, Context, Document, evaluate};
use model::{AccessKey, AccountId, Error, Rights, User, UserId};
use secrecy::SecretString;

use crate::{Cloud, Failure};

/// Principals kept in memory; beyond it the cache starts anew. A million keys would be a gigabyte.
const CACHED_MAX: usize = 10_000;

/// Whom an access key acts for.
pub struct Principal {
    /// The account.
    pub account: AccountId,
    /// The user.
    pub user: UserId,
    /// The user's name.
    pub user_name: String,
    /// The access key's public name.
    pub access_key: String,
    secret: SecretString,
    rights: Grant,
}

enum Grant {
    Everything,
    Policies(Vec<Document>),
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal").field("account", &self.account).field("user", &self.user_name).finish_non_exhaustive()
    }
}

impl Principal {
    /// The secret that requests are signed with.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Whether the user has the rights of the account's root.
    pub fn is_root(&self) -> bool {
        matches!(self.rights, Grant::Everything)
    }
}

/// One call: who makes it, from where, and what the vendor calls it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub principal: Arc<Principal>,
    /// Where the request came from.
    pub source: IpAddr,
    /// The request's id, as the reply has it.
    pub request: String,
    /// The action in the vendor's words, such as `ec2:RunInstances`; what policies name.
    pub action: &'static str,
}

impl Caller {
    /// The account that the call acts in.
    pub fn account(&self) -> AccountId {
        self.principal.account
    }
}

/// A thing that a call acts on, as policies see it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Kind and id, such as `instance/i-0...`; none when the call names nothing yet.
    pub path: Option<String>,
    /// Its tags now.
    pub tags: model::Tags,
    /// Tags that the call gives it.
    pub request_tags: model::Tags,
}

impl Target {
    /// A call that names nothing.
    pub fn any() -> Target {
        Target::default()
    }

    /// A thing of this kind and id, with its tags.
    pub fn of(kind: &str, id: impl fmt::Display, tags: &model::Tags) -> Target {
        Target { path: Some(format!("{kind}/{id}")), tags: tags.clone(), request_tags: model::Tags::new() }
    }
}

#[derive(Default)]
pub(crate) struct Principals {
    by_key: RwLock<HashMap<String, Arc<Principal>>>,
}

impl Principals {
    fn get(&self, key: &str) -> Option<Arc<Principal>> {
        self.by_key.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(key).cloned()
    }

    fn put(&self, principal: Arc<Principal>) {
        let mut by_key = self.by_key.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if by_key.len() >= CACHED_MAX {
            by_key.clear();
        }
        by_key.insert(principal.access_key.clone(), principal);
    }

    /// Forgets everybody, after a user or key changed.
    pub(crate) fn clear(&self) {
        self.by_key.write().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
    }
}

impl Cloud {
    /// Finds whom an active access key acts for; none when there is no such key.
    pub async fn principal(&self, access_key: &str) -> Result<Option<Arc<Principal>>, Error> {
        if let Some(principal) = self.principals().get(access_key) {
            return Ok(Some(principal));
        }
        let key = access_key.to_owned();
        let found = self.store().read(move |tx| {
            let Some(key) = tx.get::<AccessKey>(key.clone())?.filter(|key| key.active) else { return Ok(None) };
            let user = tx.get::<User>(key.user)?;
            Ok::<_, store::StoreError>(user.map(|user| (key, user)))
        });
        let Some((key, user)) = found.await.map_err(|error| self.internal("read an access key", &error))? else { return Ok(None) };
        let secret = self.master().open(&key.id, &key.sealed_secret).map_err(|error| self.internal("open an access key", &error))?;
        let rights = match &user.rights {
            Rights::Root => Grant::Everything,
            Rights::Policies { documents } => {
                let documents: Result<Vec<_>, _> = documents.iter().map(|text| Document::identity(text)).collect();
                Grant::Policies(documents.map_err(|error| self.internal("read a user's policies", &error))?)
            }
        };
        let principal = Principal { account: key.account, user: user.id, user_name: user.name, access_key: key.id, secret, rights };
        let principal = Arc::new(principal);
        self.principals().put(principal.clone());
        Ok(Some(principal))
    }

    /// Checks that the caller may do its action to each of these.
    pub fn authorize(&self, caller: &Caller, targets: &[Target]) -> Result<(), Error> {
        let Grant::Policies(policies) = &caller.principal.rights else { return Ok(()) };
        for target in targets {
            if !self.allows(policies, caller, target) {
                return Err(Error::Unauthorized { action: caller.action.to_owned() });
            }
        }
        Ok(())
    }

    fn allows(&self, policies: &[Document], caller: &Caller, target: &Target) -> bool {
        let (region, account) = (&self.region().name, caller.account());
        let path = target.path.as_deref().unwrap_or("*");
        let name = caller.action.split_once(':').map_or(caller.action, |(_, name)| name);
        let actions = ["ec2", "ecs", "cvm"].map(|service| format!("{service}:{name}"));
        let resources = [
            format!("arn:aws:ec2:{region}:{account}:{path}"),
            format!("acs:ecs:{region}:{account}:{path}"),
            format!("qcs::cvm:{region}:uin/{account}:{path}"),
        ];
        let mut context = Context::new();
        context.source_ip(caller.source).now(self.clock().now());
        context.set("aws:RequestedRegion", region.clone()).set("aws:username", caller.principal.user_name.clone());
        for (key, value) in &target.tags {
            context.resource_tag(key, value);
        }
        for (key, value) in &target.request_tags {
            context.request_tag(key, value);
        }
        let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
        let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
        let request = AccessRequest { actions: &actions, resources: &resources, principals: &[], context: &context };
        evaluate(policies, &request).is_allowed()
    }

    /// Logs what went wrong and gives the caller's words for it.
    pub(crate) fn internal(&self, what: &'static str, error: &dyn fmt::Display) -> Error {
        tracing::error!(%error, "could not {what}");
        Error::Internal
    }

    /// The caller's words for a failed transaction; the operator's go to the log.
    pub(crate) fn refusal(&self, what: &'static str, failure: Failure) -> Error {
        match failure {
            Failure::Refused(error) => error,
            Failure::Store(error) => self.store_refusal(what, &error),
        }
    }

    pub(crate) fn store_refusal(&self, what: &'static str, error: &store::StoreError) -> Error {
        tracing::error!(%error, "could not {what}");
        match error {
            store::StoreError::Conflict
            | store::StoreError::DiskFull
            | store::StoreError::ReadOnly(_)
            | store::StoreError::InUse
            | store::StoreError::Unreachable(_)
            | store::StoreError::Uncertain
            | store::StoreError::Closed => Error::Unavailable,
            store::StoreError::Duplicate { .. }
            | store::StoreError::Missing { .. }
            | store::StoreError::Unstorable { .. }
            | store::StoreError::Unreadable { .. }
            | store::StoreError::Doomed
            | store::StoreError::Migration { .. }
            | store::StoreError::NoFacet { .. }
            | store::StoreError::Engine(_) => Error::Internal,
        }
    }
}
