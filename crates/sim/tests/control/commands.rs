//! What callers notice of the control plane: quotas, tokens, dry runs, refusals, states. Simulated hosts, a real database.

use std::sync::Arc;

use crate::world::{World, launch};
use control::{Cloud, Options, Query, RebootInstances, StartInstances, StopInstances, Stray, TerminateInstances};
use hostspec::HostSpec;
use model::{Error, Instance, InstanceId, Noun, Phase, QuotaName, TERMINATED_VISIBLE_MS};

async fn phase(cloud: &Cloud, world: &World, id: InstanceId) -> Phase {
    cloud.instance_view(&world.root().await, id).await.unwrap().instance.phase
}

fn terminate(ids: &[InstanceId]) -> TerminateInstances {
    TerminateInstances { ids: ids.to_vec(), only_stopped: false }
}

#[tokio::test]
async fn an_instance_lives_from_launch_to_nothing() {
    let mut world = World::new(2, 1).await;
    let (cloud, root) = (world.cloud.clone(), world.root().await);
    let id = cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap().instances[0];
    assert!(matches!(phase(&cloud, &world, id).await, Phase::Launching { .. }));
    world.settle().await;
    assert_eq!(phase(&cloud, &world, id).await, Phase::Running);
    let address = cloud.instance_view(&root, id).await.unwrap().address().cloned().expect("it has a public address");
    cloud.run(&root, StopInstances { ids: vec![id], force: false, keep_capacity: false }, Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(phase(&cloud, &world, id).await, Phase::Stopped);
    assert_eq!(cloud.instance_view(&root, id).await.unwrap().address().cloned(), None, "{address:?} is lost at the stop");
    cloud.run(&root, StartInstances { ids: vec![id] }, Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(phase(&cloud, &world, id).await, Phase::Running);
    assert!(cloud.instance_view(&root, id).await.unwrap().address().is_some(), "it gets another when it starts");
    cloud.run(&root, terminate(&[id]), Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(phase(&cloud, &world, id).await, Phase::Terminated);
    world.wait(TERMINATED_VISIBLE_MS + 1);
    world.settle().await;
    assert!(matches!(cloud.instance_view(&root, id).await, Err(Error::NotFound { noun: Noun::Instance, .. })));
    assert_leftovers(&world, 0).await;
}

#[tokio::test]
async fn a_host_that_is_ahead_of_a_restored_database_is_caught_up_with() {
    let mut world = World::new(1, 1).await;
    let (cloud, root) = (world.cloud.clone(), world.root().await);
    let kept = cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap().instances[0];
    world.settle().await;
    // What the host took after the backup: a later document, in which the instance is not.
    let document = world.document(0).await;
    let ahead = HostSpec { generation: document.generation + 1_000, vms: vec![], ..HostSpec::clone(&document) };
    let report = world.hosts[0].obey(&Arc::new(ahead.clone()));
    cloud.report(report).await.unwrap();
    let new = cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap().instances[0];
    world.settle().await;
    assert!(world.document(0).await.generation > ahead.generation);
    for id in [kept, new] {
        assert_eq!(phase(&cloud, &world, id).await, Phase::Running);
    }
    let view = cloud.instance_view(&root, kept).await.unwrap();
    assert_eq!(view.instance.seen.map(|seen| seen.state), Some(model::SeenState::Running));
}

#[tokio::test]
async fn what_belongs_to_nobody_is_found_and_put_right() {
    let mut world = World::new(1, 1).await;
    let (cloud, root) = (world.cloud.clone(), world.root().await);
    let ids = cloud.run(&root, launch(world.image, 2, 2), Options::default()).await.unwrap().instances;
    world.settle().await;
    assert_eq!(cloud.find_strays().await.unwrap(), []);
    // Somebody deletes one instance's row by hand, and another's wake.
    let (lost, sleeper) = (ids[0], ids[1]);
    cloud.run(&root, StopInstances { ids: vec![sleeper], force: false, keep_capacity: false }, Options::default()).await.unwrap();
    let stolen = world.store.lease_wakes("thief", world.clock.now(), 1, 10).await.unwrap();
    assert_eq!(stolen.len(), 1);
    for lease in stolen {
        world.store.wake_done(lease).await.unwrap();
    }
    world.store.write(move |tx| tx.delete::<model::Instance>(lost)).await.unwrap();
    let found = cloud.find_strays().await.unwrap();
    assert!(matches!(found[..], [Stray::Interface(_), Stray::Volume(_), Stray::Forgotten(id)] if id == sleeper), "{found:?}");
    cloud.repair_strays(&found).await.unwrap();
    world.settle().await;
    assert_eq!(cloud.find_strays().await.unwrap(), []);
    assert_eq!(phase(&cloud, &world, sleeper).await, Phase::Stopped);
    assert_leftovers(&world, 1).await;
}

/// Interfaces, volumes and public addresses that exist.
async fn assert_leftovers(world: &World, expected: usize) {
    let root = world.root().await;
    let interfaces = world.cloud.list::<model::Interface>(&root, Query::default()).await.unwrap().total;
    let volumes = world.cloud.list::<model::Volume>(&root, Query::default()).await.unwrap().total;
    assert_eq!((interfaces, volumes), (expected, expected));
    if expected == 0 {
        assert_eq!(world.cloud.list::<model::Address>(&root, Query::default()).await.unwrap().total, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_launches_against_a_quota_of_ten_exactly_ten_win() {
    let world = World::new(8, 2).await;
    let root = world.root().await;
    world.cloud.quota_set(world.account, QuotaName::Instances, 10).await.unwrap();
    let one = |_| {
        let (cloud, root, command) = (world.cloud.clone(), root.clone(), launch(world.image, 1, 1));
        tokio::spawn(async move { cloud.run(&root, command, Options::default()).await })
    };
    let tasks: Vec<_> = (0..200).map(one).collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(Error::QuotaExceeded { quota: QuotaName::Instances, limit: 10, .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 10);
}

#[tokio::test]
async fn a_launch_gives_as_many_as_the_quota_leaves_but_not_fewer_than_asked() {
    let world = World::new(2, 3).await;
    let root = world.root().await;
    world.cloud.quota_set(world.account, QuotaName::Instances, 5).await.unwrap();
    let launched = world.cloud.run(&root, launch(world.image, 2, 9), Options::default()).await.unwrap();
    assert_eq!(launched.instances.len(), 5);
    let refused = world.cloud.run(&root, launch(world.image, 2, 9), Options::default()).await.unwrap_err();
    assert!(matches!(refused, Error::QuotaExceeded { used: 5, wanted: 2, .. }), "{refused:?}");
    assert_leftovers(&world, 5).await;
}

#[tokio::test]
async fn a_repeated_token_answers_as_the_first_call_did() {
    let world = World::new(2, 4).await;
    let root = world.root().await;
    let options = Options { client_token: Some("once".to_owned()), dry_run: false };
    let first = world.cloud.run(&root, launch(world.image, 1, 1), options.clone()).await.unwrap();
    let second = world.cloud.run(&root, launch(world.image, 1, 1), options.clone()).await.unwrap();
    assert_eq!((first.reservation, first.instances, second.made.len()), (second.reservation, second.instances, 0));
    assert_eq!(world.cloud.run(&root, launch(world.image, 2, 2), options).await, Err(Error::ClientTokenReused));
    assert_leftovers(&world, 1).await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_keeps_nothing() {
    let world = World::new(2, 5).await;
    let root = world.root().await;
    let dry = Options { client_token: None, dry_run: true };
    assert_eq!(world.cloud.run(&root, launch(world.image, 1, 1), dry.clone()).await, Err(Error::DryRun));
    world.cloud.quota_set(world.account, QuotaName::Instances, 0).await.unwrap();
    assert!(matches!(world.cloud.run(&root, launch(world.image, 1, 1), dry).await, Err(Error::QuotaExceeded { .. })));
    assert_leftovers(&world, 0).await;
}

#[tokio::test]
async fn another_accounts_instance_looks_like_one_that_is_not_there() {
    let mut world = World::new(2, 6).await;
    let root = world.root().await;
    let id = world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap().instances[0];
    world.settle().await;
    let other = world.cloud.account_create("other").await.unwrap();
    let other = world.caller(&other.id).await;
    let absent = InstanceId::from_u64(42);
    for target in [id, absent] {
        let expected = Error::not_found(Noun::Instance, target);
        assert_eq!(world.cloud.run(&other, terminate(&[target]), Options::default()).await, Err(expected.clone()));
        assert_eq!(world.cloud.instance_view(&other, target).await.map(|_| ()), Err(expected));
    }
    assert_eq!(phase(&world.cloud, &world, id).await, Phase::Running);
}

#[tokio::test]
async fn a_user_may_do_what_its_policies_allow_and_refusals_are_audited() {
    let world = World::new(2, 7).await;
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}"#;
    let key = world.cloud.user_create(world.account, "reader", vec![policy.to_owned()]).await.unwrap();
    let mut reader = world.caller(&key.id).await;
    let refused = world.cloud.run(&reader, launch(world.image, 1, 1), Options::default()).await;
    assert!(matches!(refused, Err(Error::Unauthorized { .. })), "{refused:?}");
    reader.action = "ec2:DescribeInstances";
    assert_eq!(world.cloud.list_instances(&reader, Query::default()).await.unwrap().total, 0);
    let events = world.cloud.events(&world.root().await, 10).await.unwrap();
    let audited = events.iter().any(|event| matches!(&event.what, model::What::Call { user, refused: Some(_), .. } if user == "reader"));
    assert!(audited, "{events:?}");
}

#[tokio::test]
async fn terminating_in_every_phase_and_twice_leaves_nothing() {
    let mut world = World::new(2, 8).await;
    let (cloud, root) = (world.cloud.clone(), world.root().await);
    let ids = cloud.run(&root, launch(world.image, 4, 4), Options::default()).await.unwrap().instances;
    cloud.run(&root, terminate(&ids[..1]), Options::default()).await.unwrap();
    world.settle().await;
    cloud.run(&root, terminate(&ids[1..2]), Options::default()).await.unwrap();
    cloud.run(&root, StopInstances { ids: ids[2..].to_vec(), force: true, keep_capacity: true }, Options::default()).await.unwrap();
    cloud.run(&root, terminate(&ids[2..3]), Options::default()).await.unwrap();
    world.settle().await;
    for _ in 0..2 {
        cloud.run(&root, terminate(&ids), Options::default()).await.unwrap();
    }
    world.settle().await;
    for id in ids {
        assert_eq!(phase(&cloud, &world, id).await, Phase::Terminated);
    }
    assert_leftovers(&world, 0).await;
}

#[tokio::test]
async fn a_full_region_refuses_with_the_reason_and_takes_the_next_when_there_is_room() {
    let mut world = World::new(1, 9).await;
    let root = world.root().await;
    world.cloud.quota_set(world.account, QuotaName::Instances, 10_000).await.unwrap();
    let mut large = launch(world.image, 1, 1);
    large.instance_type = "m6i.16xlarge".to_owned();
    large.zone = Some("sim-1a".to_owned());
    let id = world.cloud.run(&root, large.clone(), Options::default()).await.unwrap().instances[0];
    let refused = world.cloud.run(&root, large.clone(), Options::default()).await.unwrap_err();
    assert!(matches!(&refused, Error::NoCapacity { reason, .. } if !reason.is_empty()), "{refused:?}");
    world.cloud.run(&root, terminate(&[id]), Options::default()).await.unwrap();
    world.settle().await;
    assert!(world.cloud.run(&root, large, Options::default()).await.is_ok());
}

#[tokio::test]
async fn a_reboot_is_asked_of_running_instances_only() {
    let mut world = World::new(1, 10).await;
    let root = world.root().await;
    let mut here = launch(world.image, 1, 1);
    here.zone = Some("sim-1a".to_owned());
    let id = world.cloud.run(&root, here, Options::default()).await.unwrap().instances[0];
    let reboot = RebootInstances { ids: vec![id], force: false };
    let early = world.cloud.run(&root, reboot.clone(), Options::default()).await;
    assert!(matches!(early, Err(Error::IncorrectState { state: "launching", .. })), "{early:?}");
    world.settle().await;
    world.cloud.run(&root, reboot, Options::default()).await.unwrap();
    assert_eq!(world.document(0).await.vms[0].boot, 2);
}

/// Two control planes on one database take the reports of a host in turn, each remembering what it wrote down last.
#[tokio::test]
async fn reports_that_another_control_plane_took_are_not_forgotten() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    let launched = world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap();
    let id = launched.instances[0];
    world.settle().await;
    let first = world.cloud.clone();
    world.crash();
    let second = world.cloud.clone();
    let seen = |store: store::Store| async move { store.get::<Instance>(id).await.unwrap().unwrap().seen.map(|seen| seen.state) };
    let document = world.document(0).await;
    let running = world.hosts[0].obey(&document);
    second.report(running).await.unwrap();
    world.hosts[0].guest_shuts_down(id);
    let down = world.hosts[0].obey(&document);
    first.report(down.clone()).await.unwrap();
    assert_eq!(seen(world.store.clone()).await, Some(model::SeenState::ShutDown));
    let mut again = down;
    again.sequence += 1;
    again.vms[0].state = hostspec::VmState::Running;
    second.report(again).await.unwrap();
    assert_eq!(seen(world.store.clone()).await, Some(model::SeenState::Running));
}
