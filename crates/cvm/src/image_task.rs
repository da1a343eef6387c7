//! Images that come from objects of the account's buckets and go into them.

use control::{ExportImage as Export, FurtherDisks, ImportDisk, ImportInto};
use model::{BucketObject, DiskFormat, ImageId, ImageTaskId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::tag::{self, TagSpecification};
use crate::{Cx, id};

/// Most characters of an image's description (CVM documents 256).
const DESCRIPTION_MAX: usize = 256;

/// `ImportImage`.
#[derive(FromArg)]
pub(crate) struct ImportImage {
    architecture: String,
    os_type: String,
    os_version: String,
    image_url: String,
    image_name: String,
    #[arg(default, max_len = DESCRIPTION_MAX)]
    image_description: String,
    #[arg(default)]
    dry_run: bool,
    #[expect(dead_code, reason = "what the disk holds is never looked at")]
    force: Option<bool>,
    license_type: Option<String>,
    boot_mode: Option<String>,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tag_specification: Vec<TagSpecification>,
}

/// What CVM imports and this cloud does not.
pub(crate) const IMPORT_ABSENT: &[&str] = &["ImageFamily", "ImportImageDataDiskList"];

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Imported {
    image_id: String,
}

/// Imports an image of one disk; it is `IMPORTING` until all of it is there.
pub(crate) async fn import(cx: &Cx<'_>, asked: ImportImage) -> Result<Imported, Fault> {
    check_word("Architecture", Some(&asked.architecture), &["x86_64"])?;
    check_word("LicenseType", asked.license_type.as_ref(), &["TencentCloud", "BYOL"])?;
    check_word("BootMode", asked.boot_mode.as_ref(), &["Legacy BIOS"])?;
    if asked.os_type.eq_ignore_ascii_case("windows") {
        return Err(Fault::unsupported("Windows"));
    }
    let (bucket, key) = in_bucket(&asked.image_url)?;
    // CVM has no parameter for the format: what the key ends in is what the tenant says.
    let ending = key.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    let format = match ending {
        "img" => Some(DiskFormat::Raw),
        other => DiskFormat::named(other),
    };
    let format = format.ok_or_else(|| Fault::invalid("ImageUrl", "must end in .raw, .img, .vmdk, .vhd, .vhdx or .qcow2"))?;
    let command = ImportDisk {
        into: ImportInto::Image {
            name: asked.image_name,
            platform: Some(format!("{} {}", asked.os_type, asked.os_version)),
            size: None,
            tags: tag::specified(asked.tag_specification, "image")?,
        },
        object: BucketObject::new(bucket, key)?,
        format,
        description: asked.image_description,
        tags: model::Tags::new(),
    };
    let options = control::Options { dry_run: asked.dry_run, ..cx.options() };
    let task = cx.cloud.disk_import(&cx.caller, command, options).await?;
    Ok(Imported { image_id: id::shown_or_empty(task.image()) })
}

/// Bucket and key of `https://BUCKET.cos.REGION.myqcloud.com/KEY`, which names them and is never fetched, or `cos://BUCKET/KEY`.
fn in_bucket(url: &str) -> Result<(&str, &str), Fault> {
    let refused =
        || Fault::invalid("ImageUrl", "must be https://BUCKET.cos.REGION.myqcloud.com/KEY or cos://BUCKET/KEY, of a bucket of this cloud");
    if url.contains(['%', '?', '#']) {
        return Err(Fault::invalid("ImageUrl", "must have no escaped letters and no query"));
    }
    if let Some(rest) = url.strip_prefix("cos://") {
        return rest.split_once('/').ok_or_else(refused);
    }
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or_else(refused)?;
    let (host, key) = rest.split_once('/').ok_or_else(refused)?;
    let bucket = host.strip_suffix(".myqcloud.com").and_then(|host| host.rsplit_once(".cos.")).map(|(bucket, _)| bucket);
    Ok((bucket.ok_or_else(refused)?, key))
}

/// Refuses words that mean something which this cloud has not.
fn check_word(name: &str, given: Option<&String>, known: &[&str]) -> Result<(), Fault> {
    match given.filter(|given| !given.is_empty() && !known.contains(&given.as_str())) {
        Some(given) => Err(Fault::unsupported(format!("The value `{given}` of {name}"))),
        None => Ok(()),
    }
}

/// `ExportImages`.
#[derive(FromArg)]
pub(crate) struct ExportImages {
    bucket_name: String,
    #[arg(max_items = 1)]
    image_ids: Vec<String>,
    export_format: Option<ExportFormat>,
    #[arg(max_items = 1)]
    file_name_prefix_list: Vec<String>,
    #[arg(default)]
    only_export_root_disk: bool,
    #[arg(default)]
    dry_run: bool,
    #[expect(dead_code, reason = "an account's buckets are its own without a role")]
    role_name: Option<String>,
}

#[derive(Clone, Copy, FromArg)]
enum ExportFormat {
    #[arg(name = "RAW")]
    Raw,
    #[arg(name = "QCOW2")]
    Qcow2,
    #[arg(name = "VHD")]
    Vhd,
    #[arg(name = "VMDK")]
    Vmdk,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Exported {
    task_id: u64,
    cos_paths: Vec<String>,
}

/// Exports an image of the account.
pub(crate) async fn export(cx: &Cx<'_>, asked: ExportImages) -> Result<Exported, Fault> {
    let images = id::read_some::<ImageId>("ImageIds", &asked.image_ids)?;
    let image = *images.first().ok_or_else(|| Fault::missing("ImageIds"))?;
    let format = match asked.export_format.unwrap_or(ExportFormat::Raw) {
        ExportFormat::Raw => DiskFormat::Raw,
        ExportFormat::Qcow2 => DiskFormat::Qcow2,
        ExportFormat::Vhd => DiskFormat::Vhd,
        ExportFormat::Vmdk => DiskFormat::Vmdk,
    };
    let mark =
        asked.file_name_prefix_list.first().filter(|prefix| !prefix.is_empty()).map_or_else(String::new, |prefix| format!("{prefix}_"));
    let command = Export {
        image,
        bucket: asked.bucket_name,
        before: format!("{mark}{}_system_{}", id::shown(image), ImageTaskId::PREFIX),
        after: format!(".{format}"),
        format,
        further: if asked.only_export_root_disk { FurtherDisks::LeftOut } else { FurtherDisks::Refused },
        description: String::new(),
        tags: model::Tags::new(),
    };
    let options = control::Options { dry_run: asked.dry_run, ..cx.options() };
    let task = cx.cloud.image_export(&cx.caller, command, options).await?;
    Ok(Exported { task_id: task.id.as_u64(), cos_paths: vec![task.object.key] })
}
