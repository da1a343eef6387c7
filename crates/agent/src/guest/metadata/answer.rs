//! What the metadata service says to one request. Pure: time comes in.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderName;

use super::super::directory::{Guest, Machine};
use super::token::{LONGEST_SECONDS, Tokens};
use super::tree::{Found, Node};
use super::{Cloud, aliyun, ec2, seed, tencent};

/// A request, reduced to what the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Whose metadata.
    pub cloud: Cloud,
    /// The method.
    pub method: &'a str,
    /// The path without its query.
    pub path: &'a str,
    /// The session token, when one was sent.
    pub token: Option<&'a str>,
    /// Seconds that a new token should be good for, when that was sent.
    pub token_seconds: Option<&'a str>,
    /// Whether a proxy passed it on (`X-Forwarded-For`).
    pub forwarded: bool,
    /// What the client calls itself.
    pub agent: &'a str,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// Seconds that the token in the body is good for, and the header that says so.
    pub token_seconds: Option<(HeaderName, u32)>,
    /// How many hops the reply may take, when that is limited.
    pub hops: Option<u8>,
}

const TEXT: &str = "text/plain";
const BINARY: &str = "application/octet-stream";

impl Reply {
    /// A reply of a status and its reason.
    pub fn empty(status: StatusCode) -> Reply {
        let reason = status.canonical_reason().unwrap_or("");
        Reply::of(status, TEXT, Bytes::from(format!("{} - {reason}\n", status.as_u16())))
    }

    fn of(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
        Reply { status, content_type, body, token_seconds: None, hops: None }
    }
}

/// Versions of EC2's interface; all are answered with the newest tree, which holds what the older ones do.
const EC2_VERSIONS: &[&str] = &[
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "latest",
];
const ALIYUN_VERSIONS: &[&str] = &["2014-11-05", "2015-10-20", "2016-01-01", "latest"];
const TENCENT_VERSIONS: &[&str] = &["2017-09-19", "latest"];

/// Answers a request of this guest.
pub fn answer(ask: &Ask<'_>, guest: &Guest, machine: &Machine, tokens: &Tokens, now: u64) -> Reply {
    if !machine.metadata.enabled {
        return Reply::empty(StatusCode::FORBIDDEN);
    }
    let path = ask.path.trim_start_matches('/');
    if path == "latest/api/token" {
        return token(ask, machine, tokens, now);
    }
    if !matches!(ask.method, "GET" | "HEAD") {
        return Reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let allowed = match ask.token {
        Some(token) => tokens.is_good(token, machine.id, now),
        None => !machine.metadata.token_required,
    };
    if !allowed {
        return Reply::empty(StatusCode::UNAUTHORIZED);
    }
    let versions = match ask.cloud {
        Cloud::Ec2 => EC2_VERSIONS,
        Cloud::Aliyun => ALIYUN_VERSIONS,
        Cloud::Tencent => TENCENT_VERSIONS,
    };
    if path.is_empty() {
        return Reply::of(StatusCode::OK, TEXT, versions.join("\n").into());
    }
    let (version, rest) = path.split_once('/').unwrap_or((path, ""));
    if !versions.contains(&version) {
        return Reply::empty(StatusCode::NOT_FOUND);
    }
    match tree(ask, guest, machine).find(rest) {
        Some(Found::Text(text)) => Reply::of(StatusCode::OK, TEXT, text),
        Some(Found::Binary(bytes)) => Reply::of(StatusCode::OK, BINARY, bytes),
        None => Reply::empty(StatusCode::NOT_FOUND),
    }
}

/// Everything under a version.
fn tree(ask: &Ask<'_>, guest: &Guest, machine: &Machine) -> Node {
    let mut root = match ask.cloud {
        Cloud::Ec2 => ec2::tree(&guest.port, machine),
        Cloud::Aliyun => aliyun::tree(&guest.port, machine),
        Cloud::Tencent => tencent::tree(&guest.port, machine),
    };
    if let Some(bytes) = seed::user_data(&machine.metadata, ask.agent) {
        root = root.with("user-data", Node::binary(bytes));
    }
    if let Some(bytes) = seed::vendor_data(&machine.metadata) {
        root = root.hidden("vendor-data", Node::binary(bytes));
    }
    if let Some(hash) = seed::password_hash(&machine.metadata) {
        root = root.hidden("pileus", Node::dir().with("password-hash", Node::text(hash)));
    }
    root
}

fn token(ask: &Ask<'_>, machine: &Machine, tokens: &Tokens, now: u64) -> Reply {
    if ask.method != "PUT" {
        return Reply::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    if ask.forwarded {
        return Reply::empty(StatusCode::FORBIDDEN);
    }
    let seconds = ask.token_seconds.and_then(|text| text.trim().parse::<u32>().ok());
    let Some(seconds) = seconds.filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds)) else {
        return Reply::empty(StatusCode::BAD_REQUEST);
    };
    let name = match ask.cloud {
        Cloud::Ec2 | Cloud::Tencent => HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"),
        Cloud::Aliyun => HeaderName::from_static("x-aliyun-ecs-metadata-token-ttl-seconds"),
    };
    let token = tokens.make(machine.id, now + u64::from(seconds));
    let reply = Reply::of(StatusCode::OK, TEXT, token.into());
    Reply { token_seconds: Some((name, seconds)), hops: Some(machine.metadata.hop_limit.max(1)), ..reply }
}

#[cfg(test)]
mod tests {
    use super::super::super::directory::{Directory, Index};
    use super::super::super::fixture;
    use super::*;
    use hostspec::GuestMetadata;

    const NOW: u64 = 1_800_000_000;

    fn get(cloud: Cloud, path: &str) -> Ask<'_> {
        Ask { cloud, method: "GET", path, token: None, token_seconds: None, forwarded: false, agent: "curl/8" }
    }

    fn put(seconds: &str) -> Ask<'_> {
        let ask = get(Cloud::Ec2, "/latest/api/token");
        Ask { method: "PUT", token_seconds: Some(seconds), ..ask }
    }

    fn said(ask: &Ask<'_>, change: impl FnOnce(&mut GuestMetadata)) -> Reply {
        let mut vpc = fixture::vpc(1);
        let mut nic = fixture::nic(1, 5, fixture::IP);
        nic.public_ip = Some("203.0.113.9".parse().unwrap());
        vpc.nics.push(nic);
        let mut vm = fixture::vm(5, &[&vpc.nics[0]]);
        change(&mut vm.metadata);
        let spec = fixture::host(vec![vpc], vec![vm]);
        let directory = Directory::new(&spec.networks[0], &Index::new(&spec));
        let guest = directory.guest(fixture::IP).unwrap();
        let tokens = Tokens::of([7; 32]);
        answer(ask, guest, guest.machine.as_ref().unwrap(), &tokens, NOW)
    }

    fn check(cloud: Cloud, path: &str, want: &str) {
        let reply = said(&get(cloud, path), |_| {});
        assert_eq!((reply.status, reply.body), (StatusCode::OK, Bytes::from(want.to_owned())), "{path}");
    }

    fn check_status(ask: &Ask<'_>, want: u16, change: impl FnOnce(&mut GuestMetadata)) {
        assert_eq!(said(ask, change).status.as_u16(), want, "{ask:?}");
    }

    #[test]
    fn ec2_paths_are_answered_as_cloud_init_reads_them() {
        check(Cloud::Ec2, "/latest/meta-data/instance-id", "i-00000000000000005");
        check(Cloud::Ec2, "/2009-04-04/meta-data/instance-id", "i-00000000000000005");
        check(Cloud::Ec2, "/2021-03-23/meta-data/local-hostname", "web.vpc.internal");
        check(Cloud::Ec2, "/latest/meta-data/public-keys/", "0=laptop");
        check(Cloud::Ec2, "/latest/meta-data/public-keys/0/", "openssh-key");
        check(Cloud::Ec2, "/latest/meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAAC3Nz me");
        check(Cloud::Ec2, "/latest/meta-data/placement/", "availability-zone\nregion");
        let mac = "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:05";
        check(Cloud::Ec2, "/latest/meta-data/network/interfaces/macs/", "02:00:00:00:00:05/");
        check(Cloud::Ec2, &format!("{mac}/device-number"), "0");
        check(Cloud::Ec2, &format!("{mac}/subnet-ipv4-cidr-block"), "10.0.0.0/24");
        check(Cloud::Ec2, &format!("{mac}/public-ipv4s"), "203.0.113.9");
        check(Cloud::Ec2, &format!("{mac}/ipv4-associations/203.0.113.9"), "10.0.0.5");
        check(Cloud::Ec2, "/latest/dynamic/instance-identity", "document");
    }

    #[test]
    fn a_member_of_a_placement_group_reads_its_name_and_partition() {
        let placed = |metadata: &mut GuestMetadata| {
            metadata.placement = Some(hostspec::GuestPlacement { group: "parts".to_owned(), partition: Some(2) });
        };
        for (path, want) in [
            ("/latest/meta-data/placement/", "availability-zone\ngroup-name\npartition-number\nregion"),
            ("/latest/meta-data/placement/group-name", "parts"),
            ("/latest/meta-data/placement/partition-number", "2"),
        ] {
            assert_eq!(said(&get(Cloud::Ec2, path), placed).body, Bytes::from(want), "{path}");
        }
        assert_eq!(said(&get(Cloud::Ec2, "/latest/meta-data/placement/group-name"), |_| {}).status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_identity_document_is_json_of_the_machine() {
        let reply = said(&get(Cloud::Ec2, "/latest/dynamic/instance-identity/document"), |_| {});
        let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(document["instanceId"], "i-00000000000000005");
        assert_eq!(document["region"], "cn-test-1");
        assert_eq!(document["accountId"], "000000000042");
    }

    #[test]
    fn the_other_clouds_use_their_own_words() {
        check(Cloud::Aliyun, "/2016-01-01/meta-data/instance-id", "i-00000000000000005");
        check(Cloud::Aliyun, "/latest/meta-data/hostname", "web");
        check(Cloud::Aliyun, "/latest/meta-data/eipv4", "203.0.113.9");
        check(Cloud::Aliyun, "/latest/meta-data/vswitch-id", "subnet-00000000000000001");
        check(Cloud::Aliyun, "/latest/meta-data/instance/instance-type", "t1.small");
        check(Cloud::Aliyun, "/latest/meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAAC3Nz me");
        check(Cloud::Aliyun, "/latest/meta-data/dns-conf/nameservers", "10.0.0.1");
        check(Cloud::Tencent, "/latest/meta-data/instance-id", "ins-00000000000000005");
        check(Cloud::Tencent, "/latest/meta-data/placement/zone", "cn-test-1a");
        check(Cloud::Tencent, "/latest/meta-data/instance-name", "front <end>");
        check(Cloud::Tencent, "/latest/meta-data/uuid", "ec2e1916-9099-7caf-fd21-012345abcdef");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in [
            "/3000-01-01/meta-data/",
            "/latest/meta-data/nothing",
            "/latest/user-data",
            "/latest/pileus/password-hash",
            "/latest/vendor-data",
            "/latest/meta-data/tags/",
            "/latest/meta-data/instance-id/more",
            "//..//etc",
        ] {
            check_status(&get(Cloud::Ec2, path), 404, |_| {});
        }
    }

    #[test]
    fn a_token_is_asked_for_with_put_and_a_time() {
        for (seconds, want) in [("21600", 200), ("1", 200), ("0", 400), ("21601", 400), ("soon", 400), ("-1", 400)] {
            check_status(&put(seconds), want, |_| {});
        }
        let reply = said(&put("60"), |m| m.hop_limit = 3);
        assert_eq!(reply.hops, Some(3));
        check_status(&Ask { forwarded: true, ..put("60") }, 403, |_| {});
        check_status(&Ask { method: "GET", ..put("60") }, 405, |_| {});
        check_status(&Ask { token_seconds: None, ..put("60") }, 400, |_| {});
    }

    #[test]
    fn a_required_token_opens_and_a_wrong_one_never_does() {
        let token = said(&put("60"), |_| {}).body;
        let token = std::str::from_utf8(&token).unwrap();
        let ask = get(Cloud::Ec2, "/latest/meta-data/instance-id");
        check_status(&ask, 401, |m| m.token_required = true);
        check_status(&Ask { token: Some(token), ..ask }, 200, |m| m.token_required = true);
        check_status(&Ask { token: Some("AAAA"), ..ask }, 401, |_| {});
    }

    #[test]
    fn a_service_that_is_off_says_so_to_everything() {
        check_status(&get(Cloud::Ec2, "/latest/meta-data/"), 403, |m| m.enabled = false);
        check_status(&put("60"), 403, |m| m.enabled = false);
    }

    #[test]
    fn nothing_can_be_written() {
        for method in ["POST", "DELETE", "PUT"] {
            check_status(&Ask { method, ..get(Cloud::Ec2, "/latest/meta-data/") }, 405, |_| {});
        }
    }

    #[test]
    fn tags_appear_only_when_they_are_shown() {
        let tagged = |m: &mut GuestMetadata| m.tags = vec![("Name".to_owned(), "front".to_owned())];
        let reply = said(&get(Cloud::Ec2, "/latest/meta-data/tags/instance/Name"), tagged);
        assert_eq!(reply.body, Bytes::from("front"));
    }

    #[test]
    fn user_data_comes_as_it_was_given() {
        let gzip = |m: &mut GuestMetadata| m.user_data_base64 = Some("H4sIAAAA".to_owned());
        let reply = said(&get(Cloud::Ec2, "/latest/user-data"), gzip);
        assert_eq!(&reply.body[..4], &[0x1f, 0x8b, 0x08, 0]);
        assert_eq!(reply.content_type, "application/octet-stream");
    }
}
