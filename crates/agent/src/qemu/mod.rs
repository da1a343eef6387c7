//! QEMU: what it is started with, how it is spoken to, and how its process is found again.

pub mod args;
pub mod canary;
pub mod disk;
pub mod fleece;
pub mod guest_agent;
pub mod layer;
pub mod nic;
pub mod process;
pub mod qmp;
pub mod serial;
mod throttle;
