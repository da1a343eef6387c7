//! EC2's tree, in the words of its user guide ("Instance metadata categories").

use std::net::Ipv4Addr;

use hostspec::{GuestEvent, GuestMetadata};
use model::{InstanceEventId, Millis};
use serde_json::{Value, json};

use super::super::directory::{Machine, Port};
use super::full_name;
use super::role;
use super::tree::Node;

/// The tree under a version, for a guest that asks by this interface.
pub fn tree(port: &Port, machine: &Machine) -> Node {
    let identity = Node::dir().with("document", Node::text(document(machine)));
    Node::dir().labelled("dynamic".to_owned(), Some("dynamic".to_owned()), Node::dir().with("instance-identity", identity)).labelled(
        "meta-data".to_owned(),
        Some("meta-data".to_owned()),
        meta_data(port, machine),
    )
}

/// Planned maintenance, as a list in JSON whose moments are written as EC2 does: `21 Jan 2019 09:00:43 GMT`.
fn events(told: &GuestMetadata) -> String {
    let moment = |at: Millis| at.timestamp().strftime("%-d %b %Y %H:%M:%S GMT").to_string();
    let one = |event: &GuestEvent| {
        let digits = event.id.to_string().split_off(InstanceEventId::PREFIX.len());
        json!({
            "NotBefore": moment(event.not_before),
            "Code": event.code,
            "Description": event.description,
            "EventId": format!("instance-event-{digits}"),
            "NotAfter": moment(event.not_after),
            "State": "active",
        })
    };
    Value::Array(told.events.iter().map(one).collect()).to_string()
}

/// Where the instance is; of its group only when it is in one.
fn placement(told: &GuestMetadata) -> Node {
    let group = told.placement.as_ref();
    Node::dir()
        .with("availability-zone", Node::text(&told.zone))
        .with_some("group-name", group.map(|group| &group.group))
        .with_some("partition-number", group.and_then(|group| group.partition))
        .with("region", Node::text(&told.region))
}

fn meta_data(port: &Port, machine: &Machine) -> Node {
    let told = &machine.metadata;
    let name = full_name(port, machine);
    let blocks = Node::dir().with("ami", Node::text("vda1")).with("root", Node::text("/dev/vda1"));
    let domain = if port.domain.is_empty() { "internal" } else { port.domain.as_str() };
    let services = Node::dir().with("domain", Node::text(domain)).with("partition", Node::text("aws"));
    let mut root = Node::dir()
        .with("ami-id", Node::text(told.image))
        .with("ami-launch-index", Node::text(told.launch_index))
        .with("ami-manifest-path", Node::text("(unknown)"))
        .with("block-device-mapping", blocks)
        .with("events", Node::dir().with("maintenance", Node::dir().with("scheduled", Node::text(events(told)))))
        .with("hostname", Node::text(&name))
        .with_node("iam", role::iam(told))
        .with("instance-action", Node::text("none"))
        .with("instance-id", Node::text(machine.id))
        .with("instance-life-cycle", Node::text("on-demand"))
        .with("instance-type", Node::text(&told.instance_type))
        .with("local-hostname", Node::text(&name))
        .with("local-ipv4", Node::text(told.private_ip))
        .with("mac", Node::text(machine.ports.first().unwrap_or(port).nic.mac))
        .with("network", Node::dir().with("interfaces", Node::dir().with("macs", macs(machine))))
        .with("placement", placement(told))
        .with("profile", Node::text("default-hvm"))
        .with_some("public-ipv4", told.public_ip);
    if !told.ssh_keys.is_empty() {
        root = root.with("public-keys", keys(machine));
    }
    root = root
        .with("reservation-id", Node::text(&told.reservation))
        .with("security-groups", Node::text(told.security_groups.join("\n")))
        .with("services", services);
    if !told.tags.is_empty() {
        let tags = told.tags.iter().fold(Node::dir(), |dir, (key, value)| dir.with(key, Node::text(value)));
        root = root.with("tags", Node::dir().with("instance", tags));
    }
    root
}

/// `0=NAME` stands for `0/openssh-key`; Alibaba Cloud lists keys the same way.
pub fn keys(machine: &Machine) -> Node {
    machine.metadata.ssh_keys.iter().enumerate().fold(Node::dir(), |dir, (number, (name, key))| {
        let one = Node::dir().with("openssh-key", Node::text(key));
        dir.labelled(number.to_string(), Some(format!("{number}={}", name.replace('\n', " "))), one)
    })
}

/// One a line.
fn lines(addresses: impl Iterator<Item = impl ToString>) -> String {
    addresses.map(|ip| ip.to_string()).collect::<Vec<_>>().join("\n")
}

fn macs(machine: &Machine) -> Node {
    machine.ports.iter().fold(Node::dir(), |dir, port| {
        let nic = &port.nic;
        let blocks: Vec<String> = port.ranges.iter().map(ToString::to_string).collect();
        let groups: Vec<String> = nic.groups.iter().map(ToString::to_string).collect();
        let names = if port.group_names.is_empty() { &machine.metadata.security_groups } else { &port.group_names };
        let mut one = Node::dir().with("device-number", Node::text(port.index)).with("interface-id", Node::text(nic.id));
        let ties: Vec<(Ipv4Addr, Ipv4Addr)> = nic.addresses().filter_map(|(private, public)| Some((public?, private))).collect();
        if !ties.is_empty() {
            let dir = ties.iter().fold(Node::dir(), |dir, (public, private)| dir.with(public, Node::text(private)));
            one = one.with("ipv4-associations", dir);
        }
        one = one
            .with_some("ipv6s", Some(lines(nic.v6.iter())).filter(|text| !text.is_empty()))
            .with("local-hostname", Node::text(full_name(port, machine)))
            .with("local-ipv4s", Node::text(lines(nic.addresses().map(|(ip, _)| ip))))
            .with("mac", Node::text(nic.mac))
            .with("owner-id", Node::text(&machine.metadata.account))
            .with_some("public-ipv4s", Some(lines(ties.iter().map(|(public, _)| *public))).filter(|text| !text.is_empty()))
            .with("security-group-ids", Node::text(groups.join("\n")))
            .with("security-groups", Node::text(names.join("\n")))
            .with("subnet-id", Node::text(nic.subnet))
            .with("subnet-ipv4-cidr-block", Node::text(port.subnet.range))
            .with("vpc-id", Node::text(port.vpc))
            .with_some("vpc-ipv4-cidr-block", blocks.first())
            .with("vpc-ipv4-cidr-blocks", Node::text(blocks.join("\n")));
        dir.with(nic.mac, one)
    })
}

fn document(machine: &Machine) -> String {
    let told = &machine.metadata;
    let document = json!({
        "accountId": told.account,
        "architecture": "x86_64",
        "availabilityZone": told.zone,
        "billingProducts": null,
        "devpayProductCodes": null,
        "imageId": told.image,
        "instanceId": machine.id,
        "instanceType": told.instance_type,
        "kernelId": null,
        "marketplaceProductCodes": null,
        "pendingTime": told.launched_at,
        "privateIp": told.private_ip,
        "ramdiskId": null,
        "region": told.region,
        "version": "2017-09-30",
    });
    format!("{document:#}")
}
