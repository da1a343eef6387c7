//! The alias of an account: a name that its owner chooses, which no other account of the installation has.

use model::{Account, Error, Noun, check_account_alias};
use serde::Serialize;
use store::Tx;

use crate::account::taken;
use crate::auth::{Caller, Target};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Gives the caller's account an alias, in place of the one that it had.
#[derive(Debug, Clone, Serialize)]
pub struct CreateAccountAlias {
    /// The alias.
    pub alias: String,
}

/// Takes its alias from the caller's account.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteAccountAlias {
    /// The alias that it has.
    pub alias: String,
}

impl Command for CreateAccountAlias {
    type Reply = ();
    const NAME: &'static str = "CreateAccountAlias";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target::any()])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        check_account_alias(&self.alias)?;
        let mut account = account_of(tx, cx)?;
        account.alias = Some(self.alias.clone());
        tx.update(&account).map_err(|error| taken(error, Noun::Account, &self.alias))
    }
}

impl Command for DeleteAccountAlias {
    type Reply = ();
    const NAME: &'static str = "DeleteAccountAlias";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target::any()])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut account = account_of(tx, cx)?;
        if account.alias.as_ref() != Some(&self.alias) {
            return Err(Error::not_found(Noun::Account, &self.alias).into());
        }
        account.alias = None;
        Ok(tx.update(&account)?)
    }
}

fn account_of(tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Account, Failure> {
    Ok(tx.get::<Account>(cx.caller.account())?.ok_or_else(|| Error::not_found(Noun::Account, cx.caller.account()))?)
}

impl Cloud {
    /// The alias of the caller's account, if it has one.
    pub async fn account_alias(&self, caller: &Caller) -> Result<Option<String>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| Ok(account_of(tx, cx)?.alias)).await
    }
}
