//! What becomes of fleets: their instances launched, replaced and ended, while nobody waits.
//!
//! A wake stands for each fleet that may have something to do. Each look at it is one transaction: what it launches, what it
//! notes of it and the end of the wake are kept together or not at all, so a crash launches nothing twice. A pool that refuses is
//! undone alone.

use std::collections::HashMap;

use model::{
    Error, EventId, Excess, FLEET_EVENTS_MAX, FLEET_IMPAIRED_MS, FLEET_LOOK_MS, FLEET_RETRY_MS, FLEET_VISIBLE_MS, FleetEvent,
    FleetHappening, FleetKind, FleetMember, FleetRefusal, FleetState, Goal, Host, Instance, InstanceFleet, InstanceFleetId, InstanceId,
    Millis, Pool, PoolLack, PoolOverride, Subnet, UNIT,
};
use store::{StoreError, Tx};

use crate::instance::save;
use crate::instance_fleet::{Launches, OneOf};
use crate::launch::{LAUNCH_MAX, RunInstances};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Kind of wakes for fleets.
pub(crate) const INSTANCE_FLEET: &str = "instance_fleet";
/// Instances that one look at a fleet launches or ends: all other writers wait for it, some milliseconds.
const BATCH: u32 = 20;

/// Has a fleet look at what is left of it, when one of its instances is on its way out.
pub(crate) fn wake_fleet(tx: &mut Tx<'_>, instance: &Instance, now: Millis) -> Result<(), StoreError> {
    match instance.fleet {
        Some(fleet) if instance.goal == Goal::Gone => tx.wake(INSTANCE_FLEET, fleet, now),
        Some(_) | None => Ok(()),
    }
}

/// Writes down what happened to a fleet.
pub(crate) fn happened(tx: &mut Tx<'_>, cloud: &Cloud, fleet: &InstanceFleet, what: FleetHappening, now: Millis) -> Result<(), Failure> {
    let id = EventId::from_u64(cloud.ids().next(now));
    Ok(tx.insert(&FleetEvent { id, account: fleet.account, fleet: fleet.id, at: now, what })?)
}

/// The launch of so many instances of a pool.
pub(crate) fn pool_launch(pool: &Pool<'_>, fleet: Option<InstanceFleetId>, count: u32) -> Result<RunInstances, Error> {
    let launch = RunInstances::of(pool.settings(), 1, count)?;
    Ok(RunInstances { template: pool.config.template, fleet, ..launch })
}

/// What a try to launch what is missing did.
#[derive(Default)]
struct Filled {
    launched: Vec<Launches>,
    lacks: Vec<PoolLack>,
    /// Thousandths of a unit.
    held: u64,
}

/// Launches what is missing, in thousandths of a unit, of pools in their order; at most so many instances.
fn fill(tx: &mut Tx<'_>, cx: &Cx<'_>, fleet: &InstanceFleet, pools: &[Pool<'_>], missing: u64, at_most: u32) -> Result<Filled, Failure> {
    let (mut filled, mut left) = (Filled::default(), at_most);
    for pool in pools {
        let mut members = Vec::new();
        while filled.held < missing && left > 0 {
            let wanted = (missing - filled.held).div_ceil(pool.weight());
            let count = u32::try_from(wanted).unwrap_or(u32::MAX).min(LAUNCH_MAX).min(left);
            match tx.attempt(|tx| launch(tx, cx, fleet, pool, count))? {
                Ok(more) => {
                    left = left.saturating_sub(more.len() as u32);
                    filled.held += pool.weight() * more.len() as u64;
                    members.extend(more);
                }
                Err(Failure::Refused(refusal)) => {
                    filled.lacks.push(PoolLack { pool: pool.id, why: FleetRefusal::of(&refusal) });
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
        if !members.is_empty() {
            let instance_type = pool.instance_type().unwrap_or_default().to_owned();
            filled.launched.push(Launches { members, instance_type });
        }
        if filled.held >= missing || left == 0 {
            break;
        }
    }
    Ok(filled)
}

fn launch(tx: &mut Tx<'_>, cx: &Cx<'_>, fleet: &InstanceFleet, pool: &Pool<'_>, count: u32) -> Result<Vec<FleetMember>, Failure> {
    let made = pool_launch(pool, Some(fleet.id), count)?.apply(tx, cx)?;
    let mut members = Vec::with_capacity(made.instances.len());
    for row in tx.get_many::<Instance>(&made.instances)? {
        let member = FleetMember { instance: row.id, account: fleet.account, fleet: fleet.id, pool: pool.id, weight: pool.weight() };
        tx.insert(&member)?;
        let what = FleetHappening::Launched { instance: row.id, instance_type: row.instance_type, zone: row.zone };
        happened(tx, cx.cloud, fleet, what, cx.now)?;
        members.push(member);
    }
    Ok(members)
}

/// Why a choice of pools was undone.
enum Undone {
    /// It gave too little.
    Short(u64, Vec<PoolLack>),
    /// Something failed.
    Failed(Failure),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Undone {
        Undone::Failed(error.into())
    }
}

/// Launches what a new fleet asks for while its call waits; nothing where that is less than the least.
///
/// Where all instances have one type or zone, the first choice of pools that gives the target is taken, else the one that gives
/// most.
pub(crate) fn fill_at_once(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    fleet: &InstanceFleet,
    least: u32,
    one: OneOf,
) -> Result<(Vec<Launches>, Vec<PoolLack>), Failure> {
    let target = u64::from(fleet.target) * UNIT;
    let choices = choices(tx, cx, fleet, one)?;
    let mut best: Option<(usize, u64)> = None;
    let mut lacks = Vec::new();
    for (at, pools) in choices.iter().enumerate() {
        match choice(tx, cx, fleet, pools, target)? {
            Ok(filled) => return told(tx, cx, fleet, filled),
            Err((held, why)) => {
                lacks.extend(why);
                if best.is_none_or(|(_, most)| held > most) {
                    best = Some((at, held));
                }
            }
        }
    }
    let least = (u64::from(least) * UNIT).max(1);
    if let Some((at, held)) = best.filter(|(_, held)| *held >= least)
        && let Ok(filled) = choice(tx, cx, fleet, &choices[at], held)?
    {
        return told(tx, cx, fleet, Filled { lacks, ..filled });
    }
    told(tx, cx, fleet, Filled { lacks, ..Filled::default() })
}

/// Tries pools for so much, in thousandths of a unit; what they gave and why is all that is left of it when it was less.
fn choice(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    fleet: &InstanceFleet,
    pools: &[Pool<'_>],
    wanted: u64,
) -> Result<Result<Filled, (u64, Vec<PoolLack>)>, Failure> {
    let tried = tx.attempt(|tx| {
        let filled = fill(tx, cx, fleet, pools, wanted, u32::MAX).map_err(Undone::Failed)?;
        if filled.held >= wanted { Ok(filled) } else { Err(Undone::Short(filled.held, filled.lacks)) }
    })?;
    match tried {
        Ok(filled) => Ok(Ok(filled)),
        Err(Undone::Short(held, lacks)) => Ok(Err((held, lacks))),
        Err(Undone::Failed(failure)) => Err(failure),
    }
}

fn told(tx: &mut Tx<'_>, cx: &Cx<'_>, fleet: &InstanceFleet, filled: Filled) -> Result<(Vec<Launches>, Vec<PoolLack>), Failure> {
    for lack in &filled.lacks {
        happened(tx, cx.cloud, fleet, FleetHappening::Refused { pool: lack.pool, why: lack.why.clone() }, cx.now)?;
    }
    Ok((filled.launched, filled.lacks))
}

/// The choices of pools whose instances have in common what they must: each keeps the order of the pools.
fn choices<'f>(tx: &Tx<'_>, cx: &Cx<'_>, fleet: &'f InstanceFleet, one: OneOf) -> Result<Vec<Vec<Pool<'f>>>, Failure> {
    let mut choices: Vec<((String, String), Vec<Pool<'f>>)> = Vec::new();
    for pool in fleet.pools() {
        let kind = if one.instance_type { pool.instance_type().unwrap_or_default().to_owned() } else { String::new() };
        let settings = pool.settings();
        let zones = match (one.zone, settings.subnet) {
            (false, _) => vec![String::new()],
            (true, Some(id)) => vec![tx.get::<Subnet>(id)?.map(|subnet| subnet.zone).unwrap_or_default()],
            (true, None) => settings.zone.map_or_else(|| cx.cloud.region().zones.clone(), |zone| vec![zone]),
        };
        for zone in zones {
            // Of a pool that says nothing of zones there is one in each.
            let narrowed = one.zone && settings.subnet.is_none();
            let own = PoolOverride { zone: if narrowed { Some(zone.clone()) } else { pool.own.zone.clone() }, ..pool.own.clone() };
            let (key, pool) = ((kind.clone(), zone), Pool { own, ..pool.clone() });
            match choices.iter_mut().find(|(known, _)| *known == key) {
                Some((_, pools)) => pools.push(pool),
                None => choices.push((key, vec![pool])),
            }
        }
    }
    Ok(choices.into_iter().map(|(_, pools)| pools).collect())
}

impl Cloud {
    /// Does what is next for a fleet, and says when it is to be looked at again.
    pub(crate) fn advance_instance_fleet(&self, tx: &mut Tx<'_>, id: InstanceFleetId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(mut fleet) = tx.get::<InstanceFleet>(id)? else { return Ok(None) };
        let members = self.members_left(tx, &fleet, now)?;
        self.begin_and_end(tx, &mut fleet, now)?;
        let due = match fleet.state {
            FleetState::Submitted => fleet.begin,
            FleetState::Active => self.keep(tx, &mut fleet, members, now)?,
            FleetState::Deleting { ends_members } => self.dissolve(tx, &mut fleet, &members, ends_members, now)?,
            FleetState::Deleted { at } => {
                let forget_at = at.after(FLEET_VISIBLE_MS);
                if now >= forget_at {
                    for event in tx.fleet_event_list(id)? {
                        tx.delete::<FleetEvent>(event.id)?;
                    }
                    tx.delete::<InstanceFleet>(id)?;
                    return Ok(None);
                }
                Some(forget_at)
            }
        };
        tx.update(&fleet)?;
        let mut beyond = tx.fleet_event_count(id)?.saturating_sub(FLEET_EVENTS_MAX);
        while beyond > 0
            && let Some(event) = tx.fleet_event_oldest(id)?
        {
            tx.delete::<FleetEvent>(event.id)?;
            beyond -= 1;
        }
        Ok(match (due, fleet.end.filter(|_| fleet.state == FleetState::Active)) {
            (Some(due), Some(end)) => Some(due.min(end)),
            (due, end) => due.or(end),
        })
    }

    /// The members that are not on their way out; the others leave the fleet.
    fn members_left(&self, tx: &mut Tx<'_>, fleet: &InstanceFleet, now: Millis) -> Result<Vec<(FleetMember, Instance)>, Failure> {
        let members = tx.fleet_member_list(fleet.id)?;
        let ids: Vec<InstanceId> = members.iter().map(|member| member.instance).collect();
        let mut rows: HashMap<InstanceId, Instance> = tx.get_many::<Instance>(&ids)?.into_iter().map(|row| (row.id, row)).collect();
        let mut left = Vec::with_capacity(members.len());
        for member in members {
            match rows.remove(&member.instance).filter(Instance::is_on_host) {
                Some(row) => left.push((member, row)),
                None => {
                    tx.delete::<FleetMember>(member.instance)?;
                    let what = FleetHappening::Ended { instance: member.instance, why: "terminated".to_owned() };
                    happened(tx, self, fleet, what, now)?;
                }
            }
        }
        Ok(left)
    }

    fn begin_and_end(&self, tx: &mut Tx<'_>, fleet: &mut InstanceFleet, now: Millis) -> Result<(), Failure> {
        if fleet.state == FleetState::Submitted && fleet.begin.is_none_or(|begin| now >= begin) {
            self.becomes(tx, fleet, FleetState::Active, "active", now)?;
        }
        let has_begun = matches!(fleet.state, FleetState::Submitted | FleetState::Active);
        if has_begun && fleet.end.is_some_and(|end| now >= end) {
            self.becomes(tx, fleet, FleetState::Deleting { ends_members: fleet.ends_members }, "expired", now)?;
        }
        Ok(())
    }

    fn becomes(&self, tx: &mut Tx<'_>, fleet: &mut InstanceFleet, state: FleetState, word: &str, now: Millis) -> Result<(), Failure> {
        fleet.state = state;
        happened(tx, self, fleet, FleetHappening::Became { state: word.to_owned(), text: String::new() }, now)
    }

    /// Replaces what is impaired, ends what is too much and launches what is missing.
    fn keep(
        &self,
        tx: &mut Tx<'_>,
        fleet: &mut InstanceFleet,
        members: Vec<(FleetMember, Instance)>,
        now: Millis,
    ) -> Result<Option<Millis>, Failure> {
        if fleet.kind == FleetKind::Instant {
            // What was launched at once is looked after by nobody; without instances nothing is left of it.
            if members.is_empty() {
                self.becomes(tx, fleet, FleetState::Deleted { at: now }, "deleted", now)?;
                return Ok(Some(now.after(FLEET_VISIBLE_MS)));
            }
            return Ok(None);
        }
        let mut kept = Vec::with_capacity(members.len());
        for (member, mut row) in members {
            if fleet.replaces_impaired && self.is_impaired(tx, &row, now)? && self.ends(tx, fleet, &mut row, "impaired", now)? {
                continue;
            }
            kept.push((member, row));
        }
        let of_kept: Vec<FleetMember> = kept.iter().map(|(member, _)| member.clone()).collect();
        let excess = if fleet.excess == Excess::Ends { fleet.excess(&of_kept) } else { vec![] };
        let mut held: u64 = of_kept.iter().map(|member| member.weight).sum();
        for id in excess {
            let Some((member, row)) = kept.iter_mut().find(|(member, _)| member.instance == id) else { continue };
            if self.ends(tx, fleet, row, "excess", now)? {
                held -= member.weight;
            }
        }
        let missing = fleet.missing(held);
        if missing == 0 {
            if !std::mem::replace(&mut fleet.was_full, true) {
                let text = format!("it has its target of {}", fleet.target);
                happened(tx, self, fleet, FleetHappening::Became { state: "progress".to_owned(), text }, now)?;
            }
            fleet.lacks.clear();
        } else if fleet.launches() {
            let caller = self.launcher(fleet.account, fleet.id);
            let cx = Cx { cloud: self, caller: &caller, now, client_token: None };
            let filled = fill(tx, &cx, fleet, &fleet.pools(), missing, BATCH)?;
            for lack in filled.lacks.iter().filter(|lack| !fleet.lacks.contains(lack)) {
                happened(tx, self, fleet, FleetHappening::Refused { pool: lack.pool, why: lack.why.clone() }, now)?;
            }
            fleet.lacks = filled.lacks;
            return Ok(Some(if filled.held > 0 { now } else { now.after(FLEET_RETRY_MS) }));
        }
        Ok(fleet.replaces_impaired.then(|| now.after(FLEET_LOOK_MS)))
    }

    /// Whether an instance's host has been silent for so long that it counts as lost.
    fn is_impaired(&self, tx: &Tx<'_>, row: &Instance, now: Millis) -> Result<bool, Failure> {
        Ok(tx.get::<Host>(row.host)?.is_none_or(|host| now.since(host.seen_at) > FLEET_IMPAIRED_MS))
    }

    /// Terminates a member; false when it is protected against that, and stays.
    fn ends(&self, tx: &mut Tx<'_>, fleet: &InstanceFleet, row: &mut Instance, why: &str, now: Millis) -> Result<bool, Failure> {
        if row.terminate(now).is_err() {
            return Ok(false);
        }
        save(tx, row, now)?;
        tx.delete::<FleetMember>(row.id)?;
        happened(tx, self, fleet, FleetHappening::Ended { instance: row.id, why: why.to_owned() }, now)?;
        Ok(true)
    }

    /// Ends members as far as that is asked for; a fleet that has none left has ended.
    fn dissolve(
        &self,
        tx: &mut Tx<'_>,
        fleet: &mut InstanceFleet,
        members: &[(FleetMember, Instance)],
        ends_members: bool,
        now: Millis,
    ) -> Result<Option<Millis>, Failure> {
        let mut ended = 0;
        for (_, row) in members.iter().filter(|_| ends_members) {
            if ended < BATCH && self.ends(tx, fleet, &mut row.clone(), "deleted", now)? {
                ended += 1;
            }
        }
        if members.len() > ended as usize {
            // Those that are protected end when their owner lets them.
            return Ok((ended > 0).then_some(now));
        }
        self.becomes(tx, fleet, FleetState::Deleted { at: now }, "deleted", now)?;
        Ok(Some(now.after(FLEET_VISIBLE_MS)))
    }
}
