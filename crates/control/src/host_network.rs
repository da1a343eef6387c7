//! The networks of a host's document: the VPCs that its machines are in, and those that their packets go to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

use hostspec::{
    GroupSpec, HopSpec, Ipv6Hop, Ipv6Listed, Ipv6PeerSpec, Ipv6Spec, Ipv6SubnetSpec, KeptSpec, NicSpec, PeerSpec, RemoteIpv6, RuleSpec,
    SubnetSpec, VpcSpec,
};
use ipnet::{Ipv4Net, Ipv6Net};
use model::{
    EgressOnlyGateway, Error, FlowLog, HostId, Interface, InterfaceId, InternetGateway, Ipv6Bandwidth, Ipv6Serves, Ipv6Target, NetworkAcl,
    Noun, OpenConnections, Peer, RouteTable, SecurityGroup, SecurityGroupId, Subnet, SubnetId, Vpc, VpcId, VpcPeeringId, acl_of, ipv6_ways,
    ways_out, ways_through, ways_to_peers,
};
use store::{Member, Tx};

use crate::Failure;
use crate::flow_log::{logged, logs_of_vpc};
use crate::host_names::Named;
use crate::nat_rule::NatSpecs;
use crate::neighbours::{Elsewhere, Neighbours};
use crate::prefix_list::expanded;
use crate::route::tables_of_vpc;
use crate::vpc_gateway::gateway_in_use;
use crate::vpc_peering::{members_across, peers_of};

/// A VPC as far as one host needs it.
pub(crate) struct Network {
    vpc: Vpc,
    subnets: Vec<SubnetWays>,
    acls: Vec<NetworkAcl>,
    /// Those of its interfaces on the host, and those that their rules name.
    pub(crate) groups: BTreeMap<SecurityGroupId, SecurityGroup>,
    members: BTreeMap<SecurityGroupId, Vec<Ipv4Addr>>,
    elsewhere: Elsewhere,
    v6: Option<Ipv6Spec>,
    nats: NatSpecs,
    peers: Vec<VpcId>,
    flow_logs: Vec<FlowLog>,
}

/// A subnet with where its packets go.
struct SubnetWays {
    subnet: Subnet,
    /// The public addresses that it may send to.
    out: Vec<Ipv4Net>,
    hops: Vec<HopSpec>,
    v6: Option<Ipv6SubnetSpec>,
}

impl Network {
    /// Reads a VPC as far as a host with these groups on it needs it: the groups, those that their rules name, and the
    /// members of the latter.
    pub(crate) fn read(tx: &Tx<'_>, id: VpcId, local: BTreeSet<SecurityGroupId>, neighbours: &Neighbours) -> Result<Network, Failure> {
        let vpc = tx.get::<Vpc>(id)?.ok_or_else(|| Error::not_found(Noun::Vpc, id))?;
        let mut groups: BTreeMap<_, _> = BTreeMap::new();
        for group in tx.get_many::<SecurityGroup>(&local.into_iter().collect::<Vec<_>>())? {
            groups.insert(group.id, expanded(tx, group)?);
        }
        let named: BTreeSet<SecurityGroupId> =
            groups.values().flat_map(|group| &group.rules).filter_map(|rule| peer_group(rule.peer)).collect();
        for group in tx.get_many::<SecurityGroup>(&named.iter().copied().filter(|id| !groups.contains_key(id)).collect::<Vec<_>>())? {
            groups.insert(group.id, expanded(tx, group)?);
        }
        let mut members: BTreeMap<SecurityGroupId, Vec<Ipv4Addr>> = BTreeMap::new();
        let is_told_of = !named.is_empty() || vpc.ipv6.is_some() || !neighbours.is_empty();
        let all = if is_told_of { tx.interface_list_members(id)? } else { vec![] };
        for member in &all {
            for group in member.groups.iter().filter(|group| named.contains(group)) {
                members.entry(*group).or_default().extend(member.addresses());
            }
        }
        let peered = peers_of(tx, id)?;
        let mut members_v6 = BTreeMap::new();
        if !peered.is_empty() {
            let across: Vec<&SecurityGroup> = named.iter().filter_map(|group| groups.get(group)).filter(|group| !group.is_of(id)).collect();
            for (group, interface) in members_across(tx, &peered, &across)? {
                members.entry(group).or_default().extend(interface.addresses());
                members_v6.entry(group).or_insert_with(Vec::new).extend(interface.ipv6);
            }
        }
        let (tables, gateway) = (tables_of_vpc(tx, id)?, gateway_in_use(tx, id)?);
        let exits = exits_v6(tx, &vpc)?;
        let with_ways = |subnet: Subnet| {
            let out = ways_out(&vpc, &tables, gateway.as_ref(), subnet.id);
            let hops = hops(tx, &peered, &tables, subnet.id)?;
            let v6 =
                subnet.ipv6.map(|own| subnet_v6(tx, &peered, &tables, (gateway.as_ref(), &exits), subnet.id, own.range)).transpose()?;
            Ok::<_, Failure>(SubnetWays { subnet, out, hops, v6 })
        };
        let subnets = tx.subnet_list_of_vpc(id)?;
        let nats = NatSpecs::read(tx, &vpc, &tables, gateway.as_ref(), &subnets, neighbours)?;
        let subnets = subnets.into_iter().map(with_ways).collect::<Result<_, _>>()?;
        let peers = peered.into_iter().map(|(_, vpc)| vpc).collect();
        let acls = tx.network_acl_list_of_vpc(id)?;
        let elsewhere = neighbours.elsewhere(tx, id, &all)?;
        let mut v6 = vpc.ipv6.map(|own| v6_spec(own.range, &named, &all, &elsewhere));
        if let Some(v6) = &mut v6 {
            v6.members.extend(members_v6);
        }
        let flow_logs = logs_of_vpc(tx, &vpc)?;
        Ok(Network { vpc, subnets, acls, groups, members, elsewhere, v6, nats, peers, flow_logs })
    }

    /// Reads a VPC without members here: where those elsewhere are, and what is translated for them here. None when it has no members.
    fn between(tx: &Tx<'_>, id: VpcId, is_home: bool, neighbours: &Neighbours) -> Result<Option<Network>, Failure> {
        let all = tx.interface_list_members(id)?;
        let elsewhere = Elsewhere { nics: neighbours.nics(tx, &all)?, names: vec![] };
        if elsewhere.nics.is_empty() {
            return Ok(None);
        }
        let vpc = tx.get::<Vpc>(id)?.ok_or_else(|| Error::not_found(Noun::Vpc, id))?;
        let mut nats = NatSpecs::default();
        if is_home {
            let (tables, gateway) = (tables_of_vpc(tx, id)?, gateway_in_use(tx, id)?);
            nats = NatSpecs::read(tx, &vpc, &tables, gateway.as_ref(), &tx.subnet_list_of_vpc(id)?, neighbours)?;
            nats.homes.clear();
        }
        let peers = peers_of(tx, id)?.into_iter().map(|(_, vpc)| vpc).collect();
        let (groups, members) = (BTreeMap::new(), BTreeMap::new());
        let (subnets, acls, flow_logs) = (vec![], vec![], vec![]);
        let v6 = vpc.ipv6.map(|own| v6_spec(own.range, &BTreeSet::new(), &all, &elsewhere));
        Ok(Some(Network { vpc, subnets, acls, groups, members, elsewhere, v6, nats, peers, flow_logs }))
    }

    /// The peered VPCs of a network whose packets come by here: those with members here, and all where the network has members.
    fn peer_specs(&self, networks: &BTreeMap<VpcId, Network>, nics: &BTreeMap<VpcId, Vec<NicSpec>>) -> Vec<PeerSpec> {
        let is_member = nics.contains_key(&self.vpc.id);
        let known = self.peers.iter().filter_map(|id| networks.get(id));
        let spec = |other: &Network| {
            let here = nics.get(&other.vpc.id).into_iter().flatten();
            let addresses = here.flat_map(NicSpec::addresses).map(|(ip, _)| ip).collect();
            let remote = if is_member { other.elsewhere.nics.clone() } else { vec![] };
            let v6 = self.v6.as_ref().zip(other.v6.as_ref()).map(|(_, theirs)| Ipv6PeerSpec {
                addresses: nics.get(&other.vpc.id).into_iter().flatten().flat_map(|nic| &nic.v6).copied().collect(),
                remote: if is_member { theirs.remote.clone() } else { vec![] },
            });
            PeerSpec { vpc: other.vpc.id, vni: other.vpc.vni, addresses, remote, v6 }
        };
        known.map(spec).filter(|peer| !peer.addresses.is_empty() || !peer.remote.is_empty()).collect()
    }

    fn spec(&self, domain: &str, nics: Vec<NicSpec>, peers: Vec<PeerSpec>) -> VpcSpec {
        let vpc = &self.vpc;
        let here = nics.iter().map(Named::of);
        let (mut names, mut names6) = (vec![], vec![]);
        for named in here.chain(self.elsewhere.names.iter().cloned()) {
            names.extend(named.records(domain));
            names6.extend(named.records6(domain));
        }
        VpcSpec {
            id: vpc.id,
            vni: vpc.vni,
            ranges: vpc.ranges().collect(),
            subnets: self.subnets.iter().map(|ways| self.subnet(ways)).collect(),
            names,
            names6,
            logged: logged(&self.flow_logs, vpc.id, &nics),
            nics,
            remote: self.elsewhere.nics.clone(),
            groups: self.groups.values().map(|group| self.group(group)).collect(),
            kept: self.groups.values().filter_map(kept).collect(),
            domain: domain.to_owned(),
            resolver: vpc.dns_support,
            dhcp: vpc.dhcp.clone(),
            shared: self.nats.shared.clone(),
            forwards: self.nats.forwards.clone(),
            mapped: self.nats.mapped.clone(),
            rates: self.nats.rates.clone(),
            homes: self.nats.homes.clone(),
            peers,
            v6: self.v6.clone(),
        }
    }

    fn subnet(&self, ways: &SubnetWays) -> SubnetSpec {
        let SubnetWays { subnet, out, hops, v6 } = ways;
        let acl = acl_of(&self.acls, subnet.id).filter(|acl| !acl.is_open(self.vpc.ipv6.is_some())).map(NetworkAcl::told);
        let (ways_out, hops, v6) = (out.clone(), hops.clone(), v6.clone());
        SubnetSpec { id: subnet.id, range: subnet.range, gateway: subnet.gateway(), ways_out, hops, acl, v6 }
    }

    fn group(&self, group: &SecurityGroup) -> GroupSpec {
        let rule = |rule: &model::Rule| {
            let peer = peer_spec(rule.peer)?;
            Some(RuleSpec { direction: rule.direction, verdict: rule.verdict, priority: rule.priority, protocol: rule.protocol, peer })
        };
        let mut rules: Vec<RuleSpec> = group.rules.iter().filter_map(rule).collect();
        rules.sort_by_key(|rule| rule.priority);
        GroupSpec { id: group.id, rules, members: self.members.get(&group.id).cloned().unwrap_or_default() }
    }
}

/// The networks of a document, with the interfaces that are on its host.
pub(crate) fn specs(networks: &BTreeMap<VpcId, Network>, domain: &str, mut nics: BTreeMap<VpcId, Vec<NicSpec>>) -> Vec<VpcSpec> {
    let peers: Vec<Vec<PeerSpec>> = networks.values().map(|network| network.peer_specs(networks, &nics)).collect();
    let with_peers = networks.values().zip(peers);
    with_peers.map(|(network, peers)| network.spec(domain, nics.remove(&network.vpc.id).unwrap_or_default(), peers)).collect()
}

/// Adds the VPCs of which a host has no member, but that its members' packets go to or that it is the home of; and gives all VPCs whose
/// members matter to it, also those that have none yet.
pub(crate) fn further_networks(
    tx: &Tx<'_>,
    host: HostId,
    neighbours: &Neighbours,
    networks: &mut BTreeMap<VpcId, Network>,
) -> Result<Vec<VpcId>, Failure> {
    let at_home: BTreeSet<VpcId> = tx.nat_gateway_vpcs_at_home(host)?.into_iter().collect();
    let mut further: BTreeSet<VpcId> = networks.values().flat_map(|network| &network.peers).chain(&at_home).copied().collect();
    further.retain(|vpc| !networks.contains_key(vpc));
    let vpcs = networks.keys().chain(&further).copied().collect();
    for vpc in further {
        networks.extend(Network::between(tx, vpc, at_home.contains(&vpc), neighbours)?.map(|network| (vpc, network)));
    }
    Ok(vpcs)
}

/// The IPv6 half of a VPC: the members of groups that are named by rules, and what is on other hosts.
fn v6_spec(range: Ipv6Net, named: &BTreeSet<SecurityGroupId>, all: &[Member], elsewhere: &Elsewhere) -> Ipv6Spec {
    let mut spec = Ipv6Spec { range, remote: vec![], members: BTreeMap::new() };
    let hosts: HashMap<Ipv4Addr, Ipv4Addr> = elsewhere.nics.iter().map(|nic| (nic.ip, nic.host)).collect();
    for member in all.iter().filter(|member| !member.ipv6.is_empty()) {
        for group in member.groups.iter().filter(|group| named.contains(group)) {
            spec.members.entry(*group).or_default().extend(&member.ipv6);
        }
        if let Some(host) = hosts.get(&member.ip) {
            spec.remote.extend(member.ipv6.iter().map(|ip| RemoteIpv6 { ip: *ip, host: *host }));
        }
    }
    spec
}

fn peer_group(peer: Peer) -> Option<SecurityGroupId> {
    match peer {
        Peer::Group { group } => Some(group),
        Peer::Range { .. } | Peer::Range6 { .. } | Peer::List { .. } => None,
    }
}

/// What a group does about open connections; none where they end, which is what hosts do by themselves.
fn kept(group: &SecurityGroup) -> Option<KeptSpec> {
    let connections = group.open_connections();
    (connections != OpenConnections::Drop).then_some(KeptSpec { group: group.id, connections })
}

/// The other end of a rule as hosts know it: they are told the ranges of a list, which stand in its place already.
fn peer_spec(peer: Peer) -> Option<hostspec::Peer> {
    match peer {
        Peer::Range { range } => Some(hostspec::Peer::Range { range }),
        Peer::Range6 { range } => Some(hostspec::Peer::Range6 { range }),
        Peer::Group { group } => Some(hostspec::Peer::Group { group }),
        Peer::List { list: _ } => None,
    }
}

/// The ways of a subnet's packets through guests and to peered VPCs; one whose interface is in no instance, or may not forward, or whose
/// peering is not active leads nowhere.
fn hops(tx: &Tx<'_>, peers: &[(VpcPeeringId, VpcId)], tables: &[RouteTable], subnet: SubnetId) -> Result<Vec<HopSpec>, Failure> {
    let across = |(to, peering): (Ipv4Net, VpcPeeringId)| HopSpec {
        to,
        via: None,
        peer: peers.iter().find(|(id, _)| *id == peering).map(|(_, vpc)| *vpc),
    };
    let hop = |(to, id)| Ok(HopSpec { to, via: forwarder(tx, id)?.map(|interface| interface.ip), peer: None });
    let through = ways_through(tables, subnet).into_iter().map(hop);
    through.chain(ways_to_peers(tables, subnet).into_iter().map(|way| Ok(across(way)))).collect()
}

/// An interface whose guest may forward.
fn forwarder(tx: &Tx<'_>, id: InterfaceId) -> Result<Option<Interface>, Failure> {
    Ok(tx.get::<Interface>(id)?.filter(|interface| interface.is_wanted_by_machine() && !interface.checked))
}

/// An egress-only gateway of a VPC, with the addresses that have bandwidth by it.
type ExitV6 = (EgressOnlyGateway, Vec<Ipv6Bandwidth>);

fn exits_v6(tx: &Tx<'_>, vpc: &Vpc) -> Result<Vec<ExitV6>, Failure> {
    if vpc.ipv6.is_none() {
        return Ok(vec![]);
    }
    let with_bandwidths = |gateway: EgressOnlyGateway| {
        let bandwidths = tx.ipv6_bandwidth_list_of_gateway(gateway.id)?;
        Ok((gateway, bandwidths))
    };
    tx.egress_only_gateway_list_of_vpc(vpc.id)?.into_iter().map(with_bandwidths).collect()
}

/// The addresses of a subnet that have bandwidth; none where no address has.
fn listed(bandwidths: &[Ipv6Bandwidth], range: Ipv6Net, to: Ipv6Net) -> Option<Ipv6Listed> {
    let of_subnet = bandwidths.iter().filter(|bandwidth| range.contains(&bandwidth.ip));
    let (called, calling): (Vec<_>, Vec<_>) = of_subnet.partition(|bandwidth| bandwidth.is_called());
    let ips = |bandwidths: Vec<&Ipv6Bandwidth>| bandwidths.into_iter().map(|bandwidth| bandwidth.ip).collect();
    let is_none = called.is_empty() && calling.is_empty();
    (!is_none).then(|| Ipv6Listed { to, called: ips(called), calling: ips(calling) })
}

/// Where the packets of IPv6 of a subnet go. A way of which the gateway is gone or not the VPC's is none.
fn subnet_v6(
    tx: &Tx<'_>,
    peers: &[(VpcPeeringId, VpcId)],
    tables: &[RouteTable],
    (internet, exits): (Option<&InternetGateway>, &[ExitV6]),
    subnet: SubnetId,
    range: Ipv6Net,
) -> Result<Ipv6SubnetSpec, Failure> {
    let mut spec = Ipv6SubnetSpec { range, out: vec![], out_only: vec![], listed: vec![], hops: vec![] };
    for (to, target) in ipv6_ways(tables, subnet) {
        match target {
            Ipv6Target::InternetGateway { gateway } if internet.is_some_and(|own| own.id == gateway) => spec.out.push(to),
            Ipv6Target::InternetGateway { gateway: _ } => {}
            Ipv6Target::EgressOnlyGateway { gateway } => {
                let Some((gateway, bandwidths)) = exits.iter().find(|(row, _)| row.id == gateway) else { continue };
                spec.listed.extend(listed(bandwidths, range, to));
                match gateway.serves {
                    Ipv6Serves::Everyone => spec.out_only.push(to),
                    Ipv6Serves::Listed => {}
                }
            }
            Ipv6Target::Interface { interface } => {
                let via = forwarder(tx, interface)?.and_then(|interface| interface.ipv6.first().copied());
                spec.hops.push(Ipv6Hop { to, via, peer: None });
            }
            Ipv6Target::Peering { peering } => {
                let peer = peers.iter().find(|(id, _)| *id == peering).map(|(_, vpc)| *vpc);
                spec.hops.push(Ipv6Hop { to, via: None, peer });
            }
        }
    }
    Ok(spec)
}
