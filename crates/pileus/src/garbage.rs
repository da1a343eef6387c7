//! Gives the room of deleted snapshots and images back: now and then the repository is told what the rows still need.
//!
//! What no row names and was stored long ago goes. Long ago is before any snapshot began that no row names yet, and before
//! [`SPARED`], in which whoever stored something has had the time to say so.

use std::time::{Duration, SystemTime};

use control::{Cloud, ManifestsNeeded};
use repository::{Repository, RepositoryError};

/// Time between two collections.
const EVERY: Duration = Duration::from_secs(600);
/// What was stored in the last hour stays: an image of the operator's is registered after it was imported, and a host's report may be late.
const SPARED: Duration = Duration::from_secs(3_600);

/// Collects now and then until the task is dropped.
pub async fn collect(cloud: Cloud, repository: Repository) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = collect_once(&cloud, &repository).await {
            tracing::warn!(%error, "the repository's garbage could not be collected; it is tried again");
        }
    }
}

async fn collect_once(cloud: &Cloud, repository: &Repository) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let ManifestsNeeded { digests, pending_since } = cloud.manifests_needed().await?;
    let pending = pending_since.map(|since| SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(since.0).unwrap_or(0)));
    let before = pending.into_iter().chain([now - SPARED]).min().unwrap_or(now);
    let (repository, cached) = (repository.clone(), repository.clone());
    let collecting = tokio::task::spawn_blocking(move || repository.collect(|image| digests.contains(&image.to_string()), before));
    let collected = collecting.await?;
    let evicted = tokio::task::spawn_blocking(move || cached.evict()).await??;
    metrics::counter!("pileus_repository_evicted_bytes_total").increment(evicted);
    match collected {
        Ok(collected) => {
            metrics::counter!("pileus_repository_collected_bytes_total").increment(collected.swept.bytes);
            tracing::debug!(images = collected.images, bytes = collected.swept.bytes, "garbage collected");
            Ok(())
        }
        // A snapshot is being stored; its time will come.
        Err(RepositoryError::Busy) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
