//! Instance types: what can be launched, described by processors, memory, network and disk limits.
//!
//! A type is one row with many names: EC2's, ECS's and CVM's, older generations included, so that a script written for
//! any of the three clouds finds a machine of the same shape. Rows differ by what a guest can notice; `m5.large` and
//! `m6i.large` are the same two processors and 8 GiB, so they are one row.
//!
//! Not known here: prices, how much of a host a type costs (the operator's overcommit), and where there is room.

mod standard;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::Mib;

/// What a type is made for. Operators set overcommit by category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// 4 GiB for each processor.
    General,
    /// 2 GiB for each processor.
    Compute,
    /// 8 GiB for each processor.
    Memory,
    /// A small steady share of the processors and credits for more.
    Burstable,
    /// Processors shared with others, without credits or promise: entry sizes and laboratories.
    Shared,
}

impl Category {
    /// Every category, in the order of their numbers.
    pub const ALL: [Category; 5] = [Category::General, Category::Compute, Category::Memory, Category::Burstable, Category::Shared];

    /// The word used in APIs of our own and in configuration files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Category::General => "general",
            Category::Compute => "compute",
            Category::Memory => "memory",
            Category::Burstable => "burstable",
            Category::Shared => "shared",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The instruction set of guest and host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// x86, 64 bits.
    X86_64,
    /// Arm, 64 bits.
    Arm64,
}

impl Architecture {
    /// EC2's word, which is also the kernel's for x86: `x86_64` or `arm64`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Arm64 => "arm64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Network limits of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkLimits {
    /// What it has at any time, in megabits per second.
    pub baseline_mbps: u32,
    /// What it may reach for a while, in megabits per second; never less than the baseline.
    pub burst_mbps: u32,
    /// Most interfaces, the first included.
    pub max_interfaces: u8,
    /// Most private IPv4 addresses of one interface, the first included.
    pub ips_per_interface: u8,
}

/// Disk limits of a type, over all its volumes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskLimits {
    /// Most operations per second.
    pub iops: u32,
    /// Most megabytes (10^6 bytes) per second.
    pub megabytes_per_second: u32,
    /// Most volumes, the root volume included.
    pub max_volumes: u8,
}

/// Processor credits of a burstable type. One credit is one processor at full speed for one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credits {
    /// The share of each processor that costs nothing, in hundredths of a percent.
    pub baseline_basis_points: u32,
    /// Credits earned in an hour, in thousandths.
    pub millicredits_per_hour: u64,
    /// Most credits kept, in thousandths: what is earned in 24 hours.
    pub millicredits_cap: u64,
}

impl Credits {
    /// The credits of a type with so many processors of which each may be used at this share for ever:
    /// an hour earns `processors * share * 60` minutes of a processor.
    pub const fn steady(vcpus: u32, baseline_basis_points: u32) -> Credits {
        let per_hour = vcpus as u64 * baseline_basis_points as u64 * 60 * 1_000 / 10_000;
        Credits { baseline_basis_points, millicredits_per_hour: per_hour, millicredits_cap: per_hour * 24 }
    }
}

/// One instance type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceType {
    /// Its name among ourselves: the first of [`Self::ec2_names`]. An instance keeps the name that its launch gave.
    pub name: String,
    /// Names in EC2's scheme; the first is shown, the others are understood.
    pub ec2_names: Vec<String>,
    /// Names in ECS's scheme; the first is shown.
    pub ecs_names: Vec<String>,
    /// Names in CVM's scheme; the first is shown.
    pub cvm_names: Vec<String>,
    /// The family in EC2's scheme: the name up to its dot.
    pub family: String,
    /// What it is made for.
    pub category: Category,
    /// Instruction set.
    pub architecture: Architecture,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory.
    pub memory: Mib,
    /// Network limits.
    pub network: NetworkLimits,
    /// Disk limits.
    pub disk: DiskLimits,
    /// Credits, for burstable types only.
    pub credits: Option<Credits>,
}

impl InstanceType {
    /// The name that an EC2 client is shown.
    pub fn ec2_name(&self) -> &str {
        self.ec2_names.first().map_or(&self.name, String::as_str)
    }

    /// The name that an ECS client is shown.
    pub fn ecs_name(&self) -> &str {
        self.ecs_names.first().map_or(&self.name, String::as_str)
    }

    /// The name that a CVM client is shown.
    pub fn cvm_name(&self) -> &str {
        self.cvm_names.first().map_or(&self.name, String::as_str)
    }

    /// The family in ECS's scheme, `ecs.g7` of `ecs.g7.large`.
    pub fn ecs_family(&self) -> &str {
        self.ecs_name().rsplit_once('.').map_or(self.ecs_name(), |(family, _)| family)
    }

    /// The family in CVM's scheme, `S6` of `S6.MEDIUM8`.
    pub fn cvm_family(&self) -> &str {
        self.cvm_name().split_once('.').map_or(self.cvm_name(), |(family, _)| family)
    }

    fn names_in(&self, scheme: Scheme) -> &[String] {
        match scheme {
            Scheme::Ec2 => &self.ec2_names,
            Scheme::Ecs => &self.ecs_names,
            Scheme::Cvm => &self.cvm_names,
        }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.ec2_names.iter().chain(&self.ecs_names).chain(&self.cvm_names)
    }
}

/// Whose scheme of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// EC2's, such as `m5.large`.
    Ec2,
    /// ECS's, such as `ecs.g7.large`.
    Ecs,
    /// CVM's, such as `S6.MEDIUM8`.
    Cvm,
}

/// Why rows do not make a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Two rows have the same name, or one row has it twice.
    #[error("the instance type name {name} stands twice")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// The canonical name is not the first of the EC2 names.
    #[error("the instance type {name} is not first among its EC2 names")]
    NotCanonical {
        /// The canonical name.
        name: String,
    },
}

/// Instance types, found by any of their names in constant time.
#[derive(Debug, Clone)]
pub struct Catalogue {
    rows: Vec<InstanceType>,
    by_name: HashMap<String, usize>,
}

impl Catalogue {
    /// Makes a catalogue of these rows, kept in this order.
    pub fn new(rows: Vec<InstanceType>) -> Result<Catalogue, CatalogueError> {
        let mut by_name = HashMap::with_capacity(rows.len() * 12);
        for (index, row) in rows.iter().enumerate() {
            if row.ec2_names.first() != Some(&row.name) {
                return Err(CatalogueError::NotCanonical { name: row.name.clone() });
            }
            for name in row.names() {
                if by_name.insert(name.clone(), index).is_some() {
                    return Err(CatalogueError::NameTwice { name: name.clone() });
                }
            }
        }
        Ok(Catalogue { rows, by_name })
    }

    /// The catalogue that ships. Made once, at the first call.
    pub fn standard() -> &'static Catalogue {
        static STANDARD: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::new(standard::rows()).expect("a test builds the shipped rows"));
        &STANDARD
    }

    /// Every type, families together, small before large.
    pub fn all(&self) -> &[InstanceType] {
        &self.rows
    }

    /// The type with this name in any vendor's scheme. No name means different types to different vendors.
    pub fn by_name(&self, name: &str) -> Option<&InstanceType> {
        self.by_name.get(name).map(|&index| &self.rows[index])
    }

    /// The name to show in a scheme for a type that is kept by any of its names: that name if it is of the scheme, or who asked
    /// for `m5.large` would be told `m6i.large`; else the first of the scheme. A name that is none is shown as it is.
    pub fn shown<'n>(&'n self, scheme: Scheme, kept: &'n str) -> &'n str {
        let Some(kind) = self.by_name(kept) else { return kept };
        let names = kind.names_in(scheme);
        if names.iter().any(|name| name == kept) { kept } else { names.first().map_or(kept, String::as_str) }
    }

    /// Whose scheme a name of a type belongs to; none for a name that is none. No name is in two schemes.
    pub fn scheme_of(&self, name: &str) -> Option<Scheme> {
        let kind = self.by_name(name)?;
        [Scheme::Ec2, Scheme::Ecs, Scheme::Cvm].into_iter().find(|scheme| kind.names_in(*scheme).iter().any(|known| known == name))
    }

    /// The names by which a type may be kept that is shown, in a scheme, as something that fits the pattern (`*` and `?` as in
    /// [`crate::matches_pattern`]), in no order.
    pub fn kept_as(&self, scheme: Scheme, pattern: &str) -> Vec<String> {
        let fits = |name: &&String| crate::matches_pattern(pattern, self.shown(scheme, name));
        self.by_name.keys().filter(fits).cloned().collect()
    }
}
