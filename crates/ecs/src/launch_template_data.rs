//! What a launch template says, as ECS's replies show it.

use model::{LaunchSettings, NewVolume, PlacementGroupRef, RoleChoice, RootSettings, Tags};
use wire::Show;

use crate::volume::{category_word, level_word};

/// What a template says. A member that is absent is not said.
#[derive(Show)]
pub(crate) struct LaunchData {
    image_id: Option<String>,
    instance_type: Option<String>,
    zone_id: Option<String>,
    vpc_id: Option<String>,
    instance_charge_type: Option<String>,
    internet_charge_type: Option<String>,
    io_optimized: Option<String>,
    network_type: Option<String>,
    spot_strategy: Option<String>,
    spot_duration: Option<u32>,
    v_switch_id: Option<String>,
    security_group_id: Option<String>,
    #[reply(list = "SecurityGroupId", skip_empty)]
    security_group_ids: Vec<String>,
    private_ip_address: Option<String>,
    internet_max_bandwidth_out: Option<u32>,
    key_pair_name: Option<String>,
    user_data: Option<String>,
    instance_name: Option<String>,
    description: Option<String>,
    host_name: Option<String>,
    ram_role_name: Option<String>,
    deployment_set_id: Option<String>,
    deletion_protection: Option<bool>,
    http_endpoint: Option<&'static str>,
    http_tokens: Option<&'static str>,
    http_put_response_hop_limit: Option<u8>,
    system_disk: Option<SystemDiskReply>,
    #[reply(flatten)]
    older: OlderDisk,
    #[reply(list = "DataDisk")]
    data_disks: Vec<DiskReply>,
    /// There are none in a template; clients take the list for granted.
    #[reply(list = "NetworkInterface")]
    network_interfaces: Vec<String>,
    #[reply(list = "InstanceTag", skip_empty)]
    tags: Vec<TagReply>,
}

#[derive(Clone, Show)]
struct SystemDiskReply {
    size: Option<u32>,
    category: Option<&'static str>,
    performance_level: Option<&'static str>,
    disk_name: Option<String>,
    description: Option<String>,
    delete_with_instance: Option<bool>,
    encrypted: Option<&'static str>,
    #[reply(name = "KMSKeyId")]
    kms_key_id: Option<String>,
}

/// The system disk as older clients read it: not as a structure, but by members with a dot in their names.
#[derive(Default, Show)]
struct OlderDisk {
    #[reply(name = "SystemDisk.Size")]
    size: Option<u32>,
    #[reply(name = "SystemDisk.Category")]
    category: Option<&'static str>,
    #[reply(name = "SystemDisk.PerformanceLevel")]
    performance_level: Option<&'static str>,
    #[reply(name = "SystemDisk.DiskName")]
    disk_name: Option<String>,
    #[reply(name = "SystemDisk.Description")]
    description: Option<String>,
    #[reply(name = "SystemDisk.DeleteWithInstance")]
    delete_with_instance: Option<bool>,
    #[reply(name = "SystemDisk.Encrypted")]
    encrypted: Option<bool>,
    #[reply(name = "SystemDisk.KMSKeyId")]
    kms_key_id: Option<String>,
}

impl OlderDisk {
    fn of(disk: Option<SystemDiskReply>) -> OlderDisk {
        let Some(disk) = disk else { return OlderDisk::default() };
        OlderDisk {
            size: disk.size,
            category: disk.category,
            performance_level: disk.performance_level,
            disk_name: disk.disk_name,
            description: disk.description,
            delete_with_instance: disk.delete_with_instance,
            encrypted: disk.encrypted.map(|word| word == "true"),
            kms_key_id: disk.kms_key_id,
        }
    }
}

#[derive(Show)]
struct DiskReply {
    size: Option<u32>,
    snapshot_id: Option<String>,
    category: &'static str,
    performance_level: &'static str,
    disk_name: String,
    description: String,
    device: String,
    delete_with_instance: bool,
    encrypted: &'static str,
    #[reply(name = "KMSKeyId")]
    kms_key_id: Option<String>,
}

#[derive(Show)]
struct TagReply {
    key: String,
    value: String,
}

impl LaunchData {
    /// What these settings say. A public address is shown by the least bandwidth where none was said.
    pub(crate) fn of(settings: &LaunchSettings) -> LaunchData {
        let attributes = &settings.attributes;
        let plain = |name: &str| settings.plain.get(name).cloned();
        let disk_of_system = system_disk(&settings.root);
        let groups: Vec<String> = settings.groups.iter().map(ToString::to_string).collect();
        let (one, several) = match groups.as_slice() {
            [one] => (Some(one.clone()), vec![]),
            _ => (None, groups),
        };
        LaunchData {
            image_id: settings.image.map(|id| id.to_string()),
            instance_type: settings.instance_type.clone(),
            zone_id: settings.zone.clone(),
            vpc_id: plain("VpcId"),
            instance_charge_type: plain("InstanceChargeType"),
            internet_charge_type: plain("InternetChargeType"),
            io_optimized: plain("IoOptimized"),
            network_type: plain("NetworkType"),
            spot_strategy: plain("SpotStrategy"),
            spot_duration: plain("SpotDuration").and_then(|hours| hours.parse().ok()),
            v_switch_id: settings.subnet.map(|id| id.to_string()),
            security_group_id: one,
            security_group_ids: several,
            private_ip_address: settings.private_ip.map(|ip| ip.to_string()),
            internet_max_bandwidth_out: settings.bandwidth.or(settings.public_address.map(u32::from)),
            key_pair_name: settings.key_names.first().cloned(),
            user_data: settings.user_data.clone(),
            instance_name: settings.name.clone(),
            description: settings.description.clone(),
            host_name: settings.hostname.clone(),
            ram_role_name: match &settings.role {
                Some(RoleChoice::Role(name)) => Some(name.clone()),
                Some(RoleChoice::Profile(_)) | None => None,
            },
            deployment_set_id: match settings.placement.as_ref().map(|choice| &choice.group) {
                Some(PlacementGroupRef::Id(id)) => Some(id.to_string()),
                Some(PlacementGroupRef::Name(_)) | None => None,
            },
            deletion_protection: attributes.termination_protection,
            http_endpoint: attributes.metadata_enabled.map(|on| if on { "enabled" } else { "disabled" }),
            http_tokens: attributes.token_required.map(|required| if required { "required" } else { "optional" }),
            http_put_response_hop_limit: attributes.hop_limit,
            older: OlderDisk::of(disk_of_system.clone()),
            system_disk: disk_of_system,
            network_interfaces: vec![],
            data_disks: settings.volumes.iter().map(disk).collect(),
            tags: tags(&settings.tags),
        }
    }
}

fn system_disk(root: &RootSettings) -> Option<SystemDiskReply> {
    let (size, category) = (root.size.map(|size| size.0), root.kind.map(category_word));
    let encrypted = root.encryption.encrypted.map(|on| if on { "true" } else { "false" });
    let kms_key_id = root.encryption.key.as_ref().map(ToString::to_string);
    (*root != RootSettings::default()).then(|| SystemDiskReply {
        size,
        category,
        performance_level: root.kind.map(level_word),
        disk_name: root.name.clone(),
        description: root.description.clone(),
        delete_with_instance: root.deleted,
        encrypted,
        kms_key_id,
    })
}

fn disk(volume: &NewVolume) -> DiskReply {
    DiskReply {
        size: volume.size.map(|size| size.0),
        snapshot_id: volume.snapshot.map(|id| id.to_string()),
        category: category_word(volume.kind),
        performance_level: level_word(volume.kind),
        disk_name: volume.name.clone(),
        description: volume.description.clone(),
        device: volume.device.clone().unwrap_or_default(),
        delete_with_instance: volume.delete_on_termination,
        encrypted: if volume.encryption.encrypted == Some(true) { "true" } else { "false" },
        kms_key_id: volume.encryption.key.as_ref().map(ToString::to_string),
    }
}

fn tags(tags: &Tags) -> Vec<TagReply> {
    tags.iter().map(|(key, value)| TagReply { key: key.clone(), value: value.clone() }).collect()
}
