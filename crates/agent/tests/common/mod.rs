//! A cloud of one host for tests: a real agent, real QEMU, a real image server, all in one temporary folder.
#![allow(dead_code, unused_imports, reason = "each test file uses a part")]
#![allow(clippy::missing_panics_doc, missing_docs, reason = "these are tests")]

pub mod history;
mod process;
pub mod seeds;
mod snapshots;

use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hostspec::*;
use model::{HostId, ImageId, InstanceId, InterfaceId, MacAddr, Mib, SubnetId, VolumeId, VpcId};
use pileus_agent::{Agent, AgentConfig, AgentHandle};
use repository::{BootFiles, Repository};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

pub use process::HostProcess;
pub use snapshots::*;

/// Longest wait for anything: other builds may have the machine for themselves for a while.
pub const LIMIT: Duration = Duration::from_secs(60);

pub const MIB: u64 = 1 << 20;
pub const OFF_NOW: Power = Power::Off { grace_seconds: 0 };
pub const HOST: HostId = HostId::from_u64(1);

static GUEST: &[u8; 512] = include_bytes!("../guests/guest.bin");
pub static RANDOM: &[u8; 512] = include_bytes!("../guests/random.bin");
static KERNEL: &[u8] = include_bytes!("../guests/kernel.bin");
const LETTER_AT: usize = 508;

/// Where the marking guest writes the numbers of its writes, in turn: this many blocks of this size from there on.
pub const FIRST_MARK: u64 = MIB;
const MARKED_BLOCK: u64 = 32 << 10;
pub const MARKED_BLOCKS: u64 = 512;

/// The number of the last write to each block of a disk of the marking guest.
pub fn marks(disk: &[u8]) -> impl Iterator<Item = u64> {
    (0..MARKED_BLOCKS).map(|block| {
        let at = (FIRST_MARK + block * MARKED_BLOCK) as usize;
        u64::from(u32::from_le_bytes(disk[at..at + 4].try_into().unwrap()))
    })
}

/// The newest write that such a disk holds. Panics unless it holds everything up to it and nothing after.
pub fn newest_mark(disk: &[u8]) -> u64 {
    let marks: Vec<u64> = marks(disk).collect();
    let newest = *marks.iter().max().unwrap();
    for write in newest + 1 - MARKED_BLOCKS.min(newest)..=newest {
        assert_eq!(marks[(write % MARKED_BLOCKS) as usize], write, "the write {write} of {newest} is not there");
    }
    newest
}

/// What the guest of a machine does; see guests/guest.s, and guests/random.s for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guest {
    Stubborn,
    Obedient,
    Quitter,
    Writer,
    Marker,
    Kernel,
    Random,
}

impl Guest {
    fn letter(self) -> u8 {
        match self {
            Guest::Stubborn | Guest::Kernel => b's',
            Guest::Obedient => b'o',
            Guest::Quitter => b'q',
            Guest::Writer => b'w',
            Guest::Marker => b'm',
            Guest::Random => b'r',
        }
    }

    fn image(self) -> ImageId {
        ImageId::from_u64(u64::from(self.letter()) + if self == Guest::Kernel { 256 } else { 0 })
    }
}

/// A file system of its own in memory, small enough to fill; taken away when dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    pub fn new(at: &Path, size: &str) -> SmallDisk {
        fs::create_dir_all(at).unwrap();
        nix::mount::mount(Some("small"), at, Some("tmpfs"), nix::mount::MsFlags::empty(), Some(&*format!("size={size}"))).unwrap();
        SmallDisk(at.to_owned())
    }

    pub fn resize(&self, size: &str) {
        nix::mount::mount(None::<&str>, &self.0, None::<&str>, nix::mount::MsFlags::MS_REMOUNT, Some(&*format!("size={size}"))).unwrap();
    }

    /// Makes it as small as what it holds, at once.
    pub fn shrink(&self) {
        let shrunk = (0..100).find_map(|_| {
            let stat = nix::sys::statvfs::statvfs(&self.0).unwrap();
            let used = (stat.blocks() - stat.blocks_available()) as u64 * stat.fragment_size() as u64;
            let size = format!("size={used}");
            let flags = nix::mount::MsFlags::MS_REMOUNT;
            // Somebody may have written more meanwhile.
            nix::mount::mount(None::<&str>, &self.0, None::<&str>, flags, Some(&*size)).ok()
        });
        shrunk.expect("it holds still for a moment");
    }

    /// Takes all room that is left, until the file that is given is removed.
    pub fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).unwrap();
        let full = (0..).find_map(|_| file.write_all(&[1; 4096]).err()).unwrap();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

/// A host with its agent.
pub struct Cloud {
    pub folder: TempDir,
    pub config: AgentConfig,
    pub spec: HostSpec,
    pub agent: Option<AgentHandle>,
    /// The agent where it is a process of its own.
    pub process: Option<HostProcess>,
    documents: watch::Sender<Arc<HostSpec>>,
    reports: mpsc::Receiver<HostReport>,
    pub last: Option<HostReport>,
    /// How snapshots are taken that are asked for.
    pub mode: model::SnapshotMode,
}

/// The program that stands in for `pileus`.
pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_agent_host").into()
}

impl Cloud {
    pub async fn new() -> Cloud {
        let folder = tempfile::Builder::new().prefix("pileus-").tempdir().unwrap();
        let state = folder.path().join("state");
        Cloud::at(folder, state).await
    }

    pub async fn at(folder: TempDir, state: PathBuf) -> Cloud {
        let repository = folder.path().join("repository");
        Repository::open(&repository).unwrap();
        let config = AgentConfig::new(HOST, state, repository);
        let config = AgentConfig { program: program(), accelerator: Some(Accelerator::Tcg), ..config };
        let (documents, _) = watch::channel(Arc::new(HostSpec::empty(HOST)));
        let (_, reports) = mpsc::channel(1);
        let mut cloud = Cloud {
            folder,
            config,
            spec: HostSpec::empty(HOST),
            agent: None,
            process: None,
            documents,
            reports,
            last: None,
            mode: model::SnapshotMode::Redirect,
        };
        cloud.start_agent().await;
        cloud
    }

    /// Starts an agent that knows nothing but its state folder.
    pub async fn start_agent(&mut self) {
        let (documents, receiver) = watch::channel(Arc::new(HostSpec::empty(HOST)));
        let (sender, reports) = mpsc::channel(64);
        self.agent = Some(Agent::start(self.config.clone(), receiver, sender).await.unwrap());
        (self.documents, self.reports, self.last) = (documents, reports, None);
    }

    pub fn agent(&self) -> &AgentHandle {
        self.agent.as_ref().unwrap()
    }

    /// Imports the image of a guest and adds a machine of it to the document.
    pub fn add(&mut self, number: u64, guest: Guest) -> InstanceId {
        self.add_image(guest);
        let volume = VolumeId::from_u64(number);
        self.spec.volumes.push(VolumeSpec {
            id: volume,
            generation: 1,
            goal: VolumeGoal::Present {
                size_bytes: 64 * MIB,
                image: Some(guest.image()),
                manifest: None,
                keys: DiskKeys::default(),
                shared: false,
            },
        });
        self.spec
            .vms
            .push(machine(number, vec![DiskSpec { volume, serial: format!("vol{number}"), limits: model::DiskLimits::default() }]).into());
        InstanceId::from_u64(number)
    }

    fn add_image(&mut self, guest: Guest) {
        if self.spec.images.iter().any(|image| image.id == guest.image()) {
            return;
        }
        let mut disk = vec![0; MIB as usize];
        if guest == Guest::Random {
            disk[..RANDOM.len()].copy_from_slice(RANDOM);
        } else {
            disk[..GUEST.len()].copy_from_slice(GUEST);
            disk[LETTER_AT] = guest.letter();
        }
        let files = [self.folder.path().join("kernel"), self.folder.path().join("initrd")];
        fs::write(&files[0], KERNEL).unwrap();
        fs::write(&files[1], b"a disk of RAM").unwrap();
        let boot = BootFiles { kernel: files[0].clone(), initrd: Some(files[1].clone()), cmdline: "quiet, please".into() };
        let boot = (guest == Guest::Kernel).then_some(&boot);
        let digest = Repository::open(&self.config.repository).unwrap().import_raw(&disk[..], boot).unwrap();
        self.spec.images.push(ImageSpec { id: guest.image(), manifest: digest.to_string(), size_bytes: MIB });
    }

    /// Plugs a machine into a VPC of its own.
    pub fn plug(&mut self, id: InstanceId) {
        let (nic, subnet, mac) = (InterfaceId::from_u64(id.as_u64()), SubnetId::from_u64(1), MacAddr::local(id.as_u64()));
        self.vm(id).nics = vec![VmNic { id: nic, mac, mtu: 1500, index: 0, group_names: vec![] }];
        let range = "10.9.0.0/24".parse().unwrap();
        let ip = Ipv4Addr::new(10, 9, 0, 10);
        let known = NicSpec {
            id: nic,
            vm: id,
            subnet,
            mac,
            ip,
            hostname: "guest".into(),
            id_records: hostspec::IdRecords::default(),
            public_ip: None,
            secondary: vec![],
            groups: vec![],
            forwards: false,
            rates: vec![],
            v6: vec![],
        };
        self.spec.networks.push(VpcSpec {
            id: VpcId::from_u64(id.as_u64()),
            vni: id.as_u64() as u32,
            ranges: vec![range],
            subnets: vec![SubnetSpec {
                id: subnet,
                range,
                gateway: Ipv4Addr::new(10, 9, 0, 1),
                ways_out: vec![],
                acl: None,
                hops: vec![],
                v6: None,
            }],
            nics: vec![known],
            remote: vec![],
            groups: vec![],
            names: vec![],
            names6: vec![],
            domain: "test.internal".into(),
            resolver: true,
            dhcp: hostspec::DhcpOptions::default(),
            shared: vec![],
            forwards: vec![],
            mapped: vec![],
            rates: vec![],
            homes: vec![],
            peers: vec![],
            v6: None,
            logged: vec![],
            kept: vec![],
        });
    }

    pub fn vm(&mut self, id: InstanceId) -> &mut VmSpec {
        self.spec.vms.iter_mut().find(|vm| vm.id == id).unwrap()
    }

    /// Hands the document over as the next generation.
    pub fn send(&mut self) {
        self.spec.generation += 1;
        match &mut self.process {
            Some(process) => process.send(&self.spec),
            None => drop(self.documents.send_replace(Arc::new(self.spec.clone()))),
        }
    }

    /// Waits for a report that shows something.
    pub async fn until(&mut self, what: &str, shows: impl Fn(&HostReport) -> bool) -> HostReport {
        let wait = async {
            loop {
                if let Some(last) = self.last.as_ref().filter(|last| shows(last)) {
                    return last.clone();
                }
                self.last = Some(self.reports.recv().await.expect("the agent reports"));
            }
        };
        match tokio::time::timeout(LIMIT, wait).await {
            Ok(report) => report,
            Err(_) => panic!("no report shows {what}; the last one is {:#?}", self.last),
        }
    }

    /// Waits until a machine is in a state under a restart count.
    pub async fn until_state(&mut self, id: InstanceId, state: VmState, boot: u64) -> HostReport {
        self.until(&format!("{id} {state:?} {boot}"), |r| vm_of(r, id).is_some_and(|vm| vm.state == state && vm.boot == boot)).await
    }

    /// Waits until a machine's console shows a text so many times.
    pub async fn until_console(&self, id: InstanceId, text: &str, times: usize) -> String {
        let wait = async {
            loop {
                let output = self.agent().console_output(id).await.map(|c| c.bytes).unwrap_or_default();
                let output = String::from_utf8_lossy(&output).into_owned();
                if output.matches(text).count() >= times {
                    return output;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("the console never shows {text:?} {times} times"))
    }

    /// Starts a machine of a guest and waits until it says that it is up.
    pub async fn launch(&mut self, number: u64, guest: Guest) -> InstanceId {
        let id = self.add(number, guest);
        self.send();
        self.until_state(id, VmState::Running, 1).await;
        self.until_console(id, if guest == Guest::Kernel { "kernel up" } else { "guest up" }, 1).await;
        id
    }

    pub fn vm_folder(&self, id: InstanceId) -> PathBuf {
        self.config.state.join("vms").join(id.to_string())
    }

    pub fn pid(&self, id: InstanceId) -> i32 {
        pid_in(&self.vm_folder(id)).expect("the machine runs")
    }

    /// Everything of this cloud that is left on the machine: processes, control groups, files.
    pub fn left(&self) -> Vec<String> {
        let mut out = processes_of(self.folder.path());
        let cloud = pileus_agent::runtime::cloud_of(&self.config.state);
        for controller in ["", "memory", "cpu", "pids"] {
            let group = Path::new("/sys/fs/cgroup").join(controller).join(format!("pileus-{cloud}"));
            out.extend(group.exists().then(|| group.display().to_string()));
        }
        out.extend(fs::read_dir(&self.config.state).into_iter().flatten().flatten().map(|e| e.path().display().to_string()));
        let namespaces = fs::read_dir("/run/netns").into_iter().flatten().flatten().map(|e| e.file_name().to_string_lossy().into_owned());
        out.extend(namespaces.filter(|name| name.starts_with(&self.config.network.cloud)));
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let state = self.config.state.display().to_string() + "/";
        out.extend(mounts.lines().filter(|line| line.contains(&state)).map(str::to_owned));
        out
    }

    /// Purges the cloud and makes sure that nothing is left.
    pub async fn finish(mut self) {
        self.agent.take().unwrap().purge().await.unwrap();
        assert_eq!(self.left(), Vec::<String>::new());
    }
}

impl Drop for Cloud {
    /// After a failure: what `finish` would have done, without an agent.
    fn drop(&mut self) {
        drop(self.process.take()); // It would start the image server again.
        let cloud = pileus_agent::runtime::cloud_of(&self.config.state);
        for entry in fs::read_dir(self.config.state.join("vms")).into_iter().flatten().flatten() {
            pid_in(&entry.path()).iter().for_each(|pid| signal(*pid, "KILL"));
        }
        let pids = processes_of(self.folder.path());
        pids.iter().filter_map(|p| p.split(' ').next()?.parse().ok()).for_each(|pid| signal(pid, "KILL"));
        for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.config.network.cloud) {
                let _ = nix::mount::umount2(&entry.path(), nix::mount::MntFlags::MNT_DETACH);
                let _ = fs::remove_file(entry.path());
            }
        }
        for controller in ["", "memory", "cpu", "pids"] {
            let group = Path::new("/sys/fs/cgroup").join(controller).join(format!("pileus-{cloud}"));
            let inner = fs::read_dir(&group).into_iter().flatten().flatten().filter(|e| e.path().is_dir());
            let inner: Vec<_> = inner.map(|e| e.path()).collect();
            for _ in 0..100 {
                inner.iter().chain([&group]).for_each(|g| drop(fs::remove_dir(g)));
                if !group.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

pub fn signal(pid: i32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
    drop(status);
}

pub fn pid_in(folder: &Path) -> Option<i32> {
    let text = fs::read_to_string(folder.join("pid.json")).ok()?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    value["identity"]["pid"].as_i64().map(|pid| pid as i32)
}

/// Processes other than this one whose command line or environment names a folder, or whose cage is of the cloud in it.
pub fn processes_of(folder: &Path) -> Vec<String> {
    let cloud = pileus_agent::runtime::cloud_of(&folder.join("state"));
    let marks = [folder.display().to_string(), format!("PILEUS_CAGE={cloud}/")];
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let read = |file| fs::read(entry.path().join(file)).unwrap_or_default();
        let text = [read("cmdline"), read("environ")].concat();
        let text = String::from_utf8_lossy(&text).replace('\0', " ");
        if pid != std::process::id() && marks.iter().any(|mark| text.contains(mark)) {
            out.push(format!("{pid} {text}"));
        }
    }
    out
}

/// The process of the image server, if it takes connections.
pub fn server_pid(cloud: &Cloud) -> Option<i32> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    let line = std::os::unix::net::UnixStream::connect(cloud.config.state.join("images/server.sock")).ok()?;
    getsockopt(&line, PeerCredentials).ok().map(|peer| peer.pid())
}

pub fn vm_of(report: &HostReport, id: InstanceId) -> Option<&VmReport> {
    report.vms.iter().find(|vm| vm.id == id)
}

pub fn fault_of(report: &HostReport, id: InstanceId) -> Option<&Fault> {
    vm_of(report, id)?.fault.as_ref()
}

pub fn volume_of(report: &HostReport, number: u64) -> Option<&VolumeReport> {
    report.volumes.iter().find(|v| v.id == VolumeId::from_u64(number))
}

/// An agent in a process of its own, to be killed.
pub fn agent_process(cloud: &Cloud) -> Child {
    let document = cloud.folder.path().join("document.json");
    fs::write(&document, serde_json::to_vec(&cloud.spec).unwrap()).unwrap();
    Command::new(program())
        .arg("run")
        .args([&cloud.config.state, &cloud.config.repository, &document])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

pub fn machine(number: u64, disks: Vec<DiskSpec>) -> VmSpec {
    let firmware =
        Firmware { uuid: format!("ec2{number:05}-0000-4000-8000-000000000001"), manufacturer: "Pileus".into(), product: "x".into() };
    VmSpec {
        id: InstanceId::from_u64(number),
        power: Power::On,
        boot: 1,
        reset: Reset::Hard,
        vcpus: 1,
        memory: Mib(64),
        firmware,
        disks,
        seized: vec![],
        nics: vec![],
        metadata: metadata(),
    }
}

fn metadata() -> GuestMetadata {
    GuestMetadata {
        account: "000000000001".into(),
        region: "test".into(),
        zone: "test-a".into(),
        image: ImageId::from_u64(1),
        instance_type: "t1".into(),
        reservation: "r-1".into(),
        launch_index: 0,
        launched_at: "2026-01-01T00:00:00Z".into(),
        hostname: "guest".into(),
        name: "guest".into(),
        ssh_keys: vec![],
        password_hash: None,
        user_data_base64: None,
        tags: vec![],
        token_required: false,
        hop_limit: 1,
        enabled: true,
        private_ip: Ipv4Addr::UNSPECIFIED,
        public_ip: None,
        security_groups: vec![],
        role: None,
        placement: None,
        events: vec![],
    }
}

/// Panics unless every block holds a whole write of its own, of whichever run of the guest.
pub fn every_block_is_its_own(disk: &[u8]) {
    for (block, mark) in marks(disk).enumerate() {
        assert!(mark == 0 || mark % MARKED_BLOCKS == block as u64, "block {block} holds write {mark}");
    }
}
