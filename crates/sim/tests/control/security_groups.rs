//! What hosts are told of security groups: what becomes of open connections when a rule goes.

use std::net::Ipv4Addr;
use std::sync::Arc;

use control::{CreateSecurityGroup, CreateTags, DeleteTags, GroupNature, NewHost, Options, Query, RunInstances, WhichTags};
use hostspec::{Accelerator, HostSpec, KeptSpec};
use model::{Error, HostId, OPEN_CONNECTIONS_TAG, OpenConnections, SecurityGroup, SecurityGroupId, Tags};
use pileus_sim::hosts::Simulated;

use crate::world::{World, launch};

fn create(name: &str, regional: bool, nature: GroupNature) -> CreateSecurityGroup {
    CreateSecurityGroup {
        vpc: None,
        regional,
        name: name.to_owned(),
        description: "of a test".to_owned(),
        rules: vec![],
        nature,
        tags: Tags::new(),
    }
}

fn chosen(word: &str) -> Tags {
    Tags::from([(OPEN_CONNECTIONS_TAG.to_owned(), word.to_owned())])
}

/// A host on which there are networks: simulated ones have none.
pub async fn networked() -> (World, HostId) {
    let world = World::new(0, 1).await;
    let new = NewHost { name: "n1".to_owned(), zones: vec!["sim-1a".to_owned()], underlay: Ipv4Addr::new(192, 0, 2, 1), rack: None };
    let id = world.cloud.hosts_join(vec![new]).await.unwrap()[0];
    let mut report = Simulated::new(id).obey(&Arc::new(HostSpec::empty(id)));
    report.capacity.accelerator = Accelerator::Tcg;
    world.cloud.report(report).await.unwrap();
    world.cloud.host_connect(id).await.unwrap();
    (world, id)
}

/// The document that a host should have, made from the one before, which must give the same as the rows alone.
pub async fn document(world: &World, host: HostId) -> Arc<HostSpec> {
    let document = world.cloud.document(host).await.unwrap();
    assert_eq!(*document, world.cloud.render(host).await.unwrap());
    document
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_are_told_of_groups_that_keep_open_connections_as_their_clouds_do_and_as_tags_say() {
    let (world, host) = networked().await;
    let root = world.root().await;
    let usual = world.cloud.list::<SecurityGroup>(&root, Query::default()).await.unwrap().rows[0].id;
    world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap();
    let mut made = Vec::new();
    for (name, regional, nature) in
        [("ec2", false, GroupNature::Plain), ("ecs", false, GroupNature::Basic), ("cvm", true, GroupNature::Plain)]
    {
        let group = world.cloud.run(&root, create(name, regional, nature), Options::default()).await.unwrap().id;
        let wanted = RunInstances { groups: vec![group], ..launch(world.image, 1, 1) };
        world.cloud.run(&root, wanted, Options::default()).await.unwrap();
        made.push(group);
    }
    let told = |group: SecurityGroupId, connections| KeptSpec { group, connections };
    let mut tracked = vec![told(usual, OpenConnections::Tracked), told(made[0], OpenConnections::Tracked)];
    tracked.sort_by_key(|kept| kept.group);
    let before = document(&world, host).await;
    assert_eq!(before.networks[0].kept, tracked);
    let tag = |group: SecurityGroupId, word: &str| CreateTags { resources: vec![group.to_string()], tags: chosen(word) };
    let refused = world.cloud.run(&root, tag(made[1], "no"), Options::default()).await;
    assert!(matches!(refused, Err(Error::InvalidParameter { .. })), "{refused:?}");
    world.cloud.run(&root, tag(usual, "drop"), Options::default()).await.unwrap();
    world.cloud.run(&root, tag(made[0], "keep"), Options::default()).await.unwrap();
    world.cloud.run(&root, tag(made[2], "tracked"), Options::default()).await.unwrap();
    let after = document(&world, host).await;
    assert!(after.generation > before.generation);
    let mut kept = vec![told(made[0], OpenConnections::Keep), told(made[2], OpenConnections::Tracked)];
    kept.sort_by_key(|kept| kept.group);
    assert_eq!(after.networks[0].kept, kept);
    let which = WhichTags::These(vec![(OPEN_CONNECTIONS_TAG.to_owned(), None)]);
    let resources = [usual, made[0], made[2]].iter().map(SecurityGroupId::to_string).collect();
    world.cloud.run(&root, DeleteTags { resources, which }, Options::default()).await.unwrap();
    assert_eq!(document(&world, host).await.networks[0].kept, tracked, "as before");
}
