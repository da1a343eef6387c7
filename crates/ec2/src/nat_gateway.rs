//! NAT gateways.

use std::net::Ipv4Addr;

use control::{NatGatewayView, Query};
use jiff::Timestamp;
use model::{Error, NatOutcome, Noun};
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
    subnet_id: String,
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
    private_ip: String,
    network_interface_id: String,
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
    let command = control::CreateNatGateway {
        subnet: tag::id(Noun::Subnet, &asked.subnet_id)?,
        address,
        ip: asked.private_ip_address,
        tags: tag::specified(&asked.tags, "natgateway", &["natgateway"])?,
    };
    let id = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token.clone())).await?;
    let mut listed = cx.cloud.list::<NatGatewayView>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    let view = listed.rows.pop().ok_or_else(|| Error::not_found(Noun::NatGateway, id))?;
    Ok(Created { nat_gateway: item(&view), client_token: asked.client_token })
}

fn item(view: &NatGatewayView) -> GatewayItem {
    let NatGatewayView { gateway, address } = view;
    // EC2's codes and sentences, from "Troubleshoot NAT gateways".
    let (state, failure) = match gateway.outcome {
        NatOutcome::Available { .. } => ("available", None),
        NatOutcome::NoInternetGateway => {
            ("failed", Some(("Gateway.NotAttached", "The VPC of the subnet has no internet gateway attached")))
        }
        NatOutcome::AddressInUse => ("failed", Some(("Resource.AlreadyAssociated", "The elastic address is associated already"))),
    };
    let addresses = match gateway.outcome {
        NatOutcome::Available { interface, ip } => vec![AddressItem {
            allocation_id: address.as_ref().map(|address| address.id.to_string()),
            association_id: address.as_ref().and_then(|address| address.association).map(|id| id.to_string()),
            public_ip: address.as_ref().map(|address| address.ip.to_string()),
            private_ip: ip.to_string(),
            network_interface_id: interface.to_string(),
            is_primary: true,
            status: "succeeded",
        }],
        NatOutcome::NoInternetGateway | NatOutcome::AddressInUse => vec![],
    };
    GatewayItem {
        nat_gateway_id: gateway.id.to_string(),
        vpc_id: gateway.vpc.to_string(),
        subnet_id: gateway.subnet.to_string(),
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
    cx.cloud.run(&cx.caller, control::DeleteNatGateway { gateway }, cx.options(None)).await?;
    Ok(Deleted { nat_gateway_id: gateway.to_string() })
}
