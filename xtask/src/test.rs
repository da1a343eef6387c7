//! `cargo xtask test`: every check in order, as `.ci/run` calls it.
//!
//! A failing step does not stop the others, except those that need its result.
//! The last line of the output is `N passed, N failed, N skipped`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::image::Image;
use crate::{image, packages, run, tools, up};

/// Seconds one Python test may take: a stock image boots in a minute under emulation, and
/// a machine that also compiles is several times slower.
const PYTHON_TEST_LIMIT: u32 = 900;
/// Test files of the clients that run side by side: the tests wait for guests most of the time. The files begin in the order of their
/// names, so that none that takes long is the last.
const SIDE_BY_SIDE: &[&str] = &["--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder"];

/// What `test` can be told.
#[derive(Args)]
pub struct Options {
    /// Run only this step (may be repeated)
    #[arg(long, value_name = "STEP", value_parser = step_name)]
    only: Vec<&'static str>,
    /// Leave this step out (may be repeated)
    #[arg(long, value_name = "STEP", value_parser = step_name)]
    skip: Vec<&'static str>,
}

/// One check.
struct Step {
    name: &'static str,
    title: &'static str,
    /// Steps whose failure makes this one pointless.
    needs: &'static [&'static str],
    check: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "packages", title: "Debian packages", needs: &[], check: || packages::install(&packages::all()) },
    Step { name: "format", title: "formatting", needs: &[], check: || cargo(&["fmt", "--all", "--check"]) },
    Step { name: "clippy", title: "lints", needs: &[], check: clippy },
    Step { name: "deny", title: "licences, bans and sources of dependencies", needs: &[], check: deny },
    Step { name: "edges", title: "which crate may use which", needs: &[], check: || xtask_test("edges") },
    Step { name: "docs", title: "links and completeness of the documents", needs: &[], check: || xtask_test("docs") },
    Step { name: "rust", title: "Rust tests", needs: &["packages"], check: rust },
    Step { name: "doctest", title: "examples in the documentation", needs: &[], check: doctest },
    Step { name: "images", title: "base images", needs: &["packages"], check: images },
    Step { name: "python", title: "Python environment of the clients", needs: &["packages"], check: python },
    Step { name: "guests", title: "base images as guests", needs: &["images", "python"], check: guests },
    Step { name: "build", title: "build of pileus", needs: &[], check: build },
    Step { name: "clients", title: "the clouds' own clients against a real cloud", needs: &["images", "python", "build"], check: clients },
];

/// How a step ended.
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs the chosen steps; an error if any failed.
pub fn test(options: &Options) -> Result<()> {
    let mut results: Vec<(&Step, Outcome, Duration)> = Vec::new();
    for step in STEPS {
        if options.skip.contains(&step.name) || !(options.only.is_empty() || options.only.contains(&step.name)) {
            continue;
        }
        println!("\n=== {}: {}", step.name, step.title);
        let began = Instant::now();
        let outcome = outcome(step, &results);
        let took = began.elapsed();
        println!("=== {}: {} in {}", step.name, outcome.word(), run::elapsed(took));
        results.push((step, outcome, took));
    }
    summary(&results)
}

fn outcome(step: &Step, before: &[(&Step, Outcome, Duration)]) -> Outcome {
    let broken = before.iter().find(|(done, outcome, _)| step.needs.contains(&done.name) && !matches!(outcome, Outcome::Passed));
    if let Some((needed, _, _)) = broken {
        return Outcome::Skipped(format!("needs {}", needed.name));
    }
    match (step.check)() {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        }
    }

    fn reason(&self) -> &str {
        match self {
            Outcome::Passed => "",
            Outcome::Failed(reason) | Outcome::Skipped(reason) => reason,
        }
    }
}

fn summary(results: &[(&Step, Outcome, Duration)]) -> Result<()> {
    println!("\n{:<10} {:<8} {:>10}", "step", "result", "time");
    for (step, outcome, took) in results {
        let first_line = outcome.reason().lines().next().unwrap_or_default();
        println!("{:<10} {:<8} {:>10}  {first_line}", step.name, outcome.word(), run::elapsed(*took));
    }
    let count = |word| results.iter().filter(|(_, outcome, _)| outcome.word() == word).count();
    let (passed, failed, skipped) = (count("passed"), count("FAILED"), count("skipped"));
    if failed > 0 {
        println!("\nNot everything holds; the steps above say what.");
    }
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    if failed > 0 {
        // The table has said everything.
        std::process::exit(1);
    }
    Ok(())
}

fn step_name(text: &str) -> Result<&'static str, String> {
    let known = || STEPS.iter().map(|step| step.name);
    known().find(|name| *name == text).ok_or_else(|| format!("the steps are {}", known().collect::<Vec<_>>().join(", ")))
}

fn cargo(arguments: &[&str]) -> Result<()> {
    run::shown(&mut run::cargo(arguments))
}

fn clippy() -> Result<()> {
    cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn deny() -> Result<()> {
    tools::cargo_tool(&tools::DENY)?;
    // The sources of every platform's dependencies, which no build here has asked for.
    cargo(&["fetch", "--quiet", "--locked"])?;
    cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"])
}

fn xtask_test(name: &str) -> Result<()> {
    cargo(&["test", "--quiet", "--package", "xtask", "--test", name])
}

fn rust() -> Result<()> {
    tools::cargo_tool(&tools::NEXTEST)?;
    // Its own limits are in .config/nextest.toml.
    cargo(&["nextest", "run", "--workspace", "--no-fail-fast"])
}

fn doctest() -> Result<()> {
    cargo(&["test", "--quiet", "--workspace", "--doc"])
}

fn images() -> Result<()> {
    image::build(&image::Options { image: Image::All, fresh: false })
}

fn python() -> Result<()> {
    tools::python().map(drop)
}

fn guests() -> Result<()> {
    pytest("tests/images", &[])
}

fn build() -> Result<()> {
    // With debug assertions and checks of overflows; the release build takes a fifth of all that this command may take. By the command
    // that the Rust tests are built by, after which nothing is left to do: pileus alone would be built with other features.
    tools::cargo_tool(&tools::NEXTEST)?;
    cargo(&["nextest", "run", "--workspace", "--no-run"])
}

fn clients() -> Result<()> {
    pytest("tests/clients", SIDE_BY_SIDE)
}

/// Runs the Python tests of a folder with the built binary and images in their environment.
fn pytest(folder: &str, options: &[&str]) -> Result<()> {
    if !run::root().join(folder).is_dir() {
        bail!("the folder {folder} is missing");
    }
    let python = tools::python()?;
    let mut command = run::command(&path_text(&python), &["-m", "pytest", "-ra", "--durations=5"]);
    command.args(options).arg(format!("--timeout={PYTHON_TEST_LIMIT}")).arg(folder);
    command.env("PILEUS_BIN", up::debug_binary()?).env("PILEUS_IMAGES", image::folder());
    run::shown(&mut command)
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILING: Step = Step { name: "a", title: "", needs: &[], check: || bail!("on purpose") };
    const NEEDING: Step = Step { name: "b", title: "", needs: &["a"], check: || panic!("it must not run") };

    #[test]
    fn a_step_whose_need_failed_is_skipped_and_says_which() {
        let failed = outcome(&FAILING, &[]);
        assert_eq!(failed.reason(), "on purpose");
        let skipped = outcome(&NEEDING, &[(&FAILING, failed, Duration::ZERO)]);
        assert_eq!((skipped.word(), skipped.reason()), ("skipped", "needs a"));
    }

    #[test]
    fn every_need_is_a_step_before() {
        for (index, step) in STEPS.iter().enumerate() {
            for need in step.needs {
                assert!(STEPS[..index].iter().any(|before| before.name == *need), "{} needs {need}", step.name);
            }
        }
    }
}
