//! Network interfaces: things of their own, plugged into instances and taken out again.
//!
//! ```text
//!                 attach (off)                      ┌───────────── attach (running)
//!   available ──────────────────▶ Plugged ◀── seen ─┴ Plugging
//!       ▲                            │                   │
//!       │   by force, or off         ▼ detach            │ detach
//!       └─────────────────────── Unplugging ◀────────────┘
//!                 (the machine's end of the cable is cut)
//! ```
//!
//! An interface keeps its hardware address, its private addresses, its groups and the public addresses tied to it wherever it
//! goes. The interface that an instance was made with stays with it for life.
//!
//! Not known here: how a card is put into a machine, what its guest does with it.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, AttachmentId, Catalogue, Changed, Error, InstanceId, InterfaceId, MacAddr, Machine, Millis, NatGatewayId, Noun,
    SecurityGroupId, SubnetId, Tags, VpcId,
};

/// Most security groups on one interface.
pub const GROUPS_PER_INTERFACE_MAX: usize = 5;
/// Most interfaces of any instance: with 20 data disks they still find places on a machine's bus.
pub const INTERFACES_PER_INSTANCE_MAX: usize = 8;

/// A network interface with its private addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its id.
    pub id: InterfaceId,
    /// Owner.
    pub account: AccountId,
    /// VPC of its subnet.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Primary private address, until its instance moves to another subnet. Every address is unique in the VPC.
    pub ip: Ipv4Addr,
    /// Further private addresses, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondary: Vec<Ipv4Addr>,
    /// IPv6 addresses, in the order in which they came. Every one is unique in the VPC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv6: Vec<Ipv6Addr>,
    /// Hardware address, unique in the installation.
    pub mac: MacAddr,
    /// The instance that it is plugged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// Its place in that instance; 0 is the primary interface, which stays.
    #[serde(default)]
    pub index: u32,
    /// How far it is plugged in.
    #[serde(default)]
    pub plug: Plug,
    /// The tie to the instance. Interfaces of earlier versions have none that is written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<AttachmentId>,
    /// When it was plugged in; when it was made, where that is not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached_at: Option<Millis>,
    /// Whether it goes when its instance is terminated.
    pub delete_on_termination: bool,
    /// Security groups, 1 to [`GROUPS_PER_INTERFACE_MAX`].
    pub groups: Vec<SecurityGroupId>,
    /// Whether it sends and takes only packets of its own addresses.
    #[serde(default = "yes")]
    pub checked: bool,
    /// The NAT gateway that it belongs to; such an interface is in no instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_gateway: Option<NatGatewayId>,
    /// Display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// What rows of earlier versions meant.
fn yes() -> bool {
    true
}

/// How far an interface is plugged into its instance. Without one it is always [`Plug::Plugged`], which then says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plug {
    /// It is in, or will be when the machine starts.
    #[default]
    Plugged,
    /// The running machine is to get it.
    Plugging,
    /// The running machine is to lose it.
    Unplugging,
}

/// How an interface is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlugIn {
    /// Into this instance.
    pub instance: InstanceId,
    /// At this place.
    pub index: u32,
    /// The new tie.
    pub attachment: AttachmentId,
    /// Whether the instance runs, so that its host has to do something.
    pub running: bool,
}

impl Interface {
    /// Its private addresses, the primary one first.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        std::iter::once(self.ip).chain(self.secondary.iter().copied())
    }

    /// Whether this is one of its private addresses.
    pub fn has(&self, ip: Ipv4Addr) -> bool {
        self.addresses().any(|own| own == ip)
    }

    /// Whether the machine of its instance should have it.
    pub fn is_wanted_by_machine(&self) -> bool {
        self.instance.is_some() && self.plug != Plug::Unplugging
    }

    /// Whether it is the interface that its instance was made with.
    pub fn is_primary(&self) -> bool {
        self.instance.is_some() && self.index == 0
    }

    /// The name that is shown: its own, else that of its `Name` tag.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { self.tags.get("Name").map_or("", String::as_str) } else { &self.name }
    }

    /// Its state in one word.
    pub fn word(&self) -> &'static str {
        if self.instance.is_some() { "in-use" } else { "available" }
    }

    /// How far it is plugged in, in one word; none when it is not.
    pub fn plug_word(&self) -> Option<&'static str> {
        self.instance.map(|_| match self.plug {
            Plug::Plugged => "attached",
            Plug::Plugging => "attaching",
            Plug::Unplugging => "detaching",
        })
    }

    /// The tie to its instance; interfaces of earlier versions have one in their life, with their own digits.
    pub fn attachment(&self) -> Option<AttachmentId> {
        self.instance.map(|_| self.attachment.unwrap_or(AttachmentId::from_u64(self.id.as_u64())))
    }

    /// Plugs it in.
    pub fn attach(&mut self, into: PlugIn, now: Millis) -> Result<(), Error> {
        if self.instance.is_some() {
            return Err(self.wrong_state("available"));
        }
        self.instance = Some(into.instance);
        self.index = into.index;
        self.attachment = Some(into.attachment);
        self.attached_at = Some(now);
        self.delete_on_termination = false;
        self.plug = if into.running { Plug::Plugging } else { Plug::Plugged };
        Ok(())
    }

    /// Takes it out of a machine that runs: its host cuts the cable and says so. With `wait` false nobody is waited for.
    pub fn detach(&mut self, wait: bool) -> Result<(), Error> {
        if self.instance.is_none() {
            return Err(self.wrong_state("in-use"));
        }
        if self.index == 0 {
            return Err(Error::Protected { noun: Noun::Interface, id: self.id.to_string(), against: "detaching" });
        }
        if wait && self.plug == Plug::Unplugging {
            return Err(self.wrong_state("in-use"));
        }
        if wait {
            self.plug = Plug::Unplugging;
        } else {
            self.let_go();
        }
        Ok(())
    }

    /// Forgets its instance.
    pub fn let_go(&mut self) {
        self.instance = None;
        self.index = 0;
        self.plug = Plug::Plugged;
        self.attachment = None;
        self.attached_at = None;
        self.delete_on_termination = false;
    }

    /// Goes on with what its machine does.
    pub fn advance(&mut self, machine: Machine) -> Changed {
        let before = (self.instance, self.plug);
        match (self.plug, machine) {
            (Plug::Plugged, _) | (Plug::Plugging | Plug::Unplugging, Machine::Unsettled) => {}
            (Plug::Plugging, Machine::Off | Machine::On { has_it: true }) => self.plug = Plug::Plugged,
            (Plug::Plugging, Machine::On { has_it: false }) | (Plug::Unplugging, Machine::On { has_it: true }) => {}
            (Plug::Unplugging, Machine::Off | Machine::On { has_it: false }) | (_, Machine::Absent) => self.let_go(),
        }
        if before == (self.instance, self.plug) { Changed::No } else { Changed::Yes }
    }

    fn wrong_state(&self, wanted: &'static str) -> Error {
        let state = self.plug_word().filter(|word| *word != "attached").unwrap_or(self.word());
        Error::IncorrectState { noun: Noun::Interface, id: self.id.to_string(), state, wanted }
    }
}

/// Most interfaces of an instance of this type, and most private addresses of each.
pub fn interface_limits(instance_type: &str) -> (usize, usize) {
    let network = Catalogue::standard().by_name(instance_type).map(|kind| kind.network);
    let (interfaces, addresses) = network.map_or((1, 1), |network| (network.max_interfaces.into(), network.ips_per_interface.into()));
    (INTERFACES_PER_INSTANCE_MAX.min(interfaces), addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface() -> Interface {
        Interface {
            id: InterfaceId::from_u64(5),
            account: AccountId::from_u64(1).unwrap(),
            vpc: VpcId::from_u64(1),
            subnet: SubnetId::from_u64(1),
            ip: Ipv4Addr::new(10, 0, 0, 5),
            secondary: vec![Ipv4Addr::new(10, 0, 0, 6)],
            ipv6: vec![],
            mac: MacAddr::local(5),
            instance: None,
            index: 0,
            plug: Plug::Plugged,
            attachment: None,
            attached_at: None,
            delete_on_termination: false,
            groups: vec![SecurityGroupId::from_u64(1)],
            checked: true,
            nat_gateway: None,
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    fn plugged(index: u32, running: bool) -> Interface {
        let mut nic = interface();
        nic.attach(PlugIn { instance: InstanceId::from_u64(7), index, attachment: AttachmentId::from_u64(9), running }, Millis(1)).unwrap();
        nic
    }

    #[test]
    fn an_interface_is_in_when_the_machine_has_it_and_out_when_it_has_not() {
        let mut nic = plugged(1, true);
        assert_eq!((nic.plug_word(), nic.is_wanted_by_machine()), (Some("attaching"), true));
        assert_eq!(nic.advance(Machine::On { has_it: false }), Changed::No);
        assert_eq!(nic.advance(Machine::On { has_it: true }), Changed::Yes);
        assert_eq!(nic.plug_word(), Some("attached"));
        nic.detach(true).unwrap();
        assert_eq!((nic.plug_word(), nic.is_wanted_by_machine()), (Some("detaching"), false));
        assert_eq!(nic.advance(Machine::On { has_it: true }), Changed::No);
        assert_eq!(nic.advance(Machine::On { has_it: false }), Changed::Yes);
        assert_eq!((nic.word(), nic.plug_word(), nic.attachment()), ("available", None, None));
    }

    #[test]
    fn from_every_state_of_the_plug_a_machine_that_is_off_or_gone_leads_to_rest() {
        for unplugging in [false, true] {
            for machine in [Machine::Off, Machine::Absent] {
                let mut nic = plugged(1, true);
                if unplugging {
                    nic.detach(true).unwrap();
                }
                nic.advance(machine);
                assert_eq!(nic.plug, Plug::Plugged, "{unplugging} {machine:?}");
                assert_eq!(nic.instance.is_some(), !unplugging && machine == Machine::Off);
            }
        }
    }

    #[test]
    fn by_force_nobody_is_waited_for() {
        let mut nic = plugged(1, true);
        nic.detach(true).unwrap();
        nic.detach(false).unwrap();
        assert_eq!(nic.word(), "available");
    }

    #[test]
    fn the_first_interface_stays_and_one_in_use_is_not_plugged_in_again() {
        assert!(matches!(plugged(0, false).detach(false), Err(Error::Protected { .. })));
        let into = PlugIn { instance: InstanceId::from_u64(8), index: 1, attachment: AttachmentId::from_u64(1), running: false };
        assert!(matches!(plugged(1, false).attach(into, Millis(2)), Err(Error::IncorrectState { state: "in-use", .. })));
        assert!(matches!(interface().detach(true), Err(Error::IncorrectState { state: "available", .. })));
    }

    #[test]
    fn the_limits_are_the_types() {
        assert_eq!(interface_limits("t3.nano"), (2, 2));
        assert_eq!(interface_limits("no such type"), (1, 1));
        assert!(Catalogue::standard().all().iter().all(|kind| interface_limits(&kind.name).0 <= INTERFACES_PER_INSTANCE_MAX));
    }
}
