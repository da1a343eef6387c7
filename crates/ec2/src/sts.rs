//! Security Token Service: who am I, and temporary keys.

use control::{AssumeRole as Assume, TemporaryKey, Who};
use jiff::Timestamp;
use model::{AccountId, Error, SESSION_USUAL_SECONDS};
use secrecy::ExposeSecret;
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Refusal;
use crate::iam::unique_id;

/// Version of the API.
pub(crate) const VERSION: &str = "2011-06-15";
/// Its namespace.
pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Parameters of `AssumeRole` that are not served.
pub(crate) const ABSENT: &[&str] =
    &["ExternalId", "PolicyArns", "ProvidedContexts", "SerialNumber", "SourceIdentity", "Tags", "TokenCode", "TransitiveTagKeys"];
/// Parameters of `GetSessionToken` that are not served.
pub(crate) const MFA: &[&str] = &["SerialNumber", "TokenCode"];

/// How long a session of a user and of a root lives unless it asks otherwise, in seconds: 12 hours and one.
const USER_SESSION_SECONDS: u32 = 43_200;
const ROOT_SESSION_SECONDS: u32 = 3_600;

/// The parameters of `GetCallerIdentity`: none.
#[derive(FromArg)]
pub(crate) struct GetCallerIdentity {}

/// The reply of `GetCallerIdentity`.
#[derive(IntoDoc)]
#[reply(rename = "UpperCamelCase")]
pub(crate) struct Identity {
    arn: String,
    user_id: String,
    account: String,
}

/// Tells whom the access key acts for. No policy is asked: STS allows it to everybody, and so says the documentation.
pub(crate) async fn caller_identity(cx: Cx, _: GetCallerIdentity) -> Result<Identity, Refusal> {
    let principal = &cx.caller.principal;
    let account = principal.account.to_string();
    let (arn, user_id) = match &principal.who {
        Who::Root(_) => (format!("arn:aws:iam::{account}:root"), account.clone()),
        Who::User { id, name, .. } => (format!("arn:aws:iam::{account}:user/{name}"), unique_id("AIDA", id.as_u64())),
        Who::Session { role, role_name, session } => {
            let user_id = format!("{}:{session}", unique_id("AROA", role.as_u64()));
            (format!("arn:aws:sts::{account}:assumed-role/{role_name}/{session}"), user_id)
        }
    };
    Ok(Identity { arn, user_id, account })
}

/// The parameters of `AssumeRole`.
#[derive(FromArg)]
pub(crate) struct AssumeRole {
    role_arn: String,
    role_session_name: String,
    policy: Option<String>,
    #[arg(default = SESSION_USUAL_SECONDS)]
    duration_seconds: u32,
}

/// The reply of `AssumeRole`.
#[derive(IntoDoc)]
pub(crate) struct Assumed {
    credentials: Credentials,
    assumed_role_user: AssumedRoleUser,
}

#[derive(IntoDoc)]
struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

#[derive(IntoDoc)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: Timestamp,
}

fn credentials(key: TemporaryKey) -> Credentials {
    Credentials {
        access_key_id: key.id,
        secret_access_key: key.secret.expose_secret().to_owned(),
        session_token: key.token.expose_secret().to_owned(),
        expiration: key.expires_at.timestamp(),
    }
}

/// Gives a temporary key of a role.
pub(crate) async fn assume_role(cx: Cx, asked: AssumeRole) -> Result<Assumed, Refusal> {
    let (account, role) = role_of(&asked.role_arn).ok_or_else(|| Error::invalid("RoleArn", "is no ARN of a role"))?;
    let session = asked.role_session_name;
    let command = Assume { account, role, session: session.clone(), seconds: asked.duration_seconds, policy: asked.policy };
    let (role, key) = cx.cloud.assume_role(&cx.caller, command).await?;
    let assumed_role_user = AssumedRoleUser {
        assumed_role_id: format!("{}:{session}", unique_id("AROA", role.id.as_u64())),
        arn: format!("arn:aws:sts::{}:assumed-role/{}/{session}", role.account, role.name),
    };
    Ok(Assumed { credentials: credentials(key), assumed_role_user })
}

/// Account and name of the role that an ARN names.
fn role_of(arn: &str) -> Option<(AccountId, String)> {
    let (account, name) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    Some((account.parse().ok()?, name.to_owned()))
}

/// The parameters of `GetSessionToken`.
#[derive(FromArg)]
pub(crate) struct GetSessionToken {
    duration_seconds: Option<u32>,
}

/// The reply of `GetSessionToken`.
#[derive(IntoDoc)]
pub(crate) struct SessionToken {
    credentials: Credentials,
}

/// Gives a temporary key of the caller itself.
pub(crate) async fn session_token(cx: Cx, asked: GetSessionToken) -> Result<SessionToken, Refusal> {
    let usual = if cx.caller.principal.is_root() { ROOT_SESSION_SECONDS } else { USER_SESSION_SECONDS };
    let key = cx.cloud.session_token(&cx.caller, asked.duration_seconds.unwrap_or(usual)).await?;
    Ok(SessionToken { credentials: credentials(key) })
}
