//! vSwitches, which are subnets.

use control::{Field, Listing, NetworkAclView, Page, Query, RouteTableView};
use ipnet::Ipv6Net;
use jiff::Timestamp;
use model::{NetworkAcl, Noun, RouteTable, RouteTableId, SUBNET_IPV6_PREFIX, Subnet, SubnetId, Vpc, VpcId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::actions::Product;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::network::range;
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
    enable_ipv6: Option<bool>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct VSwitches {
    #[reply(list = "VSwitch")]
    v_switches: Vec<VSwitchReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct VSwitchReply {
    v_switch_id: String,
    v_switch_name: String,
    description: String,
    vpc_id: String,
    zone_id: String,
    cidr_block: String,
    ipv6_cidr_block: String,
    available_ip_address_count: u64,
    status: &'static str,
    is_default: bool,
    owner_id: u64,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    route_table: Option<TableReply>,
    network_acl_id: Option<String>,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

/// The route table that a vSwitch uses.
#[derive(Show)]
struct TableReply {
    route_table_id: String,
    route_table_type: &'static str,
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
        .exact(Field::HasIpv6, asked.enable_ipv6)
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let users = TableUsers::read(cx).await?;
    if let Some(table) = asked.route_table_id.filter(|id| !id.is_empty()) {
        let table: RouteTableId = id(Noun::RouteTable, &table)?;
        filters.one_of_at_least(Field::Id, &users.of(table));
    }
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list_subnets(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    Ok(VSwitches { v_switches: listed.rows.iter().map(|(subnet, free)| reply(subnet, *free, &users)).collect(), numbers })
}

/// Which vSwitches of the account use which route table: their own, or their VPC's main one; and which network ACL they are tied to.
pub(crate) struct TableUsers {
    tables: Vec<RouteTable>,
    subnets: Vec<Subnet>,
    acls: Vec<NetworkAcl>,
}

impl TableUsers {
    /// Reads all of the account.
    pub(crate) async fn read(cx: &Cx<'_>) -> Result<TableUsers, Fault> {
        let tables = every::<RouteTableView>(cx).await?.into_iter().map(|view| view.table).collect();
        // ECS's older reply knows no ACLs.
        let acls = if cx.product == Product::Vpc { every::<NetworkAclView>(cx).await? } else { vec![] };
        let acls = acls.into_iter().map(|view| view.acl).collect();
        Ok(TableUsers { tables, subnets: every::<Subnet>(cx).await?, acls })
    }

    /// The ACL that somebody tied a vSwitch to.
    fn acl_of(&self, subnet: &Subnet) -> Option<&NetworkAcl> {
        self.acls.iter().find(|acl| !acl.is_default && acl.has_subnet(subnet.id))
    }

    /// The table that a vSwitch uses.
    fn table_of(&self, subnet: &Subnet) -> Option<&RouteTable> {
        let own = self.tables.iter().find(|table| table.has_subnet(subnet.id));
        own.or_else(|| self.tables.iter().find(|table| table.vpc == subnet.vpc && table.main.is_some()))
    }

    /// Ids of the vSwitches that use a table.
    pub(crate) fn of(&self, table: RouteTableId) -> Vec<String> {
        let using = |subnet: &&Subnet| self.table_of(subnet).is_some_and(|used| used.id == table);
        self.subnets.iter().filter(using).map(|subnet| subnet.id.to_string()).collect()
    }
}

pub(crate) async fn every<T: Listing>(cx: &Cx<'_>) -> Result<Vec<T>, Fault> {
    let mut rows = Vec::new();
    let mut page = Page::First(control::PAGE_MAX);
    loop {
        let listed = cx.cloud.list::<T>(&cx.caller, Query { page, ..Query::default() }).await?;
        rows.extend(listed.rows);
        match listed.next {
            Some(last) => page = Page::After { last, size: control::PAGE_MAX },
            None => return Ok(rows),
        }
    }
}

fn reply(subnet: &Subnet, free: u64, users: &TableUsers) -> VSwitchReply {
    let table = users.table_of(subnet).map(|table| TableReply {
        route_table_id: table.id.to_string(),
        route_table_type: if table.main.is_some() { "System" } else { "Custom" },
    });
    VSwitchReply {
        v_switch_id: subnet.id.to_string(),
        v_switch_name: subnet.name.clone(),
        description: subnet.description.clone(),
        vpc_id: subnet.vpc.to_string(),
        zone_id: subnet.zone.clone(),
        cidr_block: subnet.range.to_string(),
        ipv6_cidr_block: subnet.ipv6.map(|own| own.range.to_string()).unwrap_or_default(),
        available_ip_address_count: free,
        status: "Available",
        is_default: subnet.is_default,
        owner_id: subnet.account.as_u64(),
        creation_time: subnet.created_at.timestamp(),
        resource_group_id: "",
        route_table: table,
        network_acl_id: users.acl_of(subnet).map(|acl| acl.id.to_string()),
        tags: vpc_tag_replies(&subnet.tags),
    }
}

/// `DescribeVSwitchAttributes`.
#[derive(FromArg)]
pub(crate) struct DescribeVSwitchAttributes {
    v_switch_id: String,
}

#[derive(Show)]
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
    Ok(VSwitchAttributes { region_id: cx.region(), v_switch: reply(subnet, *free, &TableUsers::read(cx).await?) })
}

/// `CreateVSwitch`.
#[derive(FromArg)]
pub(crate) struct CreateVSwitch {
    vpc_id: String,
    zone_id: String,
    cidr_block: String,
    /// The number of a /64 of the VPC's range.
    ipv6_cidr_block: Option<u8>,
    v_switch_name: Option<String>,
    description: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    v_switch_id: String,
}

/// Makes a vSwitch.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateVSwitch) -> Result<Created, Fault> {
    let vpc = id(Noun::Vpc, &asked.vpc_id)?;
    let ipv6 = match asked.ipv6_cidr_block {
        Some(number) => Some(ipv6_range(cx, vpc, number).await?),
        None => None,
    };
    let command = control::CreateSubnet {
        vpc,
        zone: Some(asked.zone_id),
        range: range(&asked.cidr_block)?,
        prefix_longest: model::SUBNET_PREFIX_LONGEST,
        table: None,
        ipv6,
        name: asked.v_switch_name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
    };
    let subnet = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { v_switch_id: subnet.id.to_string() })
}

/// The /64 with this number of a VPC's IPv6 range, which is a /56 and so has 256 of them.
async fn ipv6_range(cx: &Cx<'_>, vpc: VpcId, number: u8) -> Result<Ipv6Net, Fault> {
    let listed = cx.cloud.list::<Vpc>(&cx.caller, Query { ids: vec![vpc], ..Query::default() }).await?;
    let own = listed.rows.first().and_then(|vpc| vpc.ipv6);
    let mut ranges = own.and_then(|own| own.range.subnets(SUBNET_IPV6_PREFIX).ok()).into_iter().flatten();
    ranges.nth(number.into()).ok_or_else(|| Fault::invalid("Ipv6CidrBlock", "the VPC has no IPv6 range of which it could be"))
}

/// `CreateDefaultVSwitch`.
#[derive(FromArg)]
pub(crate) struct CreateDefaultVSwitch {
    zone_id: String,
}

/// Makes the default vSwitch of a zone that has none.
pub(crate) async fn create_default(cx: &Cx<'_>, asked: CreateDefaultVSwitch) -> Result<Created, Fault> {
    let subnet = cx.cloud.run(&cx.caller, control::CreateDefaultSubnet { zone: asked.zone_id }, cx.options()?).await?;
    Ok(Created { v_switch_id: subnet.id.to_string() })
}

/// `DeleteVSwitch`.
#[derive(FromArg)]
pub(crate) struct DeleteVSwitch {
    v_switch_id: String,
}

/// Deletes a vSwitch in which nothing is left.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteVSwitch) -> Result<(), Fault> {
    let id = id(Noun::Subnet, &asked.v_switch_id)?;
    Ok(cx.cloud.run(&cx.caller, control::DeleteSubnet { id }, cx.options()?).await?)
}

/// `ModifyVSwitchAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyVSwitchAttribute {
    v_switch_id: String,
    v_switch_name: Option<String>,
    description: Option<String>,
}

/// Changes what is said of a vSwitch.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyVSwitchAttribute) -> Result<(), Fault> {
    let command = control::ModifySubnet {
        id: id(Noun::Subnet, &asked.v_switch_id)?,
        name: asked.v_switch_name,
        description: asked.description,
        public_on_launch: None,
        ipv6_on_launch: None,
        host_names_on_launch: model::HostNameSettings::default(),
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}
