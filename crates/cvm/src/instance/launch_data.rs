//! What a launch template says, as CVM's replies show it.

use model::{LaunchSettings, NewVolume, PlacementGroupRef, RoleChoice, VpcId};
use wire::Show;

use crate::bandwidth::charge_word;
use crate::id;
use crate::tag::{self, TagReply};
use crate::volume::kind_word;

/// What a template says. Members that the vendor always sends have the value that a launch takes when nothing is said; the size of
/// the system disk, which then follows the image, is 0.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct LaunchData {
    instance_charge_type: &'static str,
    enhanced_service: Enhanced,
    placement: PlacementReply,
    image_id: String,
    instance_type: String,
    instance_count: u32,
    instance_name: String,
    host_name: Option<String>,
    system_disk: SystemDiskReply,
    #[reply(skip_empty)]
    data_disks: Vec<DiskReply>,
    virtual_private_cloud: NetworkReply,
    internet_accessible: InternetReply,
    /// None without a key pair; a password is never told.
    login_settings: Option<LoginReply>,
    security_group_ids: Vec<String>,
    user_data: Option<String>,
    cam_role_name: Option<String>,
    disable_api_termination: bool,
    #[reply(skip_empty)]
    disaster_recover_group_ids: Vec<String>,
    #[reply(skip_empty)]
    tag_specification: Vec<TagsReply>,
}

/// The vendor's own agents in the guest, of which there are none.
#[derive(Show)]
struct Enhanced {
    security_service: Switch,
    monitor_service: Switch,
    automation_service: Switch,
}

#[derive(Show)]
struct Switch {
    enabled: bool,
}

#[derive(Show)]
struct PlacementReply {
    zone: String,
    project_id: u32,
}

#[derive(Show)]
struct SystemDiskReply {
    disk_size: u32,
    disk_type: &'static str,
    encrypt: bool,
    kms_key_id: String,
}

#[derive(Show)]
struct DiskReply {
    disk_size: Option<u32>,
    disk_type: &'static str,
    disk_name: Option<String>,
    delete_with_instance: bool,
    encrypt: bool,
    kms_key_id: String,
    snapshot_id: Option<String>,
    throughput_performance: u32,
}

#[derive(Show)]
#[reply(list = "")]
struct NetworkReply {
    vpc_id: String,
    subnet_id: String,
    as_vpc_gateway: bool,
    #[reply(skip_empty)]
    private_ip_addresses: Vec<String>,
}

#[derive(Show)]
#[reply(list = "")]
struct LoginReply {
    key_ids: Vec<String>,
}

#[derive(Show)]
struct InternetReply {
    internet_charge_type: &'static str,
    public_ip_assigned: bool,
    internet_max_bandwidth_out: u32,
}

#[derive(Show)]
#[reply(list = "")]
struct TagsReply {
    resource_type: &'static str,
    tags: Vec<TagReply>,
}

impl LaunchData {
    /// What these settings say. `vpc` is that of the subnet, `key_ids` the ids of the key pairs. A public address is shown with the least bandwidth where none was said.
    pub(crate) fn of(settings: LaunchSettings, vpc: Option<VpcId>, key_ids: Vec<String>) -> LaunchData {
        let root = &settings.root;
        let off = || Switch { enabled: false };
        let assigned = settings.public_address.unwrap_or(false);
        let private_ip_addresses = settings.private_ip.iter().map(ToString::to_string).collect();
        let bandwidth = settings.bandwidth;
        LaunchData {
            instance_charge_type: "POSTPAID_BY_HOUR",
            enhanced_service: Enhanced { security_service: off(), monitor_service: off(), automation_service: off() },
            placement: PlacementReply { zone: settings.zone.unwrap_or_default(), project_id: 0 },
            image_id: id::shown_or_empty(settings.image),
            instance_type: settings.instance_type.unwrap_or_default(),
            instance_count: settings.count.unwrap_or(1),
            instance_name: settings.name.unwrap_or_default(),
            host_name: settings.hostname,
            system_disk: SystemDiskReply {
                disk_size: root.size.map_or(0, |size| size.0),
                disk_type: kind_word(root.kind.unwrap_or_default()),
                encrypt: root.encryption.encrypted == Some(true),
                kms_key_id: root.encryption.key_text(),
            },
            data_disks: settings.volumes.into_iter().map(data_disk).collect(),
            virtual_private_cloud: NetworkReply {
                vpc_id: id::shown_or_empty(vpc),
                subnet_id: id::shown_or_empty(settings.subnet),
                as_vpc_gateway: false,
                private_ip_addresses,
            },
            internet_accessible: InternetReply {
                internet_charge_type: charge_word(settings.attributes.internet_charge.unwrap_or_default()),
                public_ip_assigned: assigned,
                internet_max_bandwidth_out: bandwidth.unwrap_or(assigned.into()),
            },
            login_settings: (!key_ids.is_empty()).then_some(LoginReply { key_ids }),
            security_group_ids: settings.groups.into_iter().map(id::shown).collect(),
            user_data: settings.user_data,
            cam_role_name: settings.role.and_then(role_name),
            disaster_recover_group_ids: match settings.placement.map(|choice| choice.group) {
                Some(PlacementGroupRef::Id(group)) => vec![id::shown(group)],
                Some(PlacementGroupRef::Name(_)) | None => vec![],
            },
            disable_api_termination: settings.attributes.termination_protection.unwrap_or(false),
            tag_specification: match settings.tags.is_empty() {
                true => vec![],
                false => vec![TagsReply { resource_type: "instance", tags: tag::replies(&settings.tags) }],
            },
        }
    }
}

/// A role that is named directly; a profile is another cloud's word.
fn role_name(choice: RoleChoice) -> Option<String> {
    match choice {
        RoleChoice::Role(name) => Some(name),
        RoleChoice::Profile(_) => None,
    }
}

fn data_disk(volume: NewVolume) -> DiskReply {
    DiskReply {
        disk_size: volume.size.map(|size| size.0),
        disk_type: kind_word(volume.kind),
        disk_name: Some(volume.name).filter(|name| !name.is_empty()),
        delete_with_instance: volume.delete_on_termination,
        encrypt: volume.encryption.encrypted == Some(true),
        kms_key_id: volume.encryption.key_text(),
        snapshot_id: volume.snapshot.map(id::shown),
        throughput_performance: volume.provisioned.throughput.unwrap_or(0),
    }
}
