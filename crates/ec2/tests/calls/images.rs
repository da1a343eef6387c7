//! Images of the account that are to be used no longer, and what burstable instances may do.

use crate::world::{World, elements};

#[tokio::test]
async fn a_deprecated_image_is_its_owners_to_see_and_everybodys_to_name() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    world.settle().await;
    let image = world.first(&format!("Action=CreateImage&InstanceId={instance}&Name=old"), "imageId").await;
    world.settle().await;
    let enable = format!("Action=EnableImageDeprecation&ImageId={image}");
    world.golden("EnableImageDeprecation", &format!("{enable}&DeprecateAt=2026-11-20T13:00:59Z")).await;
    let named = format!("Action=DescribeImages&ImageId.1={image}");
    assert_eq!(elements(&world.ok(&named).await, "deprecationTime"), ["2026-11-20T13:00:00.000Z"]);
    for past in ["2026-11-20T12:00:59Z", "2020-01-01T00:00:00Z", "2037-01-01T00:00:00Z"] {
        world.refused(&format!("{enable}&DeprecateAt={past}"), 400, "InvalidParameterValue").await;
    }
    world.golden("DisableImageDeprecation", &format!("Action=DisableImageDeprecation&ImageId={image}")).await;
    assert!(elements(&world.ok(&named).await, "deprecationTime").is_empty());
    let operators = world.image("pileus-linux").await;
    world.refused(&format!("Action=DisableImageDeprecation&ImageId={operators}"), 400, "InvalidAMIID.NotFound").await;
}

#[tokio::test]
async fn burstable_instances_are_unlimited() {
    let world = World::new().await;
    let burstable = world.run("MinCount=1&MaxCount=1").await.remove(0);
    let image = world.image("pileus-linux").await;
    let other =
        world.first(&format!("Action=RunInstances&ImageId={image}&InstanceType=m5.large&MinCount=1&MaxCount=1"), "instanceId").await;
    let all = "Action=DescribeInstanceCreditSpecifications";
    let told = world.golden("DescribeInstanceCreditSpecifications", &format!("{all}&InstanceId.1={burstable}")).await;
    assert_eq!(elements(&told, "cpuCredits"), ["unlimited"]);
    assert_eq!(elements(&world.ok(all).await, "instanceId"), [burstable.as_str()]);
    let asked = |at: u32, id: &str, credits: &str| {
        format!("&InstanceCreditSpecification.{at}.InstanceId={id}&InstanceCreditSpecification.{at}.CpuCredits={credits}")
    };
    let modify = "Action=ModifyInstanceCreditSpecification";
    let all = asked(1, &burstable, "unlimited") + &asked(2, &other, "unlimited") + &asked(3, "i-00000000000000099", "unlimited");
    let told = world.golden("ModifyInstanceCreditSpecification", &format!("{modify}{all}")).await;
    assert_eq!(elements(&told, "code"), ["InstanceCreditSpecification.NotSupported", "InvalidInstanceID.NotFound"]);
    world.refused(&format!("{modify}{}", asked(1, &burstable, "standard")), 400, "UnsupportedOperation").await;
    world.refused(modify, 400, "MissingParameter").await;
}
