//! NAT gateways.

use model::{AccountId, DeletedNatGateway, HostId, NatGateway, NatGatewayId, VpcId};

use crate::{By, Column, Key, Row, StoreError, Tx, Value};

impl Row for NatGateway {
    type Id = NatGatewayId;
    const TABLE: &'static str = "nat_gateway";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |g| g.account.into()), Column::new("vpc", |g| g.vpc.into()), Column::new("home", |g| g.home.into())];
    const QUIET: bool = true;

    fn id(&self) -> NatGatewayId {
        self.id
    }
}

impl Row for DeletedNatGateway {
    type Id = NatGatewayId;
    const TABLE: &'static str = "nat_gateway_deleted";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |deleted| deleted.gateway.account.into())];

    fn id(&self) -> NatGatewayId {
        self.gateway.id
    }
}

impl Tx<'_> {
    /// NAT gateways of an account that were deleted and are shown, by id.
    pub fn nat_gateway_deleted_list(&self, account: AccountId) -> Result<Vec<DeletedNatGateway>, StoreError> {
        self.list(By::is("account", account))
    }

    /// NAT gateways of an account, by id.
    pub fn nat_gateway_list(&self, account: AccountId) -> Result<Vec<NatGateway>, StoreError> {
        self.list(By::is("account", account))
    }

    /// NAT gateways in a VPC, by id.
    pub fn nat_gateway_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<NatGateway>, StoreError> {
        self.list(By::is("vpc", vpc))
    }

    /// NAT gateways whose home a host is, by id.
    pub fn nat_gateway_list_at_home(&self, host: HostId) -> Result<Vec<NatGateway>, StoreError> {
        self.list(By::is("home", host))
    }

    /// NAT gateways without a home, by id.
    pub fn nat_gateway_list_homeless(&self) -> Result<Vec<NatGateway>, StoreError> {
        self.list(By::is("home", Value::Null))
    }

    /// VPCs with NAT gateways whose home a host is.
    pub fn nat_gateway_vpcs_at_home(&self, host: HostId) -> Result<Vec<VpcId>, StoreError> {
        let sql = "SELECT DISTINCT vpc FROM nat_gateway WHERE home = $1 ORDER BY vpc";
        let rows = self.query(sql, &[host.into()], |record| Ok(VpcId::from_value(&record.value(0)?)))?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// How many NAT gateways an account has, counted no further than `at_most`.
    pub fn nat_gateway_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<NatGateway>(By::is("account", account), at_most)
    }
}
