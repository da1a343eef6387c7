//! Key pairs.

use std::fmt;

use model::{AccountId, Error, GuestKey, Instance, KeyKind, KeyPair, KeyPairId, Noun, QuotaName, Tags, add_tags, check_key_name};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::account::taken;
use crate::auth::{Caller, Target};
use crate::instance::{check_description, save};
use crate::run::{Command, Cx, Options};
use crate::ssh_key::{self, PrivateForm, PublicHalf};
use crate::{Cloud, Failure};

/// Makes a key pair from a public key.
#[derive(Debug, Clone, Serialize)]
pub struct ImportKeyPair {
    /// Name, unique in the account.
    pub name: String,
    /// The public key in OpenSSH form.
    pub public_key: String,
    /// Tags.
    pub tags: Tags,
}

/// What to make a key pair of.
#[derive(Debug, Clone)]
pub struct NewKeyPair<'a> {
    /// Name, unique in the account.
    pub name: &'a str,
    /// Kind of the key.
    pub kind: KeyKind,
    /// Form of the private half that is given away.
    pub format: KeyFormat,
    /// Tags.
    pub tags: Tags,
}

/// Form of a private key's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// PEM, as OpenSSH reads it.
    Pem,
    /// A private key file of PuTTY, whose comment is the key pair's name.
    Ppk,
}

/// Deletes a key pair. Instances keep the public key that they were launched with. One that is not there is no error.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteKeyPair {
    /// Which one.
    pub which: KeyPairRef,
}

/// Changes what a key pair is called, or what is said of it. Instances that have it, have it under its new name. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyKeyPair {
    /// Which one.
    pub id: KeyPairId,
    /// Name, unique in the account.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// A key pair by id or name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum KeyPairRef {
    /// By id.
    Id(KeyPairId),
    /// By name.
    Name(String),
}

impl fmt::Display for KeyPairRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPairRef::Id(id) => id.fmt(f),
            KeyPairRef::Name(name) => name.fmt(f),
        }
    }
}

impl Command for ImportKeyPair {
    type Reply = KeyPair;
    const NAME: &'static str = "ImportKeyPair";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![new_target(&self.name, &self.tags)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<KeyPair, Failure> {
        let half = ssh_key::read_public(&self.public_key)?;
        insert(tx, cx, &self.name, &half, &self.tags)
    }
}

/// Keeps the public half of a key pair that was just made.
#[derive(Debug, Clone, Serialize)]
struct KeepKeyPair {
    name: String,
    half: HalfToKeep,
    tags: Tags,
}

#[derive(Debug, Clone, Serialize)]
struct HalfToKeep {
    kind: KeyKind,
    openssh: String,
    fingerprint: String,
    fingerprint_md5: String,
}

impl Command for KeepKeyPair {
    type Reply = KeyPair;
    const NAME: &'static str = "CreateKeyPair";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![new_target(&self.name, &self.tags)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<KeyPair, Failure> {
        let HalfToKeep { kind, openssh, fingerprint, fingerprint_md5 } = self.half.clone();
        insert(tx, cx, &self.name, &PublicHalf { kind, openssh, fingerprint, fingerprint_md5 }, &self.tags)
    }
}

impl Command for DeleteKeyPair {
    type Reply = Option<KeyPairId>;
    const NAME: &'static str = "DeleteKeyPair";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let found = find(tx, cx.caller.account(), &self.which)?;
        Ok(vec![found.map_or_else(Target::any, |key| Target::of("key-pair", &key.name, &key.tags))])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Option<KeyPairId>, Failure> {
        let Some(key) = find(tx, cx.caller.account(), &self.which)? else { return Ok(None) };
        tx.delete::<KeyPair>(key.id)?;
        Ok(Some(key.id))
    }
}

impl Command for ModifyKeyPair {
    type Reply = ();
    const NAME: &'static str = "ModifyKeyPair";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let found = find(tx, cx.caller.account(), &KeyPairRef::Id(self.id))?;
        Ok(vec![found.map_or_else(Target::any, |key| Target::of("key-pair", &key.name, &key.tags))])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let found = find(tx, cx.caller.account(), &KeyPairRef::Id(self.id))?;
        let mut key = found.ok_or_else(|| Error::not_found(Noun::KeyPair, self.id))?;
        if let Some(description) = &self.description {
            check_description(description)?;
            key.description.clone_from(description);
        }
        let before = key.name.clone();
        key.name = self.name.clone().unwrap_or(key.name);
        check_key_name(&key.name)?;
        tx.update(&key).map_err(|error| taken(error, Noun::KeyPair, &key.name))?;
        if key.name == before {
            return Ok(());
        }
        for mut instance in tx.instance_list(key.account)?.into_iter().filter(Instance::is_on_host) {
            if let Some(has) = instance.guest.keys.iter_mut().find(|has| has.name == before) {
                has.name.clone_from(&key.name);
                save(tx, &mut instance, cx.now)?;
            }
        }
        Ok(())
    }
}

impl Cloud {
    /// Makes a key pair. The private half is in the answer and nowhere else.
    pub async fn create_key_pair(
        &self,
        caller: &Caller,
        wanted: NewKeyPair<'_>,
        options: Options,
    ) -> Result<(KeyPair, SecretString), Error> {
        let NewKeyPair { name, kind, format, tags } = wanted;
        check_key_name(name)?;
        let form = match format {
            KeyFormat::Pem => PrivateForm::Pem,
            KeyFormat::Ppk => PrivateForm::Ppk { comment: name.to_owned() },
        };
        let made = tokio::task::spawn_blocking(move || ssh_key::generate(kind, &form)).await;
        let made = made.map_err(|error| self.internal("make a key", &error))??;
        let PublicHalf { kind, openssh, fingerprint, fingerprint_md5 } = made.public;
        let half = HalfToKeep { kind, openssh, fingerprint, fingerprint_md5 };
        let key = self.run(caller, KeepKeyPair { name: name.to_owned(), half, tags }, options).await?;
        Ok((key, made.private))
    }
}

fn insert(tx: &mut Tx<'_>, cx: &Cx<'_>, name: &str, half: &PublicHalf, tags: &Tags) -> Result<KeyPair, Failure> {
    check_key_name(name)?;
    let account = cx.caller.account();
    let limit = tx.quota_limit(account, QuotaName::KeyPairs)?;
    QuotaName::KeyPairs.check(limit, tx.key_pair_count(account, limit)?, 1)?;
    let mut key = KeyPair {
        id: KeyPairId::from_u64(cx.new_id()),
        account,
        name: name.to_owned(),
        description: String::new(),
        kind: half.kind,
        public_key: half.openssh.clone(),
        fingerprint: half.fingerprint.clone(),
        fingerprint_md5: half.fingerprint_md5.clone(),
        created_at: cx.now,
        tags: Tags::new(),
    };
    add_tags(&mut key.tags, tags)?;
    tx.insert(&key).map_err(|error| taken(error, Noun::KeyPair, name))?;
    Ok(key)
}

/// The account's key pair of this id or name.
pub(crate) fn find(tx: &Tx<'_>, account: AccountId, which: &KeyPairRef) -> Result<Option<KeyPair>, Failure> {
    Ok(match which {
        KeyPairRef::Id(id) => tx.get::<KeyPair>(*id)?.filter(|key| key.account == account),
        KeyPairRef::Name(name) => tx.key_pair_named(account, name)?,
    })
}

/// The account's key pairs of these names, as instances have them.
pub(crate) fn guest_keys(tx: &Tx<'_>, account: AccountId, names: &[String]) -> Result<Vec<GuestKey>, Failure> {
    let key = |name: &String| {
        let found = tx.key_pair_named(account, name)?.ok_or_else(|| Error::not_found(Noun::KeyPair, name))?;
        Ok(GuestKey { name: found.name, public_key: found.public_key })
    };
    names.iter().map(key).collect()
}

fn new_target(name: &str, tags: &Tags) -> Target {
    Target { path: Some(format!("key-pair/{name}")), request_tags: tags.clone(), ..Target::default() }
}
