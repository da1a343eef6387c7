//! What public addresses carried. It outlives the addresses, for bills and for those who look late, and is forgotten by the hour.

use model::{AddressId, TrafficHour, TrafficMeter};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for TrafficMeter {
    type Id = AddressId;
    const TABLE: &'static str = "traffic_meter";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("hour", |meter| meter.hour.into())];

    fn id(&self) -> AddressId {
        self.address
    }
}

impl Row for TrafficHour {
    type Id = String;
    const TABLE: &'static str = "traffic_hour";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("address", |hour| hour.address.into()), Column::new("hour", |hour| hour.hour.into())];

    fn id(&self) -> String {
        hour_id(self.address, self.hour)
    }
}

fn hour_id(address: AddressId, hour: i64) -> String {
    format!("{address}/{hour}")
}

impl Tx<'_> {
    /// What an address carried in an hour.
    pub fn traffic_hour(&self, address: AddressId, hour: i64) -> Result<Option<TrafficHour>, StoreError> {
        self.get(hour_id(address, hour))
    }

    /// What an address carried from this hour to that, both included, by time.
    pub fn traffic_list(&self, address: AddressId, from: i64, to: i64) -> Result<Vec<TrafficHour>, StoreError> {
        self.list(By::is("address", address).above("hour", from - 1).at_most("hour", to).ordered_by("hour"))
    }

    /// Forgets what was carried before an hour.
    pub fn traffic_forget_before(&mut self, hour: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM traffic_hour WHERE hour < $1", &[hour.into()])?;
        self.execute("DELETE FROM traffic_meter WHERE hour < $1", &[hour.into()])?;
        Ok(())
    }
}
