//! Simulated hosts, clock, network and faults from a seed.
