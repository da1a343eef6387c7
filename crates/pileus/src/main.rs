//! `pileus`: a whole cloud in one binary.
//!
//! ```text
//!   up ── state folder ─▶ store ─▶ control ─▶ agent (or simulated hosts)
//!    │                      ▲
//!    ├── API listener ── identify, verify, dialect
//!    └── operator's socket ── env, status, doctor, down, launch, accounts
//! ```
//!
//! This file knows the subcommands and nothing else; each has a file of its own.

mod agent_command;
mod api;
mod arguments;
mod blocks;
mod buckets;
mod client;
mod doctor;
mod flows;
mod garbage;
mod host_commands;
mod host_listener;
mod hosts;
mod image_tasks;
mod images;
mod instance_events;
mod kms_keys;
mod listener;
mod objects;
mod operator;
mod operator_commands;
mod questions;
mod quota;
mod reach;
mod requirements;
mod scrub;
mod session_commands;
mod sessions;
mod state;
mod telemetry;
mod tickets;
mod up;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Subcommand};

/// A call allocates hundreds of times, on whichever thread it is; glibc's allocator took a fifth of the processor for it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The version of this program, as it tells it to others.
const BUILD: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        // Both run before anything else is set up: a cage must be one thread, and the image server is a process of its own.
        Subcommand::Cage { place } => agent::cage::main(&place),
        Subcommand::ImageServer(server) => {
            telemetry::start();
            server.config().and_then(|config| Ok(repository::server::main(config)?))
        }
        Subcommand::Up(up) => {
            telemetry::start();
            up::run(up, up::Machine::IsHost)
        }
        Subcommand::Server(up) => {
            telemetry::start();
            up::run(up, up::Machine::IsNoHost)
        }
        Subcommand::Agent(arguments) => {
            telemetry::start();
            agent_command::run(&arguments)
        }
        Subcommand::Host(host) => host_commands::host(&host),
        Subcommand::Env { state } => operator_commands::env(&state),
        Subcommand::Status { state } => operator_commands::status(&state),
        Subcommand::Doctor { state, repair } => doctor::command(&state, repair),
        Subcommand::Down { state, purge } => operator_commands::down(&state, purge),
        Subcommand::Launch(launch) => operator_commands::launch(&launch),
        Subcommand::Reach(reach) => reach::command(&reach),
        Subcommand::Ssh(ssh) => session_commands::ssh(&ssh),
        Subcommand::Tunnel(tunnel) => session_commands::tunnel(&tunnel),
        Subcommand::Account(account) => operator_commands::account(&account),
        Subcommand::Quota(quota) => quota::command(&quota),
        Subcommand::Events(events) => instance_events::command(&events),
        Subcommand::KmsKeys(keys) => kms_keys::command(&keys),
        Subcommand::Repository(command) => scrub::command(&command),
        Subcommand::Audit(audit) => operator_commands::audit(&audit),
        Subcommand::Backup { state, to } => operator_commands::backup(&state, &to),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pileus: {error:#}");
            ExitCode::FAILURE
        }
    }
}
