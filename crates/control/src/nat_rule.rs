//! The rules of NAT gateways: who leaves with which address, and where ports lead; and what hosts are told of them.

use std::net::Ipv4Addr;

use hostspec::{ForwardSpec, MappedSpec, NatHome, RateSpec, SharedSpec};
use ipnet::Ipv4Net;
use model::{
    AccountId, Address, AddressId, Error, Forwarded, InternetGateway, NatForward, NatForwardId, NatGateway, NatGatewayId, NatServes,
    NatSource, NatSourceId, Noun, QuotaName, RouteTable, Subnet, SubnetId, Vpc, check_name, in_both, ways_to_nat,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::address::{AddressRef, elastic_of};
use crate::auth::Target;
use crate::machine::rate_of;
use crate::nat_gateway::{address_targets, exits, nat_gateway_of, target};
use crate::neighbours::Neighbours;
use crate::network::{touch_vpc, vpc_of};
use crate::run::{Command, Cx};
use crate::subnet::subnet_of;

/// A new rule about sources.
#[derive(Debug, Clone, Serialize)]
pub struct NewNatSource {
    /// Whose packets.
    pub of: NatSourceOf,
    /// The addresses of the gateway that they leave with.
    pub addresses: Vec<AddressRef>,
    /// Display name.
    pub name: String,
}

/// Whose packets a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NatSourceOf {
    /// Those of a subnet of the gateway's VPC.
    Subnet(SubnetId),
    /// Those from a range.
    Range(Ipv4Net),
}

/// A new rule about ports.
#[derive(Debug, Clone, Serialize)]
pub struct NewNatForward {
    /// The address of the gateway.
    pub address: AddressRef,
    /// What of it is forwarded.
    pub what: Forwarded,
    /// The private address.
    pub private: Ipv4Addr,
    /// Display name.
    pub name: String,
}

/// Gives a gateway rules about sources: all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct CreateNatSources {
    /// The gateway.
    pub gateway: NatGatewayId,
    /// The rules.
    pub new: Vec<NewNatSource>,
}

/// Changes a rule about sources. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyNatSource {
    /// The gateway.
    pub gateway: NatGatewayId,
    /// The rule.
    pub source: NatSourceId,
    /// The addresses of the gateway that they leave with.
    pub addresses: Option<Vec<AddressRef>>,
    /// Display name.
    pub name: Option<String>,
}

/// Takes rules about sources from a gateway: all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteNatSources {
    /// The gateway.
    pub gateway: NatGatewayId,
    /// The rules.
    pub sources: Vec<NatSourceId>,
}

/// Gives a gateway rules about ports: all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct CreateNatForwards {
    /// The gateway.
    pub gateway: NatGatewayId,
    /// The rules.
    pub new: Vec<NewNatForward>,
}

/// Changes a rule about ports. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyNatForward {
    /// The gateway.
    pub gateway: NatGatewayId,
    /// The rule.
    pub forward: NatForwardRef,
    /// The address of the gateway.
    pub address: Option<AddressRef>,
    /// What of it is forwarded.
    pub what: Option<Forwarded>,
    /// The private address.
    pub private: Option<Ipv4Addr>,
    /// Display name.
    pub name: Option<String>,
}

/// Takes rules about ports from a gateway: all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteNatForwards {
    /// The gateway.
    pub gateway: NatGatewayId,
    /// The rules.
    pub forwards: Vec<NatForwardRef>,
}

/// A rule about ports by what a caller knows of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum NatForwardRef {
    /// By id.
    Id(NatForwardId),
    /// By what it forwards where.
    Place {
        /// The public address.
        address: Ipv4Addr,
        /// What of it is forwarded.
        what: Forwarded,
        /// The private address.
        private: Ipv4Addr,
    },
}

impl NatForwardRef {
    /// Where it is among the gateway's rules.
    fn find(self, tx: &Tx<'_>, gateway: &NatGateway) -> Result<usize, Failure> {
        let (found, named) = match self {
            NatForwardRef::Id(id) => (gateway.forwards.iter().position(|rule| rule.id == id), id.to_string()),
            NatForwardRef::Place { address, what, private } => {
                let id = tx.address_with_ip(address)?.map(|row| row.id);
                let is_it = |rule: &NatForward| rule.what == what && rule.private == private && Some(rule.address) == id;
                (gateway.forwards.iter().position(is_it), address.to_string())
            }
        };
        Ok(found.ok_or_else(|| Error::not_found(Noun::NatForward, named))?)
    }
}

impl Command for CreateNatSources {
    type Reply = Vec<NatSourceId>;
    const NAME: &'static str = "CreateNatSources";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let addresses: Vec<AddressRef> = self.new.iter().flat_map(|new| new.addresses.iter().copied()).collect();
        targets(tx, cx, self.gateway, &addresses)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<NatSourceId>, Failure> {
        let mut gateway = open_gateway(tx, cx, self.gateway)?;
        let limit = tx.quota_limit(gateway.account, QuotaName::NatSources)?;
        QuotaName::NatSources.check(limit, gateway.sources.len() as u64, self.new.len() as u64)?;
        let mut made = Vec::with_capacity(self.new.len());
        for new in &self.new {
            let source = new.rule(tx, cx, &gateway)?;
            gateway.check_source(&source)?;
            made.push(source.id);
            gateway.sources.push(source);
        }
        save(tx, &gateway)?;
        Ok(made)
    }
}

impl NewNatSource {
    fn rule(&self, tx: &Tx<'_>, cx: &Cx<'_>, gateway: &NatGateway) -> Result<NatSource, Failure> {
        let (source, subnet) = match self.of {
            NatSourceOf::Range(range) => (range.trunc(), None),
            NatSourceOf::Subnet(id) => {
                let subnet = subnet_of(tx, gateway.account, id)?;
                if subnet.vpc != gateway.vpc {
                    return Err(Error::invalid("SubnetId", format!("{id} is not in the VPC of {}", gateway.id)).into());
                }
                (subnet.range, Some(id))
            }
        };
        check_name("Name", &self.name)?;
        let addresses = ids_of(tx, gateway.account, &self.addresses)?;
        let id = NatSourceId::from_u64(cx.new_id());
        Ok(NatSource { id, source, subnet, addresses, name: self.name.clone(), created_at: cx.now })
    }
}

impl Command for ModifyNatSource {
    type Reply = ();
    const NAME: &'static str = "ModifyNatSource";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.gateway, self.addresses.as_deref().unwrap_or_default())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = open_gateway(tx, cx, self.gateway)?;
        let at = gateway.sources.iter().position(|rule| rule.id == self.source);
        let at = at.ok_or_else(|| Error::not_found(Noun::NatSource, self.source))?;
        let mut source = gateway.sources[at].clone();
        if let Some(addresses) = &self.addresses {
            source.addresses = ids_of(tx, gateway.account, addresses)?;
        }
        if let Some(name) = &self.name {
            check_name("Name", name)?;
            name.clone_into(&mut source.name);
        }
        gateway.check_source(&source)?;
        gateway.sources[at] = source;
        save(tx, &gateway)
    }
}

impl Command for DeleteNatSources {
    type Reply = ();
    const NAME: &'static str = "DeleteNatSources";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.gateway, &[])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = nat_gateway_of(tx, cx.caller.account(), self.gateway)?;
        for id in &self.sources {
            let at = gateway.sources.iter().position(|rule| rule.id == *id).ok_or_else(|| Error::not_found(Noun::NatSource, id))?;
            gateway.sources.remove(at);
        }
        save(tx, &gateway)
    }
}

impl Command for CreateNatForwards {
    type Reply = Vec<NatForwardId>;
    const NAME: &'static str = "CreateNatForwards";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let addresses: Vec<AddressRef> = self.new.iter().map(|new| new.address).collect();
        targets(tx, cx, self.gateway, &addresses)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<NatForwardId>, Failure> {
        let mut gateway = open_gateway(tx, cx, self.gateway)?;
        let limit = tx.quota_limit(gateway.account, QuotaName::NatForwards)?;
        QuotaName::NatForwards.check(limit, gateway.forwards.len() as u64, self.new.len() as u64)?;
        let (vpc, subnets) = (vpc_of(tx, gateway.account, Some(gateway.vpc))?, tx.subnet_list_of_vpc(gateway.vpc)?);
        let mut made = Vec::with_capacity(self.new.len());
        for new in &self.new {
            check_name("Name", &new.name)?;
            let address = elastic_of(tx, gateway.account, new.address)?.id;
            let id = NatForwardId::from_u64(cx.new_id());
            let forward = NatForward { id, address, what: new.what, private: new.private, name: new.name.clone(), created_at: cx.now };
            gateway.check_forward(&forward, &vpc, &subnets)?;
            made.push(id);
            gateway.forwards.push(forward);
        }
        save(tx, &gateway)?;
        Ok(made)
    }
}

impl Command for ModifyNatForward {
    type Reply = ();
    const NAME: &'static str = "ModifyNatForward";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.gateway, self.address.as_slice())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = open_gateway(tx, cx, self.gateway)?;
        let at = self.forward.find(tx, &gateway)?;
        let mut forward = gateway.forwards[at].clone();
        if let Some(address) = self.address {
            forward.address = elastic_of(tx, gateway.account, address)?.id;
        }
        if let Some(name) = &self.name {
            check_name("Name", name)?;
            name.clone_into(&mut forward.name);
        }
        forward.what = self.what.unwrap_or(forward.what);
        forward.private = self.private.unwrap_or(forward.private);
        let (vpc, subnets) = (vpc_of(tx, gateway.account, Some(gateway.vpc))?, tx.subnet_list_of_vpc(gateway.vpc)?);
        gateway.check_forward(&forward, &vpc, &subnets)?;
        gateway.forwards[at] = forward;
        save(tx, &gateway)
    }
}

impl Command for DeleteNatForwards {
    type Reply = ();
    const NAME: &'static str = "DeleteNatForwards";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, self.gateway, &[])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = nat_gateway_of(tx, cx.caller.account(), self.gateway)?;
        for which in &self.forwards {
            let at = which.find(tx, &gateway)?;
            gateway.forwards.remove(at);
        }
        save(tx, &gateway)
    }
}

fn targets(tx: &Tx<'_>, cx: &Cx<'_>, gateway: NatGatewayId, addresses: &[AddressRef]) -> Result<Vec<Target>, Failure> {
    let mut targets = address_targets(tx, cx, addresses)?;
    targets.push(target(tx, cx, gateway)?);
    Ok(targets)
}

/// The gateway, if the account owns it and it may have rules.
fn open_gateway(tx: &Tx<'_>, cx: &Cx<'_>, id: NatGatewayId) -> Result<NatGateway, Failure> {
    let gateway = nat_gateway_of(tx, cx.caller.account(), id)?;
    if gateway.is_available() && gateway.is_public {
        return Ok(gateway);
    }
    let (noun, id) = (Noun::NatGateway, gateway.id.to_string());
    Err(Error::IncorrectState { noun, id, state: "without public addresses", wanted: "available and public" }.into())
}

fn ids_of(tx: &Tx<'_>, account: AccountId, addresses: &[AddressRef]) -> Result<Vec<AddressId>, Failure> {
    let mut ids = Vec::with_capacity(addresses.len());
    for which in addresses {
        let id = elastic_of(tx, account, *which)?.id;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn save(tx: &mut Tx<'_>, gateway: &NatGateway) -> Result<(), Failure> {
    tx.update(gateway)?;
    touch_vpc(tx, gateway.vpc)
}

/// What hosts are told of the NAT gateways of a VPC.
#[derive(Debug, Clone, Default)]
pub(crate) struct NatSpecs {
    pub shared: Vec<SharedSpec>,
    pub forwards: Vec<ForwardSpec>,
    pub mapped: Vec<MappedSpec>,
    pub rates: Vec<RateSpec>,
    /// Other hosts that translate, with what is sent there.
    pub homes: Vec<NatHome>,
}

impl NatSpecs {
    /// Reads them for a VPC with these tables, gateway and subnets.
    pub fn read(
        tx: &Tx<'_>,
        vpc: &Vpc,
        tables: &[RouteTable],
        internet: Option<&InternetGateway>,
        subnets: &[Subnet],
        neighbours: &Neighbours,
    ) -> Result<NatSpecs, Failure> {
        let mut out = NatSpecs::default();
        for exit in exits(tx, vpc.id)? {
            let (gateway, addresses) = (&exit.gateway, exit.addresses.as_slice());
            // An open VPC needs no route to a gateway, so there nothing else tells that an address of one's own is meant.
            let gives_way = gateway.serves == NatServes::Listed && vpc.open && internet.is_none();
            let reached = gateway.ways(vpc, tables, internet);
            let mut shared = Vec::new();
            for subnet in subnets {
                let ways = in_both(&ways_to_nat(tables, subnet.id, gateway.id), &reached);
                shared.extend(share(gateway, addresses, subnet.range, &ways, gives_way));
            }
            if let Some(home) = gateway.home.and_then(|home| neighbours.home(home)) {
                match out.homes.iter_mut().find(|known| known.host == home.host) {
                    Some(known) => known.shared.extend(shared),
                    None => out.homes.push(NatHome { shared, ..home }),
                }
                continue;
            }
            out.shared.extend(shared);
            out.forward(gateway, addresses);
            for address in addresses {
                out.rates.extend(rate_of(tx, address)?);
            }
        }
        Ok(out)
    }

    fn forward(&mut self, gateway: &NatGateway, addresses: &[Address]) {
        for forward in &gateway.forwards {
            let Some(public) = ip_of(addresses, forward.address) else { continue };
            let private = forward.private;
            match forward.what {
                Forwarded::Everything => self.mapped.push(MappedSpec { public, private }),
                Forwarded::Ports { protocol, outside, inside, count } => {
                    let (public_port, private_port) = (outside, inside);
                    self.forwards.push(ForwardSpec { public, protocol: protocol.number(), public_port, private, private_port, count });
                }
            }
        }
    }
}

fn share(gateway: &NatGateway, addresses: &[Address], subnet: Ipv4Net, ways: &[Ipv4Net], gives_way: bool) -> Vec<SharedSpec> {
    let exits = gateway.exits_of(subnet).into_iter();
    let public = exits.flat_map(|(source, ids)| ids.into_iter().filter_map(move |id| Some((source, ip_of(addresses, id)?))));
    public.flat_map(|(source, public)| ways.iter().map(move |to| SharedSpec { source, to: *to, public, gives_way })).collect()
}

fn ip_of(addresses: &[Address], id: AddressId) -> Option<Ipv4Addr> {
    addresses.iter().find(|address| address.id == id).map(|address| address.ip)
}
