//! Snapshot policies: what tenants ask of them, and the snapshots that they take when their hour has come.
//!
//! A wake stands at the next hour of each policy. Taking the snapshots, the next hour and the wake's end are one transaction, so
//! an hour gives one snapshot whoever crashes.

use std::collections::BTreeSet;

use model::{
    AccountId, Error, Event, EventId, Millis, Noun, POLICY_VOLUMES_MAX, SNAPSHOT_POLICIES_MAX, Schedule, Snapshot, SnapshotPolicy,
    SnapshotPolicyId, Tags, Volume, VolumeId, What, add_tags, check_name, check_retention,
};
use serde::Serialize;
use store::Tx;

use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::lifecycle::{tag, volumes_of};
use crate::run::{Command, Cx};
use crate::snapshot::{Taker, take};
use crate::volume::{target as volume_target, volume_of};
use crate::{Cloud, Failure};

/// Kind of wakes for snapshot policies.
pub(crate) const SNAPSHOT_POLICY: &str = "snapshot_policy";

/// Makes a snapshot policy, which is for no volume yet.
#[derive(Debug, Clone, Serialize)]
pub struct CreateSnapshotPolicy {
    /// Display name.
    pub name: String,
    /// When snapshots are taken.
    pub schedule: Schedule,
    /// Days that a snapshot is kept; none for ever.
    pub retention_days: Option<u32>,
    /// Whether it takes snapshots from the start.
    pub active: bool,
    /// Tags, which its snapshots have too.
    pub tags: Tags,
}

/// Changes a snapshot policy. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifySnapshotPolicy {
    /// Which one.
    pub policy: SnapshotPolicyId,
    /// Display name.
    pub name: Option<String>,
    /// Days of the week.
    pub days: Option<BTreeSet<u8>>,
    /// Hours.
    pub hours: Option<BTreeSet<u8>>,
    /// Days that a snapshot is kept; `Some(None)` for ever. Snapshots that are there go when it was said that they would.
    pub retention_days: Option<Option<u32>>,
    /// Whether it takes snapshots.
    pub active: Option<bool>,
}

/// Deletes a snapshot policy. Its snapshots stay until their time.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteSnapshotPolicy {
    /// Which one.
    pub policy: SnapshotPolicyId,
}

/// Which policy volumes get or lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PolicyTie {
    /// They get this one, in place of the one that each had.
    To(SnapshotPolicyId),
    /// They lose this one; those that have another keep it.
    From(SnapshotPolicyId),
    /// They lose whichever they have.
    FromAny,
}

impl PolicyTie {
    fn policy(self) -> Option<SnapshotPolicyId> {
        match self {
            PolicyTie::To(id) | PolicyTie::From(id) => Some(id),
            PolicyTie::FromAny => None,
        }
    }
}

/// Has a policy take snapshots of volumes, in place of the policy that each had; or of these no more.
#[derive(Debug, Clone, Serialize)]
pub struct TieSnapshotPolicy {
    /// To or from what.
    pub tie: PolicyTie,
    /// Which volumes; all of them or none.
    pub volumes: Vec<VolumeId>,
}

impl Command for CreateSnapshotPolicy {
    type Reply = SnapshotPolicyId;
    const NAME: &'static str = "CreateSnapshotPolicy";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("snapshotpolicy/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<SnapshotPolicyId, Failure> {
        check_name("AutoSnapshotPolicyName", &self.name)?;
        self.schedule.check()?;
        check_retention(self.retention_days)?;
        if tx.snapshot_policy_list(cx.caller.account())?.len() >= SNAPSHOT_POLICIES_MAX {
            let what = "snapshot policies".to_owned();
            return Err(Error::LimitReached { name: "AutoSnapshotPolicy", what, limit: SNAPSHOT_POLICIES_MAX as u64 }.into());
        }
        let mut policy = SnapshotPolicy {
            id: SnapshotPolicyId::from_u64(cx.new_id()),
            account: cx.caller.account(),
            name: self.name.clone(),
            schedule: self.schedule.clone(),
            retention_days: self.retention_days,
            active: self.active,
            volumes: BTreeSet::new(),
            next: self.schedule.next(cx.now),
            created_at: cx.now,
            tags: Tags::new(),
            lifecycle: None,
        };
        add_tags(&mut policy.tags, &self.tags)?;
        tx.insert(&policy)?;
        tx.wake(SNAPSHOT_POLICY, policy.id, policy.next)?;
        Ok(policy.id)
    }
}

impl Command for ModifySnapshotPolicy {
    type Reply = ();
    const NAME: &'static str = "ModifySnapshotPolicy";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.policy)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut policy = snapshot_policy_of(tx, cx.caller.account(), self.policy)?;
        let touches_schedule = self.days.is_some() || self.hours.is_some() || self.retention_days.is_some();
        if policy.lifecycle.is_some() && touches_schedule {
            let what = "A new schedule or retention of a policy of EC2's lifecycle manager by another service".to_owned();
            return Err(Error::Unsupported { what }.into());
        }
        if let Some(name) = &self.name {
            check_name("AutoSnapshotPolicyName", name)?;
            policy.name.clone_from(name);
        }
        policy.schedule.days = self.days.clone().unwrap_or(policy.schedule.days);
        policy.schedule.hours = self.hours.clone().unwrap_or(policy.schedule.hours);
        policy.schedule.check()?;
        policy.retention_days = self.retention_days.unwrap_or(policy.retention_days);
        check_retention(policy.retention_days)?;
        policy.active = self.active.unwrap_or(policy.active);
        policy.next = policy.schedule.next(cx.now);
        tx.wake(SNAPSHOT_POLICY, policy.id, policy.next)?;
        Ok(tx.update(&policy)?)
    }
}

impl Command for DeleteSnapshotPolicy {
    type Reply = ();
    const NAME: &'static str = "DeleteSnapshotPolicy";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.policy)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let policy = snapshot_policy_of(tx, cx.caller.account(), self.policy)?;
        tx.delete::<SnapshotPolicy>(policy.id)?;
        Ok(())
    }
}

impl Command for TieSnapshotPolicy {
    type Reply = ();
    const NAME: &'static str = "TieSnapshotPolicy";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let policy = self.tie.policy().map(|id| target(tx, cx, id)).transpose()?;
        let volumes = self.volumes.iter().map(|id| volume_target(tx, cx, *id)).collect::<Result<Vec<_>, _>>()?;
        Ok(policy.into_iter().chain(volumes).collect())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        if self.volumes.is_empty() {
            return Err(Error::MissingParameter { name: "DiskIds" }.into());
        }
        self.volumes.iter().try_for_each(|id| volume_of(tx, account, *id).map(drop))?;
        if let Some(id) = self.tie.policy() {
            snapshot_policy_of(tx, account, id)?;
        }
        for mut policy in tx.snapshot_policy_list(account)? {
            let before = policy.volumes.clone();
            match self.tie {
                PolicyTie::To(id) if id == policy.id => policy.volumes.extend(&self.volumes),
                PolicyTie::From(id) if id != policy.id => {}
                PolicyTie::To(_) | PolicyTie::From(_) | PolicyTie::FromAny => {
                    policy.volumes.retain(|volume| !self.volumes.contains(volume));
                }
            }
            if policy.volumes.len() > POLICY_VOLUMES_MAX {
                let (what, limit) = (format!("volumes of {}", policy.id), POLICY_VOLUMES_MAX as u64);
                return Err(Error::LimitReached { name: "AutoSnapshotPolicy", what, limit }.into());
            }
            if policy.volumes != before {
                tx.update(&policy)?;
            }
        }
        Ok(())
    }
}

/// The policy, if the account owns it.
pub(crate) fn snapshot_policy_of(tx: &Tx<'_>, account: AccountId, id: SnapshotPolicyId) -> Result<SnapshotPolicy, Failure> {
    let policy = tx.get::<SnapshotPolicy>(id)?.filter(|policy| policy.account == account);
    Ok(policy.ok_or_else(|| Error::not_found(Noun::SnapshotPolicy, id))?)
}

/// What policies are asked about a snapshot policy.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: SnapshotPolicyId) -> Result<Target, Failure> {
    let own = tx.get::<SnapshotPolicy>(id)?.filter(|policy| policy.account == cx.caller.account());
    Ok(Target::of("snapshotpolicy", id, &own.map(|policy| policy.tags).unwrap_or_default()))
}

impl Listing for SnapshotPolicy {
    type Id = SnapshotPolicyId;
    const NOUN: Noun = Noun::SnapshotPolicy;

    fn id(&self) -> SnapshotPolicyId {
        self.id
    }

    fn id_value(id: SnapshotPolicyId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    /// The volumes that are gone are left out.
    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<SnapshotPolicy>, Failure> {
        let mut policies = tx.snapshot_policy_list(account)?;
        for policy in &mut policies {
            let there = tx.get_many::<Volume>(&policy.volumes.iter().copied().collect::<Vec<_>>())?;
            policy.volumes = there.into_iter().filter(|volume| volume.account == account).map(|volume| volume.id).collect();
        }
        Ok(policies)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.id.to_string()],
            Field::Owner => vec![self.account.to_string()],
            Field::Name => vec![self.name.clone()],
            Field::Volume => self.volumes.iter().map(ToString::to_string).collect(),
            _ => tag_values(&self.tags, field),
        }
    }
}

impl Cloud {
    /// Takes the snapshots of a policy if its hour has come, and says when it comes next.
    pub(crate) fn advance_snapshot_policy(&self, tx: &mut Tx<'_>, id: SnapshotPolicyId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(mut policy) = tx.get::<SnapshotPolicy>(id)? else { return Ok(None) };
        if now < policy.next {
            return Ok(Some(policy.next));
        }
        let volumes = volumes_of(tx, &policy)?;
        policy.volumes.retain(|id| volumes.iter().any(|volume| volume.id == *id));
        for volume in volumes.iter().filter(|_| policy.active) {
            self.take_for_policy(tx, &policy, volume, now)?;
        }
        policy.next = policy.schedule.next(now);
        tx.update(&policy)?;
        Ok(Some(policy.next))
    }

    /// Takes one snapshot; what a tenant would be refused is told to it instead, and stops no other volume.
    fn take_for_policy(&self, tx: &mut Tx<'_>, policy: &SnapshotPolicy, volume: &Volume, now: Millis) -> Result<(), Failure> {
        let taker = Taker { cloud: self, account: policy.account, now };
        let day = now.timestamp().strftime("%Y%m%d");
        let taken = take(tx, taker, std::slice::from_ref(volume), |volume, row: &mut Snapshot| {
            row.name = format!("auto_{day}_{}", policy.id);
            (row.policy, row.expires_at) = (Some(policy.id), policy.expiry(now));
            tag(policy, volume, &mut row.tags)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(Failure::Refused(refusal)) => {
                tracing::info!(policy = %policy.id, volume = %volume.id, %refusal, "a policy could not take a snapshot");
                let what = What::Became { state: "snapshot skipped".to_owned(), reason: refusal.to_string() };
                let (id, resources) = (EventId::from_u64(self.ids().next(now)), vec![policy.id.to_string(), volume.id.to_string()]);
                Ok(tx.insert(&Event { id, account: policy.account, at: now, what, resources })?)
            }
            Err(failure) => Err(failure),
        }
    }
}
