//! `pileus doctor`: finds what belongs to nobody, on the machine and in the database. `--repair` removes processes, folders and
//! control groups; rows and volumes are only told of.

use anyhow::Result;
use serde_json::json;

use crate::arguments::State;
use crate::client::{ask, block_on};
use crate::state::StateFolder;

/// Prints what was found, one finding a line. Fails when something was found and not repaired.
pub fn command(state: &State, repair: bool) -> Result<()> {
    let folder = StateFolder::at(&state.folder)?;
    let findings = block_on(ask(&folder, "/doctor", &json!({ "repair": repair })))?;
    let findings = findings.as_array().cloned().unwrap_or_default();
    for finding in &findings {
        println!("{}", finding.as_str().unwrap_or_default());
    }
    match (findings.len(), repair) {
        (0, _) => println!("Nothing belongs to nobody."),
        (count, true) => println!("{count} finding(s); processes, folders and control groups among them were removed."),
        (count, false) => {
            anyhow::bail!("{count} finding(s); `pileus doctor --repair` removes processes, folders and control groups among them")
        }
    }
    Ok(())
}
