//! Instances: the rows, their states, and what happens next.
//!
//! ```text
//!              ┌────────────── Starting ◀──────────────┐      (or made Stopped)
//!              ▼                  │ (fault, deadline)  │ start
//!   Launching ──▶ Running ──▶ Stopping ──────────▶ Stopped
//!       │            │            │                    │
//!       │            └────────────┼────────────────────┘
//!       ▼ (fault, deadline)       ▼ terminate
//!   Terminating ◀─────────────────┘
//!       │
//!       ▼
//!   Terminated ──(an hour)──▶ row gone
//! ```
//!
//! The [`Goal`] is what the tenant wants, the [`Phase`] is how far the host has come. Commands change the goal and enter a
//! phase; [`Instance::advance`] looks at what the host reported and says what next. Every waiting phase has a deadline, and
//! the tenant can terminate out of every one. A restart is not a phase: it is a number that the host catches up with.
//!
//! Not known here: how a machine is made, where its bytes are, what a client calls any of it.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, CapacityChoice, Error, HostId, HostNameOptions, ImageId, InCapacitySlot, InPlacementGroup, InstanceEventId, InstanceFleetId,
    InstanceId, InstanceRoleId, InterfaceId, InternetCharge, Mib, Millis, Noun, REPLACEMENT_DEADLINE_MS, ReservationId, RollBack,
    RootReplacement, SubnetId, Tags, TypeChange, VolumeId, VpcId,
};

/// How long a host may take until a launched or started machine runs. A host with a cold image cache and a full queue needs
/// seconds; ten minutes is where a person would stop waiting.
pub const START_DEADLINE_MS: i64 = 10 * 60_000;
/// Seconds that a guest has to shut down when it is asked to, before it is powered off.
pub const STOP_GRACE_SECONDS: u32 = 60;
/// How long a stop may take beyond the guest's grace before the operator is told.
pub const STOP_DEADLINE_MS: i64 = 60_000;
/// How long a removal may take before the operator is told; it is tried on.
pub const TERMINATE_DEADLINE_MS: i64 = 5 * 60_000;
/// How long a terminated instance can still be described (EC2: "a short interval, usually an hour").
pub const TERMINATED_VISIBLE_MS: i64 = 60 * 60_000;
/// Failed tries of a host to start a new machine after which the launch is given up.
pub const LAUNCH_TRIES: u32 = 3;

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Owner.
    pub account: AccountId,
    /// The launch call that made it.
    pub reservation: ReservationId,
    /// Its position in that call, from 0.
    pub launch_index: u32,
    /// Its zone.
    pub zone: String,
    /// Canonical name of its type.
    pub instance_type: String,
    /// Virtual processors of its type.
    pub vcpus: u32,
    /// Memory of its type.
    pub memory: Mib,
    /// The type that it gets when it has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_change: Option<TypeChange>,
    /// What it does for disks that wait for it to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll_back: Option<RollBack>,
    /// The image that it was launched from.
    pub image: ImageId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its primary interface.
    pub interface: InterfaceId,
    /// Its primary private address, which stays with it for life.
    pub private_ip: Ipv4Addr,
    /// Whether it gets a public address by itself whenever it starts.
    #[serde(default)]
    pub automatic_address: bool,
    /// Megabits per second of that address; none for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u32>,
    /// Its system disk.
    pub root_volume: VolumeId,
    /// The latest replacements of its system disk, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub root_replacements: Vec<RootReplacement>,
    /// Display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Host name of the guest.
    pub hostname: String,
    /// What the guest is told at boot.
    pub guest: GuestSetup,
    /// What may be changed while it lives.
    pub attributes: Attributes,
    /// What the tenant wants.
    pub goal: Goal,
    /// How far it is.
    pub phase: Phase,
    /// Why it is as it is, when it did not come by a wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When its phase last changed.
    pub changed_at: Millis,
    /// When it was launched.
    pub created_at: Millis,
    /// When it was last launched or started.
    pub started_at: Millis,
    /// The host that it is on.
    pub host: HostId,
    /// Restarts asked for.
    pub boot: u64,
    /// Whether the latest restart spares the guest no notice.
    pub hard_reset: bool,
    /// Generation of the host document that first carried its latest change.
    pub asked: u64,
    /// Its placement group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<InPlacementGroup>,
    /// What it asks of capacity reservations when it is launched or started.
    #[serde(default, skip_serializing_if = "CapacityChoice::is_usual")]
    pub capacity: CapacityChoice,
    /// Its slot in a capacity reservation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<InCapacitySlot>,
    /// The fleet that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<InstanceFleetId>,
    /// What the launch call was told apart from others by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Its events that have not ended, in order of their making.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<InstanceEventId>,
    /// What the host last said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// What a guest is told by its metadata service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "KeptGuestSetup")]
pub struct GuestSetup {
    /// Its key pairs in the order in which it got them, each once: one at most through EC2 and ECS, several through CVM.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<GuestKey>,
    /// crypt(3) text of the password; the clear text is never kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// User data, base64 of what the guest reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
    /// The role whose keys it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<InstanceRoleId>,
}

/// Most key pairs of one instance: as many as CVM lets one call name.
pub const KEYS_PER_INSTANCE_MAX: usize = 100;

/// A key pair as an instance has it. It stays when the key pair is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestKey {
    /// Name of the key pair.
    pub name: String,
    /// Its public key in OpenSSH form.
    pub public_key: String,
}

/// A [`GuestSetup`] as rows have it: earlier ones have one key pair in two attributes.
#[derive(Deserialize)]
struct KeptGuestSetup {
    #[serde(default)]
    keys: Vec<GuestKey>,
    key_name: Option<String>,
    public_key: Option<String>,
    password_hash: Option<String>,
    user_data: Option<String>,
    role: Option<InstanceRoleId>,
}

impl From<KeptGuestSetup> for GuestSetup {
    fn from(kept: KeptGuestSetup) -> GuestSetup {
        let KeptGuestSetup { mut keys, key_name, public_key, password_hash, user_data, role } = kept;
        keys.extend(key_name.zip(public_key).map(|(name, public_key)| GuestKey { name, public_key }));
        GuestSetup { keys, password_hash, user_data, role }
    }
}

impl GuestSetup {
    /// Name of the key pair that it got first, for clients that know of one.
    pub fn key_name(&self) -> Option<&str> {
        self.keys.first().map(|key| key.name.as_str())
    }

    /// Adds key pairs. Returns whether any was not there yet.
    ///
    /// # Errors
    /// Refuses more than [`KEYS_PER_INSTANCE_MAX`] altogether.
    pub fn add_keys(&mut self, added: impl IntoIterator<Item = GuestKey>) -> Result<bool, Error> {
        let before = self.keys.len();
        for key in added {
            if !self.keys.iter().any(|has| has.name == key.name) {
                self.keys.push(key);
            }
        }
        if self.keys.len() > KEYS_PER_INSTANCE_MAX {
            return Err(Error::LimitReached {
                name: "KeyName",
                what: "key pairs of an instance".to_owned(),
                limit: KEYS_PER_INSTANCE_MAX as u64,
            });
        }
        Ok(self.keys.len() > before)
    }
}

/// What may be changed while an instance lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Whether terminate calls are refused.
    pub termination_protection: bool,
    /// Whether stop calls are refused.
    pub stop_protection: bool,
    /// What a shutdown inside the guest does.
    pub on_shutdown: OnShutdown,
    /// Whether detailed monitoring was asked for.
    pub detailed_monitoring: bool,
    /// Whether bandwidth of its own was asked for its volumes. They have it whatever is said; clients read what they said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ebs_optimized: bool,
    /// Metadata service options.
    pub metadata: MetadataOptions,
    /// When it is released by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_at: Option<Millis>,
    /// By what the public address that it gets by itself is said to be paid for.
    #[serde(default, skip_serializing_if = "InternetCharge::is_usual")]
    pub internet_charge: InternetCharge,
    /// How it is named.
    #[serde(default, skip_serializing_if = "HostNameOptions::is_usual")]
    pub host_names: HostNameOptions,
}

impl Default for Attributes {
    fn default() -> Attributes {
        Attributes {
            termination_protection: false,
            stop_protection: false,
            on_shutdown: OnShutdown::Stop,
            detailed_monitoring: false,
            ebs_optimized: false,
            metadata: MetadataOptions { enabled: true, token_required: false, hop_limit: 1, show_tags: false },
            release_at: None,
            internet_charge: InternetCharge::default(),
            host_names: HostNameOptions::default(),
        }
    }
}

/// What a shutdown inside the guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnShutdown {
    /// The instance is stopped.
    Stop,
    /// The instance is terminated.
    Terminate,
}

/// How the metadata service answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// Whether it answers at all.
    pub enabled: bool,
    /// Whether a session token is required.
    pub token_required: bool,
    /// Most network hops of a token's answer, 1 to 64.
    pub hop_limit: u8,
    /// Whether tags are shown.
    pub show_tags: bool,
}

/// What the tenant wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "goal")]
pub enum Goal {
    /// It runs.
    Running,
    /// It does not run; disk and private address stay.
    Stopped {
        /// Whether processors and memory stay reserved (and charged).
        keep_capacity: bool,
        /// Seconds that the guest has to shut down; 0 powers off at once.
        grace_seconds: u32,
    },
    /// It does not exist.
    Gone,
}

/// How far an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// New; its host prepares it.
    Launching {
        /// When it is given up.
        until: Millis,
    },
    /// Its guest runs.
    Running,
    /// Its guest was asked to shut down.
    Stopping {
        /// When the operator is told.
        until: Millis,
    },
    /// It does not run.
    Stopped,
    /// Its host starts it again.
    Starting {
        /// When it is given up.
        until: Millis,
    },
    /// Its host removes it.
    Terminating {
        /// When the operator is told.
        until: Millis,
    },
    /// Nothing is left but the row.
    Terminated,
}

impl Phase {
    /// The phase in one word.
    pub const fn word(self) -> &'static str {
        match self {
            Phase::Launching { .. } => "launching",
            Phase::Running => "running",
            Phase::Stopping { .. } => "stopping",
            Phase::Stopped => "stopped",
            Phase::Starting { .. } => "starting",
            Phase::Terminating { .. } => "terminating",
            Phase::Terminated => "terminated",
        }
    }
}

/// Why an instance is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Which kind of reason.
    pub kind: ReasonKind,
    /// In the tenant's words.
    pub text: String,
}

/// Kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// A call asked for it.
    UserRequest,
    /// The guest shut itself down.
    GuestShutdown,
    /// The host had no room.
    NoCapacity,
    /// The image could not be read.
    ImageFault,
    /// Something in the cloud failed.
    InternalFault,
    /// The operator had planned it.
    Maintenance,
}

/// What a host last said of an instance's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What its process does.
    pub state: SeenState,
    /// Restart count under which it runs.
    pub boot: u64,
    /// Whether its guest has used the network since it started.
    pub guest_up: bool,
    /// Volumes that its guest has, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<VolumeId>,
    /// Interfaces that its machine has, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nics: Vec<InterfaceId>,
    /// Last fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<SeenFault>,
}

/// What a machine's process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenState {
    /// Nothing runs.
    Stopped,
    /// The guest runs.
    Running,
    /// The guest was asked to shut down.
    Stopping,
    /// The guest shut itself down.
    ShutDown,
}

/// A fault that a host reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenFault {
    /// What it means for the tenant.
    pub kind: ReasonKind,
    /// Whether the same machine on the same host could still succeed.
    pub retryable: bool,
    /// Tries in a row that ended so.
    pub tries: u32,
}

/// What [`Instance::advance`] may know beside the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Whether the host has tried every change up to the row's `asked` generation.
    pub applied: bool,
    /// Whether the host is known to the installation at all; a removed host holds nothing.
    pub host_exists: bool,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing until the host says more or this time comes.
    Wait(Option<Millis>),
    /// The row changes; the effects belong in the same transaction.
    Change(Box<Instance>, Vec<Effect>),
    /// The row is deleted.
    Forget,
}

/// What comes with a change of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The host's document changes.
    TouchHost,
    /// An automatic public address is given back.
    ReleaseAutomaticAddress,
    /// Disks that waited for the instance to stop are rolled back.
    RollBackDisks,
    /// Interfaces and volumes that go with the instance are given back, the others let go.
    ReleaseAttachments,
    /// The operator is told.
    Alarm(&'static str),
    /// The tenant can read of it in the events.
    Tell(&'static str),
}

impl Instance {
    /// Whether processors and memory are taken on the host.
    pub fn holds_capacity(&self) -> bool {
        match (self.phase, self.goal) {
            (Phase::Terminated, _) => false,
            (Phase::Stopped, Goal::Stopped { keep_capacity, .. }) => keep_capacity,
            (Phase::Stopped, Goal::Running | Goal::Gone) => true,
            (Phase::Launching { .. } | Phase::Running | Phase::Stopping { .. } | Phase::Starting { .. } | Phase::Terminating { .. }, _) => {
                true
            }
        }
    }

    /// Whether it counts against the account's quota.
    pub fn is_live(&self) -> bool {
        self.phase != Phase::Terminated
    }

    /// Whether its machine belongs in the host's document.
    pub fn is_on_host(&self) -> bool {
        !matches!(self.phase, Phase::Terminating { .. } | Phase::Terminated)
    }

    /// Refuses to change one that is on its way out.
    pub fn check_on_host(&self) -> Result<(), Error> {
        if self.is_on_host() {
            return Ok(());
        }
        let (noun, id, state) = (Noun::Instance, self.id.to_string(), self.phase.word());
        Err(Error::IncorrectState { noun, id, state, wanted: "not on its way out" })
    }

    /// Whether its process should run.
    pub fn wants_power(&self) -> bool {
        self.goal == Goal::Running && self.is_on_host()
    }

    /// Asks for it to run. Refused unless it is stopped; a running or starting one is left alone.
    pub fn start(&mut self, now: Millis) -> Result<Changed, Error> {
        match self.phase {
            Phase::Stopped => {
                self.goal = Goal::Running;
                self.enter(Phase::Starting { until: now.after(START_DEADLINE_MS) }, None, now);
                self.started_at = now;
                self.boot += 1;
                Ok(Changed::Yes)
            }
            Phase::Running | Phase::Starting { .. } | Phase::Launching { .. } => Ok(Changed::No),
            Phase::Stopping { .. } | Phase::Terminating { .. } | Phase::Terminated => Err(self.refuse("stopped")),
        }
    }

    /// Asks for it to stop. A stop with less grace hurries one that is stopping. One that is stopped can still give up the capacity
    /// that it keeps, but takes none back: somebody else may have it by now.
    pub fn stop(&mut self, stop: Stop, now: Millis) -> Result<Changed, Error> {
        let goal = Goal::Stopped { keep_capacity: stop.keep_capacity, grace_seconds: stop.grace_seconds };
        match self.phase {
            Phase::Running | Phase::Stopping { .. } => {
                if self.attributes.stop_protection {
                    return Err(Error::Protected { noun: Noun::Instance, id: self.id.to_string(), against: "stopping" });
                }
                // Who stops it while it is stopped for something else wants it to stay stopped.
                let for_type = self.type_change.as_mut().is_some_and(|change| std::mem::take(&mut change.restarts));
                let for_disks = self.roll_back.as_mut().is_some_and(|roll_back| std::mem::take(&mut roll_back.restarts));
                let stays = for_type || for_disks;
                if self.goal == goal {
                    return Ok(if stays { Changed::Yes } else { Changed::No });
                }
                self.goal = goal;
                let until = now.after(i64::from(stop.grace_seconds) * 1000 + STOP_DEADLINE_MS);
                self.enter(Phase::Stopping { until }, Some(Reason::user()), now);
                Ok(Changed::Yes)
            }
            Phase::Stopped => {
                if !self.holds_capacity() || stop.keep_capacity {
                    return Ok(Changed::No);
                }
                self.goal = goal;
                Ok(Changed::Yes)
            }
            Phase::Launching { .. } | Phase::Starting { .. } | Phase::Terminating { .. } | Phase::Terminated => Err(self.refuse("running")),
        }
    }

    /// Asks for a restart of a running instance.
    pub fn reboot(&mut self, hard: bool, _now: Millis) -> Result<(), Error> {
        match self.phase {
            Phase::Running => {
                self.boot += 1;
                self.hard_reset = hard;
                Ok(())
            }
            Phase::Launching { .. }
            | Phase::Starting { .. }
            | Phase::Stopping { .. }
            | Phase::Stopped
            | Phase::Terminating { .. }
            | Phase::Terminated => Err(self.refuse("running")),
        }
    }

    /// Asks for it to be removed, in whatever phase it is. One that is going or gone is left alone.
    pub fn terminate(&mut self, now: Millis) -> Result<Changed, Error> {
        if self.goal == Goal::Gone {
            return Ok(Changed::No);
        }
        if self.attributes.termination_protection {
            return Err(Error::Protected { noun: Noun::Instance, id: self.id.to_string(), against: "termination" });
        }
        self.remove(Reason::user(), now);
        Ok(Changed::Yes)
    }

    /// Says what next, from the row, what its host reported and the time. The same arguments give the same answer, and an
    /// answer that was carried out leads to [`Step::Wait`] or on, never back.
    pub fn advance(&self, facts: Facts, now: Millis) -> Step {
        if let Some(step) = self.released(now) {
            return step;
        }
        match (self.advance_phase(facts, now), self.release_due()) {
            (Step::Wait(due), Some(release)) => Step::Wait(Some(due.map_or(release, |due| due.min(release)))),
            (step, _) => step,
        }
    }

    fn advance_phase(&self, facts: Facts, now: Millis) -> Step {
        match self.phase {
            Phase::Launching { until } | Phase::Starting { until } => self.advance_start(until, facts, now),
            Phase::Running => self.advance_running(now),
            Phase::Stopping { until } => self.advance_stop(until, facts, now),
            Phase::Stopped => self.advance_stopped(now),
            Phase::Terminating { until } => self.advance_removal(until, facts, now),
            Phase::Terminated => {
                let forget_at = self.changed_at.after(TERMINATED_VISIBLE_MS);
                if now >= forget_at { Step::Forget } else { Step::Wait(Some(forget_at)) }
            }
        }
    }

    fn advance_start(&self, until: Millis, facts: Facts, now: Millis) -> Step {
        if !facts.host_exists {
            return self.give_up_start(Reason::new(ReasonKind::InternalFault, "the host was removed"), now);
        }
        let Some(seen) = self.seen.as_ref().filter(|_| facts.applied) else {
            return self.wait_for_start(until, now);
        };
        match seen.state {
            SeenState::Running if seen.boot >= self.boot => self.change(Phase::Running, None, vec![Effect::Tell("running")], now),
            SeenState::ShutDown if seen.boot >= self.boot => self.change(Phase::Running, None, vec![], now),
            SeenState::Running | SeenState::Stopped | SeenState::Stopping | SeenState::ShutDown => match &seen.fault {
                Some(fault) if !fault.retryable || fault.tries >= LAUNCH_TRIES => self.give_up_start(Reason::of_fault(fault.kind), now),
                Some(_) | None => self.wait_for_start(until, now),
            },
        }
    }

    fn wait_for_start(&self, until: Millis, now: Millis) -> Step {
        if now < until {
            return Step::Wait(Some(until));
        }
        self.give_up_start(Reason::new(ReasonKind::InternalFault, "it did not start in time"), now)
    }

    fn give_up_start(&self, reason: Reason, now: Millis) -> Step {
        let mut next = self.clone();
        if matches!(self.phase, Phase::Launching { .. }) {
            next.remove(reason, now);
            return Step::Change(Box::new(next), vec![Effect::TouchHost, Effect::Tell("launch failed")]);
        }
        next.goal = Goal::Stopped { keep_capacity: false, grace_seconds: 0 };
        next.enter(Phase::Stopping { until: now.after(STOP_DEADLINE_MS) }, Some(reason), now);
        Step::Change(Box::new(next), vec![Effect::TouchHost, Effect::Tell("start failed")])
    }

    fn advance_running(&self, now: Millis) -> Step {
        if let Some(next) = self.with_replacements_ended(now) {
            return Step::Change(Box::new(next), vec![Effect::Tell("root volume replacement ended")]);
        }
        let shut_down = self.seen.as_ref().is_some_and(|seen| seen.state == SeenState::ShutDown && seen.boot >= self.boot);
        if !shut_down {
            return Step::Wait(self.replacement_under_way().map(|under_way| under_way.started_at.after(REPLACEMENT_DEADLINE_MS)));
        }
        let mut next = self.clone();
        let reason = Reason::new(ReasonKind::GuestShutdown, "the guest shut itself down");
        match self.attributes.on_shutdown {
            OnShutdown::Stop => {
                next.goal = Goal::Stopped { keep_capacity: false, grace_seconds: 0 };
                next.enter(Phase::Stopping { until: now.after(STOP_DEADLINE_MS) }, Some(reason), now);
            }
            OnShutdown::Terminate => next.remove(reason, now),
        }
        Step::Change(Box::new(next), vec![Effect::TouchHost, Effect::Tell("shut down by its guest")])
    }

    fn advance_stop(&self, until: Millis, facts: Facts, now: Millis) -> Step {
        let off = match self.seen.as_ref().map(|seen| seen.state) {
            Some(SeenState::Stopped | SeenState::ShutDown) | None => facts.applied,
            Some(SeenState::Running | SeenState::Stopping) => false,
        };
        if off || !facts.host_exists {
            // One that starts again at once keeps the address that it has.
            let restarts = self.type_change.as_ref().is_some_and(|change| change.restarts)
                || self.roll_back.is_some_and(|roll_back| roll_back.restarts);
            let release = (!restarts).then_some(Effect::ReleaseAutomaticAddress);
            let effects = release.into_iter().chain([Effect::Tell("stopped")]).collect();
            return self.change(Phase::Stopped, self.reason.clone(), effects, now);
        }
        if now < until {
            return Step::Wait(Some(until));
        }
        let Goal::Stopped { keep_capacity, .. } = self.goal else {
            return Step::Wait(None);
        };
        let mut next = self.clone();
        next.goal = Goal::Stopped { keep_capacity, grace_seconds: 0 };
        next.phase = Phase::Stopping { until: now.after(STOP_DEADLINE_MS) };
        Step::Change(Box::new(next), vec![Effect::TouchHost, Effect::Alarm("an instance does not stop")])
    }

    fn advance_stopped(&self, now: Millis) -> Step {
        if let Some(Ok(next)) = self.with_type_changed(now) {
            return Step::Change(Box::new(next), vec![Effect::TouchHost, Effect::Tell("type changed")]);
        }
        match self.with_roll_back_ended(now) {
            None | Some(Err(_)) => Step::Wait(None),
            Some(Ok(next)) => Step::Change(Box::new(next), vec![Effect::TouchHost, Effect::RollBackDisks]),
        }
    }

    fn advance_removal(&self, until: Millis, facts: Facts, now: Millis) -> Step {
        if (facts.applied && self.seen.is_none()) || !facts.host_exists {
            let effects = vec![Effect::ReleaseAutomaticAddress, Effect::ReleaseAttachments, Effect::Tell("terminated")];
            return self.change(Phase::Terminated, self.reason.clone(), effects, now);
        }
        if now < until {
            return Step::Wait(Some(until));
        }
        let mut next = self.clone();
        next.phase = Phase::Terminating { until: now.after(TERMINATE_DEADLINE_MS) };
        Step::Change(Box::new(next), vec![Effect::Alarm("an instance cannot be removed from its host")])
    }

    fn change(&self, phase: Phase, reason: Option<Reason>, effects: Vec<Effect>, now: Millis) -> Step {
        let mut next = self.clone();
        next.enter(phase, reason, now);
        Step::Change(Box::new(next), effects)
    }

    fn enter(&mut self, phase: Phase, reason: Option<Reason>, now: Millis) {
        self.phase = phase;
        self.reason = reason;
        self.changed_at = now;
    }

    pub(crate) fn remove(&mut self, reason: Reason, now: Millis) {
        self.goal = Goal::Gone;
        (self.type_change, self.roll_back) = (None, None);
        self.enter(Phase::Terminating { until: now.after(TERMINATE_DEADLINE_MS) }, Some(reason), now);
    }

    fn refuse(&self, wanted: &'static str) -> Error {
        Error::IncorrectState { noun: Noun::Instance, id: self.id.to_string(), state: self.phase.word(), wanted }
    }
}

/// How an instance is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Whether processors and memory stay reserved.
    pub keep_capacity: bool,
    /// Seconds that the guest has to shut down.
    pub grace_seconds: u32,
}

/// Whether a wish changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It did; the host must hear of it.
    Yes,
    /// It was so already.
    No,
}

impl Reason {
    /// Makes a reason.
    pub fn new(kind: ReasonKind, text: &str) -> Reason {
        Reason { kind, text: text.to_owned() }
    }

    fn user() -> Reason {
        Reason::new(ReasonKind::UserRequest, "user initiated")
    }

    fn of_fault(kind: ReasonKind) -> Reason {
        let text = match kind {
            ReasonKind::NoCapacity => "the host had no room for it",
            ReasonKind::ImageFault => "its image could not be read",
            ReasonKind::UserRequest | ReasonKind::GuestShutdown | ReasonKind::InternalFault | ReasonKind::Maintenance => {
                "it failed to start"
            }
        };
        Reason::new(kind, text)
    }
}

#[cfg(test)]
#[path = "instance_tests.rs"]
pub(crate) mod tests;
