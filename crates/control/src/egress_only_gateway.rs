//! Egress-only internet gateways.

use model::{AccountId, EgressOnlyGateway, EgressOnlyGatewayId, Ipv6Serves, Noun, QuotaName, Tags, VpcId, add_tags};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::ipv6_gateway::{check_unused, ipv6_gateway_of, target};
use crate::network::{touch_vpc, vpc_of};
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
        let path = Some("egress-only-internet-gateway/*".to_owned());
        let new = Target { path, request_tags: self.tags.clone(), ..Target::default() };
        Ok(std::iter::once(new).chain(crate::network::target(tx, cx, self.vpc)?).collect())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<EgressOnlyGateway, Failure> {
        let account = cx.caller.account();
        let vpc = vpc_of(tx, account, Some(self.vpc))?;
        let limit = tx.quota_limit(account, QuotaName::EgressOnlyGateways)?;
        QuotaName::EgressOnlyGateways.check(limit, tx.egress_only_gateway_count(account, limit)?, 1)?;
        let id = EgressOnlyGatewayId::from_u64(cx.new_id());
        let mut gateway = EgressOnlyGateway {
            id,
            account,
            vpc: vpc.id,
            serves: Ipv6Serves::Everyone,
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

impl Command for DeleteEgressOnlyGateway {
    type Reply = ();
    const NAME: &'static str = "DeleteEgressOnlyGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.gateway)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let gateway = ipv6_gateway_of(tx, cx.caller.account(), self.gateway)?;
        check_unused(tx, &gateway)?;
        tx.delete::<EgressOnlyGateway>(gateway.id)?;
        touch_vpc(tx, gateway.vpc)
    }
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
