//! What callers notice of networks: quotas that a burst cannot pass, ranges that are given once, what a deletion waits for.

use control::{AddressRef, AllocateAddress, CreateSubnet, CreateVpc, DeleteVpc, Options, Query, ReleaseAddress};
use model::{Address, Error, Noun, QuotaName, Subnet, Tags, Vpc, VpcId};

use crate::world::World;

fn create_vpc() -> CreateVpc {
    let range = "10.0.0.0/16".parse().unwrap();
    CreateVpc {
        range,
        prefix_shortest: 16,
        open: false,
        ipv6: false,
        dhcp: model::DhcpOptions::default(),
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
    }
}

fn create_subnet(vpc: VpcId, range: &str) -> CreateSubnet {
    let range = range.parse().unwrap();
    CreateSubnet {
        vpc,
        zone: None,
        range,
        prefix_longest: 28,
        table: None,
        ipv6: None,
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_addresses_against_a_quota_of_five_exactly_five_are_given() {
    let world = World::new(1, 1).await;
    let root = world.root().await;
    let calls = (0..100).map(|_| {
        let (cloud, root) = (world.cloud.clone(), root.clone());
        tokio::spawn(async move { cloud.run(&root, AllocateAddress::default(), Options::default()).await })
    });
    let mut given = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(address) => given.push(address),
            Err(Error::QuotaExceeded { quota: QuotaName::Addresses, .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(given.len(), 5);
    let release = ReleaseAddress { address: AddressRef::Ip(given[0].ip) };
    world.cloud.run(&root, release, Options::default()).await.unwrap();
    assert_eq!(world.cloud.list::<Address>(&root, Query::default()).await.unwrap().total, 4);
    world.cloud.run(&root, AllocateAddress::default(), Options::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_callers_who_want_the_same_range_one_gets_it() {
    let world = World::new(1, 1).await;
    let root = world.root().await;
    let vpc = world.cloud.run(&root, create_vpc(), Options::default()).await.unwrap().id;
    let calls = (0..20).map(|n| {
        let (cloud, root) = (world.cloud.clone(), root.clone());
        let range = if n % 2 == 0 { "10.0.1.0/24" } else { "10.0.1.128/25" };
        tokio::spawn(async move { cloud.run(&root, create_subnet(vpc, range), Options::default()).await })
    });
    let mut given = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(_) => given += 1,
            Err(Error::Duplicate { noun: Noun::Subnet, .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(given, 1);
}

#[tokio::test]
async fn vpcs_differ_on_the_wire_though_their_ranges_are_the_same() {
    let world = World::new(1, 1).await;
    let root = world.root().await;
    let first = world.cloud.run(&root, create_vpc(), Options::default()).await.unwrap();
    let second = world.cloud.run(&root, create_vpc(), Options::default()).await.unwrap();
    assert!(first.range == second.range && first.vni != second.vni);
    world.cloud.run(&root, DeleteVpc { id: first.id }, Options::default()).await.unwrap();
    let vpcs = world.cloud.list::<Vpc>(&root, Query::default()).await.unwrap().rows;
    let subnets = world.cloud.list::<Subnet>(&root, Query::default()).await.unwrap().rows;
    assert!(vpcs.iter().any(|vpc| vpc.id == second.id) && !vpcs.iter().any(|vpc| vpc.id == first.id));
    assert!(subnets.iter().all(|subnet| subnet.is_default), "the VPCs of the caller had none");
}

#[tokio::test]
async fn a_deletion_names_what_is_in_its_way() {
    let world = World::new(1, 1).await;
    let root = world.root().await;
    let vpc = world.cloud.run(&root, create_vpc(), Options::default()).await.unwrap().id;
    let mut made = Vec::new();
    for n in 0..12 {
        let subnet = create_subnet(vpc, &format!("10.0.{n}.0/24"));
        made.push(world.cloud.run(&root, subnet, Options::default()).await.unwrap().id.to_string());
    }
    match world.cloud.run(&root, DeleteVpc { id: vpc }, Options::default()).await {
        Err(Error::InUse { noun: Noun::Vpc, by, .. }) => assert_eq!(by, made[..10], "ten at most"),
        other => panic!("{other:?}"),
    }
}
