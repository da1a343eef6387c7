//! Tags of anything, by the words that ECS and VPC have for kinds of things.

use control::{
    BandwidthPackageView, CreateTags, DeleteTags, DhcpOptionsView, Field, Filter, Listing, NatGatewayView, NetworkAclView, Page,
    PlacementGroupView, PrefixListView, Query, RouteTableView, WhichTags,
};
use model::{
    Address, AddressId, BandwidthPackageId, DhcpOptionsId, EgressOnlyGateway, EgressOnlyGatewayId, Error, FlowLog, FlowLogId, Image,
    ImageId, InstanceId, Interface, InterfaceId, InternetGateway, InternetGatewayId, KeyPair, KeyPairId, LaunchTemplate, LaunchTemplateId,
    NatGatewayId, NetworkAclId, Noun, PlacementGroupId, PrefixListId, RouteTableId,
};
use model::{SecurityGroup, SecurityGroupId, Snapshot, SnapshotId, Subnet, SubnetId, Tags, Volume, VolumeId, Vpc, VpcId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, literal, tags_of};
use crate::page::{read_token, write_token};
use crate::{Cx, key_pair};

/// Most things that one call tags (ECS documents 50).
const TAGGED_PER_CALL: usize = 50;
/// Things of one page of tags.
const PAGE: usize = 50;

/// A tag in ECS's replies.
#[derive(Show)]
pub(crate) struct TagReply<T: Show = String> {
    tag_key: T,
    tag_value: T,
}

/// Tags in ECS's replies.
pub(crate) fn tag_replies<'a, T: Show + From<&'a str>>(tags: &'a Tags) -> Vec<TagReply<T>> {
    tags.iter().map(|(key, value)| TagReply { tag_key: T::from(key), tag_value: T::from(value) }).collect()
}

/// A tag in VPC's replies.
#[derive(Show)]
pub(crate) struct VpcTagReply {
    key: String,
    value: String,
}

/// Tags in VPC's replies.
pub(crate) fn vpc_tag_replies(tags: &Tags) -> Vec<VpcTagReply> {
    tags.iter().map(|(key, value)| VpcTagReply { key: key.clone(), value: value.clone() }).collect()
}

/// A kind of thing that has tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Instance,
    Disk,
    Snapshot,
    Image,
    SecurityGroup,
    Interface,
    KeyPair,
    Vpc,
    VSwitch,
    Address,
    Gateway,
    Ipv6Gateway,
    LaunchTemplate,
    NatGateway,
    RouteTable,
    NetworkAcl,
    DhcpOptions,
    PrefixList,
    DeploymentSet,
    BandwidthPackage,
    FlowLog,
}

impl Kind {
    /// The kinds whose tags are ECS's.
    pub(crate) const OF_ECS: [Kind; 8] = [
        Kind::Instance,
        Kind::Disk,
        Kind::Snapshot,
        Kind::Image,
        Kind::SecurityGroup,
        Kind::Interface,
        Kind::KeyPair,
        Kind::LaunchTemplate,
    ];

    /// ECS's word for the kind.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Kind::Instance => "instance",
            Kind::Disk => "disk",
            Kind::Snapshot => "snapshot",
            Kind::Image => "image",
            Kind::SecurityGroup => "securitygroup",
            Kind::Interface => "eni",
            Kind::KeyPair => "keypair",
            Kind::Vpc => "vpc",
            Kind::VSwitch => "vswitch",
            Kind::Address => "eip",
            Kind::Gateway => "ipv4gateway",
            Kind::Ipv6Gateway => "ipv6gateway",
            Kind::LaunchTemplate => "launchtemplate",
            Kind::NatGateway => "natgateway",
            Kind::RouteTable => "routetable",
            Kind::NetworkAcl => "networkacl",
            Kind::DhcpOptions => "dhcpoptionsset",
            Kind::PrefixList => "prefixlist",
            Kind::DeploymentSet => "deploymentset",
            Kind::BandwidthPackage => "commonbandwidthpackage",
            Kind::FlowLog => "flowlog",
        }
    }

    pub(crate) fn read(word: &str) -> Result<Kind, Fault> {
        Ok(match word.to_ascii_lowercase().as_str() {
            "instance" => Kind::Instance,
            "disk" => Kind::Disk,
            "snapshot" => Kind::Snapshot,
            "image" => Kind::Image,
            "securitygroup" => Kind::SecurityGroup,
            "eni" => Kind::Interface,
            "keypair" => Kind::KeyPair,
            "vpc" => Kind::Vpc,
            "vswitch" => Kind::VSwitch,
            "eip" => Kind::Address,
            "ipv4gateway" => Kind::Gateway,
            "ipv6gateway" => Kind::Ipv6Gateway,
            "launchtemplate" => Kind::LaunchTemplate,
            "natgateway" => Kind::NatGateway,
            "routetable" => Kind::RouteTable,
            "networkacl" => Kind::NetworkAcl,
            "dhcpoptionsset" => Kind::DhcpOptions,
            "prefixlist" => Kind::PrefixList,
            "deploymentset" => Kind::DeploymentSet,
            "commonbandwidthpackage" => Kind::BandwidthPackage,
            "flowlog" => Kind::FlowLog,
            _ => return Err(Fault::new(400, "InvalidResourceType.NotFound", format!("The ResourceType '{}' is not known.", head(word)))),
        })
    }

    const fn noun(self) -> Noun {
        match self {
            Kind::Instance => Noun::Instance,
            Kind::Disk => Noun::Volume,
            Kind::Snapshot => Noun::Snapshot,
            Kind::Image => Noun::Image,
            Kind::SecurityGroup => Noun::SecurityGroup,
            Kind::Interface => Noun::Interface,
            Kind::KeyPair => Noun::KeyPair,
            Kind::Vpc => Noun::Vpc,
            Kind::VSwitch => Noun::Subnet,
            Kind::Address => Noun::Address,
            Kind::Gateway => Noun::InternetGateway,
            Kind::Ipv6Gateway => Noun::EgressOnlyGateway,
            Kind::LaunchTemplate => Noun::LaunchTemplate,
            Kind::NatGateway => Noun::NatGateway,
            Kind::RouteTable => Noun::RouteTable,
            Kind::NetworkAcl => Noun::NetworkAcl,
            Kind::DhcpOptions => Noun::DhcpOptions,
            Kind::PrefixList => Noun::PrefixList,
            Kind::DeploymentSet => Noun::PlacementGroup,
            Kind::BandwidthPackage => Noun::BandwidthPackage,
            Kind::FlowLog => Noun::FlowLog,
        }
    }

    /// What ids of the kind begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Kind::Instance => InstanceId::PREFIX,
            Kind::Disk => VolumeId::PREFIX,
            Kind::Snapshot => SnapshotId::PREFIX,
            Kind::Image => ImageId::PREFIX,
            Kind::SecurityGroup => SecurityGroupId::PREFIX,
            Kind::Interface => InterfaceId::PREFIX,
            Kind::KeyPair => KeyPairId::PREFIX,
            Kind::Vpc => VpcId::PREFIX,
            Kind::VSwitch => SubnetId::PREFIX,
            Kind::Address => AddressId::PREFIX,
            Kind::Gateway => InternetGatewayId::PREFIX,
            Kind::Ipv6Gateway => EgressOnlyGatewayId::PREFIX,
            Kind::LaunchTemplate => LaunchTemplateId::PREFIX,
            Kind::NatGateway => NatGatewayId::PREFIX,
            Kind::RouteTable => RouteTableId::PREFIX,
            Kind::NetworkAcl => NetworkAclId::PREFIX,
            Kind::DhcpOptions => DhcpOptionsId::PREFIX,
            Kind::PrefixList => PrefixListId::PREFIX,
            Kind::DeploymentSet => PlacementGroupId::PREFIX,
            Kind::BandwidthPackage => BandwidthPackageId::PREFIX,
            Kind::FlowLog => FlowLogId::PREFIX,
        }
    }
}

fn head(text: &str) -> String {
    text.chars().take(wire::SHOWN_CHARS).collect()
}

/// `TagResources`.
#[derive(FromArg)]
pub(crate) struct TagResources {
    resource_type: String,
    #[arg(name = "ResourceId", max_items = TAGGED_PER_CALL)]
    resources: Vec<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Adds tags to things of one kind.
pub(crate) async fn tag(cx: &Cx<'_>, asked: TagResources) -> Result<(), Fault> {
    if asked.tags.is_empty() {
        return Err(Fault::missing("Tag.1.Key"));
    }
    let resources = ids(cx, Kind::read(&asked.resource_type)?, asked.resources).await?;
    Ok(cx.cloud.run(&cx.caller, CreateTags { resources, tags: tags_of(asked.tags)? }, cx.options()?).await?)
}

/// `UntagResources`.
#[derive(FromArg)]
pub(crate) struct UntagResources {
    resource_type: String,
    #[arg(name = "ResourceId", max_items = TAGGED_PER_CALL)]
    resources: Vec<String>,
    #[arg(name = "TagKey", max_items = TAGS_PER_CALL)]
    keys: Vec<String>,
    all: Option<bool>,
}

/// Takes tags from things of one kind: those named, or all of them.
pub(crate) async fn untag(cx: &Cx<'_>, asked: UntagResources) -> Result<(), Fault> {
    let which = match (asked.keys.is_empty(), asked.all) {
        (true, Some(true)) => WhichTags::All,
        (true, Some(false) | None) => return Err(Fault::missing("TagKey.1")),
        (false, _) => WhichTags::These(asked.keys.into_iter().map(|key| (key, None)).collect()),
    };
    let resources = ids(cx, Kind::read(&asked.resource_type)?, asked.resources).await?;
    Ok(cx.cloud.run(&cx.caller, DeleteTags { resources, which }, cx.options()?).await?)
}

/// Ids of one kind. Key pairs go by their names too.
pub(crate) async fn ids(cx: &Cx<'_>, kind: Kind, texts: Vec<String>) -> Result<Vec<String>, Fault> {
    if texts.is_empty() {
        return Err(Fault::missing("ResourceId.1"));
    }
    let mut ids = Vec::with_capacity(texts.len());
    for text in texts {
        if text.starts_with(kind.prefix()) {
            ids.push(text);
        } else if kind == Kind::KeyPair {
            let query = Query { filters: vec![key_pair::named(&text)], ..Query::default() };
            let found = cx.cloud.list::<KeyPair>(&cx.caller, query).await?.rows;
            ids.push(found.first().ok_or_else(|| Error::not_found(Noun::KeyPair, &text))?.id.to_string());
        } else {
            return Err(Fault::not_found(kind.noun(), &text));
        }
    }
    Ok(ids)
}

/// `ListTagResources`.
#[derive(FromArg)]
pub(crate) struct ListTagResources {
    resource_type: String,
    #[arg(name = "ResourceId", max_items = TAGGED_PER_CALL)]
    resources: Vec<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(name = "TagFilter", max_items = TAG_FILTERS_PER_CALL)]
    tag_filters: Vec<TagFilter>,
    #[arg(range = 1..=50)]
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// A key that may hold `*`, or a key whole and values that may.
#[derive(FromArg)]
struct TagFilter {
    tag_key: String,
    #[arg(max_items = TAG_FILTERS_PER_CALL)]
    tag_values: Vec<String>,
}

/// Most keys, and values of one of them, that tags are looked for by (ECS documents 5).
const TAG_FILTERS_PER_CALL: usize = 5;

#[derive(Show)]
pub(crate) struct TagList {
    #[reply(list = "TagResource")]
    tag_resources: Vec<TagResourceReply>,
    next_token: String,
}

#[derive(Show)]
struct TagResourceReply {
    resource_id: String,
    resource_type: String,
    tag_key: String,
    tag_value: String,
}

/// Lists the tags of one kind of thing; a page ends after some fifty things.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListTagResources) -> Result<TagList, Fault> {
    let kind = Kind::read(&asked.resource_type)?;
    if asked.resources.is_empty() && asked.tags.is_empty() && asked.tag_filters.is_empty() {
        return Err(Fault::missing("ResourceId.1"));
    }
    if !asked.tags.is_empty() && !asked.tag_filters.is_empty() {
        return Err(Fault::invalid("TagFilter", "it cannot be together with Tag"));
    }
    let mut filters = Filters::new();
    filters.one_of(Field::Id, &asked.resources).tags(&asked.tags).push(Field::TagKey, vec!["*".to_owned()]);
    for TagFilter { tag_key, tag_values } in &asked.tag_filters {
        let pattern = |text: &String| literal(text).replace("\\*", "*");
        if tag_values.is_empty() {
            filters.push(Field::TagKey, vec![pattern(tag_key)]);
        } else {
            filters.push(Field::Tag(tag_key.clone()), tag_values.iter().map(pattern).collect());
        }
    }
    let last = asked.next_token.as_deref().filter(|token| !token.is_empty()).map(read_token).transpose()?.unwrap_or(0);
    let page = Page::After { last, size: asked.max_results.unwrap_or(PAGE) };
    let (rows, next) = read(cx, kind, filters.into_vec(), page).await?;
    let each = |(id, tags): (String, Tags)| {
        let kind = asked.resource_type.clone();
        tags.into_iter().map(move |(tag_key, tag_value)| TagResourceReply {
            resource_id: id.clone(),
            resource_type: kind.clone(),
            tag_key,
            tag_value,
        })
    };
    Ok(TagList { tag_resources: rows.into_iter().flat_map(each).collect(), next_token: next.map_or(String::new(), write_token) })
}

pub(crate) type Tagged = (Vec<(String, Tags)>, Option<u64>);

/// A page of the things of a kind that pass filters, each with its id and tags; and where the next page begins.
pub(crate) async fn read(cx: &Cx<'_>, kind: Kind, mut filters: Vec<Filter>, page: Page) -> Result<Tagged, Fault> {
    match kind {
        Kind::Instance => {
            let listed = cx.cloud.list_instances(&cx.caller, Query { ids: vec![], filters, page }).await?;
            let tagged = listed.rows.into_iter().map(|view| (view.instance.id.to_string(), view.instance.tags));
            Ok((tagged.collect(), listed.next))
        }
        Kind::Disk => of::<Volume>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::Snapshot => {
            filters.push(Filter { field: Field::Owner, values: vec![cx.caller.account().to_string()] });
            of::<Snapshot>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await
        }
        Kind::Image => of::<Image>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::SecurityGroup => of::<SecurityGroup>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::Interface => of::<Interface>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::KeyPair => of::<KeyPair>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::Vpc => of::<Vpc>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::VSwitch => of::<Subnet>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::Address => of::<Address>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::Gateway => of::<InternetGateway>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::Ipv6Gateway => of::<EgressOnlyGateway>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::LaunchTemplate => of::<LaunchTemplate>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
        Kind::NatGateway => of::<NatGatewayView>(cx, filters, page, |row| (row.gateway.id.to_string(), row.gateway.tags)).await,
        Kind::RouteTable => of::<RouteTableView>(cx, filters, page, |row| (row.table.id.to_string(), row.table.tags)).await,
        Kind::NetworkAcl => of::<NetworkAclView>(cx, filters, page, |row| (row.acl.id.to_string(), row.acl.tags)).await,
        Kind::DhcpOptions => of::<DhcpOptionsView>(cx, filters, page, |row| (row.set.id.to_string(), row.set.tags)).await,
        Kind::PrefixList => of::<PrefixListView>(cx, filters, page, |row| (row.list.id.to_string(), row.list.tags)).await,
        Kind::DeploymentSet => of::<PlacementGroupView>(cx, filters, page, |row| (row.group.id.to_string(), row.group.tags)).await,
        Kind::BandwidthPackage => of::<BandwidthPackageView>(cx, filters, page, |row| (row.package.id.to_string(), row.package.tags)).await,
        Kind::FlowLog => of::<FlowLog>(cx, filters, page, |row| (row.id.to_string(), row.tags)).await,
    }
}

async fn of<T: Listing>(cx: &Cx<'_>, filters: Vec<Filter>, page: Page, tagged: fn(T) -> (String, Tags)) -> Result<Tagged, Fault> {
    let listed = cx.cloud.list::<T>(&cx.caller, Query { ids: vec![], filters, page }).await?;
    Ok((listed.rows.into_iter().map(tagged).collect(), listed.next))
}
