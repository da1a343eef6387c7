//! Development commands, run as `cargo xtask COMMAND`: one file a command.
//!
//! They start programs and report; they know the other crates only by their
//! command lines, so that a broken crate cannot stop them from being built.

mod bench;
mod hosts;
mod image;
mod packages;
mod run;
mod test;
mod tools;
mod up;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development commands of Pileus")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the Debian packages that building, running and testing need
    Packages,
    /// Build base images into images/out (or $PILEUS_IMAGE_CACHE)
    Image(image::Options),
    /// From a fresh clone to a cloud with a first instance; Ctrl-C ends it
    Up(up::Options),
    /// A cloud on several hosts, each a network namespace of this machine; Ctrl-C ends and removes it
    Hosts(hosts::Options),
    /// Every check, in order, with a table at the end
    Test(test::Options),
    /// Measure, each figure beside a peer taken in the same run
    Bench(bench::Options),
}

fn main() {
    let result = match Arguments::parse().command {
        Command::Packages => packages::install(&packages::all()),
        Command::Image(options) => image::build(&options),
        Command::Up(options) => up::up(&options),
        Command::Hosts(options) => hosts::hosts(&options),
        Command::Test(options) => test::test(&options),
        Command::Bench(options) => bench::bench(&options),
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
        std::process::exit(1);
    }
}
