//! Routes of IPv6 in a route table.

use ipnet::Ipv6Net;
use model::{
    AddressFamily, EgressOnlyGateway, Error, Ipv6ListRoute, Ipv6Route, Ipv6Target, Noun, PrefixList, PrefixListId, QuotaName, RouteTable,
    RouteTableId, RouteTarget, Vpc,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::network::{touch_vpc, vpc_of};
use crate::prefix_list::list_of;
use crate::route::{check_target, table_of, target};
use crate::run::{Command, Cx};

/// Changes the routes of IPv6 of a table.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeIpv6Route {
    /// Which table.
    pub table: RouteTableId,
    /// Packets to these addresses.
    pub destination: Ipv6Destination,
    /// What becomes of the route to them.
    pub change: Ipv6RouteChange,
}

/// What a route of IPv6 is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ipv6Destination {
    /// To a range. What is set behind the prefix is passed over.
    Range(Ipv6Net),
    /// To all that a prefix list of the account names.
    List(PrefixListId),
}

/// What becomes of a route of IPv6.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ipv6RouteChange {
    /// It is made; refused when there is one.
    Create(Ipv6Target),
    /// It leads elsewhere; refused when there is none.
    Replace(Ipv6Target),
    /// It goes; refused when there is none.
    Delete,
}

impl Command for ChangeIpv6Route {
    type Reply = ();
    const NAME: &'static str = "ChangeIpv6Route";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.table)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let mut table = table_of(tx, account, self.table)?;
        let vpc = vpc_of(tx, account, Some(table.vpc))?;
        self.change(tx, &vpc, &mut table)?;
        tx.update(&table)?;
        touch_vpc(tx, vpc.id)
    }
}

impl ChangeIpv6Route {
    pub(crate) fn change(&self, tx: &Tx<'_>, vpc: &Vpc, table: &mut RouteTable) -> Result<(), Failure> {
        match self.destination {
            Ipv6Destination::Range(range) => self.change_range(tx, vpc, table, range.trunc()),
            Ipv6Destination::List(list) => self.change_list(tx, vpc, table, list),
        }
    }

    fn change_list(&self, tx: &Tx<'_>, vpc: &Vpc, table: &mut RouteTable, list: PrefixListId) -> Result<(), Failure> {
        let at = table.ipv6_list_routes.iter().position(|route| route.list == list);
        let absent = || Error::not_found(Noun::Route, list);
        match (&self.change, at) {
            (Ipv6RouteChange::Create(_), Some(_)) => {
                return Err(Error::Duplicate { noun: Noun::Route, name: list.to_string() }.into());
            }
            (Ipv6RouteChange::Create(target), None) => {
                let row = list_of(tx, table.account, list)?;
                if row.family != AddressFamily::Ipv6 {
                    return Err(Error::invalid("DestinationPrefixListId", format!("{list} names no ranges of IPv6")).into());
                }
                check(tx, vpc, *target)?;
                check_ipv6_room(tx, table, row.max_entries.into())?;
                table.ipv6_list_routes.push(Ipv6ListRoute { list, target: *target });
            }
            (Ipv6RouteChange::Replace(target), at) => {
                let at = at.ok_or_else(absent)?;
                check(tx, vpc, *target)?;
                table.ipv6_list_routes[at].target = *target;
            }
            (Ipv6RouteChange::Delete, at) => {
                table.ipv6_list_routes.remove(at.ok_or_else(absent)?);
            }
        }
        Ok(())
    }

    fn change_range(&self, tx: &Tx<'_>, vpc: &Vpc, table: &mut RouteTable, destination: Ipv6Net) -> Result<(), Failure> {
        if let Some(own) = vpc.ipv6.filter(|own| own.range.contains(&destination)) {
            let reason = format!("{destination} is in the VPC's own range {}, which stays inside", own.range);
            return Err(Error::invalid("DestinationIpv6CidrBlock", reason).into());
        }
        let at = table.ipv6_routes.iter().position(|route| route.destination == destination);
        let absent = || Error::not_found(Noun::Route, destination);
        match (&self.change, at) {
            (Ipv6RouteChange::Create(_), Some(_)) => {
                return Err(Error::Duplicate { noun: Noun::Route, name: destination.to_string() }.into());
            }
            (Ipv6RouteChange::Create(target), None) => {
                check_ipv6_room(tx, table, 1)?;
                check(tx, vpc, *target)?;
                table.ipv6_routes.push(Ipv6Route { destination, target: *target });
            }
            (Ipv6RouteChange::Replace(target), at) => {
                let at = at.ok_or_else(absent)?;
                check(tx, vpc, *target)?;
                table.ipv6_routes[at].target = *target;
            }
            (Ipv6RouteChange::Delete, at) => {
                table.ipv6_routes.remove(at.ok_or_else(absent)?);
            }
        }
        Ok(())
    }
}

/// Checks that so many routes of IPv6 more fit into a table. EC2 counts those of each version by themselves ("Amazon VPC quotas", "Routes
/// per route table"), and a list as often as it may have entries.
pub(crate) fn check_ipv6_room(tx: &Tx<'_>, table: &RouteTable, wanted: u64) -> Result<(), Failure> {
    let limit = tx.quota_limit(table.account, QuotaName::Routes)?;
    let mut used = table.ipv6_routes.len() as u64;
    for route in &table.ipv6_list_routes {
        used += tx.get::<PrefixList>(route.list)?.map_or(1, |list| u64::from(list.max_entries));
    }
    Ok(QuotaName::Routes.check(limit, used, wanted)?)
}

fn check(tx: &Tx<'_>, vpc: &Vpc, target: Ipv6Target) -> Result<(), Failure> {
    let id = match target {
        Ipv6Target::InternetGateway { gateway } => return check_target(tx, vpc.account, vpc, RouteTarget::InternetGateway { gateway }),
        Ipv6Target::Interface { interface } => return check_target(tx, vpc.account, vpc, RouteTarget::Interface { interface }),
        Ipv6Target::Peering { peering } => return check_target(tx, vpc.account, vpc, RouteTarget::Peering { peering }),
        Ipv6Target::EgressOnlyGateway { gateway } => gateway,
    };
    let gateway = tx.get::<EgressOnlyGateway>(id)?.filter(|gateway| gateway.account == vpc.account);
    let gateway = gateway.ok_or_else(|| Error::not_found(Noun::EgressOnlyGateway, id))?;
    if gateway.vpc == vpc.id {
        return Ok(());
    }
    let reason = format!("the egress-only internet gateway {id} is not of {}", vpc.id);
    Err(Error::invalid("EgressOnlyInternetGatewayId", reason).into())
}
