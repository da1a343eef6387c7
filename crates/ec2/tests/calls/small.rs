//! Small calls: attributes of volumes, aliases of accounts.

use crate::world::{World, elements};

#[tokio::test]
async fn an_attribute_of_a_volume_is_kept_and_told() {
    let world = World::new().await;
    let made = world.call("Action=CreateVolume&AvailabilityZone=test-1a&Size=1").await;
    let id = elements(&made.body, "volumeId").remove(0);
    world.settle().await;
    let describe = format!("Action=DescribeVolumeAttribute&VolumeId={id}&Attribute=autoEnableIO");
    assert_eq!(elements(&world.call(&describe).await.body, "value"), ["false"]);
    world.golden("ModifyVolumeAttribute", &format!("Action=ModifyVolumeAttribute&VolumeId={id}&AutoEnableIO.Value=true")).await;
    world.golden("DescribeVolumeAttribute", &describe).await;
    let codes = world.call(&describe.replace("autoEnableIO", "productCodes")).await;
    assert!(codes.status == 200 && codes.body.contains("<productCodes"), "{}", codes.body);
    world.refused(&describe.replace(&id, "vol-00000000000000001"), 400, "InvalidVolume.NotFound").await;
    world.refused(&format!("Action=ModifyVolumeAttribute&VolumeId={id}"), 400, "MissingParameter").await;
}

#[tokio::test]
async fn an_alias_is_one_accounts_alone() {
    let world = World::new().await;
    let call = |form: &'static str| world.call_as(&world.owner, "iam", form);
    assert_eq!(call("Action=CreateAccountAlias&AccountAlias=acme").await.status, 200);
    assert_eq!(call("Action=CreateAccountAlias&AccountAlias=acme-2").await.status, 200);
    assert_eq!(elements(&call("Action=ListAccountAliases").await.body, "member"), ["acme-2"], "there is one");
    let taken = world.call_as(&world.stranger, "iam", "Action=CreateAccountAlias&AccountAlias=acme-2").await;
    assert_eq!((taken.status, elements(&taken.body, "Code")), (409, vec!["EntityAlreadyExists".to_owned()]));
    assert_eq!(world.call_as(&world.stranger, "iam", "Action=CreateAccountAlias&AccountAlias=acme").await.status, 200);
    for wrong in ["Acme", "a", "-acme", "ac--me", "111122223333"] {
        let form = format!("Action=CreateAccountAlias&AccountAlias={wrong}");
        let refused = world.call_as(&world.owner, "iam", &form).await;
        assert_eq!(elements(&refused.body, "Code"), ["ValidationError"], "{wrong}");
    }
    let none = call("Action=DeleteAccountAlias&AccountAlias=acme").await;
    assert_eq!((none.status, elements(&none.body, "Code")), (404, vec!["NoSuchEntity".to_owned()]));
    assert_eq!(call("Action=DeleteAccountAlias&AccountAlias=acme-2").await.status, 200);
    assert!(elements(&call("Action=ListAccountAliases").await.body, "member").is_empty());
}
