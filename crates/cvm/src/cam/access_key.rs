//! Access keys of sub-users, and of the caller.

use control::{DeleteAccessKey as Delete, UpdateAccessKey as Update};
use model::AccessKey;
use secrecy::ExposeSecret;
use wire::{FromArg, Show};

use super::{at, user};
use crate::Cx;
use crate::error::Fault;

/// Whether a key acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg, Show)]
pub(crate) enum Status {
    Active,
    Inactive,
}

async fn owner(cx: &Cx<'_>, uin: Option<u64>) -> Result<Option<String>, Fault> {
    match uin {
        Some(uin) => user(cx, uin).await.map(Some),
        None => Ok(None),
    }
}

/// `CreateAccessKey`.
#[derive(FromArg)]
pub(crate) struct CreateAccessKey {
    target_uin: Option<u64>,
    #[arg(default, max_len = 1024)]
    description: String,
}

#[derive(Show)]
pub(crate) struct Created {
    access_key: NewKey,
}

#[derive(Show)]
struct NewKey {
    access_key_id: String,
    secret_access_key: String,
    status: Status,
    create_time: String,
    description: String,
}

/// Makes an access key; the reply has the only copy of its secret.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateAccessKey) -> Result<Created, Fault> {
    let owner = owner(cx, asked.target_uin).await?;
    let (key, _, made) = cx.cloud.create_access_key(&cx.caller, owner, asked.description).await?;
    let access_key = NewKey {
        access_key_id: made.id,
        secret_access_key: made.secret.expose_secret().to_owned(),
        status: Status::Active,
        create_time: at(key.created_at),
        description: key.description,
    };
    Ok(Created { access_key })
}

/// `ListAccessKeys`.
#[derive(FromArg)]
pub(crate) struct ListAccessKeys {
    target_uin: Option<u64>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Keys {
    access_keys: Vec<KeyReply>,
}

#[derive(Show)]
struct KeyReply {
    access_key_id: String,
    status: Status,
    create_time: String,
    description: String,
}

/// Lists the access keys of a user.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListAccessKeys) -> Result<Keys, Fault> {
    let (keys, _) = cx.cloud.access_keys(&cx.caller, owner(cx, asked.target_uin).await?).await?;
    let reply = |key: AccessKey| KeyReply {
        access_key_id: key.id,
        status: if key.active { Status::Active } else { Status::Inactive },
        create_time: at(key.created_at),
        description: key.description,
    };
    Ok(Keys { access_keys: keys.into_iter().map(reply).collect() })
}

/// `UpdateAccessKey`.
#[derive(FromArg)]
pub(crate) struct UpdateAccessKey {
    access_key_id: String,
    status: Status,
    target_uin: Option<u64>,
}

/// Turns an access key on or off.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdateAccessKey) -> Result<(), Fault> {
    let user = owner(cx, asked.target_uin).await?;
    let command = Update { user, key: asked.access_key_id, active: asked.status == Status::Active };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DeleteAccessKey`.
#[derive(FromArg)]
pub(crate) struct DeleteAccessKey {
    access_key_id: String,
    target_uin: Option<u64>,
}

/// Deletes an access key.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteAccessKey) -> Result<(), Fault> {
    let user = owner(cx, asked.target_uin).await?;
    Ok(cx.cloud.run(&cx.caller, Delete { user, key: asked.access_key_id }, cx.options()).await?)
}
