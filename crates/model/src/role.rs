//! Roles: what somebody may do for a while, and who may be that somebody.

use serde::{Deserialize, Serialize};

use crate::policy::Document;
use crate::{AccountId, Error, Millis, Permissions, RoleId, Tags, check_user_name};

/// Shortest session of a role, in seconds (all three clouds).
pub const SESSION_MIN_SECONDS: u32 = 900;
/// Longest session that a role may allow, in seconds (all three clouds).
pub const SESSION_MAX_SECONDS: u32 = 43_200;
/// What a role allows unless it says otherwise, in seconds.
pub const SESSION_USUAL_SECONDS: u32 = 3_600;

/// A role of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// Name, unique in the account.
    pub name: String,
    /// Description.
    pub description: String,
    /// Who may assume it: a document that names principals (original text).
    pub trust: String,
    /// What it may do.
    pub permissions: Permissions,
    /// Longest session in seconds, [`SESSION_MIN_SECONDS`] to [`SESSION_MAX_SECONDS`].
    pub session_seconds: u32,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Role {
    /// Checks what a caller chose.
    pub fn check(&self) -> Result<(), Error> {
        check_user_name(&self.name)?;
        Document::resource(&self.trust).map_err(|error| Error::invalid("AssumeRolePolicyDocument", error.to_string()))?;
        if !(SESSION_MIN_SECONDS.max(3_600)..=SESSION_MAX_SECONDS).contains(&self.session_seconds) {
            return Err(Error::invalid("MaxSessionDuration", "must be 3600 to 43200 seconds"));
        }
        Ok(())
    }
}

/// Checks the name of a role's session: 2 to 64 of letters, digits and `+=,.@_-`.
pub fn check_session_name(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if !(2..=64).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(Error::invalid("RoleSessionName", "must be 2 to 64 of letters, digits and +=,.@_-"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_says_who_may_assume_it_and_for_how_long() {
        let trust =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000001"},"Action":"sts:AssumeRole"}]}"#;
        let role = Role {
            id: RoleId::from_u64(1),
            account: AccountId::from_u64(1).unwrap(),
            name: "operator".to_owned(),
            description: String::new(),
            trust: trust.to_owned(),
            permissions: Permissions::default(),
            session_seconds: SESSION_USUAL_SECONDS,
            created_at: Millis(0),
            tags: Tags::new(),
        };
        assert_eq!(role.check(), Ok(()));
        let refused = |role: Role| match role.check() {
            Err(Error::InvalidParameter { name, .. }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(Role { session_seconds: 43_201, ..role.clone() }), "MaxSessionDuration");
        assert_eq!(refused(Role { trust: "{}".to_owned(), ..role.clone() }), "AssumeRolePolicyDocument");
        assert_eq!(refused(Role { name: "a/b".to_owned(), ..role }), "UserName");
    }
}
