//! Stopped instances that move to another subnet, of the same VPC or another one. The primary interface is the same one in another
//! place: it keeps its id, its hardware address, its public address and what it is called, and gets another private address.

use std::net::Ipv4Addr;

use model::{
    DEFAULT_GROUP, Error, InstanceId, Interface, Noun, Phase, RouteTarget, SecurityGroup, SecurityGroupId, Subnet, SubnetId, VpcId,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::instance::{instance_of, save, targets};
use crate::interface::{groups_or_default, interface_of, primary_ip, taken};
use crate::network::touch_vpc;
use crate::run::{Command, Cx};
use crate::subnet::subnet_of;

/// Moves a stopped instance to another subnet of its zone.
#[derive(Debug, Clone, Serialize)]
pub struct MoveInstance {
    /// Which one.
    pub id: InstanceId,
    /// Where it goes.
    pub subnet: SubnetId,
    /// The VPC that the subnet must be in; the one that the instance is in when none is said.
    pub vpc: Option<VpcId>,
    /// Its private address there; a free one when none is said.
    pub ip: Option<Ipv4Addr>,
    /// Its security groups there; when none is said those that it has, where they are known there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<SecurityGroupId>,
}

impl Command for MoveInstance {
    type Reply = ();
    const NAME: &'static str = "MoveInstance";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let subnet = tx.get::<Subnet>(self.subnet)?.filter(|row| row.account == cx.caller.account());
        let mut targets = targets(tx, cx, &[self.id])?;
        targets.push(Target::of("subnet", self.subnet, &subnet.map(|row| row.tags).unwrap_or_default()));
        for id in &self.groups {
            targets.extend(crate::security_group::target(tx, cx, *id)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let mut instance = instance_of(tx, account, self.id)?;
        if instance.phase != Phase::Stopped {
            let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "stopped" }.into());
        }
        let subnet = subnet_of(tx, account, self.subnet)?;
        if self.vpc.unwrap_or(instance.vpc) != subnet.vpc {
            return Err(Error::InvalidCombination { reason: format!("the subnet {} is in another VPC", subnet.id) }.into());
        }
        if subnet.zone != instance.zone {
            let (noun, id) = (Noun::Subnet, subnet.id.to_string());
            return Err(Error::ZoneMismatch { noun, id, zone: subnet.zone, wanted: instance.zone.clone() }.into());
        }
        let before = interface_of(tx, account, instance.interface)?;
        let stays = before.subnet == subnet.id && self.ip.is_none_or(|ip| ip == before.ip);
        let mut after = before.clone();
        if !stays {
            check_alone(tx, &before, instance.id)?;
            (after.vpc, after.subnet, after.ip) = (subnet.vpc, subnet.id, primary_ip(tx, &subnet, self.ip, &[])?);
        }
        if after.vpc != before.vpc {
            check_no_route(tx, &before)?;
        }
        after.groups = match self.groups.as_slice() {
            [] if after.vpc == before.vpc => after.groups,
            [] => groups_there(tx, cx, &before, &subnet)?,
            asked => groups_or_default(tx, account, &subnet, asked)?,
        };
        if after == before {
            return Ok(());
        }
        tx.interface_update_addresses(&after).map_err(|error| taken(error, subnet.id, after.ip))?;
        if !stays {
            for mut address in tx.address_list_of_interface(after.id)? {
                // The interface has one private address, so none need be named.
                address.private = None;
                tx.update(&address)?;
            }
        }
        (instance.vpc, instance.subnet, instance.private_ip) = (after.vpc, after.subnet, after.ip);
        save(tx, &mut instance, cx.now)?;
        touch_vpc(tx, before.vpc)?;
        touch_vpc(tx, after.vpc)
    }
}

/// Refuses to move an interface that has more than its primary address, or is not the only one of its instance: what else there is
/// belongs to the subnet that it leaves.
fn check_alone(tx: &Tx<'_>, interface: &Interface, instance: InstanceId) -> Result<(), Failure> {
    if interface.addresses().count() > 1 || !interface.ipv6.is_empty() {
        let reason = format!("the network interface {} has further private addresses of its subnet", interface.id);
        return Err(Error::InvalidCombination { reason }.into());
    }
    if tx.interface_list_of_instance(instance)?.len() > 1 {
        let reason = format!("the instance {instance} has further network interfaces");
        return Err(Error::InvalidCombination { reason }.into());
    }
    Ok(())
}

/// Refuses to take an interface out of a VPC whose routes lead to it.
fn check_no_route(tx: &Tx<'_>, interface: &Interface) -> Result<(), Failure> {
    let to_it = RouteTarget::Interface { interface: interface.id };
    let tables = tx.route_table_list_of_vpc(interface.vpc)?.into_iter();
    let by: Vec<String> = tables.filter(|table| table.leads_to(to_it)).map(|table| table.id.to_string()).collect();
    if by.is_empty() {
        return Ok(());
    }
    Err(Error::InUse { noun: Noun::Interface, id: interface.id.to_string(), by }.into())
}

/// The groups of an interface in another VPC: the default group there in place of the default one here. Refused where another group
/// belongs to the VPC that it leaves.
fn groups_there(tx: &Tx<'_>, cx: &Cx<'_>, interface: &Interface, subnet: &Subnet) -> Result<Vec<SecurityGroupId>, Failure> {
    let groups = tx.get_many::<SecurityGroup>(&interface.groups)?;
    let kept = groups.iter().filter(|group| group.is_of(subnet.vpc)).map(|group| group.id);
    if let Some(other) = groups.iter().find(|group| !group.is_of(subnet.vpc) && group.name != DEFAULT_GROUP) {
        let reason = format!("the security group {} belongs to the VPC {}, which the instance leaves", other.id, other.vpc);
        return Err(Error::InvalidCombination { reason }.into());
    }
    groups_or_default(tx, cx.caller.account(), subnet, &kept.collect::<Vec<_>>())
}
