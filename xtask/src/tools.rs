//! Tools of the tests that are no Debian packages: cargo's subcommands and a
//! Python environment with the vendors' clients.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run;

/// A cargo subcommand and the version that is installed where it is absent.
pub struct CargoTool {
    subcommand: &'static str,
    package: &'static str,
    version: &'static str,
}

/// Checks licences, sources and banned crates. Building it takes about three minutes.
pub const DENY: CargoTool = CargoTool { subcommand: "deny", package: "cargo-deny", version: "0.20.2" };

/// Runs each test in a process of its own, with a time limit.
pub const NEXTEST: CargoTool = CargoTool { subcommand: "nextest", package: "cargo-nextest", version: "0.9.143" };

/// Installs the tool unless cargo finds some version of it.
pub fn cargo_tool(tool: &CargoTool) -> Result<()> {
    if run::succeeds(&mut run::cargo(&[tool.subcommand, "--version"])) {
        return Ok(());
    }
    println!("  installing {} {} (some minutes, once)", tool.package, tool.version);
    run::shown(&mut run::cargo(&["install", "--quiet", "--locked", tool.package, "--version", tool.version]))
}

/// Makes `.venv` hold what tests/requirements.txt pins, and returns its Python.
///
/// A second call finds the list unchanged and returns at once.
pub fn python() -> Result<PathBuf> {
    let folder = run::root().join(".venv");
    let python = folder.join("bin/python");
    let stamp = folder.join(".requirements");
    let list = run::root().join("tests/requirements.txt");
    let wanted = std::fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let present = std::fs::read_to_string(&stamp).is_ok_and(|present| present == wanted);
    if present && run::succeeds(Command::new(&python).arg("--version")) {
        println!("  .venv is up to date");
        return Ok(python);
    }
    println!("  filling .venv from tests/requirements.txt");
    run::shown(&mut run::command("python3", &["-m", "venv", "--clear", ".venv"])).context("is the package python3-venv installed?")?;
    let mut pip = Command::new(&python);
    // The clouds' clients are many thousand modules, of which few are used: these are compiled when they are.
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "-r"]).arg(&list);
    run::shown(&mut pip)?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}
