//! Instance fleets: so much capacity, of whichever of several kinds of instances there is room for.
//!
//! ```text
//!   Submitted ──(its time comes)──▶ Active ──(deleted, or its end comes)──▶ Deleting ──(no members left)──▶ Deleted ──(an hour)──▶ row gone
//!
//!   pools in order ─▶ as many as are missing of the first, of the next what is missing then, ...
//! ```
//!
//! EC2 calls it a fleet, ECS an auto provisioning group. A pool is a launch: settings, with the type and place that an override says.
//! Capacity is counted in units, of which each instance has the weight of its pool; weights are kept in thousandths, so that 0.5 is one.
//!
//! Not known here: prices. What is cheapest is taken to be what takes least of a host.

use serde::{Deserialize, Serialize};

use crate::instance_type::InstanceType;
use crate::{
    AccountId, Catalogue, Error, EventId, InstanceFleetId, InstanceId, LaunchSettings, LaunchTemplateId, Millis, Noun, QuotaName, SubnetId,
    Tags,
};

/// One unit of capacity, in thousandths.
pub const UNIT: u64 = 1_000;
/// Largest target of a fleet, in units (EC2: 10,000 for a fleet).
pub const FLEET_TARGET_MAX: u32 = 10_000;
/// Largest target of a fleet that is launched while its call waits, in units: one transaction makes them all.
pub const INSTANT_TARGET_MAX: u32 = 1_000;
/// Most settings of one fleet (EC2: 50).
pub const FLEET_CONFIGS_MAX: usize = 50;
/// Most pools of one fleet (EC2: 300).
pub const FLEET_POOLS_MAX: usize = 300;
/// Largest weight, in units (EC2: 999).
pub const WEIGHT_MAX: u64 = 999;
/// How long a fleet that has ended can still be described.
pub const FLEET_VISIBLE_MS: i64 = 60 * 60_000;
/// Pause before a fleet that found no room looks again.
pub const FLEET_RETRY_MS: i64 = 30_000;
/// How often a fleet that replaces impaired instances looks at them.
pub const FLEET_LOOK_MS: i64 = 60_000;
/// How long the host of an impaired instance is silent before it is replaced: three minutes of failed checks, as EC2 waits for.
pub const FLEET_IMPAIRED_MS: i64 = 3 * 60_000;
/// Events of a fleet that are kept; with one more the oldest goes.
pub const FLEET_EVENTS_MAX: u64 = 1_000;

/// A fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceFleet {
    /// Its id.
    pub id: InstanceFleetId,
    /// Owner.
    pub account: AccountId,
    /// Name; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it promises.
    pub kind: FleetKind,
    /// How far it is.
    pub state: FleetState,
    /// Capacity that it is to have, in units.
    pub target: u32,
    /// Which pools come first.
    pub order: PoolOrder,
    /// What it launches.
    pub configs: Vec<FleetConfig>,
    /// What becomes of members beyond a lowered target.
    pub excess: Excess,
    /// Whether its members go when its end comes.
    pub ends_members: bool,
    /// Whether impaired members are replaced.
    pub replaces_impaired: bool,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<Millis>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Millis>,
    /// Whether it has had its target since that was last raised; a fleet that does not keep it launches no more then.
    pub was_full: bool,
    /// Why pools gave nothing when they were last tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<PoolLack>,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// What a fleet promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetKind {
    /// What there is room for at once, told in the answer of the call.
    Instant,
    /// Its target, once.
    Request,
    /// Its target, always.
    Maintain,
}

impl FleetKind {
    /// The kind in one word.
    pub const fn word(self) -> &'static str {
        match self {
            FleetKind::Instant => "instant",
            FleetKind::Request => "request",
            FleetKind::Maintain => "maintain",
        }
    }
}

/// How far a fleet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum FleetState {
    /// Its time has not come.
    Submitted,
    /// It launches what is missing.
    Active,
    /// It launches nothing any more, and has members.
    Deleting {
        /// Whether they are terminated.
        ends_members: bool,
    },
    /// It has ended and has no members.
    Deleted {
        /// Since when.
        at: Millis,
    },
}

/// Which pools come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolOrder {
    /// Those that take least of a host for a unit: processors, then memory, then the order of the catalogue. There are no prices.
    Smallest,
    /// By their priorities, the lowest number first.
    Prioritized,
}

/// What becomes of members beyond a lowered target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    /// They stay.
    Stays,
    /// The newest are terminated.
    Ends,
}

/// Settings of launches, and how they differ from pool to pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetConfig {
    /// The launch template that said them, and the number of its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<(LaunchTemplateId, u64)>,
    /// What is said of each launch.
    pub launch: LaunchSettings,
    /// One for each pool; without any there is one pool that says no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<PoolOverride>,
}

/// What a pool says of its launches.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolOverride {
    /// Name of the instance type in any scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// The subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<SubnetId>,
    /// The zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Thousandths of a unit that each instance counts for; a whole one where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
    /// Thousandths of a priority; the last where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u64>,
}

/// A pool: the number of its settings and, where these have any, of its override.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PoolId {
    /// Number of the settings, from 0.
    pub config: usize,
    /// Number of the override, from 0.
    pub pool: Option<usize>,
}

/// Why a pool gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolLack {
    /// The pool.
    pub pool: PoolId,
    /// Why.
    pub why: FleetRefusal,
}

/// A refusal of a launch, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "refusal")]
pub enum FleetRefusal {
    /// [`Error::NoCapacity`].
    NoCapacity {
        /// What was asked for.
        wanted: String,
        /// Why not.
        reason: String,
    },
    /// [`Error::NoReservedCapacity`].
    NoReservedCapacity {
        /// What was asked for.
        wanted: String,
        /// Why not.
        reason: String,
    },
    /// [`Error::NoPlaceInGroup`].
    NoPlaceInGroup {
        /// The group's id.
        group: String,
        /// Why not.
        reason: String,
    },
    /// [`Error::QuotaExceeded`].
    QuotaExceeded {
        /// The quota.
        quota: QuotaName,
        /// Its limit.
        limit: u64,
        /// What is in use.
        used: u64,
        /// What was wanted on top.
        wanted: u64,
    },
    /// [`Error::NoFreeAddress`].
    NoFreeAddress {
        /// Subnet or public pool.
        noun: Noun,
        /// Its id.
        id: String,
    },
    /// [`Error::NotFound`].
    NotFound {
        /// Kind of thing.
        noun: Noun,
        /// Its id or name.
        id: String,
    },
    /// Any other, in words.
    Other {
        /// The words.
        reason: String,
    },
}

impl FleetRefusal {
    /// Keeps a refusal.
    pub fn of(error: &Error) -> FleetRefusal {
        match error {
            Error::NoCapacity { wanted, reason } => FleetRefusal::NoCapacity { wanted: wanted.clone(), reason: reason.clone() },
            Error::NoReservedCapacity { wanted, reason } => {
                FleetRefusal::NoReservedCapacity { wanted: wanted.clone(), reason: reason.clone() }
            }
            Error::NoPlaceInGroup { group, reason } => FleetRefusal::NoPlaceInGroup { group: group.clone(), reason: reason.clone() },
            Error::QuotaExceeded { quota, limit, used, wanted } => {
                FleetRefusal::QuotaExceeded { quota: *quota, limit: *limit, used: *used, wanted: *wanted }
            }
            Error::NoFreeAddress { noun, id } => FleetRefusal::NoFreeAddress { noun: *noun, id: id.clone() },
            Error::NotFound { noun, id } => FleetRefusal::NotFound { noun: *noun, id: id.clone() },
            other => FleetRefusal::Other { reason: other.to_string() },
        }
    }

    /// The refusal again, as dialects word it.
    pub fn error(&self) -> Error {
        match self.clone() {
            FleetRefusal::NoCapacity { wanted, reason } => Error::NoCapacity { wanted, reason },
            FleetRefusal::NoReservedCapacity { wanted, reason } => Error::NoReservedCapacity { wanted, reason },
            FleetRefusal::NoPlaceInGroup { group, reason } => Error::NoPlaceInGroup { group, reason },
            FleetRefusal::QuotaExceeded { quota, limit, used, wanted } => Error::QuotaExceeded { quota, limit, used, wanted },
            FleetRefusal::NoFreeAddress { noun, id } => Error::NoFreeAddress { noun, id },
            FleetRefusal::NotFound { noun, id } => Error::NotFound { noun, id },
            FleetRefusal::Other { reason } => Error::InvalidCombination { reason },
        }
    }
}

/// An instance in a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetMember {
    /// The instance.
    pub instance: InstanceId,
    /// Owner.
    pub account: AccountId,
    /// The fleet.
    pub fleet: InstanceFleetId,
    /// The pool that it came from.
    pub pool: PoolId,
    /// Thousandths of a unit that it counts for.
    pub weight: u64,
}

/// Something that happened to a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetEvent {
    /// Its id; later events have greater ones.
    pub id: EventId,
    /// Owner.
    pub account: AccountId,
    /// The fleet.
    pub fleet: InstanceFleetId,
    /// When.
    pub at: Millis,
    /// What.
    pub what: FleetHappening,
}

/// What happened to a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum FleetHappening {
    /// It became so.
    Became {
        /// In one word: `submitted`, `active`, `progress`, `modified`, `deleting`, `deleted`, `expired`.
        state: String,
        /// What belongs to it.
        text: String,
    },
    /// An instance was launched.
    Launched {
        /// The instance.
        instance: InstanceId,
        /// Its type.
        instance_type: String,
        /// Its zone.
        zone: String,
    },
    /// An instance went.
    Ended {
        /// The instance.
        instance: InstanceId,
        /// Why, in one word: `terminated`, `impaired`, `excess`, `deleted`.
        why: String,
    },
    /// A pool gave nothing.
    Refused {
        /// The pool.
        pool: PoolId,
        /// Why.
        why: FleetRefusal,
    },
}

/// A pool with everything that is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool<'f> {
    /// Which one.
    pub id: PoolId,
    /// Its settings.
    pub config: &'f FleetConfig,
    /// What it says itself.
    pub own: PoolOverride,
}

impl Pool<'_> {
    /// Thousandths of a unit that each instance counts for.
    pub fn weight(&self) -> u64 {
        self.own.weight.unwrap_or(UNIT)
    }

    /// Name of the type that it launches.
    pub fn instance_type(&self) -> Option<&str> {
        self.own.instance_type.as_deref().or(self.config.launch.instance_type.as_deref())
    }

    /// What is said of a launch of it.
    pub fn settings(&self) -> LaunchSettings {
        let own = LaunchSettings {
            instance_type: self.own.instance_type.clone(),
            subnet: self.own.subnet,
            zone: self.own.zone.clone(),
            ..LaunchSettings::default()
        };
        // Another zone is in none of the template's subnet.
        let mut base = self.config.launch.clone();
        if own.zone.is_some() && own.subnet.is_none() {
            base.subnet = None;
        }
        own.over(base)
    }

    fn kind(&self) -> Option<&'static InstanceType> {
        self.instance_type().and_then(|name| Catalogue::standard().by_name(name))
    }
}

impl FleetConfig {
    /// Its pools, the settings being those with this number.
    fn pools(&self, config: usize) -> Vec<Pool<'_>> {
        if self.overrides.is_empty() {
            return vec![Pool { id: PoolId { config, pool: None }, config: self, own: PoolOverride::default() }];
        }
        let pool = |(at, own): (usize, &PoolOverride)| Pool { id: PoolId { config, pool: Some(at) }, config: self, own: own.clone() };
        self.overrides.iter().enumerate().map(pool).collect()
    }
}

impl InstanceFleet {
    /// Whether it counts against the account's quota.
    pub const fn is_live(&self) -> bool {
        !matches!(self.state, FleetState::Deleted { .. })
    }

    /// Its pools in the order in which they are tried.
    pub fn pools(&self) -> Vec<Pool<'_>> {
        ordered(&self.configs, self.order)
    }

    /// Thousandths of a unit that are missing when its members count for so many.
    pub fn missing(&self, held: u64) -> u64 {
        (u64::from(self.target) * UNIT).saturating_sub(held)
    }

    /// Whether it launches what is missing.
    pub const fn launches(&self) -> bool {
        match (self.state, self.kind) {
            (FleetState::Active, FleetKind::Maintain) => true,
            (FleetState::Active, FleetKind::Request) => !self.was_full,
            (FleetState::Active, FleetKind::Instant)
            | (FleetState::Submitted | FleetState::Deleting { .. } | FleetState::Deleted { .. }, _) => false,
        }
    }

    /// Members beyond the target, the newest first, of members by age with their weights.
    pub fn excess(&self, members: &[FleetMember]) -> Vec<InstanceId> {
        let target = u64::from(self.target) * UNIT;
        let mut held: u64 = members.iter().map(|member| member.weight).sum();
        let mut excess = Vec::new();
        for member in members.iter().rev() {
            if held.saturating_sub(member.weight) >= target {
                held -= member.weight;
                excess.push(member.instance);
            }
        }
        excess
    }
}

/// Pools of settings in the order in which they are tried.
pub fn ordered(configs: &[FleetConfig], order: PoolOrder) -> Vec<Pool<'_>> {
    let mut pools: Vec<Pool<'_>> = configs.iter().enumerate().flat_map(|(at, config)| config.pools(at)).collect();
    match order {
        PoolOrder::Prioritized => pools.sort_by_key(|pool| pool.own.priority.unwrap_or(u64::MAX)),
        PoolOrder::Smallest => {
            let all = Catalogue::standard().all();
            pools.sort_by_key(|pool| {
                let per_unit = |amount: u64| amount.saturating_mul(UNIT) / pool.weight().max(1);
                let size = |kind: &InstanceType| {
                    let place = all.iter().position(|other| other.name == kind.name);
                    (per_unit(u64::from(kind.vcpus) * UNIT), per_unit(kind.memory.0 * UNIT), place)
                };
                pool.kind().map_or((u64::MAX, u64::MAX, None), size)
            });
        }
    }
    pools
}

/// Checks what a fleet is made of.
///
/// # Errors
/// Refuses no or too many settings, a target or a weight that is 0 or too large, and an end that is not after its begin and now.
pub fn check_fleet(
    kind: FleetKind,
    target: u32,
    configs: &[FleetConfig],
    times: (Option<Millis>, Option<Millis>, Millis),
) -> Result<(), Error> {
    check_target(kind, target)?;
    let pools: usize = configs.iter().map(|config| config.overrides.len().max(1)).sum();
    if configs.is_empty() {
        return Err(Error::MissingParameter { name: "LaunchTemplateConfigs" });
    }
    if configs.len() > FLEET_CONFIGS_MAX || pools > FLEET_POOLS_MAX {
        let reason = format!("more than {FLEET_CONFIGS_MAX} of them, or more than {FLEET_POOLS_MAX} overrides in all");
        return Err(Error::invalid("LaunchTemplateConfigs", reason));
    }
    let weights = configs.iter().flat_map(|config| &config.overrides).filter_map(|own| own.weight);
    if weights.into_iter().any(|weight| weight == 0 || weight > WEIGHT_MAX * UNIT) {
        return Err(Error::invalid("WeightedCapacity", format!("must be more than 0 and at most {WEIGHT_MAX}")));
    }
    let (begin, end, now) = times;
    if end.is_some_and(|end| end <= begin.unwrap_or(now).max(now)) {
        return Err(Error::invalid("ValidUntil", "must be in the future and after ValidFrom"));
    }
    Ok(())
}

/// Checks a target.
pub fn check_target(kind: FleetKind, target: u32) -> Result<(), Error> {
    let most = if kind == FleetKind::Instant { INSTANT_TARGET_MAX } else { FLEET_TARGET_MAX };
    if target > most {
        return Err(Error::invalid("TotalTargetCapacity", format!("must be at most {most}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(kind: &str, weight: u64, priority: Option<u64>) -> PoolOverride {
        PoolOverride { instance_type: Some(kind.to_owned()), weight: Some(weight * UNIT), priority, ..PoolOverride::default() }
    }

    fn config(overrides: Vec<PoolOverride>) -> FleetConfig {
        FleetConfig { template: None, launch: LaunchSettings::default(), overrides }
    }

    fn types<'p>(pools: &'p [Pool<'_>]) -> Vec<&'p str> {
        pools.iter().filter_map(Pool::instance_type).collect()
    }

    #[test]
    fn pools_come_by_priority_or_by_what_they_take_for_a_unit() {
        let configs = [config(vec![own("m7i.xlarge", 1, None), own("t3.nano", 1, Some(5))]), config(vec![own("m7i.2xlarge", 8, Some(1))])];
        assert_eq!(types(&ordered(&configs, PoolOrder::Prioritized)), ["m7i.2xlarge", "t3.nano", "m7i.xlarge"]);
        assert_eq!(
            types(&ordered(&configs, PoolOrder::Smallest)),
            ["m7i.2xlarge", "t3.nano", "m7i.xlarge"],
            "one processor a unit, two, four"
        );
        let alike = [config(vec![own("t3.nano", 1, None), own("t3.micro", 1, None)])];
        assert_eq!(types(&ordered(&alike, PoolOrder::Smallest)), ["t3.nano", "t3.micro"], "less memory");
    }

    #[test]
    fn a_zone_of_a_pool_is_not_that_of_the_templates_subnet() {
        let launch = LaunchSettings { subnet: Some(SubnetId::from_u64(7)), ..LaunchSettings::default() };
        let zone = PoolOverride { zone: Some("b".to_owned()), ..PoolOverride::default() };
        let config = FleetConfig { template: None, launch, overrides: vec![zone, PoolOverride::default()] };
        let settings: Vec<LaunchSettings> = config.pools(0).iter().map(Pool::settings).collect();
        assert_eq!((settings[0].subnet, settings[0].zone.as_deref()), (None, Some("b")));
        assert_eq!((settings[1].subnet, settings[1].zone.as_deref()), (Some(SubnetId::from_u64(7)), None));
    }

    #[test]
    fn the_newest_members_are_too_many_first_and_never_too_few_are_left() {
        let fleet = |target| InstanceFleet {
            id: InstanceFleetId::from_u64(1),
            account: AccountId::from_u64(2).unwrap(),
            name: String::new(),
            description: String::new(),
            kind: FleetKind::Maintain,
            state: FleetState::Active,
            target,
            order: PoolOrder::Smallest,
            configs: vec![],
            excess: Excess::Ends,
            ends_members: false,
            replaces_impaired: false,
            begin: None,
            end: None,
            was_full: true,
            lacks: vec![],
            created_at: Millis(0),
            tags: Tags::new(),
        };
        let member = |id, weight| FleetMember {
            instance: InstanceId::from_u64(id),
            account: AccountId::from_u64(2).unwrap(),
            fleet: InstanceFleetId::from_u64(1),
            pool: PoolId { config: 0, pool: None },
            weight: weight * UNIT,
        };
        let members = [member(1, 1), member(2, 4), member(3, 2)];
        for (target, gone) in [(7, &[][..]), (6, &[1]), (5, &[3]), (3, &[3, 1]), (1, &[3, 2]), (0, &[3, 2, 1])] {
            let ids: Vec<u64> = fleet(target).excess(&members).into_iter().map(InstanceId::as_u64).collect();
            assert_eq!(ids, gone, "{target}");
        }
    }

    #[test]
    fn what_is_kept_of_a_refusal_is_the_refusal() {
        for error in [
            Error::NoCapacity { wanted: "a".to_owned(), reason: "b".to_owned() },
            Error::QuotaExceeded { quota: QuotaName::Instances, limit: 1, used: 1, wanted: 1 },
            Error::not_found(Noun::Image, "ami-1"),
        ] {
            assert_eq!(FleetRefusal::of(&error).error(), error);
        }
    }
}
