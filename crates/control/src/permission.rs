//! Policies: the account's managed ones, and what is attached to users, groups and roles.

use std::collections::BTreeMap;

use model::{
    AccountId, Error, ManagedPolicy, Millis, Noun, Permissions, PolicyId, PolicyRef, Rights, Role, RoleId, SYSTEM_POLICIES, Tags, User,
    UserGroup, add_tags, system_policy, system_policy_number,
};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::account::taken;
use crate::auth::{Caller, Target};
use crate::holder::Holder;
use crate::permission_boundary::bounded_by;
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Most users, groups or roles that a refusal names.
const NAMED_MAX: usize = 10;
/// Most managed policies of an account (IAM and RAM: 1,500).
pub const POLICIES_MAX: usize = 1_500;

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

/// What decides for somebody.
#[derive(Debug, Clone, Default)]
pub(crate) struct RightsOf {
    /// Documents of which one must allow what is done.
    pub documents: Vec<String>,
    /// The document that bounds them.
    pub boundary: Option<String>,
}

/// What is allowed within a boundary that is gone.
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

/// The document of a managed policy; none when it is gone.
fn document_of(tx: &Tx<'_>, policy: &PolicyRef) -> Result<Option<String>, StoreError> {
    Ok(match policy {
        PolicyRef::System(name) => system_policy(name).map(|policy| policy.document.to_owned()),
        PolicyRef::Own(id) => tx.get::<ManagedPolicy>(*id)?.map(|policy| policy.document().to_owned()),
    })
}

/// The documents of permissions, those of managed policies included.
pub(crate) fn rights_of(tx: &Tx<'_>, permissions: &Permissions) -> Result<RightsOf, StoreError> {
    let mut documents: Vec<String> = permissions.own.values().cloned().collect();
    for attached in &permissions.attached {
        documents.extend(document_of(tx, &attached.policy)?);
    }
    let boundary = match &permissions.boundary {
        Some(policy) => Some(document_of(tx, policy)?.unwrap_or_else(|| NOTHING.to_owned())),
        None => None,
    };
    Ok(RightsOf { documents, boundary })
}

/// A managed policy as callers name it: the system's or the account's, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PolicyName {
    /// The system's.
    System(String),
    /// The account's.
    Own(String),
}

impl PolicyName {
    /// Its name in the condition `iam:PermissionsBoundary`.
    pub(crate) fn arn(&self, account: AccountId) -> String {
        match self {
            PolicyName::System(name) => format!("arn:aws:iam::aws:policy/{name}"),
            PolicyName::Own(name) => format!("arn:aws:iam::{account}:policy/{name}"),
        }
    }

    pub(crate) fn find(&self, tx: &Tx<'_>, account: AccountId) -> Result<PolicyRef, Failure> {
        match self {
            PolicyName::System(name) => match system_policy(name) {
                Some(_) => Ok(PolicyRef::System(name.clone())),
                None => Err(Error::not_found(Noun::Policy, name).into()),
            },
            PolicyName::Own(name) => Ok(PolicyRef::Own(policy(tx, account, name)?.id)),
        }
    }
}

/// How a managed policy is named; none when it is gone.
pub(crate) fn name_of(tx: &Tx<'_>, policy: &PolicyRef) -> Result<Option<PolicyName>, StoreError> {
    Ok(match policy {
        PolicyRef::System(name) => Some(PolicyName::System(name.clone())),
        PolicyRef::Own(id) => tx.get::<ManagedPolicy>(*id)?.map(|policy| PolicyName::Own(policy.name)),
    })
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

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(self.holder.target(tx, cx.caller.account())?)
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

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(self.holder.target(tx, cx.caller.account())?)
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

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(self.holder.target(tx, cx.caller.account())?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let policy = self.policy.find(tx, cx.caller.account())?;
        self.holder.change(tx, cx, |permissions| match self.attach {
            true => permissions.attach(policy.clone(), cx.now),
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
    /// Tags.
    pub tags: Tags,
}

impl Command for CreatePolicy {
    type Reply = ManagedPolicy;
    const NAME: &'static str = "CreatePolicy";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(policy_target(tx, cx.caller.account(), &PolicyName::Own(self.name.clone()))?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<ManagedPolicy, Failure> {
        let account = cx.caller.account();
        let id = PolicyId::from_u64(cx.new_id());
        let mut made = ManagedPolicy::new(id, account, &self.name, &self.description, &self.document, cx.now)?;
        add_tags(&mut made.tags, &self.tags)?;
        let others = tx.managed_policy_list(account)?;
        made.number = Some(cx.new_number(&others.iter().map(ManagedPolicy::number).collect::<Vec<_>>()));
        if others.len() >= POLICIES_MAX {
            let what = "managed policies".to_owned();
            return Err(Error::LimitReached { name: "PolicyName", what, limit: POLICIES_MAX as u64 }.into());
        }
        tx.insert(&made).map_err(|error| taken(error, Noun::Policy, &self.name))?;
        Ok(made)
    }
}

/// What becomes of what is tied to something that is deleted: IAM's and RAM's calls want it gone before, Tencent's let it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Ties {
    /// It must be gone before.
    MustBeGone,
    /// It goes too.
    GoToo,
}

/// Deletes a managed policy.
#[derive(Debug, Clone, Serialize)]
pub struct DeletePolicy {
    /// Its name.
    pub name: String,
    /// What becomes of those that have it.
    pub holders: Ties,
}

/// Changes what is said of a managed policy, and the version that counts. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct UpdatePolicy {
    /// Its name.
    pub name: String,
    /// Another description.
    pub description: Option<String>,
    /// Another document in the version that counts.
    pub document: Option<String>,
}

impl Command for UpdatePolicy {
    type Reply = ManagedPolicy;
    const NAME: &'static str = "UpdatePolicy";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(policy_target(tx, cx.caller.account(), &PolicyName::Own(self.name.clone()))?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<ManagedPolicy, Failure> {
        let mut found = policy(tx, cx.caller.account(), &self.name)?;
        if let Some(description) = &self.description {
            found.description.clone_from(description);
        }
        if let Some(document) = &self.document {
            found.rewrite(document, cx.now)?;
        }
        tx.update(&found)?;
        Ok(found)
    }
}

impl Command for DeletePolicy {
    type Reply = ();
    const NAME: &'static str = "DeletePolicy";
    const CHANGES_RIGHTS: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(policy_target(tx, cx.caller.account(), &PolicyName::Own(self.name.clone()))?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let found = policy(tx, account, &self.name)?;
        let this = PolicyRef::Own(found.id);
        let holders = holders(tx, account, &this)?;
        if self.holders == Ties::MustBeGone && !holders.is_empty() {
            let by = holders.iter().map(Holder::path).take(NAMED_MAX).collect();
            return Err(Error::InUse { noun: Noun::Policy, id: self.name.clone(), by }.into());
        }
        // Whom it bounds would be free without it: that must be gone before, however it is deleted.
        let bounded = bounded_by(tx, account, &this)?;
        if !bounded.is_empty() {
            let by = bounded.iter().map(Holder::path).take(NAMED_MAX).collect();
            return Err(Error::InUse { noun: Noun::Policy, id: self.name.clone(), by }.into());
        }
        for holder in holders {
            holder.change(tx, cx, |permissions| permissions.detach(&this))?;
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
        /// Whether the oldest that does not count goes where there is no room.
        drops_oldest: bool,
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

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(policy_target(tx, cx.caller.account(), &PolicyName::Own(self.name.clone()))?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<ManagedPolicy, Failure> {
        let mut found = policy(tx, cx.caller.account(), &self.name)?;
        match &self.change {
            VersionChange::Add { document, is_default, drops_oldest } => {
                if *drops_oldest {
                    found.make_room();
                }
                found.add_version(document, *is_default, cx.now)?;
            }
            VersionChange::SetDefault(number) => found.set_default(*number)?,
            VersionChange::Remove(number) => found.remove_version(*number)?,
        }
        tx.update(&found)?;
        Ok(found)
    }
}

/// What policies are asked about for a call on a managed policy.
pub(crate) fn policy_target(tx: &Tx<'_>, account: AccountId, policy: &PolicyName) -> Result<Vec<Target>, StoreError> {
    let (name, found) = match policy {
        PolicyName::System(name) => (name, system_policy_number(name).map(|number| (number, Tags::new()))),
        PolicyName::Own(name) => (name, tx.managed_policy_named(account, name)?.map(|policy| (policy.number(), policy.tags))),
    };
    let (number, tags) = found.unzip();
    Ok(vec![Target { path: Some(format!("policy/{name}")), number, tags: tags.unwrap_or_default(), ..Target::default() }])
}

/// Who has a managed policy.
pub(crate) fn holders(tx: &Tx<'_>, account: AccountId, policy: &PolicyRef) -> Result<Vec<Holder>, Failure> {
    holders_with(tx, account, |permissions| permissions.attached(policy).is_some())
}

/// Whose permissions are of some kind.
pub(crate) fn holders_with(tx: &Tx<'_>, account: AccountId, has: impl Fn(&Permissions) -> bool) -> Result<Vec<Holder>, Failure> {
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
    pub attached: Vec<HeldPolicy>,
    /// The managed policy that bounds them.
    pub boundary: Option<PolicyName>,
}

/// A managed policy that somebody has.
#[derive(Debug, Clone)]
pub struct HeldPolicy {
    /// Which one.
    pub name: PolicyName,
    /// When it was attached; none where it was before times of that were kept.
    pub at: Option<Millis>,
}

/// What a managed policy is used for in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyUse {
    /// How many have it.
    pub attached: usize,
    /// How many it bounds.
    pub bounding: usize,
}

impl Cloud {
    /// What somebody has.
    pub async fn held(&self, caller: &Caller, holder: Holder) -> Result<Held, Error> {
        let asked = holder.clone();
        self.read_about(
            caller,
            move |tx, account| asked.target(tx, account),
            move |tx, cx| {
                let permissions = holder.permissions(tx, cx.caller.account())?;
                let mut attached = Vec::new();
                for held in permissions.attached {
                    attached.extend(name_of(tx, &held.policy)?.map(|name| HeldPolicy { name, at: held.at }));
                }
                let boundary = permissions.boundary.map(|policy| name_of(tx, &policy)).transpose()?.flatten();
                Ok(Held { own: permissions.own.into_iter().collect(), attached, boundary })
            },
        )
        .await
    }

    /// A managed policy of the caller's account, and how many have it.
    pub async fn managed_policy(&self, caller: &Caller, name: String) -> Result<(ManagedPolicy, PolicyUse), Error> {
        let asked = PolicyName::Own(name.clone());
        self.read_about(
            caller,
            move |tx, account| policy_target(tx, account, &asked),
            move |tx, cx| {
                let account = cx.caller.account();
                let found = policy(tx, account, &name)?;
                let this = PolicyRef::Own(found.id);
                let used = PolicyUse { attached: holders(tx, account, &this)?.len(), bounding: bounded_by(tx, account, &this)?.len() };
                Ok((found, used))
            },
        )
        .await
    }

    /// What each managed policy is used for that any of the users, groups and roles has or is bounded by.
    pub async fn policy_uses(&self, caller: &Caller) -> Result<BTreeMap<PolicyName, PolicyUse>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| {
            let account = cx.caller.account();
            let mut uses: BTreeMap<PolicyRef, PolicyUse> = BTreeMap::new();
            let of_users = tx.user_list(account)?.into_iter().filter_map(|user| match user.rights {
                Rights::Root => None,
                Rights::Policies { permissions, .. } => Some(permissions),
            });
            let of_groups = tx.user_group_list(account)?.into_iter().map(|group| group.permissions);
            let of_roles = tx.role_list(account)?.into_iter().map(|role| role.permissions);
            for permissions in of_users.chain(of_groups).chain(of_roles) {
                for held in permissions.attached {
                    uses.entry(held.policy).or_default().attached += 1;
                }
                if let Some(boundary) = permissions.boundary {
                    uses.entry(boundary).or_default().bounding += 1;
                }
            }
            let names: BTreeMap<PolicyId, String> =
                tx.managed_policy_list(account)?.into_iter().map(|policy| (policy.id, policy.name)).collect();
            let named = |policy: PolicyRef| match policy {
                PolicyRef::System(name) => Some(PolicyName::System(name)),
                PolicyRef::Own(id) => names.get(&id).cloned().map(PolicyName::Own),
            };
            Ok(uses.into_iter().filter_map(|(policy, used)| Some((named(policy)?, used))).collect())
        })
        .await
    }

    /// The managed policy that a number means, one of the system's or of the caller's account.
    pub async fn policy_numbered(&self, caller: &Caller, number: u64) -> Result<PolicyName, Error> {
        if let Some(policy) = SYSTEM_POLICIES.iter().zip(1_u64..).find_map(|(policy, at)| (at == number).then_some(policy)) {
            return Ok(PolicyName::System(policy.name.to_owned()));
        }
        let find = move |tx: &Tx<'_>, account| {
            Ok(tx.managed_policy_list(account)?.into_iter().find(|policy| policy.number() == number).map(|policy| policy.name))
        };
        self.name_numbered(caller, Noun::Policy, number, find).await.map(PolicyName::Own)
    }

    /// The user of the caller's account that a number means.
    pub async fn user_numbered(&self, caller: &Caller, number: u64) -> Result<String, Error> {
        let is_it = move |user: &User| user.number() == number || matches!(user.rights, Rights::Root) && user.account.as_u64() == number;
        let find = move |tx: &Tx<'_>, account| Ok(tx.user_list(account)?.into_iter().find(is_it).map(|user| user.name));
        self.name_numbered(caller, Noun::User, number, find).await
    }

    /// The group of the caller's account that a number means.
    pub async fn user_group_numbered(&self, caller: &Caller, number: u64) -> Result<String, Error> {
        let find = move |tx: &Tx<'_>, account| {
            Ok(tx.user_group_list(account)?.into_iter().find(|group| group.number() == number).map(|group| group.name))
        };
        self.name_numbered(caller, Noun::UserGroup, number, find).await
    }

    /// The role of the caller's account that an id means.
    pub async fn role_numbered(&self, caller: &Caller, id: RoleId) -> Result<String, Error> {
        let find = move |tx: &Tx<'_>, account| Ok(tx.get::<Role>(id)?.filter(|role| role.account == account).map(|role| role.name));
        self.name_numbered(caller, Noun::Role, id.as_u64(), find).await
    }

    /// Who may not make the call is told so, whether there is such a thing or not.
    async fn name_numbered<F>(&self, caller: &Caller, noun: Noun, number: u64, find: F) -> Result<String, Error>
    where
        F: Fn(&Tx<'_>, AccountId) -> Result<Option<String>, StoreError> + Send + 'static,
    {
        let account = caller.account();
        let found = self.store().read(move |tx| find(tx, account)).await;
        match found.map_err(|error| self.store_refusal("read a name", &error))? {
            Some(name) => Ok(name),
            None => {
                self.read(caller, vec![Target::any()], |_, _| Ok(())).await?;
                Err(Error::not_found(noun, number))
            }
        }
    }

    /// Reads for a caller about something of access control, whose number policies may name.
    pub(crate) async fn read_about<T, G, F>(&self, caller: &Caller, targets: G, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        G: Fn(&Tx<'_>, AccountId) -> Result<Vec<Target>, StoreError> + Send + 'static,
        F: Fn(&Tx<'_>, &Cx<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let account = caller.account();
        let found = self.store().read(move |tx| targets(tx, account)).await;
        let targets = found.map_err(|error| self.store_refusal("read what a call is about", &error))?;
        self.read(caller, targets, look).await
    }

    /// Managed policies of the caller's account.
    pub async fn managed_policies(&self, caller: &Caller) -> Result<Vec<ManagedPolicy>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| Ok::<_, Failure>(tx.managed_policy_list(cx.caller.account())?)).await
    }

    /// Who has a managed policy.
    pub async fn policy_holders(&self, caller: &Caller, policy: PolicyName) -> Result<Vec<Holder>, Error> {
        self.holders_by(caller, policy, holders).await
    }

    /// Those whom a managed policy matters to in the way that `find` knows.
    pub(crate) async fn holders_by(
        &self,
        caller: &Caller,
        policy: PolicyName,
        find: fn(&Tx<'_>, AccountId, &PolicyRef) -> Result<Vec<Holder>, Failure>,
    ) -> Result<Vec<Holder>, Error> {
        let asked = policy.clone();
        self.read_about(
            caller,
            move |tx, account| policy_target(tx, account, &asked),
            move |tx, cx| {
                let account = cx.caller.account();
                find(tx, account, &policy.find(tx, account)?)
            },
        )
        .await
    }
}
