//! Roles of instances: a guest reads temporary keys of a role from its metadata service.
//!
//! ```text
//!   role, or a profile that holds one ─▶ association with an instance ─▶ key ─▶ the host's document ─▶ guest
//!                                             └ renewed long before it ends; gone with the association or the role
//! ```
//!
//! A profile is EC2's envelope around a role. The other clouds name roles directly; both make the same association.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, InstanceId, InstanceProfileId, InstanceRoleId, Millis, RoleId, check_user_name};

/// How long a key of an instance acts, in seconds (EC2's documents show six hours).
pub const ROLE_KEY_SECONDS: u32 = 6 * 3_600;
/// Age at which a key is renewed, in milliseconds: with a control plane away, guests have good keys for five hours more.
pub const ROLE_KEY_RENEWED_MS: i64 = 3_600_000;
/// The services whose trust lets instances have a role, as the three clouds spell them.
pub const INSTANCE_SERVICES: [&str; 3] = ["ec2.amazonaws.com", "ecs.aliyuncs.com", "cvm.qcloud.com"];

/// An instance profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// Its id.
    pub id: InstanceProfileId,
    /// Owner.
    pub account: AccountId,
    /// Name, unique in the account.
    pub name: String,
    /// The role in it.
    pub role: Option<RoleId>,
    /// When it was made.
    pub created_at: Millis,
}

impl InstanceProfile {
    /// Checks what a caller chose.
    pub fn check(&self) -> Result<(), Error> {
        check_user_name(&self.name).map_err(|_| Error::invalid("InstanceProfileName", "must be 1 to 64 of letters, digits and +=,.@_-"))
    }
}

/// A role by name, or the role that a profile of this name holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleChoice {
    /// The role.
    Role(String),
    /// The profile.
    Profile(String),
}

/// Where the role of an association comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleSource {
    /// It is this one.
    Role(RoleId),
    /// It is whichever this profile holds.
    Profile(InstanceProfileId),
}

/// An instance and its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRole {
    /// Its id; a new one each time.
    pub id: InstanceRoleId,
    /// Owner.
    pub account: AccountId,
    /// The instance; it has one role at most.
    pub instance: InstanceId,
    /// Where the role comes from.
    pub source: RoleSource,
    /// The key that the guest reads now; none when there is no such role.
    pub key: Option<RoleKey>,
    /// When it was made.
    pub created_at: Millis,
}

/// A temporary key of an instance. Its secret is in the token, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleKey {
    /// Public name.
    pub id: String,
    /// What goes with every request that it signs.
    pub token: String,
    /// Name of the role then.
    pub role_name: String,
    /// When it was made.
    pub made_at: Millis,
    /// When it ends to act.
    pub expires_at: Millis,
}
