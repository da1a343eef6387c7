//! Copy on write in a running QEMU: a filter under the guest's device that copies away what a block held before it is first overwritten.
//!
//! ```text
//!   device ─ b0-vol-0… (copy-before-write) ─┬─ vol-0…      the newest layer: the guest's writes go there, in place
//!                       │                   └─ old-vol-0…  the fleece: what was there before (its file is oldfile-vol-0…)
//!                       └─ then-vol-0… (snapshot-access)   what the disk held when the filter came; shown by NBD
//! ```
//!
//! The filter's name says which layer it is over. A block that cannot be copied breaks the snapshot and never the guest's write: from
//! then on every access of `then` is refused. What was copied is in QEMU's memory first, so the fleece alone means something only once it
//! was flushed. Knows neither the pool's names nor who reads.

use std::os::fd::OwnedFd;

use model::{DataKey, SnapshotId, VolumeId};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::disk::{DEVICES, Disks, Stored, device, layer_node};
use super::layer::{LOOK, Switch, stored_as};
use super::qmp::QmpError;

/// Seconds that one write of a guest may wait for the copy of what it overwrites; then the snapshot is given up. A copy takes
/// milliseconds, and longer where what it copies comes from another machine's image.
const COPY_SECONDS: u32 = 15;
/// Name under which QEMU is handed the socket on which it shows disks.
const SOCKET: &str = "copies";

/// How a disk is frozen: what happens to its blocks from the instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// New blocks go to another layer.
    Redirect(Switch),
    /// Old blocks go to a fleece.
    Copy {
        /// The volume.
        volume: VolumeId,
        /// The layer that it writes to.
        layer: u32,
    },
}

impl Way {
    /// The layer that the guest writes to before.
    pub fn from(&self) -> u32 {
        match self {
            Way::Redirect(switch) => switch.from,
            Way::Copy { layer, .. } => *layer,
        }
    }

    /// The layer that it writes to from then on, where that is another.
    pub fn to(&self) -> Option<u32> {
        match self {
            Way::Redirect(switch) => Some(switch.to),
            Way::Copy { .. } => None,
        }
    }
}

fn filter_node(volume: VolumeId, layer: u32) -> String {
    format!("b{layer}-{volume}")
}

fn old_node(volume: VolumeId) -> String {
    format!("old-{volume}")
}

fn old_file_node(volume: VolumeId) -> String {
    format!("oldfile-{volume}")
}

/// The node of a fleece.
fn fleece_node(volume: VolumeId, stored: Stored) -> Value {
    let file = old_file_node(volume);
    let mut fleece = json!({"driver": "qcow2", "node-name": old_node(volume), "file": file, "backing": Value::Null, "discard": "unmap"});
    if stored == Stored::Encrypted {
        fleece["encrypt"] = super::disk::encrypt(volume);
    }
    fleece
}

fn then_node(volume: VolumeId) -> String {
    format!("then-{volume}")
}

/// What is noted with the descriptor of a fleece.
fn fleece_file(volume: VolumeId) -> String {
    format!("{volume}/old")
}

/// The layer of a volume that a node is a filter over; none for other nodes.
pub(super) fn filtered_layer_of(volume: VolumeId, name: &str) -> Option<u32> {
    name.strip_prefix('b')?.strip_suffix(&format!("-{volume}"))?.parse().ok()
}

impl Disks {
    /// Makes a fleece known to QEMU, encrypted where there is a key, and a filter over a layer that copies to it; nobody uses it yet.
    pub async fn add_fleece(&self, volume: VolumeId, layer: u32, file: OwnedFd, key: Option<&DataKey>) -> Result<(), QmpError> {
        let set = self.hand_over_as(&fleece_file(volume), file).await?;
        let (old, file) = (old_node(volume), old_file_node(volume));
        let nodes = vec![
            json!({"driver": "file", "node-name": file, "filename": format!("/dev/fdset/{set}"), "discard": "unmap"}),
            fleece_node(volume, Stored::of(key)),
            json!({
                "driver": "copy-before-write", "node-name": filter_node(volume, layer), "file": layer_node(volume, layer), "target": old,
                "on-cbw-error": "break-snapshot", "cbw-timeout": COPY_SECONDS,
            }),
        ];
        self.add_nodes(volume, nodes, key).await
    }

    /// Brings to their files what QEMU has of a volume's fleece, and of the layer that it was copied from, in its memory.
    pub async fn flush_fleece(&self, volume: VolumeId) -> Result<(), QmpError> {
        let nodes = self.call("query-named-block-nodes", json!({"flat": true})).await?;
        let as_it_is = fleece_node(volume, stored_as(&nodes, &old_node(volume)));
        self.call("blockdev-reopen", json!({"options": [as_it_is]})).await?;
        match self.newest(volume).await? {
            Some(layer) => self.flush_layer(volume, layer).await,
            None => Ok(()),
        }
    }

    /// Whether the guest's processors run.
    pub async fn runs(&self) -> Result<bool, QmpError> {
        let status = self.call("query-status", json!({})).await?;
        Ok(status.get("running").and_then(Value::as_bool).unwrap_or(false))
    }

    /// Stops the guest's processors, and waits for what they have asked of disks.
    pub async fn pause(&self) -> Result<(), QmpError> {
        self.call("stop", json!({})).await.map(drop)
    }

    /// Freezes disks. They are frozen at one instant if all are redirected, or if no processor of the guest runs.
    pub async fn freeze(&self, ways: &[Way]) -> Result<(), QmpError> {
        let mut switches = Vec::new();
        for way in ways {
            match *way {
                Way::Redirect(switch) => switches.push(switch),
                Way::Copy { volume, layer } => self.set_drive(volume, &filter_node(volume, layer)).await?,
            }
        }
        if switches.is_empty() { Ok(()) } else { self.switch(&switches).await }
    }

    /// Has QEMU listen on a socket for those who read what disks held.
    pub async fn serve(&self, socket: OwnedFd) -> Result<(), QmpError> {
        self.stop_serving().await?;
        self.give_socket(socket, SOCKET).await?;
        self.call("nbd-server-start", json!({"addr": {"type": "fd", "data": {"str": SOCKET}}})).await.map(drop)
    }

    /// Has QEMU listen no more.
    pub async fn stop_serving(&self) -> Result<(), QmpError> {
        absent_is_fine(self.call("nbd-server-stop", json!({})).await)
    }

    /// Shows what a disk held when its filter came, under the snapshot's name.
    pub async fn show(&self, volume: VolumeId, layer: u32, snapshot: SnapshotId) -> Result<(), QmpError> {
        let then = then_node(volume);
        let access = json!({"driver": "snapshot-access", "node-name": then, "file": filter_node(volume, layer)});
        self.call("blockdev-add", access).await?;
        let export = json!({"type": "nbd", "id": then, "node-name": then, "name": snapshot.to_string()});
        self.call("block-export-add", export).await.map(drop)
    }

    /// Whether a volume's device is over its filter, and what the disk held when that came is shown.
    pub async fn is_copying(&self, volume: VolumeId) -> Result<bool, QmpError> {
        let exports = self.call("query-block-exports", json!({})).await?;
        let then = then_node(volume);
        let is_shown = exports.as_array().into_iter().flatten().any(|export| export.get("id").and_then(Value::as_str) == Some(&then));
        Ok(is_shown && self.written(volume).await?.is_some_and(|(_, filtered)| filtered))
    }

    /// Takes filter and fleece of a volume out of QEMU as far as they are there; its device goes on with the layer below.
    pub async fn stop_copying(&self, volume: VolumeId) -> Result<(), QmpError> {
        let then = then_node(volume);
        absent_is_fine(self.call("block-export-del", json!({"id": then, "mode": "hard"})).await)?;
        self.remove_node(&then).await?;
        if let Some((layer, true)) = self.written(volume).await? {
            self.set_drive(volume, &layer_node(volume, layer)).await?;
        }
        for name in self.nodes().await?.iter().filter(|name| filtered_layer_of(volume, name).is_some()) {
            self.remove_node(name).await?;
        }
        self.remove_node(&old_node(volume)).await?;
        self.remove_node(&old_file_node(volume)).await?;
        self.close(&fleece_file(volume)).await
    }

    /// Removes a node, which may not be there; one that is just being let go of is waited for.
    async fn remove_node(&self, name: &str) -> Result<(), QmpError> {
        let deadline = Instant::now() + self.limit;
        loop {
            match self.call("blockdev-del", json!({"node-name": name})).await {
                Err(QmpError::Refused { description, .. }) if description.contains("in use") && Instant::now() < deadline => {
                    sleep(LOOK).await;
                }
                other => return absent_is_fine(other),
            }
        }
    }

    /// Puts a node under a volume's device.
    async fn set_drive(&self, volume: VolumeId, node: &str) -> Result<(), QmpError> {
        let path = format!("{DEVICES}/{}", device(volume));
        self.call("qom-set", json!({"path": path, "property": "drive", "value": node})).await.map(drop)
    }
}

/// QEMU has one class for everything; these are its words for what is not there.
fn absent_is_fine(answer: Result<Value, QmpError>) -> Result<(), QmpError> {
    match answer {
        Err(QmpError::Refused { description, .. })
            if ["is not found", "Failed to find node", "NBD server not running"].iter().any(|words| description.contains(words)) =>
        {
            Ok(())
        }
        other => other.map(drop),
    }
}
