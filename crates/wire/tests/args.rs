//! Parameters in, typed structures out: what the derives promise to the dialects.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use wire::{Args, ArgsError, ArgsErrorKind, Base64, CommaList, FromArg, Json, JsonList, limits, parameter_names, parse_text};

#[derive(Debug, FromArg, PartialEq)]
struct RunInstances {
    image_id: String,
    #[arg(range = 1..=100)]
    min_count: u32,
    #[arg(default = 1, range = 1..)]
    max_count: u32,
    #[arg(name = "InstanceId")]
    instance_ids: Vec<String>,
    #[arg(name = "BlockDeviceMapping", max_items = 3)]
    block_devices: Vec<BlockDevice>,
    #[arg(name = "EbsOptimized", default)]
    is_optimized: bool,
    shutdown: Option<Shutdown>,
    #[arg(max_len = 8, min_len = 2)]
    client_token: Option<String>,
    #[arg(name = "DiskIds")]
    disks: JsonList<String>,
    status: CommaList<String>,
    user_data: Option<Base64>,
    launch_time: Option<Timestamp>,
    #[arg(with = parse_text)]
    network: Option<std::net::SocketAddr>,
    #[arg(with = parse_text)]
    sources: Vec<std::net::SocketAddr>,
    #[arg(flatten)]
    page: Page,
}

#[derive(Debug, FromArg, PartialEq)]
struct BlockDevice {
    #[arg(alias = "Name")]
    device_name: Option<String>,
    ebs: Ebs,
}

#[derive(Debug, FromArg, PartialEq)]
struct Ebs {
    volume_size: Option<u16>,
}

#[derive(Debug, FromArg, PartialEq)]
struct Page {
    #[arg(range = 5..=1000)]
    max_results: Option<u32>,
    next_token: Option<String>,
}

#[derive(Debug, FromArg, PartialEq)]
#[arg(rename = "kebab-case")]
enum Shutdown {
    Stop,
    #[arg(alias = "terminate", name = "terminated")]
    Terminate,
    SoftFirst,
}

fn decode<T: FromArg>(form: &str) -> Result<T, ArgsError> {
    Args::from_form(form)?.decode()
}

fn run(form: &str) -> Result<RunInstances, ArgsError> {
    decode(&format!("ImageId=ami-1&MinCount=1&{form}"))
}

#[test]
fn a_structure_is_decoded_with_all_its_kinds_of_members() {
    let run = run("InstanceId.2=b&InstanceId.10=c&InstanceId.0=a\
         &BlockDeviceMapping.1.DeviceName=%2Fdev%2Fxvda&BlockDeviceMapping.1.Ebs.VolumeSize=20\
         &BlockDeviceMapping.2.Name=x+y&BlockDeviceMapping.2.Ebs.VolumeSize=\
         &EbsOptimized=True&Shutdown=soft-first&ClientToken=abc&DiskIds=%5B%22d-1%22%2C%22d-2%22%5D\
         &Status=Available,+Creating&UserData=aGk&LaunchTime=2026-11-20T23:20Z&MaxResults=7\
         &Network=10.0.0.1%3A80&Sources.1=10.0.0.2%3A1");
    let disk = |name: &str, size| BlockDevice { device_name: Some(name.to_owned()), ebs: Ebs { volume_size: size } };
    assert_eq!(
        run,
        Ok(RunInstances {
            image_id: "ami-1".to_owned(),
            min_count: 1,
            max_count: 1,
            instance_ids: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            block_devices: vec![disk("/dev/xvda", Some(20)), disk("x y", None)],
            is_optimized: true,
            shutdown: Some(Shutdown::SoftFirst),
            client_token: Some("abc".to_owned()),
            disks: Json(vec!["d-1".to_owned(), "d-2".to_owned()]),
            status: CommaList(vec!["Available".to_owned(), "Creating".to_owned()]),
            user_data: Some(Base64(b"hi".to_vec())),
            launch_time: Some("2026-11-20T23:20:00Z".parse().unwrap()),
            network: Some("10.0.0.1:80".parse().unwrap()),
            sources: vec!["10.0.0.2:1".parse().unwrap()],
            page: Page { max_results: Some(7), next_token: None },
        })
    );
}

#[test]
fn each_wrong_parameter_is_named_with_what_is_wrong() {
    use ArgsErrorKind as Kind;
    for (form, path, kind) in [
        ("BlockDeviceMapping.2.DeviceName=x", "BlockDeviceMapping.2.Ebs", Kind::Missing),
        ("MaxCount=x", "MaxCount", Kind::NotANumber),
        ("MaxCount=1.5", "MaxCount", Kind::NotANumber),
        ("MaxCount=-1", "MaxCount", Kind::OutOfRange { min: 0, max: u32::MAX.into() }),
        ("MaxCount=0", "MaxCount", Kind::OutOfRange { min: 1, max: i128::MAX }),
        ("MaxResults=1001", "MaxResults", Kind::OutOfRange { min: 5, max: 1000 }),
        ("MaxCount=99999999999999999999999999999999999999999999999", "MaxCount", Kind::OutOfRange { min: 0, max: u32::MAX.into() }),
        ("BlockDeviceMapping.3.Ebs.VolumeSize=70000", "BlockDeviceMapping.3.Ebs.VolumeSize", Kind::OutOfRange { min: 0, max: 65535 }),
        ("EbsOptimized=yes", "EbsOptimized", Kind::NotABoolean),
        ("Shutdown=Stop", "Shutdown", Kind::NotOneOf { allowed: &["stop", "terminated", "soft-first"] }),
        ("ClientToken=123456789", "ClientToken", Kind::TooLong { max: 8 }),
        ("ClientToken=1", "ClientToken", Kind::TooShort { min: 2 }),
        ("DiskIds=d-1", "DiskIds", Kind::NotJson),
        ("DiskIds=%22d-1%22", "DiskIds", Kind::NotJson),
        ("DiskIds=%5B%5B1%5D%5D", "DiskIds.0", Kind::NotAValue),
        ("UserData=%21%21", "UserData", Kind::NotBase64),
        ("LaunchTime=yesterday", "LaunchTime", Kind::NotATimestamp),
        ("Network=here", "Network", Kind::Malformed),
        ("Sources.4=here", "Sources.4", Kind::Malformed),
        ("InstanceId=i-1", "InstanceId", Kind::NotAList),
        ("InstanceId.x=i-1", "InstanceId.x", Kind::Malformed),
        ("InstanceId.1=a&InstanceId.01=b", "InstanceId.1", Kind::Duplicate),
        ("InstanceId.1.Name=a", "InstanceId.1", Kind::NotAValue),
        ("BlockDeviceMapping.1=a", "BlockDeviceMapping.1", Kind::NotAStructure),
        ("BlockDeviceMapping.1.Ebs=a", "BlockDeviceMapping.1.Ebs", Kind::NotAStructure),
        (
            "BlockDeviceMapping.1.Ebs.A=&BlockDeviceMapping.2.Ebs.A=&BlockDeviceMapping.3.Ebs.A=\
             &BlockDeviceMapping.4.Ebs.A=",
            "BlockDeviceMapping",
            Kind::TooMany { max: 3 },
        ),
        ("MaxCount=1&MaxCount=2", "MaxCount", Kind::Duplicate),
        ("MaxCount=1&MaxCount=1", "MaxCount", Kind::Duplicate),
        ("MaxCount=1&maxcount=2", "MaxCount", Kind::Duplicate),
        ("ClientToken=a&ClientToken.1=b", "ClientToken", Kind::Malformed),
        ("A..B=1", "A..B", Kind::Malformed),
        ("X=%FF", "X", Kind::Malformed),
        ("A.1.2.3.4.5.6.7.8.9.10=1", "A.1.2.3.4.5.6.7.8.9.10", Kind::TooDeep { max: 10 }),
    ] {
        let error = run(form).expect_err(form);
        assert_eq!((error.path.as_str(), error.kind), (path, kind), "{form}");
    }
    let missing = decode::<RunInstances>("MinCount=1").unwrap_err();
    assert_eq!((missing.path.as_str(), missing.kind), ("ImageId", Kind::Missing));
}

#[test]
fn names_are_found_whatever_their_case() {
    let run = decode::<RunInstances>("imageid=ami-1&MINCOUNT=2&instanceId.1=a").unwrap();
    assert_eq!((run.image_id.as_str(), run.min_count), ("ami-1", 2));
    assert_eq!(run.instance_ids, ["a"]);
}

#[test]
fn the_same_said_twice_in_two_spellings_is_said_once() {
    let args = Args::from_form("regionId=cn-a&RegionId=cn-a").unwrap();
    assert_eq!(args.text("RegionId"), Some("cn-a"));
}

#[test]
fn lists_of_the_query_protocol_are_lists() {
    #[derive(Debug, FromArg)]
    struct Describe {
        #[arg(name = "AutoScalingGroupNames")]
        names: Vec<String>,
        tags: Vec<BTreeMap<String, String>>,
        filters: Vec<String>,
    }
    let form = "AutoScalingGroupNames.member.1=a&AutoScalingGroupNames.member.2=b\
                &Tags.member.1.Key=k&Tags.member.1.Value=v&Filters=";
    let describe: Describe = decode(form).unwrap();
    assert_eq!(describe.names, ["a", "b"]);
    assert_eq!(describe.tags[0]["Value"], "v");
    assert!(describe.filters.is_empty());
}

#[test]
fn json_bodies_make_the_same_tree() {
    let json = br#"{"ImageId":"ami-1","MinCount":2,"InstanceId":["a",null,"b"],"EbsOptimized":true,
        "BlockDeviceMapping":[{"DeviceName":"x","Ebs":{"VolumeSize":20}}],"NextToken":null}"#;
    let run: RunInstances = Args::from_json(json).unwrap().decode().unwrap();
    assert_eq!((run.min_count, run.is_optimized), (2, true));
    assert_eq!(run.instance_ids, ["a", "b"]);
    assert_eq!(run.block_devices[0].ebs.volume_size, Some(20));
    assert_eq!(run.page.next_token, None);
    for (json, path, kind) in [
        ("[]x", "", ArgsErrorKind::NotJson),
        ("3", "", ArgsErrorKind::NotJson),
        (r#"{"A":1,"a":2}"#, "A", ArgsErrorKind::Duplicate),
        (r#"{"A":[[[[[[[[[[[1]]]]]]]]]]]}"#, "A.0.0.0.0.0.0.0.0.0.0", ArgsErrorKind::TooDeep { max: 10 }),
    ] {
        let error = Args::from_json(json.as_bytes()).expect_err(json);
        assert_eq!((error.path.as_str(), error.kind), (path, kind), "{json}");
    }
}

#[test]
fn what_nobody_read_is_listed() {
    let args = Args::from_form("Action=X&Signature=s&ImageId=a&MinCount=1&Tag.1.Key=k&Foo=1").unwrap();
    args.decode::<RunInstances>().unwrap();
    assert_eq!(args.text("action"), Some("X"));
    assert_eq!(args.unknown(&["signature"]), ["Foo", "Tag.1.Key"]);
}

#[test]
fn limits_on_numbers_of_things_are_held() {
    let many: Vec<_> = (0..=limits::MAX_PARAMETERS).map(|n| format!("a{n}=")).collect();
    let error = Args::from_form(&many.join("&")).unwrap_err();
    assert_eq!(error.kind, ArgsErrorKind::TooMany { max: limits::MAX_PARAMETERS });
    let list: Vec<_> = (0..=limits::MAX_LIST).map(|n| format!("InstanceId.{n}=i")).collect();
    let error = run(&list.join("&")).unwrap_err();
    assert_eq!(error.kind, ArgsErrorKind::TooMany { max: limits::MAX_LIST });
    let json = format!("[{}0]", "0,".repeat(limits::MAX_PARAMETERS));
    let error = decode::<RunInstances>(&format!("ImageId=a&MinCount=1&DiskIds={json}")).unwrap_err();
    assert_eq!(error.kind, ArgsErrorKind::TooMany { max: limits::MAX_PARAMETERS });
    let name = "n".repeat(limits::MAX_NAME_BYTES + 1);
    let error = Args::from_form(&name).unwrap_err();
    assert_eq!(error.kind, ArgsErrorKind::TooLong { max: limits::MAX_NAME_BYTES });
}

#[test]
fn secrets_stay_out_of_debug_texts_and_errors() {
    #[derive(Debug, FromArg)]
    struct Reset {
        #[arg(max_len = 4)]
        password: SecretString,
    }
    let args = Args::from_form("Password=hidden").unwrap();
    assert!(!format!("{args:?}").contains("hidden"));
    let error = args.decode::<Reset>().unwrap_err();
    assert!(!format!("{error:?}{error}").contains("hidden"));
    let reset: Reset = decode("Password=abcd").unwrap();
    assert_eq!(reset.password.expose_secret(), "abcd");
}

#[test]
fn the_parameters_of_a_structure_can_be_listed() {
    let names = parameter_names(RunInstances::PARAMETERS);
    let expected = [
        "ImageId",
        "MinCount",
        "MaxCount",
        "InstanceId.N",
        "BlockDeviceMapping.N.DeviceName",
        "BlockDeviceMapping.N.Ebs.VolumeSize",
        "EbsOptimized",
        "Shutdown",
        "ClientToken",
        "DiskIds",
        "Status",
        "UserData",
        "LaunchTime",
        "Network",
        "Sources.N",
        "MaxResults",
        "NextToken",
    ];
    assert_eq!(names, expected);
    let required = RunInstances::PARAMETERS.iter().filter(|p| p.required && !p.name.is_empty());
    let required: Vec<_> = required.map(|p| p.name).collect();
    assert_eq!(required, ["ImageId", "MinCount"]);
}

proptest! {
    #[test]
    fn nothing_sent_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(args) = Args::from_form(&text) {
            let _ = args.decode::<RunInstances>();
            args.unknown(&[]);
        }
        let _ = Args::from_json(&bytes);
    }

    #[test]
    fn nothing_that_looks_like_parameters_panics(
        text in "((ImageId|InstanceId|member|Ebs|BlockDeviceMapping|[0-9]{1,2})[.=&%+0-9a]){0,30}",
    ) {
        if let Ok(args) = Args::from_form(&text) {
            let _ = args.decode::<RunInstances>();
            let _ = args.decode::<BTreeMap<String, Vec<String>>>();
        }
    }

    #[test]
    fn any_text_arrives_as_it_was(
        texts in proptest::collection::vec(any::<String>(), 0..12),
        start in 0u32..3,
    ) {
        let pairs = texts.iter().enumerate().map(|(at, text)| {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            format!("Text.{}={encoded}", at as u32 + start)
        });
        let form = pairs.rev_if(start == 1).join("&");
        let args = Args::from_form(&form).expect("the form is well formed");
        prop_assert_eq!(args.get::<Vec<String>>("Text"), Ok(texts));
    }
}

/// Collects strings, backwards or not.
trait RevIf {
    fn rev_if(self, backwards: bool) -> Vec<String>;
}

impl<I: Iterator<Item = String>> RevIf for I {
    fn rev_if(self, backwards: bool) -> Vec<String> {
        let mut all: Vec<_> = self.collect();
        if backwards {
            all.reverse();
        }
        all
    }
}
