//! The IPv6 half of networks: ranges of VPCs and subnets, and addresses of interfaces.
//!
//! A network without IPv6 has no record of it and is asked for none.

use std::net::Ipv6Addr;

use ipnet::{Ipv4Net, Ipv6Net};
use model::{
    AccountId, Direction, Error, Instance, Interface, InterfaceId, Noun, Peer, Protocol, Rule, RuleId, SecurityGroup, Subnet, SubnetId,
    SubnetIpv6, SubnetRangeId, Tags, Verdict, Vpc, VpcId, VpcIpv6, VpcRangeId, check_subnet_ipv6, free_vpc_range, interface_limits,
    site_range,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::interface::{interface_of, taken_v6, target, tell_host};
use crate::network::{DEPENDENTS_NAMED, touch_vpc, vpc_of};
use crate::private_address::PRIVATE_ADDRESSES_MAX;
use crate::run::{Command, Cx};
use crate::subnet::subnet_of;

/// Which IPv6 addresses are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedIpv6 {
    /// These.
    pub ips: Vec<Ipv6Addr>,
    /// So many free ones beside; where nothing is said, as many as the subnet gives by itself.
    pub count: Option<usize>,
}

impl WantedIpv6 {
    /// Whether nothing is said.
    pub fn is_unsaid(&self) -> bool {
        self.ips.is_empty() && self.count.is_none()
    }

    /// How many are wanted.
    pub fn total(&self) -> usize {
        self.ips.len().saturating_add(self.count.unwrap_or(0))
    }
}

/// Gives a VPC an IPv6 range that no other has.
#[derive(Debug, Clone, Serialize)]
pub struct AssociateVpcIpv6 {
    /// The VPC.
    pub vpc: VpcId,
}

/// Takes the IPv6 range from a VPC of which no subnet has one.
#[derive(Debug, Clone, Serialize)]
pub struct DisassociateVpcIpv6 {
    /// The tie of the range.
    pub id: VpcRangeId,
}

/// Gives a subnet an IPv6 range of its VPC's.
#[derive(Debug, Clone, Serialize)]
pub struct AssociateSubnetIpv6 {
    /// The subnet.
    pub subnet: SubnetId,
    /// The range, a /64.
    pub range: Ipv6Net,
}

/// Takes the IPv6 range from a subnet in which no interface has an address of it.
#[derive(Debug, Clone, Serialize)]
pub struct DisassociateSubnetIpv6 {
    /// The tie of the range.
    pub id: SubnetRangeId,
}

/// Gives an interface IPv6 addresses.
#[derive(Debug, Clone, Serialize)]
pub struct AssignIpv6Addresses {
    /// Which interface.
    pub interface: InterfaceId,
    /// Which addresses.
    pub wanted: WantedIpv6,
}

/// Takes IPv6 addresses from an interface.
#[derive(Debug, Clone, Serialize)]
pub struct UnassignIpv6Addresses {
    /// Which interface.
    pub interface: InterfaceId,
    /// Which addresses.
    pub ips: Vec<Ipv6Addr>,
}

impl Command for AssociateVpcIpv6 {
    type Reply = (VpcId, VpcIpv6);
    const NAME: &'static str = "AssociateVpcIpv6";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        crate::network::target(tx, cx, self.vpc)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(VpcId, VpcIpv6), Failure> {
        let mut vpc = vpc_of(tx, cx.caller.account(), Some(self.vpc))?;
        if vpc.ipv6.is_some() {
            let what = format!("IPv6 ranges of {}", vpc.id);
            return Err(Error::LimitReached { name: "Ipv6CidrBlock", what, limit: 1 }.into());
        }
        let given = give_range(tx, cx, &mut vpc)?;
        tx.update(&vpc)?;
        open_outward(tx, cx, vpc.id)?;
        for mut acl in tx.network_acl_list_of_vpc(vpc.id)?.into_iter().filter(|acl| acl.is_default) {
            acl.begin_v6();
            tx.update(&acl)?;
        }
        tell_peerings(tx, &vpc)?;
        touch_vpc(tx, vpc.id)?;
        Ok((vpc.id, given))
    }
}

/// Has the peerings of a VPC, and the VPCs across, know whether it has IPv6.
fn tell_peerings(tx: &mut Tx<'_>, vpc: &Vpc) -> Result<(), Failure> {
    for mut row in tx.vpc_peering_list_of_vpc(vpc.id)?.into_iter().filter(|row| row.state.is_alive()) {
        row.tell_ranges(vpc);
        tx.update(&row)?;
        if let Some(across) = row.across(vpc.id).map(|end| end.vpc) {
            touch_vpc(tx, across)?;
        }
    }
    Ok(())
}

/// Gives a VPC that is about to be written a range of its own.
pub(crate) fn give_range(tx: &mut Tx<'_>, cx: &Cx<'_>, vpc: &mut Vpc) -> Result<VpcIpv6, Failure> {
    let pool = pool(tx, cx)?;
    let range = free_vpc_range(pool, &tx.ipv6_ranges()?).ok_or(Error::Unavailable)?;
    tx.ipv6_range_insert(range, vpc.id)?;
    let given = VpcIpv6 { id: VpcRangeId::from_u64(cx.new_id()), range };
    vpc.ipv6 = Some(given);
    Ok(given)
}

/// The range that the operator named, else one of RFC 4193 whose identifier is drawn once for the installation.
fn pool(tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Ipv6Net, Failure> {
    if let Some(pool) = cx.cloud.region().ipv6_pool {
        return Ok(pool);
    }
    if let Some(site) = tx.ipv6_site()? {
        return Ok(site);
    }
    let mut global = [0; 5];
    getrandom::fill(&mut global).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers");
        Error::Internal
    })?;
    let site = site_range(global);
    tx.ipv6_site_insert(site)?;
    Ok(site)
}

/// Groups from which everything may go out in IPv4 let it out in IPv6 too, as EC2 documents it of a VPC that gets IPv6.
pub(crate) fn open_outward(tx: &mut Tx<'_>, cx: &Cx<'_>, vpc: VpcId) -> Result<(), Failure> {
    for mut group in tx.security_group_list_of_vpc(vpc)? {
        if let Some(rule) = outward(cx, &group) {
            group.rules.push(rule);
            tx.update(&group)?;
        }
    }
    Ok(())
}

/// The rule that lets everything out in IPv6; none where IPv4 is not let out, or it is there.
pub(crate) fn outward(cx: &Cx<'_>, group: &SecurityGroup) -> Option<Rule> {
    let everything = |rule: &&Rule| (rule.direction, rule.verdict, rule.protocol) == (Direction::Egress, Verdict::Accept, Protocol::All);
    let (v4, v6) = (Peer::Range { range: Ipv4Net::default() }, Peer::Range6 { range: Ipv6Net::default() });
    let open = group.rules.iter().filter(everything).find(|rule| rule.peer == v4)?;
    let is_there = group.rules.iter().filter(everything).any(|rule| rule.peer == v6);
    (!is_there).then(|| Rule { id: RuleId::from_u64(cx.new_id()), peer: v6, tags: Tags::new(), ..open.clone() })
}

impl Command for DisassociateVpcIpv6 {
    type Reply = (VpcId, VpcIpv6);
    const NAME: &'static str = "DisassociateVpcIpv6";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let found = vpc_with(tx, cx.caller.account(), self.id)?;
        Ok(vec![found.map_or_else(Target::any, |(vpc, _)| Target::of("vpc", vpc.id, &vpc.tags))])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(VpcId, VpcIpv6), Failure> {
        let found = vpc_with(tx, cx.caller.account(), self.id)?;
        let (mut vpc, taken) = found.ok_or_else(|| Error::not_found(Noun::Ipv6Range, self.id))?;
        let subnets = tx.subnet_list_of_vpc(vpc.id)?;
        let by: Vec<String> =
            subnets.iter().filter(|subnet| subnet.ipv6.is_some()).map(|s| s.id.to_string()).take(DEPENDENTS_NAMED).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::Ipv6Range, id: self.id.to_string(), by }.into());
        }
        vpc.ipv6 = None;
        tx.ipv6_range_delete(taken.range)?;
        tx.update(&vpc)?;
        tell_peerings(tx, &vpc)?;
        touch_vpc(tx, vpc.id)?;
        Ok((vpc.id, taken))
    }
}

fn vpc_with(tx: &Tx<'_>, account: AccountId, id: VpcRangeId) -> Result<Option<(Vpc, VpcIpv6)>, Failure> {
    let with = |vpc: Vpc| vpc.ipv6.filter(|own| own.id == id).map(|own| (vpc, own));
    Ok(tx.vpc_list(account)?.into_iter().find_map(with))
}

impl Command for AssociateSubnetIpv6 {
    type Reply = (SubnetId, SubnetIpv6);
    const NAME: &'static str = "AssociateSubnetIpv6";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        crate::subnet::target(tx, cx, self.subnet)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(SubnetId, SubnetIpv6), Failure> {
        let mut subnet = subnet_of(tx, cx.caller.account(), self.subnet)?;
        if subnet.ipv6.is_some() {
            let what = format!("IPv6 ranges of {}", subnet.id);
            return Err(Error::LimitReached { name: "Ipv6CidrBlock", what, limit: 1 }.into());
        }
        let vpc = vpc_of(tx, cx.caller.account(), Some(subnet.vpc))?;
        let range = check_subnet_ipv6(&vpc, &tx.subnet_list_of_vpc(vpc.id)?, self.range)?;
        let given = SubnetIpv6 { id: SubnetRangeId::from_u64(cx.new_id()), range };
        subnet.ipv6 = Some(given);
        tx.update(&subnet)?;
        touch_vpc(tx, subnet.vpc)?;
        Ok((subnet.id, given))
    }
}

impl Command for DisassociateSubnetIpv6 {
    type Reply = (SubnetId, SubnetIpv6);
    const NAME: &'static str = "DisassociateSubnetIpv6";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let found = subnet_with(tx, cx.caller.account(), self.id)?;
        Ok(vec![found.map_or_else(Target::any, |(subnet, _)| Target::of("subnet", subnet.id, &subnet.tags))])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(SubnetId, SubnetIpv6), Failure> {
        let found = subnet_with(tx, cx.caller.account(), self.id)?;
        let (mut subnet, taken) = found.ok_or_else(|| Error::not_found(Noun::Ipv6Range, self.id))?;
        let interfaces = tx.interface_list_of_vpc(subnet.vpc)?;
        let holders = interfaces.iter().filter(|interface| interface.subnet == subnet.id && !interface.ipv6.is_empty());
        let by: Vec<String> = holders.map(|interface| interface.id.to_string()).take(DEPENDENTS_NAMED).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::Ipv6Range, id: self.id.to_string(), by }.into());
        }
        (subnet.ipv6, subnet.ipv6_on_launch) = (None, false);
        tx.update(&subnet)?;
        touch_vpc(tx, subnet.vpc)?;
        Ok((subnet.id, taken))
    }
}

fn subnet_with(tx: &Tx<'_>, account: AccountId, id: SubnetRangeId) -> Result<Option<(Subnet, SubnetIpv6)>, Failure> {
    let with = |subnet: Subnet| subnet.ipv6.filter(|own| own.id == id).map(|own| (subnet, own));
    Ok(tx.subnet_list(account)?.into_iter().find_map(with))
}

impl Command for AssignIpv6Addresses {
    type Reply = Vec<Ipv6Addr>;
    const NAME: &'static str = "AssignIpv6Addresses";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.interface)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Ipv6Addr>, Failure> {
        let mut interface = interface_of(tx, cx.caller.account(), self.interface)?;
        if self.wanted.total() == 0 {
            return Err(Error::MissingParameter { name: "Ipv6AddressCount" }.into());
        }
        let subnet = subnet_of(tx, cx.caller.account(), interface.subnet)?;
        let added = choose(tx, cx, &mut interface, &subnet, &self.wanted)?;
        tx.interface_update_addresses(&interface).map_err(|error| taken_v6(error, subnet.id, &added))?;
        tell_host(tx, cx, &interface)?;
        touch_vpc(tx, interface.vpc)?;
        Ok(added)
    }
}

impl Command for UnassignIpv6Addresses {
    type Reply = ();
    const NAME: &'static str = "UnassignIpv6Addresses";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.interface)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut interface = interface_of(tx, cx.caller.account(), self.interface)?;
        if self.ips.is_empty() {
            return Err(Error::MissingParameter { name: "Ipv6Addresses" }.into());
        }
        for ip in &self.ips {
            let at = interface.ipv6.iter().position(|own| own == ip);
            let at = at.ok_or_else(|| Error::invalid("Ipv6Addresses", format!("{ip} is no address of {}", interface.id)))?;
            interface.ipv6.remove(at);
        }
        tx.interface_update_addresses(&interface)?;
        tell_host(tx, cx, &interface)?;
        touch_vpc(tx, interface.vpc)
    }
}

/// Adds the wanted addresses to an interface of this subnet, and says which they are.
pub(crate) fn choose(
    tx: &Tx<'_>,
    cx: &Cx<'_>,
    interface: &mut Interface,
    subnet: &Subnet,
    wanted: &WantedIpv6,
) -> Result<Vec<Ipv6Addr>, Failure> {
    let count = wanted.count.unwrap_or(0);
    let Some(range) = subnet.ipv6 else {
        return Err(Error::InvalidCombination { reason: format!("the subnet {} has no IPv6 range", subnet.id) }.into());
    };
    check_limit(tx, interface, interface.ipv6.len().saturating_add(wanted.total()))?;
    let mut added = Vec::with_capacity(wanted.total());
    for ip in &wanted.ips {
        if !range.allows(*ip) {
            return Err(Error::invalid("Ipv6Addresses", format!("{ip} is not a usable address of {}", range.range)).into());
        }
        let holder = tx.interface_with_ipv6(interface.vpc, *ip)?;
        if interface.ipv6.contains(ip) || added.contains(ip) || holder.is_some() {
            let by = vec![holder.unwrap_or(interface.id).to_string()];
            return Err(Error::InUse { noun: Noun::Address, id: ip.to_string(), by }.into());
        }
        added.push(*ip);
    }
    // Ids are never given twice, so that neither are these; one that a tenant chose before is refused when it is written.
    added.extend((0..count).map(|_| range.address(cx.new_id())));
    interface.ipv6.extend(&added);
    Ok(added)
}

/// Refuses more addresses than the type of the interface's instance has for each.
fn check_limit(tx: &Tx<'_>, interface: &Interface, wanted: usize) -> Result<(), Failure> {
    let instance = interface.instance.map(|id| tx.get::<Instance>(id)).transpose()?.flatten();
    let limit = instance.map_or(PRIVATE_ADDRESSES_MAX, |instance| interface_limits(&instance.instance_type).1);
    if wanted > limit {
        let what = format!("IPv6 addresses on the interface {}", interface.id);
        return Err(Error::LimitReached { name: "Ipv6AddressCount", what, limit: limit as u64 }.into());
    }
    Ok(())
}
