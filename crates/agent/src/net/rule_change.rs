//! What a change of a few rules changes in the packet filter, found without compiling the others again.
//!
//! ```text
//!   spec before, spec now ─ differ in rules of groups only? ─ a few, about networks? ─▶ the places that these rules fall into
//!   place = interfaces with one set of groups, direction, priority, verdict, network ─▶ its keys in the set ─▶ gone, fresh
//! ```
//!
//! A group of ten thousand members and as many rules is compiled in some ten milliseconds; a place is looked up in one walk along
//! the rules. Where more changes than the keys of sets that stay (the first rule of its kind, the last one, members of groups),
//! nothing is found, and all is compiled. That both ways lead to the same is held by a test.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use hostspec::{Direction, GroupSpec, Peer, RuleSpec, Verdict, VpcSpec};
use model::SecurityGroupId;

use super::names::Names;
use super::policy::{Service, V4, V6, Version, disjoint, profile_name};
use super::ruleset::{Family, Key, KeyBytes, Ruleset, Set, Step, TableId, Value};
use super::table::{self, Written, chain_name, key_of_any, key_of_network, set_of_networks, stage_name};

/// Most rules of a group that may come and go for a change to be a small one. Each costs a walk along all.
const MOST_RULES: usize = 16;

/// A change of what one set holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetChange {
    /// Its table.
    pub table: TableId,
    /// Its name.
    pub set: String,
    /// The set as it is before, without what it holds.
    shape: super::ruleset::Shape,
    /// What it holds no more.
    pub gone: Vec<Key>,
    /// What it holds from now on.
    pub fresh: Vec<(Key, Value)>,
}

/// The changes that lead from the filter of one spec to that of another, and to a new epoch. None when they are not small, or
/// when the specs differ in more than rules. `seen` is what `before` was compiled to, `now` in seconds since 1970.
pub fn find(names: &Names, before: &VpcSpec, spec: &VpcSpec, seen: &Ruleset, now: u32) -> Option<Vec<SetChange>> {
    // A forwarded port is judged by copies of the groups.
    if !spec.forwards.is_empty() || !differ_in_rules_only(before, spec) {
        return None;
    }
    let mut places: Vec<Place> = Vec::new();
    let profiles: BTreeSet<BTreeSet<SecurityGroupId>> = spec.nics.iter().map(|nic| nic.groups.iter().copied().collect()).collect();
    for (old, new) in before.groups.iter().zip(&spec.groups) {
        for rule in changed(&old.rules, &new.rules)? {
            for groups in profiles.iter().filter(|groups| groups.contains(&new.id)) {
                let place = Place { groups, direction: rule.direction, priority: rule.priority, verdict: rule.verdict, peer: rule.peer };
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
    }
    let mut sets: BTreeMap<(TableId, String), SetChange> = BTreeMap::new();
    // Which connections are tracked depends on rules for everybody, of the other direction too.
    if !spec.kept.is_empty() && places.iter().any(|place| place.is_for_everybody()) {
        return None;
    }
    for place in &places {
        let found = match place.peer {
            Peer::Range { .. } => place.change::<V4>(names, Family::Inet, spec, seen)?,
            Peer::Range6 { .. } if spec.v6.is_some() => place.change::<V6>(names, Family::Ip6, spec, seen)?,
            // No address of the VPC is one of the rule's.
            Peer::Range6 { .. } => continue,
            Peer::Group { .. } => return None,
        };
        match sets.get_mut(&(found.table.clone(), found.set.clone())) {
            Some(change) => {
                change.gone.extend(found.gone);
                change.fresh.extend(found.fresh);
            }
            None => drop(sets.insert((found.table.clone(), found.set.clone()), found)),
        }
    }
    let mut changes: Vec<SetChange> = sets.into_values().filter(|change| !change.gone.is_empty() || !change.fresh.is_empty()).collect();
    if changes.iter().any(|change| leaves_empty(change, seen)) {
        return None;
    }
    if !changes.is_empty() {
        changes.extend(new_epoch(seen, table::next_epoch(table::epoch(seen)?, now)));
    }
    Some(changes)
}

/// The steps of some changes.
pub fn steps(changes: &[SetChange]) -> Vec<Step> {
    let of = |change: &SetChange| (change.table.clone(), change.set.clone(), change.shape.clone());
    let gone = changes.iter().filter(|change| !change.gone.is_empty()).map(|change| {
        let (table, set, shape) = of(change);
        Step::DropElements(table, set, shape, change.gone.clone())
    });
    let fresh = changes.iter().filter(|change| !change.fresh.is_empty()).map(|change| {
        let (table, set, shape) = of(change);
        Step::AddElements(table, set, shape, change.fresh.clone())
    });
    gone.chain(fresh).collect()
}

/// Makes a ruleset what it is after some changes of it.
pub fn carry_out(changes: Vec<SetChange>, ruleset: &mut Ruleset) {
    for change in changes {
        let Some(set) = ruleset.tables.get_mut(&change.table).and_then(|table| table.sets.get_mut(&change.set)) else { continue };
        for key in change.gone {
            set.elements.remove(&key);
        }
        set.elements.extend(change.fresh);
    }
}

/// What two rules must have in common for one to bear on the other's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place<'a> {
    groups: &'a BTreeSet<SecurityGroupId>,
    direction: Direction,
    priority: u16,
    verdict: Verdict,
    peer: Peer,
}

impl Place<'_> {
    fn is_for_everybody(&self) -> bool {
        V4::range(self.peer).is_some_and(|(_, length)| length == 0) || V6::range(self.peer).is_some_and(|(_, length)| length == 0)
    }

    /// What becomes of the place's keys. None when its set comes.
    fn change<V: Written>(&self, names: &Names, family: Family, spec: &VpcSpec, seen: &Ruleset) -> Option<SetChange> {
        let table = TableId { family, name: names.vpc_table() };
        let (network, length) = V::range(self.peer)?;
        let chain = chain_name(self.direction, &profile_name(self.groups));
        let name = set_of_networks(&stage_name(&chain, self.priority, self.verdict), length);
        let set = seen.tables.get(&table)?.sets.get(&name)?;
        let key = |service| if length == 0 { key_of_any(service) } else { key_of_network::<V>(network, service) };
        let wanted: BTreeSet<Key> = disjoint(self.services::<V>(&spec.groups, network, length)).into_iter().map(key).collect();
        let is = if length == 0 { set.elements.keys().copied().collect() } else { of_network::<V>(set, network) };
        Some(SetChange {
            table,
            set: name,
            shape: set.shape.clone(),
            gone: is.difference(&wanted).copied().collect(),
            fresh: wanted.difference(&is).map(|key| (*key, Value::None)).collect(),
        })
    }

    fn services<'g, V: Written>(
        &self,
        groups: &'g [GroupSpec],
        network: V::Net,
        length: u8,
    ) -> impl Iterator<Item = Service> + use<'_, 'g, V> {
        let rules = groups.iter().filter(|group| self.groups.contains(&group.id)).flat_map(|group| &group.rules);
        let here = move |rule: &&RuleSpec| {
            let stage = rule.direction == self.direction && rule.priority == self.priority && rule.verdict == self.verdict;
            stage && V::range(rule.peer).is_some_and(|(other, prefix)| prefix == length && (length == 0 || other == network))
        };
        rules.filter(here).map(|rule| Service::of(rule.protocol))
    }
}

/// The keys of a set that are about a network.
fn of_network<V: Written>(set: &Set, network: V::Net) -> BTreeSet<Key> {
    let least = key_of_network::<V>(network, Service { protocols: (0, 0), ports: (0, 0) });
    let first = Key { from: least.from, to: KeyBytes::default() };
    // The least key's last fields are zeros, so what its ends begin with is the network.
    let address = V::FIELD.len();
    let there = set.elements.range((Bound::Included(first), Bound::Unbounded)).map(|(key, _)| *key);
    there.take_while(|key| key.from[..address] == least.from[..address]).filter(|key| key.to[..address] == least.to[..address]).collect()
}

fn leaves_empty(change: &SetChange, seen: &Ruleset) -> bool {
    let set = seen.tables.get(&change.table).and_then(|table| table.sets.get(&change.set));
    set.is_none_or(|set| set.elements.len() + change.fresh.len() <= change.gone.len())
}

fn new_epoch(seen: &Ruleset, epoch: u32) -> Vec<SetChange> {
    let mut out = Vec::new();
    for (id, table) in &seen.tables {
        for (name, renewed) in table::sets_of_epoch(id.family, epoch) {
            let Some(set) = table.sets.get(name) else { continue };
            let gone = set.elements.keys().copied().collect();
            let fresh = renewed.elements.into_iter().collect();
            out.push(SetChange { table: id.clone(), set: name.to_owned(), shape: renewed.shape, gone, fresh });
        }
    }
    out
}

/// The rules between what two lists begin and end with in common, of both; none when they are many.
fn changed<'a>(old: &'a [RuleSpec], new: &'a [RuleSpec]) -> Option<impl Iterator<Item = &'a RuleSpec>> {
    let same = |(a, b): &(&RuleSpec, &RuleSpec)| a == b;
    let head = old.iter().zip(new).take_while(same).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    (old.len() + new.len() <= MOST_RULES).then(|| old.iter().chain(new))
}

fn differ_in_rules_only(before: &VpcSpec, spec: &VpcSpec) -> bool {
    // Named one by one, so that a new field is thought of here.
    let VpcSpec {
        id,
        vni,
        ranges,
        subnets,
        nics,
        remote,
        groups,
        names,
        names6,
        domain,
        resolver,
        dhcp,
        shared,
        forwards,
        mapped,
        rates,
        homes,
        peers,
        logged,
        kept,
        v6,
    } = spec;
    let alike = |(a, b): (&GroupSpec, &GroupSpec)| a.id == b.id && a.members == b.members;
    let groups_alike = before.groups.len() == groups.len() && before.groups.iter().zip(groups).all(alike);
    let ends = (before.id, before.vni, &before.ranges, &before.subnets) == (*id, *vni, ranges, subnets)
        && (&before.nics, &before.remote, &before.peers, &before.v6, &before.logged) == (nics, remote, peers, v6, logged);
    let told = (&before.names, &before.names6, &before.domain, before.resolver, &before.dhcp) == (names, names6, domain, *resolver, dhcp);
    let public =
        (&before.shared, &before.forwards, &before.mapped, &before.rates, &before.homes) == (shared, forwards, mapped, rates, homes);
    groups_alike && before.kept == *kept && ends && told && public
}
