//! A policy against every route, and one that allows nothing else.

use pileus_console as console;

use crate::world::{Sent, World, json, text};

/// A request of a route that would go well, of a running instance.
async fn request_of(world: &World, route: &console::RouteInfo, instance: &str) -> (String, String) {
    let line = format!("{} {}", route.method.as_str(), route.path.replace("{id}", instance));
    match (route.method, route.path) {
        (console::Method::Post, "/v1/instances") => (line, world.launch_body("").await),
        (console::Method::Post, "/v1/instances/{id}/tags") => (line, r#"{"tags": {"a": "b"}}"#.to_owned()),
        (console::Method::Delete, "/v1/instances/{id}/tags") => (format!("{line}?key=a"), String::new()),
        _ => (line, String::new()),
    }
}

/// Whoever has this document, and no other.
async fn bearer(world: &World, number: usize, document: String) -> std::sync::Arc<control::Principal> {
    let key = world.cloud.user_create(world.owner.account, &format!("user-{number}"), vec![document]).await.unwrap();
    world.cloud.principal(&key.id).await.unwrap().unwrap()
}

fn statement(effect: &str, action: &str) -> String {
    format!(r#"{{"Effect": "{effect}", "Action": "{action}", "Resource": "*"}}"#)
}

fn document(statements: &[String]) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "))
}

#[tokio::test]
async fn a_policy_against_an_action_stops_every_route_of_it() {
    let world = World::new().await;
    let instance = world.launch("").await.remove(0);
    world.settle().await;
    let mut calls = 0;
    for (number, route) in console::routes().enumerate() {
        let (line, body) = request_of(&world, &route, &instance).await;
        let principal = bearer(&world, number, document(&[statement("Allow", "*"), statement("Deny", route.action)])).await;
        let reply = world.send(&principal, &Sent { line: &line, body: &body, headers: &[] }).await;
        assert_eq!((reply.status, text(&json(&reply)["code"]).as_str()), (403, "unauthorized"), "{line}: {}", reply.body);
        calls += 1;
    }
    assert!(calls >= 16, "{calls}");
    assert_eq!(world.ok(&format!("GET /v1/instances/{instance}"), "").await["state"], "running");
}

#[tokio::test]
async fn a_policy_for_an_action_is_all_that_a_route_takes() {
    let world = World::new().await;
    for (number, route) in console::routes().enumerate() {
        let instance = world.launch("").await.remove(0);
        world.settle().await;
        if route.path.ends_with("/start") {
            world.ok(&format!("POST /v1/instances/{instance}/stop"), "").await;
            world.settle().await;
        }
        let (line, body) = request_of(&world, &route, &instance).await;
        let principal = bearer(&world, number, document(&[statement("Allow", route.action)])).await;
        let reply = world.send(&principal, &Sent { line: &line, body: &body, headers: &[] }).await;
        assert!((200..300).contains(&reply.status), "{line}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_change_is_in_the_audit_trail_and_so_is_a_refusal() {
    let world = World::new().await;
    let instance = world.launch("").await.remove(0);
    let nobody = bearer(&world, 0, document(&[statement("Allow", "ec2:DescribeInstances")])).await;
    let line = format!("DELETE /v1/instances/{instance}");
    assert_eq!(world.send(&nobody, &Sent { line: &line, ..Sent::default() }).await.status, 403);
    let events = world.cloud.events(&world.caller("ec2:DescribeEvents"), 10).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.what {
            model::What::Call { action, refused, .. } => Some((action.as_str(), refused.as_deref())),
            _ => None,
        })
        .collect();
    assert!(told.contains(&("ec2:RunInstances", None)), "{told:?}");
    assert!(told.contains(&("ec2:TerminateInstances", Some("unauthorized"))), "{told:?}");
}
