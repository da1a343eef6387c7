//! Instance profiles.

use control::{AddRoleToProfile, CreateInstanceProfile as Create, DeleteInstanceProfile as Delete, RemoveRoleFromProfile};
use jiff::Timestamp;
use model::{InstanceProfile, Role};
use wire::{FromArg, Show};

use super::role::{RoleItem, item as role_item};
use super::{Done, Paging, arn, is_elsewhere, only_root_path, unique_id};
use crate::Cx;
use crate::error::Refusal;

#[derive(Show)]
#[reply(list = "member")]
pub(super) struct ProfileItem {
    path: &'static str,
    instance_profile_name: String,
    instance_profile_id: String,
    arn: String,
    create_date: Timestamp,
    roles: Vec<RoleItem>,
}

pub(super) fn item((profile, role): &(InstanceProfile, Option<Role>)) -> ProfileItem {
    ProfileItem {
        path: "/",
        instance_profile_name: profile.name.clone(),
        instance_profile_id: profile_id(profile),
        arn: profile_arn(profile),
        create_date: profile.created_at.timestamp(),
        roles: role.iter().map(role_item).collect(),
    }
}

/// The id of a profile as IAM shows it.
pub(crate) fn profile_id(profile: &InstanceProfile) -> String {
    unique_id("AIPA", profile.id.as_u64())
}

/// The name of a profile among all things.
pub(crate) fn profile_arn(profile: &InstanceProfile) -> String {
    arn(profile.account, "instance-profile", &profile.name)
}

/// The parameters of `CreateInstanceProfile`.
#[derive(FromArg)]
pub(crate) struct CreateInstanceProfile {
    instance_profile_name: String,
    path: Option<String>,
}

/// A reply that shows one profile.
#[derive(Show)]
pub(crate) struct Shown {
    instance_profile: ProfileItem,
}

/// Makes an empty profile.
pub(crate) async fn create(cx: Cx, asked: CreateInstanceProfile) -> Result<Shown, Refusal> {
    only_root_path(asked.path.as_deref())?;
    let made = cx.cloud.run(&cx.caller, Create { name: asked.instance_profile_name }, cx.options(None)).await?;
    Ok(Shown { instance_profile: item(&(made, None)) })
}

/// The parameters of calls on one profile.
#[derive(FromArg)]
pub(crate) struct One {
    instance_profile_name: String,
}

/// Shows a profile.
pub(crate) async fn get(cx: Cx, asked: One) -> Result<Shown, Refusal> {
    Ok(Shown { instance_profile: item(&cx.cloud.instance_profile(&cx.caller, asked.instance_profile_name).await?) })
}

/// Deletes a profile.
pub(crate) async fn delete(cx: Cx, asked: One) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, Delete { name: asked.instance_profile_name }, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of calls on a role in a profile.
#[derive(FromArg)]
pub(crate) struct RoleIn {
    instance_profile_name: String,
    role_name: String,
}

/// Puts a role into a profile.
pub(crate) async fn add_role(cx: Cx, asked: RoleIn) -> Result<Done, Refusal> {
    let command = AddRoleToProfile { profile: asked.instance_profile_name, role: asked.role_name };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}

/// Takes the role out of a profile.
pub(crate) async fn remove_role(cx: Cx, asked: RoleIn) -> Result<Done, Refusal> {
    let command = RemoveRoleFromProfile { profile: asked.instance_profile_name, role: asked.role_name };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `ListInstanceProfiles`.
#[derive(FromArg)]
pub(crate) struct ListInstanceProfiles {
    path_prefix: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of both lists.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Profiles {
    instance_profiles: Vec<ProfileItem>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Lists profiles.
pub(crate) async fn list(cx: Cx, asked: ListInstanceProfiles) -> Result<Profiles, Refusal> {
    let found = cx.cloud.instance_profiles(&cx.caller).await?;
    let found = if is_elsewhere(asked.path_prefix.as_deref()) { vec![] } else { found };
    page(&asked.paging, found)
}

/// The parameters of `ListInstanceProfilesForRole`.
#[derive(FromArg)]
pub(crate) struct ListForRole {
    role_name: String,
    #[arg(flatten)]
    paging: Paging,
}

/// Lists the profiles that hold a role.
pub(crate) async fn list_for_role(cx: Cx, asked: ListForRole) -> Result<Profiles, Refusal> {
    let role = cx.cloud.role(&cx.caller, asked.role_name).await?;
    let mut found = cx.cloud.instance_profiles(&cx.caller).await?;
    found.retain(|(profile, _)| profile.role == Some(role.id));
    page(&asked.paging, found)
}

fn page(paging: &Paging, found: Vec<(InstanceProfile, Option<Role>)>) -> Result<Profiles, Refusal> {
    let (page, marker) = paging.page(found, |(profile, _)| &profile.name)?;
    Ok(Profiles { instance_profiles: page.iter().map(item).collect(), is_truncated: marker.is_some(), marker })
}
