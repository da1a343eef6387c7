//! Virtual MFA devices, whose users prove that they hold them by codes. Their seeds are kept sealed and shown once.

use model::{
    AccountId, Error, MFA_DEVICES_OF_USER_MAX, MFA_SEED_LEN, MfaDevice, MfaDeviceId, Millis, Noun, Rights, Tags, User, add_tags,
    check_mfa_device_name, mfa_seed_text,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use store::{StoreError, Tx};
use zeroize::Zeroizing;

use crate::account::taken;
use crate::auth::{Caller, Target, Who};
use crate::holder::Holder;
use crate::run::{Command, Cx, Options};
use crate::user::{target_or_caller, user_or_caller};
use crate::{Cloud, Failure};

/// Most devices of an account: one for each of IAM's 5,000 users.
const DEVICES_MAX: usize = 5_000;

/// Keeps a device that was just made.
#[derive(Debug, Clone, Serialize)]
struct KeepMfaDevice {
    name: String,
    sealed_seed: String,
    tags: Tags,
}

/// Makes a device a user's, whose telephone shows two codes in a row.
#[derive(Debug, Clone, Serialize)]
pub struct EnableMfaDevice {
    /// The user's name.
    pub user: String,
    /// The device's name.
    pub device: String,
    /// The codes.
    #[serde(skip)]
    pub codes: [String; 2],
}

/// Learns how far the clock of a user's device is off.
#[derive(Debug, Clone, Serialize)]
pub struct ResyncMfaDevice {
    /// The user's name.
    pub user: String,
    /// The device's name.
    pub device: String,
    /// Two codes in a row.
    #[serde(skip)]
    pub codes: [String; 2],
}

/// Takes a device from its user; it can be enabled again.
#[derive(Debug, Clone, Serialize)]
pub struct DeactivateMfaDevice {
    /// The user's name; without it the caller's own.
    pub user: Option<String>,
    /// The device's name; without it the user's only one.
    pub device: Option<String>,
}

/// Deletes a device that is nobody's.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteMfaDevice {
    /// Its name.
    pub device: String,
}

/// A code of a caller's device.
#[derive(Clone)]
pub struct MfaCode {
    /// The device's name; any of the caller's where none is named.
    pub device: Option<String>,
    /// What it shows.
    pub code: String,
}

impl std::fmt::Debug for MfaCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MfaCode").field("device", &self.device).finish_non_exhaustive()
    }
}

fn device_target(name: &str) -> Vec<Target> {
    vec![Target { path: Some(format!("mfa/{name}")), ..Target::default() }]
}

/// The device of this name, or a refusal.
fn device(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<MfaDevice, Failure> {
    Ok(tx.mfa_device_named(account, name)?.ok_or_else(|| Error::not_found(Noun::MfaDevice, name))?)
}

/// What a device's seed is sealed under.
fn seal_name(id: &str) -> String {
    format!("mfa/{id}")
}

impl Command for KeepMfaDevice {
    type Reply = MfaDevice;
    const NAME: &'static str = "CreateMfaDevice";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(device_target(&self.name))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<MfaDevice, Failure> {
        check_mfa_device_name(&self.name)?;
        let account = cx.caller.account();
        if tx.mfa_device_list(account)?.len() >= DEVICES_MAX {
            let what = "MFA devices".to_owned();
            return Err(Error::LimitReached { name: "VirtualMFADeviceName", what, limit: DEVICES_MAX as u64 }.into());
        }
        let mut made = MfaDevice {
            id: MfaDeviceId::from_u64(cx.new_id()),
            account,
            name: self.name.clone(),
            sealed_seed: self.sealed_seed.clone(),
            holder: None,
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut made.tags, &self.tags)?;
        tx.insert(&made).map_err(|error| taken(error, Noun::MfaDevice, &self.name))?;
        Ok(made)
    }
}

/// A root's devices are for the root alone.
fn owner(tx: &Tx<'_>, cx: &Cx<'_>, name: Option<&str>) -> Result<User, Failure> {
    let row = user_or_caller(tx, cx.caller, name)?;
    if matches!(row.rights, Rights::Root) && !cx.caller.principal.is_root() {
        return Err(Error::Unauthorized { action: cx.caller.action.to_owned() }.into());
    }
    Ok(row)
}

impl Command for EnableMfaDevice {
    type Reply = ();
    const NAME: &'static str = "EnableMfaDevice";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(Holder::User(self.user.clone()).target(tx, cx.caller.account())?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let user = owner(tx, cx, Some(&self.user))?;
        let mut device = device(tx, user.account, &self.device)?;
        if device.holder.is_some() {
            return Err(Error::Duplicate { noun: Noun::MfaDevice, name: self.device.clone() }.into());
        }
        if tx.mfa_device_list_of_user(user.id)?.len() >= MFA_DEVICES_OF_USER_MAX {
            let what = "MFA devices of a user".to_owned();
            return Err(Error::LimitReached { name: "SerialNumber", what, limit: MFA_DEVICES_OF_USER_MAX as u64 }.into());
        }
        let seed = cx.cloud.mfa_seed(&device)?;
        device.enable(&seed, user.id, [&self.codes[0], &self.codes[1]], cx.now)?;
        Ok(tx.update(&device)?)
    }
}

/// A device that is this user's.
fn device_of(tx: &Tx<'_>, user: &User, name: Option<&str>) -> Result<MfaDevice, Failure> {
    let mut devices = tx.mfa_device_list_of_user(user.id)?;
    match name {
        Some(name) => {
            let place = devices.iter().position(|device| device.name == name);
            Ok(devices.swap_remove(place.ok_or_else(|| Error::not_found(Noun::MfaDevice, name))?))
        }
        None if devices.len() > 1 => Err(Error::MissingParameter { name: "SerialNumber" }.into()),
        None => Ok(devices.pop().ok_or_else(|| Error::not_found(Noun::MfaDevice, &user.name))?),
    }
}

impl Command for ResyncMfaDevice {
    type Reply = ();
    const NAME: &'static str = "ResyncMfaDevice";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(Holder::User(self.user.clone()).target(tx, cx.caller.account())?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let user = owner(tx, cx, Some(&self.user))?;
        let mut device = device_of(tx, &user, Some(&self.device))?;
        let seed = cx.cloud.mfa_seed(&device)?;
        if let Some(holder) = &mut device.holder {
            holder.resync(&seed, [&self.codes[0], &self.codes[1]], cx.now)?;
        }
        Ok(tx.update(&device)?)
    }
}

impl Command for DeactivateMfaDevice {
    type Reply = MfaDevice;
    const NAME: &'static str = "DeactivateMfaDevice";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(target_or_caller(tx, cx.caller, self.user.as_deref())?)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<MfaDevice, Failure> {
        let user = owner(tx, cx, self.user.as_deref())?;
        let mut device = device_of(tx, &user, self.device.as_deref())?;
        device.holder = None;
        tx.update(&device)?;
        Ok(device)
    }
}

impl Command for DeleteMfaDevice {
    type Reply = ();
    const NAME: &'static str = "DeleteMfaDevice";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(device_target(&self.device))
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let device = device(tx, cx.caller.account(), &self.device)?;
        if let Some(holder) = &device.holder {
            return Err(Error::InUse { noun: Noun::MfaDevice, id: device.name, by: vec![holder.user.to_string()] }.into());
        }
        tx.delete::<MfaDevice>(device.id)?;
        Ok(())
    }
}

impl Cloud {
    /// Makes a device. Its seed, in base 32, is in the answer and nowhere else.
    pub async fn create_mfa_device(&self, caller: &Caller, name: String, tags: Tags) -> Result<(MfaDevice, SecretString), Error> {
        let mut seed = Zeroizing::new([0; MFA_SEED_LEN]);
        getrandom::fill(seed.as_mut()).map_err(|error| self.internal("get randomness", &error))?;
        let text = SecretString::from(hex::encode(seed.as_ref()));
        let sealed_seed = self
            .master()
            .seal(&seal_name(&format!("{}/{name}", caller.account())), &text)
            .map_err(|error| self.internal("seal a seed", &error))?;
        let made = self.run(caller, KeepMfaDevice { name, sealed_seed, tags }, Options::default()).await?;
        Ok((made, SecretString::from(mfa_seed_text(seed.as_ref()))))
    }

    fn mfa_seed(&self, device: &MfaDevice) -> Result<Zeroizing<Vec<u8>>, Error> {
        let name = seal_name(&format!("{}/{}", device.account, device.name));
        let text = self.master().open(&name, &device.sealed_seed).map_err(|error| self.internal("open a seed", &error))?;
        hex::decode(text.expose_secret()).map(Zeroizing::new).map_err(|error| self.internal("read a seed", &error))
    }

    /// Devices of the caller's account, each with its user.
    pub async fn mfa_devices(&self, caller: &Caller) -> Result<Vec<(MfaDevice, Option<User>)>, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| {
            let with_user = |device: MfaDevice| {
                let user = device.holder.as_ref().map(|holder| tx.get::<User>(holder.user)).transpose()?.flatten();
                Ok::<_, Failure>((device, user))
            };
            tx.mfa_device_list(cx.caller.account())?.into_iter().map(with_user).collect()
        })
        .await
    }

    /// Devices of a user, or of the caller, and the user's name.
    pub async fn mfa_devices_of(&self, caller: &Caller, user: Option<String>) -> Result<(Vec<MfaDevice>, String), Error> {
        let (asker, asked) = (caller.clone(), user.clone());
        let targets = move |tx: &Tx<'_>, _| target_or_caller(tx, &asker, asked.as_deref());
        self.read_about(caller, targets, move |tx, cx| {
            let row = user_or_caller(tx, cx.caller, user.as_deref())?;
            Ok((tx.mfa_device_list_of_user(row.id)?, row.name))
        })
        .await
    }

    /// Uses a code of a device that is the caller's own; when that was. A wrong code is written down, so that they cannot be tried out.
    pub(crate) async fn use_mfa_code(&self, caller: &Caller, asked: MfaCode) -> Result<Millis, Error> {
        let (Who::Root(user) | Who::User { id: user, .. }) = caller.principal.who else { return Err(Error::InvalidMfaCode) };
        let (cloud, now) = (self.clone(), self.clock().now());
        let took = self.store().write(move |tx| {
            let is_meant = |device: &MfaDevice| asked.device.as_ref().is_none_or(|name| *name == device.name);
            for mut device in tx.mfa_device_list_of_user(user)?.into_iter().filter(is_meant) {
                let seed = cloud.mfa_seed(&device)?;
                let took = device.holder.as_mut().is_some_and(|holder| holder.take(&seed, &asked.code, now));
                tx.update(&device)?;
                if took {
                    return Ok(true);
                }
            }
            Ok::<_, Failure>(false)
        });
        match took.await.map_err(|error| self.write_refusal("use a code", error))? {
            true => Ok(now),
            false => Err(Error::InvalidMfaCode),
        }
    }
}

/// Takes the devices of a user who is about to be deleted.
pub(crate) fn release_devices(tx: &mut Tx<'_>, user: &User) -> Result<(), StoreError> {
    for mut device in tx.mfa_device_list_of_user(user.id)? {
        device.holder = None;
        tx.update(&device)?;
    }
    Ok(())
}
