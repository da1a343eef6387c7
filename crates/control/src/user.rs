//! Users of an account and their access keys, as the account's own administrators manage them.

use std::collections::BTreeSet;

use model::{ACCESS_KEYS_MAX, AccessKey, AccessKeyUse, Error, Noun, Permissions, Rights, User, UserId, check_user_name};
use serde::Serialize;
use store::Tx;

use crate::account::{NewAccessKey, insert_key, taken};
use crate::auth::{Caller, Target, Who};
use crate::permission::user;
use crate::run::{Command, Cx, Options};
use crate::{Cloud, Failure};

/// Most users of an account (IAM: 5,000; RAM: 1,000).
const USERS_MAX: usize = 5_000;

/// Makes a user without rights and without keys.
#[derive(Debug, Clone, Serialize)]
pub struct CreateUser {
    /// Name, unique in the account.
    pub name: String,
}

/// Gives a user another name.
#[derive(Debug, Clone, Serialize)]
pub struct RenameUser {
    /// Name now.
    pub name: String,
    /// Name from now on.
    pub new_name: String,
}

/// Deletes a user that has no keys, policies and groups.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteUser {
    /// Its name.
    pub name: String,
}

/// Turns an access key of a user on or off.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateAccessKey {
    /// The user's name; without it the caller's own.
    pub user: Option<String>,
    /// The key.
    pub key: String,
    /// Whether requests signed with it are answered.
    pub active: bool,
}

/// Deletes an access key of a user.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteAccessKey {
    /// The user's name; without it the caller's own.
    pub user: Option<String>,
    /// The key.
    pub key: String,
}

fn target(name: &str) -> Vec<Target> {
    vec![Target { path: Some(format!("user/{name}")), ..Target::default() }]
}

/// The user of a name, or the caller.
fn user_or_caller(tx: &Tx<'_>, caller: &Caller, name: Option<&str>) -> Result<User, Failure> {
    if let Some(name) = name {
        return user(tx, caller.account(), name);
    }
    match &caller.principal.who {
        Who::Root(id) | Who::User { id, .. } => Ok(tx.get::<User>(*id)?.ok_or_else(|| Error::not_found(Noun::User, id))?),
        Who::Session { .. } => Err(Error::MissingParameter { name: "UserName" }.into()),
    }
}

impl Command for CreateUser {
    type Reply = User;
    const NAME: &'static str = "CreateUser";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(&self.name))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<User, Failure> {
        check_user_name(&self.name)?;
        let account = cx.caller.account();
        if tx.user_list(account)?.len() >= USERS_MAX {
            return Err(Error::LimitReached { name: "UserName", what: "users".to_owned(), limit: USERS_MAX as u64 }.into());
        }
        let rights = Rights::Policies { permissions: Permissions::default(), groups: BTreeSet::new() };
        let id = UserId::from_u64(cx.new_id());
        let made = User { id, account, name: self.name.clone(), rights, created_at: cx.now };
        tx.insert(&made).map_err(|error| taken(error, Noun::User, &self.name))?;
        Ok(made)
    }
}

impl Command for RenameUser {
    type Reply = User;
    const NAME: &'static str = "RenameUser";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        // Whoever renames takes a name away and gives another.
        Ok([target(&self.name), target(&self.new_name)].concat())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<User, Failure> {
        check_user_name(&self.new_name)?;
        let mut row = user(tx, cx.caller.account(), &self.name)?;
        if matches!(row.rights, Rights::Root) {
            return Err(Error::Unsupported { what: "another name of the root user".to_owned() }.into());
        }
        row.name.clone_from(&self.new_name);
        tx.update(&row).map_err(|error| taken(error, Noun::User, &self.new_name))?;
        Ok(row)
    }
}

impl Command for DeleteUser {
    type Reply = ();
    const NAME: &'static str = "DeleteUser";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(&self.name))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let row = user(tx, cx.caller.account(), &self.name)?;
        let Rights::Policies { permissions, groups } = &row.rights else {
            return Err(Error::Unsupported { what: "deleting the root user".to_owned() }.into());
        };
        let mut by: Vec<String> = tx.access_key_list(row.id)?.into_iter().map(|key| key.id).collect();
        by.extend(permissions.own.keys().cloned());
        by.extend(permissions.attached.iter().map(ToString::to_string));
        by.extend(groups.iter().map(ToString::to_string));
        by.truncate(10);
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::User, id: self.name.clone(), by }.into());
        }
        tx.delete::<User>(row.id)?;
        Ok(())
    }
}

/// Keeps an access key that was just made.
#[derive(Debug, Clone, Serialize)]
struct KeepAccessKey {
    user: Option<String>,
    id: String,
    sealed: String,
}

impl Command for KeepAccessKey {
    type Reply = (AccessKey, String);
    const NAME: &'static str = "CreateAccessKey";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(&user_or_caller(tx, cx.caller, self.user.as_deref())?.name))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(AccessKey, String), Failure> {
        let row = user_or_caller(tx, cx.caller, self.user.as_deref())?;
        if matches!(row.rights, Rights::Root) && !cx.caller.principal.is_root() {
            return Err(Error::Unauthorized { action: cx.caller.action.to_owned() }.into());
        }
        if tx.access_key_list(row.id)?.len() >= ACCESS_KEYS_MAX {
            let what = "access keys of a user".to_owned();
            return Err(Error::LimitReached { name: "UserName", what, limit: ACCESS_KEYS_MAX as u64 }.into());
        }
        Ok((insert_key(tx, &self.id, &self.sealed, row.account, row.id, cx.now)?, row.name))
    }
}

/// The key of a user, or a refusal; a root's keys are for the root alone.
fn key_of(tx: &Tx<'_>, cx: &Cx<'_>, user: Option<&str>, key: &str) -> Result<AccessKey, Failure> {
    let row = user_or_caller(tx, cx.caller, user)?;
    if matches!(row.rights, Rights::Root) && !cx.caller.principal.is_root() {
        return Err(Error::Unauthorized { action: cx.caller.action.to_owned() }.into());
    }
    let found = tx.get::<AccessKey>(key.to_owned())?.filter(|found| found.user == row.id);
    Ok(found.ok_or_else(|| Error::not_found(Noun::AccessKey, key))?)
}

impl Command for UpdateAccessKey {
    type Reply = ();
    const NAME: &'static str = "UpdateAccessKey";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(&user_or_caller(tx, cx.caller, self.user.as_deref())?.name))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut key = key_of(tx, cx, self.user.as_deref(), &self.key)?;
        key.active = self.active;
        Ok(tx.update(&key)?)
    }
}

impl Command for DeleteAccessKey {
    type Reply = ();
    const NAME: &'static str = "DeleteAccessKey";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(&user_or_caller(tx, cx.caller, self.user.as_deref())?.name))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let key = key_of(tx, cx, self.user.as_deref(), &self.key)?;
        tx.delete::<AccessKeyUse>(key.id.clone())?;
        tx.delete::<AccessKey>(key.id)?;
        Ok(())
    }
}

impl Cloud {
    /// Makes an access key for a user, or for the caller. The secret is in the answer and nowhere else; with it the user's name.
    pub async fn create_access_key(&self, caller: &Caller, user: Option<String>) -> Result<(AccessKey, String, NewAccessKey), Error> {
        let (id, secret, sealed) = self.new_key()?;
        let (key, name) = self.run(caller, KeepAccessKey { user, id: id.clone(), sealed }, Options::default()).await?;
        let account = key.account;
        Ok((key, name, NewAccessKey { id, secret, account }))
    }

    /// The user of a name, or the caller.
    pub async fn user(&self, caller: &Caller, name: Option<String>) -> Result<User, Error> {
        let targets = name.as_deref().map_or_else(|| target(&caller.principal.name()), target);
        self.read(caller, targets, move |tx, cx| user_or_caller(tx, cx.caller, name.as_deref())).await
    }

    /// Users of the caller's account, without its root.
    pub async fn users(&self, caller: &Caller) -> Result<Vec<User>, Error> {
        let found = self.read(caller, vec![Target::any()], |tx, cx| Ok::<_, Failure>(tx.user_list(cx.caller.account())?)).await?;
        Ok(found.into_iter().filter(|user| !matches!(user.rights, Rights::Root)).collect())
    }

    /// Access keys of a user, or of the caller, and the user's name.
    pub async fn access_keys(&self, caller: &Caller, user: Option<String>) -> Result<(Vec<AccessKey>, String), Error> {
        let targets = user.as_deref().map_or_else(|| target(&caller.principal.name()), target);
        self.read(caller, targets, move |tx, cx| {
            let row = user_or_caller(tx, cx.caller, user.as_deref())?;
            Ok((tx.access_key_list(row.id)?, row.name))
        })
        .await
    }
}
