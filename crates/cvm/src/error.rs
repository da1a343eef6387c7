//! Refusals in Tencent Cloud's words: the one table from what went wrong to code and sentence.
//!
//! Sources: the error codes that the SDK lists for CVM, VPC, CBS, CAM, STS and the tag service, and "Common error codes" of API 3.0
//! for what fails before an action is known; a test of the clients holds the table to them. Where the vendor has no code for
//! something, the nearest one stands here.

use std::borrow::Cow;

use model::{Error, Noun, QuotaName};
use wire::{ArgsError, ArgsErrorKind, Reply, SignatureError, envelope};

use crate::id;

/// One refusal as the client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Such as `InvalidInstanceId.NotFound`.
    pub code: Cow<'static, str>,
    /// The sentence for the user.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Fault {
        Fault { code: code.into(), message: message.into() }
    }

    /// Something that Tencent has and this cloud has not.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Fault {
        Fault::new("UnsupportedOperation", format!("{what} is not supported by this cloud."))
    }

    /// A value that is not allowed.
    pub(crate) fn invalid(parameter: &str, reason: impl std::fmt::Display) -> Fault {
        Fault::new("InvalidParameterValue", format!("The value of the parameter `{}` is not valid: {reason}.", shown(parameter)))
    }

    /// A parameter that is absent.
    pub(crate) fn missing(parameter: &str) -> Fault {
        Fault::new("MissingParameter", format!("The request is missing the parameter `{parameter}`."))
    }

    /// Parameters that exclude each other.
    pub(crate) fn conflict(reason: impl std::fmt::Display) -> Fault {
        Fault::new("InvalidParameterConflict", format!("The parameters conflict: {reason}."))
    }

    /// A filter that is not served.
    pub(crate) fn unknown_filter(name: &str) -> Fault {
        Fault::new("InvalidFilter", format!("The filter `{}` is not supported by this cloud.", shown(name)))
    }

    /// Nothing of this id, or name, exists for the caller.
    pub(crate) fn not_found(noun: Noun, id: &str) -> Fault {
        let (absent, _) = codes(noun);
        Fault::new(absent, format!("The {noun} `{}` does not exist.", id::in_sentence(&shown(id))))
    }

    /// A text that cannot be an id of this noun.
    pub(crate) fn malformed_id(noun: Noun, text: &str) -> Fault {
        let (_, malformed) = codes(noun);
        Fault::new(malformed, format!("`{}` cannot be the id of a {noun}.", shown(text)))
    }

    /// The answer, whose status is 200: with any other one the SDKs do not read it.
    pub(crate) fn reply(&self, request_id: &str) -> Reply {
        Reply::json(200, envelope::tencent_error_json(request_id, &self.code, &self.message))
    }
}

/// The codes for an absent thing and for a text that cannot name one.
const fn codes(noun: Noun) -> (&'static str, &'static str) {
    match noun {
        Noun::Instance => ("InvalidInstanceId.NotFound", "InvalidInstanceId.Malformed"),
        Noun::InstanceType => ("InvalidParameterValue.InstanceTypeNotFound", "InvalidInstanceType.Malformed"),
        Noun::Image => ("InvalidImageId.NotFound", "InvalidImageId.Malformed"),
        Noun::KeyPair => ("InvalidKeyPairId.NotFound", "InvalidKeyPairId.Malformed"),
        Noun::KmsKey => ("InvalidParameter.InvalidKmsKeyId", "InvalidParameter.InvalidKmsKeyId"),
        Noun::LaunchTemplate => ("InvalidParameterValue.LaunchTemplateIdNotExisted", "InvalidParameterValue.LaunchTemplateIdMalformed"),
        Noun::LaunchTemplateVersion => {
            ("InvalidParameterValue.LaunchTemplateIdVerNotExisted", "InvalidParameterValue.LaunchTemplateVersion")
        }
        Noun::Volume => ("InvalidDiskId.NotFound", "InvalidDiskId.NotFound"),
        Noun::Snapshot => ("InvalidSnapshotId.NotFound", "InvalidParameterValue.SnapshotIdMalformed"),
        Noun::Vpc => ("InvalidVpcId.NotFound", "InvalidVpcId.Malformed"),
        Noun::Subnet => ("InvalidParameterValue.SubnetNotExist", "InvalidParameterValue.SubnetIdMalformed"),
        Noun::Interface | Noun::Attachment => ("InvalidNetworkInterfaceId.NotFound", "InvalidParameterValue.Malformed"),
        Noun::Address => ("InvalidAddressId.NotFound", "InvalidParameterValue.AddressIdMalformed"),
        Noun::SecurityGroup => ("InvalidSecurityGroupId.NotFound", "InvalidSecurityGroupID.Malformed"),
        Noun::NatGateway => ("ResourceNotFound", "InvalidParameterValue.Malformed"),
        Noun::VpcPeering => ("ResourceNotFound", "InvalidParameterValue.Malformed"),
        Noun::NatAddress => ("UnsupportedOperation.NatGatewayEipNotExists", "InvalidParameterValue.Malformed"),
        Noun::NatSource => ("InvalidParameterValue.NatGatewaySnatRuleNotExists", "InvalidParameterValue.Malformed"),
        Noun::NatForward => ("InvalidParameterValue.NatGatewayDnatRuleNotExists", "InvalidParameterValue.Malformed"),
        Noun::SnapshotGroup => ("InvalidParameterValue", "InvalidParameterValue"),
        Noun::DiskBackup => ("InvalidParameterValue", "InvalidParameterValue"),
        Noun::SnapshotPolicy => ("InvalidAutoSnapshotPolicyId.NotFound", "InvalidParameterValue"),
        Noun::RouteTable => ("InvalidRouteTableId.NotFound", "InvalidRouteTableId.Malformed"),
        Noun::Route => ("InvalidRouteId.NotFound", "InvalidRouteId.NotFound"),
        Noun::PlacementGroup => ("FailedOperation.DisasterRecoverGroupNotFound", "InvalidParameterValue.DisasterRecoverGroupIdMalformed"),
        Noun::BandwidthPackage => ("InvalidParameterValue.BandwidthPackageNotFound", "InvalidParameterValue.BandwidthPackageIdMalformed"),
        Noun::SecurityGroupRule
        | Noun::DhcpOptions
        | Noun::PrefixList
        | Noun::Ipv6Range
        | Noun::VpcRange
        | Noun::ImageTask
        | Noun::FlowLog
        | Noun::CapacityReservation
        | Noun::InstanceFleet
        | Noun::LogGroup
        | Noun::LogStream
        | Noun::InstanceEvent
        | Noun::Association
        | Noun::InternetGateway
        | Noun::EgressOnlyGateway
        | Noun::Ipv6Address
        | Noun::Ipv6Bandwidth
        | Noun::EgressOnlyRule
        | Noun::RouteTableAssociation
        | Noun::NetworkAcl
        | Noun::NetworkAclEntry
        | Noun::NetworkAclAssociation
        | Noun::NetworkPath
        | Noun::PathAnalysis
        | Noun::QuotaRequest => ("ResourceNotFound", "InvalidParameterValue.Malformed"),
        Noun::Region => ("InvalidRegion.NotFound", "InvalidRegion.NotFound"),
        Noun::Zone => ("InvalidZone.MismatchRegion", "InvalidZone.MismatchRegion"),
        Noun::Host => ("InvalidHostId.NotFound", "InvalidHostId.Malformed"),
        Noun::Account => ("InvalidAccountId.NotFound", "InvalidAccountId.NotFound"),
        Noun::InstanceProfile | Noun::InstanceRole => ("ResourceNotFound", "InvalidParameterValue.Malformed"),
        Noun::Role => ("ResourceNotFound.RoleNotFound", "InvalidParameterValue.Malformed"),
        Noun::User => ("ResourceNotFound.UserNotExist", "InvalidParameter.UinError"),
        Noun::AccessKey => ("ResourceNotFound.SecretNotExist", "InvalidParameterValue.Malformed"),
        Noun::UserGroup => ("ResourceNotFound.GroupNotExist", "InvalidParameter.GroupIdError"),
        Noun::MfaDevice => ("ResourceNotFound", "InvalidParameterValue.Malformed"),
        Noun::Policy => ("ResourceNotFound.PolicyIdNotFound", "InvalidParameter.PolicyIdError"),
        Noun::PolicyVersion => ("InvalidParameter.PolicyVersionNotExists", "InvalidParameter.PolicyVersionNotExists"),
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match &error {
            Error::NotFound { noun, id } => Fault::not_found(*noun, id),
            Error::MalformedId { noun, id } => Fault::malformed_id(*noun, id),
            Error::Duplicate { noun, .. } => Fault::new(duplicate(*noun), sentence(&error)),
            Error::IncorrectState { noun, state, .. } => Fault::new(incorrect_state(*noun, state), sentence(&error)),
            Error::InUse { noun: Noun::Address, .. } => Fault::new("VpcIpIsUsed", sentence(&error)),
            Error::InUse { noun: Noun::NatAddress, .. } => Fault::new("UnsupportedOperation", sentence(&error)),
            Error::InUse { noun: Noun::BandwidthPackage, .. } => {
                Fault::new("InvalidParameterValue.BandwidthPackageInUse", sentence(&error))
            }
            Error::InUse { noun: Noun::User, .. } => Fault::new("OperationDenied.HaveKeys", sentence(&error)),
            Error::InUse { noun: Noun::Volume, .. } => Fault::new("InvalidDisk.Busy", sentence(&error)),
            Error::InUse { .. } => Fault::new("ResourceInUse", sentence(&error)),
            Error::Protected { noun: Noun::Instance, .. } => Fault::new("UnsupportedOperation.InstancesProtected", sentence(&error)),
            Error::Protected { noun: Noun::NatGateway, .. } => {
                Fault::new("UnsupportedOperation.DeletionProtectionEnabled", sentence(&error))
            }
            Error::Protected { noun: Noun::Address, .. } => {
                Fault::new("OperationDenied.AddressDeletionProtectionEnabled", sentence(&error))
            }
            Error::Protected { noun: Noun::LaunchTemplateVersion, .. } => {
                Fault::new("InvalidParameterValue.LaunchTemplateDefaultVersion", sentence(&error))
            }
            Error::Protected { .. } => Fault::new("UnsupportedOperation", sentence(&error)),
            Error::QuotaExceeded { quota, .. } => Fault::new(quota_code(*quota), sentence(&error)),
            Error::ZoneMismatch { .. } => Fault::new("ResourceUnavailable.ZoneNotMatch", sentence(&error)),
            Error::TooManyVolumes { .. } => Fault::new("LimitExceeded.InstanceAttachedDisk", sentence(&error)),
            Error::TooManyRequests { .. } => {
                Fault::new("RequestLimitExceeded", "The requests exceed the frequency limit; send them again later.")
            }
            Error::LimitReached { name: "ActionTimer", .. } => Fault::new("FailedOperation.MutActionTimerExist", sentence(&error)),
            Error::LimitReached { name: "BandwidthPackage", .. } => Fault::new("LimitExceeded.BandwidthPackageQuota", sentence(&error)),
            Error::LimitReached { name: "BandwidthPackageAddress", .. } => {
                Fault::new("LimitExceeded.BandwidthPackageResourceQuota", sentence(&error))
            }
            Error::LimitReached { name: "SecurityGroupRule", .. } => Fault::new("LimitExceeded.SecurityGroupPolicySet", sentence(&error)),
            Error::LimitReached { name: "PlacementGroup", .. } => {
                Fault::new("ResourceInsufficient.DisasterRecoverGroupCvmQuota", sentence(&error))
            }
            Error::NoPlaceInGroup { .. } => Fault::new("LimitExceeded.DisasterRecoverGroup", sentence(&error)),
            Error::LimitReached { what, .. } => Fault::new(limit_code(what), sentence(&error)),
            Error::NoReservedCapacity { .. } => Fault::new("ResourceInsufficient.SpecifiedInstanceType", sentence(&error)),
            Error::NoCapacity { .. } => Fault::new("ResourceInsufficient.SpecifiedInstanceType", sentence(&error)),
            Error::NoDiskRoom { .. } => Fault::new("ResourceInsufficient", sentence(&error)),
            Error::NoFreeAddress { noun: Noun::Subnet, .. } => {
                Fault::new("FailedOperation.NoAvailableIpAddressCountInSubnet", sentence(&error))
            }
            Error::NoFreeAddress { .. } => Fault::new("ResourceInsufficient", sentence(&error)),
            Error::MissingParameter { name } => Fault::missing(parameter(name).0),
            Error::InvalidParameter { name, reason } => {
                let (name, code) = parameter(name);
                Fault { code: code.into(), ..Fault::invalid(name, id::in_sentence(reason)) }
            }
            Error::InvalidCombination { .. } => Fault::new("InvalidParameterCombination", sentence(&error)),
            Error::InvalidMfaCode => Fault::new("InvalidParameter.MFATokenError", sentence(&error)),
            Error::ClientTokenReused => Fault::new("UnsupportedOperation.IdempotentParameterMismatch", sentence(&error)),
            Error::Unauthorized { action } => {
                Fault::new("UnauthorizedOperation", format!("You are not authorized to perform the operation ({action})."))
            }
            Error::DryRun => Fault::new("DryRunOperation", sentence(&error)),
            Error::Unsupported { .. } => Fault::new("UnsupportedOperation", sentence(&error)),
            Error::Internal => Fault::new("InternalError", "An internal error occurred. Tell the operator of this cloud the request id."),
            Error::Unavailable => {
                Fault::new("ServiceUnavailable", "The service cannot answer just now. Send the same request again, later.")
            }
        }
    }
}

/// CAM's codes name what there is too much of.
fn limit_code(what: &str) -> &'static str {
    match what {
        "users" => "InvalidParameter.SubUserFull",
        "groups" => "InvalidParameter.GroupFull",
        "roles" => "InvalidParameter.RoleFull",
        "managed policies" => "FailedOperation.PolicyFull",
        "groups of a user" => "InvalidParameter.UserGroupFull",
        "access keys of a user" => "OperationDenied.AccessKeyOverLimit",
        _ => "LimitExceeded",
    }
}

const fn duplicate(noun: Noun) -> &'static str {
    match noun {
        Noun::KeyPair => "InvalidKeyPairName.Duplicate",
        Noun::Image => "InvalidImageName.Duplicate",
        Noun::LaunchTemplate => "InvalidParameterValue.InvalidLaunchTemplateName",
        Noun::SecurityGroupRule => "UnsupportedOperation.DuplicatePolicy",
        Noun::NatSource => "InvalidParameterValue.NatSnatRuleExists",
        Noun::NatForward => "InvalidParameterValue.NatGatewayDnatRuleExisted",
        Noun::VpcRange => "InvalidParameterValue.CidrConflict",
        Noun::User => "InvalidParameter.SubUserNameInUse",
        Noun::UserGroup => "InvalidParameter.GroupNameInUse",
        Noun::Role => "InvalidParameter.RoleNameInUse",
        Noun::Policy => "FailedOperation.PolicyNameInUse",
        Noun::SecurityGroup
        | Noun::Account
        | Noun::AccessKey
        | Noun::MfaDevice
        | Noun::PolicyVersion
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
        | Noun::Subnet
        | Noun::Interface
        | Noun::Attachment
        | Noun::Address
        | Noun::Association
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
        | Noun::VpcPeering
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
        | Noun::ImageTask
        | Noun::FlowLog
        | Noun::CapacityReservation
        | Noun::InstanceFleet
        | Noun::LogGroup
        | Noun::LogStream
        | Noun::InstanceEvent
        | Noun::QuotaRequest => "InvalidParameterValue.Duplicate",
    }
}

/// CVM's codes name the state that an instance is in.
fn incorrect_state(noun: Noun, state: &str) -> &'static str {
    if noun != Noun::Instance {
        return "UnsupportedOperation.InvalidState";
    }
    match state {
        "launching" => "UnsupportedOperation.InstanceStatePending",
        "running" => "UnsupportedOperation.InstanceStateRunning",
        "starting" => "UnsupportedOperation.InstanceStateStarting",
        "stopping" => "UnsupportedOperation.InstanceStateStopping",
        "stopped" => "UnsupportedOperation.InstanceStateStopped",
        "terminating" => "UnsupportedOperation.InstanceStateTerminating",
        "terminated" => "UnsupportedOperation.InstanceStateTerminated",
        _ => "InvalidInstanceState",
    }
}

const fn quota_code(quota: QuotaName) -> &'static str {
    match quota {
        QuotaName::Instances => "LimitExceeded.InstanceQuota",
        QuotaName::KeyPairs => "InvalidKeyPair.LimitExceeded",
        QuotaName::LaunchTemplates => "LimitExceeded.LaunchTemplateQuota",
        QuotaName::Addresses => "AddressQuotaLimitExceeded",
        QuotaName::SecurityGroups
        | QuotaName::Vpcs
        | QuotaName::Subnets
        | QuotaName::InternetGateways
        | QuotaName::EgressOnlyGateways
        | QuotaName::RouteTables
        | QuotaName::Routes
        | QuotaName::NetworkAcls
        | QuotaName::NetworkPaths
        | QuotaName::PathAnalyses
        | QuotaName::PlacementGroups
        | QuotaName::InstanceFleets
        | QuotaName::PrefixLists
        | QuotaName::Interfaces => "LimitExceeded",
        QuotaName::VpcRanges => "LimitExceeded.CidrBlock",
        QuotaName::NatGateways => "LimitExceeded.NatGatewayLimitExceeded",
        QuotaName::NatAddresses => "LimitExceeded.PublicIpAddressPerNatGatewayLimitExceeded",
        QuotaName::NatSources | QuotaName::VpcPeerings => "LimitExceeded",
        QuotaName::NatForwards => "LimitExceeded.NatGatewayDnatLimitExceeded",
        QuotaName::Images => "ImageQuotaLimitExceeded",
        QuotaName::Volumes | QuotaName::Snapshots => "ResourceInsufficient.OverQuota",
        QuotaName::ReadRequests | QuotaName::ChangeRequests | QuotaName::InstanceLaunches => "RequestLimitExceeded",
    }
}

/// Tencent's name of a parameter that the control plane names in neutral words, and its code for a value that is not allowed.
fn parameter(name: &'static str) -> (&'static str, &'static str) {
    match name {
        "SnapshotGroupVolume" => ("DiskIds", "UnsupportedOperation.SnapshotGroupDiskAttachMultiInstance"),
        "MaxCount" => ("InstanceCount", "InvalidParameterValue.Range"),
        "AutoReleaseTime" => ("ActionTimer.ActionTime", "InvalidParameterValue"),
        "VolumeSize" => ("SystemDisk.DiskSize", "InvalidParameterValue.Range"),
        "UserName" => ("Name", "InvalidParameter.ParamError"),
        "PolicyName" => (name, "InvalidParameter.PolicyNameError"),
        "PolicyDocument" => (name, "InvalidParameter.PolicyDocumentError"),
        "AssumeRolePolicyDocument" => ("PolicyDocument", "InvalidParameter.PolicyDocumentError"),
        "MaxSessionDuration" => ("SessionDuration", "InvalidParameter.ParamError"),
        "Comments" => ("Remark", "InvalidParameter.ParamError"),
        "Phone" => ("PhoneNum", "InvalidParameter.ParamError"),
        "CountryCode" | "Email" => (name, "InvalidParameter.ParamError"),
        "PublicKeyMaterial" => ("PublicKey", "InvalidParameterValue"),
        "GroupName" => ("Name", "InvalidParameterValue"),
        "InstanceName" => (name, "InvalidInstanceName.TooLong"),
        "LaunchTemplateName" => (name, "InvalidParameterValue.InvalidLaunchTemplateName"),
        "HostName" => (name, "InvalidParameterValue.IllegalHostName"),
        "Password" => (name, "InvalidPassword"),
        "PrivateIpAddress" => ("VirtualPrivateCloud.PrivateIpAddresses", "VpcAddrNotInSubNet"),
        "UserData" => (name, "InvalidParameterValue.InvalidUserDataFormat"),
        "Tag.Key" => ("Tags.Key", "InvalidParameterValue.TagKeyCharacterIllegal"),
        "Tag.Value" => ("Tags.Value", "InvalidParameterValue.TagValueCharacterIllegal"),
        "Tag" => ("Tags", "InvalidParameterValue.TagQuotaLimitExceeded"),
        "Filter" => ("Filters", "InvalidFilterValue.LimitExceeded"),
        "ClientToken" => (name, "InvalidClientToken.TooLong"),
        "CidrIp" => ("CidrBlock", "InvalidParameterValue"),
        "PortRange" => ("Port", "InvalidParameterValue"),
        "IpPermissions" => ("SecurityGroupPolicySet", "LimitExceeded.SecurityGroupPolicySet"),
        "SecurityGroupId" => ("SecurityGroupIds", "InvalidParameterValue"),
        "ResourceId" => ("ResourceList", "InvalidParameterValue"),
        "SnatIp" => ("PublicIpAddresses", "UnsupportedOperation.NatGatewayEipNotExists"),
        "ExternalIp" => ("PublicIpAddress", "UnsupportedOperation.NatGatewayEipNotExists"),
        "InternalIp" => ("PrivateIpAddress", "InvalidParameterValue.NatGatewayDnatRulePipNeedVm"),
        "ExternalPort" => ("PublicPort", "InvalidParameterValue.Range"),
        "InternalPort" => ("PrivatePort", "InvalidParameterValue.Range"),
        _ => (name, "InvalidParameterValue"),
    }
}

impl From<ArgsError> for Fault {
    fn from(error: ArgsError) -> Fault {
        let ArgsError { path, kind, given } = error;
        let code = match kind {
            ArgsErrorKind::Missing => return Fault::missing(&path),
            ArgsErrorKind::NotBase64 => "InvalidParameterValue.InvalidUserDataFormat",
            ArgsErrorKind::OutOfRange { .. } => "InvalidParameterValue.Range",
            ArgsErrorKind::TooLong { .. } => "InvalidParameterValue.TooLong",
            ArgsErrorKind::TooMany { .. } => "InvalidParameterValue.LimitExceeded",
            ArgsErrorKind::NotOneOf { .. } | ArgsErrorKind::TooShort { .. } | ArgsErrorKind::Malformed => "InvalidParameterValue",
            ArgsErrorKind::NotANumber
            | ArgsErrorKind::NotABoolean
            | ArgsErrorKind::NotATimestamp
            | ArgsErrorKind::NotJson
            | ArgsErrorKind::TooDeep { .. }
            | ArgsErrorKind::Duplicate
            | ArgsErrorKind::NotAValue
            | ArgsErrorKind::NotAStructure
            | ArgsErrorKind::NotAList => "InvalidParameter",
        };
        let given = given.map_or(String::new(), |given| format!("'{given}' "));
        let path = if path.is_empty() { "request" } else { &path };
        Fault { code: code.into(), ..Fault::invalid(path, format!("{given}{kind}")) }
    }
}

/// Why a request fails before its action is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Refused<'a> {
    /// Its signature is not good.
    Signature(&'a SignatureError),
    /// No active access key has this name.
    UnknownSecretId,
    /// The same signed request came before.
    Replayed,
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
            Refused::UnknownSecretId => {
                Fault::new("AuthFailure.SecretIdNotFound", "The SecretId does not exist; check that it is spelled right.")
            }
            Refused::Replayed => {
                Fault::new("AuthFailure.SignatureFailure", "The request came before: the same nonce, time and signature count once.")
            }
            Refused::SessionToken => Fault::new("AuthFailure.TokenFailure", "The token is not valid for this SecretId."),
            Refused::SessionExpired => Fault::new("AuthFailure.TokenFailure", "The time of the token is over."),
            Refused::Args(error) => error.clone().into(),
            Refused::Error(error) => error.clone().into(),
        }
    }
}

fn signature(error: &SignatureError) -> Fault {
    let because = format!("The credentials could not be validated: {error}.");
    match error {
        SignatureError::Missing | SignatureError::Incomplete { .. } => Fault::new("MissingParameter", because),
        SignatureError::UnknownAlgorithm { .. } | SignatureError::Malformed { .. } | SignatureError::NotSigned { .. } => {
            Fault::new("AuthFailure.InvalidAuthorization", because)
        }
        SignatureError::BadTimestamp { .. } => Fault::new("InvalidParameterValue", because),
        SignatureError::Expired { .. } | SignatureError::NotYetValid { .. } => Fault::new("AuthFailure.SignatureExpire", because),
        SignatureError::Mismatch { .. } | SignatureError::BodyTampered { .. } => Fault::new(
            "AuthFailure.SignatureFailure",
            format!("{because} Check the SecretKey, and that nothing changes the request on its way."),
        ),
    }
}

/// The model's words as a sentence.
fn sentence(error: &Error) -> String {
    let words = id::in_sentence(&error.to_string());
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// As much of a client's text as a refusal repeats.
fn shown(text: &str) -> String {
    text.chars().take(wire::SHOWN_CHARS).collect()
}
