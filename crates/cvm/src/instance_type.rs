//! Instance types and their families, under CVM's names.

use std::collections::HashSet;

use model::instance_type::{Category, Scheme};
use model::{Catalogue, InstanceType, Mib};
use wire::{Doc, FromArg, Show};

use crate::Cx;
use crate::account::Nothing;
use crate::error::Fault;
use crate::filter::{FILTERS_MAX, FilterArg, literal};

/// The name with which the type of an instance is shown, from the one that its launch gave.
pub(crate) fn shown(kept: &str) -> String {
    Catalogue::standard().shown(Scheme::Cvm, kept).to_owned()
}

/// The names that launches may have given of the types that are shown with this name.
pub(crate) fn kept(name: &str) -> Vec<String> {
    Catalogue::standard().kept_as(Scheme::Cvm, &literal(name))
}

/// Memory as CVM counts it, in whole GiB; what is less than one is shown as one.
pub(crate) fn gib(memory: Mib) -> u64 {
    memory.0.div_ceil(1024)
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Families {
    instance_family_config_set: Vec<Family>,
}

#[derive(Show)]
struct Family {
    instance_family_name: String,
    instance_family: String,
}

/// Lists families.
pub(crate) async fn families(cx: &Cx<'_>, _: Nothing) -> Result<Families, Fault> {
    cx.allowed().await?;
    let mut names: Vec<&str> = Catalogue::standard().all().iter().map(InstanceType::cvm_family).collect();
    names.sort_unstable();
    names.dedup();
    let family = |name: &str| Family { instance_family_name: format!("Family {name}"), instance_family: name.to_owned() };
    Ok(Families { instance_family_config_set: names.into_iter().map(family).collect() })
}

/// `DescribeInstanceTypeConfigs` and `DescribeZoneInstanceConfigInfos`.
#[derive(FromArg)]
pub(crate) struct DescribeTypes {
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
}

impl DescribeTypes {
    /// The values of a filter; none when it is not asked for.
    fn values(&self, name: &str) -> Option<&[String]> {
        self.filters.iter().find(|filter| filter.name == name).map(|filter| filter.values.as_slice())
    }

    /// Refuses filters that are not among these.
    fn check(&self, known: &[&str]) -> Result<(), Fault> {
        match self.filters.iter().find(|filter| !known.contains(&filter.name.as_str())) {
            Some(other) => Err(Fault::unknown_filter(&other.name)),
            None => Ok(()),
        }
    }

    fn zones<'a>(&'a self, cx: &'a Cx<'_>) -> impl Iterator<Item = &'a String> {
        let wanted = self.values("zone");
        cx.cloud.region().zones.iter().filter(move |zone| wanted.is_none_or(|wanted| wanted.contains(zone)))
    }

    /// The types that are asked for; each may be asked for under any vendor's name.
    fn types(&self) -> impl Iterator<Item = &'static InstanceType> {
        let catalogue = Catalogue::standard();
        let families = self.values("instance-family");
        let names = self.values("instance-type").map(|names| {
            let known = names.iter().filter_map(|name| catalogue.by_name(name));
            known.map(|kind| kind.name.as_str()).collect::<HashSet<_>>()
        });
        catalogue.all().iter().filter(move |kind| {
            families.is_none_or(|families| families.iter().any(|family| family == kind.cvm_family()))
                && names.as_ref().is_none_or(|names| names.contains(kind.name.as_str()))
        })
    }
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct TypeConfigs {
    instance_type_config_set: Vec<TypeConfig>,
}

#[derive(Show)]
pub(crate) struct TypeConfig {
    zone: String,
    instance_type: String,
    instance_family: String,
    #[reply(name = "CPU")]
    cpu: u32,
    memory: u64,
    #[reply(name = "GPU")]
    gpu: u32,
    #[reply(name = "FPGA")]
    fpga: u32,
    gpu_count: f64,
}

/// Lists types in the zones that have them, which is all of them.
pub(crate) async fn configs(cx: &Cx<'_>, asked: DescribeTypes) -> Result<TypeConfigs, Fault> {
    cx.allowed().await?;
    asked.check(&["zone", "instance-family", "instance-type"])?;
    let all = asked.zones(cx).flat_map(|zone| asked.types().map(move |kind| config(zone, kind)));
    Ok(TypeConfigs { instance_type_config_set: all.collect() })
}

/// A type in a zone.
pub(crate) fn config(zone: &str, kind: &InstanceType) -> TypeConfig {
    TypeConfig {
        zone: zone.to_owned(),
        instance_type: kind.cvm_name().to_owned(),
        instance_family: kind.cvm_family().to_owned(),
        cpu: kind.vcpus,
        memory: gib(kind.memory),
        gpu: 0,
        fpga: 0,
        gpu_count: 0.0,
    }
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct TypeQuotas {
    instance_type_quota_set: Vec<TypeQuota>,
}

#[derive(Show)]
#[reply(list = "")]
struct TypeQuota {
    zone: String,
    instance_type: String,
    instance_family: String,
    type_name: &'static str,
    instance_charge_type: &'static str,
    status: &'static str,
    status_category: &'static str,
    sold_out_reason: &'static str,
    cpu: u32,
    memory: u64,
    cpu_type: &'static str,
    frequency: &'static str,
    network_card: u32,
    instance_bandwidth: f64,
    instance_pps: u32,
    storage_block_amount: u32,
    local_disk_type_list: Vec<Doc>,
    gpu: u32,
    gpu_count: f64,
    fpga: u32,
    remark: &'static str,
    /// Nothing has a price yet.
    price: Doc,
    externals: Doc,
}

/// Gigabits in a megabit.
const GBIT_PER_MBIT: f64 = 0.001;

/// Tells what can be launched in each zone now.
pub(crate) async fn quotas(cx: &Cx<'_>, asked: DescribeTypes) -> Result<TypeQuotas, Fault> {
    asked.check(&["zone", "instance-family", "instance-type", "instance-charge-type", SORT_KEYS])?;
    let mut quotas = vec![];
    for zone in asked.zones(cx) {
        let room: HashSet<&str> = cx.cloud.types_with_room(&cx.caller, zone).await?.into_iter().map(|kind| kind.name.as_str()).collect();
        quotas.extend(asked.types().map(|kind| quota(zone, kind, room.contains(kind.name.as_str()))));
    }
    if asked.values("instance-charge-type").is_some_and(|wanted| !wanted.iter().any(|one| one == "POSTPAID_BY_HOUR")) {
        quotas.clear();
    }
    // The first key decides: the sort keeps what is alike in the order of the keys after it.
    for key in asked.values(SORT_KEYS).unwrap_or_default().iter().rev() {
        sort(&mut quotas, key)?;
    }
    Ok(TypeQuotas { instance_type_quota_set: quotas })
}

/// The filter that is an order: `cpu:desc`, `mem:asc`.
const SORT_KEYS: &str = "sort-keys";

fn sort(quotas: &mut [TypeQuota], key: &str) -> Result<(), Fault> {
    let by: fn(&TypeQuota) -> u64 = match key.split(':').next() {
        Some("cpu") => |quota| u64::from(quota.cpu),
        Some("mem") => |quota| quota.memory,
        _ => return Err(Fault::invalid("Filters", "types are sorted by `cpu` or `mem`")),
    };
    match key.split_once(':') {
        None | Some((_, "asc")) => quotas.sort_by_key(by),
        Some((_, "desc")) => quotas.sort_by_key(|quota| std::cmp::Reverse(by(quota))),
        Some(_) => return Err(Fault::invalid("Filters", "an order is `asc` or `desc`")),
    }
    Ok(())
}

fn quota(zone: &str, kind: &InstanceType, has_room: bool) -> TypeQuota {
    let (status, status_category) = if has_room { ("SELL", "EnoughStock") } else { ("SOLD_OUT", "WithoutStock") };
    TypeQuota {
        zone: zone.to_owned(),
        instance_type: kind.cvm_name().to_owned(),
        instance_family: kind.cvm_family().to_owned(),
        type_name: match kind.category {
            Category::General => "Standard",
            Category::Compute => "Compute",
            Category::Memory => "Memory Optimized",
            Category::Burstable => "Burstable",
            Category::Shared => "Shared",
        },
        instance_charge_type: "POSTPAID_BY_HOUR",
        status,
        status_category,
        sold_out_reason: if has_room { "" } else { "no host of the zone has room for it" },
        cpu: kind.vcpus,
        memory: gib(kind.memory),
        cpu_type: "",
        frequency: "",
        network_card: 0,
        instance_bandwidth: f64::from(kind.network.burst_mbps) * GBIT_PER_MBIT,
        instance_pps: 0,
        storage_block_amount: 0,
        local_disk_type_list: vec![],
        gpu: 0,
        gpu_count: 0.0,
        fpga: 0,
        remark: "",
        price: Doc::Object(vec![]),
        externals: Doc::Object(vec![]),
    }
}
