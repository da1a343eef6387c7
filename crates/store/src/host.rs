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
        let mut row = self.get::<Host>(host)?.ok_or(StoreError::Missing { table: Host::TABLE })?;
        row.generation += 1;
        self.update(&row)?;
        Ok(row.generation)
    }
}
