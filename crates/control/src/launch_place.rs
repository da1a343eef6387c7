//! Where a launch goes: the index of hosts proposes a host, and the rows, read in the same transaction, decide whether there is
//! room.
//!
//! ```text
//!   zones ─▶ a free slot of a capacity reservation, with disk room ─▶ else a host with room for all, and the slot comes there
//! ```

use model::{CapacitySlotId, Error, Gib, Host, HostId, HostState, InstanceType, Subnet};
use store::Tx;

use crate::Failure;
use crate::capacity_slot::Reserved;
use crate::fleet::{Lack, Wanted};
use crate::placement::{Cost, Group};
use crate::placement_group::{Joining, Way, seen};
use crate::run::Cx;

/// Proposals of the host index that may turn out to be full before the launch is put off. Each is corrected in the index.
const PROPOSALS_MAX: usize = 64;

/// What every instance of a launch needs of a host.
pub(crate) struct Seeking {
    /// The instance type.
    pub kind: &'static InstanceType,
    /// The subnets that they may be in, the best first; at least one.
    pub subnets: Vec<Subnet>,
    /// Size of the system disk and the further volumes together.
    pub disk: Gib,
    /// The placement group that they come into.
    pub joining: Option<Joining>,
    /// The capacity reservations that they may use.
    pub reserved: Reserved,
}

/// A host with room, and how the instance comes there.
pub(crate) struct Place {
    /// The host.
    pub host: Host,
    /// What is on it at most, where that was found out.
    pub found: Option<Cost>,
    /// The way into its group.
    pub way: Option<Way>,
    /// The slot of a capacity reservation that it enters.
    pub slot: Option<CapacitySlotId>,
}

impl Seeking {
    /// One of them, as placement takes it.
    pub fn wanted<'p>(&self, zone: &'p str, group: Option<Group<'p>>, ahead: u32) -> Wanted<'p> {
        Wanted { zone, kind: self.kind, disk: self.disk, group, ahead }
    }

    /// How many of them find their room reserved.
    pub fn free_slots(&self, tx: &Tx<'_>) -> Result<u64, Failure> {
        self.reserved.free(tx, self.subnets.iter().map(|subnet| subnet.zone.as_str()))
    }

    /// A host for one of them and the subnet in whose zone it is. So many are still to come, this one with them.
    pub fn choose(&self, tx: &Tx<'_>, cx: &Cx<'_>, ahead: u32) -> Result<(Place, &Subnet), Failure> {
        let mut slots = Vec::with_capacity(self.subnets.len());
        for subnet in &self.subnets {
            let there = self.reserved.slots(tx, &subnet.zone)?;
            if let Some(place) = self.in_slot(tx, cx, &subnet.zone, &there)? {
                return Ok((place, subnet));
            }
            slots.push((subnet, there.first().map(|(_, slot)| *slot)));
        }
        // A slot without what else its instance needs follows it to where that is.
        slots.sort_by_key(|(_, slot)| slot.is_none());
        if self.reserved.is_strict() {
            slots.retain(|(_, slot)| slot.is_some());
            if slots.is_empty() {
                let zones: Vec<&str> = self.subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
                return Err(self.reserved.refusal(format!("{} in {}", self.kind.name, zones.join(", "))).into());
            }
        }
        let mut refusal = Error::Internal;
        for (subnet, slot) in slots {
            let found = match &self.joining {
                None => propose(tx, cx, &self.wanted(&subnet.zone, None, ahead), None)?,
                Some(joining) => self.in_group(tx, cx, joining, &subnet.zone, ahead)?,
            };
            match found {
                Ok(place) => return Ok((Place { slot, ..place }, subnet)),
                // Of several zones the one with room outside the group says more.
                Err(error) if !matches!(refusal, Error::NoPlaceInGroup { .. }) => refusal = error,
                Err(_) => {}
            }
        }
        Err(with_what_is_reserved(tx, cx, refusal)?.into())
    }

    /// A host on which a slot is free and what else is needed is there too: disk, and a way into the group.
    fn in_slot(&self, tx: &Tx<'_>, cx: &Cx<'_>, zone: &str, slots: &[(HostId, CapacitySlotId)]) -> Result<Option<Place>, Failure> {
        if slots.is_empty() {
            return Ok(None);
        }
        let members = self.joining.as_ref().map_or(Ok(vec![]), |joining| joining.members(tx))?;
        let ways = match &self.joining {
            None => vec![None],
            Some(joining) => joining.ways(zone, &members)?.into_iter().map(Some).collect(),
        };
        let members = seen(&members);
        cx.cloud.fleet().learn(tx, &members)?;
        for way in ways {
            for (host, slot) in slots {
                let Some(host) = tx.get::<Host>(*host)?.filter(|host| host.state == HostState::Up) else { continue };
                let keeps = way.is_none_or(|way: Way| cx.cloud.fleet().keeps(host.id, way.rule, &members));
                if keeps && has_disk(cx, &host, tx.volume_gib_on_host(host.id)?, self.disk) {
                    return Ok(Some(Place { host, found: None, way, slot: Some(*slot) }));
                }
            }
        }
        Ok(None)
    }

    /// A host with room that keeps the rule of a group, by the first way in that there is. The members are those of this moment:
    /// the transaction has read them, and whoever adds one at the same time comes before or after it.
    fn in_group(&self, tx: &Tx<'_>, cx: &Cx<'_>, joining: &Joining, zone: &str, ahead: u32) -> Result<Result<Place, Error>, Failure> {
        let members = joining.members(tx)?;
        let ways = match joining.ways(zone, &members) {
            Ok(ways) => ways,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let members = seen(&members);
        cx.cloud.fleet().learn(tx, &members)?;
        let mut refusal = Error::Internal;
        for way in ways {
            let group = Some(Group { rule: way.rule, members: &members });
            match propose(tx, cx, &self.wanted(zone, group, ahead), Some(joining))? {
                Ok(place) => return Ok(Ok(Place { way: Some(way), ..place })),
                Err(error) => refusal = error,
            }
        }
        Ok(Err(refusal))
    }
}

/// The subnets in the zone of the reservation that is named, if one is.
pub(crate) fn within(reserved: &Reserved, mut subnets: Vec<Subnet>) -> Result<Vec<Subnet>, Error> {
    if let Some((id, zone)) = reserved.target_zone() {
        subnets.retain(|subnet| subnet.zone == zone);
        if subnets.is_empty() {
            return Err(Error::InvalidCombination { reason: format!("the capacity reservation {id} is in zone {zone}") });
        }
    }
    Ok(subnets)
}

/// A refusal for want of room, which says also what of the room its owner has reserved.
fn with_what_is_reserved(tx: &Tx<'_>, cx: &Cx<'_>, refusal: Error) -> Result<Error, Failure> {
    let Error::NoCapacity { wanted, reason } = refusal else { return Ok(refusal) };
    let reserved = tx.capacity_slot_count_free(cx.caller.account(), u64::from(u32::MAX))?;
    let reason = match reserved {
        0 => reason,
        free => format!("{reason}; free in capacity reservations of the account that are not for it: {free}"),
    };
    Ok(Error::NoCapacity { wanted, reason })
}

/// Asks the index for a host and the rows whether it really has room. A refusal is exact: before it all that the index is not
/// sure of is read.
pub(crate) fn propose(tx: &Tx<'_>, cx: &Cx<'_>, wanted: &Wanted<'_>, joining: Option<&Joining>) -> Result<Result<Place, Error>, Failure> {
    let mut is_exact = false;
    for _ in 0..PROPOSALS_MAX {
        let proposal = cx.cloud.fleet().propose(wanted);
        match proposal {
            Ok(host) => {
                let (found, host) = look(tx, cx, host, wanted)?;
                if let Some(host) = host {
                    return Ok(Ok(Place { host, found: Some(found), way: None, slot: None }));
                }
            }
            Err(_) if !is_exact => {
                is_exact = true;
                cx.cloud.fleet().be_exact(tx)?;
            }
            Err(Lack { reason, is_groups }) => {
                let group = joining.filter(|_| is_groups).map(Joining::name);
                let wanted = format!("{} in {}", wanted.kind.name, wanted.zone);
                return Ok(Err(match group {
                    Some(group) => Error::NoPlaceInGroup { group, reason },
                    None => Error::NoCapacity { wanted, reason },
                }));
            }
        }
    }
    Ok(Err(Error::Unavailable))
}

/// What is on a host at most, and its row if it has room.
fn look(tx: &Tx<'_>, cx: &Cx<'_>, id: HostId, wanted: &Wanted<'_>) -> Result<(Cost, Option<Host>), Failure> {
    let row = tx.get::<Host>(id)?;
    let bound = row.as_ref().and_then(|host| cx.cloud.fleet().bound(host).map(|(held, witness)| (held, witness, host)));
    let found = match bound {
        Some((held, witness, host)) if has_room(cx, host, held, wanted) && tx.instance_asks(witness, host.generation)? => held,
        // Adding up what a full host holds takes as long as all the rest of a launch.
        _ => crate::fleet::held(tx, id)?,
    };
    let row = row.filter(|row| has_room(cx, row, found, wanted));
    cx.cloud.fleet().hold(id, found, row.as_ref().map(|_| wanted));
    Ok((found, row))
}

fn has_room(cx: &Cx<'_>, host: &Host, found: Cost, wanted: &Wanted<'_>) -> bool {
    let Some(capacity) = &host.capacity else { return false };
    let fits = |held: u32, more: u64, limit: u64| u64::from(held) + more <= limit;
    fits(found.millicpus, u64::from(wanted.kind.vcpus) * 1_000, u64::from(capacity.vcpus) * 1_000)
        && fits(found.mib, wanted.kind.memory.0, capacity.memory.0)
        && has_disk(cx, host, u64::from(found.gib), wanted.disk)
}

fn has_disk(cx: &Cx<'_>, host: &Host, held_gib: u64, wanted: Gib) -> bool {
    let limit = |capacity: &model::HostCapacity| capacity.disk_gib.saturating_mul(u64::from(cx.cloud.region().disk_overcommit));
    host.capacity.as_ref().is_some_and(|capacity| held_gib.saturating_add(u64::from(wanted.0)) <= limit(capacity))
}
