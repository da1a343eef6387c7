//! Refusals and their codes: one table from what is wrong to EC2's code, HTTP status and words.
//!
//! Codes and statuses are those of "Error codes for the Amazon EC2 API" and of the services' common errors. Messages are for
//! people; clients look at the code.

use model::{Error, LaunchTemplateId, Noun, QuotaName, RuleId, SubnetRangeId};
use wire::envelope::{self, Fault};
use wire::{ArgsError, ArgsErrorKind, Reply, RequestError, SignatureError};

use crate::{iam, kms, lifecycle, logs, service_quotas, snapshot_block, sts};

/// Characters of a message; what a client sent may be a megabyte, and nobody reads that back.
const MESSAGE_MAX: usize = 1_000;

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Its signature cannot be accepted.
    Signature(SignatureError),
    /// It is signed with an access key that does not exist or is turned off.
    UnknownKey,
    /// It comes with a session token that is none of this cloud's, or not that of its key.
    SessionToken,
    /// It comes with a session token whose time is over.
    SessionExpired,
    /// It is no request that can be read.
    Request(RequestError),
    /// It is for a service that is not served.
    UnknownService {
        /// The service, as the signature names it.
        name: String,
    },
    /// It names no action.
    NoAction,
    /// It names an action that is not served.
    UnknownAction {
        /// The action.
        name: String,
    },
    /// A parameter cannot be read.
    Args(ArgsError),
    /// A parameter is not one of the action's.
    UnknownParameter {
        /// Its full name.
        name: String,
    },
    /// A filter is not one of the action's.
    UnknownFilter {
        /// Its name.
        name: String,
    },
    /// Instance types that are asked about do not exist.
    UnknownInstanceTypes {
        /// Their names.
        names: Vec<String>,
    },
    /// The token of a page is damaged, or belongs to another list.
    NextToken,
    /// User data is not base64.
    UserDataMalformed,
    /// User data is longer than EC2 allows.
    UserDataTooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// The rules of the cloud forbid it.
    Cloud(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Cloud(error)
    }
}

impl From<ArgsError> for Refusal {
    fn from(error: ArgsError) -> Refusal {
        Refusal::Args(error)
    }
}

/// The answer to a call that is refused; `service` is the one that it was signed for, as far as that is known.
pub fn refuse(refusal: &Refusal, service: Option<&str>, request_id: &str) -> Reply {
    let mut wording = wording(refusal, service);
    if let Some((end, _)) = wording.message.char_indices().nth(MESSAGE_MAX) {
        wording.message.truncate(end);
    }
    let Wording { code, status, message } = &wording;
    match form(service) {
        Form::Ec2 => Reply::xml(*status, envelope::ec2_error_xml(request_id, code, message)),
        Form::Query(namespace) => {
            let fault = if *status >= 500 { Fault::Receiver } else { Fault::Sender };
            Reply::xml(*status, envelope::query_error_xml(namespace, request_id, fault, (code, message)))
        }
        Form::Json => Reply::json(*status, envelope::aws_error_json(code, message)),
    }
}

/// Code and message of a refusal that a reply of EC2's tells beside what went well.
pub(crate) fn coded(error: &Error) -> (&'static str, String) {
    let Wording { code, message, .. } = cloud(error);
    (code, message)
}

/// The form of a service's errors.
enum Form {
    Ec2,
    Query(&'static str),
    Json,
}

/// Clients read an error in their service's own form only, also that of a service that is not served.
fn form(service: Option<&str>) -> Form {
    match service {
        None | Some("ec2") => Form::Ec2,
        Some("sts") => Form::Query(sts::NAMESPACE),
        Some("iam") => Form::Query(iam::NAMESPACE),
        Some("autoscaling") => Form::Query("http://autoscaling.amazonaws.com/doc/2011-01-01/"),
        Some("elasticloadbalancing") => Form::Query("http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"),
        Some(_) => Form::Json,
    }
}

/// What the client is told.
pub(crate) struct Wording {
    code: &'static str,
    status: u16,
    message: String,
}

fn say(code: &'static str, message: impl Into<String>) -> Wording {
    say_with(400, code, message)
}

pub(crate) fn say_with(status: u16, code: &'static str, message: impl Into<String>) -> Wording {
    Wording { code, status, message: message.into() }
}

fn wording(refusal: &Refusal, service: Option<&str>) -> Wording {
    let is_ec2 = matches!(service, None | Some("ec2"));
    let is_quotas = service == Some("servicequotas");
    let is_logs = service == Some("logs");
    match refusal {
        Refusal::Signature(error) => signature(error, is_ec2),
        Refusal::UnknownKey if is_ec2 => say_with(401, "AuthFailure", "The access key does not exist or is not active"),
        Refusal::UnknownKey => say_with(403, "InvalidClientTokenId", "The access key does not exist or is not active"),
        Refusal::SessionToken if is_ec2 => say_with(401, "AuthFailure", "The session token is not valid"),
        Refusal::SessionToken => say_with(403, "InvalidClientTokenId", "The session token is not valid"),
        Refusal::SessionExpired if is_ec2 => say("RequestExpired", "The session token has expired"),
        Refusal::SessionExpired => say_with(403, "ExpiredToken", "The session token has expired"),
        Refusal::Request(error) => say("MalformedQueryString", sentence(error)),
        Refusal::UnknownService { name } => unknown_service(name),
        Refusal::NoAction => say("MissingAction", "The request names no action"),
        Refusal::UnknownAction { name } => say("InvalidAction", format!("The action {name} is not valid for this web service")),
        Refusal::Args(error) if service == Some("ebs") => say("ValidationException", sentence(error)),
        Refusal::NextToken if service == Some("ebs") => say("ValidationException", "The token for the next page is not one of this list"),
        Refusal::Cloud(error) if service == Some("ebs") => snapshot_block::wording(error),
        Refusal::Args(error) if service == Some("dlm") => say("InvalidRequestException", sentence(error)),
        Refusal::UnknownParameter { name } if service == Some("dlm") => {
            say("InvalidRequestException", format!("The parameter {name} is not known here"))
        }
        Refusal::Cloud(error) if service == Some("dlm") => lifecycle::wording(error).unwrap_or_else(|| cloud(error)),
        Refusal::Args(error) if service == Some("kms") => say("ValidationException", sentence(error)),
        Refusal::NextToken if service == Some("kms") => say("InvalidMarkerException", "The marker is not one of this list"),
        Refusal::Cloud(error) if service == Some("kms") && !matches!(error, Error::TooManyRequests { .. }) => {
            kms::error::wording(error).unwrap_or_else(|| cloud(error))
        }
        Refusal::Args(error) if is_quotas => say("IllegalArgumentException", sentence(error)),
        Refusal::Args(error) if is_logs => say("InvalidParameterException", sentence(error)),
        Refusal::UnknownParameter { name } if is_logs => {
            say("InvalidParameterException", format!("The parameter {name} is not known here"))
        }
        Refusal::NextToken if is_logs => say("InvalidParameterException", "The specified nextToken is invalid."),
        Refusal::Args(error) => args(error),
        Refusal::UnknownParameter { name } => say("UnknownParameter", format!("The parameter {name} is not recognized")),
        Refusal::UnknownFilter { name } => say("InvalidParameterValue", format!("The filter '{name}' is invalid")),
        Refusal::UnknownInstanceTypes { names } => {
            say("InvalidInstanceType", format!("The following supplied instance types do not exist: [{}]", names.join(", ")))
        }
        Refusal::NextToken if is_quotas => say("InvalidPaginationTokenException", "The token is not one of this list"),
        Refusal::NextToken => say("InvalidNextToken", "The token for the next page is not valid for this request"),
        Refusal::UserDataMalformed => say("InvalidUserData.Malformed", "User data is not base64"),
        Refusal::UserDataTooLong { max } => say("InvalidParameterValue", format!("User data is limited to {max} bytes")),
        Refusal::Cloud(error) if is_quotas => service_quotas::error::wording(error).unwrap_or_else(|| cloud(error)),
        Refusal::Cloud(error) if is_logs => logs::wording(error).unwrap_or_else(|| cloud(error)),
        Refusal::Cloud(Error::TooManyRequests { .. }) => throttled(service),
        // STS has one code for whoever shows a wrong one, IAM another for whoever tries to enable a device with it.
        Refusal::Cloud(error @ Error::InvalidMfaCode) if service == Some("sts") => cloud(error),
        Refusal::Cloud(error) if matches!(service, Some("iam" | "sts")) => iam::error::wording(error).unwrap_or_else(|| cloud(error)),
        Refusal::Cloud(error) => cloud(error),
    }
}

/// What SDKs know as a reason to wait and try again.
fn throttled(service: Option<&str>) -> Wording {
    match form(service) {
        Form::Ec2 => say_with(503, "RequestLimitExceeded", "Request limit exceeded."),
        Form::Query(_) => say("Throttling", "Rate exceeded"),
        Form::Json => say("ThrottlingException", "Rate exceeded"),
    }
}

fn unknown_service(name: &str) -> Wording {
    let message = format!("The service {name} is not offered here");
    match form(Some(name)) {
        Form::Ec2 | Form::Query(_) => say("InvalidAction", message),
        Form::Json => say("UnknownOperationException", message),
    }
}

fn signature(error: &SignatureError, is_ec2: bool) -> Wording {
    let message = sentence(error);
    match error {
        SignatureError::Missing => say_with(403, "MissingAuthenticationToken", message),
        SignatureError::UnknownAlgorithm { .. }
        | SignatureError::Incomplete { .. }
        | SignatureError::Malformed { .. }
        | SignatureError::BadTimestamp { .. }
        | SignatureError::NotSigned { .. } => say("IncompleteSignature", message),
        SignatureError::Expired { .. } | SignatureError::NotYetValid { .. } if is_ec2 => say("RequestExpired", message),
        SignatureError::Expired { .. }
        | SignatureError::NotYetValid { .. }
        | SignatureError::Mismatch { .. }
        | SignatureError::BodyTampered { .. } => say_with(403, "SignatureDoesNotMatch", message),
    }
}

fn args(error: &ArgsError) -> Wording {
    let name = &error.path;
    match &error.kind {
        ArgsErrorKind::Missing => say("MissingParameter", format!("The request must contain the parameter {name}")),
        ArgsErrorKind::NotBase64 if name.starts_with("UserData") => wording(&Refusal::UserDataMalformed, None),
        ArgsErrorKind::NotBase64 if name == "PublicKeyMaterial" => say("InvalidKey.Format", "The public key is not base64"),
        _ if name.is_empty() => say("MalformedQueryString", sentence(&error.kind)),
        ArgsErrorKind::NotANumber
        | ArgsErrorKind::NotABoolean
        | ArgsErrorKind::NotATimestamp
        | ArgsErrorKind::NotBase64
        | ArgsErrorKind::NotJson
        | ArgsErrorKind::OutOfRange { .. }
        | ArgsErrorKind::NotOneOf { .. }
        | ArgsErrorKind::TooShort { .. }
        | ArgsErrorKind::TooLong { .. }
        | ArgsErrorKind::TooMany { .. }
        | ArgsErrorKind::TooDeep { .. }
        | ArgsErrorKind::Malformed
        | ArgsErrorKind::Duplicate
        | ArgsErrorKind::NotAValue
        | ArgsErrorKind::NotAStructure
        | ArgsErrorKind::NotAList => {
            let given = error.given.as_ref().map_or(String::new(), |given| format!("Value ({given}) for "));
            let message =
                if given.is_empty() { format!("The parameter {name}") } else { format!("{given}parameter {name} is invalid. It") };
            say("InvalidParameterValue", format!("{message} {}", error.kind))
        }
    }
}

fn cloud(error: &Error) -> Wording {
    let message = sentence(error);
    match error {
        Error::NotFound { noun, id } => not_found(*noun, id),
        Error::MalformedId { noun, id } => say(malformed_code(*noun), format!("Invalid id: \"{id}\"")),
        Error::Duplicate { noun: Noun::SecurityGroupRule, .. } => {
            say("InvalidPermission.Duplicate", "A rule with this protocol, these ports and this peer already exists")
        }
        Error::Duplicate { noun, .. } => say(duplicate_code(*noun), message),
        Error::IncorrectState { noun, id, state, wanted } => {
            say(state_code(*noun, state, wanted), format!("The {noun} '{id}' is {}; it must be {}", state_word(state), state_word(wanted)))
        }
        Error::InUse { noun, .. } => say(in_use_code(*noun), message),
        Error::Protected { noun: Noun::SecurityGroup, .. } => say("CannotDelete", message),
        Error::Protected { against: "deletion", .. }
        | Error::Protected { noun: Noun::Volume | Noun::Interface | Noun::VpcRange | Noun::NatAddress, .. } => {
            say("OperationNotPermitted", message)
        }
        Error::Protected { id, against, .. } => {
            let attribute = if *against == "stopping" { "disableApiStop" } else { "disableApiTermination" };
            let advice = format!("Change its '{attribute}' instance attribute and try again");
            say("OperationNotPermitted", format!("The instance '{id}' is protected against {against}. {advice}"))
        }
        Error::QuotaExceeded { quota, .. } => say(quota_code(*quota), message),
        Error::TooManyRequests { .. } => throttled(None),
        Error::LimitReached { name: "DhcpOptions", .. } => say("DhcpOptionsLimitExceeded", message),
        Error::LimitReached { name: "FlowLog", .. } => say("FlowLogsLimitExceeded", message),
        Error::LimitReached { name: "PrefixListEntry", .. } => say("PrefixListMaxEntriesExceeded", message),
        Error::LimitReached { name: "NetworkAclEntry", .. } => say("NetworkAclEntryLimitExceeded", message),
        Error::LimitReached { name: "SecurityGroupRule", .. } => say("RulesPerSecurityGroupLimitExceeded", message),
        Error::LimitReached { name: "NetworkInterface" | "SharedVolume", .. } => say("AttachmentLimitExceeded", message),
        Error::LimitReached { name: "PrivateIpAddress", .. } => say("PrivateIpAddressLimitExceeded", message),
        Error::LimitReached { name: "Ipv6CidrBlock", .. } => say("CidrLimitExceeded", message),
        Error::LimitReached { name: "VolumeId", .. } => say("ConcurrentSnapshotLimitExceeded", message),
        Error::NoCapacity { .. } | Error::NoPlaceInGroup { .. } | Error::LimitReached { name: "PlacementGroup", .. } => {
            say_with(500, "InsufficientInstanceCapacity", message)
        }
        Error::NoReservedCapacity { .. } => say("ReservationCapacityExceeded", message),
        Error::LimitReached { .. } => say("ResourceLimitExceeded", message),
        Error::NoDiskRoom { .. } => say_with(500, "InsufficientVolumeCapacity", message),
        Error::ZoneMismatch { noun: Noun::Volume, .. } => say("InvalidVolume.ZoneMismatch", message),
        Error::ZoneMismatch { .. } => say("InvalidParameterCombination", message),
        Error::TooManyVolumes { .. } => say("AttachmentLimitExceeded", message),
        Error::NoFreeAddress { noun: Noun::Subnet, .. } => say("InsufficientFreeAddressesInSubnet", message),
        Error::NoFreeAddress { .. } => say("InsufficientAddressCapacity", message),
        Error::MissingParameter { name } => say("MissingParameter", format!("The request must contain the parameter {name}")),
        Error::InvalidParameter { name, .. } => say(invalid_code(name), message),
        Error::InvalidCombination { .. } => say("InvalidParameterCombination", message),
        Error::ClientTokenReused => say("IdempotentParameterMismatch", message),
        Error::InvalidMfaCode => say_with(403, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."),
        Error::Unauthorized { .. } => say_with(403, "UnauthorizedOperation", "You are not authorized to perform this operation."),
        Error::DryRun => say_with(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."),
        Error::Unsupported { .. } => say("UnsupportedOperation", message),
        Error::Internal => say_with(500, "InternalError", "An internal error has occurred"),
        Error::Unavailable => say_with(503, "Unavailable", "The service is unavailable. Please try again shortly."),
    }
}

fn not_found(noun: Noun, id: &str) -> Wording {
    let code = match noun {
        Noun::Instance => "InvalidInstanceID.NotFound",
        Noun::Image => "InvalidAMIID.NotFound",
        Noun::KeyPair => "InvalidKeyPair.NotFound",
        Noun::KmsKey => "InvalidKMSKey.NotFound",
        Noun::Volume => "InvalidVolume.NotFound",
        Noun::Snapshot => "InvalidSnapshot.NotFound",
        Noun::Vpc => "InvalidVpcID.NotFound",
        Noun::Subnet => "InvalidSubnetID.NotFound",
        Noun::Interface => "InvalidNetworkInterfaceID.NotFound",
        Noun::Attachment => "InvalidAttachmentID.NotFound",
        Noun::Address => "InvalidAllocationID.NotFound",
        Noun::SecurityGroup => "InvalidGroup.NotFound",
        Noun::SecurityGroupRule if id.starts_with(RuleId::PREFIX) => "InvalidSecurityGroupRuleId.NotFound",
        Noun::Association => "InvalidAssociationID.NotFound",
        Noun::RouteTableAssociation => "InvalidAssociationID.NotFound",
        Noun::InternetGateway => "InvalidInternetGatewayID.NotFound",
        Noun::EgressOnlyGateway => "InvalidEgressOnlyInternetGatewayId.NotFound",
        Noun::Ipv6Address | Noun::Ipv6Bandwidth | Noun::EgressOnlyRule => "ResourceNotFoundException",
        Noun::NatGateway => "NatGatewayNotFound",
        Noun::VpcPeering => "InvalidVpcPeeringConnectionID.NotFound",
        Noun::NatAddress | Noun::NatSource | Noun::NatForward => "InvalidAllocationID.NotFound",
        Noun::SnapshotPolicy | Noun::SnapshotGroup | Noun::DiskBackup | Noun::BandwidthPackage => "ResourceNotFoundException",
        Noun::DhcpOptions => "InvalidDhcpOptionID.NotFound",
        Noun::RouteTable => "InvalidRouteTableID.NotFound",
        Noun::NetworkAcl => "InvalidNetworkAclID.NotFound",
        Noun::NetworkAclEntry => {
            return say("InvalidNetworkAclEntry.NotFound", format!("The network ACL has no entry {id} in this direction"));
        }
        Noun::NetworkAclAssociation => "InvalidAssociationID.NotFound",
        Noun::NetworkPath => "InvalidNetworkInsightsPathId.NotFound",
        Noun::PathAnalysis => "InvalidNetworkInsightsAnalysisId.NotFound",
        Noun::QuotaRequest => "NoSuchResourceException",
        Noun::PlacementGroup => "InvalidPlacementGroup.Unknown",
        Noun::PrefixList => "InvalidPrefixListID.NotFound",
        Noun::Ipv6Range if id.starts_with(SubnetRangeId::PREFIX) => "InvalidSubnetCidrBlockAssociationID.NotFound",
        Noun::Ipv6Range | Noun::VpcRange => "InvalidVpcCidrBlockAssociationID.NotFound",
        Noun::ImageTask if id.starts_with("export-") => "InvalidExportTaskID.NotFound",
        Noun::ImageTask => "InvalidConversionTaskId",
        Noun::FlowLog => "InvalidFlowLogId.NotFound",
        Noun::CapacityReservation => "InvalidCapacityReservationId.NotFound",
        Noun::InstanceFleet => "InvalidFleetId.NotFound",
        Noun::LogGroup | Noun::LogStream => "ResourceNotFoundException",
        Noun::InstanceEvent => "InvalidInstanceEventIDNotFound",
        Noun::Route => return say("InvalidRoute.NotFound", format!("There is no route defined for '{id}' in the route table")),
        Noun::SecurityGroupRule => return say("InvalidPermission.NotFound", "No rule has this protocol, these ports and this peer"),
        Noun::InstanceProfile => {
            return say(
                "InvalidParameterValue",
                format!("Value ({id}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"),
            );
        }
        Noun::InstanceRole => "InvalidAssociationID.NotFound",
        Noun::LaunchTemplate if id.starts_with(LaunchTemplateId::PREFIX) => "InvalidLaunchTemplateId.NotFound",
        Noun::LaunchTemplate => "InvalidLaunchTemplateName.NotFoundException",
        Noun::LaunchTemplateVersion => "InvalidLaunchTemplateId.VersionNotFound",
        Noun::Host => "InvalidHostID.NotFound",
        Noun::User => "InvalidUserID.NotFound",
        Noun::InstanceType => return say("InvalidParameterValue", format!("Invalid value '{id}' for InstanceType")),
        Noun::Zone => return say("InvalidParameterValue", format!("Invalid availability zone: [{id}]")),
        Noun::Region
        | Noun::Account
        | Noun::AccessKey
        | Noun::UserGroup
        | Noun::Role
        | Noun::Policy
        | Noun::PolicyVersion
        | Noun::MfaDevice => {
            return say("InvalidParameterValue", format!("The {noun} '{id}' does not exist"));
        }
    };
    say(code, format!("The {noun} '{id}' does not exist"))
}

/// The code for a thing in a state that does not allow the call.
fn state_code(noun: Noun, state: &str, wanted: &str) -> &'static str {
    match noun {
        Noun::Instance => "IncorrectInstanceState",
        Noun::KmsKey => "InvalidKMSKey.InvalidState",
        Noun::Image => "InvalidAMIID.Unavailable",
        Noun::CapacityReservation => "InvalidCapacityReservationState",
        Noun::Volume if state == "modifying" => "IncorrectModificationState",
        Noun::Address if wanted == "associated" => "InvalidAssociationID.NotFound",
        Noun::Address => "InvalidIPAddress.InUse",
        Noun::InternetGateway => "Gateway.NotAttached",
        Noun::Account
        | Noun::UserGroup
        | Noun::Role
        | Noun::Policy
        | Noun::User
        | Noun::AccessKey
        | Noun::MfaDevice
        | Noun::PolicyVersion
        | Noun::Region
        | Noun::Zone
        | Noun::Host
        | Noun::InstanceType
        | Noun::KeyPair
        | Noun::InstanceProfile
        | Noun::InstanceRole
        | Noun::LaunchTemplate
        | Noun::LaunchTemplateVersion
        | Noun::Volume
        | Noun::Snapshot
        | Noun::Vpc
        | Noun::Subnet
        | Noun::Interface
        | Noun::Attachment
        | Noun::SecurityGroup
        | Noun::SecurityGroupRule
        | Noun::Association
        | Noun::NatGateway
        | Noun::EgressOnlyGateway
        | Noun::Ipv6Address
        | Noun::Ipv6Bandwidth
        | Noun::EgressOnlyRule
        | Noun::VpcPeering
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
        | Noun::NetworkAcl
        | Noun::NetworkAclEntry
        | Noun::NetworkAclAssociation
        | Noun::NetworkPath
        | Noun::PathAnalysis
        | Noun::QuotaRequest
        | Noun::PlacementGroup
        | Noun::PrefixList
        | Noun::Ipv6Range
        | Noun::VpcRange
        | Noun::ImageTask
        | Noun::FlowLog
        | Noun::LogGroup
        | Noun::LogStream
        | Noun::InstanceFleet
        | Noun::InstanceEvent
        | Noun::RouteTableAssociation => "IncorrectState",
    }
}

const fn malformed_code(noun: Noun) -> &'static str {
    match noun {
        Noun::Instance => "InvalidInstanceID.Malformed",
        Noun::Image => "InvalidAMIID.Malformed",
        Noun::Volume => "InvalidVolumeID.Malformed",
        Noun::Snapshot => "InvalidSnapshotID.Malformed",
        Noun::Vpc => "InvalidVpcID.Malformed",
        Noun::Subnet => "InvalidSubnetID.Malformed",
        Noun::Interface => "InvalidNetworkInterfaceId.Malformed",
        Noun::Attachment => "InvalidNetworkInterfaceAttachmentId.Malformed",
        Noun::SecurityGroup => "InvalidGroupId.Malformed",
        Noun::SecurityGroupRule => "InvalidSecurityGroupRuleId.Malformed",
        Noun::NatGateway | Noun::NatAddress | Noun::NatSource | Noun::NatForward => "NatGatewayMalformed",
        Noun::SnapshotPolicy | Noun::SnapshotGroup | Noun::DiskBackup | Noun::BandwidthPackage => "InvalidParameterValue",
        Noun::DhcpOptions => "InvalidDhcpOptionsId.Malformed",
        Noun::VpcPeering => "InvalidVpcPeeringConnectionId.Malformed",
        Noun::RouteTable => "InvalidRouteTableId.Malformed",
        Noun::NetworkAcl | Noun::NetworkAclEntry => "InvalidNetworkAclId.Malformed",
        Noun::NetworkPath => "InvalidNetworkInsightsPathId.Malformed",
        Noun::PathAnalysis => "InvalidNetworkInsightsAnalysisId.Malformed",
        Noun::QuotaRequest => "NoSuchResourceException",
        Noun::PlacementGroup => "InvalidPlacementGroupId.Malformed",
        Noun::PrefixList => "InvalidPrefixListId.Malformed",
        Noun::Ipv6Range | Noun::VpcRange => "InvalidCidrBlockAssociationID.Malformed",
        Noun::ImageTask => "InvalidConversionTaskId.Malformed",
        Noun::FlowLog => "InvalidFlowLogId.Malformed",
        Noun::CapacityReservation => "InvalidCapacityReservationId.Malformed",
        Noun::InstanceFleet => "InvalidFleetId.Malformed",
        Noun::LogGroup | Noun::LogStream | Noun::InstanceEvent => "InvalidParameterValue",
        Noun::InternetGateway => "InvalidInternetGatewayId.Malformed",
        Noun::EgressOnlyGateway => "InvalidEgressOnlyInternetGatewayId.Malformed",
        Noun::Ipv6Address | Noun::Ipv6Bandwidth | Noun::EgressOnlyRule => "InvalidParameterValue",
        Noun::Association | Noun::RouteTableAssociation | Noun::NetworkAclAssociation | Noun::InstanceRole => {
            "InvalidAssociationID.Malformed"
        }
        Noun::LaunchTemplate => "InvalidLaunchTemplateId.Malformed",
        Noun::LaunchTemplateVersion
        | Noun::InstanceProfile
        | Noun::KeyPair
        | Noun::KmsKey
        | Noun::Address
        | Noun::InstanceType
        | Noun::Account
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
        | Noun::Route => "InvalidParameterValue",
    }
}

const fn duplicate_code(noun: Noun) -> &'static str {
    match noun {
        Noun::KeyPair => "InvalidKeyPair.Duplicate",
        Noun::PlacementGroup => "InvalidPlacementGroup.Duplicate",
        Noun::SecurityGroup => "InvalidGroup.Duplicate",
        Noun::SecurityGroupRule => "InvalidPermission.Duplicate",
        Noun::Image => "InvalidAMIName.Duplicate",
        Noun::Association | Noun::InternetGateway | Noun::RouteTableAssociation => "Resource.AlreadyAssociated",
        Noun::Route => "RouteAlreadyExists",
        Noun::VpcPeering => "VpcPeeringConnectionAlreadyExists",
        Noun::NetworkAclEntry => "NetworkAclEntryAlreadyExists",
        Noun::Subnet => "InvalidSubnet.Conflict",
        Noun::Vpc => "DefaultVpcAlreadyExists",
        Noun::VpcRange => "CidrConflict",
        Noun::LaunchTemplate => "InvalidLaunchTemplateName.AlreadyExistsException",
        Noun::LaunchTemplateVersion
        | Noun::InstanceProfile
        | Noun::InstanceRole
        | Noun::Account
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
        | Noun::KmsKey
        | Noun::Volume
        | Noun::Snapshot
        | Noun::Interface
        | Noun::Attachment
        | Noun::EgressOnlyGateway
        | Noun::Ipv6Address
        | Noun::Ipv6Bandwidth
        | Noun::EgressOnlyRule
        | Noun::NatGateway
        | Noun::NatAddress
        | Noun::NatSource
        | Noun::NatForward
        | Noun::SnapshotPolicy
        | Noun::SnapshotGroup
        | Noun::DiskBackup
        | Noun::BandwidthPackage
        | Noun::DhcpOptions
        | Noun::RouteTable
        | Noun::NetworkAcl
        | Noun::NetworkAclAssociation
        | Noun::NetworkPath
        | Noun::PathAnalysis
        | Noun::PrefixList
        | Noun::Ipv6Range
        | Noun::ImageTask
        | Noun::CapacityReservation
        | Noun::InstanceFleet
        | Noun::LogStream
        | Noun::InstanceEvent
        | Noun::Address => "InvalidParameterValue",
        Noun::FlowLog => "FlowLogAlreadyExists",
        Noun::LogGroup => "ResourceAlreadyExistsException",
        Noun::QuotaRequest => "ResourceAlreadyExistsException",
    }
}

const fn in_use_code(noun: Noun) -> &'static str {
    match noun {
        Noun::Address | Noun::NatAddress => "InvalidIPAddress.InUse",
        Noun::Volume => "VolumeInUse",
        Noun::Snapshot => "InvalidSnapshot.InUse",
        Noun::Interface => "InvalidNetworkInterface.InUse",
        Noun::NetworkPath => "AnalysisExistsForNetworkInsightsPath",
        Noun::InstanceRole => "IncorrectState",
        Noun::Ipv6Range | Noun::VpcRange => "InvalidCidrBlock.InUse",
        Noun::PlacementGroup => "InvalidPlacementGroup.InUse",
        Noun::InstanceProfile
        | Noun::LaunchTemplate
        | Noun::LaunchTemplateVersion
        | Noun::Account
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
        | Noun::Image
        | Noun::KeyPair
        | Noun::KmsKey
        | Noun::Vpc
        | Noun::Subnet
        | Noun::SecurityGroup
        | Noun::Attachment
        | Noun::SecurityGroupRule
        | Noun::Association
        | Noun::InternetGateway
        | Noun::EgressOnlyGateway
        | Noun::Ipv6Address
        | Noun::Ipv6Bandwidth
        | Noun::EgressOnlyRule
        | Noun::NatGateway
        | Noun::VpcPeering
        | Noun::NatSource
        | Noun::NatForward
        | Noun::SnapshotPolicy
        | Noun::SnapshotGroup
        | Noun::DiskBackup
        | Noun::BandwidthPackage
        | Noun::DhcpOptions
        | Noun::RouteTable
        | Noun::Route
        | Noun::NetworkAcl
        | Noun::NetworkAclEntry
        | Noun::NetworkAclAssociation
        | Noun::PathAnalysis
        | Noun::QuotaRequest
        | Noun::PrefixList
        | Noun::ImageTask
        | Noun::CapacityReservation
        | Noun::InstanceFleet
        | Noun::FlowLog
        | Noun::LogGroup
        | Noun::LogStream
        | Noun::InstanceEvent
        | Noun::RouteTableAssociation => "DependencyViolation",
    }
}

const fn quota_code(quota: QuotaName) -> &'static str {
    match quota {
        QuotaName::Instances => "InstanceLimitExceeded",
        QuotaName::KeyPairs | QuotaName::LaunchTemplates => "ResourceLimitExceeded",
        QuotaName::Addresses => "AddressLimitExceeded",
        QuotaName::SecurityGroups => "SecurityGroupLimitExceeded",
        QuotaName::Volumes => "VolumeLimitExceeded",
        QuotaName::Snapshots => "SnapshotLimitExceeded",
        QuotaName::Images => "ResourceLimitExceeded",
        QuotaName::Vpcs => "VpcLimitExceeded",
        QuotaName::VpcRanges => "CidrLimitExceeded",
        QuotaName::Subnets => "SubnetLimitExceeded",
        QuotaName::InternetGateways => "InternetGatewayLimitExceeded",
        QuotaName::EgressOnlyGateways => "EgressOnlyInternetGatewayLimitExceeded",
        QuotaName::NatGateways => "NatGatewayLimitExceeded",
        QuotaName::NatAddresses => "AddressLimitExceeded",
        QuotaName::VpcPeerings => "VpcPeeringConnectionsPerVpcLimitExceeded",
        QuotaName::NatSources | QuotaName::NatForwards => "ResourceLimitExceeded",
        QuotaName::RouteTables => "RouteTableLimitExceeded",
        QuotaName::Routes => "RouteLimitExceeded",
        QuotaName::NetworkAcls => "NetworkAclLimitExceeded",
        QuotaName::NetworkPaths => "NetworkInsightsPathLimitExceeded",
        QuotaName::PathAnalyses => "NetworkInsightsAnalysisLimitExceeded",
        QuotaName::Interfaces => "NetworkInterfaceLimitExceeded",
        QuotaName::PlacementGroups => "PlacementGroupLimitExceeded",
        QuotaName::PrefixLists => "PrefixListLimitExceeded",
        QuotaName::InstanceFleets => "ResourceLimitExceeded",
        QuotaName::ReadRequests | QuotaName::ChangeRequests | QuotaName::InstanceLaunches => "RequestLimitExceeded",
    }
}

/// The code for a value that is not allowed, by the canonical name of its parameter.
fn invalid_code(parameter: &str) -> &'static str {
    match parameter {
        "PublicKeyMaterial" => "InvalidKey.Format",
        "VolumeSize" => "InvalidBlockDeviceMapping",
        "Attachment" => "InvalidAttachment.NotFound",
        "InstanceAttributeValue" => "InvalidInstanceAttributeValue",
        "CurrentVersion" => "PrefixListVersionMismatch",
        "Tag" => "TagLimitExceeded",
        "VpcRange" => "InvalidVpc.Range",
        "SubnetRange" => "InvalidSubnet.Range",
        _ => "InvalidParameterValue",
    }
}

/// EC2's word for the state of an instance where the cloud's own differs.
fn state_word(word: &'static str) -> &'static str {
    match word {
        "launching" | "starting" => "pending",
        "terminating" => "shutting-down",
        other => other,
    }
}

/// An error's text as a sentence: with a capital letter.
pub(crate) fn sentence(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Refuses a parameter that the cloud cannot honour; silence would be a false promise.
pub(crate) fn unsupported(what: impl Into<String>) -> Refusal {
    Refusal::Cloud(Error::Unsupported { what: what.into() })
}

/// Refuses parameters that exclude each other.
pub(crate) fn combination(reason: impl Into<String>) -> Refusal {
    Refusal::Cloud(Error::InvalidCombination { reason: reason.into() })
}
