//! Who may make volumes of a snapshot: `ModifySnapshotAttribute` and its kin. EC2 has two ways of saying it; both are read.

use control::{Query, ShareSnapshot};
use model::{AccountId, Error, Noun, ShareChange, Snapshot};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination, unsupported};
use crate::tag;

/// The attribute that is served.
const ATTRIBUTE: &str = "createVolumePermission";
/// The only group of accounts.
const ALL: &str = "all";

/// The parameters of `ModifySnapshotAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifySnapshotAttribute {
    snapshot_id: String,
    attribute: Option<String>,
    #[arg(default)]
    create_volume_permission: PermissionChange,
    operation_type: Option<Operation>,
    #[arg(name = "UserId")]
    users: Vec<String>,
    #[arg(name = "UserGroup")]
    groups: Vec<String>,
}

/// Permissions that come and go.
#[derive(Default, FromArg)]
pub(crate) struct PermissionChange {
    add: Vec<Permission>,
    remove: Vec<Permission>,
}

/// A permission: of an account, or of everybody.
#[derive(Clone, FromArg)]
pub(crate) struct Permission {
    user_id: Option<String>,
    group: Option<String>,
}

#[derive(Clone, Copy, FromArg)]
#[arg(rename = "lowercase")]
pub(crate) enum Operation {
    Add,
    Remove,
}

impl PermissionChange {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// The change, with what EC2's older parameters say put in.
    pub fn with(mut self, operation: Option<Operation>, users: &[String], groups: &[String]) -> Result<ShareChange, Refusal> {
        let older = users.iter().map(|user| Permission { user_id: Some(user.clone()), group: None });
        let older: Vec<Permission> =
            older.chain(groups.iter().map(|group| Permission { user_id: None, group: Some(group.clone()) })).collect();
        match operation {
            _ if older.is_empty() => {}
            Some(Operation::Add) => self.add.extend(older),
            Some(Operation::Remove) => self.remove.extend(older),
            None => return Err(combination("UserId and UserGroup need an OperationType")),
        }
        if self.add.is_empty() && self.remove.is_empty() {
            return Err(Error::MissingParameter { name: "OperationType" }.into());
        }
        let public = match (self.add.iter().any(Permission::is_all), self.remove.iter().any(Permission::is_all)) {
            (_, true) => Some(false),
            (true, false) => Some(true),
            (false, false) => None,
        };
        Ok(ShareChange { public, add: accounts(&self.add)?, remove: accounts(&self.remove)? })
    }
}

impl Permission {
    fn is_all(&self) -> bool {
        self.group.as_deref() == Some(ALL)
    }
}

fn accounts(permissions: &[Permission]) -> Result<Vec<AccountId>, Refusal> {
    let mut out = Vec::new();
    for Permission { user_id, group } in permissions {
        if let Some(group) = group.as_deref().filter(|group| *group != ALL) {
            return Err(Error::invalid("Group", format!("'{group}' is no group")).into());
        }
        if let Some(user) = user_id {
            out.push(user.parse().map_err(|_| Error::invalid("UserId", format!("'{user}' is no account")))?);
        }
    }
    Ok(out)
}

fn check(attribute: Option<&str>) -> Result<(), Refusal> {
    match attribute {
        None | Some(ATTRIBUTE) => Ok(()),
        Some(other) => Err(unsupported(format!("The snapshot attribute '{other}'"))),
    }
}

/// Shares a snapshot, or takes that back. Volumes that were made of it stay.
pub(crate) async fn modify(cx: Cx, asked: ModifySnapshotAttribute) -> Result<(), Refusal> {
    check(asked.attribute.as_deref())?;
    let change = asked.create_volume_permission.with(asked.operation_type, &asked.users, &asked.groups)?;
    let command = ShareSnapshot { snapshot: tag::id(Noun::Snapshot, &asked.snapshot_id)?, change };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of `DescribeSnapshotAttribute` and `ResetSnapshotAttribute`.
#[derive(FromArg)]
pub(crate) struct SnapshotAttribute {
    snapshot_id: String,
    attribute: String,
}

/// The reply of `DescribeSnapshotAttribute`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Attribute {
    snapshot_id: String,
    create_volume_permission: Vec<PermissionItem>,
}

/// A permission in a reply.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct PermissionItem {
    group: Option<&'static str>,
    user_id: Option<String>,
}

/// Permissions as replies list them.
pub(crate) fn permissions<'a>(public: bool, accounts: impl Iterator<Item = &'a AccountId>) -> Vec<PermissionItem> {
    let all = public.then_some(PermissionItem { group: Some(ALL), user_id: None });
    all.into_iter().chain(accounts.map(|account| PermissionItem { group: None, user_id: Some(account.to_string()) })).collect()
}

/// Tells who may use a snapshot; only its owner is told.
pub(crate) async fn describe(cx: Cx, asked: SnapshotAttribute) -> Result<Attribute, Refusal> {
    check(Some(&asked.attribute))?;
    let snapshot = own(&cx, &asked.snapshot_id).await?;
    let create_volume_permission = permissions(snapshot.shares.public, snapshot.shares.accounts.iter());
    Ok(Attribute { snapshot_id: asked.snapshot_id, create_volume_permission })
}

/// Shares a snapshot with nobody any more.
pub(crate) async fn reset(cx: Cx, asked: SnapshotAttribute) -> Result<(), Refusal> {
    check(Some(&asked.attribute))?;
    let snapshot = own(&cx, &asked.snapshot_id).await?;
    let remove = snapshot.shares.accounts.iter().copied().collect();
    let command = ShareSnapshot { snapshot: snapshot.id, change: ShareChange { public: Some(false), add: vec![], remove } };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

async fn own(cx: &Cx, id: &str) -> Result<Snapshot, Refusal> {
    let query = Query { ids: vec![tag::id(Noun::Snapshot, id)?], ..Query::default() };
    let listed = cx.cloud.list::<Snapshot>(&cx.caller, query).await?;
    let own = listed.rows.into_iter().find(|snapshot| snapshot.account == cx.caller.account());
    Ok(own.ok_or_else(|| Error::not_found(Noun::Snapshot, id))?)
}
