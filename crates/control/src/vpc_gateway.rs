//! Internet gateways that are made for one VPC and are its way out from a moment on, as Alibaba Cloud's IPv4 gateways are.
//!
//! ```text
//!   made, idle: the VPC is as it was ── enable ─▶ packets leave where routes lead to it ── delete ─▶ the VPC is open again, or closed
//! ```

use ipnet::Ipv4Net;
use model::{
    Error, InterfaceId, InternetGateway, InternetGatewayId, Noun, QuotaName, RouteTableId, RouteTarget, Tags, Vpc, VpcId, add_tags,
    check_name,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::gateway::{gateway_of, targets};
use crate::instance::check_description;
use crate::network::{DEPENDENTS_NAMED, touch_vpc, vpc_of};
use crate::route::{ChangeRoute, RouteChange};
use crate::run::{Command, Cx};

/// Most route tables that are led to a gateway when it is enabled (VPC documents 10).
pub const GATEWAY_TABLES_MAX: usize = 10;

/// Makes an internet gateway of a VPC that has none. Nothing changes for the VPC until the gateway is enabled.
#[derive(Debug, Clone, Serialize)]
pub struct CreateVpcGateway {
    /// Its VPC.
    pub vpc: VpcId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Has packets leave a VPC by its gateway only, where routes lead to it.
#[derive(Debug, Clone, Serialize)]
pub struct EnableVpcGateway {
    /// Which gateway.
    pub gateway: InternetGatewayId,
    /// Route tables of the VPC that get a route for everything to it.
    pub tables: Vec<RouteTableId>,
}

/// Changes what is said of a gateway. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyVpcGateway {
    /// Which gateway.
    pub gateway: InternetGatewayId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// Deletes a gateway to which no route leads.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteVpcGateway {
    /// Which gateway.
    pub gateway: InternetGatewayId,
    /// Whether the machines of its VPC reach public addresses without one from then on. Of a gateway that was never enabled it says
    /// nothing: the VPC stays as it is.
    pub opens: bool,
}

impl Command for CreateVpcGateway {
    type Reply = InternetGateway;
    const NAME: &'static str = "CreateVpcGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let new = Target { path: Some("internet-gateway/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        Ok(std::iter::once(new).chain(crate::network::target(tx, cx, self.vpc)?).collect())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<InternetGateway, Failure> {
        let account = cx.caller.account();
        let vpc = vpc_of(tx, account, Some(self.vpc))?;
        if let Some(other) = tx.internet_gateway_of_vpc(vpc.id)? {
            return Err(Error::Duplicate { noun: Noun::InternetGateway, name: format!("{} on {}", other.id, vpc.id) }.into());
        }
        let limit = tx.quota_limit(account, QuotaName::InternetGateways)?;
        QuotaName::InternetGateways.check(limit, tx.internet_gateway_count(account, limit)?, 1)?;
        let mut gateway = InternetGateway {
            id: InternetGatewayId::from_u64(cx.new_id()),
            account,
            vpc: Some(vpc.id),
            idle: true,
            name: String::new(),
            description: String::new(),
            created_at: cx.now,
            tags: Tags::new(),
        };
        describe(&mut gateway, Some(&self.name), Some(&self.description))?;
        add_tags(&mut gateway.tags, &self.tags)?;
        tx.insert(&gateway)?;
        Ok(gateway)
    }
}

impl Command for EnableVpcGateway {
    type Reply = ();
    const NAME: &'static str = "EnableVpcGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut all = targets(tx, cx, self.gateway, None)?;
        for table in &self.tables {
            all.extend(self.route(*table).targets(tx, cx)?);
        }
        Ok(all)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = gateway_of(tx, cx.caller.account(), self.gateway)?;
        let vpc = attached(&gateway)?;
        if !gateway.idle {
            let (noun, id) = (Noun::InternetGateway, gateway.id.to_string());
            return Err(Error::IncorrectState { noun, id, state: "enabled", wanted: "not enabled" }.into());
        }
        if self.tables.len() > GATEWAY_TABLES_MAX {
            let what = "route tables of a call".to_owned();
            return Err(Error::LimitReached { name: "RouteTableList", what, limit: GATEWAY_TABLES_MAX as u64 }.into());
        }
        gateway.idle = false;
        tx.update(&gateway)?;
        for table in &self.tables {
            self.route(*table).apply(tx, cx)?;
        }
        touch_vpc(tx, vpc)
    }
}

impl EnableVpcGateway {
    fn route(&self, table: RouteTableId) -> ChangeRoute {
        let change = RouteChange::Create(RouteTarget::InternetGateway { gateway: self.gateway });
        ChangeRoute { table, destination: Ipv4Net::default().into(), change }
    }
}

impl Command for ModifyVpcGateway {
    type Reply = ();
    const NAME: &'static str = "ModifyVpcGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.gateway, None)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = gateway_of(tx, cx.caller.account(), self.gateway)?;
        describe(&mut gateway, self.name.as_deref(), self.description.as_deref())?;
        Ok(tx.update(&gateway)?)
    }
}

impl Command for DeleteVpcGateway {
    type Reply = ();
    const NAME: &'static str = "DeleteVpcGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.gateway, None)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let gateway = gateway_of(tx, cx.caller.account(), self.gateway)?;
        let Some(id) = gateway.vpc else { return Ok(tx.delete::<InternetGateway>(gateway.id).map(drop)?) };
        let mut vpc = vpc_of(tx, cx.caller.account(), Some(id))?;
        let to_it = RouteTarget::InternetGateway { gateway: gateway.id };
        let tables = tx.route_table_list_of_vpc(vpc.id)?;
        let leads = tables.iter().filter(|table| table.leads_to(to_it)).map(|table| table.id.to_string());
        in_use(&gateway, leads.take(DEPENDENTS_NAMED).collect())?;
        if !gateway.idle {
            vpc.open = self.opens;
        }
        if !vpc.open {
            in_use(&gateway, addresses_in(tx, &vpc)?)?;
        }
        tx.update(&vpc)?;
        tx.delete::<InternetGateway>(gateway.id)?;
        touch_vpc(tx, vpc.id)
    }
}

/// The gateway by which packets leave a VPC; none while it is not enabled.
pub(crate) fn gateway_in_use(tx: &Tx<'_>, vpc: VpcId) -> Result<Option<InternetGateway>, Failure> {
    Ok(tx.internet_gateway_of_vpc(vpc)?.filter(|gateway| !gateway.idle))
}

fn in_use(gateway: &InternetGateway, by: Vec<String>) -> Result<(), Error> {
    if by.is_empty() { Ok(()) } else { Err(Error::InUse { noun: Noun::InternetGateway, id: gateway.id.to_string(), by }) }
}

/// Public addresses of a VPC, some of them.
fn addresses_in(tx: &Tx<'_>, vpc: &Vpc) -> Result<Vec<String>, Failure> {
    let interfaces: Vec<InterfaceId> = tx.interface_list_of_vpc(vpc.id)?.iter().map(|interface| interface.id).collect();
    let addresses = tx.address_list_of_interfaces(&interfaces)?;
    Ok(addresses.iter().map(|address| address.ip.to_string()).take(DEPENDENTS_NAMED).collect())
}

fn attached(gateway: &InternetGateway) -> Result<VpcId, Error> {
    let (noun, id) = (Noun::InternetGateway, gateway.id.to_string());
    gateway.vpc.ok_or(Error::IncorrectState { noun, id, state: "not attached", wanted: "attached" })
}

fn describe(gateway: &mut InternetGateway, name: Option<&str>, description: Option<&str>) -> Result<(), Error> {
    if let Some(name) = name {
        check_name("Ipv4GatewayName", name)?;
        name.clone_into(&mut gateway.name);
    }
    if let Some(description) = description {
        check_description(description)?;
        description.clone_into(&mut gateway.description);
    }
    Ok(())
}
