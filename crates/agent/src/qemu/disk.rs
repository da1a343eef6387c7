//! A disk as QEMU has it: block nodes under a device, the same at the start of a machine and while it runs.
//!
//! ```text
//!   device disk-vol-0… (virtio-blk-pci)
//!      └─ node vol-0… (qcow2) ─┬─ node file-vol-0… (a descriptor in a set that has the volume's name)
//!                              └─ node image-vol-0… (read-only, from the image server), where there is an image
//! ```
//!
//! A disk that is taken from a guest without its leave keeps its device, over the node `lost-vol-0…` of which every access fails,
//! until the guest lets go of it. Formats are pinned and backing is spelled out, so QEMU never probes.
//!
//! [`Disks`] is the way in and out by QMP. It knows neither documents nor who may write a volume.

use std::os::fd::OwnedFd;
use std::time::Duration;

use model::VolumeId;
use serde_json::{Value, json};

use super::args::{IMAGE_SOCKET, IMAGES};
use super::qmp::{Qmp, QmpError};

/// Seconds that requests of a guest wait for an image server that went away before they fail: the agent starts it again within a
/// second, and an operator who broke something has this long before guests see read errors.
const IMAGE_RECONNECT_SECONDS: u32 = 600;

/// What a guest gets when its disk is gone: EIO.
const LOST_ERRNO: i32 = 5;

/// Folder of QEMU's object tree with the devices that have a name.
pub(super) const DEVICES: &str = "/machine/peripheral";

/// Name of the node of a volume in QEMU.
pub fn node(volume: VolumeId) -> String {
    volume.to_string()
}

/// Name of the device of a volume in QEMU.
pub fn device(volume: VolumeId) -> String {
    format!("disk-{volume}")
}

/// The volume of a device; none for devices that are no disks.
pub fn volume_of(device: &str) -> Option<VolumeId> {
    device.strip_prefix("disk-")?.parse().ok()
}

/// The nodes of a volume whose file is in this set of descriptors, over the image with this digest, in the order in which they are made.
pub fn nodes(volume: VolumeId, set: i64, image: Option<&str>) -> Vec<Value> {
    let node = node(volume);
    let (file, under) = (format!("file-{node}"), format!("image-{node}"));
    let filename = format!("/dev/fdset/{set}");
    let backing = image.map_or(Value::Null, |_| Value::from(under.as_str()));
    let mut out: Vec<Value> = image.map(|digest| image_node(&under, digest)).into_iter().collect();
    out.push(json!({"driver": "file", "node-name": file, "filename": filename, "discard": "unmap"}));
    out.push(json!({"driver": "qcow2", "node-name": node, "file": file, "backing": backing, "discard": "unmap"}));
    out
}

/// Names of the nodes of a volume, in the order in which they can be removed.
fn names(volume: VolumeId) -> [String; 4] {
    let node = node(volume);
    [node.clone(), format!("file-{node}"), format!("image-{node}"), format!("lost-{node}")]
}

/// A read-only node that fetches blocks of an image from the image server as they are needed.
fn image_node(name: &str, digest: &str) -> Value {
    json!({
        "driver": "nbd", "node-name": name, "read-only": true, "export": digest,
        "server": {"type": "unix", "path": format!("{IMAGES}/{IMAGE_SOCKET}")},
        "reconnect-delay": IMAGE_RECONNECT_SECONDS,
    })
}

/// The disks of a running QEMU.
#[derive(Debug, Clone)]
pub struct Disks {
    qmp: Qmp,
    limit: Duration,
}

/// A disk that is to be added.
#[derive(Debug)]
pub struct NewDisk {
    /// The volume.
    pub volume: VolumeId,
    /// Its file, open for reading and writing.
    pub file: OwnedFd,
    /// Manifest digest of the image under it.
    pub image: Option<String>,
    /// Serial number that the guest sees.
    pub serial: String,
}

/// How a guest was asked to release a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It will say.
    Waiting,
    /// There is no such device, or no more.
    Absent,
}

impl Disks {
    /// The disks behind a monitor; no command may take longer than `limit`.
    pub fn new(qmp: Qmp, limit: Duration) -> Disks {
        Disks { qmp, limit }
    }

    /// Volumes that have a device.
    pub async fn list(&self) -> Result<Vec<VolumeId>, QmpError> {
        let found = self.call("qom-list", json!({"path": DEVICES})).await?;
        let names = found.as_array().into_iter().flatten().filter_map(|item| item.get("name")?.as_str());
        Ok(names.filter_map(volume_of).collect())
    }

    /// Adds a disk. What was made of one that cannot be added is removed again.
    pub async fn add(&self, disk: NewDisk) -> Result<(), QmpError> {
        let volume = disk.volume;
        let added = self.try_add(disk).await;
        if added.is_err() {
            self.forget(volume).await?;
        }
        added
    }

    async fn try_add(&self, disk: NewDisk) -> Result<(), QmpError> {
        let NewDisk { volume, file, image, serial } = disk;
        let set = self.qmp.add_fd(file, &volume.to_string(), self.limit).await?;
        for node in nodes(volume, set, image.as_deref()) {
            self.call("blockdev-add", node).await?;
        }
        let device = json!({
            "driver": "virtio-blk-pci", "id": device(volume), "drive": node(volume), "serial": serial,
            "werror": "enospc", "rerror": "report",
        });
        self.call("device_add", device).await.map(drop)
    }

    /// Asks the guest to release a disk. Asked again while it has not, it does no harm.
    pub async fn ask_for(&self, volume: VolumeId) -> Result<Asked, QmpError> {
        match self.call("device_del", json!({"id": device(volume)})).await {
            Ok(_) => Ok(Asked::Waiting),
            Err(QmpError::Refused { class, .. }) if class == "DeviceNotFound" => Ok(Asked::Absent),
            // "Device … is already in the process of unplug": QEMU does not ask twice within some seconds.
            Err(QmpError::Refused { class, description }) if class == "GenericError" && description.contains("already in the process") => {
                Ok(Asked::Waiting)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the bytes from under a device: from here on every access of the guest fails, and the file is closed.
    pub async fn seize(&self, volume: VolumeId, size_bytes: u64) -> Result<(), QmpError> {
        let lost = format!("lost-{}", node(volume));
        let fails = json!([{"event": "none", "errno": LOST_ERRNO, "once": false}]);
        let nothing = json!({"driver": "null-co", "size": size_bytes, "read-zeroes": true});
        self.call("blockdev-add", json!({"driver": "blkdebug", "node-name": lost, "image": nothing, "inject-error": fails})).await?;
        let drive = json!({"path": format!("{DEVICES}/{}", device(volume)), "property": "drive", "value": lost});
        self.call("qom-set", drive).await?;
        self.forget(volume).await
    }

    /// Removes the nodes of a volume that no device uses and closes its file. Nodes that are not there are no error, one that is in
    /// use is; the node under a disk that was seized stays until its device is gone.
    pub async fn forget(&self, volume: VolumeId) -> Result<(), QmpError> {
        let present = self.call("query-named-block-nodes", json!({"flat": true})).await?;
        let present: Vec<&str> = present.as_array().into_iter().flatten().filter_map(|node| node.get("node-name")?.as_str()).collect();
        let has_device = self.list().await?.contains(&volume);
        for name in names(volume) {
            if present.contains(&name.as_str()) && !(has_device && name.starts_with("lost-")) {
                self.call("blockdev-del", json!({"node-name": name})).await?;
            }
        }
        self.close(volume).await
    }

    async fn close(&self, volume: VolumeId) -> Result<(), QmpError> {
        let sets = self.call("query-fdsets", json!({})).await?;
        let name = volume.to_string();
        for set in sets.as_array().into_iter().flatten() {
            let is_ours = |file: &Value| file.get("opaque").and_then(Value::as_str) == Some(&name);
            let ours = set.get("fds").and_then(Value::as_array).is_some_and(|files| files.iter().any(is_ours));
            if let Some(id) = set.get("fdset-id").filter(|_| ours) {
                self.call("remove-fd", json!({"fdset-id": id})).await?;
            }
        }
        Ok(())
    }

    async fn call(&self, name: &str, arguments: Value) -> Result<Value, QmpError> {
        self.qmp.call(name, arguments, self.limit).await
    }
}
