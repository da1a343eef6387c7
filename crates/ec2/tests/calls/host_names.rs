//! How instances are named: by their private address, or by their id.

use crate::world::{World, elements};

const NAMED: &str = "PrivateDnsNameOptions.HostnameType=resource-name&PrivateDnsNameOptions.EnableResourceNameDnsARecord=true";

async fn name(world: &World, id: &str) -> String {
    world.first(&format!("Action=DescribeInstances&InstanceId.1={id}"), "privateDnsName").await
}

/// Instances that a filter finds.
async fn found(world: &World, filter: &str, value: &str) -> Vec<String> {
    let form = format!("Action=DescribeInstances&Filter.1.Name=private-dns-name-options.{filter}&Filter.1.Value.1={value}");
    elements(&world.ok(&form).await, "instanceId")
}

#[tokio::test]
async fn an_instance_is_named_by_its_id_where_its_launch_says_so_and_renamed_while_it_is_stopped() {
    let world = World::new().await;
    let plain = world.run("MinCount=1&MaxCount=1").await.remove(0);
    let named = world.run(&format!("MinCount=1&MaxCount=1&{NAMED}")).await.remove(0);
    world.settle().await;
    assert!(name(&world, &plain).await.starts_with("ip-172-31-"));
    assert!(name(&world, &named).await.starts_with(&format!("{named}.")));
    assert_eq!(found(&world, "hostname-type", "resource-name").await, [named.as_str()]);
    assert_eq!(found(&world, "hostname-type", "ip-*").await, [plain.as_str()]);
    assert_eq!(found(&world, "enable-resource-name-dns-a-record", "true").await, [named.as_str()]);
    assert_eq!(found(&world, "enable-resource-name-dns-aaaa-record", "true").await, [""; 0]);
    let modify = |id: &str, more: &str| format!("Action=ModifyPrivateDnsNameOptions&InstanceId={id}&{more}");
    world.refused(&modify(&plain, "PrivateDnsHostnameType=resource-name"), 400, "IncorrectInstanceState").await;
    world.refused(&modify(&plain, "PrivateDnsHostnameType=own-name"), 400, "InvalidParameterValue").await;
    world.refused(&modify("i-00000000000000001", "EnableResourceNameDnsARecord=true"), 400, "InvalidInstanceID.NotFound").await;
    world.golden("ModifyPrivateDnsNameOptions", &modify(&plain, "EnableResourceNameDnsAAAARecord=true")).await;
    assert_eq!(found(&world, "enable-resource-name-dns-aaaa-record", "true").await, [plain.as_str()]);
    world.ok(&format!("Action=StopInstances&InstanceId.1={plain}&Force=true")).await;
    world.settle().await;
    world.ok(&modify(&plain, "PrivateDnsHostnameType=resource-name")).await;
    assert!(name(&world, &plain).await.starts_with(&format!("{plain}.")));
    world.ok(&modify(&plain, "PrivateDnsHostnameType=ip-name")).await;
    assert!(name(&world, &plain).await.starts_with("ip-172-31-"));
}

#[tokio::test]
async fn a_subnet_says_how_its_instances_are_named_unless_their_launch_does() {
    let world = World::new().await;
    let vpc = world.first("Action=CreateVpc&CidrBlock=10.5.0.0/16", "vpcId").await;
    let subnet = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.5.1.0/24&AvailabilityZone=test-1a");
    let subnet = world.first(&subnet, "subnetId").await;
    for more in [
        "PrivateDnsHostnameTypeOnLaunch=resource-name",
        "EnableResourceNameDnsARecordOnLaunch.Value=true",
        "EnableResourceNameDnsAAAARecordOnLaunch.Value=true",
    ] {
        world.ok(&format!("Action=ModifySubnetAttribute&SubnetId={subnet}&{more}")).await;
    }
    world.golden("DescribeSubnets.names", &format!("Action=DescribeSubnets&SubnetId.1={subnet}")).await;
    let by = "Action=DescribeSubnets&Filter.1.Name=private-dns-name-options-on-launch.hostname-type&Filter.1.Value.1=resource-name";
    assert_eq!(elements(&world.ok(by).await, "subnetId"), [subnet.as_str()]);
    let here = world.run(&format!("MinCount=1&MaxCount=1&SubnetId={subnet}")).await.remove(0);
    let own = "PrivateDnsNameOptions.HostnameType=ip-name";
    let other = world.run(&format!("MinCount=1&MaxCount=1&SubnetId={subnet}&{own}")).await.remove(0);
    assert!(name(&world, &here).await.starts_with(&format!("{here}.")));
    assert!(name(&world, &other).await.starts_with("ip-10-5-1-"));
    assert_eq!(found(&world, "enable-resource-name-dns-a-record", "true").await.len(), 2);
}

#[tokio::test]
async fn a_launch_template_says_how_its_instances_are_named() {
    let world = World::new().await;
    let said = NAMED.replace("Private", "LaunchTemplateData.Private");
    world.ok(&format!("Action=CreateLaunchTemplate&LaunchTemplateName=tpl&{said}")).await;
    world.golden("DescribeLaunchTemplateVersions.names", "Action=DescribeLaunchTemplateVersions&LaunchTemplateName=tpl").await;
    let id = world.run("MinCount=1&MaxCount=1&LaunchTemplate.LaunchTemplateName=tpl").await.remove(0);
    assert!(name(&world, &id).await.starts_with(&format!("{id}.")));
}
