//! Values that nobody means well by, on every parameter of every action.

use pileus_ecs as ecs;

use crate::world::{TYPE, World, texts};

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
        "i-0ffffffffffffffff",
        "*",
        "%5B",
        "%5B%22*%22%5D",
        "n%5B999999,6%5D",
        id.as_str(),
        long.as_str(),
    ];
    let mut calls = 0;
    for action in ecs::actions() {
        for name in wire::parameter_names(action.parameters) {
            let name = name.replace(".N", ".1");
            for value in hostile {
                let usual = [("InstanceId", id.as_str()), ("ImageId", image.as_str()), ("InstanceType", TYPE)];
                let needs = |usual: &str| usual != name && action.parameters.iter().any(|one| asks_for(one, usual));
                let usual: String =
                    usual.iter().filter(|(usual, _)| needs(usual)).map(|(name, value)| format!("&{name}={value}")).collect();
                let version = action.products[0].version();
                let parameters = format!("Action={}&Version={version}&DryRun=true{usual}&{name}={value}", action.name);
                let reply = world.call(&parameters).await;
                let code = texts(&reply.body, "Code").pop().unwrap_or_default();
                let is_fault = reply.status >= 500 && code != "ServiceUnavailable";
                assert!(!is_fault, "{}&{name}={}: {}", action.name, &value[..value.len().min(40)], reply.body);
                calls += 1;
            }
        }
    }
    assert!(calls > 1_000, "{calls}");
}

/// Whether an action needs a parameter, be it among those that lie beside the rest.
fn asks_for(parameter: &wire::Parameter, name: &str) -> bool {
    (parameter.required && parameter.name == name) || (parameter.name.is_empty() && parameter.members.iter().any(|one| asks_for(one, name)))
}
