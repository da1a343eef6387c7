//! Managed prefix lists: made, changed in versions, named by rules, deleted.

use crate::world::{World, elements};

#[tokio::test]
async fn a_prefix_list_is_made_versioned_used_and_deleted() {
    let world = World::new().await;
    let new = "Action=CreateManagedPrefixList&PrefixListName=offices&MaxEntries=3&AddressFamily=IPv4";
    let entry = "Entry.1.Cidr=192.0.2.0/24&Entry.1.Description=first";
    let tags = "TagSpecification.1.ResourceType=prefix-list&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let made = world.golden("CreateManagedPrefixList", &format!("{new}&{entry}&{tags}")).await;
    let list = elements(&made, "prefixListId").remove(0);
    let change = format!("Action=ModifyManagedPrefixList&PrefixListId={list}");
    let add = format!("{change}&CurrentVersion=1&AddEntry.1.Cidr=198.51.100.0/24&RemoveEntry.1.Cidr=192.0.2.0/24");
    world.golden("ModifyManagedPrefixList", &add).await;
    let of = format!("Action=GetManagedPrefixListEntries&PrefixListId={list}");
    world.golden("GetManagedPrefixListEntries", &of).await;
    assert_eq!(elements(&world.call(&format!("{of}&TargetVersion=1")).await.body, "cidr"), ["192.0.2.0/24"]);
    let restore = format!("Action=RestoreManagedPrefixListVersion&PrefixListId={list}&PreviousVersion=1&CurrentVersion=2");
    world.golden("RestoreManagedPrefixListVersion", &restore).await;
    assert_eq!(elements(&world.call(&of).await.body, "cidr"), ["192.0.2.0/24"]);
    world
        .golden("DescribeManagedPrefixLists", "Action=DescribeManagedPrefixLists&Filter.1.Name=prefix-list-name&Filter.1.Value.1=off*")
        .await;
    let group = elements(&world.call("Action=DescribeSecurityGroups").await.body, "groupId").remove(0);
    let permission = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=443&IpPermissions.1.ToPort=443";
    let rule = format!("GroupId={group}&{permission}&IpPermissions.1.PrefixListIds.1.PrefixListId={list}");
    world.golden("AuthorizeSecurityGroupIngress.list", &format!("Action=AuthorizeSecurityGroupIngress&{rule}")).await;
    world.golden("DescribeSecurityGroups.list", "Action=DescribeSecurityGroups").await;
    world.golden("GetManagedPrefixListAssociations", &format!("Action=GetManagedPrefixListAssociations&PrefixListId={list}")).await;
    for (form, code) in [
        (add.clone(), "PrefixListVersionMismatch"),
        (format!("{change}&AddEntry.1.Cidr=203.0.113.0/24"), "MissingParameter"),
        (format!("{change}&CurrentVersion=3&RemoveEntry.1.Cidr=203.0.113.0/24"), "InvalidParameterValue"),
        (format!("{change}&CurrentVersion=3&AddEntry.1.Cidr=203.0.113.1/24"), "InvalidParameterValue"),
        (
            format!("{change}&CurrentVersion=3&AddEntry.1.Cidr=10.0.0.0/8&AddEntry.2.Cidr=11.0.0.0/8&AddEntry.3.Cidr=12.0.0.0/8"),
            "PrefixListMaxEntriesExceeded",
        ),
        (format!("{change}&MaxEntries=1001"), "InvalidParameterValue"),
        // The group has a default rule or two, and a thousand entries count as as many rules.
        (format!("{change}&MaxEntries=1000"), "RulesPerSecurityGroupLimitExceeded"),
        (format!("Action=DeleteManagedPrefixList&PrefixListId={list}"), "DependencyViolation"),
        ("Action=DescribeManagedPrefixLists&PrefixListId.1=pl-00000000000000001".to_owned(), "InvalidPrefixListID.NotFound"),
        ("Action=DescribeManagedPrefixLists&PrefixListId.1=pl-1".to_owned(), "InvalidPrefixListId.Malformed"),
        (format!("{}&{entry}", new.replace("IPv4", "IPv6")), "InvalidParameterValue"),
        (new.replace("IPv4", "IPv5"), "InvalidParameterValue"),
        (new.replace("MaxEntries=3", "MaxEntries=0"), "InvalidParameterValue"),
        (
            rule.replace(&list, "pl-00000000000000001").replace("GroupId", "Action=AuthorizeSecurityGroupIngress&GroupId"),
            "InvalidPrefixListID.NotFound",
        ),
    ] {
        world.refused(&form, 400, code).await;
    }
    let taken = world.call(&format!("Action=RevokeSecurityGroupIngress&{rule}")).await;
    assert_eq!(taken.status, 200, "{}", taken.body);
    world.golden("DeleteManagedPrefixList", &format!("Action=DeleteManagedPrefixList&PrefixListId={list}")).await;
    world.refused(&of, 400, "InvalidPrefixListID.NotFound").await;
}

#[tokio::test]
async fn a_route_leads_to_all_that_a_list_names() {
    let world = World::new().await;
    let new = "Action=CreateManagedPrefixList&PrefixListName=beyond&MaxEntries=3&AddressFamily=IPv4&Entry.1.Cidr=192.0.2.0/24";
    let list = world.first(new, "prefixListId").await;
    let vpc = world.first("Action=CreateVpc&CidrBlock=10.5.0.0/16", "vpcId").await;
    let tables = format!("Action=DescribeRouteTables&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let table = world.first(&tables, "routeTableId").await;
    let gateway = world.first("Action=CreateInternetGateway", "internetGatewayId").await;
    let ends = format!("InternetGatewayId={gateway}&VpcId={vpc}");
    world.ok(&format!("Action=AttachInternetGateway&{ends}")).await;
    let to_list = format!("RouteTableId={table}&DestinationPrefixListId={list}");
    let by_gateway = format!("{to_list}&GatewayId={gateway}");
    world.refused(&format!("Action=ReplaceRoute&{by_gateway}"), 400, "InvalidRoute.NotFound").await;
    world.ok(&format!("Action=CreateRoute&{by_gateway}")).await;
    world.refused(&format!("Action=CreateRoute&{by_gateway}"), 400, "RouteAlreadyExists").await;
    world.ok(&format!("Action=ReplaceRoute&{by_gateway}")).await;
    world.golden("DescribeRouteTables.list", &tables).await;
    let named = format!("Action=DescribeRouteTables&Filter.1.Name=route.destination-prefix-list-id&Filter.1.Value.1={list}");
    assert_eq!(world.first(&named, "routeTableId").await, table);
    let associations = format!("Action=GetManagedPrefixListAssociations&PrefixListId={list}");
    assert_eq!(elements(&world.ok(&associations).await, "resourceId"), [table.as_str()]);
    let change = format!("Action=ModifyManagedPrefixList&PrefixListId={list}");
    for (form, code) in [
        (
            format!("Action=CreateRoute&RouteTableId={table}&DestinationPrefixListId=pl-1&GatewayId={gateway}"),
            "InvalidPrefixListId.Malformed",
        ),
        (
            format!("Action=CreateRoute&RouteTableId={table}&DestinationPrefixListId=pl-00000000000000001&GatewayId={gateway}"),
            "InvalidPrefixListID.NotFound",
        ),
        (format!("Action=CreateRoute&{by_gateway}&DestinationCidrBlock=192.0.2.0/24"), "InvalidParameterCombination"),
        // Fifty routes are what a table has room for, and a list counts as often as it may have entries.
        (format!("{change}&MaxEntries=51"), "RouteLimitExceeded"),
        (format!("Action=DeleteManagedPrefixList&PrefixListId={list}"), "DependencyViolation"),
    ] {
        world.refused(&form, 400, code).await;
    }
    world.ok(&format!("{change}&MaxEntries=50")).await;
    world
        .refused(
            &format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&GatewayId={gateway}"),
            400,
            "RouteLimitExceeded",
        )
        .await;
    world.ok(&format!("Action=DeleteRoute&{to_list}")).await;
    world.refused(&format!("Action=DeleteRoute&{to_list}"), 400, "InvalidRoute.NotFound").await;
    world.ok(&format!("Action=DeleteManagedPrefixList&PrefixListId={list}")).await;
}

#[tokio::test]
async fn a_list_of_ipv6_is_named_by_rules_and_routes() {
    let world = World::new().await;
    let new = "Action=CreateManagedPrefixList&PrefixListName=beyond&MaxEntries=3&AddressFamily=IPv6&Entry.1.Cidr=2001:db8:1::/48";
    let made = world.golden("CreateManagedPrefixList.ipv6", new).await;
    let list = elements(&made, "prefixListId").remove(0);
    let change = format!("Action=ModifyManagedPrefixList&PrefixListId={list}");
    let swap = format!("{change}&CurrentVersion=1&AddEntry.1.Cidr=2001:db8:2::/48&RemoveEntry.1.Cidr=2001:db8:1::/48");
    world.ok(&swap).await;
    let of = format!("Action=GetManagedPrefixListEntries&PrefixListId={list}");
    assert_eq!(elements(&world.ok(&of).await, "cidr"), ["2001:db8:2::/48"]);
    let vpc = world.first("Action=CreateVpc&CidrBlock=10.5.0.0/16&AmazonProvidedIpv6CidrBlock=true", "vpcId").await;
    let tables = format!("Action=DescribeRouteTables&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let table = world.first(&tables, "routeTableId").await;
    let gateway = world.first("Action=CreateInternetGateway", "internetGatewayId").await;
    world.ok(&format!("Action=AttachInternetGateway&InternetGatewayId={gateway}&VpcId={vpc}")).await;
    let only = world.first(&format!("Action=CreateEgressOnlyInternetGateway&VpcId={vpc}"), "egressOnlyInternetGatewayId").await;
    let to_list = format!("RouteTableId={table}&DestinationPrefixListId={list}");
    let by_gateway = format!("{to_list}&GatewayId={gateway}");
    world.refused(&format!("Action=ReplaceRoute&{by_gateway}"), 400, "InvalidRoute.NotFound").await;
    world.ok(&format!("Action=CreateRoute&{by_gateway}")).await;
    world.refused(&format!("Action=CreateRoute&{by_gateway}"), 400, "RouteAlreadyExists").await;
    world.golden("DescribeRouteTables.ipv6list", &tables).await;
    world.ok(&format!("Action=ReplaceRoute&{to_list}&EgressOnlyInternetGatewayId={only}")).await;
    let routes = world.ok(&tables).await;
    assert!(elements(&routes, "egressOnlyInternetGatewayId").contains(&only), "{routes}");
    let named = format!("Action=DescribeRouteTables&Filter.1.Name=route.destination-prefix-list-id&Filter.1.Value.1={list}");
    assert_eq!(world.first(&named, "routeTableId").await, table);
    let associations = format!("Action=GetManagedPrefixListAssociations&PrefixListId={list}");
    assert_eq!(elements(&world.ok(&associations).await, "resourceId"), [table.as_str()]);
    let ipv4 = world.first(&new.replace("IPv6", "IPv4").replace("2001:db8:1::/48", "192.0.2.0/24"), "prefixListId").await;
    for (form, code) in [
        // Fifty routes of IPv6 are what a table has room for, and a list counts as often as it may have entries.
        (format!("{change}&MaxEntries=51"), "RouteLimitExceeded"),
        (format!("{change}&CurrentVersion=2&AddEntry.1.Cidr=192.0.2.0/24"), "InvalidParameterValue"),
        (format!("{change}&CurrentVersion=2&AddEntry.1.Cidr=2001:db8::1/48"), "InvalidParameterValue"),
        (format!("Action=DeleteManagedPrefixList&PrefixListId={list}"), "DependencyViolation"),
        (
            format!("Action=CreateRoute&RouteTableId={table}&DestinationPrefixListId={ipv4}&EgressOnlyInternetGatewayId={only}"),
            "InvalidParameterValue",
        ),
        (
            format!(
                "Action=CreateRoute&RouteTableId={table}&DestinationPrefixListId={ipv4}&EgressOnlyInternetGatewayId={only}&GatewayId={gateway}"
            ),
            "InvalidParameterCombination",
        ),
    ] {
        world.refused(&form, 400, code).await;
    }
    world.ok(&format!("{change}&MaxEntries=50")).await;
    let further = format!("Action=CreateRoute&RouteTableId={table}&DestinationIpv6CidrBlock=::/0&GatewayId={gateway}");
    world.refused(&further, 400, "RouteLimitExceeded").await;
    world.ok(&further.replace("DestinationIpv6CidrBlock=::/0", "DestinationCidrBlock=0.0.0.0/0")).await;
    world.ok(&format!("Action=DeleteRoute&{to_list}")).await;
    world.refused(&format!("Action=DeleteRoute&{to_list}"), 400, "InvalidRoute.NotFound").await;
    let group = world.first(&format!("Action=DescribeSecurityGroups&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}"), "groupId").await;
    let permission = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=443&IpPermissions.1.ToPort=443";
    let rule = format!("GroupId={group}&{permission}&IpPermissions.1.PrefixListIds.1.PrefixListId={list}");
    world.ok(&format!("Action=AuthorizeSecurityGroupIngress&{rule}")).await;
    assert_eq!(elements(&world.ok(&associations).await, "resourceId"), [group.as_str()]);
    world.ok(&format!("Action=RevokeSecurityGroupIngress&{rule}")).await;
    world.ok(&format!("Action=DeleteManagedPrefixList&PrefixListId={list}")).await;
}
