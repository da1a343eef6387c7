//! Capacity reservations: room for instances of one type in one zone, kept free for their owner.
//!
//! ```text
//!   reservation ◀── slot{host, free} ── launch, start ──▶ slot{host, instance} ── stop, termination ──▶ slot{host, free}
//!        │
//!        └── cancelled, or at its end: the slots go, the instances in them run on without
//! ```
//!
//! A slot is the room of one instance on one host. While it is free it takes processors and memory there as an instance does, so
//! nobody else is placed on them; while an instance is in it the instance takes them. Disks are not reserved.
//!
//! Not known here: how hosts are chosen, and what a reservation costs.

use serde::{Deserialize, Serialize};

use crate::{AccountId, CapacityReservationId, CapacitySlotId, Error, HostId, InstanceId, Mib, Millis, Noun, Tags};

/// Most instances of one reservation, and most by which one call changes their number (EC2: 1,000).
pub const RESERVED_MAX: u32 = 1_000;
/// How long a reservation that has ended can still be described.
pub const ENDED_VISIBLE_MS: i64 = 60 * 60_000;
/// How far ahead the end of a reservation may lie: ten years, so that times stay within every client's calendar.
pub const RESERVED_FOR_MAX_MS: i64 = 10 * 366 * 24 * 3_600_000;

/// A capacity reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityReservation {
    /// Its id.
    pub id: CapacityReservationId,
    /// Owner.
    pub account: AccountId,
    /// Name; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Name of the instance type as it was asked for.
    pub instance_type: String,
    /// The type's name among ourselves, by which instances match.
    pub kind: String,
    /// Virtual processors of the type.
    pub vcpus: u32,
    /// Memory of the type.
    pub memory: Mib,
    /// The zone.
    pub zone: String,
    /// How many instances it is for; as long as it is active it has so many slots.
    pub total: u32,
    /// Who uses it.
    pub eligibility: Eligibility,
    /// When it ends by itself; never when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Millis>,
    /// Whether it holds capacity.
    pub state: CapacityReservationState,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// Who uses a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eligibility {
    /// Every instance of its type and zone that does not say otherwise.
    Open,
    /// Instances that name it.
    Targeted,
}

impl Eligibility {
    /// The eligibility in one word.
    pub const fn word(self) -> &'static str {
        match self {
            Eligibility::Open => "open",
            Eligibility::Targeted => "targeted",
        }
    }
}

/// Whether a reservation holds capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum CapacityReservationState {
    /// It does.
    Active,
    /// Its owner ended it.
    Cancelled {
        /// When.
        at: Millis,
    },
    /// Its end came.
    Expired {
        /// When.
        at: Millis,
    },
}

/// What an instance asks of its owner's reservations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "use", content = "reservation")]
pub enum CapacityChoice {
    /// An open one that fits, else none.
    #[default]
    Open,
    /// None.
    Never,
    /// An open one that fits, or it does not run.
    Only,
    /// This one, or it does not run.
    Target(CapacityReservationId),
}

impl CapacityChoice {
    /// Whether it is what is meant where nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == CapacityChoice::Open
    }

    /// Whether an instance does not run outside a reservation.
    pub const fn is_strict(self) -> bool {
        match self {
            CapacityChoice::Only | CapacityChoice::Target(_) => true,
            CapacityChoice::Open | CapacityChoice::Never => false,
        }
    }
}

/// The slot that an instance is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InCapacitySlot {
    /// The slot.
    pub slot: CapacitySlotId,
    /// Its reservation.
    pub reservation: CapacityReservationId,
}

/// The room of one instance on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacitySlot {
    /// Its id; another one when it moves to another host.
    pub id: CapacitySlotId,
    /// Its reservation.
    pub reservation: CapacityReservationId,
    /// Owner.
    pub account: AccountId,
    /// The host.
    pub host: HostId,
    /// Virtual processors of the reservation's type.
    pub vcpus: u32,
    /// Memory of the reservation's type.
    pub memory: Mib,
    /// The instance that is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
}

impl CapacitySlot {
    /// Whether nobody is in it; then it takes the host's processors and memory itself.
    pub const fn is_free(&self) -> bool {
        self.instance.is_none()
    }
}

impl CapacityReservationState {
    /// The state in one word.
    pub const fn word(self) -> &'static str {
        match self {
            CapacityReservationState::Active => "active",
            CapacityReservationState::Cancelled { .. } => "cancelled",
            CapacityReservationState::Expired { .. } => "expired",
        }
    }
}

/// What a reservation does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationStep {
    /// Nothing until this time; nothing by itself when there is none.
    Wait(Option<Millis>),
    /// Its end has come.
    Expire,
    /// Its row goes.
    Forget,
}

impl CapacityReservation {
    /// Whether it holds capacity.
    pub fn is_active(&self) -> bool {
        self.state == CapacityReservationState::Active
    }

    /// Whether instances of this type in this zone may use it when they choose so.
    pub fn matches(&self, kind: &str, zone: &str, choice: CapacityChoice) -> bool {
        let chosen = match choice {
            CapacityChoice::Open | CapacityChoice::Only => self.eligibility == Eligibility::Open,
            CapacityChoice::Target(id) => id == self.id,
            CapacityChoice::Never => false,
        };
        chosen && self.is_active() && self.kind == kind && self.zone == zone
    }

    /// Refuses one that has ended.
    pub fn check_active(&self) -> Result<(), Error> {
        if self.is_active() {
            return Ok(());
        }
        let (noun, id, state) = (Noun::CapacityReservation, self.id.to_string(), self.state.word());
        Err(Error::IncorrectState { noun, id, state, wanted: "active" })
    }

    /// Says what next. The same arguments give the same answer.
    pub fn advance(&self, now: Millis) -> ReservationStep {
        match self.state {
            CapacityReservationState::Active => match self.end {
                Some(end) if now >= end => ReservationStep::Expire,
                end => ReservationStep::Wait(end),
            },
            CapacityReservationState::Cancelled { at } | CapacityReservationState::Expired { at } => {
                let forget_at = at.after(ENDED_VISIBLE_MS);
                if now >= forget_at { ReservationStep::Forget } else { ReservationStep::Wait(Some(forget_at)) }
            }
        }
    }
}

/// Checks how many instances a reservation is for: 1 to [`RESERVED_MAX`].
pub fn check_reserved_count(count: u32) -> Result<(), Error> {
    if (1..=RESERVED_MAX).contains(&count) {
        return Ok(());
    }
    Err(Error::invalid("InstanceCount", format!("must be 1 to {RESERVED_MAX}")))
}

/// Checks that a reservation ends in the future and within ten years.
pub fn check_reserved_end(end: Millis, now: Millis) -> Result<(), Error> {
    if end > now && end <= now.after(RESERVED_FOR_MAX_MS) {
        return Ok(());
    }
    Err(Error::invalid("EndDate", "must be in the future and within ten years"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reservation(state: CapacityReservationState, end: Option<Millis>) -> CapacityReservation {
        CapacityReservation {
            id: CapacityReservationId::from_u64(1),
            account: AccountId::from_u64(2).unwrap(),
            name: String::new(),
            description: String::new(),
            instance_type: "t3.nano".to_owned(),
            kind: "t3.nano".to_owned(),
            vcpus: 2,
            memory: Mib(512),
            zone: "a".to_owned(),
            total: 1,
            eligibility: Eligibility::Open,
            end,
            state,
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    #[test]
    fn only_what_fits_and_may_uses_a_reservation() {
        let open = reservation(CapacityReservationState::Active, None);
        let targeted = CapacityReservation { eligibility: Eligibility::Targeted, ..open.clone() };
        let other = CapacityChoice::Target(CapacityReservationId::from_u64(9));
        for (row, kind, zone, choice, fits) in [
            (&open, "t3.nano", "a", CapacityChoice::Open, true),
            (&open, "t3.nano", "a", CapacityChoice::Only, true),
            (&open, "t3.nano", "a", CapacityChoice::Target(open.id), true),
            (&open, "t3.nano", "a", CapacityChoice::Never, false),
            (&open, "t3.nano", "a", other, false),
            (&open, "t3.micro", "a", CapacityChoice::Open, false),
            (&open, "t3.nano", "b", CapacityChoice::Open, false),
            (&targeted, "t3.nano", "a", CapacityChoice::Open, false),
            (&targeted, "t3.nano", "a", CapacityChoice::Only, false),
            (&targeted, "t3.nano", "a", CapacityChoice::Target(open.id), true),
        ] {
            assert_eq!(row.matches(kind, zone, choice), fits, "{:?} {kind} {zone} {choice:?}", row.eligibility);
        }
        let ended = CapacityReservation { state: CapacityReservationState::Expired { at: Millis(0) }, ..open };
        assert!(!ended.matches("t3.nano", "a", CapacityChoice::Open));
    }

    #[test]
    fn a_reservation_ends_at_its_end_and_is_forgotten_later() {
        let (active, end) = (CapacityReservationState::Active, Millis(10));
        assert_eq!(reservation(active, None).advance(Millis(i64::MAX)), ReservationStep::Wait(None));
        assert_eq!(reservation(active, Some(end)).advance(Millis(9)), ReservationStep::Wait(Some(end)));
        assert_eq!(reservation(active, Some(end)).advance(end), ReservationStep::Expire);
        let cancelled = reservation(CapacityReservationState::Cancelled { at: end }, None);
        assert_eq!(cancelled.advance(end), ReservationStep::Wait(Some(end.after(ENDED_VISIBLE_MS))));
        assert_eq!(cancelled.advance(end.after(ENDED_VISIBLE_MS)), ReservationStep::Forget);
    }
}
