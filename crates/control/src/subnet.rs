//! Subnets: parts of a VPC's range, each in one zone.

use ipnet::{Ipv4Net, Ipv6Net};
use model::{
    AccountId, Error, HostNameSettings, Noun, QuotaName, RouteTableId, SUBNET_PREFIX_LONGEST, Subnet, SubnetId, SubnetIpv6, SubnetRangeId,
    Tags, VpcId, add_tags, check_name, check_subnet_ipv6, check_subnet_range,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::instance::check_description;
use crate::network::{DEPENDENTS_NAMED, default_subnet, subnet_ranges, touch_vpc, vpc_of};
use crate::route::AssociateRouteTable;
use crate::run::{Command, Cx};

/// Makes a subnet.
#[derive(Debug, Clone, Serialize)]
pub struct CreateSubnet {
    /// Its VPC.
    pub vpc: VpcId,
    /// Its zone; the region's first when none is said.
    pub zone: Option<String>,
    /// Its range.
    pub range: Ipv4Net,
    /// Longest prefix that the range may have.
    pub prefix_longest: u8,
    /// The route table that it uses; the main one of its VPC when none is said.
    pub table: Option<RouteTableId>,
    /// Its IPv6 range, a /64 of the VPC's.
    pub ipv6: Option<Ipv6Net>,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Makes the default subnet of a zone, in the default VPC; refused when the zone has one.
#[derive(Debug, Clone, Serialize)]
pub struct CreateDefaultSubnet {
    /// The zone.
    pub zone: String,
}

/// Changes a subnet. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifySubnet {
    /// Which one.
    pub id: SubnetId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Whether an instance launched here gets a public address unless it says no.
    pub public_on_launch: Option<bool>,
    /// Whether an interface made here gets an IPv6 address unless it says no.
    pub ipv6_on_launch: Option<bool>,
    /// How an instance launched here is named unless its launch says otherwise.
    #[serde(skip_serializing_if = "HostNameSettings::is_none")]
    pub host_names_on_launch: HostNameSettings,
}

/// Deletes a subnet in which no interface is left.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteSubnet {
    /// Which one.
    pub id: SubnetId,
}

impl Command for CreateSubnet {
    type Reply = Subnet;
    const NAME: &'static str = "CreateSubnet";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = crate::network::target(tx, cx, self.vpc)?;
        targets.push(Target { path: Some("subnet/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() });
        if let Some(table) = self.table {
            targets.extend(crate::route::target(tx, cx, table)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Subnet, Failure> {
        let account = cx.caller.account();
        let vpc = vpc_of(tx, account, Some(self.vpc))?;
        let zone = match &self.zone {
            Some(zone) => zone_of(cx, zone)?,
            None => cx.cloud.region().zones.first().ok_or(Error::Internal)?,
        };
        check_name("SubnetName", &self.name)?;
        check_description(&self.description)?;
        let others = tx.subnet_list_of_vpc(vpc.id)?;
        let range = check_subnet_range(&vpc, &others, self.range, self.prefix_longest)?;
        QuotaName::Subnets.check(tx.quota_limit(account, QuotaName::Subnets)?, others.len() as u64, 1)?;
        let ipv6 = self.ipv6.map(|range| check_subnet_ipv6(&vpc, &others, range)).transpose()?;
        let mut subnet = Subnet {
            id: SubnetId::from_u64(cx.new_id()),
            account,
            vpc: vpc.id,
            zone: zone.clone(),
            range,
            is_default: false,
            public_on_launch: false,
            ipv6: ipv6.map(|range| SubnetIpv6 { id: SubnetRangeId::from_u64(cx.new_id()), range }),
            ipv6_on_launch: false,
            host_names_on_launch: model::HostNameOptions::default(),
            name: self.name.clone(),
            description: self.description.clone(),
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut subnet.tags, &self.tags)?;
        tx.insert(&subnet)?;
        if let Some(table) = self.table {
            AssociateRouteTable { table, subnet: subnet.id, replaces: false }.apply(tx, cx)?;
        }
        touch_vpc(tx, vpc.id)?;
        Ok(subnet)
    }
}

impl Command for CreateDefaultSubnet {
    type Reply = Subnet;
    const NAME: &'static str = "CreateDefaultSubnet";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("subnet/*".to_owned()), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Subnet, Failure> {
        let account = cx.caller.account();
        let zone = zone_of(cx, &self.zone)?;
        let vpc = tx.vpc_default(account)?.ok_or_else(|| Error::not_found(Noun::Vpc, "default"))?;
        let others = tx.subnet_list_of_vpc(vpc.id)?;
        if let Some(other) = others.iter().find(|subnet| subnet.is_default && subnet.zone == *zone) {
            return Err(Error::Duplicate { noun: Noun::Subnet, name: other.id.to_string() }.into());
        }
        let is_free = |range: &Ipv4Net| check_subnet_range(&vpc, &others, *range, SUBNET_PREFIX_LONGEST).is_ok();
        let range = subnet_ranges(vpc.range).find(is_free);
        let range = range.ok_or_else(|| Error::NoFreeAddress { noun: Noun::Vpc, id: vpc.id.to_string() })?;
        QuotaName::Subnets.check(tx.quota_limit(account, QuotaName::Subnets)?, others.len() as u64, 1)?;
        let subnet = default_subnet(cx.cloud, &vpc, zone, range, cx.now);
        tx.insert(&subnet)?;
        touch_vpc(tx, vpc.id)?;
        Ok(subnet)
    }
}

fn zone_of<'a>(cx: &'a Cx<'_>, zone: &str) -> Result<&'a String, Error> {
    cx.cloud.region().zones.iter().find(|known| *known == zone).ok_or_else(|| Error::not_found(Noun::Zone, zone))
}

impl Command for ModifySubnet {
    type Reply = ();
    const NAME: &'static str = "ModifySubnet";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.id)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut subnet = subnet_of(tx, cx.caller.account(), self.id)?;
        if let Some(name) = &self.name {
            check_name("SubnetName", name)?;
            subnet.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            subnet.description.clone_from(description);
        }
        subnet.public_on_launch = self.public_on_launch.unwrap_or(subnet.public_on_launch);
        if self.ipv6_on_launch == Some(true) && subnet.ipv6.is_none() {
            return Err(Error::InvalidCombination { reason: format!("the subnet {} has no IPv6 range", subnet.id) }.into());
        }
        subnet.ipv6_on_launch = self.ipv6_on_launch.unwrap_or(subnet.ipv6_on_launch);
        subnet.host_names_on_launch = self.host_names_on_launch.over(subnet.host_names_on_launch);
        Ok(tx.update(&subnet)?)
    }
}

impl Command for DeleteSubnet {
    type Reply = ();
    const NAME: &'static str = "DeleteSubnet";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.id)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let subnet = subnet_of(tx, cx.caller.account(), self.id)?;
        let interfaces = tx.interface_list_of_vpc(subnet.vpc)?;
        let inside = interfaces.iter().filter(|interface| interface.subnet == subnet.id);
        let by: Vec<String> = inside.map(|interface| interface.id.to_string()).take(DEPENDENTS_NAMED).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::Subnet, id: subnet.id.to_string(), by }.into());
        }
        for mut table in tx.route_table_list_of_vpc(subnet.vpc)?.into_iter().filter(|table| table.has_subnet(subnet.id)) {
            table.subnets.retain(|tie| tie.subnet != subnet.id);
            tx.update(&table)?;
        }
        for mut acl in tx.network_acl_list_of_vpc(subnet.vpc)?.into_iter().filter(|acl| acl.has_subnet(subnet.id)) {
            acl.subnets.retain(|tie| tie.subnet != subnet.id);
            tx.update(&acl)?;
        }
        tx.delete::<Subnet>(subnet.id)?;
        touch_vpc(tx, subnet.vpc)
    }
}

/// The subnet, if the account owns it.
pub(crate) fn subnet_of(tx: &Tx<'_>, account: AccountId, id: SubnetId) -> Result<Subnet, Failure> {
    let subnet = tx.get::<Subnet>(id)?.filter(|subnet| subnet.account == account);
    Ok(subnet.ok_or_else(|| Error::not_found(Noun::Subnet, id))?)
}

/// Where a launch that names no subnet goes: the account's default subnet in the zone, or in any zone.
pub(crate) fn default_subnets(tx: &Tx<'_>, account: AccountId, zone: Option<&str>) -> Result<Vec<Subnet>, Failure> {
    let vpc = tx.vpc_default(account)?.ok_or(Error::MissingParameter { name: "SubnetId" })?;
    let mut subnets = tx.subnet_list_of_vpc(vpc.id)?;
    subnets.retain(|subnet| subnet.is_default && zone.is_none_or(|zone| zone == subnet.zone));
    if subnets.is_empty() { Err(Error::MissingParameter { name: "SubnetId" }.into()) } else { Ok(subnets) }
}

/// What policies are asked about for a call on a subnet.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: SubnetId) -> Result<Vec<Target>, Failure> {
    let tags = tx.get::<Subnet>(id)?.filter(|subnet| subnet.account == cx.caller.account()).map(|subnet| subnet.tags);
    Ok(vec![Target::of("subnet", id, &tags.unwrap_or_default())])
}
