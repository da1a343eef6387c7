//! Prefix lists: ranges under one name, used in rules of security groups. A change of the list is a change of every such rule.
//!
//! ```text
//!   version 1 ─ change ─▶ version 2 ─ restore 1 ─▶ version 3      rules mean the newest
//! ```
//!
//! Not known here: who uses a list.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, Millis, PrefixListId, Tags};

/// Most entries of a list (EC2: 1,000; ECS: 200).
pub const PREFIX_ENTRIES_MAX: u32 = 1_000;
/// Versions that are kept, the newest ones: a thousand entries each make a row of a megabyte.
pub const PREFIX_VERSIONS_MAX: usize = 25;

/// The version of IP that all ranges of a list are of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressFamily {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl AddressFamily {
    /// The word of EC2 and ECS.
    pub const fn word(self) -> &'static str {
        match self {
            AddressFamily::Ipv4 => "IPv4",
            AddressFamily::Ipv6 => "IPv6",
        }
    }

    /// Reads that word.
    pub fn read(word: &str) -> Option<AddressFamily> {
        [AddressFamily::Ipv4, AddressFamily::Ipv6].into_iter().find(|family| family.word() == word)
    }

    const fn has(self, range: IpNet) -> bool {
        match range {
            IpNet::V4(_) => matches!(self, AddressFamily::Ipv4),
            IpNet::V6(_) => matches!(self, AddressFamily::Ipv6),
        }
    }
}

/// A prefix list with its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixList {
    /// Its id.
    pub id: PrefixListId,
    /// Owner.
    pub account: AccountId,
    /// Name; need not be unique.
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The version of IP of its ranges.
    #[serde(default)]
    pub family: AddressFamily,
    /// Most entries that it may have; a rule that names it counts as so many.
    pub max_entries: u32,
    /// Its versions, the newest last; never empty.
    pub versions: Vec<PrefixVersion>,
    /// What made the newest version.
    pub last: PrefixChange,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// The entries of a list at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixVersion {
    /// Its number, from 1.
    pub number: u64,
    /// The entries, by range.
    pub entries: Vec<PrefixEntry>,
}

/// A range of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PrefixEntry {
    /// The range, without host bits.
    pub range: IpNet,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// What made the newest version of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrefixChange {
    /// The list was made.
    Made,
    /// It was changed.
    Changed,
    /// An older version was taken up again.
    Restored,
}

impl PrefixVersion {
    /// Its ranges of IPv4.
    pub fn ranges(&self) -> impl Iterator<Item = Ipv4Net> {
        self.entries.iter().filter_map(|entry| match entry.range {
            IpNet::V4(range) => Some(range),
            IpNet::V6(_) => None,
        })
    }

    /// Its ranges of IPv6.
    pub fn ipv6_ranges(&self) -> impl Iterator<Item = Ipv6Net> {
        self.entries.iter().filter_map(|entry| match entry.range {
            IpNet::V6(range) => Some(range),
            IpNet::V4(_) => None,
        })
    }
}

impl PrefixList {
    /// The newest version.
    pub fn newest(&self) -> &PrefixVersion {
        self.versions.last().expect("a list is made with a version and keeps the newest one")
    }

    /// The version of this number, if it is kept.
    pub fn version(&self, number: u64) -> Option<&PrefixVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// Makes these entries the newest version.
    ///
    /// # Errors
    /// Refuses more entries than the list may have, ranges with host bits, and one range twice.
    pub fn renew(&mut self, mut entries: Vec<PrefixEntry>, change: PrefixChange) -> Result<(), Error> {
        entries.sort();
        self.check(&entries)?;
        let number = self.versions.last().map_or(1, |version| version.number + 1);
        self.versions.push(PrefixVersion { number, entries });
        self.last = change;
        let surplus = self.versions.len().saturating_sub(PREFIX_VERSIONS_MAX);
        self.versions.drain(..surplus);
        Ok(())
    }

    /// Lets it have so many entries from now on.
    pub fn resize(&mut self, max_entries: u32) -> Result<(), Error> {
        self.max_entries = max_entries;
        let entries = self.versions.last().map_or(&[][..], |version| version.entries.as_slice());
        self.check(entries)
    }

    fn check(&self, entries: &[PrefixEntry]) -> Result<(), Error> {
        if !(1..=PREFIX_ENTRIES_MAX).contains(&self.max_entries) {
            return Err(Error::invalid("MaxEntries", format!("must be 1 to {PREFIX_ENTRIES_MAX}")));
        }
        if entries.len() > self.max_entries as usize {
            let what = format!("entries in the prefix list '{}'", self.id);
            return Err(Error::LimitReached { name: "PrefixListEntry", what, limit: u64::from(self.max_entries) });
        }
        if let Some(entry) = entries.iter().find(|entry| !self.family.has(entry.range)) {
            return Err(Error::invalid("PrefixCidr", format!("{} is no range of {}", entry.range, self.family.word())));
        }
        if let Some(entry) = entries.iter().find(|entry| entry.range.trunc() != entry.range) {
            let reason = format!("{} has bits set beyond its prefix; did you mean {}?", entry.range, entry.range.trunc());
            return Err(Error::invalid("PrefixCidr", reason));
        }
        match entries.windows(2).find(|pair| pair[0].range == pair[1].range) {
            Some(pair) => Err(Error::invalid("PrefixCidr", format!("{} is given twice", pair[0].range))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(ranges: &[&str]) -> Vec<PrefixEntry> {
        ranges.iter().map(|range| PrefixEntry { range: range.parse().expect("a range"), description: String::new() }).collect()
    }

    fn list(max_entries: u32) -> PrefixList {
        of(AddressFamily::Ipv4, max_entries)
    }

    fn of(family: AddressFamily, max_entries: u32) -> PrefixList {
        PrefixList {
            family,
            id: PrefixListId::from_u64(1),
            account: AccountId::from_u64(1).expect("a number of an account"),
            name: "offices".to_owned(),
            description: String::new(),
            max_entries,
            versions: vec![],
            last: PrefixChange::Made,
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    #[test]
    fn each_change_is_a_version_and_old_ones_go() {
        let mut list = list(2);
        for _ in 0..PREFIX_VERSIONS_MAX + 3 {
            list.renew(entries(&["10.1.0.0/16", "10.0.0.0/16"]), PrefixChange::Changed).unwrap();
        }
        assert_eq!((list.newest().number, list.versions.len()), (PREFIX_VERSIONS_MAX as u64 + 3, PREFIX_VERSIONS_MAX));
        assert!(list.version(3).is_none() && list.version(4).is_some());
        assert_eq!(list.newest().entries, entries(&["10.0.0.0/16", "10.1.0.0/16"]), "by range");
    }

    #[test]
    fn a_list_has_ranges_of_one_version_of_ip() {
        for (family, ranges, fits) in [
            (AddressFamily::Ipv6, &["2001:db8::/32", "fd00::/8"][..], true),
            (AddressFamily::Ipv6, &["2001:db8::/32", "10.0.0.0/8"], false),
            (AddressFamily::Ipv6, &["2001:db8::1/32"], false),
            (AddressFamily::Ipv6, &["2001:db8::/32", "2001:db8::/32"], false),
            (AddressFamily::Ipv4, &["2001:db8::/32"], false),
        ] {
            assert_eq!(of(family, 2).renew(entries(ranges), PrefixChange::Made).is_ok(), fits, "{family:?} {ranges:?}");
        }
    }

    #[test]
    fn rows_of_before_there_was_a_version_of_ip_are_of_ipv4() {
        let mut old = serde_json::to_value(list(2)).unwrap();
        old.as_object_mut().unwrap().remove("family");
        old["versions"] = serde_json::json!([{"number": 1, "entries": [{"range": "10.0.0.0/8"}]}]);
        let read: PrefixList = serde_json::from_value(old).unwrap();
        assert_eq!((read.family, read.newest().ranges().count(), read.newest().ipv6_ranges().count()), (AddressFamily::Ipv4, 1, 0));
    }

    #[test]
    fn a_list_takes_no_more_than_it_may_and_nothing_twice() {
        for (most, ranges, fits) in [
            (2, &["10.0.0.0/8", "11.0.0.0/8"][..], true),
            (1, &["10.0.0.0/8", "11.0.0.0/8"], false),
            (2, &["10.0.0.0/8", "10.0.0.0/8"], false),
            (2, &["10.0.0.1/8"], false),
            (0, &[], false),
            (1_001, &[], false),
        ] {
            assert_eq!(list(most).renew(entries(ranges), PrefixChange::Made).is_ok(), fits, "{most} {ranges:?}");
        }
        let mut full = list(2);
        full.renew(entries(&["10.0.0.0/8", "11.0.0.0/8"]), PrefixChange::Made).unwrap();
        assert!(full.resize(1).is_err() && list(2).resize(1).is_ok());
    }
}
