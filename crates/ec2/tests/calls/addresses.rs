//! Elastic addresses: taken, tied, moved, given back.

use crate::world::{World, elements};

async fn allocate(world: &World) -> (String, String) {
    let body = world.call("Action=AllocateAddress&Domain=vpc").await.body;
    (elements(&body, "allocationId").remove(0), elements(&body, "publicIp").remove(0))
}

async fn tie(world: &World, address: &str, instance: &str) -> String {
    let reply = world.call(&format!("Action=AssociateAddress&AllocationId={address}&InstanceId={instance}")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    elements(&reply.body, "associationId").remove(0)
}

/// The public addresses that an instance is shown with.
async fn public(world: &World, instance: &str) -> Vec<String> {
    elements(&world.call(&format!("Action=DescribeInstances&InstanceId.1={instance}")).await.body, "ipAddress")
}

#[tokio::test]
async fn an_address_is_taken_tied_untied_and_given_back() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    world.settle().await;
    let automatic = public(&world, &instance).await;
    let tags = "TagSpecification.1.ResourceType=elastic-ip&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let body = world.golden("AllocateAddress", &format!("Action=AllocateAddress&{tags}")).await;
    let (id, ip) = (elements(&body, "allocationId").remove(0), elements(&body, "publicIp").remove(0));
    world.golden("AssociateAddress", &format!("Action=AssociateAddress&AllocationId={id}&InstanceId={instance}")).await;
    world
        .golden("DescribeAddressesAttribute", &format!("Action=DescribeAddressesAttribute&AllocationId.1={id}&Attribute=domain-name"))
        .await;
    world.golden("DescribeAddresses.tied", "Action=DescribeAddresses&Filter.1.Name=tag:a&Filter.1.Value.1=b").await;
    assert_eq!(public(&world, &instance).await, std::slice::from_ref(&ip), "it took the place of {automatic:?}");
    world.refused(&format!("Action=ReleaseAddress&AllocationId={id}"), 400, "InvalidIPAddress.InUse").await;
    world.golden("DisassociateAddress", &format!("Action=DisassociateAddress&PublicIp={ip}")).await;
    let again = public(&world, &instance).await;
    assert!(again.len() == 1 && again != [ip.clone()], "it has one by itself again: {again:?}");
    world.refused(&format!("Action=DisassociateAddress&PublicIp={ip}"), 400, "InvalidAssociationID.NotFound").await;
    world.golden("ReleaseAddress", &format!("Action=ReleaseAddress&AllocationId={id}")).await;
    world.refused(&format!("Action=ReleaseAddress&AllocationId={id}"), 400, "InvalidAllocationID.NotFound").await;
}

#[tokio::test]
async fn an_address_moves_unless_that_is_forbidden() {
    let world = World::new().await;
    let instances = world.run("MinCount=2&MaxCount=2").await;
    world.settle().await;
    let ((id, ip), (other, _)) = (allocate(&world).await, allocate(&world).await);
    let first = tie(&world, &id, &instances[0]).await;
    assert_eq!(tie(&world, &id, &instances[0]).await, first, "the same again changes nothing");
    let to_second = format!("Action=AssociateAddress&AllocationId={id}&InstanceId={}", instances[1]);
    world.refused(&format!("{to_second}&AllowReassociation=false"), 400, "Resource.AlreadyAssociated").await;
    let second = tie(&world, &id, &instances[1]).await;
    assert_ne!(second, first, "a tie is a new one each time");
    world.refused(&format!("Action=DisassociateAddress&AssociationId={first}"), 400, "InvalidAssociationID.NotFound").await;
    assert_eq!(public(&world, &instances[1]).await, [ip]);
    assert_eq!(public(&world, &instances[0]).await.len(), 1, "the first has one by itself again");
    // An instance has one address; the one that it had stays the account's.
    let by_force = format!("Action=AssociateAddress&AllocationId={other}&InstanceId={}", instances[1]);
    world.refused(&format!("{by_force}&AllowReassociation=false"), 400, "Resource.AlreadyAssociated").await;
    tie(&world, &other, &instances[1]).await;
    let free = world.call(&format!("Action=DescribeAddresses&AllocationId.1={id}")).await.body;
    assert!(elements(&free, "associationId").is_empty(), "{free}");
}

#[tokio::test]
async fn an_address_stays_with_a_stopped_instance_and_outlives_a_terminated_one() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    world.settle().await;
    let (id, ip) = allocate(&world).await;
    tie(&world, &id, &instance).await;
    for call in ["StopInstances", "StartInstances"] {
        assert_eq!(world.call(&format!("Action={call}&InstanceId.1={instance}")).await.status, 200);
        world.settle().await;
        assert_eq!(public(&world, &instance).await, std::slice::from_ref(&ip), "after {call}");
    }
    world.call(&format!("Action=TerminateInstances&InstanceId.1={instance}")).await;
    let to_gone = format!("Action=AssociateAddress&AllocationId={id}&InstanceId={instance}");
    world.refused(&to_gone, 400, "IncorrectInstanceState").await;
    world.settle().await;
    let free = world.call("Action=DescribeAddresses").await.body;
    assert_eq!((elements(&free, "publicIp"), elements(&free, "instanceId")), (vec![ip], vec![]));
}

#[tokio::test]
async fn addresses_are_found_by_what_they_are_tied_to() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    let ((id, ip), (free, _)) = (allocate(&world).await, allocate(&world).await);
    let tied = tie(&world, &id, &instance).await;
    let shown = world.call(&format!("Action=DescribeAddresses&AllocationId.1={id}")).await.body;
    let (nic, private) = (&elements(&shown, "networkInterfaceId")[0], &elements(&shown, "privateIpAddress")[0]);
    for (name, value) in [
        ("instance-id", instance.as_str()),
        ("association-id", tied.as_str()),
        ("network-interface-id", nic),
        ("private-ip-address", private),
        ("public-ip", ip.as_str()),
        ("allocation-id", id.as_str()),
    ] {
        let found = world.call(&format!("Action=DescribeAddresses&Filter.1.Name={name}&Filter.1.Value.1={value}")).await.body;
        assert_eq!(elements(&found, "allocationId"), std::slice::from_ref(&id), "{name}={value}");
    }
    let in_region = world.call("Action=DescribeAddresses&Filter.1.Name=network-border-group&Filter.1.Value.1=test-1").await.body;
    assert_eq!(elements(&in_region, "allocationId"), [id, free]);
}

#[tokio::test]
async fn addresses_are_refused_with_ec2s_codes() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    let (id, _) = allocate(&world).await;
    let absent = "eipalloc-00000000000000001";
    for (form, code) in [
        ("Action=AllocateAddress&Domain=moon", "InvalidParameterValue"),
        ("Action=AllocateAddress&Address=192.0.2.1", "UnsupportedOperation"),
        (&format!("Action=AssociateAddress&AllocationId={absent}&InstanceId={instance}"), "InvalidAllocationID.NotFound"),
        (&format!("Action=AssociateAddress&AllocationId={id}&InstanceId=i-00000000000000001"), "InvalidInstanceID.NotFound"),
        (&format!("Action=AssociateAddress&AllocationId={id}"), "MissingParameter"),
        (&format!("Action=AssociateAddress&InstanceId={instance}"), "MissingParameter"),
        (&format!("Action=AssociateAddress&AllocationId={id}&InstanceId={instance}&PrivateIpAddress=10.9.9.9"), "InvalidParameterValue"),
        ("Action=DisassociateAddress", "MissingParameter"),
        ("Action=DisassociateAddress&AssociationId=eipassoc-00000000000000001", "InvalidAssociationID.NotFound"),
        (&format!("Action=ReleaseAddress&AllocationId={absent}"), "InvalidAllocationID.NotFound"),
        ("Action=DescribeAddresses&PublicIp.1=192.0.2.1", "InvalidAllocationID.NotFound"),
    ] {
        world.refused(form, 400, code).await;
    }
    let dry = format!("Action=AssociateAddress&AllocationId={id}&InstanceId={instance}&DryRun=true");
    world.refused(&dry, 412, "DryRunOperation").await;
    for _ in 1..5 {
        allocate(&world).await;
    }
    world.refused("Action=AllocateAddress", 400, "AddressLimitExceeded").await;
    let anothers = world.call_as(&world.stranger, "ec2", &format!("Action=ReleaseAddress&AllocationId={id}")).await;
    assert_eq!(elements(&anothers.body, "Code"), ["InvalidAllocationID.NotFound"]);
}
