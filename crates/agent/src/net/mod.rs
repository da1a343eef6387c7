//! The network of a host: devices, routes and rules of the VPCs that have members here.

use std::io;
use std::os::fd::OwnedFd;

use hostspec::{HostSpec, NicSpec, VpcSpec};

/// The networks of this host.
#[derive(Debug)]
pub struct Network;

/// What came of bringing the networks to a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetReport {
    /// What could not be made, in words for the operator.
    pub faults: Vec<String>,
}

impl Network {
    /// Brings devices, routes and rules to what the document says.
    pub async fn apply(&self, _spec: &HostSpec) -> NetReport {
        NetReport::default()
    }

    /// Opens the tap of an interface inside its VPC.
    pub async fn open_tap(&self, _vpc: &VpcSpec, nic: &NicSpec) -> io::Result<OwnedFd> {
        Err(io::Error::other(format!("{} has no network", nic.id)))
    }
}
