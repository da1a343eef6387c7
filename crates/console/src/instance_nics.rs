//! The network interfaces of a launch, beyond subnet, groups and address of the primary one.

use std::net::{Ipv4Addr, Ipv6Addr};

use control::{FurtherNic, LaunchNics, NewInterface, Wanted, WantedIpv6, WhichNic};
use model::{InterfaceId, SecurityGroupId, SubnetId, Tags};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::Refusal;
use crate::schema;

/// What else is said of the primary interface.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Primary {
    /// One that is there becomes it; it keeps its subnet, groups and addresses.
    #[schemars(with = "Option<schema::InterfaceId>")]
    id: Option<InterfaceId>,
    description: Option<String>,
    /// Further private addresses.
    secondary_ips: Vec<Ipv4Addr>,
    /// So many free private addresses beside.
    secondary_ip_count: usize,
    /// IPv6 addresses.
    ipv6: Vec<Ipv6Addr>,
    /// So many free IPv6 addresses beside; as many as the subnet gives by itself when nothing is said.
    ipv6_count: Option<usize>,
    /// Whether it goes with the instance, as a new one does when nothing is said.
    delete_on_termination: Option<bool>,
}

/// A further interface of each instance.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Further {
    /// Its place, from 1.
    #[schemars(range(min = 1))]
    index: u32,
    /// One that is there; it keeps its subnet, groups and addresses.
    #[schemars(with = "Option<schema::InterfaceId>")]
    id: Option<InterfaceId>,
    /// The subnet of a new one; the primary interface's when none is given.
    #[schemars(with = "Option<schema::SubnetId>")]
    subnet: Option<SubnetId>,
    /// Security groups of a new one; the VPC's default one when none is given.
    #[serde(default)]
    #[schemars(with = "Vec<schema::SecurityGroupId>")]
    security_groups: Vec<SecurityGroupId>,
    /// Primary private address of a new one.
    private_ip: Option<Ipv4Addr>,
    /// Further private addresses of a new one.
    #[serde(default)]
    secondary_ips: Vec<Ipv4Addr>,
    /// So many free private addresses beside.
    #[serde(default)]
    secondary_ip_count: usize,
    /// IPv6 addresses of a new one.
    #[serde(default)]
    ipv6: Vec<Ipv6Addr>,
    /// So many free IPv6 addresses beside; as many as the subnet gives by itself when nothing is said.
    ipv6_count: Option<usize>,
    name: Option<String>,
    description: Option<String>,
    /// Tags of a new one; those of the launch for interfaces when none are given.
    #[serde(default, deserialize_with = "schema::tags")]
    #[schemars(with = "Tags")]
    tags: Tags,
    /// Whether it goes with the instance, as a new one does when nothing is said.
    delete_on_termination: Option<bool>,
}

/// What is meant; `says_more` is whether the launch itself says anything of the primary interface.
pub(crate) fn read(primary: Primary, further: Vec<Further>, says_more: bool) -> Result<LaunchNics, Refusal> {
    let says_addresses =
        !primary.secondary_ips.is_empty() || primary.secondary_ip_count > 0 || !primary.ipv6.is_empty() || primary.ipv6_count.is_some();
    if primary.id.is_some() && (says_more || says_addresses) {
        return Err(keeps("interface.id"));
    }
    Ok(LaunchNics {
        existing: primary.id,
        description: primary.description,
        secondary: Wanted { ips: primary.secondary_ips, count: primary.secondary_ip_count },
        ipv6: WantedIpv6 { ips: primary.ipv6, count: primary.ipv6_count },
        kept: !primary.delete_on_termination.unwrap_or(primary.id.is_none()),
        further: further.into_iter().enumerate().map(|(at, nic)| nic.read(at)).collect::<Result<_, _>>()?,
    })
}

fn keeps(member: &str) -> Refusal {
    Refusal::member(member, "an interface that is there keeps its subnet, its groups and its addresses")
}

impl Further {
    fn read(self, at: usize) -> Result<FurtherNic, Refusal> {
        let secondary = Wanted { ips: self.secondary_ips, count: self.secondary_ip_count };
        let ipv6 = WantedIpv6 { ips: self.ipv6, count: self.ipv6_count };
        let is_new = self.id.is_none();
        let which = match self.id {
            Some(id) => {
                let says_place = self.subnet.is_some() || !self.security_groups.is_empty() || self.private_ip.is_some();
                let says_words = self.name.is_some() || self.description.is_some() || !self.tags.is_empty();
                if says_place || says_words || !secondary.is_none() || !ipv6.is_unsaid() {
                    return Err(keeps(&format!("interfaces[{at}].id")));
                }
                WhichNic::Existing(id)
            }
            None => WhichNic::New(
                self.subnet,
                NewInterface {
                    ip: self.private_ip,
                    secondary,
                    ipv6,
                    groups: self.security_groups,
                    unchecked: false,
                    name: self.name.unwrap_or_default(),
                    description: self.description.unwrap_or_default(),
                    tags: self.tags,
                },
            ),
        };
        Ok(FurtherNic { index: self.index, which, delete_on_termination: self.delete_on_termination.unwrap_or(is_new) })
    }
}
