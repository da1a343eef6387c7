//! VPCs.

use model::{AccountId, Vpc, VpcId};

use crate::{By, Column, Row, StoreError, Tx, Value};

/// The greatest number of a VXLAN (RFC 7348: 24 bits).
const VNI_MAX: u32 = (1 << 24) - 1;

impl Row for Vpc {
    type Id = VpcId;
    const TABLE: &'static str = "vpc";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |v| v.account.into()),
        Column::new("vni", |v| v.vni.into()),
        Column::new("default_of", |v| if v.is_default { v.account.into() } else { Value::Null }),
    ];
    const QUIET: bool = true;

    fn id(&self) -> VpcId {
        self.id
    }
}

impl Tx<'_> {
    /// VPCs of an account, by id.
    pub fn vpc_list(&self, account: AccountId) -> Result<Vec<Vpc>, StoreError> {
        self.list(By::is("account", account))
    }

    /// The default VPC of an account.
    pub fn vpc_default(&self, account: AccountId) -> Result<Option<Vpc>, StoreError> {
        self.find(By::is("default_of", account))
    }

    /// How many VPCs an account has, counted no further than `at_most`.
    pub fn vpc_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<Vpc>(By::is("account", account), at_most)
    }

    /// A number on the wire that no VPC has: the one after the greatest, and when there is none the lowest gap.
    pub fn vpc_free_vni(&self) -> Result<Option<u32>, StoreError> {
        let last = self.find::<Vpc>(By::all().ordered_by("vni").backwards())?.map_or(0, |vpc| vpc.vni);
        if last < VNI_MAX {
            return Ok(Some(last + 1));
        }
        if self.find::<Vpc>(By::is("vni", 1))?.is_none() {
            return Ok(Some(1));
        }
        let rows = self.query(
            "SELECT a.vni + 1 FROM vpc a WHERE a.vni < $1 AND NOT EXISTS (SELECT 1 FROM vpc b WHERE b.vni = a.vni + 1)
             ORDER BY a.vni LIMIT 1",
            &[VNI_MAX.into()],
            |record| record.int(0),
        )?;
        Ok(rows.first().and_then(|vni| u32::try_from(*vni).ok()))
    }
}
