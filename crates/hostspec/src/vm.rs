//! Virtual machines and volumes of a host document.

use std::fmt;
use std::net::Ipv4Addr;

use model::{DiskLimits, ImageId, InstanceEventId, InstanceId, InterfaceId, MacAddr, Mib, Millis, VolumeId};
use serde::{Deserialize, Serialize};

use crate::DiskKeys;

/// One virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSpec {
    /// The instance that this machine is.
    pub id: InstanceId,
    /// Whether a process should run.
    pub power: Power,
    /// Counts the restarts that were asked for. A running machine that was started or reset under a lower number is reset.
    pub boot: u64,
    /// How the next reset for [`VmSpec::boot`] is done.
    pub reset: Reset,
    /// Virtual processors, 1 to 512.
    pub vcpus: u32,
    /// Guest memory.
    pub memory: Mib,
    /// What the firmware tables tell the guest about its machine.
    pub firmware: Firmware,
    /// Disks in order; the first is the one that the machine boots from. The others may come and go while it runs.
    pub disks: Vec<DiskSpec>,
    /// Volumes that are not among the disks and are taken from a guest that has them without its leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seized: Vec<VolumeId>,
    /// Network interfaces in order; their addresses are in [`crate::VpcSpec`]. All but the first may come and go while it runs.
    pub nics: Vec<VmNic>,
    /// What the metadata service tells this guest.
    pub metadata: GuestMetadata,
}

/// Whether the process of a machine should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Power {
    /// It runs; started again when it died.
    On,
    /// It does not run. The guest gets the power button and `grace_seconds` before the plug is pulled; 0 pulls at once.
    Off {
        /// Seconds that the guest has to shut down by itself.
        grace_seconds: u32,
    },
}

/// How a running machine is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// The guest gets the power button, and a reset when it has not stopped within [`SOFT_RESET_SECONDS`].
    Soft,
    /// The reset line at once.
    Hard,
}

/// Seconds that a guest has to shut down in a soft restart before the machine is reset (EC2 documents a forced reboot
/// "if the instance does not cleanly shut down within a few minutes"; a guest that listens needs seconds).
pub const SOFT_RESET_SECONDS: u32 = 60;

/// SMBIOS identity of a machine. Stock cloud images choose their metadata source by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// System UUID; starts with `ec2` so that cloud-init's Ec2 source answers, and equals the serial number.
    pub uuid: String,
    /// System manufacturer.
    pub manufacturer: String,
    /// Product name; `Alibaba Cloud ECS` makes cloud-init's AliYun source answer.
    pub product: String,
}

/// One disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpec {
    /// The volume; its bytes are described by the [`VolumeSpec`] of the same id.
    pub volume: VolumeId,
    /// Serial number that the guest sees, at most 20 bytes (virtio-blk's limit).
    pub serial: String,
    /// What the guest is held to at it.
    #[serde(default, skip_serializing_if = "DiskLimits::is_none")]
    pub limits: DiskLimits,
}

/// One network interface of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmNic {
    /// The interface.
    pub id: InterfaceId,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its maximum transmission unit in bytes.
    pub mtu: u16,
    /// Its place in the machine, from 0.
    #[serde(default)]
    pub index: u32,
    /// Names of its security groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_names: Vec<String>,
}

/// A volume whose bytes are, or were, on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// The volume.
    pub id: VolumeId,
    /// Grows whenever the volume gets another host or contents; two hosts never write the same generation.
    pub generation: u64,
    /// Whether the bytes should exist.
    pub goal: VolumeGoal,
}

impl VolumeSpec {
    /// Whether several machines may have it open at once.
    pub fn is_shared(&self) -> bool {
        matches!(self.goal, VolumeGoal::Present { shared: true, .. })
    }
}

/// What should be with the bytes of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "goal")]
pub enum VolumeGoal {
    /// The volume exists with this size.
    Present {
        /// Size in bytes, a multiple of 1 MiB, never below what it was.
        size_bytes: u64,
        /// The image that unwritten blocks are read from; none means zeroes, or the manifest.
        image: Option<ImageId>,
        /// Digest of the manifest that unwritten blocks are read from; it goes before the image, whose bytes may change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manifest: Option<String>,
        /// Its keys.
        #[serde(default, skip_serializing_if = "DiskKeys::is_none")]
        keys: DiskKeys,
        /// Whether several machines may have it open at once. Such a volume has no image, no manifest and no keys.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        shared: bool,
    },
    /// The bytes are deleted for good.
    Deleted,
}

/// What the metadata service tells one guest. Everything is in the document, so a guest is answered while the control plane is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestMetadata {
    /// Account that owns the instance, as its clients print it.
    pub account: String,
    /// Region name.
    pub region: String,
    /// Zone name.
    pub zone: String,
    /// Image id.
    pub image: ImageId,
    /// Instance type name.
    pub instance_type: String,
    /// Reservation id of the launch (EC2's word).
    pub reservation: String,
    /// Position in the launch, from 0.
    pub launch_index: u32,
    /// Launch time, RFC 3339 in UTC.
    pub launched_at: String,
    /// Host name without a domain.
    pub hostname: String,
    /// Display name.
    pub name: String,
    /// Public SSH keys in OpenSSH form with the name of the key pair.
    pub ssh_keys: Vec<(String, String)>,
    /// crypt(3) text of the password to set for the default user; the clear text is never here.
    pub password_hash: Option<String>,
    /// User data as the guest should read it (decoded), base64 here because it may be binary.
    pub user_data_base64: Option<String>,
    /// Tags, when the instance shows them in its metadata.
    pub tags: Vec<(String, String)>,
    /// Whether a session token is required (`HttpTokens=required`).
    pub token_required: bool,
    /// Highest number of network hops that a token answer may take, 1 to 64.
    pub hop_limit: u8,
    /// Whether the metadata service answers this guest at all.
    pub enabled: bool,
    /// Primary private address.
    pub private_ip: Ipv4Addr,
    /// Public address, when there is one.
    pub public_ip: Option<Ipv4Addr>,
    /// Names of the security groups of the primary interface.
    pub security_groups: Vec<String>,
    /// The role of the instance with its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<GuestRole>,
    /// Its placement group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<GuestPlacement>,
    /// Maintenance that is planned for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<GuestEvent>,
}

/// Planned maintenance as the guest that it concerns reads of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestEvent {
    /// The event.
    pub id: InstanceEventId,
    /// What it does, in EC2's words.
    pub code: String,
    /// What is said of it.
    pub description: String,
    /// When it begins.
    pub not_before: Millis,
    /// When it is over.
    pub not_after: Millis,
}

/// A placement group as its member reads of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestPlacement {
    /// Name of the group.
    pub group: String,
    /// The member's partition, in groups with partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
}

/// A role whose key the guest reads.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestRole {
    /// Name of the role.
    pub name: String,
    /// Name and id of the instance profile that it comes from (EC2's word).
    pub profile: Option<(String, String)>,
    /// Public name of the key.
    pub key: String,
    /// Its secret.
    pub secret: String,
    /// What goes with every request that it signs.
    pub token: String,
    /// When it was made, RFC 3339 in UTC.
    pub made_at: String,
    /// When it ends to act, likewise.
    pub expires_at: String,
    /// The same in seconds since 1970.
    pub expires_unix: i64,
}

/// Neither secret nor token, which nobody means to have in a log.
impl fmt::Debug for GuestRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestRole").field("name", &self.name).field("key", &self.key).finish_non_exhaustive()
    }
}
