//! Lists, their filters and pages.

use serde_json::Value;

use crate::world::{World, text};

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect()
}

#[tokio::test]
async fn instances_are_listed_by_what_they_are() {
    let world = World::new().await;
    let web = world.launch(r#""count": 2, "name": "web", "tags": {"env": "prod", "team": "a"}"#).await;
    let db = world.launch(r#""name": "db", "tags": {"env": "test"}"#).await;
    world.settle().await;
    world.ok(&format!("POST /v1/instances/{}/stop", db[0]), "").await;
    world.settle().await;
    let all = [web.clone(), db.clone()].concat();
    for (query, expected) in [
        ("", &all),
        ("?state=running", &web),
        ("?state=running&state=stopped", &all),
        ("?state=stopped&name=db", &db),
        ("?state=stopped&name=web", &vec![]),
        ("?name=w*", &web),
        ("?name=w%5C*", &vec![]),
        ("?tag=env=prod", &web),
        ("?tag=env=prod&tag=env=test", &all),
        ("?tag=env=prod&tag=team", &web),
        ("?tag=team&tag=none", &vec![]),
        (&format!("?id={}&id={}", web[0], web[1]), &web),
        ("?id=i-00000000000000001", &vec![]),
        ("?type=t3.nano&zone=test-1a", &all),
        ("?zone=test-1b", &vec![]),
    ] {
        let page = world.ok(&format!("GET /v1/instances{query}"), "").await;
        assert_eq!(&ids(&page), expected, "{query}");
        assert_eq!(page.get("next"), None);
    }
}

#[tokio::test]
async fn pages_meet_and_a_token_is_good_for_its_own_list() {
    let world = World::new().await;
    let made = world.launch(r#""count": 5"#).await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = world.ok(&format!("GET /v1/instances?limit=2{after}"), "").await;
        seen.extend(ids(&page));
        after = page["next"].as_str().map_or_else(String::new, |next| format!("&after={next}"));
    }
    assert_eq!((seen, after.as_str()), (made, ""));
    let next = text(&world.ok("GET /v1/instances?limit=2", "").await["next"]);
    for line in [
        format!("GET /v1/instances?limit=2&name=x&after={next}"),
        format!("GET /v1/images?after={next}"),
        "GET /v1/instances?after=nonsense".to_owned(),
    ] {
        assert!(world.refused(&line, "", 400, "invalid_parameter").await.contains("'after'"), "{line}");
    }
}

#[tokio::test]
async fn what_a_launch_needs_is_listed() {
    let world = World::new().await;
    assert_eq!(world.ok("GET /v1/images?name=debian-*", "").await["items"][0]["min_disk_gib"], 4);
    let zones = world.ok("GET /v1/zones?limit=1", "").await;
    assert_eq!(zones["items"], serde_json::json!([{"name": "test-1a", "region": "test-1"}]));
    let rest = world.ok(&format!("GET /v1/zones?after={}", text(&zones["next"])), "").await;
    assert_eq!(rest, serde_json::json!({"items": [{"name": "test-1b", "region": "test-1"}]}));
    let nano = world.ok("GET /v1/instance-types?name=ecs.t6-c4m1.large", "").await;
    assert_eq!((&nano["items"][0]["vcpus"], nano["items"].as_array().unwrap().len()), (&Value::from(2), 1));
    assert!(!ids(&world.ok("GET /v1/subnets?default=true", "").await).is_empty());
    let group = &world.ok("GET /v1/security-groups", "").await["items"][0];
    assert_eq!((&group["name"], &group["rules"][0]["verdict"]), (&Value::from("default"), &Value::from("accept")));
    assert_eq!(world.ok("GET /v1/key-pairs", "").await["items"], Value::Array(vec![]));
}

#[tokio::test]
async fn snapshots_say_what_their_file_systems_are_like() {
    let world = World::new().await;
    let instance = world.launch("").await.remove(0);
    world.settle().await;
    let volume = text(&world.ok(&format!("GET /v1/instances/{instance}"), "").await["volumes"][0]["id"]);
    let take = control::TakeSnapshots {
        of: control::SnapshotOf::Volumes(vec![volume.parse().unwrap()]),
        name: "nightly".into(),
        description: String::new(),
        tags: model::Tags::new(),
        copy_tags: false,
    };
    let id = world.cloud.run(&world.caller("ec2:CreateSnapshot"), take, control::Options::default()).await.unwrap()[0].id.to_string();
    let pending = world.ok(&format!("GET /v1/snapshots?volume={volume}"), "").await["items"][0].clone();
    assert_eq!((&pending["state"], pending.get("consistency")), (&Value::from("pending"), None));
    world.settle().await;
    let listed = world.ok("GET /v1/snapshots?state=completed", "").await;
    let snapshot = &listed["items"][0];
    assert_eq!((text(&snapshot["id"]), text(&snapshot["volume"]), text(&snapshot["name"])), (id, volume, "nightly".to_owned()));
    assert_eq!((&snapshot["percent"], &snapshot["consistency"]), (&Value::from(100), &Value::from("file_system")));
    assert!(ids(&world.ok("GET /v1/snapshots?state=pending", "").await).is_empty());
}
