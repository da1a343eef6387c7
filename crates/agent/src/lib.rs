//! The only code of Pileus that touches a machine: QEMU, network, disks, metadata.
//!
//! ```text
//!   HostSpec ─▶ runtime ─▶ plan(spec, seen) ─▶ changes ─▶ vm tasks ─▶ cage ─▶ QEMU
//!                  ▲                              ├─────▶ block pool, image server
//!                  └──────── what was seen ◀──────┴─────▶ net
//!   HostReport ◀───┘
//! ```
//!
//! A host converges on whole documents and answers with whole reports; nothing else crosses the border. Guests outlive the
//! agent: every process that belongs to one runs on its own and is found again by what it left in the state folder.
//! This crate knows no database, no account and no vendor's words.

pub mod block;
pub mod cage;
pub mod doctor;
pub mod guest;
pub mod net;
pub mod plan;
pub mod qemu;
pub mod runtime;

mod cgroup;
mod clock;
mod files;
mod trouble;

pub use block::image::ImageSource;
pub use runtime::{Agent, AgentConfig, AgentError, AgentHandle, ConsoleOutput, kept_document};
pub use trouble::Trouble;
