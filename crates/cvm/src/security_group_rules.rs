//! From VPC's line of policies to the control plane's rules with priorities, and back.
//!
//! ```text
//! line         ACCEPT a   DROP b   ACCEPT c        the first that fits decides
//! priority     49         50       50              within one, a drop is looked at first
//! ```
//!
//! A new policy gets a priority at which it stands in its place of the line; the others keep theirs. Where no priority does
//! that, the call is refused. Policies that stand beside each other and decide alike may change places, which no packet sees.

use std::net::{Ipv4Addr, Ipv6Addr};

use control::NewRule;
use ipnet::{Ipv4Net, Ipv6Net};
use model::{Direction, PRIORITY_FIRST, PRIORITY_LAST, Peer, Protocol, Rule, RuleId, SecurityGroup, Verdict};
use wire::FromArg;

use crate::error::Fault;
use crate::id;

/// The priority of a group's first policy: in the middle, with room on both sides.
const FIRST_POLICY: u16 = 50;
/// Port ranges that one policy may list.
const PORTS_PER_POLICY: usize = 15;

/// A policy as a call gives it.
#[derive(Debug, FromArg)]
pub(crate) struct PolicyArg {
    policy_index: Option<usize>,
    protocol: Option<String>,
    port: Option<String>,
    cidr_block: Option<String>,
    ipv6_cidr_block: Option<String>,
    security_group_id: Option<String>,
    action: Option<Action>,
    #[arg(max_len = 100)]
    policy_description: Option<String>,
    #[expect(dead_code, reason = "clients send back what they read")]
    modify_time: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum Action {
    Accept,
    Drop,
}

/// The rules of one direction in the order in which they decide; of those that could change places, the newest first.
pub(crate) fn in_line(group: &SecurityGroup, direction: Direction) -> Vec<&Rule> {
    let mut line: Vec<&Rule> = group.rules.iter().filter(|rule| rule.direction == direction && !rule.is_implied()).collect();
    line.sort_by_key(|rule| (rule.priority, rule.verdict == Verdict::Accept, std::cmp::Reverse(rule.id)));
    line
}

/// A number that changes whenever the policies do.
pub(crate) fn version(group: &SecurityGroup) -> String {
    // FNV-1a over what the rules say.
    let said = group.rules.iter().map(|rule| format!("{} {} {rule} {}\n", rule.id, rule.priority, rule.description));
    let hash = said.flat_map(String::into_bytes).fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.to_string()
}

/// The rules for new policies of a group, in the order in which the control plane is to make them.
pub(crate) fn placed(group: &SecurityGroup, direction: Direction, policies: &[PolicyArg]) -> Result<Vec<NewRule>, Fault> {
    let at = one_place(policies)?.unwrap_or(0);
    placed_at(&in_line(group, direction), at, direction, policies)
}

/// The rule that stands where a policy is to stand, and the rules that are to stand there.
pub(crate) fn in_place_of<'g>(
    group: &'g SecurityGroup,
    direction: Direction,
    policies: &[PolicyArg],
) -> Result<(&'g Rule, Vec<NewRule>), Fault> {
    let at = one_place(policies)?.ok_or_else(|| Fault::missing("PolicyIndex"))?;
    let mut line = in_line(group, direction);
    if at >= line.len() {
        return Err(absent(format!("at the place {at}")));
    }
    let taken = line.remove(at);
    Ok((taken, placed_at(&line, at, direction, policies)?))
}

/// The rules of one direction where there are no others: the first policy is looked at first.
pub(crate) fn alone(direction: Direction, policies: &[PolicyArg]) -> Result<Vec<NewRule>, Fault> {
    if policies.iter().any(|policy| policy.policy_index.is_some()) {
        return Err(Fault::conflict("policies that take the place of all others stand as they are given, without `PolicyIndex`"));
    }
    placed_at(&[], 0, direction, policies)
}

fn one_place(policies: &[PolicyArg]) -> Result<Option<usize>, Fault> {
    let at = policies.first().and_then(|first| first.policy_index);
    if policies.iter().any(|policy| policy.policy_index.unwrap_or(0) != at.unwrap_or(0)) {
        return Err(Fault::conflict("the policies of one call go to one place, so all have the same `PolicyIndex`"));
    }
    Ok(at)
}

fn placed_at(line: &[&Rule], at: usize, direction: Direction, policies: &[PolicyArg]) -> Result<Vec<NewRule>, Fault> {
    if at > line.len() {
        return Err(Fault::invalid("PolicyIndex", format!("there are {} policies", line.len())));
    }
    let above: Vec<Place> = line[..at].iter().map(|rule| Place::of(rule)).collect();
    let mut below: Vec<Place> = line[at..].iter().map(|rule| Place::of(rule)).collect();
    let mut rules = vec![];
    // The last one first, so that each stands above what is there, and the newest of equals is shown first.
    for policy in policies.iter().rev() {
        for mut rule in policy.rules(direction)? {
            rule.priority = priority(&above, &below, rule.verdict).ok_or_else(|| {
                Fault::unsupported("A place of the policy between those that are there (their order leaves no room; delete some first)")
            })?;
            below.insert(0, Place { priority: rule.priority, verdict: rule.verdict });
            rules.push(rule);
        }
    }
    Ok(rules)
}

fn absent(what: String) -> Fault {
    Fault::new("ResourceNotFound", format!("The security group has no policy {what}."))
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    priority: u16,
    verdict: Verdict,
}

impl Place {
    fn of(rule: &Rule) -> Place {
        Place { priority: rule.priority, verdict: rule.verdict }
    }

    /// Whether it is looked at before another one, or may as well be.
    fn may_precede(self, other: Place) -> bool {
        self.priority < other.priority
            || self.priority == other.priority && (self.verdict == other.verdict || self.verdict == Verdict::Drop)
    }
}

/// A priority for a rule that is looked at after those above and before those below, as near to those below as may be.
fn priority(above: &[Place], below: &[Place], verdict: Verdict) -> Option<u16> {
    let fits = |priority: &u16| {
        let new = Place { priority: *priority, verdict };
        above.iter().all(|place| place.may_precede(new)) && below.iter().all(|place| new.may_precede(*place))
    };
    match (above.last(), below.first()) {
        (None, None) => Some(FIRST_POLICY),
        (_, Some(next)) => (PRIORITY_FIRST..=next.priority).rev().find(fits),
        (Some(last), None) => (last.priority..=PRIORITY_LAST).find(fits),
    }
}

impl PolicyArg {
    /// The rules that say the same, one for each range of ports. Their priority is not chosen yet.
    fn rules(&self, direction: Direction) -> Result<Vec<NewRule>, Fault> {
        let verdict = match self.action.ok_or_else(|| Fault::missing("Action"))? {
            Action::Accept => Verdict::Accept,
            Action::Drop => Verdict::Drop,
        };
        let (peer, description) = (self.peer()?, self.policy_description.clone().unwrap_or_default());
        let rule = |protocol: Protocol| {
            let protocol = protocol.check()?;
            if matches!((protocol, peer), (Protocol::Icmp6 { .. }, Peer::Range { .. }) | (Protocol::Icmp { .. }, Peer::Range6 { .. })) {
                return Err(Fault::conflict("ICMP goes with `CidrBlock` and ICMPv6 with `Ipv6CidrBlock`"));
            }
            Ok(NewRule { direction, verdict, priority: FIRST_POLICY, protocol, peer, description: description.clone() })
        };
        protocols(self.protocol.as_deref().unwrap_or("ALL"), self.port.as_deref())?.into_iter().map(rule).collect()
    }

    fn peer(&self) -> Result<Peer, Fault> {
        let given = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
        match (given(&self.cidr_block), given(&self.ipv6_cidr_block), given(&self.security_group_id)) {
            (Some(range), None, None) => Ok(Peer::Range { range: read_range(&range)? }),
            (None, Some(range), None) => Ok(Peer::Range6 { range: read_range6(&range)? }),
            (None, None, Some(group)) => Ok(Peer::Group { group: id::read(&group)? }),
            (None, None, None) => Err(Fault::missing("CidrBlock")),
            _ => Err(Fault::conflict("a policy has one of `CidrBlock`, `Ipv6CidrBlock` and `SecurityGroupId`")),
        }
    }

    /// The rules of a line that are meant by a policy that is to be deleted: the one at its place, or those that say the same.
    pub(crate) fn meant(&self, line: &[&Rule], direction: Direction) -> Result<Vec<RuleId>, Fault> {
        if let Some(at) = self.policy_index {
            return Ok(vec![line.get(at).ok_or_else(|| absent(format!("at the place {at}")))?.id]);
        }
        let find = |new: NewRule| {
            let same = |rule: &&&Rule| (rule.verdict, rule.protocol, rule.peer) == (new.verdict, new.protocol, new.peer);
            line.iter().find(same).map(|rule| rule.id).ok_or_else(|| absent("that says so".to_owned()))
        };
        self.rules(direction)?.into_iter().map(find).collect()
    }
}

/// Reads a range or an address.
pub(crate) fn read_range(text: &str) -> Result<Ipv4Net, Fault> {
    let range = text.parse::<Ipv4Net>().or_else(|error| text.parse::<Ipv4Addr>().map(Ipv4Net::from).map_err(|_| error));
    range.map_err(|_| Fault::invalid("CidrBlock", "it is no IPv4 range"))
}

/// Reads a range or an address of IPv6.
pub(crate) fn read_range6(text: &str) -> Result<Ipv6Net, Fault> {
    let range = text.parse::<Ipv6Net>().or_else(|error| text.parse::<Ipv6Addr>().map(Ipv6Net::from).map_err(|_| error));
    range.map_err(|_| Fault::invalid("Ipv6CidrBlock", "it is no IPv6 range"))
}

/// A protocol with its ports, written `22`, `8000-8080`, `80,443` or `all`: one for each range.
pub(crate) fn protocols(name: &str, ports: Option<&str>) -> Result<Vec<Protocol>, Fault> {
    let ports = || ranges(ports.filter(|ports| !ports.is_empty()).unwrap_or("all"));
    Ok(match name.to_ascii_uppercase().as_str() {
        "ALL" | "" => vec![Protocol::All],
        "TCP" => ports()?.into_iter().map(|(from, to)| Protocol::Tcp { from, to }).collect(),
        "UDP" => ports()?.into_iter().map(|(from, to)| Protocol::Udp { from, to }).collect(),
        "ICMP" => vec![Protocol::Icmp { kind: None, code: None }],
        "GRE" => vec![Protocol::Number { number: 47 }],
        "ICMPV6" => vec![Protocol::Icmp6 { kind: None, code: None }],
        _ => return Err(Fault::invalid("Protocol", "must be TCP, UDP, ICMP, ICMPv6, GRE or ALL")),
    })
}

fn ranges(ports: &str) -> Result<Vec<(u16, u16)>, Fault> {
    if ports.eq_ignore_ascii_case("all") {
        return Ok(vec![(0, u16::MAX)]);
    }
    let range = |text: &str| {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
    };
    let ranges: Option<Vec<(u16, u16)>> = ports.split(',').map(range).collect();
    let ranges = ranges.ok_or_else(|| Fault::invalid("Port", "it is not written like 22, 8000-8080, 80,443 or all"))?;
    if ranges.len() > PORTS_PER_POLICY {
        return Err(Fault::invalid("Port", format!("more than {PORTS_PER_POLICY} ranges")));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The priorities of policies that are added at the top, one after another, `a` for one that accepts and `d` for a drop.
    fn stacked(verdicts: &str) -> Option<Vec<u16>> {
        let mut below: Vec<Place> = vec![];
        for letter in verdicts.chars() {
            let verdict = if letter == 'a' { Verdict::Accept } else { Verdict::Drop };
            below.insert(0, Place { priority: priority(&[], &below, verdict)?, verdict });
        }
        Some(below.iter().rev().map(|place| place.priority).collect())
    }

    #[test]
    fn a_priority_is_spent_only_where_an_accept_stands_above_a_drop() {
        for (verdicts, expected) in
            [("a", &[50][..]), ("aaa", &[50, 50, 50]), ("ad", &[50, 50]), ("da", &[50, 49]), ("dada", &[50, 49, 49, 48])]
        {
            assert_eq!(stacked(verdicts).as_deref(), Some(expected), "{verdicts}");
        }
        assert!(stacked(&"da".repeat(49)).is_some());
        assert_eq!(stacked(&"da".repeat(50)), None, "no priority is left above");
    }

    #[test]
    fn a_policy_goes_between_others_where_their_order_leaves_room() {
        let place = |priority, verdict| Place { priority, verdict };
        let (accept, drop) = (Verdict::Accept, Verdict::Drop);
        for (above, below, verdict, expected) in [
            (vec![place(50, accept)], vec![], drop, Some(51)),
            (vec![place(50, drop)], vec![], accept, Some(50)),
            (vec![place(50, drop)], vec![place(50, accept)], drop, Some(50)),
            (vec![place(50, accept)], vec![place(50, accept)], accept, Some(50)),
            (vec![place(50, accept)], vec![place(50, accept)], drop, None),
            (vec![place(50, accept)], vec![place(52, drop)], drop, Some(52)),
            (vec![place(50, accept)], vec![place(51, drop)], accept, Some(50)),
            (vec![place(100, accept)], vec![], drop, None),
        ] {
            assert_eq!(priority(&above, &below, verdict), expected, "{above:?} {below:?} {verdict:?}");
        }
    }

    #[test]
    fn ports_are_read_as_vpc_writes_them() {
        for (text, expected) in [
            ("22", Some(&[(22, 22)][..])),
            ("80,443", Some(&[(80, 80), (443, 443)])),
            ("8000-8080", Some(&[(8000, 8080)])),
            ("all", Some(&[(0, 65535)])),
            ("ALL", Some(&[(0, 65535)])),
            ("65536", None),
            ("22/22", None),
            ("", None),
        ] {
            assert_eq!(ranges(text).ok().as_deref(), expected, "{text}");
        }
    }
}
