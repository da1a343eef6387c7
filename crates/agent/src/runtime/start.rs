//! Starting a QEMU: everything that is slow side by side, then one order to the cage.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hostspec::{Accelerator, FaultKind, HostSpec, ImageSpec, VmSpec, VolumeGoal, VolumeSpec};
use model::{DataKey, InterfaceId, VolumeId};
use tokio::sync::mpsc;

use super::host::Host;
use super::read_snapshot;
use crate::block::shared::Sharing;
use crate::block::{Claim, disk_key};
use crate::cage::{Cage, Inmate, Order, Place};
use crate::qemu::args::{self, DirectBoot, Inputs};
use crate::qemu::disk::{self, Below, Disks, Stored};
use crate::qemu::process::Process;
use crate::qemu::qmp::{Event, Qmp, QmpError};
use crate::trouble::Trouble;

/// Longest wait for a QEMU that was started to greet: it takes 50 ms, and a hundred starting at once on two processors take longer.
const GREETING: Duration = Duration::from_secs(60);

/// Time between the end of a monitor and the end of its QEMU.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Bytes of QEMU's own words that a fault quotes.
const WORDS: u64 = 2_000;

/// The name of the monitor's socket in a machine's folder.
const MONITOR: &str = "monitor.sock";
/// The name of the guest agent's socket in a machine's folder.
const GUEST_AGENT: &str = "guest-agent.sock";
const COPIES: &str = "copies.sock";

/// A machine that runs.
pub struct Started {
    /// Its process.
    pub process: Process,
    /// What is written down about it.
    pub inmate: Inmate,
    /// Its monitor.
    pub monitor: Qmp,
    /// What happens in it.
    pub events: mpsc::Receiver<Event>,
    /// Its volumes.
    pub claims: Vec<(VolumeId, Claim)>,
}

/// Starts building the cage of a machine. Blocks for a moment.
pub fn prepare(host: &Host, vm: &VmSpec) -> Result<Cage, Trouble> {
    let folder = host.folder(vm.id);
    let doing = |e: std::io::Error| Trouble::io("preparing a machine's folder", &e);
    fs::create_dir_all(&folder).map_err(doing)?;
    crate::files::remove(&folder.join(crate::cage::IDENTITY)).map_err(doing)?;
    let groups = match &host.groups {
        None => vec![],
        Some(groups) => groups.make(vm.id, Host::limits(vm)).map_err(|e| Trouble::io("control groups", &e))?,
    };
    let log = File::options().create(true).append(true).mode(0o600).open(log_path(&folder)).map_err(doing)?;
    log.set_len(0).map_err(doing)?;
    let place = Place { mark: format!("{}/{}", host.cloud, vm.id), folder, visible: host.visible(), groups };
    Cage::prepare(&host.config.program, &place, log)
}

/// As what a machine is started, and where.
pub struct As {
    /// User and group number.
    pub uid: u32,
    /// The restart count.
    pub boot: u64,
    /// The cage.
    pub cage: Cage,
}

/// Starts a machine in its cage and waits until its QEMU answers, or until `called_off` says that it is not wanted any more. The
/// steps up to a process that can be found are not cut short; they take milliseconds.
pub async fn start(
    host: &Arc<Host>,
    spec: &Arc<HostSpec>,
    vm: &VmSpec,
    r#as: As,
    called_off: impl Future<Output = ()>,
) -> Result<Started, Trouble> {
    let As { uid, boot, cage } = r#as;
    let accelerator = host.accelerator().await;
    let blocking = {
        let (host, spec, vm) = (host.clone(), spec.clone(), vm.clone());
        tokio::task::spawn_blocking(move || Material::gather(&host, &spec, &vm))
    };
    let (material, taps) = tokio::join!(blocking, open_taps(host, spec, vm));
    let material = material.map_err(|e| Trouble::new(FaultKind::Other, e.to_string()))??;
    let folder = host.folder(vm.id);
    let monitor = listen(&monitor_path(&folder)).map_err(|e| Trouble::io("the monitor's socket", &e))?;
    let guest_agent = listen(&guest_agent_path(&folder)).map_err(|e| Trouble::io("the guest agent's socket", &e))?;
    let Material { claims, disks, below, keys, shared, layers, boot: kernel } = material;
    let keyed = keys.keys().copied().collect();
    let inputs = Inputs { accelerator, below, keyed, shared, layers: layers.numbers, boot: kernel.as_ref().map(|k| k.how.clone()) };
    let order = Order {
        program: host.config.qemu.clone(),
        arguments: args::arguments(vm, &inputs),
        uid,
        boot,
        descriptors: inputs.descriptors(vm),
        mounted: kernel.as_ref().map_or(vec![], |k| k.places.clone()),
        kvm: accelerator == Accelerator::Kvm,
    };
    let mut descriptors = vec![monitor];
    descriptors.extend(disks);
    descriptors.extend(taps?);
    descriptors.extend(layers.files);
    descriptors.push(guest_agent);
    descriptors.extend(kernel.into_iter().flat_map(|k| k.files));
    let run = tokio::task::spawn_blocking(move || cage.run(&order, &descriptors));
    let inmate = run.await.map_err(|e| Trouble::new(FaultKind::Other, e.to_string()))??;
    let process = find(&inmate)?.ok_or_else(|| died(&folder))?;
    let socket = monitor_path(&folder);
    let greeted = tokio::select! {
        greeted = Qmp::connect(&socket, GREETING) => greeted,
        () = process.exited() => return Err(died(&folder)),
        () = called_off => return Err(Trouble::new(FaultKind::Other, "the start was called off")),
    };
    let (monitor, events) = match greeted {
        Ok(connected) => connected,
        // A QEMU that ends closes its monitor first; its own words say more than that.
        Err(_) if tokio::time::timeout(LAST_WORDS, process.exited()).await.is_ok() => return Err(died(&folder)),
        Err(e) => return Err(Trouble::new(FaultKind::StartFailed, format!("QEMU does not greet: {e}"))),
    };
    if !keys.is_empty() {
        tokio::select! {
            given = give_keys(&monitor, vm, &inputs, &keys) => given?,
            () = process.exited() => return Err(died(&folder)),
        }
    }
    Ok(Started { process, inmate, monitor, events, claims })
}

/// Opens the disks that have keys in a QEMU that waits for them, and has it make the machine.
async fn give_keys(monitor: &Qmp, vm: &VmSpec, inputs: &Inputs, keys: &BTreeMap<VolumeId, Option<DataKey>>) -> Result<(), Trouble> {
    let disks = Disks::new(monitor.clone(), GREETING);
    let doing = |e: QmpError| Trouble::new(FaultKind::StartFailed, format!("opening encrypted disks: {e}"));
    for (at, disk) in vm.disks.iter().enumerate() {
        let Some(key) = keys.get(&disk.volume) else { continue };
        let below = inputs.below.get(at).and_then(Option::as_ref);
        let nodes = disk::nodes(disk.volume, &inputs.sets(vm, at), Stored::of(key.as_ref()), below);
        disks.add_nodes(disk.volume, nodes, key.as_ref()).await.map_err(doing)?;
    }
    disks.begin().await.map_err(doing)
}

/// Finds the process of what is written down; none when it has ended.
pub fn find(inmate: &Inmate) -> Result<Option<Process>, Trouble> {
    Process::find(&inmate.identity).map_err(|e| Trouble::io("looking for QEMU", &e))
}

/// Where the monitor of a machine listens.
pub fn monitor_path(folder: &Path) -> PathBuf {
    folder.join(MONITOR)
}

/// Where the guest agent of a machine is spoken to. A machine that was started before there was one has none.
pub fn guest_agent_path(folder: &Path) -> PathBuf {
    folder.join(GUEST_AGENT)
}

/// Where QEMU shows what the disks of a machine held when they were frozen.
pub fn copies_path(folder: &Path) -> PathBuf {
    folder.join(COPIES)
}

/// Where QEMU's standard error goes.
pub fn log_path(folder: &Path) -> PathBuf {
    folder.join("qemu.log")
}

fn died(folder: &Path) -> Trouble {
    let words = crate::qemu::serial::tail(&log_path(folder), WORDS);
    // QEMU has no error codes; these are its own words for what a host lacks.
    let kind = if words.contains("Cannot allocate memory") || words.contains("cannot set up guest memory") {
        FaultKind::NoCapacity
    } else if words.contains("No space left on device") {
        FaultKind::DiskFull
    } else {
        FaultKind::StartFailed
    };
    Trouble::new(kind, format!("QEMU ended at start: {words}"))
}

pub(super) fn listen(path: &Path) -> std::io::Result<OwnedFd> {
    crate::files::remove(path)?;
    Ok(crate::files::listen(path)?.into())
}

/// What a start takes from disk.
struct Material {
    claims: Vec<(VolumeId, Claim)>,
    disks: Vec<OwnedFd>,
    below: Vec<Option<Below>>,
    /// The keys of the layers of disks that have any; none for plain layers over something sealed.
    keys: BTreeMap<VolumeId, Option<DataKey>>,
    /// Disks that other machines may have too.
    shared: BTreeSet<VolumeId>,
    layers: Above,
    boot: Option<Kernel>,
}

/// The layers over the first files of all disks.
#[derive(Default)]
struct Above {
    numbers: Vec<Vec<u32>>,
    files: Vec<OwnedFd>,
}

struct Kernel {
    how: DirectBoot,
    files: Vec<OwnedFd>,
    places: Vec<PathBuf>,
}

impl Material {
    fn gather(host: &Host, spec: &HostSpec, vm: &VmSpec) -> Result<Material, Trouble> {
        let volumes: BTreeMap<VolumeId, _> = spec.volumes.iter().map(|v| (v.id, v)).collect();
        let mut out = Material {
            claims: vec![],
            disks: vec![],
            below: vec![],
            keys: BTreeMap::new(),
            shared: BTreeSet::new(),
            layers: Above::default(),
            boot: None,
        };
        for (at, disk) in vm.disks.iter().enumerate() {
            let missing = || Trouble::new(FaultKind::Other, format!("{} is not in the document", disk.volume));
            let volume = volumes.get(&disk.volume).ok_or_else(missing)?;
            let sharing = Sharing::of(volume.is_shared());
            out.claims.push((disk.volume, host.pool.claim_as(disk.volume, sharing)?));
            out.shared.extend(volume.is_shared().then_some(disk.volume));
            let keys = disk_key::all_of_volume(spec, disk.volume)?;
            read_snapshot::make_writable(host, disk.volume, volume.generation, keys.own.as_ref())?;
            let mut files = host.pool.open_as(disk.volume, volume.generation, sharing)?.into_iter();
            out.disks.extend(files.next().map(|(_, file)| file));
            let (numbers, files): (Vec<u32>, Vec<OwnedFd>) = files.unzip();
            out.layers.numbers.push(numbers);
            out.layers.files.extend(files);
            let readable = under(spec, volume).map_err(|()| missing())?.map(|image| host.images.readable(&image)).transpose()?;
            if keys.own.is_some() || keys.under.is_some() {
                out.keys.insert(disk.volume, keys.own);
            }
            out.below.push(readable.as_ref().map(|readable| Below { manifest: readable.manifest, key: keys.under }));
            if at == 0 {
                out.boot = readable.and_then(|r| r.boot).map(Kernel::new);
            }
        }
        Ok(out)
    }
}

impl Kernel {
    fn new(boot: crate::block::image::BootFiles) -> Kernel {
        let how = DirectBoot { cmdline: boot.cmdline, initrd: boot.initrd.is_some() };
        let mut places = vec![PathBuf::from(args::KERNEL)];
        places.extend(boot.initrd.as_ref().map(|_| PathBuf::from(args::INITRD)));
        Kernel { how, files: [Some(boot.kernel), boot.initrd].into_iter().flatten().collect(), places }
    }
}

/// What unwritten blocks of a volume are read from; an error when the volume is to be deleted, or its image is not in the document.
pub fn under(spec: &HostSpec, volume: &VolumeSpec) -> Result<Option<ImageSpec>, ()> {
    let VolumeGoal::Present { size_bytes, image, manifest, .. } = &volume.goal else { return Err(()) };
    let listed = |id: &model::ImageId| spec.images.iter().find(|known| known.id == *id).cloned().ok_or(());
    match (manifest, image) {
        (Some(manifest), image) => {
            let id = image.unwrap_or(model::ImageId::from_u64(volume.id.as_u64()));
            Ok(Some(ImageSpec { id, manifest: manifest.clone(), size_bytes: *size_bytes }))
        }
        (None, Some(id)) => listed(id).map(Some),
        (None, None) => Ok(None),
    }
}

async fn open_taps(host: &Host, spec: &HostSpec, vm: &VmSpec) -> Result<Vec<OwnedFd>, Trouble> {
    let mut out = Vec::new();
    for nic in &vm.nics {
        out.push(open_tap(host, spec, nic.id).await?);
    }
    Ok(out)
}

/// Opens the tap of an interface of the document.
pub async fn open_tap(host: &Host, spec: &HostSpec, nic: InterfaceId) -> Result<OwnedFd, Trouble> {
    let found = spec.networks.iter().find_map(|vpc| Some((vpc, vpc.nics.iter().find(|known| known.id == nic)?)));
    let (vpc, known) = found.ok_or_else(|| Trouble::new(FaultKind::Network, format!("{nic} is in no network of the document")))?;
    let tap = host.network.open_tap(vpc, known).await;
    tap.map_err(|e| Trouble::new(FaultKind::Network, format!("the tap of {nic}: {e}")))
}
