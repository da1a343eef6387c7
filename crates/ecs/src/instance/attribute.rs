//! One instance: what it is, what it was told, what it wrote, and changes of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::ModifyInstance;
use jiff::Timestamp;
use model::Noun;
use secrecy::SecretString;
use wire::{Base64, FromArg, Minute, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter;
use crate::instance::describe::{Addresses, addresses};
use crate::instance::launch::{self, AskedMetadata, Switch};
use crate::instance::{Status, shown_name, status, stopped_mode, type_name, view_of};

/// The newest console output that is shown, in bytes (ECS documents 64 KB).
const CONSOLE_MAX: usize = 64 * 1024;

/// `DescribeInstanceAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceAttribute {
    instance_id: String,
}

#[derive(Show)]
pub(crate) struct Attributes {
    instance_id: String,
    instance_name: String,
    description: String,
    host_name: String,
    status: Status,
    stopped_mode: &'static str,
    region_id: String,
    zone_id: String,
    instance_type: String,
    cpu: u32,
    memory: u64,
    image_id: String,
    creation_time: Minute,
    instance_charge_type: &'static str,
    instance_network_type: &'static str,
    io_optimized: &'static str,
    #[reply(list = "SecurityGroupId")]
    security_group_ids: Vec<String>,
    #[reply(flatten)]
    addresses: Addresses,
    #[reply(list = "LockReason")]
    operation_locks: Vec<String>,
}

/// Tells what an instance is.
pub(crate) async fn describe_attribute(cx: &Cx<'_>, asked: DescribeInstanceAttribute) -> Result<Attributes, Fault> {
    let view = view_of(cx, &asked.instance_id).await?;
    let instance = &view.instance;
    Ok(Attributes {
        instance_id: instance.id.to_string(),
        instance_name: shown_name(instance).into_owned(),
        description: instance.description.clone(),
        host_name: instance.hostname.clone(),
        status: status(instance.phase),
        stopped_mode: stopped_mode(instance),
        region_id: cx.region(),
        zone_id: instance.zone.clone(),
        instance_type: type_name(instance).to_owned(),
        cpu: instance.vcpus,
        memory: instance.memory.0,
        image_id: instance.image.to_string(),
        creation_time: Minute(instance.created_at.timestamp()),
        instance_charge_type: "PostPaid",
        instance_network_type: "vpc",
        io_optimized: "optimized",
        security_group_ids: view.groups().iter().map(|(id, _)| id.to_string()).collect(),
        addresses: addresses(&view),
        operation_locks: vec![],
    })
}

/// `ModifyInstanceAttribute`. What is absent stays.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceAttribute {
    instance_id: String,
    instance_name: Option<String>,
    description: Option<String>,
    host_name: Option<String>,
    password: Option<SecretString>,
    user_data: Option<Base64>,
    deletion_protection: Option<bool>,
    #[arg(max_items = model::GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
}

/// Changes an instance.
pub(crate) async fn modify_attribute(cx: &Cx<'_>, asked: ModifyInstanceAttribute) -> Result<(), Fault> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let groups = asked.security_group_ids.iter().map(|id| filter::id(Noun::SecurityGroup, id)).collect::<Result<Vec<_>, _>>()?;
    let command = ModifyInstance {
        id: Some(filter::id(Noun::Instance, &asked.instance_id)?),
        groups: Some(groups).filter(|groups| !groups.is_empty()),
        name: filled(asked.instance_name),
        description: asked.description,
        hostname: filled(asked.host_name),
        password_hash: launch::password_hash(asked.password)?,
        user_data: asked.user_data.map(|data| launch::user_data(&data)).transpose()?,
        termination_protection: asked.deletion_protection,
        ..ModifyInstance::default()
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ModifyInstanceMetadataOptions`.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceMetadataOptions {
    instance_id: String,
    #[arg(flatten)]
    options: AskedMetadata,
    instance_metadata_tags: Option<Switch>,
}

/// Changes how the metadata service answers an instance.
pub(crate) async fn modify_metadata(cx: &Cx<'_>, asked: ModifyInstanceMetadataOptions) -> Result<(), Fault> {
    let view = view_of(cx, &asked.instance_id).await?;
    let mut options = asked.options.over(&view.instance.attributes.metadata);
    options.show_tags = asked.instance_metadata_tags.map_or(options.show_tags, |switch| switch == Switch::Enabled);
    let command = ModifyInstance { id: Some(view.instance.id), metadata: Some(options), ..ModifyInstance::default() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `GetInstanceConsoleOutput`.
#[derive(FromArg)]
pub(crate) struct GetInstanceConsoleOutput {
    instance_id: String,
}

#[derive(Show)]
pub(crate) struct ConsoleOutput {
    instance_id: String,
    console_output: String,
    last_update_time: Timestamp,
}

/// Tells what the guest of an instance wrote to its serial console, in base64.
pub(crate) async fn console_output(cx: &Cx<'_>, asked: GetInstanceConsoleOutput) -> Result<ConsoleOutput, Fault> {
    let view = view_of(cx, &asked.instance_id).await?;
    let written = cx.cloud.console_output(&cx.caller, view.instance.id).await?;
    let newest = &written.bytes[written.bytes.len().saturating_sub(CONSOLE_MAX)..];
    Ok(ConsoleOutput { instance_id: asked.instance_id, console_output: STANDARD.encode(newest), last_update_time: written.at.timestamp() })
}

/// `DescribeUserData`.
#[derive(FromArg)]
pub(crate) struct DescribeUserData {
    instance_id: String,
}

#[derive(Show)]
pub(crate) struct UserData {
    instance_id: String,
    region_id: String,
    user_data: String,
}

/// Tells the user data of an instance, in base64.
pub(crate) async fn user_data(cx: &Cx<'_>, asked: DescribeUserData) -> Result<UserData, Fault> {
    let view = view_of(cx, &asked.instance_id).await?;
    let user_data = view.instance.guest.user_data.unwrap_or_default();
    Ok(UserData { instance_id: asked.instance_id, region_id: cx.region(), user_data })
}
