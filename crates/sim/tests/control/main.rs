//! The real control plane and a real database over simulated hosts.

mod commands;
mod seeds;
mod world;
