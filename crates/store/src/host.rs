//! Hosts.

use model::{Host, HostId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for Host {
    type Id = HostId;
    const TABLE: &'static str = "host";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("name", |h| (&h.name).into())];

    fn id(&self) -> HostId {
        self.id
    }
}

impl Tx<'_> {
    /// Every host, by id.
    pub fn host_list(&self) -> Result<Vec<Host>, StoreError> {
        self.list(By::all())
    }

    /// The host of this name.
    pub fn host_named(&self, name: &str) -> Result<Option<Host>, StoreError> {
        self.find(By::is("name", name))
    }

    /// The host whose certificate has this digest; reads every host.
    pub fn host_of_certificate(&self, digest: &str) -> Result<Option<Host>, StoreError> {
        Ok(self.host_list()?.into_iter().find(|host| host.certificate.as_deref() == Some(digest)))
    }

    /// Whether any instance that is not terminated, any volume, or room of a capacity reservation is on a host.
    pub fn host_is_used(&self, host: HostId) -> Result<bool, StoreError> {
        let instances = self.count_up_to::<model::Instance>(By::is("host", host).and("live", 1), 1)?;
        let reserved = self.count_up_to::<model::CapacitySlot>(By::is("host", host), 1)?;
        Ok(instances > 0 || reserved > 0 || self.count_up_to::<model::Volume>(By::is("host", host), 1)? > 0)
    }

    /// Gives the document of a host its next generation, and says which that is.
    pub fn host_touch(&mut self, host: HostId) -> Result<u64, StoreError> {
        let row = self.get::<Host>(host)?.ok_or(StoreError::Missing { table: Host::TABLE })?;
        self.host_touch_row(row)
    }

    /// The same for a row that this transaction has just read.
    pub fn host_touch_row(&mut self, mut row: Host) -> Result<u64, StoreError> {
        row.generation += 1;
        self.update(&row)?;
        Ok(row.generation)
    }
}
