//! A list from memory says what a look at every row would say.

use std::collections::BTreeMap;

use model::{HostId, InstanceId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::engines::{check, check_place};
use super::noun::{Machine, account, machine};
use crate::{By, Filter, Match, Page, Query, Row, Store, StoreError, Tx, Value};

fn write(store: &Store, work: impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
    store.write_blocking(work).expect("the write succeeds");
}

fn page(store: &Store, query: &Query) -> Page<InstanceId> {
    store.page::<Machine>(query).expect("the fields are facets")
}

fn numbers(store: &Store, query: &Query) -> Vec<u64> {
    page(store, query).ids.iter().map(|id| id.as_u64()).collect()
}

/// What a step of the property does to one row.
#[derive(Debug, Clone)]
enum Step {
    Put(Box<Machine>),
    Delete(InstanceId),
    Reopen,
}

fn machines() -> impl Strategy<Value = Machine> {
    let tag = (prop::sample::select(vec!["env", "Name"]), prop::sample::select(vec!["a", "b=c", "*", ""]));
    let tags =
        prop::collection::btree_map(tag.clone().prop_map(|(key, _)| key.to_owned()), tag.prop_map(|(_, value)| value.to_owned()), 0..3);
    let zone = prop::sample::select(vec!["z-a", "z-b", "z-c"]);
    (0..200_u64, 1..3_u64, zone, prop::option::of(0..20_u64), 1..9_u32, tags).prop_map(|(number, owner, zone, host, cpus, tags)| Machine {
        account: account(owner),
        zone: zone.to_owned(),
        host: host.map(HostId::from_u64),
        cpus,
        tags,
        ..machine(number)
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => machines().prop_map(|machine| Step::Put(Box::new(machine))),
        8 => (0..200_u64).prop_map(|number| Step::Delete(InstanceId::from_u64(number))),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..80)
}

fn filters() -> impl Strategy<Value = Vec<Filter>> {
    let is = |field, any: Vec<Value>| Filter { field, any: any.into_iter().map(Match::Is).collect() };
    let like = |field, pattern: &str| Filter { field, any: vec![Match::Like(pattern.to_owned())] };
    let between = |field, from: i64, to: i64| Filter { field, any: vec![Match::Between(from.into(), to.into())] };
    let host = HostId::from_u64(7);
    prop::sample::subsequence(
        vec![
            is("account", vec![account(1).into()]),
            is("zone", vec!["z-a".into(), "z-c".into(), "z-z".into()]),
            is("host", vec![Value::Null, host.into()]),
            is("tags", vec![Value::Null, "env=a".into()]),
            is("zone", vec![]),
            between("cpus", 3, 5),
            between("cpus", 5, 3),
            like("name", "web-1*"),
            like("name", "*7"),
            like("host", "host-0*?f"),
            like("tags", "env=*"),
            like("tags", r"env=\*"),
            Filter { field: "cpus", any: vec![Match::Is(1.into()), Match::Like("?".to_owned()), Match::Between(2.into(), 2.into())] },
        ],
        0..4,
    )
}

/// Slow and plain.
fn passes(machine: &Machine, filter: &Filter) -> bool {
    let place = Machine::COLUMNS.iter().position(|column| column.name == filter.field).expect("the filter names a column");
    let value = (Machine::COLUMNS[place].value)(machine);
    let mut values = if filter.field == "tags" { value.elements() } else { vec![value] };
    if values.is_empty() {
        values.push(Value::Null);
    }
    let text = |value: &Value| match (filter.field, value) {
        ("host", Value::Int(number)) => HostId::from_u64(*number as u64).to_string(),
        (_, value) => value.to_string(),
    };
    filter.any.iter().any(|wanted| {
        values.iter().any(|value| match wanted {
            Match::Is(wanted) => wanted == value,
            Match::Between(from, to) => from <= value && value <= to,
            Match::Like(_) if *value == Value::Null => false,
            Match::Like(pattern) => match pattern.as_str() {
                "web-1*" => text(value).starts_with("web-1"),
                "*7" => text(value).ends_with('7'),
                "host-0*?f" => text(value).ends_with('f'),
                "env=*" => text(value).starts_with("env="),
                r"env=\*" => text(value) == "env=*",
                "?" => text(value).chars().count() == 1,
                other => panic!("no plain test for {other}"),
            },
        })
    })
}

#[test]
fn a_page_holds_what_a_look_at_every_row_finds() {
    check_place(|place| {
        let cases = Config { cases: 24, failure_persistence: None, ..Config::default() };
        let queries =
            prop::collection::vec((filters(), any::<bool>(), prop::option::of(0..210_u64), 0..30_usize, prop::option::of(0..40_usize)), 12);
        let store = std::cell::RefCell::new(Some(place.open()));
        let rows = std::cell::RefCell::new(BTreeMap::new());
        TestRunner::new(cases)
            .run(&(steps(), queries), |(steps, queries)| {
                let mut store = store.borrow_mut();
                let mut rows = rows.borrow_mut();
                for step in steps {
                    take(place, &mut store, &mut rows, step);
                }
                let store = store.as_ref().expect("it was opened above");
                for (filters, newest_first, after, skip, limit) in queries {
                    let mut query = filters.iter().cloned().fold(Query::all().skip(skip), Query::filter);
                    let mut wanted: Vec<InstanceId> =
                        rows.values().filter(|row| filters.iter().all(|filter| passes(row, filter))).map(|row: &Machine| row.id).collect();
                    let total = wanted.len() as u64;
                    if newest_first {
                        query = query.newest_first();
                        wanted.reverse();
                    }
                    if let Some(after) = after {
                        query = query.after(InstanceId::from_u64(after));
                        wanted.retain(|id| if newest_first { id.as_u64() < after } else { id.as_u64() > after });
                    }
                    wanted.drain(..skip.min(wanted.len()));
                    let mut next = None;
                    if let Some(limit) = limit {
                        query = query.first(limit);
                        next = wanted.get(limit).and(limit.checked_sub(1)).map(|last| wanted[last]);
                        wanted.truncate(limit);
                    }
                    prop_assert_eq!(page(store, &query), Page { ids: wanted, total, next }, "{:?}", query);
                }
                Ok(())
            })
            .expect("every page is as it should be");
    });
}

fn take(place: &super::engines::Place, store: &mut Option<Store>, rows: &mut BTreeMap<InstanceId, Machine>, step: Step) {
    let open = store.as_ref().expect("it is open between steps");
    match step {
        Step::Put(machine) => {
            rows.insert(machine.id, (*machine).clone());
            // Names are unique in an account, and a machine may come back in another one.
            write(open, move |tx| tx.put(machine.as_ref()));
        }
        Step::Delete(id) => {
            rows.remove(&id);
            write(open, move |tx| tx.delete::<Machine>(id).map(drop));
        }
        Step::Reopen => {
            *store = None;
            *store = Some(place.open());
        }
    }
}

#[test]
fn a_list_sees_every_write_that_was_answered_and_no_other() {
    check(|store| {
        write(store, |tx| tx.insert(&machine(5)));
        assert_eq!(numbers(store, &Query::all()), [5]);
        let refused = store.write_blocking(|tx| {
            tx.insert(&machine(6)).expect("there is no such row");
            tx.delete::<Machine>(machine(5).id).expect("there is such a row");
            Err::<(), _>("no")
        });
        assert!(refused.is_err());
        assert_eq!(numbers(store, &Query::all()), [5]);
        write(store, |tx| {
            tx.insert(&machine(4))?;
            tx.delete::<Machine>(machine(5).id)?;
            tx.insert(&machine(5))
        });
        assert_eq!(numbers(store, &Query::all()), [4, 5]);
    });
}

/// More rows than one statement reads when the index is filled, with ids in two far clusters.
#[test]
fn a_list_is_the_same_after_reopening() {
    check_place(|place| {
        let store = place.open();
        write(&store, |tx| {
            for number in 0..70_000_u64 {
                let far = if number % 3 == 0 { number } else { (1 << 60) + number };
                let zone = format!("z-{}", number % 5);
                tx.insert(&Machine { zone, host: (number % 2 == 0).then(|| HostId::from_u64(number % 7)), ..machine(far) })?;
            }
            Ok(())
        });
        let queries = [
            Query::all(),
            Query::of("zone", "z-3").any("host", [HostId::from_u64(4)]),
            Query::of("host", Value::Null).newest_first().skip(100).first(1000),
            Query::all().like("name", "web-*99"),
        ];
        let before = queries.each_ref().map(|query| page(&store, query));
        assert_eq!(before[0].total, 70_000);
        assert_eq!(before[1].total, 70_000 / (5 * 2 * 7));
        drop(store);
        let store = place.open();
        assert_eq!(queries.each_ref().map(|query| page(&store, query)), before);
        let counted = store.read_blocking(|tx| tx.count::<Machine>(By::is("zone", "z-3")));
        assert_eq!(counted, Ok(page(&store, &Query::of("zone", "z-3")).total));
    });
}

#[test]
fn a_page_of_an_unknown_field_is_refused() {
    check(|store| {
        let refused = store.page::<Machine>(&Query::of("colour", "red"));
        assert_eq!(refused, Err(StoreError::NoFacet { table: "machine", column: "colour" }));
    });
}
