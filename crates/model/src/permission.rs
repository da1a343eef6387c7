//! Policies that are attached to users, groups and roles: documents of their own, and managed ones that many share.
//!
//! ```text
//!   user ─┬─ own documents, by name ─────────────┐
//!         ├─ attached: managed policies ─────────┼─▶ the documents that decide
//!         └─ groups ── own, attached ────────────┘
//! ```
//!
//! A managed policy is the account's, with up to five versions of which one counts, or the system's, the same in every account.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::policy::Document;
use crate::{AccountId, Error, Millis, Noun, PolicyId, Tags};

/// Most managed policies attached to one user, group or role (IAM's default is 10, RAM's 20).
pub const ATTACHED_MAX: usize = 20;
/// Most documents of its own that a user, group or role has. IAM bounds their characters instead.
pub const OWN_MAX: usize = 10;
/// Most versions of a managed policy that are kept (IAM and RAM: 5).
pub const VERSIONS_MAX: usize = 5;

/// Policies that a user, group or role has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Permissions {
    /// Documents of its own (original text), by name.
    pub own: BTreeMap<String, String>,
    /// Managed policies, in order, each once.
    pub attached: Vec<AttachedPolicy>,
    /// The managed policy that bounds them: what it does not allow is not allowed, whatever else says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<PolicyRef>,
}

impl Permissions {
    /// Keeps a document of its own under a name, in place of one that has it.
    pub fn put(&mut self, name: &str, document: &str) -> Result<(), Error> {
        check_policy_name(name)?;
        check_document(document)?;
        self.own.insert(name.to_owned(), document.to_owned());
        at_most("PolicyName", "policies of its own", self.own.len(), OWN_MAX)
    }

    /// Removes a document of its own.
    pub fn remove(&mut self, name: &str) -> Result<(), Error> {
        self.own.remove(name).map(drop).ok_or_else(|| Error::not_found(Noun::Policy, name))
    }

    /// Attaches a managed policy; attaching it again changes nothing, and not the time either.
    pub fn attach(&mut self, policy: PolicyRef, now: Millis) -> Result<(), Error> {
        if let Err(place) = self.place(&policy) {
            self.attached.insert(place, AttachedPolicy { policy, at: Some(now) });
        }
        at_most("PolicyArn", "managed policies", self.attached.len(), ATTACHED_MAX)
    }

    /// Detaches a managed policy.
    pub fn detach(&mut self, policy: &PolicyRef) -> Result<(), Error> {
        let place = self.place(policy).map_err(|_| Error::not_found(Noun::Policy, policy))?;
        self.attached.remove(place);
        Ok(())
    }

    /// A managed policy that is attached.
    pub fn attached(&self, policy: &PolicyRef) -> Option<&AttachedPolicy> {
        self.place(policy).ok().map(|place| &self.attached[place])
    }

    fn place(&self, policy: &PolicyRef) -> Result<usize, usize> {
        self.attached.binary_search_by(|attached| attached.policy.cmp(policy))
    }

    /// Whether nothing is attached and there is no document of its own. A boundary gives nothing.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.attached.is_empty()
    }
}

/// A managed policy that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedPolicy {
    /// Which one.
    #[serde(flatten)]
    pub policy: PolicyRef,
    /// When it was attached. Earlier rows do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
}

/// A managed policy, as those that have it name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyRef {
    /// One of the system's, by name.
    System(String),
    /// One of the account's.
    Own(PolicyId),
}

impl std::fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PolicyRef::System(name) => f.write_str(name),
            PolicyRef::Own(id) => id.fmt(f),
        }
    }
}

/// A managed policy of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// Its id.
    pub id: PolicyId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// Name, unique in the account.
    pub name: String,
    /// Description.
    pub description: String,
    /// Its versions, oldest first; never empty.
    pub versions: Vec<PolicyVersion>,
    /// Number of the version that counts.
    pub default: u32,
    /// Number of the next version.
    pub next: u32,
    /// When it was made.
    pub created_at: Millis,
    /// Its number, one of [`crate::NUMBERS`]; see [`ManagedPolicy::number`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Its number, from 1.
    pub number: u32,
    /// The document (original text).
    pub document: String,
    /// When it was made.
    pub created_at: Millis,
}

impl ManagedPolicy {
    /// A policy with its first version.
    pub fn new(
        id: PolicyId,
        account: AccountId,
        name: &str,
        description: &str,
        document: &str,
        now: Millis,
    ) -> Result<ManagedPolicy, Error> {
        check_policy_name(name)?;
        check_document(document)?;
        let first = PolicyVersion { number: 1, document: document.to_owned(), created_at: now };
        let (name, description) = (name.to_owned(), description.to_owned());
        let (versions, number, tags) = (vec![first], None, Tags::new());
        Ok(ManagedPolicy { id, account, name, description, versions, default: 1, next: 2, created_at: now, number, tags })
    }

    /// The number by which Tencent Cloud's calls know it. One that was made before there were numbers has its id.
    pub fn number(&self) -> u64 {
        self.number.unwrap_or(self.id.as_u64())
    }

    /// Writes another document into the version that counts.
    pub fn rewrite(&mut self, document: &str, now: Millis) -> Result<(), Error> {
        check_document(document)?;
        let counts = self.versions.iter_mut().find(|version| version.number == self.default);
        let version = counts.ok_or_else(|| Error::not_found(Noun::PolicyVersion, format!("v{}", self.default)))?;
        (version.document, version.created_at) = (document.to_owned(), now);
        Ok(())
    }

    /// The version that counts.
    pub fn document(&self) -> &str {
        let counts = self.versions.iter().find(|version| version.number == self.default);
        &counts.or(self.versions.first()).expect("a policy always has a version").document
    }

    /// Adds a version, and makes it the one that counts if asked; its number.
    pub fn add_version(&mut self, document: &str, is_default: bool, now: Millis) -> Result<u32, Error> {
        check_document(document)?;
        at_most("PolicyDocument", "versions", self.versions.len() + 1, VERSIONS_MAX)?;
        let number = self.next;
        self.next += 1;
        self.versions.push(PolicyVersion { number, document: document.to_owned(), created_at: now });
        if is_default {
            self.default = number;
        }
        Ok(number)
    }

    /// Removes the oldest version that does not count, where there are as many as there may be.
    pub fn make_room(&mut self) {
        if self.versions.len() >= VERSIONS_MAX
            && let Some(oldest) = self.versions.iter().position(|version| version.number != self.default)
        {
            self.versions.remove(oldest);
        }
    }

    /// Makes a version the one that counts.
    pub fn set_default(&mut self, number: u32) -> Result<(), Error> {
        self.version(number)?;
        self.default = number;
        Ok(())
    }

    /// Removes a version that does not count.
    pub fn remove_version(&mut self, number: u32) -> Result<(), Error> {
        self.version(number)?;
        if number == self.default {
            let by = vec![format!("the policy {}, whose default version it is", self.name)];
            return Err(Error::InUse { noun: Noun::PolicyVersion, id: format!("v{number}"), by });
        }
        self.versions.retain(|version| version.number != number);
        Ok(())
    }

    /// A version by its number.
    pub fn version(&self, number: u32) -> Result<&PolicyVersion, Error> {
        let found = self.versions.iter().find(|version| version.number == number);
        found.ok_or_else(|| Error::not_found(Noun::PolicyVersion, format!("v{number}")))
    }
}

/// A managed policy that every account has.
#[derive(Debug, Clone, Copy)]
pub struct SystemPolicy {
    /// Its name, that of the vendor whose language it is in.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// The document.
    pub document: &'static str,
}

/// Policies under the names that users of the three clouds attach most.
pub const SYSTEM_POLICIES: &[SystemPolicy] = &[
    SystemPolicy {
        name: "AdministratorAccess",
        description: "Everything in the account",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "ReadOnlyAccess",
        description: "Looking at everything in the account",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","ec2:Get*","iam:Get*","iam:List*"],"Resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "AmazonEC2FullAccess",
        description: "Everything of EC2",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "AmazonEC2ReadOnlyAccess",
        description: "Looking at everything of EC2",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","ec2:Get*"],"Resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "IAMFullAccess",
        description: "Everything of IAM",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "AliyunECSFullAccess",
        description: "Everything of ECS",
        document: r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"ecs:*","Resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "AliyunECSReadOnlyAccess",
        description: "Looking at everything of ECS",
        document: r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["ecs:Describe*","ecs:List*"],"Resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "AliyunRAMFullAccess",
        description: "Everything of RAM",
        document: r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"ram:*","Resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "AliyunSTSAssumeRoleAccess",
        description: "Assuming roles",
        document: r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "QcloudCVMFullAccess",
        description: "Everything of CVM, and of its networks and disks",
        document: r#"{"version":"2.0","statement":[{"effect":"allow","action":["name/cvm:*","name/vpc:*","name/cbs:*"],"resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "QcloudCVMReadOnlyAccess",
        description: "Looking at everything of CVM, and of its networks and disks",
        document: r#"{"version":"2.0","statement":[{"effect":"allow","action":["name/cvm:Describe*","name/vpc:Describe*","name/cbs:Describe*"],"resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "QcloudCamFullAccess",
        description: "Everything of CAM",
        document: r#"{"version":"2.0","statement":[{"effect":"allow","action":"name/cam:*","resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "QcloudCamReadOnlyAccess",
        description: "Looking at everything of CAM",
        document: r#"{"version":"2.0","statement":[{"effect":"allow","action":["name/cam:List*","name/cam:Get*","name/cam:Describe*"],"resource":"*"}]}"#,
    },
    SystemPolicy {
        name: "QcloudSTSFullAccess",
        description: "Everything of STS",
        document: r#"{"version":"2.0","statement":[{"effect":"allow","action":"name/sts:*","resource":"*"}]}"#,
    },
];

/// The place of one of the system's policies in [`SYSTEM_POLICIES`] from 1, by which Tencent Cloud's calls know it.
pub fn system_policy_number(name: &str) -> Option<u64> {
    SYSTEM_POLICIES.iter().zip(1..).find_map(|(policy, number)| (policy.name == name).then_some(number))
}

/// The system's policy of this name.
pub fn system_policy(name: &str) -> Option<&'static SystemPolicy> {
    SYSTEM_POLICIES.iter().find(|policy| policy.name == name)
}

/// Checks the name of a policy: 1 to 128 of letters, digits and `+=,.@_-`, as IAM has it.
pub fn check_policy_name(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
        return Err(Error::invalid("PolicyName", "must be 1 to 128 of letters, digits and +=,.@_-"));
    }
    Ok(())
}

/// Checks a document that says what a user, group or role may do.
pub fn check_document(text: &str) -> Result<(), Error> {
    Document::identity(text).map(drop).map_err(|error| Error::invalid("PolicyDocument", error.to_string()))
}

fn at_most(name: &'static str, what: &str, count: usize, most: usize) -> Result<(), Error> {
    if count <= most { Ok(()) } else { Err(Error::LimitReached { name, what: what.to_owned(), limit: most as u64 }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}"#;

    #[test]
    fn the_systems_policies_are_policies() {
        for policy in SYSTEM_POLICIES {
            assert_eq!(check_document(policy.document), Ok(()), "{}", policy.name);
            assert!(system_policy(policy.name).is_some());
        }
    }

    #[test]
    fn a_managed_policy_keeps_five_versions_and_never_loses_the_one_that_counts() {
        let account = AccountId::from_u64(1).unwrap();
        let mut policy = ManagedPolicy::new(PolicyId::from_u64(1), account, "p", "", ALLOW, Millis(0)).unwrap();
        for number in 2..=5 {
            assert_eq!(policy.add_version(ALLOW, number == 3, Millis(1)), Ok(number));
        }
        assert!(matches!(policy.add_version(ALLOW, false, Millis(1)), Err(Error::LimitReached { limit: 5, .. })));
        assert!(matches!(policy.remove_version(3), Err(Error::InUse { .. })));
        assert_eq!(policy.remove_version(1), Ok(()));
        assert_eq!(policy.add_version(ALLOW, false, Millis(2)), Ok(6), "a number is never given again");
        assert!(matches!(policy.set_default(1), Err(Error::NotFound { .. })));
    }

    #[test]
    fn what_is_attached_is_attached_once_and_keeps_its_time() {
        let policy = |name: &str| PolicyRef::System(name.to_owned());
        // As earlier rows have it.
        let mut permissions: Permissions =
            serde_json::from_str(r#"{"own":{},"attached":[{"system":"b"},{"own":"policy-00000000000000007"}]}"#).unwrap();
        permissions.attach(policy("a"), Millis(5)).unwrap();
        permissions.attach(policy("a"), Millis(6)).unwrap();
        permissions.attach(policy("b"), Millis(6)).unwrap();
        let names: Vec<String> = permissions.attached.iter().map(|held| held.policy.to_string()).collect();
        assert_eq!(names, ["a", "b", &PolicyId::from_u64(7).to_string()]);
        assert_eq!(permissions.attached(&policy("a")).unwrap().at, Some(Millis(5)));
        assert_eq!(permissions.attached(&policy("b")).unwrap().at, None);
        let kept: Permissions = serde_json::from_str(&serde_json::to_string(&permissions).unwrap()).unwrap();
        assert_eq!(kept, permissions);
        permissions.detach(&policy("a")).unwrap();
        assert!(matches!(permissions.detach(&policy("a")), Err(Error::NotFound { .. })));
    }

    #[test]
    fn only_documents_that_can_be_read_are_kept() {
        let mut permissions = Permissions::default();
        assert!(matches!(permissions.put("p", "{"), Err(Error::InvalidParameter { name: "PolicyDocument", .. })));
        assert!(matches!(permissions.put("p p", ALLOW), Err(Error::InvalidParameter { name: "PolicyName", .. })));
        for name in 0..OWN_MAX {
            permissions.put(&name.to_string(), ALLOW).unwrap();
        }
        assert!(matches!(permissions.put("more", ALLOW), Err(Error::LimitReached { .. })));
    }
}
