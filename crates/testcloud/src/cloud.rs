//! The small cloud: two accounts, two images, one simulated host, a clock that stands until it is moved.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use control::{Caller, Clock, Cloud, Ids, MasterKey, NewHost, NewImage, Principal, Region};
use hostspec::{
    Accelerator, Capacity, FlowReport, HostReport, HostSpec, Power, SnapshotPart, SnapshotReport, SnapshotState, VmReport, VmSpec, VmState,
    VolumeGoal, VolumeReport, VolumeSpec, VolumeState,
};
use model::{AccountId, Architecture, FlowBatch, Gib, HostId, Mib, Millis};
use store::{Store, StoreConfig};
use zeroize::Zeroizing;

/// 2026-11-20T12:00:00Z, where its clock stands.
pub const NOON: Millis = Millis(1_795_176_000_000);
const OPERATOR: u64 = 999_988_887_777;
/// Rounds of asking and telling after which nothing moves any more.
const ROUNDS: usize = 6;

/// The cloud and those who call it.
pub struct SmallCloud {
    /// The control plane.
    pub cloud: Cloud,
    /// The root of the account under test.
    pub owner: Arc<Principal>,
    /// The root of another account.
    pub stranger: Arc<Principal>,
    /// Its only host, in the zone `test-1a`.
    pub host: HostId,
    sequence: AtomicU64,
    _folder: tempfile::TempDir,
}

impl SmallCloud {
    /// Makes the cloud, with room for some 60 small instances.
    ///
    /// # Panics
    /// When anything of it cannot be made.
    pub async fn new() -> SmallCloud {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let store = Store::open(StoreConfig::Sqlite { path: folder.path().join("pileus.db") }).expect("a new database opens");
        let master = MasterKey::new(&Zeroizing::new([7; 32]));
        let cloud = Cloud::new(store, Clock::manual(NOON), Ids::from_seed(7), master, region());
        let owner = account(&cloud, "owner").await;
        let stranger = account(&cloud, "stranger").await;
        for (name, min_disk) in [("pileus-linux", 1), ("debian-12", 4)] {
            cloud.image_register(image(name, min_disk)).await.expect("an image is registered");
        }
        let joining = NewHost { name: "h1".into(), zones: vec!["test-1a".into()], underlay: Ipv4Addr::new(192, 0, 2, 1), rack: None };
        let host = cloud.hosts_join(vec![joining]).await.expect("a host joins")[0];
        let small = SmallCloud { cloud, owner, stranger, host, sequence: AtomicU64::new(0), _folder: folder };
        small.settle().await;
        small
    }

    /// Lets the host do what it is asked for, and the control plane hear of it, until nothing moves.
    ///
    /// # Panics
    /// When the control plane fails.
    pub async fn settle(&self) {
        for _ in 0..ROUNDS {
            let spec = self.cloud.render(self.host).await.expect("a document is rendered");
            let sequence = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
            self.cloud.report(report_of(&spec, sequence)).await.expect("a report is taken down");
            while self.cloud.work_once("test").await.expect("work is done") > 0 {}
        }
    }

    /// Moves the clock on by so many milliseconds, and has happen what is due then.
    ///
    /// # Panics
    /// When the control plane fails.
    pub async fn later(&self, milliseconds: i64) {
        let clock = self.cloud.clock();
        clock.set(clock.now().after(milliseconds));
        self.settle().await;
    }

    /// Has the host tell of flows.
    ///
    /// # Panics
    /// When the control plane fails.
    pub async fn tell_flows(&self, number: u64, batch: FlowBatch) {
        let report = FlowReport { number, batches: vec![batch] };
        self.cloud.take_flows(self.host, report).await.expect("flows are written down");
    }

    /// The account under test as the caller of an action, for what a test asks of the control plane itself.
    pub fn caller(&self, action: &'static str) -> Caller {
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Caller { principal: self.owner.clone(), source, request: "req-0".to_owned(), action }
    }
}

fn region() -> Region {
    Region {
        name: "test-1".into(),
        zones: vec!["test-1a".into(), "test-1b".into()],
        default_vpc: "172.31.0.0/16".parse().expect("it is a range"),
        public_pool: "198.51.100.0/24".parse().expect("it is a range"),
        ipv6_pool: Some("fd12:3456:789a::/48".parse().expect("it is a range")),
        public_on_launch: true,
        domain: "internal.test".into(),
        operator: AccountId::from_u64(OPERATOR).expect("it has twelve digits"),
        cpu_overcommit: 1,
        disk_overcommit: 1,
        snapshot_modes: model::SnapshotModes::default(),
    }
}

async fn account(cloud: &Cloud, name: &str) -> Arc<Principal> {
    let key = cloud.account_create(name).await.expect("an account is made");
    cloud.principal(&key.id).await.expect("keys are read").expect("the key is there")
}

fn image(name: &str, min_disk: u32) -> NewImage {
    NewImage {
        name: name.into(),
        description: format!("the image {name}"),
        platform: "Linux".into(),
        architecture: Architecture::X86_64,
        default_user: "root".into(),
        manifest: "ab".repeat(32),
        size_bytes: 1 << 20,
        min_disk: Gib(min_disk),
    }
}

/// What a host says that does at once whatever it is asked for.
fn report_of(spec: &HostSpec, sequence: u64) -> HostReport {
    HostReport {
        version: hostspec::VERSION,
        host: spec.host,
        incarnation: 1,
        sequence,
        generation: spec.generation,
        applied: spec.generation,
        capacity: Capacity { vcpus: 128, memory: Mib(64 * 1024), disk_gib: 1_000, accelerator: Accelerator::Simulated },
        vms: spec.vms.iter().map(|machine| vm(machine)).collect(),
        volumes: spec.volumes.iter().map(volume).collect(),
        snapshots: spec.snapshots.iter().flat_map(|job| &job.parts).map(snapshot).collect(),
        consoles: vec![],
        traffic: None,
        faults: vec![],
    }
}

fn vm(vm: &VmSpec) -> VmReport {
    let on = vm.power == Power::On;
    let state = if on { VmState::Running } else { VmState::Stopped };
    let disks = if on { vm.disks.iter().map(|disk| disk.volume).collect() } else { vec![] };
    let nics = vm.nics.iter().filter(|_| on).map(|nic| nic.id).collect();
    VmReport { id: vm.id, state, boot: vm.boot, started_at_ms: 1, guest_up: on, disks, nics, fault: None }
}

fn volume(volume: &VolumeSpec) -> VolumeReport {
    let state = match volume.goal {
        VolumeGoal::Present { size_bytes, .. } => VolumeState::Present { size_bytes },
        VolumeGoal::Deleted => VolumeState::Deleted,
    };
    VolumeReport { id: volume.id, generation: volume.generation, state, fault: None }
}

fn snapshot(part: &SnapshotPart) -> SnapshotReport {
    let state = SnapshotState::Done { manifest: "ab".repeat(32), size_bytes: 0, stored_bytes: 0 };
    SnapshotReport { id: part.snapshot, state, consistency: Some(model::Consistency::FileSystem), fault: None }
}
