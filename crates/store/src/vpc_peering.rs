//! Peerings of VPCs.

use model::{AccountId, DeletedVpcPeering, VpcId, VpcPeering, VpcPeeringId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for VpcPeering {
    type Id = VpcPeeringId;
    const TABLE: &'static str = "vpc_peering";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("requester", |p| p.requester.account.into()),
        Column::new("accepter", |p| p.accepter.account.into()),
        Column::new("requester_vpc", |p| p.requester.vpc.into()),
        Column::new("accepter_vpc", |p| p.accepter.vpc.into()),
    ];

    fn id(&self) -> VpcPeeringId {
        self.id
    }
}

impl Row for DeletedVpcPeering {
    type Id = VpcPeeringId;
    const TABLE: &'static str = "vpc_peering_deleted";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("requester", |deleted| deleted.peering.requester.account.into()),
        Column::new("accepter", |deleted| deleted.peering.accepter.account.into()),
    ];

    fn id(&self) -> VpcPeeringId {
        self.peering.id
    }
}

impl Tx<'_> {
    /// Peerings of an account that were deleted and are shown to it, by id.
    pub fn vpc_peering_deleted_list(&self, account: AccountId) -> Result<Vec<DeletedVpcPeering>, StoreError> {
        let mut rows: Vec<DeletedVpcPeering> = self.list(By::is("requester", account))?;
        rows.extend(self.list::<DeletedVpcPeering>(By::is("accepter", account))?);
        rows.retain(|row| row.is_shown_to(account));
        rows.sort_by_key(|row| row.peering.id);
        rows.dedup_by_key(|row| row.peering.id);
        Ok(rows)
    }

    /// Peerings that an account is on a side of, by id.
    pub fn vpc_peering_list(&self, account: AccountId) -> Result<Vec<VpcPeering>, StoreError> {
        let asked = self.list(By::is("requester", account))?;
        Ok(either(asked, self.list(By::is("accepter", account))?))
    }

    /// Peerings that a VPC is on a side of, by id.
    pub fn vpc_peering_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<VpcPeering>, StoreError> {
        let asked = self.list(By::is("requester_vpc", vpc))?;
        Ok(either(asked, self.list(By::is("accepter_vpc", vpc))?))
    }
}

/// The rows of both lists, each once and by id.
fn either(mut one: Vec<VpcPeering>, other: Vec<VpcPeering>) -> Vec<VpcPeering> {
    one.extend(other);
    one.sort_by_key(|row| row.id);
    one.dedup_by_key(|row| row.id);
    one
}
