//! What a user may do whose policies are written in CAM's words.

use crate::world::World;

/// The calls that a user of the account under test may make who has this policy.
async fn allowed(world: &World, user: &str, statement: &str) -> Vec<&'static str> {
    let policy = format!(r#"{{"version": "2.0", "statement": [{statement}]}}"#);
    let key = world.cloud.user_create(world.owner.account, user, vec![policy]).await.unwrap();
    let user = world.cloud.principal(&key.id).await.unwrap().unwrap();
    let calls = ["DescribeZones", "DescribeInstances", "DescribeVpcs", "DescribeSecurityGroups", "DescribeDisks"];
    let mut allowed = vec![];
    for call in calls {
        let reply = world.call_as(&user, call, "{}").await;
        match crate::world::code_of(&reply).as_deref() {
            None => allowed.push(call),
            Some(code) => assert_eq!(code, "UnauthorizedOperation", "{call}: {}", reply.body),
        }
    }
    allowed
}

#[tokio::test]
async fn each_service_goes_by_its_own_name() {
    let world = World::new().await;
    for (user, statement, expected) in [
        ("a", r#"{"effect": "allow", "action": "vpc:Describe*", "resource": "*"}"#, &["DescribeVpcs", "DescribeSecurityGroups"][..]),
        (
            "b",
            r#"{"effect": "allow", "action": ["cvm:DescribeInstances", "cbs:*"], "resource": "*"}"#,
            &["DescribeInstances", "DescribeDisks"],
        ),
        ("c", r#"{"effect": "allow", "action": "name/vpc:DescribeVpcs", "resource": "*"}"#, &["DescribeVpcs"]),
        (
            "d",
            r#"{"effect": "allow", "action": "*", "resource": "*"}, {"effect": "deny", "action": "vpc:*", "resource": "*"}"#,
            &["DescribeZones", "DescribeInstances", "DescribeDisks"],
        ),
    ] {
        assert_eq!(allowed(&world, user, statement).await, expected, "{statement}");
    }
}
