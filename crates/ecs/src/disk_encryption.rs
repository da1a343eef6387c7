//! What an account says of new disks: whether they are encrypted though nobody asks, and under which key.

use control::{DefaultKeyChoice, SetDiskEncryption};
use model::KmsKeyRef;
use wire::{FromArg, Show};

use crate::Cx;
use crate::account::Nothing;
use crate::error::Fault;

/// Has new disks encrypted though nobody asks.
pub(crate) async fn enable(cx: &Cx<'_>, _: Nothing) -> Result<(), Fault> {
    set(cx, SetDiskEncryption { encrypts: Some(true), key: None }).await
}

/// Has new disks encrypted only where it is asked for.
pub(crate) async fn disable(cx: &Cx<'_>, _: Nothing) -> Result<(), Fault> {
    set(cx, SetDiskEncryption { encrypts: Some(false), key: None }).await
}

/// The reply of `DescribeDiskEncryptionByDefaultStatus`.
#[derive(Show)]
pub(crate) struct ByDefault {
    encrypted: bool,
}

/// Tells whether new disks are encrypted.
pub(crate) async fn status(cx: &Cx<'_>, _: Nothing) -> Result<ByDefault, Fault> {
    Ok(ByDefault { encrypted: cx.cloud.disk_encryption(&cx.caller).await?.encrypts })
}

/// The reply of `DescribeDiskDefaultKMSKeyId`.
#[derive(Show)]
pub(crate) struct DefaultKey {
    #[reply(name = "KMSKeyId")]
    kms_key_id: String,
}

/// Tells the key of disks that name none; an empty text before it was first needed.
pub(crate) async fn key(cx: &Cx<'_>, _: Nothing) -> Result<DefaultKey, Fault> {
    let view = cx.cloud.disk_encryption(&cx.caller).await?;
    Ok(DefaultKey { kms_key_id: view.key.map(|key| key.uuid()).unwrap_or_default() })
}

/// `ModifyDiskDefaultKMSKeyId`.
#[derive(FromArg)]
pub(crate) struct ModifyDefaultKey {
    #[arg(name = "KMSKeyId")]
    kms_key_id: String,
}

/// Chooses the key of disks that name none.
pub(crate) async fn modify_key(cx: &Cx<'_>, asked: ModifyDefaultKey) -> Result<(), Fault> {
    let key = DefaultKeyChoice::Key(KmsKeyRef::named(&asked.kms_key_id)?);
    set(cx, SetDiskEncryption { encrypts: None, key: Some(key) }).await
}

/// Makes the account's default key that of disks that name none.
pub(crate) async fn reset_key(cx: &Cx<'_>, _: Nothing) -> Result<(), Fault> {
    set(cx, SetDiskEncryption { encrypts: None, key: Some(DefaultKeyChoice::Own) }).await
}

async fn set(cx: &Cx<'_>, command: SetDiskEncryption) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await.map(drop)?)
}
