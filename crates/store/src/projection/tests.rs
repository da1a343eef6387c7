//! What cannot be seen through a store in reasonable time.

use std::time::{Duration, Instant};

use super::*;
use crate::changes::Document;

const FACETS: &[Facet] = &[Facet::one("zone"), Facet::many("tags")];

fn projections() -> Projections {
    Projections::new(&[Layout { table: "thing", facets: FACETS, places: vec![0, 1] }])
}

fn inserted(id: i64, zone: &str, tags: Value) -> Change {
    let document = Document { columns: vec![zone.into(), tags], body: "".into() };
    Change { table: "thing", id: Value::Int(id), what: What::Inserted(document) }
}

fn deleted(id: i64) -> Change {
    Change { table: "thing", id: Value::Int(id), what: What::Deleted }
}

fn apply(projections: &Projections, changes: &[Change]) {
    projections.apply(changes.iter());
}

fn state(projections: &Projections) -> std::sync::RwLockReadGuard<'_, State> {
    projections.0[0].state.read().unwrap_or_else(PoisonError::into_inner)
}

fn ids(projections: &Projections, query: &Query) -> Vec<i64> {
    state(projections).index.page(query).expect("the fields are facets").ids
}

#[test]
fn ids_that_come_in_any_order_leave_in_theirs() {
    let projections = projections();
    // A permutation of 0..8191 whose neighbours are up to 2,000 places apart.
    let shuffled: Vec<i64> = (0..8191).map(|number| number * 1999 % 8191).collect();
    let changes: Vec<Change> = shuffled.iter().map(|id| inserted(*id, "z", Value::Null)).collect();
    apply(&projections, &changes);
    for (after, limit) in [(-1, 1), (-1, 5000), (1000, 3), (4095, 4096), (8190, 9)] {
        let wanted: Vec<i64> = (after + 1..8191).take(limit).collect();
        assert_eq!(ids(&projections, &Query::all().after(after).first(limit)), wanted);
        let wanted: Vec<i64> = (0..8190 - after).rev().take(limit).collect();
        assert_eq!(ids(&projections, &Query::all().newest_first().after(8190 - after).first(limit)), wanted);
    }
}

#[test]
fn values_that_nobody_has_are_forgotten() {
    let projections = projections();
    apply(&projections, &[inserted(1, "a", Value::set(["x", "y"])), inserted(2, "a", Value::Null)]);
    apply(&projections, &[inserted(1, "b", Value::set(["y"])), deleted(2)]);
    let used: Vec<Vec<String>> =
        state(&projections).index.fields.iter().map(|field| field.codes.keys().map(ToString::to_string).collect()).collect();
    assert_eq!(used, [["b"], ["y"]]);
    apply(&projections, &[inserted(3, "c", Value::set(["z"]))]);
    assert_eq!(state(&projections).index.fields[0].values.len(), 2);
    assert_eq!(ids(&projections, &Query::of("zone", "c").like("tags", "z")), [3]);
    assert_eq!(ids(&projections, &Query::of("zone", "a")), Vec::<i64>::new());
}

#[test]
fn rows_that_come_and_go_do_not_fill_the_memory_and_nothing_is_lost_meanwhile() {
    let projections = projections();
    let kept: Vec<Change> = (0..10_000).map(|id| inserted(id, "kept", Value::set(["a", "b"]))).collect();
    apply(&projections, &kept);
    let mut id = 10_000;
    let started = Instant::now();
    // Until the places were made anew, rows come and go.
    while state(&projections).index.ids.len() >= id as usize {
        assert!(started.elapsed() < Duration::from_secs(60), "the places of deleted rows are kept");
        let visitors: Vec<Change> = (id..id + 500).flat_map(|id| [inserted(id, "visitor", Value::Null), deleted(id)]).collect();
        apply(&projections, &visitors);
        id += 500;
        // One stays, and of those that were there one moves.
        apply(&projections, &[inserted(id, "stays", Value::Null), inserted(id % 10_000, "moved", Value::set(["b"]))]);
        id += 1;
    }
    let stayed = ids(&projections, &Query::of("zone", "stays"));
    assert_eq!(stayed.len() as i64, (id - 10_000) / 501);
    let moved = ids(&projections, &Query::of("zone", "moved"));
    assert_eq!(ids(&projections, &Query::of("zone", "kept")).len() + moved.len(), 10_000);
    assert_eq!(ids(&projections, &Query::of("tags", "b")).len(), 10_000);
    assert_eq!(ids(&projections, &Query::of("tags", "a")).len(), 10_000 - moved.len());
    assert_eq!(ids(&projections, &Query::of("zone", "visitor")), Vec::<i64>::new());
    assert!(state(&projections).meanwhile.is_none());
}
