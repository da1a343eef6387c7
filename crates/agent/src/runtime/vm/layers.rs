//! How a machine's task freezes what its guest wrote, and merges what nobody reads any more.
//!
//! ```text
//!   freeze ─▶ empty layers: made, known to QEMU, named ─▶ one transaction switches all devices ─▶ written down
//!             or fleeces, and filters over what is written ─▶ put under the devices, shown ─▶ written down ([`super::fleeces`])
//!                                        the guest's agent, if any, holds its file systems here only
//!   tend   ─▶ layers that QEMU dropped are deleted; frozen ones that nobody reads are merged in the background
//! ```
//!
//! Which layer the guest writes to is asked of QEMU, never remembered: an agent may have been killed between any two steps.

use hostspec::{FaultKind, HostSpec, SnapshotJob, SnapshotPart};
use model::{Consistency, SnapshotId, SnapshotMode, VolumeId};
use tokio::time::Instant;

use super::super::read_snapshot;
use super::super::snapshots::{Part, Record};
use super::VmTask;
use super::fleeces::need_a_pause;
use crate::block::disk_key;
use crate::block::fleece::Fleece;
use crate::qemu::disk::Disks;
use crate::qemu::fleece::Way;
use crate::qemu::layer::Switch;
use crate::qemu::qmp::QmpError;
use crate::trouble::Trouble;

/// Layers of a volume that is as merged as it gets while its guest runs: the first file, and the one that is written to.
const MERGED: usize = 2;

/// What is done about the guest's file systems while its disks are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileSystems {
    /// The guest's agent is asked to hold them.
    Held,
    /// The guest has shut down, or would not: nobody is asked.
    AsTheyAre,
}

impl VmTask {
    /// Freezes volumes that the machine has, at one instant, its file systems held if the guest's agent does that.
    pub(super) async fn freeze(&mut self, spec: &HostSpec, job: SnapshotId) {
        self.freeze_with(spec, job, FileSystems::Held).await;
    }

    async fn freeze_with(&mut self, spec: &HostSpec, job: SnapshotId, file_systems: FileSystems) {
        let Some(job) = spec.snapshots.iter().find(|known| known.id == job) else { return };
        if self.host.snapshots.record(job.id).is_some() {
            return;
        }
        match self.try_freeze(job, file_systems).await {
            Ok(consistency) => tracing::info!(instance = %self.id, job = %job.id, disks = job.parts.len(), ?consistency, "disks frozen"),
            Err(trouble) => {
                for part in &job.parts {
                    self.settle_fleece(part.volume).await;
                    self.settle_layers(part.volume).await;
                }
                self.fail(trouble);
            }
        }
    }

    /// Freezes what is to be frozen while the machine restarts for this boot: its guest has shut down, or would not.
    pub(super) async fn freeze_before(&mut self, boot: u64) {
        let Some(spec) = self.wishes.borrow().as_ref().map(|wish| wish.spec.clone()) else { return };
        let Some(live) = &self.live else { return };
        let holds = |job: &&SnapshotJob| job.parts.iter().all(|part| live.claims.iter().any(|(volume, _)| *volume == part.volume));
        let due = spec.snapshots.iter().filter(|job| job.at_boot.is_some_and(|at| at <= boot)).filter(holds);
        for job in due.map(|job| job.id).collect::<Vec<_>>() {
            self.freeze_with(&spec, job, FileSystems::AsTheyAre).await;
        }
    }

    async fn try_freeze(&mut self, job: &SnapshotJob, file_systems: FileSystems) -> Result<Consistency, Trouble> {
        let disks = self.disks().ok_or_else(|| Trouble::new(FaultKind::Hung, "the monitor is not connected"))?;
        // Before any merge is stopped: a try that is bound to fail, made again each second, would never let one end.
        for part in &job.parts {
            match part.mode {
                SnapshotMode::Redirect => drop(self.host.pool.require_another_layer(part.volume, part.generation)?),
                SnapshotMode::Copy => self.host.pool.require_room()?,
            }
        }
        let mut parts = Vec::with_capacity(job.parts.len());
        let mut ways = Vec::with_capacity(job.parts.len());
        for part in &job.parts {
            let (described, way) = self.prepare_to_freeze(&disks, part).await?;
            ways.push(way);
            parts.push(described);
        }
        let both = || parts.iter().zip(&ways);
        let frozen: Vec<_> = both().map(|(part, way)| (part.volume, part.generation, way.from())).collect();
        let named: Vec<_> = both().filter_map(|(part, way)| Some((part.volume, part.generation, way.to()?))).collect();
        let host = self.host.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            host.pool.sync_layers(&frozen)?;
            host.pool.name_layers(&named)?;
            // What was written during the first time, which took the longest.
            host.pool.sync_layers(&frozen)
        });
        prepared.await.map_err(|e| Trouble::new(FaultKind::Other, e.to_string()))??;
        let held = match file_systems {
            FileSystems::Held => self.hold_file_systems().await,
            FileSystems::AsTheyAre => None,
        };
        let frozen = self.freeze_at_once(&disks, &ways).await;
        let consistency = match held {
            Some(held) => self.let_file_systems_go(held).await,
            None => Consistency::Crash,
        };
        frozen.map_err(|e| Trouble::new(FaultKind::Other, format!("freezing disks: {e}")))?;
        self.show(&disks, &ways, &mut parts).await?;
        self.host.snapshots.frozen(Record { job: job.id, consistency, parts }, &self.host.pool)?;
        Ok(consistency)
    }

    /// Makes what a disk needs to be frozen, and says what it is made of before.
    async fn prepare_to_freeze(&mut self, disks: &Disks, part: &SnapshotPart) -> Result<(Part, Way), Trouble> {
        let (volume, generation) = (part.volume, part.generation);
        let doing = |e: QmpError| Trouble::new(FaultKind::Other, format!("freezing {volume}: {e}"));
        disks.stop_merge(volume).await.map_err(doing)?;
        self.settle_fleece(volume).await;
        self.settle_layers(volume).await;
        let described = read_snapshot::describe(&self.host, part)?;
        let from = disks.newest(volume).await.map_err(doing)?;
        let top = described.layers.last().copied();
        let from = from.filter(|from| Some(*from) == top);
        let from = from.ok_or_else(|| Trouble::new(FaultKind::Other, format!("QEMU does not write to the newest layer of {volume}")))?;
        let (host, key) = (self.host.clone(), disk_key::of_part(part)?.own);
        let secret = key.clone();
        let failed = |e: tokio::task::JoinError| Trouble::new(FaultKind::Other, e.to_string());
        let way = match part.mode {
            SnapshotMode::Redirect => {
                let made = tokio::task::spawn_blocking(move || host.pool.make_layer(volume, generation, key.as_ref())).await;
                let layer = made.map_err(failed)??;
                disks.add_layer(volume, layer.number, layer.file, secret.as_ref()).await.map_err(doing)?;
                Way::Redirect(Switch { volume, from, to: layer.number })
            }
            SnapshotMode::Copy => {
                let fleece = Fleece { volume, generation, snapshot: part.snapshot };
                let size_bytes = described.size_bytes;
                let made = tokio::task::spawn_blocking(move || host.pool.make_fleece(fleece, size_bytes, key.as_ref())).await;
                disks.add_fleece(volume, from, made.map_err(failed)??, secret.as_ref()).await.map_err(doing)?;
                Way::Copy { volume, layer: from }
            }
        };
        Ok((described, way))
    }

    /// Freezes disks at one instant: QEMU does it in one transaction, or while the guest's processors rest.
    async fn freeze_at_once(&mut self, disks: &Disks, ways: &[Way]) -> Result<(), QmpError> {
        if !need_a_pause(ways) || !disks.runs().await? {
            return disks.freeze(ways).await;
        }
        // Before it is told: an agent of the host that is killed from here on has a successor that knows.
        self.record.paused = true;
        self.write_down(false);
        let began = Instant::now();
        let frozen = match disks.pause().await {
            Ok(()) => disks.freeze(ways).await,
            Err(error) => Err(error),
        };
        self.go_on().await;
        metrics::histogram!("pileus_guest_pause_seconds").record(began.elapsed());
        frozen
    }

    /// Lets the processors run that were stopped for an instant. What fails is tried again at the next look.
    pub(super) async fn go_on(&mut self) {
        if self.command(qapi_qmp::cont {}).await.is_some() {
            self.record.paused = false;
            self.write_down(false);
        }
    }

    /// Makes the names in the pool those of the layers that QEMU has, as far as it says: what it was never switched to and what it has
    /// merged is deleted.
    pub(super) async fn settle_layers(&self, volume: VolumeId) {
        let Some(disks) = self.disks() else { return };
        if let Err(e) = self.try_settle(&disks, volume).await {
            tracing::warn!(instance = %self.id, %volume, detail = e.detail, "layers could not be settled");
        }
    }

    async fn try_settle(&self, disks: &Disks, volume: VolumeId) -> Result<(), Trouble> {
        let doing = |e: QmpError| Trouble::new(FaultKind::Other, format!("settling {volume}: {e}"));
        let Some(newest) = disks.newest(volume).await.map_err(doing)? else { return Ok(()) };
        let Some(generation) = self.generation_of(volume) else { return Ok(()) };
        let named = self.host.pool.layers(volume, generation)?;
        // One above the newest may have been made and not named.
        let beyond = (newest + 1..=newest + 1).filter(|layer| !named.contains(layer));
        for layer in named.iter().copied().filter(|layer| *layer > newest).chain(beyond) {
            if disks.remove_layer(volume, layer).await.map_err(doing)? {
                self.host.pool.delete_layer(volume, generation, layer)?;
            }
        }
        let merged: Vec<u32> = named.into_iter().filter(|layer| *layer != 0 && *layer < newest).collect();
        if merged.is_empty() || self.host.pool.is_being_read(volume) {
            return Ok(());
        }
        // Those that were merged still rest on each other in QEMU, so the highest leaves it first.
        for layer in merged.iter().rev() {
            if !disks.remove_layer(volume, *layer).await.map_err(doing)? {
                return Ok(());
            }
        }
        // Only now is what was merged in the first file. The lowest name goes first: one that is left alone would hide what was merged of
        // those above it.
        disks.flush_layer(volume, 0).await.map_err(doing)?;
        merged.into_iter().try_for_each(|layer| self.host.pool.delete_layer(volume, generation, layer))
    }

    /// Begins to merge frozen layers of the machine's volumes that nobody reads.
    pub(super) async fn tend_layers(&mut self) {
        let volumes: Vec<VolumeId> = self.live.iter().flat_map(|live| live.claims.iter().map(|(volume, _)| *volume)).collect();
        for volume in volumes {
            if let Err(trouble) = self.try_tend(volume).await {
                tracing::warn!(instance = %self.id, %volume, detail = trouble.detail, "layers could not be merged");
            }
        }
    }

    async fn try_tend(&self, volume: VolumeId) -> Result<(), Trouble> {
        let Some(generation) = self.generation_of(volume) else { return Ok(()) };
        let pool = &self.host.pool;
        let needs = || Ok(pool.layers(volume, generation)?.len() > MERGED && !pool.is_being_read(volume));
        if !needs()? || pool.require_room().is_err() {
            return Ok(());
        }
        let Some(disks) = self.disks() else { return Ok(()) };
        let doing = |e: QmpError| Trouble::new(FaultKind::Other, format!("merging {volume}: {e}"));
        if disks.merging(volume).await.map_err(doing)? {
            return Ok(());
        }
        self.try_settle(&disks, volume).await?;
        let layers = pool.layers(volume, generation)?;
        if let [_, .., below, newest] = layers[..]
            && needs()?
            && disks.newest(volume).await.map_err(doing)? == Some(newest)
        {
            disks.merge(volume, newest, below).await.map_err(doing)?;
            tracing::info!(instance = %self.id, %volume, layers = layers.len(), "frozen layers are being merged");
        }
        Ok(())
    }

    /// A merge has ended, whichever way.
    pub(super) async fn merged(&mut self, volume: VolumeId, error: &str) {
        if !error.is_empty() {
            tracing::warn!(instance = %self.id, %volume, error, "frozen layers could not be merged; it is tried again");
        }
        self.settle_layers(volume).await;
    }

    /// The generation of a volume that the machine has: the newest in the pool, which nobody replaces while it is claimed.
    fn generation_of(&self, volume: VolumeId) -> Option<u64> {
        self.host.pool.generation(volume).ok().flatten()
    }
}
