//! Users of an account and their access keys, as the account's own administrators manage them.

use std::collections::BTreeSet;

use model::{
    ACCESS_KEYS_MAX, AccessKey, AccessKeyUse, AccountId, Error, Noun, Permissions, Rights, Tags, User, UserDetails, UserId, add_tags,
    check_user_name,
};
use serde::Serialize;
use store::{StoreError, Tx};

use crate::account::{NewAccessKey, insert_key, taken};
use crate::auth::{Caller, Target, Who};
use crate::holder::Holder;
use crate::mfa_device::release_devices;
use crate::permission::{PolicyName, Ties, user};
use crate::permission_boundary::with_boundary;
use crate::run::{Command, Cx, Options};
use crate::{Cloud, Failure};

/// Most users of an account (IAM: 5,000; RAM: 1,000).
pub const USERS_MAX: usize = 5_000;

/// Makes a user without rights.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CreateUser {
    /// Name, unique in the account.
    pub name: String,
    /// What is said of it.
    pub details: UserDetails,
    /// Tags.
    pub tags: Tags,
    /// The managed policy that bounds what it may do.
    pub boundary: Option<PolicyName>,
    /// An access key that it gets at once.
    pub key: Option<SealedKey>,
}

/// An access key of which the secret is sealed.
#[derive(Debug, Clone, Serialize)]
pub struct SealedKey {
    id: String,
    sealed: String,
}

/// Changes what a user is called and what is said of it. What is `None` stays.
#[derive(Debug, Clone, Default, Serialize)]
pub struct UpdateUser {
    /// Name now.
    pub name: String,
    /// Name from now on.
    pub new_name: Option<String>,
    /// Another name for people.
    pub display_name: Option<String>,
    /// Another note.
    pub comments: Option<String>,
    /// Another country code.
    pub country_code: Option<String>,
    /// Another telephone number.
    pub phone: Option<String>,
    /// Another address of electronic mail.
    pub email: Option<String>,
}

/// Deletes a user.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteUser {
    /// Its name.
    pub name: String,
    /// What becomes of its policies and its being in groups.
    pub ties: Ties,
    /// What becomes of its access keys.
    pub keys: Ties,
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

fn target(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<Vec<Target>, StoreError> {
    Holder::User(name.to_owned()).target(tx, account)
}

/// What policies are asked about for a call on the user of a name, or on the caller.
pub(crate) fn target_or_caller(tx: &Tx<'_>, caller: &Caller, name: Option<&str>) -> Result<Vec<Target>, StoreError> {
    target(tx, caller.account(), name.unwrap_or(&caller.principal.name()))
}

/// The user of a name, or the caller.
pub(crate) fn user_or_caller(tx: &Tx<'_>, caller: &Caller, name: Option<&str>) -> Result<User, Failure> {
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

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(with_boundary(target(tx, cx.caller.account(), &self.name)?, self.boundary.as_ref()))
    }

    /// Who makes a user with a key must be allowed to make keys too.
    fn authorize(&self, _: &Tx<'_>, cx: &Cx<'_>, targets: &[Target]) -> Result<(), Failure> {
        cx.cloud.authorize(cx.caller, targets)?;
        if self.key.is_some() {
            cx.cloud.authorize(&Caller { action: "iam:CreateAccessKey", ..cx.caller.clone() }, targets)?;
        }
        Ok(())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<User, Failure> {
        check_user_name(&self.name)?;
        self.details.check()?;
        let account = cx.caller.account();
        let others = tx.user_list(account)?;
        if others.len() >= USERS_MAX {
            return Err(Error::LimitReached { name: "UserName", what: "users".to_owned(), limit: USERS_MAX as u64 }.into());
        }
        let boundary = self.boundary.as_ref().map(|policy| policy.find(tx, account)).transpose()?;
        let rights = Rights::Policies { permissions: Permissions { boundary, ..Permissions::default() }, groups: BTreeSet::new() };
        let id = UserId::from_u64(cx.new_id());
        let number = Some(cx.new_number(&others.iter().map(User::number).collect::<Vec<_>>()));
        let (name, details) = (self.name.clone(), self.details.clone());
        let mut made = User { id, account, name, rights, created_at: cx.now, number, details, tags: Tags::new() };
        add_tags(&mut made.tags, &self.tags)?;
        tx.insert(&made).map_err(|error| taken(error, Noun::User, &self.name))?;
        if let Some(key) = &self.key {
            insert_key(tx, &key.id, &key.sealed, account, id, cx.now)?;
        }
        Ok(made)
    }
}

impl Command for UpdateUser {
    type Reply = User;
    const NAME: &'static str = "UpdateUser";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let account = cx.caller.account();
        let mut targets = target(tx, account, &self.name)?;
        // Whoever renames takes a name away and gives another.
        if let Some(new_name) = &self.new_name {
            targets.extend(target(tx, account, new_name)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<User, Failure> {
        let mut row = user(tx, cx.caller.account(), &self.name)?;
        if matches!(row.rights, Rights::Root) {
            return Err(Error::Unsupported { what: "changing the root user".to_owned() }.into());
        }
        if let Some(new_name) = &self.new_name {
            check_user_name(new_name)?;
            row.name.clone_from(new_name);
        }
        let UserDetails { display_name, comments, country_code, phone, email } = &mut row.details;
        let changes = [
            (display_name, &self.display_name),
            (comments, &self.comments),
            (country_code, &self.country_code),
            (phone, &self.phone),
            (email, &self.email),
        ];
        for (detail, change) in changes {
            if let Some(change) = change {
                detail.clone_from(change);
            }
        }
        row.details.check()?;
        tx.update(&row).map_err(|error| taken(error, Noun::User, &row.name))?;
        Ok(row)
    }
}

impl Command for DeleteUser {
    type Reply = ();
    const NAME: &'static str = "DeleteUser";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(tx, cx.caller.account(), &self.name)?)
    }

    /// Who deletes keys beside must be allowed to.
    fn authorize(&self, _: &Tx<'_>, cx: &Cx<'_>, targets: &[Target]) -> Result<(), Failure> {
        cx.cloud.authorize(cx.caller, targets)?;
        if self.keys == Ties::GoToo {
            cx.cloud.authorize(&Caller { action: "iam:DeleteAccessKey", ..cx.caller.clone() }, targets)?;
        }
        Ok(())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let row = user(tx, cx.caller.account(), &self.name)?;
        let Rights::Policies { permissions, groups } = &row.rights else {
            return Err(Error::Unsupported { what: "deleting the root user".to_owned() }.into());
        };
        let keys = tx.access_key_list(row.id)?;
        let mut by: Vec<String> = Vec::new();
        if self.keys == Ties::MustBeGone {
            by.extend(keys.iter().map(|key| key.id.clone()));
        }
        if self.ties == Ties::MustBeGone {
            by.extend(permissions.own.keys().cloned());
            by.extend(permissions.attached.iter().map(|held| held.policy.to_string()));
            by.extend(groups.iter().map(ToString::to_string));
            by.extend(tx.mfa_device_list_of_user(row.id)?.into_iter().map(|device| device.name));
        }
        by.truncate(10);
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::User, id: self.name.clone(), by }.into());
        }
        for key in keys {
            delete_key(tx, key)?;
        }
        release_devices(tx, &row)?;
        tx.delete::<User>(row.id)?;
        Ok(())
    }
}

/// Keeps an access key that was just made.
#[derive(Debug, Clone, Serialize)]
struct KeepAccessKey {
    user: Option<String>,
    description: String,
    id: String,
    sealed: String,
}

impl Command for KeepAccessKey {
    type Reply = (AccessKey, String);
    const NAME: &'static str = "CreateAccessKey";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(tx, cx.caller.account(), &user_or_caller(tx, cx.caller, self.user.as_deref())?.name)?)
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
        let mut key = insert_key(tx, &self.id, &self.sealed, row.account, row.id, cx.now)?;
        if !self.description.is_empty() {
            key.description.clone_from(&self.description);
            tx.update(&key)?;
        }
        Ok((key, row.name))
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
        Ok(target(tx, cx.caller.account(), &user_or_caller(tx, cx.caller, self.user.as_deref())?.name)?)
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
        Ok(target(tx, cx.caller.account(), &user_or_caller(tx, cx.caller, self.user.as_deref())?.name)?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        delete_key(tx, key_of(tx, cx, self.user.as_deref(), &self.key)?)
    }
}

fn delete_key(tx: &mut Tx<'_>, key: AccessKey) -> Result<(), Failure> {
    tx.delete::<AccessKeyUse>(key.id.clone())?;
    tx.delete::<AccessKey>(key.id)?;
    Ok(())
}

impl Cloud {
    /// Makes a user with an access key, whose secret is in the answer and nowhere else.
    pub async fn create_user_with_key(&self, caller: &Caller, asked: CreateUser) -> Result<(User, NewAccessKey), Error> {
        let (id, secret, sealed) = self.new_key()?;
        let key = Some(SealedKey { id: id.clone(), sealed });
        let user = self.run(caller, CreateUser { key, ..asked }, Options::default()).await?;
        let account = user.account;
        Ok((user, NewAccessKey { id, secret, account }))
    }

    /// Makes an access key for a user, or for the caller. The secret is in the answer and nowhere else; with it the user's name.
    pub async fn create_access_key(
        &self,
        caller: &Caller,
        user: Option<String>,
        description: String,
    ) -> Result<(AccessKey, String, NewAccessKey), Error> {
        let (id, secret, sealed) = self.new_key()?;
        let (key, name) = self.run(caller, KeepAccessKey { user, description, id: id.clone(), sealed }, Options::default()).await?;
        let account = key.account;
        Ok((key, name, NewAccessKey { id, secret, account }))
    }

    /// The user of a name, or the caller.
    pub async fn user(&self, caller: &Caller, name: Option<String>) -> Result<User, Error> {
        let (asker, asked) = (caller.clone(), name.clone());
        let targets = move |tx: &Tx<'_>, _| target_or_caller(tx, &asker, asked.as_deref());
        self.read_about(caller, targets, move |tx, cx| user_or_caller(tx, cx.caller, name.as_deref())).await
    }

    /// Users of the caller's account, without its root.
    pub async fn users(&self, caller: &Caller) -> Result<Vec<User>, Error> {
        let found = self.read(caller, vec![Target::any()], |tx, cx| Ok::<_, Failure>(tx.user_list(cx.caller.account())?)).await?;
        Ok(found.into_iter().filter(|user| !matches!(user.rights, Rights::Root)).collect())
    }

    /// Access keys of a user, or of the caller, and the user's name.
    pub async fn access_keys(&self, caller: &Caller, user: Option<String>) -> Result<(Vec<AccessKey>, String), Error> {
        let (asker, asked) = (caller.clone(), user.clone());
        let targets = move |tx: &Tx<'_>, _| target_or_caller(tx, &asker, asked.as_deref());
        self.read_about(caller, targets, move |tx, cx| {
            let row = user_or_caller(tx, cx.caller, user.as_deref())?;
            Ok((tx.access_key_list(row.id)?, row.name))
        })
        .await
    }
}
