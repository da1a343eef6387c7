//! Networks as they are.

use crate::world::World;

#[tokio::test]
async fn the_default_network_is_listed() {
    let world = World::new().await;
    let vpcs = world.golden("DescribeVpcs.json", "DescribeVpcs", "{}").await;
    let vpc = vpcs["VpcSet"][0]["VpcId"].as_str().unwrap();
    world.golden("DescribeSubnets.json", "DescribeSubnets", "{}").await;
    for (action, name, value, expected) in [
        ("DescribeVpcs", "vpc-id", vpc, 1),
        ("DescribeVpcs", "is-default", "true", 1),
        ("DescribeVpcs", "is-default", "false", 0),
        ("DescribeVpcs", "cidr-block", "172.31", 1),
        ("DescribeSubnets", "vpc-id", vpc, 2),
        ("DescribeSubnets", "zone", "test-1b", 1),
        ("DescribeSubnets", "is-remote-vpc-snat", "true", 0),
        ("DescribeNetworkInterfaces", "vpc-id", vpc, 0),
    ] {
        let body = format!(r#"{{"Filters": [{{"Name": "{name}", "Values": ["{value}"]}}], "Offset": "0", "Limit": "10"}}"#);
        assert_eq!(world.json(action, &body).await["TotalCount"], expected, "{action} {name}={value}");
    }
    world.refused("DescribeVpcs", r#"{"VpcIds": ["vpc-00000000000000001"]}"#, "InvalidVpcId.NotFound").await;
    assert_eq!(world.json("DescribeSubnets", r#"{"MaxResults": 5}"#).await["TotalCount"], 2);
}
