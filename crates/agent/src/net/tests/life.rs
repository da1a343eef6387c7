//! What stays, what is repaired, what is removed, and how long a change takes.

use std::os::fd::AsFd;
use std::slice::from_ref;

use super::super::{Names, Orphan, names, netns};
use super::lab::*;

/// Numbers and names of links (a link that was made again has another number), neighbours and routes.
const LINKS: &str = "ip -o link | cut -d: -f1,2; ip neigh; ip route";

#[test]
fn packets_go_on_while_the_agent_is_away_and_after_it_came_back() {
    let mut lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    spec.nics[0].public_ip = Some("203.0.113.9".parse().unwrap());
    let document = host(from_ref(&spec));
    lab.applied(&document);
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let (from, to) = (a.udp(), b.udp());
    let say = |text: &str| {
        from.send_to(text.as_bytes(), (b.nic.ip, 5000)).unwrap();
        let mut buffer = [0; 20];
        let (len, _) = to.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], text.as_bytes());
    };
    say("before");
    let links = lab.in_vpc(&spec, LINKS);
    let rules = lab.in_vpc(&spec, "nft list ruleset");
    lab.kill();
    say("without an agent");
    lab.start();
    lab.applied(&document);
    say("with a new one");
    assert_eq!(lab.in_vpc(&spec, LINKS), links);
    assert_eq!(lab.in_vpc(&spec, "nft list ruleset"), rules);
    // The services are back too.
    assert!(a.shell("curl -s -m 5 http://169.254.169.254/latest/meta-data/local-ipv4").contains("10.0.0.5"));
}

#[test]
fn what_somebody_removed_is_made_again() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    spec.nics[0].public_ip = Some("203.0.113.9".parse().unwrap());
    let document = host(from_ref(&spec));
    lab.applied(&document);
    let tap = names::tap(spec.nics[0].id);
    let table = Names::new(&lab.cloud).unwrap().vpc_table();
    let damages = [
        format!("nft delete table inet {table}"),
        format!("nft delete table arp {table}"),
        format!("nft flush chain inet {table} entry"),
        format!("nft flush set inet {table} bindings"),
        "ip route del 10.0.0.5/32".to_owned(),
        "ip route flush table main".to_owned(),
        format!("ip link set {tap} down"),
        format!("ip link del {tap}"),
        "ip addr del 10.0.0.1/32 dev lo".to_owned(),
        "ip link del outside".to_owned(),
        "ip neigh flush all nud permanent".to_owned(),
    ];
    assert_eq!(lab.apply(&document).repaired, Vec::<String>::new(), "nothing was changed by anybody");
    for damage in damages {
        lab.in_vpc(&spec, &damage);
        let report = lab.apply(&document);
        assert_eq!(report.faults, vec![]);
        assert!(report.repaired.iter().any(|words| words.contains("put right")), "after {damage}: {report:?}");
        let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
        assert!(a.pings("10.0.0.6") && b.pings("10.0.0.5") && a.pings("10.0.0.1"), "after {damage}");
        assert!(a.pings("203.0.113.1"), "after {damage}");
    }
}

#[test]
fn a_namespace_that_lost_its_name_is_found_by_the_taps_that_guests_hold() {
    let mut lab = Lab::new();
    let spec = vpc(1, &[5, 6]);
    let document = host(from_ref(&spec));
    lab.applied(&document);
    let (a, _b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    // With the agent alive its own descriptor is enough.
    netns::remove(&lab.namespace(&spec)).unwrap();
    lab.applied(&document);
    assert!(netns::open(&lab.namespace(&spec)).unwrap().is_some());
    // Without it only the guests hold the namespace.
    lab.kill();
    netns::remove(&lab.namespace(&spec)).unwrap();
    lab.start();
    lab.applied(&document);
    assert!(netns::open(&lab.namespace(&spec)).unwrap().is_some());
    assert!(a.pings("10.0.0.6"));
    assert!(a.pings("10.0.0.1"));
}

#[test]
fn nothing_is_left_of_what_is_not_wanted_any_more() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    spec.nics[0].public_ip = Some("203.0.113.9".parse().unwrap());
    lab.applied(&host(from_ref(&spec)));
    // One interface less.
    let mut fewer = spec.clone();
    let gone = fewer.nics.remove(0);
    assert_eq!(
        lab.runtime.block_on(lab.network().orphans(&host(from_ref(&fewer)))).unwrap(),
        vec![
            Orphan::Link(Names::new(&lab.cloud).unwrap().veth(1)),
            Orphan::Tap { namespace: lab.namespace(&spec), tap: names::tap(gone.id) },
            Orphan::Table(Names::new(&lab.cloud).unwrap().machine_table()),
        ]
    );
    lab.applied(&host(from_ref(&fewer)));
    assert!(!lab.in_vpc(&spec, "ip -br link").contains(&names::tap(gone.id)));
    assert!(!lab.in_vpc(&spec, "nft list ruleset").contains("10.0.0.5 :"));
    // No VPC at all.
    lab.applied(&host(&[]));
    assert_eq!(netns::list(&format!("{}-", lab.cloud)).unwrap(), Vec::<String>::new());
    assert_eq!(lab.runtime.block_on(lab.network().orphans(&host(&[]))).unwrap(), vec![]);
}

#[test]
fn a_purge_removes_what_another_agent_made() {
    let mut lab = Lab::new();
    let mut spec = vpc(1, &[5]);
    spec.nics[0].public_ip = Some("203.0.113.9".parse().unwrap());
    lab.applied(&host(from_ref(&spec)));
    lab.kill();
    lab.start();
    lab.runtime.block_on(lab.network().remove_all()).unwrap();
    assert_eq!(netns::list(&format!("{}-", lab.cloud)).unwrap(), Vec::<String>::new());
    assert_eq!(lab.in_machine("ip -br link").lines().count(), 1);
    assert_eq!(lab.in_machine("nft list ruleset").trim(), "");
}

#[test]
fn services_that_ended_leave_their_ports_to_those_that_follow_at_once() {
    let mut lab = Lab::new();
    let (nobody, spec) = (vpc(1, &[]), vpc(1, &[5]));
    for _ in 0..20 {
        lab.applied(&host(from_ref(&spec)));
        lab.applied(&host(from_ref(&nobody)));
        lab.applied(&host(from_ref(&spec)));
        lab.kill();
        lab.start();
    }
}

#[test]
fn a_tap_is_opened_once_at_a_time_and_again_after() {
    let lab = Lab::new();
    let spec = vpc(1, &[5]);
    // Without an apply before: opening brings the VPC up.
    let first = lab.tap(&spec, &spec.nics[0]);
    let second = lab.runtime.block_on(lab.network().open_tap(&spec, &spec.nics[0]));
    assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    drop(first);
    drop(lab.tap(&spec, &spec.nics[0]));
}

#[test]
fn a_namespace_is_shown_by_ip_netns() {
    let lab = Lab::new();
    let spec = vpc(1, &[5]);
    lab.applied(&host(from_ref(&spec)));
    // As iproute2 sees it.
    let listed = lab.in_machine("ip netns list");
    assert!(listed.contains(&lab.namespace(&spec)), "{listed}");
    let namespace = netns::open(&lab.namespace(&spec)).unwrap().unwrap();
    assert!(shell(namespace.as_fd(), "ip -br addr show lo").contains("169.254.169.254"));
}
