//! Instance types and their families, under ECS's names.

use model::instance_type::{Category, Scheme};
use model::{Architecture, Catalogue, InstanceType};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::literal;
use crate::page::{read_token, write_token};
use crate::parameter::Absent;

/// MiB in one GiB.
const MIB_PER_GIB: f64 = 1024.0;
/// Kilobits in one megabit, as ECS counts bandwidth.
const KBIT_PER_MBIT: u32 = 1000;
/// Most types that one call may name (ECS documents 10 for `InstanceTypes.N`; more does no harm).
const TYPES_PER_CALL: usize = 100;

/// Every type's name, in the catalogue's order.
pub(crate) fn names() -> Vec<String> {
    Catalogue::standard().all().iter().map(|kind| kind.ecs_name().to_owned()).collect()
}

/// Every family's name.
pub(crate) fn family_names() -> Vec<String> {
    let mut families: Vec<String> = Catalogue::standard().all().iter().map(|kind| kind.ecs_family().to_owned()).collect();
    families.sort();
    families.dedup();
    families
}

/// The name with which the type of an instance is shown, from the one that its launch gave.
pub(crate) fn shown(kept: &str) -> &str {
    Catalogue::standard().shown(Scheme::Ecs, kept)
}

/// The family of a type that is shown with this name.
pub(crate) fn family(shown: &str) -> &str {
    shown.rsplit_once('.').map_or(shown, |(family, _)| family)
}

/// The names that launches may have given of the types that are shown with this name.
pub(crate) fn kept(name: &str) -> Vec<String> {
    Catalogue::standard().kept_as(Scheme::Ecs, &literal(name))
}

/// The names that launches may have given of the types of a family.
pub(crate) fn kept_of_family(family: &str) -> Vec<String> {
    Catalogue::standard().kept_as(Scheme::Ecs, &format!("{}.*", literal(family)))
}

/// `DescribeInstanceTypeFamilies`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceTypeFamilies {
    generation: Option<String>,
}

#[derive(Show)]
pub(crate) struct Families {
    #[reply(list = "InstanceTypeFamily")]
    instance_type_families: Vec<Family>,
}

#[derive(Show)]
struct Family {
    instance_type_family_id: String,
    generation: String,
}

/// Lists families.
pub(crate) async fn families(cx: &Cx<'_>, asked: DescribeInstanceTypeFamilies) -> Result<Families, Fault> {
    cx.allowed().await?;
    let wanted = asked.generation.filter(|generation| !generation.is_empty());
    let family = |name: String| Family { generation: generation(&name), instance_type_family_id: name };
    let mut families: Vec<Family> = family_names().into_iter().map(family).collect();
    families.retain(|family| wanted.as_ref().is_none_or(|wanted| *wanted == family.generation));
    Ok(Families { instance_type_families: families })
}

/// `ecs-5` for `ecs.g7`: ECS's own generation names stopped at five, and every newer family is shown there.
pub(crate) fn generation(family: &str) -> String {
    let digits: String = family.chars().skip_while(|letter| !letter.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    format!("ecs-{}", digits.parse::<u32>().unwrap_or(1).clamp(1, 5))
}

/// `DescribeInstanceTypes`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceTypes {
    #[arg(max_items = TYPES_PER_CALL)]
    instance_types: Vec<String>,
    instance_type_family: Option<String>,
    #[arg(max_items = TYPES_PER_CALL)]
    instance_type_families: Vec<String>,
    cpu_architecture: Option<CpuArchitecture>,
    #[arg(max_items = 2)]
    cpu_architectures: Vec<CpuArchitecture>,
    instance_category: Option<String>,
    #[arg(max_items = TYPES_PER_CALL)]
    instance_categories: Vec<String>,
    instance_family_level: Option<String>,
    minimum_cpu_core_count: Option<u32>,
    maximum_cpu_core_count: Option<u32>,
    minimum_memory_size: Option<f64>,
    maximum_memory_size: Option<f64>,
    minimum_eni_quantity: Option<u8>,
    minimum_eni_private_ip_address_quantity: Option<u8>,
    minimum_disk_quantity: Option<u8>,
    minimum_instance_bandwidth_rx: Option<u32>,
    minimum_instance_bandwidth_tx: Option<u32>,
    minimum_eni_ipv6_address_quantity: Option<u8>,
    minimum_primary_eni_queue_number: Option<u32>,
    minimum_secondary_eni_queue_number: Option<u32>,
    minimum_baseline_credit: Option<u32>,
    nvme_support: Option<String>,
    #[arg(flatten)]
    elsewhere: Elsewhere,
    #[arg(range = 1..=1000)]
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// Conditions on what no type has here: accelerators, local disks, interfaces for remote memory, credits to begin with.
#[derive(FromArg)]
struct Elsewhere {
    #[arg(name = "MinimumGPUAmount")]
    minimum_gpu_amount: Option<u32>,
    #[expect(dead_code, reason = "no type has any")]
    #[arg(name = "MaximumGPUAmount")]
    maximum_gpu_amount: Option<u32>,
    #[arg(name = "GPUSpec")]
    gpu_spec: Option<String>,
    #[arg(max_items = TYPES_PER_CALL)]
    gpu_specs: Vec<String>,
    local_storage_category: Option<String>,
    #[arg(max_items = 2)]
    local_storage_categories: Vec<String>,
    minimum_local_storage_amount: Option<u32>,
    minimum_local_storage_capacity: Option<u64>,
    minimum_eri_quantity: Option<u32>,
    minimum_queue_pair_number: Option<u32>,
    minimum_initial_credit: Option<u32>,
}

impl Elsewhere {
    /// Whether a type that has none of it is asked for.
    fn takes_without(&self) -> bool {
        let none = |least: Option<u32>| least.is_none_or(|least| least == 0);
        let unnamed = |name: &Option<String>| name.as_deref().is_none_or(str::is_empty);
        none(self.minimum_gpu_amount)
            && unnamed(&self.gpu_spec)
            && self.gpu_specs.is_empty()
            && unnamed(&self.local_storage_category)
            && self.local_storage_categories.is_empty()
            && none(self.minimum_local_storage_amount)
            && self.minimum_local_storage_capacity.is_none_or(|least| least == 0)
            && none(self.minimum_eri_quantity)
            && none(self.minimum_queue_pair_number)
            && none(self.minimum_initial_credit)
    }
}

/// Parameters of `DescribeInstanceTypes` that are refused.
pub(crate) const ABSENT: &[Absent] = &[
    ("AdditionalAttributes", "nothing further is known of a type"),
    ("PhysicalProcessorModel", "a type does not say on which processor it is"),
    ("PhysicalProcessorModels", "a type does not say on which processor it is"),
    ("MinimumCpuSpeedFrequency", "a type does not say on which processor it is"),
    ("MaximumCpuSpeedFrequency", "a type does not say on which processor it is"),
    ("MinimumCpuTurboFrequency", "a type does not say on which processor it is"),
    ("MaximumCpuTurboFrequency", "a type does not say on which processor it is"),
    ("MinimumInstancePpsRx", "types are bounded by bits, not by packets"),
    ("MinimumInstancePpsTx", "types are bounded by bits, not by packets"),
];

/// Queues of every interface.
pub(crate) const QUEUES: u32 = 1;

#[derive(Clone, Copy, PartialEq, FromArg)]
enum CpuArchitecture {
    X86,
    #[arg(name = "ARM")]
    Arm,
}

#[derive(Show)]
pub(crate) struct InstanceTypes {
    #[reply(list = "InstanceType")]
    instance_types: Vec<InstanceTypeReply>,
    next_token: String,
}

#[derive(Show)]
struct InstanceTypeReply {
    instance_type_id: String,
    instance_type_family: String,
    instance_category: &'static str,
    instance_family_level: &'static str,
    cpu_architecture: &'static str,
    cpu_core_count: u32,
    memory_size: f64,
    eni_quantity: u8,
    eni_total_quantity: u8,
    eni_private_ip_address_quantity: u8,
    disk_quantity: u8,
    instance_bandwidth_rx: u32,
    instance_bandwidth_tx: u32,
    eni_ipv6_address_quantity: u8,
    primary_eni_queue_number: u32,
    secondary_eni_queue_number: u32,
    baseline_credit: Option<u32>,
    #[reply(name = "GPUAmount")]
    gpu_amount: u32,
    #[reply(name = "GPUSpec")]
    gpu_spec: &'static str,
    local_storage_category: &'static str,
    nvme_support: &'static str,
    jumbo_frame_support: bool,
}

/// Lists types: all of them, unless a page is asked for.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeInstanceTypes) -> Result<InstanceTypes, Fault> {
    cx.allowed().await?;
    let matching: Vec<&InstanceType> = Catalogue::standard().all().iter().filter(|kind| asked.matches(kind)).collect();
    let token = asked.next_token.as_deref().filter(|token| !token.is_empty());
    let start = token.map(read_token).transpose()?.map_or(0, |at| usize::try_from(at).unwrap_or(usize::MAX)).min(matching.len());
    let end = start.saturating_add(asked.max_results.unwrap_or(matching.len())).min(matching.len());
    let next_token = if end < matching.len() { write_token(end as u64) } else { String::new() };
    Ok(InstanceTypes { instance_types: matching[start..end].iter().map(|kind| reply(kind)).collect(), next_token })
}

impl DescribeInstanceTypes {
    fn matches(&self, kind: &InstanceType) -> bool {
        let named = |names: &[String], found: &str| names.is_empty() || names.iter().any(|name| name == found);
        let filled = |text: &Option<String>, found: &str| text.as_deref().is_none_or(|text| text.is_empty() || text == found);
        let gib = gib(kind);
        self.names_match(kind)
            && named(&self.instance_type_families, kind.ecs_family())
            && filled(&self.instance_type_family, kind.ecs_family())
            && filled(&self.instance_category, category(kind.category))
            && named(&self.instance_categories, category(kind.category))
            && filled(&self.instance_family_level, level(kind.category))
            && filled(&self.nvme_support, NVME)
            && self.cpu_architecture.is_none_or(|wanted| wanted == architecture(kind.architecture))
            && (self.cpu_architectures.is_empty() || self.cpu_architectures.contains(&architecture(kind.architecture)))
            && self.minimum_cpu_core_count.is_none_or(|least| kind.vcpus >= least)
            && self.maximum_cpu_core_count.is_none_or(|most| kind.vcpus <= most)
            && self.minimum_memory_size.is_none_or(|least| gib >= least)
            && self.maximum_memory_size.is_none_or(|most| gib <= most)
            && self.minimum_eni_quantity.is_none_or(|least| kind.network.max_interfaces >= least)
            && self.minimum_eni_private_ip_address_quantity.is_none_or(|least| kind.network.ips_per_interface >= least)
            && self.minimum_disk_quantity.is_none_or(|least| kind.disk.max_volumes >= least)
            && self.minimum_instance_bandwidth_rx.is_none_or(|least| kbit(kind) >= least)
            && self.minimum_instance_bandwidth_tx.is_none_or(|least| kbit(kind) >= least)
            && self.minimum_eni_ipv6_address_quantity.is_none_or(|least| kind.network.ips_per_interface >= least)
            && self.minimum_primary_eni_queue_number.is_none_or(|least| QUEUES >= least)
            && self.minimum_secondary_eni_queue_number.is_none_or(|least| QUEUES >= least)
            && self.minimum_baseline_credit.is_none_or(|least| baseline(kind).is_some_and(|has| has >= least))
            && self.elsewhere.takes_without()
    }

    /// A type may be asked for under any vendor's name.
    fn names_match(&self, kind: &InstanceType) -> bool {
        let is_kind = |name: &String| Catalogue::standard().by_name(name).is_some_and(|found| found.name == kind.name);
        self.instance_types.is_empty() || self.instance_types.iter().any(is_kind)
    }
}

fn reply(kind: &InstanceType) -> InstanceTypeReply {
    InstanceTypeReply {
        instance_type_id: kind.ecs_name().to_owned(),
        instance_type_family: kind.ecs_family().to_owned(),
        instance_category: category(kind.category),
        instance_family_level: level(kind.category),
        cpu_architecture: match architecture(kind.architecture) {
            CpuArchitecture::X86 => "X86",
            CpuArchitecture::Arm => "ARM",
        },
        cpu_core_count: kind.vcpus,
        memory_size: gib(kind),
        eni_quantity: kind.network.max_interfaces,
        eni_total_quantity: kind.network.max_interfaces,
        eni_private_ip_address_quantity: kind.network.ips_per_interface,
        disk_quantity: kind.disk.max_volumes,
        instance_bandwidth_rx: kbit(kind),
        instance_bandwidth_tx: kbit(kind),
        eni_ipv6_address_quantity: kind.network.ips_per_interface,
        primary_eni_queue_number: QUEUES,
        secondary_eni_queue_number: QUEUES,
        baseline_credit: baseline(kind),
        gpu_amount: 0,
        gpu_spec: "",
        local_storage_category: "",
        nvme_support: NVME,
        jumbo_frame_support: false,
    }
}

/// Disks are attached by virtio.
const NVME: &str = "unsupported";

/// The share of all processors together that costs no credits, in percent.
fn baseline(kind: &InstanceType) -> Option<u32> {
    kind.credits.map(|credits| credits.baseline_basis_points * kind.vcpus / 100)
}

fn gib(kind: &InstanceType) -> f64 {
    kind.memory.0 as f64 / MIB_PER_GIB
}

fn kbit(kind: &InstanceType) -> u32 {
    kind.network.baseline_mbps.saturating_mul(KBIT_PER_MBIT)
}

const fn architecture(architecture: Architecture) -> CpuArchitecture {
    match architecture {
        Architecture::X86_64 => CpuArchitecture::X86,
        Architecture::Arm64 => CpuArchitecture::Arm,
    }
}

const fn category(category: Category) -> &'static str {
    match category {
        Category::General => "General-purpose",
        Category::Compute => "Compute-optimized",
        Category::Memory => "Memory-optimized",
        Category::Burstable => "Burstable",
        Category::Shared => "Shared",
    }
}

pub(crate) const fn level(category: Category) -> &'static str {
    match category {
        Category::General | Category::Compute | Category::Memory => "EnterpriseLevel",
        Category::Burstable => "CreditEntryLevel",
        Category::Shared => "EntryLevel",
    }
}
