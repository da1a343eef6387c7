//! Whether a disk is encrypted, and under which key: what is asked for, what it starts as, and what its account has said of new disks.

use hostspec::{DiskKey, DiskKeys};
use model::{DiskEncryptionDefault, Encryption, EncryptionChoice, Error, KmsKey, KmsKeyId, KmsKeyRef};
use serde::Serialize;
use store::Tx;

use crate::auth::{Caller, Target};
use crate::kms_key::{default_key, key_of, named_key, require_openable};
use crate::run::{Command, Cx};
use crate::{Cloud, Failure};

/// Says whether new disks of the account are encrypted. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct SetDiskEncryption {
    /// Whether they are though nobody asks.
    pub encrypts: Option<bool>,
    /// The key of those that name none.
    pub key: Option<DefaultKeyChoice>,
}

/// The key of disks that name none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum DefaultKeyChoice {
    /// The account's own default one.
    Own,
    /// Another one.
    Key(KmsKeyRef),
}

/// What an account has said of new disks, with the key that follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct DiskEncryptionView {
    /// Whether they are encrypted though nobody asks.
    pub encrypts: bool,
    /// The key of those that name none; none before it was first needed.
    pub key: Option<KmsKeyId>,
}

impl Command for SetDiskEncryption {
    type Reply = DiskEncryptionView;
    const NAME: &'static str = "SetDiskEncryption";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![Target::any()])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<DiskEncryptionView, Failure> {
        let mut said = said(tx, cx)?;
        said.encrypts = self.encrypts.unwrap_or(said.encrypts);
        match &self.key {
            None => {}
            Some(DefaultKeyChoice::Own) => said.key = None,
            Some(DefaultKeyChoice::Key(which)) => {
                let key = named_key(tx, cx, which)?;
                key.require_enabled()?;
                said.key = Some(key.id).filter(|_| !key.is_default);
            }
        }
        tx.put(&said)?;
        let key = usual_key(tx, cx, &said)?;
        Ok(DiskEncryptionView { encrypts: said.encrypts, key: Some(key.id) })
    }
}

impl Cloud {
    /// What the account has said of new disks.
    pub async fn disk_encryption(&self, caller: &Caller) -> Result<DiskEncryptionView, Error> {
        let look = |tx: &Tx<'_>, cx: &Cx<'_>| {
            let said = said(tx, cx)?;
            let default = tx.kms_key_default(cx.caller.account())?.map(|key| key.id);
            Ok(DiskEncryptionView { encrypts: said.encrypts, key: said.key.or(default) })
        };
        self.read(caller, vec![Target::any()], look).await
    }
}

fn said(tx: &Tx<'_>, cx: &Cx<'_>) -> Result<DiskEncryptionDefault, Failure> {
    let account = cx.caller.account();
    let said = tx.get::<DiskEncryptionDefault>(account)?;
    Ok(said.unwrap_or(DiskEncryptionDefault { account, encrypts: false, key: None }))
}

fn usual_key(tx: &mut Tx<'_>, cx: &Cx<'_>, said: &DiskEncryptionDefault) -> Result<KmsKey, Failure> {
    match said.key {
        Some(id) => key_of(tx, cx.caller.account(), &KmsKeyRef::Id(id)),
        None => default_key(tx, cx),
    }
}

/// How a new disk is encrypted that starts as something: `start` is how that is. Equal keys share the data key, so that what is stored of
/// one is found again by the other. Refused when a key may not be used.
pub(crate) fn choose(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    choice: &EncryptionChoice,
    start: Option<&Encryption>,
) -> Result<Option<Encryption>, Failure> {
    let said = said(tx, cx)?;
    if choice.key.is_some() && choice.encrypted != Some(true) && !said.encrypts {
        let reason = "a key can only be named for a disk that is to be encrypted".to_owned();
        return Err(Error::InvalidCombination { reason }.into());
    }
    if choice.encrypted != Some(true) && !said.encrypts && start.is_none() {
        return Ok(None);
    }
    require_openable(tx, &[start])?;
    let key = match (&choice.key, start) {
        (Some(which), _) => named_key(tx, cx, which)?,
        (None, Some(start)) => return Ok(Some(start.clone())),
        (None, None) => usual_key(tx, cx, &said)?,
    };
    key.require_enabled()?;
    match start.filter(|start| start.key == key.id) {
        Some(start) => Ok(Some(start.clone())),
        None => Ok(Some(cx.cloud.new_data_key(&key)?)),
    }
}

/// The keys of a disk as its host is told of them.
pub(crate) fn disk_keys(tx: &Tx<'_>, cloud: &Cloud, own: Option<&Encryption>, under: Option<&Encryption>) -> Result<DiskKeys, Failure> {
    let told = |encryption: &Encryption| -> Result<DiskKey, Failure> {
        let Some(key) = tx.get::<KmsKey>(encryption.key)?.filter(KmsKey::is_enabled) else { return Ok(DiskKey::Withheld) };
        match cloud.open_data_key(&key, encryption) {
            Ok(key) => Ok(DiskKey::Here { key }),
            Err(error) => {
                tracing::error!(key = %key.id, %error, "a data key cannot be opened; its disks cannot be");
                Ok(DiskKey::Withheld)
            }
        }
    };
    Ok(DiskKeys { own: own.map(told).transpose()?, under: under.map(told).transpose()? })
}
