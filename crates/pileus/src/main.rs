//! `pileus`: a whole cloud in one binary.
fn main() {}
