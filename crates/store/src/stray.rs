//! Rows that refer to what is not there. Commands never leave any; this looks whether that is true.
//!
//! Nothing here knows what is to be done about them.

use model::{Address, AddressId, Instance, InstanceId, Interface, InterfaceId, Volume, VolumeId};

use crate::{Row, StoreError, Tx};

/// Most strays of one kind that a look gives; the next look gives more.
const AT_MOST: u32 = 1_000;

/// Interfaces and volumes may belong to an instance as long as it is live.
const OF_NO_INSTANCE: &str = "it.instance IS NOT NULL AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.id = it.instance AND i.live = 1)";
/// And shared volumes to several.
const HELD_BY_NO_INSTANCE: &str = "it.id IN (SELECT h.volume FROM volume_holder h \
                                   WHERE NOT EXISTS (SELECT 1 FROM instance i WHERE i.id = h.instance AND i.live = 1))";
/// An address is translated to an interface that exists; an automatic one is never without.
const OF_NO_INTERFACE: &str = "(it.interface IS NOT NULL AND NOT EXISTS (SELECT 1 FROM interface i WHERE i.id = it.interface)) \
                               OR (it.interface IS NULL AND it.elastic = 0)";
/// A live instance has an interface and a volume.
const LACKS_PARTS: &str = "it.live = 1 AND (NOT EXISTS (SELECT 1 FROM interface i WHERE i.instance = it.id) \
                           OR NOT EXISTS (SELECT 1 FROM volume v WHERE v.instance = it.id))";
/// States in which an instance stays without anybody looking at it.
const AT_REST: &str = "it.state NOT IN ('running', 'stopped')";

impl Tx<'_> {
    /// Interfaces plugged into an instance that does not exist or is terminated.
    pub fn interface_list_stray(&self) -> Result<Vec<InterfaceId>, StoreError> {
        Ok(self.where_row::<Interface>(OF_NO_INSTANCE)?.iter().map(Row::id).collect())
    }

    /// Volumes attached to an instance that does not exist or is terminated, shared ones to any such.
    pub fn volume_list_stray(&self) -> Result<Vec<VolumeId>, StoreError> {
        let (own, shared) = (self.where_row::<Volume>(OF_NO_INSTANCE)?, self.where_row::<Volume>(HELD_BY_NO_INSTANCE)?);
        Ok(own.iter().chain(&shared).map(Row::id).collect())
    }

    /// Addresses translated to an interface that does not exist, and automatic ones of none.
    pub fn address_list_stray(&self) -> Result<Vec<AddressId>, StoreError> {
        Ok(self.where_row::<Address>(OF_NO_INTERFACE)?.iter().map(Row::id).collect())
    }

    /// Live instances without interface or volume.
    pub fn instance_list_maimed(&self) -> Result<Vec<InstanceId>, StoreError> {
        Ok(self.where_row::<Instance>(LACKS_PARTS)?.iter().map(Row::id).collect())
    }

    /// Instances on their way somewhere that nobody will look at: they have no wake of this kind.
    pub fn instance_list_forgotten(&self, kind: &'static str) -> Result<Vec<InstanceId>, StoreError> {
        let restless = self.where_row::<Instance>(AT_REST)?;
        let mut forgotten = Vec::new();
        for instance in restless {
            if !self.wake_exists(kind, instance.id)? {
                forgotten.push(instance.id);
            }
        }
        Ok(forgotten)
    }

    fn where_row<R: Row>(&self, condition: &str) -> Result<Vec<R>, StoreError> {
        let sql = format!("SELECT body FROM {} it WHERE {condition} ORDER BY id LIMIT {AT_MOST}", R::TABLE);
        self.query(&sql, &[], crate::tx::document)
    }
}
