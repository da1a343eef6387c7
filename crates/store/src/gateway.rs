//! Internet gateways. `vpc` is unique, so a VPC has one at most.

use model::{AccountId, InternetGateway, InternetGatewayId, VpcId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for InternetGateway {
    type Id = InternetGatewayId;
    const TABLE: &'static str = "internet_gateway";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |g| g.account.into()), Column::new("vpc", |g| g.vpc.into())];

    fn id(&self) -> InternetGatewayId {
        self.id
    }
}

impl Tx<'_> {
    /// Internet gateways of an account, by id.
    pub fn internet_gateway_list(&self, account: AccountId) -> Result<Vec<InternetGateway>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many internet gateways an account has, counted no further than `at_most`.
    pub fn internet_gateway_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<InternetGateway>(By::is("account", account), at_most)
    }

    /// The internet gateway that is attached to a VPC.
    pub fn internet_gateway_of_vpc(&self, vpc: VpcId) -> Result<Option<InternetGateway>, StoreError> {
        self.find(By::is("vpc", vpc))
    }
}
