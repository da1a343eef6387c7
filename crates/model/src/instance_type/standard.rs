//! The rows that ship: families with a ladder of sizes, then the irregular small types one by one.
//!
//! Processors and memory of a vendor's name are the vendor's own. Network and disk figures follow EC2's sixth generation
//! (`m6i`, `m6in`) and `t3`. Where a vendor sells nothing of a shape, the first name of the row is made in that vendor's
//! scheme, so that each vendor's describe call can show every row; every other name exists at the vendor.
//!
//! Another family is one entry of [`FAMILIES`].

use super::{Architecture, Category, Credits, DiskLimits, InstanceType, NetworkLimits};
use crate::Mib;

/// A family: one ratio of memory to processors, a ladder of sizes, and what vendors call them.
struct Family {
    category: Category,
    gib_per_vcpu: u64,
    network: Network,
    vcpus: &'static [u32],
    ec2: &'static [Spelling],
    ecs: &'static [Spelling],
    cvm: &'static [Spelling],
}

/// A vendor's family name, with the processor counts for which it is understood.
type Spelling = (&'static str, &'static [u32]);

/// How much network the processors bring.
#[derive(Clone, Copy)]
enum Network {
    Standard,
    Enhanced,
    Shared,
}

/// The ladder of the large families.
const LADDER: &[u32] = &[2, 4, 8, 12, 16, 24, 32, 48, 64];
/// The ladder of families that also have a single processor.
const FROM_ONE: &[u32] = &[1, 2, 4, 8, 12, 16, 24, 32, 48, 64];
/// Sizes of EC2's sixth and seventh generation within the ladder.
const EC2: &[u32] = &[2, 4, 8, 16, 32, 48, 64];
/// The same for AMD's seventh generation, which has a `medium`.
const EC2_AMD: &[u32] = &[1, 2, 4, 8, 16, 32, 48, 64];
/// Sizes of the generation before, which skips 8xlarge and has 10xlarge instead.
const EC2_M4: &[u32] = &[2, 4, 8, 16, 64];
/// Intel's fifth generation of compute types goes 9xlarge, 18xlarge; the rest fits.
const EC2_C5: &[u32] = &[2, 4, 8, 16, 48];
/// Sizes of ECS's sixth generation (which goes on with 13xlarge and 26xlarge).
const ECS_6: &[u32] = &[2, 4, 8, 12, 16, 24, 32];
/// Sizes of ECS's fifth and seventh generation.
const ECS_7: &[u32] = &[2, 4, 8, 12, 16, 24, 32, 64];
/// Sizes of CVM's older generations.
const CVM: &[u32] = &[2, 4, 8, 16, 32];
const ONE: &[u32] = &[1];
const TWO: &[u32] = &[2];
const ONE_TO_8: &[u32] = &[1, 2, 4, 8];
const ONE_TO_16: &[u32] = &[1, 2, 4, 8, 16];
const TWO_TO_8: &[u32] = &[2, 4, 8];
const TWO_TO_16: &[u32] = &[2, 4, 8, 16];

const FAMILIES: &[Family] = &[
    Family {
        category: Category::General,
        gib_per_vcpu: 4,
        network: Network::Standard,
        vcpus: LADDER,
        ec2: &[("m6i", LADDER), ("m6a", EC2), ("m5", EC2), ("m5a", EC2), ("m4", EC2_M4)],
        ecs: &[("g7", LADDER), ("g7a", ECS_7), ("g6", ECS_6), ("g6a", ECS_7), ("g5", ECS_7)],
        cvm: &[("S6", LADDER), ("SA3", CVM), ("S5", CVM), ("S4", CVM), ("S3", CVM), ("S2", CVM)],
    },
    Family {
        category: Category::Compute,
        gib_per_vcpu: 2,
        network: Network::Standard,
        vcpus: LADDER,
        ec2: &[("c6i", LADDER), ("c6a", EC2), ("c5", EC2_C5), ("c5a", EC2)],
        ecs: &[("c7", LADDER), ("c7a", ECS_7), ("c6", ECS_6), ("c6a", ECS_7), ("c5", ECS_7)],
        cvm: &[("S6", LADDER), ("SA3", CVM), ("S5", CVM), ("S4", CVM), ("S3", CVM), ("S2", CVM)],
    },
    Family {
        category: Category::Memory,
        gib_per_vcpu: 8,
        network: Network::Standard,
        vcpus: LADDER,
        ec2: &[("r6i", LADDER), ("r6a", EC2), ("r5", EC2), ("r5a", EC2)],
        ecs: &[("r7", LADDER), ("r7a", ECS_7), ("r6", ECS_6), ("r6a", ECS_7), ("r5", ECS_7)],
        cvm: &[("M6", LADDER), ("MA3", CVM), ("M5", CVM), ("M3", CVM)],
    },
    Family {
        category: Category::General,
        gib_per_vcpu: 4,
        network: Network::Standard,
        vcpus: FROM_ONE,
        ec2: &[("m7i", FROM_ONE), ("m7a", EC2_AMD), ("m7i-flex", &[2, 4, 8, 16, 32])],
        ecs: &[("g8i", FROM_ONE), ("g8a", ECS_7)],
        cvm: &[("S8", FROM_ONE), ("SA5", CVM), ("C6", CVM)],
    },
    Family {
        category: Category::Compute,
        gib_per_vcpu: 2,
        network: Network::Standard,
        vcpus: FROM_ONE,
        ec2: &[("c7i", FROM_ONE), ("c7a", EC2_AMD), ("c7i-flex", &[2, 4, 8, 16, 32])],
        ecs: &[("c8i", FROM_ONE), ("c8a", ECS_7)],
        cvm: &[("S8", FROM_ONE), ("SA5", CVM), ("C6", CVM)],
    },
    Family {
        category: Category::Memory,
        gib_per_vcpu: 8,
        network: Network::Standard,
        vcpus: FROM_ONE,
        ec2: &[("r7i", FROM_ONE), ("r7a", EC2_AMD)],
        ecs: &[("r8i", FROM_ONE), ("r8a", ECS_7)],
        cvm: &[("M8", FROM_ONE), ("MA5", CVM)],
    },
    Family {
        category: Category::General,
        gib_per_vcpu: 4,
        network: Network::Enhanced,
        vcpus: LADDER,
        ec2: &[("m6in", LADDER), ("m5n", EC2)],
        ecs: &[("g7ne", LADDER), ("g5ne", &[2, 4, 8, 16, 32, 64])],
        cvm: &[("SN3ne", LADDER)],
    },
    Family {
        category: Category::Compute,
        gib_per_vcpu: 2,
        network: Network::Enhanced,
        vcpus: LADDER,
        ec2: &[("c6in", LADDER)],
        ecs: &[("c7ne", LADDER)],
        cvm: &[("SN3ne", LADDER)],
    },
    Family {
        category: Category::Memory,
        gib_per_vcpu: 8,
        network: Network::Enhanced,
        vcpus: LADDER,
        ec2: &[("r6in", LADDER), ("r5n", EC2)],
        ecs: &[("r7ne", LADDER)],
        cvm: &[("MN3ne", LADDER)],
    },
    Family {
        category: Category::Shared,
        gib_per_vcpu: 1,
        network: Network::Shared,
        vcpus: ONE_TO_8,
        ec2: &[("s1-m1", ONE_TO_8)],
        ecs: &[("s6-c1m1", ONE_TO_8), ("xn4", ONE), ("e-c1m1", TWO), ("u1-c1m1", TWO_TO_8)],
        cvm: &[("SA2", ONE_TO_8), ("S6", &[2]), ("S5", &[1, 2]), ("S4", &[1, 2]), ("S3", &[1, 2]), ("S2", &[1, 2])],
    },
    Family {
        category: Category::Shared,
        gib_per_vcpu: 2,
        network: Network::Shared,
        vcpus: ONE_TO_16,
        ec2: &[("s1-m2", ONE_TO_16)],
        ecs: &[("s6-c1m2", ONE_TO_16), ("n4", ONE_TO_16), ("e-c1m2", TWO_TO_8), ("u1-c1m2", TWO_TO_16)],
        cvm: &[("SA2", ONE_TO_16), ("S5", ONE), ("S4", ONE), ("S3", ONE), ("S2", ONE)],
    },
    Family {
        category: Category::Shared,
        gib_per_vcpu: 4,
        network: Network::Shared,
        vcpus: ONE_TO_16,
        ec2: &[("s1-m4", ONE_TO_16)],
        ecs: &[("s6-c1m4", ONE_TO_16), ("mn4", ONE_TO_16), ("e-c1m4", TWO_TO_8), ("u1-c1m4", TWO_TO_16)],
        cvm: &[("SA2", ONE_TO_16), ("S5", ONE), ("S4", ONE), ("S3", ONE), ("S2", ONE)],
    },
    Family {
        category: Category::Shared,
        gib_per_vcpu: 8,
        network: Network::Shared,
        vcpus: ONE_TO_16,
        ec2: &[("s1-m8", ONE_TO_16)],
        ecs: &[("e4", ONE_TO_16), ("u1-c1m8", TWO_TO_16)],
        cvm: &[("MA2", ONE_TO_16), ("M5", ONE), ("M3", ONE)],
    },
];

/// A small type outside the ladders: canonical name, processors, MiB, baseline share of a processor in percent (0: no
/// credits), EC2 aliases, ECS names, CVM names.
type Small = (&'static str, u32, u64, u32, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const SMALL: &[Small] = &[
    ("lab1.nano", 1, 128, 0, &[], &["ecs.lab1.nano"], &["LAB1.SMALL128M"]),
    ("lab1.micro", 1, 256, 0, &[], &["ecs.lab1.micro"], &["LAB1.SMALL256M"]),
    ("lab1.small", 1, 512, 0, &[], &["ecs.lab1.small"], &["LAB1.SMALL512M"]),
    ("lab1.medium", 2, 512, 0, &[], &["ecs.lab1.medium"], &["LAB1.MEDIUM512M"]),
    ("t2.nano", 1, 512, 5, &[], &["ecs.t5-lc2m1.nano"], &["B1.SMALL512M"]),
    ("t2.micro", 1, 1024, 10, &[], &["ecs.t5-lc1m1.small"], &["B1.SMALL1"]),
    ("t2.small", 1, 2048, 20, &[], &["ecs.t5-lc1m2.small"], &["B1.SMALL2"]),
    ("t3.nano", 2, 512, 5, &["t3a.nano"], &["ecs.t6-c4m1.large", "ecs.e-c4m1.large"], &["B1.MEDIUM512M"]),
    ("t3.micro", 2, 1024, 10, &["t3a.micro"], &["ecs.t6-c2m1.large", "ecs.e-c2m1.large"], &["B1.MEDIUM1"]),
    ("t3.small", 2, 2048, 20, &["t3a.small"], &["ecs.t6-c1m1.large", "ecs.t5-c1m1.large"], &["B1.MEDIUM2"]),
    (
        "t3.medium",
        2,
        4096,
        20,
        &["t3a.medium", "t2.medium"],
        &["ecs.t6-c1m2.large", "ecs.t5-c1m2.large", "ecs.t5-lc1m2.large"],
        &["B1.MEDIUM4"],
    ),
    (
        "t3.large",
        2,
        8192,
        30,
        &["t3a.large", "t2.large"],
        &["ecs.t6-c1m4.large", "ecs.t5-c1m4.large", "ecs.t5-lc1m4.large"],
        &["B1.MEDIUM8"],
    ),
    ("t3.xlarge", 4, 16_384, 40, &["t3a.xlarge", "t2.xlarge"], &["ecs.t6-c1m4.xlarge", "ecs.t5-c1m4.xlarge"], &["B1.LARGE16"]),
    ("t3.2xlarge", 8, 32_768, 40, &["t3a.2xlarge", "t2.2xlarge"], &["ecs.t6-c1m4.2xlarge", "ecs.t5-c1m4.2xlarge"], &["B1.2XLARGE32"]),
    ("t3-m1.xlarge", 4, 4096, 20, &[], &["ecs.t5-c1m1.xlarge"], &["B1.LARGE4"]),
    ("t3-m2.xlarge", 4, 8192, 20, &[], &["ecs.t5-c1m2.xlarge"], &["B1.LARGE8"]),
    ("t3-m1.2xlarge", 8, 8192, 20, &[], &["ecs.t5-c1m1.2xlarge"], &["B1.2XLARGE8"]),
    ("t3-m2.2xlarge", 8, 16_384, 20, &[], &["ecs.t5-c1m2.2xlarge"], &["B1.2XLARGE16"]),
    ("t3-m1.4xlarge", 16, 16_384, 20, &[], &["ecs.t5-c1m1.4xlarge"], &["B1.4XLARGE16"]),
    ("t3-m2.4xlarge", 16, 32_768, 20, &[], &["ecs.t5-c1m2.4xlarge"], &["B1.4XLARGE32"]),
];

/// The rows, families first.
pub(super) fn rows() -> Vec<InstanceType> {
    let regular = FAMILIES.iter().flat_map(|family| family.vcpus.iter().map(|&vcpus| regular(family, vcpus)));
    regular.chain(SMALL.iter().map(small)).collect()
}

fn regular(family: &Family, vcpus: u32) -> InstanceType {
    let gib = family.gib_per_vcpu * u64::from(vcpus);
    let names = |spellings: &[Spelling], spell: &dyn Fn(&str) -> String| -> Vec<String> {
        spellings.iter().filter(|(_, sizes)| sizes.contains(&vcpus)).map(|(name, _)| spell(name)).collect()
    };
    let ec2_names = names(family.ec2, &|name| format!("{name}.{}", size(vcpus, "medium")));
    InstanceType {
        name: ec2_names.first().cloned().unwrap_or_default(),
        ecs_names: names(family.ecs, &|name| format!("ecs.{name}.{}", size(vcpus, "small"))),
        cvm_names: names(family.cvm, &|name| format!("{name}.{}{gib}", cvm_size(vcpus))),
        family: family.ec2.first().map(|(name, _)| (*name).to_owned()).unwrap_or_default(),
        ec2_names,
        category: family.category,
        architecture: Architecture::X86_64,
        vcpus,
        memory: Mib(gib * 1024),
        network: network(family.network, vcpus),
        disk: disk(family.network, vcpus),
        credits: None,
    }
}

fn small(&(name, vcpus, mib, percent, ec2, ecs, cvm): &Small) -> InstanceType {
    let owned = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
    let mut ec2_names = vec![name.to_owned()];
    ec2_names.extend(owned(ec2));
    let credits = (percent > 0).then(|| Credits::steady(vcpus, percent * 100));
    InstanceType {
        name: name.to_owned(),
        ec2_names,
        ecs_names: owned(ecs),
        cvm_names: owned(cvm),
        family: name.split('.').next().unwrap_or(name).to_owned(),
        category: if credits.is_some() { Category::Burstable } else { Category::Shared },
        architecture: Architecture::X86_64,
        vcpus,
        memory: Mib(mib),
        network: small_network(mib, vcpus),
        disk: small_disk(mib),
        credits,
    }
}

/// EC2 and ECS count sizes alike from two processors on; a single one is `medium` at EC2 and `small` at ECS.
fn size(vcpus: u32, single: &str) -> String {
    match vcpus {
        1 => single.to_owned(),
        2 => "large".to_owned(),
        4 => "xlarge".to_owned(),
        more => format!("{}xlarge", more / 4),
    }
}

/// CVM's sizes name the processors themselves and are followed by the memory in GiB.
fn cvm_size(vcpus: u32) -> String {
    match vcpus {
        1 => "SMALL".to_owned(),
        2 => "MEDIUM".to_owned(),
        4 => "LARGE".to_owned(),
        more => format!("{}XLARGE", more / 4),
    }
}

fn network(kind: Network, vcpus: u32) -> NetworkLimits {
    let (baseline, at_best) = match kind {
        // m6i: 781 Mbit/s for two processors, then in proportion; every size bursts to 12.5 Gbit/s.
        Network::Standard => (vcpus * 3125 / 8, 12_500),
        // m6in: four times that; 25, 30, 40 and 50 Gbit/s at best for the first sizes.
        Network::Enhanced => (
            vcpus * 3125 / 2,
            match vcpus {
                0..=2 => 25_000,
                3..=4 => 30_000,
                5..=8 => 40_000,
                _ => 50_000,
            },
        ),
        // ecs.s6: 100 Mbit/s for each processor.
        Network::Shared => (vcpus * 100, 1_000),
    };
    let (max_interfaces, ips_per_interface) = match vcpus {
        0..=1 => (2, 4),
        2..=3 => (3, 10),
        4..=8 => (4, 15),
        9..=48 => (8, 30),
        _ => (15, 50),
    };
    NetworkLimits { baseline_mbps: baseline, burst_mbps: baseline.max(at_best), max_interfaces, ips_per_interface }
}

/// Volumes of each type: as many as a machine has places for.
const VOLUMES: u8 = crate::VOLUMES_PER_INSTANCE_MAX as u8;

fn disk(kind: Network, vcpus: u32) -> DiskLimits {
    match kind {
        // m6i: 1,500 operations for each processor up to 2xlarge, 1,250 beyond; `large` is given 3,600.
        Network::Standard | Network::Enhanced => DiskLimits {
            iops: match vcpus {
                0..=1 => 2_500,
                2 => 3_600,
                3..=8 => vcpus * 1_500,
                _ => vcpus * 1_250,
            },
            megabytes_per_second: if vcpus <= 2 { 81 } else { vcpus * 625 / 16 },
            max_volumes: VOLUMES,
        },
        Network::Shared => DiskLimits { iops: vcpus * 1_000, megabytes_per_second: vcpus * 32, max_volumes: VOLUMES },
    }
}

/// t3's figures, which go with its memory.
fn small_network(mib: u64, vcpus: u32) -> NetworkLimits {
    let (max_interfaces, ips_per_interface) = match mib {
        0..=1024 => (2, 2),
        1025..=2048 => (3, 4),
        2049..=4096 => (3, 6),
        4097..=8192 => (3, 12),
        _ => (4, 15),
    };
    let baseline = (mib.clamp(512, 32_768) / 16) as u32;
    let at_best = if vcpus == 1 { 1_000 } else { 5_000 };
    NetworkLimits { baseline_mbps: baseline, burst_mbps: at_best, max_interfaces, ips_per_interface }
}

fn small_disk(mib: u64) -> DiskLimits {
    let (iops, megabytes_per_second) = match mib {
        0..=512 => (250, 5),
        513..=1024 => (500, 11),
        1025..=2048 => (1_000, 22),
        2049..=4096 => (2_000, 43),
        _ => (4_000, 87),
    };
    DiskLimits { iops, megabytes_per_second, max_volumes: VOLUMES }
}
