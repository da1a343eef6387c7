//! Peering connections of VPCs.

use control::{ChangeVpcPeering, CreateVpcPeering as Create, Field, OrderKey, PeeringChange, PeeringManner, Query};
use model::{AccountId, PeeringState, VpcId, VpcPeering, VpcPeeringId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::order::{self, OrderDirection};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TagArg, TagReply};
use crate::{Cx, id, tag, time};

/// What a peering connects; those with bare metal are of another network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Kind {
    #[arg(name = "VPC_PEER")]
    Vpcs,
    #[arg(name = "VPC_BM_PEER")]
    BareMetal,
}

/// What of a peering is for two regions, which have one bandwidth and its price.
pub(crate) const CREATE_ABSENT: &[&str] = &["Bandwidth", "ChargeType", "QosLevel"];
/// The same of a change.
pub(crate) const MODIFY_ABSENT: &[&str] = &["Bandwidth", "ChargeType"];

/// `CreateVpcPeeringConnection`.
#[derive(FromArg)]
pub(crate) struct CreateVpcPeeringConnection {
    source_vpc_id: String,
    peering_connection_name: String,
    destination_vpc_id: String,
    destination_uin: Option<u64>,
    destination_region: Option<String>,
    r#type: Option<Kind>,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Made {
    peering_connection_id: String,
}

/// Asks for a peering; one with a VPC of the account itself is active at once.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateVpcPeeringConnection) -> Result<Made, Fault> {
    if asked.r#type == Some(Kind::BareMetal) {
        return Err(Fault::unsupported("A peering with bare metal"));
    }
    if asked.destination_region.is_some_and(|region| region != cx.region()) {
        return Err(Fault::unsupported("A peering with another region"));
    }
    let account = |uin| AccountId::from_u64(uin).ok_or_else(|| Fault::invalid("DestinationUin", "it is no account of twelve digits"));
    let command = Create {
        vpc: id::read(&asked.source_vpc_id)?,
        peer: id::read(&asked.destination_vpc_id)?,
        peer_account: asked.destination_uin.map(account).transpose()?,
        manner: PeeringManner::Begins,
        name: asked.peering_connection_name,
        description: String::new(),
        tags: tag::tags_of(asked.tags)?,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(Made { peering_connection_id: id::shown(made.id) })
}

/// A call about one peering.
#[derive(FromArg)]
pub(crate) struct Named {
    peering_connection_id: String,
}

async fn change(cx: &Cx<'_>, asked: Named, change: PeeringChange) -> Result<(), Fault> {
    let command = ChangeVpcPeering { peering: id::read(&asked.peering_connection_id)?, change };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// Agrees to a peering that another account asked for.
pub(crate) async fn accept(cx: &Cx<'_>, asked: Named) -> Result<(), Fault> {
    change(cx, asked, PeeringChange::Accept).await
}

/// Does not agree to a peering.
pub(crate) async fn reject(cx: &Cx<'_>, asked: Named) -> Result<(), Fault> {
    change(cx, asked, PeeringChange::Reject).await
}

/// Ends a peering, with the routes to it.
pub(crate) async fn delete(cx: &Cx<'_>, asked: Named) -> Result<(), Fault> {
    change(cx, asked, PeeringChange::DeleteWithRoutes).await
}

/// `ModifyVpcPeeringConnection`.
#[derive(FromArg)]
pub(crate) struct ModifyVpcPeeringConnection {
    peering_connection_id: String,
    peering_connection_name: Option<String>,
}

/// Gives a peering another name.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyVpcPeeringConnection) -> Result<(), Fault> {
    let peering = id::read(&asked.peering_connection_id)?;
    let command = control::ModifyVpcPeering { peering, name: asked.peering_connection_name, description: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeVpcPeeringConnections`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcPeeringConnections {
    #[arg(max_items = LIMIT_MAX)]
    peering_connection_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
    order_field: Option<PeeringOrder>,
    order_direction: Option<OrderDirection>,
}

/// What peerings are put in order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum PeeringOrder {
    CreatedTime,
    PeeringConnectionName,
}

/// Peerings.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Peerings {
    peer_connection_set: Vec<PeeringReply>,
    total_count: usize,
}

#[derive(Show)]
#[reply(list = "")]
struct PeeringReply {
    peering_connection_id: String,
    peering_connection_name: String,
    state: &'static str,
    r#type: &'static str,
    source_vpc_id: String,
    source_region: String,
    source_uin: u64,
    app_id: u64,
    peer_vpc_id: String,
    destination_vpc_id: String,
    destination_region: String,
    destination_uin: u64,
    peer_app_id: u64,
    bandwidth: u32,
    charge_type: &'static str,
    qos_level: &'static str,
    is_ngw: bool,
    create_time: String,
    tag_set: Vec<TagReply>,
}

/// Lists the peerings that the account is on a side of.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeVpcPeeringConnections) -> Result<Peerings, Fault> {
    not_both("PeeringConnectionIds", &asked.peering_connection_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "vpc-id" => By::id::<VpcId>(Field::EitherVpc),
            "state" => By::Word(Field::State, ours),
            "peering-connection-name" => By::Is(Field::Name),
            _ => return None,
        })
    })?;
    let query =
        Query { ids: id::read_all::<VpcPeeringId>(&asked.peering_connection_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let made: fn(&VpcPeering) -> OrderKey = |peering| OrderKey::At(peering.created_at);
    let by = asked.order_field.map(|field| match field {
        PeeringOrder::CreatedTime => made,
        PeeringOrder::PeeringConnectionName => |peering: &VpcPeering| OrderKey::Text(peering.name.clone()),
    });
    let listed = order::list::<VpcPeering>(cx, query, by, asked.order_direction, made).await?;
    Ok(Peerings { peer_connection_set: listed.rows.iter().map(|row| reply(cx, row)).collect(), total_count: listed.total })
}

const STATES: [PeeringState; 5] =
    [PeeringState::Pending, PeeringState::Active, PeeringState::Rejected, PeeringState::Failed, PeeringState::Expired];

const fn word(state: PeeringState) -> &'static str {
    match state {
        PeeringState::Pending => "PENDING",
        PeeringState::Active => "ACTIVE",
        PeeringState::Rejected => "REJECTED",
        PeeringState::Failed => "FAILED",
        PeeringState::Expired => "EXPIRED",
    }
}

/// Our word for a state.
fn ours(text: &str) -> Vec<String> {
    STATES.into_iter().filter(|state| word(*state).eq_ignore_ascii_case(text)).map(|state| state.word().to_owned()).collect()
}

fn reply(cx: &Cx<'_>, peering: &VpcPeering) -> PeeringReply {
    let (source, destination) = (&peering.requester, &peering.accepter);
    PeeringReply {
        peering_connection_id: id::shown(peering.id),
        peering_connection_name: peering.name.clone(),
        state: word(peering.state_at(cx.cloud.clock().now())),
        r#type: "VPC_PEER",
        source_vpc_id: id::shown(source.vpc),
        source_region: cx.region(),
        source_uin: source.account.as_u64(),
        app_id: source.account.as_u64(),
        peer_vpc_id: id::shown(destination.vpc),
        destination_vpc_id: id::shown(destination.vpc),
        destination_region: cx.region(),
        destination_uin: destination.account.as_u64(),
        peer_app_id: destination.account.as_u64(),
        // Within a region nothing is sold, so nothing bounds it.
        bandwidth: 0,
        charge_type: "",
        qos_level: "",
        is_ngw: false,
        create_time: time::by_beijing(peering.created_at.timestamp()),
        tag_set: tag::replies(&peering.tags),
    }
}
