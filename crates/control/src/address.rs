//! Public addresses that instances have by themselves, while they run.

use model::{Address, AddressId, AddressKind, Error, InterfaceId, Noun, Tags};
use store::Tx;

use crate::Failure;
use crate::run::Cx;

/// Gives an interface an address of the public pool, unless it has one.
pub(crate) fn give_automatic(tx: &mut Tx<'_>, cx: &Cx<'_>, interface: InterfaceId) -> Result<(), Failure> {
    if tx.address_of_interface(interface)?.is_some() {
        return Ok(());
    }
    let exhausted = || Error::NoFreeAddress { noun: Noun::Address, id: "public pool".to_owned() };
    let ip = tx.address_free_ip(cx.cloud.region().public_pool)?.ok_or_else(exhausted)?;
    tx.insert(&Address {
        id: AddressId::from_u64(cx.new_id()),
        account: cx.caller.account(),
        ip,
        kind: AddressKind::Automatic,
        interface: Some(interface),
        created_at: cx.now,
        tags: Tags::new(),
    })?;
    Ok(())
}
