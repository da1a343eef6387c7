//! NAT gateways.

use std::net::Ipv4Addr;

use control::{
    AddressRef, AssociateNatAddresses, CreateNatGateway as Create, DisassociateNatAddresses, FirstNatAddress, NatDeletion,
    NatGatewayRecord, NatPlace, NewAddresses, Query,
};
use jiff::Timestamp;
use model::{Address, Error, Millis, NatGateway, NatOutcome, NatServes, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination};
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};

/// What a NAT gateway leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Connectivity {
    #[arg(name = "public")]
    Public,
    #[arg(name = "private")]
    Private,
}

/// Most addresses of one call.
const ADDRESSES_PER_CALL: usize = 32;

/// The parameters of `CreateNatGateway`.
#[derive(FromArg)]
pub(crate) struct CreateNatGateway {
    subnet_id: String,
    allocation_id: Option<String>,
    connectivity_type: Option<Connectivity>,
    private_ip_address: Option<Ipv4Addr>,
    #[arg(name = "SecondaryAllocationId", max_items = ADDRESSES_PER_CALL)]
    secondary_allocation_ids: Vec<String>,
    #[arg(name = "SecondaryPrivateIpAddress", max_items = ADDRESSES_PER_CALL)]
    secondary_private_ips: Vec<Ipv4Addr>,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What of `CreateNatGateway` is not served.
pub(crate) const CREATE_ABSENT: &[&str] = &["AvailabilityMode", "AvailabilityZoneAddress", "SecondaryPrivateIpAddressCount", "VpcId"];

/// The reply of `CreateNatGateway`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    nat_gateway: GatewayItem,
    client_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct GatewayItem {
    nat_gateway_id: String,
    vpc_id: String,
    subnet_id: Option<String>,
    state: &'static str,
    failure_code: Option<&'static str>,
    failure_message: Option<&'static str>,
    connectivity_type: &'static str,
    create_time: Timestamp,
    delete_time: Option<Timestamp>,
    nat_gateway_address_set: Vec<AddressItem>,
    tag_set: Vec<TagItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AddressItem {
    allocation_id: Option<String>,
    association_id: Option<String>,
    public_ip: Option<String>,
    private_ip: Option<String>,
    network_interface_id: Option<String>,
    is_primary: bool,
    status: &'static str,
}

/// Makes a NAT gateway.
pub(crate) async fn create(cx: Cx, asked: CreateNatGateway) -> Result<Created, Refusal> {
    let address = match (asked.connectivity_type.unwrap_or(Connectivity::Public), &asked.allocation_id) {
        (Connectivity::Public, Some(id)) => Some(tag::id(Noun::Address, id)?),
        (Connectivity::Public, None) => return Err(Error::MissingParameter { name: "AllocationId" }.into()),
        (Connectivity::Private, None) => None,
        (Connectivity::Private, Some(_)) => return Err(combination("A private NAT gateway has no AllocationId")),
    };
    let further = &asked.secondary_allocation_ids;
    if address.is_none() && !further.is_empty() {
        return Err(combination("A private NAT gateway has no SecondaryAllocationId"));
    }
    check_private(&asked.secondary_private_ips, further)?;
    let mut addresses: Vec<AddressRef> = address.map(AddressRef::Id).into_iter().collect();
    addresses.extend(by_ids(further)?);
    let command = Create {
        is_public: address.is_some(),
        addresses,
        ip: asked.private_ip_address,
        further_ips: asked.secondary_private_ips,
        may_fail: true,
        tags: tag::specified(&asked.tags, "natgateway", &["natgateway"])?,
        ..Create::at(NatPlace::Subnet(tag::id(Noun::Subnet, &asked.subnet_id)?), NatServes::Everyone)
    };
    let id = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token.clone())).await?;
    let mut listed = cx.cloud.list::<NatGatewayRecord>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    let record = listed.rows.pop().ok_or_else(|| Error::not_found(Noun::NatGateway, id))?;
    let mut made = item(&record);
    // The reply tells of the moment before: EC2 makes gateways after it.
    if made.state == AVAILABLE {
        made.state = "pending";
        made.nat_gateway_address_set.iter_mut().for_each(|address| address.status = "associating");
    }
    Ok(Created { nat_gateway: made, client_token: asked.client_token })
}

fn by_ids(ids: &[String]) -> Result<Vec<AddressRef>, Refusal> {
    ids.iter().map(|id| Ok(AddressRef::Id(tag::id(Noun::Address, id)?))).collect()
}

/// Refuses more private addresses than there are elastic ones that they are for.
fn check_private(ips: &[Ipv4Addr], addresses: &[String]) -> Result<(), Refusal> {
    if ips.len() > addresses.len() { Err(combination("Each private IP address is for an allocation ID")) } else { Ok(()) }
}

/// EC2's word for a gateway that works.
const AVAILABLE: &str = "available";

/// One address of a gateway.
fn address_item(gateway: &NatGateway, address: Option<&Address>, is_primary: bool, status: &'static str) -> AddressItem {
    let private = address.and_then(|address| address.private).or(gateway.private());
    AddressItem {
        allocation_id: address.map(|address| address.id.to_string()),
        association_id: address.and_then(|address| address.association).map(|id| id.to_string()),
        public_ip: address.map(|address| address.ip.to_string()),
        private_ip: private.map(|ip| ip.to_string()),
        network_interface_id: gateway.interface().map(|id| id.to_string()),
        is_primary,
        status,
    }
}

fn item(record: &NatGatewayRecord) -> GatewayItem {
    let (gateway, addresses) = (&record.view.gateway, &record.view.addresses);
    // EC2's codes and sentences, from "Troubleshoot NAT gateways".
    let (state, failure) = match gateway.outcome {
        _ if record.deleted_at.is_some() => ("deleted", None),
        NatOutcome::Available { .. } | NatOutcome::OfVpc => (AVAILABLE, None),
        NatOutcome::NoInternetGateway => {
            ("failed", Some(("Gateway.NotAttached", "The VPC of the subnet has no internet gateway attached")))
        }
        NatOutcome::AddressInUse => ("failed", Some(("Resource.AlreadyAssociated", "The elastic address is associated already"))),
    };
    let shown = |address: Option<&Address>, is_primary| address_item(gateway, address, is_primary, "succeeded");
    let addresses = match (addresses.as_slice(), gateway.interface()) {
        ([], None) => vec![],
        ([], Some(_)) => vec![shown(None, true)],
        (several, _) => several.iter().enumerate().map(|(at, address)| shown(Some(address), at == 0)).collect(),
    };
    GatewayItem {
        nat_gateway_id: gateway.id.to_string(),
        vpc_id: gateway.vpc.to_string(),
        subnet_id: gateway.subnet.map(|id| id.to_string()),
        state,
        failure_code: failure.map(|(code, _)| code),
        failure_message: failure.map(|(_, message)| message),
        connectivity_type: if gateway.is_public { "public" } else { "private" },
        create_time: gateway.created_at.timestamp(),
        delete_time: record.deleted_at.map(Millis::timestamp),
        nat_gateway_address_set: addresses,
        tag_set: tag::items(&gateway.tags),
    }
}

/// The parameters of `DescribeNatGateways`.
#[derive(FromArg)]
pub(crate) struct DescribeNatGateways {
    #[arg(name = "NatGatewayId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeNatGateways`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Gateways {
    nat_gateway_set: Vec<GatewayItem>,
    next_token: Option<String>,
}

/// Lists NAT gateways, and for an hour those that were deleted.
pub(crate) async fn describe(cx: Cx, asked: DescribeNatGateways) -> Result<Gateways, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::NAT_GATEWAY, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::NatGateway, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<NatGatewayRecord>(&cx.caller, query).await?;
    Ok(Gateways { nat_gateway_set: listed.rows.iter().map(item).collect(), next_token: pages.after(listed.next) })
}

/// The parameters of `DeleteNatGateway`.
#[derive(FromArg)]
pub(crate) struct DeleteNatGateway {
    nat_gateway_id: String,
}

/// The reply of `DeleteNatGateway`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Deleted {
    nat_gateway_id: String,
}

/// Deletes a NAT gateway; its elastic address stays.
pub(crate) async fn delete(cx: Cx, asked: DeleteNatGateway) -> Result<Deleted, Refusal> {
    let gateway = tag::id(Noun::NatGateway, &asked.nat_gateway_id)?;
    cx.cloud.run(&cx.caller, control::DeleteNatGateway { gateway, with: NatDeletion::Alone }, cx.options(None)).await?;
    Ok(Deleted { nat_gateway_id: gateway.to_string() })
}

/// The parameters of `AssociateNatGatewayAddress`.
#[derive(FromArg)]
pub(crate) struct AssociateNatGatewayAddress {
    nat_gateway_id: String,
    #[arg(name = "AllocationId", max_items = ADDRESSES_PER_CALL)]
    allocation_ids: Vec<String>,
    #[arg(name = "PrivateIpAddress", max_items = ADDRESSES_PER_CALL)]
    private_ips: Vec<Ipv4Addr>,
}

/// The addresses that a gateway gets or gives up.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Addresses {
    nat_gateway_id: String,
    nat_gateway_address_set: Vec<AddressItem>,
}

impl Addresses {
    fn of((gateway, addresses): &(NatGateway, Vec<Address>), status: &'static str) -> Addresses {
        let shown = |address: &Address| address_item(gateway, Some(address), gateway.addresses.first() == Some(&address.id), status);
        Addresses { nat_gateway_id: gateway.id.to_string(), nat_gateway_address_set: addresses.iter().map(shown).collect() }
    }
}

/// Gives a gateway further elastic addresses, each with a private one.
pub(crate) async fn associate(cx: Cx, asked: AssociateNatGatewayAddress) -> Result<Addresses, Refusal> {
    if asked.allocation_ids.is_empty() {
        return Err(Error::MissingParameter { name: "AllocationId" }.into());
    }
    check_private(&asked.private_ips, &asked.allocation_ids)?;
    let command = AssociateNatAddresses {
        gateway: tag::id(Noun::NatGateway, &asked.nat_gateway_id)?,
        addresses: by_ids(&asked.allocation_ids)?,
        take: NewAddresses::default(),
        ips: asked.private_ips,
    };
    Ok(Addresses::of(&cx.cloud.run(&cx.caller, command, cx.options(None)).await?, "associating"))
}

/// The parameters of `DisassociateNatGatewayAddress`.
#[derive(FromArg)]
pub(crate) struct DisassociateNatGatewayAddress {
    nat_gateway_id: String,
    #[arg(name = "AssociationId", max_items = ADDRESSES_PER_CALL)]
    association_ids: Vec<String>,
}

/// Takes elastic addresses from a gateway, but for the one that it was made with.
pub(crate) async fn disassociate(cx: Cx, asked: DisassociateNatGatewayAddress) -> Result<Addresses, Refusal> {
    if asked.association_ids.is_empty() {
        return Err(Error::MissingParameter { name: "AssociationId" }.into());
    }
    let tie = |id: &String| Ok(AddressRef::Association(tag::id(Noun::Association, id)?));
    let command = DisassociateNatAddresses {
        gateway: tag::id(Noun::NatGateway, &asked.nat_gateway_id)?,
        addresses: asked.association_ids.iter().map(tie).collect::<Result<_, Refusal>>()?,
        first: FirstNatAddress::Stays,
    };
    Ok(Addresses::of(&cx.cloud.run(&cx.caller, command, cx.options(None)).await?, "disassociating"))
}
