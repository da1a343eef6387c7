//! Layers of a disk in a running QEMU: a further one switched in under the guest's device, frozen ones merged into the first.
//!
//! ```text
//!   switch   every device's node is put over by its new one, all in one transaction: one instant for all disks
//!   merge    block-commit of what lies between the first file and the newest; the guest writes on to the newest
//! ```
//!
//! A merge that is stopped anywhere, by whatever, changes nothing that a guest could read: what it has copied lies below the
//! layers that it was copied from. One that has ended is in the file only when the first layer was flushed, which QEMU leaves to whom
//! it may concern: until then its tables are in QEMU's memory alone. Knows neither the pool's names nor who reads a frozen layer.

use std::os::fd::OwnedFd;
use std::time::Duration;

use model::{DataKey, VolumeId};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::disk::{Disks, Stored, device, layer_files, layer_of, nodes_of_layer};
use super::fleece::filtered_layer_of;
use super::qmp::QmpError;

/// Time between two looks whether what was told to end has ended.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// A device's way from one layer to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// The volume.
    pub volume: VolumeId,
    /// The layer that it writes to.
    pub from: u32,
    /// The layer that it will write to.
    pub to: u32,
}

/// The volume of a merge's job; none for other jobs.
pub fn volume_of_merge(job: &str) -> Option<VolumeId> {
    job.strip_prefix("merge-")?.parse().ok()
}

fn merge_of(volume: VolumeId) -> String {
    format!("merge-{volume}")
}

impl Disks {
    /// Makes a layer known to QEMU, encrypted where there is a key; nobody uses it yet.
    pub async fn add_layer(&self, volume: VolumeId, layer: u32, file: OwnedFd, key: Option<&DataKey>) -> Result<(), QmpError> {
        let set = self.hand_over(volume, layer, file).await?;
        self.add_nodes(volume, nodes_of_layer(volume, layer, set, Stored::of(key), Value::Null).into(), key).await
    }

    /// Freezes what devices have written at one instant: from there on they write to further layers.
    pub async fn switch(&self, switches: &[Switch]) -> Result<(), QmpError> {
        let action = |switch: &Switch| {
            let (node, overlay) = (super::disk::layer_node(switch.volume, switch.from), super::disk::layer_node(switch.volume, switch.to));
            json!({"type": "blockdev-snapshot", "data": {"node": node, "overlay": overlay}})
        };
        let actions: Vec<Value> = switches.iter().map(action).collect();
        self.call("transaction", json!({"actions": actions})).await.map(drop)
    }

    /// The layer that a volume's device writes to; none when it has no device, or one that was taken from it.
    pub async fn newest(&self, volume: VolumeId) -> Result<Option<u32>, QmpError> {
        Ok(self.written(volume).await?.map(|(layer, _)| layer))
    }

    /// The same, and whether it does so through a filter.
    pub(super) async fn written(&self, volume: VolumeId) -> Result<Option<(u32, bool)>, QmpError> {
        let devices = self.call("query-block", json!({})).await?;
        let path = format!("{}/{}/", super::disk::DEVICES, device(volume));
        let ours = |entry: &&Value| entry.get("qdev").and_then(Value::as_str).is_some_and(|qdev| format!("{qdev}/").starts_with(&path));
        let entry = devices.as_array().into_iter().flatten().find(ours);
        let Some(node) = entry.and_then(|entry| entry.pointer("/inserted/node-name")?.as_str()) else { return Ok(None) };
        let plain = layer_of(volume, node).map(|layer| (layer, false));
        Ok(plain.or_else(|| Some((filtered_layer_of(volume, node)?, true))))
    }

    /// Takes a layer out of QEMU that no device and no other layer uses, and closes its file. False when it is in use.
    pub async fn remove_layer(&self, volume: VolumeId, layer: u32) -> Result<bool, QmpError> {
        for name in [super::disk::layer_node(volume, layer), super::disk::file_node(volume, layer)] {
            match self.call("blockdev-del", json!({"node-name": name})).await {
                Ok(_) => {}
                // QEMU has one class for both; a node that is in use is "busy".
                Err(QmpError::Refused { description, .. }) if description.contains("is busy") || description.contains("in use") => {
                    return Ok(false);
                }
                Err(QmpError::Refused { description, .. }) if description.contains("Failed to find node") => {}
                Err(error) => return Err(error),
            }
        }
        self.close(&layer_files(volume, layer)).await?;
        Ok(true)
    }

    /// Begins to merge the layers between the first file and the newest into the first. It ends by itself.
    pub async fn merge(&self, volume: VolumeId, newest: u32, below: u32) -> Result<(), QmpError> {
        let arguments = json!({
            "job-id": merge_of(volume), "device": super::disk::layer_node(volume, newest),
            "top-node": super::disk::layer_node(volume, below), "base-node": super::disk::layer_node(volume, 0),
            // What QEMU writes into the newest layer's header: no file says what lies below it.
            "backing-file": "",
        });
        self.call("block-commit", arguments).await.map(drop)
    }

    /// Brings to its file what QEMU has of a layer of a volume in its memory. There is no command that says so alone; a node that is
    /// opened again is flushed before, and an error of that is told.
    pub async fn flush_layer(&self, volume: VolumeId, layer: u32) -> Result<(), QmpError> {
        let nodes = self.call("query-named-block-nodes", json!({"flat": true})).await?;
        let names: Vec<&str> = nodes.as_array().into_iter().flatten().filter_map(|node| node.get("node-name")?.as_str()).collect();
        let below = names.iter().filter_map(|name| layer_of(volume, name)).filter(|known| *known < layer).max();
        let under = super::disk::under_node(volume);
        let backing = match below {
            Some(below) => super::disk::layer_node(volume, below).into(),
            None if names.contains(&under.as_str()) => under.into(),
            None => Value::Null,
        };
        let stored = stored_as(&nodes, &super::disk::layer_node(volume, layer));
        // The set is that of the file's node, which stays as it is.
        let [_, as_it_is] = nodes_of_layer(volume, layer, 0, stored, backing);
        self.call("blockdev-reopen", json!({"options": [as_it_is]})).await.map(drop)
    }

    /// Whether a merge is under way.
    pub async fn merging(&self, volume: VolumeId) -> Result<bool, QmpError> {
        let jobs = self.call("query-jobs", json!({})).await?;
        let name = merge_of(volume);
        Ok(jobs.as_array().into_iter().flatten().any(|job| job.get("id").and_then(Value::as_str) == Some(&name)))
    }

    /// Stops a merge that is under way and waits for its end.
    pub async fn stop_merge(&self, volume: VolumeId) -> Result<(), QmpError> {
        let deadline = Instant::now() + self.limit;
        while self.merging(volume).await? {
            match self.call("block-job-cancel", json!({"device": merge_of(volume), "force": true})).await {
                // It ended just now, or ends already.
                Ok(_) | Err(QmpError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Err(QmpError::Timeout(self.limit));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

/// How the file of a node is stored, of those that QEMU lists.
pub(super) fn stored_as(nodes: &Value, name: &str) -> Stored {
    let mut all = nodes.as_array().into_iter().flatten();
    let node = all.find(|node| node.get("node-name").and_then(Value::as_str) == Some(name));
    let is_encrypted = node.and_then(|node| node.get("encrypted")?.as_bool()).unwrap_or(false);
    if is_encrypted { Stored::Encrypted } else { Stored::Plain }
}
