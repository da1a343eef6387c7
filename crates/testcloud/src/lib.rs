//! What the tests of every dialect begin with: a small cloud, and replies that are kept as texts.
//!
//! It knows no dialect. Only tests use it, so what fails here panics.

mod cloud;
mod golden;

pub use cloud::{NOON, SmallCloud};
pub use golden::{Golden, SHOWN_ACCOUNT, indented_json, indented_xml, texts};
