//! Packets between guests on two hosts, over our overlay and over one made by hand.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use hostspec::{Fabric, HostSpec, Neighbour, RemoteNic};
use nlink::Connection;
use nlink::netlink::link::VethLink;

use crate::Size;
use crate::document::{HEARER, SENDER, host, vpc};
use crate::floor::Bare;
use crate::machine::{Machine, shell};
use crate::packets::{pace, tell};

/// The hosts' addresses for each other.
const UNDER: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
/// Their addresses for guests.
const MACHINE: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 127, 0, 1), Ipv4Addr::new(100, 127, 0, 2)];
const GUESTS: [Ipv4Addr; 2] = [SENDER, HEARER];
/// Rules of the group.
const FEW: usize = 10;

/// Prints the pace across two hosts, ours and by hand.
pub fn measure(size: &Size) -> io::Result<()> {
    let machines = [Machine::new(3)?, Machine::new(4)?];
    machines[0].runtime.block_on(wire([&machines[0].namespace, &machines[1].namespace]))?;
    let mut guests = Vec::new();
    for (number, machine) in machines.iter().enumerate() {
        let mut vpc = vpc(FEW, 2, &[GUESTS[number]]);
        vpc.remote = vec![RemoteNic { ip: GUESTS[1 - number], host: UNDER[1 - number] }];
        let other = Neighbour { underlay: UNDER[1 - number], machine: MACHINE[1 - number] };
        let fabric = Fabric { underlay: UNDER[number], machine: MACHINE[number], hosts: vec![other], public: vec![] };
        machine.apply(&HostSpec { fabric: Some(fabric), ..host(&vpc) })?;
        guests.push(machine.guest(&vpc, GUESTS[number])?);
    }
    tell("overlay", &pace(&guests[0], &guests[1], size.stream)?);
    by_hand(size)
}

/// The same path as an administrator would make it: routing namespaces, a VXLAN device in each.
fn by_hand(size: &Size) -> io::Result<()> {
    let (hosts, underlays) = ([Bare::new()?, Bare::new()?], [Bare::new()?, Bare::new()?]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(wire([&underlays[0].namespace, &underlays[1].namespace]))?;
    let mut guests = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        let other = 1 - number;
        shell(
            &underlays[number].namespace,
            &format!("ip link add overlay type vxlan id 7 local {} dstport 4789 nolearning dev under", UNDER[number]),
        )?;
        let overlay = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&host.namespace));
        shell(&underlays[number].namespace, &format!("ip link set overlay netns {overlay}"))?;
        shell(
            &host.namespace,
            &format!(
                "ip link set overlay address 02:fd:00:00:00:0{number} mtu 1450 up &&
                 bridge fdb add 02:fd:00:00:00:0{other} dev overlay dst {under} &&
                 ip neigh add 169.254.9.{hop} lladdr 02:fd:00:00:00:0{other} dev overlay nud permanent &&
                 ip route add {guest} via 169.254.9.{hop} dev overlay onlink",
                under = UNDER[other],
                hop = other + 1,
                guest = GUESTS[other],
            ),
        )?;
        guests.push(host.guest(GUESTS[number])?);
    }
    tell("by_hand", &pace(&guests[0], &guests[1], size.stream)?);
    Ok(())
}

/// Lays a wire between two machines.
async fn wire(machines: [&OwnedFd; 2]) -> io::Result<()> {
    let connection = Connection::<nlink::Route>::new_in(machines[0].as_fd()).map_err(io::Error::other)?;
    connection.add_link(VethLink::new("under", "under").peer_netns_fd(machines[1].as_fd())).await.map_err(io::Error::other)?;
    for (namespace, address) in machines.into_iter().zip(UNDER) {
        shell(namespace, &format!("ip address add {address}/24 dev under && ip link set under up"))?;
    }
    Ok(())
}
