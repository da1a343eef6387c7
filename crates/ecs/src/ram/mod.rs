//! RAM: users, their keys, groups, roles and policies of the caller's account, and STS's temporary keys.

pub(crate) mod group;
pub(crate) mod mfa_device;
pub(crate) mod policy;
pub(crate) mod policy_version;
pub(crate) mod role;
pub(crate) mod user;

use control::PolicyName;
use model::{Error, Noun};
use wire::{FromArg, Show};

use crate::error::{Fault, sentence};

/// Items of a page unless the client says otherwise, and at most ("RAM API reference").
const PAGE: usize = 100;
const PAGE_MAX: u32 = 1_000;

/// A reply that says nothing but its request's id.
#[derive(Show)]
pub(crate) struct Done {}

/// What a client says of pages.
#[derive(Debug, Clone, Default, FromArg)]
pub(crate) struct Paging {
    #[arg(range = 1..=PAGE_MAX)]
    max_items: Option<u32>,
    marker: Option<String>,
}

/// Where a list goes on.
#[derive(Debug, Show)]
pub(crate) struct Next {
    is_truncated: bool,
    marker: Option<String>,
}

impl Paging {
    /// One page of a list in the order of these names.
    fn page<T>(&self, mut rows: Vec<T>, name: impl Fn(&T) -> &str) -> (Vec<T>, Next) {
        let size = self.max_items.map_or(PAGE, |size| size as usize);
        rows.sort_by(|one, other| name(one).cmp(name(other)));
        if let Some(marker) = self.marker.as_ref().filter(|marker| !marker.is_empty()) {
            rows.retain(|row| name(row) > marker.as_str());
        }
        let more = rows.len() > size;
        rows.truncate(size);
        let marker = rows.last().filter(|_| more).map(|row| name(row).to_owned());
        (rows, Next { is_truncated: more, marker })
    }
}

/// Whose a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg, Show)]
pub(crate) enum PolicyType {
    System,
    Custom,
}

impl PolicyType {
    /// The policy of this name.
    fn named(self, name: String) -> PolicyName {
        match self {
            PolicyType::System => PolicyName::System(name),
            PolicyType::Custom => PolicyName::Own(name),
        }
    }
}

/// RAM's codes ("RAM API error codes"): from what is wrong to code, status and words.
pub(crate) fn refusal(error: Error) -> Fault {
    let words = |noun: Noun| match noun {
        Noun::User => Some("User"),
        Noun::UserGroup => Some("Group"),
        Noun::Role => Some("Role"),
        Noun::Policy => Some("Policy"),
        Noun::PolicyVersion => Some("Policy.Version"),
        Noun::AccessKey => Some("User.AccessKey"),
        Noun::MfaDevice => Some("MFADevice"),
        _ => None,
    };
    let fault = match &error {
        Error::NotFound { noun, .. } => words(*noun).map(|noun| (404, format!("EntityNotExist.{noun}"))),
        Error::Duplicate { noun, .. } => words(*noun).map(|noun| (409, format!("EntityAlreadyExists.{noun}"))),
        Error::InUse { noun, .. } => words(*noun).map(|noun| (409, format!("DeleteConflict.{noun}"))),
        Error::LimitReached { .. } => Some((409, "LimitExceeded".to_owned())),
        Error::InvalidParameter { name: "PolicyDocument" | "AssumeRolePolicyDocument", .. } => {
            Some((400, "InvalidParameter.PolicyDocument".to_owned()))
        }
        Error::Unauthorized { .. } => Some((403, "NoPermission".to_owned())),
        _ => None,
    };
    match fault {
        Some((status, code)) => Fault::new(status, code, sentence(&error)),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name<'r>(row: &'r &'static str) -> &'r str {
        row
    }

    #[test]
    fn pages_follow_each_other_by_name() {
        let first = Paging { max_items: Some(2), marker: None };
        let (rows, next) = first.page(vec!["c", "a", "b"], name);
        assert_eq!((rows, next.is_truncated, next.marker.as_deref()), (vec!["a", "b"], true, Some("b")));
        let (rows, next) = Paging { max_items: Some(2), marker: next.marker }.page(vec!["c", "a", "b"], name);
        assert_eq!((rows, next.is_truncated), (vec!["c"], false));
    }
}
