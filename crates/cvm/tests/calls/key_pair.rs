//! Key pairs.

use serde_json::json;

use crate::world::World;

const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/7YmBHOmQ5FdRBt somebody";

#[tokio::test]
async fn key_pairs_are_made_imported_listed_and_deleted() {
    let world = World::new().await;
    let tags = r#""TagSpecification": [{"ResourceType": "keypair", "Tags": [{"Key": "a", "Value": "1"}]}]"#;
    let made = world.golden("CreateKeyPair.json", "CreateKeyPair", &format!(r#"{{"KeyName": "made", "ProjectId": 0, {tags}}}"#)).await;
    assert!(made["KeyPair"]["PrivateKey"].as_str().unwrap().starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    let import = format!(r#"{{"KeyName": "brought", "ProjectId": 0, "PublicKey": "{PUBLIC}"}}"#);
    let brought = world.golden("ImportKeyPair.json", "ImportKeyPair", &import).await["KeyId"].as_str().unwrap().to_owned();
    world.run(&format!(r#""LoginSettings": {{"KeyIds": ["{brought}"]}}"#)).await;
    world.golden("DescribeKeyPairs.json", "DescribeKeyPairs", "{}").await;
    let named = r#"{"Filters": [{"Name": "key-name", "Values": ["made"]}]}"#;
    assert_eq!(world.json("DescribeKeyPairs", named).await["TotalCount"], 1);
    let id = made["KeyPair"]["KeyId"].as_str().unwrap();
    let both = format!(r#"{{"KeyIds": ["{id}", "{brought}"]}}"#);
    world.refused("DeleteKeyPairs", &both, "InvalidParameterValue.KeyPairNotSupported").await;
    world.golden("DeleteKeyPairs.json", "DeleteKeyPairs", &format!(r#"{{"KeyIds": ["{id}"]}}"#)).await;
    world.refused("DescribeKeyPairs", &format!(r#"{{"KeyIds": ["{id}"]}}"#), "InvalidKeyPairId.NotFound").await;
}

#[tokio::test]
async fn an_instance_has_several_key_pairs_and_loses_those_that_are_named() {
    let world = World::new().await;
    let keys = imported(&world, &["first", "second", "third"]).await;
    let (two, all) = (json!([keys[0], keys[1]]), json!(keys));
    let instance = world.run(&format!(r#""LoginSettings": {{"KeyIds": {two}}}"#)).await.remove(0);
    let keys_of = async || world.instance(&instance).await["LoginSettings"]["KeyIds"].clone();
    assert_eq!(keys_of().await, two);
    let with = |keys: &serde_json::Value| format!(r#"{{"InstanceIds": ["{instance}"], "KeyIds": {keys}, "ForceStop": true}}"#);
    world.json("AssociateInstancesKeyPairs", &with(&json!([keys[1], keys[2]]))).await;
    assert_eq!(keys_of().await, all);
    let told = world.cloud.list_instances(&world.caller(), control::Query::default()).await.unwrap().rows.remove(0).instance.guest.keys;
    assert_eq!(told.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["first", "second", "third"]);
    for shown in world.json("DescribeKeyPairs", "{}").await["KeyPairSet"].as_array().unwrap() {
        assert_eq!(shown["AssociatedInstanceIds"], json!([instance]), "{shown}");
    }
    world.refused("DeleteKeyPairs", &json!({"KeyIds": [keys[2]]}).to_string(), "InvalidParameterValue.KeyPairNotSupported").await;
    world.json("DisassociateInstancesKeyPairs", &with(&json!([keys[0], keys[2]]))).await;
    assert_eq!(keys_of().await, json!([keys[1]]));
    world.json("DeleteKeyPairs", &json!({"KeyIds": [keys[0]]}).to_string()).await;
    // A new system has the key pairs that it is given, and no others.
    world.settle().await;
    let reset = json!({"InstanceId": instance, "LoginSettings": {"KeyIds": [keys[2], keys[1]]}});
    world.json("ResetInstance", &reset.to_string()).await;
    assert_eq!(keys_of().await, json!([keys[2], keys[1]]));
    let unknown = with(&json!([keys[1], "skey-00000000000000001"]));
    world.refused("AssociateInstancesKeyPairs", &unknown, "InvalidKeyPairId.NotFound").await;
    let many: Vec<_> = (0..=model::KEYS_PER_INSTANCE_MAX).map(|_| &keys[1]).collect();
    world.refused("AssociateInstancesKeyPairs", &with(&json!(many)), "InvalidParameterValue.LimitExceeded").await;
}

#[tokio::test]
async fn an_instance_has_a_hundred_key_pairs_at_most() {
    let world = World::new().await;
    let names: Vec<String> = (0..=model::KEYS_PER_INSTANCE_MAX).map(|number| format!("key{number}")).collect();
    let keys = imported(&world, &names).await;
    let (last, rest) = keys.split_last().unwrap();
    let instance = world.run(&format!(r#""LoginSettings": {{"KeyIds": {}}}"#, json!(rest))).await.remove(0);
    let one_more = json!({"InstanceIds": [instance], "KeyIds": [last], "ForceStop": true}).to_string();
    world.refused("AssociateInstancesKeyPairs", &one_more, "LimitExceeded").await;
    assert_eq!(world.instance(&instance).await["LoginSettings"]["KeyIds"], json!(rest));
}

/// Key pairs of these names.
async fn imported(world: &World, names: &[impl AsRef<str>]) -> Vec<String> {
    let mut keys = Vec::new();
    for name in names {
        let import = format!(r#"{{"KeyName": "{}", "ProjectId": 0, "PublicKey": "{PUBLIC}"}}"#, name.as_ref());
        keys.push(world.json("ImportKeyPair", &import).await["KeyId"].as_str().unwrap().to_owned());
    }
    keys
}

#[tokio::test]
async fn instances_are_given_a_key_pair_and_lose_it() {
    let world = World::new().await;
    let keys = imported(&world, &["first", "second"]).await;
    let instance = world.run("").await.remove(0);
    let key_of = async || world.json("DescribeInstances", "{}").await["InstanceSet"][0]["LoginSettings"]["KeyIds"][0].clone();
    let with = |key: &str| format!(r#"{{"InstanceIds": ["{instance}"], "KeyIds": ["{key}"], "ForceStop": true}}"#);
    world.golden("AssociateInstancesKeyPairs.json", "AssociateInstancesKeyPairs", &with(&keys[1])).await;
    assert_eq!(key_of().await, keys[1].as_str());
    // Taking a key that it does not have restarts neither it nor anybody else.
    world.settle().await;
    let boots = async || {
        let listed = world.cloud.list_instances(&world.caller(), control::Query::default()).await.unwrap();
        listed.rows.iter().map(|view| view.instance.boot).collect::<Vec<_>>()
    };
    let before = boots().await;
    world.json("DisassociateInstancesKeyPairs", &with(&keys[0])).await;
    world.settle().await;
    assert_eq!((key_of().await, boots().await), (keys[1].as_str().into(), before));
    world.golden("DisassociateInstancesKeyPairs.json", "DisassociateInstancesKeyPairs", &with(&keys[1])).await;
    assert!(key_of().await.is_null());
    world.refused("AssociateInstancesKeyPairs", &with("skey-00000000000000001"), "InvalidKeyPairId.NotFound").await;
    let none = format!(r#"{{"InstanceIds": ["{instance}"], "KeyIds": []}}"#);
    world.refused("AssociateInstancesKeyPairs", &none, "MissingParameter").await;
}

#[tokio::test]
async fn a_key_pair_that_cannot_be_is_refused() {
    let world = World::new().await;
    world.json("CreateKeyPair", r#"{"KeyName": "made", "ProjectId": 0}"#).await;
    for (action, body, code) in [
        ("CreateKeyPair", r#"{"KeyName": "made", "ProjectId": 0}"#, "InvalidKeyPairName.Duplicate"),
        ("CreateKeyPair", r#"{"KeyName": "", "ProjectId": 0}"#, "InvalidKeyPairNameEmpty"),
        ("CreateKeyPair", r#"{"KeyName": "a-b", "ProjectId": 0}"#, "InvalidKeyPairNameIncludeIllegalChar"),
        ("CreateKeyPair", r#"{"KeyName": "abcdefghijklmnopqrstuvwxyz", "ProjectId": 0}"#, "InvalidKeyPairNameTooLong"),
        ("CreateKeyPair", r#"{"ProjectId": 0}"#, "MissingParameter"),
        ("CreateKeyPair", r#"{"KeyName": "b", "ProjectId": 7}"#, "UnsupportedOperation"),
        ("ImportKeyPair", r#"{"KeyName": "b", "ProjectId": 0, "PublicKey": "ssh-rsa nothing"}"#, "InvalidParameterValue"),
        ("DeleteKeyPairs", r#"{"KeyIds": []}"#, "MissingParameter"),
        ("DeleteKeyPairs", r#"{"KeyIds": ["skey-00000000000000001"]}"#, "InvalidKeyPairId.NotFound"),
        ("DeleteKeyPairs", r#"{"KeyIds": ["made"]}"#, "InvalidKeyPairId.Malformed"),
    ] {
        world.refused(action, body, code).await;
    }
}
