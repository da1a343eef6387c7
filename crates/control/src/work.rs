//! The work loop: takes what is due, asks the model what next, writes the answer.
//!
//! Each wake is leased, advanced and ended; the row's change, the wake's end and what comes with it are one transaction. A
//! worker that dies leaves its lease to run out, and another takes over. A row that cannot be advanced is tried again later
//! with growing pauses, and the operator is told; it stops nothing else.

use std::time::Duration;

use model::{
    AddressKind, CapacityReservationId, Effect, Event, EventId, Facts, Host, ImageTaskId, Instance, InstanceEventId, InstanceFleetId,
    InstanceId, InstanceRole, InstanceRoleId, KmsKeyId, Millis, NatGatewayId, Phase, SnapshotId, SnapshotPolicyId, Step, VolumeId,
    VpcPeeringId, What,
};
use store::{Lease, StoreError, Tx, WriteError};

use crate::capacity_reservation::CAPACITY_RESERVATION;
use crate::capacity_slot;
use crate::image_task::IMAGE_TASK;
use crate::instance_event::INSTANCE_EVENT;
use crate::instance_fleet_work::{INSTANCE_FLEET, wake_fleet};
use crate::instance_role::INSTANCE_ROLE;
use crate::interface::{advance_interfaces_of, release as release_interface};
use crate::kms_key::KMS_KEY;
use crate::nat_gateway_record::NAT_GATEWAY;
use crate::placement_group::leave;
use crate::snapshot::SNAPSHOT;
use crate::snapshot_policy::SNAPSHOT_POLICY;
use crate::snapshot_trial::SNAPSHOT_TRIAL;
use crate::volume::{VOLUME, release};
use crate::vpc_peering_record::VPC_PEERING;
use crate::{Cloud, Failure};

/// Kind of wakes for instances.
pub(crate) const INSTANCE: &str = "instance";
/// How long a worker may take for a batch before another takes it over.
const LEASE_MS: i64 = 30_000;
/// Wakes taken at once: enough to share one commit, few enough to end long before the lease.
const BATCH: u32 = 256;
/// Pause after a failed batch, and the longest between looks at the clock when nothing rings.
const PAUSE: Duration = Duration::from_secs(1);
/// Smallest and largest pause, in milliseconds, before a row that failed is tried again.
const RETRY_MS: (i64, i64) = (1_000, 60_000);
/// Client tokens are kept for a day (EC2 documents "at least 24 hours" for RunInstances).
const TOKEN_KEPT_MS: i64 = 24 * 3_600_000;
/// How often old client tokens are looked for.
const TOKEN_SWEEP: Duration = Duration::from_secs(60);
/// Client tokens forgotten in one transaction.
const TOKEN_BATCH: u32 = 1_000;

/// Wakes an instance at `due`, or earlier if it was to be woken earlier.
pub(crate) fn wake_instance(tx: &mut Tx<'_>, id: InstanceId, due: Millis) -> Result<(), StoreError> {
    tx.wake(INSTANCE, id, due)
}

impl Cloud {
    /// Works until the task is dropped.
    pub async fn work(&self, worker: &str) {
        let mut swept = tokio::time::Instant::now();
        loop {
            match self.work_once(worker).await {
                Ok(0) => self.wait_for_work().await,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "the work loop could not take what is due");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            if swept.elapsed() >= TOKEN_SWEEP {
                swept = tokio::time::Instant::now();
                self.forget_tokens().await;
            }
        }
    }

    /// Takes what is due now, once, and says how much it was. For loops and simulations.
    pub async fn work_once(&self, worker: &str) -> Result<usize, StoreError> {
        let now = self.clock().now();
        let leases = self.store().lease_wakes(worker, now, LEASE_MS, BATCH).await?;
        let count = leases.len();
        let tasks: Vec<_> = leases.into_iter().map(|lease| self.handle(lease)).collect();
        futures_util::future::join_all(tasks).await;
        metrics::counter!("pileus_wakes_handled").increment(count as u64);
        Ok(count)
    }

    async fn wait_for_work(&self) {
        let due = self.store().next_due().await.ok().flatten();
        let pause = due.map_or(PAUSE, |due| Duration::from_millis(u64::try_from(due.since(self.clock().now())).unwrap_or(0)).min(PAUSE));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.store().woken() => {}
        }
    }

    /// Handles a wake. Handled side by side, many of them share a commit.
    async fn handle(&self, lease: Lease) {
        if lease.kind == INSTANCE_FLEET
            && let Err(error) = self.settle_fleet().await
        {
            tracing::warn!(%error, "a fleet looks for room with an index that may be behind");
        }
        let (cloud, held) = (self.clone(), lease.clone());
        let failed = match self.store().write(move |tx| cloud.advance(tx, &held)).await {
            Ok(()) => return,
            Err(WriteError::Refused(failure)) => failure.to_string(),
            Err(WriteError::Store(error)) => error.to_string(),
            Err(WriteError::Panicked(message)) => message,
        };
        tracing::error!(kind = lease.kind, id = lease.id, error = failed, alarm = true, "a row could not be advanced; it is tried again");
        metrics::counter!("pileus_alarms").increment(1);
        let due = self.clock().now().after(self.retry_pause(&lease));
        if let Err(error) = self.store().wake_later(lease, due).await {
            tracing::error!(%error, "a failed wake could not be put off; its lease will run out");
        }
    }

    /// A pause that doubles with the number of the lease, half of it random so that rows that failed together part.
    fn retry_pause(&self, lease: &Lease) -> i64 {
        let doubled = RETRY_MS.0.saturating_mul(1 << lease.seq.clamp(0, 16)).min(RETRY_MS.1);
        doubled / 2 + i64::try_from(self.ids().number() % (doubled as u64 / 2 + 1)).unwrap_or(0)
    }

    fn advance(&self, tx: &mut Tx<'_>, lease: &Lease) -> Result<(), Failure> {
        let now = self.clock().now();
        let next = match lease.kind.as_str() {
            INSTANCE => match lease.id.parse::<InstanceId>() {
                Ok(id) => self.advance_instance(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no instance");
                    None
                }
            },
            VOLUME => match lease.id.parse::<VolumeId>() {
                Ok(id) => self.advance_volume(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no volume");
                    None
                }
            },
            INSTANCE_ROLE => match lease.id.parse::<InstanceRoleId>() {
                Ok(id) => self.renew_instance_role(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no role of an instance");
                    None
                }
            },
            SNAPSHOT => match lease.id.parse::<SnapshotId>() {
                Ok(id) => self.advance_snapshot(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no snapshot");
                    None
                }
            },
            SNAPSHOT_TRIAL => match lease.id.parse::<SnapshotId>() {
                Ok(id) => self.advance_snapshot_trial(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no snapshot that is tried");
                    None
                }
            },
            KMS_KEY => match lease.id.parse::<KmsKeyId>() {
                Ok(id) => self.advance_kms_key(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no key");
                    None
                }
            },
            SNAPSHOT_POLICY => match lease.id.parse::<SnapshotPolicyId>() {
                Ok(id) => self.advance_snapshot_policy(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no snapshot policy");
                    None
                }
            },
            INSTANCE_EVENT => match lease.id.parse::<InstanceEventId>() {
                Ok(id) => self.advance_instance_event(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no event of an instance");
                    None
                }
            },
            IMAGE_TASK => match lease.id.parse::<ImageTaskId>() {
                Ok(id) => self.advance_image_task(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no image task");
                    None
                }
            },
            CAPACITY_RESERVATION => match lease.id.parse::<CapacityReservationId>() {
                Ok(id) => self.advance_capacity_reservation(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no capacity reservation");
                    None
                }
            },
            NAT_GATEWAY => match lease.id.parse::<NatGatewayId>() {
                Ok(id) => self.advance_nat_gateway(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no NAT gateway");
                    None
                }
            },
            VPC_PEERING => match lease.id.parse::<VpcPeeringId>() {
                Ok(id) => self.advance_vpc_peering(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no peering");
                    None
                }
            },
            INSTANCE_FLEET => match lease.id.parse::<InstanceFleetId>() {
                Ok(id) => self.advance_instance_fleet(tx, id, now)?,
                Err(error) => {
                    tracing::error!(%error, id = lease.id, "a wake names no fleet");
                    None
                }
            },
            other => {
                tracing::error!(kind = other, "a wake of an unknown kind");
                None
            }
        };
        let held = match next {
            Some(due) => tx.wake_later(lease, due)?,
            None => tx.wake_done(lease)?,
        };
        if held { Ok(()) } else { Err(Failure::Store(StoreError::Conflict)) }
    }

    /// Advances an instance as far as it goes now, and says when it is to be looked at again.
    fn advance_instance(&self, tx: &mut Tx<'_>, id: InstanceId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(mut row) = tx.get::<Instance>(id)? else { return Ok(None) };
        loop {
            let host = tx.get::<Host>(row.host)?;
            let facts = Facts { applied: host.as_ref().is_some_and(|host| host.applied >= row.asked), host_exists: host.is_some() };
            match row.advance(facts, now) {
                Step::Wait(due) => return Ok(due),
                Step::Forget => {
                    tx.delete::<Instance>(id)?;
                    return Ok(None);
                }
                Step::Change(next, effects) => {
                    row = *next;
                    for effect in effects {
                        self.carry_out(tx, &mut row, effect, now)?;
                    }
                    capacity_slot::leave(tx, &mut row)?;
                    tx.update(&row)?;
                    wake_fleet(tx, &row, now)?;
                    // A machine that came to rest decides what becomes of disks on their way; a new one has only its system disk.
                    let further = row.seen.as_ref().is_some_and(|seen| seen.disks.len() > 1);
                    if row.phase == Phase::Stopped {
                        advance_interfaces_of(tx, id)?;
                    }
                    if row.phase == Phase::Stopped || (row.phase == Phase::Running && further) {
                        self.advance_volumes_of(tx, id, now)?;
                        // A disk that was given up has changed the machine's list, and with it what the row asks for.
                        row = tx.get::<Instance>(id)?.unwrap_or(row);
                    }
                }
            }
        }
    }

    fn carry_out(&self, tx: &mut Tx<'_>, row: &mut Instance, effect: Effect, now: Millis) -> Result<(), Failure> {
        match effect {
            Effect::TouchHost => row.asked = tx.host_touch(row.host)?,
            Effect::ReleaseAutomaticAddress => release_automatic_address(tx, row)?,
            Effect::RollBackDisks => self.roll_back_waiting(tx, row, now)?,
            Effect::ReleaseAttachments => release_attachments(tx, row, now)?,
            Effect::Alarm(what) => {
                metrics::counter!("pileus_alarms").increment(1);
                tracing::error!(instance = %row.id, host = %row.host, phase = row.phase.word(), alarm = true, "{what}");
            }
            Effect::Tell(state) => self.tell(tx, row, state, now)?,
        }
        Ok(())
    }

    /// Writes down what became of an instance, for its tenant to read.
    pub(crate) fn tell(&self, tx: &mut Tx<'_>, row: &Instance, state: &str, now: Millis) -> Result<(), StoreError> {
        let reason = row.reason.as_ref().map_or(String::new(), |reason| reason.text.clone());
        let what = What::Became { state: state.to_owned(), reason };
        let id = EventId::from_u64(self.ids().next(now));
        tx.insert(&Event { id, account: row.account, at: now, what, resources: vec![row.id.to_string()] })
    }

    async fn forget_tokens(&self) {
        let before = self.clock().now().after(-TOKEN_KEPT_MS);
        let done = self.store().write(move |tx| tx.client_token_forget(before, TOKEN_BATCH)).await;
        if let Err(error) = done {
            tracing::warn!(%error, "old client tokens could not be forgotten");
        }
    }
}

/// Gives an automatic public address back; its host's document changes with it.
fn release_automatic_address(tx: &mut Tx<'_>, row: &mut Instance) -> Result<(), Failure> {
    let Some(address) = tx.address_of_interface(row.interface)? else { return Ok(()) };
    if address.kind == AddressKind::Automatic {
        tx.delete::<model::Address>(address.id)?;
        if row.is_on_host() {
            row.asked = tx.host_touch(row.host)?;
        }
    }
    Ok(())
}

/// Gives back what goes with a terminated instance and lets go of the rest.
fn release_attachments(tx: &mut Tx<'_>, row: &mut Instance, now: Millis) -> Result<(), Failure> {
    leave(tx, row)?;
    if let Some(role) = row.guest.role.take() {
        tx.delete::<InstanceRole>(role)?;
    }
    for interface in tx.interface_list_of_instance(row.id)? {
        release_interface(tx, interface)?;
    }
    for mut volume in tx.volume_list_of_instance(row.id)? {
        release(tx, &mut volume, now)?;
    }
    Ok(())
}
