//! Groups of users.

use control::{CreateUserGroup, DeleteUserGroup, SetMembership, Ties, UpdateUserGroup};
use jiff::Timestamp;
use model::UserGroup;
use wire::{FromArg, Show};

use super::user::{Users, users};
use super::{Done, Next, Paging, refusal};
use crate::Cx;
use crate::error::Fault;

#[derive(Show)]
struct GroupItem {
    group_id: String,
    group_name: String,
    comments: String,
    create_date: Timestamp,
    update_date: Timestamp,
}

fn item(group: &UserGroup) -> GroupItem {
    let at = group.created_at.timestamp();
    let (group_id, group_name) = (group.id.as_u64().to_string(), group.name.clone());
    GroupItem { group_id, group_name, comments: group.description.clone(), create_date: at, update_date: at }
}

/// The parameters of `CreateGroup`.
#[derive(FromArg)]
pub(crate) struct CreateGroup {
    group_name: String,
    #[arg(default, max_len = 128)]
    comments: String,
}

/// A reply that shows one group.
#[derive(Show)]
pub(crate) struct Shown {
    group: GroupItem,
}

/// Makes a group.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateGroup) -> Result<Shown, Fault> {
    let command = CreateUserGroup { name: asked.group_name, description: asked.comments };
    Ok(Shown { group: item(&cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?) })
}

/// The parameter of calls on one group.
#[derive(FromArg)]
pub(crate) struct One {
    group_name: String,
}

/// Shows a group.
pub(crate) async fn get(cx: &Cx<'_>, asked: One) -> Result<Shown, Fault> {
    let (group, _) = cx.cloud.user_group(&cx.caller, asked.group_name).await.map_err(refusal)?;
    Ok(Shown { group: item(&group) })
}

/// The parameters of `UpdateGroup`.
#[derive(FromArg)]
pub(crate) struct UpdateGroup {
    group_name: String,
    new_group_name: Option<String>,
    #[arg(max_len = 128)]
    new_comments: Option<String>,
}

/// Changes a group.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdateGroup) -> Result<Shown, Fault> {
    let UpdateGroup { group_name: name, new_group_name: new_name, new_comments: description } = asked;
    let command = UpdateUserGroup { name, new_name, description };
    Ok(Shown { group: item(&cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?) })
}

/// Deletes a group.
pub(crate) async fn delete(cx: &Cx<'_>, asked: One) -> Result<Done, Fault> {
    cx.cloud.run(&cx.caller, DeleteUserGroup { name: asked.group_name, ties: Ties::MustBeGone }, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

/// The parameters of `ListGroups`.
#[derive(FromArg)]
pub(crate) struct ListGroups {
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of the lists of groups.
#[derive(Show)]
pub(crate) struct Groups {
    #[reply(list = "Group")]
    groups: Vec<GroupItem>,
    #[reply(flatten)]
    next: Next,
}

fn groups(found: Vec<UserGroup>, paging: &Paging) -> Groups {
    let (page, next) = paging.page(found, |group| &group.name);
    Groups { groups: page.iter().map(item).collect(), next }
}

/// Lists groups.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListGroups) -> Result<Groups, Fault> {
    Ok(groups(cx.cloud.user_groups(&cx.caller).await.map_err(refusal)?, &asked.paging))
}

/// The parameter of `ListGroupsForUser`.
#[derive(FromArg)]
pub(crate) struct OfUser {
    user_name: String,
}

/// Lists the groups that a user is in.
pub(crate) async fn list_of_user(cx: &Cx<'_>, asked: OfUser) -> Result<Groups, Fault> {
    Ok(groups(cx.cloud.groups_of_user(&cx.caller, asked.user_name).await.map_err(refusal)?, &Paging::default()))
}

/// The parameters of `ListUsersForGroup`.
#[derive(FromArg)]
pub(crate) struct Members {
    group_name: String,
    #[arg(flatten)]
    paging: Paging,
}

/// Lists the users in a group.
pub(crate) async fn members(cx: &Cx<'_>, asked: Members) -> Result<Users, Fault> {
    let (_, members) = cx.cloud.user_group(&cx.caller, asked.group_name).await.map_err(refusal)?;
    Ok(users(members, &asked.paging))
}

/// The parameters of the calls that change who is in a group.
#[derive(FromArg)]
pub(crate) struct Membership {
    group_name: String,
    user_name: String,
}

async fn set(cx: &Cx<'_>, asked: Membership, member: bool) -> Result<Done, Fault> {
    let command = SetMembership { group: asked.group_name, user: asked.user_name, member };
    cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

/// Takes a user into a group.
pub(crate) async fn add(cx: &Cx<'_>, asked: Membership) -> Result<Done, Fault> {
    set(cx, asked, true).await
}

/// Takes a user out of a group.
pub(crate) async fn remove(cx: &Cx<'_>, asked: Membership) -> Result<Done, Fault> {
    set(cx, asked, false).await
}
