//! KMS's codes ("AWS Key Management Service API reference", errors of each action).

use model::Error;

use crate::error::{Wording, say_with, sentence};

/// The words for a refusal, where they are not those of EC2.
pub(crate) fn wording(error: &Error) -> Option<Wording> {
    let (status, code) = match error {
        Error::NotFound { .. } => (400, "NotFoundException"),
        Error::Duplicate { .. } => (400, "AlreadyExistsException"),
        Error::IncorrectState { state: "disabled", .. } => (400, "DisabledException"),
        Error::IncorrectState { .. } | Error::Protected { .. } => (400, "KMSInvalidStateException"),
        Error::LimitReached { .. } | Error::QuotaExceeded { .. } => (400, "LimitExceededException"),
        Error::InvalidParameter { name: "AliasName", .. } => (400, "InvalidAliasNameException"),
        Error::MalformedId { .. } | Error::InvalidParameter { .. } | Error::MissingParameter { .. } | Error::InvalidCombination { .. } => {
            (400, "ValidationException")
        }
        Error::Unsupported { .. } => (400, "UnsupportedOperationException"),
        Error::Unauthorized { action } => {
            return Some(say_with(400, "AccessDeniedException", format!("The caller is not authorized to perform: {action}")));
        }
        Error::DryRun => (400, "DryRunOperationException"),
        Error::Internal => (500, "KMSInternalException"),
        Error::Unavailable => (503, "DependencyTimeoutException"),
        Error::TooManyRequests { .. }
        | Error::InUse { .. }
        | Error::NoCapacity { .. }
        | Error::NoPlaceInGroup { .. }
        | Error::NoReservedCapacity { .. }
        | Error::NoDiskRoom { .. }
        | Error::ZoneMismatch { .. }
        | Error::TooManyVolumes { .. }
        | Error::NoFreeAddress { .. }
        | Error::InvalidMfaCode
        | Error::ClientTokenReused => return None,
    };
    Some(say_with(status, code, sentence(error)))
}
