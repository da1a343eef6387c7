//! Lists of instances: whole, and their states alone.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use control::{Cloud, Field, Filter, InstanceView, InterfaceView, Query};
use model::{
    AddressId, AddressKind, ImageId, Instance, InstanceId, InterfaceId, MacAddr, MetadataOptions, Millis, PlacementGroupId,
    SecurityGroupId, SubnetId, VpcId,
};
use wire::{FromArg, JsonList, Minute, OrEmpty, Plain, Show, Sink};

use crate::error::Fault;
use crate::filter::{CONDITIONS_PER_CALL, Condition, Filters, TAGS_PER_CALL, TagArg, ipv6_texts};
use crate::instance::{INSTANCES_PER_CALL, Status, ids, in_state, shown_name, status, stopped_mode, type_name};
use crate::ipv6::{self, Ipv6Reply};
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX, Paged, Paging, SHORT_PAGE_MAX};
use crate::tag::{TagReply, tag_replies};
use crate::{Cx, instance_type};

/// When an instance that is paid for as it is used expires, in ECS's replies.
const NEVER: &str = "2099-12-31T15:59Z";

/// `DescribeInstances`.
#[derive(FromArg)]
pub(crate) struct DescribeInstances {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Option<JsonList<String>>,
    instance_name: Option<String>,
    status: Option<Status>,
    zone_id: Option<String>,
    vpc_id: Option<String>,
    v_switch_id: Option<String>,
    image_id: Option<String>,
    instance_type: Option<String>,
    instance_type_family: Option<String>,
    key_pair_name: Option<String>,
    security_group_id: Option<String>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    private_ip_addresses: Option<JsonList<String>>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    public_ip_addresses: Option<JsonList<String>>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    eip_addresses: Option<JsonList<String>>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    inner_ip_addresses: Option<JsonList<String>>,
    #[arg(name = "Ipv6Address", max_items = INSTANCES_PER_CALL)]
    ipv6_addresses: Vec<String>,
    rdma_ip_addresses: Option<String>,
    hpc_cluster_id: Option<String>,
    http_endpoint: Option<Switch>,
    http_tokens: Option<Tokens>,
    http_put_response_hop_limit: Option<u32>,
    #[arg(name = "Filter", max_items = CONDITIONS_PER_CALL)]
    conditions: Vec<Condition>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    instance_network_type: Option<String>,
    instance_charge_type: Option<String>,
    internet_charge_type: Option<String>,
    io_optimized: Option<String>,
    device_available: Option<bool>,
    lock_reason: Option<String>,
    resource_group_id: Option<String>,
    #[expect(dead_code, reason = "what it adds is always told")]
    additional_attributes: Vec<String>,
    #[arg(flatten)]
    paged: Paged,
}

/// Whether the metadata service answers.
#[derive(Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Switch {
    Enabled,
    Disabled,
}

/// Whether it asks for a token.
#[derive(Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Tokens {
    Optional,
    Required,
}

#[derive(Show)]
pub(crate) struct Instances {
    #[reply(list = "Instance")]
    instances: Vec<Listed>,
    #[reply(flatten)]
    paging: Paging,
}

/// An instance of a reply, which is shown when the reply is written.
struct Listed {
    cloud: Cloud,
    view: InstanceView,
}

impl Show for Listed {
    fn show(&self, sink: &mut dyn Sink) {
        reply(&self.cloud, &self.view).show(sink);
    }
}

#[derive(Show)]
struct InstanceReply<'a> {
    instance_id: Plain<InstanceId>,
    instance_name: Cow<'a, str>,
    description: &'a str,
    host_name: &'a str,
    status: Status,
    stopped_mode: &'static str,
    region_id: &'a str,
    zone_id: &'a str,
    instance_type: &'a str,
    instance_type_family: &'a str,
    cpu: u32,
    memory: u64,
    image_id: Plain<ImageId>,
    #[reply(name = "OSName")]
    os_name: &'a str,
    #[reply(name = "OSNameEn")]
    os_name_en: &'a str,
    #[reply(name = "OSType")]
    os_type: &'static str,
    key_pair_name: Option<&'a str>,
    creation_time: Minute,
    start_time: Minute,
    expired_time: &'static str,
    auto_release_time: OrEmpty<Minute>,
    instance_charge_type: &'static str,
    spot_strategy: &'static str,
    instance_network_type: &'static str,
    io_optimized: bool,
    device_available: bool,
    deletion_protection: bool,
    recyclable: bool,
    #[reply(name = "GPUAmount")]
    gpu_amount: u32,
    #[reply(name = "GPUSpec")]
    gpu_spec: &'static str,
    resource_group_id: &'static str,
    #[reply(list = "SecurityGroupId")]
    security_group_ids: Vec<Plain<SecurityGroupId>>,
    #[reply(flatten)]
    addresses: Addresses,
    #[reply(list = "NetworkInterface")]
    network_interfaces: Vec<NetworkInterface>,
    deployment_set_id: Option<Plain<PlacementGroupId>>,
    deployment_set_group_no: Option<u32>,
    metadata_options: MetadataReply,
    #[reply(list = "LockReason")]
    operation_locks: Vec<String>,
    #[reply(list = "Tag")]
    tags: Vec<TagReply<&'a str>>,
}

/// Where an instance can be reached.
#[derive(Show)]
pub(super) struct Addresses {
    vpc_attributes: VpcAttributes,
    #[reply(list = "IpAddress")]
    public_ip_address: Vec<Ipv4Addr>,
    #[reply(list = "IpAddress")]
    inner_ip_address: Vec<String>,
    eip_address: EipAddress,
    internet_charge_type: &'static str,
    internet_max_bandwidth_in: u32,
    internet_max_bandwidth_out: u32,
}

#[derive(Show)]
struct VpcAttributes {
    vpc_id: Plain<VpcId>,
    v_switch_id: Plain<SubnetId>,
    #[reply(list = "IpAddress")]
    private_ip_address: Vec<Ipv4Addr>,
    nat_ip_address: &'static str,
}

/// The elastic address; its texts are empty when there is none.
#[derive(Show, Default)]
struct EipAddress {
    allocation_id: OrEmpty<Plain<AddressId>>,
    ip_address: OrEmpty<Ipv4Addr>,
    bandwidth: Option<u32>,
    internet_charge_type: &'static str,
    is_support_unassociate: Option<bool>,
}

#[derive(Show)]
struct NetworkInterface {
    network_interface_id: Plain<InterfaceId>,
    #[reply(name = "Type")]
    kind: &'static str,
    mac_address: Plain<MacAddr>,
    primary_ip_address: Ipv4Addr,
    #[reply(list = "PrivateIpSet")]
    private_ip_sets: Vec<PrivateIp>,
    #[reply(list = "Ipv6Set")]
    ipv6_sets: Vec<Ipv6Reply>,
}

#[derive(Show)]
struct PrivateIp {
    private_ip_address: Ipv4Addr,
    primary: bool,
}

#[derive(Show)]
struct MetadataReply {
    http_endpoint: &'static str,
    http_tokens: &'static str,
    http_put_response_hop_limit: u8,
    instance_metadata_tags: &'static str,
}

/// Lists instances.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeInstances) -> Result<Instances, Fault> {
    let query = Query { ids: vec![], filters: asked.filters()?, page: asked.paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list_instances(&cx.caller, query).await?;
    let paging = asked.paged.paging(&listed);
    Ok(Instances { instances: listed.rows.into_iter().map(|view| Listed { cloud: cx.cloud.clone(), view }).collect(), paging })
}

impl DescribeInstances {
    fn filters(&self) -> Result<Vec<Filter>, Fault> {
        let family = self.instance_type_family.as_ref().filter(|family| !family.is_empty());
        let kind = self.instance_type.as_ref().filter(|name| !name.is_empty());
        let mut filters = Filters::new();
        filters
            .listed(Field::Id, self.instance_ids.as_deref())
            .wildcard(Field::Name, self.instance_name.as_ref())
            .exact(Field::Zone, self.zone_id.as_ref())
            .exact(Field::Vpc, self.vpc_id.as_ref())
            .exact(Field::Subnet, self.v_switch_id.as_ref())
            .exact(Field::Image, self.image_id.as_ref())
            .listed(Field::InstanceType, kind.map(|name| instance_type::kept(name)).as_deref())
            .listed(Field::InstanceType, family.map(|family| instance_type::kept_of_family(family)).as_deref())
            .exact(Field::KeyName, self.key_pair_name.as_ref())
            .exact(Field::Group, self.security_group_id.as_ref())
            .listed(Field::PrivateIp, self.private_ip_addresses.as_deref())
            .listed(Field::PublicIp, self.public_ip_addresses.as_deref())
            .listed(Field::PublicIp, self.eip_addresses.as_deref())
            .one_of(Field::Ipv6, &ipv6_texts(&self.ipv6_addresses))
            .exact(Field::MetadataAnswers, self.http_endpoint.map(|switch| switch == Switch::Enabled))
            .exact(Field::MetadataToken, self.http_tokens.map(|tokens| tokens == Tokens::Required))
            .exact(Field::MetadataHops, self.http_put_response_hop_limit)
            .tags(&self.tags)
            .always(self.rdma_ip_addresses.as_ref(), &[])
            .always(self.hpc_cluster_id.as_ref(), &[])
            .always(self.instance_network_type.as_ref(), &["vpc"])
            .always(self.instance_charge_type.as_ref(), &["PostPaid"])
            .always(self.internet_charge_type.as_ref(), &["PayByTraffic"])
            .always(self.io_optimized.as_ref(), &["true", "optimized"])
            .always(self.lock_reason.as_ref(), &[])
            .always(self.resource_group_id.as_ref(), &[]);
        filters.times(&self.conditions, wire::time::parse(NEVER).map(|at| Millis(at.as_millisecond())))?;
        if self.device_available == Some(false) || self.inner_ip_addresses.is_some() {
            filters.nothing();
        }
        in_state(&mut filters, self.status);
        Ok(filters.into_vec())
    }
}

fn reply<'a>(cloud: &'a Cloud, view: &'a InstanceView) -> InstanceReply<'a> {
    let instance = &view.instance;
    let type_name = type_name(instance);
    let platform = view.image.as_ref().map_or("", |image| &image.platform);
    InstanceReply {
        instance_id: Plain(instance.id),
        instance_name: shown_name(instance),
        description: &instance.description,
        host_name: &instance.hostname,
        status: status(instance.phase),
        stopped_mode: stopped_mode(instance),
        region_id: &cloud.region().name,
        zone_id: &instance.zone,
        instance_type_family: instance_type::family(type_name),
        instance_type: type_name,
        cpu: instance.vcpus,
        memory: instance.memory.0,
        image_id: Plain(instance.image),
        os_name: platform,
        os_name_en: platform,
        os_type: "linux",
        key_pair_name: instance.guest.key_name(),
        creation_time: Minute(instance.created_at.timestamp()),
        start_time: Minute(instance.started_at.timestamp()),
        expired_time: NEVER,
        auto_release_time: OrEmpty(instance.attributes.release_at.map(|at| Minute(at.timestamp()))),
        instance_charge_type: "PostPaid",
        spot_strategy: "NoSpot",
        instance_network_type: "vpc",
        io_optimized: true,
        device_available: true,
        deletion_protection: instance.attributes.termination_protection,
        recyclable: false,
        gpu_amount: 0,
        gpu_spec: "",
        resource_group_id: "",
        security_group_ids: view.groups().iter().map(|(id, _)| Plain(*id)).collect(),
        addresses: addresses(view),
        network_interfaces: view.interfaces.iter().map(network_interface).collect(),
        deployment_set_id: instance.placement.as_ref().map(|group| Plain(group.id)),
        deployment_set_group_no: instance.placement.as_ref().and_then(|group| group.partition),
        metadata_options: metadata(&instance.attributes.metadata),
        operation_locks: vec![],
        tags: tag_replies(&instance.tags),
    }
}

/// Where an instance can be reached. An automatic address is shown as its public one, an elastic one by itself.
pub(super) fn addresses(view: &InstanceView) -> Addresses {
    let instance = &view.instance;
    let of_kind = |kind: AddressKind| view.address().filter(move |address| address.kind == kind);
    let elastic = of_kind(AddressKind::Elastic).map(|address| EipAddress {
        allocation_id: OrEmpty(Some(Plain(address.id))),
        ip_address: OrEmpty(Some(address.ip)),
        bandwidth: Some(address.bandwidth_shown()),
        internet_charge_type: "PayByTraffic",
        is_support_unassociate: Some(true),
    });
    // An elastic address has its own bandwidth, which is not the instance's.
    let bandwidth = of_kind(AddressKind::Automatic).map(|address| address.bandwidth_shown());
    Addresses {
        vpc_attributes: VpcAttributes {
            vpc_id: Plain(instance.vpc),
            v_switch_id: Plain(instance.subnet),
            private_ip_address: vec![instance.private_ip],
            nat_ip_address: "",
        },
        public_ip_address: of_kind(AddressKind::Automatic).map(|address| address.ip).into_iter().collect(),
        inner_ip_address: vec![],
        eip_address: elastic.unwrap_or_default(),
        internet_charge_type: "PayByTraffic",
        internet_max_bandwidth_in: bandwidth.map_or(0, model::inward_bandwidth),
        internet_max_bandwidth_out: bandwidth.or(instance.bandwidth).unwrap_or(0),
    }
}

fn network_interface(view: &InterfaceView) -> NetworkInterface {
    let nic = &view.interface;
    NetworkInterface {
        network_interface_id: Plain(nic.id),
        kind: if nic.is_primary() { "Primary" } else { "Secondary" },
        mac_address: Plain(nic.mac),
        primary_ip_address: nic.ip,
        private_ip_sets: nic.addresses().map(|ip| PrivateIp { private_ip_address: ip, primary: ip == nic.ip }).collect(),
        ipv6_sets: ipv6::replies(&nic.ipv6),
    }
}

fn metadata(options: &MetadataOptions) -> MetadataReply {
    let switch = |on: bool| if on { "enabled" } else { "disabled" };
    MetadataReply {
        http_endpoint: switch(options.enabled),
        http_tokens: if options.token_required { "required" } else { "optional" },
        http_put_response_hop_limit: options.hop_limit,
        instance_metadata_tags: switch(options.show_tags),
    }
}

/// `DescribeInstanceStatus`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceStatus {
    #[arg(name = "InstanceId", max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    zone_id: Option<String>,
    cluster_id: Option<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct InstanceStatuses {
    #[reply(list = "InstanceStatus")]
    instance_statuses: Vec<InstanceStatus>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct InstanceStatus {
    instance_id: String,
    status: Status,
}

/// Tells the states of instances.
pub(crate) async fn describe_status(cx: &Cx<'_>, asked: DescribeInstanceStatus) -> Result<InstanceStatuses, Fault> {
    let mut filters = Filters::new();
    filters.exact(Field::Zone, asked.zone_id.as_ref()).always(asked.cluster_id.as_ref(), &[]);
    in_state(&mut filters, None);
    let query = Query { ids: ids(&asked.instance_ids)?, filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list_instances(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let state = |Instance { id, phase, .. }: &Instance| InstanceStatus { instance_id: id.to_string(), status: status(*phase) };
    Ok(InstanceStatuses { instance_statuses: listed.rows.iter().map(|view| state(&view.instance)).collect(), numbers })
}
