//! Tables of what each cloud's documents mean. The compiled evaluator against a naive one is in `reference`.

mod reference;

use super::*;

/// A request as the control plane makes one: each spelling of the action and of the resource.
struct Asked {
    actions: Vec<String>,
    resources: Vec<String>,
    principals: Vec<String>,
    context: Context,
}

fn on(operation: &str, instance: &str) -> Asked {
    Asked {
        actions: ["ec2", "ecs", "cvm"].iter().map(|service| format!("{service}:{operation}")).collect(),
        resources: vec![
            format!("arn:aws:ec2:home:000000000042:instance/{instance}"),
            format!("acs:ecs:home:000000000042:instance/{instance}"),
            format!("qcs::cvm:home:uin/000000000042:instance/{instance}"),
        ],
        principals: vec!["arn:aws:iam::000000000042:user/ann".into(), "000000000042".into()],
        context: Context::new(),
    }
}

impl Asked {
    fn with(mut self, key: &str, value: &str) -> Asked {
        self.context.add(key, value);
        self
    }

    fn decide(&self, documents: &[Document]) -> Decision {
        let [actions, resources, principals] =
            [&self.actions, &self.resources, &self.principals].map(|texts| texts.iter().map(String::as_str).collect::<Vec<_>>());
        let request = AccessRequest { actions: &actions, resources: &resources, principals: &principals, context: &self.context };
        evaluate(documents, &request)
    }
}

fn iam(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

fn ram(statement: &str) -> String {
    format!(r#"{{"Version":"1","Statement":[{statement}]}}"#)
}

fn cam(statement: &str) -> String {
    format!(r#"{{"version":"2.0","statement":[{statement}]}}"#)
}

fn check(text: &str, asked: &Asked, wanted: bool) {
    let document = Document::identity(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(asked.decide(&[document]).is_allowed(), wanted, "{text}\n{:?} {:?}", asked.actions, asked.context);
}

#[test]
fn a_document_allows_some_of_a_service_by_what_its_actions_may_name() {
    for (statement, wanted) in [
        (r#""Effect":"Allow","Action":"*""#, true),
        (r#""Effect":"Allow","Action":"ec2:*""#, true),
        (r#""Effect":"Allow","Action":["s3:GetObject","EC2:RunInstances"]"#, true),
        (r#""Effect":"Allow","Action":"e*:Describe*""#, true),
        (r#""Effect":"Allow","Action":"ec?:Describe*""#, true),
        (r#""Effect":"Allow","Action":"ec2messages:*""#, false),
        (r#""Effect":"Allow","Action":"s3:*""#, false),
        (r#""Effect":"Deny","Action":"ec2:*""#, false),
        (r#""Effect":"Allow","NotAction":"s3:*""#, true),
        (r#""Effect":"Allow","NotAction":"ec2:Describe*""#, true),
        (r#""Effect":"Allow","NotAction":["iam:*","ec2:*"]"#, false),
        (r#""Effect":"Allow","NotAction":"ec*:*""#, false),
    ] {
        let document = Document::identity(&iam(&format!(r#"{{{statement},"Resource":"*"}}"#))).unwrap();
        assert_eq!(document.allows_some_of("ec2"), wanted, "{statement}");
    }
    let document = Document::identity(&cam(r#"{"effect":"allow","action":"name/cvm:Describe*","resource":"*"}"#)).unwrap();
    assert!(document.allows_some_of("cvm") && !document.allows_some_of("cbs"));
}

#[test]
fn a_document_in_any_language_covers_the_action_in_every_spelling() {
    for (describes, text) in [
        (false, iam(r#"{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*"}"#)),
        (false, iam(r#"{"Effect":"Allow","Action":["s3:*","EC2:run*"],"Resource":["arn:aws:ec2:*:*:instance/i-1*"]}"#)),
        (false, iam(r#"{"Effect":"Allow","NotAction":"ec2:Describe*","Resource":"*"}"#)),
        (false, iam(r#"{"Effect":"Allow","Action":"ec2:Run?nstances","NotResource":"arn:aws:ec2:*:*:volume/*"}"#)),
        (true, ram(r#"{"Effect":"Allow","Action":"ecs:*","Resource":"acs:ecs:*:*:instance/*"}"#)),
        (false, ram(r#"{"Effect":"Allow","Action":["ecs:Run*"],"Resource":["acs:ecs:*:*:*"]}"#)),
        (true, ram(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#)),
        (true, cam(r#"{"effect":"allow","action":"name/cvm:*","resource":"*"}"#)),
        (false, cam(r#"{"effect":"allow","action":["cvm:RunInstances"],"resource":["qcs::cvm:::instance/*"]}"#)),
        (false, cam(r#"{"effect":"allow","action":"cvm:Run*","resource":"qcs::cvm:home:uin/000000000042:instance/i-12"}"#)),
        (false, r#"{"Statement":{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"*"}}"#.to_owned()),
    ] {
        check(&text, &on("RunInstances", "i-12"), true);
        check(&text, &on("DescribeInstances", "i-12"), describes);
    }
}

#[test]
fn what_no_spelling_names_is_not_allowed() {
    for text in [
        iam(r#"{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}"#),
        iam(r#"{"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:volume/*"}"#),
        iam(r#"{"Effect":"Allow","Action":"rds:RunInstances","Resource":"*"}"#),
        iam(r#"{"Effect":"Allow","NotAction":["ecs:Run*"],"Resource":"*"}"#),
        iam(r#"{"Effect":"Allow","Action":"*","NotResource":"acs:ecs:*:*:instance/*"}"#),
        ram(r#"{"Effect":"Allow","Action":"ecs:RunInstance","Resource":"*"}"#),
        ram(r#"{"Effect":"Allow","Action":"*","Resource":"acs:ecs:*:*:Instance/*"}"#),
        cam(r#"{"effect":"allow","action":"cvm:*","resource":"qcs::cvm:away:uin/000000000042:instance/*"}"#),
        cam(r#"{"effect":"deny","action":"*","resource":"*"}"#),
    ] {
        check(&text, &on("RunInstances", "i-12"), false);
    }
}

#[test]
fn a_denial_wins_wherever_it_stands_and_in_whatever_language() {
    let allow = Document::identity(&iam(r#"{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}"#)).unwrap();
    let deny = Document::identity(&cam(
        r#"{"effect":"allow","action":"cvm:*","resource":"*"},{"effect":"deny","action":"cvm:Terminate*","resource":"*"}"#,
    ))
    .unwrap();
    let by = |document, statement| StatementRef { document, statement };
    let both = [allow.clone(), deny.clone()];
    assert_eq!(on("TerminateInstances", "i-1").decide(&both), Decision::DenyExplicit { by: by(1, 1) });
    assert_eq!(on("StopInstances", "i-1").decide(&both), Decision::Allow { by: by(0, 0) });
    assert_eq!(on("TerminateInstances", "i-1").decide(&[deny.clone(), allow.clone()]), Decision::DenyExplicit { by: by(0, 1) });
    assert_eq!(on("StopInstances", "i-1").decide(&[]), Decision::DenyImplicit);
    assert_eq!((allow.statement_label(0), deny.statement_label(1)), ("All".to_owned(), "Statement[1]".to_owned()));
}

#[test]
fn an_action_that_concerns_no_resource_needs_the_star() {
    let mut asked = on("DescribeRegions", "");
    asked.resources.clear();
    check(&iam(r#"{"Effect":"Allow","Action":"ec2:*","Resource":"*"}"#), &asked, true);
    check(&iam(r#"{"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/*"}"#), &asked, false);
}

/// Checks one condition under `Allow` in one language.
fn condition(write: fn(&str) -> String, condition: &str, asked: Asked, wanted: bool) {
    let statement = if write("").contains("version\":\"2.0") {
        format!(r#"{{"effect":"allow","action":"*","resource":"*","condition":{condition}}}"#)
    } else {
        format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}"#)
    };
    check(&write(&statement), &asked, wanted);
}

fn from(address: &str) -> Asked {
    let mut asked = on("StopInstances", "i-1");
    asked.context.source_ip(address.parse().unwrap());
    asked
}

#[test]
fn one_address_condition_means_the_same_in_three_languages() {
    for (address, inside) in
        [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("10.2.0.1", false), ("2001:db8::1", true), ("2001:db9::1", false)]
    {
        let nets = r#"["10.1.0.0/16","2001:db8::/32"]"#;
        condition(iam, &format!(r#"{{"IpAddress":{{"aws:SourceIp":{nets}}}}}"#), from(address), inside);
        condition(ram, &format!(r#"{{"IpAddress":{{"acs:SourceIp":{nets}}}}}"#), from(address), inside);
        condition(cam, &format!(r#"{{"ip_equal":{{"qcs:ip":{nets}}}}}"#), from(address), inside);
        condition(iam, &format!(r#"{{"NotIpAddress":{{"AWS:sourceip":{nets}}}}}"#), from(address), !inside);
        condition(cam, &format!(r#"{{"ip_not_equal":{{"qcs:ip":{nets}}}}}"#), from(address), !inside);
    }
    condition(ram, r#"{"IpAddress":{"acs:SourceIp":"192.0.2.7"}}"#, from("192.0.2.7"), true);
    condition(iam, r#"{"IpAddress":{"aws:SourceIp":"192.0.2.77/24"}}"#, from("192.0.2.7"), true);
}

#[test]
fn condition_operators() {
    let tagged = |value: &str| on("StopInstances", "i-1").with("aws:ResourceTag/team", value);
    let plain = || on("StopInstances", "i-1");
    for (text, asked, wanted) in [
        (r#"{"StringEquals":{"ec2:ResourceTag/Team":"red"}}"#, tagged("red"), true),
        (r#"{"StringEquals":{"aws:ResourceTag/team":["blue","red"]}}"#, tagged("red"), true),
        (r#"{"StringEquals":{"aws:ResourceTag/team":"re*"}}"#, tagged("red"), false),
        (r#"{"StringEquals":{"aws:ResourceTag/team":"red"}}"#, plain(), false),
        (r#"{"StringEqualsIfExists":{"aws:ResourceTag/team":"red"}}"#, plain(), true),
        (r#"{"StringEqualsIfExists":{"aws:ResourceTag/team":"red"}}"#, tagged("blue"), false),
        (r#"{"StringNotEquals":{"aws:ResourceTag/team":["red","blue"]}}"#, tagged("blue"), false),
        (r#"{"StringNotEquals":{"aws:ResourceTag/team":["red","blue"]}}"#, tagged("green"), true),
        (r#"{"StringNotEquals":{"aws:ResourceTag/team":"red"}}"#, plain(), true),
        (r#"{"StringEqualsIgnoreCase":{"aws:ResourceTag/team":"RÉD"}}"#, tagged("réd"), true),
        (r#"{"StringNotEqualsIgnoreCase":{"aws:ResourceTag/team":"RED"}}"#, tagged("red"), false),
        (r#"{"StringLike":{"aws:ResourceTag/team":"r?d*"}}"#, tagged("redder"), true),
        (r#"{"StringLike":{"aws:ResourceTag/team":"r?d"}}"#, tagged("rd"), false),
        (r#"{"StringLike":{"aws:ResourceTag/team":"*"}}"#, plain(), false),
        (r#"{"StringNotLike":{"aws:ResourceTag/team":"r*"}}"#, tagged("red"), false),
        (r#"{"Null":{"aws:ResourceTag/team":"true"}}"#, plain(), true),
        (r#"{"Null":{"aws:ResourceTag/team":true}}"#, tagged("x"), false),
        (r#"{"Null":{"aws:ResourceTag/team":"false"}}"#, tagged("x"), true),
        (r#"{"NumericLessThanEquals":{"aws:MultiFactorAuthAge":"300"}}"#, plain().with("aws:MultiFactorAuthAge", "300"), true),
        (r#"{"NumericLessThan":{"aws:MultiFactorAuthAge":300}}"#, plain().with("aws:MultiFactorAuthAge", "300"), false),
        (r#"{"NumericEquals":{"x:n":"10"}}"#, plain().with("x:n", "10.0"), true),
        (r#"{"NumericEquals":{"x:n":"10"}}"#, plain().with("x:n", "ten"), false),
        (r#"{"NumericNotEquals":{"x:n":["1","2"]}}"#, plain().with("x:n", "2"), false),
        (r#"{"NumericGreaterThan":{"x:n":"-1e2"}}"#, plain().with("x:n", "-99.5"), true),
        (
            r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}}"#,
            plain().with("aws:CurrentTime", "2026-01-01T00:00:01Z"),
            true,
        ),
        (r#"{"DateLessThan":{"aws:CurrentTime":"2026-01-01"}}"#, plain().with("acs:CurrentTime", "2025-12-31T23:59:59Z"), true),
        (r#"{"DateEquals":{"aws:CurrentTime":"2026-01-01T08:00:00+08:00"}}"#, plain().with("aws:CurrentTime", "2026-01-01T00:00Z"), true),
        (r#"{"DateLessThanEquals":{"aws:EpochTime":"1000000000"}}"#, plain().with("aws:EpochTime", "1000000001"), false),
        (r#"{"DateEquals":{"aws:CurrentTime":"2026-01"}}"#, plain().with("aws:CurrentTime", "1767225600"), true),
        (r#"{"Bool":{"aws:SecureTransport":"true"}}"#, plain().with("acs:SecureTransport", "True"), true),
        (r#"{"Bool":{"aws:SecureTransport":true}}"#, plain().with("aws:SecureTransport", "false"), false),
        (r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#, plain().with("acs:MFAPresent", "true"), true),
        (r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}}"#, plain().with("aws:PrincipalArn", "arn:aws:iam::1:user/ann"), true),
        (r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:*:user/ann"}}"#, plain().with("aws:PrincipalArn", "arn:aws:iam::1:user/ann"), false),
        (r#"{"ArnLike":{"x:a":"acs:ecs:*:*:instance/*"}}"#, plain().with("x:a", "acs:ecs:home:1:instance/i:1"), true),
        (
            r#"{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::1:user/*"}}"#,
            plain().with("aws:PrincipalArn", "arn:aws:iam::1:user/b"),
            false,
        ),
        (r#"{"BinaryEquals":{"x:b":"QUJD"}}"#, plain().with("x:b", "QUJD"), true),
        (r#"{"StringEquals":{"aws:RequestedRegion":"home"},"Bool":{"x:b":"true"}}"#, plain().with("ec2:Region", "home"), false),
    ] {
        condition(iam, text, asked, wanted);
    }
}

#[test]
fn sets_of_values() {
    let keys = |names: &[&str]| names.iter().fold(on("CreateTags", "i-1"), |asked, name| asked.with("aws:TagKeys", name));
    for (text, names, wanted) in [
        (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}"#, &["a", "b"][..], true),
        (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}"#, &["a", "c"], false),
        (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}"#, &[], true),
        (r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}"#, &["c", "b"], true),
        (r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}"#, &["c"], false),
        (r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["a","b"]}}"#, &[], false),
        (r#"{"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":["a","b"]}}"#, &[], true),
        (r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["a"]}}"#, &["a", "b"], true),
        (r#"{"ForAllValues:StringNotLike":{"aws:TagKeys":["a*"]}}"#, &["b", "ax"], false),
        (r#"{"StringEquals":{"aws:TagKeys":"a"}}"#, &["b", "a"], true),
        (r#"{"StringNotEquals":{"aws:TagKeys":"a"}}"#, &["b", "a"], false),
    ] {
        condition(iam, text, keys(names), wanted);
    }
}

#[test]
fn tencents_conditions_by_tag() {
    let mut asked = on("RebootInstances", "i-1");
    asked.context.resource_tag("Department", "Research").resource_tag("env", "test");
    asked.context.request_tag("owner", "ann");
    for (text, wanted) in [
        (r#"{"for_any_value:string_equal":{"qcs:resource_tag":["Department&Research"]}}"#, true),
        (r#"{"for_any_value:string_equal":{"qcs:resource_tag":["Department&Sales"]}}"#, false),
        (r#"{"for_all_value:string_like":{"qcs:request_tag":["owner&*"]}}"#, true),
        (r#"{"string_equal_if_exist":{"cvm:region":"home"}}"#, true),
        (r#"{"string_equal":{"qcs:resource_tag/env":"test"}}"#, true),
        (r#"{"null_equal":{"qcs:resource_tag":"true"}}"#, false),
        (r#"{"numeric_less_than_equal":{"cvm:system_disk_size":50}}"#, false),
    ] {
        let text = cam(&format!(r#"{{"effect":"allow","action":"*","resource":"*","condition":{text}}}"#));
        check(&text, &asked, wanted);
    }
    check(
        &ram(r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"acs:ResourceTag/env":["test"]}}}"#),
        &asked,
        true,
    );
    check(&ram(r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"ecs:tag/env":["test"]}}}"#), &asked, true);
}

#[test]
fn variables_take_the_callers_values_literally() {
    let own = iam(r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:instance/${aws:username}-*"}"#);
    check(&own, &on("StopInstances", "ann-1").with("aws:username", "ann"), true);
    check(&own, &on("StopInstances", "bob-1").with("aws:username", "ann"), false);
    check(&own, &on("StopInstances", "bob-1").with("aws:username", "*"), false);
    check(&own, &on("StopInstances", "bob-1"), false);
    let old = own.replace("2012-10-17", "2008-10-17");
    check(&old, &on("StopInstances", "ann-1").with("aws:username", "ann"), false);
    check(&old, &on("StopInstances", "${aws:username}-1"), true);
    let default = iam(
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"ec2:ResourceTag/team":"${aws:PrincipalTag/team, 'all'}"}}}"#,
    );
    check(&default, &on("StopInstances", "i-1").with("aws:ResourceTag/team", "all"), true);
    check(&default, &on("StopInstances", "i-1").with("aws:ResourceTag/team", "red").with("aws:PrincipalTag/team", "red"), true);
    let literal = iam(r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:instance/${*}${?}${$}"}"#);
    check(&literal, &on("StopInstances", "*?$"), true);
    check(&literal, &on("StopInstances", "abc"), false);
    let tencent = cam(r#"{"effect":"allow","action":"*","resource":"qcs::cvm::uin/${owner_uin}:instance/*"}"#);
    check(&tencent, &on("StopInstances", "i-1").with("aws:PrincipalAccount", "000000000042"), true);
}

#[test]
fn a_variable_without_a_value_never_grants() {
    for (effect, rest, applies) in [
        ("Allow", r#""NotResource":"arn:aws:ec2:*:*:instance/${aws:username}""#, false),
        ("Deny", r#""NotResource":"arn:aws:ec2:*:*:instance/${aws:username}""#, true),
        ("Allow", r#""Resource":"*","Condition":{"StringNotEquals":{"x:owner":"${aws:username}"}}"#, false),
        ("Deny", r#""Resource":"*","Condition":{"StringNotEquals":{"x:owner":"${aws:username}"}}"#, true),
        ("Deny", r#""Resource":"*","Condition":{"StringEquals":{"x:owner":"${aws:username}"}}"#, false),
    ] {
        let text = iam(&format!(r#"{{"Effect":"{effect}","Action":"*",{rest}}}"#));
        let decision = on("StopInstances", "i-1").with("x:owner", "ann").decide(&[Document::identity(&text).unwrap()]);
        assert_eq!(decision != Decision::DenyImplicit, applies, "{text}: {decision:?}");
    }
}

#[test]
fn a_trust_document_names_who_may() {
    let trust = |principal: &str| {
        Document::resource(&iam(&format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{principal}}}"#))).unwrap()
    };
    let mut asked = on("", "");
    asked.actions = vec!["sts:AssumeRole".into()];
    for (principal, wanted) in [
        (r#""*""#, true),
        (r#"{"AWS":"*"}"#, true),
        (r#"{"AWS":["000000000042"]}"#, true),
        (r#"{"AWS":"arn:aws:iam::000000000042:user/ann"}"#, true),
        (r#"{"AWS":"arn:aws:iam::000000000042:user/*"}"#, false),
        (r#"{"Service":["ec2.amazonaws.com"]}"#, false),
        (r#"{"Service":"*"}"#, false),
        (r#"{"RAM":["acs:ram::000000000042:root"],"Service":"ecs.aliyuncs.com"}"#, false),
    ] {
        assert_eq!(asked.decide(&[trust(principal)]).is_allowed(), wanted, "{principal}");
    }
    let text = cam(r#"{"effect":"allow","action":"name/sts:AssumeRole","principal":{"service":["cvm.qcloud.com"]}}"#);
    asked.principals = vec!["cvm.qcloud.com".into()];
    assert!(asked.decide(&[Document::resource(&text).unwrap()]).is_allowed());
}

fn refusal(text: &str) -> String {
    Document::identity(text).expect_err(text).to_string()
}

#[test]
fn an_error_says_where() {
    let element = |rest: &str| iam(&format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*"}},{{"Effect":"Deny",{rest}}}"#));
    let cases = [
        (
            r#"{"Version":"2012-10-17","Statement":[{]}"#.to_owned(),
            "the policy is not valid JSON at line 1, column 39: key must be a string",
        ),
        ("{\n \"Version\": nope}".to_owned(), "the policy is not valid JSON at line 2, column 14: expected ident"),
        ("[[[[[[[[[1]]]]]]]]]".to_owned(), "nested deeper than 8 levels"),
        ("7".to_owned(), "policy: an object is wanted here"),
        ("{}".to_owned(), "policy: the element Statement is missing"),
        (r#"{"statement":[]}"#.to_owned(), "policy: the element version is missing"),
        (r#"{"Version":"3","Statement":[]}"#.to_owned(), "Version: the version is none of"),
        (r#"{"Version":1,"Statement":[]}"#.to_owned(), "Version: the version is none of"),
        (r#"{"Version":"2.0","Statement":[]}"#.to_owned(), "Version: the version is none of"),
        (r#"{"version":"2.0","Statement":[]}"#.to_owned(), "Statement: this element is unknown"),
        (iam(""), "Statement: this is empty"),
        (iam("3"), "Statement[0]: an object is wanted here"),
        (iam(r#"{"Effect":"Maybe"}"#), "Statement[0].Effect: Allow or Deny is wanted here"),
        (iam(r#"{"Effect":"Allow","Effect":"Deny"}"#), "Statement[0].Effect: this stands twice"),
        (element(r#""Resource":"*""#), "Statement[1]: the element Action is missing"),
        (element(r#""Action":"*""#), "Statement[1]: the element Resource is missing"),
        (element(r#""Action":"*","NotAction":"*","Resource":"*""#), "Statement[1]: Action and NotAction exclude each other"),
        (element(r#""Action":["*","run"],"Resource":"*""#), "Statement[1].Action[1]: an action is * or service:Operation"),
        (element(r#""Action":[],"Resource":"*""#), "Statement[1].Action: this is empty"),
        (element(r#""Action":"*","Resource":"i-1""#), "Statement[1].Resource: a resource is *"),
        (element(r#""Action":"*","Resource":7"#), "Statement[1].Resource: a text is wanted here"),
        (element(r#""Action":"*","Resource":"*","Principal":"*""#), "Statement[1].Principal: a policy that is attached to"),
        (element(r#""Action":"*","Resource":"*","Conditions":{}"#), "Statement[1].Conditions: this element is unknown"),
        (element(r#""Action":"*","Resource":"arn:${aws:username""#), "Statement[1].Resource: a variable has the shape"),
        (element(r#""Action":"*","Resource":"*","Condition":{"StringIs":{}}"#), "Condition.StringIs: this condition operator is unknown"),
        (
            element(r#""Action":"*","Resource":"*","Condition":{"NullIfExists":{}}"#),
            "Condition.NullIfExists: this condition operator is unknown",
        ),
        (element(r#""Action":"*","Resource":"*","Condition":{"Bool":{"x":"true"}}"#), "Condition.Bool.x: a condition key has the shape"),
        (element(r#""Action":"*","Resource":"*","Condition":{"Bool":{"a:x":"yes"}}"#), "Condition.Bool.a:x: true or false is wanted here"),
        (
            element(r#""Action":"*","Resource":"*","Condition":{"Bool":{"a:x":"true","a:x":"true"}}"#),
            "Condition.Bool.a:x: this stands twice",
        ),
        (
            element(r#""Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","10.0.0.0/33"]}}"#),
            "Statement[1].Condition.IpAddress.aws:SourceIp[1]: an IP address or range is wanted here",
        ),
        (element(r#""Action":"*","Resource":"*","Condition":{"NumericEquals":{"a:x":"inf"}}"#), "a number is wanted here"),
        (element(r#""Action":"*","Resource":"*","Condition":{"DateEquals":{"a:x":"soon"}}"#), "a date as"),
        (element(r#""Sid":"a b","Action":"*","Resource":"*""#), "Statement[1].Sid: only letters and digits"),
        (
            iam(r#"{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"}"#),
            "Statement[1].Sid: this stands twice",
        ),
    ];
    for (text, wanted) in cases {
        let said = refusal(&text);
        assert!(said.contains(wanted), "{text}\nsaid {said}\nwant {wanted}");
    }
    let nobody = Document::resource(&iam(r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#)).unwrap_err();
    assert_eq!(nobody.to_string(), "Statement[0]: the element Principal is missing");
}

#[test]
fn sizes_have_limits() {
    let statement = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let many = |n: usize| iam(&vec![statement; n].join(" ,\n"));
    assert_eq!(Document::identity(&many(MAX_STATEMENTS)).unwrap().statement_count(), MAX_STATEMENTS);
    assert_eq!(refusal(&many(MAX_STATEMENTS + 1)), "Statement: more than 100 of these");
    let spare = MAX_CHARACTERS - iam(&statement.replace(r#":"*","R"#, r#":["a:"],"R"#)).len();
    let filled = |n: usize| iam(&statement.replace(r#":"*","R"#, &format!(r#":["a:{}"],"R"#, "x".repeat(n))));
    assert!(Document::identity(&filled(spare)).is_ok());
    assert_eq!(refusal(&filled(spare + 1)), "the policy has 6145 characters, white space not counted; the limit is 6144");
    let spaced = format!("{}{}", " ".repeat(MAX_BYTES), filled(1));
    assert!(refusal(&spaced).contains("bytes with its white space"));
}

#[test]
fn the_text_comes_back_as_it_was() {
    let text = "{ \"Version\" : \"1\",\n\t\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"ecs:*\",\"Resource\":\"*\"} } \n";
    let document = Document::identity(text).unwrap();
    assert_eq!((document.text(), document.language()), (text, Language::Ram));
}

#[test]
fn stars_without_end_are_matched_in_bounded_time() {
    let text = iam(&format!(r#"{{"Effect":"Allow","Action":"*","Resource":"arn:{}b"}}"#, "a*".repeat(2_500)));
    check(&text, &on("StopInstances", &"a".repeat(2_000)), false);
}
