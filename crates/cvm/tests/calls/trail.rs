//! The audit trail.

use crate::world::{NOON, World};

#[tokio::test]
async fn calls_that_changed_something_are_found_again() {
    let world = World::new().await;
    world.json("CreateKeyPair", r#"{"KeyName": "made", "ProjectId": 0}"#).await;
    let noon = NOON.0 / 1_000;
    let by_name = r#""LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "CreateKeyPair"}]"#;
    let asked = format!(r#"{{"StartTime": {}, "EndTime": {noon}, {by_name}}}"#, noon - 60);
    let found = world.json("DescribeEvents", &asked).await;
    assert_eq!(found["Events"][0]["Resources"]["ResourceName"], "made");
    let later = format!(r#"{{"StartTime": {}, "EndTime": {}}}"#, noon + 61, noon + 90);
    // The text of an event holds the caller's access key, which is another one each time, so the kept reply has none.
    assert_eq!(world.golden("DescribeEvents.json", "DescribeEvents", &later).await["TotalCount"], 0);
    let backwards = format!(r#"{{"StartTime": {noon}, "EndTime": {}}}"#, noon - 60);
    world.refused("DescribeEvents", &backwards, "InvalidParameterValue").await;
    let unknown =
        format!(r#"{{"StartTime": 0, "EndTime": {noon}, "LookupAttributes": [{{"AttributeKey": "Colour", "AttributeValue": "red"}}]}}"#);
    world.refused("DescribeEvents", &unknown, "UnsupportedOperation").await;
}
