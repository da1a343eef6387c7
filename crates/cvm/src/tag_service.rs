//! The tag service, which has the tags of anything.

use control::{
    BandwidthPackageView, CreateTags, DeleteTags, Field, Filter, Listing, NatGatewayView, NetworkAclView, PlacementGroupView, Query,
    RouteTableView, WhichTags,
};
use md5::{Digest, Md5};
use model::{
    Address, AddressId, BandwidthPackageId, Error, FlowLog, FlowLogId, Image, ImageId, InstanceId, Interface, InterfaceId, KeyPair,
    KeyPairId, LaunchTemplate, LaunchTemplateId, NatGatewayId, NetworkAclId, PlacementGroupId, RouteTableId, SecurityGroup,
    SecurityGroupId, Snapshot, SnapshotId, Subnet, SubnetId, Tags, Volume, VolumeId, Vpc, VpcId,
};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::id::{self, Id};
use crate::tag::{TAGS_PER_CALL, head};
use crate::{Cx, filter};

/// Most things that one call names (the service documents 20 for changes and 50 for looks).
const RESOURCES_PER_CALL: usize = 50;
/// Tags of one reply when no limit is given, and at most.
const LIMIT: usize = 15;
const LIMIT_MAX: usize = 400;

/// A tag of the tag service's calls.
#[derive(Debug, FromArg)]
struct ServiceTag {
    tag_key: String,
    tag_value: Option<String>,
}

/// `TagResources`.
#[derive(FromArg)]
pub(crate) struct TagResources {
    #[arg(max_items = RESOURCES_PER_CALL)]
    resource_list: Vec<String>,
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<ServiceTag>,
}

/// `UnTagResources`.
#[derive(FromArg)]
pub(crate) struct UnTagResources {
    #[arg(max_items = RESOURCES_PER_CALL)]
    resource_list: Vec<String>,
    #[arg(max_items = TAGS_PER_CALL)]
    tag_keys: Vec<String>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Failed {
    failed_resources: Vec<FailedResource>,
}

#[derive(Show)]
struct FailedResource {
    resource: String,
    code: String,
    message: String,
}

/// Adds tags to things, each for itself.
pub(crate) async fn tag(cx: &Cx<'_>, asked: TagResources) -> Result<Failed, Fault> {
    let (resources, given) = (asked.resource_list, asked.tags.len());
    let tags: Tags = asked.tags.into_iter().map(|tag| (tag.tag_key, tag.tag_value.unwrap_or_default())).collect();
    if tags.is_empty() {
        return Err(Fault::missing("Tags"));
    }
    if tags.len() < given {
        return Err(Fault::new("InvalidParameterValue.DuplicateTags", "A tag is given twice."));
    }
    let mut failed = vec![];
    for resource in named(resources)? {
        let done = match ours(&resource, cx) {
            Some(id) => {
                cx.cloud.run(&cx.caller, CreateTags { resources: vec![id], tags: tags.clone() }, cx.options()).await.map_err(Fault::from)
            }
            None => Err(unreadable(&resource)),
        };
        note(&mut failed, resource, done)?;
    }
    Ok(Failed { failed_resources: failed })
}

/// Takes tags from things, each for itself.
pub(crate) async fn untag(cx: &Cx<'_>, asked: UnTagResources) -> Result<Failed, Fault> {
    if asked.tag_keys.is_empty() {
        return Err(Fault::missing("TagKeys"));
    }
    let keys: Vec<_> = asked.tag_keys.into_iter().map(|key| (key, None)).collect();
    let mut failed = vec![];
    for resource in named(asked.resource_list)? {
        let which = WhichTags::These(keys.clone());
        let done = match ours(&resource, cx) {
            Some(id) => cx.cloud.run(&cx.caller, DeleteTags { resources: vec![id], which }, cx.options()).await.map_err(Fault::from),
            None => Err(unreadable(&resource)),
        };
        note(&mut failed, resource, done)?;
    }
    Ok(Failed { failed_resources: failed })
}

/// `ModifyResourceTags`.
#[derive(FromArg)]
pub(crate) struct ModifyResourceTags {
    resource: String,
    #[arg(max_items = TAGS_PER_CALL)]
    replace_tags: Vec<ServiceTag>,
    #[arg(max_items = TAGS_PER_CALL)]
    delete_tags: Vec<TagKeyObject>,
}

#[derive(FromArg)]
struct TagKeyObject {
    tag_key: String,
}

/// Gives a thing tags and takes others from it. What goes goes first.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyResourceTags) -> Result<(), Fault> {
    let id = ours(&asked.resource, cx).ok_or_else(|| unreadable(&asked.resource))?;
    let keys: Vec<_> = asked.delete_tags.into_iter().map(|tag| (tag.tag_key, None)).collect();
    let tags: Tags = asked.replace_tags.into_iter().map(|tag| (tag.tag_key, tag.tag_value.unwrap_or_default())).collect();
    if tags.is_empty() && keys.is_empty() {
        return Err(Fault::missing("ReplaceTags"));
    }
    if let Some((twice, _)) = keys.iter().find(|(key, _)| tags.contains_key(key)) {
        return Err(Fault::invalid("DeleteTags", format!("the tag '{}' is also in `ReplaceTags`", head(twice))));
    }
    if !keys.is_empty() {
        let command = DeleteTags { resources: vec![id.clone()], which: WhichTags::These(keys) };
        cx.cloud.run(&cx.caller, command, cx.options()).await?;
    }
    if !tags.is_empty() {
        cx.cloud.run(&cx.caller, CreateTags { resources: vec![id], tags }, cx.options()).await?;
    }
    Ok(())
}

/// `AddResourceTag` and `UpdateResourceTagValue`.
#[derive(FromArg)]
pub(crate) struct OneTag {
    resource: String,
    tag_key: String,
    tag_value: String,
}

/// Gives a thing a tag, or its tag another value.
pub(crate) async fn add(cx: &Cx<'_>, asked: OneTag) -> Result<(), Fault> {
    let id = ours(&asked.resource, cx).ok_or_else(|| unreadable(&asked.resource))?;
    let tags = Tags::from_iter([(asked.tag_key, asked.tag_value)]);
    Ok(cx.cloud.run(&cx.caller, CreateTags { resources: vec![id], tags }, cx.options()).await?)
}

/// `DeleteResourceTag`.
#[derive(FromArg)]
pub(crate) struct OneKey {
    resource: String,
    tag_key: String,
}

/// Takes a tag from a thing.
pub(crate) async fn delete(cx: &Cx<'_>, asked: OneKey) -> Result<(), Fault> {
    let id = ours(&asked.resource, cx).ok_or_else(|| unreadable(&asked.resource))?;
    let which = WhichTags::These(vec![(asked.tag_key, None)]);
    Ok(cx.cloud.run(&cx.caller, DeleteTags { resources: vec![id], which }, cx.options()).await?)
}

fn named(resources: Vec<String>) -> Result<Vec<String>, Fault> {
    if resources.is_empty() { Err(Fault::missing("ResourceList")) } else { Ok(resources) }
}

/// Our id of a thing that is named in six parts, `qcs::cvm:REGION:uin/ACCOUNT:instance/ins-…`; none when it is none of here.
fn ours(resource: &str, cx: &Cx<'_>) -> Option<String> {
    let parts: Vec<&str> = resource.split(':').collect();
    let ["qcs", _, _, region, account, thing] = parts.as_slice() else { return None };
    let account = account.strip_prefix("uin/").unwrap_or(account);
    let is_own = account.is_empty() || account == cx.caller.account().to_string();
    let here = is_own && (region.is_empty() || *region == cx.cloud.region().name);
    let text = thing.split_once('/')?.1;
    let readers = [
        id::ours::<InstanceId>,
        id::ours::<ImageId>,
        id::ours::<KeyPairId>,
        id::ours::<VolumeId>,
        id::ours::<VpcId>,
        id::ours::<SubnetId>,
        id::ours::<InterfaceId>,
        id::ours::<AddressId>,
        id::ours::<SecurityGroupId>,
        id::ours::<SnapshotId>,
        id::ours::<RouteTableId>,
        id::ours::<NetworkAclId>,
        id::ours::<NatGatewayId>,
        id::ours::<PlacementGroupId>,
        id::ours::<LaunchTemplateId>,
        id::ours::<BandwidthPackageId>,
        id::ours::<FlowLogId>,
    ];
    readers.iter().find_map(|read| read(text)).filter(|_| here)
}

fn unreadable(resource: &str) -> Fault {
    let message =
        format!("`{}` names nothing of this account and region; the form is qcs::cvm:REGION:uin/ACCOUNT:instance/ID.", head(resource));
    Fault::new("InvalidParameterValue.TagResourceFormatError", message)
}

/// Keeps what could not be done with one thing; what concerns the call as a whole refuses it.
fn note(failed: &mut Vec<FailedResource>, resource: String, done: Result<(), Fault>) -> Result<(), Fault> {
    let Err(fault) = done else { return Ok(()) };
    let whole = [Error::Internal, Error::Unavailable].map(|error| Fault::from(error).code);
    if whole.contains(&fault.code) || fault.code == "UnauthorizedOperation" {
        return Err(fault);
    }
    let Fault { code, message } = fault;
    failed.push(FailedResource { resource, code: code.into_owned(), message });
    Ok(())
}

/// `DescribeResourceTagsByResourceIds`.
#[derive(FromArg)]
pub(crate) struct DescribeTags {
    service_type: String,
    #[expect(dead_code, reason = "an id tells what kind of thing it is of")]
    resource_prefix: String,
    #[arg(max_items = RESOURCES_PER_CALL)]
    resource_ids: Vec<String>,
    resource_region: String,
    #[arg(default)]
    offset: usize,
    #[arg(default = LIMIT, range = 1..=LIMIT_MAX)]
    limit: usize,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct TagList {
    total_count: usize,
    offset: usize,
    limit: usize,
    tags: Vec<ResourceTag>,
}

#[derive(Show)]
struct ResourceTag {
    resource_id: String,
    service_type: String,
    tag_key: String,
    tag_value: String,
    tag_key_md5: String,
    tag_value_md5: String,
}

/// Lists the tags of things; what is not there has none.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeTags) -> Result<TagList, Fault> {
    if asked.resource_ids.is_empty() {
        return Err(Fault::missing("ResourceIds"));
    }
    let ids = if asked.resource_region == cx.cloud.region().name { asked.resource_ids } else { vec![] };
    let mut tags = vec![];
    for (resource_id, its) in found(cx, &ids).await? {
        tags.extend(its.into_iter().map(|(tag_key, tag_value)| ResourceTag {
            resource_id: resource_id.clone(),
            service_type: asked.service_type.clone(),
            tag_key_md5: md5(&tag_key),
            tag_value_md5: md5(&tag_value),
            tag_key,
            tag_value,
        }));
    }
    let (total_count, offset, limit) = (tags.len(), asked.offset, asked.limit);
    Ok(TagList { total_count, offset, limit, tags: tags.into_iter().skip(offset).take(limit).collect() })
}

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

type Tagged = Vec<(String, Tags)>;

/// The tags of those of these things that are there and the caller's own.
async fn found(cx: &Cx<'_>, texts: &[String]) -> Result<Tagged, Fault> {
    let own = cx.caller.account();
    let mut found = instances(cx, texts).await?;
    found.extend(of::<Image>(cx, texts, |row| (row.account == own).then_some(row.tags)).await?);
    found.extend(of::<Snapshot>(cx, texts, |row| (row.account == own).then_some(row.tags)).await?);
    found.extend(of::<KeyPair>(cx, texts, |row| Some(row.tags)).await?);
    found.extend(of::<Volume>(cx, texts, |row| Some(row.tags)).await?);
    found.extend(of::<Vpc>(cx, texts, |row| Some(row.tags)).await?);
    found.extend(of::<Subnet>(cx, texts, |row| Some(row.tags)).await?);
    found.extend(of::<Interface>(cx, texts, |row| Some(row.tags)).await?);
    found.extend(of::<Address>(cx, texts, |row| Some(row.tags)).await?);
    found.extend(of::<SecurityGroup>(cx, texts, |row| Some(row.tags)).await?);
    found.extend(of::<RouteTableView>(cx, texts, |row| Some(row.table.tags)).await?);
    found.extend(of::<NetworkAclView>(cx, texts, |row| Some(row.acl.tags)).await?);
    found.extend(of::<NatGatewayView>(cx, texts, |row| Some(row.gateway.tags)).await?);
    found.extend(of::<PlacementGroupView>(cx, texts, |row| Some(row.group.tags)).await?);
    found.extend(of::<LaunchTemplate>(cx, texts, |row| Some(row.tags)).await?);
    found.extend(of::<BandwidthPackageView>(cx, texts, |row| Some(row.package.tags)).await?);
    found.extend(of::<FlowLog>(cx, texts, |row| Some(row.tags)).await?);
    Ok(found)
}

/// A query for those of these things that are of this noun; none when no id is.
fn query<I: Id>(texts: &[String]) -> Option<Query<I>> {
    let values: Vec<String> = texts.iter().filter_map(|text| id::ours::<I>(text)).map(|id| filter::literal(&id)).collect();
    (!values.is_empty()).then(|| Query { filters: vec![Filter { field: Field::Id, values }], ..Query::default() })
}

async fn instances(cx: &Cx<'_>, texts: &[String]) -> Result<Tagged, Fault> {
    let Some(query) = query::<InstanceId>(texts) else { return Ok(vec![]) };
    let listed = cx.cloud.list_instances(&cx.caller, query).await?;
    Ok(listed.rows.into_iter().map(|view| (id::shown(view.instance.id), view.instance.tags)).collect())
}

async fn of<T>(cx: &Cx<'_>, texts: &[String], tags: impl Fn(T) -> Option<Tags> + Send) -> Result<Tagged, Fault>
where
    T: Listing,
    T::Id: Id,
{
    let Some(query) = query::<T::Id>(texts) else { return Ok(vec![]) };
    let listed = cx.cloud.list::<T>(&cx.caller, query).await?;
    Ok(listed.rows.into_iter().filter_map(|row| Some((id::shown(row.id()), tags(row)?))).collect())
}
