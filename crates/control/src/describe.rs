//! What tenants read: lists with filters, sorted by creation, in pages.
//!
//! A dialect turns its vendor's filters into [`Filter`]s of these fields and a noun's rows into its replies. The rows of
//! a page come with what they refer to ([`InstanceView`]), so that a dialect never asks twice.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

use model::{
    AccountId, Address, AddressKind, Error, Event, Host, HostId, Image, ImageId, ImagePhase, ImageTask, Instance, InstanceId, InstanceRole,
    Interface, InterfaceId, KeyPair, KmsKey, LaunchTemplate, Millis, SILENT_AFTER_MS, SecurityGroup, SecurityGroupId, Snapshot, SnapshotId,
    Subnet, SubnetId, Tags, Volume, VolumeId, Vpc, matches_pattern,
};
use store::Tx;

use crate::auth::{Caller, Target};
use crate::instance_role::InstanceRoleView;
use crate::interface_view::{InterfaceView, interface_views, views_in_zones};
use crate::{Cloud, Failure};

/// Largest page (EC2 and ECS: 1,000 and 100; a dialect may ask for less).
pub const PAGE_MAX: usize = 1_000;
/// Most filters in a call.
pub const FILTERS_MAX: usize = 50;
/// Most values of one filter, as the dialect made them of what was asked: a `*` may stand for every name of every instance type.
pub const FILTER_VALUES_MAX: usize = 4_000;
/// Most ids in one call (EC2 documents 1,000).
pub const IDS_MAX: usize = 1_000;

/// One condition: the field has one of the values. Values may hold `*` and `?` as EC2 documents them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The field.
    pub field: Field,
    /// Patterns, of which one must match.
    pub values: Vec<String>,
}

/// The pattern that only this text matches.
pub fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// What can be filtered by. A noun that lacks a field matches no value of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// The id.
    Id,
    /// The name: display name, or the unique name of key pairs, images and groups.
    Name,
    /// The state in one word ([`model::Phase::word`] and the like).
    State,
    /// The zone.
    Zone,
    /// Canonical name of the instance type.
    InstanceType,
    /// The image.
    Image,
    /// The VPC.
    Vpc,
    /// The subnet.
    Subnet,
    /// The instance that the thing belongs to.
    Instance,
    /// The launch call.
    Reservation,
    /// Name of the key pair.
    KeyName,
    /// A security group's id.
    Group,
    /// A security group's name.
    GroupName,
    /// A private address.
    PrivateIp,
    /// A public address.
    PublicIp,
    /// An interface's id.
    Interface,
    /// A volume's id.
    Volume,
    /// The owner's account number.
    Owner,
    /// The architecture.
    Architecture,
    /// Whether it is the default of its kind: `true` or `false`.
    IsDefault,
    /// What host names are made of ([`model::HostNameKind::word`]).
    HostNameKind,
    /// Whether the name of an instance's id is answered with its private address: `true` or `false`.
    HostNameA,
    /// Whether it is answered with IPv6 addresses: `true` or `false`.
    HostNameAaaa,
    /// Whether everybody may use it: `true` or `false`.
    IsPublic,
    /// An address range.
    Range,
    /// A fingerprint.
    Fingerprint,
    /// A description.
    Description,
    /// A tie: of an address, or of a route table.
    Association,
    /// The VPC that was asked for a peering.
    PeerVpc,
    /// Either VPC of a peering.
    EitherVpc,
    /// The account that was asked for a peering.
    PeerOwner,
    /// The NAT gateway that has an address.
    NatGateway,
    /// Where a route leads.
    Gateway,
    /// Whether an address is kept until it is released: `true` or `false`.
    IsElastic,
    /// How far a volume ([`Volume::attachment_word`]) or an interface ([`Interface::plug_word`]) is attached.
    Attachment,
    /// The device name of a volume, the place of an interface.
    Device,
    /// What a volume is sold as ([`model::VolumeKind::word`]), what a task does ([`ImageTask::kind`]), or a flow log tells of
    /// ([`model::FlowTraffic::word`]), where a route of a table leads ([`model::RouteTarget::word`]), what kind a security group is
    /// ([`model::GroupKind::word`]), the version of IP of a prefix list ([`model::AddressFamily::word`]), what an address is tied to ([`AddressView::tied_to`]), or how a bandwidth package is paid for.
    Kind,
    /// A size in GiB.
    Size,
    /// Whether a volume is a system disk, or a snapshot is of one: `true` or `false`.
    IsRoot,
    /// Whether it is encrypted.
    IsEncrypted,
    /// Whether several instances may have a volume at once: `true` or `false`.
    IsShared,
    /// Whether a policy had a snapshot taken: `true` or `false`.
    IsAutomatic,
    /// Whether a snapshot is a backup that goes with its volume: `true` or `false`.
    IsBackup,
    /// A snapshot's id: its own, or that of what was made of it.
    Snapshot,
    /// An account that it is shared with by its number.
    SharedWith,
    /// Hundredths of a snapshot that are done.
    Progress,
    /// When it was made, in RFC 3339.
    StartTime,
    /// Whether it was made at this time or later: `true` or `false`.
    CreatedSince(Millis),
    /// Whether it was made at this time or before: `true` or `false`.
    CreatedUntil(Millis),
    /// The state of an image at this time: as [`Field::State`], or `deprecated`.
    StateAt(Millis),
    /// What a snapshot is used for ([`crate::UsedSnapshot::word`]).
    Use,
    /// The key that something is encrypted under, as clients read its id.
    EncryptionKey,
    /// Whether the snapshots that policies took of a volume go with it: `true` or `false`.
    DeletesAutoSnapshots,
    /// The policy that has snapshots of a volume taken.
    SnapshotPolicy,
    /// Whether there is one: `true` or `false`.
    HasSnapshotPolicy,
    /// An IPv6 address.
    Ipv6,
    /// Whether it has an IPv6 range: `true` or `false`.
    HasIpv6,
    /// Whether an instance's metadata service answers: `true` or `false`.
    MetadataAnswers,
    /// Whether it asks for a token: `true` or `false`.
    MetadataToken,
    /// Most network hops of its tokens.
    MetadataHops,
    /// Whether a volume or interface goes with its instance: `true` or `false`.
    IsDeletedWithInstance,
    /// Who opens a connection.
    Source,
    /// Whom it is to.
    Destination,
    /// A destination port.
    Port,
    /// The question that was answered.
    Path,
    /// Whether the answer was yes: `true` or `false`.
    IsReached,
    /// A hardware address.
    Mac,
    /// The id of the tie between an interface and an instance.
    PlugId,
    /// The id of an elastic address.
    Allocation,
    /// Whether an interface is its instance's first: `true` or `false`.
    IsPrimary,
    /// Whether an interface sends and takes only packets of its own addresses: `true` or `false`.
    IsChecked,
    /// A placement group, by name or id.
    Placement,
    /// The number of a partition in a placement group.
    Partition,
    /// The capacity reservation that an instance is in.
    CapacityReservation,
    /// What members of a placement group do not share.
    Level,
    /// A set of DHCP options: its id, or `default` where a VPC has none.
    DhcpOptions,
    /// The name of a domain.
    Domain,
    /// What a flow log is of, or a task makes or writes.
    Resource,
    /// Of what kind that is ([`model::FlowLogResource::word`]).
    ResourceKind,
    /// The log group that a flow log writes to.
    LogGroup,
    /// What comes before the last slash of its name.
    LogFolder,
    /// What comes behind it.
    LogName,
    /// The family of an image.
    Family,
    /// The value of the tag with this key.
    Tag(String),
    /// Any tag's key.
    TagKey,
    /// Any tag's value.
    TagValue,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Query<I> {
    /// Only these; each must exist. All when empty.
    pub ids: Vec<I>,
    /// All of these must match.
    pub filters: Vec<Filter>,
    /// Which part of the list.
    pub page: Page,
}

impl<I> Default for Query<I> {
    fn default() -> Query<I> {
        Query { ids: vec![], filters: vec![], page: Page::default() }
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Everything up to [`PAGE_MAX`] at once.
    First(usize),
    /// So many rows after the one with this id value.
    After {
        /// The last id of the page before.
        last: u64,
        /// Size of the page.
        size: usize,
    },
    /// So many rows after so many others.
    From {
        /// Rows that are passed over.
        skip: usize,
        /// Size of the page.
        size: usize,
    },
    /// The page with this number, from 1.
    Number {
        /// Number of the page.
        number: usize,
        /// Size of the page.
        size: usize,
    },
}

impl Default for Page {
    fn default() -> Page {
        Page::First(PAGE_MAX)
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The rows, oldest first.
    pub rows: Vec<T>,
    /// Id value to go on after; none on the last page.
    pub next: Option<u64>,
    /// Rows that match, on all pages.
    pub total: usize,
}

/// An instance with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceView {
    /// The instance.
    pub instance: Instance,
    /// Its volumes.
    pub volumes: Vec<Volume>,
    /// Its interfaces in the order of their places; none once it is terminated.
    pub interfaces: Vec<InterfaceView>,
    /// The image, unless its row is gone.
    pub image: Option<Image>,
    /// Its role.
    pub role: Option<InstanceRoleView>,
}

impl InstanceView {
    /// Its primary interface; none once it is terminated.
    pub fn interface(&self) -> Option<&InterfaceView> {
        self.interfaces.iter().find(|view| view.interface.id == self.instance.interface)
    }

    /// The public address of its primary private one.
    pub fn address(&self) -> Option<&Address> {
        self.interface()?.address()
    }

    /// Security groups of its primary interface: id and name.
    pub fn groups(&self) -> &[(SecurityGroupId, String)] {
        self.interface().map_or(&[], |view| &view.groups)
    }
}

/// A public address with the interface that it is translated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressView {
    /// The address.
    pub address: Address,
    /// The interface.
    pub interface: Option<Interface>,
}

impl AddressView {
    /// The private address that it is translated to.
    pub fn private_ip(&self) -> Option<Ipv4Addr> {
        self.interface.as_ref().map(|nic| self.address.private.unwrap_or(nic.ip))
    }

    /// What it is tied to, in one word: `nat-gateway`, `instance`, `interface` (of no instance) or `nothing`.
    pub fn tied_to(&self) -> &'static str {
        match (self.address.nat_gateway, &self.interface) {
            (Some(_), _) => "nat-gateway",
            (None, Some(nic)) if nic.instance.is_some() => "instance",
            (None, Some(_)) => "interface",
            (None, None) => "nothing",
        }
    }
}

/// A noun that can be listed.
pub trait Listing: Clone + Send + 'static {
    /// Its id.
    type Id: Copy + Send + Sync + Ord + 'static;
    /// Which noun it is.
    const NOUN: model::Noun;
    /// The id of this row.
    fn id(&self) -> Self::Id;
    /// The id's value and text.
    fn id_value(id: Self::Id) -> (u64, String);
    /// Everything that the account may see, by id.
    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<Self>, Failure>;
    /// Values of a field; none when the noun has no such field.
    fn values(&self, field: &Field) -> Vec<String>;
}

impl Cloud {
    /// Lists one of the small nouns.
    pub async fn list<T: Listing>(&self, caller: &Caller, query: Query<T::Id>) -> Result<Listed<T>, Error> {
        check_query(&query)?;
        self.read(caller, vec![Target::any()], move |tx, cx| list(T::all(tx, cx.caller.account())?, &query)).await
    }

    /// Lists instances with what they refer to. Terminated ones are listed as long as their row exists.
    pub async fn list_instances(&self, caller: &Caller, query: Query<InstanceId>) -> Result<Listed<InstanceView>, Error> {
        check_query(&query)?;
        self.read(caller, vec![Target::any()], move |tx, cx| crate::instances::page(tx, cx, &query)).await
    }

    /// One instance with what it refers to.
    pub async fn instance_view(&self, caller: &Caller, id: InstanceId) -> Result<InstanceView, Error> {
        let query = Query { ids: vec![id], ..Query::default() };
        let mut listed = self.list_instances(caller, query).await?;
        listed.rows.pop().ok_or_else(|| Error::not_found(model::Noun::Instance, id))
    }

    /// What launches made, as it is now: part of the launch, so policies are not asked again. Instances whose row is gone, as
    /// a repeated call may find, are left out.
    pub async fn launched(&self, ids: Vec<InstanceId>) -> Result<Vec<InstanceView>, Error> {
        let found = self.store().read(move |tx| crate::instances::existing(tx, &ids)).await;
        found.map_err(|failure| self.refusal("read what was launched", failure))
    }

    /// Lists network interfaces with what they refer to.
    pub async fn list_interfaces(&self, caller: &Caller, query: Query<InterfaceId>) -> Result<Listed<InterfaceView>, Error> {
        check_query(&query)?;
        self.read(caller, vec![Target::any()], move |tx, cx| list(InterfaceView::all(tx, cx.caller.account())?, &query)).await
    }

    /// An interface that a command has just made: part of the command, so policies are not asked again.
    pub async fn interface_made(&self, id: InterfaceId) -> Result<InterfaceView, Error> {
        let found = self.store().read(move |tx| {
            let row = tx.get::<Interface>(id)?.ok_or_else(|| Error::not_found(model::Noun::Interface, id))?;
            interface_views(tx, vec![row])
        });
        let mut views = found.await.map_err(|failure| self.refusal("read an interface", failure))?;
        views.pop().ok_or_else(|| Error::not_found(model::Noun::Interface, id))
    }

    /// Lists subnets, each with the number of its addresses that nobody has.
    pub async fn list_subnets(&self, caller: &Caller, query: Query<SubnetId>) -> Result<Listed<(Subnet, u64)>, Error> {
        check_query(&query)?;
        self.read(caller, vec![Target::any()], move |tx, cx| {
            let Listed { rows, next, total } = list(Subnet::all(tx, cx.caller.account())?, &query)?;
            let free = |subnet: Subnet| {
                let taken = tx.interface_count_in(&subnet)?;
                let free = subnet.capacity().saturating_sub(taken);
                Ok::<_, Failure>((subnet, free))
            };
            Ok(Listed { rows: rows.into_iter().map(free).collect::<Result<_, _>>()?, next, total })
        })
        .await
    }

    /// Those of these hosts that have told of themselves lately. For the health of what is on them; tenants never see hosts.
    pub async fn hosts_heard(&self, mut ids: Vec<HostId>) -> Result<BTreeSet<HostId>, Error> {
        ids.sort();
        ids.dedup();
        let now = self.clock().now();
        let found = self.store().read(move |tx| Ok::<_, Failure>(tx.get_many::<Host>(&ids)?)).await;
        let hosts = found.map_err(|failure| self.refusal("read hosts", failure))?;
        let heard = |host: &Host| host.capacity.is_some() && now.since(host.seen_at) <= SILENT_AFTER_MS;
        Ok(hosts.into_iter().filter(heard).map(|host| host.id).collect())
    }

    /// The newest events of the caller's account, newest first.
    pub async fn events(&self, caller: &Caller, at_most: u32) -> Result<Vec<Event>, Error> {
        let at_most = at_most.min(PAGE_MAX as u32);
        self.read(caller, vec![Target::any()], move |tx, cx| Ok(tx.event_list(cx.caller.account(), at_most)?)).await
    }
}

pub(crate) fn check_query<I>(query: &Query<I>) -> Result<(), Error> {
    if query.filters.len() > FILTERS_MAX || query.filters.iter().any(|filter| filter.values.len() > FILTER_VALUES_MAX) {
        return Err(Error::invalid("Filter", format!("more than {FILTERS_MAX} filters or {FILTER_VALUES_MAX} values")));
    }
    if query.ids.len() > IDS_MAX {
        return Err(Error::invalid("Ids", format!("more than {IDS_MAX} in one call")));
    }
    match query.page {
        Page::Number { number: 0, .. }
        | Page::Number { size: 0, .. }
        | Page::After { size: 0, .. }
        | Page::From { size: 0, .. }
        | Page::First(0) => Err(Error::invalid("Page", "numbers and sizes start at 1")),
        Page::Number { .. } | Page::After { .. } | Page::From { .. } | Page::First(_) => Ok(()),
    }
}

/// Filters and cuts rows that are in order of their ids.
pub(crate) fn list<T: Listing>(mut rows: Vec<T>, query: &Query<T::Id>) -> Result<Listed<T>, Failure> {
    for id in &query.ids {
        if !rows.iter().any(|row| row.id() == *id) {
            return Err(Error::not_found(T::NOUN, T::id_value(*id).1).into());
        }
    }
    rows.retain(|row| (query.ids.is_empty() || query.ids.contains(&row.id())) && query.filters.iter().all(|filter| matches(row, filter)));
    let total = rows.len();
    let value = |row: &T| T::id_value(row.id()).0;
    let (start, size) = match query.page {
        Page::First(size) => (0, size),
        Page::After { last, size } => (rows.partition_point(|row| value(row) <= last), size),
        Page::From { skip, size } => (skip.min(total), size),
        Page::Number { number, size } => ((number - 1).saturating_mul(size).min(total), size),
    };
    let end = start.saturating_add(size.min(PAGE_MAX)).min(total);
    let next = (end < total && end > start).then(|| value(&rows[end - 1]));
    Ok(Listed { rows: rows.drain(start..end).collect(), next, total })
}

fn matches<T: Listing>(row: &T, filter: &Filter) -> bool {
    let found = row.values(&filter.field);
    filter.values.iter().any(|pattern| found.iter().any(|value| matches_pattern(pattern, value)))
}

pub(crate) fn tag_values(tags: &Tags, field: &Field) -> Vec<String> {
    match field {
        Field::Tag(key) => tags.get(key).cloned().into_iter().collect(),
        Field::TagKey => tags.keys().cloned().collect(),
        Field::TagValue => tags.values().cloned().collect(),
        _ => vec![],
    }
}

pub(crate) fn flag(value: bool) -> Vec<String> {
    vec![value.to_string()]
}

macro_rules! listing {
    ($row:ty, $id:ty, $noun:ident, $all:expr, |$this:ident, $field:ident| $values:expr) => {
        impl Listing for $row {
            type Id = $id;
            const NOUN: model::Noun = model::Noun::$noun;

            fn id(&self) -> $id {
                self.id
            }

            fn id_value(id: $id) -> (u64, String) {
                (id.as_u64(), id.to_string())
            }

            fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<Self>, Failure> {
                let all: fn(&Tx<'_>, AccountId) -> Result<Vec<Self>, Failure> = $all;
                all(tx, account)
            }

            fn values(&self, $field: &Field) -> Vec<String> {
                let $this = self;
                match $field {
                    Field::Id => vec![$this.id.to_string()],
                    Field::Owner => vec![$this.account.to_string()],
                    Field::CreatedSince(at) => flag($this.created_at >= *at),
                    Field::CreatedUntil(at) => flag($this.created_at <= *at),
                    _ => $values,
                }
            }
        }
    };
}

listing!(KeyPair, model::KeyPairId, KeyPair, |tx, account| Ok(tx.key_pair_list(account)?), |key, field| match field {
    Field::Name | Field::KeyName => vec![key.name.clone()],
    Field::Fingerprint => vec![key.fingerprint.clone(), key.fingerprint_md5.clone()],
    _ => tag_values(&key.tags, field),
});

listing!(KmsKey, model::KmsKeyId, KmsKey, |tx, account| Ok(tx.kms_key_list(account)?), |key, field| match field {
    Field::Name => key.aliases.iter().cloned().collect(),
    Field::State => vec![key.word().to_owned()],
    _ => tag_values(&key.tags, field),
});

listing!(LaunchTemplate, model::LaunchTemplateId, LaunchTemplate, |tx, account| Ok(tx.launch_template_list(account)?), |row, field| {
    match field {
        Field::Name => vec![row.name.clone()],
        _ => tag_values(&row.tags, field),
    }
});

listing!(Image, ImageId, Image, |tx, account| Ok(available(tx.image_list_visible(account)?)), |image, field| match field {
    Field::Name => vec![image.name.clone()],
    Field::Description => vec![image.description.clone()],
    Field::Family => vec![image.family.clone()].into_iter().filter(|family| !family.is_empty()).collect(),
    Field::Architecture => vec![image.architecture.to_string()],
    Field::IsPublic => flag(image.public),
    Field::Snapshot => image.snapshots().map(|id| id.to_string()).collect(),
    Field::SharedWith => image.accounts.iter().map(ToString::to_string).collect(),
    Field::Instance => image.instance.iter().map(ToString::to_string).collect(),
    Field::State => vec![image.word().to_owned()],
    Field::StateAt(now) => {
        let deprecated = image.phase == ImagePhase::Available && image.is_deprecated(*now);
        vec![if deprecated { "deprecated" } else { image.word() }.to_owned()]
    }
    _ => tag_values(&image.tags, field),
});

listing!(ImageTask, model::ImageTaskId, ImageTask, |tx, account| Ok(tx.image_task_list(account)?), |task, field| match field {
    Field::State => vec![task.word().to_owned()],
    Field::Kind => vec![task.kind().to_owned()],
    Field::Image => task.image().iter().map(ToString::to_string).collect(),
    Field::Snapshot => task.snapshot().iter().map(ToString::to_string).collect(),
    // What it makes or writes.
    Field::Resource => task.image().map(|id| id.to_string()).or_else(|| task.snapshot().map(|id| id.to_string())).into_iter().collect(),
    _ => tag_values(&task.tags, field),
});

listing!(Vpc, model::VpcId, Vpc, |tx, account| Ok(tx.vpc_list(account)?), |vpc, field| match field {
    Field::Name => vec![vpc.name.clone()],
    Field::Vpc => vec![vpc.id.to_string()],
    Field::Range => vec![vpc.range.to_string()],
    Field::Association => vpc.ties().map(|tie| tie.id.to_string()).collect(),
    Field::IsDefault => flag(vpc.is_default),
    Field::HasIpv6 => flag(vpc.ipv6.is_some()),
    Field::DhcpOptions => vec![vpc.dhcp_options.map_or_else(|| "default".to_owned(), |set| set.to_string())],
    Field::State => vec!["available".to_owned()],
    _ => tag_values(&vpc.tags, field),
});

listing!(Subnet, model::SubnetId, Subnet, |tx, account| Ok(tx.subnet_list(account)?), |subnet, field| match field {
    Field::Name => vec![subnet.name.clone()],
    Field::Subnet => vec![subnet.id.to_string()],
    Field::Vpc => vec![subnet.vpc.to_string()],
    Field::Zone => vec![subnet.zone.clone()],
    Field::Range => vec![subnet.range.to_string()],
    Field::IsDefault => flag(subnet.is_default),
    Field::HostNameKind => vec![subnet.host_names_on_launch.kind.word().to_owned()],
    Field::HostNameA => flag(subnet.host_names_on_launch.a_record),
    Field::HostNameAaaa => flag(subnet.host_names_on_launch.aaaa_record),
    Field::HasIpv6 => flag(subnet.ipv6.is_some()),
    Field::State => vec!["available".to_owned()],
    _ => tag_values(&subnet.tags, field),
});

listing!(SecurityGroup, SecurityGroupId, SecurityGroup, |tx, account| Ok(tx.security_group_list(account)?), |group, field| match field {
    Field::Name | Field::GroupName => vec![group.name.clone()],
    Field::Group => vec![group.id.to_string()],
    Field::Kind => vec![group.kind.word().to_owned()],
    Field::Vpc => vec![group.vpc.to_string()],
    Field::Description => vec![group.description.clone()],
    _ => tag_values(&group.tags, field),
});

listing!(Volume, VolumeId, Volume, |tx, account| Ok(tx.volume_list(account)?), |volume, field| match field {
    Field::Volume => vec![volume.id.to_string()],
    Field::Zone => vec![volume.zone.clone()],
    Field::Instance => volume.instances().map(|id| id.to_string()).collect(),
    Field::Name => vec![volume.shown_name().to_owned()],
    Field::Description => vec![volume.description.clone()],
    Field::State => vec![volume.word().to_owned()],
    Field::Attachment => volume.as_held().iter().filter_map(Volume::attachment_word).map(str::to_owned).collect(),
    Field::Device => volume.as_held().into_iter().map(|held| held.device).collect(),
    Field::IsShared => flag(volume.shared),
    Field::Kind => vec![volume.kind.word().to_owned()],
    Field::Size => vec![volume.size.0.to_string()],
    Field::IsRoot => flag(volume.is_root()),
    Field::IsEncrypted => flag(volume.encryption.is_some()),
    Field::DeletesAutoSnapshots => flag(volume.deletes_auto_snapshots),
    Field::EncryptionKey => volume.encryption.iter().map(|encryption| encryption.key.uuid()).collect(),
    Field::Snapshot => volume.snapshot.iter().map(ToString::to_string).collect(),
    Field::IsDeletedWithInstance => volume.as_held().iter().map(|held| held.delete_on_termination.to_string()).collect(),
    _ => tag_values(&volume.tags, field),
});

listing!(Snapshot, SnapshotId, Snapshot, |tx, account| Ok(tx.snapshot_list_visible(account)?), |snapshot, field| match field {
    Field::Snapshot => vec![snapshot.id.to_string()],
    Field::Volume => vec![snapshot.volume.to_string()],
    Field::Name => vec![snapshot.shown_name().to_owned()],
    Field::Description => vec![snapshot.description.clone()],
    Field::State => vec![snapshot.word().to_owned()],
    Field::Size => vec![snapshot.size.0.to_string()],
    Field::Progress => vec![snapshot.percent().to_string()],
    Field::StartTime => vec![snapshot.created_at.timestamp().to_string()],
    Field::IsRoot => flag(snapshot.of_root),
    Field::IsEncrypted => flag(snapshot.encryption.is_some()),
    Field::EncryptionKey => snapshot.encryption.iter().map(|encryption| encryption.key.uuid()).collect(),
    Field::IsAutomatic => flag(snapshot.policy.is_some()),
    Field::IsBackup => flag(snapshot.backup),
    Field::IsPublic => flag(snapshot.shares.public),
    Field::SharedWith => snapshot.shares.accounts.iter().map(ToString::to_string).collect(),
    _ => tag_values(&snapshot.tags, field),
});

listing!(Interface, model::InterfaceId, Interface, |tx, account| Ok(tx.interface_list(account)?), |nic, field| match field {
    Field::Interface => vec![nic.id.to_string()],
    Field::Vpc => vec![nic.vpc.to_string()],
    Field::Subnet => vec![nic.subnet.to_string()],
    Field::Instance => nic.instance.iter().map(ToString::to_string).collect(),
    Field::Group => nic.groups.iter().map(ToString::to_string).collect(),
    Field::PrivateIp => nic.addresses().map(|ip| ip.to_string()).collect(),
    Field::Name => vec![nic.shown_name().to_owned()],
    Field::Description => vec![nic.description.clone()],
    Field::Mac => vec![nic.mac.to_string()],
    Field::Ipv6 => nic.ipv6.iter().map(ToString::to_string).collect(),
    Field::State => vec![nic.word().to_owned()],
    Field::Attachment => nic.plug_word().map(str::to_owned).into_iter().collect(),
    Field::PlugId => nic.attachment().iter().map(ToString::to_string).collect(),
    Field::Device => nic.instance.map(|_| nic.index.to_string()).into_iter().collect(),
    Field::IsPrimary => flag(nic.is_primary()),
    Field::IsChecked => flag(nic.checked),
    Field::IsDeletedWithInstance => nic.instance.map(|_| nic.delete_on_termination.to_string()).into_iter().collect(),
    _ => tag_values(&nic.tags, field),
});

listing!(Address, model::AddressId, Address, |tx, account| Ok(tx.address_list(account)?), |address, field| match field {
    Field::PublicIp => vec![address.ip.to_string()],
    Field::Interface => address.interface.iter().map(ToString::to_string).collect(),
    Field::IsElastic => flag(address.kind == AddressKind::Elastic),
    _ => tag_values(&address.tags, field),
});

impl Listing for AddressView {
    type Id = model::AddressId;
    const NOUN: model::Noun = model::Noun::Address;

    fn id(&self) -> model::AddressId {
        self.address.id
    }

    fn id_value(id: model::AddressId) -> (u64, String) {
        Address::id_value(id)
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<AddressView>, Failure> {
        let addresses = tx.address_list(account)?;
        let interfaces = tx.get_many::<Interface>(&distinct(addresses.iter().filter_map(|address| address.interface)))?;
        let interfaces = by_id(interfaces, |nic| nic.id);
        let view = |address: Address| {
            let interface = address.interface.and_then(|id| interfaces.get(&id).cloned());
            AddressView { address, interface }
        };
        Ok(addresses.into_iter().map(view).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Name => vec![self.address.name.clone()],
            Field::Association => self.address.association.iter().map(ToString::to_string).collect(),
            Field::Instance => self.interface.iter().filter_map(|nic| nic.instance).map(|id| id.to_string()).collect(),
            Field::PrivateIp => self.private_ip().map(|ip| ip.to_string()).into_iter().collect(),
            Field::NatGateway => self.address.nat_gateway.iter().map(ToString::to_string).collect(),
            Field::Kind => vec![self.tied_to().to_owned()],
            Field::State => vec![if self.address.is_tied() { "associated" } else { "available" }.to_owned()],
            _ => self.address.values(field),
        }
    }
}

fn available(mut images: Vec<Image>) -> Vec<Image> {
    images.retain(|image| image.phase != ImagePhase::Deregistered);
    images
}

/// Puts instances together with what they refer to.
pub(crate) fn views(tx: &Tx<'_>, instances: Vec<Instance>) -> Result<Vec<InstanceView>, Failure> {
    let live: Vec<InstanceId> = instances.iter().filter(|i| i.is_live()).map(|i| i.id).collect();
    let mut interfaces: HashMap<InstanceId, Vec<InterfaceView>> = HashMap::new();
    // An interface is in the zone of the instance that it is plugged into: its subnet need not be asked.
    let zones: HashMap<InstanceId, &str> = instances.iter().map(|i| (i.id, i.zone.as_str())).collect();
    let zone = |nic: &Interface| nic.instance.and_then(|id| zones.get(&id)).map_or_else(String::new, |zone| (*zone).to_owned());
    for view in views_in_zones(tx, tx.interface_list_of_instances(&live)?, zone)? {
        if let Some(instance) = view.interface.instance {
            interfaces.entry(instance).or_default().push(view);
        }
    }
    let images = by_id(tx.get_many::<Image>(&distinct(instances.iter().map(|i| i.image)))?, |image| image.id);
    let mut volumes: HashMap<InstanceId, Vec<Volume>> = HashMap::new();
    for volume in tx.volume_list_of_instances(&live)? {
        if let Some(instance) = volume.instance {
            volumes.entry(instance).or_default().push(volume);
        }
    }
    let mut roles = HashMap::new();
    for held in tx.get_many::<InstanceRole>(&instances.iter().filter_map(|i| i.guest.role).collect::<Vec<_>>())? {
        roles.insert(held.instance, crate::instance_role::view(tx, held)?);
    }
    let view = |instance: Instance| {
        let mut interfaces = interfaces.remove(&instance.id).unwrap_or_default();
        interfaces.sort_by_key(|view| (view.interface.index, view.interface.id));
        let volumes = volumes.remove(&instance.id).unwrap_or_default();
        let image = images.get(&instance.image).cloned();
        let role = roles.remove(&instance.id);
        InstanceView { instance, volumes, interfaces, image, role }
    };
    Ok(instances.into_iter().map(view).collect())
}

pub(crate) fn by_id<T, I: std::hash::Hash + Eq>(rows: Vec<T>, id: impl Fn(&T) -> I) -> HashMap<I, T> {
    rows.into_iter().map(|row| (id(&row), row)).collect()
}

pub(crate) fn distinct<I: Ord>(ids: impl Iterator<Item = I>) -> Vec<I> {
    let mut ids: Vec<I> = ids.collect();
    ids.sort();
    ids.dedup();
    ids
}
