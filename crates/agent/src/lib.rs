//! The only code of Pileus that touches a machine: QEMU, network, disks, metadata.

pub mod guest;
pub mod net;
