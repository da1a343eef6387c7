//! Network ACLs of VPC: the rules at the border of vSwitches.
//!
//! VPC shows only ACLs that somebody made: a vSwitch without one has the default one, which lets everything pass. The place of an
//! entry in its list is what decides, so an entry's number is no word of VPC's; its id here is the ACL's with direction and number.

use control::{Field, Listed, Listing, Many, NetworkAclView, NewAclEntry, Query};
use jiff::Timestamp;
use model::{AclEntry, AclTie, Direction, NetworkAcl, NetworkAclId, Noun, Protocol, SubnetId, Verdict};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{Numbered, SHORT_PAGE_MAX};
use crate::security_group_rules::{read_range, read_range6, verdict};
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// Most entries of a direction in one call (VPC documents 100).
const ENTRIES_PER_CALL: usize = 100;
/// Most vSwitches of one call (VPC documents 30).
const RESOURCES_PER_CALL: usize = 30;
/// IP protocol of the encapsulation that VPC calls GRE.
const GRE: u8 = 47;

/// `CreateNetworkAcl`.
#[derive(FromArg)]
pub(crate) struct CreateNetworkAcl {
    vpc_id: String,
    network_acl_name: Option<String>,
    description: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    network_acl_id: String,
    network_acl_attribute: NewAclReply,
}

/// A new ACL is told with less than one that is listed.
#[derive(Show)]
struct NewAclReply {
    network_acl_id: String,
    network_acl_name: String,
    description: String,
    vpc_id: String,
    region_id: String,
    status: &'static str,
    creation_time: Timestamp,
    #[reply(list = "IngressAclEntry")]
    ingress_acl_entries: Vec<NewEntryReply>,
    #[reply(list = "EgressAclEntry")]
    egress_acl_entries: Vec<NewEntryReply>,
    #[reply(list = "Resource")]
    resources: Vec<ResourceReply>,
}

#[derive(Show)]
struct NewEntryReply {
    network_acl_entry_id: String,
    network_acl_entry_name: String,
    description: String,
    policy: &'static str,
    protocol: String,
    port: String,
    source_cidr_ip: Option<String>,
    destination_cidr_ip: Option<String>,
}

/// Makes an ACL, which lets everything pass until its entries are said.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateNetworkAcl) -> Result<Created, Fault> {
    let command = control::CreateNetworkAcl {
        vpc: id(Noun::Vpc, &asked.vpc_id)?,
        name: asked.network_acl_name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        is_open: true,
        tags: tags_of(asked.tags)?,
    };
    let acl = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { network_acl_id: acl.id.to_string(), network_acl_attribute: new_reply(cx, acl) })
}

fn new_reply(cx: &Cx<'_>, acl: NetworkAcl) -> NewAclReply {
    let entries = |direction| {
        let new = |entry: EntryReply| NewEntryReply {
            network_acl_entry_id: entry.network_acl_entry_id,
            network_acl_entry_name: entry.network_acl_entry_name,
            description: entry.description,
            policy: entry.policy,
            protocol: entry.protocol,
            port: entry.port,
            source_cidr_ip: entry.source_cidr_ip,
            destination_cidr_ip: entry.destination_cidr_ip,
        };
        entry_replies(&acl, direction).into_iter().map(new).collect()
    };
    NewAclReply {
        network_acl_id: acl.id.to_string(),
        vpc_id: acl.vpc.to_string(),
        region_id: cx.region(),
        status: "Available",
        creation_time: acl.created_at.timestamp(),
        ingress_acl_entries: entries(Direction::Ingress),
        egress_acl_entries: entries(Direction::Egress),
        resources: resource_replies(&acl.subnets),
        network_acl_name: acl.name,
        description: acl.description,
    }
}

/// `DescribeNetworkAcls`.
#[derive(FromArg)]
pub(crate) struct DescribeNetworkAcls {
    network_acl_id: Option<String>,
    network_acl_name: Option<String>,
    vpc_id: Option<String>,
    resource_id: Option<String>,
    resource_type: Option<ResourceType>,
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Debug, Clone, Copy, FromArg)]
enum ResourceType {
    VSwitch,
}

/// ACLs; the numbers of the page are texts in this reply.
#[derive(Show)]
pub(crate) struct Acls {
    #[reply(list = "NetworkAcl")]
    network_acls: Vec<AclReply>,
    total_count: String,
    page_number: String,
    page_size: String,
}

#[derive(Show)]
struct AclReply {
    network_acl_id: String,
    network_acl_name: String,
    description: String,
    vpc_id: String,
    region_id: String,
    owner_id: u64,
    status: &'static str,
    creation_time: Timestamp,
    #[reply(list = "IngressAclEntry")]
    ingress_acl_entries: Vec<EntryReply>,
    #[reply(list = "EgressAclEntry")]
    egress_acl_entries: Vec<EntryReply>,
    #[reply(list = "Resource")]
    resources: Vec<ResourceReply>,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

#[derive(Show)]
struct EntryReply {
    network_acl_entry_id: String,
    network_acl_entry_name: String,
    description: String,
    entry_type: &'static str,
    ip_version: &'static str,
    policy: &'static str,
    protocol: String,
    port: String,
    source_cidr_ip: Option<String>,
    destination_cidr_ip: Option<String>,
}

#[derive(Show)]
struct ResourceReply {
    resource_id: String,
    resource_type: &'static str,
    status: &'static str,
}

/// Lists the ACLs that somebody made.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeNetworkAcls) -> Result<Acls, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::IsDefault, Some(false))
        .exact(Field::Id, asked.network_acl_id.as_ref())
        .exact(Field::Name, asked.network_acl_name.as_ref())
        .exact(Field::Vpc, asked.vpc_id.as_ref())
        .exact(Field::Subnet, asked.resource_type.and(asked.resource_id.as_ref()))
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed: Listed<NetworkAclView> = cx.cloud.list(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    Ok(Acls {
        network_acls: listed.rows.iter().map(|view| reply(cx, &view.acl)).collect(),
        total_count: numbers.total_count.to_string(),
        page_number: numbers.page_number.to_string(),
        page_size: numbers.page_size.to_string(),
    })
}

/// `DescribeNetworkAclAttributes`.
#[derive(FromArg)]
pub(crate) struct Which {
    network_acl_id: String,
}

#[derive(Show)]
pub(crate) struct Attributes {
    network_acl_attribute: AclReply,
}

/// Tells one ACL.
pub(crate) async fn attributes(cx: &Cx<'_>, asked: Which) -> Result<Attributes, Fault> {
    Ok(Attributes { network_acl_attribute: reply(cx, &one(cx, &asked.network_acl_id).await?) })
}

/// The ACL, if somebody made it: VPC knows no default ones.
async fn one(cx: &Cx<'_>, text: &str) -> Result<NetworkAcl, Fault> {
    let query = Query { ids: vec![id(Noun::NetworkAcl, text)?], ..Query::default() };
    let mut listed = cx.cloud.list::<NetworkAclView>(&cx.caller, query).await?;
    let made = listed.rows.pop().map(|view| view.acl).filter(|acl| !acl.is_default);
    made.ok_or_else(|| Fault::not_found(NetworkAclView::NOUN, text))
}

fn reply(cx: &Cx<'_>, acl: &NetworkAcl) -> AclReply {
    AclReply {
        network_acl_id: acl.id.to_string(),
        network_acl_name: acl.name.clone(),
        description: acl.description.clone(),
        vpc_id: acl.vpc.to_string(),
        region_id: cx.region(),
        owner_id: acl.account.as_u64(),
        status: "Available",
        creation_time: acl.created_at.timestamp(),
        ingress_acl_entries: entry_replies(acl, Direction::Ingress),
        egress_acl_entries: entry_replies(acl, Direction::Egress),
        resources: resource_replies(&acl.subnets),
        tags: vpc_tag_replies(&acl.tags),
    }
}

fn resource_replies(ties: &[AclTie]) -> Vec<ResourceReply> {
    let one = |tie: &AclTie| ResourceReply { resource_id: tie.subnet.to_string(), resource_type: "VSwitch", status: "BINDED" };
    ties.iter().map(one).collect()
}

/// The entries of a direction; that what none is about is dropped stands in no entry.
fn entry_replies(acl: &NetworkAcl, direction: Direction) -> Vec<EntryReply> {
    acl.in_order(direction).iter().map(|entry| entry_reply(acl, entry)).collect()
}

fn entry_reply(acl: &NetworkAcl, entry: &AclEntry) -> EntryReply {
    let words = acl.words_of(entry).cloned();
    let (name, description) = words.map_or_else(Default::default, |words| (words.name, words.description));
    let (protocol, port) = words_of(entry.protocol);
    let range = Some(entry.range.to_string());
    let (source_cidr_ip, destination_cidr_ip) = match entry.direction {
        Direction::Ingress => (range, None),
        Direction::Egress => (None, range),
    };
    EntryReply {
        network_acl_entry_id: entry_id(acl.id, entry),
        network_acl_entry_name: name,
        description,
        entry_type: "custom",
        ip_version: if entry.is_v6() { "IPv6" } else { "IPv4" },
        policy: match entry.verdict {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
        },
        protocol,
        port,
        source_cidr_ip,
        destination_cidr_ip,
    }
}

/// The id of an entry, which tells where it stands.
fn entry_id(acl: NetworkAclId, entry: &AclEntry) -> String {
    let acl = acl.to_string();
    let direction = match entry.direction {
        Direction::Ingress => 'i',
        Direction::Egress => 'e',
    };
    format!("nae-{}{direction}{:05}", acl.strip_prefix(NetworkAclId::PREFIX).unwrap_or(&acl), entry.number)
}

fn words_of(protocol: Protocol) -> (String, String) {
    let any = || "-1/-1".to_owned();
    let ports = |from: u16, to: u16| if (from, to) == (0, u16::MAX) { any() } else { format!("{from}/{to}") };
    match protocol {
        Protocol::All => ("all".to_owned(), any()),
        Protocol::Icmp { .. } => ("icmp".to_owned(), any()),
        Protocol::Icmp6 { .. } => ("icmpv6".to_owned(), any()),
        Protocol::Tcp { from, to } => ("tcp".to_owned(), ports(from, to)),
        Protocol::Udp { from, to } => ("udp".to_owned(), ports(from, to)),
        Protocol::Number { number: GRE } => ("gre".to_owned(), any()),
        Protocol::Number { number } => (number.to_string(), any()),
    }
}

/// `UpdateNetworkAclEntries`.
#[derive(FromArg)]
pub(crate) struct UpdateNetworkAclEntries {
    network_acl_id: String,
    update_ingress_acl_entries: Option<bool>,
    update_egress_acl_entries: Option<bool>,
    #[arg(max_items = ENTRIES_PER_CALL)]
    ingress_acl_entries: Vec<EntryArg>,
    #[arg(max_items = ENTRIES_PER_CALL)]
    egress_acl_entries: Vec<EntryArg>,
}

#[derive(FromArg)]
struct EntryArg {
    network_acl_entry_id: Option<String>,
    network_acl_entry_name: Option<String>,
    description: Option<String>,
    entry_type: Option<String>,
    ip_version: Option<String>,
    policy: Option<String>,
    protocol: Option<String>,
    port: Option<String>,
    source_cidr_ip: Option<String>,
    destination_cidr_ip: Option<String>,
}

impl EntryArg {
    fn entry(&self, direction: Direction) -> Result<NewAclEntry, Fault> {
        let has =
            |text: &Option<String>, known: &str| text.as_deref().is_none_or(|text| text.is_empty() || text.eq_ignore_ascii_case(known));
        let is_v6 = match self.ip_version.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("" | "ipv4") => false,
            Some("ipv6") => true,
            Some(_) => return Err(Fault::invalid("IpVersion", "must be IPv4 or IPv6")),
        };
        if !has(&self.entry_type, "custom") {
            return Err(Fault::invalid("EntryType", "must be custom"));
        }
        let (range, name) = match direction {
            Direction::Ingress => (&self.source_cidr_ip, "SourceCidrIp"),
            Direction::Egress => (&self.destination_cidr_ip, "DestinationCidrIp"),
        };
        Ok(NewAclEntry {
            verdict: verdict(Some(self.policy.as_deref().ok_or_else(|| Fault::missing("Policy"))?))?,
            protocol: protocol(self.protocol.as_deref().unwrap_or_default(), self.port.as_deref().unwrap_or_default())?,
            range: match (range.as_deref().ok_or_else(|| Fault::missing(name))?, is_v6) {
                (text, false) => read_range(text, name)?.into(),
                (text, true) => read_range6(text, name)?.into(),
            },
            name: self.network_acl_entry_name.clone().unwrap_or_default(),
            description: self.description.clone().unwrap_or_default(),
        })
    }
}

/// The protocol of an entry with its ports, written `22/22`.
fn protocol(name: &str, ports: &str) -> Result<Protocol, Fault> {
    let range = || match ports {
        "-1/-1" => Ok((0, u16::MAX)),
        "" => Err(Fault::missing("Port")),
        _ => {
            let pair = ports.split_once('/').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
            pair.ok_or_else(|| Fault::invalid("Port", "it is not written like 22/22"))
        }
    };
    let protocol = match name.to_ascii_lowercase().as_str() {
        "" => return Err(Fault::missing("Protocol")),
        "all" => Protocol::All,
        "tcp" => range().map(|(from, to)| Protocol::Tcp { from, to })?,
        "udp" => range().map(|(from, to)| Protocol::Udp { from, to })?,
        "icmp" => Protocol::Icmp { kind: None, code: None },
        "gre" => Protocol::Number { number: GRE },
        "icmpv6" => Protocol::Icmp6 { kind: None, code: None },
        _ => return Err(Fault::invalid("Protocol", "must be all, tcp, udp, icmp, icmpv6 or gre")),
    };
    Ok(protocol.check()?)
}

/// Puts entries in the place of all that an ACL has in the directions that are to be updated.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdateNetworkAclEntries) -> Result<(), Fault> {
    let acl = one(cx, &asked.network_acl_id).await?;
    let named = asked.ingress_acl_entries.iter().chain(&asked.egress_acl_entries).filter_map(|entry| entry.network_acl_entry_id.as_ref());
    let known: Vec<String> = acl.entries.iter().map(|entry| entry_id(acl.id, entry)).collect();
    if let Some(unknown) = named.filter(|id| !id.is_empty()).find(|id| !known.contains(id)) {
        return Err(Fault::not_found(Noun::NetworkAclEntry, unknown));
    }
    let entries = |is_asked: Option<bool>, entries: &[EntryArg], direction| {
        let new = || entries.iter().map(|entry| entry.entry(direction)).collect::<Result<Vec<_>, Fault>>();
        (is_asked == Some(true)).then(new).transpose()
    };
    let command = control::SetAclEntries {
        acl: acl.id,
        ingress: entries(asked.update_ingress_acl_entries, &asked.ingress_acl_entries, Direction::Ingress)?,
        egress: entries(asked.update_egress_acl_entries, &asked.egress_acl_entries, Direction::Egress)?,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ModifyNetworkAclAttributes`.
#[derive(FromArg)]
pub(crate) struct ModifyNetworkAclAttributes {
    network_acl_id: String,
    network_acl_name: Option<String>,
    description: Option<String>,
}

/// Changes what is said of an ACL.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyNetworkAclAttributes) -> Result<(), Fault> {
    let acl = one(cx, &asked.network_acl_id).await?.id;
    let command = control::ModifyNetworkAcl { acl, name: asked.network_acl_name, description: asked.description };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `AssociateNetworkAcl` and `UnassociateNetworkAcl`.
#[derive(FromArg)]
pub(crate) struct Ends {
    network_acl_id: String,
    #[arg(name = "Resource", max_items = RESOURCES_PER_CALL)]
    resources: Vec<ResourceArg>,
}

#[derive(FromArg)]
struct ResourceArg {
    resource_id: String,
    #[expect(dead_code, reason = "there is one type, and another is refused when it is read")]
    resource_type: ResourceType,
}

impl Ends {
    fn subnets(&self) -> Result<Vec<SubnetId>, Fault> {
        if self.resources.is_empty() {
            return Err(Fault::missing("Resource"));
        }
        self.resources.iter().map(|resource| id(Noun::Subnet, &resource.resource_id)).collect()
    }
}

/// Ties vSwitches that have none to an ACL: all of them or none.
pub(crate) async fn associate(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let acl = one(cx, &asked.network_acl_id).await?.id;
    let tie = |subnet| control::AssociateNetworkAcl { subnet: control::AclSubnet::Id(subnet), acl, replaces: false };
    let command = Many(asked.subnets()?.into_iter().map(tie).collect());
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await.map(drop)?)
}

/// Ends the ties of vSwitches to an ACL: all of them or none.
pub(crate) async fn unassociate(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let acl = one(cx, &asked.network_acl_id).await?.id;
    let command = Many(asked.subnets()?.into_iter().map(|subnet| control::DisassociateNetworkAcl { subnet, acl }).collect());
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await.map(drop)?)
}

/// `DeleteNetworkAcl`.
#[derive(FromArg)]
pub(crate) struct DeleteNetworkAcl {
    network_acl_id: String,
}

/// Deletes an ACL that no vSwitch has.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteNetworkAcl) -> Result<(), Fault> {
    let acl = one(cx, &asked.network_acl_id).await?.id;
    Ok(cx.cloud.run(&cx.caller, control::DeleteNetworkAcl { acl }, cx.options()?).await?)
}
