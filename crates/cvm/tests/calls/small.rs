//! Small calls: key pairs called otherwise, disks of instances grown, limits, kinds of disks, and looks into tags.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_key_pair_is_called_otherwise_with_those_who_have_it() {
    let world = World::new().await;
    let key = world.json("CreateKeyPair", r#"{"KeyName": "first", "ProjectId": 0}"#).await["KeyPair"]["KeyId"].clone();
    world.json("CreateKeyPair", r#"{"KeyName": "other", "ProjectId": 0}"#).await;
    let id = world.run(&format!(r#""LoginSettings": {{"KeyIds": [{key}]}}"#)).await.remove(0);
    world.settle().await;
    let change = |more: &str| format!(r#"{{"KeyId": {key}, {more}}}"#);
    let renamed = change(r#""KeyName": "second", "Description": "of the team""#);
    world.golden("ModifyKeyPairAttribute.json", "ModifyKeyPairAttribute", &renamed).await;
    let listed = world.json("DescribeKeyPairs", &json!({"KeyIds": [key]}).to_string()).await;
    let shown = &listed["KeyPairSet"][0];
    assert_eq!((&shown["KeyName"], &shown["Description"]), (&json!("second"), &json!("of the team")));
    assert_eq!(shown["AssociatedInstanceIds"], json!([id]));
    assert_eq!(world.instance(&id).await["LoginSettings"]["KeyIds"], json!([key]));
    world.refused("ModifyKeyPairAttribute", &change(r#""KeyName": "other""#), "InvalidKeyPairName.Duplicate").await;
    world.refused("ModifyKeyPairAttribute", &change(r#""KeyName": "a b""#), "InvalidKeyPairNameIncludeIllegalChar").await;
    let long = "x".repeat(61);
    world.refused("ModifyKeyPairAttribute", &change(&format!(r#""Description": "{long}""#)), "InvalidParameterValue").await;
}

#[tokio::test]
async fn disks_of_an_instance_grow() {
    let world = World::new().await;
    let id = world.run(r#""DataDisks": [{"DiskType": "CLOUD_PREMIUM", "DiskSize": 10}]"#).await.remove(0);
    world.settle().await;
    let data = world.instance(&id).await["DataDisks"][0]["DiskId"].as_str().unwrap().to_owned();
    let grow = |more: &str| format!(r#"{{"InstanceId": "{id}", {more}}}"#);
    let online = grow(&format!(r#""DataDisks": [{{"DiskId": "{data}", "DiskSize": 20}}], "ResizeOnline": true"#));
    world.golden("ResizeInstanceDisks.json", "ResizeInstanceDisks", &online).await;
    world.json("ResizeInstanceDisks", &grow(r#""SystemDisk": {"DiskSize": 30}, "ForceStop": true"#)).await;
    let shown = world.instance(&id).await;
    assert_eq!((&shown["DataDisks"][0]["DiskSize"], &shown["SystemDisk"]["DiskSize"]), (&json!(20), &json!(30)));
    for (more, code) in [
        (r#""SystemDisk": {"DiskSize": 40}"#, "UnsupportedOperation.InstanceStateRunning"),
        (r#""ResizeOnline": true"#, "MissingParameter"),
        (r#""SystemDisk": {"DiskSize": 40, "DiskId": "disk-00000000000000001"}, "ResizeOnline": true"#, "InvalidDiskId.NotFound"),
    ] {
        world.refused("ResizeInstanceDisks", &grow(more), code).await;
    }
}

#[tokio::test]
async fn limits_and_kinds_of_disks_are_told() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    let asked = format!(r#"{{"InstanceIds": ["{id}"], "Operation": "INSTANCE_DEGRADE"}}"#);
    world.golden("DescribeInstancesOperationLimit.json", "DescribeInstancesOperationLimit", &asked).await;
    let asked = r#"{"InquiryType": "INQUIRY_CBS_CONFIG", "DiskTypes": ["CLOUD_HSSD"], "Zones": ["test-1a"]}"#;
    world.golden("DescribeDiskConfigQuota.json", "DescribeDiskConfigQuota", asked).await;
    let asked = r#"{"InquiryType": "INQUIRY_CVM_CONFIG", "InstanceFamilies": ["S6"], "CPU": 2, "Memory": 4, "DiskUsage": "DATA_DISK",
        "DiskTypes": ["CLOUD_SSD"], "Zones": ["test-1a"]}"#;
    let configs = world.json("DescribeDiskConfigQuota", asked).await;
    assert_eq!(configs["DiskConfigSet"].as_array().unwrap().len(), 1, "{configs}");
    assert_eq!(configs["DiskConfigSet"][0]["DeviceClass"], "S6.MEDIUM4");
}

#[tokio::test]
async fn tags_are_looked_into() {
    let world = World::new().await;
    let tags = |value: &str| {
        let tag = format!(r#"{{"Key": "role", "Value": "{value}"}}, {{"Key": "team", "Value": "red"}}"#);
        format!(r#""TagSpecification": [{{"ResourceType": "instance", "Tags": [{tag}]}}]"#)
    };
    let web = world.run(&tags("web")).await.remove(0);
    world.run(&tags("db")).await;
    world.run("").await;
    world.settle().await;
    let named = |id: &str| format!("qcs::cvm:test-1:uin/{}:instance/{id}", world.owner.account);
    let asked = r#"{"TagFilters": [{"TagKey": "role", "TagValue": ["web", "none"]}, {"TagKey": "team"}]}"#;
    let found = world.golden("GetResources.json", "GetResources", asked).await;
    let mappings = found["ResourceTagMappingList"].as_array().unwrap();
    assert!(mappings.iter().any(|one| one["Resource"] == named(&web).as_str()), "{found}");
    let one = world.json("GetResources", &json!({"ResourceList": [named(&web)]}).to_string()).await;
    assert_eq!(one["ResourceTagMappingList"].as_array().unwrap().len(), 1, "{one}");
    let first = world.json("GetResources", r#"{"MaxResults": 1}"#).await;
    let next = json!({"MaxResults": 200, "PaginationToken": first["PaginationToken"]});
    let rest = world.json("GetResources", &next.to_string()).await;
    assert!(first["PaginationToken"] == "1" && rest["PaginationToken"] == "", "{first} {rest}");
    world.golden("GetTagKeys.json", "GetTagKeys", "{}").await;
    world.golden("GetTagValues.json", "GetTagValues", r#"{"TagKeys": ["role"]}"#).await;
    assert_eq!(world.json("GetTagKeys", r#"{"Category": "System"}"#).await["TagKeys"], json!([]));
    world.refused("GetTagValues", "{}", "MissingParameter").await;
    world.refused("GetResources", r#"{"PaginationToken": "x"}"#, "InvalidParameterValue").await;
}

#[tokio::test]
async fn the_tags_of_one_thing_are_changed() {
    let world = World::new().await;
    let vpc = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await["Vpc"]["VpcId"].clone();
    let new = format!(r#"{{"VpcId": {vpc}, "RouteTableName": "own"}}"#);
    let table = world.json("CreateRouteTable", &new).await["RouteTable"]["RouteTableId"].as_str().unwrap().to_owned();
    let package = world.json("CreateBandwidthPackage", "{}").await["BandwidthPackageId"].as_str().unwrap().to_owned();
    for (kind, id) in [("rtb", table), ("bwp", package)] {
        // Terraform leaves the account out.
        let call = |more: &str| format!(r#"{{"Resource": "qcs::vpc:test-1:uin/:{kind}/{id}", {more}}}"#);
        let tags = async || {
            let asked = json!({"ServiceType": "vpc", "ResourcePrefix": kind, "ResourceIds": [id], "ResourceRegion": "test-1"});
            let found = world.json("DescribeResourceTagsByResourceIds", &asked.to_string()).await;
            let pair = |tag: &serde_json::Value| (tag["TagKey"].as_str().unwrap().to_owned(), tag["TagValue"].as_str().unwrap().to_owned());
            found["Tags"].as_array().unwrap().iter().map(pair).collect::<Vec<_>>()
        };
        let said = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
        let both = call(r#""ReplaceTags": [{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b", "TagValue": "2"}]"#);
        world.golden("ModifyResourceTags.json", "ModifyResourceTags", &both).await;
        world
            .json("ModifyResourceTags", &call(r#""ReplaceTags": [{"TagKey": "b", "TagValue": "3"}], "DeleteTags": [{"TagKey": "a"}]"#))
            .await;
        assert_eq!(tags().await, said(&[("b", "3")]));
        world.golden("AddResourceTag.json", "AddResourceTag", &call(r#""TagKey": "c", "TagValue": "4""#)).await;
        world.golden("UpdateResourceTagValue.json", "UpdateResourceTagValue", &call(r#""TagKey": "b", "TagValue": "5""#)).await;
        assert_eq!(tags().await, said(&[("b", "5"), ("c", "4")]));
        world.golden("DeleteResourceTag.json", "DeleteResourceTag", &call(r#""TagKey": "b""#)).await;
        assert_eq!(tags().await, said(&[("c", "4")]));
        let found = world.json("GetResources", r#"{"TagFilters": [{"TagKey": "c", "TagValue": ["4"]}]}"#).await;
        let named = format!("qcs::vpc:test-1:uin/{}:{kind}/{id}", world.owner.account);
        assert!(found["ResourceTagMappingList"].as_array().unwrap().iter().any(|one| one["Resource"] == named.as_str()), "{found}");
        world.refused("ModifyResourceTags", &call(r#""DeleteTags": []"#), "MissingParameter").await;
        let twice = call(r#""ReplaceTags": [{"TagKey": "c", "TagValue": "1"}], "DeleteTags": [{"TagKey": "c"}]"#);
        world.refused("ModifyResourceTags", &twice, "InvalidParameterValue").await;
        assert_eq!(tags().await, said(&[("c", "4")]));
    }
    let elsewhere = r#"{"Resource": "qcs::vpc:moon-1:uin/:rtb/rtb-00000000000000001", "TagKey": "a", "TagValue": "b"}"#;
    world.refused("AddResourceTag", elsewhere, "InvalidParameterValue.TagResourceFormatError").await;
}
