//! What the model says of who reaches whom, held against real packets in a thousand random topologies.
//!
//! Every question is a connection: a packet that opens it and an answer. Where the model says that it comes about, both arrive;
//! where it names an obstacle, the answer never does, and the packet itself only if the obstacle is on the answer's way. Each
//! connection has a number of its own, so a packet that comes late is still told from what was allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use model::reachability::{Flow, Obstacle, Receiver, Sender, Way, reach};
use nix::poll::{PollFd, PollFlags, poll};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::super::netns;
use super::frames::*;
use super::lab::*;
use super::topology::{self, Topology, topology};

/// Topologies that are tried.
const TOPOLOGIES: u16 = 1_000;
/// Questions about each.
const QUESTIONS: u16 = 24;
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
    from: Place,
    to: Ipv4Addr,
    at: Place,
    flow: Flow,
    way: Way,
}

impl fmt::Display for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Try { topology, from, to, at, flow, way } = self;
        write!(f, "topology {topology}: {flow:?} from {from:?} to {to} of {at:?}, judged {way:?},")
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
    let mut draw = || topology(QUESTIONS.into()).new_tree(&mut runner).expect("a topology can be drawn").current();
    let mut world = World::new(&draw());
    let (mut reached, mut refused) = (0, 0);
    for number in 0..TOPOLOGIES {
        let topology = draw();
        world.lab.applied(&host(&topology.specs()));
        let keys = world.ask(number, &topology);
        world.settle(&keys);
        let good = keys.iter().filter(|key| world.tries[key].way.obstacle.is_none()).count();
        (reached, refused) = (reached + good, refused + keys.len() - good);
        world.asking.clear();
    }
    // Were nearly all of one kind, the test would say little.
    assert!(reached > 2_500 && refused > 2_500, "{reached} reached, {refused} refused");
}

impl World {
    fn new(first: &Topology) -> World {
        let lab = Lab::new();
        let specs = first.specs();
        lab.applied(&host(&specs));
        let guests = specs.iter().flat_map(|spec| (0..spec.nics.len()).map(|at| lab.raw(spec, at)).collect::<Vec<_>>()).collect();
        let bind = |port: u16| netns::inside(lab.machine.as_fd(), || UdpSocket::bind(("0.0.0.0", port))).expect("a free port");
        let services: Vec<UdpSocket> = topology::PORTS.map(bind).collect();
        services.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        World { lab, guests, services, asking: BTreeMap::new(), tries: BTreeMap::new(), done: BTreeSet::new() }
    }

    /// Opens the connections of a topology; gives their numbers.
    fn ask(&mut self, number: u16, topology: &Topology) -> Vec<u16> {
        let mut keys = Vec::new();
        for (at, (from, to, flow)) in (0..).zip(topology.questions(MACHINE)) {
            let key = FIRST + number * QUESTIONS + at;
            let owner = topology.owner(from, to);
            let sender = from.map(|from| topology.endpoint(from));
            let receiver = owner.map(|owner| topology.endpoint(owner));
            let way = reach(
                sender.as_ref().map_or(Sender::Beyond(MACHINE), Sender::Interface),
                match &receiver {
                    Some(receiver) => Receiver::Interface(receiver),
                    None if to == MACHINE => Receiver::Beyond,
                    None => Receiver::Nobody,
                },
                to,
                flow,
                key,
            );
            self.tries.insert(key, Try { topology: number, from, to, at: owner, flow, way });
            keys.push(key);
            self.open(key);
        }
        keys
    }

    /// Sends the packet that opens a connection, once more if it was sent before.
    fn open(&mut self, key: u16) {
        let Try { from, to, flow, .. } = self.tries[&key];
        match from {
            Some(from) => self.guests[from].open(to, flow, key),
            None => self.machine_opens(to, flow, key),
        }
    }

    fn machine_opens(&mut self, to: Ipv4Addr, flow: Flow, key: u16) {
        let Flow::Udp { port } = flow else { unreachable!("the machine speaks UDP only: {flow:?}") };
        let bound = self.asking.remove(&key).unwrap_or_else(|| {
            let bound = netns::inside(self.lab.machine.as_fd(), || UdpSocket::bind(("0.0.0.0", key))).unwrap();
            bound.set_nonblocking(true).unwrap();
            bound
        });
        // Without a public address in use the machine has no route to any.
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
                    Packet::Opens { key, from, flow } => {
                        self.opened(key, Some(place), flow);
                        self.guests[place].answer(from, flow, key);
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
            while let Ok((_, SocketAddr::V4(from))) = socket.recv_from(&mut buffer) {
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
        assert!(tried.may_arrive() && (tried.at, tried.flow) == (at, flow), "{tried} was heard at {at:?} as {flow:?}");
    }

    fn answered(&mut self, key: u16, at: Place) {
        let tried = &self.tries[&key];
        assert!(tried.way.obstacle.is_none() && tried.from == at, "{tried} was answered, heard at {at:?}");
        self.done.insert(key);
    }
}

/// What a guest hears of a connection.
enum Packet {
    Opens { key: u16, from: Ipv4Addr, flow: Flow },
    Answers { key: u16 },
}

impl Raw {
    fn open(&mut self, to: Ipv4Addr, flow: Flow, key: u16) {
        let me = self.nic.ip;
        let (protocol, body) = match flow {
            Flow::Udp { port } => (17, udp(key, port, b"open")),
            Flow::Tcp { port } => (6, tcp((me, key), (to, port), OPEN)),
            Flow::Icmp { .. } => (1, echo(key)),
            Flow::Other { number } => unreachable!("protocol {number} has no ports to tell connections by"),
        };
        self.send(&ipv4(&self.nic.clone(), me, to, protocol, &body));
    }

    fn answer(&mut self, to: Ipv4Addr, flow: Flow, key: u16) {
        let me = self.nic.ip;
        let (protocol, body) = match flow {
            Flow::Udp { port } => (17, udp(port, key, b"answer")),
            Flow::Tcp { port } => (6, tcp((me, port), (to, key), OPENED)),
            Flow::Icmp { .. } => (1, echo_reply(key)),
            Flow::Other { number } => unreachable!("protocol {number} has no ports to tell connections by"),
        };
        self.send(&ipv4(&self.nic.clone(), me, to, protocol, &body));
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

fn read(frame: &[u8]) -> Option<Packet> {
    let (from, protocol, body) = parse_ipv4(frame)?;
    let word = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    if protocol == 1 {
        let key = word(4)?;
        return match body.first()? {
            8 => Some(Packet::Opens { key, from, flow: topology::PING }),
            0 => Some(Packet::Answers { key }),
            // The router tells of addresses that nobody has.
            _ => None,
        };
    }
    let (source, port) = (word(0)?, word(2)?);
    if port >= FIRST {
        return Some(Packet::Answers { key: port });
    }
    let flow = if protocol == 6 { Flow::Tcp { port } } else { Flow::Udp { port } };
    Some(Packet::Opens { key: source, from, flow })
}
