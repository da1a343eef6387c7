//! `pileus host`: what an operator says of hosts to a cloud that runs.

use anyhow::Result;
use serde_json::{Value, json};

use crate::arguments::{HostAction, HostCommand};
use crate::client::{ask, block_on};
use crate::state::StateFolder;

/// `pileus host`.
pub fn host(command: &HostCommand) -> Result<()> {
    let folder = StateFolder::at(&command.state.folder)?;
    match &command.action {
        HostAction::Add { name, zone, rack, underlay } => {
            let arguments = json!({ "name": name, "zone": zone, "rack": rack, "underlay": underlay });
            let made = block_on(ask(&folder, "/host/add", &arguments))?;
            // The token alone, so that it can go straight to a file or down a pipe.
            println!("{}", made["token"].as_str().unwrap_or_default());
            eprintln!("One machine becomes {name} with it within an hour: pileus agent --token FILE");
        }
        HostAction::List => {
            let status = block_on(ask(&folder, "/status", &Value::Null))?;
            let hosts = status["hosts"].as_array().cloned().unwrap_or_default();
            println!(
                "{}",
                row(["NAME", "STATE", "ZONE", "RACK", "ADDRESS", "VCPUS", "MIB", "DISK GIB", "VERSION", "LAST SEEN"].map(str::to_owned))
            );
            hosts.iter().for_each(|host| println!("{}", row(columns(host))));
        }
        HostAction::Remove { name } => {
            block_on(ask(&folder, "/host/remove", &json!({ "name": name })))?;
            println!("{name} is no host any more. On that machine, `pileus down --purge` removes what is left.");
        }
    }
    Ok(())
}

fn columns(host: &Value) -> [String; 10] {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let zones: Vec<&str> = host["zones"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let capacity = &host["capacity"];
    [
        text(&host["name"]),
        state_of(host),
        zones.join(","),
        text(&host["rack"]),
        text(&host["underlay"]),
        text(&capacity["vcpus"]),
        text(&capacity["memory"]),
        text(&capacity["disk_gib"]),
        text(&host["build"]),
        seen(host),
    ]
}

/// The host's state in one word.
pub fn state_of(host: &Value) -> String {
    match (host["reported"] == json!(true), host["invited"] == json!(true)) {
        (false, true) => "invited".to_owned(),
        (false, false) if host["capacity"].is_null() => "not joined".to_owned(),
        _ => host["state"].as_str().unwrap_or_default().to_owned(),
    }
}

fn seen(host: &Value) -> String {
    match (host["reported"] == json!(true), host["seen_ms_ago"].as_i64()) {
        (true, Some(ago)) => format!("{} s ago", ago.max(0) / 1000),
        _ => "never".to_owned(),
    }
}

fn row(columns: [String; 10]) -> String {
    const WIDTHS: [usize; 10] = [14, 10, 12, 8, 15, 5, 8, 8, 8, 0];
    let padded = columns.iter().zip(WIDTHS).map(|(text, width)| format!("{text:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}
