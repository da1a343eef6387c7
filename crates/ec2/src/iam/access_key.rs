//! Access keys of users.

use control::{DeleteAccessKey as Delete, UpdateAccessKey as Update};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use wire::{FromArg, Show};

use super::{Done, Paging};
use crate::Cx;
use crate::error::Refusal;

/// Whether a key acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg, Show)]
pub(crate) enum Status {
    Active,
    Inactive,
}

impl Status {
    const fn of(active: bool) -> Status {
        if active { Status::Active } else { Status::Inactive }
    }
}

/// The parameters of `CreateAccessKey`.
#[derive(FromArg)]
pub(crate) struct CreateAccessKey {
    user_name: Option<String>,
}

/// The reply of `CreateAccessKey`, which holds the only copy of the secret.
#[derive(Show)]
pub(crate) struct Made {
    access_key: NewKey,
}

#[derive(Show)]
struct NewKey {
    user_name: String,
    access_key_id: String,
    status: Status,
    secret_access_key: String,
    create_date: Timestamp,
}

/// Makes an access key of a user, or of the caller.
pub(crate) async fn create(cx: Cx, asked: CreateAccessKey) -> Result<Made, Refusal> {
    let (key, user_name, made) = cx.cloud.create_access_key(&cx.caller, asked.user_name, String::new()).await?;
    let access_key = NewKey {
        user_name,
        access_key_id: made.id,
        status: Status::Active,
        secret_access_key: made.secret.expose_secret().to_owned(),
        create_date: key.created_at.timestamp(),
    };
    Ok(Made { access_key })
}

/// The parameters of `ListAccessKeys`.
#[derive(FromArg)]
pub(crate) struct ListAccessKeys {
    user_name: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListAccessKeys`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Keys {
    access_key_metadata: Vec<Key>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Show)]
struct Key {
    user_name: String,
    access_key_id: String,
    status: Status,
    create_date: Timestamp,
}

/// Lists the access keys of a user, or of the caller.
pub(crate) async fn list(cx: Cx, asked: ListAccessKeys) -> Result<Keys, Refusal> {
    let (keys, user_name) = cx.cloud.access_keys(&cx.caller, asked.user_name).await?;
    let (page, marker) = asked.paging.page(keys, |key| &key.id)?;
    let shown = page.into_iter().map(|key| Key {
        user_name: user_name.clone(),
        access_key_id: key.id,
        status: Status::of(key.active),
        create_date: key.created_at.timestamp(),
    });
    Ok(Keys { access_key_metadata: shown.collect(), is_truncated: marker.is_some(), marker })
}

/// The parameters of `UpdateAccessKey`.
#[derive(FromArg)]
pub(crate) struct UpdateAccessKey {
    user_name: Option<String>,
    access_key_id: String,
    status: Status,
}

/// Turns an access key on or off.
pub(crate) async fn update(cx: Cx, asked: UpdateAccessKey) -> Result<Done, Refusal> {
    let command = Update { user: asked.user_name, key: asked.access_key_id, active: asked.status == Status::Active };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `DeleteAccessKey`.
#[derive(FromArg)]
pub(crate) struct DeleteAccessKey {
    user_name: Option<String>,
    access_key_id: String,
}

/// Deletes an access key.
pub(crate) async fn delete(cx: Cx, asked: DeleteAccessKey) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, Delete { user: asked.user_name, key: asked.access_key_id }, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `GetAccessKeyLastUsed`.
#[derive(FromArg)]
pub(crate) struct GetAccessKeyLastUsed {
    access_key_id: String,
}

/// The reply of `GetAccessKeyLastUsed`.
#[derive(Show)]
pub(crate) struct LastUsed {
    user_name: String,
    access_key_last_used: Use,
}

#[derive(Show)]
struct Use {
    last_used_date: Option<Timestamp>,
    service_name: String,
    region: String,
}

/// Tells when a key was last used. IAM's word for what was never used is `N/A`.
pub(crate) async fn last_used(cx: Cx, asked: GetAccessKeyLastUsed) -> Result<LastUsed, Refusal> {
    let (_, user_name, used) = cx.cloud.access_key_last_used(&cx.caller, asked.access_key_id).await?;
    let never = || "N/A".to_owned();
    let access_key_last_used = Use {
        last_used_date: used.as_ref().map(|used| used.at.timestamp()),
        region: used.as_ref().map_or_else(never, |_| cx.cloud.region().name.clone()),
        service_name: used.map_or_else(never, |used| used.service),
    };
    Ok(LastUsed { user_name, access_key_last_used })
}
