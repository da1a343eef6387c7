//! How soon a probe feels a change of one rule among many, and how long `nft` takes to load as many as a chain.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use hostspec::HostSpec;

use crate::document::{HEARER, SENDER, host, opening, vpc};
use crate::machine::{Guest, Machine, namespace, shell};
use crate::{Size, percentile, say};

/// UDP port whose rule comes and goes.
const PORT: u16 = 5001;
/// Time between two probes.
const PROBE_EVERY: Duration = Duration::from_micros(100);
/// So long without a probe means that the rule's end was felt with the last one that came.
const QUIET: Duration = Duration::from_millis(50);
/// A change that is not felt for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints the milliseconds from a changed document to the changed verdict, and those of `nft`.
pub fn measure(size: &Size) -> io::Result<()> {
    let closed = vpc(size.rules, size.members, &[SENDER, HEARER]);
    let mut open = closed.clone();
    open.groups[0].rules.push(opening(PORT));
    let machine = Machine::new(1)?;
    let began = Instant::now();
    machine.apply(&host(&closed))?;
    say("first_ms", millis(began.elapsed()));
    let (sender, hearer) = (machine.guest(&closed, SENDER)?, machine.guest(&closed, HEARER)?);
    let mut felt = felt(&machine, [&host(&open), &host(&closed)], size.changes, &sender, &hearer)?;
    say("changed_p50_ms", percentile(&mut felt, 50));
    say("changed_p99_ms", percentile(&mut felt, 99));
    let chain = chain(size.rules)?;
    say("chain_ms", chain);
    Ok(())
}

/// Gives the two documents in turn while probes go; the milliseconds that each change took to be felt.
fn felt(machine: &Machine, documents: [&HostSpec; 2], changes: usize, sender: &Guest, hearer: &Guest) -> io::Result<Vec<f64>> {
    let done = AtomicBool::new(false);
    let (heard, arrivals) = mpsc::channel();
    let failed = Mutex::new(None);
    let mut out = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| probe(sender, &done).unwrap_or_else(|error| *failed.lock().expect("no panic holds it") = Some(error)));
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                match hearer.receive(QUIET) {
                    Ok(Some((PORT, _))) => drop(heard.send(Instant::now())),
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        });
        for change in 0..changes {
            let document = documents[change % 2];
            let began = Instant::now();
            machine.apply(document)?;
            let felt = if change % 2 == 0 { first_after(&arrivals, began)? } else { last(&arrivals, began) };
            out.push(millis(felt));
        }
        done.store(true, Ordering::Relaxed);
        Ok::<_, io::Error>(())
    })
    .inspect_err(|_| done.store(true, Ordering::Relaxed))?;
    failed.into_inner().expect("no panic holds it").map_or(Ok(out), Err)
}

/// Sends to the port from ever other ports, so that each probe is judged anew.
fn probe(sender: &Guest, done: &AtomicBool) -> io::Result<()> {
    let mut number = 0;
    while !done.load(Ordering::Relaxed) {
        sender.send(&sender.datagram(HEARER, 1024 + (number % 60_000) as u16, PORT, number))?;
        number += 1;
        std::thread::sleep(PROBE_EVERY);
    }
    Ok(())
}

fn first_after(arrivals: &mpsc::Receiver<Instant>, began: Instant) -> io::Result<Duration> {
    loop {
        let at = arrivals.recv_timeout(PATIENCE).map_err(|_| io::Error::other("no probe came through the rule"))?;
        if at > began {
            return Ok(at - began);
        }
    }
}

fn last(arrivals: &mpsc::Receiver<Instant>, began: Instant) -> Duration {
    let mut at = began;
    while let Ok(next) = arrivals.recv_timeout(QUIET) {
        at = at.max(next);
    }
    at - began
}

/// The milliseconds that `nft -f` takes to load as many rules as one chain, in a namespace of its own.
fn chain(rules: usize) -> io::Result<f64> {
    let mut text = String::from("table inet long {\n chain one {\n  type filter hook forward priority 0; policy drop;\n");
    for n in 0..rules as u32 {
        let network = std::net::Ipv4Addr::from(u32::from_be_bytes([172, 16, 0, 0]) + n * 128);
        let port = 1024 + n.wrapping_mul(7919) % 60_000;
        text.push_str(&format!("  ip saddr {network}/26 tcp dport {port}-{} accept\n", port + 10));
    }
    text.push_str(" }\n}\n");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("chain.nft");
    std::fs::write(&path, text)?;
    let namespace = namespace()?;
    let began = Instant::now();
    shell(&namespace, &format!("nft -f {}", path.display()))?;
    Ok(millis(began.elapsed()))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
