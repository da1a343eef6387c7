//! Holds the crates to the one-way flow: which may depend on which.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Each crate (without its prefix) and the crates of the workspace that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("hostspec", &["model"]),
    ("store", &["model"]),
    ("repository", &["model"]),
    ("control", &["model", "store", "hostspec"]),
    ("agent", &["hostspec", "model", "repository"]),
    ("link", &["hostspec", "model"]),
    ("wire-derive", &[]),
    ("wire", &["wire-derive"]),
    ("ec2", &["control", "model", "wire"]),
    ("ecs", &["control", "model", "wire"]),
    ("cvm", &["control", "model", "wire"]),
    // What the tests of the three begin with; nothing but tests may use it.
    ("testcloud", &["control", "model", "store", "hostspec"]),
    ("console", &["control", "model", "wire"]),
    ("cli", &["model", "wire"]),
    // Nothing may use these two; they may use everything below them.
    ("sim", &["model", "store", "control", "hostspec", "repository", "agent", "wire", "ec2", "ecs", "cvm"]),
    (
        "pileus",
        &["model", "store", "control", "hostspec", "repository", "agent", "wire", "ec2", "ecs", "cvm", "console", "cli", "sim", "link"],
    ),
    // It starts programs and uses none of them.
    ("xtask", &[]),
];

#[test]
fn crates_use_only_what_the_design_lets_them() {
    let edges = edges();
    assert!(edges.len() > 5, "the workspace has more than five crates");
    for (from, uses) in edges {
        let allowed = ALLOWED.iter().find(|(name, _)| *name == from);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{from} is not in the table: say what it may use"));
        for to in uses {
            assert!(allowed.contains(&to.as_str()), "{from} must not use {to}: it may use {allowed:?}");
        }
    }
}

#[test]
fn the_allowed_edges_make_no_circle() {
    let mut settled: Vec<&str> = Vec::new();
    while settled.len() < ALLOWED.len() {
        let ready = ALLOWED.iter().find(|(name, uses)| !settled.contains(name) && uses.iter().all(|used| settled.contains(used)));
        let (name, _) = ready.unwrap_or_else(|| panic!("a circle among the crates outside {settled:?}"));
        settled.push(name);
    }
}

/// Each crate of the workspace with the other ones that it is built from. What only its tests use may be anything.
fn edges() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages is a list");
    let short = |value: &Value| value["name"].as_str().expect("a name is text").trim_start_matches("pileus-").to_owned();
    let members: Vec<String> = packages.iter().map(short).collect();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies is a list");
            // Only those with a path are of the workspace.
            let own = dependencies.iter().filter(|dependency| dependency["path"].is_string() && dependency["kind"].is_null()).map(short);
            (short(package), own.filter(|name| members.contains(name)).collect())
        })
        .collect()
}
