//! Elastic addresses. Those that instances get by themselves are shown with the instances, not here, as with EC2.

use std::net::Ipv4Addr;

use control::{AddressRef, AddressView, AssociateTo, Field, Filter, GivesWay, Query};
use model::{Address, Error, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination};
use crate::filter::{self, AskedFilter, literal};
use crate::page::{Paging, USUAL, every_row};
use crate::tag::{self, TagItem, TagSpecification};

/// EC2's name of the pool of its own addresses.
const POOL: &str = "amazon";

/// The parameters of `DescribeAddresses`.
#[derive(FromArg)]
pub(crate) struct DescribeAddresses {
    #[arg(name = "AllocationId")]
    ids: Vec<String>,
    #[arg(name = "PublicIp", max_items = 200)]
    ips: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
}

/// The reply of `DescribeAddresses`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Addresses {
    addresses_set: Vec<AddressItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AddressItem {
    public_ip: String,
    allocation_id: String,
    domain: &'static str,
    instance_id: Option<String>,
    association_id: Option<String>,
    network_interface_id: Option<String>,
    network_interface_owner_id: Option<String>,
    private_ip_address: Option<String>,
    network_border_group: String,
    public_ipv4_pool: &'static str,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

/// Lists elastic addresses.
pub(crate) async fn describe_addresses(cx: Cx, asked: DescribeAddresses) -> Result<Addresses, Refusal> {
    let mut filters = filter::filters(&cx, filter::ADDRESS, &asked.filters)?;
    filters.push(Filter { field: Field::IsElastic, values: vec!["true".to_owned()] });
    if !asked.ips.is_empty() {
        let values = asked.ips.iter().map(|ip| literal(ip)).collect();
        filters.push(Filter { field: Field::PublicIp, values });
    }
    let query = Query { ids: tag::ids(Noun::Address, &asked.ids)?, filters, ..Query::default() };
    let rows = every_row::<AddressView>(&cx, query).await?;
    if let Some(absent) = asked.ips.iter().find(|ip| !rows.iter().any(|row| row.address.ip.to_string() == **ip)) {
        return Err(Error::not_found(Noun::Address, absent).into());
    }
    Ok(Addresses { addresses_set: rows.iter().map(|row| address_item(&cx, row)).collect() })
}

fn address_item(cx: &Cx, row: &AddressView) -> AddressItem {
    let (address, tied) = (&row.address, row.interface.as_ref());
    AddressItem {
        public_ip: address.ip.to_string(),
        allocation_id: address.id.to_string(),
        domain: "vpc",
        instance_id: tied.and_then(|nic| nic.instance).map(|id| id.to_string()),
        association_id: address.association.map(|id| id.to_string()),
        network_interface_id: tied.map(|nic| nic.id.to_string()),
        network_interface_owner_id: tied.map(|nic| nic.account.to_string()),
        private_ip_address: row.private_ip().map(|ip| ip.to_string()),
        network_border_group: cx.cloud.region().name.clone(),
        public_ipv4_pool: POOL,
        tag_set: tag::items(&address.tags),
    }
}

/// The kind of network that an address is for; EC2 has only one left, and takes both words.
#[derive(Debug, Clone, Copy, FromArg)]
#[arg(rename = "lowercase")]
enum Domain {
    Vpc,
    Standard,
}

/// The parameters of `AllocateAddress`.
#[derive(FromArg)]
pub(crate) struct AllocateAddress {
    domain: Option<Domain>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// Parameters of `AllocateAddress` that are not served.
pub(crate) const ALLOCATE_ABSENT: &[&str] = &["Address", "PublicIpv4Pool", "NetworkBorderGroup", "CustomerOwnedIpv4Pool", "IpamPoolId"];

/// The reply of `AllocateAddress`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Allocated {
    public_ip: String,
    domain: &'static str,
    allocation_id: String,
    public_ipv4_pool: &'static str,
    network_border_group: String,
}

/// Takes an address from the public pool.
pub(crate) async fn allocate(cx: Cx, asked: AllocateAddress) -> Result<Allocated, Refusal> {
    match asked.domain {
        None | Some(Domain::Vpc | Domain::Standard) => {}
    }
    let tags = tag::specified(&asked.tags, "elastic-ip", &["elastic-ip"])?;
    let address: Address = cx.cloud.run(&cx.caller, control::AllocateAddress { tags, ..Default::default() }, cx.options(None)).await?;
    Ok(Allocated {
        public_ip: address.ip.to_string(),
        domain: "vpc",
        allocation_id: address.id.to_string(),
        public_ipv4_pool: POOL,
        network_border_group: cx.cloud.region().name.clone(),
    })
}

/// The parameters of `AssociateAddress`.
#[derive(FromArg)]
pub(crate) struct AssociateAddress {
    allocation_id: Option<String>,
    public_ip: Option<Ipv4Addr>,
    instance_id: Option<String>,
    network_interface_id: Option<String>,
    private_ip_address: Option<Ipv4Addr>,
    #[arg(default = true)]
    allow_reassociation: bool,
}

/// The reply of `AssociateAddress`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Associated {
    association_id: Option<String>,
}

/// Ties an address to an interface, in place of what either was tied to unless the call forbids that.
pub(crate) async fn associate(cx: Cx, asked: AssociateAddress) -> Result<Associated, Refusal> {
    let address = address_ref(asked.allocation_id.as_deref(), asked.public_ip)?;
    let to = match (&asked.instance_id, &asked.network_interface_id) {
        (Some(id), None) => AssociateTo::Instance(tag::id(Noun::Instance, id)?),
        (None, Some(id)) => AssociateTo::Interface(tag::id(Noun::Interface, id)?),
        (Some(_), Some(_)) => return Err(combination("InstanceId and NetworkInterfaceId exclude each other")),
        (None, None) => return Err(Error::MissingParameter { name: "InstanceId" }.into()),
    };
    let gives_way = if asked.allow_reassociation { GivesWay::Everything } else { GivesWay::Automatic };
    let command = control::AssociateAddress { address, to, private_ip: asked.private_ip_address, gives_way };
    let tied = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Associated { association_id: tied.association.map(|id| id.to_string()) })
}

/// The parameters of `DisassociateAddress`.
#[derive(FromArg)]
pub(crate) struct DisassociateAddress {
    association_id: Option<String>,
    public_ip: Option<Ipv4Addr>,
}

/// Unties an address.
pub(crate) async fn disassociate(cx: Cx, asked: DisassociateAddress) -> Result<(), Refusal> {
    let address = match (&asked.association_id, asked.public_ip) {
        (Some(id), None) => AddressRef::Association(tag::id(Noun::Association, id)?),
        (None, Some(ip)) => AddressRef::Ip(ip),
        (Some(_), Some(_)) => return Err(combination("AssociationId and PublicIp exclude each other")),
        (None, None) => return Err(Error::MissingParameter { name: "AssociationId" }.into()),
    };
    Ok(cx.cloud.run(&cx.caller, control::DisassociateAddress { address, from: None }, cx.options(None)).await?)
}

/// The parameters of `ReleaseAddress`.
#[derive(FromArg)]
pub(crate) struct ReleaseAddress {
    allocation_id: Option<String>,
    public_ip: Option<Ipv4Addr>,
    network_border_group: Option<String>,
}

/// Gives an address back. Its border group, which clients read and say again, is the region.
pub(crate) async fn release(cx: Cx, asked: ReleaseAddress) -> Result<(), Refusal> {
    if asked.network_border_group.is_some_and(|group| group != cx.cloud.region().name) {
        return Err(Error::invalid("NetworkBorderGroup", "is not that of the address").into());
    }
    let address = address_ref(asked.allocation_id.as_deref(), asked.public_ip)?;
    Ok(cx.cloud.run(&cx.caller, control::ReleaseAddress { address }, cx.options(None)).await?)
}

fn address_ref(id: Option<&str>, ip: Option<Ipv4Addr>) -> Result<AddressRef, Refusal> {
    match (id, ip) {
        (Some(id), None) => Ok(AddressRef::Id(tag::id(Noun::Address, id)?)),
        (None, Some(ip)) => Ok(AddressRef::Ip(ip)),
        (Some(_), Some(_)) => Err(combination("AllocationId and PublicIp exclude each other")),
        (None, None) => Err(Error::MissingParameter { name: "AllocationId" }.into()),
    }
}

/// An attribute of an address: the host name that its reverse look-up gives, of which there is none here.
#[derive(Debug, Clone, Copy, FromArg)]
#[arg(rename = "kebab-case")]
enum AddressAttribute {
    DomainName,
}

/// The parameters of `DescribeAddressesAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeAddressesAttribute {
    #[arg(name = "AllocationId")]
    ids: Vec<String>,
    attribute: Option<AddressAttribute>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeAddressesAttribute`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Attributes {
    address_set: Vec<AttributeItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AttributeItem {
    public_ip: String,
    allocation_id: String,
}

/// Tells the attributes of elastic addresses.
pub(crate) async fn describe_attributes(cx: Cx, asked: DescribeAddressesAttribute) -> Result<Attributes, Refusal> {
    match asked.attribute {
        None | Some(AddressAttribute::DomainName) => {}
    }
    let pages = asked.paging.pages(&cx, USUAL, &[])?;
    let elastic = Filter { field: Field::IsElastic, values: vec!["true".to_owned()] };
    let query = Query { ids: tag::ids(Noun::Address, &asked.ids)?, filters: vec![elastic], page: pages.of_ids()? };
    let listed = cx.cloud.list::<AddressView>(&cx.caller, query).await?;
    let item = |row: &AddressView| AttributeItem { public_ip: row.address.ip.to_string(), allocation_id: row.address.id.to_string() };
    Ok(Attributes { address_set: listed.rows.iter().map(item).collect(), next_token: pages.after(listed.next) })
}
