//! A control plane over an embedded database, with a clock that stands, and callers of its accounts.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use control::{
    Caller, Clock, Cloud, Ids, MASTER_KEY_LEN, MasterKey, NewHost, NewImage, Options, Region, RunInstances, SnapshotOf, TakeSnapshots,
};
use hostspec::HostSpec;
use model::{AccountId, Architecture, Attributes, Gib, HostId, ImageId, Millis, Snapshot, Tags, VolumeId};
use pileus_sim::hosts::Simulated;
use store::{Store, StoreConfig};
use zeroize::Zeroizing;

/// When the clock of every test starts.
pub const START: Millis = Millis(1_800_000_000_000);

/// A control plane, its hosts and what it offers.
pub struct World {
    pub cloud: Cloud,
    pub store: Store,
    pub clock: Clock,
    pub hosts: Vec<Simulated>,
    pub ids: Vec<HostId>,
    pub image: ImageId,
    pub account: AccountId,
    key: String,
    seed: u64,
    _folder: tempfile::TempDir,
}

fn region() -> Region {
    Region {
        name: "sim-1".to_owned(),
        zones: vec!["sim-1a".to_owned(), "sim-1b".to_owned()],
        default_vpc: "10.0.0.0/16".parse().unwrap(),
        public_pool: "198.18.0.0/24".parse().unwrap(),
        ipv6_pool: None,
        public_on_launch: true,
        domain: "sim-1.internal".to_owned(),
        operator: AccountId::from_u64(1).unwrap(),
        cpu_overcommit: 1,
        disk_overcommit: 4,
        snapshot_modes: model::SnapshotModes::default(),
    }
}

fn cloud_on(store: &Store, clock: &Clock, seed: u64) -> Cloud {
    let master = MasterKey::new(&Zeroizing::new([7; MASTER_KEY_LEN]));
    Cloud::new(store.clone(), clock.clone(), Ids::from_seed(seed), master, region())
}

impl World {
    /// A region of two zones with so many hosts, an image and an account.
    pub async fn new(hosts: u32, seed: u64) -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::Sqlite { path: folder.path().join("control.db") }).unwrap();
        let clock = Clock::manual(START);
        let cloud = cloud_on(&store, &clock, seed);
        let image = cloud.image_register(image()).await.unwrap();
        let key = cloud.account_create("main").await.unwrap();
        let new = |n: u32| NewHost {
            name: format!("h{n}"),
            zones: vec![["sim-1a", "sim-1b"][n as usize % 2].to_owned()],
            underlay: Ipv4Addr::new(10, 255, 0, n as u8),
            rack: Some(format!("r{}", n / 4)),
        };
        let ids = cloud.hosts_join((0..hosts).map(new).collect()).await.unwrap();
        let hosts = ids.iter().map(|id| Simulated::new(*id)).collect();
        let mut world =
            World { cloud, store, clock, hosts, ids, image: image.id, account: key.account, key: key.id, seed, _folder: folder };
        world.settle().await;
        world
    }

    /// A caller with the rights of the first account's root.
    pub async fn root(&self) -> Caller {
        self.caller(&self.key).await
    }

    /// A completed snapshot of a volume.
    pub async fn snapshot(&mut self, volume: VolumeId) -> Snapshot {
        let root = self.root().await;
        let take = TakeSnapshots {
            of: SnapshotOf::Volumes(vec![volume]),
            name: String::new(),
            description: String::new(),
            tags: Tags::new(),
            copy_tags: false,
        };
        let id = self.cloud.run(&root, take, Options::default()).await.unwrap()[0].id;
        self.settle().await;
        self.store.get(id).await.unwrap().expect("it was made")
    }

    /// A caller by its access key.
    pub async fn caller(&self, key: &str) -> Caller {
        let principal = self.cloud.principal(key).await.unwrap().expect("the key exists");
        Caller { principal, source: IpAddr::V4(Ipv4Addr::LOCALHOST), request: "r".to_owned(), action: "ec2:RunInstances" }
    }

    /// Ends the control plane as a crash does, and starts another on the same database.
    pub fn crash(&mut self) {
        self.seed += 1;
        self.cloud = cloud_on(&self.store, &self.clock, self.seed);
    }

    /// The document that a host should have now, made from the one before, which must give the same as the rows alone.
    pub async fn document(&self, host: usize) -> Arc<HostSpec> {
        let document = self.cloud.document(self.ids[host]).await.unwrap();
        assert_eq!(*document, self.cloud.render(self.ids[host]).await.unwrap());
        document
    }

    /// Brings everything to rest: documents to hosts, reports back, due wakes handled.
    pub async fn settle(&mut self) {
        for _ in 0..6 {
            for host in 0..self.hosts.len() {
                let document = self.document(host).await;
                let report = self.hosts[host].obey(&document);
                self.cloud.report(report).await.unwrap();
            }
            while self.cloud.work_once("test").await.unwrap() > 0 {}
        }
    }

    /// Moves the clock.
    pub fn wait(&self, millis: i64) {
        self.clock.set(self.clock.now().after(millis));
    }
}

fn image() -> NewImage {
    NewImage {
        name: "small".to_owned(),
        description: String::new(),
        platform: "Linux".to_owned(),
        architecture: Architecture::X86_64,
        default_user: "root".to_owned(),
        manifest: "00".repeat(32),
        size_bytes: 1 << 28,
        min_disk: Gib(1),
    }
}

/// A launch of so many of the smallest instances.
pub fn launch(image: ImageId, min: u32, max: u32) -> RunInstances {
    RunInstances {
        template: None,
        role: None,
        image,
        instance_type: "t3.nano".to_owned(),
        min_count: min,
        max_count: max,
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
        names: vec!["n".to_owned()],
        description: String::new(),
        hostnames: vec![],
        host_names: model::HostNameSettings::default(),
        root_size: None,
        root_kind: model::VolumeKind::default(),
        root_provisioned: model::Provisioned::default(),
        root_encryption: model::EncryptionChoice::default(),
        root_deleted: true,
        root_name: String::new(),
        root_description: String::new(),
        volumes: vec![],
        running: true,
        attributes: Attributes::default(),
        tags: Tags::new(),
        volume_tags: Tags::new(),
        interface_tags: Tags::new(),
        nics: control::LaunchNics::default(),
        placement: None,
        capacity: model::CapacityChoice::Open,
        fleet: None,
    }
}
