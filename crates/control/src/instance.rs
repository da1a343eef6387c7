//! What tenants ask of instances that exist: start, stop, reboot, terminate, change.

use model::{
    AccountId, Changed, Error, HostNameSettings, Instance, InstanceId, MetadataOptions, Millis, Noun, OnShutdown, QuotaName,
    STOP_GRACE_SECONDS, SecurityGroupId, Stop, check_hostname, check_name,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::address::give_automatic;
use crate::auth::Target;
use crate::capacity_slot::{leave, take_room};
use crate::instance_event::wake_events;
use crate::instance_fleet_work::wake_fleet;
use crate::kms_key::require_openable;
use crate::launch::made_hostname;
use crate::run::{Command, Cx};
use crate::security_group::{Membership, change_groups};
use crate::work::wake_instance;
use crate::{Cloud, Failure};

/// Most instances that one call may name.
pub const INSTANCES_PER_CALL: usize = 1_000;

/// Instances that a moment's calls can launch before the index in memory knows of them. While an account has so many left, its rows need
/// not be counted.
const UNSEEN_MAX: u64 = store::UNSEEN_WRITES_MAX as u64 * crate::LAUNCH_MAX as u64;

/// What a call did to one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// The instance as it was.
    pub before: Instance,
    /// The instance as it is.
    pub after: Instance,
}

/// Starts instances; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct StartInstances {
    /// Which ones.
    pub ids: Vec<InstanceId>,
}

/// Stops instances; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct StopInstances {
    /// Which ones.
    pub ids: Vec<InstanceId>,
    /// Whether the guest is powered off without notice.
    pub force: bool,
    /// Whether processors and memory stay reserved.
    pub keep_capacity: bool,
}

/// Restarts running instances; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct RebootInstances {
    /// Which ones.
    pub ids: Vec<InstanceId>,
    /// Whether the guest is reset without notice.
    pub force: bool,
}

/// Terminates instances in whatever phase they are; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct TerminateInstances {
    /// Which ones.
    pub ids: Vec<InstanceId>,
    /// Whether one that is not stopped is refused (ECS's rule for a delete without force).
    pub only_stopped: bool,
}

/// Turns detailed monitoring of instances on or off; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct MonitorInstances {
    /// Which ones.
    pub ids: Vec<InstanceId>,
    /// Whether it is on afterwards.
    pub detailed: bool,
}

/// Does the same, but refuses instances that are where the call would bring them, and with them the whole call (ECS's and
/// CVM's rule; EC2 lets them be).
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Strictly<C>(pub C);

/// Changes attributes of an instance. What is `None` stays.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ModifyInstance {
    /// Which one.
    pub id: Option<InstanceId>,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Host name; the guest reads it at its next boot.
    pub hostname: Option<String>,
    /// How it is named. What its host name is made of changes only while it is stopped, and then the host name with it.
    #[serde(skip_serializing_if = "HostNameSettings::is_none")]
    pub host_names: HostNameSettings,
    /// Whether terminate calls are refused.
    pub termination_protection: Option<bool>,
    /// Whether stop calls are refused.
    pub stop_protection: Option<bool>,
    /// What a shutdown inside the guest does.
    pub on_shutdown: Option<OnShutdown>,
    /// User data, base64; only while stopped.
    pub user_data: Option<String>,
    /// crypt(3) text of a new password; the guest sets it at its next boot.
    #[serde(skip)]
    pub password_hash: Option<String>,
    /// Whether detailed monitoring is on.
    pub detailed_monitoring: Option<bool>,
    /// Whether bandwidth of its own is asked for its volumes.
    pub ebs_optimized: Option<bool>,
    /// Metadata service options.
    pub metadata: Option<MetadataOptions>,
    /// The security groups of its interface, and no others.
    pub groups: Option<Vec<SecurityGroupId>>,
}

impl Command for StartInstances {
    type Reply = Vec<StateChange>;
    const NAME: &'static str = "StartInstances";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.ids)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<StateChange>, Failure> {
        let changes = for_each(tx, cx, &self.ids, |tx, instance| {
            let held_before = instance.holds_capacity();
            let changed = instance.start(cx.now)?;
            if changed == Changed::Yes {
                for volume in tx.volume_list_of_instance(instance.id)? {
                    require_openable(tx, &[volume.encryption.as_ref(), volume.under_encryption.as_ref()])?;
                }
            }
            if changed == Changed::Yes && !held_before {
                take_room(tx, cx, instance)?;
            }
            Ok(changed)
        })?;
        // The address that it had while it ran last went when it stopped; it gets another.
        let starting = changes.iter().filter(|change| change.before.phase != change.after.phase).map(|change| &change.after);
        for instance in starting.filter(|instance| instance.automatic_address) {
            give_automatic(tx, cx, instance.interface, instance.bandwidth)?;
        }
        Ok(changes)
    }
}

impl Command for StopInstances {
    type Reply = Vec<StateChange>;
    const NAME: &'static str = "StopInstances";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.ids)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<StateChange>, Failure> {
        let grace_seconds = if self.force { 0 } else { STOP_GRACE_SECONDS };
        let stop = Stop { keep_capacity: self.keep_capacity, grace_seconds };
        for_each(tx, cx, &self.ids, |_, instance| Ok(instance.stop(stop, cx.now)?))
    }
}

impl Command for RebootInstances {
    type Reply = Vec<StateChange>;
    const NAME: &'static str = "RebootInstances";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.ids)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<StateChange>, Failure> {
        for_each(tx, cx, &self.ids, |_, instance| {
            instance.reboot(self.force, cx.now)?;
            Ok(Changed::Yes)
        })
    }
}

impl Command for TerminateInstances {
    type Reply = Vec<StateChange>;
    const NAME: &'static str = "TerminateInstances";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.ids)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<StateChange>, Failure> {
        for_each(tx, cx, &self.ids, |_, instance| {
            if self.only_stopped && instance.is_on_host() && instance.phase != model::Phase::Stopped {
                let state = instance.phase.word();
                let id = instance.id.to_string();
                return Err(Error::IncorrectState { noun: Noun::Instance, id, state, wanted: "stopped" }.into());
            }
            Ok(instance.terminate(cx.now)?)
        })
    }
}

impl Command for MonitorInstances {
    type Reply = Vec<StateChange>;
    const NAME: &'static str = "MonitorInstances";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.ids)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<StateChange>, Failure> {
        for_each(tx, cx, &self.ids, |_, instance| {
            let changed = if instance.attributes.detailed_monitoring == self.detailed { Changed::No } else { Changed::Yes };
            instance.attributes.detailed_monitoring = self.detailed;
            Ok(changed)
        })
    }
}

impl<C: Command<Reply = Vec<StateChange>>> Command for Strictly<C> {
    type Reply = Vec<StateChange>;
    const NAME: &'static str = C::NAME;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        self.0.targets(tx, cx)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<StateChange>, Failure> {
        let changes = self.0.apply(tx, cx)?;
        if let Some(StateChange { after, .. }) = changes.iter().find(|change| change.before == change.after) {
            let (noun, id, state) = (Noun::Instance, after.id.to_string(), after.phase.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "in another state" }.into());
        }
        Ok(changes)
    }
}

impl Command for ModifyInstance {
    type Reply = ();
    const NAME: &'static str = "ModifyInstance";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.id.as_slice())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let id = self.id.ok_or(Error::MissingParameter { name: "InstanceId" })?;
        for_each(tx, cx, &[id], |_, instance| {
            self.change(instance)?;
            Ok(Changed::Yes)
        })?;
        match &self.groups {
            Some(groups) => change_groups(tx, cx.caller.account(), id, &Membership::Exactly(groups.clone())),
            None => Ok(()),
        }
    }
}

impl ModifyInstance {
    fn name_host(&self, instance: &mut Instance) -> Result<(), Error> {
        let before = instance.attributes.host_names;
        let after = self.host_names.over(before);
        instance.attributes.host_names = after;
        if after.kind == before.kind {
            return Ok(());
        }
        if instance.phase != model::Phase::Stopped {
            let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "stopped" });
        }
        instance.hostname = made_hostname(after.kind, instance.id, instance.private_ip);
        Ok(())
    }

    fn change(&self, instance: &mut Instance) -> Result<(), Error> {
        instance.check_on_host()?;
        if let Some(name) = &self.name {
            check_name("InstanceName", name)?;
            instance.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            instance.description.clone_from(description);
        }
        if let Some(hostname) = &self.hostname {
            check_hostname(hostname)?;
            instance.hostname.clone_from(hostname);
        }
        self.name_host(instance)?;
        if let Some(user_data) = &self.user_data {
            if instance.phase != model::Phase::Stopped {
                let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
                return Err(Error::IncorrectState { noun, id, state, wanted: "stopped" });
            }
            instance.guest.user_data = Some(user_data.clone()).filter(|data| !data.is_empty());
        }
        if let Some(hash) = &self.password_hash {
            instance.guest.password_hash = Some(hash.clone());
        }
        let attributes = &mut instance.attributes;
        attributes.termination_protection = self.termination_protection.unwrap_or(attributes.termination_protection);
        attributes.stop_protection = self.stop_protection.unwrap_or(attributes.stop_protection);
        attributes.on_shutdown = self.on_shutdown.unwrap_or(attributes.on_shutdown);
        attributes.detailed_monitoring = self.detailed_monitoring.unwrap_or(attributes.detailed_monitoring);
        attributes.ebs_optimized = self.ebs_optimized.unwrap_or(attributes.ebs_optimized);
        if let Some(metadata) = &self.metadata {
            if !(1..=64).contains(&metadata.hop_limit) {
                return Err(Error::invalid("HttpPutResponseHopLimit", "must be 1 to 64"));
            }
            attributes.metadata = metadata.clone();
        }
        Ok(())
    }
}

/// Longest description in characters (ECS: 256).
const DESCRIPTION_MAX: usize = 256;

/// Checks a description: at most 256 characters.
pub(crate) fn check_description(text: &str) -> Result<(), Error> {
    if text.chars().count() > DESCRIPTION_MAX {
        return Err(Error::invalid("Description", format!("longer than {DESCRIPTION_MAX} characters")));
    }
    Ok(())
}

/// The instance, if the account owns it; another account's looks like one that does not exist.
pub fn instance_of(tx: &Tx<'_>, account: AccountId, id: InstanceId) -> Result<Instance, Failure> {
    let instance = tx.get::<Instance>(id)?.filter(|instance| instance.account == account);
    Ok(instance.ok_or_else(|| Error::not_found(Noun::Instance, id))?)
}

/// Returns the instances as policies name them; none, and more than a call may have, are refused.
pub(crate) fn targets(tx: &Tx<'_>, cx: &Cx<'_>, ids: &[InstanceId]) -> Result<Vec<Target>, Failure> {
    if ids.is_empty() {
        return Err(Error::MissingParameter { name: "InstanceId" }.into());
    }
    if ids.len() > INSTANCES_PER_CALL {
        return Err(Error::invalid("InstanceId", format!("more than {INSTANCES_PER_CALL} in one call")).into());
    }
    let own = |id: &InstanceId| tx.get::<Instance>(*id).map(|row| row.filter(|row| row.account == cx.caller.account()));
    let target = |id: &InstanceId| {
        let tags = own(id)?.map(|row| row.tags).unwrap_or_default();
        Ok(Target::of("instance", id, &tags))
    };
    ids.iter().map(target).collect()
}

/// Changes each instance, once however often it is named, and tells its host. A terminated instance still answers for the hour
/// in which it can be described.
pub(crate) fn for_each(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    ids: &[InstanceId],
    change: impl Fn(&mut Tx<'_>, &mut Instance) -> Result<Changed, Failure>,
) -> Result<Vec<StateChange>, Failure> {
    let mut done: Vec<StateChange> = Vec::with_capacity(ids.len());
    for id in ids {
        if done.iter().any(|earlier| earlier.after.id == *id) {
            continue;
        }
        let before = instance_of(tx, cx.caller.account(), *id)?;
        let mut after = before.clone();
        if change(tx, &mut after)? == Changed::Yes {
            save(tx, &mut after, cx.now)?;
            wake_events(tx, &after, cx.now)?;
        }
        done.push(StateChange { before, after });
    }
    Ok(done)
}

/// Writes an instance whose host must hear of the change.
pub(crate) fn save(tx: &mut Tx<'_>, instance: &mut Instance, now: Millis) -> Result<(), Failure> {
    leave(tx, instance)?;
    if tx.get::<model::Host>(instance.host)?.is_some() {
        instance.asked = tx.host_touch(instance.host)?;
    }
    tx.update(instance)?;
    wake_fleet(tx, instance, now)?;
    Ok(wake_instance(tx, instance.id, now)?)
}

impl Cloud {
    /// Refuses a launch or reservation that would pass the account's quota, whatever other calls do at the same time. Reserved room
    /// counts as the instance that it is for (EC2: whether it is used or not).
    pub(crate) fn check_instance_quota(&self, tx: &Tx<'_>, account: AccountId, wanted: u64) -> Result<(), Failure> {
        let limit = tx.quota_limit(account, QuotaName::Instances)?;
        let known = self.store().count::<Instance>(&store::Query::of("account", account).any("live", [true]))?;
        let reserved = tx.capacity_slot_count_free(account, limit)?;
        if known.saturating_add(UNSEEN_MAX).saturating_add(reserved).saturating_add(wanted) <= limit {
            return Ok(());
        }
        Ok(QuotaName::Instances.check(limit, tx.instance_count_live(account, limit)?.saturating_add(reserved), wanted)?)
    }
}
