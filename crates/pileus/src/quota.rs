//! `pileus quota`: what accounts may have, and what they ask for.

use anyhow::{Context, Result};
use control::Cloud;
use model::QuotaName;
use serde_json::{Value, json};

use crate::arguments::{Quota, QuotaAction};
use crate::client::{ask, block_on};
use crate::operator::word;
use crate::state::StateFolder;

/// `pileus quota`.
pub fn command(quota: &Quota) -> Result<()> {
    let folder = StateFolder::at(&quota.state.folder)?;
    let ask = |path: &str, arguments: Value| block_on(ask(&folder, path, &arguments));
    match &quota.action {
        QuotaAction::List { account } => {
            println!("{:<18} {:>12} {:>12} {:>12}", "quota", "limit", "default", "in use");
            for row in rows(&ask("/quota/list", json!({ "account": account }))?) {
                let used = row["used"].as_u64().map_or_else(|| "-".to_owned(), |used| used.to_string());
                println!("{:<18} {:>12} {:>12} {used:>12}", text(row, "name"), row["limit"].to_string(), row["default"].to_string());
            }
        }
        QuotaAction::Set { account, quota, limit } => {
            ask("/quota/set", json!({ "account": account, "quota": quota, "limit": limit }))?;
            println!("Done.");
        }
        QuotaAction::Requests => {
            for row in rows(&ask("/quota/requests", Value::Null)?) {
                let (account, name) = (text(row, "account"), text(row, "name"));
                println!(
                    "{account} {name}: {} instead of {}, asked by {}: {}",
                    row["wanted"],
                    row["limit"],
                    text(row, "by"),
                    text(row, "reason")
                );
            }
        }
        QuotaAction::Deny { account, quota } => {
            ask("/quota/deny", json!({ "account": account, "quota": quota }))?;
            println!("Done.");
        }
    }
    Ok(())
}

fn rows(answer: &Value) -> Vec<&Value> {
    answer.as_array().into_iter().flatten().collect()
}

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or_default()
}

/// Answers the command in the cloud that runs; `what` is what follows `/quota/` in the path.
pub async fn answer(cloud: &Cloud, what: &str, arguments: &Value) -> Result<Value> {
    match what {
        "list" => Ok(serde_json::to_value(views(cloud.quotas_of(account(cloud, arguments).await?).await?))?),
        "set" => {
            let limit = arguments["limit"].as_u64().context("the limit is missing")?;
            cloud.quota_set(account(cloud, arguments).await?, named(arguments)?, limit).await?;
            Ok(Value::Null)
        }
        "requests" => requests(cloud).await,
        "deny" => {
            let any = cloud.quota_deny(account(cloud, arguments).await?, named(arguments)?).await?;
            any.then_some(Value::Null).context("nobody has asked for that")
        }
        _ => anyhow::bail!("there is no such question about quotas"),
    }
}

fn views(quotas: Vec<control::QuotaView>) -> Vec<Value> {
    let view = |quota: control::QuotaView| json!({ "name": quota.name.as_str(), "limit": quota.limit, "default": quota.default, "used": quota.used });
    quotas.into_iter().map(view).collect()
}

async fn requests(cloud: &Cloud) -> Result<Value> {
    let mut rows = Vec::new();
    for request in cloud.quota_requests_open().await? {
        let known = cloud.account(request.account).await?;
        let now = cloud.quotas_of(request.account).await?;
        rows.push(json!({
            "account": known.map_or_else(|| request.account.to_string(), |account| account.name),
            "name": request.name.as_str(),
            "wanted": request.wanted,
            "limit": now.iter().find(|quota| quota.name == request.name).map(|quota| quota.limit),
            "by": request.asked_by,
            "reason": request.reason,
        }));
    }
    Ok(Value::Array(rows))
}

async fn account(cloud: &Cloud, arguments: &Value) -> Result<model::AccountId> {
    let name = word(arguments, "account")?;
    Ok(cloud.account_named(name).await?.with_context(|| format!("there is no account '{name}'"))?.id)
}

fn named(arguments: &Value) -> Result<QuotaName> {
    let wanted = word(arguments, "quota")?;
    let known = || QuotaName::ALL.map(QuotaName::as_str).join(", ");
    QuotaName::named(wanted).with_context(|| format!("there is no quota '{wanted}'; there are {}", known()))
}
