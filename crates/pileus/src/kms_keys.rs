//! `pileus kms-key`: the keys of accounts, and their end before the waiting time that their owners have.

use anyhow::{Context, Result};
use control::Cloud;
use model::{KmsKeyId, KmsKeyState};
use serde_json::{Value, json};

use crate::arguments::{KmsKeyAction, KmsKeys};
use crate::client::{ask, block_on};
use crate::operator::word;
use crate::state::StateFolder;

/// `pileus kms-key`.
pub fn command(keys: &KmsKeys) -> Result<()> {
    let folder = StateFolder::at(&keys.state.folder)?;
    match &keys.action {
        KmsKeyAction::List => {
            let answer = block_on(ask(&folder, "/kms-key/list", &Value::Null))?;
            println!("{:<36} {:<12} {:<17} {:>8}", "key", "account", "state", "versions");
            for row in answer.as_array().into_iter().flatten() {
                let text = |name: &str| row[name].as_str().unwrap_or_default();
                println!("{:<36} {:<12} {:<17} {:>8}", text("id"), text("account"), text("state"), row["versions"]);
            }
        }
        KmsKeyAction::Erase { key } => {
            block_on(ask(&folder, "/kms-key/erase", &json!({ "key": key })))?;
            println!("Erased. Disks and snapshots under this key can never be opened again; guests that run keep theirs until they stop.");
        }
    }
    Ok(())
}

/// Answers the command in the cloud that runs; `what` is what follows `/kms-key/` in the path.
pub async fn answer(cloud: &Cloud, what: &str, arguments: &Value) -> Result<Value> {
    match what {
        "list" => {
            let keys = cloud.kms_keys().await?;
            let row = |key: &model::KmsKey| {
                let at = match key.state {
                    KmsKeyState::PendingDeletion { at } => Some(at.timestamp().to_string()),
                    KmsKeyState::Enabled | KmsKeyState::Disabled => None,
                };
                json!({
                    "id": key.id.uuid(), "account": key.account.to_string(), "state": key.word(), "deleted_at": at,
                    "versions": key.versions.len(), "aliases": key.aliases,
                })
            };
            Ok(Value::Array(keys.iter().map(row).collect()))
        }
        "erase" => {
            let id = KmsKeyId::from_uuid(word(arguments, "key")?).context("that is no key's id; `pileus kms-key list` prints them")?;
            cloud.kms_key_erase(id).await?;
            Ok(Value::Null)
        }
        _ => anyhow::bail!("there is no such question about keys"),
    }
}
