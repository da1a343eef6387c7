//! What hosts are told of peerings and NAT gateways whose members are on several of them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use control::{
    ChangeVpcRanges, CreateNatGateway, CreateSubnet, CreateVpc, CreateVpcPeering, Launched, NatPlace, NewAddresses, NewHost, Options,
    PeeringManner, PrivateBlocks, TerminateInstances,
};
use hostspec::{Accelerator, HostSpec, Ipv6PeerSpec, PeerSpec, RemoteIpv6, RemoteNic, VpcSpec};
use model::{Address, HostId, NatServes, SubnetId, Tags, VpcId};
use pileus_sim::hosts::Simulated;

use crate::world::{World, launch};

/// Two hosts between which packets go, each with room for one instance of the smallest type.
struct Pair {
    world: World,
    hosts: Vec<Simulated>,
    ids: Vec<HostId>,
}

fn underlay(at: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, at as u8 + 1)
}

impl Pair {
    async fn new() -> Pair {
        let world = World::new(0, 1).await;
        let new = |at: usize| NewHost { name: format!("n{at}"), zones: vec!["sim-1a".to_owned()], underlay: underlay(at), rack: None };
        let ids = world.cloud.hosts_join(vec![new(0), new(1)]).await.unwrap();
        let mut pair = Pair { world, hosts: ids.iter().map(|id| Simulated::new(*id)).collect(), ids };
        pair.report(0, &Arc::new(HostSpec::empty(pair.ids[0]))).await;
        pair.report(1, &Arc::new(HostSpec::empty(pair.ids[1]))).await;
        pair
    }

    async fn report(&mut self, at: usize, document: &Arc<HostSpec>) {
        let mut report = self.hosts[at].obey(document);
        report.capacity.accelerator = Accelerator::Tcg;
        report.capacity.vcpus = 2;
        self.world.cloud.report(report).await.unwrap();
    }

    /// Brings everything to rest.
    async fn settle(&mut self) {
        for _ in 0..6 {
            for at in 0..self.hosts.len() {
                let document = self.document(at).await;
                self.report(at, &document).await;
            }
            while self.world.cloud.work_once("test").await.unwrap() > 0 {}
        }
    }

    /// The document of a host, made from the one before, which must give the same as the rows alone.
    async fn document(&self, at: usize) -> Arc<HostSpec> {
        let document = self.world.cloud.document(self.ids[at]).await.unwrap();
        assert_eq!(*document, self.world.cloud.render(self.ids[at]).await.unwrap());
        document
    }

    async fn run<C: control::Command>(&self, command: C) -> C::Reply {
        self.world.cloud.run(&self.world.root().await, command, Options::default()).await.unwrap()
    }

    /// An open VPC with a subnet.
    async fn vpc(&self, second: u8) -> (VpcId, SubnetId) {
        let range = format!("10.{second}.0.0/16").parse().unwrap();
        let (name, description, tags) = (String::new(), String::new(), Tags::new());
        let vpc =
            CreateVpc { range, prefix_shortest: 16, open: true, ipv6: false, dhcp: model::DhcpOptions::default(), name, description, tags };
        let vpc = self.run(vpc).await.id;
        let range = format!("10.{second}.1.0/24").parse().unwrap();
        let (name, description, tags) = (String::new(), String::new(), Tags::new());
        let zone = Some("sim-1a".to_owned());
        let subnet = CreateSubnet { vpc, zone, range, prefix_longest: 28, table: None, ipv6: None, name, description, tags };
        (vpc, self.run(subnet).await.id)
    }

    /// Launches an instance without a public address; gives the host that it came to, and its address.
    async fn launch(&mut self, subnet: SubnetId) -> (Launched, usize, Ipv4Addr) {
        let command = control::RunInstances { subnet: Some(subnet), public_address: Some(false), ..launch(self.world.image, 1, 1) };
        let launched = self.run(command).await;
        self.settle().await;
        for at in 0..self.ids.len() {
            let document = self.document(at).await;
            if let Some(vm) = document.vms.iter().find(|vm| vm.id == launched.instances[0]) {
                return (launched, at, vm.metadata.private_ip);
            }
        }
        panic!("it is on no host");
    }
}

fn part(document: &HostSpec, vpc: VpcId) -> Option<&VpcSpec> {
    document.networks.iter().find(|network| network.id == vpc)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_of_peered_vpcs_are_told_of_both_as_far_as_packets_go() {
    let mut pair = Pair::new().await;
    let ((one, first), (two, second)) = (pair.vpc(1).await, pair.vpc(2).await);
    let peering = CreateVpcPeering {
        vpc: one,
        peer: two,
        peer_account: None,
        manner: PeeringManner::Begins,
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
    };
    let peering = pair.run(peering).await;
    let (watching, rendering) = (pair.world.cloud.clone(), pair.world.cloud.clone());
    let tasks = [tokio::spawn(async move { watching.watch_hosts().await }), tokio::spawn(async move { rendering.render_hosts().await })];
    let (_, near, a) = pair.launch(first).await;
    let mut told = pair.world.cloud.host_connect(pair.ids[near]).await.unwrap();
    assert!(part(&told.borrow_and_update(), two).is_none(), "nobody is there");
    let (_, far, b) = pair.launch(second).await;
    assert_ne!(near, far);
    // The host of the first hears of it, though nothing was changed on it.
    let both = told.wait_for(|document| part(document, two).is_some());
    tokio::time::timeout(std::time::Duration::from_secs(10), both).await.expect("it is told").unwrap();
    for (here, there, (own, ip), (other, its)) in [(near, far, (one, a), (two, b)), (far, near, (two, b), (one, a))] {
        let document = pair.document(here).await;
        let (member, between) = (part(&document, own).unwrap(), part(&document, other).unwrap());
        let remote = vec![RemoteNic { ip: its, host: underlay(there) }];
        assert_eq!(member.peers, vec![PeerSpec { vpc: other, vni: between.vni, addresses: vec![], remote: remote.clone(), v6: None }]);
        assert_eq!((between.nics.len(), &between.remote), (0, &remote));
        assert_eq!(between.peers, vec![PeerSpec { vpc: own, vni: member.vni, addresses: vec![ip], remote: vec![], v6: None }]);
        assert_eq!((between.groups.len(), between.subnets.len(), between.names.len()), (0, 0, 0), "no more than packets need");
    }
    // Both get IPv6, one after the other: nothing of it is between them before both have it.
    let mut ips = vec![];
    for (vpc, subnet, at) in [(one, first, near), (two, second, far)] {
        let document = pair.document(near).await;
        assert!(part(&document, one).unwrap().peers[0].v6.is_none());
        let (_, given) = pair.run(control::AssociateVpcIpv6 { vpc }).await;
        let range = given.range.subnets(64).unwrap().next().unwrap();
        pair.run(control::AssociateSubnetIpv6 { subnet, range }).await;
        let document = pair.document(at).await;
        let interface = part(&document, vpc).unwrap().nics[0].id;
        let wanted = control::WantedIpv6 { ips: vec![], count: Some(1) };
        ips.extend(pair.run(control::AssignIpv6Addresses { interface, wanted }).await);
    }
    for (here, there, (own, ip), (other, its)) in [(near, far, (one, ips[0]), (two, ips[1])), (far, near, (two, ips[1]), (one, ips[0]))] {
        let document = pair.document(here).await;
        let (member, between) = (part(&document, own).unwrap(), part(&document, other).unwrap());
        let remote = vec![RemoteIpv6 { ip: its, host: underlay(there) }];
        assert_eq!(member.peers[0].v6, Some(Ipv6PeerSpec { addresses: vec![], remote: remote.clone() }));
        assert_eq!(between.v6.as_ref().unwrap().remote, remote);
        assert_eq!(between.peers[0].v6, Some(Ipv6PeerSpec { addresses: vec![ip], remote: vec![] }));
    }
    pair.run(control::ChangeVpcPeering { peering: peering.id, change: control::PeeringChange::Delete }).await;
    for (here, own) in [(near, one), (far, two)] {
        let document = pair.document(here).await;
        assert_eq!(document.networks.iter().map(|network| network.id).collect::<Vec<_>>(), [own]);
        assert_eq!(document.networks[0].peers, vec![]);
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nat_gateway_stays_at_its_home_until_that_host_is_removed() {
    let mut pair = Pair::new().await;
    let (vpc, subnet) = pair.vpc(1).await;
    let take = NewAddresses { count: 1, bandwidth: None };
    let gateway = CreateNatGateway { take, is_default_route: true, ..CreateNatGateway::at(NatPlace::Vpc(vpc), NatServes::Everyone) };
    pair.run(gateway).await;
    let addresses = pair.world.cloud.list::<Address>(&pair.world.root().await, control::Query::default()).await.unwrap().rows;
    let public = addresses[0].ip;
    // The first machine's host becomes its home.
    let (first, home, _) = pair.launch(subnet).await;
    let (_, away, _) = pair.launch(subnet).await;
    assert_ne!(home, away);
    let at_home = |document: &HostSpec| {
        let part = part(document, vpc).unwrap();
        let shared: Vec<Ipv4Addr> = part.shared.iter().map(|shared| shared.public).collect();
        assert_eq!((shared, part.homes.len(), part.remote.len()), (vec![public], 0, 1));
        assert_eq!(document.fabric.as_ref().unwrap().public, vec![]);
    };
    let elsewhere = |document: &HostSpec| {
        let part = part(document, vpc).unwrap();
        assert_eq!((part.shared.len(), part.homes.len()), (0, 1));
        assert_eq!((part.homes[0].host, part.homes[0].shared[0].public), (underlay(home), public));
        assert!((1..=model::NUMBERED_HOSTS_MAX as u16).contains(&part.homes[0].number));
        assert_eq!(document.fabric.as_ref().unwrap().public, vec![RemoteNic { ip: public, host: underlay(home) }]);
    };
    at_home(&*pair.document(home).await);
    elsewhere(&*pair.document(away).await);
    // It stays when its machines leave.
    pair.run(TerminateInstances { ids: first.instances, only_stopped: false }).await;
    pair.settle().await;
    let document = pair.document(home).await;
    assert!(document.vms.is_empty() && part(&document, vpc).unwrap().nics.is_empty());
    at_home(&document);
    elsewhere(&*pair.document(away).await);
    // With its host it moves to the other.
    pair.world.cloud.host_remove(format!("n{home}")).await.unwrap();
    let document = pair.document(away).await;
    let part = part(&document, vpc).unwrap();
    assert_eq!((part.shared.len(), part.homes.len()), (1, 0));
    assert_eq!(document.fabric.as_ref().unwrap().public, vec![]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_hears_of_a_further_range_and_of_who_is_in_it_elsewhere() {
    let mut pair = Pair::new().await;
    let (vpc, first) = pair.vpc(1).await;
    let (_, near, _) = pair.launch(first).await;
    let (remove, add) = (vec![], vec!["10.9.0.0/16".parse().unwrap()]);
    pair.run(ChangeVpcRanges { vpc, remove, add, prefix_shortest: 16, blocks: PrivateBlocks::One }).await;
    let document = pair.document(near).await;
    let ranges: Vec<String> = part(&document, vpc).unwrap().ranges.iter().map(ToString::to_string).collect();
    assert_eq!(ranges, ["10.1.0.0/16", "10.9.0.0/16"]);
    let (name, description, tags) = (String::new(), String::new(), Tags::new());
    let (zone, range) = (Some("sim-1a".to_owned()), "10.9.1.0/24".parse().unwrap());
    let subnet = CreateSubnet { vpc, zone, range, prefix_longest: 28, table: None, ipv6: None, name, description, tags };
    let subnet = pair.run(subnet).await.id;
    let (_, far, ip) = pair.launch(subnet).await;
    assert!(near != far && range.contains(&ip), "{ip}");
    let document = pair.document(near).await;
    assert_eq!(part(&document, vpc).unwrap().remote.iter().map(|nic| nic.ip).collect::<Vec<_>>(), [ip]);
}
