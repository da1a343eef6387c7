//! The real control plane and a real database over simulated hosts.

mod commands;
mod crashes;
mod hosts;
mod networks;
mod seeds;
mod volumes;
mod world;
