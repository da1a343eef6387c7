//! Users and their access keys.

use control::{
    CreateUser as Create, DeleteAccessKey as DeleteKey, DeleteUser as Delete, Ties, UpdateAccessKey as UpdateKey, UpdateUser as Update,
};
use jiff::Timestamp;
use model::{Error, Noun, User, UserDetails};
use secrecy::ExposeSecret;
use wire::{FromArg, Show};

use super::{Done, Next, Paging, refusal};
use crate::Cx;
use crate::error::Fault;

#[derive(Show)]
pub(crate) struct UserItem {
    user_id: String,
    user_name: String,
    display_name: String,
    comments: String,
    mobile_phone: String,
    email: String,
    create_date: Timestamp,
    update_date: Timestamp,
}

pub(super) fn item(user: &User) -> UserItem {
    let at = user.created_at.timestamp();
    let (user_id, user_name, details) = (user.id.as_u64().to_string(), user.name.clone(), &user.details);
    let display_name = if details.display_name.is_empty() { user_name.clone() } else { details.display_name.clone() };
    let mobile_phone = [&details.country_code, &details.phone]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("-");
    let (comments, email) = (details.comments.clone(), details.email.clone());
    UserItem { user_id, display_name, user_name, comments, mobile_phone, email, create_date: at, update_date: at }
}

/// Country code and number of a telephone, which RAM writes as one text: `86-13800000000`.
fn phone(text: &str) -> (String, String) {
    let (code, number) = text.split_once('-').unwrap_or(("", text));
    (code.to_owned(), number.to_owned())
}

/// The parameters of `CreateUser`.
#[derive(FromArg)]
pub(crate) struct CreateUser {
    user_name: String,
    #[arg(default)]
    display_name: String,
    #[arg(default)]
    comments: String,
    mobile_phone: Option<String>,
    #[arg(default)]
    email: String,
}

/// The parameter of calls on one user.
#[derive(FromArg)]
pub(crate) struct One {
    user_name: String,
}

/// A reply that shows one user.
#[derive(Show)]
pub(crate) struct Shown {
    user: UserItem,
}

/// Makes a user.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateUser) -> Result<Shown, Fault> {
    let CreateUser { user_name: name, display_name, comments, mobile_phone, email } = asked;
    let (country_code, phone) = mobile_phone.as_deref().map(phone).unwrap_or_default();
    let details = UserDetails { display_name, comments, country_code, phone, email };
    let made = cx.cloud.run(&cx.caller, Create { name, details, ..Create::default() }, cx.options()?).await.map_err(refusal)?;
    Ok(Shown { user: item(&made) })
}

/// Shows a user.
pub(crate) async fn get(cx: &Cx<'_>, asked: One) -> Result<Shown, Fault> {
    let found = cx.cloud.user(&cx.caller, Some(asked.user_name)).await.map_err(refusal)?;
    Ok(Shown { user: item(&found) })
}

/// The parameters of `UpdateUser`.
#[derive(FromArg)]
pub(crate) struct UpdateUser {
    user_name: String,
    new_user_name: Option<String>,
    new_display_name: Option<String>,
    new_comments: Option<String>,
    new_mobile_phone: Option<String>,
    new_email: Option<String>,
}

/// Changes a user.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdateUser) -> Result<Shown, Fault> {
    let (country_code, phone) = asked.new_mobile_phone.as_deref().map(phone).unzip();
    let command = Update {
        name: asked.user_name,
        new_name: asked.new_user_name,
        display_name: asked.new_display_name,
        comments: asked.new_comments,
        country_code,
        phone,
        email: asked.new_email,
    };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?;
    Ok(Shown { user: item(&made) })
}

/// Deletes a user.
pub(crate) async fn delete(cx: &Cx<'_>, asked: One) -> Result<Done, Fault> {
    let command = Delete { name: asked.user_name, ties: Ties::MustBeGone, keys: Ties::MustBeGone };
    cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

/// The parameters of `ListUsers`.
#[derive(FromArg)]
pub(crate) struct ListUsers {
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of the lists of users.
#[derive(Show)]
pub(crate) struct Users {
    #[reply(list = "User")]
    users: Vec<UserItem>,
    #[reply(flatten)]
    next: Next,
}

pub(super) fn users(found: Vec<User>, paging: &Paging) -> Users {
    let (page, next) = paging.page(found, |user| &user.name);
    Users { users: page.iter().map(item).collect(), next }
}

/// Lists users.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListUsers) -> Result<Users, Fault> {
    Ok(users(cx.cloud.users(&cx.caller).await.map_err(refusal)?, &asked.paging))
}

/// Whether a key acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg, Show)]
pub(crate) enum Status {
    Active,
    Inactive,
}

/// The parameter of calls on the keys of a user, which is the caller when it is not named.
#[derive(FromArg)]
pub(crate) struct Owner {
    user_name: Option<String>,
}

/// The reply of `CreateAccessKey`, which holds the only copy of the secret.
#[derive(Show)]
pub(crate) struct Made {
    access_key: NewKey,
}

#[derive(Show)]
struct NewKey {
    access_key_id: String,
    access_key_secret: String,
    status: Status,
    create_date: Timestamp,
}

/// Makes an access key.
pub(crate) async fn create_key(cx: &Cx<'_>, asked: Owner) -> Result<Made, Fault> {
    let (key, _, made) = cx.cloud.create_access_key(&cx.caller, asked.user_name, String::new()).await.map_err(refusal)?;
    let access_key = NewKey {
        access_key_id: made.id,
        access_key_secret: made.secret.expose_secret().to_owned(),
        status: Status::Active,
        create_date: key.created_at.timestamp(),
    };
    Ok(Made { access_key })
}

/// The reply of `ListAccessKeys`.
#[derive(Show)]
pub(crate) struct Keys {
    #[reply(list = "AccessKey")]
    access_keys: Vec<Key>,
}

#[derive(Show)]
struct Key {
    access_key_id: String,
    status: Status,
    create_date: Timestamp,
}

/// Lists access keys.
pub(crate) async fn list_keys(cx: &Cx<'_>, asked: Owner) -> Result<Keys, Fault> {
    let (keys, _) = cx.cloud.access_keys(&cx.caller, asked.user_name).await.map_err(refusal)?;
    let shown = keys.into_iter().map(|key| Key {
        access_key_id: key.id,
        status: if key.active { Status::Active } else { Status::Inactive },
        create_date: key.created_at.timestamp(),
    });
    Ok(Keys { access_keys: shown.collect() })
}

/// The parameters of `UpdateAccessKey`.
#[derive(FromArg)]
pub(crate) struct UpdateAccessKey {
    user_name: Option<String>,
    user_access_key_id: String,
    status: Status,
}

/// Turns an access key on or off.
pub(crate) async fn update_key(cx: &Cx<'_>, asked: UpdateAccessKey) -> Result<Done, Fault> {
    let command = UpdateKey { user: asked.user_name, key: asked.user_access_key_id, active: asked.status == Status::Active };
    cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

/// The parameters of `DeleteAccessKey`.
#[derive(FromArg)]
pub(crate) struct DeleteAccessKey {
    user_name: Option<String>,
    user_access_key_id: String,
}

/// Deletes an access key.
pub(crate) async fn delete_key(cx: &Cx<'_>, asked: DeleteAccessKey) -> Result<Done, Fault> {
    let command = DeleteKey { user: asked.user_name, key: asked.user_access_key_id };
    cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

/// The parameters of `GetAccessKeyLastUsed`.
#[derive(FromArg)]
pub(crate) struct GetAccessKeyLastUsed {
    user_access_key_id: String,
    user_name: Option<String>,
}

/// The reply of `GetAccessKeyLastUsed`.
#[derive(Show)]
pub(crate) struct LastUsed {
    access_key_last_used: Use,
}

#[derive(Show)]
struct Use {
    last_used_date: Option<Timestamp>,
    service_name: Option<String>,
}

/// Tells when a key was last used; of one that never was, nothing.
pub(crate) async fn key_last_used(cx: &Cx<'_>, asked: GetAccessKeyLastUsed) -> Result<LastUsed, Fault> {
    let GetAccessKeyLastUsed { user_access_key_id: key, user_name } = asked;
    let (_, owner, used) = cx.cloud.access_key_last_used(&cx.caller, key.clone()).await.map_err(refusal)?;
    if user_name.is_some_and(|name| !name.is_empty() && name != owner) {
        return Err(refusal(Error::not_found(Noun::AccessKey, key)));
    }
    let last_used_date = used.as_ref().map(|used| used.at.timestamp());
    Ok(LastUsed { access_key_last_used: Use { last_used_date, service_name: used.map(|used| used.service) } })
}
