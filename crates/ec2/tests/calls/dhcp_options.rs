//! Sets of DHCP options: made, taken up by VPCs, deleted.

use crate::world::{World, elements};

const NEW: &str = "Action=CreateDhcpOptions";

fn option(number: u32, key: &str, values: &[&str]) -> String {
    let values = (1..).zip(values).map(|(n, value)| format!("&DhcpConfiguration.{number}.Value.{n}={value}"));
    format!("&DhcpConfiguration.{number}.Key={key}{}", values.collect::<String>())
}

#[tokio::test]
async fn a_vpc_takes_up_a_set_and_leaves_it() {
    let world = World::new().await;
    let all = [
        option(1, "domain-name", &["corp.example"]),
        option(2, "domain-name-servers", &["10.0.0.53", "10.0.0.54"]),
        option(3, "ntp-servers", &["10.0.0.1"]),
        option(4, "netbios-name-servers", &["10.0.0.2"]),
        option(5, "netbios-node-type", &["2"]),
    ];
    let tags = "TagSpecification.1.ResourceType=dhcp-options&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let made = world.golden("CreateDhcpOptions", &format!("{NEW}{}&{tags}", all.concat())).await;
    let set = elements(&made, "dhcpOptionsId").remove(0);
    let provided = format!("{NEW}{}", option(1, "domain-name-servers", &["AmazonProvidedDNS"]));
    let other = elements(&world.call(&provided).await.body, "dhcpOptionsId").remove(0);
    world.golden("DescribeDhcpOptions", "Action=DescribeDhcpOptions").await;
    let tagged = world.call("Action=DescribeDhcpOptions&Filter.1.Name=tag:a&Filter.1.Value.1=b").await;
    assert_eq!(elements(&tagged.body, "dhcpOptionsId"), [set.as_str()]);
    let vpc = elements(&world.call("Action=DescribeVpcs").await.body, "vpcId").remove(0);
    let associate = |set: &str| format!("Action=AssociateDhcpOptions&VpcId={vpc}&DhcpOptionsId={set}");
    let with = |set: &str| format!("Action=DescribeVpcs&Filter.1.Name=dhcp-options-id&Filter.1.Value.1={set}");
    for (set, before) in [(set.as_str(), "default"), (&other, &set), ("default", &other), (&set, "default")] {
        assert_eq!(elements(&world.call(&with(before)).await.body, "vpcId"), [vpc.as_str()]);
        assert_eq!(world.call(&associate(set)).await.status, 200);
        assert_eq!(elements(&world.call(&with(set)).await.body, "dhcpOptionsId"), [set]);
    }
    let delete = |set: &str| format!("Action=DeleteDhcpOptions&DhcpOptionsId={set}");
    world.refused(&delete(&set), 400, "DependencyViolation").await;
    assert_eq!(world.call(&associate("default")).await.status, 200);
    assert_eq!(world.call(&delete(&set)).await.status, 200);
    world.refused(&delete(&set), 400, "InvalidDhcpOptionID.NotFound").await;
    world.refused(&associate(&set), 400, "InvalidDhcpOptionID.NotFound").await;
    world.refused(&associate("dopt"), 400, "InvalidDhcpOptionsId.Malformed").await;
}

#[tokio::test]
async fn options_that_nobody_can_be_told_are_refused() {
    let world = World::new().await;
    for wrong in [
        option(1, "domain-name", &["a b"]),
        option(1, "domain-name", &["a.b", "c.d"]),
        option(1, "domain-name-servers", &["10.0.0.1", "AmazonProvidedDNS"]),
        option(1, "domain-name-servers", &["fd00::1"]),
        option(1, "domain-name-servers", &[]),
        option(1, "ntp-servers", &["224.0.1.1"]),
        option(1, "netbios-node-type", &["3"]),
        option(1, "routers", &["10.0.0.1"]),
        option(1, "domain-name", &["a.b"]) + &option(2, "domain-name", &["a.b"]),
        option(1, "ntp-servers", &["10.0.0.1,10.0.0.2,10.0.0.3", "10.0.0.4", "10.0.0.5"]),
    ] {
        world.refused(&format!("{NEW}{wrong}"), 400, "InvalidParameterValue").await;
    }
    world.refused(NEW, 400, "MissingParameter").await;
}

#[tokio::test]
async fn an_account_has_a_hundred_sets() {
    let world = World::new().await;
    let new = format!("{NEW}{}", option(1, "domain-name", &["a.b"]));
    for _ in 0..100 {
        assert_eq!(world.call(&new).await.status, 200);
    }
    world.refused(&new, 400, "DhcpOptionsLimitExceeded").await;
}
