//! `cargo xtask bench NAME`: what every measurement shares - the machine's
//! description and the table that sets each figure beside a peer's from the same run.
//!
//! One file a benchmark; each returns rows and prints nothing but progress.

mod api;
mod boot;
mod disk;
mod launch;
mod load;
mod network;
mod place;
mod restart;

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::run;

/// What `bench` can be told.
#[derive(Args)]
pub struct Options {
    /// Which one; without it, the list
    name: Option<String>,
}

/// One measurement that can be asked for.
struct Bench {
    name: &'static str,
    about: &'static str,
    measure: fn() -> Result<Vec<Row>>,
}

const BENCHES: &[Bench] = &[
    Bench { name: "api", about: "calls of SDKs on simulated hosts, durable commits", measure: api::measure },
    Bench { name: "boot", about: "the base images from QEMU's start to user space", measure: boot::measure },
    Bench {
        name: "disk",
        about: "disks and snapshots of a running guest beside plain QEMU; the repository beside zstd",
        measure: disk::measure,
    },
    Bench { name: "launch", about: "from a RunInstances call to the guest's user space", measure: launch::measure },
    Bench {
        name: "network",
        about: "packets through few and many rules, across hosts, and how soon a rule's change is felt; takes root",
        measure: network::measure,
    },
    Bench { name: "place", about: "choosing hosts for instances, 10,000 hosts", measure: place::measure },
    Bench { name: "restart", about: "a cloud of a million instances starts again; what an idle one takes", measure: restart::measure },
];

/// One figure beside its peer's.
pub struct Row {
    /// What was measured, with its unit.
    pub what: String,
    /// Our figure.
    pub ours: f64,
    /// The figure it is held against, from the same run.
    pub peer: f64,
    /// Who or what the peer is.
    pub peer_name: String,
    /// The ratio ours / peer that was promised, if one was.
    pub promise: Option<Promise>,
}

/// A bound on ours / peer.
#[derive(Clone, Copy)]
pub enum Promise {
    /// A time or a size: the ratio stays at or below this.
    AtMost(f64),
    /// A rate: the ratio reaches this.
    AtLeast(f64),
}

/// Runs one benchmark and prints its table; an error if a promise is broken.
pub fn bench(options: &Options) -> Result<()> {
    let wanted = options.name.as_deref().unwrap_or_default();
    let Some(bench) = BENCHES.iter().find(|bench| bench.name == wanted) else {
        for bench in BENCHES {
            println!("{:<10} {}", bench.name, bench.about);
        }
        bail!("name one of the benchmarks above");
    };
    println!("{}: {}\n{}\n", bench.name, bench.about, machine());
    let rows = (bench.measure)()?;
    println!("\n{}", table(&rows));
    let broken: Vec<_> = rows.iter().filter(|row| !row.holds()).map(|row| row.what.as_str()).collect();
    if !broken.is_empty() {
        bail!("not as promised: {}", broken.join("; "));
    }
    Ok(())
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.peer
    }

    fn holds(&self) -> bool {
        match self.promise {
            None => true,
            Some(Promise::AtMost(bound)) => self.ratio() <= bound,
            Some(Promise::AtLeast(bound)) => self.ratio() >= bound,
        }
    }

    fn verdict(&self) -> String {
        let word = if self.holds() { "holds" } else { "BROKEN" };
        match self.promise {
            None => String::new(),
            Some(Promise::AtMost(bound)) => format!("<= {bound} {word}"),
            Some(Promise::AtLeast(bound)) => format!(">= {bound} {word}"),
        }
    }
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default().max(4);
    let mut text = format!("{:<width$} {:>12} {:>12} {:>8}  peer\n", "what", "ours", "peer", "ratio");
    for row in rows {
        let line = format!(
            "{:<width$} {:>12.3} {:>12.3} {:>8.3}  {}  {}",
            row.what,
            row.ours,
            row.peer,
            row.ratio(),
            row.peer_name,
            row.verdict()
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Describes the machine in one line: a figure without it says little.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, |count| count.get());
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let gib = memory.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / (1024 * 1024);
    format!(
        "machine: {cores} cores ({}), {gib} GiB, Linux {}, load {}",
        field(&read("/proc/cpuinfo"), "model name"),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
    )
}

/// What a program that measures one crate printed: one `name=value` a line.
pub struct Figures(HashMap<String, f64>);

impl Figures {
    /// Builds and runs an example of a crate.
    pub fn of_example(package: &str, example: &str) -> Result<Figures> {
        let arguments = ["run", "--release", "--quiet", "--package", package, "--example", example];
        Ok(Figures::read(&run::output(&mut run::cargo(&arguments))?))
    }

    /// Reads the lines; others are passed over.
    pub fn read(printed: &str) -> Figures {
        let lines = printed.lines().filter_map(|line| line.split_once('='));
        Figures(lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// These and those that another program printed.
    pub fn and(mut self, others: Figures) -> Figures {
        self.0.extend(others.0);
        self
    }

    /// The figure of this name; an error when it was not printed.
    pub fn value(&self, name: &str) -> Result<f64> {
        self.0.get(name).copied().with_context(|| format!("the example printed no {name}"))
    }
}

/// Returns the middle value, or 0 of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, promise: Promise) -> Row {
        Row { what: "x".into(), ours, peer: 2.0, peer_name: "floor".into(), promise: Some(promise) }
    }

    #[test]
    fn a_promise_is_a_bound_on_the_ratio() {
        assert!(row(2.1, Promise::AtMost(1.05)).holds());
        assert!(!row(2.2, Promise::AtMost(1.05)).holds());
        assert!(row(4.0, Promise::AtLeast(2.0)).holds());
        assert!(!row(3.9, Promise::AtLeast(2.0)).holds());
        assert!(table(&[row(2.2, Promise::AtMost(1.05))]).contains("BROKEN"));
    }

    #[test]
    fn the_median_is_the_middle_value() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
