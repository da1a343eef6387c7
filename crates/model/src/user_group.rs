//! Groups of users, which share permissions.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Millis, Permissions, UserGroupId};

/// Most groups of one user (IAM 10, RAM 50).
pub const GROUPS_OF_USER_MAX: usize = 10;

/// A group of an account's users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserGroup {
    /// Its id.
    pub id: UserGroupId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// Name, unique in the account.
    pub name: String,
    /// Description.
    pub description: String,
    /// What its members may do.
    pub permissions: Permissions,
    /// When it was made.
    pub created_at: Millis,
    /// Its number, one of [`crate::NUMBERS`]; see [`UserGroup::number`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

impl UserGroup {
    /// The number by which Tencent Cloud's calls know it. One that was made before there were numbers has its id.
    pub fn number(&self) -> u64 {
        self.number.unwrap_or(self.id.as_u64())
    }
}
