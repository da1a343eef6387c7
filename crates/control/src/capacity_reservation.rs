//! Capacity reservations: what tenants ask of them, and how they end.
//!
//! The room of each instance is found and taken as that of a launch is: placement proposes a host, the rows decide, in one
//! transaction for the whole reservation.

use std::collections::{BTreeSet, HashMap};

use model::{
    AccountId, CapacityChoice, CapacityReservation, CapacityReservationId, CapacityReservationState, CapacitySlot, CapacitySlotId,
    Catalogue, Changed, Eligibility, Error, Event, EventId, Gib, HostId, InCapacitySlot, Instance, InstanceId, InstanceType, Millis, Noun,
    Phase, ReservationStep, Tags, What, add_tags, check_name, check_reserved_count, check_reserved_end,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::auth::Target;
use crate::capacity_slot::reservation_of;
use crate::describe::{Field, Listing, tag_values};
use crate::fleet::Wanted;
use crate::instance::{check_description, for_each, targets as instance_targets};
use crate::launch_place::propose;
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Kind of wakes for capacity reservations.
pub(crate) const CAPACITY_RESERVATION: &str = "capacity_reservation";

/// Reserves capacity; all of it or none.
#[derive(Debug, Clone, Serialize)]
pub struct CreateCapacityReservation {
    /// Name; may be empty.
    pub name: String,
    /// Description.
    pub description: String,
    /// Name of the instance type in any scheme.
    pub instance_type: String,
    /// The zone.
    pub zone: String,
    /// For how many instances, 1 to 1,000.
    pub count: u32,
    /// Who uses it.
    pub eligibility: Eligibility,
    /// When it ends by itself.
    pub end: Option<Millis>,
    /// Tags.
    pub tags: Tags,
}

/// Changes a reservation. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyCapacityReservation {
    /// Which one.
    pub reservation: CapacityReservationId,
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// For how many instances. Of fewer, free slots go first, and then those of the instances that came last, which run on.
    pub count: Option<u32>,
    /// Who uses it from now on; who is in it stays.
    pub eligibility: Option<Eligibility>,
    /// When it ends by itself; `Some(None)` for never.
    pub end: Option<Option<Millis>>,
}

/// Ends a reservation. The instances in it run on without it.
#[derive(Debug, Clone, Serialize)]
pub struct CancelCapacityReservation {
    /// Which one.
    pub reservation: CapacityReservationId,
}

/// Changes what a stopped instance asks of reservations when it starts.
#[derive(Debug, Clone, Serialize)]
pub struct ChooseCapacity {
    /// Which instance.
    pub instance: InstanceId,
    /// What it asks.
    pub choice: CapacityChoice,
}

/// A reservation with what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityReservationView {
    /// The reservation.
    pub reservation: CapacityReservation,
    /// For how many instances it has room that nobody uses; 0 once it has ended.
    pub free: u64,
}

impl CapacityReservationView {
    /// How many instances are in it; 0 once it has ended.
    pub fn used(&self) -> u64 {
        if self.reservation.is_active() { u64::from(self.reservation.total).saturating_sub(self.free) } else { 0 }
    }
}

impl Command for CreateCapacityReservation {
    type Reply = CapacityReservationView;
    const NAME: &'static str = "CreateCapacityReservation";
    const PLACES: bool = true;

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("capacity-reservation/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<CapacityReservationView, Failure> {
        check_name("PrivatePoolOptions.Name", &self.name)?;
        check_description(&self.description)?;
        check_reserved_count(self.count)?;
        self.end.map_or(Ok(()), |end| check_reserved_end(end, cx.now))?;
        if !cx.cloud.region().zones.contains(&self.zone) {
            return Err(Error::not_found(Noun::Zone, &self.zone).into());
        }
        let kind = type_of(&self.instance_type)?;
        let mut reservation = CapacityReservation {
            id: CapacityReservationId::from_u64(cx.new_id()),
            account: cx.caller.account(),
            name: self.name.clone(),
            description: self.description.clone(),
            instance_type: self.instance_type.clone(),
            kind: kind.name.clone(),
            vcpus: kind.vcpus,
            memory: kind.memory,
            zone: self.zone.clone(),
            total: self.count,
            eligibility: self.eligibility,
            end: self.end,
            state: CapacityReservationState::Active,
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut reservation.tags, &self.tags)?;
        tx.insert(&reservation)?;
        fill(tx, cx, &reservation, kind, self.count)?;
        if let Some(end) = reservation.end {
            tx.wake(CAPACITY_RESERVATION, reservation.id, end)?;
        }
        view(tx, reservation)
    }
}

impl Command for ModifyCapacityReservation {
    type Reply = ();
    const NAME: &'static str = "ModifyCapacityReservation";
    const PLACES: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.reservation)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut reservation = reservation_of(tx, cx.caller.account(), self.reservation)?;
        reservation.check_active()?;
        if let Some(name) = &self.name {
            check_name("PrivatePoolOptions.Name", name)?;
            reservation.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            reservation.description.clone_from(description);
        }
        reservation.eligibility = self.eligibility.unwrap_or(reservation.eligibility);
        if let Some(end) = self.end {
            end.map_or(Ok(()), |end| check_reserved_end(end, cx.now))?;
            reservation.end = end;
            tx.wake(CAPACITY_RESERVATION, reservation.id, cx.now)?;
        }
        if let Some(count) = self.count {
            check_reserved_count(count)?;
            let before = std::mem::replace(&mut reservation.total, count);
            if count > before {
                fill(tx, cx, &reservation, type_of(&reservation.kind)?, count - before)?;
            } else {
                shrink(tx, &reservation, before - count)?;
            }
        }
        Ok(tx.update(&reservation)?)
    }
}

impl Command for CancelCapacityReservation {
    type Reply = ();
    const NAME: &'static str = "CancelCapacityReservation";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.reservation)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let reservation = reservation_of(tx, cx.caller.account(), self.reservation)?;
        reservation.check_active()?;
        end(tx, reservation, CapacityReservationState::Cancelled { at: cx.now }, cx.now)
    }
}

impl Command for ChooseCapacity {
    type Reply = ();
    const NAME: &'static str = "ModifyInstanceCapacityReservationAttributes";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = instance_targets(tx, cx, &[self.instance])?;
        if let CapacityChoice::Target(id) = self.choice {
            targets.push(target(tx, cx, id)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        if let CapacityChoice::Target(id) = self.choice {
            reservation_of(tx, cx.caller.account(), id)?.check_active()?;
        }
        for_each(tx, cx, &[self.instance], |_, instance| {
            if instance.phase != Phase::Stopped {
                let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
                return Err(Error::IncorrectState { noun, id, state, wanted: "stopped" }.into());
            }
            instance.capacity = self.choice;
            Ok(Changed::Yes)
        })?;
        Ok(())
    }
}

fn type_of(name: &str) -> Result<&'static InstanceType, Error> {
    Catalogue::standard().by_name(name).ok_or_else(|| Error::not_found(Noun::InstanceType, name))
}

/// The resource that policies are asked about.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: CapacityReservationId) -> Result<Target, Failure> {
    let own = tx.get::<CapacityReservation>(id)?.filter(|row| row.account == cx.caller.account());
    Ok(Target::of("capacity-reservation", id, &own.map(|row| row.tags).unwrap_or_default()))
}

/// Makes so many slots more: those that running instances are in already first, as in EC2, and for the rest the room is found.
fn fill(tx: &mut Tx<'_>, cx: &Cx<'_>, reservation: &CapacityReservation, kind: &InstanceType, count: u32) -> Result<(), Failure> {
    let mut wanted = count;
    if reservation.eligibility == Eligibility::Open {
        for mut instance in joining(tx, reservation, kind)?.into_iter().take(count as usize) {
            let slot = slot(cx, reservation, instance.host, Some(instance.id));
            tx.insert(&slot)?;
            instance.slot = Some(InCapacitySlot { slot: slot.id, reservation: reservation.id });
            tx.update(&instance)?;
            wanted -= 1;
        }
    }
    cx.cloud.check_instance_quota(tx, reservation.account, u64::from(wanted))?;
    for ahead in (1..=wanted).rev() {
        let room = Wanted { zone: &reservation.zone, kind, disk: Gib(0), group: None, ahead };
        let place = propose(tx, cx, &room, None)??;
        let host = place.host.id;
        tx.host_touch_row(place.host)?;
        tx.insert(&slot(cx, reservation, host, None))?;
    }
    Ok(())
}

fn slot(cx: &Cx<'_>, reservation: &CapacityReservation, host: HostId, instance: Option<InstanceId>) -> CapacitySlot {
    CapacitySlot {
        id: CapacitySlotId::from_u64(cx.new_id()),
        reservation: reservation.id,
        account: reservation.account,
        host,
        vcpus: reservation.vcpus,
        memory: reservation.memory,
        instance,
    }
}

/// The account's instances outside of reservations that a new open one is for, oldest first.
fn joining(tx: &Tx<'_>, reservation: &CapacityReservation, kind: &InstanceType) -> Result<Vec<Instance>, Failure> {
    let fits = |instance: &Instance| {
        let same_type = Catalogue::standard().by_name(&instance.instance_type).is_some_and(|own| own.name == kind.name);
        same_type
            && instance.slot.is_none()
            && instance.holds_capacity()
            && instance.is_on_host()
            && reservation.matches(&kind.name, &instance.zone, instance.capacity)
    };
    let mut live = tx.instance_list_live(reservation.account)?;
    live.retain(fits);
    Ok(live)
}

/// Gives up so many slots: free ones first, then those of the newest instances.
fn shrink(tx: &mut Tx<'_>, reservation: &CapacityReservation, count: u32) -> Result<(), Failure> {
    let mut slots = tx.capacity_slot_list(reservation.id)?;
    slots.sort_by_key(|slot| (slot.instance.is_some(), std::cmp::Reverse(slot.instance), slot.id));
    slots.truncate(count as usize);
    give_up(tx, slots)
}

/// Deletes slots; the instances in them stay where they are.
fn give_up(tx: &mut Tx<'_>, slots: Vec<CapacitySlot>) -> Result<(), Failure> {
    let hosts: BTreeSet<HostId> = slots.iter().map(|slot| slot.host).collect();
    for slot in slots {
        if let Some(id) = slot.instance
            && let Some(mut instance) = tx.get::<Instance>(id)?
        {
            instance.slot = None;
            tx.update(&instance)?;
        }
        tx.delete::<CapacitySlot>(slot.id)?;
    }
    for host in hosts {
        tx.host_touch(host)?;
    }
    Ok(())
}

fn end(tx: &mut Tx<'_>, mut reservation: CapacityReservation, state: CapacityReservationState, now: Millis) -> Result<(), Failure> {
    give_up(tx, tx.capacity_slot_list(reservation.id)?)?;
    reservation.state = state;
    tx.update(&reservation)?;
    Ok(tx.wake(CAPACITY_RESERVATION, reservation.id, now)?)
}

fn view(tx: &Tx<'_>, reservation: CapacityReservation) -> Result<CapacityReservationView, Failure> {
    let free = tx.capacity_slot_count_free_of(reservation.id)?;
    Ok(CapacityReservationView { reservation, free })
}

impl Listing for CapacityReservationView {
    type Id = CapacityReservationId;
    const NOUN: Noun = Noun::CapacityReservation;

    fn id(&self) -> CapacityReservationId {
        self.reservation.id
    }

    fn id_value(id: CapacityReservationId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<CapacityReservationView>, Failure> {
        let free: HashMap<CapacityReservationId, u64> = tx.capacity_slots_free(account)?;
        let view = |reservation: CapacityReservation| {
            let free = free.get(&reservation.id).copied().unwrap_or(0);
            CapacityReservationView { reservation, free }
        };
        Ok(tx.capacity_reservation_list(account)?.into_iter().map(view).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        let row = &self.reservation;
        match field {
            Field::Id | Field::CapacityReservation => vec![row.id.to_string()],
            Field::Name => vec![row.name.clone()],
            Field::Owner => vec![row.account.to_string()],
            Field::State => vec![row.state.word().to_owned()],
            Field::Zone => vec![row.zone.clone()],
            Field::InstanceType => vec![row.instance_type.clone()],
            Field::Kind => vec![row.eligibility.word().to_owned()],
            _ => tag_values(&row.tags, field),
        }
    }
}

impl Cloud {
    /// Ends a reservation whose end has come, forgets one that ended long ago, and says when it is to be looked at again.
    pub(crate) fn advance_capacity_reservation(
        &self,
        tx: &mut Tx<'_>,
        id: CapacityReservationId,
        now: Millis,
    ) -> Result<Option<Millis>, Failure> {
        let Some(row) = tx.get::<CapacityReservation>(id)? else { return Ok(None) };
        match row.advance(now) {
            ReservationStep::Wait(due) => Ok(due),
            ReservationStep::Forget => {
                tx.delete::<CapacityReservation>(id)?;
                Ok(None)
            }
            ReservationStep::Expire => {
                let what = What::Became { state: "expired".to_owned(), reason: "its end came".to_owned() };
                let event = EventId::from_u64(self.ids().next(now));
                tx.insert(&Event { id: event, account: row.account, at: now, what, resources: vec![id.to_string()] })?;
                end(tx, row, CapacityReservationState::Expired { at: now }, now)?;
                Ok(Some(now))
            }
        }
    }
}
