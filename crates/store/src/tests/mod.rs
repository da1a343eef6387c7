//! What a user of the store notices, over both engines: each test is a closure that [`engines::check`] runs twice.

mod engines;
mod noun;
mod transactions;
mod wakes;
