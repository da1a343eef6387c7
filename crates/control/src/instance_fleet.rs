//! Fleets of instances: what tenants ask of them. What becomes of it is in `instance_fleet_work.rs`.

use std::collections::HashMap;

use model::{
    AccountId, Error, Excess, FleetConfig, FleetEvent, FleetHappening, FleetKind, FleetMember, FleetState, Instance, InstanceFleet,
    InstanceFleetId, Millis, Noun, PoolLack, PoolOrder, QuotaName, Tags, UNIT, add_tags, check_fleet, check_long_name, check_target,
    ordered,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::auth::{Caller, Target};
use crate::describe::{Field, Listing, tag_values};
use crate::instance::check_description;
use crate::instance_fleet_work::{INSTANCE_FLEET, fill_at_once, happened, pool_launch};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// What all instances of a fleet that is launched at once have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct OneOf {
    /// Their type.
    pub instance_type: bool,
    /// Their zone.
    pub zone: bool,
}

/// Makes a fleet.
#[derive(Debug, Clone, Serialize)]
pub struct CreateInstanceFleet {
    /// Name; may be empty.
    pub name: String,
    /// Description.
    pub description: String,
    /// What it promises.
    pub kind: FleetKind,
    /// Capacity that it is to have, in units.
    pub target: u32,
    /// Units without which it launches nothing; only of a fleet that is launched at once.
    pub least: Option<u32>,
    /// What its instances have in common; likewise.
    pub one: OneOf,
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
    pub begin: Option<Millis>,
    /// When it ends.
    pub end: Option<Millis>,
    /// Tags.
    pub tags: Tags,
}

/// What making a fleet did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetMade {
    /// The fleet.
    pub fleet: InstanceFleet,
    /// What was launched at once, by pool.
    pub launched: Vec<Launches>,
    /// The pools that gave less than was asked of them, and why.
    pub lacks: Vec<PoolLack>,
}

/// What was launched of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launches {
    /// The instances.
    pub members: Vec<FleetMember>,
    /// Name of their type, as it was asked for.
    pub instance_type: String,
}

/// Changes a fleet that keeps its target. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyInstanceFleet {
    /// Which one.
    pub fleet: InstanceFleetId,
    /// Name.
    pub name: Option<String>,
    /// Capacity that it is to have, in units.
    pub target: Option<u32>,
    /// What becomes of members beyond it.
    pub excess: Option<Excess>,
    /// Whether its members go when its end comes.
    pub ends_members: Option<bool>,
}

/// Deletes a fleet.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteInstanceFleet {
    /// Which one.
    pub fleet: InstanceFleetId,
    /// Whether its members are terminated; else they stay, and a fleet that was launched at once and has some stays too.
    pub ends_members: bool,
}

impl Command for CreateInstanceFleet {
    type Reply = FleetMade;
    const NAME: &'static str = "CreateInstanceFleet";
    const PLACES: bool = true;

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("fleet/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    /// Whoever makes a fleet must be allowed each launch that it may come to: nobody is asked when it does.
    fn authorize(&self, tx: &Tx<'_>, cx: &Cx<'_>, targets: &[Target]) -> Result<(), Failure> {
        cx.cloud.authorize(cx.caller, targets)?;
        let launcher = Caller { action: "ec2:RunInstances", ..cx.caller.clone() };
        let cx = Cx { cloud: cx.cloud, caller: &launcher, now: cx.now, client_token: None };
        for pool in ordered(&self.configs, self.order) {
            let launch = pool_launch(&pool, None, 1)?;
            let targets = launch.targets(tx, &cx)?;
            launch.authorize(tx, &cx, &targets)?;
        }
        Ok(())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<FleetMade, Failure> {
        self.check(cx.now)?;
        let account = cx.caller.account();
        let limit = tx.quota_limit(account, QuotaName::InstanceFleets)?;
        QuotaName::InstanceFleets.check(limit, tx.instance_fleet_count(account, limit)?, 1)?;
        let mut fleet = InstanceFleet {
            id: InstanceFleetId::from_u64(cx.new_id()),
            account,
            name: self.name.clone(),
            description: self.description.clone(),
            kind: self.kind,
            state: if self.kind == FleetKind::Instant { FleetState::Active } else { FleetState::Submitted },
            target: self.target,
            order: self.order,
            configs: self.configs.clone(),
            excess: self.excess,
            ends_members: self.ends_members,
            replaces_impaired: self.replaces_impaired,
            begin: self.begin,
            end: self.end,
            was_full: self.kind == FleetKind::Instant,
            lacks: vec![],
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut fleet.tags, &self.tags)?;
        tx.insert(&fleet)?;
        happened(tx, cx.cloud, &fleet, FleetHappening::Became { state: "submitted".to_owned(), text: String::new() }, cx.now)?;
        let mut launched = vec![];
        if self.kind == FleetKind::Instant {
            (launched, fleet.lacks) = fill_at_once(tx, cx, &fleet, self.least.unwrap_or(0), self.one)?;
            tx.update(&fleet)?;
        }
        tx.wake(INSTANCE_FLEET, fleet.id, fleet.begin.unwrap_or(cx.now))?;
        Ok(FleetMade { lacks: fleet.lacks.clone(), fleet, launched })
    }
}

impl CreateInstanceFleet {
    fn check(&self, now: Millis) -> Result<(), Error> {
        if !self.name.is_empty() {
            check_long_name("AutoProvisioningGroupName", &self.name)?;
        }
        check_description(&self.description)?;
        check_fleet(self.kind, self.target, &self.configs, (self.begin, self.end, now))?;
        let combination = |reason: &str| Err(Error::InvalidCombination { reason: reason.to_owned() });
        let says_of_at_once = self.least.is_some() || self.one != OneOf::default();
        match self.kind {
            FleetKind::Instant if self.begin.is_some() || self.end.is_some() => combination("a fleet of type 'instant' has no times"),
            FleetKind::Instant if self.replaces_impaired => combination("only a fleet of type 'maintain' replaces instances"),
            FleetKind::Request if self.replaces_impaired => combination("only a fleet of type 'maintain' replaces instances"),
            FleetKind::Request | FleetKind::Maintain if says_of_at_once => {
                combination("only a fleet of type 'instant' has a least capacity, or one type or zone of all instances")
            }
            FleetKind::Instant if self.least.is_some() && self.one == OneOf::default() => {
                combination("a least capacity is for instances of one type or one zone")
            }
            FleetKind::Instant if self.least.is_some_and(|least| least > self.target) => {
                combination("the least capacity is above the target")
            }
            FleetKind::Instant | FleetKind::Request | FleetKind::Maintain => Ok(()),
        }
    }
}

impl Command for ModifyInstanceFleet {
    type Reply = ();
    const NAME: &'static str = "ModifyInstanceFleet";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.fleet)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut fleet = fleet_of(tx, cx.caller.account(), self.fleet)?;
        if !matches!(fleet.state, FleetState::Submitted | FleetState::Active) {
            return Err(refused_state(&fleet, "active"));
        }
        if fleet.kind != FleetKind::Maintain {
            return Err(Error::Unsupported { what: format!("Modifying a fleet of type '{}'", fleet.kind.word()) }.into());
        }
        if let Some(name) = &self.name {
            check_long_name("AutoProvisioningGroupName", name)?;
            fleet.name.clone_from(name);
        }
        fleet.excess = self.excess.unwrap_or(fleet.excess);
        fleet.ends_members = self.ends_members.unwrap_or(fleet.ends_members);
        if let Some(target) = self.target {
            check_target(fleet.kind, target)?;
            fleet.was_full &= target <= fleet.target;
            fleet.target = target;
        }
        tx.update(&fleet)?;
        let text = format!("the target capacity is {}", fleet.target);
        happened(tx, cx.cloud, &fleet, FleetHappening::Became { state: "modified".to_owned(), text }, cx.now)?;
        Ok(tx.wake(INSTANCE_FLEET, fleet.id, fleet.begin.map_or(cx.now, |begin| begin.max(cx.now)))?)
    }
}

impl Command for DeleteInstanceFleet {
    /// Its state before.
    type Reply = FleetState;
    const NAME: &'static str = "DeleteInstanceFleet";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.fleet)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<FleetState, Failure> {
        let mut fleet = fleet_of(tx, cx.caller.account(), self.fleet)?;
        let before = fleet.state;
        match before {
            FleetState::Deleted { .. } => return Err(refused_state(&fleet, "active")),
            // Its members may still be asked to go, not any more to stay.
            FleetState::Deleting { ends_members } if ends_members || !self.ends_members => return Err(refused_state(&fleet, "active")),
            FleetState::Submitted | FleetState::Active | FleetState::Deleting { .. } => {}
        }
        let has_members = !tx.fleet_member_list(fleet.id)?.is_empty();
        if fleet.kind == FleetKind::Instant && !self.ends_members && has_members {
            return Err(refused_state(&fleet, "without instances, or deleted together with them"));
        }
        fleet.state = FleetState::Deleting { ends_members: self.ends_members };
        tx.update(&fleet)?;
        happened(tx, cx.cloud, &fleet, FleetHappening::Became { state: "deleting".to_owned(), text: String::new() }, cx.now)?;
        tx.wake(INSTANCE_FLEET, fleet.id, cx.now)?;
        Ok(before)
    }
}

fn refused_state(fleet: &InstanceFleet, wanted: &'static str) -> Failure {
    Error::IncorrectState { noun: Noun::InstanceFleet, id: fleet.id.to_string(), state: word(fleet.state), wanted }.into()
}

/// A state in one word.
const fn word(state: FleetState) -> &'static str {
    match state {
        FleetState::Submitted => "submitted",
        FleetState::Active => "active",
        FleetState::Deleting { ends_members: true } => "deleted_terminating",
        FleetState::Deleting { ends_members: false } => "deleted_running",
        FleetState::Deleted { .. } => "deleted",
    }
}

/// The fleet, if the account owns it.
fn fleet_of(tx: &Tx<'_>, account: AccountId, id: InstanceFleetId) -> Result<InstanceFleet, Failure> {
    let fleet = tx.get::<InstanceFleet>(id)?.filter(|fleet| fleet.account == account);
    Ok(fleet.ok_or_else(|| Error::not_found(Noun::InstanceFleet, id))?)
}

fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: InstanceFleetId) -> Result<Target, Failure> {
    let own = tx.get::<InstanceFleet>(id)?.filter(|fleet| fleet.account == cx.caller.account());
    Ok(Target::of("fleet", id, &own.map(|fleet| fleet.tags).unwrap_or_default()))
}

/// A fleet with what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceFleetView {
    /// The fleet.
    pub fleet: InstanceFleet,
    /// Its members.
    pub members: Vec<FleetMember>,
}

impl InstanceFleetView {
    /// Thousandths of a unit that its members count for.
    pub fn held(&self) -> u64 {
        self.members.iter().map(|member| member.weight).sum()
    }

    /// Whether it has its target.
    pub fn is_full(&self) -> bool {
        self.held() >= u64::from(self.fleet.target) * UNIT
    }

    /// A state in one word, as EC2 has it.
    pub const fn word_of(state: FleetState) -> &'static str {
        word(state)
    }

    /// Its state in one word, as EC2 has it.
    pub fn word(&self) -> &'static str {
        word(self.fleet.state)
    }
}

impl Listing for InstanceFleetView {
    type Id = InstanceFleetId;
    const NOUN: Noun = Noun::InstanceFleet;

    fn id(&self) -> InstanceFleetId {
        self.fleet.id
    }

    fn id_value(id: InstanceFleetId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<InstanceFleetView>, Failure> {
        let mut members: HashMap<InstanceFleetId, Vec<FleetMember>> = HashMap::new();
        for member in tx.fleet_member_list_of_account(account)? {
            members.entry(member.fleet).or_default().push(member);
        }
        let view = |fleet: InstanceFleet| InstanceFleetView { members: members.remove(&fleet.id).unwrap_or_default(), fleet };
        Ok(tx.instance_fleet_list(account)?.into_iter().map(view).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        let fleet = &self.fleet;
        match field {
            Field::Id => vec![fleet.id.to_string()],
            Field::Name => vec![fleet.name.clone()],
            Field::Owner => vec![fleet.account.to_string()],
            Field::State => vec![self.word().to_owned()],
            Field::Kind => vec![fleet.kind.word().to_owned()],
            _ => tag_values(&fleet.tags, field),
        }
    }
}

/// A member with its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetMemberView {
    /// The member.
    pub member: FleetMember,
    /// The instance.
    pub instance: Instance,
}

impl Cloud {
    /// The instances of a fleet, oldest first.
    pub async fn fleet_members(&self, caller: &Caller, fleet: InstanceFleetId) -> Result<Vec<FleetMemberView>, Error> {
        self.read(caller, vec![Target::of("fleet", fleet, &Tags::new())], move |tx, cx| {
            let fleet = fleet_of(tx, cx.caller.account(), fleet)?;
            let members = tx.fleet_member_list(fleet.id)?;
            let ids: Vec<_> = members.iter().map(|member| member.instance).collect();
            let mut rows: HashMap<_, Instance> = tx.get_many::<Instance>(&ids)?.into_iter().map(|row| (row.id, row)).collect();
            let view = |member: FleetMember| rows.remove(&member.instance).map(|instance| FleetMemberView { member, instance });
            Ok(members.into_iter().filter_map(view).collect())
        })
        .await
    }

    /// What happened to a fleet, oldest first, as far as it is kept; and the fleet.
    pub async fn fleet_history(&self, caller: &Caller, fleet: InstanceFleetId) -> Result<(InstanceFleet, Vec<FleetEvent>), Error> {
        self.read(caller, vec![Target::of("fleet", fleet, &Tags::new())], move |tx, cx| {
            let fleet = fleet_of(tx, cx.caller.account(), fleet)?;
            let events = tx.fleet_event_list(fleet.id)?;
            Ok((fleet, events))
        })
        .await
    }
}
