//! Volumes that become what they were at snapshots: at once while no guest has them, else when their instance has been stopped for it.

use std::collections::BTreeSet;

use model::{Error, Instance, InstanceId, Millis, Noun, Phase, RollBack, STOP_GRACE_SECONDS, Snapshot, SnapshotId, Volume, VolumeId};
use serde::Serialize;
use store::Tx;

use crate::auth::Target;
use crate::instance::{StartInstances, save};
use crate::kms_key::require_openable;
use crate::run::{Command, Cx};
use crate::snapshot::snapshot_of;
use crate::volume::{self, touch_machine, volume_of};
use crate::{Cloud, Failure, instance, snapshot};

/// What becomes of the instances that have volumes which are rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct AroundRollBack {
    /// Whether those that run are stopped for it; otherwise it is refused while one runs.
    pub stops: bool,
    /// Whether they are started after it.
    pub starts: bool,
}

/// Makes the bytes of a volume those of a snapshot of it.
#[derive(Debug, Clone, Serialize)]
pub struct RollBackVolume {
    /// The volume.
    pub volume: VolumeId,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What becomes of its instance.
    pub around: AroundRollBack,
}

impl Command for RollBackVolume {
    type Reply = Volume;
    const NAME: &'static str = "RollBackVolume";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &[(self.volume, self.snapshot)], self.around)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Volume, Failure> {
        roll_back(tx, cx, &[(self.volume, self.snapshot)], self.around)?;
        volume_of(tx, cx.caller.account(), self.volume)
    }
}

/// Volumes and snapshots, and with them the instances that are stopped or started.
pub(crate) fn targets(tx: &Tx<'_>, cx: &Cx<'_>, pairs: &[(VolumeId, SnapshotId)], around: AroundRollBack) -> Result<Vec<Target>, Failure> {
    let mut targets = vec![];
    let mut instances = BTreeSet::new();
    for (volume, snapshot) in pairs {
        targets.extend([volume::target(tx, cx, *volume)?, snapshot::target(tx, cx, *snapshot)?]);
        let own = tx.get::<Volume>(*volume)?.filter(|row| row.account == cx.caller.account());
        instances.extend(own.and_then(|row| row.instance));
    }
    if around != AroundRollBack::default() && !instances.is_empty() {
        targets.extend(instance::targets(tx, cx, &instances.into_iter().collect::<Vec<_>>())?);
    }
    Ok(targets)
}

/// Rolls volumes back, each to a snapshot of it; all of them or none.
pub(crate) fn roll_back(tx: &mut Tx<'_>, cx: &Cx<'_>, pairs: &[(VolumeId, SnapshotId)], around: AroundRollBack) -> Result<(), Failure> {
    let (mut stopping, mut at_rest) = (BTreeSet::new(), BTreeSet::new());
    for (volume, snapshot) in pairs {
        let mut volume = volume_of(tx, cx.caller.account(), *volume)?;
        let snapshot = snapshot_of(tx, cx.caller.account(), *snapshot)?;
        if snapshot.volume != volume.id {
            return Err(Error::invalid("SnapshotId", format!("{} is no snapshot of {}", snapshot.id, volume.id)).into());
        }
        require_openable(tx, &[volume.encryption.as_ref(), snapshot.encryption.as_ref()])?;
        let instance = volume.instance.map_or(Ok(None), |id| tx.get::<Instance>(id))?;
        match instance {
            Some(instance) if instance.phase != Phase::Stopped => {
                check_may_stop(&instance, around)?;
                volume.wait_to_roll_back(&snapshot)?;
                stopping.insert(instance.id);
            }
            Some(instance) => {
                volume.roll_back(&snapshot)?;
                touch_machine(tx, &mut volume, instance.id)?;
                at_rest.insert(instance.id);
            }
            None => {
                volume.roll_back(&snapshot)?;
                volume.asked = tx.host_touch(volume.host)?;
            }
        }
        tx.volume_update(&volume)?;
    }
    for id in stopping {
        let mut instance = instance::instance_of(tx, cx.caller.account(), id)?;
        instance.stop_to_roll_back(RollBack { restarts: around.starts }, STOP_GRACE_SECONDS, cx.now)?;
        save(tx, &mut instance, cx.now)?;
    }
    if around.starts && !at_rest.is_empty() {
        StartInstances { ids: at_rest.into_iter().collect::<Vec<InstanceId>>() }.apply(tx, cx)?;
    }
    Ok(())
}

fn check_may_stop(instance: &Instance, around: AroundRollBack) -> Result<(), Error> {
    if around.stops && instance.phase == Phase::Running {
        return Ok(());
    }
    let wanted = if around.stops { "running or stopped" } else { "stopped" };
    Err(Error::IncorrectState { noun: Noun::Instance, id: instance.id.to_string(), state: instance.phase.word(), wanted })
}

impl Cloud {
    /// Rolls back what waited for an instance that has stopped: all of it or, where something came between, none.
    pub(crate) fn roll_back_waiting(&self, tx: &mut Tx<'_>, row: &Instance, now: Millis) -> Result<(), Failure> {
        let mut waiting = tx.volume_list_of_instance(row.id)?;
        waiting.retain(|volume| volume.rolls_back_to.is_some());
        let rolled_back: Result<Vec<Volume>, Failure> = waiting.iter().map(|volume| rolled_back(tx, volume)).collect();
        let (volumes, state) = match rolled_back {
            Ok(volumes) => (volumes, "disks rolled back"),
            Err(Failure::Refused(error)) => {
                tracing::warn!(instance = %row.id, %error, "disks could not be rolled back when their instance had stopped");
                let unchanged = |volume| Volume { rolls_back_to: None, ..volume };
                (waiting.into_iter().map(unchanged).collect(), "roll back of disks failed")
            }
            Err(failure @ Failure::Store(_)) => return Err(failure),
        };
        for mut volume in volumes {
            volume.asked = row.asked;
            tx.volume_update(&volume)?;
        }
        Ok(self.tell(tx, row, state, now)?)
    }
}

/// A volume as it is after the roll back that it waited for.
fn rolled_back(tx: &Tx<'_>, volume: &Volume) -> Result<Volume, Failure> {
    let mut next = volume.clone();
    if let Some(id) = volume.rolls_back_to {
        let snapshot = tx.get::<Snapshot>(id)?.ok_or_else(|| Error::not_found(Noun::Snapshot, id))?;
        require_openable(tx, &[volume.encryption.as_ref(), snapshot.encryption.as_ref()])?;
        next.roll_back(&snapshot)?;
    }
    Ok(next)
}
