//! Typed replies in, each vendor's text out.

use std::net::IpAddr;

use jiff::Timestamp;
use proptest::prelude::*;
use wire::envelope::{self, AlibabaError, Fault};
use wire::{Doc, Minute, OrEmpty, Plain, Show, json, xml};

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Described {
    #[reply(name = "reservationSet")]
    reservations: Vec<Reservation>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Reservation {
    instance_id: &'static str,
    ebs_optimized: bool,
    launch_time: Option<Timestamp>,
    #[reply(name = "stateCode")]
    code: i32,
    state: State,
    #[reply(skip_empty)]
    tag_set: Vec<String>,
    group_set: Vec<String>,
    #[reply(flatten)]
    more: More,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct More {
    reason: String,
}

#[derive(Clone, Copy, Show)]
#[reply(rename = "kebab-case")]
enum State {
    ShuttingDown,
    #[reply(name = "up")]
    Running,
}

#[derive(Show)]
struct Instances {
    total_count: u64,
    #[reply(list = "Instance")]
    instances: Vec<Instance>,
    #[reply(list = "")]
    plans: Vec<&'static str>,
}

#[derive(Show)]
struct Instance {
    instance_name: String,
    creation_time: Minute,
    expired_time: Option<Timestamp>,
    price: f64,
    #[reply(list = "SecurityGroupId")]
    security_group_ids: Vec<&'static str>,
}

fn noon() -> Timestamp {
    "2026-11-20T12:00:00.5Z".parse().unwrap()
}

fn described() -> Described {
    let reservation = |id, state, launch_time| Reservation {
        instance_id: id,
        ebs_optimized: false,
        launch_time,
        code: 16,
        state,
        tag_set: vec![],
        group_set: vec![],
        more: More { reason: "<a & \"b\">\u{1}\u{0}\r\n\u{ffff}\u{20ac}".to_owned() },
    };
    let reservations = vec![reservation("i-1", State::Running, Some(noon())), reservation("i-2", State::ShuttingDown, None)];
    Described { reservations, next_token: None }
}

fn instances() -> Instances {
    let instance = Instance {
        instance_name: "a\"\\\n\u{1}/<\u{20ac}".to_owned(),
        creation_time: Minute(noon()),
        expired_time: Some(noon()),
        price: 1.0,
        security_group_ids: vec!["sg-1", "sg-2"],
    };
    Instances { total_count: 1, instances: vec![instance], plans: vec!["p", "q"] }
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

#[test]
fn ec2_gets_its_items_its_namespace_and_no_empty_numbers() {
    let item = |id: &str, time: &str, state: &str| {
        format!(
            "<item><instanceId>{id}</instanceId><ebsOptimized>false</ebsOptimized>{time}\
             <stateCode>16</stateCode><state>{state}</state><groupSet/>\
             <reason>&lt;a &amp; &quot;b&quot;&gt;\u{fffd}\u{fffd}&#13;\n\u{fffd}\u{20ac}</reason></item>"
        )
    };
    let first = item("i-1", "<launchTime>2026-11-20T12:00:00.500Z</launchTime>", "up");
    let second = item("i-2", "", "shutting-down");
    let expected = format!(
        "{DECLARATION}<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>r-1</requestId><reservationSet>{first}{second}</reservationSet>\
         </DescribeInstancesResponse>"
    );
    assert_eq!(envelope::ec2_xml("DescribeInstances", "r-1", &described()), expected);
}

#[test]
fn an_ec2_action_that_returns_nothing_returns_true() {
    let expected = format!(
        "{DECLARATION}<DeleteTagsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>r</requestId><return>true</return></DeleteTagsResponse>"
    );
    assert_eq!(envelope::ec2_xml("DeleteTags", "r", &()), expected);
}

#[test]
fn the_query_protocol_wraps_results_and_errors() {
    let reply = Doc::object([("Names", Doc::list("member", ["a"])), ("Gone", Doc::Null)]);
    let expected = format!(
        "{DECLARATION}<XResponse xmlns=\"n:/\"><XResult><Names><member>a</member></Names></XResult>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></XResponse>"
    );
    assert_eq!(envelope::query_xml("X", "n:/", "r", &reply), expected);
    let expected = format!(
        "{DECLARATION}<ErrorResponse xmlns=\"n:/\"><Error><Type>Sender</Type><Code>C</Code>\
         <Message>&lt;m&gt;</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    let error = envelope::query_error_xml("n:/", "r", Fault::Sender, ("C", "<m>"));
    assert_eq!(error, expected);
}

#[test]
fn ecs_json_wraps_lists_twice_unless_they_have_no_item_name() {
    let expected = concat!(
        r#"{"RequestId":"r","TotalCount":1,"Instances":{"Instance":[{"#,
        r#""InstanceName":"a\"\\\n\u0001/<€","CreationTime":"2026-11-20T12:00Z","#,
        r#""ExpiredTime":"2026-11-20T12:00:00Z","Price":1.0,"#,
        r#""SecurityGroupIds":{"SecurityGroupId":["sg-1","sg-2"]}}]},"Plans":["p","q"]}"#,
    );
    assert_eq!(envelope::alibaba_json("r", &instances()), expected);
    assert_eq!(envelope::alibaba_json("r", &()), r#"{"RequestId":"r"}"#);
}

#[test]
fn ecs_xml_has_the_same_names() {
    let expected = format!(
        "{DECLARATION}<DescribeInstancesResponse><RequestId>r</RequestId><TotalCount>1</TotalCount>\
         <Instances><Instance><InstanceName>a&quot;\\\n\u{fffd}/&lt;€</InstanceName>\
         <CreationTime>2026-11-20T12:00Z</CreationTime><ExpiredTime>2026-11-20T12:00:00Z</ExpiredTime>\
         <Price>1.0</Price><SecurityGroupIds><SecurityGroupId>sg-1</SecurityGroupId>\
         <SecurityGroupId>sg-2</SecurityGroupId></SecurityGroupIds></Instance></Instances>\
         <Plans>p</Plans><Plans>q</Plans></DescribeInstancesResponse>"
    );
    assert_eq!(envelope::alibaba_xml("DescribeInstances", "r", &instances()), expected);
}

#[test]
fn plain_json_has_plain_lists() {
    let reply = Doc::object([("InstanceSet", Doc::list("item", ["a"])), ("At", Doc::of(&noon()))]);
    let tencent = r#"{"Response":{"RequestId":"r","InstanceSet":["a"],"At":"2026-11-20T12:00:00Z"}}"#;
    assert_eq!(envelope::tencent_json("r", &reply), tencent);
    let aws = r#"{"InstanceSet":["a"],"At":1795176000.500}"#;
    assert_eq!(envelope::aws_json(&reply), aws);
    assert_eq!(envelope::aws_json(&Doc::Null), "{}");
}

#[test]
fn errors_have_each_vendors_form() {
    let error = AlibabaError { request_id: "r", host_id: "h", code: "C.D", message: "m", recommend: "" };
    assert_eq!(error.to_json(), r#"{"RequestId":"r","HostId":"h","Code":"C.D","Message":"m"}"#);
    assert_eq!(
        error.to_xml(),
        format!(
            "{DECLARATION}<Error><RequestId>r</RequestId><HostId>h</HostId><Code>C.D</Code>\
             <Message>m</Message></Error>"
        )
    );
    assert_eq!(
        envelope::ec2_error_xml("r", "C", "m"),
        format!(
            "{DECLARATION}<Response><Errors><Error><Code>C</Code><Message>m</Message></Error></Errors>\
             <RequestID>r</RequestID></Response>"
        )
    );
    assert_eq!(envelope::aws_error_json("C", "m"), r#"{"__type":"C","Message":"m"}"#);
    assert_eq!(envelope::tencent_error_json("r", "C", "m"), r#"{"Response":{"Error":{"Code":"C","Message":"m"},"RequestId":"r"}}"#);
}

#[test]
fn a_tree_of_a_structure_is_written_as_the_structure_is() {
    let (described, instances) = (described(), instances());
    assert_eq!(envelope::ec2_xml("X", "r", &Doc::of(&described)), envelope::ec2_xml("X", "r", &described));
    for write in [envelope::alibaba_json, envelope::tencent_json] {
        assert_eq!(write("r", &Doc::of(&instances)), write("r", &instances));
    }
    assert_eq!(envelope::alibaba_xml("X", "r", &Doc::of(&instances)), envelope::alibaba_xml("X", "r", &instances));
}

#[test]
fn what_is_shown_without_a_text_reads_like_its_text() {
    let shown = |value: &dyn Show| envelope::aws_json(value);
    for ip in ["0.0.0.0", "9.10.99.100", "255.255.255.255", "::1", "2001:db8::ff"] {
        let ip: IpAddr = ip.parse().unwrap();
        assert_eq!(shown(&ip), format!("\"{ip}\""));
        if let IpAddr::V4(ip) = ip {
            assert_eq!(shown(&ip), format!("\"{ip}\""));
        }
    }
    for number in [i64::MIN, -1, 0, 7, 10, 99, 100, 255, 256, i64::MAX] {
        assert_eq!(shown(&number), number.to_string());
    }
    assert_eq!(shown(&Plain("a-1")), "\"a-1\"");
    assert_eq!((shown(&OrEmpty(Some(3u8))), shown(&OrEmpty::<u8>(None))), ("3".to_owned(), "\"\"".to_owned()));
}

fn any_doc() -> impl Strategy<Value = Doc> {
    let leaf = prop_oneof![
        Just(Doc::Null),
        any::<bool>().prop_map(Doc::Bool),
        any::<i64>().prop_map(Doc::Int),
        any::<f64>().prop_map(Doc::Float),
        any::<String>().prop_map(Doc::text),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            items.clone().prop_map(|items| Doc::List { item: "Item", items }),
            items.prop_map(|items| {
                let names = ["a", "b", "c", "d", "e", "f"];
                Doc::Object(names.into_iter().zip(items).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_tree_of_a_tree_is_the_tree(doc in any_doc()) {
        // Compared as text, in which a number that is none is like itself.
        prop_assert_eq!(format!("{:?}", Doc::of(&doc)), format!("{:?}", doc));
    }

    #[test]
    fn every_text_comes_back_from_json(text in any::<String>()) {
        let mut out = String::new();
        json::write(&mut out, &Doc::text(text.clone()), json::AWS);
        prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }

    #[test]
    fn every_reply_is_well_formed_json(doc in any_doc()) {
        for style in [json::AWS, json::ALIBABA, json::TENCENT] {
            let mut out = String::new();
            json::write(&mut out, &doc, style);
            let parsed = serde_json::from_str::<serde_json::Value>(&out);
            prop_assert!(parsed.is_ok(), "{}", out);
        }
    }

    #[test]
    fn xml_holds_only_characters_that_xml_allows(text in any::<String>()) {
        let mut out = String::new();
        xml::push_escaped(&mut out, &text);
        let is_allowed = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..);
        prop_assert!(out.chars().all(|c| is_allowed(c) && !matches!(c, '<' | '>' | '"')));
    }
}
