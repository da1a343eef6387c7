//! Instance types as they are shown.

use control::{Field, Filter};
use model::{Catalogue, matches_pattern};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Cx;
use crate::error::Refusal;
use crate::page::{Page, Pages, Show};
use crate::query::Parameter;
use crate::routes::Nothing;
use crate::schema;

/// Filters of the list.
pub(crate) const FILTERS: &[Parameter] = &[
    Parameter::filter("name", Field::Name, "Only those with one of these names, in any cloud's scheme."),
    Parameter::filter("architecture", Field::Architecture, "Only those of one of these instruction sets."),
    Parameter::filter("category", Field::Kind, "Only those made for one of these."),
];

/// An instance type.
#[derive(Serialize, JsonSchema)]
pub(crate) struct InstanceType<'a> {
    name: &'a str,
    /// Every name that launches understand, of three clouds' schemes.
    names: Vec<&'a str>,
    /// What it is made for.
    #[schemars(with = "schema::TypeCategory")]
    category: &'static str,
    #[schemars(with = "schema::Architecture")]
    architecture: &'static str,
    vcpus: u32,
    memory_mib: u64,
    network: Network,
    disk: DiskLimits,
}

/// Network limits of a type.
#[derive(Serialize, JsonSchema)]
struct Network {
    /// What it has at any time, in megabits per second.
    baseline_mbps: u32,
    /// What it may reach for a while, in megabits per second.
    burst_mbps: u32,
    /// Most interfaces, the first included.
    max_interfaces: u8,
    /// Most private IPv4 addresses of one interface, the first included.
    ips_per_interface: u8,
}

/// Disk limits of a type, over all its volumes together.
#[derive(Serialize, JsonSchema)]
struct DiskLimits {
    /// Most operations per second.
    iops: u32,
    /// Most megabytes (10^6 bytes) per second.
    megabytes_per_second: u32,
    /// Most volumes, the system disk included.
    max_volumes: u8,
}

impl Show for &'static model::InstanceType {
    type As<'a> = InstanceType<'a>;

    fn show(&self) -> InstanceType<'_> {
        InstanceType {
            name: &self.name,
            names: names(self).collect(),
            category: self.category.as_str(),
            architecture: self.architecture.as_str(),
            vcpus: self.vcpus,
            memory_mib: self.memory.0,
            network: Network {
                baseline_mbps: self.network.baseline_mbps,
                burst_mbps: self.network.burst_mbps,
                max_interfaces: self.network.max_interfaces,
                ips_per_interface: self.network.ips_per_interface,
            },
            disk: DiskLimits {
                iops: self.disk.iops,
                megabytes_per_second: self.disk.megabytes_per_second,
                max_volumes: self.disk.max_volumes,
            },
        }
    }
}

/// Lists the types.
pub(crate) async fn list(cx: Cx, _: Nothing) -> Result<Page<&'static model::InstanceType>, Refusal> {
    cx.allowed().await?;
    let pages = Pages::of(&cx)?;
    let matching = |kind: &&model::InstanceType| cx.asked.filters().iter().all(|filter| matches(kind, filter));
    let kinds: Vec<_> = Catalogue::standard().all().iter().filter(matching).collect();
    Ok(pages.cut(kinds.into_iter()))
}

fn names(kind: &model::InstanceType) -> impl Iterator<Item = &str> {
    kind.ec2_names.iter().chain(&kind.ecs_names).chain(&kind.cvm_names).map(String::as_str)
}

fn matches(kind: &model::InstanceType, filter: &Filter) -> bool {
    let any = |value: &str| filter.values.iter().any(|pattern| matches_pattern(pattern, value));
    match filter.field {
        Field::Name => names(kind).any(any),
        Field::Architecture => any(kind.architecture.as_str()),
        _ => any(kind.category.as_str()),
    }
}
