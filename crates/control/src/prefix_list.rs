//! Prefix lists: making and changing them, and what they mean in rules.
//!
//! A host is told plain ranges: rules that name a list are spread out wherever rules are read for a packet ([`expanded`]), and routes
//! likewise ([`crate::route::tables_of_vpc`]). So a change of a list touches the hosts of all members of the groups whose rules name it,
//! and of the VPCs whose routes do.

use std::collections::HashSet;

use ipnet::IpNet;
use model::{
    AccountId, AddressFamily, Error, Noun, Peer, PrefixChange, PrefixEntry, PrefixList, PrefixListId, QuotaName, RULES_MAX, RouteTable,
    RouteTableId, Rule, SecurityGroup, SecurityGroupId, Tags, add_tags, check_long_name,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::instance::check_description;
use crate::ipv6_route::check_ipv6_room;
use crate::network::touch_vpc;
use crate::route::check_room;
use crate::run::{Command, Cx};
use crate::security_group::touch_members;
use crate::security_group_rules::too_many_rules;

/// Most ids of users of a list that a refusal names.
const NAMED_MAX: usize = 10;

/// Makes a prefix list.
#[derive(Debug, Clone, Serialize)]
pub struct CreatePrefixList {
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// The version of IP of its ranges.
    pub family: AddressFamily,
    /// Most entries that it may have.
    pub max_entries: u32,
    /// Its first entries.
    pub entries: Vec<PrefixEntry>,
    /// Tags.
    pub tags: Tags,
}

/// Changes a prefix list. What is `None` stays; a change of entries makes a version.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyPrefixList {
    /// Which one.
    pub list: PrefixListId,
    /// The version that the caller knows as the newest; another one is refused.
    pub known: Option<u64>,
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Most entries that it may have.
    pub max_entries: Option<u32>,
    /// What becomes of its entries.
    pub entries: PrefixEdit,
}

/// What becomes of the entries of a list.
#[derive(Debug, Clone, Serialize)]
pub enum PrefixEdit {
    /// Some come, or get another description, and some go.
    Each {
        /// Those that come.
        add: Vec<PrefixEntry>,
        /// Ranges of those that go.
        remove: Vec<IpNet>,
    },
    /// Those of an older version are taken up again.
    Restore {
        /// Its number.
        version: u64,
    },
}

/// Deletes a prefix list that no rule names.
#[derive(Debug, Clone, Serialize)]
pub struct DeletePrefixList {
    /// Which one.
    pub list: PrefixListId,
}

impl Command for CreatePrefixList {
    type Reply = PrefixList;
    const NAME: &'static str = "CreatePrefixList";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("prefix-list/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<PrefixList, Failure> {
        let account = cx.caller.account();
        check_long_name("PrefixListName", &self.name)?;
        check_description(&self.description)?;
        let limit = tx.quota_limit(account, QuotaName::PrefixLists)?;
        QuotaName::PrefixLists.check(limit, tx.prefix_list_count(account, limit)?, 1)?;
        let mut list = PrefixList {
            id: PrefixListId::from_u64(cx.new_id()),
            account,
            name: self.name.clone(),
            description: self.description.clone(),
            family: self.family,
            max_entries: self.max_entries,
            versions: vec![],
            last: PrefixChange::Made,
            created_at: cx.now,
            tags: Tags::new(),
        };
        list.renew(self.entries.clone(), PrefixChange::Made)?;
        add_tags(&mut list.tags, &self.tags)?;
        tx.insert(&list)?;
        Ok(list)
    }
}

impl Command for ModifyPrefixList {
    type Reply = PrefixList;
    const NAME: &'static str = "ModifyPrefixList";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.list)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<PrefixList, Failure> {
        let mut list = list_of(tx, cx.caller.account(), self.list)?;
        if let Some(known) = self.known.filter(|known| *known != list.newest().number) {
            let reason = format!("{known} is not the newest version, which is {}", list.newest().number);
            return Err(Error::invalid("CurrentVersion", reason).into());
        }
        if let Some(name) = &self.name {
            check_long_name("PrefixListName", name)?;
            list.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            list.description.clone_from(description);
        }
        let users = users(tx, &list)?;
        if let Some(most) = self.max_entries {
            list.resize(most)?;
        }
        let entries = self.entries.of(&list)?;
        let is_changed = entries != list.newest().entries;
        if is_changed || matches!(self.entries, PrefixEdit::Restore { .. }) {
            let change = if matches!(self.entries, PrefixEdit::Restore { .. }) { PrefixChange::Restored } else { PrefixChange::Changed };
            list.renew(entries, change)?;
        }
        tx.update(&list)?;
        for group in &users.groups {
            if self.max_entries.is_some() {
                check_weight(tx, group)?;
            }
            touch_members(tx, group)?;
        }
        for table in &users.tables {
            if self.max_entries.is_some() {
                match list.family {
                    AddressFamily::Ipv4 => check_room(tx, table, 0)?,
                    AddressFamily::Ipv6 => check_ipv6_room(tx, table, 0)?,
                }
            }
            touch_vpc(tx, table.vpc)?;
        }
        Ok(list)
    }
}

impl PrefixEdit {
    fn of(&self, list: &PrefixList) -> Result<Vec<PrefixEntry>, Error> {
        match self {
            PrefixEdit::Restore { version } => list
                .version(*version)
                .map(|version| version.entries.clone())
                .ok_or_else(|| Error::invalid("PreviousVersion", format!("{version} is none of the versions that are kept"))),
            PrefixEdit::Each { add, remove } => {
                let mut entries = list.newest().entries.clone();
                for range in remove {
                    let at = entries.iter().position(|entry| entry.range == *range);
                    entries.remove(at.ok_or_else(|| Error::invalid("PrefixCidr", format!("{range} is no entry of the list")))?);
                }
                for new in add {
                    entries.retain(|entry| entry.range != new.range);
                }
                entries.extend(add.iter().cloned());
                entries.sort();
                Ok(entries)
            }
        }
    }
}

impl Command for DeletePrefixList {
    type Reply = PrefixList;
    const NAME: &'static str = "DeletePrefixList";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.list)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<PrefixList, Failure> {
        let list = list_of(tx, cx.caller.account(), self.list)?;
        let users = users(tx, &list)?;
        let groups = users.groups.iter().map(|group| group.id.to_string());
        let by: Vec<String> = groups.chain(users.tables.iter().map(|table| table.id.to_string())).take(NAMED_MAX).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::PrefixList, id: list.id.to_string(), by }.into());
        }
        tx.delete::<PrefixList>(list.id)?;
        Ok(list)
    }
}

/// The prefix list, if the account owns it.
pub(crate) fn list_of(tx: &Tx<'_>, account: AccountId, id: PrefixListId) -> Result<PrefixList, Failure> {
    let list = tx.get::<PrefixList>(id)?.filter(|list| list.account == account);
    Ok(list.ok_or_else(|| Error::not_found(Noun::PrefixList, id))?)
}

fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: PrefixListId) -> Result<Target, Failure> {
    let tags = tx.get::<PrefixList>(id)?.filter(|list| list.account == cx.caller.account()).map(|list| list.tags);
    Ok(Target::of("prefix-list", id, &tags.unwrap_or_default()))
}

/// What of its account names a list.
struct Users {
    /// Groups by their rules.
    groups: Vec<SecurityGroup>,
    /// Tables by their routes.
    tables: Vec<RouteTable>,
}

fn users(tx: &Tx<'_>, list: &PrefixList) -> Result<Users, Failure> {
    let (mut groups, mut tables) = (tx.security_group_list(list.account)?, tx.route_table_list(list.account)?);
    groups.retain(|group| group_names(group, list.id));
    tables.retain(|table| table_names(table, list.id));
    Ok(Users { groups, tables })
}

fn group_names(group: &SecurityGroup, list: PrefixListId) -> bool {
    group.rules.iter().any(|rule| rule.peer == Peer::List { list })
}

fn table_names(table: &RouteTable, list: PrefixListId) -> bool {
    table.list_routes.iter().any(|route| route.list == list) || table.ipv6_list_routes.iter().any(|route| route.list == list)
}

/// Refuses a group whose rules are more than it may have, those that name a list counted as often as the list may have entries.
pub(crate) fn check_weight(tx: &Tx<'_>, group: &SecurityGroup) -> Result<(), Failure> {
    let mut weight = 0;
    for rule in &group.rules {
        weight += match rule.peer {
            Peer::List { list } => tx.get::<PrefixList>(list)?.map_or(1, |list| list.max_entries as usize),
            Peer::Range { .. } | Peer::Range6 { .. } | Peer::Group { .. } => 1,
        };
    }
    if weight > RULES_MAX {
        return Err(too_many_rules(group).into());
    }
    Ok(())
}

/// The group with plain ranges in the place of the lists that its rules name, each meaning once.
pub(crate) fn expanded(tx: &Tx<'_>, mut group: SecurityGroup) -> Result<SecurityGroup, Failure> {
    if !group.rules.iter().any(|rule| matches!(rule.peer, Peer::List { .. })) {
        return Ok(group);
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(group.rules.len());
    for rule in group.rules.drain(..) {
        match rule.peer {
            Peer::List { list } => {
                let ranges = tx.get::<PrefixList>(list)?.map_or(vec![], |list| list.newest().entries.clone());
                rules.extend(ranges.into_iter().map(|entry| Rule { peer: peer_of(entry.range), ..rule.clone() }));
            }
            Peer::Range { .. } | Peer::Range6 { .. } | Peer::Group { .. } => rules.push(rule),
        }
    }
    let mut seen = HashSet::new();
    rules.retain(|rule| seen.insert((rule.direction, rule.verdict, rule.priority, rule.protocol, rule.peer)));
    group.rules = rules;
    Ok(group)
}

fn peer_of(range: IpNet) -> Peer {
    match range {
        IpNet::V4(range) => Peer::Range { range },
        IpNet::V6(range) => Peer::Range6 { range },
    }
}

/// A prefix list with what names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixListView {
    /// The list.
    pub list: PrefixList,
    /// The groups whose rules do.
    pub users: Vec<SecurityGroupId>,
    /// The tables whose routes do.
    pub tables: Vec<RouteTableId>,
}

impl Listing for PrefixListView {
    type Id = PrefixListId;
    const NOUN: Noun = Noun::PrefixList;

    fn id(&self) -> PrefixListId {
        self.list.id
    }

    fn id_value(id: PrefixListId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<PrefixListView>, Failure> {
        let lists = tx.prefix_list_list(account)?;
        let groups = if lists.is_empty() { vec![] } else { tx.security_group_list(account)? };
        let tables = if lists.is_empty() { vec![] } else { tx.route_table_list(account)? };
        let users = |id| groups.iter().filter(|group| group_names(group, id)).map(|group| group.id).collect();
        let tables_of = |id| tables.iter().filter(|table| table_names(table, id)).map(|table| table.id).collect();
        Ok(lists.into_iter().map(|list| PrefixListView { users: users(list.id), tables: tables_of(list.id), list }).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.list.id.to_string()],
            Field::Name => vec![self.list.name.clone()],
            Field::Kind => vec![self.list.family.word().to_owned()],
            Field::Owner => vec![self.list.account.to_string()],
            _ => tag_values(&self.list.tags, field),
        }
    }
}
