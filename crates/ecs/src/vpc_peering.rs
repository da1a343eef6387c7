//! VPC peering connections, in the words of the VpcPeer service. Its replies have plain lists.

use control::{ChangeVpcPeering, CreateVpcPeering as Create, Field, PeeringChange, PeeringManner, Query};
use jiff::Timestamp;
use model::{AccountId, Error, Noun, PeeringEnd, PeeringState, Tags, VpcId, VpcPeering};
use wire::{FromArg, Show};

use crate::Cx;
use crate::address::listed;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{PAGE_SIZE_MAX, Paged};

/// Peerings of a page when no number is asked for (VpcPeer documents 20).
const PAGE_SIZE: usize = 20;
/// Megabits per second of a peering within a region, for which -1 stands for no limit.
const UNLIMITED: i32 = -1;

/// `CreateVpcPeerConnection`.
#[derive(FromArg)]
pub(crate) struct CreateVpcPeerConnection {
    vpc_id: String,
    accepting_vpc_id: String,
    accepting_ali_uid: u64,
    accepting_region_id: String,
    name: Option<String>,
    description: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    instance_id: String,
}

/// Asks for a peering; one with a VPC of the account itself is active at once.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateVpcPeerConnection) -> Result<Created, Fault> {
    if asked.accepting_region_id != cx.region() {
        return Err(Fault::unsupported_parameter("An AcceptingRegionId other than this region"));
    }
    let peer: VpcId = id(Noun::Vpc, &asked.accepting_vpc_id)?;
    let account = AccountId::from_u64(asked.accepting_ali_uid).ok_or_else(|| Error::not_found(Noun::Vpc, peer))?;
    let command = Create {
        vpc: id(Noun::Vpc, &asked.vpc_id)?,
        peer,
        peer_account: Some(account),
        manner: PeeringManner::Begins,
        name: asked.name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { instance_id: made.id.to_string() })
}

/// A call about one peering.
#[derive(FromArg)]
pub(crate) struct Named {
    instance_id: String,
}

async fn change(cx: &Cx<'_>, peering: &str, change: PeeringChange) -> Result<(), Fault> {
    let peering = id(Noun::VpcPeering, peering)?;
    Ok(cx.cloud.run(&cx.caller, ChangeVpcPeering { peering, change }, cx.options()?).await.map(drop)?)
}

/// Agrees to a peering that another account asked for.
pub(crate) async fn accept(cx: &Cx<'_>, asked: Named) -> Result<(), Fault> {
    change(cx, &asked.instance_id, PeeringChange::Accept).await
}

/// Does not agree to a peering.
pub(crate) async fn reject(cx: &Cx<'_>, asked: Named) -> Result<(), Fault> {
    change(cx, &asked.instance_id, PeeringChange::Reject).await
}

/// `DeleteVpcPeerConnection`.
#[derive(FromArg)]
pub(crate) struct DeleteVpcPeerConnection {
    instance_id: String,
    force: Option<bool>,
}

/// Ends a peering to which no route leads; by force with the routes.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteVpcPeerConnection) -> Result<(), Fault> {
    let how = if asked.force == Some(true) { PeeringChange::DeleteWithRoutes } else { PeeringChange::DeleteUnused };
    change(cx, &asked.instance_id, how).await
}

/// `ModifyVpcPeerConnection`.
#[derive(FromArg)]
pub(crate) struct ModifyVpcPeerConnection {
    instance_id: String,
    name: Option<String>,
    description: Option<String>,
}

/// Changes what is said of a peering.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyVpcPeerConnection) -> Result<(), Fault> {
    let ModifyVpcPeerConnection { instance_id, name, description } = asked;
    let command = control::ModifyVpcPeering { peering: id(Noun::VpcPeering, &instance_id)?, name, description };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct PeeringReply {
    instance_id: String,
    name: String,
    description: String,
    status: &'static str,
    biz_status: &'static str,
    region_id: String,
    owner_id: u64,
    vpc: EndReply,
    accepting_region_id: String,
    accepting_owner_uid: u64,
    accepting_vpc: EndReply,
    bandwidth: i32,
    resource_group_id: &'static str,
    gmt_create: Timestamp,
    gmt_modified: Timestamp,
    gmt_expired: Option<Timestamp>,
    tags: Vec<PeeringTag>,
}

#[derive(Show)]
#[reply(list = "")]
struct EndReply {
    vpc_id: String,
    ipv4_cidrs: Vec<String>,
    ipv6_cidrs: Vec<String>,
}

#[derive(Show)]
struct PeeringTag {
    key: String,
    value: String,
}

/// Tells one peering.
pub(crate) async fn attribute(cx: &Cx<'_>, asked: Named) -> Result<PeeringReply, Fault> {
    let query = Query { ids: vec![id(Noun::VpcPeering, &asked.instance_id)?], ..Query::default() };
    let listed = cx.cloud.list::<VpcPeering>(&cx.caller, query).await?;
    let found = listed.rows.first().ok_or_else(|| Fault::not_found(Noun::VpcPeering, &asked.instance_id))?;
    Ok(reply(cx, found))
}

/// `ListVpcPeerConnections`.
#[derive(FromArg)]
pub(crate) struct ListVpcPeerConnections {
    instance_id: Option<String>,
    /// Ids with commas in between.
    vpc_id: Option<String>,
    name: Option<String>,
    resource_group_id: Option<String>,
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Peerings {
    vpc_peer_connects: Vec<PeeringReply>,
    max_results: usize,
    next_token: Option<String>,
    total_count: usize,
}

/// Lists the peerings that the account is on a side of.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListVpcPeerConnections) -> Result<Peerings, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::Id, asked.instance_id.as_ref())
        .one_of(Field::EitherVpc, &listed(asked.vpc_id.as_deref()))
        .exact(Field::Name, asked.name.as_ref())
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let max_results = asked.paged.max_results.unwrap_or(PAGE_SIZE);
    let paged = Paged { max_results: Some(max_results), ..asked.paged };
    let query = Query { ids: vec![], filters: filters.into_vec(), page: paged.page(PAGE_SIZE_MAX)? };
    let found = cx.cloud.list::<VpcPeering>(&cx.caller, query).await?;
    let next_token = Some(paged.paging(&found).next_token).filter(|token| !token.is_empty());
    let vpc_peer_connects = found.rows.iter().map(|row| reply(cx, row)).collect();
    Ok(Peerings { vpc_peer_connects, max_results, next_token, total_count: found.total })
}

fn reply(cx: &Cx<'_>, peering: &VpcPeering) -> PeeringReply {
    let state = peering.state_at(cx.cloud.clock().now());
    let end = |end: &PeeringEnd| EndReply {
        vpc_id: end.vpc.to_string(),
        ipv4_cidrs: end.ranges().map(|range| range.to_string()).collect(),
        ipv6_cidrs: vec![],
    };
    PeeringReply {
        instance_id: peering.id.to_string(),
        name: peering.name.clone(),
        description: peering.description.clone(),
        status: match state {
            PeeringState::Pending => "Accepting",
            PeeringState::Active => "Activated",
            // Only one that EC2's call made can have failed.
            PeeringState::Rejected | PeeringState::Failed => "Rejected",
            PeeringState::Expired => "Expired",
        },
        biz_status: "Normal",
        region_id: cx.region(),
        owner_id: peering.requester.account.as_u64(),
        vpc: end(&peering.requester),
        accepting_region_id: cx.region(),
        accepting_owner_uid: peering.accepter.account.as_u64(),
        accepting_vpc: end(&peering.accepter),
        bandwidth: UNLIMITED,
        resource_group_id: "",
        gmt_create: peering.created_at.timestamp(),
        gmt_modified: peering.created_at.timestamp(),
        gmt_expired: matches!(state, PeeringState::Pending | PeeringState::Expired).then(|| peering.pending_until().timestamp()),
        tags: tags(&peering.tags),
    }
}

fn tags(tags: &Tags) -> Vec<PeeringTag> {
    tags.iter().map(|(key, value)| PeeringTag { key: key.clone(), value: value.clone() }).collect()
}
