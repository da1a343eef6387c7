//! What the control plane asks of a host and what a host answers.
