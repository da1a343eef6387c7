//! RunInstances: from EC2's parameters to one launch.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{LaunchNics, NewVolume, RunInstances as Launch};
use model::{AttributeSettings, Error, Gib, LaunchSettings, NAME_MAX, Noun, OnShutdown, RootSettings, Tags};
use wire::{Base64, FromArg};

use crate::capacity_reservation::CapacitySpecification;
use crate::credit_specification::AskedLaunchCredits;
use crate::error::{Refusal, combination, unsupported};
use crate::host_name::AskedOptions;
use crate::instance::{Reservation, empty_reservation, reservations};
use crate::instance_attribute::Behavior;
use crate::instance_role::ProfileSpecification;
use crate::ipv6::{self, AskedAddress};
use crate::launch_nics::{self, Beside, NetworkInterface, Nics};
use crate::launch_template::{self, TemplateSpecification};
use crate::metadata_options::AskedMetadata;
use crate::placement_group::AskedGroup;
use crate::region::zone_with_id;
use crate::tag::{self, TagSpecification};
use crate::volume::{ROOT_DEVICE, VolumeType, bought};
use crate::{Cx, disk_encryption};

/// Longest user data in bytes, before base64 (EC2 user guide: "limited to 16 KB, in raw form").
const USER_DATA_MAX: usize = 16 * 1024;
/// Things of one launch that can be tagged.
const TAGGED: &[&str] = &["instance", "volume", "network-interface"];

/// The parameters of `RunInstances`.
#[derive(FromArg)]
pub(crate) struct RunInstances {
    min_count: u32,
    max_count: u32,
    client_token: Option<String>,
    launch_template: Option<TemplateSpecification>,
    #[arg(flatten)]
    machine: Machine,
}

/// What is said of each new instance, in a launch or in a template.
#[derive(FromArg)]
pub(crate) struct Machine {
    image_id: Option<String>,
    instance_type: Option<String>,
    key_name: Option<String>,
    #[arg(name = "SecurityGroupId")]
    group_ids: Vec<String>,
    #[arg(name = "SecurityGroup")]
    group_names: Vec<String>,
    subnet_id: Option<String>,
    private_ip_address: Option<Ipv4Addr>,
    #[arg(name = "Ipv6Address")]
    ipv6_addresses: Vec<AskedAddress>,
    ipv6_address_count: Option<usize>,
    user_data: Option<Base64>,
    placement: Option<Placement>,
    monitoring: Option<Enabled>,
    #[arg(name = "NetworkInterface")]
    interfaces: Vec<NetworkInterface>,
    #[arg(name = "BlockDeviceMapping")]
    devices: Vec<BlockDevice>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
    metadata_options: Option<AskedMetadata>,
    private_dns_name_options: Option<AskedOptions>,
    iam_instance_profile: Option<ProfileSpecification>,
    disable_api_termination: Option<bool>,
    disable_api_stop: Option<bool>,
    instance_initiated_shutdown_behavior: Option<Behavior>,
    ebs_optimized: Option<bool>,
    capacity_reservation_specification: Option<CapacitySpecification>,
    hibernation_options: Option<Configured>,
    enclave_options: Option<Enabled>,
    credit_specification: Option<AskedLaunchCredits>,
}

/// Parameters of EC2's for things that this cloud does not have yet.
pub(crate) const ABSENT: &[&str] = &[
    "AdditionalInfo",
    "BlockDeviceMapping.Ebs.AvailabilityZone",
    "BlockDeviceMapping.Ebs.AvailabilityZoneId",
    "BlockDeviceMapping.Ebs.EbsCardIndex",
    "BlockDeviceMapping.Ebs.OutpostArn",
    "BlockDeviceMapping.Ebs.VolumeInitializationRate",
    "BlockDeviceMapping.VirtualName",
    "CpuOptions",
    "ElasticGpuSpecification",
    "ElasticInferenceAccelerator",
    "EnablePrimaryIpv6",
    "InstanceMarketOptions",
    "KernelId",
    "LicenseSpecification",
    "MaintenanceOptions",
    "Monitoring.MetricCategoryId",
    "NetworkInterface.AssociateCarrierIpAddress",
    "NetworkInterface.ConnectionTrackingSpecification",
    "NetworkInterface.EnaQueueCount",
    "NetworkInterface.EnaSrdSpecification",
    "NetworkInterface.Ipv4Prefix",
    "NetworkInterface.Ipv4PrefixCount",
    "NetworkInterface.Ipv6Prefix",
    "NetworkInterface.Ipv6PrefixCount",
    "NetworkInterface.PrimaryIpv6",
    "NetworkPerformanceOptions",
    "Operator",
    "Placement.Affinity",
    "Placement.HostId",
    "Placement.HostResourceGroupArn",
    "Placement.SpreadDomain",
    "RamdiskId",
    "SecondaryInterface",
];

#[derive(FromArg)]
struct Placement {
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    tenancy: Option<String>,
    #[arg(flatten)]
    group: AskedGroup,
}

#[derive(FromArg)]
struct Enabled {
    #[arg(default)]
    enabled: bool,
}

#[derive(FromArg)]
struct Configured {
    #[arg(default)]
    configured: bool,
}

#[derive(FromArg)]
struct BlockDevice {
    device_name: String,
    ebs: Option<Ebs>,
    no_device: Option<String>,
}

#[derive(FromArg)]
struct Ebs {
    snapshot_id: Option<String>,
    volume_size: Option<u32>,
    volume_type: Option<VolumeType>,
    iops: Option<u32>,
    throughput: Option<u32>,
    delete_on_termination: Option<bool>,
    encrypted: Option<bool>,
    kms_key_id: Option<String>,
}

/// Launches instances.
pub(crate) async fn run_instances(cx: Cx, asked: RunInstances) -> Result<Reservation, Refusal> {
    let RunInstances { min_count, max_count, client_token, launch_template, machine } = asked;
    cx.cloud.admit_launch(&cx.caller, u64::from(max_count))?;
    let command = launch(&cx, machine, launch_template, min_count, max_count).await?;
    let launched = cx.cloud.run(&cx.caller, command, cx.options(client_token.filter(|token| !token.is_empty()))).await?;
    let made = if launched.made.is_empty() { cx.cloud.launched(launched.instances).await? } else { launched.made };
    let first = reservations(&cx, made).into_iter().next();
    Ok(first.unwrap_or_else(|| empty_reservation(launched.reservation, cx.caller.account())))
}

async fn launch(
    cx: &Cx,
    machine: Machine,
    template: Option<TemplateSpecification>,
    min_count: u32,
    max_count: u32,
) -> Result<Launch, Refusal> {
    let (said, nics) = read(cx, machine)?;
    let (template, settings) = launch_template::under(cx, template, said).await?;
    let names = vec![settings.name.clone().unwrap_or_else(|| display_name(&settings.tags))];
    Ok(Launch { template, names, nics, ..Launch::of(settings, min_count, max_count)? })
}

/// What is meant by what a template says of an instance. Templates keep the primary interface only.
pub(crate) fn settings(cx: &Cx, asked: Machine) -> Result<LaunchSettings, Refusal> {
    match read(cx, asked)? {
        (settings, nics) if nics == LaunchNics::default() => Ok(settings),
        _ => Err(unsupported("More of the network interfaces in a launch template than subnet, groups and address of the primary one")),
    }
}

/// What is meant by what is said of an instance, and of its interfaces beyond the usual.
fn read(cx: &Cx, asked: Machine) -> Result<(LaunchSettings, LaunchNics), Refusal> {
    refuse_what_is_not_here(&asked)?;
    let Nics { subnet, groups, ip, public, deleted, rest: nics } = launch_nics::read(&Beside::of(&asked)?, &asked.interfaces)?;
    let (root, volumes) = disks(cx, &asked.devices)?;
    let settings = LaunchSettings {
        image: tag::optional_id(Noun::Image, asked.image_id.as_deref())?,
        zone: zone(cx, asked.placement.as_ref())?,
        subnet,
        groups,
        group_names: asked.group_names,
        private_ip: ip,
        public_address: public,
        key_names: asked.key_name.into_iter().collect(),
        user_data: asked.user_data.map_or(Ok(None), |data| user_data(&data.0))?,
        root,
        volumes,
        attributes: AttributeSettings {
            termination_protection: asked.disable_api_termination,
            stop_protection: asked.disable_api_stop,
            on_shutdown: asked.instance_initiated_shutdown_behavior.map(OnShutdown::from),
            ebs_optimized: asked.ebs_optimized,
            detailed_monitoring: asked.monitoring.map(|monitoring| monitoring.enabled),
            ..asked.metadata_options.map_or(Ok(AttributeSettings::default()), |options| options.settings())?
        },
        role: match &asked.iam_instance_profile {
            Some(profile) => profile.optional_choice(cx.caller.account())?,
            None => None,
        },
        placement: asked.placement.as_ref().map_or(Ok(None), |placement| placement.group.choice())?,
        host_names: asked.private_dns_name_options.map(AskedOptions::settings).unwrap_or_default(),
        capacity: asked.capacity_reservation_specification.as_ref().map_or(Ok(None), CapacitySpecification::choice)?,
        tags: tag::specified(&asked.tags, "instance", TAGGED)?,
        volume_tags: tag::specified(&asked.tags, "volume", TAGGED)?,
        interface_tags: tag::specified(&asked.tags, "network-interface", TAGGED)?,
        interface_deleted: deleted,
        instance_type: asked.instance_type,
        plain: asked.credit_specification.map_or(Ok(Tags::new()), AskedLaunchCredits::said)?,
        ..LaunchSettings::default()
    };
    Ok((settings, nics))
}

impl Beside {
    fn of(asked: &Machine) -> Result<Beside, Refusal> {
        Ok(Beside {
            subnet: asked.subnet_id.clone(),
            groups: asked.group_ids.clone(),
            has_names: !asked.group_names.is_empty(),
            ip: asked.private_ip_address,
            ipv6: ipv6::wanted(&asked.ipv6_addresses, asked.ipv6_address_count)?,
        })
    }
}

/// Refuses values that ask for what this cloud does not have, of parameters whose other values change nothing.
fn refuse_what_is_not_here(asked: &Machine) -> Result<(), Refusal> {
    if asked.hibernation_options.as_ref().is_some_and(|options| options.configured) {
        return Err(unsupported("Hibernation"));
    }
    if asked.enclave_options.as_ref().is_some_and(|options| options.enabled) {
        return Err(unsupported("An enclave"));
    }
    match asked.placement.as_ref().and_then(|placement| placement.tenancy.as_deref()) {
        None | Some("default" | "") => Ok(()),
        Some(tenancy) => Err(unsupported(format!("The tenancy '{tenancy}'"))),
    }
}

fn zone(cx: &Cx, placement: Option<&Placement>) -> Result<Option<String>, Refusal> {
    let Some(placement) = placement else { return Ok(None) };
    let by_id = placement.availability_zone_id.as_deref().map(|id| zone_with_id(cx, id)).transpose()?;
    match (placement.availability_zone.clone().filter(|zone| !zone.is_empty()), by_id) {
        (Some(name), Some(other)) if name != other => Err(combination(format!("The zone {name} does not have the id given"))),
        (name, by_id) => Ok(name.or(by_id)),
    }
}

/// The system disk, and the volumes beside it.
fn disks(cx: &Cx, devices: &[BlockDevice]) -> Result<(RootSettings, Vec<NewVolume>), Refusal> {
    let mut root = RootSettings::default();
    let mut volumes = Vec::new();
    for (at, device) in devices.iter().enumerate() {
        let name = &device.device_name;
        if devices[..at].iter().any(|earlier| earlier.device_name == *name) {
            return Err(Error::invalid("BlockDeviceMapping", format!("the device {name} is given twice")).into());
        }
        if device.no_device.is_some() {
            if name == ROOT_DEVICE {
                return Err(unsupported("An instance without a system disk"));
            }
            volumes.push(NewVolume { left_out: true, ..empty(name) });
            continue;
        }
        let Some(ebs) = &device.ebs else {
            if name == ROOT_DEVICE {
                continue;
            }
            return Err(Error::MissingParameter { name: "BlockDeviceMapping.Ebs.VolumeSize" }.into());
        };
        let encryption = disk_encryption::choice(cx, ebs.encrypted, ebs.kms_key_id.as_deref())?;
        let (size, kind, provisioned) = (ebs.volume_size.map(Gib), ebs.volume_type, bought(ebs.iops, ebs.throughput));
        kind.unwrap_or(VolumeType::Gp3).check(provisioned)?;
        let kind = kind.map(VolumeType::kind);
        let snapshot = tag::optional_id(Noun::Snapshot, ebs.snapshot_id.as_deref())?;
        if name == ROOT_DEVICE {
            if snapshot.is_some() {
                return Err(unsupported("Another snapshot of the system disk than the image's"));
            }
            if matches!(ebs.volume_type, Some(VolumeType::St1 | VolumeType::Sc1)) {
                return Err(Error::invalid("VolumeType", "st1 and sc1 volumes can not be used as boot volumes").into());
            }
            root = RootSettings { size, encryption, kind, provisioned, deleted: ebs.delete_on_termination, ..RootSettings::default() };
            continue;
        }
        let (kind, deleted) = (kind.unwrap_or_default(), ebs.delete_on_termination.unwrap_or(true));
        volumes.push(NewVolume { size, snapshot, encryption, kind, provisioned, delete_on_termination: deleted, ..empty(name) });
    }
    Ok((root, volumes))
}

/// A disk of which only the device name is known.
fn empty(device: &str) -> NewVolume {
    NewVolume { device: Some(device.to_owned()), ..NewVolume::default() }
}

/// User data as it is kept: base64; none when it is empty. Refused when longer than EC2 allows.
pub(crate) fn user_data(bytes: &[u8]) -> Result<Option<String>, Refusal> {
    if bytes.len() > USER_DATA_MAX {
        return Err(Refusal::UserDataTooLong { max: USER_DATA_MAX });
    }
    Ok(Some(STANDARD.encode(bytes)).filter(|text| !text.is_empty()))
}

/// The name that other dialects show: EC2's clients keep it in a tag, which may be longer than names are.
fn display_name(tags: &Tags) -> String {
    tags.get("Name").map_or_else(String::new, |name| name.chars().filter(|letter| !letter.is_control()).take(NAME_MAX).collect())
}
