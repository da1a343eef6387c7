//! The list of instances: its fields, and the page of a query.

use model::{AccountId, Error, Instance, InstanceId, Noun};
use store::Tx;

use crate::Failure;
use crate::describe::{Field, Filter, InstanceView, Listed, PAGE_MAX, Page, Query, views};
use crate::run::Cx;
use model::matches_pattern;

/// The instances of a query, with what they refer to.
pub(crate) fn page(tx: &Tx<'_>, cx: &Cx<'_>, query: &Query<InstanceId>) -> Result<Listed<InstanceView>, Failure> {
    let account = cx.caller.account();
    if !query.ids.is_empty() {
        return named(tx, account, query);
    }
    let all = match ids_of_filters(&query.filters) {
        Some(ids) => tx.get_many::<Instance>(&ids)?.into_iter().filter(|row| row.account == account).collect(),
        None => tx.instance_list(account)?,
    };
    let wants_views = query.filters.iter().any(|filter| needs_view(&filter.field));
    if !wants_views {
        let rows: Vec<Instance> = all.into_iter().filter(|row| query.filters.iter().all(|f| matches_row(row, f))).collect();
        let (rows, next, total) = cut(rows, query.page);
        return Ok(Listed { rows: views(tx, rows)?, next, total });
    }
    let mut rows = views(tx, all)?;
    rows.retain(|view| query.filters.iter().all(|filter| matches_view(view, filter)));
    let (rows, next, total) = cut(rows, query.page);
    Ok(Listed { rows, next, total })
}

/// The ids to which a filter limits the list, so that the other rows need not be read; unlike ids that are named in the query,
/// they may be absent.
fn ids_of_filters(filters: &[Filter]) -> Option<Vec<InstanceId>> {
    let filter = filters.iter().find(|filter| filter.field == Field::Id)?;
    if filter.values.iter().any(|value| value.contains(['*', '?'])) {
        return None;
    }
    let mut ids: Vec<InstanceId> = filter.values.iter().filter_map(|value| value.parse().ok()).collect();
    ids.sort();
    ids.dedup();
    Some(ids)
}

fn named(tx: &Tx<'_>, account: AccountId, query: &Query<InstanceId>) -> Result<Listed<InstanceView>, Failure> {
    let mut ids = query.ids.clone();
    ids.sort();
    ids.dedup();
    let rows: Vec<Instance> = tx.get_many::<Instance>(&ids)?.into_iter().filter(|row| row.account == account).collect();
    if let Some(absent) = ids.iter().find(|id| !rows.iter().any(|row| row.id == **id)) {
        return Err(Error::not_found(Noun::Instance, absent).into());
    }
    let mut rows = views(tx, rows)?;
    rows.retain(|view| query.filters.iter().all(|filter| matches_view(view, filter)));
    let (rows, next, total) = cut(rows, query.page);
    Ok(Listed { rows, next, total })
}

trait HasId {
    fn id_value(&self) -> u64;
}

impl HasId for Instance {
    fn id_value(&self) -> u64 {
        self.id.as_u64()
    }
}

impl HasId for InstanceView {
    fn id_value(&self) -> u64 {
        self.instance.id.as_u64()
    }
}

fn cut<T: HasId>(mut rows: Vec<T>, page: Page) -> (Vec<T>, Option<u64>, usize) {
    let total = rows.len();
    let (start, size) = match page {
        Page::First(size) => (0, size),
        Page::After { last, size } => (rows.partition_point(|row| row.id_value() <= last), size),
        Page::Number { number, size } => ((number - 1).saturating_mul(size).min(total), size),
    };
    let end = start.saturating_add(size.min(PAGE_MAX)).min(total);
    let next = (end < total && end > start).then(|| rows[end - 1].id_value());
    (rows.drain(start..end).collect(), next, total)
}

/// Whether a field is kept in rows that an instance refers to.
fn needs_view(field: &Field) -> bool {
    matches!(field, Field::PublicIp | Field::Group | Field::GroupName | Field::Volume)
}

fn matches_row(row: &Instance, filter: &Filter) -> bool {
    let found = row_values(row, &filter.field);
    filter.values.iter().any(|pattern| found.iter().any(|value| matches_pattern(pattern, value)))
}

fn matches_view(view: &InstanceView, filter: &Filter) -> bool {
    if !needs_view(&filter.field) {
        return matches_row(&view.instance, filter);
    }
    let found: Vec<String> = match &filter.field {
        Field::PublicIp => view.address.iter().map(|address| address.ip.to_string()).collect(),
        Field::Group => view.groups.iter().map(|(id, _)| id.to_string()).collect(),
        Field::GroupName => view.groups.iter().map(|(_, name)| name.clone()).collect(),
        Field::Volume => view.volumes.iter().map(|volume| volume.id.to_string()).collect(),
        _ => vec![],
    };
    filter.values.iter().any(|pattern| found.iter().any(|value| matches_pattern(pattern, value)))
}

fn row_values(row: &Instance, field: &Field) -> Vec<String> {
    match field {
        Field::Id | Field::Instance => vec![row.id.to_string()],
        Field::Name => vec![row.name.clone()],
        Field::State => vec![row.phase.word().to_owned()],
        Field::Zone => vec![row.zone.clone()],
        Field::InstanceType => vec![row.instance_type.clone()],
        Field::Image => vec![row.image.to_string()],
        Field::Vpc => vec![row.vpc.to_string()],
        Field::Subnet => vec![row.subnet.to_string()],
        Field::Reservation => vec![row.reservation.to_string()],
        Field::KeyName => row.guest.key_name.iter().cloned().collect(),
        Field::PrivateIp => vec![row.private_ip.to_string()],
        Field::Interface => vec![row.interface.to_string()],
        Field::Owner => vec![row.account.to_string()],
        Field::Description => vec![row.description.clone()],
        Field::Tag(key) => row.tags.get(key).cloned().into_iter().collect(),
        Field::TagKey => row.tags.keys().cloned().collect(),
        Field::TagValue => row.tags.values().cloned().collect(),
        Field::PublicIp
        | Field::Group
        | Field::GroupName
        | Field::Volume
        | Field::Architecture
        | Field::IsDefault
        | Field::IsElastic
        | Field::IsPublic
        | Field::Range
        | Field::Fingerprint => vec![],
    }
}
