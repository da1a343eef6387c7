//! Public addresses: those that instances have by themselves while they run, and elastic ones, which their account keeps.
//!
//! A private address of an interface has one of either kind at most. An elastic address takes the place of an automatic one; when it goes, a running
//! instance that was to have an automatic one gets another, as EC2 documents it ("Elastic IP address basics").

use std::net::Ipv4Addr;

use model::{
    AccountId, Address, AddressId, AddressKind, AssociationId, BANDWIDTH_MAX, BANDWIDTH_USUAL, BandwidthPackageId, Error, Instance,
    InstanceId, Interface, InterfaceId, InternetCharge, NatGateway, NatGatewayId, NatServes, Noun, Phase, QuotaName, Tags, add_tags,
    check_name,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::bandwidth_package::package_with_room;
use crate::deletion_protection::check_unprotected;
use crate::gateway::check_gateway;
use crate::instance::{check_description, instance_of, save};
use crate::interface::tell_host;
use crate::nat_gateway::{self, AssociateNatAddresses, DisassociateNatAddresses, FirstNatAddress, NewAddresses, check_own};
use crate::network::touch_vpc;
use crate::run::{Command, Cx};

/// Takes an elastic address from the public pool.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AllocateAddress {
    /// This one, if it is free; any when none is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Megabits per second that may leave from it; none for no limit.
    pub bandwidth: Option<u32>,
    /// By what it is said to be paid for.
    pub charge: InternetCharge,
    /// The bandwidth package that it goes to.
    pub package: Option<BandwidthPackageId>,
    /// Tags.
    pub tags: Tags,
}

/// Changes what is said of an elastic address. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyAddress {
    /// Which one.
    pub address: AddressRef,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Megabits per second that may leave from it.
    pub bandwidth: Option<u32>,
    /// By what it is said to be paid for.
    pub charge: Option<InternetCharge>,
}

/// Ties an elastic address to the interface of an instance.
#[derive(Debug, Clone, Serialize)]
pub struct AssociateAddress {
    /// Which one.
    pub address: AddressRef,
    /// To what.
    pub to: AssociateTo,
    /// The private address that it is to be translated to; the interface's own when none is said.
    pub private_ip: Option<Ipv4Addr>,
    /// What gives way.
    pub gives_way: GivesWay,
}

/// Unties an elastic address. It stays the account's.
#[derive(Debug, Clone, Serialize)]
pub struct DisassociateAddress {
    /// Which one.
    pub address: AddressRef,
    /// What it must be tied to, when that is said.
    pub from: Option<AssociateTo>,
}

/// Gives an elastic address that is tied to nothing back to the pool.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseAddress {
    /// Which one.
    pub address: AddressRef,
}

/// Gives a running instance that has no public address one of its own, as if it had been launched so.
#[derive(Debug, Clone, Serialize)]
pub struct GivePublicAddress {
    /// The instance.
    pub instance: InstanceId,
}

/// An elastic address by what a caller knows of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum AddressRef {
    /// By id.
    Id(AddressId),
    /// By itself.
    Ip(Ipv4Addr),
    /// By its tie.
    Association(AssociationId),
}

/// What an address is tied to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum AssociateTo {
    /// The primary interface of an instance.
    Instance(InstanceId),
    /// An interface.
    Interface(InterfaceId),
    /// A NAT gateway.
    NatGateway(NatGatewayId),
}

/// What gives way to a new tie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GivesWay {
    /// Every other tie of the address and of the interface.
    Everything,
    /// Only an automatic address of the interface.
    Automatic,
    /// Nothing: address and interface must be free (ECS's rule).
    Nothing,
}

impl Command for AllocateAddress {
    type Reply = Address;
    const NAME: &'static str = "AllocateAddress";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let new = Target { path: Some("elastic-ip/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        let package = self.package.map(|package| crate::bandwidth_package::target(tx, cx, package)).transpose()?;
        Ok(std::iter::once(new).chain(package).collect())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Address, Failure> {
        let account = cx.caller.account();
        let limit = tx.quota_limit(account, QuotaName::Addresses)?;
        QuotaName::Addresses.check(limit, tx.address_count_elastic(account, limit)?, 1)?;
        let mut address = match self.ip {
            Some(ip) => wanted_address(tx, cx, ip)?,
            None => free_address(tx, cx, AddressKind::Elastic, None)?,
        };
        name(&mut address, Some(&self.name), Some(&self.description), self.bandwidth)?;
        add_tags(&mut address.tags, &self.tags)?;
        address.charge = self.charge;
        address.package = self.package.map(|package| package_with_room(tx, account, package)).transpose()?;
        tx.insert(&address)?;
        Ok(address)
    }
}

impl Command for ModifyAddress {
    type Reply = ();
    const NAME: &'static str = "ModifyAddress";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.address)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut address = elastic_of(tx, cx.caller.account(), self.address)?;
        let before = address.bandwidth;
        name(&mut address, self.name.as_deref(), self.description.as_deref(), self.bandwidth)?;
        address.charge = self.charge.unwrap_or(address.charge);
        tx.update(&address)?;
        if address.bandwidth != before { tell_bandwidth(tx, cx, &address) } else { Ok(()) }
    }
}

impl Command for AssociateAddress {
    type Reply = Address;
    const NAME: &'static str = "AssociateAddress";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = target(tx, cx, self.address)?;
        targets.push(match self.to {
            AssociateTo::Instance(id) => {
                let row = tx.get::<Instance>(id)?.filter(|row| row.account == cx.caller.account());
                Target::of("instance", id, &row.map(|row| row.tags).unwrap_or_default())
            }
            AssociateTo::Interface(id) => {
                let row = tx.get::<Interface>(id)?.filter(|row| row.account == cx.caller.account());
                Target::of("network-interface", id, &row.map(|row| row.tags).unwrap_or_default())
            }
            AssociateTo::NatGateway(id) => nat_gateway::target(tx, cx, id)?,
        });
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Address, Failure> {
        if let AssociateTo::NatGateway(gateway) = self.to {
            let more = AssociateNatAddresses { gateway, addresses: vec![self.address], take: NewAddresses::default(), ips: vec![] };
            more.apply(tx, cx)?;
            return elastic_of(tx, cx.caller.account(), self.address);
        }
        let mut address = elastic_of(tx, cx.caller.account(), self.address)?;
        if let Some(gateway) = address.nat_gateway.filter(|_| address.interface.is_none()) {
            return Err(wrong_state_by(&address, gateway));
        }
        let interface = interface_of(tx, cx.caller.account(), self.to)?;
        check_own(&interface)?;
        let private = self.private_ip.unwrap_or(interface.ip);
        if !interface.has(private) {
            return Err(Error::invalid("PrivateIpAddress", format!("is none of the interface {}", interface.id)).into());
        }
        if address.is_at(&interface, private) && self.gives_way != GivesWay::Nothing {
            return Ok(address);
        }
        check_gateway(tx, interface.vpc)?;
        self.make_way(tx, cx, &address, &interface, private)?;
        address.associate(&interface, private, AssociationId::from_u64(cx.new_id()));
        tx.update(&address)?;
        tell_host(tx, cx, &interface)?;
        Ok(address)
    }
}

impl AssociateAddress {
    /// Unties what is in the way, as far as it may be.
    fn make_way(&self, tx: &mut Tx<'_>, cx: &Cx<'_>, address: &Address, interface: &Interface, private: Ipv4Addr) -> Result<(), Failure> {
        if let Some(earlier) = address.interface {
            match self.gives_way {
                GivesWay::Everything => untie(tx, cx, &mut address.clone())?,
                GivesWay::Automatic => return Err(taken(address, earlier)),
                GivesWay::Nothing => return Err(wrong_state(address, "associated", "not associated")),
            }
        }
        let all = tx.address_list_of_interface(interface.id)?;
        let Some(mut there) = all.into_iter().find(|other| other.is_at(interface, private)) else { return Ok(()) };
        match (there.kind, self.gives_way) {
            (AddressKind::Automatic, GivesWay::Everything | GivesWay::Automatic) => {
                tx.delete::<Address>(there.id)?;
            }
            (AddressKind::Elastic, GivesWay::Everything) => {
                there.dissociate();
                tx.update(&there)?;
            }
            (AddressKind::Elastic, GivesWay::Automatic) | (_, GivesWay::Nothing) => return Err(taken(&there, interface.id)),
        }
        Ok(())
    }
}

impl Command for DisassociateAddress {
    type Reply = ();
    const NAME: &'static str = "DisassociateAddress";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.address)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let mut address = elastic_of(tx, account, self.address)?;
        if let Some(gateway) = self.nat_gateway(tx, &address)? {
            let (addresses, first) = (vec![self.address], FirstNatAddress::MayGo);
            return DisassociateNatAddresses { gateway, addresses, first }.apply(tx, cx).map(drop);
        }
        let Some(tied) = address.interface else { return Err(wrong_state(&address, "not associated", "associated")) };
        if let Some(from) = self.from
            && interface_of(tx, account, from)?.id != tied
        {
            return Err(Error::not_found(Noun::Association, format!("{} with {from}", address.id)).into());
        }
        untie(tx, cx, &mut address)
    }
}

impl DisassociateAddress {
    /// The NAT gateway that it is to be taken from: one that is named, or one whose addresses come and go one by one.
    fn nat_gateway(&self, tx: &Tx<'_>, address: &Address) -> Result<Option<NatGatewayId>, Failure> {
        Ok(match (self.from, address.nat_gateway) {
            (Some(AssociateTo::NatGateway(gateway)), _) => Some(gateway),
            (None, Some(gateway)) => tx.get::<NatGateway>(gateway)?.filter(|row| row.serves == NatServes::Listed).map(|row| row.id),
            (None, None) | (Some(AssociateTo::Instance(_) | AssociateTo::Interface(_)), _) => None,
        })
    }
}

impl Command for ReleaseAddress {
    type Reply = ();
    const NAME: &'static str = "ReleaseAddress";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.address)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let address = elastic_of(tx, cx.caller.account(), self.address)?;
        check_unprotected(address.protected, Noun::Address, address.id)?;
        if address.is_tied() {
            return Err(wrong_state(&address, "associated", "not associated"));
        }
        tx.delete::<Address>(address.id)?;
        Ok(())
    }
}

impl Command for GivePublicAddress {
    type Reply = Ipv4Addr;
    const NAME: &'static str = "GivePublicAddress";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let row = tx.get::<Instance>(self.instance)?.filter(|row| row.account == cx.caller.account());
        Ok(vec![Target::of("instance", self.instance, &row.map(|row| row.tags).unwrap_or_default())])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Ipv4Addr, Failure> {
        let mut instance = instance_of(tx, cx.caller.account(), self.instance)?;
        if instance.phase != Phase::Running {
            let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "running" }.into());
        }
        check_gateway(tx, instance.vpc)?;
        if let Some(there) = tx.address_of_interface(instance.interface)? {
            return Err(taken(&there, instance.interface));
        }
        instance.bandwidth.get_or_insert(BANDWIDTH_USUAL);
        let address = free_address(tx, cx, AddressKind::Automatic, Some(instance.interface))?;
        let address = Address { bandwidth: instance.bandwidth, ..address };
        tx.insert(&address)?;
        instance.automatic_address = true;
        save(tx, &mut instance, cx.now)?;
        Ok(address.ip)
    }
}

impl std::fmt::Display for AssociateTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AssociateTo::Instance(id) => id.fmt(f),
            AssociateTo::Interface(id) => id.fmt(f),
            AssociateTo::NatGateway(id) => id.fmt(f),
        }
    }
}

fn name(address: &mut Address, name: Option<&str>, description: Option<&str>, bandwidth: Option<u32>) -> Result<(), Error> {
    if let Some(name) = name {
        check_name("Name", name)?;
        name.clone_into(&mut address.name);
    }
    if let Some(description) = description {
        check_description(description)?;
        description.clone_into(&mut address.description);
    }
    if let Some(bandwidth) = bandwidth {
        if !(1..=BANDWIDTH_MAX).contains(&bandwidth) {
            return Err(Error::invalid("Bandwidth", format!("must be 1 to {BANDWIDTH_MAX}")));
        }
        address.bandwidth = Some(bandwidth);
    }
    Ok(())
}

/// Has the hosts that translate an address hold it to its bandwidth of now.
pub(crate) fn tell_bandwidth(tx: &mut Tx<'_>, cx: &Cx<'_>, address: &Address) -> Result<(), Failure> {
    if let Some(gateway) = address.nat_gateway.map(|id| tx.get::<NatGateway>(id)).transpose()?.flatten() {
        touch_vpc(tx, gateway.vpc)?;
    }
    match address.interface.map(|id| tx.get::<Interface>(id)).transpose()?.flatten() {
        Some(interface) => tell_host(tx, cx, &interface),
        None => Ok(()),
    }
}

/// Unties an address; an instance that is to have one by itself gets another at once.
fn untie(tx: &mut Tx<'_>, cx: &Cx<'_>, address: &mut Address) -> Result<(), Failure> {
    let Some(tied) = address.interface else { return Ok(()) };
    if let Some(interface) = tx.get::<Interface>(tied)? {
        check_own(&interface)?;
    }
    let was_primary = address.private.is_none();
    address.dissociate();
    tx.update(address)?;
    let Some(interface) = tx.get::<Interface>(tied)? else { return Ok(()) };
    if was_primary
        && let Some(instance) = primary_of(tx, &interface)?
        && instance.automatic_address
        && matches!(instance.phase, Phase::Launching { .. } | Phase::Starting { .. } | Phase::Running)
    {
        // The address that the tenant keeps is untied whether or not the pool has another one left.
        match give_automatic(tx, cx, interface.id, instance.bandwidth) {
            Ok(_) | Err(Failure::Refused(Error::NoFreeAddress { .. })) => {}
            Err(failure) => return Err(failure),
        }
    }
    tell_host(tx, cx, &interface)
}

/// The instance whose primary interface it is.
fn primary_of(tx: &Tx<'_>, interface: &Interface) -> Result<Option<Instance>, Failure> {
    let instance = interface.instance.map(|id| tx.get::<Instance>(id)).transpose()?.flatten();
    Ok(instance.filter(|instance| instance.interface == interface.id))
}

/// The interface that an address is to be tied to, if the account owns it and its instance is not on its way out.
fn interface_of(tx: &Tx<'_>, account: AccountId, to: AssociateTo) -> Result<Interface, Failure> {
    let id = match to {
        AssociateTo::Interface(id) => id,
        AssociateTo::NatGateway(gateway) => {
            let interface = tx.get::<NatGateway>(gateway)?.filter(|row| row.account == account).and_then(|row| row.interface());
            interface.ok_or_else(|| Error::not_found(Noun::NatGateway, gateway))?
        }
        AssociateTo::Instance(id) => {
            let instance = instance_of(tx, account, id)?;
            instance.check_on_host()?;
            instance.interface
        }
    };
    let interface = tx.get::<Interface>(id)?.filter(|interface| interface.account == account);
    Ok(interface.ok_or_else(|| Error::not_found(Noun::Interface, id))?)
}

/// The elastic address, if the account owns it.
pub(crate) fn elastic_of(tx: &Tx<'_>, account: AccountId, which: AddressRef) -> Result<Address, Failure> {
    let found = match which {
        AddressRef::Id(id) => tx.get::<Address>(id)?,
        AddressRef::Ip(ip) => tx.address_with_ip(ip)?,
        AddressRef::Association(id) => tx.address_list(account)?.into_iter().find(|address| address.association == Some(id)),
    };
    let absent = || match which {
        AddressRef::Id(id) => Error::not_found(Noun::Address, id),
        AddressRef::Ip(ip) => Error::not_found(Noun::Address, ip),
        AddressRef::Association(id) => Error::not_found(Noun::Association, id),
    };
    Ok(found.filter(|address| address.account == account && address.kind == AddressKind::Elastic).ok_or_else(absent)?)
}

pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, which: AddressRef) -> Result<Vec<Target>, Failure> {
    target_of(tx, cx.caller.account(), which)
}

/// What policies are asked about for a call on an address.
pub(crate) fn target_of(tx: &Tx<'_>, account: AccountId, which: AddressRef) -> Result<Vec<Target>, Failure> {
    match elastic_of(tx, account, which) {
        Ok(address) => Ok(vec![Target::of("elastic-ip", address.id, &address.tags)]),
        Err(Failure::Refused(_)) => Ok(vec![Target::any()]),
        Err(failure) => Err(failure),
    }
}

fn taken(address: &Address, by: InterfaceId) -> Failure {
    Error::Duplicate { noun: Noun::Association, name: format!("{} with {by}", address.ip) }.into()
}

fn wrong_state(address: &Address, state: &'static str, wanted: &'static str) -> Failure {
    Error::IncorrectState { noun: Noun::Address, id: address.id.to_string(), state, wanted }.into()
}

fn wrong_state_by(address: &Address, gateway: NatGatewayId) -> Failure {
    Error::InUse { noun: Noun::NatAddress, id: address.id.to_string(), by: vec![gateway.to_string()] }.into()
}

/// Gives an interface an address of the public pool with this bandwidth, unless it has one.
pub(crate) fn give_automatic(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    interface: InterfaceId,
    bandwidth: Option<u32>,
) -> Result<Option<Address>, Failure> {
    if tx.address_of_interface(interface)?.is_some() {
        return Ok(None);
    }
    let address = Address { bandwidth, ..free_address(tx, cx, AddressKind::Automatic, Some(interface))? };
    tx.insert(&address)?;
    Ok(Some(address))
}

fn free_address(tx: &Tx<'_>, cx: &Cx<'_>, kind: AddressKind, interface: Option<InterfaceId>) -> Result<Address, Failure> {
    let exhausted = || Error::NoFreeAddress { noun: Noun::Address, id: "public pool".to_owned() };
    let ip = tx.address_free_ip(cx.cloud.region().public_pool)?.ok_or_else(exhausted)?;
    Ok(address(cx, kind, interface, ip))
}

/// An elastic address that was asked for by itself. One that is no address of the pool and one that somebody has get the same answer.
fn wanted_address(tx: &Tx<'_>, cx: &Cx<'_>, ip: Ipv4Addr) -> Result<Address, Failure> {
    if tx.address_is_free_ip(cx.cloud.region().public_pool, ip)? {
        return Ok(address(cx, AddressKind::Elastic, None, ip));
    }
    Err(Error::NoFreeAddress { noun: Noun::Address, id: ip.to_string() }.into())
}

fn address(cx: &Cx<'_>, kind: AddressKind, interface: Option<InterfaceId>, ip: Ipv4Addr) -> Address {
    Address {
        id: AddressId::from_u64(cx.new_id()),
        account: cx.caller.account(),
        ip,
        kind,
        interface,
        private: None,
        nat_gateway: None,
        association: None,
        name: String::new(),
        description: String::new(),
        bandwidth: None,
        charge: InternetCharge::default(),
        protected: false,
        package: None,
        created_at: cx.now,
        tags: Tags::new(),
    }
}
