//! Roles, and STS's temporary keys of them.

use control::{AssumeRole as Assume, CreateRole as Create, DeleteRole as Delete, Ties, UpdateRole as Update};
use jiff::Timestamp;
use model::{AccountId, Error, Role, SESSION_USUAL_SECONDS, SessionContext, Tags};
use secrecy::ExposeSecret;
use wire::{FromArg, Show};

use super::{Done, Next, Paging, refusal};
use crate::Cx;
use crate::error::Fault;

#[derive(Show)]
struct RoleItem {
    role_id: String,
    role_name: String,
    arn: String,
    description: String,
    assume_role_policy_document: String,
    max_session_duration: u32,
    create_date: Timestamp,
    update_date: Timestamp,
}

fn item(role: &Role) -> RoleItem {
    let at = role.created_at.timestamp();
    RoleItem {
        role_id: role.id.as_u64().to_string(),
        role_name: role.name.clone(),
        arn: format!("acs:ram::{}:role/{}", role.account, role.name),
        description: role.description.clone(),
        assume_role_policy_document: role.trust.clone(),
        max_session_duration: role.session_seconds,
        create_date: at,
        update_date: at,
    }
}

/// The parameters of `CreateRole`.
#[derive(FromArg)]
pub(crate) struct CreateRole {
    role_name: String,
    assume_role_policy_document: String,
    #[arg(default, max_len = 1024)]
    description: String,
    #[arg(default = SESSION_USUAL_SECONDS)]
    max_session_duration: u32,
}

/// A reply that shows one role.
#[derive(Show)]
pub(crate) struct Shown {
    role: RoleItem,
}

/// Makes a role.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateRole) -> Result<Shown, Fault> {
    let command = Create {
        name: asked.role_name,
        description: asked.description,
        trust: asked.assume_role_policy_document,
        session_seconds: asked.max_session_duration,
        boundary: None,
        tags: Tags::new(),
    };
    Ok(Shown { role: item(&cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?) })
}

/// The parameter of calls on one role.
#[derive(FromArg)]
pub(crate) struct One {
    role_name: String,
}

/// Shows a role.
pub(crate) async fn get(cx: &Cx<'_>, asked: One) -> Result<Shown, Fault> {
    Ok(Shown { role: item(&cx.cloud.role(&cx.caller, asked.role_name).await.map_err(refusal)?) })
}

/// The parameters of `UpdateRole`.
#[derive(FromArg)]
pub(crate) struct UpdateRole {
    role_name: String,
    new_assume_role_policy_document: Option<String>,
    #[arg(max_len = 1024)]
    new_description: Option<String>,
    new_max_session_duration: Option<u32>,
}

/// Changes a role.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdateRole) -> Result<Shown, Fault> {
    let command = Update {
        name: asked.role_name,
        description: asked.new_description,
        trust: asked.new_assume_role_policy_document,
        session_seconds: asked.new_max_session_duration,
    };
    Ok(Shown { role: item(&cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?) })
}

/// Deletes a role, which ends its sessions.
pub(crate) async fn delete(cx: &Cx<'_>, asked: One) -> Result<Done, Fault> {
    cx.cloud.run(&cx.caller, Delete { name: asked.role_name, policies: Ties::MustBeGone }, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

/// The parameters of `ListRoles`.
#[derive(FromArg)]
pub(crate) struct ListRoles {
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListRoles`.
#[derive(Show)]
pub(crate) struct Roles {
    #[reply(list = "Role")]
    roles: Vec<RoleItem>,
    #[reply(flatten)]
    next: Next,
}

/// Lists roles.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListRoles) -> Result<Roles, Fault> {
    let (page, next) = asked.paging.page(cx.cloud.roles(&cx.caller).await.map_err(refusal)?, |role| &role.name);
    Ok(Roles { roles: page.iter().map(item).collect(), next })
}

/// The parameters of STS's `AssumeRole`.
#[derive(FromArg)]
pub(crate) struct AssumeRole {
    role_arn: String,
    role_session_name: String,
    #[arg(default = SESSION_USUAL_SECONDS)]
    duration_seconds: u32,
    policy: Option<String>,
    #[arg(min_len = 2, max_len = 1224)]
    external_id: Option<String>,
}

/// The reply of `AssumeRole`.
#[derive(Show)]
pub(crate) struct Assumed {
    credentials: Credentials,
    assumed_role_user: AssumedRoleUser,
}

#[derive(Show)]
struct Credentials {
    access_key_id: String,
    access_key_secret: String,
    security_token: String,
    expiration: Timestamp,
}

#[derive(Show)]
struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

/// Gives a temporary key of a role.
pub(crate) async fn assume(cx: &Cx<'_>, asked: AssumeRole) -> Result<Assumed, Fault> {
    let (account, role) = role_of(&asked.role_arn).ok_or_else(|| Error::invalid("RoleArn", "is no ARN of a role"))?;
    let session = asked.role_session_name;
    let policy = asked.policy.filter(|policy| !policy.is_empty());
    let (external_id, seconds) = (asked.external_id, asked.duration_seconds);
    let command = Assume {
        account,
        role,
        session: session.clone(),
        seconds,
        policy,
        external_id,
        mfa: None,
        mfa_at: None,
        context: SessionContext::default(),
    };
    let (role, key) = cx.cloud.assume_role(&cx.caller, command).await.map_err(refusal)?;
    let assumed_role_user = AssumedRoleUser {
        assumed_role_id: format!("{}:{session}", role.id.as_u64()),
        arn: format!("acs:ram::{}:assumed-role/{}/{session}", role.account, role.name),
    };
    let credentials = Credentials {
        access_key_id: key.id,
        access_key_secret: key.secret.expose_secret().to_owned(),
        security_token: key.token.expose_secret().to_owned(),
        expiration: key.expires_at.timestamp(),
    };
    Ok(Assumed { credentials, assumed_role_user })
}

/// Account and name of the role that an ARN names.
fn role_of(arn: &str) -> Option<(AccountId, String)> {
    let (account, name) = arn.strip_prefix("acs:ram::")?.split_once(":role/")?;
    Some((account.parse().ok()?, name.to_owned()))
}
