//! Hosts that come and go: invitations are used once and in time, names and addresses are one host's, and neighbours are told of
//! each other.

use std::net::Ipv4Addr;
use std::sync::Arc;

use control::{InviteHost, JoinRefusal, NewHost, Options};
use hostspec::{Accelerator, HostSpec, RemoteNic};
use model::{Error, HostId, INVITED_FOR_MS};
use pileus_sim::hosts::Simulated;

use crate::world::{World, launch};

fn invite(name: &str, digest: &str) -> InviteHost {
    InviteHost { name: name.to_owned(), zone: "sim-1a".to_owned(), rack: None, underlay: None, digest: digest.to_owned() }
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

async fn join(world: &World, host: HostId, secret: &str, last: u8) -> Result<model::Host, JoinRefusal> {
    world.cloud.host_joins(host, secret.to_owned(), address(last), format!("certificate {last}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_used_once_and_in_time() {
    let world = World::new(1, 1).await;
    let host = world.cloud.host_invite(invite("far", "right")).await.unwrap().host;
    world.wait(INVITED_FOR_MS + 1);
    assert_eq!(join(&world, host, "right", 1).await, Err(JoinRefusal::Expired));
    assert_eq!(world.cloud.host_invite(invite("far", "again")).await.unwrap().host, host);
    assert_eq!(join(&world, host, "right", 1).await, Err(JoinRefusal::Secret), "the older one is void");
    assert_eq!(join(&world, host, "wrong", 1).await, Err(JoinRefusal::Secret));
    assert_eq!(join(&world, HostId::from_u64(9), "again", 1).await, Err(JoinRefusal::Secret));
    let joined = join(&world, host, "again", 1).await.unwrap();
    assert_eq!((joined.underlay, joined.certificate.as_deref()), (address(1), Some("certificate 1")));
    assert_eq!(join(&world, host, "again", 2).await, Err(JoinRefusal::Secret), "it was used");
    let known = |digest: &str| world.cloud.host_of_certificate(digest.to_owned(), "1".to_owned());
    assert_eq!(known("certificate 1").await.unwrap().unwrap().id, host);
    assert_eq!(known("certificate 2").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_have_neither_one_address_nor_one_number() {
    let world = World::new(1, 1).await;
    let first = world.cloud.host_invite(invite("first", "a")).await.unwrap().host;
    let second = world.cloud.host_invite(invite("second", "b")).await.unwrap().host;
    let one = join(&world, first, "a", 1).await.unwrap();
    assert_eq!(join(&world, second, "b", 1).await, Err(JoinRefusal::Underlay));
    let two = join(&world, second, "b", 2).await.unwrap();
    assert_ne!(one.machine_address(), two.machine_address());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_names_and_zones_are_refused() {
    let world = World::new(1, 1).await;
    for name in ["", "A", "a b", "a/b", &"a".repeat(64)] {
        assert!(matches!(world.cloud.host_invite(invite(name, "x")).await, Err(Error::InvalidParameter { .. })), "{name}");
    }
    let elsewhere = InviteHost { zone: "sim-1c".to_owned(), ..invite("far", "x") };
    assert!(matches!(world.cloud.host_invite(elsewhere).await, Err(Error::NotFound { .. })));
}

/// Two hosts between which packets go, each with room for one instance of the smallest type in its zone.
async fn two_networked() -> (World, Vec<HostId>) {
    let world = World::new(0, 1).await;
    let new = |n: u8| NewHost { name: format!("n{n}"), zones: vec!["sim-1a".to_owned()], underlay: address(n), rack: None };
    let ids = world.cloud.hosts_join(vec![new(1), new(2)]).await.unwrap();
    for id in &ids {
        let mut report = Simulated::new(*id).obey(&Arc::new(HostSpec::empty(*id)));
        report.capacity.accelerator = Accelerator::Tcg;
        report.capacity.vcpus = 2;
        world.cloud.report(report).await.unwrap();
        world.cloud.host_connect(*id).await.unwrap();
    }
    (world, ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_removed_when_nothing_is_on_it() {
    let (world, ids) = two_networked().await;
    let root = world.root().await;
    world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap();
    let documents = [world.cloud.render(ids[0]).await.unwrap(), world.cloud.render(ids[1]).await.unwrap()];
    let used = documents.iter().position(|document| !document.vms.is_empty()).unwrap();
    let refused = world.cloud.host_remove(format!("n{}", used + 1)).await;
    assert!(matches!(refused, Err(Error::InUse { .. })), "{refused:?}");
    assert_eq!(world.cloud.host_remove(format!("n{}", 2 - used)).await.unwrap(), ids[1 - used]);
    assert!(matches!(world.cloud.host_remove("n9".to_owned()).await, Err(Error::NotFound { .. })));
    let left = world.cloud.render(ids[used]).await.unwrap();
    assert_eq!(left.fabric.unwrap().hosts, vec![], "a host that is gone is nobody's neighbour");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_are_told_where_the_others_interfaces_names_and_public_addresses_are() {
    let (world, ids) = two_networked().await;
    let root = world.root().await;
    // One fits on each host.
    for _ in 0..2 {
        world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap();
    }
    let full = world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await;
    assert!(matches!(full, Err(Error::NoCapacity { .. })), "{full:?}");
    let documents = [world.cloud.render(ids[0]).await.unwrap(), world.cloud.render(ids[1]).await.unwrap()];
    for (here, there) in [(&documents[0], &documents[1]), (&documents[1], &documents[0])] {
        let (network, other) = (&here.networks[0], &there.networks[0].nics[0]);
        let fabric = here.fabric.as_ref().unwrap();
        let underlay = there.fabric.as_ref().unwrap().underlay;
        assert_eq!(network.remote, vec![RemoteNic { ip: other.ip, host: underlay }]);
        assert!(network.names.iter().any(|record| record.ip == other.ip && record.name.starts_with(&other.hostname)));
        assert_eq!(fabric.public, vec![RemoteNic { ip: other.public_ip.unwrap(), host: underlay }]);
        assert_eq!(fabric.hosts.iter().map(|host| host.underlay).collect::<Vec<_>>(), vec![underlay]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_hears_of_a_launch_without_a_new_generation() {
    let (world, ids) = two_networked().await;
    let root = world.root().await;
    let (watching, rendering) = (world.cloud.clone(), world.cloud.clone());
    let tasks = [tokio::spawn(async move { watching.watch_hosts().await }), tokio::spawn(async move { rendering.render_hosts().await })];
    world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap();
    let first = if world.cloud.render(ids[0]).await.unwrap().vms.is_empty() { 1 } else { 0 };
    let mut documents = world.cloud.host_connect(ids[first]).await.unwrap();
    let before = documents.wait_for(|spec| !spec.vms.is_empty()).await.unwrap().generation;
    world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap();
    let told = documents.wait_for(|spec| spec.networks.iter().any(|network| !network.remote.is_empty()));
    let told = tokio::time::timeout(std::time::Duration::from_secs(10), told).await.expect("it is told").unwrap();
    assert_eq!(told.generation, before);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}
