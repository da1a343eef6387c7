//! Elastic addresses. Those that instances get by themselves are shown with the instances.

use std::net::Ipv4Addr;

use control::{AddressRef, AddressView, AssociateTo, Field, GivesWay, Query};
use jiff::Timestamp;
use model::{Address, AddressId, InternetCharge, NatGatewayId, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::actions::Product;
use crate::error::Fault;
use crate::filter::{CONDITIONS_PER_CALL, Condition, Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX};
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// Megabits per second of an address that names none (VPC documents 5).
const BANDWIDTH: u32 = 5;

/// `DescribeEipAddresses`.
#[derive(FromArg)]
pub(crate) struct DescribeEipAddresses {
    /// Ids with commas in between.
    allocation_id: Option<String>,
    /// Addresses with commas in between.
    eip_address: Option<String>,
    eip_name: Option<String>,
    status: Option<Status>,
    associated_instance_type: Option<Holder>,
    associated_instance_id: Option<String>,
    charge_type: Option<String>,
    #[arg(name = "ISP")]
    isp: Option<String>,
    lock_reason: Option<String>,
    public_ip_address_pool_id: Option<String>,
    segment_instance_id: Option<String>,
    security_protection_enabled: Option<bool>,
    service_managed: Option<bool>,
    #[expect(dead_code, reason = "nothing is ordered for later")]
    include_reservation_data: Option<bool>,
    #[arg(name = "Filter", max_items = CONDITIONS_PER_CALL)]
    conditions: Vec<Condition>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

/// What becomes of an address. Here it is tied or free; it is never on the way, because a call that ties one has tied it.
#[derive(Debug, Clone, Copy, FromArg)]
enum Status {
    Associating,
    Unassociating,
    InUse,
    Available,
    Releasing,
}

/// What an address can be tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Holder {
    EcsInstance,
    NetworkInterface,
    SlbInstance,
    Nat,
    HaVip,
    IpAddress,
}

#[derive(Show)]
pub(crate) struct EipAddresses {
    #[reply(list = "EipAddress")]
    eip_addresses: Vec<EipReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct EipReply {
    allocation_id: String,
    ip_address: String,
    name: String,
    #[reply(name = "Descritpion")]
    description: String,
    status: &'static str,
    region_id: String,
    instance_id: String,
    instance_type: &'static str,
    instance_region_id: String,
    private_ip_address: String,
    bandwidth: String,
    bandwidth_package_id: String,
    bandwidth_package_type: &'static str,
    charge_type: &'static str,
    internet_charge_type: &'static str,
    /// The line, the network and the protection; ECS's older reply knows none of them.
    #[reply(name = "ISP")]
    isp: Option<&'static str>,
    netmode: Option<&'static str>,
    deletion_protection: Option<bool>,
    allocation_time: Timestamp,
    resource_group_id: &'static str,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

/// Lists elastic addresses.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeEipAddresses) -> Result<EipAddresses, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::IsElastic, Some("true"))
        .one_of(Field::Id, &listed(asked.allocation_id.as_deref()))
        .one_of(Field::PublicIp, &listed(asked.eip_address.as_deref()))
        .wildcard(Field::Name, asked.eip_name.as_ref())
        .always(asked.charge_type.as_ref(), &["PostPaid"])
        .always(asked.isp.as_ref(), &["BGP"])
        .always(asked.lock_reason.as_ref(), &[])
        .always(asked.public_ip_address_pool_id.as_ref(), &[])
        .always(asked.segment_instance_id.as_ref(), &[])
        .always(asked.security_protection_enabled.map(|on| on.to_string()).as_ref(), &["false"])
        .always(asked.service_managed.map(|on| on.to_string()).as_ref(), &["false"])
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags)
        .times(&asked.conditions, None)?;
    match asked.status {
        Some(Status::InUse) => filters.exact(Field::State, Some("associated")),
        Some(Status::Available) => filters.exact(Field::State, Some("available")),
        Some(Status::Associating | Status::Unassociating | Status::Releasing) => filters.nothing(),
        None => &mut filters,
    };
    match asked.associated_instance_type {
        Some(Holder::EcsInstance) => {
            filters.wildcard(Field::Instance, Some(&"*".to_owned())).exact(Field::Instance, asked.associated_instance_id)
        }
        Some(Holder::NetworkInterface) => filters.exact(Field::Interface, asked.associated_instance_id),
        Some(Holder::Nat) => {
            filters.wildcard(Field::NatGateway, Some(&"*".to_owned())).exact(Field::NatGateway, asked.associated_instance_id)
        }
        Some(Holder::SlbInstance | Holder::HaVip | Holder::IpAddress) => filters.nothing(),
        None => {
            let id = asked.associated_instance_id;
            let is_nat = id.as_ref().is_some_and(|id| id.starts_with(NatGatewayId::PREFIX));
            filters.exact(if is_nat { Field::NatGateway } else { Field::Instance }, id)
        }
    };
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<AddressView>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    Ok(EipAddresses { eip_addresses: listed.rows.iter().map(|row| reply(cx, row)).collect(), numbers })
}

/// The parts of a text with commas in between.
pub(crate) fn listed(text: Option<&str>) -> Vec<String> {
    text.unwrap_or("").split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn reply(cx: &Cx<'_>, row: &AddressView) -> EipReply {
    let (address, tied) = (&row.address, row.interface.as_ref());
    let (held_by, holder) = match (address.nat_gateway, tied.and_then(|nic| nic.instance)) {
        (Some(gateway), _) => (gateway.to_string(), "Nat"),
        (None, Some(instance)) => (instance.to_string(), "EcsInstance"),
        (None, None) => (String::new(), ""),
    };
    let of_vpc = cx.product == Product::Vpc;
    EipReply {
        allocation_id: address.id.to_string(),
        ip_address: address.ip.to_string(),
        name: address.name.clone(),
        description: address.description.clone(),
        status: if address.is_tied() { "InUse" } else { "Available" },
        region_id: cx.region(),
        instance_region_id: if holder.is_empty() { String::new() } else { cx.region() },
        instance_id: held_by,
        instance_type: holder,
        private_ip_address: tied.map(|nic| nic.ip.to_string()).unwrap_or_default(),
        bandwidth: address.bandwidth_shown().to_string(),
        bandwidth_package_id: address.package.map(|id| id.to_string()).unwrap_or_default(),
        bandwidth_package_type: if address.package.is_some() { "CommonBandwidthPackage" } else { "" },
        charge_type: "PostPaid",
        internet_charge_type: match address.charge {
            InternetCharge::Traffic => "PayByTraffic",
            InternetCharge::Bandwidth => "PayByBandwidth",
        },
        isp: of_vpc.then_some("BGP"),
        netmode: of_vpc.then_some("public"),
        deletion_protection: of_vpc.then_some(address.protected),
        allocation_time: address.created_at.timestamp(),
        resource_group_id: "",
        tags: vpc_tag_replies(&address.tags),
    }
}

/// `AllocateEipAddress`.
#[derive(FromArg)]
pub(crate) struct AllocateEipAddress {
    #[arg(default = BANDWIDTH)]
    bandwidth: u32,
    name: Option<String>,
    description: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Allocated {
    allocation_id: String,
    eip_address: String,
    resource_group_id: &'static str,
}

/// Takes an address from the public pool.
pub(crate) async fn allocate(cx: &Cx<'_>, asked: AllocateEipAddress) -> Result<Allocated, Fault> {
    take(cx, asked, None).await
}

/// `AllocateEipAddressPro`.
#[derive(FromArg)]
pub(crate) struct AllocateEipAddressPro {
    ip_address: Option<Ipv4Addr>,
    #[arg(flatten)]
    usual: AllocateEipAddress,
}

/// Takes an address of one's own choice from the public pool, if it is free.
pub(crate) async fn allocate_pro(cx: &Cx<'_>, asked: AllocateEipAddressPro) -> Result<Allocated, Fault> {
    take(cx, asked.usual, asked.ip_address).await
}

async fn take(cx: &Cx<'_>, asked: AllocateEipAddress, ip: Option<Ipv4Addr>) -> Result<Allocated, Fault> {
    let command = control::AllocateAddress {
        ip,
        name: asked.name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        bandwidth: Some(asked.bandwidth),
        charge: InternetCharge::default(),
        package: None,
        tags: tags_of(asked.tags)?,
    };
    let address: Address = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Allocated { allocation_id: address.id.to_string(), eip_address: address.ip.to_string(), resource_group_id: "" })
}

/// What an address is, or is to be, tied to.
#[derive(FromArg)]
struct Tied {
    instance_id: String,
    #[arg(default = Holder::EcsInstance)]
    instance_type: Holder,
}

impl Tied {
    fn read(&self) -> Result<AssociateTo, Fault> {
        match self.instance_type {
            Holder::EcsInstance => Ok(AssociateTo::Instance(id(Noun::Instance, &self.instance_id)?)),
            Holder::NetworkInterface => Ok(AssociateTo::Interface(id(Noun::Interface, &self.instance_id)?)),
            Holder::Nat => Ok(AssociateTo::NatGateway(id(Noun::NatGateway, &self.instance_id)?)),
            Holder::SlbInstance | Holder::HaVip | Holder::IpAddress => {
                Err(Fault::unsupported_parameter("The InstanceType (only EcsInstance, Nat, NetworkInterface)"))
            }
        }
    }
}

/// `AssociateEipAddress`.
#[derive(FromArg)]
pub(crate) struct AssociateEipAddress {
    allocation_id: String,
    #[arg(flatten)]
    tied: Tied,
    private_ip_address: Option<std::net::Ipv4Addr>,
}

/// Ties an address that is free to an instance that has none.
pub(crate) async fn associate(cx: &Cx<'_>, asked: AssociateEipAddress) -> Result<(), Fault> {
    let command = control::AssociateAddress {
        address: by_id(&asked.allocation_id)?,
        to: asked.tied.read()?,
        private_ip: asked.private_ip_address,
        gives_way: GivesWay::Nothing,
    };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(())
}

/// `UnassociateEipAddress`.
#[derive(FromArg)]
pub(crate) struct UnassociateEipAddress {
    allocation_id: String,
    instance_id: Option<String>,
    #[arg(default = Holder::EcsInstance)]
    instance_type: Holder,
    #[expect(dead_code, reason = "nothing here holds an address back that force would be needed for")]
    force: Option<bool>,
}

/// Unties an address.
pub(crate) async fn unassociate(cx: &Cx<'_>, asked: UnassociateEipAddress) -> Result<(), Fault> {
    let instance = asked.instance_id.filter(|id| !id.is_empty());
    let from = instance.map(|instance_id| Tied { instance_id, instance_type: asked.instance_type }.read()).transpose()?;
    let command = control::DisassociateAddress { address: by_id(&asked.allocation_id)?, from };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ReleaseEipAddress`.
#[derive(FromArg)]
pub(crate) struct ReleaseEipAddress {
    allocation_id: String,
}

/// Gives an address back.
pub(crate) async fn release(cx: &Cx<'_>, asked: ReleaseEipAddress) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, control::ReleaseAddress { address: by_id(&asked.allocation_id)? }, cx.options()?).await?)
}

/// `ModifyEipAddressAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyEipAddressAttribute {
    allocation_id: String,
    bandwidth: Option<u32>,
    name: Option<String>,
    description: Option<String>,
}

/// Changes what is said of an address.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyEipAddressAttribute) -> Result<(), Fault> {
    let ModifyEipAddressAttribute { allocation_id, bandwidth, name, description } = asked;
    let command = control::ModifyAddress { address: by_id(&allocation_id)?, name, description, bandwidth, charge: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

fn by_id(text: &str) -> Result<AddressRef, Fault> {
    Ok(AddressRef::Id(id::<AddressId>(Noun::Address, text)?))
}

/// `AllocatePublicIpAddress`.
#[derive(FromArg)]
pub(crate) struct AllocatePublicIpAddress {
    instance_id: String,
}

#[derive(Show)]
pub(crate) struct PublicIp {
    ip_address: String,
}

/// Gives a running instance without a public address one of its own.
pub(crate) async fn give(cx: &Cx<'_>, asked: AllocatePublicIpAddress) -> Result<PublicIp, Fault> {
    let instance = id(Noun::Instance, &asked.instance_id)?;
    let ip = cx.cloud.run(&cx.caller, control::GivePublicAddress { instance }, cx.options()?).await?;
    Ok(PublicIp { ip_address: ip.to_string() })
}
