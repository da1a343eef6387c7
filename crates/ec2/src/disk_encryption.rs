//! Whether new volumes of the account are encrypted though nobody asks, and under which key.

use control::{DefaultKeyChoice, DiskEncryptionView, SetDiskEncryption};
use model::{DEFAULT_KEY_ALIAS, EncryptionChoice};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::kms;

/// The parameters of the calls that take none.
#[derive(FromArg)]
pub(crate) struct Nothing {}

/// A reply that tells whether new volumes are encrypted.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct ByDefault {
    ebs_encryption_by_default: bool,
    sse_type: Option<&'static str>,
}

/// A reply that names the key.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct DefaultKey {
    kms_key_id: String,
}

/// What is asked of the encryption of a volume.
pub(crate) fn choice(cx: &Cx, encrypted: Option<bool>, key: Option<&str>) -> Result<EncryptionChoice, Refusal> {
    Ok(EncryptionChoice { encrypted, key: kms::optional_key_ref(cx, key)? })
}

/// Has new volumes encrypted.
pub(crate) async fn enable(cx: Cx, _: Nothing) -> Result<ByDefault, Refusal> {
    set(&cx, Some(true), None).await.map(by_default)
}

/// Has new volumes encrypted only where it is asked for.
pub(crate) async fn disable(cx: Cx, _: Nothing) -> Result<ByDefault, Refusal> {
    set(&cx, Some(false), None).await.map(by_default)
}

/// Tells whether new volumes are encrypted.
pub(crate) async fn get(cx: Cx, _: Nothing) -> Result<ByDefault, Refusal> {
    let view = cx.cloud.disk_encryption(&cx.caller).await?;
    let sse_type = view.encrypts.then_some("sse-kms");
    Ok(ByDefault { ebs_encryption_by_default: view.encrypts, sse_type })
}

/// Tells the key of volumes that name none.
pub(crate) async fn get_key(cx: Cx, _: Nothing) -> Result<DefaultKey, Refusal> {
    let view = cx.cloud.disk_encryption(&cx.caller).await?;
    Ok(key(&cx, &view))
}

/// The parameters of `ModifyEbsDefaultKmsKeyId`.
#[derive(FromArg)]
pub(crate) struct ModifyDefaultKey {
    kms_key_id: String,
}

/// Chooses the key of volumes that name none.
pub(crate) async fn modify_key(cx: Cx, asked: ModifyDefaultKey) -> Result<DefaultKey, Refusal> {
    let chosen = DefaultKeyChoice::Key(kms::key_ref(&cx, &asked.kms_key_id)?);
    let view = set(&cx, None, Some(chosen)).await?;
    Ok(key(&cx, &view))
}

/// Makes the account's default key that of volumes that name none.
pub(crate) async fn reset_key(cx: Cx, _: Nothing) -> Result<DefaultKey, Refusal> {
    let view = set(&cx, None, Some(DefaultKeyChoice::Own)).await?;
    Ok(key(&cx, &view))
}

async fn set(cx: &Cx, encrypts: Option<bool>, key: Option<DefaultKeyChoice>) -> Result<DiskEncryptionView, Refusal> {
    Ok(cx.cloud.run(&cx.caller, SetDiskEncryption { encrypts, key }, cx.options(None)).await?)
}

fn by_default(view: DiskEncryptionView) -> ByDefault {
    ByDefault { ebs_encryption_by_default: view.encrypts, sse_type: None }
}

/// Before it was first needed, the default key is known by its alias alone.
fn key(cx: &Cx, view: &DiskEncryptionView) -> DefaultKey {
    DefaultKey { kms_key_id: view.key.map_or_else(|| DEFAULT_KEY_ALIAS.to_owned(), |id| kms::arn(cx, id)) }
}
