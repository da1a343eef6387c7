//! The network of a host with real packets: every test has a machine of its own (a namespace), guests that speak frames on
//! their taps or through a kernel of their own, and nothing of it is left afterwards.

mod flows;
mod fragments;
mod frames;
mod golden;
mod groups;
mod homes;
mod hosts;
mod ipv6;
mod lab;
mod life;
mod mutated;
mod peers;
mod peers6;
mod policy;
mod public;
mod ranges;
mod reachability;
mod services;
mod shaping;
mod shared;
mod spoofing;
mod topology;
mod topology6;
mod traffic;
mod uplink;
mod uplink_bgp;
mod ways;
mod ways6;
