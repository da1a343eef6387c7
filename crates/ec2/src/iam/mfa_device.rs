//! Virtual MFA devices.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{DeactivateMfaDevice, DeleteMfaDevice, EnableMfaDevice, ResyncMfaDevice};
use jiff::Timestamp;
use model::{AccountId, Error, MfaDevice, Noun, User};
use secrecy::ExposeSecret;
use wire::{FromArg, Show};

use super::user::{UserItem, item};
use super::{Done, Paging, arn, only_root_path};
use crate::Cx;
use crate::error::Refusal;
use crate::iam::tag::{TagItem, TagList, as_tags, items};

/// A device by the name that IAM gives it.
pub(crate) fn serial(account: AccountId, name: &str) -> String {
    arn(account, "mfa", name)
}

/// The name of the device of this serial number.
pub(crate) fn device_of(account: AccountId, serial: &str) -> Result<String, Error> {
    let name = serial.strip_prefix(&format!("arn:aws:iam::{account}:mfa/"));
    name.map(str::to_owned).ok_or_else(|| Error::not_found(Noun::MfaDevice, serial))
}

/// The parameters of `CreateVirtualMFADevice`.
#[derive(FromArg)]
pub(crate) struct CreateDevice {
    #[arg(name = "VirtualMFADeviceName")]
    name: String,
    path: Option<String>,
    tags: Option<TagList>,
}

/// The reply of `CreateVirtualMFADevice`, which has the only copy of the seed.
#[derive(Show)]
pub(crate) struct Created {
    #[reply(name = "VirtualMFADevice")]
    device: DeviceItem,
}

#[derive(Show)]
#[reply(list = "member")]
struct DeviceItem {
    serial_number: String,
    #[reply(name = "Base32StringSeed")]
    seed: Option<String>,
    user: Option<UserItem>,
    enable_date: Option<Timestamp>,
    #[reply(skip_empty)]
    tags: Vec<TagItem>,
}

fn device_item(device: &MfaDevice, seed: Option<String>, user: Option<&User>) -> DeviceItem {
    DeviceItem {
        serial_number: serial(device.account, &device.name),
        seed,
        user: user.map(item),
        enable_date: device.holder.as_ref().map(|holder| holder.since.timestamp()),
        tags: items(&device.tags),
    }
}

/// Makes a device that is nobody's yet.
pub(crate) async fn create(cx: Cx, asked: CreateDevice) -> Result<Created, Refusal> {
    only_root_path(asked.path.as_deref())?;
    let (device, seed) = cx.cloud.create_mfa_device(&cx.caller, asked.name, as_tags(asked.tags)?).await?;
    Ok(Created { device: device_item(&device, Some(STANDARD.encode(seed.expose_secret())), None) })
}

/// The parameters of `EnableMFADevice` and `ResyncMFADevice`.
#[derive(FromArg)]
pub(crate) struct WithCodes {
    user_name: String,
    serial_number: String,
    #[arg(name = "AuthenticationCode1")]
    first: String,
    #[arg(name = "AuthenticationCode2")]
    second: String,
}

/// Makes a device a user's.
pub(crate) async fn enable(cx: Cx, asked: WithCodes) -> Result<Done, Refusal> {
    let device = device_of(cx.caller.account(), &asked.serial_number)?;
    let command = EnableMfaDevice { user: asked.user_name, device, codes: [asked.first, asked.second] };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}

/// Learns how far the clock of a device is off.
pub(crate) async fn resync(cx: Cx, asked: WithCodes) -> Result<Done, Refusal> {
    let device = device_of(cx.caller.account(), &asked.serial_number)?;
    let command = ResyncMfaDevice { user: asked.user_name, device, codes: [asked.first, asked.second] };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `DeactivateMFADevice`.
#[derive(FromArg)]
pub(crate) struct Deactivate {
    user_name: Option<String>,
    serial_number: String,
}

/// Takes a device from its user.
pub(crate) async fn deactivate(cx: Cx, asked: Deactivate) -> Result<Done, Refusal> {
    let device = Some(device_of(cx.caller.account(), &asked.serial_number)?);
    cx.cloud.run(&cx.caller, DeactivateMfaDevice { user: asked.user_name, device }, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameter of `DeleteVirtualMFADevice`.
#[derive(FromArg)]
pub(crate) struct DeleteDevice {
    serial_number: String,
}

/// Deletes a device that is nobody's.
pub(crate) async fn delete(cx: Cx, asked: DeleteDevice) -> Result<Done, Refusal> {
    let device = device_of(cx.caller.account(), &asked.serial_number)?;
    cx.cloud.run(&cx.caller, DeleteMfaDevice { device }, cx.options(None)).await?;
    Ok(Done {})
}

/// The parameters of `ListMFADevices`.
#[derive(FromArg)]
pub(crate) struct ListOfUser {
    user_name: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListMFADevices`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct DevicesOfUser {
    #[reply(name = "MFADevices")]
    devices: Vec<EnabledItem>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Show)]
struct EnabledItem {
    user_name: String,
    serial_number: String,
    enable_date: Timestamp,
}

/// Lists the devices of a user, or of the caller.
pub(crate) async fn list_of_user(cx: Cx, asked: ListOfUser) -> Result<DevicesOfUser, Refusal> {
    let (devices, user_name) = cx.cloud.mfa_devices_of(&cx.caller, asked.user_name).await?;
    let (page, marker) = asked.paging.page(devices, |device| &device.name)?;
    let item = |device: &MfaDevice| {
        let since = device.holder.as_ref().map_or(device.created_at, |holder| holder.since);
        let serial_number = serial(device.account, &device.name);
        EnabledItem { user_name: user_name.clone(), serial_number, enable_date: since.timestamp() }
    };
    Ok(DevicesOfUser { devices: page.iter().map(item).collect(), is_truncated: marker.is_some(), marker })
}

/// Which devices are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
pub(crate) enum Assignment {
    Assigned,
    Unassigned,
    Any,
}

/// The parameters of `ListVirtualMFADevices`.
#[derive(FromArg)]
pub(crate) struct ListDevices {
    #[arg(default = Assignment::Any)]
    assignment_status: Assignment,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `ListVirtualMFADevices`.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Devices {
    #[reply(name = "VirtualMFADevices")]
    devices: Vec<DeviceItem>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Lists the devices of the account.
pub(crate) async fn list(cx: Cx, asked: ListDevices) -> Result<Devices, Refusal> {
    let mut found = cx.cloud.mfa_devices(&cx.caller).await?;
    found.retain(|(device, _)| match asked.assignment_status {
        Assignment::Assigned => device.holder.is_some(),
        Assignment::Unassigned => device.holder.is_none(),
        Assignment::Any => true,
    });
    let (page, marker) = asked.paging.page(found, |(device, _)| &device.name)?;
    let devices = page.iter().map(|(device, user)| device_item(device, None, user.as_ref())).collect();
    Ok(Devices { devices, is_truncated: marker.is_some(), marker })
}

/// The parameters of `GetMFADevice`.
#[derive(FromArg)]
pub(crate) struct GetDevice {
    serial_number: String,
    user_name: Option<String>,
}

/// The reply of `GetMFADevice`.
#[derive(Show)]
pub(crate) struct Shown {
    user_name: String,
    serial_number: String,
    enable_date: Timestamp,
}

/// Shows a device of a user, or of the caller.
pub(crate) async fn get(cx: Cx, asked: GetDevice) -> Result<Shown, Refusal> {
    let name = device_of(cx.caller.account(), &asked.serial_number)?;
    let (devices, user_name) = cx.cloud.mfa_devices_of(&cx.caller, asked.user_name).await?;
    let device = devices.into_iter().find(|device| device.name == name).ok_or_else(|| Error::not_found(Noun::MfaDevice, &name))?;
    let since = device.holder.map_or(device.created_at, |holder| holder.since);
    Ok(Shown { user_name, serial_number: asked.serial_number, enable_date: since.timestamp() })
}
