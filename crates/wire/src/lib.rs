//! How the clouds' requests are decoded, verified and answered.
mod args;
pub mod doc;
pub mod envelope;
pub mod json;
pub mod limits;
mod request;
pub mod signature;
pub mod time;
pub mod xml;

extern crate self as wire;

pub use args::*;
pub use doc::{Doc, IntoDoc, Minute};
pub use request::{Request, RequestError, decode_bytes, raw_pairs};
pub use signature::{Claim, Cloud, Scheme, SignatureError, SigningKeys, guess_cloud, identify};
pub use wire_derive::{FromArg, IntoDoc};
