//! Backups of disks: snapshots that belong to their volume, as many as were bought for it, and go with it.

use model::{AccountId, DiskBackupId, Error, Noun, Snapshot, SnapshotId, Volume, VolumeId, check_backup_quota, check_name};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::roll_back::{AroundRollBack, RollBackVolume};
use crate::run::{Command, Cx};
use crate::snapshot::{self, Taker, forget, take, used_by};
use crate::volume::{self, volume_of};

/// Takes a backup of a volume. Refused when it has as many as were bought for it.
#[derive(Debug, Clone, Serialize)]
pub struct CreateDiskBackup {
    /// Of what.
    pub volume: VolumeId,
    /// Display name.
    pub name: String,
}

/// Deletes a backup. Refused while an image is made of it.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteDiskBackup {
    /// Which one.
    pub backup: DiskBackupId,
}

/// Makes a volume what it was at a backup of it.
#[derive(Debug, Clone, Serialize)]
pub struct RollBackToBackup {
    /// The volume.
    pub volume: VolumeId,
    /// The backup.
    pub backup: DiskBackupId,
    /// What becomes of its instance.
    pub around: AroundRollBack,
}

/// Changes how many backups a volume may have, not below what it has.
#[derive(Debug, Clone, Serialize)]
pub struct SetBackupQuota {
    /// Which volume.
    pub volume: VolumeId,
    /// How many, 1 to [`model::DISK_BACKUPS_MAX`].
    pub quota: u32,
}

impl Command for CreateDiskBackup {
    type Reply = DiskBackupId;
    const NAME: &'static str = "CreateDiskBackup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let new = Target { path: Some("snapshot/*".to_owned()), ..Target::default() };
        Ok(vec![new, volume::target(tx, cx, self.volume)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<DiskBackupId, Failure> {
        check_name("DiskBackupName", &self.name)?;
        let volume = volume_of(tx, cx.caller.account(), self.volume)?;
        if backups_of(tx, volume.id)?.len() >= volume.backup_quota as usize {
            let (what, limit) = (format!("backups of {}", volume.id), u64::from(volume.backup_quota));
            return Err(Error::LimitReached { name: "DiskBackup", what, limit }.into());
        }
        let taken = take(tx, Taker::of(cx), &[volume], |_, row| {
            row.backup = true;
            row.name.clone_from(&self.name);
            Ok(())
        })?;
        Ok(DiskBackupId::of(taken.first().ok_or(Error::Internal)?.id))
    }
}

impl Command for DeleteDiskBackup {
    type Reply = ();
    const NAME: &'static str = "DeleteDiskBackup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![snapshot::target(tx, cx, self.backup.snapshot())?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        snapshot::delete(tx, &backup_of(tx, cx.caller.account(), self.backup)?)
    }
}

impl Command for RollBackToBackup {
    type Reply = ();
    const NAME: &'static str = "RollBackToBackup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        self.inner().targets(tx, cx)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        backup_of(tx, cx.caller.account(), self.backup)?;
        self.inner().apply(tx, cx).map(drop)
    }
}

impl RollBackToBackup {
    fn inner(&self) -> RollBackVolume {
        RollBackVolume { volume: self.volume, snapshot: self.backup.snapshot(), around: self.around }
    }
}

impl Command for SetBackupQuota {
    type Reply = ();
    const NAME: &'static str = "SetBackupQuota";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![volume::target(tx, cx, self.volume)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut volume = volume_of(tx, cx.caller.account(), self.volume)?;
        check_backup_quota(self.quota, backups_of(tx, volume.id)?.len())?;
        volume.backup_quota = self.quota;
        Ok(tx.update(&volume)?)
    }
}

/// Deletes the snapshots that go with a volume that is gone: its backups, and where it is said so what policies took of it. What
/// an image is made of stays, a backup as an ordinary snapshot.
pub(crate) fn forget_backups(tx: &mut Tx<'_>, volume: &Volume) -> Result<(), Failure> {
    if volume.deletes_auto_snapshots {
        for row in tx.snapshot_list_of_volume(volume.id)?.into_iter().filter(|row| row.policy.is_some() && !row.backup) {
            if used_by(tx, &row)?.is_empty() {
                forget(tx, &row)?;
            }
        }
    }
    for row in backups_of(tx, volume.id)? {
        if used_by(tx, &row)?.is_empty() {
            forget(tx, &row)?;
        } else {
            tx.update(&Snapshot { backup: false, ..row })?;
        }
    }
    Ok(())
}

fn backups_of(tx: &Tx<'_>, volume: VolumeId) -> Result<Vec<Snapshot>, Failure> {
    Ok(tx.snapshot_list_of_volume(volume)?.into_iter().filter(|row| row.backup).collect())
}

/// The backup, if the account owns it.
fn backup_of(tx: &Tx<'_>, account: AccountId, id: DiskBackupId) -> Result<Snapshot, Failure> {
    let snapshot: SnapshotId = id.snapshot();
    let row = tx.get::<Snapshot>(snapshot)?.filter(|row| row.account == account && row.backup);
    Ok(row.ok_or_else(|| Error::not_found(Noun::DiskBackup, id))?)
}
