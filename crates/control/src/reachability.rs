//! Facts of a question whether one thing reaches another, gathered from the rows; the model judges them.
//!
//! A question may leave a port or an address open. It is then asked for those at which rules begin and end, since between them
//! nothing changes, and the answer that comes furthest counts. What belongs to other accounts is as unknown as the world.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use model::reachability::{Endpoint, Flow, Obstacle, Receiver, Sender, Way, reach};
use model::{
    AccountId, Direction, Error, Instance, Interface, InterfaceId, Noun, PathEnd, Peer, Phase, Protocol, Question, Rule, RuleId,
    SecurityGroup, SecurityGroupId, Transport, Vpc, acl_of,
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
        let pool = self.region().public_pool;
        let found = self.store().read(move |tx| judge(tx, View { account, pool }, &question, &proposals));
        found.await.map_err(|failure| self.refusal("ask whether one thing reaches another", failure))
    }
}

/// Who asks, and which public addresses are the cloud's.
#[derive(Clone, Copy)]
pub(crate) struct View {
    account: AccountId,
    pool: Ipv4Net,
}

impl View {
    /// What the caller of a command sees.
    pub(crate) fn of(cx: &Cx<'_>) -> View {
        View { account: cx.caller.account(), pool: cx.cloud.region().public_pool }
    }
}

/// Answers a question from the rows.
pub(crate) fn judge(tx: &Tx<'_>, view: View, question: &Question, proposals: &[Proposal]) -> Result<Way, Failure> {
    let mut from = end(tx, view, question.from)?;
    let mut to = question.to.map(|to| end(tx, view, to)).transpose()?;
    if from.is_none() && to.as_ref().is_some_and(Option::is_none) {
        return Err(Error::InvalidCombination { reason: "one end at least must be an instance or an interface".to_owned() }.into());
    }
    let whom = match (&to, question.to_ip) {
        (Some(Some(receiver)), ip) => match address_of(from.as_ref(), receiver, ip)? {
            Some(ip) => Whom::Interface(ip),
            None => return Ok(unreachable(Obstacle::NoPublicAddress { interface: receiver.interface.id })),
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
    Ok(Ask { from: from.as_ref(), to: to.as_ref(), whom, question }.best())
}

/// Who has the address that is spoken to, and which it is; an open one is none.
#[derive(Clone, Copy)]
enum Whom {
    Interface(Ipv4Addr),
    Beyond(Option<Ipv4Addr>),
    Nobody(Ipv4Addr),
}

/// A question with its facts.
struct Ask<'a> {
    from: Option<&'a Endpoint>,
    to: Option<&'a Endpoint>,
    whom: Whom,
    question: &'a Question,
}

impl Ask<'_> {
    /// The answer for the port and addresses with which the connection comes furthest.
    fn best(&self) -> Way {
        let senders = match self.from {
            Some(_) => vec![SOMEBODY],
            None => self.question.from_ip.map_or_else(|| self.addresses(Direction::Ingress), |ip| vec![ip]),
        };
        let receivers = match self.whom {
            Whom::Interface(ip) | Whom::Nobody(ip) | Whom::Beyond(Some(ip)) => vec![ip],
            Whom::Beyond(None) => self.addresses(Direction::Egress),
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

    fn way(&self, sender: Ipv4Addr, to: Ipv4Addr, port: u16) -> Way {
        let flow = match self.question.protocol {
            Transport::Tcp => Flow::Tcp { port },
            Transport::Udp => Flow::Udp { port },
        };
        let receiver = match (self.whom, self.to) {
            (Whom::Interface(_), Some(endpoint)) => Receiver::Interface(endpoint),
            (Whom::Nobody(_), _) | (Whom::Interface(_), None) => Receiver::Nobody,
            (Whom::Beyond(_), _) => Receiver::Beyond,
        };
        reach(self.from.map_or(Sender::Beyond(sender), Sender::Interface), receiver, to, flow, ANSWERS_TO)
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

    /// Public addresses of which the rules of a direction speak, and one of which they do not.
    fn addresses(&self, direction: Direction) -> Vec<Ipv4Addr> {
        let named = |rule: &Rule| match rule.peer {
            Peer::Range { range } if rule.direction == direction && range.prefix_len() > 0 => Some(range.network()),
            Peer::Range { .. } | Peer::Range6 { .. } | Peer::Group { .. } | Peer::List { .. } => None,
        };
        let public: BTreeSet<Ipv4Addr> = self.rules().filter_map(named).filter(|ip| !ip.is_private()).collect();
        std::iter::once(SOMEBODY).chain(public).take(ADDRESSES_MAX).collect()
    }
}

fn unreachable(obstacle: Obstacle) -> Way {
    Way { steps: vec![], obstacle: Some(obstacle) }
}

/// An end as the account sees it: an interface with all that decides, or nothing for the world beyond a gateway.
fn end(tx: &Tx<'_>, View { account, pool: _ }: View, end: PathEnd) -> Result<Option<Endpoint>, Failure> {
    let interface = match end {
        PathEnd::Gateway(id) => return gateway_of(tx, account, id).map(|_| None),
        PathEnd::Interface(id) => id,
        PathEnd::Instance(id) => instance_of(tx, account, id)?.interface,
    };
    let found = tx.get::<Interface>(interface)?.filter(|row| row.account == account);
    let interface = found.ok_or_else(|| Error::not_found(Noun::Interface, interface))?;
    Ok(Some(endpoint(tx, interface)?))
}

/// Everything that decides about the packets of an interface.
fn endpoint(tx: &Tx<'_>, interface: Interface) -> Result<Endpoint, Failure> {
    let instance = interface.instance.map(|id| tx.get::<Instance>(id)).transpose()?.flatten();
    let vpc = tx.get::<Vpc>(interface.vpc)?.ok_or_else(|| Error::not_found(Noun::Vpc, interface.vpc))?;
    let groups = tx.get_many::<SecurityGroup>(&interface.groups)?.into_iter().map(|group| expanded(tx, group)).collect::<Result<_, _>>()?;
    Ok(Endpoint {
        is_running: instance.is_some_and(|instance| instance.phase == Phase::Running),
        public: tx.address_of_interface(interface.id)?,
        tables: tables_of_vpc(tx, vpc.id)?,
        gateway: gateway_in_use(tx, vpc.id)?,
        nats: exits(tx, vpc.id)?,
        peerings: peers_of(tx, vpc.id)?,
        groups,
        acl: acl_of(&tx.network_acl_list_of_vpc(vpc.id)?, interface.subnet).cloned(),
        vpc,
        interface,
    })
}

/// The address by which a receiver is spoken to: the one that was asked for, else its private one inside a VPC and its public
/// one from elsewhere, which it may lack.
fn address_of(from: Option<&Endpoint>, receiver: &Endpoint, asked: Option<Ipv4Addr>) -> Result<Option<Ipv4Addr>, Error> {
    let is_peered = |from: &Endpoint| from.peerings.iter().any(|(_, vpc)| *vpc == receiver.vpc.id);
    let is_inside = from.is_some_and(|from| from.vpc.id == receiver.vpc.id || is_peered(from));
    let (private, public) = (receiver.interface.ip, receiver.public.as_ref().map(|address| address.ip));
    match asked {
        None => Ok(if is_inside { Some(private) } else { public }),
        Some(ip) if Some(ip) == public || (is_inside && ip == private) => Ok(Some(ip)),
        Some(ip) => Err(Error::invalid("DestinationIp", format!("{ip} does not lead to {} from there", receiver.interface.id))),
    }
}

/// Who has an address.
enum Owner {
    Interface(Box<Endpoint>),
    Beyond,
    Nobody,
}

impl Owner {
    fn whom(&self, ip: Ipv4Addr) -> Whom {
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

fn owner(tx: &Tx<'_>, view: View, from: Option<&Endpoint>, ip: Ipv4Addr) -> Result<Owner, Failure> {
    if let Some(from) = from.filter(|from| from.vpc.contains(ip)) {
        let holder = tx.interface_with_ip(from.vpc.id, ip)?.map(|id| tx.get::<Interface>(id)).transpose()?.flatten();
        return match holder {
            Some(interface) => Ok(Owner::Interface(Box::new(endpoint(tx, interface)?))),
            None => Ok(Owner::Nobody),
        };
    }
    for (_, peer) in from.map(|from| from.peerings.as_slice()).unwrap_or_default() {
        let holder = tx.interface_with_ip(*peer, ip)?.map(|id| tx.get::<Interface>(id)).transpose()?.flatten();
        if let Some(interface) = holder.filter(|interface| interface.account == view.account) {
            return Ok(Owner::Interface(Box::new(endpoint(tx, interface)?)));
        }
    }
    if !view.pool.contains(&ip) {
        return Ok(Owner::Beyond);
    }
    let address = tx.address_with_ip(ip)?;
    if address.as_ref().is_some_and(|address| address.account != view.account) {
        return Ok(Owner::Beyond);
    }
    match address.as_ref().and_then(|address| address.interface).map(|id: InterfaceId| tx.get::<Interface>(id)).transpose()?.flatten() {
        Some(interface) => Ok(Owner::Interface(Box::new(Endpoint { public: address, ..endpoint(tx, interface)? }))),
        None => Ok(Owner::Nobody),
    }
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
