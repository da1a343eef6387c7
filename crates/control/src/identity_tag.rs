//! Tags of users, roles, policies and MFA devices.

use model::{AccountId, Error, ManagedPolicy, MfaDevice, Noun, Role, Tags, User, add_tags};
use serde::Serialize;
use store::{StoreError, Tx};

use crate::auth::{Caller, Target};
use crate::holder::Holder;
use crate::permission::{PolicyName, policy, policy_target, role, user};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Something of access control that carries tags, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum IdentityName {
    /// A user.
    User(String),
    /// A role.
    Role(String),
    /// A managed policy of the account.
    Policy(String),
    /// An MFA device.
    MfaDevice(String),
}

/// Adds tags; a key that is there already gets the new value.
#[derive(Debug, Clone, Serialize)]
pub struct TagIdentity {
    /// To what.
    pub of: IdentityName,
    /// The tags.
    pub tags: Tags,
}

/// Takes tags. A tag that is not there is no error.
#[derive(Debug, Clone, Serialize)]
pub struct UntagIdentity {
    /// From what.
    pub of: IdentityName,
    /// Keys of the tags.
    pub keys: Vec<String>,
}

/// Its row.
enum Row {
    User(User),
    Role(Role),
    Policy(ManagedPolicy),
    MfaDevice(MfaDevice),
}

impl IdentityName {
    fn target(&self, tx: &Tx<'_>, account: AccountId) -> Result<Vec<Target>, StoreError> {
        match self {
            IdentityName::User(name) => Holder::User(name.clone()).target(tx, account),
            IdentityName::Role(name) => Holder::Role(name.clone()).target(tx, account),
            IdentityName::Policy(name) => policy_target(tx, account, &PolicyName::Own(name.clone())),
            IdentityName::MfaDevice(name) => {
                let tags = tx.mfa_device_named(account, name)?.map(|device| device.tags).unwrap_or_default();
                Ok(vec![Target::of("mfa", name, &tags)])
            }
        }
    }

    fn row(&self, tx: &Tx<'_>, account: AccountId) -> Result<Row, Failure> {
        Ok(match self {
            IdentityName::User(name) => Row::User(user(tx, account, name)?),
            IdentityName::Role(name) => Row::Role(role(tx, account, name)?),
            IdentityName::Policy(name) => Row::Policy(policy(tx, account, name)?),
            IdentityName::MfaDevice(name) => {
                Row::MfaDevice(tx.mfa_device_named(account, name)?.ok_or_else(|| Error::not_found(Noun::MfaDevice, name))?)
            }
        })
    }

    fn change(&self, tx: &mut Tx<'_>, account: AccountId, with: impl FnOnce(&mut Tags) -> Result<(), Error>) -> Result<(), Failure> {
        let mut row = self.row(tx, account)?;
        with(row.tags())?;
        match &row {
            Row::User(row) => tx.update(row),
            Row::Role(row) => tx.update(row),
            Row::Policy(row) => tx.update(row),
            Row::MfaDevice(row) => tx.update(row),
        }
        .map_err(Failure::from)
    }
}

impl Row {
    fn tags(&mut self) -> &mut Tags {
        match self {
            Row::User(row) => &mut row.tags,
            Row::Role(row) => &mut row.tags,
            Row::Policy(row) => &mut row.tags,
            Row::MfaDevice(row) => &mut row.tags,
        }
    }
}

impl Command for TagIdentity {
    type Reply = ();
    const NAME: &'static str = "TagIdentity";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = self.of.target(tx, cx.caller.account())?;
        for target in &mut targets {
            target.request_tags.clone_from(&self.tags);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        self.of.change(tx, cx.caller.account(), |tags| add_tags(tags, &self.tags))
    }
}

impl Command for UntagIdentity {
    type Reply = ();
    const NAME: &'static str = "UntagIdentity";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(self.of.target(tx, cx.caller.account())?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        self.of.change(tx, cx.caller.account(), |tags| {
            tags.retain(|key, _| !self.keys.contains(key));
            Ok(())
        })
    }
}

impl Cloud {
    /// Tags of something of access control.
    pub async fn identity_tags(&self, caller: &Caller, of: IdentityName) -> Result<Tags, Error> {
        let asked = of.clone();
        self.read_about(
            caller,
            move |tx, account| asked.target(tx, account),
            move |tx, cx| Ok(std::mem::take(of.row(tx, cx.caller.account())?.tags())),
        )
        .await
    }
}
