//! Rows go in, come out, and stay out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use model::InstanceId;

use super::engines::{check, check_place, wait};
use super::noun::{Machine, Token, account, machine};
use crate::{By, Row, Store, StoreError, Tx, Value, WriteError};

/// A write that must succeed.
fn write<T: Send + 'static>(store: &Store, work: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static) -> T {
    store.write_blocking(work).expect("the write succeeds")
}

fn read<T: Send + 'static>(store: &Store, work: impl Fn(&Tx<'_>) -> Result<T, StoreError> + Send + 'static) -> T {
    store.read_blocking(work).expect("the read succeeds")
}

fn names(store: &Store, by: By) -> Vec<String> {
    read(store, move |tx| tx.list::<Machine>(by.clone())).into_iter().map(|machine| machine.name).collect()
}

#[test]
fn a_row_comes_back_as_it_went_in_and_survives_reopening() {
    check_place(|place| {
        let mut wanted = machine(7);
        wanted.tags.insert("emoji \u{1F600}".to_owned(), "'; DROP TABLE machine; --".to_owned());
        wanted.name = "'; DROP TABLE machine; -- $1 ?1 \u{1F600}".to_owned();
        let row = wanted.clone();
        let store = place.open();
        write(&store, move |tx| tx.insert(&row));
        assert_eq!(read(&store, |tx| tx.get::<Machine>(InstanceId::from_u64(7))), Some(wanted.clone()));
        drop(store);
        let store = place.open();
        assert_eq!(read(&store, |tx| tx.get::<Machine>(InstanceId::from_u64(7))), Some(wanted));
        assert_eq!(read(&store, |tx| tx.get::<Machine>(InstanceId::from_u64(8))), None);
    });
}

/// Machines are a quiet noun, so what is read of them in a write is remembered.
#[test]
fn what_was_undone_is_not_remembered() {
    check(|store| {
        let (old, new) = (machine(1), Machine { state: "stopped".to_owned(), ..machine(1) });
        let (row, fresh, change) = (old.clone(), old.clone(), new.clone());
        write(store, move |tx| tx.insert(&row));
        let seen = write(store, move |tx| {
            let mut seen = vec![tx.get::<Machine>(fresh.id)?];
            let undone: Result<Result<(), StoreError>, StoreError> = tx.attempt(|tx| {
                tx.update(&change)?;
                seen.push(tx.get::<Machine>(change.id)?);
                Err(StoreError::Closed)
            });
            assert_eq!(undone?, Err(StoreError::Closed));
            seen.push(tx.get::<Machine>(fresh.id)?);
            Ok(seen)
        });
        assert_eq!(seen, [Some(old.clone()), Some(new.clone()), Some(old.clone())]);
        let change = new.clone();
        let refused = store.write_blocking(move |tx| {
            tx.update(&change)?;
            assert_eq!(tx.list::<Machine>(By::is("state", "stopped"))?.len(), 1);
            Err::<(), _>(StoreError::Closed)
        });
        assert_eq!(refused, Err(WriteError::Refused(StoreError::Closed)));
        let (stopped, there) = write(store, |tx| {
            let there = tx.get::<Machine>(machine(1).id)?;
            Ok((tx.count::<Machine>(By::is("state", "stopped"))?, there))
        });
        assert_eq!((stopped, there), (0, Some(old.clone())));
        write(store, |tx| tx.delete::<Machine>(machine(1).id));
        assert_eq!(write(store, |tx| tx.get::<Machine>(machine(1).id)), None);
    });
}

#[test]
fn an_attempt_that_refuses_leaves_nothing_and_the_rest_goes_on() {
    check(|store| {
        let mut feed = store.changes();
        write(store, |tx| {
            tx.insert(&machine(1))?;
            let inner = tx.attempt(|tx| {
                tx.insert(&machine(2))?;
                let refused: Result<Result<(), StoreError>, StoreError> = tx.attempt(|tx| {
                    tx.insert(&machine(3))?;
                    tx.update(&Machine { state: "stopped".to_owned(), ..machine(1) })?;
                    Err(StoreError::Closed)
                });
                assert_eq!(refused?, Err(StoreError::Closed));
                tx.insert(&machine(4))
            });
            assert_eq!(inner?, Ok(()));
            let undone: Result<Result<(), StoreError>, StoreError> = tx.attempt(|tx| {
                tx.delete::<Machine>(machine(1).id)?;
                Err(StoreError::Closed)
            });
            assert_eq!(undone?, Err(StoreError::Closed));
            tx.insert(&machine(5))
        });
        assert_eq!(names(store, By::all()), ["web-1", "web-2", "web-4", "web-5"]);
        assert_eq!(names(store, By::is("state", "stopped")), [""; 0]);
        let commit = wait(feed.next()).expect("a commit is told");
        assert_eq!(commit.changes.iter().filter_map(|change| change.id_of::<Machine>()).count(), 4, "nobody hears of what was undone");
    });
}

#[test]
fn rows_are_updated_put_and_deleted() {
    check(|store| {
        write(store, |tx| {
            tx.insert(&machine(1))?;
            tx.put(&machine(2))?;
            tx.put(&Machine { zone: "z-b".to_owned(), ..machine(2) })?;
            tx.update(&Machine { state: "stopped".to_owned(), ..machine(1) })
        });
        assert_eq!(names(store, By::is("state", "stopped")), ["web-1"]);
        assert_eq!(names(store, By::is("zone", "z-b")), ["web-2"]);
        assert!(write(store, |tx| tx.delete::<Machine>(machine(1).id)));
        assert!(!write(store, |tx| tx.delete::<Machine>(machine(1).id)));
        assert_eq!(names(store, By::all()), ["web-2"]);
        let missing = store.write_blocking(|tx| tx.update(&machine(1)));
        assert_eq!(missing, Err(WriteError::Refused(StoreError::Missing { table: "machine" })));
    });
}

#[test]
fn lists_are_ordered_bounded_and_selected_by_columns() {
    check(|store| {
        write(store, |tx| {
            for number in [3, 1, 5, 2, 4] {
                let host = (number % 2 == 0).then(|| model::HostId::from_u64(9));
                tx.insert(&Machine { host, cpus: 10 - number as u32, ..machine(number) })?;
            }
            Ok(())
        });
        assert_eq!(names(store, By::all()), ["web-1", "web-2", "web-3", "web-4", "web-5"]);
        assert_eq!(names(store, By::all().backwards().first(2)), ["web-5", "web-4"]);
        assert_eq!(names(store, By::all().above("id", InstanceId::from_u64(2)).first(2)), ["web-3", "web-4"]);
        assert_eq!(names(store, By::is("host", model::HostId::from_u64(9))), ["web-2", "web-4"]);
        assert_eq!(names(store, By::is("host", Value::Null).ordered_by("cpus")), ["web-5", "web-3", "web-1"]);
        assert_eq!(names(store, By::is("account", account(1)).below("cpus", 7).at_most("cpus", 5)), ["web-5"]);
        assert_eq!(read(store, |tx| tx.count::<Machine>(By::is("zone", "z-a"))), 5);
        for (at_most, counted) in [(0, 0), (3, 3), (5, 5), (9, 5)] {
            assert_eq!(read(store, move |tx| tx.count_up_to::<Machine>(By::is("zone", "z-a"), at_most)), counted);
        }
        assert_eq!(read(store, |tx| tx.sum::<Machine>("cpus", By::is("zone", "z-a"))), 35);
        assert_eq!(read(store, |tx| tx.sum::<Machine>("cpus", By::is("zone", "z-z"))), 0);
        assert_eq!(read(store, |tx| tx.find::<Machine>(By::is("name", "web-3"))), Some(Machine { cpus: 7, ..machine(3) }));
    });
}

#[test]
fn rows_come_in_the_order_of_the_ids_asked_for() {
    check(|store| {
        write(store, |tx| (0..300).try_for_each(|number| tx.insert(&machine(number))));
        let ids: Vec<InstanceId> = (0..400).rev().map(InstanceId::from_u64).collect();
        let found = read(store, move |tx| tx.get_many::<Machine>(&ids));
        let wanted: Vec<Machine> = (0..300).rev().map(machine).collect();
        assert_eq!(found, wanted);
        assert_eq!(read(store, |tx| tx.get_many::<Machine>(&[])), []);
    });
}

#[test]
fn a_duplicate_is_named_and_the_transaction_goes_on() {
    check(|store| {
        let constraint = |error| match error {
            StoreError::Duplicate { table: "machine", constraint } => constraint,
            other => panic!("not a duplicate: {other}"),
        };
        let met = write(store, move |tx| {
            tx.insert(&machine(1))?;
            let same_id = tx.insert(&Machine { name: "other".to_owned(), ..machine(1) }).map_err(constraint);
            let same_name = tx.insert(&Machine { name: "web-1".to_owned(), ..machine(2) }).map_err(constraint);
            tx.insert(&machine(3))?;
            Ok([same_id, same_name])
        });
        assert_eq!(met, [Err("id".to_owned()), Err("account,name".to_owned())]);
        assert_eq!(names(store, By::all()), ["web-1", "web-3"]);
    });
}

#[test]
fn an_update_onto_a_taken_name_ends_the_transaction() {
    check(|store| {
        write(store, |tx| tx.insert(&machine(1)).and_then(|()| tx.insert(&machine(2))));
        let taken = StoreError::Duplicate { table: "machine", constraint: "account,name".to_owned() };
        let refused = store.write_blocking(|tx| tx.update(&Machine { name: "web-1".to_owned(), ..machine(2) }));
        assert_eq!(refused, Err(WriteError::Refused(taken.clone())));
        let swallowed = store.write_blocking(|tx| {
            tx.insert(&machine(3))?;
            assert!(tx.update(&Machine { name: "web-1".to_owned(), ..machine(2) }).is_err());
            assert_eq!(tx.insert(&machine(4)), Err(StoreError::Doomed));
            Ok::<_, StoreError>(())
        });
        assert_eq!(swallowed, Err(WriteError::Store(taken)));
        assert_eq!(names(store, By::all()), ["web-1", "web-2"]);
    });
}

#[test]
fn a_refusal_a_panic_and_a_dry_run_leave_nothing() {
    check(|store| {
        let refused = store.write_blocking(|tx| {
            tx.insert(&machine(1)).expect("the table is empty");
            Err::<(), _>("no")
        });
        assert_eq!(refused, Err(WriteError::Refused("no")));
        let panicked = store.write_blocking(|tx| -> Result<(), StoreError> {
            tx.insert(&machine(2))?;
            panic!("a defect in number {}", 2)
        });
        assert_eq!(panicked, Err(WriteError::Panicked("a defect in number 2".to_owned())));
        let seen = wait(store.try_out(|tx| {
            tx.insert(&machine(3))?;
            tx.wake("machine", 3, model::Millis(0))?;
            tx.count::<Machine>(By::all())
        }));
        assert_eq!(seen, Ok(1));
        assert_eq!(names(store, By::all()), Vec::<String>::new());
        assert_eq!(read(store, |tx| tx.next_due()), None);
        let panicked = store.read_blocking(|_| -> Result<(), StoreError> { panic!("a defect") });
        assert_eq!(panicked, Err(StoreError::Engine("a reading closure panicked: a defect".to_owned())));
    });
}

#[test]
fn a_refusal_after_a_write_takes_nothing_of_the_others_with_it() {
    const WRITERS: u64 = 200;
    check(|store| {
        let mut feed = store.changes();
        wait(async {
            let mut tasks = tokio::task::JoinSet::new();
            for number in 1..=WRITERS {
                let store = store.clone();
                let insert = move |tx: &mut Tx<'_>| {
                    tx.insert(&machine(number))?;
                    if number % 3 == 0 { Err(StoreError::Closed) } else { Ok(()) }
                };
                tasks.spawn(async move { (number, store.write(insert).await) });
            }
            for (number, told) in tasks.join_all().await {
                assert_eq!(told, if number % 3 == 0 { Err(WriteError::Refused(StoreError::Closed)) } else { Ok(()) }, "{number}");
            }
        });
        let kept = WRITERS - WRITERS / 3;
        assert_eq!(read(store, |tx| tx.count::<Machine>(By::all())), kept);
        let mut heard = 0;
        while let Ok(Some(commit)) = feed.try_next() {
            heard += commit.changes.len() as u64;
        }
        assert_eq!(heard, kept);
    });
}

#[test]
fn a_text_with_a_nul_is_refused_and_found_nowhere() {
    check(|store| {
        let nul = || Token { text: "a\0b".to_owned(), uses: 0 };
        let unstorable = StoreError::Unstorable { table: "token", what: "a text with a NUL" };
        assert_eq!(store.write_blocking(move |tx| tx.insert(&nul())), Err(WriteError::Refused(unstorable)));
        assert_eq!(read(store, move |tx| tx.get::<Token>(nul().text)), None);
        write(store, |tx| tx.insert(&Token { text: "ab".to_owned(), uses: 1 }));
        assert_eq!(read(store, |tx| tx.get::<Token>("ab".to_owned())), Some(Token { text: "ab".to_owned(), uses: 1 }));
    });
}

#[test]
fn an_id_beyond_the_last_is_refused_and_found_nowhere() {
    check(|store| {
        let last = machine(i64::MAX as u64 - 1);
        let row = last.clone();
        write(store, move |tx| tx.insert(&row));
        for beyond in [i64::MAX as u64, u64::MAX] {
            let refused = store.write_blocking(move |tx| tx.insert(&machine(beyond)));
            assert_eq!(refused, Err(WriteError::Refused(StoreError::Unstorable { table: "machine", what: "an id beyond the last" })));
            assert_eq!(read(store, move |tx| tx.get::<Machine>(InstanceId::from_u64(beyond))), None);
            assert_eq!(names(store, By::all().above("id", InstanceId::from_u64(beyond))), Vec::<String>::new());
        }
        assert_eq!(names(store, By::all()), [last.name]);
    });
}

/// A burst against a quota that is counted in the transaction: exactly the quota wins.
#[test]
fn two_hundred_parallel_creates_against_a_quota_of_ten_give_ten() {
    check(|store| {
        let won = Arc::new(AtomicU32::new(0));
        wait(async {
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..200 {
                let (store, won) = (store.clone(), won.clone());
                tasks.spawn(async move {
                    let done = store
                        .write(move |tx| {
                            if tx.count::<Machine>(By::is("account", account(1)))? >= 10 {
                                return Err(StoreError::Engine("over quota".to_owned()));
                            }
                            tx.insert(&machine(number))
                        })
                        .await;
                    match done {
                        Ok(()) => won.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error, WriteError::Refused(StoreError::Engine("over quota".to_owned())));
                            0
                        }
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("no task panics");
            }
        });
        assert_eq!(won.load(Ordering::Relaxed), 10);
        assert_eq!(names(store, By::all()).len(), 10);
    });
}

#[test]
fn increments_from_many_tasks_are_all_counted() {
    check(|store| {
        write(store, |tx| tx.insert(&Token { text: "one".to_owned(), uses: 0 }));
        wait(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let store = store.clone();
                tasks.spawn(async move {
                    for _ in 0..25 {
                        let increment = |tx: &mut Tx<'_>| {
                            let token: Token = tx.get("one".to_owned())?.expect("it was inserted above");
                            tx.update(&Token { uses: token.uses + 1, ..token })
                        };
                        // Only the server gives up, and only after all its tries.
                        while store.write(increment).await == Err(WriteError::Store(StoreError::Conflict)) {}
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("no task panics");
            }
        });
        assert_eq!(read(store, |tx| tx.get::<Token>("one".to_owned())), Some(Token { text: "one".to_owned(), uses: 200 }));
    });
}

#[test]
fn a_read_sees_one_moment() {
    check(|store| {
        write(store, |tx| tx.insert(&machine(1)));
        let (other, seen) = (store.clone(), Arc::new(AtomicU32::new(0)));
        let noted = seen.clone();
        let counts = read(store, move |tx| {
            let before = tx.count::<Machine>(By::all())?;
            let number = 2 + u64::from(noted.fetch_add(1, Ordering::Relaxed));
            let another = other.clone();
            let writer = std::thread::spawn(move || write(&another, move |tx| tx.insert(&machine(number))));
            writer.join().expect("the write succeeds");
            Ok((before, tx.count::<Machine>(By::all())?))
        });
        assert_eq!(counts, (1, 1));
        assert_eq!(seen.load(Ordering::Relaxed), 1);
        assert_eq!(names(store, By::all()), ["web-1", "web-2"]);
    });
}

/// Every noun's table has the columns that its row fills.
#[test]
fn the_database_of_pileus_holds_every_noun() {
    check_place(|place| {
        let store = Store::open(place.config.clone()).expect("the store opens");
        fn reads<R: Row>(store: &Store) {
            let names: String = R::COLUMNS.iter().map(|column| format!(", {}", column.name)).collect();
            let sql = format!("SELECT id{names}, body FROM {} WHERE id IS NULL", R::TABLE);
            assert_eq!(read(store, move |tx| tx.query(&sql, &[], |record| record.value(0))), [], "{}", R::TABLE);
        }
        reads::<model::Account>(&store);
        reads::<model::User>(&store);
        reads::<model::AccessKey>(&store);
        reads::<model::Host>(&store);
        reads::<model::Image>(&store);
        reads::<model::KeyPair>(&store);
        reads::<model::Vpc>(&store);
        reads::<model::Subnet>(&store);
        reads::<model::SecurityGroup>(&store);
        reads::<model::Interface>(&store);
        reads::<model::Address>(&store);
        reads::<model::NatGateway>(&store);
        reads::<model::Volume>(&store);
        reads::<model::Instance>(&store);
        reads::<model::Event>(&store);
        reads::<model::Quota>(&store);
        reads::<crate::ClientToken>(&store);
        let page = store.page::<model::Instance>(&crate::Query::of("state", "running").like("private_ip", "10.0.*"));
        assert_eq!(page.map(|page| page.total), Ok(0));
    });
}

#[test]
fn a_second_process_is_kept_away() {
    check_place(|place| {
        let store = place.open();
        let second = crate::Store::open_with(place.config.clone(), &super::noun::schema());
        assert_eq!(second.err(), Some(StoreError::InUse));
        drop(store);
        place.open();
    });
}

#[test]
fn a_changed_or_unknown_migration_is_refused() {
    check_place(|place| {
        drop(place.open());
        let open = |schema| crate::Store::open_with(place.config.clone(), &schema).err();
        let changed = crate::Schema::engine().and("tests", "CREATE TABLE something_else (id BIGINT PRIMARY KEY)");
        assert!(matches!(open(changed), Some(StoreError::Migration { number: 2, .. })));
        assert!(matches!(open(crate::Schema::engine()), Some(StoreError::Migration { number: 2, .. })));
        let broken = super::noun::schema().and("broken", "CREATE TABLE half (id BIGINT PRIMARY KEY); CREATE TABLE;");
        assert!(matches!(open(broken), Some(StoreError::Migration { number: 3, .. })));
        let mended = super::noun::schema().and("mended", "CREATE TABLE half (id BIGINT PRIMARY KEY)");
        assert_eq!(open(mended), None);
    });
}
