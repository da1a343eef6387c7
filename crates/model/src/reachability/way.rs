//! What a connection passes and what ends it, kept as it was when it was judged, and its words for an operator.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    AclEntry, AddressId, Direction, EgressOnlyGatewayId, InstanceId, InterfaceId, InternetGatewayId, Ipv6Route, Ipv6Target, NatGatewayId,
    NetworkAclId, Peer, Protocol, Route, RouteTableId, RouteTarget, RuleId, SecurityGroupId, VpcId, VpcPeeringId,
};

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
        destination: IpNet,
    },
    /// A route that is followed out of the VPC.
    Route {
        /// Its table.
        table: RouteTableId,
        /// The route.
        route: TableRoute,
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
    /// An egress-only internet gateway.
    EgressOnlyGateway {
        /// It.
        gateway: EgressOnlyGatewayId,
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
        ip: IpAddr,
    },
}

/// A route of a table, of either version of IP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TableRoute {
    /// Of IPv4.
    V4(Route),
    /// Of IPv6.
    V6(Ipv6Route),
}

/// Where a route leads, of either version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOn {
    /// Out by an internet gateway.
    InternetGateway(InternetGatewayId),
    /// Out by an egress-only gateway.
    EgressOnlyGateway(EgressOnlyGatewayId),
    /// To an interface, whose guest sends packets on.
    Interface(InterfaceId),
    /// To a NAT gateway.
    NatGateway(NatGatewayId),
    /// To a peered VPC.
    Peering(VpcPeeringId),
}

impl TableRoute {
    /// The addresses that it is about.
    pub fn destination(&self) -> IpNet {
        match self {
            TableRoute::V4(route) => route.destination.into(),
            TableRoute::V6(route) => route.destination.into(),
        }
    }

    /// Where it leads.
    pub fn way_on(&self) -> WayOn {
        match self {
            TableRoute::V4(route) => match route.target {
                RouteTarget::InternetGateway { gateway } => WayOn::InternetGateway(gateway),
                RouteTarget::Interface { interface } => WayOn::Interface(interface),
                RouteTarget::NatGateway { gateway } => WayOn::NatGateway(gateway),
                RouteTarget::Peering { peering } => WayOn::Peering(peering),
            },
            TableRoute::V6(route) => match route.target {
                Ipv6Target::InternetGateway { gateway } => WayOn::InternetGateway(gateway),
                Ipv6Target::EgressOnlyGateway { gateway } => WayOn::EgressOnlyGateway(gateway),
                Ipv6Target::Interface { interface } => WayOn::Interface(interface),
                Ipv6Target::Peering { peering } => WayOn::Peering(peering),
            },
        }
    }
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
        ip: IpAddr,
    },
    /// An address that is another's is given for the sender's: the interface does not have it, or it is of the VPC and comes from
    /// outside.
    Spoofed {
        /// The interface at which it is told.
        interface: InterfaceId,
        /// The address.
        ip: IpAddr,
        /// Out of the interface, or from outside to it.
        direction: Direction,
    },
    /// No route leads to the address; for the receiver this is about its answers.
    NoRoute {
        /// The interface whose packets have nowhere to go.
        interface: InterfaceId,
        /// The table of its subnet.
        table: Option<RouteTableId>,
        /// The address.
        ip: IpAddr,
    },
    /// The route to the address leads to something that is not there.
    Blackhole {
        /// The interface whose packets are lost.
        interface: InterfaceId,
        /// The table.
        table: RouteTableId,
        /// The route.
        route: TableRoute,
    },
    /// The route leads to an interface whose guest may send packets on; what becomes of them there is not known.
    SentOn {
        /// The interface whose packets they are.
        interface: InterfaceId,
        /// The table.
        table: RouteTableId,
        /// The route.
        route: TableRoute,
    },
    /// An interface has no public address to leave its VPC with, or to be reached by.
    NoPublicAddress {
        /// The interface.
        interface: InterfaceId,
    },
    /// An interface has no address of IPv6.
    NoIpv6 {
        /// The interface.
        interface: InterfaceId,
    },
    /// The receiver's way to the sender is one by which only its own side opens connections.
    OnlyOutward {
        /// The interface of the receiver.
        interface: InterfaceId,
        /// The gateway.
        gateway: EgressOnlyGatewayId,
        /// The table.
        table: RouteTableId,
        /// The route.
        route: TableRoute,
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
            Step::Route { table, route } => write!(f, "the route to {} in {table}", route.destination()),
            Step::Open { vpc } => write!(f, "out of {vpc}, which is open without a gateway"),
            Step::NatGateway { gateway } => gateway.fmt(f),
            Step::Peering { peering } => peering.fmt(f),
            Step::Gateway { gateway } => gateway.fmt(f),
            Step::EgressOnlyGateway { gateway } => gateway.fmt(f),
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
            Obstacle::Spoofed { interface, ip, direction: Direction::Egress } => write!(f, "{ip} is no address of {interface}"),
            Obstacle::Spoofed { interface, ip, direction: Direction::Ingress } => {
                write!(f, "{ip} is an address of the VPC of {interface} and comes from outside")
            }
            Obstacle::NoRoute { interface, table: Some(table), ip } => write!(f, "no route of {table} leads {interface} to {ip}"),
            Obstacle::NoRoute { interface, table: None, ip } => write!(f, "{interface} has no route table that leads to {ip}"),
            Obstacle::Blackhole { interface, table, route } => {
                write!(f, "the route of {interface} to {} in {table} leads to something that is not there", route.destination())
            }
            Obstacle::SentOn { interface, table, route } => {
                write!(f, "the route of {interface} to {} in {table} leads to a guest, which sends it on or not", route.destination())
            }
            Obstacle::NoPublicAddress { interface } => write!(f, "{interface} has no public address"),
            Obstacle::NoIpv6 { interface } => write!(f, "{interface} has no address of IPv6"),
            Obstacle::OnlyOutward { interface, gateway, table, route } => {
                let to = route.destination();
                write!(f, "the route of {interface} to {to} in {table} leads to {gateway}, by which nobody outside opens connections")
            }
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
