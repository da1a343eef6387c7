//! Lists of what leads out of a VPC: route tables and internet gateways.

use std::collections::{BTreeSet, HashMap};

use model::{
    AccountId, EgressOnlyGatewayId, Instance, InstanceId, Interface, InterfaceId, InternetGateway, InternetGatewayId, Ipv6Target,
    NatGateway, NatGatewayId, Noun, Phase, Route, RouteTable, RouteTableId, RouteTarget, Vpc, VpcId, VpcPeeringId,
};
use store::Tx;

use crate::Failure;
use crate::describe::{Field, Listing, tag_values};
use crate::vpc_peering::peers_of;

/// A route table with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTableView {
    /// The table.
    pub table: RouteTable,
    /// Its VPC.
    pub vpc: Vpc,
    /// The internet gateway of the VPC.
    pub gateway: Option<InternetGateway>,
    /// Interfaces that its routes lead to, as far as they are in an instance.
    pub interfaces: Vec<Interface>,
    /// Those of them whose instance runs.
    pub running: BTreeSet<InterfaceId>,
    /// The NAT gateways of the VPC that came about.
    pub nats: BTreeSet<NatGatewayId>,
    /// The active peerings of the VPC.
    pub peerings: BTreeSet<VpcPeeringId>,
    /// The egress-only gateways of the VPC.
    pub egress_only: BTreeSet<EgressOnlyGatewayId>,
}

impl RouteTableView {
    /// Whether packets that follow a route of the table arrive somewhere.
    pub fn is_active(&self, route: &Route) -> bool {
        route.is_active(self.gateway.as_ref(), &self.running, &self.nats, &self.peerings)
    }

    /// Whether packets that are sent to a target of a route of IPv6 arrive somewhere.
    pub fn is_active_ipv6(&self, target: Ipv6Target) -> bool {
        target.is_active(self.gateway.as_ref(), &self.egress_only, &self.running, &self.peerings)
    }

    /// The instance that a route leads to.
    pub fn instance_of(&self, interface: InterfaceId) -> Option<InstanceId> {
        self.interfaces.iter().find(|row| row.id == interface)?.instance
    }
}

/// Where the routes of a table lead, those to lists behind the others.
fn targets(table: &RouteTable) -> impl Iterator<Item = RouteTarget> {
    table.routes.iter().map(|route| route.target).chain(table.list_routes.iter().map(|route| route.target))
}

/// The interfaces that the routes of a table lead to.
fn through(table: &RouteTable) -> Vec<InterfaceId> {
    let interface = |target| match target {
        RouteTarget::Interface { interface } => Some(interface),
        RouteTarget::InternetGateway { .. } | RouteTarget::NatGateway { .. } | RouteTarget::Peering { .. } => None,
    };
    let of_ipv6 = table.ipv6_targets().filter_map(Ipv6Target::of_ipv4);
    targets(table).chain(of_ipv6).filter_map(interface).collect()
}

impl Listing for RouteTableView {
    type Id = RouteTableId;
    const NOUN: Noun = Noun::RouteTable;

    fn id(&self) -> RouteTableId {
        self.table.id
    }

    fn id_value(id: RouteTableId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<RouteTableView>, Failure> {
        let vpcs: HashMap<VpcId, Vpc> = tx.vpc_list(account)?.into_iter().map(|vpc| (vpc.id, vpc)).collect();
        let gateways = tx.internet_gateway_list(account)?.into_iter();
        let gateways: HashMap<VpcId, InternetGateway> = gateways.filter_map(|gateway| Some((gateway.vpc?, gateway))).collect();
        let nats: Vec<NatGateway> = tx.nat_gateway_list(account)?;
        let egress_only = tx.egress_only_gateway_list(account)?;
        let view = |table: RouteTable| {
            let Some(vpc) = vpcs.get(&table.vpc).cloned() else { return Ok(None) };
            let interfaces = tx.get_many::<Interface>(&through(&table))?;
            let mut running = BTreeSet::new();
            for (interface, instance) in interfaces.iter().filter_map(|row| Some((row.id, row.instance?))) {
                let instance = tx.get::<Instance>(instance)?;
                running.extend(instance.filter(|instance| instance.phase == Phase::Running).map(|_| interface));
            }
            let of_vpc = nats.iter().filter(|nat| nat.vpc == vpc.id && nat.is_available());
            let nats = of_vpc.map(|nat| nat.id).collect();
            let peerings = peers_of(tx, vpc.id)?.into_iter().map(|(id, _)| id).collect();
            let of_vpc = egress_only.iter().filter(|gateway| gateway.vpc == vpc.id);
            let egress_only = of_vpc.map(|gateway| gateway.id).collect();
            Ok(Some(RouteTableView {
                egress_only,
                nats,
                peerings,
                gateway: gateways.get(&vpc.id).cloned(),
                vpc,
                interfaces,
                running,
                table,
            }))
        };
        let views = tx.route_table_list(account)?.into_iter().map(view).collect::<Result<Vec<_>, Failure>>()?;
        Ok(views.into_iter().flatten().collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        let table = &self.table;
        let ties = table.main.iter().copied().chain(table.subnets.iter().map(|tie| tie.id));
        let routes = targets(table).map(|target| match target {
            RouteTarget::InternetGateway { gateway } => gateway.to_string(),
            RouteTarget::Interface { interface } => interface.to_string(),
            RouteTarget::NatGateway { gateway } => gateway.to_string(),
            RouteTarget::Peering { peering } => peering.to_string(),
        });
        let of_ipv6 = table.ipv6_targets().map(|target| match target {
            Ipv6Target::InternetGateway { gateway } => gateway.to_string(),
            Ipv6Target::EgressOnlyGateway { gateway } => gateway.to_string(),
            Ipv6Target::Interface { interface } => interface.to_string(),
            Ipv6Target::Peering { peering } => peering.to_string(),
        });
        let local = self.vpc.ranges().map(|range| range.to_string());
        match field {
            Field::Id => vec![table.id.to_string()],
            Field::Owner => vec![table.account.to_string()],
            Field::Name => vec![table.name.clone()],
            Field::Vpc => vec![table.vpc.to_string()],
            Field::Subnet => table.subnets.iter().map(|tie| tie.subnet.to_string()).collect(),
            Field::Association => ties.map(|tie| tie.to_string()).collect(),
            Field::IsDefault => vec![table.main.is_some().to_string()],
            Field::Range => table.routes.iter().map(|route| route.destination.to_string()).chain(local).collect(),
            Field::Kind => targets(table).map(|target| target.word().to_owned()).collect(),
            Field::Gateway => routes.chain(of_ipv6).chain(["local".to_owned()]).collect(),
            _ => tag_values(&table.tags, field),
        }
    }
}

impl Listing for InternetGateway {
    type Id = InternetGatewayId;
    const NOUN: Noun = Noun::InternetGateway;

    fn id(&self) -> InternetGatewayId {
        self.id
    }

    fn id_value(id: InternetGatewayId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<InternetGateway>, Failure> {
        Ok(tx.internet_gateway_list(account)?)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.id.to_string()],
            Field::Owner => vec![self.account.to_string()],
            Field::Name => vec![self.name.clone()],
            Field::Vpc => self.vpc.iter().map(ToString::to_string).collect(),
            Field::State => self.vpc.iter().map(|_| "available".to_owned()).collect(),
            _ => tag_values(&self.tags, field),
        }
    }
}
