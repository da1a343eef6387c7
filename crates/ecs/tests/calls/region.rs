//! What is told of the region, in both formats.

use crate::world::World;

#[tokio::test]
async fn the_region_is_described_in_json_and_in_xml() {
    let world = World::new().await;
    world.golden("DescribeRegions.json", "Action=DescribeRegions").await;
    world.golden("DescribeRegions.xml", "Action=DescribeRegions&Format=XML").await;
    world.golden("GetCallerIdentity.json", "Action=GetCallerIdentity&Version=2015-04-01").await;
    world.golden("DescribeEndpoints.json", "Action=DescribeEndpoints&Version=2015-06-12&Id=cn-hangzhou&ServiceCode=ecs").await;
    world.golden("DescribeAccountAttributes.json", "Action=DescribeAccountAttributes&AttributeName.1=max-security-groups").await;
    world.golden("DescribeInstanceTypes.json", "Action=DescribeInstanceTypes&InstanceTypes.1=ecs.t6-c4m1.large").await;
    let disks = "Action=DescribeAvailableResource&DestinationResource=SystemDisk";
    world.golden("DescribeAvailableResource.json", disks).await;
}
