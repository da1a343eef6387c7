//! Flow logs, and what they tell, as clients read it.

use model::{Direction, FlowBatch, FlowRecord, FlowRefusal};
use testcloud::NOON;

use crate::world::{World, elements};

const TAGS: &str = "TagSpecification.1.ResourceType=vpc-flow-log&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";

async fn one(world: &World, form: &str, element: &str) -> String {
    let reply = world.call(form).await;
    assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
    elements(&reply.body, element).remove(0)
}

#[tokio::test]
async fn flow_logs_are_made_listed_and_deleted() {
    let world = World::new().await;
    let vpc = one(&world, "Action=DescribeVpcs", "vpcId").await;
    let subnet = one(&world, "Action=DescribeSubnets", "subnetId").await;
    let role = "DeliverLogsPermissionArn=arn:aws:iam::111122223333:role/flows";
    let create = format!("Action=CreateFlowLogs&ResourceType=VPC&ResourceId.1={vpc}&TrafficType=ALL&LogGroupName=/vpc/flows&{role}&{TAGS}");
    let made = world.golden("CreateFlowLogs", &create).await;
    let first = elements(&made, "item").remove(0);
    let arn = format!("arn:aws:logs:test-1:{}:log-group:drops:*", world.owner.account);
    let format = "LogFormat=%24%7Bversion%7D+%24%7Bdstport%7D+%24%7Breject-reason%7D";
    let form = format!(
        "Action=CreateFlowLogs&ResourceType=Subnet&ResourceId.1={subnet}&TrafficType=REJECT&LogDestinationType=cloud-watch-logs&LogDestination={arn}&{format}&MaxAggregationInterval=60"
    );
    let second = one(&world, &form, "item").await;
    world.golden("DescribeFlowLogs", "Action=DescribeFlowLogs").await;
    for (filter, found) in [
        ("Name=resource-id&Filter.1.Value.1=".to_owned() + &subnet, &second),
        ("Name=traffic-type&Filter.1.Value.1=ALL".to_owned(), &first),
        ("Name=log-group-name&Filter.1.Value.1=drops".to_owned(), &second),
        ("Name=tag:a&Filter.1.Value.1=b".to_owned(), &first),
    ] {
        let reply = world.call(&format!("Action=DescribeFlowLogs&Filter.1.{filter}")).await;
        assert_eq!(elements(&reply.body, "flowLogId"), [found.as_str()], "{filter}");
    }
    for (form, code) in [
        (format!("{create}&LogDestinationType=s3"), "UnsupportedOperation"),
        (format!("{create}&LogDestinationType=kinesis-data-firehose"), "UnsupportedOperation"),
        (create.clone(), "FlowLogAlreadyExists"),
        (create.replace("TrafficType=ALL&", ""), "MissingParameter"),
        (create.replace("LogGroupName=/vpc/flows&", ""), "MissingParameter"),
        (create.replace(&vpc, "vpc-0000000000000dead"), "InvalidVpcID.NotFound"),
        (create.replace(&vpc, "nonsense"), "InvalidVpcID.Malformed"),
        (format!("{create}&LogFormat=%24%7Btcp-flags%7D"), "InvalidParameterValue"),
        (format!("{create}&MaxAggregationInterval=61"), "InvalidParameterValue"),
        (format!("{create}&DestinationOptions.FileFormat=parquet"), "UnsupportedOperation"),
        (create.replace("ResourceType=VPC", "ResourceType=TransitGateway"), "UnsupportedOperation"),
        ("Action=DeleteFlowLogs&FlowLogId.1=fl-00000000000000001".to_owned(), "InvalidFlowLogId.NotFound"),
        ("Action=DeleteFlowLogs&FlowLogId.1=fl-1".to_owned(), "InvalidFlowLogId.Malformed"),
        ("Action=DescribeFlowLogs&Filter.1.Name=colour&Filter.1.Value.1=red".to_owned(), "InvalidParameterValue"),
    ] {
        world.refused(&form, 400, code).await;
    }
    world.golden("DeleteFlowLogs", &format!("Action=DeleteFlowLogs&FlowLogId.1={first}&FlowLogId.2={second}")).await;
    assert!(elements(&world.call("Action=DescribeFlowLogs").await.body, "flowLogId").is_empty());
}

async fn logs(world: &World, form: &str) -> serde_json::Value {
    let reply = world.call_as(&world.owner, "logs", form).await;
    assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
    serde_json::from_str(&reply.body).unwrap()
}

async fn refused(world: &World, form: &str) -> String {
    let reply = world.call_as(&world.owner, "logs", form).await;
    assert_eq!(reply.status, 400, "{form}\n{}", reply.body);
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    body["__type"].as_str().unwrap().to_owned()
}

/// Words of messages, each the port and why it was dropped.
fn messages(reply: &serde_json::Value) -> Vec<&str> {
    reply["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_told_is_read_by_stream_by_time_and_by_pattern() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    world.settle().await;
    let nic = one(&world, "Action=DescribeNetworkInterfaces", "networkInterfaceId").await;
    let subnet = one(&world, "Action=DescribeNetworkInterfaces", "subnetId").await;
    let format = "LogFormat=%24%7Bdstport%7D+%24%7Breject-reason%7D";
    one(
        &world,
        &format!("Action=CreateFlowLogs&ResourceType=NetworkInterface&ResourceId.1={nic}&TrafficType=ALL&LogGroupName=g&{format}"),
        "item",
    )
    .await;
    for minute in 0..3_u16 {
        let record = |port, refused| FlowRecord {
            source: "10.0.0.5".parse().unwrap(),
            destination: "10.0.0.6".parse().unwrap(),
            protocol: 17,
            source_port: 9,
            destination_port: port,
            packets: 1,
            bytes: 40,
            direction: Direction::Ingress,
            refused,
        };
        let from = NOON.after(i64::from(minute) * 60_000);
        let batch = FlowBatch {
            interface: nic.parse().unwrap(),
            subnet: subnet.parse().unwrap(),
            instance: instance.parse().unwrap(),
            from,
            to: from.after(34_360),
            skipped: false,
            records: vec![record(minute * 10, None), record(minute * 10 + 1, Some(FlowRefusal::SecurityGroup))],
        };
        world.tell_flows(minute.into(), batch).await;
    }
    let groups = logs(&world, "Action=DescribeLogGroups&logGroupNamePrefix=g").await;
    assert_eq!((groups["logGroups"][0]["logGroupName"].as_str(), groups["logGroups"][0]["storedBytes"].as_u64()), (Some("g"), Some(217)));
    let arn = groups["logGroups"][0]["logGroupArn"].as_str().unwrap().to_owned();
    assert!(logs(&world, "Action=DescribeLogGroups&logGroupNamePattern=x").await["logGroups"].as_array().unwrap().is_empty());
    let streams = logs(&world, &format!("Action=DescribeLogStreams&logGroupIdentifier={arn}&orderBy=LastEventTime&descending=true")).await;
    let stream = format!("{nic}-all");
    assert_eq!(streams["logStreams"][0]["logStreamName"].as_str(), Some(stream.as_str()));
    assert_eq!(streams["logStreams"][0]["firstEventTimestamp"].as_i64(), Some(NOON.0));
    let all = ["0 -", "1 security-group", "10 -", "11 security-group", "20 -", "21 security-group"];
    assert_eq!(messages(&logs(&world, "Action=FilterLogEvents&logGroupName=g").await), all);
    let dropped = logs(&world, "Action=FilterLogEvents&logGroupName=g&filterPattern=%5Bport%3D1*%2C+reason%3Dsecurity-group%5D").await;
    assert_eq!(messages(&dropped), [all[1], all[3]]);
    let later = NOON.after(60_000).0;
    let part = logs(&world, &format!("Action=FilterLogEvents&logGroupName=g&startTime={later}&endTime={later}")).await;
    assert_eq!(messages(&part), all[2..4]);
    let first = logs(&world, "Action=FilterLogEvents&logGroupName=g&limit=5").await;
    let token = first["nextToken"].as_str().unwrap();
    assert_eq!(messages(&logs(&world, &format!("Action=FilterLogEvents&logGroupName=g&nextToken={token}")).await), all[5..]);
    // A stream is read from its end, and on in both directions until there is no more.
    let get = format!("Action=GetLogEvents&logGroupName=g&logStreamName={stream}");
    let end = logs(&world, &format!("{get}&limit=2")).await;
    assert_eq!(messages(&end), all[4..]);
    let back = logs(&world, &format!("{get}&limit=3&nextToken={}", end["nextBackwardToken"].as_str().unwrap())).await;
    assert_eq!(messages(&back), all[1..4]);
    let on = end["nextForwardToken"].as_str().unwrap();
    let nothing = logs(&world, &format!("{get}&nextToken={on}")).await;
    assert_eq!((messages(&nothing), nothing["nextForwardToken"].as_str()), (vec![], Some(on)));
    let head = logs(&world, &format!("{get}&startFromHead=true&limit=1&endTime={later}")).await;
    assert_eq!(messages(&head), all[..1]);
    for (form, code) in [
        ("Action=GetLogEvents&logGroupName=none&logStreamName=x", "ResourceNotFoundException"),
        ("Action=GetLogEvents&logGroupName=g&logStreamName=x", "ResourceNotFoundException"),
        ("Action=GetLogEvents&logStreamName=x", "InvalidParameterException"),
        ("Action=FilterLogEvents&logGroupName=g&nextToken=nonsense", "InvalidParameterException"),
        ("Action=FilterLogEvents&logGroupName=g&limit=0", "InvalidParameterException"),
        ("Action=FilterLogEvents&logGroupName=g&filterPattern=%5Ba", "InvalidParameterException"),
        ("Action=FilterLogEvents&logGroupName=g&colour=red", "InvalidParameterException"),
        ("Action=PutRetentionPolicy&logGroupName=g&retentionInDays=2", "InvalidParameterException"),
        ("Action=PutRetentionPolicy&logGroupName=none&retentionInDays=7", "ResourceNotFoundException"),
        ("Action=DeleteLogGroup&logGroupName=none", "ResourceNotFoundException"),
        ("Action=PutMetricFilter&logGroupName=g", "InvalidAction"),
    ] {
        assert_eq!(refused(&world, form).await, code, "{form}");
    }
    logs(&world, "Action=PutRetentionPolicy&logGroupName=g&retentionInDays=7").await;
    assert_eq!(logs(&world, "Action=DescribeLogGroups").await["logGroups"][0]["retentionInDays"].as_u64(), Some(7));
    logs(&world, "Action=DeleteRetentionPolicy&logGroupName=g").await;
    assert!(logs(&world, "Action=DescribeLogGroups").await["logGroups"][0].get("retentionInDays").is_none());
    logs(&world, "Action=DeleteLogGroup&logGroupName=g").await;
    assert_eq!(refused(&world, "Action=FilterLogEvents&logGroupName=g").await, "ResourceNotFoundException");
}
