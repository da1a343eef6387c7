//! Groups of users.

use model::{AccountId, Error, GROUPS_OF_USER_MAX, Noun, Permissions, Rights, User, UserGroup, UserGroupId, check_user_name};
use serde::Serialize;
use store::{StoreError, Tx};

use crate::account::taken;
use crate::auth::{Caller, Target};
use crate::holder::Holder;
use crate::permission::{Ties, group, user};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Most groups of an account (IAM: 300).
pub const USER_GROUPS_MAX: usize = 300;

/// Makes a group without members.
#[derive(Debug, Clone, Serialize)]
pub struct CreateUserGroup {
    /// Name, unique in the account.
    pub name: String,
    /// Description.
    pub description: String,
}

/// Deletes a group.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteUserGroup {
    /// Its name.
    pub name: String,
    /// What becomes of its members' being in it, and of its policies.
    pub ties: Ties,
}

/// Changes what a group is called and what is said of it. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct UpdateUserGroup {
    /// Name now.
    pub name: String,
    /// Name from now on.
    pub new_name: Option<String>,
    /// Another description.
    pub description: Option<String>,
}

/// Takes a user into a group, or out of it. Both may be done again.
#[derive(Debug, Clone, Serialize)]
pub struct SetMembership {
    /// The group's name.
    pub group: String,
    /// The user's name.
    pub user: String,
    /// Whether the user is a member from now on.
    pub member: bool,
}

fn target(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<Vec<Target>, StoreError> {
    Holder::Group(name.to_owned()).target(tx, account)
}

impl Command for CreateUserGroup {
    type Reply = UserGroup;
    const NAME: &'static str = "CreateUserGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(tx, cx.caller.account(), &self.name)?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<UserGroup, Failure> {
        check_user_name(&self.name)?;
        let account = cx.caller.account();
        let others = tx.user_group_list(account)?;
        if others.len() >= USER_GROUPS_MAX {
            return Err(Error::LimitReached { name: "GroupName", what: "groups".to_owned(), limit: USER_GROUPS_MAX as u64 }.into());
        }
        let (name, description) = (self.name.clone(), self.description.clone());
        let id = UserGroupId::from_u64(cx.new_id());
        let number = Some(cx.new_number(&others.iter().map(UserGroup::number).collect::<Vec<_>>()));
        let made = UserGroup { id, account, name, description, permissions: Permissions::default(), created_at: cx.now, number };
        tx.insert(&made).map_err(|error| taken(error, Noun::UserGroup, &self.name))?;
        Ok(made)
    }
}

impl Command for DeleteUserGroup {
    type Reply = ();
    const NAME: &'static str = "DeleteUserGroup";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(tx, cx.caller.account(), &self.name)?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let row = group(tx, cx.caller.account(), &self.name)?;
        let members = members(tx, &row)?;
        let mut by: Vec<String> = members.iter().map(|user| user.name.clone()).collect();
        by.extend(row.permissions.own.keys().cloned());
        by.extend(row.permissions.attached.iter().map(|held| held.policy.to_string()));
        by.truncate(10);
        if self.ties == Ties::MustBeGone && !by.is_empty() {
            return Err(Error::InUse { noun: Noun::UserGroup, id: self.name.clone(), by }.into());
        }
        for mut user in members {
            if let Rights::Policies { groups, .. } = &mut user.rights {
                groups.remove(&row.id);
                tx.update(&user)?;
            }
        }
        tx.delete::<UserGroup>(row.id)?;
        Ok(())
    }
}

impl Command for UpdateUserGroup {
    type Reply = UserGroup;
    const NAME: &'static str = "UpdateUserGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let account = cx.caller.account();
        let mut targets = target(tx, account, &self.name)?;
        // Whoever renames takes a name away and gives another.
        if let Some(new_name) = &self.new_name {
            targets.extend(target(tx, account, new_name)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<UserGroup, Failure> {
        let mut row = group(tx, cx.caller.account(), &self.name)?;
        if let Some(new_name) = &self.new_name {
            check_user_name(new_name)?;
            row.name.clone_from(new_name);
        }
        if let Some(description) = &self.description {
            row.description.clone_from(description);
        }
        tx.update(&row).map_err(|error| taken(error, Noun::UserGroup, &row.name))?;
        Ok(row)
    }
}

impl Command for SetMembership {
    type Reply = ();
    const NAME: &'static str = "SetMembership";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(tx, cx.caller.account(), &self.group)?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let (of, mut row) = (group(tx, account, &self.group)?, user(tx, account, &self.user)?);
        let Rights::Policies { groups, .. } = &mut row.rights else {
            return Err(Error::Unsupported { what: "a group of the root user".to_owned() }.into());
        };
        match self.member {
            true => drop(groups.insert(of.id)),
            false => drop(groups.remove(&of.id)),
        }
        if groups.len() > GROUPS_OF_USER_MAX {
            let what = "groups of a user".to_owned();
            return Err(Error::LimitReached { name: "GroupName", what, limit: GROUPS_OF_USER_MAX as u64 }.into());
        }
        Ok(tx.update(&row)?)
    }
}

fn members(tx: &Tx<'_>, of: &UserGroup) -> Result<Vec<User>, Failure> {
    let users = tx.user_list(of.account)?;
    let is_member = |user: &User| matches!(&user.rights, Rights::Policies { groups, .. } if groups.contains(&of.id));
    Ok(users.into_iter().filter(is_member).collect())
}

impl Cloud {
    /// A group and its members.
    pub async fn user_group(&self, caller: &Caller, name: String) -> Result<(UserGroup, Vec<User>), Error> {
        let asked = name.clone();
        self.read_about(
            caller,
            move |tx, account| target(tx, account, &asked),
            move |tx, cx| {
                let row = group(tx, cx.caller.account(), &name)?;
                let members = members(tx, &row)?;
                Ok((row, members))
            },
        )
        .await
    }

    /// Groups of the caller's account.
    pub async fn user_groups(&self, caller: &Caller) -> Result<Vec<UserGroup>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| Ok::<_, Failure>(tx.user_group_list(cx.caller.account())?)).await
    }

    /// Groups that a user is in.
    pub async fn groups_of_user(&self, caller: &Caller, name: String) -> Result<Vec<UserGroup>, Error> {
        let asked = Holder::User(name.clone());
        self.read_about(
            caller,
            move |tx, account| asked.target(tx, account),
            move |tx, cx| match user(tx, cx.caller.account(), &name)?.rights {
                Rights::Root => Ok(vec![]),
                Rights::Policies { groups, .. } => Ok(tx.get_many::<UserGroup>(&groups.into_iter().collect::<Vec<_>>())?),
            },
        )
        .await
    }
}
