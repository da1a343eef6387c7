//! The life of instances.

use serde_json::{Value, json};

use crate::world::{Sent, World, text};

#[tokio::test]
async fn what_is_said_of_a_launch_is_shown_of_its_instance() {
    let world = World::new().await;
    let subnet = text(&world.ok("GET /v1/subnets?zone=test-1a", "").await["items"][0]["id"]);
    let group = text(&world.ok("GET /v1/security-groups?name=default", "").await["items"][0]["id"]);
    let more = format!(
        r#""subnet": "{subnet}", "security_groups": ["{group}"], "private_ip": "172.31.0.77", "name": "web", "description": "one",
           "hostname": "web-1", "user_data": "aGVsbG8=", "tags": {{"env": "prod"}}, "volume_tags": {{"of": "web"}},
           "root": {{"size_gib": 3, "kind": "level1", "name": "root"}}, "volumes": [{{"size_gib": 2, "delete_on_termination": false}}],
           "termination_protection": true, "on_shutdown": "terminate", "metadata": {{"token_required": true, "hop_limit": 3}},
           "release_at": "2026-12-24T18:00:00+01:00""#
    );
    let id = world.launch(&more).await.remove(0);
    world.settle().await;
    let shown = world.ok(&format!("GET /v1/instances/{id}"), "").await;
    let expected = json!({
        "id": id, "state": "running", "name": "web", "description": "one", "hostname": "web-1", "type": "t3.nano", "zone": "test-1a",
        "subnet": subnet, "private_ip": "172.31.0.77", "termination_protection": true, "on_shutdown": "terminate",
        "metadata": {"enabled": true, "token_required": true, "hop_limit": 3, "show_tags": false},
        "release_at": "2026-12-24T17:00:00Z", "created_at": "2026-11-20T12:00:00Z", "tags": {"env": "prod"}, "launch_index": 0,
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[member], value, "{member} in {shown}");
    }
    let disks: Vec<_> = shown["volumes"].as_array().unwrap().iter().map(|disk| (&disk["size_gib"], &disk["kind"])).collect();
    assert_eq!(disks, [(&json!(3), &json!("level1")), (&json!(2), &json!("fast"))]);
    assert_eq!(shown["security_groups"][0]["id"], group);
    assert_eq!(shown["interfaces"][0]["private_ips"][0]["ip"], "172.31.0.77");
    assert_eq!(shown["interfaces"][0]["private_ips"][0]["public_ip"], shown["public_ip"]);
}

#[tokio::test]
async fn an_instance_lives_and_goes() {
    let world = World::new().await;
    let id = world.launch("").await.remove(0);
    let state = async || text(&world.ok(&format!("GET /v1/instances/{id}"), "").await["state"]);
    assert_eq!(state().await, "launching");
    world.settle().await;
    assert_eq!(state().await, "running");
    let change = |before: &str, now: &str| json!({"id": id, "before": before, "state": now});
    assert_eq!(world.ok(&format!("POST /v1/instances/{id}/reboot"), r#"{"force": true}"#).await, change("running", "running"));
    assert_eq!(world.ok(&format!("POST /v1/instances/{id}/stop"), "").await, change("running", "stopping"));
    world.settle().await;
    assert_eq!(state().await, "stopped");
    assert_eq!(world.ok(&format!("POST /v1/instances/{id}/start"), "{}").await, change("stopped", "starting"));
    world.settle().await;
    assert_eq!(world.ok(&format!("DELETE /v1/instances/{id}"), "").await, change("running", "terminating"));
    world.settle().await;
    assert_eq!(state().await, "terminated");
    world.refused(&format!("POST /v1/instances/{id}/start"), "", 409, "incorrect_state").await;
}

#[tokio::test]
async fn an_instance_is_changed_where_something_is_said() {
    let world = World::new().await;
    let id = world.launch(r#""name": "a", "description": "kept""#).await.remove(0);
    world.settle().await;
    let line = format!("PATCH /v1/instances/{id}");
    let body = r#"{"name": "b", "termination_protection": true, "stop_protection": false, "on_shutdown": "terminate"}"#;
    assert_eq!(world.call(&line, body).await, (204, Value::Null));
    let shown = world.ok(&format!("GET /v1/instances/{id}"), "").await;
    assert_eq!((&shown["name"], &shown["description"]), (&json!("b"), &json!("kept")));
    assert_eq!((&shown["termination_protection"], &shown["on_shutdown"]), (&json!(true), &json!("terminate")));
    world.refused(&format!("DELETE /v1/instances/{id}"), "", 409, "protected").await;

    world.refused(&line, r#"{"type": "t3.micro"}"#, 409, "incorrect_state").await;
    world.refused(&line, r#"{"type": "t3.micro", "name": "c"}"#, 400, "invalid_member").await;
    world.refused(&line, r#"{"restart": true}"#, 400, "invalid_member").await;
    world.refused(&line, r#"{"user_data": "aGVsbG8="}"#, 409, "incorrect_state").await;
    world.ok(&line, r#"{"type": "t3.micro", "restart": true}"#).await;
    world.settle().await;
    world.settle().await;
    let shown = world.ok(&format!("GET /v1/instances/{id}"), "").await;
    assert_eq!((&shown["type"], &shown["state"]), (&json!("t3.micro"), &json!("running")));
    assert_eq!(world.call(&line, r#"{"name": ""}"#).await.0, 204);
    assert_eq!(world.ok(&format!("GET /v1/instances/{id}"), "").await["name"], "");
}

#[tokio::test]
async fn a_repeated_launch_answers_as_the_first_did() {
    let world = World::new().await;
    let body = world.launch_body(r#""count": 2"#).await;
    let headers = &[("idempotency-key", "once")];
    let sent = Sent { line: "POST /v1/instances", headers, body: &body };
    let (first, second) = (world.call_with(&sent).await, world.call_with(&sent).await);
    assert_eq!(first.0, 201);
    let ids = |launched: &Value| launched["instances"].as_array().unwrap().iter().map(|one| text(&one["id"])).collect::<Vec<_>>();
    assert_eq!((ids(&first.1).len(), ids(&first.1)), (2, ids(&second.1)));
    assert_eq!(world.ok("GET /v1/instances", "").await["items"].as_array().unwrap().len(), 2);
    let other = world.launch_body(r#""count": 1"#).await;
    let (status, problem) = world.call_with(&Sent { body: &other, ..sent }).await;
    assert_eq!((status, &problem["code"]), (409, &json!("idempotency_key_reused")));
    let long = "k".repeat(65);
    let (status, problem) =
        world.call_with(&Sent { line: "POST /v1/instances", headers: &[("idempotency-key", &long)], body: &body }).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_member")), "{problem}");
    assert!(text(&problem["detail"]).starts_with("Idempotency-Key"), "{problem}");
}

#[tokio::test]
async fn a_dry_run_checks_and_keeps_nothing() {
    let world = World::new().await;
    let body = world.launch_body("").await;
    assert_eq!(world.call("POST /v1/instances?dry_run=true", &body).await, (204, Value::Null));
    assert_eq!(world.ok("GET /v1/instances", "").await["items"], json!([]));
    let bad = world.launch_body(r#""zone": "nowhere""#).await;
    world.refused("POST /v1/instances?dry_run=true", &bad, 404, "not_found").await;
    assert_eq!(world.call("POST /v1/instances?dry_run=false", &body).await.0, 201);
    let id = text(&world.ok("GET /v1/instances", "").await["items"][0]["id"]);
    world.settle().await;
    assert_eq!(world.call(&format!("DELETE /v1/instances/{id}?dry_run=true"), "").await, (204, Value::Null));
    assert_eq!(world.ok(&format!("GET /v1/instances/{id}"), "").await["state"], "running");
}

#[tokio::test]
async fn another_account_sees_and_reaches_nothing() {
    let world = World::new().await;
    let id = world.launch("").await.remove(0);
    world.settle().await;
    for line in ["GET /v1/instances/ID", "DELETE /v1/instances/ID", "PATCH /v1/instances/ID", "POST /v1/instances/ID/stop"] {
        let line = line.replace("ID", &id);
        let reply = world.send(&world.stranger, &Sent { line: &line, ..Sent::default() }).await;
        assert_eq!((reply.status, reply.body.contains("not_found")), (404, true), "{line}: {}", reply.body);
    }
    let reply = world.send(&world.stranger, &Sent { line: "GET /v1/instances", ..Sent::default() }).await;
    assert_eq!(reply.body, r#"{"items":[]}"#);
}

#[tokio::test]
async fn tags_are_given_and_taken() {
    let world = World::new().await;
    let id = world.launch(r#""tags": {"a": "1", "b": "2"}"#).await.remove(0);
    let line = format!("/v1/instances/{id}/tags");
    assert_eq!(world.call(&format!("POST {line}"), r#"{"tags": {"b": "3", "c": "4"}}"#).await, (204, Value::Null));
    assert_eq!(world.call(&format!("DELETE {line}?key=a&key=none"), "").await, (204, Value::Null));
    assert_eq!(world.ok(&format!("GET /v1/instances/{id}"), "").await["tags"], json!({"b": "3", "c": "4"}));
    let absent = "POST /v1/instances/i-00000000000000001/tags";
    world.refused(absent, r#"{"tags": {"b": "3"}}"#, 404, "not_found").await;
}

#[tokio::test]
async fn a_template_says_what_the_body_does_not() {
    let world = World::new().await;
    let image = world.image("pileus-linux").await;
    let settings = model::LaunchSettings {
        image: Some(image.parse().unwrap()),
        instance_type: Some("t3.nano".to_owned()),
        name: Some("of template".to_owned()),
        description: Some("kept".to_owned()),
        ..model::LaunchSettings::default()
    };
    let command =
        control::CreateLaunchTemplate { name: "web".to_owned(), description: String::new(), launch: settings, tags: model::Tags::new() };
    let caller = world.caller("ec2:CreateLaunchTemplate");
    world.cloud.run(&caller, command, control::Options::default()).await.unwrap();
    let body = r#"{"template": {"name": "web", "version": "latest"}, "name": "own"}"#;
    let launched = world.ok("POST /v1/instances", body).await;
    let made = &launched["instances"][0];
    assert_eq!((&made["name"], &made["description"], &made["image"]), (&json!("own"), &json!("kept"), &json!(image)));
    let number = r#"{"template": {"name": "web", "version": {"number": 7}}}"#;
    world.refused("POST /v1/instances", number, 404, "not_found").await;
}

#[tokio::test]
async fn a_launch_says_more_of_its_interfaces() {
    let world = World::new().await;
    let more = r#""type": "t3.small", "interface": {"secondary_ip_count": 2}, "interfaces": [{"index": 1, "description": "second"}]"#;
    let body = world.launch_body(more).await.replacen(r#""type": "t3.nano", "#, "", 1);
    let launched = world.ok("POST /v1/instances", &body).await;
    let interfaces = launched["instances"][0]["interfaces"].as_array().unwrap();
    let shape: Vec<_> = interfaces.iter().map(|nic| (nic["index"].as_u64(), nic["private_ips"].as_array().unwrap().len())).collect();
    assert_eq!(shape, [(Some(0), 3), (Some(1), 1)]);
    let (id, subnet) = (text(&interfaces[0]["id"]), text(&interfaces[0]["subnet"]));
    let body = world.launch_body(&format!(r#""subnet": "{subnet}", "interface": {{"id": "{id}"}}"#)).await;
    world.refused("POST /v1/instances", &body, 400, "invalid_member").await;
}
