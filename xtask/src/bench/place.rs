//! `bench place`: how fast hosts are chosen and how well they are filled, beside a linear best-fit scan in the same run.
//!
//! The measuring is done by an example of the control crate, which prints `name=value` lines; this builds, runs and reads it.

use anyhow::Result;

use super::{Figures, Promise, Row};

/// Decisions a second that are promised on one core at 10,000 hosts with every rule on.
const PROMISED: f64 = 100_000.0;

/// Builds and runs the example.
pub fn measure() -> Result<Vec<Row>> {
    rows(&Figures::of_example("pileus-control", "place")?)
}

fn rows(figures: &Figures) -> Result<Vec<Row>> {
    let value = |name: &str| figures.value(name);
    let row = |what: &str, ours: f64, peer: f64, peer_name: &str, promise: Option<Promise>| Row {
        what: what.to_owned(),
        ours,
        peer,
        peer_name: peer_name.to_owned(),
        promise,
    };
    let least = Some(Promise::AtLeast(1.0));
    let decisions = value("decisions_per_second")?;
    Ok(vec![
        row("decisions a second, refusals included", decisions, PROMISED, "promised", least),
        row("decisions a second, refusals included", decisions, value("scan_decisions_per_second")?, "scan of all hosts", least),
        row("microseconds a placement", value("placed_micros")?, value("scan_placed_micros")?, "scan of all hosts", None),
        row("microseconds a refusal, explained", value("refused_micros")?, value("scan_refused_micros")?, "scan, unexplained", None),
        row("instances placed before the first refusal", value("packed")?, value("packed_best_fit")?, "best fit", least),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "hosts=10000\ndecisions_per_second=250000\nscan_decisions_per_second=5000\nplaced_micros=3.1\n\
        scan_placed_micros=170\nrefused_micros=110\nscan_refused_micros=160\npacked=54656\npacked_best_fit=48275\n";

    #[test]
    fn what_the_example_prints_becomes_rows() {
        let rows = rows(&Figures::read(PRINTED)).unwrap();
        assert!(rows.iter().all(Row::holds));
        assert_eq!((rows[0].ours, rows[0].peer, rows[4].peer), (250_000.0, PROMISED, 48_275.0));
    }

    #[test]
    fn a_figure_below_the_promise_breaks_it_and_a_missing_one_is_an_error() {
        let slow = PRINTED.replace("decisions_per_second=250000", "decisions_per_second=99999");
        assert!(!rows(&Figures::read(&slow)).unwrap()[0].holds());
        assert!(rows(&Figures::read("hosts=1\n")).is_err());
    }
}
