//! Starting programs: always in the repository's root, with the program's own
//! output shown, and an error that names the command line.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Returns the repository's root folder.
pub fn root() -> PathBuf {
    // Set by `cargo xtask`; the compiled-in value serves a copied binary.
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
    let mut path = PathBuf::from(manifest);
    path.pop();
    path
}

/// Returns a command to be run in the repository's root.
pub fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Returns a command that runs the cargo that runs this program.
pub fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var("CARGO").unwrap_or("cargo".into());
    let mut command = command(&program, arguments);
    // What `cargo xtask` set for itself would make the inner cargo rebuild.
    command.env_remove("CARGO_MANIFEST_DIR");
    command
}

/// Runs to the end with output shown; an exit code other than 0 is an error.
pub fn shown(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs to the end and returns what it printed; its errors are shown.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}", line(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no text", line(command)))
}

/// Tells whether the command can be started and ends well; shows nothing.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Returns the command line as a person would type it.
pub fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Returns a duration as a person reads it: `0.4 s`, `12 s`, `3 m 07 s`.
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_speech() {
        let check = |millis, text| assert_eq!(elapsed(Duration::from_millis(millis)), text);
        check(420, "0.4 s");
        check(12_900, "12 s");
        check(187_000, "3 m 07 s");
    }

    #[test]
    fn a_failing_program_is_an_error_that_names_it() {
        let error = shown(&mut command("false", &["now"])).unwrap_err();
        assert!(error.to_string().starts_with("false now ended with"), "{error}");
        assert!(output(&mut command("no-such-program-here", &[])).is_err());
    }
}
