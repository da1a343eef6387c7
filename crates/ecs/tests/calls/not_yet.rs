//! Calls whose capability this cloud has not, or not yet: known, and refused as unsupported.

use pileus_ecs as ecs;

use crate::world::World;

#[tokio::test]
async fn what_is_known_and_not_there_is_unsupported_and_the_rest_unknown() {
    let world = World::new().await;
    let mut calls = 0;
    for action in ecs::actions().filter(|action| matches!(action.state, ecs::State::NotYet)) {
        for product in action.products {
            let call = format!("Action={}&Version={}&RegionId=test-1&Whatever=1", action.name, product.version());
            world.refused(&call, 400, "UnsupportedOperation").await;
            calls += 1;
        }
    }
    assert!(calls > 50, "{calls}");
    world.refused("Action=DescribeNothing", 404, "InvalidAction.NotFound").await;
    world.refused("Action=CreateHaVip", 404, "InvalidAction.NotFound").await;
}
