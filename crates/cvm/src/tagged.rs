//! Looks into the tags of an account: which things have which tags, which keys there are, and which values.

use std::collections::BTreeSet;

use control::{BandwidthPackageView, Field, Filter, Listing, NatGatewayView, NetworkAclView, PAGE_MAX, Page, Query, RouteTableView};
use model::{Address, AddressKind, Image, Interface, KeyPair, SecurityGroup, Snapshot, Subnet, Tags, Volume, Vpc};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::id::{self, Id};
use crate::{Cx, filter};

/// Things, keys and tags of one page when nothing is said (the service: 50), and at most: of things, and of keys and values.
const PAGE: usize = 50;
const THINGS_MAX: usize = 200;
const KEYS_MAX: usize = 1_000;
/// Filters, values of each, names of things and keys of one call, as the service documents them.
const FILTERS_MAX: usize = 6;
const VALUES_MAX: usize = 10;
const NAMED_MAX: usize = 20;

/// A tag as the service writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Show)]
pub(crate) struct TagItem {
    tag_key: String,
    tag_value: String,
    category: &'static str,
}

impl TagItem {
    fn of((tag_key, tag_value): (String, String)) -> TagItem {
        TagItem { tag_key, tag_value, category: "Custom" }
    }
}

/// Which kind of tags; all are their owners'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Category {
    All,
    Custom,
    System,
}

/// Cuts a page out of a whole list; the token of the next is its position.
fn cut<T>(mut rows: Vec<T>, token: Option<&str>, size: usize) -> Result<(Vec<T>, String), Fault> {
    let start = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| Fault::invalid("PaginationToken", "it is none of this list"))?,
    };
    let end = start.saturating_add(size).min(rows.len());
    let next = if end < rows.len() { end.to_string() } else { String::new() };
    rows.drain(..start.min(rows.len()));
    rows.truncate(size);
    Ok((rows, next))
}

/// `GetResources`.
#[derive(FromArg)]
pub(crate) struct GetResources {
    #[arg(max_items = NAMED_MAX)]
    resource_list: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    tag_filters: Vec<TagFilter>,
    pagination_token: Option<String>,
    #[arg(default = PAGE, range = 1..=THINGS_MAX)]
    max_results: usize,
}

/// A tag that a thing must have, with one of these values if any is said.
#[derive(FromArg)]
struct TagFilter {
    tag_key: String,
    #[arg(max_items = VALUES_MAX)]
    tag_value: Vec<String>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Resources {
    pagination_token: String,
    resource_tag_mapping_list: Vec<Mapping>,
}

#[derive(Show)]
#[reply(list = "")]
struct Mapping {
    resource: String,
    tags: Vec<TagItem>,
}

/// Lists things with their tags: those that are named, or those that have these tags.
pub(crate) async fn resources(cx: &Cx<'_>, asked: GetResources) -> Result<Resources, Fault> {
    let mut all = things(cx).await?;
    let is_named = !asked.resource_list.is_empty();
    all.retain(|(resource, tags)| {
        let fits = |filter: &TagFilter| {
            tags.get(&filter.tag_key).is_some_and(|value| filter.tag_value.is_empty() || filter.tag_value.contains(value))
        };
        !tags.is_empty() && (!is_named || asked.resource_list.contains(resource)) && asked.tag_filters.iter().all(fits)
    });
    all.sort();
    let size = if is_named { all.len().max(1) } else { asked.max_results };
    let (page, pagination_token) = cut(all, asked.pagination_token.as_deref(), size)?;
    let mapping = |(resource, tags): (String, Tags)| Mapping { resource, tags: tags.into_iter().map(TagItem::of).collect() };
    Ok(Resources { pagination_token, resource_tag_mapping_list: page.into_iter().map(mapping).collect() })
}

/// `GetTagKeys`.
#[derive(FromArg)]
pub(crate) struct GetTagKeys {
    pagination_token: Option<String>,
    #[arg(default = PAGE, range = 1..=KEYS_MAX)]
    max_results: usize,
    #[arg(default = Category::All)]
    category: Category,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct TagKeys {
    pagination_token: String,
    tag_keys: Vec<String>,
}

/// Lists the keys of all tags.
pub(crate) async fn keys(cx: &Cx<'_>, asked: GetTagKeys) -> Result<TagKeys, Fault> {
    let tags = tags_of(cx, asked.category).await?;
    let keys: BTreeSet<String> = tags.into_iter().map(|(key, _)| key).collect();
    let (tag_keys, pagination_token) = cut(keys.into_iter().collect(), asked.pagination_token.as_deref(), asked.max_results)?;
    Ok(TagKeys { pagination_token, tag_keys })
}

/// `GetTagValues`.
#[derive(FromArg)]
pub(crate) struct GetTagValues {
    #[arg(max_items = NAMED_MAX)]
    tag_keys: Vec<String>,
    pagination_token: Option<String>,
    #[arg(default = PAGE, range = 1..=KEYS_MAX)]
    max_results: usize,
    #[arg(default = Category::All)]
    category: Category,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct TagValues {
    pagination_token: String,
    tags: Vec<TagItem>,
}

/// Lists the values of these keys.
pub(crate) async fn values(cx: &Cx<'_>, asked: GetTagValues) -> Result<TagValues, Fault> {
    if asked.tag_keys.is_empty() {
        return Err(Fault::missing("TagKeys"));
    }
    let tags = tags_of(cx, asked.category).await?;
    let these: BTreeSet<TagItem> = tags.into_iter().filter(|(key, _)| asked.tag_keys.contains(key)).map(TagItem::of).collect();
    let (tags, pagination_token) = cut(these.into_iter().collect(), asked.pagination_token.as_deref(), asked.max_results)?;
    Ok(TagValues { pagination_token, tags })
}

async fn tags_of(cx: &Cx<'_>, category: Category) -> Result<Vec<(String, String)>, Fault> {
    let all = things(cx).await?;
    Ok(match category {
        Category::All | Category::Custom => all.into_iter().flat_map(|(_, tags)| tags).collect(),
        Category::System => vec![],
    })
}

/// The tagged things of the account, each named in six parts.
async fn things(cx: &Cx<'_>) -> Result<Vec<(String, Tags)>, Fault> {
    let six = |kind: &str, id: String| {
        format!("qcs::{}:{}:uin/{}:{}", service(kind), cx.cloud.region().name, cx.caller.account(), [kind, &id].join("/"))
    };
    let tagged = || vec![Filter { field: Field::TagKey, values: vec!["*".to_owned()] }];
    let (mut things, mut page) = (vec![], Page::First(PAGE_MAX));
    loop {
        let listed = cx.cloud.list_instances(&cx.caller, Query { ids: vec![], filters: tagged(), page }).await?;
        things.extend(listed.rows.into_iter().map(|view| (six("instance", id::shown(view.instance.id)), view.instance.tags)));
        match listed.next {
            Some(last) => page = Page::After { last, size: PAGE_MAX },
            None => break,
        }
    }
    let own = Filter { field: Field::Owner, values: vec![filter::literal(&cx.caller.account().to_string())] };
    let mut add = |kind: &str, rows: Vec<(String, Tags)>| things.extend(rows.into_iter().map(|(id, tags)| (six(kind, id), tags)));
    add("image", all::<Image>(cx, Some(own.clone()), |row| Some(row.tags)).await?);
    add("snapshot", all::<Snapshot>(cx, Some(own), |row| Some(row.tags)).await?);
    add("keypair", all::<KeyPair>(cx, None, |row| Some(row.tags)).await?);
    add("volume", all::<Volume>(cx, None, |row| Some(row.tags)).await?);
    add("vpc", all::<Vpc>(cx, None, |row| Some(row.tags)).await?);
    add("subnet", all::<Subnet>(cx, None, |row| Some(row.tags)).await?);
    add("eni", all::<Interface>(cx, None, |row| Some(row.tags)).await?);
    add("eip", all::<Address>(cx, None, |row| (row.kind == AddressKind::Elastic).then_some(row.tags)).await?);
    add("sg", all::<SecurityGroup>(cx, None, |row| Some(row.tags)).await?);
    add("rtb", all::<RouteTableView>(cx, None, |row| Some(row.table.tags)).await?);
    add("acl", all::<NetworkAclView>(cx, None, |row| Some(row.acl.tags)).await?);
    add("nat", all::<NatGatewayView>(cx, None, |row| Some(row.gateway.tags)).await?);
    add("bwp", all::<BandwidthPackageView>(cx, None, |row| Some(row.package.tags)).await?);
    Ok(things)
}

/// The service that things of a kind are named with.
fn service(kind: &str) -> &'static str {
    match kind {
        "vpc" | "subnet" | "eni" | "eip" | "rtb" | "acl" | "nat" | "bwp" => "vpc",
        "volume" | "snapshot" => "cbs",
        _ => "cvm",
    }
}

async fn all<T>(cx: &Cx<'_>, filter: Option<Filter>, tags: fn(T) -> Option<Tags>) -> Result<Vec<(String, Tags)>, Fault>
where
    T: Listing,
    T::Id: Id,
{
    let (mut rows, mut page) = (vec![], Page::First(PAGE_MAX));
    loop {
        let query = Query { ids: vec![], filters: filter.iter().cloned().collect(), page };
        let listed = cx.cloud.list::<T>(&cx.caller, query).await?;
        rows.extend(listed.rows.into_iter().filter_map(|row| Some((id::shown(row.id()), tags(row)?))));
        match listed.next {
            Some(last) => page = Page::After { last, size: PAGE_MAX },
            None => return Ok(rows),
        }
    }
}
