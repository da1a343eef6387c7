//! The looks for strays are SQL that both engines understand.

use super::engines::check_place;
use crate::{Store, StoreError};

#[test]
fn a_database_in_order_has_no_strays_over_either_engine() {
    check_place(|place| {
        let store = Store::open(place.config.clone()).expect("the store opens");
        let found = store.read_blocking(|tx| {
            let parts = tx.interface_list_stray()?.len() + tx.volume_list_stray()?.len() + tx.address_list_stray()?.len();
            Ok::<_, StoreError>(parts + tx.instance_list_maimed()?.len() + tx.instance_list_forgotten("instance")?.len())
        });
        assert_eq!(found.expect("the looks are understood"), 0);
    });
}
