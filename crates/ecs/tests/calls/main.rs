//! The dialect as its clients meet it: parameters in, JSON or XML out, over a real database and a simulated host.

mod region;
mod world;
