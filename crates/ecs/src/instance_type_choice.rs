//! Types that are recommended for what is asked, from the catalogue, where hosts have room for them now.

use std::cmp::Reverse;

use model::{Catalogue, Error, InstanceType, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::instance_type::{generation, level};
use crate::parameter::Absent;
use crate::volume::DATA_CATEGORIES;

/// Most families that one call names (ECS documents 10).
const FAMILIES_PER_CALL: usize = 10;
/// What is sold when an instance is.
const COMMODITY: &str = "ecs";

/// `DescribeRecommendInstanceType`.
#[derive(FromArg)]
pub(crate) struct DescribeRecommendInstanceType {
    network_type: NetworkType,
    instance_type: Option<String>,
    #[arg(name = "InstanceTypeFamily", max_items = FAMILIES_PER_CALL)]
    families: Vec<String>,
    instance_family_level: Option<FamilyLevel>,
    cores: Option<u32>,
    memory: Option<f64>,
    zone_id: Option<String>,
    zone_match_mode: Option<ZoneMatch>,
    instance_charge_type: Option<ChargeType>,
    spot_strategy: Option<SpotStrategy>,
    io_optimized: Option<IoOptimized>,
    system_disk_category: Option<String>,
    #[arg(default = Strategy::Inventory)]
    priority_strategy: Strategy,
    #[arg(default = Scene::Create)]
    scene: Scene,
}

/// Parameters of `DescribeRecommendInstanceType` that are refused.
pub(crate) const ABSENT: &[Absent] = &[("MaxPrice", "nothing has a price")];

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum NetworkType {
    Classic,
    Vpc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum FamilyLevel {
    #[arg(name = "EntryLevel")]
    Entry,
    #[arg(name = "EnterpriseLevel")]
    Enterprise,
    #[arg(name = "CreditEntryLevel")]
    CreditEntry,
}

impl FamilyLevel {
    const fn word(self) -> &'static str {
        match self {
            FamilyLevel::Entry => "EntryLevel",
            FamilyLevel::Enterprise => "EnterpriseLevel",
            FamilyLevel::CreditEntry => "CreditEntryLevel",
        }
    }
}

/// Whether other zones than the one that is said are wanted too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum ZoneMatch {
    Strict,
    Include,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum ChargeType {
    PrePaid,
    PostPaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum SpotStrategy {
    NoSpot,
    SpotWithPriceLimit,
    SpotAsPriceGo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum IoOptimized {
    Optimized,
    None,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Strategy {
    /// What more zones have room for.
    #[arg(name = "InventoryFirst")]
    Inventory,
    /// What takes least of a host for a processor: nothing has a price.
    #[arg(name = "PriceFirst")]
    Price,
    /// The newest generation.
    #[arg(name = "NewProductFirst")]
    NewProduct,
}

/// What a type is wanted for, which is told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum Scene {
    Upgrade,
    Create,
}

#[derive(Show)]
pub(crate) struct Recommended {
    data: Data,
}

#[derive(Show)]
#[reply(list = "")]
struct Data {
    recommend_instance_type: Vec<Recommendation>,
}

#[derive(Show)]
struct Recommendation {
    region_id: String,
    zone_id: String,
    commodity_code: &'static str,
    instance_charge_type: &'static str,
    network_type: &'static str,
    spot_strategy: &'static str,
    scene: &'static str,
    priority: usize,
    instance_type: TypeReply,
    #[reply(list = "zone")]
    zones: Vec<ZoneReply>,
}

#[derive(Show)]
struct TypeReply {
    instance_type: String,
    instance_type_family: String,
    generation: String,
    cores: u32,
    /// MiB.
    memory: u64,
    support_io_optimized: &'static str,
}

#[derive(Show)]
struct ZoneReply {
    zone_no: String,
    #[reply(list = "NetworkType")]
    network_types: Vec<&'static str>,
}

/// A type, and the zones that have room for it.
struct Choice {
    kind: &'static InstanceType,
    zones: Vec<String>,
}

/// Tells the types that fit what is asked and that a zone has room for: with a type the ones of its size, else those of a size or all.
pub(crate) async fn recommend(cx: &Cx<'_>, asked: DescribeRecommendInstanceType) -> Result<Recommended, Fault> {
    cx.allowed().await?;
    let sized = asked.sized()?;
    let zones = asked.zones(cx)?;
    let mut choices: Vec<Choice> = sized.into_iter().map(|kind| Choice { kind, zones: vec![] }).collect();
    for zone in zones {
        let room = cx.cloud.types_with_room(&cx.caller, &zone).await?;
        for choice in choices.iter_mut().filter(|choice| room.iter().any(|kind| kind.name == choice.kind.name)) {
            choice.zones.push(zone.clone());
        }
    }
    choices.retain(|choice| !choice.zones.is_empty());
    asked.priority_strategy.sort(&mut choices);
    let shown = |(at, choice): (usize, Choice)| asked.reply(cx, at + 1, choice);
    Ok(Recommended { data: Data { recommend_instance_type: choices.into_iter().enumerate().map(shown).collect() } })
}

impl DescribeRecommendInstanceType {
    /// The types that fit, in the catalogue's order.
    fn sized(&self) -> Result<Vec<&'static InstanceType>, Fault> {
        let named = self.instance_type.as_deref().filter(|name| !name.is_empty());
        if named.is_some() && (self.cores.is_some() || self.memory.is_some()) {
            let reason = "InstanceType excludes Cores and Memory".to_owned();
            return Err(Error::InvalidCombination { reason }.into());
        }
        let like = named.map(|name| Catalogue::standard().by_name(name).ok_or_else(|| Error::not_found(Noun::InstanceType, name)));
        let like = like.transpose()?;
        if self.is_never() {
            return Ok(vec![]);
        }
        let fits = |kind: &&InstanceType| {
            like.is_none_or(|like| (like.vcpus, like.memory, like.architecture) == (kind.vcpus, kind.memory, kind.architecture))
                && self.cores.is_none_or(|cores| cores == kind.vcpus)
                && self.memory.is_none_or(|gib| gib * 1024.0 == kind.memory.0 as f64)
                && self.instance_family_level.is_none_or(|wanted| wanted.word() == level(kind.category))
                && (self.families.is_empty() || self.families.iter().any(|family| family == kind.ecs_family()))
        };
        Ok(Catalogue::standard().all().iter().filter(fits).collect())
    }

    /// Whether what nobody can have is asked for.
    fn is_never(&self) -> bool {
        let disk = self.system_disk_category.as_deref().filter(|category| !category.is_empty());
        self.network_type == NetworkType::Classic
            || self.instance_charge_type == Some(ChargeType::PrePaid)
            || matches!(self.spot_strategy, Some(SpotStrategy::SpotWithPriceLimit | SpotStrategy::SpotAsPriceGo))
            || self.io_optimized == Some(IoOptimized::None)
            || disk.is_some_and(|category| !DATA_CATEGORIES.contains(&category))
    }

    /// The zones to look in, the one that is said first.
    fn zones(&self, cx: &Cx<'_>) -> Result<Vec<String>, Fault> {
        let mut zones = cx.cloud.region().zones.clone();
        let Some(wanted) = self.zone_id.as_ref().filter(|zone| !zone.is_empty()) else { return Ok(zones) };
        if !zones.contains(wanted) {
            return Err(Error::not_found(Noun::Zone, wanted).into());
        }
        match self.zone_match_mode {
            None | Some(ZoneMatch::Strict) => Ok(vec![wanted.clone()]),
            Some(ZoneMatch::Include) => {
                zones.sort_by_key(|zone| zone != wanted);
                Ok(zones)
            }
        }
    }

    fn reply(&self, cx: &Cx<'_>, priority: usize, choice: Choice) -> Recommendation {
        let Choice { kind, zones } = choice;
        Recommendation {
            region_id: cx.region(),
            zone_id: zones.first().cloned().unwrap_or_default(),
            commodity_code: COMMODITY,
            instance_charge_type: "PostPaid",
            network_type: "vpc",
            spot_strategy: "NoSpot",
            scene: match self.scene {
                Scene::Upgrade => "UPGRADE",
                Scene::Create => "CREATE",
            },
            priority,
            instance_type: TypeReply {
                instance_type: kind.ecs_name().to_owned(),
                instance_type_family: kind.ecs_family().to_owned(),
                generation: generation(kind.ecs_family()),
                cores: kind.vcpus,
                memory: kind.memory.0,
                support_io_optimized: "optimized",
            },
            zones: zones.into_iter().map(|zone_no| ZoneReply { zone_no, network_types: vec!["vpc"] }).collect(),
        }
    }
}

impl Strategy {
    /// What is equal stays in the catalogue's order.
    fn sort(self, choices: &mut [Choice]) {
        match self {
            Strategy::Inventory => choices.sort_by_key(|choice| Reverse(choice.zones.len())),
            Strategy::Price => choices.sort_by_key(|choice| choice.kind.memory.0 / u64::from(choice.kind.vcpus.max(1))),
            Strategy::NewProduct => choices.sort_by_key(|choice| Reverse(age(choice.kind.ecs_family()))),
        }
    }
}

/// The number in a family's name, which grows from generation to generation: 7 of `ecs.g7`.
fn age(family: &str) -> u32 {
    let digits = family.chars().skip_while(|letter| !letter.is_ascii_digit()).take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap_or(0)
}
