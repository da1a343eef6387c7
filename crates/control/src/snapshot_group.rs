//! Groups of snapshots: what several volumes of an instance held at one instant, taken, rolled back to and deleted together.

use model::{
    AccountId, Attachment, Error, InstanceId, Noun, Snapshot, SnapshotGroup, SnapshotGroupId, SnapshotId, Tags, Volume, VolumeId, add_tags,
    check_name,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::instance::{check_description, instance_of};
use crate::roll_back::{self, AroundRollBack};
use crate::run::{Command, Cx};
use crate::snapshot::{self, Taker, take};
use crate::volume::{self, volume_of};

/// Takes snapshots of volumes of one instance at one instant, as a group.
#[derive(Debug, Clone, Serialize)]
pub struct CreateSnapshotGroup {
    /// The instance; that of the volumes when none is named.
    pub instance: Option<InstanceId>,
    /// Of these volumes; of all of the instance when none is named.
    pub volumes: Vec<VolumeId>,
    /// Volumes of the instance that are left out.
    pub without: Vec<VolumeId>,
    /// Display name; those of the snapshots are made of it.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags of the group and of its snapshots.
    pub tags: Tags,
}

/// Changes what is said of a group. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifySnapshotGroup {
    /// Which one.
    pub group: SnapshotGroupId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// Deletes a group with all its snapshots, whose ids it gives. Refused while an image is made of one of them.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteSnapshotGroup {
    /// Which one.
    pub group: SnapshotGroupId,
}

/// Makes volumes what they were at snapshots of a group; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct RollBackToGroup {
    /// Which group.
    pub group: SnapshotGroupId,
    /// Which volumes, each to a snapshot of the group.
    pub volumes: Vec<(VolumeId, SnapshotId)>,
    /// What becomes of their instance.
    pub around: AroundRollBack,
}

/// A group with its snapshots.
#[derive(Debug, Clone)]
pub struct SnapshotGroupView {
    /// The group.
    pub group: SnapshotGroup,
    /// Its snapshots, by id.
    pub snapshots: Vec<Snapshot>,
}

impl Command for CreateSnapshotGroup {
    type Reply = SnapshotGroup;
    const NAME: &'static str = "CreateSnapshotGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = ["snapshot-group/*", "snapshot/*"]
            .map(|path| Target { path: Some(path.to_owned()), request_tags: self.tags.clone(), ..Target::default() })
            .to_vec();
        if let Some(id) = self.instance {
            let own = tx.get::<model::Instance>(id)?.filter(|row| row.account == cx.caller.account());
            targets.push(Target::of("instance", id, &own.map(|row| row.tags).unwrap_or_default()));
        }
        for id in &self.volumes {
            targets.push(volume::target(tx, cx, *id)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<SnapshotGroup, Failure> {
        check_name("Name", &self.name)?;
        check_description(&self.description)?;
        let (instance, volumes) = self.volumes(tx, cx.caller.account())?;
        let mut group = SnapshotGroup {
            id: SnapshotGroupId::from_u64(cx.new_id()),
            account: cx.caller.account(),
            name: self.name.clone(),
            description: self.description.clone(),
            instance,
            created_at: cx.now,
            changed_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut group.tags, &self.tags)?;
        let number = |volume: &Volume| volumes.iter().position(|other| other.id == volume.id).unwrap_or_default();
        take(tx, Taker::of(cx), &volumes, |volume, row| {
            row.group = Some(group.id);
            row.name = SnapshotGroup::name_of(&self.name, number(volume));
            row.description.clone_from(&self.description);
            add_tags(&mut row.tags, &self.tags)
        })?;
        tx.insert(&group)?;
        Ok(group)
    }
}

impl CreateSnapshotGroup {
    /// The instance, and its volumes that are meant, the system disk first.
    fn volumes(&self, tx: &Tx<'_>, account: AccountId) -> Result<(InstanceId, Vec<Volume>), Failure> {
        let id = match (self.instance, self.volumes.first()) {
            (Some(id), _) => id,
            (None, Some(first)) => attached_to(&volume_of(tx, account, *first)?)?,
            (None, None) => return Err(Error::MissingParameter { name: "InstanceId" }.into()),
        };
        let instance = instance_of(tx, account, id)?;
        let mut volumes = tx.volume_list_of_instance(id)?;
        for named in self.volumes.iter().chain(&self.without) {
            if !volumes.iter().any(|volume| volume.id == *named) {
                volume_of(tx, account, *named)?;
                return Err(Error::invalid("SnapshotGroupVolume", format!("{named} is not attached to {id}")).into());
            }
        }
        volumes.retain(|volume| (self.volumes.is_empty() || self.volumes.contains(&volume.id)) && !self.without.contains(&volume.id));
        volumes.sort_by_key(|volume| (volume.id != instance.root_volume, volume.id));
        Ok((id, volumes))
    }
}

fn attached_to(volume: &Volume) -> Result<InstanceId, Error> {
    let attached = volume.instance.filter(|_| volume.attachment == Attachment::Attached);
    let (noun, id, state) = (Noun::Volume, volume.id.to_string(), volume.attachment_word().unwrap_or(volume.word()));
    attached.ok_or(Error::IncorrectState { noun, id, state, wanted: "attached" })
}

impl Command for ModifySnapshotGroup {
    type Reply = ();
    const NAME: &'static str = "ModifySnapshotGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.group)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut group = group_of(tx, cx.caller.account(), self.group)?;
        if let Some(name) = &self.name {
            check_name("Name", name)?;
            group.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            group.description.clone_from(description);
        }
        group.changed_at = cx.now;
        Ok(tx.update(&group)?)
    }
}

impl Command for DeleteSnapshotGroup {
    type Reply = Vec<SnapshotId>;
    const NAME: &'static str = "DeleteSnapshotGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = vec![target(tx, cx, self.group)?];
        if group_of(tx, cx.caller.account(), self.group).is_ok() {
            for row in tx.snapshot_list_of_group(self.group)? {
                targets.push(Target::of("snapshot", row.id, &row.tags));
            }
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<SnapshotId>, Failure> {
        let group = group_of(tx, cx.caller.account(), self.group)?;
        let rows = tx.snapshot_list_of_group(group.id)?;
        for row in &rows {
            snapshot::delete(tx, row)?;
        }
        Ok(rows.iter().map(|row| row.id).collect())
    }
}

impl Command for RollBackToGroup {
    type Reply = ();
    const NAME: &'static str = "RollBackToGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = vec![target(tx, cx, self.group)?];
        targets.extend(roll_back::targets(tx, cx, &self.volumes, self.around)?);
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let group = group_of(tx, cx.caller.account(), self.group)?;
        if self.volumes.is_empty() {
            return Err(Error::MissingParameter { name: "ApplyDisks" }.into());
        }
        for (_, snapshot) in &self.volumes {
            let of = snapshot::snapshot_of(tx, cx.caller.account(), *snapshot)?;
            if of.group != Some(group.id) {
                return Err(Error::invalid("SnapshotId", format!("{} is no snapshot of {}", of.id, group.id)).into());
            }
        }
        roll_back::roll_back(tx, cx, &self.volumes, self.around)
    }
}

/// Deletes the group of a snapshot that was just deleted, if it was the last one there.
pub(crate) fn forget_if_empty(tx: &mut Tx<'_>, group: SnapshotGroupId) -> Result<(), Failure> {
    if tx.snapshot_list_of_group(group)?.is_empty() && tx.get::<SnapshotGroup>(group)?.is_some() {
        tx.delete::<SnapshotGroup>(group)?;
    }
    Ok(())
}

/// The group, if the account owns it.
fn group_of(tx: &Tx<'_>, account: AccountId, id: SnapshotGroupId) -> Result<SnapshotGroup, Failure> {
    let group = tx.get::<SnapshotGroup>(id)?.filter(|group| group.account == account);
    Ok(group.ok_or_else(|| Error::not_found(Noun::SnapshotGroup, id))?)
}

fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: SnapshotGroupId) -> Result<Target, Failure> {
    let own = tx.get::<SnapshotGroup>(id)?.filter(|group| group.account == cx.caller.account());
    Ok(Target::of("snapshot-group", id, &own.map(|group| group.tags).unwrap_or_default()))
}

impl Listing for SnapshotGroupView {
    type Id = SnapshotGroupId;
    const NOUN: Noun = Noun::SnapshotGroup;

    fn id(&self) -> SnapshotGroupId {
        self.group.id
    }

    fn id_value(id: SnapshotGroupId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<SnapshotGroupView>, Failure> {
        let view = |group: SnapshotGroup| Ok(SnapshotGroupView { snapshots: tx.snapshot_list_of_group(group.id)?, group });
        tx.snapshot_group_list(account)?.into_iter().map(view).collect()
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.group.id.to_string()],
            Field::Owner => vec![self.group.account.to_string()],
            Field::Name => vec![self.group.name.clone()],
            Field::Instance => vec![self.group.instance.to_string()],
            Field::State => vec![SnapshotGroup::word(&self.snapshots).to_owned()],
            Field::Snapshot => self.snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect(),
            _ => tag_values(&self.group.tags, field),
        }
    }
}
