//! Tags of everything that carries tags.

use control::{
    CapacityReservationView, Cloud, CreateTags as CreateTagsCommand, DeleteTags as DeleteTagsCommand, DhcpOptionsView, Field, Filter,
    InstanceFleetView, Listing, NatGatewayView, NetworkAclView, Page, PlacementGroupView, PrefixListView, Query, RouteTableView, WhichTags,
};
use model::{
    Address, EgressOnlyGateway, Error, FlowLog, Image, InstanceId, Interface, InternetGateway, KeyPair, LaunchTemplate, NetworkPath, Noun,
    PathAnalysis, SecurityGroup, Snapshot, Subnet, Tags, Volume, Vpc,
};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, unsupported};
use crate::filter::{AskedFilter, any_matches};
use crate::page::{Paging, USUAL, every_row};
use crate::security_group;

/// One tag in a reply.
#[derive(Debug, Show)]
#[reply(rename = "camelCase")]
pub(crate) struct TagItem<T: Show = String> {
    key: T,
    value: T,
}

/// Tags as replies list them.
pub(crate) fn items<'a, T: Show + From<&'a str>>(tags: &'a Tags) -> Vec<TagItem<T>> {
    tags.iter().map(|(key, value)| TagItem { key: T::from(key), value: T::from(value) }).collect()
}

/// One tag in a request.
#[derive(Debug, Clone, FromArg)]
pub(crate) struct AskedTag {
    key: String,
    value: Option<String>,
}

/// Tags for one kind of the things that a call makes.
#[derive(Debug, Clone, FromArg)]
pub(crate) struct TagSpecification {
    resource_type: String,
    #[arg(name = "Tag")]
    tags: Vec<AskedTag>,
}

/// The tags for one kind of thing; `kinds` are all that the call makes.
pub(crate) fn specified(specifications: &[TagSpecification], kind: &str, kinds: &[&str]) -> Result<Tags, Refusal> {
    if let Some(stranger) = specifications.iter().find(|given| !kinds.contains(&given.resource_type.as_str())) {
        return Err(unsupported(format!("Tagging '{}' with this action", stranger.resource_type)));
    }
    let mut given = specifications.iter().filter(|given| given.resource_type == kind);
    let tags = given.next().map_or(Ok(Tags::new()), |first| as_tags(&first.tags))?;
    match given.next() {
        None => Ok(tags),
        Some(_) => Err(Error::invalid("TagSpecification", format!("the resource type '{kind}' is given twice")).into()),
    }
}

fn as_tags(asked: &[AskedTag]) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for AskedTag { key, value } in asked {
        if tags.insert(key.clone(), value.clone().unwrap_or_default()).is_some() {
            return Err(Error::invalid("Tag.Key", format!("the key '{key}' is given twice")).into());
        }
    }
    Ok(tags)
}

/// The parameters of `CreateTags`.
#[derive(FromArg)]
pub(crate) struct CreateTags {
    #[arg(name = "ResourceId")]
    resources: Vec<String>,
    #[arg(name = "Tag")]
    tags: Vec<AskedTag>,
}

/// Adds tags to resources.
pub(crate) async fn create(cx: Cx, asked: CreateTags) -> Result<(), Refusal> {
    if asked.tags.is_empty() {
        return Err(Error::MissingParameter { name: "Tag" }.into());
    }
    let command = CreateTagsCommand { resources: asked.resources, tags: as_tags(&asked.tags)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of `DeleteTags`.
#[derive(FromArg)]
pub(crate) struct DeleteTags {
    #[arg(name = "ResourceId")]
    resources: Vec<String>,
    #[arg(name = "Tag")]
    tags: Vec<AskedTag>,
}

/// Takes tags from resources: those named, or all of them.
pub(crate) async fn delete(cx: Cx, asked: DeleteTags) -> Result<(), Refusal> {
    let which = if asked.tags.is_empty() {
        WhichTags::All
    } else {
        WhichTags::These(asked.tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
    };
    let command = DeleteTagsCommand { resources: asked.resources, which };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of `DescribeTags`.
#[derive(FromArg)]
pub(crate) struct DescribeTags {
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeTags`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Described {
    tag_set: Vec<Description>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Description {
    resource_id: String,
    resource_type: &'static str,
    key: String,
    value: String,
}

/// The nouns that carry tags, in the order in which they are listed, as EC2 names them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Address,
    Image,
    Instance,
    KeyPair,
    Interface,
    InternetGateway,
    EgressOnlyGateway,
    NatGateway,
    NetworkAcl,
    NetworkPath,
    PathAnalysis,
    PlacementGroup,
    PrefixList,
    DhcpOptions,
    LaunchTemplate,
    FlowLog,
    CapacityReservation,
    InstanceFleet,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    Volume,
    Snapshot,
    Vpc,
}

impl Kind {
    const ALL: [Kind; 25] = [
        Kind::Address,
        Kind::Image,
        Kind::Instance,
        Kind::KeyPair,
        Kind::Interface,
        Kind::InternetGateway,
        Kind::EgressOnlyGateway,
        Kind::NatGateway,
        Kind::NetworkAcl,
        Kind::NetworkPath,
        Kind::PathAnalysis,
        Kind::PlacementGroup,
        Kind::PrefixList,
        Kind::DhcpOptions,
        Kind::LaunchTemplate,
        Kind::FlowLog,
        Kind::CapacityReservation,
        Kind::InstanceFleet,
        Kind::RouteTable,
        Kind::SecurityGroup,
        Kind::SecurityGroupRule,
        Kind::Subnet,
        Kind::Volume,
        Kind::Snapshot,
        Kind::Vpc,
    ];

    const fn word(self) -> &'static str {
        match self {
            Kind::Address => "elastic-ip",
            Kind::Image => "image",
            Kind::Instance => "instance",
            Kind::KeyPair => "key-pair",
            Kind::Interface => "network-interface",
            Kind::InternetGateway => "internet-gateway",
            Kind::EgressOnlyGateway => "egress-only-internet-gateway",
            Kind::NatGateway => "natgateway",
            Kind::NetworkAcl => "network-acl",
            Kind::NetworkPath => "network-insights-path",
            Kind::PathAnalysis => "network-insights-analysis",
            Kind::PlacementGroup => "placement-group",
            Kind::PrefixList => "prefix-list",
            Kind::DhcpOptions => "dhcp-options",
            Kind::LaunchTemplate => "launch-template",
            Kind::FlowLog => "vpc-flow-log",
            Kind::CapacityReservation => "capacity-reservation",
            Kind::InstanceFleet => "fleet",
            Kind::RouteTable => "route-table",
            Kind::SecurityGroup => "security-group",
            Kind::SecurityGroupRule => security_group::RULE,
            Kind::Subnet => "subnet",
            Kind::Volume => "volume",
            Kind::Snapshot => "snapshot",
            Kind::Vpc => "vpc",
        }
    }
}

/// Tags of one thing.
struct Tagged {
    value: u64,
    id: String,
    tags: Tags,
}

/// Where a page of tags begins: at this key of this thing.
struct Place {
    kind: usize,
    value: u64,
    key: String,
}

impl Place {
    fn parse(text: &str) -> Option<Place> {
        let mut parts = text.splitn(3, '/');
        let (kind, value, key) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.to_owned());
        Some(Place { kind, value, key })
    }
}

/// Lists tags, one kind of thing after the other, each in order of ids and keys. Things without a tag are never read.
pub(crate) async fn describe_tags(cx: Cx, asked: DescribeTags) -> Result<Described, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let wanted = Wanted::new(&asked.filters)?;
    let start = match &pages.from {
        None => Place { kind: 0, value: 0, key: String::new() },
        Some(text) => Place::parse(text).ok_or(Refusal::NextToken)?,
    };
    cx.allowed().await?;
    let mut found: Vec<Description> = Vec::new();
    for (at, kind) in Kind::ALL.into_iter().enumerate().skip(start.kind) {
        if !wanted.takes_kind(kind) {
            continue;
        }
        let mut last = if at == start.kind { start.value.saturating_sub(1) } else { 0 };
        loop {
            let (rows, next) = read(&cx, kind, &wanted, Page::After { last, size: pages.size }).await?;
            for row in rows {
                let skip_to = if at == start.kind && row.value == start.value { start.key.as_str() } else { "" };
                for (key, value) in row.tags.range(skip_to.to_owned()..).filter(|(key, value)| wanted.takes(&row.id, key, value)) {
                    if found.len() == pages.size {
                        let token = pages.token(format!("{at}/{}/{key}", row.value));
                        return Ok(Described { tag_set: found, next_token: Some(token) });
                    }
                    let (key, value) = (key.clone(), value.clone());
                    found.push(Description { resource_id: row.id.clone(), resource_type: kind.word(), key, value });
                }
            }
            match next {
                Some(next) => last = next,
                None => break,
            }
        }
    }
    Ok(Described { tag_set: found, next_token: None })
}

/// What the filters ask for.
struct Wanted {
    filters: Vec<AskedFilter>,
}

impl Wanted {
    fn new(asked: &[AskedFilter]) -> Result<Wanted, Refusal> {
        let known = |name: &str| matches!(name, "key" | "value" | "resource-id" | "resource-type") || name.starts_with("tag:");
        match asked.iter().find(|filter| !known(&filter.name)) {
            Some(stranger) => Err(Refusal::UnknownFilter { name: stranger.name.clone() }),
            None => Ok(Wanted { filters: asked.to_vec() }),
        }
    }

    fn takes_kind(&self, kind: Kind) -> bool {
        self.filters.iter().filter(|filter| filter.name == "resource-type").all(|filter| any_matches(&filter.values, kind.word()))
    }

    /// What a row must have for one of its tags to be wanted.
    fn of_rows(&self) -> Vec<Filter> {
        let mut filters = vec![Filter { field: Field::TagKey, values: vec!["*".to_owned()] }];
        for AskedFilter { name, values } in &self.filters {
            let field = match name.as_str() {
                "key" => Field::TagKey,
                "value" => Field::TagValue,
                "resource-id" => Field::Id,
                other => match other.strip_prefix("tag:") {
                    Some(key) => Field::Tag(key.to_owned()),
                    None => continue,
                },
            };
            filters.push(Filter { field, values: values.clone() });
        }
        filters
    }

    /// Whether one tag of a row is wanted: the row may have been found by another of its tags.
    fn takes(&self, id: &str, key: &str, value: &str) -> bool {
        self.filters.iter().all(|filter| match filter.name.as_str() {
            "key" => any_matches(&filter.values, key),
            "value" => any_matches(&filter.values, value),
            "resource-id" => any_matches(&filter.values, id),
            other => other.strip_prefix("tag:").is_none_or(|wanted| wanted == key && any_matches(&filter.values, value)),
        })
    }
}

async fn read(cx: &Cx, kind: Kind, wanted: &Wanted, page: Page) -> Result<(Vec<Tagged>, Option<u64>), Refusal> {
    let filters = wanted.of_rows();
    match kind {
        Kind::Instance => {
            let listed = cx.cloud.list_instances(&cx.caller, Query { ids: vec![], filters, page }).await?;
            let tagged = |id: InstanceId, tags| Tagged { value: id.as_u64(), id: id.to_string(), tags };
            Ok((listed.rows.into_iter().map(|view| tagged(view.instance.id, view.instance.tags)).collect(), listed.next))
        }
        Kind::Image => {
            let own = Filter { field: Field::Owner, values: vec![cx.caller.account().to_string()] };
            let filters = filters.into_iter().chain([own]).collect();
            of::<Image>(&cx.cloud, cx, filters, page, |row| row.tags).await
        }
        Kind::Address => of::<Address>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::KeyPair => of::<KeyPair>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::Interface => of::<Interface>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::InternetGateway => of::<InternetGateway>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::EgressOnlyGateway => of::<EgressOnlyGateway>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::PlacementGroup => of::<PlacementGroupView>(&cx.cloud, cx, filters, page, |row| row.group.tags).await,
        Kind::DhcpOptions => of::<DhcpOptionsView>(&cx.cloud, cx, filters, page, |row| row.set.tags).await,
        Kind::PrefixList => of::<PrefixListView>(&cx.cloud, cx, filters, page, |row| row.list.tags).await,
        Kind::NatGateway => of::<NatGatewayView>(&cx.cloud, cx, filters, page, |row| row.gateway.tags).await,
        Kind::NetworkAcl => of::<NetworkAclView>(&cx.cloud, cx, filters, page, |row| row.acl.tags).await,
        Kind::NetworkPath => of::<NetworkPath>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::PathAnalysis => of::<PathAnalysis>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::FlowLog => of::<FlowLog>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::CapacityReservation => of::<CapacityReservationView>(&cx.cloud, cx, filters, page, |row| row.reservation.tags).await,
        Kind::InstanceFleet => of::<InstanceFleetView>(&cx.cloud, cx, filters, page, |row| row.fleet.tags).await,
        Kind::LaunchTemplate => of::<LaunchTemplate>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::RouteTable => of::<RouteTableView>(&cx.cloud, cx, filters, page, |row| row.table.tags).await,
        Kind::SecurityGroup => of::<SecurityGroup>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::SecurityGroupRule => rules(cx, page).await,
        Kind::Subnet => of::<Subnet>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::Volume => of::<Volume>(&cx.cloud, cx, filters, page, |row| row.tags).await,
        Kind::Snapshot => {
            let own = Filter { field: Field::Owner, values: vec![cx.caller.account().to_string()] };
            let filters = filters.into_iter().chain([own]).collect();
            of::<Snapshot>(&cx.cloud, cx, filters, page, |row| row.tags).await
        }
        Kind::Vpc => of::<Vpc>(&cx.cloud, cx, filters, page, |row| row.tags).await,
    }
}

/// Tags of rules, which lie within their groups' rows.
async fn rules(cx: &Cx, page: Page) -> Result<(Vec<Tagged>, Option<u64>), Refusal> {
    let (last, size) = match page {
        Page::After { last, size } => (last, size),
        Page::First(size) | Page::From { size, .. } | Page::Number { size, .. } => (0, size),
    };
    let groups = every_row::<SecurityGroup>(cx, Query::default()).await?;
    let tagged = groups.into_iter().flat_map(|group| group.rules).filter(|rule| !rule.tags.is_empty() && rule.id.as_u64() > last);
    let mut found: Vec<Tagged> = tagged.map(|rule| Tagged { value: rule.id.as_u64(), id: rule.id.to_string(), tags: rule.tags }).collect();
    found.sort_by_key(|row| row.value);
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|row| row.value);
    Ok((found, next))
}

async fn of<T: Listing>(
    cloud: &Cloud,
    cx: &Cx,
    filters: Vec<Filter>,
    page: Page,
    tags: fn(T) -> Tags,
) -> Result<(Vec<Tagged>, Option<u64>), Refusal> {
    let listed = cloud.list::<T>(&cx.caller, Query { ids: vec![], filters, page }).await?;
    let tagged = |row: T| {
        let (value, id) = T::id_value(row.id());
        Tagged { value, id, tags: tags(row) }
    };
    Ok((listed.rows.into_iter().map(tagged).collect(), listed.next))
}

/// Reads ids of one noun; a text that is no such id is refused as malformed.
pub(crate) fn ids<I: std::str::FromStr<Err = model::IdError>>(noun: Noun, texts: &[String]) -> Result<Vec<I>, Error> {
    texts.iter().map(|text| id(noun, text)).collect()
}

/// Reads an id that may be left out, which an empty text does, too, as EC2 takes it: Go programs send it for what is not set.
pub(crate) fn optional_id<I: std::str::FromStr<Err = model::IdError>>(noun: Noun, text: Option<&str>) -> Result<Option<I>, Error> {
    text.filter(|text| !text.is_empty()).map(|text| id(noun, text)).transpose()
}

/// Reads one id.
pub(crate) fn id<I: std::str::FromStr<Err = model::IdError>>(noun: Noun, text: &str) -> Result<I, Error> {
    text.parse().map_err(|error| Error::bad_id(noun, text, error))
}
