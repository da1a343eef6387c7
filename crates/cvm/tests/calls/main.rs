//! The dialect as its clients meet it: parameters in, JSON out, over a real database and a simulated host.

mod bandwidth;
mod denied;
mod hostile;
mod image_family;
mod image_task;
mod instance;
mod instance_refusal;
mod interface;
mod key_pair;
mod launch_template;
mod nat_gateways;
mod network;
mod network_acl;
mod placement_group;
mod policy;
mod region;
mod repair_task;
mod security_group;
mod snapshot;
mod snapshot_policy;
mod trail;
mod volume;
mod vpc;
mod vpc_peering;
mod world;
