//! Values that nobody means well by, on every parameter of every action, and JSON that is none.

use pileus_cvm as cvm;

use crate::world::{TYPE, World, code_of};

#[tokio::test]
async fn no_value_of_any_parameter_is_a_fault_of_the_cloud() {
    let world = World::new().await;
    let image = world.image("pileus-linux").await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    let long = "x".repeat(70_000);
    let hostile = [
        "",
        "x",
        "-1",
        "99999999999999999999",
        "%00",
        "%C3%BC%2A%3F%5C",
        "true",
        "ins-0ffffffffffffffff",
        "i-0ffffffffffffffff",
        "*",
        "%5B",
        "n%7BR:99999999,F:8%7D",
        "qcs::cvm::uin/:instance/x",
        id.as_str(),
        long.as_str(),
    ];
    let usual = [("InstanceIds.0", id.as_str()), ("ImageId", image.as_str()), ("InstanceType", TYPE), ("Placement.Zone", "test-1a")];
    let mut calls = 0;
    for action in cvm::actions() {
        for name in wire::parameter_names(action.parameters) {
            let name = name.replace(".N", ".0");
            for value in hostile {
                if action.name == "TerminateInstances" && value == id {
                    continue;
                }
                let all = wire::parameter_names(action.parameters);
                let needs = |usual: &str| usual != name && all.iter().any(|known| known.replace(".N", ".0") == usual);
                let more: String = usual.iter().filter(|(usual, _)| needs(usual)).map(|(name, value)| format!("&{name}={value}")).collect();
                let dry = if action.name == "RunInstances" && name != "DryRun" { "&DryRun=true" } else { "" };
                let version = action.product.version();
                let reply = world.query(&format!("Action={}&Version={version}{dry}{more}&{name}={value}", action.name)).await;
                let code = code_of(&reply);
                assert_ne!(
                    code.as_deref(),
                    Some("InternalError"),
                    "{}&{name}={}: {}",
                    action.name,
                    &value[..value.len().min(40)],
                    reply.body
                );
                calls += 1;
            }
        }
    }
    assert!(calls > 1_000, "{calls}");
}

#[tokio::test]
async fn json_that_is_none_is_refused() {
    let world = World::new().await;
    let deep = format!("{}{}", r#"{"a":"#.repeat(40), "}".repeat(40));
    for (body, code) in [
        ("[1]", "UnknownParameter"),
        ("{", "InvalidParameter"),
        ("7", "InvalidParameter"),
        (deep.as_str(), "InvalidParameter"),
        (r#"{"Limit": 1, "limit": 2}"#, "InvalidParameter"),
        (r#"{"InstanceIds": "ins-1"}"#, "InvalidParameter"),
        (r#"{"InstanceIds": {"a": 1}}"#, "InvalidParameterValue"),
        (r#"{"Filters": [{"Values": ["a"]}]}"#, "MissingParameter"),
        (r#"{"Limit": "many"}"#, "InvalidParameter"),
        (r#"{"Limit": 101}"#, "InvalidParameterValue.Range"),
        (r#"{"Limit": 0}"#, "InvalidParameterValue.Range"),
        (r#"{"Offset": -1}"#, "InvalidParameterValue.Range"),
        (r#"{"Colour": "red"}"#, "UnknownParameter"),
        (r#"{"In.stance": "red"}"#, "UnknownParameter"),
    ] {
        world.refused("DescribeInstances", body, code).await;
    }
}
