//! The audit trail: found again by what is known of a call, and sealed against whoever can write rows.

use control::{Attribute, Lookup, Options, TerminateInstances};
use model::{Event, EventId, SEALED_AFTER_MS, What};

use crate::world::{World, launch};

/// A cloud in which things were done and sealed, and the events of it.
async fn sealed() -> (World, Vec<Event>) {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    for _ in 0..5 {
        world.cloud.run(&root, launch(world.image, 1, 1), Options::default()).await.unwrap();
        world.wait(1_000);
    }
    world.settle().await;
    assert_eq!(world.cloud.seal_audit().await.unwrap(), 0, "nothing is old enough");
    world.wait(SEALED_AFTER_MS);
    assert!(world.cloud.seal_audit().await.unwrap() >= 5);
    let events = world.store.read(|tx| tx.event_run(None, None, 1_000)).await.unwrap();
    (world, events)
}

#[tokio::test]
async fn seals_hold_over_what_was_written_and_follow_each_other() {
    let (world, events) = sealed().await;
    let state = world.cloud.verify_audit().await.unwrap();
    assert_eq!((state.seals, state.events, state.broken), (1, events.len() as u64, None));
    world.cloud.run(&world.root().await, launch(world.image, 1, 1), Options::default()).await.unwrap();
    world.wait(SEALED_AFTER_MS);
    assert!(world.cloud.seal_audit().await.unwrap() >= 1);
    let next = world.cloud.verify_audit().await.unwrap();
    assert_eq!((next.seals, next.broken.clone()), (2, None));
    assert_ne!(next.head, state.head);
}

#[tokio::test]
async fn a_row_that_is_edited_deleted_or_added_is_found() {
    for change in ["edited", "deleted", "added"] {
        let (world, events) = sealed().await;
        let victim = events[2].clone();
        let mut edited = victim.clone();
        if let What::Call { user, .. } = &mut edited.what {
            *user = "somebody-else".to_owned();
        }
        let done = world.store.write(move |tx| match change {
            "edited" => tx.update(&edited),
            "deleted" => tx.delete::<Event>(victim.id).map(|_| ()),
            _ => tx.insert(&Event { id: EventId::from_u64(victim.id.as_u64() + 1), ..victim.clone() }),
        });
        done.await.unwrap();
        let state = world.cloud.verify_audit().await.unwrap();
        assert!(state.broken.as_ref().is_some_and(|what| what.contains("seal 1 does not hold")), "{change}: {state:?}");
    }
}

#[tokio::test]
async fn a_seal_that_is_gone_is_missed() {
    let (world, _) = sealed().await;
    world.cloud.run(&world.root().await, launch(world.image, 1, 1), Options::default()).await.unwrap();
    world.wait(SEALED_AFTER_MS);
    world.cloud.seal_audit().await.unwrap();
    world.store.write(|tx| tx.delete::<model::Seal>(1).map(|_| ())).await.unwrap();
    assert_eq!(world.cloud.verify_audit().await.unwrap().broken.as_deref(), Some("seal 1 is missing"));
}

#[tokio::test]
async fn calls_are_found_by_what_is_known_of_them_a_page_at_a_time() {
    let (world, _) = sealed().await;
    let root = world.root().await;
    let ids: Vec<_> = {
        let all = world.cloud.list_instances(&root, control::Query::default()).await.unwrap();
        all.rows.iter().map(|view| view.instance.id).collect()
    };
    let end = TerminateInstances { ids: vec![ids[0]], only_stopped: false };
    let ends = control::Caller { action: "ec2:TerminateInstances", ..root.clone() };
    world.cloud.run(&ends, end, Options::default()).await.unwrap();
    let found = |attribute, value: &str| Lookup { attributes: vec![(attribute, value.to_owned())], size: 50, ..Lookup::default() };
    for (attribute, value, count) in [
        (Attribute::Action, "TerminateInstances", 1),
        (Attribute::Resource, ids[0].to_string().as_str(), 1),
        (Attribute::User, "root", 6),
        (Attribute::User, "nobody", 0),
        (Attribute::ReadOnly, "false", 6),
        (Attribute::Service, "ec2", 6),
    ] {
        let trail = world.cloud.lookup_events(&root, found(attribute, value)).await.unwrap();
        assert_eq!((trail.events.len(), trail.next), (count, None), "{attribute:?} {value}");
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = world.cloud.lookup_events(&root, Lookup { before, size: 4, ..Lookup::default() }).await.unwrap();
        seen.extend(page.events.iter().map(|event| event.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by(|one, other| one > other), "newest first, none twice");
    let soon = Lookup { from: Some(world.clock.now()), size: 50, ..Lookup::default() };
    assert_eq!(world.cloud.lookup_events(&root, soon).await.unwrap().events.len(), 1, "only the last is that new");
}
