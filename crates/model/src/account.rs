//! Accounts, their users and access keys.
//!
//! An account owns resources. Its root user may do everything in it; other users may do what their policies allow. Secrets of
//! access keys are kept sealed: request signatures need the clear text, so a hash would not do.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, Millis, Permissions, Tags, UserGroupId, UserId, check_name};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Display name, unique in the installation.
    pub name: String,
    /// A name that its owner has chosen, unique in the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// When it was made.
    pub created_at: Millis,
}

/// A user of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The account it belongs to.
    pub account: AccountId,
    /// Name, unique in the account.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// When it was made.
    pub created_at: Millis,
    /// Its number, one of [`NUMBERS`]; see [`User::number`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// What is said of it for people.
    #[serde(default, skip_serializing_if = "UserDetails::is_empty")]
    pub details: UserDetails,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// Numbers by which Tencent Cloud's calls know users, groups and policies: twelve digits as its own, since some clients read numbers as
/// floating-point ones, which are exact up to 2^53. Ids are above that.
pub const NUMBERS: Range<u64> = 100_000_000_000..1_000_000_000_000;
/// Most characters of one detail of a user (RAM: 128; Tencent's remarks are no longer).
pub const USER_DETAIL_MAX: usize = 128;

/// What is said of a user for people. No right depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UserDetails {
    /// Name for people; empty for that of the user.
    pub display_name: String,
    /// Whatever the administrator noted.
    pub comments: String,
    /// Country code of the telephone number, such as `86`.
    pub country_code: String,
    /// Telephone number.
    pub phone: String,
    /// Address of electronic mail.
    pub email: String,
}

impl User {
    /// The number by which Tencent Cloud's calls know it. One that was made before there were numbers has its id.
    pub fn number(&self) -> u64 {
        self.number.unwrap_or(self.id.as_u64())
    }
}

impl UserDetails {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == UserDetails::default()
    }

    /// Checks that each is at most [`USER_DETAIL_MAX`] characters without control characters.
    pub fn check(&self) -> Result<(), Error> {
        let UserDetails { display_name, comments, country_code, phone, email } = self;
        let details =
            [("DisplayName", display_name), ("Comments", comments), ("CountryCode", country_code), ("Phone", phone), ("Email", email)];
        match details.into_iter().find(|(_, text)| text.chars().count() > USER_DETAIL_MAX || text.chars().any(char::is_control)) {
            Some((name, _)) => Err(Error::invalid(name, format!("must be at most {USER_DETAIL_MAX} printable characters"))),
            None => Ok(()),
        }
    }
}

/// What a user may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Rights {
    /// Everything in its account.
    Root,
    /// What policies allow.
    Policies {
        /// Its own.
        permissions: Permissions,
        /// Groups, whose policies are its own too.
        groups: BTreeSet<UserGroupId>,
    },
}

/// Most access keys of one user (all three clouds).
pub const ACCESS_KEYS_MAX: usize = 2;

/// An access key: the name and secret that a client signs requests with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Public name of the key, 16 to 128 letters and digits.
    pub id: String,
    /// Account that it acts for.
    pub account: AccountId,
    /// User that it acts as.
    pub user: UserId,
    /// The secret, encrypted under the installation's master key (nonce and ciphertext, base64).
    pub sealed_secret: String,
    /// Whether requests signed with it are answered.
    pub active: bool,
    /// When it was made.
    pub created_at: Millis,
    /// What its owner noted of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// When an access key was last used. It is written some time after the use, and only for keys that are kept: temporary ones have
/// no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyUse {
    /// The key's public name.
    pub key: String,
    /// When a good signature was last made with it.
    pub at: Millis,
    /// The service that was called, as policies name it, such as `ec2`.
    pub service: String,
}

/// Checks an alias of an account: 3 to 63 lower-case letters, digits and single dashes inside, and no twelve digits, as IAM has it.
pub fn check_account_alias(alias: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_number = alias.len() == 12 && alias.bytes().all(|b| b.is_ascii_digit());
    let dashed = alias.starts_with('-') || alias.ends_with('-') || alias.contains("--");
    if !(3..=63).contains(&alias.len()) || !alias.chars().all(allowed) || dashed || is_number {
        return Err(Error::invalid("AccountAlias", "must be 3 to 63 lower-case letters, digits and dashes"));
    }
    Ok(())
}

/// Checks the name of an account or user: 1 to 64 of letters, digits and `+=,.@_-`, as IAM has it.
pub fn check_user_name(name: &str) -> Result<(), Error> {
    check_name("UserName", name)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err(Error::invalid("UserName", "must be 1 to 64 of letters, digits and +=,.@_-"));
    }
    Ok(())
}
