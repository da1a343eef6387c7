//! RunInstances and CreateInstance: from ECS's parameters to one launch.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{FurtherNic, LaunchNics, NewInterface, NewVolume, RunInstances as Launch, Wanted, WhichNic};
use jiff::Timestamp;
use model::{
    AttributeSettings, EncryptionChoice, Error, Gib, LaunchSettings, MetadataOptions, Noun, RoleChoice, RootSettings, USER_DATA_MAX,
    WhichVersion,
};
use secrecy::{ExposeSecret, SecretString};
use wire::{Base64, FromArg, Show};

use crate::Cx;
use crate::capacity_reservation::AskedPool;
use crate::error::Fault;
use crate::filter::{self, TAGS_PER_CALL, TagArg, tags_of};
use crate::instance::name::names;
use crate::instance::release::release_at;
use crate::interface_change::one_or_several;
use crate::launch_template::TemplateName;
use crate::placement_group;
use crate::volume::{Category, PerformanceLevel, Speed};

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
    #[arg(flatten)]
    template: TemplateName,
    launch_template_version: Option<u64>,
    auto_release_time: Option<Timestamp>,
    #[arg(flatten)]
    machine: Machine,
}

/// What is said of each new instance, in a launch or in a template.
#[derive(FromArg)]
pub(crate) struct Machine {
    image_id: Option<String>,
    image_family: Option<String>,
    instance_type: Option<String>,
    #[arg(max_items = model::GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
    zone_id: Option<String>,
    v_switch_id: Option<String>,
    security_group_id: Option<String>,
    private_ip_address: Option<Ipv4Addr>,
    #[arg(range = 0..=BANDWIDTH_MAX)]
    internet_max_bandwidth_out: Option<u32>,
    instance_name: Option<String>,
    description: Option<String>,
    host_name: Option<String>,
    password: Option<SecretString>,
    key_pair_name: Option<String>,
    user_data: Option<Base64>,
    ram_role_name: Option<String>,
    deployment_set_id: Option<String>,
    deployment_set_group_no: Option<u32>,
    private_pool_options: Option<AskedPool>,
    deletion_protection: Option<bool>,
    #[arg(flatten)]
    metadata: AskedMetadata,
    system_disk: Option<SystemDisk>,
    #[arg(name = "DataDisk", max_items = DATA_DISKS_MAX)]
    data_disks: Vec<DataDisk>,
    #[arg(name = "NetworkInterface", max_items = model::INTERFACES_PER_INSTANCE_MAX)]
    interfaces: Vec<FurtherInterface>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// What is said of an interface beside the primary one.
#[derive(FromArg)]
struct FurtherInterface {
    v_switch_id: Option<String>,
    security_group_id: Option<String>,
    #[arg(max_items = model::GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
    network_interface_name: Option<String>,
    description: Option<String>,
    primary_ip_address: Option<Ipv4Addr>,
    network_interface_id: Option<String>,
    instance_type: Option<InterfaceKind>,
    source_dest_check: Option<bool>,
    #[arg(default = true)]
    delete_on_release: bool,
}

/// The primary interface is described by the parameters of the instance.
#[derive(Clone, Copy, PartialEq, Eq, FromArg)]
enum InterfaceKind {
    Primary,
    Secondary,
}

impl FurtherInterface {
    fn nic(self, at: usize) -> Result<FurtherNic, Fault> {
        if self.instance_type == Some(InterfaceKind::Primary) {
            return Err(Fault::unsupported_parameter("NetworkInterface.N.InstanceType=Primary"));
        }
        let which = match filter::optional_id(Noun::Interface, self.network_interface_id.as_ref())? {
            Some(id) => WhichNic::Existing(id),
            None => {
                let groups = one_or_several(self.security_group_id, self.security_group_ids)?;
                let new = NewInterface {
                    ip: self.primary_ip_address,
                    secondary: Wanted::default(),
                    ipv6: control::WantedIpv6::default(),
                    groups: groups.iter().map(|id| filter::id(Noun::SecurityGroup, id)).collect::<Result<_, _>>()?,
                    unchecked: self.source_dest_check == Some(false),
                    name: self.network_interface_name.unwrap_or_default(),
                    description: self.description.unwrap_or_default(),
                    tags: model::Tags::new(),
                };
                WhichNic::New(filter::optional_id(Noun::Subnet, self.v_switch_id.as_ref())?, new)
            }
        };
        Ok(FurtherNic { index: at as u32 + 1, which, delete_on_termination: self.delete_on_release })
    }
}

/// What is said of the system disk.
#[derive(FromArg, Default)]
struct SystemDisk {
    size: Option<u32>,
    category: Option<Category>,
    performance_level: Option<PerformanceLevel>,
    provisioned_iops: Option<u32>,
    encrypted: Option<bool>,
    #[arg(name = "KMSKeyId")]
    kms_key_id: Option<String>,
    bursting_enabled: Option<bool>,
    disk_name: Option<String>,
    description: Option<String>,
    delete_with_instance: Option<bool>,
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
    encrypted: Option<bool>,
    #[arg(name = "KMSKeyId")]
    kms_key_id: Option<String>,
    bursting_enabled: Option<bool>,
    provisioned_iops: Option<u32>,
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
    /// What is said, as a launch takes it.
    fn settings(&self) -> AttributeSettings {
        AttributeSettings {
            metadata_enabled: self.http_endpoint.map(|switch| switch == Switch::Enabled),
            token_required: self.http_tokens.map(|tokens| tokens == Tokens::Required),
            hop_limit: self.http_put_response_hop_limit,
            ..AttributeSettings::default()
        }
    }

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

#[derive(Show)]
pub(crate) struct LaunchedIds {
    #[reply(list = "InstanceIdSet")]
    instance_id_sets: Vec<String>,
}

/// Launches instances.
pub(crate) async fn run(cx: &Cx<'_>, asked: RunInstances) -> Result<LaunchedIds, Fault> {
    let launched = cx.cloud.run(&cx.caller, asked.launch(cx).await?, cx.options()?).await?;
    Ok(LaunchedIds { instance_id_sets: launched.instances.iter().map(ToString::to_string).collect() })
}

/// `CreateInstance`.
#[derive(FromArg)]
pub(crate) struct CreateInstance {
    auto_release_time: Option<Timestamp>,
    #[arg(flatten)]
    machine: Machine,
}

#[derive(Show)]
pub(crate) struct CreatedId {
    instance_id: String,
}

/// Makes one instance that does not run yet. A public address would be asked for later, so the bandwidth brings none.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateInstance) -> Result<CreatedId, Fault> {
    let CreateInstance { auto_release_time, machine } = asked;
    let template = TemplateName::default();
    let launch = RunInstances {
        amount: 1,
        min_amount: None,
        host_names: vec![],
        unique_suffix: false,
        template,
        launch_template_version: None,
        auto_release_time,
        machine,
    };
    let command = Launch { running: false, ..launch.launch(cx).await? };
    let launched = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    let id = launched.instances.first().ok_or(Error::Internal)?;
    Ok(CreatedId { instance_id: id.to_string() })
}

impl RunInstances {
    async fn launch(self, cx: &Cx<'_>) -> Result<Launch, Fault> {
        cx.cloud.admit_launch(&cx.caller, u64::from(self.amount))?;
        let RunInstances { amount, min_amount, host_names, unique_suffix, template, launch_template_version, auto_release_time, machine } =
            self;
        let (said, nics) = machine.with_image(cx).await?.read()?;
        let version = launch_template_version.map_or(WhichVersion::Default, WhichVersion::Number);
        let (template, mut settings) = template.under(cx, version, said).await?;
        settings.attributes.release_at = auto_release_time.map(|at| release_at(cx, at)).transpose()?;
        let numbered = |name: &Option<String>| match name.as_deref() {
            Some(name) if !name.is_empty() => names(name, amount, unique_suffix),
            Some(_) | None => vec![],
        };
        let hostnames = match (numbered(&settings.hostname), host_names) {
            (named, listed) if listed.is_empty() => named,
            (named, listed) if named.is_empty() && listed.len() == amount as usize => listed,
            _ => return Err(conflict("HostNames names every instance, and HostName is absent then")),
        };
        let names = numbered(&settings.name);
        let public_address = Some(settings.public_address.unwrap_or(false));
        let launch = Launch::of(settings, min_amount.unwrap_or(amount), amount)?;
        Ok(Launch { template, names, hostnames, public_address, nics, ..launch })
    }
}

impl Machine {
    /// Names the newest image of a family where a family is named.
    async fn with_image(mut self, cx: &Cx<'_>) -> Result<Machine, Fault> {
        let filled = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        if let Some(family) = self.image_family.take().filter(|family| !family.is_empty()) {
            if filled(&self.image_id) {
                return Err(conflict("ImageId and ImageFamily exclude each other"));
            }
            let newest = cx.cloud.newest_of_family(&cx.caller, &family).await?;
            self.image_id = Some(newest.ok_or_else(|| Fault::not_found(Noun::Image, &family))?.id.to_string());
        }
        Ok(self)
    }

    /// What is meant by what a template says. Templates keep the primary interface only.
    pub(crate) fn settings(self) -> Result<LaunchSettings, Fault> {
        if self.image_family.is_some() {
            return Err(Fault::unsupported_parameter("ImageFamily in a launch template"));
        }
        match self.read()? {
            (settings, nics) if nics == LaunchNics::default() => Ok(settings),
            _ => Err(Fault::unsupported_parameter("NetworkInterface in a launch template")),
        }
    }

    /// What is meant by what is said, and further interfaces.
    fn read(self) -> Result<(LaunchSettings, LaunchNics), Fault> {
        let further = self.interfaces.into_iter().enumerate().map(|(at, nic)| nic.nic(at)).collect::<Result<_, _>>()?;
        let nics = LaunchNics { further, ..LaunchNics::default() };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let disk = self.system_disk.unwrap_or_default();
        let speed = Speed { level: disk.performance_level, provisioned_iops: disk.provisioned_iops, bursting: disk.bursting_enabled };
        // A level alone means the category that has levels.
        let category = disk.category.or(disk.performance_level.map(|_| Category::CloudEssd));
        let (root_kind, provisioned) = category.map(|category| category.sold(speed)).transpose()?.unzip();
        let groups = match (&self.security_group_id, self.security_group_ids.as_slice()) {
            (Some(one), []) => std::slice::from_ref(one),
            (None, several) => several,
            (Some(_), _) => return Err(conflict("SecurityGroupId and SecurityGroupIds exclude each other")),
        };
        let groups = groups.iter().filter(|id| !id.is_empty()).map(|id| filter::id(Noun::SecurityGroup, id)).collect::<Result<_, _>>()?;
        let tags = tags_of(self.tags)?;
        let attributes = AttributeSettings { termination_protection: self.deletion_protection, ..self.metadata.settings() };
        let settings = LaunchSettings {
            image: filter::optional_id(Noun::Image, self.image_id.as_ref())?,
            instance_type: filled(self.instance_type),
            zone: filled(self.zone_id),
            subnet: filter::optional_id(Noun::Subnet, self.v_switch_id.as_ref())?,
            groups,
            private_ip: self.private_ip_address,
            public_address: self.internet_max_bandwidth_out.map(|bandwidth| bandwidth > 0),
            bandwidth: self.internet_max_bandwidth_out,
            key_names: filled(self.key_pair_name).into_iter().collect(),
            password_hash: password_hash(self.password)?,
            user_data: self.user_data.map(|data| user_data(&data)).transpose()?.filter(|text| !text.is_empty()),
            name: filled(self.instance_name),
            description: self.description,
            hostname: filled(self.host_name),
            root: RootSettings {
                size: disk.size.map(Gib),
                encryption: EncryptionChoice::asked(disk.encrypted, disk.kms_key_id.as_deref())?,
                kind: root_kind,
                provisioned: provisioned.unwrap_or_default(),
                deleted: disk.delete_with_instance,
                name: filled(disk.disk_name),
                description: filled(disk.description),
            },
            volumes: self.data_disks.into_iter().map(DataDisk::volume).collect::<Result<Vec<_>, _>>()?,
            attributes,
            role: filled(self.ram_role_name).map(RoleChoice::Role),
            placement: placement_group::choice(self.deployment_set_id.as_ref(), self.deployment_set_group_no)?,
            capacity: self.private_pool_options.as_ref().map_or(Ok(None), AskedPool::choice)?,
            volume_tags: tags.clone(),
            interface_tags: tags.clone(),
            tags,
            ..LaunchSettings::default()
        };
        Ok((settings, nics))
    }
}

impl DataDisk {
    fn volume(self) -> Result<NewVolume, Fault> {
        let speed = Speed { level: self.performance_level, provisioned_iops: self.provisioned_iops, bursting: self.bursting_enabled };
        let (kind, provisioned) = self.category.unwrap_or(Category::CloudEfficiency).sold(speed)?;
        Ok(NewVolume {
            size: self.size.map(Gib),
            snapshot: filter::optional_id(Noun::Snapshot, self.snapshot_id.as_ref())?,
            left_out: false,
            encryption: EncryptionChoice::asked(self.encrypted, self.kms_key_id.as_deref())?,
            kind,
            provisioned,
            device: self.device.filter(|device| !device.is_empty()),
            delete_on_termination: self.delete_with_instance,
            name: self.disk_name.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
        })
    }
}

fn conflict(reason: &str) -> Fault {
    Error::InvalidCombination { reason: reason.to_owned() }.into()
}

/// The crypt text of a password; none when none is given.
pub(crate) fn password_hash(password: Option<SecretString>) -> Result<Option<String>, Fault> {
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
