//! Why nothing fits, and the smallest change that would: computed only when something was refused, by asking the same
//! search again with one thing changed, so a proposed change is never a guess.

use std::fmt;

use model::instance_type::InstanceType;
use model::{Gib, Mib};

use super::search::Search;
use super::{Fleet, Need, Request, Strategy};

/// The rule by which a host will not do. A host that breaks several is counted under the first, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It does not answer.
    Down,
    /// It is being emptied.
    Draining,
    /// It is in another zone.
    Zone,
    /// It has another instruction set.
    Architecture,
    /// It executes guests in a way that will not do.
    Accelerator,
    /// It is set aside for somebody else, or the request wants one that is set aside.
    Dedicated,
    /// It has not all the labels.
    Label,
    /// The request excludes it.
    Excluded,
    /// The placement group forbids it.
    Group,
    /// It has as many instances as it may.
    Instances,
    /// It has too little memory free.
    Memory,
    /// It has too few processors free.
    Vcpus,
    /// It has too little disk free.
    Disk,
}

impl Reason {
    /// What a number of hosts is said to be or do.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Down => "do not answer",
            Reason::Draining => "are being drained",
            Reason::Zone => "are in another zone",
            Reason::Architecture => "have another architecture",
            Reason::Accelerator => "lack the accelerator",
            Reason::Dedicated => "are set aside for others",
            Reason::Label => "lack a label",
            Reason::Excluded => "are excluded",
            Reason::Group => "are closed by the placement group",
            Reason::Instances => "are full by number of instances",
            Reason::Memory => "lack memory",
            Reason::Vcpus => "lack processors",
            Reason::Disk => "lack disk",
        }
    }
}

/// A change of the request with which it would fit, everything else as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Fewer instances: so many fit.
    Count {
        /// Most that fit.
        at_most: u32,
    },
    /// Another zone.
    Zone {
        /// The zone.
        zone: String,
    },
    /// Less memory.
    Memory {
        /// Most that fits.
        at_most: Mib,
        /// Where it fits; of a batch, the first one.
        zone: String,
    },
    /// Fewer processors.
    Vcpus {
        /// Most that fit.
        at_most: u32,
        /// Where it fits; of a batch, the first one.
        zone: String,
    },
    /// Less local disk.
    Disk {
        /// Most that fits.
        at_most: Gib,
        /// Where it fits; of a batch, the first one.
        zone: String,
    },
    /// Another type: the largest that fits and has no more processors or memory, of the same category if one does.
    Type {
        /// Its canonical name.
        name: String,
        /// Where it fits; of a batch, the first one.
        zone: String,
    },
    /// No placement group.
    Group,
    /// No labels.
    Labels,
    /// No host set aside.
    Dedicated,
    /// Any way of executing guests.
    Accelerators,
    /// The excluded hosts let in again.
    Excluded,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Count { at_most } => write!(f, "{at_most} would fit"),
            Change::Zone { zone } => write!(f, "zone {zone} has room"),
            Change::Memory { at_most, zone } => write!(f, "{} MiB of memory or less would fit in zone {zone}", at_most.0),
            Change::Vcpus { at_most, zone } => write!(f, "{at_most} processors or less would fit in zone {zone}"),
            Change::Disk { at_most, zone } => write!(f, "{} GiB of disk or less would fit in zone {zone}", at_most.0),
            Change::Type { name, zone } => write!(f, "type {name} would fit in zone {zone}"),
            Change::Group => f.write_str("it would fit outside its placement group"),
            Change::Labels => f.write_str("it would fit without its labels"),
            Change::Dedicated => f.write_str("it would fit on hosts that are not set aside"),
            Change::Accelerators => f.write_str("it would fit with another accelerator"),
            Change::Excluded => f.write_str("it would fit on an excluded host"),
        }
    }
}

/// Nothing fits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// How many instances were asked for.
    pub count: u32,
    /// How many of them fit.
    pub placeable: u32,
    /// How many hosts there are.
    pub hosts: u32,
    /// How many hosts will not take the first instance that does not fit, by rule. The numbers add up to
    /// [`Self::hosts`]. In the rules' order.
    pub reasons: Vec<(Reason, u32)>,
    /// Single changes with which the whole request would fit.
    pub changes: Vec<Change>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no room for {} of {}: of {} hosts", self.count - self.placeable, self.count, self.hosts)?;
        for (i, (reason, count)) in self.reasons.iter().enumerate() {
            write!(f, "{} {count} {}", if i == 0 { "" } else { "," }, reason.as_str())?;
        }
        for change in &self.changes {
            write!(f, "; {change}")?;
        }
        Ok(())
    }
}

/// Explains why so many instances of a request do not fit.
pub(super) fn explain(fleet: &Fleet, request: &Request, count: u32) -> Refusal {
    let mut search = Search::new(fleet, request, count);
    let placeable = search.batch(count, Strategy::Pack).len() as u32;
    let mut reasons: Vec<(Reason, u32)> = Vec::new();
    for reason in search.refusals() {
        match reasons.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, hosts)) => *hosts += 1,
            None => reasons.push((reason, 1)),
        }
    }
    reasons.sort_unstable();
    let changes = Changes { fleet, request, count }.all(placeable);
    Refusal { count, placeable, hosts: fleet.host_count() as u32, reasons, changes }
}

struct Changes<'a> {
    fleet: &'a Fleet,
    request: &'a Request<'a>,
    count: u32,
}

impl Changes<'_> {
    fn all(&self, placeable: u32) -> Vec<Change> {
        let mut changes = Vec::new();
        if placeable > 0 {
            changes.push(Change::Count { at_most: placeable });
        }
        changes.extend(self.zones());
        changes.extend(self.sizes());
        changes.extend(self.types());
        let request = *self.request;
        let without = |changed: Request, change: Change| self.zone_of(&changed).map(|_| change);
        if request.group.is_some() {
            changes.extend(without(Request { group: None, ..request }, Change::Group));
        }
        if !request.labels.is_empty() {
            changes.extend(without(Request { labels: &[], ..request }, Change::Labels));
        }
        if request.dedicated.is_some() {
            changes.extend(without(Request { dedicated: None, ..request }, Change::Dedicated));
        }
        if !request.accelerators.is_empty() {
            changes.extend(without(Request { accelerators: &[], ..request }, Change::Accelerators));
        }
        if !request.exclude.is_empty() {
            changes.extend(without(Request { exclude: &[], ..request }, Change::Excluded));
        }
        changes
    }

    /// The zone in which a changed request fits whole; of a batch, the first instance's.
    fn zone_of(&self, request: &Request) -> Option<String> {
        let mut search = Search::new(self.fleet, request, self.count);
        let chosen = search.batch(self.count, Strategy::Pack);
        let whole = chosen.len() == self.count as usize;
        let zone = |slot: &u32| self.zone_at(self.fleet.spot(*slot).site, request);
        whole.then(|| chosen.first().map(zone)).flatten()
    }

    /// The zone that a host of a site would serve the request in: the first of those asked for.
    fn zone_at(&self, site: u32, request: &Request) -> String {
        let index = &self.fleet.index;
        let served: Vec<&String> = index.zones_of(site).iter().map(|zone| &index.zone_names()[*zone as usize]).collect();
        let asked = request.zones.iter().find(|zone| served.iter().any(|s| s == *zone));
        asked.map(|zone| (*zone).to_owned()).or_else(|| served.first().map(|zone| (*zone).clone())).unwrap_or_default()
    }

    fn zones(&self) -> Vec<Change> {
        if self.request.zones.is_empty() {
            return Vec::new();
        }
        let other = self.fleet.index.zone_names().iter().filter(|zone| !self.request.zones.contains(&zone.as_str()));
        let fits = other.filter(|zone| self.zone_of(&Request { zones: &[zone], ..*self.request }).is_some());
        let mut zones: Vec<&String> = fits.collect();
        zones.sort_unstable();
        zones.into_iter().map(|zone| Change::Zone { zone: zone.clone() }).collect()
    }

    /// The largest amount below what was asked with which the request fits, for each amount alone.
    fn sizes(&self) -> Vec<Change> {
        let need = self.request.need;
        let zone = |need: Need| self.zone_of(&Request { need, ..*self.request });
        let memory = |mib: u64| Need { memory: Mib(mib), ..need };
        let vcpus = |vcpus: u64| Need { vcpus: vcpus as u32, ..need };
        let disk = |gib: u64| Need { disk: Gib(gib as u32), ..need };
        let mut changes = Vec::new();
        if let Some((mib, zone)) = largest(1, need.memory.0, |mib| zone(memory(mib))) {
            changes.push(Change::Memory { at_most: Mib(mib), zone });
        }
        if let Some((vcpus, zone)) = largest(1, u64::from(need.vcpus), |n| zone(vcpus(n))) {
            changes.push(Change::Vcpus { at_most: vcpus as u32, zone });
        }
        if let Some((gib, zone)) = largest(0, u64::from(need.disk.0), |gib| zone(disk(gib))) {
            changes.push(Change::Disk { at_most: Gib(gib as u32), zone });
        }
        changes
    }

    fn types(&self) -> Option<Change> {
        let need = self.request.need;
        let smaller = |t: &&InstanceType| {
            t.architecture == self.request.architecture
                && t.vcpus <= need.vcpus
                && t.memory <= need.memory
                && (t.vcpus, t.memory, t.category) != (need.vcpus, need.memory, need.category)
        };
        let mut types: Vec<&InstanceType> = self.request.types.iter().filter(smaller).collect();
        // How much of the request a type keeps, processors and memory alike, in parts of a million.
        let part = |have: u64, of: u64| (have * 1_000_000).checked_div(of).unwrap_or(0);
        let kept = |t: &InstanceType| part(u64::from(t.vcpus), u64::from(need.vcpus)) + part(t.memory.0, need.memory.0);
        types.sort_by_key(|t| (t.category != need.category, std::cmp::Reverse(kept(t)), t.name.as_str()));
        types.into_iter().find_map(|t| {
            let need = Need { category: t.category, vcpus: t.vcpus, memory: t.memory, disk: need.disk };
            let zone = self.zone_of(&Request { need, ..*self.request })?;
            Some(Change::Type { name: t.name.clone(), zone })
        })
    }
}

/// The largest number from `least` to below `limit` for which there is an answer, and the answer. What fits at a size
/// fits at every smaller one.
fn largest<T>(least: u64, limit: u64, fits: impl Fn(u64) -> Option<T>) -> Option<(u64, T)> {
    if limit <= least {
        return None;
    }
    let (mut low, mut high) = (least, limit);
    let mut found = fits(low)?;
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        match fits(middle) {
            Some(answer) => (low, found) = (middle, answer),
            None => high = middle,
        }
    }
    Some((low, found))
}
