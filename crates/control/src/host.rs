//! What each host should hold, rendered from the rows into one document and pushed to it.
//!
//! ```text
//!   commit that gives a host a new generation ─▶ dirty set ─▶ render (one read of the rows) ─▶ watch channel ─▶ agent
//! ```
//!
//! Hosts that change while a document is rendered are rendered once more, not once for each change. Every word of a document
//! comes from the rows, so after a restart the same rows give the same document.
//!
//! A document is made from the one before: machines and volumes whose row asks for nothing newer are taken over as they are.
//! So whatever changes a machine's part of the document must mark its instance with the new generation (`asked`), as
//! [`crate::instance`] does; networks and images are read each time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hostspec::{
    DiskSpec, Fabric, Firmware, GuestEvent, GuestMetadata, GuestPlacement, GuestRole, HostSpec, ImageSpec, NicSpec, Power, Reset, Shared,
    SnapshotJob, VmNic, VmSpec, VolumeGoal, VolumeSpec, VpcSpec,
};
use model::instance_type::Scheme;
use model::{
    Catalogue, Error, EventImpact, Goal, Host, HostId, HostState, Image, ImageId, Instance, InstanceEvent, InstanceId, InstanceProfile,
    InstanceRole, InstanceRoleId, Interface, InterfaceId, MIB, Noun, RoleSource, SecurityGroupId, Volume, VolumeId, VolumePhase, VpcId,
};
use store::{Change, FeedError, Tx};
use tokio::sync::watch;

use crate::account::taken;
use crate::disk_encryption::disk_keys;
use crate::host_network::{Network, further_networks, specs};
use crate::machine::Rows;
use crate::nat_home::settle_all;
use crate::neighbours::{Neighbours, Places};
use crate::snapshot_trial::TrialParts;
use crate::{Cloud, Failure};

/// Maximum transmission unit of guests: Ethernet's 1500 less 50 bytes of VXLAN between hosts.
const GUEST_MTU: u16 = 1450;

/// After a round of rendering comes a pause of so many times its length: hosts that change all the time take a tenth of a
/// processor, whatever they hold.
const REST: u32 = 9;
/// The longest pause, so that nobody waits long for one.
const REST_MAX: Duration = Duration::from_millis(50);
/// Pause before the document of a host is rendered again that could not be.
const AGAIN: Duration = Duration::from_secs(1);

/// The channels on which hosts hear what they should hold.
#[derive(Default)]
pub(crate) struct HostLinks {
    links: Mutex<HashMap<HostId, watch::Sender<Arc<HostSpec>>>>,
    rendered: Mutex<HashMap<HostId, Arc<Rendered>>>,
    /// Hosts that are told of others, and the VPCs that they would hear of.
    neighbours: Mutex<HashMap<HostId, Vec<VpcId>>>,
    pub(crate) places: Mutex<Places>,
}

/// The last document of a host, and what its rows asked for then.
struct Rendered {
    spec: Arc<HostSpec>,
    is_simulated: bool,
    /// For each machine and volume of the document, the generation in which its row last changed it.
    vms_asked: Vec<u64>,
    volumes_asked: Vec<u64>,
    /// VPCs whose machines and addresses the document depends on.
    vpcs: Vec<VpcId>,
}

impl HostLinks {
    fn lock(&self) -> MutexGuard<'_, HashMap<HostId, watch::Sender<Arc<HostSpec>>>> {
        self.links.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn rendered(&self) -> MutexGuard<'_, HashMap<HostId, Arc<Rendered>>> {
        self.rendered.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A host that joins the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHost {
    /// Name, unique in the installation.
    pub name: String,
    /// Zones that it serves.
    pub zones: Vec<String>,
    /// Address for traffic between hosts.
    pub underlay: Ipv4Addr,
    /// The rack that it stands in.
    pub rack: Option<String>,
}

impl Cloud {
    /// Adds hosts, or finds them again by name, in order.
    pub async fn hosts_join(&self, new: Vec<NewHost>) -> Result<Vec<HostId>, Error> {
        if let Some(stray) = new.iter().flat_map(|host| &host.zones).find(|zone| !self.region().zones.contains(zone)) {
            return Err(Error::not_found(Noun::Zone, stray));
        }
        let cloud = self.clone();
        let done = self.store().write(move |tx| {
            let ids = new.iter().map(|host| join(tx, &cloud, host)).collect::<Result<Vec<_>, Failure>>()?;
            settle_all(tx)?;
            Ok::<_, Failure>(ids)
        });
        done.await.map_err(|error| self.write_refusal("add hosts", error))
    }

    /// Connects a host: the receiver always holds the newest document.
    pub async fn host_connect(&self, host: HostId) -> Result<watch::Receiver<Arc<HostSpec>>, Error> {
        let spec = self.document(host).await?;
        let mut links = self.host_links().lock();
        let receiver = links.entry(host).or_insert_with(|| watch::Sender::new(Arc::new(HostSpec::empty(host)))).subscribe();
        drop(links);
        self.send(host, spec);
        self.host_changed(host);
        Ok(receiver)
    }

    /// Renders documents of hosts that change, until the task is dropped.
    pub async fn render_hosts(&self) {
        loop {
            let mut next = Some(self.next_dirty_host().await);
            let began = tokio::time::Instant::now();
            while let Some(host) = next {
                self.render_and_send(host).await;
                next = self.dirty_host();
            }
            tokio::time::sleep((began.elapsed() * REST).min(REST_MAX)).await;
        }
    }

    async fn render_and_send(&self, host: HostId) {
        if !self.host_links().lock().contains_key(&host) {
            return;
        }
        match self.document(host).await {
            Ok(spec) => self.send(host, spec),
            Err(error) => {
                tracing::error!(%host, %error, "the document of a host could not be rendered; it keeps the one that it has");
                tokio::time::sleep(AGAIN).await;
                self.host_changed(host);
            }
        }
    }

    /// Watches commits for hosts whose document changes, until the store is closed.
    pub async fn watch_hosts(&self) {
        let mut changes = self.store().changes();
        loop {
            match changes.next().await {
                Ok(commit) => {
                    // Nobody else may read the feed for hours, and what is not read stays in memory.
                    self.fleet().follow();
                    let hosts: Vec<Host> = commit.changes.iter().filter_map(Change::row).collect();
                    hosts.iter().for_each(|host| self.note_host(host));
                    self.note_neighbours(&commit.changes, &hosts);
                }
                Err(FeedError::Missed(count)) => {
                    tracing::warn!(count, "commits were missed; every host is rendered anew");
                    let connected: Vec<HostId> = self.host_links().lock().keys().copied().collect();
                    connected.into_iter().for_each(|host| self.host_changed(host));
                }
                Err(FeedError::Closed) => return,
            }
        }
    }

    fn note_host(&self, host: &Host) {
        let sent = self.host_links().lock().get(&host.id).map(|link| link.borrow().generation);
        if sent.is_some_and(|sent| sent < host.generation) {
            self.host_changed(host.id);
        }
    }

    fn send(&self, host: HostId, spec: Arc<HostSpec>) {
        if let Some(link) = self.host_links().lock().get(&host) {
            link.send_if_modified(|held| {
                let newer = spec.generation > held.generation || (spec.generation == held.generation && *held != spec);
                if newer {
                    *held = spec;
                }
                newer
            });
        }
    }

    /// The document of a host, made from the one before as far as the rows allow, from one consistent view of them.
    pub async fn document(&self, host: HostId) -> Result<Arc<HostSpec>, Error> {
        let before = self.host_links().rendered().get(&host).cloned();
        let cloud = self.clone();
        let rendered = self.store().read(move |tx| Rendering::read(tx, &cloud, host, before.as_deref())?.document());
        let rendered = Arc::new(rendered.await.map_err(|failure| self.refusal("render a host", failure))?);
        let spec = rendered.spec.clone();
        self.host_links().keep(host, rendered);
        Ok(spec)
    }

    /// The document of a host from nothing but the rows.
    pub async fn render(&self, host: HostId) -> Result<HostSpec, Error> {
        let cloud = self.clone();
        let rendered = self.store().read(move |tx| Rendering::read(tx, &cloud, host, None)?.document());
        let rendered = rendered.await.map_err(|failure| self.refusal("render a host", failure))?;
        Ok(Arc::unwrap_or_clone(rendered.spec))
    }
}

fn join(tx: &mut Tx<'_>, cloud: &Cloud, new: &NewHost) -> Result<HostId, Failure> {
    if let Some(mut known) = tx.host_named(&new.name)? {
        if (&known.zones, known.underlay, &known.rack) != (&new.zones, new.underlay, &new.rack) {
            known.zones.clone_from(&new.zones);
            known.underlay = new.underlay;
            known.rack.clone_from(&new.rack);
            tx.update(&known)?;
        }
        return Ok(known.id);
    }
    let now = cloud.clock().now();
    let host = Host {
        id: HostId::from_u64(cloud.ids().next(now)),
        name: new.name.clone(),
        zones: new.zones.clone(),
        underlay: new.underlay,
        state: HostState::Up,
        capacity: None,
        generation: 1,
        applied: 0,
        incarnation: 0,
        sequence: 0,
        seen_at: now,
        rack: new.rack.clone(),
        number: 0,
        invitation: None,
        certificate: None,
        faults: vec![],
        build: None,
    };
    tx.insert(&host).map_err(|error| taken(error, Noun::Host, &new.name))?;
    Ok(host.id)
}

impl HostLinks {
    pub(crate) fn neighbours(&self) -> MutexGuard<'_, HashMap<HostId, Vec<VpcId>>> {
        self.neighbours.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Keeps a document, unless somebody has rendered newer rows meanwhile.
    fn keep(&self, host: HostId, rendered: Arc<Rendered>) {
        let mut all = self.rendered();
        if all.get(&host).is_some_and(|held| held.spec.generation > rendered.spec.generation) {
            return;
        }
        let mut neighbours = self.neighbours();
        match rendered.spec.fabric {
            Some(_) => drop(neighbours.insert(host, rendered.vpcs.clone())),
            None => drop(neighbours.remove(&host)),
        }
        all.insert(host, rendered);
    }

    /// Forgets a host that was removed; whoever follows its document sees the end.
    pub(crate) fn forget(&self, host: HostId) {
        self.lock().remove(&host);
        self.rendered().remove(&host);
        self.neighbours().remove(&host);
    }
}

/// Everything that a document is made of.
struct Rendering {
    region: String,
    domain: String,
    host: Host,
    is_simulated: bool,
    machines: Vec<(Machine, u64)>,
    volumes: Vec<(VolumeSpec, u64)>,
    images: BTreeMap<ImageId, Image>,
    snapshots: Vec<SnapshotJob>,
    trials: Vec<TrialParts>,
    networks: BTreeMap<VpcId, Network>,
    vpcs: Vec<VpcId>,
    fabric: Option<Fabric>,
}

/// A machine of a document: taken over from the document before, or to be made from its rows.
enum Machine {
    Kept(Shared<VmSpec>, Vec<(VpcId, NicSpec)>),
    New(Box<(Rows, Option<GuestRole>)>),
}

impl Machine {
    fn image(&self) -> ImageId {
        match self {
            Machine::Kept(vm, _) => vm.metadata.image,
            Machine::New(rows) => rows.0.instance.image,
        }
    }

    /// Its VPCs and security groups, where the host carries its packets.
    fn networks(&self) -> Vec<(VpcId, &[SecurityGroupId])> {
        match self {
            Machine::Kept(_, nics) => nics.iter().map(|(vpc, nic)| (*vpc, nic.groups.as_slice())).collect(),
            Machine::New(rows) => rows.0.interfaces.iter().map(|nic| (nic.vpc, nic.groups.as_slice())).collect(),
        }
    }

    fn read(tx: &Tx<'_>, cloud: &Cloud, id: InstanceId) -> Result<Machine, Failure> {
        let rows = Rows::read(tx, id)?;
        let role = rows.instance.guest.role.map(|role| guest_role(tx, cloud, role)).transpose()?.flatten();
        Ok(Machine::New(Box::new((rows, role))))
    }
}

/// What a document is made from, by id.
struct Before<'r> {
    rendered: &'r Rendered,
    nics: HashMap<InterfaceId, (VpcId, &'r NicSpec)>,
}

impl<'r> Before<'r> {
    fn new(rendered: &'r Rendered) -> Before<'r> {
        let of = |network: &'r VpcSpec| network.nics.iter().map(|nic| (nic.id, (network.id, nic)));
        Before { rendered, nics: rendered.spec.networks.iter().flat_map(of).collect() }
    }

    fn machine(&self, id: InstanceId, asked: u64) -> Option<Machine> {
        let at = self.rendered.spec.vms.binary_search_by_key(&id, |vm| vm.id).ok()?;
        if self.rendered.vms_asked[at] != asked {
            return None;
        }
        let vm = self.rendered.spec.vms[at].clone();
        let nics = vm.nics.iter().filter_map(|nic| self.nics.get(&nic.id).map(|(vpc, nic)| (*vpc, (*nic).clone()))).collect();
        Some(Machine::Kept(vm, nics))
    }

    fn volume(&self, id: VolumeId, asked: u64) -> Option<VolumeSpec> {
        let at = self.rendered.spec.volumes.binary_search_by_key(&id, |volume| volume.id).ok()?;
        (self.rendered.volumes_asked[at] == asked).then(|| self.rendered.spec.volumes[at].clone())
    }
}

impl Rendering {
    fn read(tx: &Tx<'_>, cloud: &Cloud, id: HostId, before: Option<&Rendered>) -> Result<Rendering, Failure> {
        let host = tx.get::<Host>(id)?.ok_or_else(|| Error::not_found(Noun::Host, id))?;
        let is_simulated = host.capacity.as_ref().is_some_and(|capacity| capacity.accelerator == "simulated");
        let before = before.filter(|before| before.is_simulated == is_simulated).map(Before::new);
        let mut machines = Vec::new();
        for (id, asked) in tx.instance_asked_on_host(id)? {
            let kept = before.as_ref().and_then(|before| before.machine(id, asked));
            machines.push((kept.map_or_else(|| Machine::read(tx, cloud, id), Ok)?, asked));
        }
        let mut volumes = Vec::new();
        for (id, asked) in tx.volume_asked_of_host(id)? {
            let kept = before.as_ref().and_then(|before| before.volume(id, asked));
            let spec = match kept {
                Some(spec) => spec,
                None => volume_spec(tx, cloud, &tx.get::<Volume>(id)?.ok_or_else(|| Error::not_found(Noun::Volume, id))?)?,
            };
            volumes.push((spec, asked));
        }
        let images: BTreeSet<ImageId> =
            volumes.iter().filter_map(|(volume, _)| image_of(volume)).chain(machines.iter().map(|(machine, _)| machine.image())).collect();
        let images = tx.get_many::<Image>(&images.into_iter().collect::<Vec<_>>())?;
        let mut groups: BTreeMap<VpcId, BTreeSet<SecurityGroupId>> = BTreeMap::new();
        // A simulated host moves no packets, so it is not told of networks with their many members.
        for (vpc, local) in machines.iter().filter(|_| !is_simulated).flat_map(|(machine, _)| machine.networks()) {
            groups.entry(vpc).or_default().extend(local);
        }
        let neighbours = if is_simulated { Neighbours::default() } else { Neighbours::read(tx, &host)? };
        let mut networks = BTreeMap::new();
        for (vpc, local) in groups {
            networks.insert(vpc, Network::read(tx, vpc, local, &neighbours)?);
        }
        let vpcs = if is_simulated { vec![] } else { further_networks(tx, id, &neighbours, &mut networks)? };
        let region = cloud.region();
        Ok(Rendering {
            region: region.name.clone(),
            domain: region.domain.clone(),
            host,
            is_simulated,
            machines,
            volumes,
            images: images.into_iter().map(|image| (image.id, image)).collect(),
            snapshots: crate::snapshot::jobs(tx, cloud, id)?,
            trials: crate::snapshot_trial::trials(tx, cloud, id)?,
            networks,
            vpcs,
            fabric: neighbours.fabric,
        })
    }

    fn document(mut self) -> Result<Rendered, Failure> {
        let mut vms = Vec::with_capacity(self.machines.len());
        let mut vms_asked = Vec::with_capacity(self.machines.len());
        let mut nics: BTreeMap<VpcId, Vec<NicSpec>> = BTreeMap::new();
        for (machine, asked) in std::mem::take(&mut self.machines) {
            let (vm, its) = match machine {
                Machine::Kept(vm, its) => (vm, its),
                Machine::New(rows) => {
                    let (rows, role) = *rows;
                    let its = rows.interfaces.iter().map(|interface| (interface.vpc, rows.nic(interface))).collect();
                    let mut vm = self.vm(rows);
                    vm.metadata.role = role;
                    (vm.into(), its)
                }
            };
            vms.push(vm);
            vms_asked.push(asked);
            for (vpc, nic) in its {
                nics.entry(vpc).or_default().push(nic);
            }
        }
        let networks = specs(&self.networks, &self.domain, nics);
        let (mut volumes, mut volumes_asked): (Vec<_>, Vec<_>) = self.volumes.into_iter().unzip();
        let mut watched = Vec::new();
        // They are rendered each time, so which generation asked for them says nothing; the order of ids is kept.
        for trial in self.trials {
            let at = volumes.partition_point(|volume: &VolumeSpec| volume.id < trial.volume.id);
            volumes.insert(at, trial.volume);
            volumes_asked.insert(at, 0);
            let Some(vm) = trial.vm else { continue };
            watched.push(vm.id);
            let at = vms.partition_point(|other: &Shared<VmSpec>| other.id < vm.id);
            vms.insert(at, vm.into());
            vms_asked.insert(at, 0);
        }
        let spec = HostSpec {
            version: hostspec::VERSION,
            host: self.host.id,
            generation: self.host.generation,
            vms,
            volumes,
            networks,
            images: self.images.values().map(image_spec).collect(),
            fabric: self.fabric,
            snapshots: self.snapshots,
            watched,
        };
        Ok(Rendered { spec: Arc::new(spec), is_simulated: self.is_simulated, vms_asked, volumes_asked, vpcs: self.vpcs })
    }

    fn vm(&self, rows: Rows) -> VmSpec {
        let metadata = self.metadata(&rows);
        let nics = rows.interfaces.iter().map(|interface| self.vm_nic(interface)).collect();
        let Rows { instance, volumes, .. } = rows;
        let power = match instance.goal {
            Goal::Running => Power::On,
            Goal::Stopped { grace_seconds, .. } => Power::Off { grace_seconds },
            Goal::Gone => Power::Off { grace_seconds: 0 },
        };
        VmSpec {
            id: instance.id,
            power,
            boot: instance.boot,
            reset: if instance.hard_reset { Reset::Hard } else { Reset::Soft },
            vcpus: instance.vcpus,
            memory: instance.memory,
            firmware: firmware(&instance),
            seized: volumes.iter().filter(|volume| volume.is_seized()).map(|volume| volume.id).collect(),
            disks: disks(&instance, volumes),
            nics,
            metadata,
        }
    }

    fn vm_nic(&self, interface: &Interface) -> VmNic {
        let group_names = self.group_names(interface);
        VmNic { id: interface.id, mac: interface.mac, mtu: GUEST_MTU, index: interface.index, group_names }
    }

    fn group_names(&self, interface: &Interface) -> Vec<String> {
        let groups = self.networks.get(&interface.vpc).map(|network| &network.groups);
        let name = |id: &SecurityGroupId| groups.and_then(|groups| groups.get(id)).map(|group| group.name.clone());
        interface.groups.iter().filter_map(name).collect()
    }

    fn metadata(&self, rows: &Rows) -> GuestMetadata {
        let (instance, interface) = (&rows.instance, &rows.interfaces[0]);
        let guest = &instance.guest;
        let (options, placement) = (&instance.attributes.metadata, instance.placement.as_ref());
        GuestMetadata {
            account: instance.account.to_string(),
            region: self.region.clone(),
            zone: instance.zone.clone(),
            image: instance.image,
            instance_type: instance.instance_type.clone(),
            reservation: instance.reservation.to_string(),
            launch_index: instance.launch_index,
            launched_at: instance.created_at.timestamp().to_string(),
            hostname: instance.hostname.clone(),
            name: instance.name.clone(),
            ssh_keys: guest.keys.iter().map(|key| (key.name.clone(), key.public_key.clone())).collect(),
            password_hash: guest.password_hash.clone(),
            user_data_base64: guest.user_data.clone(),
            tags: if options.show_tags { instance.tags.clone().into_iter().collect() } else { vec![] },
            token_required: options.token_required,
            hop_limit: options.hop_limit,
            enabled: options.enabled,
            private_ip: interface.ip,
            public_ip: rows.public_ip(interface, interface.ip),
            security_groups: self.group_names(interface),
            role: None,
            events: rows.events.iter().map(guest_event).collect(),
            placement: placement.map(|group| GuestPlacement { group: group.name.clone(), partition: group.partition }),
        }
    }
}

/// The role of an instance with its key open, as the guest reads it; none when there is no such role any more.
fn guest_role(tx: &Tx<'_>, cloud: &Cloud, id: InstanceRoleId) -> Result<Option<GuestRole>, Failure> {
    let Some(held) = tx.get::<InstanceRole>(id)? else { return Ok(None) };
    let Some(key) = held.key else { return Ok(None) };
    let profile = match held.source {
        RoleSource::Profile(id) => tx.get::<InstanceProfile>(id)?.map(|profile| (profile.name, profile.id.to_string())),
        RoleSource::Role(_) => None,
    };
    Ok(Some(GuestRole {
        secret: cloud.role_secret(&key)?,
        name: key.role_name,
        profile,
        key: key.id,
        token: key.token,
        made_at: key.made_at.timestamp().to_string(),
        expires_at: key.expires_at.timestamp().to_string(),
        expires_unix: key.expires_at.0 / 1_000,
    }))
}

/// The image that a volume of a document is read from.
fn image_of(volume: &VolumeSpec) -> Option<ImageId> {
    match volume.goal {
        VolumeGoal::Present { image, .. } => image,
        VolumeGoal::Deleted => None,
    }
}

fn volume_spec(tx: &Tx<'_>, cloud: &Cloud, volume: &Volume) -> Result<VolumeSpec, Failure> {
    let goal = match volume.phase {
        VolumePhase::Creating | VolumePhase::Present | VolumePhase::Failed => {
            let keys = disk_keys(tx, cloud, volume.encryption.as_ref(), volume.under_encryption.as_ref())?;
            let (image, manifest, shared) = (volume.image, volume.manifest.clone(), volume.shared);
            VolumeGoal::Present { size_bytes: volume.size.bytes(), image, manifest, keys, shared }
        }
        VolumePhase::Deleting => VolumeGoal::Deleted,
    };
    Ok(VolumeSpec { id: volume.id, generation: volume.generation, goal })
}

fn image_spec(image: &Image) -> ImageSpec {
    ImageSpec { id: image.id, manifest: image.manifest.clone(), size_bytes: image.size_bytes.next_multiple_of(MIB) }
}

/// The disks of an instance: its system disk, and the others in the order in which they were attached.
fn disks(instance: &Instance, mut volumes: Vec<Volume>) -> Vec<DiskSpec> {
    let root = volumes.iter().find(|volume| volume.id == instance.root_volume).map(Volume::limits);
    volumes.retain(|volume| volume.id != instance.root_volume && volume.is_wanted_by_machine());
    volumes.sort_by_key(|volume| (volume.attached_at, volume.id));
    let further = volumes.iter().map(|volume| (volume.id, volume.limits()));
    let all = std::iter::once((instance.root_volume, root.unwrap_or_default())).chain(further);
    all.map(|(volume, limits)| DiskSpec { volume, serial: disk_serial(volume), limits }).collect()
}

/// An event as its guest reads of it.
fn guest_event(event: &InstanceEvent) -> GuestEvent {
    let code = match event.impact {
        EventImpact::Reboot | EventImpact::Redeploy => "instance-reboot",
        EventImpact::Stop => "instance-stop",
    };
    GuestEvent {
        id: event.id,
        code: code.to_owned(),
        description: event.reason.clone(),
        not_before: event.not_before,
        not_after: event.not_after.unwrap_or(event.not_before.after(model::INSTANCE_EVENT_DEADLINE_MS)),
    }
}

/// The serial number of a disk as EC2's guests see it: `vol` and 17 digits, which is the 20 bytes that virtio-blk has.
pub(crate) fn disk_serial(volume: VolumeId) -> String {
    volume.to_string().replace('-', "")
}

/// What the firmware says, so that stock images find their metadata: cloud-init's Ec2 source wants a system UUID that begins
/// with `ec2` and equals the serial number, its AliYun source a product name of its own; a guest that fits both takes the Ec2
/// source, which needs no network (cloud-init 22.4). Which of them it meets follows from whose name its type was launched by.
fn firmware(instance: &Instance) -> Firmware {
    let product = if is_ecs(instance) { "Alibaba Cloud ECS" } else { "Pileus" };
    Firmware { uuid: system_uuid(instance), manufacturer: "Pileus".to_owned(), product: product.to_owned() }
}

fn is_ecs(instance: &Instance) -> bool {
    Catalogue::standard().scheme_of(&instance.instance_type) == Some(Scheme::Ecs)
}

/// The UUID that an instance's firmware tells, which is its serial number too.
pub fn system_uuid(instance: &Instance) -> String {
    uuid_of(if is_ecs(instance) { HEADS[1] } else { HEADS[0] }, instance.id)
}

/// The UUID that the firmware of a machine tells that is no instance.
pub(crate) fn machine_uuid(id: InstanceId) -> String {
    uuid_of(HEADS[0], id)
}

/// What UUIDs of instances begin with: those launched by EC2's types, which tells clients in the guest where they are, and by ECS's.
const HEADS: [&str; 2] = ["ec2", "ecf"];

fn uuid_of(head: &str, id: InstanceId) -> String {
    let digits = format!("{:016x}", id.as_u64());
    format!("{head}{}-{}-4{}-8{}-{}", &digits[..5], &digits[5..9], &digits[9..12], &digits[12..15], &digits[4..])
}

/// The instance whose firmware would tell a UUID; none where no instance's does. It need not exist.
pub fn instance_of_uuid(uuid: &str) -> Option<InstanceId> {
    let uuid = uuid.to_ascii_lowercase();
    let digits: String = uuid.chars().filter(|digit| *digit != '-').collect();
    let digits = format!("{}{}", digits.get(3..7)?, digits.get(20..)?);
    let id = InstanceId::from_u64(u64::from_str_radix(&digits, 16).ok()?);
    HEADS.iter().any(|head| uuid_of(head, id) == uuid).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_names_its_instance() {
        let id = InstanceId::from_u64(0x0192_d3f4_a5b6_c7d8);
        for head in HEADS {
            assert_eq!(instance_of_uuid(&uuid_of(head, id).to_ascii_uppercase()), Some(id));
        }
        for other in ["", "ec2", "00000000-0000-4000-8000-000000000000", "ec20192d-3f4a-45b6-8c7d-f4a5b6c7d8é"] {
            assert_eq!(instance_of_uuid(other), None, "{other}");
        }
    }

    #[test]
    fn the_serial_of_a_disk_fits_virtio_and_keeps_every_digit() {
        let serial = disk_serial(VolumeId::from_u64(0x0192_d3f4_a5b6_c7d8));
        assert_eq!((serial.as_str(), serial.len()), ("vol00192d3f4a5b6c7d8", 20));
    }
}
