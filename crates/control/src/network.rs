//! VPCs and their subnets. In this version every account has a default VPC with one subnet in each zone and a default
//! security group, made with the account.

use ipnet::Ipv4Net;
use model::{
    AccountId, DEFAULT_GROUP, Error, Millis, Noun, RuleId, SecurityGroup, SecurityGroupId, Subnet, SubnetId, Tags, Vpc, VpcId,
    default_rules,
};
use store::Tx;

use crate::{Cloud, Failure};

/// Smallest default subnet, as a prefix length: 16 to a VPC, as EC2's /20 in a /16.
const SUBNET_BITS: u8 = 4;

/// Makes the default network of an account.
pub(crate) fn insert_default_network(tx: &mut Tx<'_>, cloud: &Cloud, account: AccountId, now: Millis) -> Result<(), Failure> {
    let region = cloud.region();
    let new_id = || cloud.ids().next(now);
    let vni = tx.vpc_last_by_vni()?.map_or(1, |last| last.vni + 1);
    let vpc = Vpc {
        id: VpcId::from_u64(new_id()),
        account,
        vni,
        range: region.default_vpc,
        is_default: true,
        name: DEFAULT_GROUP.to_owned(),
        created_at: now,
        tags: Tags::new(),
    };
    tx.insert(&vpc)?;
    for (zone, range) in region.zones.iter().zip(subnet_ranges(vpc.range)) {
        tx.insert(&Subnet {
            id: SubnetId::from_u64(new_id()),
            account,
            vpc: vpc.id,
            zone: zone.clone(),
            range,
            is_default: true,
            public_on_launch: region.public_on_launch,
            name: DEFAULT_GROUP.to_owned(),
            created_at: now,
            tags: Tags::new(),
        })?;
    }
    let id = SecurityGroupId::from_u64(new_id());
    tx.insert(&SecurityGroup {
        id,
        account,
        vpc: vpc.id,
        name: DEFAULT_GROUP.to_owned(),
        description: "default VPC security group".to_owned(),
        rules: default_rules(id, [RuleId::from_u64(new_id()), RuleId::from_u64(new_id())]),
        created_at: now,
        tags: Tags::new(),
    })?;
    Ok(())
}

fn subnet_ranges(vpc: Ipv4Net) -> impl Iterator<Item = Ipv4Net> {
    vpc.subnets((vpc.prefix_len() + SUBNET_BITS).min(28)).into_iter().flatten()
}

/// The VPC, if the account owns it; the default one when none is named.
pub(crate) fn vpc_of(tx: &Tx<'_>, account: AccountId, id: Option<VpcId>) -> Result<Vpc, Failure> {
    let Some(id) = id else { return Ok(tx.vpc_default(account)?.ok_or(Error::MissingParameter { name: "VpcId" })?) };
    let vpc = tx.get::<Vpc>(id)?.filter(|vpc| vpc.account == account);
    Ok(vpc.ok_or_else(|| Error::not_found(Noun::Vpc, id))?)
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
