//! Network interfaces. Their addresses, further ones too, are records of their own of which `(vpc, ip)` is unique, so none is given
//! out twice.

use std::net::{Ipv4Addr, Ipv6Addr};

use model::{AccountId, HostId, InstanceId, Interface, InterfaceId, SecurityGroupId, Subnet, VpcId};
use serde::Deserialize;

use crate::tx::Record;
use crate::{By, Column, Key, Row, StoreError, Tx};

/// An interface as hosts and rules that name its groups know it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// Its primary private address.
    pub ip: Ipv4Addr,
    /// Its further private addresses.
    #[serde(default)]
    pub secondary: Vec<Ipv4Addr>,
    /// Its addresses of IPv6.
    #[serde(default)]
    pub ipv6: Vec<Ipv6Addr>,
    /// The instance that it is plugged into.
    #[serde(default)]
    pub instance: Option<InstanceId>,
    /// Its security groups.
    pub groups: Vec<SecurityGroupId>,
}

impl Member {
    /// Its private addresses, the primary one first.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        std::iter::once(self.ip).chain(self.secondary.iter().copied())
    }
}

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
    /// Adds an interface with all its addresses. [`StoreError::Duplicate`] when one of them is taken.
    pub fn interface_insert(&mut self, interface: &Interface) -> Result<(), StoreError> {
        self.insert(interface)?;
        for ip in interface.addresses() {
            self.interface_take_ip(interface, ip)?;
        }
        self.interface_take_ipv6(interface)
    }

    /// Replaces an interface whose addresses have changed. [`StoreError::Duplicate`] when a new one is taken.
    pub fn interface_update_addresses(&mut self, interface: &Interface) -> Result<(), StoreError> {
        self.interface_free_ips(interface.id, &interface.ipv6)?;
        for ip in interface.addresses() {
            self.interface_take_ip(interface, ip)?;
        }
        self.interface_take_ipv6(interface)?;
        self.update(interface)
    }

    /// Removes an interface; its addresses are free.
    pub fn interface_delete(&mut self, id: InterfaceId) -> Result<(), StoreError> {
        self.interface_free_ips(id, &[])?;
        self.delete::<Interface>(id).map(drop)
    }

    /// Gives back the addresses of a row as it is written, of which it keeps some of IPv6. They are found by their VPC: an index by
    /// interface would cost every launch.
    fn interface_free_ips(&mut self, id: InterfaceId, kept: &[Ipv6Addr]) -> Result<(), StoreError> {
        let Some(written) = self.get::<Interface>(id)? else { return Ok(()) };
        for ip in written.addresses() {
            let values = [written.vpc.to_value(), i64::from(ip.to_bits()).into()];
            self.execute("DELETE FROM interface_address WHERE vpc = $1 AND ip = $2", &values)?;
        }
        self.ipv6_bandwidth_delete_lost(&written, kept)?;
        self.interface_free_ipv6(&written)
    }

    fn interface_take_ip(&mut self, interface: &Interface, ip: Ipv4Addr) -> Result<(), StoreError> {
        let values = [interface.vpc.to_value(), i64::from(ip.to_bits()).into(), interface.id.to_value()];
        let taken =
            self.execute("INSERT INTO interface_address (vpc, ip, interface) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", &values)?;
        if taken == 0 {
            return Err(StoreError::Duplicate { table: Interface::TABLE, constraint: "ip".to_owned() });
        }
        Ok(())
    }

    /// Interfaces plugged into an instance, by id.
    pub fn interface_list_of_instance(&self, instance: InstanceId) -> Result<Vec<Interface>, StoreError> {
        self.list(By::is("instance", instance))
    }

    /// Interfaces plugged into any of these instances.
    pub fn interface_list_of_instances(&self, instances: &[InstanceId]) -> Result<Vec<Interface>, StoreError> {
        self.list_any("instance", &instances.iter().map(Key::to_value).collect::<Vec<_>>())
    }

    /// Interfaces in a VPC, by address.
    pub fn interface_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<Interface>, StoreError> {
        self.list(By::is("vpc", vpc).ordered_by("ip"))
    }

    /// What others have to know of the interfaces in a VPC, by address. Takes no more of a row than that: a VPC may have a million.
    pub fn interface_list_members(&self, vpc: VpcId) -> Result<Vec<Member>, StoreError> {
        let read = |record: Record<'_>| {
            serde_json::from_str(record.text(0)?)
                .map_err(|error| StoreError::Unreadable { table: Interface::TABLE, why: error.to_string() })
        };
        self.query("SELECT body FROM interface WHERE vpc = $1 ORDER BY ip", &[vpc.into()], read)
    }

    /// Hosts with machines in a VPC, the one with most interfaces first.
    pub fn interface_hosts_of_vpc(&self, vpc: VpcId) -> Result<Vec<HostId>, StoreError> {
        let sql = "SELECT instance.host, COUNT(*) FROM interface JOIN instance ON instance.id = interface.instance \
                   WHERE interface.vpc = $1 AND instance.live = 1 AND instance.on_host = 1 GROUP BY instance.host ORDER BY 2 DESC, 1";
        let rows = self.query(sql, &[vpc.into()], |record| Ok(HostId::from_value(&record.value(0)?)))?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Interfaces of an account, by id.
    pub fn interface_list(&self, account: AccountId) -> Result<Vec<Interface>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many interfaces an account has, counted no further than `at_most`.
    pub fn interface_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<Interface>(By::is("account", account), at_most)
    }

    /// The interface that has an address in a VPC.
    pub fn interface_with_ip(&self, vpc: VpcId, ip: Ipv4Addr) -> Result<Option<InterfaceId>, StoreError> {
        let sql = "SELECT interface FROM interface_address WHERE vpc = $1 AND ip = $2";
        let found =
            self.query(sql, &[vpc.into(), i64::from(ip.to_bits()).into()], |record| Ok(InterfaceId::from_value(&record.value(0)?)))?;
        Ok(found.into_iter().flatten().next())
    }

    /// How many addresses of a subnet are taken.
    pub fn interface_count_in(&self, subnet: &Subnet) -> Result<u64, StoreError> {
        let Some((first, last)) = subnet.usable() else { return Ok(0) };
        let values = [subnet.vpc.into(), i64::from(first.to_bits()).into(), i64::from(last.to_bits()).into()];
        let sql = "SELECT COUNT(*) FROM interface_address WHERE vpc = $1 AND ip >= $2 AND ip <= $3";
        let counts = self.query(sql, &values, |record| record.int(0))?;
        Ok(counts.first().map_or(0, |count| count.unsigned_abs()))
    }

    /// A free address of a subnet: the one after the highest in use, and when that end is reached the lowest gap. Freed
    /// addresses so rest as long as possible before somebody else gets them.
    pub fn interface_free_ip(&self, subnet: &Subnet) -> Result<Option<Ipv4Addr>, StoreError> {
        let Some((first, last)) = subnet.usable() else { return Ok(None) };
        let (first, last) = (i64::from(first.to_bits()), i64::from(last.to_bits()));
        let highest = self.query(
            "SELECT ip FROM interface_address WHERE vpc = $1 AND ip >= $2 AND ip <= $3 ORDER BY ip DESC LIMIT 1",
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
        if self.interface_with_ip(vpc, Ipv4Addr::from_bits(first as u32))?.is_none() {
            return Ok(Some(first));
        }
        let rows = self.query(
            "SELECT a.ip + 1 FROM interface_address a WHERE a.vpc = $1 AND a.ip >= $2 AND a.ip < $3
             AND NOT EXISTS (SELECT 1 FROM interface_address b WHERE b.vpc = a.vpc AND b.ip = a.ip + 1) ORDER BY a.ip LIMIT 1",
            &[vpc.into(), first.into(), last.into()],
            |record| record.int(0),
        )?;
        Ok(rows.first().copied())
    }
}
