//! Requests that real clients signed, stored as they came over the line, and what becomes of them
//! when the secret, the clock or a part of the request is another.
//!
//! The files in `tests/signed` were made by boto3 1.44, the AWS SDK for JavaScript 3.1168, libcloud
//! 3.9, Alibaba's Python SDKs (core 2.16, ecs20140526 7.11) and Node SDKs (ecs20140526, pop-core 1.8)
//! and Tencent's Python and Node SDKs, each sent to a socket on the loopback.

use std::path::Path;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use secrecy::SecretString;
use wire::{Args, Base64, Claim, Nonces, Novelty, Request, Scheme, SignatureError, SigningKeys, identify};

const ACCESS_KEY: &str = "PILEUSEXAMPLEKEY";
const SECRET: &str = "pileus/example+secret=1";
const TOKEN: &str = "example/token+of=one=hour";

/// The text that the clients were given wherever they take any.
const ODD: &str = "a b+c*d~e/f=g&h\"ü云%";

struct Captured {
    name: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Captured {
    fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signed");
        let bytes = std::fs::read(folder.join(format!("{name}.http"))).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap().split(' ');
        let headers = lines.map(|line| line.split_once(": ").or(line.split_once(':')).unwrap());
        Self {
            name: name.to_owned(),
            method: first.next().unwrap().to_owned(),
            target: first.next().unwrap().to_owned(),
            headers: headers.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signed");
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                name.strip_suffix(".http").map(str::to_owned)
            })
            .collect();
        names.sort();
        assert!(names.len() >= 34, "captures are missing");
        names.iter().map(|name| Self::read(name)).collect()
    }

    fn request(&self) -> Request {
        let headers = self.headers.clone();
        let body = Bytes::from(self.body.clone());
        Request::new(&self.method, &self.target, headers, body).unwrap()
    }

    fn claim(&self) -> Claim {
        identify(&self.request()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The scheme, which the file's name begins with.
    fn scheme(&self) -> Scheme {
        let schemes = [
            ("aws_v4_presigned_", Scheme::AwsV4Presigned),
            ("aws_v4_", Scheme::AwsV4),
            ("aws_v2_", Scheme::AwsV2),
            ("alibaba_rpc_", Scheme::AlibabaRpc),
            ("alibaba_v3_", Scheme::AlibabaV3),
            ("tencent_v3_", Scheme::TencentV3),
            ("tencent_form_", Scheme::TencentForm),
        ];
        let found = schemes.iter().find(|(start, _)| self.name.starts_with(start));
        found.unwrap().1
    }

    fn header(&mut self, name: &str) -> &mut String {
        let found = self.headers.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name));
        &mut found.unwrap().1
    }
}

fn secret() -> SecretString {
    SecretString::from(SECRET)
}

/// Checks a changed request at the time of its signing.
fn verified(captured: &Captured) -> Result<(), SignatureError> {
    let claim = identify(&captured.request())?;
    claim.verify(&secret(), claim.time)
}

#[test]
fn what_real_clients_sign_is_verified() {
    let keys = SigningKeys::new(8);
    for captured in Captured::all() {
        let claim = captured.claim();
        assert_eq!(claim.scheme, captured.scheme(), "{}", captured.name);
        assert_eq!(claim.access_key, ACCESS_KEY, "{}", captured.name);
        for _ in 0..2 {
            assert_eq!(claim.verify(&secret(), claim.time), Ok(()), "{}", captured.name);
            let with_keys = claim.verify_with(&secret(), claim.time, &keys);
            assert_eq!(with_keys, Ok(()), "{}", captured.name);
        }
        let has_token = captured.name.contains("token")
            || ["aws_v4_js_run_instances", "aws_v4_presigned_boto3", "tencent_form_sha256_post"].contains(&captured.name.as_str());
        let token = has_token.then(|| TOKEN.to_owned());
        assert_eq!(claim.session_token, token, "{}", captured.name);
    }
}

#[test]
fn the_parameters_that_were_signed_are_the_ones_decoded() {
    let boto = Args::from_request(&Captured::read("aws_v4_boto3_run_instances").request());
    let user_data: Base64 = boto.unwrap().get("UserData").unwrap();
    assert_eq!(user_data.0, ODD.as_bytes());
    for (name, path) in [
        ("aws_v4_js_run_instances", "UserData"),
        ("alibaba_rpc_core_run_instances", "InstanceName"),
        ("alibaba_rpc_core_common_post", "InstanceName"),
        ("alibaba_rpc_core_common_get", "Q"),
        ("alibaba_rpc_popcore_post", "InstanceName"),
        ("alibaba_rpc_popcore_get", "InstanceName"),
        ("alibaba_rpc_tea_v2", "InstanceName"),
        ("alibaba_v3_tea_run_instances", "InstanceName"),
        ("alibaba_v3_node", "InstanceName"),
    ] {
        let args = Args::from_request(&Captured::read(name).request()).unwrap();
        assert_eq!(args.text(path), Some(ODD), "{name}");
    }
    for captured in Captured::all() {
        if captured.name != "aws_v4_boto3_ebs_unsigned_body" {
            let args = Args::from_request(&captured.request());
            assert!(args.is_ok(), "{}: {args:?}", captured.name);
        }
    }
}

#[test]
fn another_secret_does_not_match() {
    let other = SecretString::from("another");
    let keys = SigningKeys::new(8);
    for captured in Captured::all() {
        let claim = captured.claim();
        let mismatch = Err(SignatureError::Mismatch { scheme: claim.scheme });
        assert_eq!(claim.verify(&other, claim.time), mismatch, "{}", captured.name);
        // The right secret's key must not serve the wrong one.
        assert_eq!(claim.verify_with(&secret(), claim.time, &keys), Ok(()));
        assert_eq!(claim.verify_with(&other, claim.time, &keys), mismatch, "{}", captured.name);
    }
}

#[test]
fn an_altered_parameter_path_or_body_is_refused() {
    let marks = ["snapshots/", "Action=Describe", "Action=Run", "Action=List", "RegionId=cn", "Limit", "InstanceId"];
    for mut captured in Captured::all() {
        if captured.name == "tencent_v3_unsigned_payload" {
            continue;
        }
        let body = String::from_utf8_lossy(&captured.body).into_owned();
        let in_target = marks.iter().find(|mark| captured.target.contains(**mark));
        let in_body = marks.iter().find(|mark| body.contains(**mark));
        match (in_target, in_body) {
            (Some(mark), _) => captured.target = captured.target.replacen(mark, &altered(mark), 1),
            (None, Some(mark)) => captured.body = body.replacen(mark, &altered(mark), 1).into_bytes(),
            (None, None) if body.is_empty() => continue,
            (None, None) => captured.body.push(b'='),
        }
        let scheme = captured.scheme();
        let expected = match captured.name.as_str() {
            "aws_v4_js_run_instances" => SignatureError::BodyTampered { scheme },
            _ => SignatureError::Mismatch { scheme },
        };
        assert_eq!(verified(&captured), Err(expected), "{}", captured.name);
    }
}

/// The text with its last letter exchanged.
fn altered(text: &str) -> String {
    let mut altered = text.to_owned();
    altered.pop();
    altered.push('q');
    altered
}

#[test]
fn an_added_parameter_is_refused() {
    for mut captured in Captured::all() {
        let mark = if captured.target.contains('?') { '&' } else { '?' };
        captured.target = format!("{}{mark}DryRun=false", captured.target);
        let scheme = captured.scheme();
        assert_eq!(verified(&captured), Err(SignatureError::Mismatch { scheme }), "{}", captured.name);
    }
}

#[test]
fn a_body_beside_signed_parameters_is_refused() {
    for name in ["alibaba_rpc_core_describe_instances", "aws_v2_libcloud", "tencent_form_sha1_get"] {
        let mut captured = Captured::read(name);
        captured.headers.retain(|(key, _)| !key.eq_ignore_ascii_case("content-type"));
        let media = ("Content-Type".to_owned(), "application/json".to_owned());
        captured.headers.push(media);
        captured.body = br#"{"Force":true}"#.to_vec();
        let scheme = captured.scheme();
        assert_eq!(verified(&captured), Err(SignatureError::BodyTampered { scheme }), "{name}");
    }
}

#[test]
fn a_body_other_than_its_signed_hash_is_told_apart() {
    for name in ["aws_v4_js_run_instances", "alibaba_v3_tea_describe_instances"] {
        let mut captured = Captured::read(name);
        captured.body.extend_from_slice(b"&MaxCount=100");
        let scheme = captured.scheme();
        assert_eq!(verified(&captured), Err(SignatureError::BodyTampered { scheme }), "{name}");
    }
}

#[test]
fn a_stale_or_early_signature_is_refused() {
    let second = SignedDuration::from_secs(1);
    for captured in Captured::all() {
        let claim = captured.claim();
        let (scheme, at) = (claim.scheme, claim.valid_until());
        assert_eq!(claim.verify(&secret(), at), Ok(()), "{}", captured.name);
        let late = claim.verify(&secret(), at + second);
        assert_eq!(late, Err(SignatureError::Expired { scheme, at }), "{}", captured.name);
        let early = claim.verify(&secret(), claim.time - 16.minutes());
        let is_early = matches!(early, Err(SignatureError::NotYetValid { .. }));
        assert!(is_early, "{}: {early:?}", captured.name);
    }
    for (name, life) in [
        ("aws_v4_boto3_run_instances", 15.minutes()),
        ("aws_v4_presigned_boto3", 10.minutes()),
        ("aws_v2_boto3", 15.minutes()),
        ("alibaba_rpc_core_token", 15.minutes()),
        ("alibaba_v3_node", 15.minutes()),
        ("tencent_v3_post", 5.minutes()),
        ("tencent_form_sha1_post", 5.minutes()),
    ] {
        let claim = Captured::read(name).claim();
        assert_eq!(claim.valid_until(), claim.time + life, "{name}");
    }
}

#[test]
fn a_header_that_matters_must_be_signed() {
    let scheme = Scheme::AlibabaV3;
    let mut captured = Captured::read("alibaba_v3_tea_describe_instances");
    *captured.header("authorization") = captured.header("authorization").replace("x-acs-action;", "");
    let header = "x-acs-action";
    assert_eq!(verified(&captured), Err(SignatureError::NotSigned { scheme, header }));

    let scheme = Scheme::AwsV4;
    for (header, value) in [("x-amz-target", "AmazonSSM.SendCommand"), ("idempotency-key", "another")] {
        let mut captured = Captured::read("aws_v4_boto3_describe_instances");
        captured.headers.push((header.to_owned(), value.to_owned()));
        assert_eq!(verified(&captured), Err(SignatureError::NotSigned { scheme, header }));
    }
}

#[test]
fn a_scope_of_another_day_is_refused() {
    for name in ["aws_v4_boto3_describe_instances", "tencent_v3_post"] {
        let mut captured = Captured::read(name);
        let value = captured.header("authorization");
        *value = value.replace("20261121", "20261120").replace("2026-11-21", "2026-11-20");
        let (scheme, part) = (captured.scheme(), "Credential");
        assert_eq!(verified(&captured), Err(SignatureError::Malformed { scheme, part }), "{name}");
    }
}

#[test]
fn what_is_missing_or_unreadable_is_named() {
    let request = |target: &str, headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        identify(&Request::new("GET", target, headers, Bytes::new()).unwrap()).unwrap_err()
    };
    let incomplete = |scheme, part| SignatureError::Incomplete { scheme, part };
    let malformed = |scheme, part| SignatureError::Malformed { scheme, part };
    let unknown = |name: &str| SignatureError::UnknownAlgorithm { cloud: wire::Cloud::Alibaba, name: name.to_owned() };
    let auth = |value| [("Authorization", value)];
    for (target, headers, expected) in [
        ("/", None, SignatureError::Missing),
        ("/?Action=DescribeInstances", None, SignatureError::Missing),
        ("/", Some("Basic dXNlcg=="), SignatureError::Missing),
        ("/", Some("AWS4-HMAC-SHA256"), incomplete(Scheme::AwsV4, "Credential")),
        ("/", Some("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=00"), malformed(Scheme::AwsV4, "Credential")),
        (
            "/",
            Some("AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=host, Signature=00"),
            incomplete(Scheme::AwsV4, "X-Amz-Date"),
        ),
        ("/", Some("ACS3-HMAC-SM3 Credential=a"), unknown("ACS3-HMAC-SM3")),
        ("/?AccessKeyId=a", None, incomplete(Scheme::AlibabaRpc, "SignatureMethod")),
        ("/?AccessKeyId=a&SignatureMethod=SHA256withRSA", None, unknown("SHA256withRSA")),
        (
            "/?AccessKeyId=a&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SignatureNonce=n&Timestamp=noon",
            None,
            SignatureError::BadTimestamp { scheme: Scheme::AlibabaRpc },
        ),
        ("/?AWSAccessKeyId=a", None, incomplete(Scheme::AwsV2, "Signature")),
        ("/?SecretId=a&Signature=b", None, incomplete(Scheme::TencentForm, "Nonce")),
    ] {
        let headers = headers.map(auth);
        let headers = headers.as_ref().map_or(&[][..], |headers| &headers[..]);
        assert_eq!(request(target, headers), expected, "{target} {headers:?}");
    }
}

#[test]
fn a_nonce_is_good_for_one_request_of_one_key() {
    let nonces = Nonces::new(2);
    let first = Captured::read("alibaba_rpc_core_token").claim();
    let second = Captured::read("alibaba_v3_node").claim();
    let third = Captured::read("alibaba_rpc_libcloud").claim();
    let now = first.time;
    assert_eq!(nonces.use_once(&first, now), Novelty::Fresh);
    assert_eq!(nonces.use_once(&first, now), Novelty::Replayed);
    assert_eq!(nonces.use_once(&second, now), Novelty::Fresh);
    assert_eq!(nonces.use_once(&second, now), Novelty::Replayed);
    let mut of_another_key = second.clone();
    of_another_key.access_key = "ANOTHER".to_owned();
    assert_eq!(nonces.use_once(&of_another_key, now), Novelty::Fresh);
    // The memory holds two: the oldest had to go.
    assert_eq!(nonces.use_once(&third, now), Novelty::Fresh);
    assert_eq!(nonces.use_once(&third, now), Novelty::Replayed);
    let later: Timestamp = third.valid_until() + 1.hour();
    assert_eq!(nonces.use_once(&third, later), Novelty::Fresh);
}

#[test]
fn a_nonce_of_tencents_counts_with_its_signature() {
    let captured = Captured::read("tencent_form_sha256_post");
    let claim = captured.claim();
    assert_eq!(captured.claim().nonce, claim.nonce);
    let body = String::from_utf8(captured.body.clone()).unwrap();
    let (before, after) = body.split_once("Signature=").unwrap();
    let mut other = Captured { body: format!("{before}Signature=AAAA{}", &after[4..]).into_bytes(), ..captured };
    let of_another_request = other.claim();
    assert_ne!(of_another_request.nonce, claim.nonce, "the same number in another request is no replay");
    // The same bytes, written in another way.
    other.body = body.replace("%3D", "=").into_bytes();
    assert_eq!(other.claim().nonce, claim.nonce);
}

#[test]
fn an_absolute_target_and_an_odd_host_change_nothing() {
    let mut captured = Captured::read("alibaba_rpc_core_describe_instances");
    captured.target = format!("http://ecs-cn-hangzhou.aliyuncs.com{}", captured.target);
    assert_eq!(verified(&captured), Ok(()));

    let mut captured = Captured::read("tencent_v3_post");
    let host = captured.header("host").clone();
    *captured.header("host") = format!("http://{host}");
    assert_eq!(verified(&captured), Ok(()));
}

#[test]
fn a_claim_shown_for_debugging_keeps_what_was_signed() {
    let claim = Captured::read("alibaba_rpc_core_token").claim();
    let shown = format!("{claim:?}");
    assert!(shown.contains(ACCESS_KEY));
    assert!(!shown.contains("example%2F") && !shown.contains(TOKEN), "{shown}");
}

proptest! {
    #[test]
    fn nothing_that_looks_like_a_signature_panics(
        authorization in "(AWS4|ACS3|TC3)-HMAC-SHA256 ((Credential|SignedHeaders|Signature)=[a/0-9;é]{0,40}, ?){0,4}",
        date in "[0-9TZ:é-]{0,20}",
        query in "((X-Amz-[A-Z][a-z]{3,8}|AWSAccessKeyId|SecretId|AccessKeyId|Signature|Timestamp|Expires)[=&%a-z0-9]){0,12}",
        host in ".{0,20}",
    ) {
        let headers = [
            ("authorization", &authorization),
            ("x-amz-date", &date),
            ("x-acs-date", &date),
            ("x-tc-timestamp", &date),
            ("host", &host),
        ];
        for signed in [0, 1] {
            let headers = headers[signed..].iter().map(|(k, v)| ((*k).to_owned(), (*v).clone()));
            let request = Request::new("GET", format!("/?{query}"), headers, Bytes::new()).unwrap();
            if let Ok(claim) = identify(&request) {
                prop_assert!(claim.verify(&secret(), claim.time).is_err());
            }
            wire::guess_cloud(&request);
        }
    }
}
