//! A disk as QEMU has it: block nodes under a device, the same at the start of a machine and while it runs.
//!
//! ```text
//!   device disk-vol-0… (virtio-blk-pci)
//!      └─ node vol-0… (qcow2) ─┬─ node file-vol-0… (a descriptor in a set that has the volume's name)
//!                              └─ node image-vol-0… (read-only, from the image server), where there is an image
//!
//!   while a snapshot is copied, a filter is between the device and the newest layer ([`super::fleece`])
//!
//!   of a shared disk, vol-0… is raw and the device lets others write (`share-rw`); it has no image and no layers
//!
//!   with layers over the first file: device ─ l2-vol-0… ─ l1-vol-0… ─ vol-0… ; their files are f2-vol-0… and f1-vol-0…
//! ```
//!
//! A disk that is taken from a guest without its leave keeps its device, over the node `lost-vol-0…` of which every access fails,
//! until the guest lets go of it. Formats are pinned and backing is spelled out, so QEMU never probes.
//!
//! The keys of an encrypted disk travel by QMP alone: that of its layers as a secret that QEMU has while it opens them, that of what is
//! below in the name of the export, which QEMU says again when it connects again. A machine that has such a disk is started without its
//! nodes, which are made before the machine is (`--preconfig`).
//!
//! [`Disks`] is the way in and out by QMP. It knows neither documents nor who may write a volume.

use std::os::fd::OwnedFd;
use std::time::Duration;

use model::{DataKey, DiskLimits, VolumeId};
use repository::Digest;
use serde_json::{Value, json};

use super::args::{IMAGE_SOCKET, IMAGES};
use super::qmp::{Qmp, QmpError};
use crate::block::shared::Sharing;

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

/// Name of the node of a layer of a volume; 0 is the first file.
pub fn layer_node(volume: VolumeId, layer: u32) -> String {
    if layer == 0 { node(volume) } else { format!("l{layer}-{volume}") }
}

/// Name of the node of a layer's file.
pub(super) fn file_node(volume: VolumeId, layer: u32) -> String {
    if layer == 0 { format!("file-{volume}") } else { format!("f{layer}-{volume}") }
}

/// Name of the node of what is below all layers.
pub(super) fn under_node(volume: VolumeId) -> String {
    format!("image-{volume}")
}

/// The layer of a volume that a node is; none for other nodes.
pub(super) fn layer_of(volume: VolumeId, name: &str) -> Option<u32> {
    if name == node(volume) {
        return Some(0);
    }
    name.strip_prefix('l')?.strip_suffix(&format!("-{volume}"))?.parse().ok()
}

/// What is noted with the descriptors of a layer: by it the file is found again when the disk leaves the machine.
pub fn layer_files(volume: VolumeId, layer: u32) -> String {
    if layer == 0 { volume.to_string() } else { format!("{volume}/l{layer}") }
}

/// What unwritten blocks of a disk are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// Its manifest.
    pub manifest: Digest,
    /// The manifest's key, where it is sealed.
    pub key: Option<DataKey>,
}

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// As it is.
    Plain,
    /// Encrypted; QEMU has the secret while it opens it.
    Encrypted,
    /// A raw file, which other QEMUs of this host have open too.
    Shared,
}

impl Stored {
    /// That of a disk with or without a key.
    pub fn of(key: Option<&DataKey>) -> Stored {
        if key.is_some() { Stored::Encrypted } else { Stored::Plain }
    }

    /// That of a disk that may be shared, with or without a key.
    pub fn of_disk(sharing: Sharing, key: Option<&DataKey>) -> Stored {
        match sharing {
            Sharing::One => Stored::of(key),
            Sharing::Several => Stored::Shared,
        }
    }
}

/// Name of the secret in QEMU that the layers of a volume are opened with.
fn secret(volume: VolumeId) -> String {
    format!("key-{volume}")
}

/// The nodes of a volume whose layers are in these sets of descriptors, the first file first, in the order in which they are made. Where
/// there is a key, they are for QMP and not for a command line.
pub fn nodes(volume: VolumeId, layers: &[(u32, i64)], stored: Stored, below: Option<&Below>) -> Vec<Value> {
    let under = under_node(volume);
    let mut out: Vec<Value> = below.map(|below| image_node(&under, below)).into_iter().collect();
    let mut backing = below.map_or(Value::Null, |_| Value::from(under.as_str()));
    for (layer, set) in layers {
        out.extend(nodes_of_layer(volume, *layer, *set, stored, backing));
        backing = layer_node(volume, *layer).into();
    }
    out
}

/// The nodes of one layer over the node `backing`, or over nothing yet.
pub(super) fn nodes_of_layer(volume: VolumeId, layer: u32, set: i64, stored: Stored, backing: Value) -> [Value; 2] {
    let (node, file) = (layer_node(volume, layer), file_node(volume, layer));
    let filename = format!("/dev/fdset/{set}");
    let mut layer = json!({"driver": "qcow2", "node-name": node, "file": file, "backing": backing, "discard": "unmap"});
    match stored {
        Stored::Plain => {}
        // QEMU refuses a file that is not.
        Stored::Encrypted => layer["encrypt"] = encrypt(volume),
        Stored::Shared => layer = json!({"driver": "raw", "node-name": node, "file": file, "discard": "unmap"}),
    }
    [json!({"driver": "file", "node-name": file, "filename": filename, "discard": "unmap"}), layer]
}

/// How a file of a volume is opened that is encrypted.
pub(super) fn encrypt(volume: VolumeId) -> Value {
    json!({"format": "luks", "key-secret": secret(volume)})
}

/// Names of the nodes of a volume among those that are there, in the order in which they can be removed.
fn names(volume: VolumeId, present: &[&str]) -> Vec<String> {
    let mut layers: Vec<u32> = present.iter().filter_map(|name| layer_of(volume, name)).filter(|layer| *layer > 0).collect();
    layers.sort_unstable_by_key(|layer| std::cmp::Reverse(*layer));
    let of_layers = layers.into_iter().chain([0]).flat_map(|layer| [layer_node(volume, layer), file_node(volume, layer)]);
    let mut out: Vec<String> = of_layers.collect();
    out.extend(["image", "lost"].map(|kind| format!("{kind}-{volume}")));
    // A file of which the layer is gone already.
    let files = present.iter().filter(|name| name.starts_with('f') && name.ends_with(&format!("-{volume}")));
    out.extend(files.filter(|name| !out.iter().any(|known| known == *name)).map(|name| (*name).to_owned()).collect::<Vec<_>>());
    out
}

/// A read-only node that fetches blocks of an image from the image server as they are needed.
fn image_node(name: &str, below: &Below) -> Value {
    let export = repository::server::export_name(&below.manifest, below.key.as_ref());
    json!({
        "driver": "nbd", "node-name": name, "read-only": true, "export": export.as_str(),
        "server": {"type": "unix", "path": format!("{IMAGES}/{IMAGE_SOCKET}")},
        "reconnect-delay": IMAGE_RECONNECT_SECONDS,
    })
}

/// The disks of a running QEMU.
#[derive(Debug, Clone)]
pub struct Disks {
    qmp: Qmp,
    pub(super) limit: Duration,
}

/// A disk that is to be added.
#[derive(Debug)]
pub struct NewDisk {
    /// The volume.
    pub volume: VolumeId,
    /// Its layers, open for reading and writing, the first one first.
    pub layers: Vec<(u32, OwnedFd)>,
    /// The key of its layers, where they are encrypted.
    pub key: Option<DataKey>,
    /// What is under it.
    pub below: Option<Below>,
    /// Serial number that the guest sees.
    pub serial: String,
    /// What the guest is held to.
    pub limits: DiskLimits,
    /// Whether other machines may have it too.
    pub sharing: Sharing,
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
        let NewDisk { volume, layers, key, below, serial, limits, sharing } = disk;
        let mut sets = Vec::with_capacity(layers.len());
        for (layer, file) in layers {
            sets.push((layer, self.hand_over(volume, layer, file).await?));
        }
        let newest = sets.last().map_or(0, |(layer, _)| *layer);
        let stored = Stored::of_disk(sharing, key.as_ref());
        self.add_nodes(volume, nodes(volume, &sets, stored, below.as_ref()), key.as_ref()).await?;
        let device = json!({
            "driver": "virtio-blk-pci", "id": device(volume), "drive": layer_node(volume, newest), "serial": serial,
            "werror": "enospc", "rerror": "report", "share-rw": sharing == Sharing::Several,
        });
        self.call("device_add", device).await?;
        if limits.is_none() { Ok(()) } else { self.throttle(volume, &limits).await }
    }

    /// Makes nodes of a volume. QEMU has the secret of encrypted ones for as long as that takes.
    pub async fn add_nodes(&self, volume: VolumeId, nodes: Vec<Value>, key: Option<&DataKey>) -> Result<(), QmpError> {
        let Some(key) = key else { return self.add_plain_nodes(nodes).await };
        // One that an agent left which was killed.
        self.remove_secret(volume).await?;
        let passphrase = repository::luks::passphrase(key);
        let made = json!({"qom-type": "secret", "id": secret(volume), "data": passphrase.as_str()});
        self.call("object-add", made).await?;
        let added = self.add_plain_nodes(nodes).await;
        let removed = self.remove_secret(volume).await;
        added.and(removed)
    }

    async fn add_plain_nodes(&self, nodes: Vec<Value>) -> Result<(), QmpError> {
        for node in nodes {
            self.call("blockdev-add", node).await?;
        }
        Ok(())
    }

    async fn remove_secret(&self, volume: VolumeId) -> Result<(), QmpError> {
        match self.call("object-del", json!({"id": secret(volume)})).await {
            Ok(_) => Ok(()),
            Err(QmpError::Refused { description, .. }) if description.contains("not found") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes the machine of a QEMU that was started before its disks were known, and lets it run.
    pub async fn begin(&self) -> Result<(), QmpError> {
        self.call("x-exit-preconfig", json!({})).await.map(drop)
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
        self.stop_merge(volume).await?;
        self.stop_copying(volume).await?;
        let present = self.nodes().await?;
        let present: Vec<&str> = present.iter().map(String::as_str).collect();
        let has_device = self.list().await?.contains(&volume);
        for name in names(volume, &present) {
            if present.contains(&name.as_str()) && !(has_device && name.starts_with("lost-")) {
                self.call("blockdev-del", json!({"node-name": name})).await?;
            }
        }
        let first = volume.to_string();
        let of_layers = format!("{first}/");
        self.close_where(|name| name == first || name.starts_with(&of_layers)).await
    }

    /// Names of all nodes.
    pub(super) async fn nodes(&self) -> Result<Vec<String>, QmpError> {
        let nodes = self.call("query-named-block-nodes", json!({"flat": true})).await?;
        let name = |node: &Value| Some(node.get("node-name")?.as_str()?.to_owned());
        Ok(nodes.as_array().into_iter().flatten().filter_map(name).collect())
    }

    /// Hands over the file of a layer and gives the number of its set.
    pub(super) async fn hand_over(&self, volume: VolumeId, layer: u32, file: OwnedFd) -> Result<i64, QmpError> {
        self.hand_over_as(&layer_files(volume, layer), file).await
    }

    /// Hands over a file under a name, by which it is closed again, and gives the number of its set.
    pub(super) async fn hand_over_as(&self, name: &str, file: OwnedFd) -> Result<i64, QmpError> {
        self.qmp.add_fd(file, name, self.limit).await
    }

    /// Hands over a socket under a name, by which the next command takes it.
    pub(super) async fn give_socket(&self, socket: OwnedFd, name: &str) -> Result<(), QmpError> {
        self.qmp.get_fd(socket, name, self.limit).await
    }

    /// Closes the descriptors that have this name.
    pub(super) async fn close(&self, name: &str) -> Result<(), QmpError> {
        self.close_where(|known| known == name).await
    }

    async fn close_where(&self, is_ours: impl Fn(&str) -> bool) -> Result<(), QmpError> {
        let sets = self.call("query-fdsets", json!({})).await?;
        for set in sets.as_array().into_iter().flatten() {
            let named = |file: &Value| file.get("opaque").and_then(Value::as_str).is_some_and(&is_ours);
            let ours = set.get("fds").and_then(Value::as_array).is_some_and(|files| files.iter().any(named));
            if let Some(id) = set.get("fdset-id").filter(|_| ours) {
                self.call("remove-fd", json!({"fdset-id": id})).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn call(&self, name: &str, arguments: Value) -> Result<Value, QmpError> {
        self.qmp.call(name, arguments, self.limit).await
    }
}
