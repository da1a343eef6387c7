//! Network ACLs of VPC: the rules at the border of subnets, those of three parts (protocol, port, other end).
//!
//! VPC shows only ACLs that somebody made: a subnet without one has the default one, which lets everything pass. The place of an
//! entry in its list is what decides, and its number is shown nowhere but in its id.

use control::{AclSubnet, Field, Listing, Many, NetworkAclView, NewAclEntry, OrderKey, Query};
use model::{AclEntry, Direction, Error, NetworkAcl, NetworkAclId, Protocol, Subnet, SubnetId, Verdict, VpcId};
use wire::{FromArg, IntoDoc};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::order::{self, OrderDirection};
use crate::page::{Cut, LIMIT_MAX};
use crate::security_group_rules::{protocols, read_range, read_range6};
use crate::subnet::{SubnetReply, Ways};
use crate::tag::{TagArg, TagReply};
use crate::{Cx, id, subnet, tag, time};

/// Most entries of a direction in one call.
const ENTRIES_PER_CALL: usize = 100;
/// Most subnets of one call.
const SUBNETS_PER_CALL: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum Kind {
    Triple,
    Quintuple,
}

/// `CreateNetworkAcl`.
#[derive(FromArg)]
pub(crate) struct CreateNetworkAcl {
    vpc_id: String,
    #[arg(max_len = 60)]
    network_acl_name: String,
    network_acl_type: Option<Kind>,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// A reply that shows one ACL.
#[derive(IntoDoc)]
pub(crate) struct Made {
    network_acl: AclReply,
}

#[derive(IntoDoc)]
#[reply(list = "")]
struct AclReply {
    vpc_id: String,
    network_acl_id: String,
    network_acl_name: String,
    network_acl_type: &'static str,
    created_time: String,
    subnet_set: Vec<SubnetReply>,
    ingress_entries: Vec<EntryReply>,
    egress_entries: Vec<EntryReply>,
    tag_set: Vec<TagReply>,
}

#[derive(IntoDoc)]
struct EntryReply {
    protocol: String,
    port: String,
    cidr_block: String,
    ipv6_cidr_block: String,
    action: &'static str,
    description: String,
    modify_time: &'static str,
    priority: usize,
    network_acl_ipv4_entry_id: String,
    network_acl_ipv6_entry_id: String,
}

/// Makes an ACL that lets nothing pass.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateNetworkAcl) -> Result<Made, Fault> {
    if asked.network_acl_type == Some(Kind::Quintuple) {
        return Err(Fault::unsupported("A network ACL of the type QUINTUPLE"));
    }
    let command = control::CreateNetworkAcl {
        vpc: id::read(&asked.vpc_id)?,
        name: asked.network_acl_name,
        description: String::new(),
        is_open: false,
        tags: tag::tags_of(asked.tags)?,
    };
    let acl = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(Made { network_acl: reply(&acl, &[], &Ways::default()) })
}

/// `DescribeNetworkAcls`.
#[derive(FromArg)]
pub(crate) struct DescribeNetworkAcls {
    #[arg(max_items = LIMIT_MAX)]
    network_acl_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
    order_field: Option<AclOrder>,
    order_direction: Option<OrderDirection>,
}

/// What ACLs are put in order by; when they were changed is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum AclOrder {
    NetworkAclId,
    NetworkAclName,
    CreatedTime,
}

/// ACLs.
#[derive(IntoDoc)]
#[reply(list = "")]
pub(crate) struct Acls {
    network_acl_set: Vec<AclReply>,
    total_count: usize,
}

/// Lists the ACLs that somebody made.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeNetworkAcls) -> Result<Acls, Fault> {
    not_both("NetworkAclIds", &asked.network_acl_ids, &asked.filters)?;
    let mut filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "vpc-id" => By::id::<VpcId>(Field::Vpc),
            "network-acl-id" => By::id::<NetworkAclId>(Field::Id),
            "network-acl-name" => By::Is(Field::Name),
            _ => return None,
        })
    })?;
    filters.push(By::Is(Field::IsDefault), &["false".to_owned()]);
    let query = Query { ids: id::read_all(&asked.network_acl_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let made: fn(&NetworkAclView) -> OrderKey = |view| OrderKey::At(view.acl.created_at);
    let by = asked.order_field.map(|field| match field {
        AclOrder::NetworkAclId => |view: &NetworkAclView| OrderKey::Text(id::shown(view.acl.id)),
        AclOrder::NetworkAclName => |view: &NetworkAclView| OrderKey::Text(view.acl.name.clone()),
        AclOrder::CreatedTime => made,
    });
    let listed = order::list::<NetworkAclView>(cx, query, by, asked.order_direction, made).await?;
    let tied: Vec<SubnetId> = listed.rows.iter().flat_map(|view| &view.acl.subnets).map(|tie| tie.subnet).collect();
    let subnets = match tied.is_empty() {
        true => vec![],
        false => cx.cloud.list_subnets(&cx.caller, Query { ids: tied, ..Query::default() }).await?.rows,
    };
    let ways = if subnets.is_empty() { Ways::default() } else { Ways::read(cx).await? };
    Ok(Acls { network_acl_set: listed.rows.iter().map(|view| reply(&view.acl, &subnets, &ways)).collect(), total_count: listed.total })
}

fn reply(acl: &NetworkAcl, subnets: &[(Subnet, u64)], ways: &Ways) -> AclReply {
    let mine = subnets.iter().filter(|(subnet, _)| acl.has_subnet(subnet.id));
    AclReply {
        vpc_id: id::shown(acl.vpc),
        network_acl_id: id::shown(acl.id),
        network_acl_name: acl.name.clone(),
        network_acl_type: "TRIPLE",
        created_time: time::by_beijing(acl.created_at.timestamp()),
        subnet_set: mine.map(|(row, free)| subnet::reply(row.clone(), *free, ways)).collect(),
        ingress_entries: entry_replies(acl, Direction::Ingress),
        egress_entries: entry_replies(acl, Direction::Egress),
        tag_set: tag::replies(&acl.tags),
    }
}

/// The entries of a direction; that what none is about is dropped stands in no entry.
fn entry_replies(acl: &NetworkAcl, direction: Direction) -> Vec<EntryReply> {
    (1..).zip(acl.in_order(direction)).map(|(priority, entry)| entry_reply(acl, &entry, priority)).collect()
}

fn entry_reply(acl: &NetworkAcl, entry: &AclEntry, priority: usize) -> EntryReply {
    let (protocol, port) = words_of(entry.protocol);
    let (range, id) = (entry.range.to_string(), entry_id(acl.id, entry));
    let none = String::new;
    let [v4, v6] = if entry.is_v6() { [(none(), none()), (range, id)] } else { [(range, id), (none(), none())] };
    EntryReply {
        protocol,
        port,
        cidr_block: v4.0,
        ipv6_cidr_block: v6.0,
        action: match entry.verdict {
            Verdict::Accept => "Accept",
            Verdict::Drop => "Drop",
        },
        description: acl.words_of(entry).map(|words| words.description.clone()).unwrap_or_default(),
        modify_time: "",
        priority,
        network_acl_ipv4_entry_id: v4.1,
        network_acl_ipv6_entry_id: v6.1,
    }
}

/// The id of an entry, which tells where it stands.
fn entry_id(acl: NetworkAclId, entry: &AclEntry) -> String {
    let direction = match entry.direction {
        Direction::Ingress => 'i',
        Direction::Egress => 'e',
    };
    let acl = acl.to_string();
    let version = if entry.is_v6() { '6' } else { '4' };
    format!("acli{version}-{}{direction}{:05}", acl.strip_prefix(NetworkAclId::PREFIX).unwrap_or(&acl), entry.number)
}

fn words_of(protocol: Protocol) -> (String, String) {
    let ports = |from: u16, to: u16| match (from, to) {
        (0, u16::MAX) => "all".to_owned(),
        (from, to) if from == to => from.to_string(),
        (from, to) => format!("{from}-{to}"),
    };
    match protocol {
        Protocol::All => ("all".to_owned(), "all".to_owned()),
        Protocol::Icmp { .. } => ("icmp".to_owned(), "all".to_owned()),
        Protocol::Icmp6 { .. } => ("icmpv6".to_owned(), "all".to_owned()),
        Protocol::Tcp { from, to } => ("tcp".to_owned(), ports(from, to)),
        Protocol::Udp { from, to } => ("udp".to_owned(), ports(from, to)),
        Protocol::Number { number } => (number.to_string(), "all".to_owned()),
    }
}

/// `ModifyNetworkAclEntries`.
#[derive(FromArg)]
pub(crate) struct ModifyNetworkAclEntries {
    network_acl_id: String,
    network_acl_entry_set: Option<EntrySet>,
}

/// Changes of single entries, and what is for ACLs of the other kind.
pub(crate) const ENTRIES_ABSENT: &[&str] = &["EnableUpdateAclEntries", "NetworkAclQuintupleSet"];

/// Entries of both directions.
#[derive(FromArg)]
struct EntrySet {
    #[arg(max_items = ENTRIES_PER_CALL)]
    ingress: Vec<EntryArg>,
    #[arg(max_items = ENTRIES_PER_CALL)]
    egress: Vec<EntryArg>,
}

#[derive(FromArg)]
struct EntryArg {
    protocol: String,
    port: Option<String>,
    cidr_block: Option<String>,
    ipv6_cidr_block: Option<String>,
    action: String,
    #[arg(max_len = 100)]
    description: Option<String>,
    #[expect(dead_code, reason = "clients send back what they read; the place in the list decides")]
    priority: Option<u32>,
    #[expect(dead_code, reason = "clients send back what they read")]
    modify_time: Option<String>,
    #[expect(dead_code, reason = "clients send back what they read; all entries of a direction are new")]
    network_acl_ipv4_entry_id: Option<String>,
    #[expect(dead_code, reason = "clients send back what they read; all entries of a direction are new")]
    network_acl_ipv6_entry_id: Option<String>,
}

impl EntryArg {
    fn entry(&self) -> Result<NewAclEntry, Fault> {
        let given = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
        let range = match (given(&self.cidr_block), given(&self.ipv6_cidr_block)) {
            (Some(range), None) => read_range(&range)?.into(),
            (None, Some(range)) => read_range6(&range)?.into(),
            (None, None) => return Err(Fault::missing("CidrBlock")),
            (Some(_), Some(_)) => return Err(Fault::invalid("Ipv6CidrBlock", "an entry has a CidrBlock or an Ipv6CidrBlock")),
        };
        let [protocol] = protocols(&self.protocol, self.port.as_deref())?[..] else {
            return Err(Fault::invalid("Port", "an entry has one port or range of ports"));
        };
        Ok(NewAclEntry {
            verdict: match self.action.to_ascii_uppercase().as_str() {
                "ACCEPT" => Verdict::Accept,
                "DROP" => Verdict::Drop,
                _ => return Err(Fault::invalid("Action", "must be ACCEPT or DROP")),
            },
            protocol: protocol.check()?,
            range,
            name: String::new(),
            description: self.description.clone().unwrap_or_default(),
        })
    }
}

/// Puts entries in the place of all that an ACL has, in each direction that is given any.
pub(crate) async fn modify_entries(cx: &Cx<'_>, asked: ModifyNetworkAclEntries) -> Result<(), Fault> {
    let set = asked.network_acl_entry_set.ok_or_else(|| Fault::missing("NetworkAclEntrySet"))?;
    let entries = |of: &[EntryArg]| {
        let new = || of.iter().map(EntryArg::entry).collect::<Result<Vec<_>, Fault>>();
        (!of.is_empty()).then(new).transpose()
    };
    let (ingress, egress) = (entries(&set.ingress)?, entries(&set.egress)?);
    if ingress.is_none() && egress.is_none() {
        return Err(Fault::missing("NetworkAclEntrySet"));
    }
    let command = control::SetAclEntries { acl: made(cx, &asked.network_acl_id).await?, ingress, egress };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// Reads the id of an ACL that somebody made: VPC knows no default ones.
async fn made(cx: &Cx<'_>, text: &str) -> Result<NetworkAclId, Fault> {
    let acl: NetworkAclId = id::read(text)?;
    let listed = cx.cloud.list::<NetworkAclView>(&cx.caller, Query { ids: vec![acl], ..Query::default() }).await?;
    match listed.rows.iter().any(|view| !view.acl.is_default) {
        true => Ok(acl),
        false => Err(Error::not_found(NetworkAclView::NOUN, acl).into()),
    }
}

/// `ModifyNetworkAclAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyNetworkAclAttribute {
    network_acl_id: String,
    #[arg(max_len = 60)]
    network_acl_name: String,
}

/// Gives an ACL another name.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyNetworkAclAttribute) -> Result<(), Fault> {
    let acl = made(cx, &asked.network_acl_id).await?;
    let command = control::ModifyNetworkAcl { acl, name: Some(asked.network_acl_name), description: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `AssociateNetworkAclSubnets` and `DisassociateNetworkAclSubnets`.
#[derive(FromArg)]
pub(crate) struct Ends {
    network_acl_id: String,
    #[arg(max_items = SUBNETS_PER_CALL)]
    subnet_ids: Vec<String>,
}

/// Ties subnets to an ACL, in place of the ones that they have: all of them or none.
pub(crate) async fn associate(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let subnets = id::read_some::<SubnetId>("SubnetIds", &asked.subnet_ids)?;
    let acl = made(cx, &asked.network_acl_id).await?;
    let tie = |subnet| control::AssociateNetworkAcl { subnet: AclSubnet::Id(subnet), acl, replaces: true };
    Ok(cx.cloud.run(&cx.caller, Many(subnets.into_iter().map(tie).collect()), cx.options()).await.map(drop)?)
}

/// Ends the ties of subnets to an ACL: all of them or none.
pub(crate) async fn disassociate(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let subnets = id::read_some::<SubnetId>("SubnetIds", &asked.subnet_ids)?;
    let acl = made(cx, &asked.network_acl_id).await?;
    let end = |subnet| control::DisassociateNetworkAcl { subnet, acl };
    Ok(cx.cloud.run(&cx.caller, Many(subnets.into_iter().map(end).collect()), cx.options()).await.map(drop)?)
}

/// `DeleteNetworkAcl`.
#[derive(FromArg)]
pub(crate) struct DeleteNetworkAcl {
    network_acl_id: String,
}

/// Deletes an ACL that no subnet has.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteNetworkAcl) -> Result<(), Fault> {
    let acl = made(cx, &asked.network_acl_id).await?;
    Ok(cx.cloud.run(&cx.caller, control::DeleteNetworkAcl { acl }, cx.options()).await?)
}

/// The ACLs that subnets are tied to.
pub(crate) async fn of_subnets(cx: &Cx<'_>) -> Result<Vec<NetworkAcl>, Fault> {
    let query = Query { page: control::Page::First(control::PAGE_MAX), ..Query::default() };
    let listed = cx.cloud.list::<NetworkAclView>(&cx.caller, query).await?;
    Ok(listed.rows.into_iter().map(|view| view.acl).filter(|acl| !acl.is_default).collect())
}
