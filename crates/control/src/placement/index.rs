//! The index: hosts of one kind, by what is free on them.
//!
//! ```text
//! class (zones, architecture, accelerator, labels, set aside for)     a rule that looks at no amount is checked once
//!   cell (a range of free processors, memory, disk)                  skipped when nothing in it can win
//!     shape (exactly so much free)                                   one score for all its hosts
//!       hosts, the preferred one last
//! ```
//!
//! Only hosts that take instances and have room for one by number are listed.

use std::collections::HashMap;

use hostspec::Accelerator;
use model::instance_type::Architecture;

use super::{Free, HostRow};

/// What rules without amounts look at, names replaced by numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Profile {
    /// The number of its list of zones.
    pub site: u32,
    pub architecture: Architecture,
    pub accelerator: u8,
    /// Sorted, each once.
    pub labels: Vec<u32>,
    pub dedicated: Option<u32>,
}

/// A host in the index. Sorted by preference among equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub tie: u64,
    pub slot: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Class {
    pub profile: Profile,
    pub cells: Vec<Cell>,
    cell_of: HashMap<u32, u32>,
}

/// Hosts with about as much free. Bounds are inclusive.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    key: u32,
    pub millicpus: [u32; 2],
    pub mib: [u32; 2],
    pub most_gib: u32,
    pub shapes: Vec<Shape>,
}

/// Hosts with exactly as much free processors and memory.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub millicpus: u32,
    pub mib: u32,
    /// Sorted against preference, so that the preferred one is taken off the end.
    pub hosts: Vec<Entry>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub classes: Vec<Class>,
    class_of: HashMap<Profile, u32>,
    names: Names,
    zone_names: Vec<String>,
    zone_classes: Vec<Vec<u32>>,
    /// Lists of zones that some host serves; the zones of a list are sorted by number, each once.
    sites: Vec<Vec<u32>>,
    racks: Domains,
    switches: Domains,
}

#[derive(Debug, Clone, Default)]
struct Names {
    zones: HashMap<String, u32>,
    labels: HashMap<String, u32>,
    dedicated: HashMap<String, u32>,
}

/// Failure domains of one level: a number for each name in a site, and the hosts in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Domains {
    number: HashMap<(u32, Option<String>), u32>,
    hosts: Vec<Vec<u32>>,
}

impl Domains {
    fn intern(&mut self, site: u32, name: Option<&String>) -> u32 {
        let next = self.hosts.len() as u32;
        let number = *self.number.entry((site, name.cloned())).or_insert(next);
        if number == next {
            self.hosts.push(Vec::new());
        }
        number
    }

    fn remove(&mut self, domain: u32, slot: u32) {
        let hosts = &mut self.hosts[domain as usize];
        if let Some(at) = hosts.iter().position(|s| *s == slot) {
            hosts.swap_remove(at);
        }
    }

    /// The hosts in each domain, in whatever state.
    pub(super) fn hosts(&self) -> &[Vec<u32>] {
        &self.hosts
    }
}

fn intern(names: &mut HashMap<String, u32>, name: &str) -> u32 {
    if let Some(&number) = names.get(name) {
        return number;
    }
    let number = names.len() as u32;
    names.insert(name.to_owned(), number);
    number
}

/// The bit of an accelerator in a set.
pub(super) const fn accelerator_bit(accelerator: Accelerator) -> u8 {
    match accelerator {
        Accelerator::Kvm => 1,
        Accelerator::Tcg => 2,
        Accelerator::Simulated => 4,
    }
}

impl Index {
    pub(super) fn profile(&mut self, row: &HostRow) -> Profile {
        let mut labels: Vec<u32> = row.labels.iter().map(|label| intern(&mut self.names.labels, label)).collect();
        labels.sort_unstable();
        labels.dedup();
        Profile {
            site: self.site(&row.zones),
            architecture: row.architecture,
            accelerator: accelerator_bit(row.accelerator),
            labels,
            dedicated: row.dedicated.as_ref().map(|name| intern(&mut self.names.dedicated, name)),
        }
    }

    fn site(&mut self, names: &[String]) -> u32 {
        let mut zones: Vec<u32> = names.iter().map(|name| intern(&mut self.names.zones, name)).collect();
        for (zone, name) in zones.iter().zip(names) {
            if *zone as usize == self.zone_names.len() {
                self.zone_names.push(name.clone());
                self.zone_classes.push(Vec::new());
            }
        }
        zones.sort_unstable();
        zones.dedup();
        // Few lists exist: one for each zone in a data centre.
        self.sites.iter().position(|site| *site == zones).unwrap_or_else(|| {
            self.sites.push(zones);
            self.sites.len() - 1
        }) as u32
    }

    pub(super) fn class(&mut self, profile: &Profile) -> u32 {
        if let Some(&class) = self.class_of.get(profile) {
            return class;
        }
        let class = self.classes.len() as u32;
        self.classes.push(Class { profile: profile.clone(), cells: Vec::new(), cell_of: HashMap::new() });
        self.class_of.insert(profile.clone(), class);
        for zone in &self.sites[profile.site as usize] {
            self.zone_classes[*zone as usize].push(class);
        }
        class
    }

    pub(super) fn zone(&self, name: &str) -> Option<u32> {
        self.names.zones.get(name).copied()
    }

    /// The zones of a site.
    pub(super) fn zones_of(&self, site: u32) -> &[u32] {
        &self.sites[site as usize]
    }

    pub(super) fn zone_names(&self) -> &[String] {
        &self.zone_names
    }

    pub(super) fn label(&self, name: &str) -> Option<u32> {
        self.names.labels.get(name).copied()
    }

    pub(super) fn dedicated(&self, name: &str) -> Option<u32> {
        self.names.dedicated.get(name).copied()
    }

    /// The classes of a zone.
    pub(super) fn classes_in(&self, zone: u32) -> &[u32] {
        &self.zone_classes[zone as usize]
    }

    pub(super) fn domains(&mut self, row: &HostRow, site: u32) -> (u32, u32) {
        (self.racks.intern(site, row.rack.as_ref()), self.switches.intern(site, row.switch.as_ref()))
    }

    pub(super) fn domain_add(&mut self, slot: u32, rack: u32, switch: u32) {
        self.racks.hosts[rack as usize].push(slot);
        self.switches.hosts[switch as usize].push(slot);
    }

    pub(super) fn domain_remove(&mut self, slot: u32, rack: u32, switch: u32) {
        self.racks.remove(rack, slot);
        self.switches.remove(switch, slot);
    }

    pub(super) fn racks(&self) -> &Domains {
        &self.racks
    }

    pub(super) fn switches(&self) -> &Domains {
        &self.switches
    }

    pub(super) fn insert(&mut self, class: u32, entry: Entry, free: Free) {
        if free.instances > 0 {
            self.classes[class as usize].insert(entry, free);
        }
    }

    pub(super) fn remove(&mut self, class: u32, entry: Entry, free: Free) {
        if free.instances > 0 {
            self.classes[class as usize].remove(entry, free);
        }
    }

    pub(super) fn move_host(&mut self, class: u32, entry: Entry, before: Free, after: Free) {
        self.remove(class, entry, before);
        self.insert(class, entry, after);
    }
}

impl Class {
    fn insert(&mut self, entry: Entry, free: Free) {
        let key = key(free);
        let cells = &mut self.cells;
        let at = *self.cell_of.entry(key).or_insert_with(|| {
            cells.push(Cell::new(key, free));
            (cells.len() - 1) as u32
        });
        let shapes = &mut cells[at as usize].shapes;
        match shapes.iter_mut().find(|s| (s.millicpus, s.mib) == (free.millicpus, free.mib)) {
            Some(shape) => {
                let at = shape.hosts.partition_point(|e| *e > entry);
                shape.hosts.insert(at, entry);
            }
            None => shapes.push(Shape { millicpus: free.millicpus, mib: free.mib, hosts: vec![entry] }),
        }
    }

    fn remove(&mut self, entry: Entry, free: Free) {
        let at = *self.cell_of.get(&key(free)).expect("a listed host has its cell") as usize;
        let shapes = &mut self.cells[at].shapes;
        let shape = shapes.iter().position(|s| (s.millicpus, s.mib) == (free.millicpus, free.mib)).expect("a listed host has its shape");
        let hosts = &mut shapes[shape].hosts;
        hosts.remove(hosts.partition_point(|e| *e > entry));
        if !hosts.is_empty() {
            return;
        }
        shapes.swap_remove(shape);
        if !shapes.is_empty() {
            return;
        }
        self.cell_of.remove(&self.cells[at].key);
        self.cells.swap_remove(at);
        if let Some(moved) = self.cells.get(at) {
            self.cell_of.insert(moved.key, at as u32);
        }
    }
}

impl Cell {
    fn new(key: u32, free: Free) -> Cell {
        let range = |value, bits| [lowest(bucket(value, bits), bits), lowest(bucket(value, bits) + 1, bits) - 1];
        Cell {
            key,
            millicpus: range(free.millicpus, FINE),
            mib: range(free.mib, FINE),
            most_gib: range(free.gib, COARSE)[1],
            shapes: Vec::new(),
        }
    }
}

/// Processors and memory: eight ranges between a number and its double.
const FINE: u32 = 3;
/// Disk, which seldom decides: one range.
const COARSE: u32 = 0;

/// Which cell of its class a host belongs to. Amounts stay under 2^28, so ten bits hold each bucket.
fn key(free: Free) -> u32 {
    bucket(free.millicpus, FINE) << 20 | bucket(free.mib, FINE) << 10 | bucket(free.gib, COARSE)
}

/// The number of the range of a value: exact below 2^bits, then 2^bits ranges up to each doubling.
const fn bucket(value: u32, bits: u32) -> u32 {
    if value >> bits == 0 {
        return value;
    }
    let shift = value.ilog2() - bits;
    (shift << bits) + (value >> shift)
}

/// The smallest value of a range.
const fn lowest(bucket: u32, bits: u32) -> u32 {
    if bucket >> bits <= 1 {
        return bucket;
    }
    let shift = (bucket >> bits) - 1;
    (bucket - (shift << bits)) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_without_gap_or_overlap() {
        for bits in [COARSE, FINE] {
            for value in (0..5_000).chain([65_535, 65_536, 1 << 20, (1 << 28) - 1, 1 << 28]) {
                let bucket = bucket(value, bits);
                assert!(lowest(bucket, bits) <= value && value < lowest(bucket + 1, bits), "{value} {bits}");
                assert!(bucket < 1 << 10);
            }
        }
    }
}
