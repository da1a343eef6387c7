//! Network ACLs of VPC: the rules at the border of subnets, those of three parts (protocol, port, other end).
//!
//! VPC shows only ACLs that somebody made: a subnet without one has the default one, which lets everything pass. The place of an
//! entry in its list is what decides, and its number is shown nowhere but in its id.

use control::{AclEdit, AclSubnet, EditAclEntries, Field, Listing, Many, NetworkAclView, NewAclEntry, OrderKey, Query};
use model::{ACL_ENTRIES_MAX, AclEntry, Direction, Error, NetworkAcl, NetworkAclId, Noun, Protocol, Subnet, SubnetId, Verdict, VpcId};
use wire::{FromArg, Show};

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
/// The last place that an entry can have.
const PRIORITY_MAX: u32 = ACL_ENTRIES_MAX as u32;
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
#[derive(Show)]
pub(crate) struct Made {
    network_acl: AclReply,
}

#[derive(Show)]
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

#[derive(Show)]
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
#[derive(Show)]
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
    let version = if entry.is_v6() { '6' } else { '4' };
    format!("{}{:05}", entry_prefix(acl, entry.direction, version), entry.number)
}

/// What the ids of the entries of a direction and a version of IP begin with.
fn entry_prefix(acl: NetworkAclId, direction: Direction, version: char) -> String {
    let direction = match direction {
        Direction::Ingress => 'i',
        Direction::Egress => 'e',
    };
    let acl = acl.to_string();
    format!("acli{version}-{}{direction}", acl.strip_prefix(NetworkAclId::PREFIX).unwrap_or(&acl))
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
    #[arg(default)]
    enable_update_acl_entries: bool,
}

/// What is for ACLs of the other kind.
pub(crate) const ENTRIES_ABSENT: &[&str] = &["NetworkAclQuintupleSet"];

/// `CreateNetworkAclEntries` and `DeleteNetworkAclEntries`.
#[derive(FromArg)]
pub(crate) struct Entries {
    network_acl_id: String,
    network_acl_entry_set: Option<EntrySet>,
}

/// Entries of both directions.
#[derive(FromArg)]
struct EntrySet {
    #[arg(max_items = ENTRIES_PER_CALL)]
    ingress: Vec<EntryArg>,
    #[arg(max_items = ENTRIES_PER_CALL)]
    egress: Vec<EntryArg>,
}

impl EntrySet {
    /// Its entries, each with its direction; some.
    fn read(set: Option<EntrySet>) -> Result<Vec<(Direction, EntryArg)>, Fault> {
        let set = set.filter(|set| !set.ingress.is_empty() || !set.egress.is_empty());
        let EntrySet { ingress, egress } = set.ok_or_else(|| Fault::missing("NetworkAclEntrySet"))?;
        let egress = egress.into_iter().map(|entry| (Direction::Egress, entry));
        Ok(ingress.into_iter().map(|entry| (Direction::Ingress, entry)).chain(egress).collect())
    }
}

/// An entry. Which of it must be there is the call's to say.
#[derive(FromArg)]
struct EntryArg {
    protocol: Option<String>,
    port: Option<String>,
    cidr_block: Option<String>,
    ipv6_cidr_block: Option<String>,
    action: Option<String>,
    #[arg(max_len = 100)]
    description: Option<String>,
    #[arg(range = 1..=PRIORITY_MAX)]
    priority: Option<u32>,
    #[expect(dead_code, reason = "clients send back what they read")]
    modify_time: Option<String>,
    network_acl_ipv4_entry_id: Option<String>,
    network_acl_ipv6_entry_id: Option<String>,
}

impl EntryArg {
    fn entry(&self) -> Result<NewAclEntry, Fault> {
        let range = match (given(&self.cidr_block), given(&self.ipv6_cidr_block)) {
            (Some(range), None) => read_range(range)?.into(),
            (None, Some(range)) => read_range6(range)?.into(),
            (None, None) => return Err(Fault::missing("CidrBlock")),
            (Some(_), Some(_)) => return Err(Fault::invalid("Ipv6CidrBlock", "an entry has a CidrBlock or an Ipv6CidrBlock")),
        };
        let protocol = self.protocol.as_deref().ok_or_else(|| Fault::missing("Protocol"))?;
        let [protocol] = protocols(protocol, self.port.as_deref())?[..] else {
            return Err(Fault::invalid("Port", "an entry has one port or range of ports"));
        };
        let action = self.action.as_deref().ok_or_else(|| Fault::missing("Action"))?;
        Ok(NewAclEntry {
            verdict: match action.to_ascii_uppercase().as_str() {
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

    /// The number of the entry that it names by id.
    fn number(&self, acl: NetworkAclId, direction: Direction) -> Result<u16, Fault> {
        let (id, version) = match (given(&self.network_acl_ipv4_entry_id), given(&self.network_acl_ipv6_entry_id)) {
            (Some(id), None) => (id, '4'),
            (None, Some(id)) => (id, '6'),
            (None, None) => return Err(Fault::missing("NetworkAclIpv4EntryId")),
            (Some(_), Some(_)) => return Err(Fault::invalid("NetworkAclIpv6EntryId", "an entry is one of IPv4 or one of IPv6")),
        };
        let number = id.strip_prefix(&entry_prefix(acl, direction, version)).and_then(|number| number.parse().ok());
        number.ok_or_else(|| Error::not_found(Noun::NetworkAclEntry, id).into())
    }

    /// What an entry becomes: what is not said of it stays.
    fn entry_over(self, acl: &NetworkAcl, direction: Direction, number: u16) -> Result<NewAclEntry, Fault> {
        let mut shown = (1..).zip(acl.in_order(direction)).find(|(_, entry)| entry.number == number);
        let (place, had) = shown.take().ok_or_else(|| Error::not_found(Noun::NetworkAclEntry, number))?;
        let had = entry_reply(acl, &had, place);
        if self.priority.is_some_and(|priority| priority as usize != place) {
            return Err(Fault::invalid("Priority", "an entry keeps its place when it is changed"));
        }
        let same_protocol = given(&self.protocol).is_none_or(|protocol| protocol.eq_ignore_ascii_case(&had.protocol));
        let has_range = given(&self.cidr_block).is_some() || given(&self.ipv6_cidr_block).is_some();
        let range = |own: Option<String>, had: String| own.or_else(|| (!has_range).then_some(had));
        EntryArg {
            port: self.port.or_else(|| same_protocol.then_some(had.port)),
            protocol: self.protocol.filter(|protocol| !protocol.is_empty()).or(Some(had.protocol)),
            cidr_block: range(self.cidr_block, had.cidr_block),
            ipv6_cidr_block: range(self.ipv6_cidr_block, had.ipv6_cidr_block),
            action: self.action.or_else(|| Some(had.action.to_owned())),
            description: self.description.or(Some(had.description)),
            ..self
        }
        .entry()
    }
}

/// A text that is there and not empty.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Puts entries in the place of all that an ACL has, in each direction that is given any; or changes those that are named.
pub(crate) async fn modify_entries(cx: &Cx<'_>, asked: ModifyNetworkAclEntries) -> Result<(), Fault> {
    if asked.enable_update_acl_entries {
        return update_entries(cx, &asked.network_acl_id, EntrySet::read(asked.network_acl_entry_set)?).await;
    }
    let read = EntrySet::read(asked.network_acl_entry_set)?;
    let of = |wanted: Direction| {
        let mine = read.iter().filter(|(direction, _)| *direction == wanted).map(|(_, entry)| entry.entry());
        let mine = mine.collect::<Result<Vec<_>, Fault>>()?;
        Ok::<_, Fault>(Some(mine).filter(|mine| !mine.is_empty()))
    };
    let (ingress, egress) = (of(Direction::Ingress)?, of(Direction::Egress)?);
    let command = control::SetAclEntries { acl: made(cx, &asked.network_acl_id).await?.id, ingress, egress };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

async fn update_entries(cx: &Cx<'_>, acl: &str, entries: Vec<(Direction, EntryArg)>) -> Result<(), Fault> {
    let acl = made(cx, acl).await?;
    let edit = |(direction, entry): (Direction, EntryArg)| {
        let number = entry.number(acl.id, direction)?;
        Ok(AclEdit::Replace { direction, number, entry: entry.entry_over(&acl, direction, number)? })
    };
    let edits = entries.into_iter().map(edit).collect::<Result<Vec<_>, Fault>>()?;
    Ok(cx.cloud.run(&cx.caller, EditAclEntries { acl: acl.id, edits }, cx.options()).await?)
}

/// Puts entries in beside those that are there, each at its place or as the last one.
pub(crate) async fn create_entries(cx: &Cx<'_>, asked: Entries) -> Result<(), Fault> {
    let insert = |(direction, entry): (Direction, EntryArg)| {
        Ok(AclEdit::Insert { direction, place: entry.priority.map(|place| place as usize), entry: entry.entry()? })
    };
    let edits = EntrySet::read(asked.network_acl_entry_set)?.into_iter().map(insert).collect::<Result<Vec<_>, Fault>>()?;
    let acl = made(cx, &asked.network_acl_id).await?.id;
    Ok(cx.cloud.run(&cx.caller, EditAclEntries { acl, edits }, cx.options()).await?)
}

/// Takes entries away that are named by id: all of them or none.
pub(crate) async fn delete_entries(cx: &Cx<'_>, asked: Entries) -> Result<(), Fault> {
    let entries = EntrySet::read(asked.network_acl_entry_set)?;
    let acl = made(cx, &asked.network_acl_id).await?.id;
    let remove =
        |(direction, entry): &(Direction, EntryArg)| Ok(AclEdit::Remove { direction: *direction, number: entry.number(acl, *direction)? });
    let edits = entries.iter().map(remove).collect::<Result<Vec<_>, Fault>>()?;
    Ok(cx.cloud.run(&cx.caller, EditAclEntries { acl, edits }, cx.options()).await?)
}

/// An ACL that somebody made, by its id: VPC knows no default ones.
async fn made(cx: &Cx<'_>, text: &str) -> Result<NetworkAcl, Fault> {
    let acl: NetworkAclId = id::read(text)?;
    let listed = cx.cloud.list::<NetworkAclView>(&cx.caller, Query { ids: vec![acl], ..Query::default() }).await?;
    let found = listed.rows.into_iter().map(|view| view.acl).find(|acl| !acl.is_default);
    found.ok_or_else(|| Error::not_found(NetworkAclView::NOUN, acl).into())
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
    let acl = made(cx, &asked.network_acl_id).await?.id;
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
    let acl = made(cx, &asked.network_acl_id).await?.id;
    let tie = |subnet| control::AssociateNetworkAcl { subnet: AclSubnet::Id(subnet), acl, replaces: true };
    Ok(cx.cloud.run(&cx.caller, Many(subnets.into_iter().map(tie).collect()), cx.options()).await.map(drop)?)
}

/// Ends the ties of subnets to an ACL: all of them or none.
pub(crate) async fn disassociate(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let subnets = id::read_some::<SubnetId>("SubnetIds", &asked.subnet_ids)?;
    let acl = made(cx, &asked.network_acl_id).await?.id;
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
    let acl = made(cx, &asked.network_acl_id).await?.id;
    Ok(cx.cloud.run(&cx.caller, control::DeleteNetworkAcl { acl }, cx.options()).await?)
}

/// The ACLs that subnets are tied to.
pub(crate) async fn of_subnets(cx: &Cx<'_>) -> Result<Vec<NetworkAcl>, Fault> {
    let query = Query { page: control::Page::First(control::PAGE_MAX), ..Query::default() };
    let listed = cx.cloud.list::<NetworkAclView>(&cx.caller, query).await?;
    Ok(listed.rows.into_iter().map(|view| view.acl).filter(|acl| !acl.is_default).collect())
}
