//! Whatever is done, both engines answer alike and hold the same.

use std::collections::BTreeMap;

use model::{InstanceId, Millis};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::engines::Place;
use super::noun::{Machine, account, machine};
use crate::{By, Lease, Store, StoreError, Tx, Value, WriteError};

/// A statement of a transaction.
#[derive(Debug, Clone)]
enum Step {
    Insert(Machine),
    Update(Machine),
    Put(Machine),
    Delete(InstanceId),
    Wake(u64, i64),
    Lease(i64),
    WakeDone(usize),
    WakeLater(usize, i64),
    Refuse,
}

fn machines() -> impl Strategy<Value = Machine> {
    // Few ids and fewer names, so that they collide.
    let text = prop::sample::select(vec!["a", "b", "c", "\u{1F600}", "\u{e4}", "'", "a\0b"]);
    (0..8_u64, 1..3_u64, text, any::<u32>(), prop::option::of(any::<u64>())).prop_map(|(number, owner, name, cpus, host)| Machine {
        account: account(owner),
        name: name.to_owned(),
        cpus,
        host: host.map(model::HostId::from_u64),
        tags: BTreeMap::from([("quote\"".to_owned(), "back\\slash\n".to_owned())]),
        ..machine(number)
    })
}

fn transactions() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = prop_oneof![
        4 => machines().prop_map(Step::Insert),
        2 => machines().prop_map(Step::Update),
        2 => machines().prop_map(Step::Put),
        2 => (0..8_u64).prop_map(|number| Step::Delete(InstanceId::from_u64(number))),
        2 => (0..4_u64, 0..100_i64).prop_map(|(id, due)| Step::Wake(id, due)),
        1 => (0..100_i64).prop_map(Step::Lease),
        1 => (0..4_usize).prop_map(Step::WakeDone),
        1 => (0..4_usize, 0..100_i64).prop_map(|(which, due)| Step::WakeLater(which, due)),
        1 => Just(Step::Refuse),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..5), 1..12)
}

/// What a step answered, in words; wakes taken are added to the leases.
fn take(tx: &mut Tx<'_>, step: &Step, leases: &mut Vec<Lease>) -> Result<String, StoreError> {
    let held = |which: usize| leases.get(which).cloned();
    let answer = match step {
        Step::Insert(machine) => tx.insert(machine).map(|()| "inserted".to_owned()),
        Step::Update(machine) => tx.update(machine).map(|()| "updated".to_owned()),
        Step::Put(machine) => tx.put(machine).map(|()| "put".to_owned()),
        Step::Delete(id) => tx.delete::<Machine>(*id).map(|gone| format!("gone {gone}")),
        Step::Wake(id, due) => tx.wake("machine", id, Millis(*due)).map(|()| "woke".to_owned()),
        Step::Lease(now) => tx.lease_wakes("worker", Millis(*now), 10, 2).map(|taken| {
            leases.extend(taken.clone());
            format!("{taken:?}")
        }),
        Step::WakeDone(which) => held(*which).map_or(Ok(false), |lease| tx.wake_done(&lease)).map(|done| format!("done {done}")),
        Step::WakeLater(which, due) => {
            held(*which).map_or(Ok(false), |lease| tx.wake_later(&lease, Millis(*due))).map(|done| format!("later {done}"))
        }
        Step::Refuse => return Err(StoreError::Engine("refused".to_owned())),
    };
    match answer {
        // A closure may go on after these.
        Err(error @ (StoreError::Duplicate { .. } | StoreError::Missing { .. } | StoreError::Unstorable { .. })) => Ok(error.to_string()),
        other => other,
    }
}

type Answer = Result<(Vec<String>, Vec<Lease>), WriteError<StoreError>>;

fn run(store: &Store, steps: &[Step], leases: &[Lease]) -> Answer {
    let (steps, leases) = (steps.to_vec(), leases.to_vec());
    store.write_blocking(move |tx| {
        let mut leases = leases.clone();
        let answers = steps.iter().map(|step| take(tx, step, &mut leases)).collect::<Result<_, _>>()?;
        Ok((answers, leases))
    })
}

/// Everything in the database: documents, columns, wakes.
fn contents(store: &Store) -> (Vec<Machine>, Vec<Vec<Value>>) {
    let all = |tx: &Tx<'_>| {
        let row = |width: usize| move |record: crate::tx::Record<'_>| (0..width).map(|column| record.value(column)).collect();
        let mut records = tx.query("SELECT id, account, name, zone, state, host, cpus, tags FROM machine ORDER BY id", &[], row(8))?;
        records.extend(tx.query("SELECT kind, id, due, again, owner, seq FROM wake ORDER BY kind, id", &[], row(6))?);
        Ok::<_, StoreError>((tx.list(By::all())?, records))
    };
    store.read_blocking(all).expect("the read succeeds")
}

#[test]
fn both_engines_answer_and_hold_the_same() {
    let (one, other) = (Place::sqlite(), Place::postgres());
    let (one, other) = (one.open(), other.open());
    let cases = Config { cases: 64, failure_persistence: None, ..Config::default() };
    TestRunner::new(cases)
        .run(&transactions(), |transactions| {
            let mut leases = Vec::new();
            for steps in &transactions {
                let (here, there) = (run(&one, steps, &leases), run(&other, steps, &leases));
                prop_assert_eq!(&here, &there, "{:?}", steps);
                if let Ok((_, held)) = here {
                    leases = held;
                }
            }
            prop_assert_eq!(contents(&one), contents(&other));
            Ok(())
        })
        .expect("the engines are alike");
    assert!(!contents(&one).1.is_empty());
}
