//! Flows of interfaces: of which ones a host tells, and what it tells. It is asked for them beside its document and its reports, and
//! keeps what it told until it is asked for what comes after.

use model::{FlowBatch, InterfaceId};
use serde::{Deserialize, Serialize};

/// An interface whose flows are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LoggedNic {
    /// The interface.
    pub nic: InterfaceId,
    /// Whether packets that passed are.
    pub accepted: bool,
    /// Whether packets that were dropped are.
    pub refused: bool,
}

/// A part of what a host saw of flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowReport {
    /// Its number: greater than of any part before, also over restarts of the agent.
    pub number: u64,
    /// What interfaces did.
    pub batches: Vec<FlowBatch>,
}
