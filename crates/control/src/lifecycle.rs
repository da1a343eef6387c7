//! Lifecycles of snapshots: policies that choose volumes by their tags, and let go of what is more than was to be kept.
//!
//! ```text
//!   its hour ─▶ a snapshot of each volume with one of its tags ─▶ completed ─▶ the oldest beyond the number expire
//! ```
//!
//! The snapshots beyond a number go in the transaction that completes the one more, so a snapshot that fails costs none.

use std::collections::BTreeSet;

use model::{
    Error, Lifecycle, Millis, SNAPSHOT_POLICIES_MAX, Snapshot, SnapshotPhase, SnapshotPolicy, SnapshotPolicyId, Tags, Volume, VolumeId,
    add_tags, is_reserved,
};
use serde::Serialize;
use store::Tx;

use crate::auth::Target;
use crate::instance_role::check_pass;
use crate::permission::role;
use crate::run::{Command, Cx};
use crate::snapshot::SNAPSHOT;
use crate::snapshot_policy::{SNAPSHOT_POLICY, snapshot_policy_of, target};
use crate::{Cloud, Failure};

/// Makes a policy with a lifecycle.
#[derive(Debug, Clone, Serialize)]
pub struct CreateLifecycle {
    /// Name of its schedule.
    pub name: String,
    /// What is said of it.
    pub lifecycle: Lifecycle,
    /// Whether it takes snapshots from the start.
    pub active: bool,
    /// Its own tags.
    pub tags: Tags,
}

/// Changes a policy with a lifecycle. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyLifecycle {
    /// Which one.
    pub policy: SnapshotPolicyId,
    /// Description.
    pub description: Option<String>,
    /// The role.
    pub role: Option<String>,
    /// Name of its schedule, and the schedule with all that goes with it; description and role of this one count for nothing.
    pub details: Option<(String, Lifecycle)>,
    /// Whether it takes snapshots.
    pub active: Option<bool>,
}

/// Changes the tags of a policy with a lifecycle.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeLifecycleTags {
    /// Which one.
    pub policy: SnapshotPolicyId,
    /// Tags that it gets.
    pub add: Tags,
    /// Keys that it loses.
    pub remove: BTreeSet<String>,
}

/// Takes a policy with a lifecycle away. Its snapshots stay; those that were said to go at a time go then.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteLifecycle {
    /// Which one.
    pub policy: SnapshotPolicyId,
}

impl Command for CreateLifecycle {
    type Reply = SnapshotPolicyId;
    const NAME: &'static str = "CreateLifecycle";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("snapshotpolicy/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<SnapshotPolicyId, Failure> {
        let account = cx.caller.account();
        if tx.snapshot_policy_list(account)?.len() >= SNAPSHOT_POLICIES_MAX {
            let what = "snapshot policies".to_owned();
            return Err(Error::LimitReached { name: "AutoSnapshotPolicy", what, limit: SNAPSHOT_POLICIES_MAX as u64 }.into());
        }
        let schedule = self.lifecycle.when.schedule()?;
        let mut policy = SnapshotPolicy {
            id: SnapshotPolicyId::from_u64(cx.new_id()),
            account,
            name: self.name.clone(),
            next: schedule.next(cx.now),
            schedule,
            retention_days: self.lifecycle.keep.days()?,
            active: self.active,
            volumes: BTreeSet::new(),
            created_at: cx.now,
            tags: Tags::new(),
            lifecycle: Some(Lifecycle { modified_at: cx.now, ..self.lifecycle.clone() }),
        };
        add_tags(&mut policy.tags, &self.tags)?;
        check(&policy)?;
        check_role(tx, cx, &self.lifecycle.role)?;
        tx.insert(&policy)?;
        tx.wake(SNAPSHOT_POLICY, policy.id, policy.next)?;
        Ok(policy.id)
    }
}

impl Command for ModifyLifecycle {
    type Reply = ();
    const NAME: &'static str = "ModifyLifecycle";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.policy)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let (mut policy, before) = lifecycle_of(tx, cx, self.policy)?;
        let mut lifecycle = match &self.details {
            Some((name, new)) => {
                policy.name.clone_from(name);
                Lifecycle { description: before.description, role: before.role, ..new.clone() }
            }
            None => before,
        };
        lifecycle.modified_at = cx.now;
        if let Some(description) = &self.description {
            lifecycle.description.clone_from(description);
        }
        if let Some(role) = &self.role {
            check_role(tx, cx, role)?;
            lifecycle.role.clone_from(role);
        }
        policy.schedule = lifecycle.when.schedule()?;
        policy.retention_days = lifecycle.keep.days()?;
        policy.active = self.active.unwrap_or(policy.active);
        policy.lifecycle = Some(lifecycle);
        check(&policy)?;
        policy.next = policy.schedule.next(cx.now);
        tx.wake(SNAPSHOT_POLICY, policy.id, policy.next)?;
        Ok(tx.update(&policy)?)
    }
}

impl Command for ChangeLifecycleTags {
    type Reply = ();
    const NAME: &'static str = "ChangeLifecycleTags";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { request_tags: self.add.clone(), ..target(tx, cx, self.policy)? }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let (mut policy, _) = lifecycle_of(tx, cx, self.policy)?;
        policy.tags.retain(|key, _| !self.remove.contains(key));
        add_tags(&mut policy.tags, &self.add)?;
        Ok(tx.update(&policy)?)
    }
}

impl Command for DeleteLifecycle {
    type Reply = ();
    const NAME: &'static str = "DeleteLifecycle";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.policy)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let (policy, _) = lifecycle_of(tx, cx, self.policy)?;
        tx.delete::<SnapshotPolicy>(policy.id)?;
        Ok(())
    }
}

/// The policy and its lifecycle, if the account owns it and it has one.
fn lifecycle_of(tx: &Tx<'_>, cx: &Cx<'_>, id: SnapshotPolicyId) -> Result<(SnapshotPolicy, Lifecycle), Failure> {
    let policy = snapshot_policy_of(tx, cx.caller.account(), id)?;
    let lifecycle = policy.lifecycle.clone().ok_or_else(|| Error::not_found(model::Noun::SnapshotPolicy, id))?;
    Ok((policy, lifecycle))
}

fn check(policy: &SnapshotPolicy) -> Result<(), Failure> {
    model::check_name("Name", &policy.name)?;
    let Some(lifecycle) = &policy.lifecycle else { return Ok(()) };
    lifecycle.check()?;
    Ok(add_tags(&mut Tags::new(), &lifecycle.added_tags)?)
}

/// Checks that the role is there and that the caller may pass it. The cloud needs no rights of it to take snapshots.
fn check_role(tx: &Tx<'_>, cx: &Cx<'_>, arn: &str) -> Result<(), Failure> {
    let invalid = || Error::invalid("ExecutionRoleArn", "is no role of this account");
    let path = arn.strip_prefix(&format!("arn:aws:iam::{}:role/", cx.caller.account())).ok_or_else(invalid)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let found = match role(tx, cx.caller.account(), name) {
        Err(Failure::Refused(Error::NotFound { .. })) => return Err(invalid().into()),
        other => other?,
    };
    check_pass(cx, &found)
}

/// The volumes that a policy takes snapshots of: those that it was given, and those with one of its tags.
pub(crate) fn volumes_of(tx: &Tx<'_>, policy: &SnapshotPolicy) -> Result<Vec<Volume>, Failure> {
    let given: Vec<VolumeId> = policy.volumes.iter().copied().collect();
    let mut volumes = tx.get_many::<Volume>(&given)?;
    if let Some(lifecycle) = &policy.lifecycle {
        let tagged = tx.volume_list(policy.account)?.into_iter();
        volumes.extend(tagged.filter(|volume| lifecycle.wants(&volume.tags) && !policy.volumes.contains(&volume.id)));
    }
    Ok(volumes)
}

/// The tags of a snapshot that a policy takes.
pub(crate) fn tag(policy: &SnapshotPolicy, volume: &Volume, tags: &mut Tags) -> Result<(), Error> {
    let Some(lifecycle) = &policy.lifecycle else { return add_tags(tags, &policy.tags) };
    if lifecycle.copy_tags {
        let own = volume.tags.iter().filter(|(key, _)| !is_reserved(key));
        add_tags(tags, &own.map(|(key, value)| (key.clone(), value.clone())).collect())?;
    }
    add_tags(tags, &lifecycle.added_tags)
}

impl Cloud {
    /// Ends the time of those snapshots of a volume that are more than their policy keeps, now that one more is completed.
    pub(crate) fn end_surplus(&self, tx: &mut Tx<'_>, completed: &Snapshot, now: Millis) -> Result<(), Failure> {
        let Some(id) = completed.policy.filter(|_| completed.phase == SnapshotPhase::Completed) else { return Ok(()) };
        let Some(model::Keep::Count(count)) =
            tx.get::<SnapshotPolicy>(id)?.and_then(|policy| policy.lifecycle).map(|lifecycle| lifecycle.keep)
        else {
            return Ok(());
        };
        let mut kept = tx.snapshot_list_of_volume(completed.volume)?;
        kept.retain(|row| row.policy == Some(id) && !row.backup && row.phase == SnapshotPhase::Completed);
        kept.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for mut surplus in kept.into_iter().skip(count).filter(|row| row.expires_at.is_none_or(|at| at > now)) {
            surplus.expires_at = Some(now);
            tx.update(&surplus)?;
            tx.wake(SNAPSHOT, surplus.id, now)?;
        }
        Ok(())
    }
}
