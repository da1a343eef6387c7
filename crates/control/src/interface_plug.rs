//! How interfaces come into instances that exist and out of them: at once on a stopped one, by its host on a running one.

use model::{AccountId, AttachmentId, Error, Instance, InstanceId, Interface, InterfaceId, Noun, Phase, PlugIn, Subnet, interface_limits};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::instance::{instance_of, save};
use crate::interface::{interface_of, machine_of, target, tell_host};
use crate::nat_gateway::check_own;
use crate::run::{Command, Cx};

/// Plugs an interface into an instance, running or stopped.
#[derive(Debug, Clone, Serialize)]
pub struct AttachInterface {
    /// The interface.
    pub interface: InterfaceId,
    /// The instance.
    pub instance: InstanceId,
    /// Its place, from 1; the first free one when none is said.
    pub index: Option<u32>,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
}

/// Takes an interface out of its instance.
#[derive(Debug, Clone, Serialize)]
pub struct DetachInterface {
    /// Which one.
    pub which: Plugged,
    /// The instance that it must be in, when that is said.
    pub instance: Option<InstanceId>,
    /// Whether the interface is free at once, whatever the host says of the instance.
    pub force: bool,
}

/// Moves an interface with all its addresses from one instance to another.
#[derive(Debug, Clone, Serialize)]
pub struct MoveInterface {
    /// The interface.
    pub interface: InterfaceId,
    /// The instance that has it.
    pub from: InstanceId,
    /// The instance that gets it, running or stopped.
    pub to: InstanceId,
}

/// An interface by what a caller knows of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Plugged {
    /// By its tie to an instance.
    By(AttachmentId),
    /// By itself.
    Interface(InterfaceId),
}

impl Command for AttachInterface {
    type Reply = Interface;
    const NAME: &'static str = "AttachInterface";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.interface)?, instance_target(tx, cx, self.instance)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Interface, Failure> {
        let mut interface = interface_of(tx, cx.caller.account(), self.interface)?;
        plug_in(tx, cx, &mut interface, self.instance, self.index)?;
        interface.delete_on_termination = self.delete_on_termination;
        tx.update(&interface)?;
        Ok(interface)
    }
}

impl Command for DetachInterface {
    type Reply = Interface;
    const NAME: &'static str = "DetachInterface";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        match self.found(tx, cx.caller.account()) {
            Ok(interface) => {
                let mut targets = vec![Target::of("network-interface", interface.id, &interface.tags)];
                if let Some(id) = interface.instance {
                    targets.push(instance_target(tx, cx, id)?);
                }
                Ok(targets)
            }
            Err(Failure::Refused(_)) => Ok(vec![Target::any()]),
            Err(failure) => Err(failure),
        }
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Interface, Failure> {
        let mut interface = self.found(tx, cx.caller.account())?;
        if self.instance.is_some() && interface.instance != self.instance {
            let named = self.instance.map_or_else(String::new, |id| id.to_string());
            let reason = format!("the network interface {} is not attached to {named}", interface.id);
            return Err(Error::invalid("Attachment", reason).into());
        }
        unplug(tx, cx, &mut interface, self.force)?;
        Ok(interface)
    }
}

impl DetachInterface {
    fn found(&self, tx: &Tx<'_>, account: AccountId) -> Result<Interface, Failure> {
        match self.which {
            Plugged::Interface(id) => interface_of(tx, account, id),
            Plugged::By(id) => {
                let found = tx.interface_list(account)?.into_iter().find(|interface| interface.attachment() == Some(id));
                Ok(found.ok_or_else(|| Error::not_found(Noun::Attachment, id))?)
            }
        }
    }
}

impl Command for MoveInterface {
    type Reply = ();
    const NAME: &'static str = "MoveInterface";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.interface)?, instance_target(tx, cx, self.from)?, instance_target(tx, cx, self.to)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut interface = interface_of(tx, cx.caller.account(), self.interface)?;
        if interface.instance != Some(self.from) {
            let reason = format!("the network interface {} is not attached to {}", interface.id, self.from);
            return Err(Error::invalid("Attachment", reason).into());
        }
        let goes = interface.delete_on_termination;
        unplug(tx, cx, &mut interface, true)?;
        plug_in(tx, cx, &mut interface, self.to, None)?;
        interface.delete_on_termination = goes;
        Ok(tx.update(&interface)?)
    }
}

fn instance_target(tx: &Tx<'_>, cx: &Cx<'_>, id: InstanceId) -> Result<Target, Failure> {
    let own = tx.get::<Instance>(id)?.filter(|row| row.account == cx.caller.account());
    Ok(Target::of("instance", id, &own.map(|row| row.tags).unwrap_or_default()))
}

fn plug_in(tx: &mut Tx<'_>, cx: &Cx<'_>, interface: &mut Interface, id: InstanceId, index: Option<u32>) -> Result<(), Failure> {
    if let Some(holder) = interface.instance {
        return Err(Error::InUse { noun: Noun::Interface, id: interface.id.to_string(), by: vec![holder.to_string()] }.into());
    }
    check_own(interface)?;
    let mut instance = instance_of(tx, cx.caller.account(), id)?;
    if !matches!(instance.phase, Phase::Running | Phase::Stopped) {
        let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
        return Err(Error::IncorrectState { noun, id, state, wanted: "running or stopped" }.into());
    }
    check_place(tx, interface, &instance)?;
    let held = tx.interface_list_of_instance(id)?;
    check_limits(&instance.instance_type, &id.to_string(), held.len() + 1, interface)?;
    let index = free_index(&held, &instance, index)?;
    let attachment = AttachmentId::from_u64(cx.new_id());
    interface.attach(PlugIn { instance: id, index, attachment, running: instance.phase == Phase::Running }, cx.now)?;
    tx.update(interface)?;
    save(tx, &mut instance, cx.now)
}

/// An instance's interfaces are in its VPC and in its zone.
pub(crate) fn check_place(tx: &Tx<'_>, interface: &Interface, instance: &Instance) -> Result<(), Failure> {
    if interface.vpc != instance.vpc {
        let reason = format!("the network interface {} and the instance {} belong to different VPCs", interface.id, instance.id);
        return Err(Error::InvalidCombination { reason }.into());
    }
    let subnet = tx.get::<Subnet>(interface.subnet)?.ok_or_else(|| Error::not_found(Noun::Subnet, interface.subnet))?;
    if subnet.zone != instance.zone {
        let (noun, id) = (Noun::Interface, interface.id.to_string());
        return Err(Error::ZoneMismatch { noun, id, zone: subnet.zone, wanted: instance.zone.clone() }.into());
    }
    Ok(())
}

/// Refuses more interfaces than a type has, and more addresses than each of them has.
pub(crate) fn check_limits(instance_type: &str, id: &str, interfaces: usize, interface: &Interface) -> Result<(), Error> {
    let (most, addresses) = interface_limits(instance_type);
    if interfaces > most {
        let what = format!("network interfaces on the instance {id} of type {instance_type}");
        return Err(Error::LimitReached { name: "NetworkInterface", what, limit: most as u64 });
    }
    if interface.addresses().count() > addresses {
        let what = format!("private addresses on an interface of an instance of type {instance_type}");
        return Err(Error::LimitReached { name: "PrivateIpAddress", what, limit: addresses as u64 });
    }
    Ok(())
}

fn free_index(held: &[Interface], instance: &Instance, asked: Option<u32>) -> Result<u32, Error> {
    let most = interface_limits(&instance.instance_type).0 as u32;
    let is_free = |index: u32| !held.iter().any(|interface| interface.index == index);
    match asked {
        // The most is checked before, so one of these is free.
        None => (1..=most).find(|index| is_free(*index)).ok_or(Error::Internal),
        Some(index) if !(1..most).contains(&index) => Err(Error::invalid("DeviceIndex", format!("must be 1 to {}", most.max(2) - 1))),
        Some(index) if !is_free(index) => {
            Err(Error::invalid("DeviceIndex", format!("the instance {} already has an interface attached at {index}", instance.id)))
        }
        Some(index) => Ok(index),
    }
}

fn unplug(tx: &mut Tx<'_>, cx: &Cx<'_>, interface: &mut Interface, force: bool) -> Result<(), Failure> {
    let instance = interface.instance.map(|id| tx.get::<Instance>(id)).transpose()?.flatten();
    let was_in = interface.clone();
    if let Some(instance) = &instance
        && !force
        && !matches!(instance.phase, Phase::Running | Phase::Stopped)
    {
        let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
        return Err(Error::IncorrectState { noun, id, state, wanted: "running or stopped" }.into());
    }
    interface.detach(!force)?;
    interface.advance(machine_of(instance.as_ref(), interface.id));
    tx.update(interface)?;
    tell_host(tx, cx, &was_in)
}
