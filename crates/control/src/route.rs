//! Route tables, their routes, and the subnets that use them.

use ipnet::Ipv4Net;
use model::{
    AccountId, AddressFamily, Error, InternetGateway, Ipv6Target, ListRoute, Noun, PeeringState, PrefixList, PrefixListId, QuotaName,
    Route, RouteTable, RouteTableAssociationId, RouteTableId, RouteTarget, SubnetAssociation, SubnetId, Tags, Vpc, VpcId, add_tags,
    check_name,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::gateway::gateway_of;
use crate::instance::check_description;
use crate::interface::interface_of;
use crate::ipv6_route::{ChangeIpv6Route, Ipv6Destination, Ipv6RouteChange};
use crate::nat_gateway::nat_gateway_of;
use crate::network::{DEPENDENTS_NAMED, touch_vpc, vpc_of};
use crate::prefix_list::list_of;
use crate::run::{Command, Cx};
use crate::subnet::subnet_of;
use crate::vpc_peering::peering_of;

/// Makes a route table with no route but the local one, which no subnet uses yet.
#[derive(Debug, Clone, Serialize)]
pub struct CreateRouteTable {
    /// Its VPC.
    pub vpc: VpcId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Changes what is said of a route table. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyRouteTable {
    /// Which one.
    pub table: RouteTableId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// Deletes a route table that nothing uses.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteRouteTable {
    /// Which one.
    pub table: RouteTableId,
}

/// Changes the routes of a table.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeRoute {
    /// Which table.
    pub table: RouteTableId,
    /// Packets to these addresses.
    pub destination: RouteDestination,
    /// What becomes of the route to them.
    pub change: RouteChange,
}

/// What a route is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteDestination {
    /// To a range.
    Range(Ipv4Net),
    /// To all that a prefix list of the account names.
    List(PrefixListId),
}

impl From<Ipv4Net> for RouteDestination {
    fn from(range: Ipv4Net) -> RouteDestination {
        RouteDestination::Range(range)
    }
}

/// What becomes of a route.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RouteChange {
    /// It is made; refused when there is one.
    Create(RouteTarget),
    /// It leads elsewhere; refused when there is none.
    Replace(RouteTarget),
    /// It is called so; refused when there is none.
    Name(String),
    /// It is described so; refused when there is none.
    Describe(String),
    /// Packets follow it, or go as if it were not there; refused when there is none.
    Enable(bool),
    /// It goes; refused when there is none.
    Delete,
}

impl RouteChange {
    /// The same of a route of IPv6.
    fn of_ipv6(&self) -> Result<Ipv6RouteChange, Error> {
        let ipv6 = |target: RouteTarget| {
            Ipv6Target::of(target).ok_or_else(|| Error::Unsupported { what: format!("a route of IPv6 to a {}", target.word()) })
        };
        match self {
            RouteChange::Create(target) => Ok(Ipv6RouteChange::Create(ipv6(*target)?)),
            RouteChange::Replace(target) => Ok(Ipv6RouteChange::Replace(ipv6(*target)?)),
            RouteChange::Delete => Ok(Ipv6RouteChange::Delete),
            RouteChange::Name(_) | RouteChange::Describe(_) | RouteChange::Enable(_) => Err(wordless()),
        }
    }
}

fn wordless() -> Error {
    Error::invalid("DestinationCidrBlock", "a route to a prefix list has no words and is never disabled")
}

/// Has a subnet use a table, in place of the main one.
#[derive(Debug, Clone, Serialize)]
pub struct AssociateRouteTable {
    /// Which table.
    pub table: RouteTableId,
    /// Which subnet.
    pub subnet: SubnetId,
    /// Whether a tie to another table gives way; otherwise it is refused.
    pub replaces: bool,
}

/// Has a subnet use the main table again.
#[derive(Debug, Clone, Serialize)]
pub struct DisassociateRouteTable {
    /// Which tie.
    pub tie: RouteTie,
}

/// Has a subnet, or a VPC whose main table it is, use another table. Gives the new tie.
#[derive(Debug, Clone, Serialize)]
pub struct ReplaceRouteTableAssociation {
    /// Which tie.
    pub tie: RouteTableAssociationId,
    /// To which table.
    pub table: RouteTableId,
}

/// The tie of a route table, by what a caller knows of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum RouteTie {
    /// By its id.
    Id(RouteTableAssociationId),
    /// By its two ends.
    Ends(RouteTableId, SubnetId),
}

impl Command for CreateRouteTable {
    type Reply = RouteTable;
    const NAME: &'static str = "CreateRouteTable";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = crate::network::target(tx, cx, self.vpc)?;
        targets.push(Target { path: Some("route-table/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() });
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<RouteTable, Failure> {
        let account = cx.caller.account();
        let vpc = vpc_of(tx, account, Some(self.vpc))?;
        check_name("RouteTableName", &self.name)?;
        check_description(&self.description)?;
        let limit = tx.quota_limit(account, QuotaName::RouteTables)?;
        QuotaName::RouteTables.check(limit, tx.route_table_list_of_vpc(vpc.id)?.len() as u64, 1)?;
        let mut table = RouteTable {
            id: RouteTableId::from_u64(cx.new_id()),
            account,
            vpc: vpc.id,
            main: None,
            subnets: vec![],
            routes: vec![],
            list_routes: vec![],
            ipv6_routes: vec![],
            ipv6_list_routes: vec![],
            name: self.name.clone(),
            description: self.description.clone(),
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut table.tags, &self.tags)?;
        tx.insert(&table)?;
        Ok(table)
    }
}

impl Command for ModifyRouteTable {
    type Reply = ();
    const NAME: &'static str = "ModifyRouteTable";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.table)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut table = table_of(tx, cx.caller.account(), self.table)?;
        if let Some(name) = &self.name {
            check_name("RouteTableName", name)?;
            table.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            table.description.clone_from(description);
        }
        Ok(tx.update(&table)?)
    }
}

impl Command for DeleteRouteTable {
    type Reply = ();
    const NAME: &'static str = "DeleteRouteTable";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.table)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let table = table_of(tx, cx.caller.account(), self.table)?;
        let by = table.main.iter().map(|_| table.vpc.to_string());
        let by: Vec<String> = by.chain(table.subnets.iter().map(|tie| tie.subnet.to_string())).take(DEPENDENTS_NAMED).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::RouteTable, id: table.id.to_string(), by }.into());
        }
        tx.delete::<RouteTable>(table.id)?;
        Ok(())
    }
}

impl Command for ChangeRoute {
    type Reply = ();
    const NAME: &'static str = "ChangeRoute";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.table)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let mut table = table_of(tx, account, self.table)?;
        let vpc = vpc_of(tx, account, Some(table.vpc))?;
        match self.destination {
            RouteDestination::Range(range) => self.change_route(tx, &vpc, &mut table, range.trunc())?,
            RouteDestination::List(list) => self.change_list_route(tx, &vpc, &mut table, list)?,
        }
        tx.update(&table)?;
        touch_vpc(tx, vpc.id)
    }
}

impl ChangeRoute {
    fn change_list_route(&self, tx: &Tx<'_>, vpc: &Vpc, table: &mut RouteTable, list: PrefixListId) -> Result<(), Failure> {
        let own = tx.get::<PrefixList>(list)?.filter(|row| row.account == table.account);
        if own.is_some_and(|row| row.family == AddressFamily::Ipv6) {
            let (destination, change) = (Ipv6Destination::List(list), self.change.of_ipv6()?);
            return ChangeIpv6Route { table: table.id, destination, change }.change(tx, vpc, table);
        }
        let at = table.list_routes.iter().position(|route| route.list == list);
        let absent = || Error::not_found(Noun::Route, list);
        match (&self.change, at) {
            (RouteChange::Create(_), Some(_)) => {
                return Err(Error::Duplicate { noun: Noun::Route, name: list.to_string() }.into());
            }
            (RouteChange::Create(target), None) => {
                let row = list_of(tx, table.account, list)?;
                check_target(tx, table.account, vpc, *target)?;
                check_room(tx, table, row.max_entries.into())?;
                table.list_routes.push(ListRoute { list, target: *target });
            }
            (RouteChange::Replace(target), at) => {
                let at = at.ok_or_else(absent)?;
                check_target(tx, table.account, vpc, *target)?;
                table.list_routes[at].target = *target;
            }
            (RouteChange::Delete, at) => {
                table.list_routes.remove(at.ok_or_else(absent)?);
            }
            (RouteChange::Name(_) | RouteChange::Describe(_) | RouteChange::Enable(_), _) => {
                return Err(wordless().into());
            }
        }
        Ok(())
    }

    fn change_route(&self, tx: &Tx<'_>, vpc: &Vpc, table: &mut RouteTable, destination: Ipv4Net) -> Result<(), Failure> {
        let account = table.account;
        if let Some(own) = vpc.range_over(destination) {
            let reason = format!("{destination} is in the VPC's own range {own}, which stays inside");
            return Err(Error::invalid("DestinationCidrBlock", reason).into());
        }
        let at = table.routes.iter().position(|route| route.destination == destination);
        let absent = || Error::not_found(Noun::Route, destination);
        match (&self.change, at) {
            (RouteChange::Create(_), Some(_)) => {
                return Err(Error::Duplicate { noun: Noun::Route, name: destination.to_string() }.into());
            }
            (RouteChange::Create(target), None) => {
                check_room(tx, table, 1)?;
                check_target(tx, account, vpc, *target)?;
                table.routes.push(Route::new(destination, *target));
            }
            (RouteChange::Replace(target), at) => {
                let at = at.ok_or_else(absent)?;
                check_target(tx, account, vpc, *target)?;
                table.routes[at].target = *target;
            }
            (RouteChange::Name(name), at) => {
                check_name("RouteEntryName", name)?;
                table.routes[at.ok_or_else(absent)?].name.clone_from(name);
            }
            (RouteChange::Describe(description), at) => {
                check_description(description)?;
                table.routes[at.ok_or_else(absent)?].description.clone_from(description);
            }
            (RouteChange::Enable(enabled), at) => table.routes[at.ok_or_else(absent)?].disabled = !enabled,
            (RouteChange::Delete, at) => {
                table.routes.remove(at.ok_or_else(absent)?);
            }
        }
        Ok(())
    }
}

/// Checks that so many routes more fit into a table. A list counts as often as it may have entries, as in EC2.
pub(crate) fn check_room(tx: &Tx<'_>, table: &RouteTable, wanted: u64) -> Result<(), Failure> {
    let limit = tx.quota_limit(table.account, QuotaName::Routes)?;
    let mut used = table.routes.len() as u64;
    for route in &table.list_routes {
        used += tx.get::<PrefixList>(route.list)?.map_or(1, |list| u64::from(list.max_entries));
    }
    Ok(QuotaName::Routes.check(limit, used, wanted)?)
}

/// The route tables of a VPC as packets meet them: with the ranges of the lists that their routes name.
pub(crate) fn tables_of_vpc(tx: &Tx<'_>, vpc: VpcId) -> Result<Vec<RouteTable>, Failure> {
    let mut tables = tx.route_table_list_of_vpc(vpc)?;
    if tables.iter().all(|table| table.list_routes.is_empty() && table.ipv6_list_routes.is_empty()) {
        return Ok(tables);
    }
    let vpc = tx.get::<Vpc>(vpc)?.ok_or_else(|| Error::not_found(Noun::Vpc, vpc))?;
    for table in &mut tables {
        for route in table.list_routes.clone() {
            if let Some(list) = tx.get::<PrefixList>(route.list)? {
                table.spread(route, list.newest().ranges(), &vpc);
            }
        }
        for route in table.ipv6_list_routes.clone() {
            if let Some(list) = tx.get::<PrefixList>(route.list)? {
                table.spread_ipv6(route, list.newest().ipv6_ranges(), &vpc);
            }
        }
    }
    Ok(tables)
}

pub(crate) fn check_target(tx: &Tx<'_>, account: AccountId, vpc: &Vpc, target: RouteTarget) -> Result<(), Failure> {
    match target {
        RouteTarget::InternetGateway { gateway } => {
            let InternetGateway { id, vpc: attached, .. } = gateway_of(tx, account, gateway)?;
            if attached == Some(vpc.id) {
                return Ok(());
            }
            Err(Error::invalid("GatewayId", format!("the internet gateway {id} is not attached to {}", vpc.id)).into())
        }
        RouteTarget::NatGateway { gateway } => {
            let gateway = nat_gateway_of(tx, account, gateway)?;
            if gateway.vpc == vpc.id {
                return Ok(());
            }
            Err(Error::invalid("NatGatewayId", format!("the NAT gateway {} is not in {}", gateway.id, vpc.id)).into())
        }
        RouteTarget::Peering { peering } => {
            let peering = peering_of(tx, account, peering)?;
            if peering.state == PeeringState::Active && peering.across(vpc.id).is_some() {
                return Ok(());
            }
            Err(Error::invalid("VpcPeeringConnectionId", format!("{} is no active peering of {}", peering.id, vpc.id)).into())
        }
        RouteTarget::Interface { interface } => {
            let interface = interface_of(tx, account, interface)?;
            if interface.vpc == vpc.id {
                return Ok(());
            }
            Err(Error::invalid("NetworkInterfaceId", format!("the interface {} is not in {}", interface.id, vpc.id)).into())
        }
    }
}

impl Command for AssociateRouteTable {
    type Reply = RouteTableAssociationId;
    const NAME: &'static str = "AssociateRouteTable";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.table)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<RouteTableAssociationId, Failure> {
        let account = cx.caller.account();
        let subnet = subnet_of(tx, account, self.subnet)?;
        let table = table_of(tx, account, self.table)?;
        if table.vpc != subnet.vpc {
            let reason = format!("the route table {} and the subnet {} belong to different VPCs", table.id, subnet.id);
            return Err(Error::InvalidCombination { reason }.into());
        }
        for mut other in tx.route_table_list_of_vpc(table.vpc)?.into_iter().filter(|table| table.has_subnet(subnet.id)) {
            if let Some(tie) = other.subnets.iter().find(|tie| tie.subnet == subnet.id && other.id == table.id) {
                return Ok(tie.id);
            }
            if !self.replaces {
                let name = format!("{} with {}", other.id, subnet.id);
                return Err(Error::Duplicate { noun: Noun::RouteTableAssociation, name }.into());
            }
            other.subnets.retain(|tie| tie.subnet != subnet.id);
            tx.update(&other)?;
        }
        tie(tx, cx, table, subnet.id)
    }
}

impl Command for DisassociateRouteTable {
    type Reply = ();
    const NAME: &'static str = "DisassociateRouteTable";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        match find_tie(tx, cx.caller.account(), self.tie) {
            Ok((table, _)) => Ok(vec![Target::of("route-table", table.id, &table.tags)]),
            Err(Failure::Refused(_)) => Ok(vec![Target::any()]),
            Err(failure) => Err(failure),
        }
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let (mut table, tied) = find_tie(tx, cx.caller.account(), self.tie)?;
        let Some(subnet) = tied else {
            let reason = "the main route table cannot be disassociated from its VPC".to_owned();
            return Err(Error::InvalidParameter { name: "AssociationId", reason }.into());
        };
        table.subnets.retain(|tie| tie.subnet != subnet);
        tx.update(&table)?;
        touch_vpc(tx, table.vpc)
    }
}

impl Command for ReplaceRouteTableAssociation {
    type Reply = RouteTableAssociationId;
    const NAME: &'static str = "ReplaceRouteTableAssociation";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.table)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<RouteTableAssociationId, Failure> {
        let account = cx.caller.account();
        let (mut before, tied) = find_tie(tx, account, RouteTie::Id(self.tie))?;
        if table_of(tx, account, self.table)?.vpc != before.vpc {
            let reason = format!("the route tables {} and {} belong to different VPCs", before.id, self.table);
            return Err(Error::InvalidCombination { reason }.into());
        }
        match tied {
            Some(subnet) => before.subnets.retain(|tie| tie.subnet != subnet),
            None => before.main = None,
        }
        tx.update(&before)?;
        // Read only now: it may be the same table.
        let mut table = table_of(tx, account, self.table)?;
        match tied {
            Some(subnet) => tie(tx, cx, table, subnet),
            None => {
                let id = RouteTableAssociationId::from_u64(cx.new_id());
                table.main = Some(id);
                tx.update(&table)?;
                touch_vpc(tx, table.vpc)?;
                Ok(id)
            }
        }
    }
}

/// Ties a table to a subnet that has no tie.
fn tie(tx: &mut Tx<'_>, cx: &Cx<'_>, mut table: RouteTable, subnet: SubnetId) -> Result<RouteTableAssociationId, Failure> {
    let id = RouteTableAssociationId::from_u64(cx.new_id());
    table.subnets.push(SubnetAssociation { id, subnet });
    tx.update(&table)?;
    touch_vpc(tx, table.vpc)?;
    Ok(id)
}

/// A table of the account by its tie, and the subnet of the tie; none for that of a main table to its VPC.
fn find_tie(tx: &Tx<'_>, account: AccountId, which: RouteTie) -> Result<(RouteTable, Option<SubnetId>), Failure> {
    match which {
        RouteTie::Id(id) => {
            for table in tx.route_table_list(account)? {
                if table.main == Some(id) {
                    return Ok((table, None));
                }
                if let Some(tie) = table.subnets.iter().find(|tie| tie.id == id).copied() {
                    return Ok((table, Some(tie.subnet)));
                }
            }
            Err(Error::not_found(Noun::RouteTableAssociation, id).into())
        }
        RouteTie::Ends(table, subnet) => {
            let table = table_of(tx, account, table)?;
            let is_tied = table.has_subnet(subnet);
            if is_tied { Ok((table, Some(subnet))) } else { Err(Error::not_found(Noun::RouteTableAssociation, subnet).into()) }
        }
    }
}

pub(crate) fn table_of(tx: &Tx<'_>, account: AccountId, id: RouteTableId) -> Result<RouteTable, Failure> {
    let table = tx.get::<RouteTable>(id)?.filter(|table| table.account == account);
    Ok(table.ok_or_else(|| Error::not_found(Noun::RouteTable, id))?)
}

/// What policies are asked about for a call on a route table.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: RouteTableId) -> Result<Vec<Target>, Failure> {
    let tags = tx.get::<RouteTable>(id)?.filter(|table| table.account == cx.caller.account()).map(|table| table.tags);
    Ok(vec![Target::of("route-table", id, &tags.unwrap_or_default())])
}
