//! The index that follows commits is the one that the rows alone would give, whatever was asked, refused or rolled back.

use std::net::{IpAddr, Ipv4Addr};

use hostspec::{Capacity, HostReport, HostSpec, Power, VERSION, VmReport, VmState, VolumeGoal, VolumeReport, VolumeState};
use model::{AccountId, Attributes, ImageId, InstanceId, Millis, QuotaName, Tags};
use store::StoreConfig;
use zeroize::Zeroizing;

use super::*;
use crate::{
    Clock, Ids, MASTER_KEY_LEN, MasterKey, NewHost, NewImage, Options, Region, RunInstances, StartInstances, StopInstances,
    TerminateInstances,
};

/// Steps of one seed.
const STEPS: u64 = 120;
/// Instances that the account may have: few, so that launches are refused half-way too.
const QUOTA: u64 = 40;
/// Room for eight of the smallest instances, so that hosts fill up.
const CAPACITY: Capacity = Capacity { vcpus: 16, memory: Mib(4 * 1024), disk_gib: 12, accelerator: Accelerator::Simulated };

struct World {
    cloud: Cloud,
    store: Store,
    clock: Clock,
    caller: Caller,
    image: ImageId,
    hosts: Vec<HostId>,
    known: Vec<InstanceId>,
    random: u64,
    sequence: u64,
    _folder: tempfile::TempDir,
}

fn cloud_on(store: &Store, clock: &Clock, seed: u64) -> Cloud {
    let region = Region {
        name: "fleet-1".to_owned(),
        zones: vec!["fleet-1a".to_owned(), "fleet-1b".to_owned()],
        default_vpc: "10.0.0.0/16".parse().unwrap(),
        public_pool: "198.18.0.0/24".parse().unwrap(),
        ipv6_pool: None,
        public_on_launch: false,
        domain: "fleet-1.internal".to_owned(),
        operator: AccountId::from_u64(1).unwrap(),
        cpu_overcommit: 1,
        disk_overcommit: 1,
        snapshot_modes: model::SnapshotModes::default(),
    };
    let master = MasterKey::new(&Zeroizing::new([7; MASTER_KEY_LEN]));
    Cloud::new(store.clone(), clock.clone(), Ids::from_seed(seed), master, region)
}

impl World {
    async fn new(seed: u64) -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::Sqlite { path: folder.path().join("control.db") }).unwrap();
        let clock = Clock::manual(Millis(1_800_000_000_000));
        let cloud = cloud_on(&store, &clock, seed);
        let key = cloud.account_create("main").await.unwrap();
        cloud.quota_set(key.account, QuotaName::Instances, QUOTA).await.unwrap();
        let image = NewImage {
            name: "small".to_owned(),
            description: String::new(),
            platform: "Linux".to_owned(),
            architecture: Architecture::X86_64,
            default_user: "root".to_owned(),
            manifest: "00".repeat(32),
            size_bytes: 1 << 28,
            min_disk: Gib(1),
        };
        let image = cloud.image_register(image).await.unwrap().id;
        let principal = cloud.principal(&key.id).await.unwrap().unwrap();
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let caller = Caller { principal, source, request: "r".to_owned(), action: "ec2:RunInstances" };
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        World { cloud, store, clock, caller, image, hosts: vec![], known: vec![], random, sequence: 0, _folder: folder }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    async fn step(&mut self) {
        match self.below(12) {
            0..=3 => self.launch().await,
            4..=6 => self.wish().await,
            7 | 8 => self.report().await,
            9 => drop(self.cloud.work_once("test").await.unwrap()),
            10 => {
                let pause = [10, 40_000, 4_000_000][self.below(3)];
                self.clock.set(self.clock.now().after(pause));
            }
            _ => self.disturb().await,
        }
    }

    async fn launch(&mut self) {
        let count = 1 + self.below(4) as u32;
        let command = RunInstances {
            template: None,
            role: None,
            image: self.image,
            instance_type: ["t3.nano", "t3.micro"][self.below(2)].to_owned(),
            min_count: count,
            max_count: count,
            zone: None,
            subnet: None,
            groups: vec![],
            group_names: vec![],
            private_ip: None,
            public_address: None,
            bandwidth: None,
            key_names: vec![],
            password_hash: None,
            user_data: None,
            names: vec![],
            description: String::new(),
            hostnames: vec![],
            host_names: model::HostNameSettings::default(),
            running: true,
            root_size: None,
            root_kind: model::VolumeKind::default(),
            root_provisioned: model::Provisioned::default(),
            root_encryption: model::EncryptionChoice::default(),
            root_deleted: true,
            root_name: String::new(),
            root_description: String::new(),
            volumes: vec![],
            attributes: Attributes::default(),
            tags: Tags::new(),
            volume_tags: Tags::new(),
            interface_tags: Tags::new(),
            nics: crate::LaunchNics::default(),
            placement: None,
            capacity: model::CapacityChoice::Open,
            fleet: None,
        };
        let options = Options { dry_run: self.below(4) == 0, ..Options::default() };
        match self.cloud.run(&self.caller, command, options).await {
            Ok(launched) => self.known.extend(launched.instances),
            Err(Error::DryRun | Error::QuotaExceeded { .. } | Error::NoCapacity { .. }) => {}
            Err(other) => panic!("a launch was refused with {other:?}"),
        }
    }

    async fn wish(&mut self) {
        if self.known.is_empty() {
            return;
        }
        let (one, other) = (self.below(self.known.len()), self.below(self.known.len()));
        let ids = vec![self.known[one], self.known[other]];
        let options = Options::default();
        let answer = match self.below(4) {
            0 => self.cloud.run(&self.caller, StartInstances { ids }, options).await,
            1 => {
                let keep_capacity = self.below(2) == 0;
                self.cloud.run(&self.caller, StopInstances { ids, force: true, keep_capacity }, options).await
            }
            _ => self.cloud.run(&self.caller, TerminateInstances { ids, only_stopped: false }, options).await,
        };
        match answer {
            Ok(_) | Err(Error::IncorrectState { .. } | Error::NoCapacity { .. } | Error::NotFound { .. }) => {}
            Err(other) => panic!("a wish was refused with {other:?}"),
        }
    }

    async fn report(&mut self) {
        for host in self.hosts.clone() {
            let spec = self.cloud.document(host).await.unwrap();
            self.sequence += 1;
            self.cloud.report(report(&spec, self.sequence)).await.unwrap();
        }
    }

    /// Another host, one that falls silent, or another control plane on the same rows.
    async fn disturb(&mut self) {
        match self.below(3) {
            0 if self.hosts.len() < 12 => {
                let n = self.hosts.len();
                let zones = vec![["fleet-1a", "fleet-1b"][n % 2].to_owned()];
                let new = NewHost { name: format!("h{n}"), zones, underlay: Ipv4Addr::new(10, 255, 0, n as u8), rack: None };
                self.hosts.extend(self.cloud.hosts_join(vec![new]).await.unwrap());
                self.report().await;
            }
            1 => {
                let now = self.clock.now();
                self.store.write(move |tx| crate::report::mark_silent(tx, now)).await.unwrap();
            }
            _ => self.cloud = cloud_on(&self.store, &self.clock, self.random),
        }
    }

    /// The followed index, once nothing is in doubt, against one that is read from the rows; whether anything is held.
    async fn check(&self, seed: u64, step: u64) -> bool {
        while !self.cloud.fleet().is_settled() {
            self.cloud.settle_fleet().await.unwrap();
        }
        let (cloud, hosts) = (self.cloud.clone(), self.hosts.clone());
        let (followed, read) = self
            .store
            .read(move |tx| {
                let mut anew = Fleet::new(cloud.store(), 1);
                anew.settle(tx, usize::MAX)?;
                Ok::<_, Failure>((contents(&cloud.fleet(), &hosts), contents(&anew, &hosts)))
            })
            .await
            .unwrap();
        assert_eq!(followed, read, "seed {seed} step {step}");
        read.iter().any(|(_, held)| held.is_some_and(|held| held.mib > 0))
    }
}

fn contents(fleet: &Fleet, hosts: &[HostId]) -> Vec<(Option<HostRow>, Option<Cost>)> {
    assert_eq!(fleet.hosts.host_count(), hosts.len());
    hosts.iter().map(|id| (fleet.hosts.host_row(*id).cloned(), fleet.hosts.host_held(*id))).collect()
}

fn report(spec: &HostSpec, sequence: u64) -> HostReport {
    let state = |power| if power == Power::On { VmState::Running } else { VmState::Stopped };
    let vm = |vm: &hostspec::VmSpec| VmReport {
        id: vm.id,
        state: state(vm.power),
        boot: vm.boot,
        started_at_ms: 1,
        guest_up: true,
        disks: vm.disks.iter().map(|disk| disk.volume).collect(),
        nics: vm.nics.iter().map(|nic| nic.id).collect(),
        fault: None,
    };
    let bytes = |goal: &VolumeGoal| match goal {
        VolumeGoal::Present { size_bytes, .. } => VolumeState::Present { size_bytes: *size_bytes },
        VolumeGoal::Deleted => VolumeState::Deleted,
    };
    let volume = |volume: &hostspec::VolumeSpec| VolumeReport {
        id: volume.id,
        generation: volume.generation,
        state: bytes(&volume.goal),
        fault: None,
    };
    HostReport {
        version: VERSION,
        host: spec.host,
        incarnation: 1,
        sequence,
        generation: spec.generation,
        applied: spec.generation,
        capacity: CAPACITY,
        vms: spec.vms.iter().map(|machine| vm(machine)).collect(),
        volumes: spec.volumes.iter().map(volume).collect(),
        snapshots: vec![],
        consoles: vec![],
        traffic: None,
        faults: vec![],
    }
}

#[tokio::test]
async fn an_index_that_follows_commits_is_the_one_that_rows_give() {
    let mut checks_with_load = 0;
    for seed in 1..=12 {
        let mut world = World::new(seed).await;
        for step in 0..STEPS {
            world.step().await;
            if step % 7 == 0 {
                checks_with_load += usize::from(world.check(seed, step).await);
            }
        }
        world.check(seed, STEPS).await;
    }
    assert!(checks_with_load > 50, "hosts held something only at {checks_with_load} checks");
}

#[tokio::test]
async fn room_that_is_given_back_is_found_at_once() {
    let mut world = World::new(1).await;
    let new = NewHost { name: "h".to_owned(), zones: vec!["fleet-1a".to_owned()], underlay: Ipv4Addr::LOCALHOST, rack: None };
    world.hosts = world.cloud.hosts_join(vec![new]).await.unwrap();
    world.report().await;
    while world.known.len() < 5 {
        world.launch().await;
    }
    assert!(world.check(1, 0).await, "the host holds what was launched");
    let all = TerminateInstances { ids: world.known.clone(), only_stopped: false };
    world.cloud.run(&world.caller, all, Options::default()).await.unwrap();
    for _ in 0..4 {
        while world.cloud.work_once("test").await.unwrap() > 0 {}
        world.report().await;
    }
    assert!(!world.check(1, 1).await, "and nothing after it is gone");
}
