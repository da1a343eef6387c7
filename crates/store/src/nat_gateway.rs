//! NAT gateways.

use model::{AccountId, NatGateway, NatGatewayId, VpcId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for NatGateway {
    type Id = NatGatewayId;
    const TABLE: &'static str = "nat_gateway";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |g| g.account.into()), Column::new("vpc", |g| g.vpc.into())];

    fn id(&self) -> NatGatewayId {
        self.id
    }
}

impl Tx<'_> {
    /// NAT gateways of an account, by id.
    pub fn nat_gateway_list(&self, account: AccountId) -> Result<Vec<NatGateway>, StoreError> {
        self.list(By::is("account", account))
    }

    /// NAT gateways in a VPC, by id.
    pub fn nat_gateway_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<NatGateway>, StoreError> {
        self.list(By::is("vpc", vpc))
    }

    /// How many NAT gateways an account has, counted no further than `at_most`.
    pub fn nat_gateway_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<NatGateway>(By::is("account", account), at_most)
    }
}
