//! VPCs, subnets, gateways and routes: made, changed, tied, taken away.

use crate::world::{World, elements};

async fn body(world: &World, form: &str) -> String {
    let reply = world.call(form).await;
    assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
    reply.body
}

async fn made(world: &World, form: &str, id: &str) -> String {
    elements(&body(world, form).await, id).remove(0)
}

async fn vpc(world: &World, range: &str) -> String {
    made(world, &format!("Action=CreateVpc&CidrBlock={range}"), "vpcId").await
}

async fn subnet(world: &World, vpc: &str, range: &str) -> String {
    let zone = "AvailabilityZone=test-1a";
    made(world, &format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock={range}&{zone}"), "subnetId").await
}

async fn main_table(world: &World, vpc: &str) -> String {
    let filters = format!("Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}&Filter.2.Name=association.main&Filter.2.Value.1=true");
    made(world, &format!("Action=DescribeRouteTables&{filters}"), "routeTableId").await
}

#[tokio::test]
async fn a_network_is_made_and_taken_away() {
    let world = World::new().await;
    let tags =
        |kind: &str| format!("TagSpecification.1.ResourceType={kind}&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b");
    let created = world.golden("CreateVpc", &format!("Action=CreateVpc&CidrBlock=10.5.0.9/16&{}", tags("vpc"))).await;
    let vpc = elements(&created, "vpcId").remove(0);
    let zone = "AvailabilityZoneId=test-1-az2";
    let created =
        world.golden("CreateSubnet", &format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.5.1.0/24&{zone}&{}", tags("subnet"))).await;
    let subnet = elements(&created, "subnetId").remove(0);
    let created = world.golden("CreateInternetGateway", &format!("Action=CreateInternetGateway&{}", tags("internet-gateway"))).await;
    let gateway = elements(&created, "internetGatewayId").remove(0);
    let ends = format!("InternetGatewayId={gateway}&VpcId={vpc}");
    world.golden("AttachInternetGateway", &format!("Action=AttachInternetGateway&{ends}")).await;
    let created = world.golden("CreateRouteTable", &format!("Action=CreateRouteTable&VpcId={vpc}&{}", tags("route-table"))).await;
    let table = elements(&created, "routeTableId").remove(0);
    let route = format!("RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0");
    world.golden("CreateRoute", &format!("Action=CreateRoute&{route}&GatewayId={gateway}")).await;
    world.refused(&format!("Action=CreateRoute&{route}&GatewayId={gateway}"), 400, "RouteAlreadyExists").await;
    let tied = world.golden("AssociateRouteTable", &format!("Action=AssociateRouteTable&RouteTableId={table}&SubnetId={subnet}")).await;
    let tie = elements(&tied, "associationId").remove(0);
    let of_vpc = format!("Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    world.golden("DescribeRouteTables", &format!("Action=DescribeRouteTables&{of_vpc}")).await;
    world.golden("DescribeInternetGateways", "Action=DescribeInternetGateways").await;
    world.golden("ModifySubnetAttribute", &format!("Action=ModifySubnetAttribute&SubnetId={subnet}&MapPublicIpOnLaunch.Value=true")).await;
    world.golden("ModifyVpcAttribute", &format!("Action=ModifyVpcAttribute&VpcId={vpc}&EnableDnsHostnames.Value=true")).await;
    world.golden("DescribeVpcAttribute.custom", &format!("Action=DescribeVpcAttribute&VpcId={vpc}&Attribute=enableDnsHostnames")).await;
    for (form, code) in [
        (format!("Action=DeleteVpc&VpcId={vpc}"), "DependencyViolation"),
        (format!("Action=DeleteRouteTable&RouteTableId={table}"), "DependencyViolation"),
        (format!("Action=DeleteInternetGateway&InternetGatewayId={gateway}"), "DependencyViolation"),
    ] {
        world.refused(&form, 400, code).await;
    }
    world.golden("DisassociateRouteTable", &format!("Action=DisassociateRouteTable&AssociationId={tie}")).await;
    world.golden("DeleteRoute", &format!("Action=DeleteRoute&{route}")).await;
    world.golden("DeleteRouteTable", &format!("Action=DeleteRouteTable&RouteTableId={table}")).await;
    world.golden("DetachInternetGateway", &format!("Action=DetachInternetGateway&{ends}")).await;
    world.golden("DeleteInternetGateway", &format!("Action=DeleteInternetGateway&InternetGatewayId={gateway}")).await;
    world.golden("DeleteSubnet", &format!("Action=DeleteSubnet&SubnetId={subnet}")).await;
    world.golden("DeleteVpc", &format!("Action=DeleteVpc&VpcId={vpc}")).await;
    world.refused(&format!("Action=DeleteVpc&VpcId={vpc}"), 400, "InvalidVpcID.NotFound").await;
    let left = body(&world, &format!("Action=DescribeSecurityGroups&{of_vpc}")).await;
    assert!(elements(&left, "groupId").is_empty(), "the default group went with its VPC");
}

#[tokio::test]
async fn a_deleted_default_vpc_is_made_again() {
    let world = World::new().await;
    world.refused("Action=CreateDefaultVpc", 400, "DefaultVpcAlreadyExists").await;
    let shown = body(&world, "Action=DescribeSubnets").await;
    let vpc = elements(&shown, "vpcId").remove(0);
    for subnet in elements(&shown, "subnetId") {
        body(&world, &format!("Action=DeleteSubnet&SubnetId={subnet}")).await;
    }
    let gateway = made(&world, "Action=DescribeInternetGateways", "internetGatewayId").await;
    body(&world, &format!("Action=DetachInternetGateway&InternetGatewayId={gateway}&VpcId={vpc}")).await;
    body(&world, &format!("Action=DeleteInternetGateway&InternetGatewayId={gateway}")).await;
    body(&world, &format!("Action=DeleteVpc&VpcId={vpc}")).await;
    let image = world.image("pileus-linux").await;
    let run = format!("Action=RunInstances&ImageId={image}&InstanceType=t3.nano&MinCount=1&MaxCount=1");
    world.refused(&run, 400, "MissingParameter").await;
    body(&world, "Action=CreateDefaultVpc").await;
    let instance = elements(&body(&world, &run).await, "instanceId").remove(0);
    let shown = body(&world, &format!("Action=DescribeInstances&InstanceId.1={instance}")).await;
    assert_eq!(elements(&shown, "ipAddress").len(), 1, "it has a public address and a way out");
}

#[tokio::test]
async fn a_new_vpc_has_a_default_group_and_a_main_table_and_no_way_out() {
    let world = World::new().await;
    let id = vpc(&world, "10.0.0.0/16").await;
    let of_vpc = format!("Filter.1.Name=vpc-id&Filter.1.Value.1={id}");
    assert_eq!(elements(&body(&world, &format!("Action=DescribeSecurityGroups&{of_vpc}")).await, "groupName"), ["default"]);
    let tables = body(&world, &format!("Action=DescribeRouteTables&{of_vpc}")).await;
    assert_eq!((elements(&tables, "gatewayId"), elements(&tables, "main")), (vec!["local".to_owned()], vec!["true".to_owned()]));
    let inside = subnet(&world, &id, "10.0.0.0/24").await;
    let instance = world.run(&format!("MinCount=1&MaxCount=1&SubnetId={inside}")).await.remove(0);
    let address = made(&world, "Action=AllocateAddress", "allocationId").await;
    let tie = format!("Action=AssociateAddress&AllocationId={address}&InstanceId={instance}");
    world.refused(&tie, 400, "Gateway.NotAttached").await;
    let gateway = made(&world, "Action=CreateInternetGateway", "internetGatewayId").await;
    let ends = format!("InternetGatewayId={gateway}&VpcId={id}");
    body(&world, &format!("Action=AttachInternetGateway&{ends}")).await;
    body(&world, &tie).await;
    world.refused(&format!("Action=DetachInternetGateway&{ends}"), 400, "DependencyViolation").await;
    world.refused(&format!("Action=DeleteSubnet&SubnetId={inside}"), 400, "DependencyViolation").await;
}

#[tokio::test]
async fn a_route_leads_nowhere_once_its_gateway_is_gone() {
    let world = World::new().await;
    let id = vpc(&world, "10.0.0.0/16").await;
    let table = main_table(&world, &id).await;
    let gateway = made(&world, "Action=CreateInternetGateway", "internetGatewayId").await;
    let route = format!("RouteTableId={table}&DestinationCidrBlock=192.0.2.0/24&GatewayId={gateway}");
    world.refused(&format!("Action=CreateRoute&{route}"), 400, "InvalidParameterValue").await;
    let ends = format!("InternetGatewayId={gateway}&VpcId={id}");
    body(&world, &format!("Action=AttachInternetGateway&{ends}")).await;
    world.refused(&format!("Action=ReplaceRoute&{route}"), 400, "InvalidRoute.NotFound").await;
    body(&world, &format!("Action=CreateRoute&{route}")).await;
    body(&world, &format!("Action=ReplaceRoute&{route}")).await;
    let states = async || {
        let of_vpc = format!("Filter.1.Name=route.gateway-id&Filter.1.Value.1={gateway}");
        let shown = body(&world, &format!("Action=DescribeRouteTables&{of_vpc}")).await;
        let routes = shown.split("<routeSet>").nth(1).and_then(|rest| rest.split("</routeSet>").next()).unwrap_or("").to_owned();
        elements(&routes, "state")
    };
    assert_eq!(states().await, ["active", "active"]);
    body(&world, &format!("Action=DetachInternetGateway&{ends}")).await;
    assert_eq!(states().await, ["active", "blackhole"]);
    world.refused(&format!("Action=DetachInternetGateway&{ends}"), 400, "Gateway.NotAttached").await;
}

#[tokio::test]
async fn the_main_table_is_replaced_and_a_subnet_moves_between_tables() {
    let world = World::new().await;
    let id = vpc(&world, "10.0.0.0/16").await;
    let (inside, main) = (subnet(&world, &id, "10.0.0.0/24").await, main_table(&world, &id).await);
    let create = format!("Action=CreateRouteTable&VpcId={id}");
    let (first, second) = (made(&world, &create, "routeTableId").await, made(&world, &create, "routeTableId").await);
    let tie_to = |table: &str| format!("Action=AssociateRouteTable&RouteTableId={table}&SubnetId={inside}");
    let tie = made(&world, &tie_to(&first), "associationId").await;
    assert_eq!(made(&world, &tie_to(&first), "associationId").await, tie, "the same again changes nothing");
    world.refused(&tie_to(&second), 400, "Resource.AlreadyAssociated").await;
    let replace = |tie: &str, table: &str| format!("Action=ReplaceRouteTableAssociation&AssociationId={tie}&RouteTableId={table}");
    let moved = made(&world, &replace(&tie, &second), "newAssociationId").await;
    world.refused(&replace(&tie, &second), 400, "InvalidAssociationID.NotFound").await;
    let shown = body(&world, &format!("Action=DescribeRouteTables&RouteTableId.1={second}")).await;
    assert_eq!((elements(&shown, "subnetId"), elements(&shown, "routeTableAssociationId")), (vec![inside], vec![moved]));
    let shown = body(&world, &format!("Action=DescribeRouteTables&RouteTableId.1={main}")).await;
    let main_tie = elements(&shown, "routeTableAssociationId").remove(0);
    world.refused(&format!("Action=DisassociateRouteTable&AssociationId={main_tie}"), 400, "InvalidParameterValue").await;
    world.golden("ReplaceRouteTableAssociation", &replace(&main_tie, &first)).await;
    assert_eq!(main_table(&world, &id).await, first);
    body(&world, &format!("Action=DeleteRouteTable&RouteTableId={main}")).await;
    world.refused(&format!("Action=DeleteRouteTable&RouteTableId={first}"), 400, "DependencyViolation").await;
}

#[tokio::test]
async fn networks_are_refused_with_ec2s_codes() {
    let world = World::new().await;
    let id = vpc(&world, "10.0.0.0/16").await;
    let _ = vpc(&world, "10.0.0.0/16").await;
    let inside = subnet(&world, &id, "10.0.1.0/24").await;
    let in_vpc = |range: &str| format!("Action=CreateSubnet&VpcId={id}&CidrBlock={range}");
    let gateway = made(&world, "Action=CreateInternetGateway", "internetGatewayId").await;
    let second = made(&world, "Action=CreateInternetGateway", "internetGatewayId").await;
    body(&world, &format!("Action=AttachInternetGateway&InternetGatewayId={gateway}&VpcId={id}")).await;
    let table = main_table(&world, &id).await;
    for (form, code) in [
        ("Action=CreateVpc", "MissingParameter"),
        ("Action=CreateVpc&CidrBlock=ten", "InvalidParameterValue"),
        ("Action=CreateVpc&CidrBlock=10.0.0.0/15", "InvalidVpc.Range"),
        ("Action=CreateVpc&CidrBlock=10.0.0.0/29", "InvalidVpc.Range"),
        ("Action=CreateVpc&CidrBlock=127.0.0.0/16", "InvalidVpc.Range"),
        ("Action=CreateVpc&CidrBlock=10.0.0.0/16&Ipv6Pool=own", "UnsupportedOperation"),
        ("Action=CreateVpc&CidrBlock=10.0.0.0/16&Ipv4IpamPoolId=x", "UnsupportedOperation"),
        ("Action=CreateVpc&CidrBlock=10.0.0.0/16&InstanceTenancy=dedicated", "InvalidParameterValue"),
        ("Action=DeleteVpc&VpcId=vpc-00000000000000001", "InvalidVpcID.NotFound"),
        (&in_vpc("10.1.0.0/24"), "InvalidSubnet.Range"),
        (&in_vpc("10.0.2.0/29"), "InvalidSubnet.Range"),
        (&in_vpc("10.0.0.0/16"), "InvalidSubnet.Conflict"),
        (&in_vpc("10.0.1.128/25"), "InvalidSubnet.Conflict"),
        (&format!("{}&AvailabilityZone=mars", in_vpc("10.0.2.0/24")), "InvalidParameterValue"),
        (&format!("Action=ModifyVpcAttribute&VpcId={id}"), "MissingParameter"),
        (&format!("Action=AttachInternetGateway&InternetGatewayId={second}&VpcId={id}"), "Resource.AlreadyAssociated"),
        ("Action=DeleteInternetGateway&InternetGatewayId=igw-00000000000000001", "InvalidInternetGatewayID.NotFound"),
        ("Action=DescribeRouteTables&RouteTableId.1=rtb-00000000000000001", "InvalidRouteTableID.NotFound"),
        (&format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=10.0.3.0/24&GatewayId={gateway}"), "InvalidParameterValue"),
        (&format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&NatGatewayId=nat-1"), "NatGatewayMalformed"),
        (&format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&GatewayId={second}"), "InvalidParameterValue"),
        (&format!("Action=DeleteRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0"), "InvalidRoute.NotFound"),
    ] {
        world.refused(form, 400, code).await;
    }
    for form in [
        format!("Action=DeleteVpc&VpcId={id}"),
        format!("Action=DeleteSubnet&SubnetId={inside}"),
        format!("Action=DeleteRouteTable&RouteTableId={table}"),
        format!("Action=DeleteInternetGateway&InternetGatewayId={gateway}"),
    ] {
        let anothers = world.call_as(&world.stranger, "ec2", &form).await;
        assert!(elements(&anothers.body, "Code")[0].ends_with(".NotFound"), "{form}: {}", anothers.body);
    }
    for n in 4..=10 {
        vpc(&world, &format!("10.{n}.0.0/16")).await;
    }
    world.refused("Action=CreateVpc&CidrBlock=10.0.0.0/16", 400, "VpcLimitExceeded").await;
}

#[tokio::test]
async fn ipv6_comes_to_a_network_and_leaves_it() {
    let world = World::new().await;
    let created = world.golden("CreateVpc.ipv6", "Action=CreateVpc&CidrBlock=10.5.0.0/16&AmazonProvidedIpv6CidrBlock=true").await;
    let first = elements(&created, "vpcId").remove(0);
    let vpc = vpc(&world, "10.5.0.0/16").await;
    let asked = format!("Action=AssociateVpcCidrBlock&VpcId={vpc}&AmazonProvidedIpv6CidrBlock=true");
    let tied = world.golden("AssociateVpcCidrBlock", &asked).await;
    let tie = elements(&tied, "associationId").remove(0);
    let range = "Ipv6CidrBlock=fd12:3456:789a:101::/64";
    let subnet = subnet(&world, &vpc, "10.5.1.0/24").await;
    let of_subnet = world.golden("AssociateSubnetCidrBlock", &format!("Action=AssociateSubnetCidrBlock&SubnetId={subnet}&{range}")).await;
    let of_subnet = elements(&of_subnet, "associationId").remove(0);
    world.golden("DescribeSubnets.ipv6", &format!("Action=DescribeSubnets&SubnetId.1={subnet}")).await;
    let chosen = "Ipv6Addresses.1.Ipv6Address=fd12:3456:789a:101::60";
    let nic = world.golden("CreateNetworkInterface.ipv6", &format!("Action=CreateNetworkInterface&SubnetId={subnet}&{chosen}")).await;
    let nic = elements(&nic, "networkInterfaceId").remove(0);
    let further = format!("NetworkInterfaceId={nic}&Ipv6Addresses.1=fd12:3456:789a:101::61");
    world.golden("AssignIpv6Addresses", &format!("Action=AssignIpv6Addresses&{further}")).await;
    world.golden("UnassignIpv6Addresses", &format!("Action=UnassignIpv6Addresses&{further}")).await;
    let group = made(&world, &format!("Action=CreateSecurityGroup&GroupName=v6&GroupDescription=d&VpcId={vpc}"), "groupId").await;
    let rule = "IpPermissions.1.IpProtocol=icmpv6&IpPermissions.1.FromPort=128&IpPermissions.1.ToPort=-1&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0";
    let rules = format!("Action=AuthorizeSecurityGroupIngress&GroupId={group}&{rule}");
    world.golden("AuthorizeSecurityGroupIngress.ipv6", &rules).await;
    world.golden("DescribeSecurityGroups.ipv6", &format!("Action=DescribeSecurityGroups&GroupId.1={group}")).await;
    for (form, code) in [
        (format!("Action=AssociateVpcCidrBlock&VpcId={vpc}&AmazonProvidedIpv6CidrBlock=true"), "CidrLimitExceeded"),
        (format!("Action=AssociateVpcCidrBlock&VpcId={vpc}"), "MissingParameter"),
        (
            format!("Action=AssociateVpcCidrBlock&VpcId={vpc}&AmazonProvidedIpv6CidrBlock=true&CidrBlock=10.6.0.0/16"),
            "InvalidParameterCombination",
        ),
        (format!("Action=AssociateSubnetCidrBlock&SubnetId={subnet}&{range}"), "CidrLimitExceeded"),
        (format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.5.2.0/24&{range}"), "InvalidSubnet.Conflict"),
        (format!("Action=CreateSubnet&VpcId={first}&CidrBlock=10.5.2.0/24&{range}"), "InvalidParameterValue"),
        (format!("Action=DisassociateSubnetCidrBlock&AssociationId={of_subnet}"), "InvalidCidrBlock.InUse"),
        (format!("Action=DisassociateVpcCidrBlock&AssociationId={tie}"), "InvalidCidrBlock.InUse"),
        (format!("Action=DisassociateVpcCidrBlock&AssociationId={of_subnet}"), "InvalidCidrBlockAssociationID.Malformed"),
        (format!("Action=AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Addresses.1=fd12:3456:789a:101::60"), "InvalidIPAddress.InUse"),
        (format!("Action=UnassignIpv6Addresses&{further}"), "InvalidParameterValue"),
    ] {
        world.refused(&form, 400, code).await;
    }
    body(&world, &format!("Action=DeleteNetworkInterface&NetworkInterfaceId={nic}")).await;
    world.golden("DisassociateSubnetCidrBlock", &format!("Action=DisassociateSubnetCidrBlock&AssociationId={of_subnet}")).await;
    world.golden("DisassociateVpcCidrBlock", &format!("Action=DisassociateVpcCidrBlock&AssociationId={tie}")).await;
}

#[tokio::test]
async fn a_vpc_gets_further_ranges_and_gives_them_up() {
    let world = World::new().await;
    let vpc = vpc(&world, "10.5.0.0/16").await;
    let associate = |range: &str| format!("Action=AssociateVpcCidrBlock&VpcId={vpc}&CidrBlock={range}");
    let tied = world.golden("AssociateVpcCidrBlock.ipv4", &associate("10.6.0.9/16")).await;
    let tie = elements(&tied, "associationId").remove(0);
    let subnet = subnet(&world, &vpc, "10.6.1.0/24").await;
    let shown = world.golden("DescribeVpcs.ranges", &format!("Action=DescribeVpcs&VpcId.1={vpc}")).await;
    let first = elements(&shown, "associationId").remove(0);
    let of_vpc = format!("Action=DescribeRouteTables&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let table = elements(&world.golden("DescribeRouteTables.ranges", &of_vpc).await, "routeTableId").remove(0);
    let listed = async |name: &str, value: &str| {
        let reply = body(&world, &format!("Action=DescribeVpcs&Filter.1.Name={name}&Filter.1.Value.1={value}")).await;
        elements(&reply, "vpcId")
    };
    for (name, value) in [
        ("cidr-block-association.cidr-block", "10.6.0.0/16"),
        ("cidr-block-association.association-id", tie.as_str()),
        ("cidr-block-association.association-id", first.as_str()),
        ("cidr-block", "10.5.0.0/16"),
    ] {
        assert_eq!(listed(name, value).await, std::slice::from_ref(&vpc), "{name}");
    }
    assert!(listed("cidr-block", "10.6.0.0/16").await.is_empty(), "the first range alone");
    let gateway = made(&world, "Action=CreateInternetGateway", "internetGatewayId").await;
    body(&world, &format!("Action=AttachInternetGateway&InternetGatewayId={gateway}&VpcId={vpc}")).await;
    let route = |to: &str| format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock={to}&GatewayId={gateway}");
    body(&world, &route("10.8.4.0/24")).await;
    body(&world, &route("10.0.0.0/8")).await;
    for (form, code) in [
        (associate("10.6.128.0/20"), "CidrConflict"),
        (associate("10.5.0.0/16"), "CidrConflict"),
        (associate("10.8.0.0/16"), "CidrConflict"),
        (associate("10.7.0.0/15"), "InvalidVpc.Range"),
        (associate("10.7.0.0/29"), "InvalidVpc.Range"),
        (associate("127.7.0.0/16"), "InvalidVpc.Range"),
        (associate("192.168.0.0/16"), "InvalidVpc.Range"),
        (associate("ten"), "InvalidParameterValue"),
        (route("10.6.3.0/24"), "InvalidParameterValue"),
        (format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.7.1.0/24"), "InvalidSubnet.Range"),
        (format!("Action=DisassociateVpcCidrBlock&AssociationId={tie}"), "InvalidCidrBlock.InUse"),
        (format!("Action=DisassociateVpcCidrBlock&AssociationId={first}"), "OperationNotPermitted"),
        (
            "Action=DisassociateVpcCidrBlock&AssociationId=vpc-cidr-assoc-00000000000000001".to_owned(),
            "InvalidVpcCidrBlockAssociationID.NotFound",
        ),
    ] {
        world.refused(&form, 400, code).await;
    }
    for range in ["10.7.0.0/16", "10.8.4.0/25", "100.64.0.0/16"] {
        body(&world, &associate(range)).await;
    }
    world.refused(&associate("10.9.0.0/16"), 400, "CidrLimitExceeded").await;
    body(&world, &format!("Action=DeleteSubnet&SubnetId={subnet}")).await;
    world.golden("DisassociateVpcCidrBlock.ipv4", &format!("Action=DisassociateVpcCidrBlock&AssociationId={tie}")).await;
    body(&world, &associate("10.6.0.0/20")).await;
}

#[tokio::test]
async fn ranges_of_peered_vpcs_stay_apart() {
    let world = World::new().await;
    let (one, two, three) = (vpc(&world, "10.1.0.0/16").await, vpc(&world, "10.2.0.0/16").await, vpc(&world, "10.3.0.0/16").await);
    let associate = |vpc: &str, range: &str| format!("Action=AssociateVpcCidrBlock&VpcId={vpc}&CidrBlock={range}");
    let ask = |from: &str, to: &str| format!("Action=CreateVpcPeeringConnection&VpcId={from}&PeerVpcId={to}");
    let accept = |id: &str| format!("Action=AcceptVpcPeeringConnection&VpcPeeringConnectionId={id}");
    let first = made(&world, &ask(&one, &two), "vpcPeeringConnectionId").await;
    // Who asked waits for the answer; who was asked need not.
    world.refused(&associate(&one, "10.11.0.0/16"), 400, "IncorrectState").await;
    body(&world, &associate(&two, "10.12.0.0/16")).await;
    body(&world, &accept(&first)).await;
    let second = made(&world, &ask(&two, &three), "vpcPeeringConnectionId").await;
    body(&world, &accept(&second)).await;
    // Not what the other side has, nor what that is peered with beside it.
    for range in ["10.2.0.0/20", "10.12.0.0/16", "10.3.0.0/16"] {
        world.refused(&associate(&one, range), 400, "CidrConflict").await;
    }
    body(&world, &associate(&one, "10.11.0.0/16")).await;
    let shown = body(&world, &format!("Action=DescribeVpcPeeringConnections&VpcPeeringConnectionId.1={first}")).await;
    assert_eq!(shown.matches("<cidrBlock>10.11.0.0/16</cidrBlock>").count(), 1, "{shown}");
    assert_eq!(shown.matches("<cidrBlock>10.12.0.0/16</cidrBlock>").count(), 1, "{shown}");
    // One that waits fails when who was asked takes what overlaps.
    let four = vpc(&world, "10.4.0.0/16").await;
    let third = made(&world, &ask(&four, &three), "vpcPeeringConnectionId").await;
    body(&world, &associate(&three, "10.4.0.0/20")).await;
    let shown = body(&world, &format!("Action=DescribeVpcPeeringConnections&VpcPeeringConnectionId.1={third}")).await;
    assert_eq!(elements(&shown, "code"), ["failed"]);
    let failed = body(&world, &ask(&four, &three)).await;
    assert_eq!(elements(&failed, "code"), ["failed"], "in any range of either");
}

#[tokio::test]
async fn routes_of_ipv6_stand_beside_those_of_ipv4() {
    let world = World::new().await;
    let vpc = made(&world, "Action=CreateVpc&CidrBlock=10.5.0.0/16&AmazonProvidedIpv6CidrBlock=true", "vpcId").await;
    let other = made(&world, "Action=CreateVpc&CidrBlock=10.6.0.0/16&AmazonProvidedIpv6CidrBlock=true", "vpcId").await;
    let table = main_table(&world, &vpc).await;
    let gateway = made(&world, "Action=CreateInternetGateway", "internetGatewayId").await;
    body(&world, &format!("Action=AttachInternetGateway&InternetGatewayId={gateway}&VpcId={vpc}")).await;
    let tags =
        "TagSpecification.1.ResourceType=egress-only-internet-gateway&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let create = format!("Action=CreateEgressOnlyInternetGateway&VpcId={vpc}&{tags}&ClientToken=once");
    let only = elements(&world.golden("CreateEgressOnlyInternetGateway", &create).await, "egressOnlyInternetGatewayId").remove(0);
    assert_eq!(made(&world, &create, "egressOnlyInternetGatewayId").await, only, "the same token makes no other");
    let theirs = made(&world, &format!("Action=CreateEgressOnlyInternetGateway&VpcId={other}"), "egressOnlyInternetGatewayId").await;
    let eni = {
        let inside = subnet(&world, &vpc, "10.5.1.0/24").await;
        made(&world, &format!("Action=CreateNetworkInterface&SubnetId={inside}"), "networkInterfaceId").await
    };
    let route =
        |action: &str, to: &str, target: &str| format!("Action={action}&RouteTableId={table}&DestinationIpv6CidrBlock={to}&{target}");
    let by_gateway = format!("GatewayId={gateway}");
    let by_only = format!("EgressOnlyInternetGatewayId={only}");
    body(&world, &route("CreateRoute", "::/0", &by_gateway)).await;
    body(&world, &route("CreateRoute", "2001:db8::7/32", &by_only)).await;
    body(&world, &route("CreateRoute", "2001:db8:1::/48", &format!("NetworkInterfaceId={eni}"))).await;
    let v4 = format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0");
    for (form, code) in [
        (route("CreateRoute", "::/0", &by_gateway), "RouteAlreadyExists"),
        (route("CreateRoute", "2001:db8::/32", &by_gateway), "RouteAlreadyExists"),
        (route("CreateRoute", "fd12:3456:789a:7::/64", &by_gateway), "InvalidParameterValue"),
        (route("CreateRoute", "10.0.0.0/8", &by_gateway), "InvalidParameterValue"),
        (format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=::/0&{by_gateway}"), "InvalidParameterValue"),
        (format!("{v4}&{by_only}"), "InvalidParameterCombination"),
        (format!("{v4}&DestinationIpv6CidrBlock=::/1&{by_gateway}"), "InvalidParameterCombination"),
        (route("CreateRoute", "::/1", &format!("{by_only}&{by_gateway}")), "InvalidParameterCombination"),
        (route("CreateRoute", "::/1", &format!("EgressOnlyInternetGatewayId={theirs}")), "InvalidParameterValue"),
        (route("CreateRoute", "::/1", "NatGatewayId=nat-00000000000000001"), "UnsupportedOperation"),
        (route("CreateRoute", "::/1", "EgressOnlyInternetGatewayId=eigw-00000000000000001"), "InvalidEgressOnlyInternetGatewayId.NotFound"),
        (route("CreateRoute", "::/1", "EgressOnlyInternetGatewayId=igw-1"), "InvalidEgressOnlyInternetGatewayId.Malformed"),
        (route("ReplaceRoute", "::/1", &by_gateway), "InvalidRoute.NotFound"),
        (route("DeleteRoute", "::/1", ""), "InvalidRoute.NotFound"),
        (format!("Action=DeleteVpc&VpcId={vpc}"), "DependencyViolation"),
        ("Action=DescribeEgressOnlyInternetGateways&MaxResults=256".to_owned(), "InvalidParameterValue"),
        (
            "Action=DescribeEgressOnlyInternetGateways&EgressOnlyInternetGatewayId.1=eigw-00000000000000001".to_owned(),
            "InvalidEgressOnlyInternetGatewayId.NotFound",
        ),
    ] {
        world.refused(&form, 400, code).await;
    }
    let shown = |filter: &str, value: &str| {
        format!("Action=DescribeRouteTables&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}&Filter.2.Name={filter}&Filter.2.Value.1={value}")
    };
    world.golden("DescribeRouteTables.ipv6", &shown("route.destination-ipv6-cidr-block", "::/0")).await;
    for (filter, value, count) in [
        ("route.egress-only-internet-gateway-id", only.as_str(), 1),
        ("route.egress-only-internet-gateway-id", &theirs, 0),
        ("route.gateway-id", &gateway, 1),
        ("route.destination-ipv6-cidr-block", "::/1", 0),
    ] {
        let found = body(&world, &shown(filter, value)).await;
        assert_eq!(found.matches("<vpcId>").count(), count, "{filter}={value}");
    }
    body(&world, &route("ReplaceRoute", "::/0", &by_only)).await;
    body(&world, &route("DeleteRoute", "2001:db8::/32", "")).await;
    world
        .golden("DescribeEgressOnlyInternetGateways", "Action=DescribeEgressOnlyInternetGateways&Filter.1.Name=tag:a&Filter.1.Value.1=b")
        .await;
    world
        .golden("DeleteEgressOnlyInternetGateway", &format!("Action=DeleteEgressOnlyInternetGateway&EgressOnlyInternetGatewayId={only}"))
        .await;
    let left = body(&world, &shown("route.state", "blackhole")).await;
    assert_eq!(
        elements(&left, "destinationIpv6CidrBlock"),
        ["fd12:3456:789a::/56", "::/0", "2001:db8:1::/48"],
        "where nothing leads any more"
    );
    let gone = format!("Action=DeleteEgressOnlyInternetGateway&EgressOnlyInternetGatewayId={only}");
    world.refused(&gone, 400, "InvalidEgressOnlyInternetGatewayId.NotFound").await;
}
