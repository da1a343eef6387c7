//! Snapshots that other accounts may make disks of.

use control::{Many, Query, ShareSnapshot};
use model::{AccountId, Error, Noun, ShareChange, Snapshot, SnapshotId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::page::LIMIT_MAX;
use crate::{Cx, id, time};

/// Most accounts that one call names (CBS documents 50 for a snapshot).
const ACCOUNTS_PER_CALL: usize = 50;

/// `ModifySnapshotsSharePermission`.
#[derive(FromArg)]
pub(crate) struct ModifySnapshotsSharePermission {
    #[arg(max_items = LIMIT_MAX)]
    snapshot_ids: Vec<String>,
    #[arg(max_items = ACCOUNTS_PER_CALL)]
    account_ids: Vec<String>,
    permission: Permission,
}

/// What becomes of the accounts.
#[derive(Clone, Copy, FromArg)]
pub(crate) enum Permission {
    #[arg(name = "SHARE")]
    Share,
    #[arg(name = "CANCEL")]
    Cancel,
}

impl Permission {
    /// The change for accounts that are named by their numbers, of which there is one at least.
    pub(crate) fn change(self, accounts: &[String]) -> Result<ShareChange, Fault> {
        if accounts.is_empty() {
            return Err(Fault::missing("AccountIds"));
        }
        let account = |text: &String| text.parse::<AccountId>().map_err(|_| Error::not_found(Noun::Account, text));
        let accounts = accounts.iter().map(account).collect::<Result<Vec<_>, _>>()?;
        let (add, remove) = match self {
            Permission::Share => (accounts, vec![]),
            Permission::Cancel => (vec![], accounts),
        };
        Ok(ShareChange { public: None, add, remove })
    }
}

/// Shares snapshots, or takes that back: all of them or none. Disks that were made of them stay.
pub(crate) async fn share(cx: &Cx<'_>, asked: ModifySnapshotsSharePermission) -> Result<(), Fault> {
    let change = asked.permission.change(&asked.account_ids)?;
    let snapshots: Vec<SnapshotId> = id::read_some("SnapshotIds", &asked.snapshot_ids)?;
    let share = |snapshot| ShareSnapshot { snapshot, change: change.clone() };
    Ok(cx.cloud.run(&cx.caller, Many(snapshots.into_iter().map(share).collect()), cx.options()).await.map(drop)?)
}

/// `DescribeSnapshotSharePermission`.
#[derive(FromArg)]
pub(crate) struct DescribeSnapshotSharePermission {
    snapshot_id: String,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Permissions {
    share_permission_set: Vec<PermissionReply>,
}

#[derive(Show)]
struct PermissionReply {
    created_time: String,
    account_id: String,
}

/// Tells with whom a snapshot is shared; only its owner is told.
pub(crate) async fn shares(cx: &Cx<'_>, asked: DescribeSnapshotSharePermission) -> Result<Permissions, Fault> {
    let snapshot: SnapshotId = id::read(&asked.snapshot_id)?;
    let listed = cx.cloud.list::<Snapshot>(&cx.caller, Query { ids: vec![snapshot], ..Query::default() }).await?;
    let own = listed.rows.iter().find(|row| row.account == cx.caller.account());
    let own = own.ok_or_else(|| Error::not_found(Noun::Snapshot, snapshot))?;
    let reply = |account: &AccountId| PermissionReply {
        created_time: time::by_beijing(own.created_at.timestamp()),
        account_id: account.to_string(),
    };
    Ok(Permissions { share_permission_set: own.shares.accounts.iter().map(reply).collect() })
}
