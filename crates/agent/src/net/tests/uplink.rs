//! Public addresses on a LAN: its machines and guests reach each other through the uplinks of the hosts, and nothing else is let through.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::slice::from_ref;
use std::time::Duration;

use hostspec::{HostSpec, RemoteNic, VpcSpec};
use nlink::Connection;
use nlink::netlink::link::VethLink;

use super::super::{Announce, Uplinks, netns};
use super::hosts::{UNDER, document, split, two};
use super::lab::*;

const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// The LAN, whose upper half is the pool of public addresses.
const LAN: u8 = 23;
/// A machine on it, which is also its router.
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(203, 0, 112, 10);
/// Somebody beyond the router.
const WORLD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// A LAN: a bridge in the namespace of its one machine, with a port for each host.
pub struct Lan {
    pub machine: OwnedFd,
}

impl Lan {
    /// Joins the machines of labs by a link `lan` each, with the addresses 203.0.112.1, 2 and so on.
    pub fn of(labs: &[&Lab]) -> Lan {
        let lan = Lan { machine: fresh_namespace() };
        lan.shell(&format!(
            "ip link set lo up; ip link add lan type bridge && ip link set lan up && ip address add {NEIGHBOUR}/{LAN} dev lan &&
             ip address add {WORLD}/32 dev lo"
        ));
        for (number, lab) in labs.iter().enumerate() {
            let port = format!("port{number}");
            lab.runtime.block_on(async {
                let connection = Connection::<nlink::Route>::new_in(lab.machine.as_fd()).unwrap();
                connection.add_link(VethLink::new("lan", &port).peer_netns_fd(lan.machine.as_fd())).await.unwrap();
            });
            lan.shell(&format!("ip link set {port} master lan up"));
            let address = Ipv4Addr::new(203, 0, 112, number as u8 + 1);
            lab.in_machine(&format!(
                "ip address add {address}/{LAN} dev lan && ip link set lan up && ip route add default via {NEIGHBOUR}"
            ));
        }
        lan
    }

    pub fn shell(&self, command: &str) -> String {
        shell(self.machine.as_fd(), command)
    }

    fn run<T: Send>(&self, run: impl FnOnce() -> std::io::Result<T> + Send) -> std::io::Result<T> {
        netns::inside(self.machine.as_fd(), run)
    }

    pub fn pings(&self, to: Ipv4Addr) -> bool {
        self.run(|| Command::new("ping").args(["-c1", "-W1", "-n", &to.to_string()]).output()).unwrap().status.success()
    }

    /// Insists that an echo comes back. The first may be lost: a pair that is new sends only after a worker of the kernel has seen it up.
    pub fn reaches(&self, to: Ipv4Addr) {
        eventually(&format!("{to} answers"), || self.pings(to).then_some(()));
    }

    /// The hardware address that the neighbour knows for an address.
    fn knows(&self, ip: Ipv4Addr) -> String {
        let line = self.shell(&format!("ip neigh show {ip} dev lan"));
        line.split(" lladdr ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned()
    }
}

/// A lab whose agent was told of its uplink.
pub fn told(lab: &mut Lab, announce: Announce) {
    lab.kill();
    lab.uplinks = Uplinks { links: BTreeSet::from(["lan".to_owned()]), announce };
    lab.start();
}

fn one() -> (Lab, Lan) {
    let mut lab = Lab::new();
    told(&mut lab, Announce::Arp);
    let lan = Lan::of(&[&lab]);
    (lab, lan)
}

fn with_public() -> VpcSpec {
    let mut spec = vpc(1, &[5, 6]);
    spec.nics[0].public_ip = Some(PUBLIC);
    spec
}

fn forwards(lab: &Lab, link: &str) -> bool {
    lab.in_machine(&format!("cat /proc/sys/net/ipv4/conf/{link}/forwarding")).trim() == "1"
}

#[test]
fn a_machine_of_the_lan_and_a_guest_reach_each_other() {
    let (lab, lan) = one();
    let spec = with_public();
    lab.applied(&host(from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    lan.reaches(PUBLIC);
    let inside = guest.run(|| TcpListener::bind("0.0.0.0:22")).unwrap();
    let mut client = lan.run(|| TcpStream::connect_timeout(&SocketAddr::from((PUBLIC, 22)), PATIENCE)).unwrap();
    let (mut server, from) = inside.accept().unwrap();
    assert_eq!(from.ip(), IpAddr::V4(NEIGHBOUR), "the guest sees who it is");
    server.write_all(b"hello").unwrap();
    let mut buffer = [0; 5];
    client.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"hello");
    // The guest opens, to the LAN and by its router to the world.
    let outside = lan.run(|| TcpListener::bind("0.0.0.0:8080")).unwrap();
    for to in [NEIGHBOUR, WORLD] {
        let _client = guest.connect(&format!("{to}:8080")).unwrap();
        assert_eq!(outside.accept().unwrap().1.ip(), IpAddr::V4(PUBLIC), "{to}");
    }
    // Nothing is left to do.
    assert_eq!(lab.apply(&host(from_ref(&spec))).repaired, Vec::<String>::new());
}

#[test]
fn nothing_else_of_the_host_is_reached_from_the_lan() {
    let (lab, lan) = one();
    let mut spec = with_public();
    // A network behind the host, which it did not forward to before either.
    let behind = fresh_namespace();
    lab.runtime.block_on(async {
        let connection = Connection::<nlink::Route>::new_in(lab.machine.as_fd()).unwrap();
        connection.add_link(VethLink::new("behind", "front").peer_netns_fd(behind.as_fd())).await.unwrap();
    });
    lab.in_machine("ip address add 10.99.0.1/24 dev behind && ip link set behind up");
    shell(behind.as_fd(), "ip address add 10.99.0.2/24 dev front && ip link set front up && ip route add default via 10.99.0.1");
    lan.shell("ip route add 10.0.0.0/8 via 203.0.112.1");
    lab.applied(&host(from_ref(&spec)));
    let (_guest, private) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let beyond = Ipv4Addr::new(10, 99, 0, 2);
    lan.reaches(PUBLIC);
    assert!(!lan.pings(beyond), "the host forwards for the cloud alone");
    assert!(!lan.pings(Ipv4Addr::new(10, 0, 0, 5)) && !lan.pings(private.nic.ip), "no private address is reached");
    for nobody in [Ipv4Addr::new(203, 0, 113, 10), Ipv4Addr::new(203, 0, 113, 1)] {
        assert!(!lan.pings(nobody));
        assert_eq!(lan.knows(nobody), "", "nobody answers for {nobody}");
    }
    assert!(!private.pings(&NEIGHBOUR.to_string()), "a guest without a public address stays inside");
    // Of a machine that its operator made a router nothing is held back.
    lab.in_machine("echo 1 > /proc/sys/net/ipv4/ip_forward");
    lab.applied(&host(from_ref(&spec)));
    assert!(lan.pings(beyond));
    lan.reaches(PUBLIC);
    spec.nics[0].public_ip = None;
    lab.applied(&host(from_ref(&spec)));
    assert!(lan.pings(beyond) && forwards(&lab, "lan"));
}

#[test]
fn nobody_on_the_lan_speaks_in_the_name_of_the_cloud() {
    let (lab, lan) = one();
    let spec = with_public();
    lan.shell("ip address add 203.0.113.8/32 dev lo; ip address add 203.0.113.1/32 dev lo");
    lab.applied(&host(from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    let heard = guest.run(|| UdpSocket::bind("0.0.0.0:5000")).unwrap();
    heard.set_read_timeout(Some(PATIENCE)).unwrap();
    for forged in ["203.0.113.8", "203.0.113.1"] {
        lan.run(|| UdpSocket::bind((forged, 0))?.send_to(b"forged", (PUBLIC, 5000))).unwrap();
    }
    lan.run(|| UdpSocket::bind((NEIGHBOUR, 0))?.send_to(b"own", (PUBLIC, 5000))).unwrap();
    let mut buffer = [0; 10];
    let (len, from) = heard.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from.ip()), (&b"own"[..], IpAddr::V4(NEIGHBOUR)));
}

#[test]
fn what_was_switched_on_goes_with_the_last_address_and_with_the_option() {
    let (mut lab, lan) = one();
    let mut spec = with_public();
    let all = "ip neigh show proxy; ip rule; nft list ruleset; grep . /proc/sys/net/ipv4/conf/*/forwarding | grep -v 'conf/t[0-9]'";
    let before = lab.in_machine(all);
    lab.applied(&host(from_ref(&spec)));
    assert!(forwards(&lab, "lan") && !lan.pings(PUBLIC), "the guest is off");
    assert!(lab.in_machine("ip neigh show proxy").contains("203.0.113.9 dev lan"));
    spec.nics[0].public_ip = None;
    lab.applied(&host(from_ref(&spec)));
    assert_eq!(lab.in_machine(all), before);
    // An agent that is not told of the uplink takes back what another lent.
    spec.nics[0].public_ip = Some(PUBLIC);
    lab.applied(&host(from_ref(&spec)));
    lab.kill();
    lab.uplinks = Uplinks::default();
    lab.start();
    lab.applied(&host(from_ref(&spec)));
    assert!(!forwards(&lab, "lan"));
    assert_eq!(lab.in_machine("ip neigh show proxy"), "");
    // And a purge, whatever it is told.
    told(&mut lab, Announce::Arp);
    lab.applied(&host(from_ref(&spec)));
    assert!(forwards(&lab, "lan"));
    lab.kill();
    lab.uplinks = Uplinks::default();
    lab.start();
    lab.runtime.block_on(lab.network().remove_all()).unwrap();
    assert_eq!(lab.in_machine(all), before);
}

#[test]
fn a_link_that_forwarded_before_goes_on_and_one_that_is_not_there_is_told_of() {
    let (lab, lan) = one();
    let mut spec = with_public();
    lab.in_machine("echo 1 > /proc/sys/net/ipv4/conf/lan/forwarding");
    lab.applied(&host(from_ref(&spec)));
    let _guest = lab.guest(&spec, 0);
    lan.reaches(PUBLIC);
    // What somebody took away is there again after the next look.
    for damage in ["ip neigh del proxy 203.0.113.9 dev lan", "echo 0 > /proc/sys/net/ipv4/conf/lan/forwarding"] {
        lab.in_machine(damage);
        let report = lab.apply(&host(from_ref(&spec)));
        assert_eq!((report.faults.len(), report.repaired.len()), (0, 1), "{damage}");
        lan.reaches(PUBLIC);
    }
    lab.in_machine("ip link set lan name other");
    let report = lab.apply(&host(from_ref(&spec)));
    assert!(report.faults.iter().any(|fault| fault.detail.contains("the uplink lan is not there")), "{report:?}");
    assert_eq!(report.ready.len(), 2, "guests are not held up by it");
    lab.in_machine("ip link set other name lan");
    spec.nics[0].public_ip = None;
    lab.applied(&host(from_ref(&spec)));
}

/// The documents of two hosts when the address is with the interface on one of them.
pub fn with_address_on(host: usize) -> ([VpcSpec; 2], [HostSpec; 2]) {
    let mut specs = split(1);
    specs[host].nics[0].public_ip = Some(PUBLIC);
    let there = [RemoteNic { ip: PUBLIC, host: UNDER[host] }];
    let documents = [0, 1].map(|number| document(number, from_ref(&specs[number]), if number == host { &[] } else { &there }));
    (specs, documents)
}

#[test]
fn an_address_that_moves_to_another_host_takes_the_neighbour_with_it() {
    let mut labs = two();
    labs.iter_mut().for_each(|lab| told(lab, Announce::Arp));
    let lan = Lan::of(&[&labs[0], &labs[1]]);
    let mac = "ip -o link show lan | sed 's/.*ether //; s/ .*//'";
    let macs = [0, 1].map(|number: usize| labs[number].in_machine(mac).trim().to_owned());
    let (specs, first) = with_address_on(0);
    (0..2).for_each(|number| labs[number].applied(&first[number]));
    let guests = [0, 1].map(|number: usize| labs[number].guest(&specs[number], 0));
    lan.reaches(PUBLIC);
    assert_eq!(lan.knows(PUBLIC), macs[0], "only the host that has it answers");
    let heard = [0, 1].map(|number: usize| guests[number].udp());
    let outside = lan.run(|| UdpSocket::bind((NEIGHBOUR, 8080))).unwrap();
    let mut buffer = [0; 10];
    for (now, text) in [(1, "second"), (0, "back"), (1, "again")] {
        let (_, documents) = with_address_on(now);
        // It is taken away first where it was, as the control plane's documents arrive.
        labs[1 - now].applied(&documents[1 - now]);
        labs[now].applied(&documents[now]);
        eventually("the neighbour heard of it without asking", || (lan.knows(PUBLIC) == macs[now]).then_some(()));
        heard[now].set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (len, from) = eventually("it hears the neighbour", || {
            outside.send_to(text.as_bytes(), (PUBLIC, 5000)).unwrap();
            heard[now].recv_from(&mut buffer).ok()
        });
        assert_eq!((&buffer[..len], from.ip()), (text.as_bytes(), IpAddr::V4(NEIGHBOUR)));
        heard[now].send_to(b"answer", from).unwrap();
        assert_eq!(outside.recv_from(&mut buffer).unwrap().1.ip(), IpAddr::V4(PUBLIC));
    }
}
