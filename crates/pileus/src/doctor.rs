//! `pileus doctor`: finds what belongs to nobody, on the machine and in the database. `--repair` removes it, tenants' bytes apart:
//! volumes that no document knows are only told of.

use anyhow::Result;
use serde_json::{Value, json};

use crate::arguments::State;
use crate::client::{ask, block_on};
use crate::state::StateFolder;

/// Prints what was found, one finding a line. Fails when something is left to be done.
pub fn command(state: &State, repair: bool) -> Result<()> {
    let folder = StateFolder::at(&state.folder)?;
    let answer = block_on(ask(&folder, "/doctor", &json!({ "repair": repair })))?;
    let (findings, left) = (sentences(&answer["findings"]), sentences(&answer["left"]));
    for finding in &findings {
        let removed = if left.contains(finding) { "" } else { " (removed)" };
        println!("{finding}{removed}");
    }
    match (findings.len(), left.len()) {
        (0, _) => println!("Nothing belongs to nobody."),
        (_, 0) => println!("Everything found was removed."),
        (_, count) if repair => anyhow::bail!("{count} finding(s) are left for you to decide on"),
        (_, count) => anyhow::bail!("{count} finding(s); `pileus doctor --repair` removes what holds no tenant's bytes"),
    }
    Ok(())
}

fn sentences(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
