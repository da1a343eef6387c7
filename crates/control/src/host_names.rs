//! The names of guests that a VPC answers.

use std::net::{Ipv4Addr, Ipv6Addr};

use hostspec::{IdRecords, NameRecord, NameRecord6, NicSpec};
use model::{Instance, InstanceId};

use crate::machine::id_records;

/// An interface of an instance with what names it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    instance: InstanceId,
    hostname: String,
    id_records: IdRecords,
    ip: Ipv4Addr,
    v6: Vec<Ipv6Addr>,
}

impl Named {
    pub fn of(nic: &NicSpec) -> Named {
        Named { instance: nic.vm, hostname: nic.hostname.clone(), id_records: nic.id_records, ip: nic.ip, v6: nic.v6.clone() }
    }

    /// An instance by its primary interface, which has these IPv6 addresses.
    pub fn of_instance(row: &Instance, v6: Vec<Ipv6Addr>) -> Named {
        Named { instance: row.id, hostname: row.hostname.clone(), id_records: id_records(row), ip: row.private_ip, v6 }
    }

    /// Its names with its private address: its host name, but for the name of its id, which is answered only when that is asked for.
    pub fn records(&self, domain: &str) -> impl Iterator<Item = NameRecord> {
        let by_id = self.instance.to_string();
        let hostname = Some(self.hostname.clone()).filter(|name| *name != by_id);
        let names = hostname.into_iter().chain(self.id_records.a.then_some(by_id));
        names.map(move |name| NameRecord { name: full(&name, domain), ip: self.ip })
    }

    /// The name of its id with its IPv6 addresses, when that is asked for.
    pub fn records6(&self, domain: &str) -> impl Iterator<Item = NameRecord6> {
        let name = full(&self.instance.to_string(), domain);
        let ips = self.v6.iter().filter(|_| self.id_records.aaaa);
        ips.map(move |ip| NameRecord6 { name: name.clone(), ip: *ip })
    }
}

fn full(name: &str, domain: &str) -> String {
    format!("{name}.{domain}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hostname: &str, id_records: IdRecords, names: &[&str], names6: &[&str]) {
        let v6 = vec!["fd00::5".parse().unwrap()];
        let named =
            Named { instance: InstanceId::from_u64(5), hostname: hostname.to_owned(), id_records, ip: Ipv4Addr::new(10, 0, 0, 5), v6 };
        assert_eq!(named.records("x.internal").map(|record| record.name).collect::<Vec<_>>(), names);
        assert_eq!(named.records6("x.internal").map(|record| record.name).collect::<Vec<_>>(), names6);
    }

    #[test]
    fn the_name_of_an_id_is_answered_when_that_is_asked_for_and_other_host_names_always() {
        let id = InstanceId::from_u64(5).to_string();
        let full = format!("{id}.x.internal");
        let (none, both) = (IdRecords::default(), IdRecords { a: true, aaaa: true });
        check("Web", none, &["web.x.internal"], &[]);
        check("ip-10-0-0-5", both, &["ip-10-0-0-5.x.internal", &full], &[&full]);
        check(&id, none, &[], &[]);
        check(&id, IdRecords { a: true, aaaa: false }, &[&full], &[]);
        check(&id, IdRecords { a: false, aaaa: true }, &[], &[&full]);
    }
}
