//! How fast volumes are: what each kind gives by its size, what can be bought on top, and what a host holds a guest to.
//!
//! ```text
//!   kind, size, what was bought ─▶ check ─▶ limits ─▶ the machine's disk
//! ```
//!
//! The figures are those that EC2, ECS and CBS document for what they sell; a kind keeps its figures whichever dialect shows it. CBS
//! documents none for its `CLOUD_BSSD` that could be found; it is served as its `CLOUD_SSD`. Not known here: how a host holds to the
//! figures, and what a kind costs.

use serde::{Deserialize, Serialize};

use crate::{Error, Gib, VolumeKind};

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;
/// Bytes that count as one access of a solid-state volume of EC2 (documented: 256 KiB), and of a magnetic one (1,024 KiB).
const SOLID_ACCESS: u64 = 256 << 10;
const MAGNETIC_ACCESS: u64 = 1 << 20;
/// Accesses that a `gp2` has saved when it is new (documented: 5.4 million), and how many it does in a second with them.
const CREDITS: u64 = 5_400_000;
const CREDITS_RATE: u64 = 3_000;
/// Accesses in a second of a `gp3`, `io1` or `io2` of which nothing is said; MiB in a second of such a `gp3`.
const IOPS_USUAL: u32 = 3_000;
const THROUGHPUT_USUAL: u32 = 125;
/// Accesses in a second that come with each MiB/s of extra throughput in CBS.
const IOPS_PER_EXTRA: u64 = 128;
/// Bytes in a second that come with each access in a second that is bought for a `cloud_auto` (documented: 16 KB).
const BYTES_PER_BOUGHT: u64 = 16 << 10;
/// What a `cloud_auto` does at most while it bursts, and for how long it is let: ECS charges bursts and names no end to them.
const BURST_IOPS: u64 = 1_000_000;
const BURST_BYTES: u64 = 4_096 * MIB;
const BURST_SECONDS: u64 = 3_600;
/// GiB above which CBS sells extra performance: where the size gives the most throughput already.
const EXTRA_ABOVE: u32 = 460;

/// What was bought on top of a kind, as far as it lets one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Provisioned {
    /// Accesses in a second: all of them, or for [`VolumeKind::Auto`] those beyond what the size gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iops: Option<u32>,
    /// MiB in a second: all of them, or for [`VolumeKind::Enhanced`] and [`VolumeKind::Extreme`] those beyond what the size gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<u32>,
    /// Whether it may go faster for a while; only [`VolumeKind::Auto`] asks, which may unless told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<bool>,
}

/// What a guest is held to at one disk. Zero means that it is held to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskLimits {
    /// Accesses in a second, reads and writes together.
    pub iops: u64,
    /// The same during a burst.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iops_burst: Option<Burst>,
    /// Bytes in a second, likewise.
    pub bytes: u64,
    /// The same during a burst.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_burst: Option<Burst>,
    /// Bytes that count as one access; a longer one counts as several. 0 counts each as one.
    pub access_bytes: u64,
}

/// A rate above the usual one, which lasts until what was saved is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// The rate in a second.
    pub rate: u64,
    /// Seconds at this rate that a volume has saved when it was idle for long.
    pub seconds: u64,
}

impl DiskLimits {
    /// Whether there is nothing to hold a guest to.
    pub fn is_none(&self) -> bool {
        *self == DiskLimits::default()
    }
}

impl Provisioned {
    /// Whether nothing was bought.
    pub fn is_none(&self) -> bool {
        *self == Provisioned::default()
    }

    /// What there is after a change: what is said, else what was while the kind stays.
    #[must_use]
    pub fn over(self, before: Provisioned, is_same_kind: bool) -> Provisioned {
        let before = if is_same_kind { before } else { Provisioned::default() };
        Provisioned {
            iops: self.iops.or(before.iops),
            throughput: self.throughput.or(before.throughput),
            burst: self.burst.or(before.burst),
        }
    }
}

/// A figure that grows with the size: `base` and `hundredths` of one for each GiB, up to `most`.
#[derive(Debug, Clone, Copy)]
struct Line {
    base: u32,
    hundredths: u32,
    most: u32,
}

const fn line(base: u32, hundredths: u32, most: u32) -> Line {
    Line { base, hundredths, most }
}

impl Line {
    fn at(self, size: Gib) -> u32 {
        let grown = u64::from(self.base) + u64::from(self.hundredths) * u64::from(size.0) / 100;
        u32::try_from(grown).unwrap_or(u32::MAX).min(self.most)
    }
}

/// The least and the most that may be bought.
type Range = (u32, u32);

/// Where the figures of a kind come from.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// The same at every size: accesses and MiB in a second.
    Fixed { iops: u32, mib: u32 },
    /// MiB in a second by TiB, more while what was saved lasts, which is as many MiB as it has room for.
    Spinning { tenths_of_mib: u32, burst_tenths: u32, most: u32, iops: u32 },
    /// Three accesses in a second by GiB, more while what was saved lasts.
    Credits,
    /// Both by size.
    Sized { iops: Line, mib: Line },
    /// Both by size; accesses beyond it are bought, and it may burst.
    SizedAndIops { iops: Line, mib: Line },
    /// Both by size; throughput beyond it is bought, up to these accesses and MiB in a second.
    SizedAndThroughput { iops: Line, mib: Line, most_iops: u32, most_mib: u32 },
    /// All of it is bought, accesses and throughput apart.
    BothBought,
    /// Accesses are bought, up to `most` and so many by GiB, and throughput follows.
    Bought { most: u32, by_gib: u32, mib: fn(u32) -> u32 },
}

/// MiB in a second of an `io1`: 256 KiB for each access up to 500, above 32,000 accesses 16 KiB for each up to 1,000.
fn mib_of_io1(iops: u32) -> u32 {
    if iops <= 32_000 { (iops / 4).min(500) } else { (iops / 64).max(500) }
}

/// The same of an `io2`: 0.256 for each access up to 4,000.
fn mib_of_io2(iops: u32) -> u32 {
    (u64::from(iops) * 256 / 1_000).clamp(1, 4_000) as u32
}

impl VolumeKind {
    const fn rule(self) -> Rule {
        match self {
            VolumeKind::Magnetic => Rule::Fixed { iops: 200, mib: 90 },
            VolumeKind::Cold => Rule::Spinning { tenths_of_mib: 120, burst_tenths: 800, most: 250, iops: 250 },
            VolumeKind::Streaming => Rule::Spinning { tenths_of_mib: 400, burst_tenths: 2_500, most: 500, iops: 500 },
            VolumeKind::Efficient => Rule::Sized { iops: line(1_800, 800, 5_000), mib: line(100, 15, 140) },
            VolumeKind::Premium | VolumeKind::Entry => Rule::Sized { iops: line(1_800, 800, 6_000), mib: line(100, 15, 150) },
            VolumeKind::Balanced => Rule::Credits,
            VolumeKind::Solid => Rule::Sized { iops: line(1_800, 3_000, 25_000), mib: line(120, 50, 300) },
            VolumeKind::General | VolumeKind::Second => Rule::Sized { iops: line(1_800, 3_000, 26_000), mib: line(120, 20, 260) },
            VolumeKind::Fast => Rule::BothBought,
            VolumeKind::Level0 => Rule::Sized { iops: line(1_800, 1_200, 10_000), mib: line(100, 25, 180) },
            VolumeKind::Level1 => Rule::Sized { iops: line(1_800, 5_000, 50_000), mib: line(120, 50, 350) },
            VolumeKind::Level2 => Rule::Sized { iops: line(4_000, 5_000, 100_000), mib: line(120, 50, 750) },
            VolumeKind::Level3 => Rule::Sized { iops: line(4_000, 5_000, 1_000_000), mib: line(120, 50, 4_000) },
            VolumeKind::Auto => Rule::SizedAndIops { iops: line(1_800, 5_000, 50_000), mib: line(120, 50, 350) },
            VolumeKind::Enhanced => {
                Rule::SizedAndThroughput { iops: line(1_800, 5_000, 50_000), mib: line(120, 50, 350), most_iops: 100_000, most_mib: 1_000 }
            }
            VolumeKind::Extreme => Rule::SizedAndThroughput {
                iops: line(4_000, 10_000, 50_000),
                mib: line(120, 50, 350),
                most_iops: 1_000_000,
                most_mib: 4_000,
            },
            VolumeKind::Provisioned => Rule::Bought { most: 64_000, by_gib: 50, mib: mib_of_io1 },
            VolumeKind::ProvisionedPlus => Rule::Bought { most: 256_000, by_gib: 1_000, mib: mib_of_io2 },
        }
    }

    /// The sizes in GiB that a kind has where they are not those of all volumes: figures that a kind promises need some room.
    pub const fn sizes(self) -> (u32, u32) {
        match self {
            VolumeKind::Magnetic => (1, 2_000),
            VolumeKind::Cold | VolumeKind::Streaming => (125, 16_384),
            VolumeKind::Level2 => (461, 16_384),
            VolumeKind::Level3 => (1_261, 16_384),
            VolumeKind::Provisioned | VolumeKind::ProvisionedPlus => (4, 16_384),
            VolumeKind::Efficient
            | VolumeKind::Premium
            | VolumeKind::Entry
            | VolumeKind::Balanced
            | VolumeKind::Solid
            | VolumeKind::General
            | VolumeKind::Second
            | VolumeKind::Fast
            | VolumeKind::Level0
            | VolumeKind::Level1
            | VolumeKind::Auto
            | VolumeKind::Enhanced
            | VolumeKind::Extreme => (1, 16_384),
        }
    }

    /// Whether accesses can be bought for it.
    pub const fn sells_iops(self) -> bool {
        matches!(self.rule(), Rule::BothBought | Rule::Bought { .. } | Rule::SizedAndIops { .. })
    }

    /// Whether throughput can be bought for it.
    pub const fn sells_throughput(self) -> bool {
        matches!(self.rule(), Rule::BothBought | Rule::SizedAndThroughput { .. })
    }

    /// Checks that a volume of this kind and size may have been given so much.
    pub fn check(self, size: Gib, asked: Provisioned) -> Result<(), Error> {
        let (least, most) = self.sizes();
        if !(least..=most).contains(&size.0) {
            return Err(Error::invalid("Size", format!("{} GiB is not between {least} and {most} as a volume of this type is", size.0)));
        }
        let (iops, throughput) = self.ranges(size, asked);
        within("Iops", asked.iops, iops)?;
        within("Throughput", asked.throughput, throughput)?;
        match (self.rule(), asked.burst) {
            (Rule::SizedAndIops { .. }, _) | (_, None | Some(false)) => Ok(()),
            (_, Some(true)) => Err(Error::invalid("BurstingEnabled", "a volume of this type does not burst")),
        }
    }

    /// What may be bought at this size: accesses, and MiB in a second with that many.
    fn ranges(self, size: Gib, asked: Provisioned) -> (Option<Range>, Option<Range>) {
        match self.rule() {
            Rule::Fixed { .. } | Rule::Spinning { .. } | Rule::Credits | Rule::Sized { .. } => (None, None),
            Rule::BothBought => {
                let most = 80_000.min(size.0.saturating_mul(500)).max(IOPS_USUAL);
                // Documented as 0.25 MiB/s for each access in a second.
                (Some((IOPS_USUAL, most)), Some((THROUGHPUT_USUAL, 2_000.min(asked.iops.unwrap_or(IOPS_USUAL) / 4))))
            }
            Rule::Bought { most, by_gib, .. } => (Some((100, most.min(size.0.saturating_mul(by_gib)))), None),
            // Documented as min(1,000 by GiB - what the size gives, 50,000).
            Rule::SizedAndIops { iops, .. } => (Some((0, size.0.saturating_mul(1_000).saturating_sub(iops.at(size)).min(50_000))), None),
            Rule::SizedAndThroughput { mib, most_mib, .. } if size.0 > EXTRA_ABOVE => (None, Some((0, most_mib - mib.at(size)))),
            Rule::SizedAndThroughput { .. } => (None, Some((0, 0))),
        }
    }

    /// What a guest is held to at a volume of this kind and size.
    pub fn limits(self, size: Gib, bought: Provisioned) -> DiskLimits {
        let gib = u64::from(size.0);
        let plain = |iops: u32, mib: u32| DiskLimits { iops: iops.into(), bytes: u64::from(mib) * MIB, ..DiskLimits::default() };
        match self.rule() {
            Rule::Fixed { iops, mib } => plain(iops, mib),
            Rule::Spinning { tenths_of_mib, burst_tenths, most, iops } => {
                let by_tib = |tenths: u32| (u64::from(tenths) * gib * MIB / 10 / 1_024).min(u64::from(most) * MIB);
                let (bytes, rate) = (by_tib(tenths_of_mib), by_tib(burst_tenths));
                // As many bytes are saved as the volume has room for.
                let burst = (rate > bytes).then(|| Burst { rate, seconds: (gib * 1_024 * MIB / rate).max(1) });
                DiskLimits { iops: iops.into(), bytes, bytes_burst: burst, access_bytes: MAGNETIC_ACCESS, ..DiskLimits::default() }
            }
            Rule::Credits => {
                let iops = (gib * 3).clamp(100, 16_000);
                let burst = (iops < CREDITS_RATE).then_some(Burst { rate: CREDITS_RATE, seconds: CREDITS / CREDITS_RATE });
                let mib = if size.0 <= 170 { 128 } else { 250 };
                DiskLimits { iops, iops_burst: burst, bytes: mib * MIB, bytes_burst: None, access_bytes: SOLID_ACCESS }
            }
            Rule::Sized { iops, mib } => plain(iops.at(size), mib.at(size)),
            Rule::SizedAndIops { iops, mib } => {
                let more = u64::from(bought.iops.unwrap_or(0));
                let iops = u64::from(iops.at(size)) + more;
                let bytes = u64::from(mib.at(size)) * MIB + more * BYTES_PER_BOUGHT;
                let burst =
                    |usual: u64, rate: u64| (bought.burst != Some(false) && rate > usual).then_some(Burst { rate, seconds: BURST_SECONDS });
                let rate = BURST_IOPS.min(gib * 1_000);
                DiskLimits { iops, iops_burst: burst(iops, rate), bytes, bytes_burst: burst(bytes, BURST_BYTES), access_bytes: 0 }
            }
            Rule::SizedAndThroughput { iops, mib, most_iops, most_mib } => {
                let extra = u64::from(bought.throughput.unwrap_or(0));
                let iops = (u64::from(iops.at(size)) + extra * IOPS_PER_EXTRA).min(most_iops.into());
                DiskLimits { iops, bytes: (u64::from(mib.at(size)) + extra).min(most_mib.into()) * MIB, ..DiskLimits::default() }
            }
            Rule::BothBought => {
                let mib = bought.throughput.unwrap_or(THROUGHPUT_USUAL);
                DiskLimits { access_bytes: SOLID_ACCESS, ..plain(bought.iops.unwrap_or(IOPS_USUAL), mib) }
            }
            Rule::Bought { mib, .. } => {
                let iops = bought.iops.unwrap_or(IOPS_USUAL);
                DiskLimits { access_bytes: SOLID_ACCESS, ..plain(iops, mib(iops)) }
            }
        }
    }
}

fn within(name: &'static str, asked: Option<u32>, range: Option<Range>) -> Result<(), Error> {
    match (asked, range) {
        (None, _) => Ok(()),
        (Some(0), None) => Ok(()),
        (Some(_), None) => Err(Error::invalid(name, "a volume of this type does not have it to choose")),
        (Some(asked), Some((least, most))) if (least..=most).contains(&asked) => Ok(()),
        (Some(asked), Some((least, most))) => {
            Err(Error::invalid(name, format!("{asked} is not between {least} and {most}, which this type and size allow")))
        }
    }
}

#[cfg(test)]
#[path = "volume_performance_tests.rs"]
mod tests;
