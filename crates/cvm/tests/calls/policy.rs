//! What a user may do whose policies are written in CAM's words.

use crate::world::{World, code_of};

/// The calls that a user of the account under test may make who has this policy.
async fn allowed(world: &World, user: &str, statement: &str) -> Vec<&'static str> {
    let policy = format!(r#"{{"version": "2.0", "statement": [{statement}]}}"#);
    let key = world.cloud.user_create(world.owner.account, user, vec![policy]).await.unwrap();
    let user = world.cloud.principal(&key.id).await.unwrap().unwrap();
    let calls = ["DescribeZones", "DescribeInstances", "DescribeVpcs", "DescribeSecurityGroups", "DescribeDisks"];
    let mut allowed = vec![];
    for call in calls {
        let reply = world.call_as(&user, call, "{}").await;
        match code_of(&reply).as_deref() {
            None => allowed.push(call),
            Some(code) => assert_eq!(code, "UnauthorizedOperation", "{call}: {}", reply.body),
        }
    }
    allowed
}

#[tokio::test]
async fn a_thing_goes_by_the_id_that_tencents_clients_know() {
    let world = World::new().await;
    let ids = world.run(r#""InstanceCount": 2"#).await;
    world.settle().await;
    let statements = format!(
        r#"{{"effect": "allow", "action": "cvm:*", "resource": "*"}},
           {{"effect": "deny", "action": "cvm:RebootInstances", "resource": "qcs::cvm:test-1:uin/{}:instance/{}"}}"#,
        world.owner.account, ids[0]
    );
    let policy = format!(r#"{{"version": "2.0", "statement": [{statements}]}}"#);
    let key = world.cloud.user_create(world.owner.account, "rebooter", vec![policy]).await.unwrap();
    let user = world.cloud.principal(&key.id).await.unwrap().unwrap();
    let reboot = |id: &str| format!(r#"{{"InstanceIds": ["{id}"]}}"#);
    world.refused_as(&user, "RebootInstances", &reboot(&ids[0]), "UnauthorizedOperation").await;
    let reply = world.call_as(&user, "RebootInstances", &reboot(&ids[1])).await;
    assert_eq!(code_of(&reply), None, "{}", reply.body);
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
