//! Attributes of an instance, one at a time, in the two spellings that EC2 has for changing them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{ChangeInstanceType, Membership, ModifyInstance, ModifyInterface, ModifyVolumes, SetSecurityGroups, WhileRunning};
use model::{Catalogue, Error, InstanceId, Noun, OnShutdown};
use wire::{Base64, FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination, unsupported};
use crate::instance::{BlockDevice, Group, block_devices, groups, view_of};
use crate::instance_type;
use crate::metadata_options::{AskedMetadata, MetadataItem};
use crate::run_instances::user_data;
use crate::tag;
use crate::volume::ROOT_DEVICE;

/// The attributes that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "camelCase")]
pub(crate) enum Attribute {
    InstanceType,
    Kernel,
    Ramdisk,
    UserData,
    DisableApiTermination,
    InstanceInitiatedShutdownBehavior,
    RootDeviceName,
    BlockDeviceMapping,
    ProductCodes,
    SourceDestCheck,
    GroupSet,
    EbsOptimized,
    SriovNetSupport,
    EnaSupport,
    EnclaveOptions,
    DisableApiStop,
}

/// The parameters of `DescribeInstanceAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceAttribute {
    instance_id: String,
    attribute: Attribute,
}

/// A value of its own element.
#[derive(Show)]
struct Value<T: Show> {
    #[reply(name = "value")]
    value: T,
}

#[derive(Show)]
struct Enclave {
    #[reply(name = "enabled")]
    enabled: bool,
}

/// The reply of `DescribeInstanceAttribute`: the id and the one attribute.
#[derive(Default, Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Described {
    instance_id: String,
    instance_type: Option<Value<String>>,
    kernel: Option<Value<String>>,
    ramdisk: Option<Value<String>>,
    user_data: Option<Value<Option<String>>>,
    disable_api_termination: Option<Value<bool>>,
    instance_initiated_shutdown_behavior: Option<Value<&'static str>>,
    root_device_name: Option<Value<&'static str>>,
    block_device_mapping: Option<Vec<BlockDevice>>,
    product_codes: Option<Vec<String>>,
    source_dest_check: Option<Value<bool>>,
    group_set: Option<Vec<Group>>,
    ebs_optimized: Option<Value<bool>>,
    sriov_net_support: Option<Value<String>>,
    ena_support: Option<Value<bool>>,
    enclave_options: Option<Enclave>,
    disable_api_stop: Option<Value<bool>>,
}

/// Tells one attribute.
pub(crate) async fn describe(cx: Cx, asked: DescribeInstanceAttribute) -> Result<Described, Refusal> {
    let view = view_of(&cx, &asked.instance_id).await?;
    let (instance, attributes) = (&view.instance, &view.instance.attributes);
    let mut reply = Described { instance_id: asked.instance_id, ..Described::default() };
    match asked.attribute {
        Attribute::InstanceType => reply.instance_type = Some(Value { value: instance_type::shown(&instance.instance_type) }),
        Attribute::UserData => reply.user_data = Some(Value { value: instance.guest.user_data.clone() }),
        Attribute::DisableApiTermination => reply.disable_api_termination = Some(Value { value: attributes.termination_protection }),
        Attribute::DisableApiStop => reply.disable_api_stop = Some(Value { value: attributes.stop_protection }),
        Attribute::InstanceInitiatedShutdownBehavior => {
            let value = match attributes.on_shutdown {
                OnShutdown::Stop => "stop",
                OnShutdown::Terminate => "terminate",
            };
            reply.instance_initiated_shutdown_behavior = Some(Value { value });
        }
        Attribute::RootDeviceName => reply.root_device_name = Some(Value { value: ROOT_DEVICE }),
        Attribute::BlockDeviceMapping => reply.block_device_mapping = Some(block_devices(&view.volumes)),
        Attribute::ProductCodes => reply.product_codes = Some(vec![]),
        Attribute::SourceDestCheck => {
            let checked = view.interface().is_none_or(|nic| nic.interface.checked);
            reply.source_dest_check = Some(Value { value: checked });
        }
        Attribute::GroupSet => reply.group_set = Some(groups(view.groups())),
        Attribute::EbsOptimized => reply.ebs_optimized = Some(Value { value: view.instance.attributes.ebs_optimized }),
        Attribute::EnaSupport => reply.ena_support = Some(Value { value: false }),
        Attribute::EnclaveOptions => reply.enclave_options = Some(Enclave { enabled: false }),
        // Machines here have no kernel of the cloud's, and no SR-IOV: EC2 then sends the id alone.
        Attribute::Kernel | Attribute::Ramdisk | Attribute::SriovNetSupport => {}
    }
    Ok(reply)
}

/// The parameters of `ModifyInstanceAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceAttribute {
    instance_id: String,
    attribute: Option<Attribute>,
    value: Option<String>,
    instance_type: Option<TypeName>,
    disable_api_termination: Option<Flag>,
    disable_api_stop: Option<Flag>,
    instance_initiated_shutdown_behavior: Option<Shutdown>,
    user_data: Option<Data>,
    source_dest_check: Option<Flag>,
    ebs_optimized: Option<Flag>,
    #[arg(name = "GroupId", max_items = 16)]
    groups: Vec<String>,
    #[arg(name = "BlockDeviceMapping", max_items = model::VOLUMES_PER_INSTANCE_MAX)]
    devices: Vec<AskedDevice>,
}

/// `BlockDeviceMapping.1.DeviceName=/dev/sdf&BlockDeviceMapping.1.Ebs.DeleteOnTermination=true`.
#[derive(FromArg)]
struct AskedDevice {
    device_name: String,
    ebs: Option<AskedEbs>,
}

#[derive(FromArg)]
struct AskedEbs {
    delete_on_termination: Option<bool>,
    volume_id: Option<String>,
}

/// What EC2 can change and this cloud cannot, or not yet.
pub(crate) const ABSENT: &[&str] = &[
    "BlockDeviceMapping.NoDevice",
    "BlockDeviceMapping.VirtualName",
    "Kernel",
    "Ramdisk",
    "SriovNetSupport",
    "EnaSupport",
    "EnclaveOptions",
    "MetricCategoryId",
];

/// `DisableApiTermination.Value=true`.
#[derive(FromArg)]
struct Flag {
    value: bool,
}

/// `InstanceType.Value=m5.large`.
#[derive(FromArg)]
struct TypeName {
    value: String,
}

/// `InstanceInitiatedShutdownBehavior.Value=stop`.
#[derive(FromArg)]
struct Shutdown {
    value: Behavior,
}

/// `UserData.Value=...`.
#[derive(FromArg)]
struct Data {
    value: Base64,
}

/// What a shutdown inside the guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
pub(crate) enum Behavior {
    Stop,
    Terminate,
}

impl From<Behavior> for OnShutdown {
    fn from(behavior: Behavior) -> OnShutdown {
        match behavior {
            Behavior::Stop => OnShutdown::Stop,
            Behavior::Terminate => OnShutdown::Terminate,
        }
    }
}

/// Changes one attribute.
pub(crate) async fn modify(cx: Cx, mut asked: ModifyInstanceAttribute) -> Result<(), Refusal> {
    let id: InstanceId = tag::id(Noun::Instance, &asked.instance_id)?;
    let (asked_groups, devices) = (asked.groups.clone(), std::mem::take(&mut asked.devices));
    if !devices.is_empty() {
        asked.attribute = asked.attribute.filter(|attribute| *attribute != Attribute::BlockDeviceMapping);
        let others = !asked_groups.is_empty() || !changes_of(asked)?.is_empty();
        return set_devices(&cx, id, devices, others).await;
    }
    let changes = changes_of(asked)?;
    if changes.len() > 1 {
        return Err(combination("Only one attribute can be changed in one call"));
    }
    if !asked_groups.is_empty() {
        return set_groups(&cx, id, &asked_groups, changes.is_empty()).await;
    }
    let change = changes.into_iter().next().ok_or(Error::MissingParameter { name: "Attribute" })?;
    let mut command = ModifyInstance { id: Some(id), ..ModifyInstance::default() };
    match change {
        Change::TerminationProtection(on) => command.termination_protection = Some(on),
        Change::StopProtection(on) => command.stop_protection = Some(on),
        Change::OnShutdown(behavior) => command.on_shutdown = Some(behavior.into()),
        Change::UserData(data) => command.user_data = Some(user_data(&data)?.unwrap_or_default()),
        Change::InstanceType(name) => return set_type(&cx, id, name).await,
        Change::SourceDestCheck(checked) => return set_check(&cx, id, checked).await,
        Change::EbsOptimized(on) => command.ebs_optimized = Some(on),
    }
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// Gives a stopped instance another type.
async fn set_type(cx: &Cx, id: InstanceId, name: String) -> Result<(), Refusal> {
    if Catalogue::standard().by_name(&name).is_none() {
        return Err(Error::invalid("InstanceAttributeValue", format!("'{name}' is no instance type")).into());
    }
    let command = ChangeInstanceType { id, instance_type: name, running: WhileRunning::Refused };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// Turns the source check of the instance's primary interface on or off.
async fn set_check(cx: &Cx, instance: InstanceId, checked: bool) -> Result<(), Refusal> {
    let view = cx.cloud.instance_view(&cx.caller, instance).await?;
    let command = ModifyInterface { checked: Some(checked), ..ModifyInterface::of(view.instance.interface) };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// Puts the instance's interface into these groups and no others.
async fn set_groups(cx: &Cx, instance: InstanceId, groups: &[String], alone: bool) -> Result<(), Refusal> {
    if !alone {
        return Err(combination("Only one attribute can be changed in one call"));
    }
    let change = Membership::Exactly(tag::ids(Noun::SecurityGroup, groups)?);
    Ok(cx.cloud.run(&cx.caller, SetSecurityGroups { instance, change }, cx.options(None)).await?)
}

/// Says which of an instance's volumes go with it.
async fn set_devices(cx: &Cx, instance: InstanceId, devices: Vec<AskedDevice>, others: bool) -> Result<(), Refusal> {
    if others {
        return Err(combination("Only one attribute can be changed in one call"));
    }
    let view = cx.cloud.instance_view(&cx.caller, instance).await?;
    let (mut going, mut staying) = (vec![], vec![]);
    for AskedDevice { device_name, ebs } in devices {
        let absent = || Error::invalid("BlockDeviceMapping", format!("no volume is attached as {device_name}"));
        let volume = view.volumes.iter().find(|volume| volume.device == device_name).ok_or_else(absent)?;
        let Some(ebs) = ebs else { continue };
        if ebs.volume_id.is_some_and(|id| id != volume.id.to_string()) {
            return Err(combination(format!("Another volume is attached as {device_name}")));
        }
        match ebs.delete_on_termination {
            Some(true) => going.push(volume.id),
            Some(false) => staying.push(volume.id),
            None => {}
        }
    }
    for (ids, goes) in [(going, true), (staying, false)].into_iter().filter(|(ids, _)| !ids.is_empty()) {
        let command = ModifyVolumes { ids, delete_on_termination: Some(goes), of: Some(instance), ..ModifyVolumes::default() };
        cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    }
    Ok(())
}

/// One change, however it was spelled.
enum Change {
    InstanceType(String),
    TerminationProtection(bool),
    StopProtection(bool),
    OnShutdown(Behavior),
    UserData(Vec<u8>),
    SourceDestCheck(bool),
    EbsOptimized(bool),
}

fn changes_of(asked: ModifyInstanceAttribute) -> Result<Vec<Change>, Refusal> {
    let mut changes = Vec::new();
    changes.extend(asked.instance_type.map(|name| Change::InstanceType(name.value)));
    changes.extend(asked.disable_api_termination.map(|flag| Change::TerminationProtection(flag.value)));
    changes.extend(asked.disable_api_stop.map(|flag| Change::StopProtection(flag.value)));
    changes.extend(asked.instance_initiated_shutdown_behavior.map(|shutdown| Change::OnShutdown(shutdown.value)));
    changes.extend(asked.user_data.map(|data| Change::UserData(data.value.0)));
    changes.extend(asked.source_dest_check.map(|flag| Change::SourceDestCheck(flag.value)));
    changes.extend(asked.ebs_optimized.map(|flag| Change::EbsOptimized(flag.value)));
    match (asked.attribute, asked.value) {
        (Some(attribute), Some(value)) => changes.push(named_change(attribute, &value)?),
        (None, Some(_)) => return Err(Error::MissingParameter { name: "Attribute" }.into()),
        (Some(_), None) if changes.is_empty() => return Err(Error::MissingParameter { name: "Value" }.into()),
        (_, None) => {}
    }
    Ok(changes)
}

fn named_change(attribute: Attribute, value: &str) -> Result<Change, Refusal> {
    let flag = || match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Refusal::from(Error::invalid("Value", "must be true or false"))),
    };
    match attribute {
        Attribute::DisableApiTermination => Ok(Change::TerminationProtection(flag()?)),
        Attribute::DisableApiStop => Ok(Change::StopProtection(flag()?)),
        Attribute::SourceDestCheck => Ok(Change::SourceDestCheck(flag()?)),
        Attribute::EbsOptimized => Ok(Change::EbsOptimized(flag()?)),
        Attribute::InstanceInitiatedShutdownBehavior => match value {
            "stop" => Ok(Change::OnShutdown(Behavior::Stop)),
            "terminate" => Ok(Change::OnShutdown(Behavior::Terminate)),
            _ => Err(Error::invalid("Value", "must be stop or terminate").into()),
        },
        Attribute::UserData => {
            let bytes = STANDARD.decode(value.trim()).map_err(|_| Refusal::UserDataMalformed)?;
            Ok(Change::UserData(bytes))
        }
        Attribute::InstanceType => Ok(Change::InstanceType(value.to_owned())),
        Attribute::Kernel
        | Attribute::Ramdisk
        | Attribute::RootDeviceName
        | Attribute::BlockDeviceMapping
        | Attribute::ProductCodes
        | Attribute::GroupSet
        | Attribute::SriovNetSupport
        | Attribute::EnaSupport
        | Attribute::EnclaveOptions => Err(unsupported(format!("Changing the attribute {attribute:?}"))),
    }
}

/// The parameters of `ResetInstanceAttribute`.
#[derive(FromArg)]
pub(crate) struct ResetInstanceAttribute {
    instance_id: String,
    attribute: Attribute,
}

/// Sets an attribute back to its first value. The one that EC2 can set back and this cloud has is the source check.
pub(crate) async fn reset(cx: Cx, asked: ResetInstanceAttribute) -> Result<(), Refusal> {
    let view = view_of(&cx, &asked.instance_id).await?;
    match asked.attribute {
        Attribute::SourceDestCheck => set_check(&cx, view.instance.id, true).await,
        Attribute::Kernel | Attribute::Ramdisk => Err(unsupported("A kernel or RAM disk of the cloud's")),
        Attribute::InstanceType
        | Attribute::UserData
        | Attribute::DisableApiTermination
        | Attribute::InstanceInitiatedShutdownBehavior
        | Attribute::RootDeviceName
        | Attribute::BlockDeviceMapping
        | Attribute::ProductCodes
        | Attribute::GroupSet
        | Attribute::EbsOptimized
        | Attribute::SriovNetSupport
        | Attribute::EnaSupport
        | Attribute::EnclaveOptions
        | Attribute::DisableApiStop => Err(Error::invalid("Attribute", "must be kernel, ramdisk or sourceDestCheck").into()),
    }
}

/// The parameters of `ModifyInstanceMetadataOptions`.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceMetadataOptions {
    instance_id: String,
    #[arg(flatten)]
    options: AskedMetadata,
}

/// The reply of `ModifyInstanceMetadataOptions`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct ModifiedMetadata {
    instance_id: String,
    instance_metadata_options: MetadataItem,
}

/// Changes how the metadata service answers an instance.
pub(crate) async fn modify_metadata(cx: Cx, asked: ModifyInstanceMetadataOptions) -> Result<ModifiedMetadata, Refusal> {
    let view = view_of(&cx, &asked.instance_id).await?;
    let options = asked.options.over(&view.instance.attributes.metadata)?;
    let command = ModifyInstance { id: Some(view.instance.id), metadata: Some(options.clone()), ..ModifyInstance::default() };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(ModifiedMetadata { instance_id: asked.instance_id, instance_metadata_options: MetadataItem::applied(&options) })
}
