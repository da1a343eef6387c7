//! Backups of disks: as many as were bought for a disk, and gone with it. Other clouds' lists show them as snapshots.

use control::{Field, Filter, Many, OrderKey, Query, RollBackToBackup, SetBackupQuota};
use jiff::Timestamp;
use model::{DiskBackupId, Snapshot, SnapshotId, SnapshotPhase, VolumeId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::order::{self, OrderDirection};
use crate::page::{Cut, LIMIT_MAX};
use crate::snapshot::Around;
use crate::{Cx, id};

/// Longest name of a backup (CBS documents 100 characters).
const NAME_MAX: usize = 100;

/// `ModifyDiskBackupQuota`.
#[derive(FromArg)]
pub(crate) struct ModifyDiskBackupQuota {
    disk_id: String,
    disk_backup_quota: u32,
}

/// Changes how many backups a disk may have.
pub(crate) async fn modify_quota(cx: &Cx<'_>, asked: ModifyDiskBackupQuota) -> Result<(), Fault> {
    let command = SetBackupQuota { volume: id::read(&asked.disk_id)?, quota: asked.disk_backup_quota };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `CreateDiskBackup`.
#[derive(FromArg)]
pub(crate) struct CreateDiskBackup {
    disk_id: String,
    #[arg(default, max_len = NAME_MAX)]
    disk_backup_name: String,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Created {
    disk_backup_id: String,
}

/// Takes a backup of a disk, attached or not; the guest goes on.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateDiskBackup) -> Result<Created, Fault> {
    let command = control::CreateDiskBackup { volume: id::read(&asked.disk_id)?, name: asked.disk_backup_name };
    let backup = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(Created { disk_backup_id: id::shown(backup) })
}

/// `DeleteDiskBackups`.
#[derive(FromArg)]
pub(crate) struct DeleteDiskBackups {
    #[arg(max_items = LIMIT_MAX)]
    disk_backup_ids: Vec<String>,
}

/// Deletes backups: all of them or none.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteDiskBackups) -> Result<(), Fault> {
    let delete = |backup| control::DeleteDiskBackup { backup };
    let commands = id::read_some("DiskBackupIds", &asked.disk_backup_ids)?.into_iter().map(delete).collect();
    Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?)
}

/// `ApplyDiskBackup`.
#[derive(FromArg)]
pub(crate) struct ApplyDiskBackup {
    disk_backup_id: String,
    disk_id: String,
    #[arg(flatten)]
    around: Around,
}

/// Makes a disk what it was at a backup of it. Its instance has to be stopped, or is for it.
pub(crate) async fn apply(cx: &Cx<'_>, asked: ApplyDiskBackup) -> Result<(), Fault> {
    let (volume, backup) = (id::read(&asked.disk_id)?, id::read(&asked.disk_backup_id)?);
    let command = RollBackToBackup { volume, backup, around: asked.around.read() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeDiskBackups`.
#[derive(FromArg)]
pub(crate) struct DescribeDiskBackups {
    #[arg(max_items = LIMIT_MAX)]
    disk_backup_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
    order_field: Option<BackupOrder>,
    order: Option<OrderDirection>,
}

/// What backups are put in order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum BackupOrder {
    CreateTime,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct DiskBackups {
    total_count: usize,
    disk_backup_set: Vec<BackupReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct BackupReply {
    disk_backup_id: String,
    disk_backup_name: String,
    disk_backup_state: &'static str,
    percent: u8,
    disk_id: String,
    disk_size: u32,
    disk_usage: &'static str,
    encrypt: bool,
    create_time: Timestamp,
}

/// Lists backups.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeDiskBackups) -> Result<DiskBackups, Fault> {
    not_both("DiskBackupIds", &asked.disk_backup_ids, &asked.filters)?;
    let ids = id::read_all::<DiskBackupId>(&asked.disk_backup_ids)?.into_iter().map(DiskBackupId::snapshot).collect();
    let mut filters = Filters::read(&asked.filters, filter)?.into_vec();
    filters.push(Filter { field: Field::Owner, values: vec![cx.caller.account().to_string()] });
    filters.push(Filter { field: Field::IsBackup, values: vec!["true".to_owned()] });
    let made: fn(&Snapshot) -> OrderKey = |backup| OrderKey::At(backup.created_at);
    let by = asked.order_field.map(|BackupOrder::CreateTime| made);
    let query = Query { ids, filters, page: asked.cut.page() };
    let listed = order::list::<Snapshot>(cx, query, by, asked.order, made).await?;
    Ok(DiskBackups { total_count: listed.total, disk_backup_set: listed.rows.iter().map(reply).collect() })
}

fn filter(name: &str) -> Option<By> {
    Some(match name {
        "disk-backup-id" => By::Id(Field::Id, snapshot_of),
        "disk-id" => By::id::<VolumeId>(Field::Volume),
        "disk-usage" => By::Word(Field::IsRoot, crate::volume::is_root),
        _ => return None,
    })
}

/// Our text of the snapshot that a backup is.
fn snapshot_of(backup: &str) -> Option<String> {
    let id: SnapshotId = id::read::<DiskBackupId>(backup).ok()?.snapshot();
    Some(id.to_string())
}

fn reply(row: &Snapshot) -> BackupReply {
    BackupReply {
        disk_backup_id: id::shown(DiskBackupId::of(row.id)),
        disk_backup_name: row.name.clone(),
        disk_backup_state: match row.phase {
            SnapshotPhase::Pending { .. } => "CREATING",
            SnapshotPhase::Completed | SnapshotPhase::Failed => "NORMAL",
        },
        percent: row.percent(),
        disk_id: id::shown(row.volume),
        disk_size: row.size.0,
        disk_usage: if row.of_root { "SYSTEM_DISK" } else { "DATA_DISK" },
        encrypt: row.encryption.is_some(),
        create_time: row.created_at.timestamp(),
    }
}
