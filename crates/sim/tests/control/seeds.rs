//! The control plane under seeds: random wishes, lost, repeated and reordered documents and reports, crashes of the control
//! plane and of agents, jumps of the clock. Whatever happens, nobody has more than the quota, no host more than it has, no
//! interface more than one public address, and once everything works again, everything that should go is gone.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::world::{World, launch};
use control::{
    AddressRef, AllocateAddress, AssociateAddress, AssociateTo, AttachVolume, CancelCapacityReservation, CapacityReservationView,
    ChangeInstanceType, CreateCapacityReservation, CreateVolume, DeleteVolume, DetachVolume, DisassociateAddress, GivesWay, GrowVolume,
    GuestAccess, ModifyCapacityReservation, Needed, OldRoot, Options, Query, RebootInstances, ReleaseAddress, ReplaceRoot, RootSource,
    StartInstances, StopInstances, TerminateInstances, WhileRunning,
};
use hostspec::{HostReport, HostSpec};
use model::{
    AddressId, CapacityReservation, CapacitySlot, ENDED_VISIBLE_MS, Eligibility, Error, Gib, Host, HostId, Instance, InstanceId, Phase,
    Provisioned, QuotaName, TERMINATED_VISIBLE_MS, Tags, Volume, VolumeId, VolumeKind,
};
use pileus_sim::hosts::CAPACITY;

/// Seeds that are tried; more with PILEUS_SEEDS.
const SEEDS: u64 = 24;
/// Steps of one seed.
const STEPS: usize = 200;
/// Instances that the account may have.
const QUOTA: u64 = 12;

/// Elastic addresses of the account.
const ADDRESSES: usize = 3;

struct Random(u64);

impl Random {
    /// xorshift64* (Vigna, 2016).
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

struct Run {
    world: World,
    random: Random,
    documents: Vec<VecDeque<Arc<HostSpec>>>,
    reports: VecDeque<HostReport>,
    incarnation: u64,
    known: Vec<InstanceId>,
    volumes: Vec<VolumeId>,
    addresses: Vec<AddressId>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_seed_ends_with_nothing_lost_and_nothing_left() {
    let seeds = std::env::var("PILEUS_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    for seed in 1..=seeds {
        let world = World::new(3, seed).await;
        world.cloud.quota_set(world.account, QuotaName::Instances, QUOTA).await.unwrap();
        let documents = vec![VecDeque::new(); world.hosts.len()];
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut addresses = Vec::new();
        for _ in 0..ADDRESSES {
            let made = world.cloud.run(&world.root().await, AllocateAddress::default(), Options::default()).await.unwrap();
            addresses.push(made.id);
        }
        let mut run = Run { world, random, documents, reports: VecDeque::new(), incarnation: 1, known: vec![], volumes: vec![], addresses };
        for step in 0..STEPS {
            run.step().await;
            run.check(seed, step).await;
        }
        run.end(seed).await;
    }
}

impl Run {
    async fn step(&mut self) {
        match self.random.below(20) {
            16..=19 => self.wish_for_disk().await,
            0 | 1 => self.launch().await,
            2 if self.random.below(2) == 0 => self.tie().await,
            2 => self.wish_for_capacity().await,
            3..=5 => self.wish().await,
            6..=8 => self.send_document().await,
            9 | 10 => self.obey(),
            11 | 12 => self.deliver_report().await,
            13 => {
                let _ = self.world.cloud.work_once("test").await.unwrap();
            }
            14 => self.world.wait([10, 1_000, 40_000, 700_000][self.random.below(4)]),
            _ => self.break_something(),
        }
    }

    async fn launch(&mut self) {
        let max = 1 + self.random.below(3) as u32;
        let root = self.world.root().await;
        match self.world.cloud.run(&root, launch(self.world.image, 1, max), Options::default()).await {
            Ok(launched) => self.known.extend(launched.instances),
            Err(Error::QuotaExceeded { .. } | Error::NoCapacity { .. } | Error::NoDiskRoom { .. }) => {}
            Err(other) => panic!("a launch was refused with {other:?}"),
        }
    }

    async fn wish(&mut self) {
        if self.known.is_empty() {
            return;
        }
        let ids = vec![self.known[self.random.below(self.known.len())]];
        let (cloud, root) = (self.world.cloud.clone(), self.world.root().await);
        let options = Options::default();
        let answer = match self.random.below(7) {
            0 => cloud.run(&root, StartInstances { ids }, options).await,
            1 => cloud.run(&root, StopInstances { ids, force: self.random.below(2) == 0, keep_capacity: false }, options).await,
            2 => cloud.run(&root, StopInstances { ids, force: false, keep_capacity: true }, options).await,
            3 => cloud.run(&root, RebootInstances { ids, force: true }, options).await,
            4 => {
                let old = if self.random.below(2) == 0 { OldRoot::Deleted } else { OldRoot::Renewed };
                let (source, access, tags) = (RootSource::Same, GuestAccess::default(), Tags::new());
                let command = ReplaceRoot { instance: ids[0], source, old, needed: Needed::Settled, size: None, access, tags };
                cloud.run(&root, command, options).await.map(|_| vec![])
            }
            5 => {
                let instance_type = ["t3.nano", "m6i.4xlarge", "t2.micro"][self.random.below(3)].to_owned();
                let running = if self.random.below(2) == 0 { WhileRunning::Refused } else { WhileRunning::Restarted };
                cloud.run(&root, ChangeInstanceType { id: ids[0], instance_type, running }, options).await.map(|()| vec![])
            }
            _ => cloud.run(&root, TerminateInstances { ids, only_stopped: false }, options).await,
        };
        match answer {
            Ok(_) | Err(Error::IncorrectState { .. } | Error::NoCapacity { .. } | Error::NoDiskRoom { .. } | Error::NotFound { .. }) => {}
            Err(other) => panic!("a wish was refused with {other:?}"),
        }
    }

    /// Reserves capacity, changes what is reserved, or gives it up.
    async fn wish_for_capacity(&mut self) {
        let (cloud, root) = (self.world.cloud.clone(), self.world.root().await);
        let active = |view: &CapacityReservationView| view.reservation.is_active();
        let mut views = cloud.list::<CapacityReservationView>(&root, Query::default()).await.unwrap().rows;
        views.retain(active);
        let (count, options) = (1 + self.random.below(4) as u32, Options::default());
        let answer = match (views.first(), self.random.below(4)) {
            (Some(view), 0) => cloud.run(&root, CancelCapacityReservation { reservation: view.reservation.id }, options).await,
            (Some(view), 1 | 2) => {
                let (reservation, count) = (view.reservation.id, Some(count));
                let change = ModifyCapacityReservation { reservation, name: None, description: None, count, eligibility: None, end: None };
                cloud.run(&root, change, options).await
            }
            (Some(_) | None, _) => {
                let new = CreateCapacityReservation {
                    name: String::new(),
                    description: String::new(),
                    instance_type: "t3.nano".to_owned(),
                    zone: ["sim-1a", "sim-1b"][self.random.below(2)].to_owned(),
                    count,
                    eligibility: Eligibility::Open,
                    end: Some(self.world.clock.now().after(30_000)),
                    tags: Tags::new(),
                };
                cloud.run(&root, new, options).await.map(drop)
            }
        };
        match answer {
            Ok(()) | Err(Error::QuotaExceeded { .. } | Error::NoCapacity { .. }) => {}
            Err(other) => panic!("a wish for capacity was refused with {other:?}"),
        }
    }

    async fn wish_for_disk(&mut self) {
        let (cloud, root) = (self.world.cloud.clone(), self.world.root().await);
        let options = Options::default();
        if self.volumes.len() < 3 {
            let zone = ["sim-1a", "sim-1b"][self.random.below(2)].to_owned();
            let (name, description, tags) = (String::new(), String::new(), Tags::new());
            let new = CreateVolume {
                zone,
                snapshot: None,
                encryption: model::EncryptionChoice::default(),
                size: Some(Gib(1)),
                kind: VolumeKind::Fast,
                provisioned: Provisioned::default(),
                name,
                description,
                deletes_auto_snapshots: false,
                shared: false,
                tags,
            };
            return self.volumes.push(cloud.run(&root, new, options).await.unwrap().id);
        }
        let (volume, force) = (self.volumes[self.random.below(3)], self.random.below(3) == 0);
        let answer = match (self.random.below(10), self.known.is_empty()) {
            (0..=4, false) => {
                let instance = self.known[self.random.below(self.known.len())];
                let delete_on_termination = self.random.below(4) == 0;
                cloud.run(&root, AttachVolume { volume, instance, device: None, delete_on_termination }, options).await.map(drop)
            }
            (5..=7, _) => cloud.run(&root, DetachVolume { volume, instance: None, device: None, force }, options).await.map(drop),
            (8, _) => {
                let size = Some(Gib(1 + self.random.below(50) as u32));
                cloud.run(&root, GrowVolume { volume, size, kind: None, provisioned: Provisioned::default() }, options).await.map(drop)
            }
            _ => cloud.run(&root, DeleteVolume { volume }, options).await,
        };
        match answer {
            Ok(()) => {}
            Err(Error::NotFound { .. }) => self.volumes.retain(|known| *known != volume),
            Err(Error::IncorrectState { .. } | Error::InUse { .. } | Error::ZoneMismatch { .. } | Error::InvalidParameter { .. }) => {}
            Err(other) => panic!("a wish for a disk was refused with {other:?}"),
        }
    }

    /// Ties an elastic address to an instance, wherever it was, or unties it.
    async fn tie(&mut self) {
        if self.known.is_empty() {
            return;
        }
        let address = AddressRef::Id(self.addresses[self.random.below(ADDRESSES)]);
        let (cloud, root) = (self.world.cloud.clone(), self.world.root().await);
        let answer = if self.random.below(3) == 0 {
            cloud.run(&root, DisassociateAddress { address, from: None }, Options::default()).await
        } else {
            let to = AssociateTo::Instance(self.known[self.random.below(self.known.len())]);
            let command = AssociateAddress { address, to, private_ip: None, gives_way: GivesWay::Everything };
            cloud.run(&root, command, Options::default()).await.map(drop)
        };
        match answer {
            Ok(()) | Err(Error::IncorrectState { .. } | Error::NotFound { .. }) => {}
            Err(other) => panic!("a tie was refused with {other:?}"),
        }
    }

    /// Renders a document; it may arrive late, out of order, twice or never.
    async fn send_document(&mut self) {
        let host = self.random.below(self.world.hosts.len());
        let document = self.world.document(host).await;
        self.documents[host].push_back(document);
        if self.random.below(4) == 0 {
            self.documents[host].rotate_left(1);
        }
        if self.documents[host].len() > 3 {
            self.documents[host].pop_front();
        }
    }

    fn obey(&mut self) {
        let host = self.random.below(self.world.hosts.len());
        let Some(document) = self.documents[host].front().cloned() else { return };
        if self.random.below(3) > 0 {
            self.documents[host].pop_front();
        }
        if let Some(vm) = document.vms.first().filter(|_| self.random.below(8) == 0) {
            self.world.hosts[host].guest_shuts_down(vm.id);
        }
        if let Some(vm) = document.vms.last().filter(|_| self.random.below(8) == 0) {
            self.world.hosts[host].guest_keeps_disks(vm.id);
        }
        let report = self.world.hosts[host].obey(&document);
        self.reports.push_back(report);
    }

    async fn deliver_report(&mut self) {
        if self.reports.len() > 1 && self.random.below(3) == 0 {
            self.reports.rotate_left(1);
        }
        let Some(report) = self.reports.front().cloned() else { return };
        match self.random.below(4) {
            0 => {
                // Lost.
                self.reports.pop_front();
            }
            1 => self.world.cloud.report(report).await.unwrap(),
            _ => {
                self.reports.pop_front();
                self.world.cloud.report(report).await.unwrap();
            }
        }
    }

    fn break_something(&mut self) {
        match self.random.below(2) {
            0 => self.world.crash(),
            _ => {
                self.incarnation += 1;
                let host = self.random.below(self.world.hosts.len());
                self.world.hosts[host].restart(self.incarnation);
            }
        }
    }

    /// What must hold at every moment.
    async fn check(&self, seed: u64, step: usize) {
        let (account, ids) = (self.world.account, self.world.ids.clone());
        let store = self.world.store.clone();
        let (live, held, tied) = store
            .scan(move |tx| {
                let live: Vec<_> = tx.instance_list(account)?.into_iter().filter(Instance::is_live).collect();
                let held = |id: &HostId| {
                    let held = tx.instance_held_on_host(*id)?.and(tx.capacity_slot_held_on_host(*id)?);
                    Ok::<_, store::StoreError>((*id, held.vcpus, held.memory_mib))
                };
                let held = ids.iter().map(held).collect::<Result<Vec<_>, _>>()?;
                let tied: Vec<_> = tx.address_list(account)?.into_iter().filter_map(|address| address.interface).collect();
                Ok::<_, store::StoreError>((live, held, tied))
            })
            .await
            .unwrap();
        assert!(live.len() as u64 <= QUOTA, "seed {seed} step {step}: {} instances", live.len());
        let interfaces: BTreeSet<_> = tied.iter().collect();
        assert_eq!(interfaces.len(), tied.len(), "seed {seed} step {step}: an interface has two public addresses");
        for (host, vcpus, memory) in held {
            assert!(vcpus <= u64::from(CAPACITY.vcpus) && memory <= CAPACITY.memory.0, "seed {seed} step {step}: {host} is overfull");
        }
    }

    /// Everything works again; every instance is terminated; nothing is left.
    async fn end(&mut self, seed: u64) {
        self.world.crash();
        self.world.settle().await;
        let root = self.world.root().await;
        let listed = self.world.cloud.list_instances(&root, Query::default()).await.unwrap().rows;
        for view in &listed {
            let (id, phase) = (view.instance.id, view.instance.phase);
            assert!(
                matches!(phase, Phase::Running | Phase::Stopped | Phase::Terminated),
                "seed {seed}: {id} does not come to rest: {phase:?} {:?}",
                view.instance
            );
        }
        let ids: Vec<InstanceId> = listed.iter().map(|view| view.instance.id).collect();
        if !ids.is_empty() {
            let all = TerminateInstances { ids, only_stopped: false };
            self.world.cloud.run(&root, all, Options::default()).await.unwrap();
        }
        self.world.settle().await;
        for volume in self.world.cloud.list::<Volume>(&root, Query::default()).await.unwrap().rows {
            assert!(matches!(volume.word(), "available" | "error"), "seed {seed}: {volume:?}");
            self.world.cloud.run(&root, DeleteVolume { volume: volume.id }, Options::default()).await.unwrap();
        }
        self.world.settle().await;
        self.world.wait(TERMINATED_VISIBLE_MS.max(ENDED_VISIBLE_MS) + 40_000);
        self.world.settle().await;
        self.world.wait(ENDED_VISIBLE_MS);
        self.world.settle().await;
        let cloud = &self.world.cloud;
        for id in &self.addresses {
            let release = ReleaseAddress { address: AddressRef::Id(*id) };
            cloud.run(&root, release, Options::default()).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        assert_eq!(cloud.list_instances(&root, Query::default()).await.unwrap().total, 0, "seed {seed}");
        assert_eq!(cloud.list::<model::Interface>(&root, Query::default()).await.unwrap().total, 0, "seed {seed}");
        assert_eq!(cloud.list::<model::Volume>(&root, Query::default()).await.unwrap().total, 0, "seed {seed}");
        assert_eq!(cloud.list::<model::Address>(&root, Query::default()).await.unwrap().total, 0, "seed {seed}");
        let left = self.world.store.scan(|tx| {
            let reservations = tx.count::<CapacityReservation>(store::By::all())?;
            Ok::<_, store::StoreError>((reservations, tx.count::<CapacitySlot>(store::By::all())?))
        });
        assert_eq!(left.await.unwrap(), (0, 0), "seed {seed}: a reservation is left");
        assert_eq!(cloud.find_strays().await.unwrap(), [], "seed {seed}");
        for (host, id) in self.world.ids.clone().into_iter().enumerate() {
            let row = self.world.store.read(move |tx| tx.get::<Host>(id)).await.unwrap().unwrap();
            assert_eq!(self.world.document(host).await.vms, vec![], "seed {seed}");
            assert_eq!(row.applied, row.generation, "seed {seed}");
        }
    }
}
