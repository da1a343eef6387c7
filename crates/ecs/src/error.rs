//! Refusals in Alibaba Cloud's words: the one table from what went wrong to code, HTTP status and sentence.
//!
//! Sources: the "Error codes" tables of the ECS API reference, and "Public error codes" of the API gateway for what fails
//! before an action is known. Where ECS has no code for something, the nearest documented one stands here.

use std::borrow::Cow;

use model::{Error, Noun, QuotaName};
use wire::envelope::AlibabaError;
use wire::{ArgsError, ArgsErrorKind, Reply, SignatureError};

use crate::Format;

/// One refusal as the client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// HTTP status, never 200: with that the SDKs take an error for success.
    pub status: u16,
    /// Such as `InvalidInstanceId.NotFound`.
    pub code: Cow<'static, str>,
    /// The sentence for the user.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Fault {
        Fault { status, code: code.into(), message: message.into() }
    }

    /// A parameter, or a value of one, that ECS has and this cloud has not.
    pub(crate) fn unsupported_parameter(what: impl std::fmt::Display) -> Fault {
        Fault::new(400, "UnsupportedParameter", format!("{what} is not supported by this cloud."))
    }

    /// A value that is not allowed.
    pub(crate) fn invalid(parameter: &str, reason: impl std::fmt::Display) -> Fault {
        Fault::new(400, "InvalidParameter", format!("The specified parameter \"{parameter}\" is not valid: {reason}."))
    }

    /// A range of addresses that is none, or not allowed.
    pub(crate) fn range(text: &str, reason: &str) -> Fault {
        let message = format!("The specified CidrBlock '{}' is not valid: {reason}.", shown(text));
        Fault::new(400, "InvalidCidrBlock", message)
    }

    /// A parameter that is absent.
    pub(crate) fn missing(parameter: &str) -> Fault {
        let message = format!("The input parameter \"{parameter}\" that is mandatory for processing this request is not supplied.");
        Fault::new(400, "MissingParameter", message)
    }

    /// Nothing of this id, or name, exists for the caller.
    pub(crate) fn not_found(noun: Noun, id: &str) -> Fault {
        let (code, parameter) = absent(noun);
        Fault::new(404, code, format!("The specified {parameter} '{}' does not exist.", shown(id)))
    }

    /// Adds the text that should have been signed, in the words that ECS's clients look for: the old SDK compares it with its own
    /// and tells a wrong secret from a changed request by it. A very long one is left out.
    pub(crate) fn with_string_to_sign(self, signed: &str) -> Fault {
        let signed = if signed.len() > STRING_TO_SIGN_MAX { "" } else { signed };
        let message = format!("{} server string to sign is:{signed}", self.message);
        Fault { message, ..self }
    }

    /// The body and status in the format that was asked for.
    pub(crate) fn reply(&self, format: Format, host: &str, request_id: &str) -> Reply {
        let recommend = advice(&self.code);
        let body = AlibabaError { request_id, host_id: host, code: &self.code, message: &self.message, recommend };
        match format {
            Format::Json => Reply::json(self.status, body.to_json()),
            Format::Xml => Reply::xml(self.status, body.to_xml()),
        }
    }
}

/// Longest text to sign that is told, in bytes.
const STRING_TO_SIGN_MAX: usize = 8 << 10;

/// What the user can do about it, where more than the sentence is to be said; ECS puts a link to its own help there.
fn advice(code: &str) -> &'static str {
    match code {
        "InvalidTimeStamp.Expired" => "Set the clock of the machine that signs, by NTP for example.",
        "SignatureDoesNotMatch" => "Check the access key secret, and that nothing between client and server changes the request.",
        "OperationDenied.NoStock" => "Try another instance type or zone, or release instances that are not needed.",
        "ServiceUnavailable" | "Throttling.User" => "Send the same request again, later.",
        "InternalError" => "Tell the operator of this cloud the request id.",
        "Forbidden.RAM" => "Ask the owner of the account for a policy that allows the action.",
        _ => "",
    }
}

/// The code for an absent thing, and the parameter that names it.
const fn absent(noun: Noun) -> (&'static str, &'static str) {
    match noun {
        Noun::Instance => ("InvalidInstanceId.NotFound", "InstanceId"),
        Noun::InstanceType => ("InvalidInstanceType.ValueNotSupported", "InstanceType"),
        Noun::Image => ("InvalidImageId.NotFound", "ImageId"),
        Noun::KeyPair => ("InvalidKeyPair.NotFound", "KeyPairName"),
        Noun::KmsKey => ("InvalidKMSKeyId.NotFound", "KMSKeyId"),
        Noun::InstanceProfile | Noun::InstanceRole => ("InvalidRamRole.NotFound", "RamRoleName"),
        Noun::LaunchTemplate => ("InvalidLaunchTemplate.NotFound", "LaunchTemplateId"),
        Noun::LaunchTemplateVersion => ("InvalidLaunchTemplateVersion.NotFound", "LaunchTemplateVersion"),
        Noun::Volume => ("InvalidDiskId.NotFound", "DiskId"),
        Noun::Snapshot => ("InvalidSnapshotId.NotFound", "SnapshotId"),
        Noun::Vpc => ("InvalidVpcId.NotFound", "VpcId"),
        Noun::Subnet => ("InvalidVSwitchId.NotFound", "VSwitchId"),
        Noun::Interface | Noun::Attachment => ("InvalidEniId.NotFound", "NetworkInterfaceId"),
        Noun::Address => ("InvalidAllocationId.NotFound", "AllocationId"),
        Noun::SecurityGroup => ("InvalidSecurityGroupId.NotFound", "SecurityGroupId"),
        Noun::SecurityGroupRule => ("InvalidSecurityGroupRuleId.NotFound", "SecurityGroupRuleId"),
        Noun::Association => ("InvalidAssociation.NotFound", "InstanceId"),
        Noun::InternetGateway => ("InvalidGatewayId.NotFound", "Ipv4GatewayId"),
        Noun::EgressOnlyGateway => ("InvalidGatewayId.NotFound", "Ipv6GatewayId"),
        Noun::Ipv6Address => ("InvalidIpv6AddressId.NotFound", "Ipv6AddressId"),
        Noun::Ipv6Bandwidth => ("InvalidIpv6InternetBandwidthId.NotFound", "Ipv6InternetBandwidthId"),
        Noun::EgressOnlyRule => ("InvalidIpv6EgressOnlyRuleId.NotFound", "Ipv6EgressOnlyRuleId"),
        Noun::NatGateway => ("InvalidNatGatewayId.NotFound", "NatGatewayId"),
        Noun::NatAddress => ("InvalidAllocationId.NotFound", "AllocationId"),
        Noun::VpcPeering => ("ResourceNotFound.InstanceId", "InstanceId"),
        Noun::NatSource => ("InvalidSnatEntryId.NotFound", "SnatEntryId"),
        Noun::NatForward => ("InvalidForwardEntryId.NotFound", "ForwardEntryId"),
        Noun::SnapshotGroup => ("InvalidSnapshotGroupId.NotFound", "SnapshotGroupId"),
        Noun::DiskBackup => ("InvalidSnapshotId.NotFound", "SnapshotId"),
        Noun::BandwidthPackage => ("InvalidBandwidthPackageId.NotFound", "BandwidthPackageId"),
        Noun::DhcpOptions => ("ResourceNotFound.DhcpOptionsSet", "DhcpOptionsSetId"),
        Noun::SnapshotPolicy => ("InvalidAutoSnapshotPolicyId.NotFound", "AutoSnapshotPolicyId"),
        Noun::RouteTable => ("InvalidRouteTableId.NotFound", "RouteTableId"),
        Noun::Route => ("InvalidRouteEntry.NotFound", "DestinationCidrBlock"),
        Noun::RouteTableAssociation => ("InvalidVSwitchId.NotFound", "VSwitchId"),
        Noun::NetworkAcl | Noun::NetworkAclEntry => ("InvalidNetworkAcl.NotFound", "NetworkAclId"),
        Noun::NetworkAclAssociation => ("InvalidVSwitchId.NotFound", "VSwitchId"),
        Noun::NetworkPath => ("ResourceNotFound.NetworkPath", "NetworkPathId"),
        Noun::PathAnalysis => ("ResourceNotFound.NetworkReachableAnalysis", "NetworkReachableAnalysisId"),
        Noun::PrefixList => ("InvalidPrefixListId.NotFound", "PrefixListId"),
        Noun::Ipv6Range => ("InvalidIpv6CidrBlock.NotFound", "Ipv6CidrBlock"),
        Noun::VpcRange => ("InvalidSecondaryCidrBlock.NotFound", "SecondaryCidrBlock"),
        Noun::ImageTask => ("InvalidTaskId.NotFound", "TaskId"),
        Noun::FlowLog => ("InvalidFlowLogId.NotFound", "FlowLogId"),
        Noun::InstanceFleet => ("InvalidAutoProvisioningGroupId.NotFound", "AutoProvisioningGroupId"),
        Noun::CapacityReservation => ("InvalidPrivatePoolOptionsIds.NotFound", "PrivatePoolOptions.Id"),
        Noun::LogGroup => ("LogStoreNotExist", "LogStoreName"),
        Noun::LogStream => ("ShardNotExist", "LogStoreName"),
        Noun::InstanceEvent => ("InvalidEventId.NotFound", "EventId"),
        Noun::PlacementGroup => ("InvalidDeploymentSetId.NotFound", "DeploymentSetId"),
        Noun::QuotaRequest => ("APPLICATION.NOT.FOUND", "ApplicationId"),
        Noun::Region => ("InvalidRegionId.NotFound", "RegionId"),
        Noun::Zone => ("InvalidZoneId.NotFound", "ZoneId"),
        Noun::Host => ("InvalidDedicatedHostId.NotFound", "DedicatedHostId"),
        Noun::Account => ("InvalidAccountId.NotFound", "AccountId"),
        Noun::User => ("EntityNotExist.User", "UserName"),
        Noun::AccessKey => ("InvalidAccessKeyId.NotFound", "AccessKeyId"),
        Noun::UserGroup => ("EntityNotExist.Group", "GroupName"),
        Noun::MfaDevice => ("EntityNotExist.MFADevice", "SerialNumber"),
        Noun::Role => ("EntityNotExist.Role", "RoleName"),
        Noun::Policy => ("EntityNotExist.Policy", "PolicyName"),
        Noun::PolicyVersion => ("EntityNotExist.Policy.Version", "VersionId"),
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match &error {
            Error::NotFound { noun, id } | Error::MalformedId { noun, id } => Fault::not_found(*noun, id),
            Error::Duplicate { noun, name } => duplicate(*noun, name),
            Error::IncorrectState { noun, id, state, wanted } => incorrect_state(*noun, id, state, wanted),
            Error::InUse { noun, id, by } => in_use(*noun, id, by),
            Error::Protected { against: "termination", id, .. } => Fault::new(
                403,
                "InvalidOperation.DeletionProtection",
                format!("The operation is not allowed: the instance '{id}' is protected against deletion."),
            ),
            Error::Protected { against: "deletion", .. } => Fault::new(400, "InvalidOperation.DeletionProtection", sentence(&error)),
            Error::Protected { noun: Noun::LaunchTemplateVersion, .. } => {
                Fault::new(403, "InvalidParameter.DefaultVersion", sentence(&error))
            }
            Error::Protected { noun: Noun::Volume, .. } => Fault::new(403, "DiskNotPortable", sentence(&error)),
            Error::Protected { noun: Noun::Interface, .. } => Fault::new(403, "InvalidOperation.InvalidEniType", sentence(&error)),
            Error::Protected { .. } => Fault::new(403, "OperationDenied", sentence(&error)),
            Error::ZoneMismatch { .. } => Fault::new(403, "ResourcesNotInSameZone", sentence(&error)),
            Error::TooManyVolumes { .. } => Fault::new(403, "InstanceDiskLimitExceeded", sentence(&error)),
            Error::QuotaExceeded { quota, .. } => Fault::new(403, quota_code(*quota), sentence(&error)),
            Error::TooManyRequests { .. } => Fault::new(400, "Throttling.User", "Request was denied due to user flow control."),
            Error::LimitReached { name: "NetworkInterface", .. } => Fault::new(403, "EniPerInstanceLimitExceeded", sentence(&error)),
            Error::LimitReached { name: "PrivateIpAddress", .. } => Fault::new(403, "InvalidOperation.Ipv4CountExceeded", sentence(&error)),
            Error::LimitReached { name: "NetworkAclEntry", .. } => Fault::new(400, "QuotaExceeded.NetworkAclEntry", sentence(&error)),
            Error::LimitReached { name: "SecurityGroupRule", .. } => Fault::new(403, "AuthorizationLimitExceed", sentence(&error)),
            Error::LimitReached { name: "EgressOnlyRule", .. } => Fault::new(400, "QuotaExceeded.Ipv6EgressOnlyRule", sentence(&error)),
            Error::LimitReached { name: "PrefixListEntry", .. } => Fault::new(403, "LimitExceed.PrefixListEntry", sentence(&error)),
            Error::LimitReached { name: "PlacementGroup", .. } => {
                Fault::new(403, "QuotaExceed.DeploymentSetInstanceQuotaFull", sentence(&error))
            }
            Error::LimitReached { .. } => Fault::new(409, "LimitExceeded", sentence(&error)),
            Error::NoCapacity { wanted, reason } | Error::NoDiskRoom { wanted, reason } => {
                Fault::new(403, "OperationDenied.NoStock", format!("The requested resource is sold out: no room for {wanted}; {reason}."))
            }
            Error::NoReservedCapacity { .. } => Fault::new(403, "OperationDenied.NoStock", sentence(&error)),
            Error::NoPlaceInGroup { group, reason } => {
                let message = format!("There is no room for more instances in the deployment set '{group}': {reason}.");
                Fault::new(403, "DeploymentSet.NoRoom", message)
            }
            Error::NoFreeAddress { noun: Noun::Subnet, .. } => Fault::new(400, "InvalidVSwitchId.IpNotEnough", sentence(&error)),
            Error::NoFreeAddress { .. } => Fault::new(403, "OperationDenied.NoStock", sentence(&error)),
            Error::MissingParameter { name } => Fault::missing(parameter(name).0),
            Error::InvalidParameter { name: "Attachment", .. } => Fault::new(403, "DependencyViolation", sentence(&error)),
            Error::InvalidParameter { name, reason } => {
                let (name, code) = parameter(name);
                Fault { code: code.into(), ..Fault::invalid(name, reason) }
            }
            Error::InvalidCombination { .. } => Fault::new(400, "InvalidParameter.Conflict", sentence(&error)),
            Error::InvalidMfaCode => Fault::new(403, "InvalidParameter.AuthenticationCode", sentence(&error)),
            Error::ClientTokenReused => Fault::new(
                400,
                "IdempotentParameterMismatch",
                "The request uses the same client token as a previous, but non-identical request.",
            ),
            Error::Unauthorized { action } => Fault::new(
                403,
                "Forbidden.RAM",
                format!("User not authorized to operate on the specified resource, or this API doesn't support RAM: {action}."),
            ),
            Error::DryRun => Fault::new(400, "DryRunOperation", "Request validation has been passed with DryRun flag set."),
            Error::Unsupported { .. } => Fault::new(400, "UnsupportedOperation", sentence(&error)),
            Error::Internal => {
                Fault::new(500, "InternalError", "The request processing has failed due to some unknown error, exception or failure.")
            }
            Error::Unavailable => Fault::new(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
        }
    }
}

fn duplicate(noun: Noun, name: &str) -> Fault {
    let code = match noun {
        Noun::KeyPair => "KeyPair.AlreadyExist",
        Noun::SecurityGroup => "InvalidSecurityGroupName.Duplicate",
        Noun::Image => "InvalidImageName.Duplicated",
        Noun::LaunchTemplate => "InvalidLaunchTemplateName.Duplicated",
        Noun::Association => "InvalidAssociation.Duplicated",
        Noun::Route => "InvalidCidrBlock.Duplicate",
        Noun::Subnet | Noun::VpcRange => "InvalidCidrBlock.Overlapped",
        Noun::NatSource => "Forbidden.SourceVSwitchId.Duplicated",
        Noun::NatForward => "Forbidden.ForwardEntry.Duplicated",
        Noun::Account
        | Noun::User
        | Noun::AccessKey
        | Noun::MfaDevice
        | Noun::PolicyVersion
        | Noun::UserGroup
        | Noun::Role
        | Noun::Policy
        | Noun::Region
        | Noun::Zone
        | Noun::Host
        | Noun::Instance
        | Noun::InstanceType
        | Noun::InstanceProfile
        | Noun::InstanceRole
        | Noun::LaunchTemplateVersion
        | Noun::KmsKey
        | Noun::Volume
        | Noun::Snapshot
        | Noun::Vpc
        | Noun::Interface
        | Noun::Attachment
        | Noun::Address
        | Noun::InternetGateway
        | Noun::EgressOnlyGateway
        | Noun::Ipv6Address
        | Noun::Ipv6Bandwidth
        | Noun::EgressOnlyRule
        | Noun::NatGateway
        | Noun::NatAddress
        | Noun::SnapshotPolicy
        | Noun::SnapshotGroup
        | Noun::DiskBackup
        | Noun::BandwidthPackage
        | Noun::DhcpOptions
        | Noun::RouteTable
        | Noun::NetworkAcl
        | Noun::NetworkAclEntry
        | Noun::NetworkPath
        | Noun::PathAnalysis
        | Noun::PlacementGroup
        | Noun::PrefixList
        | Noun::Ipv6Range
        | Noun::ImageTask
        | Noun::FlowLog
        | Noun::CapacityReservation
        | Noun::InstanceFleet
        | Noun::LogGroup
        | Noun::LogStream
        | Noun::InstanceEvent
        | Noun::SecurityGroupRule => "InvalidParameter.Duplicate",
        Noun::RouteTableAssociation | Noun::NetworkAclAssociation => "InvalidVSwitchId.AlreadyAssociated",
        Noun::VpcPeering => "ResourceAlreadyExist.VpcPeer",
        Noun::QuotaRequest => "QUOTA.APPLICATION.PROCESS",
    };
    Fault::new(400, code, format!("The {noun} '{name}' already exists."))
}

/// An instance that goes or is gone is no longer shown by ECS, so it is absent rather than in a wrong state.
fn incorrect_state(noun: Noun, id: &str, state: &str, wanted: &str) -> Fault {
    if matches!(state, "terminating" | "terminated") {
        return Fault::not_found(noun, id);
    }
    let code = match noun {
        Noun::Instance => "IncorrectInstanceStatus",
        Noun::Volume => "IncorrectDiskStatus",
        Noun::Address => "IncorrectEipStatus",
        Noun::NatGateway => "IncorrectStatus.NATGW",
        Noun::VpcPeering => "IncorrectStatus.VpcPeer",
        Noun::Interface => "InvalidOperation.InvalidEniState",
        Noun::InstanceEvent => "InvalidOperation.EventStatus",
        Noun::Account
        | Noun::User
        | Noun::AccessKey
        | Noun::MfaDevice
        | Noun::PolicyVersion
        | Noun::UserGroup
        | Noun::Role
        | Noun::Policy
        | Noun::Region
        | Noun::Zone
        | Noun::Host
        | Noun::InstanceType
        | Noun::InstanceProfile
        | Noun::InstanceRole
        | Noun::LaunchTemplate
        | Noun::LaunchTemplateVersion
        | Noun::Image
        | Noun::KeyPair
        | Noun::KmsKey
        | Noun::Snapshot
        | Noun::Vpc
        | Noun::Subnet
        | Noun::Attachment
        | Noun::SecurityGroup
        | Noun::SecurityGroupRule
        | Noun::Association
        | Noun::InternetGateway
        | Noun::EgressOnlyGateway
        | Noun::Ipv6Address
        | Noun::Ipv6Bandwidth
        | Noun::EgressOnlyRule
        | Noun::NatAddress
        | Noun::NatSource
        | Noun::NatForward
        | Noun::SnapshotPolicy
        | Noun::SnapshotGroup
        | Noun::DiskBackup
        | Noun::BandwidthPackage
        | Noun::DhcpOptions
        | Noun::RouteTable
        | Noun::Route
        | Noun::RouteTableAssociation
        | Noun::NetworkAcl
        | Noun::NetworkAclEntry
        | Noun::NetworkAclAssociation
        | Noun::NetworkPath
        | Noun::PathAnalysis
        | Noun::PlacementGroup
        | Noun::PrefixList
        | Noun::Ipv6Range
        | Noun::VpcRange
        | Noun::ImageTask
        | Noun::FlowLog
        | Noun::CapacityReservation
        | Noun::InstanceFleet
        | Noun::LogGroup
        | Noun::LogStream
        | Noun::QuotaRequest => "OperationDenied",
    };
    let message = format!("The current status of the resource does not support this operation: '{id}' is {state}; it must be {wanted}.");
    Fault::new(403, code, message)
}

fn in_use(noun: Noun, id: &str, by: &[String]) -> Fault {
    match noun {
        Noun::Address => Fault::new(400, "InvalidPrivateIpAddress.Duplicated", format!("The specified IP address '{id}' is in use.")),
        Noun::Volume => {
            let message = format!("The current disk status does not support this operation: '{id}' is attached to {}.", by.join(", "));
            Fault::new(403, "IncorrectDiskStatus", message)
        }
        Noun::Interface => {
            let message = format!("The network interface '{id}' is attached to {}.", by.join(", "));
            Fault::new(403, "InvalidOperation.InvalidEniState", message)
        }
        Noun::DhcpOptions => {
            let message = format!("The DHCP options set '{id}' is associated with VPCs: {}.", by.join(", "));
            Fault::new(400, "DependencyViolation.VPC", message)
        }
        Noun::BandwidthPackage => {
            let message = format!("There are still EIPs in the bandwidth package '{id}': {}.", by.join(", "));
            Fault::new(400, "DependencyViolation.EIPS", message)
        }
        Noun::NatGateway => {
            let message = format!("There are still some EIPs associated with the NAT gateway '{id}': {}.", by.join(", "));
            Fault::new(400, "DependencyViolation.EIPS", message)
        }
        Noun::VpcPeering => Fault::new(400, "OperationDenied.RouteEntryExist", format!("Routes lead to '{id}': {}.", by.join(", "))),
        Noun::NatSource => Fault::new(400, "DependencyViolation.SnatEntry", format!("'{id}' still has SNAT entries: {}.", by.join(", "))),
        Noun::NatForward => {
            Fault::new(400, "DependencyViolation.ForwardEntry", format!("'{id}' still has DNAT entries: {}.", by.join(", ")))
        }
        Noun::NatAddress => {
            let code = match by.first() {
                Some(user) if user.starts_with("snat-") => "Forbidden.IpUsedInSnatTable",
                Some(user) if user.starts_with("fwd-") => "Forbidden.IpUsedInForwardTable",
                Some(_) | None => "IncorrectEipStatus",
            };
            Fault::new(400, code, format!("The EIP '{id}' is used by {}.", by.join(", ")))
        }
        Noun::Snapshot => {
            Fault::new(403, "SnapshotCreatedImage", format!("The snapshot '{id}' has been used to create images: {}.", by.join(", ")))
        }
        Noun::PrefixList => {
            Fault::new(403, "DependencyViolation.PrefixListAssociation", format!("The prefix list '{id}' is used by {}.", by.join(", ")))
        }
        Noun::PlacementGroup => {
            let message = format!("The deployment set '{id}' still has instances: {}.", by.join(", "));
            Fault::new(403, "DependencyViolation.DeploymentSet", message)
        }
        other => Fault::new(403, "DependencyViolation", format!("The {other} '{id}' is used by {}.", by.join(", "))),
    }
}

const fn quota_code(quota: QuotaName) -> &'static str {
    match quota {
        QuotaName::Instances => "QuotaExceed.ElasticQuota",
        QuotaName::KeyPairs => "QuotaExceed.KeyPair",
        QuotaName::LaunchTemplates => "QuotaExceed.LaunchTemplate",
        QuotaName::Addresses => "QuotaExceeded.Eip",
        QuotaName::SecurityGroups => "QuotaExceed.SecurityGroup",
        QuotaName::Volumes => "QuotaExceed.PostPaidDisk",
        QuotaName::Snapshots => "QuotaExceed.Snapshot",
        QuotaName::Images => "QuotaExceed.Image",
        QuotaName::Vpcs => "QuotaExceeded.Vpc",
        QuotaName::VpcRanges => "QuotaExceeded.SecondaryCidrBlock",
        QuotaName::Subnets => "QuotaExceeded.VSwitch",
        QuotaName::InternetGateways => "QuotaExceeded.Ipv4Gateway",
        QuotaName::EgressOnlyGateways => "QuotaExceeded.Ipv6Gateway",
        QuotaName::NatGateways => "QuotaExceeded.NatGateway",
        QuotaName::VpcPeerings => "QuotaExceeded.VpcPeer",
        QuotaName::NatAddresses => "QuotaExceeded.EipPerNatGateway",
        QuotaName::NatSources => "QuotaExceeded.SnatEntry",
        QuotaName::NatForwards => "QuotaExceeded.ForwardEntry",
        QuotaName::RouteTables => "QuotaExceeded.RouteTable",
        QuotaName::Routes => "QuotaExceeded.RouteEntry",
        QuotaName::NetworkAcls => "QuotaExceeded.NetworkAcl",
        QuotaName::NetworkPaths | QuotaName::PathAnalyses => "QuotaExceeded",
        QuotaName::Interfaces => "MaxEniCountExceeded",
        QuotaName::PrefixLists => "QuotaExceed.PrefixList",
        QuotaName::PlacementGroups => "QuotaExceed.DeploymentSet",
        QuotaName::InstanceFleets => "QuotaExceed.AutoProvisioningGroup",
        QuotaName::ReadRequests | QuotaName::ChangeRequests | QuotaName::InstanceLaunches => "Throttling.User",
    }
}

/// ECS's name of a parameter that the control plane names in neutral words, and its code for a value that is not allowed.
fn parameter(name: &'static str) -> (&'static str, &'static str) {
    match name {
        "SnapshotGroupVolume" => ("DiskId.N", "InvalidParameter"),
        "MaxCount" => ("Amount", "InvalidParameter"),
        "AutoReleaseTime" => (name, "InvalidAutoReleaseTime.Malformed"),
        "Size" => (name, "InvalidDiskSize.NotSupported"),
        "SnapshotName" => (name, "InvalidSnapshotName.Malformed"),
        "SnapshotId" => (name, "InvalidSnapshotId.NotFound"),
        "DiskName" => (name, "InvalidDiskName.Malformed"),
        "Device" => (name, "InvalidDevice.Malformed"),
        "VolumeSize" => ("SystemDisk.Size", "InvalidSystemDiskSize"),
        "KeyName" => ("KeyPairName", "InvalidKeyPairName.Malformed"),
        "PublicKeyMaterial" => ("PublicKeyBody", "InvalidPublicKeyBody.Malformed"),
        "InstanceName" => (name, "InvalidInstanceName.Malformed"),
        "DeploymentSetName" | "GroupName" => ("DeploymentSetName", "InvalidDeploymentSetName.Malformed"),
        "PartitionNumber" => ("DeploymentSetGroupNo", "InvalidParameter"),
        "Description" => (name, "InvalidDescription.Malformed"),
        "HostName" => (name, "InvalidHostName.Malformed"),
        "Password" => (name, "InvalidPassword.Malformed"),
        "VpcRange" | "SubnetRange" => ("CidrBlock", "InvalidCidrBlock"),
        "VpcName" => (name, "InvalidVpcName.Malformed"),
        "SubnetName" => ("VSwitchName", "InvalidVSwitchName.Malformed"),
        "Name" => (name, "InvalidName.Malformed"),
        "Bandwidth" => (name, "InvalidBandwidth.ValueNotSupported"),
        "TrafficStart" => ("StartTime", "InvalidStartTime.TooEarly"),
        "TrafficEnd" => ("EndTime", "InvalidEndTime.Mismatch"),
        "TrafficPeriod" => ("Period", "InvalidPeriod.ValueNotSupported"),
        "TrafficPeriods" => ("Period", "InvalidParameter.TooManyDataQueried"),
        "PrivateIpAddress" => (name, "InvalidPrivateIpAddress.Malformed"),
        "UserData" => (name, "InvalidUserData.SizeExceeded"),
        "SnatIp" => (name, "InvalidSnatIp.NotFound"),
        "ExternalIp" => (name, "InvalidExternalIp.NotFound"),
        "InternalIp" => (name, "Forbidden.InternalIpOutOfVpcCIDR"),
        "ExternalPort" => (name, "InvalidExternalPort.Malformed"),
        "InternalPort" => (name, "InvalidInternalPort.Malformed"),
        "Tag.Key" => ("Tag.N.Key", "InvalidTagKey.Malformed"),
        "Tag.Value" => ("Tag.N.Value", "InvalidTagValue.Malformed"),
        "Tag" => ("Tag.N", "NumberExceed.Tags"),
        "SubnetId" => ("VSwitchId", "InvalidParameter"),
        "Ids" => ("InstanceIds", "InvalidParameter"),
        "Page" => ("PageNumber", "InvalidParameter"),
        _ => (name, "InvalidParameter"),
    }
}

impl From<ArgsError> for Fault {
    fn from(error: ArgsError) -> Fault {
        let ArgsError { path, kind, given } = error;
        match kind {
            ArgsErrorKind::Missing => return Fault::missing(&path),
            ArgsErrorKind::NotBase64 if path == "UserData" => {
                return Fault::new(400, "InvalidUserData.Base64FormatInvalid", "The specified UserData must be base64 encoded.");
            }
            ArgsErrorKind::TooLong { max } if path == "UserData" => {
                return Fault::new(400, "InvalidUserData.SizeExceeded", format!("The specified UserData exceeds {max} bytes."));
            }
            ArgsErrorKind::NotBase64
            | ArgsErrorKind::TooLong { .. }
            | ArgsErrorKind::NotANumber
            | ArgsErrorKind::NotABoolean
            | ArgsErrorKind::NotATimestamp
            | ArgsErrorKind::NotJson
            | ArgsErrorKind::OutOfRange { .. }
            | ArgsErrorKind::NotOneOf { .. }
            | ArgsErrorKind::TooShort { .. }
            | ArgsErrorKind::TooMany { .. }
            | ArgsErrorKind::TooDeep { .. }
            | ArgsErrorKind::Malformed
            | ArgsErrorKind::Duplicate
            | ArgsErrorKind::NotAValue
            | ArgsErrorKind::NotAStructure
            | ArgsErrorKind::NotAList => {}
        }
        let given = given.map_or(String::new(), |given| format!("'{given}' "));
        Fault::invalid(if path.is_empty() { "request" } else { &path }, format!("{given}{kind}"))
    }
}

/// Why a request fails before its action is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Refused<'a> {
    /// Its signature is not good.
    Signature(&'a SignatureError),
    /// No active access key has this name.
    UnknownAccessKey,
    /// Its nonce was used before.
    NonceUsed,
    /// It carries a session token that is none of this cloud's, or not that of its key.
    SessionToken,
    /// It carries a session token whose time is over.
    SessionExpired,
    /// Its parameters cannot be read.
    Args(&'a ArgsError),
    /// Something in the cloud failed.
    Error(&'a Error),
}

impl From<Refused<'_>> for Fault {
    fn from(refused: Refused<'_>) -> Fault {
        match refused {
            Refused::Signature(error) => signature(error),
            Refused::UnknownAccessKey => Fault::new(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."),
            Refused::NonceUsed => Fault::new(400, "SignatureNonceUsed", "Specified signature nonce was used already."),
            Refused::SessionToken => Fault::new(400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed."),
            Refused::SessionExpired => Fault::new(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."),
            Refused::Args(error) => error.clone().into(),
            Refused::Error(error) => error.clone().into(),
        }
    }
}

fn signature(error: &SignatureError) -> Fault {
    match error {
        SignatureError::Missing => Fault::new(400, "MissingSignature", "Signature is mandatory for this action."),
        SignatureError::UnknownAlgorithm { name, .. } => {
            Fault::new(400, "InvalidSignatureMethod", format!("Specified signature method '{name}' is not supported."))
        }
        SignatureError::Incomplete { part, .. } => {
            Fault::new(400, format!("Missing{}", part_name(part)), format!("{part} is mandatory for this action."))
        }
        SignatureError::Malformed { part, .. } => {
            Fault::new(400, "IncompleteSignature", format!("The request signature does not conform to the standards: {part} is malformed."))
        }
        SignatureError::NotSigned { header, .. } => Fault::new(
            400,
            "IncompleteSignature",
            format!("The request signature does not conform to the standards: the header {header} is not signed."),
        ),
        SignatureError::BadTimestamp { .. } => {
            Fault::new(400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
        }
        SignatureError::Expired { .. } | SignatureError::NotYetValid { .. } => {
            Fault::new(400, "InvalidTimeStamp.Expired", format!("Specified time stamp or date value is expired: {error}."))
        }
        SignatureError::Mismatch { .. } => {
            Fault::new(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.")
        }
        SignatureError::BodyTampered { .. } => {
            Fault::new(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation: the body is another one.")
        }
    }
}

/// The parameter's name for a part of a signature in either scheme.
fn part_name(part: &'static str) -> &'static str {
    match part {
        "x-acs-date" => "Timestamp",
        "x-acs-signature-nonce" => "SignatureNonce",
        "x-acs-content-sha256" => "ContentSha256",
        "Credential" => "AccessKeyId",
        other => other,
    }
}

/// The model's words as a sentence.
pub(crate) fn sentence(error: &Error) -> String {
    let words = error.to_string();
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// As much of a client's text as a refusal repeats.
fn shown(text: &str) -> String {
    text.chars().take(wire::SHOWN_CHARS).collect()
}
