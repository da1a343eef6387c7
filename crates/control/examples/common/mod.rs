//! What the programs that measure the control plane have in common: a cloud, its image, a launch, and a host that does as it is told.

use std::net::Ipv4Addr;

use hostspec::{Accelerator, Capacity, HostReport, HostSpec, Power, VERSION, VmReport, VmState, VolumeGoal, VolumeReport, VolumeState};
use model::{AccountId, Architecture, Attributes, Gib, HostId, Instance, InstanceId, Interface, InterfaceId, Mib, Tags, Volume, VolumeId};
use pileus_control::{Clock, Cloud, Ids, MASTER_KEY_LEN, MasterKey, NewImage, Region, RunInstances};
use store::Store;
use zeroize::Zeroizing;

/// A cloud of two zones whose default VPC has room for millions.
pub fn cloud(store: &Store) -> Cloud {
    let region = Region {
        name: "figures-1".to_owned(),
        zones: vec!["figures-1a".to_owned(), "figures-1b".to_owned()],
        default_vpc: "10.0.0.0/8".parse().expect("a range"),
        public_pool: "198.18.0.0/24".parse().expect("a range"),
        ipv6_pool: None,
        public_on_launch: false,
        domain: "figures-1.internal".to_owned(),
        operator: AccountId::from_u64(1).expect("a small number"),
        cpu_overcommit: 16,
        disk_overcommit: 4,
        snapshot_modes: model::SnapshotModes::default(),
    };
    let master = MasterKey::new(&Zeroizing::new([7; MASTER_KEY_LEN]));
    Cloud::new(store.clone(), Clock::System, Ids::from_seed(1), master, region)
}

/// A small image.
pub fn image() -> NewImage {
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

/// One small instance.
pub fn launch(image: model::ImageId) -> RunInstances {
    RunInstances {
        template: None,
        role: None,
        image,
        instance_type: "t3.nano".to_owned(),
        min_count: 1,
        max_count: 1,
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
        names: vec!["figures".to_owned()],
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
        tags: Tags::from([("env".to_owned(), "prod".to_owned())]),
        volume_tags: Tags::new(),
        interface_tags: Tags::new(),
        nics: pileus_control::LaunchNics::default(),
        placement: None,
        capacity: model::CapacityChoice::Open,
        fleet: None,
    }
}

/// What a host reports that holds what it is told to.
pub fn report(host: HostId, sequence: u64, spec: &HostSpec, accelerator: Accelerator) -> HostReport {
    let vm = |id, boot, state| VmReport { id, state, boot, started_at_ms: 1, guest_up: true, disks: vec![], nics: vec![], fault: None };
    let volume = |id, generation, state| VolumeReport { id, generation, state, fault: None };
    HostReport {
        version: VERSION,
        host,
        incarnation: 1,
        sequence,
        generation: spec.generation,
        applied: spec.generation,
        capacity: Capacity { vcpus: 64, memory: Mib(512 * 1024), disk_gib: 16 * 1024, accelerator },
        vms: spec
            .vms
            .iter()
            .map(|vm_spec| match vm_spec.power {
                Power::On => vm(vm_spec.id, vm_spec.boot, VmState::Running),
                Power::Off { .. } => vm(vm_spec.id, vm_spec.boot, VmState::Stopped),
            })
            .collect(),
        volumes: spec
            .volumes
            .iter()
            .map(|spec| match spec.goal {
                VolumeGoal::Present { size_bytes, .. } => volume(spec.id, spec.generation, VolumeState::Present { size_bytes }),
                VolumeGoal::Deleted => volume(spec.id, spec.generation, VolumeState::Deleted),
            })
            .collect(),
        snapshots: vec![],
        consoles: vec![],
        traffic: None,
        faults: vec![],
    }
}

/// An instance with what it has alone.
#[derive(Clone)]
pub struct Machine {
    /// The instance.
    pub instance: Instance,
    /// Its interface.
    pub interface: Interface,
    /// Its disk.
    pub volume: Volume,
}

impl Machine {
    /// Reads one.
    pub async fn read(store: &Store, id: InstanceId) -> Machine {
        let instance: Instance = store.get(id).await.expect("a read").expect("it is there");
        let interface: Interface = store.get(instance.interface).await.expect("a read").expect("it is there");
        let volume: Volume = store.get(instance.root_volume).await.expect("a read").expect("it is there");
        Machine { instance, interface, volume }
    }

    /// One like it on a host, below all ids that the clock makes, in another block of addresses.
    pub fn copied(&self, n: u64, host: HostId) -> Machine {
        let Machine { mut instance, mut interface, mut volume } = self.clone();
        (instance.id, interface.id, volume.id) = (InstanceId::from_u64(n), InterfaceId::from_u64(n), VolumeId::from_u64(n));
        (instance.interface, instance.root_volume, instance.host) = (interface.id, volume.id, host);
        (interface.instance, volume.instance, volume.host) = (Some(instance.id), Some(instance.id), host);
        interface.ip = Ipv4Addr::from_bits(Ipv4Addr::new(10, 128, 0, 0).to_bits() + n as u32);
        (instance.private_ip, instance.name, instance.hostname) = (interface.ip, format!("web-{n}"), format!("web-{n}"));
        instance.zone = ["figures-1a", "figures-1b"][n as usize % 2].to_owned();
        instance.tags.insert("env".to_owned(), format!("prod-{}", n % 100));
        Machine { instance, interface, volume }
    }

    /// Writes its rows.
    pub fn insert(&self, tx: &mut store::Tx<'_>) -> Result<(), store::StoreError> {
        tx.insert(&self.instance)?;
        tx.interface_insert(&self.interface)?;
        tx.insert(&self.volume)
    }
}
