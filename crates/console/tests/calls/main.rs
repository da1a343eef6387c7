//! The API as its clients meet it: JSON in, JSON out, over a real database and a simulated host.

mod denied;
mod instances;
mod lists;
mod refusals;
mod world;
