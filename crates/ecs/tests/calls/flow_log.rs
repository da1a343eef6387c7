//! Flow logs through VPC.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";

#[tokio::test]
async fn a_flow_log_is_made_changed_turned_off_and_deleted() {
    let world = World::new().await;
    let vpc = world.json(&format!("Action=CreateVpc&{VPC}&CidrBlock=10.8.0.0/16")).await["VpcId"].as_str().unwrap().to_owned();
    let new = format!("Action=CreateVSwitch&VpcId={vpc}&ZoneId=test-1a&CidrBlock=10.8.1.0/24");
    let switch = world.json(&new).await["VSwitchId"].as_str().unwrap().to_owned();
    let of = |kind: &str, id: &str| format!("Action=CreateFlowLog&{VPC}&ResourceType={kind}&ResourceId={id}");
    let into = "ProjectName=my-project&LogStoreName=my_store";
    let tagged = format!("{into}&FlowLogName=seen&Description=d&AggregationInterval=5&TrafficPath.1=all&Tag.1.Key=a&Tag.1.Value=b");
    let new = format!("{}&TrafficType=All&{tagged}", of("VSwitch", &switch));
    let made: serde_json::Value = serde_json::from_str(&world.golden("CreateFlowLog.json", &new).await).unwrap();
    let id = made["FlowLogId"].as_str().unwrap().to_owned();
    let other = format!("{}&TrafficType=Drop&{into}", of("VPC", &vpc));
    let other = world.json(&other).await["FlowLogId"].as_str().unwrap().to_owned();
    world.golden("DescribeFlowLogs.json", &format!("Action=DescribeFlowLogs&{VPC}")).await;
    let found = async |asked: &str| {
        let reply = world.json(&format!("Action=DescribeFlowLogs&{VPC}&{asked}")).await;
        let logs = reply["FlowLogs"]["FlowLog"].as_array().unwrap();
        logs.iter().map(|log| log["FlowLogId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for asked in [
        format!("FlowLogId={id}"),
        "FlowLogName=seen".to_owned(),
        "Description=d".to_owned(),
        "ResourceType=VSwitch".to_owned(),
        format!("ResourceId={switch}"),
        "TrafficType=All".to_owned(),
        "Tags.1.Key=a&Tags.1.Value=b".to_owned(),
    ] {
        assert_eq!(found(&asked).await, [id.as_str()], "{asked}");
    }
    for asked in [format!("VpcId={vpc}"), "ProjectName=my-project&LogStoreName=my_store".to_owned(), "Status=Active".to_owned()] {
        assert_eq!(found(&asked).await, [id.as_str(), other.as_str()], "{asked}");
    }
    assert_eq!(found("PageSize=1&PageNumber=2").await, [other.as_str()]);
    for asked in ["ProjectName=my", "LogStoreName=my-project", "Status=Inactive", "Status=Activating", "ResourceGroupId=rg-1"] {
        assert!(found(asked).await.is_empty(), "{asked}");
    }
    let one = |action: &str, rest: &str| format!("Action={action}&{VPC}&FlowLogId={id}{rest}");
    world.golden("DeactiveFlowLog.json", &one("DeactiveFlowLog", "")).await;
    assert_eq!(found("Status=Inactive").await, [id.as_str()]);
    world.golden("ActiveFlowLog.json", &one("ActiveFlowLog", "")).await;
    assert!(found("Status=Inactive").await.is_empty());
    let changed = "&FlowLogName=known&Description=&AggregationInterval=1";
    world.golden("ModifyFlowLogAttribute.json", &one("ModifyFlowLogAttribute", changed)).await;
    let shown = world.json(&format!("Action=DescribeFlowLogs&{VPC}&FlowLogName=known")).await["FlowLogs"]["FlowLog"][0].take();
    assert_eq!((&shown["Description"], &shown["AggregationInterval"]), (&"".into(), &1.into()));
    let long = "a".repeat(257);
    for (form, status, code) in [
        (new.clone(), 400, "InvalidParameter.Duplicate"),
        (new.replace("TrafficType=All", "TrafficType=Some"), 400, "InvalidParameter"),
        (new.replace("my-project", "My-Project"), 400, "InvalidParameter"),
        (new.replace("my_store", "my/store"), 400, "InvalidParameter"),
        (new.replace("&LogStoreName=my_store", ""), 400, "MissingParameter"),
        (new.replace("Interval=5", "Interval=2"), 400, "InvalidParameter"),
        (new.replace("Interval=5", "Interval=4294967295"), 400, "InvalidParameter"),
        (new.replace("Description=d", &format!("Description={long}")), 400, "InvalidParameter"),
        (new.replace("TrafficPath.1=all", "TrafficPath.1=internetGateway"), 400, "UnsupportedParameter"),
        (format!("{new}&IpVersion=IPv4"), 400, "UnsupportedParameter"),
        (of("VPC", &switch) + "&TrafficType=All&" + into, 404, "InvalidVpcId.NotFound"),
        (of("VPC", "vpc-0000000000000dead") + "&TrafficType=All&" + into, 404, "InvalidVpcId.NotFound"),
        (of("NatGateway", &vpc) + "&TrafficType=All&" + into, 400, "InvalidParameter"),
        (one("ModifyFlowLogAttribute", "&AggregationInterval=3"), 400, "InvalidParameter"),
        (format!("Action=DeleteFlowLog&{VPC}&FlowLogId=fl-00000000000000001"), 404, "InvalidFlowLogId.NotFound"),
        (format!("Action=ActiveFlowLog&{VPC}&FlowLogId=nonsense"), 404, "InvalidFlowLogId.NotFound"),
        (format!("Action=DescribeFlowLogs&{VPC}&PageSize=51"), 400, "InvalidParameter"),
    ] {
        world.refused(&form, status, code).await;
    }
    world.refused_as(&world.stranger, &one("DeactiveFlowLog", ""), 404, "InvalidFlowLogId.NotFound").await;
    world.golden("DeleteFlowLog.json", &one("DeleteFlowLog", "")).await;
    assert_eq!(found("").await, [other.as_str()]);
}
