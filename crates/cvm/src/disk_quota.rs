//! What disks can be had: kinds, sizes and steps in each zone, alone or with instances of a family.

use model::Catalogue;
use model::instance_type::InstanceType;
use wire::{Doc, FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::instance_type::gib;
use crate::volume::{ChargeType, DiskType};

/// Most values of a filter of the call.
const VALUES_MAX: usize = 100;

/// The prices that a reply has members for.
const PRICES: [&str; 9] = [
    "ChargeUnit",
    "DiscountPrice",
    "DiscountPriceHigh",
    "OriginalPrice",
    "OriginalPriceHigh",
    "UnitPrice",
    "UnitPriceDiscount",
    "UnitPriceDiscountHigh",
    "UnitPriceHigh",
];

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Inquiry {
    #[arg(name = "INQUIRY_CBS_CONFIG")]
    Disks,
    #[arg(name = "INQUIRY_CVM_CONFIG")]
    DisksOfInstances,
}

/// Whether a disk is the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Usage {
    #[arg(name = "SYSTEM_DISK")]
    System,
    #[arg(name = "DATA_DISK")]
    Data,
}

/// `DescribeDiskConfigQuota`.
#[derive(FromArg)]
pub(crate) struct DescribeDiskConfigQuota {
    inquiry_type: Inquiry,
    #[expect(dead_code, reason = "the hour is the only way in which disks are charged")]
    disk_charge_type: Option<ChargeType>,
    #[arg(max_items = VALUES_MAX)]
    instance_families: Vec<String>,
    #[arg(max_items = VALUES_MAX)]
    disk_types: Vec<DiskType>,
    #[arg(max_items = VALUES_MAX)]
    zones: Vec<String>,
    #[arg(name = "CPU")]
    cpu: Option<u32>,
    memory: Option<u64>,
    disk_usage: Option<Usage>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct DiskConfigs {
    disk_config_set: Vec<DiskConfig>,
}

#[derive(Show)]
#[reply(list = "")]
struct DiskConfig {
    available: bool,
    disk_charge_type: &'static str,
    zone: String,
    instance_family: String,
    disk_type: &'static str,
    step_size: u32,
    extra_performance_range: Vec<u32>,
    device_class: String,
    disk_usage: &'static str,
    min_disk_size: u32,
    max_disk_size: u32,
    /// Nothing has a price yet.
    price: Doc,
}

/// Tells what disks can be had.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeDiskConfigQuota) -> Result<DiskConfigs, Fault> {
    cx.allowed().await?;
    let kinds = if asked.disk_types.is_empty() { DiskType::ALL.to_vec() } else { asked.disk_types };
    let usages = match asked.disk_usage {
        Some(usage) => vec![usage],
        None => vec![Usage::System, Usage::Data],
    };
    let fits = |kind: &&InstanceType| {
        (asked.instance_families.is_empty() || asked.instance_families.iter().any(|family| family == kind.cvm_family()))
            && asked.cpu.is_none_or(|cpu| cpu == kind.vcpus)
            && asked.memory.is_none_or(|memory| memory == gib(kind.memory))
    };
    let instances: Vec<(String, String)> = match asked.inquiry_type {
        Inquiry::Disks => vec![(String::new(), String::new())],
        Inquiry::DisksOfInstances => {
            let named = |kind: &InstanceType| (kind.cvm_family().to_owned(), kind.cvm_name().to_owned());
            Catalogue::standard().all().iter().filter(fits).map(named).collect()
        }
    };
    let zones = cx.cloud.region().zones.iter().filter(|zone| asked.zones.is_empty() || asked.zones.contains(zone));
    let mut disk_config_set = vec![];
    for zone in zones {
        for (instance_family, device_class) in &instances {
            for kind in &kinds {
                let (least, most) = kind.kind().sizes();
                disk_config_set.extend(usages.iter().map(|usage| DiskConfig {
                    available: true,
                    disk_charge_type: "POSTPAID_BY_HOUR",
                    zone: zone.clone(),
                    instance_family: instance_family.clone(),
                    disk_type: kind.word(),
                    step_size: 1,
                    extra_performance_range: vec![],
                    device_class: device_class.clone(),
                    disk_usage: match usage {
                        Usage::System => "SYSTEM_DISK",
                        Usage::Data => "DATA_DISK",
                    },
                    min_disk_size: least,
                    max_disk_size: most,
                    price: Doc::Object(PRICES.map(|name| (name, Doc::Null)).to_vec()),
                }));
            }
        }
    }
    Ok(DiskConfigs { disk_config_set })
}
