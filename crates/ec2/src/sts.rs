//! Security Token Service: who am I, and temporary keys.

use control::{AssumeRole as Assume, MfaCode, TemporaryKey, Who};
use jiff::Timestamp;
use model::{AccountId, Error, SESSION_USUAL_SECONDS, SessionContext, Tags};
use secrecy::ExposeSecret;
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::iam::mfa_device::device_of;
use crate::iam::simulation::Texts;
use crate::iam::unique_id;

/// Version of the API.
pub(crate) const VERSION: &str = "2011-06-15";
/// Its namespace.
pub(crate) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Parameters of `AssumeRole` that are not served.
pub(crate) const ABSENT: &[&str] = &["PolicyArns", "ProvidedContexts"];

/// How long a session of a user and of a root lives unless it asks otherwise, in seconds: 12 hours and one.
const USER_SESSION_SECONDS: u32 = 43_200;
const ROOT_SESSION_SECONDS: u32 = 3_600;

/// The parameters of `GetCallerIdentity`: none.
#[derive(FromArg)]
pub(crate) struct GetCallerIdentity {}

/// The reply of `GetCallerIdentity`.
#[derive(Show)]
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
    #[arg(min_len = 2, max_len = 1224)]
    external_id: Option<String>,
    tags: Option<SessionTags>,
    transitive_tag_keys: Option<Texts>,
    source_identity: Option<String>,
    #[arg(flatten)]
    mfa: Mfa,
}

/// Tags as STS's clients write them: `Tags.member.1.Key=...`.
#[derive(FromArg)]
struct SessionTags {
    #[arg(name = "member")]
    tags: Vec<SessionTag>,
}

#[derive(FromArg)]
struct SessionTag {
    key: String,
    value: String,
}

impl AssumeRole {
    fn context(&self) -> Result<SessionContext, Error> {
        let given = self.tags.iter().flat_map(|list| &list.tags);
        let mut tags = Tags::new();
        for SessionTag { key, value } in given {
            if tags.insert(key.clone(), value.clone()).is_some() {
                return Err(Error::invalid("Tags", format!("`{key}` is there twice")));
            }
        }
        let transitive = self.transitive_tag_keys.iter().flat_map(|list| &list.texts).cloned().collect();
        Ok(SessionContext { tags, transitive, source_identity: self.source_identity.clone() })
    }
}

/// A device and what it shows; both or neither.
#[derive(FromArg)]
pub(crate) struct Mfa {
    serial_number: Option<String>,
    token_code: Option<String>,
}

impl Mfa {
    fn code(self, account: AccountId) -> Result<Option<MfaCode>, Refusal> {
        match (self.serial_number, self.token_code) {
            (None, None) => Ok(None),
            // A device of another account, and none at all, have no right code.
            (Some(serial), Some(code)) => {
                let device = device_of(account, &serial).map_err(|_| Error::InvalidMfaCode)?;
                Ok(Some(MfaCode { device: Some(device), code }))
            }
            (Some(_), None) => Err(Error::MissingParameter { name: "TokenCode" }.into()),
            (None, Some(_)) => Err(Error::MissingParameter { name: "SerialNumber" }.into()),
        }
    }
}

/// The reply of `AssumeRole`.
#[derive(Show)]
pub(crate) struct Assumed {
    credentials: Credentials,
    assumed_role_user: AssumedRoleUser,
    source_identity: Option<String>,
}

#[derive(Show)]
struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

#[derive(Show)]
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
    let context = asked.context()?;
    let session = asked.role_session_name;
    let command = Assume {
        account,
        role,
        session: session.clone(),
        seconds: asked.duration_seconds,
        policy: asked.policy,
        external_id: asked.external_id,
        mfa: asked.mfa.code(cx.caller.account())?,
        mfa_at: None,
        context,
    };
    let (role, key) = cx.cloud.assume_role(&cx.caller, command).await?;
    let assumed_role_user = AssumedRoleUser {
        assumed_role_id: format!("{}:{session}", unique_id("AROA", role.id.as_u64())),
        arn: format!("arn:aws:sts::{}:assumed-role/{}/{session}", role.account, role.name),
    };
    let source_identity = key.source_identity.clone();
    Ok(Assumed { credentials: credentials(key), assumed_role_user, source_identity })
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
    #[arg(flatten)]
    mfa: Mfa,
}

/// The reply of `GetSessionToken`.
#[derive(Show)]
pub(crate) struct SessionToken {
    credentials: Credentials,
}

/// Gives a temporary key of the caller itself.
pub(crate) async fn session_token(cx: Cx, asked: GetSessionToken) -> Result<SessionToken, Refusal> {
    let usual = if cx.caller.principal.is_root() { ROOT_SESSION_SECONDS } else { USER_SESSION_SECONDS };
    let mfa = asked.mfa.code(cx.caller.account())?;
    let key = cx.cloud.session_token(&cx.caller, asked.duration_seconds.unwrap_or(usual), mfa).await?;
    Ok(SessionToken { credentials: credentials(key) })
}
