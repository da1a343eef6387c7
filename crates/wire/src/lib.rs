//! How the clouds' requests are decoded, verified and answered.
//!
//! ```text
//! listener -> Request -> identify() -> Claim -> verify(secret, now)
//!                    \-> Args -> #[derive(FromArg)] structures -> the dialect
//! the dialect -> #[derive(Show)] structures -> envelope: XML or JSON text
//! ```
//!
//! What it does not know: HTTP libraries, accounts and keys, actions, vendors' error codes, resources.
//! The dialects have those.
//!
//! ```
//! use bytes::Bytes;
//! use wire::{Args, ArgsErrorKind, FromArg, Show, JsonList, Request, envelope};
//!
//! #[derive(FromArg)]
//! struct DescribeDisks {
//!     region_id: String,
//!     disk_ids: JsonList<String>, // DiskIds=["d-1"]
//!     #[arg(name = "Tag", max_items = 20)]
//!     tags: Vec<Tag>, // Tag.1.Key=...
//!     #[arg(default = 10, range = 1..=100)]
//!     page_size: u32,
//! }
//!
//! #[derive(FromArg)]
//! struct Tag {
//!     key: String,
//!     value: Option<String>,
//! }
//!
//! #[derive(Show)] // #[reply(rename = "camelCase")] for EC2
//! struct Disks {
//!     total_count: usize,
//!     #[reply(list = "Disk")]
//!     disks: Vec<Disk>,
//! }
//!
//! #[derive(Show)]
//! struct Disk {
//!     disk_id: String,
//!     instance_id: Option<String>, // left out when None
//! }
//!
//! let target = "/?Action=DescribeDisks&RegionId=r&DiskIds=%5B%22d-1%22%5D&Tag.1.Key=k";
//! let request = Request::new("GET", target, [], Bytes::new())?;
//! let args = Args::from_request(&request)?;
//! assert_eq!(args.text("Action"), Some("DescribeDisks"));
//! let asked: DescribeDisks = args.decode()?;
//! assert!(args.unknown(&[]).is_empty());
//! assert_eq!((asked.page_size, asked.tags[0].key.as_str()), (10, "k"));
//!
//! let disks: Vec<_> = asked.disk_ids.0.into_iter().map(|disk_id| Disk { disk_id, instance_id: None }).collect();
//! let reply = Disks { total_count: disks.len(), disks };
//! assert_eq!(
//!     envelope::alibaba_json("id", &reply),
//!     r#"{"RequestId":"id","TotalCount":1,"Disks":{"Disk":[{"DiskId":"d-1"}]}}"#,
//! );
//!
//! let refused = Args::from_form("RegionId=r&PageSize=101")?.decode::<DescribeDisks>().err().unwrap();
//! assert_eq!(refused.path, "PageSize");
//! assert_eq!(refused.kind, ArgsErrorKind::OutOfRange { min: 1, max: 100 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// The derives name this crate `wire`, in its own tests too.
extern crate self as wire;

mod args;
pub mod doc;
pub mod envelope;
pub mod json;
pub mod limits;
mod reply;
mod request;
mod show;
pub mod signature;
pub mod time;
pub mod xml;

pub use args::{
    Args, ArgsError, ArgsErrorKind, Base64, Branch, CommaList, FromArg, HasItems, HasLength, InRange, Json, JsonList, Node, Parameter,
    Path, SHOWN_CHARS, Shape, Text, parameter_names, parse_text,
};
pub use doc::Doc;
pub use reply::{Data, Reply};
pub use request::{Request, RequestError, decode_bytes, raw_pairs};
pub use show::{Minute, Name, OrEmpty, Plain, Show, Shown, Sink, Written};
pub use signature::{Claim, Cloud, Nonces, Novelty, Scheme, SignatureError, SigningKeys, guess_cloud, identify};
pub use wire_derive::{FromArg, Show};
