//! The network interfaces of a launch.

use std::net::Ipv4Addr;

use control::{FurtherNic, LaunchNics, NewInterface, WantedIpv6, WhichNic};
use model::{Error, Noun, SecurityGroupId, SubnetId};
use wire::FromArg;

use crate::error::{Refusal, combination, unsupported};
use crate::interface::{AskedIp, addresses, only_usual};
use crate::ipv6::{self, AskedAddress};
use crate::tag;

/// `NetworkInterface.1.DeviceIndex=0&...`.
#[derive(FromArg)]
pub(crate) struct NetworkInterface {
    #[arg(default)]
    device_index: u32,
    network_card_index: Option<u32>,
    network_interface_id: Option<String>,
    subnet_id: Option<String>,
    #[arg(name = "SecurityGroupId")]
    group_ids: Vec<String>,
    description: Option<String>,
    associate_public_ip_address: Option<bool>,
    private_ip_address: Option<Ipv4Addr>,
    #[arg(name = "PrivateIpAddresses")]
    private_ips: Vec<AskedIp>,
    secondary_private_ip_address_count: Option<usize>,
    #[arg(name = "Ipv6Addresses")]
    ipv6_addresses: Vec<AskedAddress>,
    ipv6_address_count: Option<usize>,
    delete_on_termination: Option<bool>,
    interface_type: Option<String>,
}

/// What is said of the primary interface beside the list of interfaces.
pub(crate) struct Beside {
    pub subnet: Option<String>,
    pub groups: Vec<String>,
    /// Whether groups are named.
    pub has_names: bool,
    pub ip: Option<Ipv4Addr>,
    pub ipv6: WantedIpv6,
}

/// What a launch is told of its interfaces.
pub(crate) struct Nics {
    pub subnet: Option<SubnetId>,
    pub groups: Vec<SecurityGroupId>,
    pub ip: Option<Ipv4Addr>,
    pub public: Option<bool>,
    pub deleted: Option<bool>,
    pub rest: LaunchNics,
}

/// Reads the interfaces of a launch.
pub(crate) fn read(beside: &Beside, asked: &[NetworkInterface]) -> Result<Nics, Refusal> {
    let subnet = |id: &Option<String>| tag::optional_id(Noun::Subnet, id.as_deref());
    if asked.is_empty() {
        return Ok(Nics {
            subnet: subnet(&beside.subnet)?,
            groups: tag::ids(Noun::SecurityGroup, &beside.groups)?,
            ip: beside.ip,
            public: None,
            deleted: None,
            rest: LaunchNics { ipv6: beside.ipv6.clone(), ..LaunchNics::default() },
        });
    }
    if beside.subnet.is_some() || !beside.groups.is_empty() || beside.has_names || beside.ip.is_some() || !beside.ipv6.is_unsaid() {
        return Err(combination("Network interfaces and an instance-level subnet, address or security groups exclude each other"));
    }
    let is_first = |nic: &&NetworkInterface| nic.device_index == 0;
    let mut firsts = asked.iter().filter(is_first);
    let first = firsts.next().ok_or_else(|| Error::invalid("DeviceIndex", "one interface must have the index 0"))?;
    if firsts.next().is_some() {
        return Err(Error::invalid("DeviceIndex", "each interface has its own").into());
    }
    for nic in asked {
        nic.check(asked.len())?;
    }
    let (ip, secondary) = first.addresses()?;
    let rest = LaunchNics {
        existing: first.existing()?,
        description: first.description.clone(),
        secondary,
        ipv6: ipv6::wanted(&first.ipv6_addresses, first.ipv6_address_count)?,
        kept: !first.delete_on_termination.unwrap_or(first.network_interface_id.is_none()),
        further: asked.iter().filter(|nic| !is_first(nic)).map(NetworkInterface::further).collect::<Result<_, _>>()?,
    };
    Ok(Nics {
        subnet: subnet(&first.subnet_id)?,
        groups: tag::ids(Noun::SecurityGroup, &first.group_ids)?,
        ip,
        public: first.associate_public_ip_address,
        deleted: first.delete_on_termination,
        rest,
    })
}

impl NetworkInterface {
    fn check(&self, all: usize) -> Result<(), Refusal> {
        if self.network_card_index.is_some_and(|card| card != 0) {
            return Err(unsupported("A second network card"));
        }
        only_usual(self.interface_type.as_deref())?;
        if self.associate_public_ip_address == Some(true) && (self.device_index != 0 || all > 1) {
            return Err(combination("AssociatePublicIpAddress can be given only for the one interface with the index 0"));
        }
        let new = self.subnet_id.is_some()
            || !self.group_ids.is_empty()
            || self.private_ip_address.is_some()
            || !self.private_ips.is_empty()
            || self.secondary_private_ip_address_count.is_some()
            || !self.ipv6_addresses.is_empty()
            || self.ipv6_address_count.is_some()
            || self.associate_public_ip_address.is_some();
        if self.network_interface_id.is_some() && new {
            return Err(combination("A network interface that exists keeps its subnet, its groups and its addresses"));
        }
        Ok(())
    }

    fn existing(&self) -> Result<Option<model::InterfaceId>, Refusal> {
        Ok(tag::optional_id(Noun::Interface, self.network_interface_id.as_deref())?)
    }

    fn addresses(&self) -> Result<(Option<Ipv4Addr>, control::Wanted), Refusal> {
        addresses(self.private_ip_address, &self.private_ips, self.secondary_private_ip_address_count)
    }

    fn further(&self) -> Result<FurtherNic, Refusal> {
        let (ip, secondary) = self.addresses()?;
        let which = match self.existing()? {
            Some(id) => WhichNic::Existing(id),
            None => {
                let subnet = tag::optional_id(Noun::Subnet, self.subnet_id.as_deref())?;
                let groups = tag::ids(Noun::SecurityGroup, &self.group_ids)?;
                let description = self.description.clone().unwrap_or_default();
                let ipv6 = ipv6::wanted(&self.ipv6_addresses, self.ipv6_address_count)?;
                WhichNic::New(subnet, NewInterface { ip, secondary, ipv6, groups, description, ..NewInterface::default() })
            }
        };
        let goes = self.delete_on_termination.unwrap_or(matches!(which, WhichNic::New(..)));
        Ok(FurtherNic { index: self.device_index, which, delete_on_termination: goes })
    }
}
