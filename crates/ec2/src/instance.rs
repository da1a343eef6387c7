//! Instances as EC2 shows them: reservations, states, and what belongs to an instance.

use std::net::Ipv4Addr;
use std::sync::Arc;

use control::{Cloud, InstanceView, InterfaceView, Query, default_hostname};
use jiff::Timestamp;
use model::{
    AccountId, Address, AttachmentId, ImageId, Instance, InstanceId, InterfaceId, MacAddr, Noun, Phase, PlacementGroupId, Reason,
    ReasonKind, ReservationId, SecurityGroupId, SubnetId, Volume, VolumeId, VolumePhase, VpcId,
};
use wire::{FromArg, Plain, Show, Sink};

use crate::capacity_reservation::{self, ShownSpecification};
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::instance_role::{self, ProfileItem};
use crate::ipv6;
use crate::metadata_options::MetadataItem;
use crate::page::{Paging, USUAL};
use crate::region::ZoneId;
use crate::tag::{self, TagItem};
use crate::volume::{ROOT_DEVICE, attached_at, attachment_word};
use crate::{Cx, host_name, instance_type, interface};

/// The parameters of `DescribeInstances`.
#[derive(FromArg)]
pub(crate) struct DescribeInstances {
    #[arg(name = "InstanceId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeInstances`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Reservations {
    reservation_set: Vec<Reservation>,
    next_token: Option<String>,
}

/// What one launch call made, as far as it is listed.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Reservation {
    reservation_id: Plain<ReservationId>,
    owner_id: Plain<AccountId>,
    group_set: Vec<Group>,
    instances_set: Vec<Listed>,
}

/// An instance of a reply, which is shown when the reply is written.
struct Listed {
    cloud: Cloud,
    view: InstanceView,
}

impl Show for Listed {
    fn show(&self, sink: &mut dyn Sink) {
        instance_item(&self.cloud, &self.view).show(sink);
    }
}

/// A security group by id and name.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Group<N: Show = String> {
    group_id: Plain<SecurityGroupId>,
    group_name: N,
}

/// Groups as replies list them.
pub(crate) fn groups<'a, N: Show + From<&'a str>>(groups: &'a [(SecurityGroupId, String)]) -> Vec<Group<N>> {
    groups.iter().map(|(id, name)| Group { group_id: Plain(*id), group_name: N::from(name) }).collect()
}

/// The state of an instance.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct InstanceState {
    code: u16,
    name: &'static str,
}

/// EC2's number and word for a phase.
pub(crate) fn state(phase: Phase) -> InstanceState {
    let (code, name) = match phase {
        Phase::Launching { .. } | Phase::Starting { .. } => (0, "pending"),
        Phase::Running => (16, "running"),
        Phase::Terminating { .. } => (32, "shutting-down"),
        Phase::Terminated => (48, "terminated"),
        Phase::Stopping { .. } => (64, "stopping"),
        Phase::Stopped => (80, "stopped"),
    };
    InstanceState { code, name }
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct InstanceItem<'a> {
    instance_id: Plain<InstanceId>,
    image_id: Plain<ImageId>,
    instance_state: InstanceState,
    private_dns_name: Option<Arc<str>>,
    private_dns_name_options: host_name::Options,
    dns_name: &'static str,
    reason: String,
    key_name: Option<&'a str>,
    ami_launch_index: u32,
    product_codes: Vec<String>,
    instance_type: &'a str,
    launch_time: Timestamp,
    placement: Placement<'a>,
    platform_details: &'static str,
    usage_operation: &'static str,
    usage_operation_update_time: Timestamp,
    monitoring: Monitoring,
    subnet_id: Option<Plain<SubnetId>>,
    vpc_id: Option<Plain<VpcId>>,
    private_ip_address: Option<Ipv4Addr>,
    ip_address: Option<Ipv4Addr>,
    source_dest_check: Option<bool>,
    group_set: Vec<Group<&'a str>>,
    state_reason: Option<StateReason>,
    architecture: Option<&'static str>,
    root_device_type: &'static str,
    root_device_name: &'static str,
    block_device_mapping: Vec<BlockDevice<&'a str>>,
    virtualization_type: &'static str,
    hypervisor: &'static str,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem<&'a str>>,
    network_interface_set: Vec<NetworkInterface<'a>>,
    ebs_optimized: bool,
    ena_support: bool,
    iam_instance_profile: Option<ProfileItem>,
    cpu_options: CpuOptions,
    capacity_reservation_id: Option<String>,
    capacity_reservation_specification: ShownSpecification,
    hibernation_options: Configured,
    metadata_options: MetadataItem,
    enclave_options: Enabled,
    current_instance_boot_mode: &'static str,
    client_token: Option<&'a str>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Placement<'a> {
    availability_zone: &'a str,
    availability_zone_id: Plain<ZoneId<'a>>,
    group_name: &'a str,
    group_id: Option<Plain<PlacementGroupId>>,
    partition_number: Option<u32>,
    tenancy: &'static str,
}

/// Whether detailed monitoring is on.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Monitoring {
    state: &'static str,
}

/// The monitoring of an instance.
pub(crate) fn monitoring(instance: &Instance) -> Monitoring {
    Monitoring { state: if instance.attributes.detailed_monitoring { "enabled" } else { "disabled" } }
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct StateReason {
    code: &'static str,
    message: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct CpuOptions {
    core_count: u32,
    threads_per_core: u32,
}

#[derive(Show)]
struct Configured {
    #[reply(name = "configured")]
    configured: bool,
}

#[derive(Show)]
struct Enabled {
    #[reply(name = "enabled")]
    enabled: bool,
}

/// A disk of an instance.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct BlockDevice<N: Show = String> {
    device_name: N,
    ebs: Ebs,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Ebs {
    volume_id: Plain<VolumeId>,
    status: &'static str,
    attach_time: Timestamp,
    delete_on_termination: bool,
}

/// Disks as instances show them; one that is on its way out is shown no more.
pub(crate) fn block_devices<'a, N: Show + From<&'a str>>(volumes: &'a [Volume]) -> Vec<BlockDevice<N>> {
    let device = |volume: &'a Volume| BlockDevice {
        device_name: N::from(&volume.device),
        ebs: Ebs {
            volume_id: Plain(volume.id),
            status: attachment_word(volume),
            attach_time: attached_at(volume),
            delete_on_termination: volume.delete_on_termination,
        },
    };
    volumes.iter().filter(|volume| volume.phase != VolumePhase::Deleting).map(device).collect()
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct NetworkInterface<'a> {
    network_interface_id: Plain<InterfaceId>,
    subnet_id: Plain<SubnetId>,
    vpc_id: Plain<VpcId>,
    description: &'a str,
    owner_id: Plain<AccountId>,
    status: &'static str,
    mac_address: Plain<MacAddr>,
    private_ip_address: Ipv4Addr,
    private_dns_name: Arc<str>,
    source_dest_check: bool,
    group_set: Vec<Group<&'a str>>,
    attachment: Attachment,
    association: Option<Association>,
    private_ip_addresses_set: Vec<PrivateAddress>,
    #[reply(skip_empty)]
    ipv6_addresses_set: Vec<ipv6::Address>,
    interface_type: &'static str,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Attachment {
    attachment_id: Plain<AttachmentId>,
    device_index: u32,
    status: &'static str,
    attach_time: Timestamp,
    delete_on_termination: bool,
    network_card_index: u32,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Association {
    public_ip: Ipv4Addr,
    public_dns_name: &'static str,
    ip_owner_id: Plain<AccountId>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct PrivateAddress {
    private_ip_address: Ipv4Addr,
    private_dns_name: Arc<str>,
    primary: bool,
    association: Option<Association>,
}

/// Lists instances by their launches.
pub(crate) async fn describe_instances(cx: Cx, asked: DescribeInstances) -> Result<Reservations, Refusal> {
    asked.paging.not_with_ids(&asked.ids)?;
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let ids = tag::ids(Noun::Instance, &asked.ids)?;
    let (of_interfaces, of_rows): (Vec<_>, Vec<_>) = asked.filters.into_iter().partition(is_of_interfaces);
    let filters = filter::filters(&cx, filter::INSTANCE, &of_rows)?;
    let mut listed = cx.cloud.list_instances(&cx.caller, Query { ids, filters, page: pages.of_ids()? }).await?;
    listed.rows.retain(|view| of_interfaces.iter().all(|filter| has_interface(view, filter)));
    Ok(Reservations { reservation_set: reservations(&cx, listed.rows), next_token: pages.after(listed.next) })
}

/// Whether a filter is about what neither the row of an instance nor its reply tells of its interfaces. Like those of
/// [`crate::shown_filter`], it leaves rows out of a page after that was cut.
fn is_of_interfaces(filter: &AskedFilter) -> bool {
    matches!(
        filter.name.as_str(),
        "network-interface.addresses.association.allocation-id"
            | "network-interface.addresses.association.association-id"
            | "network-interface.association.allocation-id"
            | "network-interface.association.association-id"
            | "network-interface.tag-key"
            | "network-interface.tag-value"
    )
}

/// Whether one of the interfaces of an instance fits such a filter.
fn has_interface(view: &InstanceView, AskedFilter { name, values }: &AskedFilter) -> bool {
    let of = |nic: &InterfaceView| -> Vec<String> {
        let primary = nic.address().into_iter();
        match name.as_str() {
            "network-interface.addresses.association.allocation-id" => nic.addresses.iter().map(|address| address.id.to_string()).collect(),
            "network-interface.addresses.association.association-id" => nic.addresses.iter().filter_map(association_id).collect(),
            "network-interface.association.allocation-id" => primary.map(|address| address.id.to_string()).collect(),
            "network-interface.association.association-id" => primary.filter_map(association_id).collect(),
            "network-interface.tag-key" => nic.interface.tags.keys().cloned().collect(),
            "network-interface.tag-value" => nic.interface.tags.values().cloned().collect(),
            _ => vec![],
        }
    };
    view.interfaces.iter().flat_map(of).any(|value| filter::any_matches(values, &value))
}

fn association_id(address: &Address) -> Option<String> {
    address.association.map(|id| id.to_string())
}

/// One instance by the text of its id.
pub(crate) async fn view_of(cx: &Cx, id: &str) -> Result<InstanceView, Refusal> {
    let id: InstanceId = tag::id(Noun::Instance, id)?;
    Ok(cx.cloud.instance_view(&cx.caller, id).await?)
}

/// Instances grouped by the launch that made them, launches in order of their first instance here.
pub(crate) fn reservations(cx: &Cx, views: Vec<InstanceView>) -> Vec<Reservation> {
    let mut reservations: Vec<Reservation> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for view in views {
        let id = view.instance.reservation;
        let at = *places.entry(id).or_insert_with(|| {
            reservations.push(empty_reservation(id, view.instance.account));
            reservations.len() - 1
        });
        reservations[at].instances_set.push(Listed { cloud: cx.cloud.clone(), view });
    }
    reservations
}

/// A launch of which nothing is left.
pub(crate) fn empty_reservation(id: ReservationId, owner: AccountId) -> Reservation {
    Reservation { reservation_id: Plain(id), owner_id: Plain(owner), group_set: vec![], instances_set: vec![] }
}

fn instance_item<'a>(cloud: &'a Cloud, view: &'a InstanceView) -> InstanceItem<'a> {
    let instance = &view.instance;
    let plugged = view.interface().map(|nic| &nic.interface);
    let name: Arc<str> = named(cloud, &instance.hostname).into();
    InstanceItem {
        instance_id: Plain(instance.id),
        image_id: Plain(instance.image),
        instance_state: state(instance.phase),
        private_dns_name: plugged.map(|_| name.clone()),
        private_dns_name_options: host_name::Options::of(instance.attributes.host_names),
        dns_name: "",
        reason: transition(instance),
        key_name: instance.guest.key_name(),
        ami_launch_index: instance.launch_index,
        product_codes: vec![],
        instance_type: instance_type::shown_name(&instance.instance_type),
        launch_time: instance.started_at.timestamp(),
        placement: Placement {
            availability_zone: &instance.zone,
            availability_zone_id: Plain(ZoneId::of(cloud, &instance.zone)),
            group_name: instance.placement.as_ref().map_or("", |group| &group.name),
            group_id: instance.placement.as_ref().map(|group| Plain(group.id)),
            partition_number: instance.placement.as_ref().and_then(|group| group.partition),
            tenancy: "default",
        },
        platform_details: "Linux/UNIX",
        usage_operation: "RunInstances",
        usage_operation_update_time: instance.created_at.timestamp(),
        monitoring: monitoring(instance),
        subnet_id: plugged.map(|nic| Plain(nic.subnet)),
        vpc_id: plugged.map(|nic| Plain(nic.vpc)),
        private_ip_address: plugged.map(|nic| nic.ip),
        ip_address: view.address().map(|address| address.ip),
        source_dest_check: plugged.map(|nic| nic.checked),
        group_set: groups(view.groups()),
        state_reason: state_reason(instance),
        architecture: view.image.as_ref().map(|image| image.architecture.as_str()),
        root_device_type: "ebs",
        root_device_name: ROOT_DEVICE,
        block_device_mapping: block_devices(&view.volumes),
        virtualization_type: "hvm",
        hypervisor: "xen",
        tag_set: tag::items(&instance.tags),
        network_interface_set: view.interfaces.iter().filter_map(|nic| network_interface(cloud, &name, nic)).collect(),
        ebs_optimized: instance.attributes.ebs_optimized,
        ena_support: false,
        iam_instance_profile: instance_role::shown(view.role.as_ref()),
        cpu_options: CpuOptions { core_count: instance.vcpus, threads_per_core: 1 },
        capacity_reservation_id: capacity_reservation::reservation_of(instance),
        capacity_reservation_specification: ShownSpecification::of(instance.capacity),
        hibernation_options: Configured { configured: false },
        metadata_options: MetadataItem::applied(&instance.attributes.metadata),
        enclave_options: Enabled { enabled: false },
        current_instance_boot_mode: "legacy-bios",
        client_token: instance.client_token.as_deref(),
    }
}

/// An interface of the instance of this name, which its primary address has.
fn network_interface<'a>(cloud: &Cloud, name: &Arc<str>, view: &'a InterfaceView) -> Option<NetworkInterface<'a>> {
    let nic = &view.interface;
    let name_of = |ip| if ip == nic.ip && nic.index == 0 { name.clone() } else { named(cloud, &default_hostname(ip)).into() };
    let association = |ip| {
        let public = view.address_of(ip)?;
        Some(Association { public_ip: public.ip, public_dns_name: "", ip_owner_id: Plain(public.account) })
    };
    let private =
        |ip| PrivateAddress { private_ip_address: ip, private_dns_name: name_of(ip), primary: ip == nic.ip, association: association(ip) };
    Some(NetworkInterface {
        network_interface_id: Plain(nic.id),
        subnet_id: Plain(nic.subnet),
        vpc_id: Plain(nic.vpc),
        description: &nic.description,
        owner_id: Plain(nic.account),
        status: nic.word(),
        mac_address: Plain(nic.mac),
        private_ip_address: nic.ip,
        private_dns_name: name_of(nic.ip),
        source_dest_check: nic.checked,
        group_set: groups(&view.groups),
        attachment: Attachment {
            attachment_id: Plain(nic.attachment()?),
            device_index: nic.index,
            status: nic.plug_word()?,
            attach_time: interface::attached_at(nic),
            delete_on_termination: nic.delete_on_termination,
            network_card_index: 0,
        },
        association: association(nic.ip),
        private_ip_addresses_set: nic.addresses().map(private).collect(),
        ipv6_addresses_set: ipv6::addresses(&nic.ipv6),
        interface_type: "interface",
    })
}

/// The whole name of a host.
fn named(cloud: &Cloud, hostname: &str) -> String {
    [hostname, ".", &cloud.region().domain].concat()
}

/// The reason of a state that an instance did not reach by running, as clients parse it: the time is in brackets.
fn transition(instance: &Instance) -> String {
    match explained(instance) {
        None => String::new(),
        Some(Reason { kind: ReasonKind::UserRequest, .. }) => {
            let at = instance.changed_at.timestamp().strftime("%Y-%m-%d %H:%M:%S");
            format!("User initiated ({at} GMT)")
        }
        Some(reason) => reason_code(reason.kind).to_owned(),
    }
}

fn state_reason(instance: &Instance) -> Option<StateReason> {
    let reason = explained(instance)?;
    let code = reason_code(reason.kind);
    let words = if reason.kind == ReasonKind::UserRequest { "User initiated shutdown" } else { &reason.text };
    Some(StateReason { code, message: format!("{code}: {words}") })
}

/// The reason of an instance that goes or went down.
fn explained(instance: &Instance) -> Option<&Reason> {
    match instance.phase {
        Phase::Launching { .. } | Phase::Starting { .. } | Phase::Running => None,
        Phase::Stopping { .. } | Phase::Stopped | Phase::Terminating { .. } | Phase::Terminated => instance.reason.as_ref(),
    }
}

const fn reason_code(kind: ReasonKind) -> &'static str {
    match kind {
        ReasonKind::UserRequest => "Client.UserInitiatedShutdown",
        ReasonKind::GuestShutdown => "Client.InstanceInitiatedShutdown",
        ReasonKind::NoCapacity => "Server.InsufficientInstanceCapacity",
        ReasonKind::ImageFault | ReasonKind::InternalFault => "Server.InternalError",
        ReasonKind::Maintenance => "Server.ScheduledStop",
    }
}

/// The volumes of an instance with their device names.
pub(crate) async fn volumes_at(cx: &Cx, id: model::InstanceId) -> Result<Vec<(String, model::VolumeId)>, Refusal> {
    let view = cx.cloud.instance_view(&cx.caller, id).await?;
    Ok(view.volumes.into_iter().map(|volume| (volume.device, volume.id)).collect())
}
