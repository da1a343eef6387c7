//! DHCPv6 from the document: no leases, the same answer every time.
//!
//! ```text
//!   SOLICIT ─▶ ADVERTISE, or REPLY at once where the client can      REQUEST, RENEW, REBIND ─▶ REPLY with every address
//!   CONFIRM ─▶ whether its addresses are right    RELEASE, DECLINE ─▶ taken note of    INFORMATION-REQUEST ─▶ what is not an address
//! ```
//!
//! All addresses of the interface are lent in the first association that a client names; others get none.

use dhcproto::v6::{DhcpOption, DhcpOptions, IAAddr, IANA, Message, MessageType, OptionCode, Status, StatusCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};

use super::super::directory::Guest;
use crate::net::ROUTER_MAC;

/// Seconds after which a client asks again: an address that is given to a running guest is its own within so many.
const RENEW_SECONDS: u32 = 60;
/// Seconds after which it asks anybody.
const REBIND_SECONDS: u32 = 120;
/// Seconds that an address is used for new connections without an answer: longer than an agent is ever away.
const PREFERRED_SECONDS: u32 = 86_400;
/// Seconds that it is used at all.
const VALID_SECONDS: u32 = 2 * PREFERRED_SECONDS;

/// Bytes of a message before its options: its kind, and the number of the exchange.
const MESSAGE_HEADER: usize = 4;
/// Bytes of an association before its options: its number and two times.
const ASSOCIATION_HEADER: usize = 12;
/// Bytes of an address with its two lifetimes.
const ADDRESS_BYTES: usize = 24;

/// The answer to a message from a guest; none when it gets none.
pub fn reply(guest: &Guest, message: &[u8]) -> Option<Vec<u8>> {
    let request = Message::decode(&mut Decoder::new(&known(message)?)).ok()?;
    let reply = answer(guest, &request)?;
    let mut bytes = Vec::new();
    reply.encode(&mut Encoder::new(&mut bytes)).ok()?;
    Some(bytes)
}

/// The message with only the options that are looked at, each of them whole; none when one is malformed. The library trusts the
/// lengths of some others and panics where they lie.
fn known(message: &[u8]) -> Option<Vec<u8>> {
    let (head, options) = message.split_at_checked(MESSAGE_HEADER)?;
    let mut kept = head.to_vec();
    for (code, option) in options_of(options)? {
        match OptionCode::from(code) {
            OptionCode::ClientId | OptionCode::ServerId | OptionCode::RapidCommit => keep(code, option, &mut kept),
            OptionCode::IANA => {
                let (times, inner) = option.split_at_checked(ASSOCIATION_HEADER)?;
                let mut association = times.to_vec();
                for (code, address) in options_of(inner)? {
                    if OptionCode::from(code) == OptionCode::IAAddr {
                        keep(code, address.get(..ADDRESS_BYTES)?, &mut association);
                    }
                }
                keep(code, &association, &mut kept);
            }
            _ => {}
        }
    }
    Some(kept)
}

/// Options by code; none when one says that it is longer than what is there.
fn options_of(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut all = Vec::new();
    while let Some((&[a, b, c, d], rest)) = bytes.split_first_chunk() {
        let (option, rest) = rest.split_at_checked(u16::from_be_bytes([c, d]).into())?;
        all.push((u16::from_be_bytes([a, b]), option));
        bytes = rest;
    }
    bytes.is_empty().then_some(all)
}

fn keep(code: u16, option: &[u8], to: &mut Vec<u8>) {
    to.extend(code.to_be_bytes());
    to.extend((option.len() as u16).to_be_bytes());
    to.extend(option);
}

fn answer(guest: &Guest, request: &Message) -> Option<Message> {
    let client = match request.opts().get(OptionCode::ClientId) {
        Some(DhcpOption::ClientId(client)) => Some(client.clone()),
        _ => None,
    };
    let named = match request.opts().get(OptionCode::ServerId) {
        Some(DhcpOption::ServerId(server)) => Some(*server == server_id()),
        _ => None,
    };
    let rapid = request.opts().get(OptionCode::RapidCommit).is_some();
    // Whether the message has to name this server, or may not name any (RFC 8415, section 16).
    let (kind, names_server) = match request.msg_type() {
        MessageType::Solicit if rapid => (MessageType::Reply, Some(false)),
        MessageType::Solicit => (MessageType::Advertise, Some(false)),
        MessageType::Request | MessageType::Renew | MessageType::Release | MessageType::Decline => (MessageType::Reply, Some(true)),
        MessageType::Rebind | MessageType::Confirm => (MessageType::Reply, Some(false)),
        MessageType::InformationRequest if named != Some(false) => (MessageType::Reply, None),
        _ => return None,
    };
    if names_server.is_some_and(|wanted| named != wanted.then_some(true)) {
        return None;
    }
    if client.is_none() && request.msg_type() != MessageType::InformationRequest {
        return None;
    }
    let mut reply = Message::new_with_id(kind, request.xid());
    let options = reply.opts_mut();
    options.insert(DhcpOption::ServerId(server_id()));
    if let Some(client) = client {
        options.insert(DhcpOption::ClientId(client));
    }
    match request.msg_type() {
        MessageType::Confirm => options.insert(confirmed(guest, request)?),
        MessageType::Release | MessageType::Decline => options.insert(status(Status::Success, "it stays the interface's")),
        MessageType::InformationRequest => {}
        _ => {
            if rapid && kind == MessageType::Reply {
                options.insert(DhcpOption::RapidCommit);
            }
            lend(guest, request, options);
        }
    }
    Some(reply)
}

/// Identifies the server by the hardware address that every router has (a DUID of type 3, RFC 8415, section 11.4).
fn server_id() -> Vec<u8> {
    [&[0, 3, 0, 1][..], &ROUTER_MAC.0].concat()
}

fn status(status: Status, text: &str) -> DhcpOption {
    DhcpOption::StatusCode(StatusCode { status, msg: text.to_owned() })
}

/// The associations that a message names.
fn associations(message: &Message) -> impl Iterator<Item = &IANA> {
    let all = message.opts().get_all(OptionCode::IANA).unwrap_or_default();
    all.iter().filter_map(|option| match option {
        DhcpOption::IANA(association) => Some(association),
        _ => None,
    })
}

fn addresses(association: &IANA) -> impl Iterator<Item = &IAAddr> {
    let all = association.opts.get_all(OptionCode::IAAddr).unwrap_or_default();
    all.iter().filter_map(|option| match option {
        DhcpOption::IAAddr(address) => Some(address),
        _ => None,
    })
}

/// Says whether the client is still where its addresses belong; none when it names none (RFC 8415, section 18.3.3).
fn confirmed(guest: &Guest, request: &Message) -> Option<DhcpOption> {
    let mut named = associations(request).flat_map(addresses).peekable();
    named.peek()?;
    let all_right = named.all(|address| guest.port.nic.v6.contains(&address.addr));
    Some(if all_right { status(Status::Success, "") } else { status(Status::NotOnLink, "not an address of this interface") })
}

/// Lends every address; those that the client names and has no more are named with no time left.
fn lend(guest: &Guest, request: &Message, options: &mut DhcpOptions) {
    let own = &guest.port.nic.v6;
    for (at, asked) in associations(request).enumerate() {
        let mut opts = DhcpOptions::new();
        let lent =
            |addr, preferred_life, valid_life| DhcpOption::IAAddr(IAAddr { addr, preferred_life, valid_life, opts: DhcpOptions::new() });
        for gone in addresses(asked).filter(|address| !own.contains(&address.addr)) {
            opts.insert(lent(gone.addr, 0, 0));
        }
        if at == 0 {
            own.iter().for_each(|ip| opts.insert(lent(*ip, PREFERRED_SECONDS, VALID_SECONDS)));
        } else {
            opts.insert(status(Status::NoAddrsAvail, "all addresses are in the first association"));
        }
        options.insert(DhcpOption::IANA(IANA { id: asked.id, t1: RENEW_SECONDS, t2: REBIND_SECONDS, opts }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv6Addr;

    use super::super::super::{Directory, Index, fixture};
    use super::*;

    const FIRST: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 5);
    const SECOND: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 6);

    fn association(ips: &[Ipv6Addr]) -> DhcpOption {
        let mut opts = DhcpOptions::new();
        for addr in ips {
            opts.insert(DhcpOption::IAAddr(IAAddr { addr: *addr, preferred_life: 9, valid_life: 9, opts: DhcpOptions::new() }));
        }
        DhcpOption::IANA(IANA { id: 7, t1: 0, t2: 0, opts })
    }

    /// A directory in which the guest has both addresses.
    fn directory() -> Directory {
        let mut vpc = fixture::vpc(1);
        vpc.nics.push(fixture::nic(1, 5, fixture::IP));
        vpc.nics[0].v6 = vec![FIRST, SECOND];
        let vms = vec![fixture::vm(5, &[&vpc.nics[0]])];
        let spec = fixture::host(vec![vpc], vms);
        Directory::new(&spec.networks[0], &Index::new(&spec))
    }

    fn bytes(kind: MessageType, options: &[DhcpOption]) -> Vec<u8> {
        let mut request = Message::new(kind);
        options.iter().for_each(|option| request.opts_mut().insert(option.clone()));
        let mut bytes = Vec::new();
        request.encode(&mut Encoder::new(&mut bytes)).unwrap();
        bytes
    }

    fn ask(kind: MessageType, options: &[DhcpOption]) -> Option<Message> {
        let reply = reply(directory().guest_by_mac(fixture::MAC).unwrap(), &bytes(kind, options))?;
        Some(Message::decode(&mut Decoder::new(&reply)).unwrap())
    }

    fn client() -> DhcpOption {
        DhcpOption::ClientId(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 5])
    }

    /// In order: the library keeps none among options of one kind.
    fn lent(message: &Message) -> Vec<(Ipv6Addr, bool)> {
        let lent: BTreeSet<_> = associations(message).flat_map(addresses).map(|address| (address.addr, address.valid_life > 0)).collect();
        lent.into_iter().collect()
    }

    #[test]
    fn a_guest_is_lent_all_its_addresses_in_two_steps_or_in_one() {
        let offer = ask(MessageType::Solicit, &[client(), association(&[])]).unwrap();
        assert_eq!((offer.msg_type(), lent(&offer)), (MessageType::Advertise, vec![(FIRST, true), (SECOND, true)]));
        let rapid = ask(MessageType::Solicit, &[client(), association(&[]), DhcpOption::RapidCommit]).unwrap();
        assert_eq!((rapid.msg_type(), lent(&rapid).len()), (MessageType::Reply, 2));
        let reply = ask(MessageType::Request, &[client(), DhcpOption::ServerId(server_id()), association(&[FIRST])]).unwrap();
        assert_eq!((reply.msg_type(), lent(&reply).len()), (MessageType::Reply, 2));
    }

    #[test]
    fn an_address_that_was_taken_away_is_given_no_more_time() {
        let gone = "fd00:1::7".parse().unwrap();
        let reply = ask(MessageType::Renew, &[client(), DhcpOption::ServerId(server_id()), association(&[gone])]).unwrap();
        assert_eq!(lent(&reply), vec![(FIRST, true), (SECOND, true), (gone, false)]);
    }

    #[test]
    fn a_client_that_wakes_up_hears_whether_its_addresses_are_right() {
        let status = |ip| match ask(MessageType::Confirm, &[client(), association(&[ip])]).unwrap().opts().get(OptionCode::StatusCode) {
            Some(DhcpOption::StatusCode(code)) => code.status,
            other => panic!("{other:?}"),
        };
        assert_eq!((status(FIRST), status("fd00:2::5".parse().unwrap())), (Status::Success, Status::NotOnLink));
    }

    #[test]
    fn a_message_whose_options_lie_about_their_length_gets_no_answer_and_harms_nobody() {
        let whole = |options: &[u8]| [&[1, 0, 0, 7][..], &[0, 1, 0, 2, 9, 9], options].concat();
        let association = [&[0, 3, 0, 12][..], &[0; 12]].concat();
        assert!(known(&whole(&association)).is_some());
        // Options that nobody looks at may say what they like, as long as they end.
        for code in [7, 11, 13, 16, 17, 9, 39] {
            let odd = [&[0, code, 0, 1, 0][..], &association].concat();
            assert_eq!(known(&whole(&odd)), known(&whole(&association)), "{code}");
        }
        for lie in [&[0, 3, 0, 11][..], &[0, 3, 0xff, 0xff], &[0, 1], &[0, 3, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 9]] {
            assert_eq!(known(&whole(&[lie, &[0; 11]].concat())), None, "{lie:?}");
        }
        assert_eq!(known(&[1, 0, 0]), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(2_000))]

        #[test]
        fn no_message_is_a_fault_of_the_server(
            changes in proptest::collection::vec((0_usize..200, proptest::prelude::any::<u8>()), 0..12),
            length in 0_usize..200,
        ) {
            let mut message = bytes(MessageType::Request, &[client(), DhcpOption::ServerId(server_id()), association(&[FIRST, SECOND])]);
            for (at, byte) in changes {
                let at = at % message.len();
                message[at] = byte;
            }
            message.truncate(length);
            if let Some(reply) = reply(directory().guest_by_mac(fixture::MAC).unwrap(), &message) {
                proptest::prop_assert!(Message::decode(&mut Decoder::new(&reply)).is_ok());
            }
        }
    }

    #[test]
    fn what_is_for_another_server_or_names_no_client_gets_no_answer() {
        let other = DhcpOption::ServerId(vec![0, 3, 0, 1, 9, 9, 9, 9, 9, 9]);
        assert_eq!(ask(MessageType::Request, &[client(), other, association(&[])]), None);
        assert_eq!(ask(MessageType::Request, &[client(), association(&[])]), None);
        assert_eq!(ask(MessageType::Solicit, &[association(&[])]), None);
        assert_eq!(ask(MessageType::Reply, &[client()]), None);
    }
}
