//! Freezing volumes that no machine has, and reading what was frozen into the repository. Both block; neither knows QEMU.

use std::sync::atomic::Ordering;

use hostspec::{FaultKind, HostSpec, SnapshotJob, SnapshotPart};
use model::{Consistency, DataKey, SnapshotId, SnapshotMode, VolumeId};
use repository::Live;

use super::host::Host;
use super::snapshots::{End, Kept, Part, Record};
use super::start;
use crate::block::disk_key::{self, Opened};
use crate::block::image::StoredDisk;
use crate::block::qcow2;
use crate::trouble::Trouble;

/// Freezes the volumes of a job that no machine has open, all before any of them can be opened again.
pub fn freeze(host: &Host, job: &SnapshotJob) -> Result<(), Trouble> {
    if host.snapshots.record(job.id).is_some() {
        return Ok(());
    }
    for part in &job.parts {
        host.pool.drop_empty_layers(part.volume, part.generation)?;
    }
    let claims = job.parts.iter().map(|part| host.pool.claim(part.volume)).collect::<Result<Vec<_>, _>>()?;
    let parts = job.parts.iter().map(|part| describe(host, part)).collect::<Result<Vec<_>, _>>()?;
    let mut named = Vec::with_capacity(parts.len());
    for part in &parts {
        let asked = part_of(job, part.snapshot)?;
        if asked.mode == SnapshotMode::Copy {
            // Nobody writes it now; who opens it before it is read lays a layer over it.
            continue;
        }
        let key = disk_key::of_part(asked)?.own;
        let layer = host.pool.make_layer(part.volume, part.generation, key.as_ref())?;
        named.push((layer.volume, layer.generation, layer.number));
    }
    host.pool.name_layers(&named)?;
    host.snapshots.frozen(Record { job: job.id, consistency: Consistency::Crash, parts }, &host.pool)?;
    drop(claims);
    Ok(())
}

/// What a volume is made of now.
pub fn describe(host: &Host, part: &SnapshotPart) -> Result<Part, Trouble> {
    let SnapshotPart { snapshot, volume, generation, ref under, .. } = *part;
    let layers = host.pool.layers(volume, generation)?;
    let missing = || Trouble::new(FaultKind::Other, format!("{volume} is not here in generation {generation}"));
    let newest = host.pool.open_layer(volume, generation, *layers.last().ok_or_else(missing)?)?;
    let size_bytes = qcow2::read_size(&newest).map_err(|e| Trouble::new(FaultKind::Other, format!("{volume}: {e}")))?;
    Ok(Part { snapshot, volume, generation, layers, size_bytes, under: under.clone(), kept: Kept::InLayers, end: None })
}

/// Reads the volumes of a job, one after the other. One that cannot be read for good ends as failed; another trouble is returned,
/// and the job may be tried again.
pub fn read(host: &Host, job: SnapshotId, spec: &HostSpec) -> Result<(), Trouble> {
    let Some(record) = host.snapshots.record(job) else { return Ok(()) };
    let progress = host.snapshots.progress(job);
    let total: u64 = record.parts.iter().map(|part| part.size_bytes).sum();
    let mut before = 0;
    for part in &record.parts {
        if part.end.is_none() {
            let tell = |bytes: u64| progress.store(((before + bytes) * 100 / total.max(1)) as u8, Ordering::Relaxed);
            let of_document = spec.snapshots.iter().find(|known| known.id == job);
            let keys = of_document.map_or(Ok(Opened::default()), |known| disk_key::of_part(part_of(known, part.snapshot)?))?;
            let end = match read_part(host, part, &keys, &tell) {
                Ok(end) => end,
                Err(trouble) if trouble.kind == FaultKind::ImageCorrupt => End::Failed { kind: trouble.kind, detail: trouble.detail },
                Err(trouble) => return Err(trouble),
            };
            tracing::info!(snapshot = %part.snapshot, volume = %part.volume, ?end, "snapshot read");
            metrics::counter!("pileus_snapshots_read_total").increment(1);
            host.snapshots.ended(job, part.snapshot, end)?;
            if part.kept == Kept::InLayersAndFleece {
                delete_fleeces(host, part.volume)?;
            }
        }
        before += part.size_bytes;
    }
    Ok(())
}

/// Forgets a job, and with it what was kept only for its sake: earlier generations of volumes that were rolled back meanwhile.
pub fn forget(host: &Host, job: SnapshotId) -> Result<(), Trouble> {
    let record = host.snapshots.record(job);
    host.snapshots.forget(job)?;
    for part in record.iter().flat_map(|record| &record.parts) {
        host.pool.delete_older(part.volume)?;
        if part.kept == Kept::InLayersAndFleece {
            delete_fleeces(host, part.volume)?;
        }
    }
    Ok(())
}

/// Deletes the fleeces of a volume that no record needs.
pub fn delete_fleeces(host: &Host, volume: VolumeId) -> Result<(), Trouble> {
    let needed = host.snapshots.fleeces();
    let deleted = host.pool.delete_fleeces(|fleece| fleece.volume == volume && !needed.contains(fleece));
    deleted.map_err(|e| Trouble::io("deleting a fleece", &e))
}

/// Makes it so that a machine may write to a volume that it is about to open, and has claimed: where what its newest layer holds has still
/// to be read, another is laid over it.
pub fn make_writable(host: &Host, volume: VolumeId, generation: u64, key: Option<&DataKey>) -> Result<(), Trouble> {
    let newest = host.pool.layers(volume, generation)?.last().copied();
    let needs = |part: &Part| part.end.is_none() && (part.volume, part.generation) == (volume, generation);
    let is_read = |part: &Part| needs(part) && part.layers.last().copied() == newest;
    if newest.is_none() || host.snapshots.parts(is_read).is_empty() {
        return Ok(());
    }
    let layer = host.pool.make_layer(volume, generation, key)?;
    host.pool.name_layers(&[(volume, generation, layer.number)])
}

/// The part of a job that is a snapshot.
fn part_of(job: &SnapshotJob, snapshot: SnapshotId) -> Result<&SnapshotPart, Trouble> {
    let missing = || Trouble::new(FaultKind::Other, format!("{snapshot} is not in the document"));
    job.parts.iter().find(|part| part.snapshot == snapshot).ok_or_else(missing)
}

fn read_part(host: &Host, part: &Part, keys: &Opened, tell: &(dyn Fn(u64) + Sync)) -> Result<End, Trouble> {
    let open = |layer: &u32| host.pool.open_layer(part.volume, part.generation, *layer);
    let (layers, line) = match part.kept {
        Kept::InLayers => (part.layers.iter().map(open).collect(), None),
        // What was overwritten lies over the rest as a layer does.
        Kept::InLayersAndFleece => {
            let fleece = part.fleece().map(|fleece| host.pool.open_fleece(fleece));
            (part.layers.iter().map(open).chain(fleece).collect(), None)
        }
        Kept::Shown { vm } => {
            let doing = |e| Trouble::io(&format!("asking the QEMU of {vm} for {}", part.volume), &e);
            // The newest is written on, and QEMU's to read.
            let frozen = part.layers.split_last().map_or(&[][..], |(_, frozen)| frozen);
            (
                frozen.iter().map(open).collect::<Vec<_>>(),
                Some(crate::files::connect(&start::copies_path(&host.folder(vm))).map_err(doing)?),
            )
        }
    };
    let files = layers.into_iter().collect::<Result<Vec<_>, _>>();
    // The record kept them from being merged or deleted, so no later try will find them.
    let files = files.map_err(|e| Trouble::new(FaultKind::ImageCorrupt, e.detail))?;
    let export = part.snapshot.to_string();
    let live = line.as_ref().map(|line| Live { line, export: &export });
    let disk = StoredDisk { files: &files, live, keys, under: part.under.as_deref(), size_bytes: part.size_bytes };
    let stored = host.images.store(&disk, tell)?;
    metrics::counter!("pileus_snapshot_bytes_total").increment(stored.new_bytes);
    Ok(End::Done { manifest: stored.manifest.to_string(), stored_bytes: stored.new_bytes })
}
