//! Keys of accounts, under which the data keys of encrypted disks are wrapped.
//!
//! ```text
//!   Enabled ◀──▶ Disabled ──▶ PendingDeletion ──(the waiting time)──▶ (row gone: what it wrapped can never be opened again)
//!      └───────────────────────▶    └──(called off)──▶ Disabled
//! ```
//!
//! A key is a list of versions, each wrapped by the installation's master key. A rotation adds one; what an older one wrapped is still
//! opened by it. Not known here: how anything is wrapped.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, KmsKeyId, Millis, Noun, Tags};

/// Keys that an account may make (AWS KMS: 100,000; here a list reads all of them).
pub const KMS_KEYS_MAX: u64 = 500;
/// Names that a key may have (AWS KMS: 50).
pub const KMS_ALIASES_MAX: usize = 50;
/// Days that the deletion of a key waits (AWS KMS: 7 to 30).
pub const KMS_WAITING_DAYS: std::ops::RangeInclusive<u32> = 7..=30;
/// Days between two rotations of a key that is rotated by itself (AWS KMS: 365).
pub const KMS_ROTATION_DAYS: i64 = 365;
/// Versions of a key at most: one a year, and those that were asked for (AWS KMS: 25 of the latter).
pub const KMS_VERSIONS_MAX: usize = 100;
/// Name of the key of an account that is used where none is named, as EC2 has it.
pub const DEFAULT_KEY_ALIAS: &str = "alias/aws/ebs";

/// Characters of a name that a refusal repeats: the longest alias.
const ALIAS_LONGEST: usize = 256;
const DAY_MS: i64 = 86_400_000;

impl KmsKeyId {
    /// The id as AWS KMS writes ids: a UUID, whose other digits follow from those of the id.
    pub fn uuid(self) -> String {
        let digits = format!("{:016x}", self.as_u64());
        format!("{}-{}-4{}-8{}{}-{}", &digits[..8], &digits[8..12], &digits[12..15], &digits[15..], &digits[..2], &digits[4..])
    }

    /// Reads such a text; none when it is not one that [`KmsKeyId::uuid`] writes.
    pub fn from_uuid(text: &str) -> Option<KmsKeyId> {
        if text.len() != 36 || !text.is_ascii() {
            return None;
        }
        let digits = [&text[..8], &text[9..13], &text[15..18], &text[20..21]].concat();
        let id = KmsKeyId::from_u64(u64::from_str_radix(&digits, 16).ok()?);
        (id.uuid() == text).then_some(id)
    }
}

/// A key of an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KmsKey {
    /// Its id.
    pub id: KmsKeyId,
    /// Owner.
    pub account: AccountId,
    /// What its owner says of it.
    pub description: String,
    /// Whether it is the one that is used where none is named. Its owner can neither disable nor delete it.
    pub is_default: bool,
    /// What it is called besides, each beginning with `alias/`.
    pub aliases: BTreeSet<String>,
    /// Whether it can be used.
    pub state: KmsKeyState,
    /// Its versions, wrapped by the master key, the newest last.
    pub versions: Vec<String>,
    /// Whether it is rotated by itself.
    pub rotates: bool,
    /// When its newest version was made.
    pub rotated_at: Millis,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

/// Not the wrapped versions, which nobody means to have in a log.
impl std::fmt::Debug for KmsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KmsKey").field("id", &self.id).field("account", &self.account).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum KmsKeyState {
    /// It can.
    Enabled,
    /// Its owner does not want it to be.
    Disabled,
    /// It will be gone.
    PendingDeletion {
        /// When.
        at: Millis,
    },
}

/// The wrapped key of an encrypted disk.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// The key of the account that wraps it.
    pub key: KmsKeyId,
    /// Which version of that, from 0.
    pub version: u32,
    /// The wrapped data key.
    pub wrapped: String,
}

impl Encryption {
    /// The id of the key, as clients read it; empty where there is no encryption.
    pub fn key_text(of: Option<&Encryption>) -> String {
        of.map(|encryption| encryption.key.uuid()).unwrap_or_default()
    }

    /// What one would ask for to have another disk encrypted likewise.
    pub fn choice(of: Option<&Encryption>) -> EncryptionChoice {
        EncryptionChoice { encrypted: of.map(|_| true), key: of.map(|encryption| KmsKeyRef::Id(encryption.key)) }
    }
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encryption({}, {})", self.key, self.version)
    }
}

/// What an account has said of new disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskEncryptionDefault {
    /// The account.
    pub account: AccountId,
    /// Whether they are encrypted though nobody asks.
    pub encrypts: bool,
    /// The key of those that name none, where it is another than the account's default one.
    pub key: Option<KmsKeyId>,
}

/// A key by id or by one of its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KmsKeyRef {
    /// By id.
    Id(KmsKeyId),
    /// By name.
    Alias(String),
}

impl KmsKeyRef {
    /// Reads a key's id, as a UUID, or an alias.
    pub fn named(text: &str) -> Result<KmsKeyRef, Error> {
        if text.starts_with("alias/") {
            return Ok(KmsKeyRef::Alias(text.to_owned()));
        }
        let absent = || Error::not_found(Noun::KmsKey, text.chars().take(ALIAS_LONGEST).collect::<String>());
        KmsKeyId::from_uuid(text).map(KmsKeyRef::Id).ok_or_else(absent)
    }
}

impl std::fmt::Display for KmsKeyRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KmsKeyRef::Id(id) => f.write_str(&id.uuid()),
            KmsKeyRef::Alias(alias) => alias.fmt(f),
        }
    }
}

/// What is asked of the encryption of a new disk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EncryptionChoice {
    /// Whether it is encrypted; what it starts as and its account decide when nothing is said, and may say yes to a no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// Under which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KmsKeyRef>,
}

impl EncryptionChoice {
    /// The key that is asked for, as it was named; empty where none is.
    pub fn key_text(&self) -> String {
        self.key.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// What a dialect was told; an empty name of a key is none.
    pub fn asked(encrypted: Option<bool>, key: Option<&str>) -> Result<EncryptionChoice, Error> {
        let key = key.filter(|key| !key.is_empty()).map(KmsKeyRef::named).transpose()?;
        Ok(EncryptionChoice { encrypted, key })
    }

    /// Whether nothing is said.
    pub fn is_none(&self) -> bool {
        *self == EncryptionChoice::default()
    }
}

impl KmsKey {
    /// The state in one word: `enabled`, `disabled` or `pending deletion`.
    pub const fn word(&self) -> &'static str {
        match self.state {
            KmsKeyState::Enabled => "enabled",
            KmsKeyState::Disabled => "disabled",
            KmsKeyState::PendingDeletion { .. } => "pending deletion",
        }
    }

    /// Whether what it wraps may be opened.
    pub const fn is_enabled(&self) -> bool {
        matches!(self.state, KmsKeyState::Enabled)
    }

    /// Refuses a key that may not be used.
    pub fn require_enabled(&self) -> Result<(), Error> {
        if self.is_enabled() { Ok(()) } else { Err(self.refuse("enabled")) }
    }

    /// Lets it be used. Refused while it is to be deleted.
    pub fn enable(&mut self) -> Result<(), Error> {
        self.require_kept()?;
        self.state = KmsKeyState::Enabled;
        Ok(())
    }

    /// Lets it not be used. Refused while it is to be deleted.
    pub fn disable(&mut self) -> Result<(), Error> {
        self.require_kept()?;
        self.require_own()?;
        self.state = KmsKeyState::Disabled;
        Ok(())
    }

    /// Has it deleted after so many days, [`KMS_WAITING_DAYS`]; says when.
    pub fn schedule_deletion(&mut self, days: u32, now: Millis) -> Result<Millis, Error> {
        self.require_own()?;
        self.require_kept()?;
        if !KMS_WAITING_DAYS.contains(&days) {
            return Err(Error::invalid("PendingWindowInDays", "must be 7 to 30"));
        }
        let at = now.after(i64::from(days) * DAY_MS);
        self.state = KmsKeyState::PendingDeletion { at };
        Ok(at)
    }

    /// Calls its deletion off. It is disabled then.
    pub fn cancel_deletion(&mut self) -> Result<(), Error> {
        match self.state {
            KmsKeyState::PendingDeletion { .. } => self.state = KmsKeyState::Disabled,
            KmsKeyState::Enabled | KmsKeyState::Disabled => return Err(self.refuse("pending deletion")),
        }
        Ok(())
    }

    /// Adds a version, wrapped.
    pub fn rotate(&mut self, wrapped: String, now: Millis) -> Result<(), Error> {
        self.require_enabled()?;
        if self.versions.len() >= KMS_VERSIONS_MAX {
            let what = format!("versions of the key {}", self.id.uuid());
            return Err(Error::LimitReached { name: "KeyId", what, limit: KMS_VERSIONS_MAX as u64 });
        }
        self.versions.push(wrapped);
        self.rotated_at = now;
        Ok(())
    }

    /// When something is to be done about it: it is deleted, or rotated by itself.
    pub fn due(&self) -> Option<Millis> {
        match self.state {
            KmsKeyState::PendingDeletion { at } => Some(at),
            KmsKeyState::Enabled if self.rotates && self.versions.len() < KMS_VERSIONS_MAX => {
                Some(self.rotated_at.after(KMS_ROTATION_DAYS * DAY_MS))
            }
            KmsKeyState::Enabled | KmsKeyState::Disabled => None,
        }
    }

    /// Gives it another name.
    pub fn add_alias(&mut self, alias: &str) -> Result<(), Error> {
        self.require_kept()?;
        check_alias(alias)?;
        if self.aliases.len() >= KMS_ALIASES_MAX {
            let what = format!("aliases of the key {}", self.id.uuid());
            return Err(Error::LimitReached { name: "AliasName", what, limit: KMS_ALIASES_MAX as u64 });
        }
        self.aliases.insert(alias.to_owned());
        Ok(())
    }

    /// Refuses what only the owner of a key that it made may do.
    pub fn require_own(&self) -> Result<(), Error> {
        let protected = Error::Protected { noun: Noun::KmsKey, id: self.id.uuid(), against: "changes: it is the account's default one" };
        if self.is_default { Err(protected) } else { Ok(()) }
    }

    fn require_kept(&self) -> Result<(), Error> {
        match self.state {
            KmsKeyState::PendingDeletion { .. } => Err(self.refuse("enabled or disabled")),
            KmsKeyState::Enabled | KmsKeyState::Disabled => Ok(()),
        }
    }

    fn refuse(&self, wanted: &'static str) -> Error {
        Error::IncorrectState { noun: Noun::KmsKey, id: self.id.uuid(), state: self.word(), wanted }
    }
}

/// Checks a name of a key: `alias/` and 1 to 250 of letters, digits and `/_-`, not one of the cloud's own.
fn check_alias(alias: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
    let name = alias.strip_prefix("alias/").filter(|name| !name.is_empty() && name.len() <= 250 && name.chars().all(allowed));
    if name.is_none_or(|name| name.starts_with("aws/")) {
        return Err(Error::invalid("AliasName", "must be alias/ and 1 to 250 of letters, digits and /_-, and not begin with alias/aws/"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> KmsKey {
        KmsKey {
            id: KmsKeyId::from_u64(1),
            account: AccountId::from_u64(1).unwrap(),
            description: String::new(),
            is_default: false,
            aliases: BTreeSet::new(),
            state: KmsKeyState::Enabled,
            versions: vec!["wrapped-secret".to_owned()],
            rotates: false,
            rotated_at: Millis(0),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    #[test]
    fn a_key_goes_after_its_waiting_time_unless_it_is_called_off() {
        let mut key = key();
        assert!(key.schedule_deletion(6, Millis(0)).is_err() && key.schedule_deletion(31, Millis(0)).is_err());
        assert_eq!(key.schedule_deletion(7, Millis(5)).unwrap(), Millis(5 + 7 * DAY_MS));
        assert_eq!(key.due(), Some(Millis(5 + 7 * DAY_MS)));
        assert!(key.require_enabled().is_err() && key.enable().is_err() && key.disable().is_err() && key.add_alias("alias/x").is_err());
        key.cancel_deletion().unwrap();
        assert_eq!((key.word(), key.due()), ("disabled", None));
        assert!(key.cancel_deletion().is_err());
        key.enable().unwrap();
        key.require_enabled().unwrap();
    }

    #[test]
    fn a_key_is_rotated_by_itself_once_a_year_while_it_is_enabled() {
        let mut key = key();
        assert_eq!(key.due(), None);
        key.rotates = true;
        assert_eq!(key.due(), Some(Millis(365 * DAY_MS)));
        key.rotate("second".to_owned(), Millis(9)).unwrap();
        assert_eq!((key.versions.len(), key.due()), (2, Some(Millis(9 + 365 * DAY_MS))));
        key.disable().unwrap();
        assert!(key.rotate("third".to_owned(), Millis(9)).is_err() && key.due().is_none());
    }

    #[test]
    fn the_default_key_stays_and_nothing_wrapped_is_printed() {
        let mut default = KmsKey { is_default: true, ..key() };
        assert!(default.disable().is_err() && default.schedule_deletion(7, Millis(0)).is_err());
        let encryption = Encryption { key: default.id, version: 0, wrapped: "wrapped-secret".to_owned() };
        assert!(!format!("{default:?} {encryption:?}").contains("wrapped-secret"));
    }

    #[test]
    fn an_id_is_written_as_a_uuid_and_read_back() {
        let id = KmsKeyId::from_u64(0x0192_d3f4_a5b6_c7d8);
        assert_eq!(id.uuid(), "0192d3f4-a5b6-4c7d-8801-d3f4a5b6c7d8");
        assert_eq!(KmsKeyId::from_uuid(&id.uuid()), Some(id));
        for wrong in ["", "0192d3f4-a5b6-4c7d-8801-d3f4a5b6c7d9", "0192D3F4-a5b6-4c7d-8801-d3f4a5b6c7d8", &"é".repeat(18)] {
            assert_eq!(KmsKeyId::from_uuid(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_alias_is_not_one_of_the_cloud_s() {
        for (alias, good) in [("alias/a-b/c_1", true), ("alias/", false), ("a", false), ("alias/aws/ebs", false), ("alias/ä", false)] {
            assert_eq!(key().add_alias(alias).is_ok(), good, "{alias}");
        }
    }
}
