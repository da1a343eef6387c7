//! Security groups that name each other, and how many rules one may have.

use crate::world::World;

async fn group(world: &World, name: &str) -> String {
    world.first(&format!("Action=CreateSecurityGroup&GroupName={name}&GroupDescription=of+a+ring"), "groupId").await
}

/// The form of a rule of a group that lets members of another in.
fn from_group(group: &str, other: &str) -> String {
    format!("GroupId={group}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId={other}")
}

#[tokio::test]
async fn groups_that_name_each_other_in_a_ring_are_kept_until_it_is_broken() {
    let world = World::new().await;
    let [a, b, c] = [group(&world, "a").await, group(&world, "b").await, group(&world, "c").await];
    let ring = [(&a, &b), (&b, &c), (&c, &a), (&a, &a)];
    for (one, other) in ring {
        world.ok(&format!("Action=AuthorizeSecurityGroupIngress&{}", from_group(one, other))).await;
    }
    let repeated = format!("Action=AuthorizeSecurityGroupIngress&{}", from_group(&a, &b));
    world.refused(&repeated, 400, "InvalidPermission.Duplicate").await;
    for (named, by) in [(&a, &c), (&b, &a), (&c, &b)] {
        let refusal = world.call(&format!("Action=DeleteSecurityGroup&GroupId={named}")).await;
        assert!(refusal.body.contains("<Code>DependencyViolation</Code>") && refusal.body.contains(by.as_str()), "{}", refusal.body);
    }
    world.ok(&format!("Action=RevokeSecurityGroupIngress&{}", from_group(&a, &b))).await;
    // From the place where it is broken, one after the other; that a group names itself keeps nobody.
    for named in [&b, &c, &a] {
        world.ok(&format!("Action=DeleteSecurityGroup&GroupId={named}")).await;
    }
}

#[tokio::test]
async fn a_group_has_a_thousand_rules_and_no_more() {
    let world = World::new().await;
    let id = group(&world, "full").await;
    let rules = |from: usize, count: usize| -> String {
        let one = |(place, port): (usize, usize)| {
            let rule = format!("&IpPermissions.{place}");
            format!("{rule}.IpProtocol=tcp{rule}.FromPort={port}{rule}.ToPort={port}{rule}.IpRanges.1.CidrIp=0.0.0.0/0")
        };
        (1..=count).zip(from..).map(one).collect()
    };
    let add = |from, count| format!("Action=AuthorizeSecurityGroupIngress&GroupId={id}{}", rules(from, count));
    // With the one that lets everything out.
    for batch in 0..9 {
        world.ok(&add(1 + batch * 100, 100)).await;
    }
    world.refused(&add(901, 100), 400, "RulesPerSecurityGroupLimitExceeded").await;
    world.ok(&add(901, 99)).await;
    world.refused(&add(1000, 1), 400, "RulesPerSecurityGroupLimitExceeded").await;
    world.ok(&format!("Action=RevokeSecurityGroupIngress&GroupId={id}{}", rules(1, 1))).await;
    world.ok(&add(1000, 1)).await;
}
