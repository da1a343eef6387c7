//! A noun for the tests, with one of everything that a real one has.

use std::collections::BTreeMap;

use model::{AccountId, HostId, InstanceId};
use serde::{Deserialize, Serialize};

use crate::{Column, Facet, Facets, Row, Schema, Value};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) id: InstanceId,
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) state: String,
    pub(crate) host: Option<HostId>,
    pub(crate) cpus: u32,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Row for Machine {
    type Id = InstanceId;
    const TABLE: &'static str = "machine";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |m| m.account.into()),
        Column::new("name", |m| (&m.name).into()),
        Column::new("zone", |m| (&m.zone).into()),
        Column::new("state", |m| (&m.state).into()),
        Column::new("host", |m| m.host.into()),
        Column::new("cpus", |m| m.cpus.into()),
        Column::new("tags", |m| Value::set(m.tags.iter().map(|(key, value)| format!("{key}={value}")))),
    ];
    const QUIET: bool = true;

    fn id(&self) -> InstanceId {
        self.id
    }
}

impl Facets for Machine {
    const FACETS: &'static [Facet] = &[
        Facet::one("account"),
        Facet::one("zone"),
        Facet::one("state"),
        Facet::one("name"),
        Facet::typed::<HostId>("host"),
        Facet::one("cpus"),
        Facet::many("tags"),
    ];
}

/// A noun whose id is a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) uses: u32,
}

impl Row for Token {
    type Id = String;
    const TABLE: &'static str = "token";
    const COLUMNS: &'static [Column<Self>] = &[];

    fn id(&self) -> String {
        self.text.clone()
    }
}

const TABLES: &str = "
CREATE TABLE machine (
    id      BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    name    TEXT   NOT NULL,
    zone    TEXT   NOT NULL,
    state   TEXT   NOT NULL,
    host    BIGINT,
    cpus    BIGINT NOT NULL,
    tags    TEXT,
    body    TEXT   NOT NULL
);
CREATE UNIQUE INDEX machine_name ON machine (account, name);
CREATE INDEX machine_host ON machine (host);
CREATE TABLE token (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL);
";

pub(crate) fn schema() -> Schema {
    Schema::engine().and("tests", TABLES).projecting::<Machine>()
}

pub(crate) fn account(number: u64) -> AccountId {
    AccountId::from_u64(number).expect("a small number")
}

/// A machine of account 1 with this number and a name of its own.
pub(crate) fn machine(number: u64) -> Machine {
    Machine {
        id: InstanceId::from_u64(number),
        account: account(1),
        name: format!("web-{number}"),
        zone: "z-a".to_owned(),
        state: "running".to_owned(),
        host: None,
        cpus: 2,
        tags: BTreeMap::new(),
    }
}
