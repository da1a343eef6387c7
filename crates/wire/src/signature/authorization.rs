//! The `Authorization` header that three vendors write in the same way:
//! `ALGORITHM Credential=...,SignedHeaders=a;b,Signature=hex`, with or without spaces.

use super::{Scheme, SignatureError};
use crate::limits;

/// The header's parts.
pub(super) struct Authorization<'a> {
    pub(super) credential: &'a str,
    pub(super) signed_headers: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads what stands behind the algorithm.
    pub(super) fn parse(scheme: Scheme, text: &'a str) -> Result<Self, SignatureError> {
        let find = |part: &'static str| {
            text.split(',')
                .filter_map(|piece| piece.trim().split_once('='))
                .find(|(name, _)| *name == part)
                .map(|(_, value)| value)
                .filter(|value| !value.is_empty())
                .ok_or(SignatureError::Incomplete { scheme, part })
        };
        let authorization = Self { credential: find("Credential")?, signed_headers: find("SignedHeaders")?, signature: find("Signature")? };
        check_signed_headers(scheme, authorization.signed_headers)?;
        Ok(authorization)
    }
}

/// Refuses a list of signed headers that costs more than any real one.
pub(super) fn check_signed_headers(scheme: Scheme, names: &str) -> Result<(), SignatureError> {
    if names.split(';').nth(limits::MAX_HEADERS).is_some() {
        let part = "SignedHeaders";
        return Err(SignatureError::Malformed { scheme, part });
    }
    Ok(())
}

/// Refuses when one of `headers` is present but not among the `signed` ones.
pub(super) fn require_signed(
    scheme: Scheme,
    request: &crate::Request,
    signed: &str,
    headers: &[&'static str],
) -> Result<(), SignatureError> {
    let is_signed = |header: &str| signed.split(';').any(|name| name.eq_ignore_ascii_case(header));
    let unsigned = headers.iter().find(|header| request.header(header).is_some() && !is_signed(header));
    match unsigned {
        Some(header) => Err(SignatureError::NotSigned { scheme, header }),
        None => Ok(()),
    }
}
