//! The list of instances: its fields, and the page of a query.

use std::net::Ipv4Addr;

use model::{AccountId, Catalogue, Error, ImageId, Instance, InstanceId, Noun, ReservationId, SubnetId, VpcId, matches_pattern};
use store::{Match, Tx, Value};

use crate::Failure;
use crate::describe::{Field, Filter, InstanceView, Listed, PAGE_MAX, Page, Query, flag, literal, views};
use crate::run::Cx;

/// The instances of a query, with what they refer to: from the index in memory where it has all the fields that are asked
/// for, from the account's rows otherwise.
pub(crate) fn page(tx: &Tx<'_>, cx: &Cx<'_>, query: &Query<InstanceId>) -> Result<Listed<InstanceView>, Failure> {
    let account = cx.caller.account();
    if !query.ids.is_empty() {
        return named(tx, account, query);
    }
    if let Some(indexed) = indexed(account, query) {
        let page = cx.cloud.store().page::<Instance>(&indexed)?;
        let rows = tx.get_many::<Instance>(&page.ids)?;
        let next = page.next.map(InstanceId::as_u64);
        return Ok(Listed { rows: views(tx, rows)?, next, total: usize::try_from(page.total).unwrap_or(usize::MAX) });
    }
    if let Some((ids, others)) = ids_of_filters(&query.filters) {
        let rows = tx.get_many::<Instance>(&ids)?.into_iter().filter(|row| row.account == account).collect();
        let mut rows = views(tx, rows)?;
        rows.retain(|view| others.clone().all(|filter| matches_view(view, filter)));
        let (rows, next, total) = cut(rows, query.page);
        return Ok(Listed { rows, next, total });
    }
    let mut rows = views(tx, tx.instance_list(account)?)?;
    rows.retain(|view| query.filters.iter().all(|filter| matches_view(view, filter)));
    let (rows, next, total) = cut(rows, query.page);
    Ok(Listed { rows, next, total })
}

/// The query in the index's terms; none when it lacks a field.
fn indexed(account: AccountId, query: &Query<InstanceId>) -> Option<store::Query> {
    let mut out = store::Query::of("account", account);
    for filter in &query.filters {
        out = out.filter(indexed_filter(filter)?);
    }
    Some(match query.page {
        Page::First(size) => out.first(size.min(PAGE_MAX)),
        Page::After { last, size } => out.after(InstanceId::from_u64(last)).first(size.min(PAGE_MAX)),
        Page::From { skip, size } => out.skip(skip).first(size.min(PAGE_MAX)),
        Page::Number { number, size } => {
            let size = size.min(PAGE_MAX);
            out.skip((number - 1).saturating_mul(size)).first(size)
        }
    })
}

fn indexed_filter(filter: &Filter) -> Option<store::Filter> {
    let texts = |column| Some((column, filter.values.iter().map(|value| text_match(value)).collect()));
    let (field, any) = match &filter.field {
        Field::Name => texts("name"),
        Field::State => texts("state"),
        Field::Zone => texts("zone"),
        Field::InstanceType => texts("instance_type"),
        Field::KeyName => texts("key_name"),
        Field::Image => Some(("image", typed_matches::<ImageId>(filter))),
        Field::Vpc => Some(("vpc", typed_matches::<VpcId>(filter))),
        Field::Subnet => Some(("subnet", typed_matches::<SubnetId>(filter))),
        Field::Reservation => Some(("reservation", typed_matches::<ReservationId>(filter))),
        Field::PrivateIp => Some(("private_ip", filter.values.iter().map(|value| address_match(value)).collect())),
        Field::Tag(key) => Some(("tags", filter.values.iter().map(|value| text_match(&format!("{}={value}", literal(key)))).collect())),
        Field::TagKey => Some(("tags", filter.values.iter().map(|key| Match::Like(format!("{key}=*"))).collect())),
        Field::TagValue
        | Field::Id
        | Field::Instance
        | Field::Interface
        | Field::Owner
        | Field::Description
        | Field::PublicIp
        | Field::Group
        | Field::GroupName
        | Field::Volume
        | Field::Architecture
        | Field::IsDefault
        | Field::HostNameKind
        | Field::HostNameA
        | Field::HostNameAaaa
        | Field::IsElastic
        | Field::Association
        | Field::Gateway
        | Field::NatGateway
        | Field::PeerVpc
        | Field::EitherVpc
        | Field::PeerOwner
        | Field::IsPublic
        | Field::Range
        | Field::Attachment
        | Field::Device
        | Field::Kind
        | Field::Size
        | Field::IsRoot
        | Field::IsEncrypted
        | Field::IsShared
        | Field::IsAutomatic
        | Field::IsBackup
        | Field::Snapshot
        | Field::Progress
        | Field::SharedWith
        | Field::StartTime
        | Field::CreatedSince(_)
        | Field::CreatedUntil(_)
        | Field::StateAt(_)
        | Field::Use
        | Field::EncryptionKey
        | Field::DeletesAutoSnapshots
        | Field::SnapshotPolicy
        | Field::HasSnapshotPolicy
        | Field::Ipv6
        | Field::HasIpv6
        | Field::MetadataAnswers
        | Field::MetadataToken
        | Field::MetadataHops
        | Field::IsDeletedWithInstance
        | Field::Source
        | Field::Destination
        | Field::Port
        | Field::Path
        | Field::Resource
        | Field::LogGroup
        | Field::Family
        | Field::IsReached
        | Field::Mac
        | Field::PlugId
        | Field::Allocation
        | Field::IsPrimary
        | Field::IsChecked
        | Field::Placement
        | Field::Partition
        | Field::CapacityReservation
        | Field::DhcpOptions
        | Field::Domain
        | Field::Level
        | Field::Fingerprint
        | Field::ResourceKind
        | Field::LogFolder
        | Field::LogName => None,
    }?;
    Some(store::Filter { field, any })
}

/// A value that may hold `*`, `?` and `\\`; one without them is looked up, not compared.
fn text_match(value: &str) -> Match {
    if value.contains(['*', '?', '\\']) { Match::Like(value.to_owned()) } else { Match::Is(value.into()) }
}

fn typed_matches<I: std::str::FromStr + Into<Value>>(filter: &Filter) -> Vec<Match> {
    let one = |value: &String| value.parse::<I>().map_or_else(|_| Match::Like(value.clone()), |id| Match::Is(id.into()));
    filter.values.iter().map(one).collect()
}

fn address_match(value: &str) -> Match {
    value.parse::<Ipv4Addr>().map_or_else(|_| Match::Like(value.to_owned()), |ip| Match::Is(ip.to_bits().into()))
}

/// Those of these instances that still have a row, whoever's they are, with what they refer to.
pub(crate) fn existing(tx: &Tx<'_>, ids: &[InstanceId]) -> Result<Vec<InstanceView>, Failure> {
    views(tx, tx.get_many::<Instance>(ids)?)
}

/// The ids to which a filter limits the list, so that the other rows need not be read, and the other filters; unlike ids that are named
/// in the query, they may be absent.
fn ids_of_filters(filters: &[Filter]) -> Option<(Vec<InstanceId>, impl Iterator<Item = &Filter> + Clone)> {
    let at = filters.iter().position(|filter| filter.field == Field::Id)?;
    let filter = &filters[at];
    if filter.values.iter().any(|value| value.contains(['*', '?'])) {
        return None;
    }
    let mut ids: Vec<InstanceId> = filter.values.iter().filter_map(|value| value.parse().ok()).collect();
    ids.sort();
    ids.dedup();
    Some((ids, filters[..at].iter().chain(&filters[at + 1..])))
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
        Page::From { skip, size } => (skip.min(total), size),
        Page::Number { number, size } => ((number - 1).saturating_mul(size).min(total), size),
    };
    let end = start.saturating_add(size.min(PAGE_MAX)).min(total);
    let next = (end < total && end > start).then(|| rows[end - 1].id_value());
    (rows.drain(start..end).collect(), next, total)
}

/// Whether a field is kept in rows that an instance refers to.
fn needs_view(field: &Field) -> bool {
    matches!(field, Field::PublicIp | Field::Group | Field::GroupName | Field::Volume | Field::Device | Field::IsChecked | Field::Ipv6)
}

fn matches_row(row: &Instance, filter: &Filter) -> bool {
    // Most lists ask for the states of instances that are there.
    if filter.field == Field::State {
        return filter.values.iter().any(|pattern| matches_pattern(pattern, row.phase.word()));
    }
    let found = row_values(row, &filter.field);
    filter.values.iter().any(|pattern| found.iter().any(|value| matches_pattern(pattern, value)))
}

fn matches_view(view: &InstanceView, filter: &Filter) -> bool {
    if !needs_view(&filter.field) {
        return matches_row(&view.instance, filter);
    }
    let found: Vec<String> = match &filter.field {
        Field::PublicIp => view.address().iter().map(|address| address.ip.to_string()).collect(),
        Field::Group => view.groups().iter().map(|(id, _)| id.to_string()).collect(),
        Field::GroupName => view.groups().iter().map(|(_, name)| name.clone()).collect(),
        Field::Ipv6 => view.interfaces.iter().flat_map(|nic| &nic.interface.ipv6).map(ToString::to_string).collect(),
        Field::IsChecked => view.interface().map(|nic| nic.interface.checked.to_string()).into_iter().collect(),
        Field::Volume => view.volumes.iter().map(|volume| volume.id.to_string()).collect(),
        Field::Device => view.volumes.iter().map(|volume| volume.device.clone()).collect(),
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
        Field::KeyName => row.guest.keys.iter().map(|key| key.name.clone()).collect(),
        Field::PrivateIp => vec![row.private_ip.to_string()],
        Field::Interface => vec![row.interface.to_string()],
        Field::Owner => vec![row.account.to_string()],
        Field::Description => vec![row.description.clone()],
        Field::Tag(key) => row.tags.get(key).cloned().into_iter().collect(),
        Field::TagKey => row.tags.keys().cloned().collect(),
        Field::TagValue => row.tags.values().cloned().collect(),
        Field::Architecture => {
            Catalogue::standard().by_name(&row.instance_type).map(|kind| kind.architecture.to_string()).into_iter().collect()
        }
        Field::Placement => row.placement.iter().flat_map(|group| [group.name.clone(), group.id.to_string()]).collect(),
        Field::CapacityReservation => row.slot.iter().map(|held| held.reservation.to_string()).collect(),
        Field::Partition => row.placement.iter().filter_map(|group| group.partition).map(|number| number.to_string()).collect(),
        Field::CreatedSince(at) => flag(row.created_at >= *at),
        Field::CreatedUntil(at) => flag(row.created_at <= *at),
        Field::HostNameKind => vec![row.attributes.host_names.kind.word().to_owned()],
        Field::HostNameA => flag(row.attributes.host_names.a_record),
        Field::HostNameAaaa => flag(row.attributes.host_names.aaaa_record),
        Field::MetadataAnswers => flag(row.attributes.metadata.enabled),
        Field::MetadataToken => flag(row.attributes.metadata.token_required),
        Field::MetadataHops => vec![row.attributes.metadata.hop_limit.to_string()],
        Field::PublicIp
        | Field::Group
        | Field::GroupName
        | Field::Volume
        | Field::IsDefault
        | Field::IsElastic
        | Field::Association
        | Field::Gateway
        | Field::NatGateway
        | Field::PeerVpc
        | Field::EitherVpc
        | Field::PeerOwner
        | Field::IsPublic
        | Field::Range
        | Field::Attachment
        | Field::Device
        | Field::Kind
        | Field::Size
        | Field::IsRoot
        | Field::IsEncrypted
        | Field::IsShared
        | Field::IsAutomatic
        | Field::IsBackup
        | Field::Snapshot
        | Field::Progress
        | Field::SharedWith
        | Field::StartTime
        | Field::StateAt(_)
        | Field::Use
        | Field::EncryptionKey
        | Field::DeletesAutoSnapshots
        | Field::SnapshotPolicy
        | Field::HasSnapshotPolicy
        | Field::Ipv6
        | Field::HasIpv6
        | Field::IsDeletedWithInstance
        | Field::Source
        | Field::Destination
        | Field::Port
        | Field::Path
        | Field::Resource
        | Field::LogGroup
        | Field::Family
        | Field::IsReached
        | Field::Mac
        | Field::PlugId
        | Field::Allocation
        | Field::IsPrimary
        | Field::IsChecked
        | Field::DhcpOptions
        | Field::Domain
        | Field::Level
        | Field::Fingerprint
        | Field::ResourceKind
        | Field::LogFolder
        | Field::LogName => vec![],
    }
}
