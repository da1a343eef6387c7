//! Which host is the home of a NAT gateway: the one that translates for it, and tracks its connections.
//!
//! ```text
//!   none ── the VPC has a machine ─▶ host ── it is removed ─▶ another with machines of the VPC, or none
//! ```
//!
//! A home stays when machines come and go, since a move ends every connection. What hosts are told of it is in [`crate::nat_rule`].

use std::collections::BTreeSet;

use model::{Address, Error, Host, HostId, NatGateway, Noun, Subnet, VpcId};
use store::Tx;

use crate::Failure;

/// Gives the NAT gateways of a VPC that have no home one, if the VPC has machines.
pub(crate) fn settle(tx: &mut Tx<'_>, vpc: VpcId) -> Result<(), Failure> {
    for gateway in tx.nat_gateway_list_of_vpc(vpc)? {
        if gateway.home.is_none() && gateway.is_public {
            let home = choose(tx, &gateway)?;
            put(tx, gateway, home)?;
        }
    }
    Ok(())
}

/// The same for those of every VPC, which rows of before this was written down have need of.
pub(crate) fn settle_all(tx: &mut Tx<'_>) -> Result<(), Failure> {
    let vpcs: BTreeSet<VpcId> = tx.nat_gateway_list_homeless()?.into_iter().map(|gateway| gateway.vpc).collect();
    vpcs.into_iter().try_for_each(|vpc| settle(tx, vpc))
}

/// Finds other homes for the NAT gateways of a host that was removed. Gives the VPCs of which something moved.
pub(crate) fn leave(tx: &mut Tx<'_>, host: HostId) -> Result<Vec<VpcId>, Failure> {
    let mut vpcs = Vec::new();
    for gateway in tx.nat_gateway_list_at_home(host)? {
        vpcs.push(gateway.vpc);
        let home = choose(tx, &gateway)?;
        put(tx, gateway, home)?;
    }
    vpcs.dedup();
    Ok(vpcs)
}

/// The host with most machines of the VPC among those that serve the gateway's zone, else among all.
fn choose(tx: &Tx<'_>, gateway: &NatGateway) -> Result<Option<HostId>, Failure> {
    let zone = match gateway.subnet {
        Some(id) => Some(tx.get::<Subnet>(id)?.ok_or_else(|| Error::not_found(Noun::Subnet, id))?.zone),
        None => None,
    };
    let mut first = None;
    for id in tx.interface_hosts_of_vpc(gateway.vpc)? {
        let Some(host) = tx.get::<Host>(id)? else { continue };
        if zone.as_ref().is_none_or(|zone| host.zones.contains(zone)) {
            return Ok(Some(id));
        }
        first = first.or(Some(id));
    }
    Ok(first)
}

/// Writes a home down. Every host has to know which host its addresses are with.
fn put(tx: &mut Tx<'_>, mut gateway: NatGateway, home: Option<HostId>) -> Result<(), Failure> {
    if gateway.home == home {
        return Ok(());
    }
    gateway.home = home;
    tx.update(&gateway)?;
    for address in tx.get_many::<Address>(&gateway.addresses)? {
        tx.update(&address)?;
    }
    Ok(())
}
