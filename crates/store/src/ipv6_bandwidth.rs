//! Internet bandwidth of addresses of IPv6. It goes with its address: what takes an address from an interface takes it too.

use std::net::Ipv6Addr;

use model::{AccountId, EgressOnlyGatewayId, EgressOnlyRuleId, Interface, Ipv6Bandwidth, Ipv6BandwidthId};

use crate::ipv6::text;
use crate::{By, Column, Row, StoreError, Tx};

impl Row for Ipv6Bandwidth {
    type Id = Ipv6BandwidthId;
    const TABLE: &'static str = "ipv6_bandwidth";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |b| b.account.into()),
        Column::new("gateway", |b| b.gateway.into()),
        Column::new("ip", |b| text(b.ip).into()),
        Column::new("egress_rule", |b| b.rule.as_ref().map(|rule| rule.id).into()),
    ];

    fn id(&self) -> Ipv6BandwidthId {
        self.id
    }
}

impl Tx<'_> {
    /// Bandwidths of an account, by id.
    pub fn ipv6_bandwidth_list(&self, account: AccountId) -> Result<Vec<Ipv6Bandwidth>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Bandwidths of a gateway, by id.
    pub fn ipv6_bandwidth_list_of_gateway(&self, gateway: EgressOnlyGatewayId) -> Result<Vec<Ipv6Bandwidth>, StoreError> {
        self.list(By::is("gateway", gateway))
    }

    /// The bandwidth of an address.
    pub fn ipv6_bandwidth_of(&self, ip: Ipv6Addr) -> Result<Option<Ipv6Bandwidth>, StoreError> {
        Ok(self.list(By::is("ip", text(ip)))?.pop())
    }

    /// The bandwidth with a rule.
    pub fn ipv6_bandwidth_with_rule(&self, rule: EgressOnlyRuleId) -> Result<Option<Ipv6Bandwidth>, StoreError> {
        Ok(self.list(By::is("egress_rule", rule))?.pop())
    }

    /// Takes the bandwidths of the addresses that an interface had and has no more.
    pub(crate) fn ipv6_bandwidth_delete_lost(&mut self, had: &Interface, has: &[Ipv6Addr]) -> Result<(), StoreError> {
        for ip in had.ipv6.iter().filter(|ip| !has.contains(ip)) {
            if let Some(bandwidth) = self.ipv6_bandwidth_of(*ip)? {
                self.delete::<Ipv6Bandwidth>(bandwidth.id)?;
            }
        }
        Ok(())
    }
}
