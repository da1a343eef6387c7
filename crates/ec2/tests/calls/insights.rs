//! Questions whether one thing reaches another.

use crate::world::{World, elements};

async fn path(world: &World, form: &str) -> String {
    let reply = world.call(&format!("Action=CreateNetworkInsightsPath&Protocol=tcp&{form}")).await;
    assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
    elements(&reply.body, "networkInsightsPathId").remove(0)
}

async fn analysis(world: &World, path: &str) -> String {
    let reply = world.call(&format!("Action=StartNetworkInsightsAnalysis&NetworkInsightsPathId={path}")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

/// The code that an analysis gives; none when the path is found.
async fn code(world: &World, path: &str) -> Option<String> {
    let body = analysis(world, path).await;
    let codes = elements(&body, "explanationCode");
    assert_eq!(elements(&body, "networkPathFound"), [codes.is_empty().to_string()], "{body}");
    codes.into_iter().next()
}

#[tokio::test]
async fn a_question_is_kept_answered_and_forgotten() {
    let world = World::new().await;
    let instances = world.run("MinCount=2&MaxCount=2").await;
    world.settle().await;
    let gateway = elements(&world.call("Action=DescribeInternetGateways").await.body, "internetGatewayId").remove(0);
    let tags =
        |kind: &str| format!("TagSpecification.1.ResourceType={kind}&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b");
    let ends = format!("Source={}&Destination={}&Protocol=tcp&DestinationPort=443", instances[0], instances[1]);
    let made = world
        .golden("CreateNetworkInsightsPath", &format!("Action=CreateNetworkInsightsPath&{ends}&{}", tags("network-insights-path")))
        .await;
    let inside = elements(&made, "networkInsightsPathId").remove(0);
    let start = format!("Action=StartNetworkInsightsAnalysis&NetworkInsightsPathId={inside}&{}", tags("network-insights-analysis"));
    let first = elements(&world.golden("StartNetworkInsightsAnalysis", &start).await, "networkInsightsAnalysisId").remove(0);
    let outside = path(&world, &format!("Source={gateway}&Destination={}&DestinationPort=22", instances[1])).await;
    let second = elements(&analysis(&world, &outside).await, "networkInsightsAnalysisId").remove(0);
    let found = |yes: bool| format!("Filter.1.Name=path-found&Filter.1.Value.1={yes}");
    world.golden("DescribeNetworkInsightsAnalyses.no", &format!("Action=DescribeNetworkInsightsAnalyses&{}", found(false))).await;
    world
        .golden(
            "DescribeNetworkInsightsPaths",
            &format!("Action=DescribeNetworkInsightsPaths&Filter.1.Name=source&Filter.1.Value.1={gateway}"),
        )
        .await;
    let of_path = world.call(&format!("Action=DescribeNetworkInsightsAnalyses&NetworkInsightsPathId={inside}")).await.body;
    assert_eq!(elements(&of_path, "networkInsightsAnalysisId"), std::slice::from_ref(&first));
    let delete = |path: &str| format!("Action=DeleteNetworkInsightsPath&NetworkInsightsPathId={path}");
    world.refused(&delete(&inside), 400, "AnalysisExistsForNetworkInsightsPath").await;
    world.golden("DeleteNetworkInsightsAnalysis", &format!("Action=DeleteNetworkInsightsAnalysis&NetworkInsightsAnalysisId={first}")).await;
    world.golden("DeleteNetworkInsightsPath", &delete(&inside)).await;
    world.refused(&delete(&inside), 400, "InvalidNetworkInsightsPathId.NotFound").await;
    world.call(&format!("Action=DeleteNetworkInsightsAnalysis&NetworkInsightsAnalysisId={second}")).await;
    let again = format!("Action=DeleteNetworkInsightsAnalysis&NetworkInsightsAnalysisId={second}");
    world.refused(&again, 400, "InvalidNetworkInsightsAnalysisId.NotFound").await;
}

#[tokio::test]
async fn an_answer_follows_the_rules_of_its_moment() {
    let world = World::new().await;
    let instances = world.run("MinCount=2&MaxCount=2").await;
    world.settle().await;
    let gateway = elements(&world.call("Action=DescribeInternetGateways").await.body, "internetGatewayId").remove(0);
    let group = elements(&world.call("Action=DescribeSecurityGroups").await.body, "groupId").remove(0);
    let ssh = path(&world, &format!("Source={gateway}&Destination={}&DestinationPort=22", instances[0])).await;
    let some = path(&world, &format!("Source={gateway}&Destination={}", instances[0])).await;
    assert_eq!(code(&world, &ssh).await.as_deref(), Some("ENI_SG_RULES_MISMATCH"));
    let rule = format!(
        "GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=20&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=8.8.8.0/24"
    );
    world.call(&format!("Action=AuthorizeSecurityGroupIngress&{rule}")).await;
    // A question that names no address is about any, one that names no port about any.
    assert_eq!((code(&world, &ssh).await, code(&world, &some).await), (None, None));
    let named = path(&world, &format!("Source={gateway}&SourceIp=9.9.9.9&Destination={}&DestinationPort=22", instances[0])).await;
    assert_eq!(code(&world, &named).await.as_deref(), Some("ENI_SG_RULES_MISMATCH"));
    let out = path(&world, &format!("Source={}&Destination={gateway}", instances[0])).await;
    assert_eq!(code(&world, &out).await, None);
    let nobody = path(&world, &format!("Source={}&DestinationIp=172.31.255.200&DestinationPort=1", instances[0])).await;
    assert_eq!(code(&world, &nobody).await.as_deref(), Some("NO_POSSIBLE_DESTINATION"));
    world.call(&format!("Action=StopInstances&InstanceId.1={}", instances[1])).await;
    world.settle().await;
    let stopped = path(&world, &format!("Source={}&Destination={}&DestinationPort=1", instances[0], instances[1])).await;
    assert_eq!(code(&world, &stopped).await.as_deref(), Some("BAD_STATE"));
    // Another way to lose the world: the route.
    let table = elements(&world.call("Action=DescribeRouteTables").await.body, "routeTableId").remove(0);
    world.call(&format!("Action=DeleteRoute&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0")).await;
    assert_eq!(code(&world, &out).await.as_deref(), Some("NO_ROUTE_TO_DESTINATION"));
}

#[tokio::test]
async fn questions_about_nothing_are_refused() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    world.settle().await;
    let gateway = elements(&world.call("Action=DescribeInternetGateways").await.body, "internetGatewayId").remove(0);
    for (form, code) in [
        (format!("Source={instance}&Protocol=tcp"), "MissingParameter"),
        (format!("Source={instance}&Destination={instance}&Protocol=icmp"), "InvalidParameterValue"),
        (format!("Source={instance}&Destination=vol-1&Protocol=tcp"), "InvalidParameterValue"),
        (format!("Source={instance}&Destination=i-1&Protocol=tcp"), "InvalidInstanceID.Malformed"),
        (format!("Source={instance}&Destination=i-00000000000000001&Protocol=tcp"), "InvalidInstanceID.NotFound"),
        (format!("Source={gateway}&Destination={gateway}&Protocol=tcp"), "InvalidParameterCombination"),
        (format!("Source={gateway}&Destination={instance}&DestinationIp=1.2.3.4&Protocol=tcp"), "InvalidParameterValue"),
        (format!("Source={gateway}&Destination={instance}&DestinationPort=0&Protocol=tcp"), "InvalidParameterValue"),
        (format!("Source={gateway}&Destination={instance}&Protocol=tcp&FilterAtSource.SourceAddress=1.2.3.4"), "UnsupportedOperation"),
    ] {
        world.refused(&format!("Action=CreateNetworkInsightsPath&{form}"), 400, code).await;
    }
}
