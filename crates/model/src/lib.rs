//! What Pileus knows: nouns, units, ids, rules, state machines, policy evaluation and refusals.
//!
//! Pure: no I/O, clock, randomness, async, locks or SQL. Time and ids come in as arguments, and every function gives the
//! same answer twice. Vendors' words are not known here; a dialect translates.

mod account;
mod address;
mod error;
mod event;
mod gateway;
mod host;
mod id;
mod image;
mod instance;
mod instance_role;
pub mod instance_type;
mod interface;
mod key_pair;
mod launch_template;
mod network;
mod network_acl;
mod network_path;
mod permission;
pub mod policy;
mod quota;
pub mod reachability;
mod role;
mod route;
mod security_group;
mod snapshot;
mod subnet;
mod tag;
mod text;
mod trail;
mod units;
mod user_group;
mod volume;

pub use account::*;
pub use address::*;
pub use error::*;
pub use event::*;
pub use gateway::*;
pub use host::*;
pub use id::*;
pub use image::*;
pub use instance::*;
pub use instance_role::*;
pub use instance_type::{Architecture, Catalogue, InstanceType};
pub use interface::*;
pub use key_pair::*;
pub use launch_template::*;
pub use network::*;
pub use network_acl::*;
pub use network_path::*;
pub use permission::*;
pub use quota::*;
pub use role::*;
pub use route::*;
pub use security_group::*;
pub use snapshot::*;
pub use subnet::*;
pub use tag::*;
pub use text::*;
pub use trail::*;
pub use units::*;
pub use user_group::*;
pub use volume::*;
