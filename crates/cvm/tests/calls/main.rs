//! The dialect as its clients meet it: parameters in, JSON out, over a real database and a simulated host.

mod hostile;
mod instance;
mod instance_refusal;
mod key_pair;
mod network;
mod policy;
mod region;
mod security_group;
mod snapshot;
mod volume;
mod vpc;
mod world;
