//! Further IPv4 ranges of VPCs, which VPC calls assistant CIDRs.

use std::collections::HashMap;

use control::{ChangeVpcRanges, CheckVpcRanges, Field, Filter, PAGE_MAX, Page, PrivateBlocks, Query};
use ipnet::Ipv4Net;
use model::{Error, RangeConflict, RouteTableId, Subnet, Vpc, VpcId, VpcPeeringId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::network::PREFIX_SHORTEST;
use crate::page::{Cut, LIMIT_MAX};
use crate::subnet::{self, SubnetReply, Ways};
use crate::{Cx, id, page};

/// Most ranges that one call names.
const RANGES_PER_CALL: usize = 10;

/// A range as VPC shows it.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct RangeReply {
    vpc_id: String,
    cidr_block: String,
    assistant_type: u8,
    subnet_set: Vec<SubnetReply>,
}

/// The ranges of a VPC, as it is shown itself: without their subnets.
pub(crate) fn of_vpc(vpc: &Vpc) -> Vec<RangeReply> {
    let shown =
        |range: Ipv4Net| RangeReply { vpc_id: id::shown(vpc.id), cidr_block: range.to_string(), assistant_type: 0, subnet_set: vec![] };
    vpc.secondary.iter().map(|further| shown(further.range)).collect()
}

/// The ranges of VPCs with their subnets.
async fn replies(cx: &Cx<'_>, vpcs: &[Vpc]) -> Result<Vec<RangeReply>, Fault> {
    let with: Vec<String> = vpcs.iter().filter(|vpc| !vpc.secondary.is_empty()).map(|vpc| vpc.id.to_string()).collect();
    let mut subnets: HashMap<VpcId, Vec<(Subnet, u64)>> = HashMap::new();
    if with.is_empty() {
        return Ok(vec![]);
    }
    let (filters, mut page) = (vec![Filter { field: Field::Vpc, values: with }], Page::First(PAGE_MAX));
    loop {
        let listed = cx.cloud.list_subnets(&cx.caller, Query { ids: vec![], filters: filters.clone(), page }).await?;
        for (subnet, free) in listed.rows {
            subnets.entry(subnet.vpc).or_default().push((subnet, free));
        }
        match listed.next {
            Some(last) => page = Page::After { last, size: PAGE_MAX },
            None => break,
        }
    }
    let ways = Ways::read(cx).await?;
    let mut out = Vec::new();
    for vpc in vpcs {
        let own = subnets.get(&vpc.id).map(Vec::as_slice).unwrap_or_default();
        for (mut reply, further) in of_vpc(vpc).into_iter().zip(&vpc.secondary) {
            let inside = own.iter().filter(|(subnet, _)| further.range.contains(&subnet.range));
            reply.subnet_set = inside.map(|(subnet, free)| subnet::reply(subnet.clone(), *free, &ways)).collect();
            out.push(reply);
        }
    }
    Ok(out)
}

/// `DescribeAssistantCidr`.
#[derive(FromArg)]
pub(crate) struct DescribeAssistantCidr {
    #[arg(max_items = LIMIT_MAX)]
    vpc_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Ranges {
    assistant_cidr_set: Vec<RangeReply>,
    total_count: usize,
}

/// Lists further ranges by the VPCs that have them.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeAssistantCidr) -> Result<Ranges, Fault> {
    not_both("VpcIds", &asked.vpc_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| (name == "vpc-id").then(|| By::id::<VpcId>(Field::Id)))?.into_vec();
    let vpcs = match id::read_all(&asked.vpc_ids)? {
        none if none.is_empty() => page::all::<Vpc>(cx, &filters).await?,
        ids => cx.cloud.list::<Vpc>(&cx.caller, Query { ids, filters: vec![], page: Page::First(PAGE_MAX) }).await?.rows,
    };
    let (total_count, assistant_cidr_set) = asked.cut.of(replies(cx, &vpcs).await?);
    Ok(Ranges { assistant_cidr_set, total_count })
}

/// `CreateAssistantCidr` and `DeleteAssistantCidr`.
#[derive(FromArg)]
pub(crate) struct Named {
    vpc_id: String,
    #[arg(max_items = RANGES_PER_CALL)]
    cidr_blocks: Vec<String>,
}

/// `ModifyAssistantCidr` and `CheckAssistantCidr`.
#[derive(FromArg)]
pub(crate) struct Exchanged {
    vpc_id: String,
    #[arg(max_items = RANGES_PER_CALL)]
    new_cidr_blocks: Vec<String>,
    #[arg(max_items = RANGES_PER_CALL)]
    old_cidr_blocks: Vec<String>,
}

/// The ranges that a VPC has now.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Changed {
    assistant_cidr_set: Vec<RangeReply>,
}

/// Gives a VPC further ranges: all of them or none.
pub(crate) async fn create(cx: &Cx<'_>, asked: Named) -> Result<Changed, Fault> {
    let add = some(&asked.cidr_blocks)?;
    let vpc = change(cx, &asked.vpc_id, vec![], add.clone()).await?;
    let mut ranges = replies(cx, &[vpc]).await?;
    ranges.retain(|reply| add.iter().any(|range| range.trunc().to_string() == reply.cidr_block));
    Ok(Changed { assistant_cidr_set: ranges })
}

/// Takes ranges from a VPC in which no subnet has a part of them: all of them or none.
pub(crate) async fn delete(cx: &Cx<'_>, asked: Named) -> Result<(), Fault> {
    let remove = some(&asked.cidr_blocks)?;
    change(cx, &asked.vpc_id, remove, vec![]).await.map(drop)
}

/// Takes some ranges from a VPC and gives it others: all of it or nothing.
pub(crate) async fn modify(cx: &Cx<'_>, asked: Exchanged) -> Result<Changed, Fault> {
    let (remove, add) = exchanged(&asked)?;
    let vpc = change(cx, &asked.vpc_id, remove, add).await?;
    Ok(Changed { assistant_cidr_set: replies(cx, &[vpc]).await? })
}

async fn change(cx: &Cx<'_>, vpc: &str, remove: Vec<Ipv4Net>, add: Vec<Ipv4Net>) -> Result<Vpc, Fault> {
    let vpc = id::read(vpc)?;
    let command = ChangeVpcRanges { vpc, remove, add, prefix_shortest: PREFIX_SHORTEST, blocks: PrivateBlocks::Any };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

fn exchanged(asked: &Exchanged) -> Result<(Vec<Ipv4Net>, Vec<Ipv4Net>), Fault> {
    if asked.new_cidr_blocks.is_empty() && asked.old_cidr_blocks.is_empty() {
        return Err(Fault::missing("NewCidrBlocks"));
    }
    Ok((read(&asked.old_cidr_blocks)?, read(&asked.new_cidr_blocks)?))
}

fn some(texts: &[String]) -> Result<Vec<Ipv4Net>, Fault> {
    if texts.is_empty() { Err(Fault::missing("CidrBlocks")) } else { read(texts) }
}

fn read(texts: &[String]) -> Result<Vec<Ipv4Net>, Fault> {
    let range = |text: &String| text.parse().map_err(|_| Error::invalid("VpcRange", "is no IPv4 range").into());
    texts.iter().map(range).collect()
}

/// What is in the way of a change.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Conflicts {
    conflict_source_set: Vec<ConflictReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct ConflictReply {
    conflict_source_id: String,
    source_item: String,
    conflict_item_set: Vec<ItemReply>,
}

#[derive(Show)]
struct ItemReply {
    conflict_id: String,
    destination_item: String,
}

/// Tells what would be in the way of a change: one source for each resource and range.
pub(crate) async fn check(cx: &Cx<'_>, asked: Exchanged) -> Result<Conflicts, Fault> {
    let (remove, add) = exchanged(&asked)?;
    let vpc: VpcId = id::read(&asked.vpc_id)?;
    let found = cx.cloud.run(&cx.caller, CheckVpcRanges { vpc, remove, add, prefix_shortest: PREFIX_SHORTEST }, cx.options()).await?;
    Ok(Conflicts { conflict_source_set: found.into_iter().map(|(range, conflict)| conflict_reply(vpc, range, conflict)).collect() })
}

fn conflict_reply(vpc: VpcId, range: Ipv4Net, conflict: RangeConflict) -> ConflictReply {
    let (id, there) = match conflict {
        RangeConflict::Own { range } => (id::shown::<VpcId>(vpc), range),
        RangeConflict::Peered { peering, range } => (id::shown::<VpcPeeringId>(peering), range),
        RangeConflict::Routed { table, range } => (id::shown::<RouteTableId>(table), range),
        RangeConflict::Inside { id, range } => (id::in_sentence(&id), range),
    };
    let item = ItemReply { conflict_id: id.clone(), destination_item: there.to_string() };
    ConflictReply { conflict_source_id: id, source_item: range.to_string(), conflict_item_set: vec![item] }
}
