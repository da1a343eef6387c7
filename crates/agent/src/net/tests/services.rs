//! DHCP, DNS and metadata as guests meet them.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use dhcproto::v4::{DhcpOption, Flags, Message, MessageType, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};
use hickory_proto::op::{Message as Question, Query, ResponseCode};
use hickory_proto::rr::rdata::A as Address;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::super::netns;
use super::frames::*;
use super::lab::*;

const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn dhcp(raw: &mut Raw, kind: MessageType, asked: Option<Ipv4Addr>, chaddr: [u8; 6], flags: Flags) {
    let mut message = Message::default();
    message.set_chaddr(&chaddr).set_flags(flags);
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    if let Some(asked) = asked {
        message.opts_mut().insert(DhcpOption::RequestedIpAddress(asked));
    }
    let mut frame = ipv4(&raw.nic, NOBODY, Ipv4Addr::BROADCAST, 17, &udp(68, 67, &message.to_vec().unwrap()));
    frame.to = BROADCAST;
    raw.send(&frame);
}

fn dhcp_reply(raw: &mut Raw) -> (Vec<u8>, Message) {
    raw.receive("a DHCP reply", |frame| {
        let (_, bytes) = parse_udp(frame, 68)?;
        Some((frame[..6].to_vec(), Message::decode(&mut Decoder::new(&bytes)).unwrap()))
    })
}

#[test]
fn a_guest_gets_its_address_by_dhcp() {
    let lab = Lab::new();
    let spec = vpc(1, &[5, 6]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let mut raw = lab.raw(&spec, 0);
    let mac = raw.nic.mac.0;
    // Somebody else's hardware address in the message is not answered.
    dhcp(&mut raw, MessageType::Discover, None, spec.nics[1].mac.0, Flags::default().set_broadcast());
    dhcp(&mut raw, MessageType::Discover, None, mac, Flags::default());
    let (to, offer) = dhcp_reply(&mut raw);
    assert_eq!((to, offer.yiaddr()), (mac.to_vec(), ME));
    assert_eq!(offer.opts().msg_type(), Some(MessageType::Offer));
    dhcp(&mut raw, MessageType::Request, Some(ME), mac, Flags::default().set_broadcast());
    let (to, ack) = dhcp_reply(&mut raw);
    assert_eq!((to, ack.yiaddr()), (vec![0xff; 6], ME));
    assert_eq!(ack.opts().msg_type(), Some(MessageType::Ack));
    assert_eq!(ack.opts().get(OptionCode::InterfaceMtu), Some(&DhcpOption::InterfaceMtu(1450)));
    assert_eq!(ack.opts().get(OptionCode::Router), Some(&DhcpOption::Router(vec![GATEWAY])));
    dhcp(&mut raw, MessageType::Request, Some(Ipv4Addr::new(10, 0, 0, 9)), mac, Flags::default());
    assert_eq!(dhcp_reply(&mut raw).1.opts().msg_type(), Some(MessageType::Nak));
}

fn ask(name: &str) -> Question {
    let mut question = Question::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    question
}

fn by_udp(guest: &Guest, name: &str) -> Question {
    let socket = guest.run(|| UdpSocket::bind((ME, 0))).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let question = ask(name);
    socket.send_to(&question.to_vec().unwrap(), (GATEWAY, 53)).unwrap();
    let mut buffer = [0; 2000];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(from, SocketAddr::from((GATEWAY, 53)));
    let answer = Question::from_vec(&buffer[..len]).unwrap();
    assert_eq!(answer.metadata.id, question.metadata.id);
    answer
}

fn texts(answer: &Question) -> Vec<String> {
    answer.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn names_are_answered_over_udp_and_tcp_and_others_passed_on() {
    // A resolver on the machine that knows one name.
    let machine = Lab::new();
    let resolver = netns::inside(machine.machine.as_fd(), || UdpSocket::bind("127.0.0.1:5353")).unwrap();
    let mut lab = machine;
    lab.kill();
    lab.resolvers = vec!["127.0.0.1:5353".parse().unwrap()];
    lab.start();
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((len, from)) = resolver.recv_from(&mut buffer) {
            let asked = Question::from_vec(&buffer[..len]).unwrap();
            let mut answer = Question::response(asked.metadata.id, asked.metadata.op_code);
            let name = asked.queries[0].name().clone();
            answer.add_queries(asked.queries);
            answer.add_answer(Record::from_rdata(name, 5, RData::A(Address(Ipv4Addr::new(192, 0, 2, 7)))));
            // An answer to something else first: it must not be believed.
            let mut forged = answer.clone();
            forged.metadata.id = asked.metadata.id.wrapping_add(1);
            forged.answers.clear();
            resolver.send_to(&forged.to_vec().unwrap(), from).unwrap();
            resolver.send_to(&answer.to_vec().unwrap(), from).unwrap();
        }
    });
    let spec = vpc(1, &[5]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    assert_eq!(texts(&by_udp(&guest, "web.vpc.internal.")), ["10.0.0.5"]);
    assert_eq!(texts(&by_udp(&guest, "deb.debian.org.")), ["192.0.2.7"]);
    assert_eq!(by_udp(&guest, "none.vpc.internal.").metadata.response_code, ResponseCode::NXDomain);
    let mut stream = guest.connect("10.0.0.1:53").unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..2 {
        let bytes = ask("web.vpc.internal.").to_vec().unwrap();
        stream.write_all(&[&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()).unwrap();
        let mut len = [0; 2];
        std::io::Read::read_exact(&mut stream, &mut len).unwrap();
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(len))];
        std::io::Read::read_exact(&mut stream, &mut bytes).unwrap();
        assert_eq!(texts(&Question::from_vec(&bytes).unwrap()), ["10.0.0.5"]);
    }
}

#[test]
fn without_a_resolver_other_names_fail_at_once() {
    let lab = Lab::new();
    let spec = vpc(1, &[5]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    assert_eq!(by_udp(&guest, "deb.debian.org.").metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn metadata_is_read_with_a_token_that_dies_after_its_hops() {
    let lab = Lab::new();
    let spec = vpc(1, &[5, 6]);
    let mut document = host(std::slice::from_ref(&spec));
    document.vms[0].metadata.token_required = true;
    lab.applied(&document);
    let (guest, other) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let curl = "curl -s -m 10 -o /dev/stdout -w ' %{http_code}'";
    let base = "http://169.254.169.254/latest";
    assert!(guest.shell(&format!("{curl} {base}/meta-data/instance-id")).ends_with(" 401"));
    let put = format!("curl -s -f -m 10 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {base}/api/token");
    let token = guest.shell(&put);
    let read = format!("curl -s -f -m 10 -H 'X-aws-ec2-metadata-token: {token}' {base}/meta-data/local-ipv4");
    assert_eq!(guest.shell(&read), "10.0.0.5");
    // Another guest's token is none.
    let stolen = format!("{curl} -H 'X-aws-ec2-metadata-token: {token}' {base}/meta-data/local-ipv4");
    assert!(other.shell(&stolen).ends_with(" 401"));
    // The frame that carried the token had one hop to live, the others the usual.
    let seen = guest.seen.lock().unwrap();
    let lives = |text: &str| -> Vec<u8> {
        let carries = |frame: &&Vec<u8>| frame.windows(text.len()).any(|part| part == text.as_bytes());
        seen.iter().filter(carries).map(|frame| frame[22]).collect()
    };
    assert_eq!(lives(&token), [1]);
    assert_eq!(lives("401 - Unauthorized"), [64]);
}

#[test]
fn all_three_clouds_answer_at_their_addresses() {
    let lab = Lab::new();
    let spec = vpc(1, &[5]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    let id = spec.nics[0].vm.to_string();
    let tencents = id.replacen("i-", "ins-", 1);
    for (address, id) in [("169.254.169.254", &id), ("100.100.100.200", &id), ("169.254.0.23", &tencents)] {
        assert_eq!(guest.shell(&format!("curl -s -f -m 10 http://{address}/latest/meta-data/instance-id")), *id);
    }
    // Nothing else of the host is open.
    assert!(
        guest
            .run(|| {
                let to: SocketAddr = "10.0.0.1:80".parse().unwrap();
                Ok(std::net::TcpStream::connect_timeout(&to, std::time::Duration::from_millis(300)).is_err())
            })
            .unwrap()
    );
}

#[test]
fn a_change_of_the_document_is_what_the_next_answer_says() {
    let lab = Lab::new();
    let spec = vpc(1, &[5]);
    let mut document = host(std::slice::from_ref(&spec));
    lab.applied(&document);
    let guest = lab.guest(&spec, 0);
    let read = "curl -s -f -m 10 http://169.254.169.254/latest/meta-data/instance-type";
    assert_eq!(guest.shell(read), "t1.small");
    document.vms[0].metadata.instance_type = "t1.large".to_owned();
    lab.applied(&document);
    assert_eq!(guest.shell(read), "t1.large");
}

#[test]
fn a_client_that_sends_rubbish_or_nothing_does_not_stop_the_others() {
    let lab = Lab::new();
    let spec = vpc(1, &[5, 6]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (bad, good) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let mut held = Vec::new();
    for n in 0..40_u8 {
        if let Ok(mut stream) = bad.connect("169.254.169.254:80") {
            drop(stream.write_all(&vec![n; 9000]));
            held.push(stream);
        }
    }
    for port in [53, 67] {
        let socket = bad.run(|| UdpSocket::bind((ME, 0))).unwrap();
        for n in 0..50_u8 {
            socket.send_to(&vec![n; usize::from(n) * 7], (GATEWAY, port)).unwrap();
        }
    }
    let id = spec.nics[1].vm.to_string();
    assert_eq!(good.shell("curl -s -f -m 10 http://169.254.169.254/latest/meta-data/instance-id"), id);
    assert_eq!(texts(&by_udp(&bad, "web.vpc.internal.")), ["10.0.0.5"]);
}
