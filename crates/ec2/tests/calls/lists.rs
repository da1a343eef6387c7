//! Filters and pages of lists.

use crate::world::{World, elements};

/// Checks which instances a filter finds: positions of those launched.
async fn check(world: &World, ids: &[String], name: &str, values: &[&str], expected: &[usize]) {
    let values: Vec<String> = values.iter().enumerate().map(|(at, value)| format!("Filter.1.Value.{}={value}", at + 1)).collect();
    let reply = world.call(&format!("Action=DescribeInstances&Filter.1.Name={name}&{}", values.join("&"))).await;
    assert_eq!(reply.status, 200, "{name}: {}", reply.body);
    let mut found = elements(&reply.body, "instanceId");
    found.retain(|id| id.starts_with("i-"));
    let wanted: Vec<String> = expected.iter().map(|at| ids[*at].clone()).collect();
    assert_eq!(found, wanted, "{name} {values:?}");
}

#[tokio::test]
async fn instances_are_found_by_their_fields() {
    let world = World::new().await;
    let tag = |value| {
        format!("TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=role&TagSpecification.1.Tag.1.Value={value}")
    };
    let mut ids = world.run(&format!("MinCount=2&MaxCount=2&{}", tag("web"))).await;
    world.settle().await;
    ids.extend(world.run(&format!("MinCount=1&MaxCount=1&PrivateIpAddress=172.31.0.77&{}", tag("db"))).await);
    let nic = "NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.AssociatePublicIpAddress=false";
    let tagged = "TagSpecification.1.ResourceType=network-interface&TagSpecification.1.Tag.1.Key=line&TagSpecification.1.Tag.1.Value=a";
    ids.extend(world.run(&format!("MinCount=1&MaxCount=1&ClientToken=once&{nic}&{tagged}")).await);
    let address = world.ok("Action=AllocateAddress").await;
    let allocation = elements(&address, "allocationId").remove(0);
    let tie = format!("Action=AssociateAddress&AllocationId={allocation}&InstanceId={}", ids[3]);
    let association = world.first(&tie, "associationId").await;
    for (name, values, expected) in [
        ("client-token", &["once"][..], &[3][..]),
        ("client-token", &["other"], &[]),
        ("network-interface.tag-key", &["li*"], &[3]),
        ("network-interface.tag-value", &["a"], &[3]),
        ("network-interface.tag-value", &["b"], &[]),
        ("network-interface.association.allocation-id", &[allocation.as_str()], &[3]),
        ("network-interface.addresses.association.association-id", &[association.as_str()], &[3]),
        ("network-interface.association.association-id", &["eipassoc-00000000000000001"], &[]),
        ("operator.managed", &["false"], &[0, 1, 2, 3]),
        ("operator.principal", &["*"], &[]),
        ("private-dns-name-options.hostname-type", &["ip-name"], &[0, 1, 2, 3]),
        ("metadata-options.http-protocol-ipv4", &["enabled"], &[0, 1, 2, 3]),
        ("network-interface.source-dest-check", &["true"], &[0, 1, 2, 3]),
    ] {
        check(&world, &ids, name, values, expected).await;
    }
    for (name, values, expected) in [
        ("tag:role", &["web"][..], &[0, 1][..]),
        ("tag:role", &["w*", "db"], &[0, 1, 2]),
        ("tag:role", &["*"], &[0, 1, 2]),
        ("tag:none", &["*"], &[]),
        ("tag-key", &["role"], &[0, 1, 2]),
        ("instance-state-name", &["running"], &[0, 1]),
        ("instance-state-name", &["pending"], &[2, 3]),
        ("instance-state-name", &["launching"], &[]),
        ("instance-state-code", &["0"], &[2, 3]),
        ("instance-type", &["t3.*"], &[0, 1, 2, 3]),
        ("instance-type", &["t3a.nano"], &[]),
        ("instance-type", &["m6i.large"], &[]),
        ("private-ip-address", &["172.31.0.77"], &[2]),
        ("private-dns-name", &["ip-172-31-0-77.internal.test"], &[2]),
        ("availability-zone", &["test-1a"], &[0, 1, 2, 3]),
        ("availability-zone", &["test-1b"], &[]),
        ("architecture", &["x86_64"], &[0, 1, 2, 3]),
        ("architecture", &["arm64"], &[]),
        ("virtualization-type", &["hvm"], &[0, 1, 2, 3]),
        ("virtualization-type", &["paravirtual"], &[]),
        ("instance.group-name", &["default"], &[0, 1, 2, 3]),
        ("instance-id", &[ids[1].as_str()], &[1]),
    ] {
        check(&world, &ids, name, values, expected).await;
    }
}

#[tokio::test]
async fn pages_meet_and_their_tokens_belong_to_their_list() {
    let world = World::new().await;
    let ids = world.run("MinCount=12&MaxCount=12").await;
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let reply = world.call(&format!("Action=DescribeInstances&MaxResults=5&NextToken={token}")).await;
        seen.extend(elements(&reply.body, "instanceId"));
        match elements(&reply.body, "nextToken").pop() {
            Some(next) => token = next,
            None => break,
        }
    }
    assert_eq!(seen, ids);
    assert!(!token.is_empty(), "there were three pages");
    world.refused(&format!("Action=DescribeVolumes&MaxResults=5&NextToken={token}"), 400, "InvalidNextToken").await;
    let filtered = "Filter.1.Name=instance-state-name&Filter.1.Value.1=running";
    world.refused(&format!("Action=DescribeInstances&{filtered}&NextToken={token}"), 400, "InvalidNextToken").await;
    let stranger = world.call_as(&world.stranger, "ec2", &format!("Action=DescribeInstances&NextToken={token}")).await;
    assert_eq!(elements(&stranger.body, "Code"), ["InvalidNextToken"]);
}

#[tokio::test]
async fn instance_types_come_in_pages_and_by_filter() {
    let world = World::new().await;
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let reply = world.call(&format!("Action=DescribeInstanceTypes&MaxResults=50&NextToken={token}")).await;
        seen.extend(elements(&reply.body, "instanceType"));
        match elements(&reply.body, "nextToken").pop() {
            Some(next) => token = next,
            None => break,
        }
    }
    let all: Vec<&str> = model::Catalogue::standard().all().iter().map(|kind| kind.ec2_name()).collect();
    assert_eq!(seen.len(), all.len());
    assert!(all.iter().all(|name| seen.iter().any(|other| other == name)));
    for (filter, value, expected) in [
        ("instance-type", "t3a.nano", vec!["t3a.nano"]),
        ("memory-info.size-in-mib", "128", vec!["lab1.nano"]),
        ("processor-info.supported-architecture", "arm64", vec![]),
        ("ebs-info.ebs-optimized-info.maximum-iops", "1", vec![]),
        ("instance-storage-info.disk.count", "*", vec![]),
        ("nitro-tpm-support", "supported", vec![]),
    ] {
        let reply = world.call(&format!("Action=DescribeInstanceTypes&Filter.1.Name={filter}&Filter.1.Value.1={value}")).await;
        assert_eq!(elements(&reply.body, "instanceType"), expected, "{filter}={value}");
    }
}

#[tokio::test]
async fn tags_of_every_noun_are_listed_in_pages() {
    let world = World::new().await;
    let ids = world.run("MinCount=3&MaxCount=3").await;
    let vpc = elements(&world.call("Action=DescribeVpcs").await.body, "vpcId").remove(0);
    let resources: Vec<String> = ids.iter().chain([&vpc]).enumerate().map(|(at, id)| format!("ResourceId.{}={id}", at + 1)).collect();
    let tags = "Tag.1.Key=a&Tag.1.Value=1&Tag.2.Key=b&Tag.2.Value=2";
    assert_eq!(world.call(&format!("Action=CreateTags&{}&{tags}", resources.join("&"))).await.status, 200);
    let mut expected: Vec<String> = ids.iter().flat_map(|id| [format!("{id} a"), format!("{id} b")]).collect();
    expected.extend([format!("{vpc} a"), format!("{vpc} b")]);
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let reply = world.call(&format!("Action=DescribeTags&MaxResults=5&NextToken={token}")).await;
        let pairs = elements(&reply.body, "resourceId").into_iter().zip(elements(&reply.body, "key"));
        seen.extend(pairs.map(|(id, key)| format!("{id} {key}")));
        match elements(&reply.body, "nextToken").pop() {
            Some(next) => token = next,
            None => break,
        }
    }
    assert_eq!(seen, expected);
    for (name, value, count) in
        [("key", "a", 4), ("value", "2", 4), ("resource-id", vpc.as_str(), 2), ("resource-type", "instance", 6), ("tag:a", "1", 4)]
    {
        let reply = world.call(&format!("Action=DescribeTags&Filter.1.Name={name}&Filter.1.Value.1={value}")).await;
        assert_eq!(elements(&reply.body, "resourceId").len(), count, "{name}={value}");
    }
    assert_eq!(world.call(&format!("Action=DeleteTags&ResourceId.1={vpc}&Tag.1.Key=a&Tag.1.Value=other")).await.status, 200);
    assert_eq!(world.call(&format!("Action=DeleteTags&ResourceId.1={vpc}&Tag.1.Key=b")).await.status, 200);
    let left = world.call(&format!("Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1={vpc}")).await;
    assert_eq!(elements(&left.body, "key"), ["a"]);
}

#[tokio::test]
async fn images_are_found_by_owner() {
    let world = World::new().await;
    for (more, expected) in [
        ("", 2),
        ("Owner.1=amazon", 2),
        ("Owner.1=999988887777", 2),
        ("Owner.1=self", 0),
        ("Owner.1=self&Owner.2=amazon", 2),
        ("Owner.1=aws-marketplace", 0),
        ("ExecutableBy.1=all", 2),
        ("ExecutableBy.1=self", 0),
        ("Filter.1.Name=name&Filter.1.Value.1=debian-*", 1),
        ("Filter.1.Name=owner-alias&Filter.1.Value.1=amazon", 2),
        ("Filter.1.Name=state&Filter.1.Value.1=available", 2),
        ("Filter.1.Name=architecture&Filter.1.Value.1=arm64", 0),
    ] {
        let reply = world.call(&format!("Action=DescribeImages&{more}")).await;
        assert_eq!(elements(&reply.body, "imageId").len(), expected, "{more}\n{}", reply.body);
    }
}

#[tokio::test]
async fn groups_are_found_by_the_names_of_those_that_their_rules_name() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for name in ["front", "back"] {
        ids.push(world.first(&format!("Action=CreateSecurityGroup&GroupName={name}&GroupDescription=d"), "groupId").await);
    }
    // Beside the permissions, and in them, a group of the default VPC is named by its name.
    world.ok("Action=AuthorizeSecurityGroupIngress&GroupName=back&SourceSecurityGroupName=front").await;
    let out = format!("GroupId={}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80", ids[0]);
    let to_back = "IpPermissions.1.Groups.1.GroupName=back";
    let made = world.ok(&format!("Action=AuthorizeSecurityGroupEgress&{out}&{to_back}")).await;
    assert_eq!(elements(&made, "userId"), [world.owner.account.to_string()]);
    let found = |filter: &str| format!("Action=DescribeSecurityGroups&Filter.1.Name={filter}&Filter.1.Value.1=");
    for (filter, name, expected) in [
        ("ip-permission.group-name", "fro*", &ids[1..]),
        ("ip-permission.group-name", "back", &[]),
        ("egress.ip-permission.group-name", "back", &ids[..1]),
        ("egress.ip-permission.group-name", "front", &[]),
    ] {
        let told = world.ok(&format!("{}{name}", found(filter))).await;
        let names = elements(&told, "groupName");
        assert_eq!(names.len(), expected.len(), "{filter}={name}: {told}");
        assert!(expected.iter().all(|id| told.contains(&format!("<groupId>{id}</groupId><groupName>"))), "{filter}={name}: {told}");
    }
    let rules = world.ok(&format!("Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1={}", ids[1])).await;
    let mut protocols = elements(&rules, "ipProtocol");
    protocols.sort();
    assert_eq!(protocols, ["-1", "icmp", "tcp", "udp"], "full ICMP, UDP and TCP access, beside the way out");
    for (more, status, code) in [
        ("SourceSecurityGroupName=front&SourceSecurityGroupOwnerId=999988887777", 400, "InvalidGroup.NotFound"),
        ("SourceSecurityGroupName=nobody", 400, "InvalidGroup.NotFound"),
        ("SourceSecurityGroupName=front&IpProtocol=tcp&FromPort=1&ToPort=1&CidrIp=10.0.0.0/8", 400, "InvalidParameterCombination"),
        ("SourceSecurityGroupOwnerId=111122223333", 400, "MissingParameter"),
        ("IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.Description=d", 400, "MissingParameter"),
    ] {
        world.refused(&format!("Action=AuthorizeSecurityGroupIngress&GroupName=back&{more}"), status, code).await;
    }
    let own = format!("SourceSecurityGroupName=front&SourceSecurityGroupOwnerId={}", world.owner.account);
    let taken = world.ok(&format!("Action=RevokeSecurityGroupIngress&GroupName=back&{own}")).await;
    assert_eq!(elements(&taken, "referencedGroupId"), [ids[0].as_str(), &ids[0], &ids[0]]);
}
