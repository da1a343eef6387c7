//! Network interfaces: what is refused rather than kept without effect.

use crate::world::World;

#[tokio::test]
async fn an_interface_always_checks_its_addresses() {
    let world = World::new().await;
    let modify = "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-00000000000000001&SourceDestCheck=";
    world.refused(&format!("{modify}false"), 400, "UnsupportedParameter").await;
    // To ask for what is so anyway gets as far as the interface, of which there is none.
    world.refused(&format!("{modify}true"), 404, "InvalidEniId.NotFound").await;
}
