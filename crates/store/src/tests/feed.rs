//! Subscribers hear of every commit, in order.

use super::engines::{check, wait};
use super::noun::{Machine, machine};
use crate::{FeedError, StoreError, Tx, What};

#[test]
fn commits_are_told_in_order_with_their_rows() {
    check(|store| {
        let mut changes = store.changes();
        store.write_blocking(|tx| tx.insert(&machine(1)).and_then(|()| tx.insert(&machine(2)))).expect("the write succeeds");
        let _ = store.write_blocking(|tx| tx.insert(&machine(1)));
        let nothing: fn(&mut Tx<'_>) -> Result<(), StoreError> = |_| Ok(());
        store.write_blocking(nothing).expect("the write succeeds");
        store.write_blocking(|tx| tx.update(&Machine { cpus: 9, ..machine(1) })).expect("the write succeeds");
        store.write_blocking(|tx| tx.delete::<Machine>(machine(2).id)).expect("the write succeeds");

        let inserted = wait(changes.next()).expect("the feed is open");
        assert_eq!(inserted.changes.iter().map(|change| change.row::<Machine>()).collect::<Vec<_>>(), [Some(machine(1)), Some(machine(2))]);
        assert!(inserted.changes.iter().all(|change| matches!(change.what, What::Inserted(_))));
        let updated = wait(changes.next()).expect("the feed is open");
        assert_eq!(updated.changes[0].row::<Machine>(), Some(Machine { cpus: 9, ..machine(1) }));
        assert!(matches!(updated.changes[0].what, What::Updated(_)));
        let deleted = wait(changes.next()).expect("the feed is open");
        assert!(matches!(deleted.changes[0].what, What::Deleted));
        assert_eq!(deleted.changes[0].id_of::<Machine>(), Some(machine(2).id));
        assert_eq!([inserted.number, updated.number, deleted.number], [1, 2, 3]);
        assert!(matches!(changes.try_next(), Ok(None)));
    });
}

#[test]
fn the_last_told_state_of_a_contended_row_is_the_stored_one() {
    check(|store| {
        store.write_blocking(|tx| tx.insert(&machine(1))).expect("the write succeeds");
        let mut changes = store.changes();
        wait(async {
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..6_u32 {
                let store = store.clone();
                tasks.spawn(async move {
                    for step in 0..10 {
                        let cpus = task * 100 + step;
                        // A write that met others in all its tries is not repeated: the others' did happen.
                        let _ = store.write(move |tx| tx.update(&Machine { cpus, ..machine(1) })).await;
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("no task panics");
            }
        });
        let mut last = None;
        while let Some(commit) = changes.try_next().expect("the feed is open") {
            last = commit.changes[0].row::<Machine>();
        }
        assert!(last.is_some());
        assert_eq!(store.read_blocking(|tx| tx.get::<Machine>(machine(1).id)), Ok(last));
    });
}

#[test]
fn a_subscriber_that_falls_behind_is_told_so() {
    check(|store| {
        let mut changes = store.changes();
        wait(async {
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..64 {
                let store = store.clone();
                tasks.spawn(async move {
                    for step in 0..300 {
                        store.write(move |tx| tx.insert(&machine(task * 1000 + step))).await.expect("the write succeeds");
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("no task panics");
            }
        });
        assert_eq!(changes.try_next().err(), Some(FeedError::Missed(64 * 300 - 16_384)));
        assert!(matches!(changes.try_next(), Ok(Some(_))));
    });
}
