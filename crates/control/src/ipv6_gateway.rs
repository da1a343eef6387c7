//! Egress-only gateways that are a VPC's only one and serve addresses with bandwidth, as Alibaba Cloud's IPv6 gateways do.
//!
//! ```text
//!   made: the main table leads to it ── bandwidth of addresses ─▶ these speak with the world ── none left, delete ─▶ gone with its routes
//! ```

use ipnet::Ipv6Net;
use model::{
    AccountId, EgressOnlyGateway, EgressOnlyGatewayId, Error, Ipv6Route, Ipv6Serves, Ipv6Target, Noun, QuotaName, RouteTable, Tags, VpcId,
    add_tags, check_name,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::instance::check_description;
use crate::ipv6_route::check_ipv6_room;
use crate::network::{DEPENDENTS_NAMED, touch_vpc, vpc_of};
use crate::run::{Command, Cx};

/// Makes a gateway of a VPC that has none, and leads its main table there, if that says nothing of all addresses yet.
#[derive(Debug, Clone, Serialize)]
pub struct CreateIpv6Gateway {
    /// Its VPC.
    pub vpc: VpcId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Changes what is said of a gateway. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyIpv6Gateway {
    /// Which gateway.
    pub gateway: EgressOnlyGatewayId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// Deletes a gateway by which no address has bandwidth, and the routes that lead to it.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteIpv6Gateway {
    /// Which gateway.
    pub gateway: EgressOnlyGatewayId,
}

impl Command for CreateIpv6Gateway {
    type Reply = EgressOnlyGateway;
    const NAME: &'static str = "CreateIpv6Gateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let path = Some("egress-only-internet-gateway/*".to_owned());
        let new = Target { path, request_tags: self.tags.clone(), ..Target::default() };
        Ok(std::iter::once(new).chain(crate::network::target(tx, cx, self.vpc)?).collect())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<EgressOnlyGateway, Failure> {
        let account = cx.caller.account();
        let vpc = vpc_of(tx, account, Some(self.vpc))?;
        if let Some(other) = tx.egress_only_gateway_list_of_vpc(vpc.id)?.first() {
            return Err(Error::Duplicate { noun: Noun::EgressOnlyGateway, name: format!("{} of {}", other.id, vpc.id) }.into());
        }
        let limit = tx.quota_limit(account, QuotaName::EgressOnlyGateways)?;
        QuotaName::EgressOnlyGateways.check(limit, tx.egress_only_gateway_count(account, limit)?, 1)?;
        let mut gateway = EgressOnlyGateway {
            id: EgressOnlyGatewayId::from_u64(cx.new_id()),
            account,
            vpc: vpc.id,
            serves: Ipv6Serves::Listed,
            name: String::new(),
            description: String::new(),
            created_at: cx.now,
            tags: Tags::new(),
        };
        describe(&mut gateway, Some(&self.name), Some(&self.description))?;
        add_tags(&mut gateway.tags, &self.tags)?;
        tx.insert(&gateway)?;
        lead_main_table_to(tx, &gateway)?;
        touch_vpc(tx, vpc.id)?;
        Ok(gateway)
    }
}

/// VPC adds this route to the system route table by itself ("What is an IPv6 gateway?").
fn lead_main_table_to(tx: &mut Tx<'_>, gateway: &EgressOnlyGateway) -> Result<(), Failure> {
    let everything = Ipv6Net::default();
    let main = tx.route_table_list_of_vpc(gateway.vpc)?.into_iter().find(|table| table.main.is_some());
    let Some(mut table) = main.filter(|table| table.ipv6_routes.iter().all(|route| route.destination != everything)) else {
        return Ok(());
    };
    check_ipv6_room(tx, &table, 1)?;
    let target = Ipv6Target::EgressOnlyGateway { gateway: gateway.id };
    table.ipv6_routes.push(Ipv6Route { destination: everything, target });
    Ok(tx.update(&table)?)
}

impl Command for ModifyIpv6Gateway {
    type Reply = ();
    const NAME: &'static str = "ModifyIpv6Gateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.gateway)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = ipv6_gateway_of(tx, cx.caller.account(), self.gateway)?;
        describe(&mut gateway, self.name.as_deref(), self.description.as_deref())?;
        Ok(tx.update(&gateway)?)
    }
}

impl Command for DeleteIpv6Gateway {
    type Reply = ();
    const NAME: &'static str = "DeleteIpv6Gateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.gateway)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let gateway = ipv6_gateway_of(tx, cx.caller.account(), self.gateway)?;
        check_unused(tx, &gateway)?;
        let to_it = Ipv6Target::EgressOnlyGateway { gateway: gateway.id };
        let leads = |table: &RouteTable| table.ipv6_targets().any(|target| target == to_it);
        for mut table in tx.route_table_list_of_vpc(gateway.vpc)?.into_iter().filter(leads) {
            table.ipv6_routes.retain(|route| route.target != to_it);
            table.ipv6_list_routes.retain(|route| route.target != to_it);
            tx.update(&table)?;
        }
        tx.delete::<EgressOnlyGateway>(gateway.id)?;
        touch_vpc(tx, gateway.vpc)
    }
}

/// Refuses to delete a gateway by which addresses have bandwidth.
pub(crate) fn check_unused(tx: &Tx<'_>, gateway: &EgressOnlyGateway) -> Result<(), Failure> {
    let bandwidths = tx.ipv6_bandwidth_list_of_gateway(gateway.id)?;
    let by: Vec<String> = bandwidths.iter().map(|bandwidth| bandwidth.id.to_string()).take(DEPENDENTS_NAMED).collect();
    if by.is_empty() {
        return Ok(());
    }
    Err(Error::InUse { noun: Noun::EgressOnlyGateway, id: gateway.id.to_string(), by }.into())
}

/// The gateway, if the account owns it.
pub(crate) fn ipv6_gateway_of(tx: &Tx<'_>, account: AccountId, id: EgressOnlyGatewayId) -> Result<EgressOnlyGateway, Failure> {
    let gateway = tx.get::<EgressOnlyGateway>(id)?.filter(|row| row.account == account);
    Ok(gateway.ok_or_else(|| Error::not_found(Noun::EgressOnlyGateway, id))?)
}

pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: EgressOnlyGatewayId) -> Result<Vec<Target>, Failure> {
    let tags = tx.get::<EgressOnlyGateway>(id)?.filter(|row| row.account == cx.caller.account()).map(|row| row.tags);
    Ok(vec![Target::of("egress-only-internet-gateway", id, &tags.unwrap_or_default())])
}

fn describe(gateway: &mut EgressOnlyGateway, name: Option<&str>, description: Option<&str>) -> Result<(), Error> {
    if let Some(name) = name {
        check_name("Name", name)?;
        name.clone_into(&mut gateway.name);
    }
    if let Some(description) = description {
        check_description(description)?;
        description.clone_into(&mut gateway.description);
    }
    Ok(())
}
