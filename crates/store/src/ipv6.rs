//! IPv6 ranges of VPCs, which are unique in the installation, and addresses of interfaces, which are in a VPC.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use model::{Interface, InterfaceId, Vpc, VpcId};

use crate::{Key, Row, StoreError, Tx};

/// The one record of its table.
const SITE: i64 = 1;

impl Tx<'_> {
    /// The range that VPCs get theirs from; none before there was one.
    pub fn ipv6_site(&self) -> Result<Option<Ipv6Net>, StoreError> {
        let found = self.query("SELECT net FROM ipv6_site WHERE id = $1", &[SITE.into()], |record| record.text(0).map(str::parse))?;
        Ok(found.into_iter().find_map(Result::ok))
    }

    /// Keeps the range that VPCs get theirs from.
    pub fn ipv6_site_insert(&mut self, range: Ipv6Net) -> Result<(), StoreError> {
        self.execute("INSERT INTO ipv6_site (id, net) VALUES ($1, $2)", &[SITE.into(), range.to_string().into()]).map(drop)
    }

    /// The ranges that VPCs have, in order.
    pub fn ipv6_ranges(&self) -> Result<Vec<Ipv6Net>, StoreError> {
        let found = self.query("SELECT net FROM ipv6_range", &[], |record| record.text(0).map(str::parse))?;
        let mut ranges: Vec<Ipv6Net> = found.into_iter().filter_map(Result::ok).collect();
        ranges.sort_unstable();
        Ok(ranges)
    }

    /// Gives a range to a VPC. [`StoreError::Duplicate`] when another has it.
    pub fn ipv6_range_insert(&mut self, range: Ipv6Net, vpc: VpcId) -> Result<(), StoreError> {
        let sql = "INSERT INTO ipv6_range (net, vpc) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        match self.execute(sql, &[range.to_string().into(), vpc.to_value()])? {
            0 => Err(StoreError::Duplicate { table: Vpc::TABLE, constraint: "ipv6".to_owned() }),
            _ => Ok(()),
        }
    }

    /// The VPC that has a range.
    pub fn ipv6_range_holder(&self, range: Ipv6Net) -> Result<Option<VpcId>, StoreError> {
        let sql = "SELECT vpc FROM ipv6_range WHERE net = $1";
        let found = self.query(sql, &[range.to_string().into()], |record| Ok(VpcId::from_value(&record.value(0)?)))?;
        Ok(found.into_iter().flatten().next())
    }

    /// Takes a range back.
    pub fn ipv6_range_delete(&mut self, range: Ipv6Net) -> Result<(), StoreError> {
        self.execute("DELETE FROM ipv6_range WHERE net = $1", &[range.to_string().into()]).map(drop)
    }

    /// The interface that has an address in a VPC.
    pub fn interface_with_ipv6(&self, vpc: VpcId, ip: Ipv6Addr) -> Result<Option<InterfaceId>, StoreError> {
        let sql = "SELECT interface FROM interface_ipv6 WHERE vpc = $1 AND ip = $2";
        let found = self.query(sql, &[vpc.to_value(), text(ip).into()], |record| Ok(InterfaceId::from_value(&record.value(0)?)))?;
        Ok(found.into_iter().flatten().next())
    }

    /// Writes down the addresses of an interface. [`StoreError::Duplicate`] when one is taken.
    pub(crate) fn interface_take_ipv6(&mut self, interface: &Interface) -> Result<(), StoreError> {
        for ip in &interface.ipv6 {
            let values = [interface.vpc.to_value(), text(*ip).into(), interface.id.to_value()];
            let sql = "INSERT INTO interface_ipv6 (vpc, ip, interface) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            if self.execute(sql, &values)? == 0 {
                return Err(StoreError::Duplicate { table: Interface::TABLE, constraint: "ipv6".to_owned() });
            }
        }
        Ok(())
    }

    /// Gives the addresses of an interface back.
    pub(crate) fn interface_free_ipv6(&mut self, written: &Interface) -> Result<(), StoreError> {
        for ip in &written.ipv6 {
            let values = [written.vpc.to_value(), text(*ip).into()];
            self.execute("DELETE FROM interface_ipv6 WHERE vpc = $1 AND ip = $2", &values)?;
        }
        Ok(())
    }
}

pub(crate) fn text(ip: Ipv6Addr) -> String {
    format!("{:032x}", ip.to_bits())
}
