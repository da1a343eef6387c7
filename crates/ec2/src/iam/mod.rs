//! IAM: users, their keys, groups, roles and policies of the caller's account.
//!
//! What IAM's clients name by ARN is named by the last part of it inside; paths other than `/` are not kept.

pub(crate) mod access_key;
pub(crate) mod account;
pub(crate) mod account_alias;
pub(crate) mod attached;
pub(crate) mod boundary;
pub(crate) mod error;
pub(crate) mod group;
pub(crate) mod instance_profile;
pub(crate) mod mfa_device;
pub(crate) mod policy;
pub(crate) mod role;
pub(crate) mod service_access;
pub(crate) mod simulation;
pub(crate) mod tag;
pub(crate) mod user;

use control::PolicyName;
use model::{AccountId, Error, Noun};
use wire::{FromArg, Show};

use crate::error::{Refusal, unsupported};

/// Its namespace, which holds the version of the API.
pub(crate) const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
/// Version of the API.
pub(crate) const VERSION: &str = "2010-05-08";

/// Items of a page unless the client says otherwise, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1_000;

/// A reply that says nothing.
#[derive(Show)]
pub(crate) struct Done {}

/// What a client says of pages.
#[derive(Debug, Clone, Default, FromArg)]
pub(crate) struct Paging {
    max_items: Option<u32>,
    marker: Option<String>,
}

impl Paging {
    /// One page of a list in the order of these names, and the marker of the next.
    fn page<T>(&self, mut rows: Vec<T>, name: impl Fn(&T) -> &str) -> Result<(Vec<T>, Option<String>), Refusal> {
        let size = match self.max_items {
            None => PAGE,
            Some(size) if (1..=PAGE_MAX).contains(&(size as usize)) => size as usize,
            Some(_) => return Err(Error::invalid("MaxItems", "must be 1 to 1000").into()),
        };
        rows.sort_by(|one, other| name(one).cmp(name(other)));
        if let Some(marker) = &self.marker {
            rows.retain(|row| name(row) > marker.as_str());
        }
        let more = rows.len() > size;
        rows.truncate(size);
        let marker = rows.last().filter(|_| more).map(|row| name(row).to_owned());
        Ok((rows, marker))
    }
}

/// Refuses a path: everything lies directly in its account.
fn only_root_path(path: Option<&str>) -> Result<(), Refusal> {
    match path {
        None | Some("/") => Ok(()),
        Some(_) => Err(unsupported("A path other than /")),
    }
}

/// Whether a list is asked for of another path than the one that there is.
fn is_elsewhere(prefix: Option<&str>) -> bool {
    prefix.is_some_and(|prefix| !"/".starts_with(prefix))
}

fn arn(account: AccountId, kind: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{kind}/{name}")
}

/// IAM's unique ids: four letters that tell the kind, and 16 more.
pub(crate) fn unique_id(kind: &str, value: u64) -> String {
    format!("{kind}{value:016X}")
}

/// The policy that an ARN names.
fn policy_of(account: AccountId, arn: &str) -> Result<PolicyName, Refusal> {
    if let Some(name) = arn.strip_prefix("arn:aws:iam::aws:policy/") {
        return Ok(PolicyName::System(name.to_owned()));
    }
    let own = format!("arn:aws:iam::{account}:policy/");
    match arn.strip_prefix(&own) {
        Some(name) => Ok(PolicyName::Own(name.to_owned())),
        None if arn.starts_with("arn:aws:iam::") => Err(Error::not_found(Noun::Policy, arn).into()),
        None => Err(Error::invalid("PolicyArn", "is no ARN of a policy").into()),
    }
}

fn policy_arn(account: AccountId, policy: &PolicyName) -> String {
    match policy {
        PolicyName::System(name) => format!("arn:aws:iam::aws:policy/{name}"),
        PolicyName::Own(name) => arn(account, "policy", name),
    }
}

/// A document as IAM shows it: percent-encoded (RFC 3986).
fn encoded(document: &str) -> String {
    percent_encoding::utf8_percent_encode(document, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name<'r>(row: &'r &'static str) -> &'r str {
        row
    }

    #[test]
    fn pages_follow_each_other_by_name() {
        let rows = || vec!["c", "a", "b"];
        let paging = |max_items, marker: Option<&str>| Paging { max_items, marker: marker.map(str::to_owned) };
        assert_eq!(paging(Some(2), None).page(rows(), name).unwrap(), (vec!["a", "b"], Some("b".to_owned())));
        assert_eq!(paging(Some(2), Some("b")).page(rows(), name).unwrap(), (vec!["c"], None));
        assert!(paging(Some(0), None).page(rows(), name).is_err());
    }

    #[test]
    fn a_policy_is_named_by_its_arn() {
        let account = AccountId::from_u64(7).unwrap();
        for arn in ["arn:aws:iam::aws:policy/AmazonEC2FullAccess", "arn:aws:iam::000000000007:policy/mine"] {
            assert_eq!(policy_arn(account, &policy_of(account, arn).unwrap()), arn);
        }
        assert!(policy_of(account, "arn:aws:iam::000000000008:policy/theirs").is_err());
    }
}
