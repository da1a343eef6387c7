//! RunInstances: from EC2's parameters to one launch.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{NewVolume, RunInstances as Launch};
use model::{Attributes, Error, Gib, NAME_MAX, Noun, OnShutdown, SecurityGroupId, SubnetId, Tags, VolumeKind};
use wire::{Base64, FromArg};

use crate::Cx;
use crate::error::{Refusal, combination, unsupported};
use crate::instance::{Reservation, empty_reservation, reservations};
use crate::instance_attribute::Behavior;
use crate::metadata_options::AskedMetadata;
use crate::region::zone_with_id;
use crate::tag::{self, TagSpecification};
use crate::volume::{ROOT_DEVICE, VolumeType};

/// Longest user data in bytes, before base64 (EC2 user guide: "limited to 16 KB, in raw form").
const USER_DATA_MAX: usize = 16 * 1024;
/// Things of one launch that can be tagged.
const TAGGED: &[&str] = &["instance", "volume", "network-interface"];

/// The parameters of `RunInstances`.
#[derive(FromArg)]
pub(crate) struct RunInstances {
    image_id: String,
    instance_type: String,
    min_count: u32,
    max_count: u32,
    client_token: Option<String>,
    key_name: Option<String>,
    #[arg(name = "SecurityGroupId")]
    group_ids: Vec<String>,
    #[arg(name = "SecurityGroup")]
    group_names: Vec<String>,
    subnet_id: Option<String>,
    private_ip_address: Option<Ipv4Addr>,
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
    #[arg(default)]
    disable_api_termination: bool,
    #[arg(default)]
    disable_api_stop: bool,
    #[arg(default = Behavior::Stop)]
    instance_initiated_shutdown_behavior: Behavior,
    #[expect(dead_code, reason = "every disk has its own bandwidth, whatever is said")]
    ebs_optimized: Option<bool>,
    hibernation_options: Option<Configured>,
    enclave_options: Option<Enabled>,
}

/// Parameters of EC2's for things that this cloud does not have yet.
pub(crate) const ABSENT: &[&str] = &[
    "AdditionalInfo",
    "BlockDeviceMapping.Ebs.AvailabilityZone",
    "BlockDeviceMapping.Ebs.AvailabilityZoneId",
    "BlockDeviceMapping.Ebs.EbsCardIndex",
    "BlockDeviceMapping.Ebs.Iops",
    "BlockDeviceMapping.Ebs.KmsKeyId",
    "BlockDeviceMapping.Ebs.OutpostArn",
    "BlockDeviceMapping.Ebs.Throughput",
    "BlockDeviceMapping.Ebs.VolumeInitializationRate",
    "BlockDeviceMapping.VirtualName",
    "CapacityReservationSpecification",
    "CpuOptions",
    "CreditSpecification",
    "ElasticGpuSpecification",
    "ElasticInferenceAccelerator",
    "EnablePrimaryIpv6",
    "IamInstanceProfile",
    "InstanceMarketOptions",
    "Ipv6Address",
    "Ipv6AddressCount",
    "KernelId",
    "LaunchTemplate",
    "LicenseSpecification",
    "MaintenanceOptions",
    "Monitoring.MetricCategoryId",
    "NetworkInterface.AssociateCarrierIpAddress",
    "NetworkInterface.ConnectionTrackingSpecification",
    "NetworkInterface.Description",
    "NetworkInterface.EnaQueueCount",
    "NetworkInterface.EnaSrdSpecification",
    "NetworkInterface.Ipv4Prefix",
    "NetworkInterface.Ipv4PrefixCount",
    "NetworkInterface.Ipv6AddressCount",
    "NetworkInterface.Ipv6Addresses",
    "NetworkInterface.Ipv6Prefix",
    "NetworkInterface.Ipv6PrefixCount",
    "NetworkInterface.NetworkInterfaceId",
    "NetworkInterface.PrimaryIpv6",
    "NetworkInterface.SecondaryPrivateIpAddressCount",
    "NetworkPerformanceOptions",
    "Operator",
    "Placement.Affinity",
    "Placement.GroupId",
    "Placement.GroupName",
    "Placement.HostId",
    "Placement.HostResourceGroupArn",
    "Placement.PartitionNumber",
    "Placement.SpreadDomain",
    "PrivateDnsNameOptions",
    "RamdiskId",
    "SecondaryInterface",
];

#[derive(FromArg)]
struct Placement {
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    tenancy: Option<String>,
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
struct NetworkInterface {
    #[arg(default)]
    device_index: u32,
    network_card_index: Option<u32>,
    subnet_id: Option<String>,
    #[arg(name = "SecurityGroupId")]
    group_ids: Vec<String>,
    associate_public_ip_address: Option<bool>,
    private_ip_address: Option<Ipv4Addr>,
    #[arg(name = "PrivateIpAddresses")]
    private_ips: Vec<PrivateIp>,
    delete_on_termination: Option<bool>,
    interface_type: Option<String>,
}

#[derive(FromArg)]
struct PrivateIp {
    private_ip_address: Ipv4Addr,
    #[arg(default)]
    primary: bool,
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
    delete_on_termination: Option<bool>,
    encrypted: Option<bool>,
}

/// Launches instances.
pub(crate) async fn run_instances(cx: Cx, asked: RunInstances) -> Result<Reservation, Refusal> {
    let token = asked.client_token.clone().filter(|token| !token.is_empty());
    let command = launch(&cx, asked)?;
    let launched = cx.cloud.run(&cx.caller, command, cx.options(token)).await?;
    let made = cx.cloud.launched(&launched).await?;
    let first = reservations(&cx, &made).into_iter().next();
    Ok(first.unwrap_or_else(|| empty_reservation(launched.reservation.to_string(), cx.caller.account().to_string())))
}

fn launch(cx: &Cx, asked: RunInstances) -> Result<Launch, Refusal> {
    refuse_what_is_not_here(&asked)?;
    let tags = tag::specified(&asked.tags, "instance", TAGGED)?;
    let nic = nic(&asked)?;
    let (root, volumes) = disks(&asked.devices)?;
    Ok(Launch {
        image: tag::id(Noun::Image, &asked.image_id)?,
        zone: zone(cx, asked.placement.as_ref())?,
        subnet: nic.subnet,
        groups: nic.groups,
        group_names: asked.group_names,
        private_ip: nic.ip,
        public_address: nic.public,
        key_name: asked.key_name,
        password_hash: None,
        user_data: asked.user_data.map_or(Ok(None), |data| user_data(&data.0))?,
        names: vec![display_name(&tags)],
        description: String::new(),
        hostnames: vec![],
        root_size: root.size,
        root_kind: root.kind,
        root_deleted: root.deleted,
        volumes,
        running: true,
        attributes: attributes(
            asked.metadata_options.as_ref(),
            Attributes {
                termination_protection: asked.disable_api_termination,
                stop_protection: asked.disable_api_stop,
                on_shutdown: OnShutdown::from(asked.instance_initiated_shutdown_behavior),
                detailed_monitoring: asked.monitoring.is_some_and(|monitoring| monitoring.enabled),
                ..Attributes::default()
            },
        )?,
        volume_tags: tag::specified(&asked.tags, "volume", TAGGED)?,
        interface_tags: tag::specified(&asked.tags, "network-interface", TAGGED)?,
        instance_type: asked.instance_type,
        min_count: asked.min_count,
        max_count: asked.max_count,
        tags,
    })
}

/// Refuses values that ask for what this cloud does not have, of parameters whose other values change nothing.
fn refuse_what_is_not_here(asked: &RunInstances) -> Result<(), Refusal> {
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

/// Where the one interface of an instance is.
struct Nic {
    subnet: Option<SubnetId>,
    groups: Vec<SecurityGroupId>,
    ip: Option<Ipv4Addr>,
    public: Option<bool>,
}

fn nic(asked: &RunInstances) -> Result<Nic, Refusal> {
    let subnet = |id: &Option<String>| id.as_deref().map(|id| tag::id(Noun::Subnet, id)).transpose();
    let Some(interface) = asked.interfaces.first() else {
        return Ok(Nic {
            subnet: subnet(&asked.subnet_id)?,
            groups: tag::ids(Noun::SecurityGroup, &asked.group_ids)?,
            ip: asked.private_ip_address,
            public: None,
        });
    };
    let beside = asked.subnet_id.is_some() || !asked.group_ids.is_empty() || !asked.group_names.is_empty();
    if beside || asked.private_ip_address.is_some() {
        return Err(combination("Network interfaces and an instance-level subnet, address or security groups exclude each other"));
    }
    if asked.interfaces.len() > 1 || interface.device_index != 0 || interface.network_card_index.unwrap_or(0) != 0 {
        return Err(unsupported("A second network interface at launch"));
    }
    if interface.delete_on_termination == Some(false) {
        return Err(unsupported("A network interface that outlives its instance"));
    }
    if let Some(kind) = interface.interface_type.as_deref().filter(|kind| !matches!(*kind, "interface" | "")) {
        return Err(unsupported(format!("The interface type '{kind}'")));
    }
    Ok(Nic {
        subnet: subnet(&interface.subnet_id)?,
        groups: tag::ids(Noun::SecurityGroup, &interface.group_ids)?,
        ip: primary_ip(interface)?,
        public: interface.associate_public_ip_address,
    })
}

fn primary_ip(interface: &NetworkInterface) -> Result<Option<Ipv4Addr>, Refusal> {
    match (interface.private_ip_address, interface.private_ips.as_slice()) {
        (single, []) => Ok(single),
        (None, [one]) if one.primary => Ok(Some(one.private_ip_address)),
        (Some(_), _) => Err(combination("PrivateIpAddress and PrivateIpAddresses exclude each other")),
        (None, _) => Err(unsupported("A secondary private address")),
    }
}

/// What is said of the system disk.
struct Root {
    size: Option<Gib>,
    kind: VolumeKind,
    deleted: bool,
}

/// The system disk, and the volumes beside it.
fn disks(devices: &[BlockDevice]) -> Result<(Root, Vec<NewVolume>), Refusal> {
    let mut root = Root { size: None, kind: VolumeKind::default(), deleted: true };
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
        if ebs.encrypted == Some(true) {
            return Err(unsupported("An encrypted volume"));
        }
        let (size, deleted) = (ebs.volume_size.map(Gib), ebs.delete_on_termination.unwrap_or(true));
        let kind = ebs.volume_type.map_or(Ok(VolumeKind::default()), VolumeType::kind)?;
        let snapshot = ebs.snapshot_id.as_deref().filter(|id| !id.is_empty()).map(|id| tag::id(Noun::Snapshot, id)).transpose()?;
        if name == ROOT_DEVICE {
            if snapshot.is_some() {
                return Err(unsupported("Another snapshot of the system disk than the image's"));
            }
            root = Root { size, kind, deleted };
            continue;
        }
        volumes.push(NewVolume { size, snapshot, kind, delete_on_termination: deleted, ..empty(name) });
    }
    Ok((root, volumes))
}

/// A disk of which only the device name is known.
fn empty(device: &str) -> NewVolume {
    NewVolume {
        size: None,
        snapshot: None,
        left_out: false,
        kind: VolumeKind::default(),
        device: Some(device.to_owned()),
        delete_on_termination: true,
        name: String::new(),
        description: String::new(),
    }
}

fn attributes(metadata: Option<&AskedMetadata>, mut attributes: Attributes) -> Result<Attributes, Refusal> {
    if let Some(asked) = metadata {
        attributes.metadata = asked.over(&attributes.metadata)?;
    }
    Ok(attributes)
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
