//! Temporary keys of roles.

use control::{AssumeRole as Assume, MfaCode};
use jiff::Timestamp;
use model::{AccountId, Error, RoleId, SESSION_TAGS_MAX, SESSION_USUAL_SECONDS, SessionContext, Tags};
use secrecy::ExposeSecret;
use wire::{FromArg, Show, decode_bytes};

use crate::Cx;
use crate::error::Fault;

/// `AssumeRole`.
#[derive(FromArg)]
pub(crate) struct AssumeRole {
    role_arn: String,
    role_session_name: String,
    #[arg(default = SESSION_USUAL_SECONDS)]
    duration_seconds: u32,
    policy: Option<String>,
    #[arg(max_len = 128)]
    external_id: Option<String>,
    serial_number: Option<String>,
    token_code: Option<String>,
    #[arg(max_items = SESSION_TAGS_MAX)]
    tags: Vec<SessionTag>,
    source_identity: Option<String>,
}

#[derive(FromArg)]
struct SessionTag {
    key: String,
    value: String,
}

/// What the session is to have. Tencent's sessions know no transitive tags.
fn context(tags: Vec<SessionTag>, source_identity: Option<String>) -> Result<SessionContext, Fault> {
    let mut kept = Tags::new();
    for SessionTag { key, value } in tags {
        if kept.contains_key(&key) {
            return Err(Fault::invalid("Tags", "a key is there twice"));
        }
        kept.insert(key, value);
    }
    let source_identity = source_identity.filter(|identity| !identity.is_empty());
    Ok(SessionContext { tags: kept, source_identity, ..SessionContext::default() })
}

#[derive(Show)]
pub(crate) struct Assumed {
    credentials: Credentials,
    expired_time: i64,
    expiration: Timestamp,
}

#[derive(Show)]
struct Credentials {
    token: String,
    tmp_secret_id: String,
    tmp_secret_key: String,
}

/// Gives a temporary key of a role.
pub(crate) async fn assume_role(cx: &Cx<'_>, asked: AssumeRole) -> Result<Assumed, Fault> {
    let named = role_of(&asked.role_arn);
    let (account, role) = named.ok_or_else(|| Fault::invalid("RoleArn", "it is not written like qcs::cam::uin/ACCOUNT:roleName/NAME"))?;
    let role = match role {
        Role::Named(name) => name,
        // A role that is not there is refused as one that may not be assumed, which has a name.
        Role::Numbered(id) => cx.cloud.role_name(account, id).await?.unwrap_or_default(),
    };
    let (session, seconds) = (asked.role_session_name, asked.duration_seconds);
    let policy = asked.policy.filter(|policy| !policy.is_empty()).map(plain).transpose()?;
    let external_id = asked.external_id.filter(|id| !id.is_empty());
    let mfa = mfa_code(cx.caller.account(), asked.serial_number, asked.token_code)?;
    let context = context(asked.tags, asked.source_identity)?;
    let command = Assume { account, role, session, seconds, policy, external_id, mfa, mfa_at: None, context };
    let (_, key) = cx.cloud.assume_role(&cx.caller, command).await.map_err(refusal)?;
    let expiration = key.expires_at.timestamp();
    let credentials = Credentials {
        token: key.token.expose_secret().to_owned(),
        tmp_secret_id: key.id,
        tmp_secret_key: key.secret.expose_secret().to_owned(),
    };
    Ok(Assumed { credentials, expired_time: expiration.as_second(), expiration })
}

/// STS's code for a wrong code, which CAM's is not.
fn refusal(error: Error) -> Fault {
    match error {
        Error::InvalidMfaCode => Fault { code: "FailedOperation.CheckMFAError".into(), ..error.into() },
        _ => error.into(),
    }
}

/// A code of the caller's device, which STS names by its kind: one that is a program. A device of another account has no right code.
fn mfa_code(account: AccountId, serial: Option<String>, code: Option<String>) -> Result<Option<MfaCode>, Fault> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (given(serial), given(code)) {
        (None, None) => Ok(None),
        (Some(serial), Some(code)) if serial == format!("qcs::cam:uin/{account}::mfa/softToken") => {
            Ok(Some(MfaCode { device: None, code }))
        }
        (Some(serial), Some(_)) if serial.ends_with("/softToken") => Err(refusal(Error::InvalidMfaCode)),
        (Some(_), Some(_)) => Err(Fault::new("FailedOperation.MFATypeNotSupported", "A device is one of the kind softToken.")),
        (Some(_), None) => Err(Fault::missing("TokenCode")),
        (None, Some(_)) => Err(Fault::missing("SerialNumber")),
    }
}

/// How a role is named: by its name or its id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Named(String),
    Numbered(RoleId),
}

/// Account and role that are named so.
fn role_of(name: &str) -> Option<(AccountId, Role)> {
    let (account, role) = name.strip_prefix("qcs::cam::uin/")?.split_once(':')?;
    let role = match role.split_once('/')? {
        ("roleName", name) => Role::Named(name.to_owned()),
        ("role", id) => Role::Numbered(RoleId::from_u64(id.parse().ok()?)),
        _ => return None,
    };
    Some((account.parse().ok()?, role))
}

/// A policy's text, which STS wants percent-encoded once more than the rest of the call.
fn plain(policy: String) -> Result<String, Fault> {
    if policy.trim_start().starts_with('{') {
        return Ok(policy);
    }
    String::from_utf8(decode_bytes(&policy).into_owned()).map_err(|_| Fault::invalid("Policy", "it is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_by_its_account_and_its_name() {
        let account = "000000000042".parse().unwrap();
        assert_eq!(role_of("qcs::cam::uin/000000000042:roleName/ops"), Some((account, Role::Named("ops".to_owned()))));
        assert_eq!(role_of("qcs::cam::uin/000000000042:role/7"), Some((account, Role::Numbered(RoleId::from_u64(7)))));
        for wrong in
            ["", "ops", "qcs::cam::uin/42:roleName/ops", "qcs::cam::uin/000000000042:role/seven", "arn:aws:iam::000000000042:role/ops"]
        {
            assert_eq!(role_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_code_is_one_of_the_callers_own_device() {
        let account: AccountId = "000000000042".parse().unwrap();
        let code = |serial: &str, code: &str| mfa_code(account, Some(serial.to_owned()), Some(code.to_owned()));
        let own = "qcs::cam:uin/000000000042::mfa/softToken";
        assert!(code(own, "123456").unwrap().is_some_and(|mfa| mfa.device.is_none() && mfa.code == "123456"));
        assert!(code("", "").unwrap().is_none() && code(own, "").is_err() && code("", "123456").is_err());
        assert!(code("qcs::cam:uin/000000000043::mfa/softToken", "123456").is_err());
    }

    #[test]
    fn a_policy_may_be_encoded_once_more() {
        assert_eq!(plain(r#"{"a": "b+c"}"#.to_owned()).as_deref(), Ok(r#"{"a": "b+c"}"#));
        assert_eq!(plain("%7B%22a%22%3A+1%7D".to_owned()).as_deref(), Ok(r#"{"a": 1}"#));
        assert!(plain("%FF".to_owned()).is_err());
    }
}
