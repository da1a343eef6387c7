//! Deployment sets: made, listed, launched into, left and deleted.

use crate::world::{TYPE, World, texts};

#[tokio::test]
async fn a_deployment_set_is_made_filled_and_deleted() {
    let world = World::new().await;
    let new = "Action=CreateDeploymentSet&DeploymentSetName=apart&Description=words&Strategy=Availability&Affinity=1";
    let made = world.golden("CreateDeploymentSet.json", new).await;
    let set = texts(&made, "DeploymentSetId").remove(0);
    let groups = world.call("Action=CreateDeploymentSet&Strategy=AvailabilityGroup&GroupCount=2&DeploymentSetName=groups").await;
    let groups = texts(&groups.body, "DeploymentSetId").remove(0);
    let instance = world.run(&format!("DeploymentSetId={set}")).await.remove(0);
    let grouped = world.run(&format!("DeploymentSetId={groups}&DeploymentSetGroupNo=2")).await.remove(0);
    world.settle().await;
    world.golden("DescribeDeploymentSets.json", "Action=DescribeDeploymentSets").await;
    world.golden("DescribeDeploymentSets.xml", "Action=DescribeDeploymentSets&Format=XML&Strategy=AvailabilityGroup").await;
    world.golden("DescribeInstances.grouped.json", &format!("Action=DescribeInstances&InstanceIds=%5B%22{grouped}%22%5D")).await;
    for (form, found) in [
        (format!("DeploymentSetIds=%5B%22{set}%22%5D"), &["apart"][..]),
        ("DeploymentSetName=groups".to_owned(), &["groups"]),
        ("DeploymentSetName=group".to_owned(), &[]),
        ("Strategy=LowLatency".to_owned(), &[]),
        ("Type=host".to_owned(), &["apart", "groups"]),
    ] {
        let reply = world.call(&format!("Action=DescribeDeploymentSets&{form}")).await;
        assert_eq!(texts(&reply.body, "DeploymentSetName"), found, "{form}");
    }
    let image = world.image("pileus-linux").await;
    let launch = format!("Action=RunInstances&ImageId={image}&InstanceType={TYPE}");
    for (form, status, code) in [
        (format!("{launch}&DeploymentSetId={set}"), 403, "DeploymentSet.NoRoom"),
        (format!("{launch}&DeploymentSetId={groups}&DeploymentSetGroupNo=3"), 400, "InvalidParameter"),
        (format!("{launch}&DeploymentSetGroupNo=1"), 400, "InvalidParameter.Conflict"),
        (format!("{launch}&DeploymentSetId=ds-none"), 404, "InvalidDeploymentSetId.NotFound"),
        ("Action=CreateDeploymentSet&GroupCount=2".to_owned(), 400, "InvalidParameter.Conflict"),
        ("Action=CreateDeploymentSet&DeploymentSetName=1".to_owned(), 400, "InvalidDeploymentSetName.Malformed"),
        ("Action=CreateDeploymentSet&Affinity=11".to_owned(), 400, "InvalidParameter"),
        (format!("Action=DeleteDeploymentSet&DeploymentSetId={set}"), 403, "DependencyViolation.DeploymentSet"),
        (format!("Action=ModifyInstanceDeployment&InstanceId={instance}"), 400, "InvalidParameter.Conflict"),
        (format!("Action=ModifyInstanceDeployment&InstanceId={grouped}&DeploymentSetId={set}"), 403, "DeploymentSet.NoRoom"),
    ] {
        world.refused(&form, status, code).await;
    }
    let change = format!("Action=ModifyDeploymentSetAttribute&DeploymentSetId={set}&DeploymentSetName=together&Affinity=2");
    world.golden("ModifyDeploymentSetAttribute.json", &change).await;
    world.refused(&change.replace("Affinity=2", "Affinity=1"), 400, "InvalidParameter").await;
    let join = format!("Action=ModifyInstanceDeployment&InstanceId={grouped}&DeploymentSetId={set}");
    world.golden("ModifyInstanceDeployment.json", &join).await;
    let both = world.call("Action=DescribeDeploymentSets&DeploymentSetName=together").await;
    assert!(both.body.contains("\"InstanceAmount\":2"), "{}", both.body);
    for id in [&instance, &grouped] {
        let leave = world.call(&format!("Action=ModifyInstanceDeployment&InstanceId={id}&RemoveFromDeploymentSet=true")).await;
        assert_eq!(leave.status, 200, "{}", leave.body);
    }
    world.golden("DeleteDeploymentSet.json", &format!("Action=DeleteDeploymentSet&DeploymentSetId={set}")).await;
    world.refused(&format!("Action=DeleteDeploymentSet&DeploymentSetId={set}"), 404, "InvalidDeploymentSetId.NotFound").await;
}
