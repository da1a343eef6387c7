//! VPCs. Every account has a default one, made with it: a subnet in each zone, and a gateway that its main route table leads to.

use model::{
    AccountId, DEFAULT_GROUP, DhcpOptions, Error, Host, HostId, Instance, InternetGateway, InternetGatewayId, Millis, NetworkAcl,
    NetworkAclId, Noun, QuotaName, Route, RouteTable, RouteTableAssociationId, RouteTableId, RouteTarget, RuleId, SecurityGroup,
    SecurityGroupId, Subnet, SubnetId, Tags, Vpc, VpcId, add_tags, check_name, check_vpc_range, default_rules, open_entries,
};

use ipnet::Ipv4Net;
use serde::Serialize;
use std::collections::BTreeSet;
use store::Tx;

use crate::auth::Target;
use crate::instance::check_description;
use crate::ipv6::{give_range, open_outward};
use crate::nat_home::settle;
use crate::run::{Command, Cx};
use crate::vpc_peering_record::bury;
use crate::{Cloud, Failure};

/// Smallest default subnet, as a prefix length: 16 to a VPC, as EC2's /20 in a /16.
const SUBNET_BITS: u8 = 4;
/// Most things that a refused deletion names.
pub(crate) const DEPENDENTS_NAMED: usize = 10;

/// Makes a VPC, with a default security group and a main route table.
#[derive(Debug, Clone, Serialize)]
pub struct CreateVpc {
    /// Its range.
    pub range: Ipv4Net,
    /// Shortest prefix that the range may have.
    pub prefix_shortest: u8,
    /// Whether its machines reach public addresses without a gateway.
    pub open: bool,
    /// Whether it gets an IPv6 range.
    pub ipv6: bool,
    /// What DHCP tells its machines.
    pub dhcp: DhcpOptions,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Makes the default VPC of an account that has deleted it, with all that the first one had.
#[derive(Debug, Clone, Serialize)]
pub struct CreateDefaultVpc {}

/// Changes a VPC. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyVpc {
    /// Which one.
    pub id: VpcId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Whether questions for names are answered.
    pub dns_support: Option<bool>,
    /// Whether machines were to have public host names.
    pub dns_hostnames: Option<bool>,
    /// The domain that DHCP tells; an empty one is the region's.
    pub domain: Option<String>,
    /// The name servers that DHCP tells; an empty list is the VPC's own.
    pub dns_servers: Option<Vec<std::net::Ipv4Addr>>,
}

/// Deletes a VPC in which nothing is left but its default security group and its main route table.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteVpc {
    /// Which one.
    pub id: VpcId,
}

impl Command for CreateVpc {
    type Reply = Vpc;
    const NAME: &'static str = "CreateVpc";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("vpc/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vpc, Failure> {
        let account = cx.caller.account();
        let range = check_vpc_range(self.range, self.prefix_shortest)?;
        check_name("VpcName", &self.name)?;
        check_description(&self.description)?;
        self.dhcp.check()?;
        let limit = tx.quota_limit(account, QuotaName::Vpcs)?;
        QuotaName::Vpcs.check(limit, tx.vpc_count(account, limit)?, 1)?;
        let mut vpc = Vpc {
            open: self.open,
            dhcp: self.dhcp.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            ..new_vpc(tx, cx.cloud, account, range, cx.now)?
        };
        add_tags(&mut vpc.tags, &self.tags)?;
        if self.ipv6 {
            give_range(tx, cx, &mut vpc)?;
        }
        insert_vpc(tx, cx.cloud, &vpc)?;
        if self.ipv6 {
            open_outward(tx, cx, vpc.id)?;
        }
        Ok(vpc)
    }
}

impl Command for CreateDefaultVpc {
    type Reply = Vpc;
    const NAME: &'static str = "CreateDefaultVpc";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("vpc/*".to_owned()), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vpc, Failure> {
        let account = cx.caller.account();
        if let Some(vpc) = tx.vpc_default(account)? {
            return Err(Error::Duplicate { noun: Noun::Vpc, name: vpc.id.to_string() }.into());
        }
        let (vpcs, gateways) = (tx.quota_limit(account, QuotaName::Vpcs)?, tx.quota_limit(account, QuotaName::InternetGateways)?);
        QuotaName::Vpcs.check(vpcs, tx.vpc_count(account, vpcs)?, 1)?;
        QuotaName::InternetGateways.check(gateways, tx.internet_gateway_count(account, gateways)?, 1)?;
        insert_default_network(tx, cx.cloud, account, cx.now)
    }
}

impl Command for ModifyVpc {
    type Reply = ();
    const NAME: &'static str = "ModifyVpc";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.id)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut vpc = vpc_of(tx, cx.caller.account(), Some(self.id))?;
        if let Some(name) = &self.name {
            check_name("VpcName", name)?;
            vpc.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            vpc.description.clone_from(description);
        }
        vpc.dns_support = self.dns_support.unwrap_or(vpc.dns_support);
        vpc.dns_hostnames = self.dns_hostnames.unwrap_or(vpc.dns_hostnames);
        if self.domain.is_some() || self.dns_servers.is_some() {
            vpc.dhcp_options = None;
        }
        if let Some(domain) = &self.domain {
            vpc.dhcp.domain = Some(domain.clone()).filter(|domain| !domain.is_empty());
        }
        if let Some(servers) = &self.dns_servers {
            vpc.dhcp.dns_servers.clone_from(servers);
        }
        vpc.dhcp.check()?;
        tx.update(&vpc)?;
        touch_vpc(tx, vpc.id)
    }
}

impl Command for DeleteVpc {
    type Reply = ();
    const NAME: &'static str = "DeleteVpc";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.id)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let vpc = vpc_of(tx, cx.caller.account(), Some(self.id))?;
        let groups = tx.security_group_list_of_vpc(vpc.id)?;
        let tables = tx.route_table_list_of_vpc(vpc.id)?;
        let subnets = tx.subnet_list_of_vpc(vpc.id)?;
        let gateway = tx.internet_gateway_of_vpc(vpc.id)?;
        let by = subnets.iter().map(|subnet| subnet.id.to_string());
        let by = by.chain(gateway.iter().map(|gateway| gateway.id.to_string()));
        let by = by.chain(groups.iter().filter(|group| group.name != DEFAULT_GROUP).map(|group| group.id.to_string()));
        let by = by.chain(tables.iter().filter(|table| table.main.is_none()).map(|table| table.id.to_string()));
        let nats = tx.nat_gateway_list_of_vpc(vpc.id)?;
        let by = by.chain(nats.iter().map(|nat| nat.id.to_string()));
        let egress_only = tx.egress_only_gateway_list_of_vpc(vpc.id)?;
        let by = by.chain(egress_only.iter().map(|gateway| gateway.id.to_string()));
        let acls = tx.network_acl_list_of_vpc(vpc.id)?;
        let by = by.chain(acls.iter().filter(|acl| !acl.is_default).map(|acl| acl.id.to_string()));
        let by: Vec<String> = by.take(DEPENDENTS_NAMED).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::Vpc, id: vpc.id.to_string(), by }.into());
        }
        for peering in tx.vpc_peering_list_of_vpc(vpc.id)? {
            let across = peering.across(vpc.id).map(|end| end.vpc);
            bury(tx, peering, vpc.account, cx.now)?;
            if let Some(other) = across {
                touch_vpc(tx, other)?;
            }
        }
        for group in groups {
            tx.delete::<SecurityGroup>(group.id)?;
        }
        for table in tables {
            tx.delete::<RouteTable>(table.id)?;
        }
        for acl in acls {
            tx.delete::<NetworkAcl>(acl.id)?;
        }
        if let Some(own) = vpc.ipv6 {
            tx.ipv6_range_delete(own.range)?;
        }
        tx.delete::<Vpc>(vpc.id)?;
        Ok(())
    }
}

/// Makes the default network of an account and gives its VPC.
pub(crate) fn insert_default_network(tx: &mut Tx<'_>, cloud: &Cloud, account: AccountId, now: Millis) -> Result<Vpc, Failure> {
    let region = cloud.region();
    let new_id = || cloud.ids().next(now);
    let vpc = Vpc {
        is_default: true,
        dns_hostnames: true,
        dhcp: DhcpOptions::default(),
        dhcp_options: None,
        name: DEFAULT_GROUP.to_owned(),
        ..new_vpc(tx, cloud, account, region.default_vpc, now)?
    };
    for (zone, range) in region.zones.iter().zip(subnet_ranges(vpc.range)) {
        tx.insert(&default_subnet(cloud, &vpc, zone, range, now))?;
    }
    let mut table = insert_vpc(tx, cloud, &vpc)?;
    let gateway = InternetGateway {
        id: InternetGatewayId::from_u64(new_id()),
        account,
        vpc: Some(vpc.id),
        idle: false,
        name: String::new(),
        description: String::new(),
        created_at: now,
        tags: Tags::new(),
    };
    tx.insert(&gateway)?;
    let target = RouteTarget::InternetGateway { gateway: gateway.id };
    table.routes.push(Route::new(Ipv4Net::default(), target));
    tx.update(&table)?;
    Ok(vpc)
}

/// The default subnet of a zone.
pub(crate) fn default_subnet(cloud: &Cloud, vpc: &Vpc, zone: &str, range: Ipv4Net, now: Millis) -> Subnet {
    Subnet {
        id: SubnetId::from_u64(cloud.ids().next(now)),
        account: vpc.account,
        vpc: vpc.id,
        zone: zone.to_owned(),
        range,
        is_default: true,
        public_on_launch: cloud.region().public_on_launch,
        ipv6: None,
        ipv6_on_launch: false,
        host_names_on_launch: model::HostNameOptions::default(),
        name: DEFAULT_GROUP.to_owned(),
        description: String::new(),
        created_at: now,
        tags: Tags::new(),
    }
}

fn new_vpc(tx: &Tx<'_>, cloud: &Cloud, account: AccountId, range: Ipv4Net, now: Millis) -> Result<Vpc, Failure> {
    let vni = tx.vpc_free_vni()?.ok_or(Error::Unavailable)?;
    Ok(Vpc {
        id: VpcId::from_u64(cloud.ids().next(now)),
        account,
        vni,
        range,
        secondary: vec![],
        is_default: false,
        open: false,
        dns_support: true,
        dns_hostnames: false,
        ipv6: None,
        dhcp: DhcpOptions::default(),
        dhcp_options: None,
        name: String::new(),
        description: String::new(),
        created_at: now,
        tags: Tags::new(),
    })
}

/// Writes a new VPC and what every VPC has: a default security group, a default network ACL, and a main route table, which it gives.
fn insert_vpc(tx: &mut Tx<'_>, cloud: &Cloud, vpc: &Vpc) -> Result<RouteTable, Failure> {
    let new_id = || cloud.ids().next(vpc.created_at);
    tx.insert(vpc)?;
    let group = SecurityGroupId::from_u64(new_id());
    tx.insert(&SecurityGroup {
        kind: model::GroupKind::Basic,
        regional: false,
        id: group,
        account: vpc.account,
        vpc: vpc.id,
        name: DEFAULT_GROUP.to_owned(),
        description: "default VPC security group".to_owned(),
        rules: default_rules(group, [RuleId::from_u64(new_id()), RuleId::from_u64(new_id())]),
        created_at: vpc.created_at,
        tags: Tags::new(),
    })?;
    let table = RouteTable {
        id: RouteTableId::from_u64(new_id()),
        account: vpc.account,
        vpc: vpc.id,
        main: Some(RouteTableAssociationId::from_u64(new_id())),
        subnets: vec![],
        routes: vec![],
        list_routes: vec![],
        ipv6_routes: vec![],
        ipv6_list_routes: vec![],
        name: String::new(),
        description: String::new(),
        created_at: vpc.created_at,
        tags: Tags::new(),
    };
    tx.insert(&table)?;
    tx.insert(&NetworkAcl {
        id: NetworkAclId::from_u64(new_id()),
        account: vpc.account,
        vpc: vpc.id,
        is_default: true,
        name: String::new(),
        description: String::new(),
        subnets: vec![],
        entries: open_entries(vpc.ipv6.is_some()),
        judges_v6: vpc.ipv6.is_some(),
        words: vec![],
        created_at: vpc.created_at,
        tags: Tags::new(),
    })?;
    Ok(table)
}

/// The ranges that default subnets of a VPC may have.
pub(crate) fn subnet_ranges(vpc: Ipv4Net) -> impl Iterator<Item = Ipv4Net> {
    vpc.subnets((vpc.prefix_len() + SUBNET_BITS).min(28)).into_iter().flatten()
}

/// The VPC, if the account owns it; the default one when none is named.
pub(crate) fn vpc_of(tx: &Tx<'_>, account: AccountId, id: Option<VpcId>) -> Result<Vpc, Failure> {
    let Some(id) = id else { return Ok(tx.vpc_default(account)?.ok_or(Error::MissingParameter { name: "VpcId" })?) };
    let vpc = tx.get::<Vpc>(id)?.filter(|vpc| vpc.account == account);
    Ok(vpc.ok_or_else(|| Error::not_found(Noun::Vpc, id))?)
}

/// What policies are asked about for a call on a VPC.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: VpcId) -> Result<Vec<Target>, Failure> {
    let tags = tx.get::<Vpc>(id)?.filter(|vpc| vpc.account == cx.caller.account()).map(|vpc| vpc.tags);
    Ok(vec![Target::of("vpc", id, &tags.unwrap_or_default())])
}

/// Tells the hosts on which machines of the VPC are: networks are read each time that a document is made.
pub(crate) fn touch_vpc(tx: &mut Tx<'_>, vpc: VpcId) -> Result<(), Failure> {
    let mut hosts: BTreeSet<HostId> = BTreeSet::new();
    for instance in tx.interface_list_of_vpc(vpc)?.into_iter().filter_map(|interface| interface.instance) {
        hosts.extend(tx.get::<Instance>(instance)?.filter(Instance::is_on_host).map(|instance| instance.host));
    }
    settle(tx, vpc)?;
    hosts.extend(tx.nat_gateway_list_of_vpc(vpc)?.into_iter().filter_map(|gateway| gateway.home));
    for host in hosts {
        if tx.get::<Host>(host)?.is_some() {
            tx.host_touch(host)?;
        }
    }
    Ok(())
}
