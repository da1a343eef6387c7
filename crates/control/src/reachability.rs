//! Facts of a question whether one thing reaches another, gathered from the rows; the model judges them.
//!
//! A question may leave a port or an address open. It is then asked for those at which rules begin and end, since between them
//! nothing changes, and the answer that comes furthest counts. What belongs to other accounts is as unknown as the world.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use model::reachability::{EgressOnlyExit, Endpoint, Flow, Obstacle, Receiver, Sender, Way, reach};
use model::{
    AccountId, Address, Direction, EgressOnlyGateway, Error, Instance, Interface, InterfaceId, IpVersion, Ipv6Bandwidth, Noun, PathEnd,
    Peer, Phase, Protocol, Question, Rule, RuleId, SecurityGroup, SecurityGroupId, Transport, VPC_IPV6_PREFIX, Vpc, VpcId, acl_of,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::gateway::gateway_of;
use crate::instance::instance_of;
use crate::nat_gateway::exits;
use crate::prefix_list::expanded;
use crate::route::tables_of_vpc;
use crate::run::Cx;
use crate::security_group_rules::NewRule;
use crate::vpc_gateway::gateway_in_use;
use crate::vpc_peering::peers_of;
use crate::{Cloud, Failure};

/// Most ports that an open question is asked for.
const PORTS_MAX: usize = 64;
/// Most addresses that an open question is asked for.
const ADDRESSES_MAX: usize = 16;
/// The port that a connection is taken to come from, which only network ACLs ask for: the first of the dynamic ones (RFC 6335).
const ANSWERS_TO: u16 = 49_152;
/// Somebody in the world of whom no rule speaks (RFC 5737, TEST-NET-2).
const SOMEBODY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The same in IPv6 (RFC 3849).
const SOMEBODY_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// A change of a group's rules that is only thought of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The group.
    pub group: SecurityGroupId,
    /// The rule.
    pub rule: NewRule,
    /// Whether it comes or goes.
    pub change: ProposedChange,
}

/// Whether a proposed rule comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProposedChange {
    /// It comes.
    Add,
    /// Every rule of the same effect goes.
    Remove,
}

impl Cloud {
    /// Answers for an account whether one thing reaches another, as things are, or as they would be after these changes. For the
    /// operator; nobody is asked for leave.
    pub async fn reach(&self, account: AccountId, question: Question, proposals: Vec<Proposal>) -> Result<Way, Error> {
        let view = View { account, pool: self.region().public_pool, ipv6_pool: self.region().ipv6_pool };
        let found = self.store().read(move |tx| judge(tx, view, &question, &proposals));
        found.await.map_err(|failure| self.refusal("ask whether one thing reaches another", failure))
    }
}

/// Who asks, and which public addresses are the cloud's.
#[derive(Clone, Copy)]
pub(crate) struct View {
    account: AccountId,
    pool: Ipv4Net,
    /// The pool of IPv6 that the operator named.
    ipv6_pool: Option<Ipv6Net>,
}

impl View {
    /// What the caller of a command sees.
    pub(crate) fn of(cx: &Cx<'_>) -> View {
        let region = cx.cloud.region();
        View { account: cx.caller.account(), pool: region.public_pool, ipv6_pool: region.ipv6_pool }
    }

    /// Whether an address is one that the cloud gives.
    fn is_ours(&self, tx: &Tx<'_>, ip: IpAddr) -> Result<bool, Failure> {
        match ip {
            IpAddr::V4(ip) => Ok(self.pool.contains(&ip)),
            IpAddr::V6(ip) => {
                let pool = self.ipv6_pool.map_or_else(|| tx.ipv6_site(), |pool| Ok(Some(pool)))?;
                Ok(pool.is_some_and(|pool| pool.contains(&ip)))
            }
        }
    }
}

/// Answers a question from the rows.
pub(crate) fn judge(tx: &Tx<'_>, view: View, question: &Question, proposals: &[Proposal]) -> Result<Way, Failure> {
    if question.from_ip.into_iter().chain(question.to_ip).any(|ip| IpVersion::of(ip) != question.version) {
        return Err(Error::InvalidCombination { reason: "the addresses must be of one version of IP".to_owned() }.into());
    }
    let mut from = end(tx, view, question.from, question.from_ip)?;
    let mut to = question.to.map(|to| end(tx, view, to, question.to_ip)).transpose()?;
    if from.is_none() && to.as_ref().is_some_and(Option::is_none) {
        return Err(Error::InvalidCombination { reason: "one end at least must be an instance or an interface".to_owned() }.into());
    }
    check_source(from.as_ref(), question.from_ip)?;
    let whom = match (&to, question.to_ip) {
        (Some(Some(receiver)), ip) => match address_of(from.as_ref(), receiver, question.version, ip)? {
            Some(ip) => Whom::Interface(ip),
            None => return Ok(unreachable(receiver, question.version)),
        },
        (Some(None), ip) => Whom::Beyond(ip),
        (None, Some(ip)) => {
            let found = owner(tx, view, from.as_ref(), ip)?;
            let whom = found.whom(ip);
            to = found.endpoint().map(Some);
            whom
        }
        (None, None) => return Err(Error::MissingParameter { name: "Destination" }.into()),
    };
    let mut to = to.flatten();
    for endpoint in from.iter_mut().chain(&mut to) {
        propose(endpoint, proposals);
    }
    let mut ask = Ask { from: from.as_ref(), to: to.as_ref(), whom, question, outside: vec![] };
    for ip in ask.named() {
        // Public addresses of IPv4 are of the world even where they are the cloud's; those of IPv6 are somebody's inside.
        if ip.is_ipv4() || !view.is_ours(tx, ip)? {
            ask.outside.push(ip);
        }
    }
    Ok(ask.best())
}

/// Whose packets those of other addresses are that an interface sends on is not known here.
fn check_source(from: Option<&Endpoint>, ip: Option<IpAddr>) -> Result<(), Error> {
    match (from, ip) {
        (Some(from), Some(ip)) if !from.interface.checked && !from.has(ip) => {
            let reason = format!("{ip} is not an address of {}, which may send for others", from.interface.id);
            Err(Error::invalid("SourceIp", reason))
        }
        _ => Ok(()),
    }
}

/// Who has the address that is spoken to, and which it is; an open one is none.
#[derive(Clone, Copy)]
enum Whom {
    Interface(IpAddr),
    Beyond(Option<IpAddr>),
    Nobody(IpAddr),
}

/// A question with its facts.
struct Ask<'a> {
    from: Option<&'a Endpoint>,
    to: Option<&'a Endpoint>,
    whom: Whom,
    question: &'a Question,
    /// Addresses in the world of which rules speak.
    outside: Vec<IpAddr>,
}

impl Ask<'_> {
    /// The answer for the port and addresses with which the connection comes furthest.
    fn best(&self) -> Way {
        let senders = match self.from {
            Some(_) => vec![self.somebody()],
            None => self.question.from_ip.map_or_else(|| self.strangers(), |ip| vec![ip]),
        };
        let receivers = match self.whom {
            Whom::Interface(ip) | Whom::Nobody(ip) | Whom::Beyond(Some(ip)) => vec![ip],
            Whom::Beyond(None) => self.strangers(),
        };
        let ports = self.question.port.map_or_else(|| self.ports(), |port| vec![port]);
        let mut best: Option<Way> = None;
        for (sender, receiver) in senders.iter().flat_map(|sender| receivers.iter().map(move |receiver| (*sender, *receiver))) {
            for port in &ports {
                let way = self.way(sender, receiver, *port);
                if way.obstacle.is_none() {
                    return way;
                }
                if best.as_ref().is_none_or(|best| best.steps.len() < way.steps.len()) {
                    best = Some(way);
                }
            }
        }
        best.expect("ports and addresses always hold one at least")
    }

    fn way(&self, stranger: IpAddr, to: IpAddr, port: u16) -> Way {
        let flow = match self.question.protocol {
            Transport::Tcp => Flow::Tcp { port },
            Transport::Udp => Flow::Udp { port },
        };
        let receiver = match (self.whom, self.to) {
            (Whom::Interface(_), Some(endpoint)) => Receiver::Interface(endpoint),
            (Whom::Nobody(_), _) | (Whom::Interface(_), None) => Receiver::Nobody,
            (Whom::Beyond(_), _) => Receiver::Beyond,
        };
        let sender = self.from.map_or(Sender::Beyond(stranger), |end| Sender::Interface { end, from: self.question.from_ip });
        reach(sender, receiver, to, flow, ANSWERS_TO)
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.from.into_iter().chain(self.to).flat_map(|end| &end.groups).flat_map(|group| &group.rules)
    }

    /// Ports at which the rules for the protocol begin, and those after their ends.
    fn ports(&self) -> Vec<u16> {
        let span = |rule: &Rule| match (self.question.protocol, rule.protocol) {
            (Transport::Tcp, Protocol::Tcp { from, to }) | (Transport::Udp, Protocol::Udp { from, to }) => {
                Some([from, to.saturating_add(1)])
            }
            _ => None,
        };
        let ports: BTreeSet<u16> = self.rules().filter_map(span).flatten().chain([1]).filter(|port| *port > 0).collect();
        ports.into_iter().take(PORTS_MAX).collect()
    }

    /// Addresses at which ranges begin that rules name for whoever is beyond.
    fn named(&self) -> Vec<IpAddr> {
        let direction = if self.from.is_some() { Direction::Egress } else { Direction::Ingress };
        let named = |rule: &Rule| match (rule.peer, self.question.version) {
            (Peer::Range { range }, IpVersion::V4) if range.prefix_len() > 0 && !range.network().is_private() => {
                Some(range.network().into())
            }
            (Peer::Range6 { range }, IpVersion::V6) if range.prefix_len() > 0 => Some(range.network().into()),
            (Peer::Range { .. } | Peer::Range6 { .. } | Peer::Group { .. } | Peer::List { .. }, _) => None,
        };
        let found: BTreeSet<IpAddr> = self.rules().filter(|rule| rule.direction == direction).filter_map(named).collect();
        found.into_iter().take(ADDRESSES_MAX).collect()
    }

    /// Somebody in the world of whom no rule speaks.
    fn somebody(&self) -> IpAddr {
        match self.question.version {
            IpVersion::V4 => SOMEBODY.into(),
            IpVersion::V6 => SOMEBODY_6.into(),
        }
    }

    /// Those in the world who are asked for where a question names none.
    fn strangers(&self) -> Vec<IpAddr> {
        std::iter::once(self.somebody()).chain(self.outside.iter().copied()).take(ADDRESSES_MAX).collect()
    }
}

/// The answer where the receiver has no address to be spoken to by.
fn unreachable(receiver: &Endpoint, version: IpVersion) -> Way {
    let interface = receiver.interface.id;
    let obstacle = match version {
        IpVersion::V4 => Obstacle::NoPublicAddress { interface },
        IpVersion::V6 => Obstacle::NoIpv6 { interface },
    };
    Way { steps: vec![], obstacle: Some(obstacle) }
}

/// An end as the account sees it: an interface with all that decides about this address of it, or nothing for the world beyond a
/// gateway.
fn end(tx: &Tx<'_>, view: View, end: PathEnd, ip: Option<IpAddr>) -> Result<Option<Endpoint>, Failure> {
    let account = view.account;
    let interface = match end {
        PathEnd::Gateway(id) => return gateway_of(tx, account, id).map(|_| None),
        PathEnd::Interface(id) => id,
        PathEnd::Instance(id) => instance_of(tx, account, id)?.interface,
    };
    let found = tx.get::<Interface>(interface)?.filter(|row| row.account == account);
    let interface = found.ok_or_else(|| Error::not_found(Noun::Interface, interface))?;
    Ok(Some(endpoint(tx, interface, ip)?))
}

/// Everything that decides about the packets of an interface from and to an address of its own, private or public.
fn endpoint(tx: &Tx<'_>, interface: Interface, ip: Option<IpAddr>) -> Result<Endpoint, Failure> {
    let instance = interface.instance.map(|id| tx.get::<Instance>(id)).transpose()?.flatten();
    let vpc = tx.get::<Vpc>(interface.vpc)?.ok_or_else(|| Error::not_found(Noun::Vpc, interface.vpc))?;
    let groups = tx.get_many::<SecurityGroup>(&interface.groups)?.into_iter().map(|group| expanded(tx, group)).collect::<Result<_, _>>()?;
    Ok(Endpoint {
        is_running: instance.is_some_and(|instance| instance.phase == Phase::Running),
        public: public_of(tx, &interface, ip)?,
        tables: tables_of_vpc(tx, vpc.id)?,
        gateway: gateway_in_use(tx, vpc.id)?,
        egress_only: egress_only(tx, &interface)?,
        nats: exits(tx, vpc.id)?,
        peerings: peers_of(tx, vpc.id)?,
        groups,
        acl: acl_of(&tx.network_acl_list_of_vpc(vpc.id)?, interface.subnet).cloned(),
        vpc,
        interface,
    })
}

/// The egress-only gateways of an interface's VPC, with the bandwidths of its addresses.
fn egress_only(tx: &Tx<'_>, interface: &Interface) -> Result<Vec<EgressOnlyExit>, Failure> {
    let gateways = tx.egress_only_gateway_list_of_vpc(interface.vpc)?;
    if gateways.is_empty() {
        return Ok(vec![]);
    }
    let of = |ip: &Ipv6Addr| tx.ipv6_bandwidth_of(*ip);
    let bandwidths: Vec<Ipv6Bandwidth> = interface.ipv6.iter().filter_map(|ip| of(ip).transpose()).collect::<Result<_, _>>()?;
    let exit = |gateway: EgressOnlyGateway| EgressOnlyExit {
        gateway: gateway.id,
        serves: gateway.serves,
        bandwidths: bandwidths.iter().filter(|bandwidth| bandwidth.gateway == gateway.id).cloned().collect(),
    };
    Ok(gateways.into_iter().map(exit).collect())
}

/// The public address that is this one, or is translated to it; of the primary private one where none is asked for.
fn public_of(tx: &Tx<'_>, interface: &Interface, ip: Option<IpAddr>) -> Result<Option<Address>, Failure> {
    let asked = match ip {
        Some(IpAddr::V4(ip)) => ip,
        Some(IpAddr::V6(_)) | None => interface.ip,
    };
    let is_it = |address: &Address| address.ip == asked || address.private.unwrap_or(interface.ip) == asked;
    Ok(tx.address_list_of_interface(interface.id)?.into_iter().find(is_it))
}

/// The address by which a receiver is spoken to: the one that was asked for, else the first of IPv6, or of IPv4 its private one inside
/// a VPC and its public one from elsewhere. It may lack it.
fn address_of(from: Option<&Endpoint>, receiver: &Endpoint, version: IpVersion, asked: Option<IpAddr>) -> Result<Option<IpAddr>, Error> {
    let is_peered = |from: &Endpoint| from.peerings.iter().any(|(_, vpc)| *vpc == receiver.vpc.id);
    let is_inside = from.is_some_and(|from| from.vpc.id == receiver.vpc.id || is_peered(from));
    let public = receiver.public.as_ref().map(|address| IpAddr::from(address.ip));
    match (asked, version) {
        (None, IpVersion::V6) => Ok(receiver.interface.ipv6.first().copied().map(IpAddr::from)),
        (None, IpVersion::V4) => Ok(if is_inside { Some(receiver.interface.ip.into()) } else { public }),
        (Some(ip), version) if Some(ip) == public || (is_inside || version == IpVersion::V6) && receiver.has(ip) => Ok(Some(ip)),
        (Some(ip), _) => Err(Error::invalid("DestinationIp", format!("{ip} does not lead to {} from there", receiver.interface.id))),
    }
}

/// Who has an address.
enum Owner {
    Interface(Box<Endpoint>),
    Beyond,
    Nobody,
}

impl Owner {
    fn whom(&self, ip: IpAddr) -> Whom {
        match self {
            Owner::Interface(_) => Whom::Interface(ip),
            Owner::Beyond => Whom::Beyond(Some(ip)),
            Owner::Nobody => Whom::Nobody(ip),
        }
    }

    fn endpoint(self) -> Option<Endpoint> {
        match self {
            Owner::Interface(endpoint) => Some(*endpoint),
            Owner::Beyond | Owner::Nobody => None,
        }
    }
}

fn owner(tx: &Tx<'_>, view: View, from: Option<&Endpoint>, ip: IpAddr) -> Result<Owner, Failure> {
    if let Some(from) = from.filter(|from| from.range_over(ip).is_some()) {
        return Ok(holder(tx, from.vpc.id, ip)?.map_or(Owner::Nobody, |endpoint| Owner::Interface(Box::new(endpoint))));
    }
    match ip {
        IpAddr::V4(ip) => public_owner(tx, view, from, ip),
        IpAddr::V6(ip) => ipv6_owner(tx, view, ip),
    }
}

/// The interface that has an address in a VPC.
fn holder(tx: &Tx<'_>, vpc: VpcId, ip: IpAddr) -> Result<Option<Endpoint>, Failure> {
    let id = match ip {
        IpAddr::V4(ip) => tx.interface_with_ip(vpc, ip)?,
        IpAddr::V6(ip) => tx.interface_with_ipv6(vpc, ip)?,
    };
    let interface = id.map(|id| tx.get::<Interface>(id)).transpose()?.flatten();
    interface.map(|interface| endpoint(tx, interface, Some(ip))).transpose()
}

/// Who outside of the sender's VPC has an address of IPv4: by a peering its private one, else a public one.
fn public_owner(tx: &Tx<'_>, view: View, from: Option<&Endpoint>, ip: Ipv4Addr) -> Result<Owner, Failure> {
    for (_, peer) in from.map(|from| from.peerings.as_slice()).unwrap_or_default() {
        let endpoint = holder(tx, *peer, ip.into())?;
        if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.interface.account == view.account) {
            return Ok(Owner::Interface(Box::new(endpoint)));
        }
    }
    if !view.is_ours(tx, ip.into())? {
        return Ok(Owner::Beyond);
    }
    let address = tx.address_with_ip(ip)?;
    if address.as_ref().is_some_and(|address| address.account != view.account) {
        return Ok(Owner::Beyond);
    }
    match address.and_then(|address| address.interface).map(|id: InterfaceId| tx.get::<Interface>(id)).transpose()?.flatten() {
        Some(interface) => Ok(Owner::Interface(Box::new(endpoint(tx, interface, Some(ip.into()))?))),
        None => Ok(Owner::Nobody),
    }
}

/// Who has an address of IPv6, which is but once in the cloud.
fn ipv6_owner(tx: &Tx<'_>, view: View, ip: Ipv6Addr) -> Result<Owner, Failure> {
    let range = Ipv6Net::new_assert(ip, VPC_IPV6_PREFIX).trunc();
    let vpc = tx.ipv6_range_holder(range)?.map(|id| tx.get::<Vpc>(id)).transpose()?.flatten();
    let Some(vpc) = vpc else {
        return Ok(if view.is_ours(tx, ip.into())? { Owner::Nobody } else { Owner::Beyond });
    };
    if vpc.account != view.account {
        return Ok(Owner::Beyond);
    }
    Ok(holder(tx, vpc.id, ip.into())?.map_or(Owner::Nobody, |endpoint| Owner::Interface(Box::new(endpoint))))
}

/// Has the groups of an end look as they would after these changes.
fn propose(end: &mut Endpoint, proposals: &[Proposal]) {
    for proposal in proposals {
        let NewRule { direction, verdict, priority, protocol, peer, description } = proposal.rule.clone();
        let rule = Rule { id: RuleId::from_u64(0), direction, verdict, priority, protocol, peer, description, tags: model::Tags::new() };
        for group in end.groups.iter_mut().filter(|group| group.id == proposal.group) {
            match proposal.change {
                ProposedChange::Add => group.rules.push(rule.clone()),
                ProposedChange::Remove => group.rules.retain(|old| !old.same_effect(&rule)),
            }
        }
    }
}
