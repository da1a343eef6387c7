//! Backups of disks: snapshots that belong to their volume and go with it, as many as were bought for it.
//!
//! A backup is a snapshot with a mark: it is taken, read and rolled back to as any other, and clouds that know no backups show it as
//! one. When its volume is deleted, one that an image is made of stays, as a snapshot without the mark.

use crate::{DiskBackupId, Error, SnapshotId};

/// Most backups that can be bought for a volume (CBS documents 1,024).
pub const DISK_BACKUPS_MAX: u32 = 1_024;

impl DiskBackupId {
    /// The snapshot that it is.
    pub const fn snapshot(self) -> SnapshotId {
        SnapshotId::from_u64(self.as_u64())
    }

    /// The backup that a snapshot is.
    pub const fn of(snapshot: SnapshotId) -> DiskBackupId {
        DiskBackupId::from_u64(snapshot.as_u64())
    }
}

/// Refuses a quota of backups that is out of its range, or less than the volume has.
pub fn check_backup_quota(quota: u32, has: usize) -> Result<(), Error> {
    if !(1..=DISK_BACKUPS_MAX).contains(&quota) {
        return Err(Error::invalid("DiskBackupQuota", format!("must be 1 to {DISK_BACKUPS_MAX}")));
    }
    if (quota as usize) < has {
        return Err(Error::invalid("DiskBackupQuota", format!("the volume has {has} backups")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_in_its_range_and_holds_what_there_is() {
        for (quota, has, holds) in [(1, 0, true), (2, 2, true), (1_024, 1, true), (0, 0, false), (1_025, 0, false), (1, 2, false)] {
            assert_eq!(check_backup_quota(quota, has).is_ok(), holds, "{quota} {has}");
        }
    }
}
