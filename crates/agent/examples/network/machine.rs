//! A machine of the benchmark: a network namespace with the agent's network in it, and taps that are guests.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use hostspec::{HostSpec, VpcSpec};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use pileus_agent::net::{Names, NetConfig, Network, tap_name};
use tokio::runtime::Runtime;

/// Hardware address of the host's end of every tap.
const ROUTER: [u8; 6] = [0xee; 6];
/// The header that a tap puts before each frame (`virtio_net_hdr`).
const HEADER: usize = 10;
/// How long a tap may take until it sends.
const PATIENCE: Duration = Duration::from_secs(30);

/// A namespace with the agent's network in it.
pub struct Machine {
    /// The machine's own namespace.
    pub namespace: OwnedFd,
    /// Runs what the agent does.
    pub runtime: Runtime,
    /// The agent's network.
    pub network: Network,
    cloud: String,
    _state: tempfile::TempDir,
}

impl Machine {
    /// Makes a machine; `number` tells those of one run apart.
    pub fn new(number: usize) -> io::Result<Machine> {
        let namespace = namespace()?;
        let cloud = format!("b{:06x}{:x}", std::process::id() & 0xff_ffff, number % 16);
        let state = tempfile::tempdir()?;
        let config = NetConfig {
            cloud: cloud.clone(),
            state_dir: state.path().to_owned(),
            public_pool: "203.0.113.0/24".parse().map_err(io::Error::other)?,
            uplinks: pileus_agent::net::Uplinks::default(),
            resolvers: vec![],
            verify_after: pileus_agent::net::VERIFY_AFTER,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let network = inside(&namespace, || {
            let _guard = runtime.enter();
            Network::new(config).map_err(io::Error::other)
        })?;
        shell(&namespace, "ip link set lo up")?;
        Ok(Machine { namespace, runtime, network, cloud, _state: state })
    }

    /// Brings the machine to a document; anything that goes wrong is an error.
    pub fn apply(&self, spec: &HostSpec) -> io::Result<()> {
        let report = self.runtime.block_on(self.network.apply(spec));
        if report.faults.is_empty() { Ok(()) } else { Err(io::Error::other(format!("{:?}", report.faults))) }
    }

    /// Opens the tap of an interface of the VPC.
    pub fn guest(&self, vpc: &VpcSpec, ip: Ipv4Addr) -> io::Result<Guest> {
        let nic = vpc.nics.iter().find(|nic| nic.ip == ip).ok_or_else(|| io::Error::other("no such interface"))?;
        let tap = self.runtime.block_on(self.network.open_tap(vpc, nic))?;
        let names = Names::new(&self.cloud).map_err(io::Error::other)?;
        let namespace = File::open(format!("/run/netns/{}", names.namespace(vpc.id)))?.into();
        sends(&namespace, &tap_name(nic.id))?;
        Ok(Guest { tap: File::from(tap), mac: nic.mac.0, ip })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Err(error) = self.runtime.block_on(self.network.remove_all()) {
            eprintln!("not everything could be removed: {error}");
        }
    }
}

/// Waits until a tap sends: a worker of the kernel has to see first that somebody listens.
pub fn sends(namespace: &OwnedFd, tap: &str) -> io::Result<()> {
    let start = Instant::now();
    while shell(namespace, &format!("ip -br link show {tap}"))?.contains("NO-CARRIER") {
        if start.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("the tap {tap} does not send")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A guest that speaks frames on its tap.
pub struct Guest {
    /// The tap.
    pub tap: File,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its address.
    pub ip: Ipv4Addr,
}

impl Guest {
    /// The bytes that send a UDP datagram: the tap's header, Ethernet, IPv4, UDP without a checksum, and a number.
    pub fn datagram(&self, to: Ipv4Addr, from_port: u16, to_port: u16, number: u64) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        out.extend(ROUTER);
        out.extend(self.mac);
        out.extend([8, 0]);
        let start = out.len();
        out.extend([0x45, 0, 0, 20 + 8 + 8, 0, 0, 0x40, 0, 64, 17, 0, 0]);
        out.extend(self.ip.octets());
        out.extend(to.octets());
        let sum = checksum(&out[start..]);
        out[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
        for field in [from_port, to_port, 16, 0] {
            out.extend(field.to_be_bytes());
        }
        out.extend(number.to_be_bytes());
        out
    }

    /// Sends bytes made by [`Guest::datagram`].
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.tap).write_all(bytes)
    }

    /// The destination port and the number of the next datagram; none when none comes in time.
    pub fn receive(&self, within: Duration) -> io::Result<Option<(u16, u64)>> {
        let end = Instant::now() + within;
        let mut buffer = [0; 2048];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut polled = [PollFd::new(self.tap.as_fd(), PollFlags::POLLIN)];
            let wait = PollTimeout::try_from(left.max(Duration::from_millis(1))).map_err(io::Error::other)?;
            if poll(&mut polled, wait)? == 0 {
                return Ok(None);
            }
            let len = (&self.tap).read(&mut buffer)?;
            let frame = buffer.get(HEADER..len).unwrap_or_default();
            if frame.len() >= 50 && frame[12..14] == [8, 0] && frame[23] == 17 {
                let port = u16::from_be_bytes([frame[36], frame[37]]);
                let number = frame[42..50].try_into().map(u64::from_be_bytes).unwrap_or_default();
                return Ok(Some((port, number)));
            }
        }
    }
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Makes a network namespace without a name; it goes with its last descriptor.
pub fn namespace() -> io::Result<OwnedFd> {
    let made = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(File::open("/proc/thread-self/ns/net")?.into())
    });
    made.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
}

/// Runs something on a thread inside a namespace.
pub fn inside<T: Send>(namespace: &OwnedFd, run: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
            run()
        });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
    })
}

/// Runs a command in a namespace and gives its output; one that fails is an error.
pub fn shell(namespace: &OwnedFd, command: &str) -> io::Result<String> {
    let output = inside(namespace, || Command::new("sh").args(["-c", command]).output())?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command}: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
