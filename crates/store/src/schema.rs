//! The list of what the database of Pileus consists of: a new noun is entered here, once.

use crate::projection::{Facets, Layout};

/// A step in the shape of the database. Never changed after it was released.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its place in the order.
    pub number: u32,
    /// What it brings.
    pub name: &'static str,
    /// Statements in the common subset of the two engines.
    pub sql: &'static str,
}

/// The shape of a database.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(crate) migrations: Vec<Migration>,
    pub(crate) projections: Vec<Layout>,
}

/// Enters the files `migrations/NAME.sql`, numbered from 1.
macro_rules! migrations {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../migrations/", $name, ".sql")))),*]
    };
}

impl Schema {
    /// The engine's own tables; what a noun needs is added to it.
    pub fn engine() -> Schema {
        let empty = Schema { migrations: Vec::new(), projections: Vec::new() };
        migrations!("0001_engine").into_iter().fold(empty, |schema, (name, sql)| schema.and(name, sql))
    }

    /// The database of Pileus.
    pub fn pileus() -> Schema {
        let schema = migrations!(
            "0002_nouns" "0003_asked" "0004_rights" "0005_routes" "0006_paths" "0007_acls" "0008_addresses" "0009_launch_templates" "0010_trail"
            "0011_snapshots" "0012_lighter_launches" "0013_nat_gateways" "0014_key_use" "0015_placement_groups" "0016_snapshot_policies"
            "0017_prefix_lists" "0018_vpc_peerings" "0019_bandwidth" "0020_ipv6"
            "0021_bandwidth_packages" "0022_dhcp_options" "0023_image_tasks" "0024_kms_keys" "0025_flow_logs" "0026_capacity_reservations"
            "0027_instance_fleets" "0028_instance_events" "0029_account_aliases" "0030_nat_homes" "0033_snapshot_groups"
            "0035_mfa_devices" "0032_deleted_nat_gateways" "0034_deleted_vpc_peerings" "0031_egress_only_gateways"
            "0039_snapshot_trials" "0038_shared_volumes" "0036_ipv6_bandwidths"
        );
        let schema = schema.into_iter().fold(Schema::engine(), |schema, (name, sql)| schema.and(name, sql));
        schema.projecting::<model::Instance>()
    }

    /// Adds the next migration.
    pub fn and(mut self, name: &'static str, sql: &'static str) -> Schema {
        let number = self.migrations.last().map_or(1, |last| last.number + 1);
        self.migrations.push(Migration { number, name, sql });
        self
    }

    /// Keeps a projection of this noun.
    pub fn projecting<R: Facets>(mut self) -> Schema {
        self.projections.push(Layout::of::<R>());
        self
    }
}
