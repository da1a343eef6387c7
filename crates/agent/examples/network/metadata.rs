//! Metadata requests of a guest with a kernel of its own: how many a second, and how long one takes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, poll};
use pileus_agent::net::open_tap_device;

use crate::document::{SENDER, host, vm, vpc};
use crate::machine::{Guest, Machine, inside, namespace, shell};
use crate::{Size, percentile, say};

/// Connections that ask side by side.
const CLIENTS: usize = 4;
const PATH: &str = "/latest/meta-data/local-ipv4";

/// Prints requests a second and how long one takes.
pub fn measure(size: &Size) -> io::Result<()> {
    let machine = Machine::new(5)?;
    let vpc = vpc(10, 2, &[SENDER]);
    let mut document = host(&vpc);
    document.vms = vec![vm(&vpc.nics[0]).into()];
    machine.apply(&document)?;
    let (rate, mut times) = asked(&machine.guest(&vpc, SENDER)?, size)?;
    say("metadata_per_second", rate);
    say("metadata_p50_ms", percentile(&mut times, 50));
    say("metadata_p99_ms", percentile(&mut times, 99));
    Ok(())
}

/// Asks from a namespace whose link is joined to the guest's tap, as fast as answers come.
fn asked(guest: &Guest, size: &Size) -> io::Result<(f64, Vec<f64>)> {
    let kernel = namespace()?;
    let wire = File::from(inside(&kernel, || open_tap_device("eth0"))?);
    let hardware = guest.mac.map(|byte| format!("{byte:02x}")).join(":");
    let ip = guest.ip;
    shell(
        &kernel,
        &format!("ip link set eth0 address {hardware} mtu 1450 up && ip address add {ip}/18 dev eth0 && ip route add default via 10.0.0.1"),
    )?;
    let done = AtomicBool::new(false);
    let times = Mutex::new(Vec::new());
    let began = Instant::now();
    let end = began + size.stream;
    std::thread::scope(|scope| {
        scope.spawn(|| pump(&guest.tap, &wire, &done));
        scope.spawn(|| pump(&wire, &guest.tap, &done));
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| inside(&kernel, || client(end, &times)))).collect();
        let results: Vec<_> = clients.into_iter().map(|client| client.join().expect("a client does not panic")).collect();
        done.store(true, Ordering::Relaxed);
        results.into_iter().collect::<io::Result<Vec<()>>>()
    })?;
    let times = times.into_inner().expect("no client panicked");
    Ok((times.len() as f64 / size.stream.as_secs_f64(), times))
}

/// Copies frames from one tap to another.
fn pump(mut from: &File, mut to: &File, done: &AtomicBool) {
    let mut buffer = [0; 70_000];
    while !done.load(Ordering::Relaxed) {
        let mut polled = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        if poll(&mut polled, 20_u8).is_ok_and(|ready| ready > 0)
            && let Ok(len) = from.read(&mut buffer)
        {
            // A frame that the other side does not take is lost, as on a wire.
            let _ = to.write_all(&buffer[..len]);
        }
    }
}

/// Asks over one connection until the end.
fn client(end: Instant, times: &Mutex<Vec<f64>>) -> io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(SocketAddr::from(([169, 254, 169, 254], 80)))?);
    stream.get_ref().set_nodelay(true)?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n");
    let mut mine = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        stream.get_mut().write_all(request.as_bytes())?;
        answer(&mut stream)?;
        mine.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.lock().expect("no client panics").append(&mut mine);
    Ok(())
}

/// Reads one answer; anything but success is an error.
fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<()> {
    let mut length = 0;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        return Err(io::Error::other(format!("metadata answered {line}")));
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    stream.read_exact(&mut vec![0; length])
}
