//! Egress-only internet gateways.

use model::{AccountId, EgressOnlyGateway, EgressOnlyGatewayId, Error, Ipv6Serves, Noun, QuotaName, Tags, VpcId, add_tags};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::network::{DEPENDENTS_NAMED, touch_vpc, vpc_of};
use crate::run::{Command, Cx};

/// Makes an egress-only internet gateway of a VPC.
#[derive(Debug, Clone, Serialize)]
pub struct CreateEgressOnlyGateway {
    /// Its VPC.
    pub vpc: VpcId,
    /// Tags.
    pub tags: Tags,
}

/// Deletes an egress-only internet gateway by which no address has bandwidth. Routes to it stay and lead nowhere.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteEgressOnlyGateway {
    /// Which one.
    pub gateway: EgressOnlyGatewayId,
}

impl Command for CreateEgressOnlyGateway {
    type Reply = EgressOnlyGateway;
    const NAME: &'static str = "CreateEgressOnlyGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets_of_new(tx, cx, self.vpc, &self.tags)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<EgressOnlyGateway, Failure> {
        let gateway = new_gateway(tx, cx, self.vpc, &self.tags)?;
        tx.insert(&gateway)?;
        Ok(gateway)
    }
}

impl Command for DeleteEgressOnlyGateway {
    type Reply = ();
    const NAME: &'static str = "DeleteEgressOnlyGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.gateway)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let gateway = gateway_of(tx, cx.caller.account(), self.gateway)?;
        check_unused(tx, &gateway)?;
        tx.delete::<EgressOnlyGateway>(gateway.id)?;
        touch_vpc(tx, gateway.vpc)
    }
}

/// What the caller of a new gateway of a VPC has to be allowed.
pub(crate) fn targets_of_new(tx: &Tx<'_>, cx: &Cx<'_>, vpc: VpcId, tags: &Tags) -> Result<Vec<Target>, Failure> {
    let path = Some("egress-only-internet-gateway/*".to_owned());
    let new = Target { path, request_tags: tags.clone(), ..Target::default() };
    Ok(std::iter::once(new).chain(crate::network::target(tx, cx, vpc)?).collect())
}

/// A gateway that serves everyone, within the quota of the VPC's owner; not written yet.
pub(crate) fn new_gateway(tx: &Tx<'_>, cx: &Cx<'_>, vpc: VpcId, tags: &Tags) -> Result<EgressOnlyGateway, Failure> {
    let account = cx.caller.account();
    let vpc = vpc_of(tx, account, Some(vpc))?;
    let limit = tx.quota_limit(account, QuotaName::EgressOnlyGateways)?;
    QuotaName::EgressOnlyGateways.check(limit, tx.egress_only_gateway_count(account, limit)?, 1)?;
    let mut gateway = EgressOnlyGateway {
        id: EgressOnlyGatewayId::from_u64(cx.new_id()),
        account,
        vpc: vpc.id,
        serves: Ipv6Serves::Everyone,
        name: String::new(),
        description: String::new(),
        created_at: cx.now,
        tags: Tags::new(),
    };
    add_tags(&mut gateway.tags, tags)?;
    Ok(gateway)
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
pub(crate) fn gateway_of(tx: &Tx<'_>, account: AccountId, id: EgressOnlyGatewayId) -> Result<EgressOnlyGateway, Failure> {
    let gateway = tx.get::<EgressOnlyGateway>(id)?.filter(|row| row.account == account);
    Ok(gateway.ok_or_else(|| Error::not_found(Noun::EgressOnlyGateway, id))?)
}

pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: EgressOnlyGatewayId) -> Result<Vec<Target>, Failure> {
    let tags = tx.get::<EgressOnlyGateway>(id)?.filter(|row| row.account == cx.caller.account()).map(|row| row.tags);
    Ok(vec![Target::of("egress-only-internet-gateway", id, &tags.unwrap_or_default())])
}

impl Listing for EgressOnlyGateway {
    type Id = EgressOnlyGatewayId;
    const NOUN: Noun = Noun::EgressOnlyGateway;

    fn id(&self) -> EgressOnlyGatewayId {
        self.id
    }

    fn id_value(id: EgressOnlyGatewayId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<EgressOnlyGateway>, Failure> {
        Ok(tx.egress_only_gateway_list(account)?)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.id.to_string()],
            Field::Name => vec![self.name.clone()],
            Field::Owner => vec![self.account.to_string()],
            Field::Vpc => vec![self.vpc.to_string()],
            _ => tag_values(&self.tags, field),
        }
    }
}
