//! Instance types, and where they are offered.
//!
//! A type has several names of EC2's; lists show the first, and a type that is asked for by another name is shown by that.

use model::instance_type::Scheme;
use model::{Catalogue, InstanceType};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{AskedFilter, retain};
use crate::page::Paging;
use crate::region::zone_id;

/// Page sizes of `DescribeInstanceTypes`.
const TYPE_PAGES: std::ops::RangeInclusive<u32> = 5..=100;

/// The parameters of `DescribeInstanceTypes`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceTypes {
    #[arg(name = "InstanceType", max_items = 100)]
    names: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeInstanceTypes`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Types {
    instance_type_set: Vec<TypeItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct TypeItem {
    instance_type: String,
    current_generation: bool,
    free_tier_eligible: bool,
    supported_usage_classes: Vec<&'static str>,
    supported_root_device_types: Vec<&'static str>,
    supported_virtualization_types: Vec<&'static str>,
    bare_metal: bool,
    hypervisor: &'static str,
    processor_info: ProcessorInfo,
    v_cpu_info: VcpuInfo,
    memory_info: MemoryInfo,
    instance_storage_supported: bool,
    ebs_info: EbsInfo,
    network_info: NetworkInfo,
    hibernation_supported: bool,
    burstable_performance_supported: bool,
    dedicated_hosts_supported: bool,
    auto_recovery_supported: bool,
    supported_boot_modes: Vec<&'static str>,
    nitro_enclaves_support: &'static str,
    nitro_tpm_support: &'static str,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ProcessorInfo {
    supported_architectures: Vec<&'static str>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct VcpuInfo {
    default_v_cpus: u32,
    default_cores: u32,
    default_threads_per_core: u32,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct MemoryInfo {
    #[reply(name = "sizeInMiB")]
    size_in_mib: u64,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct EbsInfo {
    ebs_optimized_support: &'static str,
    encryption_support: &'static str,
    ebs_optimized_info: EbsLimits,
    nvme_support: &'static str,
    maximum_ebs_attachments: u8,
    attachment_limit_type: &'static str,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct EbsLimits {
    baseline_bandwidth_in_mbps: u32,
    #[reply(name = "baselineThroughputInMBps")]
    baseline_throughput: f64,
    baseline_iops: u32,
    maximum_bandwidth_in_mbps: u32,
    #[reply(name = "maximumThroughputInMBps")]
    maximum_throughput: f64,
    maximum_iops: u32,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct NetworkInfo {
    network_performance: String,
    maximum_network_interfaces: u8,
    maximum_network_cards: u32,
    default_network_card_index: u32,
    network_cards: Vec<NetworkCard>,
    ipv4_addresses_per_interface: u8,
    ipv6_addresses_per_interface: u8,
    ipv6_supported: bool,
    ena_support: &'static str,
    efa_supported: bool,
    encryption_in_transit_supported: bool,
    ena_srd_supported: bool,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct NetworkCard {
    network_card_index: u32,
    network_performance: String,
    maximum_network_interfaces: u8,
    baseline_bandwidth_in_gbps: f64,
    peak_bandwidth_in_gbps: f64,
}

/// A type under the name by which it is shown.
type Named = (String, &'static InstanceType);

/// The name with which the type of an instance is shown.
pub(crate) fn shown(kept: &str) -> String {
    shown_name(kept).to_owned()
}

/// The same, borrowed.
pub(crate) fn shown_name(kept: &str) -> &str {
    Catalogue::standard().shown(Scheme::Ec2, kept)
}

/// Lists the catalogue.
pub(crate) async fn describe_types(cx: Cx, asked: DescribeInstanceTypes) -> Result<Types, Refusal> {
    cx.allowed().await?;
    asked.paging.not_with_ids(&asked.names)?;
    let pages = asked.paging.pages(&cx, TYPE_PAGES, &asked.filters)?;
    let mut types = candidates(&asked.names, &asked.filters)?;
    retain(&mut types, &asked.filters, filter_values, TYPE_FILTERS)?;
    let (types, next_token) = pages.cut(types, |(name, _)| name.clone());
    Ok(Types { instance_type_set: types.into_iter().map(type_item).collect(), next_token })
}

/// The types that filters are applied to: those that are named; else under every name if a filter asks for names; else each once.
fn candidates(names: &[String], filters: &[AskedFilter]) -> Result<Vec<Named>, Refusal> {
    let catalogue = Catalogue::standard();
    if names.is_empty() {
        let by_name = filters.iter().any(|filter| filter.name == "instance-type");
        let shown = if by_name { usize::MAX } else { 1 };
        let all = catalogue.all().iter().flat_map(|kind| kind.ec2_names.iter().take(shown).map(move |name| (name.clone(), kind)));
        return Ok(all.collect());
    }
    let find = |name: &String| catalogue.by_name(name).filter(|kind| kind.ec2_names.contains(name)).map(|kind| (name.clone(), kind));
    let unknown: Vec<String> = names.iter().filter(|name| find(name).is_none()).cloned().collect();
    if !unknown.is_empty() {
        return Err(Refusal::UnknownInstanceTypes { names: unknown });
    }
    let mut found: Vec<Named> = names.iter().filter_map(find).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup_by(|a, b| a.0 == b.0);
    Ok(found)
}

fn type_item((name, kind): Named) -> TypeItem {
    TypeItem {
        instance_type: name,
        current_generation: true,
        free_tier_eligible: false,
        supported_usage_classes: vec!["on-demand"],
        supported_root_device_types: vec!["ebs"],
        supported_virtualization_types: vec!["hvm"],
        bare_metal: false,
        hypervisor: "nitro",
        processor_info: ProcessorInfo { supported_architectures: vec![kind.architecture.as_str()] },
        v_cpu_info: VcpuInfo { default_v_cpus: kind.vcpus, default_cores: kind.vcpus, default_threads_per_core: 1 },
        memory_info: MemoryInfo { size_in_mib: kind.memory.0 },
        instance_storage_supported: false,
        ebs_info: ebs_info(kind),
        network_info: network_info(kind),
        hibernation_supported: false,
        burstable_performance_supported: kind.credits.is_some(),
        dedicated_hosts_supported: false,
        auto_recovery_supported: false,
        supported_boot_modes: vec!["legacy-bios"],
        nitro_enclaves_support: "unsupported",
        nitro_tpm_support: "unsupported",
    }
}

fn ebs_info(kind: &InstanceType) -> EbsInfo {
    let (megabytes, iops) = (kind.disk.megabytes_per_second, kind.disk.iops);
    EbsInfo {
        ebs_optimized_support: "default",
        encryption_support: "unsupported",
        ebs_optimized_info: EbsLimits {
            baseline_bandwidth_in_mbps: megabytes * 8,
            baseline_throughput: f64::from(megabytes),
            baseline_iops: iops,
            maximum_bandwidth_in_mbps: megabytes * 8,
            maximum_throughput: f64::from(megabytes),
            maximum_iops: iops,
        },
        nvme_support: "unsupported",
        maximum_ebs_attachments: kind.disk.max_volumes,
        attachment_limit_type: "dedicated",
    }
}

fn network_info(kind: &InstanceType) -> NetworkInfo {
    let limits = &kind.network;
    NetworkInfo {
        network_performance: performance(kind),
        maximum_network_interfaces: limits.max_interfaces,
        maximum_network_cards: 1,
        default_network_card_index: 0,
        network_cards: vec![NetworkCard {
            network_card_index: 0,
            network_performance: performance(kind),
            maximum_network_interfaces: limits.max_interfaces,
            baseline_bandwidth_in_gbps: gigabits(limits.baseline_mbps),
            peak_bandwidth_in_gbps: gigabits(limits.burst_mbps),
        }],
        ipv4_addresses_per_interface: limits.ips_per_interface,
        ipv6_addresses_per_interface: limits.ips_per_interface,
        ipv6_supported: true,
        ena_support: "unsupported",
        efa_supported: false,
        encryption_in_transit_supported: false,
        ena_srd_supported: false,
    }
}

fn gigabits(mbps: u32) -> f64 {
    f64::from(mbps) / 1_000.0
}

fn performance(kind: &InstanceType) -> String {
    let most = gigabits(kind.network.burst_mbps);
    if kind.network.burst_mbps > kind.network.baseline_mbps { format!("Up to {most} Gigabit") } else { format!("{most} Gigabit") }
}

const TYPE_FILTERS: &[&str] = &[
    "auto-recovery-supported",
    "bare-metal",
    "burstable-performance-supported",
    "current-generation",
    "dedicated-hosts-supported",
    "ebs-info.attachment-limit-type",
    "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps",
    "ebs-info.ebs-optimized-info.baseline-iops",
    "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps",
    "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps",
    "ebs-info.ebs-optimized-info.maximum-iops",
    "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps",
    "ebs-info.ebs-optimized-support",
    "ebs-info.encryption-support",
    "ebs-info.maximum-ebs-attachments",
    "ebs-info.nvme-support",
    "free-tier-eligible",
    "hibernation-supported",
    "hypervisor",
    "instance-storage-info.disk.count",
    "instance-storage-info.disk.size-in-gb",
    "instance-storage-info.disk.type",
    "instance-storage-info.encryption-support",
    "instance-storage-info.nvme-support",
    "instance-storage-info.total-size-in-gb",
    "instance-storage-supported",
    "instance-type",
    "memory-info.size-in-mib",
    "network-info.bandwidth-weightings",
    "network-info.efa-info.maximum-efa-interfaces",
    "network-info.efa-supported",
    "network-info.ena-support",
    "network-info.encryption-in-transit-supported",
    "network-info.flexible-ena-queues-support",
    "network-info.ipv4-addresses-per-interface",
    "network-info.ipv6-addresses-per-interface",
    "network-info.ipv6-supported",
    "network-info.maximum-network-cards",
    "network-info.maximum-network-interfaces",
    "network-info.network-performance",
    "nitro-enclaves-support",
    "nitro-tpm-info.supported-versions",
    "nitro-tpm-support",
    "processor-info.supported-architecture",
    "processor-info.supported-features",
    "processor-info.sustained-clock-speed-in-ghz",
    "reboot-migration-support",
    "supported-boot-mode",
    "supported-root-device-type",
    "supported-usage-class",
    "supported-virtualization-type",
    "vcpu-info.default-cores",
    "vcpu-info.default-threads-per-core",
    "vcpu-info.default-vcpus",
    "vcpu-info.valid-cores",
    "vcpu-info.valid-threads-per-core",
];

fn filter_values((name, kind): &Named, filter: &str) -> Option<Vec<String>> {
    let value = match filter {
        "instance-type" => name.clone(),
        "current-generation" => "true".to_owned(),
        "burstable-performance-supported" => kind.credits.is_some().to_string(),
        "memory-info.size-in-mib" => kind.memory.0.to_string(),
        "vcpu-info.default-vcpus" | "vcpu-info.default-cores" => kind.vcpus.to_string(),
        "vcpu-info.default-threads-per-core" => "1".to_owned(),
        "processor-info.supported-architecture" => kind.architecture.to_string(),
        "network-info.maximum-network-interfaces" => kind.network.max_interfaces.to_string(),
        "network-info.ipv4-addresses-per-interface" => kind.network.ips_per_interface.to_string(),
        "network-info.network-performance" => performance(kind),
        "network-info.ipv6-addresses-per-interface" => kind.network.ips_per_interface.to_string(),
        "network-info.maximum-network-cards" => "1".to_owned(),
        "network-info.ena-support"
        | "ebs-info.encryption-support"
        | "ebs-info.nvme-support"
        | "nitro-enclaves-support"
        | "nitro-tpm-support" => "unsupported".to_owned(),
        "ebs-info.ebs-optimized-support" => "default".to_owned(),
        "ebs-info.attachment-limit-type" => "dedicated".to_owned(),
        "ebs-info.maximum-ebs-attachments" => kind.disk.max_volumes.to_string(),
        "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps" | "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps" => {
            (kind.disk.megabytes_per_second * 8).to_string()
        }
        "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps" | "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps" => {
            kind.disk.megabytes_per_second.to_string()
        }
        "ebs-info.ebs-optimized-info.baseline-iops" | "ebs-info.ebs-optimized-info.maximum-iops" => kind.disk.iops.to_string(),
        "hypervisor" => "nitro".to_owned(),
        "supported-boot-mode" => "legacy-bios".to_owned(),
        "supported-root-device-type" => "ebs".to_owned(),
        "supported-usage-class" => "on-demand".to_owned(),
        "supported-virtualization-type" => "hvm".to_owned(),
        "auto-recovery-supported"
        | "bare-metal"
        | "dedicated-hosts-supported"
        | "free-tier-eligible"
        | "hibernation-supported"
        | "instance-storage-supported"
        | "network-info.efa-supported"
        | "network-info.encryption-in-transit-supported" => "false".to_owned(),
        "network-info.ipv6-supported" => "true".to_owned(),
        "instance-storage-info.disk.count"
        | "instance-storage-info.disk.size-in-gb"
        | "instance-storage-info.disk.type"
        | "instance-storage-info.encryption-support"
        | "instance-storage-info.nvme-support"
        | "instance-storage-info.total-size-in-gb"
        | "network-info.bandwidth-weightings"
        | "network-info.efa-info.maximum-efa-interfaces"
        | "network-info.flexible-ena-queues-support"
        | "nitro-tpm-info.supported-versions"
        | "processor-info.supported-features"
        | "processor-info.sustained-clock-speed-in-ghz"
        | "reboot-migration-support"
        | "vcpu-info.valid-cores"
        | "vcpu-info.valid-threads-per-core" => return Some(vec![]),
        _ => return None,
    };
    Some(vec![value])
}

/// What a location of an offering is.
#[derive(Clone, Copy, FromArg)]
#[arg(rename = "kebab-case")]
enum LocationType {
    Region,
    AvailabilityZone,
    AvailabilityZoneId,
}

/// The parameters of `DescribeInstanceTypeOfferings`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceTypeOfferings {
    #[arg(default = LocationType::Region)]
    location_type: LocationType,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeInstanceTypeOfferings`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Offerings {
    instance_type_offering_set: Vec<Offering>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Offering {
    instance_type: String,
    location_type: &'static str,
    location: String,
}

/// Lists where types are offered: every type in every zone; whether there is room shows at launch.
pub(crate) async fn describe_offerings(cx: Cx, asked: DescribeInstanceTypeOfferings) -> Result<Offerings, Refusal> {
    cx.allowed().await?;
    let pages = asked.paging.pages(&cx, crate::page::USUAL, &asked.filters)?;
    let region = cx.cloud.region();
    let (location_type, locations) = match asked.location_type {
        LocationType::Region => ("region", vec![region.name.clone()]),
        LocationType::AvailabilityZone => ("availability-zone", region.zones.clone()),
        LocationType::AvailabilityZoneId => ("availability-zone-id", region.zones.iter().map(|zone| zone_id(&cx, zone)).collect()),
    };
    let types = candidates(&[], &asked.filters)?;
    let offering = |location: &String| {
        let location = location.clone();
        types.iter().map(move |(name, _)| Offering { instance_type: name.clone(), location_type, location: location.clone() })
    };
    let mut offerings: Vec<Offering> = locations.iter().flat_map(offering).collect();
    let value = |offering: &Offering, name: &str| match name {
        "instance-type" => Some(vec![offering.instance_type.clone()]),
        "location" => Some(vec![offering.location.clone()]),
        _ => None,
    };
    retain(&mut offerings, &asked.filters, value, &["instance-type", "location"])?;
    let (offerings, next_token) = pages.cut(offerings, |offering| format!("{}/{}", offering.location, offering.instance_type));
    Ok(Offerings { instance_type_offering_set: offerings, next_token })
}
