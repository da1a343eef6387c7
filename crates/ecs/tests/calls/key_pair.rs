//! Key pairs, their tags and names.

use crate::world::{World, texts};

const KEY: &str = "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9%2F7YmBHOmQ5FdRBt%20somebody";

#[tokio::test]
async fn a_key_pair_is_made_listed_and_deleted() {
    let world = World::new().await;
    let made = world.golden("CreateKeyPair.json", "Action=CreateKeyPair&KeyPairName=made&Tag.1.Key=role&Tag.1.Value=web").await;
    assert!(made.contains("-----BEGIN RSA PRIVATE KEY-----"), "{made}");
    world.golden("ImportKeyPair.json", &format!("Action=ImportKeyPair&KeyPairName=brought&PublicKeyBody={KEY}")).await;
    world.golden("DescribeKeyPairs.json", "Action=DescribeKeyPairs&IncludePublicKey=false").await;
    world.golden("DescribeKeyPairs.xml", "Action=DescribeKeyPairs&Format=XML&KeyPairName=m*").await;
    for (filter, expected) in [
        ("KeyPairName=made", &["made"][..]),
        ("KeyPairName=*a*", &["made"]),
        ("KeyPairName=b*", &["brought"]),
        ("Tag.1.Key=role", &["made"]),
        ("Tag.1.Key=role&Tag.1.Value=db", &[]),
        ("PageSize=1&PageNumber=2", &["brought"]),
    ] {
        let reply = world.json(&format!("Action=DescribeKeyPairs&{filter}")).await;
        assert_eq!(texts(&reply.to_string(), "KeyPairName"), expected, "{filter}");
    }
    let with_key = world.json("Action=DescribeKeyPairs&KeyPairName=brought&IncludePublicKey=true").await;
    assert!(with_key["KeyPairs"]["KeyPair"][0]["PublicKey"].as_str().unwrap().starts_with("ssh-ed25519 "));
    world.json("Action=DeleteKeyPairs&KeyPairNames=[\"made\",\"brought\",\"never\"]").await;
    assert_eq!(world.json("Action=DescribeKeyPairs").await["TotalCount"], 0);
}

#[tokio::test]
async fn a_key_pair_is_refused_with_ecs_codes() {
    let world = World::new().await;
    world.json("Action=CreateKeyPair&KeyPairName=made").await;
    world.refused("Action=CreateKeyPair", 400, "MissingParameter").await;
    world.refused("Action=CreateKeyPair&KeyPairName=made", 400, "KeyPair.AlreadyExist").await;
    world.refused("Action=ImportKeyPair&KeyPairName=x&PublicKeyBody=nonsense", 400, "InvalidPublicKeyBody.Malformed").await;
    world.refused("Action=DeleteKeyPairs&KeyPairNames=made", 400, "InvalidParameter").await;
    world.refused("Action=CreateKeyPair&KeyPairName=y&DryRun=true", 400, "DryRunOperation").await;
}

#[tokio::test]
async fn instances_are_given_another_key_pair_and_lose_it() {
    let world = World::new().await;
    world.json(&format!("Action=ImportKeyPair&KeyPairName=first&PublicKeyBody={KEY}")).await;
    world.json(&format!("Action=ImportKeyPair&KeyPairName=second&PublicKeyBody={KEY}")).await;
    let instance = world.run("KeyPairName=first").await.remove(0);
    let key_of = async || world.json("Action=DescribeInstances").await["Instances"]["Instance"][0]["KeyPairName"].clone();
    let ids = format!("InstanceIds=[\"{instance}\",\"i-00000000000000001\"]");
    let attached = world.golden("AttachKeyPair.json", &format!("Action=AttachKeyPair&KeyPairName=second&{ids}")).await;
    assert!(attached.contains("\"FailCount\":\"1\"") && attached.contains("InvalidInstanceId.NotFound"), "{attached}");
    assert_eq!(key_of().await, "second");
    assert_eq!(world.json("Action=DescribeInstances&KeyPairName=second").await["TotalCount"], 1);
    world.json(&format!("Action=DetachKeyPair&KeyPairName=first&InstanceIds=[\"{instance}\"]")).await;
    assert_eq!(key_of().await, "second");
    world.json(&format!("Action=DetachKeyPair&KeyPairName=second&InstanceIds=[\"{instance}\"]")).await;
    assert!(key_of().await.is_null());
    let gone = format!("Action=AttachKeyPair&KeyPairName=third&InstanceIds=[\"{instance}\"]");
    world.refused(&gone, 404, "InvalidKeyPair.NotFound").await;
    world.refused("Action=AttachKeyPair&KeyPairName=first&InstanceIds=[]", 400, "MissingParameter").await;
}

#[tokio::test]
async fn anything_is_tagged_by_its_kind() {
    let world = World::new().await;
    world.json("Action=CreateKeyPair&KeyPairName=made").await;
    let instance = world.run("").await.remove(0);
    let vpc = world.json("Action=DescribeVpcs").await["Vpcs"]["Vpc"][0]["VpcId"].as_str().unwrap().to_owned();
    for (kind, id) in [("instance", instance.as_str()), ("keypair", "made"), ("VPC", vpc.as_str())] {
        world.json(&format!("Action=TagResources&ResourceType={kind}&ResourceId.1={id}&Tag.1.Key=a&Tag.1.Value=1&Tag.2.Key=b")).await;
        let listed = world.json(&format!("Action=ListTagResources&ResourceType={kind}&Tag.1.Key=a")).await;
        assert_eq!(texts(&listed.to_string(), "TagKey"), ["a", "b"], "{kind}");
        world.json(&format!("Action=UntagResources&ResourceType={kind}&ResourceId.1={id}&TagKey.1=a")).await;
        let listed = world.json(&format!("Action=ListTagResources&ResourceType={kind}&Tag.1.Key=b")).await;
        assert_eq!(texts(&listed.to_string(), "TagKey"), ["b"], "{kind}");
        world.json(&format!("Action=UntagResources&ResourceType={kind}&ResourceId.1={id}&All=true")).await;
        assert_eq!(world.json(&format!("Action=ListTagResources&ResourceType={kind}&Tag.1.Key=b")).await["NextToken"], "");
    }
    world.json(&format!("Action=TagResources&ResourceType=instance&ResourceId.1={instance}&Tag.1.Key=a&Tag.1.Value=1")).await;
    world.golden("ListTagResources.json", &format!("Action=ListTagResources&ResourceType=instance&ResourceId.1={instance}")).await;
    world
        .refused(&format!("Action=TagResources&ResourceType=disk&ResourceId.1={instance}&Tag.1.Key=a"), 404, "InvalidDiskId.NotFound")
        .await;
    world.refused("Action=TagResources&ResourceType=cow&ResourceId.1=x&Tag.1.Key=a", 400, "InvalidResourceType.NotFound").await;
    world.refused("Action=TagResources&ResourceType=instance&Tag.1.Key=a", 400, "MissingParameter").await;
}
