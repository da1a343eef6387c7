//! Users.

use control::{CreateUser as Create, DeleteUser as Delete, Holder, PolicyName, Ties, UpdateUser as Update};
use jiff::Timestamp;
use model::{Rights, User};
use wire::{FromArg, Show};

use super::boundary::{self, BoundaryItem};
use super::tag::{TagItem, TagList, as_tags, items};
use super::{Done, Paging, arn, is_elsewhere, only_root_path, unique_id};
use crate::Cx;
use crate::error::Refusal;

#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct UserItem {
    path: &'static str,
    user_name: String,
    user_id: String,
    arn: String,
    create_date: Timestamp,
    permissions_boundary: Option<BoundaryItem>,
    #[reply(skip_empty)]
    tags: Vec<TagItem>,
}

/// A user as IAM shows it in lists, which tell no boundaries. The root is shown by its account, as IAM does.
pub(crate) fn item(user: &User) -> UserItem {
    let account = user.account;
    let root = matches!(user.rights, Rights::Root);
    UserItem {
        path: "/",
        user_name: if root { "root".to_owned() } else { user.name.clone() },
        user_id: if root { account.to_string() } else { unique_id("AIDA", user.id.as_u64()) },
        arn: if root { format!("arn:aws:iam::{account}:root") } else { arn(account, "user", &user.name) },
        create_date: user.created_at.timestamp(),
        permissions_boundary: None,
        tags: items(&user.tags),
    }
}

/// The parameters of `CreateUser`.
#[derive(FromArg)]
pub(crate) struct CreateUser {
    user_name: String,
    path: Option<String>,
    permissions_boundary: Option<String>,
    tags: Option<TagList>,
}

/// A reply that shows one user.
#[derive(Show)]
pub(crate) struct Shown {
    user: UserItem,
}

/// Makes a user.
pub(crate) async fn create(cx: Cx, asked: CreateUser) -> Result<Shown, Refusal> {
    only_root_path(asked.path.as_deref())?;
    let boundary = boundary::asked(cx.caller.account(), asked.permissions_boundary.as_deref())?;
    let command = Create { name: asked.user_name, tags: as_tags(asked.tags)?, boundary: boundary.clone(), ..Create::default() };
    let made = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Shown { user: bounded(&made, boundary.as_ref()) })
}

fn bounded(user: &User, boundary: Option<&PolicyName>) -> UserItem {
    UserItem { permissions_boundary: boundary.map(|policy| BoundaryItem::of(user.account, policy)), ..item(user) }
}

/// The parameters of `GetUser`.
#[derive(FromArg)]
pub(crate) struct GetUser {
    user_name: Option<String>,
}

/// Shows a user, or the caller.
pub(crate) async fn get(cx: Cx, asked: GetUser) -> Result<Shown, Refusal> {
    let user = cx.cloud.user(&cx.caller, asked.user_name).await?;
    let held = cx.cloud.held(&cx.caller, Holder::User(user.name.clone())).await?;
    Ok(Shown { user: bounded(&user, held.boundary.as_ref()) })
}

/// The parameters of `UpdateUser`.
#[derive(FromArg)]
pub(crate) struct UpdateUser {
    user_name: String,
    new_user_name: Option<String>,
    new_path: Option<String>,
}

/// Gives a user another name.
pub(crate) async fn update(cx: Cx, asked: UpdateUser) -> Result<Done, Refusal> {
    only_root_path(asked.new_path.as_deref())?;
    // Without a new name nothing is changed, but of a user that is there and that the caller may change.
    match asked.new_user_name {
        Some(new_name) => {
            let command = Update { name: asked.user_name, new_name: Some(new_name), ..Update::default() };
            cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
        }
        None => drop(cx.cloud.user(&cx.caller, Some(asked.user_name)).await?),
    }
    Ok(Done {})
}

/// The parameters of `DeleteUser`.
#[derive(FromArg)]
pub(crate) struct DeleteUser {
    user_name: String,
}

/// Deletes a user.
pub(crate) async fn delete(cx: Cx, asked: DeleteUser) -> Result<Done, Refusal> {
    let command = Delete { name: asked.user_name, ties: Ties::MustBeGone, keys: Ties::MustBeGone };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `ListUsers`.
#[derive(FromArg)]
pub(crate) struct ListUsers {
    path_prefix: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListUsers`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Users {
    users: Vec<UserItem>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Lists users.
pub(crate) async fn list(cx: Cx, asked: ListUsers) -> Result<Users, Refusal> {
    let found = cx.cloud.users(&cx.caller).await?;
    let found = if is_elsewhere(asked.path_prefix.as_deref()) { vec![] } else { found };
    let (page, marker) = asked.paging.page(found, |user| &user.name)?;
    Ok(Users { users: page.iter().map(item).collect(), is_truncated: marker.is_some(), marker })
}
