//! Managed prefix lists.

use control::{DeletePrefixList as Delete, ModifyPrefixList, PrefixEdit, PrefixListView, Query};
use ipnet::IpNet;
use model::{AddressFamily, Error, Noun, PrefixChange, PrefixEntry, PrefixList, PrefixListId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};

/// Entries that one call adds or removes (EC2: 100).
const ENTRIES_PER_CALL: usize = 100;

#[derive(FromArg)]
struct AskedEntry {
    cidr: String,
    #[arg(max_len = 255)]
    description: Option<String>,
}

impl AskedEntry {
    fn entry(&self) -> Result<PrefixEntry, Refusal> {
        Ok(PrefixEntry { range: range(&self.cidr)?, description: self.description.clone().unwrap_or_default() })
    }
}

#[derive(FromArg)]
struct RemovedEntry {
    cidr: String,
}

fn range(text: &str) -> Result<IpNet, Refusal> {
    text.parse().map_err(|_| Error::invalid("Cidr", format!("{} is not a range of addresses", head(text))).into())
}

/// As much of a client's text as a refusal repeats.
fn head(text: &str) -> String {
    text.chars().take(wire::SHOWN_CHARS).collect()
}

/// The parameters of `CreateManagedPrefixList`.
#[derive(FromArg)]
pub(crate) struct CreateManagedPrefixList {
    prefix_list_name: String,
    max_entries: u32,
    address_family: String,
    #[arg(name = "Entry", max_items = ENTRIES_PER_CALL)]
    entries: Vec<AskedEntry>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
    client_token: Option<String>,
}

/// The reply of the calls that make or change a list.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct One {
    prefix_list: ListItem,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ListItem {
    prefix_list_id: String,
    address_family: &'static str,
    state: &'static str,
    prefix_list_arn: String,
    prefix_list_name: String,
    max_entries: u32,
    version: u64,
    tag_set: Vec<TagItem>,
    owner_id: String,
}

/// Makes a prefix list.
pub(crate) async fn create(cx: Cx, asked: CreateManagedPrefixList) -> Result<One, Refusal> {
    let neither = || Error::invalid("AddressFamily", format!("'{}' is neither IPv4 nor IPv6", head(&asked.address_family)));
    let family = AddressFamily::read(&asked.address_family).ok_or_else(neither)?;
    let command = control::CreatePrefixList {
        name: asked.prefix_list_name,
        description: String::new(),
        family,
        max_entries: asked.max_entries,
        entries: asked.entries.iter().map(AskedEntry::entry).collect::<Result<_, _>>()?,
        tags: tag::specified(&asked.tags, "prefix-list", &["prefix-list"])?,
    };
    let list = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token)).await?;
    Ok(One { prefix_list: item(&cx, &list) })
}

/// EC2 shows states on the way; here every change is made when it is answered.
fn item(cx: &Cx, list: &PrefixList) -> ListItem {
    ListItem {
        prefix_list_id: list.id.to_string(),
        address_family: list.family.word(),
        state: match list.last {
            PrefixChange::Made => "create-complete",
            PrefixChange::Changed => "modify-complete",
            PrefixChange::Restored => "restore-complete",
        },
        prefix_list_arn: format!("arn:aws:ec2:{}:{}:prefix-list/{}", cx.cloud.region().name, list.account, list.id),
        prefix_list_name: list.name.clone(),
        max_entries: list.max_entries,
        version: list.newest().number,
        tag_set: tag::items(&list.tags),
        owner_id: list.account.to_string(),
    }
}

/// The parameters of `DescribeManagedPrefixLists`.
#[derive(FromArg)]
pub(crate) struct DescribeManagedPrefixLists {
    #[arg(name = "PrefixListId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeManagedPrefixLists`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Lists {
    prefix_list_set: Vec<ListItem>,
    next_token: Option<String>,
}

/// Lists prefix lists. Those of services of the vendor's are none.
pub(crate) async fn describe(cx: Cx, asked: DescribeManagedPrefixLists) -> Result<Lists, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::PREFIX_LIST, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::PrefixList, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<PrefixListView>(&cx.caller, query).await?;
    let next_token = pages.after(listed.next);
    Ok(Lists { prefix_list_set: listed.rows.iter().map(|view| item(&cx, &view.list)).collect(), next_token })
}

/// The parameters of `GetManagedPrefixListEntries`.
#[derive(FromArg)]
pub(crate) struct GetEntries {
    prefix_list_id: String,
    target_version: Option<u64>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `GetManagedPrefixListEntries`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Entries {
    entry_set: Vec<EntryItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct EntryItem {
    cidr: String,
    #[reply(skip_empty)]
    description: String,
}

/// Lists the entries of a version, the newest one when none is said.
pub(crate) async fn entries(cx: Cx, asked: GetEntries) -> Result<Entries, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &[])?;
    let list = one(&cx, &asked.prefix_list_id).await?.list;
    let version = match asked.target_version {
        None => list.newest(),
        Some(number) => {
            let absent = || Error::invalid("TargetVersion", format!("{number} is none of the versions that are kept"));
            list.version(number).ok_or_else(absent)?
        }
    };
    let (rows, next_token) = pages.cut(version.entries.clone(), |entry| entry.range.to_string());
    let entry = |entry: PrefixEntry| EntryItem { cidr: entry.range.to_string(), description: entry.description };
    Ok(Entries { entry_set: rows.into_iter().map(entry).collect(), next_token })
}

async fn one(cx: &Cx, text: &str) -> Result<PrefixListView, Refusal> {
    let id: PrefixListId = tag::id(Noun::PrefixList, text)?;
    let mut listed = cx.cloud.list::<PrefixListView>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    Ok(listed.rows.pop().ok_or_else(|| Error::not_found(Noun::PrefixList, id))?)
}

/// The parameters of `GetManagedPrefixListAssociations`.
#[derive(FromArg)]
pub(crate) struct GetAssociations {
    prefix_list_id: String,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `GetManagedPrefixListAssociations`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Associations {
    prefix_list_association_set: Vec<AssociationItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AssociationItem {
    resource_id: String,
    resource_owner: String,
}

/// Lists the groups whose rules name a list.
pub(crate) async fn associations(cx: Cx, asked: GetAssociations) -> Result<Associations, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &[])?;
    let view = one(&cx, &asked.prefix_list_id).await?;
    let users: Vec<String> = view.users.iter().map(ToString::to_string).chain(view.tables.iter().map(ToString::to_string)).collect();
    let (rows, next_token) = pages.cut(users, Clone::clone);
    let owner = view.list.account.to_string();
    let item = |resource_id| AssociationItem { resource_id, resource_owner: owner.clone() };
    Ok(Associations { prefix_list_association_set: rows.into_iter().map(item).collect(), next_token })
}

/// The parameters of `ModifyManagedPrefixList`.
#[derive(FromArg)]
pub(crate) struct ModifyManagedPrefixList {
    prefix_list_id: String,
    current_version: Option<u64>,
    prefix_list_name: Option<String>,
    max_entries: Option<u32>,
    #[arg(name = "AddEntry", max_items = ENTRIES_PER_CALL)]
    add: Vec<AskedEntry>,
    #[arg(name = "RemoveEntry", max_items = ENTRIES_PER_CALL)]
    remove: Vec<RemovedEntry>,
}

/// Changes a list: its entries, which makes a version, its name or how many entries it may have.
pub(crate) async fn modify(cx: Cx, asked: ModifyManagedPrefixList) -> Result<One, Refusal> {
    let edits = !asked.add.is_empty() || !asked.remove.is_empty();
    if edits && asked.current_version.is_none() {
        return Err(Error::MissingParameter { name: "CurrentVersion" }.into());
    }
    if edits && asked.max_entries.is_some() {
        return Err(crate::error::combination("Entries and MaxEntries are changed one after the other"));
    }
    let command = ModifyPrefixList {
        list: tag::id(Noun::PrefixList, &asked.prefix_list_id)?,
        known: asked.current_version,
        name: asked.prefix_list_name,
        description: None,
        max_entries: asked.max_entries,
        entries: PrefixEdit::Each {
            add: asked.add.iter().map(AskedEntry::entry).collect::<Result<_, _>>()?,
            remove: asked.remove.iter().map(|entry| range(&entry.cidr)).collect::<Result<_, _>>()?,
        },
    };
    change(cx, command).await
}

async fn change(cx: Cx, command: ModifyPrefixList) -> Result<One, Refusal> {
    let list = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(One { prefix_list: item(&cx, &list) })
}

/// The parameters of `RestoreManagedPrefixListVersion`.
#[derive(FromArg)]
pub(crate) struct RestoreVersion {
    prefix_list_id: String,
    previous_version: u64,
    current_version: u64,
}

/// Makes the entries of an older version the newest ones.
pub(crate) async fn restore(cx: Cx, asked: RestoreVersion) -> Result<One, Refusal> {
    let command = ModifyPrefixList {
        list: tag::id(Noun::PrefixList, &asked.prefix_list_id)?,
        known: Some(asked.current_version),
        name: None,
        description: None,
        max_entries: None,
        entries: PrefixEdit::Restore { version: asked.previous_version },
    };
    change(cx, command).await
}

/// The parameters of `DeleteManagedPrefixList`.
#[derive(FromArg)]
pub(crate) struct DeleteManagedPrefixList {
    prefix_list_id: String,
}

/// Deletes a list that no rule names.
pub(crate) async fn delete(cx: Cx, asked: DeleteManagedPrefixList) -> Result<One, Refusal> {
    let list = tag::id(Noun::PrefixList, &asked.prefix_list_id)?;
    let list = cx.cloud.run(&cx.caller, Delete { list }, cx.options(None)).await?;
    Ok(One { prefix_list: ListItem { state: "delete-complete", ..item(&cx, &list) } })
}
