//! `cargo xtask up`: from a fresh clone to a cloud with a first instance.
//!
//! It knows `pileus` by its command line only: `up`, `env` and `launch`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::image::Image;
use crate::{image, packages, run};

/// How long the cloud may take to answer: it recovers its state first.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// Between two questions whether it is ready.
const READY_POLL: Duration = Duration::from_millis(100);
const STEPS: usize = 5;

/// What `up` can be told.
#[derive(Args)]
pub struct Options {
    /// Where the cloud keeps everything it knows
    #[arg(long, default_value = ".pileus")]
    state: PathBuf,
    /// Where the API listens; pileus has a default
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// The folder of built images, if they are not to be built here
    #[arg(long, env = "PILEUS_IMAGES", value_name = "DIR")]
    images: Option<PathBuf>,
}

/// Prepares the machine, builds, starts the cloud and one instance, and stays until Ctrl-C.
pub fn up(options: &Options) -> Result<()> {
    let began = Instant::now();
    let state = std::path::absolute(&options.state)?;
    step(1, "packages", || packages::install(packages::RUN))?;
    step(2, "build of pileus", || run::shown(&mut run::cargo(&["build", "--release", "--package", "pileus"])))?;
    let images = step(3, "image Pileus Linux", || images(options))?;
    let binary = binary()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    // From here Ctrl-C is for pileus, which is in the same terminal and says itself what goes on.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut cloud = Cloud::start(&binary, &state, &images, options)?;
    let environment = step(4, "cloud", || cloud.wait_until_ready(&binary, &state))?;
    let launched = step(5, "first instance", || run::output(&mut command(&binary, "launch", &state)))?;
    println!("\nThe cloud is up after {}.\n", run::elapsed(began.elapsed()));
    println!("{}\n{}", environment.trim_end(), launched.trim_end());
    println!("\nEverything is in {}. Ctrl-C ends pileus.", state.display());
    runtime.block_on(async {
        let mut check = tokio::time::interval(READY_POLL);
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => cloud.forward(Signal::SIGTERM),
                _ = check.tick() => if let Some(status) = cloud.child.try_wait()? {
                    cloud.ended = true;
                    if status.success() { return Ok(()) }
                    bail!("pileus ended with {status}");
                },
            }
        }
    })
}

/// One numbered heading, the work, and how long it took.
fn step<T>(number: usize, title: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("[{number}/{STEPS}] {title}");
    let began = Instant::now();
    let value = work().with_context(|| format!("step {number} of {STEPS} ({title})"))?;
    println!("[{number}/{STEPS}] {title}: done in {}", run::elapsed(began.elapsed()));
    Ok(value)
}

fn images(options: &Options) -> Result<PathBuf> {
    if let Some(folder) = &options.images {
        println!("  taken from {}", folder.display());
        return Ok(std::path::absolute(folder)?);
    }
    image::build(&image::Options { image: Image::PileusLinux, fresh: false })?;
    Ok(std::path::absolute(image::folder())?)
}

/// Returns the release binary, wherever cargo was told to put it.
pub fn binary() -> Result<PathBuf> {
    built("release")
}

/// Returns the binary that tests run, with the checks of a debug build.
pub fn debug_binary() -> Result<PathBuf> {
    built("debug")
}

fn built(profile: &str) -> Result<PathBuf> {
    let metadata = run::output(&mut run::cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
    Ok(Path::new(target).join(profile).join("pileus"))
}

fn command(binary: &Path, subcommand: &str, state: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg(subcommand).arg("--state").arg(state);
    command
}

/// The running `pileus up`. It is ended with this value unless it has ended by itself.
struct Cloud {
    child: Child,
    ended: bool,
}

impl Cloud {
    fn start(binary: &Path, state: &Path, images: &Path, options: &Options) -> Result<Cloud> {
        let mut command = command(binary, "up", state);
        command.arg("--images").arg(images);
        if let Some(listen) = &options.listen {
            command.arg("--listen").arg(listen);
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", run::line(&command)))?;
        Ok(Cloud { child, ended: false })
    }

    /// Asks `pileus env` until it succeeds, and returns what it printed.
    fn wait_until_ready(&mut self, binary: &Path, state: &Path) -> Result<String> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let answer = command(binary, "env", state).stderr(Stdio::null()).output().context("cannot start pileus env")?;
            if answer.status.success() {
                return Ok(String::from_utf8_lossy(&answer.stdout).into_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                bail!("pileus ended with {status} before it was ready; see its words above");
            }
            if Instant::now() > deadline {
                bail!("pileus did not become ready within {}", run::elapsed(READY_LIMIT));
            }
            std::thread::sleep(READY_POLL);
        }
    }

    fn forward(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids fit in an i32 on Linux");
        // It can only fail for a process that has ended, which the caller sees by itself.
        let _ = kill(Pid::from_raw(id), signal);
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if !self.ended {
            self.forward(Signal::SIGTERM);
            // An error here leaves nothing to do.
            let _ = self.child.wait();
        }
    }
}
