//! Everything that sleeps is woken, once at a time.

use std::time::Duration;

use model::Millis;

use super::engines::{check, wait};
use crate::{Lease, Store, StoreError, Tx};

fn write<T: Send + 'static>(store: &Store, work: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static) -> T {
    store.write_blocking(work).expect("the write succeeds")
}

fn wake(store: &Store, id: u32, due: i64) {
    write(store, move |tx| tx.wake("machine", id, Millis(due)));
}

fn lease(store: &Store, now: i64) -> Vec<Lease> {
    write(store, move |tx| tx.lease_wakes("worker", Millis(now), 100, 10))
}

fn next_due(store: &Store) -> Option<i64> {
    store.read_blocking(|tx| tx.next_due()).expect("the read succeeds").map(|due| due.0)
}

fn ids(leases: &[Lease]) -> Vec<&str> {
    leases.iter().map(|lease| lease.id.as_str()).collect()
}

#[test]
fn the_earlier_wake_wins() {
    check(|store| {
        assert_eq!(next_due(store), None);
        wake(store, 1, 50);
        wake(store, 1, 70);
        assert_eq!(next_due(store), Some(50));
        wake(store, 1, 30);
        assert_eq!(next_due(store), Some(30));
    });
}

#[test]
fn what_is_due_is_given_out_once_the_longest_due_first() {
    check(|store| {
        for (id, due) in [(1, 30), (2, 10), (3, 20), (4, 41)] {
            wake(store, id, due);
        }
        let first = write(store, |tx| tx.lease_wakes("worker", Millis(40), 100, 2));
        assert_eq!(ids(&first), ["2", "3"]);
        assert_eq!(ids(&lease(store, 40)), ["1"]);
        assert_eq!(ids(&lease(store, 40)), Vec::<&str>::new());
        assert_eq!(next_due(store), Some(41));
    });
}

#[test]
fn a_lease_that_ends_leaves_only_what_came_meanwhile() {
    check(|store| {
        wake(store, 1, 10);
        let [held] = lease(store, 10).try_into().expect("one is due");
        let done = held.clone();
        assert!(write(store, move |tx| tx.wake_done(&done)));
        assert_eq!(next_due(store), None);

        wake(store, 1, 10);
        let [held] = lease(store, 10).try_into().expect("one is due");
        wake(store, 1, 900);
        wake(store, 1, 800);
        assert_eq!(ids(&lease(store, 10)), Vec::<&str>::new());
        assert!(write(store, move |tx| tx.wake_done(&held)));
        assert_eq!(next_due(store), Some(800));
    });
}

#[test]
fn a_lease_is_put_off_but_not_past_what_came_meanwhile() {
    check(|store| {
        wake(store, 1, 10);
        let [held] = lease(store, 10).try_into().expect("one is due");
        assert!(write(store, move |tx| tx.wake_later(&held, Millis(500))));
        assert_eq!(next_due(store), Some(500));

        let [held] = lease(store, 500).try_into().expect("one is due");
        wake(store, 1, 550);
        assert!(write(store, move |tx| tx.wake_later(&held, Millis(5000))));
        assert_eq!(next_due(store), Some(550));
    });
}

#[test]
fn a_lapsed_lease_goes_to_another_and_ends_nothing() {
    check(|store| {
        wake(store, 1, 10);
        let [slow] = lease(store, 10).try_into().expect("one is due");
        assert_eq!(ids(&lease(store, 109)), Vec::<&str>::new());
        let [next] = lease(store, 110).try_into().expect("the lease has lapsed");
        assert!(next.seq > slow.seq);
        let late = slow.clone();
        assert!(!write(store, move |tx| tx.wake_done(&late)));
        let late = slow.clone();
        assert!(!write(store, move |tx| tx.wake_later(&late, Millis(0))));
        assert_eq!(next_due(store), Some(210));
        assert!(write(store, move |tx| tx.wake_done(&next)));
        // Nor does it end the lease of a wake that was set anew.
        wake(store, 1, 200);
        assert_eq!(lease(store, 300).len(), 1);
        assert!(!write(store, move |tx| tx.wake_done(&slow)));
        assert_eq!(next_due(store), Some(400));
    });
}

#[test]
fn whoever_waits_hears_of_a_committed_wake() {
    check(|store| {
        wait(async {
            let waiting = store.woken();
            store.write(|tx| tx.wake("machine", 1, Millis(5))).await.expect("the write succeeds");
            waiting.await;
            assert_eq!(store.next_due().await, Ok(Some(Millis(5))));
            let _ = store.try_out(|tx| tx.wake("machine", 2, Millis(5))).await;
            assert!(tokio::time::timeout(Duration::from_millis(50), store.woken()).await.is_err());
            let leases = store.lease_wakes("worker", Millis(9), 100, 1).await.expect("the write succeeds");
            assert_eq!(ids(&leases), ["1"]);
            assert_eq!(store.wake_later(leases[0].clone(), Millis(70)).await, Ok(true));
            store.woken().await;
        });
    });
}
