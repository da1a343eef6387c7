//! VPC peering connections.

use control::{ChangeVpcPeering, CreateVpcPeering as Create, PeeringChange, PeeringManner, Query, VpcPeeringRecord};
use jiff::Timestamp;
use model::{Error, Noun, PeeringEnd, PeeringState, VpcPeering};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, unsupported};
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};

/// The parameters of `CreateVpcPeeringConnection`.
#[derive(FromArg)]
pub(crate) struct CreateVpcPeeringConnection {
    vpc_id: String,
    peer_vpc_id: Option<String>,
    peer_owner_id: Option<String>,
    peer_region: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `CreateVpcPeeringConnection` and `AcceptVpcPeeringConnection`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct One {
    vpc_peering_connection: PeeringItem,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct PeeringItem {
    vpc_peering_connection_id: String,
    requester_vpc_info: EndItem,
    accepter_vpc_info: EndItem,
    status: StatusItem,
    expiration_time: Option<Timestamp>,
    tag_set: Vec<TagItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct EndItem {
    owner_id: String,
    vpc_id: String,
    cidr_block: String,
    cidr_block_set: Vec<RangeItem>,
    ipv6_cidr_block_set: Option<Vec<Ipv6RangeItem>>,
    region: String,
    peering_options: Options,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct RangeItem {
    cidr_block: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Ipv6RangeItem {
    ipv6_cidr_block: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Options {
    allow_dns_resolution_from_remote_vpc: bool,
    allow_egress_from_local_classic_link_to_remote_vpc: bool,
    allow_egress_from_local_vpc_to_remote_classic_link: bool,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct StatusItem {
    code: &'static str,
    message: String,
}

/// Asks for a peering with a VPC of the account or another.
pub(crate) async fn create(cx: Cx, asked: CreateVpcPeeringConnection) -> Result<One, Refusal> {
    if asked.peer_region.as_ref().is_some_and(|region| *region != cx.cloud.region().name) {
        return Err(unsupported("A peering with another region"));
    }
    let peer = asked.peer_vpc_id.ok_or(Error::MissingParameter { name: "PeerVpcId" })?;
    let account = |text: &String| text.parse().map_err(|_| Error::invalid("PeerOwnerId", "is no account of twelve digits"));
    let command = Create {
        vpc: tag::id(Noun::Vpc, &asked.vpc_id)?,
        peer: tag::id(Noun::Vpc, &peer)?,
        peer_account: asked.peer_owner_id.as_ref().map(account).transpose()?,
        manner: PeeringManner::Asks,
        name: String::new(),
        description: String::new(),
        tags: tag::specified(&asked.tags, "vpc-peering-connection", &["vpc-peering-connection"])?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(One { vpc_peering_connection: item(&cx, &made) })
}

fn item(cx: &Cx, peering: &VpcPeering) -> PeeringItem {
    let state = peering.state_at(cx.cloud.clock().now());
    let end = |end: &PeeringEnd| EndItem {
        owner_id: end.account.to_string(),
        vpc_id: end.vpc.to_string(),
        cidr_block: end.range.to_string(),
        cidr_block_set: end.ranges().map(|range| RangeItem { cidr_block: range.to_string() }).collect(),
        ipv6_cidr_block_set: end.ipv6.map(|range| vec![Ipv6RangeItem { ipv6_cidr_block: range.to_string() }]),
        region: cx.cloud.region().name.clone(),
        peering_options: Options {
            allow_dns_resolution_from_remote_vpc: false,
            allow_egress_from_local_classic_link_to_remote_vpc: false,
            allow_egress_from_local_vpc_to_remote_classic_link: false,
        },
    };
    let message = match state {
        PeeringState::Pending => format!("Pending Acceptance by {}", peering.accepter.account),
        PeeringState::Active => "Active".to_owned(),
        PeeringState::Rejected => "Inactive".to_owned(),
        PeeringState::Failed => "Failed due to overlapping CIDR ranges".to_owned(),
        PeeringState::Expired => "Expired".to_owned(),
    };
    PeeringItem {
        vpc_peering_connection_id: peering.id.to_string(),
        requester_vpc_info: end(&peering.requester),
        accepter_vpc_info: end(&peering.accepter),
        status: StatusItem { code: state.word(), message },
        expiration_time: (state == PeeringState::Pending).then(|| peering.pending_until().timestamp()),
        tag_set: tag::items(&peering.tags),
    }
}

fn record_item(cx: &Cx, record: &VpcPeeringRecord) -> PeeringItem {
    let shown = item(cx, &record.peering);
    match record.deleted_by {
        Some(account) => {
            let status = StatusItem { code: "deleted", message: format!("Deleted by {account}") };
            PeeringItem { status, expiration_time: None, ..shown }
        }
        None => shown,
    }
}

/// The parameters of the calls that name one peering.
#[derive(FromArg)]
pub(crate) struct Named {
    vpc_peering_connection_id: String,
}

/// A reply that says that it is done.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Done {
    r#return: bool,
}

async fn change(cx: &Cx, asked: Named, change: PeeringChange) -> Result<VpcPeering, Refusal> {
    let peering = tag::id(Noun::VpcPeering, &asked.vpc_peering_connection_id)?;
    Ok(cx.cloud.run(&cx.caller, ChangeVpcPeering { peering, change }, cx.options(None)).await?)
}

/// Agrees to a peering that somebody asked for.
pub(crate) async fn accept(cx: Cx, asked: Named) -> Result<One, Refusal> {
    let accepted = change(&cx, asked, PeeringChange::Accept).await?;
    Ok(One { vpc_peering_connection: item(&cx, &accepted) })
}

/// Does not agree to a peering.
pub(crate) async fn reject(cx: Cx, asked: Named) -> Result<Done, Refusal> {
    change(&cx, asked, PeeringChange::Reject).await?;
    Ok(Done { r#return: true })
}

/// Ends a peering; routes to it lead nowhere then.
pub(crate) async fn delete(cx: Cx, asked: Named) -> Result<Done, Refusal> {
    change(&cx, asked, PeeringChange::Delete).await?;
    Ok(Done { r#return: true })
}

/// The parameters of `DescribeVpcPeeringConnections`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcPeeringConnections {
    #[arg(name = "VpcPeeringConnectionId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeVpcPeeringConnections`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Peerings {
    vpc_peering_connection_set: Vec<PeeringItem>,
    next_token: Option<String>,
}

/// Lists the peerings that the account is on a side of, and for some hours those that were deleted.
pub(crate) async fn describe(cx: Cx, asked: DescribeVpcPeeringConnections) -> Result<Peerings, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::VPC_PEERING, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::VpcPeering, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<VpcPeeringRecord>(&cx.caller, query).await?;
    let items = listed.rows.iter().map(|row| record_item(&cx, row)).collect();
    Ok(Peerings { vpc_peering_connection_set: items, next_token: pages.after(listed.next) })
}
