//! What a guest is held to at its disks: QEMU's throttle group of each device.
//!
//! The group belongs to the device and not to a node, so it stays when a layer is switched in, merged, or taken away. It is told when
//! the monitor answers, which is milliseconds after the first instruction of a guest. Rates are leaky buckets: one that was idle for
//! long has saved a burst. Knows neither documents nor kinds of volumes.

use std::collections::BTreeMap;

use model::{Burst, DiskLimits, VolumeId};
use serde_json::{Value, json};

use super::disk::{DEVICES, Disks, device, volume_of};
use super::qmp::QmpError;

impl Disks {
    /// Holds the guest to these figures at a disk, or to none.
    pub async fn throttle(&self, volume: VolumeId, limits: &DiskLimits) -> Result<(), QmpError> {
        self.call("block_set_io_throttle", arguments(volume, limits)).await.map(drop)
    }

    /// What the guest is held to at each disk where it is held to anything.
    pub async fn limits(&self) -> Result<BTreeMap<VolumeId, DiskLimits>, QmpError> {
        let devices = self.call("query-block", json!({})).await?;
        let entry = |entry: &Value| {
            let name = entry.get("qdev")?.as_str()?.strip_prefix(DEVICES)?.strip_prefix('/')?.split('/').next()?;
            Some((volume_of(name)?, read(entry.get("inserted")?))).filter(|(_, limits)| !limits.is_none())
        };
        Ok(devices.as_array().into_iter().flatten().filter_map(entry).collect())
    }
}

/// The arguments of `block_set_io_throttle`. A virtio disk is a device inside the one on the bus, which has the block backend.
fn arguments(volume: VolumeId, limits: &DiskLimits) -> Value {
    let mut out = json!({
        "id": format!("{DEVICES}/{}/virtio-backend", device(volume)),
        "iops": limits.iops, "iops_rd": 0, "iops_wr": 0, "bps": limits.bytes, "bps_rd": 0, "bps_wr": 0,
        "iops_size": limits.access_bytes,
    });
    for (name, burst) in [("iops", limits.iops_burst), ("bps", limits.bytes_burst)] {
        if let Some(Burst { rate, seconds }) = burst {
            out[format!("{name}_max")] = rate.into();
            out[format!("{name}_max_length")] = seconds.into();
        }
    }
    out
}

/// The figures of a device as QEMU tells them.
fn read(inserted: &Value) -> DiskLimits {
    let figure = |name: &str| inserted.get(name).and_then(Value::as_u64).unwrap_or(0);
    let burst = |rate: &str, seconds: &str| Some(Burst { rate: figure(rate), seconds: figure(seconds) }).filter(|burst| burst.rate > 0);
    DiskLimits {
        iops: figure("iops"),
        iops_burst: burst("iops_max", "iops_max_length"),
        bytes: figure("bps"),
        bytes_burst: burst("bps_max", "bps_max_length"),
        access_bytes: figure("iops_size"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_told_only_where_there_is_one() {
        let limits =
            DiskLimits { iops: 300, iops_burst: Some(Burst { rate: 3_000, seconds: 1_800 }), bytes: 1 << 20, ..DiskLimits::default() };
        let told = arguments(VolumeId::from_u64(7), &limits);
        assert_eq!(told["iops_max"], 3_000);
        assert_eq!(told["iops_max_length"], 1_800);
        assert_eq!(told.get("bps_max"), None);
    }

    #[test]
    fn what_was_told_is_what_is_read_again() {
        let limits = DiskLimits {
            iops: 300,
            iops_burst: Some(Burst { rate: 3_000, seconds: 9 }),
            bytes: 5,
            bytes_burst: None,
            access_bytes: 262_144,
        };
        assert_eq!(read(&arguments(VolumeId::from_u64(7), &limits)), limits);
    }
}
