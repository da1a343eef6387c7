//! Volumes that several instances have at once.
//!
//! ```text
//!   stored            no instance, and a list of holders
//!      │ as_held_by            ▲ stored
//!      ▼                       │
//!   as one has it     that holder's instance, device and attachment in the fields that a volume of one instance has
//! ```
//!
//! So whatever attaches, advances, shows and releases the volume of one instance does it with one holder of a shared one. What is
//! stored goes through [`Volume::stored`], which is the row itself of a volume of one instance.

use std::borrow::Cow;

use crate::{Attachment, Error, Holder, InstanceId, Volume, VolumeKind};

impl Volume {
    /// The instances that have it, or are on their way to or from it.
    pub fn instances(&self) -> impl Iterator<Item = InstanceId> {
        let others = self.holders.iter().map(|holder| holder.instance).filter(|id| Some(*id) != self.instance);
        self.instance.into_iter().chain(others)
    }

    /// The volume as an instance has it; none that has it not.
    pub fn as_held_by(&self, instance: InstanceId) -> Option<Volume> {
        let stored = self.stored();
        if stored.instance == Some(instance) {
            return Some(stored.into_owned());
        }
        let Holder { attachment, attached_at, device, delete_on_termination, .. } =
            stored.holders.iter().find(|holder| holder.instance == instance)?.clone();
        let instance = Some(instance);
        Some(Volume { instance, attachment, attached_at, device, delete_on_termination, ..stored.into_owned() })
    }

    /// The volume as each of its instances has it, in the order in which they got it.
    pub fn as_held(&self) -> Vec<Volume> {
        self.stored().instances().filter_map(|id| self.as_held_by(id)).collect()
    }

    /// The row that is kept: of a shared volume, what its holder has goes where holders are.
    pub fn stored(&self) -> Cow<'_, Volume> {
        let Some(instance) = self.instance.filter(|_| self.shared) else { return Cow::Borrowed(self) };
        let mut row = self.clone();
        let holder = Holder {
            instance,
            attachment: row.attachment,
            attached_at: row.attached_at.take(),
            device: std::mem::take(&mut row.device),
            delete_on_termination: std::mem::take(&mut row.delete_on_termination),
        };
        (row.instance, row.attachment) = (None, Attachment::Attached);
        match row.holders.iter_mut().find(|known| known.instance == instance) {
            Some(known) => *known = holder,
            None => row.holders.push(holder),
        }
        Cow::Owned(row)
    }

    /// The volume as it is shown where one instance is: as the first that has it, else the first that it is on its way to or from, has
    /// it.
    pub fn as_first_held(&self) -> Cow<'_, Volume> {
        if !self.shared {
            return Cow::Borrowed(self);
        }
        let mut held = self.as_held();
        let first = held.iter().position(|held| held.attachment == Attachment::Attached).unwrap_or(0);
        if held.is_empty() { self.stored() } else { Cow::Owned(held.swap_remove(first)) }
    }

    /// Says whether it goes with an instance that has it, or, where none is named, with each.
    pub fn go_with(&mut self, instance: Option<InstanceId>, goes: bool) {
        let is_meant = |id: InstanceId| instance.is_none_or(|named| named == id);
        let holders = self.holders.iter_mut().filter(|holder| is_meant(holder.instance));
        holders.for_each(|holder| holder.delete_on_termination = goes);
        if self.instance.is_some_and(is_meant) {
            self.delete_on_termination = goes;
        }
    }
}

impl VolumeKind {
    /// Refuses kinds that no cloud shares: EC2 shares `io1` and `io2`, ECS `cloud_essd` and `cloud_auto`. CBS names no kinds; here it
    /// is all of its own but magnetic ones.
    pub fn check_shareable(self) -> Result<(), Error> {
        match self {
            VolumeKind::Provisioned
            | VolumeKind::ProvisionedPlus
            | VolumeKind::Level0
            | VolumeKind::Level1
            | VolumeKind::Level2
            | VolumeKind::Level3
            | VolumeKind::Auto
            | VolumeKind::Premium
            | VolumeKind::General
            | VolumeKind::Second
            | VolumeKind::Enhanced
            | VolumeKind::Extreme => Ok(()),
            VolumeKind::Magnetic
            | VolumeKind::Cold
            | VolumeKind::Streaming
            | VolumeKind::Efficient
            | VolumeKind::Entry
            | VolumeKind::Balanced
            | VolumeKind::Solid
            | VolumeKind::Fast => {
                let reason = "volumes of this type are not attached to several instances".to_owned();
                Err(Error::InvalidCombination { reason })
            }
        }
    }
}
