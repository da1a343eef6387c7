//! Public addresses are held to their bandwidth in both directions, each by itself, and nothing else is.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hostspec::{RateSpec, VpcSpec};

use super::super::netns;
use super::lab::*;

const LIMITED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const FREE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
const MACHINE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const PORT: u16 = 9000;
/// What passes before a measurement begins: the queue of a class is full then, and the connection has found its speed.
const BEFORE: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(2);

/// Two guests with public addresses, one of them held to 8 megabits per second outward and 12 inward.
fn two() -> VpcSpec {
    let mut spec = vpc(1, &[5, 6]);
    spec.nics[0].public_ip = Some(LIMITED);
    spec.nics[1].public_ip = Some(FREE);
    spec.nics[0].rates = vec![rate(8, 12)];
    spec
}

fn rate(outward_mbit: u32, inward_mbit: u32) -> RateSpec {
    RateSpec { public: LIMITED, outward_mbit, inward_mbit, package: None }
}

/// A stream from one namespace to another that never has nothing to send.
struct Flood<'a> {
    stop: &'a AtomicBool,
    receiver: TcpStream,
}

impl Flood<'_> {
    /// Megabits per second that arrive.
    fn measure(&mut self) -> f64 {
        self.receive_for(BEFORE);
        let start = Instant::now();
        let bytes = self.receive_for(MEASURED);
        bytes as f64 * 8.0 / 1e6 / start.elapsed().as_secs_f64()
    }

    fn receive_for(&mut self, time: Duration) -> usize {
        let (start, mut sum, mut buffer) = (Instant::now(), 0, [0; 65_536]);
        while start.elapsed() < time {
            let read = self.receiver.read(&mut buffer).expect("the stream goes on");
            assert_ne!(read, 0, "the stream ended");
            sum += read;
        }
        sum
    }
}

impl Drop for Flood<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.receiver.shutdown(std::net::Shutdown::Both));
    }
}

/// Runs with a stream from one namespace to an address in another.
fn flooded<T>(from: BorrowedFd<'_>, to: (BorrowedFd<'_>, Ipv4Addr), run: impl FnOnce(&mut Flood<'_>) -> T) -> T {
    let listener = netns::inside(to.0, || TcpListener::bind(("0.0.0.0", PORT))).unwrap();
    let mut sender = netns::inside(from, || TcpStream::connect_timeout(&SocketAddr::from((to.1, PORT)), PATIENCE)).unwrap();
    let receiver = listener.accept().unwrap().0;
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| -> io::Result<()> {
            while !stop.load(Ordering::Relaxed) {
                sender.write_all(&[7; 65_536])?;
            }
            Ok(())
        });
        run(&mut Flood { stop: &stop, receiver })
    })
}

fn is_near(measured: f64, limit: f64) {
    assert!((limit * 0.85..=limit * 1.15).contains(&measured), "{measured:.1} Mbit/s where {limit} are sold");
}

fn is_free(measured: f64) {
    assert!(measured > 5.0 * 12.0, "{measured:.1} Mbit/s where nothing limits");
}

#[test]
fn a_public_address_is_held_to_its_bandwidth_and_changed_while_a_stream_goes_on() {
    let lab = Lab::new();
    let mut spec = two();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    let (inside, outside) = (guest.namespace.as_fd(), lab.machine.as_fd());
    flooded(outside, (inside, LIMITED), |flood| is_near(flood.measure(), 12.0));
    flooded(inside, (outside, MACHINE), |flood| {
        is_near(flood.measure(), 8.0);
        spec.nics[0].rates = vec![rate(20, 12)];
        lab.applied(&host(std::slice::from_ref(&spec)));
        is_near(flood.measure(), 20.0);
        // Without a limit nothing of it is left.
        spec.nics[0].rates.clear();
        lab.applied(&host(std::slice::from_ref(&spec)));
        is_free(flood.measure());
    });
    assert!(!lab.in_vpc(&spec, "tc qdisc show").contains("htb") && !lab.in_machine("tc qdisc show").contains("htb"));
}

#[test]
fn other_addresses_and_private_ones_are_not_limited() {
    let lab = Lab::new();
    let spec = two();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (limited, free) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    flooded(free.namespace.as_fd(), (lab.machine.as_fd(), MACHINE), |flood| is_free(flood.measure()));
    flooded(lab.machine.as_fd(), (free.namespace.as_fd(), FREE), |flood| is_free(flood.measure()));
    flooded(limited.namespace.as_fd(), (free.namespace.as_fd(), free.nic.ip), |flood| is_free(flood.measure()));
    // By its public address it is, also from the same VPC.
    flooded(free.namespace.as_fd(), (limited.namespace.as_fd(), LIMITED), |flood| is_near(flood.measure(), 12.0));
}

#[test]
fn addresses_of_a_package_share_its_bandwidth() {
    let lab = Lab::new();
    let mut spec = two();
    let shared = RateSpec { package: Some(model::BandwidthPackageId::from_u64(7)), ..rate(12, 12) };
    spec.nics[0].rates = vec![shared];
    spec.nics[1].rates = vec![RateSpec { public: FREE, ..shared }];
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (one, other) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let (from, to) = (lab.machine.as_fd(), |guest: &Guest| guest.namespace.try_clone().unwrap());
    let (inside, beside) = (to(&one), to(&other));
    flooded(from, (inside.as_fd(), LIMITED), |flood| {
        is_near(flood.measure(), 12.0);
        let (mine, others) = std::thread::scope(|scope| {
            let busy = scope.spawn(|| flooded(from, (beside.as_fd(), FREE), |flood| flood.measure()));
            (flood.measure(), busy.join().unwrap())
        });
        is_near(mine + others, 12.0);
        assert!(mine > 1.0 && others > 1.0, "{mine:.1} and {others:.1} Mbit/s");
    });
}

#[test]
fn limits_that_somebody_takes_away_are_put_back() {
    let lab = Lab::new();
    let spec = two();
    let document = host(std::slice::from_ref(&spec));
    lab.applied(&document);
    lab.applied(&document);
    // The number of a class's queue is the kernel's choice.
    let shown = |link: &str| format!("tc class show dev {link} | sed 's/leaf [0-9a-f]*://'");
    let machine = shown("$(ip -br link show type veth | cut -d@ -f1)");
    let classes = || lab.in_vpc(&spec, &shown("outside")) + &lab.in_machine(&machine);
    let before = classes();
    assert!(before.contains("8Mbit") && before.contains("12Mbit"), "{before}");
    lab.in_vpc(&spec, "tc qdisc del dev outside root");
    assert_ne!(classes(), before);
    let report = lab.apply(&document);
    assert_eq!((report.faults, report.repaired.len()), (vec![], 1));
    assert_eq!(classes(), before);
    lab.in_vpc(&spec, "tc class replace dev outside parent 1: classid 1:7109 htb rate 100mbit");
    assert_eq!(lab.apply(&document).repaired.len(), 1);
    assert_eq!(classes(), before);
}
