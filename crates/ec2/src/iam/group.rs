//! Groups of users.

use control::{CreateUserGroup, DeleteUserGroup, SetMembership, Ties, UpdateUserGroup};
use jiff::Timestamp;
use model::UserGroup;
use wire::{FromArg, Show};

use super::user::{UserItem, item as user_item};
use super::{Done, Paging, arn, is_elsewhere, only_root_path, unique_id};
use crate::Cx;
use crate::error::Refusal;

#[derive(Show)]
struct GroupItem {
    path: &'static str,
    group_name: String,
    group_id: String,
    arn: String,
    create_date: Timestamp,
}

fn item(group: &UserGroup) -> GroupItem {
    GroupItem {
        path: "/",
        group_name: group.name.clone(),
        group_id: unique_id("AGPA", group.id.as_u64()),
        arn: arn(group.account, "group", &group.name),
        create_date: group.created_at.timestamp(),
    }
}

/// The parameters of `CreateGroup`.
#[derive(FromArg)]
pub(crate) struct CreateGroup {
    group_name: String,
    path: Option<String>,
}

/// The reply of `CreateGroup`.
#[derive(Show)]
pub(crate) struct Made {
    group: GroupItem,
}

/// Makes a group.
pub(crate) async fn create(cx: Cx, asked: CreateGroup) -> Result<Made, Refusal> {
    only_root_path(asked.path.as_deref())?;
    let command = CreateUserGroup { name: asked.group_name, description: String::new() };
    Ok(Made { group: item(&cx.cloud.run(&cx.caller, command, cx.options(None)).await?) })
}

/// The parameters of `GetGroup`.
#[derive(FromArg)]
pub(crate) struct GetGroup {
    group_name: String,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `GetGroup`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Shown {
    group: GroupItem,
    users: Vec<UserItem>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Shows a group with its members.
pub(crate) async fn get(cx: Cx, asked: GetGroup) -> Result<Shown, Refusal> {
    let (group, members) = cx.cloud.user_group(&cx.caller, asked.group_name).await?;
    let (page, marker) = asked.paging.page(members, |user| &user.name)?;
    Ok(Shown { group: item(&group), users: page.iter().map(user_item).collect(), is_truncated: marker.is_some(), marker })
}

/// The parameters of `ListGroups`.
#[derive(FromArg)]
pub(crate) struct ListGroups {
    path_prefix: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of the lists of groups.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Groups {
    groups: Vec<GroupItem>,
    is_truncated: bool,
    marker: Option<String>,
}

fn groups(found: Vec<UserGroup>, paging: &Paging) -> Result<Groups, Refusal> {
    let (page, marker) = paging.page(found, |group| &group.name)?;
    Ok(Groups { groups: page.iter().map(item).collect(), is_truncated: marker.is_some(), marker })
}

/// Lists groups.
pub(crate) async fn list(cx: Cx, asked: ListGroups) -> Result<Groups, Refusal> {
    let found = cx.cloud.user_groups(&cx.caller).await?;
    groups(if is_elsewhere(asked.path_prefix.as_deref()) { vec![] } else { found }, &asked.paging)
}

/// The parameters of `ListGroupsForUser`.
#[derive(FromArg)]
pub(crate) struct ListGroupsForUser {
    user_name: String,
    #[arg(flatten)]
    paging: Paging,
}

/// Lists the groups that a user is in.
pub(crate) async fn list_of_user(cx: Cx, asked: ListGroupsForUser) -> Result<Groups, Refusal> {
    groups(cx.cloud.groups_of_user(&cx.caller, asked.user_name).await?, &asked.paging)
}

/// The parameters of `DeleteGroup`.
#[derive(FromArg)]
pub(crate) struct DeleteGroup {
    group_name: String,
}

/// Deletes a group.
pub(crate) async fn delete(cx: Cx, asked: DeleteGroup) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, DeleteUserGroup { name: asked.group_name, ties: Ties::MustBeGone }, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of the calls that change who is in a group.
#[derive(FromArg)]
pub(crate) struct Membership {
    group_name: String,
    user_name: String,
}

async fn set(cx: Cx, asked: Membership, member: bool) -> Result<Done, Refusal> {
    let command = SetMembership { group: asked.group_name, user: asked.user_name, member };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}

/// Takes a user into a group.
pub(crate) async fn add(cx: Cx, asked: Membership) -> Result<Done, Refusal> {
    set(cx, asked, true).await
}

/// Takes a user out of a group.
pub(crate) async fn remove(cx: Cx, asked: Membership) -> Result<Done, Refusal> {
    set(cx, asked, false).await
}

/// The parameters of `UpdateGroup`.
#[derive(FromArg)]
pub(crate) struct UpdateGroup {
    group_name: String,
    new_group_name: Option<String>,
    new_path: Option<String>,
}

/// Gives a group another name.
pub(crate) async fn update(cx: Cx, asked: UpdateGroup) -> Result<Done, Refusal> {
    only_root_path(asked.new_path.as_deref())?;
    let command = UpdateUserGroup { name: asked.group_name, new_name: asked.new_group_name, description: None };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}
