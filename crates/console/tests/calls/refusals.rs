//! What is refused, and how.

use serde_json::Value;

use crate::world::{Sent, World, json};

#[tokio::test]
async fn bad_requests_are_refused_by_name() {
    let world = World::new().await;
    let id = world.launch("").await.remove(0);
    let launch = world.launch_body("").await;
    let with = |more: &str| launch.replace('}', &format!(", {more}}}"));
    for (line, body, status, code, names) in [
        ("GET /v1/nothing", "", 404, "no_such_path", ""),
        ("PUT /v1/instances", "", 405, "method_not_allowed", "POST, GET"),
        ("GET /v1/instances?colour=red", "", 400, "unknown_parameter", "colour"),
        ("GET /v1/instances?dry_run=true", "", 400, "unknown_parameter", "dry_run"),
        ("GET /v1/instances?limit=0", "", 400, "invalid_parameter", "limit"),
        ("GET /v1/instances?limit=1001", "", 400, "invalid_parameter", "limit"),
        ("GET /v1/instances?limit=2&limit=3", "", 400, "invalid_parameter", "limit"),
        ("GET /v1/instances?name=%FF", "", 400, "invalid_parameter", "name"),
        ("GET /v1/instances/x", "", 400, "malformed_id", "'x'"),
        ("GET /v1/instances/vol-00000000000000001", "", 400, "malformed_id", "vol-"),
        ("GET /v1/instances/i-00000000000000001", "", 404, "not_found", "i-00000000000000001"),
        ("GET /v1/instances", "{}", 400, "malformed_body", ""),
        ("POST /v1/instances?dry_run=yes", &launch, 400, "invalid_parameter", "dry_run"),
        ("POST /v1/instances", "{", 400, "malformed_body", ""),
        ("POST /v1/instances", "[]", 400, "malformed_body", ""),
        ("POST /v1/instances", "", 400, "missing_member", "image"),
        ("POST /v1/instances", &with(r#""template": {}"#), 400, "invalid_member", "template"),
        ("POST /v1/instances", &with(r#""template": {"name": "none"}"#), 404, "not_found", "none"),
        ("POST /v1/instances", &with(r#""template": {"name": "none", "version": "newest"}"#), 400, "invalid_member", "template.version"),
        ("POST /v1/instances", &with(r#""interfaces": [{"index": 0}]"#), 400, "invalid_member", "interfaces.index"),
        ("POST /v1/instances", &with(r#""interface": {"secondary_ip_count": 500}"#), 409, "limit_reached", "private addresses"),
        (&format!("POST /v1/instances/{id}/tags"), r#"{"tags": {}}"#, 400, "missing_member", "tags"),
        (&format!("DELETE /v1/instances/{id}/tags"), "", 400, "invalid_parameter", "key"),
        ("POST /v1/instances", &with(r#""colour": "red""#), 400, "invalid_member", "colour"),
        ("POST /v1/instances", &with(r#""count": "2""#), 400, "invalid_member", "count"),
        ("POST /v1/instances", &with(r#""count": 0"#), 400, "invalid_member", "count"),
        ("POST /v1/instances", &with(r#""count": 101"#), 400, "invalid_member", "count"),
        ("POST /v1/instances", &with(r#""count": 4000000000"#), 400, "invalid_member", "count"),
        ("POST /v1/instances", &with(r#""count": 1, "at_least": 2"#), 400, "invalid_member", "count"),
        ("POST /v1/instances", &with(r#""bandwidth_mbps": 0"#), 400, "invalid_member", "bandwidth_mbps"),
        ("POST /v1/instances", &with(r#""user_data": "%""#), 400, "invalid_member", "user_data"),
        ("POST /v1/instances", &with(r#""volumes": [{}]"#), 400, "invalid_member", "volumes[0].size_gib"),
        ("POST /v1/instances", &with(r#""volumes": [{"size_gib": 1, "kind": "floppy"}]"#), 400, "invalid_member", "volumes[0].kind"),
        ("POST /v1/instances", &with(r#""metadata": {"hop_limit": 65}"#), 400, "invalid_member", "metadata.hop_limit"),
        ("POST /v1/instances", &with(r#""key_pair": "none""#), 404, "not_found", "none"),
        ("POST /v1/instances", &with(r#""tags": {"aws:x": "y"}"#), 400, "invalid_member", "tags"),
        ("POST /v1/instances", &with(r#""password": "short""#), 400, "invalid_member", "password"),
        (&format!("POST /v1/instances/{id}/stop"), r#"{"force": 1}"#, 400, "invalid_member", "force"),
        (&format!("POST /v1/instances/{id}/start"), r#"{"force": true}"#, 400, "invalid_member", "force"),
        (&format!("POST /v1/instances/{id}/stop"), "", 409, "incorrect_state", &id),
    ] {
        let detail = world.refused(line, body, status, code).await;
        assert!(detail.contains(names), "{line} {body}: {detail}");
    }
    let long = format!("\"user_data\": \"{}\"", "A".repeat(22_000));
    assert!(world.refused("POST /v1/instances", &with(&long), 400, "invalid_member").await.contains("user_data"));
}

#[tokio::test]
async fn a_body_says_that_it_is_json() {
    let world = World::new().await;
    let body = world.launch_body("").await;
    for (media, status) in [("application/json; charset=utf-8", 201), ("application/x-www-form-urlencoded", 415), ("", 415)] {
        let headers = &[("content-type", media)];
        let (found, reply) = world.call_with(&Sent { line: "POST /v1/instances", headers, body: &body }).await;
        assert_eq!(found, status, "{media}: {reply}");
    }
}

#[tokio::test]
async fn a_problem_is_of_its_media_type_and_short() {
    let world = World::new().await;
    let name = "x".repeat(20_000);
    let line = format!("GET /v1/instances?{name}=1");
    let reply = world.send(&world.owner, &Sent { line: &line, ..Sent::default() }).await;
    assert_eq!((reply.status, reply.content_type), (400, "application/problem+json"));
    assert!(reply.body.len() < 2_000, "{}", reply.body);
    assert_eq!(json(&reply)["type"], Value::from("about:blank"));
}

#[tokio::test]
async fn who_sends_too_much_is_told_to_wait() {
    let world = World::new().await;
    let mut last = world.send(&world.owner, &Sent { line: "GET /v1/zones", ..Sent::default() }).await;
    // The clock stands, so that what the account may send in a moment is not filled up.
    for _ in 0..200_000 {
        if last.status != 200 {
            break;
        }
        last = world.send(&world.owner, &Sent { line: "GET /v1/zones", ..Sent::default() }).await;
    }
    assert_eq!((last.status, json(&last)["code"].as_str()), (429, Some("too_many_requests")));
    assert!(last.data.unwrap().headers.iter().any(|(name, _)| *name == "retry-after"));
}

#[test]
fn the_document_is_whole() {
    let document: Value = serde_json::from_str(pileus_console::document()).unwrap();
    for route in pileus_console::routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
        assert_eq!(operation["x-policy-action"], route.action, "{route:?}");
        assert_eq!(operation.get("requestBody").is_some(), route.method.as_str() != "GET", "{route:?}");
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.contains_key("default") && answers.keys().any(|status| status.starts_with('2')), "{route:?}");
    }
    let paths = document["paths"].as_object().unwrap().values();
    let operations: usize = paths.map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(operations, pileus_console::routes().count());
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 30, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
