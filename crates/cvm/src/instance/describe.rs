//! Lists of instances: whole, and their states alone.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use control::{Field, InstanceView, Query, instance_of_uuid, system_uuid};
use jiff::Timestamp;
use model::{Address, AddressKind, Catalogue, Encryption, Instance, InstanceId, Prefixed, SecurityGroupId, SubnetId, Volume, VpcId};
use wire::{Doc, FromArg, OrEmpty, Plain, Show};

use crate::bandwidth::{IN_PACKAGE, charge_word};
use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::instance::{INSTANCES_PER_CALL, STATES, ids, latest_operation, state, stop_charging_mode, views_of};
use crate::page::Cut;
use crate::tag::TagReply;
use crate::volume::{disk_type, extra_shown};
use crate::{Cx, id, instance_type, key_pair, page, tag, time};

/// The port of SSH.
const SSH_PORT: u32 = 22;

/// `DescribeInstances`.
#[derive(FromArg)]
pub(crate) struct DescribeInstances {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Instances {
    total_count: usize,
    instance_set: Vec<InstanceReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct InstanceReply {
    placement: Placement,
    instance_id: Plain<Prefixed>,
    instance_name: String,
    instance_type: String,
    #[reply(name = "CPU")]
    cpu: u32,
    memory: u64,
    instance_state: &'static str,
    restrict_state: &'static str,
    stop_charging_mode: &'static str,
    instance_charge_type: &'static str,
    renew_flag: &'static str,
    image_id: Plain<Prefixed>,
    os_name: String,
    system_disk: SystemDisk,
    data_disks: Vec<DataDisk>,
    private_ip_addresses: Vec<Ipv4Addr>,
    public_ip_addresses: Vec<Ipv4Addr>,
    #[reply(name = "IPv6Addresses")]
    ipv6_addresses: Vec<Ipv6Addr>,
    #[reply(name = "PublicIPv6Addresses")]
    public_ipv6_addresses: Vec<String>,
    internet_accessible: InternetAccessible,
    virtual_private_cloud: VirtualPrivateCloud,
    security_group_ids: Vec<Plain<Prefixed>>,
    login_settings: LoginSettings,
    default_login_user: String,
    default_login_port: u32,
    host_name: String,
    disable_api_termination: bool,
    enable_jumbo_frame: bool,
    created_time: Timestamp,
    /// Nothing expires that is paid for as it is used.
    expired_time: &'static str,
    uuid: String,
    latest_operation: &'static str,
    latest_operation_state: &'static str,
    latest_operation_request_id: &'static str,
    latest_operation_error_msg: &'static str,
    disaster_recover_group_id: OrEmpty<Plain<Prefixed>>,
    disaster_recover_group_ids: Vec<Plain<Prefixed>>,
    /// 0 in groups without partitions, and in none.
    partition_number: u32,
    cam_role_name: String,
    hpc_cluster_id: &'static str,
    rdma_ip_addresses: Vec<String>,
    dedicated_cluster_id: &'static str,
    isolated_source: &'static str,
    license_type: &'static str,
    metadata: Metadata,
    tags: Vec<TagReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct Placement {
    zone: String,
    project_id: u32,
    host_ids: Vec<String>,
    host_id: &'static str,
}

#[derive(Show)]
struct SystemDisk {
    disk_type: &'static str,
    disk_id: Plain<Prefixed>,
    disk_size: u32,
    disk_name: String,
    encrypt: bool,
    kms_key_id: String,
}

#[derive(Show)]
struct DataDisk {
    disk_type: &'static str,
    disk_id: Plain<Prefixed>,
    disk_size: u32,
    disk_name: String,
    delete_with_instance: bool,
    snapshot_id: OrEmpty<Plain<Prefixed>>,
    throughput_performance: u32,
    encrypt: bool,
    kms_key_id: String,
}

#[derive(Show)]
struct InternetAccessible {
    internet_charge_type: &'static str,
    internet_max_bandwidth_out: u32,
    public_ip_assigned: bool,
}

#[derive(Show)]
#[reply(list = "")]
struct VirtualPrivateCloud {
    vpc_id: Plain<Prefixed>,
    subnet_id: Plain<Prefixed>,
    as_vpc_gateway: bool,
    private_ip_addresses: Vec<Ipv4Addr>,
}

#[derive(Show)]
#[reply(list = "")]
struct LoginSettings {
    key_ids: Vec<String>,
}

#[derive(Show)]
#[reply(list = "")]
struct Metadata {
    items: Vec<Doc>,
}

/// Lists instances.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeInstances) -> Result<Instances, Fault> {
    not_both("InstanceIds", &asked.instance_ids, &asked.filters)?;
    let (times, others): (Vec<_>, Vec<_>) = asked.filters.into_iter().partition(|filter| TIMES.contains(&filter.name.as_str()));
    let mut filters = Filters::read(&others, filter)?;
    only_shown(&mut filters);
    let filters = filters.into_vec();
    let (total_count, views) = if times.is_empty() {
        let query = Query { ids: id::read_all(&asked.instance_ids)?, filters, page: asked.cut.page() };
        let listed = cx.cloud.list_instances(&cx.caller, query).await?;
        (listed.total, listed.rows)
    } else {
        let times = times.iter().map(Bound::read).collect::<Result<Vec<_>, Fault>>()?;
        let mut views = page::all_instances(cx, &filters).await?;
        views.retain(|view| times.iter().all(|bound| bound.has(view.instance.created_at.timestamp())));
        asked.cut.of(views)
    };
    let keys: Vec<String> = views.iter().flat_map(|view| &view.instance.guest.keys).map(|key| key.name.clone()).collect();
    let keys = key_pair::ids_by_name(cx, &keys).await?;
    Ok(Instances { total_count, instance_set: views.iter().map(|view| reply(view, &keys)).collect() })
}

/// Filters by the time of making.
const TIMES: [&str; 2] = ["creation-start-time", "creation-end-time"];

/// A moment from which or until which instances were made.
enum Bound {
    From(Timestamp),
    Until(Timestamp),
}

impl Bound {
    /// Reads the first value of a filter, the only one that can be meant.
    fn read(filter: &FilterArg) -> Result<Bound, Fault> {
        let moment = filter.values.first().and_then(|value| time::read_beijing(value));
        let moment = moment.ok_or_else(|| Fault::invalid("Filters", "a time of making is written like 2023-06-01 00:00:00"))?;
        Ok(if filter.name == TIMES[0] { Bound::From(moment) } else { Bound::Until(moment) })
    }

    fn has(&self, moment: Timestamp) -> bool {
        match self {
            Bound::From(from) => *from <= moment,
            Bound::Until(until) => moment <= *until,
        }
    }
}

fn filter(name: &str) -> Option<By> {
    Some(match name {
        "instance-id" => By::id::<InstanceId>(Field::Id),
        "uuid" => By::Word(Field::Id, of_uuid),
        "instance-name" => By::Is(Field::Name),
        "instance-state" => By::Word(Field::State, words),
        "instance-charge-type" => By::Always(&["POSTPAID_BY_HOUR"]),
        "instance-type" => By::Word(Field::InstanceType, instance_type::kept),
        "zone" => By::Is(Field::Zone),
        "project-id" => By::Always(&["0"]),
        "host-id" | "dedicated-cluster-id" | "ipv6-address" => By::Always(&[]),
        "disaster-recover-group-id" => By::id::<model::PlacementGroupId>(Field::Placement),
        "vpc-id" => By::id::<VpcId>(Field::Vpc),
        "subnet-id" => By::id::<SubnetId>(Field::Subnet),
        "security-group-id" => By::id::<SecurityGroupId>(Field::Group),
        "private-ip-address" => By::Is(Field::PrivateIp),
        "public-ip-address" => By::Is(Field::PublicIp),
        "image-id" => By::id::<model::ImageId>(Field::Image),
        _ => return None,
    })
}

/// The control plane's words for one of CVM's states.
fn words(state: &str) -> Vec<String> {
    let same = STATES.iter().filter(|(_, cvm)| cvm.eq_ignore_ascii_case(state));
    same.map(|(ours, _)| (*ours).to_owned()).collect()
}

/// The id of the instance that has a UUID.
fn of_uuid(uuid: &str) -> Vec<String> {
    instance_of_uuid(uuid).map(|id| id.to_string()).into_iter().collect()
}

/// Leaves out instances that are gone.
fn only_shown(filters: &mut Filters) {
    let states = STATES.map(|(ours, _)| ours.to_owned());
    filters.push(By::Is(Field::State), &states);
}

fn reply(view: &InstanceView, keys: &HashMap<String, String>) -> InstanceReply {
    let instance = &view.instance;
    let (latest_operation, latest_operation_state) = latest_operation(instance);
    let key_ids = instance.guest.keys.iter().filter_map(|key| keys.get(&key.name)).cloned().collect();
    let group = instance.placement.as_ref().map(|group| group.id);
    let bandwidth = view.address().map(|address| address.bandwidth_shown()).or(instance.bandwidth).unwrap_or(0);
    InstanceReply {
        placement: Placement { zone: instance.zone.clone(), project_id: 0, host_ids: vec![], host_id: "" },
        instance_id: id::plain(instance.id),
        instance_name: shown_name(instance),
        instance_type: instance_type::shown(&instance.instance_type),
        cpu: instance.vcpus,
        memory: instance_type::gib(instance.memory),
        instance_state: state(instance.phase),
        restrict_state: "NORMAL",
        stop_charging_mode: stop_charging_mode(instance),
        instance_charge_type: "POSTPAID_BY_HOUR",
        renew_flag: "",
        image_id: id::plain(instance.image),
        os_name: view.image.as_ref().map_or_else(String::new, |image| image.platform.clone()),
        system_disk: system_disk(view),
        data_disks: view.volumes.iter().filter(|volume| volume.id != instance.root_volume).map(data_disk).collect(),
        private_ip_addresses: vec![instance.private_ip],
        public_ip_addresses: view.address().iter().map(|address| address.ip).collect(),
        ipv6_addresses: view.interfaces.iter().flat_map(|nic| &nic.interface.ipv6).copied().collect(),
        public_ipv6_addresses: vec![],
        internet_accessible: InternetAccessible {
            internet_charge_type: charge_of(view),
            internet_max_bandwidth_out: bandwidth,
            public_ip_assigned: view.address().is_some(),
        },
        virtual_private_cloud: VirtualPrivateCloud {
            vpc_id: id::plain(instance.vpc),
            subnet_id: id::plain(instance.subnet),
            as_vpc_gateway: false,
            private_ip_addresses: vec![instance.private_ip],
        },
        security_group_ids: view.groups().iter().map(|(group, _)| id::plain(*group)).collect(),
        login_settings: LoginSettings { key_ids },
        default_login_user: view.image.as_ref().map_or_else(String::new, |image| image.default_user.clone()),
        default_login_port: SSH_PORT,
        host_name: instance.hostname.clone(),
        disable_api_termination: instance.attributes.termination_protection,
        enable_jumbo_frame: false,
        created_time: instance.created_at.timestamp(),
        expired_time: "",
        uuid: system_uuid(instance),
        latest_operation,
        latest_operation_state,
        latest_operation_request_id: "",
        latest_operation_error_msg: "",
        disaster_recover_group_id: OrEmpty(group.map(id::plain)),
        disaster_recover_group_ids: group.into_iter().map(id::plain).collect(),
        partition_number: instance.placement.as_ref().and_then(|group| group.partition).unwrap_or(0),
        cam_role_name: view.role.as_ref().and_then(|held| held.role_name.clone()).unwrap_or_default(),
        hpc_cluster_id: "",
        rdma_ip_addresses: vec![],
        dedicated_cluster_id: "",
        isolated_source: "NOTISOLATED",
        license_type: "TencentCloud",
        metadata: Metadata { items: vec![] },
        tags: tag::replies(&instance.tags),
    }
}

/// By what the public address of an instance is said to be paid for: its elastic one, or the one that it has by itself.
fn charge_of(view: &InstanceView) -> &'static str {
    match view.address() {
        Some(Address { package: Some(_), .. }) => IN_PACKAGE,
        Some(Address { kind: AddressKind::Elastic, charge, .. }) => charge_word(*charge),
        Some(_) | None => charge_word(view.instance.attributes.internet_charge),
    }
}

/// The name that is shown: CVM calls an instance so when it was given none.
fn shown_name(instance: &Instance) -> String {
    if instance.name.is_empty() { "Unnamed".to_owned() } else { instance.name.clone() }
}

/// The system disk; one that goes with its instance has no size any more.
fn system_disk(view: &InstanceView) -> SystemDisk {
    let root = view.instance.root_volume;
    let volume = view.volumes.iter().find(|volume| volume.id == root);
    SystemDisk {
        disk_type: volume.map_or("", disk_type),
        disk_id: id::plain(root),
        disk_size: volume.map_or(0, |volume| volume.size.0),
        disk_name: volume.map_or_else(String::new, |volume| volume.shown_name().to_owned()),
        encrypt: volume.is_some_and(|volume| volume.encryption.is_some()),
        kms_key_id: Encryption::key_text(volume.and_then(|volume| volume.encryption.as_ref())),
    }
}

fn data_disk(volume: &Volume) -> DataDisk {
    DataDisk {
        disk_type: disk_type(volume),
        disk_id: id::plain(volume.id),
        disk_size: volume.size.0,
        disk_name: volume.shown_name().to_owned(),
        delete_with_instance: volume.delete_on_termination,
        snapshot_id: OrEmpty(volume.snapshot.map(id::plain)),
        throughput_performance: extra_shown(volume),
        encrypt: volume.encryption.is_some(),
        kms_key_id: Encryption::key_text(volume.encryption.as_ref()),
    }
}

/// `DescribeInstancesAttributes`.
#[derive(FromArg)]
pub(crate) struct DescribeInstancesAttributes {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    #[arg(max_items = ATTRIBUTES_PER_CALL)]
    attributes: Vec<AttributeName>,
}

/// What of an instance is told one by one.
#[derive(Clone, Copy, FromArg)]
enum AttributeName {
    UserData,
}

/// Attributes that one call may name.
const ATTRIBUTES_PER_CALL: usize = 10;

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct InstancesAttributes {
    instance_set: Vec<InstanceAttributes>,
}

#[derive(Show)]
struct InstanceAttributes {
    instance_id: String,
    attributes: AttributesReply,
}

#[derive(Show)]
struct AttributesReply {
    user_data: String,
}

/// Tells the user data of instances, in base64.
pub(crate) async fn describe_attributes(cx: &Cx<'_>, asked: DescribeInstancesAttributes) -> Result<InstancesAttributes, Fault> {
    if asked.attributes.is_empty() {
        return Err(Fault::missing("Attributes"));
    }
    let views = views_of(cx, ids(&asked.instance_ids)?).await?;
    let shown = |view: InstanceView| InstanceAttributes {
        instance_id: id::shown(view.instance.id),
        attributes: AttributesReply { user_data: view.instance.guest.user_data.unwrap_or_default() },
    };
    Ok(InstancesAttributes { instance_set: views.into_iter().map(shown).collect() })
}

/// VPC's `DescribeVpcInstances`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcInstances {
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct VpcInstances {
    total_count: usize,
    instance_set: Vec<VpcInstance>,
}

#[derive(Show)]
struct VpcInstance {
    vpc_id: String,
    subnet_id: String,
    instance_id: String,
    instance_name: String,
    instance_state: &'static str,
    instance_type: String,
    #[reply(name = "CPU")]
    cpu: u32,
    memory: u64,
    eni_limit: u8,
    eni_ip_limit: u8,
    instance_eni_count: usize,
    created_time: String,
}

/// Lists instances as VPC sees them: where they are, and how many interfaces they have and may have.
pub(crate) async fn describe_in_vpc(cx: &Cx<'_>, asked: DescribeVpcInstances) -> Result<VpcInstances, Fault> {
    let mut filters = Filters::read(&asked.filters, |name| match name {
        "vpc-id" | "instance-id" | "instance-name" => filter(name),
        _ => None,
    })?;
    only_shown(&mut filters);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list_instances(&cx.caller, query).await?;
    let shown = |view: &InstanceView| {
        let instance = &view.instance;
        // A type that is sold no more has room for what it has.
        let limits = Catalogue::standard().by_name(&instance.instance_type).map(|kind| kind.network);
        VpcInstance {
            vpc_id: id::shown(instance.vpc),
            subnet_id: id::shown(instance.subnet),
            instance_id: id::shown(instance.id),
            instance_name: shown_name(instance),
            instance_state: state(instance.phase),
            instance_type: instance_type::shown(&instance.instance_type),
            cpu: instance.vcpus,
            memory: instance_type::gib(instance.memory),
            eni_limit: limits.map_or(1, |limits| limits.max_interfaces),
            eni_ip_limit: limits.map_or(1, |limits| limits.ips_per_interface),
            instance_eni_count: view.interfaces.len(),
            created_time: time::by_beijing(instance.created_at.timestamp()),
        }
    };
    Ok(VpcInstances { total_count: listed.total, instance_set: listed.rows.iter().map(shown).collect() })
}

/// `DescribeInstancesStatus`.
#[derive(FromArg)]
pub(crate) struct DescribeInstancesStatus {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct InstanceStatuses {
    total_count: usize,
    instance_status_set: Vec<InstanceStatus>,
}

#[derive(Show)]
struct InstanceStatus {
    instance_id: String,
    instance_state: &'static str,
}

/// Tells the states of instances.
pub(crate) async fn describe_status(cx: &Cx<'_>, asked: DescribeInstancesStatus) -> Result<InstanceStatuses, Fault> {
    let mut filters = Filters::default();
    only_shown(&mut filters);
    let query = Query { ids: id::read_all(&asked.instance_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list_instances(&cx.caller, query).await?;
    let status =
        |view: &InstanceView| InstanceStatus { instance_id: id::shown(view.instance.id), instance_state: state(view.instance.phase) };
    Ok(InstanceStatuses { total_count: listed.total, instance_status_set: listed.rows.iter().map(status).collect() })
}
