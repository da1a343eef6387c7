//! Volumes (cloud disks): the rows, their states, and what happens next. Each is kept in the local pool of a host.
//!
//! ```text
//!   bytes        Creating ──▶ Present ──▶ Deleting ──▶ (row gone)
//!                    └─(deadline)─▶ Failed ──▲
//!
//!   attachment   (none) ──▶ Attaching ──▶ Attached ──▶ Detaching ──▶ (none)
//!                               └──(deadline)──────────▲    │ (deadline)
//!                                                           ▼
//!                                                          Busy ──▶ (none), when the guest lets go, is off, or is not asked
//! ```
//!
//! Commands enter a phase; [`Volume::advance`] looks at what the hosts reported and says what next. Every waiting phase has a
//! deadline and a way out that the tenant can use: a guest that does not release a disk can be stopped, or not be asked.
//! The system disk of an instance is attached from its making and goes its instance's way.
//!
//! Not known here: where a file is, how a disk reaches a guest, what a client calls any of it.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Catalogue, Contents, DiskLimits, Encryption, Error, Gib, HostId, ImageId, InstanceId, Millis, Noun, Provisioned, SnapshotId,
    Tags, VolumeId,
};

/// Smallest and largest size of a volume in GiB (EC2's gp3: 1 to 16,384).
pub const VOLUME_GIB: std::ops::RangeInclusive<u32> = 1..=16_384;
/// Device name of a system disk, as EC2 images of Debian have it.
pub const ROOT_DEVICE: &str = "/dev/xvda";
/// Most volumes that an instance has, its system disk included: a machine's bus has 32 places, and the other devices, network
/// interfaces among them, need theirs. EC2 gives 28 with the interfaces, ECS 17.
pub const VOLUMES_PER_INSTANCE_MAX: usize = 21;
/// Most instances that have a shared volume at once (EC2 and ECS document 16, CBS no number).
pub const HOLDERS_MAX: usize = 16;
/// How long a host may take to make an empty volume; it takes milliseconds, and longer on a host that is away.
pub const CREATE_DEADLINE_MS: i64 = 5 * 60_000;
/// How long a volume may take to reach a guest before the attachment is given up.
pub const ATTACH_DEADLINE_MS: i64 = 60_000;
/// How long a guest may take to release a volume before it counts as busy. It is asked on.
pub const DETACH_DEADLINE_MS: i64 = 60_000;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Owner.
    pub account: AccountId,
    /// Its zone.
    pub zone: String,
    /// Display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether its owner wants it used when it may be inconsistent, as EC2 asks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_io: bool,
    /// What it is sold as.
    #[serde(default)]
    pub kind: VolumeKind,
    /// What was bought on top.
    #[serde(default, skip_serializing_if = "Provisioned::is_none")]
    pub provisioned: Provisioned,
    /// Its size; a volume only grows.
    pub size: Gib,
    /// The image that unwritten blocks are read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageId>,
    /// The snapshot that it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    /// Digest of the manifest that unwritten blocks are read from: what the image or the snapshot was when the volume was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// How it is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// How the manifest that its unwritten blocks are read from is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_encryption: Option<Encryption>,
    /// The host whose pool keeps its bytes.
    pub host: HostId,
    /// Grows whenever the volume gets another host or contents.
    pub generation: u64,
    /// Whether several instances may have it at once. Then it is stored without an instance, and its [`Volume::holders`] say which do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// The instances that have it, where several may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<Holder>,
    /// The instance that it is attached to, or on its way to or from. Of a shared volume, the one that it is looked at for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// How far it is attached; says nothing without an instance.
    #[serde(default)]
    pub attachment: Attachment,
    /// When it was attached; a system disk when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached_at: Option<Millis>,
    /// When it was last detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detached_at: Option<Millis>,
    /// Device name as the vendors print it. Guests have their own names, and find a disk by its serial number.
    pub device: String,
    /// Whether it goes when its instance is terminated.
    pub delete_on_termination: bool,
    /// Where its bytes are in their life.
    pub phase: VolumePhase,
    /// The latest growth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// The size in bytes of what its host keeps of this generation, as last reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_bytes: Option<u64>,
    /// Backups that it may have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub backup_quota: u32,
    /// Whether the snapshots that policies took of it go with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletes_auto_snapshots: bool,
    /// The snapshot that it becomes when its instance has stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back_to: Option<SnapshotId>,
    /// When it was made.
    pub created_at: Millis,
    /// Generation of the host document that first carried its latest change.
    pub asked: u64,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// What a volume is sold as: the classes of three clouds. Each has the figures that its own cloud documents ([`VolumeKind::limits`]); the
/// other dialects show it as what comes nearest there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeKind {
    /// Magnetic, of the first generation (EC2 `standard`, ECS `cloud`, CBS `CLOUD_BASIC`).
    Magnetic,
    /// Magnetic, for data that is seldom read (EC2 `sc1`).
    Cold,
    /// Magnetic, for long reads and writes (EC2 `st1`).
    Streaming,
    /// Magnetic with a cache, of the second generation (ECS `cloud_efficiency`).
    Efficient,
    /// The same of CBS (`CLOUD_PREMIUM`).
    Premium,
    /// Solid state for small machines (ECS `cloud_essd_entry`).
    Entry,
    /// Solid state of the second generation, its speed by size (EC2 `gp2`).
    Balanced,
    /// The same of ECS (`cloud_ssd`).
    Solid,
    /// The same of CBS (`CLOUD_BSSD`).
    General,
    /// The same of CBS (`CLOUD_SSD`).
    Second,
    /// Solid state of the third generation (EC2 `gp3`).
    #[default]
    Fast,
    /// The same of ECS, at its lowest level (`cloud_essd` PL0).
    Level0,
    /// At the usual level (PL1).
    Level1,
    /// At a high level (PL2).
    Level2,
    /// At the highest level (PL3).
    Level3,
    /// At a level of one's own choice (ECS `cloud_auto`).
    Auto,
    /// The same of CBS (`CLOUD_HSSD`).
    Enhanced,
    /// The fastest of CBS (`CLOUD_TSSD`).
    Extreme,
    /// Solid state with the accesses that were asked for (EC2 `io1`).
    Provisioned,
    /// The same with more of them (EC2 `io2`).
    ProvisionedPlus,
}

impl VolumeKind {
    /// The kind in one word.
    pub const fn word(self) -> &'static str {
        match self {
            VolumeKind::Magnetic => "magnetic",
            VolumeKind::Cold => "cold",
            VolumeKind::Streaming => "streaming",
            VolumeKind::Efficient => "efficient",
            VolumeKind::Premium => "premium",
            VolumeKind::Entry => "entry",
            VolumeKind::Balanced => "balanced",
            VolumeKind::Solid => "solid",
            VolumeKind::General => "general",
            VolumeKind::Second => "second",
            VolumeKind::Fast => "fast",
            VolumeKind::Level0 => "level0",
            VolumeKind::Level1 => "level1",
            VolumeKind::Level2 => "level2",
            VolumeKind::Level3 => "level3",
            VolumeKind::Auto => "auto",
            VolumeKind::Enhanced => "enhanced",
            VolumeKind::Extreme => "extreme",
            VolumeKind::Provisioned => "provisioned",
            VolumeKind::ProvisionedPlus => "provisioned_plus",
        }
    }
}

/// Where the bytes of a volume are in their life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumePhase {
    /// They are being prepared.
    Creating,
    /// They exist.
    Present,
    /// They could not be made; there is nothing to use, only to delete.
    Failed,
    /// They are being deleted.
    Deleting,
}

/// How far a volume is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Attachment {
    /// On its way to the guest.
    Attaching {
        /// When it is given up.
        until: Millis,
    },
    /// The guest has it, or will when it starts.
    #[default]
    Attached,
    /// The guest was asked to release it.
    Detaching {
        /// When it counts as busy.
        until: Millis,
        /// Whether it is taken without the guest's leave.
        force: bool,
    },
    /// The guest did not release it in time; it is asked on.
    Busy {
        /// Whether it is taken without the guest's leave.
        force: bool,
    },
}

/// An instance that has a shared volume, or is on its way to or from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The instance.
    pub instance: InstanceId,
    /// How far it is attached.
    pub attachment: Attachment,
    /// When it was attached.
    pub attached_at: Option<Millis>,
    /// Device name there.
    pub device: String,
    /// Whether it goes when this instance is terminated, if no other has it then.
    pub delete_on_termination: bool,
}

/// A growth of a volume, or its change into another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// The size before.
    pub from: Gib,
    /// What it was sold as before.
    pub kind: VolumeKind,
    /// What was bought on top before.
    #[serde(default, skip_serializing_if = "Provisioned::is_none")]
    pub provisioned: Provisioned,
    /// When it was asked for.
    pub at: Millis,
    /// When the host had done it.
    pub done_at: Option<Millis>,
}

/// What [`Volume::advance`] may know beside the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeFacts {
    /// Whether the host has tried every change up to the row's `asked` generation.
    pub applied: bool,
    /// Whether the host is known to the installation at all; a removed host holds nothing.
    pub host_exists: bool,
    /// What the machine of its instance has to do with it.
    pub machine: Machine,
}

/// What the machine of a volume's instance has to do with it, as its host last said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// There is none: no instance, or it is gone.
    Absent,
    /// It is off and should be.
    Off,
    /// It is neither here nor there: starting, stopping, or not heard of.
    Unsettled,
    /// It runs.
    On {
        /// Whether its guest has the volume.
        has_it: bool,
    },
}

/// What happens next with a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeStep {
    /// Nothing until the host says more or this time comes.
    Wait(Option<Millis>),
    /// The row changes; the effects belong in the same transaction.
    Change(Box<Volume>, Vec<VolumeEffect>),
    /// The row is deleted, and its host's document no longer lists it.
    Forget,
}

/// What comes with a change of a volume's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeEffect {
    /// The machine of this instance gets another list of disks.
    TouchMachine(InstanceId),
    /// The operator is told.
    Alarm(&'static str),
    /// The tenant can read of it in the events.
    Tell(&'static str),
}

/// What a volume is sold as, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sold {
    /// Its size.
    pub size: Gib,
    /// Its kind.
    pub kind: VolumeKind,
    /// What is bought on top.
    pub provisioned: Provisioned,
}

/// How a volume is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attach {
    /// The instance.
    pub instance: InstanceId,
    /// Device name.
    pub device: String,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
}

impl Volume {
    /// The state in one word: `creating`, `available`, `in-use`, `error` or `deleting`.
    pub const fn word(&self) -> &'static str {
        match self.phase {
            VolumePhase::Creating => "creating",
            VolumePhase::Present if self.is_held() => "in-use",
            VolumePhase::Present => "available",
            VolumePhase::Failed => "error",
            VolumePhase::Deleting => "deleting",
        }
    }

    /// Whether any instance has it, or is on its way to or from it.
    pub const fn is_held(&self) -> bool {
        self.instance.is_some() || !self.holders.is_empty()
    }

    /// How far it is attached, in one word: `attaching`, `attached`, `detaching` or `busy`; none without an instance.
    pub fn attachment_word(&self) -> Option<&'static str> {
        self.instance?;
        Some(match (self.phase, self.attachment) {
            (VolumePhase::Creating, _) | (_, Attachment::Attaching { .. }) => "attaching",
            (VolumePhase::Deleting, _) | (_, Attachment::Detaching { .. }) => "detaching",
            (VolumePhase::Present | VolumePhase::Failed, Attachment::Attached) => "attached",
            (VolumePhase::Present | VolumePhase::Failed, Attachment::Busy { .. }) => "busy",
        })
    }

    /// The name that is shown: its own, or that of its tag `Name`, where EC2's clients keep it.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { self.tags.get("Name").map_or("", String::as_str) } else { &self.name }
    }

    /// Whether it is the system disk of its instance.
    pub fn is_root(&self) -> bool {
        self.instance.is_some() && self.device == ROOT_DEVICE
    }

    /// Whether the machine of its instance should have it.
    pub fn is_wanted_by_machine(&self) -> bool {
        self.instance.is_some() && matches!(self.attachment, Attachment::Attaching { .. } | Attachment::Attached)
    }

    /// Whether it is to be taken from its machine without the guest's leave.
    pub fn is_seized(&self) -> bool {
        self.instance.is_some() && matches!(self.attachment, Attachment::Detaching { force: true, .. } | Attachment::Busy { force: true })
    }

    /// Whether its host still has to reach the size that was asked for.
    pub fn is_growing(&self) -> bool {
        self.growth.is_some_and(|growth| growth.done_at.is_none())
    }

    /// Begins to attach it. A shared one is from then on as the instance has it.
    pub fn attach(&mut self, attach: Attach, now: Millis) -> Result<(), Error> {
        let holds = |id: &InstanceId| self.instance.is_some() || self.holders.iter().any(|holder| holder.instance == *id);
        if holds(&attach.instance) {
            return Err(self.in_use());
        }
        self.require_present()?;
        if self.shared {
            self.check_may_share(&attach)?;
        }
        self.instance = Some(attach.instance);
        self.device = attach.device;
        self.delete_on_termination = attach.delete_on_termination;
        self.attachment = Attachment::Attaching { until: now.after(ATTACH_DEADLINE_MS) };
        self.attached_at = Some(now);
        Ok(())
    }

    fn check_may_share(&self, attach: &Attach) -> Result<(), Error> {
        if self.is_growing() {
            return Err(Error::IncorrectState {
                noun: Noun::Volume,
                id: self.id.to_string(),
                state: "modifying",
                wanted: "done with its last modification",
            });
        }
        if self.holders.len() >= HOLDERS_MAX {
            let what = format!("instances with the volume {}, and {} would be one more", self.id, attach.instance);
            return Err(Error::LimitReached { name: "SharedVolume", what, limit: HOLDERS_MAX as u64 });
        }
        Ok(())
    }

    /// Begins to detach it. One that is being detached can only be hurried, by force.
    pub fn detach(&mut self, force: bool, now: Millis) -> Result<(), Error> {
        if self.instance.is_none() {
            return Err(self.refuse("in-use"));
        }
        if self.is_root() {
            let against = "detaching: it is a system disk";
            return Err(Error::Protected { noun: Noun::Volume, id: self.id.to_string(), against });
        }
        self.require_present()?;
        self.check_not_waiting()?;
        match self.attachment {
            Attachment::Attaching { .. } | Attachment::Attached => {}
            Attachment::Detaching { force: forced, .. } | Attachment::Busy { force: forced } if force && !forced => {}
            Attachment::Detaching { .. } | Attachment::Busy { .. } => {
                let (noun, id) = (Noun::Volume, self.id.to_string());
                return Err(Error::IncorrectState { noun, id, state: "detaching", wanted: "attached" });
            }
        }
        self.attachment = Attachment::Detaching { until: now.after(DETACH_DEADLINE_MS), force };
        Ok(())
    }

    /// Grows it, or sells it as another kind. The size does not shrink, and one change ends before the next: when its host has done it.
    pub fn grow(&mut self, to: Sold, now: Millis) -> Result<(), Error> {
        let Sold { size, kind, provisioned } = to;
        self.require_present()?;
        self.check_not_waiting()?;
        if self.is_growing() {
            let (noun, id) = (Noun::Volume, self.id.to_string());
            return Err(Error::IncorrectState { noun, id, state: "modifying", wanted: "done with its last modification" });
        }
        check_size(size)?;
        kind.check(size, provisioned)?;
        if size < self.size {
            return Err(Error::invalid("Size", format!("a volume of {} GiB does not shrink to {}", self.size.0, size.0)));
        }
        let grows = size > self.size;
        if self.shared {
            kind.check_shareable()?;
            if grows && self.is_held() {
                return Err(Error::Unsupported { what: "growing a volume that several instances may have while one has it".to_owned() });
            }
        }
        let before = self.limits();
        self.growth = Some(Growth { from: self.size, kind: self.kind, provisioned: self.provisioned, at: now, done_at: None });
        (self.size, self.kind, self.provisioned) = (size, kind, provisioned);
        let is_for_host = grows || (self.is_held() && self.limits() != before);
        if let Some(growth) = self.growth.as_mut().filter(|_| !is_for_host) {
            growth.done_at = Some(now);
        }
        Ok(())
    }

    /// What its guest is held to.
    pub fn limits(&self) -> DiskLimits {
        self.kind.limits(self.size, self.provisioned)
    }

    /// Makes its bytes those contents, or zeroes: a new generation, which its host makes at once. Refused while it is on its way to
    /// or from an instance, or being grown.
    pub fn renew(&mut self, contents: Option<Contents>) -> Result<(), Error> {
        self.require_present()?;
        if self.is_growing() || !self.holders.is_empty() || (self.instance.is_some() && self.attachment != Attachment::Attached) {
            return Err(self.refuse("available"));
        }
        (self.manifest, self.under_encryption) = contents.map_or((None, None), |it| (Some(it.manifest), it.encryption));
        self.generation += 1;
        (self.seen_bytes, self.rolls_back_to) = (None, None);
        Ok(())
    }

    /// Begins to delete it. Refused while it is attached.
    pub fn delete(&mut self) -> Result<(), Error> {
        match self.phase {
            _ if self.is_held() => return Err(self.in_use()),
            VolumePhase::Creating => return Err(self.refuse("available")),
            VolumePhase::Deleting => return Err(Error::not_found(Noun::Volume, self.id)),
            VolumePhase::Present | VolumePhase::Failed => {}
        }
        self.phase = VolumePhase::Deleting;
        Ok(())
    }

    /// Lets go of the instance.
    pub fn let_go(&mut self, now: Millis) {
        let left = self.instance;
        self.holders.retain(|holder| Some(holder.instance) != left);
        (self.instance, self.rolls_back_to) = (None, None);
        self.attachment = Attachment::Attached;
        self.attached_at = None;
        self.detached_at = Some(now);
        self.device = String::new();
        self.delete_on_termination = false;
    }

    /// Says what next, from the row, what the hosts reported and the time. The same arguments give the same answer, and an
    /// answer that was carried out leads to [`VolumeStep::Wait`] or on, never back.
    pub fn advance(&self, facts: VolumeFacts, now: Millis) -> VolumeStep {
        match self.phase {
            VolumePhase::Creating => self.advance_creation(facts, now),
            VolumePhase::Present => self.advance_growth(facts, now).unwrap_or_else(|| self.advance_attachment(facts, now)),
            VolumePhase::Failed => VolumeStep::Wait(None),
            VolumePhase::Deleting if !facts.host_exists || (facts.applied && self.seen_bytes.is_none()) => VolumeStep::Forget,
            VolumePhase::Deleting => VolumeStep::Wait(None),
        }
    }

    fn advance_creation(&self, facts: VolumeFacts, now: Millis) -> VolumeStep {
        let until = self.created_at.after(CREATE_DEADLINE_MS);
        if self.seen_bytes.is_some() {
            return self.change(vec![], |next| next.phase = VolumePhase::Present);
        }
        // What an instance waits for ends with the instance.
        if self.instance.is_some() || (facts.host_exists && now < until) {
            return VolumeStep::Wait(Some(until).filter(|_| self.instance.is_none()));
        }
        self.change(vec![VolumeEffect::Tell("error")], |next| next.phase = VolumePhase::Failed)
    }

    fn advance_growth(&self, facts: VolumeFacts, now: Millis) -> Option<VolumeStep> {
        let growth = self.growth.filter(|growth| growth.done_at.is_none())?;
        let reached = facts.applied && self.seen_bytes.is_some_and(|bytes| bytes >= self.size.bytes());
        reached.then(|| self.change(vec![], |next| next.growth = Some(Growth { done_at: Some(now), ..growth })))
    }

    fn advance_attachment(&self, facts: VolumeFacts, now: Millis) -> VolumeStep {
        let Some(instance) = self.instance else { return VolumeStep::Wait(None) };
        match self.attachment {
            Attachment::Attached => VolumeStep::Wait(None),
            Attachment::Attaching { until } => match facts.machine {
                Machine::On { has_it: true } => self.change(vec![], |next| next.attachment = Attachment::Attached),
                Machine::Off if facts.applied => self.change(vec![], |next| next.attachment = Attachment::Attached),
                _ if now < until => VolumeStep::Wait(Some(until)),
                Machine::Absent | Machine::Off | Machine::Unsettled | Machine::On { has_it: false } => {
                    let effects = vec![VolumeEffect::TouchMachine(instance), VolumeEffect::Tell("attaching failed")];
                    let until = now.after(DETACH_DEADLINE_MS);
                    self.change(effects, |next| next.attachment = Attachment::Detaching { until, force: true })
                }
            },
            Attachment::Detaching { .. } | Attachment::Busy { .. } if self.is_released(facts) => {
                let mut effects = vec![VolumeEffect::Tell("detached")];
                // What was to be taken is told to the machine's host by name, and need not be any more.
                effects.extend(self.is_seized().then_some(VolumeEffect::TouchMachine(instance)));
                self.change(effects, |next| next.let_go(now))
            }
            Attachment::Detaching { until, .. } if now < until => VolumeStep::Wait(Some(until)),
            Attachment::Detaching { force, .. } => {
                let mut effects = vec![VolumeEffect::Tell("busy")];
                effects.extend(force.then_some(VolumeEffect::Alarm("a volume cannot be taken from its machine")));
                self.change(effects, |next| next.attachment = Attachment::Busy { force })
            }
            Attachment::Busy { .. } => VolumeStep::Wait(None),
        }
    }

    fn is_released(&self, facts: VolumeFacts) -> bool {
        match facts.machine {
            _ if !facts.host_exists => true,
            Machine::Absent | Machine::Off | Machine::On { has_it: false } => facts.applied,
            Machine::Unsettled | Machine::On { has_it: true } => false,
        }
    }

    fn change(&self, effects: Vec<VolumeEffect>, change: impl FnOnce(&mut Volume)) -> VolumeStep {
        let mut next = self.clone();
        change(&mut next);
        VolumeStep::Change(Box::new(next), effects)
    }

    fn require_present(&self) -> Result<(), Error> {
        if self.phase == VolumePhase::Present { Ok(()) } else { Err(self.refuse("available")) }
    }

    fn in_use(&self) -> Error {
        let by = self.instances().map(|id| id.to_string()).collect();
        Error::InUse { noun: Noun::Volume, id: self.id.to_string(), by }
    }

    fn refuse(&self, wanted: &'static str) -> Error {
        Error::IncorrectState { noun: Noun::Volume, id: self.id.to_string(), state: self.word(), wanted }
    }
}

/// Most volumes of an instance of a type, its system disk included.
pub fn volumes_max(instance_type: &str) -> usize {
    let of_type = Catalogue::standard().by_name(instance_type).map(|kind| usize::from(kind.disk.max_volumes));
    VOLUMES_PER_INSTANCE_MAX.min(of_type.unwrap_or(VOLUMES_PER_INSTANCE_MAX))
}

/// Checks a size: 1 to 16,384 GiB.
pub fn check_size(size: Gib) -> Result<(), Error> {
    if VOLUME_GIB.contains(&size.0) {
        return Ok(());
    }
    Err(Error::invalid("Size", format!("{} GiB is not between {} and {}", size.0, VOLUME_GIB.start(), VOLUME_GIB.end())))
}

/// Checks a device name: `/dev/` and 1 to 16 small letters and digits. Which one a client chooses has no meaning for the guest.
pub fn check_device(name: &str) -> Result<(), Error> {
    let rest = name.strip_prefix("/dev/").unwrap_or("");
    if (1..=16).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return Ok(());
    }
    let shown: String = name.chars().take(32).collect();
    Err(Error::invalid("Device", format!("'{shown}' is no name of a device such as /dev/sdf")))
}

/// The first free device name for a further volume, from `/dev/xvdb` on; none when all letters are taken.
pub fn free_device<'t>(taken: impl Iterator<Item = &'t str> + Clone) -> Option<String> {
    ('b'..='z').map(|letter| format!("/dev/xvd{letter}")).find(|name| !taken.clone().any(|device| device == name))
}

/// Whether a number is none, which is not written down.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
#[path = "shared_volume_tests.rs"]
mod shared_tests;
#[cfg(test)]
#[path = "volume_tests.rs"]
mod tests;
