//! Tencent Cloud's tree, in the words of the CVM user guide ("Viewing Instance Metadata").

use std::fmt::Display;
use std::net::Ipv4Addr;

use model::{ImageId, InstanceId};

use super::super::directory::{Machine, Port};
use super::role;
use super::tree::Node;

/// The tree under a version, for a guest that asks by this interface.
pub fn tree(port: &Port, machine: &Machine) -> Node {
    let told = &machine.metadata;
    let nic = &port.nic;
    let groups: Vec<String> = nic.groups.iter().map(ToString::to_string).collect();
    let instance = Node::dir()
        .with("image-id", Node::text(told_as(told.image, ImageId::PREFIX, "img-")))
        .with("instance-type", Node::text(&told.instance_type))
        .with("security-group", Node::text(groups.join("\n")));
    let mut root = Node::dir()
        .with("app-id", Node::text(&told.account))
        .with_node("cam", role::cam(told))
        .with("hostname", Node::text(&told.hostname))
        .with("instance", instance)
        .with("instance-id", Node::text(told_as(machine.id, InstanceId::PREFIX, "ins-")))
        .with("instance-name", Node::text(&told.name))
        .with("local-ipv4", Node::text(nic.ip))
        .with("mac", Node::text(nic.mac))
        .with("network", Node::dir().with("interfaces", Node::dir().with("macs", macs(machine))))
        .with("payment", Node::dir().with("charge-type", Node::text("POSTPAID_BY_HOUR")).with("create-time", Node::text(&told.launched_at)))
        .with("placement", Node::dir().with("region", Node::text(&told.region)).with("zone", Node::text(&told.zone)))
        .with_some("public-ipv4", nic.public_ip);
    if !told.ssh_keys.is_empty() {
        root = root.with("public-keys", super::ec2::keys(machine));
    }
    Node::dir().with("meta-data", root.with("uuid", Node::text(&machine.uuid)))
}

/// An id as Tencent's clients know it: their prefix before our digits. The other prefixes in this tree are the same.
fn told_as(id: impl Display, ours: &str, theirs: &str) -> String {
    let text = id.to_string();
    text.strip_prefix(ours).map_or_else(|| text.clone(), |digits| format!("{theirs}{digits}"))
}

fn macs(machine: &Machine) -> Node {
    machine.ports.iter().fold(Node::dir(), |dir, port| {
        let nic = &port.nic;
        let address = |(ip, public)| {
            Node::dir()
                .with("gateway", Node::text(port.subnet.gateway))
                .with("local-ipv4", Node::text(ip))
                .with_some("public-ipv4", public)
                .with("public-ipv4-mode", Node::text("NAT"))
                .with("subnet-mask", Node::text(port.subnet.range.netmask()))
        };
        let one = Node::dir()
            .with("local-ipv4s", nic.addresses().fold(Node::dir(), |dir, one: (Ipv4Addr, Option<Ipv4Addr>)| dir.with(one.0, address(one))))
            .with("mac", Node::text(nic.mac))
            .with("primary-local-ipv4", Node::text(nic.ip))
            .with_some("public-ipv4s", nic.public_ip)
            .with("subnet-id", Node::text(nic.subnet))
            .with("vpc-id", Node::text(port.vpc));
        dir.with(nic.mac, one)
    })
}
