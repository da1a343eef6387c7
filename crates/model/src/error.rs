//! The one list of refusals. Each dialect turns it into its vendor's codes by one table; nobody invents one elsewhere.
//!
//! The fields hold what the user needs to mend the call, in neutral words. Words for the operator do not belong here: log
//! them where the fault is handled.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{IdError, QuotaName};

/// A noun, as refusals and events name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noun {
    /// Account.
    Account,
    /// User of an account.
    User,
    /// Access key.
    AccessKey,
    /// Group of users.
    UserGroup,
    /// Role.
    Role,
    /// Policy.
    Policy,
    /// A version of a policy.
    PolicyVersion,
    /// Virtual MFA device.
    MfaDevice,
    /// Region.
    Region,
    /// Zone.
    Zone,
    /// Host.
    Host,
    /// Instance.
    Instance,
    /// Instance type.
    InstanceType,
    /// Image.
    Image,
    /// Key pair.
    KeyPair,
    /// Key that wraps keys of encrypted disks.
    KmsKey,
    /// Instance profile.
    InstanceProfile,
    /// Role of an instance.
    InstanceRole,
    /// Launch template.
    LaunchTemplate,
    /// Version of a launch template.
    LaunchTemplateVersion,
    /// Volume.
    Volume,
    /// Snapshot.
    Snapshot,
    /// VPC.
    Vpc,
    /// Subnet.
    Subnet,
    /// Network interface.
    Interface,
    /// Tie between an interface and an instance.
    Attachment,
    /// Public address.
    Address,
    /// Security group.
    SecurityGroup,
    /// Rule of a security group.
    SecurityGroupRule,
    /// Tie between an elastic address and an interface.
    Association,
    /// Internet gateway.
    InternetGateway,
    /// An egress-only internet gateway.
    EgressOnlyGateway,
    /// An address of IPv6.
    Ipv6Address,
    /// Internet bandwidth of an address of IPv6.
    Ipv6Bandwidth,
    /// A rule by which only an address of IPv6 opens connections.
    EgressOnlyRule,
    /// NAT gateway.
    NatGateway,
    /// Peering of two VPCs.
    VpcPeering,
    /// Elastic address of a NAT gateway.
    NatAddress,
    /// Rule of a NAT gateway about sources.
    NatSource,
    /// Rule of a NAT gateway about a port.
    NatForward,
    /// A snapshot policy.
    SnapshotPolicy,
    /// A group of snapshots.
    SnapshotGroup,
    /// A backup of a disk.
    DiskBackup,
    /// A bandwidth package.
    BandwidthPackage,
    /// A set of DHCP options.
    DhcpOptions,
    /// Route table.
    RouteTable,
    /// Route of a table.
    Route,
    /// Tie between a route table and a subnet.
    RouteTableAssociation,
    /// Network ACL.
    NetworkAcl,
    /// Entry of a network ACL.
    NetworkAclEntry,
    /// Tie between a network ACL and a subnet.
    NetworkAclAssociation,
    /// Question whether one thing reaches another.
    NetworkPath,
    /// Answer to such a question.
    PathAnalysis,
    /// Request for a higher quota.
    QuotaRequest,
    /// A placement group.
    PlacementGroup,
    /// A prefix list.
    PrefixList,
    /// Tie between a VPC or a subnet and its IPv6 range.
    Ipv6Range,
    /// IPv4 range of a VPC.
    VpcRange,
    /// A task that brings a disk in or takes an image out.
    ImageTask,
    /// Flow log.
    FlowLog,
    /// A capacity reservation.
    CapacityReservation,
    /// A fleet of instances.
    InstanceFleet,
    /// Log group.
    LogGroup,
    /// Stream of a log group.
    LogStream,
    /// Event of an instance.
    InstanceEvent,
}

impl Noun {
    /// The noun in plain words.
    pub const fn words(self) -> &'static str {
        match self {
            Noun::Account => "account",
            Noun::User => "user",
            Noun::AccessKey => "access key",
            Noun::UserGroup => "user group",
            Noun::Role => "role",
            Noun::Policy => "policy",
            Noun::PolicyVersion => "policy version",
            Noun::MfaDevice => "MFA device",
            Noun::Region => "region",
            Noun::Zone => "zone",
            Noun::Host => "host",
            Noun::Instance => "instance",
            Noun::InstanceType => "instance type",
            Noun::Image => "image",
            Noun::KeyPair => "key pair",
            Noun::KmsKey => "KMS key",
            Noun::InstanceProfile => "instance profile",
            Noun::InstanceRole => "role of the instance",
            Noun::LaunchTemplate => "launch template",
            Noun::LaunchTemplateVersion => "version of a launch template",
            Noun::Volume => "volume",
            Noun::Snapshot => "snapshot",
            Noun::Vpc => "VPC",
            Noun::Subnet => "subnet",
            Noun::Interface => "network interface",
            Noun::Attachment => "network interface attachment",
            Noun::Address => "address",
            Noun::SecurityGroup => "security group",
            Noun::SecurityGroupRule => "security group rule",
            Noun::Association => "address association",
            Noun::InternetGateway => "internet gateway",
            Noun::EgressOnlyGateway => "egress-only internet gateway",
            Noun::Ipv6Address => "IPv6 address",
            Noun::Ipv6Bandwidth => "IPv6 Internet bandwidth",
            Noun::EgressOnlyRule => "egress-only rule",
            Noun::NatGateway => "NAT gateway",
            Noun::VpcPeering => "VPC peering connection",
            Noun::NatAddress => "address of the NAT gateway",
            Noun::NatSource => "source rule",
            Noun::NatForward => "forwarding rule",
            Noun::SnapshotPolicy => "snapshot policy",
            Noun::SnapshotGroup => "snapshot group",
            Noun::DiskBackup => "disk backup",
            Noun::BandwidthPackage => "bandwidth package",
            Noun::DhcpOptions => "set of DHCP options",
            Noun::RouteTable => "route table",
            Noun::Route => "route",
            Noun::RouteTableAssociation => "route table association",
            Noun::NetworkAcl => "network ACL",
            Noun::NetworkAclEntry => "network ACL entry",
            Noun::NetworkAclAssociation => "network ACL association",
            Noun::NetworkPath => "network insights path",
            Noun::PathAnalysis => "network insights analysis",
            Noun::QuotaRequest => "request for a quota",
            Noun::PlacementGroup => "placement group",
            Noun::PrefixList => "prefix list",
            Noun::Ipv6Range => "IPv6 range",
            Noun::VpcRange => "range of a VPC",
            Noun::ImageTask => "image task",
            Noun::FlowLog => "flow log",
            Noun::CapacityReservation => "capacity reservation",
            Noun::InstanceFleet => "fleet",
            Noun::LogGroup => "log group",
            Noun::LogStream => "log stream",
            Noun::InstanceEvent => "event of an instance",
        }
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing of this id or name exists for the caller; another account's resource looks the same as an absent one.
    #[error("the {noun} '{id}' does not exist")]
    NotFound {
        /// Kind of thing.
        noun: Noun,
        /// The id or name that was given.
        id: String,
    },
    /// The text cannot be an id of this noun.
    #[error("'{id}' is not a valid id of a {noun}")]
    MalformedId {
        /// Kind of thing.
        noun: Noun,
        /// The text that was given.
        id: String,
    },
    /// A thing of this name exists already.
    #[error("the {noun} '{name}' already exists")]
    Duplicate {
        /// Kind of thing.
        noun: Noun,
        /// The name.
        name: String,
    },
    /// The state of the thing does not allow the call.
    #[error("the {noun} '{id}' is {state}; it must be {wanted}")]
    IncorrectState {
        /// Kind of thing.
        noun: Noun,
        /// Its id.
        id: String,
        /// Its state now.
        state: &'static str,
        /// States that would do, in words.
        wanted: &'static str,
    },
    /// Something else depends on the thing.
    #[error("the {noun} '{id}' is used by {}", by.join(", "))]
    InUse {
        /// Kind of thing.
        noun: Noun,
        /// Its id.
        id: String,
        /// Ids of what depends on it, at most ten.
        by: Vec<String>,
    },
    /// The thing is protected against this call.
    #[error("the {noun} '{id}' is protected against {against}")]
    Protected {
        /// Kind of thing.
        noun: Noun,
        /// Its id.
        id: String,
        /// What it is protected against.
        against: &'static str,
    },
    /// A limit of the account is reached.
    #[error("the quota {quota} is {limit}; {used} are in use and {wanted} more were asked for")]
    QuotaExceeded {
        /// The quota.
        quota: QuotaName,
        /// Its limit.
        limit: u64,
        /// What is in use.
        used: u64,
        /// What the call wants on top.
        wanted: u64,
    },
    /// A limit that is the same for everybody is reached.
    #[error("there may be at most {limit} {what}")]
    LimitReached {
        /// Canonical name of the parameter that asked for one more.
        name: &'static str,
        /// What is limited.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// The account sends more requests of this kind than it may.
    #[error("too many requests for {action}; the same request may be sent again later")]
    TooManyRequests {
        /// The action in the caller's words.
        action: String,
    },
    /// No host can take the instance now.
    #[error("no capacity for {wanted}: {reason}")]
    NoCapacity {
        /// What was asked for, such as an instance type in a zone.
        wanted: String,
        /// Counts per reason and the smallest change that would fit.
        reason: String,
    },
    /// No host keeps the rule of the placement group and has room.
    #[error("no place in the placement group '{group}': {reason}")]
    NoPlaceInGroup {
        /// The group's id.
        group: String,
        /// Counts per reason and the smallest change that would fit.
        reason: String,
    },
    /// The reservations that the instance asks for have no free slot.
    #[error("no reserved capacity is free for {wanted}: {reason}")]
    NoReservedCapacity {
        /// What was asked for, such as an instance type in a zone.
        wanted: String,
        /// Which reservation is full, or that there is none.
        reason: String,
    },
    /// No disk has room for a volume now.
    #[error("no room for {wanted}: {reason}")]
    NoDiskRoom {
        /// What was asked for, such as a volume of a size in a zone.
        wanted: String,
        /// Why not.
        reason: String,
    },
    /// Two things that must be in one zone are not.
    #[error("the {noun} '{id}' is in zone {zone}, not in {wanted}")]
    ZoneMismatch {
        /// Kind of thing.
        noun: Noun,
        /// Its id.
        id: String,
        /// Its zone.
        zone: String,
        /// The zone that it would have to be in.
        wanted: String,
    },
    /// An instance has as many volumes as it can.
    #[error("the instance '{id}' has {limit} volumes, which is the limit")]
    TooManyVolumes {
        /// The instance.
        id: String,
        /// Most volumes, its system disk included.
        limit: usize,
    },
    /// No address is left in the subnet or pool.
    #[error("no free address is left in the {noun} '{id}'")]
    NoFreeAddress {
        /// Subnet or public pool.
        noun: Noun,
        /// Its id.
        id: String,
    },
    /// A parameter is absent.
    #[error("the parameter {name} is required")]
    MissingParameter {
        /// Canonical name of the parameter.
        name: &'static str,
    },
    /// A parameter has a value that is not allowed.
    #[error("the value of {name} is not valid: {reason}")]
    InvalidParameter {
        /// Canonical name of the parameter.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Parameters that exclude or require each other.
    #[error("{reason}")]
    InvalidCombination {
        /// Which ones, and why.
        reason: String,
    },
    /// The same client token came with other parameters.
    #[error("the client token was used before with other parameters")]
    ClientTokenReused,
    /// A code of an MFA device is wrong, was used before, or too many wrong ones came before it.
    #[error("the MFA code is not valid: it is wrong or was used before")]
    InvalidMfaCode,
    /// No policy allows the call, or one denies it.
    #[error("not authorised to perform {action}")]
    Unauthorized {
        /// The action in the caller's words.
        action: String,
    },
    /// The call would have succeeded, but asked only to be tried.
    #[error("the request would have succeeded, but the dry run flag is set")]
    DryRun,
    /// What was asked is known but not offered by this installation.
    #[error("{what} is not supported")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// A fault of the cloud itself. The tenant reads nothing but that; the log has the rest under the request id.
    #[error("an internal error occurred")]
    Internal,
    /// The cloud cannot answer just now; the same call may succeed later.
    #[error("the service is unavailable, try again")]
    Unavailable,
}

impl Error {
    /// Makes the refusal for a thing that the caller cannot see.
    pub fn not_found(noun: Noun, id: impl fmt::Display) -> Error {
        Error::NotFound { noun, id: id.to_string() }
    }

    /// Makes the refusal for a value that is not allowed.
    pub fn invalid(name: &'static str, reason: impl Into<String>) -> Error {
        Error::InvalidParameter { name, reason: reason.into() }
    }

    /// Makes the refusal for a text that is no id of `noun`. Ids of another noun are refused in the same way.
    pub fn bad_id(noun: Noun, text: &str, _: IdError) -> Error {
        Error::MalformedId { noun, id: text.chars().take(LONGEST_ECHO).collect() }
    }
}

/// Characters of a malformed id that a refusal repeats; the rest would only be noise in the answer and the log.
const LONGEST_ECHO: usize = 64;
