//! What the model says of who reaches whom, held against real packets in a thousand random topologies.
//!
//! Two in five have IPv6 too; with it one takes more than three times as long.
//!
//! Every question is a connection: a packet that opens it and an answer. Where the model says that it comes about, both arrive;
//! where it names an obstacle, the answer never does, and the packet itself only if the obstacle is on the answer's way. Each
//! connection has a number of its own, so a packet that comes late is still told from what was allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use model::reachability::{Flow, Obstacle, Receiver, Sender, Way, reach};
use nix::poll::{PollFd, PollFlags, poll};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::super::netns;
use super::frames::*;
use super::lab::*;
use super::topology::{self, Asked, Topology, topology};
use super::topology6;

/// Topologies that are tried.
const TOPOLOGIES: u16 = 1_000;
/// Questions about each, of IPv4 and of IPv6.
const QUESTIONS: [u16; 2] = [24, 24];
/// Numbers of connections that a topology takes.
const NUMBERS: u16 = QUESTIONS[0] + QUESTIONS[1];
/// Pause before a packet without an answer is sent again: a link that was just made loses some until a worker of the kernel has
/// seen that it is up.
const AGAIN: Duration = Duration::from_millis(250);
/// Number of the first connection; ports below are the services'.
const FIRST: u16 = 10_000;
/// The machine, which stands for everything beyond the cloud.
const MACHINE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// `SYN`, and `SYN` with `ACK`.
const OPEN: u8 = 0x02;
const OPENED: u8 = 0x12;

/// A place in the list of guests; the machine is none.
type Place = Option<usize>;

/// A connection that is tried.
struct Try {
    topology: u16,
    asked: Asked,
    at: Place,
    way: Way,
}

impl fmt::Display for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Try { topology, asked, at, way } = self;
        write!(f, "topology {topology}: {asked:?} of {at:?}, judged {way:?},")
    }
}

impl Try {
    /// Whether the packet that opens it may arrive: when it is allowed, or only its answer is lost.
    fn may_arrive(&self) -> bool {
        let lost = |interface: &model::InterfaceId| self.at.is_some_and(|at| topology::interface(at) == *interface);
        match &self.way.obstacle {
            None => true,
            Some(Obstacle::NoRoute { interface, .. } | Obstacle::Blackhole { interface, .. } | Obstacle::SentOn { interface, .. }) => {
                lost(interface)
            }
            Some(Obstacle::Stopped { is_answer, .. }) => *is_answer,
            Some(Obstacle::NotRunning { .. } | Obstacle::Nobody { .. } | Obstacle::NoPublicAddress { .. } | Obstacle::Dropped { .. }) => {
                false
            }
            Some(Obstacle::Spoofed { .. } | Obstacle::NoIpv6 { .. } | Obstacle::OnlyOutward { .. }) => false,
        }
    }
}

struct World {
    lab: Lab,
    guests: Vec<Raw>,
    /// The machine's sockets at the ports of the services.
    services: Vec<UdpSocket>,
    /// The machine's sockets that wait for an answer, by the number of their connection.
    asking: BTreeMap<u16, UdpSocket>,
    tries: BTreeMap<u16, Try>,
    done: BTreeSet<u16>,
}

#[test]
fn a_thousand_topologies_are_judged_as_their_packets_fare() {
    let mut runner = TestRunner::deterministic();
    let mut draw = || topology(QUESTIONS.map(usize::from)).new_tree(&mut runner).expect("a topology can be drawn").current();
    let mut world = World::new(&draw());
    // Of IPv4 and of IPv6.
    let (mut reached, mut refused) = ([0, 0], [0, 0]);
    for number in 0..TOPOLOGIES {
        let mut topology = draw();
        if number % 5 > 1 {
            topology.forget_v6();
        }
        world.lab.applied(&host(&topology.specs()));
        let keys = world.ask(number, &topology);
        world.settle(&keys);
        for key in keys {
            let tried = &world.tries[&key];
            let count = if tried.way.obstacle.is_none() { &mut reached } else { &mut refused };
            count[usize::from(tried.asked.to.is_ipv6())] += 1;
        }
        world.asking.clear();
    }
    // Were nearly all of one kind, the test would say little.
    let many = |counts: [u32; 2]| counts[0] > 2_500 && counts[1] > 800;
    assert!(many(reached) && many(refused), "{reached:?} reached, {refused:?} refused");
}

impl World {
    fn new(first: &Topology) -> World {
        let lab = Lab::new();
        let specs = first.specs();
        lab.applied(&host(&specs));
        let guests = specs.iter().flat_map(|spec| (0..spec.nics.len()).map(|at| lab.raw(spec, at)).collect::<Vec<_>>()).collect();
        // What goes from VPC to VPC in IPv6 passes a machine that forwards it, which is its operator's to say.
        lab.in_machine("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
        // One socket hears both versions; addresses of IPv4 are mapped.
        let bind = |port: u16| netns::inside(lab.machine.as_fd(), || UdpSocket::bind(("::", port))).expect("a free port");
        let services: Vec<UdpSocket> = topology::PORTS.map(bind).collect();
        services.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        World { lab, guests, services, asking: BTreeMap::new(), tries: BTreeMap::new(), done: BTreeSet::new() }
    }

    /// Opens the connections of a topology; gives their numbers.
    fn ask(&mut self, number: u16, topology: &Topology) -> Vec<u16> {
        let mut keys = Vec::new();
        for (at, asked) in (0..).zip(topology.questions(MACHINE)) {
            let key = FIRST + number * NUMBERS + at;
            let Asked { from, claimed, to, flow } = asked;
            let owner = topology.owner(from, to);
            let sender = from.map(|from| topology.endpoint(from));
            let receiver = owner.map(|owner| topology.endpoint(owner));
            let beyond = if to.is_ipv6() { IpAddr::from(topology6::machine()) } else { MACHINE.into() };
            let way = reach(
                sender.as_ref().map_or(Sender::Beyond(beyond), |end| Sender::Interface { end, from: claimed }),
                match &receiver {
                    Some(receiver) => Receiver::Interface(receiver),
                    None if to == beyond => Receiver::Beyond,
                    None => Receiver::Nobody,
                },
                to,
                flow,
                key,
            );
            self.tries.insert(key, Try { topology: number, asked, at: owner, way });
            keys.push(key);
            self.open(key);
        }
        keys
    }

    /// Sends the packet that opens a connection, once more if it was sent before.
    fn open(&mut self, key: u16) {
        let Asked { from, claimed, to, flow } = self.tries[&key].asked;
        let Some(from) = from else { return self.machine_opens(to, flow, key) };
        let guest = &mut self.guests[from];
        let own = if to.is_ipv6() { IpAddr::from(topology::address6(from)) } else { guest.nic.ip.into() };
        guest.open(claimed.unwrap_or(own), to, flow, key);
    }

    fn machine_opens(&mut self, to: IpAddr, flow: Flow, key: u16) {
        let Flow::Udp { port } = flow else { unreachable!("the machine speaks UDP only: {flow:?}") };
        let bound = self.asking.remove(&key).unwrap_or_else(|| {
            let bound = netns::inside(self.lab.machine.as_fd(), || UdpSocket::bind(("::", key))).unwrap();
            bound.set_nonblocking(true).unwrap();
            bound
        });
        let to = match to {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        // Without an address that is known outside the machine has no route to any.
        let sent = bound.send_to(b"open", (to, port));
        assert!(sent.is_ok() || self.tries[&key].way.obstacle.is_some(), "{}: {sent:?}", self.tries[&key]);
        self.asking.insert(key, bound);
    }

    /// Answers and notes what arrives until every connection that should come about has.
    fn settle(&mut self, keys: &[u16]) {
        let start = Instant::now();
        let mut again = AGAIN;
        let wanted = |world: &World, key: &&u16| world.tries[key].way.obstacle.is_none() && !world.done.contains(key);
        loop {
            self.read_guests();
            self.read_machine();
            let open: Vec<u16> = keys.iter().filter(|key| wanted(self, key)).copied().collect();
            let Some(key) = open.first() else { return };
            assert!(start.elapsed() < PATIENCE, "{} was not reached", self.tries[key]);
            if start.elapsed() > again {
                open.iter().for_each(|key| self.open(*key));
                again += AGAIN;
            }
            self.wait();
        }
    }

    fn wait(&self) {
        let sockets = self.services.iter().chain(self.asking.values()).map(AsFd::as_fd);
        let mut all: Vec<PollFd<'_>> =
            self.guests.iter().map(|guest| guest.tap.as_fd()).chain(sockets).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        poll(&mut all, 100_u8).unwrap();
    }

    fn read_guests(&mut self) {
        for place in 0..self.guests.len() {
            while let Some(packet) = self.guests[place].packet() {
                match packet {
                    Packet::Opens { key, from, to, flow } => {
                        self.opened(key, Some(place), flow);
                        self.guests[place].answer(to, from, flow, key);
                    }
                    Packet::Answers { key } => self.answered(key, Some(place)),
                }
            }
        }
    }

    fn read_machine(&mut self) {
        let mut buffer = [0; 100];
        let mut heard = Vec::new();
        for (port, socket) in topology::PORTS.zip(&self.services) {
            while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                socket.send_to(b"answer", from).unwrap();
                heard.push((from.port(), port));
            }
        }
        heard.into_iter().for_each(|(key, port)| self.opened(key, None, Flow::Udp { port }));
        let answered: Vec<u16> =
            self.asking.iter().filter(|(_, socket)| socket.recv_from(&mut buffer).is_ok()).map(|(key, _)| *key).collect();
        answered.into_iter().for_each(|key| self.answered(key, None));
    }

    fn opened(&self, key: u16, at: Place, flow: Flow) {
        let tried = &self.tries[&key];
        assert!(tried.may_arrive() && (tried.at, tried.asked.flow) == (at, flow), "{tried} was heard at {at:?} as {flow:?}");
    }

    fn answered(&mut self, key: u16, at: Place) {
        let tried = &self.tries[&key];
        assert!(tried.way.obstacle.is_none() && tried.asked.from == at, "{tried} was answered, heard at {at:?}");
        self.done.insert(key);
    }
}

/// What a guest hears of a connection.
enum Packet {
    Opens { key: u16, from: IpAddr, to: IpAddr, flow: Flow },
    Answers { key: u16 },
}

impl Raw {
    fn open(&mut self, from: IpAddr, to: IpAddr, flow: Flow, key: u16) {
        let (protocol, body) = body((from, key), (to, port_of(flow)), flow, false);
        self.send(&packet(&self.nic.clone(), from, to, protocol, &body));
    }

    fn answer(&mut self, from: IpAddr, to: IpAddr, flow: Flow, key: u16) {
        let (protocol, body) = body((from, port_of(flow)), (to, key), flow, true);
        self.send(&packet(&self.nic.clone(), from, to, protocol, &body));
    }

    /// The next packet of a connection that has come, if any has.
    fn packet(&mut self) -> Option<Packet> {
        let mut buffer = [0; 4096];
        loop {
            let mut polled = [PollFd::new(self.tap.as_fd(), PollFlags::POLLIN)];
            if poll(&mut polled, 0_u8).unwrap() == 0 {
                return None;
            }
            let len = self.tap.read(&mut buffer).unwrap();
            // A virtio header comes before the frame.
            if let Some(packet) = read(&buffer[10..len]) {
                return Some(packet);
            }
        }
    }
}

/// The port of the service; echoes have none.
fn port_of(flow: Flow) -> u16 {
    if let Flow::Tcp { port } | Flow::Udp { port } = flow { port } else { 0 }
}

/// The protocol and the bytes of what opens a connection or answers it.
fn body(from: (IpAddr, u16), to: (IpAddr, u16), flow: Flow, is_answer: bool) -> (u8, Vec<u8>) {
    let text = if is_answer { &b"answer"[..] } else { b"open" };
    let key = if is_answer { to.1 } else { from.1 };
    let bytes = match (flow, from.0, to.0) {
        (Flow::Udp { .. }, IpAddr::V6(ip), IpAddr::V6(other)) => udp6((ip, from.1), (other, to.1), text),
        (Flow::Udp { .. }, _, _) => udp(from.1, to.1, text),
        (Flow::Tcp { .. }, _, _) => tcp(from, to, if is_answer { OPENED } else { OPEN }),
        (Flow::Icmp { .. }, _, _) if is_answer => echo_reply(key),
        (Flow::Icmp { .. }, _, _) => echo(key),
        (Flow::Icmp6 { .. }, IpAddr::V6(ip), IpAddr::V6(other)) if is_answer => echo6_reply(ip, other, key),
        (Flow::Icmp6 { .. }, IpAddr::V6(ip), IpAddr::V6(other)) => echo6(ip, other, key),
        (Flow::Icmp6 { .. } | Flow::Other { .. }, _, _) => unreachable!("{flow:?} from {from:?} to {to:?} is none of ours"),
    };
    (flow.number(), bytes)
}

fn read(frame: &[u8]) -> Option<Packet> {
    let (from, to, protocol, body) = parse_packet(frame)?;
    let word = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    if let 1 | 58 = protocol {
        let key = word(4)?;
        return match (protocol, body.first()?) {
            (1, 8) => Some(Packet::Opens { key, from, to, flow: topology::PING }),
            (58, 128) => Some(Packet::Opens { key, from, to, flow: topology::PING_6 }),
            (1, 0) | (58, 129) => Some(Packet::Answers { key }),
            // The router tells of itself, and of addresses that nobody has.
            _ => None,
        };
    }
    let (source, port) = (word(0)?, word(2)?);
    let flow = match protocol {
        6 => Flow::Tcp { port },
        17 => Flow::Udp { port },
        _ => return None,
    };
    Some(if port >= FIRST { Packet::Answers { key: port } } else { Packet::Opens { key: source, from, to, flow } })
}
