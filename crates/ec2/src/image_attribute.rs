//! Attributes of an image: its description, and who may launch it.

use control::{ModifyImage, Query};
use jiff::Timestamp;
use model::{Error, Image, Millis, Noun, ShareChange};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination, unsupported};
use crate::snapshot_attribute::{Operation, PermissionChange, PermissionItem, permissions};
use crate::tag;

/// Ten years, the farthest that EC2 takes for a deprecation.
const DEPRECATION_MAX_MS: i64 = 10 * 366 * 24 * 3600 * 1000;

/// The parameters of `ModifyImageAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyImageAttribute {
    image_id: String,
    attribute: Option<String>,
    description: Option<Value>,
    value: Option<String>,
    #[arg(default)]
    launch_permission: PermissionChange,
    operation_type: Option<Operation>,
    #[arg(name = "UserId")]
    users: Vec<String>,
    #[arg(name = "UserGroup")]
    groups: Vec<String>,
}

/// A value that stands in a structure of its own.
#[derive(FromArg)]
struct Value {
    value: String,
}

/// What EC2 can change of an image and this cloud cannot.
pub(crate) const ABSENT: &[&str] = &[
    "ImdsSupport",
    "LaunchPermission.Add.OrganizationArn",
    "LaunchPermission.Add.OrganizationalUnitArn",
    "LaunchPermission.Remove.OrganizationArn",
    "LaunchPermission.Remove.OrganizationalUnitArn",
    "OrganizationArn",
    "OrganizationalUnitArn",
    "ProductCode",
];

/// Changes an attribute.
pub(crate) async fn modify(cx: Cx, asked: ModifyImageAttribute) -> Result<(), Refusal> {
    let image = tag::id(Noun::Image, &asked.image_id)?;
    let older = asked.value.filter(|_| asked.attribute.as_deref() == Some("description"));
    let description = asked.description.map(|value| value.value).or(older);
    let shares = !asked.launch_permission.is_empty() || !asked.users.is_empty() || !asked.groups.is_empty();
    if description.is_some() == shares {
        return Err(combination("ModifyImageAttribute changes one attribute: a description or launch permissions"));
    }
    let share = match shares {
        true => asked.launch_permission.with(asked.operation_type, &asked.users, &asked.groups)?,
        false => ShareChange::default(),
    };
    let command = ModifyImage { description, share, ..ModifyImage::of(image) };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of `EnableImageDeprecation`.
#[derive(FromArg)]
pub(crate) struct EnableDeprecation {
    image_id: String,
    deprecate_at: Timestamp,
}

/// The parameters of `DisableImageDeprecation`.
#[derive(FromArg)]
pub(crate) struct DisableDeprecation {
    image_id: String,
}

/// The reply of actions that say only that they were done.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Changed {
    r#return: bool,
}

/// Says from when on an image should not be used for what is new: a time to come, at most ten years from now, to the minute (EC2's rules).
pub(crate) async fn enable_deprecation(cx: Cx, asked: EnableDeprecation) -> Result<Changed, Refusal> {
    let minute = asked.deprecate_at.as_second().div_euclid(60) * 60;
    let at = Millis(minute.saturating_mul(1_000));
    let now = cx.cloud.clock().now();
    if at <= now || at.0 > now.0 + DEPRECATION_MAX_MS {
        return Err(Error::invalid("DeprecateAt", "must be in the future, and at most ten years from now").into());
    }
    deprecate(&cx, &asked.image_id, Some(at)).await
}

/// Takes back that an image is or will be deprecated.
pub(crate) async fn disable_deprecation(cx: Cx, asked: DisableDeprecation) -> Result<Changed, Refusal> {
    deprecate(&cx, &asked.image_id, None).await
}

async fn deprecate(cx: &Cx, image: &str, at: Option<Millis>) -> Result<Changed, Refusal> {
    let command = ModifyImage { deprecated_at: Some(at), ..ModifyImage::of(tag::id(Noun::Image, image)?) };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Changed { r#return: true })
}

/// The parameters of `EnableImage` and `DisableImage`.
#[derive(FromArg)]
pub(crate) struct OneImage {
    image_id: String,
}

/// Has an image launched again.
pub(crate) async fn enable(cx: Cx, asked: OneImage) -> Result<Changed, Refusal> {
    set_enabled(&cx, &asked, true).await
}

/// Keeps an image from being launched, and takes it back from whoever it was shared with.
pub(crate) async fn disable(cx: Cx, asked: OneImage) -> Result<Changed, Refusal> {
    set_enabled(&cx, &asked, false).await
}

async fn set_enabled(cx: &Cx, asked: &OneImage, enabled: bool) -> Result<Changed, Refusal> {
    let command = control::EnableImage { image: tag::id(Noun::Image, &asked.image_id)?, enabled };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Changed { r#return: true })
}

/// The parameters of `DescribeImageAttribute` and `ResetImageAttribute`.
#[derive(FromArg)]
pub(crate) struct ImageAttribute {
    image_id: String,
    attribute: String,
}

/// The reply of `DescribeImageAttribute`.
#[derive(Default, Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Attribute {
    image_id: String,
    description: Option<Described>,
    launch_permission: Option<Vec<PermissionItem>>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Described {
    value: String,
}

/// Tells an attribute; only its owner is told.
pub(crate) async fn describe(cx: Cx, asked: ImageAttribute) -> Result<Attribute, Refusal> {
    let image = own(&cx, &asked.image_id).await?;
    let reply = Attribute { image_id: asked.image_id, ..Attribute::default() };
    match asked.attribute.as_str() {
        "description" => Ok(Attribute { description: Some(Described { value: image.description }), ..reply }),
        "launchPermission" => Ok(Attribute { launch_permission: Some(permissions(image.public, image.accounts.iter())), ..reply }),
        other => Err(unsupported(format!("The image attribute '{other}'"))),
    }
}

/// Lets nobody else launch an image any more.
pub(crate) async fn reset(cx: Cx, asked: ImageAttribute) -> Result<(), Refusal> {
    if asked.attribute != "launchPermission" {
        return Err(unsupported(format!("Resetting the image attribute '{}'", asked.attribute)));
    }
    let image = own(&cx, &asked.image_id).await?;
    let share = ShareChange { public: Some(false), add: vec![], remove: image.accounts.iter().copied().collect() };
    let command = ModifyImage { share, ..ModifyImage::of(image.id) };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

async fn own(cx: &Cx, id: &str) -> Result<Image, Refusal> {
    let query = Query { ids: vec![tag::id(Noun::Image, id)?], ..Query::default() };
    let listed = cx.cloud.list::<Image>(&cx.caller, query).await?;
    let own = listed.rows.into_iter().find(|image| image.account == cx.caller.account());
    Ok(own.ok_or_else(|| Error::not_found(Noun::Image, id))?)
}
