//! Packets between two guests of a host: how many a second, and how long one takes, through few rules, many, and none at all.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::document::{HEARER, OPEN, SENDER, host, vpc};
use crate::floor::Bare;
use crate::machine::{Guest, Machine};
use crate::{Size, percentile, say};

/// Rules of the small group.
const FEW: usize = 10;
/// Packets whose way is timed one by one.
const TIMED: u64 = 20_000;
/// How long a packet may be under way.
const PATIENCE: Duration = Duration::from_secs(1);

/// What one pair of guests reaches.
pub struct Pace {
    /// Packets of one connection a second.
    pub stream: f64,
    /// Microseconds of a packet of a connection that is open, the middle one.
    pub known: f64,
    /// Microseconds of the first packet of a connection, the middle one.
    pub fresh: f64,
}

/// Prints the pace through few rules, many rules, and a namespace that only routes.
pub fn measure(size: &Size) -> io::Result<()> {
    for (name, rules) in [("few", FEW), ("many", size.rules)] {
        let machine = Machine::new(2)?;
        let vpc = vpc(rules, size.members, &[SENDER, HEARER]);
        machine.apply(&host(&vpc))?;
        tell(name, &pace(&machine.guest(&vpc, SENDER)?, &machine.guest(&vpc, HEARER)?, size.stream)?);
    }
    let bare = Bare::new()?;
    tell("bare", &pace(&bare.guest(SENDER)?, &bare.guest(HEARER)?, size.stream)?);
    Ok(())
}

/// Prints what was reached.
pub fn tell(name: &str, pace: &Pace) {
    say(&format!("{name}_per_second"), pace.stream);
    say(&format!("{name}_known_us"), pace.known);
    say(&format!("{name}_fresh_us"), pace.fresh);
}

/// Measures a pair of guests.
pub fn pace(sender: &Guest, hearer: &Guest, stream: Duration) -> io::Result<Pace> {
    let to = hearer.ip;
    let known = latency(sender, hearer, |number| sender.datagram(to, 1000, OPEN, number))?;
    // Each from another port, so that it belongs to no connection.
    let fresh = latency(sender, hearer, |number| sender.datagram(to, 2000 + number as u16, OPEN, number))?;
    Ok(Pace { stream: throughput(sender, hearer, to, stream)?, known, fresh })
}

fn latency(sender: &Guest, hearer: &Guest, packet: impl Fn(u64) -> Vec<u8>) -> io::Result<f64> {
    let mut times = Vec::new();
    for number in 0..TIMED {
        let bytes = packet(number);
        let began = Instant::now();
        sender.send(&bytes)?;
        match hearer.receive(PATIENCE)? {
            Some((OPEN, heard)) if heard == number => times.push(began.elapsed().as_secs_f64() * 1e6),
            other => return Err(io::Error::other(format!("packet {number} was lost; heard {other:?}"))),
        }
    }
    Ok(percentile(&mut times, 50))
}

/// Sends as fast as it goes; counts what is heard.
fn throughput(sender: &Guest, hearer: &Guest, to: Ipv4Addr, time: Duration) -> io::Result<f64> {
    let (done, heard) = (AtomicBool::new(false), AtomicU64::new(0));
    let bytes = sender.datagram(to, 1000, OPEN, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Ok(Some(_)) = hearer.receive(PATIENCE) {
                heard.fetch_add(1, Ordering::Relaxed);
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let began = Instant::now();
        let mut sent = Ok(());
        while began.elapsed() < time && sent.is_ok() {
            sent = sender.send(&bytes);
        }
        let rate = heard.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        // One more, so that who hears wakes and sees that it is over.
        sent.and_then(|()| sender.send(&bytes)).map(|()| rate)
    })
}
