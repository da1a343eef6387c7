//! What the benchmark's guests are held against: the same taps in a namespace that routes and filters nothing.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use pileus_agent::net::open_tap_device;

use crate::machine::{Guest, inside, namespace, sends, shell};

/// A namespace that only routes between taps.
pub struct Bare {
    /// The namespace.
    pub namespace: OwnedFd,
}

impl Bare {
    /// Makes one.
    pub fn new() -> io::Result<Bare> {
        let namespace = namespace()?;
        shell(&namespace, "ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward")?;
        Ok(Bare { namespace })
    }

    /// A guest on a tap of its own, which a host route leads to.
    pub fn guest(&self, ip: Ipv4Addr) -> io::Result<Guest> {
        let name = format!("t{}", ip.octets()[3]);
        let mac = [0x02, 0, 0, 0, 0, ip.octets()[3]];
        let tap = inside(&self.namespace, || open_tap_device(&name))?;
        let hardware = format!("02:00:00:00:00:{:02x}", ip.octets()[3]);
        shell(
            &self.namespace,
            &format!(
                "ip link set {name} address ee:ee:ee:ee:ee:ee up && ip route add {ip} dev {name} &&
                 ip neigh add {ip} lladdr {hardware} dev {name} nud permanent"
            ),
        )?;
        sends(&self.namespace, &name)?;
        Ok(Guest { tap: File::from(tap), mac, ip })
    }
}
