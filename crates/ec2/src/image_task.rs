//! Tasks that import images and snapshots from objects of the account's buckets, and export images into them.

use control::{CancelImageTask, ExportImage as Export, Field, Filter, FurtherDisks, ImportDisk, ImportInto, Query};
use model::{BucketObject, DiskFormat, Error, ImageTask, ImageTaskId, ImageTaskPhase, ImageWork, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, unsupported};
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL, every_row};
use crate::tag::{self, TagItem, TagSpecification};
use crate::volume::ROOT_DEVICE;

/// What EC2 does on the way and this cloud does not.
pub(crate) const IMPORT_IMAGE_ABSENT: &[&str] = &["Encrypted", "KmsKeyId", "LicenseSpecifications", "UsageOperation"];
/// The same of snapshots.
pub(crate) const IMPORT_SNAPSHOT_ABSENT: &[&str] = &["Encrypted", "KmsKeyId"];

/// A disk that is imported.
#[derive(FromArg)]
struct DiskContainer {
    description: Option<String>,
    device_name: Option<String>,
    format: Option<String>,
    snapshot_id: Option<String>,
    url: Option<String>,
    user_bucket: Option<UserBucket>,
}

#[derive(FromArg)]
struct UserBucket {
    #[arg(name = "S3Bucket")]
    bucket: Option<String>,
    #[arg(name = "S3Key")]
    key: Option<String>,
}

/// What a client tells of its upload, which nobody needs.
#[derive(FromArg)]
struct ClientData {
    #[expect(dead_code, reason = "a comment")]
    comment: Option<String>,
    #[expect(dead_code, reason = "the object is measured")]
    upload_size: Option<String>,
    #[expect(dead_code, reason = "nobody needs it")]
    upload_start: Option<String>,
    #[expect(dead_code, reason = "nobody needs it")]
    upload_end: Option<String>,
}

/// The parameters of `ImportImage`.
#[derive(FromArg)]
pub(crate) struct ImportImage {
    architecture: Option<String>,
    boot_mode: Option<String>,
    #[expect(dead_code, reason = "nobody needs it")]
    client_data: Option<ClientData>,
    client_token: Option<String>,
    description: Option<String>,
    #[arg(name = "DiskContainer")]
    disks: Vec<DiskContainer>,
    hypervisor: Option<String>,
    license_type: Option<String>,
    platform: Option<String>,
    #[expect(dead_code, reason = "an account's buckets are its own without a role")]
    role_name: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The parameters of `ImportSnapshot`.
#[derive(FromArg)]
pub(crate) struct ImportSnapshot {
    #[expect(dead_code, reason = "nobody needs it")]
    client_data: Option<ClientData>,
    client_token: Option<String>,
    description: Option<String>,
    disk_container: Option<DiskContainer>,
    #[expect(dead_code, reason = "an account's buckets are its own without a role")]
    role_name: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// An import of an image, and the reply of `ImportImage`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct ImageItem {
    architecture: &'static str,
    description: String,
    encrypted: bool,
    hypervisor: &'static str,
    image_id: Option<String>,
    import_task_id: String,
    license_type: &'static str,
    platform: &'static str,
    progress: Option<String>,
    #[reply(name = "snapshotDetailSet")]
    snapshot_details: Vec<Detail>,
    status: &'static str,
    status_message: Option<String>,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    usage_operation: &'static str,
}

/// A disk on its way.
#[derive(Show)]
#[reply(rename = "camelCase")]
struct Detail {
    device_name: Option<&'static str>,
    /// Bytes.
    disk_image_size: Option<u64>,
    format: String,
    progress: Option<String>,
    snapshot_id: Option<String>,
    status: &'static str,
    status_message: Option<String>,
    user_bucket: Bucket,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Bucket {
    s3_bucket: String,
    s3_key: String,
}

/// An import of a snapshot, and the reply of `ImportSnapshot`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct SnapshotTask {
    description: String,
    import_task_id: String,
    snapshot_task_detail: SnapshotDetail,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct SnapshotDetail {
    description: String,
    disk_image_size: Option<u64>,
    encrypted: bool,
    format: String,
    progress: Option<String>,
    snapshot_id: Option<String>,
    status: &'static str,
    status_message: Option<String>,
    user_bucket: Bucket,
}

/// An export, and the reply of `ExportImage`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Exported {
    description: String,
    disk_image_format: String,
    export_image_task_id: String,
    image_id: Option<String>,
    role_name: Option<String>,
    progress: Option<String>,
    s3_export_location: Location,
    status: &'static str,
    status_message: Option<String>,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

/// As [`Exported`]; `DescribeExportImageTasks` tells neither format nor role.
#[derive(Show)]
#[reply(rename = "camelCase")]
struct ExportItem {
    description: String,
    export_image_task_id: String,
    image_id: Option<String>,
    progress: Option<String>,
    s3_export_location: Location,
    status: &'static str,
    status_message: Option<String>,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Location {
    s3_bucket: String,
    s3_prefix: String,
}

/// Imports an image of one disk.
pub(crate) async fn import_image(cx: Cx, asked: ImportImage) -> Result<ImageItem, Refusal> {
    check_words("Architecture", asked.architecture.as_deref(), &["x86_64"])?;
    check_words("BootMode", asked.boot_mode.as_deref(), &["legacy-bios"])?;
    check_words("Hypervisor", asked.hypervisor.as_deref(), &["xen"])?;
    check_words("LicenseType", asked.license_type.as_deref(), &["AWS", "BYOL"])?;
    check_words("Platform", asked.platform.as_deref(), &["Linux"])?;
    let disk = match asked.disks.as_slice() {
        [] => return Err(Error::MissingParameter { name: "DiskContainer" }.into()),
        [disk] => disk,
        [_, _, ..] => return Err(unsupported("An image of several disks")),
    };
    let kinds = ["import-image-task", "image"];
    let (object, format) = disk.read()?;
    let command = ImportDisk {
        into: ImportInto::Image { name: String::new(), platform: None, size: None, tags: tag::specified(&asked.tags, kinds[1], &kinds)? },
        object,
        format,
        description: asked.description.unwrap_or_default(),
        tags: tag::specified(&asked.tags, kinds[0], &kinds)?,
    };
    let task = cx.cloud.disk_import(&cx.caller, command, cx.options(token(asked.client_token))).await?;
    Ok(image_item(&task))
}

/// Imports a snapshot.
pub(crate) async fn import_snapshot(cx: Cx, asked: ImportSnapshot) -> Result<SnapshotTask, Refusal> {
    let disk = asked.disk_container.ok_or(Error::MissingParameter { name: "DiskContainer" })?;
    let kinds = ["import-snapshot-task", "snapshot"];
    let (object, format) = disk.read()?;
    let command = ImportDisk {
        into: ImportInto::Snapshot { tags: tag::specified(&asked.tags, kinds[1], &kinds)? },
        object,
        format,
        description: asked.description.or(disk.description).unwrap_or_default(),
        tags: tag::specified(&asked.tags, kinds[0], &kinds)?,
    };
    let task = cx.cloud.disk_import(&cx.caller, command, cx.options(token(asked.client_token))).await?;
    Ok(snapshot_task(&task))
}

impl DiskContainer {
    /// Where the disk lies, and in which format it is said to be.
    fn read(&self) -> Result<(BucketObject, DiskFormat), Refusal> {
        if self.snapshot_id.is_some() || self.device_name.as_deref().is_some_and(|name| name != ROOT_DEVICE) {
            return Err(unsupported("A disk of a snapshot, or at another device than the system disk's,"));
        }
        let (bucket, key) = match (&self.user_bucket, &self.url) {
            (Some(UserBucket { bucket: Some(bucket), key: Some(key) }), None) => (bucket.as_str(), key.as_str()),
            (None, Some(url)) => in_bucket(url)?,
            (Some(_), Some(_)) => return Err(crate::error::combination("Url and UserBucket exclude each other")),
            (Some(_), None) => return Err(Error::MissingParameter { name: "DiskContainer.UserBucket.S3Key" }.into()),
            (None, None) => return Err(Error::MissingParameter { name: "DiskContainer.UserBucket" }.into()),
        };
        let format = self.format.as_deref().ok_or(Error::MissingParameter { name: "DiskContainer.Format" })?;
        let known = DiskFormat::named(format).ok_or_else(|| unsupported(format!("The disk format '{format}'")))?;
        Ok((BucketObject::new(bucket, key)?, known))
    }
}

/// Bucket and key of `s3://bucket/key`. Nothing is ever fetched from a network.
fn in_bucket(url: &str) -> Result<(&str, &str), Refusal> {
    let rest = url.strip_prefix("s3://").ok_or_else(|| unsupported("A URL that is not s3://bucket/key"))?;
    Ok(rest.split_once('/').ok_or_else(|| Error::invalid("Url", "must be s3://bucket/key"))?)
}

/// Refuses words that mean something which this cloud has not.
fn check_words(name: &str, given: Option<&str>, known: &[&str]) -> Result<(), Refusal> {
    match given.filter(|given| !given.is_empty() && !known.contains(given)) {
        Some(given) => Err(unsupported(format!("The value '{given}' of {name}"))),
        None => Ok(()),
    }
}

fn token(given: Option<String>) -> Option<String> {
    given.filter(|token| !token.is_empty())
}

/// The parameters of `ExportImage`.
#[derive(FromArg)]
pub(crate) struct ExportImage {
    client_token: Option<String>,
    description: Option<String>,
    disk_image_format: ExportFormat,
    image_id: String,
    #[arg(name = "S3ExportLocation")]
    location: ExportLocation,
    role_name: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

#[derive(FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum ExportFormat {
    Vmdk,
    Raw,
    Vhd,
}

#[derive(FromArg)]
struct ExportLocation {
    #[arg(name = "S3Bucket")]
    bucket: String,
    #[arg(name = "S3Prefix")]
    prefix: Option<String>,
}

/// Exports an image of the account.
pub(crate) async fn export(cx: Cx, asked: ExportImage) -> Result<Exported, Refusal> {
    let format = match asked.disk_image_format {
        ExportFormat::Vmdk => DiskFormat::Vmdk,
        ExportFormat::Raw => DiskFormat::Raw,
        ExportFormat::Vhd => DiskFormat::Vhd,
    };
    let kind = "export-image-task";
    let command = Export {
        image: tag::id(Noun::Image, &asked.image_id)?,
        bucket: asked.location.bucket,
        before: format!("{}{EXPORT_PREFIX}", asked.location.prefix.unwrap_or_default()),
        after: format!(".{format}"),
        format,
        further: FurtherDisks::Refused,
        description: asked.description.unwrap_or_default(),
        tags: tag::specified(&asked.tags, kind, &[kind])?,
    };
    let task = cx.cloud.image_export(&cx.caller, command, cx.options(token(asked.client_token))).await?;
    let ExportItem { description, export_image_task_id, image_id, progress, s3_export_location, status, status_message, tag_set } =
        export_item(&task);
    Ok(Exported {
        description,
        disk_image_format: task.format.as_str().to_uppercase(),
        export_image_task_id,
        image_id,
        role_name: asked.role_name,
        progress,
        s3_export_location,
        status,
        status_message,
        tag_set,
    })
}

const IMAGE_PREFIX: &str = "import-ami-";
const SNAPSHOT_PREFIX: &str = "import-snap-";
const EXPORT_PREFIX: &str = "export-ami-";

/// EC2's id of a task: it tells what the task does.
fn shown_id(task: &ImageTask) -> String {
    let prefix = match task.work {
        ImageWork::ImportImage { .. } => IMAGE_PREFIX,
        ImageWork::ImportSnapshot { .. } => SNAPSHOT_PREFIX,
        ImageWork::ExportImage { .. } => EXPORT_PREFIX,
    };
    task.id.to_string().replacen(ImageTaskId::PREFIX, prefix, 1)
}

/// The task of an id that begins with one of these.
fn id(text: &str, prefixes: &[&str]) -> Result<ImageTaskId, Refusal> {
    let digits = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    let parsed = digits.map(|digits| format!("{}{digits}", ImageTaskId::PREFIX).parse());
    match parsed {
        Some(Ok(id)) => Ok(id),
        Some(Err(error)) => Err(Error::bad_id(Noun::ImageTask, text, error).into()),
        None => Err(Error::bad_id(Noun::ImageTask, text, model::IdError::Malformed { wanted: "image task" }).into()),
    }
}

/// `active`, `completed`, or what EC2 says of tasks that failed or were cancelled.
fn status(task: &ImageTask) -> &'static str {
    match task.phase {
        ImageTaskPhase::Active { .. } => "active",
        ImageTaskPhase::Completed => "completed",
        ImageTaskPhase::Failed { .. } | ImageTaskPhase::Cancelled { .. } => "deleted",
    }
}

fn message(task: &ImageTask) -> Option<String> {
    let said = task.message()?;
    Some(if matches!(task.phase, ImageTaskPhase::Failed { .. }) { format!("ClientError: {said}") } else { said.to_owned() })
}

fn progress(task: &ImageTask) -> Option<String> {
    task.is_active().then(|| task.percent().to_string())
}

fn made<T: ToString>(task: &ImageTask, id: Option<T>) -> Option<String> {
    id.filter(|_| matches!(task.phase, ImageTaskPhase::Completed)).map(|id| id.to_string())
}

fn bucket(task: &ImageTask) -> Bucket {
    Bucket { s3_bucket: task.object.bucket.clone(), s3_key: task.object.key.clone() }
}

fn image_item(task: &ImageTask) -> ImageItem {
    let detail = Detail {
        device_name: made(task, task.snapshot()).map(|_| ROOT_DEVICE),
        disk_image_size: task.object_bytes,
        format: task.format.as_str().to_uppercase(),
        progress: progress(task),
        snapshot_id: made(task, task.snapshot()),
        status: status(task),
        status_message: message(task),
        user_bucket: bucket(task),
    };
    ImageItem {
        architecture: "x86_64",
        description: task.description.clone(),
        encrypted: false,
        hypervisor: "xen",
        image_id: made(task, task.image()),
        import_task_id: shown_id(task),
        license_type: "BYOL",
        platform: "Linux",
        progress: progress(task),
        snapshot_details: vec![detail],
        status: status(task),
        status_message: message(task),
        tag_set: tag::items(&task.tags),
        usage_operation: "RunInstances",
    }
}

fn snapshot_task(task: &ImageTask) -> SnapshotTask {
    let detail = SnapshotDetail {
        description: task.description.clone(),
        disk_image_size: task.object_bytes,
        encrypted: false,
        format: task.format.as_str().to_uppercase(),
        progress: progress(task),
        snapshot_id: made(task, task.snapshot()),
        status: status(task),
        status_message: message(task),
        user_bucket: bucket(task),
    };
    let (description, tag_set) = (task.description.clone(), tag::items(&task.tags));
    SnapshotTask { description, import_task_id: shown_id(task), snapshot_task_detail: detail, tag_set }
}

fn export_item(task: &ImageTask) -> ExportItem {
    let id = shown_id(task);
    let prefix = task.object.key.strip_suffix(&format!("{id}.{}", task.format)).unwrap_or_default();
    ExportItem {
        description: task.description.clone(),
        image_id: task.image().map(|id| id.to_string()),
        progress: progress(task),
        s3_export_location: Location { s3_bucket: task.object.bucket.clone(), s3_prefix: prefix.to_owned() },
        status: status(task),
        status_message: message(task),
        tag_set: tag::items(&task.tags),
        export_image_task_id: id,
    }
}

/// The parameters of `DescribeImportImageTasks` and `DescribeImportSnapshotTasks`.
#[derive(FromArg)]
pub(crate) struct DescribeImportTasks {
    #[arg(name = "ImportTaskId")]
    ids: Vec<String>,
    #[arg(name = "Filters")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The parameters of `DescribeExportImageTasks`.
#[derive(FromArg)]
pub(crate) struct DescribeExportTasks {
    #[arg(name = "ExportImageTaskId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeImportImageTasks`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct ImportImageTasks {
    import_image_task_set: Vec<ImageItem>,
    next_token: Option<String>,
}

/// The reply of `DescribeImportSnapshotTasks`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct ImportSnapshotTasks {
    import_snapshot_task_set: Vec<SnapshotTask>,
    next_token: Option<String>,
}

/// The reply of `DescribeExportImageTasks`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct ExportImageTasks {
    export_image_task_set: Vec<ExportItem>,
    next_token: Option<String>,
}

/// Filters of tasks.
const FILTERS: &[&str] = &["task-state"];

/// A page of the tasks of one kind.
async fn page(
    cx: &Cx,
    (kind, prefix): (&str, &str),
    (ids, filters, paging): (&[String], &[AskedFilter], &Paging),
) -> Result<(Vec<ImageTask>, Option<String>), Refusal> {
    let pages = paging.pages(cx, USUAL, filters)?;
    let wanted = ids.iter().map(|text| id(text, &[prefix])).collect::<Result<Vec<_>, _>>()?;
    let of_kind = Filter { field: Field::Kind, values: vec![kind.to_owned()] };
    let mut rows = every_row::<ImageTask>(cx, Query { filters: vec![of_kind], ..Query::default() }).await?;
    // One of another kind is as good as absent, and told by the name that was given.
    if let Some((text, _)) = ids.iter().zip(&wanted).find(|(_, id)| !rows.iter().any(|task| task.id == **id)) {
        return Err(Error::not_found(Noun::ImageTask, text).into());
    }
    rows.retain(|task| wanted.is_empty() || wanted.contains(&task.id));
    filter::retain(&mut rows, filters, |task, name| (name == "task-state").then(|| vec![status(task).to_owned()]), FILTERS)?;
    Ok(pages.cut(rows, shown_id))
}

/// Lists imports of images.
pub(crate) async fn describe_images(cx: Cx, asked: DescribeImportTasks) -> Result<ImportImageTasks, Refusal> {
    let (rows, next_token) = page(&cx, ("import-image", IMAGE_PREFIX), (&asked.ids, &asked.filters, &asked.paging)).await?;
    Ok(ImportImageTasks { import_image_task_set: rows.iter().map(image_item).collect(), next_token })
}

/// Lists imports of snapshots.
pub(crate) async fn describe_snapshots(cx: Cx, asked: DescribeImportTasks) -> Result<ImportSnapshotTasks, Refusal> {
    let (rows, next_token) = page(&cx, ("import-snapshot", SNAPSHOT_PREFIX), (&asked.ids, &asked.filters, &asked.paging)).await?;
    Ok(ImportSnapshotTasks { import_snapshot_task_set: rows.iter().map(snapshot_task).collect(), next_token })
}

/// Lists exports.
pub(crate) async fn describe_exports(cx: Cx, asked: DescribeExportTasks) -> Result<ExportImageTasks, Refusal> {
    let (rows, next_token) = page(&cx, ("export-image", EXPORT_PREFIX), (&asked.ids, &asked.filters, &asked.paging)).await?;
    Ok(ExportImageTasks { export_image_task_set: rows.iter().map(export_item).collect(), next_token })
}

/// The parameters of `CancelImportTask`.
#[derive(FromArg)]
pub(crate) struct CancelImportTask {
    import_task_id: String,
    cancel_reason: Option<String>,
}

/// The reply of `CancelImportTask`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Cancelled {
    import_task_id: String,
    previous_state: &'static str,
    state: &'static str,
}

/// Ends an import.
pub(crate) async fn cancel_import(cx: Cx, asked: CancelImportTask) -> Result<Cancelled, Refusal> {
    let task = id(&asked.import_task_id, &[IMAGE_PREFIX, SNAPSHOT_PREFIX])?;
    let command = CancelImageTask { task, reason: asked.cancel_reason.unwrap_or_default() };
    let task = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Cancelled { import_task_id: shown_id(&task), previous_state: "active", state: "deleting" })
}

/// The parameters of `CancelExportTask`.
#[derive(FromArg)]
pub(crate) struct CancelExportTask {
    #[arg(alias = "exportTaskId")]
    export_task_id: String,
}

/// Ends an export.
pub(crate) async fn cancel_export(cx: Cx, asked: CancelExportTask) -> Result<(), Refusal> {
    let command = CancelImageTask { task: id(&asked.export_task_id, &[EXPORT_PREFIX])?, reason: String::new() };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(())
}
