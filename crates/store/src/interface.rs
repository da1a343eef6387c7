//! Network interfaces. `(vpc, ip)` is unique, so no address is given out twice.

use std::net::Ipv4Addr;

use model::{AccountId, InstanceId, Interface, InterfaceId, Subnet, VpcId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for Interface {
    type Id = InterfaceId;
    const TABLE: &'static str = "interface";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |i| i.account.into()),
        Column::new("vpc", |i| i.vpc.into()),
        Column::new("ip", |i| i.ip.to_bits().into()),
        Column::new("instance", |i| i.instance.into()),
    ];

    fn id(&self) -> InterfaceId {
        self.id
    }
}

impl Tx<'_> {
    /// Interfaces plugged into an instance, by id.
    pub fn interface_list_of_instance(&self, instance: InstanceId) -> Result<Vec<Interface>, StoreError> {
        self.list(By::is("instance", instance))
    }

    /// Interfaces in a VPC, by address.
    pub fn interface_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<Interface>, StoreError> {
        self.list(By::is("vpc", vpc).ordered_by("ip"))
    }

    /// Interfaces of an account, by id.
    pub fn interface_list(&self, account: AccountId) -> Result<Vec<Interface>, StoreError> {
        self.list(By::is("account", account))
    }

    /// The interface that has an address in a VPC.
    pub fn interface_at(&self, vpc: VpcId, ip: Ipv4Addr) -> Result<Option<Interface>, StoreError> {
        self.find(By::is("vpc", vpc).and("ip", ip.to_bits()))
    }

    /// How many addresses of a subnet are taken.
    pub fn interface_count_in(&self, subnet: &Subnet) -> Result<u64, StoreError> {
        let Some((first, last)) = subnet.usable() else { return Ok(0) };
        let (first, last) = (i64::from(first.to_bits()), i64::from(last.to_bits()));
        self.count::<Interface>(By::is("vpc", subnet.vpc).above("ip", first - 1).at_most("ip", last))
    }

    /// A free address of a subnet: the one after the highest in use, and when that end is reached the lowest gap. Freed
    /// addresses so rest as long as possible before somebody else gets them.
    pub fn interface_free_ip(&self, subnet: &Subnet) -> Result<Option<Ipv4Addr>, StoreError> {
        let Some((first, last)) = subnet.usable() else { return Ok(None) };
        let (first, last) = (i64::from(first.to_bits()), i64::from(last.to_bits()));
        let highest = self.query(
            "SELECT ip FROM interface WHERE vpc = $1 AND ip >= $2 AND ip <= $3 ORDER BY ip DESC LIMIT 1",
            &[subnet.vpc.into(), first.into(), last.into()],
            |record| record.int(0),
        )?;
        let free = match highest.first().copied() {
            None => Some(first),
            Some(highest) if highest < last => Some(highest + 1),
            Some(_) => self.interface_lowest_gap(subnet.vpc, first, last)?,
        };
        Ok(free.and_then(|ip| u32::try_from(ip).ok()).map(Ipv4Addr::from_bits))
    }

    fn interface_lowest_gap(&self, vpc: VpcId, first: i64, last: i64) -> Result<Option<i64>, StoreError> {
        if self.find::<Interface>(By::is("vpc", vpc).and("ip", first))?.is_none() {
            return Ok(Some(first));
        }
        let rows = self.query(
            "SELECT a.ip + 1 FROM interface a WHERE a.vpc = $1 AND a.ip >= $2 AND a.ip < $3
             AND NOT EXISTS (SELECT 1 FROM interface b WHERE b.vpc = a.vpc AND b.ip = a.ip + 1) ORDER BY a.ip LIMIT 1",
            &[vpc.into(), first.into(), last.into()],
            |record| record.int(0),
        )?;
        Ok(rows.first().copied())
    }
}
