//! Images and snapshots of Pileus: manifests over deduplicated, compressed, checksummed chunks in an object store.
//!
//! ```text
//!   raw disk ──import──▶ chunks/ab/<sha256>   zstd; named by the SHA-256 of the plain bytes
//!   layers of a disk ──▲
//!   blocks of one ─────▲
//!   one that is written ▲ (live: what it held at an instant, over NBD)
//!   kernel, initrd ────▶ blobs/<sha256>       plain files
//!                        manifests/<sha256>   JSON; names every chunk and blob, so its digest pins every byte
//!
//!   of an encrypted disk: chunks/ab/<sha256>  zstd, sealed under the disk's key; named by the SHA-256 of the sealed bytes
//!                              │
//!                 ImageReader (each chunk checked, then cached)
//!                              │
//!                 server: NBD over a unix socket, export name = manifest digest, and the key of a sealed one ──▶ QEMU
//! ```
//!
//! An image is one [`Digest`]: that of its manifest. Equal bytes give equal digests, so importing twice changes nothing. A byte
//! that does not match its checksum is never handed out; it is an error that names the chunk.
//!
//! The object store is a local folder, or a bucket of anything that speaks S3, before which the folder is a cache.
//!
//! The crate knows no account, no image id and no guest. Who may use which image, and how long it is kept, is decided elsewhere;
//! this is only told to [`remove`](Repository::remove). It never parses the disk's contents. Foreign image formats are looked at by
//! [`header`], which refuses what refers to other files, and read by readers of our own: no other program opens them.

mod blocks;
mod bucket;
mod cache;
mod collect;
mod digest;
mod error;
mod evict;
mod export;
mod fetch;
mod folder;
mod foreign;
mod import;
mod layers;
mod live;
pub mod luks;
mod manifest;
mod qcow2;
mod reader;
mod recipe;
mod repository;
mod scrub;
mod seal;
mod sweep;
mod verify;
mod vhd;
mod vhdx;
mod vmdk;
mod xts;

pub mod header;
pub mod server;

pub use blocks::{BlockDifference, BlockFile};
pub use collect::Collected;
pub use digest::Digest;
pub use error::{Object, RepositoryError};
pub use export::WrittenFormat;
pub use fetch::Source;
pub use foreign::Progress;
pub use import::BootFiles;
pub use layers::{Layers, Live, Stored, Under};
pub use live::{LiveDisk, LiveError};
pub use manifest::{Boot, MAX_COMMAND_LINE_BYTES, MAX_IMAGE_BYTES, Manifest};
pub use reader::{Extent, ImageReader, Piece};
pub use recipe::{ImageFacts, ImportedImage};
pub use repository::{Repository, Settings, Usage};
pub use scrub::{Damage, Pace, Scrubbed};
pub use sweep::Swept;
pub use verify::Problem;
