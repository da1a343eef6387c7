//! The network benchmark behind `cargo xtask bench network`: what rules cost a packet, and how soon a change of them is felt.
//!
//! Guests are taps that are spoken to in frames, in network namespaces of this process; floors are the same taps in a namespace
//! that only routes. Prints one `name=value` a line. Needs root. Options: `--rules N` (50,000) and `--members N` (10,000) of the
//! group, `--seconds N` for each stream of packets (3), `--changes N` of rules (100), `--interfaces N` on other hosts (1,000,000), `--part
//! NAME` for one of change, packets, overlay, metadata and interfaces.

mod change;
mod document;
mod floor;
mod interfaces;
mod machine;
mod metadata;
mod overlay;
mod packets;

use std::io;
use std::time::Duration;

/// How much is measured.
struct Size {
    rules: usize,
    members: usize,
    changes: usize,
    stream: Duration,
    interfaces: usize,
}

/// Measures something and prints it.
type Part = fn(&Size) -> io::Result<()>;

/// What is measured, by name.
const PARTS: [(&str, Part); 5] = [
    ("change", change::measure),
    ("packets", packets::measure),
    ("overlay", overlay::measure),
    ("metadata", metadata::measure),
    ("interfaces", interfaces::measure),
];

fn main() -> io::Result<()> {
    let text = |name: &str| std::env::args().skip_while(|argument| argument != name).nth(1);
    let option =
        |name: &str, default: usize| text(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} takes a number")));
    let size = Size {
        rules: option("--rules", 50_000),
        members: option("--members", 10_000),
        changes: option("--changes", 100),
        stream: Duration::from_secs(option("--seconds", 3) as u64),
        interfaces: option("--interfaces", 1_000_000),
    };
    let wanted = text("--part");
    for (name, measure) in PARTS {
        if wanted.as_ref().is_none_or(|wanted| wanted == name) {
            measure(&size)?;
        }
    }
    Ok(())
}

/// Prints one figure.
fn say(name: &str, value: f64) {
    println!("{name}={value:.3}");
}

/// The value below which so many of a hundred lie; 0 of nothing.
fn percentile(values: &mut [f64], hundredth: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * hundredth / 100).min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}
