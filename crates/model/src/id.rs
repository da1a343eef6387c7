//! Identifiers. Each noun has a type of its own, so an id of one kind cannot stand where another is meant.
//!
//! The text is EC2's, the strictest of the three clouds: a prefix and 17 hexadecimal digits, the first of them 0
//! (`i-0192d3f4a5b6c7d8e`). The value is 64 bits; ids made later compare greater, so creation order is id order and
//! inserts go to the right edge of an index. An id says nothing about who may use it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::HEX;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text has the shape of an id, of another noun.
    #[error("the id is not one of a {wanted}")]
    WrongKind {
        /// Noun that was wanted.
        wanted: &'static str,
    },
    /// The text has not the shape of an id.
    #[error("the id of a {wanted} is malformed")]
    Malformed {
        /// Noun that was wanted.
        wanted: &'static str,
    },
}

/// Number of hexadecimal digits after the prefix.
const DIGITS: usize = 17;

/// Every prefix, to tell an id of the wrong kind from a text that is no id.
const PREFIXES: &[&str] = &[
    "i-",
    "ami-",
    "key-",
    "vol-",
    "snap-",
    "vpc-",
    "subnet-",
    "eni-",
    "eipalloc-",
    "sg-",
    "sgr-",
    "host-",
    "acct-",
    "user-",
    "group-",
    "role-",
    "policy-",
    "mfa-",
    "evt-",
    "r-",
    "eipassoc-",
    "rtb-",
    "rtbassoc-",
    "igw-",
    "eigw-",
    "nip-",
    "replacevol-",
    "sp-",
    "ssg-",
    "dbp-",
    "acl-",
    "aclassoc-",
    "nia-",
    "eni-attach-",
    "nat-",
    "fl-",
    "lt-",
    "iprof-",
    "iip-assoc-",
    "ltv-",
    "qr-",
    "vpc-cidr-assoc-",
    "subnet-cidr-assoc-",
];

fn parse(text: &str, prefix: &'static str, noun: &'static str) -> Result<u64, IdError> {
    let malformed = IdError::Malformed { wanted: noun };
    let Some(digits) = text.strip_prefix(prefix) else {
        let shaped = PREFIXES.iter().any(|p| text.strip_prefix(p).is_some_and(|d| value(d).is_some()));
        return Err(if shaped { IdError::WrongKind { wanted: noun } } else { malformed });
    };
    value(digits).ok_or(malformed)
}

/// The text of an id, with the prefix that somebody gives its noun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefixed {
    /// What the text begins with.
    pub prefix: &'static str,
    /// The value of the id.
    pub value: u64,
}

impl fmt::Display for Prefixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [b'0'; DIGITS];
        for (place, digit) in digits.iter_mut().rev().take(16).enumerate() {
            *digit = HEX[(self.value >> (4 * place)) as usize & 0xf];
        }
        f.write_str(self.prefix)?;
        f.write_str(str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

fn value(digits: &str) -> Option<u64> {
    let [b'0', digits @ ..] = digits.as_bytes() else { return None };
    if digits.len() != DIGITS - 1 {
        return None;
    }
    // Once for each id of each row that is read: what reads numbers in general takes three times as long.
    digits.iter().try_fold(0, |value: u64, digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(nibble))
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The prefix of the text.
            pub const PREFIX: &'static str = $prefix;

            /// Makes the id with this value.
            pub const fn from_u64(value: u64) -> Self {
                Self(value)
            }

            /// The value without its kind.
            pub const fn as_u64(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Prefixed { prefix: $prefix, value: self.0 }.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $prefix, $noun).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("an id of a ", $noun))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                d.deserialize_str(Text)
            }
        }
    };
}

id!(/** An instance. */ InstanceId, "i-", "instance");
id!(/** An image. */ ImageId, "ami-", "image");
id!(/** A key pair. */ KeyPairId, "key-", "key pair");
id!(/** A key of an account. */ KmsKeyId, "kms-", "KMS key");
id!(/** A volume (cloud disk). */ VolumeId, "vol-", "volume");
id!(/** A snapshot. */ SnapshotId, "snap-", "snapshot");
id!(/** A task that brings a disk in or takes an image out. */ ImageTaskId, "t-", "image task");
id!(/** A VPC. */ VpcId, "vpc-", "VPC");
id!(/** A subnet (vSwitch). */ SubnetId, "subnet-", "subnet");
id!(/** A tie between a VPC and a range that it was given; a new one each time. */ VpcRangeId, "vpc-cidr-assoc-", "range of a VPC");
id!(/** A tie between a subnet and its IPv6 range; a new one each time. */ SubnetRangeId, "subnet-cidr-assoc-", "range of a subnet");
id!(/** A network interface. */ InterfaceId, "eni-", "network interface");
id!(/** An elastic or automatic public address. */ AddressId, "eipalloc-", "address");
id!(/** A tie between an elastic address and an interface; a new one each time. */ AssociationId, "eipassoc-", "address association");
id!(/** A tie between an interface and an instance; a new one each time. */ AttachmentId, "eni-attach-", "network interface attachment");
id!(/** An internet gateway. */ InternetGatewayId, "igw-", "internet gateway");
id!(/** An egress-only internet gateway. */ EgressOnlyGatewayId, "eigw-", "egress-only internet gateway");
id!(/** Internet bandwidth of an IPv6 address. */ Ipv6BandwidthId, "ipv6bw-", "IPv6 Internet bandwidth");
id!(/** A rule by which only an IPv6 address opens connections. */ EgressOnlyRuleId, "ipv6py-", "egress-only rule");
id!(/** A set of DHCP options. */ DhcpOptionsId, "dopt-", "set of DHCP options");
id!(/** A bandwidth package. */ BandwidthPackageId, "cbwp-", "bandwidth package");
id!(/** A group of snapshots. */ SnapshotGroupId, "ssg-", "snapshot group");
id!(/** A backup of a disk, which is a snapshot under another name. */ DiskBackupId, "dbp-", "disk backup");
id!(/** A snapshot policy. */ SnapshotPolicyId, "sp-", "snapshot policy");
id!(/** A NAT gateway. */ NatGatewayId, "nat-", "NAT gateway");
id!(/** A prefix list. */ PrefixListId, "pl-", "prefix list");
id!(/** A placement group. */ PlacementGroupId, "pg-", "placement group");
id!(/** A capacity reservation. */ CapacityReservationId, "cr-", "capacity reservation");
id!(/** The room of one instance in a capacity reservation. */ CapacitySlotId, "crs-", "slot of a capacity reservation");
id!(/** A fleet of instances. */ InstanceFleetId, "fleet-", "fleet");
id!(/** A peering of two VPCs. */ VpcPeeringId, "pcx-", "VPC peering connection");
id!(/** A rule of a NAT gateway about sources. */ NatSourceId, "snat-", "source rule of a NAT gateway");
id!(/** A rule of a NAT gateway about a port. */ NatForwardId, "fwd-", "forwarding rule of a NAT gateway");
id!(/** A flow log. */ FlowLogId, "fl-", "flow log");
id!(/** A route table. */ RouteTableId, "rtb-", "route table");
id!(/** A tie between a route table and a subnet, or its VPC. */ RouteTableAssociationId, "rtbassoc-", "route table association");
id!(/** A network ACL. */ NetworkAclId, "acl-", "network ACL");
id!(/** A tie between a network ACL and a subnet; a new one each time. */ NetworkAclAssociationId, "aclassoc-", "network ACL association");
id!(/** A replacement of a system disk. */ RootReplacementId, "replacevol-", "root volume replacement");
id!(/** A question whether one thing reaches another. */ NetworkPathId, "nip-", "network insights path");
id!(/** A request for a higher quota. */ QuotaRequestId, "qr-", "request for a quota");
id!(/** An answer to such a question. */ PathAnalysisId, "nia-", "network insights analysis");
id!(/** An instance profile. */ InstanceProfileId, "iprof-", "instance profile");
id!(/** A role that an instance has. */ InstanceRoleId, "iip-assoc-", "role of an instance");
id!(/** A launch template. */ LaunchTemplateId, "lt-", "launch template");
id!(/** A version of a launch template, as a row. */ LaunchTemplateVersionId, "ltv-", "version of a launch template");
id!(/** A security group. */ SecurityGroupId, "sg-", "security group");
id!(/** A rule of a security group. */ RuleId, "sgr-", "security group rule");
id!(/** A physical or simulated host. */ HostId, "host-", "host");
id!(/** A user of an account. */ UserId, "user-", "user");
id!(/** A group of users. */ UserGroupId, "group-", "user group");
id!(/** A role. */ RoleId, "role-", "role");
id!(/** A managed policy. */ PolicyId, "policy-", "policy");
id!(/** A virtual MFA device. */ MfaDeviceId, "mfa-", "MFA device");
id!(/** An audit or life-cycle event. */ EventId, "evt-", "event");
id!(/** An event of an instance. */ InstanceEventId, "e-", "event of an instance");
id!(/** One launch call, which may have made many instances. */ ReservationId, "r-", "reservation");

/// An account: twelve decimal digits, as EC2 prints them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u64);

impl AccountId {
    /// One more than the largest account number.
    pub const LIMIT: u64 = 1_000_000_000_000;

    /// Makes the account with this number; none when it has more than twelve digits.
    pub const fn from_u64(value: u64) -> Option<Self> {
        if value < Self::LIMIT { Some(Self(value)) } else { None }
    }

    /// The number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AccountId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let malformed = IdError::Malformed { wanted: "account" };
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed);
        }
        text.parse().ok().and_then(Self::from_u64).ok_or(malformed)
    }
}

impl Serialize for AccountId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself() {
        for value in [0, 1, 0x0192_d3f4_a5b6_c7d8, u64::MAX] {
            let id = InstanceId::from_u64(value);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), 19);
        }
    }

    #[test]
    fn later_ids_sort_after_earlier_ones_as_text_too() {
        let (a, b) = (VolumeId::from_u64(9), VolumeId::from_u64(16));
        assert!(a < b && a.to_string() < b.to_string());
    }

    #[test]
    fn an_id_of_another_noun_is_told_from_rubbish() {
        let volume = VolumeId::from_u64(7).to_string();
        assert_eq!(volume.parse::<InstanceId>(), Err(IdError::WrongKind { wanted: "instance" }));
        for rubbish in ["", "i-", "i-1", "i-0ABCDEF0123456789", "i-1192d3f4a5b6c7d8e", "i-0192d3f4a5b6c7d8e0", "ü-0192d3f4a5b6c7d8e"] {
            assert_eq!(rubbish.parse::<InstanceId>(), Err(IdError::Malformed { wanted: "instance" }), "{rubbish}");
        }
    }

    #[test]
    fn an_account_is_twelve_digits() {
        assert_eq!("000000000042".parse::<AccountId>().map(|a| a.to_string()), Ok("000000000042".to_owned()));
        assert!("42".parse::<AccountId>().is_err());
        assert!("1000000000000".parse::<AccountId>().is_err());
    }
}
