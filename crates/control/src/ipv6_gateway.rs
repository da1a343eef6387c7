//! Egress-only gateways that are a VPC's only one and serve addresses with bandwidth, as Alibaba Cloud's IPv6 gateways do.
//!
//! ```text
//!   made: the main table leads to it ── bandwidth of addresses ─▶ these speak with the world ── none left, delete ─▶ gone with its routes
//! ```

use ipnet::Ipv6Net;
use model::{EgressOnlyGateway, EgressOnlyGatewayId, Error, Ipv6Route, Ipv6Serves, Ipv6Target, Noun, RouteTable, Tags, VpcId, check_name};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::egress_only_gateway::{check_unused, gateway_of, new_gateway, target, targets_of_new};
use crate::instance::check_description;
use crate::ipv6_route::check_ipv6_room;
use crate::network::touch_vpc;
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
        targets_of_new(tx, cx, self.vpc, &self.tags)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<EgressOnlyGateway, Failure> {
        let mut gateway = new_gateway(tx, cx, self.vpc, &self.tags)?;
        if let Some(other) = tx.egress_only_gateway_list_of_vpc(gateway.vpc)?.first() {
            return Err(Error::Duplicate { noun: Noun::EgressOnlyGateway, name: format!("{} of {}", other.id, gateway.vpc) }.into());
        }
        gateway.serves = Ipv6Serves::Listed;
        describe(&mut gateway, Some(&self.name), Some(&self.description))?;
        tx.insert(&gateway)?;
        lead_main_table_to(tx, &gateway)?;
        touch_vpc(tx, gateway.vpc)?;
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
        let mut gateway = gateway_of(tx, cx.caller.account(), self.gateway)?;
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
        let gateway = gateway_of(tx, cx.caller.account(), self.gateway)?;
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
