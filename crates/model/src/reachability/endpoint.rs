//! An interface with all that decides about its packets, and what each of these says of one packet.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::{Decider, Flow, Obstacle, Step, TableRoute, WayOn};
use crate::{
    Address, Direction, EgressOnlyGatewayId, Interface, InternetGateway, Ipv6Bandwidth, Ipv6Serves, Ipv6Target, NatGateway, NatGatewayId,
    NatServes, NetworkAcl, Peer, RouteTable, RouteTableId, Rule, SecurityGroup, SecurityGroupId, Verdict, Vpc, VpcId, VpcPeeringId,
    ipv6_ways, table_of, turn,
};

/// An interface with all that decides about its packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The interface.
    pub interface: Interface,
    /// Whether the instance that it is plugged into runs.
    pub is_running: bool,
    /// The public address that is translated to the private one that the question is about.
    pub public: Option<Address>,
    /// Its VPC.
    pub vpc: Vpc,
    /// Every route table of the VPC.
    pub tables: Vec<RouteTable>,
    /// The VPC's internet gateway.
    pub gateway: Option<InternetGateway>,
    /// The VPC's egress-only gateways.
    pub egress_only: Vec<EgressOnlyExit>,
    /// The NAT gateways of the VPC that have an address.
    pub nats: Vec<NatExit>,
    /// The active peerings of the VPC, each with the other one.
    pub peerings: Vec<(VpcPeeringId, VpcId)>,
    /// Its security groups.
    pub groups: Vec<SecurityGroup>,
    /// The network ACL of its subnet; none lets everything pass.
    pub acl: Option<NetworkAcl>,
}

/// An egress-only gateway as a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressOnlyExit {
    /// The gateway.
    pub gateway: EgressOnlyGatewayId,
    /// Whose packets it takes.
    pub serves: Ipv6Serves,
    /// The bandwidths by it that addresses of the interface have.
    pub bandwidths: Vec<Ipv6Bandwidth>,
}

impl EgressOnlyExit {
    /// Whether it takes the packets of an address.
    fn takes(&self, ip: IpAddr) -> bool {
        self.serves == Ipv6Serves::Everyone || self.bandwidths.iter().any(|bandwidth| bandwidth.ip == ip)
    }

    /// Whether who is outside calls the address.
    fn is_called(&self, ip: IpAddr) -> bool {
        self.bandwidths.iter().any(|bandwidth| bandwidth.ip == ip && bandwidth.is_called())
    }
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

/// The other end, as the rules of a group see it. Groups are seen inside one VPC, and those peered with it.
pub(super) struct Other<'a> {
    pub(super) ip: IpAddr,
    pub(super) groups: &'a [SecurityGroupId],
}

impl Other<'_> {
    fn is(&self, peer: Peer) -> bool {
        match peer {
            Peer::Range { range } => IpNet::from(range).contains(&self.ip),
            Peer::Range6 { range } => IpNet::from(range).contains(&self.ip),
            Peer::Group { group } => self.groups.contains(&group),
            // Whoever reads the groups puts the ranges in its place.
            Peer::List { list: _ } => false,
        }
    }
}

impl Endpoint {
    /// Its first address of the same version of IP as another one.
    pub fn address_like(&self, like: IpAddr) -> Option<IpAddr> {
        match like {
            IpAddr::V4(_) => Some(self.interface.ip.into()),
            IpAddr::V6(_) => self.interface.ipv6.first().copied().map(IpAddr::from),
        }
    }

    /// Whether the interface has this address.
    pub fn has(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.interface.has(ip),
            IpAddr::V6(ip) => self.interface.ipv6.contains(&ip),
        }
    }

    /// The range of the VPC that an address is in.
    pub fn range_over(&self, ip: IpAddr) -> Option<IpNet> {
        match ip {
            IpAddr::V4(ip) => self.vpc.range_over(Ipv4Net::from(ip)).map(IpNet::V4),
            IpAddr::V6(ip) => self.vpc.ipv6.map(|own| own.range).filter(|range| range.contains(&ip)).map(IpNet::V6),
        }
    }

    /// The address that it speaks to another one with: this one, which must be its own, or the first that it has.
    pub(super) fn source(&self, asked: Option<IpAddr>, to: IpAddr) -> Result<IpAddr, Obstacle> {
        let interface = self.interface.id;
        match asked {
            Some(ip) if self.has(ip) => Ok(ip),
            Some(ip) => Err(Obstacle::Spoofed { interface, ip, direction: Direction::Egress }),
            None => self.address_like(to).ok_or(Obstacle::NoIpv6 { interface }),
        }
    }

    /// The address of its own that is spoken to by one that is known outside.
    pub(super) fn own(&self, outside: IpAddr) -> IpAddr {
        match (outside, &self.public) {
            (IpAddr::V4(ip), Some(public)) if public.ip == ip => self.private_of(public).into(),
            (IpAddr::V4(_), _) => self.interface.ip.into(),
            (IpAddr::V6(_), _) => outside,
        }
    }

    fn private_of(&self, public: &Address) -> Ipv4Addr {
        public.private.unwrap_or(self.interface.ip)
    }

    pub(super) fn appear(&self, steps: &mut Vec<Step>) -> Result<(), Obstacle> {
        let (interface, instance) = (self.interface.id, self.interface.instance);
        if !self.is_running {
            return Err(Obstacle::NotRunning { interface, instance });
        }
        steps.push(Step::Interface { interface, instance });
        Ok(())
    }

    /// Asks the subnet's network ACL about a packet that crosses its border.
    pub(super) fn crosses(&self, direction: Direction, flow: Flow, other: IpAddr, is_answer: bool) -> Result<Option<Step>, Obstacle> {
        let Some(acl) = &self.acl else { return Ok(None) };
        match acl.judge(direction, flow, other) {
            (Verdict::Accept, entry) => Ok(entry.map(|entry| Step::Crossed { acl: acl.id, entry })),
            (Verdict::Drop, entry) => Err(Obstacle::Stopped { interface: self.interface.id, acl: acl.id, entry, direction, is_answer }),
        }
    }

    /// Asks the groups: the first rule by priority decides, within one priority a drop, and without any the packet is dropped.
    pub(super) fn accepts(&self, direction: Direction, flow: Flow, other: Other<'_>, steps: &mut Vec<Step>) -> Result<(), Obstacle> {
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

    /// The way out of the VPC to an address, and the address that the packets from one of its own carry then. IPv6 keeps it.
    pub(super) fn leave(&self, from: IpAddr, to: IpAddr, steps: &mut Vec<Step>) -> Result<IpAddr, Obstacle> {
        let interface = self.interface.id;
        // A route through a guest comes first, also where a VPC needs none to leave.
        if let Ok((table, route)) = self.route(to) {
            match route.way_on() {
                WayOn::Interface(_) => {
                    steps.push(Step::Route { table, route: route.clone() });
                    return Err(Obstacle::SentOn { interface, table, route });
                }
                WayOn::Peering(_) => return Err(Obstacle::Blackhole { interface, table, route }),
                WayOn::NatGateway(gateway) if !self.keeps_to_own(gateway) => {
                    steps.push(Step::Route { table, route: route.clone() });
                    return self.leave_by_nat(gateway, (from, to), steps).ok_or(Obstacle::Blackhole { interface, table, route });
                }
                WayOn::EgressOnlyGateway(gateway) if let Some(exit) = self.egress_only_exit(gateway) => {
                    if !exit.takes(from) {
                        return Err(Obstacle::NoPublicAddress { interface });
                    }
                    steps.push(Step::Route { table, route });
                    steps.push(Step::EgressOnlyGateway { gateway });
                    return Ok(from);
                }
                WayOn::InternetGateway(_) | WayOn::NatGateway(_) | WayOn::EgressOnlyGateway(_) => {}
            }
        }
        match &self.gateway {
            None if self.vpc.open && from.is_ipv4() => steps.push(Step::Open { vpc: self.vpc.id }),
            gateway => {
                let (table, route) = self.route(to)?;
                let own = gateway.as_ref().map(|gateway| gateway.id).filter(|id| route.way_on() == WayOn::InternetGateway(*id));
                let Some(gateway) = own else { return Err(Obstacle::Blackhole { interface, table, route }) };
                steps.push(Step::Route { table, route });
                steps.push(Step::Gateway { gateway });
            }
        }
        let IpAddr::V4(from) = from else { return Ok(from) };
        let translated = self.public.as_ref().filter(|address| self.private_of(address) == from);
        let address = translated.ok_or(Obstacle::NoPublicAddress { interface })?;
        steps.push(Step::Translated { address: address.id, public: address.ip, private: from });
        Ok(address.ip.into())
    }

    fn egress_only_exit(&self, gateway: EgressOnlyGatewayId) -> Option<&EgressOnlyExit> {
        self.egress_only.iter().find(|exit| exit.gateway == gateway)
    }

    /// Whether who is outside opens connections to an address of its own by an egress-only gateway.
    pub(super) fn is_called_by(&self, gateway: EgressOnlyGatewayId, ip: IpAddr) -> bool {
        self.egress_only_exit(gateway).is_some_and(|exit| exit.is_called(ip))
    }

    /// Whether it leaves with an address of its own although a route leads to a NAT gateway.
    fn keeps_to_own(&self, gateway: NatGatewayId) -> bool {
        let listed = |exit: &&NatExit| exit.gateway.id == gateway && exit.gateway.serves == NatServes::Listed;
        self.vpc.open && self.gateway.is_none() && self.public.is_some() && self.nats.iter().any(|exit| listed(&exit))
    }

    /// The way out by a NAT gateway, which reaches what its own subnet reaches; none when that is not the address.
    fn leave_by_nat(&self, gateway: NatGatewayId, ends: (IpAddr, IpAddr), steps: &mut Vec<Step>) -> Option<IpAddr> {
        let (IpAddr::V4(source), IpAddr::V4(to)) = ends else { return None };
        let exit = self.nats.iter().find(|exit| exit.gateway.id == gateway)?;
        let reached = exit.gateway.ways(&self.vpc, &self.tables, self.gateway.as_ref());
        if !reached.iter().any(|range| range.contains(&to)) {
            return None;
        }
        let address = exit.address_of(source)?;
        steps.push(Step::NatGateway { gateway });
        // The internet gateway translates from the private address that the NAT gateway has, if it has one.
        steps.push(Step::Translated { address: address.id, public: address.ip, private: exit.gateway.private().unwrap_or(source) });
        steps.extend(self.gateway.as_ref().map(|gateway| Step::Gateway { gateway: gateway.id }));
        Some(address.ip.into())
    }

    /// Whether an address of IPv6 of its own is known outside of the VPC: some of its packets leave it.
    pub(super) fn is_known_outside(&self, ip: IpAddr) -> bool {
        let leads_out = |target: Ipv6Target| match target {
            Ipv6Target::InternetGateway { gateway } => self.gateway.as_ref().is_some_and(|own| own.id == gateway),
            Ipv6Target::EgressOnlyGateway { gateway } => self.egress_only_exit(gateway).is_some_and(|exit| exit.takes(ip)),
            Ipv6Target::Interface { interface: _ } | Ipv6Target::Peering { peering: _ } => false,
        };
        ipv6_ways(&self.tables, self.interface.subnet).into_iter().any(|(_, target)| leads_out(target))
    }

    /// The enabled route of the subnet's table with the longest prefix.
    pub(super) fn route(&self, to: IpAddr) -> Result<(RouteTableId, TableRoute), Obstacle> {
        let table = table_of(&self.tables, self.interface.subnet);
        let longest = table.and_then(|table| match to {
            IpAddr::V4(to) => {
                let over = table.routes.iter().filter(|route| !route.disabled && route.destination.contains(&to));
                over.max_by_key(|route| route.destination.prefix_len()).cloned().map(TableRoute::V4)
            }
            IpAddr::V6(to) => {
                let over = table.ipv6_routes.iter().filter(|route| route.destination.contains(&to));
                over.max_by_key(|route| route.destination.prefix_len()).copied().map(TableRoute::V6)
            }
        });
        let table = table.map(|table| table.id);
        table.zip(longest).ok_or(Obstacle::NoRoute { interface: self.interface.id, table, ip: to })
    }
}
