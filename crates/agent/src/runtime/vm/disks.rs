//! How a machine's task gives a running guest a disk, and gets one back.
//!
//! ```text
//!   attach ─▶ claim, open, add ─▶ the guest has it
//!   detach ─▶ leaving: asked every few seconds ─▶ DEVICE_DELETED ─▶ nodes and file closed, claim given back
//!               └─ by force: taken from under the device first, which gives the claim back at once
//! ```
//!
//! What the guest does not release stays leaving; that it takes too long is for the control plane to say.

use std::time::Duration;

use hostspec::{DiskSpec, FaultKind, HostSpec, VmSpec, VolumeGoal};
use model::{DiskLimits, VolumeId};
use tokio::time::Instant;

use super::super::{read_snapshot, start};
use super::{COMMAND, VmTask};
use crate::block::Claim;
use crate::block::disk_key;
use crate::block::shared::Sharing;
use crate::qemu::disk::{Asked, Below, Disks, NewDisk};
use crate::qemu::qmp::QmpError;
use crate::trouble::Trouble;

/// Time between two requests to release a disk: a guest that is still booting does not hear the first, and QEMU repeats one after
/// five seconds at the earliest.
const ASK: Duration = Duration::from_secs(6);
/// Time after which the nodes of a disk that has gone are removed again when they were still in use.
const AGAIN: Duration = Duration::from_millis(200);

/// A disk that the guest was asked to release.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    /// Whether it is taken without the guest's leave.
    pub force: bool,
    /// When the guest is asked again.
    pub ask: Instant,
}

impl VmTask {
    pub(super) fn disks(&self) -> Option<Disks> {
        let (qmp, _) = self.live.as_ref()?.monitor.as_ref()?;
        Some(Disks::new(qmp.clone(), COMMAND))
    }

    /// Gives the guest a disk that it does not have yet.
    pub(super) async fn attach(&mut self, spec: &HostSpec, vm: &VmSpec, volume: VolumeId) {
        let has_it = self.live.as_ref().is_none_or(|live| live.claims.iter().any(|(held, _)| *held == volume));
        if has_it {
            return;
        }
        match self.try_attach(spec, vm, volume).await {
            Ok((claim, limits)) => {
                self.note_limits(volume, limits);
                tracing::info!(instance = %self.id, %volume, "disk attached");
                metrics::counter!("pileus_disks_attached_total").increment(1);
                if let Some(live) = &mut self.live {
                    live.claims.push((volume, claim));
                }
            }
            Err(trouble) => self.fail(trouble),
        }
    }

    async fn try_attach(&self, spec: &HostSpec, vm: &VmSpec, volume: VolumeId) -> Result<(Claim, DiskLimits), Trouble> {
        let missing = || Trouble::new(FaultKind::Other, format!("{volume} is not in the document"));
        let DiskSpec { serial, limits, .. } = vm.disks.iter().find(|disk| disk.volume == volume).cloned().ok_or_else(missing)?;
        let of_document = spec.volumes.iter().find(|known| known.id == volume).ok_or_else(missing)?;
        let image = start::under(spec, of_document).map_err(|()| missing())?;
        let keys = disk_key::all_of_volume(spec, volume)?;
        let disks = self.disks().ok_or_else(|| Trouble::new(FaultKind::Hung, "the monitor is not connected"))?;
        let doing = |e: QmpError| Trouble::new(FaultKind::Other, format!("attaching {volume}: {e}"));
        if disks.list().await.map_err(doing)?.contains(&volume) {
            // It was taken by force, and the guest still has the empty device of that name.
            disks.ask_for(volume).await.map_err(doing)?;
            return Err(Trouble::new(FaultKind::Other, format!("the guest has not let go of {volume}, which was taken from it")));
        }
        let (host, generation, own) = (self.host.clone(), of_document.generation, keys.own.clone());
        let sharing = Sharing::of(of_document.is_shared());
        let opened = tokio::task::spawn_blocking(move || {
            let claim = host.pool.claim_as(volume, sharing)?;
            read_snapshot::make_writable(&host, volume, generation, own.as_ref())?;
            let layers = host.pool.open_as(volume, generation, sharing)?;
            let image = image.map(|image| host.images.readable(&image)).transpose()?;
            Ok((claim, layers, image.map(|readable| readable.manifest)))
        });
        let (claim, layers, image) = opened.await.map_err(|e| Trouble::new(FaultKind::Other, e.to_string()))??;
        let below = image.map(|manifest| Below { manifest, key: keys.under });
        disks.add(NewDisk { volume, layers, key: keys.own, below, serial, limits, sharing }).await.map_err(doing)?;
        Ok((claim, limits))
    }

    /// Holds the guest to these figures at a disk. What fails is tried again with the next plan.
    pub(super) async fn throttle(&mut self, volume: VolumeId, limits: DiskLimits) {
        let Some(disks) = self.disks() else { return };
        match disks.throttle(volume, &limits).await {
            Ok(()) => self.note_limits(volume, limits),
            Err(QmpError::Closed) => {}
            Err(e) => self.fail(Trouble::new(FaultKind::Other, format!("limiting {volume}: {e}"))),
        }
    }

    fn note_limits(&mut self, volume: VolumeId, limits: DiskLimits) {
        let Some(live) = &mut self.live else { return };
        if limits.is_none() {
            live.limits.remove(&volume);
        } else {
            live.limits.insert(volume, limits);
        }
    }

    /// Asks the guest to release a disk, and goes on asking; by force, its bytes are taken first.
    pub(super) async fn detach(&mut self, spec: &HostSpec, volume: VolumeId, force: bool) {
        let Some(live) = &mut self.live else { return };
        live.leaving.insert(volume, Leaving { force, ask: Instant::now() + ASK });
        if force {
            let size_bytes = spec.volumes.iter().find(|known| known.id == volume).map_or(0, |known| match known.goal {
                VolumeGoal::Present { size_bytes, .. } => size_bytes,
                VolumeGoal::Deleted => 0,
            });
            self.seize(volume, size_bytes).await;
        }
        self.ask_for(volume).await;
    }

    async fn seize(&mut self, volume: VolumeId, size_bytes: u64) {
        let Some(disks) = self.disks() else { return };
        self.let_fleece_go(volume);
        match disks.seize(volume, size_bytes).await {
            Ok(()) => {
                tracing::info!(instance = %self.id, %volume, "disk taken from its guest");
                if let Some(live) = &mut self.live {
                    live.claims.retain(|(held, _)| *held != volume);
                    live.limits.remove(&volume);
                    live.copying.remove(&volume);
                }
            }
            Err(e) => self.complain(Trouble::new(FaultKind::Other, format!("taking {volume}: {e}"))),
        }
    }

    async fn ask_for(&mut self, volume: VolumeId) {
        let Some(disks) = self.disks() else { return };
        match disks.ask_for(volume).await {
            Ok(Asked::Waiting) => {}
            Ok(Asked::Absent) => self.released(volume).await,
            Err(QmpError::Closed) => {}
            Err(e) => self.complain(Trouble::new(FaultKind::Other, format!("detaching {volume}: {e}"))),
        }
    }

    /// Asks again for what was not released.
    pub(super) async fn ask_again(&mut self) {
        let now = Instant::now();
        let due: Vec<VolumeId> = self
            .live
            .iter_mut()
            .flat_map(|live| live.leaving.iter_mut())
            .filter_map(|(volume, leaving)| {
                (leaving.ask <= now).then(|| {
                    leaving.ask = now + ASK;
                    *volume
                })
            })
            .collect();
        for volume in due {
            self.ask_for(volume).await;
        }
    }

    /// The guest has released a disk: its nodes and its file are closed, and others may have the volume.
    pub(super) async fn released(&mut self, volume: VolumeId) {
        let Some(disks) = self.disks() else { return };
        self.let_fleece_go(volume);
        let forgotten = disks.forget(volume).await;
        let Some(live) = &mut self.live else { return };
        match forgotten {
            Ok(()) => {
                live.leaving.remove(&volume);
                live.limits.remove(&volume);
                live.claims.retain(|(held, _)| *held != volume);
                live.copying.remove(&volume);
                tracing::info!(instance = %self.id, %volume, "disk detached");
                metrics::counter!("pileus_disks_detached_total").increment(1);
            }
            Err(e) => {
                tracing::debug!(instance = %self.id, %volume, error = %e, "the nodes of a disk are still in use");
                let force = live.leaving.get(&volume).is_some_and(|leaving| leaving.force);
                live.leaving.insert(volume, Leaving { force, ask: Instant::now() + AGAIN });
            }
        }
    }

    /// After an agent went in the middle of a change, closes what a process has open and its guest has not.
    pub(super) async fn settle_disks(&mut self) {
        let Some(disks) = self.disks() else { return };
        let Ok(devices) = disks.list().await else { return };
        let open = self.live.iter().flat_map(|live| live.claims.iter().map(|(volume, _)| *volume));
        let without_device: Vec<VolumeId> = open.filter(|volume| !devices.contains(volume)).collect();
        for volume in without_device {
            self.released(volume).await;
        }
        match disks.limits().await {
            Ok(limits) => self.live.iter_mut().for_each(|live| live.limits.clone_from(&limits)),
            Err(e) => tracing::warn!(instance = %self.id, error = %e, "what the guest is held to is not known"),
        }
        let held: Vec<VolumeId> = self.live.iter().flat_map(|live| live.claims.iter().map(|(volume, _)| *volume)).collect();
        for volume in held {
            self.settle_fleece(volume).await;
            self.settle_layers(volume).await;
        }
    }
}
