//! Limits of what one account may have. They are checked in the transaction that takes, so a burst of calls cannot pass them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, Millis, QuotaRequestId};

/// A thing that is limited per account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaName {
    /// Instances that are not terminated.
    Instances,
    /// Key pairs.
    KeyPairs,
    /// Elastic addresses.
    Addresses,
    /// Security groups.
    SecurityGroups,
    /// Volumes, system disks included.
    Volumes,
    /// Snapshots.
    Snapshots,
    /// Images that can be launched.
    Images,
    /// VPCs.
    Vpcs,
    /// IPv4 ranges of one VPC, its first one included.
    VpcRanges,
    /// Subnets in one VPC.
    Subnets,
    /// Internet gateways.
    InternetGateways,
    /// Egress-only internet gateways.
    EgressOnlyGateways,
    /// NAT gateways.
    NatGateways,
    /// Peerings of one VPC that are active or may become so.
    VpcPeerings,
    /// Elastic addresses of one NAT gateway.
    NatAddresses,
    /// Rules of one NAT gateway about sources.
    NatSources,
    /// Rules of one NAT gateway about ports.
    NatForwards,
    /// Route tables in one VPC.
    RouteTables,
    /// Routes in one table, besides the local ones.
    Routes,
    /// Network ACLs in one VPC.
    NetworkAcls,
    /// Questions whether one thing reaches another.
    NetworkPaths,
    /// Answers to such questions.
    PathAnalyses,
    /// Network interfaces.
    Interfaces,
    /// Launch templates.
    LaunchTemplates,
    /// Placement groups.
    PlacementGroups,
    /// Fleets that have not ended.
    InstanceFleets,
    /// Prefix lists.
    PrefixLists,
    /// Requests a second of each action that only reads.
    ReadRequests,
    /// Requests a second of each action that changes something.
    ChangeRequests,
    /// Instances launched a second.
    InstanceLaunches,
}

impl QuotaName {
    /// Every quota.
    pub const ALL: [QuotaName; 30] = [
        QuotaName::Instances,
        QuotaName::KeyPairs,
        QuotaName::Addresses,
        QuotaName::SecurityGroups,
        QuotaName::Volumes,
        QuotaName::Snapshots,
        QuotaName::Images,
        QuotaName::Vpcs,
        QuotaName::VpcRanges,
        QuotaName::Subnets,
        QuotaName::InternetGateways,
        QuotaName::EgressOnlyGateways,
        QuotaName::NatGateways,
        QuotaName::VpcPeerings,
        QuotaName::NatAddresses,
        QuotaName::NatSources,
        QuotaName::NatForwards,
        QuotaName::RouteTables,
        QuotaName::Routes,
        QuotaName::NetworkAcls,
        QuotaName::NetworkPaths,
        QuotaName::PathAnalyses,
        QuotaName::Interfaces,
        QuotaName::LaunchTemplates,
        QuotaName::PlacementGroups,
        QuotaName::InstanceFleets,
        QuotaName::PrefixLists,
        QuotaName::ReadRequests,
        QuotaName::ChangeRequests,
        QuotaName::InstanceLaunches,
    ];

    /// The name in texts and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            QuotaName::Instances => "instances",
            QuotaName::KeyPairs => "key-pairs",
            QuotaName::Addresses => "addresses",
            QuotaName::SecurityGroups => "security-groups",
            QuotaName::Volumes => "volumes",
            QuotaName::Snapshots => "snapshots",
            QuotaName::Images => "images",
            QuotaName::Vpcs => "vpcs",
            QuotaName::VpcRanges => "vpc-ranges",
            QuotaName::Subnets => "subnets",
            QuotaName::InternetGateways => "internet-gateways",
            QuotaName::EgressOnlyGateways => "egress-only-internet-gateways",
            QuotaName::NatGateways => "nat-gateways",
            QuotaName::VpcPeerings => "vpc-peerings",
            QuotaName::NatAddresses => "nat-addresses",
            QuotaName::NatSources => "nat-sources",
            QuotaName::NatForwards => "nat-forwards",
            QuotaName::RouteTables => "route-tables",
            QuotaName::Routes => "routes",
            QuotaName::NetworkAcls => "network-acls",
            QuotaName::NetworkPaths => "network-paths",
            QuotaName::PathAnalyses => "path-analyses",
            QuotaName::Interfaces => "interfaces",
            QuotaName::LaunchTemplates => "launch-templates",
            QuotaName::PlacementGroups => "placement-groups",
            QuotaName::InstanceFleets => "instance-fleets",
            QuotaName::PrefixLists => "prefix-lists",
            QuotaName::ReadRequests => "read-requests",
            QuotaName::ChangeRequests => "change-requests",
            QuotaName::InstanceLaunches => "instance-launches",
        }
    }

    /// The limit of an account that has none of its own. Five elastic addresses a region is what the three clouds give a new
    /// account, ten VPCs what Alibaba Cloud does (EC2: five, each with a gateway), as are the limits of a NAT gateway; the others are EC2's documented defaults, but
    /// for instances, which EC2 limits by processors, and volumes, which it limits by size. Requests are limited so that one
    /// account leaves the others most of what a small server does (some 20,000 reads and 5,000 launches a second), and far
    /// above EC2's 20, 5 and 2.
    pub const fn default_limit(self) -> u64 {
        match self {
            QuotaName::Instances | QuotaName::InstanceFleets | QuotaName::PathAnalyses | QuotaName::ReadRequests => 1_000,
            QuotaName::KeyPairs | QuotaName::Interfaces | QuotaName::LaunchTemplates => 5_000,
            QuotaName::Addresses | QuotaName::NatGateways | QuotaName::VpcRanges | QuotaName::EgressOnlyGateways => 5,
            QuotaName::SecurityGroups => 2_500,
            QuotaName::Volumes => 5_000,
            QuotaName::Snapshots => 100_000,
            QuotaName::Images => 1_000,
            QuotaName::Vpcs | QuotaName::InternetGateways => 10,
            QuotaName::Subnets | QuotaName::RouteTables | QuotaName::NetworkAcls | QuotaName::ChangeRequests => 200,
            QuotaName::InstanceLaunches | QuotaName::PlacementGroups => 500,
            QuotaName::Routes | QuotaName::VpcPeerings => 50,
            QuotaName::NatAddresses => 20,
            QuotaName::NatSources => 40,
            QuotaName::NetworkPaths | QuotaName::NatForwards | QuotaName::PrefixLists => 100,
        }
    }

    /// Whether it limits how often something is done, in one second, and not how much there may be.
    pub const fn is_rate(self) -> bool {
        matches!(self, QuotaName::ReadRequests | QuotaName::ChangeRequests | QuotaName::InstanceLaunches)
    }

    /// The quota of this name.
    pub fn named(name: &str) -> Option<QuotaName> {
        QuotaName::ALL.into_iter().find(|quota| quota.as_str() == name)
    }

    /// Checks that `wanted` more fit under `limit` when `used` are in use.
    pub fn check(self, limit: u64, used: u64, wanted: u64) -> Result<(), Error> {
        if used.saturating_add(wanted) > limit {
            return Err(Error::QuotaExceeded { quota: self, limit, used, wanted });
        }
        Ok(())
    }
}

impl fmt::Display for QuotaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A limit that the operator set for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The account.
    pub account: AccountId,
    /// What is limited.
    pub name: QuotaName,
    /// How many it may have.
    pub limit: u64,
}

/// What an account asks the operator for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaRequest {
    /// Its id.
    pub id: QuotaRequestId,
    /// The account.
    pub account: AccountId,
    /// What is limited.
    pub name: QuotaName,
    /// The limit that it would like to have.
    pub wanted: u64,
    /// Why, in the asker's words.
    pub reason: String,
    /// Who asked.
    pub asked_by: String,
    /// When.
    pub asked_at: Millis,
    /// What became of it.
    pub answer: QuotaAnswer,
}

impl QuotaRequest {
    /// When it was answered, or else made.
    pub const fn changed_at(&self) -> Millis {
        match self.answer {
            QuotaAnswer::Open => self.asked_at,
            QuotaAnswer::Granted { at } | QuotaAnswer::Denied { at } => at,
        }
    }
}

/// Most open requests of an account.
pub const QUOTA_REQUESTS_OPEN_MAX: usize = 20;
/// Most requests of an account that are kept; with one more the oldest answered one goes.
pub const QUOTA_REQUESTS_KEPT_MAX: usize = 100;
/// Longest reason, in characters.
pub const QUOTA_REASON_MAX: usize = 1_000;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum QuotaAnswer {
    /// The operator has not answered yet.
    Open,
    /// The limit was set to what was wanted or more.
    Granted {
        /// When.
        at: Millis,
    },
    /// The operator said no.
    Denied {
        /// When.
        at: Millis,
    },
}
