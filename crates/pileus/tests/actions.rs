//! `docs/actions.md` is made of the dialects' action tables and of the clients' tests: every call that is served, how much of the
//! vendor's promise it keeps, and which test proves it. `UPDATE=1` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use wire::Parameter;

const HEAD: &str = "\
# Every call

Made of the action tables by `UPDATE=1 cargo test -p pileus --test actions`; a test holds it to them. **works**: all that the vendor
documents, for what this cloud has. **partly**: what differs is said. A parameter in neither column is refused as unknown; nothing is passed
over in silence. **unsupported**: refused with the vendor's error for that. A call that is not listed is refused as unknown.
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
    let tests = client_tests();
    let mut text = HEAD.to_owned();
    write_dialect(&mut text, "EC2 and STS of AWS", &aws(), &tests);
    write_dialect(&mut text, "ECS, VPC, STS and location of Alibaba Cloud", &alibaba(), &tests);
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
    let rows = [aws(), alibaba()].concat();
    let unproved: Vec<&str> = rows.iter().filter(|row| row.works && proofs(row.name, &tests).is_empty()).map(|row| row.name).collect();
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
    ec2::actions().map(row).collect()
}

fn alibaba() -> Vec<Row> {
    let row = |action: &ecs::Action| {
        let works = matches!(action.state, ecs::State::Works(_));
        let state = if works { "works" } else { "unsupported" }.to_owned();
        Row { name: action.name, state, understood: names(parameters(action.parameters).into_iter()), refused: String::new(), works }
    };
    ecs::actions().iter().map(row).collect()
}

/// Names of parameters, those of structures that lie beside the rest included.
fn parameters(of: &[Parameter]) -> Vec<&'static str> {
    of.iter().flat_map(|parameter| if parameter.name.is_empty() { parameters(parameter.members) } else { vec![parameter.name] }).collect()
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

fn write_dialect(text: &mut String, title: &str, rows: &[Row], tests: &[(String, String)]) {
    let works = rows.iter().filter(|row| row.works).count();
    writeln!(text, "\n## {title}\n\n{works} calls are served.\n").expect("a text can be written to");
    text.push_str("| call | state | parameters | refused as unsupported | proved by |\n|---|---|---|---|---|\n");
    for row in rows {
        let proofs: Vec<String> = proofs(row.name, tests).iter().map(|file| format!("[{file}](../tests/clients/{file})")).collect();
        let Row { name, state, understood, refused, .. } = row;
        writeln!(text, "| {name} | {state} | {understood} | {refused} | {} |", proofs.join(", ")).expect("a text can be written to");
    }
}

/// The files of tests that make a call, by the name that any of the vendors' clients gives it.
fn proofs<'t>(action: &str, tests: &'t [(String, String)]) -> Vec<&'t str> {
    let spellings = [snake(action), action.to_owned(), snake(action).replace('_', "-")];
    let makes = |text: &str| spellings.iter().any(|spelling| contains_word(text, spelling));
    tests.iter().filter(|(_, text)| makes(text)).map(|(name, _)| name.as_str()).collect()
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
        let begins = at > 0 && letter.is_uppercase() && letters[at - 1].is_lowercase();
        out.push_str(if begins { "_" } else { "" });
        out.extend(letter.to_lowercase());
    }
    out
}

fn client_tests() -> Vec<(String, String)> {
    let folder = root().join("tests/clients");
    let entries = fs::read_dir(&folder).expect("the clients' tests are there");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let tests = names.filter(|name| name.starts_with("test_") && !name.starts_with("test_strict") && name.ends_with(".py"));
    let mut tests: Vec<(String, String)> =
        tests.map(|name| (name.clone(), fs::read_to_string(folder.join(name)).expect("a test is text"))).collect();
    tests.sort();
    tests
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in the repository").to_owned()
}

#[test]
fn names_are_spelled_as_clients_spell_them() {
    assert_eq!(snake("RunInstances"), "run_instances");
    assert!(contains_word("ec2.run_instances(", "run_instances") && !contains_word("rerun_instances", "run_instances"));
}
