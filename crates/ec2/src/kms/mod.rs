//! KMS: the keys of an account, as far as encrypted disks need them. They wrap and open nothing that a client sends.

pub(crate) mod error;

use control::{ChangeKmsKey, CreateKmsKey, DeleteKmsAlias, KmsKeyChange, Query};
use jiff::Timestamp;
use model::{Encryption, Error, KMS_ROTATION_DAYS, KmsKey, KmsKeyId, KmsKeyRef, KmsKeyState, Millis, Noun, Tags, add_tags};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, unsupported};

/// What the header that names the action begins with.
pub(crate) const TARGET: &str = "TrentService.";
/// Rows of a page unless the client says otherwise, and at most (KMS documents 100 and 1,000 for keys, 50 and 100 for aliases).
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;
/// Days that a deletion waits when nothing is said.
const WAITING_DAYS: u32 = 30;
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
const USAGE: &str = "ENCRYPT_DECRYPT";

/// The ARN of a key.
pub(crate) fn arn(cx: &Cx, id: KmsKeyId) -> String {
    format!("arn:aws:kms:{}:{}:key/{}", cx.cloud.region().name, cx.caller.account(), id.uuid())
}

/// The ARN of the key that something is encrypted under.
pub(crate) fn arn_of(cx: &Cx, encryption: Option<&Encryption>) -> Option<String> {
    encryption.map(|encryption| arn(cx, encryption.key))
}

/// A key as clients name it: by its id, its ARN, an alias, or the ARN of an alias.
pub(crate) fn key_ref(cx: &Cx, text: &str) -> Result<KmsKeyRef, Error> {
    let absent = || Error::not_found(Noun::KmsKey, text.chars().take(2_048).collect::<String>());
    let name = match text.split(':').collect::<Vec<_>>()[..] {
        [name] => name,
        ["arn", "aws", "kms", region, account, name] => {
            let own = region == cx.cloud.region().name && account == cx.caller.account().to_string();
            Some(name).filter(|_| own).map(|name| name.strip_prefix("key/").unwrap_or(name)).ok_or_else(absent)?
        }
        _ => return Err(absent()),
    };
    KmsKeyRef::named(name)
}

/// The same where nothing may be said.
pub(crate) fn optional_key_ref(cx: &Cx, text: Option<&str>) -> Result<Option<KmsKeyRef>, Error> {
    text.filter(|text| !text.is_empty()).map(|text| key_ref(cx, text)).transpose()
}

/// The parameters of `CreateKey`.
#[derive(FromArg)]
pub(crate) struct CreateKey {
    description: Option<String>,
    key_usage: Option<String>,
    key_spec: Option<String>,
    customer_master_key_spec: Option<String>,
    origin: Option<String>,
    #[arg(default)]
    multi_region: bool,
    tags: Vec<KeyTag>,
}

#[derive(FromArg)]
struct KeyTag {
    tag_key: String,
    tag_value: String,
}

/// What KMS can make of a key and this cloud cannot.
pub(crate) const CREATE_ABSENT: &[&str] = &["BypassPolicyLockoutSafetyCheck", "CustomKeyStoreId", "Policy", "XksKeyId"];

/// A reply that tells of a key.
#[derive(Show)]
pub(crate) struct Described {
    key_metadata: Metadata,
}

#[derive(Show)]
#[reply(list = "")]
struct Metadata {
    #[reply(name = "AWSAccountId")]
    account: String,
    key_id: String,
    arn: String,
    creation_date: Timestamp,
    enabled: bool,
    description: String,
    key_usage: &'static str,
    key_state: &'static str,
    deletion_date: Option<Timestamp>,
    origin: &'static str,
    key_manager: &'static str,
    customer_master_key_spec: &'static str,
    key_spec: &'static str,
    encryption_algorithms: Vec<&'static str>,
    multi_region: bool,
}

fn described(cx: &Cx, key: &KmsKey) -> Described {
    Described {
        key_metadata: Metadata {
            account: key.account.to_string(),
            key_id: key.id.uuid(),
            arn: arn(cx, key.id),
            creation_date: key.created_at.timestamp(),
            enabled: key.is_enabled(),
            description: key.description.clone(),
            key_usage: USAGE,
            key_state: state_word(key.state),
            deletion_date: deletion(key),
            origin: "AWS_KMS",
            key_manager: if key.is_default { "AWS" } else { "CUSTOMER" },
            customer_master_key_spec: SYMMETRIC,
            key_spec: SYMMETRIC,
            encryption_algorithms: vec![SYMMETRIC],
            multi_region: false,
        },
    }
}

const fn state_word(state: KmsKeyState) -> &'static str {
    match state {
        KmsKeyState::Enabled => "Enabled",
        KmsKeyState::Disabled => "Disabled",
        KmsKeyState::PendingDeletion { .. } => "PendingDeletion",
    }
}

fn deletion(key: &KmsKey) -> Option<Timestamp> {
    match key.state {
        KmsKeyState::PendingDeletion { at } => Some(at.timestamp()),
        KmsKeyState::Enabled | KmsKeyState::Disabled => None,
    }
}

/// Makes a key.
pub(crate) async fn create(cx: Cx, asked: CreateKey) -> Result<Described, Refusal> {
    let usual = |said: &Option<String>, usual: &str| said.as_deref().is_none_or(|said| said == usual);
    if !usual(&asked.key_spec, SYMMETRIC) || !usual(&asked.customer_master_key_spec, SYMMETRIC) || !usual(&asked.key_usage, USAGE) {
        return Err(unsupported("A key that is not for encryption with SYMMETRIC_DEFAULT"));
    }
    if !usual(&asked.origin, "AWS_KMS") || asked.multi_region {
        return Err(unsupported("A key of another origin than AWS_KMS, or of several regions,"));
    }
    let mut tags = Tags::new();
    add_tags(&mut tags, &asked.tags.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect())?;
    let command = CreateKmsKey { description: asked.description.unwrap_or_default(), tags };
    let key = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(described(&cx, &key))
}

/// The parameters of the calls on one key.
#[derive(FromArg)]
pub(crate) struct OneKey {
    key_id: String,
}

/// Tells of a key.
pub(crate) async fn describe(cx: Cx, asked: OneKey) -> Result<Described, Refusal> {
    let key = cx.cloud.kms_key(&cx.caller, key_ref(&cx, &asked.key_id)?).await?;
    Ok(described(&cx, &key))
}

async fn change(cx: &Cx, key: &str, change: KmsKeyChange) -> Result<KmsKey, Refusal> {
    let command = ChangeKmsKey { key: key_ref(cx, key)?, change };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// Lets a key be used.
pub(crate) async fn enable(cx: Cx, asked: OneKey) -> Result<(), Refusal> {
    change(&cx, &asked.key_id, KmsKeyChange::Enable).await.map(drop)
}

/// Lets a key not be used.
pub(crate) async fn disable(cx: Cx, asked: OneKey) -> Result<(), Refusal> {
    change(&cx, &asked.key_id, KmsKeyChange::Disable).await.map(drop)
}

/// The parameters of `UpdateKeyDescription`.
#[derive(FromArg)]
pub(crate) struct UpdateKeyDescription {
    key_id: String,
    description: String,
}

/// Describes a key otherwise.
pub(crate) async fn update_description(cx: Cx, asked: UpdateKeyDescription) -> Result<(), Refusal> {
    change(&cx, &asked.key_id, KmsKeyChange::Describe(asked.description)).await.map(drop)
}

/// The parameters of `ScheduleKeyDeletion`.
#[derive(FromArg)]
pub(crate) struct ScheduleKeyDeletion {
    key_id: String,
    #[arg(default = WAITING_DAYS)]
    pending_window_in_days: u32,
}

/// The reply of `ScheduleKeyDeletion`.
#[derive(Show)]
pub(crate) struct Scheduled {
    key_id: String,
    deletion_date: Option<Timestamp>,
    key_state: &'static str,
    pending_window_in_days: u32,
}

/// Has a key deleted after some days.
pub(crate) async fn schedule_deletion(cx: Cx, asked: ScheduleKeyDeletion) -> Result<Scheduled, Refusal> {
    let days = asked.pending_window_in_days;
    let key = change(&cx, &asked.key_id, KmsKeyChange::ScheduleDeletion { days }).await?;
    let (key_state, deletion_date) = (state_word(key.state), deletion(&key));
    Ok(Scheduled { key_id: arn(&cx, key.id), deletion_date, key_state, pending_window_in_days: days })
}

/// A reply that names a key.
#[derive(Show)]
pub(crate) struct Named {
    key_id: String,
}

/// Calls the deletion of a key off.
pub(crate) async fn cancel_deletion(cx: Cx, asked: OneKey) -> Result<Named, Refusal> {
    let key = change(&cx, &asked.key_id, KmsKeyChange::CancelDeletion).await?;
    Ok(Named { key_id: arn(&cx, key.id) })
}

/// The parameters of `EnableKeyRotation`.
#[derive(FromArg)]
pub(crate) struct EnableKeyRotation {
    key_id: String,
    rotation_period_in_days: Option<u32>,
}

/// Has a key rotated every year.
pub(crate) async fn enable_rotation(cx: Cx, asked: EnableKeyRotation) -> Result<(), Refusal> {
    if asked.rotation_period_in_days.is_some_and(|days| i64::from(days) != KMS_ROTATION_DAYS) {
        return Err(unsupported("A rotation period other than 365 days"));
    }
    change(&cx, &asked.key_id, KmsKeyChange::SetRotation(true)).await.map(drop)
}

/// Has a key rotated no more.
pub(crate) async fn disable_rotation(cx: Cx, asked: OneKey) -> Result<(), Refusal> {
    change(&cx, &asked.key_id, KmsKeyChange::SetRotation(false)).await.map(drop)
}

/// The reply of `GetKeyRotationStatus`.
#[derive(Show)]
pub(crate) struct Rotation {
    key_id: String,
    key_rotation_enabled: bool,
    rotation_period_in_days: Option<i64>,
    next_rotation_date: Option<Timestamp>,
}

/// Tells whether a key is rotated by itself.
pub(crate) async fn rotation_status(cx: Cx, asked: OneKey) -> Result<Rotation, Refusal> {
    let key = cx.cloud.kms_key(&cx.caller, key_ref(&cx, &asked.key_id)?).await?;
    let next = key.due().filter(|_| key.rotates && key.is_enabled()).map(Millis::timestamp);
    Ok(Rotation {
        key_id: arn(&cx, key.id),
        key_rotation_enabled: key.rotates,
        rotation_period_in_days: key.rotates.then_some(KMS_ROTATION_DAYS),
        next_rotation_date: next,
    })
}

/// Rotates a key now: what is encrypted from here on is wrapped by another version.
pub(crate) async fn rotate(cx: Cx, asked: OneKey) -> Result<Named, Refusal> {
    let key = change(&cx, &asked.key_id, KmsKeyChange::Rotate).await?;
    Ok(Named { key_id: key.id.uuid() })
}

/// The parameters of `ListKeys`.
#[derive(FromArg)]
pub(crate) struct ListKeys {
    #[arg(default = PAGE, range = 1..=PAGE_MAX)]
    limit: u32,
    marker: Option<String>,
}

/// The reply of `ListKeys`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Keys {
    keys: Vec<KeyItem>,
    next_marker: Option<String>,
    truncated: bool,
}

#[derive(Show)]
struct KeyItem {
    key_id: String,
    key_arn: String,
}

/// Lists the keys of the account.
pub(crate) async fn list(cx: Cx, asked: ListKeys) -> Result<Keys, Refusal> {
    let rows = cx.cloud.list::<KmsKey>(&cx.caller, Query::default()).await?.rows;
    let items = rows.iter().map(|key| KeyItem { key_id: key.id.uuid(), key_arn: arn(&cx, key.id) }).collect();
    let (keys, next_marker) = page(items, asked.limit, asked.marker, |item| item.key_id.clone())?;
    Ok(Keys { keys, truncated: next_marker.is_some(), next_marker })
}

/// Cuts the page out of rows after the one that a marker names.
fn page<T>(rows: Vec<T>, limit: u32, marker: Option<String>, name: impl Fn(&T) -> String) -> Result<(Vec<T>, Option<String>), Refusal> {
    let from = match marker.filter(|marker| !marker.is_empty()) {
        Some(marker) => 1 + rows.iter().position(|row| name(row) == marker).ok_or(Refusal::NextToken)?,
        None => 0,
    };
    let more = rows.len() > from + limit as usize;
    let rows: Vec<T> = rows.into_iter().skip(from).take(limit as usize).collect();
    let next = rows.last().filter(|_| more).map(name);
    Ok((rows, next))
}

/// The parameters of `ListAliases`.
#[derive(FromArg)]
pub(crate) struct ListAliases {
    key_id: Option<String>,
    #[arg(default = PAGE, range = 1..=PAGE_MAX)]
    limit: u32,
    marker: Option<String>,
}

/// The reply of `ListAliases`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Aliases {
    aliases: Vec<AliasItem>,
    next_marker: Option<String>,
    truncated: bool,
}

#[derive(Show)]
struct AliasItem {
    alias_name: String,
    alias_arn: String,
    target_key_id: String,
}

/// Lists the names of keys.
pub(crate) async fn list_aliases(cx: Cx, asked: ListAliases) -> Result<Aliases, Refusal> {
    let of = match optional_key_ref(&cx, asked.key_id.as_deref())? {
        Some(which) => Some(cx.cloud.kms_key(&cx.caller, which).await?.id),
        None => None,
    };
    let rows = cx.cloud.list::<KmsKey>(&cx.caller, Query::default()).await?.rows;
    let base = format!("arn:aws:kms:{}:{}", cx.cloud.region().name, cx.caller.account());
    let named = |key: &KmsKey| {
        let item =
            |alias: &String| AliasItem { alias_name: alias.clone(), alias_arn: format!("{base}:{alias}"), target_key_id: key.id.uuid() };
        key.aliases.iter().map(item).collect::<Vec<_>>()
    };
    let mut items: Vec<AliasItem> = rows.iter().filter(|key| of.is_none_or(|of| of == key.id)).flat_map(named).collect();
    items.sort_by(|a, b| a.alias_name.cmp(&b.alias_name));
    let (aliases, next_marker) = page(items, asked.limit, asked.marker, |item| item.alias_name.clone())?;
    Ok(Aliases { aliases, truncated: next_marker.is_some(), next_marker })
}

/// The parameters of `CreateAlias`.
#[derive(FromArg)]
pub(crate) struct CreateAlias {
    alias_name: String,
    target_key_id: String,
}

/// Gives a key a name.
pub(crate) async fn create_alias(cx: Cx, asked: CreateAlias) -> Result<(), Refusal> {
    change(&cx, &asked.target_key_id, KmsKeyChange::AddAlias(asked.alias_name)).await.map(drop)
}

/// The parameters of `DeleteAlias`.
#[derive(FromArg)]
pub(crate) struct DeleteAlias {
    alias_name: String,
}

/// Takes a name from a key.
pub(crate) async fn delete_alias(cx: Cx, asked: DeleteAlias) -> Result<(), Refusal> {
    Ok(cx.cloud.run(&cx.caller, DeleteKmsAlias { alias: asked.alias_name }, cx.options(None)).await?)
}
