//! vSwitches, which are subnets.

use control::{Field, Query};
use jiff::Timestamp;
use model::{Noun, Subnet, SubnetId};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id};
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// `DescribeVSwitches`.
#[derive(FromArg)]
pub(crate) struct DescribeVSwitches {
    v_switch_id: Option<String>,
    vpc_id: Option<String>,
    zone_id: Option<String>,
    v_switch_name: Option<String>,
    is_default: Option<bool>,
    v_switch_owner_id: Option<String>,
    resource_group_id: Option<String>,
    route_table_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(IntoDoc)]
pub(crate) struct VSwitches {
    #[reply(list = "VSwitch")]
    v_switches: Vec<VSwitchReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(IntoDoc)]
struct VSwitchReply {
    v_switch_id: String,
    v_switch_name: String,
    description: &'static str,
    vpc_id: String,
    zone_id: String,
    cidr_block: String,
    ipv6_cidr_block: &'static str,
    available_ip_address_count: u64,
    status: &'static str,
    is_default: bool,
    owner_id: u64,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

/// Lists vSwitches.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeVSwitches) -> Result<VSwitches, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::Id, asked.v_switch_id.as_ref())
        .exact(Field::Vpc, asked.vpc_id.as_ref())
        .exact(Field::Zone, asked.zone_id.as_ref())
        .exact(Field::Name, asked.v_switch_name.as_ref())
        .exact(Field::IsDefault, asked.is_default.map(|default| default.to_string()))
        .exact(Field::Owner, asked.v_switch_owner_id.as_ref())
        .always(asked.resource_group_id.as_ref(), &[])
        .always(asked.route_table_id.as_ref(), &[])
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list_subnets(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    Ok(VSwitches { v_switches: listed.rows.iter().map(|(subnet, free)| reply(subnet, *free)).collect(), numbers })
}

fn reply(subnet: &Subnet, free: u64) -> VSwitchReply {
    VSwitchReply {
        v_switch_id: subnet.id.to_string(),
        v_switch_name: subnet.name.clone(),
        description: "",
        vpc_id: subnet.vpc.to_string(),
        zone_id: subnet.zone.clone(),
        cidr_block: subnet.range.to_string(),
        ipv6_cidr_block: "",
        available_ip_address_count: free,
        status: "Available",
        is_default: subnet.is_default,
        owner_id: subnet.account.as_u64(),
        creation_time: subnet.created_at.timestamp(),
        resource_group_id: "",
        tags: vpc_tag_replies(&subnet.tags),
    }
}

/// `DescribeVSwitchAttributes`.
#[derive(FromArg)]
pub(crate) struct DescribeVSwitchAttributes {
    v_switch_id: String,
}

#[derive(IntoDoc)]
pub(crate) struct VSwitchAttributes {
    region_id: String,
    #[reply(flatten)]
    v_switch: VSwitchReply,
}

/// Tells one vSwitch.
pub(crate) async fn attributes(cx: &Cx<'_>, asked: DescribeVSwitchAttributes) -> Result<VSwitchAttributes, Fault> {
    let wanted: SubnetId = id(Noun::Subnet, &asked.v_switch_id)?;
    let listed = cx.cloud.list_subnets(&cx.caller, Query { ids: vec![wanted], ..Query::default() }).await?;
    let (subnet, free) = listed.rows.first().ok_or_else(|| Fault::not_found(Noun::Subnet, &asked.v_switch_id))?;
    Ok(VSwitchAttributes { region_id: cx.region(), v_switch: reply(subnet, *free) })
}
