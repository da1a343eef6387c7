//! Internet gateways.

use model::{AccountId, Error, InterfaceId, InternetGateway, InternetGatewayId, Noun, QuotaName, Tags, VpcId, add_tags};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::network::{DEPENDENTS_NAMED, touch_vpc, vpc_of};
use crate::run::{Command, Cx};
use crate::vpc_gateway::gateway_in_use;

/// Makes an internet gateway that is attached to nothing.
#[derive(Debug, Clone, Serialize)]
pub struct CreateInternetGateway {
    /// Tags.
    pub tags: Tags,
}

/// Attaches an internet gateway to a VPC that has none.
#[derive(Debug, Clone, Serialize)]
pub struct AttachInternetGateway {
    /// Which one.
    pub gateway: InternetGatewayId,
    /// To which VPC.
    pub vpc: VpcId,
}

/// Detaches an internet gateway from a VPC in which nothing has a public address. Routes to it stay and lead nowhere.
#[derive(Debug, Clone, Serialize)]
pub struct DetachInternetGateway {
    /// Which one.
    pub gateway: InternetGatewayId,
    /// From which VPC.
    pub vpc: VpcId,
}

/// Deletes an internet gateway that is attached to nothing.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteInternetGateway {
    /// Which one.
    pub gateway: InternetGatewayId,
}

impl Command for CreateInternetGateway {
    type Reply = InternetGateway;
    const NAME: &'static str = "CreateInternetGateway";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("internet-gateway/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<InternetGateway, Failure> {
        let account = cx.caller.account();
        let limit = tx.quota_limit(account, QuotaName::InternetGateways)?;
        QuotaName::InternetGateways.check(limit, tx.internet_gateway_count(account, limit)?, 1)?;
        let id = InternetGatewayId::from_u64(cx.new_id());
        let mut gateway = InternetGateway {
            id,
            account,
            vpc: None,
            idle: false,
            name: String::new(),
            description: String::new(),
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut gateway.tags, &self.tags)?;
        tx.insert(&gateway)?;
        Ok(gateway)
    }
}

impl Command for AttachInternetGateway {
    type Reply = ();
    const NAME: &'static str = "AttachInternetGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.gateway, Some(self.vpc))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = gateway_of(tx, cx.caller.account(), self.gateway)?;
        let vpc = vpc_of(tx, cx.caller.account(), Some(self.vpc))?;
        if let Some(attached) = gateway.vpc {
            return Err(Error::Duplicate { noun: Noun::InternetGateway, name: format!("{} on {attached}", gateway.id) }.into());
        }
        if let Some(other) = tx.internet_gateway_of_vpc(vpc.id)? {
            return Err(Error::Duplicate { noun: Noun::InternetGateway, name: format!("{} on {}", other.id, vpc.id) }.into());
        }
        (gateway.vpc, gateway.idle) = (Some(vpc.id), false);
        tx.update(&gateway)?;
        touch_vpc(tx, vpc.id)
    }
}

impl Command for DetachInternetGateway {
    type Reply = ();
    const NAME: &'static str = "DetachInternetGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.gateway, Some(self.vpc))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = gateway_of(tx, cx.caller.account(), self.gateway)?;
        let vpc = vpc_of(tx, cx.caller.account(), Some(self.vpc))?;
        let id = gateway.id.to_string();
        if gateway.vpc != Some(vpc.id) {
            return Err(Error::IncorrectState { noun: Noun::InternetGateway, id, state: "not attached", wanted: "attached" }.into());
        }
        let interfaces: Vec<InterfaceId> = tx.interface_list_of_vpc(vpc.id)?.iter().map(|interface| interface.id).collect();
        let addresses = tx.address_list_of_interfaces(&interfaces)?;
        if !addresses.is_empty() && !vpc.open {
            let by = addresses.iter().map(|address| address.ip.to_string()).take(DEPENDENTS_NAMED).collect();
            return Err(Error::InUse { noun: Noun::InternetGateway, id, by }.into());
        }
        gateway.vpc = None;
        tx.update(&gateway)?;
        touch_vpc(tx, vpc.id)
    }
}

impl Command for DeleteInternetGateway {
    type Reply = ();
    const NAME: &'static str = "DeleteInternetGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.gateway, None)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let gateway = gateway_of(tx, cx.caller.account(), self.gateway)?;
        if let Some(vpc) = gateway.vpc {
            return Err(Error::InUse { noun: Noun::InternetGateway, id: gateway.id.to_string(), by: vec![vpc.to_string()] }.into());
        }
        tx.delete::<InternetGateway>(gateway.id)?;
        Ok(())
    }
}

/// Refuses a public address in a VPC that has no way to public addresses.
pub(crate) fn check_gateway(tx: &Tx<'_>, vpc: VpcId) -> Result<(), Failure> {
    let vpc = tx.get::<model::Vpc>(vpc)?.ok_or_else(|| Error::not_found(Noun::Vpc, vpc))?;
    if vpc.open || gateway_in_use(tx, vpc.id)?.is_some() {
        return Ok(());
    }
    let (noun, id) = (Noun::InternetGateway, vpc.id.to_string());
    Err(Error::IncorrectState { noun, id, state: "without one", wanted: "attached" }.into())
}

/// The internet gateway, if the account owns it.
pub(crate) fn gateway_of(tx: &Tx<'_>, account: AccountId, id: InternetGatewayId) -> Result<InternetGateway, Failure> {
    let gateway = tx.get::<InternetGateway>(id)?.filter(|gateway| gateway.account == account);
    Ok(gateway.ok_or_else(|| Error::not_found(Noun::InternetGateway, id))?)
}

pub(crate) fn targets(tx: &Tx<'_>, cx: &Cx<'_>, id: InternetGatewayId, vpc: Option<VpcId>) -> Result<Vec<Target>, Failure> {
    let tags = tx.get::<InternetGateway>(id)?.filter(|row| row.account == cx.caller.account()).map(|row| row.tags);
    let mut targets = vec![Target::of("internet-gateway", id, &tags.unwrap_or_default())];
    if let Some(vpc) = vpc {
        targets.extend(crate::network::target(tx, cx, vpc)?);
    }
    Ok(targets)
}
