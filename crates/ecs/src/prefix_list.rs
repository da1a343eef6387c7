//! Prefix lists.

use control::{DeletePrefixList as Delete, Field, ModifyPrefixList as Modify, PrefixEdit, PrefixListView, Query};
use ipnet::IpNet;
use jiff::Timestamp;
use model::{AddressFamily, Noun, PrefixEntry};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{PAGE_SIZE, PAGE_SIZE_MAX, Paged, cut};
use crate::tag::{TagReply, tag_replies};

/// Most entries of a list, and of one call (ECS: 200).
const ENTRIES_MAX: usize = 200;
/// Lists that one call names (ECS: 100).
const NAMED_MAX: usize = 100;

#[derive(FromArg)]
struct EntryArg {
    cidr: String,
    #[arg(max_len = 256)]
    description: Option<String>,
}

impl EntryArg {
    fn entry(&self) -> Result<PrefixEntry, Fault> {
        Ok(PrefixEntry { range: range(&self.cidr)?, description: self.description.clone().unwrap_or_default() })
    }
}

#[derive(FromArg)]
struct RemovedArg {
    cidr: String,
}

fn range(text: &str) -> Result<IpNet, Fault> {
    text.parse().map_err(|_| Fault::invalid("Entry.N.Cidr", "must be a range of addresses"))
}

/// `CreatePrefixList`.
#[derive(FromArg)]
pub(crate) struct CreatePrefixList {
    prefix_list_name: String,
    address_family: String,
    #[arg(range = 1..=ENTRIES_MAX as u32)]
    max_entries: u32,
    description: Option<String>,
    #[arg(name = "Entry", max_items = ENTRIES_MAX)]
    entries: Vec<EntryArg>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    prefix_list_id: String,
}

/// Makes a prefix list.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreatePrefixList) -> Result<Created, Fault> {
    let family = AddressFamily::read(&asked.address_family).ok_or_else(|| Fault::invalid("AddressFamily", "must be IPv4 or IPv6"))?;
    let command = control::CreatePrefixList {
        name: asked.prefix_list_name,
        description: asked.description.unwrap_or_default(),
        family,
        max_entries: asked.max_entries,
        entries: asked.entries.iter().map(EntryArg::entry).collect::<Result<_, _>>()?,
        tags: tags_of(asked.tags)?,
    };
    let list = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { prefix_list_id: list.id.to_string() })
}

/// `DescribePrefixLists`.
#[derive(FromArg)]
pub(crate) struct DescribePrefixLists {
    #[arg(name = "PrefixListId", max_items = NAMED_MAX)]
    ids: Vec<String>,
    prefix_list_name: Option<String>,
    address_family: Option<String>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

#[derive(Show)]
pub(crate) struct PrefixLists {
    #[reply(list = "PrefixList")]
    prefix_lists: Vec<ListReply>,
    next_token: String,
}

#[derive(Show)]
struct ListReply {
    prefix_list_id: String,
    prefix_list_name: String,
    address_family: &'static str,
    max_entries: u32,
    association_count: usize,
    description: String,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

/// Lists prefix lists.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribePrefixLists) -> Result<PrefixLists, Fault> {
    let mut filters = Filters::new();
    filters
        .one_of(Field::Id, &asked.ids)
        .wildcard(Field::Name, asked.prefix_list_name.as_ref())
        .exact(Field::Kind, asked.address_family.as_ref())
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    // The list has tokens only.
    let paged = Paged { max_results: asked.paged.max_results.or(Some(PAGE_SIZE)), ..asked.paged };
    let query = Query { ids: vec![], filters: filters.into_vec(), page: paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<PrefixListView>(&cx.caller, query).await?;
    let next_token = paged.paging(&listed).next_token;
    let reply = |view: PrefixListView| ListReply {
        prefix_list_id: view.list.id.to_string(),
        prefix_list_name: view.list.name,
        address_family: view.list.family.word(),
        max_entries: view.list.max_entries,
        association_count: view.users.len(),
        description: view.list.description,
        creation_time: view.list.created_at.timestamp(),
        resource_group_id: "",
        tags: tag_replies(&view.list.tags),
    };
    Ok(PrefixLists { prefix_lists: listed.rows.into_iter().map(reply).collect(), next_token })
}

/// A call about one list.
#[derive(FromArg)]
pub(crate) struct Which {
    prefix_list_id: String,
}

#[derive(Show)]
pub(crate) struct Attributes {
    prefix_list_id: String,
    prefix_list_name: String,
    address_family: &'static str,
    max_entries: u32,
    description: String,
    creation_time: Timestamp,
    #[reply(list = "Entry")]
    entries: Vec<EntryReply>,
}

#[derive(Show)]
struct EntryReply {
    cidr: String,
    description: String,
}

/// Tells a list with its entries.
pub(crate) async fn attributes(cx: &Cx<'_>, asked: Which) -> Result<Attributes, Fault> {
    let list = one(cx, &asked.prefix_list_id).await?.list;
    let entry = |entry: &PrefixEntry| EntryReply { cidr: entry.range.to_string(), description: entry.description.clone() };
    Ok(Attributes {
        prefix_list_id: list.id.to_string(),
        address_family: list.family.word(),
        max_entries: list.max_entries,
        entries: list.newest().entries.iter().map(entry).collect(),
        creation_time: list.created_at.timestamp(),
        prefix_list_name: list.name,
        description: list.description,
    })
}

async fn one(cx: &Cx<'_>, text: &str) -> Result<PrefixListView, Fault> {
    let query = Query { ids: vec![id(Noun::PrefixList, text)?], ..Query::default() };
    let mut listed = cx.cloud.list::<PrefixListView>(&cx.caller, query).await?;
    listed.rows.pop().ok_or_else(|| Fault::not_found(Noun::PrefixList, text))
}

/// `DescribePrefixListAssociations`.
#[derive(FromArg)]
pub(crate) struct DescribeAssociations {
    prefix_list_id: String,
    #[arg(range = 1..=100)]
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Show)]
pub(crate) struct Associations {
    #[reply(list = "PrefixListAssociation")]
    prefix_list_associations: Vec<AssociationReply>,
    next_token: String,
}

#[derive(Show)]
struct AssociationReply {
    resource_id: String,
    resource_type: &'static str,
}

/// Lists the security groups whose rules name a list.
pub(crate) async fn associations(cx: &Cx<'_>, asked: DescribeAssociations) -> Result<Associations, Fault> {
    let users = one(cx, &asked.prefix_list_id).await?.users;
    let reply = |group: model::SecurityGroupId| AssociationReply { resource_id: group.to_string(), resource_type: "securitygroup" };
    let (page, next_token) = cut(users, asked.next_token.as_deref(), asked.max_results.unwrap_or(PAGE_SIZE))?;
    Ok(Associations { prefix_list_associations: page.into_iter().map(reply).collect(), next_token })
}

/// `ModifyPrefixList`.
#[derive(FromArg)]
pub(crate) struct ModifyPrefixList {
    prefix_list_id: String,
    prefix_list_name: Option<String>,
    description: Option<String>,
    #[arg(name = "AddEntry", max_items = ENTRIES_MAX)]
    add: Vec<EntryArg>,
    #[arg(name = "RemoveEntry", max_items = ENTRIES_MAX)]
    remove: Vec<RemovedArg>,
}

/// Changes name, description or entries of a list.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyPrefixList) -> Result<(), Fault> {
    let command = Modify {
        list: id(Noun::PrefixList, &asked.prefix_list_id)?,
        known: None,
        name: asked.prefix_list_name,
        description: asked.description,
        max_entries: None,
        entries: PrefixEdit::Each {
            add: asked.add.iter().map(EntryArg::entry).collect::<Result<_, _>>()?,
            remove: asked.remove.iter().map(|entry| range(&entry.cidr)).collect::<Result<_, _>>()?,
        },
    };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(())
}

/// Deletes a list that no rule names.
pub(crate) async fn delete(cx: &Cx<'_>, asked: Which) -> Result<(), Fault> {
    let list = id(Noun::PrefixList, &asked.prefix_list_id)?;
    cx.cloud.run(&cx.caller, Delete { list }, cx.options()?).await?;
    Ok(())
}
