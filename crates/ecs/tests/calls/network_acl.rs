//! Network ACLs and their entries.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";

#[tokio::test]
async fn a_network_acl_comes_guards_and_goes() {
    let world = World::new().await;
    let text = async |call: String, member: &str| world.json(&call).await[member].as_str().unwrap().to_owned();
    let vpc = text(format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16"), "VpcId").await;
    let subnet = format!("Action=CreateVSwitch&{VPC}&VpcId={vpc}&ZoneId=test-1a&CidrBlock=192.168.1.0/24");
    let subnet = text(subnet, "VSwitchId").await;
    let new =
        format!("Action=CreateNetworkAcl&{VPC}&VpcId={vpc}&NetworkAclName=guard&Description=d&Tag.1.Key=a&Tag.1.Value=b&ClientToken=once");
    let made: serde_json::Value = serde_json::from_str(&world.golden("CreateNetworkAcl.json", &new).await).unwrap();
    let id = made["NetworkAclId"].as_str().unwrap();
    assert_eq!(world.json(&new).await["NetworkAclId"], id, "a client token makes one");
    let of = |action: &str, rest: &str| format!("Action={action}&{VPC}&NetworkAclId={id}{rest}");
    let entries = "&UpdateIngressAclEntries=true&IngressAclEntries.1.NetworkAclEntryName=web&IngressAclEntries.1.Policy=accept\
        &IngressAclEntries.1.Protocol=tcp&IngressAclEntries.1.Port=80/443&IngressAclEntries.1.SourceCidrIp=10.0.0.0/8\
        &IngressAclEntries.1.Description=pages&IngressAclEntries.2.Policy=drop&IngressAclEntries.2.Protocol=all\
        &IngressAclEntries.2.Port=-1/-1&IngressAclEntries.2.SourceCidrIp=0.0.0.0/0&IngressAclEntries.2.EntryType=custom";
    world.json(&of("UpdateNetworkAclEntries", entries)).await;
    world.json(&of("ModifyNetworkAclAttributes", "&NetworkAclName=border")).await;
    let tie = format!("&Resource.1.ResourceType=VSwitch&Resource.1.ResourceId={subnet}");
    world.json(&of("AssociateNetworkAcl", &tie)).await;
    world.refused(&of("AssociateNetworkAcl", &tie), 400, "InvalidVSwitchId.AlreadyAssociated").await;
    world.golden("DescribeNetworkAcls.json", &format!("Action=DescribeNetworkAcls&{VPC}&VpcId={vpc}")).await;
    world.golden("DescribeNetworkAclAttributes.json", &of("DescribeNetworkAclAttributes", "")).await;
    let shown = world.json(&format!("Action=DescribeVSwitchAttributes&{VPC}&VSwitchId={subnet}")).await;
    assert_eq!(shown["NetworkAclId"], id);
    world.refused(&of("DeleteNetworkAcl", ""), 403, "DependencyViolation").await;
    world.json(&of("UnassociateNetworkAcl", &tie)).await;
    world.refused(&of("UnassociateNetworkAcl", &tie), 404, "InvalidVSwitchId.NotFound").await;
    let named = format!("Action=DescribeNetworkAcls&{VPC}&ResourceType=VSwitch&ResourceId={subnet}");
    assert_eq!(world.json(&named).await["TotalCount"], "0");
    world.json(&of("DeleteNetworkAcl", "")).await;
    world.refused(&of("DescribeNetworkAclAttributes", ""), 404, "InvalidNetworkAcl.NotFound").await;
}

#[tokio::test]
async fn what_an_entry_cannot_be_is_refused() {
    let world = World::new().await;
    let vpc = world.json(&format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16")).await;
    let acl = world.json(&format!("Action=CreateNetworkAcl&{VPC}&VpcId={}", vpc["VpcId"].as_str().unwrap())).await;
    let id = acl["NetworkAclId"].as_str().unwrap();
    let update = format!("Action=UpdateNetworkAclEntries&{VPC}&NetworkAclId={id}&UpdateEgressAclEntries=true");
    let entry = |number: usize, rest: &str| {
        let at = format!("EgressAclEntries.{number}");
        format!("&{at}.Policy=accept&{at}.Protocol=tcp&{at}.DestinationCidrIp=10.0.0.0/8{}", rest.replace('@', &at))
    };
    for (rest, status, code) in [
        ("", 400, "MissingParameter"),
        ("&@.Port=80", 400, "InvalidParameter"),
        ("&@.Port=443/80", 400, "InvalidParameter"),
        ("&@.Port=80/80&@.IpVersion=IPv6", 400, "InvalidParameter"),
        ("&@.Port=80/80&@.IpVersion=IPv5", 400, "InvalidParameter"),
        ("&@.Port=80/80&@.EntryType=system", 400, "InvalidParameter"),
        ("&@.Port=80/80&@.NetworkAclEntryId=nae-1", 404, "InvalidNetworkAcl.NotFound"),
    ] {
        world.refused(&format!("{update}{}", entry(1, rest)), status, code).await;
    }
    let many: String = (1..=41).map(|number| entry(number, "&@.Port=80/80")).collect();
    world.refused(&format!("{update}{many}"), 400, "QuotaExceeded.NetworkAclEntry").await;
    let shown = world.json(&format!("Action=DescribeNetworkAclAttributes&{VPC}&NetworkAclId={id}")).await;
    let kept = &shown["NetworkAclAttribute"]["EgressAclEntries"]["EgressAclEntry"];
    assert_eq!((kept.as_array().unwrap().len(), &kept[0]["Protocol"]), (1, &"all".into()), "a refusal changes nothing");
    world.json(&update).await;
    let shown = world.json(&format!("Action=DescribeNetworkAclAttributes&{VPC}&NetworkAclId={id}")).await;
    assert_eq!(shown["NetworkAclAttribute"]["EgressAclEntries"]["EgressAclEntry"], serde_json::json!([]));
}

#[tokio::test]
async fn entries_are_about_ipv6_where_the_network_has_it() {
    let world = World::new().await;
    let vpc = world.json(&format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16&EnableIpv6=true")).await;
    let acl = world.json(&format!("Action=CreateNetworkAcl&{VPC}&VpcId={}", vpc["VpcId"].as_str().unwrap())).await;
    let of = |action: &str, rest: &str| format!("Action={action}&{VPC}&NetworkAclId={}{rest}", acl["NetworkAclId"].as_str().unwrap());
    let kept = async || {
        let shown = world.json(&of("DescribeNetworkAclAttributes", "")).await;
        let entries = shown["NetworkAclAttribute"]["IngressAclEntries"]["IngressAclEntry"].as_array().unwrap().clone();
        let part = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap().to_owned();
        entries.iter().map(|e| ["IpVersion", "Protocol", "SourceCidrIp"].map(|name| part(e, name)).join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(kept().await, ["IPv4 all 0.0.0.0/0", "IPv6 all ::/0"], "everything passes at first");
    let at = "&IngressAclEntries.1";
    let six = format!(
        "&UpdateIngressAclEntries=true{at}.IpVersion=IPv6{at}.Policy=accept{at}.Protocol=icmpv6{at}.Port=-1/-1{at}.SourceCidrIp=2001:db8::/32"
    );
    world.json(&of("UpdateNetworkAclEntries", &six)).await;
    assert_eq!(kept().await, ["IPv6 icmpv6 2001:db8::/32"]);
    world.refused(&of("UpdateNetworkAclEntries", &six.replace("=IPv6", "=IPv4")), 400, "InvalidParameter").await;
    world.refused(&of("UpdateNetworkAclEntries", &six.replace("2001:db8::", "10.0.0.0")), 400, "InvalidParameter").await;
}
