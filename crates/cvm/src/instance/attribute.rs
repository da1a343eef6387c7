//! Changes of instances that exist.

use control::{
    ChangeInstanceKey, KeyChange, Many, Membership, ModifyInstance, RebootInstances as Reboot, RoleBefore, SetInstanceRole,
    SetSecurityGroups,
};
use model::{InstanceId, KEYS_PER_INSTANCE_MAX, Phase, RoleChoice, SecurityGroupId};
use secrecy::SecretString;
use wire::{Base64, FromArg};

use crate::error::Fault;
use crate::instance::launch::user_data;
use crate::instance::{INSTANCES_PER_CALL, ids, views_of};
use crate::{Cx, id, key_pair};

/// `ModifyInstancesAttribute`. What is absent stays.
#[derive(FromArg)]
pub(crate) struct ModifyInstancesAttribute {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    instance_name: Option<String>,
    user_data: Option<Base64>,
    #[arg(max_items = model::GROUPS_PER_INTERFACE_MAX)]
    security_groups: Vec<String>,
    host_name: Option<String>,
    disable_api_termination: Option<bool>,
    cam_role_name: Option<String>,
    #[arg(default = true)]
    auto_reboot: bool,
}

/// Changes instances, all of them or none; those with a new host name restart unless the call says no.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyInstancesAttribute) -> Result<(), Fault> {
    let wanted = ids(&asked.instance_ids)?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let groups: Vec<SecurityGroupId> = id::read_all(&asked.security_groups)?;
    let change = ModifyInstance {
        name: filled(asked.instance_name),
        hostname: filled(asked.host_name),
        user_data: asked.user_data.map(|data| user_data(&data)).transpose()?,
        termination_protection: asked.disable_api_termination,
        groups: Some(groups).filter(|groups| !groups.is_empty()),
        ..ModifyInstance::default()
    };
    let nothing = change.name.is_none() && change.hostname.is_none() && change.user_data.is_none() && change.groups.is_none();
    // An empty name takes the role.
    let role = asked.cam_role_name.map(|name| Some(name).filter(|name| !name.is_empty()).map(RoleChoice::Role));
    if nothing && change.termination_protection.is_none() && role.is_none() {
        return Err(Fault::new("MissingParameter.AtLeastOne", "The call changes nothing: give one attribute at least."));
    }
    let renamed = change.hostname.is_some();
    if let Some(role) = role {
        let set = |instance: &InstanceId| SetInstanceRole { instance: *instance, role: role.clone(), before: RoleBefore::Any };
        cx.cloud.run(&cx.caller, Many(wanted.iter().map(set).collect()), cx.options()).await?;
    }
    if !nothing || change.termination_protection.is_some() {
        change_all(cx, &wanted, &change).await?;
    }
    if renamed && asked.auto_reboot { restart_running(cx, wanted, false).await } else { Ok(()) }
}

/// `ResetInstancesPassword`.
#[derive(FromArg)]
pub(crate) struct ResetInstancesPassword {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    password: SecretString,
    user_name: Option<String>,
    #[arg(default)]
    force_stop: bool,
}

/// Gives instances a new password, which a guest sets when it boots; running ones are restarted for that.
pub(crate) async fn reset_password(cx: &Cx<'_>, asked: ResetInstancesPassword) -> Result<(), Fault> {
    let wanted = ids(&asked.instance_ids)?;
    let views = views_of(cx, wanted.clone()).await?;
    if let Some(user) = asked.user_name.filter(|user| !user.is_empty()) {
        let is_default = |user: &str| views.iter().all(|view| view.image.as_ref().is_some_and(|image| image.default_user == user));
        if !is_default(&user) {
            return Err(Fault::unsupported("Setting the password of another user than the image's own"));
        }
    }
    let password_hash = Some(control::hash_password(&asked.password)?);
    change_all(cx, &wanted, &ModifyInstance { password_hash, ..ModifyInstance::default() }).await?;
    restart_running(cx, wanted, asked.force_stop).await
}

/// `AssociateInstancesKeyPairs` and `DisassociateInstancesKeyPairs`.
#[derive(FromArg)]
pub(crate) struct InstancesKeyPairs {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    #[arg(max_items = KEYS_PER_INSTANCE_MAX)]
    key_ids: Vec<String>,
    #[arg(default)]
    force_stop: bool,
}

/// Gives instances key pairs beside those that they have, of which a guest hears when it boots; running ones that had not all of them
/// are restarted for that.
///
/// The reference says that former keys end. Tencent's own provider for Terraform, though, takes only the keys that are no longer wanted
/// and associates only the new ones, so that those which stay must not end by it.
pub(crate) async fn associate_key(cx: &Cx<'_>, asked: InstancesKeyPairs) -> Result<(), Fault> {
    change_keys(cx, asked, KeyChange::Add).await
}

/// Takes key pairs from those of the instances that have them; running ones of them are restarted for that.
pub(crate) async fn disassociate_key(cx: &Cx<'_>, asked: InstancesKeyPairs) -> Result<(), Fault> {
    change_keys(cx, asked, KeyChange::Take).await
}

async fn change_keys(cx: &Cx<'_>, asked: InstancesKeyPairs, change: fn(Vec<String>) -> KeyChange) -> Result<(), Fault> {
    let ids = ids(&asked.instance_ids)?;
    if asked.key_ids.is_empty() {
        return Err(Fault::missing("KeyIds"));
    }
    let change = change(key_pair::names_of(cx, &asked.key_ids).await?);
    let changes = cx.cloud.run(&cx.caller, ChangeInstanceKey { ids, change }, cx.options()).await?;
    let changed = changes.into_iter().filter(|change| change.before != change.after).map(|change| change.after.id).collect();
    restart_running(cx, changed, asked.force_stop).await
}

/// `AssociateSecurityGroups` and `DisassociateSecurityGroups`.
#[derive(FromArg)]
pub(crate) struct AssociateSecurityGroups {
    #[arg(max_items = model::GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
}

/// Puts instances into groups too; one that is in already stays in.
pub(crate) async fn associate_groups(cx: &Cx<'_>, asked: AssociateSecurityGroups) -> Result<(), Fault> {
    change_membership(cx, &asked, |has, group| (!has).then_some(Membership::Join(group))).await
}

/// Takes instances from groups; one that is not in stays out.
pub(crate) async fn disassociate_groups(cx: &Cx<'_>, asked: AssociateSecurityGroups) -> Result<(), Fault> {
    change_membership(cx, &asked, |has, group| has.then_some(Membership::Leave(group))).await
}

async fn change_membership(
    cx: &Cx<'_>,
    asked: &AssociateSecurityGroups,
    change: fn(bool, SecurityGroupId) -> Option<Membership>,
) -> Result<(), Fault> {
    let groups: Vec<SecurityGroupId> = id::read_all(&asked.security_group_ids)?;
    if groups.is_empty() {
        return Err(Fault::missing("SecurityGroupIds"));
    }
    let mut changes = Vec::new();
    for view in views_of(cx, ids(&asked.instance_ids)?).await? {
        for group in &groups {
            let has = view.groups().iter().any(|(known, _)| known == group);
            changes.extend(change(has, *group).map(|change| SetSecurityGroups { instance: view.instance.id, change }));
        }
    }
    cx.cloud.run(&cx.caller, Many(changes), cx.options()).await?;
    Ok(())
}

/// Makes the same change to several instances: to all of them or none.
async fn change_all(cx: &Cx<'_>, wanted: &[InstanceId], change: &ModifyInstance) -> Result<(), Fault> {
    views_of(cx, wanted.to_vec()).await?;
    let one = |instance: &InstanceId| ModifyInstance { id: Some(*instance), ..change.clone() };
    cx.cloud.run(&cx.caller, Many(wanted.iter().map(one).collect()), cx.options()).await?;
    Ok(())
}

async fn restart_running(cx: &Cx<'_>, wanted: Vec<InstanceId>, force: bool) -> Result<(), Fault> {
    // A query that names nobody means everybody.
    if wanted.is_empty() {
        return Ok(());
    }
    let running = views_of(cx, wanted).await?.into_iter().filter(|view| view.instance.phase == Phase::Running);
    let ids: Vec<InstanceId> = running.map(|view| view.instance.id).collect();
    if !ids.is_empty() {
        cx.cloud.run(&cx.caller, Reboot { ids, force }, cx.options()).await?;
    }
    Ok(())
}
