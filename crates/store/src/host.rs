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
