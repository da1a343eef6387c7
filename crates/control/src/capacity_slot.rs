//! The slots of capacity reservations: which of them an instance may be in, how it comes in, and how it leaves.
//!
//! Whoever is in a slot takes the room itself and a free slot takes it, in one transaction, so the room is never anybody else's in
//! between. A slot follows its instance: where its own host cannot take the instance's disks, the instance goes where there is
//! room, and the slot with it.

use model::{
    AccountId, CapacityChoice, CapacityReservation, CapacityReservationId, CapacitySlot, CapacitySlotId, Catalogue, Error, HostId,
    InCapacitySlot, Instance, InstanceId, InstanceType, Noun,
};
use store::Tx;

use crate::Failure;
use crate::run::Cx;

/// The reservations that an instance may use.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    choice: CapacityChoice,
    reservations: Vec<CapacityReservation>,
}

impl Reserved {
    /// Those that instances of a type may use that choose so.
    ///
    /// # Errors
    /// Refuses a target that the account has not, that has ended, or that is for another type.
    pub fn of(tx: &Tx<'_>, account: AccountId, kind: &InstanceType, choice: CapacityChoice) -> Result<Reserved, Failure> {
        let reservations = match choice {
            CapacityChoice::Never => vec![],
            CapacityChoice::Target(id) => {
                let target = reservation_of(tx, account, id)?;
                target.check_active()?;
                if target.kind != kind.name {
                    let reason = format!("the capacity reservation {id} is for {}, not for {}", target.instance_type, kind.name);
                    return Err(Error::InvalidCombination { reason }.into());
                }
                vec![target]
            }
            CapacityChoice::Open | CapacityChoice::Only => {
                let mut active = tx.capacity_reservation_list_active(account)?;
                active.retain(|row| row.matches(&kind.name, &row.zone, choice));
                active
            }
        };
        Ok(Reserved { choice, reservations })
    }

    /// The zone of the one reservation that is named.
    pub fn target_zone(&self) -> Option<(CapacityReservationId, &str)> {
        match self.choice {
            CapacityChoice::Target(id) => self.reservations.first().map(|row| (id, row.zone.as_str())),
            CapacityChoice::Open | CapacityChoice::Never | CapacityChoice::Only => None,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.reservations.is_empty()
    }

    /// Whether instances run in them or not at all.
    pub const fn is_strict(&self) -> bool {
        self.choice.is_strict()
    }

    /// How many free slots they have in these zones.
    pub fn free<'z>(&self, tx: &Tx<'_>, zones: impl Iterator<Item = &'z str> + Clone) -> Result<u64, Failure> {
        let there = self.reservations.iter().filter(|row| zones.clone().any(|zone| zone == row.zone));
        let free = there.map(|row| tx.capacity_slot_count_free_of(row.id));
        Ok(free.sum::<Result<u64, _>>()?)
    }

    /// The hosts of their free slots in a zone, each with one of the slots, those of the oldest reservation first.
    pub fn slots(&self, tx: &Tx<'_>, zone: &str) -> Result<Vec<(HostId, CapacitySlotId)>, Failure> {
        let mut slots = Vec::new();
        for row in self.reservations.iter().filter(|row| row.zone == zone) {
            slots.extend(tx.capacity_slot_hosts_free(row.id)?);
        }
        Ok(slots)
    }

    /// Why an instance does not run that would run only in one of them.
    pub fn refusal(&self, wanted: String) -> Error {
        let reason = match self.reservations.as_slice() {
            [] => "the account has no open reservation for it".to_owned(),
            [one] => format!("all {} of {} are in use", one.total, one.id),
            several => format!("all of {} reservations are in use", several.len()),
        };
        Error::NoReservedCapacity { wanted, reason }
    }
}

/// The reservation, if the account owns it.
pub(crate) fn reservation_of(tx: &Tx<'_>, account: AccountId, id: CapacityReservationId) -> Result<CapacityReservation, Failure> {
    let row = tx.get::<CapacityReservation>(id)?.filter(|row| row.account == account);
    Ok(row.ok_or_else(|| Error::not_found(Noun::CapacityReservation, id))?)
}

/// Puts an instance on this host into a free slot, which comes there if it is elsewhere.
pub(crate) fn enter(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    slot: CapacitySlotId,
    instance: InstanceId,
    host: HostId,
) -> Result<InCapacitySlot, Failure> {
    let mut slot = tx.get::<CapacitySlot>(slot)?.ok_or(Error::Internal)?;
    let before = slot.host;
    slot.instance = Some(instance);
    if before == host {
        tx.update(&slot)?;
    } else {
        // Placement learns of room that came free by rows that were deleted beside a touched host.
        tx.delete::<CapacitySlot>(slot.id)?;
        tx.host_touch(before)?;
        slot = CapacitySlot { id: CapacitySlotId::from_u64(cx.new_id()), host, ..slot };
        tx.insert(&slot)?;
    }
    Ok(InCapacitySlot { slot: slot.id, reservation: slot.reservation })
}

/// Gives the slot of an instance that takes no room any more back to its reservation. The instance's own row is the caller's to
/// write, in the same transaction.
pub(crate) fn leave(tx: &mut Tx<'_>, instance: &mut Instance) -> Result<(), Failure> {
    if instance.holds_capacity() {
        return Ok(());
    }
    let Some(held) = instance.slot.take() else { return Ok(()) };
    if let Some(mut slot) = tx.get::<CapacitySlot>(held.slot)? {
        slot.instance = None;
        tx.update(&slot)?;
    }
    Ok(())
}

/// Takes an instance that holds room and gets another type out of its slot, which is for the type that it had; into one for the new type,
/// where its host has one. Whether the host has the room is the caller's to check, in the same transaction.
pub(crate) fn change_slot(tx: &mut Tx<'_>, cx: &Cx<'_>, instance: &mut Instance, kind: &InstanceType) -> Result<(), Failure> {
    if !instance.holds_capacity() {
        return Ok(());
    }
    if let Some(held) = instance.slot.take()
        && let Some(mut slot) = tx.get::<CapacitySlot>(held.slot)?
    {
        slot.instance = None;
        tx.update(&slot)?;
    }
    let reserved = Reserved::of(tx, instance.account, kind, instance.capacity)?;
    let slots = reserved.slots(tx, &instance.zone)?;
    if let Some((host, slot)) = slots.iter().find(|(host, _)| *host == instance.host) {
        instance.slot = Some(enter(tx, cx, *slot, instance.id, *host)?);
    } else if instance.capacity.is_strict() {
        return Err(reserved.refusal(format!("{} in {}", kind.name, instance.zone)).into());
    }
    Ok(())
}

/// Finds room on its host for an instance that gave its own back: in a slot, or beside them.
pub(crate) fn take_room(tx: &mut Tx<'_>, cx: &Cx<'_>, instance: &mut Instance) -> Result<(), Failure> {
    let reserved = match Catalogue::standard().by_name(&instance.instance_type) {
        Some(kind) => Reserved::of(tx, instance.account, kind, instance.capacity)?,
        None => Reserved::default(),
    };
    let slots = reserved.slots(tx, &instance.zone)?;
    if let Some((host, slot)) = slots.iter().find(|(host, _)| *host == instance.host) {
        instance.slot = Some(enter(tx, cx, *slot, instance.id, *host)?);
        return Ok(());
    }
    let wanted = format!("{} in {}", instance.instance_type, instance.zone);
    if slots.is_empty() && instance.capacity.is_strict() {
        return Err(reserved.refusal(wanted).into());
    }
    check_host_room(tx, instance, wanted)?;
    if let Some((_, slot)) = slots.first() {
        instance.slot = Some(enter(tx, cx, *slot, instance.id, instance.host)?);
    }
    Ok(())
}

/// Checks that an instance that gave its capacity back finds room on its host again.
fn check_host_room(tx: &Tx<'_>, instance: &Instance, wanted: String) -> Result<(), Failure> {
    let host = tx.get::<model::Host>(instance.host)?;
    let held = tx.instance_held_on_host(instance.host)?.and(tx.capacity_slot_held_on_host(instance.host)?);
    let room = host.and_then(|host| host.capacity).is_some_and(|capacity| {
        held.vcpus + u64::from(instance.vcpus) <= u64::from(capacity.vcpus) && held.memory_mib + instance.memory.0 <= capacity.memory.0
    });
    if room {
        return Ok(());
    }
    let reason = "the host that keeps its disk has given its processors and memory to others".to_owned();
    Err(Error::NoCapacity { wanted, reason }.into())
}
