//! Tagging things that exist.

use model::{
    AccountId, Address, BandwidthPackage, CapacityReservation, DhcpOptionSet, EgressOnlyGateway, Error, FlowLog, Image, Instance,
    InstanceFleet, Interface, InternetGateway, KeyPair, LaunchTemplate, NatGateway, NetworkAcl, NetworkPath, Noun, PathAnalysis,
    PlacementGroup, PrefixList, RouteTable, RuleId, SecurityGroup, Snapshot, SnapshotId, Subnet, Tags, Volume, Vpc, add_tags,
    asks_for_trial, is_reserved,
};
use serde::Serialize;
use store::{Row, Tx};

use crate::Failure;
use crate::auth::Target;
use crate::run::{Command, Cx};
use crate::security_group::touch_members;
use crate::security_group_rules::rule_with_group;

/// Most resources that one call may tag (EC2 documents 1,000, ECS 50).
pub const TAGGED_PER_CALL: usize = 1_000;

/// Adds tags to resources; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct CreateTags {
    /// Ids of any noun.
    pub resources: Vec<String>,
    /// Tags; a key that is there already gets the new value.
    pub tags: Tags,
}

/// Takes tags from resources. A tag that is not there is no error.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteTags {
    /// Ids of any noun.
    pub resources: Vec<String>,
    /// Which tags.
    pub which: WhichTags,
}

/// Which tags are taken.
#[derive(Debug, Clone, Serialize)]
pub enum WhichTags {
    /// All of them, but for those that the cloud itself has given.
    All,
    /// Those with these keys, and where a value is given only with that value.
    These(Vec<(String, Option<String>)>),
}

impl Command for CreateTags {
    type Reply = ();
    const NAME: &'static str = "CreateTags";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = targets(tx, cx, &self.resources)?;
        for target in &mut targets {
            target.request_tags.clone_from(&self.tags);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        for id in &self.resources {
            change(tx, cx.caller.account(), id, |tags| add_tags(tags, &self.tags))?;
            if asks_for_trial(&self.tags)
                && let Ok(snapshot) = id.parse::<SnapshotId>()
                && let Some(row) = tx.get::<Snapshot>(snapshot)?
            {
                cx.cloud.try_snapshot(tx, &row, cx.now)?;
            }
        }
        Ok(())
    }
}

impl Command for DeleteTags {
    type Reply = ();
    const NAME: &'static str = "DeleteTags";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.resources)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        if let WhichTags::These(these) = &self.which
            && these.iter().any(|(key, _)| is_reserved(key))
        {
            return Err(Error::invalid("Tag.Key", "starts with a reserved prefix").into());
        }
        for id in &self.resources {
            change(tx, cx.caller.account(), id, |tags| {
                tags.retain(|key, value| match &self.which {
                    WhichTags::All => is_reserved(key),
                    WhichTags::These(these) => !these.iter().any(|(k, v)| k == key && v.as_ref().is_none_or(|v| v == value)),
                });
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn targets(tx: &Tx<'_>, cx: &Cx<'_>, ids: &[String]) -> Result<Vec<Target>, Failure> {
    if ids.is_empty() {
        return Err(Error::MissingParameter { name: "ResourceId" }.into());
    }
    if ids.len() > TAGGED_PER_CALL {
        return Err(Error::invalid("ResourceId", format!("more than {TAGGED_PER_CALL} in one call")).into());
    }
    let target = |id: &String| {
        let kind = Kind::of(id).ok_or_else(|| unknown(id))?;
        let tags = kind.tags(tx, cx.caller.account(), id)?.unwrap_or_default();
        Ok(Target::of(kind.path(), id, &tags))
    };
    ids.iter().map(target).collect()
}

fn change(tx: &mut Tx<'_>, account: AccountId, id: &str, with: impl Fn(&mut Tags) -> Result<(), Error>) -> Result<(), Failure> {
    Kind::of(id).ok_or_else(|| unknown(id))?.change(tx, account, id, &with)
}

fn unknown(id: &str) -> Error {
    Error::MalformedId { noun: Noun::Instance, id: id.chars().take(64).collect() }
}

/// A noun that carries tags.
trait Tagged: Row {
    const NOUN: Noun;
    fn owner(&self) -> AccountId;
    fn tags(&mut self) -> &mut Tags;
}

macro_rules! tagged {
    ($($row:ident),* $(,)?) => {$(
        impl Tagged for $row {
            const NOUN: Noun = Noun::$row;

            fn owner(&self) -> AccountId {
                self.account
            }

            fn tags(&mut self) -> &mut Tags {
                &mut self.tags
            }
        }
    )*};
}

tagged!(
    Instance,
    Volume,
    Snapshot,
    Image,
    KeyPair,
    Vpc,
    Subnet,
    SecurityGroup,
    Interface,
    Address,
    RouteTable,
    InternetGateway,
    EgressOnlyGateway,
    NatGateway,
    NetworkAcl,
    NetworkPath,
    PathAnalysis,
    PlacementGroup,
    PrefixList,
    LaunchTemplate,
    FlowLog,
    CapacityReservation,
    InstanceFleet,
    BandwidthPackage
);

impl Tagged for DhcpOptionSet {
    const NOUN: Noun = Noun::DhcpOptions;

    fn owner(&self) -> AccountId {
        self.account
    }

    fn tags(&mut self) -> &mut Tags {
        &mut self.tags
    }
}

/// Kinds of things that carry tags, told by the prefix of the id.
#[derive(Clone, Copy)]
enum Kind {
    Instance,
    Volume,
    Snapshot,
    Image,
    KeyPair,
    Vpc,
    Subnet,
    SecurityGroup,
    SecurityGroupRule,
    Interface,
    Address,
    RouteTable,
    InternetGateway,
    EgressOnlyGateway,
    NatGateway,
    NetworkAcl,
    NetworkPath,
    PathAnalysis,
    PlacementGroup,
    PrefixList,
    LaunchTemplate,
    DhcpOptions,
    FlowLog,
    CapacityReservation,
    InstanceFleet,
    BandwidthPackage,
}

impl Kind {
    fn of(id: &str) -> Option<Kind> {
        Some(match id.rsplit_once('-')?.0 {
            "i" => Kind::Instance,
            "vol" => Kind::Volume,
            "snap" => Kind::Snapshot,
            "ami" => Kind::Image,
            "key" => Kind::KeyPair,
            "vpc" => Kind::Vpc,
            "subnet" => Kind::Subnet,
            "sg" => Kind::SecurityGroup,
            "sgr" => Kind::SecurityGroupRule,
            "eni" => Kind::Interface,
            "eipalloc" => Kind::Address,
            "rtb" => Kind::RouteTable,
            "igw" => Kind::InternetGateway,
            "eigw" => Kind::EgressOnlyGateway,
            "nat" => Kind::NatGateway,
            "acl" => Kind::NetworkAcl,
            "nip" => Kind::NetworkPath,
            "nia" => Kind::PathAnalysis,
            "pg" => Kind::PlacementGroup,
            "pl" => Kind::PrefixList,
            "lt" => Kind::LaunchTemplate,
            "dopt" => Kind::DhcpOptions,
            "fl" => Kind::FlowLog,
            "cr" => Kind::CapacityReservation,
            "fleet" => Kind::InstanceFleet,
            "cbwp" => Kind::BandwidthPackage,
            _ => return None,
        })
    }

    const fn path(self) -> &'static str {
        match self {
            Kind::Instance => "instance",
            Kind::Volume => "volume",
            Kind::Snapshot => "snapshot",
            Kind::Image => "image",
            Kind::KeyPair => "key-pair",
            Kind::Vpc => "vpc",
            Kind::Subnet => "subnet",
            Kind::SecurityGroup => "security-group",
            Kind::SecurityGroupRule => "security-group-rule",
            Kind::Interface => "network-interface",
            Kind::Address => "elastic-ip",
            Kind::RouteTable => "route-table",
            Kind::InternetGateway => "internet-gateway",
            Kind::EgressOnlyGateway => "egress-only-internet-gateway",
            Kind::NatGateway => "natgateway",
            Kind::NetworkAcl => "network-acl",
            Kind::NetworkPath => "network-insights-path",
            Kind::PathAnalysis => "network-insights-analysis",
            Kind::PlacementGroup => "placement-group",
            Kind::PrefixList => "prefix-list",
            Kind::LaunchTemplate => "launch-template",
            Kind::DhcpOptions => "dhcp-options",
            Kind::FlowLog => "vpc-flow-log",
            Kind::CapacityReservation => "capacity-reservation",
            Kind::InstanceFleet => "fleet",
            Kind::BandwidthPackage => "bandwidth-package",
        }
    }

    fn tags(self, tx: &Tx<'_>, account: AccountId, id: &str) -> Result<Option<Tags>, Failure> {
        match self {
            Kind::Instance => tags_of::<Instance>(tx, account, id),
            Kind::Volume => tags_of::<Volume>(tx, account, id),
            Kind::Snapshot => tags_of::<Snapshot>(tx, account, id),
            Kind::Image => tags_of::<Image>(tx, account, id),
            Kind::KeyPair => tags_of::<KeyPair>(tx, account, id),
            Kind::Vpc => tags_of::<Vpc>(tx, account, id),
            Kind::Subnet => tags_of::<Subnet>(tx, account, id),
            Kind::SecurityGroup => tags_of::<SecurityGroup>(tx, account, id),
            Kind::SecurityGroupRule => {
                Ok(rule_with_group(tx, account, rule_id(id)?)?.map(|(mut group, place)| group.rules.remove(place).tags))
            }
            Kind::Interface => tags_of::<Interface>(tx, account, id),
            Kind::Address => tags_of::<Address>(tx, account, id),
            Kind::RouteTable => tags_of::<RouteTable>(tx, account, id),
            Kind::InternetGateway => tags_of::<InternetGateway>(tx, account, id),
            Kind::EgressOnlyGateway => tags_of::<EgressOnlyGateway>(tx, account, id),
            Kind::NatGateway => tags_of::<NatGateway>(tx, account, id),
            Kind::NetworkAcl => tags_of::<NetworkAcl>(tx, account, id),
            Kind::NetworkPath => tags_of::<NetworkPath>(tx, account, id),
            Kind::PathAnalysis => tags_of::<PathAnalysis>(tx, account, id),
            Kind::PlacementGroup => tags_of::<PlacementGroup>(tx, account, id),
            Kind::PrefixList => tags_of::<PrefixList>(tx, account, id),
            Kind::LaunchTemplate => tags_of::<LaunchTemplate>(tx, account, id),
            Kind::DhcpOptions => tags_of::<DhcpOptionSet>(tx, account, id),
            Kind::FlowLog => tags_of::<FlowLog>(tx, account, id),
            Kind::CapacityReservation => tags_of::<CapacityReservation>(tx, account, id),
            Kind::InstanceFleet => tags_of::<InstanceFleet>(tx, account, id),
            Kind::BandwidthPackage => tags_of::<BandwidthPackage>(tx, account, id),
        }
    }

    fn change(self, tx: &mut Tx<'_>, account: AccountId, id: &str, with: &dyn Fn(&mut Tags) -> Result<(), Error>) -> Result<(), Failure> {
        match self {
            Kind::Instance => {
                let mut instance = changed::<Instance>(tx, account, id, with)?;
                if instance.is_live() && instance.attributes.metadata.show_tags {
                    instance.asked = tx.host_touch(instance.host)?;
                }
                Ok(tx.update(&instance)?)
            }
            Kind::Volume => change_of::<Volume>(tx, account, id, with),
            Kind::Snapshot => change_of::<Snapshot>(tx, account, id, with),
            Kind::Image => change_of::<Image>(tx, account, id, with),
            Kind::KeyPair => change_of::<KeyPair>(tx, account, id, with),
            Kind::Vpc => change_of::<Vpc>(tx, account, id, with),
            Kind::Subnet => change_of::<Subnet>(tx, account, id, with),
            Kind::SecurityGroup => {
                let (before, group) = (own::<SecurityGroup>(tx, account, id)?, changed::<SecurityGroup>(tx, account, id, with)?);
                tx.update(&group)?;
                if before.is_some_and(|before| before.open_connections() != group.open_connections()) {
                    touch_members(tx, &group)?;
                }
                Ok(())
            }
            Kind::SecurityGroupRule => {
                let found = rule_with_group(tx, account, rule_id(id)?)?;
                let (mut group, place) = found.ok_or_else(|| Error::not_found(Noun::SecurityGroupRule, id))?;
                with(&mut group.rules[place].tags)?;
                Ok(tx.update(&group)?)
            }
            Kind::Interface => change_of::<Interface>(tx, account, id, with),
            Kind::Address => change_of::<Address>(tx, account, id, with),
            Kind::RouteTable => change_of::<RouteTable>(tx, account, id, with),
            Kind::InternetGateway => change_of::<InternetGateway>(tx, account, id, with),
            Kind::EgressOnlyGateway => change_of::<EgressOnlyGateway>(tx, account, id, with),
            Kind::NatGateway => change_of::<NatGateway>(tx, account, id, with),
            Kind::NetworkAcl => change_of::<NetworkAcl>(tx, account, id, with),
            Kind::NetworkPath => change_of::<NetworkPath>(tx, account, id, with),
            Kind::PathAnalysis => change_of::<PathAnalysis>(tx, account, id, with),
            Kind::PlacementGroup => change_of::<PlacementGroup>(tx, account, id, with),
            Kind::PrefixList => change_of::<PrefixList>(tx, account, id, with),
            Kind::LaunchTemplate => change_of::<LaunchTemplate>(tx, account, id, with),
            Kind::DhcpOptions => change_of::<DhcpOptionSet>(tx, account, id, with),
            Kind::FlowLog => change_of::<FlowLog>(tx, account, id, with),
            Kind::CapacityReservation => change_of::<CapacityReservation>(tx, account, id, with),
            Kind::InstanceFleet => change_of::<InstanceFleet>(tx, account, id, with),
            Kind::BandwidthPackage => change_of::<BandwidthPackage>(tx, account, id, with),
        }
    }
}

fn rule_id(id: &str) -> Result<RuleId, Error> {
    id.parse().map_err(|error| Error::bad_id(Noun::SecurityGroupRule, id, error))
}

fn own<R: Tagged>(tx: &Tx<'_>, account: AccountId, id: &str) -> Result<Option<R>, Failure>
where
    R::Id: std::str::FromStr<Err = model::IdError>,
{
    let parsed = id.parse().map_err(|error| Error::bad_id(R::NOUN, id, error))?;
    Ok(tx.get::<R>(parsed)?.filter(|row| row.owner() == account))
}

fn tags_of<R: Tagged>(tx: &Tx<'_>, account: AccountId, id: &str) -> Result<Option<Tags>, Failure>
where
    R::Id: std::str::FromStr<Err = model::IdError>,
{
    Ok(own::<R>(tx, account, id)?.map(|mut row| std::mem::take(row.tags())))
}

fn change_of<R: Tagged>(tx: &mut Tx<'_>, account: AccountId, id: &str, with: &dyn Fn(&mut Tags) -> Result<(), Error>) -> Result<(), Failure>
where
    R::Id: std::str::FromStr<Err = model::IdError>,
{
    let row = changed::<R>(tx, account, id, with)?;
    Ok(tx.update(&row)?)
}

/// The row with other tags, which are not yet written.
fn changed<R: Tagged>(tx: &Tx<'_>, account: AccountId, id: &str, with: &dyn Fn(&mut Tags) -> Result<(), Error>) -> Result<R, Failure>
where
    R::Id: std::str::FromStr<Err = model::IdError>,
{
    let mut row = own::<R>(tx, account, id)?.ok_or_else(|| Error::not_found(R::NOUN, id))?;
    with(row.tags())?;
    Ok(row)
}
