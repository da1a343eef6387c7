//! The real control plane and a real database over simulated hosts.

mod audit;
mod capacity_reservations;
mod commands;
mod crashes;
mod flow_logs;
mod gateways;
mod hosts;
mod instance_events;
mod instance_fleets;
mod kms_keys;
mod lifecycles;
mod networks;
mod placement_groups;
mod roles;
mod roll_backs;
mod security_groups;
mod seeds;
mod shared_volumes;
mod snapshot_policies;
mod snapshot_trials;
mod timed_release;
mod traffic;
mod type_changes;
mod uploads;
mod volumes;
mod world;
