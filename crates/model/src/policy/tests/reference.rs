//! A second evaluator, as plain as can be: it walks the JSON, matches by recursion and looks every name up in a table.
//! It shares no code with the compiled one, and both must agree on random documents and requests.

use std::collections::HashMap;
use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::super::*;

/// The facts that the random documents speak of, and what each vendor calls them.
const KEYS: &[(&str, &str)] = &[
    ("aws:SourceIp", "ip"),
    ("acs:sourceip", "ip"),
    ("qcs:ip", "ip"),
    ("aws:username", "user"),
    ("AWS:UserName", "user"),
    ("aws:ResourceTag/team", "team"),
    ("ec2:resourcetag/Team", "team"),
    ("acs:ResourceTag/team", "team"),
    ("aws:TagKeys", "keys"),
    ("x:count", "count"),
    ("aws:CurrentTime", "time"),
    ("qcs:current_time", "time"),
    ("aws:SecureTransport", "tls"),
    ("acs:SecureTransport", "tls"),
    ("aws:PrincipalTag/team", "own team"),
    ("acs:PrincipalTag/Team", "own team"),
    ("qcs:principal_tag/team", "own team"),
    ("aws:SourceIdentity", "identity"),
    ("sts:SourceIdentity", "asked identity"),
    ("sts:TransitiveTagKeys", "transitive"),
];

type Facts = HashMap<&'static str, Vec<String>>;

fn fact(key: &str) -> &'static str {
    KEYS.iter().find(|(k, _)| *k == key).unwrap_or_else(|| panic!("{key} is not in the table")).1
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(list).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// Wildcards as control characters, everything else for itself; none when a variable has no value.
fn prepare(text: &str, wildcards: bool, variables: bool, facts: &Facts) -> Option<Vec<char>> {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut i) = (Vec::new(), 0);
    while i < chars.len() {
        if variables && chars[i] == '$' && chars.get(i + 1) == Some(&'{') {
            let end = i + chars[i..].iter().position(|c| *c == '}').unwrap();
            let body: String = chars[i + 2..end].iter().collect();
            i = end + 1;
            if ["*", "?", "$"].contains(&body.as_str()) {
                out.extend(body.chars());
                continue;
            }
            let mut halves = body.split(", ");
            let values = facts.get(fact(halves.next().unwrap()));
            match (values, halves.next()) {
                (Some(v), _) if v.len() == 1 => out.extend(v[0].chars()),
                (_, Some(default)) => out.extend(default.trim_matches('\'').chars()),
                _ => return None,
            }
            continue;
        }
        out.push(match chars[i] {
            '*' if wildcards => '\u{1}',
            '?' if wildcards => '\u{2}',
            c => c,
        });
        i += 1;
    }
    Some(out)
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some('\u{1}'), _) => matches(&pattern[1..], text) || !text.is_empty() && matches(pattern, &text[1..]),
        (Some('\u{2}'), Some(_)) => matches(&pattern[1..], &text[1..]),
        (Some(p), Some(t)) if p == t => matches(&pattern[1..], &text[1..]),
        _ => false,
    }
}

fn arn_matches(pattern: &[char], text: &[char]) -> bool {
    let parts = if text.starts_with(&['a', 'c', 's', ':']) { 5 } else { 6 };
    let split = |whole: &[char]| -> Vec<Vec<char>> { whole.splitn(parts, |c| *c == ':').map(<[char]>::to_vec).collect() };
    let (p, t) = (split(pattern), split(text));
    p.len() == parts && t.len() == parts && p.iter().zip(&t).all(|(p, t)| matches(p, t))
}

/// Three answers: yes, no, and not to be known for want of a variable's value.
fn one_of(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let answers: Vec<_> = answers.collect();
    if answers.contains(&Some(true)) {
        Some(true)
    } else if answers.contains(&None) {
        None
    } else {
        Some(false)
    }
}

fn value_matches(operator: &str, wanted: &str, value: &str, variables: bool, facts: &Facts) -> Option<bool> {
    let text = |wildcards, fold: bool, arn: bool| {
        let fold = |t: &str| if fold { t.to_lowercase() } else { t.to_owned() };
        let pattern = prepare(wanted, wildcards, variables, facts)?;
        let pattern: Vec<char> = fold(&pattern.into_iter().collect::<String>()).chars().collect();
        let value: Vec<char> = fold(value).chars().collect();
        Some(if arn { arn_matches(&pattern, &value) } else { matches(&pattern, &value) })
    };
    let number = || {
        let (Ok(v), Ok(w)) = (value.parse::<f64>(), wanted.parse::<f64>()) else { return None };
        v.partial_cmp(&w)
    };
    // The dates of the vocabulary have one shape, so they sort as texts.
    let date = || value.ends_with('Z').then(|| value.cmp(wanted));
    use std::cmp::Ordering::*;
    match operator {
        "StringEquals" | "string_equal" => text(false, false, false),
        "StringEqualsIgnoreCase" | "string_equal_ignore_case" => text(false, true, false),
        "StringLike" | "string_like" => text(true, false, false),
        "ArnLike" | "ArnEquals" => text(true, false, true),
        "NumericEquals" | "numeric_equal" => Some(number() == Some(Equal)),
        "NumericLessThan" | "numeric_less_than" => Some(number() == Some(Less)),
        "NumericGreaterThanEquals" | "numeric_greater_than_equal" => Some(matches!(number(), Some(Equal | Greater))),
        "DateLessThan" | "date_less_than" => Some(date() == Some(Less)),
        "DateGreaterThanEquals" | "date_greater_than_equal" => Some(matches!(date(), Some(Equal | Greater))),
        "Bool" | "bool_equal" => Some(value.eq_ignore_ascii_case(wanted) && ["true", "false"].contains(&wanted)),
        "IpAddress" | "ip_equal" => {
            let Ok(address) = value.parse::<IpAddr>() else { return Some(false) };
            let (net, bits) = wanted.split_once('/').unwrap_or((wanted, "32"));
            let (IpAddr::V4(a), Ok(n)) = (address, net.parse::<std::net::Ipv4Addr>()) else { return Some(false) };
            let shift = 32 - bits.parse::<u32>().unwrap();
            Some(u64::from(u32::from(a)) >> shift == u64::from(u32::from(n)) >> shift)
        }
        other => panic!("{other}"),
    }
}

fn condition_holds(name: &str, key: &str, wanted: &Value, deny: bool, variables: bool, facts: &Facts) -> bool {
    let empty = Vec::new();
    let values = facts.get(fact(key)).unwrap_or(&empty);
    let wanted = list(wanted);
    if name == "Null" || name == "null_equal" {
        return wanted.iter().any(|w| (w == "true") == values.is_empty());
    }
    let (set, name) = match name.split_once(':') {
        Some((set, rest)) => (set, rest),
        None => ("", name),
    };
    let (if_exists, name) = match name.strip_suffix("IfExists").or(name.strip_suffix("_if_exist")) {
        Some(rest) => (true, rest),
        None => (false, name),
    };
    let positive = name.replace("_not_", "_").replace("NotIp", "Ip").replace("Not", "");
    let negated = positive != name;
    let value = |value: &String| {
        let found = one_of(wanted.iter().map(|w| value_matches(&positive, w, value, variables, facts)));
        match (found, negated) {
            (Some(yes), negated) => yes != negated,
            (None, true) => deny,
            (None, false) => false,
        }
    };
    let all = set.contains("ll") || set.is_empty() && negated;
    if values.is_empty() {
        if_exists || all
    } else if all {
        values.iter().all(value)
    } else {
        values.iter().any(value)
    }
}

fn statement_applies(statement: &Value, deny: bool, language: &str, actions: &[&str], resources: &[&str], facts: &Facts) -> bool {
    let get = |name: &str| statement.get(name).or_else(|| statement.get(name.to_lowercase()));
    let variables = language != "2008-10-17";
    let action = |pattern: &String, name: &&str| {
        let pattern = if language == "2.0" { pattern.trim_start_matches("name/") } else { pattern };
        let text: Vec<char> = name.to_lowercase().chars().collect();
        prepare(&pattern.to_lowercase(), true, false, facts).map(|p| matches(&p, &text))
    };
    let resource = |pattern: &String, name: &&str| {
        let mut pattern = pattern.clone();
        while pattern.starts_with("qcs:") && pattern.contains("::") {
            pattern = pattern.replacen("::", ":*:", 1);
        }
        prepare(&pattern, true, variables, facts).map(|p| matches(&p, &name.chars().collect::<Vec<_>>()))
    };
    type Match<'a> = &'a dyn Fn(&String, &&str) -> Option<bool>;
    let element = |plain: &str, not: &str, names: &[&str], one: Match| {
        let covered = |value: &Value| one_of(list(value).iter().flat_map(|p| names.iter().map(move |n| one(p, n))));
        match (get(plain), get(not)) {
            (Some(value), _) => covered(value) == Some(true),
            (_, Some(value)) => covered(value).map_or(deny, |yes| !yes),
            _ => true,
        }
    };
    let conditions = get("Condition").and_then(Value::as_object).cloned().unwrap_or_default();
    element("Action", "NotAction", actions, &action)
        && element("Resource", "NotResource", resources, &resource)
        && conditions.iter().all(|(operator, keys)| {
            keys.as_object().unwrap().iter().all(|(key, wanted)| condition_holds(operator, key, wanted, deny, variables, facts))
        })
}

/// The answer as `allow`, `deny` or `nothing`.
fn decide(documents: &[Value], actions: &[&str], resources: &[&str], facts: &Facts) -> &'static str {
    let (mut allowed, mut denied) = (false, false);
    for document in documents {
        let language = document.get("Version").or_else(|| document.get("version")).and_then(Value::as_str).unwrap();
        for statement in document.get("Statement").or_else(|| document.get("statement")).and_then(Value::as_array).unwrap() {
            let effect = statement.get("Effect").or_else(|| statement.get("effect")).and_then(Value::as_str).unwrap();
            let deny = effect.eq_ignore_ascii_case("deny");
            if statement_applies(statement, deny, language, actions, resources, facts) {
                allowed |= !deny;
                denied |= deny;
            }
        }
    }
    if denied {
        "deny"
    } else if allowed {
        "allow"
    } else {
        "nothing"
    }
}

const ACTIONS: &[&str] =
    &["*", "ec2:*", "ecs:Run*", "cvm:RunInstances", "EC2:run?nstances", "ec2:Stop*", "ecs:*Instances", "rds:*", "ec2:*n*s"];
const RESOURCES: &[&str] = &[
    "*",
    "arn:aws:ec2:*:*:instance/*",
    "arn:aws:ec2:home:42:instance/i-1",
    "arn:aws:ec2:*:*:instance/i-?",
    "arn:aws:ec2:*:*:volume/*",
    "arn:*1",
    "arn:aws:ec2:*:*:instance/${aws:username}*",
    "arn:aws:ec2:*:*:instance/${AWS:UserName, 'i-1'}",
    "acs:ecs:*:42:instance/i-${x:count}",
    "acs:ecs:*:*:*",
    "qcs::cvm:::instance/i-1",
    "qcs::cvm::uin/42:*",
    "arn:aws:ec2:*:*:instance/${*}",
];

fn one_or_more(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![select(words).prop_map(Value::from), subsequence(words, 1..=words.len().min(3)).prop_map(|all| json!(all))]
}

/// An operator of a language with a key and values that suit it.
fn condition(cam: bool) -> impl Strategy<Value = (String, String, Value)> {
    const TEXT: &[&str] =
        &["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringLike", "StringNotLike", "ArnLike", "ArnNotEquals"];
    const NUMBER: &[&str] = &["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericGreaterThanEquals"];
    const DATE: &[&str] = &["DateLessThan", "DateGreaterThanEquals"];
    let texts = one_or_more(&[
        "red",
        "RED",
        "r*",
        "ann",
        "${aws:username}",
        "${aws:ResourceTag/team, 'red'}",
        "${aws:PrincipalTag/team}",
        "*",
        "arn:aws:iam::*:user/*",
    ]);
    let times = one_or_more(&["2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2027-01-01T00:00:00Z"]);
    let rows = prop_oneof![
        4 => (select(TEXT), select(&["user", "team", "keys", "own team", "identity", "asked identity", "transitive"][..]), texts),
        1 => (select(NUMBER), select(&["count", "keys"][..]), one_or_more(&["1", "2", "30"])),
        1 => (select(DATE), select(&["time"][..]), times),
        1 => (select(&["Bool"][..]), select(&["tls"][..]), one_or_more(&["true", "false"])),
        1 => (select(&["IpAddress", "NotIpAddress"][..]), select(&["ip", "user"][..]), one_or_more(&["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0", "192.0.2.0/25"])),
        1 => (select(&["Null"][..]), select(&["ip", "user", "team", "keys", "own team", "identity"][..]), one_or_more(&["true", "false"])),
    ];
    (rows, select(&["", "", "ForAllValues:", "ForAnyValue:"][..]), any::<bool>(), any::<prop::sample::Index>()).prop_map(
        move |((operator, fact, values), set, if_exists, which)| {
            let keys: Vec<&str> = KEYS.iter().filter(|(_, f)| *f == fact).map(|(key, _)| *key).collect();
            let null = operator == "Null";
            let (set, exists) = (if null { "" } else { set }, if if_exists && !null { "IfExists" } else { "" });
            let name = if cam { tencent(operator, set, exists) } else { format!("{set}{operator}{exists}") };
            (name, which.get(&keys).to_string(), values)
        },
    )
}

/// Tencent's spelling of AWS's operator. It has none for resource names, which become texts with wildcards.
fn tencent(operator: &str, set: &str, exists: &str) -> String {
    let mut name = String::new();
    for c in operator.replace("Arn", "String").replace("Equals", "Equal").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    let name = match name.as_str() {
        "bool" => "bool_equal".to_owned(),
        "null" => "null_equal".to_owned(),
        "ip_address" => "ip_equal".to_owned(),
        "not_ip_address" => "ip_not_equal".to_owned(),
        _ => name,
    };
    let set = set.replace("ForAllValues", "for_all_value").replace("ForAnyValue", "for_any_value");
    format!("{set}{name}{}", if exists.is_empty() { "" } else { "_if_exist" })
}

fn statement(cam: bool) -> impl Strategy<Value = Value> {
    let conditions = prop::collection::vec(condition(cam), 0..=2);
    let parts = (any::<bool>(), one_or_more(ACTIONS), one_or_more(RESOURCES), conditions, 0..4u8, 0..4u8);
    parts.prop_map(move |(allow, action, resource, conditions, not_action, not_resource)| {
        let word = |text: &str| if cam { text.to_lowercase() } else { text.to_owned() };
        let mut map = Map::new();
        map.insert(word("Effect"), word(if allow { "Allow" } else { "Deny" }).into());
        map.insert(if not_action == 0 && !cam { "NotAction".into() } else { word("Action") }, action);
        map.insert(if not_resource == 0 && !cam { "NotResource".into() } else { word("Resource") }, resource);
        let mut block: Map<String, Value> = Map::new();
        for (operator, key, values) in conditions {
            block.entry(operator).or_insert_with(|| json!({})).as_object_mut().unwrap().insert(key, values);
        }
        if !block.is_empty() {
            map.insert(word("Condition"), block.into());
        }
        Value::Object(map)
    })
}

fn document() -> impl Strategy<Value = Value> {
    let upper = (select(&["2012-10-17", "2008-10-17", "1"][..]), prop::collection::vec(statement(false), 1..4))
        .prop_map(|(version, statements)| json!({"Version": version, "Statement": statements}));
    let lower = prop::collection::vec(statement(true), 1..4).prop_map(|s| json!({"version": "2.0", "statement": s}));
    prop_oneof![3 => upper, 1 => lower]
}

fn facts() -> impl Strategy<Value = Facts> {
    let values = |words: &'static [&'static str], most| {
        subsequence(words, 0..=most).prop_map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    (
        values(&["10.1.2.3", "192.0.2.200", "2001:db8::1", "nowhere"], 1),
        values(&["ann", "i-1", "*", "arn:aws:iam::42:user/ann"], 1),
        values(&["red", "RED", "blue", "ann"], 1),
        values(&["red", "ann", "30", "x"], 3),
        values(&["1", "2.0", "x"], 1),
        values(&["2026-01-01T00:00:00Z", "2026-06-15T12:00:00Z", "never"], 1),
        values(&["true", "False"], 1),
        (values(&["red", "blue"], 1), values(&["ann", "red"], 1), values(&["ann", "x"], 1), values(&["red", "ann"], 2)),
    )
        .prop_map(|(ip, user, team, keys, count, time, tls, (own_team, identity, asked, transitive))| {
            let of_call = [("ip", ip), ("user", user), ("team", team), ("keys", keys), ("count", count), ("time", time), ("tls", tls)];
            let of_session = [("own team", own_team), ("identity", identity), ("asked identity", asked), ("transitive", transitive)];
            let all = of_call.into_iter().chain(of_session);
            all.filter(|(_, values)| !values.is_empty()).collect()
        })
}

fn context_of(facts: &Facts) -> Context {
    let mut context = Context::new();
    for (fact, values) in facts {
        let (key, _) = KEYS.iter().find(|(_, f)| f == fact).unwrap();
        for value in values {
            context.add(key, value.clone());
        }
    }
    context
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow { .. } => "allow",
        Decision::DenyExplicit { .. } => "deny",
        Decision::DenyImplicit => "nothing",
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_compiled_evaluator_agrees_with_the_naive_one(
        documents in prop::collection::vec(document(), 1..4),
        operation in select(&["RunInstances", "StopInstances", "DescribeImages"][..]),
        instance in select(&["i-1", "i-2", "ann7", "*"][..]),
        facts in facts(),
    ) {
        let actions = ["ec2", "ecs", "cvm"].map(|service| format!("{service}:{operation}"));
        let resources = ["arn:aws:ec2:home:42:instance/", "acs:ecs:home:42:instance/", "qcs::cvm:home:uin/42:instance/"].map(|p| format!("{p}{instance}"));
        let (actions, resources) = (actions.each_ref().map(String::as_str), resources.each_ref().map(String::as_str));
        let context = context_of(&facts);
        let compiled: Vec<Document> = documents.iter().map(|d| Document::identity(&d.to_string()).unwrap()).collect();
        let request = AccessRequest { actions: &actions, resources: &resources, principals: &[], context: &context };
        prop_assert_eq!(word(evaluate(&compiled, &request)), decide(&documents, &actions, &resources, &facts));
    }

    #[test]
    fn within_bounds_only_what_each_of_them_allows_is_allowed(
        documents in prop::collection::vec(document(), 1..3),
        bounds in prop::collection::vec(document(), 0..3),
        operation in select(&["RunInstances", "StopInstances"][..]),
        facts in facts(),
    ) {
        let action = format!("ec2:{operation}");
        let (actions, resources) = ([action.as_str()], ["arn:aws:ec2:home:42:instance/i-1"]);
        let context = context_of(&facts);
        let request = AccessRequest { actions: &actions, resources: &resources, principals: &[], context: &context };
        let compiled = |texts: &[Value]| -> Vec<Document> { texts.iter().map(|d| Document::identity(&d.to_string()).unwrap()).collect() };
        let answer = evaluate(&compiled(&documents), &request).within(compiled(&bounds).iter().map(|bound| evaluate([bound], &request)));
        // Plainly: a denial anywhere, else everybody's permission, else nothing.
        let naive = |documents: &[Value]| decide(documents, &actions, &resources, &facts);
        let all: Vec<Value> = documents.iter().chain(&bounds).cloned().collect();
        let allowed = naive(&documents) == "allow" && bounds.iter().all(|bound| naive(std::slice::from_ref(bound)) == "allow");
        let wanted = if naive(&all) == "deny" { "deny" } else if allowed { "allow" } else { "nothing" };
        prop_assert_eq!(word(answer), wanted);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = Document::identity(&text);
        let _ = Document::resource(&text);
    }

    #[test]
    fn no_json_makes_the_reader_panic(document in document(), at in any::<prop::sample::Index>(), put in select(&["", "{", "[[", "\"", "null", "7", "${", "}", "é", "\\u0000", ",", "*"][..]), cut in 0..9usize) {
        // A policy with some of its text replaced is nearer to the edge of the language than noise.
        let text: Vec<char> = document.to_string().chars().collect();
        let at = at.index(text.len());
        let mut damaged: String = text[..at].iter().collect();
        damaged.push_str(put);
        damaged.extend(&text[(at + cut).min(text.len())..]);
        let context = Context::new();
        let request = AccessRequest { actions: &["ec2:RunInstances"], resources: &[], principals: &["é"], context: &context };
        for read in [Document::identity(&damaged), Document::resource(&damaged)].into_iter().flatten() {
            prop_assert_eq!(read.text(), damaged.as_str());
            let _ = evaluate([&read], &request);
        }
    }
}
