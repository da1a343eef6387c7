//! Hosts.

use std::net::Ipv4Addr;

use model::{Host, HostId};

use crate::{By, Column, Key, Row, StoreError, Tx, Value};

/// Where a host is, for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPlace {
    /// The host.
    pub id: HostId,
    /// Its address for traffic between hosts.
    pub underlay: Ipv4Addr,
    /// Its number in the installation.
    pub number: u32,
}

impl Row for Host {
    type Id = HostId;
    const TABLE: &'static str = "host";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("name", |h| (&h.name).into()),
        // 0 where no packets go between it and others.
        Column::new("underlay", |h| if h.is_networked() { h.underlay.to_bits() } else { 0 }.into()),
        Column::new("number", |h| h.number.into()),
    ];

    fn id(&self) -> HostId {
        self.id
    }
}

impl Tx<'_> {
    /// Every host, by id.
    pub fn host_list(&self) -> Result<Vec<Host>, StoreError> {
        self.list(By::all())
    }

    /// Where the hosts are between which packets go, by id. Reads columns only: each host asks for all others again and again.
    pub fn host_list_places(&self) -> Result<Vec<HostPlace>, StoreError> {
        let rows = self.query("SELECT id, underlay, number FROM host ORDER BY id", &[], |record| {
            let bits = |column| -> Result<Option<u32>, StoreError> {
                Ok(match record.value(column)? {
                    Value::Int(bits) => u32::try_from(bits).ok(),
                    Value::Null | Value::Text(_) => None,
                })
            };
            Ok((HostId::from_value(&record.value(0)?), bits(1)?.zip(bits(2)?)))
        })?;
        let mut out = Vec::with_capacity(rows.len());
        for (id, place) in rows {
            let Some(id) = id else { continue };
            match place {
                Some((0, _)) => {}
                Some((underlay, number)) => out.push(HostPlace { id, underlay: Ipv4Addr::from_bits(underlay), number }),
                // Not written since rows have these columns.
                None => {
                    let row = self.get::<Host>(id)?.filter(Host::is_networked);
                    out.extend(row.map(|row| HostPlace { id, underlay: row.underlay, number: row.number }));
                }
            }
        }
        Ok(out)
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
