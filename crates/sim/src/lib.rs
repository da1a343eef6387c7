//! Simulated hosts behind the same documents and reports as real ones: the control plane cannot tell the difference.

pub mod hosts;
