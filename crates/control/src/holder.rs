//! Those that policies are attached to: users, groups and roles.

use model::{AccountId, Error, Permissions, Rights, Tags};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::Failure;
use crate::auth::Target;
use crate::permission::{group, name_of, role, user};
use crate::run::Cx;

/// Somebody that policies are attached to, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// A role.
    Role(String),
}

impl Holder {
    /// The path in names of resources.
    pub fn path(&self) -> String {
        match self {
            Holder::User(name) => format!("user/{name}"),
            Holder::Group(name) => format!("group/{name}"),
            Holder::Role(name) => format!("role/{name}"),
        }
    }

    /// What policies are asked about for a call on it.
    pub(crate) fn target(&self, tx: &Tx<'_>, account: AccountId) -> Result<Vec<Target>, StoreError> {
        let bounding = |permissions: &Permissions| permissions.boundary.clone();
        let found = match self {
            Holder::User(name) => tx.user_named(account, name)?.map(|user| {
                let boundary = match &user.rights {
                    Rights::Root => None,
                    Rights::Policies { permissions, .. } => bounding(permissions),
                };
                (user.number(), user.tags, boundary)
            }),
            Holder::Group(name) => tx.user_group_named(account, name)?.map(|group| (group.number(), Tags::new(), None)),
            Holder::Role(name) => tx.role_named(account, name)?.map(|role| (role.id.as_u64(), role.tags, bounding(&role.permissions))),
        };
        let Some((number, tags, boundary)) = found else {
            return Ok(vec![Target { path: Some(self.path()), ..Target::default() }]);
        };
        let boundary = boundary.map(|policy| name_of(tx, &policy)).transpose()?.flatten();
        Ok(vec![Target { path: Some(self.path()), number: Some(number), tags, boundary, ..Target::default() }])
    }

    /// Its permissions.
    pub(crate) fn permissions(&self, tx: &Tx<'_>, account: AccountId) -> Result<Permissions, Failure> {
        Ok(match self {
            Holder::User(name) => match user(tx, account, name)?.rights {
                Rights::Root => Permissions::default(),
                Rights::Policies { permissions, .. } => permissions,
            },
            Holder::Group(name) => group(tx, account, name)?.permissions,
            Holder::Role(name) => role(tx, account, name)?.permissions,
        })
    }

    /// Changes its permissions.
    pub(crate) fn change(&self, tx: &mut Tx<'_>, cx: &Cx<'_>, with: impl Fn(&mut Permissions) -> Result<(), Error>) -> Result<(), Failure> {
        let account = cx.caller.account();
        match self {
            Holder::User(name) => {
                let mut row = user(tx, account, name)?;
                match &mut row.rights {
                    Rights::Root => return Err(Error::Unsupported { what: "a policy of the root user".to_owned() }.into()),
                    Rights::Policies { permissions, .. } => with(permissions)?,
                }
                Ok(tx.update(&row)?)
            }
            Holder::Group(name) => {
                let mut row = group(tx, account, name)?;
                with(&mut row.permissions)?;
                Ok(tx.update(&row)?)
            }
            Holder::Role(name) => {
                let mut row = role(tx, account, name)?;
                with(&mut row.permissions)?;
                Ok(tx.update(&row)?)
            }
        }
    }
}
