//! Network ACLs, their entries, and the subnets that have them.

use control::{AclChange, AclSubnet, NetworkAclView, Query};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::{ACL_NUMBER_MAX, AclEntry, AclTie, Direction, Error, Noun, Protocol, Tags, Verdict};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};

/// The parameters of `DescribeNetworkAcls`.
#[derive(FromArg)]
pub(crate) struct DescribeNetworkAcls {
    #[arg(name = "NetworkAclId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeNetworkAcls`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Acls {
    network_acl_set: Vec<AclItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AclItem {
    network_acl_id: String,
    vpc_id: String,
    owner_id: String,
    default: bool,
    entry_set: Vec<EntryItem>,
    association_set: Vec<AssociationItem>,
    tag_set: Vec<TagItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct EntryItem {
    rule_number: u16,
    protocol: String,
    rule_action: &'static str,
    egress: bool,
    cidr_block: Option<String>,
    ipv6_cidr_block: Option<String>,
    icmp_type_code: Option<IcmpItem>,
    port_range: Option<PortRangeItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct IcmpItem {
    code: i32,
    r#type: i32,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct PortRangeItem {
    from: u16,
    to: u16,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AssociationItem {
    network_acl_association_id: String,
    network_acl_id: String,
    subnet_id: String,
}

/// Lists network ACLs.
pub(crate) async fn describe_acls(cx: Cx, asked: DescribeNetworkAcls) -> Result<Acls, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::NETWORK_ACL, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::NetworkAcl, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<NetworkAclView>(&cx.caller, query).await?;
    Ok(Acls { network_acl_set: listed.rows.iter().map(acl_item).collect(), next_token: pages.after(listed.next) })
}

fn acl_item(view: &NetworkAclView) -> AclItem {
    let acl = &view.acl;
    // The last entries of each direction, which EC2 shows as the numbers after the largest.
    let v4 = (ACL_NUMBER_MAX + 1, IpNet::V4(Ipv4Net::default()));
    let v6 = acl.judges_v6.then_some((ACL_NUMBER_MAX + 2, IpNet::V6(Ipv6Net::default())));
    let last = |direction| {
        let drop = move |(number, range)| AclEntry { number, direction, verdict: Verdict::Drop, protocol: Protocol::All, range };
        [v4].into_iter().chain(v6).map(drop)
    };
    let of = |direction| acl.entries.iter().copied().filter(move |entry| entry.direction == direction).chain(last(direction));
    let tie = |tie: &AclTie| AssociationItem {
        network_acl_association_id: tie.id.to_string(),
        network_acl_id: acl.id.to_string(),
        subnet_id: tie.subnet.to_string(),
    };
    AclItem {
        network_acl_id: acl.id.to_string(),
        vpc_id: acl.vpc.to_string(),
        owner_id: acl.account.to_string(),
        default: acl.is_default,
        entry_set: of(Direction::Egress).chain(of(Direction::Ingress)).map(|entry| entry_item(&entry)).collect(),
        association_set: view.ties.iter().map(tie).collect(),
        tag_set: tag::items(&acl.tags),
    }
}

fn entry_item(entry: &AclEntry) -> EntryItem {
    let any = |part: Option<u8>| part.map_or(-1, i32::from);
    EntryItem {
        rule_number: entry.number,
        protocol: number(entry.protocol).to_string(),
        rule_action: match entry.verdict {
            Verdict::Accept => "allow",
            Verdict::Drop => "deny",
        },
        egress: entry.direction == Direction::Egress,
        cidr_block: (!entry.is_v6()).then(|| entry.range.to_string()),
        ipv6_cidr_block: entry.is_v6().then(|| entry.range.to_string()),
        icmp_type_code: match entry.protocol {
            Protocol::Icmp { kind, code } | Protocol::Icmp6 { kind, code } => Some(IcmpItem { code: any(code), r#type: any(kind) }),
            Protocol::All | Protocol::Tcp { .. } | Protocol::Udp { .. } | Protocol::Number { .. } => None,
        },
        port_range: match entry.protocol {
            Protocol::Tcp { from, to } | Protocol::Udp { from, to } => Some(PortRangeItem { from, to }),
            Protocol::All | Protocol::Icmp { .. } | Protocol::Icmp6 { .. } | Protocol::Number { .. } => None,
        },
    }
}

/// EC2's number of a protocol here, where -1 stands for all.
fn number(protocol: Protocol) -> i32 {
    match protocol {
        Protocol::All => -1,
        Protocol::Icmp { .. } => 1,
        Protocol::Icmp6 { .. } => 58,
        Protocol::Tcp { .. } => 6,
        Protocol::Udp { .. } => 17,
        Protocol::Number { number } => number.into(),
    }
}

/// The parameters of `CreateNetworkAcl`.
#[derive(FromArg)]
pub(crate) struct CreateNetworkAcl {
    vpc_id: String,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `CreateNetworkAcl`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    network_acl: AclItem,
    client_token: Option<String>,
}

/// Makes an ACL that lets nothing pass.
pub(crate) async fn create(cx: Cx, asked: CreateNetworkAcl) -> Result<Created, Refusal> {
    let tags: Tags = tag::specified(&asked.tags, "network-acl", &["network-acl"])?;
    let vpc = tag::id(Noun::Vpc, &asked.vpc_id)?;
    let command = control::CreateNetworkAcl { vpc, name: String::new(), description: String::new(), is_open: false, tags };
    let acl = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token.clone())).await?;
    Ok(Created { network_acl: acl_item(&NetworkAclView { ties: acl.subnets.clone(), acl }), client_token: asked.client_token })
}

/// The parameters of `DeleteNetworkAcl`.
#[derive(FromArg)]
pub(crate) struct DeleteNetworkAcl {
    network_acl_id: String,
}

/// Deletes an ACL that no subnet has.
pub(crate) async fn delete(cx: Cx, asked: DeleteNetworkAcl) -> Result<(), Refusal> {
    let acl = tag::id(Noun::NetworkAcl, &asked.network_acl_id)?;
    Ok(cx.cloud.run(&cx.caller, control::DeleteNetworkAcl { acl }, cx.options(None)).await?)
}

/// The parameters of `CreateNetworkAclEntry` and `ReplaceNetworkAclEntry`.
#[derive(FromArg)]
pub(crate) struct Entry {
    network_acl_id: String,
    #[arg(range = 1..=32766)]
    rule_number: u16,
    protocol: String,
    rule_action: Action,
    egress: bool,
    cidr_block: Option<String>,
    ipv6_cidr_block: Option<String>,
    icmp: Option<AskedIcmp>,
    port_range: Option<AskedPorts>,
}

#[derive(FromArg, Clone, Copy)]
#[arg(rename = "lowercase")]
enum Action {
    Allow,
    Deny,
}

#[derive(FromArg)]
struct AskedIcmp {
    #[arg(range = -1..=255)]
    code: Option<i32>,
    #[arg(range = -1..=255)]
    r#type: Option<i32>,
}

#[derive(FromArg)]
struct AskedPorts {
    from: Option<u16>,
    to: Option<u16>,
}

impl Entry {
    fn entry(&self) -> Result<AclEntry, Refusal> {
        Ok(AclEntry {
            number: self.rule_number,
            direction: direction(self.egress),
            verdict: match self.rule_action {
                Action::Allow => Verdict::Accept,
                Action::Deny => Verdict::Drop,
            },
            protocol: self.protocol()?,
            range: self.range()?,
        })
    }

    fn range(&self) -> Result<IpNet, Refusal> {
        let invalid = |name, text: &str, version| Error::invalid(name, format!("{text} is not an {version} range"));
        match (self.cidr_block.as_deref(), self.ipv6_cidr_block.as_deref()) {
            (Some(text), None) => Ok(text.parse::<Ipv4Net>().map_err(|_| invalid("CidrBlock", text, "IPv4"))?.trunc().into()),
            (None, Some(text)) => Ok(text.parse::<Ipv6Net>().map_err(|_| invalid("Ipv6CidrBlock", text, "IPv6"))?.trunc().into()),
            (None, None) => Err(Error::MissingParameter { name: "CidrBlock" }.into()),
            (Some(_), Some(_)) => {
                Err(Error::InvalidCombination { reason: "an entry has a CidrBlock or an Ipv6CidrBlock".to_owned() }.into())
            }
        }
    }

    fn protocol(&self) -> Result<Protocol, Refusal> {
        let ports = || match &self.port_range {
            Some(AskedPorts { from: Some(from), to: Some(to) }) => Ok((*from, *to)),
            _ => Err(Refusal::from(Error::MissingParameter { name: "PortRange" })),
        };
        match self.protocol.as_str() {
            "-1" | "all" => Ok(Protocol::All),
            "6" | "tcp" => ports().map(|(from, to)| Protocol::Tcp { from, to }),
            "17" | "udp" => ports().map(|(from, to)| Protocol::Udp { from, to }),
            "1" | "icmp" => self.icmp().map(|(kind, code)| Protocol::Icmp { kind, code }),
            "58" | "icmpv6" => self.icmp().map(|(kind, code)| Protocol::Icmp6 { kind, code }),
            other => match other.parse() {
                Ok(number) => Ok(Protocol::Number { number }),
                Err(_) => Err(Error::invalid("Protocol", "must be -1 or a protocol number").into()),
            },
        }
    }

    fn icmp(&self) -> Result<(Option<u8>, Option<u8>), Refusal> {
        let icmp = self.icmp.as_ref().ok_or(Error::MissingParameter { name: "Icmp.Type" })?;
        // -1 stands for any.
        let part = |part: Option<i32>| part.and_then(|part| u8::try_from(part).ok());
        Ok((part(icmp.r#type), part(icmp.code)))
    }
}

fn direction(egress: bool) -> Direction {
    if egress { Direction::Egress } else { Direction::Ingress }
}

async fn change(cx: Cx, acl: &str, change: AclChange) -> Result<(), Refusal> {
    let acl = tag::id(Noun::NetworkAcl, acl)?;
    Ok(cx.cloud.run(&cx.caller, control::ChangeAclEntry { acl, change }, cx.options(None)).await?)
}

/// Adds an entry.
pub(crate) async fn create_entry(cx: Cx, asked: Entry) -> Result<(), Refusal> {
    let entry = asked.entry()?;
    change(cx, &asked.network_acl_id, AclChange::Add(entry)).await
}

/// Puts an entry in the place of the one with its number.
pub(crate) async fn replace_entry(cx: Cx, asked: Entry) -> Result<(), Refusal> {
    let entry = asked.entry()?;
    change(cx, &asked.network_acl_id, AclChange::Replace(entry)).await
}

/// The parameters of `DeleteNetworkAclEntry`.
#[derive(FromArg)]
pub(crate) struct DeleteEntry {
    network_acl_id: String,
    #[arg(range = 1..=32766)]
    rule_number: u16,
    egress: bool,
}

/// Takes an entry away.
pub(crate) async fn delete_entry(cx: Cx, asked: DeleteEntry) -> Result<(), Refusal> {
    change(cx, &asked.network_acl_id, AclChange::Remove(direction(asked.egress), asked.rule_number)).await
}

/// The parameters of `ReplaceNetworkAclAssociation`.
#[derive(FromArg)]
pub(crate) struct ReplaceAssociation {
    association_id: String,
    network_acl_id: String,
}

/// The reply of `ReplaceNetworkAclAssociation`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Replaced {
    new_association_id: String,
}

/// Gives a subnet another ACL.
pub(crate) async fn replace_association(cx: Cx, asked: ReplaceAssociation) -> Result<Replaced, Refusal> {
    let subnet = AclSubnet::Tie(tag::id(Noun::NetworkAclAssociation, &asked.association_id)?);
    let acl = tag::id(Noun::NetworkAcl, &asked.network_acl_id)?;
    let tie = cx.cloud.run(&cx.caller, control::AssociateNetworkAcl { subnet, acl, replaces: true }, cx.options(None)).await?;
    Ok(Replaced { new_association_id: tie.to_string() })
}
