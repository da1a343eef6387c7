//! Prefix lists: made, changed, named by rules, deleted.

use crate::world::{World, texts};

#[tokio::test]
async fn a_prefix_list_is_made_used_and_deleted() {
    let world = World::new().await;
    let new = "Action=CreatePrefixList&PrefixListName=offices&AddressFamily=IPv4&MaxEntries=2&Description=words";
    let made = world.golden("CreatePrefixList.json", &format!("{new}&Entry.1.Cidr=192.0.2.0/24&Entry.1.Description=first")).await;
    let list = texts(&made, "PrefixListId").remove(0);
    let group = texts(&world.call("Action=DescribeSecurityGroups").await.body, "SecurityGroupId").remove(0);
    let rule = format!("SecurityGroupId={group}&IpProtocol=tcp&PortRange=443/443&SourcePrefixListId={list}");
    assert_eq!(world.call(&format!("Action=AuthorizeSecurityGroup&{rule}")).await.status, 200);
    let shown = world.call(&format!("Action=DescribeSecurityGroupAttribute&SecurityGroupId={group}")).await;
    assert!(texts(&shown.body, "SourcePrefixListId").contains(&list), "{}", shown.body);
    world.golden("DescribePrefixLists.json", "Action=DescribePrefixLists&PrefixListName=off*").await;
    world.golden("DescribePrefixListAssociations.json", &format!("Action=DescribePrefixListAssociations&PrefixListId={list}")).await;
    let change = format!("Action=ModifyPrefixList&PrefixListId={list}");
    let swap = format!("{change}&AddEntry.1.Cidr=198.51.100.0/24&RemoveEntry.1.Cidr=192.0.2.0/24&PrefixListName=homes");
    world.golden("ModifyPrefixList.json", &swap).await;
    world.golden("DescribePrefixListAttributes.json", &format!("Action=DescribePrefixListAttributes&PrefixListId={list}")).await;
    for (form, status, code) in [
        (format!("{change}&AddEntry.1.Cidr=10.0.0.0/8&AddEntry.2.Cidr=11.0.0.0/8"), 403, "LimitExceed.PrefixListEntry"),
        (format!("Action=DeletePrefixList&PrefixListId={list}"), 403, "DependencyViolation.PrefixListAssociation"),
        (new.replace("IPv4", "IPv6") + "&Entry.1.Cidr=192.0.2.0/24", 400, "InvalidParameter"),
        (new.replace("IPv4", "IPv5"), 400, "InvalidParameter"),
        (new.replace("MaxEntries=2", "MaxEntries=201"), 400, "InvalidParameter"),
        ("Action=DescribePrefixListAttributes&PrefixListId=pl-none".to_owned(), 404, "InvalidPrefixListId.NotFound"),
        (format!("Action=AuthorizeSecurityGroup&{rule}&SourceCidrIp=10.0.0.0/8"), 400, "InvalidParameter"),
    ] {
        world.refused(&form, status, code).await;
    }
    assert_eq!(world.call(&format!("Action=RevokeSecurityGroup&{rule}")).await.status, 200);
    world.golden("DeletePrefixList.json", &format!("Action=DeletePrefixList&PrefixListId={list}")).await;
}

#[tokio::test]
async fn a_list_of_ipv6_has_ranges_of_it_and_is_found_by_it() {
    let world = World::new().await;
    let new = "Action=CreatePrefixList&PrefixListName=offices&AddressFamily=IPv6&MaxEntries=2&Entry.1.Cidr=2001:db8:1::/48";
    let list = world.json(new).await["PrefixListId"].as_str().unwrap().to_owned();
    world.json(&new.replace("IPv6", "IPv4").replace("2001:db8:1::/48", "192.0.2.0/24")).await;
    let found = world.json("Action=DescribePrefixLists&AddressFamily=IPv6").await["PrefixLists"]["PrefixList"].take();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["PrefixListId"]), (1, &list.as_str().into()));
    assert_eq!(found[0]["AddressFamily"], "IPv6");
    let change = format!("Action=ModifyPrefixList&PrefixListId={list}");
    world.json(&format!("{change}&AddEntry.1.Cidr=2001:db8:2::/48&RemoveEntry.1.Cidr=2001:db8:1::/48")).await;
    world.golden("DescribePrefixListAttributes.ipv6.json", &format!("Action=DescribePrefixListAttributes&PrefixListId={list}")).await;
    world.refused(&format!("{change}&AddEntry.1.Cidr=192.0.2.0/24"), 400, "InvalidParameter").await;
    let group = texts(&world.call("Action=DescribeSecurityGroups").await.body, "SecurityGroupId").remove(0);
    let rule = format!("SecurityGroupId={group}&IpProtocol=tcp&PortRange=443/443&SourcePrefixListId={list}");
    world.json(&format!("Action=AuthorizeSecurityGroup&{rule}")).await;
    let delete = format!("Action=DeletePrefixList&PrefixListId={list}");
    world.refused(&delete, 403, "DependencyViolation.PrefixListAssociation").await;
    world.json(&format!("Action=RevokeSecurityGroup&{rule}")).await;
    world.json(&delete).await;
}
