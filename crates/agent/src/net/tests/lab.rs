//! A machine for one test: a namespace of its own, a network on it, and guests.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hostspec::*;
use model::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::{Names, NetConfig, NetReport, Network, SocketAddr, Uplinks, netns, tap};
use super::frames::Frame;
use crate::guest::fixture;

/// How long something may take that should happen at once.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The header that a tap puts before each frame (`virtio_net_hdr`).
const HEADER: usize = 10;

pub struct Lab {
    pub cloud: String,
    pub machine: OwnedFd,
    pub state: tempfile::TempDir,
    pub runtime: tokio::runtime::Runtime,
    pub resolvers: Vec<SocketAddr>,
    pub uplinks: Uplinks,
    network: Option<Arc<Network>>,
}

impl Lab {
    pub fn new() -> Lab {
        Lab::with_resolvers(vec![])
    }

    pub fn with_resolvers(resolvers: Vec<SocketAddr>) -> Lab {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed) % 16;
        let cloud = format!("t{:06x}{count:x}", std::process::id() & 0xff_ffff);
        let runtime = new_runtime();
        let machine = fresh_namespace();
        shell(machine.as_fd(), "ip link set lo up");
        let mut lab =
            Lab { cloud, machine, state: tempfile::tempdir().unwrap(), runtime, resolvers, uplinks: Uplinks::default(), network: None };
        lab.start();
        lab
    }

    /// Starts a new agent, as after its restart.
    pub fn start(&mut self) {
        let config = NetConfig {
            cloud: self.cloud.clone(),
            state_dir: self.state.path().to_owned(),
            public_pool: "203.0.113.0/24".parse().unwrap(),
            uplinks: self.uplinks.clone(),
            resolvers: self.resolvers.clone(),
            verify_after: Duration::ZERO,
        };
        let handle = self.runtime.handle().clone();
        let network = netns::inside(self.machine.as_fd(), || {
            let _guard = handle.enter();
            Network::new(config).map_err(io::Error::other)
        });
        self.network = Some(Arc::new(network.unwrap()));
    }

    /// Ends the agent without a word, as `kill -9` does: its tasks and their sockets are gone when this returns.
    pub fn kill(&mut self) {
        let network = self.network.take();
        let guard = self.runtime.enter();
        drop(network);
        drop(guard);
        self.runtime = new_runtime();
    }

    pub fn network(&self) -> &Network {
        self.network.as_ref().unwrap()
    }

    pub fn apply(&self, spec: &HostSpec) -> NetReport {
        self.runtime.block_on(self.network().apply(spec))
    }

    /// Applies and insists that nothing went wrong.
    pub fn applied(&self, spec: &HostSpec) {
        let report = self.apply(spec);
        assert_eq!(report.faults, vec![], "{spec:?}");
    }

    pub fn tap(&self, vpc: &VpcSpec, nic: &NicSpec) -> OwnedFd {
        let tap = self.runtime.block_on(self.network().open_tap(vpc, nic)).unwrap();
        // A link sends only after a worker of the kernel has seen that somebody listens. A guest takes longer to start.
        let name = super::super::tap_name(nic.id);
        eventually("the tap sends", || self.in_vpc(vpc, &format!("ip -br link show {name}")).contains(" UP ").then_some(()));
        tap
    }

    /// A guest that speaks frames.
    pub fn raw(&self, vpc: &VpcSpec, number: usize) -> Raw {
        let nic = vpc.nics[number].clone();
        Raw { tap: File::from(self.tap(vpc, &nic)), nic }
    }

    /// A guest with a kernel of its own.
    pub fn guest(&self, vpc: &VpcSpec, number: usize) -> Guest {
        let nic = vpc.nics[number].clone();
        Guest::new(self.tap(vpc, &nic), &nic)
    }

    pub fn namespace(&self, vpc: &VpcSpec) -> String {
        Names::new(&self.cloud).unwrap().namespace(vpc.id)
    }

    /// Runs a command in the namespace of a VPC.
    pub fn in_vpc(&self, vpc: &VpcSpec, command: &str) -> String {
        let namespace = netns::open(&self.namespace(vpc)).unwrap().unwrap();
        shell(namespace.as_fd(), command)
    }

    pub fn in_machine(&self, command: &str) -> String {
        shell(self.machine.as_fd(), command)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.network.is_none() {
            self.start();
        }
        let removed = self.runtime.block_on(self.network().remove_all());
        self.kill();
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

fn new_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A namespace that forwards nothing: a new one takes that setting from the machine that the tests run on.
pub fn fresh_namespace() -> OwnedFd {
    std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        netns::sysctl(&[("net/ipv4/ip_forward", "0")]).unwrap();
        netns::current().unwrap()
    })
    .join()
    .unwrap()
}

/// Runs a command inside a namespace and gives its output; it has to succeed.
pub fn shell(namespace: std::os::fd::BorrowedFd<'_>, command: &str) -> String {
    let output = netns::inside(namespace, || Command::new("sh").args(["-c", command]).output()).unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Tries until it is so.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(start.elapsed() < PATIENCE, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A VPC 10.0.0.0/16 with interfaces at these last octets, in a group in which everybody may speak to everybody.
pub fn vpc(id: u64, octets: &[u8]) -> VpcSpec {
    let mut vpc = fixture::vpc(id);
    for octet in octets {
        vpc.nics.push(fixture::nic(id, u64::from(*octet), Ipv4Addr::new(10, 0, 0, *octet)));
    }
    let members = vpc.nics.iter().map(|nic| nic.ip).collect();
    vpc.groups =
        vec![GroupSpec { id: SecurityGroupId::from_u64(id), rules: vec![open(Direction::Ingress), open(Direction::Egress)], members }];
    vpc
}

/// A rule that lets everything pass.
pub fn open(direction: Direction) -> RuleSpec {
    rule(direction, Verdict::Accept, 1, ProtocolMatch::All, "0.0.0.0/0")
}

pub fn rule(direction: Direction, verdict: Verdict, priority: u16, protocol: ProtocolMatch, peer: &str) -> RuleSpec {
    RuleSpec { direction, verdict, priority, protocol, peer: hostspec::Peer::Range { range: peer.parse().unwrap() } }
}

/// A document of these VPCs, with a machine for each interface.
pub fn host(vpcs: &[VpcSpec]) -> HostSpec {
    let vms = vpcs.iter().flat_map(|vpc| &vpc.nics).map(|nic| fixture::vm(nic.vm.as_u64(), &[nic])).collect();
    fixture::host(vpcs.to_vec(), vms)
}

/// A guest that speaks frames on its tap.
pub struct Raw {
    pub tap: File,
    pub nic: NicSpec,
}

impl Raw {
    pub fn send(&mut self, frame: &Frame) {
        let bytes = [&[0; HEADER][..], &frame.bytes()].concat();
        self.tap.write_all(&bytes).unwrap();
    }

    /// The first frame that is wanted; others are passed over.
    pub fn receive<T>(&mut self, what: &str, wanted: impl FnMut(&[u8]) -> Option<T>) -> T {
        self.receive_within(PATIENCE, wanted).unwrap_or_else(|| panic!("no frame came: {what}"))
    }

    pub fn receive_within<T>(&mut self, time: Duration, mut wanted: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        let start = Instant::now();
        let mut buffer = [0; 4096];
        while let Some(left) = time.checked_sub(start.elapsed()) {
            let mut polled = [PollFd::new(self.tap.as_fd(), PollFlags::POLLIN)];
            let left = PollTimeout::try_from(left.max(Duration::from_millis(1))).unwrap();
            if poll(&mut polled, left).unwrap() == 0 {
                break;
            }
            let len = self.tap.read(&mut buffer).unwrap();
            if let Some(found) = wanted(&buffer[HEADER..len]) {
                return Some(found);
            }
        }
        None
    }
}

/// A guest with a kernel of its own: a namespace whose `eth0` is pumped to the tap.
pub struct Guest {
    pub namespace: OwnedFd,
    pub nic: NicSpec,
    /// Every frame that the host sent to it.
    pub seen: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    pump: Option<std::thread::JoinHandle<()>>,
}

impl Guest {
    fn new(tap: OwnedFd, nic: &NicSpec) -> Guest {
        let namespace = fresh_namespace();
        let wire = netns::inside(namespace.as_fd(), || tap::open("t0")).unwrap();
        let ip = nic.ip;
        let [a, b, c, _] = ip.octets();
        let router = Ipv4Addr::new(a, b, c, 1);
        shell(
            namespace.as_fd(),
            &format!(
                "ip link set lo up && ip link set t0 name eth0 && ip link set eth0 address {} mtu 1450 up &&
                 ip addr add {ip}/24 dev eth0 && ip route add default via {router}",
                nic.mac
            ),
        );
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (ending, log) = (stop.clone(), seen.clone());
        let pump = std::thread::spawn(move || pump(tap, wire, &ending, &log));
        Guest { namespace, nic: nic.clone(), seen, stop, pump: Some(pump) }
    }

    pub fn shell(&self, command: &str) -> String {
        shell(self.namespace.as_fd(), command)
    }

    /// Runs something on a thread in the guest.
    pub fn run<T: Send>(&self, run: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        netns::inside(self.namespace.as_fd(), run)
    }

    /// Whether an echo comes back; one that does not has half a second to be sure.
    pub fn pings(&self, to: &str) -> bool {
        let output = self.run(|| Command::new("ping").args(["-c1", "-W1", "-n", to]).output()).unwrap();
        output.status.success()
    }

    pub fn udp(&self) -> std::net::UdpSocket {
        let socket = self.run(|| std::net::UdpSocket::bind((self.nic.ip, 5000))).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    pub fn connect(&self, to: &str) -> io::Result<std::net::TcpStream> {
        let to: SocketAddr = to.parse().unwrap();
        self.run(|| std::net::TcpStream::connect_timeout(&to, PATIENCE))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(pump) = self.pump.take() {
            drop(pump.join());
        }
    }
}

fn pump(tap: OwnedFd, wire: OwnedFd, stop: &AtomicBool, log: &Mutex<Vec<Vec<u8>>>) {
    let (mut tap, mut wire) = (File::from(tap), File::from(wire));
    let mut buffer = [0; 70_000];
    while !stop.load(Ordering::Relaxed) {
        let ready = {
            let mut polled = [PollFd::new(tap.as_fd(), PollFlags::POLLIN), PollFd::new(wire.as_fd(), PollFlags::POLLIN)];
            poll(&mut polled, 20_u8).unwrap();
            polled.map(|fd| fd.revents().is_some_and(|events| events.contains(PollFlags::POLLIN)))
        };
        if ready[0]
            && let Ok(len) = tap.read(&mut buffer)
        {
            log.lock().unwrap().push(buffer[HEADER..len].to_vec());
            drop(wire.write_all(&buffer[..len]));
        }
        if ready[1]
            && let Ok(len) = wire.read(&mut buffer)
        {
            drop(tap.write_all(&buffer[..len]));
        }
    }
}
