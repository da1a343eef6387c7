//! What a user of the store notices, over both engines: each test is a closure that [`engines::check`] runs twice.

mod alike;
mod engines;
mod faults;
mod feed;
mod homes;
mod lists;
pub(crate) mod noun;
mod shared_volumes;
mod strays;
mod transactions;
mod wakes;
