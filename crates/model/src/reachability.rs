//! Whether a connection comes about, judged from the rows by the rules that hosts enforce, and what decides.
//!
//! ```text
//!   sender ─ its groups, outward ─ its route ─┬─ local ──────────────────────────────────┬─ receiver's groups, inward ─ receiver
//!                                             ├─ peering ─ a route back ─────────────────┤
//!                                             ├─ IPv4: gateway ─ public address ─ gateway ┤
//!                                             └─ IPv6: gateway ─ gateway, not egress-only ┘
//! ```
//!
//! Groups are stateful, so answers ask no rule; they do ask for a route back. The judgement is about addresses and rules: it
//! does not know whether somebody listens, and beyond the cloud it only knows that packets left. What leaves with an address of IPv6
//! is taken to come to whoever has the address, which between VPCs is up to the machines in between (ADR 0020). Both versions of IP go
//! through the same code; they differ in what translates. The property tests of the agent's network hold it against real packets.

mod endpoint;
mod flow;
mod way;

use std::net::IpAddr;

pub use endpoint::{EgressOnlyExit, Endpoint, NatExit};
pub use flow::Flow;
pub use way::{Decider, Obstacle, Step, TableRoute, Way, WayOn};

use endpoint::Other;

use crate::{Direction, SecurityGroupId, VpcPeeringId, table_of};

/// Who opens the connection.
#[derive(Debug, Clone, Copy)]
pub enum Sender<'a> {
    /// An interface of the cloud.
    Interface {
        /// It.
        end: &'a Endpoint,
        /// The address that it speaks with; none is the first that it has.
        from: Option<IpAddr>,
    },
    /// Somebody beyond the cloud.
    Beyond(IpAddr),
}

/// Who has the address that is spoken to.
#[derive(Debug, Clone, Copy)]
pub enum Receiver<'a> {
    /// An interface of the cloud, by an address that it has in the sender's VPC or is known by outside.
    Interface(&'a Endpoint),
    /// Somebody beyond the cloud.
    Beyond,
    /// Nobody: an address of the sender's VPC or of the cloud's that is not in use.
    Nobody,
}

/// Judges a connection that `sender` opens to the address `to`, which `receiver` has. Answers go to the port `answers_to`, which
/// only network ACLs ask for.
pub fn reach(sender: Sender<'_>, receiver: Receiver<'_>, to: IpAddr, flow: Flow, answers_to: u16) -> Way {
    let mut steps = Vec::new();
    let obstacle = judge(sender, receiver, to, flow, &mut steps).and_then(|from| answered(sender, receiver, (from, to), flow, answers_to));
    Way { steps, obstacle: obstacle.err() }
}

/// Judges the answers at the borders of subnets, the last that can stop them.
fn answered(sender: Sender<'_>, receiver: Receiver<'_>, ends: (IpAddr, IpAddr), flow: Flow, port: u16) -> Result<(), Obstacle> {
    let answer = flow.answer(port);
    let (from, to) = ends;
    let here = |end: &Endpoint, direction, other| end.crosses(direction, answer, other, true).map(|_| ());
    let asks = match sender {
        Sender::Interface { end, from: _ } => Some(end),
        Sender::Beyond(_) => None,
    };
    match receiver {
        Receiver::Interface(end)
            if asks.is_some_and(|asks| asks.interface.subnet == end.interface.subnet && asks.range_over(to).is_some()) =>
        {
            return Ok(());
        }
        Receiver::Interface(end) => here(end, Direction::Egress, from)?,
        Receiver::Beyond | Receiver::Nobody => {}
    }
    asks.map_or(Ok(()), |asks| here(asks, Direction::Ingress, to))
}

/// Judges the packet itself; gives the address that the receiver sees it come from.
fn judge(sender: Sender<'_>, receiver: Receiver<'_>, to: IpAddr, flow: Flow, steps: &mut Vec<Step>) -> Result<IpAddr, Obstacle> {
    let (asks, from) = match sender {
        Sender::Beyond(ip) => {
            steps.push(Step::Beyond { ip });
            (None, ip)
        }
        Sender::Interface { end: from, from: asked } => {
            from.appear(steps)?;
            let source = from.source(asked, to)?;
            if from.range_over(to).is_some() {
                return inside((from, source), receiver, to, flow, steps);
            }
            let mut groups = &[][..];
            if let Receiver::Interface(end) = receiver {
                if let Ok((_, route)) = from.route(to)
                    && let WayOn::Peering(peering) = route.way_on()
                    && from.peerings.contains(&(peering, end.vpc.id))
                {
                    return across((from, source), peering, end, to, flow, steps);
                }
                groups = groups_known(from, end, to);
            }
            from.accepts(Direction::Egress, flow, Other { ip: to, groups }, steps)?;
            steps.extend(from.crosses(Direction::Egress, flow, to, false)?);
            (Some(from), from.leave(source, to, steps)?)
        }
    };
    match receiver {
        Receiver::Beyond => {
            steps.push(Step::Beyond { ip: to });
            Ok(from)
        }
        Receiver::Nobody => Err(Obstacle::Nobody { ip: to }),
        Receiver::Interface(end) => {
            let groups = asks.map_or(&[][..], |asks| groups_known(end, asks, from));
            let_in(end, from, to, steps)?;
            steps.extend(end.crosses(Direction::Ingress, flow, from, false)?);
            end.accepts(Direction::Ingress, flow, Other { ip: from, groups }, steps)?;
            end.appear(steps)?;
            Ok(from)
        }
    }
}

/// The way from outside into a VPC, to an address that is known there.
fn let_in(end: &Endpoint, from: IpAddr, to: IpAddr, steps: &mut Vec<Step>) -> Result<(), Obstacle> {
    let interface = end.interface.id;
    if end.range_over(from).is_some() {
        return Err(Obstacle::Spoofed { interface, ip: from, direction: Direction::Ingress });
    }
    let mut answers = Vec::new();
    let answered = end.leave(end.own(to), from, &mut answers)?;
    // Answers that come from another address than the one that was asked are nobody's.
    if answered != to {
        let (table, route) = end.route(from)?;
        return Err(Obstacle::Blackhole { interface, table, route });
    }
    if let Some(Step::EgressOnlyGateway { gateway }) = answers.last()
        && !end.is_called_by(*gateway, to)
    {
        let (table, route) = end.route(from)?;
        return Err(Obstacle::OnlyOutward { interface, gateway: *gateway, table, route });
    }
    // What answers pass on their way out is what the packet passes on its way in.
    steps.extend(answers.drain(..).rev());
    Ok(())
}

/// The groups of another end that rules here see behind its address. An address of IPv6 is the same on every way between two VPCs; a
/// public one of IPv4 is nobody's in particular.
fn groups_known<'a>(here: &Endpoint, other: &'a Endpoint, ip: IpAddr) -> &'a [SecurityGroupId] {
    let is_peered = here.peerings.iter().any(|(_, vpc)| *vpc == other.vpc.id);
    if ip.is_ipv6() && is_peered { &other.interface.groups } else { &[] }
}

/// The way inside a VPC.
fn inside(
    (from, source): (&Endpoint, IpAddr),
    receiver: Receiver<'_>,
    to: IpAddr,
    flow: Flow,
    steps: &mut Vec<Step>,
) -> Result<IpAddr, Obstacle> {
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
    let destination = from.range_over(to).unwrap_or(from.vpc.range.into());
    steps.push(Step::Local { vpc: from.vpc.id, table, destination });
    if crosses {
        steps.extend(end.crosses(Direction::Ingress, flow, source, false)?);
    }
    end.accepts(Direction::Ingress, flow, Other { ip: source, groups: &from.interface.groups }, steps)?;
    end.appear(steps)?;
    Ok(source)
}

/// The way into a peered VPC, which must have one back.
fn across(
    (from, source): (&Endpoint, IpAddr),
    peering: VpcPeeringId,
    end: &Endpoint,
    to: IpAddr,
    flow: Flow,
    steps: &mut Vec<Step>,
) -> Result<IpAddr, Obstacle> {
    from.accepts(Direction::Egress, flow, Other { ip: to, groups: &end.interface.groups }, steps)?;
    steps.extend(from.crosses(Direction::Egress, flow, to, false)?);
    let (table, route) = from.route(to)?;
    steps.push(Step::Route { table, route });
    let (table, back) = end.route(source)?;
    // Nothing is translated in IPv6, so that answers find their connection by another way too.
    let is_there = back.way_on() == WayOn::Peering(peering);
    let comes_back = is_there || source.is_ipv6() && from.is_known_outside(source) && end.leave(to, source, &mut vec![]).is_ok();
    if !comes_back {
        return Err(Obstacle::Blackhole { interface: end.interface.id, table, route: back });
    }
    steps.push(Step::Peering { peering });
    steps.push(Step::Route { table, route: back });
    steps.extend(end.crosses(Direction::Ingress, flow, source, false)?);
    end.accepts(Direction::Ingress, flow, Other { ip: source, groups: &from.interface.groups }, steps)?;
    end.appear(steps)?;
    Ok(source)
}

#[cfg(test)]
#[path = "reachability_tests.rs"]
mod tests;
