//! Security groups with their rules and members, and the lists around them.

use crate::world::{World, texts};

async fn default_group(world: &World) -> String {
    let groups = world.json("Action=DescribeSecurityGroups").await;
    groups["SecurityGroups"]["SecurityGroup"][0]["SecurityGroupId"].as_str().unwrap().to_owned()
}

/// Direction, protocol, ports, policy and priority of each rule.
async fn rules(world: &World, group: &str) -> Vec<[String; 5]> {
    let shown = world.json(&format!("Action=DescribeSecurityGroupAttribute&SecurityGroupId={group}")).await;
    let of = |rule: &serde_json::Value, name: &str| rule[name].as_str().unwrap().to_owned();
    let rules = shown["Permissions"]["Permission"].as_array().unwrap();
    rules.iter().map(|rule| ["Direction", "IpProtocol", "PortRange", "Policy", "Priority"].map(|name| of(rule, name))).collect()
}

#[tokio::test]
async fn a_group_with_rules_in_both_forms() {
    let world = World::new().await;
    let made = world.json("Action=CreateSecurityGroup&SecurityGroupName=web&Description=Web&Tag.1.Key=role&Tag.1.Value=web").await;
    let group = made["SecurityGroupId"].as_str().unwrap();
    let on = format!("SecurityGroupId={group}");
    let old = "IpProtocol=tcp&PortRange=22/22&SourceCidrIp=0.0.0.0/0";
    let new = "Permissions.1.IpProtocol=UDP&Permissions.1.PortRange=53/53&Permissions.1.SourceCidrIp=10.0.0.0/8&Permissions.1.Policy=drop\
               &Permissions.1.Priority=7&Permissions.2.IpProtocol=ICMP&Permissions.2.PortRange=-1/-1&Permissions.2.SourceCidrIp=10.1.0.0/16";
    world.json(&format!("Action=AuthorizeSecurityGroup&{on}&{old}")).await;
    world.json(&format!("Action=AuthorizeSecurityGroup&{on}&{new}")).await;
    // As in ECS, what is there already is no error.
    world.json(&format!("Action=AuthorizeSecurityGroup&{on}&{old}")).await;
    world.golden("DescribeSecurityGroupAttribute.json", &format!("Action=DescribeSecurityGroupAttribute&{on}")).await;
    world.golden("DescribeSecurityGroups.json", "Action=DescribeSecurityGroups&Tag.1.Key=role").await;
    world.golden("DescribeSecurityGroups.xml", "Action=DescribeSecurityGroups&Format=XML&SecurityGroupName=web").await;
    let tcp = ["ingress", "TCP", "22/22", "Accept", "1"].map(str::to_owned);
    let udp = ["ingress", "UDP", "53/53", "Drop", "7"].map(str::to_owned);
    let found = rules(&world, group).await;
    // What a group does by itself is no rule.
    assert!(found.contains(&tcp) && found.contains(&udp) && found.len() == 3, "{found:?}");
    world.json(&format!("Action=RevokeSecurityGroup&{on}&{old}")).await;
    world.json(&format!("Action=RevokeSecurityGroup&{on}&{old}")).await;
    assert!(!rules(&world, group).await.contains(&tcp));
    world.json(&format!("Action=AuthorizeSecurityGroupEgress&{on}&IpProtocol=udp&PortRange=53/53&DestCidrIp=0.0.0.0/0&Policy=drop")).await;
    let out = world.json(&format!("Action=DescribeSecurityGroupAttribute&{on}&Direction=egress")).await;
    let id = out["Permissions"]["Permission"][0]["SecurityGroupRuleId"].as_str().unwrap();
    world.json(&format!("Action=RevokeSecurityGroupEgress&{on}&SecurityGroupRuleId.1={id}")).await;
    world.json(&format!("Action=AuthorizeSecurityGroupEgress&{on}&IpProtocol=tcp&PortRange=443/443&DestCidrIp=0.0.0.0/0")).await;
    assert!(rules(&world, group).await.contains(&["egress", "TCP", "443/443", "Accept", "1"].map(str::to_owned)));
    world.json(&format!("Action=DeleteSecurityGroup&{on}")).await;
    world.refused(&format!("Action=DescribeSecurityGroupAttribute&{on}"), 404, "InvalidSecurityGroupId.NotFound").await;
}

#[tokio::test]
async fn a_rule_is_changed_and_keeps_its_id() {
    let world = World::new().await;
    let made = world.json("Action=CreateSecurityGroup&SecurityGroupName=web").await;
    let group = made["SecurityGroupId"].as_str().unwrap();
    let on = format!("SecurityGroupId={group}");
    let web = "IpProtocol=tcp&PortRange=80/80&SourceCidrIp=10.0.0.0/8";
    world.json(&format!("Action=AuthorizeSecurityGroup&{on}&{web}")).await;
    let six = "IpProtocol=ICMPv6&PortRange=-1/-1&Ipv6DestCidrIp=fd00::/8";
    world.json(&format!("Action=AuthorizeSecurityGroupEgress&{on}&{six}")).await;
    let rule = async |direction: &str, member: &str| {
        let shown = world.json(&format!("Action=DescribeSecurityGroupAttribute&{on}&Direction={direction}")).await;
        let newest = shown["Permissions"]["Permission"].as_array().unwrap().last().unwrap().clone();
        newest[member].as_str().unwrap().to_owned()
    };
    let id = rule("ingress", "SecurityGroupRuleId").await;
    let by_id = format!("Action=ModifySecurityGroupRule&{on}&SecurityGroupRuleId={id}");
    world.golden("ModifySecurityGroupRule.json", &format!("{by_id}&PortRange=8000/8080&Policy=drop&Priority=9")).await;
    for (member, expected) in [
        ("SecurityGroupRuleId", id.as_str()),
        ("PortRange", "8000/8080"),
        ("Policy", "Drop"),
        ("Priority", "9"),
        ("SourceCidrIp", "10.0.0.0/8"),
    ] {
        assert_eq!(rule("ingress", member).await, expected);
    }
    world.json(&format!("{by_id}&Ipv6SourceCidrIp=fd00:1::/32")).await;
    assert_eq!(rule("ingress", "Ipv6SourceCidrIp").await, "fd00:1::/32");
    // Without an id, what it says finds a rule, whose description changes.
    let out = format!("Action=ModifySecurityGroupEgressRule&{on}&{six}&Description=pings");
    world.golden("ModifySecurityGroupEgressRule.json", &out).await;
    assert_eq!(rule("egress", "Description").await, "pings");
    world.refused(&format!("Action=ModifySecurityGroupRule&{on}&{web}"), 404, "InvalidSecurityGroupRuleId.NotFound").await;
    world.refused(&format!("{by_id}&SourceCidrIp=10.0.0.1/8"), 400, "InvalidParameter").await;
    world.refused(&format!("{by_id}&Priority=101"), 400, "InvalidParameter").await;
    let other_way = by_id.replace("GroupRule&", "GroupEgressRule&");
    world.refused(&other_way, 404, "InvalidSecurityGroupRuleId.NotFound").await;
    world.json(&format!("Action=AuthorizeSecurityGroup&{on}&{web}")).await;
    let like_it = format!("{by_id}&PortRange=80/80&Policy=accept&Priority=1&SourceCidrIp=10.0.0.0/8");
    world.refused(&like_it, 400, "InvalidParameter.Duplicate").await;
}

#[tokio::test]
async fn a_group_gets_another_name() {
    let world = World::new().await;
    let made = world.json("Action=CreateSecurityGroup&SecurityGroupName=web").await;
    let modify = format!("Action=ModifySecurityGroupAttribute&SecurityGroupId={}", made["SecurityGroupId"].as_str().unwrap());
    world.json(&format!("{modify}&SecurityGroupName=front&Description=Front")).await;
    let shown = world.json("Action=DescribeSecurityGroups&SecurityGroupName=front").await;
    assert_eq!(shown["SecurityGroups"]["SecurityGroup"][0]["Description"], "Front");
    world.json("Action=CreateSecurityGroup&SecurityGroupName=back").await;
    world.refused(&format!("{modify}&SecurityGroupName=back"), 400, "InvalidSecurityGroupName.Duplicate").await;
    let default = format!("Action=ModifySecurityGroupAttribute&SecurityGroupId={}", default_group(&world).await);
    world.refused(&format!("{default}&SecurityGroupName=mine"), 403, "OperationDenied").await;
}

#[tokio::test]
async fn rules_are_refused_with_ecs_codes() {
    let world = World::new().await;
    let on = format!("Action=AuthorizeSecurityGroup&SecurityGroupId={}", default_group(&world).await);
    for (rule, code) in [
        ("PortRange=22/22&SourceCidrIp=0.0.0.0/0", "MissingParameter"),
        ("IpProtocol=tcp&SourceCidrIp=0.0.0.0/0", "MissingParameter"),
        ("IpProtocol=tcp&PortRange=22/22", "MissingParameter"),
        ("IpProtocol=tcp&PortRange=22&SourceCidrIp=0.0.0.0/0", "InvalidParameter"),
        ("IpProtocol=cow&PortRange=22/22&SourceCidrIp=0.0.0.0/0", "InvalidParameter"),
        ("IpProtocol=tcp&PortRange=22/22&SourceCidrIp=nowhere", "InvalidParameter"),
        ("IpProtocol=tcp&PortRange=22/22&SourceCidrIp=0.0.0.0/0&Priority=101", "InvalidParameter"),
        ("IpProtocol=tcp&PortRange=22/22&SourceCidrIp=0.0.0.0/0&Policy=maybe", "InvalidParameter"),
        ("IpProtocol=tcp&PortRange=22/22&SourceCidrIp=0.0.0.0/0&NicType=dialup", "UnsupportedParameter"),
    ] {
        world.refused(&format!("{on}&{rule}"), 400, code).await;
    }
}

#[tokio::test]
async fn an_instance_joins_and_leaves_groups() {
    let world = World::new().await;
    let made = world.json("Action=CreateSecurityGroup&SecurityGroupName=web").await;
    let (group, first) = (made["SecurityGroupId"].as_str().unwrap(), default_group(&world).await);
    let instance = world.run("").await.remove(0);
    world.json(&format!("Action=JoinSecurityGroup&SecurityGroupId={group}&InstanceId={instance}")).await;
    world.json(&format!("Action=LeaveSecurityGroup&SecurityGroupId={first}&InstanceId={instance}")).await;
    let listed = world.json(&format!("Action=DescribeInstances&SecurityGroupId={group}")).await;
    assert_eq!(listed["Instances"]["Instance"][0]["SecurityGroupIds"]["SecurityGroupId"][0], group);
    let stays = world.call(&format!("Action=LeaveSecurityGroup&SecurityGroupId={group}&InstanceId={instance}")).await;
    assert_eq!(stays.status, 400, "{}", stays.body);
    let used = world.call(&format!("Action=DeleteSecurityGroup&SecurityGroupId={group}")).await;
    assert_eq!((used.status, texts(&used.body, "Code")), (403, vec!["DependencyViolation".to_owned()]), "{}", used.body);
}

#[tokio::test]
async fn networks_interfaces_disks_and_images_are_listed() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    world.settle().await;
    world.golden("DescribeVpcs.json", "Action=DescribeVpcs").await;
    let vpc = world.json("Action=DescribeVpcs&Version=2016-04-28&IsDefault=true").await;
    let vpc = vpc["Vpcs"]["Vpc"][0]["VpcId"].as_str().unwrap().to_owned();
    world.golden("DescribeVpcAttribute.json", &format!("Action=DescribeVpcAttribute&Version=2016-04-28&VpcId={vpc}")).await;
    world.golden("DescribeVSwitches.json", &format!("Action=DescribeVSwitches&VpcId={vpc}&ZoneId=test-1a")).await;
    let subnet = world.json("Action=DescribeVSwitches&ZoneId=test-1b").await;
    let subnet = subnet["VSwitches"]["VSwitch"][0]["VSwitchId"].as_str().unwrap().to_owned();
    let one = format!("Action=DescribeVSwitchAttributes&Version=2016-04-28&VSwitchId={subnet}");
    assert_eq!(world.json(&one).await["ZoneId"], "test-1b");
    world.golden("DescribeNetworkInterfaces.json", &format!("Action=DescribeNetworkInterfaces&InstanceId={instance}")).await;
    world.golden("DescribeDisks.json", &format!("Action=DescribeDisks&InstanceId={instance}&DiskType=system&Status=In_use")).await;
    world.golden("DescribeImages.json", "Action=DescribeImages&ImageOwnerAlias=system").await;
    world.golden("DescribeEipAddresses.json", "Action=DescribeEipAddresses").await;
    for (call, member) in [
        ("Action=DescribeImages&ImageName=debian", "ImageId"),
        ("Action=DescribeDisks&Category=cloud_essd", "DiskId"),
        ("Action=DescribeVpcs&VpcName=default", "VpcId"),
    ] {
        assert_eq!(texts(&world.json(call).await.to_string(), member).len(), 1, "{call}");
    }
    for call in [
        "Action=DescribeImages&ImageOwnerAlias=self",
        "Action=DescribeImages&ImageId=ami-00000000000000001",
        "Action=DescribeDisks&Encrypted=true",
        "Action=DescribeDisks&DiskIds=[]",
        "Action=DescribeNetworkInterfaces&Type=Secondary",
        "Action=DescribeVpcs&IsDefault=false",
    ] {
        assert_eq!(world.json(call).await["TotalCount"], 0, "{call}");
    }
    world.refused("Action=DescribeVpcAttribute&VpcId=vpc-1", 404, "InvalidAction.NotFound").await;
    world.refused("Action=DescribeVpcAttribute&Version=2016-04-28&VpcId=vpc-1", 404, "InvalidVpcId.NotFound").await;
}

#[tokio::test]
async fn groups_whose_rules_name_a_group_are_listed() {
    let world = World::new().await;
    let group = async |name: &str| {
        let made = world.json(&format!("Action=CreateSecurityGroup&SecurityGroupName={name}")).await;
        made["SecurityGroupId"].as_str().unwrap().to_owned()
    };
    let (named, naming) = (group("named").await, group("naming").await);
    let rule = format!("SecurityGroupId={naming}&IpProtocol=tcp&PortRange=22/22&SourceGroupId={named}");
    world.json(&format!("Action=AuthorizeSecurityGroup&{rule}")).await;
    let ask = format!("Action=DescribeSecurityGroupReferences&SecurityGroupId.1={named}&SecurityGroupId.2={naming}");
    let found = world.json(&ask).await;
    let references = found["SecurityGroupReferences"]["SecurityGroupReference"].as_array().unwrap();
    assert_eq!(references.len(), 1, "{found}");
    assert_eq!(references[0]["SecurityGroupId"], named.as_str());
    assert_eq!(references[0]["ReferencingSecurityGroups"]["ReferencingSecurityGroup"][0]["SecurityGroupId"], naming.as_str());
    world.refused("Action=DescribeSecurityGroupReferences", 400, "MissingParameter").await;
}

#[tokio::test]
async fn members_of_a_basic_group_meet_or_not_and_those_of_an_enterprise_one_never() {
    let world = World::new().await;
    let new = async |more: &str| {
        let made = world.json(&format!("Action=CreateSecurityGroup&{more}")).await;
        made["SecurityGroupId"].as_str().unwrap().to_owned()
    };
    let basic = new("SecurityGroupName=basic").await;
    let enterprise = new("SecurityGroupName=enterprise&SecurityGroupType=enterprise").await;
    let policy = async |group: &str| {
        let shown = world.json(&format!("Action=DescribeSecurityGroupAttribute&SecurityGroupId={group}")).await;
        assert_eq!(shown["Permissions"]["Permission"], serde_json::json!([]));
        shown["InnerAccessPolicy"].as_str().unwrap().to_owned()
    };
    assert_eq!((policy(&basic).await.as_str(), policy(&enterprise).await.as_str()), ("Accept", "Drop"));
    let modify = |group: &str, policy: &str| format!("Action=ModifySecurityGroupPolicy&SecurityGroupId={group}&InnerAccessPolicy={policy}");
    world.golden("ModifySecurityGroupPolicy.json", &modify(&basic, "Drop")).await;
    assert_eq!(policy(&basic).await, "Drop");
    for _ in 0..2 {
        world.json(&modify(&basic, "accept")).await;
        assert_eq!(policy(&basic).await, "Accept");
    }
    world.refused(&modify(&basic, "maybe"), 400, "InvalidParameter").await;
    world.refused(&modify(&enterprise, "Accept"), 403, "OperationDenied").await;
    world.refused(&modify("sg-00000000000000001", "Accept"), 404, "InvalidSecurityGroupId.NotFound").await;
    let named = async |kind: &str| {
        let listed = world.json(&format!("Action=DescribeSecurityGroups&SecurityGroupType={kind}")).await;
        let groups = listed["SecurityGroups"]["SecurityGroup"].as_array().unwrap();
        groups.iter().map(|group| group["SecurityGroupId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named("enterprise").await, std::slice::from_ref(&enterprise));
    assert!(named("normal").await.contains(&basic) && !named("normal").await.contains(&enterprise));
    // Rules of an enterprise group name no group, and none names it.
    for (one, other) in [(&enterprise, &basic), (&basic, &enterprise), (&enterprise, &enterprise)] {
        let rule = format!("Action=AuthorizeSecurityGroup&SecurityGroupId={one}&IpProtocol=all&PortRange=-1/-1&SourceGroupId={other}");
        world.refused(&rule, 400, "InvalidParameter.Conflict").await;
    }
    // An interface is in groups of one kind.
    let instance = world.run("").await.remove(0);
    world
        .refused(&format!("Action=JoinSecurityGroup&SecurityGroupId={enterprise}&InstanceId={instance}"), 400, "InvalidParameter.Conflict")
        .await;
    world.json(&format!("Action=JoinSecurityGroup&SecurityGroupId={basic}&InstanceId={instance}")).await;
    let alone = world.run(&format!("SecurityGroupId={enterprise}")).await.remove(0);
    world.refused(&format!("Action=JoinSecurityGroup&SecurityGroupId={basic}&InstanceId={alone}"), 400, "InvalidParameter.Conflict").await;
}
