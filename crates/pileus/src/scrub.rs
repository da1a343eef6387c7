//! The repository's scrub: once a day beside everything else, and at the operator's word (`pileus repository scrub`).
//!
//! Which images, snapshots and disks read what is damaged, the rows know.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use control::Cloud;
use repository::{Pace, Repository, RepositoryError, Scrubbed};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::arguments::{RepositoryAction, RepositoryCommand};
use crate::client::{ask, block_on};
use crate::state::StateFolder;

/// Time between the ends of two scrubs.
const EVERY: Duration = Duration::from_secs(86_400);
/// How often it is looked whether one is due: as long as one that failed waits.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Bytes read in a second where nobody says otherwise: a terabyte takes 15 hours, and a disk hardly notices.
const USUAL_MIB_PER_SECOND: u64 = 20;

/// What scrubs, one at a time.
#[derive(Clone)]
pub struct Scrubber {
    cloud: Cloud,
    repository: Repository,
    running: Arc<Mutex<()>>,
    stop: CancellationToken,
}

impl Scrubber {
    /// Scrubs this repository until it is told to stop.
    pub fn new(cloud: Cloud, repository: Repository, stop: CancellationToken) -> Scrubber {
        Scrubber { cloud, repository, running: Arc::default(), stop }
    }

    /// Scrubs once a day until the task is dropped.
    pub async fn run(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if !self.is_due() {
                continue;
            }
            if let Err(error) = self.scrub(USUAL_MIB_PER_SECOND).await {
                tracing::warn!(error = format!("{error:#}"), "the repository could not be scrubbed; it is tried again");
            }
        }
    }

    fn is_due(&self) -> bool {
        let last = self.repository.last_scrub().map_or(0, |scrubbed| scrubbed.ended_at_ms);
        let now = u64::try_from(self.cloud.clock().now().0).unwrap_or(0);
        now.saturating_sub(last) >= EVERY.as_millis() as u64
    }

    async fn scrub(&self, mib_per_second: u64) -> Result<Scrubbed> {
        let Ok(running) = self.running.clone().try_lock_owned() else { anyhow::bail!("a scrub is running") };
        let (repository, stop) = (self.repository.clone(), self.stop.clone());
        let pace = Pace { bytes_per_second: mib_per_second << 20 };
        let scrubbing = tokio::task::spawn_blocking(move || {
            // Held for as long as it runs, also when nobody waits for it any more.
            let _running = running;
            repository.scrub(pace, || !stop.is_cancelled())
        });
        let found = match scrubbing.await? {
            Err(RepositoryError::Stopped) => anyhow::bail!("pileus ends"),
            found => found?,
        };
        metrics::counter!("pileus_repository_scrubbed_bytes_total").increment(found.bytes);
        metrics::counter!("pileus_repository_mended_objects_total").increment(found.mended.len() as u64);
        metrics::gauge!("pileus_repository_damaged_objects").set(found.damaged.len() as f64);
        for mended in &found.mended {
            tracing::warn!(mended, "the repository was mended");
        }
        for sentence in self.damage(&found).await? {
            tracing::error!(sentence, alarm = true, "the repository is damaged");
        }
        Ok(found)
    }

    /// What the last scrub found damaged, a sentence each with who reads it.
    pub async fn findings(&self) -> Result<Vec<String>> {
        match self.last().await? {
            Some(found) => Ok(self.damage(&found).await?.into_iter().map(|sentence| format!("repository: {sentence}")).collect()),
            None => Ok(vec![]),
        }
    }

    async fn last(&self) -> Result<Option<Scrubbed>> {
        let repository = self.repository.clone();
        Ok(tokio::task::spawn_blocking(move || repository.last_scrub()).await?)
    }

    async fn damage(&self, found: &Scrubbed) -> Result<Vec<String>> {
        let images: BTreeSet<String> = found.damaged.iter().flat_map(|damage| &damage.images).map(ToString::to_string).collect();
        let readers = if images.is_empty() { Default::default() } else { self.cloud.manifest_readers(images).await? };
        let sentence = |damage: &repository::Damage| {
            let of = |image: &repository::Digest| readers.get(&image.to_string()).into_iter().flatten().map(String::as_str);
            let readers: BTreeSet<&str> = damage.images.iter().flat_map(of).collect();
            let needed = if readers.is_empty() { "nobody".to_owned() } else { readers.into_iter().collect::<Vec<_>>().join(", ") };
            format!("{}; needed by {needed}", damage.problem)
        };
        Ok(found.damaged.iter().map(sentence).collect())
    }

    /// What `pileus status` shows.
    pub async fn status(&self) -> Result<Value> {
        let repository = self.repository.clone();
        let attached = tokio::task::spawn_blocking(move || repository.is_attached()).await?;
        let last = self.last().await?;
        Ok(json!({
            "object_store": attached.unwrap_or(true),
            "scrubbed_at_ms": last.as_ref().map(|found| found.ended_at_ms),
            "mended": last.as_ref().map_or(0, |found| found.mended.len()),
            "damaged": last.as_ref().map_or(0, |found| found.damaged.len()),
        }))
    }

    /// Answers `pileus repository scrub`.
    pub async fn answer(&self, arguments: &Value) -> Result<Value> {
        let found = self.scrub(arguments["mib_per_second"].as_u64().unwrap_or(USUAL_MIB_PER_SECOND)).await?;
        Ok(json!({
            "images": found.images, "objects": found.objects, "bytes": found.bytes, "mended": found.mended, "damaged": self.damage(&found).await?,
        }))
    }
}

/// `pileus repository`.
pub fn command(command: &RepositoryCommand) -> Result<()> {
    let folder = StateFolder::at(&command.state.folder)?;
    let RepositoryAction::Scrub { rate } = command.action;
    let answer = block_on(ask(&folder, "/repository/scrub", &json!({ "mib_per_second": rate })))?;
    let sentences =
        |name: &str| answer[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    println!(
        "Read {} objects of {} images, {} MiB.",
        answer["objects"],
        answer["images"],
        answer["bytes"].as_u64().context("no answer")? >> 20
    );
    sentences("mended").iter().for_each(|mended| println!("mended: {mended}"));
    let damaged = sentences("damaged");
    damaged.iter().for_each(|damage| println!("damaged: {damage}"));
    if damaged.is_empty() { Ok(()) } else { anyhow::bail!("{} object(s) are damaged and could not be mended", damaged.len()) }
}
