//! Placement groups: which machines must share no hardware, and which should be near each other.
//!
//! ```text
//!   group{rule} ◀── member{instance, host, partition} ── made with the instance, gone when it is terminated
//! ```
//!
//! EC2 calls it a placement group, ECS a deployment set, CVM a disaster recover group. A member is a row beside its instance, so
//! that a launch into a group counts its members in its own transaction and all other launches read nothing of groups.
//!
//! Not known here: hosts, racks, and which of them is chosen.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, HostId, InstanceId, Millis, PlacementGroupId, Tags};

/// Partitions of one group (EC2: up to 7 in a zone; ECS: 1 to 7; CVM: 2 to 30).
const PARTITIONS_MAX: u32 = 30;
/// Members that one host, rack or switch may take (CVM's affinity: 1 to 10).
const SHARING_MAX: u32 = 10;

/// A placement group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementGroup {
    /// Its id.
    pub id: PlacementGroupId,
    /// Owner.
    pub account: AccountId,
    /// Name; unique in the account where the dialect that made it says so, and may be empty.
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it asks for.
    pub rule: PlacementRule,
    /// How many members it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<MemberLimit>,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// What a placement group asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule")]
pub enum PlacementRule {
    /// Members share no host, rack or switch, or only so many of them do.
    Spread {
        /// What they do not share.
        level: FailureDomain,
        /// Most members in one, 1 to 10.
        most: u32,
    },
    /// All members are in one rack, on one switch or one host.
    Cluster {
        /// What they share.
        level: FailureDomain,
    },
    /// No host, rack or switch has members of two partitions.
    Partition {
        /// What partitions do not share.
        level: FailureDomain,
        /// How many there are, 1 to 30.
        count: u32,
    },
}

/// What fails together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureDomain {
    /// One host.
    Host,
    /// The hosts of one rack.
    Rack,
    /// The hosts on one switch.
    Switch,
}

/// How many members a group may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of", content = "most")]
pub enum MemberLimit {
    /// So many in each zone.
    Zone(u32),
    /// So many in all.
    Group(u32),
}

/// An instance in a placement group, as a row. It is written and deleted with the instance's own, and says on which host that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementMember {
    /// The instance.
    pub instance: InstanceId,
    /// Owner.
    pub account: AccountId,
    /// The group.
    pub group: PlacementGroupId,
    /// The zone of the instance.
    pub zone: String,
    /// Its host.
    pub host: HostId,
    /// Its partition, from 1; 0 in groups without partitions.
    pub partition: u32,
}

/// What an instance says of its group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InPlacementGroup {
    /// The group.
    pub id: PlacementGroupId,
    /// Its name.
    pub name: String,
    /// The partition, from 1; none in groups without partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
}

/// A placement group by id or name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlacementGroupRef {
    /// By id.
    Id(PlacementGroupId),
    /// By name.
    Name(String),
}

/// The group that a launch asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementChoice {
    /// Which group.
    pub group: PlacementGroupRef,
    /// The partition, from 1; the one with fewest members when none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
}

impl PlacementRule {
    /// Checks the numbers of a rule.
    pub fn check(self) -> Result<(), Error> {
        match self {
            PlacementRule::Spread { most, .. } if !(1..=SHARING_MAX).contains(&most) => {
                Err(Error::invalid("Affinity", format!("must be 1 to {SHARING_MAX}")))
            }
            PlacementRule::Partition { count, .. } if !(1..=PARTITIONS_MAX).contains(&count) => {
                Err(Error::invalid("PartitionCount", format!("must be 1 to {PARTITIONS_MAX}")))
            }
            PlacementRule::Spread { .. } | PlacementRule::Cluster { .. } | PlacementRule::Partition { .. } => Ok(()),
        }
    }

    /// What fails together in its sense.
    pub const fn level(self) -> FailureDomain {
        match self {
            PlacementRule::Spread { level, .. } | PlacementRule::Cluster { level } | PlacementRule::Partition { level, .. } => level,
        }
    }

    /// Partitions that a new member may come into, those with fewest members first: the one that is asked for, or any. One entry
    /// without a number for groups without partitions.
    ///
    /// # Errors
    /// Refuses a partition that the group does not have.
    pub fn partitions(self, asked: Option<u32>, members: &[PlacementMember]) -> Result<Vec<Option<u32>>, Error> {
        match (self, asked) {
            (PlacementRule::Partition { count, .. }, Some(number)) if (1..=count).contains(&number) => Ok(vec![Some(number)]),
            (PlacementRule::Partition { count, .. }, Some(_)) => Err(Error::invalid("PartitionNumber", format!("must be 1 to {count}"))),
            (PlacementRule::Partition { count, .. }, None) => {
                let mut numbers: Vec<u32> = (1..=count).collect();
                numbers.sort_by_key(|number| (members.iter().filter(|member| member.partition == *number).count(), *number));
                Ok(numbers.into_iter().map(Some).collect())
            }
            (PlacementRule::Spread { .. } | PlacementRule::Cluster { .. }, Some(_)) => {
                Err(Error::InvalidCombination { reason: "only a group with partitions takes the number of one".to_owned() })
            }
            (PlacementRule::Spread { .. } | PlacementRule::Cluster { .. }, None) => Ok(vec![None]),
        }
    }
}

impl MemberLimit {
    /// The number.
    pub const fn most(self) -> u32 {
        match self {
            MemberLimit::Zone(most) | MemberLimit::Group(most) => most,
        }
    }

    /// Members that count against it when one more is to be in this zone.
    pub fn used(self, zone: &str, members: &[PlacementMember]) -> usize {
        match self {
            MemberLimit::Zone(_) => members.iter().filter(|member| member.zone == zone).count(),
            MemberLimit::Group(_) => members.len(),
        }
    }
}

impl PlacementGroup {
    /// Its name, or its id when it has none.
    pub fn shown_name(&self) -> String {
        if self.name.is_empty() { self.id.to_string() } else { self.name.clone() }
    }

    /// Refuses one more member in this zone when it has as many as it may.
    pub fn check_limit(&self, zone: &str, members: &[PlacementMember]) -> Result<(), Error> {
        match self.limit {
            Some(limit) if limit.used(zone, members) >= limit.most() as usize => {
                let within = match limit {
                    MemberLimit::Zone(_) => format!(" in zone {zone}"),
                    MemberLimit::Group(_) => String::new(),
                };
                let what = format!("instances in the placement group '{}'{within}", self.id);
                Err(Error::LimitReached { name: "PlacementGroup", what, limit: u64::from(limit.most()) })
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(zone: &str, partition: u32) -> PlacementMember {
        let (instance, group) = (InstanceId::from_u64(1), PlacementGroupId::from_u64(1));
        let account = AccountId::from_u64(1).expect("a number of an account");
        PlacementMember { instance, account, group, zone: zone.to_owned(), host: HostId::from_u64(1), partition }
    }

    #[test]
    fn the_emptiest_partition_is_tried_first() {
        let rule = PlacementRule::Partition { level: FailureDomain::Rack, count: 3 };
        let members = [member("a", 1), member("a", 1), member("a", 3)];
        assert_eq!(rule.partitions(None, &members), Ok(vec![Some(2), Some(3), Some(1)]));
        assert_eq!(rule.partitions(Some(1), &members), Ok(vec![Some(1)]));
        assert!(rule.partitions(Some(4), &members).is_err() && rule.partitions(Some(0), &members).is_err());
        let spread = PlacementRule::Spread { level: FailureDomain::Host, most: 1 };
        assert_eq!(spread.partitions(None, &members), Ok(vec![None]));
        assert!(spread.partitions(Some(1), &members).is_err());
    }

    #[test]
    fn a_limit_counts_the_zone_or_the_whole_group() {
        let members = [member("a", 0), member("a", 0), member("b", 0)];
        assert_eq!((MemberLimit::Zone(2).used("a", &members), MemberLimit::Group(2).used("a", &members)), (2, 3));
    }

    #[test]
    fn numbers_of_a_rule_have_bounds() {
        let spread = |most| PlacementRule::Spread { level: FailureDomain::Host, most }.check().is_ok();
        let partition = |count| PlacementRule::Partition { level: FailureDomain::Rack, count }.check().is_ok();
        assert_eq!([0, 1, 10, 11].map(spread), [false, true, true, false]);
        assert_eq!([0, 1, 30, 31].map(partition), [false, true, true, false]);
    }
}
