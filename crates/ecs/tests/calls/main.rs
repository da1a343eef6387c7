//! The dialect as its clients meet it: parameters in, JSON or XML out, over a real database and a simulated host.

mod address;
mod bandwidth_package;
mod capacity_reservation;
mod denied;
mod dhcp_options;
mod hostile;
mod image_family;
mod image_task;
mod instance;
mod instance_event;
mod instance_fleet;
mod instance_list;
mod instance_refusal;
mod interface;
mod key_pair;
mod nat_gateways;
mod network;
mod network_acl;
mod placement_group;
mod prefix_list;
mod region;
mod snapshot_policy;
mod volume;
mod vpc;
mod vpc_peering;
mod world;
