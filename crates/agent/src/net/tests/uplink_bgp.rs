//! Public addresses that a routing daemon announces: BIRD or FRR on two hosts, as the documentation has them, and BIRD on their router.

use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::super::{Announce, netns};
use super::hosts::two;
use super::lab::*;
use super::uplink::{Lan, told, with_address_on};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const TABLE: u32 = 200;
/// How long daemons may take to start and to find each other.
const SESSION: Duration = Duration::from_secs(60);

/// A routing daemon in a namespace; it ends with this.
struct Daemon {
    processes: Vec<Child>,
    _folder: tempfile::TempDir,
}

impl Daemon {
    fn bird(namespace: BorrowedFd<'_>, config: &str) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("bird.conf"), config).unwrap();
        let mut bird = Command::new("bird");
        bird.arg("-f").arg("-c").arg(path("bird.conf")).arg("-s").arg(path("bird.ctl")).arg("-P").arg(path("bird.pid"));
        Daemon { processes: vec![netns::inside(namespace, || bird.spawn()).unwrap()], _folder: folder }
    }

    fn frr(namespace: BorrowedFd<'_>, config: &str) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        // Its daemons give up being root, and still write their sockets here.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("frr.conf"), config).unwrap();
        let start = |name: &str| {
            let mut daemon = Command::new(format!("/usr/lib/frr/{name}"));
            daemon.args(["-u", "frr", "-g", "frr", "-P", "0", "-f"]).arg(path("frr.conf")).arg("-z").arg(path("zebra.sock"));
            daemon.arg("-i").arg(path(&format!("{name}.pid"))).arg("--vty_socket").arg(folder.path());
            netns::inside(namespace, || daemon.spawn()).unwrap()
        };
        Daemon { processes: vec![start("zebra"), start("bgpd")], _folder: folder }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A configuration that the documentation shows, with addresses of this host.
fn of_host(name: &str, number: usize) -> String {
    let document = include_str!("../../../../../docs/operate/public-addresses.md");
    let (_, rest) = document.split_once(&format!("<!-- {name} -->")).unwrap();
    let lines = rest.lines().skip_while(|line| line.is_empty()).take_while(|line| line.starts_with("    "));
    let config = lines.map(|line| &line[4..]).collect::<Vec<_>>().join("\n");
    assert!(["10.20.0.11", "10.20.0.1 ", "198.51.100.0/24"].iter().all(|named| config.contains(named)), "{config}");
    let own = Ipv4Addr::new(203, 0, 112, number as u8 + 1).to_string();
    let config = config.replace("10.20.0.11", &own).replace("10.20.0.1 ", "203.0.112.10 ").replace("198.51.100.0/24", "203.0.113.0/24");
    config + "\n"
}

/// The router: it takes addresses of the pool from both hosts.
fn of_router() -> String {
    let host = |number: u8| {
        format!(
            "protocol bgp host{number} {{
                local 203.0.112.10 as 64500; hold time 10;
                neighbor 203.0.112.{number} as 64512;
                connect retry time 1; connect delay time 1; error wait time 1, 2;
                ipv4 {{ import where net ~ [ 203.0.113.0/24{{32,32}} ]; export none; }};
            }}"
        )
    };
    let kernel = "protocol kernel { ipv4 { import none; export all; }; }";
    format!("router id 203.0.112.10;\nprotocol device {{ scan time 1; }}\n{kernel}\n{}\n{}", host(1), host(2))
}

fn follows(start: impl Fn(BorrowedFd<'_>, usize) -> Daemon) {
    let mut labs = two();
    labs.iter_mut().for_each(|lab| told(lab, Announce::Table(TABLE)));
    let lan = Lan::of(&[&labs[0], &labs[1]]);
    // The router has no link with the pool's addresses: only what it is told leads there.
    lan.shell("ip address del 203.0.112.10/23 dev lan && ip address add 203.0.112.10/24 dev lan");
    let (specs, first) = with_address_on(0);
    (0..2).for_each(|number| labs[number].applied(&first[number]));
    let _guests = [0, 1].map(|number: usize| labs[number].guest(&specs[number], 0));
    assert!(labs[0].in_machine("ip route show table 200").contains("203.0.113.9"));
    assert!(!labs[1].in_machine("ip route show table all").contains("table 200"), "only routes to what is here");
    assert_eq!(labs[0].in_machine("ip neigh show proxy"), "", "nothing is answered by ARP");
    assert!(!lan.pings(PUBLIC));
    let _hosts = [0, 1].map(|number: usize| start(labs[number].machine.as_fd(), number));
    let _router = Daemon::bird(lan.machine.as_fd(), &of_router());
    for now in [0, 1, 0] {
        let (_, documents) = with_address_on(now);
        (0..2).for_each(|number| labs[number].applied(&documents[number]));
        let via = format!("203.0.113.9 via 203.0.112.{} dev lan", now + 1);
        let start = Instant::now();
        while !lan.shell("ip route").contains(&via) {
            assert!(start.elapsed() < SESSION, "{via} was not announced: {}", lan.shell("ip route"));
            std::thread::sleep(Duration::from_millis(50));
        }
        lan.reaches(PUBLIC);
    }
    // What is gone is withdrawn.
    let nothing = host(&[]);
    (0..2).for_each(|number| labs[number].applied(&nothing));
    eventually("the route is gone", || (!lan.shell("ip route").contains("203.0.113.9")).then_some(()));
    assert_eq!(labs[0].in_machine("ip route show table all | grep 'table 200' || true"), "");
}

#[test]
fn a_router_learns_from_bird_which_host_has_an_address_and_follows_it() {
    follows(|namespace, number| Daemon::bird(namespace, &of_host("bird.conf", number)));
}

#[test]
fn a_router_learns_from_frr_which_host_has_an_address_and_follows_it() {
    follows(|namespace, number| Daemon::frr(namespace, &of_host("frr.conf", number)));
}
