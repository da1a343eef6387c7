//! Measures what a request costs before and after the control plane, on this machine:
//! `cargo run --release -p pileus-wire --example speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use secrecy::SecretString;
use wire::{Args, FromArg, Request, Show, SigningKeys, envelope, identify};

const CAPTURED: &str = include_str!("../tests/signed/aws_v4_boto3_describe_instances.http");

#[derive(FromArg)]
struct Describe {
    #[arg(name = "Filter")]
    filters: Vec<Filter>,
    max_results: Option<u32>,
}

#[derive(FromArg)]
struct Filter {
    name: String,
    #[arg(name = "Value")]
    values: Vec<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Described {
    reservation_set: Vec<Instance>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Instance {
    instance_id: String,
    image_id: &'static str,
    launch_time: jiff::Timestamp,
    ebs_optimized: bool,
    private_dns_name: String,
    tag_set: Vec<Tag>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Tag {
    key: &'static str,
    value: String,
}

fn main() {
    let (head, body) = CAPTURED.split_once("\r\n\r\n").expect("a captured request has a body");
    let mut lines = head.split("\r\n");
    lines.next();
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let secret = SecretString::from("pileus/example+secret=1");
    let keys = SigningKeys::new(16);
    let request = || Request::new("POST", "/", headers.clone(), Bytes::from_static(body.as_bytes())).expect("the request is well formed");
    measure("identify and verify", || {
        let claim = identify(&request()).expect("the request is signed");
        claim.verify(&secret, claim.time).expect("the signature matches");
    });
    measure("identify and verify, key kept", || {
        let claim = identify(&request()).expect("the request is signed");
        let verified = claim.verify_with(&secret, claim.time, &keys);
        verified.expect("the signature matches");
    });
    measure("decode DescribeInstances", || {
        let args = Args::from_request(&request()).expect("the parameters are well formed");
        let describe: Describe = args.decode().expect("the parameters are right");
        black_box(describe.filters.iter().map(|f| f.name.len() + f.values.len()).sum::<usize>());
        black_box(describe.max_results);
    });
    let reply = described();
    measure("write 100 instances as EC2's XML", || {
        black_box(envelope::ec2_xml("DescribeInstances", "id", &reply));
    });
    measure("write 100 instances as ECS' JSON", || {
        black_box(envelope::alibaba_json("id", &reply));
    });
}

fn described() -> Described {
    let instance = |n: usize| Instance {
        instance_id: format!("i-{n:017x}"),
        image_id: "ami-0123456789abcdef0",
        launch_time: jiff::Timestamp::UNIX_EPOCH,
        ebs_optimized: false,
        private_dns_name: format!("ip-10-0-0-{n}.internal"),
        tag_set: (0..20).map(|tag| Tag { key: "Name", value: format!("value {tag} of <{n}>") }).collect(),
    };
    Described { reservation_set: (0..100).map(instance).collect() }
}

/// Runs for half a second and says what one run took.
fn measure(what: &str, mut run: impl FnMut()) {
    run();
    let (start, mut runs) = (Instant::now(), 0u32);
    while start.elapsed() < Duration::from_millis(500) {
        run();
        runs += 1;
    }
    let each = start.elapsed() / runs;
    println!("{what}: {each:?}");
}
