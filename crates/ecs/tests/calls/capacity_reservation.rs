//! Capacity reservations: made, listed, launched into, changed and released.

use crate::world::{TYPE, World, texts};

#[tokio::test]
async fn a_private_pool_is_made_used_changed_and_released() {
    let world = World::new().await;
    let create = format!("Action=CreateCapacityReservation&InstanceType={TYPE}&ZoneId.1=test-1a");
    let pool = "PrivatePoolOptions.Name=pool&PrivatePoolOptions.MatchCriteria=Target&Description=words&Tag.1.Key=a&Tag.1.Value=b";
    let made = world.golden("CreateCapacityReservation.json", &format!("{create}&InstanceAmount=2&{pool}")).await;
    let id = texts(&made, "PrivatePoolOptionsId").remove(0);
    let limited = format!("{create}&InstanceAmount=1&EndTimeType=Limited&EndTime=2026-11-21T00:00:00Z");
    let open = texts(&world.call(&limited).await.body, "PrivatePoolOptionsId").remove(0);
    world.run(&format!("PrivatePoolOptions.Id={id}&PrivatePoolOptions.MatchCriteria=Target")).await;
    world.run("").await;
    world.golden("DescribeCapacityReservations.json", "Action=DescribeCapacityReservations").await;
    for (form, found) in [
        (format!("PrivatePoolOptions.Ids=%5B%22{id}%22%5D"), vec![id.clone()]),
        ("Tag.1.Key=a&Tag.1.Value=b".to_owned(), vec![id.clone()]),
        (format!("InstanceType={TYPE}"), vec![id.clone(), open.clone()]),
        ("ZoneId=test-1b".to_owned(), vec![]),
        ("Platform=windows".to_owned(), vec![]),
        ("Status=Released".to_owned(), vec![]),
    ] {
        let reply = world.call(&format!("Action=DescribeCapacityReservations&{form}")).await;
        assert_eq!(texts(&reply.body, "PrivatePoolOptionsId"), found, "{form}");
    }
    let image = world.image("pileus-linux").await;
    let launch = format!("Action=RunInstances&ImageId={image}&InstanceType={TYPE}");
    for (form, status, code) in [
        (format!("{launch}&Amount=2&PrivatePoolOptions.Id={id}"), 403, "OperationDenied.NoStock"),
        (format!("{launch}&PrivatePoolOptions.Id=cr-none"), 404, "InvalidPrivatePoolOptionsIds.NotFound"),
        (format!("{launch}&PrivatePoolOptions.Id={id}&PrivatePoolOptions.MatchCriteria=Open"), 400, "InvalidParameter.Conflict"),
        (format!("{launch}&PrivatePoolOptions.MatchCriteria=Target"), 400, "MissingParameter"),
        (format!("{create}&InstanceAmount=500"), 403, "OperationDenied.NoStock"),
        (format!("{create}&InstanceAmount=1&Platform=windows"), 400, "UnsupportedParameter"),
        (format!("{create}&InstanceAmount=1&InstanceChargeType=PrePaid"), 400, "UnsupportedParameter"),
        (format!("{create}&InstanceAmount=1&EndTimeType=Limited"), 400, "MissingParameter"),
    ] {
        world.refused(&form, status, code).await;
    }
    let modify = format!("Action=ModifyCapacityReservation&PrivatePoolOptions.Id={id}&PrivatePoolOptions.Name=other&InstanceAmount=3");
    world.golden("ModifyCapacityReservation.json", &modify).await;
    let after = world.call(&format!("Action=DescribeCapacityReservations&PrivatePoolOptions.Ids=%5B%22{id}%22%5D")).await;
    assert_eq!(texts(&after.body, "PrivatePoolOptionsName"), ["other"]);
    assert!(after.body.contains("\"TotalAmount\":3,\"UsedAmount\":1,\"AvailableAmount\":2"), "{}", after.body);
    world.golden("ReleaseCapacityReservation.json", &format!("Action=ReleaseCapacityReservation&PrivatePoolOptions.Id={id}")).await;
    let released = world.call("Action=DescribeCapacityReservations&Status=Released").await;
    assert_eq!(texts(&released.body, "PrivatePoolOptionsId"), [id]);
}
