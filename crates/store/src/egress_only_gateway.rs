//! Egress-only internet gateways.

use model::{AccountId, EgressOnlyGateway, EgressOnlyGatewayId, VpcId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for EgressOnlyGateway {
    type Id = EgressOnlyGatewayId;
    const TABLE: &'static str = "egress_only_gateway";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |g| g.account.into()), Column::new("vpc", |g| g.vpc.into())];

    fn id(&self) -> EgressOnlyGatewayId {
        self.id
    }
}

impl Tx<'_> {
    /// Egress-only internet gateways of an account, by id.
    pub fn egress_only_gateway_list(&self, account: AccountId) -> Result<Vec<EgressOnlyGateway>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many an account has, counted no further than `at_most`.
    pub fn egress_only_gateway_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<EgressOnlyGateway>(By::is("account", account), at_most)
    }

    /// Those of a VPC.
    pub fn egress_only_gateway_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<EgressOnlyGateway>, StoreError> {
        self.list(By::is("vpc", vpc))
    }
}
