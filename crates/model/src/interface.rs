//! Network interfaces.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, InstanceId, InterfaceId, MacAddr, Millis, SecurityGroupId, SubnetId, Tags, VpcId};

/// Most security groups on one interface.
pub const GROUPS_PER_INTERFACE_MAX: usize = 5;

/// A network interface with its private address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its id.
    pub id: InterfaceId,
    /// Owner.
    pub account: AccountId,
    /// VPC of its subnet.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Private address, unique in the VPC.
    pub ip: Ipv4Addr,
    /// Hardware address, unique in the installation.
    pub mac: MacAddr,
    /// The instance that it is plugged into.
    pub instance: Option<InstanceId>,
    /// Whether it goes when its instance is terminated.
    pub delete_on_termination: bool,
    /// Security groups, 1 to [`GROUPS_PER_INTERFACE_MAX`].
    pub groups: Vec<SecurityGroupId>,
    /// Description.
    pub description: String,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}
