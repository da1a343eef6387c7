//! Accounts, and the operator's way to users and access keys. What an account's own administrators do lies with the nouns.

use std::collections::BTreeSet;

use model::{
    AccessKey, Account, AccountId, Error, Millis, NUMBERS, Noun, Permissions, Rights, Tags, User, UserDetails, UserId, check_user_name,
};
use secrecy::{ExposeSecret, SecretString};
use store::{StoreError, Tx, WriteError};

use crate::network::insert_default_network;
use crate::{Cloud, Failure};

/// Letters of a new access key's public name after its prefix. With `AKIA` 20 characters, as EC2's clients expect.
const KEY_ID_LETTERS: usize = 16;
/// Characters of a new secret: 40, as EC2's; 62^40 is above 2^238.
const SECRET_LETTERS: usize = 40;

/// An access key with its secret, shown once.
pub struct NewAccessKey {
    /// Public name.
    pub id: String,
    /// Secret.
    pub secret: SecretString,
    /// Account that it acts for.
    pub account: AccountId,
}

impl Cloud {
    /// Makes an account with a root user, one access key, and a default VPC with a subnet in each zone.
    pub async fn account_create(&self, name: &str) -> Result<NewAccessKey, Error> {
        check_user_name(name)?;
        let key = self.new_key()?;
        let (cloud, name, id, sealed) = (self.clone(), name.to_owned(), key.0.clone(), key.2.clone());
        let made = self.store().write(move |tx| {
            let now = cloud.clock().now();
            let account = AccountId::from_u64(100_000_000_000 + cloud.ids().number() % 900_000_000_000).expect("below twelve digits");
            tx.insert(&Account { id: account, name: name.clone(), alias: None, created_at: now })
                .map_err(|e| taken(e, Noun::Account, &name))?;
            let user = UserId::from_u64(cloud.ids().next(now));
            tx.insert(&new_user(user, account, "root", Rights::Root, Some(account.as_u64()), now))?;
            insert_key(tx, &id, &sealed, account, user, now)?;
            insert_default_network(tx, &cloud, account, now)?;
            Ok::<_, Failure>(account)
        });
        let account = made.await.map_err(|error| self.write_refusal("create an account", error))?;
        Ok(NewAccessKey { id: key.0, secret: key.1, account })
    }

    /// Makes a user with these policy documents and one access key.
    pub async fn user_create(&self, account: AccountId, name: &str, documents: Vec<String>) -> Result<NewAccessKey, Error> {
        check_user_name(name)?;
        let mut permissions = Permissions::default();
        for (number, text) in documents.iter().enumerate() {
            permissions.put(&format!("policy-{}", number + 1), text)?;
        }
        let key = self.new_key()?;
        let (cloud, name, id, sealed) = (self.clone(), name.to_owned(), key.0.clone(), key.2.clone());
        let made = self.store().write(move |tx| {
            let now = cloud.clock().now();
            tx.get::<Account>(account)?.ok_or_else(|| Error::not_found(Noun::Account, account))?;
            let user = UserId::from_u64(cloud.ids().next(now));
            let rights = Rights::Policies { permissions: permissions.clone(), groups: BTreeSet::new() };
            let number = NUMBERS.start + cloud.ids().number() % (NUMBERS.end - NUMBERS.start);
            let user_row = new_user(user, account, &name, rights, Some(number), now);
            tx.insert(&user_row).map_err(|e| taken(e, Noun::User, &name))?;
            insert_key(tx, &id, &sealed, account, user, now).map(drop)
        });
        made.await.map_err(|error| self.write_refusal("create a user", error))?;
        self.principals().clear();
        Ok(NewAccessKey { id: key.0, secret: key.1, account })
    }

    /// Makes another access key for the root user of an account.
    pub async fn root_key_create(&self, account: AccountId) -> Result<NewAccessKey, Error> {
        let (id, secret, _) = self.new_key()?;
        self.access_key_import(account, &id, secret.clone()).await?;
        Ok(NewAccessKey { id, secret, account })
    }

    /// Makes a given access key for the root user of an account; for a key that was chosen beforehand.
    pub async fn access_key_import(&self, account: AccountId, id: &str, secret: SecretString) -> Result<(), Error> {
        let sealed = self.master().seal(id, &secret).map_err(|error| self.internal("seal a secret", &error))?;
        let (cloud, id) = (self.clone(), id.to_owned());
        let made = self.store().write(move |tx| {
            let root = tx.user_named(account, "root")?.ok_or_else(|| Error::not_found(Noun::Account, account))?;
            insert_key(tx, &id, &sealed, account, root.id, cloud.clock().now()).map(drop)
        });
        made.await.map_err(|error| self.write_refusal("import an access key", error))
    }

    /// Turns an access key on or off.
    pub async fn access_key_set_active(&self, id: &str, active: bool) -> Result<(), Error> {
        let id = id.to_owned();
        let done = self.store().write(move |tx| {
            let mut key = tx.get::<AccessKey>(id.clone())?.ok_or_else(|| Error::not_found(Noun::AccessKey, &id))?;
            key.active = active;
            Ok::<_, Failure>(tx.update(&key)?)
        });
        done.await.map_err(|error| self.write_refusal("change an access key", error))?;
        self.principals().clear();
        Ok(())
    }

    /// The account of this name.
    pub async fn account_named(&self, name: &str) -> Result<Option<Account>, Error> {
        let name = name.to_owned();
        let found = self.store().read(move |tx| tx.account_named(&name)).await;
        found.map_err(|error| self.store_refusal("read an account", &error))
    }

    /// An account.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, Error> {
        let found = self.store().read(move |tx| tx.get::<Account>(id)).await;
        found.map_err(|error| self.store_refusal("read an account", &error))
    }

    pub(crate) fn new_key(&self) -> Result<(String, SecretString, String), Error> {
        let id = format!("AKIA{}", self.letters(KEY_ID_LETTERS, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")?.expose_secret());
        let secret = self.letters(SECRET_LETTERS, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")?;
        let sealed = self.master().seal(&id, &secret).map_err(|error| self.internal("seal a secret", &error))?;
        Ok((id, secret, sealed))
    }

    fn letters(&self, count: usize, alphabet: &[u8]) -> Result<SecretString, Error> {
        // The largest multiple of the alphabet's length that fits a byte: above it a letter would be more likely than others.
        let fair = 256 - 256 % alphabet.len();
        let mut text = String::with_capacity(count);
        while text.len() < count {
            let mut bytes = [0; 64];
            getrandom::fill(&mut bytes).map_err(|error| self.internal("get randomness", &error))?;
            let letters = bytes.iter().map(|b| usize::from(*b)).filter(|b| *b < fair).map(|b| char::from(alphabet[b % alphabet.len()]));
            text.extend(letters.take(count - text.len()));
        }
        Ok(SecretString::from(text))
    }

    pub(crate) fn write_refusal(&self, what: &'static str, error: WriteError<Failure>) -> Error {
        match error {
            WriteError::Refused(failure) => self.refusal(what, failure),
            WriteError::Store(error) => self.store_refusal(what, &error),
            WriteError::Panicked(message) => self.internal(what, &message),
        }
    }
}

fn new_user(id: UserId, account: AccountId, name: &str, rights: Rights, number: Option<u64>, created_at: Millis) -> User {
    let (details, tags) = (UserDetails::default(), Tags::new());
    User { id, account, name: name.to_owned(), rights, created_at, number, details, tags }
}

pub(crate) fn insert_key(
    tx: &mut Tx<'_>,
    id: &str,
    sealed: &str,
    account: AccountId,
    user: UserId,
    now: Millis,
) -> Result<AccessKey, Failure> {
    let (sealed_secret, description) = (sealed.to_owned(), String::new());
    let key = AccessKey { id: id.to_owned(), account, user, sealed_secret, active: true, created_at: now, description };
    tx.insert(&key).map_err(|error| taken(error, Noun::AccessKey, id))?;
    Ok(key)
}

/// The refusal for a name that is taken; any other failure stays what it is.
pub(crate) fn taken(error: StoreError, noun: Noun, name: &str) -> Failure {
    match error {
        StoreError::Duplicate { .. } => Error::Duplicate { noun, name: name.to_owned() }.into(),
        other => other.into(),
    }
}
