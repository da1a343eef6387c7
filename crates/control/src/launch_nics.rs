//! The interfaces of a launch: the primary one, new or brought along, and further ones.

use model::{
    AttachmentId, Error, InstanceId, Interface, InterfaceId, Noun, PlugIn, SecurityGroupId, Subnet, SubnetId, Tags, check_name,
    interface_limits,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::instance::check_description;
use crate::interface::{NewInterface, check_quota, groups_or_default, interface_of, taken};
use crate::ipv6::WantedIpv6;
use crate::private_address::Wanted;
use crate::run::Cx;
use crate::subnet::subnet_of;

/// What is said of the interfaces of a launch, beyond the subnet, groups and address of the primary one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchNics {
    /// An interface that is there and becomes the primary one.
    pub existing: Option<InterfaceId>,
    /// Description of a new primary interface.
    pub description: Option<String>,
    /// Further private addresses of a new primary interface.
    pub secondary: Wanted,
    /// IPv6 addresses of a new primary interface.
    #[serde(default, skip_serializing_if = "WantedIpv6::is_unsaid")]
    pub ipv6: WantedIpv6,
    /// Whether the primary interface outlives the instance.
    pub kept: bool,
    /// Further interfaces.
    pub further: Vec<FurtherNic>,
}

/// A further interface of each instance of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherNic {
    /// Its place, from 1.
    pub index: u32,
    /// Which one.
    pub which: WhichNic,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
}

/// A further interface, new or brought along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhichNic {
    /// One that is there.
    Existing(InterfaceId),
    /// A new one in this subnet; the primary interface's when none is said.
    New(Option<SubnetId>, NewInterface),
}

impl LaunchNics {
    /// Whether an instance has one interface, which the launch makes.
    pub(crate) fn is_one_new(&self) -> bool {
        self.further.is_empty() && self.existing.is_none()
    }

    /// Whether every instance gets the same interface, so that there can be only one.
    pub(crate) fn is_for_one(&self) -> bool {
        let chosen = |new: &NewInterface| new.ip.is_some() || !new.ipv6.ips.is_empty() || !new.secondary.ips.is_empty();
        let bound = |nic: &FurtherNic| match &nic.which {
            WhichNic::Existing(_) => true,
            WhichNic::New(_, new) => chosen(new),
        };
        self.existing.is_some() || !self.ipv6.ips.is_empty() || !self.secondary.ips.is_empty() || self.further.iter().any(bound)
    }

    /// Checks what needs no rows, for instances of this type.
    pub(crate) fn check(&self, instance_type: &str) -> Result<(), Error> {
        let (interfaces, addresses) = interface_limits(instance_type);
        if 1 + self.further.len() > interfaces {
            let what = format!("network interfaces on an instance of type {instance_type}");
            return Err(Error::LimitReached { name: "NetworkInterface", what, limit: interfaces as u64 });
        }
        let mut wanted = vec![&self.secondary];
        let mut wanted_v6 = vec![&self.ipv6];
        for (at, nic) in self.further.iter().enumerate() {
            if !(1..interfaces as u32).contains(&nic.index) || self.further[..at].iter().any(|other| other.index == nic.index) {
                return Err(Error::invalid("DeviceIndex", format!("each interface has its own, 0 to {}", interfaces - 1)));
            }
            if let WhichNic::New(_, new) = &nic.which {
                check_name("NetworkInterfaceName", &new.name)?;
                check_description(&new.description)?;
                wanted.push(&new.secondary);
                wanted_v6.push(&new.ipv6);
            }
        }
        if wanted.iter().any(|wanted| 1 + wanted.total() > addresses) {
            let what = format!("private addresses on an interface of an instance of type {instance_type}");
            return Err(Error::LimitReached { name: "PrivateIpAddress", what, limit: addresses as u64 });
        }
        if wanted_v6.iter().any(|wanted| wanted.total() > addresses) {
            let what = format!("IPv6 addresses on an interface of an instance of type {instance_type}");
            return Err(Error::LimitReached { name: "Ipv6AddressCount", what, limit: addresses as u64 });
        }
        check_description(self.description.as_deref().unwrap_or_default())
    }

    /// The primary interface of an instance, of which `new` is said if it is made.
    pub(crate) fn primary(
        &self,
        tx: &mut Tx<'_>,
        cx: &Cx<'_>,
        new: &NewInterface,
        subnet: &Subnet,
        instance: InstanceId,
    ) -> Result<Interface, Failure> {
        let place = Place { instance, index: 0, goes: !self.kept };
        match self.existing {
            Some(id) => bring(tx, cx, id, subnet, place),
            None => make(tx, cx, new, subnet, new.groups.clone(), place),
        }
    }

    /// Adds the further interfaces of an instance whose primary one is in this subnet; `tags` are of those that have none of their own.
    pub(crate) fn insert_further(
        &self,
        tx: &mut Tx<'_>,
        cx: &Cx<'_>,
        primary: &Subnet,
        instance: InstanceId,
        tags: &Tags,
    ) -> Result<(), Failure> {
        let made = self.further.iter().filter(|nic| matches!(nic.which, WhichNic::New(..))).count() as u64;
        if made > 0 {
            check_quota(tx, cx.caller.account(), made)?;
        }
        for nic in &self.further {
            let place = Place { instance, index: nic.index, goes: nic.delete_on_termination };
            match &nic.which {
                WhichNic::Existing(id) => drop(bring(tx, cx, *id, primary, place)?),
                WhichNic::New(subnet, new) => {
                    let subnet = subnet_of(tx, cx.caller.account(), subnet.unwrap_or(primary.id))?;
                    check_beside(&subnet, primary)?;
                    let groups = groups_or_default(tx, cx.caller.account(), &subnet, &new.groups)?;
                    let tags = if new.tags.is_empty() { tags.clone() } else { new.tags.clone() };
                    make(tx, cx, &NewInterface { tags, ..new.clone() }, &subnet, groups, place)?;
                }
            }
        }
        Ok(())
    }
}

/// Where an interface comes.
#[derive(Clone, Copy)]
struct Place {
    instance: InstanceId,
    index: u32,
    /// Whether it goes with the instance.
    goes: bool,
}

fn plug_in(cx: &Cx<'_>, interface: &mut Interface, place: Place, attachment: AttachmentId) -> Result<(), Error> {
    interface.attach(PlugIn { instance: place.instance, index: place.index, attachment, running: false }, cx.now)?;
    interface.delete_on_termination = place.goes;
    Ok(())
}

fn make(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    new: &NewInterface,
    subnet: &Subnet,
    groups: Vec<SecurityGroupId>,
    place: Place,
) -> Result<Interface, Failure> {
    let mut interface = new.row(tx, cx, subnet, groups)?;
    // The first tie of an interface that is made for it has the interface's digits.
    let attachment = AttachmentId::from_u64(interface.id.as_u64());
    plug_in(cx, &mut interface, place, attachment)?;
    tx.interface_insert(&interface).map_err(|error| taken(error, subnet.id, interface.ip))?;
    Ok(interface)
}

fn bring(tx: &mut Tx<'_>, cx: &Cx<'_>, id: InterfaceId, beside: &Subnet, place: Place) -> Result<Interface, Failure> {
    let mut interface = interface_of(tx, cx.caller.account(), id)?;
    let subnet = tx.get::<Subnet>(interface.subnet)?.ok_or_else(|| Error::not_found(Noun::Subnet, interface.subnet))?;
    check_beside(&subnet, beside)?;
    plug_in(cx, &mut interface, place, AttachmentId::from_u64(cx.new_id()))?;
    tx.update(&interface)?;
    Ok(interface)
}

/// All interfaces of an instance are in one VPC and one zone.
fn check_beside(subnet: &Subnet, primary: &Subnet) -> Result<(), Error> {
    if (subnet.vpc, &subnet.zone) != (primary.vpc, &primary.zone) {
        let reason = format!("the subnets {} and {} are not in one VPC and zone", subnet.id, primary.id);
        return Err(Error::InvalidCombination { reason });
    }
    Ok(())
}
