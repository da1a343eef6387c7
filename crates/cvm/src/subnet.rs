//! Subnets, and the default network that each account has.

use control::{
    CreateDefaultSubnet, CreateSubnet as Create, DeleteSubnet as Delete, Field, Filter, Many, ModifySubnet, Options, Page, Query,
};
use model::{Error, NetworkAcl, Noun, RouteTable, Subnet, SubnetId, Tags, Vpc, VpcId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, literal, not_both};
use crate::page::{Cut, LIMIT, LIMIT_MAX};
use crate::tag::{TagArg, TagReply};
use crate::{Cx, id, network_acl, route, tag, time};

/// `DescribeSubnets`.
#[derive(FromArg)]
pub(crate) struct DescribeSubnets {
    #[arg(max_items = LIMIT_MAX)]
    subnet_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
    #[arg(range = 1..=LIMIT_MAX)]
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl DescribeSubnets {
    /// The page: by its number, or the one after a token, which is the number of the last subnet before it.
    fn page(&self) -> Result<Page, Fault> {
        let page = self.cut.page();
        if self.max_results.is_none() && self.next_token.is_none() {
            return Ok(page);
        }
        if matches!(page, Page::From { skip: 1.., .. }) {
            return Err(Fault::conflict("`Offset` excludes `MaxResults` and `NextToken`".to_owned()));
        }
        let size = self.max_results.unwrap_or(LIMIT);
        match self.next_token.as_deref() {
            None | Some("") => Ok(Page::First(size)),
            Some(token) => {
                let last = token.parse().map_err(|_| Fault::invalid("NextToken", "it is not one that a reply gave"))?;
                Ok(Page::After { last, size })
            }
        }
    }
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Subnets {
    total_count: usize,
    subnet_set: Vec<SubnetReply>,
    /// Empty on the last page, and where pages are counted.
    next_token: String,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct SubnetReply {
    subnet_id: String,
    subnet_name: String,
    vpc_id: String,
    zone: String,
    cidr_block: String,
    ipv6_cidr_block: String,
    is_default: bool,
    enable_broadcast: bool,
    is_remote_vpc_snat: bool,
    available_ip_address_count: u64,
    total_ip_address_count: u64,
    route_table_id: String,
    network_acl_id: String,
    created_time: String,
    cdc_id: &'static str,
    is_cdc_subnet: u32,
    tag_set: Vec<TagReply>,
}

/// Lists subnets.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSubnets) -> Result<Subnets, Fault> {
    not_both("SubnetIds", &asked.subnet_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "subnet-id" => By::id::<SubnetId>(Field::Id),
            "vpc-id" => By::id::<VpcId>(Field::Vpc),
            "subnet-name" => By::Holds(Field::Name),
            "is-default" => By::Flag(Field::IsDefault),
            "cidr-block" => By::Holds(Field::Range),
            "zone" => By::Is(Field::Zone),
            "is-remote-vpc-snat" => By::Always(&["false"]),
            "is-cdc-subnet" => By::Always(&["0"]),
            "cdc-id" | "ipv6-cidr-block" | "isp-type" | "address-type" => By::Always(&[]),
            _ => return None,
        })
    })?;
    let query = Query { ids: id::read_all(&asked.subnet_ids)?, filters: filters.into_vec(), page: asked.page()? };
    let counted = matches!(query.page, Page::From { .. });
    let listed = cx.cloud.list_subnets(&cx.caller, query).await?;
    let ways = Ways::read(cx).await?;
    let shown = |(subnet, free): (Subnet, u64)| reply(subnet, free, &ways);
    let next_token = listed.next.filter(|_| !counted).map(|last| last.to_string()).unwrap_or_default();
    Ok(Subnets { total_count: listed.total, subnet_set: listed.rows.into_iter().map(shown).collect(), next_token })
}

/// What subnets are tied to: the ACLs that somebody made, and all route tables.
#[derive(Default)]
pub(crate) struct Ways {
    acls: Vec<NetworkAcl>,
    tables: Vec<RouteTable>,
}

impl Ways {
    pub(crate) async fn read(cx: &Cx<'_>) -> Result<Ways, Fault> {
        Ok(Ways { acls: network_acl::of_subnets(cx).await?, tables: route::tables(cx).await? })
    }

    /// The table that a subnet uses.
    fn table_of(&self, subnet: &Subnet) -> Option<&RouteTable> {
        let tables: Vec<&RouteTable> = self.tables.iter().filter(|table| table.vpc == subnet.vpc).collect();
        let own = tables.iter().find(|table| table.has_subnet(subnet.id));
        own.or_else(|| tables.iter().find(|table| table.main.is_some())).copied()
    }
}

/// A subnet with its free addresses, and what it is tied to.
pub(crate) fn reply(subnet: Subnet, free: u64, ways: &Ways) -> SubnetReply {
    SubnetReply {
        subnet_id: id::shown(subnet.id),
        vpc_id: id::shown(subnet.vpc),
        cidr_block: subnet.range.to_string(),
        ipv6_cidr_block: subnet.ipv6.map(|own| own.range.to_string()).unwrap_or_default(),
        is_default: subnet.is_default,
        enable_broadcast: false,
        is_remote_vpc_snat: false,
        available_ip_address_count: free,
        total_ip_address_count: subnet.capacity(),
        route_table_id: id::shown_or_empty(ways.table_of(&subnet).map(|table| table.id)),
        network_acl_id: id::shown_or_empty(ways.acls.iter().find(|acl| acl.has_subnet(subnet.id)).map(|acl| acl.id)),
        created_time: time::by_beijing(subnet.created_at.timestamp()),
        cdc_id: "",
        is_cdc_subnet: 0,
        tag_set: tag::replies(&subnet.tags),
        subnet_name: subnet.name,
        zone: subnet.zone,
    }
}

/// Longest prefix of a subnet's range (VPC documents 29).
const PREFIX_LONGEST: u8 = 29;

/// `CreateSubnet`.
#[derive(FromArg)]
pub(crate) struct CreateSubnet {
    vpc_id: String,
    subnet_name: String,
    cidr_block: String,
    zone: String,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// A reply that shows one subnet.
#[derive(Show)]
pub(crate) struct Made {
    subnet: SubnetReply,
}

/// Makes a subnet.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateSubnet) -> Result<Made, Fault> {
    let vpc = id::read(&asked.vpc_id)?;
    let new = SubnetInput { subnet_name: asked.subnet_name, zone: asked.zone, cidr_block: asked.cidr_block, route_table_id: None };
    let subnet = cx.cloud.run(&cx.caller, command(vpc, new, tag::tags_of(asked.tags)?)?, cx.options()).await?;
    let free = subnet.capacity();
    Ok(Made { subnet: reply(subnet, free, &Ways::read(cx).await?) })
}

/// A subnet of `CreateSubnets`.
#[derive(FromArg)]
struct SubnetInput {
    subnet_name: String,
    zone: String,
    cidr_block: String,
    route_table_id: Option<String>,
}

/// `CreateSubnets`.
#[derive(FromArg)]
pub(crate) struct CreateSubnets {
    vpc_id: String,
    #[arg(max_items = LIMIT_MAX)]
    subnets: Vec<SubnetInput>,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Parameters of `CreateSubnets` that are not served.
pub(crate) const CREATE_MANY_ABSENT: &[&str] = &["CdcId", "Subnets.Ipv6CidrBlock", "Subnets.StackType"];

/// A reply that shows new subnets.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct MadeMany {
    subnet_set: Vec<SubnetReply>,
}

/// Makes subnets: all of them or none.
pub(crate) async fn create_many(cx: &Cx<'_>, asked: CreateSubnets) -> Result<MadeMany, Fault> {
    if asked.subnets.is_empty() {
        return Err(Fault::missing("Subnets"));
    }
    let (vpc, tags) = (id::read(&asked.vpc_id)?, tag::tags_of(asked.tags)?);
    let commands = asked.subnets.into_iter().map(|new| command(vpc, new, tags.clone())).collect::<Result<Vec<_>, Fault>>()?;
    let made = cx.cloud.run(&cx.caller, Many(commands), cx.options()).await?;
    let ways = Ways::read(cx).await?;
    let shown = |subnet: Subnet| {
        let free = subnet.capacity();
        reply(subnet, free, &ways)
    };
    Ok(MadeMany { subnet_set: made.into_iter().map(shown).collect() })
}

fn command(vpc: VpcId, new: SubnetInput, tags: Tags) -> Result<Create, Fault> {
    let range = new.cidr_block.parse().map_err(|_| Error::invalid("SubnetRange", "is no IPv4 range"))?;
    Ok(Create {
        vpc,
        zone: Some(new.zone),
        range,
        prefix_longest: PREFIX_LONGEST,
        table: new.route_table_id.filter(|table| !table.is_empty()).map(|table| id::read(&table)).transpose()?,
        ipv6: None,
        name: new.subnet_name,
        description: String::new(),
        tags,
    })
}

/// `CheckDefaultSubnet`.
#[derive(FromArg)]
pub(crate) struct CheckDefaultSubnet {
    zone: Option<String>,
}

#[derive(Show)]
pub(crate) struct Checked {
    result: bool,
}

/// Tells whether a default subnet could be made in a zone, or in any one: the command itself is asked, and taken back.
pub(crate) async fn check_default(cx: &Cx<'_>, asked: CheckDefaultSubnet) -> Result<Checked, Fault> {
    let zones = asked.zone.map_or_else(|| cx.cloud.region().zones.clone(), |zone| vec![zone]);
    for zone in zones {
        let options = Options { dry_run: true, ..cx.options() };
        match cx.cloud.run(&cx.caller, CreateDefaultSubnet { zone }, options).await {
            Ok(_) | Err(Error::DryRun) => return Ok(Checked { result: true }),
            // Where there is no default VPC, it is made with its subnets.
            Err(Error::NotFound { noun: Noun::Vpc, .. }) => return Ok(Checked { result: true }),
            Err(Error::Duplicate { .. } | Error::NoFreeAddress { .. } | Error::QuotaExceeded { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Checked { result: false })
}

/// `CreateDefaultVpc`.
#[derive(FromArg)]
pub(crate) struct CreateDefaultVpc {
    zone: Option<String>,
    #[expect(dead_code, reason = "there is no network outside VPCs, so the default VPC is given in any case")]
    force: Option<bool>,
}

#[derive(Show)]
pub(crate) struct DefaultNetwork {
    vpc: DefaultVpcSubnet,
}

#[derive(Show)]
struct DefaultVpcSubnet {
    vpc_id: String,
    vpc_name: String,
    subnet_id: String,
    subnet_name: String,
    cidr_block: String,
}

/// Gives the default VPC and its subnet in a zone, and makes what of them is not there.
pub(crate) async fn create_default(cx: &Cx<'_>, asked: CreateDefaultVpc) -> Result<DefaultNetwork, Fault> {
    let default = |more: Option<Filter>| {
        let filters = Some(Filter { field: Field::IsDefault, values: vec!["true".to_owned()] });
        filters.into_iter().chain(more).collect::<Vec<_>>()
    };
    let query = Query { filters: default(None), ..Query::default() };
    let vpc = match cx.cloud.list::<Vpc>(&cx.caller, query).await?.rows.pop() {
        Some(vpc) => vpc,
        None => cx.cloud.run(&cx.caller, control::CreateDefaultVpc {}, cx.options()).await?,
    };
    let zone = asked.zone.as_ref().map(|zone| Filter { field: Field::Zone, values: vec![literal(zone)] });
    let listed = cx.cloud.list_subnets(&cx.caller, Query { filters: default(zone), ..Query::default() }).await?;
    let subnet = match listed.rows.into_iter().next() {
        Some((subnet, _)) => subnet,
        None => {
            let zone = asked.zone.or_else(|| cx.cloud.region().zones.first().cloned()).ok_or(Error::Internal)?;
            cx.cloud.run(&cx.caller, CreateDefaultSubnet { zone }, cx.options()).await?
        }
    };
    let vpc = DefaultVpcSubnet {
        vpc_id: id::shown(vpc.id),
        vpc_name: vpc.name,
        subnet_id: id::shown(subnet.id),
        subnet_name: subnet.name,
        cidr_block: subnet.range.to_string(),
    };
    Ok(DefaultNetwork { vpc })
}

/// `ModifySubnetAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifySubnetAttribute {
    subnet_id: String,
    subnet_name: Option<String>,
}

/// Gives a subnet another name.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifySubnetAttribute) -> Result<(), Fault> {
    let (id, name) = (id::read(&asked.subnet_id)?, asked.subnet_name);
    let command = ModifySubnet {
        id,
        name,
        description: None,
        public_on_launch: None,
        ipv6_on_launch: None,
        host_names_on_launch: model::HostNameSettings::default(),
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// `DeleteSubnet`.
#[derive(FromArg)]
pub(crate) struct DeleteSubnet {
    subnet_id: String,
}

/// Deletes a subnet in which nothing is left.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteSubnet) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, Delete { id: id::read(&asked.subnet_id)? }, cx.options()).await.map(drop)?)
}
