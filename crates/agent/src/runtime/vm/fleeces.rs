//! How a machine's task keeps what the blocks of a frozen disk held while its guest overwrites them, until that is stored.
//!
//! ```text
//!   freeze ─▶ shown by QEMU, written down ─▶ [read] ─▶ the end is written down ─▶ filter out, fleece deleted
//!              │      │ the machine is told to end        ▲          ▲
//!              │      └─▶ sealed: read from the files ────┘          │
//!              └─ no room, QEMU gave it up, QEMU died ─▶ failed ─────┘
//! ```
//!
//! Which disk has a filter is asked of QEMU, and what for is in the records: a filter without a record that needs it goes, and what a
//! record says is shown and is not has failed. The disk itself is whole at every step: the guest writes in place.

use std::os::fd::OwnedFd;

use hostspec::FaultKind;
use model::{SnapshotId, VolumeId};
use repository::{LiveDisk, LiveError};

use super::super::read_snapshot;
use super::super::snapshots::{End, Kept, Part};
use super::super::start;
use super::VmTask;
use crate::qemu::disk::Disks;
use crate::qemu::fleece::Way;
use crate::qemu::qmp::QmpError;
use crate::trouble::Trouble;

impl VmTask {
    /// Has QEMU show what disks held when they were frozen, to whoever reads it.
    pub(super) async fn show(&mut self, disks: &Disks, ways: &[Way], parts: &mut [Part]) -> Result<(), Trouble> {
        let doing = |e: QmpError| Trouble::new(FaultKind::Other, format!("showing what was frozen: {e}"));
        let vm = self.id;
        for (way, part) in ways.iter().zip(parts) {
            let Way::Copy { volume, layer } = *way else { continue };
            let Some(live) = &self.live else { return Err(Trouble::new(FaultKind::Died, "the machine has ended")) };
            if live.copying.is_empty() {
                let socket = self.listen_for_readers()?;
                disks.serve(socket).await.map_err(doing)?;
            }
            disks.show(volume, layer, part.snapshot).await.map_err(doing)?;
            part.kept = Kept::Shown { vm };
            if let Some(live) = &mut self.live {
                live.copying.insert(volume);
            }
        }
        Ok(())
    }

    /// Takes out the filters of which nobody needs any more what they keep.
    pub(super) async fn tend_fleeces(&mut self) {
        if self.host.pool.require_room().is_err() {
            self.give_up_fleeces(FaultKind::DiskFull, "the pool has no room left for what the guest overwrites");
        }
        let copying: Vec<VolumeId> = self.live.iter().flat_map(|live| live.copying.iter().copied()).collect();
        for volume in copying {
            if !self.is_needed(volume) {
                self.stop_copying(volume).await;
            }
        }
    }

    /// Makes what QEMU has of filters agree with the records, after an agent went or a try to freeze failed.
    pub(super) async fn settle_fleece(&mut self, volume: VolumeId) {
        let Some(disks) = self.disks() else { return };
        match (disks.is_copying(volume).await, self.is_needed(volume)) {
            (Ok(true), true) => {
                if let Some(live) = &mut self.live {
                    live.copying.insert(volume);
                }
            }
            (Ok(_), is_needed) => {
                if is_needed {
                    let lost = |part: &Part| part.volume == volume;
                    self.end_fleeces(lost, FaultKind::Other, "QEMU does not keep any more what the disk held");
                }
                self.stop_copying(volume).await;
            }
            (Err(e), _) => tracing::warn!(instance = %self.id, %volume, error = %e, "whether old blocks are copied is not known"),
        }
    }

    /// Takes the filter of a volume out, and deletes what it kept.
    pub(super) async fn stop_copying(&mut self, volume: VolumeId) {
        let Some(disks) = self.disks() else { return };
        if let Err(e) = self.try_stop_copying(&disks, volume).await {
            // It is tried again at the next look.
            tracing::warn!(instance = %self.id, %volume, detail = e.detail, "old blocks are still being copied");
        }
    }

    async fn try_stop_copying(&mut self, disks: &Disks, volume: VolumeId) -> Result<(), Trouble> {
        let doing = |e: QmpError| Trouble::new(FaultKind::Other, format!("taking a filter out: {e}"));
        disks.stop_copying(volume).await.map_err(doing)?;
        read_snapshot::delete_fleeces(&self.host, volume)?;
        let Some(live) = &mut self.live else { return Ok(()) };
        if live.copying.remove(&volume) {
            tracing::info!(instance = %self.id, %volume, "the guest writes in place again, and nothing is copied");
            if live.copying.is_empty() {
                disks.stop_serving().await.map_err(doing)?;
                self.remove_socket();
            }
        }
        Ok(())
    }

    /// Gives up what the machine's QEMU still keeps: the snapshots fail.
    pub(super) fn give_up_fleeces(&self, kind: FaultKind, words: &str) {
        self.end_fleeces(|_| true, kind, words);
    }

    /// A disk leaves the machine, and with it what its QEMU kept.
    pub(super) fn let_fleece_go(&self, volume: VolumeId) {
        self.end_fleeces(|part| part.volume == volume, FaultKind::Other, "the disk was detached before what it held was stored");
    }

    /// The machine is about to end, and its guest writes no more: what was copied away is brought from QEMU's memory to the fleeces, so
    /// that snapshots are read on without it. What cannot be, fails when QEMU has ended.
    pub(super) async fn seal_fleeces(&mut self) {
        let parts = self.host.snapshots.parts(|part| part.is_shown_by(self.id));
        let Some(disks) = self.disks().filter(|_| !parts.is_empty()) else { return };
        // Before the first is sealed: a successor of an agent that is killed from here on ends the process.
        self.record.ending = true;
        self.write_down(false);
        if let Err(e) = disks.pause().await {
            tracing::warn!(instance = %self.id, error = %e, "what was copied for snapshots is not known to be whole");
            return;
        }
        for (job, part) in parts {
            match self.try_seal(&disks, job, part.clone()).await {
                Ok(()) => tracing::info!(instance = %self.id, snapshot = %part.snapshot, "a snapshot is read on without the machine"),
                Err(e) => tracing::warn!(instance = %self.id, snapshot = %part.snapshot, detail = e.detail, "a snapshot is lost"),
            }
        }
    }

    async fn try_seal(&self, disks: &Disks, job: SnapshotId, part: Part) -> Result<(), Trouble> {
        let doing = |e: QmpError| Trouble::new(FaultKind::Other, format!("bringing a fleece to the disk: {e}"));
        disks.flush_fleece(part.volume).await.map_err(doing)?;
        let (host, path) = (self.host.clone(), start::copies_path(&self.host.folder(self.id)));
        let sealed = tokio::task::spawn_blocking(move || {
            // QEMU refuses every access of what it had to give up.
            let refused = |e: LiveError| Trouble::new(FaultKind::Other, format!("asking QEMU for what it keeps: {e}"));
            let line = crate::files::connect(&path).map_err(|e| refused(e.into()))?;
            LiveDisk::open(&line, &part.snapshot.to_string()).and_then(|mut disk| disk.read_at(0, &mut [0; 512])).map_err(refused)?;
            host.snapshots.sealed(job, part.snapshot)
        });
        sealed.await.map_err(|e| Trouble::new(FaultKind::Other, e.to_string()))?
    }

    /// QEMU has ended, and with it what it knew of the blocks that it had copied and not brought to the fleeces.
    pub(super) fn lose_fleeces(&self) {
        self.give_up_fleeces(FaultKind::Died, "QEMU ended before what it had copied away was stored");
        let held = self.live.iter().flat_map(|live| live.claims.iter().map(|(volume, _)| *volume));
        let shown = self.host.snapshots.parts(|part| part.kept == Kept::Shown { vm: self.id });
        for volume in held.chain(shown.into_iter().map(|(_, part)| part.volume)) {
            if let Err(trouble) = read_snapshot::delete_fleeces(&self.host, volume) {
                tracing::warn!(instance = %self.id, %volume, detail = trouble.detail, "a fleece is left until the next start");
            }
        }
        self.remove_socket();
    }

    fn end_fleeces(&self, is_one: impl Fn(&Part) -> bool, kind: FaultKind, words: &str) {
        for (job, part) in self.host.snapshots.parts(|part| part.is_shown_by(self.id) && is_one(part)) {
            tracing::warn!(instance = %self.id, snapshot = %part.snapshot, volume = %part.volume, words, "a snapshot is given up");
            metrics::counter!("pileus_snapshots_given_up_total").increment(1);
            let end = End::Failed { kind, detail: words.to_owned() };
            if let Err(trouble) = self.host.snapshots.ended(job, part.snapshot, end) {
                tracing::error!(snapshot = %part.snapshot, detail = trouble.detail, "the end of a snapshot was not written down");
            }
            self.host.changed.notify_one();
        }
    }

    fn is_needed(&self, volume: VolumeId) -> bool {
        !self.host.snapshots.parts(|part| part.volume == volume && part.is_shown_by(self.id)).is_empty()
    }

    fn listen_for_readers(&self) -> Result<OwnedFd, Trouble> {
        let path = start::copies_path(&self.host.folder(self.id));
        let listening = crate::files::remove(&path).and_then(|()| crate::files::listen(&path));
        listening.map(OwnedFd::from).map_err(|e| Trouble::io("a socket for snapshots", &e))
    }

    fn remove_socket(&self) {
        if let Err(e) = crate::files::remove(&start::copies_path(&self.host.folder(self.id))) {
            tracing::warn!(instance = %self.id, error = %e, "a socket is left");
        }
    }
}

/// Whether volumes can be frozen at one instant only while no processor of the guest runs: QEMU puts filters in one after the other.
pub(super) fn need_a_pause(ways: &[Way]) -> bool {
    ways.len() > 1 && ways.iter().any(|way| matches!(way, Way::Copy { .. }))
}
