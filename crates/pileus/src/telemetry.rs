//! Logs to standard error: words for a person at a terminal, JSON for a collector. `PILEUS_LOG` chooses what (as `RUST_LOG`).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged when nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Starts logging.
pub fn start() {
    let filter = EnvFilter::try_from_env("PILEUS_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() { logs.compact().init() } else { logs.json().init() }
}
