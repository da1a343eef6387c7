//! Launch templates: what a launch says, kept under a name in numbered versions.
//!
//! ```text
//!   template ─▶ version 1, 2, 3 ...      $Default: one of them, chosen      $Latest: the highest number
//!   call ─▶ what it says itself, and for the rest what the version says ─▶ launch
//! ```
//!
//! A version keeps what was meant and not the words of a dialect, so one that was made through one cloud's call launches
//! through another's. A version is never changed.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Attributes, CapacityChoice, EncryptionChoice, Error, Gib, HostNameSettings, ImageDisk, ImageId, InternetCharge,
    LaunchTemplateId, LaunchTemplateVersionId, MetadataOptions, Millis, OnShutdown, PlacementChoice, Provisioned, RoleChoice,
    SecurityGroupId, SnapshotId, SubnetId, Tags, VolumeKind,
};

/// Most versions of one template that exist at a time (EC2: 10,000).
pub const TEMPLATE_VERSIONS_MAX: u64 = 10_000;

/// A template, without what its versions say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// Its id.
    pub id: LaunchTemplateId,
    /// Owner.
    pub account: AccountId,
    /// Name, unique in the account.
    pub name: String,
    /// Number of the version that is meant where none is named.
    pub default_version: u64,
    /// Number of the newest version.
    pub latest_version: u64,
    /// Versions that exist; deleted ones leave gaps in the numbers.
    pub versions: u64,
    /// Number of the version that was made last, deleted or not: numbers are never used again.
    pub last_number: u64,
    /// Who made it, as the audit log names callers.
    pub created_by: String,
    /// When it was made.
    pub created_at: Millis,
    /// Tags of the template itself.
    pub tags: Tags,
}

/// A version of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTemplateVersion {
    /// Id of the row; no dialect shows it.
    pub id: LaunchTemplateVersionId,
    /// The template.
    pub template: LaunchTemplateId,
    /// Its number, from 1.
    pub number: u64,
    /// Description.
    pub description: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Millis,
    /// What it says of a launch.
    pub launch: LaunchSettings,
}

/// Which version is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhichVersion {
    /// The chosen one.
    Default,
    /// The newest one.
    Latest,
    /// The one with this number.
    Number(u64),
}

impl LaunchTemplate {
    /// The number that is meant.
    pub const fn number(&self, which: WhichVersion) -> u64 {
        match which {
            WhichVersion::Default => self.default_version,
            WhichVersion::Latest => self.latest_version,
            WhichVersion::Number(number) => number,
        }
    }
}

/// Checks a template's name: 2 to 128 of letters, digits and `().-/_:`, which is what EC2, ECS or CVM allow.
pub fn check_template_name(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "().-/_:".contains(c);
    if !(2..=128).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(Error::invalid("LaunchTemplateName", "must be 2 to 128 of letters, digits and ().-/_:"));
    }
    Ok(())
}

/// A volume that a launch makes with each instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVolume {
    /// Its size; that of what it starts as when none is given.
    pub size: Option<Gib>,
    /// The snapshot that it starts as; that of the image's disk with the same device name when none is given.
    #[serde(default)]
    pub snapshot: Option<SnapshotId>,
    /// Whether there is to be none, although the image has one with this device name.
    #[serde(default)]
    pub left_out: bool,
    /// How it is encrypted.
    #[serde(default, skip_serializing_if = "EncryptionChoice::is_none")]
    pub encryption: EncryptionChoice,
    /// What it is sold as.
    pub kind: VolumeKind,
    /// What is bought on top.
    #[serde(default, skip_serializing_if = "Provisioned::is_none")]
    pub provisioned: Provisioned,
    /// Device name; the first free one when none is given.
    pub device: Option<String>,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
}

impl Default for NewVolume {
    /// A disk that goes with its instance, and of which nothing else is said.
    fn default() -> NewVolume {
        NewVolume {
            size: None,
            snapshot: None,
            left_out: false,
            encryption: EncryptionChoice::default(),
            kind: VolumeKind::default(),
            provisioned: Provisioned::default(),
            device: None,
            delete_on_termination: true,
            name: String::new(),
            description: String::new(),
        }
    }
}

impl NewVolume {
    /// A disk that an image brings.
    pub fn of_image(disk: &ImageDisk) -> NewVolume {
        NewVolume {
            size: Some(disk.size),
            encryption: disk.encryption.clone(),
            kind: disk.kind,
            provisioned: disk.provisioned,
            device: Some(disk.device.clone()).filter(|device| !device.is_empty()),
            delete_on_termination: disk.delete_on_termination,
            ..NewVolume::default()
        }
    }
}

/// What is said of a launch. What is absent or empty is not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LaunchSettings {
    /// The image.
    pub image: Option<ImageId>,
    /// Name of the instance type in any scheme.
    pub instance_type: Option<String>,
    /// How many instances.
    pub count: Option<u32>,
    /// The zone.
    pub zone: Option<String>,
    /// The subnet.
    pub subnet: Option<SubnetId>,
    /// Security groups by id.
    pub groups: Vec<SecurityGroupId>,
    /// Security groups by name.
    pub group_names: Vec<String>,
    /// Private address of the one instance.
    pub private_ip: Option<Ipv4Addr>,
    /// Whether there is a public address.
    pub public_address: Option<bool>,
    /// Megabits per second that may leave from it; none for no limit.
    pub bandwidth: Option<u32>,
    /// Key pairs by name. Earlier rows have one or none.
    #[serde(alias = "key_name", deserialize_with = "one_or_several", skip_serializing_if = "Vec::is_empty")]
    pub key_names: Vec<String>,
    /// crypt(3) text of the password; never shown.
    pub password_hash: Option<String>,
    /// User data, base64 of what the guest reads.
    pub user_data: Option<String>,
    /// Display name, as it was written: a dialect may number it.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Host name, likewise.
    pub hostname: Option<String>,
    /// The system disk.
    pub root: RootSettings,
    /// Further volumes.
    pub volumes: Vec<NewVolume>,
    /// Attributes.
    pub attributes: AttributeSettings,
    /// Role of which the guest is given temporary keys.
    pub role: Option<RoleChoice>,
    /// How they are named.
    #[serde(skip_serializing_if = "HostNameSettings::is_none")]
    pub host_names: HostNameSettings,
    /// The placement group.
    pub placement: Option<PlacementChoice>,
    /// What they ask of capacity reservations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacityChoice>,
    /// Tags of the instances.
    pub tags: Tags,
    /// Tags of their volumes.
    pub volume_tags: Tags,
    /// Tags of their network interfaces.
    pub interface_tags: Tags,
    /// Whether it was said of the primary interface that it goes with its instance, as it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface_deleted: Option<bool>,
    /// What was said although it is so anyway, by its name in the dialect that it was said in: a template shows it again.
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub plain: Tags,
}

/// What is said of the system disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootSettings {
    /// Its size.
    pub size: Option<Gib>,
    /// How it is encrypted.
    #[serde(skip_serializing_if = "EncryptionChoice::is_none")]
    pub encryption: EncryptionChoice,
    /// What it is sold as.
    pub kind: Option<VolumeKind>,
    /// What is bought on top.
    #[serde(skip_serializing_if = "Provisioned::is_none")]
    pub provisioned: Provisioned,
    /// Whether it goes with the instance.
    pub deleted: Option<bool>,
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What is said of attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributeSettings {
    /// Whether terminate calls are refused.
    pub termination_protection: Option<bool>,
    /// Whether stop calls are refused.
    pub stop_protection: Option<bool>,
    /// What a shutdown inside the guest does.
    pub on_shutdown: Option<OnShutdown>,
    /// Whether detailed monitoring is asked for.
    pub detailed_monitoring: Option<bool>,
    /// Whether bandwidth of its own is asked for its volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ebs_optimized: Option<bool>,
    /// Whether the metadata service answers.
    pub metadata_enabled: Option<bool>,
    /// Whether it requires a session token.
    pub token_required: Option<bool>,
    /// Most network hops of a token's answer.
    pub hop_limit: Option<u8>,
    /// Whether it shows tags.
    pub show_tags: Option<bool>,
    /// When the instance is released by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_at: Option<Millis>,
    /// By what the public address is said to be paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet_charge: Option<InternetCharge>,
}

/// Reads names that earlier rows have as one name or as nothing.
fn one_or_several<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Several(Vec<String>),
        One(Option<String>),
    }
    Ok(match Kept::deserialize(from)? {
        Kept::Several(names) => names,
        Kept::One(name) => name.into_iter().collect(),
    })
}

/// The first of two lists that says something.
fn said<T>(this: Vec<T>, base: Vec<T>) -> Vec<T> {
    if this.is_empty() { base } else { this }
}

fn said_tags(this: Tags, base: Tags) -> Tags {
    if this.is_empty() { base } else { this }
}

/// Volumes of both; one that names the device of another stands for it.
fn said_volumes(this: Vec<NewVolume>, base: Vec<NewVolume>) -> Vec<NewVolume> {
    if this.iter().any(|volume| volume.device.is_none()) {
        return this;
    }
    let mut all: Vec<NewVolume> = base;
    all.retain(|volume| !this.iter().any(|other| other.device == volume.device));
    all.extend(this);
    all
}

impl LaunchSettings {
    /// What these say, and where they say nothing what `base` says. Groups by id and by name are one
    /// matter, and so are a subnet and its zone.
    pub fn over(self, base: LaunchSettings) -> LaunchSettings {
        let names_groups = !self.groups.is_empty() || !self.group_names.is_empty();
        let (base_groups, base_names) = if names_groups { (vec![], vec![]) } else { (base.groups, base.group_names) };
        // A subnet is in one zone.
        let base_zone = if self.subnet.is_some() { None } else { base.zone };
        LaunchSettings {
            image: self.image.or(base.image),
            instance_type: self.instance_type.or(base.instance_type),
            count: self.count.or(base.count),
            zone: self.zone.or(base_zone),
            subnet: self.subnet.or(base.subnet),
            groups: said(self.groups, base_groups),
            group_names: said(self.group_names, base_names),
            private_ip: self.private_ip.or(base.private_ip),
            public_address: self.public_address.or(base.public_address),
            bandwidth: self.bandwidth.or(base.bandwidth),
            key_names: said(self.key_names, base.key_names),
            password_hash: self.password_hash.or(base.password_hash),
            user_data: self.user_data.or(base.user_data),
            name: self.name.or(base.name),
            description: self.description.or(base.description),
            hostname: self.hostname.or(base.hostname),
            root: self.root.over(base.root),
            volumes: said_volumes(self.volumes, base.volumes),
            attributes: self.attributes.over(base.attributes),
            role: self.role.or(base.role),
            host_names: self.host_names.or(base.host_names),
            placement: self.placement.or(base.placement),
            capacity: self.capacity.or(base.capacity),
            tags: said_tags(self.tags, base.tags),
            volume_tags: said_tags(self.volume_tags, base.volume_tags),
            interface_tags: said_tags(self.interface_tags, base.interface_tags),
            interface_deleted: self.interface_deleted.or(base.interface_deleted),
            plain: said_tags(self.plain, base.plain),
        }
    }
}

impl RootSettings {
    fn over(self, base: RootSettings) -> RootSettings {
        let is_same_kind = self.kind.is_none() || self.kind == base.kind;
        RootSettings {
            size: self.size.or(base.size),
            encryption: if self.encryption.is_none() { base.encryption } else { self.encryption },
            kind: self.kind.or(base.kind),
            provisioned: self.provisioned.over(base.provisioned, is_same_kind),
            deleted: self.deleted.or(base.deleted),
            name: self.name.or(base.name),
            description: self.description.or(base.description),
        }
    }
}

impl AttributeSettings {
    fn over(self, base: AttributeSettings) -> AttributeSettings {
        AttributeSettings {
            termination_protection: self.termination_protection.or(base.termination_protection),
            stop_protection: self.stop_protection.or(base.stop_protection),
            on_shutdown: self.on_shutdown.or(base.on_shutdown),
            detailed_monitoring: self.detailed_monitoring.or(base.detailed_monitoring),
            ebs_optimized: self.ebs_optimized.or(base.ebs_optimized),
            metadata_enabled: self.metadata_enabled.or(base.metadata_enabled),
            token_required: self.token_required.or(base.token_required),
            hop_limit: self.hop_limit.or(base.hop_limit),
            show_tags: self.show_tags.or(base.show_tags),
            release_at: self.release_at.or(base.release_at),
            internet_charge: self.internet_charge.or(base.internet_charge),
        }
    }

    /// The attributes of an instance of which nothing else is said.
    pub fn attributes(&self) -> Attributes {
        let usual = Attributes::default();
        Attributes {
            termination_protection: self.termination_protection.unwrap_or(usual.termination_protection),
            stop_protection: self.stop_protection.unwrap_or(usual.stop_protection),
            on_shutdown: self.on_shutdown.unwrap_or(usual.on_shutdown),
            detailed_monitoring: self.detailed_monitoring.unwrap_or(usual.detailed_monitoring),
            ebs_optimized: self.ebs_optimized.unwrap_or(usual.ebs_optimized),
            metadata: MetadataOptions {
                enabled: self.metadata_enabled.unwrap_or(usual.metadata.enabled),
                token_required: self.token_required.unwrap_or(usual.metadata.token_required),
                hop_limit: self.hop_limit.unwrap_or(usual.metadata.hop_limit),
                show_tags: self.show_tags.unwrap_or(usual.metadata.show_tags),
            },
            release_at: self.release_at,
            internet_charge: self.internet_charge.unwrap_or(usual.internet_charge),
            host_names: usual.host_names,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(device: &str, gib: u32) -> NewVolume {
        NewVolume { size: Some(Gib(gib)), device: Some(device.to_owned()), ..NewVolume::default() }
    }

    #[test]
    fn what_a_call_says_wins_over_what_the_template_says() {
        let base = LaunchSettings {
            instance_type: Some("t3.small".to_owned()),
            key_names: vec!["old".to_owned()],
            zone: Some("a".to_owned()),
            group_names: vec!["web".to_owned()],
            volumes: vec![volume("/dev/sdf", 1), volume("/dev/sdg", 2)],
            root: RootSettings { size: Some(Gib(9)), ..RootSettings::default() },
            ..LaunchSettings::default()
        };
        let call = LaunchSettings {
            key_names: vec!["new".to_owned()],
            subnet: Some(SubnetId::from_u64(7)),
            groups: vec![SecurityGroupId::from_u64(8)],
            volumes: vec![volume("/dev/sdg", 3)],
            ..LaunchSettings::default()
        };
        let both = call.over(base);
        assert_eq!((both.instance_type.as_deref(), both.key_names), (Some("t3.small"), vec!["new".to_owned()]));
        assert_eq!((both.zone, both.subnet), (None, Some(SubnetId::from_u64(7))));
        assert_eq!((both.groups.len(), both.group_names.len()), (1, 0));
        assert_eq!(both.volumes, [volume("/dev/sdf", 1), volume("/dev/sdg", 3)]);
        assert_eq!(both.root.size, Some(Gib(9)));
    }

    #[test]
    fn a_name_of_a_template_is_what_some_cloud_takes() {
        assert!(["web", "a.b/c_(1)-x"].iter().all(|name| check_template_name(name).is_ok()));
        assert!(["", "a", "a b c", "é-éé", &"x".repeat(129)].iter().all(|name| check_template_name(name).is_err()));
    }
}
