//! RunInstances: from CVM's parameters to one launch.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{NewVolume, Options, Query, RunInstances as Launch};
use model::{
    AttributeSettings, EncryptionChoice, Error, Gib, KEYS_PER_INSTANCE_MAX, LaunchSettings, Noun, PlacementChoice, Provisioned, RoleChoice,
    RootSettings, Subnet, SubnetId, Tags, VOLUMES_PER_INSTANCE_MAX, VolumeKind, VpcId,
};
use secrecy::{ExposeSecret, SecretString};
use wire::{Base64, FromArg, Show};

use crate::action_timer::ActionTimerArg;
use crate::bandwidth::ChargeType;
use crate::error::Fault;
use crate::instance::name::names;
use crate::launch_template::{self, TemplateArg};
use crate::tag::{TAGS_PER_CALL, TagSpecification};
use crate::volume::{DiskType, extra};
use crate::{Cx, id, key_pair, placement_group, tag};

/// Most instances of one launch (CVM documents 100).
const COUNT_MAX: u32 = 100;
/// Most user data in bytes, before base64 (CVM documents 16 KB).
const USER_DATA_MAX: usize = 16 * 1024;
/// Largest bandwidth of an address in megabits per second (CVM sells up to 1,000 and more by type; nothing is held to it).
const BANDWIDTH_MAX: u32 = 2_000;
/// VPC and subnet of an instance that may be in any default one.
const DEFAULT: &str = "DEFAULT";

/// Parameters that CVM has and this cloud has not.
pub(crate) const ABSENT: &[&str] = &[
    "ChcIds",
    "CpuTopology",
    "DataDisks.CdcId",
    "DataDisks.DiskId",
    "DedicatedClusterId",
    "EnableJumboFrame",
    "HpcClusterId",
    "InstanceChargePrepaid",
    "InstanceChargeType",
    "InstanceMarketOptions",
    "InternetAccessible.AntiDDoSPackageId",
    "InternetAccessible.BandwidthPackageId",
    "InternetAccessible.IPv4AddressType",
    "InternetAccessible.IPv6AddressType",
    "Metadata",
    "NetworkInterfaces",
    "Placement.DedicatedResourcePackIds",
    "Placement.DedicatedResourcePackTenancy",
    "Placement.HostId",
    "Placement.HostIds",
    "Placement.RackId",
    "SystemDisk.CdcId",
    "SystemDisk.DiskId",
];

/// `RunInstances`.
#[derive(FromArg)]
pub(crate) struct RunInstances {
    #[arg(range = 1..=COUNT_MAX)]
    min_count: Option<u32>,
    launch_template: Option<TemplateArg>,
    partition_number: Option<u32>,
    client_token: Option<String>,
    action_timer: Option<ActionTimerArg>,
    #[arg(default)]
    dry_run: bool,
    #[arg(flatten)]
    machine: Machine,
}

/// What is said of each new instance, in a launch or in a template.
#[derive(FromArg)]
pub(crate) struct Machine {
    placement: Option<Placement>,
    image_id: Option<String>,
    instance_type: Option<String>,
    #[arg(range = 1..=COUNT_MAX)]
    instance_count: Option<u32>,
    instance_name: Option<String>,
    host_name: Option<String>,
    system_disk: Option<SystemDisk>,
    #[arg(max_items = VOLUMES_PER_INSTANCE_MAX - 1)]
    data_disks: Vec<DataDisk>,
    virtual_private_cloud: Option<VirtualPrivateCloud>,
    internet_accessible: Option<InternetAccessible>,
    #[arg(max_items = model::GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
    login_settings: Option<LoginSettings>,
    user_data: Option<Base64>,
    cam_role_name: Option<String>,
    #[arg(max_items = 1)]
    disaster_recover_group_ids: Vec<String>,
    #[arg(max_items = TAGS_PER_CALL)]
    tag_specification: Vec<TagSpecification>,
    disable_api_termination: Option<bool>,
}

#[derive(FromArg)]
struct Placement {
    zone: String,
}

#[derive(FromArg, Default)]
struct SystemDisk {
    disk_type: Option<DiskType>,
    disk_size: Option<u32>,
    disk_name: Option<String>,
    encrypt: Option<bool>,
    kms_key_id: Option<String>,
}

#[derive(FromArg)]
struct DataDisk {
    disk_size: Option<u32>,
    snapshot_id: Option<String>,
    disk_type: Option<DiskType>,
    throughput_performance: Option<u32>,
    disk_name: Option<String>,
    #[arg(default = true)]
    delete_with_instance: bool,
    encrypt: Option<bool>,
    kms_key_id: Option<String>,
    #[arg(default)]
    burst_performance: bool,
}

impl DataDisk {
    fn volume(self) -> Result<NewVolume, Fault> {
        if self.burst_performance {
            return Err(Fault::unsupported("The performance burst of a disk"));
        }
        Ok(NewVolume {
            size: self.disk_size.map(Gib),
            snapshot: self.snapshot_id.filter(|id| !id.is_empty()).map(|id| id::read(&id)).transpose()?,
            left_out: false,
            encryption: EncryptionChoice::asked(self.encrypt, self.kms_key_id.as_deref())?,
            kind: self.disk_type.map_or(VolumeKind::default(), DiskType::kind),
            provisioned: extra(self.throughput_performance),
            device: None,
            delete_on_termination: self.delete_with_instance,
            name: self.disk_name.unwrap_or_default(),
            description: String::new(),
        })
    }
}

#[derive(FromArg)]
struct VirtualPrivateCloud {
    vpc_id: String,
    subnet_id: String,
    #[arg(max_items = COUNT_MAX as usize)]
    private_ip_addresses: Vec<Ipv4Addr>,
}

#[derive(FromArg)]
struct InternetAccessible {
    #[arg(default, range = 0..=BANDWIDTH_MAX)]
    internet_max_bandwidth_out: u32,
    internet_charge_type: Option<ChargeType>,
    public_ip_assigned: Option<bool>,
}

#[derive(FromArg)]
pub(crate) struct LoginSettings {
    password: Option<SecretString>,
    #[arg(max_items = KEYS_PER_INSTANCE_MAX)]
    key_ids: Vec<String>,
    keep_image_login: Option<bool>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct LaunchedIds {
    instance_id_set: Vec<String>,
}

/// Launches instances. A dry run that finds nothing wrong is answered with nothing, as CVM does.
pub(crate) async fn run(cx: &Cx<'_>, asked: RunInstances) -> Result<Option<LaunchedIds>, Fault> {
    let options = Options { client_token: asked.client_token.clone().filter(|token| !token.is_empty()), dry_run: asked.dry_run };
    let launch = asked.launch(cx).await?;
    match cx.cloud.run(&cx.caller, launch, options).await {
        Ok(launched) => Ok(Some(LaunchedIds { instance_id_set: launched.instances.into_iter().map(id::shown).collect() })),
        Err(Error::DryRun) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The group with the partition that the launch asks for; a template names none.
fn in_partition(placement: Option<PlacementChoice>, partition: Option<u32>) -> Result<Option<PlacementChoice>, Fault> {
    match (placement, partition) {
        (Some(choice), Some(_)) => Ok(Some(PlacementChoice { partition, ..choice })),
        (None, Some(_)) => Err(Fault::conflict("`PartitionNumber` is given without a group")),
        (placement, None) => Ok(placement),
    }
}

impl RunInstances {
    async fn launch(self, cx: &Cx<'_>) -> Result<Launch, Fault> {
        let said = self.machine.settings(cx).await?;
        let (template, mut settings) = launch_template::under(cx, self.launch_template, said).await?;
        settings.placement = in_partition(settings.placement, self.partition_number)?;
        settings.attributes.release_at = self.action_timer.map(|timer| timer.at(cx.cloud.clock().now())).transpose()?;
        let count = settings.count.unwrap_or(1);
        cx.cloud.admit_launch(&cx.caller, u64::from(count))?;
        if settings.zone.is_none() && settings.subnet.is_none() {
            return Err(Fault::missing("Placement"));
        }
        let numbered = |name: &Option<String>| name.as_ref().map_or(vec![], |name| names(name, count));
        let (names, hostnames) = (numbered(&settings.name), numbered(&settings.hostname));
        let public_address = Some(settings.public_address.unwrap_or(false));
        let launch = Launch::of(settings, self.min_count.unwrap_or(count), count)?;
        Ok(Launch { template, names, hostnames, public_address, ..launch })
    }
}

impl Machine {
    /// What is meant by what is said.
    pub(crate) async fn settings(self, cx: &Cx<'_>) -> Result<LaunchSettings, Fault> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let tags = tag::specified(self.tag_specification, "instance")?;
        let place = Place::of(cx, self.virtual_private_cloud, self.instance_count.unwrap_or(1)).await?;
        let login = Login::of(cx, self.login_settings).await?;
        let disk = self.system_disk.unwrap_or_default();
        let volumes = self.data_disks.into_iter().map(DataDisk::volume).collect::<Result<_, _>>()?;
        let disk_name = filled(disk.disk_name).map(|name| ("Name".to_owned(), name));
        let volume_tags: Tags = tags.clone().into_iter().chain(disk_name).collect();
        let bandwidth = self.internet_accessible.as_ref().map(|internet| internet.internet_max_bandwidth_out);
        let charge = self.internet_accessible.as_ref().and_then(|internet| internet.internet_charge_type);
        let internet_charge = charge.map(ChargeType::own).transpose()?;
        Ok(LaunchSettings {
            image: filled(self.image_id).map(|image| id::read(&image)).transpose()?,
            instance_type: filled(self.instance_type),
            count: self.instance_count,
            zone: self.placement.map(|placement| placement.zone),
            subnet: place.subnet,
            groups: id::read_all(&self.security_group_ids)?,
            private_ip: place.private_ip,
            public_address: self.internet_accessible.map(|internet| internet.wants_address()).transpose()?,
            bandwidth,
            key_names: login.key_names,
            password_hash: login.password_hash,
            user_data: self.user_data.map(|data| user_data(&data)).transpose()?.filter(|text| !text.is_empty()),
            name: filled(self.instance_name),
            hostname: filled(host_name(self.host_name)?),
            root: RootSettings {
                size: disk.disk_size.map(Gib),
                encryption: EncryptionChoice::asked(disk.encrypt, disk.kms_key_id.as_deref())?,
                kind: disk.disk_type.map(DiskType::kind),
                provisioned: Provisioned::default(),
                ..RootSettings::default()
            },
            volumes,
            attributes: AttributeSettings {
                termination_protection: self.disable_api_termination,
                internet_charge,
                ..AttributeSettings::default()
            },
            role: filled(self.cam_role_name).map(RoleChoice::Role),
            placement: placement_group::choice(&self.disaster_recover_group_ids, None)?,
            volume_tags,
            tags,
            ..LaunchSettings::default()
        })
    }
}

/// A host name; the pattern for the address in it is not served.
pub(crate) fn host_name(name: Option<String>) -> Result<Option<String>, Fault> {
    match name {
        Some(name) if name.contains("{IP}") => Err(Fault::unsupported("The pattern {IP} in a host name")),
        other => Ok(other),
    }
}

/// Where the instances are in the network.
struct Place {
    subnet: Option<SubnetId>,
    private_ip: Option<Ipv4Addr>,
}

impl Place {
    async fn of(cx: &Cx<'_>, asked: Option<VirtualPrivateCloud>, count: u32) -> Result<Place, Fault> {
        let Some(VirtualPrivateCloud { vpc_id, subnet_id, private_ip_addresses }) = asked else {
            return Ok(Place { subnet: None, private_ip: None });
        };
        let private_ip = match private_ip_addresses.as_slice() {
            [] => None,
            [one] if count == 1 => Some(*one),
            several if several.len() == count as usize => {
                return Err(Fault::unsupported("Choosing the private addresses of several instances in one call"));
            }
            _ => return Err(Fault::new("InvalidParameterValue.AmountNotEqual", "There must be one private address for each instance.")),
        };
        if vpc_id == DEFAULT && subnet_id == DEFAULT {
            return Ok(Place { subnet: None, private_ip });
        }
        let (vpc, subnet): (VpcId, SubnetId) = (id::read(&vpc_id)?, id::read(&subnet_id)?);
        let listed = cx.cloud.list::<Subnet>(&cx.caller, Query { ids: vec![subnet], ..Query::default() }).await?;
        let found = listed.rows.first().ok_or_else(|| Fault::not_found(Noun::Subnet, &subnet_id))?;
        if found.vpc != vpc {
            let message = format!("The subnet `{}` is not in the VPC `{}`.", id::shown(subnet), id::shown(vpc));
            return Err(Fault::new("InvalidParameterValue.VpcIdSubnetIdNotMatch", message));
        }
        Ok(Place { subnet: Some(subnet), private_ip })
    }
}

impl InternetAccessible {
    /// An address comes with bandwidth unless it is declined.
    fn wants_address(&self) -> Result<bool, Fault> {
        match (self.internet_max_bandwidth_out, self.public_ip_assigned) {
            (0, Some(true)) => {
                let message = "A public address needs a bandwidth: `InternetMaxBandwidthOut` must be more than 0.";
                Err(Fault::new("InvalidParameterCombination", message))
            }
            (bandwidth, assigned) => Ok(bandwidth > 0 && assigned != Some(false)),
        }
    }
}

/// How one logs in: by key pairs, a password, or as the image says.
pub(crate) struct Login {
    pub(crate) key_names: Vec<String>,
    pub(crate) password_hash: Option<String>,
}

impl Login {
    pub(crate) async fn of(cx: &Cx<'_>, asked: Option<LoginSettings>) -> Result<Login, Fault> {
        let Some(LoginSettings { password, key_ids, keep_image_login }) = asked else {
            return Ok(Login { key_names: vec![], password_hash: None });
        };
        let password = password.filter(|password| !password.expose_secret().is_empty());
        let ways = usize::from(password.is_some()) + usize::from(!key_ids.is_empty()) + usize::from(keep_image_login == Some(true));
        if ways > 1 {
            return Err(Fault::conflict("`Password`, `KeyIds` and `KeepImageLogin` exclude each other"));
        }
        let key_names = key_pair::names_of(cx, &key_ids).await?;
        Ok(Login { key_names, password_hash: password.as_ref().map(control::hash_password).transpose()? })
    }
}

/// User data as it is kept: base64. Refused when longer than CVM allows.
pub(crate) fn user_data(data: &Base64) -> Result<String, Fault> {
    if data.0.len() > USER_DATA_MAX {
        return Err(Error::invalid("UserData", format!("longer than {USER_DATA_MAX} bytes")).into());
    }
    Ok(STANDARD.encode(&data.0))
}
