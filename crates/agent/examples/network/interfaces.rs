//! How long a host takes to learn of a VPC with very many interfaces on other hosts, and of one more of them.

use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

use hostspec::{Fabric, HostSpec, Neighbour, RemoteNic};

use crate::document::{SENDER, host, vpc};
use crate::machine::{Machine, shell};
use crate::{Size, say};

/// Other hosts that hold the interfaces.
const HOSTS: u32 = 1_000;
/// The address of this host for others.
const UNDER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The first address of another host, of its machine for guests, and of an interface elsewhere.
const FIRST_HOST: u32 = u32::from_be_bytes([192, 1, 0, 1]);
const FIRST_MACHINE: u32 = u32::from_be_bytes([100, 64, 0, 1]);
const FIRST_INTERFACE: u32 = u32::from_be_bytes([10, 1, 0, 0]);
/// Rules of the group.
const FEW: usize = 10;

/// Prints the seconds until all interfaces are reachable, and until one more is.
pub fn measure(size: &Size) -> io::Result<()> {
    let machine = Machine::new(5)?;
    let wire = "ip link add under type veth peer name far && ip link set far up && ip link set under up";
    shell(&machine.namespace, &format!("{wire} && ip address add {UNDER}/24 dev under"))?;
    let neighbour = |n| Neighbour { underlay: Ipv4Addr::from(FIRST_HOST + n), machine: Ipv4Addr::from(FIRST_MACHINE + n) };
    let fabric = Fabric {
        underlay: UNDER,
        machine: Ipv4Addr::from(FIRST_MACHINE + HOSTS),
        hosts: (0..HOSTS).map(neighbour).collect(),
        public: vec![],
    };
    let with = |interfaces: u32| {
        let mut vpc = vpc(FEW, 2, &[SENDER]);
        vpc.ranges = vec!["10.0.0.0/8".parse().expect("a range")];
        let remote = |n| RemoteNic { ip: Ipv4Addr::from(FIRST_INTERFACE + n), host: Ipv4Addr::from(FIRST_HOST + n % HOSTS) };
        vpc.remote = (0..interfaces).map(remote).collect();
        HostSpec { fabric: Some(fabric.clone()), ..host(&vpc) }
    };
    let interfaces = size.interfaces as u32;
    for (name, document) in [("interfaces_seconds", with(interfaces)), ("one_more_interface_seconds", with(interfaces + 1))] {
        let began = Instant::now();
        machine.apply(&document)?;
        say(name, began.elapsed().as_secs_f64());
    }
    Ok(())
}
