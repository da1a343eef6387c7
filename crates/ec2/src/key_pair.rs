//! Key pairs.

use control::{DeleteKeyPair as Delete, Field, Filter, ImportKeyPair as Import, KeyFormat, KeyPairRef, NewKeyPair, Query};
use jiff::Timestamp;
use model::{Error, KeyKind, KeyPair, KeyPairId, Noun};
use secrecy::ExposeSecret;
use wire::{Base64, FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::every_row;
use crate::tag::{self, TagItem, TagSpecification};

/// Things that these calls can tag.
const TAGGED: &[&str] = &["key-pair"];

/// Kind of a key.
#[derive(Debug, Clone, Copy, FromArg)]
#[arg(rename = "lowercase")]
enum Kind {
    Rsa,
    Ed25519,
}

/// Form of a private key.
#[derive(Debug, Clone, Copy, FromArg)]
#[arg(rename = "lowercase")]
enum Format {
    Pem,
    Ppk,
}

/// The parameters of `CreateKeyPair`.
#[derive(FromArg)]
pub(crate) struct CreateKeyPair {
    key_name: String,
    #[arg(default = Kind::Rsa)]
    key_type: Kind,
    #[arg(default = Format::Pem)]
    key_format: Format,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `CreateKeyPair`, which holds the only copy of the private key, and of `ImportKeyPair`, which has none.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Made {
    key_name: String,
    key_fingerprint: String,
    key_material: Option<String>,
    key_pair_id: String,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

fn made(key: KeyPair, key_material: Option<String>) -> Made {
    Made {
        tag_set: tag::items(&key.tags),
        key_name: key.name,
        key_fingerprint: key.fingerprint,
        key_material,
        key_pair_id: key.id.to_string(),
    }
}

/// Makes a key pair.
pub(crate) async fn create(cx: Cx, asked: CreateKeyPair) -> Result<Made, Refusal> {
    let format = match asked.key_format {
        Format::Pem => KeyFormat::Pem,
        Format::Ppk => KeyFormat::Ppk,
    };
    let kind = match asked.key_type {
        Kind::Rsa => KeyKind::Rsa,
        Kind::Ed25519 => KeyKind::Ed25519,
    };
    let tags = tag::specified(&asked.tags, "key-pair", TAGGED)?;
    let wanted = NewKeyPair { name: &asked.key_name, kind, format, tags };
    let (key, private) = cx.cloud.create_key_pair(&cx.caller, wanted, cx.options(None)).await?;
    Ok(made(key, Some(private.expose_secret().to_owned())))
}

/// The parameters of `ImportKeyPair`.
#[derive(FromArg)]
pub(crate) struct ImportKeyPair {
    key_name: String,
    public_key_material: Base64,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// Makes a key pair of a public key that somebody has.
pub(crate) async fn import(cx: Cx, asked: ImportKeyPair) -> Result<Made, Refusal> {
    let public_key = String::from_utf8(asked.public_key_material.0);
    let public_key = public_key.map_err(|_| Error::invalid("PublicKeyMaterial", "is not text"))?;
    let tags = tag::specified(&asked.tags, "key-pair", TAGGED)?;
    let command = Import { name: asked.key_name, public_key, tags };
    Ok(made(cx.cloud.run(&cx.caller, command, cx.options(None)).await?, None))
}

/// The parameters of `DescribeKeyPairs`.
#[derive(FromArg)]
pub(crate) struct DescribeKeyPairs {
    #[arg(name = "KeyName", max_items = 200)]
    names: Vec<String>,
    #[arg(name = "KeyPairId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(default)]
    include_public_key: bool,
}

/// The reply of `DescribeKeyPairs`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct KeyPairs {
    key_set: Vec<KeyPairItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct KeyPairItem {
    key_pair_id: String,
    key_fingerprint: String,
    key_name: String,
    key_type: &'static str,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    public_key: Option<String>,
    create_time: Timestamp,
}

/// Lists key pairs.
pub(crate) async fn describe_key_pairs(cx: Cx, asked: DescribeKeyPairs) -> Result<KeyPairs, Refusal> {
    let mut filters = filter::filters(&cx, filter::KEY_PAIR, &asked.filters)?;
    if !asked.names.is_empty() {
        check_names(&cx, &asked.names).await?;
        filters.push(named(&asked.names));
    }
    let query = Query { ids: tag::ids(Noun::KeyPair, &asked.ids)?, filters, ..Query::default() };
    let rows = every_row::<KeyPair>(&cx, query).await?;
    let item = |key: KeyPair| KeyPairItem {
        key_pair_id: key.id.to_string(),
        key_fingerprint: key.fingerprint,
        key_name: key.name,
        key_type: match key.kind {
            KeyKind::Rsa => "rsa",
            KeyKind::Ed25519 => "ed25519",
        },
        tag_set: tag::items(&key.tags),
        public_key: asked.include_public_key.then_some(key.public_key),
        create_time: key.created_at.timestamp(),
    };
    Ok(KeyPairs { key_set: rows.into_iter().map(item).collect() })
}

fn named(names: &[String]) -> Filter {
    Filter { field: Field::Name, values: names.iter().map(|name| filter::literal(name)).collect() }
}

/// Refuses names that no key pair of the account has.
async fn check_names(cx: &Cx, names: &[String]) -> Result<(), Refusal> {
    let found = every_row::<KeyPair>(cx, Query { filters: vec![named(names)], ..Query::default() }).await?;
    match names.iter().find(|name| !found.iter().any(|key| key.name == **name)) {
        Some(absent) => Err(Error::not_found(Noun::KeyPair, absent).into()),
        None => Ok(()),
    }
}

/// The parameters of `DeleteKeyPair`.
#[derive(FromArg)]
pub(crate) struct DeleteKeyPair {
    key_name: Option<String>,
    key_pair_id: Option<String>,
}

/// The reply of `DeleteKeyPair`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Deleted {
    #[reply(name = "return")]
    done: bool,
    key_pair_id: Option<String>,
}

/// Deletes a key pair; one that is not there is no error, as with EC2.
pub(crate) async fn delete(cx: Cx, asked: DeleteKeyPair) -> Result<Deleted, Refusal> {
    let which = match (asked.key_name, asked.key_pair_id) {
        (None, None) => return Err(Error::MissingParameter { name: "KeyName" }.into()),
        (Some(_), Some(_)) => return Err(crate::error::combination("KeyName and KeyPairId exclude each other")),
        (Some(name), None) => KeyPairRef::Name(name),
        (None, Some(id)) => KeyPairRef::Id(tag::id::<KeyPairId>(Noun::KeyPair, &id)?),
    };
    let id = cx.cloud.run(&cx.caller, Delete { which }, cx.options(None)).await?;
    Ok(Deleted { done: true, key_pair_id: id.map(|id| id.to_string()) })
}
