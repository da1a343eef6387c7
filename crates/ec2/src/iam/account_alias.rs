//! The alias of the caller's account, of which there is one at most.

use control::{CreateAccountAlias, DeleteAccountAlias};
use wire::{FromArg, Show};

use super::{Done, Paging};
use crate::Cx;
use crate::error::Refusal;

/// The parameters of `CreateAccountAlias` and `DeleteAccountAlias`.
#[derive(FromArg)]
pub(crate) struct One {
    account_alias: String,
}

/// Gives the account an alias.
pub(crate) async fn create(cx: Cx, asked: One) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, CreateAccountAlias { alias: asked.account_alias }, cx.options(None)).await?;
    Ok(Done {})
}

/// Takes it away.
pub(crate) async fn delete(cx: Cx, asked: One) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, DeleteAccountAlias { alias: asked.account_alias }, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `ListAccountAliases`.
#[derive(FromArg)]
pub(crate) struct List {
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListAccountAliases`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Aliases {
    account_aliases: Vec<String>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Lists the alias, if there is one.
pub(crate) async fn list(cx: Cx, asked: List) -> Result<Aliases, Refusal> {
    let all: Vec<String> = cx.cloud.account_alias(&cx.caller).await?.into_iter().collect();
    let (account_aliases, marker) = asked.paging.page(all, String::as_str)?;
    Ok(Aliases { account_aliases, is_truncated: marker.is_some(), marker })
}
