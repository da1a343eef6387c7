//! Action timers, as CVM's clients set, read and delete them.

use crate::world::{NOON, World};

const TIME: &str = "2026-11-20T14:00:00Z";

#[tokio::test]
async fn a_timer_terminates_its_instance() {
    let world = World::new().await;
    let mut ids = world.run("").await;
    ids.extend(world.run(&format!(r#""ActionTimer": {{"TimerAction": "TerminateInstances", "ActionTime": "{TIME}"}}"#)).await);
    world.settle().await;
    let import = |time: &str| {
        format!(r#"{{"InstanceIds": ["{}"], "ActionTimer": {{"TimerAction": "TerminateInstances", "ActionTime": "{time}"}}}}"#, ids[0])
    };
    world.refused("ImportInstancesActionTimer", &import("2026-11-20T12:04:59Z"), "InvalidParameterValue").await;
    let made = world.golden("ImportInstancesActionTimer.json", "ImportInstancesActionTimer", &import(TIME)).await;
    let timer = made["ActionTimerIds"][0].as_str().unwrap().to_owned();
    world.refused("ImportInstancesActionTimer", &import(TIME), "FailedOperation.MutActionTimerExist").await;
    let only = format!(r#"{{"ActionTimerIds": ["{timer}"]}}"#);
    world.golden("DescribeInstancesActionTimer.json", "DescribeInstancesActionTimer", &only).await;
    for (filter, found) in [
        ("{}".to_owned(), 2),
        (format!(r#"{{"InstanceIds": ["{}"]}}"#, ids[1]), 1),
        (r#"{"StatusList": ["DOING"]}"#.to_owned(), 0),
        (r#"{"StartActionTime": "2026-11-20 22:00:01"}"#.to_owned(), 0),
        (r#"{"EndActionTime": "2026-11-20 22:00:00", "TimerAction": "TerminateInstances"}"#.to_owned(), 2),
    ] {
        let listed = world.json("DescribeInstancesActionTimer", &filter).await;
        assert_eq!(listed["ActionTimers"].as_array().unwrap().len(), found, "{filter}: {listed}");
    }
    world.golden("DeleteInstancesActionTimer.json", "DeleteInstancesActionTimer", &only).await;
    world.refused("DeleteInstancesActionTimer", r#"{"ActionTimerIds": ["tomorrow"]}"#, "InvalidParameterValue").await;
    world.cloud.clock().set(NOON.after(2 * 3_600_000));
    world.settle().await;
    let left = world.json("DescribeInstances", "{}").await;
    assert_eq!((left["TotalCount"].as_u64(), left["InstanceSet"][0]["InstanceId"].as_str()), (Some(1), Some(ids[0].as_str())));
    let over = world.json("DescribeInstancesActionTimer", r#"{"StatusList": ["DONE"]}"#).await;
    assert_eq!(over["ActionTimers"][0]["InstanceId"], ids[1].as_str());
}
