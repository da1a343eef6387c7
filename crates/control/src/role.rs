//! Roles, and the temporary keys of those who have assumed one.
//!
//! ```text
//!   AssumeRole ─▶ may the caller? (its own policies and the role's trust) ─▶ key + secret + token
//!   request with key and token ─▶ token opened ─▶ not expired, role still there ─▶ principal with the role's policies
//! ```
//!
//! A token holds all that is needed to know its bearer, sealed under the installation's master key: nothing is kept of it, so a
//! million sessions take no room, and none can be forged. Deleting the role ends its sessions.

use std::sync::Arc;

use model::policy::{AccessRequest, Decision, Document, evaluate};
use model::{
    AccountId, Error, InstanceId, InstanceRole, InstanceRoleId, Millis, Noun, Permissions, ROLE_KEY_SECONDS, Role, RoleId, RoleKey,
    SESSION_MIN_SECONDS, SessionContext, Tags, User, UserId, add_tags, check_document, check_session_name,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::account::taken;
use crate::auth::{Caller, OpenedSession, Principal, Target, Who, request_rates, rights_of_user, who_is};
use crate::holder::Holder;
use crate::instance_role::role_of;
use crate::mfa_device::MfaCode;
use crate::permission::{PolicyName, RightsOf, Ties, rights_of, role};
use crate::permission_boundary::with_boundary;
use crate::run::{Command, Cx, Options};
use crate::{Cloud, Failure};

/// Most roles of an account (IAM and RAM: 1,000).
pub const ROLES_MAX: usize = 1_000;
/// Longest session of a user and of a root, in seconds (STS, "GetSessionToken": 36 hours and one).
const USER_SESSION_MAX_SECONDS: u32 = 129_600;
const ROOT_SESSION_MAX_SECONDS: u32 = 3_600;
/// Prefix of the public name of a temporary key, which AWS's clients know it by.
pub const TEMPORARY_PREFIX: &str = "ASIA";

/// Makes a role.
#[derive(Debug, Clone, Serialize)]
pub struct CreateRole {
    /// Name, unique in the account.
    pub name: String,
    /// Description.
    pub description: String,
    /// Who may assume it.
    pub trust: String,
    /// Longest session in seconds.
    pub session_seconds: u32,
    /// The managed policy that bounds what it may do.
    pub boundary: Option<PolicyName>,
    /// Tags.
    pub tags: Tags,
}

/// Changes a role; what is absent stays as it is.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateRole {
    /// Its name.
    pub name: String,
    /// Another description.
    pub description: Option<String>,
    /// Who may assume it from now on.
    pub trust: Option<String>,
    /// Longest session in seconds.
    pub session_seconds: Option<u32>,
}

/// Deletes a role, and ends its sessions.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteRole {
    /// Its name.
    pub name: String,
    /// What becomes of its policies.
    pub policies: Ties,
}

fn target(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<Vec<Target>, StoreError> {
    Holder::Role(name.to_owned()).target(tx, account)
}

impl Command for CreateRole {
    type Reply = Role;
    const NAME: &'static str = "CreateRole";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(with_boundary(target(tx, cx.caller.account(), &self.name)?, self.boundary.as_ref()))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Role, Failure> {
        let boundary = self.boundary.as_ref().map(|policy| policy.find(tx, cx.caller.account())).transpose()?;
        let mut made = Role {
            id: RoleId::from_u64(cx.new_id()),
            account: cx.caller.account(),
            name: self.name.clone(),
            description: self.description.clone(),
            trust: self.trust.clone(),
            permissions: Permissions { boundary, ..Permissions::default() },
            session_seconds: self.session_seconds,
            created_at: cx.now,
            tags: Tags::new(),
        };
        made.check()?;
        add_tags(&mut made.tags, &self.tags)?;
        if tx.role_list(made.account)?.len() >= ROLES_MAX {
            return Err(Error::LimitReached { name: "RoleName", what: "roles".to_owned(), limit: ROLES_MAX as u64 }.into());
        }
        tx.insert(&made).map_err(|error| taken(error, Noun::Role, &self.name))?;
        Ok(made)
    }
}

impl Command for UpdateRole {
    type Reply = Role;
    const NAME: &'static str = "UpdateRole";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(tx, cx.caller.account(), &self.name)?)
    }

    /// Who may change a role's description may not say who assumes it: IAM has a call of its own for that, RAM and we have one
    /// for both.
    fn authorize(&self, _: &Tx<'_>, cx: &Cx<'_>, targets: &[Target]) -> Result<(), Failure> {
        cx.cloud.authorize(cx.caller, targets)?;
        if self.trust.is_some() {
            let changes_trust = Caller { action: "iam:UpdateAssumeRolePolicy", ..cx.caller.clone() };
            cx.cloud.authorize(&changes_trust, targets)?;
        }
        Ok(())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Role, Failure> {
        let mut row = role(tx, cx.caller.account(), &self.name)?;
        row.description = self.description.clone().unwrap_or(row.description);
        row.trust = self.trust.clone().unwrap_or(row.trust);
        row.session_seconds = self.session_seconds.unwrap_or(row.session_seconds);
        row.check()?;
        tx.update(&row)?;
        Ok(row)
    }
}

impl Command for DeleteRole {
    type Reply = ();
    const NAME: &'static str = "DeleteRole";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(tx, cx.caller.account(), &self.name)?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let row = role(tx, cx.caller.account(), &self.name)?;
        if self.policies == Ties::MustBeGone && !row.permissions.is_empty() {
            let own = row.permissions.own.keys().cloned();
            let by = own.chain(row.permissions.attached.iter().map(|held| held.policy.to_string())).take(10).collect();
            return Err(Error::InUse { noun: Noun::Role, id: self.name.clone(), by }.into());
        }
        let profiles = tx.instance_profile_list(row.account)?.into_iter().filter(|profile| profile.role == Some(row.id));
        let by: Vec<String> = profiles.map(|profile| profile.name).take(10).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::Role, id: self.name.clone(), by }.into());
        }
        tx.delete::<Role>(row.id)?;
        Ok(())
    }
}

/// Asks for a temporary key of a role.
#[derive(Debug, Clone, Serialize)]
pub struct AssumeRole {
    /// Account of the role.
    pub account: AccountId,
    /// Its name.
    pub role: String,
    /// Name of the session, which the audit log shows.
    pub session: String,
    /// How long the key acts, in seconds.
    pub seconds: u32,
    /// A document that narrows what the role may do.
    pub policy: Option<String>,
    /// What the role's owner told those who may assume it, if anything.
    pub external_id: Option<String>,
    /// A code of the caller's MFA device, if one is given.
    #[serde(skip)]
    pub mfa: Option<MfaCode>,
    /// When that was found right; nothing else sets it.
    pub mfa_at: Option<Millis>,
    /// What the session is to have besides what goes on from the caller's own.
    pub context: SessionContext,
}

impl AssumeRole {
    /// What the session has. Refused as what no policy allows when it says what the caller's own session does not let change.
    fn opened(&self, caller: &Caller) -> Result<OpenedSession, Error> {
        let context = self.context.after(&caller.principal.session);
        let context = context.ok_or_else(|| Error::Unauthorized { action: caller.action.to_owned() })?;
        Ok(OpenedSession { name: self.session.clone(), external_id: self.external_id.clone(), context })
    }
}

/// What opening a session does besides, which has its own rights: AWS documents that a role's trust must allow each.
fn besides(session: &SessionContext) -> impl Iterator<Item = &'static str> {
    let tags = (!session.tags.is_empty()).then_some("sts:TagSession");
    tags.into_iter().chain(session.source_identity.as_ref().map(|_| "sts:SetSourceIdentity"))
}

impl Command for AssumeRole {
    type Reply = Role;
    const NAME: &'static str = "AssumeRole";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        self.context.check()?;
        let found = tx.role_named(self.account, &self.role)?;
        let session = self.opened(cx.caller)?;
        Ok(vec![Target {
            path: Some(format!("role/{}", self.role)),
            account: Some(self.account),
            number: found.as_ref().map(|role| role.id.as_u64()),
            tags: found.map(|role| role.tags).unwrap_or_default(),
            request_tags: session.context.tags.clone(),
            mfa_at: self.mfa_at,
            session: Some(session),
            ..Target::default()
        }])
    }

    /// The role's trust decides, and the caller's own policies, which need not allow what a role of the same account grants the
    /// caller by name. A root may not assume roles, as on all three clouds.
    fn authorize(&self, tx: &Tx<'_>, cx: &Cx<'_>, targets: &[Target]) -> Result<(), Failure> {
        let refused = || Failure::from(Error::Unauthorized { action: cx.caller.action.to_owned() });
        let found = tx.role_named(self.account, &self.role)?.ok_or_else(refused)?;
        let trust = Document::resource(&found.trust).map_err(|error| cx.cloud.internal("read a role's trust", &error))?;
        let (itself, all) = names_of(&cx.caller.principal);
        let target = &targets[0];
        let context = cx.cloud.context(cx.caller, target);
        let trusts = |action: &str, names: &[String]| {
            let principals: Vec<&str> = names.iter().map(String::as_str).collect();
            let request = AccessRequest { actions: &[action], resources: &[], principals: &principals, context: &context };
            evaluate([&trust], &request).is_allowed()
        };
        let may = |action: &str, decision: Decision| {
            let by_name = self.account == cx.caller.account() && trusts(action, &itself);
            trusts(action, &all)
                && match decision {
                    Decision::Allow { .. } => true,
                    Decision::DenyImplicit => by_name,
                    Decision::DenyExplicit { .. } => false,
                }
        };
        let opened = target.session.iter().flat_map(|session| besides(&session.context));
        let is_allowed = !cx.caller.principal.is_root() && may("sts:AssumeRole", cx.cloud.decide(cx.caller, target)) && { opened }
            .all(|action| may(action, cx.cloud.decide_action(cx.caller, action, target)));
        if is_allowed { Ok(()) } else { Err(refused()) }
    }

    fn apply(&self, tx: &mut Tx<'_>, _: &Cx<'_>) -> Result<Role, Failure> {
        check_session_name(&self.session)?;
        if let Some(policy) = &self.policy {
            check_document(policy)?;
        }
        let row = role(tx, self.account, &self.role)?;
        if !(SESSION_MIN_SECONDS..=row.session_seconds).contains(&self.seconds) {
            let reason = format!("must be {SESSION_MIN_SECONDS} to {} seconds, the longest that the role allows", row.session_seconds);
            return Err(Error::invalid("DurationSeconds", reason).into());
        }
        Ok(row)
    }
}

/// Names of a principal in policies: itself, and with its account.
fn names_of(principal: &Principal) -> (Vec<String>, Vec<String>) {
    let account = principal.account;
    let itself = match &principal.who {
        Who::Root(_) => vec![],
        Who::User { name, number, .. } => vec![
            format!("arn:aws:iam::{account}:user/{name}"),
            format!("acs:ram::{account}:user/{name}"),
            format!("qcs::cam::uin/{account}:user/{name}"),
            format!("qcs::cam::uin/{account}:uin/{number}"),
        ],
        Who::Session { role_name, session, .. } => vec![
            format!("qcs::cam::uin/{account}:roleName/{role_name}"),
            format!("arn:aws:sts::{account}:assumed-role/{role_name}/{session}"),
            format!("arn:aws:iam::{account}:role/{role_name}"),
            format!("acs:ram::{account}:role/{role_name}"),
        ],
    };
    let root = [
        account.to_string(),
        format!("arn:aws:iam::{account}:root"),
        format!("acs:ram::{account}:root"),
        format!("qcs::cam::uin/{account}:root"),
    ];
    let all = itself.iter().cloned().chain(root).collect();
    (itself, all)
}

/// A temporary key with its secret and token.
pub struct TemporaryKey {
    /// Public name.
    pub id: String,
    /// Secret.
    pub secret: SecretString,
    /// What goes with every request that it signs.
    pub token: SecretString,
    /// When it ends to act.
    pub expires_at: Millis,
    /// Who is behind its session, if that was said.
    pub source_identity: Option<String>,
}

/// What a token holds.
#[derive(Serialize, Deserialize)]
struct Token {
    secret: String,
    actor: Actor,
    expires_at: Millis,
    policy: Option<String>,
    #[serde(default)]
    mfa_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "SessionContext::is_empty")]
    session: SessionContext,
}

/// Whom a token acts for.
#[derive(Serialize, Deserialize)]
enum Actor {
    Role {
        role: RoleId,
        session: String,
    },
    User(UserId),
    /// The guest of an instance, as long as this association means this role.
    Instance {
        held: InstanceRoleId,
        role: RoleId,
        instance: InstanceId,
    },
}

/// What was said of a temporary key when it was asked for.
#[derive(Default)]
struct Said {
    policy: Option<String>,
    mfa_at: Option<Millis>,
    session: SessionContext,
}

/// Whether a bearer is remembered. That of an instance is looked up each time: its key ends with what many commands end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    UntilRightsChange,
    No,
}

/// Why a token does not let its bearer in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// It is none of this cloud's, or belongs to another key.
    Invalid,
    /// Its time is over.
    Expired,
    /// The cloud failed.
    Failed(Error),
}

impl Cloud {
    /// A temporary key of a role, and the role.
    pub async fn assume_role(&self, caller: &Caller, mut asked: AssumeRole) -> Result<(Role, TemporaryKey), Error> {
        asked.mfa_at = match asked.mfa.take() {
            Some(code) => Some(self.use_mfa_code(caller, code).await?),
            None => None,
        };
        let (seconds, session, policy, mfa_at) = (asked.seconds, asked.session.clone(), asked.policy.clone(), asked.mfa_at);
        let context = asked.opened(caller)?.context;
        let role = self.run(caller, asked, Options::default()).await?;
        let said = Said { policy, mfa_at, session: context };
        Ok((role.clone(), self.temporary_key(Actor::Role { role: role.id, session }, seconds, said)?))
    }

    /// A temporary key of the caller itself, which must be a user; it knows of the MFA code that was given for it.
    pub async fn session_token(&self, caller: &Caller, seconds: u32, mfa: Option<MfaCode>) -> Result<TemporaryKey, Error> {
        let longest = if caller.principal.is_root() { ROOT_SESSION_MAX_SECONDS } else { USER_SESSION_MAX_SECONDS };
        if !(SESSION_MIN_SECONDS..=longest).contains(&seconds) {
            return Err(Error::invalid("DurationSeconds", format!("must be {SESSION_MIN_SECONDS} to {longest} seconds")));
        }
        match &caller.principal.who {
            Who::Root(id) | Who::User { id, .. } if caller.principal.expires_at.is_none() => {
                let mfa_at = match mfa {
                    Some(code) => Some(self.use_mfa_code(caller, code).await?),
                    None => None,
                };
                self.temporary_key(Actor::User(*id), seconds, Said { mfa_at, ..Said::default() })
            }
            Who::Root(_) | Who::User { .. } | Who::Session { .. } => Err(Error::Unauthorized { action: caller.action.to_owned() }),
        }
    }

    /// A new key of a role for the guest of an instance.
    pub(crate) fn role_key(&self, role: &Role, held: InstanceRoleId, instance: InstanceId, now: Millis) -> Result<RoleKey, Error> {
        let key = self.temporary_key(Actor::Instance { held, role: role.id, instance }, ROLE_KEY_SECONDS, Said::default())?;
        let token = key.token.expose_secret().to_owned();
        Ok(RoleKey { id: key.id, token, role_name: role.name.clone(), made_at: now, expires_at: key.expires_at })
    }

    /// The secret of a key of an instance, which its token holds.
    pub(crate) fn role_secret(&self, key: &RoleKey) -> Result<String, Error> {
        let text = self.master().open(&key.id, &key.token).map_err(|error| self.internal("open the key of an instance", &error))?;
        let token: Token = serde_json::from_str(text.expose_secret()).map_err(|error| self.internal("read a token", &error))?;
        Ok(token.secret)
    }

    fn temporary_key(&self, actor: Actor, seconds: u32, said: Said) -> Result<TemporaryKey, Error> {
        let (id, secret, _) = self.new_key()?;
        let id = id.replacen("AKIA", TEMPORARY_PREFIX, 1);
        let expires_at = self.clock().now().after(i64::from(seconds) * 1_000);
        let Said { policy, mfa_at, session } = said;
        let source_identity = session.source_identity.clone();
        let token = Token { secret: secret.expose_secret().to_owned(), actor, expires_at, policy, mfa_at, session };
        let text = serde_json::to_string(&token).map_err(|error| self.internal("write a token", &error))?;
        let sealed = self.master().seal(&id, &SecretString::from(text)).map_err(|error| self.internal("seal a token", &error))?;
        Ok(TemporaryKey { id, secret, token: SecretString::from(sealed), expires_at, source_identity })
    }

    /// Finds whom a temporary key acts for, by the token that came with it.
    pub async fn bearer(&self, access_key: &str, token: &str) -> Result<Arc<Principal>, TokenError> {
        // Keys are public and tokens long: both together name what is remembered.
        let name = format!("{access_key}/{token}");
        let (principal, epoch) = match self.principals().get(&name) {
            Ok(principal) => (Some(principal), 0),
            Err(epoch) => (None, epoch),
        };
        let principal = match principal {
            Some(principal) => principal,
            None => {
                let (opened, kept) = self.opened(access_key, token).await?;
                let opened = Arc::new(opened);
                if kept == Kept::UntilRightsChange {
                    self.principals().put(name, opened.clone(), epoch);
                }
                opened
            }
        };
        match principal.expires_at {
            Some(at) if at <= self.clock().now() => Err(TokenError::Expired),
            Some(_) | None => Ok(principal),
        }
    }

    async fn opened(&self, access_key: &str, token: &str) -> Result<(Principal, Kept), TokenError> {
        let text = self.master().open(access_key, token).map_err(|_| TokenError::Invalid)?;
        let token: Token = serde_json::from_str(text.expose_secret()).map_err(|_| TokenError::Invalid)?;
        let Token { secret, actor, expires_at, policy, mfa_at, session } = token;
        let kept = match actor {
            Actor::Role { .. } | Actor::User(_) => Kept::UntilRightsChange,
            Actor::Instance { .. } => Kept::No,
        };
        let found = self.store().read(move |tx| {
            let Some(acting) = acting(tx, &actor)? else { return Ok(None) };
            let rates = request_rates(tx, acting.account)?;
            Ok::<_, StoreError>(Some((acting, rates)))
        });
        let failed = |error: StoreError| TokenError::Failed(self.internal("read whom a token acts for", &error));
        let (Acting { account, who, held, tags }, rates) = found.await.map_err(failed)?.ok_or(TokenError::Invalid)?;
        let rights = self.grant(held, policy.as_deref()).map_err(TokenError::Failed)?;
        let (access_key, secret) = (access_key.to_owned(), SecretString::from(secret));
        let (buckets, used) = (self.request_limits().of(account), Arc::default());
        let expires_at = Some(expires_at);
        Ok((Principal { account, who, access_key, expires_at, mfa_at, session, tags, secret, rights, rates, buckets, used }, kept))
    }

    /// The name of a role of any account by its id, for calls of which the role itself says who may make them.
    pub async fn role_name(&self, account: AccountId, id: RoleId) -> Result<Option<String>, Error> {
        let found = self.store().read(move |tx| Ok::<_, StoreError>(tx.get::<Role>(id)?.filter(|role| role.account == account)));
        Ok(found.await.map_err(|error| self.store_refusal("read a role", &error))?.map(|role| role.name))
    }

    /// A role of the caller's account.
    pub async fn role(&self, caller: &Caller, name: String) -> Result<Role, Error> {
        let asked = name.clone();
        self.read_about(caller, move |tx, account| target(tx, account, &asked), move |tx, cx| role(tx, cx.caller.account(), &name)).await
    }

    /// Roles of the caller's account.
    pub async fn roles(&self, caller: &Caller) -> Result<Vec<Role>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| Ok::<_, Failure>(tx.role_list(cx.caller.account())?)).await
    }
}

/// Whom a token acts for; none when it is gone.
fn acting(tx: &Tx<'_>, actor: &Actor) -> Result<Option<Acting>, StoreError> {
    match actor {
        Actor::Role { role, session } => {
            let Some(row) = tx.get::<Role>(*role)? else { return Ok(None) };
            let held = rights_of(tx, &row.permissions)?;
            let who = Who::Session { role: row.id, role_name: row.name, session: session.clone() };
            Ok(Some(Acting { account: row.account, who, held: Some(held), tags: row.tags }))
        }
        Actor::User(id) => {
            let Some(user) = tx.get::<User>(*id)? else { return Ok(None) };
            let held = rights_of_user(tx, &user)?;
            Ok(Some(Acting { account: user.account, tags: user.tags.clone(), who: who_is(user), held }))
        }
        Actor::Instance { held, role, instance } => {
            let Some(held) = tx.get::<InstanceRole>(*held)? else { return Ok(None) };
            let Some(row) = role_of(tx, held.source)?.filter(|row| row.id == *role) else { return Ok(None) };
            let rights = rights_of(tx, &row.permissions)?;
            let who = Who::Session { role: row.id, role_name: row.name, session: instance.to_string() };
            Ok(Some(Acting { account: row.account, who, held: Some(rights), tags: row.tags }))
        }
    }
}

/// Whom a token acts for.
struct Acting {
    account: AccountId,
    who: Who,
    held: Option<RightsOf>,
    tags: Tags,
}
