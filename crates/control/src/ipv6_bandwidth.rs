//! Internet bandwidth of addresses of IPv6, and the rules by which only an address opens connections.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use model::{
    AccountId, EgressOnlyGatewayId, EgressOnlyRule, EgressOnlyRuleId, Error, Interface, Ipv6Bandwidth, Ipv6BandwidthId, Ipv6Charge, Noun,
    check_name,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::auth::{Caller, Target};
use crate::cloud::Cloud;
use crate::egress_only_gateway::{gateway_of, target};
use crate::instance::check_description;
use crate::network::touch_vpc;
use crate::run::{Command, Cx};

/// Most rules of one gateway (VPC documents 200: "Limits on egress-only rules").
pub const EGRESS_ONLY_RULES_MAX: usize = 200;

/// Gives an address bandwidth by a gateway of its VPC: it speaks with the world from then on, where routes lead to the gateway.
#[derive(Debug, Clone, Serialize)]
pub struct AllocateIpv6Bandwidth {
    /// Which gateway.
    pub gateway: EgressOnlyGatewayId,
    /// Which address.
    pub ip: Ipv6Addr,
    /// Megabits per second.
    pub mbit: u32,
    /// What would be paid for.
    pub charge: Ipv6Charge,
}

/// Changes how much bandwidth an address has.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyIpv6Bandwidth {
    /// Which.
    pub which: WhichBandwidth,
    /// Megabits per second.
    pub mbit: u32,
}

/// Takes its bandwidth from an address, and the rule that it has.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteIpv6Bandwidth {
    /// Which.
    pub which: WhichBandwidth,
}

/// How a bandwidth is told.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum WhichBandwidth {
    /// By its id.
    Id(Ipv6BandwidthId),
    /// By its address.
    Of(Ipv6Addr),
}

/// Has nobody outside open connections to an address with bandwidth.
#[derive(Debug, Clone, Serialize)]
pub struct CreateEgressOnlyRule {
    /// The gateway by which the address has its bandwidth.
    pub gateway: EgressOnlyGatewayId,
    /// Which address.
    pub ip: Ipv6Addr,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
}

/// Deletes a rule: who is outside opens connections to its address again.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteEgressOnlyRule {
    /// Which.
    pub rule: EgressOnlyRuleId,
}

impl Command for AllocateIpv6Bandwidth {
    type Reply = Ipv6Bandwidth;
    const NAME: &'static str = "AllocateIpv6Bandwidth";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.gateway)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Ipv6Bandwidth, Failure> {
        let account = cx.caller.account();
        let gateway = gateway_of(tx, account, self.gateway)?;
        let interface = holder(tx, account, self.ip)?;
        Ipv6Bandwidth::check(self.charge, self.mbit)?;
        if interface.vpc != gateway.vpc {
            let reason = format!("the address {} is not of {}, whose gateway {} is", self.ip, gateway.vpc, gateway.id);
            return Err(Error::InvalidCombination { reason }.into());
        }
        if tx.ipv6_bandwidth_of(self.ip)?.is_some() {
            return Err(Error::Duplicate { noun: Noun::Ipv6Bandwidth, name: self.ip.to_string() }.into());
        }
        let bandwidth = Ipv6Bandwidth {
            id: Ipv6BandwidthId::from_u64(cx.new_id()),
            account,
            gateway: gateway.id,
            vpc: gateway.vpc,
            ip: self.ip,
            mbit: self.mbit,
            charge: self.charge,
            rule: None,
            created_at: cx.now,
        };
        tx.insert(&bandwidth)?;
        touch_vpc(tx, gateway.vpc)?;
        Ok(bandwidth)
    }
}

impl Command for ModifyIpv6Bandwidth {
    type Reply = ();
    const NAME: &'static str = "ModifyIpv6Bandwidth";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        self.which.targets(tx, cx)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut bandwidth = self.which.read(tx, cx.caller.account())?;
        Ipv6Bandwidth::check(bandwidth.charge, self.mbit)?;
        bandwidth.mbit = self.mbit;
        Ok(tx.update(&bandwidth)?)
    }
}

impl Command for DeleteIpv6Bandwidth {
    type Reply = ();
    const NAME: &'static str = "DeleteIpv6Bandwidth";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        self.which.targets(tx, cx)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let bandwidth = self.which.read(tx, cx.caller.account())?;
        tx.delete::<Ipv6Bandwidth>(bandwidth.id)?;
        touch_vpc(tx, bandwidth.vpc)
    }
}

impl WhichBandwidth {
    fn find(self, tx: &Tx<'_>, account: AccountId) -> Result<Option<Ipv6Bandwidth>, Failure> {
        let found = match self {
            WhichBandwidth::Id(id) => tx.get::<Ipv6Bandwidth>(id)?,
            WhichBandwidth::Of(ip) => tx.ipv6_bandwidth_of(ip)?,
        };
        Ok(found.filter(|bandwidth| bandwidth.account == account))
    }

    fn read(self, tx: &Tx<'_>, account: AccountId) -> Result<Ipv6Bandwidth, Failure> {
        let found = self.find(tx, account)?;
        Ok(found.ok_or_else(|| match self {
            WhichBandwidth::Id(id) => Error::not_found(Noun::Ipv6Bandwidth, id),
            WhichBandwidth::Of(ip) => Error::not_found(Noun::Ipv6Bandwidth, ip),
        })?)
    }

    fn targets(self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        match self.find(tx, cx.caller.account())? {
            Some(bandwidth) => target(tx, cx, bandwidth.gateway),
            None => Ok(vec![Target::any()]),
        }
    }
}

impl Command for CreateEgressOnlyRule {
    type Reply = EgressOnlyRuleId;
    const NAME: &'static str = "CreateEgressOnlyRule";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.gateway)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<EgressOnlyRuleId, Failure> {
        let account = cx.caller.account();
        let gateway = gateway_of(tx, account, self.gateway)?;
        holder(tx, account, self.ip)?;
        check_name("Name", &self.name)?;
        check_description(&self.description)?;
        let of_gateway = tx.ipv6_bandwidth_list_of_gateway(gateway.id)?;
        let rules = of_gateway.iter().filter(|bandwidth| bandwidth.rule.is_some()).count();
        let Some(mut bandwidth) = of_gateway.into_iter().find(|bandwidth| bandwidth.ip == self.ip) else {
            let (noun, id) = (Noun::Ipv6Address, self.ip.to_string());
            return Err(Error::IncorrectState { noun, id, state: "without bandwidth of the gateway", wanted: "with it" }.into());
        };
        if bandwidth.rule.is_some() {
            return Err(Error::Duplicate { noun: Noun::EgressOnlyRule, name: self.ip.to_string() }.into());
        }
        if rules >= EGRESS_ONLY_RULES_MAX {
            let what = format!("egress-only rules of {}", gateway.id);
            return Err(Error::LimitReached { name: "EgressOnlyRule", what, limit: EGRESS_ONLY_RULES_MAX as u64 }.into());
        }
        let id = EgressOnlyRuleId::from_u64(cx.new_id());
        bandwidth.rule = Some(EgressOnlyRule { id, name: self.name.clone(), description: self.description.clone() });
        tx.update(&bandwidth)?;
        touch_vpc(tx, bandwidth.vpc)?;
        Ok(id)
    }
}

impl Command for DeleteEgressOnlyRule {
    type Reply = ();
    const NAME: &'static str = "DeleteEgressOnlyRule";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        match with_rule(tx, cx.caller.account(), self.rule)? {
            Some(bandwidth) => target(tx, cx, bandwidth.gateway),
            None => Ok(vec![Target::any()]),
        }
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let found = with_rule(tx, cx.caller.account(), self.rule)?;
        let mut bandwidth = found.ok_or_else(|| Error::not_found(Noun::EgressOnlyRule, self.rule))?;
        bandwidth.rule = None;
        tx.update(&bandwidth)?;
        touch_vpc(tx, bandwidth.vpc)
    }
}

fn with_rule(tx: &Tx<'_>, account: AccountId, rule: EgressOnlyRuleId) -> Result<Option<Ipv6Bandwidth>, Failure> {
    Ok(tx.ipv6_bandwidth_with_rule(rule)?.filter(|bandwidth| bandwidth.account == account))
}

/// The interface of an account that has an address. Ranges of VPCs are unique, so that an address is of one VPC at most.
fn holder(tx: &Tx<'_>, account: AccountId, ip: Ipv6Addr) -> Result<Interface, Failure> {
    let absent = || Error::not_found(Noun::Ipv6Address, ip);
    let over = tx.vpc_list(account)?.into_iter().find(|vpc| vpc.ipv6.is_some_and(|own| own.range.contains(&ip)));
    let id = tx.interface_with_ipv6(over.ok_or_else(absent)?.id, ip)?.ok_or_else(absent)?;
    let interface = tx.get::<Interface>(id)?.filter(|interface| interface.account == account);
    Ok(interface.ok_or_else(absent)?)
}

/// An address of an interface, with what makes it speak with the world.
#[derive(Debug, Clone)]
pub struct Ipv6AddressView {
    /// The address.
    pub ip: Ipv6Addr,
    /// Its interface.
    pub interface: Interface,
    /// Its bandwidth.
    pub bandwidth: Option<Ipv6Bandwidth>,
    /// The gateway by which it has bandwidth, else the first of its VPC.
    pub gateway: Option<EgressOnlyGatewayId>,
}

impl Cloud {
    /// The addresses of IPv6 of the caller's interfaces, by interface.
    pub async fn ipv6_addresses(&self, caller: &Caller) -> Result<Vec<Ipv6AddressView>, Error> {
        let look = |tx: &Tx<'_>, cx: &Cx<'_>| {
            let account = cx.caller.account();
            let mut bandwidths: HashMap<Ipv6Addr, Ipv6Bandwidth> =
                tx.ipv6_bandwidth_list(account)?.into_iter().map(|bandwidth| (bandwidth.ip, bandwidth)).collect();
            let mut gateways = HashMap::new();
            for gateway in tx.egress_only_gateway_list(account)? {
                gateways.entry(gateway.vpc).or_insert(gateway.id);
            }
            let mut views = Vec::new();
            for interface in tx.interface_list(account)? {
                for ip in interface.ipv6.clone() {
                    let bandwidth = bandwidths.remove(&ip);
                    let gateway = bandwidth.as_ref().map(|row| row.gateway).or_else(|| gateways.get(&interface.vpc).copied());
                    views.push(Ipv6AddressView { ip, interface: interface.clone(), bandwidth, gateway });
                }
            }
            Ok::<_, Failure>(views)
        };
        self.read(caller, vec![Target::any()], look).await
    }

    /// The bandwidths by one of the caller's gateways, by id.
    pub async fn ipv6_bandwidths(&self, caller: &Caller, gateway: EgressOnlyGatewayId) -> Result<Vec<Ipv6Bandwidth>, Error> {
        let look = move |tx: &Tx<'_>, cx: &Cx<'_>| {
            let gateway = gateway_of(tx, cx.caller.account(), gateway)?;
            Ok::<_, Failure>(tx.ipv6_bandwidth_list_of_gateway(gateway.id)?)
        };
        self.read(caller, vec![Target::any()], look).await
    }
}
