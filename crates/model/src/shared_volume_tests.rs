use super::tests::{NOW, volume};
use super::*;

fn shared() -> Volume {
    Volume { shared: true, kind: VolumeKind::ProvisionedPlus, ..volume() }
}

fn give(volume: &Volume, instance: u64) -> Result<Volume, Error> {
    let mut held = volume.clone();
    let attach = Attach { instance: InstanceId::from_u64(instance), device: format!("/dev/sd{instance}"), delete_on_termination: false };
    held.attach(attach, NOW)?;
    Ok(held.stored().into_owned())
}

fn attached(held: &Volume) -> Volume {
    let facts = VolumeFacts { applied: true, host_exists: true, machine: Machine::On { has_it: true } };
    match held.advance(facts, NOW) {
        VolumeStep::Change(next, _) => *next,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shared_volume_is_each_holders_by_itself() {
    let both = give(&give(&shared(), 5).unwrap(), 6).unwrap();
    assert_eq!((both.word(), both.instance, both.instances().count()), ("in-use", None, 2));
    let first = attached(&both.as_held_by(InstanceId::from_u64(5)).unwrap());
    let row = first.stored().into_owned();
    let words: Vec<_> = row.as_held().iter().map(|held| (held.device.clone(), held.attachment_word().unwrap())).collect();
    assert_eq!(words, [("/dev/sd5".to_owned(), "attached"), ("/dev/sd6".to_owned(), "attaching")]);
    assert_eq!(row.as_held_by(InstanceId::from_u64(7)), None);
}

#[test]
fn one_holder_leaves_and_the_others_stay() {
    let mut held = attached(&give(&give(&shared(), 5).unwrap(), 6).unwrap().as_held_by(InstanceId::from_u64(5)).unwrap());
    held.detach(false, NOW).unwrap();
    let facts = VolumeFacts { applied: true, host_exists: true, machine: Machine::On { has_it: false } };
    let VolumeStep::Change(next, _) = held.advance(facts, NOW) else { panic!("it is not released") };
    let left: Vec<_> = next.stored().instances().collect();
    assert_eq!(left, [InstanceId::from_u64(6)]);
    let mut row = next.stored().into_owned();
    assert!(matches!(row.delete(), Err(Error::InUse { .. })));
    let mut last = row.as_held_by(InstanceId::from_u64(6)).unwrap();
    last.let_go(NOW);
    assert_eq!((last.word(), last.stored().holders.len(), last.detached_at), ("available", 0, Some(NOW)));
}

#[test]
fn an_instance_has_it_once_and_sixteen_have_it() {
    let row = (0..HOLDERS_MAX as u64).fold(shared(), |row, n| give(&row, n).unwrap());
    assert!(matches!(give(&row, 3), Err(Error::InUse { ref by, .. }) if by.len() == HOLDERS_MAX));
    assert!(matches!(give(&row, 99), Err(Error::LimitReached { limit: 16, .. })));
    let one = Volume { shared: false, ..shared() };
    let mut held = one.clone();
    held.attach(Attach { instance: InstanceId::from_u64(1), device: "/dev/sdf".into(), delete_on_termination: false }, NOW).unwrap();
    assert!(matches!(give(&held, 2), Err(Error::InUse { .. })));
}

#[test]
fn one_that_is_held_keeps_its_size_contents_and_a_type_that_is_shared() {
    let mut row = give(&shared(), 5).unwrap();
    let provisioned = Provisioned { iops: Some(100), ..Provisioned::default() };
    let grown = Sold { size: Gib(20), kind: row.kind, provisioned };
    assert!(matches!(row.grow(grown, NOW), Err(Error::Unsupported { .. })));
    let other = Sold { size: row.size, kind: VolumeKind::Fast, provisioned: Provisioned::default() };
    assert!(matches!(row.grow(other, NOW), Err(Error::InvalidCombination { .. })));
    assert!(matches!(row.renew(None), Err(Error::IncorrectState { .. })));
    assert_eq!(row.growth, None);
    let mut free = shared();
    free.grow(grown, NOW).unwrap();
    assert!(matches!(give(&free, 5), Err(Error::IncorrectState { state: "modifying", .. })));
}
