//! Virtual MFA devices, of which a user has one.

use control::{DeactivateMfaDevice, DeleteMfaDevice, EnableMfaDevice};
use jiff::Timestamp;
use model::{AccountId, Error, MfaDevice, Noun, Tags, User};
use secrecy::ExposeSecret;
use wire::{FromArg, Show};

use super::{Done, Next, Paging, refusal};
use crate::Cx;
use crate::error::Fault;

/// A device by the name that RAM gives it.
fn serial(account: AccountId, name: &str) -> String {
    format!("acs:ram::{account}:mfa/{name}")
}

/// The name of the device of this serial number.
fn device_of(account: AccountId, serial: &str) -> Result<String, Fault> {
    let name = serial.strip_prefix(&format!("acs:ram::{account}:mfa/"));
    name.map(str::to_owned).ok_or_else(|| refusal(Error::not_found(Noun::MfaDevice, serial)))
}

/// The parameter of `CreateVirtualMFADevice`.
#[derive(FromArg)]
pub(crate) struct CreateDevice {
    #[arg(name = "VirtualMFADeviceName")]
    name: String,
}

/// The reply of `CreateVirtualMFADevice`, which has the only copy of the seed.
#[derive(Show)]
pub(crate) struct Created {
    #[reply(name = "VirtualMFADevice")]
    device: NewDevice,
}

#[derive(Show)]
struct NewDevice {
    serial_number: String,
    #[reply(name = "Base32StringSeed")]
    seed: String,
}

/// Makes a device that is nobody's yet.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateDevice) -> Result<Created, Fault> {
    let (device, seed) = cx.cloud.create_mfa_device(&cx.caller, asked.name, Tags::new()).await.map_err(refusal)?;
    let device = NewDevice { serial_number: serial(device.account, &device.name), seed: seed.expose_secret().to_owned() };
    Ok(Created { device })
}

/// The parameter of `DeleteVirtualMFADevice`.
#[derive(FromArg)]
pub(crate) struct DeleteDevice {
    serial_number: String,
}

/// Deletes a device that is nobody's.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteDevice) -> Result<Done, Fault> {
    let device = device_of(cx.caller.account(), &asked.serial_number)?;
    cx.cloud.run(&cx.caller, DeleteMfaDevice { device }, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

/// The parameters of `ListVirtualMFADevices`.
#[derive(FromArg)]
pub(crate) struct ListDevices {
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListVirtualMFADevices`.
#[derive(Show)]
pub(crate) struct Devices {
    #[reply(name = "VirtualMFADevices", list = "VirtualMFADevice")]
    devices: Vec<DeviceItem>,
    #[reply(flatten)]
    next: Next,
}

#[derive(Show)]
struct DeviceItem {
    serial_number: String,
    activate_date: Option<Timestamp>,
    user: Option<Holder>,
}

#[derive(Show)]
struct Holder {
    user_id: String,
    user_name: String,
    display_name: String,
}

fn item((device, user): &(MfaDevice, Option<User>)) -> DeviceItem {
    let holder = |user: &User| {
        let (user_id, user_name) = (user.id.as_u64().to_string(), user.name.clone());
        Holder { user_id, display_name: user_name.clone(), user_name }
    };
    DeviceItem {
        serial_number: serial(device.account, &device.name),
        activate_date: device.holder.as_ref().map(|holder| holder.since.timestamp()),
        user: user.as_ref().map(holder),
    }
}

/// Lists the devices of the account.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListDevices) -> Result<Devices, Fault> {
    let found = cx.cloud.mfa_devices(&cx.caller).await.map_err(refusal)?;
    let (page, next) = asked.paging.page(found, |(device, _)| &device.name);
    Ok(Devices { devices: page.iter().map(item).collect(), next })
}

/// The parameters of `BindMFADevice`.
#[derive(FromArg)]
pub(crate) struct Bind {
    user_name: String,
    serial_number: String,
    #[arg(name = "AuthenticationCode1")]
    first: String,
    #[arg(name = "AuthenticationCode2")]
    second: String,
}

/// Makes a device a user's.
pub(crate) async fn bind(cx: &Cx<'_>, asked: Bind) -> Result<Done, Fault> {
    let device = device_of(cx.caller.account(), &asked.serial_number)?;
    let command = EnableMfaDevice { user: asked.user_name, device, codes: [asked.first, asked.second] };
    cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

/// The parameter of calls on the device of a user.
#[derive(FromArg)]
pub(crate) struct OfUser {
    user_name: String,
}

/// A reply that shows the device of a user.
#[derive(Show)]
pub(crate) struct Shown {
    #[reply(name = "MFADevice")]
    device: OwnDevice,
}

#[derive(Show)]
struct OwnDevice {
    serial_number: String,
    #[reply(name = "Type")]
    kind: &'static str,
}

fn shown(device: &MfaDevice) -> Shown {
    Shown { device: OwnDevice { serial_number: serial(device.account, &device.name), kind: "VMFA" } }
}

/// Takes the device from a user who has one.
pub(crate) async fn unbind(cx: &Cx<'_>, asked: OfUser) -> Result<Shown, Fault> {
    let command = DeactivateMfaDevice { user: Some(asked.user_name), device: None };
    Ok(shown(&cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?))
}

/// Shows the device of a user.
pub(crate) async fn info(cx: &Cx<'_>, asked: OfUser) -> Result<Shown, Fault> {
    let (devices, user) = cx.cloud.mfa_devices_of(&cx.caller, Some(asked.user_name)).await.map_err(refusal)?;
    Ok(shown(devices.first().ok_or_else(|| refusal(Error::not_found(Noun::MfaDevice, user)))?))
}
