//! Network ACLs: what may cross the border of a subnet, packet by packet.
//!
//! Unlike a security group an ACL knows no connections: answers need an entry of their own. Inside a subnet it says nothing. A
//! subnet that is tied to none has the default one of its VPC.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::reachability::Flow;
use crate::{AccountId, Direction, Error, Millis, NetworkAclAssociationId, NetworkAclId, Protocol, SubnetId, Tags, Verdict, VpcId};

/// Largest number of an entry that a tenant makes (EC2's; the next one stands for "else drop").
pub const ACL_NUMBER_MAX: u16 = 32_766;
/// Most entries of an ACL in one direction (what EC2 documents as its highest).
pub const ACL_ENTRIES_MAX: usize = 40;

/// A network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAcl {
    /// Its id.
    pub id: NetworkAclId,
    /// Owner.
    pub account: AccountId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Whether subnets that are tied to none have it.
    pub is_default: bool,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Its ties to subnets; a subnet has one at most.
    pub subnets: Vec<AclTie>,
    /// Its entries, no two with the same direction and number.
    pub entries: Vec<AclEntry>,
    /// Whether its entries say what becomes of IPv6: since its VPC has a range of it, or one of them is about it. Until then a default one
    /// lets all IPv6 pass, and another none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub judges_v6: bool,
    /// What the owner says of entries; hosts need not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<EntryWords>,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

/// The tie of an ACL to a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclTie {
    /// Its id.
    pub id: NetworkAclAssociationId,
    /// The subnet.
    pub subnet: SubnetId,
}

/// One entry. The lowest number that is about a packet decides; without any the packet is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclEntry {
    /// 1 to [`ACL_NUMBER_MAX`].
    pub number: u16,
    /// Into the subnet or out of it.
    pub direction: Direction,
    /// What happens to the packet.
    pub verdict: Verdict,
    /// Protocols and destination ports.
    pub protocol: Protocol,
    /// The other end; packets of the other version of IP are none of its business.
    pub range: IpNet,
}

/// What the owner says of the entry with this direction and number (Alibaba Cloud, Tencent Cloud).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryWords {
    /// Direction of the entry.
    pub direction: Direction,
    /// Number of the entry.
    pub number: u16,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
}

impl AclEntry {
    /// Checks a new entry.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=ACL_NUMBER_MAX).contains(&self.number) {
            return Err(Error::invalid("RuleNumber", format!("must be 1 to {ACL_NUMBER_MAX}")));
        }
        match (self.protocol.check()?, self.range) {
            (Protocol::Icmp6 { .. }, IpNet::V4(_)) => Err(Error::invalid("Protocol", "ICMP of IPv6 needs a range of IPv6")),
            _ => Ok(()),
        }
    }

    /// Whether it is about packets of IPv6.
    pub fn is_v6(&self) -> bool {
        matches!(self.range, IpNet::V6(_))
    }

    /// Whether it is about a packet from or to this other end.
    pub fn is_about(&self, direction: Direction, flow: Flow, other: IpAddr) -> bool {
        self.direction == direction && flow.is_of(self.protocol) && self.range.contains(&other)
    }
}

impl NetworkAcl {
    /// What it says of a packet, and the entry that decides; none does where nothing was ever said of IPv6.
    pub fn judge(&self, direction: Direction, flow: Flow, other: IpAddr) -> (Verdict, Option<AclEntry>) {
        let about = self.entries.iter().filter(|entry| entry.is_about(direction, flow, other));
        let first = about.min_by_key(|entry| entry.number).copied();
        let unsaid = if other.is_ipv6() && self.passes_unsaid() { Verdict::Accept } else { Verdict::Drop };
        (first.map_or(unsaid, |entry| entry.verdict), first)
    }

    /// Whether it lets everything pass whatever the entries behind the first say, those of IPv6 in a VPC that has it.
    pub fn is_open(&self, has_v6: bool) -> bool {
        let v6 = !has_v6 || self.passes_unsaid() || self.is_open_to(Direction::Ingress, true) && self.is_open_to(Direction::Egress, true);
        v6 && self.is_open_to(Direction::Ingress, false) && self.is_open_to(Direction::Egress, false)
    }

    /// Whether the first entry of a direction about a version of IP lets everything of it pass.
    pub fn is_open_to(&self, direction: Direction, v6: bool) -> bool {
        let mine = self.entries.iter().filter(|entry| entry.direction == direction && entry.is_v6() == v6);
        let first = mine.min_by_key(|entry| entry.number);
        first.is_some_and(|first| first.verdict == Verdict::Accept && first.protocol == Protocol::All && first.range.prefix_len() == 0)
    }

    /// Whether IPv6 passes because nothing was ever said of it.
    fn passes_unsaid(&self) -> bool {
        self.is_default && !self.judges_v6
    }

    /// The entries as a host is told them, which knows no default ones.
    pub fn told(&self) -> Vec<AclEntry> {
        let mut entries = self.entries.clone();
        if self.passes_unsaid() {
            entries.extend(open_entries_v6());
        }
        entries
    }

    /// Has it say of IPv6 what it says of everything in IPv4, from when its VPC has a range of it (EC2, which adds nothing in a direction
    /// that somebody changed).
    pub fn begin_v6(&mut self) {
        for open in open_entries_v6() {
            let taken = self.entries.iter().any(|entry| (entry.direction, entry.number) == (open.direction, open.number));
            let said = self.entries.iter().any(|entry| entry.direction == open.direction && entry.is_v6());
            if !taken && !said && self.is_open_to(open.direction, false) {
                self.entries.push(open);
            }
        }
        self.entries.sort_by_key(|entry| (entry.direction, entry.number));
        self.judges_v6 = true;
    }

    /// The entries of a direction in the order in which they decide.
    pub fn in_order(&self, direction: Direction) -> Vec<AclEntry> {
        let mut entries: Vec<AclEntry> = self.entries.iter().filter(|entry| entry.direction == direction).copied().collect();
        entries.sort_by_key(|entry| entry.number);
        entries
    }

    /// A free number for an entry that is to stand at a place among those of a direction, from 1, or as the last one: `step` behind the
    /// last, or halfway between its neighbours. None where they leave none free.
    pub fn number_at(&self, direction: Direction, place: Option<usize>, step: u16) -> Option<u16> {
        let entries = self.in_order(direction);
        let at = place.map_or(entries.len(), |place| place.saturating_sub(1).min(entries.len()));
        let below = at.checked_sub(1).and_then(|before| entries.get(before)).map_or(0, |entry| entry.number);
        let above = entries.get(at).map(|entry| entry.number);
        let behind = below.checked_add(step).filter(|number| above.is_none() && *number <= ACL_NUMBER_MAX);
        let halfway = below + (above.unwrap_or(ACL_NUMBER_MAX + 1).saturating_sub(below)) / 2;
        behind.or_else(|| (halfway > below).then_some(halfway))
    }

    /// Gives the entries of a direction numbers that lie `step` apart, in the same order.
    pub fn renumber(&mut self, direction: Direction, step: u16) {
        let before = self.in_order(direction);
        let new = |number: u16| (step..).step_by(step.into()).zip(&before).find(|(_, entry)| entry.number == number).map(|(new, _)| new);
        for entry in self.entries.iter_mut().filter(|entry| entry.direction == direction) {
            entry.number = new(entry.number).unwrap_or(entry.number);
        }
        for words in self.words.iter_mut().filter(|words| words.direction == direction) {
            words.number = new(words.number).unwrap_or(words.number);
        }
    }

    /// What the owner says of an entry, if anything.
    pub fn words_of(&self, entry: &AclEntry) -> Option<&EntryWords> {
        self.words.iter().find(|words| (words.direction, words.number) == (entry.direction, entry.number))
    }

    /// Whether the subnet is tied to it.
    pub fn has_subnet(&self, subnet: SubnetId) -> bool {
        self.subnets.iter().any(|tie| tie.subnet == subnet)
    }
}

/// The ACL of a subnet among those of its VPC.
pub fn acl_of(acls: &[NetworkAcl], subnet: SubnetId) -> Option<&NetworkAcl> {
    acls.iter().find(|acl| acl.has_subnet(subnet)).or_else(|| acls.iter().find(|acl| acl.is_default))
}

/// The entries of a default ACL: everything passes (all three clouds).
pub fn open_entries(has_v6: bool) -> Vec<AclEntry> {
    let v4 = open_to(100, Ipv4Net::default().into());
    if has_v6 { [v4, open_entries_v6()].concat() } else { v4.to_vec() }
}

/// What EC2 adds where there is IPv6.
fn open_entries_v6() -> [AclEntry; 2] {
    open_to(101, Ipv6Net::default().into())
}

fn open_to(number: u16, range: IpNet) -> [AclEntry; 2] {
    [Direction::Ingress, Direction::Egress].map(|direction| AclEntry {
        number,
        direction,
        verdict: Verdict::Accept,
        protocol: Protocol::All,
        range,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u16, verdict: Verdict, protocol: Protocol, range: &str) -> AclEntry {
        AclEntry { number, direction: Direction::Ingress, verdict, protocol, range: range.parse().unwrap() }
    }

    fn acl(id: u64, is_default: bool, entries: Vec<AclEntry>, subnets: &[u64]) -> NetworkAcl {
        let tie = |subnet: &u64| AclTie { id: NetworkAclAssociationId::from_u64(*subnet), subnet: SubnetId::from_u64(*subnet) };
        NetworkAcl {
            id: NetworkAclId::from_u64(id),
            account: AccountId::from_u64(1).unwrap(),
            vpc: VpcId::from_u64(1),
            is_default,
            name: String::new(),
            description: String::new(),
            subnets: subnets.iter().map(tie).collect(),
            entries,
            judges_v6: false,
            words: vec![],
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    #[test]
    fn the_lowest_number_decides_and_nothing_means_no() {
        let tcp = Protocol::Tcp { from: 1, to: 99 };
        let entries = vec![entry(200, Verdict::Accept, tcp, "0.0.0.0/0"), entry(100, Verdict::Drop, Protocol::All, "10.0.0.0/8")];
        let acl = acl(1, false, entries, &[]);
        let judge = |flow, ip: [u8; 4]| acl.judge(Direction::Ingress, flow, std::net::Ipv4Addr::from(ip).into());
        assert_eq!(judge(Flow::Tcp { port: 80 }, [9, 9, 9, 9]).1.map(|entry| entry.number), Some(200));
        assert_eq!(judge(Flow::Tcp { port: 80 }, [10, 9, 9, 9]).0, Verdict::Drop);
        assert_eq!(judge(Flow::Tcp { port: 100 }, [9, 9, 9, 9]), (Verdict::Drop, None));
        assert_eq!(acl.judge(Direction::Egress, Flow::Tcp { port: 80 }, std::net::Ipv4Addr::from([9, 9, 9, 9]).into()).0, Verdict::Drop);
    }

    #[test]
    fn an_entry_is_about_its_own_version_of_ip() {
        let acl = acl(
            1,
            false,
            vec![entry(1, Verdict::Accept, Protocol::All, "2001:db8::/32"), entry(2, Verdict::Accept, Protocol::All, "0.0.0.0/0")],
            &[],
        );
        let judge = |ip: &str| acl.judge(Direction::Ingress, Flow::Tcp { port: 80 }, ip.parse().unwrap()).1.map(|entry| entry.number);
        assert_eq!((judge("2001:db8::1"), judge("2001:db9::1"), judge("9.9.9.9")), (Some(1), None, Some(2)));
        let icmp6 = Protocol::Icmp6 { kind: None, code: None };
        assert!(entry(1, Verdict::Drop, icmp6, "::/0").check().is_ok() && entry(1, Verdict::Drop, icmp6, "0.0.0.0/0").check().is_err());
    }

    #[test]
    fn a_default_acl_says_of_ipv6_what_it_says_of_ipv4_from_when_there_is_some() {
        let mut acl = acl(1, true, open_entries(false), &[]);
        assert!(acl.is_open(false) && acl.is_open(true) && acl.told().len() == 4);
        let judge = |acl: &NetworkAcl| acl.judge(Direction::Egress, Flow::Tcp { port: 80 }, "2001:db8::1".parse().unwrap());
        assert_eq!(judge(&acl), (Verdict::Accept, None), "nothing was said of IPv6, so that it passes");
        acl.entries[1].verdict = Verdict::Drop;
        acl.begin_v6();
        acl.begin_v6();
        assert_eq!(acl.entries.iter().filter(|entry| entry.is_v6()).map(|entry| entry.direction).collect::<Vec<_>>(), [Direction::Ingress]);
        assert!(!acl.is_open(true) && acl.told() == acl.entries, "nothing is said of IPv6 outward, so it does not pass");
        assert_eq!(judge(&acl), (Verdict::Drop, None));
        let mut open = acl.clone();
        open.entries = open_entries(true);
        assert!(open.is_open(true));
        open.entries.retain(|entry| !entry.is_v6());
        assert!(open.is_open(false) && !open.is_open(true), "what was taken away is gone");
    }

    #[test]
    fn an_entry_gets_a_number_between_its_neighbours_until_none_is_free() {
        let drop = |number| entry(number, Verdict::Drop, Protocol::All, "0.0.0.0/0");
        let mut acl = acl(1, false, vec![drop(100), drop(101), drop(400)], &[]);
        acl.words = vec![EntryWords { direction: Direction::Ingress, number: 101, name: String::new(), description: "w".into() }];
        let at = |acl: &NetworkAcl, place| acl.number_at(Direction::Ingress, place, 100);
        assert_eq!(
            [Some(1), Some(2), Some(3), Some(9), None].map(|place| at(&acl, place)),
            [Some(50), None, Some(250), Some(500), Some(500)]
        );
        acl.entries[2].number = ACL_NUMBER_MAX - 1;
        assert_eq!(at(&acl, None), Some(ACL_NUMBER_MAX));
        acl.entries[2].number = ACL_NUMBER_MAX;
        assert_eq!((at(&acl, None), acl.number_at(Direction::Egress, None, 100)), (None, Some(100)));
        acl.renumber(Direction::Ingress, 100);
        assert_eq!(acl.entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [100, 200, 300]);
        assert_eq!((acl.words[0].number, at(&acl, Some(2))), (200, Some(150)));
    }

    #[test]
    fn a_subnet_that_is_tied_to_none_has_the_default_one() {
        let acls = [acl(1, true, open_entries(false), &[]), acl(2, false, vec![], &[7])];
        let of = |subnet| acl_of(&acls, SubnetId::from_u64(subnet)).map(|acl| acl.id.as_u64());
        assert_eq!((of(7), of(8)), (Some(2), Some(1)));
        assert!(acls[0].is_open(false) && !acls[1].is_open(false));
    }

    #[test]
    fn numbers_and_ports_have_their_bounds() {
        assert!(entry(1, Verdict::Drop, Protocol::All, "0.0.0.0/0").check().is_ok());
        assert!(entry(0, Verdict::Drop, Protocol::All, "0.0.0.0/0").check().is_err());
        assert!(entry(32_767, Verdict::Drop, Protocol::All, "0.0.0.0/0").check().is_err());
        assert!(entry(1, Verdict::Drop, Protocol::Tcp { from: 2, to: 1 }, "0.0.0.0/0").check().is_err());
    }
}
