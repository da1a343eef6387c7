//! Roles of instances: who may give one, and the keys that the guest reads.
//!
//! The key is in the row only inside its token, which is sealed; a document of a host has it open, because the guest is
//! to be answered while the control plane is away. A key acts as long as the association that it was made for and the role in
//! it are there, which is looked up at every request.

use model::policy::{AccessRequest, Context, Document, evaluate};
use model::{
    AccountId, Error, INSTANCE_SERVICES, Instance, InstanceId, InstanceProfile, InstanceRole, InstanceRoleId, Millis, Noun,
    ROLE_KEY_RENEWED_MS, Role, RoleChoice, RoleSource,
};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::auth::{Caller, Target};
use crate::instance::{instance_of, save};
use crate::instance_profile::profile;
use crate::permission::role;
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Kind of wakes for keys that are to be renewed.
pub(crate) const INSTANCE_ROLE: &str = "instance_role";

/// Gives an instance a role, or takes it.
#[derive(Debug, Clone, Serialize)]
pub struct SetInstanceRole {
    /// The instance.
    pub instance: InstanceId,
    /// The role from now on.
    pub role: Option<RoleChoice>,
    /// What must be so before.
    pub before: RoleBefore,
}

/// What role an instance must have before it gets another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum RoleBefore {
    /// Whichever.
    Any,
    /// None.
    None,
    /// That of this association.
    This(InstanceRoleId),
    /// The role of this name.
    Named(String),
}

/// An association with the names of what it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRoleView {
    /// The association.
    pub held: InstanceRole,
    /// The profile, where it comes from one.
    pub profile: Option<InstanceProfile>,
    /// The role, as long as it is there.
    pub role_name: Option<String>,
}

/// Checks that the caller may hand a role on, and that the role lets instances have it.
pub(crate) fn check_pass(cx: &Cx<'_>, passed: &Role) -> Result<(), Failure> {
    let target = Target { path: Some(format!("role/{}", passed.name)), number: Some(passed.id.as_u64()), ..Target::default() };
    let passes = Caller { action: "iam:PassRole", ..cx.caller.clone() };
    Ok(cx.cloud.authorize(&passes, &[target])?)
}

/// The role that a choice means now; a profile may be empty.
pub(crate) fn chosen(tx: &Tx<'_>, account: AccountId, choice: &RoleChoice) -> Result<(RoleSource, Option<Role>), Failure> {
    Ok(match choice {
        RoleChoice::Role(name) => {
            let found = role(tx, account, name)?;
            (RoleSource::Role(found.id), Some(found))
        }
        RoleChoice::Profile(name) => {
            let found = profile(tx, account, name)?;
            let inside = found.role.map(|id| tx.get::<Role>(id)).transpose()?.flatten();
            (RoleSource::Profile(found.id), inside)
        }
    })
}

/// The role that an association means now.
pub(crate) fn role_of(tx: &Tx<'_>, source: RoleSource) -> Result<Option<Role>, StoreError> {
    match source {
        RoleSource::Role(id) => tx.get::<Role>(id),
        RoleSource::Profile(id) => {
            let inside = tx.get::<InstanceProfile>(id)?.and_then(|profile| profile.role);
            Ok(inside.map(|id| tx.get::<Role>(id)).transpose()?.flatten())
        }
    }
}

/// Whether a role's trust lets instances have it.
fn trusts_instances(cx: &Cloud, role: &Role) -> Result<bool, Error> {
    let trust = Document::resource(&role.trust).map_err(|error| cx.internal("read a role's trust", &error))?;
    let context = Context::new();
    let request = AccessRequest { actions: &["sts:AssumeRole"], resources: &[], principals: &INSTANCE_SERVICES, context: &context };
    Ok(evaluate([&trust], &request).is_allowed())
}

/// Makes an association with its first key. The instance's row must be saved after it.
pub(crate) fn associate(tx: &mut Tx<'_>, cx: &Cx<'_>, instance: InstanceId, choice: &RoleChoice) -> Result<InstanceRole, Failure> {
    let (source, role) = chosen(tx, cx.caller.account(), choice)?;
    if let Some(role) = &role
        && !trusts_instances(cx.cloud, role)?
    {
        let reason = format!("the role '{}' does not trust {}", role.name, INSTANCE_SERVICES.join(", "));
        return Err(Error::invalid("RoleName", reason).into());
    }
    let id = InstanceRoleId::from_u64(cx.new_id());
    let key = role.map(|role| cx.cloud.role_key(&role, id, instance, cx.now)).transpose()?;
    let held = InstanceRole { id, account: cx.caller.account(), instance, source, key, created_at: cx.now };
    tx.insert(&held)?;
    tx.wake(INSTANCE_ROLE, id, cx.now.after(ROLE_KEY_RENEWED_MS))?;
    Ok(held)
}

impl Command for SetInstanceRole {
    type Reply = Option<InstanceRoleView>;
    const NAME: &'static str = "SetInstanceRole";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let own = tx.get::<Instance>(self.instance)?.filter(|row| row.account == cx.caller.account());
        Ok(vec![Target::of("instance", self.instance, &own.map(|row| row.tags).unwrap_or_default())])
    }

    fn authorize(&self, tx: &Tx<'_>, cx: &Cx<'_>, targets: &[Target]) -> Result<(), Failure> {
        cx.cloud.authorize(cx.caller, targets)?;
        match &self.role {
            Some(choice) => match chosen(tx, cx.caller.account(), choice)?.1 {
                Some(role) => check_pass(cx, &role),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Option<InstanceRoleView>, Failure> {
        let mut instance = instance_of(tx, cx.caller.account(), self.instance)?;
        if !instance.is_on_host() {
            return Err(Error::not_found(Noun::Instance, self.instance).into());
        }
        let before = tx.instance_role_of(self.instance)?;
        self.check_before(tx, before.as_ref())?;
        let gone = before.map(|held| view(tx, held)).transpose()?;
        if let Some(gone) = &gone {
            tx.delete::<InstanceRole>(gone.held.id)?;
        }
        let made = self.role.as_ref().map(|choice| associate(tx, cx, self.instance, choice)).transpose()?;
        instance.guest.role = made.as_ref().map(|held| held.id);
        save(tx, &mut instance, cx.now)?;
        match made {
            Some(held) => Ok(Some(view(tx, held)?)),
            None => Ok(gone),
        }
    }
}

impl SetInstanceRole {
    fn check_before(&self, tx: &Tx<'_>, before: Option<&InstanceRole>) -> Result<(), Failure> {
        match (&self.before, before) {
            (RoleBefore::Any, _) | (RoleBefore::None, None) => Ok(()),
            (RoleBefore::None, Some(held)) => {
                let (noun, id) = (Noun::InstanceRole, self.instance.to_string());
                Err(Error::InUse { noun, id, by: vec![held.id.to_string()] }.into())
            }
            (RoleBefore::This(id), Some(held)) if held.id == *id => Ok(()),
            (RoleBefore::This(id), _) => Err(Error::not_found(Noun::InstanceRole, id).into()),
            (RoleBefore::Named(name), Some(held)) if role_of(tx, held.source)?.is_some_and(|role| role.name == *name) => Ok(()),
            (RoleBefore::Named(name), _) => Err(Error::not_found(Noun::InstanceRole, name).into()),
        }
    }
}

/// An association with names.
pub(crate) fn view(tx: &Tx<'_>, held: InstanceRole) -> Result<InstanceRoleView, Failure> {
    let profile = match held.source {
        RoleSource::Profile(id) => tx.get::<InstanceProfile>(id)?,
        RoleSource::Role(_) => None,
    };
    let role_name = role_of(tx, held.source)?.map(|role| role.name);
    Ok(InstanceRoleView { held, profile, role_name })
}

impl Cloud {
    /// Roles of the caller's instances, in order of their making.
    pub async fn instance_roles(&self, caller: &Caller) -> Result<Vec<InstanceRoleView>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| {
            tx.instance_role_list(cx.caller.account())?.into_iter().map(|held| view(tx, held)).collect()
        })
        .await
    }

    /// The instance of an association of the caller's account; a call on the association asks the policies about it.
    pub async fn instance_of_role(&self, caller: &Caller, id: InstanceRoleId) -> Result<InstanceId, Error> {
        let account = caller.account();
        let found = self.store().read(move |tx| Ok::<_, Failure>(tx.get::<InstanceRole>(id)?.filter(|held| held.account == account)));
        let found = found.await.map_err(|failure| self.refusal("read the role of an instance", failure))?;
        found.map(|held| held.instance).ok_or_else(|| Error::not_found(Noun::InstanceRole, id))
    }

    /// Renews the key of an instance, and says when it is to be renewed again.
    pub(crate) fn renew_instance_role(&self, tx: &mut Tx<'_>, id: InstanceRoleId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(mut held) = tx.get::<InstanceRole>(id)? else { return Ok(None) };
        let role = role_of(tx, held.source)?;
        let trusted = match role {
            Some(role) if trusts_instances(self, &role)? => Some(role),
            Some(_) | None => None,
        };
        held.key = trusted.map(|role| self.role_key(&role, id, held.instance, now)).transpose()?;
        tx.update(&held)?;
        if let Some(mut instance) = tx.get::<Instance>(held.instance)?
            && instance.is_on_host()
        {
            instance.asked = tx.host_touch(instance.host)?;
            tx.update(&instance)?;
        }
        Ok(Some(now.after(ROLE_KEY_RENEWED_MS)))
    }
}
