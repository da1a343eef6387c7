//! Key pairs.

use std::collections::HashMap;

use control::{DeleteKeyPair, Field, ImportKeyPair as Import, KeyFormat, KeyPairRef, ModifyKeyPair, NewKeyPair, PAGE_MAX, Page, Query};
use jiff::Timestamp;
use model::{Error, KeyKind, KeyPair, KeyPairId, Noun};
use secrecy::ExposeSecret;
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TAGS_PER_CALL, TagReply, TagSpecification};
use crate::{Cx, id, tag};

/// Longest name of a key pair in characters (CVM's limit).
const NAME_MAX: usize = 25;

/// `CreateKeyPair`.
#[derive(FromArg)]
pub(crate) struct CreateKeyPair {
    key_name: String,
    #[arg(max_items = TAGS_PER_CALL)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Show)]
pub(crate) struct Created {
    key_pair: KeyPairReply,
}

#[derive(Show)]
#[reply(list = "")]
struct KeyPairReply {
    key_id: String,
    key_name: String,
    project_id: u32,
    description: String,
    public_key: String,
    private_key: Option<String>,
    associated_instance_ids: Vec<String>,
    created_time: Timestamp,
    tags: Vec<TagReply>,
}

impl KeyPairReply {
    fn of(key: KeyPair, private_key: Option<String>, associated_instance_ids: Vec<String>) -> KeyPairReply {
        KeyPairReply {
            key_id: id::shown(key.id),
            key_name: key.name,
            project_id: 0,
            description: key.description,
            public_key: key.public_key,
            private_key,
            associated_instance_ids,
            created_time: key.created_at.timestamp(),
            tags: tag::replies(&key.tags),
        }
    }
}

/// Makes an RSA key pair, as CVM does; the reply has the only copy of the private half.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateKeyPair) -> Result<Created, Fault> {
    check_name(&asked.key_name)?;
    let tags = tag::specified(asked.tag_specification, "keypair")?;
    let wanted = NewKeyPair { name: &asked.key_name, kind: KeyKind::Rsa, format: KeyFormat::Pem, tags };
    let (key, private) = cx.cloud.create_key_pair(&cx.caller, wanted, cx.options()).await?;
    Ok(Created { key_pair: KeyPairReply::of(key, Some(private.expose_secret().to_owned()), vec![]) })
}

/// `ImportKeyPair`.
#[derive(FromArg)]
pub(crate) struct ImportKeyPair {
    key_name: String,
    public_key: String,
    #[arg(max_items = TAGS_PER_CALL)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Show)]
pub(crate) struct Imported {
    key_id: String,
}

/// Makes a key pair of a public key that somebody has.
pub(crate) async fn import(cx: &Cx<'_>, asked: ImportKeyPair) -> Result<Imported, Fault> {
    check_name(&asked.key_name)?;
    let tags = tag::specified(asked.tag_specification, "keypair")?;
    let key = cx.cloud.run(&cx.caller, Import { name: asked.key_name, public_key: asked.public_key, tags }, cx.options()).await?;
    Ok(Imported { key_id: id::shown(key.id) })
}

/// CVM's rule for names: letters, digits and underscores, 25 at most.
fn check_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(Fault::new("InvalidKeyPairNameEmpty", "The name of a key pair cannot be empty."));
    }
    if name.chars().count() > NAME_MAX {
        return Err(Fault::new("InvalidKeyPairNameTooLong", format!("The name of a key pair has {NAME_MAX} characters at most.")));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        let message = "The name of a key pair is made of letters, digits and underscores.";
        return Err(Fault::new("InvalidKeyPairNameIncludeIllegalChar", message));
    }
    Ok(())
}

/// `ModifyKeyPairAttribute`. What is absent stays.
#[derive(FromArg)]
pub(crate) struct ModifyKeyPairAttribute {
    key_id: String,
    key_name: Option<String>,
    description: Option<String>,
}

/// Longest description of a key pair in characters (CVM's limit).
const DESCRIPTION_MAX: usize = 60;

/// Calls a key pair otherwise, or describes it.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyKeyPairAttribute) -> Result<(), Fault> {
    let id = id::read(&asked.key_id)?;
    asked.key_name.as_deref().map_or(Ok(()), check_name)?;
    if asked.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_MAX) {
        return Err(Fault::invalid("Description", format!("it has more than {DESCRIPTION_MAX} characters")));
    }
    let command = ModifyKeyPair { id, name: asked.key_name, description: asked.description };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeKeyPairs`.
#[derive(FromArg)]
pub(crate) struct DescribeKeyPairs {
    #[arg(max_items = LIMIT_MAX)]
    key_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct KeyPairs {
    total_count: usize,
    key_pair_set: Vec<KeyPairReply>,
}

/// Lists key pairs with the instances that were launched with them.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeKeyPairs) -> Result<KeyPairs, Fault> {
    not_both("KeyIds", &asked.key_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| match name {
        "key-name" => Some(By::Is(Field::Name)),
        "project-id" => Some(By::Always(&["0"])),
        _ => None,
    })?;
    let query = Query { ids: id::read_all(&asked.key_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<KeyPair>(&cx.caller, query).await?;
    let mut users = users_of(cx, &listed.rows).await?;
    let reply = |key: KeyPair| {
        let instances = users.remove(&key.name).unwrap_or_default();
        KeyPairReply::of(key, None, instances)
    };
    Ok(KeyPairs { total_count: listed.total, key_pair_set: listed.rows.into_iter().map(reply).collect() })
}

/// Instances by the names of their key pairs, a thousand of them at most.
async fn users_of(cx: &Cx<'_>, keys: &[KeyPair]) -> Result<HashMap<String, Vec<String>>, Fault> {
    let names: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
    let mut users: HashMap<String, Vec<String>> = HashMap::new();
    if names.is_empty() {
        return Ok(users);
    }
    let mut filters = Filters::default();
    filters.push(By::Is(Field::KeyName), &names);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: Page::First(PAGE_MAX) };
    for view in cx.cloud.list_instances(&cx.caller, query).await?.rows {
        if view.interfaces.is_empty() {
            continue;
        }
        for key in view.instance.guest.keys {
            users.entry(key.name).or_default().push(id::shown(view.instance.id));
        }
    }
    Ok(users)
}

/// Ids of key pairs by name, of those of these names that are there still.
pub(crate) async fn ids_by_name(cx: &Cx<'_>, names: &[String]) -> Result<HashMap<String, String>, Fault> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let mut filters = Filters::default();
    filters.push(By::Is(Field::Name), names);
    let query = Query { filters: filters.into_vec(), ..Query::default() };
    let listed = cx.cloud.list::<KeyPair>(&cx.caller, query).await?;
    Ok(listed.rows.into_iter().map(|key| (key.name, id::shown(key.id))).collect())
}

/// The names of the key pairs with these ids, in their order. Refused when one of them is not there.
pub(crate) async fn names_of(cx: &Cx<'_>, texts: &[String]) -> Result<Vec<String>, Fault> {
    let ids: Vec<KeyPairId> = id::read_all(texts)?;
    if ids.is_empty() {
        return Ok(vec![]);
    }
    let listed = cx.cloud.list::<KeyPair>(&cx.caller, Query { ids: ids.clone(), ..Query::default() }).await?;
    let name = |(id, text): (&KeyPairId, &String)| {
        let found = listed.rows.iter().find(|key| key.id == *id);
        Ok(found.ok_or_else(|| Error::not_found(Noun::KeyPair, text))?.name.clone())
    };
    ids.iter().zip(texts).map(name).collect()
}

/// `DeleteKeyPairs`.
#[derive(FromArg)]
pub(crate) struct DeleteKeyPairs {
    #[arg(max_items = LIMIT_MAX)]
    key_ids: Vec<String>,
}

/// Deletes key pairs, of which all must be there and none may be some instance's.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteKeyPairs) -> Result<(), Fault> {
    if asked.key_ids.is_empty() {
        return Err(Fault::missing("KeyIds"));
    }
    let ids: Vec<KeyPairId> = id::read_all(&asked.key_ids)?;
    let listed = cx.cloud.list::<KeyPair>(&cx.caller, Query { ids, ..Query::default() }).await?;
    let users = users_of(cx, &listed.rows).await?;
    let used = listed.rows.iter().find_map(|key| users.get_key_value(&key.name));
    if let Some((name, by)) = used {
        let message = format!("The key pair `{name}` is used by {}.", by.first().map_or("an instance", String::as_str));
        return Err(Fault::new("InvalidParameterValue.KeyPairNotSupported", message));
    }
    for key in listed.rows {
        cx.cloud.run(&cx.caller, DeleteKeyPair { which: KeyPairRef::Id(key.id) }, cx.options()).await?;
    }
    Ok(())
}
