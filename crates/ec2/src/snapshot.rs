//! Snapshots of volumes: taken, described, deleted. Who may use them is in `snapshot_attribute`.

use control::{CopySnapshot as Copy, DeleteSnapshot as Delete, Field, Filter, Query, SnapshotOf, TakeSnapshots};
use jiff::Timestamp;
use model::{AccountId, Error, Noun, Snapshot};
use wire::{FromArg, Show};

use crate::error::{Refusal, unsupported};
use crate::filter::{self, AskedFilter};
use crate::image::OPERATOR_ALIASES;
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};
use crate::{Cx, disk_encryption, kms};

/// The parameters of `CreateSnapshot`.
#[derive(FromArg)]
pub(crate) struct CreateSnapshot {
    volume_id: String,
    description: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The parameters of `CreateSnapshots`.
#[derive(FromArg)]
pub(crate) struct CreateSnapshots {
    instance_specification: InstanceSpecification,
    description: Option<String>,
    copy_tags_from_source: Option<CopyFrom>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// Which volumes of which instance.
#[derive(FromArg)]
pub(crate) struct InstanceSpecification {
    instance_id: String,
    #[arg(default)]
    exclude_boot_volume: bool,
    #[arg(name = "ExcludeDataVolumeId")]
    exclude_data_volume_ids: Vec<String>,
}

/// From what tags are copied.
#[derive(FromArg)]
#[arg(rename = "lowercase")]
pub(crate) enum CopyFrom {
    Volume,
}

/// What EC2 can make of a snapshot and this cloud cannot.
pub(crate) const CREATE_ABSENT: &[&str] = &["Location", "OutpostArn"];

/// A snapshot in a reply.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct SnapshotItem {
    snapshot_id: String,
    volume_id: String,
    status: &'static str,
    start_time: Timestamp,
    completion_time: Option<Timestamp>,
    progress: String,
    owner_id: String,
    volume_size: u32,
    description: String,
    encrypted: bool,
    kms_key_id: Option<String>,
    storage_tier: &'static str,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

/// Takes a snapshot of a volume; its instant is that of the call's carrying out, whatever the guest does meanwhile.
pub(crate) async fn create(cx: Cx, asked: CreateSnapshot) -> Result<SnapshotItem, Refusal> {
    let command = TakeSnapshots {
        of: SnapshotOf::Volumes(vec![tag::id(Noun::Volume, &asked.volume_id)?]),
        name: String::new(),
        description: asked.description.unwrap_or_default(),
        tags: tag::specified(&asked.tags, "snapshot", &["snapshot"])?,
        copy_tags: false,
    };
    let mut taken = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    let snapshot = taken.pop().ok_or(Refusal::Cloud(Error::Internal))?;
    Ok(item(&cx, &snapshot))
}

/// The reply of `CreateSnapshots`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    snapshot_set: Vec<CreatedItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct CreatedItem {
    snapshot_id: String,
    volume_id: String,
    state: &'static str,
    start_time: Timestamp,
    progress: String,
    owner_id: String,
    volume_size: u32,
    description: String,
    encrypted: bool,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

/// Takes snapshots of an instance's volumes at one instant.
pub(crate) async fn create_many(cx: Cx, asked: CreateSnapshots) -> Result<Created, Refusal> {
    let which = asked.instance_specification;
    let command = TakeSnapshots {
        of: SnapshotOf::Instance {
            instance: tag::id(Noun::Instance, &which.instance_id)?,
            without_root: which.exclude_boot_volume,
            without: tag::ids(Noun::Volume, &which.exclude_data_volume_ids)?,
        },
        name: String::new(),
        description: asked.description.unwrap_or_default(),
        tags: tag::specified(&asked.tags, "snapshot", &["snapshot"])?,
        copy_tags: matches!(asked.copy_tags_from_source, Some(CopyFrom::Volume)),
    };
    let taken = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    let created = |snapshot: &Snapshot| {
        let SnapshotItem {
            snapshot_id,
            volume_id,
            status,
            start_time,
            progress,
            owner_id,
            volume_size,
            description,
            encrypted,
            tag_set,
            ..
        } = item(&cx, snapshot);
        let state = status;
        CreatedItem { snapshot_id, volume_id, state, start_time, progress, owner_id, volume_size, description, encrypted, tag_set }
    };
    Ok(Created { snapshot_set: taken.iter().map(created).collect() })
}

/// The parameters of `CopySnapshot`.
#[derive(FromArg)]
pub(crate) struct CopySnapshot {
    source_region: String,
    source_snapshot_id: String,
    description: Option<String>,
    #[arg(default)]
    encrypted: bool,
    kms_key_id: Option<String>,
    /// SDKs put both into every call, also into one within the region.
    #[expect(dead_code, reason = "there is no other region to which the call would be sent on")]
    destination_region: Option<String>,
    #[expect(dead_code, reason = "likewise")]
    presigned_url: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What EC2 can do while it copies and this cloud cannot.
pub(crate) const COPY_ABSENT: &[&str] = &["CompletionDurationMinutes", "DestinationAvailabilityZone", "DestinationOutpostArn"];

/// The reply of `CopySnapshot`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Copied {
    snapshot_id: String,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

/// Copies a snapshot: as it is, encrypted, or encrypted under another key.
pub(crate) async fn copy(cx: Cx, asked: CopySnapshot) -> Result<Copied, Refusal> {
    if asked.source_region != cx.cloud.region().name {
        return Err(unsupported("Copying a snapshot from another region"));
    }
    let command = Copy {
        snapshot: tag::id(Noun::Snapshot, &asked.source_snapshot_id)?,
        name: None,
        encryption: disk_encryption::choice(&cx, Some(asked.encrypted), asked.kms_key_id.as_deref())?,
        description: Some(asked.description.unwrap_or_default()),
        tags: tag::specified(&asked.tags, "snapshot", &["snapshot"])?,
    };
    let copy = cx.cloud.snapshot_copy(&cx.caller, command, cx.options(None)).await?;
    Ok(Copied { snapshot_id: copy.id.to_string(), tag_set: tag::items(&copy.tags) })
}

/// The parameters of `DeleteSnapshot`.
#[derive(FromArg)]
pub(crate) struct DeleteSnapshot {
    snapshot_id: String,
}

/// Deletes a snapshot; others of the same volume stay whole.
pub(crate) async fn delete(cx: Cx, asked: DeleteSnapshot) -> Result<(), Refusal> {
    let command = Delete { snapshot: tag::id(Noun::Snapshot, &asked.snapshot_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of `DescribeSnapshots`.
#[derive(FromArg)]
pub(crate) struct DescribeSnapshots {
    #[arg(name = "SnapshotId")]
    ids: Vec<String>,
    #[arg(name = "Owner")]
    owners: Vec<String>,
    #[arg(name = "RestorableBy")]
    restorable_by: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeSnapshots`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Snapshots {
    snapshot_set: Vec<SnapshotItem>,
    next_token: Option<String>,
}

/// Lists snapshots: the account's own and those that others share with it.
pub(crate) async fn describe(cx: Cx, asked: DescribeSnapshots) -> Result<Snapshots, Refusal> {
    let mut pages_of = asked.filters.clone();
    pages_of.push(AskedFilter { name: "Owner".to_owned(), values: asked.owners.clone() });
    pages_of.push(AskedFilter { name: "RestorableBy".to_owned(), values: asked.restorable_by.clone() });
    let pages = asked.paging.pages(&cx, USUAL, &pages_of)?;
    let mut filters = filter::filters(&cx, filter::SNAPSHOT, &asked.filters)?;
    filters.extend(owned_by(&cx, &asked.owners)?);
    filters.extend(restorable_by(&cx, &asked.restorable_by)?);
    let query = Query { ids: tag::ids(Noun::Snapshot, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<Snapshot>(&cx.caller, query).await?;
    let snapshot_set = listed.rows.iter().map(|snapshot| item(&cx, snapshot)).collect();
    Ok(Snapshots { snapshot_set, next_token: pages.after(listed.next) })
}

fn owned_by(cx: &Cx, owners: &[String]) -> Result<Option<Filter>, Refusal> {
    if owners.is_empty() {
        return Ok(None);
    }
    let account = |owner: &String| match owner.as_str() {
        "self" => Ok(cx.caller.account().to_string()),
        alias if OPERATOR_ALIASES.contains(&alias) => Ok(cx.cloud.region().operator.to_string()),
        number if number.parse::<AccountId>().is_ok() => Ok(owner.clone()),
        _ => Err(unsupported(format!("The snapshot owner '{owner}'"))),
    };
    let values = owners.iter().map(account).collect::<Result<_, _>>()?;
    Ok(Some(Filter { field: Field::Owner, values }))
}

/// Whoever is listed can be restored by the caller; of others only what is shared with all can be told.
fn restorable_by(cx: &Cx, users: &[String]) -> Result<Option<Filter>, Refusal> {
    let own = cx.caller.account().to_string();
    if users.is_empty() || users.iter().any(|user| *user == "self" || *user == own) {
        return Ok(None);
    }
    if users.iter().all(|user| user == "all") {
        return Ok(Some(Filter { field: Field::IsPublic, values: vec!["true".to_owned()] }));
    }
    Err(unsupported("RestorableBy another account"))
}

fn item(cx: &Cx, snapshot: &Snapshot) -> SnapshotItem {
    let is_own = snapshot.account == cx.caller.account();
    SnapshotItem {
        snapshot_id: snapshot.id.to_string(),
        volume_id: snapshot.volume.to_string(),
        status: snapshot.word(),
        start_time: snapshot.created_at.timestamp(),
        completion_time: snapshot.ended_at.filter(|_| snapshot.contents().is_ok()).map(model::Millis::timestamp),
        progress: format!("{}%", snapshot.percent()),
        owner_id: snapshot.account.to_string(),
        volume_size: snapshot.size.0,
        description: snapshot.description.clone(),
        encrypted: snapshot.encryption.is_some(),
        kms_key_id: kms::arn_of(cx, snapshot.encryption.as_ref()),
        storage_tier: "standard",
        tag_set: if is_own { tag::items(&snapshot.tags) } else { vec![] },
    }
}

/// Size of a snapshot that the caller may use; none when there is none.
pub(crate) async fn size_of(cx: &Cx, id: model::SnapshotId) -> Result<Option<model::Gib>, Refusal> {
    let listed = cx.cloud.list::<Snapshot>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    Ok(listed.rows.first().map(|snapshot| snapshot.size))
}
