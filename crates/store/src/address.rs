//! Public addresses. `ip` is unique, so no address is given out twice.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use model::{AccountId, Address, AddressId, AddressKind, HostId, InterfaceId};

use crate::{By, Column, Key, Row, StoreError, Tx};

impl Row for Address {
    type Id = AddressId;
    const TABLE: &'static str = "address";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |a| a.account.into()),
        Column::new("ip", |a| a.ip.to_bits().into()),
        Column::new("interface", |a| a.interface.into()),
        Column::new("elastic", |a| (a.kind == AddressKind::Elastic).into()),
        Column::new("nat_gateway", |a| a.nat_gateway.into()),
    ];

    fn id(&self) -> AddressId {
        self.id
    }
}

impl Tx<'_> {
    /// Addresses of an account, by id.
    pub fn address_list(&self, account: AccountId) -> Result<Vec<Address>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many elastic addresses an account has, counted no further than `at_most`.
    pub fn address_count_elastic(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<Address>(By::is("account", account).and("elastic", true), at_most)
    }

    /// The row of an address.
    pub fn address_with_ip(&self, ip: Ipv4Addr) -> Result<Option<Address>, StoreError> {
        self.find(By::is("ip", ip.to_bits()))
    }

    /// The address that is translated to the primary private address of an interface.
    pub fn address_of_interface(&self, interface: InterfaceId) -> Result<Option<Address>, StoreError> {
        Ok(self.address_list_of_interface(interface)?.into_iter().find(|address| address.private.is_none()))
    }

    /// The addresses that are translated to any private address of an interface.
    pub fn address_list_of_interface(&self, interface: InterfaceId) -> Result<Vec<Address>, StoreError> {
        self.list(By::is("interface", interface))
    }

    /// The addresses that are translated to any of these interfaces.
    pub fn address_list_of_interfaces(&self, interfaces: &[InterfaceId]) -> Result<Vec<Address>, StoreError> {
        self.list_any("interface", &interfaces.iter().map(Key::to_value).collect::<Vec<_>>())
    }

    /// Public addresses of machines that are on other hosts than this one, and of NAT gateways whose home is another, by address.
    pub fn address_list_elsewhere(&self, here: HostId) -> Result<Vec<(Ipv4Addr, HostId)>, StoreError> {
        let sql = "SELECT address.ip, instance.host FROM address JOIN interface ON interface.id = address.interface \
                   JOIN instance ON instance.id = interface.instance \
                   WHERE instance.host <> $1 AND instance.live = 1 AND instance.on_host = 1 \
                   UNION SELECT address.ip, nat_gateway.home FROM nat_gateway JOIN address ON address.nat_gateway = nat_gateway.id \
                   WHERE nat_gateway.home <> $1 ORDER BY 1";
        let rows = self.query(sql, &[here.into()], |record| {
            let ip = u32::try_from(record.int(0)?).ok().map(Ipv4Addr::from_bits);
            Ok(ip.zip(HostId::from_value(&record.value(1)?)))
        })?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// A free address of the pool: the one after the highest in use, else the lowest gap. The first after the network's own
    /// is the hosts' side of the translation and, like the broadcast address, given to none.
    pub fn address_free_ip(&self, pool: Ipv4Net) -> Result<Option<Ipv4Addr>, StoreError> {
        let first = i64::from(pool.network().to_bits()) + 2;
        let last = i64::from(pool.broadcast().to_bits()) - 1;
        let in_pool = By::all().above("ip", first - 1).at_most("ip", last);
        let highest = self.find::<Address>(in_pool.ordered_by("ip").backwards())?;
        let free = match highest.map(|row| i64::from(row.ip.to_bits())) {
            None if first <= last => Some(first),
            None => None,
            Some(highest) if highest < last => Some(highest + 1),
            Some(_) => self.address_lowest_gap(first, last)?,
        };
        Ok(free.and_then(|ip| u32::try_from(ip).ok()).map(Ipv4Addr::from_bits))
    }

    /// Whether an address is one of a pool that are given out, and nobody has it.
    pub fn address_is_free_ip(&self, pool: Ipv4Net, ip: Ipv4Addr) -> Result<bool, StoreError> {
        let (first, last) = (pool.network().to_bits().saturating_add(2), pool.broadcast().to_bits().saturating_sub(1));
        let given_out = (first..=last).contains(&ip.to_bits());
        Ok(given_out && self.find::<Address>(By::is("ip", i64::from(ip.to_bits())))?.is_none())
    }

    fn address_lowest_gap(&self, first: i64, last: i64) -> Result<Option<i64>, StoreError> {
        if self.find::<Address>(By::is("ip", first))?.is_none() {
            return Ok(Some(first));
        }
        let rows = self.query(
            "SELECT a.ip + 1 FROM address a WHERE a.ip >= $1 AND a.ip < $2
             AND NOT EXISTS (SELECT 1 FROM address b WHERE b.ip = a.ip + 1) ORDER BY a.ip LIMIT 1",
            &[first.into(), last.into()],
            |record| record.int(0),
        )?;
        Ok(rows.first().copied())
    }
}
