//! Service Quotas' codes ("Service Quotas API reference", errors of each action).

use model::{Error, Noun};

use crate::error::{Wording, say_with, sentence};

/// The words for a refusal, where they are not those of EC2.
pub(crate) fn wording(error: &Error) -> Option<Wording> {
    let (status, code) = match error {
        Error::NotFound { noun: Noun::QuotaRequest, id } => {
            return Some(say_with(400, "NoSuchResourceException", format!("The resource {id} does not exist.")));
        }
        Error::Duplicate { .. } => (400, "ResourceAlreadyExistsException"),
        Error::LimitReached { .. } => (400, "QuotaExceededException"),
        Error::InvalidParameter { .. } | Error::MissingParameter { .. } => (400, "IllegalArgumentException"),
        Error::TooManyRequests { .. } => (400, "TooManyRequestsException"),
        Error::Unauthorized { action } => {
            return Some(say_with(400, "AccessDeniedException", format!("The caller is not authorized to perform: {action}")));
        }
        Error::Internal | Error::Unavailable => (500, "ServiceException"),
        Error::NotFound { .. }
        | Error::MalformedId { .. }
        | Error::IncorrectState { .. }
        | Error::InUse { .. }
        | Error::Protected { .. }
        | Error::QuotaExceeded { .. }
        | Error::NoCapacity { .. }
        | Error::NoPlaceInGroup { .. }
        | Error::NoReservedCapacity { .. }
        | Error::NoDiskRoom { .. }
        | Error::ZoneMismatch { .. }
        | Error::TooManyVolumes { .. }
        | Error::NoFreeAddress { .. }
        | Error::InvalidCombination { .. }
        | Error::InvalidMfaCode
        | Error::ClientTokenReused
        | Error::DryRun
        | Error::Unsupported { .. } => return None,
    };
    Some(say_with(status, code, sentence(error)))
}
