//! Network interfaces as things of their own: made, changed and deleted. How they come into instances is in `interface_plug.rs`,
//! their further private addresses are in `private_address.rs`.

use std::net::{Ipv4Addr, Ipv6Addr};

use model::{
    AccountId, Error, Instance, InstanceId, Interface, InterfaceId, MacAddr, Machine, Noun, Phase, Plug, QuotaName, SecurityGroupId,
    SeenState, Subnet, SubnetId, Tags, VpcId, add_tags, check_name,
};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::Failure;
use crate::auth::Target;
use crate::instance::{check_description, save};
use crate::ipv6::WantedIpv6;
use crate::nat_gateway::check_own;
use crate::network::touch_vpc;
use crate::private_address::{Wanted, choose, free_ip};
use crate::run::{Command, Cx};
use crate::security_group::{Membership, check_one_kind, group_of};
use crate::subnet::subnet_of;

/// Makes an interface that is plugged into nothing.
#[derive(Debug, Clone, Serialize)]
pub struct CreateInterface {
    /// Its subnet.
    pub subnet: SubnetId,
    /// The VPC that the subnet must be in, when that is said.
    pub vpc: Option<VpcId>,
    /// What else is said of it.
    pub new: NewInterface,
}

/// What is said of a new interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewInterface {
    /// Primary private address; a free one when none is said.
    pub ip: Option<Ipv4Addr>,
    /// Further private addresses.
    pub secondary: Wanted,
    /// IPv6 addresses.
    #[serde(default, skip_serializing_if = "WantedIpv6::is_unsaid")]
    pub ipv6: WantedIpv6,
    /// Security groups; the VPC's default one when none is said.
    pub groups: Vec<SecurityGroupId>,
    /// Whether it sends and takes packets of others' addresses too, as one does whose guest forwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchecked: bool,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Changes an interface. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyInterface {
    /// Which one.
    pub id: InterfaceId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// How its security groups change.
    pub groups: Option<Membership>,
    /// Whether it sends and takes only packets of its own addresses.
    pub checked: Option<bool>,
    /// Whether it goes with the instance that it is plugged into.
    pub delete_on_termination: Option<bool>,
}

impl ModifyInterface {
    /// Changes nothing yet.
    pub fn of(id: InterfaceId) -> ModifyInterface {
        ModifyInterface { id, name: None, description: None, groups: None, checked: None, delete_on_termination: None }
    }
}

/// Deletes an interface that is plugged into nothing. Elastic addresses on it are untied.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteInterface {
    /// Which one.
    pub id: InterfaceId,
}

impl Command for CreateInterface {
    type Reply = InterfaceId;
    const NAME: &'static str = "CreateInterface";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let subnet = tx.get::<Subnet>(self.subnet)?.filter(|row| row.account == cx.caller.account());
        let made = Target { path: Some("network-interface/*".to_owned()), request_tags: self.new.tags.clone(), ..Target::default() };
        let mut targets = vec![made, Target::of("subnet", self.subnet, &subnet.map(|row| row.tags).unwrap_or_default())];
        for id in &self.new.groups {
            targets.extend(crate::security_group::target(tx, cx, *id)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<InterfaceId, Failure> {
        let subnet = subnet_of(tx, cx.caller.account(), self.subnet)?;
        if let Some(vpc) = self.vpc.filter(|vpc| *vpc != subnet.vpc) {
            let reason = format!("the subnet {} is not in {vpc}", subnet.id);
            return Err(Error::InvalidCombination { reason }.into());
        }
        check_quota(tx, cx.caller.account(), 1)?;
        Ok(self.new.insert(tx, cx, &subnet)?.id)
    }
}

impl NewInterface {
    /// Adds the interface, plugged into nothing.
    pub(crate) fn insert(&self, tx: &mut Tx<'_>, cx: &Cx<'_>, subnet: &Subnet) -> Result<Interface, Failure> {
        check_name("NetworkInterfaceName", &self.name)?;
        check_description(&self.description)?;
        let groups = groups_or_default(tx, cx.caller.account(), subnet, &self.groups)?;
        let interface = self.row(tx, cx, subnet, groups)?;
        tx.interface_insert(&interface).map_err(|error| taken(error, subnet.id, interface.ip))?;
        Ok(interface)
    }

    /// The row of the interface with addresses that are free, in groups that were checked.
    pub(crate) fn row(&self, tx: &Tx<'_>, cx: &Cx<'_>, subnet: &Subnet, groups: Vec<SecurityGroupId>) -> Result<Interface, Failure> {
        let mut tags = Tags::new();
        add_tags(&mut tags, &self.tags)?;
        let id = InterfaceId::from_u64(cx.new_id());
        let mut interface = Interface {
            id,
            account: cx.caller.account(),
            vpc: subnet.vpc,
            subnet: subnet.id,
            ip: primary_ip(tx, subnet, self.ip, &self.secondary.ips)?,
            secondary: vec![],
            ipv6: vec![],
            // Ids of the last 12 days differ in these 40 bits; the unique pair of VPC and address guards what routing needs.
            mac: MacAddr::local(id.as_u64()),
            instance: None,
            index: 0,
            plug: Plug::Plugged,
            attachment: None,
            attached_at: None,
            delete_on_termination: false,
            groups,
            checked: !self.unchecked,
            nat_gateway: None,
            name: self.name.clone(),
            description: self.description.clone(),
            created_at: cx.now,
            tags,
        };
        if !self.secondary.is_none() {
            choose(tx, &mut interface, subnet, &self.secondary)?;
        }
        if !self.ipv6.is_unsaid() {
            if self.ipv6.total() > 0 {
                crate::ipv6::choose(tx, cx, &mut interface, subnet, &self.ipv6)?;
            }
        } else if subnet.ipv6_on_launch {
            crate::ipv6::choose(tx, cx, &mut interface, subnet, &WantedIpv6 { ips: vec![], count: Some(1) })?;
        }
        Ok(interface)
    }
}

/// The address that is asked for, or a free one that is not among these.
pub(crate) fn primary_ip(tx: &Tx<'_>, subnet: &Subnet, asked: Option<Ipv4Addr>, others: &[Ipv4Addr]) -> Result<Ipv4Addr, Failure> {
    match asked {
        Some(ip) if !subnet.allows(ip) => {
            Err(Error::invalid("PrivateIpAddress", format!("{ip} is not a usable address of {}", subnet.range)).into())
        }
        Some(ip) => Ok(ip),
        None => free_ip(tx, subnet, others),
    }
}

/// The refusal when an address is somebody's.
pub(crate) fn taken(error: StoreError, subnet: SubnetId, ip: Ipv4Addr) -> Failure {
    match error {
        StoreError::Duplicate { constraint, .. } if constraint != "id" => {
            Error::InUse { noun: Noun::Address, id: ip.to_string(), by: vec![subnet.to_string()] }.into()
        }
        error => error.into(),
    }
}

/// The refusal when an IPv6 address is somebody's.
pub(crate) fn taken_v6(error: StoreError, subnet: SubnetId, ips: &[Ipv6Addr]) -> Failure {
    match (error, ips.first()) {
        (StoreError::Duplicate { constraint, .. }, Some(ip)) if constraint != "id" => {
            Error::InUse { noun: Noun::Address, id: ip.to_string(), by: vec![subnet.to_string()] }.into()
        }
        (error, _) => error.into(),
    }
}

/// Refuses interfaces beyond the account's quota.
pub(crate) fn check_quota(tx: &Tx<'_>, account: AccountId, wanted: u64) -> Result<(), Failure> {
    let limit = tx.quota_limit(account, QuotaName::Interfaces)?;
    Ok(QuotaName::Interfaces.check(limit, tx.interface_count(account, limit)?, wanted)?)
}

pub(crate) fn groups_or_default(
    tx: &Tx<'_>,
    account: AccountId,
    subnet: &Subnet,
    asked: &[SecurityGroupId],
) -> Result<Vec<SecurityGroupId>, Failure> {
    if asked.is_empty() {
        let default = tx.security_group_named(subnet.vpc, model::DEFAULT_GROUP)?;
        return Ok(vec![default.ok_or_else(|| Error::not_found(Noun::SecurityGroup, model::DEFAULT_GROUP))?.id]);
    }
    check_groups(tx, account, subnet.vpc, asked)
}

/// The groups in order; refused when they are too many, none, or of another VPC.
fn check_groups(tx: &Tx<'_>, account: AccountId, vpc: VpcId, asked: &[SecurityGroupId]) -> Result<Vec<SecurityGroupId>, Failure> {
    let mut groups = asked.to_vec();
    groups.sort();
    groups.dedup();
    if groups.is_empty() || groups.len() > model::GROUPS_PER_INTERFACE_MAX {
        let reason = format!("an interface is in 1 to {} groups", model::GROUPS_PER_INTERFACE_MAX);
        return Err(Error::invalid("SecurityGroupId", reason).into());
    }
    let rows = groups.iter().map(|id| group_of(tx, account, *id)).collect::<Result<Vec<_>, _>>()?;
    if let Some(group) = rows.iter().find(|group| !group.is_of(vpc)) {
        let reason = format!("the security group {} and the interface belong to different VPCs", group.id);
        return Err(Error::InvalidCombination { reason }.into());
    }
    check_one_kind(&rows)?;
    Ok(groups)
}

impl Command for ModifyInterface {
    type Reply = ();
    const NAME: &'static str = "ModifyInterface";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.id)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let before = interface_of(tx, account, self.id)?;
        let mut after = before.clone();
        if let Some(name) = &self.name {
            check_name("NetworkInterfaceName", name)?;
            after.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            after.description.clone_from(description);
        }
        if let Some(change) = &self.groups {
            after.groups = check_groups(tx, account, after.vpc, &change.of(&before)?)?;
        }
        if let Some(goes) = self.delete_on_termination {
            if after.instance.is_none() {
                let (noun, id, state) = (Noun::Interface, after.id.to_string(), after.word());
                return Err(Error::IncorrectState { noun, id, state, wanted: "in-use" }.into());
            }
            after.delete_on_termination = goes;
        }
        after.checked = self.checked.unwrap_or(after.checked);
        tx.update(&after)?;
        if (&before.groups, before.checked) != (&after.groups, after.checked) {
            tell_host(tx, cx, &after)?;
            // Where a group is named by a rule, its members are looked for on every host of the VPC.
            touch_vpc(tx, after.vpc)?;
        }
        Ok(())
    }
}

impl Command for DeleteInterface {
    type Reply = ();
    const NAME: &'static str = "DeleteInterface";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.id)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let interface = interface_of(tx, cx.caller.account(), self.id)?;
        if let Some(instance) = interface.instance {
            return Err(Error::InUse { noun: Noun::Interface, id: interface.id.to_string(), by: vec![instance.to_string()] }.into());
        }
        check_own(&interface)?;
        delete(tx, &interface)
    }
}

/// Removes an interface and unties its elastic addresses.
fn delete(tx: &mut Tx<'_>, interface: &Interface) -> Result<(), Failure> {
    for mut address in tx.address_list_of_interface(interface.id)? {
        address.dissociate();
        tx.update(&address)?;
    }
    Ok(tx.interface_delete(interface.id)?)
}

/// Lets go of an instance that is gone: an interface that goes with it is deleted, another becomes available.
pub(crate) fn release(tx: &mut Tx<'_>, mut interface: Interface) -> Result<(), Failure> {
    if interface.delete_on_termination {
        return delete(tx, &interface);
    }
    interface.let_go();
    Ok(tx.update(&interface)?)
}

/// Advances those interfaces of an instance that are on their way to or from it.
pub(crate) fn advance_interfaces_of(tx: &mut Tx<'_>, id: InstanceId) -> Result<(), Failure> {
    for mut interface in tx.interface_list_of_instance(id)?.into_iter().filter(|interface| interface.plug != Plug::Plugged) {
        let machine = machine_of(tx.get::<Instance>(id)?.as_ref(), interface.id);
        if interface.advance(machine) == model::Changed::Yes {
            tx.update(&interface)?;
        }
    }
    Ok(())
}

/// What the machine of an instance has to do with an interface.
pub(crate) fn machine_of(instance: Option<&Instance>, interface: InterfaceId) -> Machine {
    let Some(instance) = instance else { return Machine::Absent };
    match instance.phase {
        Phase::Terminated => Machine::Absent,
        Phase::Stopped => Machine::Off,
        Phase::Running => match &instance.seen {
            Some(seen) if seen.state == SeenState::Running => Machine::On { has_it: seen.nics.contains(&interface) },
            Some(_) | None => Machine::Unsettled,
        },
        Phase::Launching { .. } | Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Terminating { .. } => Machine::Unsettled,
    }
}

/// The interface, if the account owns it.
pub(crate) fn interface_of(tx: &Tx<'_>, account: AccountId, id: InterfaceId) -> Result<Interface, Failure> {
    let interface = tx.get::<Interface>(id)?.filter(|interface| interface.account == account);
    Ok(interface.ok_or_else(|| Error::not_found(Noun::Interface, id))?)
}

/// What policies are asked about for a call on an interface.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: InterfaceId) -> Result<Target, Failure> {
    let own = tx.get::<Interface>(id)?.filter(|interface| interface.account == cx.caller.account());
    Ok(Target::of("network-interface", id, &own.map(|interface| interface.tags).unwrap_or_default()))
}

/// Has the host of an interface's instance hear of a change.
pub(crate) fn tell_host(tx: &mut Tx<'_>, cx: &Cx<'_>, interface: &Interface) -> Result<(), Failure> {
    match interface.instance.map(|id| tx.get::<Instance>(id)).transpose()?.flatten() {
        Some(mut instance) if instance.is_on_host() => save(tx, &mut instance, cx.now),
        Some(_) | None => Ok(()),
    }
}
