//! ECS's older calls on tags: of one thing at a time, and by pages with numbers.

use std::collections::{BTreeMap, BTreeSet};

use control::{CreateTags, DeleteTags, Field, Page, WhichTags};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX};
use crate::tag::{Kind, ids, read};

/// `AddTags` and `RemoveTags`.
#[derive(FromArg)]
pub(crate) struct OneThing {
    resource_type: String,
    resource_id: String,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Gives one thing tags.
pub(crate) async fn add(cx: &Cx<'_>, asked: OneThing) -> Result<(), Fault> {
    if asked.tags.is_empty() {
        return Err(Fault::missing("Tag.1.Key"));
    }
    let resources = ids(cx, Kind::read(&asked.resource_type)?, vec![asked.resource_id]).await?;
    Ok(cx.cloud.run(&cx.caller, CreateTags { resources, tags: tags_of(asked.tags)? }, cx.options()?).await?)
}

/// Takes tags from one thing; one that is named with a value only if it has it.
pub(crate) async fn remove(cx: &Cx<'_>, asked: OneThing) -> Result<(), Fault> {
    if asked.tags.is_empty() {
        return Err(Fault::missing("Tag.1.Key"));
    }
    let resources = ids(cx, Kind::read(&asked.resource_type)?, vec![asked.resource_id]).await?;
    let these = asked.tags.into_iter().map(|tag| (tag.key, tag.value.filter(|value| !value.is_empty()))).collect();
    Ok(cx.cloud.run(&cx.caller, DeleteTags { resources, which: WhichTags::These(these) }, cx.options()?).await?)
}

/// `DescribeTags`.
#[derive(FromArg)]
pub(crate) struct DescribeTags {
    resource_type: Option<String>,
    resource_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Tags {
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct TagReply {
    tag_key: String,
    tag_value: String,
    resource_type_count: Counts,
}

/// Things of each kind that have a tag.
#[derive(Default, Show)]
struct Counts {
    instance: usize,
    disk: usize,
    snapshot: usize,
    image: usize,
    securitygroup: usize,
    eni: usize,
    key_pair: usize,
    launch_template: usize,
}

impl Counts {
    fn of(&mut self, kind: Kind) -> Option<&mut usize> {
        match kind {
            Kind::Instance => Some(&mut self.instance),
            Kind::Disk => Some(&mut self.disk),
            Kind::Snapshot => Some(&mut self.snapshot),
            Kind::Image => Some(&mut self.image),
            Kind::SecurityGroup => Some(&mut self.securitygroup),
            Kind::Interface => Some(&mut self.eni),
            Kind::KeyPair => Some(&mut self.key_pair),
            Kind::LaunchTemplate => Some(&mut self.launch_template),
            Kind::Vpc
            | Kind::VSwitch
            | Kind::Address
            | Kind::Gateway
            | Kind::Ipv6Gateway
            | Kind::NatGateway
            | Kind::RouteTable
            | Kind::NetworkAcl
            | Kind::DhcpOptions
            | Kind::PrefixList
            | Kind::DeploymentSet
            | Kind::BandwidthPackage
            | Kind::FlowLog => None,
        }
    }
}

/// Lists tags, each with how many things of each kind have it.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeTags) -> Result<Tags, Fault> {
    let mut counts: BTreeMap<(String, String), Counts> = BTreeMap::new();
    let wanted = |key: &str, value: &str| {
        let is = |tag: &TagArg| tag.key == key && tag.value.as_deref().is_none_or(|asked| asked.is_empty() || asked == value);
        asked.tags.is_empty() || asked.tags.iter().any(is)
    };
    for kind in kinds(asked.resource_type.as_deref())? {
        for (_, tags) in tagged(cx, kind, asked.resource_id.as_deref(), &[]).await? {
            for (key, value) in tags.into_iter().filter(|(key, value)| wanted(key, value)) {
                if let Some(count) = counts.entry((key, value)).or_default().of(kind) {
                    *count += 1;
                }
            }
        }
    }
    let reply = |((tag_key, tag_value), resource_type_count)| TagReply { tag_key, tag_value, resource_type_count };
    let (tags, numbers) = asked.numbered.cut(counts.into_iter().map(reply).collect(), PAGE_SIZE_MAX)?;
    Ok(Tags { tags, numbers })
}

/// `DescribeResourceByTags`.
#[derive(FromArg)]
pub(crate) struct DescribeResourceByTags {
    resource_type: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Resources {
    #[reply(list = "Resource")]
    resources: Vec<ResourceReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct ResourceReply {
    resource_id: String,
    resource_type: &'static str,
    region_id: String,
}

/// Lists things that have all of these tags.
pub(crate) async fn resources(cx: &Cx<'_>, asked: DescribeResourceByTags) -> Result<Resources, Fault> {
    if asked.tags.is_empty() {
        return Err(Fault::missing("Tag.1.Key"));
    }
    let mut found = BTreeSet::new();
    for kind in kinds(asked.resource_type.as_deref())? {
        found.extend(tagged(cx, kind, None, &asked.tags).await?.into_iter().map(|(id, _)| (kind.word(), id)));
    }
    let reply = |(resource_type, resource_id)| ResourceReply { resource_id, resource_type, region_id: cx.region() };
    let (resources, numbers) = asked.numbered.cut(found.into_iter().map(reply).collect(), PAGE_SIZE_MAX)?;
    Ok(Resources { resources, numbers })
}

/// The kind that is named, or all of ECS.
fn kinds(word: Option<&str>) -> Result<Vec<Kind>, Fault> {
    match word.filter(|word| !word.is_empty()) {
        Some(word) => Ok(vec![Kind::read(word)?]),
        None => Ok(Kind::OF_ECS.to_vec()),
    }
}

/// Things of a kind that have tags, all of these among them.
async fn tagged(cx: &Cx<'_>, kind: Kind, id: Option<&str>, tags: &[TagArg]) -> Result<Vec<(String, model::Tags)>, Fault> {
    let mut filters = Filters::new();
    filters.exact(Field::Id, id).tags(tags).push(Field::TagKey, vec!["*".to_owned()]);
    let filters = filters.into_vec();
    let mut rows = Vec::new();
    let mut last = 0;
    loop {
        let (page, next) = read(cx, kind, filters.clone(), Page::After { last, size: control::PAGE_MAX }).await?;
        rows.extend(page);
        match next {
            Some(next) => last = next,
            None => return Ok(rows),
        }
    }
}
