//! Changes of the type of an instance. It stays on its host, where its disks are, so that host must have room for the new type.

use model::{
    Catalogue, Changed, Error, Host, Image, Instance, InstanceId, InstanceType, Interface, Noun, STOP_GRACE_SECONDS, TypeChange,
    volumes_max,
};
use serde::Serialize;
use store::Tx;

use crate::auth::{Caller, Target};
use crate::capacity_slot::change_slot;
use crate::instance::{instance_of, save, targets};
use crate::interface_plug::check_limits;
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// What becomes of an instance that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum WhileRunning {
    /// The change is refused.
    Refused,
    /// It is stopped, changed and started again.
    Restarted,
}

/// Gives an instance another type.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeInstanceType {
    /// Which one.
    pub id: InstanceId,
    /// Name of the type, any vendor's.
    pub instance_type: String,
    /// What becomes of it when it runs.
    pub running: WhileRunning,
}

impl Command for ChangeInstanceType {
    type Reply = ();
    const NAME: &'static str = "ChangeInstanceType";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &[self.id])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let before = instance_of(tx, cx.caller.account(), self.id)?;
        before.check_on_host()?;
        let known = Catalogue::standard().by_name(&self.instance_type);
        let kind = known.ok_or_else(|| Error::not_found(Noun::InstanceType, &self.instance_type))?;
        let mut instance = before.clone();
        let to = TypeChange::new(&instance, kind, &self.instance_type);
        let changed = match self.running {
            WhileRunning::Refused => instance.change_type(to)?,
            WhileRunning::Restarted => instance.change_type_by_restart(to, STOP_GRACE_SECONDS, cx.now)?,
        };
        if changed == Changed::No {
            return Ok(());
        }
        let is_other = Catalogue::standard().by_name(&before.instance_type).is_none_or(|had| had.name != kind.name);
        if is_other {
            change_slot(tx, cx, &mut instance, kind)?;
        }
        Surroundings::read(tx, &before)?.check(kind)?;
        save(tx, &mut instance, cx.now)
    }
}

/// A type that an instance could be changed to.
#[derive(Debug, Clone)]
pub struct TypeChoice {
    /// The type.
    pub kind: &'static InstanceType,
    /// Why it cannot be chosen now.
    pub refusal: Option<Error>,
}

impl Cloud {
    /// The types that an instance could be changed to if it were stopped, and what is against each. A look and no promise.
    pub async fn instance_type_choices(&self, caller: &Caller, id: InstanceId) -> Result<Vec<TypeChoice>, Error> {
        let look = move |tx: &Tx<'_>, cx: &Cx<'_>| {
            let instance = instance_of(tx, cx.caller.account(), id)?;
            instance.check_on_host()?;
            let mut around = Surroundings::read(tx, &instance)?;
            if instance.slot.is_some() {
                // Its slot stays with its reservation, and takes the room of the type that it is for.
                let (vcpus, memory) = instance.held();
                around.others = (around.others.0 + u64::from(vcpus), around.others.1 + memory.0);
            }
            let is_other = |kind: &&InstanceType| around.kind.is_none_or(|now| now.name != kind.name);
            let choice = |kind: &'static InstanceType| TypeChoice { kind, refusal: around.check(kind).err() };
            Ok::<_, Failure>(Catalogue::standard().all().iter().filter(is_other).map(choice).collect())
        };
        self.read(caller, vec![Target::any()], look).await
    }
}

/// What a new type must fit: the host, the image, and what the instance has already.
struct Surroundings {
    instance: Instance,
    kind: Option<&'static InstanceType>,
    image: Option<Image>,
    interfaces: Vec<Interface>,
    volumes: usize,
    host: Option<Host>,
    /// Processors and MiB that the others on the host take, and free slots of capacity reservations.
    others: (u64, u64),
}

impl Surroundings {
    fn read(tx: &Tx<'_>, instance: &Instance) -> Result<Surroundings, Failure> {
        let all = tx.instance_held_on_host(instance.host)?.and(tx.capacity_slot_held_on_host(instance.host)?);
        let (vcpus, memory) = instance.held();
        Ok(Surroundings {
            instance: instance.clone(),
            kind: Catalogue::standard().by_name(&instance.instance_type),
            image: tx.get::<Image>(instance.image)?,
            interfaces: tx.interface_list_of_instance(instance.id)?,
            volumes: tx.volume_list_of_instance(instance.id)?.len(),
            host: tx.get::<Host>(instance.host)?,
            others: (all.vcpus.saturating_sub(vcpus.into()), all.memory_mib.saturating_sub(memory.0)),
        })
    }

    fn check(&self, kind: &InstanceType) -> Result<(), Error> {
        let (id, name) = (self.instance.id.to_string(), kind.name.as_str());
        let architecture = self.image.as_ref().map(|image| image.architecture).or(self.kind.map(|now| now.architecture));
        if let Some(architecture) = architecture.filter(|architecture| *architecture != kind.architecture) {
            let reason = format!("the system disk is for {architecture}, the instance type {name} is not");
            return Err(Error::InvalidCombination { reason });
        }
        self.interfaces.iter().try_for_each(|interface| check_limits(name, &id, self.interfaces.len(), interface))?;
        let limit = volumes_max(name);
        if self.volumes > limit {
            return Err(Error::TooManyVolumes { id, limit });
        }
        self.check_room(kind)
    }

    /// One that has given its processors and memory back takes them again when it starts; until then its host need only be large
    /// enough.
    fn check_room(&self, kind: &InstanceType) -> Result<(), Error> {
        let capacity = self.host.as_ref().and_then(|host| host.capacity.as_ref());
        let (vcpus, memory) = capacity.map_or((0, 0), |capacity| (u64::from(capacity.vcpus), capacity.memory.0));
        let holds = self.instance.holds_capacity();
        let (taken_vcpus, taken_memory) = if holds { self.others } else { (0, 0) };
        let (held_vcpus, held_memory) = self.instance.held();
        let lacks_vcpus = kind.vcpus > held_vcpus && taken_vcpus + u64::from(kind.vcpus) > vcpus;
        let lacks_memory = kind.memory > held_memory && taken_memory + kind.memory.0 > memory;
        let lacks = match (lacks_vcpus, lacks_memory) {
            (false, false) => return Ok(()),
            (true, false) => "processors",
            (false, true) => "memory",
            (true, true) => "processors and memory",
        };
        let left = if holds { "left" } else { "in all" };
        let reason = format!("the host that keeps its disks has not so much {lacks} {left}");
        Err(Error::NoCapacity { wanted: format!("{} in {}", kind.name, self.instance.zone), reason })
    }
}
