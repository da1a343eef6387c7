//! Keys of accounts: made, named, rotated, and destroyed, which destroys all that they wrap.
//!
//! ```text
//!   master key (a file) ──wraps──▶ versions of a key (its row) ──wrap──▶ data key of a disk (its row, and those of its snapshots)
//! ```
//!
//! Hosts are told of data keys whose account's key is enabled; when that changes, their documents do. A guest that runs keeps its disks.

use model::{
    AccountId, DATA_KEY_LEN, DEFAULT_KEY_ALIAS, DataKey, Encryption, Error, KMS_KEYS_MAX, KmsKey, KmsKeyId, KmsKeyRef, KmsKeyState, Millis,
    Noun, Tags, Volume, add_tags,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use store::Tx;
use zeroize::{Zeroize, Zeroizing};

use crate::auth::{Caller, Target};
use crate::instance::check_description;
use crate::run::{Command, Cx};
use crate::{Cloud, Failure, MasterKey};

/// Kind of wakes for keys.
pub(crate) const KMS_KEY: &str = "kms_key";

/// Makes a key.
#[derive(Debug, Clone, Serialize)]
pub struct CreateKmsKey {
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Changes a key.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeKmsKey {
    /// Which one.
    pub key: KmsKeyRef,
    /// How.
    pub change: KmsKeyChange,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum KmsKeyChange {
    /// It may be used.
    Enable,
    /// It may not.
    Disable,
    /// It is deleted after so many days.
    ScheduleDeletion {
        /// How many, 7 to 30.
        days: u32,
    },
    /// It is not deleted after all.
    CancelDeletion,
    /// It gets a new version now.
    Rotate,
    /// It gets one every year, or not.
    SetRotation(bool),
    /// It is described otherwise.
    Describe(String),
    /// It gets a further name.
    AddAlias(String),
}

/// Takes a name from a key.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteKmsAlias {
    /// The name.
    pub alias: String,
}

impl Command for CreateKmsKey {
    type Reply = KmsKey;
    const NAME: &'static str = "CreateKmsKey";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target { path: Some("key/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<KmsKey, Failure> {
        let account = cx.caller.account();
        check_description(&self.description)?;
        if tx.kms_key_count(account, KMS_KEYS_MAX)? >= KMS_KEYS_MAX {
            return Err(Error::LimitReached { name: "Description", what: "keys of an account".to_owned(), limit: KMS_KEYS_MAX }.into());
        }
        let mut key = new_key(cx, account)?;
        key.description.clone_from(&self.description);
        add_tags(&mut key.tags, &self.tags)?;
        tx.insert(&key)?;
        Ok(key)
    }
}

impl Command for ChangeKmsKey {
    type Reply = KmsKey;
    const NAME: &'static str = "ChangeKmsKey";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx.caller.account(), &self.key)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<KmsKey, Failure> {
        let mut key = key_of(tx, cx.caller.account(), &self.key)?;
        let was_enabled = key.is_enabled();
        match &self.change {
            KmsKeyChange::Enable => key.enable()?,
            KmsKeyChange::Disable => key.disable()?,
            KmsKeyChange::ScheduleDeletion { days } => drop(key.schedule_deletion(*days, cx.now)?),
            KmsKeyChange::CancelDeletion => key.cancel_deletion()?,
            KmsKeyChange::Rotate => {
                key.require_own()?;
                key.rotate(cx.cloud.new_version(&key, key.versions.len())?, cx.now)?;
            }
            KmsKeyChange::SetRotation(rotates) => {
                key.require_own()?;
                key.require_enabled()?;
                key.rotates = *rotates;
            }
            KmsKeyChange::Describe(text) => {
                check_description(text)?;
                key.description.clone_from(text);
            }
            KmsKeyChange::AddAlias(alias) => {
                if tx.kms_key_list(key.account)?.iter().any(|other| other.aliases.contains(alias)) {
                    return Err(Error::Duplicate { noun: Noun::KmsKey, name: alias.clone() }.into());
                }
                key.add_alias(alias)?;
            }
        }
        if key.is_enabled() != was_enabled {
            tell_hosts(tx, &key)?;
        }
        if let Some(due) = key.due() {
            tx.wake(KMS_KEY, key.id, due)?;
        }
        tx.update(&key)?;
        Ok(key)
    }
}

impl Command for DeleteKmsAlias {
    type Reply = ();
    const NAME: &'static str = "DeleteKmsAlias";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx.caller.account(), &KmsKeyRef::Alias(self.alias.clone()))?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut key = key_of(tx, cx.caller.account(), &KmsKeyRef::Alias(self.alias.clone()))?;
        key.require_own()?;
        key.aliases.remove(&self.alias);
        Ok(tx.update(&key)?)
    }
}

/// A key that has one version.
fn new_key(cx: &Cx<'_>, account: AccountId) -> Result<KmsKey, Failure> {
    let mut key = KmsKey {
        id: KmsKeyId::from_u64(cx.new_id()),
        account,
        description: String::new(),
        is_default: false,
        aliases: Default::default(),
        state: KmsKeyState::Enabled,
        versions: vec![],
        rotates: false,
        rotated_at: cx.now,
        created_at: cx.now,
        tags: Tags::new(),
    };
    key.versions.push(cx.cloud.new_version(&key, 0)?);
    Ok(key)
}

/// The key of an account that is used where none is named, made when it is first needed.
pub(crate) fn default_key(tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<KmsKey, Failure> {
    let account = cx.caller.account();
    if let Some(key) = tx.kms_key_default(account)? {
        return Ok(key);
    }
    let description = "Default key that protects EBS volumes when no other key is defined".to_owned();
    let mut key = KmsKey { is_default: true, description, rotates: true, ..new_key(cx, account)? };
    key.aliases.insert(DEFAULT_KEY_ALIAS.to_owned());
    tx.insert(&key)?;
    if let Some(due) = key.due() {
        tx.wake(KMS_KEY, key.id, due)?;
    }
    Ok(key)
}

/// The key for a new disk, if the account owns it; its default one is made where it is not there yet.
pub(crate) fn named_key(tx: &mut Tx<'_>, cx: &Cx<'_>, which: &KmsKeyRef) -> Result<KmsKey, Failure> {
    match which {
        KmsKeyRef::Alias(alias) if alias == DEFAULT_KEY_ALIAS => default_key(tx, cx),
        KmsKeyRef::Alias(_) | KmsKeyRef::Id(_) => key_of(tx, cx.caller.account(), which),
    }
}

/// The key, if the account owns it.
pub(crate) fn key_of(tx: &Tx<'_>, account: AccountId, which: &KmsKeyRef) -> Result<KmsKey, Failure> {
    let found = match which {
        KmsKeyRef::Id(id) => tx.get::<KmsKey>(*id)?.filter(|key| key.account == account),
        KmsKeyRef::Alias(alias) => tx.kms_key_list(account)?.into_iter().find(|key| key.aliases.contains(alias)),
    };
    Ok(found.ok_or_else(|| Error::not_found(Noun::KmsKey, which))?)
}

/// What policies are asked about a key.
fn target(tx: &Tx<'_>, account: AccountId, which: &KmsKeyRef) -> Result<Target, Failure> {
    let own = match key_of(tx, account, which) {
        Ok(key) => Some(key),
        Err(Failure::Refused(_)) => None,
        Err(failure) => return Err(failure),
    };
    let id = match (&own, which) {
        (Some(KmsKey { id, .. }), _) | (None, KmsKeyRef::Id(id)) => id.uuid(),
        (None, KmsKeyRef::Alias(alias)) => alias.clone(),
    };
    Ok(Target::of("key", id, &own.map(|key| key.tags).unwrap_or_default()))
}

/// Refuses a disk whose key may not be used, or is gone.
pub(crate) fn require_openable(tx: &Tx<'_>, encryptions: &[Option<&Encryption>]) -> Result<(), Failure> {
    for encryption in encryptions.iter().flatten() {
        let key = tx.get::<KmsKey>(encryption.key)?.ok_or_else(|| Error::not_found(Noun::KmsKey, encryption.key.uuid()))?;
        key.require_enabled()?;
    }
    Ok(())
}

/// Has the documents of hosts say anew whether the disks of a key may be opened.
fn tell_hosts(tx: &mut Tx<'_>, key: &KmsKey) -> Result<(), Failure> {
    let uses = |encryption: &Option<Encryption>| encryption.as_ref().is_some_and(|encryption| encryption.key == key.id);
    let volumes = tx.volume_list(key.account)?;
    for mut volume in volumes.into_iter().filter(|volume| uses(&volume.encryption) || uses(&volume.under_encryption)) {
        if tx.get::<model::Host>(volume.host)?.is_some() {
            volume.asked = tx.host_touch(volume.host)?;
            tx.update::<Volume>(&volume)?;
        }
    }
    Ok(())
}

impl Cloud {
    /// Deletes a key whose time is over, or rotates one; says when to look again.
    pub(crate) fn advance_kms_key(&self, tx: &mut Tx<'_>, id: KmsKeyId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(mut key) = tx.get::<KmsKey>(id)? else { return Ok(None) };
        match (key.state, key.due()) {
            (_, None) => return Ok(None),
            (_, Some(due)) if now < due => return Ok(Some(due)),
            (KmsKeyState::PendingDeletion { .. }, Some(_)) => {
                erase(tx, &key)?;
                return Ok(None);
            }
            (KmsKeyState::Enabled | KmsKeyState::Disabled, Some(_)) => {
                key.rotate(self.new_version(&key, key.versions.len())?, now)?;
                tx.update(&key)?;
            }
        }
        Ok(key.due())
    }

    /// Deletes a key now, whatever its owner said: what it wraps can never be opened again. For the operator.
    pub async fn kms_key_erase(&self, id: KmsKeyId) -> Result<(), Error> {
        let erased = self.store().write(move |tx| {
            let key = tx.get::<KmsKey>(id)?.ok_or_else(|| Error::not_found(Noun::KmsKey, id.uuid()))?;
            erase(tx, &key)
        });
        erased.await.map_err(|error| self.write_refusal("erase a key", error))
    }

    /// A key of the account.
    pub async fn kms_key(&self, caller: &Caller, which: KmsKeyRef) -> Result<KmsKey, Error> {
        let named = which.clone();
        let account = caller.account();
        let target = self.store().read(move |tx| target(tx, account, &named)).await;
        let target = target.map_err(|failure| self.refusal("look for a key", failure))?;
        self.read(caller, vec![target], move |tx, cx| key_of(tx, cx.caller.account(), &which)).await
    }

    /// Every key, for the operator.
    pub async fn kms_keys(&self) -> Result<Vec<KmsKey>, Error> {
        let all = self.store().read(|tx| Ok::<_, Failure>(tx.list::<KmsKey>(store::By::all())?)).await;
        all.map_err(|failure| self.refusal("list keys", failure))
    }

    /// Makes a version of a key, wrapped by the master key.
    fn new_version(&self, key: &KmsKey, number: usize) -> Result<String, Failure> {
        let secret = SecretString::from(self.random_key()?.to_hex());
        Ok(self.master().seal(&version_name(key.id, number), &secret).map_err(|error| self.internal("wrap a key", &error))?)
    }

    fn random_key(&self) -> Result<DataKey, Error> {
        let mut bytes = Zeroizing::new([0; DATA_KEY_LEN]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|error| self.internal("get randomness", &error))?;
        Ok(DataKey::new(*bytes))
    }

    /// A new data key, wrapped by the newest version of a key.
    pub(crate) fn new_data_key(&self, key: &KmsKey) -> Result<Encryption, Failure> {
        key.require_enabled()?;
        let version = key.versions.len().checked_sub(1).ok_or(Error::Internal)?;
        let data_key = SecretString::from(self.random_key()?.to_hex());
        let wrapped = self.version(key, version)?.seal(&data_key_name(key.id), &data_key);
        let wrapped = wrapped.map_err(|error| self.internal("wrap a data key", &error))?;
        Ok(Encryption { key: key.id, version: version as u32, wrapped })
    }

    /// Opens a data key.
    pub(crate) fn open_data_key(&self, key: &KmsKey, encryption: &Encryption) -> Result<DataKey, Error> {
        let version = self.version(key, encryption.version as usize)?;
        let text = version.open(&data_key_name(key.id), &encryption.wrapped).map_err(|error| self.internal("open a data key", &error))?;
        DataKey::from_hex(text.expose_secret()).ok_or(Error::Internal)
    }

    /// The data key of something encrypted, for work of the control plane's own; none where it is plain.
    pub(crate) fn data_key(&self, tx: &Tx<'_>, encryption: Option<&Encryption>) -> Result<Option<DataKey>, Failure> {
        let Some(encryption) = encryption else { return Ok(None) };
        require_openable(tx, &[Some(encryption)])?;
        let key = tx.get::<KmsKey>(encryption.key)?.ok_or_else(|| Error::not_found(Noun::KmsKey, encryption.key.uuid()))?;
        Ok(Some(self.open_data_key(&key, encryption)?))
    }

    fn version(&self, key: &KmsKey, number: usize) -> Result<MasterKey, Error> {
        let wrapped = key.versions.get(number).ok_or(Error::Internal)?;
        let text = self.master().open(&version_name(key.id, number), wrapped).map_err(|error| self.internal("open a key", &error))?;
        let version = DataKey::from_hex(text.expose_secret()).ok_or(Error::Internal)?;
        let mut bytes = *version.expose();
        let opened = MasterKey::new(&Zeroizing::new(bytes));
        bytes.zeroize();
        Ok(opened)
    }
}

fn erase(tx: &mut Tx<'_>, key: &KmsKey) -> Result<(), Failure> {
    tx.delete::<KmsKey>(key.id)?;
    tell_hosts(tx, key)
}

/// What a version of a key is sealed as, so that it opens nothing in another's place.
fn version_name(key: KmsKeyId, number: usize) -> String {
    format!("{key}/{number}")
}

fn data_key_name(key: KmsKeyId) -> String {
    format!("data key under {key}")
}
