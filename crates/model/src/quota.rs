//! Limits of what one account may have. They are checked in the transaction that takes, so a burst of calls cannot pass them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Error};

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
    /// Subnets in one VPC.
    Subnets,
    /// Internet gateways.
    InternetGateways,
    /// NAT gateways.
    NatGateways,
    /// Route tables in one VPC.
    RouteTables,
    /// Routes in one table, besides the local one.
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
}

impl QuotaName {
    /// Every quota.
    pub const ALL: [QuotaName; 18] = [
        QuotaName::Instances,
        QuotaName::KeyPairs,
        QuotaName::Addresses,
        QuotaName::SecurityGroups,
        QuotaName::Volumes,
        QuotaName::Snapshots,
        QuotaName::Images,
        QuotaName::Vpcs,
        QuotaName::Subnets,
        QuotaName::InternetGateways,
        QuotaName::NatGateways,
        QuotaName::RouteTables,
        QuotaName::Routes,
        QuotaName::NetworkAcls,
        QuotaName::NetworkPaths,
        QuotaName::PathAnalyses,
        QuotaName::Interfaces,
        QuotaName::LaunchTemplates,
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
            QuotaName::Subnets => "subnets",
            QuotaName::InternetGateways => "internet-gateways",
            QuotaName::NatGateways => "nat-gateways",
            QuotaName::RouteTables => "route-tables",
            QuotaName::Routes => "routes",
            QuotaName::NetworkAcls => "network-acls",
            QuotaName::NetworkPaths => "network-paths",
            QuotaName::PathAnalyses => "path-analyses",
            QuotaName::Interfaces => "interfaces",
            QuotaName::LaunchTemplates => "launch-templates",
        }
    }

    /// The limit of an account that has none of its own. Five elastic addresses a region is what the three clouds give a new
    /// account, ten VPCs what Alibaba Cloud does (EC2: five, each with a gateway); the others are EC2's documented defaults, but
    /// for instances, which EC2 limits by processors, and volumes, which it limits by size.
    pub const fn default_limit(self) -> u64 {
        match self {
            QuotaName::Instances | QuotaName::PathAnalyses => 1_000,
            QuotaName::KeyPairs | QuotaName::Interfaces | QuotaName::LaunchTemplates => 5_000,
            QuotaName::Addresses | QuotaName::NatGateways => 5,
            QuotaName::SecurityGroups => 2_500,
            QuotaName::Volumes => 5_000,
            QuotaName::Snapshots => 100_000,
            QuotaName::Images => 1_000,
            QuotaName::Vpcs | QuotaName::InternetGateways => 10,
            QuotaName::Subnets | QuotaName::RouteTables | QuotaName::NetworkAcls => 200,
            QuotaName::Routes => 50,
            QuotaName::NetworkPaths => 100,
        }
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
