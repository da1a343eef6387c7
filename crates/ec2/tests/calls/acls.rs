//! Network ACLs: made, filled, tied, taken away.

use crate::world::{World, elements};

async fn body(world: &World, form: &str) -> String {
    let reply = world.call(form).await;
    assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
    reply.body
}

fn entry(acl: &str, number: u16, egress: bool, more: &str) -> String {
    format!("NetworkAclId={acl}&RuleNumber={number}&Egress={egress}&CidrBlock=0.0.0.0/0&{more}")
}

#[tokio::test]
async fn an_acl_is_made_filled_tied_and_taken_away() {
    let world = World::new().await;
    let vpc = elements(&body(&world, "Action=CreateVpc&CidrBlock=10.5.0.0/16").await, "vpcId").remove(0);
    let subnet = elements(&body(&world, &format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.5.1.0/24")).await, "subnetId").remove(0);
    let of_vpc = format!("Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let shown = world.golden("DescribeNetworkAcls", &format!("Action=DescribeNetworkAcls&{of_vpc}")).await;
    let first_tie = elements(&shown, "networkAclAssociationId").remove(0);
    let default = elements(&shown, "networkAclId").remove(0);
    let tags = "TagSpecification.1.ResourceType=network-acl&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let made = world.golden("CreateNetworkAcl", &format!("Action=CreateNetworkAcl&VpcId={vpc}&{tags}")).await;
    let acl = elements(&made, "networkAclId").remove(0);
    let web = entry(&acl, 10, false, "Protocol=6&RuleAction=allow&PortRange.From=80&PortRange.To=81");
    world.golden("CreateNetworkAclEntry", &format!("Action=CreateNetworkAclEntry&{web}")).await;
    world.refused(&format!("Action=CreateNetworkAclEntry&{web}"), 400, "NetworkAclEntryAlreadyExists").await;
    let ping = entry(&acl, 10, true, "Protocol=1&RuleAction=deny&Icmp.Type=8&Icmp.Code=-1");
    body(&world, &format!("Action=CreateNetworkAclEntry&{ping}")).await;
    let other = entry(&acl, 10, false, "Protocol=-1&RuleAction=deny");
    world.golden("ReplaceNetworkAclEntry", &format!("Action=ReplaceNetworkAclEntry&{other}")).await;
    let replace = |tie: &str, acl: &str| format!("Action=ReplaceNetworkAclAssociation&AssociationId={tie}&NetworkAclId={acl}");
    let tied = world.golden("ReplaceNetworkAclAssociation", &replace(&first_tie, &acl)).await;
    let second_tie = elements(&tied, "newAssociationId").remove(0);
    world.refused(&replace(&first_tie, &acl), 400, "InvalidAssociationID.NotFound").await;
    world
        .golden(
            "DescribeNetworkAcls.tied",
            &format!("Action=DescribeNetworkAcls&Filter.1.Name=association.subnet-id&Filter.1.Value.1={subnet}"),
        )
        .await;
    world.refused(&format!("Action=DeleteNetworkAcl&NetworkAclId={acl}"), 400, "DependencyViolation").await;
    world.refused(&format!("Action=DeleteNetworkAcl&NetworkAclId={default}"), 400, "DependencyViolation").await;
    body(&world, &replace(&second_tie, &default)).await;
    world.golden("DeleteNetworkAclEntry", &format!("Action=DeleteNetworkAclEntry&NetworkAclId={acl}&RuleNumber=10&Egress=true")).await;
    let gone = format!("Action=DeleteNetworkAclEntry&NetworkAclId={acl}&RuleNumber=10&Egress=true");
    world.refused(&gone, 400, "InvalidNetworkAclEntry.NotFound").await;
    world.refused(&format!("Action=DeleteVpc&VpcId={vpc}"), 400, "DependencyViolation").await;
    world.golden("DeleteNetworkAcl", &format!("Action=DeleteNetworkAcl&NetworkAclId={acl}")).await;
    world.refused(&format!("Action=DeleteNetworkAcl&NetworkAclId={acl}"), 400, "InvalidNetworkAclID.NotFound").await;
    body(&world, &format!("Action=DeleteSubnet&SubnetId={subnet}")).await;
    body(&world, &format!("Action=DeleteVpc&VpcId={vpc}")).await;
    assert!(elements(&body(&world, &format!("Action=DescribeNetworkAcls&{of_vpc}")).await, "networkAclId").is_empty());
}

#[tokio::test]
async fn entries_that_make_no_sense_are_refused() {
    let world = World::new().await;
    let acl = elements(&body(&world, "Action=DescribeNetworkAcls").await, "networkAclId").remove(0);
    for (form, code) in [
        (entry(&acl, 0, false, "Protocol=-1&RuleAction=allow"), "InvalidParameterValue"),
        (entry(&acl, 32_767, false, "Protocol=-1&RuleAction=allow"), "InvalidParameterValue"),
        (entry(&acl, 1, false, "Protocol=6&RuleAction=allow"), "MissingParameter"),
        (entry(&acl, 1, false, "Protocol=6&RuleAction=allow&PortRange.From=9&PortRange.To=8"), "InvalidParameterValue"),
        (entry(&acl, 1, false, "Protocol=1&RuleAction=allow"), "MissingParameter"),
        (entry(&acl, 1, false, "Protocol=300&RuleAction=allow"), "InvalidParameterValue"),
        (entry(&acl, 1, false, "Protocol=-1&RuleAction=maybe"), "InvalidParameterValue"),
        (entry(&acl, 1, false, "Protocol=-1&RuleAction=allow&Ipv6CidrBlock=::/0"), "InvalidParameterCombination"),
        (entry(&acl, 1, false, "Protocol=58&RuleAction=allow&Icmp.Type=-1&Icmp.Code=-1"), "InvalidParameterValue"),
        (
            entry(&acl, 1, false, "Protocol=-1&RuleAction=allow").replace("CidrBlock=0.0.0.0/0", "Ipv6CidrBlock=10.0.0.0/8"),
            "InvalidParameterValue",
        ),
        (format!("NetworkAclId={acl}&RuleNumber=1&Egress=false&Protocol=-1&RuleAction=allow"), "MissingParameter"),
        (format!("NetworkAclId={acl}&RuleNumber=1&Egress=false&Protocol=-1&RuleAction=allow&CidrBlock=x"), "InvalidParameterValue"),
    ] {
        world.refused(&format!("Action=CreateNetworkAclEntry&{form}"), 400, code).await;
    }
    for number in 1..=39 {
        body(&world, &format!("Action=CreateNetworkAclEntry&{}", entry(&acl, number, false, "Protocol=-1&RuleAction=allow"))).await;
    }
    let one_more = entry(&acl, 99, false, "Protocol=-1&RuleAction=allow");
    world.refused(&format!("Action=CreateNetworkAclEntry&{one_more}"), 400, "NetworkAclEntryLimitExceeded").await;
}

#[tokio::test]
async fn entries_are_about_ipv6_too_and_a_default_acl_gets_some() {
    let world = World::new().await;
    let vpc = elements(&body(&world, "Action=CreateVpc&CidrBlock=10.5.0.0/16").await, "vpcId").remove(0);
    let of_vpc = format!("Action=DescribeNetworkAcls&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
    let shown = body(&world, &of_vpc).await;
    let default = elements(&shown, "networkAclId").remove(0);
    assert!(elements(&shown, "ipv6CidrBlock").is_empty(), "it has no IPv6");
    // Nobody changed the way out; of the way in somebody did, so nothing is said of it there.
    let closed = entry(&default, 1, false, "Protocol=6&RuleAction=deny&PortRange.From=23&PortRange.To=23");
    body(&world, &format!("Action=CreateNetworkAclEntry&{closed}")).await;
    body(&world, &format!("Action=AssociateVpcCidrBlock&VpcId={vpc}&AmazonProvidedIpv6CidrBlock=true")).await;
    let six = |number: u16, rest: &str| entry(&default, number, false, rest).replace("CidrBlock=0.0.0.0/0", "Ipv6CidrBlock=2001:db8::/32");
    let web = six(110, "Protocol=6&RuleAction=allow&PortRange.From=80&PortRange.To=81");
    let ping = six(120, "Protocol=58&RuleAction=allow&Icmp.Type=128&Icmp.Code=-1");
    for form in [&web, &ping] {
        body(&world, &format!("Action=CreateNetworkAclEntry&{form}")).await;
    }
    world.refused(&format!("Action=CreateNetworkAclEntry&{web}"), 400, "NetworkAclEntryAlreadyExists").await;
    world.golden("DescribeNetworkAcls.ipv6", &of_vpc).await;
    let named = "Action=DescribeNetworkAcls&Filter.1.Name=entry.ipv6-cidr&Filter.1.Value.1=2001:db8::/32";
    assert_eq!(elements(&body(&world, named).await, "networkAclId")[0], default);
    // A new one lets nothing pass, and says so of both.
    let made = body(&world, &format!("Action=CreateNetworkAcl&VpcId={vpc}")).await;
    assert_eq!(elements(&made, "ipv6CidrBlock"), ["::/0", "::/0"]);
    assert_eq!(elements(&made, "ruleAction"), ["deny"; 4]);
}
