//! Names that the VPC answers itself. Pure.
//!
//! Own are: the records of the document, `ip-10-0-0-5.DOMAIN` for every address of the VPC, the way back from an address of
//! the VPC to its name, `metadata.tencentyun.com`, and names that never leave a machine (RFC 6761: `localhost`, `invalid`,
//! names without a dot). What is under the VPC's own domain and is not known does not exist anywhere else either.

use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::super::directory::Directory;
use crate::net::METADATA_TENCENT;

/// Seconds that a guest may keep an answer: an address can move to another name, and the server is one hop away.
const TTL: u32 = 10;
/// The name by which Tencent's tools find metadata.
const TENCENT: &str = "metadata.tencentyun.com";
/// What a datagram may hold, said to clients that ask with EDNS.
const EDNS_BYTES: u16 = 1232;

/// Whether a question is answered here.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// By somebody else.
    Elsewhere,
    /// By this.
    Here(Found),
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    code: ResponseCode,
    records: Vec<Record>,
    zone: Option<Name>,
}

/// Answers a question, when it is about a name of the VPC.
pub fn answer(directory: &Directory, query: &Query) -> Answer {
    if query.query_class() != DNSClass::IN {
        return Answer::Elsewhere;
    }
    let asked = query.name().to_ascii();
    let asked = asked.trim_end_matches('.').to_lowercase();
    if let Some(ip) = address_of_arpa(&asked) {
        return reverse(directory, query, ip);
    }
    let under_domain = !directory.domain.is_empty() && under(&asked, &directory.domain);
    let host = matches!(query.query_type(), RecordType::A | RecordType::AAAA);
    // Only hosts have names without a dot; a question for the keys of `org` or the servers of the root is meant.
    let plain = host && !asked.is_empty() && !asked.contains('.');
    let full = if plain && !directory.domain.is_empty() { format!("{asked}.{}", directory.domain) } else { asked.clone() };
    let found = directory
        .addresses(&asked)
        .or_else(|| directory.addresses(&full))
        .map(<[Ipv4Addr]>::to_vec)
        .or_else(|| address_in_name(directory, &full).map(|ip| vec![ip]))
        .or_else(|| (asked == TENCENT).then(|| vec![METADATA_TENCENT]))
        .or_else(|| under(&asked, "localhost").then(|| vec![Ipv4Addr::LOCALHOST]));
    let found6 = directory.addresses6(&asked).or_else(|| directory.addresses6(&full)).unwrap_or_default();
    let found = found.or_else(|| (!found6.is_empty()).then(Vec::new));
    match found {
        Some(ips) => {
            let asks = |kind| query.query_type() == kind || query.query_type() == RecordType::ANY;
            let record = |data| Record::from_rdata(query.name().clone(), TTL, data);
            let v4 = ips.into_iter().filter(|_| asks(RecordType::A)).map(|ip| record(RData::A(A(ip))));
            let v6 = found6.iter().filter(|_| asks(RecordType::AAAA)).map(|ip| record(RData::AAAA(AAAA(*ip))));
            let records = v4.chain(v6).collect();
            Answer::Here(Found { code: ResponseCode::NoError, records, zone: zone_of(directory, under_domain) })
        }
        None if under_domain && asked == directory.domain => {
            Answer::Here(Found { code: ResponseCode::NoError, records: Vec::new(), zone: zone_of(directory, true) })
        }
        None if under_domain || plain || under(&asked, "invalid") => {
            Answer::Here(Found { code: ResponseCode::NXDomain, records: Vec::new(), zone: zone_of(directory, under_domain) })
        }
        None => Answer::Elsewhere,
    }
}

fn zone_of(directory: &Directory, under_domain: bool) -> Option<Name> {
    Name::from_ascii(&directory.domain).ok().filter(|_| under_domain)
}

fn under(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn reverse(directory: &Directory, query: &Query, ip: Ipv4Addr) -> Answer {
    if !directory.contains(ip) {
        return Answer::Elsewhere;
    }
    let name = match directory.name(ip) {
        Some(name) => name.to_owned(),
        None => super::super::directory::full_name(&dashed(ip), &directory.domain),
    };
    let wanted = matches!(query.query_type(), RecordType::PTR | RecordType::ANY);
    let pointer = Name::from_ascii(format!("{name}.")).ok().filter(|_| wanted);
    let record = |name| Record::from_rdata(query.name().clone(), TTL, RData::PTR(PTR(name)));
    Answer::Here(Found { code: ResponseCode::NoError, records: pointer.map(record).into_iter().collect(), zone: None })
}

/// `5.0.0.10.in-addr.arpa` is 10.0.0.5.
fn address_of_arpa(name: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut labels = name.strip_suffix(".in-addr.arpa")?.split('.');
    for octet in octets.iter_mut().rev() {
        *octet = labels.next()?.parse().ok()?;
    }
    labels.next().is_none().then(|| Ipv4Addr::from(octets))
}

fn dashed(ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("ip-{a}-{b}-{c}-{d}")
}

/// `ip-10-0-0-5.DOMAIN` is 10.0.0.5, when that is an address of the VPC.
fn address_in_name(directory: &Directory, name: &str) -> Option<Ipv4Addr> {
    let (host, domain) = name.split_once('.').unwrap_or((name, ""));
    let ip: Ipv4Addr = host.strip_prefix("ip-")?.replace('-', ".").parse().ok()?;
    (domain == directory.domain && directory.contains(ip)).then_some(ip)
}

impl Found {
    /// The answer to a message that asked for this.
    pub fn message(self, question: &Message) -> Message {
        let mut message = refusal(question, self.code);
        message.metadata.authoritative = true;
        if self.records.is_empty()
            && let Some(zone) = self.zone
        {
            // Without it a resolver may not keep that there is nothing (RFC 2308 §2).
            let soa = SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86_400, TTL);
            message.add_authority(Record::from_rdata(zone, TTL, RData::SOA(soa)));
        }
        message.add_answers(self.records);
        message
    }
}

/// An answer that holds nothing but this code.
pub fn refusal(question: &Message, code: ResponseCode) -> Message {
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    message.metadata.op_code = question.metadata.op_code;
    message.metadata.recursion_desired = question.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.metadata.response_code = code;
    message.add_queries(question.queries.iter().cloned());
    if question.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(EDNS_BYTES);
        message.set_edns(edns);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::*;

    fn check(name: &str, kind: RecordType, want: Option<(ResponseCode, &[&str])>) {
        let query = Query::query(Name::from_ascii(name).unwrap(), kind);
        let got = match answer(&fixture::directory(), &query) {
            Answer::Elsewhere => None,
            Answer::Here(found) => {
                let texts: Vec<String> = found.records.iter().map(|record| record.data.to_string()).collect();
                Some((found.code, texts))
            }
        };
        let want = want.map(|(code, texts)| (code, texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>()));
        assert_eq!(got, want, "{name} {kind}");
    }

    #[test]
    fn own_names_are_answered_and_others_passed_on() {
        let yes = ResponseCode::NoError;
        check("web.vpc.internal.", RecordType::A, Some((yes, &["10.0.0.5"])));
        check("WEB.vpc.Internal.", RecordType::A, Some((yes, &["10.0.0.5"])));
        check("web.", RecordType::A, Some((yes, &["10.0.0.5"])));
        check("web.vpc.internal.", RecordType::AAAA, Some((yes, &[])));
        check("ip-10-0-0-9.vpc.internal.", RecordType::A, Some((yes, &["10.0.0.9"])));
        check("ip-192-168-0-9.vpc.internal.", RecordType::A, Some((ResponseCode::NXDomain, &[])));
        check("nobody.vpc.internal.", RecordType::A, Some((ResponseCode::NXDomain, &[])));
        check("vpc.internal.", RecordType::A, Some((yes, &[])));
        check("metadata.tencentyun.com.", RecordType::A, Some((yes, &["169.254.0.23"])));
        check("i-5.vpc.internal.", RecordType::AAAA, Some((yes, &["fd00::5"])));
        check("i-5.", RecordType::AAAA, Some((yes, &["fd00::5"])));
        check("i-5.vpc.internal.", RecordType::A, Some((yes, &[])));
        check("instance-data.", RecordType::A, Some((ResponseCode::NXDomain, &[])));
        check("example.invalid.", RecordType::A, Some((ResponseCode::NXDomain, &[])));
        check("org.", RecordType::DNSKEY, None);
        check(".", RecordType::NS, None);
        check("notvpc.internal.", RecordType::A, None);
        check("deb.debian.org.", RecordType::A, None);
    }

    #[test]
    fn an_address_of_the_vpc_leads_back_to_its_name() {
        let yes = ResponseCode::NoError;
        check("5.0.0.10.in-addr.arpa.", RecordType::PTR, Some((yes, &["web.vpc.internal."])));
        check("9.0.0.10.in-addr.arpa.", RecordType::PTR, Some((yes, &["ip-10-0-0-9.vpc.internal."])));
        check("8.8.8.8.in-addr.arpa.", RecordType::PTR, None);
        check("8.in-addr.arpa.", RecordType::PTR, None);
    }
}
