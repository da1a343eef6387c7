//! The ruleset of a VPC as text, and that nft reads in the kernel what the text says.

use std::path::Path;

use hostspec::*;
use model::SecurityGroupId;

use super::super::plan::Neighbourhood;
use super::super::{Names, table};
use super::lab::*;

/// Compares with a file beside this one; `UPDATE=1` writes it.
fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net/tests/golden").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, want, "{} differs; UPDATE=1 writes it anew", path.display());
}

/// Two groups with rules of every kind, an interface in one of them and one in both, one of them public.
pub fn rich() -> VpcSpec {
    let mut spec = vpc(9, &[5, 6]);
    let (web, ops) = (SecurityGroupId::from_u64(9), SecurityGroupId::from_u64(10));
    let from_group = |group| Peer::Group { group };
    let tcp = |from, to| ProtocolMatch::Tcp { from, to };
    spec.groups = vec![
        GroupSpec {
            id: web,
            rules: vec![
                RuleSpec { peer: from_group(web), ..open(Direction::Ingress) },
                rule(Direction::Ingress, Verdict::Accept, 1, tcp(80, 80), "0.0.0.0/0"),
                rule(Direction::Ingress, Verdict::Accept, 1, tcp(443, 444), "0.0.0.0/0"),
                rule(Direction::Ingress, Verdict::Accept, 1, tcp(22, 22), "10.0.0.0/8"),
                rule(Direction::Ingress, Verdict::Drop, 1, tcp(22, 22), "10.9.0.0/16"),
                rule(Direction::Ingress, Verdict::Accept, 2, ProtocolMatch::Icmp { kind: Some(8), code: None }, "0.0.0.0/0"),
                open(Direction::Egress),
            ],
            members: vec![spec.nics[0].ip, spec.nics[1].ip],
        },
        GroupSpec {
            id: ops,
            rules: vec![
                rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::Number { number: 47 }, "192.0.2.0/25"),
                RuleSpec { peer: from_group(ops), protocol: tcp(9000, 9100), ..open(Direction::Ingress) },
                rule(Direction::Egress, Verdict::Drop, 1, ProtocolMatch::Udp { from: 0, to: 1023 }, "10.0.0.0/16"),
            ],
            members: vec![spec.nics[1].ip, "10.0.3.3".parse().unwrap()],
        },
    ];
    spec.nics[1].groups = vec![web, ops];
    let public = "203.0.113.9".parse().unwrap();
    spec.nics[0].public_ip = Some(public);
    spec.nics[0].rates = vec![RateSpec { public, outward_mbit: 5, inward_mbit: 10, package: None }];
    spec.remote = vec![hostspec::RemoteNic { ip: "10.0.3.3".parse().unwrap(), host: OTHER }];
    spec
}

const OTHER: std::net::Ipv4Addr = std::net::Ipv4Addr::new(192, 0, 2, 2);

#[test]
fn the_ruleset_of_a_vpc_reads_as_written() {
    let names = Names::new("gold").unwrap();
    let machines = [(OTHER, "100.127.0.2".parse().unwrap())].into();
    let neighbours = Neighbourhood { underlay: "192.0.2.1".parse().unwrap(), machines };
    let spec = rich();
    check("vpc.nft", &table::vpc(&names, &spec, 1000).to_string());
    let nics = spec.nics.iter().map(|nic| LoggedNic { nic: nic.id, accepted: true, refused: true });
    let logged = VpcSpec { logged: nics.collect(), ..spec.clone() };
    check("vpc-logged.nft", &table::vpc(&names, &logged, 1000).to_string());
    let all = |public| SharedSpec { source: "10.0.0.0/16".parse().unwrap(), to: "0.0.0.0/0".parse().unwrap(), public, gives_way: false };
    let home = NatHome { host: OTHER, number: 2, shared: vec![all("203.0.113.20".parse().unwrap())] };
    let there = hostspec::RemoteNic { ip: "10.1.0.6".parse().unwrap(), host: OTHER };
    let peer =
        PeerSpec { vpc: model::VpcId::from_u64(8), vni: 8, addresses: vec!["10.1.0.5".parse().unwrap()], remote: vec![there], v6: None };
    let gateways = VpcSpec { homes: vec![home], peers: vec![peer], groups: vec![], ..spec.clone() };
    check("vpc-gateways.nft", &table::vpc(&names, &gateways, 1000).to_string());
    check("machine.nft", &table::machine(&names, [&spec], Some(&neighbours)).to_string());
}

#[test]
fn what_was_written_is_read_back_and_needs_no_change() {
    let lab = Lab::new();
    let spec = rich();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let names = Names::new(&lab.cloud).unwrap();
    lab.runtime.block_on(async {
        let namespace = super::super::netns::open(&lab.namespace(&spec)).unwrap().unwrap();
        use std::os::fd::AsFd;
        let mut rules = super::super::nft::Rules::open(namespace.as_fd(), &names.prefix()).unwrap();
        let seen = rules.read().await.unwrap().clone();
        let want = table::vpc(&names, &spec, table::epoch(&seen).unwrap());
        assert_eq!(super::super::ruleset::steps(&seen, &want), vec![]);
    });
    let listed = lab.in_vpc(&spec, "nft list ruleset");
    for line in [
        "ct mark @epoch accept",
        "iifname . ether saddr . ip saddr @bindings accept",
        "ct original ip saddr vmap @egress",
        "type filter hook prerouting priority -450; policy drop;",
    ] {
        assert!(listed.contains(line), "{line} is not in\n{listed}");
    }
}
