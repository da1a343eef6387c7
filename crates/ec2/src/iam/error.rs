//! IAM's and STS's codes: one table from what is wrong to code, status and words ("IAM API reference", errors of each action).

use model::{Error, Noun};

use crate::error::{Wording, say_with, sentence};

/// The words for a refusal, where they are not those of EC2.
pub(crate) fn wording(error: &Error) -> Option<Wording> {
    let message = sentence(error);
    Some(match error {
        Error::NotFound {
            noun:
                Noun::Account
                | Noun::User
                | Noun::UserGroup
                | Noun::Role
                | Noun::Policy
                | Noun::PolicyVersion
                | Noun::AccessKey
                | Noun::InstanceProfile
                | Noun::MfaDevice,
            ..
        } => say_with(404, "NoSuchEntity", message),
        Error::Duplicate { .. } => say_with(409, "EntityAlreadyExists", message),
        Error::InUse { .. } => say_with(409, "DeleteConflict", message),
        Error::LimitReached { name: "Tags", .. } => say_with(400, "PackedPolicyTooLarge", message),
        Error::LimitReached { .. } | Error::QuotaExceeded { .. } => say_with(409, "LimitExceeded", message),
        Error::InvalidParameter { name: "PolicyDocument" | "AssumeRolePolicyDocument", .. } => {
            say_with(400, "MalformedPolicyDocument", message)
        }
        Error::InvalidParameter { .. } | Error::InvalidCombination { .. } => say_with(400, "ValidationError", message),
        Error::InvalidMfaCode => say_with(403, "InvalidAuthenticationCode", message),
        Error::Unauthorized { action } => say_with(403, "AccessDenied", format!("The caller is not authorized to perform: {action}")),
        Error::Unsupported { .. } => say_with(400, "InvalidInput", message),
        Error::Internal => say_with(500, "ServiceFailure", "An internal error has occurred"),
        Error::NotFound { .. }
        | Error::MalformedId { .. }
        | Error::IncorrectState { .. }
        | Error::Protected { .. }
        | Error::NoCapacity { .. }
        | Error::NoPlaceInGroup { .. }
        | Error::NoReservedCapacity { .. }
        | Error::NoDiskRoom { .. }
        | Error::NoFreeAddress { .. }
        | Error::MissingParameter { .. }
        | Error::ClientTokenReused
        | Error::DryRun
        | Error::ZoneMismatch { .. }
        | Error::TooManyRequests { .. }
        | Error::TooManyVolumes { .. }
        | Error::Unavailable => return None,
    })
}
