//! Questions whether one thing reaches another.

use crate::world::{World, elements};

async fn path(world: &World, form: &str) -> String {
    let reply = world.call(&format!("Action=CreateNetworkInsightsPath&Protocol=tcp&{form}")).await;
    assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
    elements(&reply.body, "networkInsightsPathId").remove(0)
}

async fn analysis(world: &World, path: &str) -> String {
    let reply = world.call(&format!("Action=StartNetworkInsightsAnalysis&NetworkInsightsPathId={path}")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

/// The code that an analysis gives; none when the path is found.
async fn code(world: &World, path: &str) -> Option<String> {
    let body = analysis(world, path).await;
    let codes = elements(&body, "explanationCode");
    assert_eq!(elements(&body, "networkPathFound"), [codes.is_empty().to_string()], "{body}");
    codes.into_iter().next()
}

#[tokio::test]
async fn a_question_is_kept_answered_and_forgotten() {
    let world = World::new().await;
    let instances = world.run("MinCount=2&MaxCount=2").await;
    world.settle().await;
    let gateway = elements(&world.call("Action=DescribeInternetGateways").await.body, "internetGatewayId").remove(0);
    let tags =
        |kind: &str| format!("TagSpecification.1.ResourceType={kind}&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b");
    let ends = format!("Source={}&Destination={}&Protocol=tcp&DestinationPort=443", instances[0], instances[1]);
    let made = world
        .golden("CreateNetworkInsightsPath", &format!("Action=CreateNetworkInsightsPath&{ends}&{}", tags("network-insights-path")))
        .await;
    let inside = elements(&made, "networkInsightsPathId").remove(0);
    let start = format!("Action=StartNetworkInsightsAnalysis&NetworkInsightsPathId={inside}&{}", tags("network-insights-analysis"));
    let first = elements(&world.golden("StartNetworkInsightsAnalysis", &start).await, "networkInsightsAnalysisId").remove(0);
    let outside = path(&world, &format!("Source={gateway}&Destination={}&DestinationPort=22", instances[1])).await;
    let second = elements(&analysis(&world, &outside).await, "networkInsightsAnalysisId").remove(0);
    let found = |yes: bool| format!("Filter.1.Name=path-found&Filter.1.Value.1={yes}");
    world.golden("DescribeNetworkInsightsAnalyses.no", &format!("Action=DescribeNetworkInsightsAnalyses&{}", found(false))).await;
    world
        .golden(
            "DescribeNetworkInsightsPaths",
            &format!("Action=DescribeNetworkInsightsPaths&Filter.1.Name=source&Filter.1.Value.1={gateway}"),
        )
        .await;
    let of_path = world.call(&format!("Action=DescribeNetworkInsightsAnalyses&NetworkInsightsPathId={inside}")).await.body;
    assert_eq!(elements(&of_path, "networkInsightsAnalysisId"), std::slice::from_ref(&first));
    let delete = |path: &str| format!("Action=DeleteNetworkInsightsPath&NetworkInsightsPathId={path}");
    world.refused(&delete(&inside), 400, "AnalysisExistsForNetworkInsightsPath").await;
    world.golden("DeleteNetworkInsightsAnalysis", &format!("Action=DeleteNetworkInsightsAnalysis&NetworkInsightsAnalysisId={first}")).await;
    world.golden("DeleteNetworkInsightsPath", &delete(&inside)).await;
    world.refused(&delete(&inside), 400, "InvalidNetworkInsightsPathId.NotFound").await;
    world.call(&format!("Action=DeleteNetworkInsightsAnalysis&NetworkInsightsAnalysisId={second}")).await;
    let again = format!("Action=DeleteNetworkInsightsAnalysis&NetworkInsightsAnalysisId={second}");
    world.refused(&again, 400, "InvalidNetworkInsightsAnalysisId.NotFound").await;
}

#[tokio::test]
async fn an_answer_follows_the_rules_of_its_moment() {
    let world = World::new().await;
    let instances = world.run("MinCount=2&MaxCount=2").await;
    world.settle().await;
    let gateway = elements(&world.call("Action=DescribeInternetGateways").await.body, "internetGatewayId").remove(0);
    let group = elements(&world.call("Action=DescribeSecurityGroups").await.body, "groupId").remove(0);
    let ssh = path(&world, &format!("Source={gateway}&Destination={}&DestinationPort=22", instances[0])).await;
    let some = path(&world, &format!("Source={gateway}&Destination={}", instances[0])).await;
    assert_eq!(code(&world, &ssh).await.as_deref(), Some("ENI_SG_RULES_MISMATCH"));
    let rule = format!(
        "GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=20&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=8.8.8.0/24"
    );
    world.call(&format!("Action=AuthorizeSecurityGroupIngress&{rule}")).await;
    // A question that names no address is about any, one that names no port about any.
    assert_eq!((code(&world, &ssh).await, code(&world, &some).await), (None, None));
    let named = path(&world, &format!("Source={gateway}&SourceIp=9.9.9.9&Destination={}&DestinationPort=22", instances[0])).await;
    assert_eq!(code(&world, &named).await.as_deref(), Some("ENI_SG_RULES_MISMATCH"));
    let out = path(&world, &format!("Source={}&Destination={gateway}", instances[0])).await;
    assert_eq!(code(&world, &out).await, None);
    let nobody = path(&world, &format!("Source={}&DestinationIp=172.31.255.200&DestinationPort=1", instances[0])).await;
    assert_eq!(code(&world, &nobody).await.as_deref(), Some("NO_POSSIBLE_DESTINATION"));
    world.call(&format!("Action=StopInstances&InstanceId.1={}", instances[1])).await;
    world.settle().await;
    let stopped = path(&world, &format!("Source={}&Destination={}&DestinationPort=1", instances[0], instances[1])).await;
    assert_eq!(code(&world, &stopped).await.as_deref(), Some("BAD_STATE"));
    // Another way to lose the world: the route.
    let table = elements(&world.call("Action=DescribeRouteTables").await.body, "routeTableId").remove(0);
    world.call(&format!("Action=DeleteRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0")).await;
    assert_eq!(code(&world, &out).await.as_deref(), Some("NO_ROUTE_TO_DESTINATION"));
}

#[tokio::test]
async fn questions_about_nothing_are_refused() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    world.settle().await;
    let gateway = elements(&world.call("Action=DescribeInternetGateways").await.body, "internetGatewayId").remove(0);
    for (form, code) in [
        (format!("Source={instance}&Protocol=tcp"), "MissingParameter"),
        (format!("Source={instance}&Destination={instance}&Protocol=icmp"), "InvalidParameterValue"),
        (format!("Source={instance}&Destination=vol-1&Protocol=tcp"), "InvalidParameterValue"),
        (format!("Source={instance}&Destination=i-1&Protocol=tcp"), "InvalidInstanceID.Malformed"),
        (format!("Source={instance}&Destination=i-00000000000000001&Protocol=tcp"), "InvalidInstanceID.NotFound"),
        (format!("Source={gateway}&Destination={gateway}&Protocol=tcp"), "InvalidParameterCombination"),
        (format!("Source={gateway}&Destination={instance}&DestinationIp=1.2.3.4&Protocol=tcp"), "InvalidParameterValue"),
        (format!("Source={gateway}&Destination={instance}&DestinationPort=0&Protocol=tcp"), "InvalidParameterValue"),
        (format!("Source={gateway}&Destination={instance}&Protocol=tcp&FilterAtSource.SourceAddress=1.2.3.4"), "UnsupportedOperation"),
    ] {
        world.refused(&format!("Action=CreateNetworkInsightsPath&{form}"), 400, code).await;
    }
}

#[tokio::test]
async fn a_question_with_addresses_of_ipv6_is_about_ipv6() {
    let world = World::new().await;
    let instances = world.run("MinCount=2&MaxCount=2").await;
    world.settle().await;
    let one = |body: String, name: &str| elements(&body, name).remove(0);
    let gateway = one(world.call("Action=DescribeInternetGateways").await.body, "internetGatewayId");
    let group = one(world.call("Action=DescribeSecurityGroups").await.body, "groupId");
    let table = one(world.call("Action=DescribeRouteTables").await.body, "routeTableId");
    let shown = world.call(&format!("Action=DescribeInstances&InstanceId.1={}", instances[0])).await.body;
    let (vpc, subnet) = (one(shown.clone(), "vpcId"), one(shown, "subnetId"));
    world.call(&format!("Action=AssociateVpcCidrBlock&VpcId={vpc}&AmazonProvidedIpv6CidrBlock=true")).await;
    let range = one(world.call(&format!("Action=DescribeVpcs&VpcId.1={vpc}")).await.body, "ipv6CidrBlock");
    let of_subnet = range.replace("/56", "/64");
    world.call(&format!("Action=AssociateSubnetCidrBlock&SubnetId={subnet}&Ipv6CidrBlock={of_subnet}")).await;
    let address = |last: &str| of_subnet.replace("::/64", last);
    let (first, second) = (address("::5"), address("::6"));
    let of_first = path(&world, &format!("Source={gateway}&Destination={}&SourceIp=2001:db8::9&DestinationPort=22", instances[0])).await;
    assert_eq!(code(&world, &of_first).await.as_deref(), Some("UNASSOCIATED_COMPONENT"), "it has no address of IPv6");
    for (instance, ip) in instances.iter().zip([&first, &second]) {
        let shown = world.call(&format!("Action=DescribeInstances&InstanceId.1={instance}")).await.body;
        let nic = one(shown, "networkInterfaceId");
        let reply = world.call(&format!("Action=AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Addresses.1={ip}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    let inside =
        path(&world, &format!("Source={}&Destination={}&DestinationIp={second}&DestinationPort=443", instances[0], instances[1])).await;
    assert_eq!(code(&world, &inside).await, None, "members of the group meet");
    let by_address = path(&world, &format!("Source={}&DestinationIp={second}&DestinationPort=443", instances[0])).await;
    world
        .golden("StartNetworkInsightsAnalysis.ipv6", &format!("Action=StartNetworkInsightsAnalysis&NetworkInsightsPathId={by_address}"))
        .await;
    let claimed = path(&world, &format!("Source={}&SourceIp=2001:db8::5&DestinationIp={second}", instances[0])).await;
    assert_eq!(code(&world, &claimed).await.as_deref(), Some("ENI_SOURCE_DEST_CHECK_RESTRICTION"));
    let claimed = path(&world, &format!("Source={gateway}&SourceIp={second}&Destination={}", instances[0])).await;
    assert_eq!(code(&world, &claimed).await.as_deref(), Some("GATEWAY_REJECTS_SPOOFED_TRAFFIC"));
    let nobody = path(&world, &format!("Source={}&DestinationIp={}", instances[0], address("::99"))).await;
    assert_eq!(code(&world, &nobody).await.as_deref(), Some("NO_POSSIBLE_DESTINATION"));
    // From outside and to there, a route decides, then the groups.
    let out = path(&world, &format!("Source={}&Destination={gateway}&DestinationIp=2001:db8::9&DestinationPort=443", instances[0])).await;
    for path in [&of_first, &out] {
        assert_eq!(code(&world, path).await.as_deref(), Some("NO_ROUTE_TO_DESTINATION"));
    }
    let route = |action: &str, target: &str| format!("Action={action}&RouteTableId={table}&DestinationIpv6CidrBlock=::/0&{target}");
    world.call(&route("CreateRoute", &format!("GatewayId={gateway}"))).await;
    assert_eq!((code(&world, &of_first).await.as_deref(), code(&world, &out).await), (Some("ENI_SG_RULES_MISMATCH"), None));
    let rule = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=2001:db8::/64";
    world.call(&format!("Action=AuthorizeSecurityGroupIngress&GroupId={group}&{rule}")).await;
    assert_eq!(code(&world, &of_first).await, None);
    // Who is named by a rule is asked for where the question names nobody but the version.
    let any = path(&world, &format!("Source={gateway}&Destination={}&DestinationIp={first}&DestinationPort=22", instances[0])).await;
    assert_eq!(code(&world, &any).await, None);
    let only = world.call(&format!("Action=CreateEgressOnlyInternetGateway&VpcId={vpc}")).await.body;
    let only = one(only, "egressOnlyInternetGatewayId");
    world.call(&route("ReplaceRoute", &format!("EgressOnlyInternetGatewayId={only}"))).await;
    let start = |path: &str| format!("Action=StartNetworkInsightsAnalysis&NetworkInsightsPathId={path}");
    world.golden("StartNetworkInsightsAnalysis.outward", &start(&out)).await;
    world.golden("StartNetworkInsightsAnalysis.only_outward", &start(&of_first)).await;
    world.call(&format!("Action=DeleteEgressOnlyInternetGateway&EgressOnlyInternetGatewayId={only}")).await;
    assert_eq!(code(&world, &out).await.as_deref(), Some("BAD_STATE_ROUTE"));
    for (form, code) in [
        (format!("Source={}&SourceIp={first}&DestinationIp=10.0.0.1", instances[0]), "InvalidParameterCombination"),
        (format!("Source={gateway}&Destination={}&DestinationIp={second}", instances[0]), "InvalidParameterValue"),
    ] {
        world.refused(&format!("Action=CreateNetworkInsightsPath&Protocol=tcp&{form}"), 400, code).await;
    }
}

#[tokio::test]
async fn a_further_private_address_is_asked_for_by_itself() {
    let world = World::new().await;
    let instances = world.run("MinCount=2&MaxCount=2").await;
    world.settle().await;
    let gateway = elements(&world.call("Action=DescribeInternetGateways").await.body, "internetGatewayId").remove(0);
    let nic = |instance: &str| format!("Action=DescribeInstances&InstanceId.1={instance}");
    let nic = elements(&world.call(&nic(&instances[0])).await.body, "networkInterfaceId").remove(0);
    let given = world.call(&format!("Action=AssignPrivateIpAddresses&NetworkInterfaceId={nic}&SecondaryPrivateIpAddressCount=1")).await;
    let further = elements(&given.body, "privateIpAddress").remove(0);
    let out = path(&world, &format!("Source={}&SourceIp={further}&Destination={gateway}&DestinationPort=443", instances[0])).await;
    assert_eq!(code(&world, &out).await.as_deref(), Some("IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"), "the other address has the public one");
    let elastic = world.call("Action=AllocateAddress").await.body;
    let elastic = elements(&elastic, "allocationId").remove(0);
    let tie = format!("Action=AssociateAddress&AllocationId={elastic}&NetworkInterfaceId={nic}&PrivateIpAddress={further}");
    assert_eq!(world.call(&tie).await.status, 200);
    assert_eq!(code(&world, &out).await, None);
    let inside = path(&world, &format!("Source={}&Destination={}&DestinationIp={further}", instances[1], instances[0])).await;
    assert_eq!(code(&world, &inside).await, None);
}

/// A VPC of both versions of IP with a gateway, and an instance in it that lets SSH in from everywhere.
struct Dual {
    vpc: String,
    range: String,
    table: String,
    gateway: String,
    instance: String,
    address: String,
}

async fn dual(world: &World, number: u8) -> Dual {
    let vpc = world.first(&format!("Action=CreateVpc&CidrBlock=10.{number}.0.0/16&AmazonProvidedIpv6CidrBlock=true"), "vpcId").await;
    let range = world.first(&format!("Action=DescribeVpcs&VpcId.1={vpc}"), "ipv6CidrBlock").await;
    let of_subnet = range.replace("/56", "/64");
    let subnet = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.{number}.1.0/24&Ipv6CidrBlock={of_subnet}");
    let subnet = world.first(&subnet, "subnetId").await;
    let gateway = world.first("Action=CreateInternetGateway", "internetGatewayId").await;
    world.ok(&format!("Action=AttachInternetGateway&InternetGatewayId={gateway}&VpcId={vpc}")).await;
    let of_vpc = format!("Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let table = world.first(&format!("Action=DescribeRouteTables&{of_vpc}"), "routeTableId").await;
    let group = world.first(&format!("Action=DescribeSecurityGroups&{of_vpc}"), "groupId").await;
    let rule =
        "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0";
    world.ok(&format!("Action=AuthorizeSecurityGroupIngress&GroupId={group}&{rule}")).await;
    let instance = world.run(&format!("MinCount=1&MaxCount=1&SubnetId={subnet}")).await.remove(0);
    let nic = world.first(&format!("Action=DescribeInstances&InstanceId.1={instance}"), "networkInterfaceId").await;
    let address = of_subnet.replace("::/64", "::5");
    world.ok(&format!("Action=AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Addresses.1={address}")).await;
    Dual { vpc, range, table, gateway, instance, address }
}

#[tokio::test]
async fn two_vpcs_meet_in_ipv6_outside_or_by_a_peering() {
    let world = World::new().await;
    let (one, two) = (dual(&world, 5).await, dual(&world, 6).await);
    world.settle().await;
    let route = |from: &Dual, range: &str, target: &str| {
        format!("Action=CreateRoute&RouteTableId={}&DestinationIpv6CidrBlock={range}&{target}", from.table)
    };
    let across = path(&world, &format!("Source={}&DestinationIp={}&DestinationPort=22", one.instance, two.address)).await;
    assert_eq!(code(&world, &across).await.as_deref(), Some("NO_ROUTE_TO_DESTINATION"));
    for end in [&one, &two] {
        world.ok(&route(end, "::/0", &format!("GatewayId={}", end.gateway))).await;
    }
    assert_eq!(code(&world, &across).await, None, "by the gateways of both");
    let nobody = path(&world, &format!("Source={}&DestinationIp={}", one.instance, two.address.replace("::5", "::99"))).await;
    assert_eq!(code(&world, &nobody).await.as_deref(), Some("NO_POSSIBLE_DESTINATION"));
    let asked = format!("Action=CreateVpcPeeringConnection&VpcId={}&PeerVpcId={}", one.vpc, two.vpc);
    let peering = format!("VpcPeeringConnectionId={}", world.first(&asked, "vpcPeeringConnectionId").await);
    world.ok(&format!("Action=AcceptVpcPeeringConnection&{peering}")).await;
    world.ok(&route(&one, &two.range, &peering)).await;
    assert_eq!(code(&world, &across).await, None, "answers come by the gateways");
    world.ok(&format!("Action=DeleteRoute&RouteTableId={}&DestinationIpv6CidrBlock=::/0", one.table)).await;
    assert_eq!(code(&world, &across).await.as_deref(), Some("BAD_STATE_ROUTE"), "answers find nobody outside");
    world.ok(&route(&two, &one.range, &peering)).await;
    assert_eq!(code(&world, &across).await, None, "by the peering, there and back");
}
