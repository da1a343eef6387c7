//! What becomes of a connection when the rule that let it in goes, as an addition to the chains of profiles.
//!
//! ```text
//!   one of an interface's groups drops ─▶ nothing is added: judged again by the rules of now (table.rs)
//!   all of them keep                   ─▶ was it judged before?                            ─ yes ─▶ it goes on
//!   else: those that are tracked stay  ─▶ was it judged before, and is it not `untracked`? ─ yes ─▶ it goes on
//! ```
//!
//! Untracked is what EC2 calls so: TCP and UDP that a rule for every peer lets in or out while another lets everything pass the other way.
//! A label of the connection, one for each end, remembers it, since the rules that made it so are gone when it is asked for. Each end is
//! asked for itself. Network ACLs, and translations that end, are asked before and end a connection whatever its groups say
//! ([why so](../../../../docs/adr/0023-open-connections.md)).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hostspec::{Direction, Verdict, VpcSpec};
use model::{OpenConnections, SecurityGroupId};

use super::line::{Line, Load};
use super::names::OVERLAY;
use super::policy::{Policy, Profile, Service, Stage, profile_name};
use super::ruleset::{Family, Field, Key, Ruleset, Shape, Table};
use super::table::{Written, chain_name, plain, set_of_networks, stage_name};

/// The protocols of which EC2 leaves connections untracked: TCP and UDP.
const UNTRACKED: [u8; 2] = [6, 17];

/// Adds what the profiles of groups that do not drop need.
pub fn add<V: Written>(spec: &VpcSpec, policy: &Policy<V>, table: &mut Table) {
    for (name, kept) in of_profiles(spec) {
        for profile in policy.profiles.iter().filter(|profile| profile.name == name) {
            let answers = policy.profiles.iter().find(|other| other.name == name && other.direction != profile.direction);
            let free = answers.map(free).unwrap_or_default();
            add_to(profile, &chain_name(profile.direction, &name), Load::CtOriginalPort, kept, &free, table);
            if profile.direction == Direction::Ingress {
                add_to(profile, &format!("fwd_{name}"), Load::CtReplyPort, kept, &free, table);
            }
        }
    }
}

/// What is done for each set of groups that interfaces here are in; none where one of the groups drops.
fn of_profiles(spec: &VpcSpec) -> BTreeMap<String, OpenConnections> {
    let chosen: BTreeMap<SecurityGroupId, OpenConnections> = spec.kept.iter().map(|kept| (kept.group, kept.connections)).collect();
    let of = |groups: &[SecurityGroupId]| {
        let each: Option<Vec<OpenConnections>> = groups.iter().map(|group| chosen.get(group).copied()).collect();
        each?.into_iter().min()
    };
    let sets = spec.nics.iter().filter_map(|nic| Some((nic.groups.iter().copied().collect::<BTreeSet<_>>(), of(&nic.groups)?)));
    sets.map(|(set, kept)| (profile_name(&set), kept)).collect()
}

/// Addresses of interfaces that are not here any more. Whoever has one next must not find the connections of the one before, which its groups
/// might keep.
pub fn addresses_gone(seen: &Ruleset, want: &Ruleset) -> Vec<IpAddr> {
    let here = |ruleset: &Ruleset| -> BTreeSet<IpAddr> {
        let set = |family, name: &str| {
            let tables = ruleset.tables.iter().filter(move |(id, _)| id.family == family);
            let keys = tables.filter_map(|(_, table)| table.sets.get(name)).flat_map(|set| set.elements.keys());
            keys.map(|key| key.from).filter(|key| !key.starts_with(OVERLAY.as_bytes())).collect::<Vec<_>>()
        };
        let v4 = set(Family::Inet, "bindings").into_iter().filter_map(|key| Some(IpAddr::from(*key.last_chunk::<4>()?)));
        let v6 = set(Family::Ip6, "addresses").into_iter().filter_map(|key| Some(IpAddr::from(*key.last_chunk::<16>()?)));
        v4.chain(v6).collect()
    };
    here(seen).difference(&here(want)).copied().collect()
}

fn add_to<V: Written>(profile: &Profile<V>, chain: &str, port: Load, kept: OpenConnections, free: &[u8], table: &mut Table) {
    let label = match profile.direction {
        Direction::Egress => 0,
        Direction::Ingress => 1,
    };
    let Some(lines) = table.chains.get_mut(chain).map(|chain| &mut chain.lines) else { return };
    match kept {
        OpenConnections::Drop => {}
        OpenConnections::Keep => lines.insert(0, Line::new().ct_marked().give_back()),
        OpenConnections::Tracked => {
            let service = [Load::CtProto, port];
            let set = format!("{chain}_free");
            for stage in profile.stages.iter().filter(|stage| stage.verdict == Verdict::Accept && !stage.any.is_empty() && !free.is_empty())
            {
                let any = set_of_networks(&stage_name(chain, stage.priority, stage.verdict), 0);
                let accepts = Line::new().in_set(&service, &any).give_back();
                let at = lines.iter().position(|line| *line == accepts).unwrap_or(0);
                lines.insert(at, Line::new().in_set(&[Load::CtProto], &set).in_set(&service, &any).set_ct_label(label));
            }
            lines.insert(0, Line::new().ct_marked().ct_not_labelled(label).give_back());
            let keys = free.iter().map(|protocol| Key::builder().protos(*protocol, *protocol).key(&[Field::Proto]));
            table.sets.insert(set, plain(Shape::set(&[Field::Proto]), keys));
        }
    }
}

/// The protocols of which everything passes this way, to and from everybody.
fn free<V: Written>(profile: &Profile<V>) -> Vec<u8> {
    let accepts = |stage: &&Stage<V>| stage.verdict == Verdict::Accept;
    let open: Vec<Service> = profile.stages.iter().filter(accepts).flat_map(|stage| stage.any.iter().copied()).collect();
    let drops = profile.stages.iter().any(|stage| stage.verdict == Verdict::Drop);
    let passes = |protocol: &u8| {
        let all = |service: &Service| (service.protocols.0..=service.protocols.1).contains(protocol) && service.ports == (0, u16::MAX);
        !drops && open.iter().any(all)
    };
    UNTRACKED.into_iter().filter(passes).collect()
}
