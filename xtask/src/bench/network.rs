//! `bench network`: what filters and overlays cost a packet beside bare routing, and how soon a changed rule is felt.
//!
//! The measuring is done by an example of the agent's crate in network namespaces of its own, which takes root.

use anyhow::Result;

use super::{Figures, Promise, Row};

/// Milliseconds from a changed document to the changed verdict, 99 of 100 times.
const CHANGE_P99_MS: f64 = 5.0;
/// How much longer a packet may take through the large group than through the small one.
const MANY_TO_FEW: f64 = 1.1;
/// Packets a second beside a namespace that only routes, and beside an overlay made by hand.
const TO_BARE: f64 = 0.8;
/// Metadata requests a second, and milliseconds of one.
const METADATA_PER_SECOND: f64 = 10_000.0;
const METADATA_P99_MS: f64 = 2.0;

/// Seconds in which a host's document of a VPC with a million interfaces is made.
const RENDERED_SECONDS: f64 = 2.0;

/// Builds and runs the examples: the control plane's of the document, and the agent's of everything else.
pub fn measure() -> Result<Vec<Row>> {
    let document = Figures::of_example("pileus-control", "render")?;
    rows(&Figures::of_example("pileus-agent", "network")?.and(document))
}

fn rows(figures: &Figures) -> Result<Vec<Row>> {
    let row = |what: &str, ours: f64, peer: f64, peer_name: &str, promise: Option<Promise>| Row {
        what: what.to_owned(),
        ours,
        peer,
        peer_name: peer_name.to_owned(),
        promise,
    };
    let beside = |what: &str, ours: &str, peer: &str, peer_name: &str, promise: Option<Promise>| {
        Ok::<_, anyhow::Error>(row(what, figures.value(ours)?, figures.value(peer)?, peer_name, promise))
    };
    let (most, least) = (Some(Promise::AtMost(MANY_TO_FEW)), Some(Promise::AtLeast(TO_BARE)));
    let changed = figures.value("changed_p99_ms")?;
    Ok(vec![
        row("one of 50,000 rules changed and felt, p99 ms", changed, CHANGE_P99_MS, "promised", Some(Promise::AtMost(1.0))),
        beside(
            "one of 50,000 rules changed and felt, p99 ms",
            "changed_p99_ms",
            "chain_ms",
            "nft -f of a chain",
            Some(Promise::AtMost(0.01)),
        )?,
        beside("one of 50,000 rules changed and felt, p50 ms", "changed_p50_ms", "chain_ms", "nft -f of a chain", None)?,
        beside("a packet of an open connection, us", "many_known_us", "few_known_us", "10 rules", most)?,
        beside("the first packet of a connection, us", "many_fresh_us", "few_fresh_us", "10 rules", most)?,
        beside(
            "packets a second, 50,000 rules",
            "many_per_second",
            "few_per_second",
            "10 rules",
            Some(Promise::AtLeast(1.0 / MANY_TO_FEW)),
        )?,
        beside("packets a second, 50,000 rules", "many_per_second", "bare_per_second", "bare routing", least)?,
        beside("a packet of an open connection, us", "many_known_us", "bare_known_us", "bare routing", None)?,
        beside("packets a second across hosts", "overlay_per_second", "by_hand_per_second", "VXLAN by hand", least)?,
        beside("a packet across hosts, us", "overlay_known_us", "by_hand_known_us", "VXLAN by hand", None)?,
        row(
            "metadata requests a second",
            figures.value("metadata_per_second")?,
            METADATA_PER_SECOND,
            "promised",
            Some(Promise::AtLeast(1.0)),
        ),
        row("a metadata request, p99 ms", figures.value("metadata_p99_ms")?, METADATA_P99_MS, "promised", Some(Promise::AtMost(1.0))),
        row(
            "1,000,000 interfaces rendered for one host, s",
            figures.value("rendered_seconds")?,
            RENDERED_SECONDS,
            "promised",
            Some(Promise::AtMost(1.0)),
        ),
        beside(
            "one more of 1,000,000 interfaces reachable from a host, s",
            "one_more_interface_seconds",
            "interfaces_seconds",
            "all of them",
            None,
        )?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "changed_p50_ms=2\nchanged_p99_ms=4\nchain_ms=900\nfew_per_second=100\nfew_known_us=3\nfew_fresh_us=5\n\
        many_per_second=99\nmany_known_us=3\nmany_fresh_us=5\nbare_per_second=110\nbare_known_us=2\noverlay_per_second=90\n\
        overlay_known_us=5\nby_hand_per_second=100\nby_hand_known_us=4\nmetadata_per_second=12000\nmetadata_p99_ms=1\n\
        rendered_seconds=1.5\ninterfaces_seconds=9\none_more_interface_seconds=1\n";

    #[test]
    fn what_the_example_prints_becomes_rows() {
        let rows = rows(&Figures::read(PRINTED)).unwrap();
        assert!(rows.iter().all(Row::holds));
        assert_eq!((rows[1].ours, rows[1].peer), (4.0, 900.0));
    }

    #[test]
    fn a_broken_promise_is_seen_and_a_missing_figure_an_error() {
        let slow = PRINTED.replace("changed_p99_ms=4", "changed_p99_ms=6");
        assert!(!rows(&Figures::read(&slow)).unwrap()[0].holds());
        assert!(rows(&Figures::read("few_known_us=1\n")).is_err());
    }
}
