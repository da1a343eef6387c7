//! Key pairs.

use control::{
    ChangeInstanceKey, DeleteKeyPair, Field, Filter, ImportKeyPair as Import, KeyChange, KeyFormat, KeyPairRef, NewKeyPair, Query,
};
use model::{KeyKind, KeyPair};
use secrecy::ExposeSecret;
use wire::{FromArg, Json, JsonList, Minute, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::outcome::{self, Outcome};
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};
use crate::tag::{TagReply, tag_replies};

/// Most instances of one call that gives or takes a key pair (ECS documents 50).
const INSTANCES_PER_CALL: usize = 50;
/// Most key pairs that one call deletes (ECS's limit).
const DELETED_PER_CALL: usize = 500;

/// `CreateKeyPair`.
#[derive(FromArg)]
pub(crate) struct CreateKeyPair {
    key_pair_name: String,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    key_pair_id: String,
    key_pair_name: String,
    key_pair_finger_print: String,
    private_key_body: String,
}

/// Makes an RSA key pair, as ECS does; the reply has the only copy of the private half.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateKeyPair) -> Result<Created, Fault> {
    let tags = tags_of(asked.tags)?;
    let wanted = NewKeyPair { name: &asked.key_pair_name, kind: KeyKind::Rsa, format: KeyFormat::Pem, tags };
    let made = cx.cloud.create_key_pair(&cx.caller, wanted, cx.options()?).await?;
    let (key, private) = made;
    Ok(Created {
        key_pair_id: key.id.to_string(),
        key_pair_name: key.name,
        key_pair_finger_print: key.fingerprint_md5,
        private_key_body: private.expose_secret().to_owned(),
    })
}

/// `ImportKeyPair`.
#[derive(FromArg)]
pub(crate) struct ImportKeyPair {
    key_pair_name: String,
    public_key_body: String,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Imported {
    key_pair_name: String,
    key_pair_finger_print: String,
}

/// Makes a key pair of a public key that somebody has.
pub(crate) async fn import(cx: &Cx<'_>, asked: ImportKeyPair) -> Result<Imported, Fault> {
    let command = Import { name: asked.key_pair_name, public_key: asked.public_key_body, tags: tags_of(asked.tags)? };
    let key = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Imported { key_pair_name: key.name, key_pair_finger_print: key.fingerprint_md5 })
}

/// `DescribeKeyPairs`.
#[derive(FromArg)]
pub(crate) struct DescribeKeyPairs {
    key_pair_name: Option<String>,
    key_pair_finger_print: Option<String>,
    include_public_key: Option<bool>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct KeyPairs {
    #[reply(list = "KeyPair")]
    key_pairs: Vec<KeyPairReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct KeyPairReply {
    key_pair_name: String,
    key_pair_finger_print: String,
    creation_time: Minute,
    public_key: Option<String>,
    resource_group_id: &'static str,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

/// Lists key pairs.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeKeyPairs) -> Result<KeyPairs, Fault> {
    let mut filters = Filters::new();
    filters
        .wildcard(Field::Name, asked.key_pair_name.as_ref())
        .exact(Field::Fingerprint, asked.key_pair_finger_print.as_ref())
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list::<KeyPair>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let with_key = asked.include_public_key == Some(true);
    let reply = |key: KeyPair| KeyPairReply {
        key_pair_name: key.name,
        key_pair_finger_print: key.fingerprint_md5,
        creation_time: Minute(key.created_at.timestamp()),
        public_key: with_key.then_some(key.public_key),
        resource_group_id: "",
        tags: tag_replies(&key.tags),
    };
    Ok(KeyPairs { key_pairs: listed.rows.into_iter().map(reply).collect(), numbers })
}

/// `DeleteKeyPairs`.
#[derive(FromArg)]
pub(crate) struct DeleteKeyPairs {
    #[arg(max_items = DELETED_PER_CALL)]
    key_pair_names: JsonList<String>,
}

/// Deletes key pairs; those that are not there are passed over. Instances keep the public halves that they have.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteKeyPairs) -> Result<(), Fault> {
    let Json(names) = asked.key_pair_names;
    for name in names {
        cx.cloud.run(&cx.caller, DeleteKeyPair { which: KeyPairRef::Name(name) }, cx.options()?).await?;
    }
    Ok(())
}

/// `AttachKeyPair` and `DetachKeyPair`.
#[derive(FromArg)]
pub(crate) struct OfInstances {
    key_pair_name: String,
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: JsonList<String>,
}

/// Numbers and truth are texts in this reply.
#[derive(Show)]
pub(crate) struct Changed {
    total_count: String,
    fail_count: String,
    key_pair_name: String,
    #[reply(list = "Result")]
    results: Vec<Told>,
}

#[derive(Show)]
struct Told {
    instance_id: String,
    success: String,
    code: String,
    message: String,
}

/// Gives instances a key pair in the place of what they have; a guest hears of it when it boots.
pub(crate) async fn attach(cx: &Cx<'_>, asked: OfInstances) -> Result<Changed, Fault> {
    let name = asked.key_pair_name.clone();
    of_instances(cx, asked, KeyChange::Replace(name)).await
}

/// Takes a key pair from those of the instances that have it; a guest hears of it when it boots.
pub(crate) async fn detach(cx: &Cx<'_>, asked: OfInstances) -> Result<Changed, Fault> {
    let name = asked.key_pair_name.clone();
    of_instances(cx, asked, KeyChange::Take(vec![name])).await
}

async fn of_instances(cx: &Cx<'_>, asked: OfInstances, change: KeyChange) -> Result<Changed, Fault> {
    let command = |instance| ChangeInstanceKey { ids: vec![instance], change: change.clone() };
    let outcomes = outcome::each(cx, asked.instance_ids, command).await?;
    let (total_count, fail_count) = (outcomes.len().to_string(), outcome::failed(&outcomes).to_string());
    let told = |Outcome { instance_id, success, code, message }| Told { instance_id, success: success.to_string(), code, message };
    Ok(Changed { total_count, fail_count, key_pair_name: asked.key_pair_name, results: outcomes.into_iter().map(told).collect() })
}

/// The filter for a key pair's name.
pub(crate) fn named(name: &str) -> Filter {
    Filter { field: Field::Name, values: vec![crate::filter::literal(name)] }
}
