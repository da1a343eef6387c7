//! The only SQL of Pileus: embedded SQLite or PostgreSQL through the same code.
//!
//! # Using it
//!
//! ```no_run
//! # use pileus_store::*; use model::*; use serde::{Serialize, Deserialize};
//! # #[derive(Clone, Serialize, Deserialize)] struct Volume { id: VolumeId, account: AccountId, name: String, size: Gib }
//! // A noun is one file: how the struct becomes a row ...
//! impl Row for Volume {
//!     type Id = VolumeId;
//!     const TABLE: &'static str = "volume";
//!     const COLUMNS: &'static [Column<Self>] = &[
//!         Column::new("account", |v| v.account.into()),
//!         Column::new("name", |v| (&v.name).into()),
//!     ];
//!     fn id(&self) -> VolumeId { self.id }
//! }
//! // ... and a migration, entered in `schema.rs`:
//! //   CREATE TABLE volume (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
//! //   CREATE UNIQUE INDEX volume_name ON volume (account, name);
//!
//! # async fn example(store: Store, id: VolumeId, now: Millis) -> Result<(), WriteError<StoreError>> {
//! let grown = store.write(move |tx| {                 // Result<T, E>: E is the command's own error, From<StoreError>
//!     let mut volume: Volume = tx.get(id)?.ok_or(StoreError::Missing { table: "volume" })?;
//!     volume.size = Gib(volume.size.0 + 1);
//!     tx.update(&volume)?;
//!     tx.wake("volume", id, now)?;                    // whoever waits in `store.woken()` wakes after the commit
//!     Ok::<_, StoreError>(volume.size)
//! }).await?;                                          // durable
//! let volume: Option<Volume> = store.get(id).await?;
//! let page: Vec<Volume> = store.read(move |tx| tx.list(By::is("name", "data").above("id", id).first(100))).await?;
//! # Ok(()) }
//! ```
//!
//! - [`Store::write`], [`Store::try_out`], [`Store::write_blocking`]: serialisable, run again on conflict, a batch shares one fsync.
//! - [`Store::read`] (in place, for microseconds), [`Store::scan`] (own thread), [`Store::read_blocking`], [`Store::get`].
//! - [`Tx`]: `get get_many list find count sum insert update put delete`, `wake lease_wakes wake_done wake_later next_due`.
//! - [`Store::changes`]: committed changes in order. [`Store::page`]: ids that pass filters, from memory.
//!
//! # The common subset of SQL
//!
//! `BIGINT` and `TEXT` only; `id BIGINT PRIMARY KEY` or `id TEXT NOT NULL PRIMARY KEY`; parameters `$1`; `ON CONFLICT`,
//! `RETURNING`, `CASE` instead of `MIN(a, b)` / `LEAST`; `CAST(SUM(x) AS BIGINT)`; no foreign keys (a row says what it belongs
//! to, and the transaction that removes one looks for the other).
//!
//! # What it does not know
//!
//! What a noun means: the rules are in `model`, the order of things in `control`. Nobody outside writes SQL, and nothing in
//! here tells the time.

mod account;
mod address;
mod bandwidth_package;
mod capacity_reservation;
mod changes;
mod dhcp_options;
mod egress_only_gateway;
mod error;
mod event;
mod flow_log;
mod gateway;
mod host;
mod image;
mod image_task;
mod instance;
mod instance_event;
mod instance_fleet;
mod instance_role;
mod interface;
mod ipv6;
mod ipv6_bandwidth;
mod job;
mod key_pair;
mod kms_key;
mod launch_template;
mod log_group;
mod mfa_device;
mod migrate;
mod nat_gateway;
mod network;
mod network_acl;
mod network_path;
mod permission;
mod placement_group;
mod postgres;
mod prefix_list;
mod projection;
mod route;
mod row;
mod schema;
mod security_group;
mod snapshot;
mod snapshot_group;
mod snapshot_policy;
mod snapshot_trial;
mod sqlite;
mod store;
mod stray;
mod subnet;
mod traffic;
mod tx;
mod value;
mod volume;
mod vpc_peering;
mod wake;

#[cfg(test)]
mod tests;

pub use changes::{Change, Changes, Commit, Document, FeedError, What};
pub use error::{StoreError, WriteError};
pub use event::ClientToken;
pub use host::HostPlace;
pub use instance::Held;
pub use interface::Member;
pub use log_group::LogSpan;
pub use projection::{Facet, Facets, Filter, Match, Page, Query};
pub use row::{By, Column, Row};
pub use schema::{Migration, Schema};
pub use store::{Store, StoreConfig, UNSEEN_WRITES_MAX};
pub use tx::Tx;
pub use value::{Key, Value, bigint};
pub use wake::Lease;
