//! NAT gateways.

use std::net::Ipv4Addr;

use control::{AddressRef, CreateNatGateway as Create, NatDeletion, NatGatewayView, NatPlace, Query};
use jiff::Timestamp;
use model::{Address, Error, NatOutcome, NatServes, Noun};
use wire::{FromArg, IntoDoc};

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

/// The parameters of `CreateNatGateway`.
#[derive(FromArg)]
pub(crate) struct CreateNatGateway {
    subnet_id: String,
    allocation_id: Option<String>,
    connectivity_type: Option<Connectivity>,
    private_ip_address: Option<Ipv4Addr>,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What of `CreateNatGateway` is not served.
pub(crate) const CREATE_ABSENT: &[&str] = &[
    "AvailabilityMode",
    "AvailabilityZoneAddress",
    "SecondaryAllocationId",
    "SecondaryPrivateIpAddress",
    "SecondaryPrivateIpAddressCount",
    "VpcId",
];

/// The reply of `CreateNatGateway`.
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    nat_gateway: GatewayItem,
    client_token: Option<String>,
}

#[derive(IntoDoc)]
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
    nat_gateway_address_set: Vec<AddressItem>,
    tag_set: Vec<TagItem>,
}

#[derive(IntoDoc)]
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
    let command = Create {
        is_public: address.is_some(),
        addresses: address.map(AddressRef::Id).into_iter().collect(),
        ip: asked.private_ip_address,
        may_fail: true,
        tags: tag::specified(&asked.tags, "natgateway", &["natgateway"])?,
        ..Create::at(NatPlace::Subnet(tag::id(Noun::Subnet, &asked.subnet_id)?), NatServes::Everyone)
    };
    let id = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token.clone())).await?;
    let mut listed = cx.cloud.list::<NatGatewayView>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    let view = listed.rows.pop().ok_or_else(|| Error::not_found(Noun::NatGateway, id))?;
    Ok(Created { nat_gateway: item(&view), client_token: asked.client_token })
}

fn item(view: &NatGatewayView) -> GatewayItem {
    let NatGatewayView { gateway, addresses, zone: _ } = view;
    // EC2's codes and sentences, from "Troubleshoot NAT gateways".
    let (state, failure) = match gateway.outcome {
        NatOutcome::Available { .. } | NatOutcome::OfVpc => ("available", None),
        NatOutcome::NoInternetGateway => {
            ("failed", Some(("Gateway.NotAttached", "The VPC of the subnet has no internet gateway attached")))
        }
        NatOutcome::AddressInUse => ("failed", Some(("Resource.AlreadyAssociated", "The elastic address is associated already"))),
    };
    let shown = |address: Option<&Address>, is_primary| AddressItem {
        allocation_id: address.map(|address| address.id.to_string()),
        association_id: address.and_then(|address| address.association).map(|id| id.to_string()),
        public_ip: address.map(|address| address.ip.to_string()),
        private_ip: gateway.private().map(|ip| ip.to_string()),
        network_interface_id: gateway.interface().map(|id| id.to_string()),
        is_primary,
        status: "succeeded",
    };
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
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Gateways {
    nat_gateway_set: Vec<GatewayItem>,
    next_token: Option<String>,
}

/// Lists NAT gateways.
pub(crate) async fn describe(cx: Cx, asked: DescribeNatGateways) -> Result<Gateways, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::NAT_GATEWAY, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::NatGateway, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<NatGatewayView>(&cx.caller, query).await?;
    Ok(Gateways { nat_gateway_set: listed.rows.iter().map(item).collect(), next_token: pages.after(listed.next) })
}

/// The parameters of `DeleteNatGateway`.
#[derive(FromArg)]
pub(crate) struct DeleteNatGateway {
    nat_gateway_id: String,
}

/// The reply of `DeleteNatGateway`.
#[derive(IntoDoc)]
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
