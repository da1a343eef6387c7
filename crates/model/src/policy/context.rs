//! The facts of a request that conditions and variables look at, under one name whatever vendor's name was used.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::Millis;

/// Facts of a request: condition keys with their values. Keys are case-insensitive, and vendors' names of the same fact
/// (`aws:SourceIp`, `acs:SourceIp`, `qcs:ip`) are one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    values: BTreeMap<String, Vec<String>>,
}

impl Context {
    /// Makes a context without facts.
    pub fn new() -> Context {
        Context::default()
    }

    /// Gives a key one value in place of those it has.
    pub fn set(&mut self, key: &str, value: impl Into<String>) -> &mut Context {
        self.values.insert(canonical(key), vec![value.into()]);
        self
    }

    /// Gives a key one value more.
    pub fn add(&mut self, key: &str, value: impl Into<String>) -> &mut Context {
        self.values.entry(canonical(key)).or_default().push(value.into());
        self
    }

    /// Says from where the request came. An IPv4 address inside an IPv6 one is taken for what it is.
    pub fn source_ip(&mut self, address: IpAddr) -> &mut Context {
        self.set("aws:SourceIp", address.to_canonical().to_string())
    }

    /// Says when the request came, as a date and as seconds.
    pub fn now(&mut self, now: Millis) -> &mut Context {
        self.set("aws:CurrentTime", now.timestamp().to_string()).set("aws:EpochTime", now.0.div_euclid(1_000).to_string())
    }

    /// Adds a tag that the request wants to set: `aws:RequestTag/key`, `aws:TagKeys`, and Tencent's `key&value`.
    pub fn request_tag(&mut self, key: &str, value: &str) -> &mut Context {
        self.set(&format!("aws:RequestTag/{key}"), value);
        self.add("aws:TagKeys", key).add("qcs:request_tag", format!("{key}&{value}"))
    }

    /// Adds a tag that the resource has: `aws:ResourceTag/key` and Tencent's `key&value`.
    pub fn resource_tag(&mut self, key: &str, value: &str) -> &mut Context {
        self.set(&format!("aws:ResourceTag/{key}"), value);
        self.add("qcs:resource_tag", format!("{key}&{value}"))
    }

    /// Adds a tag of who calls, in place of one of this key.
    pub fn principal_tag(&mut self, key: &str, value: &str) -> &mut Context {
        self.set(&format!("aws:PrincipalTag/{key}"), value)
    }

    /// The values of a key, none when the request says nothing of it.
    pub fn values(&self, key: &str) -> &[String] {
        self.canonical_values(&canonical(key))
    }

    pub(super) fn canonical_values(&self, key: &str) -> &[String] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }
}

/// The one name of a condition key: lower case, AWS's word where it has one. What follows a slash is a tag's key, which
/// AWS compares without case too.
pub(super) fn canonical(key: &str) -> String {
    let lower = key.to_lowercase();
    let (path, tag) = match lower.split_once('/') {
        Some((path, tag)) => (path, Some(tag)),
        None => (lower.as_str(), None),
    };
    let (service, name) = path.split_once(':').unwrap_or(("", path));
    let name = name.replace('_', "");
    let service = match service {
        "acs" | "qcs" => "aws",
        "ecs" | "cvm" => "ec2",
        "ram" | "cam" => "iam",
        other => other,
    };
    let (service, name) = match (service, name.as_str()) {
        ("aws", "ip") => ("aws", "sourceip"),
        ("aws", "mfapresent") => ("aws", "multifactorauthpresent"),
        ("aws" | "ec2", "region") => ("aws", "requestedregion"),
        ("ec2", "tag" | "resourcetag") => ("aws", "resourcetag"),
        ("ec2", "requesttag") => ("aws", "requesttag"),
        // Tencent's variables ${uin} and ${owner_uin}.
        ("", "uin") => ("aws", "userid"),
        ("", "owneruin") => ("aws", "principalaccount"),
        (service, name) => (service, name),
    };
    match tag {
        Some(tag) => format!("{service}:{name}/{tag}"),
        None => format!("{service}:{name}"),
    }
}
