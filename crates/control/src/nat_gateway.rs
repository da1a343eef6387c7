//! NAT gateways.

use std::net::Ipv4Addr;

use model::reachability::NatExit;
use model::{
    AccountId, Address, AddressId, AddressKind, AssociationId, Error, Interface, InterfaceId, NatGateway, NatGatewayId, NatOutcome, Noun,
    QuotaName, Subnet, SubnetId, Tags, VpcId, add_tags,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::interface::NewInterface;
use crate::network::touch_vpc;
use crate::run::{Command, Cx};
use crate::subnet::subnet_of;

/// Makes a NAT gateway. What EC2 finds out only while it makes one is kept as the gateway's outcome.
#[derive(Debug, Clone, Serialize)]
pub struct CreateNatGateway {
    /// The subnet that it is in.
    pub subnet: SubnetId,
    /// Its elastic address; none for private connectivity.
    pub address: Option<AddressId>,
    /// Its private address; a free one when none is said.
    pub ip: Option<Ipv4Addr>,
    /// Tags.
    pub tags: Tags,
}

/// Deletes a NAT gateway. Its elastic address stays the account's, routes to it stay and lead nowhere.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteNatGateway {
    /// Which one.
    pub gateway: NatGatewayId,
}

impl Command for CreateNatGateway {
    type Reply = NatGatewayId;
    const NAME: &'static str = "CreateNatGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let own = |account| account == cx.caller.account();
        let subnet = tx.get::<Subnet>(self.subnet)?.filter(|row| own(row.account)).map(|row| row.tags).unwrap_or_default();
        let made = Target { path: Some("natgateway/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        let mut targets = vec![made, Target::of("subnet", self.subnet, &subnet)];
        if let Some(id) = self.address {
            let tags = tx.get::<Address>(id)?.filter(|row| own(row.account)).map(|row| row.tags).unwrap_or_default();
            targets.push(Target::of("elastic-ip", id, &tags));
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<NatGatewayId, Failure> {
        let account = cx.caller.account();
        let subnet = subnet_of(tx, account, self.subnet)?;
        let limit = tx.quota_limit(account, QuotaName::NatGateways)?;
        QuotaName::NatGateways.check(limit, tx.nat_gateway_count(account, limit)?, 1)?;
        let address = self.address.map(|id| elastic_of(tx, account, id)).transpose()?;
        let id = NatGatewayId::from_u64(cx.new_id());
        let vpc = tx.get::<model::Vpc>(subnet.vpc)?.ok_or_else(|| Error::not_found(Noun::Vpc, subnet.vpc))?;
        let is_lost = address.is_some() && !vpc.open && tx.internet_gateway_of_vpc(vpc.id)?.is_none();
        let outcome = if is_lost {
            NatOutcome::NoInternetGateway
        } else if address.as_ref().is_some_and(|address| address.interface.is_some()) {
            NatOutcome::AddressInUse
        } else {
            self.plug(tx, cx, &subnet, id, address)?
        };
        let is_public = self.address.is_some();
        let mut gateway =
            NatGateway { id, account, vpc: subnet.vpc, subnet: subnet.id, is_public, outcome, created_at: cx.now, tags: Tags::new() };
        add_tags(&mut gateway.tags, &self.tags)?;
        tx.insert(&gateway)?;
        touch_vpc(tx, gateway.vpc)?;
        Ok(id)
    }
}

impl CreateNatGateway {
    /// Gives the gateway its interface, and that its address.
    fn plug(
        &self,
        tx: &mut Tx<'_>,
        cx: &Cx<'_>,
        subnet: &Subnet,
        id: NatGatewayId,
        address: Option<Address>,
    ) -> Result<NatOutcome, Failure> {
        let new = NewInterface { ip: self.ip, description: format!("Interface for NAT Gateway {id}"), ..NewInterface::default() };
        let mut interface = new.insert(tx, cx, subnet)?;
        interface.nat_gateway = Some(id);
        interface.checked = false;
        tx.update(&interface)?;
        if let Some(mut address) = address {
            address.associate(&interface, interface.ip, AssociationId::from_u64(cx.new_id()));
            tx.update(&address)?;
        }
        Ok(NatOutcome::Available { interface: interface.id, ip: interface.ip })
    }
}

impl Command for DeleteNatGateway {
    type Reply = ();
    const NAME: &'static str = "DeleteNatGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let tags = tx.get::<NatGateway>(self.gateway)?.filter(|row| row.account == cx.caller.account()).map(|row| row.tags);
        Ok(vec![Target::of("natgateway", self.gateway, &tags.unwrap_or_default())])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let gateway = nat_gateway_of(tx, cx.caller.account(), self.gateway)?;
        if let Some(interface) = gateway.interface() {
            for mut address in tx.address_list_of_interface(interface)? {
                address.dissociate();
                tx.update(&address)?;
            }
            tx.interface_delete(interface)?;
        }
        tx.delete::<NatGateway>(gateway.id)?;
        touch_vpc(tx, gateway.vpc)
    }
}

/// The NAT gateway, if the account owns it.
pub(crate) fn nat_gateway_of(tx: &Tx<'_>, account: AccountId, id: NatGatewayId) -> Result<NatGateway, Failure> {
    let gateway = tx.get::<NatGateway>(id)?.filter(|gateway| gateway.account == account);
    Ok(gateway.ok_or_else(|| Error::not_found(Noun::NatGateway, id))?)
}

fn elastic_of(tx: &Tx<'_>, account: AccountId, id: AddressId) -> Result<Address, Failure> {
    let address = tx.get::<Address>(id)?.filter(|address| address.account == account && address.kind == AddressKind::Elastic);
    Ok(address.ok_or_else(|| Error::not_found(Noun::Address, id))?)
}

/// Refuses what tenants do with interfaces of their own on that of a NAT gateway.
pub(crate) fn check_own(interface: &Interface) -> Result<(), Error> {
    match interface.nat_gateway {
        None => Ok(()),
        Some(gateway) => Err(Error::InUse { noun: Noun::Interface, id: interface.id.to_string(), by: vec![gateway.to_string()] }),
    }
}

/// A NAT gateway with its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatGatewayView {
    /// The gateway.
    pub gateway: NatGateway,
    /// Its elastic address.
    pub address: Option<Address>,
}

impl Listing for NatGatewayView {
    type Id = NatGatewayId;
    const NOUN: Noun = Noun::NatGateway;

    fn id(&self) -> NatGatewayId {
        self.gateway.id
    }

    fn id_value(id: NatGatewayId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<NatGatewayView>, Failure> {
        let gateways = tx.nat_gateway_list(account)?;
        let interfaces: Vec<InterfaceId> = gateways.iter().filter_map(NatGateway::interface).collect();
        let addresses = tx.address_list_of_interfaces(&interfaces)?;
        let address = |gateway: &NatGateway| addresses.iter().find(|row| row.interface.is_some() && row.interface == gateway.interface());
        Ok(gateways.into_iter().map(|gateway| NatGatewayView { address: address(&gateway).cloned(), gateway }).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        let gateway = &self.gateway;
        let is_available = gateway.interface().is_some();
        match field {
            Field::Id => vec![gateway.id.to_string()],
            Field::Owner => vec![gateway.account.to_string()],
            Field::Vpc => vec![gateway.vpc.to_string()],
            Field::Subnet => vec![gateway.subnet.to_string()],
            Field::State => vec![if is_available { "available" } else { "failed" }.to_owned()],
            _ => tag_values(&gateway.tags, field),
        }
    }
}

/// The NAT gateways of a VPC that have a public address.
pub(crate) fn exits(tx: &Tx<'_>, vpc: VpcId) -> Result<Vec<NatExit>, Failure> {
    let gateways = tx.nat_gateway_list_of_vpc(vpc)?;
    if gateways.is_empty() {
        return Ok(Vec::new());
    }
    let interfaces: Vec<InterfaceId> = gateways.iter().filter_map(NatGateway::interface).collect();
    let addresses = tx.address_list_of_interfaces(&interfaces)?;
    let exit = |gateway: NatGateway| {
        let NatOutcome::Available { interface, ip } = gateway.outcome else { return None };
        let address = addresses.iter().find(|row| row.interface == Some(interface))?.clone();
        Some(NatExit { gateway, address, private: ip })
    };
    Ok(gateways.into_iter().filter_map(exit).collect())
}
