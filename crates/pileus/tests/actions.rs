//! `docs/actions.md` is made of the dialects' action tables: every call that is served and how much of the vendor's promise it keeps.
//! `UPDATE=1` writes it anew. Another test holds that a vendor's own client makes each of these calls.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use wire::Parameter;

const HEAD: &str = "\
# Every call

Made of the action tables by `UPDATE=1 cargo test -p pileus --test actions`; a test holds it to them. **works**: all that the vendor
documents, for what this cloud has. **partly**: what differs is said. A parameter in neither column is refused as unknown; nothing is passed
over in silence. Each is made by a vendor's own client in `tests/clients`. **unsupported**: refused with the vendor's error for that. A call that is not listed is refused as unknown.
";

/// A row of the document.
#[derive(Clone)]
struct Row {
    name: &'static str,
    state: String,
    understood: String,
    refused: String,
    works: bool,
}

#[test]
fn the_list_of_calls_is_what_the_tables_say() {
    let mut text = HEAD.to_owned();
    write_dialect(&mut text, "EC2, IAM and STS of AWS", &aws());
    write_dialect(&mut text, "ECS, VPC, RAM, STS and location of Alibaba Cloud", &alibaba());
    write_dialect(&mut text, "CVM, VPC, CBS, CAM, STS and tags of Tencent Cloud", &tencent());
    let path = root().join("docs/actions.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).expect("the document can be written");
    }
    let kept = fs::read_to_string(&path).expect("the document is there");
    assert!(kept == text, "docs/actions.md is not what the tables say; UPDATE=1 writes it anew");
}

#[test]
fn every_call_that_works_is_made_by_a_vendors_client() {
    let tests = client_tests();
    let rows = [aws(), alibaba(), tencent()].concat();
    let unproved: Vec<&str> = rows.iter().filter(|row| row.works && !is_made(row.name, &tests)).map(|row| row.name).collect();
    assert!(unproved.is_empty(), "no test of tests/clients calls {unproved:?}");
}

fn aws() -> Vec<Row> {
    let row = |action: ec2::ActionInfo| Row {
        name: action.name,
        state: match action.state {
            ec2::State::Works => "works".to_owned(),
            ec2::State::Partly(differs) => format!("partly: {differs}"),
        },
        understood: names(parameters(action.parameters).into_iter()),
        refused: names(action.absent.iter().copied()),
        works: true,
    };
    let refused = |name: &&'static str| Row {
        name,
        state: "unsupported".to_owned(),
        understood: String::new(),
        refused: String::new(),
        works: false,
    };
    ec2::actions().map(row).chain(ec2::NOT_YET.iter().map(refused)).collect()
}

fn alibaba() -> Vec<Row> {
    let row = |action: &ecs::Action| {
        let works = matches!(action.state, ecs::State::Works(_));
        let state = if works { "works" } else { "unsupported" }.to_owned();
        let refused: Vec<String> = action.absent.iter().map(|(name, reason)| format!("`{name}` ({reason})")).collect();
        Row { name: action.name, state, understood: names(parameters(action.parameters).into_iter()), refused: refused.join("; "), works }
    };
    ecs::actions().map(row).collect()
}

fn tencent() -> Vec<Row> {
    let row = |action: &'static cvm::Action| {
        let (state, works) = match action.state {
            cvm::State::Works => ("works".to_owned(), true),
            cvm::State::Partly(differs) => (format!("partly: {differs}"), true),
            cvm::State::NotYet => ("unsupported".to_owned(), false),
        };
        let (understood, refused) = (names(parameters(action.parameters).into_iter()), names(action.absent.iter().copied()));
        Row { name: action.name, state, understood, refused, works }
    };
    cvm::actions().map(row).collect()
}

/// Names of parameters, those of structures that lie beside the rest included.
fn parameters(of: &[Parameter]) -> Vec<&'static str> {
    of.iter().flat_map(|parameter| if parameter.name.is_empty() { parameters(parameter.members) } else { vec![parameter.name] }).collect()
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

fn write_dialect(text: &mut String, title: &str, rows: &[Row]) {
    let works = rows.iter().filter(|row| row.works).count();
    writeln!(text, "\n## {title}\n\n{works} calls are served.\n").expect("a text can be written to");
    text.push_str("| call | state | parameters | refused as unsupported |\n|---|---|---|---|\n");
    for row in rows {
        let Row { name, state, understood, refused, .. } = row;
        writeln!(text, "| {name} | {state} | {understood} | {refused} |").expect("a text can be written to");
    }
}

/// Whether a test makes a call, by the name that any of the vendors' clients gives it.
fn is_made(action: &str, tests: &[String]) -> bool {
    // `AWSDefault` is `aws_default` in Python, and `VSwitches` is `vswitches`.
    let spellings = [snake(action), snake(&action.replace("AWS", "Aws")), action.to_owned(), snake(action).replace('_', "-")];
    tests.iter().any(|text| spellings.iter().any(|spelling| contains_word(text, spelling)))
}

fn contains_word(text: &str, word: &str) -> bool {
    let outside = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    text.match_indices(word).any(|(at, _)| outside(text[..at].chars().next_back()) && outside(text[at + word.len()..].chars().next()))
}

/// The name of a call in Python's clients: `DescribeVpcs` is `describe_vpcs`.
fn snake(action: &str) -> String {
    let letters: Vec<char> = action.chars().collect();
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        // A word begins behind a small letter, and with the last letter of several great ones: `MFADevice` is `mfa_device`.
        let is_last_great = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        let begins = at > 0 && letter.is_uppercase() && (!letters[at - 1].is_uppercase() || is_last_great);
        out.push_str(if begins { "_" } else { "" });
        out.extend(letter.to_lowercase());
    }
    out
}

/// The texts of the clients' tests.
fn client_tests() -> Vec<String> {
    let entries = fs::read_dir(root().join("tests/clients")).expect("the clients' tests are there");
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    let is_test = |name: &str| {
        ["test_", "terraform_"].iter().any(|begin| name.starts_with(begin)) && !name.starts_with("test_strict") && name.ends_with(".py")
    };
    let tests = paths.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_test));
    tests.map(|path| fs::read_to_string(path).expect("a test is text")).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in the repository").to_owned()
}

#[test]
fn names_are_spelled_as_clients_spell_them() {
    assert_eq!(snake("RunInstances"), "run_instances");
    assert_eq!(snake("EnableMFADevice"), "enable_mfa_device");
    assert!(contains_word("ec2.run_instances(", "run_instances") && !contains_word("rerun_instances", "run_instances"));
}
