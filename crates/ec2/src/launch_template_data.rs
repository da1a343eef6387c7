//! What a launch template says, as EC2's replies show it.

use control::InstanceView;
use model::{
    AttributeSettings, Encryption, Error, LaunchSettings, NewVolume, OnShutdown, PlacementChoice, PlacementGroupRef, RoleChoice,
    RootSettings, Tags, is_reserved,
};
use wire::{FromArg, Show};

use crate::capacity_reservation::ShownSpecification;
use crate::credit_specification::LaunchCredits;
use crate::error::Refusal;
use crate::tag::{self, TagItem};
use crate::volume::{ROOT_DEVICE, type_word};
use crate::{Cx, host_name};

/// What a template says. An element that is absent is not said.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct LaunchData {
    #[reply(skip_empty)]
    block_device_mapping_set: Vec<Device>,
    #[reply(skip_empty)]
    network_interface_set: Vec<Nic>,
    iam_instance_profile: Option<ProfileName>,
    ebs_optimized: Option<bool>,
    image_id: Option<String>,
    instance_type: Option<String>,
    key_name: Option<String>,
    monitoring: Option<Monitoring>,
    placement: Option<Placement>,
    disable_api_termination: Option<bool>,
    instance_initiated_shutdown_behavior: Option<&'static str>,
    user_data: Option<String>,
    #[reply(skip_empty)]
    tag_specification_set: Vec<TagSpecification>,
    #[reply(skip_empty)]
    security_group_id_set: Vec<String>,
    #[reply(skip_empty)]
    security_group_set: Vec<String>,
    metadata_options: Option<Metadata>,
    private_dns_name_options: Option<host_name::Options>,
    disable_api_stop: Option<bool>,
    capacity_reservation_specification: Option<ShownSpecification>,
    credit_specification: Option<LaunchCredits>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ProfileName {
    name: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Device {
    device_name: String,
    ebs: Option<Ebs>,
    no_device: Option<&'static str>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Ebs {
    delete_on_termination: Option<bool>,
    encrypted: Option<bool>,
    kms_key_id: Option<String>,
    iops: Option<u32>,
    snapshot_id: Option<String>,
    throughput: Option<u32>,
    volume_size: Option<u32>,
    volume_type: Option<&'static str>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Nic {
    associate_public_ip_address: Option<bool>,
    delete_on_termination: Option<bool>,
    device_index: u32,
    #[reply(skip_empty, list = "groupId")]
    group_set: Vec<String>,
    private_ip_address: Option<String>,
    subnet_id: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Monitoring {
    enabled: bool,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Placement {
    availability_zone: Option<String>,
    group_id: Option<String>,
    group_name: Option<String>,
    partition_number: Option<u32>,
}

impl Placement {
    fn of(settings: &LaunchSettings) -> Option<Placement> {
        let (group_id, group_name) = match settings.placement.as_ref().map(|choice| &choice.group) {
            Some(PlacementGroupRef::Id(id)) => (Some(id.to_string()), None),
            Some(PlacementGroupRef::Name(name)) => (None, Some(name.clone())),
            None => (None, None),
        };
        let partition_number = settings.placement.as_ref().and_then(|choice| choice.partition);
        let says_something = settings.zone.is_some() || settings.placement.is_some();
        says_something.then(|| Placement { availability_zone: settings.zone.clone(), group_id, group_name, partition_number })
    }
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct TagSpecification {
    resource_type: &'static str,
    tag_set: Vec<TagItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Metadata {
    state: &'static str,
    http_tokens: Option<&'static str>,
    http_put_response_hop_limit: Option<u8>,
    http_endpoint: Option<&'static str>,
    instance_metadata_tags: Option<&'static str>,
}

impl LaunchData {
    /// What these settings say.
    pub(crate) fn of(settings: &LaunchSettings) -> LaunchData {
        let attributes = &settings.attributes;
        let nic = nic(settings);
        let beside = if nic.is_empty() { texts(&settings.groups) } else { vec![] };
        LaunchData {
            block_device_mapping_set: root(&settings.root).into_iter().chain(settings.volumes.iter().enumerate().map(device)).collect(),
            security_group_id_set: beside,
            network_interface_set: nic,
            iam_instance_profile: match &settings.role {
                Some(RoleChoice::Profile(name)) => Some(ProfileName { name: name.clone() }),
                Some(RoleChoice::Role(_)) | None => None,
            },
            ebs_optimized: attributes.ebs_optimized,
            image_id: settings.image.map(|id| id.to_string()),
            instance_type: settings.instance_type.clone(),
            key_name: settings.key_names.first().cloned(),
            monitoring: attributes.detailed_monitoring.map(|enabled| Monitoring { enabled }),
            placement: Placement::of(settings),
            disable_api_termination: attributes.termination_protection,
            instance_initiated_shutdown_behavior: attributes.on_shutdown.map(|then| match then {
                OnShutdown::Stop => "stop",
                OnShutdown::Terminate => "terminate",
            }),
            user_data: settings.user_data.clone(),
            tag_specification_set: [
                ("instance", &settings.tags),
                ("volume", &settings.volume_tags),
                ("network-interface", &settings.interface_tags),
            ]
            .into_iter()
            .filter_map(tagged)
            .collect(),
            security_group_set: settings.group_names.clone(),
            metadata_options: metadata(attributes),
            private_dns_name_options: host_name::Options::said(&settings.host_names),
            disable_api_stop: attributes.stop_protection,
            capacity_reservation_specification: settings.capacity.map(ShownSpecification::of),
            credit_specification: LaunchCredits::of(settings),
        }
    }
}

fn texts(ids: &[impl ToString]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// The interface, when what is said cannot be said beside it.
fn nic(settings: &LaunchSettings) -> Vec<Nic> {
    let of_an_interface = settings.subnet.is_some()
        || settings.public_address.is_some()
        || settings.private_ip.is_some()
        || settings.interface_deleted.is_some();
    let nic = || Nic {
        associate_public_ip_address: settings.public_address,
        delete_on_termination: settings.interface_deleted,
        device_index: 0,
        group_set: texts(&settings.groups),
        private_ip_address: settings.private_ip.map(|ip| ip.to_string()),
        subnet_id: settings.subnet.map(|id| id.to_string()),
    };
    of_an_interface.then(nic).into_iter().collect()
}

fn root(root: &RootSettings) -> Option<Device> {
    if *root == RootSettings::default() {
        return None;
    }
    let ebs = Ebs {
        delete_on_termination: root.deleted,
        encrypted: root.encryption.encrypted,
        kms_key_id: root.encryption.key.as_ref().map(ToString::to_string),
        iops: root.provisioned.iops,
        snapshot_id: None,
        throughput: root.provisioned.throughput,
        volume_size: root.size.map(|size| size.0),
        volume_type: root.kind.map(type_word),
    };
    Some(Device { device_name: ROOT_DEVICE.to_owned(), ebs: Some(ebs), no_device: None })
}

/// A further volume; EC2's clients want the name of its device, which other clouds need not say.
fn device((at, volume): (usize, &NewVolume)) -> Device {
    let letter = char::from(b'f' + u8::try_from(at).unwrap_or(0).min(20));
    Device {
        device_name: volume.device.clone().unwrap_or_else(|| format!("/dev/sd{letter}")),
        ebs: (!volume.left_out).then(|| Ebs {
            delete_on_termination: Some(volume.delete_on_termination),
            encrypted: volume.encryption.encrypted,
            kms_key_id: volume.encryption.key.as_ref().map(ToString::to_string),
            iops: volume.provisioned.iops,
            snapshot_id: volume.snapshot.map(|id| id.to_string()),
            throughput: volume.provisioned.throughput,
            volume_size: volume.size.map(|size| size.0),
            volume_type: Some(type_word(volume.kind)),
        }),
        no_device: volume.left_out.then_some(""),
    }
}

fn tagged((resource_type, tags): (&'static str, &Tags)) -> Option<TagSpecification> {
    (!tags.is_empty()).then(|| TagSpecification { resource_type, tag_set: tag::items(tags) })
}

fn metadata(attributes: &AttributeSettings) -> Option<Metadata> {
    let AttributeSettings { metadata_enabled, token_required, hop_limit, show_tags, .. } = attributes;
    let switch = |on: bool| if on { "enabled" } else { "disabled" };
    let any = metadata_enabled.is_some() || token_required.is_some() || hop_limit.is_some() || show_tags.is_some();
    any.then(|| Metadata {
        state: "pending",
        http_tokens: token_required.map(|required| if required { "required" } else { "optional" }),
        http_put_response_hop_limit: *hop_limit,
        http_endpoint: metadata_enabled.map(switch),
        instance_metadata_tags: show_tags.map(switch),
    })
}

/// The parameters of `GetLaunchTemplateData`.
#[derive(FromArg)]
pub(crate) struct GetLaunchTemplateData {
    instance_id: String,
}

/// The reply of `GetLaunchTemplateData`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Data {
    launch_template_data: LaunchData,
}

/// What a template would say that launches instances like this one.
pub(crate) async fn get(cx: Cx, asked: GetLaunchTemplateData) -> Result<Data, Refusal> {
    let id = tag::id(model::Noun::Instance, &asked.instance_id)?;
    let view = cx.cloud.instance_view(&cx.caller, id).await?;
    if view.interface().is_none() {
        return Err(Error::not_found(model::Noun::Instance, id).into());
    }
    Ok(Data { launch_template_data: LaunchData::of(&like(view)) })
}

fn like(view: InstanceView) -> LaunchSettings {
    let groups = view.groups().iter().map(|(id, _)| *id).collect();
    let InstanceView { instance, volumes, role, .. } = view;
    let (roots, others): (Vec<_>, Vec<_>) = volumes.into_iter().partition(model::Volume::is_root);
    let root = roots.into_iter().next();
    let (attributes, metadata) = (&instance.attributes, &instance.attributes.metadata);
    LaunchSettings {
        image: Some(instance.image),
        zone: Some(instance.zone),
        subnet: Some(instance.subnet),
        groups,
        public_address: Some(instance.automatic_address),
        key_names: instance.guest.key_name().map(str::to_owned).into_iter().collect(),
        user_data: instance.guest.user_data,
        root: root.as_ref().map_or(RootSettings::default(), |root| RootSettings {
            size: Some(root.size),
            encryption: Encryption::choice(root.encryption.as_ref()),
            kind: Some(root.kind),
            provisioned: root.provisioned,
            deleted: Some(root.delete_on_termination),
            ..RootSettings::default()
        }),
        volumes: others
            .into_iter()
            .map(|volume| NewVolume {
                size: Some(volume.size),
                encryption: Encryption::choice(volume.encryption.as_ref()),
                kind: volume.kind,
                provisioned: volume.provisioned,
                device: Some(volume.device),
                delete_on_termination: volume.delete_on_termination,
                ..NewVolume::default()
            })
            .collect(),
        attributes: AttributeSettings {
            termination_protection: Some(attributes.termination_protection),
            stop_protection: Some(attributes.stop_protection),
            on_shutdown: Some(attributes.on_shutdown),
            detailed_monitoring: Some(attributes.detailed_monitoring),
            ebs_optimized: Some(attributes.ebs_optimized),
            metadata_enabled: Some(metadata.enabled),
            token_required: Some(metadata.token_required),
            hop_limit: Some(metadata.hop_limit),
            show_tags: Some(metadata.show_tags),
            release_at: None,
            internet_charge: None,
        },
        placement: instance.placement.map(|group| PlacementChoice { group: PlacementGroupRef::Id(group.id), partition: group.partition }),
        capacity: Some(instance.capacity),
        role: role.and_then(|held| held.profile).map(|profile| RoleChoice::Profile(profile.name)),
        tags: instance.tags.into_iter().filter(|(key, _)| !is_reserved(key)).collect(),
        instance_type: Some(crate::instance_type::shown(&instance.instance_type)),
        ..LaunchSettings::default()
    }
}
