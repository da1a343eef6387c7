//! Whether a connection comes about, judged from the rows by the rules that hosts enforce, and what decides.
//!
//! ```text
//!   sender ─ its groups, outward ─ its route ─┬─ local ─────────────────────────────┬─ receiver's groups, inward ─ receiver
//!                                             └─ gateway ─ public address ─ gateway ─┘
//! ```
//!
//! Groups are stateful, so answers ask no rule; they do ask for a route back. The judgement is about addresses and rules: it
//! does not know whether somebody listens, and beyond the cloud it only knows that packets left. The property test of the
//! agent's network holds it against real packets.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    AclEntry, Address, AddressId, Direction, InstanceId, Interface, InterfaceId, InternetGateway, InternetGatewayId, NatGateway,
    NatGatewayId, NatServes, NetworkAcl, NetworkAclId, Peer, Protocol, Route, RouteTable, RouteTableId, RouteTarget, Rule, RuleId,
    SecurityGroup, SecurityGroupId, Verdict, Vpc, VpcId, VpcPeeringId, table_of, turn,
};

/// The packet that opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "protocol")]
pub enum Flow {
    /// TCP.
    Tcp {
        /// Destination port.
        port: u16,
    },
    /// UDP.
    Udp {
        /// Destination port.
        port: u16,
    },
    /// ICMP.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// Another protocol by its IANA number.
    Other {
        /// The number.
        number: u8,
    },
}

impl Flow {
    /// The protocol's IANA number.
    pub fn number(self) -> u8 {
        match self {
            Flow::Tcp { port: _ } => 6,
            Flow::Udp { port: _ } => 17,
            Flow::Icmp { kind: _, code: _ } => 1,
            Flow::Other { number } => number,
        }
    }

    /// The answer, to this port of who asked.
    fn answer(self, port: u16) -> Flow {
        const ECHO_REQUEST: u8 = 8;
        match self {
            Flow::Tcp { port: _ } => Flow::Tcp { port },
            Flow::Udp { port: _ } => Flow::Udp { port },
            Flow::Icmp { kind: ECHO_REQUEST, code } => Flow::Icmp { kind: 0, code },
            Flow::Icmp { kind: _, code: _ } | Flow::Other { number: _ } => self,
        }
    }

    /// Whether a rule about this protocol is about the packet.
    pub fn is_of(self, protocol: Protocol) -> bool {
        match (protocol, self) {
            (Protocol::All, _) => true,
            (Protocol::Tcp { from, to }, Flow::Tcp { port }) | (Protocol::Udp { from, to }, Flow::Udp { port }) => {
                (from..=to).contains(&port)
            }
            (Protocol::Icmp { kind: None, code: _ }, Flow::Icmp { kind: _, code: _ }) => true,
            (Protocol::Icmp { kind: Some(wanted), code: any }, Flow::Icmp { kind, code }) => {
                wanted == kind && any.is_none_or(|wanted| wanted == code)
            }
            (Protocol::Number { number }, flow) => number == flow.number(),
            (Protocol::Icmp6 { kind: _, code: _ }, _) => false,
            (Protocol::Tcp { from: _, to: _ } | Protocol::Udp { from: _, to: _ } | Protocol::Icmp { kind: _, code: _ }, _) => false,
        }
    }
}

/// An interface with all that decides about its packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The interface.
    pub interface: Interface,
    /// Whether the instance that it is plugged into runs.
    pub is_running: bool,
    /// The public address that is translated to it.
    pub public: Option<Address>,
    /// Its VPC.
    pub vpc: Vpc,
    /// Every route table of the VPC.
    pub tables: Vec<RouteTable>,
    /// The VPC's internet gateway.
    pub gateway: Option<InternetGateway>,
    /// The NAT gateways of the VPC that have an address.
    pub nats: Vec<NatExit>,
    /// The active peerings of the VPC, each with the other one.
    pub peerings: Vec<(VpcPeeringId, VpcId)>,
    /// Its security groups.
    pub groups: Vec<SecurityGroup>,
    /// The network ACL of its subnet; none lets everything pass.
    pub acl: Option<NetworkAcl>,
}

/// A NAT gateway as a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatExit {
    /// The gateway.
    pub gateway: NatGateway,
    /// Its elastic addresses.
    pub addresses: Vec<Address>,
}

impl NatExit {
    /// The address that a machine's packets leave with; none when the gateway does not send them on.
    fn address_of(&self, source: Ipv4Addr) -> Option<&Address> {
        let (_, ids) = self.gateway.exits_of(source.into()).pop()?;
        let id = *ids.get(turn(source, ids.len()))?;
        self.addresses.iter().find(|address| address.id == id)
    }
}

/// Who opens the connection.
#[derive(Debug, Clone, Copy)]
pub enum Sender<'a> {
    /// An interface of the cloud.
    Interface(&'a Endpoint),
    /// Somebody beyond the cloud.
    Beyond(Ipv4Addr),
}

/// Who has the address that is spoken to.
#[derive(Debug, Clone, Copy)]
pub enum Receiver<'a> {
    /// An interface of the cloud, by its private address in the sender's VPC or by its public address.
    Interface(&'a Endpoint),
    /// Somebody beyond the cloud.
    Beyond,
    /// Nobody: an address of the sender's VPC or of the public pool that is not in use.
    Nobody,
}

/// What a connection passes, in order, and what ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// What is passed, the sender first.
    pub steps: Vec<Step>,
    /// Why it does not come about; none when it does.
    pub obstacle: Option<Obstacle>,
}

/// Something that a connection passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// An interface, at the beginning or the end.
    Interface {
        /// It.
        interface: InterfaceId,
        /// The instance that it is plugged into.
        instance: Option<InstanceId>,
    },
    /// A rule that accepts it.
    Accepted {
        /// It.
        by: Decider,
    },
    /// An entry of a subnet's network ACL that lets it cross the border.
    Crossed {
        /// The ACL.
        acl: NetworkAclId,
        /// The entry.
        entry: AclEntry,
    },
    /// The route that every table has: inside the VPC.
    Local {
        /// The VPC.
        vpc: VpcId,
        /// The table of the sender's subnet.
        table: Option<RouteTableId>,
        /// The range of the VPC that the address is in.
        destination: Ipv4Net,
    },
    /// A route that is followed out of the VPC.
    Route {
        /// Its table.
        table: RouteTableId,
        /// The route.
        route: Route,
    },
    /// The way out of a VPC that is open without a gateway.
    Open {
        /// The VPC.
        vpc: VpcId,
    },
    /// A NAT gateway.
    NatGateway {
        /// It.
        gateway: NatGatewayId,
    },
    /// A peering of two VPCs.
    Peering {
        /// The peering.
        peering: VpcPeeringId,
    },
    /// An internet gateway.
    Gateway {
        /// It.
        gateway: InternetGatewayId,
    },
    /// A public address in place of a private one, or the other way round.
    Translated {
        /// It.
        address: AddressId,
        /// The public address.
        public: Ipv4Addr,
        /// The private address.
        private: Ipv4Addr,
    },
    /// Somebody beyond the cloud.
    Beyond {
        /// The address.
        ip: Ipv4Addr,
    },
}

/// A rule that decides about a connection, as it was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decider {
    /// The group.
    pub group: SecurityGroupId,
    /// The rule.
    pub rule: RuleId,
    /// Whose side it was judged on.
    pub direction: Direction,
    /// Its protocols and ports.
    pub protocol: Protocol,
    /// Its other end.
    pub peer: Peer,
}

/// Why a connection does not come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "obstacle")]
pub enum Obstacle {
    /// The interface is plugged into no instance, or into one that does not run.
    NotRunning {
        /// The interface.
        interface: InterfaceId,
        /// The instance.
        instance: Option<InstanceId>,
    },
    /// Nobody has the address.
    Nobody {
        /// It.
        ip: Ipv4Addr,
    },
    /// No route leads to the address; for the receiver this is about its answers.
    NoRoute {
        /// The interface whose packets have nowhere to go.
        interface: InterfaceId,
        /// The table of its subnet.
        table: Option<RouteTableId>,
        /// The address.
        ip: Ipv4Addr,
    },
    /// The route to the address leads to something that is not there.
    Blackhole {
        /// The interface whose packets are lost.
        interface: InterfaceId,
        /// The table.
        table: RouteTableId,
        /// The route.
        route: Route,
    },
    /// The route leads to an interface whose guest may send packets on; what becomes of them there is not known.
    SentOn {
        /// The interface whose packets they are.
        interface: InterfaceId,
        /// The table.
        table: RouteTableId,
        /// The route.
        route: Route,
    },
    /// An interface has no public address to leave its VPC with, or to be reached by.
    NoPublicAddress {
        /// The interface.
        interface: InterfaceId,
    },
    /// The network ACL of a subnet drops it, or its answer.
    Stopped {
        /// The interface whose subnet it is.
        interface: InterfaceId,
        /// The ACL.
        acl: NetworkAclId,
        /// The entry; none when no entry is about it.
        entry: Option<AclEntry>,
        /// Into the subnet or out of it.
        direction: Direction,
        /// Whether the answer is stopped, not the packet itself.
        is_answer: bool,
    },
    /// The groups of an interface drop it.
    Dropped {
        /// The interface.
        interface: InterfaceId,
        /// Whose side it was judged on.
        direction: Direction,
        /// The groups that were asked.
        groups: Vec<SecurityGroupId>,
        /// The rule that drops it; none when no rule accepts it.
        by: Option<Decider>,
    },
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (direction, preposition) = match self.direction {
            Direction::Ingress => ("inward", "from"),
            Direction::Egress => ("outward", "to"),
        };
        write!(f, "{} of {}: {} {direction} {preposition} {}", self.rule, self.group, self.protocol, self.peer)
    }
}

impl fmt::Display for Step {
    /// In the words of an operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Interface { interface, instance: Some(instance) } => write!(f, "{interface} of {instance}"),
            Step::Interface { interface, instance: None } => interface.fmt(f),
            Step::Accepted { by } => write!(f, "accepted by {by}"),
            Step::Crossed { acl, entry } => write!(f, "let pass by entry {} of {acl}", entry.number),
            Step::Local { vpc, table: _, destination } => write!(f, "inside {vpc} ({destination})"),
            Step::Route { table, route } => write!(f, "the route to {} in {table}", route.destination),
            Step::Open { vpc } => write!(f, "out of {vpc}, which is open without a gateway"),
            Step::NatGateway { gateway } => gateway.fmt(f),
            Step::Peering { peering } => peering.fmt(f),
            Step::Gateway { gateway } => gateway.fmt(f),
            Step::Translated { address, public, private } => write!(f, "{address}: {private} is {public} outside"),
            Step::Beyond { ip } => write!(f, "{ip}, beyond the cloud"),
        }
    }
}

impl fmt::Display for Obstacle {
    /// In the words of an operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::NotRunning { interface, instance: Some(instance) } => write!(f, "{instance}, which has {interface}, does not run"),
            Obstacle::NotRunning { interface, instance: None } => write!(f, "{interface} is plugged into no instance"),
            Obstacle::Nobody { ip } => write!(f, "nobody has the address {ip}"),
            Obstacle::NoRoute { interface, table: Some(table), ip } => write!(f, "no route of {table} leads {interface} to {ip}"),
            Obstacle::NoRoute { interface, table: None, ip } => write!(f, "{interface} has no route table that leads to {ip}"),
            Obstacle::Blackhole { interface, table, route } => {
                write!(f, "the route of {interface} to {} in {table} leads to something that is not there", route.destination)
            }
            Obstacle::SentOn { interface, table, route } => {
                write!(f, "the route of {interface} to {} in {table} leads to a guest, which sends it on or not", route.destination)
            }
            Obstacle::NoPublicAddress { interface } => write!(f, "{interface} has no public address"),
            Obstacle::Stopped { interface, acl, entry, direction, is_answer } => {
                let way = if *direction == Direction::Ingress { "into" } else { "out of" };
                let what = if *is_answer { "its answer" } else { "it" };
                match entry {
                    Some(entry) => write!(f, "entry {} of {acl} drops {what} {way} the subnet of {interface}", entry.number),
                    None => write!(f, "no entry of {acl} lets {what} {way} the subnet of {interface}"),
                }
            }
            Obstacle::Dropped { interface, direction: _, groups: _, by: Some(by) } => write!(f, "{interface} drops it by {by}"),
            Obstacle::Dropped { interface, direction, groups, by: None } => {
                let way = if *direction == Direction::Ingress { "inward" } else { "outward" };
                let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
                write!(f, "no rule of {} accepts it {way} at {interface}", groups.join(", "))
            }
        }
    }
}

/// Judges a connection that `sender` opens to the address `to`, which `receiver` has. Answers go to the port `answers_to`, which
/// only network ACLs ask for.
pub fn reach(sender: Sender<'_>, receiver: Receiver<'_>, to: Ipv4Addr, flow: Flow, answers_to: u16) -> Way {
    let mut steps = Vec::new();
    let obstacle = judge(sender, receiver, to, flow, &mut steps).and_then(|from| answered(sender, receiver, (from, to), flow, answers_to));
    Way { steps, obstacle: obstacle.err() }
}

/// Judges the answers at the borders of subnets, the last that can stop them.
fn answered(sender: Sender<'_>, receiver: Receiver<'_>, ends: (Ipv4Addr, Ipv4Addr), flow: Flow, port: u16) -> Result<(), Obstacle> {
    let answer = flow.answer(port);
    let (from, to) = ends;
    let here = |end: &Endpoint, direction, other| end.crosses(direction, answer, other, true).map(|_| ());
    let asks = match sender {
        Sender::Interface(asks) => Some(asks),
        Sender::Beyond(_) => None,
    };
    match receiver {
        Receiver::Interface(end) if asks.is_some_and(|asks| asks.interface.subnet == end.interface.subnet && asks.vpc.contains(to)) => {
            return Ok(());
        }
        Receiver::Interface(end) => here(end, Direction::Egress, from)?,
        Receiver::Beyond | Receiver::Nobody => {}
    }
    asks.map_or(Ok(()), |asks| here(asks, Direction::Ingress, to))
}

/// Judges the packet itself; gives the address that the receiver sees it come from.
fn judge(sender: Sender<'_>, receiver: Receiver<'_>, to: Ipv4Addr, flow: Flow, steps: &mut Vec<Step>) -> Result<Ipv4Addr, Obstacle> {
    let from = match sender {
        Sender::Beyond(ip) => {
            steps.push(Step::Beyond { ip });
            ip
        }
        Sender::Interface(from) => {
            from.appear(steps)?;
            if from.vpc.contains(to) {
                return inside(from, receiver, to, flow, steps);
            }
            if let Receiver::Interface(end) = receiver
                && let Ok((_, Route { target: RouteTarget::Peering { peering }, .. })) = from.route(to)
                && from.peerings.contains(&(peering, end.vpc.id))
            {
                return across(from, end, to, flow, steps);
            }
            from.accepts(Direction::Egress, flow, Other { ip: to, groups: &[] }, steps)?;
            steps.extend(from.crosses(Direction::Egress, flow, to, false)?);
            from.leave(to, steps)?
        }
    };
    match receiver {
        Receiver::Beyond => {
            steps.push(Step::Beyond { ip: to });
            Ok(from)
        }
        Receiver::Nobody => Err(Obstacle::Nobody { ip: to }),
        Receiver::Interface(end) => {
            let answers = &mut Vec::new();
            let answered = end.leave(from, answers)?;
            // Answers that come from another address than the one that was asked are nobody's.
            if end.public.as_ref().is_some_and(|public| public.ip != answered) {
                let (table, route) = end.route(from)?;
                return Err(Obstacle::Blackhole { interface: end.interface.id, table, route });
            }
            // What answers pass on their way out is what the packet passes on its way in.
            steps.extend(answers.drain(..).rev());
            steps.extend(end.crosses(Direction::Ingress, flow, from, false)?);
            end.accepts(Direction::Ingress, flow, Other { ip: from, groups: &[] }, steps)?;
            end.appear(steps)?;
            Ok(from)
        }
    }
}

/// The way inside a VPC.
fn inside(from: &Endpoint, receiver: Receiver<'_>, to: Ipv4Addr, flow: Flow, steps: &mut Vec<Step>) -> Result<Ipv4Addr, Obstacle> {
    let end = match receiver {
        Receiver::Interface(end) => end,
        Receiver::Beyond | Receiver::Nobody => return Err(Obstacle::Nobody { ip: to }),
    };
    let crosses = from.interface.subnet != end.interface.subnet;
    from.accepts(Direction::Egress, flow, Other { ip: to, groups: &end.interface.groups }, steps)?;
    if crosses {
        steps.extend(from.crosses(Direction::Egress, flow, to, false)?);
    }
    let table = table_of(&from.tables, from.interface.subnet).map(|table| table.id);
    let destination = from.vpc.range_over(Ipv4Net::from(to)).unwrap_or(from.vpc.range);
    steps.push(Step::Local { vpc: from.vpc.id, table, destination });
    if crosses {
        steps.extend(end.crosses(Direction::Ingress, flow, from.interface.ip, false)?);
    }
    end.accepts(Direction::Ingress, flow, Other { ip: from.interface.ip, groups: &from.interface.groups }, steps)?;
    end.appear(steps)?;
    Ok(from.interface.ip)
}

/// The way into a peered VPC, which must have one back.
fn across(from: &Endpoint, end: &Endpoint, to: Ipv4Addr, flow: Flow, steps: &mut Vec<Step>) -> Result<Ipv4Addr, Obstacle> {
    let source = from.interface.ip;
    from.accepts(Direction::Egress, flow, Other { ip: to, groups: &end.interface.groups }, steps)?;
    steps.extend(from.crosses(Direction::Egress, flow, to, false)?);
    let (table, route) = from.route(to)?;
    let there = route.target;
    steps.push(Step::Route { table, route });
    let (table, back) = end.route(source)?;
    let RouteTarget::Peering { peering } = back.target else {
        return Err(Obstacle::Blackhole { interface: end.interface.id, table, route: back });
    };
    if back.target != there {
        return Err(Obstacle::Blackhole { interface: end.interface.id, table, route: back });
    }
    steps.push(Step::Peering { peering });
    steps.push(Step::Route { table, route: back });
    steps.extend(end.crosses(Direction::Ingress, flow, source, false)?);
    end.accepts(Direction::Ingress, flow, Other { ip: source, groups: &from.interface.groups }, steps)?;
    end.appear(steps)?;
    Ok(source)
}

/// The other end, as the rules of a group see it. Groups are seen inside one VPC, and those peered with it.
struct Other<'a> {
    ip: Ipv4Addr,
    groups: &'a [SecurityGroupId],
}

impl Other<'_> {
    fn is(&self, peer: Peer) -> bool {
        match peer {
            Peer::Range { range } => range.contains(&self.ip),
            Peer::Range6 { .. } => false,
            Peer::Group { group } => self.groups.contains(&group),
            // Whoever reads the groups puts the ranges in its place.
            Peer::List { list: _ } => false,
        }
    }
}

impl Endpoint {
    fn appear(&self, steps: &mut Vec<Step>) -> Result<(), Obstacle> {
        let (interface, instance) = (self.interface.id, self.interface.instance);
        if !self.is_running {
            return Err(Obstacle::NotRunning { interface, instance });
        }
        steps.push(Step::Interface { interface, instance });
        Ok(())
    }

    /// Asks the subnet's network ACL about a packet that crosses its border.
    fn crosses(&self, direction: Direction, flow: Flow, other: Ipv4Addr, is_answer: bool) -> Result<Option<Step>, Obstacle> {
        let Some(acl) = &self.acl else { return Ok(None) };
        match acl.judge(direction, flow, other.into()) {
            (Verdict::Accept, entry) => Ok(entry.map(|entry| Step::Crossed { acl: acl.id, entry })),
            (Verdict::Drop, entry) => Err(Obstacle::Stopped { interface: self.interface.id, acl: acl.id, entry, direction, is_answer }),
        }
    }

    /// Asks the groups: the first rule by priority decides, within one priority a drop, and without any the packet is dropped.
    fn accepts(&self, direction: Direction, flow: Flow, other: Other<'_>, steps: &mut Vec<Step>) -> Result<(), Obstacle> {
        let about = |rule: &Rule| rule.direction == direction && flow.is_of(rule.protocol) && other.is(rule.peer);
        let rules = self.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group.id, rule)));
        let first = rules.filter(|(_, rule)| about(rule)).min_by_key(|(_, rule)| (rule.priority, rule.verdict == Verdict::Accept));
        let by =
            first.map(|(group, Rule { id, protocol, peer, .. })| Decider { group, rule: *id, direction, protocol: *protocol, peer: *peer });
        match (first, by) {
            (Some((_, rule)), Some(by)) if rule.verdict == Verdict::Accept => {
                steps.push(Step::Accepted { by });
                Ok(())
            }
            (_, by) => {
                let groups = self.interface.groups.clone();
                Err(Obstacle::Dropped { interface: self.interface.id, direction, groups, by })
            }
        }
    }

    /// The way out of the VPC to an address, and the address that the packets carry then.
    fn leave(&self, to: Ipv4Addr, steps: &mut Vec<Step>) -> Result<Ipv4Addr, Obstacle> {
        let interface = self.interface.id;
        // A route through a guest comes first, also where a VPC needs none to leave.
        if let Ok((table, route)) = self.route(to)
            && let RouteTarget::Interface { .. } = route.target
        {
            steps.push(Step::Route { table, route: route.clone() });
            return Err(Obstacle::SentOn { interface, table, route });
        }
        if let Ok((table, route)) = self.route(to)
            && let RouteTarget::Peering { .. } = route.target
        {
            return Err(Obstacle::Blackhole { interface, table, route });
        }
        if let Ok((table, route)) = self.route(to)
            && let RouteTarget::NatGateway { gateway } = route.target
            && !self.keeps_to_own(gateway)
        {
            steps.push(Step::Route { table, route: route.clone() });
            return self.leave_by_nat(gateway, to, steps).ok_or(Obstacle::Blackhole { interface, table, route });
        }
        match (&self.gateway, self.vpc.open) {
            (None, true) => steps.push(Step::Open { vpc: self.vpc.id }),
            (gateway, _) => {
                let (table, route) = self.route(to)?;
                if !route.leads_out(gateway.as_ref()) {
                    return Err(Obstacle::Blackhole { interface, table, route });
                }
                steps.push(Step::Route { table, route });
                steps.extend(gateway.as_ref().map(|gateway| Step::Gateway { gateway: gateway.id }));
            }
        }
        let address = self.public.as_ref().ok_or(Obstacle::NoPublicAddress { interface })?;
        steps.push(Step::Translated { address: address.id, public: address.ip, private: address.private.unwrap_or(self.interface.ip) });
        Ok(address.ip)
    }

    /// Whether it leaves with an address of its own although a route leads to a NAT gateway.
    fn keeps_to_own(&self, gateway: NatGatewayId) -> bool {
        let listed = |exit: &&NatExit| exit.gateway.id == gateway && exit.gateway.serves == NatServes::Listed;
        self.vpc.open && self.gateway.is_none() && self.public.is_some() && self.nats.iter().any(|exit| listed(&exit))
    }

    /// The way out by a NAT gateway, which reaches what its own subnet reaches; none when that is not the address.
    fn leave_by_nat(&self, gateway: NatGatewayId, to: Ipv4Addr, steps: &mut Vec<Step>) -> Option<Ipv4Addr> {
        let exit = self.nats.iter().find(|exit| exit.gateway.id == gateway)?;
        let reached = exit.gateway.ways(&self.vpc, &self.tables, self.gateway.as_ref());
        if !reached.iter().any(|range| range.contains(&to)) {
            return None;
        }
        let source = self.interface.ip;
        let address = exit.address_of(source)?;
        steps.push(Step::NatGateway { gateway });
        // The internet gateway translates from the private address that the NAT gateway has, if it has one.
        steps.push(Step::Translated { address: address.id, public: address.ip, private: exit.gateway.private().unwrap_or(source) });
        steps.extend(self.gateway.as_ref().map(|gateway| Step::Gateway { gateway: gateway.id }));
        Some(address.ip)
    }

    /// The enabled route of the subnet's table with the longest prefix.
    fn route(&self, to: Ipv4Addr) -> Result<(RouteTableId, Route), Obstacle> {
        let table = table_of(&self.tables, self.interface.subnet);
        let routes = table.into_iter().flat_map(|table| table.routes.iter().map(|route| (table.id, route)));
        let over = routes.filter(|(_, route)| !route.disabled && route.destination.contains(&to));
        let longest = over.max_by_key(|(_, route)| route.destination.prefix_len()).map(|(table, route)| (table, route.clone()));
        longest.ok_or(Obstacle::NoRoute { interface: self.interface.id, table: table.map(|table| table.id), ip: to })
    }
}

#[cfg(test)]
#[path = "reachability_tests.rs"]
mod tests;
