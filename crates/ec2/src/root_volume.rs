//! Replacements of the system disk of a running instance.

use control::{GuestAccess, Needed, OldRoot, Query, ReplaceRoot, RootSource};
use jiff::Timestamp;
use model::{Error, Instance, Noun, RootReplacement, Volume, VolumePhase};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};

/// What EC2 can replace a system disk with and this cloud cannot yet.
pub(crate) const ABSENT: &[&str] = &["VolumeId", "VolumeInitializationRate"];

/// The parameters of `CreateReplaceRootVolumeTask`.
#[derive(FromArg)]
pub(crate) struct CreateTask {
    instance_id: String,
    snapshot_id: Option<String>,
    image_id: Option<String>,
    #[arg(default)]
    delete_replaced_root_volume: bool,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `CreateReplaceRootVolumeTask`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    replace_root_volume_task: Task,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Task {
    replace_root_volume_task_id: String,
    instance_id: String,
    task_state: &'static str,
    start_time: Timestamp,
    complete_time: Option<Timestamp>,
    image_id: Option<String>,
    snapshot_id: Option<String>,
    delete_replaced_root_volume: bool,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

/// Has a running instance start again from a new system disk: as at its launch, as a snapshot of the old one, or as an image is.
pub(crate) async fn create(cx: Cx, asked: CreateTask) -> Result<Created, Refusal> {
    let said = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
    let source = match (said(&asked.snapshot_id), said(&asked.image_id)) {
        (None, None) => RootSource::Same,
        (Some(snapshot), None) => RootSource::Snapshot(tag::id(Noun::Snapshot, &snapshot)?),
        (None, Some(image)) => RootSource::Image(tag::id(Noun::Image, &image)?),
        (Some(_), Some(_)) => return Err(crate::error::combination("SnapshotId and ImageId exclude each other")),
    };
    let kind = "replace-root-volume-task";
    let command = ReplaceRoot {
        instance: tag::id(Noun::Instance, &asked.instance_id)?,
        source,
        old: if asked.delete_replaced_root_volume { OldRoot::Deleted } else { OldRoot::Kept },
        needed: Needed::Running,
        size: None,
        access: GuestAccess::default(),
        tags: tag::specified(&asked.tags, kind, &[kind])?,
    };
    let instance = command.instance;
    let token = asked.client_token.filter(|token| !token.is_empty());
    let done = cx.cloud.run(&cx.caller, command, cx.options(token)).await?;
    Ok(Created { replace_root_volume_task: task(instance.to_string(), &done.replacement, false) })
}

fn task(instance_id: String, replacement: &RootReplacement, is_there: bool) -> Task {
    Task {
        replace_root_volume_task_id: replacement.id.to_string(),
        instance_id,
        task_state: replacement.word(is_there),
        start_time: replacement.started_at.timestamp(),
        complete_time: replacement.ended.map(|(at, _)| at.timestamp()),
        image_id: replacement.image.map(|id| id.to_string()),
        snapshot_id: replacement.snapshot.map(|id| id.to_string()),
        delete_replaced_root_volume: replacement.deletes_old,
        tag_set: tag::items(&replacement.tags),
    }
}

/// The parameters of `DescribeReplaceRootVolumeTasks`.
#[derive(FromArg)]
pub(crate) struct DescribeTasks {
    #[arg(name = "ReplaceRootVolumeTaskId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeReplaceRootVolumeTasks`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Tasks {
    replace_root_volume_task_set: Vec<Task>,
    next_token: Option<String>,
}

/// Filters of replacements.
const FILTERS: &[&str] = &["instance-id"];

/// Lists the latest replacements of each instance. A page is one of instances.
pub(crate) async fn describe(cx: Cx, asked: DescribeTasks) -> Result<Tasks, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let listed = cx.cloud.list_instances(&cx.caller, Query { ids: vec![], filters: vec![], page: pages.of_ids()? }).await?;
    let instances: Vec<&Instance> = listed.rows.iter().map(|view| &view.instance).collect();
    let under_way = instances.iter().copied().filter_map(Instance::replacement_under_way).map(|replacement| replacement.volume).collect();
    let volumes = Query { ids: under_way, filters: vec![], page: control::Page::default() };
    let present = match volumes.ids.as_slice() {
        [] => vec![],
        _ => cx.cloud.list::<Volume>(&cx.caller, volumes).await?.rows,
    };
    let is_there = |id| present.iter().any(|volume| volume.id == id && volume.phase == VolumePhase::Present);
    let of = |instance: &Instance| {
        let id = instance.id.to_string();
        instance.root_replacements.iter().map(|one| task(id.clone(), one, is_there(one.volume))).collect::<Vec<_>>()
    };
    let mut tasks: Vec<Task> = instances.iter().copied().flat_map(of).collect();
    if let Some(unknown) = asked.ids.iter().find(|id| !tasks.iter().any(|task| task.replace_root_volume_task_id == **id)) {
        return Err(Error::invalid("ReplaceRootVolumeTaskId", format!("there is no task {unknown}")).into());
    }
    tasks.retain(|task| asked.ids.is_empty() || asked.ids.contains(&task.replace_root_volume_task_id));
    filter::retain(&mut tasks, &asked.filters, |task, name| (name == "instance-id").then(|| vec![task.instance_id.clone()]), FILTERS)?;
    Ok(Tasks { replace_root_volume_task_set: tasks, next_token: pages.after(listed.next) })
}
