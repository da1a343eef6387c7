//! A network card as QEMU has it: a device in the guest's slot, and behind it a cable to a tap.
//!
//! ```text
//!   device nic-eni-0… (virtio-net-pci) ── netdev eni-0… (a descriptor of the tap)
//! ```
//!
//! The cable can be cut while the card stays: the guest sees a link without carrier, and the tap is closed. So an interface leaves a
//! machine whatever its guest does. [`Cards`] is the way in and out by QMP; it knows neither documents nor networks.

use std::os::fd::OwnedFd;
use std::time::Duration;

use hostspec::VmNic;
use model::InterfaceId;
use serde_json::{Value, json};

use super::disk::{Asked, DEVICES};
use super::qmp::{Qmp, QmpError};

/// Name of the device of an interface in QEMU.
pub fn device(nic: InterfaceId) -> String {
    format!("nic-{nic}")
}

/// The interface of a device; none for devices that are no cards.
pub fn interface_of(device: &str) -> Option<InterfaceId> {
    device.strip_prefix("nic-")?.parse().ok()
}

/// The network cards of a running QEMU.
#[derive(Debug, Clone)]
pub struct Cards {
    qmp: Qmp,
    limit: Duration,
}

impl Cards {
    /// The cards behind a monitor; no command may take longer than `limit`.
    pub fn new(qmp: Qmp, limit: Duration) -> Cards {
        Cards { qmp, limit }
    }

    /// Interfaces that have a card, with or without a cable.
    pub async fn list(&self) -> Result<Vec<InterfaceId>, QmpError> {
        let found = self.call("qom-list", json!({"path": DEVICES})).await?;
        let names = found.as_array().into_iter().flatten().filter_map(|item| item.get("name")?.as_str());
        Ok(names.filter_map(interface_of).collect())
    }

    /// Adds a card with its cable. A cable whose card is refused is taken away again.
    pub async fn add(&self, nic: &VmNic, tap: OwnedFd) -> Result<(), QmpError> {
        let id = nic.id.to_string();
        self.qmp.get_fd(tap, &id, self.limit).await?;
        self.call("netdev_add", json!({"type": "tap", "id": id, "fd": id})).await?;
        let card = json!({
            "driver": "virtio-net-pci", "id": device(nic.id), "netdev": id, "mac": nic.mac.to_string(), "host_mtu": nic.mtu, "romfile": "",
        });
        let added = self.call("device_add", card).await.map(drop);
        if added.is_err() {
            self.cut(nic.id).await?;
        }
        added
    }

    /// Cuts the cable: the guest sees no carrier, the tap is closed. Without one it does nothing.
    pub async fn cut(&self, nic: InterfaceId) -> Result<(), QmpError> {
        absent_is_fine(self.call("netdev_del", json!({"id": nic.to_string()})).await).map(drop)
    }

    /// Asks the guest to release a card. Asked again while it has not, it does no harm.
    pub async fn ask_for(&self, nic: InterfaceId) -> Result<Asked, QmpError> {
        match absent_is_fine(self.call("device_del", json!({"id": device(nic)})).await) {
            Ok(Some(_)) => Ok(Asked::Waiting),
            Ok(None) => Ok(Asked::Absent),
            // "Device … is already in the process of unplug": QEMU does not ask twice within some seconds.
            Err(QmpError::Refused { class, description }) if class == "GenericError" && description.contains("already in the process") => {
                Ok(Asked::Waiting)
            }
            Err(error) => Err(error),
        }
    }

    async fn call(&self, name: &str, arguments: Value) -> Result<Value, QmpError> {
        self.qmp.call(name, arguments, self.limit).await
    }
}

/// What is not there need not be removed.
fn absent_is_fine(answer: Result<Value, QmpError>) -> Result<Option<Value>, QmpError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(QmpError::Refused { class, .. }) if class == "DeviceNotFound" => Ok(None),
        // QEMU 7.2 has no class of its own for a cable that is not there.
        Err(QmpError::Refused { class, description }) if class == "GenericError" && description.contains("not found") => Ok(None),
        Err(error) => Err(error),
    }
}
