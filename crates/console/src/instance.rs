//! Instances as they are shown.

use std::net::{Ipv4Addr, Ipv6Addr};

use control::{InstanceView, InterfaceView};
use model::{AccountId, Address, MacAddr, Tags, Volume, VolumePhase};
use schemars::JsonSchema;
use serde::Serialize;

use crate::page::{Show, Shown};
use crate::schema::{self, Time};

/// One instance, as a whole reply.
pub(crate) type One = Shown<InstanceView>;

/// An instance.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Instance<'a> {
    #[schemars(with = "schema::InstanceId")]
    id: model::InstanceId,
    /// The account that owns it.
    #[schemars(with = "String")]
    account: AccountId,
    /// Display name; empty for none.
    name: &'a str,
    description: &'a str,
    /// How far it is.
    #[schemars(with = "schema::InstanceState")]
    state: &'static str,
    /// Why it is as it is, when it did not come by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason<'a>>,
    /// Name of its type, as it was asked for.
    #[serde(rename = "type")]
    kind: &'a str,
    vcpus: u32,
    memory_mib: u64,
    #[schemars(with = "schema::ImageId")]
    image: model::ImageId,
    zone: &'a str,
    #[schemars(with = "schema::VpcId")]
    vpc: model::VpcId,
    #[schemars(with = "schema::SubnetId")]
    subnet: model::SubnetId,
    /// Its primary private address.
    private_ip: Ipv4Addr,
    /// The public address that is translated to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_ip: Option<Ipv4Addr>,
    /// Host name of the guest.
    hostname: &'a str,
    /// Name of the key pair at launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_pair: Option<&'a str>,
    /// Name of the role whose keys the guest is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    /// Security groups of its primary interface.
    security_groups: Vec<Group<'a>>,
    /// Its interfaces in the order of their places; none once it is terminated.
    interfaces: Vec<Interface<'a>>,
    /// Its volumes, its system disk first.
    volumes: Vec<Disk<'a>>,
    /// Whether terminating it is refused.
    termination_protection: bool,
    /// Whether stopping it is refused.
    stop_protection: bool,
    #[schemars(with = "schema::OnShutdown")]
    on_shutdown: model::OnShutdown,
    detailed_monitoring: bool,
    metadata: Metadata,
    /// When it is terminated by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    release_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    placement_group: Option<PlacementGroup<'a>>,
    /// The capacity reservation that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::CapacityReservationId>")]
    capacity_reservation: Option<model::CapacityReservationId>,
    /// The fleet that it was launched for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::InstanceFleetId>")]
    fleet: Option<model::InstanceFleetId>,
    /// The call that launched it.
    #[schemars(with = "schema::ReservationId")]
    launch: model::ReservationId,
    /// Its place in that call, from 0.
    launch_index: u32,
    created_at: Time,
    /// When it was last launched or started.
    started_at: Time,
    /// When its state last changed.
    changed_at: Time,
    tags: &'a Tags,
}

/// Why an instance is as it is.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Reason<'a> {
    #[schemars(with = "schema::ReasonKind")]
    kind: model::ReasonKind,
    /// In words.
    text: &'a str,
}

/// A security group by id and name.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Group<'a> {
    #[schemars(with = "schema::SecurityGroupId")]
    id: model::SecurityGroupId,
    name: &'a str,
}

/// A network interface of an instance.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Interface<'a> {
    #[schemars(with = "schema::InterfaceId")]
    id: model::InterfaceId,
    /// Its place, from 0; that one is the primary.
    index: u32,
    #[schemars(with = "schema::SubnetId")]
    subnet: model::SubnetId,
    #[schemars(with = "String")]
    mac: MacAddr,
    /// Its private addresses, the primary one first.
    private_ips: Vec<PrivateIp>,
    ipv6: &'a [Ipv6Addr],
    security_groups: Vec<Group<'a>>,
    /// Whether it goes with the instance.
    delete_on_termination: bool,
}

/// A private address of an interface.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PrivateIp {
    ip: Ipv4Addr,
    /// The public address that is translated to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_ip: Option<Ipv4Addr>,
}

/// A volume of an instance.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Disk<'a> {
    #[schemars(with = "schema::VolumeId")]
    id: model::VolumeId,
    /// Device name; guests have their own names, and find a disk by its serial number.
    device: &'a str,
    name: &'a str,
    size_gib: u32,
    #[schemars(with = "schema::VolumeKind")]
    kind: model::VolumeKind,
    /// How far it is attached.
    #[schemars(with = "schema::AttachmentState")]
    state: &'static str,
    encrypted: bool,
    /// Whether it goes with the instance.
    delete_on_termination: bool,
}

/// How the metadata service answers the guest.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Metadata {
    /// Whether it answers at all.
    enabled: bool,
    /// Whether a session token is required.
    token_required: bool,
    /// Most network hops of a token's answer.
    hop_limit: u8,
    /// Whether tags are shown.
    show_tags: bool,
}

/// The placement group of an instance.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PlacementGroup<'a> {
    #[schemars(with = "schema::PlacementGroupId")]
    id: model::PlacementGroupId,
    name: &'a str,
    /// The partition, from 1, in groups that have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<u32>,
}

impl Show for InstanceView {
    type As<'a> = Instance<'a>;

    fn show(&self) -> Instance<'_> {
        let instance = &self.instance;
        let (attributes, metadata) = (&instance.attributes, &instance.attributes.metadata);
        Instance {
            id: instance.id,
            account: instance.account,
            name: &instance.name,
            description: &instance.description,
            state: instance.phase.word(),
            reason: instance.reason.as_ref().map(|reason| Reason { kind: reason.kind, text: &reason.text }),
            kind: &instance.instance_type,
            vcpus: instance.vcpus,
            memory_mib: instance.memory.0,
            image: instance.image,
            zone: &instance.zone,
            vpc: instance.vpc,
            subnet: instance.subnet,
            private_ip: instance.private_ip,
            public_ip: self.address().map(|address| address.ip),
            hostname: &instance.hostname,
            key_pair: instance.guest.key_name(),
            role: self.role.as_ref().and_then(|role| role.role_name.as_deref()),
            security_groups: groups(self.groups()),
            interfaces: self.interfaces.iter().map(interface).collect(),
            volumes: self.volumes.iter().filter(|volume| volume.phase != VolumePhase::Deleting).map(disk).collect(),
            termination_protection: attributes.termination_protection,
            stop_protection: attributes.stop_protection,
            on_shutdown: attributes.on_shutdown,
            detailed_monitoring: attributes.detailed_monitoring,
            metadata: Metadata {
                enabled: metadata.enabled,
                token_required: metadata.token_required,
                hop_limit: metadata.hop_limit,
                show_tags: metadata.show_tags,
            },
            release_at: attributes.release_at.map(Time),
            placement_group: instance.placement.as_ref().map(|group| PlacementGroup {
                id: group.id,
                name: &group.name,
                partition: group.partition,
            }),
            capacity_reservation: instance.slot.as_ref().map(|slot| slot.reservation),
            fleet: instance.fleet,
            launch: instance.reservation,
            launch_index: instance.launch_index,
            created_at: Time(instance.created_at),
            started_at: Time(instance.started_at),
            changed_at: Time(instance.changed_at),
            tags: &instance.tags,
        }
    }
}

fn groups(groups: &[(model::SecurityGroupId, String)]) -> Vec<Group<'_>> {
    groups.iter().map(|(id, name)| Group { id: *id, name }).collect()
}

fn interface(view: &InterfaceView) -> Interface<'_> {
    let nic = &view.interface;
    let address = |ip| PrivateIp { ip, public_ip: view.address_of(ip).map(|address: &Address| address.ip) };
    Interface {
        id: nic.id,
        index: nic.index,
        subnet: nic.subnet,
        mac: nic.mac,
        private_ips: nic.addresses().map(address).collect(),
        ipv6: &nic.ipv6,
        security_groups: groups(&view.groups),
        delete_on_termination: nic.delete_on_termination,
    }
}

fn disk(volume: &Volume) -> Disk<'_> {
    Disk {
        id: volume.id,
        device: &volume.device,
        name: volume.shown_name(),
        size_gib: volume.size.0,
        kind: volume.kind,
        state: volume.attachment_word().unwrap_or("attached"),
        encrypted: volume.encryption.is_some(),
        delete_on_termination: volume.delete_on_termination,
    }
}
