//! Images that come from objects of the account's buckets and go into them, and the tasks that do so.

use control::{CancelImageTask, ExportImage as Export, Field, FurtherDisks, ImportDisk, ImportInto, Query};
use jiff::Timestamp;
use model::{BucketObject, DiskFormat, Gib, ImageTask, ImageTaskId, ImageTaskPhase, ImageWork, Millis, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX};

/// Most tasks that one call names (ECS documents 100).
const TASKS_PER_CALL: usize = 100;

/// A disk that is imported.
#[derive(FromArg)]
struct DiskDeviceMapping {
    device: Option<String>,
    #[arg(name = "DiskImageSize", alias = "DiskImSize")]
    size: Option<u32>,
    format: Option<String>,
    #[arg(name = "OSSBucket")]
    bucket: Option<String>,
    #[arg(name = "OSSObject")]
    object: Option<String>,
}

/// `ImportImage`.
#[derive(FromArg)]
pub(crate) struct ImportImage {
    #[arg(default)]
    image_name: String,
    #[arg(default)]
    description: String,
    architecture: Option<String>,
    #[arg(name = "OSType")]
    os_type: Option<String>,
    platform: Option<String>,
    boot_mode: Option<String>,
    license_type: Option<String>,
    #[expect(dead_code, reason = "an account's buckets are its own without a role")]
    role_name: Option<String>,
    #[arg(name = "DiskDeviceMapping", max_items = 16)]
    disks: Vec<DiskDeviceMapping>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Imported {
    region_id: String,
    image_id: String,
    task_id: String,
}

/// Imports an image of one disk; it is `Creating` until the task has ended.
pub(crate) async fn import(cx: &Cx<'_>, asked: ImportImage) -> Result<Imported, Fault> {
    check_word("Architecture", asked.architecture.as_ref(), &["x86_64"])?;
    check_word("OSType", asked.os_type.as_ref(), &["linux"])?;
    check_word("BootMode", asked.boot_mode.as_ref(), &["BIOS"])?;
    check_word("LicenseType", asked.license_type.as_ref(), &["Auto", "BYOL"])?;
    let disk = match asked.disks.as_slice() {
        [] => return Err(Fault::missing("DiskDeviceMapping.1.OSSBucket")),
        [disk] => disk,
        [_, _, ..] => return Err(Fault::unsupported_parameter("An image of several disks")),
    };
    if disk.device.as_ref().is_some_and(|device| !matches!(device.as_str(), "" | "/dev/xvda")) {
        return Err(Fault::unsupported_parameter("A disk at another device than the system disk's"));
    }
    let said = |text: &Option<String>, name: &'static str| text.clone().filter(|text| !text.is_empty()).ok_or_else(|| Fault::missing(name));
    let object =
        BucketObject::new(said(&disk.bucket, "DiskDeviceMapping.1.OSSBucket")?, said(&disk.object, "DiskDeviceMapping.1.OSSObject")?)?;
    let command = ImportDisk {
        into: ImportInto::Image {
            name: asked.image_name,
            platform: asked.platform.filter(|platform| !platform.is_empty()),
            size: disk.size.map(Gib),
            tags: tags_of(asked.tags)?,
        },
        format: format("DiskDeviceMapping.1.Format", &said(&disk.format, "DiskDeviceMapping.1.Format")?)?,
        object,
        description: asked.description,
        tags: model::Tags::new(),
    };
    let task = cx.cloud.disk_import(&cx.caller, command, cx.options()?).await?;
    let image_id = task.image().map(|id| id.to_string()).unwrap_or_default();
    Ok(Imported { region_id: cx.region(), image_id, task_id: task.id.to_string() })
}

fn format(parameter: &str, word: &str) -> Result<DiskFormat, Fault> {
    DiskFormat::named(word).ok_or_else(|| Fault::unsupported_parameter(format!("The value '{word}' of {parameter}")))
}

/// Refuses words that mean something which this cloud has not.
fn check_word(name: &str, given: Option<&String>, known: &[&str]) -> Result<(), Fault> {
    match given.filter(|given| !given.is_empty() && !known.iter().any(|known| known.eq_ignore_ascii_case(given))) {
        Some(given) => Err(Fault::unsupported_parameter(format!("The value '{given}' of {name}"))),
        None => Ok(()),
    }
}

/// `ExportImage`.
#[derive(FromArg)]
pub(crate) struct ExportImage {
    image_id: String,
    #[arg(name = "OSSBucket")]
    bucket: String,
    #[arg(name = "OSSPrefix", default)]
    prefix: String,
    image_format: Option<String>,
    #[expect(dead_code, reason = "an account's buckets are its own without a role")]
    role_name: Option<String>,
}

#[derive(Show)]
pub(crate) struct Exported {
    region_id: String,
    task_id: String,
}

/// Exports an image of the account. `DescribeTaskAttribute` tells the object.
pub(crate) async fn export(cx: &Cx<'_>, asked: ExportImage) -> Result<Exported, Fault> {
    let image = filter::id(Noun::Image, &asked.image_id)?;
    let format = format("ImageFormat", asked.image_format.as_deref().filter(|word| !word.is_empty()).unwrap_or("raw"))?;
    let mark = if asked.prefix.is_empty() { String::new() } else { format!("{}_", asked.prefix) };
    let command = Export {
        image,
        bucket: asked.bucket,
        before: format!("{mark}{image}_system_{}", ImageTaskId::PREFIX),
        after: format!(".{format}"),
        format,
        further: FurtherDisks::Refused,
        description: String::new(),
        tags: model::Tags::new(),
    };
    let task = cx.cloud.image_export(&cx.caller, command, cx.options()?).await?;
    Ok(Exported { region_id: cx.region(), task_id: task.id.to_string() })
}

/// `DescribeTasks`.
#[derive(FromArg)]
pub(crate) struct DescribeTasks {
    /// Ids with commas in between.
    task_ids: Option<String>,
    task_action: Option<String>,
    task_status: Option<String>,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    #[arg(max_items = TASKS_PER_CALL)]
    resource_ids: Vec<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Tasks {
    region_id: String,
    #[reply(list = "Task")]
    task_set: Vec<TaskReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct TaskReply {
    task_id: String,
    task_action: &'static str,
    task_status: &'static str,
    support_cancel: String,
    creation_time: Timestamp,
    finished_time: String,
    resource_id: String,
}

/// Lists tasks that import and export.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeTasks) -> Result<Tasks, Fault> {
    let mut filters = Filters::new();
    if let Some(ids) = asked.task_ids.as_ref().filter(|ids| !ids.is_empty()) {
        let ids: Vec<String> = ids.split(',').map(|id| id.trim_matches([' ', '[', ']', '"']).to_owned()).collect();
        if ids.len() > TASKS_PER_CALL {
            return Err(Fault::invalid("TaskIds", format!("more than {TASKS_PER_CALL} tasks")));
        }
        filters.one_of(Field::Id, &ids);
    }
    match asked.task_action.as_deref() {
        None | Some("") => {}
        Some("ImportImage") => drop(filters.exact(Field::Kind, Some("import-image"))),
        Some("ImportSnapshot") => drop(filters.exact(Field::Kind, Some("import-snapshot"))),
        Some("ExportImage") => drop(filters.exact(Field::Kind, Some("export-image"))),
        Some(_) => drop(filters.nothing()),
    }
    if let Some(states) = asked.task_status.as_ref().filter(|states| !states.is_empty()) {
        filters.push(Field::State, states.split(',').filter_map(state).map(str::to_owned).collect());
    }
    let at = |time: Timestamp| Millis(time.as_millisecond());
    if let Some(start) = asked.start_time {
        filters.exact(Field::CreatedSince(at(start)), Some(true));
    }
    if let Some(end) = asked.end_time {
        filters.exact(Field::CreatedUntil(at(end)), Some(true));
    }
    filters.one_of(Field::Resource, &asked.resource_ids);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<ImageTask>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    Ok(Tasks { region_id: cx.region(), task_set: listed.rows.iter().map(reply).collect(), numbers })
}

/// The control plane's word for one of ECS's states; none for those that no task is ever in.
fn state(word: &str) -> Option<&'static str> {
    match word.trim() {
        "Processing" => Some("active"),
        "Finished" => Some("completed"),
        "Failed" => Some("failed"),
        "Deleted" => Some("cancelled"),
        _ => None,
    }
}

const fn status(task: &ImageTask) -> &'static str {
    match task.phase {
        ImageTaskPhase::Active { .. } => "Processing",
        ImageTaskPhase::Completed => "Finished",
        ImageTaskPhase::Failed { .. } => "Failed",
        ImageTaskPhase::Cancelled { .. } => "Deleted",
    }
}

const fn action(task: &ImageTask) -> &'static str {
    match task.work {
        ImageWork::ImportImage { .. } => "ImportImage",
        ImageWork::ImportSnapshot { .. } => "ImportSnapshot",
        ImageWork::ExportImage { .. } => "ExportImage",
    }
}

/// What the task makes or writes.
fn resource(task: &ImageTask) -> String {
    task.image().map(|id| id.to_string()).or_else(|| task.snapshot().map(|id| id.to_string())).unwrap_or_default()
}

fn finished(task: &ImageTask) -> String {
    task.ended_at.map(|at| at.timestamp().to_string()).unwrap_or_default()
}

fn reply(task: &ImageTask) -> TaskReply {
    TaskReply {
        task_id: task.id.to_string(),
        task_action: action(task),
        task_status: status(task),
        support_cancel: task.is_active().to_string(),
        creation_time: task.created_at.timestamp(),
        finished_time: finished(task),
        resource_id: resource(task),
    }
}

/// `DescribeTaskAttribute` and `CancelTask`.
#[derive(FromArg)]
pub(crate) struct OneTask {
    task_id: String,
}

#[derive(Show)]
pub(crate) struct TaskAttribute {
    region_id: String,
    task_id: String,
    task_action: &'static str,
    task_status: &'static str,
    task_process: String,
    support_cancel: String,
    total_count: u32,
    success_count: u32,
    failed_count: u32,
    creation_time: Timestamp,
    finished_time: String,
    #[reply(list = "OperationProgress")]
    operation_progress_set: Vec<Operation>,
}

#[derive(Show)]
struct Operation {
    operation_status: &'static str,
    error_code: &'static str,
    error_msg: String,
    #[reply(list = "RelatedItem")]
    related_item_set: Vec<Item>,
}

#[derive(Show)]
struct Item {
    name: &'static str,
    value: String,
}

/// Tells how far a task is, why it failed, and its object.
pub(crate) async fn describe_one(cx: &Cx<'_>, asked: OneTask) -> Result<TaskAttribute, Fault> {
    let id: ImageTaskId = filter::id(Noun::ImageTask, &asked.task_id)?;
    let listed = cx.cloud.list::<ImageTask>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    let task = listed.rows.first().ok_or_else(|| Fault::not_found(Noun::ImageTask, &asked.task_id))?;
    let is = |phase: bool| u32::from(phase);
    let (done, active) = (matches!(task.phase, ImageTaskPhase::Completed), task.is_active());
    let failed = matches!(task.phase, ImageTaskPhase::Failed { .. });
    let operation = Operation {
        operation_status: if active {
            "Processing"
        } else if done {
            "Success"
        } else {
            "Failed"
        },
        error_code: if failed { "InvalidImageFile" } else { "" },
        error_msg: if active { String::new() } else { task.message().unwrap_or_default().to_owned() },
        related_item_set: vec![
            Item { name: if task.image().is_some() { "ImageId" } else { "SnapshotId" }, value: resource(task) },
            Item { name: "OSSBucket", value: task.object.bucket.clone() },
            Item { name: "OSSObject", value: task.object.key.clone() },
        ],
    };
    Ok(TaskAttribute {
        region_id: cx.region(),
        task_id: asked.task_id,
        task_action: action(task),
        task_status: status(task),
        task_process: format!("{}%", task.percent()),
        support_cancel: active.to_string(),
        total_count: 1,
        success_count: is(done),
        failed_count: is(failed),
        creation_time: task.created_at.timestamp(),
        finished_time: finished(task),
        operation_progress_set: vec![operation],
    })
}

/// Ends a task that is under way.
pub(crate) async fn cancel(cx: &Cx<'_>, asked: OneTask) -> Result<(), Fault> {
    let command = CancelImageTask { task: filter::id(Noun::ImageTask, &asked.task_id)?, reason: String::new() };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(())
}
