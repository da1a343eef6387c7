//! Roles of instances: the key in the host's document acts, is renewed, and ends with what it was given for.

use control::{Caller, CreateRole, DeleteRole, Options, RoleBefore, SetInstanceRole, TokenError};
use hostspec::GuestRole;
use model::{Error, InstanceId, ROLE_KEY_RENEWED_MS, ROLE_KEY_SECONDS, RoleChoice, SESSION_USUAL_SECONDS};

use crate::world::{World, launch};

const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const OTHERS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000001"},"Action":"sts:AssumeRole"}]}"#;

async fn role(world: &World, root: &Caller, name: &str, trust: &str) {
    let (name, trust) = (name.to_owned(), trust.to_owned());
    let made = CreateRole {
        name,
        description: String::new(),
        trust,
        session_seconds: SESSION_USUAL_SECONDS,
        boundary: None,
        tags: model::Tags::new(),
    };
    world.cloud.run(root, made, Options::default()).await.unwrap();
}

async fn key_of(world: &World, id: InstanceId) -> Option<GuestRole> {
    let document = world.document(0).await;
    document.vms.iter().find(|vm| vm.id == id).and_then(|vm| vm.metadata.role.clone())
}

async fn acts(world: &World, key: &GuestRole) -> Result<String, TokenError> {
    world.cloud.bearer(&key.key, &key.token).await.map(|principal| principal.name())
}

#[tokio::test]
async fn a_guests_key_acts_is_renewed_and_ends_with_the_association() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    role(&world, &root, "reader", TRUST).await;
    let wanted = control::RunInstances { role: Some(RoleChoice::Role("reader".to_owned())), ..launch(world.image, 1, 1) };
    let id = world.cloud.run(&root, wanted, Options::default()).await.unwrap().instances[0];
    world.settle().await;
    let first = key_of(&world, id).await.expect("the document has a key");
    assert_eq!((first.name.as_str(), acts(&world, &first).await), ("reader", Ok(format!("reader/{id}"))));

    world.wait(ROLE_KEY_RENEWED_MS - 1);
    world.settle().await;
    assert_eq!(key_of(&world, id).await.as_ref(), Some(&first), "not before its time");
    world.wait(1);
    world.settle().await;
    let second = key_of(&world, id).await.unwrap();
    assert_ne!(second.key, first.key);
    assert!(acts(&world, &first).await.is_ok() && acts(&world, &second).await.is_ok(), "the old one acts until it ends");
    world.wait(i64::from(ROLE_KEY_SECONDS) * 1_000 - ROLE_KEY_RENEWED_MS);
    assert_eq!(acts(&world, &first).await, Err(TokenError::Expired));

    let last = key_of(&world, id).await.unwrap();
    assert!(acts(&world, &last).await.is_ok());
    let none = SetInstanceRole { instance: id, role: None, before: RoleBefore::Any };
    world.cloud.run(&root, none, Options::default()).await.unwrap();
    assert_eq!((acts(&world, &last).await, key_of(&world, id).await), (Err(TokenError::Invalid), None));
}

#[tokio::test]
async fn a_key_ends_with_its_instance_and_with_its_role() {
    let mut world = World::new(1, 1).await;
    let root = world.root().await;
    role(&world, &root, "one", TRUST).await;
    role(&world, &root, "two", TRUST).await;
    role(&world, &root, "foreign", OTHERS).await;
    let ids = world.cloud.run(&root, launch(world.image, 2, 2), Options::default()).await.unwrap().instances;
    world.settle().await;
    let give = |instance: InstanceId, name: &str| SetInstanceRole {
        instance,
        role: Some(RoleChoice::Role(name.to_owned())),
        before: RoleBefore::None,
    };
    let refused = world.cloud.run(&root, give(ids[0], "foreign"), Options::default()).await;
    assert!(matches!(refused, Err(Error::InvalidParameter { name: "RoleName", .. })), "its trust names no instances: {refused:?}");
    world.cloud.run(&root, give(ids[0], "one"), Options::default()).await.unwrap();
    world.cloud.run(&root, give(ids[1], "two"), Options::default()).await.unwrap();
    let again = world.cloud.run(&root, give(ids[1], "one"), Options::default()).await;
    assert!(matches!(again, Err(Error::InUse { .. })), "it has one: {again:?}");
    let (one, two) = (key_of(&world, ids[0]).await.unwrap(), key_of(&world, ids[1]).await.unwrap());
    world.cloud.run(&root, DeleteRole { name: "two".to_owned(), policies: control::Ties::MustBeGone }, Options::default()).await.unwrap();
    assert_eq!(acts(&world, &two).await, Err(TokenError::Invalid));
    world.wait(ROLE_KEY_RENEWED_MS);
    world.settle().await;
    assert_eq!(key_of(&world, ids[1]).await, None, "there is nothing to renew");
    let gone = control::TerminateInstances { ids: vec![ids[0]], only_stopped: false };
    world.cloud.run(&root, gone, Options::default()).await.unwrap();
    world.settle().await;
    assert_eq!(acts(&world, &one).await, Err(TokenError::Invalid));
}
