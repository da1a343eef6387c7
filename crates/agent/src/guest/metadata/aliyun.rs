//! Alibaba Cloud's tree, in the words of the ECS user guide ("Instance metadata").

use serde_json::json;

use super::super::directory::{Machine, Port};
use super::tree::Node;
use super::{ec2, role};

/// The tree under a version, for a guest that asks by this interface.
pub fn tree(port: &Port, machine: &Machine) -> Node {
    let identity = Node::dir().with("document", Node::text(document(port, machine)));
    Node::dir().with("dynamic", Node::dir().with("instance-identity", identity)).with("meta-data", meta_data(port, machine))
}

fn meta_data(port: &Port, machine: &Machine) -> Node {
    let told = &machine.metadata;
    let nic = &port.nic;
    let instance = Node::dir().with("instance-name", Node::text(&told.name)).with("instance-type", Node::text(&told.instance_type));
    let resolver = Node::dir().with("nameservers", Node::text(port.subnet.gateway));
    let mut root = Node::dir()
        .with("dns-conf", resolver)
        .with_some("eipv4", nic.public_ip)
        .with("hostname", Node::text(&told.hostname))
        .with("image-id", Node::text(told.image))
        .with("instance", instance)
        .with("instance-id", Node::text(machine.id))
        .with("mac", Node::text(nic.mac))
        .with("network", Node::dir().with("interfaces", Node::dir().with("macs", macs(machine))))
        .with("network-type", Node::text("vpc"))
        .with("owner-account-id", Node::text(&told.account))
        .with("private-ipv4", Node::text(nic.ip));
    if !told.ssh_keys.is_empty() {
        root = root.with("public-keys", ec2::keys(machine));
    }
    root =
        root.with_node("ram", role::ram(told)).with("region-id", Node::text(&told.region)).with("serial-number", Node::text(&machine.uuid));
    if !told.tags.is_empty() {
        let tags = told.tags.iter().fold(Node::dir(), |dir, (key, value)| dir.with(key, Node::text(value)));
        root = root.with("tags", Node::dir().with("instance", tags));
    }
    root.with_some("vpc-cidr-block", port.ranges.first())
        .with("vpc-id", Node::text(port.vpc))
        .with("vswitch-cidr-block", Node::text(port.subnet.range))
        .with("vswitch-id", Node::text(nic.subnet))
        .with("zone-id", Node::text(&told.zone))
}

fn macs(machine: &Machine) -> Node {
    machine.ports.iter().fold(Node::dir(), |dir, port| {
        let nic = &port.nic;
        let one = Node::dir()
            .with("gateway", Node::text(port.subnet.gateway))
            .with("netmask", Node::text(port.subnet.range.netmask()))
            .with("network-interface-id", Node::text(nic.id))
            .with("primary-ip-address", Node::text(nic.ip))
            .with("private-ipv4s", Node::text(json!(nic.addresses().map(|(ip, _)| ip).collect::<Vec<_>>())))
            .with_some("vpc-cidr-block", port.ranges.first())
            .with("vpc-id", Node::text(port.vpc))
            .with("vswitch-cidr-block", Node::text(port.subnet.range))
            .with("vswitch-id", Node::text(nic.subnet));
        dir.with(nic.mac, one)
    })
}

fn document(port: &Port, machine: &Machine) -> String {
    let told = &machine.metadata;
    json!({
        "account-id": told.account,
        "create-time": told.launched_at,
        "image-id": told.image,
        "instance-id": machine.id,
        "instance-type": told.instance_type,
        "mac": port.nic.mac,
        "owner-account-id": told.account,
        "private-ipv4": port.nic.ip,
        "region-id": told.region,
        "serial-number": machine.uuid,
        "zone-id": told.zone,
    })
    .to_string()
}
