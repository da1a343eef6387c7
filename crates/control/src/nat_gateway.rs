//! NAT gateways. Their rules are in [`crate::nat_rule`].

use std::net::Ipv4Addr;

use model::reachability::NatExit;
use model::{
    AccountId, Address, AddressId, AssociationId, Error, Interface, NatGateway, NatGatewayId, NatOutcome, NatServes, Noun, QuotaName,
    Route, RouteTarget, Subnet, SubnetId, Tags, Vpc, VpcId, add_tags, check_name,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::address::{AddressRef, AllocateAddress, elastic_of};
use crate::auth::Target;
use crate::deletion_protection::check_unprotected;
use crate::describe::{Field, Listing, tag_values};
use crate::gateway::check_gateway;
use crate::instance::check_description;
use crate::interface::{NewInterface, taken};
use crate::ipv6::WantedIpv6;
use crate::nat_gateway_record::bury;
use crate::network::{touch_vpc, vpc_of};
use crate::private_address::{Wanted, choose};
use crate::run::{Command, Cx};
use crate::subnet::subnet_of;
use crate::vpc_gateway::gateway_in_use;

/// Makes a NAT gateway.
#[derive(Debug, Clone, Serialize)]
pub struct CreateNatGateway {
    /// Where it is.
    pub place: NatPlace,
    /// Whose packets it sends on.
    pub serves: NatServes,
    /// Whether it leads to public addresses.
    pub is_public: bool,
    /// Its elastic addresses.
    pub addresses: Vec<AddressRef>,
    /// Addresses that are taken from the public pool for it.
    pub take: NewAddresses,
    /// Its private address; a free one when none is said.
    pub ip: Option<Ipv4Addr>,
    /// The private addresses of its further elastic ones, as far as they are said.
    pub further_ips: Vec<Ipv4Addr>,
    /// Whether the main route table gets a route for everything to it, unless it has one for everything.
    pub is_default_route: bool,
    /// Whether an address in use, or a VPC without internet gateway, is not refused but kept as the gateway's outcome (EC2, which
    /// finds that out only while it makes one).
    pub may_fail: bool,
    /// Megabits per second that are asked for.
    pub bandwidth: Option<u32>,
    /// Whether it is protected against its deletion.
    pub protected: bool,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Where a NAT gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NatPlace {
    /// In a subnet, with an interface there.
    Subnet(SubnetId),
    /// In a VPC as a whole.
    Vpc(VpcId),
}

/// Elastic addresses to be taken from the public pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAddresses {
    /// How many.
    pub count: u32,
    /// Megabits per second of each that are asked for.
    pub bandwidth: Option<u32>,
}

impl CreateNatGateway {
    /// One for public addresses in a place, with nothing else said.
    pub fn at(place: NatPlace, serves: NatServes) -> CreateNatGateway {
        CreateNatGateway {
            place,
            serves,
            is_public: true,
            addresses: vec![],
            take: NewAddresses::default(),
            ip: None,
            further_ips: vec![],
            is_default_route: false,
            may_fail: false,
            bandwidth: None,
            protected: false,
            name: String::new(),
            description: String::new(),
            tags: Tags::new(),
        }
    }
}

/// Changes what is said of a NAT gateway. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyNatGateway {
    /// Which one.
    pub gateway: NatGatewayId,
    /// Megabits per second that are asked for.
    pub bandwidth: Option<u32>,
    /// Whether it is protected against its deletion.
    pub protected: Option<bool>,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// Deletes a NAT gateway. Its elastic addresses stay the account's.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteNatGateway {
    /// Which one.
    pub gateway: NatGatewayId,
    /// What may hold it back, and what goes with it.
    pub with: NatDeletion,
}

/// What goes with a NAT gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NatDeletion {
    /// Nothing: routes to it stay and lead nowhere (EC2).
    Alone,
    /// Routes to it and its rules (Tencent).
    Everything,
    /// Routes to it; addresses and rules hold it back (Alibaba Cloud).
    RoutesOnly,
}

/// Gives a NAT gateway further addresses.
#[derive(Debug, Clone, Serialize)]
pub struct AssociateNatAddresses {
    /// Which one.
    pub gateway: NatGatewayId,
    /// Addresses that are tied to nothing.
    pub addresses: Vec<AddressRef>,
    /// Addresses that are taken from the public pool for it.
    pub take: NewAddresses,
    /// Their private addresses, as far as they are said.
    pub ips: Vec<Ipv4Addr>,
}

/// Takes addresses that no rule uses from a NAT gateway. They stay the account's.
#[derive(Debug, Clone, Serialize)]
pub struct DisassociateNatAddresses {
    /// Which one.
    pub gateway: NatGatewayId,
    /// Which addresses.
    pub addresses: Vec<AddressRef>,
    /// Whether its first may be among them.
    pub first: FirstNatAddress,
}

/// What becomes of the address that a NAT gateway got first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirstNatAddress {
    /// It stays as long as the gateway does (EC2).
    Stays,
    /// It is like the others (Alibaba Cloud, Tencent Cloud).
    MayGo,
}

impl Command for CreateNatGateway {
    type Reply = NatGatewayId;
    const NAME: &'static str = "CreateNatGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let own = |account| account == cx.caller.account();
        let made = Target { path: Some("natgateway/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        let place = match self.place {
            NatPlace::Subnet(id) => {
                let tags = tx.get::<Subnet>(id)?.filter(|row| own(row.account)).map(|row| row.tags).unwrap_or_default();
                Target::of("subnet", id, &tags)
            }
            NatPlace::Vpc(id) => {
                let tags = tx.get::<Vpc>(id)?.filter(|row| own(row.account)).map(|row| row.tags).unwrap_or_default();
                Target::of("vpc", id, &tags)
            }
        };
        let mut targets = vec![made, place];
        targets.extend(address_targets(tx, cx, &self.addresses)?);
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<NatGatewayId, Failure> {
        let account = cx.caller.account();
        let (vpc, subnet) = match self.place {
            NatPlace::Vpc(id) => (vpc_of(tx, account, Some(id))?, None),
            NatPlace::Subnet(id) => {
                let subnet = subnet_of(tx, account, id)?;
                (vpc_of(tx, account, Some(subnet.vpc))?, Some(subnet))
            }
        };
        let limit = tx.quota_limit(account, QuotaName::NatGateways)?;
        QuotaName::NatGateways.check(limit, tx.nat_gateway_count(account, limit)?, 1)?;
        let addresses = self.addresses.iter().map(|which| elastic_of(tx, account, *which)).collect::<Result<Vec<_>, _>>()?;
        let (name, description) = (self.name.clone(), self.description.clone());
        let mut gateway = NatGateway {
            id: NatGatewayId::from_u64(cx.new_id()),
            account,
            vpc: vpc.id,
            subnet: subnet.as_ref().map(|subnet| subnet.id),
            is_public: self.is_public,
            outcome: self.failure(tx, &vpc, &addresses)?.unwrap_or(NatOutcome::OfVpc),
            serves: self.serves,
            addresses: vec![],
            sources: vec![],
            forwards: vec![],
            home: None,
            bandwidth: self.bandwidth,
            protected: self.protected,
            name: String::new(),
            description: String::new(),
            created_at: cx.now,
            tags: Tags::new(),
        };
        describe(&mut gateway, Some(name), Some(description))?;
        add_tags(&mut gateway.tags, &self.tags)?;
        if gateway.is_available() {
            if let Some(subnet) = subnet {
                gateway.outcome = self.plug(tx, cx, &subnet, gateway.id)?;
            }
            attach_all(tx, cx, &mut gateway, addresses, self.take, &self.further_ips)?;
        }
        tx.insert(&gateway)?;
        if self.is_default_route {
            route_everything(tx, &gateway)?;
        }
        touch_vpc(tx, gateway.vpc)?;
        Ok(gateway.id)
    }
}

impl CreateNatGateway {
    /// What it fails for where that is no refusal.
    fn failure(&self, tx: &Tx<'_>, vpc: &Vpc, addresses: &[Address]) -> Result<Option<NatOutcome>, Failure> {
        let is_lost = !addresses.is_empty() && !vpc.open && gateway_in_use(tx, vpc.id)?.is_none();
        let is_taken = addresses.iter().any(Address::is_tied);
        Ok(match self.may_fail {
            true if is_lost => Some(NatOutcome::NoInternetGateway),
            true if is_taken => Some(NatOutcome::AddressInUse),
            true | false => None,
        })
    }

    /// Gives the gateway its interface.
    fn plug(&self, tx: &mut Tx<'_>, cx: &Cx<'_>, subnet: &Subnet, id: NatGatewayId) -> Result<NatOutcome, Failure> {
        let ipv6 = WantedIpv6 { ips: vec![], count: Some(0) };
        let new = NewInterface { ip: self.ip, ipv6, description: format!("Interface for NAT Gateway {id}"), ..NewInterface::default() };
        let mut interface = new.insert(tx, cx, subnet)?;
        interface.nat_gateway = Some(id);
        interface.checked = false;
        tx.update(&interface)?;
        Ok(NatOutcome::Available { interface: interface.id, ip: interface.ip })
    }
}

/// Ties addresses to a gateway, whose row the caller writes.
fn attach_all(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    gateway: &mut NatGateway,
    mut addresses: Vec<Address>,
    take: NewAddresses,
    further_ips: &[Ipv4Addr],
) -> Result<Vec<Address>, Failure> {
    let limit = tx.quota_limit(gateway.account, QuotaName::NatAddresses)?;
    let wanted = addresses.len() as u64 + u64::from(take.count);
    QuotaName::NatAddresses.check(limit, gateway.addresses.len() as u64, wanted)?;
    for _ in 0..take.count {
        addresses.push(AllocateAddress { bandwidth: take.bandwidth, ..AllocateAddress::default() }.apply(tx, cx)?);
    }
    if !addresses.is_empty() {
        check_gateway(tx, gateway.vpc)?;
    }
    let mut interface = gateway.interface().map(|id| tx.get::<Interface>(id)).transpose()?.flatten();
    let mut further_ips = further_ips.iter().copied();
    for address in &mut addresses {
        if address.is_tied() || gateway.addresses.contains(&address.id) {
            let (noun, id) = (Noun::Address, address.id.to_string());
            return Err(Error::IncorrectState { noun, id, state: "associated", wanted: "not associated" }.into());
        }
        if let Some(interface) = &mut interface {
            let private = match gateway.shares_private() {
                true => interface.ip,
                false => further_private(tx, interface, further_ips.next())?,
            };
            address.associate(interface, private, AssociationId::from_u64(cx.new_id()));
        }
        address.nat_gateway = Some(gateway.id);
        gateway.addresses.push(address.id);
        tx.update(address)?;
    }
    Ok(addresses)
}

/// Gives the interface of a gateway one more private address: this one, or a free one.
fn further_private(tx: &mut Tx<'_>, interface: &mut Interface, ip: Option<Ipv4Addr>) -> Result<Ipv4Addr, Failure> {
    let subnet = tx.get::<Subnet>(interface.subnet)?.ok_or_else(|| Error::not_found(Noun::Subnet, interface.subnet))?;
    let wanted = Wanted { count: usize::from(ip.is_none()), ips: ip.into_iter().collect() };
    let added = choose(tx, interface, &subnet, &wanted)?.pop().ok_or(Error::Internal)?;
    tx.interface_update_addresses(interface).map_err(|error| taken(error, subnet.id, added))?;
    Ok(added)
}

/// Has the main table of the gateway's VPC send everything to it that it sends nowhere else.
fn route_everything(tx: &mut Tx<'_>, gateway: &NatGateway) -> Result<(), Failure> {
    let everything = ipnet::Ipv4Net::default();
    let limit = tx.quota_limit(gateway.account, QuotaName::Routes)?;
    let main = tx.route_table_list_of_vpc(gateway.vpc)?.into_iter().find(|table| table.main.is_some());
    if let Some(mut table) = main.filter(|table| table.route_to(everything).is_none()) {
        QuotaName::Routes.check(limit, table.routes.len() as u64, 1)?;
        table.routes.push(Route::new(everything, RouteTarget::NatGateway { gateway: gateway.id }));
        tx.update(&table)?;
    }
    Ok(())
}

fn describe(gateway: &mut NatGateway, name: Option<String>, description: Option<String>) -> Result<(), Error> {
    if let Some(name) = name {
        check_name("Name", &name)?;
        gateway.name = name;
    }
    if let Some(description) = description {
        check_description(&description)?;
        gateway.description = description;
    }
    Ok(())
}

/// What policies are asked about: the gateway.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: NatGatewayId) -> Result<Target, Failure> {
    let tags = tx.get::<NatGateway>(id)?.filter(|row| row.account == cx.caller.account()).map(|row| row.tags);
    Ok(Target::of("natgateway", id, &tags.unwrap_or_default()))
}

/// What policies are asked about: addresses, as far as they are the account's.
pub(crate) fn address_targets(tx: &Tx<'_>, cx: &Cx<'_>, addresses: &[AddressRef]) -> Result<Vec<Target>, Failure> {
    let target = |which: &AddressRef| match elastic_of(tx, cx.caller.account(), *which) {
        Ok(address) => Ok(Target::of("elastic-ip", address.id, &address.tags)),
        Err(Failure::Refused(_)) => Ok(Target::any()),
        Err(failure) => Err(failure),
    };
    addresses.iter().map(target).collect()
}

impl Command for ModifyNatGateway {
    type Reply = ();
    const NAME: &'static str = "ModifyNatGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.gateway)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut gateway = nat_gateway_of(tx, cx.caller.account(), self.gateway)?;
        describe(&mut gateway, self.name.clone(), self.description.clone())?;
        gateway.bandwidth = self.bandwidth.or(gateway.bandwidth);
        gateway.protected = self.protected.unwrap_or(gateway.protected);
        Ok(tx.update(&gateway)?)
    }
}

impl Command for AssociateNatAddresses {
    type Reply = (NatGateway, Vec<Address>);
    const NAME: &'static str = "AssociateNatAddresses";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = address_targets(tx, cx, &self.addresses)?;
        targets.push(target(tx, cx, self.gateway)?);
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(NatGateway, Vec<Address>), Failure> {
        let account = cx.caller.account();
        let mut gateway = nat_gateway_of(tx, account, self.gateway)?;
        if !gateway.is_available() || !gateway.is_public {
            let (noun, id) = (Noun::NatGateway, gateway.id.to_string());
            return Err(Error::IncorrectState { noun, id, state: "without public addresses", wanted: "available and public" }.into());
        }
        let addresses = self.addresses.iter().map(|which| elastic_of(tx, account, *which)).collect::<Result<Vec<_>, _>>()?;
        let tied = attach_all(tx, cx, &mut gateway, addresses, self.take, &self.ips)?;
        tx.update(&gateway)?;
        touch_vpc(tx, gateway.vpc)?;
        Ok((gateway, tied))
    }
}

impl Command for DisassociateNatAddresses {
    type Reply = (NatGateway, Vec<Address>);
    const NAME: &'static str = "DisassociateNatAddresses";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = address_targets(tx, cx, &self.addresses)?;
        targets.push(target(tx, cx, self.gateway)?);
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(NatGateway, Vec<Address>), Failure> {
        let account = cx.caller.account();
        let mut gateway = nat_gateway_of(tx, account, self.gateway)?;
        let first = gateway.addresses.first().copied().filter(|_| self.first == FirstNatAddress::Stays);
        let mut untied = Vec::with_capacity(self.addresses.len());
        for which in &self.addresses {
            let mut address = elastic_of(tx, account, *which)?;
            if address.nat_gateway != Some(gateway.id) {
                return Err(Error::not_found(Noun::Association, format!("{} with {}", address.id, gateway.id)).into());
            }
            let by = gateway.users_of(address.id);
            if !by.is_empty() {
                return Err(Error::InUse { noun: Noun::NatAddress, id: address.id.to_string(), by }.into());
            }
            if first == Some(address.id) {
                let (noun, id) = (Noun::NatAddress, address.id.to_string());
                return Err(Error::Protected { noun, id, against: "disassociation, as the first of its gateway" }.into());
            }
            gateway.addresses.retain(|id| *id != address.id);
            drop_private(tx, &gateway, &address)?;
            untied.push(address.clone());
            address.dissociate();
            tx.update(&address)?;
        }
        tx.update(&gateway)?;
        touch_vpc(tx, gateway.vpc)?;
        Ok((gateway, untied))
    }
}

/// Takes the private address that stood behind an elastic one from the interface of a gateway.
fn drop_private(tx: &mut Tx<'_>, gateway: &NatGateway, address: &Address) -> Result<(), Failure> {
    let interface = gateway.interface().map(|id| tx.get::<Interface>(id)).transpose()?.flatten();
    if let (Some(private), Some(mut interface)) = (address.private, interface) {
        interface.secondary.retain(|own| *own != private);
        tx.interface_update_addresses(&interface)?;
    }
    Ok(())
}

impl Command for DeleteNatGateway {
    type Reply = ();
    const NAME: &'static str = "DeleteNatGateway";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.gateway)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let gateway = nat_gateway_of(tx, cx.caller.account(), self.gateway)?;
        check_unprotected(gateway.protected, Noun::NatGateway, gateway.id)?;
        match self.with {
            NatDeletion::Alone => {}
            NatDeletion::Everything => drop_routes(tx, &gateway)?,
            NatDeletion::RoutesOnly => {
                check_unused(&gateway)?;
                drop_routes(tx, &gateway)?;
            }
        }
        bury(tx, view_of(tx, gateway.clone())?, cx.now)?;
        for mut address in tx.get_many::<Address>(&gateway.addresses)? {
            address.dissociate();
            tx.update(&address)?;
        }
        if let Some(interface) = gateway.interface() {
            tx.interface_delete(interface)?;
        }
        tx.delete::<NatGateway>(gateway.id)?;
        touch_vpc(tx, gateway.vpc)
    }
}

/// Refuses to delete a gateway that has rules or addresses, naming those that go first.
fn check_unused(gateway: &NatGateway) -> Result<(), Error> {
    let id = gateway.id.to_string();
    let named = |by: Vec<String>| by.into_iter().take(10).collect();
    let of = |noun, by: Vec<String>| Error::InUse { noun, id: id.clone(), by: named(by) };
    if !gateway.forwards.is_empty() {
        return Err(of(Noun::NatForward, gateway.forwards.iter().map(|rule| rule.id.to_string()).collect()));
    }
    if !gateway.sources.is_empty() {
        return Err(of(Noun::NatSource, gateway.sources.iter().map(|rule| rule.id.to_string()).collect()));
    }
    if !gateway.addresses.is_empty() {
        return Err(of(Noun::NatGateway, gateway.addresses.iter().map(ToString::to_string).collect()));
    }
    Ok(())
}

fn drop_routes(tx: &mut Tx<'_>, gateway: &NatGateway) -> Result<(), Failure> {
    let to_it = RouteTarget::NatGateway { gateway: gateway.id };
    for mut table in tx.route_table_list_of_vpc(gateway.vpc)?.into_iter().filter(|table| table.leads_to(to_it)) {
        table.forget(to_it);
        tx.update(&table)?;
    }
    Ok(())
}

/// The NAT gateway, if the account owns it.
pub(crate) fn nat_gateway_of(tx: &Tx<'_>, account: AccountId, id: NatGatewayId) -> Result<NatGateway, Failure> {
    let gateway = tx.get::<NatGateway>(id)?.filter(|gateway| gateway.account == account);
    Ok(gateway.ok_or_else(|| Error::not_found(Noun::NatGateway, id))?)
}

/// Refuses what tenants do with interfaces of their own on that of a NAT gateway.
pub(crate) fn check_own(interface: &Interface) -> Result<(), Error> {
    match interface.nat_gateway {
        None => Ok(()),
        Some(gateway) => Err(Error::InUse { noun: Noun::Interface, id: interface.id.to_string(), by: vec![gateway.to_string()] }),
    }
}

/// A NAT gateway with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatGatewayView {
    /// The gateway.
    pub gateway: NatGateway,
    /// Its elastic addresses, in its order.
    pub addresses: Vec<Address>,
    /// The zone of its subnet; empty for one of a VPC as a whole.
    pub zone: String,
}

impl NatGatewayView {
    /// The text of one of its addresses.
    pub fn ip_of(&self, id: AddressId) -> String {
        self.addresses.iter().find(|address| address.id == id).map(|address| address.ip.to_string()).unwrap_or_default()
    }
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
        tx.nat_gateway_list(account)?.into_iter().map(|gateway| view_of(tx, gateway)).collect()
    }

    fn values(&self, field: &Field) -> Vec<String> {
        let gateway = &self.gateway;
        match field {
            Field::Id => vec![gateway.id.to_string()],
            Field::Name => vec![gateway.name.clone()],
            Field::Owner => vec![gateway.account.to_string()],
            Field::Vpc => vec![gateway.vpc.to_string()],
            Field::Subnet => gateway.subnet.iter().map(ToString::to_string).collect(),
            Field::Zone => vec![self.zone.clone()],
            Field::PublicIp => self.addresses.iter().map(|address| address.ip.to_string()).collect(),
            Field::State => vec![if gateway.is_available() { "available" } else { "failed" }.to_owned()],
            _ => tag_values(&gateway.tags, field),
        }
    }
}

/// A gateway with its addresses.
fn view_of(tx: &Tx<'_>, gateway: NatGateway) -> Result<NatGatewayView, Failure> {
    let subnet = gateway.subnet.map(|id| tx.get::<Subnet>(id)).transpose()?.flatten();
    let zone = subnet.map(|subnet| subnet.zone).unwrap_or_default();
    Ok(NatGatewayView { addresses: addresses_of(tx, &gateway)?, zone, gateway })
}

/// The addresses of a gateway in its order.
fn addresses_of(tx: &Tx<'_>, gateway: &NatGateway) -> Result<Vec<Address>, Failure> {
    let found = tx.get_many::<Address>(&gateway.addresses)?;
    Ok(gateway.addresses.iter().filter_map(|id| found.iter().find(|address| address.id == *id).cloned()).collect())
}

/// The NAT gateways of a VPC that have a public address.
pub(crate) fn exits(tx: &Tx<'_>, vpc: VpcId) -> Result<Vec<NatExit>, Failure> {
    let gateways = tx.nat_gateway_list_of_vpc(vpc)?.into_iter().filter(|gateway| !gateway.addresses.is_empty());
    gateways.map(|gateway| Ok(NatExit { addresses: addresses_of(tx, &gateway)?, gateway })).collect()
}
