//! The dialect as its clients meet it: forms in, XML out, over a real database and a simulated host.

mod acls;
mod addresses;
mod capacity_reservations;
mod denied;
mod dhcp_options;
mod flow_logs;
mod host_names;
mod image_tasks;
mod images;
mod insights;
mod instance_events;
mod instance_fleets;
mod lists;
mod nat_gateways;
mod networks;
mod placement_groups;
mod prefix_lists;
mod refusals;
mod replies;
mod root_volumes;
mod security_groups;
mod small;
mod vpc_peerings;
mod world;
