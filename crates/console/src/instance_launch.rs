//! Launches: from a body to one launch of the control plane.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{InstanceView, LAUNCH_MAX, LaunchNics, RunInstances, TemplateRef};
use model::{
    AttributeSettings, CapacityChoice, CapacityReservationId, EncryptionChoice, Gib, ImageId, KmsKeyRef, LaunchSettings, LaunchTemplateId,
    NewVolume, PlacementChoice, PlacementGroupId, PlacementGroupRef, Provisioned, RoleChoice, RootSettings, SecurityGroupId, SnapshotId,
    SubnetId, Tags, VolumeKind, WhichVersion,
};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Cx;
use crate::error::Refusal;
use crate::instance_nics::{self, Further, Primary};
use crate::page::Shown;
use crate::schema::{self, Time};

/// Longest user data in bytes, before base64: what every dialect takes.
const USER_DATA_MAX: usize = 16 * 1024;

/// Instances of a kind.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Launch {
    /// The launch template that says what is not said here.
    template: Option<Template>,
    /// The image; required where no template names one.
    #[schemars(with = "Option<schema::ImageId>")]
    image: Option<ImageId>,
    /// Name of the instance type, in any cloud's scheme; required where no template names one.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// How many.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    count: u32,
    /// How many of them at least; as many as `count` when nothing is said. Fewer are refused.
    #[schemars(range(min = 1, max = 100))]
    at_least: Option<u32>,
    /// The zone; any when neither it nor a subnet is given.
    zone: Option<String>,
    /// The subnet; the zone's default one when none is given.
    #[schemars(with = "Option<schema::SubnetId>")]
    subnet: Option<SubnetId>,
    /// Security groups; the VPC's default one when none is given.
    #[serde(default)]
    #[schemars(with = "Vec<schema::SecurityGroupId>")]
    security_groups: Vec<SecurityGroupId>,
    /// Private address of the one instance.
    private_ip: Option<Ipv4Addr>,
    /// Whether it gets a public address; the subnet decides when nothing is said.
    public_ip: Option<bool>,
    /// Megabits per second that may leave from that address; no limit when none is given.
    #[schemars(range(min = 1))]
    bandwidth_mbps: Option<u32>,
    /// Name of a key pair.
    key_pair: Option<String>,
    /// Password of the image's usual user: 8 to 30 characters of three kinds.
    password: Option<Password>,
    /// What the guest reads, in base64; at most 16 KiB before that.
    user_data: Option<String>,
    /// Display name.
    name: Option<String>,
    description: Option<String>,
    /// Host name of the guest; made from the private address when none is given.
    hostname: Option<String>,
    /// The system disk.
    #[serde(default)]
    root: Root,
    /// Further disks of each instance.
    #[serde(default)]
    volumes: Vec<NewDisk>,
    /// Name of a role whose keys the guest is given.
    role: Option<String>,
    /// Whether it starts at once; otherwise it is made stopped.
    #[serde(default = "yes")]
    start: bool,
    /// Whether terminating it is refused.
    termination_protection: Option<bool>,
    /// Whether stopping it is refused.
    stop_protection: Option<bool>,
    #[schemars(with = "Option<schema::OnShutdown>")]
    on_shutdown: Option<model::OnShutdown>,
    detailed_monitoring: Option<bool>,
    #[serde(default)]
    metadata: AskedMetadata,
    /// When it is terminated by itself.
    release_at: Option<Time>,
    placement_group: Option<Placement>,
    /// What it asks of capacity reservations; an open one that fits, else none, when nothing is said.
    capacity: Option<Capacity>,
    /// What else is said of the primary interface.
    #[serde(default)]
    interface: Primary,
    /// Further interfaces of each instance.
    #[serde(default)]
    interfaces: Vec<Further>,
    /// Tags of the instances.
    #[serde(default, deserialize_with = "schema::tags")]
    #[schemars(with = "Tags")]
    tags: Tags,
    /// Tags of their volumes.
    #[serde(default, deserialize_with = "schema::tags")]
    #[schemars(with = "Tags")]
    volume_tags: Tags,
    /// Tags of their network interfaces.
    #[serde(default, deserialize_with = "schema::tags")]
    #[schemars(with = "Tags")]
    interface_tags: Tags,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// The system disk of a launch.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
struct Root {
    /// Its size; what the image needs when none is given.
    size_gib: Option<u32>,
    #[schemars(with = "Option<schema::VolumeKind>")]
    kind: Option<VolumeKind>,
    /// Accesses in a second, of kinds that sell them.
    iops: Option<u32>,
    /// MiB in a second, of kinds that sell them.
    throughput_mib: Option<u32>,
    /// Whether it is encrypted; the image and the account decide when nothing is said.
    encrypted: Option<bool>,
    /// Id or alias of the key that it is encrypted under.
    kms_key: Option<String>,
    /// Whether it goes with the instance, as it does when nothing is said.
    delete_on_termination: Option<bool>,
    name: Option<String>,
    description: Option<String>,
}

/// A further disk of a launch.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
struct NewDisk {
    /// Its size; that of its snapshot when none is given.
    size_gib: Option<u32>,
    /// The snapshot that it starts as.
    #[schemars(with = "Option<schema::SnapshotId>")]
    snapshot: Option<SnapshotId>,
    #[schemars(with = "Option<schema::VolumeKind>")]
    kind: Option<VolumeKind>,
    /// Accesses in a second, of kinds that sell them.
    iops: Option<u32>,
    /// MiB in a second, of kinds that sell them.
    throughput_mib: Option<u32>,
    /// Whether it is encrypted; what it starts as and the account decide when nothing is said.
    encrypted: Option<bool>,
    /// Id or alias of the key that it is encrypted under.
    kms_key: Option<String>,
    /// Device name; the first free one when none is given.
    device: Option<String>,
    /// Whether it goes with the instance, as it does when nothing is said.
    delete_on_termination: Option<bool>,
    name: Option<String>,
    description: Option<String>,
}

/// How the metadata service answers the guest.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
struct AskedMetadata {
    enabled: Option<bool>,
    token_required: Option<bool>,
    /// Most network hops of a token's answer.
    #[schemars(range(min = 1, max = 64))]
    hop_limit: Option<u8>,
    show_tags: Option<bool>,
}

/// A placement group, and a place in it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Placement {
    #[schemars(with = "schema::PlacementGroupId")]
    id: PlacementGroupId,
    /// The partition, from 1; the one with fewest members when none is said.
    partition: Option<u32>,
}

/// A launch template by id or by name, and its version.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Template {
    #[schemars(with = "Option<schema::LaunchTemplateId>")]
    id: Option<LaunchTemplateId>,
    name: Option<String>,
    /// The version; the chosen one when none is given.
    #[serde(default)]
    version: TemplateVersion,
}

/// A version of a launch template.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
enum TemplateVersion {
    /// The chosen one.
    #[default]
    Default,
    /// The newest one.
    Latest,
    /// The one with this number.
    Number(u64),
}

/// What a launch asks of capacity reservations.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Capacity {
    /// An open one that fits, else none.
    Open,
    /// None.
    Never,
    /// An open one that fits, or it does not run.
    Only,
    /// This one, or it does not run.
    Reservation(#[schemars(with = "schema::CapacityReservationId")] CapacityReservationId),
}

/// A password as it came. It is not shown, and not kept.
#[derive(JsonSchema)]
#[schemars(inline, with = "String")]
pub(crate) struct Password(SecretString);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Password, D::Error> {
        // The usual refusal repeats what was given.
        let text = String::deserialize(deserializer).map_err(|_| serde::de::Error::custom("must be a text"))?;
        Ok(Password(SecretString::from(text)))
    }
}

impl Password {
    /// What is kept of it. Takes some milliseconds of processor time.
    pub fn hash(&self) -> Result<String, model::Error> {
        control::hash_password(&self.0)
    }
}

/// What a launch made.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Launched {
    /// The id of this launch.
    #[schemars(with = "schema::ReservationId")]
    launch: model::ReservationId,
    instances: Vec<Shown<InstanceView>>,
}

/// Launches instances.
pub(crate) async fn launch(cx: Cx, asked: Launch) -> Result<Launched, Refusal> {
    if !(1..=LAUNCH_MAX).contains(&asked.count) {
        return Err(Refusal::member("count", format!("must be 1 to {LAUNCH_MAX}")));
    }
    cx.cloud.admit_launch(&cx.caller, u64::from(asked.count))?;
    let (count, at_least, running) = (asked.count, asked.at_least.unwrap_or(asked.count), asked.start);
    let Said { template, settings, nics } = Said::of(asked)?;
    let view = match template {
        Some((template, version)) => Some(cx.cloud.launch_template(&cx.caller, template, version).await?),
        None => None,
    };
    let template = view.as_ref().map(|view| (view.template.id, view.version.number));
    let settings = match view {
        Some(view) => settings.over(view.version.launch),
        None => settings,
    };
    let launched = cx.run(RunInstances { template, nics, running, ..RunInstances::of(settings, at_least, count)? }).await?;
    let made = if launched.made.is_empty() { cx.cloud.launched(launched.instances).await? } else { launched.made };
    Ok(Launched { launch: launched.reservation, instances: made.into_iter().map(Shown).collect() })
}

/// What a body says.
struct Said {
    template: Option<(TemplateRef, WhichVersion)>,
    settings: LaunchSettings,
    nics: LaunchNics,
}

impl Said {
    fn of(mut asked: Launch) -> Result<Said, Refusal> {
        let template = asked.template.take().map(Template::which).transpose()?;
        let (interface, interfaces) = (std::mem::take(&mut asked.interface), std::mem::take(&mut asked.interfaces));
        let says_more = asked.subnet.is_some() || !asked.security_groups.is_empty() || asked.private_ip.is_some();
        let nics = instance_nics::read(interface, interfaces, says_more || asked.public_ip.is_some())?;
        Ok(Said { template, settings: settings(asked)?, nics })
    }
}

impl Template {
    fn which(self) -> Result<(TemplateRef, WhichVersion), Refusal> {
        let template = match (self.id, self.name) {
            (Some(id), None) => TemplateRef::Id(id),
            (None, Some(name)) => TemplateRef::Name(name),
            _ => return Err(Refusal::member("template", "is named by its id or by its name")),
        };
        let version = match self.version {
            TemplateVersion::Default => WhichVersion::Default,
            TemplateVersion::Latest => WhichVersion::Latest,
            TemplateVersion::Number(number) => WhichVersion::Number(number),
        };
        Ok((template, version))
    }
}

fn settings(asked: Launch) -> Result<LaunchSettings, Refusal> {
    if asked.bandwidth_mbps == Some(0) {
        return Err(Refusal::member("bandwidth_mbps", "must be 1 or more"));
    }
    let AskedMetadata { enabled, token_required, hop_limit, show_tags } = asked.metadata;
    let volumes = asked.volumes.into_iter().enumerate().map(|(at, disk)| disk.volume(at));
    let placement = |Placement { id, partition }| PlacementChoice { group: PlacementGroupRef::Id(id), partition };
    Ok(LaunchSettings {
        image: asked.image,
        instance_type: asked.kind,
        zone: asked.zone,
        subnet: asked.subnet,
        groups: asked.security_groups,
        private_ip: asked.private_ip,
        public_address: asked.public_ip,
        bandwidth: asked.bandwidth_mbps,
        key_names: asked.key_pair.into_iter().collect(),
        password_hash: asked.password.map(|password| password.hash()).transpose()?,
        user_data: asked.user_data.map_or(Ok(None), |text| user_data(&text))?,
        name: asked.name,
        description: asked.description,
        hostname: asked.hostname,
        root: asked.root.settings()?,
        volumes: volumes.collect::<Result<_, _>>()?,
        attributes: AttributeSettings {
            termination_protection: asked.termination_protection,
            stop_protection: asked.stop_protection,
            on_shutdown: asked.on_shutdown,
            detailed_monitoring: asked.detailed_monitoring,
            metadata_enabled: enabled,
            token_required,
            hop_limit,
            show_tags,
            release_at: asked.release_at.map(|Time(at)| at),
            ..AttributeSettings::default()
        },
        role: asked.role.map(RoleChoice::Role),
        placement: asked.placement_group.map(placement),
        capacity: asked.capacity.map(Capacity::choice),
        tags: asked.tags,
        volume_tags: asked.volume_tags,
        interface_tags: asked.interface_tags,
        ..LaunchSettings::default()
    })
}

impl Root {
    fn settings(self) -> Result<RootSettings, Refusal> {
        Ok(RootSettings {
            size: self.size_gib.map(Gib),
            encryption: encryption(self.encrypted, self.kms_key.as_deref())?,
            kind: self.kind,
            provisioned: bought(self.iops, self.throughput_mib),
            deleted: self.delete_on_termination,
            name: self.name,
            description: self.description,
        })
    }
}

impl NewDisk {
    fn volume(self, at: usize) -> Result<NewVolume, Refusal> {
        if self.size_gib.is_none() && self.snapshot.is_none() && self.device.is_none() {
            return Err(Refusal::member(&format!("volumes[{at}].size_gib"), "is required of a disk that starts as nothing"));
        }
        Ok(NewVolume {
            size: self.size_gib.map(Gib),
            snapshot: self.snapshot,
            encryption: encryption(self.encrypted, self.kms_key.as_deref())?,
            kind: self.kind.unwrap_or_default(),
            provisioned: bought(self.iops, self.throughput_mib),
            device: self.device,
            delete_on_termination: self.delete_on_termination.unwrap_or(true),
            name: self.name.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            ..NewVolume::default()
        })
    }
}

impl Capacity {
    fn choice(self) -> CapacityChoice {
        match self {
            Capacity::Open => CapacityChoice::Open,
            Capacity::Never => CapacityChoice::Never,
            Capacity::Only => CapacityChoice::Only,
            Capacity::Reservation(id) => CapacityChoice::Target(id),
        }
    }
}

fn encryption(encrypted: Option<bool>, key: Option<&str>) -> Result<EncryptionChoice, Refusal> {
    Ok(EncryptionChoice { encrypted, key: key.map(KmsKeyRef::named).transpose()? })
}

fn bought(iops: Option<u32>, throughput: Option<u32>) -> Provisioned {
    Provisioned { iops, throughput, ..Provisioned::default() }
}

/// User data as it is kept: base64; none when it is empty.
pub(crate) fn user_data(text: &str) -> Result<Option<String>, Refusal> {
    let bytes = STANDARD.decode(text).map_err(|_| Refusal::member("user_data", "is not base64"))?;
    if bytes.len() > USER_DATA_MAX {
        return Err(Refusal::member("user_data", format!("is longer than {USER_DATA_MAX} bytes")));
    }
    Ok(Some(STANDARD.encode(bytes)).filter(|text| !text.is_empty()))
}
