//! Who calls, and what they may do.
//!
//! A request names an access key; [`Cloud::principal`] finds whom it acts for. The dialect verifies the signature with the
//! principal's secret, so an unknown key and a wrong signature cost the same look-up. Principals are cached until somebody's
//! rights or keys change.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, RwLock};

use model::policy::{AccessRequest, Context, Decision, Document, evaluate};
use model::{
    AccessKey, AccountId, Error, InstanceFleetId, Millis, QuotaName, RequestRates, Rights, RoleId, SessionContext, Tags, User, UserId,
};
use secrecy::SecretString;
use store::{StoreError, Tx};

use crate::access_key_use::Used;
use crate::action::{names_of, overlapping, services_beside};
use crate::permission::{PolicyName, RightsOf, rights_of};
use crate::request_limit::Buckets;
use crate::{Cloud, Failure};

/// Principals kept in memory; beyond it the cache starts anew. A million keys would be a gigabyte.
const CACHED_MAX: usize = 10_000;

/// Whom an access key acts for.
pub struct Principal {
    /// The account.
    pub account: AccountId,
    /// Who in it.
    pub who: Who,
    /// The access key's public name.
    pub access_key: String,
    /// When the key ends to act, if it is a temporary one.
    pub expires_at: Option<Millis>,
    /// When a code of an MFA device was given for the key, if it is a temporary one that was asked for with a code.
    pub mfa_at: Option<Millis>,
    /// What its session brought along, if it is one of a role.
    pub session: SessionContext,
    /// Tags of the user or role.
    pub(crate) tags: Tags,
    pub(crate) secret: SecretString,
    pub(crate) rights: Grant,
    /// How many requests its account may send.
    pub(crate) rates: RequestRates,
    pub(crate) buckets: Arc<Buckets>,
    pub(crate) used: Arc<Used>,
}

/// Who acts in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Its owner.
    Root(UserId),
    /// One of its users.
    User {
        /// Id.
        id: UserId,
        /// Name.
        name: String,
        /// Number by which Tencent Cloud's calls know it.
        number: u64,
    },
    /// Somebody who has assumed one of its roles.
    Session {
        /// The role.
        role: RoleId,
        /// Its name.
        role_name: String,
        /// Name of the session.
        session: String,
    },
}

/// What a principal may do.
pub(crate) enum Grant {
    /// Everything in its account.
    Everything,
    /// What documents allow.
    Policies {
        /// The documents.
        documents: Vec<Document>,
        /// A boundary, and a temporary key's own document: what one of them does not allow is not allowed.
        within: Vec<Document>,
    },
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal").field("account", &self.account).field("who", &self.who).finish_non_exhaustive()
    }
}

impl Principal {
    /// The secret that requests are signed with.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Whether it is the account's owner.
    pub fn is_root(&self) -> bool {
        matches!(self.who, Who::Root(_))
    }

    /// The name in logs and variables: a user's, or `ROLE/SESSION`.
    pub fn name(&self) -> String {
        match &self.who {
            Who::Root(_) => "root".to_owned(),
            Who::User { name, .. } => name.clone(),
            Who::Session { role_name, session, .. } => format!("{role_name}/{session}"),
        }
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
    /// Its account, when it is not the caller's.
    pub account: Option<AccountId>,
    /// Number by which Tencent Cloud's policies may name it, of things of access control.
    pub number: Option<u64>,
    /// The managed policy that bounds it, or is to bound it, of users and roles.
    pub boundary: Option<PolicyName>,
    /// When a code of an MFA device was given with the call itself.
    pub mfa_at: Option<Millis>,
    /// The session that the call opens.
    pub session: Option<OpenedSession>,
}

/// A session of a role that a call opens.
#[derive(Debug, Clone)]
pub struct OpenedSession {
    /// Its name.
    pub name: String,
    /// What the role's owner told those who may assume it, as the caller says it.
    pub external_id: Option<String>,
    /// What it has, with what goes on from the caller's own.
    pub context: SessionContext,
}

impl Target {
    /// A call that names nothing.
    pub fn any() -> Target {
        Target::default()
    }

    /// A thing of this kind and id, with its tags.
    pub fn of(kind: &str, id: impl fmt::Display, tags: &model::Tags) -> Target {
        Target { path: Some(format!("{kind}/{id}")), tags: tags.clone(), ..Target::default() }
    }
}

#[derive(Default)]
pub(crate) struct Principals {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// How often everybody was forgotten.
    epoch: u64,
    by_key: HashMap<String, Arc<Principal>>,
}

impl Principals {
    /// The principal of a key, or the epoch in which there was none.
    pub(crate) fn get(&self, key: &str) -> Result<Arc<Principal>, u64> {
        let known = self.known.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.by_key.get(key).cloned().ok_or(known.epoch)
    }

    /// Remembers a principal that was read since this epoch; not if anything may have changed since.
    pub(crate) fn put(&self, key: String, principal: Arc<Principal>, epoch: u64) {
        let mut known = self.known.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if known.epoch != epoch {
            return;
        }
        if known.by_key.len() >= CACHED_MAX {
            known.by_key.clear();
        }
        known.by_key.insert(key, principal);
    }

    /// Forgets everybody, after somebody's rights or keys changed.
    pub(crate) fn clear(&self) {
        let mut known = self.known.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.epoch += 1;
        known.by_key.clear();
    }
}

impl Cloud {
    /// Finds whom an active access key acts for; none when there is no such key.
    pub async fn principal(&self, access_key: &str) -> Result<Option<Arc<Principal>>, Error> {
        let epoch = match self.principals().get(access_key) {
            // A temporary key acts only together with its token.
            Ok(principal) => return Ok(Some(principal).filter(|principal| principal.expires_at.is_none())),
            Err(epoch) => epoch,
        };
        let id = access_key.to_owned();
        let found = self.store().read(move |tx| {
            let Some(key) = tx.get::<AccessKey>(id.clone())?.filter(|key| key.active) else { return Ok(None) };
            let Some(user) = tx.get::<User>(key.user)? else { return Ok(None) };
            let held = rights_of_user(tx, &user)?;
            let rates = request_rates(tx, key.account)?;
            Ok::<_, StoreError>(Some((key, user, held, rates)))
        });
        let found = found.await.map_err(|error| self.internal("read an access key", &error))?;
        let Some((key, user, held, rates)) = found else { return Ok(None) };
        let secret = self.master().open(&key.id, &key.sealed_secret).map_err(|error| self.internal("open an access key", &error))?;
        let rights = self.grant(held, None)?;
        let tags = user.tags.clone();
        let who = who_is(user);
        let (buckets, used) = (self.request_limits().of(key.account), self.last_uses().of(&key.id));
        let account = key.account;
        let principal = Arc::new(Principal {
            account,
            who,
            access_key: key.id,
            expires_at: None,
            mfa_at: None,
            session: SessionContext::default(),
            tags,
            secret,
            rights,
            rates,
            buckets,
            used,
        });
        self.principals().put(access_key.to_owned(), principal.clone(), epoch);
        Ok(Some(principal))
    }

    /// Compiles what somebody may do, within a temporary key's own document; none at all are a root's rights.
    pub(crate) fn grant(&self, held: Option<RightsOf>, own: Option<&str>) -> Result<Grant, Error> {
        let read = |text: &str| Document::identity(text).map_err(|error| self.internal("read a policy", &error));
        let own = own.map(read).transpose()?;
        Ok(match (held, own) {
            (None, None) => Grant::Everything,
            (None, Some(own)) => Grant::Policies { documents: vec![own], within: vec![] },
            (Some(RightsOf { documents, boundary }), own) => Grant::Policies {
                documents: documents.iter().map(|text| read(text)).collect::<Result<_, _>>()?,
                within: boundary.as_deref().map(read).transpose()?.into_iter().chain(own).collect(),
            },
        })
    }

    /// Who launches for a fleet when nobody calls. What it launches was allowed to whoever made the fleet.
    pub(crate) fn launcher(&self, account: AccountId, fleet: InstanceFleetId) -> Caller {
        let who = Who::Session { role: RoleId::from_u64(0), role_name: "fleet".to_owned(), session: fleet.to_string() };
        let principal = Principal {
            account,
            who,
            access_key: String::new(),
            expires_at: None,
            mfa_at: None,
            session: SessionContext::default(),
            tags: Tags::new(),
            secret: SecretString::default(),
            rights: Grant::Everything,
            rates: RequestRates { reads: 0, changes: 0, launches: 0 },
            buckets: Arc::default(),
            used: Arc::default(),
        };
        let source = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        Caller { principal: Arc::new(principal), source, request: fleet.to_string(), action: "ec2:RunInstances" }
    }

    /// Checks that the caller may do its action to each of these.
    pub fn authorize(&self, caller: &Caller, targets: &[Target]) -> Result<(), Error> {
        match targets.iter().all(|target| self.decide(caller, target).is_allowed()) {
            true => Ok(()),
            false => Err(Error::Unauthorized { action: caller.action.to_owned() }),
        }
    }

    /// What the caller's own policies say of its action on a thing.
    pub(crate) fn decide(&self, caller: &Caller, target: &Target) -> Decision {
        self.decide_action(caller, caller.action, target)
    }

    /// What the caller's own policies say of an action on a thing that its call does too.
    pub(crate) fn decide_action(&self, caller: &Caller, action: &str, target: &Target) -> Decision {
        let (documents, within) = match &caller.principal.rights {
            Grant::Everything => return Decision::Allow { by: model::policy::StatementRef { document: 0, statement: 0 } },
            Grant::Policies { documents, within } => (documents, within),
        };
        let account = target.account.unwrap_or(caller.account());
        let spelled = Spelled::of(action, &self.region().name, account, target.path.as_deref().unwrap_or("*"), target.number);
        let context = self.context(caller, target);
        spelled.decide(documents, &context).within(within.iter().map(|bound| spelled.decide([bound], &context)))
    }

    /// The facts of a call that conditions look at.
    pub(crate) fn context(&self, caller: &Caller, target: &Target) -> Context {
        let mut context = Context::new();
        context.source_ip(caller.source).now(self.clock().now());
        context.set("aws:RequestedRegion", self.region().name.clone()).set("aws:username", caller.principal.name());
        let mfa_at = target.mfa_at.or(caller.principal.mfa_at);
        // A key that never ends says nothing of MFA, as IAM documents it.
        if mfa_at.is_some() || caller.principal.expires_at.is_some() {
            context.set("aws:MultiFactorAuthPresent", mfa_at.is_some().to_string());
        }
        if let Some(at) = mfa_at {
            let seconds = (self.clock().now().0 - at.0).max(0) / 1_000;
            context.set("aws:MultiFactorAuthAge", seconds.to_string());
        }
        if let Some(boundary) = &target.boundary {
            context.set("iam:PermissionsBoundary", boundary.arn(caller.account()));
        }
        // Tags of a session stand for those of its role.
        for (key, value) in caller.principal.tags.iter().chain(&caller.principal.session.tags) {
            context.principal_tag(key, value);
        }
        if let Some(identity) = &caller.principal.session.source_identity {
            context.set("aws:SourceIdentity", identity.clone());
        }
        if let Some(OpenedSession { name, external_id, context: session }) = &target.session {
            context.set("sts:RoleSessionName", name.clone());
            if let Some(id) = external_id {
                context.set("sts:ExternalId", id.clone());
            }
            if let Some(identity) = &session.source_identity {
                context.set("sts:SourceIdentity", identity.clone());
            }
            for key in &session.transitive {
                context.add("sts:TransitiveTagKeys", key.clone());
            }
        }
        for (key, value) in &target.tags {
            context.resource_tag(key, value);
        }
        for (key, value) in &target.request_tags {
            context.request_tag(key, value);
        }
        context
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

/// Services of which actions have names in all clouds.
const SERVICES: &[&str] = &[
    "ec2",
    "ecs",
    "cvm",
    "vpc",
    "cbs",
    "ebs",
    "dlm",
    "iam",
    "ram",
    "cam",
    "sts",
    "kms",
    "logs",
    "cloudtrail",
    "actiontrail",
    "cloudaudit",
    "servicequotas",
    "quotas",
];

/// The services of all clouds of which an action may be one of this service, itself included.
pub(crate) fn services_with(service: &str) -> Vec<&str> {
    match service {
        "ec2" => vec!["ec2", "ecs", "cvm", "vpc", "cbs"],
        "iam" => vec!["iam", "ram", "cam"],
        "cloudtrail" => vec!["cloudtrail", "actiontrail", "cloudaudit"],
        "servicequotas" => vec!["servicequotas", "quotas"],
        other => vec![other],
    }
}

/// An action and a resource as each of the clouds spells them.
pub(crate) struct Spelled {
    actions: Vec<String>,
    /// These, and actions of which a denial holds for this one.
    overlapping: Vec<String>,
    resources: Vec<String>,
}

impl Spelled {
    fn of(action: &str, region: &str, account: AccountId, path: &str, number: Option<u64>) -> Spelled {
        let (service, name) = action.split_once(':').unwrap_or(("ec2", action));
        let (services, rights): (&[&str], bool) = match service {
            "iam" | "ram" | "cam" => (&["iam", "ram", "cam"], true),
            "sts" => (&["sts"], true),
            "cloudtrail" | "actiontrail" | "cloudaudit" => (&["cloudtrail", "actiontrail", "cloudaudit"], false),
            "kms" => (&["kms"], false),
            "servicequotas" | "quotas" => (&["servicequotas", "quotas"], false),
            "logs" => (&["logs"], false),
            "dlm" => (&["dlm"], false),
            _ => (&["ec2", "ecs", "cvm"], false),
        };
        let beside = if services.contains(&"cvm") { services_beside(name) } else { &[] };
        // Things of access control belong to no region.
        let resources = if service == "kms" {
            vec![
                format!("arn:aws:kms:{region}:{account}:{path}"),
                format!("acs:kms:{region}:{account}:{path}"),
                format!("qcs::kms:{region}:uin/{account}:{path}"),
            ]
        } else if rights {
            let tencent = identity_in_tencents_spelling(path, number);
            let tencent = tencent.into_iter().chain([path.to_owned()]).map(|path| format!("qcs::cam::uin/{account}:{path}"));
            [format!("arn:aws:iam::{account}:{path}"), format!("acs:ram::{account}:{path}")].into_iter().chain(tencent).collect()
        } else if service == "dlm" {
            let path = path.replacen("snapshotpolicy/sp-", "policy/policy-", 1).replacen("snapshotpolicy/", "policy/", 1);
            vec![format!("arn:aws:dlm:{region}:{account}:{path}")]
        } else if service == "logs" {
            // CloudWatch Logs' names have a colon in place of the slash, and one with a star behind for what is in a group.
            let path = path.replacen("log-group/", "log-group:", 1);
            vec![format!("arn:aws:logs:{region}:{account}:{path}"), format!("arn:aws:logs:{region}:{account}:{path}:*")]
        } else {
            let mut names = vec![format!("arn:aws:ec2:{region}:{account}:{path}")];
            names.extend(["ecs"].iter().chain(beside).map(|service| format!("acs:{service}:{region}:{account}:{path}")));
            for path in [path, in_tencents_spelling(path).as_str()] {
                names.extend(["cvm"].iter().chain(beside).map(|service| format!("qcs::{service}:{region}:uin/{account}:{path}")));
            }
            names
        };
        let everywhere = |names: Vec<&str>| -> Vec<String> {
            names.into_iter().flat_map(|name| services.iter().chain(beside).map(move |service| format!("{service}:{name}"))).collect()
        };
        let mut actions = everywhere(names_of(name));
        // An action of another service, such as `vpc:DescribeVpcs`, goes by that name too.
        if !actions.iter().any(|known| known == action) {
            actions.push(action.to_owned());
        }
        let overlapping = [actions.clone(), everywhere(overlapping(name))].concat();
        Spelled { actions, overlapping, resources }
    }

    /// An action on a thing of this full name, or on `*`. What is none of this cloud's is taken as it is written.
    pub(crate) fn of_named(action: &str, resource: &str, own: AccountId) -> Spelled {
        let literal = || {
            let actions = vec![action.to_owned()];
            Spelled { overlapping: actions.clone(), actions, resources: vec![resource.to_owned()] }
        };
        let service = action.split_once(':').map_or("", |(service, _)| service);
        if !SERVICES.contains(&service) {
            return literal();
        }
        let parts: Vec<&str> = match resource.split_once(':') {
            Some(("arn", rest)) => rest.splitn(5, ':').skip(1).collect(),
            Some(("acs", rest)) => rest.splitn(4, ':').collect(),
            Some(_) | None => vec![],
        };
        let account = parts.get(2).and_then(|account| account.parse().ok());
        let spelled = match (parts.as_slice(), account) {
            ([_, region, _, path], Some(account)) => {
                Spelled::of(action, region, account, &path.replacen("log-group:", "log-group/", 1), None)
            }
            _ => Spelled::of(action, "*", own, "*", None),
        };
        match spelled.resources.iter().any(|known| known == resource) {
            true => spelled,
            false => Spelled { resources: vec![resource.to_owned()], ..spelled },
        }
    }

    /// What documents say of it.
    pub(crate) fn decide<'d>(&self, documents: impl IntoIterator<Item = &'d Document> + Clone, context: &Context) -> Decision {
        let resources: Vec<&str> = self.resources.iter().map(String::as_str).collect();
        let decide = |actions: &[String]| {
            let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
            let request = AccessRequest { actions: &actions, resources: &resources, principals: &[], context };
            evaluate(documents.clone(), &request)
        };
        match (decide(&self.actions), decide(&self.overlapping)) {
            (_, denied @ Decision::DenyExplicit { .. }) => denied,
            (decision, Decision::Allow { .. } | Decision::DenyImplicit) => decision,
        }
    }
}

/// A user, group, role or policy as Tencent's policies name it: by number, a role by name too.
fn identity_in_tencents_spelling(path: &str, number: Option<u64>) -> Vec<String> {
    let Some((kind, name)) = path.split_once('/') else { return vec![] };
    let by_number = |word: &str| number.map(|number| format!("{word}/{number}")).into_iter();
    match kind {
        "user" => by_number("uin").collect(),
        "group" => by_number("groupid").collect(),
        "policy" => by_number("policyid").collect(),
        "role" => by_number("role").chain([format!("roleName/{name}")]).collect(),
        _ => vec![],
    }
}

/// A thing as Tencent's policies name it: with the words and the prefixes of ids of that dialect.
fn in_tencents_spelling(path: &str) -> String {
    let spellings = [
        ("instance/i-", "instance/ins-"),
        ("image/ami-", "image/img-"),
        ("volume/vol-", "volume/disk-"),
        ("elastic-ip/eipalloc-", "eip/eip-"),
        ("security-group/sg-", "sg/sg-"),
        ("network-interface/eni-", "eni/eni-"),
        ("natgateway/nat-", "nat/nat-"),
        ("route-table/rtb-", "rtb/rtb-"),
    ];
    let swapped = spellings.iter().find_map(|(ours, theirs)| Some(format!("{theirs}{}", path.strip_prefix(ours)?)));
    swapped.unwrap_or_else(|| path.to_owned())
}

/// How many requests an account may send.
pub(crate) fn request_rates(tx: &Tx<'_>, account: AccountId) -> Result<RequestRates, StoreError> {
    Ok(RequestRates {
        reads: tx.quota_limit(account, QuotaName::ReadRequests)?,
        changes: tx.quota_limit(account, QuotaName::ChangeRequests)?,
        launches: tx.quota_limit(account, QuotaName::InstanceLaunches)?,
    })
}

/// What decides for a user; none for a root, which needs nothing.
pub(crate) fn rights_of_user(tx: &Tx<'_>, user: &User) -> Result<Option<RightsOf>, StoreError> {
    let Rights::Policies { permissions, groups } = &user.rights else { return Ok(None) };
    let mut held = rights_of(tx, permissions)?;
    for group in groups {
        if let Some(group) = tx.get::<model::UserGroup>(*group)? {
            held.documents.extend(rights_of(tx, &group.permissions)?.documents);
        }
    }
    Ok(Some(held))
}

pub(crate) fn who_is(user: User) -> Who {
    match user.rights {
        Rights::Root => Who::Root(user.id),
        Rights::Policies { .. } => Who::User { id: user.id, number: user.number(), name: user.name },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_looked_up_under_its_own_service_and_every_name() {
        let account = AccountId::from_u64(7).unwrap();
        let spelled = Spelled::of("iam:CreateUser", "here-1", account, "user/ann", Some(12));
        for name in ["iam:CreateUser", "ram:CreateUser", "cam:AddUser"] {
            assert!(spelled.actions.contains(&name.to_owned()), "{name}");
        }
        assert!(spelled.resources.contains(&"qcs::cam::uin/000000000007:uin/12".to_owned()));
        assert_eq!(spelled.resources[0], "arn:aws:iam::000000000007:user/ann");
        let spelled = Spelled::of("ecs:DescribeVpcs", "here-1", account, "*", None);
        assert_eq!(spelled.actions[0], "ec2:DescribeVpcs");
        let denied = |text: &str, action: &str| {
            let document = Document::identity(text).unwrap();
            matches!(Spelled::of(action, "here-1", account, "*", None).decide([&document], &Context::new()), Decision::DenyExplicit { .. })
        };
        let egress =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ec2:AuthorizeSecurityGroupEgress","Resource":"*"}]}"#;
        assert!(denied(egress, "vpc:CreateSecurityGroupPolicies"), "it could open the way out");
        assert!(!denied(egress, "ec2:AuthorizeSecurityGroupIngress"));
        let spelled = Spelled::of("vpc:DescribeVpcs", "here-1", account, "*", None);
        assert_eq!(spelled.actions, ["ec2:DescribeVpcs", "ecs:DescribeVpcs", "cvm:DescribeVpcs", "vpc:DescribeVpcs"]);
        let spelled = Spelled::of("ec2:CreateSubnet", "here-1", account, "subnet/*", None);
        assert!(spelled.actions.contains(&"vpc:CreateVSwitch".to_owned()), "a right in another cloud's words");
        assert!(spelled.resources.contains(&"qcs::vpc:here-1:uin/000000000007:subnet/*".to_owned()));
        let spelled = Spelled::of("ec2:RunInstances", "here-1", account, "instance/*", None);
        assert!(!spelled.actions.iter().any(|action| action.starts_with("vpc:")), "none of a network's rights launches");
        let spelled = Spelled::of("ram:AttachPolicyToUser", "here-1", account, "user/ann", None);
        assert!(spelled.actions.contains(&"iam:AttachUserPolicy".to_owned()));
    }
}
