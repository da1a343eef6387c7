//! Holds the documents to what they promise: links lead somewhere, every
//! feature has a line, and no sentence depends on one machine.

use std::path::{Path, PathBuf};

/// Areas of docs/features.md and the number of rows in each: A1 to A10 and so on.
const FEATURES: &[(char, u32)] = &[('A', 10), ('B', 2), ('C', 7), ('D', 7), ('E', 8), ('F', 2), ('G', 5), ('H', 4), ('I', 7)];

/// Folders that hold what was built or fetched, not what was written.
const NOT_OURS: &[&str] = &["target", "node_modules", "out", ".venv", ".git", ".pileus", "shared"];

#[test]
fn every_relative_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document is text");
        let folder = document.parent().expect("a file lies in a folder");
        for link in links(&text) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !folder.join(path).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_feature_has_a_line_in_the_list() {
    let path = root().join("docs/features.md");
    let text = std::fs::read_to_string(&path).expect("docs/features.md is there");
    let listed = |id: &str| text.lines().any(|line| words(line).next() == Some(id));
    let ids = FEATURES.iter().flat_map(|(area, rows)| (1..=*rows).map(move |row| format!("{area}{row}")));
    let missing: Vec<String> = ids.filter(|id| !listed(id)).collect();
    assert!(missing.is_empty(), "docs/features.md has no line that starts with {missing:?}");
}

#[test]
fn no_document_names_a_folder_of_one_machine() {
    let root = root();
    // The checkout and the folders above it, but not `/` and its direct children.
    let own = root.ancestors().filter(|folder| folder.components().count() > 2);
    let mut forbidden: Vec<String> = own.map(|folder| folder.display().to_string()).collect();
    forbidden.push("/home/".into());
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document is text");
        for folder in &forbidden {
            assert!(!text.contains(folder), "{} names {folder}", document.display());
        }
    }
}

#[test]
fn links_are_found_outside_of_code_only() {
    let text =
        "see [one](a.md#x) and [two](https://example.org) or [three](#here)\n```\n[no](b.md)\n```\n`[no](c.md)` [four](d/e.md \"title\")";
    assert_eq!(links(text), ["a.md#x", "#here", "d/e.md"]);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

fn documents() -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be listed") {
            let entry = entry.expect("a folder can be listed");
            let (path, kind) = (entry.path(), entry.file_type().expect("its kind can be read"));
            if kind.is_dir() && !NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The targets of inline links, without those that leave the repository.
fn links(text: &str) -> Vec<String> {
    let (mut found, mut in_code) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: String = line.split('`').step_by(2).collect();
        for piece in prose.split("](").skip(1) {
            let target = piece.split([')', ' ']).next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}
