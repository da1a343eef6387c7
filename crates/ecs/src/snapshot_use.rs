//! What an account's snapshots are and take, disk by disk and together; and copies of them.

use std::collections::BTreeMap;

use control::{Field, Query};
use model::{EncryptionChoice, Noun, Snapshot, Volume, VolumeId};
use wire::{FromArg, Json, JsonList, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::page::{PAGE_SIZE_MAX, Paged, Paging, read_token, write_token};
use crate::subnet::every;

/// Most disks or chains that one call names (ECS documents 100).
const NAMED_PER_CALL: usize = 100;
/// What ids of chains begin with. A chain is nothing by itself here, so it has its disk's digits.
const LINK: &str = "sl-";

/// `CopySnapshot`.
#[derive(FromArg)]
pub(crate) struct CopySnapshot {
    snapshot_id: String,
    destination_region_id: String,
    destination_snapshot_name: Option<String>,
    destination_snapshot_description: Option<String>,
    encrypted: Option<bool>,
    #[arg(name = "KMSKeyId")]
    kms_key_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Copied {
    snapshot_id: String,
}

/// Copies a snapshot within the region, encrypted or as it is.
pub(crate) async fn copy(cx: &Cx<'_>, asked: CopySnapshot) -> Result<Copied, Fault> {
    if asked.destination_region_id != cx.region() {
        return Err(Fault::unsupported_parameter("A DestinationRegionId other than the region's own"));
    }
    let command = control::CopySnapshot {
        snapshot: filter::id(Noun::Snapshot, &asked.snapshot_id)?,
        name: asked.destination_snapshot_name,
        encryption: EncryptionChoice::asked(asked.encrypted, asked.kms_key_id.as_deref())?,
        description: asked.destination_snapshot_description,
        tags: tags_of(asked.tags)?,
    };
    let copy = cx.cloud.snapshot_copy(&cx.caller, command, cx.options()?).await?;
    Ok(Copied { snapshot_id: copy.id.to_string() })
}

/// The reply of `DescribeSnapshotsUsage`.
#[derive(Show)]
pub(crate) struct Usage {
    snapshot_count: usize,
    snapshot_size: u64,
}

/// Tells how many snapshots there are and how many bytes they take.
pub(crate) async fn usage(cx: &Cx<'_>, _: crate::account::Nothing) -> Result<Usage, Fault> {
    let own = own(cx).await?;
    Ok(Usage { snapshot_count: own.len(), snapshot_size: own.iter().map(|snapshot| snapshot.stored_bytes).sum() })
}

/// `DescribeSnapshotLinks`.
#[derive(FromArg)]
pub(crate) struct DescribeSnapshotLinks {
    instance_id: Option<String>,
    #[arg(max_items = NAMED_PER_CALL)]
    disk_ids: Option<JsonList<String>>,
    #[arg(max_items = NAMED_PER_CALL)]
    snapshot_link_ids: Option<JsonList<String>>,
    #[arg(flatten)]
    paged: Paged,
}

#[derive(Show)]
pub(crate) struct Links {
    #[reply(list = "SnapshotLink")]
    snapshot_links: Vec<LinkReply>,
    #[reply(flatten)]
    paging: Paging,
}

#[derive(Show)]
struct LinkReply {
    snapshot_link_id: String,
    region_id: String,
    source_disk_id: String,
    source_disk_name: String,
    source_disk_size: u32,
    source_disk_type: &'static str,
    instance_id: String,
    category: &'static str,
    instant_access: bool,
    total_count: usize,
    total_size: u64,
}

/// Lists chains: the snapshots of each disk, also of disks that are gone.
pub(crate) async fn links(cx: &Cx<'_>, asked: DescribeSnapshotLinks) -> Result<Links, Fault> {
    let mut chains: BTreeMap<VolumeId, Vec<Snapshot>> = BTreeMap::new();
    for snapshot in own(cx).await? {
        chains.entry(snapshot.volume).or_default().push(snapshot);
    }
    let disks: BTreeMap<VolumeId, Volume> = every::<Volume>(cx).await?.into_iter().map(|volume| (volume.id, volume)).collect();
    let instance = asked.instance_id.filter(|id| !id.is_empty());
    let holder = |id: &VolumeId| disks.get(id).and_then(|disk| disk.instance).map(|id| id.to_string()).unwrap_or_default();
    chains.retain(|id, _| {
        let named = |list: &Option<JsonList<String>>, text: String| list.as_ref().is_none_or(|Json(ids)| ids.contains(&text));
        let is_named = named(&asked.disk_ids, id.to_string()) && named(&asked.snapshot_link_ids, link_id(*id));
        is_named && instance.as_ref().is_none_or(|wanted| *wanted == holder(id))
    });
    let rows = chains.into_iter().map(|(id, snapshots)| link(cx, id, disks.get(&id), &snapshots)).collect();
    let (snapshot_links, paging) = cut(&asked.paged, rows)?;
    Ok(Links { snapshot_links, paging })
}

/// Cuts the page out, which a token names by its first row.
fn cut(paged: &Paged, rows: Vec<LinkReply>) -> Result<(Vec<LinkReply>, Paging), Fault> {
    let token = paged.next_token.as_deref().filter(|token| !token.is_empty());
    if token.is_none() && paged.max_results.is_none() {
        let (rows, numbers) = paged.numbered.cut(rows, PAGE_SIZE_MAX)?;
        let (page_number, page_size) = (Some(numbers.page_number), Some(numbers.page_size));
        return Ok((rows, Paging { total_count: numbers.total_count, page_number, page_size, next_token: String::new() }));
    }
    paged.page(PAGE_SIZE_MAX)?;
    let (from, size) = (token.map(read_token).transpose()?.unwrap_or(0), paged.max_results.unwrap_or(crate::page::PAGE_SIZE));
    let (total_count, from) = (rows.len(), usize::try_from(from).unwrap_or(usize::MAX));
    let next = from.saturating_add(size);
    let next_token = if next < total_count { write_token(next as u64) } else { String::new() };
    let rows = rows.into_iter().skip(from).take(size).collect();
    Ok((rows, Paging { total_count, page_number: None, page_size: None, next_token }))
}

fn link_id(disk: VolumeId) -> String {
    disk.to_string().replacen(VolumeId::PREFIX, LINK, 1)
}

/// The disk of a chain; a text that names none where it is no id of a chain.
pub(crate) fn disk_of_link(link: &str) -> String {
    link.strip_prefix(LINK).map_or_else(|| link.to_owned(), |digits| format!("{}{digits}", VolumeId::PREFIX))
}

fn link(cx: &Cx<'_>, id: VolumeId, disk: Option<&Volume>, snapshots: &[Snapshot]) -> LinkReply {
    LinkReply {
        snapshot_link_id: link_id(id),
        region_id: cx.region(),
        source_disk_id: id.to_string(),
        source_disk_name: disk.map(|disk| disk.shown_name().to_owned()).unwrap_or_default(),
        source_disk_size: disk.map(|disk| disk.size.0).or(snapshots.last().map(|last| last.size.0)).unwrap_or(0),
        source_disk_type: if snapshots.last().is_some_and(|last| last.of_root) { "system" } else { "data" },
        instance_id: disk.and_then(|disk| disk.instance).map(|id| id.to_string()).unwrap_or_default(),
        category: "standard",
        instant_access: false,
        total_count: snapshots.len(),
        total_size: snapshots.iter().map(|snapshot| snapshot.stored_bytes).sum(),
    }
}

/// The caller's own snapshots.
async fn own(cx: &Cx<'_>) -> Result<Vec<Snapshot>, Fault> {
    let mut filters = Filters::new();
    filters.exact(Field::Owner, Some(cx.caller.account()));
    let filters = filters.into_vec();
    let mut rows = Vec::new();
    let mut page = control::Page::First(control::PAGE_MAX);
    loop {
        let listed = cx.cloud.list::<Snapshot>(&cx.caller, Query { ids: vec![], filters: filters.clone(), page }).await?;
        rows.extend(listed.rows);
        match listed.next {
            Some(last) => page = control::Page::After { last, size: control::PAGE_MAX },
            None => return Ok(rows),
        }
    }
}
