//! RunInstances and CreateInstance: from ECS's parameters to one launch.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{NewVolume, RunInstances as Launch};
use model::{Attributes, Error, Gib, MetadataOptions, Noun, USER_DATA_MAX, VolumeKind};
use secrecy::{ExposeSecret, SecretString};
use wire::{Base64, FromArg, IntoDoc};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, TAGS_PER_CALL, TagArg, tags_of};
use crate::instance::name::names;
use crate::volume::{Category, PerformanceLevel};

/// Most instances of one launch (ECS documents 100).
const AMOUNT_MAX: u32 = 100;
/// Most data disks of one instance (ECS documents 16).
const DATA_DISKS_MAX: usize = 16;
/// Largest bandwidth of an address in megabits per second (ECS documents 100).
const BANDWIDTH_MAX: u32 = 100;

/// `RunInstances`.
#[derive(FromArg)]
pub(crate) struct RunInstances {
    #[arg(default = 1, range = 1..=AMOUNT_MAX)]
    amount: u32,
    #[arg(range = 1..=AMOUNT_MAX)]
    min_amount: Option<u32>,
    #[arg(max_items = AMOUNT_MAX as usize)]
    host_names: Vec<String>,
    #[arg(default)]
    unique_suffix: bool,
    #[arg(max_items = model::GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
    #[arg(flatten)]
    machine: Machine,
}

/// What is said of each new instance.
#[derive(FromArg)]
struct Machine {
    image_id: String,
    instance_type: String,
    zone_id: Option<String>,
    v_switch_id: Option<String>,
    security_group_id: Option<String>,
    private_ip_address: Option<Ipv4Addr>,
    #[arg(default, range = 0..=BANDWIDTH_MAX)]
    internet_max_bandwidth_out: u32,
    instance_name: Option<String>,
    description: Option<String>,
    host_name: Option<String>,
    password: Option<SecretString>,
    key_pair_name: Option<String>,
    user_data: Option<Base64>,
    #[arg(default)]
    deletion_protection: bool,
    #[arg(flatten)]
    metadata: AskedMetadata,
    system_disk: Option<SystemDisk>,
    #[arg(name = "DataDisk", max_items = DATA_DISKS_MAX)]
    data_disks: Vec<DataDisk>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// What is said of the system disk.
#[derive(FromArg, Default)]
struct SystemDisk {
    size: Option<u32>,
    category: Option<Category>,
    performance_level: Option<PerformanceLevel>,
    #[arg(default)]
    encrypted: bool,
    #[arg(default)]
    bursting_enabled: bool,
}

/// What is said of a data disk.
#[derive(FromArg)]
struct DataDisk {
    size: Option<u32>,
    snapshot_id: Option<String>,
    category: Option<Category>,
    performance_level: Option<PerformanceLevel>,
    disk_name: Option<String>,
    description: Option<String>,
    device: Option<String>,
    #[arg(default = true)]
    delete_with_instance: bool,
    #[arg(default)]
    encrypted: bool,
    #[arg(default)]
    bursting_enabled: bool,
}

/// What is said of the metadata service; what is not said stays.
#[derive(FromArg)]
pub(crate) struct AskedMetadata {
    http_endpoint: Option<Switch>,
    http_tokens: Option<Tokens>,
    #[arg(range = 1..=64)]
    http_put_response_hop_limit: Option<u8>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
pub(crate) enum Switch {
    Enabled,
    Disabled,
}

/// Whether a session token is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Tokens {
    Optional,
    Required,
}

impl AskedMetadata {
    /// The options after what is asked for.
    pub(super) fn over(&self, before: &MetadataOptions) -> MetadataOptions {
        MetadataOptions {
            enabled: self.http_endpoint.map_or(before.enabled, |switch| switch == Switch::Enabled),
            token_required: self.http_tokens.map_or(before.token_required, |tokens| tokens == Tokens::Required),
            hop_limit: self.http_put_response_hop_limit.unwrap_or(before.hop_limit),
            show_tags: before.show_tags,
        }
    }
}

#[derive(IntoDoc)]
pub(crate) struct LaunchedIds {
    #[reply(list = "InstanceIdSet")]
    instance_id_sets: Vec<String>,
}

/// Launches instances.
pub(crate) async fn run(cx: &Cx<'_>, asked: RunInstances) -> Result<LaunchedIds, Fault> {
    let launched = cx.cloud.run(&cx.caller, asked.launch()?, cx.options()?).await?;
    Ok(LaunchedIds { instance_id_sets: launched.instances.iter().map(ToString::to_string).collect() })
}

/// `CreateInstance`.
#[derive(FromArg)]
pub(crate) struct CreateInstance {
    #[arg(flatten)]
    machine: Machine,
}

#[derive(IntoDoc)]
pub(crate) struct CreatedId {
    instance_id: String,
}

/// Makes one instance that does not run yet. A public address would be asked for later, so the bandwidth brings none.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateInstance) -> Result<CreatedId, Fault> {
    let CreateInstance { machine } = asked;
    let launch =
        RunInstances { amount: 1, min_amount: None, host_names: vec![], unique_suffix: false, security_group_ids: vec![], machine };
    let command = Launch { running: false, ..launch.launch()? };
    let launched = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    let id = launched.instances.first().ok_or(Error::Internal)?;
    Ok(CreatedId { instance_id: id.to_string() })
}

impl RunInstances {
    fn launch(self) -> Result<Launch, Fault> {
        let RunInstances { amount, min_amount, host_names, unique_suffix, security_group_ids, machine } = self;
        let groups = match (&machine.security_group_id, security_group_ids.as_slice()) {
            (Some(one), []) => std::slice::from_ref(one),
            (None, several) => several,
            (Some(_), _) => return Err(conflict("SecurityGroupId and SecurityGroupIds exclude each other")),
        };
        let groups = groups.iter().filter(|id| !id.is_empty()).map(|id| filter::id(Noun::SecurityGroup, id)).collect::<Result<_, _>>()?;
        let numbered = |name: &Option<String>| match name.as_deref() {
            Some(name) if !name.is_empty() => names(name, amount, unique_suffix),
            Some(_) | None => vec![],
        };
        let hostnames = match (numbered(&machine.host_name), host_names) {
            (named, listed) if listed.is_empty() => named,
            (named, listed) if named.is_empty() && listed.len() == amount as usize => listed,
            _ => return Err(conflict("HostNames names every instance, and HostName is absent then")),
        };
        let names = numbered(&machine.instance_name);
        let launch = machine.launch()?;
        Ok(Launch { min_count: min_amount.unwrap_or(amount), max_count: amount, groups, names, hostnames, ..launch })
    }
}

impl Machine {
    /// A launch of one such instance, without names and groups.
    fn launch(self) -> Result<Launch, Fault> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let disk = self.system_disk.unwrap_or_default();
        check_disk(disk.encrypted, disk.bursting_enabled, disk.performance_level)?;
        let volumes = self.data_disks.into_iter().map(DataDisk::volume).collect::<Result<Vec<_>, _>>()?;
        let tags = tags_of(self.tags)?;
        let standard = Attributes::default();
        let attributes =
            Attributes { termination_protection: self.deletion_protection, metadata: self.metadata.over(&standard.metadata), ..standard };
        Ok(Launch {
            image: filter::id(Noun::Image, &self.image_id)?,
            instance_type: self.instance_type,
            min_count: 1,
            max_count: 1,
            zone: filled(self.zone_id),
            subnet: filter::optional_id(Noun::Subnet, self.v_switch_id.as_ref())?,
            groups: vec![],
            group_names: vec![],
            private_ip: self.private_ip_address,
            public_address: Some(self.internet_max_bandwidth_out > 0),
            key_name: filled(self.key_pair_name),
            password_hash: password_hash(self.password)?,
            user_data: self.user_data.map(|data| user_data(&data)).transpose()?.filter(|text| !text.is_empty()),
            names: vec![],
            description: self.description.unwrap_or_default(),
            hostnames: vec![],
            root_size: disk.size.map(Gib),
            root_kind: disk.category.map_or(VolumeKind::default(), Category::kind),
            root_deleted: true,
            volumes,
            running: true,
            attributes,
            volume_tags: tags.clone(),
            interface_tags: tags.clone(),
            tags,
        })
    }
}

impl DataDisk {
    fn volume(self) -> Result<NewVolume, Fault> {
        check_disk(self.encrypted, self.bursting_enabled, self.performance_level)?;
        Ok(NewVolume {
            size: self.size.map(Gib),
            snapshot: filter::optional_id(Noun::Snapshot, self.snapshot_id.as_ref())?,
            left_out: false,
            kind: self.category.unwrap_or(Category::CloudEfficiency).kind(),
            device: self.device.filter(|device| !device.is_empty()),
            delete_on_termination: self.delete_with_instance,
            name: self.disk_name.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
        })
    }
}

/// Refuses what the pool cannot keep.
fn check_disk(encrypted: bool, bursting: bool, level: Option<PerformanceLevel>) -> Result<(), Fault> {
    if encrypted {
        return Err(Fault::unsupported_parameter("The encryption of a disk"));
    }
    if bursting {
        return Err(Fault::unsupported_parameter("The performance burst of a disk"));
    }
    level.map_or(Ok(()), PerformanceLevel::check)
}

fn conflict(reason: &str) -> Fault {
    Error::InvalidCombination { reason: reason.to_owned() }.into()
}

/// The crypt text of a password; none when none is given.
pub(super) fn password_hash(password: Option<SecretString>) -> Result<Option<String>, Fault> {
    let password = password.filter(|password| !password.expose_secret().is_empty());
    Ok(password.map(|password| control::hash_password(&password)).transpose()?)
}

/// User data as it is kept: base64. Refused when longer than ECS allows.
pub(super) fn user_data(data: &Base64) -> Result<String, Fault> {
    if data.0.len() > USER_DATA_MAX {
        return Err(Error::invalid("UserData", format!("longer than {USER_DATA_MAX} bytes")).into());
    }
    Ok(STANDARD.encode(&data.0))
}
