//! Instance profiles: EC2's envelopes around roles.

use model::{AccountId, Error, InstanceProfile, InstanceProfileId, Noun, Role, RoleSource};
use serde::Serialize;
use store::Tx;

use crate::account::taken;
use crate::auth::{Caller, Target};
use crate::instance_role::check_pass;
use crate::permission::role;
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Most profiles of an account (IAM: 1,000).
const PROFILES_MAX: usize = 1_000;

/// Makes an empty profile.
#[derive(Debug, Clone, Serialize)]
pub struct CreateInstanceProfile {
    /// Name, unique in the account.
    pub name: String,
}

/// Deletes a profile that is empty and that no instance has.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteInstanceProfile {
    /// Its name.
    pub name: String,
}

/// Puts a role into an empty profile. Instances that have it get the role's keys within an hour.
#[derive(Debug, Clone, Serialize)]
pub struct AddRoleToProfile {
    /// The profile.
    pub profile: String,
    /// The role.
    pub role: String,
}

/// Takes the role out of a profile, which ends the keys of the instances that have it.
#[derive(Debug, Clone, Serialize)]
pub struct RemoveRoleFromProfile {
    /// The profile.
    pub profile: String,
    /// The role.
    pub role: String,
}

fn target(name: &str) -> Vec<Target> {
    vec![Target { path: Some(format!("instance-profile/{name}")), ..Target::default() }]
}

/// The profile of this name, or a refusal.
pub(crate) fn profile(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<InstanceProfile, Failure> {
    Ok(tx.instance_profile_named(account, name)?.ok_or_else(|| Error::not_found(Noun::InstanceProfile, name))?)
}

impl Command for CreateInstanceProfile {
    type Reply = InstanceProfile;
    const NAME: &'static str = "CreateInstanceProfile";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(&self.name))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<InstanceProfile, Failure> {
        let id = InstanceProfileId::from_u64(cx.new_id());
        let made = InstanceProfile { id, account: cx.caller.account(), name: self.name.clone(), role: None, created_at: cx.now };
        made.check()?;
        if tx.instance_profile_list(made.account)?.len() >= PROFILES_MAX {
            let what = "instance profiles".to_owned();
            return Err(Error::LimitReached { name: "InstanceProfileName", what, limit: PROFILES_MAX as u64 }.into());
        }
        tx.insert(&made).map_err(|error| taken(error, Noun::InstanceProfile, &self.name))?;
        Ok(made)
    }
}

impl Command for DeleteInstanceProfile {
    type Reply = ();
    const NAME: &'static str = "DeleteInstanceProfile";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(&self.name))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let row = profile(tx, cx.caller.account(), &self.name)?;
        let mut by: Vec<String> = row.role.iter().map(ToString::to_string).collect();
        let users = tx.instance_role_list(row.account)?.into_iter().filter(|held| held.source == RoleSource::Profile(row.id));
        by.extend(users.map(|held| held.instance.to_string()).take(9));
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::InstanceProfile, id: self.name.clone(), by }.into());
        }
        tx.delete::<InstanceProfile>(row.id)?;
        Ok(())
    }
}

impl Command for AddRoleToProfile {
    type Reply = ();
    const NAME: &'static str = "AddRoleToInstanceProfile";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(&self.profile))
    }

    fn authorize(&self, tx: &Tx<'_>, cx: &Cx<'_>, targets: &[Target]) -> Result<(), Failure> {
        cx.cloud.authorize(cx.caller, targets)?;
        check_pass(cx, &role(tx, cx.caller.account(), &self.role)?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut row = profile(tx, cx.caller.account(), &self.profile)?;
        let added = role(tx, cx.caller.account(), &self.role)?;
        if row.role.is_some() {
            let what = "roles in an instance profile".to_owned();
            return Err(Error::LimitReached { name: "RoleName", what, limit: 1 }.into());
        }
        row.role = Some(added.id);
        tx.update(&row)?;
        Ok(())
    }
}

impl Command for RemoveRoleFromProfile {
    type Reply = ();
    const NAME: &'static str = "RemoveRoleFromInstanceProfile";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target(&self.profile))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut row = profile(tx, cx.caller.account(), &self.profile)?;
        let removed = role(tx, cx.caller.account(), &self.role)?;
        if row.role != Some(removed.id) {
            return Err(Error::not_found(Noun::Role, &self.role).into());
        }
        row.role = None;
        tx.update(&row)?;
        Ok(())
    }
}

impl Cloud {
    /// A profile of the caller's account with the role in it.
    pub async fn instance_profile(&self, caller: &Caller, name: String) -> Result<(InstanceProfile, Option<Role>), Error> {
        self.read(caller, target(&name), move |tx, cx| with_role(tx, profile(tx, cx.caller.account(), &name)?)).await
    }

    /// Profiles of the caller's account, each with the role in it.
    pub async fn instance_profiles(&self, caller: &Caller) -> Result<Vec<(InstanceProfile, Option<Role>)>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| {
            tx.instance_profile_list(cx.caller.account())?.into_iter().map(|row| with_role(tx, row)).collect()
        })
        .await
    }
}

fn with_role(tx: &Tx<'_>, row: InstanceProfile) -> Result<(InstanceProfile, Option<Role>), Failure> {
    let role = row.role.map(|id| tx.get::<Role>(id)).transpose()?.flatten();
    Ok((row, role))
}
