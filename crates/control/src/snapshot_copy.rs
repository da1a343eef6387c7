//! Copies of snapshots: as they are, or encrypted under another key.
//!
//! ```text
//!   same key, or plain ─▶ completed at once, over the same bytes
//!   another key        ─▶ a sealed upload without blocks over the original ─▶ stored anew, sealed ─▶ completed
//! ```

use model::{
    EncryptionChoice, Error, QuotaName, SNAPSHOT_DEADLINE_MS, Shares, Snapshot, SnapshotId, SnapshotPhase, Tags, UPLOAD_TIMEOUT_USUAL,
    Upload, add_tags, check_name,
};
use serde::Serialize;
use store::Tx;

use crate::auth::{Caller, Target};
use crate::disk_encryption::choose;
use crate::instance::check_description;
use crate::run::{Command, Cx, Options};
use crate::snapshot::{SNAPSHOT, snapshot_usable};
use crate::{Cloud, Failure};

/// Copies a completed snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct CopySnapshot {
    /// The original.
    pub snapshot: SnapshotId,
    /// Display name; that of the original when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the copy is encrypted.
    pub encryption: EncryptionChoice,
    /// Description; that of the original when none is given.
    pub description: Option<String>,
    /// Tags.
    pub tags: Tags,
}

impl Command for CopySnapshot {
    type Reply = Snapshot;
    const NAME: &'static str = "CopySnapshot";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let new = Target { path: Some("snapshot/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        Ok(vec![new, crate::snapshot::target(tx, cx, self.snapshot)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Snapshot, Failure> {
        let account = cx.caller.account();
        let of = snapshot_usable(tx, account, self.snapshot)?;
        let manifest = of.contents()?.to_owned();
        let limit = tx.quota_limit(account, QuotaName::Snapshots)?;
        QuotaName::Snapshots.check(limit, tx.snapshot_count(account, limit)?, 1)?;
        self.name.as_deref().map_or(Ok(()), |name| check_name("SnapshotName", name))?;
        self.description.as_deref().map_or(Ok(()), check_description)?;
        let encryption = choose(tx, cx, &self.encryption, of.encryption.as_ref())?;
        let same = encryption == of.encryption;
        let (upload, deadline) = (Upload { timeout_minutes: UPLOAD_TIMEOUT_USUAL, sealed: Some(0) }, cx.now.after(SNAPSHOT_DEADLINE_MS));
        let fresh = crate::upload::row(cx, upload, of.size);
        let mut row = Snapshot {
            id: fresh.id,
            job: fresh.id,
            account,
            volume: fresh.volume,
            name: self.name.clone().unwrap_or_else(|| of.name.clone()),
            description: self.description.clone().unwrap_or_else(|| of.description.clone()),
            host: None,
            encryption,
            under: None,
            under_encryption: None,
            stored_bytes: 0,
            created_at: cx.now,
            ended_at: Some(cx.now),
            upload: None,
            policy: None,
            group: None,
            backup: false,
            expires_at: None,
            at_boot: None,
            shares: Shares::default(),
            tags: Tags::new(),
            ..of.clone()
        };
        if !same {
            row.phase = SnapshotPhase::Pending { percent: 0, until: deadline };
            (row.manifest, row.ended_at, row.upload) = (None, None, Some(upload));
            (row.under, row.under_encryption) = (Some(manifest), of.encryption);
        }
        add_tags(&mut row.tags, &self.tags)?;
        tx.insert(&row)?;
        if !same {
            tx.wake(SNAPSHOT, row.id, deadline)?;
        }
        Ok(row)
    }
}

impl Cloud {
    /// Copies a snapshot, and has the copy stored if it has to be.
    pub async fn snapshot_copy(&self, caller: &Caller, copy: CopySnapshot, options: Options) -> Result<Snapshot, Error> {
        let row = self.run(caller, copy, options).await?;
        self.ring_for_uploads();
        Ok(row)
    }
}
