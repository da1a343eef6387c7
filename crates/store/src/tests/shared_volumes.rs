//! Volumes that several instances have, over both engines: found by each of them as it has it.

use model::{Attach, InstanceId, Millis, Volume, VolumeId};
use serde_json::json;

use super::engines::check_place;
use crate::{Store, StoreError, Tx};

const NOW: Millis = Millis(1);

fn volume(id: u64, shared: bool) -> Volume {
    let row = json!({
        "id": VolumeId::from_u64(id), "account": model::AccountId::from_u64(1), "zone": "z", "size": 1, "shared": shared,
        "host": model::HostId::from_u64(1), "generation": 1, "device": "", "delete_on_termination": false, "phase": "present",
        "created_at": NOW, "asked": 0,
    });
    serde_json::from_value(row).expect("a row has these fields at least")
}

/// Gives a volume to an instance, and writes it.
fn give(tx: &mut Tx<'_>, id: u64, instance: u64) -> Result<(), StoreError> {
    let mut held = tx.get::<Volume>(VolumeId::from_u64(id))?.expect("it is there");
    let attach = Attach { instance: InstanceId::from_u64(instance), device: format!("/dev/sd{instance}"), delete_on_termination: false };
    held.attach(attach, NOW).expect("it may have it");
    tx.volume_update(&held)
}

/// What instances have, with the device there.
fn held(tx: &Tx<'_>, instances: &[u64]) -> Result<Vec<(u64, u64, String)>, StoreError> {
    let ids: Vec<InstanceId> = instances.iter().map(|id| InstanceId::from_u64(*id)).collect();
    let found = tx.volume_list_of_instances(&ids)?;
    Ok(found.into_iter().map(|row| (row.id.as_u64(), row.instance.expect("it is held").as_u64(), row.device)).collect())
}

#[test]
fn a_shared_volume_is_found_by_each_of_its_instances_over_either_engine() {
    check_place(|place| {
        let store = Store::open(place.config.clone()).expect("the store opens");
        let found = store.write_blocking(|tx| {
            for (id, shared) in [(1, false), (2, true), (3, true)] {
                tx.insert(&volume(id, shared))?;
            }
            for (id, instance) in [(1, 5), (2, 5), (2, 7), (2, 9), (3, 7)] {
                give(tx, id, instance)?;
            }
            let before = held(tx, &[5, 9])?;
            let mut left = tx.volume_list_of_instance(InstanceId::from_u64(7))?.remove(0);
            left.let_go(NOW);
            tx.volume_update(&left)?;
            let row = tx.get::<Volume>(VolumeId::from_u64(2))?.expect("it is there");
            let strays = tx.volume_list_stray()?.len();
            Ok::<_, StoreError>((before, held(tx, &[5, 7, 9])?, row.instance, row.instances().count(), strays))
        });
        let of = |id: u64, instance: u64| (id, instance, format!("/dev/sd{instance}"));
        let (before, after) = (vec![of(1, 5), of(2, 5), of(2, 9)], vec![of(1, 5), of(2, 5), of(2, 9), of(3, 7)]);
        // None of these instances exists.
        assert_eq!(found.expect("the transaction ends well"), (before, after, None, 2, 3));
    });
}
