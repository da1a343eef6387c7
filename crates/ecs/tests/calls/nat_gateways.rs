//! NAT gateways and the entries of their tables.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";

#[tokio::test]
async fn a_nat_gateway_and_its_entries_come_and_go() {
    let world = World::new().await;
    let text = async |call: String, member: &str| world.json(&call).await[member].as_str().unwrap().to_owned();
    let vpc = text(format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16"), "VpcId").await;
    let subnet = format!("Action=CreateVSwitch&{VPC}&VpcId={vpc}&ZoneId=test-1a&CidrBlock=192.168.1.0/24");
    let subnet = text(subnet, "VSwitchId").await;
    let new = format!("Action=CreateNatGateway&{VPC}&VpcId={vpc}&VSwitchId={subnet}&NatType=Enhanced&Name=gate&ClientToken=once");
    let made: serde_json::Value = serde_json::from_str(&world.golden("CreateNatGateway.json", &new).await).unwrap();
    let id = made["NatGatewayId"].as_str().unwrap();
    assert_eq!(world.json(&new).await["NatGatewayId"], id, "a client token makes one");
    let (snat, dnat) = (id.replace("nat-", "stb-"), id.replace("nat-", "ftb-"));
    let address = world.json("Action=AllocateEipAddress").await;
    let (allocation, ip) = (address["AllocationId"].as_str().unwrap(), address["EipAddress"].as_str().unwrap());
    let tie = format!("AllocationId={allocation}&InstanceId={id}&InstanceType=Nat");
    world.json(&format!("Action=AssociateEipAddress&{VPC}&{tie}")).await;
    let source = format!("Action=CreateSnatEntry&{VPC}&SnatTableId={snat}&SourceCIDR=192.168.1.0/24&SnatIp={ip}&SnatEntryName=out");
    world.golden("CreateSnatEntry.json", &source).await;
    world.golden("DescribeSnatTableEntries.json", &format!("Action=DescribeSnatTableEntries&{VPC}&SnatTableId={snat}")).await;
    let port = format!("Action=CreateForwardEntry&{VPC}&ForwardTableId={dnat}&ExternalIp={ip}&InternalIp=192.168.1.9&IpProtocol=TCP");
    world.golden("CreateForwardEntry.json", &format!("{port}&ExternalPort=2022&InternalPort=22&ForwardEntryName=ssh")).await;
    world.golden("DescribeForwardTableEntries.json", &format!("Action=DescribeForwardTableEntries&{VPC}&NatGatewayId={id}")).await;
    world.golden("DescribeNatGateways.json", &format!("Action=DescribeNatGateways&{VPC}&VpcId={vpc}")).await;
    for (rest, status, code) in [
        ("&ExternalPort=2022&InternalPort=23", 400, "Forbidden.ForwardEntry.Duplicated"),
        ("&ExternalPort=0&InternalPort=0", 400, "InvalidExternalPort.Malformed"),
        ("&ExternalPort=70000&InternalPort=22", 400, "InvalidExternalPort.Malformed"),
        ("&ExternalPort=1/301&InternalPort=1/301", 400, "InvalidExternalPort.Malformed"),
        ("&ExternalPort=Any&InternalPort=Any", 400, "InvalidExternalPort.Malformed"),
    ] {
        world.refused(&format!("{port}{rest}"), status, code).await;
    }
    let whole = port.replace("IpProtocol=TCP", "IpProtocol=Any");
    world.refused(&format!("{whole}&ExternalPort=Any&InternalPort=Any"), 400, "Forbidden.ForwardEntry.Duplicated").await;
    world.refused(&format!("{whole}&ExternalPort=80&InternalPort=80"), 400, "InvalidParameter").await;
    world.refused(&source, 400, "Forbidden.SourceVSwitchId.Duplicated").await;
    world.refused(&format!("{new}&NetworkType=intranet").replace("once", "twice"), 400, "UnsupportedParameter").await;
    world.refused(&format!("Action=DeleteVSwitch&{VPC}&VSwitchId={subnet}"), 403, "DependencyViolation").await;
    world.json(&format!("Action=DeleteNatGateway&{VPC}&NatGatewayId={id}&Force=true")).await;
    let free = world.json("Action=DescribeEipAddresses").await;
    assert_eq!(free["EipAddresses"]["EipAddress"][0]["Status"], "Available");
    world.refused(&format!("Action=DeleteNatGateway&{VPC}&NatGatewayId={id}"), 404, "InvalidNatGatewayId.NotFound").await;
}

#[tokio::test]
async fn limits_of_a_gateway_hold_in_the_transaction() {
    let world = World::new().await;
    let made = world.json(&format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16")).await;
    let vpc = made["VpcId"].as_str().unwrap();
    let subnet = world.json(&format!("Action=CreateVSwitch&{VPC}&VpcId={vpc}&ZoneId=test-1a&CidrBlock=192.168.1.0/24")).await;
    let subnet = subnet["VSwitchId"].as_str().unwrap();
    let made = world.json(&format!("Action=CreateNatGateway&{VPC}&VpcId={vpc}&VSwitchId={subnet}")).await;
    let id = made["NatGatewayId"].as_str().unwrap();
    let address = world.json("Action=AllocateEipAddress").await;
    let (allocation, ip) = (address["AllocationId"].as_str().unwrap(), address["EipAddress"].as_str().unwrap());
    world.json(&format!("Action=AssociateEipAddress&{VPC}&AllocationId={allocation}&InstanceId={id}&InstanceType=Nat")).await;
    let new = |port: u16| {
        let table = id.replace("nat-", "ftb-");
        format!(
            "Action=CreateForwardEntry&{VPC}&ForwardTableId={table}&ExternalIp={ip}&InternalIp=192.168.1.9&IpProtocol=UDP&ExternalPort={port}&InternalPort=9"
        )
    };
    for port in 1..=100 {
        world.json(&new(port)).await;
    }
    world.refused(&new(101), 403, "QuotaExceeded.ForwardEntry").await;
    let listed = world.json(&format!("Action=DescribeForwardTableEntries&{VPC}&NatGatewayId={id}&PageSize=50&PageNumber=2")).await;
    assert_eq!((&listed["TotalCount"], listed["ForwardTableEntries"]["ForwardTableEntry"].as_array().unwrap().len()), (&100.into(), 50));
}

#[tokio::test]
async fn what_is_protected_stays_until_its_protection_ends() {
    let world = World::new().await;
    let text = async |call: String, member: &str| world.json(&call).await[member].as_str().unwrap().to_owned();
    let vpc = text(format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16"), "VpcId").await;
    let subnet = format!("Action=CreateVSwitch&{VPC}&VpcId={vpc}&ZoneId=test-1a&CidrBlock=192.168.1.0/24");
    let subnet = text(subnet, "VSwitchId").await;
    let gateway = text(format!("Action=CreateNatGateway&{VPC}&VpcId={vpc}&VSwitchId={subnet}"), "NatGatewayId").await;
    let address = text(format!("Action=AllocateEipAddress&{VPC}"), "AllocationId").await;
    let package = text(format!("Action=CreateCommonBandwidthPackage&{VPC}&Bandwidth=10"), "BandwidthPackageId").await;
    for (kind, id, list, path, delete) in [
        (
            "NATGW",
            &gateway,
            "DescribeNatGateways",
            "/NatGateways/NatGateway/0",
            format!("DeleteNatGateway&NatGatewayId={gateway}&Force=true"),
        ),
        ("EIP", &address, "DescribeEipAddresses", "/EipAddresses/EipAddress/0", format!("ReleaseEipAddress&AllocationId={address}")),
        (
            "CBWP",
            &package,
            "DescribeCommonBandwidthPackages",
            "/CommonBandwidthPackages/CommonBandwidthPackage/0",
            format!("DeleteCommonBandwidthPackage&BandwidthPackageId={package}&Force=true"),
        ),
    ] {
        let shown = async || world.json(&format!("Action={list}&{VPC}")).await.pointer(path).unwrap()["DeletionProtection"].clone();
        let set = |enable: bool| format!("Action=DeletionProtection&{VPC}&InstanceId={id}&Type={kind}&ProtectionEnable={enable}");
        assert_eq!(shown().await, false, "{kind}");
        world.json(&set(true)).await;
        assert_eq!(shown().await, true, "{kind}");
        world.refused(&format!("Action={delete}&{VPC}"), 400, "InvalidOperation.DeletionProtection").await;
        world.json(&set(false)).await;
        world.json(&format!("Action={delete}&{VPC}")).await;
        world.refused(&set(true), 400, "DeletionProtection.ResourceNotExist").await;
    }
    let wrong = format!("Action=DeletionProtection&{VPC}&InstanceId={vpc}&Type=EIP&ProtectionEnable=true");
    world.refused(&wrong, 400, "DeletionProtection.ResourceNotExist").await;
    world.refused(&wrong.replace("EIP", "VPC"), 400, "InvalidParameter").await;
}
