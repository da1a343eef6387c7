//! Policies: the account's managed ones, and what is attached to users, groups and roles.

use model::{AccountId, Error, ManagedPolicy, Noun, Permissions, PolicyId, PolicyRef, Rights, Role, User, UserGroup, system_policy};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::account::taken;
use crate::auth::{Caller, Target};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Most users, groups or roles that a refusal names.
const NAMED_MAX: usize = 10;
/// Most managed policies of an account (IAM and RAM: 1,500).
const POLICIES_MAX: usize = 1_500;

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

    fn target(&self) -> Vec<Target> {
        vec![Target { path: Some(self.path()), ..Target::default() }]
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
    fn change(&self, tx: &mut Tx<'_>, cx: &Cx<'_>, with: impl Fn(&mut Permissions) -> Result<(), Error>) -> Result<(), Failure> {
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

/// The user of this name, or a refusal.
pub(crate) fn user(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<User, Failure> {
    Ok(tx.user_named(account, name)?.ok_or_else(|| Error::not_found(Noun::User, name))?)
}

/// The group of this name, or a refusal.
pub(crate) fn group(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<UserGroup, Failure> {
    Ok(tx.user_group_named(account, name)?.ok_or_else(|| Error::not_found(Noun::UserGroup, name))?)
}

/// The role of this name, or a refusal.
pub(crate) fn role(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<Role, Failure> {
    Ok(tx.role_named(account, name)?.ok_or_else(|| Error::not_found(Noun::Role, name))?)
}

/// The managed policy of this name, or a refusal.
pub(crate) fn policy(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<ManagedPolicy, Failure> {
    Ok(tx.managed_policy_named(account, name)?.ok_or_else(|| Error::not_found(Noun::Policy, name))?)
}

/// The documents of permissions, those of managed policies included.
pub(crate) fn documents_of(tx: &Tx<'_>, permissions: &Permissions) -> Result<Vec<String>, StoreError> {
    let mut documents: Vec<String> = permissions.own.values().cloned().collect();
    for attached in &permissions.attached {
        match attached {
            PolicyRef::System(name) => documents.extend(system_policy(name).map(|policy| policy.document.to_owned())),
            PolicyRef::Own(id) => documents.extend(tx.get::<ManagedPolicy>(*id)?.map(|policy| policy.document().to_owned())),
        }
    }
    Ok(documents)
}

/// A managed policy as callers name it: the system's or the account's, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyName {
    /// The system's.
    System(String),
    /// The account's.
    Own(String),
}

impl PolicyName {
    fn find(&self, tx: &Tx<'_>, account: AccountId) -> Result<PolicyRef, Failure> {
        match self {
            PolicyName::System(name) => match system_policy(name) {
                Some(_) => Ok(PolicyRef::System(name.clone())),
                None => Err(Error::not_found(Noun::Policy, name).into()),
            },
            PolicyName::Own(name) => Ok(PolicyRef::Own(policy(tx, account, name)?.id)),
        }
    }
}

/// Keeps a document of its own for somebody.
#[derive(Debug, Clone, Serialize)]
pub struct PutPolicy {
    /// For whom.
    pub holder: Holder,
    /// The document's name.
    pub name: String,
    /// The document.
    pub document: String,
}

impl Command for PutPolicy {
    type Reply = ();
    const NAME: &'static str = "PutPolicy";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(self.holder.target())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        self.holder.change(tx, cx, |permissions| permissions.put(&self.name, &self.document))
    }
}

/// Removes a document of its own from somebody.
#[derive(Debug, Clone, Serialize)]
pub struct RemovePolicy {
    /// From whom.
    pub holder: Holder,
    /// The document's name.
    pub name: String,
}

impl Command for RemovePolicy {
    type Reply = ();
    const NAME: &'static str = "RemovePolicy";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(self.holder.target())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        self.holder.change(tx, cx, |permissions| permissions.remove(&self.name))
    }
}

/// Attaches a managed policy to somebody, or detaches it.
#[derive(Debug, Clone, Serialize)]
pub struct AttachPolicy {
    /// To whom.
    pub holder: Holder,
    /// Which policy.
    pub policy: PolicyName,
    /// Whether it is attached or detached.
    pub attach: bool,
}

impl Command for AttachPolicy {
    type Reply = ();
    const NAME: &'static str = "AttachPolicy";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(self.holder.target())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let policy = self.policy.find(tx, cx.caller.account())?;
        self.holder.change(tx, cx, |permissions| match self.attach {
            true => permissions.attach(policy.clone()),
            false => permissions.detach(&policy),
        })
    }
}

/// Makes a managed policy.
#[derive(Debug, Clone, Serialize)]
pub struct CreatePolicy {
    /// Name, unique in the account and not one of the system's.
    pub name: String,
    /// Description.
    pub description: String,
    /// The document.
    pub document: String,
}

impl Command for CreatePolicy {
    type Reply = ManagedPolicy;
    const NAME: &'static str = "CreatePolicy";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![policy_target(&self.name)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<ManagedPolicy, Failure> {
        let account = cx.caller.account();
        let id = PolicyId::from_u64(cx.new_id());
        let made = ManagedPolicy::new(id, account, &self.name, &self.description, &self.document, cx.now)?;
        if tx.managed_policy_list(account)?.len() >= POLICIES_MAX {
            let what = "managed policies".to_owned();
            return Err(Error::LimitReached { name: "PolicyName", what, limit: POLICIES_MAX as u64 }.into());
        }
        tx.insert(&made).map_err(|error| taken(error, Noun::Policy, &self.name))?;
        Ok(made)
    }
}

/// Deletes a managed policy that nobody has.
#[derive(Debug, Clone, Serialize)]
pub struct DeletePolicy {
    /// Its name.
    pub name: String,
}

impl Command for DeletePolicy {
    type Reply = ();
    const NAME: &'static str = "DeletePolicy";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![policy_target(&self.name)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let found = policy(tx, account, &self.name)?;
        let by: Vec<String> = holders(tx, account, &PolicyRef::Own(found.id))?.iter().map(Holder::path).take(NAMED_MAX).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::Policy, id: self.name.clone(), by }.into());
        }
        tx.delete::<ManagedPolicy>(found.id)?;
        Ok(())
    }
}

/// Changes the versions of a managed policy.
#[derive(Debug, Clone, Serialize)]
pub struct ChangePolicyVersion {
    /// The policy's name.
    pub name: String,
    /// What is done.
    pub change: VersionChange,
}

/// What is done to the versions of a policy.
#[derive(Debug, Clone, Serialize)]
pub enum VersionChange {
    /// Another version.
    Add {
        /// The document.
        document: String,
        /// Whether it counts from now on.
        is_default: bool,
    },
    /// Another version counts.
    SetDefault(u32),
    /// A version goes.
    Remove(u32),
}

impl Command for ChangePolicyVersion {
    type Reply = ManagedPolicy;
    const NAME: &'static str = "ChangePolicyVersion";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![policy_target(&self.name)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<ManagedPolicy, Failure> {
        let mut found = policy(tx, cx.caller.account(), &self.name)?;
        match &self.change {
            VersionChange::Add { document, is_default } => drop(found.add_version(document, *is_default, cx.now)?),
            VersionChange::SetDefault(number) => found.set_default(*number)?,
            VersionChange::Remove(number) => found.remove_version(*number)?,
        }
        tx.update(&found)?;
        Ok(found)
    }
}

fn policy_target(name: &str) -> Target {
    Target { path: Some(format!("policy/{name}")), ..Target::default() }
}

/// Who has a managed policy.
pub(crate) fn holders(tx: &Tx<'_>, account: AccountId, policy: &PolicyRef) -> Result<Vec<Holder>, Failure> {
    let has = |permissions: &Permissions| permissions.attached.contains(policy);
    let mut found = Vec::new();
    for user in tx.user_list(account)? {
        if matches!(&user.rights, Rights::Policies { permissions, .. } if has(permissions)) {
            found.push(Holder::User(user.name));
        }
    }
    let groups = tx.user_group_list(account)?.into_iter().filter(|group| has(&group.permissions));
    found.extend(groups.map(|group| Holder::Group(group.name)));
    let roles = tx.role_list(account)?.into_iter().filter(|role| has(&role.permissions));
    found.extend(roles.map(|role| Holder::Role(role.name)));
    Ok(found)
}

/// What somebody has: documents of its own by name, and managed policies by name with the account's id for its own ones.
#[derive(Debug, Clone)]
pub struct Held {
    /// Documents of its own, by name.
    pub own: Vec<(String, String)>,
    /// Managed policies.
    pub attached: Vec<PolicyName>,
}

impl Cloud {
    /// What somebody has.
    pub async fn held(&self, caller: &Caller, holder: Holder) -> Result<Held, Error> {
        self.read(caller, holder.target(), move |tx, cx| {
            let permissions = holder.permissions(tx, cx.caller.account())?;
            let mut attached = Vec::new();
            for policy in permissions.attached {
                match policy {
                    PolicyRef::System(name) => attached.push(PolicyName::System(name)),
                    PolicyRef::Own(id) => attached.extend(tx.get::<ManagedPolicy>(id)?.map(|policy| PolicyName::Own(policy.name))),
                }
            }
            Ok(Held { own: permissions.own.into_iter().collect(), attached })
        })
        .await
    }

    /// A managed policy of the caller's account, and how many have it.
    pub async fn managed_policy(&self, caller: &Caller, name: String) -> Result<(ManagedPolicy, usize), Error> {
        self.read(caller, vec![policy_target(&name)], move |tx, cx| {
            let account = cx.caller.account();
            let found = policy(tx, account, &name)?;
            let count = holders(tx, account, &PolicyRef::Own(found.id))?.len();
            Ok((found, count))
        })
        .await
    }

    /// Managed policies of the caller's account.
    pub async fn managed_policies(&self, caller: &Caller) -> Result<Vec<ManagedPolicy>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| Ok::<_, Failure>(tx.managed_policy_list(cx.caller.account())?)).await
    }

    /// Who has a managed policy.
    pub async fn policy_holders(&self, caller: &Caller, policy: PolicyName) -> Result<Vec<Holder>, Error> {
        let (PolicyName::System(name) | PolicyName::Own(name)) = &policy;
        self.read(caller, vec![policy_target(name)], move |tx, cx| {
            let account = cx.caller.account();
            holders(tx, account, &policy.find(tx, account)?)
        })
        .await
    }
}
