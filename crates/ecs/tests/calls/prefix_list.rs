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
        (new.replace("IPv4", "IPv6"), 400, "UnsupportedParameter"),
        (new.replace("MaxEntries=2", "MaxEntries=201"), 400, "InvalidParameter"),
        ("Action=DescribePrefixListAttributes&PrefixListId=pl-none".to_owned(), 404, "InvalidPrefixListId.NotFound"),
        (format!("Action=AuthorizeSecurityGroup&{rule}&SourceCidrIp=10.0.0.0/8"), 400, "InvalidParameter"),
    ] {
        world.refused(&form, status, code).await;
    }
    assert_eq!(world.call(&format!("Action=RevokeSecurityGroup&{rule}")).await.status, 200);
    world.golden("DeletePrefixList.json", &format!("Action=DeletePrefixList&PrefixListId={list}")).await;
}
